"""How long a step at an address is waited for, after others there ran out of time."""

from __future__ import annotations

import asyncio

import pytest

from semscheck.model.failure import Phase
from semscheck.net.connection_limit import LEAST_WAIT_S, Patience

HERE, THERE = "192.0.2.1", "192.0.2.2"


async def run_out(patience: Patience, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(TimeoutError):
            async with patience.step(address, Phase.TLS, 0.001):
                await asyncio.Event().wait()


async def test_two_that_ran_out_shorten_the_time_at_that_address_alone() -> None:
    patience = Patience()
    await run_out(patience, HERE, 1)
    assert patience.limit_s(HERE, Phase.TLS, 5.0) == 5.0
    await run_out(patience, HERE, 1)
    assert patience.limit_s(HERE, Phase.TLS, 5.0) == LEAST_WAIT_S
    assert patience.limit_s(THERE, Phase.TLS, 5.0) == 5.0
    assert patience.limit_s(HERE, Phase.TLS, 0.5) == 0.5


async def test_a_slow_success_there_is_given_five_times_its_time() -> None:
    patience, loop = Patience(), asyncio.get_running_loop()
    began = loop.time()
    async with patience.step(HERE, Phase.TLS, 5.0):
        await asyncio.sleep(0.3)
    took = loop.time() - began
    await run_out(patience, HERE, 2)
    assert LEAST_WAIT_S < patience.limit_s(HERE, Phase.TLS, 60.0) <= 5 * took
    assert patience.limit_s(HERE, Phase.TLS, 1.2) == 1.2


async def test_what_fails_at_once_says_nothing_of_time() -> None:
    patience = Patience()
    for _ in range(4):
        with pytest.raises(ConnectionResetError):
            async with patience.step(HERE, Phase.TLS, 5.0):
                raise ConnectionResetError
    await run_out(patience, HERE, 2)
    assert patience.limit_s(HERE, Phase.TLS, 5.0) == LEAST_WAIT_S


async def test_what_is_looked_at_in_passing_is_not_waited_for_once_something_answered_there() -> None:
    patience = Patience()
    assert patience.limit_s(HERE, Phase.TLS, 5.0, hurried=True) == 5.0
    async with patience.step(HERE, Phase.TLS, 5.0):
        pass
    assert patience.limit_s(HERE, Phase.TLS, 5.0, hurried=True) == LEAST_WAIT_S
    assert patience.limit_s(HERE, Phase.TLS, 5.0) == 5.0
