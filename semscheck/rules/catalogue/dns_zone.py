"""What resolvers say against what the zone's own servers say, and against what programs on this desktop get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from statistics import median

from semscheck.model.addresses import is_contacted, is_private, no_server
from semscheck.model.analysis import Reach
from semscheck.model.failure import Cause
from semscheck.model.findings import Confidence, Facts, ImpactKind, Owner, Subject
from semscheck.model.observations import Delegation, DnsAnswer, Handshake, SystemResolution
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.dns_facts import (
    A_NAME,
    ANSWERS,
    FLUSH,
    addresses_in,
    by_server,
    ids,
    of_zone,
    pinned_addresses,
    resolver_answers,
    server_subject,
    told,
    zone_records,
)
from semscheck.rules.context import RuleContext, listed
from semscheck.rules.rule import Answers, Hit, NotObserved, card, lacking, need

DNS64 = ip_network("64:ff9b::/96")  # RFC 6052 section 2.1
LAME = ("REFUSED", "SERVFAIL", "NOTAUTH")
COLD = 2.0  # so many times the slowest answer of a resolver: no cache that had to be filled


# --- what the zone's own servers say ---------------------------------------------------------------------------


def _seen_to_serve(context: RuleContext, address: str) -> bool:
    return any(shake.address == address and shake.failure is None for shake in context.of(Handshake))


def _fails_here(context: RuleContext, address: str) -> bool:
    places = [place for place in context.places if place.address == address]
    return bool(places) and all(place.reach in (Reach.NO_CONNECTION, Reach.NO_TLS) for place in places)


THE_ZONE = (A_NAME, need(of_zone, "none of the zone's own name servers answered"))


@dataclass(frozen=True, slots=True)
class _Old:
    """An answer that the zone's own servers no longer give. first: it came once, before the new one."""

    server: str
    records: tuple[str, ...]
    now: tuple[str, ...]
    ttl_s: int | None
    first: bool
    evidence: tuple[str, ...]


def _old_answers(context: RuleContext) -> Iterator[_Old]:
    for kind in ("A", "AAAA"):
        now = zone_records(context, kind)
        asked = [a for a in resolver_answers(context) if a.record_type == kind and "AA" not in a.flags]
        for server, theirs in by_server(asked).items():
            own = [a for a in theirs if a.records]
            old = [a for a in own if set(a.records).isdisjoint(now)]
            if now and old and is_private(old[0].records[0]) == is_private(now[0]):
                first = len(old) < len(own) and old[-1].repetition < own[-1].repetition
                yield _Old(server, old[0].records, now, old[0].ttl_s, first, ids(old[:4]))
    yield from _old_from_system(context)


def _old_from_system(context: RuleContext) -> Iterator[_Old]:
    """Programs got an address that the resolvers no longer gave a moment later, and then got theirs."""
    seen = [one for one in context.of(SystemResolution) if one.purpose == "fqdn" and one.addresses]
    given = {address for answer in told(context) for address in answer.records}
    if len(seen) < 2 or not given or not given.isdisjoint(seen[0].addresses):
        return
    if given.issuperset(seen[-1].addresses) and not pinned_addresses(context) & set(seen[0].addresses):
        server = next(answer.server for answer in told(context) if answer.records)
        ids_ = tuple(one.id for one in seen)
        yield _Old(server, seen[0].addresses, seen[-1].addresses, None, True, ids_)


@card(
    code="DNS016",
    name="resolver-out-of-date",
    severity=Severity.WARNING,
    severity_note="critical where nothing serves at the old address",
    owner=Owner.DNS,
    summary="A resolver still gives an address that the zone's own name servers have replaced.",
    why="The record was changed, by hand or for a failover, and clients of this resolver stay with the old address "
    "until its cache forgets it, which may take as long as the old record's time to live.",
    remedy="1. Flush the name from the resolver's cache, then from the desktop's (`ipconfig /flushdns`).\n"
    f"2. {FLUSH}\n"
    "3. Lower the record's time to live well before the next change.\n"
    "4. If the resolver is told to serve expired records (`serve-expired`, `stale-answer-enable`), make it "
    "ask first: Unbound `serve-expired-client-timeout: 1800`.",
    seen_by="The zone's own servers, asked directly, give other addresses than a resolver without authority, of the "
    "same kind (both private or both public, so that it is not another view of the zone); and either its time to "
    "live is longer than the zone's, or nothing serves at what it gives, or the old answer came first and the new "
    "one after it. Where port 53 of the zone's servers is closed it cannot be seen.",
    references=(refs.RFC_8767, refs.RFC_1034),
    title="A resolver is out of date",
    impact=ImpactKind.NOBODY_CONNECTS,
)
def resolver_out_of_date(context: RuleContext) -> Answers:
    """An old answer of a resolver, against the zone's own."""
    found = list(_old_answers(context))
    missing = lacking(THE_ZONE, context)
    if missing is not None and not found:
        yield missing
    zone_ttl_s = max((a.ttl_s for a in of_zone(context) if a.records and a.ttl_s is not None), default=None)
    for old in found:
        longer = None not in (old.ttl_s, zone_ttl_s) and (old.ttl_s or 0) > (zone_ttl_s or 0)
        dead = all(_fails_here(context, address) for address in old.records)
        if longer or dead or old.first:
            yield _out_of_date(context, old, longer, dead)


def _out_of_date(context: RuleContext, old: _Old, longer: bool, dead: bool) -> Hit:
    serves = any(_seen_to_serve(context, address) for address in old.now)
    how = "gave first" if old.first else "still gives"
    then = f", and {listed(old.now)} only when it was asked again" if old.first else ""
    state = f"; nothing serves at {listed(old.records)}" if dead else ""
    state += f", {listed(old.now)} serves" if dead and serves else ""
    kept = f" (kept for another {old.ttl_s} s)" if longer and not old.first else ""
    cached = f" from its cache{kept}, the name servers of the zone say {listed(old.now)}"
    return Hit(
        subject=context.fqdn_subject,
        summary=f"The resolver {old.server} {how} the old address {listed(old.records)} for "
        f"{context.fqdn}{then or cached}{state}.",
        severity=Severity.CRITICAL if dead else None,
        confidence=Confidence.CERTAIN if longer or old.first else Confidence.LIKELY,
        evidence=(*old.evidence, *ids(of_zone(context)[:4])),
        args={"server": old.server, "fails": ", ".join(old.records), "now": ", ".join(old.now)},
        facts=Facts(fails=tuple(old.records)),
    )


@card(
    code="DNS018",
    name="private-addresses-withheld",
    severity=Severity.CRITICAL,
    confidence=Confidence.LIKELY,
    owner=Owner.DNS,
    summary="The zone has private addresses for the FQDN, and a resolver leaves them out.",
    why="Routers and resolvers protect against DNS rebinding by removing private addresses from answers. An internal "
    "server then has no address for whoever uses them, typically at home or over a VPN.",
    remedy="1. Exempt the domain in the resolver (dnsmasq: `rebind-domain-ok`; Unbound: `private-domain`; FRITZ!Box: "
    "exceptions of the DNS rebind protection).\n"
    "2. Or let this desktop ask the company's own resolvers, as the VPN should set them.",
    seen_by="The zone's own servers give private addresses (RFC 1918, RFC 4193) of a kind of which the resolver, "
    "which answers, gives none.",
    references=(refs.REBINDING,),
    title="A resolver leaves private addresses out",
    impact=ImpactKind.NOBODY_CONNECTS,
    needs=THE_ZONE,
)
def private_addresses_withheld(context: RuleContext) -> Answers:
    """The zone has private addresses, the resolver none."""
    answers = told(context)
    for kind in ("A", "AAAA"):
        private = [address for address in zone_records(context, kind) if is_private(address)]
        for server, own in by_server(answers).items() if private else ():
            asked = kind in {a.record_type for a in own}
            if not asked or any(a.records or a.rcode == "NXDOMAIN" for a in own):
                continue
            yield Hit(
                subject=server_subject(server),
                summary=f"The resolver {server} leaves out the private address {listed(private)} that the name "
                f"servers of the zone give for {context.fqdn}: DNS rebinding protection.",
                severity=Severity.WARNING if addresses_in(answers) else None,
                evidence=(*ids(own[:4]), *ids(of_zone(context)[:4])),
                args={"server": server, "addresses": ", ".join(private)},
            )


def _is_lame(answer: DnsAnswer) -> bool:
    return answer.rcode in LAME or (answer.rcode == "NOERROR" and not answer.records)


@card(
    code="DNS020",
    name="lame-name-server",
    severity=Severity.WARNING,
    owner=Owner.DNS,
    summary="A name server that the zone names does not serve the zone, while another one does.",
    why="Resolvers pick one of the zone's name servers; whoever meets the lame one waits for another try, or gets an "
    "error now and then.",
    remedy="On the name server in question, load the zone again (has its transfer expired?), or remove its NS record "
    "from the zone and from the delegation.",
    seen_by="The zone's servers, as a resolver named them, were asked directly: this one answered with an error or "
    "without authority, another one with authority. One that is silent is not judged: port 53 may be closed from "
    "here. A server that answers only certain networks looks the same.",
    confidence=Confidence.LIKELY,
    references=(refs.RFC_1034,),
    title="A name server does not serve the zone",
    needs=THE_ZONE,
)
def lame_name_server(context: RuleContext) -> Answers:
    """REFUSED, SERVFAIL or no authority from one server of the zone."""
    good = {answer.server for answer in of_zone(context)}
    asked = [a for a in context.of(DnsAnswer) if a.role == "authority" and a.server not in good]
    zone = next((one.zone for one in context.of(Delegation) if one.zone), "the zone")
    for server, own in by_server(asked).items():
        if not all(map(_is_lame, own)):
            continue
        name = own[0].server_name or server
        said = "no authority" if own[0].rcode == "NOERROR" else own[0].rcode or ""
        yield Hit(
            subject=server_subject(server, name),
            summary=f"The name server {name} ({server}) does not serve {zone}: it answers {said}.",
            evidence=ids(own),
            args={"server": server, "rcode": own[0].rcode or ""},
        )


# --- addresses that are none -----------------------------------------------------------------------------------


@card(
    code="DNS017",
    name="no-servers-address",
    severity=Severity.WARNING,
    severity_note="critical where the FQDN has no other address",
    owner=Owner.DNS,
    summary="DNS gives an address for the FQDN at which no server can be.",
    why="0.0.0.0, :: and loopback are what a DNS filter answers for a name that it blocks; other such addresses are "
    "mistakes in the zone. Programs then report a refused connection, as if the server were down.",
    remedy="1. Look in the DNS filter (Pi-hole, AdGuard, a firewall's DNS security) for the name, and allow it.\n"
    "2. If the zone itself has the record, replace it by the load balancer's address.",
    seen_by="The answer holds the unspecified address, loopback, a multicast or a link-local address. None of them "
    "is contacted. Loopback counts where neither the profile nor the command line names such an address. IPv4-mapped "
    "addresses are DNS010.",
    references=(refs.RFC_1122_ADDRESSING,),
    title="DNS gives no server's address",
    impact=ImpactKind.NOBODY_CONNECTS,
    needs=ANSWERS,
)
def no_servers_address(context: RuleContext) -> Answers:
    """0.0.0.0, ::, loopback and the like in an answer."""
    for server in dict.fromkeys(answer.server for answer in told(context)):
        own = [a for a in told(context) if a.server == server and _none_of_a_server(context, a.records)]
        if own:
            yield _blocked(context, server, own)


def _none_of_a_server(context: RuleContext, records: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        one
        for one in records
        if not is_contacted(one, context.target) and "IPv4-mapped" not in (no_server(one) or "")
    )


def _blocked(context: RuleContext, server: str, own: Sequence[DnsAnswer]) -> Hit:
    given = list(dict.fromkeys(each for a in own for each in _none_of_a_server(context, a.records)))
    by_zone = [a for kind in ("A", "AAAA") for a in zone_records(context, kind)]
    right = [address for address in by_zone if is_contacted(address, context.target)]
    which = dict.fromkeys(no_server(address) or "" for address in given)
    blocks = (
        ": a DNS filter blocks the name" if not set(given) & set(by_zone) else ", as the zone itself says"
    )
    known = f"; the name servers of the zone say {listed(right)}" if right else ""
    return Hit(
        subject=context.fqdn_subject,
        summary=f"The resolver {server} answers {listed(given)} for {context.fqdn}, which is "
        f"{' and '.join(which)}{blocks}{known}.",
        severity=None if context.analysis.dns.addresses else Severity.CRITICAL,
        confidence=Confidence.LIKELY if right else None,
        evidence=ids(own),
        args={"server": server, "addresses": ", ".join(given), "zone": ", ".join(right)},
    )


def _ipv6(text: str) -> IPv6Address | None:
    """The address; None where it is none, since a saved report can say anything."""
    try:
        return IPv6Address(text)
    except ValueError:
        return None


def synthesised(context: RuleContext) -> dict[str, str]:
    """IPv6 addresses of the FQDN that a resolver made of an IPv4 address (DNS64), each with that address."""
    answers = told(context)
    four = {address for a in answers if a.record_type == "A" for address in a.records}
    own_aaaa, asked = zone_records(context, "AAAA"), any(a.record_type == "AAAA" for a in of_zone(context))
    found: dict[str, str] = {}
    for answer in answers:
        for address in answer.records if answer.record_type == "AAAA" else ():
            known = _ipv6(address)
            if known is None:
                continue
            inner = str(ip_address(int(known) & 0xFFFFFFFF))
            made = known in DNS64 or (asked and not own_aaaa and inner in four)
            if made and address not in own_aaaa and is_contacted(address, context.target):
                found[address] = inner
    return found


@card(
    code="DNS019",
    name="synthesized-ipv6",
    severity=Severity.INFO,
    severity_note="warning where nothing answers at the made-up address",
    owner=Owner.DNS,
    summary="A resolver makes up an IPv6 address of the FQDN from its IPv4 address (DNS64).",
    why="In a network with DNS64 and NAT64, IPv6-only desktops reach IPv4 servers through a translator. The "
    "translator has to carry the server's address: with the well-known prefix it must not for private IPv4 addresses "
    "(RFC 6052 section 3.1), and clients that prefer IPv6 wait for nothing.",
    remedy="1. Exclude the internal domain, or private addresses, from DNS64 (BIND: `dns64 … { mapped { !10/8; … }; "
    "}`; Unbound: `dns64-ignore-aaaa`, a zone without the module).\n"
    "2. Or let the NAT64 translate these addresses, with a network-specific prefix.",
    seen_by="The AAAA record lies in 64:ff9b::/96, or ends in the name's own IPv4 address, and the zone's own "
    "servers have no such record.",
    references=(refs.RFC_6147, refs.RFC_6052),
    title="IPv6 address made up by DNS64",
    impact=ImpactKind.SLOW,
    needs=ANSWERS,
)
def synthesized_ipv6(context: RuleContext) -> Answers:
    """DNS64."""
    for address, inner in synthesised(context).items():
        dead = _fails_here(context, address)
        answers = [a for a in told(context) if address in a.records]
        state = ", and nothing answers there: the translator (NAT64) does not carry it" if dead else ""
        yield Hit(
            subject=Subject("address", context.target.fqdn, address, context.target.port),
            summary=f"The resolver {answers[0].server} makes up the IPv6 address {address} for "
            f"{context.fqdn} from {inner} (DNS64){state}.",
            severity=Severity.WARNING if dead else None,
            evidence=ids(answers[:4]),
            args={"address": address, "inner": inner},
        )


# --- what programs on this desktop get -------------------------------------------------------------------------


def _system(context: RuleContext) -> SystemResolution | None:
    return next((one for one in context.of(SystemResolution) if one.purpose == "fqdn"), None)


@card(
    code="DNS021",
    name="system-lookup-fails",
    severity=Severity.CRITICAL,
    owner=Owner.DESKTOP,
    summary="Name servers give the FQDN's address, and programs on this desktop get none.",
    why="Programs do not ask DNS themselves but the system, which follows its own rules: its order of sources, its "
    "cache, a VPN's or security product's resolver. The clients of this desktop cannot find the server.",
    remedy="1. Look the name up as programs do (`getent hosts NAME`, `Resolve-DnsName NAME`, `dscacheutil -q host -a "
    "name NAME`) and note what fails.\n"
    "2. Linux: check the `hosts:` line of /etc/nsswitch.conf and that systemd-resolved or nscd runs. Windows: the "
    "name resolution policy (`Get-DnsClientNrptPolicy`), and restart the DNS client.\n"
    "3. Switch off a VPN or security product that answers DNS on this desktop, and look again.",
    seen_by="getaddrinfo failed, while a resolver that this desktop is set to use gave an address. A look-up that "
    "was not finished within twice the step's timeout is DNS022.",
    references=(refs.RESOLV_CONF,),
    title="This desktop's own look-up fails",
    impact=ImpactKind.NOBODY_CONNECTS,
    needs=(A_NAME, need(_system, "the system was not asked")),
)
def system_lookup_fails(context: RuleContext) -> Answers:
    """getaddrinfo fails where DNS answers."""
    system = _system(context)
    given = [a for a in told(context) if a.records]
    if system is None or system.failure is None or system.failure.cause is Cause.TIMED_OUT or not given:
        return  # not finished is not failed: DNS022
    yield Hit(
        subject=context.desktop(),
        summary=f"Programs on this desktop get no address for {context.fqdn} "
        f"({system.failure.detail}), although the resolver {given[0].server} gives {listed(given[0].records)}.",
        evidence=(system.id, *ids(given[:4])),
        args={"reason": system.failure.detail, "dns": ", ".join(given[0].records)},
    )


@card(
    code="DNS022",
    name="slow-lookup",
    severity=Severity.WARNING,
    owner=Owner.DNS,
    summary="Looking the FQDN up takes this desktop over a second.",
    why="Every connection begins with a look-up; users see a client that hangs before anything else happens.",
    remedy="1. Slow resolver: look at its load, its forwarders (a dead one first in the list) and the way to it.\n"
    "2. Only this desktop is slow: a firewall that drops the second of two queries from one port (Linux: `options "
    "single-request-reopen` in resolv.conf helps), a dead name server first in the list, a search list that is tried "
    "first, or a source before DNS in /etc/nsswitch.conf.",
    seen_by="The median time of a resolver's answers; and the time of the system's own look-up, where that is twice "
    "the slowest answer of any resolver, so that a cold cache is not blamed. The limit is `lookup_slow_s`.",
    references=(refs.RESOLV_CONF,),
    title="Slow look-ups",
    impact=ImpactKind.SLOW,
    needs=(A_NAME,),
)
def slow_lookup(context: RuleContext) -> Answers:
    """A slow resolver, or a slow system before a quick one."""
    limit_s = context.target.thresholds.lookup_slow_s
    times = _times(context)
    system = _system(context)
    if not times and system is None:
        yield NotObserved("no name server answered")
    slow = {server: median(each) for server, each in times.items() if median(each) > limit_s}
    for server, took_s in slow.items():
        answers = [a for a in resolver_answers(context) if a.server == server]
        yield Hit(
            subject=server_subject(server),
            summary=f"The resolver {server} is slow: it takes {took_s:.1f} s to look up {context.fqdn} "
            f"(median of {len(times[server])} answers).",
            evidence=ids(answers[:8]),
            args={"server": server, "median_s": f"{took_s:.3f}", "limit_s": f"{limit_s:g}"},
        )
    if system is not None and times and not slow:
        slowest_s = max(each for answers in times.values() for each in answers)
        yield from _slower_than(context, system, slowest_s)


def _slower_than(context: RuleContext, system: SystemResolution, slowest_s: float) -> Iterator[Hit]:
    """The system took long where its servers did not."""
    limit_s = max(context.target.thresholds.lookup_slow_s, COLD * slowest_s)
    unfinished = system.cause is Cause.TIMED_OUT
    late = system.failure is None and (system.elapsed_s or 0.0) > limit_s
    if system.elapsed_s is not None and (unfinished or late):
        yield _slow_system(context, system, slowest_s, "more than " if unfinished else "")


def _slow_system(context: RuleContext, system: SystemResolution, slowest_s: float, more: str) -> Hit:
    return Hit(
        subject=context.desktop(),
        owner=Owner.DESKTOP,
        summary=f"This desktop takes {more}{system.elapsed_s or 0:.1f} s to look up {context.fqdn}, "
        f"although its resolvers answer single questions within {slowest_s:.1f} s.",
        remedy=_SLOW_HERE,
        evidence=(system.id,),
        args={"server": "system", "elapsed_s": f"{system.elapsed_s or 0:.3f}"},
    )


_SLOW_HERE = (
    "1. Linux: try `options single-request-reopen` in resolv.conf. If that helps, a firewall drops the second of two "
    "queries (A and AAAA) that come from one port: have it corrected.\n"
    "2. Look for a dead name server first in the list, a search list that is tried first, and sources before DNS in "
    "/etc/nsswitch.conf.\n"
    "3. Windows: look for a VPN client or a name resolution policy that asks elsewhere first."
)


def _times(context: RuleContext) -> dict[str, list[float]]:
    """Seconds of each resolver's answers, where all came in one datagram: else it is our own reading, too."""
    found: dict[str, list[float]] = {}
    large = {answer.server for answer in told(context) if answer.transport == "tcp"}
    for answer in told(context):
        if answer.elapsed_s is not None and answer.server not in large:
            found.setdefault(answer.server, []).append(answer.elapsed_s)
    return found
