"""What the DNS rules look at: the answers that count, and how they are spoken of."""

from __future__ import annotations

from collections.abc import Iterable

from semscheck.model.addresses import is_contacted
from semscheck.model.analysis import Reach, ResolverAnalysis
from semscheck.model.findings import Subject
from semscheck.model.observations import DnsAnswer, HostsFile
from semscheck.rules.context import RuleContext
from semscheck.rules.rule import need

AN_ADDRESS = "an IP address was given, so there is no name to look up"
TRUTH = ("NOERROR", "NXDOMAIN")
MAX_EVIDENCE = 24
FLUSH = "Unbound: `unbound-control flush NAME`; BIND: `rndc flushname NAME`; Windows: `Clear-DnsServerCache`."


def resolver_answers(context: RuleContext) -> tuple[DnsAnswer, ...]:
    """What the resolvers said of the FQDN itself."""
    return tuple(a for a in context.of(DnsAnswer) if a.role == "resolver" and a.purpose == "fqdn")


def told(context: RuleContext) -> tuple[DnsAnswer, ...]:
    """Those of them that say something: the name has such records, or has none, or does not exist."""
    return tuple(answer for answer in resolver_answers(context) if answer.rcode in TRUTH)


def ids(answers: Iterable[DnsAnswer]) -> tuple[str, ...]:
    return tuple(answer.id for answer in answers)[:MAX_EVIDENCE]


def of_zone(context: RuleContext) -> tuple[DnsAnswer, ...]:
    """What the zone's own servers said with authority."""
    return tuple(a for a in context.of(DnsAnswer) if a.role == "authority" and "AA" in a.flags)


def zone_records(context: RuleContext, *kinds: str) -> tuple[str, ...]:
    given = (a for a in of_zone(context) if a.record_type in kinds)
    return addresses_in(given)


def addresses_in(answers: Iterable[DnsAnswer]) -> tuple[str, ...]:
    """All their records, each once, in the order received."""
    return tuple(dict.fromkeys(address for answer in answers for address in answer.records))


def by_server(answers: Iterable[DnsAnswer]) -> dict[str, list[DnsAnswer]]:
    found: dict[str, list[DnsAnswer]] = {}
    for answer in answers:
        found.setdefault(answer.server, []).append(answer)
    return found


def server_subject(server: str, name: str = "", *, port: bool = False) -> Subject:
    """A name server as subject. server: "address:port"; name: what it is called, where it has a name."""
    address, _, end = server.rpartition(":")
    number = int(end) if port and end.isascii() and end.isdigit() else None
    return Subject("resolver", name or server, address.strip("[]") or None, number)


def found_by_system(context: RuleContext) -> tuple[str, ...]:
    """Addresses of servers that this desktop finds by whatever means; 0.0.0.0 and the like are none."""
    return tuple(a for a in context.analysis.dns.system if is_contacted(a, context.target))


def found_by_suffix(context: RuleContext) -> tuple[DnsAnswer, ...]:
    return tuple(a for a in context.of(DnsAnswer) if a.purpose == "suffix" and a.records)


A_NAME = need(lambda context: not context.target.fqdn_is_address, AN_ADDRESS)
ANSWERS = (A_NAME, need(lambda context: told(context) or found_by_suffix(context), "no name server answered"))


def servers_here(context: RuleContext) -> tuple[ResolverAnalysis, ...]:
    """The servers whose addresses clients here get; not those that hold another view of the zone."""
    here = set(context.analysis.dns.addresses)
    return tuple(
        one
        for one in context.analysis.dns.resolvers
        if any(here.intersection(answer.addresses) for answer in (*one.answers_v4, *one.answers_v6))
    )


def pinned_addresses(context: RuleContext) -> set[str]:
    """What the hosts file of this desktop gives for the FQDN."""
    names = {context.target.fqdn, context.target.fqdn_shown.lower()}
    return {
        entry.address
        for one in context.of(HostsFile)
        for entry in one.entries
        if not names.isdisjoint(name.lower().rstrip(".") for name in entry.names)
    }


def serve_nobody(context: RuleContext, addresses: Iterable[str]) -> tuple[str, ...]:
    """The addresses that programs of this desktop get in place of DNS's, if nothing serves there; else none."""
    own = tuple(dict.fromkeys(addresses))
    by_dns = {address for answer in context.of(DnsAnswer) for address in answer.records}
    alive = {place.address for place in context.fqdn_places if place.reach in (Reach.SERVES, Reach.NOT_TRIED)}
    tried = {place.address for place in context.fqdn_places}
    dead = all(
        one not in by_dns | alive and (one in tried or not is_contacted(one, context.target)) for one in own
    )
    return own if dead else ()
