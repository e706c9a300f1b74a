"""The name servers of the rig, seen by dig."""

from __future__ import annotations

import pytest

from tests.rig.clients import dig
from tests.rig.dnsservers import Bind, Dnsmasq, PowerDNS, Unbound, Zone, pick_random
from tests.rig.rig import Rig

pytestmark = pytest.mark.real

FQDN = "keys.example.test"
ADDRESSES = ("198.51.100.11", "198.51.100.12", "198.51.100.13")
ZONE = Zone(
    "example.test",
    (
        *(f"keys 60 IN A {address}" for address in ADDRESSES),
        "keys 60 IN AAAA 2001:db8:2::11",
        "www 30 IN CNAME keys",
        "dangling 30 IN CNAME nobody.example.test.",
    ),
)


@pytest.mark.parametrize("order", ["cyclic", "random", "none", None])
def test_bind_orders_as_told(rig: Rig, order: str | None) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (ZONE,), order=order))  # type: ignore[arg-type]
    seen = [dig(rig, server, FQDN).data() for _ in range(9)]
    assert {frozenset(one) for one in seen} == {frozenset(ADDRESSES)}
    firsts = [one[0] for one in seen]
    if order == "cyclic":
        assert firsts[:3] == firsts[3:6] == firsts[6:]
        assert len(set(firsts[:3])) == 3
    elif order == "none":
        assert len(set(seen)) == 1
    else:
        # Nine times the same one of six orders, by chance: once in more than a million runs.
        assert len(set(seen)) > 1


def test_bind_refuses_fails_and_does_not_know(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (ZONE,), broken=("broken.test",)))
    assert dig(rig, server, "nobody.example.test").rcode == "NXDOMAIN"
    no_data = dig(rig, server, "ns1.example.test", "AAAA")
    assert (no_data.rcode, no_data.records) == ("NOERROR", ())
    assert dig(rig, server, "www.example.com").rcode == "REFUSED"
    assert dig(rig, server, "www.broken.test").rcode == "SERVFAIL"


def test_bind_serves_aliases_both_families_and_its_names(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (ZONE,), order="none"))
    alias = dig(rig, server, "www.example.test")
    assert alias.data("CNAME") == (f"{FQDN}.",)
    assert alias.data() == ADDRESSES
    assert {record[1] for record in alias.records if record[2] == "CNAME"} == {30}
    dangling = dig(rig, server, "dangling.example.test")
    assert (dangling.rcode, dangling.data("CNAME")) == ("NXDOMAIN", ("nobody.example.test.",))
    assert dig(rig, server, FQDN, "AAAA").data("AAAA") == ("2001:db8:2::11",)
    assert dig(rig, server, "example.test", "NS").data("NS") == ("ns1.example.test.",)
    assert "aa" in alias.flags


def test_bind_truncates_where_told_and_answers_over_tcp(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    many = Zone("example.test", tuple(f"keys IN A 198.51.100.{n}" for n in range(1, 101)))
    rig.start(Bind((server,), (many,), options=("max-udp-size 512;",)))
    assert "tc" in dig(rig, server, FQDN, "A", "+ignore").flags
    assert len(dig(rig, server, FQDN).data()) == 100


@pytest.mark.parametrize("rotate", [True, False])
def test_unbound_caches_and_rotates(rig: Rig, rotate: bool) -> None:
    authority, resolver = rig.nameserver("192.0.2.53"), rig.nameserver("192.0.2.54")
    rig.start(Bind((authority,), (ZONE,), order="none"))
    rig.start(Unbound((resolver,), (("example.test", (authority,)),), rotate=rotate))
    seen = [dig(rig, resolver, FQDN, "A", "+recurse") for _ in range(12)]
    assert {frozenset(one.data()) for one in seen} == {frozenset(ADDRESSES)}
    assert "ra" in seen[0].flags
    assert "aa" not in seen[0].flags
    # By chance the same of three starts twelve times: once in 177,147 runs.
    assert (len({one.data() for one in seen}) > 1) is rotate
    assert dig(rig, resolver, "www.example.com", "A", "+recurse").rcode == "REFUSED"


def test_unbound_passes_its_authoritys_failure_on(rig: Rig) -> None:
    authority, resolver = rig.nameserver("192.0.2.53"), rig.nameserver("192.0.2.54")
    rig.start(Bind((authority,), (), broken=("example.test",)))
    rig.start(Unbound((resolver,), (("example.test", (authority,)),)))
    assert dig(rig, resolver, FQDN, "A", "+recurse", "+time=8").rcode == "SERVFAIL"


@pytest.mark.parametrize("rotate", [True, False])
def test_dnsmasq_rotates(rig: Rig, rotate: bool) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Dnsmasq((server,), ((FQDN, ADDRESSES),), aliases=(("www.example.test", FQDN),), rotate=rotate))
    seen = [dig(rig, server, FQDN, "A", "+recurse").data() for _ in range(9)]
    assert {frozenset(one) for one in seen} == {frozenset(ADDRESSES)}
    assert (len(set(seen)) > 1) is rotate
    assert dig(rig, server, "www.example.test", "A", "+recurse").data("CNAME") == (f"{FQDN}.",)


def test_powerdns_picks_one_address_at_random(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    zone = Zone("example.test", (pick_random("keys", 5, ADDRESSES), "fixed 60 IN A 198.51.100.11"))
    rig.start(PowerDNS((server,), (zone,)))
    seen = [dig(rig, server, FQDN) for _ in range(20)]
    assert {len(one.data()) for one in seen} == {1}
    assert {one.records[0][1] for one in seen} == {5}
    # One of three missing after twenty draws: once in 1,100 runs; only one seen: once in a thousand million.
    assert len({one.data() for one in seen}) > 1
    assert dig(rig, server, "fixed.example.test").data() == ("198.51.100.11",)


def test_powerdns_shuffles_several_records(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(PowerDNS((server,), (ZONE,)))
    seen = [dig(rig, server, FQDN).data() for _ in range(12)]
    assert {frozenset(one) for one in seen} == {frozenset(ADDRESSES)}
    assert len(set(seen)) > 1


def test_the_systems_resolver_asks_the_rig(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (ZONE,), order="none"))
    rig.network.resolvers(server[0], search=("example.test",))
    found = rig.client.run("getent", "ahostsv4", "keys").stdout
    assert set(ADDRESSES) == {line.split()[0] for line in found.splitlines()}
