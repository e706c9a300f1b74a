"""The plugin output, read by a parser that follows the monitoring-plugins guidelines."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from semscheck.model.analysis import BalancingPath
from semscheck.model.report import Report
from semscheck.model.target import Failover, Severity
from semscheck.report import nagios
from tests.report import reports

# Development Guidelines, "Performance data": 'label'=value[UOM];[warn];[crit];[min];[max]
FIGURE = re.compile(
    r"(?:'((?:[^'=]|'')+)'|([^\s'=]+))=(U|-?\d+(?:\.\d+)?)(s|us|ms|%|B|KB|MB|TB|c)?"
    r"(?:;([-\d.~@:]*))?(?:;([-\d.~@:]*))?(?:;(-?[\d.]*))?(?:;(-?[\d.]*))?(?:\s+|$)"
)


@dataclass(frozen=True)
class Read:
    status: str
    text: str
    details: list[str]
    figures: dict[str, tuple[str, ...]]


def parse(output: str) -> Read:
    first, *details = output.removesuffix("\n").split("\n")
    head, separator, data = first.partition("|")
    assert separator == "|"
    assert "|" not in data
    matched = re.fullmatch(r"SEMSCHECK (OK|WARNING|CRITICAL|UNKNOWN)\b(.*)", head)
    assert matched
    figures: dict[str, tuple[str, ...]] = {}
    rest = data.strip()
    while rest:
        figure = FIGURE.match(rest)
        assert figure, rest
        quoted, plain, *values = figure.groups()
        assert (quoted or plain) not in figures
        figures[quoted or plain] = tuple(value or "" for value in values)
        rest = rest[figure.end() :]
    return Read(matched[1], matched[2], details, figures)


def in_range(value: float, threshold: str) -> bool:
    """Whether no alert is due: guidelines, "Threshold and Ranges"."""
    start, separator, end = threshold.rpartition(":")
    low = float("-inf") if start == "~" else float(start or 0)
    high = float(end) if end else float("inf")
    assert separator or end
    return low <= value <= high


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_any_report_can_be_parsed(make: Callable[[], Report]) -> None:
    report = make()
    output = nagios.render(report)
    assert len(output.encode()) <= nagios.MAX_BYTES
    assert all(line.isprintable() for line in output.removesuffix("\n").split("\n"))
    read = parse(output)
    assert all("|" not in line for line in read.details)
    assert nagios.STATUS.index(read.status) == report.summary.exit_code


def test_status_line_details_and_figures() -> None:
    read = parse(nagios.render(reports.round_robin()))
    assert read.status == "CRITICAL"
    assert "round robin" in read.text
    assert read.details[0].startswith("CRITICAL BAL001 round-robin, balancer: ")
    assert "(explains BAL007)" in read.details[0]
    assert read.figures["duration"] == ("4.2", "s", "", "", "0", "")
    assert read.figures["connect_192.0.2.100:443"] == ("0.0042", "s", "1", "", "0", "")
    assert read.figures["share_sems1.example.com"][:2] == ("33.33", "%")
    assert read.figures["members_serving"] == ("2", "", "3:", "", "0", "3")


def test_thresholds_alert_when_the_verdict_does() -> None:
    figures = parse(nagios.render(reports.round_robin())).figures
    assert not in_range(float(figures["critical"][0]), figures["critical"][3])
    assert not in_range(float(figures["members_serving"][0]), figures["members_serving"][2])
    healthy = parse(nagios.render(reports.healthy())).figures
    for value, _, warning, critical, *_ in healthy.values():
        for threshold in (warning, critical):
            assert value == "U" or not threshold or in_range(float(value), threshold)
    assert not in_range(29.0, healthy["certificate_days_left"][2])
    assert not in_range(6.0, healthy["certificate_days_left"][3])


def test_the_ttl_has_a_threshold_only_where_fail_over_is_by_dns() -> None:
    report = reports.healthy()
    assert parse(nagios.render(report)).figures["dns_min_ttl"][2] == ""
    report = replace(report, target=replace(report.target, failover=Failover.DNS))
    assert parse(nagios.render(report)).figures["dns_min_ttl"] == ("300", "s", "300", "", "0", "")


def test_what_was_not_measured_is_u() -> None:
    figures = parse(nagios.render(reports.failed())).figures
    unknown = {label for label, (value, *_) in figures.items() if value == "U"}
    assert unknown == {
        "duration",
        "dns_min_ttl",
        "certificate_days_left",
        "members_serving",
        "connections",
        "connections_identified",
        "connections_failed",
        "other_share_at_most",
    }
    not_sampled = replace(
        reports.healthy(), analysis=replace(reports.healthy().analysis, paths=(), balancing=None)
    )
    assert parse(nagios.render(not_sampled)).figures["share_sems1.example.com"][0] == "U"


def test_a_member_that_answered_none_of_all_has_no_part_and_one_of_some_an_unknown_part() -> None:
    """A standby behind fail-over is a measured nought: a graph has to show when it takes over."""
    base = reports.healthy()
    path = base.analysis.balancing
    assert path is not None

    def shares(path: BalancingPath) -> list[str]:
        report = replace(base, analysis=replace(base.analysis, balancing=path))
        figures = parse(nagios.render(report)).figures
        return [figures[f"share_{member.name}"][0] for member in base.target.members]

    one = replace(path.members[0], name=base.target.members[0].name, count=32, share=1.0)
    whole = replace(path, members=(one,), samples=32, identified=32, failed=0)
    assert shares(whole) == ["100", "0", "0"]
    assert shares(replace(whole, samples=33, failed=1)) == ["100", "0", "0"]
    assert shares(replace(whole, samples=40)) == ["100", "U", "U"]
    assert shares(replace(whole, members=(replace(one, name="member A"),))) == ["U", "U", "U"]


def test_a_milder_exit_code_does_not_hide_the_verdict() -> None:
    report = reports.healthy()
    report = replace(
        report,
        summary=replace(report.summary, verdict=report.summary.verdict.WARNING, exit_code=0, headline="Old."),
    )
    assert nagios.render(report).startswith("SEMSCHECK OK (warning, not counted) - Old. | ")


def test_many_findings_stay_within_the_buffer() -> None:
    found = tuple(reports.finding(f"CRT{n:03}", Severity.WARNING, summary="word " * 100) for n in range(500))
    output = nagios.render(replace(reports.healthy(), findings=found))
    assert len(output.encode()) <= nagios.MAX_BYTES
    assert parse(output).details
