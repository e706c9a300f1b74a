"""Whose a finding is, where the place says it better than the rule's card.

Cards name one owner for a rule. What is wrong at a load balancer's address alone, while members do serve when they
are asked directly, is not for the members' administrator to mend first.
"""

from __future__ import annotations

from semscheck.model.analysis import EndpointStatus, Reach, Separation, Termination
from semscheck.model.findings import Owner
from semscheck.rules.context import RuleContext
from semscheck.rules.rule import Hit

AT_BALANCER = (
    "Servers of the cluster serve when they are asked directly, so begin at the load balancer: what listens at this "
    "address, and which servers its pool holds."
)
SILENT_IN_FRONT = (
    "1. Look at the load balancer first: is the virtual server up, and has its pool a server that is?\n"
    "2. If this desktop and the servers share a network, a server may answer the client directly, bypassing the load "
    "balancer, and the client discards that answer: switch source NAT (SNAT) on, or make the load balancer the "
    "servers' gateway, so that the return traffic passes it.\n"
    "3. Then look for a firewall between this network and the load balancer's address."
)
NO_TLS_IN_FRONT = (
    "Every server speaks TLS when it is asked directly, so that what the load balancer sends or where it sends it is "
    "wrong:\n"
    "1. Switch off the PROXY protocol for this pool (HAProxy: `send-proxy`), which the servers do not expect.\n"
    "2. Check that the pool uses the servers' HTTPS port, and that TLS is passed through or ended on purpose."
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
    if place is None or not _members_serve(context):
        return owner, remedy
    if code in ("NET002", "NET003") and context.separated(Separation.BALANCER, place.address):
        return Owner.BALANCER, SILENT_IN_FRONT
    if code == "TLS001" and context.separated(Separation.TLS_IN_FRONT, place.address):
        return Owner.BALANCER, f"{NO_TLS_IN_FRONT} {remedy}"
    if owner is not Owner.SERVER or code == "CLU009":
        return owner, remedy
    if code.startswith("CRT") or code == "TLS007":
        return (Owner.BALANCER, f"{ENDS_THERE} {remedy}") if _ends_tls(place, context) else (owner, remedy)
    return Owner.BALANCER, f"{AT_BALANCER} {remedy}"
