"""Name servers that lie: nothing crashes, nothing is believed, everything ends in time."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semscheck.model.analysis import Rotation
from semscheck.model.failure import Cause
from semscheck.model.observations import Bound, DnsAnswer, ResolverConfig, SystemResolution
from semscheck.model.target import Target
from semscheck.net.backend import NetworkBackend, NetworkResolver, real_backend
from semscheck.net.dns_message import make_query, parse, read
from semscheck.probes.dns import look_up
from semscheck.probes.nameservers import Configuration, Place, configuration, parse_resolv_conf
from semscheck.probes.recorder import Recorder
from tests.probes.dnslook import FQDN, desktop, look
from tests.rig.hostile import Hostile, Lie
from tests.rig.policy import examples
from tests.rig.rig import Rig

Answerer = Callable[[dns.message.Message], bytes | None]

# --- over the wire -----------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(
    ("how", "cause", "rcode"),
    [
        ("dns-silent", Cause.TIMED_OUT, None),
        ("dns-garbage", Cause.MALFORMED, None),
        ("dns-short", Cause.MALFORMED, None),
        ("dns-wrong-id", Cause.MALFORMED, None),
        ("dns-wrong-question", Cause.MALFORMED, None),
        ("dns-counts", Cause.MALFORMED, None),
        ("dns-pointer-loop", Cause.MALFORMED, None),
        ("dns-truncated", Cause.MALFORMED, None),
        ("dns-refused", None, "REFUSED"),
        ("dns-servfail", None, "SERVFAIL"),
        ("dns-formerr", None, "FORMERR"),
        ("dns-cname-loop", None, "NOERROR"),
        ("dns-cname-endless", None, "NOERROR"),
    ],
)
def test_a_lie_is_a_failure_or_an_answer_without_addresses(
    rig: Rig, how: str, cause: Cause | None, rcode: str | None
) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Hostile((Lie(*server, how),)))  # type: ignore[arg-type]
    seen = rig.client.call(look, None, server, timeout_s=1.5)
    answers = seen.of(DnsAnswer)
    assert {one.failure.cause if one.failure else None for one in answers} == {cause}
    assert {one.rcode for one in answers} == {rcode}
    assert seen.addresses == ()
    assert all(len(one.cname) <= 16 for one in answers)


@pytest.mark.real
def test_control_characters_stay_as_escapes_of_dns(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Hostile((Lie(*server, "dns-control"),)))
    seen = rig.client.call(look, Target(fqdn=FQDN, families=(4,)), server, timeout_s=1.5)
    [target] = {hop.target for one in seen.answers() for hop in one.cname}
    assert "\x1b" not in target
    assert "\\027" in target
    assert seen.addresses == ("192.0.2.66",)


@pytest.mark.real
def test_three_thousand_addresses_are_bounded(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Hostile((Lie(*server, "dns-many"),)))
    seen = rig.client.call(look, Target(fqdn=FQDN, families=(4,)), server)
    assert [(one.seen, one.used) for one in seen.of(Bound)] == [(3000, 64)]
    assert len(seen.addresses) == 64
    assert seen.analysis.rotation in (Rotation.UNKNOWN, Rotation.FIXED)


# --- scripted, in this process -----------------------------------------------------------------------------


class Scripted:
    """A name server in the test's own event loop. answer: gets the query, gives bytes or None for silence."""

    def __init__(self, answer: Answerer, also: Answerer | None = None) -> None:
        self._answer, self._also = answer, also
        self.queries: list[dns.message.Message] = []
        self.address = ("127.0.0.1", 0)

    async def __aenter__(self) -> Scripted:
        outer = self

        class Protocol(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: object) -> None:
                query = dns.message.from_wire(data)
                outer.queries.append(query)
                for answer in filter(None, (outer._also, outer._answer)):
                    wire = answer(query)
                    if wire is not None:
                        self.transport.sendto(wire, addr)  # type: ignore[attr-defined]

        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(Protocol, ("127.0.0.1", 0))
        self.address = self._transport.get_extra_info("sockname")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()


def reply(query: dns.message.Message, *addresses: str, rcode: int = 0) -> bytes:
    answer = dns.message.make_response(query, recursion_available=True)
    answer.set_rcode(dns.rcode.Rcode(rcode))
    question = query.question[0]
    kept = [a for a in addresses if (":" in a) == (question.rdtype.name == "AAAA")]
    if kept and question.rdtype.name in ("A", "AAAA"):
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", question.rdtype, *kept))
    return answer.to_wire()


async def ask(
    server: Scripted, timeout_s: float = 2.0, families: tuple[int, ...] = (4,)
) -> tuple[DnsAnswer, ...]:
    backend, target = real_backend(1), Target(fqdn=FQDN, families=families)
    from semscheck.model.target import Endpoint, Limits

    target = replace(target, resolvers=(Endpoint(*server.address),), limits=Limits(timeout_s=timeout_s))
    record = Recorder(backend.clock)
    await look_up(backend, record, target, lambda _: None)
    return tuple(one for one in record.observations if isinstance(one, DnsAnswer))


async def test_a_forged_answer_before_the_right_one_is_passed_over() -> None:
    def forged(query: dns.message.Message) -> bytes:
        wire = bytearray(reply(query, "192.0.2.66"))
        wire[0] ^= 0xFF
        return bytes(wire)

    async with Scripted(lambda query: reply(query, "192.0.2.100"), also=forged) as server:
        answers = await ask(server)
    assert {one.records for one in answers} == {("192.0.2.100",)}
    assert all(one.failure is None for one in answers)


async def test_what_another_source_sends_is_not_heard() -> None:
    """An answer with the right id and question from another port is dropped by the kernel."""
    elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver = NetworkResolver()
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    listening.setblocking(False)
    query = make_query(FQDN, "A", recurse=True)
    asked = asyncio.create_task(resolver.ask(query, *listening.getsockname(), tcp=False))
    loop = asyncio.get_running_loop()
    wire, client = await loop.sock_recvfrom(listening, 4096)
    seen = dns.message.from_wire(wire)
    elsewhere.sendto(reply(seen, "192.0.2.66"), client)
    listening.sendto(reply(seen, "192.0.2.100"), client)
    answer = await asked
    elsewhere.close()
    listening.close()
    assert read(answer, FQDN, "A").records == ("192.0.2.100",)


async def test_every_query_has_an_id_and_a_payload_of_its_own() -> None:
    async with Scripted(lambda query: reply(query, "192.0.2.100")) as server:
        await ask(server)
    burst = [q for q in server.queries if q.question[0].rdtype.name == "A" and q.edns == 0]
    assert len(burst) == 8
    assert len({query.id for query in burst}) == 8
    assert len({query.payload for query in burst}) == 8
    assert all(512 <= query.payload <= 1232 for query in burst)


async def test_a_server_that_does_not_know_edns_is_asked_without() -> None:
    def old(query: dns.message.Message) -> bytes:
        return reply(query, "192.0.2.100") if query.edns < 0 else reply(query, rcode=1)

    async with Scripted(old) as server:
        answers = await ask(server)
    assert {one.records for one in answers} == {("192.0.2.100",)}
    assert {one.rcode for one in answers} == {"NOERROR"}


@pytest.mark.slow
@pytest.mark.parametrize(("times", "timeout_s"), [(1, 1.0), (2, 5.0)])
async def test_a_lost_datagram_is_sent_again_and_is_no_failure(times: int, timeout_s: float) -> None:
    lost: Counter[str] = Counter()

    def lossy(query: dns.message.Message) -> bytes | None:
        kind = query.question[0].rdtype.name
        lost[kind] += 1
        return None if lost[kind] <= times else reply(query, "192.0.2.100")

    async with Scripted(lossy) as server:
        answers = await ask(server, timeout_s=timeout_s)
    assert all(one.failure is None for one in answers)
    assert len(answers) == 8


@pytest.mark.slow
async def test_one_type_that_is_dropped_does_not_hold_the_other() -> None:
    def no_aaaa(query: dns.message.Message) -> bytes | None:
        return None if query.question[0].rdtype.name == "AAAA" else reply(query, "192.0.2.100")

    async with Scripted(no_aaaa) as server:
        answers = await ask(server, timeout_s=1.0, families=(4, 6))
    by_kind = {kind: [a for a in answers if a.record_type == kind] for kind in ("A", "AAAA")}
    assert len(by_kind["A"]) == 8
    assert [a.failure.cause for a in by_kind["AAAA"] if a.failure] == [Cause.TIMED_OUT]
    [dropped] = by_kind["AAAA"]
    ends_s = [a.at_s + (a.elapsed_s or 0) for a in by_kind["A"]]
    assert max(ends_s) < dropped.at_s + (dropped.elapsed_s or 0)


async def test_cancelling_leaves_what_was_seen_and_nothing_running() -> None:
    async with Scripted(lambda query: None) as server:
        task = asyncio.create_task(ask(server, timeout_s=30))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []


@pytest.mark.parametrize(("platform", "asked"), [("linux", True), ("win32", False)])
async def test_windows_leaves_a_name_of_several_labels_as_it_is(
    platform: str, asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: set[str] = set()

    def unknown(query: dns.message.Message) -> bytes:
        names.add(query.question[0].name.to_text(omit_final_dot=True))
        return reply(query, rcode=3)

    class NoSystem(NetworkResolver):
        async def system(self, name: str) -> tuple[str, ...]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with Scripted(unknown) as server:
        place = Place(*server.address)
        given = Configuration("system", (place,), ("corp.test",))
        monkeypatch.setattr("semscheck.probes.dns.configuration", lambda *_: given)
        backend = replace(real_backend(1), desktop=desktop(tmp_path, platform), resolver=NoSystem())
        record = Recorder(backend.clock)
        await look_up(backend, record, Target(fqdn=FQDN, families=(4,)), lambda _: None)
    assert (f"{FQDN}.corp.test" in names) is asked
    [system] = [one for one in record.observations if isinstance(one, SystemResolution)]
    assert system.failure is not None
    assert system.failure.cause is Cause.NO_ADDRESS


async def test_name_servers_at_addresses_of_nobody_are_not_asked() -> None:
    def odd(query: dns.message.Message) -> bytes:
        answer = dns.message.from_wire(reply(query, "192.0.2.100"))
        if query.question[0].rdtype.name == "NS":
            name = query.question[0].name
            answer.answer.append(
                dns.rrset.from_text(name, 60, "IN", "NS", "a.example.test.", "b.example.test.")
            )
            for owner, address in (("a.example.test.", "224.0.0.1"), ("b.example.test.", "0.0.0.0")):
                answer.additional.append(dns.rrset.from_text(owner, 60, "IN", "A", address))
        return answer.to_wire()

    async with Scripted(odd) as server:
        answers = await ask(server)
    assert {one.role for one in answers} == {"resolver"}


async def test_an_address_is_not_looked_up() -> None:
    heard: list[tuple[str, ...]] = []
    backend = real_backend(1)
    record = Recorder(backend.clock)
    await look_up(backend, record, Target(fqdn="192.0.2.1", fqdn_is_address=True), heard.append)
    assert heard == [("192.0.2.1",)]
    assert record.observations == ()


# --- hostile bytes -----------------------------------------------------------------------------------------


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_behind_a_right_header_are_read_or_refused(tail: bytes) -> None:
    query = make_query(FQDN, "A", recurse=True)
    counts = tail[:8].ljust(8, b"\0")
    wire = query[:2] + struct.pack("!H", 0x8180) + counts + tail[8:]
    try:
        answer = parse(wire, query)
    except ValueError:
        return
    reading = read(answer, FQDN, "A")
    assert len(reading.chain) <= 16


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()),
        max_size=12,
    )
)
def test_aliases_in_any_arrangement_end(edges: list[tuple[int, int, bool]]) -> None:
    names = [FQDN, *(f"hop{n}.example.test" for n in range(5))]
    query = make_query(FQDN, "A", recurse=True)
    answer = dns.message.make_response(dns.message.from_wire(query))
    for start, end, is_address in edges:
        kind, data = ("A", f"192.0.2.{end}") if is_address else ("CNAME", names[end] + ".")
        answer.answer.append(dns.rrset.from_text(names[start] + ".", 60, "IN", kind, data))
    reading = read(parse(answer.to_wire(), query), FQDN, "A")
    assert len(reading.chain) <= 16
    assert len({hop.name for hop in reading.chain}) == len(reading.chain)


# --- which servers are asked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "servers", "search", "ndots"),
    [
        (
            "nameserver 192.0.2.53\nsearch example.test corp.test\n",
            ["192.0.2.53"],
            ("example.test", "corp.test"),
            1,
        ),
        (
            "nameserver 2001:db8::53\ndomain Example.Test.\noptions ndots:3 rotate",
            ["2001:db8::53"],
            ("example.test",),
            3,
        ),
        ("# nothing\n; here\n", ["127.0.0.1"], (), 1),
        ("nameserver nonsense\nnameserver\nnameserver 192.0.2.1 # no\n", ["192.0.2.1"], (), 1),
        ("nameserver fe80::1%eth0\n", ["fe80::1%eth0"], (), 1),
        (
            "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6)),
            ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
            (),
            1,
        ),
        ("nameserver 192.0.2.1\nnameserver 192.0.2.1\noptions ndots:99", ["192.0.2.1"], (), 15),
        ("search a\nsearch b", ["127.0.0.1"], ("b",), 1),
    ],
)
def test_resolv_conf(text: str, servers: list[str], search: tuple[str, ...], ndots: int) -> None:
    parsed = parse_resolv_conf(text)
    assert [one.address for one in parsed.resolvers] == servers
    assert parsed.search == search
    assert parsed.ndots == ndots


@given(st.text(max_size=300))
def test_any_text_is_a_resolv_conf(text: str) -> None:
    parsed = parse_resolv_conf(text)
    assert 1 <= len(parsed.resolvers) <= 3


def test_without_a_resolv_conf_that_is_said(tmp_path: Path) -> None:
    settings = configuration(Target(fqdn=FQDN), desktop(tmp_path))
    assert settings.resolvers == ()
    assert settings.failure is not None
    assert settings.failure.cause is Cause.NOT_FOUND


def test_the_desktops_resolv_conf_is_read_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").write_bytes(b"nameserver 192.0.2.7\nsearch caf\xe9.test\n")
    settings = configuration(Target(fqdn=FQDN), desktop(tmp_path))
    assert settings.resolvers == (Place("192.0.2.7"),)
    assert settings.search == ("caf\xe9.test",)


def test_no_resolver_and_a_name_that_dns_cannot_carry(tmp_path: Path) -> None:
    def lonely(backend: NetworkBackend) -> NetworkBackend:
        return replace(backend, desktop=desktop(tmp_path))

    seen = look(Target(fqdn="a" * 70 + ".test"), timeout_s=1, change=lonely)
    [config] = seen.of(ResolverConfig)
    assert config.servers == ()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    seen = look(Target(fqdn="a" * 70 + ".test"), timeout_s=1, change=lonely)
    assert {one.failure.cause for one in seen.of(DnsAnswer) if one.failure} == {Cause.MALFORMED}


def test_windows_resolvers_without_its_placeholders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    import dns.name

    info = types.SimpleNamespace(
        nameservers=["192.0.2.53", "fec0:0:0:ffff::1", "nonsense", "192.0.2.53"],
        domain=dns.name.from_text("corp.test"),
        search={dns.name.from_text("example.test")},
    )
    fake = types.SimpleNamespace(get_dns_info=lambda: info)
    monkeypatch.setitem(sys.modules, "dns.win32util", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(dns, "win32util", fake, raising=False)
    settings = configuration(Target(fqdn=FQDN), desktop(tmp_path, "win32"))
    assert settings.resolvers == (Place("192.0.2.53"),)
    assert settings.search == ("corp.test", "example.test")
    info.nameservers = []
    failure = configuration(Target(fqdn=FQDN), desktop(tmp_path, "win32")).failure
    assert failure is not None
    assert failure.cause is Cause.NOT_FOUND


def test_windows_surprises_are_failures(tmp_path: Path) -> None:
    """Here dnspython has no such function: whatever is missing is said, not raised."""
    failure = configuration(Target(fqdn=FQDN), desktop(tmp_path, "win32")).failure
    assert failure is not None
