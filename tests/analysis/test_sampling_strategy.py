"""Decisions on the way: who comes next, whether more connections could change anything, what may be a session."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from semscheck.analysis.sampling_strategy import EXTENSION, SamplingDecisions
from semscheck.model.observations import Sample
from semscheck.model.target import Target
from tests.analysis.balancing.connections import VIP

DECIDE = SamplingDecisions(Target("keys.example.com"))
CYCLE = tuple("ABCABCABCABC")


def history(letters: str) -> tuple[str | None, ...]:
    """Who answered; "-" is nobody known."""
    return tuple(None if who == "-" else who for who in letters)


@pytest.mark.parametrize(
    ("seen", "order"),
    [
        ("", "ABC"),
        ("B", "BAC"),
        ("BBA", "BAC"),  # by how often they answered; nobody knows yet who follows A
        ("ABCAB", "CAB"),  # after B came C
        ("ABCA", "BAC"),
        ("AAB-A", "BAC"),  # what is not known does not count: after A came B
    ],
)
def test_the_one_that_comes_next_is_asked_first(seen: str, order: str) -> None:
    assert DECIDE.first_asked(history(seen), "ABC") == tuple(order)


@pytest.mark.parametrize(
    ("seen", "filled"),
    [
        ("ABCABC-", "ABCABCA"),
        ("ABCA-CA", "ABCABCA"),
        ("-ABA-", "-ABAB"),
        ("A-", "A-"),  # nothing shows who follows
        ("AA-", "AAA"),
        ("AB--", "AB--"),
        ("ABA--", "ABABA"),
    ],
)
def test_what_is_unknown_is_filled_in_as_a_cycle_would_go_on(seen: str, filled: str) -> None:
    assert DECIDE.expected(history(seen)) == history(filled)


@pytest.mark.parametrize(
    ("seen", "settled", "enough"),
    [
        ("ABCABCABCABC", False, True),
        ("ABCABC", True, False),
        ("ABCABCABCBAC", True, False),
        ("A" * 32, True, False),  # another may still come
        ("A-" * 12, True, True),  # every second connection fails
        ("A-" * 12, False, False),  # or is not known yet
    ],
)
def test_only_a_cycle_is_certain_enough_to_stop(seen: str, settled: bool, enough: bool) -> None:
    assert DECIDE.enough(history(seen), settled) is enough


@pytest.mark.parametrize(
    ("counts", "more"),
    [
        ((16, 16), 0),  # even, and no doubt
        ((22, 10), EXTENSION),  # between: rejected at 10 % and not at the limit of one look
        ((30, 2), 0),  # uneven, and no doubt
        ((32,), 0),
    ],
)
def test_shares_that_are_left_open_are_worth_more_connections(counts: Sequence[int], more: int) -> None:
    seen = [f"m{at}" for at, count in enumerate(counts) for _ in range(count)]
    assert DECIDE.more(seen) == more


def test_there_is_an_end_to_more_connections_and_a_cycle_needs_none() -> None:
    open_ = ["A"] * 44 + ["B"] * 28
    assert len(open_) > 2 * EXTENSION
    assert DECIDE.more(open_) == 0
    assert DECIDE.more("AAB" * 10) == 0


@pytest.mark.parametrize(
    ("seen", "later", "next_"),
    [
        ("ABCABCABCABC", "", "A"),
        ("ABCABCABCABC", "A", "B"),
        ("ABCABCABCABC", "A-", "C"),
        ("ABCABC", "", None),  # by chance, perhaps
        ("ABCABCABCABC-ABC", "", None),  # it may have taken a turn, or not
    ],
)
def test_what_a_cycle_brings_next(seen: str, later: str, next_: str | None) -> None:
    assert DECIDE.foreseen(history(seen), history(later)) == next_


@pytest.mark.parametrize(
    ("seen", "spread"),
    [("AAAA", False), ("AAAB", True), ("A-A-", False), ("A-" * 12, True), ("----", False), ("", False)],
)
def test_persistence_is_measured_where_several_were_seen(seen: str, spread: bool) -> None:
    assert DECIDE.spread(history(seen)) is spread


@pytest.mark.parametrize(
    ("name", "value", "session"),
    [
        ("JSESSIONID", "0123456789ABCDEF0123456789ABCDEF", True),
        ("JSESSIONID", "0123456789ABCDEF0123456789ABCDEF.node1", True),  # with the member's own suffix
        ("JSESSIONID", "s1~0123456789ABCDEF0123456789ABCDEF", True),  # with a balancer's prefix
        ("BIGipServerpool", "1677787402.36895.0000", False),
        ("SERVERID", "s1", False),
        ("MRHSession", "0123456789abcdef", False),
    ],
)
def test_what_may_be_a_session(name: str, value: str, session: bool) -> None:
    assert DECIDE.may_be_session(name, value) is session


def connections(count: int) -> list[Sample]:
    return [
        Sample(
            id=f"s{n}",
            at_s=float(n),
            arm="fresh",
            index=n,
            address=VIP,
            port=443,
            version="TLSv1.3",
        )
        for n in range(count)
    ]


def test_without_tickets_keys_are_given_up_after_three_connections() -> None:
    assert [DECIDE.keys_usable(connections(count)) for count in range(5)] == [None, None, None, False, False]
