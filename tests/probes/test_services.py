"""Other ports: what is asked, what is kept of the answers, and nothing that is not on the list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.failure import Cause, Phase
from semscheck.model.observations import DnsAnswer, ServiceProbe
from semscheck.model.target import Endpoint, Limits, Member, Services, Target
from semscheck.net.tls_contexts import Contexts
from semscheck.probes.certificates import record_chain
from semscheck.probes.endpoint import ProbeContext
from semscheck.probes.recorder import Recorder
from semscheck.probes.services import (
    ANSWER_BYTES,
    CLIENT_PORTS,
    MANAGEMENT_PORTS,
    SERVER_INFO,
    SearchAnswer,
    ask_services,
    wanted,
)
from tests.scripted import ScriptedDialler, ScriptedStream, refusal, scripted_seam, silence

FQDN = "keys.example.com"
A, B, VIP = "198.51.100.11", "198.51.100.12", "192.0.2.100"
R1, R2 = "192.0.2.11", "192.0.2.12"
TWO = Target(
    FQDN,
    balancers=(VIP,),
    members=(
        Member("sems1.example.com", (Endpoint(R1),), (Endpoint(A),)),
        Member("sems2.example.com", (Endpoint(R2),), (Endpoint(B),)),
    ),
    limits=Limits(timeout_s=0.2),
)


def probing(root: Path, dialler: ScriptedDialler | None = None) -> ProbeContext:
    backend = scripted_seam(root, dialler=dialler)
    return ProbeContext(backend, Recorder(backend.clock), Contexts(None), 0.2, "test", record_chain)


def says(*parts: bytes, ends: bool = False) -> Callable[[str, int], Awaitable[ScriptedStream]]:
    async def connect(address: str, port: int) -> ScriptedStream:
        return ScriptedStream(parts, ends)

    return connect


async def asked(root: Path, how: object, port: int) -> ServiceProbe:
    """One port of one address, asked."""
    dialler = ScriptedDialler({(A, port): how})  # type: ignore[dict-item]
    aim = replace(TWO, balancers=(), members=TWO.members[:1], services=Services(check=(port,)))
    able = probing(root, dialler)
    async with asyncio.timeout(60):
        await ask_services(able, aim)
    (probe,) = (seen for seen in able.record.observations if isinstance(seen, ServiceProbe))
    return probe


# --- what is asked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aim", "expected"),
    [
        (TWO, set()),
        (replace(TWO, services=Services(check=(389,))), {(VIP, 389), (A, 389), (B, 389)}),
        (replace(TWO, services=Services(require=(636,))), {(VIP, 636), (A, 636), (B, 636)}),
        (
            replace(TWO, services=Services(check=(389,), require=(389,))),
            {(VIP, 389), (A, 389), (B, 389)},
        ),
        (
            replace(TWO, ask_services=True),
            {(where, port) for where in (VIP, A, B) for port in CLIENT_PORTS}
            | {(where, port) for where in (A, B, R1, R2) for port in MANAGEMENT_PORTS},
        ),
        (
            replace(TWO, ask_services=True, services=Services(check=(4443,))),
            {(where, port) for where in (VIP, A, B) for port in (*CLIENT_PORTS, 4443)}
            | {(where, port) for where in (A, B, R1, R2) for port in MANAGEMENT_PORTS},
        ),
    ],
)
def test_exactly_these_addresses_and_ports(
    tmp_path: Path, aim: Target, expected: set[tuple[str, int]]
) -> None:
    destinations = wanted(probing(tmp_path), aim)
    assert {(destination.address, destination.port) for destination in destinations} == expected
    assert len(destinations) == len(expected)


async def test_nothing_else_is_ever_touched(tmp_path: Path) -> None:
    dialler = ScriptedDialler({}, refusal)
    able = probing(tmp_path, dialler)
    await ask_services(able, replace(TWO, ask_services=True))
    assert {port for _, port in dialler.asked} == {*CLIENT_PORTS, *MANAGEMENT_PORTS}
    assert {address for address, _ in dialler.asked} == {VIP, A, B, R1, R2}
    assert set(dialler.asked.values()) == {1}


def test_interface_1_on_its_own_port_is_no_exposed_management(tmp_path: Path) -> None:
    """Where the profile says that Interface 1 is read on 444, the look at it is not repeated as a service."""
    member = Member("sems1.example.com", (Endpoint(R1, 444),), (Endpoint(A),))
    destinations = wanted(probing(tmp_path), replace(TWO, members=(member,), ask_services=True))
    assert (R1, 444) not in {(destination.address, destination.port) for destination in destinations}
    assert (A, 444) in {(destination.address, destination.port) for destination in destinations}


def test_without_a_profile_where_the_name_leads(tmp_path: Path) -> None:
    able = probing(tmp_path)
    able.record.add(DnsAnswer, 0.0, server="s", name=FQDN, record_type="A", records=(VIP,))
    able.record.add(DnsAnswer, 0.0, server="s", name="x", purpose="member", record_type="A", records=(A,))
    able.record.add(DnsAnswer, 0.0, server="s", name=FQDN, record_type="CNAME", records=("pool.example.com",))
    destinations = wanted(able, Target(FQDN, services=Services(check=(389,))))
    assert [(destination.address, destination.port) for destination in destinations] == [(VIP, 389)]


def test_a_name_with_thousands_of_addresses_is_no_scan(tmp_path: Path) -> None:
    able = probing(tmp_path)
    many = tuple(f"198.18.{n // 250}.{n % 250}" for n in range(3000))
    able.record.add(DnsAnswer, 0.0, server="s", name=FQDN, record_type="A", records=many)
    assert len(wanted(able, Target(FQDN, services=Services(check=(389,))))) == 16


# --- what comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "state", "cause"),
    [(refusal, "closed", Cause.REFUSED), (silence, "filtered", Cause.TIMED_OUT)],
)
async def test_closed_and_filtered(tmp_path: Path, how: object, state: str, cause: Cause) -> None:
    probe = await asked(tmp_path, how, 389)
    assert probe.state == state
    assert probe.failure is not None
    assert (probe.failure.phase, probe.failure.cause) == (Phase.CONNECT, cause)
    assert probe.service == "LDAP"


@pytest.mark.parametrize(
    ("port", "parts", "banner"),
    [
        (25, (b"220 sems1.example.com ESMTP\r\n",), "220 sems1.example.com ESMTP\r\n"),
        (143, (b"\x1b[2J\xff\x00",), "\x1b[2J\xff\x00"),
        (110, (b"+OK " + b"x" * 100_000,), "+OK " + "x" * 508),
        (25, (b"",), None),
        (80, (b"220 nobody asked",), None),  # HTTP does not speak first
        (2222, (b"SSH-2.0-x\r\n",), None),  # nor is an unknown port listened to
    ],
)
async def test_banners_are_kept_as_they_came_and_bounded(
    tmp_path: Path, port: int, parts: tuple[bytes, ...], banner: str | None
) -> None:
    probe = await asked(tmp_path, says(*parts), port)
    assert (probe.state, probe.banner) == ("open", banner)


async def test_a_service_that_says_nothing_is_open_all_the_same(tmp_path: Path) -> None:
    probe = await asked(tmp_path, says(), 25)
    assert (probe.state, probe.banner) == ("open", None)
    assert probe.failure is not None
    assert (probe.failure.phase, probe.failure.cause) == (Phase.SERVICE, Cause.STALLED)


@pytest.mark.parametrize("port", [465, 993, 995, 636])
async def test_what_should_be_tls_and_is_not(tmp_path: Path, port: int) -> None:
    probe = await asked(tmp_path, says(b"220 plain\r\n", ends=True), port)
    assert probe.state == "open"
    assert probe.failure is not None
    assert probe.failure.phase is Phase.SERVICE


# --- the directory -----------------------------------------------------------------------------------------


def ber(tag: int, *contents: bytes) -> bytes:
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(size)]) + size + body


def text(value: str) -> bytes:
    return ber(0x04, value.encode())


def entry(**attributes: str) -> bytes:
    listed = [ber(0x30, text(name), ber(0x31, text(value))) for name, value in attributes.items()]
    return ber(0x30, ber(0x02, b"\2"), ber(0x64, text("cn=pgpServerInfo"), ber(0x30, *listed)))


DONE = ber(0x30, ber(0x02, b"\2"), ber(0x65, ber(0x0A, b"\0"), text(""), text("")))
TOLD = entry(pgpSoftware="PGP Universal Server", pgpVersion="3.4.2 (Build 289)")


def test_the_question_is_one_anonymous_search() -> None:
    answer = list(SERVER_INFO)
    assert answer[0] == 0x30
    assert answer[1] == len(SERVER_INFO) - 2
    assert answer[5] == 0x63  # SearchRequest: no bind before it
    assert b"cn=pgpServerInfo" in SERVER_INFO


@pytest.mark.parametrize(
    "parts",
    [
        (TOLD + DONE,),
        (TOLD, DONE),
        tuple(bytes([byte]) for byte in TOLD + DONE),
        (TOLD[:40], TOLD[40:] + DONE[:3], DONE[3:]),
    ],
)
async def test_the_version_however_it_comes(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    probe = await asked(tmp_path, says(*parts), 389)
    assert (probe.software, probe.version) == ("PGP Universal Server", "3.4.2 (Build 289)")
    assert probe.failure is None


async def test_a_directory_that_closes_without_an_end(tmp_path: Path) -> None:
    probe = await asked(tmp_path, says(TOLD, ends=True), 389)
    assert probe.version == "3.4.2 (Build 289)"


async def test_a_directory_that_tells_nothing(tmp_path: Path) -> None:
    probe = await asked(tmp_path, says(DONE), 389)
    assert (probe.state, probe.software, probe.version, probe.failure) == ("open", None, None, None)


async def test_an_answer_without_end_is_left(tmp_path: Path) -> None:
    probe = await asked(tmp_path, says(*[b"\x30\x84\x7f\xff\xff\xff" + b"x" * 8000] * 20), 389)
    assert probe.failure is not None
    assert probe.failure.cause is Cause.TOO_LARGE


@given(st.lists(st.binary(max_size=64), max_size=12))
def test_no_bytes_break_the_directory_reader(parts: list[bytes]) -> None:
    answer = SearchAnswer()
    for part in parts:
        answer.feed(part)
    assert all(len(name) <= 64 and len(value) <= 200 for name, value in answer.attributes.items())


@given(st.data())
def test_damaged_answers_break_nothing(data: st.DataObject) -> None:
    whole = bytearray(TOLD + DONE)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    SearchAnswer().feed(bytes(whole))


names = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), min_size=1, max_size=60)


@given(st.dictionaries(names.map(str.lower), st.text(max_size=80), max_size=6), st.data())
def test_whatever_a_directory_tells_is_read_however_it_is_cut(
    told: dict[str, str], data: st.DataObject
) -> None:
    whole = entry(**told) + DONE
    answer, at = SearchAnswer(), 0
    while at < len(whole):
        size = data.draw(st.integers(1, len(whole)))
        done = answer.feed(whole[at : at + size])
        at += size
    assert done
    expected = {name: value.encode()[:200].decode("utf-8", "replace") for name, value in told.items()}
    assert answer.attributes == expected


def test_many_attributes_are_bounded() -> None:
    answer = SearchAnswer()
    answer.feed(entry(**{f"a{n}": "x" for n in range(500)}))
    assert len(answer.attributes) == 64


def test_bytes_that_drip_are_looked_at_a_few_times_only() -> None:
    """64 KiB in single bytes, all of one element that never ends: no more than a glance each."""
    answer = SearchAnswer()
    answer.feed(b"\x30\x83\xff\xff\xff")
    for _ in range(2000):
        answer.feed(b"x" * (ANSWER_BYTES // 2000))
    assert answer.attributes == {}
