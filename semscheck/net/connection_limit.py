"""Politeness: at most so many connections open to one address at a time, and no long waiting for the silent.

Waiting for a place is no part of connecting: it counts against no step's time-out and into no measured time. It
ends because whoever holds a place gives it back within the deadlines of its own steps, and with the run at the
latest.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semscheck.model.failure import Failure, Phase
from semscheck.net.backend import Stream
from semscheck.net.errors import failure_from

if TYPE_CHECKING:
    from semscheck.probes.endpoint import ProbeContext

OPEN_TO_ONE_ADDRESS = 8
PATIENT_TWICE = 2  # steps at one address that ran into the full time-out, before later ones are given less
LEAST_WAIT_S = 1.0  # TCP asks again after that (RFC 6298 section 2)
TIMES_THE_SLOWEST = 5
LATELY = 4  # successes that count: the first ones of a run share this machine with its start


class ConnectionLimiter:
    """The places of one run: so many at each address, given to those who ask first."""

    def __init__(self, most: int = OPEN_TO_ONE_ADDRESS) -> None:
        self._rooms: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(most))
        self._open: set[_Placed] = set()

    def at(self, address: str) -> asyncio.Semaphore:
        """To acquire before connecting to an address, and to release after closing."""
        return self._rooms[address]

    def seat(self, stream: Stream, room: asyncio.Semaphore) -> Stream:
        """A stream that holds its place in a room, acquired before, until it is closed."""
        placed = _Placed(stream, room, self._open)
        self._open.add(placed)
        return placed

    def close_all(self) -> None:
        """Close what is still open: at the end of a run, what a probe that was cut short, or crashed, left behind."""
        for placed in tuple(self._open):
            with suppress(OSError):
                placed.close()


class Patience:
    """How long a step is waited for, by address: the option's time, until some have shown that nothing comes."""

    def __init__(self) -> None:
        self._ran_out: Counter[str] = Counter()
        self._took_s: defaultdict[tuple[str, Phase], deque[float]] = defaultdict(lambda: deque(maxlen=LATELY))

    def ran_out(self, address: str) -> int:
        """How many steps there ran out of their time so far."""
        return self._ran_out[address]

    def limit_s(self, address: str, step: Phase, usual_s: float, hurried: bool = False) -> float:
        """The time for the next step there: after two of any kind that ran out of it, max(1 s, 5 x the slowest of the
        last successes of this kind).

        hurried: so long as soon as there was a success, for what is looked at in passing."""
        took_s = self._took_s[address, step]
        if self._ran_out[address] < PATIENT_TWICE and not (hurried and took_s):
            return usual_s
        return min(usual_s, max(LEAST_WAIT_S, TIMES_THE_SLOWEST * max(took_s, default=0.0)))

    @asynccontextmanager
    async def step(
        self, address: str, step: Phase, usual_s: float, hurried: bool = False
    ) -> AsyncIterator[None]:
        """One step, within its time. Raises TimeoutError where that is over, and what the step raises."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self.limit_s(address, step, usual_s, hurried)):
                yield
        except TimeoutError:
            self._ran_out[address] += 1
            raise
        self._took_s[address, step].append(loop.time() - began)


class _Placed:
    """A stream that gives its place back when it is closed, once."""

    __slots__ = ("_inner", "_open", "_room")

    def __init__(self, inner: Stream, room: asyncio.Semaphore, open_: set[_Placed]) -> None:
        self._inner = inner
        self._room = room
        self._open = open_

    @property
    def local_address(self) -> str:
        return self._inner.local_address

    @property
    def local_port(self) -> int:
        return self._inner.local_port

    async def receive(self) -> bytes:
        return await self._inner.receive()

    async def send(self, data: bytes) -> None:
        await self._inner.send(data)

    def close(self, last: bytes = b"") -> None:
        if self not in self._open:
            return
        self._open.discard(self)
        try:
            self._inner.close(last)
        finally:
            self._room.release()


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection that was made, or why not. began_s: on the run's clock, when a place was free; took_s: from
    then until it was made or failed."""

    stream: Stream | None
    began_s: float
    took_s: float
    failure: Failure | None = None


async def dial(
    probe: ProbeContext,
    address: str,
    port: int,
    *,
    source_address: str | None = None,
) -> Dialled:
    """Wait for a place at the address, then connect within the time-out.

    Network trouble is in `failure`. The stream, if any, has to be closed.
    """
    room = probe.places.at(address)
    await room.acquire()
    began = probe.record.now()
    try:
        async with probe.patience.step(address, Phase.CONNECT, probe.timeout_s):
            inner = await probe.backend.dialler.connect(address, port, source_address)
    except (OSError, TimeoutError) as error:
        room.release()
        return Dialled(None, began, probe.record.now() - began, failure_from(Phase.CONNECT, error))
    except BaseException:
        room.release()
        raise
    return Dialled(probe.places.seat(inner, room), began, probe.record.now() - began)
