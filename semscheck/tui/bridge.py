"""Between the check, which runs in a thread with a loop of its own, and the screens, which must never wait.

Events cross in an `Inbox`: any thread puts, the screen takes a few times a second all that has come, so that
a thousand facts a second cost it no more than ten. Work crosses with `in_thread` and `threads.off_loop`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from semscheck.model.analysis import Analysis
from semscheck.model.events import Event, Finished, Inferred, Listener, Observed, Progressed, Started
from semscheck.model.observations import AnyObservation
from semscheck.model.report import Report
from semscheck.threads import fail, hand_over, succeed

T = TypeVar("T")
Subject = TypeVar("Subject")

# A screen that is stopped for a minute (Ctrl+Z) while 200 connections are traced through 6 members gets some
# thousands of observations at once; beyond this the oldest go, and the report still has them all.
MAX_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Batch:
    """What came since the last look. Of each step's progress and the analysis only the newest; None: nothing new.

    dropped: observations that were left out because nobody looked for too long.
    """

    started: Started | None = None
    observations: tuple[AnyObservation, ...] = ()
    progress: tuple[Progressed, ...] = ()
    analysis: Analysis | None = None
    report: Report | None = None
    dropped: int = 0

    def __bool__(self) -> bool:
        return bool(self.started or self.observations or self.progress or self.analysis or self.report)


class Inbox:
    """A listener for the check and a source for the screen. `put` from any thread, `take` from one."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._lock = threading.Lock()
        self._observations: deque[AnyObservation] = deque(maxlen=limit)
        self._dropped = 0
        self._started: Started | None = None
        self._progress: dict[str, Progressed] = {}
        self._analysis: Analysis | None = None
        self._report: Report | None = None

    def put(self, event: Event) -> None:
        with self._lock:
            match event:
                case Observed(observation):
                    self._dropped += len(self._observations) == self._observations.maxlen
                    self._observations.append(observation)
                case Progressed():
                    self._progress[event.step] = event
                case Inferred(analysis):
                    self._analysis = analysis
                case Started():
                    self._started = event
                case Finished(report):
                    self._report = report

    def take(self) -> Batch:
        with self._lock:
            batch = Batch(
                self._started,
                tuple(self._observations),
                tuple(self._progress.values()),
                self._analysis,
                self._report,
                self._dropped,
            )
            self._observations.clear()
            self._dropped = 0
            self._started = self._analysis = self._report = None
            self._progress = {}
        return batch


def in_thread(
    run: Callable[[Subject, Listener, asyncio.Event], Awaitable[Report]],
) -> Callable[[Subject, Listener, asyncio.Event], Awaitable[Report]]:
    """Makes a door of a coroutine function: each call runs it on a new loop in a new thread.

    The `cancel` event of the caller's loop is carried over to an event of the thread's loop. If the caller
    itself is cancelled (the person quits) the thread is told to end as well, and nobody waits for it.
    """

    async def check(subject: Subject, listener: Listener, cancel: asyncio.Event) -> Report:
        here = asyncio.get_running_loop()
        future: asyncio.Future[Report] = here.create_future()
        far = _FarEvent()

        async def main() -> None:
            # The result is handed over from inside: asyncio.run still waits for executors after this.
            try:
                report = await run(subject, listener, far.arrive())
            except BaseException as error:
                hand_over(here, fail, future, error)
            else:
                hand_over(here, succeed, future, report)

        def body() -> None:
            try:
                asyncio.run(main())
            except BaseException as error:
                hand_over(here, fail, future, error)

        threading.Thread(target=body, name="semscheck-check", daemon=True).start()
        carrier = asyncio.ensure_future(_carry(cancel, far))
        try:
            return await future
        finally:
            carrier.cancel()
            far.set()

    return check


class _FarEvent:
    """An asyncio.Event that lives on another thread's loop and may be set before that loop runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None
        self._early = False

    def arrive(self) -> asyncio.Event:
        with self._lock:
            self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()
            if self._early:
                self._event.set()
            return self._event

    def set(self) -> None:
        with self._lock:
            self._early = True
            if self._loop is not None and self._event is not None:
                hand_over(self._loop, self._event.set)


async def _carry(near: asyncio.Event, far: _FarEvent) -> None:
    await near.wait()
    far.set()
