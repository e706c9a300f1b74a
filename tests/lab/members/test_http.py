"""The lab's HTTP: what real clients send is read, what nobody should send is refused, nothing grows."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.lab.members import http


class Pieces:
    """A stream that gives its bytes in pieces and keeps what is written."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.read_bytes = 0

    async def read(self, size: int = 16384) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        self.read_bytes += len(piece)
        return piece

    async def write(self, data: bytes) -> None:
        raise AssertionError("a reader does not write")

    async def say_goodbye(self) -> None:
        raise AssertionError("a reader does not end anything")


def requests(*pieces: bytes) -> list[http.Message]:
    """Read every request there is."""

    async def read() -> list[http.Message]:
        messages, found = http.MessageReader(Pieces(*pieces)), []
        while (message := await messages.request()) is not None:
            found.append(message)
        return found

    return asyncio.run(read())


def test_requests_in_pieces_with_bodies_and_one_after_another() -> None:
    whole = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n"
    for cut in range(1, len(whole)):
        first, second = requests(whole[:cut], whole[cut:])
        assert (first.start, first.body) == (("POST", "/b", "HTTP/1.1"), b"hello")
        assert (second.start, second.keeps_alive) == (("GET", "/", "HTTP/1.0"), False)


def test_cookies_are_read_from_every_field() -> None:
    (request,) = requests(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: a=1; b = 2\r\ncookie: c=x=y; d\r\n\r\n")
    assert request.cookies() == (("a", "1"), ("b ", " 2"), ("c", "x=y"))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n : x\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 400),
        (b"GET /" + b"a" * 20000, 431),
        (b"GET / HTTP/1.1\r\n", 400),
    ],
)
def test_what_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(http.BadMessageError) as refused:
        requests(data)
    assert refused.value.status == status


def test_a_head_without_end_is_not_kept() -> None:
    stream = Pieces(*[b"GET / HTTP/1.1 " + b"a" * 8000] * 1000)
    with pytest.raises(http.BadMessageError):
        asyncio.run(http.MessageReader(stream).request())
    assert stream.read_bytes < 3 * http.HEAD_LIMIT


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_anything_is_read_or_refused(pieces: list[bytes]) -> None:
    with contextlib.suppress(http.BadMessageError):
        assert all(len(message.start) == 3 for message in requests(*pieces))


@given(st.binary(max_size=200), st.booleans())
def test_any_answer_is_read_or_refused(data: bytes, to_head: bool) -> None:
    async def read() -> None:
        await http.MessageReader(Pieces(b"HTTP/1.1 200 OK\r\n", data)).response(to_head=to_head)

    with contextlib.suppress(http.BadMessageError):
        asyncio.run(read())


@given(st.binary(max_size=300))
def test_a_response_is_read_as_it_was_written(body: bytes) -> None:
    wire = http.response(200, (("X-Field", "one two"),), body)
    message = asyncio.run(http.MessageReader(Pieces(wire)).response(to_head=False))
    assert (message.start, message.body) == (("HTTP/1.1", "200", "OK"), body)
    assert message.field("x-field") == "one two"
