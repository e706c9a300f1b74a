"""Connections through one address of the FQDN, one after another. One place makes each, as its arm has it, keeps what
it gave, and writes it down."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from semscheck.model.failure import Failure
from semscheck.model.observations import Arm, Sample, ShownAs, Trace
from semscheck.net.cookies import Cookie, Jar, set_by
from semscheck.net.tls import Tls
from semscheck.probes.endpoint import Destination, ProbeContext
from semscheck.sampling.rate_limit import RateLimiter
from semscheck.sampling.strategy import SamplingStrategy, Seen
from semscheck.sampling.tokens import Opened, ask_again, is_silence, open_tls, recognised, ticket_wait_s

if TYPE_CHECKING:
    from semscheck.net.http import Answer, Conversation

PAUSE_MOST_S = 0.005  # pauses are uniform up to this, 2.5 ms in the mean
SILENT_AFTER = 2  # connections without any token, before waiting for one ends
# Waited for a ticket in addition where this address has given some: it was lost on the way then, and TCP sends
# again after 0.2 s and a round trip on the common systems (RFC 6298 section 2 asks for 1 s, Linux and Windows less).
TICKET_LATE_S = 0.25
# Spent on connections without an answer: two full time-outs of the default, and one more; less where the look at the
# address has met such a server already.
SILENCE_MOST_S, SILENCE_AFTER_LOOK_S = 11.0, 8.0


@dataclass(slots=True)
class Issued:
    """What one connection gave to keep: its TLS session and its cookies.

    tls: the connection, closed since, which keeps the session until it is wanted. cookies: as set, without those
    taken back; jar: what a browser keeps of them, and would send again.
    """

    sample: Sample
    tls: Tls | None = None
    jar: Jar = field(default_factory=Jar)
    cookies: tuple[Cookie, ...] = ()

    @property
    def has_session(self) -> bool:
        return self.tls is not None and self.tls.has_session

    @property
    def session(self) -> ssl.SSLSession | None:
        return self.tls.session if self.tls is not None and self.tls.has_session else None

    def renew(self, sample: Sample, given: Sequence[Cookie]) -> None:
        """Keep what is given on the way, as a browser does: the newest session cookie is the one that counts."""
        if not given:
            return
        self.sample = sample
        self.jar.keep(given)
        renewed = {cookie.name for cookie in given}
        kept = tuple(cookie for cookie in self.cookies if cookie.name not in renewed)
        self.cookies = (*kept, *(cookie for cookie in given if not cookie.dead))


@dataclass(frozen=True, slots=True)
class SentCookies:
    """Cookies to send. origin: the sample that was given them. names: as they are written down. judged: those that
    the server does not know if it sets them anew. shown_as: as in `Sample`."""

    origin: str
    header: str | None
    names: tuple[str, ...]
    judged: tuple[Cookie, ...] = ()
    shown_as: ShownAs | None = None

    @classmethod
    def of(cls, browser: Issued, page: str, sessions: frozenset[str]) -> SentCookies:
        """All that a browser would return. sessions: the cookies that are sessions here."""
        sent = browser.jar.sent(page)
        judged = tuple(c for c in browser.cookies if c.name in sent and c.name in sessions)
        return cls(browser.sample.id, browser.jar.header(page), sent, judged)

    @classmethod
    def alone(cls, browser: Issued, sessions: frozenset[str]) -> SentCookies:
        """Its session cookies, without those that something in front has set beside them."""
        sent = [cookie for cookie in browser.cookies if cookie.name in sessions]
        names = tuple(cookie.name for cookie in sent)
        header = "; ".join(f"{cookie.name}={cookie.value}" for cookie in sent)
        return cls(browser.sample.id, header or None, names, tuple(sent))

    def recognised(self, answer: Answer | None) -> bool | None:
        """Whether the server still knows them; None where that cannot be told."""
        if answer is None or not self.judged:
            return None
        answers = [recognised(answer, cookie) for cookie in self.judged]
        return None if None in answers else all(answers)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection of an arm: what it offers, and what is asked.

    page: None where the handshake is enough. page_for_ticket: asked for where no session came with the handshake.
    session: the connection whose TLS session is offered. source: another address of this desktop to come from. index:
    within the arm; None counts on.
    """

    arm: Arm
    context: ssl.SSLContext
    page: str | None = None
    page_for_ticket: str | None = None
    session: Issued | None = None
    cookies: SentCookies | None = None
    source: str | None = None
    index: int | None = None


@dataclass(slots=True)
class Made:
    """A connection as it was made. issued: by its first answer, or its handshake where nothing is asked. answer: the
    last one."""

    attempt: Attempt
    opened: Opened
    index: int
    issued: Issued
    talk: Conversation | None = None
    page: str | None = None
    answer: Answer | None = None

    @property
    def may_go_on(self) -> bool:
        """Whether another request can be made on it."""
        return self.answer is not None and self.talk is not None and self.talk.is_open


class ConnectionSeries:
    """Makes the connections to one address, and keeps what was seen for the decisions on the way."""

    def __init__(
        self,
        probe: ProbeContext,
        destination: Destination,
        decisions: SamplingStrategy,
        members_answer: Callable[[], Awaitable[bool]],
        elsewhere: Callable[[], Sequence[Seen]] = tuple,
    ) -> None:
        """members_answer: see `RateLimiter`. elsewhere: what was seen by now at this address and at the members when
        they were looked at."""
        self.probe = probe
        self.destination = destination
        self.decide = decisions
        self.seen: list[Seen] = []
        self.issued: list[Issued] = []  # by the fresh connections that were made
        self.pace = RateLimiter(probe.record, probe.backend.clock, probe.haste, members_answer)
        self._elsewhere = elsewhere
        self._indexes: Counter[str] = Counter()
        self._tokenless = 0
        self._gave_tokens = False
        self._silences, self._silence_s = 0, 0.0
        self._labels: tuple[int, Mapping[str, str]] = (-1, {})

    # --- what there is so far ------------------------------------------------------------------------------

    def facts(self) -> tuple[Seen, ...]:
        """All that there is to judge by."""
        return (*self._elsewhere(), *self.seen)

    def begin_again(self) -> None:
        """Forget the fresh connections: they are made anew, for another kind of token."""
        self.seen = [seen for seen in self.seen if not isinstance(seen, Sample | Trace)]
        self.issued.clear()
        self._indexes["fresh"] = 0
        self._labels = (-1, {})
        self._tokenless, self._gave_tokens = 0, False

    def labels(self) -> Mapping[str, str]:
        """Who answered, by the sample's id, where that is known; worked out again only where something was added."""
        facts = self.facts()
        if self._labels[0] != len(facts):
            self._labels = (len(facts), self.decide.labels(facts))
        return self._labels[1]

    def history(self) -> tuple[str | None, ...]:
        """Who answered each fresh connection."""
        labels = self.labels()
        fresh = (seen for seen in self.seen if isinstance(seen, Sample) and seen.arm == "fresh")
        return tuple(labels.get(sample.id) for sample in fresh)

    def later(self) -> tuple[str | None, ...]:
        """Who answered each connection since the fresh ones: by what it showed itself, or by knowing what an earlier
        one was given."""
        labels = self.labels()
        since = (s for s in self.seen if isinstance(s, Sample) and s.arm != "fresh" and not s.request)
        return tuple(
            labels.get(s.id) or (labels.get(s.offered or "") if s.resumed or s.cookie_recognised else None)
            for s in since
        )

    @property
    def gives_tokens(self) -> bool:
        """Whether it is still worth waiting for a TLS session."""
        return self._gave_tokens or self._tokenless < SILENT_AFTER

    @property
    def is_tired(self) -> bool:
        """So much time went into waiting for nothing that what there is has to do."""
        met_before = self.probe.patience.ran_out(self.destination.address) > self._silences
        return self._silence_s >= (SILENCE_AFTER_LOOK_S if met_before else SILENCE_MOST_S)

    # --- one connection ------------------------------------------------------------------------------------

    async def pause(self, until_s: float = 0.0) -> None:
        """Between two connections: a moment, or as long as a limit on them asks for. until_s: on the run's clock,
        where they are spread over time."""
        await self.pace.rest()
        least_s = self.probe.backend.random.uniform(0, PAUSE_MOST_S)
        await self.probe.backend.clock.sleep(max(least_s, until_s - self.probe.record.now()))

    async def connect(self, attempt: Attempt) -> Issued:
        """Make one connection, ask what its arm asks, write it down, and close it."""
        async with self.connected(attempt) as made:
            return made.issued

    @asynccontextmanager
    async def connected(self, attempt: Attempt) -> AsyncIterator[Made]:
        """The same, with more to be done on it before it is closed."""
        began = self.probe.record.now()
        session = attempt.session.session if attempt.session is not None else None
        opened = await open_tls(
            self.probe, self.destination, attempt.context, session=session, source_address=attempt.source
        )
        try:
            made = await self._made(began, attempt, opened)
            if attempt.arm == "fresh" and opened.tls is not None:
                self.issued.append(made.issued)
            yield made
        finally:
            if opened.tls is not None:
                opened.tls.close()

    async def _made(self, began: float, attempt: Attempt, opened: Opened) -> Made:
        index = self._next_index(attempt.arm) if attempt.index is None else attempt.index
        sent = attempt.cookies
        fields: dict[str, Any] = {"arm": attempt.arm, "index": index}
        if attempt.session is not None:
            fields["offered"] = attempt.session.sample.id
            fields["resumed"] = opened.tls.resumed if opened.tls is not None else None
        if sent is not None:
            fields |= {"offered": sent.origin, "cookies_sent": sent.names, "shown_as": sent.shown_as}
        if opened.tls is None:
            return Made(attempt, opened, index, Issued(self._write_down(began, opened, **fields)))
        page = attempt.page
        if page is None:
            fields["token"] = await self._take(opened)
            page = None if fields["token"] else attempt.page_for_ticket
        if page is None:
            return Made(attempt, opened, index, Issued(self._write_down(began, opened, **fields), opened.tls))
        talk = self.talk(opened.tls)
        answer, trouble = await self.ask(talk, page, sent.header if sent is not None else None)
        if sent is not None:
            fields["cookie_recognised"] = sent.recognised(answer)
        if "token" in fields:
            fields["token"] = opened.tls.has_session
        sample = self._write_down(began, opened, answer, trouble, **fields)
        return Made(attempt, opened, index, self._given(sample, opened.tls), talk, page, answer)

    async def go_on(
        self, made: Made, request: int, browser: Issued, sessions: frozenset[str], like: Answer | None = None
    ) -> Sample:
        """Another request on a connection, with the cookies of a browser. like: only an answer with its status and
        title tells whether the session was known; any answer where None."""
        assert made.talk is not None
        assert made.page is not None
        began, sent = self.probe.record.now(), SentCookies.of(browser, made.page, sessions)
        made.answer, trouble = await self.ask(made.talk, made.page, sent.header)
        return self._write_down(
            began,
            made.opened,
            made.answer,
            trouble,
            arm=made.attempt.arm,
            index=made.index,
            request=request,
            offered=sent.origin,
            cookies_sent=sent.names,
            cookie_recognised=sent.recognised(made.answer) if is_like(made.answer, like) else None,
        )

    def _next_index(self, arm: str) -> int:
        self._indexes[arm] += 1
        return self._indexes[arm] - 1

    async def _take(self, opened: Opened) -> bool:
        """Whether a session came, waiting for a ticket only as long as this server has been seen to give any."""
        assert opened.tls is not None
        wait_s = ticket_wait_s(opened.connect_s, opened.handshake_s) if self.gives_tokens else 0.0
        given = await opened.tls.receive_ticket(wait_s + (TICKET_LATE_S if self._gave_tokens else 0.0))
        self._tokenless = 0 if given else self._tokenless + 1
        self._gave_tokens = self._gave_tokens or given
        return given

    async def ask(
        self, talk: Conversation, path: str, cookie: str | None
    ) -> tuple[Answer | None, Failure | None]:
        """One GET on a conversation."""
        return await ask_again(self.probe, self.destination, talk, path, cookie)

    def talk(self, tls: Tls) -> Conversation:
        """A conversation over a connection that is open."""
        from semscheck.net.http import Conversation

        return Conversation(tls, self.destination.host, self.destination.port, self.probe.agent)

    def _given(self, sample: Sample, tls: Tls) -> Issued:
        cookies = self.cookies(sample)
        live = tuple(cookie for cookie in cookies if not cookie.dead)
        return Issued(sample, tls, Jar(self.destination.host, cookies), live)

    def cookies(self, sample: Sample) -> tuple[Cookie, ...]:
        """The cookies that an answer set, or took back."""
        return set_by(sample.headers, self.probe.backend.clock.utc())

    def _write_down(
        self,
        began: float,
        opened: Opened,
        answer: Answer | None = None,
        trouble: Failure | None = None,
        **fields: Any,
    ) -> Sample:
        """One connection, or one request on it, as an observation."""
        tls = opened.tls
        source_address, source_port = opened.local or (None, None)
        if answer is not None:
            fields |= {"status": answer.status, "headers": answer.headers}
        if tls is not None:
            leaf = tls.leaf if not tls.resumed else None
            fields |= {
                "version": tls.version,
                "certificate": self._fingerprint(leaf, began),
                "ticket": tls.ticket,
            }
        sample = self.probe.record.add(
            Sample,
            began,
            address=self.destination.address,
            port=self.destination.port,
            source_address=source_address,
            source_port=source_port,
            connect_s=_rounded(opened.connect_s),
            handshake_s=_rounded(opened.handshake_s),
            failure=trouble or opened.failure,
            **fields,
        )
        self.seen.append(sample)
        self.pace.tell(sample)
        if is_silence(sample.failure):
            self._silences += 1
            self._silence_s += sample.elapsed_s or 0.0
        return sample

    def _fingerprint(self, leaf: bytes | None, began: float) -> str | None:
        """The certificate, read once: behind one address there may be one that no single look has met."""
        return self.probe.record_chain(self.probe.record, (leaf,), began)[0] if leaf else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def is_like(answer: Answer | None, first: Answer | None) -> bool:
    """Is it the same page, by status and title? True where there is no first one."""
    return first is None or (
        answer is not None and (answer.status, answer.title) == (first.status, first.title)
    )
