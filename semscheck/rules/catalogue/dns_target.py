"""Where the name leads: to the right interface, by the right name, for this desktop and for others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address

from semscheck.model.analysis import EndpointStatus, Reach
from semscheck.model.failure import Cause
from semscheck.model.findings import Facts, ImpactKind, Owner, Subject
from semscheck.model.observations import DnsAnswer, Route, SystemResolution
from semscheck.model.target import Endpoint, Member, Severity, Target
from semscheck.rules import references as refs
from semscheck.rules.catalogue.dns_facts import (
    A_NAME,
    ANSWERS,
    TRUTH,
    addresses_in,
    found_by_suffix,
    ids,
    pinned_addresses,
    resolver_answers,
    serve_nobody,
    told,
)
from semscheck.rules.catalogue.dns_zone import synthesised
from semscheck.rules.context import RuleContext, listed
from semscheck.rules.rule import Answers, Hit, NotObserved, card, lacking, need

NO_ADDRESS = "the name has no address"


ADDRESSES = (A_NAME, need(lambda context: context.analysis.dns.addresses, NO_ADDRESS))
_A_SERVERS_NAME = "the name is one server's own (CLT001), which leads to its Interface 1"


def _knows_interface_1(context: RuleContext) -> bool:
    return any(member.replication for member in context.target.members)


def _is_no_servers(context: RuleContext) -> bool:
    return context.target.fqdn not in {one.name.lower() for one in context.target.members}


def _is_led_to(endpoint: Endpoint, address: str, target: Target) -> bool:
    """The FQDN's address and port are this interface's. Interfaces may share an address by ports of their own."""
    return endpoint.address == address and endpoint.port in (None, target.port)


def _evidence(context: RuleContext, addresses: set[str]) -> tuple[str, ...]:
    """The first answer of each server that had one of the addresses, and the system's."""
    found: dict[str, str] = {}
    for answer in context.of(DnsAnswer):
        if answer.purpose in ("fqdn", "suffix") and addresses.intersection(answer.records):
            found.setdefault(answer.server, answer.id)
    for system in context.of(SystemResolution):
        if system.purpose == "fqdn" and addresses.intersection(system.addresses):
            found.setdefault("system", system.id)
    return tuple(found.values())


@card(
    code="DNS009",
    name="points-to-replication",
    title="The name leads to Interface 1",
    severity=Severity.CRITICAL,
    owner=Owner.DNS,
    summary="The FQDN resolves to a replication interface (Interface 1) of a member.",
    why="Interface 1 is for the cluster: its certificate bears the member's own name, so that clients warn or "
    "refuse. Clients belong on Interface 2, or on the load balancer in front of it.",
    remedy="Change the address record of the FQDN to the load balancer's address, or to Interface 2 of a server.",
    seen_by="An address of the FQDN is one that the profile lists under `replication` and nobody's `client` (an "
    "address that is both is CRT014). Without members in the profile it cannot be determined.",
    references=(refs.KB_156803,),
    needs=(
        *ADDRESSES,
        need(_knows_interface_1, "no member's Interface 1 is known"),
        need(_is_no_servers, _A_SERVERS_NAME),
    ),
)
def points_to_replication(context: RuleContext) -> Answers:
    target = context.target
    for address in context.analysis.dns.addresses:
        if address in target.balancers or _owners(target, address, "client"):
            continue
        for member in _owners(target, address, "replication"):
            yield Hit(
                subject=Subject("member", member.name, address),
                summary=f"{context.fqdn} resolves to {address}, Interface 1 (replication) of {member.name}.",
                evidence=_evidence(context, {address}),
                args={"address": address, "member": member.name},
            )


def _owners(target: Target, address: str, interface: str) -> list[Member]:
    return [
        member
        for member in target.members
        if any(_is_led_to(one, address, target) for one in getattr(member, interface))
    ]


@card(
    code="DNS010",
    name="points-to-stranger",
    title="The name leads to an unknown address",
    severity=Severity.WARNING,
    owner=Owner.DNS,
    summary="The FQDN resolves to an address that the profile knows neither as balancer nor as member, or that has "
    "no place in DNS.",
    why="Clients are led somewhere that nobody here has accounted for: an old server, another cluster, a proxy, or a "
    "load balancer that the profile forgot. What is found there may not be what is meant.",
    remedy="1. Ask which server has this address; if it is right, add it to the profile.\n"
    "2. If it is wrong, correct the record, or find out which resolver gives it.",
    seen_by="The FQDN's addresses are compared with the profile's. Without any member or balancer in the profile "
    "there is nothing to compare with. An IPv4-mapped address (::ffff:192.0.2.1) in an AAAA record is reported "
    "whatever the profile says: it stands for IPv4 inside a program and does not belong in DNS.",
    references=(refs.KB_156803, refs.RFC_4291, refs.RFC_5156),
)
def points_to_stranger(context: RuleContext) -> Answers:
    target = context.target
    ends = (end for member in target.members for end in (*member.replication, *member.client))
    known = {*target.balancers, *(end.address for end in ends)}
    missing = lacking(ADDRESSES, context)
    mapped = _mapped_addresses(context)
    yield from (_mapped_hit(context, address, four) for address, four in mapped.items())
    if missing is None and not known:
        missing = NotObserved("no address of a load balancer or a member is known")
    if missing is not None:
        yield missing
        return
    made_up = synthesised(context)
    strangers = [a for a in context.analysis.dns.addresses if a not in known and a not in made_up]
    pinned = [address for address in strangers if address in pinned_addresses(context)]
    for some in (pinned, [address for address in strangers if address not in pinned]):
        if some:
            yield _strangers(context, some)


def _mapped(address: str) -> str | None:
    """The IPv4 address in an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), None for every other one."""
    try:
        four = IPv6Address(address).ipv4_mapped
    except ValueError:
        return None
    return str(four) if four is not None else None


def _mapped_addresses(context: RuleContext) -> dict[str, str]:
    """The FQDN's IPv4-mapped addresses that came from DNS, each with the IPv4 address in it."""
    given = dict.fromkeys(
        address for answer in context.of(DnsAnswer) if answer.purpose == "fqdn" for address in answer.records
    )
    return {address: four for address in given if (four := _mapped(address)) is not None}


def _mapped_hit(context: RuleContext, address: str, four: str) -> Hit:
    return Hit(
        subject=Subject("fqdn", context.target.fqdn, address),
        summary=f"{context.fqdn} has the AAAA record ::ffff:{four}, which is the IPv4 address {four} "
        "written as IPv6 (IPv4-mapped) and does not belong in DNS: some systems reach it over IPv4, others fail.",
        remedy=f"Remove the AAAA record of the FQDN, and see that {four} is in its A record if clients are to use "
        "it. For IPv6, publish an IPv6 address of the load balancer's own. Look for what made the record: a tool "
        "that writes IPv4 addresses into AAAA records does so for other names, too.",
        evidence=_evidence(context, {address}),
        args={"addresses": address, "count": "1", "mapped": four},
    )


def _strangers(context: RuleContext, addresses: list[str]) -> Hit:
    dead = _nothing_there(context, addresses)
    there = ", and nothing serves there" if dead else ""
    return Hit(
        subject=Subject("fqdn", context.target.fqdn, addresses[0] if len(addresses) == 1 else None),
        severity=Severity.CRITICAL if dead else None,
        impact=ImpactKind.NOBODY_CONNECTS if dead else None,
        remedy=_LEADS_ASTRAY if dead else None,
        summary=f"{context.fqdn} resolves to {listed(addresses)}, which the profile knows neither as a "
        f"load balancer nor as a server{there}.",
        evidence=_evidence(context, set(addresses)),
        args={
            "addresses": listed(addresses),
            "count": str(len(addresses)),
            "fails": ", ".join(addresses) if dead else "",
        },
        facts=Facts(fails=tuple(addresses) if dead else ()),
    )


_LEADS_ASTRAY = (
    "1. Compare the record with the profile's addresses and correct the one that is wrong.\n"
    "2. If other networks are given another address (an inner and an outer view of the zone), find out why this "
    "desktop is given this one: its name servers, its VPN."
)


def _nothing_there(context: RuleContext, addresses: list[str]) -> bool:
    """The name leads to nothing else, nothing serves there, and the profile's own servers answer this desktop."""
    led = context.fqdn_places
    dead = {p.address for p in led if p.reach in (Reach.NO_CONNECTION, Reach.NO_TLS)}
    own = any(p.serves for p in context.places if p.serves_clients and not p.fqdn)
    return own and bool(led) and dead == set(addresses) == {place.address for place in led}


@card(
    code="DNS011",
    name="not-fully-qualified",
    title="The name is not fully qualified",
    severity=Severity.WARNING,
    owner=Owner.DESKTOP,
    summary="The name is a single label, or is found only with a search suffix of this desktop.",
    why="Such a name works only where the right suffix is set: not over a VPN, not on another site, not on a phone. "
    "A certificate can hardly cover it, and the client asks several names before it finds one.",
    remedy="1. Create the record under the fully qualified name, as in keys.example.com.\n"
    '2. Set it under Consumers > Groups > Download Client, field "Symantec Encryption Server".',
    seen_by="The name has no dot; or the resolvers say that it does not exist as it stands, and an answer came for "
    "the name with a suffix of the system's search list. A made-up name with that suffix tells whether a wildcard "
    "answers for every name there.",
    severity_note="critical where a wildcard below the suffix answers for every name",
    references=(refs.RFC_1034, refs.KB_156803),
    needs=(A_NAME,),
)
def not_fully_qualified(context: RuleContext) -> Answers:
    name, found = context.fqdn, found_by_suffix(context)
    caught = _caught_by_wildcard(context, found)
    as_found = f"; it was found as {found[0].name}" if found else ""
    if "." not in context.target.fqdn:
        summary = f"{name} is a single label, not a fully qualified name{as_found}."
    elif found and not any(answer.records for answer in told(context)):
        summary = f"{name} does not exist as it stands{as_found}, with a search suffix of this desktop"
        summary += ", below which a wildcard answers for every name: check its spelling." if caught else "."
    else:
        if not told(context):
            yield NotObserved("no name server answered")
        return
    yield Hit(
        subject=context.fqdn_subject,
        summary=summary,
        severity=Severity.CRITICAL if caught else None,
        remedy=_MISSPELT if caught else None,
        evidence=ids(found or told(context)),
        args={"found_as": found[0].name if found else ""},
    )


_MISSPELT = (
    "1. Check the spelling of the name in the client's enrollment: it does not exist, and what answers is whatever "
    "the wildcard leads to.\n"
    "2. Enroll clients with the fully qualified name, and create its record where it is missing.\n"
    "3. Remove the wildcard record, or the suffix from this desktop's search list."
)


def _caught_by_wildcard(context: RuleContext, found: Sequence[DnsAnswer]) -> bool:
    """A name that nobody has, with the same suffix, has the same address."""
    given = set(addresses_in(found))
    suffixes = {answer.name.removeprefix(f"{context.target.fqdn}.") for answer in found}
    made_up = (a for a in context.of(DnsAnswer) if a.purpose == "probe" and a.role == "resolver")
    return any(
        given.intersection(answer.records) and answer.name.partition(".")[2] in suffixes for answer in made_up
    )


@card(
    code="DNS012",
    name="dangling-cname",
    title="The name is a broken alias",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    owner=Owner.DNS,
    summary="The FQDN is an alias (CNAME) of a name that has no address or does not exist.",
    why="The name looks as if it were there, and leads nowhere: clients cannot connect. An alias to a name outside "
    "your zones that nobody holds any more can be taken over by somebody else.",
    remedy="Point the alias at a name that has an address, or replace it by an address record. If the target was "
    "moved on purpose, change the alias; if it was removed by mistake, restore it.",
    seen_by="A resolver followed the alias to its end and found NXDOMAIN, or no A and no AAAA record there. A server "
    "that does not follow aliases into other zones proves nothing, and is left out.",
    references=(refs.RFC_1034,),
)
def dangling_cname(context: RuleContext) -> Answers:
    circular = [answer for answer in resolver_answers(context) if _goes_round(answer)]
    aliased = [answer for answer in told(context) if answer.cname]
    missing = None if circular else lacking(ANSWERS, context)
    followed = circular or [a for a in aliased if a.rcode == "NXDOMAIN" or "RA" in a.flags]
    if missing is not None:
        yield missing
    elif aliased and not followed and not addresses_in(aliased):
        yield NotObserved("the server that was asked does not follow aliases")
    elif followed and not addresses_in(aliased):
        yield _leads_nowhere(context, followed, bool(circular))


def _leads_nowhere(context: RuleContext, followed: Sequence[DnsAnswer], circular: bool) -> Hit:
    one = next((a for a in followed if a.rcode == "NXDOMAIN"), followed[0])
    names = _hops(one)
    what = "does not exist" if one.rcode == "NXDOMAIN" else "has no address"
    said = f"is an alias of {names[-1]}, which {what}"
    if circular:
        said = f"is an alias that leads back to itself ({' to '.join(names[:4])}), and so to no address"
    return Hit(
        subject=context.fqdn_subject,
        summary=f"{context.fqdn} {said}.",
        evidence=ids(followed),
        args={"chain": " -> ".join(names), "target": names[-1]},
    )


def _hops(answer: DnsAnswer) -> list[str]:
    return [answer.cname[0].name, *(hop.target for hop in answer.cname)] if answer.cname else []


def _goes_round(answer: DnsAnswer) -> bool:
    """A circle of aliases, which some servers answer with SERVFAIL."""
    names = _hops(answer)
    return len(set(names)) < len(names)


_SYSTEMS_OWN = need(
    lambda context: not context.target.resolvers, "other resolvers than the system's were asked (--resolver)"
)


@card(
    code="DNS013",
    name="system-differs",
    title="This desktop resolves otherwise than DNS",
    severity=Severity.WARNING,
    severity_note="critical where nothing serves at that address",
    owner=Owner.DESKTOP,
    summary="The system uses an address for the FQDN that no name server gave.",
    why="Programs on this desktop get another answer than DNS gives: from a cache that is out of date, a VPN's or "
    "security product's own resolver, NetBIOS, mDNS, or a policy for certain names. They may reach another server "
    "than everybody else.",
    remedy="1. Empty the caches (Windows: `ipconfig /flushdns`; macOS: `dscacheutil -flushcache`; Linux: `resolvectl "
    "flush-caches`) and look again.\n"
    "2. If it stays, look for a VPN client, a name resolution policy (`Get-DnsClientNrptPolicy`) or a local resolver "
    "that answers for this name.",
    seen_by="getaddrinfo's addresses are compared with all addresses of all DNS answers of the run. An address that "
    "the hosts file gives is CLT003. With `--resolver` other servers than the system's were asked, so that the two "
    "cannot be compared. Where the name rotates, another answer is to be expected.",
    references=(refs.RFC_6724,),
    needs=(
        *ANSWERS,
        _SYSTEMS_OWN,
        need(lambda context: context.analysis.dns.system, "the system gave no address"),
    ),
)
def system_differs(context: RuleContext) -> Answers:
    by_dns = set(addresses_in(a for a in context.of(DnsAnswer) if a.purpose in ("fqdn", "suffix")))
    by_hosts = pinned_addresses(context)
    asked = {4: "A", 6: "AAAA"}
    kinds = {answer.record_type for answer in told(context)}
    strange = [
        address
        for address in context.analysis.dns.system
        if address not in by_dns | by_hosts and asked[6 if ":" in address else 4] in kinds
    ]
    if strange:
        dead = serve_nobody(context, context.analysis.dns.system)
        there = ", and nothing serves there" if dead else ""
        yield Hit(
            subject=context.desktop(strange[0]),
            severity=Severity.CRITICAL if dead else None,
            impact=ImpactKind.NOBODY_CONNECTS if dead else None,
            summary=f"This desktop uses {listed(strange)} for {context.fqdn}, which no name server "
            f"gave (DNS: {listed(sorted(by_dns))}){there}.",
            evidence=tuple(one.id for one in context.of(SystemResolution) if one.purpose == "fqdn"),
            args={"system": listed(strange), "dns": listed(sorted(by_dns)), "fails": ", ".join(dead)},
            facts=Facts(fails=tuple(dead)),
        )


@card(
    code="DNS014",
    name="member-name-differs",
    title="A server's own name leads elsewhere",
    severity=Severity.WARNING,
    owner=Owner.DNS,
    summary="A member's own name resolves to neither its Interface 1 nor its Interface 2.",
    why="Members find each other by name, and their Interface 1 certificate bears it. A name that leads elsewhere "
    "breaks replication after the next change, or the profile describes another machine.",
    remedy="Compare the member's network settings, its record in DNS and the profile; correct the one that is out of "
    "date. A name that does not resolve from desktops is normal where the internal zone is not visible to them.",
    seen_by="Each member's name is looked up once with the first resolver that answers. It is not compared where the "
    "profile gives no address of the member.",
    severity_note="info where the name does not resolve from here, which is normal in split horizon",
    references=(refs.KB_156803,),
)
def member_name_differs(context: RuleContext) -> Answers:
    known = [m for m in context.target.members if m.replication or m.client]
    if not known:
        yield NotObserved("no member's address is known")
        return
    for member in known:
        answers = _answers_for(context, member)
        told_of = [answer for answer in answers if answer.rcode in TRUTH]
        if not told_of:
            yield NotObserved(f"no answer came about {member.name}")
            continue
        yield from _compared(context, member, told_of)


def _answers_for(context: RuleContext, member: Member) -> list[DnsAnswer]:
    if member.name == context.target.fqdn:
        return list(resolver_answers(context))
    return [a for a in context.of(DnsAnswer) if a.purpose == "member" and a.name == member.name]


def _compared(context: RuleContext, member: Member, answers: list[DnsAnswer]) -> Iterator[Hit]:
    own = {one.address for one in (*member.replication, *member.client)}
    given = addresses_in(answers)
    if own.intersection(given):
        return
    if given:
        summary = f"{member.name} resolves to {listed(given)}, not to its interfaces ({listed(sorted(own))})."
    else:
        summary = f"{member.name} does not resolve from here; normal if only the servers see that zone."
    yield Hit(
        subject=Subject("member", member.name),
        summary=summary,
        severity=None if given else Severity.INFO,
        evidence=ids(answers),
        args={"member": member.name, "given": listed(given), "known": listed(sorted(own))},
    )


@card(
    code="DNS015",
    name="dead-ipv6",
    title="IPv6 address is dead",
    impact=ImpactKind.SLOW,
    severity=Severity.WARNING,
    owner=Owner.DNS,
    summary="The FQDN has an IPv6 address (AAAA), nothing serves there, and IPv4 works.",
    why="Systems with IPv6 try it first. A program that then tries IPv4 is slow, by seconds where packets are "
    "dropped; one that does not, fails. It shows on some desktops only, those that have IPv6.",
    remedy="Remove the AAAA record of the FQDN, or let the load balancer or the server serve that address on the "
    "same port and with the same certificate.",
    seen_by="A connection to every AAAA address of the FQDN fails before HTTP is answered, while one to an A address "
    "works. Where this desktop itself has no route for IPv6, nothing can be said of the address, and only that is "
    "reported.",
    severity_note="info where this desktop has no IPv6 of its own, so that the address could not be tried",
    references=(refs.RFC_8305, refs.RFC_6724, refs.RFC_1035),
    needs=(*ADDRESSES, need(lambda context: 6 in context.target.families, "IPv6 was left out (-4)")),
)
def dead_ipv6(context: RuleContext) -> Answers:
    made_up = synthesised(context)  # these are DNS019's
    published = [a for a in context.analysis.dns.addresses if ":" in a and a not in made_up]
    if not published:
        return
    tried = [place for place in context.fqdn_places if place.address in published and place.tried]
    ipv4 = any(":" not in place.address and _works(place) for place in context.fqdn_places)
    if not tried:
        yield NotObserved("no connection to an IPv6 address was tried")
    elif any(_works(place) for place in tried):
        return  # some IPv6 works; a single dead address is reported where it was reached for
    elif not ipv4:
        yield NotObserved("IPv4 does not work either, so there is nothing to compare with")
    else:
        for place in tried:
            yield _dead(context, place)


def _works(place: EndpointStatus) -> bool:
    return place.answers


def _dead(context: RuleContext, place: EndpointStatus) -> Hit:
    subject = Subject("address", context.target.fqdn, place.address, place.port)
    name = context.fqdn
    if _no_own_route(context, place.address):
        return Hit(
            subject=subject,
            summary=f"{name} has the IPv6 address {place.address}; this desktop has no IPv6, so it was not tested.",
            severity=Severity.INFO,
            evidence=_evidence(context, {place.address}) + place.evidence[:4],
            args={"address": place.address, "reason": "no IPv6 here"},
        )
    reason = (place.failure_cause or "no answer").replace("-", " ")
    return Hit(
        subject=subject,
        summary=f"{name} has the IPv6 address {place.address}, where nothing serves ({reason}); IPv4 works.",
        evidence=_evidence(context, {place.address}) + place.evidence[:4],
        args={"address": place.address, "reason": reason},
    )


def _no_own_route(context: RuleContext, address: str) -> bool:
    """This desktop could not even choose a source address: no packet was sent."""
    return any(route.address == address and route.cause is Cause.NO_ROUTE for route in context.of(Route))
