"""Failures that come of our own haste: when they are waited out, and when they are not."""

from __future__ import annotations

import pytest

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import Bound, Sample
from semscheck.probes.recorder import Recorder
from semscheck.sampling.rate_limit import (
    SPACING_MOST_S,
    SPACING_S,
    WAITS_S,
    RateLimit,
    RateLimiter,
    ShutOutError,
)
from tests.scripted import ScriptedClock

RESET, SILENT, ALERT = Cause.RESET, Cause.STALLED, Cause.ALERT


class Stage:
    """Connections as told, one after another, with a rest after each."""

    def __init__(self, until_s: float = 45.0, members_answer: bool = True) -> None:
        self.clock = ScriptedClock()
        self.record = Recorder(self.clock)
        self.haste = RateLimit(until_s=until_s)
        self.pace = RateLimiter(self.record, self.clock, self.haste, self.answer)
        self.asked = 0
        self._members_answer = members_answer

    async def answer(self) -> bool:
        self.asked += 1
        return self._members_answer

    async def go(self, *ends: Cause | None) -> list[str]:
        """Returns the samples' ids."""
        ids = []
        for index, cause in enumerate(ends):
            trouble = Failure(Phase.TLS, cause) if cause is not None else None
            sample = self.record.add(
                Sample, 0.0, arm="fresh", index=index, address="192.0.2.100", port=443, failure=trouble
            )
            ids.append(sample.id)
            self.pace.tell(sample)
            await self.pace.rest()
        return ids

    @property
    def bounds(self) -> list[Bound]:
        return [seen for seen in self.record.observations if isinstance(seen, Bound)]


@pytest.mark.parametrize(
    "ends",
    [
        [None] * 40,
        [None] * 8 + [RESET] * 3 + [None] * 8,  # three lost ones in a row
        [None, RESET] * 12,  # a dead member in the pool
        [RESET] * 20,  # nothing ever answers
        [None] * 3 + [RESET] * 20,  # too few were answered to say that none fail
        [None, RESET] + [None] * 10 + [RESET] * 10,  # some failed before
        [None] * 8 + [ALERT] * 10,  # a server speaks: that is no limit on connections
        [None] * 8 + [RESET, ALERT, RESET, RESET, RESET, RESET],
    ],
)
async def test_nothing_is_waited_for_where_it_looks_like_no_limit(ends: list[Cause | None]) -> None:
    stage = Stage()
    await stage.go(*ends)
    assert (stage.clock.now_s, stage.asked, stage.bounds) == (0.0, 0, [])


async def test_a_limit_is_waited_out_and_kept_to() -> None:
    stage = Stage()
    await stage.go(*[None] * 6)
    failed = await stage.go(SILENT, RESET, RESET, RESET)
    assert (stage.clock.now_s, stage.asked) == (1.0, 1)
    failed += await stage.go(RESET)
    assert stage.clock.now_s == 3.0
    assert stage.bounds == [], "not known before it answers again"
    await stage.go(None)
    (bound,) = stage.bounds
    assert (bound.samples, bound.used, bound.seen) == (tuple(failed), 6, 11)
    assert stage.pace.not_let_through == 5
    await stage.go(None, None, None)
    assert stage.clock.now_s == pytest.approx(3.0 + 4 * SPACING_S)
    assert len(stage.bounds) == 1


async def test_a_limit_that_is_met_again_makes_it_slower() -> None:
    stage = Stage(until_s=1000.0)
    await stage.go(*[None] * 6, *[RESET] * 4, None)
    for spacing_s in (2 * SPACING_S, SPACING_MOST_S, SPACING_MOST_S):
        await stage.go(None, RESET, None)
        assert stage.haste.spacing_s == pytest.approx(spacing_s)
    assert [len(bound.samples) for bound in stage.bounds] == [4, 1, 1, 1]
    assert stage.pace.not_let_through == 7


async def test_what_never_answers_again_is_left_alone_and_judged_by_what_was_before() -> None:
    stage = Stage()
    with pytest.raises(ShutOutError):
        await stage.go(*[None] * 6, *[RESET] * 20)
    assert stage.clock.now_s == sum(WAITS_S)
    (bound,) = stage.bounds
    assert (bound.used, bound.seen, len(bound.samples)) == (6, 14, 8)
    assert not stage.pace.is_limited
    await stage.pace.rest()


async def test_members_that_do_not_answer_either_are_the_reason() -> None:
    stage = Stage(members_answer=False)
    await stage.go(*[None] * 6, *[RESET] * 8, None, None)
    assert (stage.clock.now_s, stage.asked, stage.bounds) == (0.0, 1, [])


async def test_there_is_no_waiting_beyond_the_runs_time() -> None:
    stage = Stage(until_s=2.5)
    with pytest.raises(ShutOutError):
        await stage.go(*[None] * 6, *[RESET] * 8)
    assert stage.clock.now_s == 1.0
    late = Stage(until_s=2.5)
    await late.go(*[None] * 6, *[RESET] * 4, *[None] * 2)
    assert not late.pace.is_late
    await late.go(None)
    assert late.pace.is_late


async def test_another_address_of_the_run_keeps_to_it_from_the_start() -> None:
    stage = Stage()
    await stage.go(*[None] * 6, *[RESET] * 4, None)
    began_s = stage.clock.now_s
    other = RateLimiter(stage.record, stage.clock, stage.haste, stage.answer)
    await other.rest()
    assert stage.clock.now_s == pytest.approx(began_s + SPACING_S)
