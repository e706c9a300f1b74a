"""What reports of 0.1.0 say in the words of a text, and later ones in a field: read into that field."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from semscheck.model.analysis import BalancingPath
from semscheck.model.findings import Finding
from semscheck.model.observations import AnyObservation, Certificate, Control, Sample, ShownAs
from semscheck.model.target import Endpoint

_PLACE = re.compile(r"(?:^|[ (\[])([0-9A-Fa-f.:]{2,45})\]?:(\d{1,5})(?=$|[),])")
_NAMES_IN = ("certificate:", "subject:", "extensions:", "subjectAltName:")
_SHOWN_AS: dict[tuple[str, ...], ShownAs] = {
    ("", "(made up)"): "before",
    ("(made up)", ""): "after",
    ("(quoted)",): "quoted",
    ("(encoded)",): "encoded",
}


def _certificate(seen: Certificate) -> Certificate:
    unread = any(
        problem.startswith(_NAMES_IN) or "alternative names were left out" in problem
        for problem in seen.problems
    )
    return replace(seen, names_unread=True) if unread and not seen.names_unread else seen


def _sample(seen: Sample) -> Sample:
    parts = [name.partition(" ") for name in seen.cookies_sent]
    how = _SHOWN_AS.get(tuple(mark for _, _, mark in parts))
    if how is None or seen.shown_as is not None:
        return seen
    return replace(seen, cookies_sent=tuple(name for name, _, _ in parts), shown_as=how)


def _control(seen: Control) -> Control:
    if seen.name != "made up" or seen.made_up_of is not None:
        return seen
    return replace(seen, made_up_of=seen.version or "", version=None)


_READERS: dict[type, Callable[[Any], Any]] = {
    Certificate: _certificate,
    Sample: _sample,
    Control: _control,
}


def observation(seen: AnyObservation) -> AnyObservation:
    """An observation as this version would have written it."""
    reader = _READERS.get(type(seen))
    return seen if reader is None else cast(AnyObservation, reader(seen))


def finding(seen: Finding) -> Finding:
    """A finding with the places that 0.1.0 listed: "sems1.example.com Interface 2 (192.0.2.11:443), …"."""
    listed = _PLACE.findall(seen.args.get("places", ""))
    if seen.facts.places or not listed:
        return seen
    places = tuple(Endpoint(host, int(port)) for host, port in listed)
    return replace(seen, facts=replace(seen.facts, places=places))


def path(seen: BalancingPath) -> BalancingPath:
    """A path as this version would have inferred it, from what it says in words."""
    in_front = any(why.startswith("the cookie ") for why in seen.termination_evidence)
    return replace(seen, cookies_in_front=True) if in_front and not seen.cookies_in_front else seen
