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


# --- verdict and findings ----------------------------------------------------------------------------------


def _verdict(earlier: Seat, later: Seat) -> Iterator[Change]:
    before, after = earlier.report.summary.verdict, later.report.summary.verdict
    if before is not after:
        rise = _STATUS.index(after) - _STATUS.index(before)
        fqdn = later.report.target.fqdn
        summary = f"The verdict on {fqdn} went from {before.value} to {after.value}."
        yield _change(
            "verdict",
            fqdn,
            summary,
            before=before.value,
            after=after.value,
            direction=_way(rise > 0, rise < 0),
        )


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
    if set(before.addresses) != set(after.addresses):
        lost, gained = (
            set(before.addresses) - set(after.addresses),
            set(after.addresses) - set(before.addresses),
        )
        summary = f"{fqdn} has other addresses"
        summary += f"; gone: {_listed(lost)}" if lost else ""
        summary += f"; new: {_listed(gained)}" if gained else ""
        yield _change(
            "address", fqdn, summary + ".", before=_listed(before.addresses), after=_listed(after.addresses),
            direction=_way(not after.addresses, not before.addresses),
        )  # fmt: skip
    if before.cname != after.cname:
        summary = f"{fqdn} is an alias by another way than before."
        yield _change(
            "alias",
            fqdn,
            summary,
            before=" → ".join(before.cname) or "none",
            after=" → ".join(after.cname) or "none",
        )
    rotations = (before.rotation, after.rotation)
    if Rotation.UNKNOWN not in rotations and before.rotation is not after.rotation:
        bad = [rotation in _BAD_ROTATION for rotation in rotations]
        ways = f"{after.rotation.value}, before {before.rotation.value}"
        summary = f"The answers for {fqdn} rotate in another way: {ways}."
        yield _change(
            "rotation", fqdn, summary, before=before.rotation.value, after=after.rotation.value,
            direction=_way(bad[1] and not bad[0], bad[0] and not bad[1]),
        )  # fmt: skip
    ttls = (before.authority_ttl_s, after.authority_ttl_s)
    if None not in ttls and ttls[0] != ttls[1]:
        summary = f"The record of {fqdn} may be kept {ttls[1]} s in caches, before {ttls[0]} s."
        yield _change("ttl", fqdn, summary, before=f"{ttls[0]} s", after=f"{ttls[1]} s")


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
    same = (before.reach, before.failure_cause) == (after.reach, after.failure_cause)
    if same or (works(before) and works(after)):
        return
    name = where(after)
    if works(after):
        summary = f"{name} serves again."
    elif works(before):
        summary = f"{name} no longer serves: {reach_words(after)}."
    else:
        summary = f"{name} fails in another way: {reach_words(after)}, before {reach_words(before)}."
    yield _change(
        "reach", name, summary, before=reach_words(before), after=reach_words(after),
        direction=_way(works(before) and not works(after), works(after) and not works(before)),
    )  # fmt: skip


def _certificate(
    before: EndpointStatus, after: EndpointStatus, earlier: Seat, later: Seat
) -> Iterator[Change]:
    if not before.certificate or not after.certificate or before.certificate == after.certificate:
        return
    old, new = earlier.certificates.get(before.certificate), later.certificates.get(after.certificate)
    same_key = old is not None and new is not None and old.spki is not None and old.spki == new.spki
    key = (
        " with the same key"
        if same_key
        else " with another key"
        if old and new and old.spki and new.spki
        else ""
    )
    name = where(after)
    summary = f"{name} presents another certificate{key}: {certificate_words(new, after.certificate)}."
    yield _change(
        "certificate", name, summary,
        before=certificate_words(old, before.certificate), after=certificate_words(new, after.certificate),
    )  # fmt: skip


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
    if before == after:
        return
    name = new.address
    if len(before) == len(after) == 1:
        summary = f"Clients of {name} are now served by {after[0]}, before by {before[0]}."
    else:
        summary = f"Other servers answer at {name}: {_listed(after)}; before: {_listed(before)}."
    yield _change("member", name, summary, before=_listed(before), after=_listed(after))


def _methods(old: BalancingPath, new: BalancingPath) -> Iterator[Change]:
    if Method.UNKNOWN not in (old.method, new.method) and old.method is not new.method:
        worse, better = new.method in _BAD_METHOD, old.method in _BAD_METHOD
        before, after = _METHOD[old.method], _METHOD[new.method]
        summary = f"{new.address} chooses servers in another way: {after}, before {before}."
        way = _way(worse and not better, better and not worse)
        yield _change("method", new.address, summary, before=before, after=after, direction=way)
    kept = (old.persistence, new.persistence)
    if kept[0] is not kept[1] and all(persistence in _KEEPS for persistence in kept):
        before, after = _KEEPS[kept[0]], _KEEPS[kept[1]]
        summary = f"{new.address} keeps clients by other means: {after}, before {before}."
        way = _way(kept[1] is Persistence.NONE, kept[0] is Persistence.NONE)
        yield _change("persistence", new.address, summary, before=before, after=after, direction=way)
    if (
        Termination.UNKNOWN not in (old.termination, new.termination)
        and old.termination is not new.termination
    ):
        ended = new.termination is Termination.TERMINATED
        summary = f"TLS now {'ends at' if ended else 'passes through'} {new.address}."
        yield _change(
            "termination", new.address, summary, before=old.termination.value, after=new.termination.value
        )


# --- what was asked --------------------------------------------------------------------------------------------


def _profile(earlier: Seat, later: Seat) -> Iterator[Change]:
    before, after = ({member.name for member in seat.report.target.members} for seat in (earlier, later))
    if before != after:
        fqdn = later.report.target.fqdn
        summary = "The profiles name different members, so that what was tested differs too."
        yield _change("profile", fqdn, summary, before=_listed(before), after=_listed(after))
