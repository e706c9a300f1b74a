"""The balancer that passes TLS through: it relays bytes and chooses by connection."""

from __future__ import annotations

import asyncio
import contextlib

from semscheck.lab import loop_time
from semscheck.lab.balancers import hello
from semscheck.lab.balancers.outgoing import bound_socket
from semscheck.lab.balancers.pool import Pool
from semscheck.lab.members.listener import MAX_CONNECTIONS, abort, reset
from semscheck.lab.truth import Ledger, Outcome
from semscheck.lab.world import OnDead, Persistence

HELLO_S = 10.0
DROPPED_S = 60.0  # how long a connection that the world loses is kept silent


class Relay:
    """Makes the protocols of accepted connections and keeps track of them."""

    def __init__(self, pool: Pool, ledger: Ledger, source: str) -> None:
        self.pool = pool
        self.ledger = ledger
        self.source = source
        self.fronts: set[_Front] = set()

    def protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol of one accepted connection."""
        return _Front(self)

    async def close(self) -> None:
        """End every relayed connection."""
        fronts = tuple(self.fronts)
        tasks = [front.task for front in fronts if front.task is not None]
        for front in fronts:
            front.end()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


class _End(asyncio.Protocol):
    """One end of a relayed connection: what comes in here goes out at the other end, errors included."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self.finished = False  # has sent its last byte

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.finished = True
        other = self.other
        if other is None or other.transport is None or other.finished:
            return False
        with contextlib.suppress(OSError):
            other.transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.other is not None and self.other.transport is not None:
            if isinstance(exc, ConnectionResetError):
                reset(self.other.transport)
            else:
                self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class _Back(_End):
    """The end towards the member. Learns the session id from the ServerHello where the balancer keeps by it."""

    def __init__(self, front: _Front, name: str) -> None:
        super().__init__()
        self.other = front
        self._relay = front.relay
        self._name = name
        self._released = False
        self._relay.pool.busy[name] += 1
        learns = front.relay.pool.declared.persistence is Persistence.TLS_SESSION
        self._first: bytearray | None = bytearray() if learns else None

    def data_received(self, data: bytes) -> None:
        if self._first is not None:
            self._first += data
            if hello.whole(self._first):
                if (known := hello.session_id(self._first, hello.SERVER_HELLO)) is not None:
                    self._relay.pool.remember(known, self._name)
                self._first = None
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.release()
        super().connection_lost(exc)

    def release(self) -> None:
        """Give back the connection's place in the member's count."""
        if not self._released:
            self._released = True
            self._relay.pool.busy[self._name] -= 1


class _Front(_End):
    """The end towards the client; chooses the member and connects to it."""

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self.relay = relay
        self.task: asyncio.Task[None] | None = None
        self._first = bytearray()
        self._enough = asyncio.Event()
        self._silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self.relay.fronts) >= MAX_CONNECTIONS:
            reset(transport)
            return
        self.relay.fronts.add(self)
        self.task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes) -> None:
        if self._silent:
            return
        if self.other is not None:
            super().data_received(data)
            return
        self._first += data
        if hello.whole(self._first) and self.transport is not None:
            self.transport.pause_reading()
            self._enough.set()

    def eof_received(self) -> bool:
        self._enough.set()
        if self.other is None:
            self.finished = True
            return not self._silent and bool(self._first)
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.relay.fronts.discard(self)
        self._enough.set()
        if self.other is None and self.task is not None:
            self.task.cancel()
        super().connection_lost(exc)

    def end(self) -> None:
        """End both sides at once."""
        if self.task is not None:
            self.task.cancel()
        for end in (self, self.other):
            if end is not None and end.transport is not None:
                abort(end.transport)

    async def _run(self) -> None:
        assert self.transport is not None
        peer, here = self.transport.get_extra_info("peername"), self.transport.get_extra_info("sockname")
        if not peer or not here:
            abort(self.transport)
            return
        source, address = peer[:2], here[0]
        if await self._lost(source, address):
            return
        pool, tried = self.relay.pool, set[str]()
        key = await self._key(source[0])
        while (name := pool.choose(key, without=tried)) is not None:
            back = await self._connect(name)
            if back is not None:
                self.relay.ledger.note(name, address, source, via_balancer=True)
                self._join(back)
                return
            tried.add(name)
            if pool.declared.on_dead is not OnDead.NEXT:
                break
        failed = next(iter(tried), None)
        self.relay.ledger.note(failed, address, source, via_balancer=True, outcome=Outcome.FAILED)
        self._give_up()

    async def _lost(self, source: tuple[str, int], address: str) -> bool:
        """Lose the connection in one of the declared ways, at the declared shares."""
        declared, chance = self.relay.pool.declared, self.relay.pool.chance()
        lost = declared.reset_share + declared.close_share + declared.drop_share
        if chance >= lost:
            return False
        self.relay.ledger.note(None, address, source, via_balancer=True, outcome=Outcome.LOST)
        if chance < declared.reset_share:
            reset(self.transport)
        elif chance < declared.reset_share + declared.close_share and self.transport is not None:
            self.transport.close()
        else:
            self._silent = True
            await asyncio.sleep(DROPPED_S)
            if self.transport is not None:
                abort(self.transport)
        return True

    async def _key(self, source: str) -> str | bytes | None:
        """Return what this client is remembered by, waiting for its ClientHello where that has it."""
        match self.relay.pool.declared.persistence:
            case Persistence.SOURCE:
                return source
            case Persistence.TLS_SESSION:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HELLO_S):
                        await self._enough.wait()
                return hello.session_id(self._first, hello.CLIENT_HELLO)
            case _:
                return None

    async def _connect(self, name: str) -> _Back | None:
        """Connect to a member; None where it does not answer."""
        loop, pool = asyncio.get_running_loop(), self.relay.pool
        sock, address = bound_socket(self.relay.source, self.relay.ledger.announce)
        member = pool.members[name]
        back = _Back(self, name)
        try:
            async with loop_time.timeout(pool.declared.connect_timeout_s):
                await loop.sock_connect(sock, (member.address, member.port))
                await loop.create_connection(lambda: back, sock=sock)
        except BaseException as problem:
            back.release()
            if back.transport is None:
                self.relay.ledger.withdraw(address)
                sock.close()
            if isinstance(problem, (OSError, TimeoutError)):
                return None
            raise
        return back

    def _join(self, back: _Back) -> None:
        if self.transport is None or back.transport is None:  # one of them is gone already
            for end in (self, back):
                if end.transport is not None:
                    abort(end.transport)
            return
        self.other = back
        if self._first:
            back.transport.write(bytes(self._first))
            self._first.clear()
        if self.finished:
            back.transport.write_eof()
        self.transport.resume_reading()

    def _give_up(self) -> None:
        if self.transport is None:
            return
        if self.relay.pool.declared.on_dead is OnDead.RESET:
            reset(self.transport)
        else:
            self.transport.close()
