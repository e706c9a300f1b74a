"""What was inferred from the facts: who answered, how the balancer chooses, what each address is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from semscheck.model.labels import Label
from semscheck.model.text import (
    Address,
    AddressAndPort,
    CookieName,
    ErrorWords,
    Foreign,
    Hex,
    HostName,
    Kept,
    MemberName,
    SortedAddresses,
    Words,
)


class Rotation(StrEnum):
    """How a name's addresses change between answers, as the contract defines it."""

    NONE = "none"
    FIXED = "fixed"
    ORDER = "order"
    SUBSET = "subset"
    FLIPS = "flips"
    UNKNOWN = "unknown"


class Method(StrEnum):
    SINGLE = "single"
    ROTATING = "rotating"
    EVEN = "even"
    WEIGHTED = "weighted"
    UNKNOWN = "unknown"


class Persistence(StrEnum):
    NONE = "none"
    COOKIE = "cookie"
    TLS_SESSION = "tls-session"
    SOURCE_ADDRESS = "source-address"
    NOT_SEPARABLE = "not-separable"
    UNKNOWN = "unknown"


class Termination(StrEnum):
    PASS_THROUGH = "pass-through"
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


class Reach(StrEnum):
    """How far a client gets at a place. The order is the order of the steps."""

    NOT_TRIED = "not-tried"
    NO_CONNECTION = "no-connection"
    NO_TLS = "no-tls"
    NO_HTTP = "no-http"
    SERVES = "serves"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSet:
    """One distinct answer of a server: the addresses in the order received, and how often it came."""

    addresses: tuple[Address, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverAnalysis:
    """What one server said of the FQDN. rotation is over both families, the worse. ttl_s: the least seen.

    authority: found by NS and asked directly. failed: it gave no answer to any query.
    answers_v4, answers_v6: distinct answers in the order first seen; sequence_v4, sequence_v6: per repetition
    the index into them, None for a failed query (the strip).
    """

    server: AddressAndPort
    server_name: HostName | None = None
    authority: bool = False
    failed: bool = False
    rcode: Kept | None = None
    rotation: Rotation = Rotation.UNKNOWN
    ttl_s: int | None = None
    answers_v4: tuple[AnswerSet, ...] = ()
    answers_v6: tuple[AnswerSet, ...] = ()
    sequence_v4: tuple[int | None, ...] = ()
    sequence_v6: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnalysis:
    """addresses: all that the FQDN resolved to, by any server or the system, sorted (IPv4 first).

    rotation: the worse of the two families over all servers; "unknown" where no address came.
    min_ttl_s, max_ttl_s: over answers that had addresses; authority_ttl_s: as an authoritative server says.
    cname: the chain of the first answer that had one. system: getaddrinfo's addresses in its order.
    """

    addresses: SortedAddresses = ()
    rotation: Rotation = Rotation.UNKNOWN
    rotation_v4: Rotation = Rotation.UNKNOWN
    rotation_v6: Rotation = Rotation.UNKNOWN
    min_ttl_s: int | None = None
    max_ttl_s: int | None = None
    authority_ttl_s: int | None = None
    cname: tuple[HostName, ...] = ()
    system: tuple[Address, ...] = ()
    resolvers: tuple[ResolverAnalysis, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """One address and port that was looked at, what it is for, and how far a client gets there.

    fqdn: the FQDN resolves to it. balancer: an address of the FQDN that is no member's, or one the profile
    names as balancer. client_of, replication_of: names of the members whose Interface 2 or 1 it is.
    sni: the server name sent there. reach: see Reach; failure_cause and failure_phase say what stopped it.
    certificate: fingerprint of the leaf presented, None if none was. version: newest TLS negotiated.
    connect_s: median of connection times; status: of the HTTP exchange. evidence: observation ids.
    """

    address: Address
    port: int
    fqdn: bool = False
    balancer: bool = False
    client_of: tuple[MemberName, ...] = ()
    replication_of: tuple[MemberName, ...] = ()
    sni: HostName | None = None
    reach: Reach = Reach.NOT_TRIED
    failure_phase: Kept | None = None
    failure_cause: Kept | None = None
    certificate: Hex | None = None
    version: Kept | None = None
    connect_s: float | None = None
    handshake_s: float | None = None
    status: int | None = None
    evidence: tuple[Words, ...] = ()

    @property
    def tried(self) -> bool:
        return self.reach is not Reach.NOT_TRIED

    @property
    def serves(self) -> bool:
        """It answers a request over HTTPS."""
        return self.reach is Reach.SERVES

    @property
    def answers(self) -> bool:
        """A client gets through the TLS handshake at least."""
        return self.reach in (Reach.SERVES, Reach.NO_HTTP)

    @property
    def in_front(self) -> bool:
        """A load balancer's address that is no server's own."""
        return self.balancer and not self.client_of

    @property
    def stands_by(self) -> bool:
        """A server's client interface to which the FQDN does not lead."""
        return bool(self.client_of) and not self.fqdn

    @property
    def serves_clients(self) -> bool:
        """What the catalogue calls "what serves clients": FQDN addresses, balancers, client interfaces."""
        return self.fqdn or self.balancer or bool(self.client_of)


class Client(StrEnum):
    """Classes of client that differ in what they take. Windows: what uses the system's own TLS (Schannel)."""

    WINDOWS_7 = "windows-7"
    WINDOWS_10 = "windows-10"
    WINDOWS_11 = "windows-11"
    MACOS = "macos"
    CHROME = "chrome"
    FIREFOX = "firefox"
    SAFARI = "safari"
    OPENSSL_3 = "openssl-3"
    OPENSSL_1_0 = "openssl-1.0"

    @property
    def words(self) -> str:
        """What people call it, within a sentence."""
        return _CLIENTS[self]


_DESKTOP = "Encryption Desktop on "
_CLIENTS = {
    Client.WINDOWS_7: "Encryption Desktop on Windows 7",
    Client.WINDOWS_10: "Encryption Desktop on Windows 10",
    Client.WINDOWS_11: "Encryption Desktop on Windows 11",
    Client.MACOS: "Encryption Desktop on macOS",
    Client.CHROME: "Chrome and Edge",
    Client.FIREFOX: "Firefox",
    Client.SAFARI: "Safari",
    Client.OPENSSL_3: "programs on OpenSSL 3",
    Client.OPENSSL_1_0: "programs on OpenSSL 1.0",
}


def client_names(clients: Sequence[Client]) -> list[str]:
    """What several classes are called, for a list in a sentence: Encryption Desktop once, with its systems."""
    systems = [client.words.removeprefix(_DESKTOP) for client in clients if client.words.startswith(_DESKTOP)]
    others = [client.words for client in clients if not client.words.startswith(_DESKTOP)]
    if len(systems) > 1:
        return [f"Encryption Desktop ({', '.join(systems)})", *others]
    return [*(f"{_DESKTOP}{system}" for system in systems), *others]


class Access(StrEnum):
    CONNECTS = "connects"
    REFUSES = "refuses"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a class of client refuses, or may. kind: of a closed list, stable. words: complete "refuses: "."""

    kind: Kept
    words: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAccess:
    """Can a class of client connect at a place that serves clients, as far as its documented rules tell?

    Trust is this desktop's. certificate: fingerprint of the one that the obstacles are about, None if none was seen.
    why: what makes it refuse, or why it is not known; empty where it connects.
    """

    client: Client
    address: Address
    port: int
    access: Access
    certificate: Hex | None = None
    why: tuple[Obstacle, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceAnalysis:
    """A member's interface as seen from here. interface: "client" or "replication"."""

    name: MemberName
    interface: Kept
    address: Address
    port: int
    reach: Reach = Reach.NOT_TRIED
    failure: Words | None = None
    fingerprint: Hex | None = None
    protocol: Kept | None = None
    connect_s: float | None = None
    handshake_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A member's part of the fresh connections: count, share, and its interval at the stated confidence.

    keys: hashes of its TLS ticket keys, where these told it: in every report the same for one key."""

    name: MemberName
    count: int
    share: float
    share_low: float
    share_high: float
    keys: tuple[Hex, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSequence:
    """Who answered, in order, in one arm.

    members: None where a connection could not be identified or failed; a label such as "server A" stands for
    one that was found without a profile. failed: indexes of the connections that failed.
    """

    arm: Kept
    members: tuple[MemberName | None, ...]
    failed: tuple[int, ...] = ()
    evidence: tuple[Words, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One source of identity and what it was worth. verdict: "used", "void" (controls failed), "absent",
    "contradicts". why: in words."""

    name: Words
    verdict: Kept
    why: ErrorWords
    strength: Kept = ""


FAILING = "a server that fails"  # in a cycle: silent, refusing, or ending the handshake


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancingPath:
    """How connections to one address of the FQDN are spread.

    samples: fresh connections that were tried; identified: those whose member is known.
    identified_by: "ticket-key", "tls-session", "http-cookie", "balancer-cookie", "certificate", "pairs", ... or None.
    other_share_at_most: where one member answered all, the share that others could have at `confidence`.
    effective_members: from pairs, the inverse of the sum of squared shares; None if not estimated.
    cycle: members in the order of the cycle, empty if there is none. chance: of it under random choice.
    certain: False where identity was only inferred (pairs): findings are then `likely`.
    *_offered, *_returned: connections that presented a cookie or session, and those that came back.
    vendor_hint: which settings of that balancer to look for, in general words where the maker is not known.
    cookies_in_front: cookies that only a balancer sets show that TLS ends in front.
    kept_by: what was seen to keep a client, in words; kept_by_cookie: the name of the balancer's cookie, where that
    does; persistence_lost: such a client was moved; None: not
    measured. persistence_held_s: the age up to which what was presented was seen to lead back.
    blocks: how many connections in a row went to one server, where they came in blocks; empty otherwise.
    ticket_keys: hashes of the names of TLS ticket keys, in the order seen: in every report the same for one key.
    requests, requests_moved: on kept connections. sources: addresses of this desktop used.
    errors: connections that ended in 502, 503, 504, a close or silence where others were answered.
    discloses: "cookie: address" texts. why_unknown: what is missing where the method is unknown.
    """

    address: Address
    port: int = 443
    method: Method = Method.UNKNOWN
    persistence: Persistence = Persistence.UNKNOWN
    samples: int = 0
    identified: int = 0
    failed: int = 0
    identified_by: Kept | None = None
    members: tuple[Share, ...] = ()
    members_seen: int = 0
    other_share_at_most: float | None = None
    effective_members: float | None = None
    confidence: float | None = None
    termination: Termination = Termination.UNKNOWN
    termination_evidence: tuple[Words, ...] = ()
    cookies_in_front: bool = False
    vendor: Kept | None = None
    vendor_evidence: tuple[Words, ...] = ()
    vendor_hint: Words | None = None
    cycle: tuple[MemberName, ...] = ()
    chance: float | None = None
    certain: bool = True
    cookie_offered: int = 0
    cookie_returned: int = 0
    session_offered: int = 0
    session_returned: int = 0
    requests: int = 0
    requests_moved: int = 0
    kept_by: Words | None = None
    kept_by_cookie: CookieName | None = None
    persistence_lost: bool | None = None
    persistence_held_s: float | None = None
    blocks: tuple[int, ...] = ()
    ticket_keys: tuple[Hex, ...] = ()
    sources: int = 1
    why_unknown: Words | None = None
    signals: tuple[Signal, ...] = ()
    arms: tuple[ArmSequence, ...] = ()
    cookies: tuple[Words, ...] = ()
    discloses: tuple[Words, ...] = ()
    errors: int = 0
    evidence: tuple[Words, ...] = ()

    @property
    def answered_by(self) -> tuple[str, ...]:
        """Everybody who answered, in any arm."""
        in_arms = (name for arm in self.arms for name in arm.members if name)
        return tuple(dict.fromkeys((*(share.name for share in self.members), *in_arms)))

    @property
    def is_one_application(self) -> bool:
        """Several servers end TLS, and one application, or one that shares its sessions, is behind them all."""
        several = len(set(self.ticket_keys)) > 1 and self.identified_by == "http-cookie"
        return several and self.method is Method.SINGLE

    @property
    def unlisted_or_terminated(self) -> bool:
        """Is all that says that TLS ends in front, that no member recognises the sessions or has the certificate? A
        server that the target leaves out, with TLS passed through to it, looks the same; where members were seen to
        answer, it is ruled out.
        """
        ended = self.termination is Termination.TERMINATED and self.identified == 0
        return ended and not self.cookies_in_front


class Separation(StrEnum):
    """The property that separates the attempts that work from those that fail."""

    EVERYTHING = "everything"  # no address answers at all
    PROXY = "proxy"  # the direct way is closed, and a proxy is set
    FAMILY = "family"  # one of IPv4 and IPv6 fails everywhere
    BALANCER = "balancer"  # the FQDN's address fails, members serve when they are asked directly
    TLS_IN_FRONT = "tls-in-front"  # the same, and what fails is TLS
    MEMBER = "member"  # one member fails, others in its network answer
    MEMBERS = "members"  # every member is silent, the FQDN's address serves
    HELLO = "hello"  # one ClientHello is answered, and another one is not
    ROUTE = "route"  # it leaves this desktop by another address than what works
    ORDER = "order"  # the first connections work, and all later ones fail
    BLOCKS = "blocks"  # successes and failures come in blocks
    TURNS = "turns"  # every second, third, ... attempt fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What separates attempts that fail from attempts that work.

    fails, works: addresses. by: the value of the property at those that fail (a cause, a source address, "4" or "6",
    "client" or "replication", "alpn", "name", "size", "version" or "certificate"). count: attempts that worked before
    the first failure, for the order; how many failed in a row at most, for blocks; how many make a turn.
    """

    separates: Separation
    fails: tuple[Address, ...]
    works: tuple[Address, ...] = ()
    by: Words = ""
    count: int = 0
    evidence: tuple[Words, ...] = ()


class OutageKind(StrEnum):
    """What an interruption of the service was: another server took over, one that was gone is back, the same servers
    answer as before, it could not be told who does, or it had not ended when the watch did."""

    TAKE_OVER = "take-over"
    FAIL_BACK = "fail-back"
    SAME = "same-servers"
    UNKNOWN = "unknown"
    LASTING = "lasting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which connections failed, or a moment at which other servers answered with none that failed.

    began: of the first connection that failed; ended: when one was answered again, None where none was (UTC).
    length_s: from the one to the other, or to the end of the watch. failed, ticks: of the connections of that time,
    how many failed, and how many were made. before, after: who answered. certain: whether it is beyond doubt that
    those are different servers; a server that restarts may have a new key. by: "dns" where other addresses answer
    than before, else "balancer"; None where nobody took over. cause: why connections failed, as most of them did.
    """

    kind: OutageKind
    began: datetime
    ended: datetime | None
    length_s: float
    failed: int = 0
    ticks: int = 0
    before: tuple[MemberName, ...] = ()
    after: tuple[MemberName, ...] = ()
    certain: bool = True
    by: Kept | None = None
    cause: Kept | None = None
    evidence: tuple[Words, ...] = ()


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answered, and how many of the connections of a watch."""

    name: MemberName
    count: int


@dataclass(frozen=True, slots=True)
class RecordChange:
    """The addresses that the name had from then on; none where it could not be resolved."""

    at: datetime
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class WatchMark:
    """What a person wrote down."""

    at: datetime
    text: Foreign


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchAnalysis:
    """A failover that was watched. ticks: connections that were made, one every `every_s` seconds.

    sequence: who answered each, as an index into `answered_by`; None where it failed, or is not known. failed:
    indexes of the ticks that failed. started_s: when each tick began, in seconds since the run's start; answered_s:
    how long its answer took; latency_s: their median. records: what the name resolved to, by its changes.
    """

    every_s: float
    ticks: int = 0
    answered_by: tuple[Answerer, ...] = ()
    outages: tuple[Outage, ...] = ()
    marks: tuple[WatchMark, ...] = ()
    records: tuple[RecordChange, ...] = ()
    sequence: tuple[int | None, ...] = ()
    failed: tuple[int, ...] = ()
    started_s: tuple[float, ...] = ()
    answered_s: tuple[float | None, ...] = ()
    latency_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Everything inferred from one snapshot. balancing: the worst path, None if nothing was sampled. watch: None but
    in a watch, of which nothing else is inferred. labels: the names of servers that this run made up."""

    dns: DnsAnalysis = DnsAnalysis()
    places: tuple[EndpointStatus, ...] = ()
    members: tuple[InterfaceAnalysis, ...] = ()
    clients: tuple[ClientAccess, ...] = ()
    paths: tuple[BalancingPath, ...] = ()
    balancing: BalancingPath | None = None
    contrasts: tuple[Contrast, ...] = ()
    watch: WatchAnalysis | None = None
    labels: tuple[Label, ...] = ()

    @property
    def answered_by(self) -> tuple[str, ...]:
        """Everybody who answered, and each in the order of the paths."""
        names = [name for path in self.paths for name in path.answered_by]
        names += [answerer.name for answerer in self.watch.answered_by] if self.watch else []
        return tuple(dict.fromkeys(names))
