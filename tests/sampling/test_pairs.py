"""Which earlier token a connection offers: every distance that a supported cycle can have."""

from __future__ import annotations

import pytest

from semscheck.analysis.balancing.statistics import PairTrial, lag_matches
from semscheck.sampling.pairs import LAGS, LEFT_UNUSED, _next_lag


def offers(connections: int) -> list[tuple[int, int]]:
    """(earlier, later) of each offer, where each connection gives one token that is taken once."""
    kept: set[int] = set()
    used = dict.fromkeys(range(1, LAGS + 1), 0)
    made = []
    for index in range(connections):
        lag = _next_lag(index, kept, used)
        if lag:
            kept.remove(index - lag)
            made.append((index - lag, index))
        kept.add(index)
    return made


def test_sixteen_connections_reach_every_distance() -> None:
    made = offers(16)
    assert {later - earlier for earlier, later in made} == set(range(1, LAGS + 1))
    assert len(made) == 16 - LEFT_UNUSED


@pytest.mark.parametrize("members", range(2, LAGS + 1))
def test_a_round_robin_of_any_supported_size_meets_its_own_tokens(members: int) -> None:
    seen = lag_matches(
        PairTrial(earlier, later, (later - earlier) % members == 0) for earlier, later in offers(32)
    )
    assert 0 < seen.recognised < seen.tried
    assert seen.cycle_members == (members if members < LAGS else None)  # one of six takes more connections
