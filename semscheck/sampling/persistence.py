"""What keeps a client on its member: connections that present what an earlier one was given.

Each arm presents one kind of thing alone: a TLS session, all cookies of a browser, or requests on one connection.
Which earlier connection is presented is drawn by lot, and different ones have their turn, since one that comes back
may be luck (a hash of its cookie, for example).
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from semscheck.model.observations import Control, Sample
from semscheck.sampling.series import Attempt, ConnectionSeries, Issued, Made, SentCookies, is_like
from semscheck.sampling.tokens import Sessions, is_silence, refuses_older, session_controls
from semscheck.sampling.tracing import Stock, Tracer

PERSISTENCE_CONNECTIONS = 8
PERSISTENCE_DIFFERENT = 7  # of two members' clients, all come back by chance in 1/128
PERSISTENCE_ATTEMPTS = 12  # where some fail, as with a dead member in the pool, or were presented before
UNNAMED_TIMES = 2  # so many times more, where owners are not known and all came back
SILENT_EFFORT = 3
KEPT_CONNECTIONS = 2
REQUESTS_ON_ONE = 5
OTHER_ADDRESSES = 12  # six of a kind: all at one of two servers by chance in 1/32
SOURCE_CONNECTIONS = 4
OTHER_SOURCES = 3
PAUSES = 3
NEVER_AFTER = 3  # connections of which none came back, after which an arm ends
SOON_AFTER = 2  # the same, where two versions of TLS are tried one after the other


class Persistence:
    """The arms that follow the fresh one, on the same series."""

    def __init__(
        self, line: ConnectionSeries, tracer: Tracer, sessions: Sessions, pause_s: float = 0.0
    ) -> None:
        """pause_s: after which what came back is presented once more: some are kept for a few seconds only."""
        self._pause_s = pause_s
        self._line = line
        self._tracer = tracer
        self._sessions = sessions

    # --- TLS sessions --------------------------------------------------------------------------------------

    async def sessions(self, context: ssl.SSLContext, stock: Stock, never_after: int = NEVER_AFTER) -> bool:
        """Sessions offered through the FQDN: does a client that offers one come back to its member? Returns whether
        all came back; it ends where none of so many did."""
        lot, returned, effort = _Lot(self._line), list[bool](), 0
        while stock.members and len(returned) < PERSISTENCE_CONNECTIONS and effort < PERSISTENCE_ATTEMPTS:
            sample = await self._offer(context, stock, lot)
            effort += _effort(sample)
            if sample.resumed is not None:
                returned.append(sample.resumed)
            if len(returned) >= (1 if self._line.is_tired else never_after) and not any(returned):
                break
            await self._line.pause()
        if returned and all(returned) and stock.members and await self._paused():
            returned.append((await self._offer(context, stock, lot)).resumed is not False)
        return bool(returned) and all(returned)

    async def _offer(self, context: ssl.SSLContext, stock: Stock, lot: _Lot) -> Sample:
        """One connection that offers a session."""
        members = stock.members
        member = members[lot.draw(members)]
        earlier = stock.take(member)
        issued = await self._line.connect(Attempt("resume", context, session=earlier))
        resumed = issued.sample.resumed
        if resumed and issued.sample.version == "TLSv1.3":
            stock.put(member, Issued(earlier.sample, issued.tls))
        elif resumed is not None:
            stock.put(member, earlier)  # refused, it is as unused as before
        return issued.sample

    async def after_pauses(self, attempt: Attempt, sessions: frozenset[str] = frozenset()) -> None:
        """One server answered all that came in quick succession: does a client that pauses come back to it? Where one
        does not, others are tried as well, since a failover in the meantime would stay. sessions: cookies by which
        that one knows a client, sent alone where nothing else names it."""
        line = self._line
        browser = next((each for each in line.issued[::-1] if sessions and each.cookies), None)
        sent = SentCookies.alone(browser, sessions) if browser is not None else None
        for pause in range(PAUSES):
            if line.is_tired or not line.issued or not await self._paused():
                return
            issued = await line.connect(replace(attempt, arm="pause", cookies=sent))
            self._tracer.follow(issued, attempt.context)
            await self._tracer.settle()
            if pause == 0 and not line.decide.moved(line.facts()):
                return

    async def _paused(self) -> bool:
        """Wait before what came back is presented once more, where there is time for it."""
        if self._pause_s:
            await self._line.probe.backend.clock.sleep(self._pause_s)
        return self._pause_s > 0

    def is_of_interest(self, newest: str) -> bool:
        """Whether an older version of TLS is another one than was measured."""
        return any(s.version != newest for s in self._line.seen if isinstance(s, Sample) and s.version)

    async def may_be_traced(self, newest: str) -> bool:
        """Whether sessions of an older version of TLS name members: not where a member does not speak it, since what
        comes to that one would fail because of us."""
        line, tracer = self._line, self._tracer
        controls = await session_controls(line.probe, tracer.doors, self._sessions.context(newest), newest)
        usual = [seen for seen in line.seen if isinstance(seen, Control)]
        return not refuses_older(usual, controls) and bool(line.decide.telling(controls, tracer.members))

    async def gather(self, context: ssl.SSLContext, connections: int) -> tuple[Issued, ...]:
        """Connections that offer nothing, for the sessions that they are given."""
        made = []
        for _ in range(min(PERSISTENCE_CONNECTIONS, connections)):
            made.append(await self._line.connect(Attempt("resume", context)))
            if made[-1].sample.failure is not None:
                break  # somebody here may not speak that version of TLS
            self._tracer.follow(made[-1], context)
            await self._line.pause()
        await self._tracer.settle()
        return tuple(made)

    async def offer_again(self, context: ssl.SSLContext, most: int) -> None:
        """Sessions that no member knows, shown to the FQDN again: does it know them itself?"""
        for issued in [each for each in self._line.issued if each.has_session][:most]:
            await self._line.connect(Attempt("resume", context, session=issued))

    async def exchanged_sessions(self, present: Callable[[Issued], Awaitable[object]]) -> None:
        """New connections that offer the TLS session of an earlier one and no cookie, where each needs an HTTP
        exchange to be told: does the session alone lead back? present: makes one, from what the earlier was given."""
        line = self._line
        labels = line.labels()
        earlier = [each for each in line.issued if each.has_session and each.sample.id in labels]
        lot = _Lot(line)
        for _ in range(min(PERSISTENCE_CONNECTIONS, len(earlier))):
            await present(earlier.pop(lot.draw([labels[each.sample.id] for each in earlier])))
            await line.pause()
        await self._tracer.settle()

    # --- cookies -------------------------------------------------------------------------------------------

    async def cookies(
        self, context: ssl.SSLContext, page: str, names: frozenset[str], paused: bool = True
    ) -> bool:
        """New connections that send all cookies of an earlier one, as a browser does that comes back.

        names: the cookies that are sessions here. paused: once more after a pause, where all came back. Returns
        whether all came back, as far as that could be seen.
        """
        browsers, owners = self._browsers(page)
        # Where owners are not known, what comes back by chance is not either.
        more = 1 if all(owners) and len(set(owners)) > 1 else UNNAMED_TIMES
        lot, returned, effort = _Lot(self._line), list[bool | None](), 0

        async def come_back() -> int:
            at = lot.draw(owners)
            sent = SentCookies.of(browsers[at], page, names)
            issued = await self._line.connect(Attempt("cookie", context, page, cookies=sent))
            known = issued.sample.cookie_recognised
            if known is not True:
                self._tracer.follow(issued, context)
            if issued.sample.failure is None:
                returned.append(known)
            return _effort(issued.sample)

        while browsers and effort < PERSISTENCE_ATTEMPTS * more:
            wanted = PERSISTENCE_CONNECTIONS * (more if all(returned) else 1)
            if len(returned) >= wanted and lot.different >= PERSISTENCE_DIFFERENT:
                break
            effort += await come_back()
            await self._line.pause()
        if paused and returned and all(returned) and await self._paused():
            await come_back()
        await self._tracer.settle()
        return bool(returned) and all(returned)

    async def alone(self, context: ssl.SSLContext, page: str, browser: Issued, names: frozenset[str]) -> None:
        """New connections that send the session cookies of one and nothing else: is it one application that answers
        them? Until that is refuted."""
        sent = SentCookies.alone(browser, names)
        for _ in range(PERSISTENCE_CONNECTIONS if sent.judged else 0):
            issued = await self._line.connect(Attempt("cookie", context, page, cookies=sent))
            if issued.sample.cookie_recognised is False:
                return
            await self._line.pause()

    def _browsers(self, page: str) -> tuple[list[Issued], list[str]]:
        """The connections whose cookies a browser would return, and their owners, "" where unknown. Where it would
        return none it comes back with nothing, which is tried as well."""
        labels = self._line.labels()
        given = self._line.issued
        browsers = [each for each in given if each.jar.sent(page)] or [each for each in given if each.cookies]
        browsers = [each for each in browsers if each.sample.id in labels] or browsers
        return browsers, [labels.get(each.sample.id, "") for each in browsers]

    async def kept_connections(self, context: ssl.SSLContext, page: str, names: frozenset[str]) -> None:
        """Several requests on one connection, cookies kept: does each come to the same member?"""
        for _ in range(KEPT_CONNECTIONS):
            async with self._line.connected(Attempt("keep-alive", context, page)) as made:
                await self._requests(made, names)
            await self._line.pause()
        await self._tracer.settle()

    async def other_addresses(self, context: ssl.SSLContext, page: str, names: frozenset[str]) -> None:
        """One server answered all, for one page: does it answer for other addresses as well? A load balancer that
        ends TLS may choose by them. Parameters of a page are what most applications leave aside; one that does not
        leave a kind of them aside has another page there, which tells nothing, and is asked for no more."""
        async with self._line.connected(Attempt("keep-alive", context, page)) as made:
            browser, first, kinds = made.issued, made.answer, [";", "?"]
            for request in range(1, OTHER_ADDRESSES + 1):
                if not made.may_go_on or not kinds:
                    return
                kind = kinds[request % len(kinds)]
                made.page = f"{page}{kind}{request}"
                await self._line.go_on(made, request, browser, names, like=first)
                if not is_like(made.answer, first):
                    kinds.remove(kind)

    async def _requests(self, made: Made, names: frozenset[str]) -> None:
        context, browser = made.attempt.context, made.issued
        self._tracer.follow(browser, context)
        for request in range(1, REQUESTS_ON_ONE):
            if not made.may_go_on:  # the server closes, or we did on a page too large
                return
            sample = await self._line.go_on(made, request, browser, names)
            given = self._line.cookies(sample)
            if sample.cookie_recognised is not True:
                live = tuple(cookie for cookie in given if not cookie.dead)
                self._tracer.follow(Issued(sample, cookies=live), context)
            browser.renew(sample, given)

    # --- other clients -------------------------------------------------------------------------------------

    async def other_sources(self, attempt: Attempt, sources: Sequence[str]) -> None:
        """Fresh connections from this desktop's other addresses: other clients, to a balancer that keeps by
        source address. attempt: what each of them is to be like."""
        for source in sources[:OTHER_SOURCES]:
            for _ in range(SOURCE_CONNECTIONS):
                issued = await self._line.connect(replace(attempt, arm="source", source=source))
                if issued.sample.failure is not None:
                    break
                self._tracer.follow(issued, attempt.context)
                await self._line.pause()
        await self._tracer.settle()


def _effort(sample: Sample) -> int:
    """What a connection counts for among `PERSISTENCE_ATTEMPTS`: one without an answer as several, since it took a
    time-out."""
    return SILENT_EFFORT if is_silence(sample.failure) else 1


class _Lot:
    """Which earlier connection is presented next: a member by lot, never the one that a cycle would choose next as
    far as that can be foreseen; of its connections one that was presented least, by lot again.

    By lot, since any order of our own could keep step with the balancer's: so presented, a client of one of k members
    comes back by chance in one of k connections, whatever the balancer's order is.
    """

    def __init__(self, line: ConnectionSeries) -> None:
        self._line = line
        self._random = line.probe.backend.random
        self._presented: dict[int, int] = {}

    def draw(self, candidates: Sequence[str]) -> int:
        """Index of the candidate (its member's name) to present next."""
        members = sorted(set(candidates))
        foreseen = self._line.decide.foreseen(self._line.history(), self._line.later())
        member = self._random.choice([name for name in members if name != foreseen] or members)
        fitting = [at for at, name in enumerate(candidates) if name == member]
        least = min(self._presented.get(at, 0) for at in fitting)
        drawn = self._random.choice([at for at in fitting if self._presented.get(at, 0) == least])
        self._presented[drawn] = self._presented.get(drawn, 0) + 1
        return drawn

    @property
    def different(self) -> int:
        """How many were presented so far, each counted once."""
        return len(self._presented)
