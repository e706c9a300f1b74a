"""What the controls of one kind of token allow: does recognition name a member here?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from semscheck.model.observations import Control


@dataclass(frozen=True, slots=True)
class ControlResult:
    """What the controls of one kind of token allow. groups: member -> label (several names where they share)."""

    usable: bool
    why: str
    groups: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str | None] = frozenset()


def worth(controls: Iterable[Control], token: str, members: Sequence[str]) -> ControlResult:
    """Judge the controls: each issuer must know its own token, and no other member may know it.

    Members that share keys become one group with a common label. With one group for all of several members,
    or with no member that knows its own token, the token says nothing here. Cookies are judged name by name,
    since a page may set one that is a session and another that every member accepts.
    """
    relevant = [c for c in controls if c.token == token and c.made_up_of is None]
    by_name: dict[str | None, list[Control]] = defaultdict(list)
    for control in relevant:
        by_name[control.name].append(control)
    if not by_name:
        seen = (
            "no page was seen to set a session cookie"
            if token == "cookie"
            else "no TLS session was given to compare"
        )
        return ControlResult(False, seen)
    judged = {name: _worth_of_one(each, token, members) for name, each in by_name.items()}
    good = {name: value for name, value in judged.items() if value.usable}
    if not good:
        return next(iter(judged.values()))
    best = max(good.values(), key=lambda value: len(set(value.groups.values())))
    names = frozenset(name for name, value in good.items() if value.groups == best.groups)
    return ControlResult(True, "", best.groups, names)


def _worth_of_one(controls: Sequence[Control], token: str, members: Sequence[str]) -> ControlResult:
    own = [control for control in controls if control.issuer == control.shown_to]
    # Known once and unknown another time: something stands between, and recognition says nothing.
    sure = {c.issuer for c in own if c.recognised} - {c.issuer for c in own if c.recognised is False}
    if not sure:
        return ControlResult(False, _no_own(own, token))
    shared: dict[str, set[str]] = {name: {name} for name in sure}
    for control in controls:
        if control.issuer != control.shown_to and control.recognised:
            union = shared.setdefault(control.issuer, {control.issuer}) | shared.setdefault(
                control.shown_to, {control.shown_to}
            )
            for each in union:
                shared[each] = union
    together = {name: tuple(each for each in members if each in shared[name]) for name in sorted(sure)}
    groups = {name: " or ".join(each) or name for name, each in together.items()}
    first = next(iter(together.values()))
    if len(first) > 1 and set(together.values()) == {first}:
        return ControlResult(False, f"{' and '.join(first)} accept each other's TLS sessions", groups)
    return ControlResult(True, "", groups)


def _no_own(own: Sequence[Control], token: str) -> str:
    if not any(control.issuer for control in own) and any(control.recognised for control in own):
        return "a session is known to some requests and unknown to others"
    if all(control.recognised is None for control in own):
        return "no member's client interface could be reached"
    if token == "tls":
        return "the members do not resume TLS sessions that they gave themselves"
    return "the members do not recognize session cookies that they gave themselves"
