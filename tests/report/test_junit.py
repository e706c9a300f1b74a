"""The JUnit suite, as a reader that did not write it reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase

from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report import junit
from tests.report import reports


def suite(report: Report) -> tuple[dict[str, TestCase], JUnitXml]:
    root = JUnitXml.fromstring(junit.render(report).encode())
    return {case.name: case for only in root for case in only}, root


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_a_case_for_every_rule_and_counts_that_add_up(make: Callable[[], Report]) -> None:
    report = make()
    _, root = suite(report)
    (only,) = root
    cases = list(only)
    assert [case.name for case in cases] == [verdict.code for verdict in report.verdicts]
    assert only.tests == len(cases)
    assert only.failures == sum(any(isinstance(part, Failure) for part in case.result) for case in cases)
    assert only.errors == sum(any(isinstance(part, Error) for part in case.result) for case in cases)
    assert only.skipped == sum(any(isinstance(part, Skipped) for part in case.result) for case in cases)


def test_found_is_a_failure_with_words() -> None:
    cases, _ = suite(reports.round_robin())
    (failure,) = cases["BAL001"].result
    assert isinstance(failure, Failure)
    assert failure.type == "critical"
    assert "round robin" in failure.message
    assert "What to do: Set the load balancer" in failure.text
    assert cases["BAL001"].classname == "semscheck.BAL"
    assert cases["DNS004"].result == []


def test_information_passes_with_output() -> None:
    cases, _ = suite(reports.healthy())
    assert cases["BAL009"].result == []
    assert "All 32 new connections" in cases["BAL009"].system_out


def test_not_observed_is_skipped_crashed_and_unknown_are_errors() -> None:
    cases, _ = suite(reports.failed())
    (skipped,) = cases["BAL001"].result
    assert isinstance(skipped, Skipped)
    assert skipped.message == "the FQDN has no address"
    (crashed,) = cases["SEM001"].result
    assert isinstance(crashed, Error)
    assert crashed.message == "ValueError: odd"
    (unknown,) = cases["SEM002"].result
    assert isinstance(unknown, Error)
    assert unknown.type == "unknown"


def test_several_findings_of_one_rule_are_one_failure_by_the_worst() -> None:
    found = (
        reports.finding("CRT004", Severity.WARNING, summary="mild"),
        reports.finding("CRT004", Severity.CRITICAL, summary="grave"),
    )
    report = replace(reports.healthy(), findings=found, verdicts=reports.verdicts(found))
    (failure,) = suite(report)[0]["CRT004"].result
    assert (failure.type, failure.message) == ("critical", "grave")
    assert "mild" in failure.text


def test_names_from_the_catalogue_are_the_same_whatever_the_outcome() -> None:
    names = {"BAL001": "round-robin", "DNS004": "dns-round-robin"}
    for report in (reports.healthy(), reports.round_robin()):
        assert 'name="BAL001 round-robin"' in junit.render(report, names)


def test_a_time_that_was_not_measured_is_left_out() -> None:
    assert ' time="4.200"' in junit.render(reports.healthy())
    assert " time=" not in junit.render(reports.failed())
