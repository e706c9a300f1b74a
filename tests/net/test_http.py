"""One conversation over a connection that is there: what is sent, what is kept, and how it ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.net.http import Answer, Conversation, _title
from tests.net.tlsserver import Handler, connected, server_context, serving

HOST = "keys.example.test"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Asked = list[bytes]


def answering(answers: Sequence[bytes], asked: Asked) -> Handler:
    """Answer each request with the next of the answers, writing down what was asked; then close."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        if not answers[-1].startswith(b"HTTP/1.1 200 OK\r\nConnection: close"):
            await reader.read()

    return handle


async def talk(
    answers: Sequence[bytes], requests: Sequence[tuple[str, str | None]], host: str = HOST
) -> tuple[list[Answer], Asked, Conversation]:
    asked: Asked = []
    async with serving(answering(answers, asked), server_context()) as port, connected(port) as tls:
        conversation = Conversation(tls, host, port, "semscheck/test")
        async with asyncio.timeout(60):
            got = [await conversation.get(path, cookie) for path, cookie in requests]
    return got, asked, conversation


def header(request: bytes, name: str) -> bytes | None:
    found = re.search(rb"(?im)^" + name.encode() + rb": (.*)\r$", request)
    return found[1] if found else None


async def test_what_is_asked() -> None:
    got, asked, _ = await talk([PLAIN], [("/b/l.e?x=1", None)])
    assert asked[0].startswith(b"GET /b/l.e?x=1 HTTP/1.1\r\n")
    assert (header(asked[0], "Host") or b"").startswith(HOST.encode())
    assert header(asked[0], "User-Agent") == b"semscheck/test"
    assert header(asked[0], "Accept-Encoding") == b"identity"
    assert header(asked[0], "Cookie") is None
    assert (got[0].status, got[0].body_bytes, got[0].truncated, got[0].http_version) == (
        200,
        2,
        False,
        "HTTP/1.1",
    )


async def test_an_ipv6_address_is_bracketed() -> None:
    _, asked, _ = await talk([PLAIN], [("/", None)], host="2001:db8::1")
    assert (header(asked[0], "Host") or b"").startswith(b"[2001:db8::1]:")


async def test_no_cookie_is_sent_that_was_not_asked_for() -> None:
    """What one answer sets is not sent with the next request, nor does it replace what is to be shown."""
    sets = b"HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=one; Path=/\r\nContent-Length: 0\r\n\r\n"
    _, asked, _ = await talk([sets, sets, sets], [("/", None), ("/", None), ("/", "JSESSIONID=two")])
    assert [header(request, "Cookie") for request in asked] == [None, None, b"JSESSIONID=two"]


async def test_a_cookie_goes_back_as_it_came_byte_by_byte() -> None:
    odd = b'HTTP/1.1 200 OK\r\nSet-Cookie: a=\xe9\xff"x"\r\nContent-Length: 0\r\n\r\n'
    got, asked, _ = await talk([odd, PLAIN], [("/", None), ("/", 'a=\xe9\xff"x"')])
    assert ("Set-Cookie", 'a=\xe9\xff"x"') in got[0].headers
    assert header(asked[1], "Cookie") == b'a=\xe9\xff"x"'


@pytest.mark.parametrize("cookie", ["a=b\r\nX-Evil: 1", "a=\x00", "a=\n"])
async def test_a_cookie_cannot_start_a_header_of_its_own(cookie: str) -> None:
    asked: Asked = []
    async with serving(answering([PLAIN], asked), server_context()) as port, connected(port) as tls:
        with pytest.raises(ValueError):
            await Conversation(tls, HOST, port, "test").get("/", cookie)
    assert asked == []


@pytest.mark.parametrize("path", ["/\x00", "/\r\nHost: evil", "/" + "x" * 100_000])
async def test_a_path_that_cannot_be_asked_for(path: str) -> None:
    asked: Asked = []
    async with serving(answering([PLAIN], asked), server_context()) as port, connected(port) as tls:
        with pytest.raises(ValueError):
            await Conversation(tls, HOST, port, "test").get(path)
    assert asked == []


async def test_a_connection_that_goes_on_and_one_that_ends() -> None:
    _, _, goes_on = await talk([PLAIN], [("/", None)])
    assert goes_on.is_open
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    asked: Asked = []
    async with serving(answering([closing], asked), server_context()) as port, connected(port) as tls:
        conversation = Conversation(tls, HOST, port, "test")
        await conversation.get("/")
        assert not conversation.is_open
        with pytest.raises(EOFError):
            await conversation.get("/")
    assert len(asked) == 1


async def test_old_http_has_no_second_request() -> None:
    old = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
    asked: Asked = []
    async with serving(answering([old], asked), server_context()) as port, connected(port) as tls:
        conversation = Conversation(tls, HOST, port, "test")
        assert (await conversation.get("/")).http_version == "HTTP/1.0"
        assert not conversation.is_open


async def test_bodies_are_read_as_they_are_sent() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    zipped = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8bxyz"
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    got, _, _ = await talk([chunked, zipped, empty], [("/", None)] * 3)
    assert [answer.body_bytes for answer in got] == [5, 5, 0]


async def test_headers_are_bounded_in_number_and_length() -> None:
    many = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 5000 if n == 0 else b"z") for n in range(300))
    got, _, _ = await talk([b"HTTP/1.1 200 OK\r\n" + many + b"Content-Length: 0\r\n\r\n"], [("/", None)])
    assert len(got[0].headers) == 100
    assert len(got[0].headers[0][1]) == 4096


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (b"<title>Symantec</title>", "Symantec"),
        (b"<TITLE lang=en>\n  PGP Universal \r\n</TITLE>", "PGP Universal"),
        (b"<title>one</title><title>two</title>", "one"),
        (b"<titles>no</titles>", None),
        (b"<html>", None),
        (b"<title", None),
        (b"<title>" + b"x" * 5000, "x" * 2000),
        (b"<title></title>", ""),
        (b"<title>\xff\xfe</title>", "��"),
        (b"x" * 70_000 + b"<title>too far</title>", "too far"),
    ],
)
async def test_titles(page: bytes, title: str | None) -> None:
    within = _title(page[: 64 * 1024])
    assert within == (None if title == "too far" else title)


@given(st.lists(st.sampled_from([b"<title", b">", b"</title", b" ", b"<", b"x", b"\xff"]), max_size=60))
def test_no_page_breaks_the_title(parts: list[bytes]) -> None:
    found = _title(b"".join(parts))
    assert found is None or len(found) <= 2000


def test_a_page_of_nothing_but_openings_takes_no_time_to_speak_of() -> None:
    """Each opening is looked at within 200 bytes; the old pattern looked to the end of the page from each."""
    assert _title(b"<title " * 9000) is None
