"""Name server, balancer and members of the rig, seen by dig, curl, openssl and plain ssl."""

from __future__ import annotations

import itertools
import ssl

import pytest

from tests.rig.balancers import Backend, HAProxy, choices
from tests.rig.certs import Issued
from tests.rig.clients import context, fetch, handshake
from tests.rig.members import LOGIN_TITLE, Interface, NginxMember, requests
from tests.rig.process import Server
from tests.rig.rig import Rig

pytestmark = pytest.mark.real

FQDN = "keys.example.test"
MEMBERS = ("sems1", "sems2", "sems3")
ADDRESSES = ("198.51.100.11", "198.51.100.12", "198.51.100.13")


def members(rig: Rig, certificate: Issued, **settings: object) -> dict[str, Server]:
    """Start three members with one certificate on Interface 2, and one of their own each on Interface 1."""
    port = rig.port(443)
    started = {}
    for name, address in zip(MEMBERS, ADDRESSES, strict=True):
        own = rig.authority.issue(f"{name}.example.test")
        replication = address.replace("198.51.100", "192.0.2")
        started[name] = rig.start(
            NginxMember(
                name,
                (
                    Interface(rig.address(address), port, certificate),
                    Interface(rig.address(replication), port, own),
                ),
                **settings,  # type: ignore[arg-type]
            )
        )
    return started


def backends(rig: Rig) -> tuple[Backend, ...]:
    return tuple(
        Backend(name, rig.address(address), rig.port(443))
        for name, address in zip(MEMBERS, ADDRESSES, strict=True)
    )


def test_a_member_answers_like_the_product(rig: Rig) -> None:
    certificate = rig.authority.issue(FQDN)
    started = members(rig, certificate)
    port = rig.port(443)
    login = fetch(rig, rig.address(ADDRESSES[0]), port, FQDN, "/b/l.e")
    assert login.status == 200
    assert f"<TITLE>{LOGIN_TITLE}</TITLE>" in login.body
    start = fetch(rig, rig.address(ADDRESSES[0]), port, FQDN, "/")
    assert (start.status, start.header("Location")) == (302, ("/b/l.e",))
    missing = fetch(rig, rig.address(ADDRESSES[0]), port, FQDN, "/nothing")
    assert missing.status == 404
    assert "Page Not Found" in missing.body
    other = fetch(rig, rig.address(ADDRESSES[1]), port, FQDN, "/b/l.e")
    assert [pair for pair in login.headers if pair[0] != "Date"] == [
        pair for pair in other.headers if pair[0] != "Date"
    ]
    assert [one.status for one in requests(started["sems1"])] == [200, 302, 404]


def test_interfaces_have_their_certificates(rig: Rig) -> None:
    certificate = rig.authority.intermediate().issue(FQDN)
    members(rig, certificate)
    port = rig.port(443)
    client = [handshake(rig, rig.address(address), port).der for address in ADDRESSES]
    assert set(client) == {certificate.der}
    replication = [
        handshake(rig, rig.address(address.replace("198.51.100", "192.0.2")), port).der
        for address in ADDRESSES
    ]
    assert len(set(replication)) == 3
    # The intermediate is sent too: curl knows the root only.
    assert fetch(rig, rig.address(ADDRESSES[0]), port, FQDN, "/b/l.e").status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("settings", "own", "others"),
    [
        ({"tickets": True}, True, False),
        ({"tickets": False, "cache": True}, True, False),
        ({"tickets": False, "cache": False}, False, False),
        ({"tickets": True, "ticket_key": bytes(range(80))}, True, True),
    ],
    ids=["tickets", "cache", "neither", "shared-keys"],
)
def test_sessions_are_known_to_their_issuer(
    rig: Rig, version: ssl.TLSVersion, settings: dict[str, object], own: bool, others: bool
) -> None:
    members(rig, rig.authority.issue(FQDN), **settings)
    addresses = [rig.address(address) for address in ADDRESSES]
    using = context(version)
    for issuer, other in itertools.product(addresses, addresses):
        first = handshake(rig, issuer, rig.port(443), using=using)
        again = handshake(rig, other, rig.port(443), using=using, session=first.session)
        assert again.resumed is (own if issuer == other else others), (issuer, other)


def test_haproxy_rotates_and_tells_its_choices(rig: Rig) -> None:
    certificate = rig.authority.issue(FQDN)
    members(rig, certificate)
    vip = rig.address("192.0.2.100")
    balancer = rig.start(HAProxy(((vip, rig.port(443)),), backends(rig)))
    using = context()
    seen = []
    for _ in range(6):
        fresh = handshake(rig, vip, rig.port(443), using=using)
        assert not fresh.resumed
        known = [
            name
            for name, address in zip(MEMBERS, ADDRESSES, strict=True)
            if handshake(rig, rig.address(address), rig.port(443), using=using, session=fresh.session).resumed
        ]
        assert len(known) == 1
        seen += known
    assert seen == list(MEMBERS) * 2
    assert list(choices(balancer)) == seen
