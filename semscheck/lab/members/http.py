"""HTTP/1.1 as far as the lab's servers and its balancer need it: bounded heads and bodies, keep-alive, HEAD.

h11 reads them (RFC 9112); what is not understood raises `BadMessageError` and the connection ends. They are written
here, since a server of the lab breaks its answers off as it is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

import h11

HEAD_LIMIT = 16384
BODY_LIMIT = 262144
IDLE_S = 30.0
MAX_REQUESTS = 1000  # on one connection


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
        self._early = b""

    async def request(self) -> Message | None:
        """Return the next request, or None where the client closed between two."""
        return await self._message(h11.Connection(h11.SERVER, HEAD_LIMIT))

    async def response(self, *, to_head: bool) -> Message:
        """Return the response to the request that was sent."""
        connection = h11.Connection(h11.CLIENT, HEAD_LIMIT)
        method = "HEAD" if to_head else "GET"
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "member")]))
        connection.send(h11.EndOfMessage())
        message = await self._message(connection)
        if message is None:
            raise BadMessageError(502, "closed in place of an answer")
        return message

    async def _message(self, connection: h11.Connection) -> Message | None:
        head, body = None, b""
        if self._early:
            connection.receive_data(self._early)
        while not isinstance(event := await self._event(connection), h11.EndOfMessage):
            match event:
                case h11.Request() | h11.Response():
                    head = _head(event)
                    if event.http_version not in (b"1.0", b"1.1"):
                        raise BadMessageError(400, "another version of HTTP")
                    if head.field("Transfer-Encoding") is not None:
                        raise BadMessageError(411, "a body without a length")
                    if int(head.field("Content-Length") or 0) > BODY_LIMIT:
                        raise BadMessageError(413, "the body is too long")
                case h11.Data(data=data):
                    body += bytes(data)
                case h11.ConnectionClosed():
                    return None
            if len(body) > BODY_LIMIT:
                raise BadMessageError(413, "the body is too long")
        self._early = connection.trailing_data[0]
        assert head is not None
        return Message(head.start, head.fields, body)

    async def _event(self, connection: h11.Connection) -> object:
        try:
            while (event := connection.next_event()) is h11.NEED_DATA:
                connection.receive_data(await self._stream.read())
        except h11.RemoteProtocolError as problem:
            raise BadMessageError(problem.error_status_hint, str(problem)) from problem
        return event


def _head(event: h11.Request | h11.Response) -> Message:
    version = f"HTTP/{event.http_version.decode()}"
    if isinstance(event, h11.Request):
        start = (event.method.decode(), event.target.decode("latin-1"), version)
    else:
        start = (version, str(event.status_code), event.reason.decode("latin-1"))
    fields = ((name.decode(), value.decode("latin-1")) for name, value in event.headers.raw_items())
    return Message(start, tuple(fields))


async def requests(stream: Stream) -> AsyncIterator[Message]:
    """The requests of one connection, until it ends or was idle for too long; what is none is answered as such."""
    messages = MessageReader(stream)
    for _ in range(MAX_REQUESTS):
        try:
            async with asyncio.timeout(IDLE_S):
                request = await messages.request()
        except BadMessageError as problem:
            await stream.write(error(problem.status, time.time()))
            return
        except TimeoutError:
            return
        if request is None:
            return
        yield request
        if not request.keeps_alive:
            return


def encode(message: Message) -> bytes:
    """Return the message as it goes over the wire."""
    lines = [" ".join(message.start).rstrip(), *(f"{name}: {value}" for name, value in message.fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + message.body


def response(status: int, fields: Fields, body: bytes, *, head_only: bool = False) -> bytes:
    """Return a response over the wire with the length of its body, which is left out for HEAD."""
    message = Message(
        ("HTTP/1.1", str(status), HTTPStatus(status).phrase),
        (*fields, ("Content-Length", str(len(body)))),
        b"" if head_only else body,
    )
    return encode(message)


def error(status: int, now: float) -> bytes:
    """Return a plain error response that ends the connection, as a balancer or a server front makes it."""
    body = f"<html><body><h1>{status} {HTTPStatus(status).phrase}</h1></body></html>\n".encode()
    fields = (("Date", formatdate(now, usegmt=True)), ("Content-Type", "text/html"), ("Connection", "close"))
    return response(status, fields, body)
