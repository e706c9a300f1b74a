"""The balancer that passes TLS through: it relays bytes and chooses by connection."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from semscheck.lab import loop_time
from semscheck.lab.balancers import hello
from semscheck.lab.balancers.outgoing import open_to_member
from semscheck.lab.balancers.pool import Pool
from semscheck.lab.members.listener import reset
from semscheck.lab.misbehaving.behaviours import first_record
from semscheck.lab.truth import Ledger, Outcome
from semscheck.lab.world import OnDead, Persistence

READ_SIZE = 65536
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Relay:
    """Serves one client connection after another."""

    pool: Pool
    ledger: Ledger
    source: str

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection to a member, from its first byte to its last."""
        source, address = writer.get_extra_info("peername")[:2], writer.get_extra_info("sockname")[0]
        declared, tried = self.pool.declared, set[str]()
        first = await first_record(reader) if declared.persistence is Persistence.TLS_SESSION else b""
        key = self._key(source[0], first)
        while (name := self.pool.choose(key, without=tried)) is not None:
            async with contextlib.AsyncExitStack() as opened:
                member = await self._connect(opened, name)
                if member is not None:
                    self.ledger.note(name, address, source, via_balancer=True)
                    member[1].write(first)
                    await asyncio.gather(
                        _pass_on(reader, member[1]),
                        self._answer(name, member[0], writer),
                        return_exceptions=True,
                    )
                    return
            tried.add(name)
            if declared.on_dead is not OnDead.NEXT:
                break
        failed = next(iter(tried), None)
        self.ledger.note(failed, address, source, via_balancer=True, outcome=Outcome.FAILED)

    def _key(self, source: str, first: bytes) -> str | bytes | None:
        """Return what this client is remembered by."""
        match self.pool.declared.persistence:
            case Persistence.SOURCE:
                return source
            case Persistence.TLS_SESSION:
                return hello.session_id(first, hello.CLIENT_HELLO)
            case _:
                return None

    async def _connect(self, opened: contextlib.AsyncExitStack, name: str) -> _Streams | None:
        """Connect to a member; None where it does not answer."""
        pool = self.pool
        opened.callback(pool.let_go, name)
        pool.busy[name] += 1
        try:
            async with loop_time.timeout(pool.declared.connect_timeout_s):
                opening = open_to_member(pool.members[name], self.source, self.ledger)
                return await opened.enter_async_context(opening)
        except (OSError, TimeoutError):
            return None

    async def _answer(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay what a member says; its ServerHello has the session id where the balancer keeps clients by it."""
        if self.pool.declared.persistence is Persistence.TLS_SESSION:
            first = await first_record(reader)
            if (known := hello.session_id(first, hello.SERVER_HELLO)) is not None:
                self.pool.remember(known, name)
            writer.write(first)
        await _pass_on(reader, writer)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes in at one end goes out at the other, errors and the end included."""
    try:
        while data := await reader.read(READ_SIZE):
            writer.write(data)
            await writer.drain()
    except ConnectionResetError:
        reset(writer.transport)
    else:
        writer.write_eof()
