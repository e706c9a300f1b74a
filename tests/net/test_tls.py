"""TLS on memory buffers: what is negotiated, presented, issued, and what ends a handshake."""

from __future__ import annotations

import asyncio
import ssl
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.failure import Cause, Phase
from semscheck.model.observations import Handshake, Ticket
from semscheck.net.backend import SocketDialler
from semscheck.net.tls import MAX_HANDSHAKE_BYTES, Tls, Watch, _group_in_hello, _is_tls
from semscheck.net.tls_contexts import permissive, seeing, trusting
from semscheck.probes.endpoint import connect, handshake
from tests.net.tlsserver import (
    FQDN,
    authority,
    certificate,
    connected,
    destination,
    probe,
    quiet,
    server_context,
    serving,
)
from tests.rig.certs import Issued
from tests.scripted import ScriptedStream

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


async def test_a_modern_handshake() -> None:
    watch = Watch()
    async with (
        serving(quiet, server_context(alpn=("http/1.1",))) as port,
        connected(port, watch=watch) as tls,
    ):
        assert tls.version == "TLSv1.3"
        assert tls.cipher is not None
        assert tls.cipher.startswith("TLS_")
        assert tls.alpn == "http/1.1"
        assert tls.leaf == certificate().der
        assert tls.chain[0] == certificate().der
        assert not tls.resumed
        assert not watch.certificate_requested
        assert watch.alert is None
        assert (watch.key_exchange or "").lower() in ("x25519", "x25519mlkem768")


async def test_what_was_negotiated_is_known_after_the_end() -> None:
    for newest, name in ((V12, "TLSv1.2"), (V13, "TLSv1.3")):
        async with serving(quiet, server_context(newest=newest)) as port, connected(port) as tls:
            tls.close()
            assert tls.version == name


@pytest.mark.parametrize(
    ("ciphers", "key_exchange"),
    [("ECDHE-ECDSA-AES128-GCM-SHA256", "x25519"), (None, "x25519")],
)
async def test_the_key_exchange_of_tls_1_2(ciphers: str | None, key_exchange: str) -> None:
    watch = Watch()
    context = server_context(newest=V12, ciphers=ciphers)
    async with serving(quiet, context) as port, connected(port, watch=watch) as tls:
        assert tls.version == "TLSv1.2"
        assert watch.key_exchange == key_exchange


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (bytes([12, 0, 0, 9, 3, 0, 29, 32]), "x25519"),
        (bytes([12, 0, 0, 9, 3, 0, 23, 65]), "secp256r1"),
        (bytes([12, 0, 0, 9, 3, 1, 200, 65]), "group 456"),
        (bytes([12, 0, 1, 9, 0, 128, 255, 255]), "DHE"),  # a prime of 128 bytes, not a named curve
        (bytes([12, 0, 0, 1, 3]), None),
    ],
)
def test_the_server_key_exchange_of_tls_1_2_is_named(data: bytes, named: str | None) -> None:
    watch = Watch()
    watch.message("read", 0x0303, 22, 12, data)
    assert watch.key_exchange == named


async def test_a_request_for_a_client_certificate_is_seen() -> None:
    for newest in (V12, V13):
        watch = Watch()
        context = server_context(newest=newest, ask_for_certificate=True)
        async with serving(quiet, context) as port, connected(port, watch=watch):
            assert watch.certificate_requested


async def test_legacy_protocols_are_seen_by_the_permissive_context_only() -> None:
    old = server_context(
        authority().issue(FQDN, key="rsa2048"),
        oldest=ssl.TLSVersion.TLSv1,
        newest=ssl.TLSVersion.TLSv1_1,
        ciphers="ALL:@SECLEVEL=0",
    )
    able = probe()
    async with serving(quiet, old) as port:
        _, stream = await connect(able, destination(port))
        assert stream is not None
        refused, none = await handshake(able, destination(port), stream, "unverified")
        assert none is None
        assert refused.failure is not None
        assert refused.failure.cause in (Cause.LOCAL_POLICY, Cause.ALERT, Cause.CLOSED)
        _, stream = await connect(able, destination(port))
        assert stream is not None
        seen, tls = await handshake(able, destination(port), stream, "legacy")
        assert tls is not None
        tls.close()
    assert seen.version == "TLSv1.1"
    assert seen.trust is None, "the permissive context never judges trust"


# --- trust and what was presented --------------------------------------------------------------------------


async def looked(issued: Issued, *, trusted: bool, policy: str = "default") -> Handshake:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        able = probe(ca_file=str(authority().write(Path(folder))) if trusted else None)
        async with serving(quiet, server_context(issued)) as port:
            _, stream = await connect(able, destination(port))
            assert stream is not None
            seen, tls = await handshake(able, destination(port), stream, policy)
            if tls is not None:
                tls.close()
    return seen


async def test_a_trusted_chain() -> None:
    seen = await looked(certificate(), trusted=True)
    assert seen.failure is None
    assert seen.trust is not None
    assert (seen.trust.trusted, seen.trust.store) == (True, "system+ca-file")
    assert seen.chain[0] == certificate().sha256
    assert len(seen.trust.chain) == 2  # up to the root, which was not sent


async def test_a_chain_that_is_not_trusted_is_kept_all_the_same() -> None:
    seen = await looked(certificate(), trusted=False)
    assert seen.failure is not None
    assert seen.failure.cause is Cause.UNTRUSTED
    assert seen.trust is not None
    assert (seen.trust.trusted, seen.trust.code) == (False, 20)  # unable to get local issuer certificate
    assert seen.chain == (certificate().sha256,)
    assert seen.client_certificate_requested is None


async def test_a_key_that_our_own_library_refuses_says_nothing_of_trust() -> None:
    weak = authority().issue(FQDN, key="rsa1024")
    context = server_context(weak, ciphers="ALL:@SECLEVEL=0")
    able = probe()
    async with serving(quiet, context) as port:
        _, stream = await connect(able, destination(port))
        assert stream is not None
        seen, _ = await handshake(able, destination(port), stream, "default")
    assert seen.failure is not None
    assert seen.failure.cause is Cause.LOCAL_POLICY
    assert seen.trust is None or seen.trust.trusted is None
    assert seen.chain[0] == weak.sha256


async def test_names_are_not_left_to_the_library() -> None:
    """A certificate for another name is trusted or not as any other: rules judge names."""
    other = authority().issue("other.example.test")
    seen = await looked(other, trusted=True)
    assert seen.failure is None


# --- sessions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newest", [V12, V13])
async def test_a_session_can_be_taken_and_offered(newest: ssl.TLSVersion) -> None:
    context = seeing()
    async with serving(quiet, server_context(newest=newest)) as port:
        async with connected(port, context) as first:
            assert await first.receive_ticket(5.0)
            session = first.session
        stream = await SocketDialler().connect("127.0.0.1", port)
        again = Tls(stream, context, FQDN, session=session)
        await again.handshake()
        assert again.resumed
        again.close()


async def test_a_server_without_tickets_is_not_waited_for_long() -> None:
    async with serving(quiet, server_context(tickets=0)) as port, connected(port) as tls:
        async with asyncio.timeout(60):
            assert not await tls.receive_ticket(0.05)


async def test_a_server_that_floods_before_its_ticket_ends_nothing() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"x" * 16_000)
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(flood, server_context(tickets=0)) as port, connected(port) as tls:
        async with asyncio.timeout(60):
            assert not await tls.receive_ticket(0.2)


async def ticket_of(port: int, context: ssl.SSLContext | None = None) -> Ticket:
    """What one fresh connection is given."""
    async with connected(port, context) as tls:
        await tls.receive_ticket(5.0)
        assert tls.ticket is not None
        return tls.ticket


@pytest.mark.parametrize("newest", [V12, V13])
async def test_tickets_of_one_key_begin_alike_and_differ_as_a_whole(newest: ssl.TLSVersion) -> None:
    async with (
        serving(quiet, server_context(newest=newest)) as here,
        serving(quiet, server_context(newest=newest)) as there,
    ):
        one, two, other = await ticket_of(here), await ticket_of(here), await ticket_of(there)
    assert one.prefixes == two.prefixes
    assert len(one.prefixes) == 4
    assert one.whole != two.whole
    assert not set(one.prefixes) & set(other.prefixes)
    assert one.lifetime_s == 7200


async def test_the_key_name_is_the_same_in_both_versions() -> None:
    async with serving(quiet, server_context()) as port:
        new, old = await ticket_of(port), await ticket_of(port, seeing(V12))
    assert new.prefixes == old.prefixes


async def test_how_many_tickets_came_is_counted() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"x")
        await quiet(reader, writer)

    async with serving(page, server_context(tickets=3)) as port, connected(port) as tls:
        assert tls.ticket is None, "nothing was read after the handshake: it is not known"
        await tls.write(b"x")
        assert await tls.read(1) == b"x"
        assert tls.ticket is not None
        assert tls.ticket.count == 3


@pytest.mark.parametrize("newest", [V12, V13])
async def test_no_ticket_is_known_as_none(newest: ssl.TLSVersion) -> None:
    context = server_context(newest=newest, tickets=0)
    context.options |= ssl.OP_NO_TICKET
    async with serving(quiet, context) as port, connected(port) as tls:
        await tls.receive_ticket(0.05)
        assert tls.ticket == Ticket(count=0)


async def test_a_session_that_the_server_keeps_can_be_offered_without_a_ticket() -> None:
    context, ours = server_context(newest=V12), seeing()
    context.options |= ssl.OP_NO_TICKET
    async with serving(quiet, context) as port:
        async with connected(port, ours) as first:
            assert await first.receive_ticket(0)
        again = Tls(await SocketDialler().connect("127.0.0.1", port), ours, FQDN, session=first.session)
        await again.handshake()
        assert again.resumed
        again.close()


def test_what_is_cut_short_is_no_ticket() -> None:
    body = b"\0\0\x1c\x20" + b"\0\0\0\1" + b"\2nn" + b"\0\x14" + b"k" * 16 + b"rest"
    whole = b"\4" + len(body).to_bytes(3) + body
    for end in range(len(whole)):
        watch = Watch()
        watch.message("read", 0x0304, 22, 4, whole[:end])
        assert watch.ticket is None, end
    watch.message("read", 0x0304, 22, 4, whole)
    assert watch.ticket is not None
    assert (watch.ticket.count, watch.ticket.lifetime_s) == (1, 7200)


async def test_the_session_is_asked_of_openssl_once() -> None:
    """Each time leaks in CPython 3.10 to 3.13.0."""
    async with serving(quiet, server_context()) as port, connected(port) as tls:
        assert await tls.receive_ticket(5.0)
        assert tls.session is tls.session


# --- hostile bytes -----------------------------------------------------------------------------------------


async def shaken(*parts: bytes, ends: bool = True) -> tuple[Tls, BaseException]:
    tls = Tls(ScriptedStream(parts, ends), seeing(), FQDN, watch=Watch())
    with pytest.raises((OSError, EOFError, ValueError)) as caught:
        await tls.handshake()
    tls.close()
    return tls, caught.value


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ((), Cause.CLOSED),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Cause.NOT_TLS),
        ((b"S", b"SH-2.0-x\r\n"), Cause.NOT_TLS),
        ((b"\x16",), Cause.CLOSED),
        ((b"\x16\x02\x00",), Cause.NOT_TLS),
        ((b"\x15\x03\x03\x00\x02\x02\x28",), Cause.ALERT),
        ((b"\x15\x03\x03\x00\x02\x01\x00",), Cause.CLOSED),  # close_notify is an orderly close
        ((b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",), Cause.MALFORMED),
        ((b"\x17\x03\x03\x00\x01x",), Cause.MALFORMED),
        ((b"\x16\x03\x03\xff\xff" + b"x" * 65535,), Cause.MALFORMED),
    ],
)
async def test_what_came_in_place_of_a_hello(parts: tuple[bytes, ...], cause: Cause) -> None:
    tls, error = await shaken(*parts)
    found = tls.failure_from(error)
    assert (found.phase, found.cause) == (Phase.TLS, cause), found


async def test_a_handshake_without_end_is_left() -> None:
    """Records of nothing, as many as come: warnings that mean nothing are the longest a server can go on with."""
    record = b"\x16\x03\x03\x40\x00" + b"\x02\x00\xff\xff" + b"\x00" * (16384 - 4)
    tls, error = await shaken(*[record] * (MAX_HANDSHAKE_BYTES // len(record) + 2), ends=False)
    assert tls.failure_from(error).cause in (Cause.MALFORMED, Cause.TOO_LARGE)


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_no_bytes_break_a_handshake(parts: list[bytes]) -> None:
    async def shake() -> None:
        tls, error = await shaken(*parts)
        found = tls.failure_from(error)
        assert found.phase is Phase.TLS
        assert len(found.said or "") <= 256

    asyncio.run(shake())


@given(st.binary(max_size=200))
def test_no_bytes_break_the_watch(data: bytes) -> None:
    watch = Watch()
    for content, kind, version in product((20, 21, 22, 23), (1, 2, 4, 11, 12, 13), (0x0301, 0x0303, 0x0304)):
        watch.message("read", version, content, kind, data)
        watch.message("write", version, content, kind, data)
    _group_in_hello(data)
    if data:
        _is_tls(data)


async def test_closing_twice_and_before_the_handshake() -> None:
    stream = ScriptedStream()
    tls = Tls(stream, seeing(), FQDN)
    tls.close()
    tls.close()
    assert stream.closed >= 1


def test_the_contexts_judge_as_they_say(tmp_path) -> None:  # type: ignore[no-untyped-def]
    ca_file = str(authority().write(tmp_path))
    judge = trusting(ca_file)
    assert judge.verify_mode is ssl.CERT_REQUIRED
    assert not judge.check_hostname
    assert not judge.verify_flags & ssl.VerifyFlags.VERIFY_X509_STRICT
    assert any(each["subject"] for each in judge.get_ca_certs() if "Example Test Root" in str(each))
    for other in (seeing(), permissive()):
        assert other.verify_mode is ssl.CERT_NONE
    assert permissive().minimum_version is ssl.TLSVersion.TLSv1
    assert seeing(V12).maximum_version is V12
