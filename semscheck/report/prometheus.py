"""The report as metrics in the Prometheus text format 0.0.4, for the textfile collector and the exporter.

Names, base units and types after "Metric and label naming" of the Prometheus documentation. What was not
measured has no sample. The series of one target are bounded: by the addresses contacted (at most 8 a
family), by the members, and by the catalogue's codes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from semscheck.model.analysis import (
    BalancingPath,
    EndpointStatus,
    Method,
    Persistence,
    Reach,
    Rotation,
    Share,
    Termination,
)
from semscheck.model.findings import Card, ImpactKind, State, Status
from semscheck.model.observations import Certificate
from semscheck.model.report import Report
from semscheck.model.target import DEFAULT_PORT, Severity
from semscheck.report import wording as words
from semscheck.report.escape import label_value, visible
from semscheck.report.story import lead

Labels = tuple[tuple[str, str], ...]
UNITS = ("seconds", "bytes", "ratio")


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table that the documentation shows.

    labels: those of the metric itself, beside the constant ones that the caller adds.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    type: str = "gauge"

    @property
    def unit(self) -> str:
        """Of the value, as the name ends; empty for a plain number."""
        return next((unit for unit in UNITS if self.name.removesuffix("_total").endswith(unit)), "")


@dataclass(frozen=True, slots=True)
class Point:
    """One sample."""

    value: float
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Family:
    metric: Metric
    points: tuple[Point, ...]


def render(report: Report, cards: Iterable[Card] = ()) -> str:
    """A file for the textfile collector; the label `target` keeps the files of several targets apart."""
    target = report.target
    name = target.fqdn if target.port == DEFAULT_PORT else f"{target.fqdn}:{target.port}"
    label = {"target": name}
    return exposition([*families(report, label), rule_info(cards, label)])


def rule_info(cards: Iterable[Card], labels: Mapping[str, str] | None = None) -> Family:
    """The catalogue, to join with by code."""
    constant = tuple((labels or {}).items())
    values = ((card.code, card.name, card.owner.value, card.severity.value) for card in cards)
    return Family(
        RULE_INFO, tuple(Point(1, (*constant, *zip(RULE_INFO.labels, row, strict=True))) for row in values)
    )


def families(report: Report, labels: Mapping[str, str] | None = None) -> list[Family]:
    """All that was measured, in the order of METRICS. labels: constant ones, added to every sample."""
    constant = tuple((labels or {}).items())
    found = []
    for metric, measure in _MEASURES:
        points = _distinct(
            Point(value, (*constant, *zip(metric.labels, values, strict=True)))
            for value, values in measure(report)
            if value is not None
        )
        if points:
            found.append(Family(metric, points))
    return found


def _distinct(points: Iterable[Point]) -> tuple[Point, ...]:
    """The first sample of each series that is a number; a repeated series makes a scrape fail."""
    seen: dict[Labels, Point] = {}
    for point in points:
        if abs(point.value) <= sys.float_info.max:  # neither infinite nor NaN, nor an integer beyond either
            seen.setdefault(tuple((name, _value(value)) for name, value in point.labels), point)
    return tuple(seen.values())


def exposition(families: Iterable[Family]) -> str:
    """The families as text, HELP and TYPE once each; families of one name are put together."""
    together: dict[str, list[Family]] = {}
    for family in families:
        together.setdefault(family.metric.name, []).append(family)
    lines: list[str] = []
    for name, parts in together.items():
        if not any(part.points for part in parts):
            continue
        metric = parts[0].metric
        lines += [f"# HELP {name} {_help(metric.help)}", f"# TYPE {name} {metric.type}"]
        lines += [
            _sample(name, point) for point in _distinct(point for part in parts for point in part.points)
        ]
    return visible("".join(line + "\n" for line in lines), "\n")


@lru_cache(maxsize=512)
def _value(text: str) -> str:
    """Constant labels and addresses occur in every line."""
    return label_value(text)


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _sample(name: str, point: Point) -> str:
    labels = ",".join(f'{label}="{_value(value)}"' for label, value in point.labels)
    return f"{name}{{{labels}}} {_number(point.value)}" if labels else f"{name} {_number(point.value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def table(metrics: Iterable[Metric]) -> str:
    """Metrics as a Markdown table, for the documentation."""
    lines = ["| metric | type | unit | labels | meaning |", "|---|---|---|---|---|"]
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.type} | {metric.unit} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


# --- what is measured --------------------------------------------------------------------------------------

# A value, None where it was not measured, and the labels' values in the order of the metric.
Measured = Iterable[tuple[float | None, tuple[str, ...]]]


def _states(kind: type[StrEnum], holds: StrEnum, *labels: str) -> Measured:
    """A sample for every member of the closed list, so that no series appears or goes when it changes."""
    return [(float(member is holds), (*labels, member.value)) for member in kind]


def _up(report: Report) -> bool:
    failed = any(found.code.startswith("SEM") for found in report.findings)
    return not failed and report.summary.verdict is not Status.UNKNOWN


def _cause(report: Report) -> Measured:
    told, owners = lead(report), report.summary.owners
    return [] if told is None else [(1, (told.code, (owners[0] if owners else told.owner).value))]


def _at(place: EndpointStatus | BalancingPath) -> tuple[str, str]:
    return place.address, str(place.port)


def _tried(report: Report) -> list[EndpointStatus]:
    return [place for place in report.analysis.places if place.tried]


def _interface_serves(report: Report) -> Measured:
    return [
        (place.serves, (name, interface, *_at(place)))
        for place in _tried(report)
        for interface, names in (("client", place.client_of), ("replication", place.replication_of))
        for name in names
    ]


def _expiry(report: Report) -> Measured:
    ends = {
        seen.fingerprint: seen.not_after
        for seen in report.observations
        if isinstance(seen, Certificate) and seen.not_after is not None
    }
    places = report.analysis.places
    return [(ends[it.certificate].timestamp(), _at(it)) for it in places if it.certificate in ends]


def _answering(report: Report, path: BalancingPath, share: Share) -> str:
    """The same name in every run: letters are given anew in each, TLS ticket keys stay until a restart."""
    named = {member.name for member in report.target.members}
    if share.name in named or path.identified_by == "balancer-cookie":
        return share.name
    keys = share.keys or (path.ticket_keys if len(path.members) == len(path.ticket_keys) == 1 else ())
    return f"key {keys[0][:3]}" if keys else share.name


def _over_paths(measure: Callable[[BalancingPath], Measured]) -> Callable[[Report], Measured]:
    return lambda report: [row for path in report.analysis.paths for row in measure(path)]


def _connections(path: BalancingPath) -> Measured:
    results = {
        "identified": path.identified,
        "unidentified": max(0, path.samples - path.identified - path.failed),
        "failed": path.failed,
    }
    return [(number, (*_at(path), result)) for result, number in results.items()]


def _terminated(path: BalancingPath) -> Measured:
    told = path.termination is not Termination.UNKNOWN
    return [(path.termination is Termination.TERMINATED if told else None, _at(path))]


def _shares(field: str) -> Callable[[Report], Measured]:
    return lambda report: [
        (getattr(share, field), (*_at(path), _answering(report, path, share)))
        for path in report.analysis.paths
        for share in path.members
    ]


_PLACE = ("address", "port")
UP = Metric(
    "semscheck_up",
    "Whether the run ended by itself and measured what its verdict needs: 1, or 0 if it was cut short, crashed, "
    "had no network or could not tell.",
)
RULE_INFO = Metric(
    "semscheck_rule_info",
    "A rule of the catalogue, its usual owner and severity; always 1. The exporter has it among its own metrics.",
    ("code", "name", "owner", "severity"),
)
_MEASURES: tuple[tuple[Metric, Callable[[Report], Measured]], ...] = (
    (
        Metric("semscheck_info", "The program that made the measurement; always 1.", ("version", "schema")),
        lambda report: [(1, (report.tool.version, report.schema))],
    ),
    (UP, lambda report: [(_up(report), ())]),
    (
        Metric("semscheck_last_run_timestamp_seconds", "When the last run began, Unix time."),
        lambda report: [(round(report.run.started.timestamp(), 3), ())],
    ),
    (
        Metric("semscheck_run_duration_seconds", "How long the last run took."),
        lambda report: [(report.run.duration_s, ())],
    ),
    (
        Metric("semscheck_verdict", "The verdict on the target: 1 for the one that holds.", ("verdict",)),
        lambda report: _states(Status, report.summary.verdict),
    ),
    (
        Metric("semscheck_impact", "What users notice: 1 for the kind that holds.", ("kind",)),
        lambda report: _states(ImpactKind, it.kind) if (it := report.summary.impact) else (),
    ),
    (
        Metric(
            "semscheck_cause",
            "The finding that the report's first lines tell of, and who acts first (1); no sample where nothing is "
            "wrong.",
            ("code", "owner"),
        ),
        _cause,
    ),
    (
        Metric("semscheck_findings", "Findings by severity, consequences included.", ("severity",)),
        lambda report: [(report.summary.counts.get(it.value, 0), (it.value,)) for it in Severity],
    ),
    (
        Metric(
            "semscheck_finding",
            "Whether the rule found something (1) or passed (0); no sample where it was not observed.",
            ("code",),
        ),
        lambda report: [
            (it.state is State.FOUND, (it.code,))
            for it in report.verdicts
            if it.state in (State.FOUND, State.PASS)
        ],
    ),
    (
        Metric("semscheck_rules", "Rules of the catalogue by what they answered.", ("state",)),
        lambda report: [
            (sum(it.state is state for it in report.verdicts), (state.value,)) for state in State
        ],
    ),
    (
        Metric("semscheck_dns_addresses", "Addresses that the FQDN resolved to."),
        lambda report: [(words.address_count(report.analysis.dns), ())],
    ),
    (
        Metric("semscheck_dns_min_ttl_seconds", "The least time to live seen in an answer."),
        lambda report: [(report.analysis.dns.min_ttl_s, ())],
    ),
    (
        Metric("semscheck_dns_rotation", "How the answers change: 1 for what holds.", ("rotation",)),
        lambda report: _states(Rotation, dns.rotation) if (dns := report.analysis.dns).resolvers else (),
    ),
    (
        Metric(
            "semscheck_address_serves",
            "Whether clients are served at an address that the FQDN leads to: TCP, TLS and HTTP.",
            _PLACE,
        ),
        lambda report: [(it.reach is Reach.SERVES, _at(it)) for it in _tried(report) if it.fqdn],
    ),
    (
        Metric(
            "semscheck_member_interface_serves",
            "Whether a member's interface serves: client (Interface 2) or replication (Interface 1).",
            ("member", "interface", *_PLACE),
        ),
        _interface_serves,
    ),
    (
        Metric("semscheck_connect_seconds", "Median time of a TCP connection.", _PLACE),
        lambda report: [(it.connect_s, _at(it)) for it in _tried(report)],
    ),
    (
        Metric("semscheck_handshake_seconds", "Median time of a TLS handshake.", _PLACE),
        lambda report: [(it.handshake_s, _at(it)) for it in _tried(report)],
    ),
    (
        Metric(
            "semscheck_certificate_not_after_timestamp_seconds",
            "When the certificate presented there expires, Unix time.",
            _PLACE,
        ),
        _expiry,
    ),
    (
        Metric(
            "semscheck_balancing_connections",
            "Fresh connections of the last run by outcome: identified, unidentified or failed.",
            (*_PLACE, "result"),
        ),
        _over_paths(_connections),
    ),
    (
        Metric(
            "semscheck_balancing_method",
            "How new connections are spread: 1 for what holds.",
            (*_PLACE, "method"),
        ),
        _over_paths(lambda path: _states(Method, path.method, *_at(path))),
    ),
    (
        Metric(
            "semscheck_balancing_persistence",
            "What keeps a client on its member: 1 for what holds.",
            (*_PLACE, "persistence"),
        ),
        _over_paths(lambda path: _states(Persistence, path.persistence, *_at(path))),
    ),
    (
        Metric(
            "semscheck_balancing_tls_terminated",
            "Whether TLS ends in front of the members (1) or passes through (0).",
            _PLACE,
        ),
        _over_paths(_terminated),
    ),
    (
        Metric(
            "semscheck_balancing_share_ratio",
            "A member's share of the fresh connections: who answered. Where no name is known, a server is called "
            "after the first three digits of its TLS ticket key's hash.",
            (*_PLACE, "member"),
        ),
        _shares("share"),
    ),
    (
        Metric("semscheck_balancing_share_low_ratio", "The share's lower bound.", (*_PLACE, "member")),
        _shares("share_low"),
    ),
    (
        Metric("semscheck_balancing_share_high_ratio", "The share's upper bound.", (*_PLACE, "member")),
        _shares("share_high"),
    ),
    (
        Metric(
            "semscheck_balancing_other_share_max_ratio",
            "Where one member answered everything: the share that others could have at most.",
            _PLACE,
        ),
        _over_paths(lambda path: [(path.other_share_at_most, _at(path))]),
    ),
)
METRICS = (*(metric for metric, _ in _MEASURES), RULE_INFO)
