"""Politeness: at most so many connections open to one address at a time."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from semscheck.probes.seam import Dialler, Stream

OPEN_TO_ONE_ADDRESS = 8


class _Counted:
    """A stream that gives its place back when it is closed, once."""

    __slots__ = ("_inner", "_room", "_taken")

    def __init__(self, inner: Stream, room: asyncio.Semaphore) -> None:
        self._inner = inner
        self._room = room
        self._taken = True

    @property
    def local_address(self) -> str:
        return self._inner.local_address

    async def receive(self) -> bytes:
        return await self._inner.receive()

    async def send(self, data: bytes) -> None:
        await self._inner.send(data)

    def close(self, last: bytes = b"") -> None:
        if self._taken:
            self._taken = False
            self._inner.close(last)
            self._room.release()


class PoliteDialler:
    """A dialler that waits for a place where eight connections to an address are open already."""

    def __init__(self, inner: Dialler, most: int = OPEN_TO_ONE_ADDRESS) -> None:
        self._inner = inner
        self._rooms: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(most))

    async def connect(self, address: str, port: int, source_address: str | None = None) -> Stream:
        room = self._rooms[address]
        await room.acquire()
        try:
            return _Counted(await self._inner.connect(address, port, source_address), room)
        except BaseException:
            room.release()
            raise

    def source_for(self, address: str, port: int) -> str:
        return self._inner.source_for(address, port)
