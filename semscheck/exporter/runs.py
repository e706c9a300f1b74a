"""Runs of targets: one run for all who ask at once, bounded over all targets, and ended in time for the scrape.

A run has as much time as any scrape of its target ever gave, above a floor: whoever has less is given, at the end of
it, what the run has seen until then, judged as it is, and cuts it for nobody. Whoever has more, and finds a run cut,
has another one. A run that is late itself, on a machine that is too busy, is not waited for.
"""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from semscheck.exporter.run_queue import Slots
from semscheck.exporter.runners import Runners
from semscheck.exporter.settings import Probe
from semscheck.model.events import Event, Observed, Started
from semscheck.model.observations import AnyObservation, Cut
from semscheck.model.report import Report, Run, Snapshot
from semscheck.model.target import Target

NO_PATIENCE_S = 0.5  # a scrape with less time than this decides nothing: its run has `FLOOR_S`
FLOOR_S = 1.0
AGAIN_S = 1.0  # what a run has seen so far is judged so often at most, for however many that have less time
MORE_S = 1.0  # who has so much longer than a run that was cut has another
LEAST_S = 0.2  # a run with less time than this is not begun
LAST_WORD_S = 0.25  # before the scrape's time-out: the answer leaves, whatever the run does


class Cause(StrEnum):
    """Why an answer is not whole."""

    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    QUEUE = "queue"  # no slot came free in time: nothing was measured


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scrape is answered with.

    report: None where the run was not begun, or failed. cut: what ended it early, None for a whole run. error: the
    text of a target that cannot be used any more or of our own defect. waited_s: for a slot. shared: another scrape
    began the run.
    """

    report: Report | None = None
    cut: Cause | None = None
    error: str | None = None
    waited_s: float = 0.0
    shared: bool = False


@dataclass(slots=True, eq=False)
class _Flight:
    """A run under way, and what it has seen so far."""

    target: Target
    ends_at_s: float
    done: asyncio.Future[Outcome]
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    run: Run | None = None
    seen: list[AnyObservation] = field(default_factory=list)
    judged: tuple[float, Outcome] | None = None

    def hear(self, event: Event) -> None:
        if isinstance(event, Observed):
            self.seen.append(event.observation)
        elif isinstance(event, Started):
            self.run = event.run


@dataclass(slots=True, eq=False)
class _Last:
    """How a target's last run went; its outcome is forgotten once it is too old to be used again.

    usual_s: how long its last whole run took, 0 if there was none.
    """

    target: Target
    outcome: Outcome | None
    slow: bool
    usual_s: float


class Runs:
    """For one event loop. ended: told of every run that was begun, when it ends, with its length in seconds."""

    def __init__(
        self, doors: Runners, probe: Probe, ended: Callable[[str, Target, Outcome, float], None]
    ) -> None:
        self._doors = doors
        self._probe = probe
        self._ended = ended
        self._slots = Slots(probe.max_runs)
        self._flights: dict[str, _Flight] = {}
        self._last: dict[str, _Last] = {}
        self._longest_s: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._overrun_s = 0.0

    @property
    def running(self) -> int:
        return self._slots.held

    @property
    def waiting(self) -> int:
        return self._slots.waiting

    def configure(self, probe: Probe, names: frozenset[str]) -> None:
        """Other bounds from now on; what is remembered of targets that are gone is forgotten."""
        self._probe = probe
        self._slots.resize(probe.max_runs)
        for known in (self._last, self._longest_s):
            for name in known.keys() - names:
                del known[name]

    async def probe(self, name: str, target: Target, timeout_s: float | None) -> Outcome:
        """The target's outcome within a scrape's time-out (None: there is none, the profile's deadline holds)."""
        now = asyncio.get_running_loop().time()
        scrape_ends_s = None if timeout_s is None else now + timeout_s
        ends_s = now + self._run_time_s(target, timeout_s)
        longest_s = max(self._longest_s.get(name, 0.0), math.inf if timeout_s is None else timeout_s)
        self._longest_s[name] = longest_s
        while True:
            flight = self._flights.get(name)
            joined = flight is not None and flight.target == target
            if flight is None or not joined:
                if (fresh := self._fresh(name, target)) is not None:
                    return fresh
                run_time_s = self._run_time_s(target, longest_s)
                flight = self._begin(name, target, asyncio.get_running_loop().time() + run_time_s)
            outcome = await self._wait(flight, scrape_ends_s)
            too_short = outcome.cut in (Cause.DEADLINE, Cause.QUEUE) and flight.done.done()
            if not (joined and too_short and ends_s > asyncio.get_running_loop().time() + MORE_S):
                return replace(outcome, shared=joined)

    async def close(self) -> None:
        """End every run with what it has; their scrapes are answered."""
        for flight in self._flights.values():
            flight.cancel.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        for task in self._tasks:
            task.cancel()

    def _run_time_s(self, target: Target, timeout_s: float | None) -> float:
        """How long a run may take, waiting for its slot included."""
        longest = target.limits.deadline_s
        if timeout_s is None:
            return longest
        if timeout_s < NO_PATIENCE_S:
            return min(longest, FLOOR_S)
        return min(longest, timeout_s - min(self._probe.margin_s + self._overrun_s, timeout_s / 2))

    def _fresh(self, name: str, target: Target) -> Outcome | None:
        """A whole outcome that is only just over: whoever may scrape cannot make us hammer the servers."""
        last = self._last.get(name)
        if last is None or last.outcome is None or last.target != target:
            return None
        return replace(last.outcome, waited_s=0.0, shared=True)

    def _begin(self, name: str, target: Target, ends_at_s: float) -> _Flight:
        flight = _Flight(target, ends_at_s, asyncio.get_running_loop().create_future())
        self._flights[name] = flight
        task = asyncio.create_task(self._fly(name, flight), name=f"probe {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return flight

    async def _fly(self, name: str, flight: _Flight) -> None:
        try:
            outcome = await self._outcome(name, flight)
        except BaseException as error:
            flight.done.cancel()
            if not isinstance(error, asyncio.CancelledError):
                raise
            return
        finally:
            if self._flights.get(name) is flight:
                del self._flights[name]
        if not flight.done.done():
            flight.done.set_result(outcome)

    async def _outcome(self, name: str, flight: _Flight) -> Outcome:
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        last = self._last.get(name)
        slow = last is None or last.slow
        usual_s = 0.0 if last is None else last.usual_s
        # Begun with less time than it takes, a run would only hold its slot until it is cut, and others after it.
        needed_s = min(max(LEAST_S, usual_s), (flight.ends_at_s - asked_s) / 2)
        try:
            async with (
                asyncio.timeout_at(flight.ends_at_s - needed_s) as patience,
                self._slots.slot(slow=slow),
            ):
                patience.reschedule(None)
                began_s = loop.time()
                outcome = await self._run(name, flight, began_s)
                took_s = loop.time() - began_s
        except TimeoutError:
            return Outcome(cut=Cause.QUEUE, waited_s=loop.time() - asked_s)
        outcome = replace(outcome, waited_s=began_s - asked_s)
        # A machine that is too busy to judge in the margin leaves more of it next time, and less again after that.
        self._overrun_s = max(0.9 * self._overrun_s, took_s - (flight.ends_at_s - began_s), 0.0)
        whole = outcome.report is not None and outcome.cut is None
        slow = took_s > self._probe.slow_s or (slow and not whole)
        kept = outcome if whole and self._probe.reuse_s > 0 else None
        now = _Last(flight.target, kept, slow, took_s if whole else usual_s)
        self._last[name] = now
        loop.call_later(self._probe.reuse_s, _forget, now)
        self._ended(name, flight.target, outcome, took_s)
        return outcome

    async def _run(self, name: str, flight: _Flight, began_s: float) -> Outcome:
        limits = replace(flight.target.limits, deadline_s=flight.ends_at_s - began_s)
        target = replace(flight.target, limits=limits)
        try:
            report = await self._doors.check(target, listener=flight.hear, cancel=flight.cancel)
        except (OSError, ValueError) as problem:  # a ca_file that went away (ssl.SSLError is an OSError)
            words = f"{name}: {problem}"
            self._doors.say(words)
            return Outcome(error=words)
        except Exception as defect:
            self._doors.say("".join(traceback.format_exception(defect))[-4000:])
            return Outcome(error=f"{name}: a defect of semscheck: {type(defect).__name__}: {defect}")
        return Outcome(report=report, cut=_cut(report.observations))

    async def _wait(self, flight: _Flight, scrape_ends_s: float | None) -> Outcome:
        """The run's outcome, or what there is when the scrape's time is over."""
        until = None
        if scrape_ends_s is not None:
            left = scrape_ends_s - asyncio.get_running_loop().time()
            until = max(0.0, left - min(LAST_WORD_S, left / 4))
        try:
            async with asyncio.timeout(until):
                return await asyncio.shield(flight.done)
        except TimeoutError:
            return self._so_far(flight)
        except asyncio.CancelledError:
            if flight.done.cancelled():
                return Outcome(cut=Cause.CANCELLED)
            raise

    def _so_far(self, flight: _Flight) -> Outcome:
        if flight.run is None:
            return Outcome(cut=Cause.QUEUE)
        if flight.ends_at_s <= asyncio.get_running_loop().time():
            return Outcome(
                cut=Cause.DEADLINE
            )  # it is being judged, and late: judging twice would make that worse
        now_s = asyncio.get_running_loop().time()
        if flight.judged is not None and now_s < flight.judged[0] + AGAIN_S:
            return flight.judged[1]
        cut = Cut(
            id=f"o{len(flight.seen) + 1}",
            at_s=max((one.at_s for one in flight.seen), default=0.0),
            elapsed_s=None,
            reason="deadline",
        )
        snapshot = Snapshot(target=flight.target, run=flight.run, observations=(*flight.seen, cut))
        outcome = Outcome(report=self._doors.judge(snapshot), cut=Cause.DEADLINE)
        flight.judged = now_s, outcome
        return outcome


def _forget(last: _Last) -> None:
    last.outcome = None


def _cut(observations: tuple[AnyObservation, ...]) -> Cause | None:
    for seen in reversed(observations):
        if isinstance(seen, Cut):
            return Cause(seen.reason)
    return None
