"""What a client sees of each way to fail."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from semscheck.lab.cluster import Lab, LabThread
from semscheck.lab.scenarios import members
from semscheck.lab.world import (
    Balancer,
    Behaviour,
    Certificate,
    HealthCheck,
    Interface,
    Root,
    Tls,
    TlsEnd,
    Version,
    Web,
    World,
)
from tests.lab.clients import TIMEOUT_S, context, visit


@contextmanager
def playing(behaviour: Behaviour, **fields: object) -> Iterator[tuple[Lab, str]]:
    """Run a world whose first member behaves so, and give its client address."""
    bad = replace(members(2)[0], client=Interface(behaviour, **fields))  # type: ignore[arg-type]
    world = World("w", "s", "keys.example.test", members(2), Balancer(health_check=HealthCheck.NONE))
    with LabThread(world.with_member(bad)) as thread:
        yield thread.lab, thread.lab.members[0].client
        assert visit(thread.lab, thread.lab.members[1].client).status == 200


def plain(lab: Lab, address: str, timeout: float = TIMEOUT_S) -> socket.socket:
    return socket.create_connection((address, lab.port), timeout)


def test_refused() -> None:
    with playing(Behaviour.REFUSED) as (lab, address), pytest.raises(ConnectionRefusedError):
        plain(lab, address)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses where the queue is full")
def test_blackhole_answers_no_connection_request() -> None:
    with playing(Behaviour.BLACKHOLE) as (lab, address), pytest.raises(TimeoutError):
        plain(lab, address, 0.4)


@pytest.mark.parametrize("behaviour", [Behaviour.FROZEN, Behaviour.STALLED])
def test_accepted_and_never_answered(behaviour: Behaviour) -> None:
    with playing(behaviour) as (lab, address), plain(lab, address, 0.4) as sock, pytest.raises(TimeoutError):
        context().wrap_socket(sock)


def test_reset_before_any_byte() -> None:
    with (
        playing(Behaviour.RESET) as (lab, address),
        pytest.raises(ConnectionResetError),
        plain(lab, address) as sock,
    ):
        sock.recv(1)


def test_reset_after_the_hello() -> None:
    with (
        playing(Behaviour.RESET_AFTER_HELLO) as (lab, address),
        plain(lab, address) as sock,
        pytest.raises(ConnectionResetError),
    ):
        context().wrap_socket(sock)


def test_orderly_close_after_the_hello() -> None:
    with (
        playing(Behaviour.CLOSE_AFTER_HELLO) as (lab, address),
        plain(lab, address) as sock,
        pytest.raises((ssl.SSLEOFError, ssl.SSLZeroReturnError)),  # which one depends on the Python
    ):
        context().wrap_socket(sock)


@pytest.mark.parametrize(("alert", "text"), [(40, "HANDSHAKE_FAILURE"), (112, "UNRECOGNIZED_NAME")])
def test_an_alert_says_which(alert: int, text: str) -> None:
    with (
        playing(Behaviour.ALERT, alert=alert) as (lab, address),
        plain(lab, address) as sock,
        pytest.raises(ssl.SSLError, match=text),
    ):
        context().wrap_socket(sock)


def test_plain_http_answers_a_hello_with_400() -> None:
    with playing(Behaviour.PLAIN_HTTP) as (lab, address):
        with plain(lab, address) as sock, pytest.raises(ssl.SSLError, match=r"WRONG_VERSION_NUMBER|HTTP"):
            context().wrap_socket(sock)
        with plain(lab, address) as sock:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 60)
            assert sock.recv(1000).startswith(b"HTTP/1.1 400 ")
        with plain(lab, address) as sock:
            sock.sendall(b"GET /b/l.e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_banner_is_not_tls() -> None:
    with playing(Behaviour.BANNER) as (lab, address):
        with plain(lab, address) as sock:
            assert sock.recv(100).startswith(b"220 ")
        with plain(lab, address) as sock, pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
            context().wrap_socket(sock)


def test_http_that_never_comes() -> None:
    with (
        playing(Behaviour.HTTP_SILENT) as (lab, address),
        plain(lab, address, 1.0) as sock,
        context().wrap_socket(sock) as tls,
    ):
        tls.settimeout(0.4)
        tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            tls.recv(1)


def test_http_that_is_none_or_breaks_off() -> None:
    import http.client

    with playing(Behaviour.HTTP_GARBAGE) as (lab, address), pytest.raises(http.client.BadStatusLine):
        visit(lab, address)
    with (
        playing(Behaviour.HTTP_BROKEN) as (lab, address),
        pytest.raises((http.client.IncompleteRead, ssl.SSLError)),
    ):
        visit(lab, address)


@pytest.mark.parametrize(
    ("behaviour", "status", "words"),
    [
        (Behaviour.ERROR_PAGE, 200, b"internal error"),
        (Behaviour.UNAVAILABLE, 503, b"503"),
        (Behaviour.BAD_GATEWAY, 502, b"502"),
        (Behaviour.OTHER_PRODUCT, 200, b"Welcome to nginx!"),
        (Behaviour.SERVING, 200, b"Symantec Encryption Server: Web Email Protection - Login"),
    ],
)
def test_pages(behaviour: Behaviour, status: int, words: bytes) -> None:
    with playing(behaviour) as (lab, address):
        answer = visit(lab, address)
        assert answer.status == status
        assert words in answer.body


def test_paths_and_methods() -> None:
    with playing(Behaviour.SERVING) as (lab, address):
        start = visit(lab, address, path="/")
        assert (start.status, dict(start.headers)["Location"]) == (302, f"https://{lab.fqdn}/b/l.e")
        assert visit(lab, address, path="/nowhere").status == 404
        assert visit(lab, address, path="/pgpuniversaldesktop").status == 405
        head = visit(lab, address, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert int(dict(head.headers)["Content-Length"]) == len(visit(lab, address).body)


def test_old_protocols_only() -> None:
    with playing(Behaviour.SERVING, tls=Tls(oldest=Version.TLS1_0, newest=Version.TLS1_1)) as (lab, address):
        assert visit(lab, address).version == "TLSv1.1"
        with pytest.raises(ssl.SSLError):
            visit(lab, address, context(ssl.TLSVersion.TLSv1_2))


def test_newest_protocol_and_key_exchange() -> None:
    with playing(Behaviour.SERVING, tls=Tls(newest=Version.TLS1_2, alpn=("http/1.1",))) as (lab, address):
        assert visit(lab, address).version == "TLSv1.2"
        tls = context()
        tls.set_alpn_protocols(["h2", "http/1.1"])
        with plain(lab, address) as sock, tls.wrap_socket(sock) as secure:
            assert secure.selected_alpn_protocol() == "http/1.1"


def test_another_certificate_without_a_name() -> None:
    default = Certificate("default.example.test")
    with playing(Behaviour.SERVING, tls=Tls(without_sni=default)) as (lab, address):
        named = visit(lab, address).certificate
        with plain(lab, address) as sock, context().wrap_socket(sock) as secure:
            assert secure.getpeercert(binary_form=True) != named


def test_a_client_certificate_is_asked_for_and_not_required() -> None:
    with playing(Behaviour.SERVING, tls=Tls(asks_client_certificate=True)) as (lab, address):
        assert visit(lab, address).status == 200
        said = subprocess.run(
            ["openssl", "s_client", "-connect", f"{address}:{lab.port}", "-tls1_2"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        ).stdout
        assert "Client Certificate Types:" in said


def test_tls_ends_with_close_notify() -> None:
    with playing(Behaviour.SERVING) as (lab, address), plain(lab, address) as sock:
        secure = context().wrap_socket(sock, suppress_ragged_eofs=False)
        secure.sendall(b"GET /b/l.e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while secure.recv(65536):  # would raise SSLEOFError without close_notify
            pass
        secure.close()


def test_several_requests_on_one_connection() -> None:
    with playing(Behaviour.SERVING) as (lab, address), plain(lab, address) as sock:
        secure = context().wrap_socket(sock)
        secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET / HTTP/1.0\r\n\r\n")
        data = b""
        while part := secure.recv(65536):
            data += part
        assert data.count(b"HTTP/1.1 302 Found\r\n") == 4
        secure.close()


@pytest.mark.parametrize(
    ("behaviour", "status"), [(Behaviour.UNAVAILABLE, 503), (Behaviour.BAD_GATEWAY, 502)]
)
def test_a_balancer_that_has_nobody(behaviour: Behaviour, status: int) -> None:
    balancer = Balancer(tls_end=TlsEnd.RE_ENCRYPTED, behaviour=behaviour)
    with LabThread(World("w", "s", "keys.example.test", members(2), balancer)) as thread:
        assert visit(thread.lab, thread.lab.balancer_address).status == status
        assert thread.lab.served() == ()


@pytest.mark.parametrize("behaviour", [Behaviour.REFUSED, Behaviour.FROZEN, Behaviour.RESET, Behaviour.ALERT])
def test_a_balancer_fails_as_a_member_does(behaviour: Behaviour) -> None:
    with LabThread(World("w", "s", "keys.example.test", members(2), Balancer(behaviour=behaviour))) as thread:
        lab = thread.lab
        with pytest.raises(OSError), plain(lab, str(lab.balancer_address), 0.4) as sock:
            context().wrap_socket(sock)
        assert visit(lab, lab.members[0].client).status == 200


def test_headers_are_as_declared() -> None:
    plainly, odd = members(2)
    odd = replace(
        odd,
        web=Web(
            root=Root.OLD_NOT_FOUND,
            date=False,
            server_header="Apache",
            other_header_order=True,
            etag='"x"',
            own_name_in_location=True,
        ),
    )
    with LabThread(World("w", "s", "keys.example.test", (plainly, odd))) as thread:
        usual, other = (
            visit(thread.lab, member.client, path="/b/style.css") for member in thread.lab.members
        )
        assert [name for name, _ in usual.headers][:2] == ["Date", "X-Frame-Options"]
        assert "Date" not in dict(other.headers)
        assert [name for name, _ in other.headers][-2:] == ["Server", "Content-Length"]
        assert dict(other.headers)["ETag"] == '"x"' != dict(usual.headers)["ETag"]
        old = visit(thread.lab, thread.lab.members[1].client, path="/")
        assert (old.status, b"PGP Universal - Page Not Found" in old.body) == (200, True)


def test_clock_skew_is_in_the_date() -> None:
    from email.utils import parsedate_to_datetime

    changed = replace(members(2)[1], web=Web(date_skew_s=600.0, own_name_in_location=True))
    with LabThread(World("w", "s", "keys.example.test", (members(2)[0], changed))) as thread:
        answers = [dict(visit(thread.lab, m.client, path="/").headers) for m in thread.lab.members]
        first, second = (parsedate_to_datetime(answer["Date"]) for answer in answers)
        assert 590 < (second - first).total_seconds() < 620
        assert answers[1]["Location"] == "https://sems2.example.test/b/l.e"


def test_one_key_exchange_group() -> None:
    with playing(Behaviour.SERVING, tls=Tls(groups="secp384r1")) as (lab, address):
        said = subprocess.run(
            ["openssl", "s_client", "-connect", f"{address}:{lab.port}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        ).stdout
        assert "Server Temp Key: ECDH, secp384r1, 384 bits" in said
