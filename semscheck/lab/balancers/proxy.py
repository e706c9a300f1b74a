"""The balancer that ends TLS: it reads requests, chooses by connection or by request, and may insert a cookie."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from semscheck.lab import loop_time
from semscheck.lab.balancers.cookies import CookieJar
from semscheck.lab.balancers.outgoing import open_to_member
from semscheck.lab.balancers.pool import Pool
from semscheck.lab.members import http
from semscheck.lab.members.tls import TlsStream
from semscheck.lab.misbehaving import behaviours
from semscheck.lab.truth import Ledger, Outcome
from semscheck.lab.world import Behaviour, OnDead, Persistence, TlsEnd

HANDSHAKE_S = 15.0
_ERRORS = {Behaviour.UNAVAILABLE: 503, Behaviour.BAD_GATEWAY: 502}
_HOP_FIELDS = frozenset({"connection", "keep-alive", "proxy-connection", "upgrade"})


class UnansweredError(Exception):
    """A member did not answer a request; `status` is what a gateway says then (RFC 9110 section 15.6)."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(slots=True)
class Upstream:
    """One open connection to a member."""

    stream: http.Stream
    messages: http.MessageReader


@dataclass(frozen=True, slots=True)
class Proxy:
    """Serves one client connection after another."""

    pool: Pool
    ledger: Ledger
    source: str
    fqdn: str
    jar: CookieJar
    context: Callable[[], ssl.SSLContext]
    client_context: ssl.SSLContext

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, from its first byte to its last."""
        declared = self.pool.declared
        if await behaviours.spoils_tls(reader, writer, declared.behaviour, declared.alert):
            return
        stream: http.Stream = http.PlainStream(reader, writer)
        if declared.behaviour is not Behaviour.PLAIN_HTTP:
            tls = TlsStream(reader, writer, self.context())
            async with asyncio.timeout(HANDSHAKE_S):
                await tls.handshake()
            stream = tls
        async with contextlib.AsyncExitStack() as opened:
            await _Conversation(self, stream, writer, opened).run()


class _Conversation:
    """One client's connection with the connections to members that it leads to."""

    def __init__(
        self,
        proxy: Proxy,
        stream: http.Stream,
        writer: asyncio.StreamWriter,
        opened: contextlib.AsyncExitStack,
    ) -> None:
        self._proxy = proxy
        self._pool = proxy.pool
        self._stream = stream
        self._opened = opened
        self._upstreams: dict[str, Upstream] = {}
        self._member: str | None = None
        self._source: tuple[str, int] = writer.get_extra_info("peername")[:2]
        self._address: str = writer.get_extra_info("sockname")[0]

    async def run(self) -> None:
        async for request in http.requests(self._stream):
            if not await self._answer(request):
                break
        await self._stream.say_goodbye()

    async def _answer(self, request: http.Message) -> bool:
        """Answer one request; False where the connection ends after it."""
        if await behaviours.spoils_http(self._stream, self._pool.declared.behaviour):
            return False
        if (status := _ERRORS.get(self._pool.declared.behaviour)) is not None:
            return await self._fail(None, status)
        named = self._named(request)
        tried: set[str] = set()
        while True:
            name = self._choose(named, tried)
            if name is None:
                return await self._fail(None, 503)
            try:
                answer = await self._ask(name, request)
            except UnansweredError as problem:
                tried.add(name)
                self._member = None
                if self._pool.declared.on_dead is not OnDead.NEXT:
                    return await self._fail(name, problem.status)
                continue
            self._member = name
            self._proxy.ledger.note(name, self._address, self._source, via_balancer=True)
            await self._stream.write(self._decorate(answer, request, name, kept=name == named))
            return True

    def _named(self, request: http.Message) -> str | None:
        if self._pool.declared.persistence is not Persistence.COOKIE:
            return None
        return self._proxy.jar.member(request.cookies())

    def _choose(self, named: str | None, tried: set[str]) -> str | None:
        stays = (
            self._member is not None
            and self._member in self._pool.alive
            and not self._pool.declared.per_request
        )
        if stays and named in (None, self._member):
            return self._member
        key = self._source[0] if self._pool.declared.persistence is Persistence.SOURCE else None
        return self._pool.choose(key, named=named, without=tried)

    async def _ask(self, name: str, request: http.Message) -> http.Message:
        declared = self._pool.declared
        upstream = await self._upstream(name)
        self._pool.busy[name] += 1
        try:
            async with loop_time.timeout(declared.answer_timeout_s):
                await upstream.stream.write(http.encode(self._forwarded(request)))
                return await upstream.messages.response(to_head=request.start[0] == "HEAD")
        except TimeoutError as problem:
            self._upstreams.pop(name, None)
            raise UnansweredError(504) from problem
        except (OSError, http.BadMessageError) as problem:
            self._upstreams.pop(name, None)
            raise UnansweredError(502) from problem
        finally:
            self._pool.busy[name] -= 1

    async def _upstream(self, name: str) -> Upstream:
        if name in self._upstreams:
            return self._upstreams[name]
        end = self._pool.members[name]
        try:
            async with loop_time.timeout(self._pool.declared.connect_timeout_s):
                opening = open_to_member(end, self._proxy.source, self._proxy.ledger)
                reader, writer = await self._opened.enter_async_context(opening)
                stream: http.Stream = http.PlainStream(reader, writer)
                if self._pool.declared.tls_end is TlsEnd.RE_ENCRYPTED:
                    tls = TlsStream(
                        reader, writer, self._proxy.client_context, server_hostname=self._proxy.fqdn
                    )
                    await tls.handshake()
                    stream = tls
        except (OSError, TimeoutError) as problem:
            raise UnansweredError(503) from problem
        self._upstreams[name] = Upstream(stream, http.MessageReader(stream))
        return self._upstreams[name]

    def _forwarded(self, request: http.Message) -> http.Message:
        fields = [(name, text) for name, text in request.fields if name.lower() not in _HOP_FIELDS]
        if self._proxy.jar.prefixes and self._pool.declared.persistence is Persistence.COOKIE:
            fields = [
                (name, self._proxy.jar.without_prefix(text) if name.lower() == "cookie" else text)
                for name, text in fields
            ]
        fields.append(("X-Forwarded-For", self._source[0]))
        method, target, _ = request.start
        return http.Message((method, target, "HTTP/1.1"), tuple(fields), request.body)

    def _decorate(self, answer: http.Message, request: http.Message, name: str, *, kept: bool) -> bytes:
        """Return the member's answer as the client gets it."""
        declared, jar = self._pool.declared, self._proxy.jar
        fields = [(key, text) for key, text in answer.fields if key.lower() not in _HOP_FIELDS]
        if declared.persistence is Persistence.COOKIE and jar.prefixes:
            fields = [
                (key, jar.with_prefix(name, text) if key.lower() == "set-cookie" else text)
                for key, text in fields
            ]
        elif declared.persistence is Persistence.COOKIE and (not kept or jar.repeats):
            fields += [("Set-Cookie", text) for text in jar.set_cookies(name)]
        fields.append(("Connection", "Keep-Alive" if request.keeps_alive else "close"))
        return http.encode(http.Message(answer.start, tuple(fields), answer.body))

    async def _fail(self, name: str | None, status: int) -> bool:
        self._proxy.ledger.note(name, self._address, self._source, via_balancer=True, outcome=Outcome.FAILED)
        await self._stream.write(http.error(status, time.time()))
        return False
