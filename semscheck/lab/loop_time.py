"""Time-outs of the balancer, in time that the lab itself had."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

TICKS = 20


@contextlib.asynccontextmanager
async def timeout(limit_s: float) -> AsyncIterator[None]:
    """End the body with TimeoutError after so many seconds of this event loop, counted in ticks.

    Members and balancer share one loop. While the machine lets it wait, no member could have answered: such a pause,
    however long, counts as one tick, and a busy machine makes no member look dead.
    """
    async with asyncio.timeout(None) as deadline:
        counting = asyncio.create_task(_count(limit_s, deadline))
        try:
            yield
        finally:
            counting.cancel()


async def _count(limit_s: float, deadline: asyncio.Timeout) -> None:
    for _ in range(TICKS):
        await asyncio.sleep(limit_s / TICKS)
    deadline.reschedule(asyncio.get_running_loop().time())
