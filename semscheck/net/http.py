"""HTTP exchanges over a connection that is already there. The only module that imports httpx.

httpx cannot say which step of connecting failed, and its pool would reuse a connection made for another server
name; so each exchange gets a transport of its own that holds exactly one connection, which we made.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from http.cookiejar import CookieJar
from typing import Any

from semscheck.net.lazy_imports import import_httpx
from semscheck.net.tls import Tls

import_httpx()  # before the imports below: leaves out what httpx brings for its own command line

import httpcore  # noqa: E402
import httpx  # noqa: E402

MAX_BODY_BYTES = 256 * 1024
MAX_HEADERS = 100
MAX_HEADER_BYTES = 4096
TITLE_WITHIN_BYTES = 64 * 1024
MAX_TITLE_BYTES = 2000
_TITLE = re.compile(rb"<title(?:\s[^<>]{0,200})?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request brought: see model.observations.Exchange for the fields."""

    status: int
    http_version: str
    headers: tuple[tuple[str, str], ...]
    title: str | None
    body_sha256: str
    body_bytes: int
    truncated: bool

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class _Wire(httpcore.AsyncNetworkStream):
    """Our connection as httpcore wants to see one. Time-outs are kept by the caller."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._tls.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            await self._tls.write(buffer)

    async def aclose(self) -> None:
        self._tls.close()

    def get_extra_info(self, info: str) -> Any:
        return None


class _Body(httpx.AsyncByteStream):
    def __init__(self, parts: Any) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._parts:
            yield part

    async def aclose(self) -> None:
        if hasattr(self._parts, "aclose"):
            await self._parts.aclose()


class _NoJar(CookieJar):
    """Keeps nothing and sends nothing; httpx would send the cookies of one answer with the next request."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        return

    def add_cookie_header(self, request: Any) -> None:
        return


class _OneConnection(httpx.AsyncBaseTransport):
    def __init__(self, tls: Tls, host: str, port: int) -> None:
        origin = httpcore.Origin(b"https", host.encode("ascii"), port)
        self._connection = httpcore.AsyncHTTP11Connection(origin=origin, stream=_Wire(tls))

    @property
    def is_open(self) -> bool:
        return self._connection.is_available()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._connection.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )


class Conversation:
    """Requests on one connection; keeps no cookies (`probes.cookies` does, so that each can be shown alone)."""

    def __init__(self, tls: Tls, host: str, port: int, user_agent: str) -> None:
        self.tls = tls
        self._base = f"https://{_bracketed(host)}:{port}"
        self._transport = _OneConnection(tls, host, port)
        self._client = httpx.AsyncClient(
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
            cookies=_NoJar(),
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        )

    async def get(self, path: str, cookie: str | None = None) -> Answer:
        """GET `path`. cookie: the Cookie header to send, its bytes as Latin-1, None for none.

        Raises OSError as it came, EOFError where the peer closed without an answer (or had closed before), and
        ValueError for what is no HTTP, or cannot be asked for.
        """
        headers = [(b"Cookie", cookie.encode("latin-1", "replace"))] if cookie else []
        try:
            request = self._client.build_request("GET", self._base + path, headers=headers)
            response = await self._client.send(request, stream=True)
            try:
                return await self._read(response)
            finally:
                await response.aclose()
        except httpcore.ConnectionNotAvailable as error:
            raise EOFError("closed after the answer before") from error
        except (httpx.RemoteProtocolError, httpcore.RemoteProtocolError) as error:
            if "without sending" in str(error) or "incomplete" in str(error):
                raise EOFError(str(error)) from error
            raise ValueError(str(error)) from error
        except (httpx.HTTPError, httpcore.ProtocolError, httpcore.NetworkError, httpx.InvalidURL) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    @property
    def is_open(self) -> bool:
        """Whether another request can be made: not where the server closes after each answer."""
        return self._transport.is_open

    async def _read(self, response: httpx.Response) -> Answer:
        body, truncated = bytearray(), False
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_BODY_BYTES:
                truncated = True
                del body[MAX_BODY_BYTES:]
                break
        return Answer(
            status=response.status_code,
            http_version=response.extensions.get("http_version", b"HTTP/1.1").decode("latin-1"),
            headers=_headers(response.headers.raw),
            title=_title(bytes(body[:TITLE_WITHIN_BYTES])),
            body_sha256=sha256(body).hexdigest(),
            body_bytes=len(body),
            truncated=truncated,
        )


def _title(page: bytes) -> str | None:
    """The text of the page's first title element, cut at 2000 bytes; None where there is none."""
    start = _TITLE.search(page)
    if start is None:
        return None
    text = page[start.end() : start.end() + MAX_TITLE_BYTES]
    end = text.lower().find(b"</title")
    return (text if end < 0 else text[:end]).decode("utf-8", "replace").strip()


def _headers(raw: list[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("latin-1")[:200], value.decode("latin-1")[:MAX_HEADER_BYTES])
        for name, value in raw[:MAX_HEADERS]
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
