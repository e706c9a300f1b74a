"""Repeated connections through the FQDN, in arms, and the tracing of who answered each.

Fresh connections are made one after another, since concurrent ones would measure another thing; while they are
made nothing else of ours goes through the FQDN, since that would break a cycle. Tracing goes to the members
directly and overlaps. Whatever has to be judged on the way (is it enough, whom to ask first, what to offer
next) is asked of `Decisions`, pure functions that the caller hands in.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

from semscheck.model.failure import Cause, Failure
from semscheck.model.observations import Control, Sample, Trace
from semscheck.probes.cookies import Cookie, Jar, set_by
from semscheck.probes.endpoint import Errand, Means
from semscheck.probes.tokens import (
    Door,
    Opened,
    Sessions,
    ask,
    ask_again,
    cookie_controls,
    open_tls,
    recognised,
    session_controls,
    show_cookie,
    ticket_wait_s,
)

if TYPE_CHECKING:
    from semscheck.probes.http import Answer, Conversation

PAUSE_MOST_S = 0.005  # pauses are uniform up to this, 2.5 ms in the mean
TRACES_AT_ONCE = 6
PERSISTENCE_CONNECTIONS = 8
KEPT_CONNECTIONS = 2
REQUESTS_ON_ONE = 5
SOURCE_CONNECTIONS = 4
OTHER_SOURCES = 3
FOREIGN_AFTER = 3  # tokens that no member recognised, before another kind of token is tried
SILENT_AFTER = 2  # connections without any token, before waiting for one ends
IMPATIENT_AFTER = 2  # time-outs, after which a step is given less time
LAGS = 6
PAIRS_BEFORE_PAGES = 16
MAX_FOUND = 12  # members that can be told apart without addresses

Seen = Sample | Trace | Control


class Decisions(Protocol):
    """What sampling has to know on the way and cannot judge itself. All pure: the same facts, the same answer."""

    def telling(self, controls: Sequence[Control], members: Sequence[str]) -> frozenset[str]:
        """The tokens that name a member here (known to their issuer, to no other): "tls", or cookies' names."""

    def history(self, seen: Sequence[Seen]) -> tuple[str | None, ...]:
        """Who answered each fresh connection so far, in order; None where unknown."""

    def first_asked(self, history: Sequence[str | None], members: Sequence[str]) -> tuple[str, ...]:
        """The members in the order in which a token should be shown to them."""

    def enough(self, history: Sequence[str | None], members: int) -> bool:
        """Whether more fresh connections could not change the code."""

    def expected(self, history: Sequence[str | None]) -> tuple[str | None, ...]:
        """The same with the unknown connections filled in, as what came before them suggests."""

    def more(self, history: Sequence[str | None]) -> int:
        """How many further fresh connections would settle what the planned ones left open; 0 for none."""

    def unlikely_next(self, history: Sequence[str | None], candidates: Sequence[str]) -> int:
        """Index of the candidate that would be answered by its issuer least likely by chance."""

    def spread(self, history: Sequence[str | None]) -> bool:
        """Whether more than one member was seen, so that persistence can be measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to sample. connections: fresh ones; exact: no early stop, no extension. page: the path that starts
    a session, None where nothing answered HTTP. sources: other local addresses to come from."""

    connections: int
    exact: bool
    page: str | None
    sources: tuple[str, ...] = ()


@dataclass(slots=True)
class _Issued:
    """What one connection gave to keep: its session and its cookies."""

    sample: Sample
    session: ssl.SSLSession | None = None
    jar: Jar = field(default_factory=Jar)
    cookies: tuple[Cookie, ...] = ()


class Sampler:
    """The sampling of one address of the FQDN. Make it, `await run()`; observations go to the recorder."""

    def __init__(
        self,
        means: Means,
        path: Errand,
        doors: Sequence[Door],
        decisions: Decisions,
        plan: Plan,
        sessions: Sessions,
        controls: asyncio.Future[tuple[Control, ...]] | None,
    ) -> None:
        self._means = means
        self._path = path
        self._doors = {door.name: door for door in doors}
        self._askable = dict(self._doors)
        self._decide = decisions
        self._plan = plan
        self._sessions = sessions
        self._controls = controls
        self._seen: list[Seen] = []
        self._waits: set[asyncio.Task[None]] = set()
        self._tracing = asyncio.Semaphore(TRACES_AT_ONCE)
        self._handshakes: list[float] = []
        self._timeouts = 0
        self._tokenless = 0
        self._stock: dict[str, list[tuple[ssl.SSLSession, str]]] = {}
        self._issued: list[_Issued] = []
        self._telling: frozenset[str] = frozenset()
        self._representatives: dict[str, Cookie] = {}

    # --- the course of it ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sample this address, by the best token that works here."""
        try:
            await (self._with_members() if self._doors else self._without_members())
        finally:
            for task in self._waits:
                task.cancel()

    async def _with_members(self) -> None:
        controls = await self._controls if self._controls is not None else ()
        self._seen.extend(controls)
        self._leave_out_the_silent(controls)
        by_session = bool(self._decide.telling(controls, tuple(self._doors)))
        if by_session and await self._by_session():
            return
        if self._plan.page is not None:
            await self._by_cookie()
        elif not by_session:
            context = self._sessions.context(None)
            await self._fresh(lambda index: self._fresh_session(index, context, trace=False), foreign=False)

    def _leave_out_the_silent(self, controls: Sequence[Control]) -> None:
        """Members that could not be asked for their own token are not shown others' either: it would only cost
        time-outs. A token that nobody else knows is then nobody's for certain."""
        silent = {c.issuer for c in controls if c.issuer == c.shown_to and c.recognised is None}
        self._askable = {name: door for name, door in self._doors.items() if name not in silent}

    async def _without_members(self) -> None:
        """Pairs of TLS sessions first, which leave nothing behind; then, where there are pages, their sessions."""
        most = self._plan.connections
        page = self._plan.page is not None
        await self._by_pairs(min(most, PAIRS_BEFORE_PAGES) if page and not self._plan.exact else most)
        if page:
            await self._by_cookie()

    async def _by_session(self) -> bool:
        """The fresh arm with TLS sessions as tokens. False where the sessions come from no member."""
        context = self._sessions.context(None)
        if not await self._fresh(lambda index: self._fresh_session(index, context)):
            await self._offer_again(context)
            return False
        history = self._history()
        await self._from_other_sources(context)
        if self._decide.spread(history):
            kept = await self._resume_arm(None)
            if not kept:
                await self._resume_arm("TLSv1.2")
        return True

    async def _by_cookie(self) -> None:
        """The fresh arm with an HTTP exchange each: session cookies as tokens, and what the answers show."""
        assert self._plan.page is not None
        self._seen = [seen for seen in self._seen if not isinstance(seen, Sample | Trace)]
        self._issued.clear()
        context = self._sessions.context(None)
        if self._doors:
            controls = await cookie_controls(self._means, self._askable.values(), context, self._plan.page)
        else:
            controls = await self._own_cookie_controls(context)
        self._seen.extend(controls)
        self._telling = self._decide.telling(controls, tuple(self._doors) or ("",))
        if not self._doors and not self._telling:
            return
        trace = bool(self._telling) and bool(self._doors)
        pairs = bool(self._telling) and not self._doors
        await self._fresh(lambda index: self._fresh_exchange(index, context, trace, pairs), foreign=False)
        if self._decide.spread(self._history()):
            if not await self._cookie_arm(context, trace) and (trace or pairs):
                await self._resume_exchange_arm(context, trace, pairs)
            await self._keep_alive_arm(context)

    async def _fresh(self, connect: Callable[[int], Awaitable[object]], foreign: bool = True) -> bool:
        """Fresh connections until there are enough. False (early) if the tokens turn out to be nobody's."""
        planned, index = self._plan.connections, 0
        while index < planned:
            await connect(index)
            index += 1
            if foreign and index == FOREIGN_AFTER and await self._nobody_knows():
                return False
            if not self._plan.exact and await self._may_stop(index):
                break
            if index == planned and not self._plan.exact:
                await self._settle()
                planned = min(200, planned + self._decide.more(self._history()))
            await self._pause()
        await self._settle()
        return not (foreign and await self._nobody_knows())

    async def _may_stop(self, index: int) -> bool:
        """Whether the connections so far are enough. Where only the last ones' identity is missing, and they
        would settle it, it is waited for rather than making more."""
        if index < 4 or (index > 40 and index % 5):
            return False
        history = self._history()
        if self._decide.enough(history, len(self._doors)):
            return True
        if not self._waits or not self._decide.enough(self._decide.expected(history), len(self._doors)):
            return False
        await self._settle()
        return self._decide.enough(self._history(), len(self._doors))

    async def _nobody_knows(self) -> bool:
        """Tokens were shown to every member, and none was recognised."""
        await self._settle()
        issued = [seen for seen in self._seen if isinstance(seen, Sample) and seen.arm == "fresh"]
        if any(sample.token is None for sample in issued) and not any(sample.token for sample in issued):
            return False
        return not any(isinstance(seen, Trace) and seen.recognised for seen in self._seen)

    def _history(self) -> tuple[str | None, ...]:
        return self._decide.history(self._seen)

    async def _settle(self) -> None:
        """Wait for the traces that are under way."""
        while self._waits:
            await asyncio.gather(*tuple(self._waits))

    async def _pause(self) -> None:
        await self._means.seam.clock.sleep(self._means.seam.random.uniform(0, PAUSE_MOST_S))

    def _patience_s(self) -> float:
        """The time for one step: the option's, until time-outs have shown that part of the pool is silent."""
        if self._timeouts < IMPATIENT_AFTER or not self._handshakes:
            return self._means.timeout_s
        return min(self._means.timeout_s, max(1.0, 20 * median(self._handshakes)))

    # --- one connection ------------------------------------------------------------------------------------

    async def _open(
        self, context: ssl.SSLContext, session: ssl.SSLSession | None = None, source: str | None = None
    ) -> Opened:
        opened = await open_tls(
            self._means,
            self._path,
            context,
            session=session,
            timeout_s=self._patience_s(),
            source_address=source,
        )
        if opened.handshake_s is not None and opened.connect_s is not None:
            self._handshakes.append(opened.connect_s + opened.handshake_s)
        if opened.failure is not None and opened.failure.cause in (Cause.STALLED, Cause.TIMED_OUT):
            self._timeouts += 1
        return opened

    def _sample(self, began: float, opened: Opened, arm: str, index: int, **data: object) -> Sample:
        tls = opened.tls
        leaf = tls.leaf if tls is not None and not tls.resumed else None
        fields: dict[str, Any] = {
            "arm": arm,
            "index": index,
            "address": self._path.address,
            "port": self._path.port,
            "source_address": tls.local_address if tls is not None else None,
            "connect_s": _rounded(opened.connect_s),
            "handshake_s": _rounded(opened.handshake_s),
            "version": tls.version if tls is not None else None,
            "certificate": _fingerprint(leaf),
            "failure": opened.failure,
        }
        sample = self._means.record.add(Sample, began, **(fields | data))
        self._seen.append(sample)
        return sample

    async def _take(self, opened: Opened) -> ssl.SSLSession | None:
        """The session, waiting for a ticket only as long as this server has been seen to give any."""
        if opened.tls is None:
            return None
        wait = ticket_wait_s(opened.connect_s) if self._tokenless < SILENT_AFTER else 0.0
        session = await opened.tls.ticket(wait)
        self._tokenless = 0 if session is not None else self._tokenless + 1
        return session

    async def _fresh_session(
        self,
        index: int,
        context: ssl.SSLContext,
        arm: str = "fresh",
        source: str | None = None,
        trace: bool = True,
    ) -> _Issued:
        began = self._means.record.now()
        opened = await self._open(context, source=source)
        session = await self._take(opened)
        token = None if opened.tls is None else session is not None
        sample = self._sample(began, opened, arm, index, token=token)
        if opened.tls is not None:
            opened.tls.close()
        issued = _Issued(sample, session)
        self._issued.append(issued)
        if session is not None and trace:
            self._later(self._trace_session(sample, session, context))
        return issued

    async def _fresh_exchange(
        self,
        index: int,
        context: ssl.SSLContext,
        trace: bool,
        pairs: bool,
        earlier: _Issued | None = None,
    ) -> None:
        """One connection with a request that sends nothing kept; with the session of an `earlier` one, if given."""
        assert self._plan.page is not None
        began = self._means.record.now()
        opened = await self._open(context, session=earlier.session if earlier is not None else None)
        arm = "fresh" if earlier is None else "resume"
        data: dict[str, object] = {}
        if earlier is not None:
            resumed = opened.tls.resumed if opened.tls is not None else None
            data = {"offered": earlier.sample.id, "resumed": resumed}
        if opened.tls is None:
            self._sample(began, opened, arm, index, **data)
            return
        from semscheck.probes.http import Conversation

        try:
            talk = Conversation(opened.tls, self._path.host, self._path.port, self._means.agent)
            answer, trouble = await ask_again(self._means, talk, self._plan.page, None, self._patience_s())
            session = opened.tls.session
            sample = self._answered(began, opened, arm, index, answer, trouble, **data)
            given = set_by(sample.headers)
            issued = _Issued(sample, session, Jar(given), tuple(c for c in given if not c.dead))
            self._issued.append(issued)
            if pairs and answer is not None:
                await self._show_representatives(talk, issued)
        finally:
            opened.tls.close()
        if trace and issued.cookies:
            self._later(self._trace_cookies(issued, context))

    def _answered(
        self,
        began: float,
        opened: Opened,
        arm: str,
        index: int,
        answer: Answer | None,
        trouble: Failure | None,
        **data: object,
    ) -> Sample:
        if trouble is not None and trouble.cause in (Cause.STALLED, Cause.TIMED_OUT):
            self._timeouts += 1
        found = Opened(opened.tls, opened.connect_s, opened.handshake_s, trouble)
        status = answer.status if answer is not None else None
        headers = answer.headers if answer is not None else ()
        return self._sample(began, found, arm, index, status=status, headers=headers, **data)

    # --- tracing -------------------------------------------------------------------------------------------

    def _later(self, work: Awaitable[None]) -> None:
        async def bounded() -> None:
            async with self._tracing:
                await work

        task = asyncio.create_task(bounded())
        self._waits.add(task)
        task.add_done_callback(self._waits.discard)

    def _order(self) -> tuple[Door, ...]:
        names = self._decide.first_asked(self._history(), tuple(self._askable))
        return tuple(self._askable[name] for name in names)

    def _traced(
        self,
        began: float,
        sample: Sample,
        door: Door,
        token: str,
        seen: bool | None,
        trouble: Failure | None,
        name: str | None = None,
    ) -> None:
        trace = self._means.record.add(
            Trace,
            began,
            sample=sample.id,
            token=token,
            name=name,
            member=door.name,
            address=door.errand.address,
            port=door.errand.port,
            recognised=seen,
            failure=trouble,
        )
        self._seen.append(trace)

    async def _trace_session(self, sample: Sample, session: ssl.SSLSession, context: ssl.SSLContext) -> None:
        """Show a session to the members, the likeliest first, until one recognises it."""
        for door in self._order():
            began = self._means.record.now()
            opened = await open_tls(self._means, door.errand, context, session=session)
            if opened.tls is None:
                self._traced(began, sample, door, "tls", None, opened.failure)
                continue
            known = opened.tls.resumed
            try:
                if known:
                    await self._restock(door.name, sample, session, opened)
            finally:
                opened.tls.close()
            self._traced(began, sample, door, "tls", known, None)
            if known:
                return

    async def _restock(self, member: str, sample: Sample, session: ssl.SSLSession, opened: Opened) -> None:
        """Keep a session of this member that was not used yet, for the resume arm: some servers take each only
        once. A TLS 1.2 session keeps its id, which is what a balancer may have learnt, so it is kept itself."""
        stock = self._stock.setdefault(member, [])
        if len(stock) >= PERSISTENCE_CONNECTIONS // 2 or opened.tls is None:
            return
        if opened.tls.version == "TLSv1.3":
            newer = await opened.tls.ticket(ticket_wait_s(opened.connect_s))
            if newer is None:
                return
            session = newer
        stock.append((session, sample.id))

    async def _trace_cookies(self, issued: _Issued, context: ssl.SSLContext) -> None:
        """Show each session cookie to the members, until one recognises it."""
        assert self._plan.page is not None
        for cookie in issued.cookies:
            for name, value in _forms(cookie, self._telling):
                for door in self._order():
                    began = self._means.record.now()
                    shown = Cookie(name, value)
                    known, trouble = await show_cookie(
                        self._means, door.errand, context, self._plan.page, shown
                    )
                    self._traced(began, issued.sample, door, "cookie", known, trouble, name)
                    if known:
                        return

    async def _offer_again(self, context: ssl.SSLContext) -> None:
        """Sessions that no member knows, shown to the FQDN again: does it know them itself?"""
        for index, issued in enumerate(
            [each for each in self._issued if each.session is not None][:FOREIGN_AFTER]
        ):
            began = self._means.record.now()
            opened = await self._open(context, session=issued.session)
            resumed = opened.tls.resumed if opened.tls is not None else None
            self._sample(began, opened, "resume", index, offered=issued.sample.id, resumed=resumed)
            if opened.tls is not None:
                opened.tls.close()

    # --- persistence ---------------------------------------------------------------------------------------

    async def _resume_arm(self, newest: str | None) -> bool:
        """Sessions offered through the FQDN: does a client that offers one come back to its member?

        newest: "TLSv1.2" to measure the older way, where a balancer can see the session's id.
        Returns whether all came back.
        """
        context = self._sessions.context(newest)
        if newest is not None and not await self._gather(context, newest):
            return False
        returned: list[bool] = []
        for _ in range(PERSISTENCE_CONNECTIONS):
            members = [name for name, stock in self._stock.items() if stock]
            if not members:
                break
            history = self._history()
            member = members[self._decide.unlikely_next(history, members)]
            session, origin = self._stock[member].pop(0)
            began = self._means.record.now()
            opened = await self._open(context, session=session)
            resumed = opened.tls.resumed if opened.tls is not None else None
            if opened.tls is not None:
                if resumed and opened.tls.version == "TLSv1.2":
                    self._stock[member].append((session, origin))
                elif resumed:
                    newer = await self._take(opened)
                    if newer is not None:
                        self._stock[member].append((newer, origin))
                opened.tls.close()
            index = sum(isinstance(seen, Sample) and seen.arm == "resume" for seen in self._seen)
            self._sample(began, opened, "resume", index, offered=origin, resumed=resumed)
            if resumed is not None:
                returned.append(resumed)
            if len(returned) >= 3 and not any(returned):
                break
            await self._pause()
        return bool(returned) and all(returned)

    async def _gather(self, context: ssl.SSLContext, newest: str) -> bool:
        """Sessions of an older TLS version, from fresh connections through the FQDN, traced to their members."""
        if all(s.version == newest for s in self._seen if isinstance(s, Sample) and s.version):
            return False  # the arm before was this version already
        controls = await session_controls(self._means, self._askable.values(), context, newest)
        if not self._decide.telling(controls, tuple(self._doors)):
            return False
        self._stock.clear()
        self._tokenless = 0
        for _ in range(min(PERSISTENCE_CONNECTIONS, 2 * len(self._doors))):
            index = sum(isinstance(seen, Sample) and seen.arm == "resume" for seen in self._seen)
            await self._fresh_session(index, context, arm="resume")
            await self._pause()
        await self._settle()
        return any(self._stock.values())

    async def _from_other_sources(self, context: ssl.SSLContext) -> None:
        """Fresh connections from this desktop's other addresses: other clients, to a balancer that keeps by
        source address."""
        for source in self._plan.sources[:OTHER_SOURCES]:
            for _ in range(SOURCE_CONNECTIONS):
                index = sum(isinstance(seen, Sample) and seen.arm == "source" for seen in self._seen)
                issued = await self._fresh_session(index, context, arm="source", source=source)
                if issued.sample.failure is not None:
                    break
                await self._pause()
        await self._settle()

    async def _resume_exchange_arm(self, context: ssl.SSLContext, trace: bool, pairs: bool) -> None:
        """New connections that offer the TLS session of an earlier one and no cookie, where TLS ends in front:
        does the session alone lead back?"""
        by_sample = self._labels()
        earlier = [e for e in self._issued if e.session is not None and by_sample.get(e.sample.id)]
        for index in range(PERSISTENCE_CONNECTIONS):
            if not earlier:
                break
            names = [by_sample[each.sample.id] or "" for each in earlier]
            chosen = earlier.pop(self._decide.unlikely_next(self._history(), names))
            await self._fresh_exchange(index, context, trace, pairs, chosen)
            await self._pause()
        await self._settle()

    async def _cookie_arm(self, context: ssl.SSLContext, trace: bool) -> bool:
        """New connections that send all cookies of an earlier one, as a browser does that comes back.

        Returns whether all came back, as far as that could be seen.
        """
        returned: list[bool | None] = []
        assert self._plan.page is not None
        by_sample = self._labels()
        browsers = [each for each in self._issued if each.jar.names() and by_sample.get(each.sample.id)]
        for index in range(PERSISTENCE_CONNECTIONS):
            if not browsers:
                return False
            names = [by_sample[each.sample.id] or "" for each in browsers]
            browser = browsers[self._decide.unlikely_next(self._history(), names)]
            began = self._means.record.now()
            opened = await self._open(context)
            sent = browser.jar.names()
            if opened.tls is None:
                self._sample(began, opened, "cookie", index, offered=browser.sample.id, cookies_sent=sent)
                continue
            try:
                answer, trouble = await ask(
                    self._means,
                    self._path,
                    opened.tls,
                    self._plan.page,
                    browser.jar.header(self._plan.page),
                    self._patience_s(),
                )
                sample = self._answered(
                    began,
                    opened,
                    "cookie",
                    index,
                    answer,
                    trouble,
                    offered=browser.sample.id,
                    cookies_sent=sent,
                    cookie_recognised=self._kept(answer, browser),
                )
            finally:
                opened.tls.close()
            returned.append(sample.cookie_recognised)
            given = set_by(sample.headers)
            if trace and sample.cookie_recognised is False:
                fresh = _Issued(sample, None, Jar(given), tuple(c for c in given if not c.dead))
                self._later(self._trace_cookies(fresh, context))
            await self._pause()
        await self._settle()
        return bool(returned) and all(returned)

    def _kept(self, answer: Answer | None, browser: _Issued) -> bool | None:
        """Whether the server still knows the session of a browser: its session cookies are not set anew."""
        if answer is None:
            return None
        names = [cookie.name for cookie in browser.cookies if cookie.name in self._telling]
        if not names:
            return None
        answers = [recognised(answer, name) for name in names]
        return None if None in answers else all(answers)

    def _labels(self) -> dict[str, str | None]:
        fresh = [seen for seen in self._seen if isinstance(seen, Sample) and seen.arm == "fresh"]
        return {s.id: who for s, who in zip(fresh, self._history(), strict=False)}

    async def _keep_alive_arm(self, context: ssl.SSLContext) -> None:
        """Several requests on one connection, cookies kept: does each come to the same member?"""
        assert self._plan.page is not None
        from semscheck.probes.http import Conversation

        for index in range(KEPT_CONNECTIONS):
            began = self._means.record.now()
            opened = await self._open(context)
            if opened.tls is None:
                self._sample(began, opened, "keep-alive", index)
                continue
            try:
                talk = Conversation(opened.tls, self._path.host, self._path.port, self._means.agent)
                browser: _Issued | None = None
                for request in range(REQUESTS_ON_ONE):
                    began = self._means.record.now()
                    header = browser.jar.header(self._plan.page) if browser is not None else None
                    answer, trouble = await ask_again(
                        self._means, talk, self._plan.page, header, self._patience_s()
                    )
                    sample = self._answered(
                        began,
                        opened,
                        "keep-alive",
                        index,
                        answer,
                        trouble,
                        request=request,
                        offered=browser.sample.id if browser is not None else None,
                        cookies_sent=browser.jar.names() if browser is not None else (),
                        cookie_recognised=self._kept(answer, browser) if browser is not None else None,
                    )
                    if answer is None or (answer.header("connection") or "").lower() == "close":
                        break
                    given = set_by(answer.headers)
                    if browser is None:
                        browser = _Issued(sample, None, Jar(given), given)
                    else:
                        browser.jar.keep(given)
            finally:
                opened.tls.close()
            await self._pause()

    # --- members unknown -----------------------------------------------------------------------------------

    async def _own_cookie_controls(self, context: ssl.SSLContext) -> tuple[Control, ...]:
        """Without members: a session cookie must be known on the connection that gave it, a made-up one not."""
        assert self._plan.page is not None
        from semscheck.probes.http import Conversation

        opened = await self._open(context)
        if opened.tls is None:
            return ()
        made: list[Control] = []
        try:
            talk = Conversation(opened.tls, self._path.host, self._path.port, self._means.agent)
            answer, _ = await ask_again(self._means, talk, self._plan.page)
            given = [c for c in set_by(answer.headers) if not c.dead] if answer is not None else []
            for cookie in given[:3]:
                made.append(await self._own_control(talk, cookie, cookie.name))
                scrambled = Cookie(cookie.name, cookie.value[::-1] + "0")
                made.append(await self._own_control(talk, scrambled, "made up"))
        finally:
            opened.tls.close()
        invented = {c.version for c in made if c.name == "made up" and c.recognised is not False}
        return tuple(c for c in made if c.name == "made up" or c.name not in invented)

    async def _own_control(self, talk: Conversation, cookie: Cookie, called: str) -> Control:
        assert self._plan.page is not None
        began = self._means.record.now()
        answer, trouble = await ask_again(self._means, talk, self._plan.page, f"{cookie.name}={cookie.value}")
        return self._means.record.add(
            Control,
            began,
            token="cookie",
            name=called,
            version=cookie.name if called == "made up" else None,
            issuer="",
            issuer_address=self._path.address,
            shown_to="",
            address=self._path.address,
            port=self._path.port,
            recognised=recognised(answer, cookie.name) if answer is not None else None,
            failure=trouble,
        )

    async def _show_representatives(self, talk: Conversation, issued: _Issued) -> None:
        """On the connection of a sample, show one session cookie of each member found so far: the one that is
        recognised says who is there; if none is, this is a member not seen before."""
        assert self._plan.page is not None
        mine = next((cookie for cookie in issued.cookies if cookie.name in self._telling), None)
        if mine is None:
            return
        for label, cookie in tuple(self._representatives.items()):
            began = self._means.record.now()
            answer, trouble = await ask_again(
                self._means, talk, self._plan.page, f"{cookie.name}={cookie.value}", self._patience_s()
            )
            known = recognised(answer, cookie.name) if answer is not None else None
            self._traced(began, issued.sample, Door(label, self._path), "cookie", known, trouble, cookie.name)
            if known or known is None:
                return
        if len(self._representatives) < MAX_FOUND:
            label = f"member {chr(ord('A') + len(self._representatives))}"
            self._representatives[label] = mine
            self._traced(
                self._means.record.now(),
                issued.sample,
                Door(label, self._path),
                "cookie",
                True,
                None,
                mine.name,
            )

    async def _by_pairs(self, connections: int) -> None:
        """Each connection offers the session of an earlier one, at changing distances; each session once."""
        context = self._sessions.context(None)
        kept: dict[int, tuple[str, ssl.SSLSession]] = {}
        used = dict.fromkeys(range(1, LAGS + 1), 0)
        for index in range(connections):
            lag = _next_lag(index, kept, used)
            origin, session = kept.pop(index - lag) if lag else (None, None)
            began = self._means.record.now()
            opened = await self._open(context, session=session)
            newer = await self._take(opened)
            token = None if opened.tls is None else newer is not None
            resumed = opened.tls.resumed if opened.tls is not None and session is not None else None
            arm = "pairs" if lag else "fresh"
            sample = self._sample(began, opened, arm, index, token=token, offered=origin, resumed=resumed)
            if opened.tls is not None:
                opened.tls.close()
            if newer is not None:
                kept[index] = (sample.id, newer)
            if self._tokenless > SILENT_AFTER and not kept:
                return
            await self._pause()


def _next_lag(index: int, kept: Container[int], used: dict[int, int]) -> int:
    """The least used distance at which an unused session lies; 0 where there is none yet."""
    possible = [lag for lag in used if index - lag in kept]
    if index < 2 or not possible:
        return 0
    lag = min(possible, key=lambda each: (used[each], each))
    used[lag] += 1
    return lag


def _forms(cookie: Cookie, wanted: frozenset[str]) -> list[tuple[str, str]]:
    """The names and values to show to a member: as it came, and without a prefix that a balancer may have put
    before it (HAProxy's `cookie ... prefix` writes server~value)."""
    if cookie.name not in wanted:
        return []
    forms = [(cookie.name, cookie.value)]
    if "~" in cookie.value:
        forms.insert(0, (cookie.name, cookie.value.partition("~")[2]))
    return forms


def _fingerprint(der: bytes | None) -> str | None:
    from hashlib import sha256

    return sha256(der).hexdigest() if der else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
