"""What was seen: facts with a time, and either data or a failure. No verdict, no severity.

Every observation has `id` (unique in the run), `kind` (stable, public), `at_s` (seconds since the run's
start) and `elapsed_s` (how long it took; None where it has no length). Text that came from the network stays
as it came, decoded as Latin-1 where it is not ASCII, so that no byte is lost; it is made safe where shown.
Times are seconds unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, get_args

from semscheck.model.failure import Cause, Failure
from semscheck.model.text import (
    Address,
    AddressAndPort,
    CommonName,
    CookieName,
    DistinguishedName,
    Dropped,
    ErrorWords,
    Foreign,
    Headers,
    Hex,
    HostName,
    Kept,
    MemberName,
    ProductVersion,
    RecordData,
    SerialNumber,
    Speech,
    StackTrace,
    Words,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    id: Words
    at_s: float
    elapsed_s: float | None = None

    @property
    def cause(self) -> Cause | None:
        """Why it failed; None where it did not, or cannot."""
        failure: Failure | None = getattr(self, "failure", None)
        return None if failure is None else failure.cause


# --- DNS ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverConfig(Observation):
    """Which name servers are asked. source: "system" or "option". servers: "address:port", IPv6 in brackets.

    Search suffixes and ndots are the system's own (resolv.conf(5)), empty and None where it has none.
    """

    kind: Literal["dns.config"] = "dns.config"
    source: Kept
    servers: tuple[AddressAndPort, ...] = ()
    search: tuple[HostName, ...] = ()
    ndots: int | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class CnameHop:
    name: HostName
    target: HostName
    ttl_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer(Observation):
    """One query to one server, and what came back.

    server: "address:port"; server_name: its name where it was found by NS, else None.
    role: "resolver" (asked to recurse) or "authority" (asked directly, not to recurse).
    purpose: "fqdn", "member" (a member's own name), "suffix" (a search suffix was appended), "probe" (other).
    repetition: counts from 0 within one burst to one server for one record type.
    rcode: "NOERROR", "NXDOMAIN", ... or None with a failure. flags: "AA", "TC", "RD", "RA", "AD", "CD".
    cname: the chain followed within this answer, in order. records: data in the order received.
    ttl_s: of the record set asked for, None if there was none. transport: "udp", or "tcp" after truncation.
    """

    kind: Literal["dns.answer"] = "dns.answer"
    server: AddressAndPort
    server_name: HostName | None = None
    role: Literal["resolver", "authority"] = "resolver"
    purpose: Literal["fqdn", "member", "suffix", "probe"] = "fqdn"
    name: HostName
    record_type: Kept
    repetition: int = 0
    transport: Literal["udp", "tcp"] = "udp"
    rcode: Kept | None = None
    flags: tuple[Kept, ...] = ()
    cname: tuple[CnameHop, ...] = ()
    records: tuple[RecordData, ...] = ()
    ttl_s: int | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemResolution(Observation):
    """What getaddrinfo gave, in its order (RFC 6724 sorts it, so it is not the order of DNS)."""

    kind: Literal["dns.system"] = "dns.system"
    name: HostName
    purpose: Literal["fqdn", "member"] = "fqdn"
    addresses: tuple[Address, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class NameServer:
    name: HostName
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation(Observation):
    """The zone that holds the name and its name servers, as a resolver told. zone: None if not found."""

    kind: Literal["dns.delegation"] = "dns.delegation"
    name: HostName
    zone: HostName | None = None
    servers: tuple[NameServer, ...] = ()
    failure: Failure | None = None


# --- this desktop ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostsEntry:
    line: int
    address: Address
    names: tuple[HostName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsFile(Observation):
    """The lines of the hosts file that name the FQDN or a member."""

    kind: Literal["desktop.hosts"] = "desktop.hosts"
    path: Foreign
    entries: tuple[HostsEntry, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment(Observation):
    """A server that this desktop is enrolled with, per place where it is written.

    source: the registry value or file. value: as written. servers: the names found in it, best first.
    """

    kind: Literal["desktop.enrolment"] = "desktop.enrolment"
    source: Foreign
    value: Foreign | None = None
    servers: tuple[HostName, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings(Observation):
    """A proxy setting. source: "environment", "windows", "macos". covers: does it apply to the FQDN; None: a
    PAC file decides, which is reported and not evaluated."""

    kind: Literal["desktop.proxy"] = "desktop.proxy"
    source: Kept
    url: Foreign | None = None
    bypass: tuple[Foreign, ...] = ()
    pac_url: Foreign | None = None
    covers: bool | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Observation):
    """The source address this desktop would use towards an address; a failure says there is no route."""

    kind: Literal["desktop.route"] = "desktop.route"
    address: Address
    source_address: Address | None = None
    failure: Failure | None = None


# --- reaching an address -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection(Observation):
    """A TCP connection attempt. elapsed_s: until it was made or failed."""

    kind: Literal["tcp.connect"] = "tcp.connect"
    address: Address
    port: int
    local_address: Address | None = None
    local_port: int | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """What the desktop's trust store said of the presented chain, names left aside.

    trusted: None if no verdict was reached. code: OpenSSL's X509_V_ERR number, None where it passed or where
    another verifier decided. reason: the verifier's words. store: "system", or "system+ca-file".
    chain: SHA-256 fingerprints of the path that was built, leaf first, root last; empty if none was.
    """

    trusted: bool | None = None
    code: int | None = None
    reason: ErrorWords | None = None
    store: Kept = "system"
    chain: tuple[Hex, ...] = ()


TICKET_PREFIXES = (4, 8, 12, 16)  # bytes; RFC 5077 section 4 recommends a key name of 16


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a server gave on one connection to resume TLS with, without anything that resumes it.

    count: how many tickets, 0 where it gave none by then. Of the first of them, as short hashes that are the same in
    every run: whole: of all its bytes. prefixes: of its first 4, 8, 12 and 16 bytes, of as many of these as it has.
    Tickets made with one key begin alike, where the server follows RFC 5077, and differ as a whole.
    lifetime_s: the server's hint, None where it gave no ticket.
    """

    count: int
    whole: Hex | None = None
    prefixes: tuple[Hex, ...] = ()
    lifetime_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake(Observation):
    """One TLS handshake on a TCP connection that was made. elapsed_s: of the handshake alone.

    sni: the server name sent, None if none was. policy: which context:
    "default" (as a modern client, verifying), "forgiving" (the same, without secure renegotiation too), "unverified"
    (trust not judged), "legacy"
    (TLS 1.0 up, security level 0, never judges trust), "newest"/"oldest" probes name a version in `offered`.
    offered: what alone was offered, a protocol version or "RSA" (TLS 1.2, an RSA certificate), None for the policy's
    whole range. stapled: an OCSP answer came with the certificate; None where it was not asked for, or not seen.
    chain: SHA-256 fingerprints as presented, leaf first; empty if none was presented.
    key_exchange: the group or method as negotiated ("X25519", "secp256r1", "RSA"), None if not seen.
    client_certificate_requested: None if the handshake did not get that far.
    ticket: None where it is not known, as in TLS 1.3, in which tickets come later: see the exchange that follows.
    """

    kind: Literal["tls.handshake"] = "tls.handshake"
    address: Address
    port: int
    sni: HostName | None = None
    policy: Literal["default", "forgiving", "unverified", "legacy"] = "default"
    offered: Kept | None = None
    version: Kept | None = None
    cipher: Kept | None = None
    key_exchange: Kept | None = None
    alpn: Kept | None = None
    chain: tuple[Hex, ...] = ()
    trust: Trust | None = None
    client_certificate_requested: bool | None = None
    ticket: Ticket | None = None
    stapled: bool | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Observation):
    """Parsed facts of one certificate, once per fingerprint in a run.

    fingerprint, spki: SHA-256, lower-case hex; spki over the SubjectPublicKeyInfo, so it names the key.
    common_names: every CN of the subject, in order. dns_names, ip_names: from subjectAltName; None if the
    certificate has no subjectAltName at all. key_bits: None where it does not apply.
    is_ca: basicConstraints' cA; None if the extension is absent. self_signed: its own key verifies it; None
    if that could not be tried. key_usage, extended_key_usage: None if the extension is absent.
    signature_oid: of the signature's algorithm, dotted. must_staple: it demands a stapled OCSP answer (RFC 7633).
    public_root: is it a root that browsers have by themselves; None where it is no root, or that was not looked up.
    der: the certificate itself, for the reader; None where it was dropped (redaction).
    problems: what could not be parsed, in words; such fields are None or empty. names_unread: its names, or some of
    them, could not be read, so that one which is not there may be.
    """

    kind: Literal["certificate"] = "certificate"
    fingerprint: Hex
    spki: Hex | None = None
    subject: DistinguishedName = ""
    common_names: tuple[CommonName, ...] = ()
    dns_names: tuple[HostName, ...] | None = None
    ip_names: tuple[Address, ...] = ()
    issuer: DistinguishedName = ""
    issuer_common_names: tuple[CommonName, ...] = ()
    serial: SerialNumber | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    key_type: Kept | None = None
    key_bits: int | None = None
    curve: Kept | None = None
    signature_hash: Kept | None = None
    signature_oid: Kept | None = None
    must_staple: bool | None = None
    public_root: bool | None = None
    is_ca: bool | None = None
    self_issued: bool | None = None
    self_signed: bool | None = None
    key_usage: tuple[Kept, ...] | None = None
    extended_key_usage: tuple[Kept, ...] | None = None
    subject_key_id: Hex | None = None
    authority_key_id: Hex | None = None
    ca_issuers: tuple[Foreign, ...] = ()
    der: Dropped | None = None
    problems: tuple[ErrorWords, ...] = ()
    names_unread: bool = False

    @property
    def whole_days(self) -> float | None:
        """The length of its validity, None where a date did not parse."""
        if self.not_before is None or self.not_after is None:
            return None
        return (self.not_after - self.not_before).total_seconds() / 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Observation):
    """One HTTP request and what came back, never followed by itself.

    headers: (name, value) pairs as received, in order. body_sha256: of what was read, None if nothing was.
    body_bytes: how much was read; truncated: more was there than we read. title: the HTML title, raw.
    follows: id of the exchange whose redirect led here, else None.
    ticket: what its connection had given to resume with when the answer was there, None where it is not known.
    """

    kind: Literal["http.exchange"] = "http.exchange"
    address: Address
    port: int
    host: RecordData
    method: Kept = "GET"
    path: Foreign = "/"
    status: int | None = None
    http_version: Words | None = None
    headers: Headers = ()
    title: Speech | None = None
    body_sha256: Hex | None = None
    body_bytes: int | None = None
    truncated: bool = False
    follows: Words | None = None
    ticket: Ticket | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProbe(Observation):
    """Another port of a member. state: "open", "closed" (refused), "filtered" (no answer, or no route).

    banner: the greeting as it came, Latin-1, at most 512 bytes; None if it said nothing.
    software, version: from the LDAP entry cn=PGPServerInfo; None if not asked or not given.
    """

    kind: Literal["service"] = "service"
    address: Address
    port: int
    service: Kept
    state: Literal["open", "closed", "filtered"]
    banner: Speech | None = None
    software: Foreign | None = None
    version: ProductVersion | None = None
    failure: Failure | None = None


# --- who answered ------------------------------------------------------------------------------------------

ShownAs = Literal["before", "after", "quoted", "encoded"]
Arm = Literal["fresh", "cookie", "resume", "keep-alive", "source", "pairs", "pause"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Observation):
    """One connection through the FQDN (or one request on a kept connection), made to learn who answers.

    arm: fresh (nothing kept), cookie (cookies kept), resume (the TLS session offered), keep-alive (requests
    on one connection), source (fresh, from another source address of this desktop), pairs (members unknown:
    each connection offers the session of an earlier one).
    request: counts from 0 on one kept connection; 0 everywhere else.
    index: counts from 0 within the arm at this address. elapsed_s: connect to last answer.
    offered: id of the sample whose TLS session was offered, or whose cookies were sent; None if nothing was.
    resumed: the offered TLS session was taken up; None if none was offered or the handshake failed.
    certificate: fingerprint of the leaf, None on a resumed or failed handshake.
    token: a TLS session was issued that can be offered again; None if the handshake failed.
    ticket: what the connection was given to resume with by its end, None where it is not known.
    status, headers: of the HTTP exchange, None and empty where the handshake was enough.
    cookies_sent: their names. shown_as: how a session cookie was shown to others than the server that gave it: beside
    a made-up value of its name, "before" it or "after" it, or alone, "quoted" or "encoded"; None everywhere else.
    cookie_recognised: a session cookie was sent and the answer did not set that
    name anew; None where none was sent or no answer came.
    """

    kind: Literal["sample"] = "sample"
    arm: Arm
    index: int
    request: int = 0
    address: Address
    port: int
    source_address: Address | None = None
    source_port: int | None = None
    connect_s: float | None = None
    handshake_s: float | None = None
    version: Kept | None = None
    certificate: Hex | None = None
    token: bool | None = None
    ticket: Ticket | None = None
    offered: Words | None = None
    resumed: bool | None = None
    status: int | None = None
    headers: Headers = ()
    cookies_sent: tuple[CookieName, ...] = ()
    shown_as: ShownAs | None = None
    cookie_recognised: bool | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(Observation):
    """A sample's token shown to one member. recognised: None if that could not be told (not reached...).

    name: the cookie's, None for a TLS session.
    """

    kind: Literal["trace"] = "trace"
    sample: Words
    token: Literal["tls", "cookie"]
    name: CookieName | None = None
    member: MemberName
    address: Address
    port: int
    recognised: bool | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Observation):
    """A token that a known issuer gave, shown to a member: does recognition mean anything here?

    issuer: the member that issued it, or "" for the FQDN's own path (`issuer_address`); shown_to likewise.
    version: the TLS version it belongs to, None for cookies. name: the cookie's, None for a TLS session.
    made_up_of: the cookie's name where its value is one that nobody issued, which nobody may recognise (`name` is
    then "made up").
    """

    kind: Literal["control"] = "control"
    token: Literal["tls", "cookie"]
    name: CookieName | None = None
    version: Kept | None = None
    made_up_of: CookieName | None = None
    issuer: MemberName
    issuer_address: Address
    shown_to: MemberName
    address: Address
    port: int
    recognised: bool | None = None
    failure: Failure | None = None


# --- the run itself ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash(Observation):
    """A defect of ours, caught by the guard. where: the probe; error: type and words; trace: the stack."""

    kind: Literal["run.crash"] = "run.crash"
    where: Words
    error: ErrorWords
    trace: StackTrace = ""


class Step(StrEnum):
    """The parts of a run."""

    DESKTOP = "desktop"
    NAMES = "names"
    ADDRESSES = "addresses"
    CONTROLS = "controls"
    CONNECTIONS = "connections"
    SERVICES = "services"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Observation):
    """The run was ended before all was measured. unfinished: what was under way or not begun, in words; steps: the
    parts of a run that it belongs to."""

    kind: Literal["run.cut"] = "run.cut"
    reason: Literal["deadline", "cancelled"]
    unfinished: tuple[Words, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound(Observation):
    """Something was left out on purpose, to stay polite. what: in words; seen, used: how many.

    samples: ids of connections that failed because this desktop made too many in a short time, which says nothing of
    the pool; empty for every other bound.
    """

    kind: Literal["run.bound"] = "run.bound"
    what: Words
    seen: int
    used: int
    samples: tuple[Words, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPlan(Observation):
    """This run watches a failover: a connection every `every_s` seconds (a sample each), for `for_s` seconds at
    most."""

    kind: Literal["watch.plan"] = "watch.plan"
    every_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(Observation):
    """What a person wrote down while watching, such as "sems1 stopped"."""

    kind: Literal["watch.mark"] = "watch.mark"
    text: Foreign


AnyObservation = (
    ResolverConfig
    | DnsAnswer
    | SystemResolution
    | Delegation
    | HostsFile
    | Enrolment
    | ProxySettings
    | Route
    | Connection
    | Handshake
    | Certificate
    | Exchange
    | ServiceProbe
    | Sample
    | Trace
    | Control
    | Crash
    | Cut
    | Bound
    | WatchPlan
    | Mark
)

KINDS: dict[str, type[Observation]] = {
    known.__dataclass_fields__["kind"].default: known for known in get_args(AnyObservation)
}
