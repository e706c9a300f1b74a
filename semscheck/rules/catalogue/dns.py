"""What is wrong with the name: whether it resolves, to what, in which order, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from semscheck.model.analysis import Reach, ResolverAnalysis, Rotation
from semscheck.model.failure import Cause
from semscheck.model.findings import Facts, ImpactKind, Owner
from semscheck.model.observations import DnsAnswer, ResolverConfig
from semscheck.model.target import Failover, Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.dns_facts import (
    A_NAME,
    ANSWERS,
    FLUSH,
    TRUTH,
    by_server,
    found_by_suffix,
    found_by_system,
    ids,
    resolver_answers,
    server_subject,
    servers_here,
    told,
    zone_records,
)
from semscheck.rules.context import RuleContext, listed
from semscheck.rules.remedies import steps
from semscheck.rules.routing import apart, in_words, led_to
from semscheck.rules.rule import Answers, Hit, NotObserved, card, lacking, need

FAMILY_NAMES = {"A": "IPv4", "AAAA": "IPv6"}


# --- does it resolve ---------------------------------------------------------------------------------------


def _denied(context: RuleContext) -> list[DnsAnswer]:
    """NXDOMAIN for the name itself, from servers that give no record of it."""
    knowing = {a.server for a in told(context) if a.records}  # whatever they say of the other kind of record
    return [a for a in told(context) if a.rcode == "NXDOMAIN" and not a.cname and a.server not in knowing]


def _another_is_asked_first(context: RuleContext, missing: Sequence[DnsAnswer]) -> bool:
    """Other servers know the name, and the system asks one of those first: DNS007 tells."""
    order = _configured(context)
    first = min((a.server for a in told(context)), key=lambda server: order.get(server, len(order)))
    return any(a.records for a in told(context)) and first not in {a.server for a in missing}


@card(
    code="DNS001",
    name="no-such-name",
    title="The name does not exist",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    owner=Owner.DNS,
    summary="The FQDN does not exist in DNS (NXDOMAIN).",
    why="Clients turn the server's name into an address before anything else. Without one, Encryption Desktop can "
    "neither enroll nor fetch policy nor upload logs, whatever state the servers are in, and mail may be held back "
    "by the policy for a server that is out of reach.",
    remedy="1. Check the spelling of the name against the client's enrollment, and that this desktop's VPN is "
    "connected if the name is known inside the company only.\n"
    "2. Create one address record for it: the load balancer's address, or Interface 2 of one member.\n"
    "3. If it exists, find out why the resolvers named here do not see it: another view of the zone, a forwarder, a "
    "zone that did not transfer.\n"
    "4. A negative answer is cached as long as the zone's SOA record says; then try again.",
    seen_by="Every configured resolver is asked for A and AAAA, twice where it says no. It is reported if no "
    "resolver knows the name, or if the one that answers first for the system does not, since a system stops at "
    "NXDOMAIN. A resolver that gives a record of one kind and NXDOMAIN for the other knows the name (DNS003). A name "
    "found with a search suffix is DNS011, an alias to nowhere DNS012.",
    severity_note="warning where this desktop found an address by other means (a hosts file, NetBIOS)",
    references=(refs.RFC_2308, refs.RFC_1034),
    decides="whether the name exists",
    of_names=True,
    needs=ANSWERS,
)
def no_such_name(context: RuleContext) -> Answers:
    missing = _denied(context)
    if not missing or found_by_suffix(context) or _another_is_asked_first(context, missing):
        return
    name, servers = context.fqdn, listed(a.server for a in missing)
    otherwise = context.analysis.dns.system
    also = f", but this desktop finds {listed(otherwise)} by other means" if otherwise else ""
    there = zone_records(context, *FAMILY_NAMES)
    said = f"{name} does not exist in DNS (NXDOMAIN from {servers}){also}."
    if there:
        zone = f"although the zone's own name servers have {listed(there)}"
        said = f"DNS server {servers} says that {name} does not exist, {zone}{also}."
    yield Hit(
        subject=context.fqdn_subject,
        summary=said,
        remedy=_OLD_DENIAL if there else None,
        severity=Severity.WARNING if otherwise else None,
        evidence=ids(missing),
        args={"servers": servers, "system": listed(otherwise)},
    )


_OLD_DENIAL = (
    "1. Flush the name from the resolver's cache, or wait: a name that was made a moment ago is denied for as long "
    "as "
    "the zone's SOA record says.\n"
    f"2. {FLUSH} Then empty the desktop's cache, too (`ipconfig /flushdns`).\n"
    "3. If the resolver still denies it, compare its forwarders and views with the zone: it may have another view, "
    "without the name."
)


def _configured(context: RuleContext) -> dict[str, int]:
    """The place of each server in the order in which the system asks them."""
    servers = [server for one in context.of(ResolverConfig) for server in one.servers]
    return {server: index for index, server in reversed(list(enumerate(servers)))}


@card(
    code="DNS002",
    name="no-address",
    title="The name has no address",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    owner=Owner.DNS,
    summary="The FQDN exists in DNS, and has neither an A nor an AAAA record.",
    why="The name is there (perhaps with a mail or text record), but nothing says where the server is. Clients "
    "cannot connect, as if the name did not exist.",
    remedy="1. Add one A record for the FQDN: the load balancer's address, or Interface 2 of one server.\n"
    "2. If a record is there, compare the zone on each of its name servers, and the view that clients get.",
    seen_by="The resolvers answered NOERROR with no record of either type. Only the address families that were asked "
    "for (-4, -6) count. Not judged where a query for one of the types got no answer.",
    severity_note="warning where this desktop found an address by other means",
    references=(refs.RFC_2308,),
    needs=ANSWERS,
)
def no_address(context: RuleContext) -> Answers:
    answers = told(context)
    if any(a.records or a.cname or a.rcode == "NXDOMAIN" for a in answers) or found_by_suffix(context):
        return
    asked = ["A" if family == 4 else "AAAA" for family in context.target.families]
    unanswered = [kind for kind in asked if kind not in {a.record_type for a in answers}]
    if unanswered:
        yield NotObserved(f"no answer came to the question for {listed(unanswered)} records")
        return
    system = context.analysis.dns.system
    also = f"; this desktop finds {listed(system)} by other means" if system else ""
    yield Hit(
        subject=context.fqdn_subject,
        summary=f"{context.fqdn} exists in DNS but has no {' and no '.join(asked)} record{also}.",
        severity=Severity.WARNING if system else None,
        evidence=ids(answers),
        args={"types": listed(asked), "servers": listed(a.server for a in answers)},
    )


_SILENT = (
    "Check that the DNS server runs and that this desktop may reach it on UDP and TCP port 53; remove a dead one "
    "from the desktop's settings or from DHCP."
)
_OVER_TCP = (
    "Let this desktop reach the DNS server on TCP port 53, too: look at the firewalls on the way, and at whether the "
    "server listens on TCP.\n"
    "Until then, make the answer smaller: fewer addresses and aliases for the name."
)
_REFUSED = (
    "Let the DNS server answer this network (its access list), or remove it from the desktop's settings."
)
_SERVFAIL = "Look at the DNS server's log for this name: it cannot get the zone, or DNSSEC fails."


@card(
    code="DNS003",
    name="resolver-failed",
    title="A DNS resolver fails",
    impact=ImpactKind.SLOW,
    severity=Severity.WARNING,
    owner=Owner.DNS,
    summary="A resolver of this desktop does not answer, answers with an error, or denies a name that it knows.",
    why="A system asks its resolvers in turn and waits seconds for a silent one, so that clients are slow or give "
    "up. An error (SERVFAIL, REFUSED) makes it try the next one; with none left, the name cannot be resolved at all. "
    "NXDOMAIN for one kind of record says that the name has no record of any kind: a program or a cache that "
    "believes it cannot reach the server, others can.",
    remedy=f"For silence: {_SILENT} For REFUSED: {_REFUSED} For SERVFAIL: {_SERVFAIL}",
    seen_by="Each resolver is asked by itself over UDP, again over TCP where the answer was cut short. A lost "
    "datagram is sent again, once or twice as the timeout allows; a resolver that leaves a query unanswered is left "
    "alone. It is reported where every query of one type failed, so that one lost packet is not; and where NXDOMAIN "
    "came for one type and records for the other (RFC 4074 section 4.2).",
    severity_note="critical where no resolver gave an answer while something else did",
    references=(refs.RFC_1035, refs.RFC_4074, refs.RFC_8020),
    needs=(A_NAME,),
)
def resolver_failed(context: RuleContext) -> Answers:
    answers = resolver_answers(context)
    useful = {a.server for a in found_by_suffix(context)}  # some refuse a single label, and nothing else
    known = told(context) or useful or found_by_system(context)
    yield from _no_resolver(context)
    if not answers:
        yield NotObserved("no resolver was asked")
        return
    for server, own in by_server(answers).items():
        yield from _denials(context, server, own)
        failing = [kind for kind in FAMILY_NAMES if _all_failed([a for a in own if a.record_type == kind])]
        if not failing or server in useful:
            continue
        yield _failing(context, server, own, failing, nothing_known=not known)


def _failing(
    context: RuleContext, server: str, own: list[DnsAnswer], failing: list[str], nothing_known: bool
) -> Hit:
    """failing: the kinds of record for which the server gives no answer."""
    bad = [a for a in own if a.record_type in failing]
    reasons = listed(_trouble(a) for a in bad)
    unchecked = _unchecked(context, server)
    remedy = _SIGNATURES if unchecked else _what_to_do(bad)
    if unchecked:
        reasons += f", and gives {listed(unchecked.records)} where it need not validate: DNSSEC"
    part = ""
    if len(failing) < len({a.record_type for a in own}):
        part, remedy = f" for {failing[0]} records", _FAILS_FOR_ONE_KIND.format(kind=failing[0])
    cannot = f"{context.fqdn} cannot be resolved: " if nothing_known else ""
    return Hit(
        subject=server_subject(server, port=True),
        summary=f"{cannot}DNS server {server} fails{part}: {reasons}.",
        remedy=remedy,
        severity=Severity.CRITICAL if nothing_known else None,
        impact=ImpactKind.NOBODY_CONNECTS if nothing_known else None,
        owner=Owner.NETWORK if all(map(_cut_short, bad)) else None,
        evidence=ids(bad),
        args={"server": server, "reason": reasons, "types": listed(failing)},
    )


_SIGNATURES = (
    "1. Sign the zone anew: its DNSSEC signatures have expired, or its keys do not match the DS record in the zone "
    "above (`delv NAME`, or dnsviz for a public zone, shows which).\n"
    "2. See that whatever signs it runs, and that the servers' clocks are right.\n"
    "3. Until then only resolvers that do not validate can answer for this name."
)


def _unchecked(context: RuleContext, server: str) -> DnsAnswer | None:
    """What the server answers where it is asked not to validate (CD), None if it was not asked or has nothing."""
    asked = (a for a in context.of(DnsAnswer) if a.purpose == "probe" and a.server == server)
    return next((a for a in asked if a.name == context.target.fqdn and a.records), None)


def _what_to_do(bad: Sequence[DnsAnswer]) -> str:
    """The steps for how it failed, and no others."""
    codes = {answer.rcode for answer in bad}
    silent = any(answer.failure is not None for answer in bad)
    cut = any(map(_cut_short, bad))
    return steps(
        _OVER_TCP if cut else "",
        _SILENT if silent and not cut else "",
        _REFUSED if "REFUSED" in codes else "",
        _SERVFAIL if not silent and "REFUSED" not in codes else "",
    )


def _denials(context: RuleContext, server: str, own: Sequence[DnsAnswer]) -> Iterator[Hit]:
    """NXDOMAIN for one kind of record from a server that gives the other: the name exists, and it says that not."""
    given = [kind for kind in FAMILY_NAMES if any(a.records for a in own if a.record_type == kind)]
    denied = [a for a in own if a.rcode == "NXDOMAIN" and a.record_type not in given]
    if not given or not denied:
        return
    kind = denied[0].record_type
    yield Hit(
        subject=server_subject(server, port=True),
        summary=f"The resolver {server} says that {context.fqdn} does not exist (NXDOMAIN) when asked "
        f"for {kind} records, though it gives {given[0]} records.",
        remedy=_DENIES_ONE_KIND.format(kind=kind, given=given[0]),
        evidence=ids(denied),
        args={"server": server, "reason": "NXDOMAIN", "types": kind},
    )


_DENIES_ONE_KIND = (
    "Have what serves the zone (often a load balancer that answers DNS itself) corrected or updated: a name that has "
    "{given} records and no {kind} record is to be answered NOERROR without records. To find it, ask the zone's own "
    "name servers for {kind} records of the name and of every alias on the way. Until then some resolvers and "
    "programs take the NXDOMAIN for the whole name, keep it in their cache, and cannot reach the server."
)
_FAILS_FOR_ONE_KIND = (
    "The resolver answers for the other kind of record, so that it is reached and knows the zone. Ask the zone's own "
    "name servers for {kind} records: a name that has none of them is to be answered NOERROR without records, and "
    "load balancers and firewalls that serve a zone are known to drop or refuse what they do not know. Correct or "
    "update what serves the zone; until then clients lose the time of a failed query, or find no address at all."
)


def _no_resolver(context: RuleContext) -> Answers:
    for one in context.of(ResolverConfig):
        if not one.servers:
            why = one.failure.detail if one.failure is not None else "none is configured"
            yield Hit(
                subject=context.desktop(),
                summary=f"This desktop has no resolver to ask: {why}.",
                severity=Severity.CRITICAL,
                owner=Owner.DESKTOP,
                evidence=(one.id,),
                args={"reason": why},
            )


def _all_failed(answers: Sequence[DnsAnswer]) -> bool:
    return bool(answers) and all(a.rcode not in TRUTH for a in answers)


def _cut_short(answer: DnsAnswer) -> bool:
    """It answered that the rest is to be had over TCP, and over TCP nothing came."""
    return answer.failure is not None and "TC" in answer.flags


def _trouble(answer: DnsAnswer) -> str:
    if answer.failure is None:
        return f"it answers {answer.rcode}"
    if _cut_short(answer):
        return "its answer is too long for a datagram (truncated), and nothing answers on TCP port 53"
    return {
        Cause.TIMED_OUT: "no answer in time",
        Cause.REFUSED: "nothing listens there",
        Cause.NO_ROUTE: "no route to it",
        Cause.MALFORMED: f"an answer that is none ({answer.failure.detail})",
    }.get(answer.failure.cause, answer.failure.detail or answer.failure.cause.value)


# --- several addresses -------------------------------------------------------------------------------------

CHANGING = (Rotation.ORDER, Rotation.SUBSET)


def _families(context: RuleContext) -> Iterator[tuple[str, Rotation, list[DnsAnswer]]]:
    """Record type, how it rotates, and the answers with addresses, for each family that has any."""
    dns = context.analysis.dns
    here = set(dns.addresses)  # what another view of the zone holds is not what clients get
    for kind, rotation in (("A", dns.rotation_v4), ("AAAA", dns.rotation_v6)):
        own = [
            a
            for a in context.of(DnsAnswer)
            if a.record_type == kind and a.purpose in ("fqdn", "suffix") and here.intersection(a.records)
        ]
        if own:
            yield kind, rotation, own


def _unchanging(context: RuleContext) -> NotObserved | None:
    """Why no change between answers can be seen or ruled out; None if it can."""
    silence = lacking(ANSWERS, context)
    if silence is not None:
        return silence
    kinds = [rotation for _, rotation, _ in _families(context)]
    if not kinds:
        return NotObserved("no answer had an address")
    if Rotation.UNKNOWN in kinds:
        return NotObserved("too few answers came to rule out a change between them")
    return None


def _changing_at(context: RuleContext, kinds: Sequence[Rotation]) -> str:
    """Which servers show it, as people say it."""
    return listed(_server_name(one) for one in servers_here(context) if one.rotation in kinds)


def _server_name(one: ResolverAnalysis) -> str:
    return f"{one.server_name} ({one.server})" if one.server_name else one.server


@card(
    code="DNS004",
    name="dns-round-robin",
    title="DNS round robin",
    impact=ImpactKind.SESSIONS_LOST,
    severity=Severity.CRITICAL,
    owner=Owner.DNS,
    summary="The FQDN has several addresses, and their order or choice changes from answer to answer.",
    why="This is DNS round robin, which the vendor does not support. Every look-up may send a client to another "
    "member, in the middle of its work: a login, an enrollment or a web mail session that another member holds is "
    "lost, and web mail users miss messages that were not replicated yet. A dead server keeps its share of the "
    "clients, since DNS does not know that it is dead.",
    remedy="1. Leave one address record for the FQDN.\n"
    "2. Point it at a load balancer with failover and persistence, or at Interface 2 of one server.\n"
    "3. Give the members' other addresses names of their own.",
    seen_by="Each resolver, and each of the zone's own name servers that can be reached, is asked eight times for "
    "each record type with nothing of ours in between, with a new query id each time. Each server is judged by its "
    "own answers, and a change at the moment a cached answer runs out does not count. The order that the system "
    "shows can be fixed all the same, since it sorts addresses (RFC 6724).",
    severity_note="warning where the profile names all addresses as balancers and they lead to the same member",
    references=(refs.KB_ROUND_ROBIN, refs.KB_156803, refs.RFC_6724),
    decides="whether the name's addresses rotate",
    of_names=True,
)
def dns_round_robin(context: RuleContext) -> Answers:
    found = [(kind, how, own) for kind, how, own in _families(context) if how in CHANGING]
    if not found or context.target.fqdn_is_address:
        unchanging = _unchanging(context)
        if unchanging is not None:
            yield unchanging
        return
    answers = [answer for _, _, own in found for answer in own]
    addresses = list(dict.fromkeys(address for answer in answers for address in sorted(answer.records)))
    what = "which of them are given changes" if Rotation.SUBSET in {how for _, how, _ in found} else ""
    what = what or "their order changes"
    servers = _changing_at(context, CHANGING)
    led = led_to(context)
    same = set(addresses) <= set(context.target.balancers) & set(led) and not apart(led)
    to_one = f" All of them are load balancer addresses that lead to {led[addresses[0]]}." if same else ""
    yield Hit(
        subject=context.fqdn_subject,
        severity=Severity.WARNING if same else None,
        impact=ImpactKind.NOTHING_NOTICED if same else None,
        summary=f"{context.fqdn} has {len(addresses)} addresses ({listed(addresses)}), and {what} from "
        f"answer to answer: DNS round robin.{to_one}",
        evidence=ids(answers),
        args={"addresses": listed(addresses), "count": str(len(addresses)), "servers": servers},
    )


@card(
    code="DNS005",
    name="several-addresses",
    title="The name has several addresses",
    severity=Severity.WARNING,
    owner=Owner.DNS,
    summary="The FQDN has several addresses of one family and no change between answers was seen, or addresses of "
    "both families that lead to different members.",
    why="Clients may take any of the addresses, and take another one when the first fails, so that they come to "
    "different members although the order looks fixed from here. Another resolver, another version of the name "
    "server or another network may change the order. Where IPv4 and IPv6 lead to different members, which one a "
    "client meets depends on its network, and it changes in the middle of a session whenever one family is the "
    "faster one.",
    remedy="Leave one address record for the FQDN: the load balancer's, or Interface 2 of one server. An A and an "
    "AAAA record are fine where both lead to the same server.",
    seen_by="Some answer had more than one address of one family, and all answers of each server were alike. Or all "
    "connections to one address went to one member (or by far the most, by weight), and those to the address of the "
    "other family to another. A server that prefers addresses near the one who asks (netmask ordering) looks fixed "
    "from here and not from elsewhere.",
    references=(refs.KB_156803, refs.KB_ROUND_ROBIN, refs.RFC_8305),
    needs=ANSWERS,
)
def several_addresses(context: RuleContext) -> Answers:
    led = led_to(context)
    yield from _families_apart(context, led)
    for kind, how, own in _families(context):
        most = max(own, key=lambda answer: len(answer.records))
        if how in (*CHANGING, Rotation.FLIPS) or len(most.records) < 2:
            continue
        split = {address: led[address] for address in most.records if address in led}
        how_led = (
            f"; they lead to different members: {in_words(split)}"
            if apart(split)
            else "; there should be one"
        )
        yield Hit(
            subject=context.fqdn_subject,
            summary=f"{context.fqdn} has {len(most.records)} {FAMILY_NAMES[kind]} addresses "
            f"({listed(most.records)}){how_led}.",
            evidence=ids(own),
            args={
                "addresses": listed(most.records),
                "count": str(len(most.records)),
                "type": kind,
                "members": ", ".join(dict.fromkeys(split.values())),
            },
        )


_SAME_ORDER = (
    "Give the load balancer's pools for IPv4 and for IPv6 the same servers in the same order, or remove the FQDN's "
    "AAAA record."
)


def _families_apart(context: RuleContext, led: Mapping[str, str]) -> Iterator[Hit]:
    """IPv4 leads to one member and IPv6 to another; where one family leads to several, that is said of it alone."""
    ways = [{a: name for a, name in led.items() if (":" in a) is six} for six in (False, True)]
    if any(apart(way) for way in ways) or not apart(led):
        return
    four, six = (next(iter(way.values())) for way in ways)
    balanced = not any(place.client_of for place in context.fqdn_places if place.address in led)
    yield Hit(
        subject=context.fqdn_subject,
        owner=Owner.BALANCER if balanced else None,
        remedy=_SAME_ORDER if balanced else None,
        summary=f"{context.fqdn} leads to {four} over IPv4 ({listed(ways[0])}) and to {six} over IPv6 "
        f"({listed(ways[1])}), so that clients with both come to different members.",
        evidence=ids(own for _, _, answers in _families(context) for own in answers),
        args={
            "addresses": listed(led),
            "count": str(len(led)),
            "type": "A, AAAA",
            "members": f"{four}, {six}",
        },
    )


@card(
    code="DNS006",
    name="answer-flips",
    title="DNS answers change",
    impact=ImpactKind.SESSIONS_LOST,
    severity=Severity.CRITICAL,
    owner=Owner.DNS,
    summary="Each answer has one address, and not always the same one.",
    why="A name server that picks the address itself (a global load balancer, a script) sends clients now to one "
    "member and now to another, as often as the record's time to live runs out. It is round robin that a look at a "
    "single answer does not show, and sessions, logins and web mail break at each change.",
    remedy="1. Set the name server (global load balancer) to failover: one address, as long as that one works.\n"
    "2. Or publish one address, of a load balancer with persistence.",
    seen_by="One server gave different single addresses within one burst of eight queries. Caching resolvers hide "
    "this, so the zone's own name servers are asked directly where they can be reached. Answers of two servers are "
    "never compared for this, and a cached answer that ran out and was replaced once does not count: that may be a "
    "change made by hand at that moment.",
    references=(refs.KB_ROUND_ROBIN, refs.KB_156803),
)
def answer_flips(context: RuleContext) -> Answers:
    found = [own for _, how, own in _families(context) if how is Rotation.FLIPS]
    if not found or context.target.fqdn_is_address:
        unchanging = _unchanging(context)
        if unchanging is not None:
            yield unchanging
        return
    answers = [answer for own in found for answer in own]
    addresses = sorted({address for answer in answers for address in answer.records})
    servers = _changing_at(context, (Rotation.FLIPS,))
    yield Hit(
        subject=context.fqdn_subject,
        summary=f"{servers} gives {context.fqdn} one address at a time, and not always the same one: "
        f"{listed(addresses)}.",
        evidence=ids(answers),
        args={"addresses": listed(addresses), "servers": servers},
    )


# --- servers that differ, and time -------------------------------------------------------------------------


@card(
    code="DNS007",
    name="resolvers-disagree",
    title="DNS servers disagree",
    severity=Severity.WARNING,
    severity_note="critical where nothing serves at an address that only some of them give",
    owner=Owner.DNS,
    summary="Resolvers of this desktop, or name servers of the zone, give different sets of addresses.",
    why="Which server a client reaches depends on which resolver answers it first. One of them holds an older "
    "answer, another view of the zone, or a zone that was not transferred; after a failover by DNS some clients then "
    "stay with the dead server.",
    remedy="1. If the record was changed a moment ago, wait for its time to live and look again.\n"
    "2. Compare the zone's serial number on all its name servers, and fix the zone transfer.\n"
    "3. Compare views and forwarders of the resolvers; internal ones should all have the internal view.",
    seen_by="The union of each server's addresses, per family, is compared among the resolvers, and among the zone's "
    "own servers; never the ones with the others, since caches may lag behind. Not judged where every server changes "
    "its set from answer to answer (DNS004).",
    references=(refs.RFC_1034,),
    needs=ANSWERS,
)
def resolvers_disagree(context: RuleContext) -> Answers:
    groups = {
        "resolvers": resolver_answers(context),
        "name servers of the zone": tuple(
            a for a in context.of(DnsAnswer) if a.role == "authority" and "AA" in a.flags
        ),
    }
    compared = False
    for what, answers in groups.items():
        for kind in FAMILY_NAMES:
            own = [a for a in answers if a.record_type == kind and a.rcode in TRUTH]
            sets = _sets_by_server(own)
            if len(sets) < 2:
                continue
            if any(one.rotation is Rotation.SUBSET for one in context.analysis.dns.resolvers):
                yield NotObserved("the set changes from answer to answer anyway")
                return
            compared = True
            if len(set(sets.values())) > 1:
                yield _disagreement(context, what, kind, sets, own)
    if not compared:
        yield NotObserved("fewer than two name servers answered, so there was nothing to compare")


def _sets_by_server(answers: Iterable[DnsAnswer]) -> dict[str, frozenset[str]]:
    sets: dict[str, frozenset[str]] = {}
    for answer in answers:
        sets[answer.server] = sets.get(answer.server, frozenset()) | frozenset(answer.records)
    return sets


def _disagreement(
    context: RuleContext, what: str, kind: str, sets: dict[str, frozenset[str]], answers: Sequence[DnsAnswer]
) -> Hit:
    words = [f"{server} says {listed(sorted(given))}" for server, given in sets.items()]
    dead = _dead_of_some(context, sets)
    told_by = listed(server for server, given in sets.items() if dead & given)
    there = f"; nothing serves at {listed(sorted(dead))}" if dead else ""
    return Hit(
        subject=context.fqdn_subject,
        severity=Severity.CRITICAL if dead else None,
        impact=ImpactKind.SOME_FAIL if dead else None,
        summary=f"The {what} differ about {context.fqdn} ({kind}): {'; '.join(words[:4])}{there}.",
        remedy=_STALE[what].format(servers=told_by, addresses=listed(sorted(dead))) if dead else None,
        evidence=ids(answers),
        args={"type": kind, "who": what, "answers": "; ".join(words[:8])},
        facts=Facts(fails=tuple(sorted(dead))),
    )


_STALE = {
    "resolvers": "1. Flush the name from the cache of {servers}, which gives {addresses}.\n"
    "2. If it stays, compare the views and forwarders of the resolvers; internal ones should all have the internal "
    "view.",
    "name servers of the zone": "1. Repair the zone transfer to {servers}, which still gives {addresses}: compare "
    "the SOA serial numbers, and raise the primary's where it is not the highest.\n"
    "2. Then flush the name from the caches of the resolvers.",
}


def _dead_of_some(context: RuleContext, sets: Mapping[str, frozenset[str]]) -> set[str]:
    """The addresses that only some servers give and where nothing serves, if something serves at the others'."""
    given = set[str]().union(*sets.values())
    states = {place.address: place.reach for place in context.fqdn_places if place.address in given}
    dead = {a for a, reach in states.items() if reach in (Reach.NO_CONNECTION, Reach.NO_TLS)}
    serves = any(reach in (Reach.SERVES, Reach.NO_HTTP) for reach in states.values())
    return dead - frozenset.intersection(*sets.values()) if serves else set()


def _failover_by_dns(context: RuleContext) -> bool:
    return context.target.failover is Failover.DNS


@card(
    code="DNS008",
    name="ttl-delays-failover",
    title="DNS time to live too long for failover",
    impact=ImpactKind.NO_REDUNDANCY,
    severity=Severity.WARNING,
    owner=Owner.DNS,
    summary="Failover is done by changing the DNS record, and its time to live keeps clients on the old one.",
    why="When a member dies and the record is pointed elsewhere, resolvers and desktops go on using the address they "
    "have until its time to live runs out. For that long clients stay with a dead server, cannot fetch policy, and "
    "may not be able to send mail.",
    remedy="1. Lower the TTL of the record, and of every alias on the way, to 60 to 300 seconds.\n"
    "2. After a change, `ipconfig /flushdns` empties a desktop's cache at once.",
    seen_by='Only judged where the profile says `failover = "dns"`; the threshold is `ttl_warning_s`. The zone\'s '
    "own servers tell the full time to live; a resolver's cache tells what is left of it, which proves a long one "
    "and never a short one.",
    references=(refs.KB_156803, refs.RFC_1035),
    needs=(need(_failover_by_dns, "failover is not by DNS, as far as the profile says"), *ANSWERS),
)
def ttl_delays_failover(context: RuleContext) -> Answers:
    answers = [own for _, _, group in _families(context) for own in group]
    full = [own for own in answers if "AA" in own.flags]
    ttl_s = max((_longest_s(own) for own in full or answers), default=None)
    limit_s = context.target.thresholds.ttl_warning_s
    if ttl_s is None:
        yield NotObserved("no answer had an address")
    elif ttl_s > limit_s:
        least = "" if full else "at least "
        yield Hit(
            subject=context.fqdn_subject,
            summary=f"After a change of {context.fqdn} in DNS, clients may stay with a dead server for "
            f"{least}{_duration(ttl_s)} (time to live {ttl_s} s; {limit_s} s is the limit).",
            evidence=ids(full or answers),
            args={"ttl_s": str(ttl_s), "limit_s": str(limit_s), "full": "yes" if full else "no"},
        )
    elif not full:
        yield NotObserved(
            f"no authoritative server was reached, and what is left in caches ({ttl_s} s) says nothing of the whole"
        )


def _longest_s(answer: DnsAnswer) -> int:
    """The time for which a cache may hold the address or an alias on the way to it."""
    return max([answer.ttl_s or 0, *(hop.ttl_s for hop in answer.cname)])


def _duration(seconds: int) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}s"
    return f"{seconds} seconds"
