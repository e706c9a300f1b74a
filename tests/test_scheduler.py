"""The engine: an end that always comes, a crash that stays where it is, and no more than is polite."""

from __future__ import annotations

import asyncio
import inspect
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from semscheck import pipeline as run
from semscheck import scheduler
from semscheck.analysis.sampling_strategy import SamplingDecisions
from semscheck.lab.cluster import Lab, LabThread
from semscheck.lab.scenarios import SCENARIOS
from semscheck.model.events import Event, Observed, Progressed
from semscheck.model.findings import State
from semscheck.model.observations import Bound, Connection, Crash, Cut, DnsAnswer, Sample, ServiceProbe
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Limits, Member, Services, Target
from semscheck.net.backend import NetworkBackend, SocketDialler, real_backend
from semscheck.report.text import page as text
from semscheck.scheduler import Engine, Order
from tests.lab.clients import split
from tests.rig.policy import PATIENT
from tests.scripted import (
    CountingDialler,
    ScriptedDialler,
    ScriptedResolver,
    refusal,
    scripted_seam,
    silence,
)

FQDN = "keys.example.com"
RESOLVER = Endpoint("192.0.2.53")
BALANCER = "192.0.2.100"
ONE_ADDRESS = ScriptedResolver({(FQDN, "A"): [BALANCER], (FQDN, "AAAA"): ()})
# What a test allows for "at once" on a busy machine; a wait that nobody ends lasts for ever.
PATIENCE_S = 60.0


def target(*, timeout_s: float = 5.0, deadline_s: float = 60.0, **more: object) -> Target:
    limits = Limits(timeout_s=timeout_s, deadline_s=deadline_s)
    return replace(Target(FQDN, resolvers=(RESOLVER,), limits=limits), **more)  # type: ignore[arg-type]


MEMBERS = tuple(
    Member(f"sems{n}.example.com", (Endpoint(f"192.0.2.1{n}"),), (Endpoint(f"198.51.100.1{n}"),))
    for n in (1, 2, 3)
)


def engine(aim: Target, backend: NetworkBackend, listener: object = None) -> Engine:
    return Engine(Order(aim, backend, SamplingDecisions(aim), "test"), listener)  # type: ignore[arg-type]


async def check(aim: Target, backend: NetworkBackend, **more: object) -> Report:
    async with asyncio.timeout(PATIENCE_S):
        return await run.check(aim, backend=backend, seed=1, **more)  # type: ignore[arg-type]


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


# --- the end -----------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_deadline_ends_a_run_with_a_report_that_says_what_was_left(tmp_path: Path) -> None:
    aim = target(deadline_s=1.5, members=MEMBERS[:1], balancers=(BALANCER,))
    backend = scripted_seam(tmp_path, dialler=ScriptedDialler({}, silence), resolver=ONE_ADDRESS)
    report = await check(aim, backend)
    (cut,) = (seen for seen in report.observations if isinstance(seen, Cut))
    assert cut.reason == "deadline"
    assert f"{FQDN} at {BALANCER}:443" in cut.unfinished
    assert "sems1.example.com at 192.0.2.11:443" in cut.unfinished
    assert f"connections to {BALANCER}" in cut.unfinished
    assert "warm" not in cut.unfinished
    assert "SEM002" in codes(report)
    assert (report.summary.verdict, report.summary.exit_code) == ("unknown", 3)
    assert report.run.finished is not None
    assert not tasks()


async def test_a_cancel_ends_a_run_likewise(tmp_path: Path) -> None:
    cancel = asyncio.Event()
    backend = scripted_seam(tmp_path, dialler=ScriptedDialler({}, silence), resolver=ONE_ADDRESS)

    def soon(event: Event) -> None:
        if isinstance(event, Observed) and isinstance(event.observation, DnsAnswer):
            cancel.set()

    report = await check(target(members=MEMBERS), backend, cancel=cancel, listener=soon)
    (finding,) = (f for f in report.findings if f.code == "SEM002")
    assert finding.args["reason"] == "cancelled"
    assert "was cancelled" in finding.summary
    assert report.summary.exit_code == 3
    assert not tasks()


async def test_a_run_that_is_cancelled_before_it_began_says_that_all_is_missing(tmp_path: Path) -> None:
    cancel = asyncio.Event()
    cancel.set()
    report = await check(target(), scripted_seam(tmp_path), cancel=cancel)
    (cut,) = (seen for seen in report.observations if isinstance(seen, Cut))
    assert {"names", "connections to the addresses of the FQDN"} <= set(cut.unfinished)
    assert "SEM002" in codes(report)


class Stubborn(ScriptedDialler):
    """Connections whose end cannot be brought about, as a bug of ours might have it."""

    async def connect(self, address: str, port: int, source_address: str | None = None):  # type: ignore[no-untyped-def]
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        raise ConnectionRefusedError(111, "Connection refused")

    let_go: asyncio.Event


@pytest.mark.slow
async def test_not_even_a_task_that_will_not_end_holds_the_report(tmp_path: Path) -> None:
    dialler = Stubborn({})
    dialler.let_go = asyncio.Event()
    aim = target(deadline_s=0.2, members=MEMBERS[:1])
    began = asyncio.get_running_loop().time()
    report = await check(aim, scripted_seam(tmp_path, dialler=dialler, resolver=ONE_ADDRESS))
    assert "SEM002" in codes(report)
    assert asyncio.get_running_loop().time() - began < PATIENCE_S / 2
    dialler.let_go.set()


async def test_who_cancels_the_check_itself_leaves_nothing_running(tmp_path: Path) -> None:
    backend = scripted_seam(tmp_path, dialler=ScriptedDialler({}, silence), resolver=ONE_ADDRESS)
    checking = asyncio.create_task(check(target(members=MEMBERS), backend))
    await asyncio.sleep(0.1)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert not tasks()


# --- crashes -----------------------------------------------------------------------------------------------


async def explosion(address: str, port: int):  # type: ignore[no-untyped-def]
    raise ZeroDivisionError("a defect")


async def test_a_probe_that_crashes_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    dialler = ScriptedDialler({"198.51.100.12": explosion}, refusal)
    report = await check(
        target(members=MEMBERS, balancers=(BALANCER,)),
        scripted_seam(tmp_path, dialler=dialler, resolver=ONE_ADDRESS),
    )
    crashes = [seen for seen in report.observations if isinstance(seen, Crash)]
    assert {crash.where for crash in crashes} == {f"{FQDN} at 198.51.100.12:443"}
    assert all("ZeroDivisionError: a defect" in crash.error for crash in crashes)
    assert all("explosion" in crash.trace for crash in crashes)
    reached = {seen.address for seen in report.observations if isinstance(seen, Connection)}
    assert {BALANCER, "198.51.100.11", "198.51.100.13", "192.0.2.11"} <= reached
    assert {"SEM001", "NET001"} <= codes(report)
    assert not tasks()


async def test_a_resolver_that_crashes_leaves_the_known_places(tmp_path: Path) -> None:
    resolver = ScriptedResolver(error=ZeroDivisionError("a defect"))
    report = await check(target(members=MEMBERS[:1]), scripted_seam(tmp_path, resolver=resolver))
    assert "names" in {seen.where for seen in report.observations if isinstance(seen, Crash)}
    assert "198.51.100.11" in {seen.address for seen in report.observations if isinstance(seen, Connection)}
    assert report.summary.exit_code != 0


async def test_an_analysis_that_crashes_is_no_lost_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("semscheck.analysis.endpoints.places", broken)
    report = await check(target(), scripted_seam(tmp_path, resolver=ONE_ADDRESS))
    (finding,) = (f for f in report.findings if f.code == "SEM001")
    assert finding.subject.name == "analysis"
    assert report.summary.exit_code == 3
    again = run.replay(report)
    assert sum(isinstance(seen, Crash) for seen in again.observations) == 1
    monkeypatch.undo()
    assert not any(isinstance(seen, Crash) for seen in run.replay(report).observations)


async def test_a_certificate_file_that_is_none_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    dialler = ScriptedDialler({})
    with pytest.raises(OSError):
        await check(
            target(members=MEMBERS, ca_file=str(tmp_path / "none.pem")),
            scripted_seam(tmp_path, dialler=dialler),
        )
    assert not dialler.asked


# --- politeness --------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_of_3000_addresses_eight_of_each_family_are_contacted_and_the_rest_is_said(
    tmp_path: Path,
) -> None:
    many = [f"198.18.{n // 250}.{n % 250 + 1}" for n in range(3000)]
    more = [f"2001:db8::{n + 1:x}" for n in range(20)]
    resolver = ScriptedResolver({(FQDN, "A"): many, (FQDN, "AAAA"): more})
    dialler = ScriptedDialler({})
    aim = target(timeout_s=PATIENCE_S)  # that many addresses take a busy machine a while
    report = await check(aim, scripted_seam(tmp_path, dialler=dialler, resolver=resolver))
    asked = {address for address, _ in dialler.asked}
    assert sum(":" in address for address in asked) == 8
    assert sum(":" not in address for address in asked) == 8
    bounds = {seen.what: seen for seen in report.observations if isinstance(seen, Bound)}
    contacted = bounds["addresses of the FQDN that were contacted"]
    assert contacted.used == 16
    assert contacted.seen >= 84  # as many as the name's look-up keeps of an answer, and of both families
    assert f"addresses of the FQDN that were contacted: 16 of {contacted.seen}" in text.render(
        report, verbose=True
    )


async def test_the_family_that_was_not_asked_for_is_left_alone(tmp_path: Path) -> None:
    resolver = ScriptedResolver({(FQDN, "A"): [BALANCER], (FQDN, "AAAA"): ["2001:db8::100"]})
    dialler = ScriptedDialler({})
    await check(target(families=(6,)), scripted_seam(tmp_path, dialler=dialler, resolver=resolver))
    assert {address for address, _ in dialler.asked} == {"2001:db8::100"}


def lab_target(lab: Lab, **more: object) -> Target:
    members = tuple(Member(m.name, _endpoint(m.replication), _endpoint(m.client)) for m in lab.members)
    aim = Target(
        fqdn=lab.fqdn,
        port=lab.port,
        balancers=lab.known_balancers,
        members=members,
        ca_file=str(lab.ca_file),
        resolvers=tuple(_endpoint(each)[0] for each in lab.resolvers),
        limits=Limits(deadline_s=10 * PATIENCE_S),
        thresholds=PATIENT,
    )
    return replace(aim, **more)  # type: ignore[arg-type]


def _endpoint(text: str) -> tuple[Endpoint, ...]:
    host, port = split(text, 0)
    return (Endpoint(host, port or None),)


@pytest.mark.slow
async def test_never_more_than_eight_connections_to_one_address() -> None:
    """A full run with 200 connections and services, counted where the sockets are made; all are closed at its end,
    no thread and no task is left."""
    with LabThread(SCENARIOS["healthy"].world) as playing:
        lab, threads = playing.lab, set(threading.enumerate())
        dialler = CountingDialler()
        backend = replace(real_backend(1), dialler=dialler)
        aim = lab_target(lab, connections=200, connections_given=True, ask_services=True)
        report = await check(aim, backend)
        assert report.summary.verdict == "ok"
        assert dialler.made > 250
        assert max(dialler.most.values()) <= 8
        assert not +dialler.open, "left open"
        assert not tasks()
        new = set(threading.enumerate()) - threads
        # The loop's own pool stays until the loop ends, and ends with it.
        assert not [thread for thread in new if not thread.name.startswith("asyncio_")]


async def test_nothing_else_takes_a_turn_among_the_connections_that_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long the look for a second certificate takes: a round robin of which one turn is missing is none."""
    real, heard, too_late = scheduler.second_certificate, [], []

    async def slow(*everything: object) -> None:
        await asyncio.sleep(0.3)
        await real(*everything)  # type: ignore[arg-type]
        too_late.extend(each for each in heard if isinstance(each, Observed))

    def hear(event: Event) -> None:
        if isinstance(event, Observed) and isinstance(event.observation, Sample):
            heard.append(event)

    monkeypatch.setattr(scheduler, "second_certificate", slow)
    with LabThread(SCENARIOS["round-robin"].world) as playing:
        report = await check(lab_target(playing.lab), real_backend(1), listener=hear)
    assert heard
    assert too_late == []
    assert report.analysis.balancing is not None
    assert report.analysis.balancing.method == "rotating"


@pytest.mark.parametrize("after", [5, 10, 20, 30, 40])
async def test_a_cut_run_leaves_no_connection_open(after: int) -> None:
    with LabThread(SCENARIOS["round-robin"].world) as playing:
        dialler = CountingDialler()
        cancel = asyncio.Event()

        def soon(event: Event) -> None:
            if dialler.made >= after:
                cancel.set()

        report = await check(
            lab_target(playing.lab), replace(real_backend(1), dialler=dialler), cancel=cancel, listener=soon
        )
        assert "SEM002" in codes(report)
        assert not +dialler.open, "left open"


class SlowDialler(SocketDialler):
    """Takes so long for each connection that waiting for a place is longer than a step may take."""

    def __init__(self, takes_s: float) -> None:
        self._takes_s = takes_s

    async def connect(self, address: str, port: int, source_address: str | None = None):  # type: ignore[no-untyped-def]
        await asyncio.sleep(self._takes_s)
        raise ConnectionRefusedError(111, "Connection refused")


@pytest.mark.slow
async def test_waiting_for_a_place_counts_against_no_time_out(tmp_path: Path) -> None:
    """60 ports of one address, four at once, each 0.2 s with a time-out of 2 s: the last waits 2.8 s."""
    ports = tuple(range(2000, 2060))
    aim = target(timeout_s=2.0, services=Services(check=ports), members=MEMBERS[:1], connections=0)
    backend = scripted_seam(tmp_path, dialler=SlowDialler(0.2), resolver=ONE_ADDRESS)
    report = await check(aim, backend)
    probes = [seen for seen in report.observations if isinstance(seen, ServiceProbe)]
    assert {probe.port for probe in probes} == set(ports)
    assert {probe.state for probe in probes} == {"closed"}


async def test_services_without_a_profile_are_asked_where_the_name_leads(tmp_path: Path) -> None:
    dialler = ScriptedDialler({})
    backend = scripted_seam(tmp_path, dialler=dialler, resolver=ONE_ADDRESS)
    await check(target(services=Services(check=(389,))), backend)
    assert (BALANCER, 389) in dialler.asked


# --- telling -----------------------------------------------------------------------------------------------


async def test_everything_is_told_as_it_comes_and_progress_never_passes_its_total(tmp_path: Path) -> None:
    events: list[Event] = []
    backend = scripted_seam(tmp_path, resolver=ONE_ADDRESS)
    report = await check(target(members=MEMBERS), backend, listener=events.append)
    told = tuple(event.observation for event in events if isinstance(event, Observed))
    assert told == report.observations
    steps = [event for event in events if isinstance(event, Progressed)]
    assert {"names", "addresses"} <= {event.step for event in steps}
    assert all(event.total is None or event.done <= event.total for event in steps)
    assert all(event.left_s >= 0 for event in steps)


async def test_every_rule_answers_whatever_happened(tmp_path: Path) -> None:
    report = await check(target(deadline_s=0.05), scripted_seam(tmp_path, resolver=ONE_ADDRESS))
    assert len(report.verdicts) == len({verdict.code for verdict in report.verdicts}) > 70
    assert all(verdict.why for verdict in report.verdicts if verdict.state is State.NOT_OBSERVED)


async def test_a_listener_that_fails_ends_the_run_with_its_own_error(tmp_path: Path) -> None:
    def full(event: Event) -> None:
        if isinstance(event, Observed):
            raise BrokenPipeError(32, "Broken pipe")

    backend = scripted_seam(tmp_path, dialler=ScriptedDialler({}, silence), resolver=ONE_ADDRESS)
    with pytest.raises(BrokenPipeError):
        await check(target(members=MEMBERS), backend, listener=full)
    assert not tasks()


@pytest.mark.slow
@pytest.mark.parametrize("resolv_conf", ["nameserver 192.0.2.53\n", "", None])
async def test_where_dns_was_not_seen_an_address_from_elsewhere_is_no_health(
    tmp_path: Path, resolv_conf: str | None
) -> None:
    """The system knows the address (a hosts file, say), and no name server answered, or none is configured."""
    if resolv_conf is not None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "resolv.conf").write_text(resolv_conf)
    with LabThread(SCENARIOS["healthy"].world) as playing:
        lab = playing.lab
        where = lab.known_balancers[0]
        resolver = ScriptedResolver(error=TimeoutError(), system={lab.fqdn: [where]}, system_works=True)
        real = replace(real_backend(1), resolver=resolver)
        backend = replace(real, desktop=replace(real.desktop, root=tmp_path))
        report = await check(lab_target(lab, resolvers=()), backend)
    assert report.analysis.balancing is not None, "the service itself is well"
    assert report.summary.exit_code in (2, 3)
    assert "No fault found" not in report.summary.headline
    assert {"SEM004", "DNS003"} & codes(report)


async def test_work_that_is_cancelled_before_its_first_step_is_not_told_as_forgotten(tmp_path: Path) -> None:
    """Python says "coroutine was never awaited" on standard error, in the middle of the progress line."""

    async def work() -> None:
        raise AssertionError("it had no turn")

    coroutine = work()
    task = engine(target(), scripted_seam(tmp_path))._start("something", coroutine)
    task.cancel()
    await asyncio.wait([task])
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
