"""One run for all who ask, bounded over all targets, in time for the scrape. Runs are played, the time is real."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from semscheck.exporter.run_queue import Slots
from semscheck.model.report import Report, Snapshot
from tests.exporter.stand import Play, serving, until, write_config

pytestmark = pytest.mark.slow  # waits for times to pass


async def test_two_scrapes_at_once_share_one_run(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path), play) as (exporter, client):
        first = asyncio.create_task(client.probe(timeout_s=15))
        await until(lambda: play.runs)
        others = [asyncio.create_task(client.probe(timeout_s=15)) for _ in range(5)]
        await until(lambda: sum(guard._busy for guard in exporter._server._guards) == 6)
        play.go.set()
        answers = [await first, *[await other for other in others]]
    assert len(play.runs) == 1
    assert [answer.status for answer in answers] == [200] * 6
    assert [answer.value("semscheck_probe_shared") for answer in answers] == [0, 1, 1, 1, 1, 1]
    assert {answer.value('semscheck_run_cut{cause="deadline"}') for answer in answers} == {0}


async def test_a_whole_run_answers_the_next_scrapes_for_a_while(tmp_path: Path) -> None:
    play = Play()
    async with serving(write_config(tmp_path, probe="reuse_s = 600"), play) as (_, client):
        first, second = await client.probe(), await client.probe()
    assert len(play.runs) == 1
    assert (first.value("semscheck_probe_shared"), second.value("semscheck_probe_shared")) == (0, 1)


async def test_a_run_that_was_cut_is_not_used_again(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path, probe="reuse_s = 600"), play) as (_, client):
        await client.probe(timeout_s=0.6)
        play.go.set()
        second = await client.probe(timeout_s=5)
    assert len(play.runs) == 2
    assert second.value("semscheck_probe_shared") == 0


async def test_the_run_ends_before_the_scrapes_time_out(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path, probe="margin_s = 0.5"), play) as (_, client):
        answer = await client.probe(timeout_s=3.5)
    assert 0.5 < play.runs[0].limits.deadline_s <= 3.0  # less by what a busy machine took until then
    assert answer.status == 200
    assert answer.value("semscheck_up") == 0
    assert answer.value('semscheck_run_cut{cause="deadline"}') == 1
    unfinished = ("names", "addresses", "connections")
    for step in ("desktop", "names", "addresses", "controls", "connections", "services"):
        assert answer.value(f'semscheck_run_unfinished{{step="{step}"}}') == (step in unfinished), step
    assert answer.value('semscheck_verdict{verdict="critical"}') == 1  # what was measured until then


async def test_the_profiles_own_deadline_holds_where_it_is_shorter(tmp_path: Path) -> None:
    play = Play(hold=True)
    config = write_config(tmp_path)
    (tmp_path / "keys.toml").write_text('[target]\nfqdn = "keys.example.com"\n[limits]\ndeadline_s = 0.3\n')
    async with serving(config, play) as (_, client):
        answer = await client.probe(timeout_s=60)
        unlimited = await client.probe()
    assert [target.limits.deadline_s <= 0.3 for target in play.runs] == [True, True]
    assert answer.value('semscheck_run_cut{cause="deadline"}') == 1
    assert unlimited.value('semscheck_run_cut{cause="deadline"}') == 1


async def test_who_joins_with_less_time_gets_what_was_seen_until_then(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path), play) as (_, client):
        first = asyncio.create_task(client.probe(timeout_s=15))
        await until(lambda: play.runs)
        second = await client.probe(timeout_s=0.5)
        play.go.set()
        whole = await first
    assert len(play.runs) == 1
    assert second.value("semscheck_up") == 0
    assert second.value('semscheck_run_cut{cause="deadline"}') == 1
    assert second.value("semscheck_probe_shared") == 1
    assert second.value('semscheck_rules{state="not-observed"}') is not None  # judged by the real rules
    assert whole.value('semscheck_run_cut{cause="deadline"}') == 0


async def test_a_run_that_is_late_itself_is_not_waited_for_and_leaves_more_time_next(tmp_path: Path) -> None:
    play = Play(hold=True, deaf=True)
    async with serving(write_config(tmp_path, probe="margin_s = 0.4\nreuse_s = 0"), play) as (
        exporter,
        client,
    ):
        answer = await client.probe(timeout_s=4)
        play.go.set()
        await until(lambda: exporter.metrics.value("semscheck_exporter_runs_total", result="whole") == 1)
        await client.probe(timeout_s=4)
    assert answer.status == 200
    assert answer.value("semscheck_up") == 0
    assert answer.value('semscheck_run_cut{cause="deadline"}') == 1
    assert answer.value('semscheck_run_unfinished{step="names"}') == 1
    first, second = (target.limits.deadline_s for target in play.runs)
    assert second < first <= 3.6


async def test_runs_are_bounded_over_all_targets(tmp_path: Path) -> None:
    names = [f"keys{number}" for number in range(12)]
    play = Play(hold=True)
    config = write_config(tmp_path, names=names, probe="max_runs = 4\nreuse_s = 0")
    async with serving(config, play) as (exporter, client):
        probes = [asyncio.create_task(client.probe(name, 15)) for name in names]
        await until(lambda: exporter._runs.waiting == 10)
        assert play.most == 2  # not proved to be quick yet, so half of the slots
        play.go.set()
        await asyncio.gather(*probes)
        play.go.clear()
        play.hold = True
        again = [asyncio.create_task(client.probe(name, 15)) for name in names]
        await until(lambda: exporter._runs.waiting == 9)
        assert play.most == 3  # all but one
        play.go.set()
        answers = await asyncio.gather(*again)
    assert [answer.status for answer in answers] == [200] * 12
    assert len(play.runs) == 24


async def test_targets_that_hang_do_not_starve_the_others(tmp_path: Path) -> None:
    hanging = [f"hang{number}" for number in range(8)]
    play = Play()
    config = write_config(tmp_path, names=("quick", *hanging), probe="max_runs = 4\nreuse_s = 0")
    async with serving(config, play) as (exporter, client):
        await client.probe("quick", 10)
        play.held = frozenset(f"{name}.example.com" for name in hanging)
        stuck = [asyncio.create_task(client.probe(name, 3)) for name in hanging]
        await until(lambda: exporter._runs.waiting == 6)
        for _ in range(5):
            answer = await client.probe("quick", 2)
            assert answer.value('semscheck_run_cut{cause="queue"}') == 0
            assert answer.value('semscheck_verdict{verdict="critical"}') == 1
        answers = await asyncio.gather(*stuck)
    causes = [
        next(c for c in ("deadline", "queue") if answer.value(f'semscheck_run_cut{{cause="{c}"}}') == 1)
        for answer in answers
    ]
    assert causes.count("deadline") == 2
    assert causes.count("queue") == 6
    queued = answers[causes.index("queue")]
    assert queued.status == 200
    assert queued.value("semscheck_up") == 0
    assert queued.value('semscheck_run_unfinished{step="names"}') == 1
    assert queued.value('semscheck_verdict{verdict="ok"}') is None  # nothing was measured, so nothing is said


async def test_a_client_that_leaves_does_not_end_the_run_of_others(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path), play) as (exporter, client):
        _, writer = await client.connect()
        writer.write(b"GET /probe?target=keys HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: play.runs)
        other = asyncio.create_task(client.probe(timeout_s=15))
        await until(lambda: exporter._server.connections == 2)
        writer.transport.abort()
        await until(lambda: exporter._server.connections == 1)
        play.go.set()
        answer = await other
    assert answer.status == 200
    assert answer.value("semscheck_up") == 1
    assert len(play.runs) == 1


async def test_slots_go_first_come_first_served_and_none_is_lost() -> None:
    slots = Slots(2)
    order: list[int] = []

    async def take(number: int) -> None:
        async with slots.slot(slow=False):
            order.append(number)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(take(number)) for number in range(6)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 1, 2, 4, 5]
    assert (slots.held, slots.waiting) == (0, 0)


async def test_a_slot_that_comes_at_the_moment_of_giving_up_is_given_back() -> None:
    slots = Slots(2)
    leave = asyncio.Event()

    async def hold() -> None:
        async with slots.slot(slow=False):
            await leave.wait()

    holder = asyncio.create_task(hold())
    waiter = asyncio.create_task(hold())
    await asyncio.sleep(0)
    assert (slots.held, slots.waiting) == (1, 1)
    leave.set()
    await holder  # hands the slot over
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert (slots.held, slots.waiting) == (0, 0)


async def test_a_client_with_a_short_time_out_does_not_spoil_the_scrape_of_another(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path), play) as (_, client):
        hasty = asyncio.create_task(client.probe(timeout_s=0.8))
        await until(lambda: len(play.runs) == 1)
        patient = asyncio.create_task(client.probe(timeout_s=15))
        await hasty
        await until(lambda: len(play.runs) == 2)
        play.go.set()
        answer = await patient
    assert answer.value('semscheck_run_cut{cause="deadline"}') == 0
    assert play.runs[1].limits.deadline_s > 10


async def test_impatient_clients_without_end_do_not_keep_a_scrape_from_a_whole_run(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path), play) as (exporter, client):
        await client.probe(timeout_s=0.1)
        patient = asyncio.create_task(client.probe(timeout_s=15))
        await until(lambda: any(run.limits.deadline_s > 10 for run in play.runs))
        judged: list[Snapshot] = []
        real = exporter._runs._doors

        def judge(seen: Snapshot) -> Report:
            judged.append(seen)
            return real.judge(seen)

        exporter._runs._doors = replace(real, judge=judge)
        hasty = list(await asyncio.gather(*(client.probe(timeout_s=0.1) for _ in range(8))))
        assert 1 <= len(judged) < 8
        play.go.set()
        answer = await patient
        play.go.clear()
        hasty.append(await client.probe(timeout_s=0.1))
        await until(lambda: play.runs[-1].limits.deadline_s > 10)  # whoever begins it next
    assert answer.value('semscheck_run_cut{cause="deadline"}') == 0
    assert {one.value('semscheck_run_cut{cause="deadline"}') for one in hasty} == {1}
    assert {one.value('semscheck_run_unfinished{step="connections"}') for one in hasty} == {1}


async def test_no_patience_at_all_decides_nothing(tmp_path: Path) -> None:
    play = Play(hold=True)
    async with serving(write_config(tmp_path), play) as (_, client):
        await client.probe(timeout_s=0.01)
        await until(lambda: len(play.runs) == 1)
    assert play.runs[0].limits.deadline_s > 0.8
