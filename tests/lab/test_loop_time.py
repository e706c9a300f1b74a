"""Time-outs that a busy machine does not trip: what stands still with the lab counts against nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from semscheck.lab import loop_time
from semscheck.lab.balancers.pool import FIRST_CHECK_S
from semscheck.lab.cluster import Lab
from semscheck.lab.scenarios import SCENARIOS
from tests.lab.clients import visit


async def test_a_wait_that_nobody_ends_is_ended() -> None:
    with pytest.raises(TimeoutError):
        async with loop_time.timeout(0.05):
            await asyncio.Event().wait()


async def test_a_pause_of_the_whole_program_is_not_counted() -> None:
    loop, answered = asyncio.get_running_loop(), asyncio.Event()
    async with loop_time.timeout(0.1):
        loop.call_later(0.01, answered.set)
        loop.call_soon(time.sleep, 0.3)
        await answered.wait()


def after(turns: int, call: Callable[[], None]) -> None:
    """Call in the event loop's turn after so many others."""
    soon = asyncio.get_running_loop().call_soon
    if turns:
        soon(after, turns - 1, call)
    else:
        call()


@pytest.mark.parametrize("turns", [2, 3, 4])
async def test_members_stay_in_the_pool_where_the_machine_stood_still_during_their_check(turns: int) -> None:
    async with Lab(SCENARIOS["round-robin"].world) as lab:
        after(turns, lambda: time.sleep(FIRST_CHECK_S + 0.1))
        await lab.check_members()
        answers = [await asyncio.to_thread(visit, lab, lab.balancer_address) for _ in range(3)]
        assert [answer.status for answer in answers] == [200] * 3
        assert len(set(lab.served())) == 3
