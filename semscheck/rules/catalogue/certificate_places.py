"""Rules about which interface presents which certificate: each server's own, the clients', the balancer's."""

from __future__ import annotations

from semscheck.model.analysis import EndpointStatus
from semscheck.model.findings import Confidence, ImpactKind, Owner, Subject
from semscheck.model.names import (
    is_wildcard,
)
from semscheck.model.observations import Certificate
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.certificates import (
    AT_MOST_WARNING,
    CLIENTS_NAME,
    covering,
    fails_name,
    names_of,
)
from semscheck.rules.catalogue.presented import (
    Presented,
    at,
    at_clients,
    at_interfaces_1,
    certificate_hit,
    presented,
    title,
    unseen,
    where,
)
from semscheck.rules.context import RuleContext, listed, sentence_start
from semscheck.rules.rule import Answers, Hit, NotObserved, card, need

# --- which interface presents which ------------------------------------------------------------------------


def _replication_unseen(context: RuleContext, found: tuple[Presented, ...]) -> Answers:
    seen = {name for one in found for place in one.places for name in place.replication_of}
    wanted = [member.name for member in context.target.members if member.replication]
    absent = [name for name in wanted if name not in seen]
    if not wanted:
        yield NotObserved("no replication interface (Interface 1) is known")
    elif absent:
        yield NotObserved(f"no certificate came from Interface 1 of {listed(absent)}")


@card(
    code="CRT012",
    name="replication-not-unique",
    title="Servers share an Interface 1 certificate",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="Two members present one certificate on their replication interfaces (Interface 1).",
    why="The vendor asks for a certificate of its own on each member's Interface 1, with the member's own name. With "
    "a shared one, members and administrators cannot tell which member answered.",
    remedy="Give each member's Interface 1 a certificate whose Common Name is that member's own name.",
    seen_by="The fingerprints of the certificates on Interface 1, read on the given port, the target's, or 444.",
    references=(refs.KB_156803, refs.KB_154069),
)
def replication_not_unique(context: RuleContext) -> Answers:
    found = at_interfaces_1(context)
    for one in found:
        members = tuple(dict.fromkeys(name for place in one.places for name in place.replication_of))
        if len(members) < 2:
            continue
        yield certificate_hit(
            one,
            context,
            f"Interface 1 of {listed(members)} presents one certificate, {title(one.certificate)}.",
            {"members": ", ".join(members)},
            subject=Subject("cluster", context.target.fqdn),
        )
    yield from _replication_unseen(context, found)


@card(
    code="CRT013",
    name="replication-name-mismatch",
    title="Interface 1 certificate has the wrong name",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The certificate on Interface 1 does not cover its member's own name.",
    why="The vendor asks that the certificate on Interface 1 carries the member's own name. Replication between "
    "members compares it.",
    remedy="Give the member's Interface 1 a certificate whose Common Name is the member's own name, or correct the "
    "member's name in the profile.",
    seen_by="Common Name and subject alternative names of the certificate on Interface 1 against the member's name "
    "in the profile.",
    references=(refs.KB_156803, refs.KB_157246, refs.KB_154069),
)
def replication_name_mismatch(context: RuleContext) -> Answers:
    found = at_interfaces_1(context)
    for one in found:
        if one.certificate.names_unread:
            yield NotObserved(f"the names in the certificate at {at(one, context)} do not parse")
            continue
        for place in one.places:
            for name in place.replication_of:
                if not covering(one.certificate, name):
                    yield _not_its_own(one, place, name, context)
    yield from _replication_unseen(context, found)


def _not_its_own(one: Presented, place: EndpointStatus, name: str, context: RuleContext) -> Hit:
    return certificate_hit(
        one,
        context,
        f"The certificate on Interface 1 of {name} is for {names_of(one.certificate)}, not for {name}.",
        {"expected": name},
        subject=Subject("member", name, place.address, place.port),
    )


@card(
    code="CRT014",
    name="interfaces-share",
    title="One certificate on both interfaces",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="A member presents one certificate on Interface 1 and Interface 2.",
    why="The vendor asks for a certificate of its own on Interface 1 and for the clients' certificate on Interface "
    "2. One certificate with all names works (KB 157246), but renewing it then touches clients and replication at "
    "once; one address for both interfaces means that clients use the replication interface.",
    remedy="Give Interface 1 a certificate for the member's own name and Interface 2 the clients' certificate; use "
    "two addresses.",
    seen_by="The fingerprints of what the member presents on both interfaces.",
    references=(refs.KB_156803, refs.KB_157246, refs.KB_154069),
)
def interfaces_share(context: RuleContext) -> Answers:
    replication, clients = at_interfaces_1(context), at_clients(context)
    at_client = {one.certificate.fingerprint: one for one in clients}
    for one in replication:
        other = at_client.get(one.certificate.fingerprint)
        if other is None:
            continue
        own = {name for place in one.places for name in place.replication_of}
        shared = tuple(
            name for place in other.places for name in dict.fromkeys(place.client_of) if name in own
        )
        for name in dict.fromkeys(shared):
            yield _shares(one, other, name, context)
    yield from _replication_unseen(context, replication)
    yield from unseen(context, clients)


def _shares(one: Presented, other: Presented, name: str, context: RuleContext) -> Hit:
    place = next(place for place in other.places if name in place.client_of)
    same_address = any(place.address == own.address for own in one.places if name in own.replication_of)
    how = (
        "has one address for both interfaces"
        if same_address
        else "presents one certificate on both interfaces"
    )
    return certificate_hit(
        one,
        context,
        f"{name} {how}: {title(one.certificate)}.",
        {"member": name},
        subject=Subject("member", name, place.address, place.port),
        evidence=tuple(dict.fromkeys((*one.evidence, *other.evidence))),
    )


@card(
    code="CRT015",
    name="interfaces-swapped",
    title="A server's own certificate where clients connect",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=AT_MOST_WARNING,
    owner=Owner.SERVER,
    summary="What serves clients presents a member's own certificate: it covers the member's name and not the "
    "clients' FQDN.",
    why="The certificate of Interface 1 is on Interface 2, the two interfaces are swapped, or the name or the load "
    "balancer leads to Interface 1. Clients compare names and refuse or warn.",
    remedy="1. On the server, assign the clients' certificate to Interface 2 and its own to Interface 1.\n"
    "2. Check that the FQDN and the load balancer lead to Interface 2.",
    seen_by="The certificate's names against the FQDN and against the members' names in the profile.",
    references=(refs.KB_156803, refs.KB_154069),
    needs=(CLIENTS_NAME, need(lambda context: context.target.members, "no member's name is known")),
)
def interfaces_swapped(context: RuleContext) -> Answers:
    found = at_clients(context)
    for one in found:
        if not fails_name(one.certificate, context):
            continue
        owner = _own_of(one.certificate, context)
        if owner is None:
            continue
        yield certificate_hit(
            one,
            context,
            f"{sentence_start(at(one, context))} presents {owner}'s own certificate, not one for {context.fqdn}.",
            {"members": owner, "expected": context.target.fqdn},
            remedy=_POOL if all(place.in_front for place in one.places) else None,
        )
    yield from unseen(context, found)


_POOL = (
    "1. Point the load balancer's pool at Interface 2 of the servers, not at Interface 1.\n"
    "2. If it does point there, assign the clients' certificate to Interface 2 on that server."
)


def _own_of(certificate: Certificate, context: RuleContext) -> str | None:
    """The one member whose own certificate it is: it names that member, no other, and by no wildcard."""
    owners = {
        member.name
        for member in context.target.members
        if any(not is_wildcard(name) for name in covering(certificate, member.name))
    }
    return owners.pop() if len(owners) == 1 else None


def _in_front(context: RuleContext) -> tuple[Presented, ...]:
    return presented(context, (place for place in context.places if place.in_front))


def _on_members(context: RuleContext) -> tuple[Presented, ...]:
    return presented(context, (place for place in context.places if place.client_of))


@card(
    code="CRT018",
    name="balancer-differs",
    title="Load balancer presents another certificate",
    severity=Severity.WARNING,
    severity_note="likely only, while a member's certificate could not be seen: it may be that one's",
    owner=Owner.BALANCER,
    summary="The certificate at the load balancer address is on none of the servers.",
    why="The load balancer (or something else in front) ends TLS with a certificate of its own, or it leads to "
    "machines that the profile does not name. A renewal on the members then changes nothing for clients, and the "
    "load balancer's certificate expires by itself.",
    remedy="1. Find out whether TLS is meant to end at the load balancer.\n"
    "2. If so, renew its certificate whenever the servers' is renewed.\n"
    "3. If not, pass TLS through (TCP mode), as the vendor's guidance assumes, and check the pool's addresses.",
    seen_by="Fingerprints at the load balancer addresses against those on both interfaces of all members.",
    references=(refs.KB_156803,),
    needs=(
        need(lambda context: any(place.in_front for place in context.places), "there is no balancer"),
        need(_in_front, "no balancer address presented a certificate"),
        need(_on_members, "no member's client interface presented a certificate to compare with"),
    ),
)
def balancer_differs(context: RuleContext) -> Answers:
    on_members = {one.certificate.fingerprint for one in (*_on_members(context), *at_interfaces_1(context))}
    absent = tuple(place for place in context.places if place.client_of and place.certificate is None)
    unseen_at = f" (none was seen at {where(absent, context)})" if absent else ""
    for one in _in_front(context):
        if one.certificate.fingerprint not in on_members:
            yield certificate_hit(
                one,
                context,
                f"The certificate {title(one.certificate)} at {at(one, context)} is on none of the servers"
                f"{unseen_at}.",
                confidence=Confidence.LIKELY if absent else Confidence.CERTAIN,
            )
