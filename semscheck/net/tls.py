"""TLS over a byte stream, without a transport in between: each step is seen, and each failure has a cause.

The standard library's stream classes hide what this tool is about (which session was offered, what came before an
alert, the chain of a handshake that failed), so the handshake runs on memory buffers. Names per RFC 8446.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import TICKET_PREFIXES, Ticket
from semscheck.net.backend import Stream
from semscheck.net.errors import ALERTS, failure_from

MAX_HANDSHAKE_BYTES = 256 * 1024
SAID_BYTES = 256
_RECORD_TYPES = frozenset({20, 21, 22, 23, 24})  # RFC 8446 section 5.1, and heartbeat
_HANDSHAKE, _ALERT = 22, 21
_SERVER_HELLO, _NEW_SESSION_TICKET, _SERVER_KEY_EXCHANGE, _CERTIFICATE_REQUEST = 2, 4, 12, 13
_KEY_SHARE = 51
_TLS_1_3 = 0x0304
_SESSION_ID = 4 + 2 + 32  # where the length of ServerHello's session id stands: header, version, random
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
    """What went over the wire on one connection, as OpenSSL's message callback tells it.

    heard: whether the callback tells anything at all. session_id: the server keeps the session under an id, if this
    is TLS 1.2 or older. ticket: what it gave to resume with, None while it gave none.
    """

    __slots__ = ("alert", "certificate_requested", "heard", "key_exchange", "session_id", "ticket")

    def __init__(self) -> None:
        self.heard = False
        self.alert: str | None = None
        self.certificate_requested = False
        self.key_exchange: str | None = None
        self.session_id = False
        self.ticket: Ticket | None = None

    def message(self, direction: str, version: int, content: int, kind: int, data: bytes) -> None:
        """One message. version: of the protocol, 0x0304 for TLS 1.3; data: with its header."""
        if direction != "read":
            return
        self.heard = True
        if content == _ALERT and len(data) >= 2:
            self.alert = ALERTS.get(data[1], f"alert {data[1]}")
        elif content == _HANDSHAKE:
            self._handshake(version, kind, data)

    def _handshake(self, version: int, kind: int, data: bytes) -> None:
        if kind == _CERTIFICATE_REQUEST:
            self.certificate_requested = True
        elif kind == _SERVER_HELLO:
            self.key_exchange = _group_in_hello(data) or self.key_exchange
            self.session_id = len(data) > _SESSION_ID and data[_SESSION_ID] > 0
        elif kind == _SERVER_KEY_EXCHANGE and len(data) >= 7:
            named_curve = data[4] == 3  # RFC 8422 section 5.4
            self.key_exchange = _group(int.from_bytes(data[5:7])) if named_curve else "DHE"
        elif kind == _NEW_SESSION_TICKET:
            self._new_session_ticket(version, data)

    def _new_session_ticket(self, version: int, data: bytes) -> None:
        if self.ticket is not None:
            self.ticket = replace(self.ticket, count=self.ticket.count + 1)
        elif given := _ticket_in(data, version):
            self.ticket = Ticket(
                count=1,
                whole=_short_hash(given),
                prefixes=tuple(_short_hash(given[:size]) for size in TICKET_PREFIXES if size <= len(given)),
                lifetime_s=int.from_bytes(data[4:8]),
            )


def _ticket_in(data: bytes, version: int) -> bytes:
    """The ticket of a NewSessionTicket message with its header: RFC 8446 section 4.6.1, before TLS 1.3 RFC 5077
    section 3.3. Empty where it has none, as the older one may, or is cut short."""
    at = 4 + 4  # header, lifetime
    if version >= _TLS_1_3:
        at += 4  # ticket_age_add
        at += 1 + (data[at] if at < len(data) else 0)  # nonce
    size = int.from_bytes(data[at : at + 2])
    given = data[at + 2 : at + 2 + size]
    return given if len(given) == size else b""


def _short_hash(part: bytes) -> str:
    """64 bits of SHA-256: enough for no two keys of any number of sites to be taken for one."""
    return sha256(b"semscheck ticket\0" + part).hexdigest()[:16]


def _group(number: int) -> str:
    return _GROUPS.get(number, f"group {number}")


def _group_in_hello(data: bytes) -> str | None:
    """The group of ServerHello's key_share extension (RFC 8446 section 4.2.8), None if it has none."""
    at = _SESSION_ID
    at += 1 + (data[at] if at < len(data) else 0) + 2 + 1  # session id, cipher suite, compression
    end = len(data)
    at += 2
    while at + 4 <= end:
        kind, size = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        if kind == _KEY_SHARE and size >= 2:
            return _group(int.from_bytes(data[at + 4 : at + 6]))
        at += 4 + size
    return None


def _tell(connection: Any, direction: str, version: int, content: int, kind: int, data: bytes) -> None:
    watch = getattr(connection, "semscheck_watch", None)
    if watch is not None:
        watch.message(direction, int(version), int(content), int(kind), data)


def _watched(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, telling the messages of its connections to their `Watch`.

    `_msg_callback` is private to the ssl module (there since 3.8); without it alerts are named less exactly, and
    tickets and a request for a client certificate are not seen.
    """
    inner: Any = getattr(context, "_ctx", context)  # truststore keeps the real one inside
    with suppress(AttributeError):
        if inner._msg_callback is not _tell:
            inner._msg_callback = _tell
    return context


class Tls:
    """One TLS connection on a stream. Make it, `handshake()`, then read and write; `close()` always."""

    __slots__ = (
        "_incoming",
        "_outgoing",
        "_read_on",
        "_received",
        "_session",
        "_stream",
        "_tls",
        "_version",
        "first",
        "watch",
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
        self._tls = _watched(context).wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_name, session=session
        )
        self._session: ssl.SSLSession | None = None
        self.watch = watch or Watch()
        self._tls.semscheck_watch = self.watch  # type: ignore[attr-defined]
        self._read_on = False
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

    async def receive_ticket(self, wait_s: float) -> bool:
        """Whether the server gave a session that can be offered another time.

        In TLS 1.3 tickets come after the handshake, so this waits up to `wait_s` for one to arrive; most servers
        need no request. In TLS 1.2 the session is complete with the handshake (a ticket, or an id the server keeps).
        """
        if self.version != "TLSv1.3":
            return self.has_session
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self._ticket_arrived() and (data := await self._stream.receive()):
                    self._incoming.write(data)
        self._read_on = self._read_on or wait_s > 0
        return self.has_session

    def _ticket_arrived(self) -> bool:
        """As far as has been received."""
        with suppress(ssl.SSLWantReadError):
            self._tls.read(1)
        return self.watch.ticket is not None

    async def read(self, limit: int) -> bytes:
        """Up to `limit` bytes of application data; b"" at the end of the stream, close_notify or not."""
        while True:
            try:
                data = self._tls.read(limit)
                self._read_on = True
                return data
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
    def local_port(self) -> int:
        return self._stream.local_port

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
    def has_session(self) -> bool:
        """Whether a session that can be offered another time was received."""
        by_id = self.version != "TLSv1.3" and self.watch.session_id
        return by_id or self.watch.ticket is not None

    @property
    def session(self) -> ssl.SSLSession | None:
        """The session as it was when this was first asked for; in TLS 1.3 without a ticket until one was received.

        To ask OpenSSL for it costs as much as a small request, and leaks about 5 kB each time in CPython 3.10 to
        3.13.0, so that it is wanted only where it will be offered.
        """
        if self._session is None:
            self._session = self._tls.session
        return self._session

    @property
    def ticket(self) -> Ticket | None:
        """What the server gave to resume with, as far as it was received. None where that is not known: in TLS 1.3
        before anything was read after the handshake, or where Python does not tell."""
        early = self.version == "TLSv1.3" and not self._read_on
        if self.watch.ticket is None and (early or not self.watch.heard):
            return None
        return self.watch.ticket or Ticket(count=0)

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
        if self.watch.alert not in (None, "close_notify"):
            return Failure(Phase.TLS, Cause.ALERT, str(error)[:500], alert=self.watch.alert)
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
