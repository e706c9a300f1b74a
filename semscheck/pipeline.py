"""Running: one check from `Target` to `Report`; replaying a saved one goes the same way without the engine."""

from __future__ import annotations

import asyncio
import platform
import secrets
import socket
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import thread_time
from typing import TYPE_CHECKING

from semscheck import __version__
from semscheck.model.analysis import Analysis
from semscheck.model.events import Event, Finished, Inferred, Listener, Observed, Progressed, Started
from semscheck.model.observations import AnyObservation, Connection, Crash, Route, Sample
from semscheck.model.report import Report, Run, Snapshot, Tool, Vantage
from semscheck.model.target import Target

if TYPE_CHECKING:
    from semscheck.net.backend import NetworkBackend
    from semscheck.sampling.watch import Marks

AGENT = f"semscheck/{__version__}"
INFER_EVERY_S = 0.3
WATCH_SPARES = 60  # interim analyses of a watch take no more than a sixtieth of the time
MOST_SPARED_S = 3.0
ANALYSIS = "analysis"  # where a crash of the analysis is said to have happened


async def check(
    target: Target,
    *,
    listener: Listener | None = None,
    cancel: asyncio.Event | None = None,
    seed: int | None = None,
    origin: str = "live",
    options: Mapping[str, str] | None = None,
    backend: NetworkBackend | None = None,
    infer: bool = False,
) -> Report:
    """Run one check. Network trouble is in the report; it raises only for a target that cannot be used (a
    `ca_file` that is none: OSError or ssl.SSLError), and what the listener raised, which ends the run.

    listener: told of everything as it comes, in the caller's event loop. cancel: ends the run with what there
    is when set. seed: of all that is left to chance; chosen and reported if None. infer: also tell the
    analysis from time to time, which costs time of its own.
    """
    from semscheck.analysis.sampling_strategy import SamplingDecisions
    from semscheck.net.backend import real_backend
    from semscheck.scheduler import Engine, Order

    chosen = secrets.randbits(32) if seed is None else seed
    through = backend if backend is not None else real_backend(chosen)
    run = _begun(through, chosen, origin, options)
    stop = cancel if cancel is not None else asyncio.Event()
    tell = _Teller(target, run, listener, infer, stop)
    tell.event(Started(target, run))
    decisions = SamplingDecisions(target)
    engine = Engine(Order(target, through, decisions, AGENT), tell.event if listener else None)
    tell.clock = engine.record.now
    observations = await engine.run(stop)
    took = engine.record.now()
    tell.event(Progressed("judging", 0, 1, max(0.0, target.limits.deadline_s - took)))
    return tell.finished(
        Snapshot(
            target=engine.target, run=_ended(run, through, took, observations), observations=observations
        )
    )


async def watch(
    target: Target,
    *,
    every_s: float = 1.0,
    for_s: float = 900.0,
    marks: Marks | None = None,
    listener: Listener | None = None,
    cancel: asyncio.Event | None = None,
    origin: str = "live",
    options: Mapping[str, str] | None = None,
    backend: NetworkBackend | None = None,
) -> Report:
    """Watch a failover: a connection every `every_s` seconds until `for_s` seconds are over, or cancelled.

    marks: what a person writes down meanwhile, with the time (UTC), from any thread. listener: told of everything as
    it comes, and of the analysis so far. The rest as for `check`.
    """
    from queue import SimpleQueue

    from semscheck.analysis.sampling_strategy import SamplingDecisions
    from semscheck.net.backend import real_backend
    from semscheck.sampling.watch import Watcher, WatchOrder

    seed = secrets.randbits(32)
    through = backend if backend is not None else real_backend(seed)
    run = _begun(through, seed, origin, options)
    stop = cancel if cancel is not None else asyncio.Event()
    tell = _Teller(target, run, listener, True, stop, WATCH_SPARES)
    tell.event(Started(target, run))
    order = WatchOrder(
        target, through, SamplingDecisions(target), AGENT, every_s, for_s, marks or SimpleQueue()
    )
    watcher = Watcher(order, tell.event if listener else None)
    tell.clock = watcher.record.now
    seen = await watcher.run(stop)
    return tell.finished(
        Snapshot(target=target, run=_ended(run, through, watcher.record.now(), seen), observations=seen)
    )


def _begun(through: NetworkBackend, seed: int, origin: str, options: Mapping[str, str] | None) -> Run:
    return Run(
        id=secrets.token_hex(8),
        started=through.clock.utc(),
        vantage=Vantage(host=_host(), platform=f"{platform.system()} {platform.release()}"),
        options=dict(options or {}),
        seed=seed,
        origin=origin,
    )


def _ended(run: Run, through: NetworkBackend, took_s: float, seen: tuple[AnyObservation, ...]) -> Run:
    return replace(
        run,
        finished=through.clock.utc(),
        duration_s=round(took_s, 3),
        vantage=replace(run.vantage, source_addresses=_sources(seen)),
    )


def judge_snapshot(snapshot: Snapshot) -> Report:
    """Analysis and rules over a snapshot. Pure: the same snapshot, the same report.

    A defect in the analysis becomes a Crash observation (SEM001), so that what was seen is not lost with it.
    """
    from semscheck.rules.evaluate import evaluate

    snapshot, analysis = _analysed(snapshot)
    findings, verdicts, summary = evaluate(snapshot, analysis)
    return Report(
        tool=Tool(name="semscheck", version=__version__),
        run=snapshot.run,
        target=snapshot.target,
        summary=summary,
        analysis=analysis,
        findings=findings,
        verdicts=verdicts,
        observations=snapshot.observations,
    )


def _analysed(snapshot: Snapshot) -> tuple[Snapshot, Analysis]:
    """The analysis, and the snapshot without the crash of an earlier one, with that of this one."""
    from semscheck.analysis import analyse

    kept = tuple(o for o in snapshot.observations if not (isinstance(o, Crash) and o.where == ANALYSIS))
    snapshot = replace(snapshot, observations=kept)
    try:
        return snapshot, analyse(snapshot)
    except Exception as error:  # the guard that probes and rules have too
        crash = Crash(
            id="analysis",
            at_s=snapshot.run.duration_s or 0.0,
            where=ANALYSIS,
            error=f"{type(error).__name__}: {error}"[:500],
            trace="".join(traceback.format_exception(error))[-8000:],
        )
        return replace(snapshot, observations=(*kept, crash)), Analysis()


def replay(report: Report) -> Report:
    """A saved report judged again by this version's analysis and rules, as of the time it was made."""
    run = replace(report.run, origin="replay")
    return judge_snapshot(Snapshot(target=report.target, run=run, observations=report.observations))


def _host() -> str:
    try:
        return socket.gethostname()
    except OSError:
        return ""


def _sources(observations: tuple[AnyObservation, ...]) -> tuple[str, ...]:
    found: set[str] = set()
    for seen in observations:
        match seen:
            case Connection() if seen.local_address:
                found.add(seen.local_address)
            case Route() | Sample() if seen.source_address:
                found.add(seen.source_address)
            case _:
                pass
    return tuple(sorted(found))


class _Teller:
    """Passes events on, and the analysis of what there is so far, not more often than is worth it."""

    def __init__(
        self,
        target: Target,
        run: Run,
        listener: Listener | None,
        infer: bool,
        stop: asyncio.Event,
        spared: float = 0.0,
    ) -> None:
        """spared: so many times the cost of an interim analysis are left before the next one."""
        self._target = target
        self._run = run
        self._listener = listener
        self._infer = infer
        self._stop = stop
        self._spared = spared
        self._seen: list[AnyObservation] = []
        self._last = self._cost_s = 0.0
        self.clock: Callable[[], float] = lambda: 0.0
        self.error: Exception | None = None

    def event(self, event: Event) -> None:
        """Tell, unless the listener failed before: its errors are no probe's, and end the run."""
        if self._listener is None or self.error is not None:
            return
        try:
            self._listener(event)
            if self._infer and isinstance(event, Observed):
                self._tell_inferred(self._listener, event.observation)
        except Exception as error:
            self.error = error
            self._stop.set()

    def finished(self, snapshot: Snapshot) -> Report:
        """The report of what was seen. Raises what the listener did."""
        report = judge_snapshot(snapshot)
        self.event(Finished(report))
        if self.error is not None:
            raise self.error
        return report

    def _tell_inferred(self, listener: Listener, observation: AnyObservation) -> None:
        self._seen.append(observation)
        if self.clock() - self._last < max(INFER_EVERY_S, min(MOST_SPARED_S, self._spared * self._cost_s)):
            return
        began = thread_time()
        snapshot = Snapshot(target=self._target, run=self._run, observations=tuple(self._seen))
        listener(Inferred(_analysed(snapshot)[1]))
        self._cost_s = thread_time() - began if self._last else 0.0  # the first one imports what it needs
        self._last = self.clock()  # its own cost is not counted: never more than its share
