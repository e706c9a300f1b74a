"""One address that listens, and may be refused, blackholed or frozen instead, changing while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Callable, Coroutine
from enum import StrEnum

from semscheck.lab.members.http import BadMessageError

BACKLOG = 128
CLOSE_S = 5.0  # for the last bytes to be taken
MAX_CONNECTIONS = 1024  # open at once on one address; further ones are reset


class Stance(StrEnum):
    """What the kernel does with a connection request."""

    OPEN = "open"
    CLOSED = "closed"  # refuses
    FULL = "full"  # does not answer
    DEAF = "deaf"  # accepts, and nobody ever reads


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


class Door:
    """A TCP address with a stance, whose connections are served by a coroutine each, all of them ended with it.

    Network trouble ends the one connection that had it; so does a message that cannot be read.
    """

    def __init__(self, address: str, port: int, serve: Serve) -> None:
        self._address = (address, port)
        self._serve = serve
        self._stance = Stance.CLOSED
        self._server: asyncio.Server | None = None
        self._sockets: list[socket.socket] = []
        self._running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._held: list[asyncio.StreamWriter] = []
        self._freezing = False
        self._closing: set[asyncio.StreamWriter] = set()

    async def take(self, stance: Stance) -> None:
        """Take this stance in place of the present one. Anything but OPEN ends the open connections; DEAF leaves them
        open and silent. Raises OSError where the address cannot be had."""
        self._freezing = stance is Stance.DEAF
        if stance is not Stance.OPEN:
            await self._end_connections()
        elif self._stance is Stance.OPEN:
            return  # nobody shall notice
        await self._stop_listening()
        if stance is Stance.CLOSED:
            return
        listening = listening_socket(*self._address)
        self._stance = stance
        if stance is Stance.OPEN:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._protocol, sock=listening, backlog=BACKLOG)
            return
        self._sockets.append(listening)
        listening.listen(0 if stance is Stance.FULL else BACKLOG)
        if stance is Stance.FULL:
            self._sockets += _fill(listening)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        self._freezing = False
        await self._stop_listening()
        await self._end_connections()
        await asyncio.sleep(0)

    async def _stop_listening(self) -> None:
        self._stance = Stance.CLOSED
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)  # lets the event loop forget the socket before the address is taken again
        while self._sockets:
            self._sockets.pop().close()

    async def _end_connections(self) -> None:
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if not self._freezing:
            for writer in (*self._held, *self._closing):
                abort(writer.transport)
            self._held.clear()

    def _protocol(self) -> asyncio.BaseProtocol:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=65536, loop=loop)
        return asyncio.StreamReaderProtocol(reader, self._accepted, loop=loop)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._running) >= MAX_CONNECTIONS or not writer.get_extra_info("peername"):  # gone already
            reset(writer.transport)
            return
        task = asyncio.get_running_loop().create_task(self._run(reader, writer))
        self._running[task] = writer
        task.add_done_callback(self._running.pop)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, EOFError, BadMessageError):
            pass  # the client's doing, or the network's
        except asyncio.CancelledError:
            if self._freezing:
                self._held.append(writer)
            else:
                abort(writer.transport)
            raise
        writer.close()
        self._closing.add(writer)
        try:
            async with asyncio.timeout(CLOSE_S):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            abort(writer.transport)
        finally:
            self._closing.discard(writer)


def abort(transport: asyncio.BaseTransport) -> None:
    """End a connection at once, whatever was not sent."""
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def listening_socket(address: str, port: int) -> socket.socket:
    """Return a bound TCP socket that does not listen yet. Port 0: a free one."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With its protocol named, asyncio knows it for TCP and sends without Nagle's delay, as real servers do.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        if sys.platform != "win32":  # there the option would let two programs share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a connection with RST (SO_LINGER with zero time), dropping what was not sent."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            # struct linger is two ints on POSIX and two unsigned shorts on Windows
            layout = "hh" if sys.platform == "win32" else "ii"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _fill(listening: socket.socket) -> list[socket.socket]:
    """Fill the queue of a socket that nobody accepts from, so that the kernel drops every further request.

    Linux takes backlog + 1 connections before it drops (sk_acceptq_is_full); one more is offered to be sure.
    """
    fillers = []
    for _ in range(3):
        filler = socket.socket(listening.family, socket.SOCK_STREAM)
        filler.setblocking(False)
        code = filler.connect_ex(listening.getsockname())
        fillers.append(filler)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            break
    return fillers
