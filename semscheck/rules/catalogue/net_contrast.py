"""Rules on what separates the addresses that answer from those that do not: this desktop, its network, a limit."""

from __future__ import annotations

from typing import Any

from semscheck.model.analysis import Contrast, Reach, Separation
from semscheck.model.findings import Confidence, Facts, ImpactKind, Owner, Subject
from semscheck.model.observations import ProxySettings, Sample
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.net import CONNECTIONS
from semscheck.rules.context import RuleContext, by_subject, listed, sentence_start
from semscheck.rules.rule import Answers, Hit, card


def _hit(
    found: Contrast, subject: Subject, summary: str, more: dict[str, str] | None = None, **fields: Any
) -> Hit:
    """A finding about what fails while the rest works. fields: those of `Hit`."""
    args = {"fails": ", ".join(found.fails), "works": ", ".join(found.works), **(more or {})}
    facts = Facts(fails=found.fails)
    return Hit(subject=subject, summary=summary, evidence=found.evidence, args=args, facts=facts, **fields)


@card(
    code="NET008",
    name="nothing-reachable",
    severity=Severity.CRITICAL,
    confidence=Confidence.LIKELY,
    owner=Owner.DESKTOP,
    summary="Names are looked up, and not one of several addresses answers this desktop.",
    why="What fails at every address in the same way lies where all ways are one: a VPN that is not connected, a "
    "network that this desktop is not allowed into, or a firewall on the way out.",
    remedy="1. Connect the VPN, or go to a network from which other desktops reach the server, and run the check "
    "again.\n"
    "2. If it stays, ask the network administrator whether this desktop's network may reach the addresses named here "
    "on the port of the service.\n"
    "3. Only then ask whether the servers are up.",
    seen_by="At least one name server answered; every connection to at least two addresses ended in silence, or with "
    "“no route”, and none was refused. All servers being down at once looks the same.",
    references=(refs.RFC_1122_HOME,),
    title="No way to the servers",
    impact=ImpactKind.NOBODY_CONNECTS,
    needs=CONNECTIONS,
)
def nothing_reachable(context: RuleContext) -> Answers:
    """Several addresses, all silent, though look-ups work."""
    for found in context.separated(Separation.EVERYTHING):
        yield _hit(
            found,
            context.desktop(),
            f"None of the {len(found.fails)} addresses of {context.fqdn} and its servers answers "
            "this desktop, although names are looked up: it has no way to them (is its VPN "
            "connected?), or a firewall drops its traffic.",
        )


@card(
    code="NET009",
    name="family-unreachable",
    severity=Severity.WARNING,
    severity_note="critical where the FQDN has addresses of that family only",
    confidence=Confidence.LIKELY,
    owner=Owner.NETWORK,
    summary="All addresses of one family (IPv4 or IPv6) fail from this desktop, and all of the other work.",
    why="Clients that try the broken family first are slow or fail. It is not one server's trouble: several hosts "
    "fail in the same way.",
    remedy="Find out where the family ends: an address without a router (`ip -6 route`, `route print`), a VPN that "
    "carries one family only, or a firewall with rules for one family.",
    seen_by="At least two addresses of one family were tried and no packet of theirs came back; every address of the "
    "other family was connected to.",
    references=(refs.RFC_8305,),
    title="One of IPv4 and IPv6 does not get through",
    impact=ImpactKind.SLOW,
    needs=CONNECTIONS,
)
def family_unreachable(context: RuleContext) -> Answers:
    """IPv6 fails everywhere and IPv4 nowhere, or the reverse."""
    for found in context.separated(Separation.FAMILY):
        leads_to = {place.address for place in context.fqdn_places}
        only = bool(leads_to) and leads_to <= set(found.fails)
        broken, works = ("IPv6", "IPv4") if found.by == "6" else ("IPv4", "IPv6")
        yield _hit(
            found,
            context.desktop(),
            f"Every {broken} address fails from this desktop ({listed(found.fails)}), and every {works} address "
            f"works: {broken} does not get through between this desktop and the servers' network.",
            {"family": found.by},
            severity=Severity.CRITICAL if only else None,
        )


@card(
    code="NET010",
    name="members-out-of-reach",
    severity=Severity.INFO,
    owner=Owner.NETWORK,
    summary="The members' own addresses cannot be reached from here, and the FQDN's address serves.",
    why="That is the usual layout: clients need the load balancer alone. It limits this check: which member answers, "
    "and whether each of them works, can be seen only from where they can be reached.",
    remedy="Nothing has to change. To see the members one by one, run the check from a machine that reaches them, "
    "such as one in the servers' network.",
    seen_by="Not one connection to any member's interface of that kind was answered, and the FQDN leads to an "
    "address that serves. A refusal is an answer. That all members are down and something else serves looks the same "
    "from here.",
    references=(refs.KB_156803,),
    title="Members out of reach from here",
    needs=CONNECTIONS,
)
def members_out_of_reach(context: RuleContext) -> Answers:
    """One remark about all members that are not meant to be asked directly."""
    for found in context.separated(Separation.MEMBERS):
        number = {"client": 2, "replication": 1}[found.by]
        yield _hit(
            found,
            Subject("cluster", context.target.fqdn),
            f"The members' Interface {number} ({listed(found.fails)}) cannot be reached from this desktop, which "
            f"is usual behind a load balancer; {listed(found.works)} serves.",
            {"interface": found.by},
        )


@card(
    code="NET011",
    name="leaves-elsewhere",
    severity=Severity.WARNING,
    severity_note="critical where the FQDN leads there and nowhere that works",
    confidence=Confidence.LIKELY,
    owner=Owner.DESKTOP,
    summary="An address that fails is reached over another network of this desktop than all that work.",
    why="A VPN, Docker or a virtual machine has given this desktop a network that overlaps with the server's: its "
    "packets never leave towards the server. From every other desktop it works.",
    remedy="1. Find the interface that has the source address named here (`ip address`, `ipconfig /all`).\n"
    "2. Give that virtual network another range (Docker: `bip` and `default-address-pools` in daemon.json), or end "
    "the VPN whose range overlaps.\n"
    "3. If that network is the right way, its administrator has to say why nothing answers there.",
    seen_by="The source address that this desktop chose for the address that fails is used for no address that "
    "works. It does not say which of the two ways is meant.",
    references=(refs.RFC_1122_HOME,),
    title="A network of this desktop overlaps",
    impact=ImpactKind.NOBODY_CONNECTS,
    needs=CONNECTIONS,
)
def leaves_elsewhere(context: RuleContext) -> Answers:
    """Another source address than for all that work."""
    for found in context.separated(Separation.ROUTE):
        leads_to = {place.address for place in context.fqdn_places}
        all_dead = bool(leads_to) and leads_to <= set(found.fails)
        yield _hit(
            found,
            context.desktop(found.fails[0]),
            f"Connections to {listed(found.fails)} leave by another network of this desktop (source address "
            f"{found.by}) than those that work, and nobody answers there: a network of this desktop's own "
            "(VPN, Docker) overlaps with the server's.",
            {"source": found.by},
            severity=Severity.CRITICAL if all_dead else None,
        )


@card(
    code="NET012",
    name="shut-out",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    owner=Owner.NETWORK,
    summary="The first connections to an address work, and from one moment on all fail.",
    why="A firewall, an intrusion prevention system or the load balancer has banned this desktop for making too many "
    "connections, as it would a monitoring system. Users who make fewer see nothing of it. What was seen before "
    "stands; what came after was not seen.",
    remedy="1. Ask whether users get through now; from another desktop, run the check again.\n"
    "2. From here, wait for some minutes, and run it with fewer connections (`--connections 8`, `--spread 30`).\n"
    "3. If it works elsewhere, ask the load balancer administrator and the network administrator for a limit on "
    "connections, or an exception for this desktop. If nowhere, it went down during this check.",
    seen_by="At least six connections in a row worked, and all that followed, three at least, to the end of the run "
    "failed, while other addresses still answered. That the address went down at that moment looks the same.",
    references=(refs.KB_156803,),
    title="This desktop was shut out",
    impact=ImpactKind.NOT_TESTED,
    needs=CONNECTIONS,
)
def shut_out(context: RuleContext) -> Answers:
    """Worked at first, then never again; or told so."""
    yield from _told_to_slow_down(context)
    for found in context.separated(Separation.ORDER):
        yield _hit(
            found,
            Subject("address", found.fails[0], found.fails[0], _port(context, found.fails[0])),
            f"After {found.count} connections that worked, {found.fails[0]} answered none from this desktop "
            f"({found.by.replace('-', ' ')}): it went down during this check, or a limit on connections or an "
            "intrusion prevention system banned this desktop.",
            {"worked": str(found.count), "how": found.by},
        )


def _told_to_slow_down(context: RuleContext) -> Answers:
    """Status 429 (RFC 6585 section 4)."""
    answered = [s for s in context.of(Sample) if s.status is not None]
    for address in dict.fromkeys(s.address for s in answered if s.status == TOO_MANY):
        own = [s for s in answered if s.address == address]
        limited = [s for s in own if s.status == TOO_MANY]
        yield Hit(
            subject=Subject("address", address, address, own[0].port),
            summary=f"{address} answered {len(limited)} of {len(own)} requests of this check with status 429 (Too "
            "Many Requests): a limit on requests, which users who make fewer do not meet.",
            confidence=Confidence.CERTAIN,
            evidence=tuple(s.id for s in limited[:8]),
            args={"how": "429", "worked": str(len(own) - len(limited)), "fails": address, "works": ""},
            facts=Facts(fails=(address,)),
        )


TOO_MANY = 429


def _port(context: RuleContext, address: str) -> int:
    return next((place.port for place in context.places if place.address == address), context.target.port)


@card(
    code="NET013",
    name="proxy-is-the-way",
    severity=Severity.UNKNOWN,
    confidence=Confidence.LIKELY,
    owner=Owner.NETWORK,
    summary="No address can be reached directly, and a proxy is set for the FQDN.",
    why="Desktops of this network get out through their proxy alone. This check looks at the direct way, so that it "
    "says nothing of the service; clients that use the proxy may work.",
    remedy="1. Open the FQDN in a browser of this desktop, which uses the proxy.\n"
    "2. If clients are meant to reach the server directly, ask the network administrator to open that way.\n"
    "3. Run this check from a machine with a direct way to the server.",
    seen_by="No connection to any address was answered, and the proxy settings of this desktop cover the FQDN, or a "
    "PAC file decides it. This check never uses a proxy.",
    references=(refs.RFC_9110_CONNECT,),
    title="Only the proxy gets out",
    needs=CONNECTIONS,
)
def proxy_is_the_way(context: RuleContext) -> Answers:
    """Silence everywhere, and a proxy."""
    for found in context.separated(Separation.PROXY):
        settings = [one for one in context.of(ProxySettings) if one.id in found.evidence]
        through = listed(one.url or one.pac_url or "" for one in settings)
        yield _hit(
            found,
            context.desktop(),
            f"The direct way to {context.fqdn} is closed from this desktop, and a proxy is set "
            f"({through}), which this check does not use: whether clients get through it is not known.",
            {"proxy": through},
        )


_LACKS = {
    "alpn": "offers no application protocol (ALPN)",
    "name": "does not send the server name (SNI)",
    "size": "is smaller",
    "version": "offers TLS 1.2 and not TLS 1.3",
    "certificate": "takes an RSA certificate only",
}
_LOOK_AT = {
    "alpn": "1. On the load balancer, or whatever ends TLS there, accept `http/1.1` in ALPN "
    "(nginx stream: `ssl_alpn`; HAProxy: `alpn`), or "
    "ignore ALPN.\n2. Clients that offer no application protocol get through until then.",
    "name": "1. Find the filter by server name (URL filter, TLS inspection) that ends connections which name this "
    "server, and allow the name.\n2. If there is none, let the load balancer "
    "serve this name.",
    "size": "1. Look for a load balancer or firewall with an old TLS stack that hangs on a ClientHello of a certain "
    "length (RFC 7685), and update it.\n2. Look for a path that drops large packets: a VPN or tunnel with a smaller "
    "MTU and ICMP filtered on the way.",
    "version": "1. Look for a firewall or load balancer on the way that does not let TLS 1.3 through, and update it "
    "or take it out of the way.\n2. Or switch TLS 1.3 off at the server until then.",
    "certificate": "1. Look at the second certificate (ECDSA) of what ends TLS there: is its key the one that "
    "belongs to it?\n2. Remove it if it is not needed.",
}


@card(
    code="NET014",
    name="hello-refused",
    severity=Severity.CRITICAL,
    severity_note="a warning for another client interface than the FQDN's",
    confidence=Confidence.LIKELY,
    owner=Owner.BALANCER,
    summary="The usual first TLS message is refused or never answered, and one that offers less is answered.",
    why="Clients differ in what they offer: some connect and others do not, at the same address and the same moment. "
    "What is refused tells what to look at: a filter by server name, a middlebox, a setting.",
    remedy="Compare what is refused with the settings of the load balancer, and with what inspects traffic on the "
    "way.",
    seen_by="After a failed handshake for which our own library named no reason, up to five others were made side by "
    "side: with TLS 1.2 alone, without ALPN, without a server name, with a small ClientHello, and with TLS 1.2 and "
    "an RSA certificate. Where all of them work, it was a passing trouble and is not reported.",
    references=(refs.RFC_7685, refs.RFC_7301, refs.RFC_6066),
    title="Some first TLS messages are refused",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    needs=CONNECTIONS,
)
def hello_refused(context: RuleContext) -> Answers:
    """Which property of the ClientHello is refused."""
    for found in context.separated(Separation.HELLO):
        place = next(p for p in context.places if p.address == found.fails[0] and p.reach is Reach.NO_TLS)
        others = any(p.serves and p.client_of for p in context.places)
        yield _hit(
            found,
            context.subject_of(place),
            f"{sentence_start(context.name_of(place))} does not answer the usual first TLS message "
            f"(ClientHello), and answers one that {_LACKS[found.by]}.",
            {"refused": found.by},
            owner=_owner_of_hello(found.by, in_front=place.balancer, others_serve=others),
            severity=by_subject(place),
            remedy=_LOOK_AT[found.by],
        )


def _owner_of_hello(refused: str, in_front: bool, others_serve: bool) -> Owner:
    """A filter by name is the network's; a length or a version is, too, unless the same hello reaches members."""
    if refused == "name" or (refused in ("size", "version") and not others_serve):
        return Owner.NETWORK
    return Owner.BALANCER if in_front else Owner.SERVER
