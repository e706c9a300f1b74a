"""To which member each address of the FQDN leads, where nearly all of its connections go to one."""

from __future__ import annotations

from collections.abc import Mapping

from semscheck.model.analysis import BalancingPath, Method, Persistence
from semscheck.rules.context import RuleContext

HALF = 0.5


def led_to(context: RuleContext) -> dict[str, str]:
    """Address of the FQDN -> the profile's member that answers all its connections, or by far the most.

    An address is left out where that is not known: no member of the profile was recognised, connections are spread
    evenly, or this desktop's own addresses are served by several.
    """
    sampled = {path.address: path for path in context.analysis.paths}
    known = {member.name for member in context.target.members}
    found: dict[str, str] = {}
    for place in context.fqdn_places:
        path = sampled.get(place.address)
        name = _main(path) if path is not None else None
        if path is None and len(place.client_of) == 1:
            name = place.client_of[0]  # the member's own interface, with nothing in front
        if name in known:
            found[place.address] = str(name)
    return found


def _main(path: BalancingPath) -> str | None:
    if not path.members or path.persistence is Persistence.SOURCE_ADDRESS:
        return None
    most = path.members[0]
    if path.method is Method.SINGLE:
        return most.name
    return most.name if path.method is Method.WEIGHTED and most.share_low > HALF else None


def apart(led: Mapping[str, str]) -> bool:
    """Do addresses lead to different members?"""
    return len(set(led.values())) > 1


def in_words(led: Mapping[str, str]) -> str:
    """ "192.0.2.100 leads to sems1.example.com, 192.0.2.101 to sems2.example.com"."""
    words = [
        f"{address} {'leads ' if not at else ''}to {name}" for at, (address, name) in enumerate(led.items())
    ]
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")
