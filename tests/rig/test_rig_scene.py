"""The whole site of the rig, seen by dig, curl and plain ssl; and the examples of the rig's documentation."""

from __future__ import annotations

import tomllib

import pytest

from tests.rig.balancers import Backend, NginxStream, choices
from tests.rig.clients import context, dig, fetch, handshake
from tests.rig.members import Interface, NginxMember
from tests.rig.rig import Rig
from tests.rig.scene import FQDN, site

pytestmark = pytest.mark.real


def test_a_healthy_site_is_one(rig: Rig) -> None:
    scene = site(rig)
    assert dig(rig, scene.nameserver, FQDN).data() == (scene.vip,)
    assert scene.balancer is not None
    assert {handshake(rig, scene.vip, scene.port).der for _ in range(3)} == {scene.certificate.der}
    assert set(choices(scene.balancer, 3)) == {"sems1"}
    for member in scene.members:
        assert dig(rig, scene.nameserver, member.name).data() == (member.replication,)
        assert handshake(rig, member.client, scene.port).der == scene.certificate.der
        assert fetch(rig, member.replication, scene.port, member.name, "/b/l.e").status == 200
    profile = tomllib.loads(scene.profile.read_text())
    assert profile["target"] | {"ca_file": ""} == {
        "fqdn": FQDN,
        "port": scene.port,
        "balancers": [scene.vip],
        "ca_file": "",
    }
    assert [one["client"] for one in profile["member"]] == [one.client for one in scene.members]


def test_a_site_can_be_broken(rig: Rig) -> None:
    other = rig.authority.issue("other.example.test")
    scene = site(
        rig,
        count=4,
        method="roundrobin",
        stick="",
        client_certificates={"sems2.example.test": other},
        absent=("sems3.example.test",),
        profile="[sampling]\nconnections = 12\n",
    )
    assert scene.balancer is not None
    first, second, third, fourth = scene.members
    assert handshake(rig, second.client, scene.port).der == other.der
    with pytest.raises(ConnectionRefusedError):
        handshake(rig, third.client, scene.port)
    assert handshake(rig, fourth.client, scene.port).der == scene.certificate.der
    assert tomllib.loads(scene.profile.read_text())["sampling"] == {"connections": 12}
    first.server.kill()
    with pytest.raises(ConnectionRefusedError):
        handshake(rig, first.client, scene.port)


def test_a_site_without_a_balancer_rotates_in_dns(rig: Rig) -> None:
    addresses = [rig.address(f"198.51.100.{n}") for n in (11, 12, 13)]
    scene = site(rig, with_balancer=False, addresses=addresses, order="cyclic")
    seen = [dig(rig, scene.nameserver, FQDN).data()[0] for _ in range(6)]
    assert set(seen) == set(addresses)
    assert scene.balancer is None


def test_the_systems_own_way_leads_to_the_site(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    scene = site(rig)
    done = rig.client.run("curl", "-sS", "--cacert", str(rig.ca_file), f"https://{FQDN}/b/l.e", check=True)
    assert "Web Email Protection" in done.stdout
    done = rig.client.python("-c", f"import socket; print(socket.gethostbyname({FQDN!r}))")
    assert done.stdout.strip() == scene.vip


def test_two_members_behind_nginx(rig: Rig) -> None:
    """The documentation's second example."""
    port, certificate = rig.port(443), rig.authority.issue("keys.example.test")
    places = [rig.address("198.51.100.11"), rig.address("198.51.100.12")]
    for number, place in enumerate(places, start=1):
        rig.start(NginxMember(f"sems{number}", (Interface(place, port, certificate),)))
    members = tuple(Backend(f"sems{n}", place, port) for n, place in enumerate(places, start=1))
    vip = rig.address("192.0.2.100")
    balancer = rig.start(NginxStream(((vip, port),), members, "hash $remote_addr"))
    assert handshake(rig, vip, port, using=context()).der == certificate.der
    assert len(choices(balancer, at_least=1)) == 1
