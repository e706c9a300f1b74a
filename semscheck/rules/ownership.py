"""Whose a finding is, where the place says it better than the rule's card.

Cards name one owner for a rule. What is wrong at a load balancer's address alone, while members do serve when they
are asked directly, is not for the members' administrator to mend first.
"""

from __future__ import annotations

from semscheck.model.analysis import EndpointStatus, Reach, Termination
from semscheck.model.findings import Owner
from semscheck.rules.context import RuleContext
from semscheck.rules.rule import Hit

AT_BALANCER = (
    "Servers of the cluster serve when they are asked directly, so begin at the load balancer: what listens at this "
    "address, and which servers its pool holds."
)
ENDS_THERE = (
    "TLS ends in front of the servers here, so what has to be installed belongs on the load balancer."
)


def _place(hit: Hit, context: RuleContext) -> EndpointStatus | None:
    """The balancer's address that the hit is about, and nothing else; None otherwise."""
    about = hit.subject
    if about.kind != "address":
        return None
    known = (p for p in context.places if (p.address, p.port) == (about.address, about.port))
    return next((p for p in known if p.balancer and not p.client_of and not p.replication_of), None)


def _members_serve(context: RuleContext) -> bool:
    return any(p.client_of and not p.fqdn and p.reach is Reach.SERVES for p in context.places)


def _ends_tls(place: EndpointStatus, context: RuleContext) -> bool:
    return any(
        (path.address, path.port) == (place.address, place.port)
        and path.termination is Termination.TERMINATED
        for path in context.analysis.paths
    )


def settled(code: str, owner: Owner, remedy: str, hit: Hit, context: RuleContext) -> tuple[Owner, str]:
    """The owner and the remedy of a finding, from those that its rule gave.

    A certificate is the balancer's only where TLS is known to end there: passed through, it is a member's.
    """
    place = _place(hit, context)
    if owner is not Owner.SERVER or place is None or not _members_serve(context):
        return owner, remedy
    if code.startswith("CRT") or code == "TLS007":
        return (Owner.BALANCER, f"{ENDS_THERE} {remedy}") if _ends_tls(place, context) else (owner, remedy)
    return Owner.BALANCER, f"{AT_BALANCER} {remedy}"
