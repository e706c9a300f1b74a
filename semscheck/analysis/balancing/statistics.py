"""What a sample of connections allows to be said, with how much certainty.

Everything here is pure and exact, or bounded from above by a proof that stands in the docstring. Nothing is
simulated and nothing outside the standard library is needed. Throughout:

- ``confidence`` is a probability between 0 and 1, both excluded (0.95 for 95 %);
- a *member* is whatever tells one answer from another, given as its name;
- ``None`` inside a sequence of members is a connection that could not be attributed to a member;
- *random choice* means: each connection picks its member independently of the others, with whatever shares
  the members have. It is what the claim "there is a cycle" has to be told apart from.

Sources, cited where used: Clopper and Pearson (1934), Wilson (1927), NIST Digital Library of Mathematical
Functions (DLMF) chapter 8.17, Kish (1965).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise, product
from operator import mul
from statistics import NormalDist

# --- always one member -----------------------------------------------------------------------------------


def other_share_at_most(n: int, confidence: float = 0.95, *, elsewhere: int = 0) -> float:
    """Largest share that other members may have, after ``n`` connections of which all that were told met one.

    ``elsewhere``: those that may have met another, being lost or not identified. With none the bound is the p with
    ``(1 - p) ** n == 1 - confidence``: were the others' share larger, a run like this one would have had a
    probability under ``1 - confidence``. 32 connections give 8.9 % at 95 %. In general it is the one-sided bound of
    Clopper and Pearson (1934), as if all of ``elsewhere`` had. No connection at all excludes nothing: 1.0.
    """
    _check_confidence(confidence)
    if n < 0 or not 0 <= elsewhere <= n:
        raise ValueError(f"no such numbers of connections: {elsewhere} of {n}")
    if n == 0:
        return 1.0
    if elsewhere:
        return clopper_pearson(elsewhere, n, 2 * confidence - 1)[1]
    return -math.expm1(math.log1p(-confidence) / n)


def several_members(refused: int, tried: int, stray_rate: float = 0.02, alpha: float = 0.01) -> bool:
    """Whether refusals of tokens through one name show at least two ends that issue and recognise them.

    ``tried`` tokens were offered on fresh connections through the name that issued them, ``refused`` of them
    were not recognised. One end alone would refuse now and then for reasons of its own (a ticket key renewed,
    a cache that was full), at most at ``stray_rate``. True if so many refusals have a probability under
    ``alpha`` then. That tokens of this kind are in use at all is for the caller's control to show; a pool of
    workers without a shared session cache refuses as several members do, and that control must be made on
    fresh connections too.
    """
    _check_count(refused, tried)
    return refused > 0 and binomial_at_least(refused, tried, stray_rate) < alpha


# --- intervals -------------------------------------------------------------------------------------------


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval for a share seen ``k`` times in ``n`` (Biometrika 26, 1934, 404-413).

    Covers the true share with at least ``confidence``, whatever it is. Computed as quantiles of the beta
    distribution, ``Beta(k, n - k + 1)`` and ``Beta(k + 1, n - k)``, by bisection of `beta_cdf`.
    Nothing tried says nothing: (0.0, 1.0).
    """
    _check_count(k, n)
    _check_confidence(confidence)
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if k == 0 else _beta_quantile(tail, float(k), float(n - k + 1))
    high = 1.0 if k == n else _beta_quantile(1.0 - tail, float(k + 1), float(n - k))
    return (low, high)


def binomial_at_least(k: int, n: int, p: float) -> float:
    """Probability of ``k`` or more successes in ``n`` independent trials of probability ``p``.

    The regularised incomplete beta function ``I_p(k, n - k + 1)`` (DLMF 8.17.5).
    """
    _check_count(k, n)
    return 1.0 if k == 0 else beta_cdf(p, float(k), float(n - k + 1))


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function ``I_x(a, b)``, for ``a, b > 0``.

    Continued fraction DLMF 8.17.22 (https://dlmf.nist.gov/8.17#v), evaluated by the modified method of Lentz
    (Thompson and Barnett, J. Comput. Phys. 64, 1986, 490-509). It converges fast for
    ``x < (a + 1) / (a + b + 2)``; beyond, ``I_x(a, b) = 1 - I_{1-x}(b, a)`` (DLMF 8.17.4) is used.
    """
    if not (a > 0.0 and b > 0.0):
        raise ValueError(f"shape is not positive: {a}, {b}")
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _beta_fraction(x, a, b) / a
    return 1.0 - math.exp(log_front) * _beta_fraction(1.0 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of DLMF 8.17.22 with the coefficients of 8.17.23."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for coefficient in (even, odd):
            d = 1.0 + coefficient * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + coefficient / c
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


@lru_cache(maxsize=1024)
def _beta_quantile(probability: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    while high - low > 1e-14:
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        if beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _wilson(share: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval (JASA 22, 1927, 209-212): the stated confidence on average over shares."""
    _check_confidence(confidence)
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    centre = share + z * z / (2.0 * n)
    half = z * math.sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n))
    scale = 1.0 + z * z / n
    # Exactly at the ends, where rounding leaves something like 1e-17.
    low = 0.0 if share == 0.0 else max(0.0, (centre - half) / scale)
    high = 1.0 if share == 1.0 else min(1.0, (centre + half) / scale)
    return (low, high)


# --- equal shares or not ---------------------------------------------------------------------------------

# Beyond this many members the sum of squares is no longer cheap; the vendor supports at most 6 (KB 153476).
_SQUARES_MEMBERS = 6
# And with more members than the one, beyond the other number of connections (half a second for 6 and 200).
_CHEAP_MEMBERS, _CHEAP_CONNECTIONS = 4, 64


def equal_shares_rejected(counts: Sequence[int], members: int | None = None, alpha: float = 0.01) -> bool:
    """Whether connections per member contradict equal shares, wrongly so with probability at most ``alpha``.

    ``counts`` are the connections that each member answered. With ``members`` None (what a verdict should
    use) the question is asked of the members that were seen, given that they were: a member known to exist
    may be out of the pool (BAL015), and its zero must not make an even balancer look weighted. With
    ``members`` given, that many members are taken to be in the pool, the missing ones having answered none.

    The statistic is the sum of squared counts (Pearson's chi-square, up to constants), its distribution under
    equal shares exact. It is two-sided: one member with too many connections and one with too few both
    raise it. Power at 1 %, members seen, computed by enumeration (tests/analysis/test_statistics.py repeats it):

    ======  ==========  =======
    n       weights     squares
    ======  ==========  =======
    32      10:1        95.1 %
    32      10:1:1      99.7 %
    32      3:2:1       26.8 %
    32      2:1         21.1 %
    32      3:1:1:1     51.8 %
    64      3:2:1       67.5 %
    64      2:1         52.4 %
    ======  ==========  =======

    (10:1 lacks 5 % because the second member is not seen at all then: that is "always one member".) False
    alarms: 0.7 % and 0.9 % for two and three members. Mild weights need more connections than 32, or
    their cycle (`cycle`), which 32 show plainly.

    With more than 6 members, or with 5 or 6 and more than 64 connections, the distribution of the sum of squares
    takes too long to compute; the largest and the smallest count together take its place (`_extremes_p_value`), as
    exact, and about as able to tell weights. Power at 1 %, 6 members, estimated from 4,000 runs (within 2 %):

    ======  =============  =======  ========
    n       weights        squares  extremes
    ======  =============  =======  ========
    100     10:1:1:1:1:1   100 %    100 %
    200     2:1:1:1:1:1    83 %     82 %
    200     3:2:2:1:1:1    100 %    95 %
    200     4:4:4:4:4:1    97 %     99 %
    ======  =============  =======  ========
    """
    return equal_shares_p_value(counts, members) <= alpha


def equal_shares_p_value(counts: Sequence[int], members: int | None = None) -> float:
    """Probability under equal shares of counts at least as uneven as these; see `equal_shares_rejected`.

    1.0 where nothing can be said: fewer than two members, or no connection.
    """
    seen, cells, least = _cells(counts, members)
    if cells < 2 or not seen:
        return 1.0
    if cells > _SQUARES_MEMBERS or (cells > _CHEAP_MEMBERS and sum(seen) > _CHEAP_CONNECTIONS):
        return _extremes_p_value(sum(seen), cells, least, max(seen), min(seen) if len(seen) == cells else 0)
    return _squares_p_value(sum(seen), cells, least, sum(c * c for c in seen))


def _cells(counts: Sequence[int], members: int | None) -> tuple[tuple[int, ...], int, int]:
    """The nonzero counts, how many members they are judged over, and the least count each must have."""
    if any(c < 0 for c in counts):
        raise ValueError("a count is negative")
    seen = tuple(c for c in counts if c)
    if members is None:
        return seen, len(seen), 1
    if members < len(seen):
        raise ValueError(f"{len(seen)} members answered, of {members}")
    return seen, members, 0


def _poisson(n: int, cells: int, least: int) -> list[float]:
    """Poisson weights of 0..n connections for one member, rate n/cells; zero below ``least``."""
    rate = n / cells
    weights = [math.exp(c * math.log(rate) - rate - math.lgamma(c + 1)) for c in range(n + 1)]
    return [0.0 if c < least else weight for c, weight in enumerate(weights)]


@lru_cache(maxsize=256)
def _extremes_p_value(n: int, cells: int, least: int, largest: int, smallest: int) -> float:
    """Twice the smaller of two chances under equal shares: that some member gets so many connections as the
    busiest one got, and that some member gets so few as the idlest one got.

    Each chance is exact, to about 1e-12; twice the smaller is at most 1 % in at most 1 % of runs, whichever way
    the shares are uneven (Bonferroni).
    """
    weights = _poisson(n, cells, least)
    every = _power_at(weights, cells, n)
    below = _power_at([w if c < largest else 0.0 for c, w in enumerate(weights)], cells, n)
    above = _power_at([w if c > smallest else 0.0 for c, w in enumerate(weights)], cells, n)
    return min(1.0, 2.0 * max(0.0, min(every - below, every - above) / every))


def _power_at(weights: list[float], cells: int, n: int) -> float:
    """The coefficient of x**n in the power series with these coefficients, taken to the power of ``cells``."""
    half = weights
    for _ in range(cells // 2 - 1):
        half = _convolve(half, weights)
    other = half if cells % 2 == 0 else _convolve(half, weights)
    return float(sum(map(mul, half, reversed(other))))


def _convolve(left: list[float], right: list[float]) -> list[float]:
    """Product of two power series, up to the length of the inputs, which is the same."""
    size = len(left)
    backwards = right[::-1]
    return [sum(map(mul, left[: t + 1], backwards[size - 1 - t :])) for t in range(size)]


@lru_cache(maxsize=256)
def _squares_p_value(n: int, cells: int, least: int, squares: int) -> float:
    """Tail of the sum of squares: the members are split into two halves that meet in the middle."""
    # Counts this improbable for one member are left out: the result may be too small by 1e-23 at most.
    weights = [weight if weight > 1e-30 else 0.0 for weight in _poisson(n, cells, least)]
    left = _squares_of(weights, cells // 2)
    right = _squares_of(weights, cells - cells // 2)
    tail, total = [], []
    for count, by_squares in left.items():
        others = sorted(right.get(n - count, {}).items(), reverse=True)
        running, position = 0.0, 0
        # Fewer squares on the left need more on the right: one pass over both, in opposite order.
        everything = math.fsum(w for _, w in others)
        for left_squares, left_weight in sorted(by_squares.items()):
            while position < len(others) and others[position][0] + left_squares >= squares:
                running += others[position][1]
                position += 1
            tail.append(left_weight * running)
            total.append(left_weight * everything)
    return min(1.0, math.fsum(tail) / math.fsum(total))


def _squares_of(weights: list[float], cells: int) -> dict[int, dict[int, float]]:
    """Weight by total count, then by sum of squares, for ``cells`` members."""
    state: dict[int, dict[int, float]] = {0: {0: 1.0}}
    single = [(c, c * c, w) for c, w in enumerate(weights) if w > 0.0]
    limit = len(weights) - 1
    for _ in range(cells):
        grown: dict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
        for count, by_squares in state.items():
            for c, c_squared, weight in single:
                if count + c > limit:
                    break
                target = grown[count + c]
                for squares, w in by_squares.items():
                    target[squares + c_squared] += w * weight
        state = {count: dict(by_squares) for count, by_squares in grown.items()}
    return state


# --- cycles ----------------------------------------------------------------------------------------------

# Two members alternating for 8 connections: 2 * 2**-8 = 0.78 % under random choice, and that is all that
# "at most 4 x members" leaves room for. Everything else has to live on what remains of 1 %.
_PAIR_CHANCE = 0.0079
_ROTATION_CHANCE = 0.0006
_PERIODIC_CHANCE = 0.0005
# Above this, unidentified connections are read in two ways only, not in every mixture of the two.
_MIXED_UNIDENTIFIED = 3


class CycleKind(StrEnum):
    """What repeats."""

    ROTATING = "rotating"  # every member once per period
    WEIGHTED = "weighted"  # members unequally often per period
    REPEATING = "repeating"  # equally often, more than once per period (A A B B)


@dataclass(frozen=True, slots=True)
class Cycle:
    """A sequence that repeats from its first connection to its last.

    ``order`` is one period, as it began. ``chance`` bounds the probability, under random choice with whatever
    shares, that any sequence of this kind (any period, any order of members) would have come out.
    ``connections`` are the identified ones that this rests on; ``unidentified`` lie between them.
    """

    kind: CycleKind
    order: tuple[str, ...]
    chance: float
    connections: int
    unidentified: int

    @property
    def period(self) -> int:
        """Connections until it repeats."""
        return len(self.order)

    @property
    def members(self) -> int:
        """Different members in one period."""
        return len(set(self.order))


def connections_for_cycle(members: int) -> int:
    """Identified connections after which a clean round robin of that many members is certain.

    8 for two, ``3 * members + 1`` for more: never over 4 per member. With three members or more a connection
    or two may be under way while the identity of the last is still being found out; with two members none
    may, if sampling is to stop at 8.
    """
    if members < 2:
        raise ValueError(f"a cycle has two members at least: {members}")
    return 8 if members == 2 else 3 * members + 1


def cycle_is_certain(sequence: Sequence[str | None]) -> bool:
    """Whether sampling may stop, because the connections so far are a round robin beyond doubt.

    May be asked after every connection. Over a whole run it is wrongly True with a probability under 0.84 %
    where members are in truth chosen at random, whatever their number and shares, and however long the run:
    what counts is the sequence from its *first* connection on. Once that is no cycle it stays none, so the
    only chance to be wrong is when `connections_for_cycle` is first reached; a sequence fits one number of
    members only, and the chances for 2, 3, 4, ... add up to 0.78 + 0.053 + 0.0005 + ... %.

    Weights that are nearly even (4:4:3) begin like a round robin, and may be taken for one.
    """
    return _rotation(sequence) is not None


def cycle(sequence: Sequence[str | None], members: int | None = None) -> Cycle | None:
    """The cycle that the whole sequence follows, or None where none is beyond doubt.

    Meant for the end of sampling. ``sequence`` holds who answered each fresh connection, in order, None where
    that is not known. ``members``, where known, says how many there are: a cycle of more is then no cycle.

    First a pure round robin, as `cycle_is_certain` has it. Otherwise any period of at most half the sequence:
    weighted round robins and the like. Its chance: under random choice all arrangements of the connections
    are equally likely, given how often each member was seen. There are ``n! / (c1! c2! ...)``; how many of
    them repeat with a period p is counted (from above, where the last period is not whole or connections are
    missing), and all p up to the one found are added. It must be at most 0.05 %, so that with the 0.84 % of
    `cycle_is_certain` a random run is called a cycle with less than 1 %, even if looked at twice (after more
    connections). Long periods (10:1 in 32 connections) do not reach that, and need not:
    `equal_shares_rejected` sees those.

    An unidentified connection either took a turn in the cycle (it reached a member) or did not (it was lost
    before); up to three are read in every mixture, more all in one way or all in the other. Each way of
    reading is counted into the chance.
    """
    trimmed = _trim(sequence)
    if members is not None and len({m for m in trimmed if m is not None}) > members:
        return None
    return _rotation(trimmed) or _periodic(trimmed)


def cycle_with_gaps(sequence: Sequence[str], gaps: frozenset[str]) -> Cycle | None:
    """The cycle of which some places are gaps: connections that fail, or whose member cannot be told, in turn with
    the others. None where `cycle` finds none, or none with a gap in it.

    ``gaps``: the words in ``sequence`` that stand for such connections; one may stand for several members, so that
    the kind is judged by the others. Losses by chance look like this as seldom as a random choice looks like a cycle.
    """
    if not gaps.intersection(sequence) or gaps.issuperset(sequence):
        return None
    found = cycle(sequence)
    if found is None or not gaps.intersection(found.order):
        return None
    named = tuple(name for name in found.order if name not in gaps)
    return replace(found, kind=CycleKind.ROTATING if len(set(named)) == len(named) else CycleKind.WEIGHTED)


def _trim(sequence: Sequence[str | None]) -> Sequence[str | None]:
    """Without unidentified connections at either end: they say nothing about a cycle."""
    start, end = 0, len(sequence)
    while start < end and sequence[start] is None:
        start += 1
    while end > start and sequence[end - 1] is None:
        end -= 1
    return sequence[start:end]


def _readings(sequence: Sequence[str | None]) -> tuple[tuple[tuple[tuple[int, str], ...], ...], int]:
    """The sequence as turns (number of the turn, member), in each way to read what was not identified.

    Second value: unidentified connections.
    """
    unidentified = sum(1 for member in sequence if member is None)
    if unidentified == 0:
        ways: Iterable[tuple[int, ...]] = ((),)
    elif unidentified <= _MIXED_UNIDENTIFIED:
        ways = product((0, 1), repeat=unidentified)
    else:
        ways = ((0,) * unidentified, (1,) * unidentified)
    return tuple(_turns(sequence, way) for way in ways), unidentified


def _turns(sequence: Sequence[str | None], way: tuple[int, ...]) -> tuple[tuple[int, str], ...]:
    turns, turn, steps = [], 0, iter(way)
    for member in sequence:
        if member is None:
            turn += next(steps)
        else:
            turns.append((turn, member))
            turn += 1
    return tuple(turns)


def _rotation(sequence: Sequence[str | None]) -> Cycle | None:
    trimmed = _trim(sequence)
    members = len({member for member in trimmed if member is not None})
    if members < 2:
        return None
    identified = sum(1 for member in trimmed if member is not None)
    if identified < connections_for_cycle(members):
        return None
    readings, unidentified = _readings(trimmed)
    limit = _PAIR_CHANCE if members == 2 else _ROTATION_CHANCE
    best: Cycle | None = None
    for turns in readings:
        order = _order(turns, members)
        if order is None or len(set(order)) < members:
            continue
        counts = Counter(member for _, member in turns)
        chance = len(readings) * _rotation_chance(tuple(counts.values()))
        if chance <= limit and (best is None or chance < best.chance):
            best = Cycle(CycleKind.ROTATING, order, chance, identified, unidentified)
    return best


def _order(turns: Sequence[tuple[int, str]], period: int) -> tuple[str, ...] | None:
    """One period, if every turn of the sequence repeats it and none of its places is unknown."""
    places: dict[int, str] = {}
    for turn, member in turns:
        if places.setdefault(turn % period, member) != member:
            return None
    if len(places) < period:
        return None
    first = turns[0][0]
    return tuple(places[(first + place) % period] for place in range(period))


def _rotation_chance(counts: tuple[int, ...]) -> float:
    """Upper bound, over all shares p, of the chance that N random connections are one strict rotation.

    ``counts`` say how many connections fall on each of the k places of the period. The chance is the sum,
    over ordered choices of k different members, of the product of ``p_i ** a_i``.

    Two members. Moving the share of the least of three or more members to the next least never lowers the sum
    (with ``a, b >= 2``: the gain is at least ``a p_u^(a-1) p_v p_w^b + b p_u^(b-1) p_v p_w^a`` for any
    ``p_w >= p_u >= p_v``, the loss is ``p_u^a p_v^b + p_u^b p_v^a``). So two members are the worst case:
    ``2 * 2**-N`` where the counts differ by one at most (even shares), else at most
    ``2 (a/N)^a (b/N)^b``, each term at its own maximum.

    Three or more. ``prod p^a = prod p^(a-1) * prod p``. The first factor is at most
    ``prod ((a-1)/(N-k))^(a-1)``, since ``sum p <= 1``; the second, summed over all ordered choices of
    different members, is at most 1, being the probability that k random choices all differ.
    """
    total, members = sum(counts), len(counts)
    if members == 2:
        if min(counts) < 2:
            return 1.0
        if abs(counts[0] - counts[1]) <= 1:
            return 2.0 * 0.5**total
        return min(1.0, 2.0 * math.exp(math.fsum(c * math.log(c / total) for c in counts)))
    spare = total - members
    return math.exp(math.fsum((c - 1) * math.log((c - 1) / spare) for c in counts if c > 1))


def _periodic(sequence: Sequence[str | None]) -> Cycle | None:
    counts = Counter(member for member in sequence if member is not None)
    if len(counts) < 2:
        return None
    identified = sum(counts.values())
    log_arrangements = math.lgamma(identified + 1) - math.fsum(math.lgamma(c + 1) for c in counts.values())
    readings, unidentified = _readings(sequence)
    best: Cycle | None = None
    for turns in readings:
        found = _shortest_period(turns, len(counts))
        if found is None:
            continue
        words = sum(
            _periodic_words(turns, period, counts.values()) for period in range(len(counts), len(found) + 1)
        )
        chance = len(readings) * words * math.exp(-log_arrangements)
        if chance <= _PERIODIC_CHANCE and (best is None or chance < best.chance):
            best = Cycle(_kind(found), found, chance, identified, unidentified)
    return best


def _shortest_period(turns: Sequence[tuple[int, str]], members: int) -> tuple[str, ...] | None:
    for period in range(members, (turns[-1][0] + 1) // 2 + 1):
        order = _order(turns, period)
        if order is not None:
            return order
    return None


def _periodic_words(turns: Sequence[tuple[int, str]], period: int, counts: Iterable[int]) -> int:
    """At most so many periods of this length lead to a sequence in which the members occur this often.

    A place of the period holds between ``fewest`` and ``most`` of the connections, so a member that has x
    places occurs between ``x * fewest`` and ``x * most`` times.
    """
    places = Counter(turn % period for turn, _ in turns)
    if len(places) < period:
        return 0
    fewest, most = min(places.values()), max(places.values())
    # ways[x]: how to fill x of the places with the members so far.
    ways = [1] + [0] * period
    for count in counts:
        possible = range(-(-count // most), count // fewest + 1)
        ways = [
            sum(ways[filled - x] * math.comb(filled, x) for x in possible if x <= filled)
            for filled in range(period + 1)
        ]
    return ways[period]


def _kind(order: tuple[str, ...]) -> CycleKind:
    each = set(Counter(order).values())
    if each == {1}:
        return CycleKind.ROTATING
    return CycleKind.REPEATING if len(each) == 1 else CycleKind.WEIGHTED


# --- pairs, where members are not known ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PairTrial:
    """The token of connection number ``earlier`` was offered on connection number ``later``."""

    earlier: int
    later: int
    recognised: bool

    @property
    def lag(self) -> int:
        """Fresh connections from one to the other."""
        return self.later - self.earlier


@dataclass(frozen=True, slots=True)
class LagCount:
    """How often the token from ``lag`` connections ago was recognised."""

    lag: int
    recognised: int
    tried: int


@dataclass(frozen=True, slots=True)
class LagAnalysis:
    """What pairs of connections say about members that cannot be named.

    ``match_rate`` (0 to 1) estimates the sum of squared shares, the chance that two connections meet the same
    member; ``effective_members`` is its inverse: 3.0 for three equal members, 1.2 for 10:1, 2.6 for 3:2:1.
    The bounds hold with the stated confidence, approximately. None: not measured, or no bound on that side
    (nothing was ever recognised). ``cycle_members`` is the length of a round robin if the pairs follow one
    strictly, and ``cycle_chance`` bounds its probability under random choice; None where none is beyond
    doubt. With a cycle of k the shares are no estimate: the rate is 1/k, both bounds too.
    """

    lags: tuple[LagCount, ...]
    tried: int
    recognised: int
    match_rate: float | None
    match_rate_low: float | None
    match_rate_high: float | None
    effective_members: float | None
    cycle_members: int | None
    cycle_chance: float | None


def lag_matches(pairs: Iterable[PairTrial], confidence: float = 0.95, alpha: float = 0.01) -> LagAnalysis:
    """Sum of squared shares, effective number of members and a cycle, from pairs of connections.

    The match rate is the mean over lags (each lag counts the same, so that a cycle whose multiples were tried
    less often is not misread). Its interval is Wilson's, for an effective number of independent pairs: Kish's
    ``1 / sum w**2`` for the unequal weights, divided by ``1 + D/2`` for connections that occur in several
    pairs, where D is the mean number of other pairs that a pair shares a connection with. (Two pairs with a
    common connection correlate by ``(sum p^3 - s^2) / (s - s^2)``, s the sum of squares; with
    ``sum p^3 <= s^1.5`` this is at most ``sqrt(s) / (1 + sqrt(s))``, below 1/2.)

    A cycle of k: tokens are recognised exactly at multiples of k, without exception, every lag from 1 to k
    having been tried. Its chance: give pair e the weight ``w = 1 / (most pairs that one of its connections
    is in)``, so that no connection carries more than 1. Then, under random choice, all outcomes together have
    at most the probability ``prod P(e)**w`` (Finner, Annals of Probability 20, 1992, 1893-1901), with
    ``P(e) = s`` for a recognised token and ``1 - s`` for a refused one. The s that makes this largest is
    assumed, and the result multiplied by the number of k that could have been found. It must be under
    ``alpha``.
    """
    trials = sorted(set(pairs), key=lambda pair: (pair.later, pair.earlier))
    if any(pair.lag < 1 for pair in trials):
        raise ValueError("a pair's later connection is not later")
    lags = _lag_counts(trials)
    members, chance = _lag_cycle(trials, lags, alpha)
    rate = low = high = None
    if members is not None:
        rate = low = high = 1.0 / members
    elif trials:
        rate = math.fsum(lag.recognised / lag.tried for lag in lags) / len(lags)
        low, high = _wilson(rate, _effective_pairs(trials, lags), confidence)
    return LagAnalysis(
        lags=lags,
        tried=len(trials),
        recognised=sum(lag.recognised for lag in lags),
        match_rate=rate,
        match_rate_low=low,
        match_rate_high=high,
        effective_members=1.0 / rate if rate else None,
        cycle_members=members,
        cycle_chance=chance,
    )


def _lag_counts(trials: Sequence[PairTrial]) -> tuple[LagCount, ...]:
    tried = Counter(pair.lag for pair in trials)
    recognised = Counter(pair.lag for pair in trials if pair.recognised)
    return tuple(LagCount(lag, recognised[lag], tried[lag]) for lag in sorted(tried))


def _effective_pairs(trials: Sequence[PairTrial], lags: Sequence[LagCount]) -> float:
    weighted = len(lags) ** 2 / math.fsum(1.0 / lag.tried for lag in lags)
    degree = _degrees(trials)
    neighbours = sum(d * (d - 1) for d in degree.values()) / len(trials)
    return max(1.0, weighted / (1.0 + neighbours / 2.0))


def _lag_cycle(
    trials: Sequence[PairTrial], lags: Sequence[LagCount], alpha: float
) -> tuple[int | None, float | None]:
    tried = {lag.lag for lag in lags}
    candidates = [k for k in sorted(tried) if k >= 2 and all(lag in tried for lag in range(1, k + 1))]
    fitting = [k for k in candidates if all(pair.recognised == (pair.lag % k == 0) for pair in trials)]
    if not fitting:
        return None, None
    degree = _degrees(trials)
    weights = [(pair.recognised, 1.0 / max(degree[pair.earlier], degree[pair.later])) for pair in trials]
    recognised = math.fsum(weight for hit, weight in weights if hit)
    refused = math.fsum(weight for hit, weight in weights if not hit)
    chance = min(1.0, len(candidates) * _most_likely(recognised, refused))
    return (fitting[0], chance) if chance < alpha else (None, None)


def _degrees(trials: Sequence[PairTrial]) -> Mapping[int, int]:
    """In how many pairs each connection is."""
    return Counter(end for pair in trials for end in (pair.earlier, pair.later))


def _most_likely(hits: float, misses: float) -> float:
    """Largest value of ``s**hits * (1-s)**misses`` over all s."""
    if not (hits > 0.0 and misses > 0.0):
        return 1.0
    total = hits + misses
    return math.exp(hits * math.log(hits / total) + misses * math.log(misses / total))


# --- runs of one member ----------------------------------------------------------------------------------


BLOCKS_ALPHA = 0.002  # rarely wrong of a random choice: the finding says it beside the shares
_BLOCKS_LEAST = 12


def in_blocks(sequence: Sequence[str]) -> bool:
    """Whether the same one comes several times in a row more often than by chance, whatever the shares (the runs test
    for several categories: Barton and David, 1957)."""
    n, counts = len(sequence), Counter(sequence).values()
    if n < _BLOCKS_LEAST or len(counts) < 2:
        return False
    squares, cubes = sum(c**2 for c in counts), sum(c**3 for c in counts)
    mean = (n * (n + 1) - squares) / n
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n**2 * (n - 1))
    observed = 1 + sum(one != other for one, other in pairwise(sequence))
    if variance <= 0:
        return False
    return NormalDist(mean, math.sqrt(variance)).cdf(observed + 0.5) < BLOCKS_ALPHA


def _check_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is not between 0 and 1: {confidence}")


def _check_count(k: int, n: int) -> None:
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n}")
