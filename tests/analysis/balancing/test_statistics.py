"""Statistics: against reference values, brute force, and exact or seeded rates of false claims."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semscheck.analysis.balancing.statistics import (
    CycleKind,
    PairTrial,
    _extremes_p_value,
    _wilson,
    beta_cdf,
    binomial_at_least,
    clopper_pearson,
    connections_for_cycle,
    cycle,
    cycle_is_certain,
    cycle_with_gaps,
    equal_shares_p_value,
    equal_shares_rejected,
    in_blocks,
    lag_matches,
    other_share_at_most,
    several_members,
)
from tests.rig.policy import examples

NAMES = "ABCDEF"

# --- always one member, intervals ------------------------------------------------------------------------


def test_other_share_is_the_number_that_the_report_quotes() -> None:
    assert other_share_at_most(32) == pytest.approx(0.0893682, abs=1e-7)
    assert other_share_at_most(32, 0.99) == pytest.approx(1 - 0.01 ** (1 / 32))
    assert other_share_at_most(0) == 1.0


@pytest.mark.parametrize("elsewhere", [1, 3, 16])
def test_connections_that_may_have_gone_elsewhere_count_as_if_they_had(elsewhere: int) -> None:
    bound = other_share_at_most(32, elsewhere=elsewhere)
    so_few = sum(math.comb(32, k) * bound**k * (1 - bound) ** (32 - k) for k in range(elsewhere + 1))
    assert so_few == pytest.approx(0.05, abs=1e-6)


def test_the_bound_knows_its_ends() -> None:
    assert other_share_at_most(32, elsewhere=32) == 1.0
    with pytest.raises(ValueError, match="33 of 32"):
        other_share_at_most(32, elsewhere=33)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 95])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    for function in (
        other_share_at_most,
        lambda n, c: clopper_pearson(n, n, c),
        lambda n, c: _wilson(1.0, n, c),
    ):
        with pytest.raises(ValueError, match="confidence"):
            function(3, confidence)


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3)])
def test_a_count_that_is_none_is_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="of 3"):
        clopper_pearson(k, n)


# SciPy 1.17.1: t = scipy.stats.binomtest(k, n); t.proportion_ci(confidence, "exact"), (confidence, "wilson")
INTERVALS = [
    (0, 32, 0.95, (0.0, 0.10888116067944287), (0.0, 0.1071791982550706)),
    (1, 32, 0.95, (0.0007908685979749542, 0.16217099418152042), (0.005537860164003122, 0.15744263820012558)),
    (3, 32, 0.95, (0.01976718017330235, 0.2502269506838533), (0.032401551298366194, 0.24218154728387864)),
    (16, 32, 0.95, (0.318874964234164, 0.681125035765836), (0.33630882869327483, 0.6636911713067252)),
    (31, 32, 0.95, (0.8378290058184796, 0.999209131402025), (0.8425573617998744, 0.9944621398359969)),
    (32, 32, 0.95, (0.8911188393205571, 1.0), (0.8928208017449293, 1.0)),
    (100, 200, 0.99, (0.40735189749805617, 0.5926481025019439), (0.41040469539877794, 0.5895953046012221)),
    (
        1,
        200,
        0.99,
        (2.506239487858793e-05, 0.03655913053277846),
        (0.0005872997618396741, 0.04120088192023996),
    ),
    (7, 13, 0.8, (0.330859180321993, 0.7362697438686886), (0.36713205286258244, 0.7011628815276586)),
]


@pytest.mark.parametrize(("k", "n", "confidence", "exact", "wilson"), INTERVALS)
def test_intervals_agree_with_scipy(
    k: int, n: int, confidence: float, exact: tuple[float, float], wilson: tuple[float, float]
) -> None:
    assert clopper_pearson(k, n, confidence) == pytest.approx(exact, abs=1e-12)
    assert _wilson(k / n, n, confidence) == pytest.approx(wilson, abs=1e-12)


def test_nothing_tried_says_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.01, 1 / 11, 0.25, 1 / 3, 0.5, 0.9])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(share: float) -> None:
    n = 32
    covered = math.fsum(
        math.comb(n, k) * share**k * (1 - share) ** (n - k)
        for k in range(n + 1)
        if clopper_pearson(k, n)[0] <= share <= clopper_pearson(k, n)[1]
    )
    assert covered >= 0.95


@given(n=st.integers(1, 200), data=st.data(), confidence=st.floats(0.5, 0.999))
def test_intervals_hold_the_estimate_and_mirror(n: int, data: st.DataObject, confidence: float) -> None:
    k = data.draw(st.integers(0, n))
    for interval in (clopper_pearson, lambda k, n, c: _wilson(k / n, n, c)):
        low, high = interval(k, n, confidence)
        assert 0.0 <= low <= k / n <= high <= 1.0
        mirrored = interval(n - k, n, confidence)
        assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


# SciPy 1.17.1: scipy.special.betainc(a, b, x)
@pytest.mark.parametrize(
    ("x", "a", "b", "expected"),
    [
        (0.1, 0.5, 0.5, 0.20483276469913345),
        (0.3, 2, 5, 0.5798250000000003),
        (0.5, 100, 100, 0.4999999999999996),
        (0.9, 3, 0.7, 0.5786105753901476),
        (0.02, 1, 199, 0.9820531157084473),
        (0.999, 200, 3, 0.9988334368468834),
        (1e-06, 0.1, 50, 0.3900879068915247),
        (0.0, 2, 3, 0.0),
        (1.0, 2, 3, 1.0),
    ],
)
def test_incomplete_beta_agrees_with_scipy(x: float, a: float, b: float, expected: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(expected, rel=1e-11)


def test_incomplete_beta_refuses_a_shape_that_is_none() -> None:
    with pytest.raises(ValueError, match="shape"):
        beta_cdf(0.5, 0.0, 1.0)


@given(n=st.integers(1, 60), data=st.data())
def test_binomial_tail_is_the_sum_it_stands_for(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    p = Fraction(data.draw(st.integers(1, 99)), 100)
    exact = sum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
    assert binomial_at_least(k, n, float(p)) == pytest.approx(float(exact), rel=1e-9, abs=1e-14)


# --- equal shares ----------------------------------------------------------------------------------------


def compositions(n: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (n,)
        return
    for first in range(n + 1):
        for rest in compositions(n - first, parts - 1):
            yield (first, *rest)


def multinomial(counts: Sequence[int], shares: Sequence[Fraction]) -> Fraction:
    ways = Fraction(math.factorial(sum(counts)))
    for count, share in zip(counts, shares, strict=True):
        ways = ways * share**count / math.factorial(count)
    return ways


def brute_force(counts: Sequence[int], cells: int, least: int) -> float:
    """The definition, by enumeration in exact arithmetic."""

    def value(c: Sequence[int]) -> int:
        return sum(x * x for x in c)

    shares = [Fraction(1, cells)] * cells
    possible = [c for c in compositions(sum(counts), cells) if min(c) >= least]
    total = sum(multinomial(c, shares) for c in possible)
    return float(sum(multinomial(c, shares) for c in possible if value(c) >= value(counts)) / total)


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None)
@given(counts=st.lists(st.integers(1, 5), min_size=2, max_size=4), unseen=st.integers(0, 1))
def test_p_values_are_the_definition(counts: list[int], unseen: int) -> None:
    seen = len(counts)
    assert equal_shares_p_value(counts) == pytest.approx(brute_force(counts, seen, 1), rel=1e-10)
    members = seen + unseen
    every = (*counts, *(0 for _ in range(unseen)))
    assert equal_shares_p_value(counts, members) == pytest.approx(brute_force(every, members, 0), rel=1e-10)


def test_what_says_nothing_about_shares() -> None:
    for counts, members in (([], None), ([32], None), ([0, 0], 2), ([5], 1)):
        assert equal_shares_p_value(counts, members) == 1.0
        assert not equal_shares_rejected(counts, members)


def test_more_members_answered_than_there_are() -> None:
    with pytest.raises(ValueError, match="members answered"):
        equal_shares_rejected([3, 3, 3], members=2)
    with pytest.raises(ValueError, match="negative"):
        equal_shares_rejected([3, -1])


def test_a_member_out_of_the_pool_does_not_make_an_even_balancer_weighted() -> None:
    assert not equal_shares_rejected([16, 16, 0])
    assert equal_shares_rejected([16, 16, 0], members=3)


def test_six_members_and_200_connections_and_more_members_than_the_vendor_supports() -> None:
    assert equal_shares_rejected([60, 40, 30, 30, 20, 20])
    assert not equal_shares_rejected([40, 36, 33, 31, 30, 30])
    assert equal_shares_p_value([9, 3, 2, 2, 2, 2, 2]) == _extremes_p_value(22, 7, 1, 9, 2)
    assert equal_shares_rejected([40, 10, 10, 10, 10, 10, 10])
    assert not equal_shares_rejected([16, 15, 15, 14, 14, 13, 13])


def partitions(n: int, parts: int, most: int) -> Iterator[tuple[int, ...]]:
    if parts == 0:
        if n == 0:
            yield ()
        return
    for first in range(min(n, most), -1, -1):
        for rest in partitions(n - first, parts - 1, first):
            yield (first, *rest)


@pytest.mark.slow
@pytest.mark.parametrize(("members", "n"), [(2, 32), (3, 32), (4, 32), (5, 32), (6, 32), (2, 100), (3, 64)])
def test_equal_shares_are_wrongly_rejected_in_at_most_one_percent(members: int, n: int) -> None:
    wrong = Fraction(0)
    for counts in partitions(n, members, n):
        if equal_shares_rejected(counts):
            arrangements = math.factorial(members)
            for same in Counter(counts).values():
                arrangements //= math.factorial(same)
            wrong += arrangements * multinomial(counts, [Fraction(1, members)] * members)
    assert 0 < wrong <= Fraction(1, 100)


# The table in the docstring of equal_shares_rejected.
POWER = [
    (32, (10, 1), 0.951),
    (32, (10, 1, 1), 0.997),
    (32, (3, 2, 1), 0.268),
    (32, (2, 1), 0.211),
    (32, (3, 1, 1, 1), 0.518),
    (64, (3, 2, 1), 0.675),
    (64, (2, 1), 0.524),
]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "weights", "squares"), POWER)
def test_power_is_what_the_docstring_says(n: int, weights: tuple[int, ...], squares: float) -> None:
    shares = [Fraction(w, sum(weights)) for w in weights]
    power = 0.0
    for counts in compositions(n, len(weights)):
        power += float(multinomial(counts, shares)) * (equal_shares_p_value(counts) <= 0.01)
    assert power == pytest.approx(squares, abs=0.0006)


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None)
@given(counts=st.lists(st.integers(1, 5), min_size=2, max_size=4), unseen=st.integers(0, 1))
def test_the_chance_of_extremes_is_the_definition(counts: list[int], unseen: int) -> None:
    every = (*counts, *(0 for _ in range(unseen)))
    cells, least = len(every), 1 - unseen
    shares = [Fraction(1, cells)] * cells
    possible = [c for c in compositions(sum(every), cells) if min(c) >= least]
    chances = [(c, multinomial(c, shares)) for c in possible]
    total = sum(chance for _, chance in chances)
    high = float(sum(chance for c, chance in chances if max(c) >= max(every)) / total)
    low = float(sum(chance for c, chance in chances if min(c) <= min(every)) / total)
    found = _extremes_p_value(sum(every), cells, least, max(every), min(every))
    assert found == pytest.approx(min(1.0, 2 * min(high, low)), abs=1e-11)


@pytest.mark.parametrize(("members", "n"), [(5, 65), (6, 65), (6, 200)])
def test_extremes_wrongly_reject_equal_shares_in_at_most_one_percent(members: int, n: int) -> None:
    """The most that chance allows is computed from the two tails at the first counts that are rejected."""
    even = -(-n // members)
    high = next(m for m in range(even, n) if _extremes_p_value(n, members, 1, m, n // members) <= 0.01)
    low = next(m for m in range(n // members, 0, -1) if _extremes_p_value(n, members, 1, even, m) <= 0.01)
    upper = _extremes_p_value(n, members, 1, high, n // members) / 2
    lower = _extremes_p_value(n, members, 1, even, low) / 2
    assert upper + lower <= 0.01


def test_with_many_members_and_connections_extremes_take_over_and_say_the_same_of_what_is_plain() -> None:
    assert not equal_shares_rejected([34, 34, 33, 33, 33, 33])
    assert equal_shares_rejected([100, 20, 20, 20, 20, 20])
    assert equal_shares_rejected([38, 38, 38, 38, 38, 10])  # one too few is as uneven as one too many
    assert equal_shares_p_value([40, 32, 32, 32, 32, 32]) == _extremes_p_value(200, 6, 1, 40, 32)
    assert equal_shares_p_value([16, 10, 10, 10, 9, 9]) != _extremes_p_value(64, 6, 1, 16, 9)


# --- cycles ----------------------------------------------------------------------------------------------


def round_robin(members: int, n: int, start: int = 0) -> list[str | None]:
    return [NAMES[(start + i) % members] for i in range(n)]


@pytest.mark.parametrize("members", range(2, 7))
def test_a_clean_round_robin_is_certain_after_at_most_four_connections_per_member(members: int) -> None:
    certain = [n for n in range(1, 50) if cycle_is_certain(round_robin(members, n))]
    assert certain[0] == connections_for_cycle(members) <= 4 * members
    assert certain == list(range(certain[0], 50))
    found = cycle(round_robin(members, 4 * members, start=1))
    assert found is not None
    assert found.kind is CycleKind.ROTATING
    assert found.period == found.members == members
    assert found.order[0] == NAMES[1]
    assert found.chance < 0.01


def test_a_cycle_needs_two_members() -> None:
    with pytest.raises(ValueError, match="two"):
        connections_for_cycle(1)
    for sequence in ([], [None], [None, None], ["A"] * 32, ["A", None] * 16):
        assert cycle(sequence) is None
        assert not cycle_is_certain(sequence)


@pytest.mark.parametrize(
    "sequence",
    [
        "ABABABA",
        "ABABABBA",
        "AABABABAB",
        "ABCABCABCB",
        "ABCABCAB",
        "ABCACBABCACB",
        "ABABABABC",
        "ABCDABCDABCE",
    ],
)
def test_what_is_no_round_robin_beyond_doubt(sequence: str) -> None:
    assert not cycle_is_certain(list(sequence))


def strict_rotation_chance(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Exactly: the chance that random connections form a strict rotation with these counts per place."""
    return math.fsum(
        math.prod(p**a for p, a in zip(chosen, counts, strict=True))
        for chosen in itertools.permutations(shares, len(counts))
    )


@settings(max_examples=examples(300), deadline=None)
@given(
    members=st.integers(2, 4),
    extra=st.integers(0, 8),
    weights=st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6),
)
def test_the_stated_chance_bounds_the_chance_whatever_the_shares(
    members: int, extra: int, weights: list[float]
) -> None:
    sequence = round_robin(members, connections_for_cycle(members) + extra)
    found = cycle(sequence)
    assert found is not None
    shares = [w / sum(weights) for w in weights]
    counts = list(Counter(sequence).values())
    assert strict_rotation_chance(counts, shares) <= found.chance * (1 + 1e-9)


def ever_certain(sequence: Sequence[str | None]) -> bool:
    return any(cycle_is_certain(sequence[:n]) for n in range(1, len(sequence) + 1))


def test_the_rate_of_false_certainty_with_two_members_exactly() -> None:
    # Every sequence of 12, asked after every connection: what is certain late was certain at the 8th.
    wrong = sum(ever_certain(sequence) for sequence in itertools.product("AB", repeat=12))
    assert wrong / 2**12 == 2 * 0.5**8


@pytest.mark.slow
def test_the_rate_of_false_certainty_with_three_members_exactly() -> None:
    # Two of the three alternating, or all three rotating; the first connection may be taken as A.
    wrong = sum(ever_certain(("A", *rest)) for rest in itertools.product("ABC", repeat=10))
    assert wrong / 3**10 == pytest.approx(2 / 3**7 + 2 / 3**9, rel=1e-9)


@given(
    prefix=st.lists(st.sampled_from("ABC"), min_size=1, max_size=30),
    rest=st.lists(st.sampled_from("ABC"), max_size=30),
)
def test_a_broken_rotation_never_becomes_certain_again(prefix: list[str], rest: list[str]) -> None:
    enough = len(prefix) >= connections_for_cycle(3)
    if enough and len(set(prefix)) > 1 and not cycle_is_certain(prefix):
        assert not cycle_is_certain(prefix + rest)


def false_cycles(weights: tuple[int, ...], lost: float, runs: int) -> float:
    """Share of random runs called a cycle: sequentially, after 32 and after 200 connections together."""
    choice = random.Random(f"{weights} {lost}")
    wrong = 0
    for _ in range(runs):
        drawn: list[str | None] = list(choice.choices(NAMES[: len(weights)], weights, k=200))
        sequence = [None if choice.random() < lost else member for member in drawn]
        # From the 24th on nothing new becomes certain: see the test before.
        early = any(cycle_is_certain(sequence[:n]) for n in range(8, 24))
        wrong += early or cycle(sequence[:32]) is not None or cycle(sequence) is not None
    return wrong / runs


WORLDS = [(1, 1), (1, 1, 1), (1, 1, 1, 1), (1,) * 6, (2, 1), (10, 1), (3, 2, 1), (10, 1, 1), (5, 5, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("weights", WORLDS)
def test_random_choice_is_hardly_called_a_cycle(weights: tuple[int, ...]) -> None:
    assert false_cycles(weights, 0.02, runs=300) <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("weights", WORLDS)
def test_random_choice_is_called_a_cycle_in_less_than_one_percent(
    weights: tuple[int, ...], lost: float
) -> None:
    # 0.01 is the claim; the rest is what 2,000 runs may stray by, three standard deviations.
    assert false_cycles(weights, lost, runs=2000) <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / 2000)


def smooth_weighted(weights: Sequence[int], n: int) -> list[str | None]:
    """Smooth weighted round robin, as nginx does it (src/http/ngx_http_upstream_round_robin.c)."""
    current = [0] * len(weights)
    sequence: list[str | None] = []
    for _ in range(n):
        current = [c + w for c, w in zip(current, weights, strict=True)]
        best = max(range(len(weights)), key=lambda i: current[i])
        current[best] -= sum(weights)
        sequence.append(NAMES[best])
    return sequence


@pytest.mark.parametrize(
    "weights", [(2, 1), (3, 1), (3, 2), (5, 1), (3, 2, 1), (2, 1, 1), (3, 1, 1, 1), (4, 3)]
)
def test_a_weighted_round_robin_is_a_weighted_cycle_within_32_connections(weights: tuple[int, ...]) -> None:
    sequence = smooth_weighted(weights, 32)
    assert not ever_certain(sequence)
    found = cycle(sequence)
    assert found is not None
    assert found.kind is CycleKind.WEIGHTED
    assert found.period == sum(weights)
    assert tuple(sorted(Counter(found.order).values(), reverse=True)) == weights
    assert found.chance < 0.001


def test_ten_to_one_is_seen_by_its_shares_cycle_or_not() -> None:
    assert cycle(smooth_weighted((10, 1), 32)) is None  # two or three of 32 fall into place too easily
    for weights in ((10, 1), (10, 1, 1)):
        assert equal_shares_rejected(list(Counter(smooth_weighted(weights, 32)).values()))


@pytest.mark.parametrize(
    "sequence",
    [
        "AAAB" * 5,
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("AAB" * 6, "AABAB" * 4, "AAB" * 6 + "A")),
    ],
)
def test_the_chance_of_a_weighted_cycle_is_exact_or_an_upper_bound(sequence: str) -> None:
    """Against every arrangement of the same connections."""
    found = cycle(list(sequence))
    assert found is not None
    repeating = total = 0
    for arrangement in arrangements_of(sequence):
        total += 1
        repeating += any(
            all(a == b for a, b in zip(arrangement, arrangement[period:], strict=False))
            for period in range(2, found.period + 1)
        )
    if len(sequence) % found.period == 0:
        assert found.chance == pytest.approx(repeating / total, rel=1e-9)
    else:
        assert repeating / total <= found.chance <= 2 * repeating / total


def arrangements_of(sequence: str) -> Iterator[tuple[str, ...]]:
    counts = Counter(sequence)

    def grow(prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if len(prefix) == len(sequence):
            yield prefix
        for member in counts:
            if counts[member]:
                counts[member] -= 1
                yield from grow((*prefix, member))
                counts[member] += 1

    return grow(())


def test_a_member_twice_in_a_row_is_repeating_not_rotating() -> None:
    found = cycle(list("AABB" * 8))
    assert found is not None
    assert (found.kind, found.order) == (CycleKind.REPEATING, ("A", "A", "B", "B"))


def test_an_interrupted_round_robin_is_no_cycle() -> None:
    assert cycle(list("ABCABCABCABCABCAB" + "ABCABCABCABCABC")) is None


def test_more_members_in_the_cycle_than_there_are() -> None:
    assert cycle(round_robin(3, 12), members=3) is not None
    assert cycle(round_robin(3, 12), members=2) is None


@pytest.mark.parametrize("members", range(2, 7))
@pytest.mark.parametrize("took_a_turn", [True, False])
def test_lost_connections_do_not_hide_a_round_robin(members: int, took_a_turn: bool) -> None:
    losses, turn = {5, 11}, 0
    sequence: list[str | None] = []
    for i in range(32):
        if i in losses:
            sequence.append(None)
            turn += took_a_turn
        else:
            sequence.append(NAMES[turn % members])
            turn += 1
    found = cycle(sequence)
    assert found is not None
    assert (found.kind, found.members, found.unidentified) == (CycleKind.ROTATING, members, 2)
    assert cycle_is_certain(sequence)


def test_losses_of_both_sorts_in_one_run() -> None:
    # The first took a turn, the second did not.
    sequence = ["A", "B", "C", None, "B", "C", "A", "B", None, "C", "A", "B", "C", "A", "B", "C", "A"]
    found = cycle(sequence)
    assert found is not None
    assert found.kind is CycleKind.ROTATING
    assert found.connections == 15


def test_a_member_that_never_answers_leaves_the_cycle_of_the_others() -> None:
    # A frozen member stays in the pool: every third connection is lost.
    found = cycle(["A", "B", None] * 10)
    assert found is not None
    assert (found.kind, found.order) == (CycleKind.ROTATING, ("A", "B"))


GAPS = frozenset("?!")


@pytest.mark.parametrize(
    ("sequence", "order", "kind"),
    [
        ("A!" * 16, "A!", CycleKind.ROTATING),
        ("AB!" * 5, "AB!", CycleKind.ROTATING),
        ("A!!" * 8, "A!!", CycleKind.ROTATING),
        ("A?!" * 8, "A?!", CycleKind.ROTATING),
        ("AAB!" * 8, "AAB!", CycleKind.WEIGHTED),
    ],
)
def test_a_cycle_is_seen_through_places_that_fail(sequence: str, order: str, kind: CycleKind) -> None:
    found = cycle_with_gaps(sequence, GAPS)
    assert found is not None
    assert ("".join(found.order), found.kind) == (order, kind)


@pytest.mark.parametrize(
    "sequence", ["AB" * 8, "A" * 32, "!" * 32, "AAA!" + "A" * 28, "AA!A!!AAA!A!AA!!A!AAA!!A", "A!"]
)
def test_failures_that_do_not_come_in_turn_are_no_cycle(sequence: str) -> None:
    assert cycle_with_gaps(sequence, GAPS) is None


def test_failures_by_chance_are_hardly_a_cycle() -> None:
    luck = random.Random(7)
    runs = ["".join("A!"[luck.random() < 0.5] for _ in range(32)) for _ in range(4000)]
    assert sum(cycle_with_gaps(run, GAPS) is not None for run in runs) < 40  # 1 %


def test_unidentified_at_the_ends_change_nothing() -> None:
    plain, framed = cycle(round_robin(3, 12)), cycle([None, None, *round_robin(3, 12), None])
    assert plain is not None
    assert framed is not None
    assert (framed.order, framed.chance, framed.unidentified) == (plain.order, plain.chance, 0)


@given(st.lists(st.one_of(st.none(), st.sampled_from("ABCDEFGH")), max_size=60))
def test_any_sequence_gives_an_answer_that_holds(sequence: list[str | None]) -> None:
    found = cycle(sequence)
    if found is None:
        return
    assert 0.0 < found.chance < 0.01
    assert found.members >= 2
    assert set(found.order) == set(sequence) - {None}
    assert found.connections == len(sequence) - sequence.count(None)


# --- pairs -----------------------------------------------------------------------------------------------


def next_lag(later: int, tried: Sequence[PairTrial], longest: int = 6) -> int | None:
    """A plan that covers all lags and in which pairs share few connections; None for the first connection."""
    uses = Counter(pair.earlier for pair in tried)
    tries = Counter(pair.lag for pair in tried)
    lags = range(1, min(later, longest) + 1)
    return min(
        lags, key=lambda lag: (uses[later - lag] > 1, tries[lag], uses[later - lag], lag), default=None
    )


def pairs_of(sequence: Sequence[str | None]) -> list[PairTrial]:
    done: list[PairTrial] = []
    for later in range(len(sequence)):
        lag = next_lag(later, done)
        if lag is not None:
            done.append(PairTrial(later - lag, later, sequence[later] == sequence[later - lag]))
    return done


def test_the_plan_of_lags_covers_all_and_shares_few_connections() -> None:
    pairs = pairs_of(round_robin(3, 40))
    assert next_lag(0, []) is None
    assert {pair.later for pair in pairs} == set(range(1, 40))
    assert max(Counter(pair.earlier for pair in pairs).values()) <= 2
    tried = Counter(pair.lag for pair in pairs)
    assert set(tried) == {1, 2, 3, 4, 5, 6}
    assert max(tried.values()) - min(tried.values()) <= 2


@pytest.mark.parametrize(("members", "enough"), [(2, 26), (3, 28), (4, 43), (5, 39), (6, 36)])
def test_peaks_at_multiples_of_k_are_a_cycle_of_k(members: int, enough: int) -> None:
    found = lag_matches(pairs_of(round_robin(members, enough)))
    assert found.cycle_members == members
    assert found.cycle_chance is not None
    assert found.cycle_chance < 0.01
    assert found.effective_members == pytest.approx(members)
    for lag in found.lags:
        assert lag.recognised == (lag.tried if lag.lag % members == 0 else 0)
    few = lag_matches(pairs_of(round_robin(members, 10)))
    assert few.cycle_members is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights", "effective"), [((1, 1, 1), 3.0), ((10, 1), 1.198), ((3, 2, 1), 2.571), ((1, 1), 2.0)]
)
def test_effective_members_are_covered_as_often_as_stated(weights: tuple[int, ...], effective: float) -> None:
    choice = random.Random(repr(weights))
    runs, covered, cycles, rates = 800, 0, 0, []
    for _ in range(runs):
        sequence: list[str | None] = list(choice.choices(NAMES[: len(weights)], weights, k=64))
        found = lag_matches(pairs_of(sequence), confidence=0.95)
        assert found.match_rate is not None
        assert found.match_rate_low is not None
        assert found.match_rate_high is not None
        rates.append(found.match_rate)
        covered += found.match_rate_low <= 1 / effective <= found.match_rate_high
        cycles += found.cycle_members is not None
    assert 1 / (sum(rates) / runs) == pytest.approx(effective, rel=0.03)
    assert covered / runs >= 0.95
    assert cycles == 0


@pytest.mark.slow
def test_random_choice_gives_a_cycle_of_pairs_in_less_than_one_percent() -> None:
    choice = random.Random("pairs")
    wrong = 0
    for _ in range(2000):
        sequence: list[str | None] = list(choice.choices("AB", k=26))
        wrong += lag_matches(pairs_of(sequence)).cycle_members is not None
    assert wrong / 2000 < 0.01


def test_always_recognised_is_said_and_proves_nothing() -> None:
    found = lag_matches(pairs_of(["A"] * 32))
    assert found.recognised == found.tried > 0
    assert found.effective_members == 1.0
    assert found.cycle_members is None
    assert not several_members(0, 31)


def test_never_recognised_has_no_upper_bound() -> None:
    found = lag_matches([PairTrial(i, i + 1, False) for i in range(20)])
    assert found.effective_members is None
    assert found.match_rate_low == 0.0
    assert found.match_rate_high is not None
    assert 0.0 < found.match_rate_high < 1.0


def test_no_pairs_and_a_pair_backwards() -> None:
    nothing = lag_matches([])
    assert (nothing.tried, nothing.match_rate) == (0, None)
    with pytest.raises(ValueError, match="not later"):
        lag_matches([PairTrial(3, 3, True)])


def test_a_stray_refusal_is_no_second_member() -> None:
    assert not several_members(1, 20)
    assert not several_members(2, 32)
    assert several_members(4, 32)
    assert several_members(20, 30)
    assert several_members(1, 1, stray_rate=0.001)
    # SciPy 1.17.1: scipy.stats.binom.sf(k - 1, n, p)
    assert binomial_at_least(3, 32, 0.02) == pytest.approx(0.025765005582967196, rel=1e-10)
    assert binomial_at_least(150, 200, 0.5) == pytest.approx(4.1965104378023877e-13, rel=1e-9)


@pytest.mark.parametrize(
    ("sequence", "blocks"),
    [
        ("AAAAAABBBBBB" * 2, True),
        ("A" * 28 + "BB", True),
        ("AAAABBBBCCCC" * 3, True),
        ("AB" * 16, False),
        ("ABBABAABBABAABAB", False),
        ("A" * 32, False),
        ("AAAAABBBBB", False),  # too few to say
        ("AAAAAAAAAAAB", False),  # as any place of the one would be
    ],
)
def test_servers_that_answer_in_blocks(sequence: str, blocks: bool) -> None:
    assert in_blocks(sequence) is blocks


def test_random_choice_is_rarely_called_blocks() -> None:
    luck = random.Random("blocks")
    runs = [luck.choices("ABC", (5, 3, 1), k=32) for _ in range(3000)]
    assert sum(in_blocks(run) for run in runs) <= 0.006 * 3000  # the claim is 0.002
