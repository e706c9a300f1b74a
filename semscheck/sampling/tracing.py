"""Tokens that the FQDN gave, shown to the members, beside what goes on: who recognises one is who answered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence

from semscheck.model.failure import Failure
from semscheck.model.observations import Control, Sample, Trace
from semscheck.net.concurrency import gather_or_cancel
from semscheck.net.cookies import Cookie
from semscheck.sampling.series import ConnectionSeries, Issued
from semscheck.sampling.tokens import MemberEndpoint, Opened, is_silence, new_session, open_tls, show_cookie

TRACES_AT_ONCE = 6
STOCK = 4  # unused sessions kept of each member, for the arm that offers them


class Tracer:
    """Shows tokens to members. What it finds goes to the recorder, and to the line's own list."""

    def __init__(
        self, line: ConnectionSeries, doors: Sequence[MemberEndpoint], plain: ssl.SSLContext
    ) -> None:
        """plain: to see whether a member answers at all."""
        self._plain = plain
        self._line = line
        self._doors = {door.name: door for door in doors}
        self._askable = dict(self._doors)
        self._under_way: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(TRACES_AT_ONCE)
        self._begun = asyncio.Event()
        self._cookies: frozenset[str] = frozenset()
        self._page: str | None = None
        self.stock: dict[str, list[tuple[ssl.SSLSession, str]]] = {}

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
        self._askable = {name: door for name, door in self._doors.items() if name not in silent}

    def begin(self, tracing: bool) -> None:
        """The controls are there: what waited for them is traced, or left alone where tokens say nothing."""
        if not tracing:
            self.cancel()
            self._under_way.clear()
        self._begun.set()

    def begin_again(self) -> None:
        """Forget what was kept and what is under way: tokens of another kind come, with controls of their own."""
        self.cancel()
        self._under_way.clear()
        self._begun.clear()
        self.stock.clear()

    def use_cookies(self, names: frozenset[str], page: str) -> None:
        """Which cookies name a member here, and the path to show them on."""
        self._cookies, self._page = names, page

    async def still_answer(self) -> bool:
        """Whether the members that answered before, as far as they are known, answer when asked directly."""
        line = self._line
        known = {who for who in line.history() if who in self._askable}
        doors = [self._askable[name] for name in known or self._askable]
        if not doors:
            return True
        limit_s = line.patience_s()
        opened = await gather_or_cancel(
            open_tls(line.probe, door.destination, self._plain, timeout_s=limit_s) for door in doors
        )
        for each in opened:
            if each.tls is not None:
                each.tls.close()
        answered = [each.tls is not None for each in opened]
        return all(answered) if known else any(answered)

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

    def session_later(self, sample: Sample, session: ssl.SSLSession, context: ssl.SSLContext) -> None:
        self._later(lambda: self._trace_session(sample, session, context))

    def cookies_later(self, issued: Issued, context: ssl.SSLContext) -> None:
        if any(cookie.name in self._cookies for cookie in issued.cookies):
            self._later(lambda: self._trace_cookies(issued, context))

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

    async def _trace_session(self, sample: Sample, session: ssl.SSLSession, context: ssl.SSLContext) -> None:
        """Show a session to the members, the likeliest first, until one recognises it.

        Before nobody does, the likeliest one is asked again: of a member's processes only one may know it, and then
        that it is not known says nothing.
        """
        refused = set()
        for door in self._order():
            known = await self._show_session(sample, session, context, door)
            if known:
                return
            if known is False:
                refused.add(door)
        again = next((door for door in self._order() if door in refused), None)
        if again is not None:
            await self._show_session(sample, session, context, again)

    async def _show_session(
        self, sample: Sample, session: ssl.SSLSession, context: ssl.SSLContext, door: MemberEndpoint
    ) -> bool | None:
        """A member that resets or refuses is asked once more: one lost answer would leave the connection nobody's."""
        began = self._line.probe.record.now()
        opened = await open_tls(self._line.probe, door.destination, context, session=session)
        if opened.failure is not None and not is_silence(opened.failure):
            opened = await open_tls(self._line.probe, door.destination, context, session=session)
        if opened.tls is None:
            self.write_down(began, sample, door, "tls", None, opened.failure)
            return None
        known = opened.tls.resumed
        try:
            if known:
                await self._restock(door.name, sample, session, opened)
        finally:
            opened.tls.close()
        self.write_down(began, sample, door, "tls", known, None)
        return known

    async def _restock(self, member: str, sample: Sample, session: ssl.SSLSession, opened: Opened) -> None:
        """Keep a session of this member that was not used yet, for the resume arm: some servers take each only
        once. A TLS 1.2 session keeps its id, which is what a balancer may have learnt, so it is kept itself."""
        stock = self.stock.setdefault(member, [])
        if len(stock) >= STOCK or opened.tls is None:
            return
        if opened.tls.version == "TLSv1.3":
            newer = await new_session(opened)
            if newer is None:
                return
            session = newer
        stock.append((session, sample.id))

    async def _trace_cookies(self, issued: Issued, context: ssl.SSLContext) -> None:
        """Show each session cookie to the members, until one recognises it."""
        if self._page is None:
            return
        for cookie in issued.cookies:
            if cookie.name not in self._cookies:
                continue
            for value in bare_values(cookie.value):
                for door in self._order():
                    began = self._line.probe.record.now()
                    shown = Cookie(cookie.name, value)
                    known, trouble = await show_cookie(
                        self._line.probe, door.destination, context, self._page, shown
                    )
                    self.write_down(began, issued.sample, door, "cookie", known, trouble, cookie.name)
                    if known:
                        return


def bare_values(value: str) -> tuple[str, ...]:
    """The values to show for a session cookie: without a prefix that a balancer may have put before it (HAProxy's
    `cookie ... prefix` writes server~value), then as it came."""
    return (value.partition("~")[2], value) if "~" in value else (value,)
