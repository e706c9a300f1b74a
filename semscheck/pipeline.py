"""Running: one check from `Target` to `Report`; replaying a saved one goes the same way without the engine."""

from __future__ import annotations

import asyncio
import platform
import secrets
import socket
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from semscheck import __version__
from semscheck.model.analysis import Analysis
from semscheck.model.events import Event, Finished, Inferred, Listener, Observed, Progressed, Started
from semscheck.model.observations import AnyObservation, Connection, Crash, Route, Sample
from semscheck.model.report import Report, Run, Snapshot, Tool, Vantage
from semscheck.model.target import Target

if TYPE_CHECKING:
    from semscheck.net.backend import NetworkBackend

AGENT = f"semscheck/{__version__}"
INFER_EVERY_S = 0.3
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
    run = Run(
        id=secrets.token_hex(8),
        started=through.clock.utc(),
        vantage=Vantage(host=_host(), platform=f"{platform.system()} {platform.release()}"),
        options=dict(options or {}),
        seed=chosen,
        origin=origin,
    )
    stop = cancel if cancel is not None else asyncio.Event()
    tell = _Teller(target, run, listener, infer, stop)
    tell.event(Started(target, run))
    decisions = SamplingDecisions(target)
    engine = Engine(Order(target, through, decisions, AGENT), tell.event if listener else None)
    tell.clock = engine.record.now
    observations = await engine.run(stop)
    took = engine.record.now()
    tell.event(Progressed("judging", 0, 1, max(0.0, target.limits.deadline_s - took)))
    finished = replace(
        run,
        finished=through.clock.utc(),
        duration_s=round(took, 3),
        vantage=replace(run.vantage, source_addresses=_sources(observations)),
    )
    report = judge_snapshot(Snapshot(target=engine.target, run=finished, observations=observations))
    tell.event(Finished(report))
    if tell.error is not None:
        raise tell.error
    return report


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
        self, target: Target, run: Run, listener: Listener | None, infer: bool, stop: asyncio.Event
    ) -> None:
        self._target = target
        self._run = run
        self._listener = listener
        self._infer = infer
        self._stop = stop
        self._seen: list[AnyObservation] = []
        self._last = 0.0
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

    def _tell_inferred(self, listener: Listener, observation: AnyObservation) -> None:
        self._seen.append(observation)
        if self.clock() - self._last < INFER_EVERY_S:
            return
        snapshot = Snapshot(target=self._target, run=self._run, observations=tuple(self._seen))
        listener(Inferred(_analysed(snapshot)[1]))
        self._last = self.clock()  # its own cost is not counted: never more than its share
