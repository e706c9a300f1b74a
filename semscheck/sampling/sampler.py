"""Repeated connections through the FQDN, and by what they are told apart.

Fresh connections are made one after another, since concurrent ones would measure another thing; while they are
made nothing else of ours goes through the FQDN, since that would break a cycle. What the servers give to resume TLS
with names its key in every connection: where that tells who ended TLS, nothing is shown back. Else tokens are traced:
that goes to the members directly and overlaps. Whatever has to be judged on the way (is it enough, whom to ask first,
what to offer next) is asked of `SamplingStrategy`, pure functions that the caller hands in.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from semscheck.model.failure import Failure
from semscheck.model.observations import Control, Sample, Trace
from semscheck.net.concurrency import gather_or_cancel
from semscheck.probes.endpoint import Destination, ProbeContext
from semscheck.sampling.pairs import Pairs
from semscheck.sampling.persistence import NEVER_AFTER, SOON_AFTER, Persistence
from semscheck.sampling.rate_limit import ShutOutError
from semscheck.sampling.series import Attempt, ConnectionSeries, Issued
from semscheck.sampling.strategy import SamplingStrategy, Seen
from semscheck.sampling.tokens import (
    MemberEndpoint,
    Sessions,
    ask_for_key,
    cookie_controls,
    open_tls,
    refuses_older,
)
from semscheck.sampling.tracing import Stock, Tracer

MOST_CONNECTIONS = 200
FOREIGN_AFTER = 3  # tokens that no member recognised, before another kind of token is tried
# Connections that one key answered, before a second signal is tried where a key names nobody
ONE_KEY_AFTER = 8
NAMED_AFTER = 8  # pages that do not name the server by themselves, before session cookies are shown
KEYS_ASKED = 2  # times that members are asked for their keys, beside the look at them
PAIRS_BEFORE_PAGES = 16
GUARD_PAIRS = 24  # session cookies shown in several ways, where plain ones were always recognised
LEAST_TO_STOP = 4
CLOSELY_WATCHED = 40  # connections, after which the question whether they are enough is asked now and then
NOW_AND_THEN = 5

# The session controls for the newest TLS version given (None: the newest of all).
ControlsFor = Callable[[str | None], Awaitable[tuple[Control, ...]]]
GivenUp = Callable[[int, bool], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to sample. connections: fresh ones; exact: no early stop, no extension. page: the path that starts
    a session, None where nothing answered HTTP. sources: other local addresses to come from. version: of TLS,
    as the address negotiates it. spread_s: the time over which fresh connections are spread."""

    connections: int
    exact: bool
    page: str | None
    sources: tuple[str, ...] = ()
    version: str | None = None
    spread_s: float = 0.0


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
        elsewhere: Callable[[], Sequence[Seen]] = tuple,
        answering: Callable[[], Awaitable[frozenset[str]]] | None = None,
    ) -> None:
        """controls: of TLS sessions between the members. elsewhere: what this address and the members have shown by
        now when they were looked at. answering: waits for these looks; the members that answer. None: all."""
        self._plan = plan
        self._probe = probe
        self._sessions = sessions
        self._controls = controls
        self._answering = answering
        self._decide = decisions
        self._keys: list[Seen] = []  # what members showed when they were asked for their keys again
        self._fresh_attempt = Attempt("fresh", sessions.context(None), page_for_ticket=plan.page)
        self._series = ConnectionSeries(
            probe, destination, decisions, self._still_answer, lambda: (*elsewhere(), *self._keys)
        )
        self._tracer = Tracer(self._series, doors)
        self._persistence = Persistence(self._series, self._tracer, sessions, plan.spread_s / 2)
        self._pairs = Pairs(self._series, self._tracer)

    async def run(self) -> None:
        """Sample this address, by the best that tells its servers apart."""
        try:
            with suppress(ShutOutError):
                await self._sample()
        finally:
            self._tracer.cancel()

    async def _sample(self) -> None:
        if await self._fresh_by_key():
            await self._after_keys()
        elif await self._members_answer():
            await self._with_members()
        else:
            await self._without_members()

    async def _members_answer(self) -> bool:
        """Whether any of the members can be asked; the silent ones are left out from here on."""
        if self._answering is not None and self._tracer.members:
            self._tracer.ask_only(await self._answering())
        return bool(self._tracer.doors)

    async def _told_answer(self) -> bool:
        """Whether any of those can be asked that somebody told of: found ones may not be all there are."""
        return await self._members_answer() and not all(door.found for door in self._tracer.doors)

    async def _still_answer(self) -> bool:
        """Whether the members that answered before, as far as they are known, answer when asked directly."""
        known = {who for who in self._series.history() if who is not None}
        doors = [door for door in self._tracer.doors if door.name in known] or self._tracer.doors
        context = self._sessions.context(None)
        opened = await gather_or_cancel(open_tls(self._probe, door.destination, context) for door in doors)
        for each in opened:
            if each.tls is not None:
                each.tls.close()
        answered = [each.tls is not None for each in opened]
        return not answered or (all(answered) if known else any(answered))

    # --- by the keys of tickets ----------------------------------------------------------------------------

    async def _fresh_by_key(self) -> bool:
        """The fresh arm, of which nothing is shown back. False where keys do not tell who ends TLS."""
        series = self._series

        async def useless(index: int, last: bool) -> bool:
            usable = self._decide.keys_usable(series.facts())
            if usable is False or (last and usable is None):
                return True
            if not usable or index != ONE_KEY_AFTER or self._plan.page is None:
                return False
            return not self._decide.spread(series.history()) and not await self._named_by_keys()

        told = await self._fresh(self._connect, useless)
        return told or bool(self._decide.keys_usable(series.facts()))

    async def _connect(self) -> None:
        """One more fresh connection. Where no ticket came with the handshake, a page is asked for: it comes with the
        first answer here, or not at all."""
        issued = await self._series.connect(self._fresh_attempt)
        page = self._plan.page if issued.sample.status is not None else None
        self._fresh_attempt = replace(self._fresh_attempt, page=page, page_for_ticket=None)

    async def _named_by_keys(self) -> bool:
        """Whether a key names a member here; the looks at them are waited for, where they decide it."""
        if not self._tracer.members or self._decide.named_by_keys(self._series.facts()):
            return bool(self._tracer.members)
        await self._members_answer()
        return self._decide.named_by_keys(self._series.facts())

    def _several(self) -> bool:
        """Whether the fresh connections, which are all made, met more than one."""
        return self._decide.several(self._series.facts())

    async def _after_keys(self) -> None:
        """Several keys were seen: what keeps a client at its own? One that names nobody: another signal."""
        page, attempt = self._plan.page, self._fresh_attempt
        await self._ask_for_keys()
        if self._several():
            await self._kept_at_a_key(page)
        elif page is None or await self._named_by_keys():
            await self._persistence.other_sources(attempt, self._plan.sources)
            await self._persistence.after_pauses(attempt)
        elif await self._told_answer():
            await self._by_cookie(page)
        elif not await self._by_own_cookie(page):
            await self._fresh(self._connect)  # there is no other signal: the rest of what was planned
            if self._several():
                await self._kept_at_a_key(page)
            else:
                await self._persistence.after_pauses(attempt)

    async def _kept_at_a_key(self, page: str | None) -> None:
        """Several ends of TLS: what leads a client back to its own, and is there one application behind them?"""
        await self._persistence.other_sources(self._fresh_attempt, self._plan.sources)
        await self._sessions_of_keys()
        if page is not None and not self._series.is_tired and not await self._named_by_keys():
            await self._one_application(page)

    async def _ask_for_keys(self) -> None:
        """Ask members directly for the key of another ticket, where what they have shown is not enough."""
        await self._members_answer()
        doors = {door.name: door for door in self._tracer.doors}
        context = self._sessions.context(None)
        page = self._fresh_attempt.page
        for _ in range(KEYS_ASKED):
            wanted = self._decide.keys_to_ask(self._series.facts(), tuple(doors))
            if not wanted:
                return
            asked = (ask_for_key(self._probe, doors[name], context, page) for name in wanted)
            self._keys.extend(seen for seen in await gather_or_cancel(asked) if seen is not None)

    async def _sessions_of_keys(self) -> None:
        """The arm that offers TLS sessions; their owners are known by the keys. In TLS 1.2 as well, unless all came
        back: there a balancer can see the session's id."""
        arms, context = self._persistence, self._sessions.context(None)
        stock, both = self._stock(self._series.issued), arms.is_of_interest("TLSv1.2")
        kept = await arms.sessions(context, stock, SOON_AFTER if both else NEVER_AFTER)
        if kept or self._series.is_tired or not both:
            return
        older = self._sessions.context("TLSv1.2")
        if await self._none_refuses(older):
            await arms.sessions(older, self._stock(await arms.gather(older, SOON_AFTER)), SOON_AFTER)

    async def _none_refuses(self, context: ssl.SSLContext) -> bool:
        """Whether no member refuses the versions of TLS that are offered: what came to it would fail by our doing."""
        doors = self._tracer.doors
        opened = await gather_or_cancel(open_tls(self._probe, door.destination, context) for door in doors)
        for each in opened:
            if each.tls is not None:
                each.tls.close()
        return not any(_asks_for_newer(each.failure) for each in opened)

    def _stock(self, given: Sequence[Issued]) -> Stock:
        stock, labels = Stock(), self._series.labels()
        for issued in reversed(given):
            if issued.sample.id in labels:
                stock.put(labels[issued.sample.id], issued)
        return stock

    async def _one_application(self, page: str) -> None:
        """Several ends of TLS may stand before one application: is a session cookie known wherever it is shown?"""
        context = self._sessions.context(None)
        own = await self._pairs.own_cookies(context, page)
        self._series.seen.extend(own.controls)
        if own.sessions:
            browser = await self._series.connect(Attempt("keep-alive", context, page))
            await self._persistence.alone(context, page, browser, frozenset(own.sessions))

    # --- members known -------------------------------------------------------------------------------------

    async def _with_members(self) -> None:
        """By TLS sessions where they name a member here, else by what pages show.

        Fresh connections go on while the controls are still under way, since those go to the members directly; what
        was connected is traced as soon as they are there.
        """
        newest = await self._version_in_front() if self._plan.version == "TLSv1.2" else None
        try:
            told = await self._traced(newest)
        except _NewerNeededError:
            told = await self._traced(None, anew=True)
        if not told and not await self._told_answer():
            await self._without_members()
        elif not told and self._plan.page is not None:
            await self._by_cookie(self._plan.page)

    async def _traced(self, newest: str | None, anew: bool = False) -> bool:
        """By TLS sessions. False where they name nobody. Raises _NewerNeededError."""
        self._tracer.stop()
        self._tracer.follow_sessions()
        context = self._sessions.context(newest)
        if anew or newest is not None:
            self._series.begin_again()
        for issued in self._series.issued:
            self._tracer.follow(issued, context)
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
            self._series.seen.extend(controls)
            self._tracer.leave_out_the_silent(controls)
            telling = bool(self._decide.telling(controls, self._tracer.members))
        finally:
            self._tracer.begin(telling)
        return telling

    async def _by_session(self, newest: str | None, controls: asyncio.Task[bool]) -> bool:
        """The fresh arm with TLS sessions as tokens. False where they name nobody. Raises _NewerNeededError."""
        context, arms = self._sessions.context(newest), self._persistence
        attempt = Attempt("fresh", context)
        early = max(FOREIGN_AFTER, len(self._series.history()) + 1) if self._plan.page is not None else None

        async def connect() -> None:
            issued = await self._series.connect(attempt)
            self._tracer.follow(issued, context)
            if newest is not None and _asks_for_newer(issued.sample.failure):
                raise _NewerNeededError

        async def useless(index: int, last: bool) -> bool:
            return (last or index == early) and await self._nobody_knows(controls)

        if not await self._fresh(connect, useless):
            if await controls:
                await arms.offer_again(context, FOREIGN_AFTER)
            return False
        if self._nothing_in_it():
            return False
        await arms.other_sources(attempt, self._plan.sources)
        if not self._several():
            await arms.after_pauses(attempt)
            return True
        kept = await arms.sessions(context, self._tracer.stock)
        if not kept and newest is None and arms.is_of_interest("TLSv1.2"):
            await self._older_sessions()
        return True

    async def _older_sessions(self) -> None:
        """The arm that offers TLS sessions, in the older way, where a balancer can see the session's id."""
        if await self._persistence.may_be_traced("TLSv1.2"):
            older = self._sessions.context("TLSv1.2")
            self._tracer.stock.clear()
            await self._persistence.gather(older, 2 * len(self._tracer.members))
            await self._persistence.sessions(older, self._tracer.stock)

    async def _by_cookie(self, page: str) -> None:
        """The fresh arm with an HTTP exchange each: session cookies as tokens, and what the answers show."""
        series, tracer = self._series, self._tracer
        series.begin_again()
        tracer.stop()
        context = self._sessions.context(None)
        controls = await cookie_controls(self._probe, tracer.doors, context, page)
        series.seen.extend(controls)
        telling = self._decide.telling(controls, tracer.members) - {"tls"}
        if telling:
            tracer.follow_cookies(telling, page)
        attempt = Attempt("fresh", context, page)

        async def connect() -> None:
            tracer.follow(await series.connect(attempt), context)

        await self._fresh(connect)
        await self._persistence.other_sources(attempt, self._plan.sources)
        await self._persistence_by_pages(attempt, page, telling)

    async def _persistence_by_pages(
        self, attempt: Attempt, page: str, telling: frozenset[str], sessions: frozenset[str] = frozenset()
    ) -> None:
        """telling: cookies that name a member. sessions: those that are known again, if the balancer leads back."""
        arms, context = self._persistence, attempt.context
        if not self._several():
            await arms.after_pauses(attempt)
            if telling:
                await arms.other_addresses(context, page, telling)
            return

        async def present(earlier: Issued) -> None:
            again = replace(attempt, arm="resume", session=earlier)
            if telling and not self._tracer.members:
                await self._pairs.exchange(again, telling)
            else:
                self._tracer.follow(await self._series.connect(again), context)

        if not await arms.cookies(context, page, telling or sessions):
            await arms.exchanged_sessions(present)
        await arms.kept_connections(context, page, telling)

    def _nothing_in_it(self) -> bool:
        """Sessions were recognised, and name nobody all the same: members know their own at one time only."""
        recognised = any(isinstance(seen, Trace) and seen.recognised for seen in self._series.seen)
        return recognised and not any(self._series.history())

    # --- members unknown -----------------------------------------------------------------------------------

    async def _without_members(self) -> None:
        """Pairs of TLS sessions first, which leave nothing behind; then, where there are pages, their cookies."""
        page, most, context = self._plan.page, self._plan.connections, self._sessions.context(None)
        first = min(most, PAIRS_BEFORE_PAGES) if page is not None and not self._plan.exact else most
        self._pairs.go_on_from(self._series.issued)
        made = len(self._series.issued)
        several = await self._pairs.by_session(context, max(0, first - made))
        told = page is not None and await self._by_own_cookie(page)
        if several and not told:
            await self._pairs.by_session(context, most - first)
            if not self._plan.exact:
                await self._pairs.one_to_many(context)

    async def _by_own_cookie(self, page: str) -> bool:
        """The fresh arm with an HTTP exchange each, told apart by what the FQDN itself recognises. False where the
        pages set no cookies at all."""
        context, series, pairs = self._sessions.context(None), self._series, self._pairs
        own = await pairs.own_cookies(context, page)
        if not own.given:
            return False
        series.begin_again()
        series.seen.extend(own.controls)
        telling = self._decide.telling(own.controls, ("",)) - {"tls"}
        attempt = Attempt("fresh", context, page)
        # What names the server by itself needs no further requests, which would take turns of their own.
        named = own.naming and await self._fresh(lambda: series.connect(attempt), self._unnamed)
        if not named:
            series.begin_again()
            await self._fresh(
                lambda: pairs.exchange(attempt, telling) if telling else series.connect(attempt)
            )
        sessions = frozenset(own.sessions)
        if self._several():
            await self._persistence_by_pages(attempt, page, telling, sessions)
        elif sessions:
            for name in own.sessions:
                if await pairs.by_cookie(context, page, name, GUARD_PAIRS):
                    break
            await self._persistence.cookies(context, page, sessions, paused=False)
            await self._persistence.after_pauses(attempt, sessions)
            await self._persistence.other_addresses(context, page, sessions)
        return True

    async def _unnamed(self, index: int, last: bool) -> bool:
        """Whether nothing in the answers names the servers."""
        return (index == NAMED_AFTER or last) and not any(self._series.history())

    # --- the fresh arm -------------------------------------------------------------------------------------

    async def _fresh(self, connect: Callable[[], Awaitable[object]], given_up: GivenUp | None = None) -> bool:
        """Fresh connections until there are enough, going on from those that were made.

        given_up: whether the token that they are told apart by is of no use, asked after each; it is told how many
        were made, and whether that was the last. False if so, at once.
        """
        series, planned = self._series, self._plan.connections
        began, first = self._probe.record.now(), len(series.history())
        made = index = first
        while index < planned:
            await connect()
            made += 1
            index = made - series.pace.not_let_through  # those say nothing, and are made up for
            if series.pace.is_late:
                break
            if given_up is not None and await given_up(index, False):
                return False
            if not self._plan.exact and (series.is_tired or await self._may_stop(index)):
                break
            if index == planned and not self._plan.exact:
                await self._tracer.settle()
                planned = min(MOST_CONNECTIONS, planned + self._decide.more(series.history()))
            due_s = (index - first) * self._plan.spread_s / self._plan.connections
            await series.pause(began + due_s)
        if given_up is not None and await given_up(index, True):
            return False
        await self._tracer.settle()
        return True

    async def _may_stop(self, index: int) -> bool:
        """Whether the connections so far are enough. Where only the last ones' identity is missing, and they
        would settle it, it is waited for rather than making more."""
        if index < LEAST_TO_STOP or (index > CLOSELY_WATCHED and index % NOW_AND_THEN):
            return False
        series, settled = self._series, not self._tracer.busy
        if self._decide.enough(series.history(), settled):
            return True
        if settled or not self._decide.enough(self._decide.expected(series.history()), settled):
            return False
        await self._tracer.settle()
        return self._decide.enough(series.history(), True)

    async def _nobody_knows(self, controls: asyncio.Task[bool]) -> bool:
        """Tokens name nobody here, or were shown to every member and none recognised one."""
        if not await controls:
            return True
        if self._was_recognised():
            return False
        await self._tracer.settle()
        fresh = [seen for seen in self._series.seen if isinstance(seen, Sample) and seen.arm == "fresh"]
        if any(sample.token is None for sample in fresh) and not any(sample.token for sample in fresh):
            return False
        return not self._was_recognised()

    def _was_recognised(self) -> bool:
        return any(isinstance(seen, Trace) and seen.recognised for seen in self._series.seen)
