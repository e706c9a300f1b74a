"""The DNS probe on real resolvers that say something else than the zone: what each does is seen for what it is."""

from __future__ import annotations

import pytest

from semscheck.model.observations import DnsAnswer
from semscheck.model.target import Target
from tests.probes.dnslook import FQDN, look
from tests.rig.dnsservers import Bind, Unbound, Zone
from tests.rig.rig import Rig

pytestmark = pytest.mark.real

AT, RESOLVER, OTHER = "192.0.2.53", "192.0.2.54", "192.0.2.55"
PRIVATE = "10.20.30.40"


def zone(*records: str, nameservers: tuple[tuple[str, str], ...] = (("ns1", AT),)) -> Zone:
    return Zone("example.test", records, nameservers=nameservers)


def resolver(rig: Rig, *options: str) -> tuple[str, int]:
    server = rig.nameserver(RESOLVER)
    rig.start(Unbound((server,), (("example.test", (rig.nameserver(AT),)),), options=options))
    return server


def test_a_cache_that_holds_a_replaced_record(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    authority = rig.nameserver(AT)
    before = rig.start(Bind((authority,), (zone("keys 86400 IN A 198.51.100.11"),)))
    server = resolver(rig)
    assert rig.client.call(look, None, server).addresses == ("198.51.100.11",)
    before.stop()
    rig.start(Bind((authority,), (zone("keys 60 IN A 198.51.100.12"),)))
    seen = rig.client.call(look, None, server)
    assert seen.codes() == {"DNS016"}
    assert seen.addresses == ("198.51.100.11",)  # where clients are led


def test_a_filter_is_seen_and_its_address_left_alone(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    rig.start(Bind((rig.nameserver(AT),), (zone("keys 60 IN A 198.51.100.11"),)))
    server = resolver(rig, f'local-zone: "{FQDN}." redirect', f'local-data: "{FQDN}. 2 IN A 0.0.0.0"')
    seen = rig.client.call(look, None, server)
    assert seen.codes() == {"DNS017"}
    assert seen.addresses == ()


def test_rebinding_protection_is_told_from_a_name_without_an_address(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    rig.start(Bind((rig.nameserver(AT),), (zone(f"keys 60 IN A {PRIVATE}"),)))
    seen = rig.client.call(look, None, resolver(rig, "private-address: 10.0.0.0/8"))
    assert "DNS018" in seen.codes()


def test_dns64(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    rig.start(Bind((rig.nameserver(AT),), (zone("keys 60 IN A 198.51.100.11"),)))
    server = resolver(rig, 'module-config: "dns64 iterator"', "dns64-prefix: 64:ff9b::/96")
    assert rig.client.call(look, None, server).codes() == {"DNS019"}


def test_a_lame_server(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    both = zone("keys 60 IN A 198.51.100.11", nameservers=(("ns1", AT), ("ns2", OTHER)))
    rig.start(Bind((rig.nameserver(AT),), (both,)))
    rig.start(Bind((rig.nameserver(OTHER),), (), name="lame"))
    seen = rig.client.call(look, None, resolver(rig))
    assert seen.codes() == {"DNS020"}


def test_a_made_up_name_is_asked_for_below_a_suffix_that_finds_something(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    rig.start(Bind((rig.nameserver(AT),), (zone("*.corp 60 IN A 198.51.100.11", "typo 60 IN TXT x"),)))
    root = rig.directory / "desktop"
    (root / "etc").mkdir(parents=True)
    (root / "etc/resolv.conf").write_text(f"nameserver {AT}\nsearch corp.example.test\n")
    seen = rig.client.call(look, Target("kyes.example.test"), root=root)
    made_up = [one for one in seen.of(DnsAnswer) if one.purpose == "probe"]
    assert [one.records for one in made_up] == [("198.51.100.11",)]
    assert "DNS011" in seen.codes()
