"""Connections through one address of the FQDN, one after another: how each is made, kept and written down."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from semscheck.model.failure import Cause, Failure
from semscheck.model.observations import Sample, Trace
from semscheck.net.cookies import Cookie, Jar, set_by
from semscheck.probes.endpoint import Destination, ProbeContext
from semscheck.sampling.rate_limit import RateLimiter
from semscheck.sampling.strategy import SamplingStrategy, Seen
from semscheck.sampling.tokens import Opened, ask_again, open_tls, ticket_wait_s

if TYPE_CHECKING:
    from semscheck.net.http import Answer, Conversation

PAUSE_MOST_S = 0.005  # pauses are uniform up to this, 2.5 ms in the mean
SILENT_AFTER = 2  # connections without any token, before waiting for one ends
# Waited for a ticket in addition where this address has given some: it was lost on the way then, and TCP sends
# again after 0.2 s and a round trip on the common systems (RFC 6298 section 2 asks for 1 s, Linux and Windows less).
TICKET_LATE_S = 0.25
IMPATIENT_AFTER = 2  # time-outs, after which a step is given less time


@dataclass(slots=True)
class Issued:
    """What one connection gave to keep: its session and its cookies.

    cookies: as set, without those taken back; jar: what a browser keeps of them, and would send again.
    """

    sample: Sample
    session: ssl.SSLSession | None = None
    jar: Jar = field(default_factory=Jar)
    cookies: tuple[Cookie, ...] = ()


class ConnectionSeries:
    """Makes the connections to one address, and keeps what was seen for the decisions on the way."""

    def __init__(self, probe: ProbeContext, destination: Destination, decisions: SamplingStrategy) -> None:
        self.probe = probe
        self.destination = destination
        self.decide = decisions
        self.seen: list[Seen] = []
        self.issued: list[Issued] = []
        self._indexes: Counter[str] = Counter()
        self._handshakes: list[float] = []
        self._timeouts = 0
        self._tokenless = 0
        self._gave_tokens = False
        self._history: tuple[int, tuple[str | None, ...]] = (-1, ())
        self.pace = RateLimiter(probe.record, probe.backend.clock, probe.haste)
        self.members_answer: Callable[[], Awaitable[bool]] = _nobody_to_ask

    # --- what there is so far ------------------------------------------------------------------------------

    def next_index(self, arm: str) -> int:
        """Number the connections of an arm, from 0."""
        self._indexes[arm] += 1
        return self._indexes[arm] - 1

    def begin_again(self) -> None:
        """Forget the fresh connections: they are made anew, for another kind of token."""
        self.seen = [seen for seen in self.seen if not isinstance(seen, Sample | Trace)]
        self.issued.clear()
        self._indexes["fresh"] = 0
        self._history = (-1, ())

    def history(self) -> tuple[str | None, ...]:
        """Who answered each fresh connection; worked out again only where something was added."""
        if self._history[0] != len(self.seen):
            self._history = (len(self.seen), self.decide.history(self.seen))
        return self._history[1]

    def labels(self) -> dict[str, str | None]:
        """Who answered, by the sample's id."""
        fresh = [seen for seen in self.seen if isinstance(seen, Sample) and seen.arm == "fresh"]
        return {s.id: who for s, who in zip(fresh, self.history(), strict=False)}

    @property
    def gives_tokens(self) -> bool:
        """Whether it is still worth waiting for a TLS session."""
        return self._gave_tokens or self._tokenless < SILENT_AFTER

    def wait_for_tokens_again(self) -> None:
        self._tokenless, self._gave_tokens = 0, False

    def patience_s(self) -> float:
        """The time for one step: the option's, until time-outs have shown that part of the pool is silent."""
        if self._timeouts < IMPATIENT_AFTER or not self._handshakes:
            return self.probe.timeout_s
        return min(self.probe.timeout_s, max(1.0, 20 * median(self._handshakes)))

    # --- one connection ------------------------------------------------------------------------------------

    async def pause(self) -> None:
        """Between two connections: a moment, or as long as a limit on them asks for."""
        await self.pace.rest(self.members_answer)
        await self.probe.backend.clock.sleep(self.probe.backend.random.uniform(0, PAUSE_MOST_S))

    async def open(
        self, context: ssl.SSLContext, session: ssl.SSLSession | None = None, source: str | None = None
    ) -> Opened:
        opened = await open_tls(
            self.probe,
            self.destination,
            context,
            session=session,
            timeout_s=self.patience_s(),
            source_address=source,
        )
        if opened.handshake_s is not None and opened.connect_s is not None:
            self._handshakes.append(opened.connect_s + opened.handshake_s)
        self._count_silence(opened.failure)
        return opened

    def _count_silence(self, trouble: Failure | None) -> None:
        if trouble is not None and trouble.cause in (Cause.STALLED, Cause.TIMED_OUT):
            self._timeouts += 1

    async def take(self, opened: Opened) -> ssl.SSLSession | None:
        """The session, waiting for a ticket only as long as this server has been seen to give any."""
        if opened.tls is None:
            return None
        wait_s = ticket_wait_s(opened.connect_s, opened.handshake_s) if self.gives_tokens else 0.0
        given = await opened.tls.receive_ticket(wait_s + (TICKET_LATE_S if self._gave_tokens else 0.0))
        session = opened.tls.session if given else None
        self._tokenless = 0 if session is not None else self._tokenless + 1
        self._gave_tokens = self._gave_tokens or session is not None
        return session

    async def ask(
        self, talk: Conversation, path: str, cookie: str | None
    ) -> tuple[Answer | None, Failure | None]:
        """One GET on a conversation, with this line's patience."""
        answer, trouble = await ask_again(self.probe, talk, path, cookie, self.patience_s())
        self._count_silence(trouble)
        return answer, trouble

    def talk(self, opened: Opened) -> Conversation:
        """A conversation over a connection that is open. Raises ValueError for one that is not."""
        from semscheck.net.http import Conversation

        if opened.tls is None:
            raise ValueError("the connection was not made")
        return Conversation(opened.tls, self.destination.host, self.destination.port, self.probe.agent)

    def given(self, sample: Sample, session: ssl.SSLSession | None = None) -> Issued:
        """What an answer gave to keep."""
        cookies = self.cookies(sample)
        live = tuple(cookie for cookie in cookies if not cookie.dead)
        return Issued(sample, session, Jar(self.destination.host, cookies), live)

    def cookies(self, sample: Sample) -> tuple[Cookie, ...]:
        """The cookies that an answer set, or took back."""
        return set_by(sample.headers, self.probe.backend.clock.utc())

    def write_down(self, began: float, opened: Opened, arm: str, index: int, **data: object) -> Sample:
        """One connection as an observation."""
        tls = opened.tls
        leaf = tls.leaf if tls is not None and not tls.resumed else None
        fields: dict[str, Any] = {
            "arm": arm,
            "index": index,
            "address": self.destination.address,
            "port": self.destination.port,
            "source_address": tls.local_address if tls is not None else None,
            "connect_s": _rounded(opened.connect_s),
            "handshake_s": _rounded(opened.handshake_s),
            "version": tls.version if tls is not None else None,
            "certificate": self._fingerprint(leaf, began),
            "ticket": tls.ticket if tls is not None else None,
            "failure": opened.failure,
        }
        sample = self.probe.record.add(Sample, began, **(fields | data))
        self.seen.append(sample)
        self.pace.tell(sample)
        return sample

    def _fingerprint(self, leaf: bytes | None, began: float) -> str | None:
        """The certificate, read once: behind one address there may be one that no single look has met."""
        return self.probe.record_chain(self.probe.record, (leaf,), began)[0] if leaf else None

    def answered(
        self,
        began: float,
        opened: Opened,
        arm: str,
        index: int,
        answer: Answer | None,
        trouble: Failure | None,
        **data: object,
    ) -> Sample:
        """One request on a connection as an observation."""
        found = Opened(opened.tls, opened.connect_s, opened.handshake_s, trouble)
        status = answer.status if answer is not None else None
        headers = answer.headers if answer is not None else ()
        return self.write_down(began, found, arm, index, status=status, headers=headers, **data)


async def _nobody_to_ask() -> bool:
    return True


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
