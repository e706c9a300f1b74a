"""The course of a watch, in time that stands still while anything is under way: schedule, time-outs, bounds."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, pairwise
from pathlib import Path
from queue import SimpleQueue

import pytest

from semscheck import pipeline
from semscheck.analysis.sampling_strategy import SamplingDecisions
from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS
from semscheck.model.failure import Cause, Phase
from semscheck.model.observations import DnsAnswer, Mark, Sample, WatchPlan
from semscheck.model.target import Endpoint, Target
from semscheck.net.backend import Stream
from semscheck.sampling import watch
from semscheck.sampling.watch import MOST_TICKS, TICK_S, Watcher, WatchOrder
from tests.scenarios.play import target as lab_target
from tests.scripted import (
    START,
    Connect,
    ScriptedClock,
    ScriptedDialler,
    ScriptedResolver,
    refusal,
    scripted_seam,
    silence,
)

FQDN, VIP = "keys.example.com", "192.0.2.100"
TARGET = Target(fqdn=FQDN, resolvers=(Endpoint("192.0.2.53", 53),), families=(4,))


class SteppedClock(ScriptedClock):
    """Time goes on to the next sleeper's when all others wait."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = count()
        self.jumps: dict[float, float] = {}

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._number), woken))
        await woken

    async def go_on(self) -> None:
        ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # nothing public says so
        while True:
            await asyncio.sleep(0)
            while ready:  # noqa: ASYNC110  # an event would be one more thing to do
                await asyncio.sleep(0)
            if self._sleepers:
                due_s, _, woken = heapq.heappop(self._sleepers)
                self.now_s = max(self.now_s, due_s)
                self.now_s = max(self.now_s, self.jumps.pop(due_s, 0.0))
                if not woken.done():
                    woken.set_result(None)


@dataclass(slots=True)
class OpenCount:
    """Connections that never come about, and how many were waited for at once."""

    clock: SteppedClock
    open: int = 0
    most: int = 0
    began: list[float] = field(default_factory=list)

    async def connect(self, address: str, port: int) -> Stream:
        self.began.append(self.clock.now_s)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            return await silence(address, port)
        finally:
            self.open -= 1


@dataclass(slots=True)
class Play:
    tmp_path: Path
    clock: SteppedClock = field(default_factory=SteppedClock)
    resolver: ScriptedResolver = field(default_factory=lambda: ScriptedResolver({(FQDN, "A"): (VIP,)}))

    def watcher(self, connect: Connect, *, every_s: float = 1.0, for_s: float = 20.0) -> Watcher:
        self.dialler = ScriptedDialler({}, connect)
        seam = scripted_seam(self.tmp_path, dialler=self.dialler, resolver=self.resolver, clock=self.clock)
        self.order = WatchOrder(
            TARGET, seam, SamplingDecisions(TARGET), "test", every_s, for_s, SimpleQueue()
        )
        return Watcher(self.order)

    async def run(self, watcher: Watcher, cancel: asyncio.Event | None = None) -> list[Sample]:
        stepping = asyncio.ensure_future(self.clock.go_on())
        try:
            seen = await watcher.run(cancel)
        finally:
            stepping.cancel()
        return [each for each in seen if isinstance(each, Sample)]

    dialler: ScriptedDialler = field(init=False)
    order: WatchOrder = field(init=False)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


@pytest.mark.parametrize("every_s", [0.5, 1.0, 3.0])
async def test_ticks_start_on_schedule_whatever_earlier_ones_do(play: Play, every_s: float) -> None:
    counting = OpenCount(play.clock)
    samples = await play.run(play.watcher(counting.connect, every_s=every_s))
    assert [round(sample.at_s, 3) for sample in samples] == [
        every_s * at for at in range(int(20 / every_s + 0.9))
    ]
    assert counting.began == [sample.at_s for sample in samples]
    assert 1 <= counting.most <= 8
    assert counting.open == 0


async def test_a_tick_fails_after_two_seconds(play: Play) -> None:
    for sample in await play.run(play.watcher(silence)):
        assert sample.failure is not None
        assert (sample.failure.phase, sample.failure.cause) == (Phase.CONNECT, Cause.TIMED_OUT)
        assert sample.elapsed_s == pytest.approx(TICK_S)


async def test_a_pause_of_the_machine_is_not_made_up_for(play: Play) -> None:
    play.clock.jumps[5.0] = 65.0
    samples = await play.run(play.watcher(refusal, for_s=100.0))
    gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(samples)]
    assert min(gaps) >= 1.0
    assert max(gaps) > 50


async def test_it_stops_by_itself(play: Play) -> None:
    watcher = play.watcher(refusal, for_s=30.0)
    samples = await play.run(watcher)
    assert len(samples) == 30
    plan = next(seen for seen in watcher.record.observations if isinstance(seen, WatchPlan))
    assert (plan.every_s, plan.for_s) == (1.0, 30.0)


async def test_no_watch_makes_more_ticks_than_a_report_holds(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST_TICKS", 300)
    samples = await play.run(play.watcher(refusal, every_s=0.5, for_s=1e9))
    assert len(samples) == 300
    assert 1_000 < MOST_TICKS < 20_000


async def test_the_name_is_asked_for_every_five_seconds_and_written_down_when_it_changes(play: Play) -> None:
    watcher = play.watcher(refusal, for_s=30.0)
    await play.run(watcher)
    assert len(play.resolver.asked) == 6
    assert sum(isinstance(seen, DnsAnswer) for seen in watcher.record.observations) == 1


async def test_ticks_go_where_the_name_leads_now(play: Play) -> None:
    async def connect(address: str, port: int) -> Stream:
        if play.clock.now_s >= 8:
            play.resolver._answers = {(FQDN, "A"): ("192.0.2.200",)}
        return await refusal(address, port)

    watcher = play.watcher(connect, for_s=20.0)
    samples = await play.run(watcher)
    assert {sample.address for sample in samples[:10]} == {VIP}
    assert {sample.address for sample in samples[11:]} == {"192.0.2.200"}
    assert sum(isinstance(seen, DnsAnswer) for seen in watcher.record.observations) == 2


async def test_a_name_without_an_address_fails_and_nothing_is_contacted(play: Play) -> None:
    play.resolver = ScriptedResolver({("other.example.com", "A"): (VIP,)})
    samples = await play.run(play.watcher(refusal, for_s=5.0))
    assert {sample.failure.phase for sample in samples if sample.failure} == {Phase.RESOLVE}
    assert len(samples) == 5
    assert not play.dialler.asked


async def test_marks_keep_the_time_at_which_they_came(play: Play) -> None:
    watcher = play.watcher(refusal, for_s=5.0)
    play.order.marks.put((START + timedelta(seconds=2.25), "sems1 stopped"))
    play.order.marks.put((START - timedelta(seconds=9), "x" * 5000))
    await play.run(watcher)
    marks = {seen.text: seen.at_s for seen in watcher.record.observations if isinstance(seen, Mark)}
    assert marks["x" * 200] == 0
    assert marks["sems1 stopped"] <= 2.25


async def test_a_cancel_ends_it_at_once_and_keeps_what_there_is(play: Play) -> None:
    cancel = asyncio.Event()

    async def connect(address: str, port: int) -> Stream:
        if play.clock.now_s >= 3:
            cancel.set()
        return await refusal(address, port)

    samples = await play.run(play.watcher(connect, for_s=1000.0), cancel)
    assert 3 <= len(samples) <= 5


def _kept(samples: list[Sample], name: str) -> tuple[int, int]:
    """How many different values a field has, and how many objects they are in memory."""
    values = [getattr(sample, name) for sample in samples if getattr(sample, name)]
    return len(set(values)), len(set(map(id, values)))


async def test_what_fails_alike_is_kept_once(play: Play) -> None:
    samples = await play.run(play.watcher(refusal, for_s=50.0))
    assert len(samples) == 50
    assert _kept(samples, "failure") == (1, 1)


@pytest.mark.slow
async def test_what_comes_with_every_connection_is_kept_once() -> None:
    """So that a watch of hours needs no more than its samples."""
    with LabThread(SCENARIOS["round-robin"].world) as playing:
        report = await pipeline.watch(
            lab_target(playing.lab, SCENARIOS["round-robin"]), every_s=0.05, for_s=1.5
        )
    samples = [seen for seen in report.observations if isinstance(seen, Sample) and seen.status]
    assert len(samples) > 2
    for name in ("address", "source_address", "version", "certificate", "headers"):
        different, objects = _kept(samples, name)
        assert 0 < different == objects, name
    prefixes = [sample.ticket.prefixes for sample in samples if sample.ticket]
    assert len(set(prefixes)) == len(set(map(id, prefixes))) > 0
