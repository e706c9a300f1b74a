"""Clock, randomness, sockets, name resolution and this desktop come in through here, and only here.

Probes get a `NetworkBackend`; the real one is `real_backend()`, tests pass a scripted one. What it offers raises the
operating system's own errors (OSError) and nothing else; `errors.failure_from` turns them into values.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Protocol, TypeVar

from semscheck.files import NO_HOME
from semscheck.net.dns_message import Answer, OtherAnswerError, parse
from semscheck.threads import off_loop

RECEIVE_BYTES = 65536
YIELD_EVERY = 8  # receptions; a handshake and a page take fewer
RIGHT_ANSWER_S = 0.5  # how long the right DNS answer may still come after a wrong one

T = TypeVar("T")


class Clock(Protocol):
    """Time. `monotonic` for durations (seconds, arbitrary zero), `utc` for stamps."""

    def monotonic(self) -> float: ...
    def utc(self) -> datetime: ...
    async def sleep(self, seconds: float) -> None: ...


class Stream(Protocol):
    """A connected byte stream. Addresses are text; `receive` returns b"" at the end of the stream."""

    @property
    def local_address(self) -> str: ...
    @property
    def local_port(self) -> int: ...
    async def receive(self) -> bytes: ...
    async def send(self, data: bytes) -> None: ...
    def close(self, last: bytes = b"") -> None:
        """Close now, waiting for nothing: `last` is sent if the kernel takes it at once. May be called twice."""


class Dialler(Protocol):
    """Makes TCP connections. Raises OSError; has no time-out of its own (callers bound every wait)."""

    async def connect(self, address: str, port: int, source_address: str | None = None) -> Stream: ...
    def source_for(self, address: str, port: int) -> str:
        """The local address that would be used towards an address; sends nothing. Raises OSError."""


class Resolver(Protocol):
    """Asks name servers, and the system."""

    async def ask(self, query: bytes, address: str, port: int, tcp: bool) -> Answer:
        """One query, one answer with the same id and question. Raises OSError or ValueError (malformed)."""

    async def system(self, name: str) -> tuple[str, ...]:
        """getaddrinfo's addresses in its order, each once. Raises OSError (socket.gaierror)."""


class SystemClock:
    def monotonic(self) -> float:
        return monotonic()

    def utc(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SocketStream:
    """A non-blocking socket under the running loop: no transport, no buffers but the kernel's."""

    __slots__ = ("_loop", "_received", "_socket", "local_address", "local_port")

    def __init__(self, connected: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = connected
        self._loop = loop
        self._received = 0
        self.local_address: str = connected.getsockname()[0]
        self.local_port: int = connected.getsockname()[1]

    async def receive(self) -> bytes:
        self._received += 1
        if self._received % YIELD_EVERY == 0:
            # sock_recv does not suspend while bytes are there: a server that sends without end would keep
            # the loop, and with it every time-out, from ever running.
            await asyncio.sleep(0)
        return await self._loop.sock_recv(self._socket, RECEIVE_BYTES)

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._socket, data)

    def close(self, last: bytes = b"") -> None:
        if last and self._socket.fileno() != -1:
            with suppress(OSError):
                self._socket.send(last)
        self._socket.close()


class SocketDialler:
    async def connect(self, address: str, port: int, source_address: str | None = None) -> Stream:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            raw.setblocking(False)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source_address is not None:
                raw.bind((source_address, 0))
            await loop.sock_connect(raw, (address, port))
            return SocketStream(raw, loop)
        except BaseException:
            raw.close()
            raise

    def source_for(self, address: str, port: int) -> str:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, port))  # UDP: chooses a route, sends no packet
            chosen: str = probe.getsockname()[0]
            return chosen


class NetworkResolver:
    """Sockets of our own for DNS (a connected one, so that the kernel drops what another source sends), a daemon
    thread for getaddrinfo (which cannot be cancelled)."""

    async def ask(self, query: bytes, address: str, port: int, tcp: bool) -> Answer:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as raw:
            raw.setblocking(False)
            if tcp:
                await loop.sock_connect(raw, (address, port))
                return parse(await _over_tcp(raw, query), query)
            raw.connect((address, port))  # UDP: names the peer, sends nothing
            await loop.sock_sendall(raw, query)
            return await _over_udp(raw, query)

    async def system(self, name: str) -> tuple[str, ...]:
        return await off_loop(partial(_getaddrinfo, name), "semscheck-resolve")


async def _over_udp(raw: socket.socket, query: bytes) -> Answer:
    """Wait for the answer; a wrong one is no reason to stop (RFC 5452 section 9.1), but to wait less long."""
    loop = asyncio.get_running_loop()
    wrong: OtherAnswerError | None = None
    try:
        async with asyncio.timeout(None) as patience:
            while True:
                if wrong is not None:
                    await asyncio.sleep(0)  # a flood of wrong ones must not keep the time-out from running
                wire = await loop.sock_recv(raw, RECEIVE_BYTES)
                try:
                    return parse(wire, query)
                except OtherAnswerError as error:
                    if wrong is None:
                        patience.reschedule(loop.time() + RIGHT_ANSWER_S)
                    wrong = error
    except TimeoutError:
        if wrong is None:
            raise
        raise wrong from None
    except ConnectionResetError as error:  # Windows' word for "port unreachable" on UDP (WSAECONNRESET)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "port unreachable") from error


async def _over_tcp(raw: socket.socket, wire: bytes) -> bytes:
    """One message each way, with its length before it (RFC 1035 section 4.2.2)."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(raw, len(wire).to_bytes(2) + wire)
    heard = bytearray()
    while len(heard) < 2 or len(heard) < 2 + int.from_bytes(heard[:2]):
        part = await loop.sock_recv(raw, RECEIVE_BYTES)
        if not part:
            raise ConnectionResetError(errno.ECONNRESET, "closed before the answer was complete")
        heard += part
    return bytes(heard[2 : 2 + int.from_bytes(heard[:2])])


def _getaddrinfo(name: str) -> tuple[str, ...]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Desktop:
    """This desktop's files and settings, so that tests can lay out another one.

    platform: sys.platform. root: where absolute paths are looked up (Path("/") when real).
    environment: the process environment. home: the user's home folder.
    """

    platform: str
    root: Path
    home: Path
    environment: Mapping[str, str]
    interfaces: Callable[[], tuple[str, ...]] = tuple

    def addresses(self, like: str) -> tuple[str, ...]:
        """This desktop's own addresses of the same family and scope as `like`, from which it could come too."""
        model = ip_address(like)
        return tuple(
            str(own)
            for own in map(ip_address, self.interfaces())
            if own.version == model.version
            and own.is_loopback == model.is_loopback
            and own.is_link_local == model.is_link_local
        )


@dataclass(frozen=True, slots=True)
class NetworkBackend:
    clock: Clock
    random: random.Random
    dialler: Dialler
    resolver: Resolver
    desktop: Desktop


def _own_addresses() -> tuple[str, ...]:
    """The addresses of this desktop's interfaces; empty where they cannot be listed."""
    import ifaddr

    found: dict[str, None] = {}
    with suppress(OSError):
        for adapter in ifaddr.get_adapters():
            for own in adapter.ips:
                found[own.ip if isinstance(own.ip, str) else own.ip[0]] = None
    return tuple(found)


def _home() -> Path:
    """The user's home folder; that of nobody where a container runs under a user that it does not know."""
    try:
        return Path.home()
    except RuntimeError:
        return NO_HOME


def real_backend(seed: int) -> NetworkBackend:
    """The way to the real network and this real desktop. seed: for everything that is left to chance."""
    return NetworkBackend(
        clock=SystemClock(),
        random=random.Random(seed),
        dialler=SocketDialler(),
        resolver=NetworkResolver(),
        desktop=Desktop(
            platform=sys.platform,
            root=Path("/"),
            home=_home(),
            environment=dict(os.environ),
            interfaces=_own_addresses,
        ),
    )
