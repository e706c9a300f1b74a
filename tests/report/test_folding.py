"""Consequences under their cause, worst first, and none lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.findings import Finding
from semscheck.model.target import Severity
from semscheck.report.folding import folded, grouped
from tests.report.reports import finding


def _codes(findings: list[Finding]) -> list[tuple[str, list[str]]]:
    return [(found.code, [entry.code for entry in explained]) for found, explained in folded(findings)]


def test_worst_first_and_consequences_folded() -> None:
    findings = [
        finding("W1", Severity.WARNING),
        finding("C1", Severity.CRITICAL),
        finding("I1", Severity.INFO),
        finding("U1", Severity.UNKNOWN),
        finding("W2", Severity.WARNING, caused_by=1),
        finding("C2", Severity.CRITICAL, caused_by=4),
    ]
    assert _codes(findings) == [("C1", ["C2", "W2"]), ("U1", []), ("W1", []), ("I1", [])]


def test_a_circle_of_causes_hides_nothing() -> None:
    findings = [finding("A", caused_by=1), finding("B", caused_by=0), finding("C", caused_by=2)]
    assert sorted(code for code, _ in _codes(findings)) == ["A", "B", "C"]


@given(st.lists(st.one_of(st.none(), st.integers(-3, 12)), max_size=10))
def test_every_finding_occurs_exactly_once(causes: list[int | None]) -> None:
    findings = [finding(f"F{index}", caused_by=cause) for index, cause in enumerate(causes)]
    shown = [code for root, explained in _codes(findings) for code in (root, *explained)]
    assert sorted(shown) == sorted(found.code for found in findings)


def test_findings_that_differ_only_in_their_subject_stand_together() -> None:
    findings = [
        finding("DNS014", Severity.INFO, summary="a"),
        finding("BAL001"),
        finding("DNS014", Severity.INFO, summary="b"),
        finding("DNS014", Severity.INFO, summary="c", remedy="another"),
        finding("X", caused_by=2),
    ]
    shown = [
        ([entry.summary for entry in group.findings], len(group.explains)) for group in grouped(findings)
    ]
    assert [names for names, _ in shown[1:]] == [["a", "b"], ["c"]]
    assert [number for _, number in shown] == [0, 1, 0]
