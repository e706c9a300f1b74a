"""What keeps a client on its member: connections that present what an earlier one was given.

Each arm presents one kind of thing alone: a TLS session, all cookies of a browser, or requests on one connection.
Which earlier connection is presented is drawn by lot, and different ones have their turn, since one that comes back
may be luck (a hash of its cookie, for example).
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from semscheck.model.observations import Control, Sample
from semscheck.sampling.series import ConnectionSeries, Issued
from semscheck.sampling.tokens import Sessions, recognised, refuses_older, session_controls
from semscheck.sampling.tracing import Tracer

if TYPE_CHECKING:
    from semscheck.net.cookies import Cookie
    from semscheck.net.http import Answer

PERSISTENCE_CONNECTIONS = 8
PERSISTENCE_DIFFERENT = 7  # of two members' clients, all come back by chance in 1/128
PERSISTENCE_ATTEMPTS = 12  # where some fail, as with a dead member in the pool, or were presented before
KEPT_CONNECTIONS = 2
REQUESTS_ON_ONE = 5
SOURCE_CONNECTIONS = 4
OTHER_SOURCES = 3
NEVER_AFTER = 3  # connections of which none came back, after which an arm ends


class Persistence:
    """The arms that follow the fresh one, on the same line."""

    def __init__(self, line: ConnectionSeries, tracer: Tracer, sessions: Sessions) -> None:
        self._line = line
        self._tracer = tracer
        self._sessions = sessions

    # --- TLS sessions --------------------------------------------------------------------------------------

    async def sessions(self, newest: str | None) -> bool:
        """Sessions offered through the FQDN: does a client that offers one come back to its member?

        newest: "TLSv1.2" to measure the older way, where a balancer can see the session's id. Returns whether
        all came back.
        """
        line, stock = self._line, self._tracer.stock
        context = self._sessions.context(newest)
        lot = _Lot(line)
        returned: list[bool] = []
        for _ in range(PERSISTENCE_ATTEMPTS):
            members = [name for name, kept in stock.items() if kept]
            if not members or len(returned) == PERSISTENCE_CONNECTIONS:
                break
            member = members[lot.draw(members)]
            session, origin = stock[member].pop(0)
            began = line.probe.record.now()
            opened = await line.open(context, session=session)
            resumed = opened.tls.resumed if opened.tls is not None else None
            if opened.tls is not None:
                if not resumed or opened.tls.version == "TLSv1.2":
                    stock[member].append((session, origin))  # refused, it is as unused as before
                elif (newer := await line.take(opened)) is not None:
                    stock[member].append((newer, origin))
                opened.tls.close()
            index = line.next_index("resume")
            line.write_down(began, opened, "resume", index, offered=origin, resumed=resumed)
            lot.came(member if resumed else None)
            if resumed is not None:
                returned.append(resumed)
            if len(returned) >= NEVER_AFTER and not any(returned):
                break
            await line.pause()
        return bool(returned) and all(returned)

    async def gather(self, newest: str) -> bool:
        """Sessions of an older TLS version, from fresh connections through the FQDN, traced to their members.

        False where that version says nothing here, is the one that was measured already, or is one that a member
        does not speak: connections that come to it would fail because of us."""
        line, tracer = self._line, self._tracer
        if all(s.version == newest for s in line.seen if isinstance(s, Sample) and s.version):
            return False
        context = self._sessions.context(newest)
        controls = await session_controls(line.probe, tracer.doors, context, newest)
        usual = [seen for seen in line.seen if isinstance(seen, Control)]
        if refuses_older(usual, controls) or not line.decide.telling(controls, tracer.members):
            return False
        tracer.stock.clear()
        line.wait_for_tokens_again()
        for _ in range(min(PERSISTENCE_CONNECTIONS, 2 * len(tracer.members))):
            await self.fresh_session(context, "resume")
            await line.pause()
        await tracer.settle()
        return any(tracer.stock.values())

    async def fresh_session(
        self, context: ssl.SSLContext, arm: str, source: str | None = None, trace: bool = True
    ) -> Issued:
        """One connection that offers nothing; its session is kept, and traced."""
        line = self._line
        began = line.probe.record.now()
        opened = await line.open(context, source=source)
        session = await line.take(opened)
        token = None if opened.tls is None else session is not None
        sample = line.write_down(began, opened, arm, line.next_index(arm), token=token)
        if opened.tls is not None:
            opened.tls.close()
        issued = Issued(sample, session)
        line.issued.append(issued)
        if session is not None and trace:
            self._tracer.session_later(sample, session, context)
        return issued

    async def offer_again(self, context: ssl.SSLContext, most: int) -> None:
        """Sessions that no member knows, shown to the FQDN again: does it know them itself?"""
        line = self._line
        for issued in [each for each in line.issued if each.session is not None][:most]:
            began = line.probe.record.now()
            opened = await line.open(context, session=issued.session)
            resumed = opened.tls.resumed if opened.tls is not None else None
            index = line.next_index("resume")
            line.write_down(began, opened, "resume", index, offered=issued.sample.id, resumed=resumed)
            if opened.tls is not None:
                opened.tls.close()

    # --- an HTTP exchange on each connection ---------------------------------------------------------------

    async def exchange(
        self,
        context: ssl.SSLContext,
        page: str,
        arm: str = "fresh",
        *,
        trace: bool,
        earlier: Issued | None = None,
        source: str | None = None,
    ) -> Issued | None:
        """One connection with a request that sends nothing kept; with the session of an `earlier` one, if given.
        None where it failed."""
        line = self._line
        began = line.probe.record.now()
        opened = await line.open(
            context, session=earlier.session if earlier is not None else None, source=source
        )
        index = line.next_index(arm)
        data: dict[str, object] = {}
        if earlier is not None:
            resumed = opened.tls.resumed if opened.tls is not None else None
            data = {"offered": earlier.sample.id, "resumed": resumed}
        if opened.tls is None:
            line.write_down(began, opened, arm, index, **data)
            return None
        try:
            answer, trouble = await line.ask(line.talk(opened), page, None)
            session = opened.tls.session
            sample = line.answered(began, opened, arm, index, answer, trouble, **data)
        finally:
            opened.tls.close()
        issued = line.given(sample, session)
        line.issued.append(issued)
        if trace:
            self._tracer.cookies_later(issued, context)
        return issued

    async def exchanged_sessions(self, present: Callable[[Issued], Awaitable[object]]) -> None:
        """New connections that offer the TLS session of an earlier one and no cookie, where each needs an HTTP
        exchange to be told: does the session alone lead back? present: makes one, from what the earlier was given."""
        line = self._line
        by_sample = line.labels()
        earlier = [e for e in line.issued if e.session is not None and by_sample.get(e.sample.id)]
        lot = _Lot(line)
        for _ in range(PERSISTENCE_CONNECTIONS):
            if not earlier:
                break
            await present(earlier.pop(lot.draw([by_sample[each.sample.id] or "" for each in earlier])))
            lot.came(None)
            await line.pause()
        await self._tracer.settle()

    # --- cookies -------------------------------------------------------------------------------------------

    async def cookies(self, context: ssl.SSLContext, page: str, names: frozenset[str], trace: bool) -> bool:
        """New connections that send all cookies of an earlier one, as a browser does that comes back.

        names: the cookies that are sessions here. Returns whether all came back, as far as that could be seen.
        """
        line = self._line
        by_sample = line.labels()
        browsers = [each for each in line.issued if each.jar.sent(page)]
        if (
            not browsers
        ):  # cookies that a browser would not return: it comes back with nothing, which is tried as well
            browsers = [each for each in line.issued if each.cookies]
        if any(by_sample.get(each.sample.id) for each in browsers):
            browsers = [each for each in browsers if by_sample.get(each.sample.id)]
        owners = [by_sample.get(each.sample.id) or "" for each in browsers]
        lot = _Lot(line)
        returned: list[bool | None] = []
        for _ in range(PERSISTENCE_ATTEMPTS):
            if not browsers:
                return False
            if len(returned) >= PERSISTENCE_CONNECTIONS and lot.different >= PERSISTENCE_DIFFERENT:
                break
            at = lot.draw(owners)
            sample = await self._come_back(context, page, browsers[at], names, trace)
            lot.came(owners[at] or None if sample.cookie_recognised else None)
            if sample.failure is None:
                returned.append(sample.cookie_recognised)
            await line.pause()
        await self._tracer.settle()
        return bool(returned) and all(returned)

    async def _come_back(
        self, context: ssl.SSLContext, page: str, browser: Issued, names: frozenset[str], trace: bool
    ) -> Sample:
        line = self._line
        began = line.probe.record.now()
        opened = await line.open(context)
        index = line.next_index("cookie")
        sent = {"offered": browser.sample.id, "cookies_sent": browser.jar.sent(page)}
        if opened.tls is None:
            return line.write_down(began, opened, "cookie", index, **sent)
        try:
            answer, trouble = await line.ask(line.talk(opened), page, browser.jar.header(page))
            known = _known(answer, browser, page, names)
            sample = line.answered(
                began, opened, "cookie", index, answer, trouble, cookie_recognised=known, **sent
            )
        finally:
            opened.tls.close()
        if trace and known is not True:
            self._tracer.cookies_later(line.given(sample), context)
        return sample

    async def kept_connections(
        self, context: ssl.SSLContext, page: str, names: frozenset[str], trace: bool
    ) -> None:
        """Several requests on one connection, cookies kept: does each come to the same member?"""
        line = self._line
        for _ in range(KEPT_CONNECTIONS):
            began = line.probe.record.now()
            opened = await line.open(context)
            index = line.next_index("keep-alive")
            if opened.tls is None:
                line.write_down(began, opened, "keep-alive", index)
                continue
            try:
                talk = line.talk(opened)
                browser: Issued | None = None
                for request in range(REQUESTS_ON_ONE):
                    header = browser.jar.header(page) if browser is not None else None
                    answer, trouble = await line.ask(talk, page, header)
                    sample = line.answered(
                        began,
                        opened,
                        "keep-alive",
                        index,
                        answer,
                        trouble,
                        request=request,
                        offered=browser.sample.id if browser is not None else None,
                        cookies_sent=browser.jar.sent(page) if browser is not None else (),
                        cookie_recognised=_known(answer, browser, page, names)
                        if browser is not None
                        else None,
                    )
                    if trace and sample.cookie_recognised is not True:
                        self._tracer.cookies_later(line.given(sample), context)
                    if answer is None or not talk.is_open:  # the server closes, or we did on a page too large
                        break
                    if browser is None:
                        browser = line.given(sample)
                    else:
                        _renew(browser, sample, line.cookies(sample))
                    began = line.probe.record.now()
            finally:
                opened.tls.close()
            await line.pause()
        await self._tracer.settle()

    # --- other clients -------------------------------------------------------------------------------------

    async def other_sources(
        self, context: ssl.SSLContext, sources: Sequence[str], page: str | None, trace: bool
    ) -> None:
        """Fresh connections from this desktop's other addresses: other clients, to a balancer that keeps by
        source address. page: where each connection needs an HTTP exchange to be traced."""
        line = self._line
        for source in sources[:OTHER_SOURCES]:
            for _ in range(SOURCE_CONNECTIONS):
                if page is None:
                    issued: Issued | None = await self.fresh_session(context, "source", source, trace)
                else:
                    issued = await self.exchange(context, page, "source", trace=trace, source=source)
                if issued is None or issued.sample.failure is not None:
                    break
                await line.pause()
        await self._tracer.settle()


class _Lot:
    """Which earlier connection is presented next: a member by lot, never the one that a cycle would choose next as
    far as that can be foreseen; of its connections one that was presented least, by lot again.

    By lot, since any order of our own could keep step with the balancer's: so presented, a client of one of k members
    comes back by chance in one of k connections, whatever the balancer's order is.
    """

    def __init__(self, line: ConnectionSeries) -> None:
        self._decide = line.decide
        self._random = line.probe.backend.random
        self._history = line.history()
        self._later: list[str | None] = []
        self._presented: dict[int, int] = {}

    def draw(self, candidates: Sequence[str]) -> int:
        """Index of the candidate (its member's name) to present next."""
        members = sorted(set(candidates))
        foreseen = self._decide.foreseen(self._history, self._later)
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

    def came(self, member: str | None) -> None:
        """Where that connection came to, None where it is not known."""
        self._later.append(member)


def _renew(browser: Issued, sample: Sample, given: Sequence[Cookie]) -> None:
    """A browser keeps what it is given on the way; the newest session cookie is the one that counts."""
    if not given:
        return
    browser.sample = sample
    browser.jar.keep(given)
    renewed = {cookie.name for cookie in given}
    kept = tuple(cookie for cookie in browser.cookies if cookie.name not in renewed)
    browser.cookies = (*kept, *(cookie for cookie in given if not cookie.dead))


def _known(answer: Answer | None, browser: Issued, page: str, names: frozenset[str]) -> bool | None:
    """Whether the server still knows the session of a browser: its session cookies are not set anew."""
    if answer is None:
        return None
    sent = [name for name in browser.jar.sent(page) if name in names]
    if not sent:
        return None
    answers = [recognised(answer, name) for name in sent]
    return None if None in answers else all(answers)
