"""How many runs at once, and whose turn it is.

A target that hangs holds its slot until its deadline. So that such targets never starve the others, they have a
lane of their own: together they hold at most half of the slots; and the quick ones never hold the last slot, so that
the slow move on too. A target is in the slow lane until a run of it has ended quickly. Within a lane it is first
come, first served.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """For one event loop. total: runs at once, 2 or more."""

    def __init__(self, total: int) -> None:
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}
        self._held = {True: 0, False: 0}
        self.resize(total)

    def resize(self, total: int) -> None:
        """Another number from now on; who holds a slot keeps it."""
        self._total = total
        self._most = {True: total // 2, False: total - 1}
        self._hand_out()

    @property
    def held(self) -> int:
        return self._held[True] + self._held[False]

    @property
    def waiting(self) -> int:
        return sum(len(lane) for lane in self._waiting.values())

    @asynccontextmanager
    async def slot(self, *, slow: bool) -> AsyncIterator[None]:
        """Wait for a slot and hold it."""
        await self._take(slow)
        try:
            yield
        finally:
            self._give_back(slow)

    async def _take(self, slow: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[slow].append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(slow)  # it came at the moment of giving up
            elif turn in self._waiting[slow]:
                self._waiting[slow].remove(turn)
            raise

    def _give_back(self, slow: bool) -> None:
        self._held[slow] -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        """The quick first: they are gone soon, and what is reserved for the slow they cannot take."""
        for slow in (False, True):
            lane = self._waiting[slow]
            while lane and self.held < self._total and self._held[slow] < self._most[slow]:
                turn = lane.popleft()
                if not turn.done():
                    self._held[slow] += 1
                    turn.set_result(None)
