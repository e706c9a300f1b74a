"""What happened while a check ran, from the order of keys and of sessions that were refused."""

from __future__ import annotations

import pytest

from semscheck.analysis.balancing.changes import as_renewed, at_one_moment, forgotten
from semscheck.analysis.balancing.statistics import PairTrial
from semscheck.analysis.balancing.ticket_keys import follow_one_another


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        ("AAAA", {4}),
        ("AABB", {4}),
        ("ABAB", {2}),
        ("ABCABCADCADC", {4}),
        ("AABCBCB", {5, 2}),
        ("", set[int]()),
    ],
)
def test_keys_one_after_another_may_be_one_servers(keys: str, counts: set[int]) -> None:
    found = as_renewed(keys)
    assert set(found) == counts
    assert sum(found) == len(keys)


def trials(*rows: tuple[int, int, bool]) -> list[PairTrial]:
    return [PairTrial(*row) for row in rows]


def test_a_restart_refuses_sessions_at_one_moment() -> None:
    restarted = trials((0, 2, True), (1, 4, True), (2, 6, False), (4, 7, False), (6, 8, True), (7, 9, True))
    assert at_one_moment(restarted)
    assert not at_one_moment([*restarted, *trials((8, 10, False))])
    assert not at_one_moment([*restarted, *trials((3, 8, True))])
    assert not at_one_moment(restarted[:2])


@pytest.mark.parametrize(
    ("after", "so"),
    [("A", False), ("BBB", False), ("BAA", False), ("BAB", True), ("BCA", True), ("BCD", True)],
)
def test_pauses_that_lead_elsewhere(after: str, so: bool) -> None:
    assert forgotten("A", list(after)) is so


@pytest.mark.parametrize(
    ("keys", "so"),
    [
        ("AAAABBBBCC", True),
        ("AAAABABBBBB", True),
        ("AAAABAABBBBB", True),
        ("AAAABAB", False),
        ("ABABABAB", False),
        ("AAAAAAAAABAAAA", False),
        ("AAAABBBBBAABBBBB", False),
    ],
)
def test_keys_that_follow_one_another(keys: str, so: bool) -> None:
    assert follow_one_another(keys) is so
