"""Which findings are listed, how they are ordered, filtered and folded."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.findings import Owner, root_of
from semscheck.model.target import Severity
from semscheck.tui.listing import Filter, Order, View, member_of, rows
from tests.tui import reports

FINDINGS = reports.broken().findings
TARGET = reports.TARGET


def codes(view: View) -> list[str]:
    return [it.finding.code for it in rows(FINDINGS, TARGET, view)]


def test_worst_first_and_consequences_folded():
    assert codes(View()) == ["BAL001", "NET002", "CRT006", "CRT007", "BAL015"]
    assert [it.consequences for it in rows(FINDINGS, TARGET, View())] == [1, 1, 0, 0, 0]


def test_unfolded_consequences_stand_under_their_cause():
    listed = rows(FINDINGS, TARGET, View(unfolded=frozenset({0, 1})))
    assert [(it.finding.code, it.depth) for it in listed][:4] == [
        ("BAL001", 0),
        ("BAL007", 1),
        ("NET002", 0),
        ("CLU002", 1),
    ]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.OWNER, ["NET002", "BAL001", "BAL015", "CRT006", "CRT007"]),
        (Order.ABOUT, ["CRT007", "BAL001", "CRT006", "NET002", "BAL015"]),
        (Order.CODE, ["BAL001", "BAL015", "CRT006", "CRT007", "NET002"]),
    ],
)
def test_orders(order, expected):
    assert codes(View(order)) == expected


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(severity=Severity.CRITICAL), ["BAL001", "BAL007"]),
        (Filter(owner=Owner.NETWORK), ["NET002"]),
        (Filter(member="sems2.example.com"), ["CRT006"]),
        (Filter(member="sems3.example.com"), ["NET002", "CLU002", "BAL015"]),
        (Filter(text="SEMS3 answer"), ["NET002"]),
        (Filter(text="round robin"), ["BAL001"]),
        (Filter(text="crt006"), ["CRT006"]),
        (Filter(text="   "), ["BAL001", "NET002", "CRT006", "CRT007", "BAL015"]),
        (Filter(text="redundancy"), ["CLU002"]),
        (Filter(severity=Severity.CRITICAL, owner=Owner.SERVER), []),
    ],
)
def test_filters(chosen, expected):
    assert codes(View(filter=chosen)) == expected


def test_a_member_is_known_by_name_and_by_address():
    assert member_of(FINDINGS[3], TARGET) == "sems2.example.com"
    assert member_of(FINDINGS[1], None) == "sems3.example.com"
    assert member_of(FINDINGS[0], TARGET) is None


@given(st.lists(st.one_of(st.none(), st.integers(-3, 12)), max_size=10), st.sampled_from(Order))
def test_whatever_the_causes_every_finding_can_be_reached(causes, order):
    """A saved report may say anything of causes: circles, itself, indexes out of range."""
    findings = tuple(replace(FINDINGS[0], caused_by=it) for it in causes)
    for index in range(len(findings)):
        assert 0 <= root_of(findings, index) < len(findings)
    everything = View(order, unfolded=frozenset(range(len(findings))))
    assert sorted(it.index for it in rows(findings, None, everything)) == list(range(len(findings)))
