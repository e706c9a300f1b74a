"""Which finding explains which: no circles, nothing worse hidden, the catalogue's own exceptions aside."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.findings import Confidence, Finding, Owner, Subject
from semscheck.model.target import Severity
from semscheck.rules.causes import RANK, TABLE, Relation, explain
from semscheck.rules.rule import cards

CODES = sorted({row.cause for row in TABLE} | {row.effect for row in TABLE})
# The catalogue: a dead IPv6 address is a warning where IPv4 works; requests move as connections do.
MAY_HIDE_WORSE = {"CLT006", "DNS015", "BAL001", "BAL002", "NET009", "NET012", "NET013", "DNS019"}


def finding(
    code: str,
    severity: Severity = Severity.WARNING,
    subject: Subject | None = None,
) -> Finding:
    about = subject or Subject("address", "keys.example.com", "192.0.2.100", 443)
    return Finding(
        code=code,
        name=code.lower(),
        severity=severity,
        confidence=Confidence.CERTAIN,
        owner=Owner.SERVER,
        subject=about,
        summary=f"{code}.",
        remedy="",
    )


def test_every_code_of_the_table_is_in_the_catalogue() -> None:
    assert set(CODES) <= {card.code for card in cards()}


def test_no_code_explains_itself_and_none_goes_round_in_circles() -> None:
    after: dict[str, set[str]] = {}
    for row in TABLE:
        after.setdefault(row.cause, set()).add(row.effect)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(after.get(start, ()))
        while todo:
            code = todo.pop()
            if code not in seen:
                seen.add(code)
                todo += after.get(code, ())
        return seen

    assert [code for code in after if code in reached(code)] == []


def test_only_what_the_catalogue_says_may_hide_something_worse() -> None:
    assert {row.cause for row in TABLE if row.hides_worse} == MAY_HIDE_WORSE


findings = st.builds(
    finding,
    st.sampled_from(CODES),
    st.sampled_from(Severity),
    st.builds(
        Subject,
        st.sampled_from(["address", "member", "certificate", "fqdn"]),
        st.sampled_from(["sems1", "sems2", "keys"]),
        st.sampled_from([None, "192.0.2.1", "192.0.2.2"]),
        st.sampled_from([None, 443, 444]),
    ),
)


@given(st.lists(findings, max_size=12))
def test_whatever_was_found_ends_at_something_that_stands_for_itself(found: list[Finding]) -> None:
    explained = explain(tuple(found))
    for at, each in enumerate(explained):
        seen, here = {at}, each
        while here.caused_by is not None:
            assert here.caused_by not in seen, "a circle"
            seen.add(here.caused_by)
            cause = explained[here.caused_by]
            if cause.code not in MAY_HIDE_WORSE:
                assert RANK[cause.severity] <= RANK[here.severity]
            here = cause


@given(st.lists(findings, max_size=12))
def test_explaining_changes_nothing_else_and_can_be_done_again(found: list[Finding]) -> None:
    once = explain(tuple(found))
    assert explain(once) == once
    assert [(f.code, f.severity, f.subject) for f in once] == [(f.code, f.severity, f.subject) for f in found]


MEMBER_1 = Subject("member", "sems1", "198.51.100.11", 443)
MEMBER_2 = Subject("member", "sems2", "198.51.100.12", 443)
SAME_ADDRESS_444 = Subject("member", "sems1", "198.51.100.11", 444)
BY_NAME = Subject("certificate", "sems1")


@pytest.mark.parametrize(
    ("cause", "effect", "where", "other", "explained"),
    [
        ("NET001", "CLU002", MEMBER_1, MEMBER_1, True),
        ("NET001", "CLU002", MEMBER_1, MEMBER_2, False),
        ("NET001", "CLU002", SAME_ADDRESS_444, MEMBER_1, False),
        ("NET001", "CLU002", BY_NAME, MEMBER_1, False),
        ("CRT015", "CRT013", MEMBER_1, BY_NAME, True),
        ("CRT015", "CRT013", MEMBER_2, BY_NAME, False),
        ("BAL001", "BAL007", MEMBER_1, SAME_ADDRESS_444, True),
        ("BAL001", "BAL007", MEMBER_1, MEMBER_2, False),
        ("DNS004", "DNS005", MEMBER_1, MEMBER_2, True),
    ],
)
def test_the_relation_decides(
    cause: str, effect: str, where: Subject, other: Subject, explained: bool
) -> None:
    found = explain((finding(cause, subject=where), finding(effect, subject=other)))
    assert found[0].caused_by is None
    assert (found[1].caused_by == 0) is explained


@pytest.mark.parametrize(
    ("cause", "effect", "explained"),
    [
        (Severity.CRITICAL, Severity.CRITICAL, True),
        (Severity.CRITICAL, Severity.WARNING, True),
        (Severity.UNKNOWN, Severity.CRITICAL, False),
        (Severity.WARNING, Severity.UNKNOWN, False),
        (Severity.INFO, Severity.WARNING, False),
    ],
)
def test_what_is_less_grave_explains_nothing_graver(
    cause: Severity, effect: Severity, explained: bool
) -> None:
    found = explain((finding("NET001", cause), finding("CLU005", effect)))
    assert (found[1].caused_by == 0) is explained


def test_a_dead_ipv6_address_accounts_for_what_fails_there_and_only_there() -> None:
    there = Subject("address", "keys", "2001:db8::1", 443)
    found = explain(
        (
            finding("NET002", Severity.CRITICAL, there),
            finding("NET002", Severity.CRITICAL, MEMBER_1),
            finding("DNS015", Severity.WARNING, there),
        )
    )
    assert [each.caused_by for each in found] == [2, None, None]


def pairs(codes: Iterable[str]) -> Iterable[tuple[str, str]]:
    return itertools.permutations(codes, 2)


@pytest.mark.parametrize(("severity", "hidden"), [(Severity.WARNING, True), (Severity.INFO, False)])
def test_what_is_only_worth_knowing_hides_nothing_that_was_not_measured(
    severity: Severity, hidden: bool
) -> None:
    cause, effect = explain((finding("CLT006", severity), finding("SEM004", Severity.UNKNOWN)))
    assert cause.caused_by is None
    assert (effect.caused_by == 0) is hidden


def test_codes_that_the_table_does_not_name_explain_nothing() -> None:
    known = {(row.cause, row.effect) for row in TABLE}
    for one, other in pairs(CODES):
        if (one, other) in known:
            continue
        found = explain((finding(one), finding(other)))
        assert found[1].caused_by is None


def test_every_relation_is_used() -> None:
    assert {row.relation for row in TABLE} == set(Relation)
