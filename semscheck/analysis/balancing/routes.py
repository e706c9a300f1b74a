"""Cookies by their values: what names a member by itself, whatever the cookie is called.

A balancer's cookie has few values over new connections; a session cookie has a new one each time, of which a part
may stay: the keyword that a balancer puts before it, or the route that a server puts after it. Groups count where
they come back after one another: a part that changes with time (a date) never does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from semscheck.analysis.balancing.cookies import without_dates
from semscheck.analysis.balancing.ticket_keys import comes_back

LEAST = 6  # values, below which nothing is said of groups
MOST_GROUPS = 8
_SHORT = re.compile(r"[\x21-\x7e]{1,160}")
# Names that administrators give to such cookies, from the balancers' manuals: Apache mod_proxy_balancer, Caddy,
# HAProxy, nginx, Traefik.
_CUSTOMARY = re.compile(
    r"route(?:id)?|balance[ri]?d?|lb|server_?id|srv(?:_?id|name)?|node(?:_?id)?|backend|sticky|affinity|_[0-9a-f]{5}",
    re.IGNORECASE,
)
_PART = re.compile(r"[A-Za-z0-9_:-]{1,64}")


def values_that_name(name: str, values: Sequence[str]) -> Mapping[str, str]:
    """Each value of a cookie to what it names; empty where the values do not. An application may set few values too
    (a language, an experiment's branch): words without a digit name a server only under a name that balancers use."""
    found = {value: without_dates(value) for value in values}
    if not all(_SHORT.fullmatch(each) for each in found.values()):
        return {}
    customary = _CUSTOMARY.fullmatch(name) is not None
    if not customary and not all(re.search(r"\d", each) for each in found.values()):
        return {}
    if len(values) >= LEAST and customary and len(set(found.values())) == 1:
        return found
    return found if _is_grouping([found[value] for value in values]) else {}


def parts_that_name(values: Sequence[str]) -> Mapping[str, str]:
    """Each value of a session cookie to the part of it that stays; empty where none does, or the rest is not new each
    time."""
    if len(set(values)) < len(values):
        return {}
    for part in _PARTS:
        found = {value: named for value in values if (named := part(value)) is not None}
        if len(found) == len(values) and _is_grouping([found[value] for value in values]):
            return found
    return {}


def _after(value: str) -> str | None:
    """What stands after the last dot or exclamation mark: Tomcat's jvmRoute, and the like."""
    part = re.split(r"[.!]", value)[-1]
    return part if part != value and _PART.fullmatch(part) else None


def _before(value: str) -> str | None:
    """What stands before the first tilde: HAProxy's prefix."""
    part, tilde, _ = value.partition("~")
    return part if tilde and _PART.fullmatch(part) else None


_PARTS: tuple[Callable[[str], str | None], ...] = (_before, _after)


def _is_grouping(named: Sequence[str]) -> bool:
    """Few groups, of which one comes back after another."""
    return (
        len(named) >= LEAST
        and 2 <= len(set(named)) <= min(MOST_GROUPS, len(named) // 2)
        and comes_back(named)
    )
