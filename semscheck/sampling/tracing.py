"""Tokens that the FQDN gave, shown to the members, beside what goes on: who recognises one is who answered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence

from semscheck.model.failure import Failure
from semscheck.model.observations import Control, Sample, Trace
from semscheck.net.cookies import Cookie
from semscheck.sampling.series import ConnectionSeries, Issued
from semscheck.sampling.tokens import MemberEndpoint, is_silence, open_tls, receive_ticket, show_cookie

TRACES_AT_ONCE = 6
STOCK = 4  # unused sessions kept of each member, for the arm that offers them


class Stock:
    """Sessions of a known issuer that were not used yet, for the arm that offers them."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Issued]] = {}

    def put(self, member: str, issued: Issued) -> None:
        kept = self._kept.setdefault(member, [])
        if issued.has_session and len(kept) < STOCK:
            kept.append(issued)

    def take(self, member: str) -> Issued:
        return self._kept[member].pop(0)

    def has_room(self, member: str) -> bool:
        return len(self._kept.get(member, ())) < STOCK

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(name for name, kept in self._kept.items() if kept)

    def clear(self) -> None:
        self._kept.clear()


class Tracer:
    """Shows tokens to members. What it finds goes to the recorder, and to the series' own list."""

    def __init__(self, line: ConnectionSeries, doors: Sequence[MemberEndpoint]) -> None:
        self._line = line
        self._doors = {door.name: door for door in doors}
        self._askable = dict(self._doors)
        self._under_way: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(TRACES_AT_ONCE)
        self._begun = asyncio.Event()
        self._follow: Callable[[Issued, ssl.SSLContext], None] = _leave
        self.stock = Stock()

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(self._doors)

    @property
    def doors(self) -> tuple[MemberEndpoint, ...]:
        """The members that can be asked."""
        return tuple(self._askable.values())

    def leave_out_the_silent(self, controls: Sequence[Control]) -> None:
        """Members that could not be asked for their own token are not shown others' either: it would only cost
        time-outs. A token that nobody else knows is then nobody's for certain."""
        silent = {c.issuer for c in controls if c.issuer == c.shown_to and c.recognised is None}
        self.ask_only(self._askable.keys() - silent)

    def ask_only(self, names: Collection[str]) -> None:
        """These are the members that answer."""
        self._askable = {name: door for name, door in self._doors.items() if name in names}

    def follow(self, issued: Issued, context: ssl.SSLContext) -> None:
        """Trace what a connection gave, if that is the way in which they are told apart at present."""
        self._follow(issued, context)

    def follow_sessions(self) -> None:
        """Show the members TLS sessions, as soon as `begin` says that this names somebody."""
        self._follow = self._session_later

    def follow_cookies(self, names: frozenset[str], page: str) -> None:
        """Show the members session cookies. names: those that name a member here; page: to show them on."""
        self._follow = lambda issued, context: self._cookies_later(issued, context, names, page)
        self._begun.set()

    def begin(self, telling: bool) -> None:
        """The controls are there: what waited for them is traced, or left alone where tokens say nothing."""
        if not telling:
            self.stop()
        self._begun.set()

    def stop(self) -> None:
        """Forget what was kept and what is under way."""
        self.cancel()
        self._under_way.clear()
        self._begun.clear()
        self.stock.clear()
        self._follow = _leave

    # --- beside what goes on -------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return bool(self._under_way)

    async def settle(self) -> None:
        """Wait for the traces that are under way."""
        while self._under_way:
            waited_for = tuple(self._under_way)
            await asyncio.gather(*waited_for)
            # Their own callbacks run when the loop does; from Python 3.12 on, gathering what is done already gives
            # the loop no turn, and this would go round for ever.
            self._under_way.difference_update(waited_for)

    def cancel(self) -> None:
        for task in self._under_way:
            task.cancel()

    def _later(self, work: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            await self._begun.wait()
            async with self._room:
                await work()

        task = asyncio.create_task(bounded())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _session_later(self, issued: Issued, context: ssl.SSLContext) -> None:
        if issued.has_session:
            self._later(lambda: self._trace_session(issued, context))

    def _cookies_later(
        self, issued: Issued, context: ssl.SSLContext, names: frozenset[str], page: str
    ) -> None:
        sample, cookies = issued.sample, [cookie for cookie in issued.cookies if cookie.name in names]
        if cookies:
            self._later(lambda: self._trace_cookies(sample, cookies, context, page))

    # --- one token -----------------------------------------------------------------------------------------

    def _order(self) -> tuple[MemberEndpoint, ...]:
        line = self._line
        names = line.decide.first_asked(line.history(), tuple(self._askable))
        return tuple(self._askable[name] for name in names)

    def write_down(
        self,
        began: float,
        sample: Sample,
        door: MemberEndpoint,
        token: str,
        known: bool | None,
        trouble: Failure | None,
        name: str | None = None,
    ) -> None:
        trace = self._line.probe.record.add(
            Trace,
            began,
            sample=sample.id,
            token=token,
            name=name,
            member=door.name,
            address=door.destination.address,
            port=door.destination.port,
            recognised=known,
            failure=trouble,
        )
        self._line.seen.append(trace)

    async def _trace_session(self, issued: Issued, context: ssl.SSLContext) -> None:
        """Show a session to the members, the likeliest first, until one recognises it.

        Before nobody does, the likeliest one is asked again: of a member's processes only one may know it, and then
        that it is not known says nothing.
        """
        refused = set()
        for door in self._order():
            known = await self._show_session(issued, context, door)
            if known:
                return
            if known is False:
                refused.add(door)
        again = next((door for door in self._order() if door in refused), None)
        if again is not None:
            await self._show_session(issued, context, again)

    async def _show_session(
        self, issued: Issued, context: ssl.SSLContext, door: MemberEndpoint
    ) -> bool | None:
        """A member that resets or refuses is asked once more: one lost answer would leave the connection nobody's."""
        began = self._line.probe.record.now()
        opened = await open_tls(self._line.probe, door.destination, context, session=issued.session)
        if opened.failure is not None and not is_silence(opened.failure):
            opened = await open_tls(self._line.probe, door.destination, context, session=issued.session)
        if opened.tls is None:
            self.write_down(began, issued.sample, door, "tls", None, opened.failure)
            return None
        known = opened.tls.resumed
        try:
            # A session of this member is kept for the resume arm. Some servers take each ticket only once, so that
            # the newer one is kept; a TLS 1.2 session keeps its id, which is what a balancer may have learnt.
            if known and opened.tls.version != "TLSv1.3":
                self.stock.put(door.name, issued)
            elif known and self.stock.has_room(door.name) and await receive_ticket(opened):
                self.stock.put(door.name, Issued(issued.sample, opened.tls))
        finally:
            opened.tls.close()
        self.write_down(began, issued.sample, door, "tls", known, None)
        return known

    async def _trace_cookies(
        self, sample: Sample, cookies: Sequence[Cookie], context: ssl.SSLContext, page: str
    ) -> None:
        """Show each session cookie to the members, until one recognises it."""
        values = [Cookie(cookie.name, value) for cookie in cookies for value in bare_values(cookie.value)]
        for shown, door in ((shown, door) for shown in values for door in self._order()):
            began = self._line.probe.record.now()
            known, trouble = await show_cookie(self._line.probe, door.destination, context, page, shown)
            self.write_down(began, sample, door, "cookie", known, trouble, shown.name)
            if known:
                return


def _leave(issued: Issued, context: ssl.SSLContext) -> None:
    """Trace nothing."""


def bare_values(value: str) -> tuple[str, ...]:
    """The values to show for a session cookie: without a prefix that a balancer may have put before it (HAProxy's
    `cookie ... prefix` writes server~value), then as it came."""
    return (value.partition("~")[2], value) if "~" in value else (value,)
