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


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of the table that the documentation shows. unit: of the value, empty for a plain number.

    labels: those of the metric itself, beside the constant ones that the caller adds.
    """

    name: str
    type: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """One sample."""

    value: float
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Family:
    metric: Metric
    points: tuple[Point, ...]


_PLACE = ("address", "port")

INFO = Metric(
    "semscheck_info", "gauge", "", "The program that made the measurement; always 1.", ("version", "schema")
)
UP = Metric(
    "semscheck_up",
    "gauge",
    "",
    "Whether the run ended by itself and measured what its verdict needs: 1, or 0 if it was cut short, crashed, "
    "had no network or could not tell.",
)
LAST_RUN = Metric(
    "semscheck_last_run_timestamp_seconds", "gauge", "seconds", "When the last run began, Unix time."
)
DURATION = Metric("semscheck_run_duration_seconds", "gauge", "seconds", "How long the last run took.")
VERDICT = Metric(
    "semscheck_verdict", "gauge", "", "The verdict on the target: 1 for the one that holds.", ("verdict",)
)
IMPACT = Metric("semscheck_impact", "gauge", "", "What users notice: 1 for the kind that holds.", ("kind",))
CAUSE = Metric(
    "semscheck_cause",
    "gauge",
    "",
    "The finding that the report's first lines tell of, and who acts first (1); no sample where nothing is wrong.",
    ("code", "owner"),
)
FINDINGS = Metric(
    "semscheck_findings", "gauge", "", "Findings by severity, consequences included.", ("severity",)
)
FINDING = Metric(
    "semscheck_finding",
    "gauge",
    "",
    "Whether the rule found something (1) or passed (0); no sample where it was not observed.",
    ("code",),
)
RULE_INFO = Metric(
    "semscheck_rule_info",
    "gauge",
    "",
    "A rule of the catalogue, its usual owner and severity; always 1. The exporter has it among its own metrics.",
    ("code", "name", "owner", "severity"),
)
RULES = Metric("semscheck_rules", "gauge", "", "Rules of the catalogue by what they answered.", ("state",))
DNS_ADDRESSES = Metric("semscheck_dns_addresses", "gauge", "", "Addresses that the FQDN resolved to.")
DNS_TTL = Metric(
    "semscheck_dns_min_ttl_seconds", "gauge", "seconds", "The least time to live seen in an answer."
)
DNS_ROTATION = Metric(
    "semscheck_dns_rotation", "gauge", "", "How the answers change: 1 for what holds.", ("rotation",)
)
SERVES = Metric(
    "semscheck_address_serves",
    "gauge",
    "",
    "Whether clients are served at an address that the FQDN leads to: TCP, TLS and HTTP.",
    _PLACE,
)
INTERFACE_SERVES = Metric(
    "semscheck_member_interface_serves",
    "gauge",
    "",
    "Whether a member's interface serves: client (Interface 2) or replication (Interface 1).",
    ("member", "interface", *_PLACE),
)
CONNECT = Metric("semscheck_connect_seconds", "gauge", "seconds", "Median time of a TCP connection.", _PLACE)
HANDSHAKE = Metric(
    "semscheck_handshake_seconds", "gauge", "seconds", "Median time of a TLS handshake.", _PLACE
)
EXPIRY = Metric(
    "semscheck_certificate_not_after_timestamp_seconds",
    "gauge",
    "seconds",
    "When the certificate presented there expires, Unix time.",
    _PLACE,
)
CONNECTIONS = Metric(
    "semscheck_balancing_connections",
    "gauge",
    "",
    "Fresh connections of the last run by outcome: identified, unidentified or failed.",
    (*_PLACE, "result"),
)
METHOD = Metric(
    "semscheck_balancing_method",
    "gauge",
    "",
    "How new connections are spread: 1 for what holds.",
    (*_PLACE, "method"),
)
PERSISTENCE = Metric(
    "semscheck_balancing_persistence",
    "gauge",
    "",
    "What keeps a client on its member: 1 for what holds.",
    (*_PLACE, "persistence"),
)
TERMINATED = Metric(
    "semscheck_balancing_tls_terminated",
    "gauge",
    "",
    "Whether TLS ends in front of the members (1) or passes through (0).",
    _PLACE,
)
SHARE = Metric(
    "semscheck_balancing_share_ratio",
    "gauge",
    "ratio",
    "A member's share of the fresh connections: who answered. Where no name is known, a server is called after the "
    "first three digits of its TLS ticket key's hash.",
    (*_PLACE, "member"),
)
SHARE_LOW = Metric(
    "semscheck_balancing_share_low_ratio", "gauge", "ratio", "The share's lower bound.", (*_PLACE, "member")
)
SHARE_HIGH = Metric(
    "semscheck_balancing_share_high_ratio", "gauge", "ratio", "The share's upper bound.", (*_PLACE, "member")
)
OTHER_SHARE = Metric(
    "semscheck_balancing_other_share_max_ratio",
    "gauge",
    "ratio",
    "Where one member answered everything: the share that others could have at most.",
    _PLACE,
)


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
        points = _distinct(Point(point.value, constant + point.labels) for point in measure(report))
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


def _states(kind: type[StrEnum], holds: StrEnum, label: str, labels: Labels = ()) -> list[Point]:
    """A sample for every member of the closed list, so that no series appears or goes when it changes."""
    return [Point(float(member is holds), (*labels, (label, member.value))) for member in kind]


def _info(report: Report) -> list[Point]:
    return [Point(1, (("version", report.tool.version), ("schema", report.schema)))]


def _up(report: Report) -> list[Point]:
    failed = any(found.code.startswith("SEM") for found in report.findings)
    return [Point(float(not failed and report.summary.verdict is not Status.UNKNOWN))]


def _last_run(report: Report) -> list[Point]:
    return [Point(round(report.run.started.timestamp(), 3))]


def _duration(report: Report) -> list[Point]:
    return _some(report.run.duration_s)


def _some(value: float | None, labels: Labels = ()) -> list[Point]:
    return [] if value is None else [Point(value, labels)]


def _verdict(report: Report) -> list[Point]:
    return _states(Status, report.summary.verdict, "verdict")


def _impact(report: Report) -> list[Point]:
    impact = report.summary.impact
    return [] if impact is None else _states(ImpactKind, impact.kind, "kind")


def _cause(report: Report) -> list[Point]:
    told, owners = lead(report), report.summary.owners
    if told is None:
        return []
    return [Point(1, (("code", told.code), ("owner", (owners[0] if owners else told.owner).value)))]


def _findings(report: Report) -> list[Point]:
    counts = report.summary.counts
    return [Point(counts.get(level.value, 0), (("severity", level.value),)) for level in Severity]


def _finding(report: Report) -> list[Point]:
    return [
        Point(float(verdict.state is State.FOUND), (("code", verdict.code),))
        for verdict in report.verdicts
        if verdict.state in (State.FOUND, State.PASS)
    ]


def _rules(report: Report) -> list[Point]:
    answers = [verdict.state for verdict in report.verdicts]
    return [Point(answers.count(state), (("state", state.value),)) for state in State]


def _dns_addresses(report: Report) -> list[Point]:
    return _some(words.address_count(report.analysis.dns))


def _dns_ttl(report: Report) -> list[Point]:
    return _some(report.analysis.dns.min_ttl_s)


def _dns_rotation(report: Report) -> list[Point]:
    dns = report.analysis.dns
    return _states(Rotation, dns.rotation, "rotation") if dns.resolvers else []


def _at(place: EndpointStatus | BalancingPath) -> Labels:
    return (("address", place.address), ("port", str(place.port)))


def _tried(report: Report) -> list[EndpointStatus]:
    return [place for place in report.analysis.places if place.reach is not Reach.NOT_TRIED]


def _serves(report: Report) -> list[Point]:
    return [Point(float(place.reach is Reach.SERVES), _at(place)) for place in _tried(report) if place.fqdn]


def _interface_serves(report: Report) -> list[Point]:
    return [
        Point(float(place.reach is Reach.SERVES), (("member", name), ("interface", interface), *_at(place)))
        for place in _tried(report)
        for interface, names in (("client", place.client_of), ("replication", place.replication_of))
        for name in names
    ]


def _connect(report: Report) -> list[Point]:
    return [point for place in _tried(report) for point in _some(place.connect_s, _at(place))]


def _handshake(report: Report) -> list[Point]:
    return [point for place in _tried(report) for point in _some(place.handshake_s, _at(place))]


def _expiry(report: Report) -> list[Point]:
    ends = {
        seen.fingerprint: seen.not_after
        for seen in report.observations
        if isinstance(seen, Certificate) and seen.not_after is not None
    }
    return [
        Point(ends[place.certificate].timestamp(), _at(place))
        for place in report.analysis.places
        if place.certificate in ends
    ]


def _answering(report: Report, path: BalancingPath, share: Share) -> str:
    """The same name in every run: letters are given anew in each, TLS ticket keys stay until a restart."""
    named = {member.name for member in report.target.members}
    if share.name in named or path.identified_by == "balancer-cookie":
        return share.name
    keys = share.keys or (path.ticket_keys if len(path.members) == len(path.ticket_keys) == 1 else ())
    return f"key {keys[0][:3]}" if keys else share.name


def _over_paths(measure: Callable[[BalancingPath], Iterable[Point]]) -> Callable[[Report], list[Point]]:
    def measured(report: Report) -> list[Point]:
        return [point for path in report.analysis.paths for point in measure(path)]

    return measured


def _connections(path: BalancingPath) -> list[Point]:
    results = {
        "identified": path.identified,
        "unidentified": max(0, path.samples - path.identified - path.failed),
        "failed": path.failed,
    }
    return [Point(number, (*_at(path), ("result", result))) for result, number in results.items()]


def _method(path: BalancingPath) -> list[Point]:
    return _states(Method, path.method, "method", _at(path))


def _persistence(path: BalancingPath) -> list[Point]:
    return _states(Persistence, path.persistence, "persistence", _at(path))


def _terminated(path: BalancingPath) -> list[Point]:
    if path.termination is Termination.UNKNOWN:
        return []
    return [Point(float(path.termination is Termination.TERMINATED), _at(path))]


def _shares(field: str) -> Callable[[Report], list[Point]]:
    def measured(report: Report) -> list[Point]:
        return [
            Point(getattr(share, field), (*_at(path), ("member", _answering(report, path, share))))
            for path in report.analysis.paths
            for share in path.members
        ]

    return measured


def _other_share(path: BalancingPath) -> list[Point]:
    return _some(path.other_share_at_most, _at(path))


_MEASURES: tuple[tuple[Metric, Callable[[Report], list[Point]]], ...] = (
    (INFO, _info),
    (UP, _up),
    (LAST_RUN, _last_run),
    (DURATION, _duration),
    (VERDICT, _verdict),
    (IMPACT, _impact),
    (CAUSE, _cause),
    (FINDINGS, _findings),
    (FINDING, _finding),
    (RULES, _rules),
    (DNS_ADDRESSES, _dns_addresses),
    (DNS_TTL, _dns_ttl),
    (DNS_ROTATION, _dns_rotation),
    (SERVES, _serves),
    (INTERFACE_SERVES, _interface_serves),
    (CONNECT, _connect),
    (HANDSHAKE, _handshake),
    (EXPIRY, _expiry),
    (CONNECTIONS, _over_paths(_connections)),
    (METHOD, _over_paths(_method)),
    (PERSISTENCE, _over_paths(_persistence)),
    (TERMINATED, _over_paths(_terminated)),
    (SHARE, _shares("share")),
    (SHARE_LOW, _shares("share_low")),
    (SHARE_HIGH, _shares("share_high")),
    (OTHER_SHARE, _over_paths(_other_share)),
)
METRICS = (*(metric for metric, _ in _MEASURES), RULE_INFO)
