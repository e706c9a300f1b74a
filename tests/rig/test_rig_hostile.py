"""The lying servers of the rig, seen by plain sockets, ssl and dig."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.rig.certs import Issued
from tests.rig.clients import connected, context, dig, handshake
from tests.rig.hostile import NASTY_PAGE, PLAIN_HTTP, SSH_BANNER, DNSLie, Hostile, Lie, StreamLie
from tests.rig.rig import Rig

pytestmark = pytest.mark.real

REQUEST = b"GET / HTTP/1.1\r\nHost: keys.example.test\r\n\r\n"


def told(rig: Rig, *lies: StreamLie | DNSLie, **settings: object) -> list[tuple[str, int]]:
    """Start one liar per lie, each on an address of its own, and give the addresses."""
    numbers = itertools.count(66)
    places = [(rig.address(f"192.0.2.{next(numbers)}"), rig.port(443)) for _ in lies]
    rig.start(
        Hostile(
            tuple(
                Lie(address, port, how, **settings)  # type: ignore[arg-type]
                for how, (address, port) in zip(lies, places, strict=True)
            )
        )
    )
    return places


def spoken(address: str, port: int, say: bytes | None, expected: bytes | str) -> bytes | str:
    """Say something and give what comes back, "stalled" when nothing does, or "reset".

    Waits as long as it takes where something is expected, and a moment where nothing is.
    """
    heard = b""
    limit = len(expected) or 1
    try:
        with connected(address, port) as plain:
            plain.settimeout(0.3 if expected == "stalled" else 10.0)
            if say is not None:
                plain.sendall(say)
            while len(heard) < limit and (piece := plain.recv(65_536)):
                heard += piece
    except TimeoutError:
        return heard or "stalled"
    except (ConnectionResetError, BrokenPipeError):
        return heard or "reset"
    return heard


@pytest.mark.parametrize(
    ("how", "silent", "asked"),
    [
        ("stall", "stalled", "stalled"),
        ("reset", "reset", "reset"),
        ("close", b"", b""),
        ("reset-after-hello", "stalled", "reset"),
        ("close-after-hello", "stalled", b""),
        ("answer", "stalled", PLAIN_HTTP),
        ("answer-and-stall", "stalled", PLAIN_HTTP),
        ("alert", "stalled", b"\x15\x03\x03\x00\x02\x02\x28"),
    ],
)
def test_what_a_liar_says(rig: Rig, how: StreamLie, silent: bytes | str, asked: bytes | str) -> None:
    ((address, port),) = told(rig, how)
    assert rig.client.call(spoken, address, port, None, silent) == silent
    heard = rig.client.call(spoken, address, port, b"hello", asked)
    # Closing with something unread sends RST.
    assert heard == asked or (how == "close" and heard == "reset")


def test_a_banner_comes_first(rig: Rig) -> None:
    ((address, port),) = told(rig, "banner", payload=SSH_BANNER)
    assert rig.client.call(spoken, address, port, None, SSH_BANNER) == SSH_BANNER


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("reset-after-hello", ConnectionResetError),
        ("close-after-hello", ssl.SSLEOFError),
        ("answer", ssl.SSLError),
        ("garbage", ssl.SSLError),
        ("alert", ssl.SSLError),
    ],
)
def test_a_tls_client_fails(rig: Rig, how: StreamLie, error: type[OSError]) -> None:
    ((address, port),) = told(rig, how)
    with pytest.raises(error) as caught:
        handshake(rig, address, port)
    if how == "alert":
        assert "HANDSHAKE_FAILURE" in str(caught.value).upper()
    if how == "answer":
        assert "WRONG_VERSION_NUMBER" in str(caught.value).upper()


def over_tls(address: str, port: int, limit: int) -> bytes:
    heard = b""
    with connected(address, port) as plain, context().wrap_socket(plain) as secure:
        secure.sendall(REQUEST)
        with contextlib.suppress(TimeoutError, ssl.SSLEOFError):
            while len(heard) < limit and (piece := secure.recv(65_536)):
                heard += piece
    return heard


@pytest.mark.parametrize(
    ("how", "check"),
    [
        ("endless-header", lambda heard: len(heard) >= 300_000 and b"\r\n\r\n" not in heard),
        ("huge-body", lambda heard: len(heard) >= 300_000 and b"\r\n\r\n" in heard),
        ("endless-chunks", lambda heard: len(heard) >= 300_000 and b"chunked" in heard),
        ("slow-drip", lambda heard: heard == b"HTTP/"),
        ("answer", lambda heard: heard == NASTY_PAGE),
    ],
)
def test_lies_after_an_honest_handshake(rig: Rig, how: StreamLie, check: Callable[[bytes], bool]) -> None:
    certificate: Issued = rig.authority.issue("keys.example.test")
    ((address, port),) = told(rig, how, certificate=certificate, payload=NASTY_PAGE)
    limit = 5 if how == "slow-drip" else 300_000
    assert check(rig.client.call(over_tls, address, port, limit))


@pytest.mark.parametrize(
    ("how", "rcode", "records"),
    [
        ("dns-silent", "TIMEOUT", 0),
        ("dns-wrong-id", "TIMEOUT", 0),
        ("dns-refused", "REFUSED", 0),
        ("dns-servfail", "SERVFAIL", 0),
        ("dns-formerr", "FORMERR", 0),
        ("dns-cname-loop", "NOERROR", 2),
        ("dns-cname-endless", "NOERROR", 201),
        ("dns-control", "NOERROR", 2),
        ("dns-many", "NOERROR", 3000),
    ],
)
def test_a_name_server_lies(rig: Rig, how: DNSLie, rcode: str, records: int) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Hostile((Lie(*server, how),)))
    answer = dig(rig, server, "keys.example.test", "A", "+noedns", "+time=1")
    assert (answer.rcode, len(answer.records)) == (rcode, records)


@pytest.mark.parametrize(
    "how", ["dns-garbage", "dns-short", "dns-counts", "dns-pointer-loop", "dns-truncated"]
)
def test_a_name_server_talks_nonsense(rig: Rig, how: DNSLie) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Hostile((Lie(*server, how),)))
    raw = rig.client.call(_ask, *server)
    assert raw[:2] == b"\x12\x34" or how == "dns-garbage"
    assert dig(rig, server, "keys.example.test", "A", "+noedns", "+time=1").data() == ()


def _ask(address: str, port: int) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.settimeout(5.0)
        query = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + b"\4keys\7example\4test\0\0\1\0\1"
        plain.sendto(query, (address, port))
        return plain.recv(65_536)
