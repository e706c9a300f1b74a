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
    loop, left = asyncio.get_running_loop(), TICKS

    def tick() -> None:
        nonlocal left, timer
        left -= 1
        if left > 0:
            timer = loop.call_later(limit_s / TICKS, tick)
        else:
            deadline.reschedule(loop.time())

    async with asyncio.timeout(None) as deadline:
        timer = loop.call_later(limit_s / TICKS, tick)
        try:
            yield
        finally:
            timer.cancel()
