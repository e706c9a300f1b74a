"""Watching a failover: a connection every tick, as a client makes it, and a look-up of the name every few seconds.

Ticks start on schedule whatever earlier ones do, so that an outage is as long as it looks; each fails after two
seconds. Nothing is made up for: after a pause of this machine the next tick is one tick.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from semscheck.model.events import Listener, Observed
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import AnyObservation, Crash, Handshake, Mark, Sample, Ticket, WatchPlan
from semscheck.model.target import Target
from semscheck.net.backend import NetworkBackend, Stream
from semscheck.net.errors import failure_from
from semscheck.net.tls import Tls
from semscheck.net.tls_contexts import Contexts
from semscheck.probes.dns import Resolution
from semscheck.probes.endpoint import Destination, ProbeContext
from semscheck.probes.recorder import Recorder
from semscheck.sampling.strategy import SamplingStrategy
from semscheck.sampling.tokens import TICKET_WAIT_S, MemberEndpoint, Sessions, ask_for_key

if TYPE_CHECKING:
    from semscheck.net.http import Answer

TICK_S = 2.0
MOST_OPEN = 8
MOST_TICKS = 6_000
LEAST_EVERY_S = 0.5
LOOK_UP_EVERY_S = 5.0
ADDRESSES = 16  # of the name, each in its turn
PAGE = "/"
KEPT_HEADERS = frozenset(("set-cookie", "server", "via", "x-powered-by", "location", "etag"))
# Times that each member is asked for its key, whenever a key turns up that was not seen before
ASKED_EACH = 2
MOST_KEYS = 16  # more of them are tickets that do not name their key
MARK_LENGTH = 200

Marks = SimpleQueue[tuple[datetime, str]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """What one watch does. marks: what a person writes down, and when; may be filled from any thread."""

    target: Target
    backend: NetworkBackend
    decisions: SamplingStrategy
    agent: str
    every_s: float
    for_s: float
    marks: Marks = field(default_factory=SimpleQueue)


@dataclass(slots=True)
class _Trip:
    """One connection on its way: the step it is at, and what it has by now."""

    phase: Phase = Phase.CONNECT
    stream: Stream | None = None
    tls: Tls | None = None
    connect_s: float | None = None
    handshake_s: float | None = None
    took_s: float | None = None
    answer: Answer | None = None

    def failure(self, error: Exception) -> Failure:
        if self.phase is Phase.TLS and self.tls is not None and not isinstance(error, TimeoutError):
            return self.tls.failure_from(error)
        return failure_from(self.phase, error)

    def close(self) -> None:
        with suppress(OSError):
            if self.tls is not None:
                self.tls.close()
            elif self.stream is not None:
                self.stream.close()


class Watcher:
    """One watch. Make it, `await run()`, read `record.observations`."""

    def __init__(self, order: WatchOrder, listener: Listener | None = None) -> None:
        self._order = order
        self._target = order.target
        self._clock = order.backend.clock
        self._listener = listener
        self._started = self._clock.utc()
        self.record = Recorder(self._clock, self._heard)
        self._context = Sessions().context(None)
        self._addresses: tuple[str, ...] = ()
        self._open: set[asyncio.Task[None]] = set()
        self._keys: set[str] = set()
        self._to_ask = 0
        self._doors = _doors(self._target)
        self._kept: dict[object, Any] = {}

    async def run(self, cancel: asyncio.Event | None = None) -> tuple[AnyObservation, ...]:
        """Watch until the time is over, or cancelled."""
        course = asyncio.ensure_future(self._guarded(self._course()))
        stop = asyncio.ensure_future((cancel or asyncio.Event()).wait())
        try:
            await asyncio.wait((course, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (under_way := (course, stop, *self._open)):
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        self._note_marks()
        return self.record.observations

    def _heard(self, observation: AnyObservation) -> None:
        if self._listener is not None:
            self._listener(Observed(observation))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A crash of ours is an observation; the watch goes on."""
        try:
            await work
        except Exception as error:
            words, stack = (
                f"{type(error).__name__}: {error}"[:500],
                "".join(traceback.format_exception(error)),
            )
            self.record.add(
                Crash, self.record.now(), elapsed_s=None, where="watch", error=words, trace=stack[-8000:]
            )

    # --- the course of it ----------------------------------------------------------------------------------

    async def _course(self) -> None:
        order = self._order
        self.record.add(WatchPlan, 0.0, elapsed_s=None, every_s=order.every_s, for_s=order.for_s)
        resolution = Resolution(
            order.backend, self.record, replace(self._target, limits=_limits(self._target))
        )
        await self._look_up(resolution)
        looking_up = asyncio.ensure_future(self._guarded(self._keep_looking_up(resolution)))
        try:
            await self._on_schedule()
            while self._open:
                await asyncio.wait(self._open)
        finally:
            looking_up.cancel()
            await asyncio.gather(looking_up, return_exceptions=True)

    async def _on_schedule(self) -> None:
        due_s, every_s, made = self.record.now(), self._order.every_s, 0
        while due_s < self._order.for_s and made < MOST_TICKS:
            await self._until(due_s)
            self._note_marks()
            self._start(self._tick(made))
            made += 1
            late_s = self.record.now() - due_s
            due_s += every_s * (
                1 + int(late_s / every_s + 0.5)
            )  # what a pause of this machine took is left out
            if self._to_ask:
                await self._until(self.record.now() + every_s / 2)
                self._start(self._ask_a_member())

    async def _until(self, due_s: float) -> None:
        await self._clock.sleep(max(0.0, due_s - self.record.now()))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._open) >= MOST_OPEN:
            work.close()
            return
        task = asyncio.ensure_future(self._guarded(work))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _keep_looking_up(self, resolution: Resolution) -> None:
        while True:
            await self._clock.sleep(LOOK_UP_EVERY_S)
            await self._look_up(resolution)

    async def _look_up(self, resolution: Resolution) -> None:
        self._addresses = (await resolution.now())[:ADDRESSES]

    def _note_marks(self) -> None:
        with suppress(Empty):
            while True:
                when, text = self._order.marks.get_nowait()
                at_s = min(self.record.now(), max(0.0, (when - self._started).total_seconds()))
                self.record.add(Mark, at_s, elapsed_s=None, text=text[:MARK_LENGTH])

    # --- one connection ------------------------------------------------------------------------------------

    async def _tick(self, index: int) -> None:
        address = self._addresses[index % len(self._addresses)] if self._addresses else ""
        began, trip = self.record.now(), _Trip()
        failure = None if address else Failure(Phase.RESOLVE, Cause.NO_ADDRESS, "the name has no address now")
        try:
            if address:
                await self._within(TICK_S, self._reach(trip, address))
        except (OSError, EOFError, ValueError) as error:
            failure = trip.failure(error)
        finally:
            trip.close()
        self._write_down(index, address, began, trip, failure)

    async def _reach(self, trip: _Trip, address: str) -> None:
        """What a client does: connect, shake hands, ask for a page."""
        from semscheck.net.http import Conversation

        began, target = self.record.now(), self._target
        host = Destination(address, target.port, target.fqdn)
        trip.stream = await self._order.backend.dialler.connect(address, target.port)
        trip.connect_s, trip.phase = self.record.now() - began, Phase.TLS
        trip.tls = Tls(trip.stream, self._context, host.server_name)
        await trip.tls.handshake()
        trip.handshake_s, trip.phase = self.record.now() - began - trip.connect_s, Phase.HTTP
        trip.answer = await Conversation(trip.tls, host.host, host.port, self._order.agent).get(PAGE)
        trip.took_s = self.record.now() - began
        if trip.tls.ticket is None or not trip.tls.ticket.count:
            await trip.tls.receive_ticket(TICKET_WAIT_S)

    async def _within(self, limit_s: float, work: Coroutine[Any, Any, T]) -> T:
        """What comes of it; raises TimeoutError after so many seconds of the run's clock, and what the work
        raises."""
        tasks = doing, _ = asyncio.ensure_future(work), asyncio.ensure_future(self._clock.sleep(limit_s))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise TimeoutError
            return doing.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _write_down(
        self, index: int, address: str, began: float, trip: _Trip, failure: Failure | None
    ) -> None:
        data: dict[str, Any] = {}
        if trip.stream is not None:
            data["source_address"] = self._once(trip.stream.local_address)
            data["source_port"] = trip.stream.local_port
        if trip.tls is not None and trip.handshake_s is not None:
            data |= {"version": self._once(trip.tls.version), "ticket": self._ticket(trip.tls.ticket)}
            data["certificate"] = self._certificate(trip.tls.leaf, began)
        if trip.answer is not None:
            data |= {"status": trip.answer.status, "headers": self._headers(trip.answer.headers)}
        self.record.add(
            Sample,
            began,
            elapsed_s=self.record.now() - began if trip.took_s is None else trip.took_s,
            arm="fresh",
            index=index,
            address=address,
            port=self._target.port,
            connect_s=_rounded(trip.connect_s),
            handshake_s=_rounded(trip.handshake_s),
            failure=self._once(failure) if trip.answer is None else None,
            **data,
        )

    def _certificate(self, leaf: bytes | None, began: float) -> str | None:
        from semscheck.probes.certificates import record_chain

        return self._once(record_chain(self.record, (leaf,), began)[0]) if leaf else None

    def _once(self, value: T) -> T:
        """What comes again and again is kept once, however long the watch."""
        if len(self._kept) > 500:
            self._kept.clear()
        return self._kept.setdefault(value, value)  # type: ignore[no-any-return]

    def _headers(self, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """What may say who answered."""
        return self._once(tuple(self._once(pair) for pair in headers if pair[0].lower() in KEPT_HEADERS))

    def _ticket(self, ticket: Ticket | None) -> Ticket | None:
        """The ticket, its beginnings kept once for all of one key; a key that is new asks for the members' keys."""
        if ticket is None or not ticket.prefixes:
            return ticket
        if ticket.prefixes[-1] not in self._keys and len(self._keys) < MOST_KEYS:
            self._keys.add(ticket.prefixes[-1])
            self._to_ask = ASKED_EACH * len(self._doors)
        return replace(ticket, prefixes=self._once(ticket.prefixes))

    async def _ask_a_member(self) -> None:
        """One connection to one member, between two ticks, for the key that names it."""
        seen = [each for each in self.record.observations if isinstance(each, Sample | Handshake)]
        doors = {door.name: door for door in self._doors if door.destination.address not in self._addresses}
        wanted = self._order.decisions.keys_to_ask(seen, tuple(doors))
        if not wanted:
            self._to_ask = 0
            return
        self._to_ask -= 1
        await self._within(
            TICK_S, ask_for_key(self._means(), doors[wanted[self._to_ask % len(wanted)]], self._context, PAGE)
        )

    def _means(self) -> ProbeContext:
        from semscheck.probes.certificates import record_chain

        return ProbeContext(
            backend=self._order.backend,
            record=self.record,
            contexts=Contexts(self._target.ca_file),
            timeout_s=TICK_S,
            agent=self._order.agent,
            record_chain=record_chain,
        )


def _doors(target: Target) -> tuple[MemberEndpoint, ...]:
    """Each member's client interface, the first address of each."""
    return tuple(
        MemberEndpoint(member.name, Destination(client.address, client.port or target.port, target.fqdn))
        for member in target.members
        for client in member.client[:1]
    )


def _limits(target: Target) -> Any:
    return replace(target.limits, timeout_s=min(TICK_S, target.limits.timeout_s))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
