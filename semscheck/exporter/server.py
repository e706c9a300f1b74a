"""Connections: uvicorn's HTTP/1.1 protocol (h11), with bounds in number, size and time around it.

uvicorn itself has no limit on how long a request may take to arrive, or its answer to be taken, and answers whatever
is too large with 400. A sweep every second looks at every connection; what overstays is closed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from semscheck.exporter.settings import Listen, Web

MAX_HEAD_BYTES = 16 * 1024
LINGER_S = 2.0  # a refused client may still be sending: a reset would destroy the answer it has not read yet
LINGER_BYTES = 8 * 1024 * 1024
HANDSHAKE_S = 5.0
SWEEP_S = 0.5
OVERFLOW = 64  # connections beyond the limit that are told so; any more are just closed

Refused = Callable[[str], None]


class CurrentContext(ssl.SSLContext):
    """What asyncio is given: every new connection is wrapped by the context that is current then."""

    current: ssl.SSLContext

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        return self.current.wrap_bio(*given, **named)


def current_context(context: ssl.SSLContext) -> CurrentContext:
    made = CurrentContext(ssl.PROTOCOL_TLS_SERVER)
    made.current = context
    return made


class Bounds:
    """What all connections share. allowed_sans: see WebConfig. refused: told of each connection that is ended."""

    def __init__(self, web: Web, refused: Refused) -> None:
        self.web = web
        self.refused = refused
        self.allowed_sans: frozenset[str] = frozenset()


class Connection(H11Protocol):
    """One connection that does not overstay."""

    def __init__(self, bounds: Bounds, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._bounds = bounds
        self._idle_since_s = self.loop.time()
        self._stuck_since_s: float | None = None
        self._linger_until_s: float | None = None
        self._lingered_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        others = len(self.connections)
        self._idle_since_s = self.loop.time()
        super().connection_made(transport)
        if not self._certificate_allowed(transport):
            self._bounds.refused("certificate")
            transport.abort()
        elif others >= self._bounds.web.max_connections:
            self._bounds.refused("full")
            if others >= self._bounds.web.max_connections + OVERFLOW:
                transport.abort()
            else:
                self._refuse(503, b"too many connections", b"retry-after: 10\r\n")

    def data_received(self, data: bytes) -> None:
        # h11 bounds what is incomplete only; in pieces, a head that came all at once is bounded too.
        for at in range(0, len(data), MAX_HEAD_BYTES):
            piece = data[at : at + MAX_HEAD_BYTES]
            if self._linger_until_s is None:
                super().data_received(piece)
            else:
                self._lingered_bytes += len(piece)
        if self._lingered_bytes > LINGER_BYTES:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn while it handles what h11 could not read."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431 and b"\n" not in self.conn.trailing_data[0]:
            status = 414  # not even the request line is whole
        words = {414: b"the address is too long", 431: b"the request's headers are too large"}
        self._refuse(status, words.get(status, b"this is no HTTP request"))

    def on_response_complete(self) -> None:
        self._idle_since_s = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._stuck_since_s = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck_since_s = None
        super().resume_writing()

    def shutdown(self) -> None:
        if self._linger_until_s is not None:
            self.transport.abort()
        else:
            super().shutdown()

    def sweep(self, now_s: float) -> None:
        """Close what overstays: a request that does not come, an answer that is not taken."""
        web = self._bounds.web
        if self._linger_until_s is not None:
            if now_s >= self._linger_until_s:
                self.transport.abort()
            return
        if self._stuck_since_s is not None:
            if now_s - self._stuck_since_s > web.answer_timeout_s:
                self._end()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            return  # the application has a time limit of its own
        patience = web.request_timeout_s if self.cycle is None else web.idle_timeout_s
        if now_s - self._idle_since_s > patience:
            self._end(count=self.cycle is None or self.transport.get_write_buffer_size() > 0)

    def _end(self, *, count: bool = True) -> None:
        if count:
            self._bounds.refused("slow")
        self.transport.abort()

    def _refuse(self, status: int, words: bytes, more: bytes = b"") -> None:
        reason = HTTPStatus(status).phrase.encode()
        head = b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % (
            status,
            reason,
            len(words) + 1,
        )
        self.transport.write(head + more + b"connection: close\r\n\r\n" + words + b"\n")
        self._linger_until_s = self.loop.time() + LINGER_S
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _certificate_allowed(self, transport: asyncio.Transport) -> bool:
        allowed = self._bounds.allowed_sans
        if not allowed:
            return True
        certificate = transport.get_extra_info("peercert") or {}
        # Without a certificate there is nothing to compare; whether one is needed, the handshake has decided.
        names = {value for _, value in certificate.get("subjectAltName", ())}
        return not certificate or bool(names & allowed)


class Server:
    """Listening sockets and their connections. `open`, then `close`."""

    def __init__(self, app: Any, web: Web, refused: Refused) -> None:
        self.bounds = Bounds(web, refused)
        self._state = ServerState()
        self._config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=3600,  # the sweep closes idle connections, at the time that the settings say
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )
        self._config.load()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        return len(self._state.connections)

    @property
    def addresses(self) -> tuple[Listen, ...]:
        """Where it listens, with the ports that the system chose."""
        found = []
        for server in self._servers:
            for sock in server.sockets:
                host, port = sock.getsockname()[:2]
                found.append(Listen(host, port))
        return tuple(found)

    async def open(self, listen: Iterable[Listen], context: ssl.SSLContext | None) -> None:
        """Listen. Raises OSError with the address in its words."""
        loop = asyncio.get_running_loop()
        self._stamp()
        for at in listen:
            sock = _bound(at)
            server = await loop.create_server(
                lambda: Connection(self.bounds, self._config, self._state),
                sock=sock,
                ssl=context,
                backlog=1024,
                ssl_handshake_timeout=HANDSHAKE_S if context is not None else None,
                ssl_shutdown_timeout=2.0 if context is not None else None,
            )
            self._servers.append(server)
        self._sweeper = asyncio.create_task(self._sweep(), name="sweep")

    async def close(self, within_s: float) -> None:
        """Take no more connections; let the answers under way leave; then close what is left."""
        for server in self._servers:
            server.close()
        for connection in self._all():
            connection.shutdown()
        ends_s = asyncio.get_running_loop().time() + within_s
        while self._state.connections and asyncio.get_running_loop().time() < ends_s:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # the set is uvicorn's: nothing tells when it is empty
        for connection in self._all():
            connection.transport.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self._stamp()
            for connection in self._all():
                connection.sweep(loop.time())

    def _all(self) -> tuple[Connection, ...]:
        return cast("tuple[Connection, ...]", tuple(self._state.connections))

    def _stamp(self) -> None:
        date = formatdate(time.time(), usegmt=True).encode()
        self._state.default_headers = [(b"date", date)]


def _bound(at: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((at.host, at.port))
        sock.setblocking(False)
    except OSError as problem:
        sock.close()
        raise OSError(problem.errno, f"{at}: {(problem.strerror or str(problem)).lower()}") from problem
    return sock
