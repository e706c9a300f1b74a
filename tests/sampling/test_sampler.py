"""The course of the fresh arm: when it ends, goes on, gives up a token, and what it waits for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest

from semscheck.analysis.sampling_strategy import SamplingDecisions
from semscheck.model.observations import Control, Sample
from semscheck.model.target import Endpoint, Member, Target
from semscheck.net.connection_limit import Patience
from semscheck.probes.endpoint import Destination, ProbeContext
from semscheck.probes.recorder import Recorder
from semscheck.sampling.persistence import _Lot
from semscheck.sampling.rate_limit import RateLimit
from semscheck.sampling.sampler import FOREIGN_AFTER, MOST_CONNECTIONS, Plan, Sampler
from semscheck.sampling.series import Attempt, Issued
from semscheck.sampling.strategy import SamplingStrategy
from semscheck.sampling.tokens import MemberEndpoint, Sessions
from tests.analysis.balancing.connections import NAMES, PORT, VIP, address
from tests.scripted import ScriptedClock

TARGET = Target(
    fqdn="keys.example.com",
    members=tuple(Member(name, client=(Endpoint(address(name)),)) for name in NAMES),
)


class Instant(ScriptedClock):
    """Time that passes when somebody sleeps on it."""


@dataclass
class Stage:
    """A sampler whose connections are made up: `owners` says who answers each, None for a token that nobody knows.

    traced: how many connections later the trace is there.
    """

    owners: Callable[[int], str | None]
    plan: Plan
    traced_after: int = 0
    telling: bool = True

    def __post_init__(self) -> None:
        clock = Instant()
        self.record = Recorder(clock)
        backend = cast(Any, _Seam(clock, random.Random(1)))
        self.probe = cast(ProbeContext, _Means(backend, self.record))
        doors = [MemberEndpoint(name, Destination(address(name), PORT, "keys.example.com")) for name in NAMES]
        decisions = cast(SamplingStrategy, SamplingDecisions(TARGET))
        self.sampler = Sampler(
            self.probe,
            Destination(VIP, PORT, "keys.example.com"),
            doors,
            decisions,
            self.plan,
            Sessions(),
            self.controls,
        )
        self.sampler._series.connect = self.connect  # type: ignore[method-assign]
        self.made = 0
        self.waiting: list[tuple[int, Sample, str | None]] = []

    async def controls(self, _: str | None) -> tuple[Control, ...]:
        return tuple(
            self.record.add(
                Control,
                0.0,
                token="tls",
                version="TLSv1.2",
                issuer=name,
                issuer_address=address(name),
                shown_to=name,
                address=address(name),
                port=PORT,
                recognised=self.telling,
            )
            for name in NAMES
        )

    async def connect(self, attempt: Attempt) -> Issued:
        owner = self.owners(self.made)
        series, tracer = self.sampler._series, self.sampler._tracer
        sample = self.record.add(
            Sample,
            self.record.now(),
            arm=attempt.arm,
            index=self.made,
            address=VIP,
            port=PORT,
            version="TLSv1.2",
            token=True,
        )
        series.seen.append(sample)
        self.waiting.append((self.made + self.traced_after, sample, owner))
        self.made += 1
        due = [one for one in self.waiting if one[0] < self.made]
        self.waiting = [one for one in self.waiting if one[0] >= self.made]
        for _, shown, who in due:
            for name in NAMES:
                door = MemberEndpoint(name, Destination(address(name), PORT, "keys.example.com"))
                tracer.write_down(0.0, shown, door, "tls", name == who, None)
                if name == who:
                    break
        return Issued(sample)

    async def fresh(self) -> bool:
        async with asyncio.timeout(60):
            return await self.sampler._traced(None)


@dataclass
class _Seam:
    clock: Instant
    random: random.Random


@dataclass
class _Means:
    backend: Any
    record: Recorder
    timeout_s: float = 1.0
    haste: RateLimit = field(default_factory=RateLimit)
    patience: Patience = field(default_factory=Patience)


def plan(connections: int = 32, exact: bool = False, page: str | None = "/", spread_s: float = 0.0) -> Plan:
    return Plan(connections=connections, exact=exact, page=page, spread_s=spread_s)


def cycle(*members: str) -> Callable[[int], str]:
    return lambda index: members[index % len(members)]


@pytest.mark.parametrize("delay", [0, 1, 2])
@pytest.mark.parametrize("members", [2, 3])
async def test_a_round_robin_ends_it(members: int, delay: int) -> None:
    stage = Stage(cycle(*NAMES[:members]), plan(), traced_after=0 if members == 2 else delay)
    assert await stage.fresh()
    assert stage.made <= 4 * members


async def test_what_was_asked_for_is_made() -> None:
    for connections in (1, 2, 5, 48):
        stage = Stage(cycle(*NAMES), plan(connections, exact=True))
        assert await stage.fresh()
        assert stage.made == connections


async def test_one_member_takes_all_that_was_planned() -> None:
    stage = Stage(lambda _: "sems1", plan())
    assert await stage.fresh()
    assert stage.made == 32


async def test_the_connections_are_spread_over_the_time_that_was_asked_for() -> None:
    for spread_s in (0.0, 4.0):
        stage = Stage(lambda _: "sems1", plan(spread_s=spread_s))
        await stage.fresh()
        at_s = [seen.at_s for seen in stage.record.observations if isinstance(seen, Sample)]
        steps_s = [later - earlier for earlier, later in pairwise(at_s)]
        assert at_s[-1] == pytest.approx(spread_s * 31 / 32, abs=0.2)
        assert max(steps_s) < spread_s / 32 + 0.02


async def test_where_a_cycle_is_certain_the_spreading_is_over_at_once() -> None:
    stage = Stage(cycle(*NAMES), plan(spread_s=32.0))
    await stage.fresh()
    assert stage.made <= 12
    assert stage.record.now() < 12.5


async def test_shares_that_are_open_take_more_and_never_too_many() -> None:
    borderline = "1211121211212111211211211121" + "1211"
    stage = Stage(lambda index: f"sems{borderline[index % 32]}", plan())
    assert await stage.fresh()
    assert 32 < stage.made <= 96
    stage = Stage(lambda index: f"sems{borderline[index % 32]}", plan(MOST_CONNECTIONS))
    await stage.fresh()
    assert stage.made <= MOST_CONNECTIONS


async def test_tokens_that_nobody_knows_are_given_up_early() -> None:
    stage = Stage(lambda _: None, plan())
    assert not await stage.fresh()
    assert stage.made == FOREIGN_AFTER


async def test_where_nothing_else_is_left_all_are_made() -> None:
    stage = Stage(lambda _: None, plan(12, page=None))
    assert not await stage.fresh()
    assert stage.made == 12


async def test_tokens_that_say_nothing_are_given_up_early() -> None:
    stage = Stage(cycle(*NAMES), plan(), telling=False)
    assert not await stage.fresh()
    assert stage.made == FOREIGN_AFTER


async def test_a_crash_in_the_controls_ends_it_and_hangs_nothing() -> None:
    stage = Stage(cycle(*NAMES), plan(), telling=True)

    async def crash(_: str | None) -> tuple[Control, ...]:
        raise ZeroDivisionError

    stage.sampler._controls = crash
    with pytest.raises(ZeroDivisionError):
        await stage.fresh()


# --- who is presented again --------------------------------------------------------------------------------


class _Line:
    """As much of a line as a lot needs."""

    def __init__(self, history: Sequence[str | None], seed: int) -> None:
        self.decide = SamplingDecisions(TARGET)
        self.probe = cast(Any, _Means(_Seam(Instant(), random.Random(seed)), cast(Any, None)))
        self._history = tuple(history)

        self.came: list[str | None] = []

    def history(self) -> tuple[str | None, ...]:
        return self._history

    def later(self) -> tuple[str | None, ...]:
        return tuple(self.came)


@pytest.mark.parametrize("seed", range(20))
def test_a_round_robin_brings_nobody_back_by_chance(seed: int) -> None:
    line = _Line(NAMES * 4, seed)
    lot = _Lot(cast(Any, line))
    owners = list(NAMES * 4)
    for turn in range(8):
        assert owners[lot.draw(owners)] != NAMES[turn % 3]
        line.came.append(None if turn % 2 else NAMES[turn % 3])


def test_no_order_of_a_balancers_keeps_step_with_the_lot() -> None:
    """A dead member in the pool: the connections that are left alternate, and a third is lost."""
    back = 0
    for seed in range(300):
        lot = _Lot(cast(Any, _Line(["sems2", None, "sems1"] * 4, seed)))
        owners = ["sems1", "sems2"]
        back += all(owners[lot.draw(owners)] == ("sems2", "sems1")[turn % 2] for turn in range(8))
    assert back <= 8  # of 300 by chance 1.2; more than 8 once in 30,000


def test_different_ones_are_presented() -> None:
    lot = _Lot(cast(Any, _Line(["sems1"] * 30, 3)))
    drawn = [lot.draw(["sems1"] * 10) for _ in range(10)]
    assert sorted(drawn) == list(range(10))
