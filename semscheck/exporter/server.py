"""Connections: an acceptor of our own, which counts from the first moment, before uvicorn's plain HTTP server.

uvicorn has no limit on how many connections there are, how long a request takes to come, or its answer to be taken;
asyncio gives a quarter of a megabyte to a TLS connection that has not said anything. Here a connection gets nothing
before it has spoken, a place only while there is one, and is closed where it overstays.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from semscheck.exporter.settings import Listen, Web
from semscheck.files import why

MAX_HEAD_BYTES = 16 * 1024
LINGER_S = 2.0  # a client may still be sending: a reset would destroy the answer that it has not read yet
HANDSHAKE_S = 5.0
SWEEP_S = 0.5
SETTLE_S = 1.0
OVERFLOW = 64  # connections beyond the limit that are told so; any more are just closed
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n"
    b"retry-after: 10\r\nconnection: close\r\n\r\ntoo many connections\n"
)

Refused = Callable[[str], None]


class Guard(asyncio.Protocol):
    """What stands between one connection and the HTTP server: bounds in time, and errors that stay here.

    The application says with `begun` and `ended` when it works on a request.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._inner = server.protocol(self)
        self._idle_s = 0.0
        self._stuck_s: float | None = None
        self._linger_until_s: float | None = None
        self._requests = 0
        self._busy = 0
        self.gone: asyncio.Future[None] = self._loop.create_future()

    # --- between the two -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._inner.connection_made(_Lingering(transport, self.linger))
        if not self._server.certificate_allowed(transport):
            self._server.refused("certificate")
            transport.abort()

    def data_received(self, data: bytes) -> None:
        # h11 bounds what is incomplete only; in pieces, a head that came all at once is bounded too.
        for at in range(0, len(data), MAX_HEAD_BYTES):
            if self._linger_until_s is None:
                self._tell(self._inner.data_received, data[at : at + MAX_HEAD_BYTES])

    def eof_received(self) -> None:
        self._tell(self._inner.eof_received)

    def pause_writing(self) -> None:
        self._stuck_s = 0.0
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._stuck_s = None
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._inner.connection_lost(error)
        if not self.gone.done():
            self.gone.set_result(None)

    def _tell(self, what: Callable[..., object], *given: object) -> None:
        """The server trips over some requests that are none (h11 in a state of its own): they end here."""
        try:
            what(*given)
        except Exception:
            self._server.refused("malformed")
            self.transport.abort()

    # --- bounds in time ------------------------------------------------------------------------------------

    @property
    def is_answered(self) -> bool:
        return self._requests > 0 and not self._busy

    def begun(self) -> None:
        self._requests += 1
        self._busy += 1

    def ended(self) -> None:
        self._busy -= 1
        self._idle_s = 0.0

    def linger(self) -> None:
        """Close, but read what still comes for a moment."""
        if self._linger_until_s is None:
            self._linger_until_s = self._loop.time() + LINGER_S
            if self.transport.can_write_eof():
                self.transport.write_eof()
            else:  # TLS says its last word itself
                self.transport.close()

    def shutdown(self) -> None:
        if self._linger_until_s is None:
            self._inner.shutdown()
        else:
            self.transport.abort()

    def sweep(self, passed_s: float) -> None:
        """Close what overstays: a request that does not come, an answer that is not taken."""
        web = self._server.web
        if self._stuck_s is not None:
            self._stuck_s += passed_s
            overstays, offends = self._stuck_s > web.answer_timeout_s, True
        elif self._linger_until_s is not None:
            overstays, offends = self._loop.time() > self._linger_until_s, False
        elif self._busy:
            return  # the application has a time limit of its own
        else:
            self._idle_s += passed_s
            overstays = self._idle_s > (web.idle_timeout_s if self._requests else web.request_timeout_s)
            offends = not self._requests or self.transport.get_write_buffer_size() > 0
        if overstays:
            if offends:
                self._server.refused("slow")
            self.transport.abort()


class _Lingering:
    """A transport whose closing waits for the other side's; the rest is the transport's."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Server:
    """Listening sockets and their connections. `open`, then `close`. For one event loop.

    web: the bounds; allowed_sans: see WebConfig; context: of TLS: all three may be replaced while it runs. refused:
    told of each connection that is ended, and why.
    """

    def __init__(self, app: Any, web: Web, refused: Refused, context: ssl.SSLContext | None = None) -> None:
        self.web = web
        self.refused = refused
        self.context = context
        self.allowed_sans: frozenset[str] = frozenset()
        self._state = ServerState()
        self._config = uvicorn.Config(
            _timed(app),
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=3600,  # the sweep closes idle connections, at the time that the settings say
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )
        self._config.load()
        self._listening: list[socket.socket] = []
        self._guards: set[Guard] = set()
        self._overflow = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []
        self.connections = 0

    @property
    def addresses(self) -> tuple[Listen, ...]:
        """Where it listens, with the ports that the system chose."""
        return tuple(Listen(*sock.getsockname()[:2]) for sock in self._listening)

    def protocol(self, guard: Guard) -> Any:
        """The HTTP server's side of one connection; the application finds the guard in the request's state."""
        return self._config.http_protocol_class(  # type: ignore[call-arg]
            config=self._config, server_state=self._state, app_state={"connection": guard}
        )

    def certificate_allowed(self, transport: asyncio.Transport) -> bool:
        if not self.allowed_sans:
            return True
        certificate = transport.get_extra_info("peercert") or {}
        # Without a certificate there is nothing to compare; whether one is needed, the handshake has decided.
        names = {value for _, value in certificate.get("subjectAltName", ())}
        return not certificate or bool(names & self.allowed_sans)

    async def open(self, listen: Iterable[Listen], listening: Iterable[socket.socket] = ()) -> None:
        """Listen, or go on with sockets that listen already. Raises OSError with the address in its words."""
        self._stamp()
        self._listening = list(listening)
        listen = () if self._listening else listen
        try:
            for at in listen:
                self._listening.append(_bound(at))
        except OSError:
            for sock in self._listening:
                sock.close()
            raise
        self._accepting = [asyncio.create_task(self._accept(sock)) for sock in self._listening]
        self._sweeping = asyncio.create_task(self._sweep())

    async def close(self, within_s: float) -> None:
        """Take no more connections; let the answers under way leave; then close what is left."""
        await self.drain(SETTLE_S)
        for sock in self._listening:
            sock.close()
        for guard in tuple(self._guards):
            guard.shutdown()
        if self._guards:
            await asyncio.wait([guard.gone for guard in self._guards], timeout=within_s)
        for guard in tuple(self._guards):
            guard.transport.abort()
        for task in (self._sweeping, *self._tasks):
            task.cancel()

    async def drain(self, within_s: float) -> None:
        """Accept nothing more, and answer those who were: the request of one that has just come is on its way."""
        for task in self._accepting:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.connections > sum(guard.is_answered for guard in self._guards):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    def listening(self) -> tuple[socket.socket, ...]:
        """The sockets once more; closing these leaves those open."""
        return tuple(sock.dup() for sock in self._listening)

    # --- accepting -----------------------------------------------------------------------------------------

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client = await _accepted(listening)
            except OSError:  # no descriptors, or the client has left already
                await asyncio.sleep(0.05)
                continue
            if self.connections < self.web.max_connections:
                self.connections += 1
                self._start(self._serve(client))
                continue
            self.refused("full")
            if self.context is None and self._overflow < OVERFLOW:
                self._overflow += 1
                self._start(self._turn_away(client))
            else:
                client.close()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket) -> None:
        """One connection, from its first byte to its end; this is where it has its place."""
        loop = asyncio.get_running_loop()
        try:
            await self._first_byte(client)
            guard = Guard(self)
            tls = self.context is not None
            await loop.connect_accepted_socket(
                lambda: guard,
                client,
                ssl=self.context,
                ssl_handshake_timeout=HANDSHAKE_S if tls else None,
                ssl_shutdown_timeout=LINGER_S if tls else None,
            )
            self._guards.add(guard)
            try:
                await guard.gone
            finally:
                self._guards.discard(guard)
        except TimeoutError:
            self.refused("slow")
        except OSError:  # TLS that is none, and clients that leave
            pass
        finally:
            self.connections -= 1
            client.close()

    async def _first_byte(self, client: socket.socket) -> None:
        """Wait until there is something to read. Raises TimeoutError."""
        there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(HANDSHAKE_S if self.context else self.web.request_timeout_s):
                await _readable(client, there)
        except NotImplementedError:  # Windows' own loop
            return
        except TimeoutError:
            if not there.done():  # else it was this loop that was late
                raise

    async def _turn_away(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(LINGER_S):
                    await loop.sock_sendall(client, _FULL)
                    client.shutdown(socket.SHUT_WR)
                    while await loop.sock_recv(client, 65_536):  # noqa: ASYNC110 - a flood must not stop the clock
                        await asyncio.sleep(0)
        finally:
            self._overflow -= 1
            client.close()

    async def _sweep(self) -> None:
        """Time in which this loop was too busy to look counts against nobody."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            await asyncio.sleep(SWEEP_S)
            self._stamp()
            for guard in tuple(self._guards):
                guard.sweep(min(loop.time() - began_s, 2 * SWEEP_S))

    def _stamp(self) -> None:
        date = formatdate(time.time(), usegmt=True).encode()
        self._state.default_headers = [(b"date", date)]


async def _accepted(listening: socket.socket) -> socket.socket:
    """The next connection. Whoever cancels this loses none: between accepting and returning nothing is awaited."""
    loop = asyncio.get_running_loop()
    try:
        await _readable(listening, loop.create_future())
        client, _ = listening.accept()
    except NotImplementedError:  # Windows' own loop
        client, _ = await loop.sock_accept(listening)
    client.setblocking(False)
    return client


async def _readable(sock: socket.socket, there: asyncio.Future[None]) -> None:
    """Wait until there is something to read, or to accept. Raises NotImplementedError on Windows."""
    loop = asyncio.get_running_loop()
    descriptor = sock.fileno()
    loop.add_reader(descriptor, _done, there)
    try:
        await there
    finally:
        loop.remove_reader(descriptor)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _timed(app: Any) -> Any:
    """The application, which tells its connection when it works."""

    async def timed(scope: Any, receive: Any, send: Any) -> None:
        guard: Guard = scope["state"]["connection"]
        guard.begun()
        try:
            await app(scope, receive, send)
        finally:
            guard.ended()

    return timed


def _bound(at: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((at.host, at.port))
        sock.listen(1024)
        sock.setblocking(False)
    except OSError as problem:
        sock.close()
        raise OSError(problem.errno, f"{at}: {why(problem)}") from problem
    return sock
