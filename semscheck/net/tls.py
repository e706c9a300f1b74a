"""TLS over a byte stream, without a transport in between: each step is seen, and each failure has a cause.

The standard library's stream classes hide what this tool is about (which session was offered, what came before an
alert, the chain of a handshake that failed), so the handshake runs on memory buffers. Names per RFC 8446.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import replace
from typing import Any

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.net.backend import Stream
from semscheck.net.errors import ALERTS, failure_from

MAX_HANDSHAKE_BYTES = 256 * 1024
SAID_BYTES = 256
_RECORD_TYPES = frozenset({20, 21, 22, 23, 24})  # RFC 8446 section 5.1, and heartbeat
_HANDSHAKE, _ALERT = 22, 21
_SERVER_HELLO, _SERVER_KEY_EXCHANGE, _CERTIFICATE_REQUEST = 2, 12, 13
_KEY_SHARE = 51
# IANA "TLS Supported Groups".
_GROUPS = {
    23: "secp256r1",
    24: "secp384r1",
    25: "secp521r1",
    29: "x25519",
    30: "x448",
    256: "ffdhe2048",
    257: "ffdhe3072",
    258: "ffdhe4096",
    4587: "SecP256r1MLKEM768",
    4588: "X25519MLKEM768",
}


class Watch:
    """What went over the wire in one handshake, as OpenSSL's message callback tells it."""

    __slots__ = ("alert", "certificate_requested", "key_exchange")

    def __init__(self) -> None:
        self.alert: str | None = None
        self.certificate_requested = False
        self.key_exchange: str | None = None

    def message(self, direction: str, content: int, kind: int, data: bytes) -> None:
        if direction != "read":
            return
        if content == _ALERT and len(data) >= 2:
            self.alert = ALERTS.get(data[1], f"alert {data[1]}")
        elif content == _HANDSHAKE and kind == _CERTIFICATE_REQUEST:
            self.certificate_requested = True
        elif content == _HANDSHAKE and kind == _SERVER_HELLO:
            self.key_exchange = _group_in_hello(data) or self.key_exchange
        elif content == _HANDSHAKE and kind == _SERVER_KEY_EXCHANGE and len(data) >= 7:
            named_curve = data[4] == 3  # RFC 8422 section 5.4
            self.key_exchange = _group(int.from_bytes(data[5:7])) if named_curve else "DHE"


def _group(number: int) -> str:
    return _GROUPS.get(number, f"group {number}")


def _group_in_hello(data: bytes) -> str | None:
    """The group of ServerHello's key_share extension (RFC 8446 section 4.2.8), None if it has none."""
    at = 4 + 2 + 32
    at += 1 + (data[at] if at < len(data) else 0) + 2 + 1  # session id, cipher suite, compression
    end = len(data)
    at += 2
    while at + 4 <= end:
        kind, size = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        if kind == _KEY_SHARE and size >= 2:
            return _group(int.from_bytes(data[at + 4 : at + 6]))
        at += 4 + size
    return None


def _tell(connection: Any, direction: str, _version: int, content: int, kind: int, data: bytes) -> None:
    watch = getattr(connection, "semscheck_watch", None)
    if watch is not None:
        watch.message(direction, int(content), int(kind), data)


def watched(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, telling the messages of handshakes that carry a `Watch`.

    `_msg_callback` is private to the ssl module (there since 3.8); without it alerts are named less exactly
    and a request for a client certificate is not seen.
    """
    inner: Any = getattr(context, "_ctx", context)  # truststore keeps the real one inside
    with suppress(AttributeError):
        inner._msg_callback = _tell
    return context


class Tls:
    """One TLS connection on a stream. Make it, `handshake()`, then read and write; `close()` always."""

    __slots__ = (
        "_incoming",
        "_offered",
        "_outgoing",
        "_received",
        "_stream",
        "_tls",
        "_version",
        "_watch",
        "first",
    )

    def __init__(
        self,
        stream: Stream,
        context: ssl.SSLContext,
        server_name: str | None,
        session: ssl.SSLSession | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_name, session=session
        )
        self._offered = session
        self._watch = watch
        if watch is not None:
            self._tls.semscheck_watch = watch  # type: ignore[attr-defined]
        self.first = b""
        self._received = 0
        self._version: str | None = None

    async def handshake(self) -> None:
        """Run the handshake. Raises ssl.SSLError, OSError, or EOFError where the peer closed instead."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            except ssl.SSLError:
                with suppress(OSError):
                    await self._flush()  # our alert says why we left
                raise
            else:
                await self._flush()
                return

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._stream.send(self._outgoing.read())

    async def _feed(self) -> None:
        data = await self._stream.receive()
        if not data:
            raise EOFError("closed by the server during the handshake")
        if len(self.first) < SAID_BYTES:
            self.first = (self.first + data)[:SAID_BYTES]
        self._received += len(data)
        if self._received > MAX_HANDSHAKE_BYTES and self.version is None:
            raise ValueError("the handshake is larger than 256 KiB")
        self._incoming.write(data)

    async def ticket(self, wait_s: float) -> ssl.SSLSession | None:
        """The session to offer another time, None where the server gave none that can be offered.

        In TLS 1.3 tickets come after the handshake, so this waits up to `wait_s` for one to arrive; no request
        is needed. In TLS 1.2 the session is complete with the handshake (a ticket, or an id the server keeps).
        """
        if self.version != "TLSv1.3":
            session = self.session
            return session if session is not None and (session.has_ticket or session.id) else None
        try:
            async with asyncio.timeout(wait_s):
                while (session := self._new_session()) is None:
                    data = await self._stream.receive()
                    if not data:
                        return None
                    self._incoming.write(data)
        except (OSError, TimeoutError):
            return None
        return session

    def _new_session(self) -> ssl.SSLSession | None:
        """A session with a ticket that came on this connection, as far as has been received; a resumed connection
        holds the one that was offered until then. To ask OpenSSL for a session costs as much as a small request."""
        with suppress(ssl.SSLWantReadError):
            self._tls.read(1)
        session = self.session
        if session is None or not session.has_ticket:
            return None
        return session if self._offered is None or session.id != self._offered.id else None

    async def read(self, limit: int) -> bytes:
        """Up to `limit` bytes of application data; b"" at the end of the stream, close_notify or not."""
        while True:
            try:
                return self._tls.read(limit)
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._stream.receive()
                if not data:
                    return b""
                self._incoming.write(data)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def write(self, data: bytes) -> None:
        self._tls.write(data)
        await self._flush()

    def close(self) -> None:
        """Say close_notify if the kernel takes it at once, and close. May be called twice."""
        self._version = self.version
        with suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        self._stream.close(self._outgoing.read())

    @property
    def local_address(self) -> str:
        return self._stream.local_address

    @property
    def version(self) -> str | None:
        """As negotiated, None where it was not; kept after the end, when OpenSSL no longer tells it."""
        return self._version or self._tls.version()

    @property
    def cipher(self) -> str | None:
        chosen = self._tls.cipher()
        return chosen[0] if chosen else None

    @property
    def alpn(self) -> str | None:
        return self._tls.selected_alpn_protocol()

    @property
    def resumed(self) -> bool:
        return bool(self._tls.session_reused)

    @property
    def session(self) -> ssl.SSLSession | None:
        """The session as it is now; in TLS 1.3 without a ticket until one was read."""
        return self._tls.session

    @property
    def leaf(self) -> bytes | None:
        """The peer's certificate in DER, None before it came, and on a resumed connection that kept none."""
        with suppress(ValueError):
            return self._tls.getpeercert(binary_form=True)
        return None

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The chain as presented, DER, leaf first; also after a handshake that failed on trust."""
        return _chain(self._tls, "get_unverified_chain")

    @property
    def verified_chain(self) -> tuple[bytes, ...]:
        """The path that the verifier built, leaf first, root last; empty where it built none."""
        return _chain(self._tls, "get_verified_chain")

    def failure_from(self, error: BaseException) -> Failure:
        """What a failed handshake was: told apart by what came, which the exception alone does not say."""
        said = self.first.decode("latin-1") if self.first else None
        if self.first and not _is_tls(self.first):
            return Failure(Phase.TLS, Cause.NOT_TLS, "what came is no TLS record", said=said)
        if self._watch is not None and self._watch.alert not in (None, "close_notify"):
            return Failure(Phase.TLS, Cause.ALERT, str(error)[:500], alert=self._watch.alert)
        found = failure_from(Phase.TLS, error)
        # A reset before the server's first byte is another thing than one in the middle (NET004, TLS002).
        return replace(found, said=said) if found.cause is Cause.RESET else found


def _is_tls(first: bytes) -> bool:
    return first[0] in _RECORD_TYPES and (len(first) < 2 or first[1] == 3)


def _chain(tls: ssl.SSLObject, method: str) -> tuple[bytes, ...]:
    """Public from Python 3.13 on, which gives DER; before, on the private object, which gives certificates."""
    get = getattr(tls, method, None) or getattr(getattr(tls, "_sslobj", None), method, None)
    if get is None:
        return ()
    try:
        found = get() or ()
    except (ValueError, ssl.SSLError):
        return ()
    return tuple(each if isinstance(each, bytes) else each.public_bytes(_DER) for each in found)


_DER = 2  # _ssl.ENCODING_DER
