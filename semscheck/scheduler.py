"""Waiting: which probe after which, what runs side by side, deadlines, and an end that always has a result.

The scheduler knows no rule. What must be judged on the way comes in as `SamplingStrategy`. Every probe runs under a
guard that turns a crash into an observation; the run's deadline, or a cancel, ends it with what there is.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal

from semscheck.model.events import Listener, Observed, Progressed
from semscheck.model.observations import (
    AnyObservation,
    Bound,
    Control,
    Crash,
    Cut,
    DnsAnswer,
    Exchange,
    Handshake,
    Step,
)
from semscheck.model.target import REPLICATION_PORT, Target
from semscheck.net.backend import NetworkBackend
from semscheck.net.tls_contexts import Contexts
from semscheck.probes.endpoint import (
    ChainRecorder,
    Destination,
    EndpointResult,
    ProbeContext,
    probe_endpoint,
    second_certificate,
)
from semscheck.probes.recorder import Recorder
from semscheck.sampling.rate_limit import WAITING_PART, RateLimit
from semscheck.sampling.sampler import Plan, Sampler
from semscheck.sampling.strategy import SamplingStrategy
from semscheck.sampling.tokens import MemberEndpoint, Sessions, session_controls

ADDRESSES_PER_FAMILY = 8  # of an FQDN with many; the rest is said and left alone
LEAST_PER_ADDRESS = 8  # fresh connections to each of several addresses
DIRECT_CONNECTIONS = 8  # to an address that is one member's own
ANSWERING_S = 1.0  # for the other members to answer after one did
MAX_AT_ONCE = 64  # looks under way, whatever the target names
WIND_DOWN_S = 0.5  # given to cancelled probes to close what they hold
WIND_DOWN_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Order:
    """What one run does. connections: fresh ones, over all addresses."""

    target: Target
    backend: NetworkBackend
    decisions: SamplingStrategy
    agent: str


class Engine:
    """One run. Make it, `await run()`, read `record.observations`."""

    def __init__(self, order: Order, listener: Listener | None = None) -> None:
        self._target = order.target
        self._discovery: asyncio.Task[None] | None = None
        self._seam = order.backend
        self._decisions = order.decisions
        self._listener = listener
        self.record = Recorder(self._seam.clock, self._heard)
        self._means = ProbeContext(
            backend=self._seam,
            record=self.record,
            contexts=Contexts(self._target.ca_file),
            timeout_s=self._target.limits.timeout_s,
            agent=order.agent,
            record_chain=_chain_recorder(),
            haste=RateLimit(until_s=WAITING_PART * self._target.limits.deadline_s),
        )
        self._sessions = Sessions()
        self._controls_made: dict[str | None, asyncio.Task[tuple[Control, ...] | None]] = {}
        self._tasks: dict[asyncio.Task[Any], tuple[str, Step | None]] = {}
        self._room = asyncio.Semaphore(MAX_AT_ONCE)
        self._looks: dict[tuple[str, int, str], asyncio.Task[EndpointResult | None]] = {}
        self._second: dict[str, asyncio.Task[None]] = {}
        self._to_sample: list[str] = []
        self._sampled = 0  # of these, done
        self._families: dict[int, int] = {4: 0, 6: 0}
        self._left_out: set[str] = set()
        self._suspected = False
        self._news = asyncio.Event()
        self._named = False
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}

    # --- the course of it ----------------------------------------------------------------------------------

    async def run(self, cancel: asyncio.Event | None = None) -> tuple[AnyObservation, ...]:
        """Everything, until done, out of time, or cancelled."""
        course = asyncio.create_task(self._course(), name="course")
        waiting: set[asyncio.Task[Any]] = {course}
        stop = asyncio.create_task(cancel.wait()) if cancel is not None else None
        if stop is not None:
            waiting.add(stop)
        try:
            await asyncio.wait(
                waiting,
                timeout=self._target.limits.deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not course.done():
                self._cut("cancelled" if stop is not None and stop.done() else "deadline")
            elif (error := course.exception()) is not None:
                self._crashed("engine", error)
        finally:
            try:
                await self._wind_down(course, stop)
            finally:
                self._means.places.close_all()
        return self.record.observations

    async def _course(self) -> None:
        self._start("desktop", self._desktop(), Step.DESKTOP)
        # Known places first: to contact them takes no library that is still to be imported, as DNS does.
        for destination in self._known_errands():
            self._look(destination)
        names = self._start("names", self._names(), Step.NAMES)
        warm = self._start("warm", self._warm_up())
        self._start("services", self._services(names), Step.SERVICES)
        names.add_done_callback(lambda _: self._news.set())
        await self._sample_addresses(names)
        await asyncio.gather(names, warm, *self._looks.values(), *self._tasks, return_exceptions=True)

    async def _warm_up(self) -> None:
        """What the first answers will need takes longer than a round trip: the trust store, and httpx. Both are
        made ready while those answers are on their way.

        Not before the first questions left: imports in two threads slow each other, so it lets the loop go round
        first.
        """
        from importlib import import_module

        await asyncio.sleep(0.005)
        self._means.contexts.get("default")
        await asyncio.to_thread(import_module, "semscheck.net.http")

    def _start(
        self, name: str, work: Coroutine[Any, Any, Any], step: Step | None = None
    ) -> asyncio.Task[Any]:
        """step: the part of the run that it belongs to; None for what nobody misses."""
        task = asyncio.create_task(self._guarded(name, work), name=name)
        self._tasks[task] = (name, step)

        def ended(done: asyncio.Task[Any]) -> None:
            self._tasks.pop(done, None)
            work.close()  # cancelled before its first step, it would be told on standard error as never awaited

        task.add_done_callback(ended)
        return task

    async def _guarded(self, name: str, work: Awaitable[Any]) -> Any:
        """A crash of ours is an observation; the other probes go on."""
        try:
            return await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._crashed(name, error)
            return None

    def _crashed(self, where: str, error: BaseException) -> None:
        stack = "".join(traceback.format_exception(error))[-8000:]
        self.record.add(
            Crash,
            self.record.now(),
            elapsed_s=None,
            where=where,
            error=f"{type(error).__name__}: {error}"[:500],
            trace=stack,
        )

    def _cut(self, reason: Literal["cancelled", "deadline"]) -> None:
        unfinished = self._unfinished()
        steps = tuple(dict.fromkeys(unfinished.values()))
        now = self.record.now()
        self.record.add(Cut, now, elapsed_s=None, reason=reason, unfinished=tuple(unfinished), steps=steps)

    def _unfinished(self) -> dict[str, Step]:
        """What is under way, in the order in which it was begun, and what had still to begin."""
        found = {} if self._named else {"names": Step.NAMES}
        under_way = (began for task, began in self._tasks.items() if not task.done())
        found |= {name: step for name, step in under_way if step is not None}
        left = [f"connections to {address}" for address in self._to_sample[self._sampled :]]
        if not self._named:
            left.append("connections to the addresses of the FQDN")
        return found | dict.fromkeys(left, Step.CONNECTIONS)

    async def _wind_down(self, *others: asyncio.Task[Any] | None) -> None:
        """End whatever is still under way, waiting for it only so long: a task that does not end is left."""
        wanted = [task for task in others if task is not None]
        loop = asyncio.get_running_loop()
        until_s = loop.time() + WIND_DOWN_S
        # Again, since what is ending may have started something on its way; and a few times at the least, since
        # on a busy machine the time may be over before anything had its turn.
        for attempt in count():
            pending = [task for task in (*self._tasks, *wanted) if not task.done()]
            left_s = until_s - loop.time()
            if not pending or (left_s <= 0 and attempt >= WIND_DOWN_ROUNDS):
                return
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=max(left_s, 0.01))

    # --- names and addresses -------------------------------------------------------------------------------

    async def _names(self) -> None:
        from semscheck.probes.dns import look_up

        try:
            await look_up(self._seam, self.record, self._target, self._leads_to, self._also_look)
        finally:
            self._named = True
            if self._left_out:
                kept = sum(self._families.values())
                self.record.add(
                    Bound,
                    self.record.now(),
                    elapsed_s=None,
                    what="addresses of the FQDN that were contacted",
                    seen=kept + len(self._left_out),
                    used=kept,
                )

    def _leads_to(self, addresses: tuple[str, ...]) -> None:
        """Addresses of the FQDN became known: look at them, as many as is polite."""
        for address in addresses:
            if address in self._to_sample:
                continue
            family = 6 if ":" in address else 4
            if family not in self._target.families:
                continue
            if self._families[family] >= ADDRESSES_PER_FAMILY:
                self._left_out.add(address)
                continue
            self._families[family] += 1
            self._to_sample.append(address)
            destination = Destination(address, self._target.port, self._target.fqdn)
            self._look(destination)
            again = self._second_certificate(destination)
            self._second[address] = self._start(f"second certificate at {address}", again, Step.ADDRESSES)
        self._news.set()

    def _also_look(self, addresses: tuple[str, ...]) -> None:
        """Addresses that clients are not led to, only the zone's own servers give: does one serve there?"""
        for address in addresses:
            self._look(Destination(address, self._target.port, self._target.fqdn, web=False))

    async def _desktop(self) -> None:
        from semscheck.probes.desktop import look_around

        await look_around(self._seam, self.record, self._target)

    # --- servers that nobody told of ------------------------------------------------------------------------

    @property
    def target(self) -> Target:
        """What was to be checked, with the servers that were found."""
        return self._target

    async def _discovered(self) -> None:
        """Wait for the search, which begins where only the name is known, once its first address was looked at."""
        told = self._target.members or self._target.balancers or self._target.profile
        if told or not self._target.discovery or self._target.fqdn_is_address:
            return
        if self._discovery is None:
            self._discovery = self._start("other servers", self._discover(), Step.ADDRESSES)
        await asyncio.wait((self._discovery,))

    async def _discover(self) -> None:
        from semscheck.probes.discovery import Discovery
        from semscheck.probes.nameservers import place_of

        resolver = self._resolver()
        if resolver is None:
            return
        search = Discovery(self._means, self._look, self._target, place_of(resolver), tuple(self._to_sample))
        members = await search.members()
        if members:
            self._target = replace(self._target, members=members)
            self._controls_made.clear()

    def _resolver(self) -> str | None:
        """A resolver that gave an address."""
        answers = (seen for seen in self.record.observations if isinstance(seen, DnsAnswer))
        return next((a.server for a in answers if a.role == "resolver" and a.records), None)

    def _suspect_portal(self) -> None:
        """Nothing serves where the name leads: does its resolver give an address to any name?"""
        resolver = self._resolver()
        if resolver is None or self._suspected:
            return
        self._suspected = True
        from semscheck.probes.dns import ask_for_nobody
        from semscheck.probes.nameservers import place_of

        self._start("any name", ask_for_nobody(self._seam, self.record, self._target, place_of(resolver)))

    # --- looking at each place once ------------------------------------------------------------------------

    def _known_errands(self) -> list[Destination]:
        """Places that the profile names: client interfaces and balancers by the FQDN, Interface 1 by its own name."""
        target = self._target
        destinations = [Destination(address, target.port, target.fqdn) for address in target.balancers]
        for member in target.members:
            destinations.extend(
                Destination(e.address, e.port or target.port, target.fqdn) for e in member.client
            )
            destinations.extend(
                Destination(e.address, e.port or target.port, member.name, web=False, fallback=e.port is None)
                for e in member.replication
            )
        return destinations

    def _look(self, destination: Destination) -> asyncio.Task[EndpointResult | None]:
        key = (destination.address, destination.port, destination.host)
        if key not in self._looks:
            self._count("addresses", total=1)
            where = f"{destination.host} at {destination.address}:{destination.port}"
            self._looks[key] = self._start(where, self._look_at(destination), Step.ADDRESSES)
        return self._looks[key]

    async def _look_at(self, destination: Destination) -> EndpointResult:
        async with self._room:
            sight = await probe_endpoint(self._means, destination, closely=True)
            other = destination.fallback and not sight.connected and destination.port != REPLICATION_PORT
            if other:
                again = replace(destination, port=REPLICATION_PORT, fallback=False)
                second = await probe_endpoint(self._means, again, closely=True)
                sight = second if second.version is not None else sight
            self._count("addresses", done=1)
            return sight

    async def _second_certificate(self, destination: Destination) -> None:
        sight = await self._look(destination)
        if sight is not None and sight.leaf is not None:
            await second_certificate(self._means, destination, sight.leaf)

    # --- who answers ---------------------------------------------------------------------------------------

    def _doors(self) -> tuple[MemberEndpoint, ...]:
        """Each member's client interface, the first address of each, to show tokens to."""
        target = self._target
        return tuple(
            MemberEndpoint(
                member.name,
                Destination(client.address, client.port or target.port, target.fqdn),
                member.found,
            )
            for member in target.members
            for client in member.client[:1]
        )

    def _controls(self, newest: str | None) -> asyncio.Task[tuple[Control, ...] | None]:
        """The controls of TLS sessions, made once for each newest version of TLS."""
        if newest not in self._controls_made:
            self._controls_made[newest] = self._start("controls", self._make_controls(newest), Step.CONTROLS)
        return self._controls_made[newest]

    async def _make_controls(self, newest: str | None) -> tuple[Control, ...]:
        doors = self._doors()
        if not doors or self._target.connections < 1:
            return ()
        context = self._sessions.context(newest)
        return await session_controls(self._means, doors, context, newest, self._later)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        self._start("controls", work, Step.CONTROLS)

    async def _controls_for(self, newest: str | None) -> tuple[Control, ...]:
        return await asyncio.shield(self._controls(newest)) or ()

    async def _sample_addresses(self, names: asyncio.Task[Any]) -> None:
        """Sample the FQDN's addresses one after another, as they become known."""
        at = 0
        while True:
            while at < len(self._to_sample):
                address = self._to_sample[at]
                at += 1
                await self._start(f"connections to {address}", self._sample(address), Step.CONNECTIONS)
                self._sampled = at
            if names.done():
                if at == len(self._to_sample):
                    return
                continue
            self._news.clear()
            await self._news.wait()

    async def _sample(self, address: str) -> None:
        destination = Destination(address, self._target.port, self._target.fqdn)
        sight = await self._look(destination)
        if sight is None or sight.version is None:
            self._suspect_portal()
            return
        await self._second[address]  # it would take a turn among the connections that are counted
        await self._discovered()
        if self._target.connections < 1:
            return
        doors = self._doors()
        direct = any(door.destination == destination for door in doors)
        fresh = self._share(direct)
        self._count("connections", total=fresh)
        plan = Plan(
            connections=fresh,
            exact=self._target.connections_given,
            page=_session_page(sight),
            sources=self._other_sources(address),
            version=sight.version,
            spread_s=self._target.spread_s,
        )
        sampler = Sampler(
            self._means,
            destination,
            doors,
            self._decisions,
            plan,
            self._sessions,
            self._controls_for,
            self._shown,
            self._answering,
        )
        await sampler.run()

    def _shown(self) -> tuple[Exchange | Handshake, ...]:
        """What the places that were looked at have shown by now."""
        shown = (seen for seen in self.record.observations if isinstance(seen, Exchange | Handshake))
        return tuple(seen for seen in shown if seen.failure is None)

    async def _answering(self) -> frozenset[str]:
        """The members whose client interfaces answer. Once one does, the others are given a moment more: a frozen one
        takes as long as a time-out."""
        looks = {self._look(door.destination): door.name for door in self._doors()}
        waiting, found, limit_s = set(looks), set[str](), None
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            found |= {looks[look] for look in done if _has_tls(look)}
            limit_s = ANSWERING_S if found else None
        return frozenset(found)

    def _share(self, direct: bool) -> int:
        """Fresh connections for one of the addresses known so far: all of them share what was asked for."""
        wanted = self._target.connections
        if direct and not self._target.connections_given:
            wanted = min(wanted, DIRECT_CONNECTIONS)
        addresses = max(1, len(self._to_sample))
        return max(min(LEAST_PER_ADDRESS, wanted), wanted // addresses)

    def _other_sources(self, address: str) -> tuple[str, ...]:
        """This desktop's other addresses from which that one might be reached."""
        try:
            usual = self._seam.dialler.source_for(address, self._target.port)
        except OSError:
            return ()
        return tuple(other for other in self._seam.desktop.addresses(usual) if other != usual)

    async def _services(self, names: asyncio.Task[Any]) -> None:
        wanted = self._target.services
        if not (self._target.ask_services or wanted.check or wanted.require):
            return
        if not (self._target.members or self._target.balancers):
            await asyncio.wait((names,))  # only the name says where to ask
        from semscheck.probes.services import ask_services

        await ask_services(self._means, self._target)

    # --- telling -------------------------------------------------------------------------------------------

    def _heard(self, observation: AnyObservation) -> None:
        if self._listener is None:
            return
        self._listener(Observed(observation))
        kind = getattr(observation, "kind", "")
        if kind == "sample" and getattr(observation, "arm", "") in ("fresh", "pairs"):
            self._count("connections", done=1)
        elif isinstance(observation, DnsAnswer):
            self._count("names", done=1)

    def _count(self, step: str, done: int = 0, total: int = 0) -> None:
        self._done[step] = self._done.get(step, 0) + done
        self._total[step] = self._total.get(step, 0) + total
        if self._listener is None:
            return
        known = self._total[step]
        left = max(0.0, self._target.limits.deadline_s - self.record.now())
        shown = max(known, self._done[step]) if known else None
        self._listener(Progressed(step, self._done[step], shown, round(left, 1)))


def _has_tls(look: asyncio.Task[EndpointResult | None]) -> bool:
    result = None if look.cancelled() else look.result()
    return result is not None and result.version is not None


def _chain_recorder() -> ChainRecorder:
    def record_chain(record: Recorder, chain: Any, began_s: float) -> tuple[str, ...]:
        from semscheck.probes.certificates import record_chain as keep

        return keep(record, chain, began_s)

    return record_chain


def _session_page(sight: EndpointResult) -> str | None:
    """The path to ask for again and again: the one that sets most cookies, since a balancer sets its own on
    every page; the last of several such; None if nothing answered."""
    answered = [e for e in sight.exchanges if e.failure is None and e.status is not None]

    def cookies(seen: Exchange) -> int:
        return sum(name.lower() == "set-cookie" for name, _ in seen.headers)

    return max(reversed(answered), key=cookies).path if answered else None
