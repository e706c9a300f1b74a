"""What changed from one run to a later one. Only what both measured is compared: None is never a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from semscheck.comparison.sides import FindingKey, Seat, is_named
from semscheck.model.analysis import (
    BalancingPath,
    EndpointStatus,
    Method,
    Persistence,
    Reach,
    Rotation,
    Termination,
)
from semscheck.model.comparison import Change, Direction
from semscheck.model.findings import Finding, State, Status
from semscheck.model.names import host_and_port
from semscheck.model.observations import Certificate
from semscheck.model.target import Severity

_BAD_ROTATION = (Rotation.ORDER, Rotation.SUBSET, Rotation.FLIPS)
_BAD_METHOD = (Method.ROTATING, Method.EVEN)
_ORDER = (Severity.INFO, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL)
_STATUS = (Status.OK, Status.WARNING, Status.UNKNOWN, Status.CRITICAL)
_METHOD = {
    Method.SINGLE: "one server answers all",
    Method.ROTATING: "round robin",
    Method.EVEN: "spread evenly",
    Method.WEIGHTED: "spread by weights",
    Method.UNKNOWN: "could not be determined",
}
_KEEPS = {
    Persistence.NONE: "nothing",
    Persistence.COOKIE: "a cookie",
    Persistence.TLS_SESSION: "the TLS session",
    Persistence.SOURCE_ADDRESS: "the client's address",
}
_REACH = {
    Reach.NO_CONNECTION: "no connection",
    Reach.NO_TLS: "no TLS",
    Reach.NO_HTTP: "TLS only",
    Reach.SERVES: "serves",
}


def changes(earlier: Seat, later: Seat) -> tuple[Change, ...]:
    """Everything that is not as it was, the worst first."""
    found = [
        *_verdict(earlier, later),
        *_findings(earlier, later),
        *_names(earlier, later),
        *_places(earlier, later),
        *_balancing(earlier, later),
        *_profile(earlier, later),
    ]
    moved = earlier.where != later.where
    order = (Direction.WORSE, Direction.OTHER, Direction.BETTER)
    named = [
        replace(change, earlier=earlier.label, later=later.label, place_differs=moved) for change in found
    ]
    return tuple(sorted(named, key=lambda change: order.index(change.direction)))


def _change(kind: str, subject: str, summary: str, **more: object) -> Change:
    return Change(kind=kind, earlier="", later="", subject=subject, summary=summary, **more)  # type: ignore[arg-type]


def _way(worse: bool, better: bool) -> Direction:
    if worse == better:
        return Direction.OTHER
    return Direction.WORSE if worse else Direction.BETTER


def _moved(
    kind: str, subject: str, before: str, after: str, summary: str, worse: bool = False, better: bool = False
) -> Iterator[Change]:
    """What was one thing and is another. worse, better: for users."""
    if before != after:
        yield _change(kind, subject, summary, before=before, after=after, direction=_way(worse, better))


# --- verdict and findings ----------------------------------------------------------------------------------


def _verdict(earlier: Seat, later: Seat) -> Iterator[Change]:
    before, after = earlier.report.summary.verdict, later.report.summary.verdict
    rise = _STATUS.index(after) - _STATUS.index(before)
    fqdn = later.report.target.fqdn
    summary = f"The verdict on {fqdn} went from {before.value} to {after.value}."
    return _moved("verdict", fqdn, before.value, after.value, summary, rise > 0, rise < 0)


def _findings(earlier: Seat, later: Seat) -> Iterator[Change]:
    before, after = earlier.findings, later.findings
    moved = _at_another_address(before, after)
    for key, found in after.items():
        old = before.get(moved.get(key, key))
        if old is None:
            yield _new(found, earlier.states.get(key[0]))
        elif old.severity is not found.severity:
            yield _other_severity(old, found)
    for key, found in before.items():
        if key not in after and key not in moved.values():
            yield _gone(found, later.states.get(key[0]), _about(key, after))


def _at_another_address(
    before: Mapping[FindingKey, Finding], after: Mapping[FindingKey, Finding]
) -> dict[FindingKey, FindingKey]:
    """Findings that are said of the same thing under another address, later to earlier: that the address is another
    one is a change of its own. Only where there is no choice which is which."""

    def left(
        ones: Mapping[FindingKey, Finding], others: Mapping[FindingKey, Finding]
    ) -> dict[object, list[FindingKey]]:
        found: dict[object, list[FindingKey]] = {}
        for key, one in ones.items():
            if key not in others:
                found.setdefault((one.code, one.subject.kind, one.subject.name, one.subject.port), []).append(
                    key
                )
        return found

    gone, new = left(before, after), left(after, before)
    return {keys[0]: gone[what][0] for what, keys in new.items() if len(keys) == len(gone.get(what, ())) == 1}


def _about(key: FindingKey, others: Mapping[FindingKey, Finding]) -> bool:
    """The rule found something in the other run too, about something else."""
    return any(other[0] == key[0] for other in others)


def _new(found: Finding, state_before: State | None) -> Change:
    untested = state_before in (State.NOT_OBSERVED, State.CRASHED)
    summary = f"New: {found.summary}" + (" (It was not tested before.)" if untested else "")
    worse = found.severity is not Severity.INFO
    return _finding_change(
        found, summary, Direction.WORSE if worse else Direction.OTHER, after=found.severity
    )


def _gone(found: Finding, state_after: State | None, elsewhere: bool) -> Change:
    tested = state_after is State.PASS or (state_after is State.FOUND and elsewhere)
    if not tested:
        summary = f"No longer tested, so it may still be so: {found.summary}"
        return _finding_change(found, summary, Direction.OTHER, before=found.severity)
    better = found.severity is not Severity.INFO
    way = Direction.BETTER if better else Direction.OTHER
    return _finding_change(found, f"No longer so: {found.summary}", way, before=found.severity)


def _other_severity(before: Finding, after: Finding) -> Change:
    rise = _ORDER.index(after.severity) - _ORDER.index(before.severity)
    summary = f"Now {after.severity.value}, before {before.severity.value}: {after.summary}"
    return _finding_change(
        after, summary, _way(rise > 0, rise < 0), before=before.severity, after=after.severity
    )


def _finding_change(
    found: Finding,
    summary: str,
    direction: Direction,
    *,
    before: Severity | None = None,
    after: Severity | None = None,
) -> Change:
    return _change(
        "finding",
        found.subject.name,
        summary,
        direction=direction,
        before=before.value if before else None,
        after=after.value if after else None,
        code=found.code,
        severity=after or before,
    )


# --- DNS -----------------------------------------------------------------------------------------------------


def _names(earlier: Seat, later: Seat) -> Iterator[Change]:
    if not (earlier.dns_measured and later.dns_measured):
        return
    before, after = earlier.report.analysis.dns, later.report.analysis.dns
    fqdn = later.report.target.fqdn
    yield from _addresses(fqdn, set(before.addresses), set(after.addresses))
    was, now = (" → ".join(dns.cname) or "none" for dns in (before, after))
    yield from _moved("alias", fqdn, was, now, f"{fqdn} is an alias by another way than before.")
    if Rotation.UNKNOWN not in (before.rotation, after.rotation):
        was, now = before.rotation.value, after.rotation.value
        summary = f"The answers for {fqdn} rotate in another way: {now}, before {was}."
        worse, better = after.rotation in _BAD_ROTATION, before.rotation in _BAD_ROTATION
        yield from _moved("rotation", fqdn, was, now, summary, worse, better)
    if before.authority_ttl_s is not None and after.authority_ttl_s is not None:
        was, now = f"{before.authority_ttl_s} s", f"{after.authority_ttl_s} s"
        summary = f"The record of {fqdn} may be kept {now} in caches, before {was}."
        yield from _moved("ttl", fqdn, was, now, summary)


def _addresses(fqdn: str, before: set[str], after: set[str]) -> Iterator[Change]:
    summary = f"{fqdn} has other addresses"
    summary += f"; gone: {_listed(before - after)}" if before - after else ""
    summary += f"; new: {_listed(after - before)}" if after - before else ""
    return _moved("address", fqdn, _listed(before), _listed(after), f"{summary}.", not after, not before)


def _listed(items: object) -> str:
    return ", ".join(sorted(str(item) for item in items)) or "none"  # type: ignore[attr-defined]


# --- addresses and certificates ----------------------------------------------------------------------------


def _places(earlier: Seat, later: Seat) -> Iterator[Change]:
    after = later.places
    for key, before in earlier.places.items():
        if key in after:
            yield from _reach(before, after[key])
            yield from _certificate(before, after[key], earlier, later)


def method_words(path: BalancingPath) -> str:
    """How servers are chosen and what keeps a client on one, as far as one desktop can tell."""
    kept = _KEEPS.get(path.persistence)
    return _METHOD[path.method] + (f", {kept} keeps a client" if kept else "")


def where(place: EndpointStatus) -> str:
    """What a place is called: "sems1.example.com Interface 2 (192.0.2.11:443)"."""
    spot = host_and_port(place.address, place.port)
    if place.client_of:
        return f"{' and '.join(place.client_of)} Interface 2 ({spot})"
    if place.replication_of:
        return f"{' and '.join(place.replication_of)} Interface 1 ({spot})"
    return f"the load balancer address {spot}" if place.balancer else spot


def reach_words(place: EndpointStatus) -> str:
    words = _REACH.get(place.reach, place.reach.value)
    return f"{words} ({place.failure_cause})" if place.failure_cause else words


def works(place: EndpointStatus) -> bool:
    """A client gets what it came for; an interface where HTTP was not asked for counts by its TLS."""
    return place.serves or (place.reach is Reach.NO_HTTP and place.failure_cause is None)


def _reach(before: EndpointStatus, after: EndpointStatus) -> Iterator[Change]:
    if works(before) and works(after):
        return
    name, was, now = where(after), reach_words(before), reach_words(after)
    if works(after):
        summary = f"{name} serves again."
    elif works(before):
        summary = f"{name} no longer serves: {now}."
    else:
        summary = f"{name} fails in another way: {now}, before {was}."
    yield from _moved("reach", name, was, now, summary, works(before), works(after))


def _certificate(
    before: EndpointStatus, after: EndpointStatus, earlier: Seat, later: Seat
) -> Iterator[Change]:
    if not before.certificate or not after.certificate or before.certificate == after.certificate:
        return
    old, new = earlier.certificates.get(before.certificate), later.certificates.get(after.certificate)
    keys = [it.spki if it else None for it in (old, new)]
    key = "" if None in keys else " with the same key" if keys[0] == keys[1] else " with another key"
    was, now = certificate_words(old, before.certificate), certificate_words(new, after.certificate)
    name = where(after)
    yield from _moved("certificate", name, was, now, f"{name} presents another certificate{key}: {now}.")


def certificate_words(certificate: Certificate | None, fingerprint: str) -> str:
    """Whose it is, until when, and the beginning of its SHA-256 fingerprint."""
    if certificate is None:
        return fingerprint[:16]
    name = (certificate.common_names or (certificate.subject or "no name",))[0]
    until = f", until {certificate.not_after:%Y-%m-%d}" if certificate.not_after else ""
    return f"{name}{until}, {fingerprint[:16]}"


# --- balancing -----------------------------------------------------------------------------------------------


def _balancing(earlier: Seat, later: Seat) -> Iterator[Change]:
    before = {(path.address, path.port): path for path in earlier.report.analysis.paths}
    for path in later.report.analysis.paths:
        old = before.get((path.address, path.port))
        if old is not None:
            yield from _members(old, path, earlier, later)
            yield from _methods(old, path)


def _members(old: BalancingPath, new: BalancingPath, earlier: Seat, later: Seat) -> Iterator[Change]:
    if not (is_named(old, earlier.report) and is_named(new, later.report)):
        return
    before, after = (sorted(share.name for share in path.members if share.count) for path in (old, new))
    name, was, now = new.address, _listed(before), _listed(after)
    if len(before) == len(after) == 1:
        summary = f"Clients of {name} are now served by {now}, before by {was}."
    else:
        summary = f"Other servers answer at {name}: {now}; before: {was}."
    yield from _moved("member", name, was, now, summary)


def _methods(old: BalancingPath, new: BalancingPath) -> Iterator[Change]:
    name = new.address
    if Method.UNKNOWN not in (old.method, new.method):
        was, now = _METHOD[old.method], _METHOD[new.method]
        summary = f"{name} chooses servers in another way: {now}, before {was}."
        yield from _moved(
            "method", name, was, now, summary, new.method in _BAD_METHOD, old.method in _BAD_METHOD
        )
    kept = (old.persistence, new.persistence)
    if all(persistence in _KEEPS for persistence in kept):
        was, now = (_KEEPS[persistence] for persistence in kept)
        summary = f"{name} keeps clients by other means: {now}, before {was}."
        worse, better = new.persistence is Persistence.NONE, old.persistence is Persistence.NONE
        yield from _moved("persistence", name, was, now, summary, worse, better)
    if Termination.UNKNOWN not in (old.termination, new.termination):
        ended = new.termination is Termination.TERMINATED
        summary = f"TLS now {'ends at' if ended else 'passes through'} {name}."
        yield from _moved("termination", name, old.termination.value, new.termination.value, summary)


# --- what was asked --------------------------------------------------------------------------------------------


def _profile(earlier: Seat, later: Seat) -> Iterator[Change]:
    before, after = (
        _listed({member.name for member in seat.report.target.members}) for seat in (earlier, later)
    )
    summary = "The profiles name different members, so that what was tested differs too."
    return _moved("profile", later.report.target.fqdn, before, after, summary)
