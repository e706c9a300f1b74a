"""What was judged: rule cards, findings and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from semscheck.model.target import Endpoint, Severity
from semscheck.model.text import Address, Arguments, ErrorWords, Hex, Kept, Words


class Confidence(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"


class Owner(StrEnum):
    """Who can change it."""

    DESKTOP = "desktop"
    NETWORK = "network"
    DNS = "dns"
    BALANCER = "balancer"
    SERVER = "server"
    SEMSCHECK = "semscheck"


OWNER_NAMES: dict[Owner, str] = {
    Owner.DESKTOP: "desktop administrator",
    Owner.NETWORK: "network administrator",
    Owner.DNS: "DNS administrator",
    Owner.BALANCER: "load balancer administrator",
    Owner.SERVER: "server administrator",
    Owner.SEMSCHECK: "the authors of semscheck",
}


class ImpactKind(StrEnum):
    """What users notice, the worst first."""

    NOBODY_CONNECTS = "nobody-connects"
    SOME_FAIL = "some-fail"
    SESSIONS_LOST = "sessions-lost"
    SOME_CLIENTS_CANNOT = "some-clients-cannot"
    NO_REDUNDANCY = "no-redundancy"
    UNTIL_DATE = "until-date"
    SLOW = "slow"
    NOTHING_NOTICED = "nothing-noticed"
    NOT_TESTED = "not-tested"


class State(StrEnum):
    """What a rule answered. Silence is never health: every rule answers in every run."""

    PASS = "pass"
    FOUND = "found"
    NOT_OBSERVED = "not-observed"
    CRASHED = "crashed"


class Status(StrEnum):
    """The verdict on the whole run."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


EXIT_CODES: dict[Status, int] = {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2, Status.UNKNOWN: 3}


class Role(StrEnum):
    """What the other parts of the program treat in a way of its own."""

    CRASH = "crash"  # a defect of semscheck's own
    CUT_SHORT = "cut-short"
    NO_NETWORK = "no-network"  # no packet came back from anything
    NOT_MEASURED = "not-measured"  # nothing grave was found, and something that decides was not seen
    OWN_NAME = (
        "own-name"  # one server's name was typed: what the others' certificates say of it is no trouble
    )
    OTHER_SITE = "other-site"  # what answers is not the product, though it answers
    STILL_SENDS = "still-sends"  # connections through the load balancer fail
    OUR_POLICY = "our-policy"  # why a modern client does not even come to judge trust


class Stops(StrEnum):
    """The step at which clients are stopped where this is found."""

    CONNECTION = "connection"
    TLS = "tls"
    PAGE = "page"


class InFront(StrEnum):
    """Whose a fault of the servers is where the load balancer's address alone has it, and servers serve."""

    END_OF_TLS = "end-of-tls"  # the load balancer's, unless TLS passes through it
    KNOWN_END_OF_TLS = "known-end-of-tls"  # the load balancer's where TLS is known to end there
    POOL = "pool"  # the load balancer's: its virtual server or its pool
    POOL_UNLESS_SAID = "pool-unless-said"  # the same, where the rule itself does not say whose
    SILENCE = "silence"  # the load balancer's, where nothing else separates the two
    NO_TLS = "no-tls"  # the same, of what is no TLS
    CARD = "card"  # whose the card says


@dataclass(frozen=True, slots=True)
class Reference:
    """A source: title as a reader would look for it, url if it has one."""

    title: Kept
    url: Kept | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Everything about a rule that does not depend on a run; `explain`, the TUI, HTML and docs show it.

    severity: the default; severity_note says when it is another. summary: one sentence, when it is
    reported. why: what users feel and what it leads to. remedy: what the owner changes, in steps where there
    are several, written "1. …" a line. seen_by: how semscheck can tell, and what it cannot tell.
    title: what is wrong in a few words, for lists; the name in words where it is empty. impact: what users notice
    where this is found at what they use; None: nothing by itself.

    The rest is for judging. decides: the question without whose answer a run cannot be called healthy; of_names: an
    address in place of a name has no part in it. with_servers: what a load balancer shows while no server is up.
    """

    code: str
    name: str
    severity: Severity
    owner: Owner
    summary: str
    why: str
    remedy: str
    seen_by: str
    confidence: Confidence = Confidence.CERTAIN
    severity_note: str = ""
    references: tuple[Reference, ...] = ()
    title: str = ""
    impact: ImpactKind | None = None
    role: Role | None = None
    stops: Stops | None = None
    in_front: InFront = InFront.END_OF_TLS
    with_servers: bool = False
    decides: str = ""
    of_names: bool = False

    @property
    def family(self) -> str:
        return self.code[:3]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about. kind: "fqdn", "address", "member", "resolver", "certificate", "desktop",
    "cluster", "service" or "run"; name: its name as people know it; address and port where they apply."""

    kind: Kept
    name: Words
    address: Address | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What of a finding causes, impact and pictures go by.

    fails: addresses at which connections fail for it. certificates: fingerprints of those that it is about. places:
    all that it is about, where they are several. unanswered: of the failures that it counts, how many ended in
    silence. until: when clients will not be served any more (UTC). What does not belong to it is empty or None.
    """

    fails: tuple[Address, ...] = ()
    certificates: tuple[Hex, ...] = ()
    places: tuple[Endpoint, ...] = ()
    unanswered: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One misconfiguration, as judged. evidence: ids of observations. caused_by: index of another finding in
    the report, None if it stands for itself. args: the facts its words are made of, as text; facts: those that others
    go by, as values. title: what is wrong in a few words. impact: what users notice of it where they meet it; None:
    nothing. role: what others treat in a way of its own."""

    code: Kept
    name: Kept
    severity: Severity
    confidence: Confidence
    owner: Owner
    subject: Subject
    summary: Words
    remedy: Words
    references: tuple[Reference, ...] = ()
    evidence: tuple[Words, ...] = ()
    caused_by: int | None = None
    args: Arguments = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    title: Words = ""
    impact: ImpactKind | None = None
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule's answer. why: set where the state is not-observed (what was missing) or crashed (the error)."""

    code: Kept
    state: State
    why: ErrorWords | None = None


def root_of(findings: Sequence[Finding], index: int) -> int:
    """The end of the chain of causes; the finding itself where the chain leads nowhere or in a circle."""
    seen = {index}
    current = index
    while (cause := findings[current].caused_by) is not None:
        if not 0 <= cause < len(findings) or cause in seen:
            return index
        seen.add(cause)
        current = cause
    return current
