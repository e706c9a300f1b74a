"""The output of a monitoring plugin: a status line with performance data, details below it.

After the Monitoring Plugins Development Guidelines, "Plugin Output for Nagios" and "Performance data":
'label'=value[unit];[warning];[critical];[minimum];[maximum], with U as the value of what was not measured.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from semscheck.model.analysis import BalancingPath, EndpointStatus
from semscheck.model.findings import Status
from semscheck.model.observations import Certificate
from semscheck.model.report import Report
from semscheck.model.target import Failover, Severity
from semscheck.report import wording as words
from semscheck.report.escape import nagios, visible
from semscheck.report.folding import folded
from semscheck.report.story import story

MAX_DETAILS = 20  # findings; Nagios reads 8 kB of output by default (MAX_PLUGIN_OUTPUT_LENGTH)
MAX_BYTES = 8000
MAX_MEMBERS = 10
SLOW_CONNECT_S = 1.0  # NET005
STATUS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Perfdata:
    """One figure. value: None if it was not measured; beyond what a float holds it is shown as that too.

    warning, critical: ranges of the guidelines, or empty."""

    label: str
    value: float | None
    unit: str = ""
    warning: str = ""
    critical: str = ""
    minimum: str = ""
    maximum: str = ""

    def __str__(self) -> str:
        told = self.value is not None and abs(self.value) <= sys.float_info.max
        value = f"{_figure(self.value or 0)}{self.unit}" if told else "U"
        fields = (value, self.warning, self.critical, self.minimum, self.maximum)
        return f"'{_label(self.label)}'={';'.join(fields).rstrip(';')}"


def _figure(value: float) -> str:
    """Digits with at most six decimals, never an exponent."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _label(text: str) -> str:
    """Anything but the equals sign and the quote, which the guidelines forbid or want doubled."""
    return nagios(text, 100).replace("=", "_").replace("'", "_")


def render(report: Report) -> str:
    """Status line, details, performance data on the first line; the exit code is the report's."""
    figures = " ".join(str(figure) for figure in perfdata(report))
    lines = [f"SEMSCHECK {_status(report)} - {nagios(report.summary.headline)} | {figures}"]
    size = len(lines[0].encode())
    for line in (*_story(report), *_details(report)):
        size += len(line.encode()) + 1
        if size > MAX_BYTES:
            break
        lines.append(line)
    return visible("\n".join(lines), "\n") + "\n"


def _story(report: Report) -> list[str]:
    """Owner, first step and what else; impact and cause stand in the first line."""
    told = [line for line in story(report) if line.label not in ("", "Cause", "Seen")]
    return [f"{line.label}: {nagios(line.text.replace('`', ''), 300)}" for line in told]


def _status(report: Report) -> str:
    """The word of the exit code, which --fail-on may have made milder than the verdict."""
    code = report.summary.exit_code
    word = STATUS[code] if 0 <= code < len(STATUS) else "UNKNOWN"
    verdict = report.summary.verdict
    milder = word == "OK" and verdict is not Status.OK
    return f"{word} ({verdict.value}, not counted)" if milder else word


def _details(report: Report) -> list[str]:
    entries = folded(report.findings)
    lines = []
    for found, explained in entries[:MAX_DETAILS]:
        head = f"{found.severity.value.upper()} {nagios(found.code, 20)} {nagios(found.title or found.name, 100)}"
        codes = ", ".join(dict.fromkeys(nagios(entry.code, 20) for entry in explained))
        tail = f" (explains {codes})" if codes else ""
        lines.append(f"{head}, {found.owner.value}: {nagios(found.summary, 300)}{tail}")
    if len(entries) > MAX_DETAILS:
        lines.append(f"and {len(entries) - MAX_DETAILS} more")
    return lines


def perfdata(report: Report) -> list[Perfdata]:
    """Every figure, always in one order, so that graphs keep their series."""
    return [
        Perfdata(label="duration", value=report.run.duration_s, unit="s", minimum="0"),
        *_counts(report),
        *_dns(report),
        Perfdata(
            label="certificate_days_left",
            value=_days_left(report),
            warning=f"{_figure(report.target.thresholds.expiry_warning_days)}:",
            critical=f"{_figure(report.target.thresholds.expiry_critical_days)}:",
        ),
        _members(report),
        *_connect(report),
        *_balancing(report.analysis.balancing),
        *_shares(report),
    ]


def _counts(report: Report) -> list[Perfdata]:
    """Any finding is over the threshold "0"."""
    counts = {level: report.summary.counts.get(level.value) for level in Severity}
    return [
        Perfdata(label="critical", value=counts[Severity.CRITICAL], critical="0", minimum="0"),
        Perfdata(label="warning", value=counts[Severity.WARNING], warning="0", minimum="0"),
        Perfdata(label="unknown", value=counts[Severity.UNKNOWN], minimum="0"),
    ]


def _dns(report: Report) -> list[Perfdata]:
    dns = report.analysis.dns
    by_dns = report.target.failover is Failover.DNS  # DNS008 judges the TTL only then
    return [
        Perfdata(label="dns_addresses", value=words.address_count(dns), minimum="0"),
        Perfdata(
            label="dns_min_ttl",
            value=dns.min_ttl_s,
            unit="s",
            warning=str(report.target.thresholds.ttl_warning_s) if by_dns else "",
            minimum="0",
        ),
    ]


def _days_left(report: Report) -> float | None:
    """Of the first certificate to expire among what serves clients."""
    prints = {place.certificate for place in report.analysis.places if place.serves_clients}
    ends = [
        seen.not_after
        for seen in report.observations
        if isinstance(seen, Certificate) and seen.fingerprint in prints and seen.not_after is not None
    ]
    if not ends:
        return None
    return round((min(ends) - report.run.started).total_seconds() / words.DAY_S, 2)


def _members(report: Report) -> Perfdata:
    """Members of which a client interface serves; fewer than all of them is a warning (CLU002)."""
    tried: dict[str, bool] = {}
    for place in report.analysis.places:
        if place.tried:
            for name in place.client_of:
                tried[name] = tried.get(name, False) or place.serves
    total = len(report.target.members)
    return Perfdata(
        label="members_serving",
        value=sum(tried.values()) if tried else None,
        warning=f"{total}:" if total else "",
        minimum="0",
        maximum=str(total) if total else "",
    )


def _connect(report: Report) -> list[Perfdata]:
    return [
        Perfdata(
            label=f"connect_{_address(place)}",
            value=place.connect_s,
            unit="s",
            warning=_figure(SLOW_CONNECT_S),
            minimum="0",
        )
        for place in report.analysis.places
        if place.fqdn
    ][:MAX_MEMBERS]


def _address(place: EndpointStatus) -> str:
    return words.place(place.address, place.port)


def _balancing(path: BalancingPath | None) -> list[Perfdata]:
    """Of the worst path."""
    return [
        Perfdata(label="connections", value=path.samples if path else None, minimum="0"),
        Perfdata(label="connections_identified", value=path.identified if path else None, minimum="0"),
        Perfdata(label="connections_failed", value=path.failed if path else None, minimum="0"),
        Perfdata(
            label="other_share_at_most",
            value=_percent(path.other_share_at_most if path else None),
            unit="%",
            minimum="0",
            maximum="100",
        ),
    ]


def _shares(report: Report) -> list[Perfdata]:
    """Of the worst path, a figure a member. A member of the profile that answered nothing has none of the
    connections where all of them were told, and an unknown part where some were not."""
    path = report.analysis.balancing
    shares: dict[str, float | None] = dict.fromkeys(member.name for member in report.target.members)
    if path is not None:
        answered = {share.name: share.share for share in path.members}
        told = path.identified > 0 and path.identified + path.failed >= path.samples
        if told and answered.keys() <= shares.keys():
            shares = dict.fromkeys(shares, 0.0)
        shares |= answered
    return [
        Perfdata(label=f"share_{name}", value=_percent(share), unit="%", minimum="0", maximum="100")
        for name, share in list(shares.items())[:MAX_MEMBERS]
    ]


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 2)
