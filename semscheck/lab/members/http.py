"""HTTP/1.1 as far as the lab's servers and its balancer need it: bounded heads and bodies, keep-alive, HEAD.

The syntax is RFC 9112's; what is not understood raises `BadMessageError` and the connection ends.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

HEAD_LIMIT = 16384
BODY_LIMIT = 262144
MAX_FIELDS = 100
_REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class BadMessageError(Exception):
    """What came is no HTTP message that the lab reads. `status` is what a server would answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Stream(Protocol):
    """A connection, encrypted or not."""

    async def read(self, size: int = ...) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def say_goodbye(self) -> None: ...


class PlainStream:
    """An unencrypted connection as a `Stream`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, size: int = 16384) -> bytes:
        """Return some bytes, b"" at the end."""
        return await self._reader.read(size)

    async def write(self, data: bytes) -> None:
        """Send, waiting while the other side does not take it."""
        self._writer.write(data)
        await self._writer.drain()

    async def say_goodbye(self) -> None:
        """Nothing to say without TLS."""


Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response: its first line in three parts, its header fields in order, its body."""

    start: tuple[str, str, str]
    fields: Fields
    body: bytes = b""

    def field(self, name: str) -> str | None:
        """Return the first field of this name, or None."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection stays open after this message (RFC 9112 section 9.3)."""
        options = (self.field("Connection") or "").lower()
        if "HTTP/1.0" in self.start:
            return "keep-alive" in options
        return "close" not in options

    def cookies(self) -> tuple[tuple[str, str], ...]:
        """Return the cookies that a request carries."""
        pairs = [
            part.strip().partition("=")
            for key, value in self.fields
            if key.lower() == "cookie"
            for part in value.split(";")
        ]
        return tuple((name, value) for name, equals, value in pairs if equals)


class MessageReader:
    """Reads messages one after another from a stream, keeping what came too early."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def request(self) -> Message | None:
        """Return the next request, or None where the client closed between two."""
        head = await self._head()
        if head is None:
            return None
        message = _parse(head)
        method, _, version = message.start
        if not method.isalpha() or version not in ("HTTP/1.0", "HTTP/1.1"):
            raise BadMessageError(400, "not a request line")
        if message.field("Transfer-Encoding") is not None:
            raise BadMessageError(411, "a body without a length")
        return await self._with_body(message, _length(message) or 0)

    async def response(self, *, to_head: bool) -> Message:
        """Return the response to the request that was sent."""
        head = await self._head()
        if head is None:
            raise BadMessageError(502, "closed in place of an answer")
        message = _parse(head)
        if not message.start[0].startswith("HTTP/1.") or not message.start[1].isdigit():
            raise BadMessageError(502, "not a status line")
        if to_head or message.start[1] in ("204", "304"):
            return message
        length = _length(message)
        if length is None:
            raise BadMessageError(502, "an answer without a length")
        return await self._with_body(message, length)

    async def _head(self) -> bytes | None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise BadMessageError(431, "the head is too long")
            data = await self._stream.read()
            if not data:
                if self._buffer.strip():
                    raise BadMessageError(400, "broken off in the head")
                return None
            self._buffer += data
            if not bytes(self._buffer[:1]).isalpha():
                raise BadMessageError(
                    400, "not HTTP"
                )  # as real servers notice a ClientHello at its first byte
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        return head

    async def _with_body(self, message: Message, length: int) -> Message:
        if length > BODY_LIMIT:
            raise BadMessageError(413, "the body is too long")
        while len(self._buffer) < length:
            data = await self._stream.read()
            if not data:
                raise BadMessageError(502, "broken off in the body")
            self._buffer += data
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return Message(message.start, message.fields, body)


def _parse(head: bytes) -> Message:
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if len(parts) == 2:
        parts.append("")
    if len(parts) != 3 or len(lines) > MAX_FIELDS:
        raise BadMessageError(400, "not a message head")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadMessageError(400, "not a header field")
        fields.append((name, value.strip()))
    return Message((parts[0], parts[1], parts[2]), tuple(fields))


def _length(message: Message) -> int | None:
    value = message.field("Content-Length")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 12):
        raise BadMessageError(400, "no length")
    return int(value)


def encode(message: Message) -> bytes:
    """Return the message as it goes over the wire."""
    lines = [" ".join(message.start).rstrip(), *(f"{name}: {value}" for name, value in message.fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + message.body


def response(status: int, fields: Fields, body: bytes, *, head_only: bool = False) -> bytes:
    """Return a response over the wire with the length of its body, which is left out for HEAD."""
    message = Message(
        ("HTTP/1.1", str(status), _REASONS.get(status, "Unknown")),
        (*fields, ("Content-Length", str(len(body)))),
        b"" if head_only else body,
    )
    return encode(message)


def error(status: int, now: float) -> bytes:
    """Return a plain error response that ends the connection, as a balancer or a server front makes it."""
    body = f"<html><body><h1>{status} {_REASONS.get(status, 'Error')}</h1></body></html>\n".encode()
    fields = (("Date", formatdate(now, usegmt=True)), ("Content-Type", "text/html"), ("Connection", "close"))
    return response(status, fields, body)
