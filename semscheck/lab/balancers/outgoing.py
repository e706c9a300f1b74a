"""Connections from the balancer to members, entered in the ledger as the lab's own before they are made."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

from semscheck.lab.members.listener import abort
from semscheck.lab.place import Endpoint
from semscheck.lab.truth import Ledger, Source


def bound_socket(source: str, announce: Callable[[Source], None]) -> tuple[socket.socket, Source]:
    """Return a socket bound to a free port of `source`, announced: who accepts from it knows it at once."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    try:
        sock.bind((source, 0))
    except OSError:
        sock.close()
        raise
    address = sock.getsockname()[:2]
    announce(address)
    return sock, address


@contextlib.asynccontextmanager
async def open_to_member(
    member: Endpoint, source: str, ledger: Ledger
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a member from the balancer's address; closed at the end. Raises OSError."""
    sock, address = bound_socket(source, ledger.announce)
    writer: asyncio.StreamWriter | None = None
    try:
        await asyncio.get_running_loop().sock_connect(sock, (member.address, member.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        yield reader, writer
        writer.close()
    except BaseException:
        if writer is not None:
            abort(writer.transport)
        raise
    finally:
        if writer is None:
            ledger.withdraw(address)
            sock.close()
