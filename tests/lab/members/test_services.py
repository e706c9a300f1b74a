"""The further ports of a member. Under 1024, so the ones that are not to be had here are left out, not faked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.lab.cluster import Lab, LabThread
from semscheck.lab.members.services import ldap_answer
from semscheck.lab.scenarios import FQDN, SCENARIOS, members
from semscheck.lab.world import IMAP_BANNER, SMTP_BANNER, Interface, Service, ServiceKind, World
from tests.lab.clients import TIMEOUT_S, context, visit

# The request that Greenbone's check sends (docs/domain.md section 3.4)
ASKS_VERSION = bytes.fromhex(
    "304e02010263490410636e3d706770536572766572496e666f0a01020a0100020100020100010100"
    "870b6f626a656374636c6173733019040b706770536f667477617265040a70677056657273696f6e"
)
LDAP, LDAPS, SMTP, IMAP, WEB = 20389, 20636, 20025, 20143, 20080


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    services = (
        Service(LDAP, ServiceKind.LDAP),
        Service(LDAPS, ServiceKind.LDAP, tls=True),
        Service(SMTP, ServiceKind.BANNER, SMTP_BANNER),
        Service(IMAP, ServiceKind.BANNER, IMAP_BANNER),
        Service(WEB, ServiceKind.HTTP_REDIRECT),
    )
    member = replace(members(1)[0], services=services, version="10.5.1 (Build 2120)")
    with LabThread(World("w", "s", FQDN, (member,))) as thread:
        yield thread.lab


def say(lab: Lab, port: int, data: bytes, size: int = 4096) -> bytes:
    with socket.create_connection((lab.members[0].client, port), TIMEOUT_S) as sock:
        sock.sendall(data)
        return sock.recv(size)


def test_ldap_tells_the_version(lab: Lab) -> None:
    answer = say(lab, LDAP, ASKS_VERSION)
    assert b"PGP Universal Server" in answer
    assert b"10.5.1 (Build 2120)" in answer
    assert answer[:1] == b"\x30"
    assert answer.endswith(bytes.fromhex("300c02010265070a010004000400"))  # SearchResultDone, success


def test_ldap_in_pieces_and_twice_on_one_connection(lab: Lab) -> None:
    with socket.create_connection((lab.members[0].client, LDAP), TIMEOUT_S) as sock:
        for _ in range(2):
            sock.sendall(ASKS_VERSION[:7])
            sock.sendall(ASKS_VERSION[7:])
            data = b""
            while not data.endswith(b"\x0a\x01\x00\x04\x00\x04\x00"):
                data += sock.recv(4096)
            assert b"pgpVersion" in data


def test_ldaps_is_ldap_in_tls(lab: Lab) -> None:
    with (
        socket.create_connection((lab.members[0].client, LDAPS), TIMEOUT_S) as sock,
        context().wrap_socket(sock) as tls,
    ):
        tls.sendall(ASKS_VERSION)
        assert b"10.5.1" in tls.recv(4096)


def test_ldap_knows_its_naming_contexts_and_nothing_else() -> None:
    def search(base: bytes) -> bytes:
        body = b"\x04" + bytes([len(base)]) + base + ASKS_VERSION[25:]
        message = b"\x02\x01\x02\x63" + bytes([len(body)]) + body
        return ldap_answer(b"\x30" + bytes([len(message)]) + message, "1.0")

    assert b"cn=PGPServerInfo" in search(b"")
    assert b"1.0" in search(b"cn=PGPSERVERINFO,o=x")
    assert search(b"o=nothing").endswith(b"\x0a\x01\x20\x04\x00\x04\x00")  # noSuchObject


@given(st.binary(max_size=200))
def test_ldap_survives_anything(data: bytes) -> None:
    assert isinstance(ldap_answer(data, "1.0"), bytes)


@given(st.integers(0, len(ASKS_VERSION) - 1), st.integers(0, 255))
def test_ldap_survives_a_changed_request(at: int, value: int) -> None:
    assert isinstance(ldap_answer(ASKS_VERSION[:at] + bytes([value]) + ASKS_VERSION[at + 1 :], "1.0"), bytes)


def test_ldap_garbage_ends_the_connection(lab: Lab) -> None:
    assert say(lab, LDAP, b"GET / HTTP/1.1\r\n\r\n") == b""


def test_mail_banners_name_the_member(lab: Lab) -> None:
    assert say(lab, SMTP, b"QUIT\r\n").startswith(b"220 sems1.example.test PGP Universal service ready")
    assert say(lab, IMAP, b"").startswith(b"* OK PGP Universal IMAP4rev1 service ready")


def test_plain_http_leads_to_https(lab: Lab) -> None:
    answer = say(lab, WEB, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 302 ")
    assert f"Location: https://{FQDN}/".encode() in answer


def test_the_services_scenario_has_two_versions() -> None:
    with LabThread(SCENARIOS["versions-differ"].world) as thread:
        lab = thread.lab
        if dict(lab.place.members[0].services)[389] is None:
            pytest.skip("port 389 is not to be had here")
        versions = []
        for member in lab.members:
            with socket.create_connection((member.client, 389), TIMEOUT_S) as sock:
                sock.sendall(ASKS_VERSION)
                versions.append(b"10.5.1" in sock.recv(4096))
        assert versions == [True, False]


def test_management_ports_speak_tls() -> None:
    member = replace(members(1)[0], replication=Interface(management_ports=(20444,)))
    with LabThread(World("w", "s", FQDN, (member,))) as thread:
        assert visit(thread.lab, f"{thread.lab.members[0].replication}:20444").status == 200
