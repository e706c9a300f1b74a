"""Repeated connections through the FQDN, and by which token they are told apart.

Fresh connections are made one after another, since concurrent ones would measure another thing; while they are
made nothing else of ours goes through the FQDN, since that would break a cycle. Tracing goes to the members
directly and overlaps. Whatever has to be judged on the way (is it enough, whom to ask first, what to offer
next) is asked of `SamplingStrategy`, pure functions that the caller hands in.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from semscheck.model.failure import Failure
from semscheck.model.observations import Control, Exchange, Sample, Trace
from semscheck.probes.endpoint import Destination, ProbeContext
from semscheck.sampling.pairs import Pairs
from semscheck.sampling.persistence import Persistence
from semscheck.sampling.series import ConnectionSeries, Issued
from semscheck.sampling.strategy import SamplingStrategy
from semscheck.sampling.tokens import MemberEndpoint, Sessions, cookie_controls, refuses_older
from semscheck.sampling.tracing import Tracer

MOST_CONNECTIONS = 200
FOREIGN_AFTER = 3  # tokens that no member recognised, before another kind of token is tried
PAIRS_BEFORE_PAGES = 16
GUARD_PAIRS = 16  # session cookies shown beside made-up values, where plain ones were always recognised
LEAST_TO_STOP = 4
CLOSELY_WATCHED = 40  # connections, after which the question whether they are enough is asked now and then
NOW_AND_THEN = 5

# The session controls for the newest TLS version given (None: the newest of all).
ControlsFor = Callable[[str | None], Awaitable[tuple[Control, ...]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to sample. connections: fresh ones; exact: no early stop, no extension. page: the path that starts
    a session, None where nothing answered HTTP. sources: other local addresses to come from. version: of TLS,
    as the address negotiates it."""

    connections: int
    exact: bool
    page: str | None
    sources: tuple[str, ...] = ()
    version: str | None = None


class _NewerNeededError(Exception):
    """A server in the pool, unknown to the profile, refused the older version of TLS to which sampling kept."""


def _asks_for_newer(trouble: Failure | None) -> bool:
    """protocol_version as RFC 8446 section 6.2 has it, or handshake_failure, as others say it."""
    return trouble is not None and trouble.alert in ("protocol_version", "handshake_failure")


class Sampler:
    """The sampling of one address of the FQDN. Make it, `await run()`; observations go to the recorder."""

    def __init__(
        self,
        probe: ProbeContext,
        destination: Destination,
        doors: Sequence[MemberEndpoint],
        decisions: SamplingStrategy,
        plan: Plan,
        sessions: Sessions,
        controls: ControlsFor,
        pages: Callable[[], tuple[Exchange, ...]] = tuple,
    ) -> None:
        """controls: of TLS sessions between the members. pages: what this address and the members have answered by
        now, to compare cookies and headers with."""
        self._plan = plan
        self._means = probe
        self._sessions = sessions
        self._controls = controls
        self._pages = pages
        self._decide = decisions
        self._line = ConnectionSeries(probe, destination, decisions)
        self._tracer = Tracer(self._line, doors, sessions.context(None))
        self._line.members_answer = self._tracer.still_answer
        self._persistence = Persistence(self._line, self._tracer, sessions)
        self._pairs = Pairs(self._line, self._tracer, sessions)

    async def run(self) -> None:
        """Sample this address, by the best token that works here."""
        try:
            await (self._with_members() if self._tracer.members else self._without_members())
        finally:
            self._tracer.cancel()

    # --- members known -------------------------------------------------------------------------------------

    async def _with_members(self) -> None:
        """By TLS sessions where they name a member here, else by what pages show.

        Fresh connections begin while the controls are still under way, since those go to the members directly; what
        was connected is traced as soon as they are there.
        """
        newest = await self._version_in_front() if self._plan.version == "TLSv1.2" else None
        try:
            told = await self._traced(newest)
        except _NewerNeededError:
            self._line.begin_again()
            self._tracer.begin_again()
            told = await self._traced(None)
        if not told and self._plan.page is not None:
            await self._by_cookie(self._plan.page)

    async def _traced(self, newest: str | None) -> bool:
        """By TLS sessions. False where they name nobody. Raises _NewerNeededError."""
        controls = asyncio.create_task(self._ready_to_trace(newest))
        try:
            return await self._by_session(newest, controls)
        finally:
            controls.cancel()

    async def _version_in_front(self) -> str | None:
        """The version of TLS to which sampling keeps: something in front may speak an older one than the members, and
        sessions of one version mean nothing in the other. None for no such bound, as where a member speaks nothing
        older: what comes to it would fail because of us."""
        usual = await self._controls(None)
        if not any(control.version == "TLSv1.3" for control in usual):
            return None
        return None if refuses_older(usual, await self._controls("TLSv1.2")) else "TLSv1.2"

    async def _ready_to_trace(self, newest: str | None) -> bool:
        """Have the controls, and begin to trace. Whether TLS sessions name a member here."""
        telling = False
        try:
            controls = await self._controls(newest)
            self._line.seen.extend(controls)
            self._tracer.leave_out_the_silent(controls)
            telling = bool(self._decide.telling(controls, self._tracer.members))
        finally:
            self._tracer.begin(telling)
        return telling

    async def _by_session(self, newest: str | None, controls: asyncio.Task[bool]) -> bool:
        """The fresh arm with TLS sessions as tokens. False where they name nobody. Raises _NewerNeededError."""
        context, arms = self._sessions.context(newest), self._persistence

        async def connect() -> None:
            issued = await arms.fresh_session(context, "fresh")
            if newest is not None and _asks_for_newer(issued.sample.failure):
                raise _NewerNeededError

        if not await self._fresh(connect, controls):
            if await controls:
                await arms.offer_again(context, FOREIGN_AFTER)
            return False
        if self._nothing_in_it():
            return False
        await arms.other_sources(context, self._plan.sources, None, trace=True)
        if not self._decide.spread(self._line.history()):
            return True
        kept = await arms.sessions(newest)
        if not kept and newest is None and await arms.gather("TLSv1.2"):
            await arms.sessions("TLSv1.2")
        return True

    async def _by_cookie(self, page: str) -> None:
        """The fresh arm with an HTTP exchange each: session cookies as tokens, and what the answers show."""
        line, tracer, arms = self._line, self._tracer, self._persistence
        line.begin_again()
        context = self._sessions.context(None)
        controls = await cookie_controls(self._means, tracer.doors, context, page)
        line.seen.extend((*controls, *self._pages()))
        telling = self._decide.telling(controls, tracer.members) - {"tls"}
        tracer.use_cookies(telling, page)
        trace = bool(telling)
        await self._fresh(lambda: arms.exchange(context, page, trace=trace))
        await arms.other_sources(context, self._plan.sources, page, trace)
        await self._persistence_by_pages(context, page, telling, trace)

    async def _persistence_by_pages(
        self, context: ssl.SSLContext, page: str, telling: frozenset[str], trace: bool
    ) -> None:
        if not self._decide.spread(self._line.history()):
            return

        def present(earlier: Issued) -> Awaitable[object]:
            if telling and not self._tracer.members:
                return self._pairs.exchange(context, page, telling, earlier)
            return self._persistence.exchange(context, page, "resume", trace=trace, earlier=earlier)

        if not await self._persistence.cookies(context, page, telling, trace):
            await self._persistence.exchanged_sessions(present)
        await self._persistence.kept_connections(context, page, telling, trace)

    def _nothing_in_it(self) -> bool:
        """Sessions were recognised, and name nobody all the same: members know their own at one time only."""
        recognised = any(isinstance(seen, Trace) and seen.recognised for seen in self._line.seen)
        return recognised and not any(self._line.history())

    # --- members unknown -----------------------------------------------------------------------------------

    async def _without_members(self) -> None:
        """Pairs of TLS sessions first, which leave nothing behind; then, where there are pages, their cookies."""
        page, most = self._plan.page, self._plan.connections
        first = min(most, PAIRS_BEFORE_PAGES) if page is not None and not self._plan.exact else most
        several = await self._pairs.by_session(first)
        told = page is not None and await self._by_own_cookie(page)
        if several and not told:
            await self._pairs.by_session(most - first)

    async def _by_own_cookie(self, page: str) -> bool:
        """The fresh arm with an HTTP exchange each, told apart by what the FQDN itself recognises. False where the
        pages set no cookies at all."""
        context, line, pairs = self._sessions.context(None), self._line, self._pairs
        own = await pairs.own_cookies(context, page)
        if not own.given:
            return False
        line.begin_again()
        line.seen.extend(own.controls)
        telling = self._decide.telling(own.controls, ("",)) - {"tls"}
        if telling:
            await self._fresh(lambda: pairs.exchange(context, page, telling))
        else:
            await self._fresh(lambda: self._persistence.exchange(context, page, trace=False))
        if self._decide.spread(line.history()):
            await self._persistence_by_pages(context, page, telling, trace=False)
        elif own.sessions:
            await pairs.by_cookie(context, page, own.sessions[0], GUARD_PAIRS)
            await self._persistence.cookies(context, page, frozenset(own.sessions), trace=False)
        return True

    # --- the fresh arm -------------------------------------------------------------------------------------

    async def _fresh(
        self, connect: Callable[[], Awaitable[object]], controls: asyncio.Task[bool] | None = None
    ) -> bool:
        """Fresh connections until there are enough.

        controls: where tokens are traced that may be nobody's. False if they are; early where something else is left
        to be tried.
        """
        planned, made, index = self._plan.connections, 0, 0
        while index < planned:
            await connect()
            made += 1
            index = made - self._line.pace.not_let_through  # those say nothing, and are made up for
            if self._line.pace.is_late:
                break
            if index == FOREIGN_AFTER and self._plan.page is not None and await self._nobody_knows(controls):
                return False
            if not self._plan.exact and await self._may_stop(index):
                break
            if index == planned and not self._plan.exact:
                await self._tracer.settle()
                planned = min(MOST_CONNECTIONS, planned + self._decide.more(self._line.history()))
            await self._line.pause()
        if await self._nobody_knows(controls):
            return False
        await self._tracer.settle()
        return True

    async def _may_stop(self, index: int) -> bool:
        """Whether the connections so far are enough. Where only the last ones' identity is missing, and they
        would settle it, it is waited for rather than making more."""
        if index < LEAST_TO_STOP or (index > CLOSELY_WATCHED and index % NOW_AND_THEN):
            return False
        line, members = self._line, len(self._tracer.members)
        if self._decide.enough(line.history(), members):
            return True
        if not self._tracer.busy or not self._decide.enough(self._decide.expected(line.history()), members):
            return False
        await self._tracer.settle()
        return self._decide.enough(line.history(), members)

    async def _nobody_knows(self, controls: asyncio.Task[bool] | None) -> bool:
        """Tokens name nobody here, or were shown to every member and none recognised one."""
        if controls is None:
            return False
        if not await controls:
            return True
        if any(isinstance(seen, Trace) and seen.recognised for seen in self._line.seen):
            return False
        await self._tracer.settle()
        issued = [seen for seen in self._line.seen if isinstance(seen, Sample) and seen.arm == "fresh"]
        if any(sample.token is None for sample in issued) and not any(sample.token for sample in issued):
            return False
        return not any(isinstance(seen, Trace) and seen.recognised for seen in self._line.seen)
