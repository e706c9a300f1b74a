"""Whose a finding is, where the place says it better than the rule's card.

Cards name one owner for a rule. What is wrong at a load balancer's address alone, while members do serve when they
are asked directly, is not for the members' administrator to mend first.
"""

from __future__ import annotations

from semscheck.model.analysis import EndpointStatus, Separation, Termination
from semscheck.model.findings import Card, InFront, Owner
from semscheck.rules.context import RuleContext
from semscheck.rules.remedies import INSTALL, for_name, say, steps, vendor_words
from semscheck.rules.rule import Hit

SILENT_IN_FRONT = (
    "1. Check at the load balancer that the virtual server is up, and at least one server of its pool.\n"
    "2. If this desktop and the servers share a network, turn on source NAT (SNAT): a server may answer the client "
    "directly, bypassing the load balancer, and the client discards that.\n"
    "3. Look for a firewall between this network and the load balancer's address."
)
NO_TLS_IN_FRONT = (
    "1. Turn off the PROXY protocol for this pool (HAProxy: `send-proxy`): servers that do not expect its header "
    "answer it in plain HTTP; asked directly, they speak TLS.\n"
    "2. Check that the pool uses the servers' HTTPS port, and that TLS passes through or ends on purpose."
)

SERVERS_DOWN = (
    "1. Start the services on the servers: none of them answers when it is asked directly.\n"
    "2. If they run, look for what keeps this desktop and the load balancer from them.\n"
    "3. Give the pool a health check, so that the load balancer knows while no server is up."
)


_SEPARATED = {
    InFront.SILENCE: (Separation.BALANCER, SILENT_IN_FRONT),
    InFront.NO_TLS: (Separation.TLS_IN_FRONT, NO_TLS_IN_FRONT),
}
# What keeps every client out there: the state of the virtual server and of its pool tells more than any setting.
_OF_THE_POOL = (InFront.POOL, InFront.POOL_UNLESS_SAID, InFront.NO_TLS)


def _at_balancer(context: RuleContext, place: EndpointStatus) -> str:
    """What to do where members serve and the load balancer's address does not."""
    path = next((p for p in context.analysis.paths if p.address == place.address), None)
    words = vendor_words(context.target, path)
    return steps(
        f"Check that the load balancer's virtual server at {place.address} is up, and which servers its pool has.",
        f"Look at {words.states}.",
        say(words.health),
    )


def _place(hit: Hit, context: RuleContext) -> EndpointStatus | None:
    """The balancer's address that the hit is about, and nothing else; None otherwise."""
    about = hit.subject
    if about.kind != "address":
        return None
    known = (p for p in context.places if (p.address, p.port) == (about.address, about.port))
    return next((p for p in known if p.balancer and not p.client_of and not p.replication_of), None)


def _members_serve(context: RuleContext) -> bool:
    return any(p.stands_by and p.serves for p in context.places)


def _where_tls_ends(card: Card, context: RuleContext, place: EndpointStatus) -> bool:
    """Is what TLS carries the load balancer's there? A certificate is only where TLS is known to end in front."""
    path = context.path_at(place)
    ends = path.termination if path is not None else Termination.UNKNOWN
    if card.family == "CRT" or card.in_front is InFront.KNOWN_END_OF_TLS:
        return ends is Termination.TERMINATED
    return ends is not Termination.PASS_THROUGH


def settled(card: Card, hit: Hit, context: RuleContext) -> tuple[Owner, str]:
    """The owner and the remedy of a finding, from those of its rule."""
    owner, remedy = hit.owner or card.owner, for_name(hit.remedy or card.remedy, context.target)
    place = _place(hit, context)
    if place is not None and card.with_servers and context.all_down:
        return Owner.SERVER, SERVERS_DOWN
    if place is None or not _members_serve(context):
        return owner, remedy
    separation, advice = _SEPARATED.get(card.in_front, (None, ""))
    if separation is not None and context.separated(separation, place.address):
        return Owner.BALANCER, advice
    said = card.in_front is InFront.POOL_UNLESS_SAID and hit.owner is not None
    if owner is not Owner.SERVER or card.in_front is InFront.CARD or said:
        return owner, remedy
    return _of_balancer(card, context, place, remedy)


def _of_balancer(card: Card, context: RuleContext, place: EndpointStatus, remedy: str) -> tuple[Owner, str]:
    if card.in_front in _OF_THE_POOL:
        return Owner.BALANCER, _at_balancer(context, place)
    if not _where_tls_ends(card, context, place):
        return Owner.SERVER, remedy
    return Owner.BALANCER, remedy.replace(INSTALL, "Install it on the load balancer, where TLS ends.")
