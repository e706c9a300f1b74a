"""Each run of a comparison laid out: what it is called, where it was made, who answered it, what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from semscheck.model.analysis import BalancingPath, EndpointStatus
from semscheck.model.comparison import Gathering, Side, SidePath
from semscheck.model.findings import Finding, Role, State
from semscheck.model.observations import Certificate, Crash, Cut
from semscheck.model.report import Report
from semscheck.model.target import Severity

# Two people on the telephone start a check within minutes; a failover in between is possible, so the gap
# that there was is always said, and overlapping runs are trusted more.
SAME_TIME_S = 300.0

FindingKey = tuple[str, str, str, str | None, int | None]


@dataclass(frozen=True, slots=True)
class Seat:
    """A report with its label."""

    label: str
    report: Report

    @property
    def started(self) -> datetime:
        return self.report.run.started

    @property
    def ended(self) -> datetime:
        run = self.report.run
        return run.finished or run.started + timedelta(seconds=run.duration_s or 0.0)

    @property
    def where(self) -> str:
        """What tells its vantage point from others: the machine's name, else its addresses."""
        vantage = self.report.run.vantage
        return vantage.host or ", ".join(vantage.source_addresses) or "an unknown place"

    @property
    def called(self) -> str:
        """What the run is called in a sentence."""
        return f"{self.label} ({self.where})"

    @property
    def places(self) -> Mapping[tuple[str, int], EndpointStatus]:
        return {(place.address, place.port): place for place in self.report.analysis.places if place.tried}

    @property
    def certificates(self) -> Mapping[str, Certificate]:
        return {one.fingerprint: one for one in self.report.observations if isinstance(one, Certificate)}

    @property
    def findings(self) -> Mapping[FindingKey, Finding]:
        return {finding_key(found): found for found in self.report.findings}

    @property
    def states(self) -> Mapping[str, State]:
        return {verdict.code: verdict.state for verdict in self.report.verdicts}

    @property
    def dns_measured(self) -> bool:
        """A name server gave an answer, if only that there is no such name."""
        dns = self.report.analysis.dns
        return bool(dns.addresses) or any(one.rcode and not one.failed for one in dns.resolvers)


def finding_key(found: Finding) -> FindingKey:
    """What makes a finding of one run the same as one of another: the rule and what it is about."""
    subject = found.subject
    return found.code, subject.kind, subject.name, subject.address, subject.port


def seats(reports: Sequence[Report]) -> tuple[Seat, ...]:
    """Each report with its label: letters are servers, so that runs are numbered."""
    return tuple(Seat(f"run {number}", report) for number, report in enumerate(reports, 1))


def measured_nothing(seat: Seat) -> bool:
    """A run that failed: it has no packet from anything, so that nothing can be compared with it."""
    report = seat.report
    if any(found.role is Role.NO_NETWORK for found in report.findings):
        return True
    return not any(not isinstance(seen, (Crash, Cut)) for seen in report.observations)


# --- who answered ------------------------------------------------------------------------------------------


def is_named(path: BalancingPath, report: Report) -> bool:
    """All members that answered are of the profile; then their names mean the same in every run."""
    known = {member.name for member in report.target.members}
    answered = {share.name for share in path.members if share.count}
    return bool(answered) and answered <= known


def served_by(seat: Seat) -> tuple[str, ...] | None:
    """The members that answered fresh connections, over all addresses of the FQDN; None if not known.

    Labels that a run made up mean nothing elsewhere; a host's name in a cookie or a certificate does.
    """
    paths = [path for path in seat.report.analysis.paths if path.identified]
    names = {share.name for path in paths for share in path.members if share.count}
    if not names or any(label.name in names for label in seat.report.analysis.labels):
        return None
    return tuple(sorted(names))


def served_alike(group: Sequence[Seat]) -> list[tuple[Seat, tuple[str, ...]]]:
    """Runs whose servers are called by names of one kind, with those names made the same.

    A profile's name and a label out of a cookie may be one server, so they are never held against each other.
    Two profiles may call one server differently: one with the same Interface 2 is the same. Where names say nothing,
    the keys of TLS tickets do: the same one in two runs is the same server.
    """
    named = _served_by_name(group)
    return named if len(named) > 1 else _served_by_key(group) or named


def _served_by_key(group: Sequence[Seat]) -> list[tuple[Seat, tuple[str, ...]]]:
    """Runs in which ticket keys were seen, with a name for each key: a member's where a run knows it."""
    names: dict[str, str] = {}
    for seat in group:
        for path in seat.report.analysis.paths:
            named = is_named(path, seat.report)
            names.update({key: share.name for share in path.members if named for key in share.keys})
    keys = {seat.label: _keys(seat) for seat in group}
    for key in dict.fromkeys(key for seat in group for key in keys[seat.label]):
        names.setdefault(key, f"the server with ticket key {key[:8]}")
    found = [(seat, tuple(sorted({names[key] for key in keys[seat.label]}))) for seat in group]
    return [(seat, served) for seat, served in found if served]


def _keys(seat: Seat) -> tuple[str, ...]:
    paths = seat.report.analysis.paths
    return tuple(dict.fromkeys(key for path in paths for key in path.ticket_keys))


def _served_by_name(group: Sequence[Seat]) -> list[tuple[Seat, tuple[str, ...]]]:
    known = [(seat, names) for seat in group if (names := served_by(seat))]
    kinds = Counter(_naming(seat) for seat, _ in known)
    if not kinds:
        return []
    chosen = kinds.most_common(1)[0][0]
    same = _same_members(group)
    return [
        (seat, tuple(sorted({same.get((seat.label, name), name) for name in names})))
        for seat, names in known
        if _naming(seat) == chosen
    ]


def _naming(seat: Seat) -> str:
    """Where a run's names of servers come from: the profile, or the signal that told them apart."""
    paths = [path for path in seat.report.analysis.paths if path.identified]
    if all(is_named(path, seat.report) for path in paths):
        return "profile"
    return next((path.identified_by for path in paths if path.identified_by), "")


def _same_members(group: Sequence[Seat]) -> Mapping[tuple[str, str], str]:
    """One name for each member of each run, by its own name or an address of its Interface 2."""
    known: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}
    for seat in group:
        for member in seat.report.target.members:
            marks = [member.name.lower(), *(endpoint.address for endpoint in member.client)]
            name = next((known[mark] for mark in marks if mark in known), member.name)
            for mark in marks:
                known.setdefault(mark, name)
            names[seat.label, member.name] = name
    return names


def side(seat: Seat) -> Side:
    report = seat.report
    return Side(
        label=seat.label,
        run_id=report.run.id,
        place=seat.where,
        started=seat.started,
        finished=report.run.finished,
        origin=report.run.origin,
        redacted=report.run.redacted,
        verdict=report.summary.verdict,
        headline=report.summary.headline,
        addresses=report.analysis.dns.addresses,
        source_addresses=report.run.vantage.source_addresses,
        served_by=served_by(seat),
        paths=tuple(_path(path, report) for path in report.analysis.paths),
    )


def _path(path: BalancingPath, report: Report) -> SidePath:
    fresh = next((arm for arm in path.arms if arm.arm in ("fresh", "pairs")), None)
    return SidePath(
        address=path.address,
        port=path.port,
        method=path.method,
        persistence=path.persistence,
        members=fresh.members if fresh else (),
        failed=fresh.failed if fresh else (),
        named=is_named(path, report),
    )


# --- at the same time --------------------------------------------------------------------------------------


def gap_s(one: Seat, other: Seat) -> float:
    """Seconds between the end of one run and the begin of the other; 0 where they overlap."""
    first, second = sorted((one, other), key=lambda seat: seat.started)
    return max(0.0, (second.started - first.ended).total_seconds())


def gatherings(runs: Sequence[Seat]) -> tuple[tuple[Gathering, tuple[Seat, ...]], ...]:
    """Runs from at least two places of which each is near every other in time; the last of each place.

    A run stands in one gathering only: the earliest that it fits in.
    """
    groups: list[list[Seat]] = []
    for seat in sorted(runs, key=lambda seat: (seat.started, seat.label)):
        fitting = (group for group in groups if all(gap_s(seat, other) <= SAME_TIME_S for other in group))
        group = next(fitting, None)
        if group is None:
            groups.append([seat])
        else:
            group.append(seat)
    found = []
    for group in groups:
        latest = {seat.where: seat for seat in group}
        if len(latest) > 1:
            chosen = tuple(sorted(latest.values(), key=lambda seat: seat.label))
            found.append(
                (Gathering(labels=tuple(seat.label for seat in chosen), gap_s=_longest(chosen)), chosen)
            )
    return tuple(found)


def _longest(group: Iterable[Seat]) -> float:
    runs = tuple(group)
    return max(gap_s(one, other) for one in runs for other in runs)


def worst(severities: Iterable[Severity]) -> Severity | None:
    order = (Severity.INFO, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL)
    return max(severities, key=order.index, default=None)
