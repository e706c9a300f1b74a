"""The DNS probe on real name servers: what each of them does with several addresses is seen for what it is."""

from __future__ import annotations

import pytest

from semscheck.model.analysis import Rotation
from semscheck.model.findings import State
from semscheck.model.observations import Bound, Delegation, DnsAnswer, NameServer, Route, SystemResolution
from semscheck.model.target import Endpoint, Member, Target
from tests.probes.dnslook import FQDN, look
from tests.rig.clients import dig
from tests.rig.dnsservers import Bind, Dnsmasq, PowerDNS, Unbound, Zone, pick_random
from tests.rig.rig import Rig

pytestmark = pytest.mark.real

THREE = ("198.51.100.11", "198.51.100.12", "198.51.100.13")
SIX = ("2001:db8:2::11", "2001:db8:2::12")
ONE = "192.0.2.100"


def records(name: str, addresses: tuple[str, ...], ttl_s: int = 60) -> tuple[str, ...]:
    return tuple(f"{name} {ttl_s} IN {'AAAA' if ':' in one else 'A'} {one}" for one in addresses)


def zone(*addresses: str, more: tuple[str, ...] = (), nameserver: str = "192.0.2.53") -> Zone:
    return Zone("example.test", (*records("keys", addresses), *more), nameservers=(("ns1", nameserver),))


@pytest.mark.parametrize(
    ("order", "rotation", "codes"),
    [
        ("cyclic", Rotation.ORDER, {"DNS004"}),
        ("random", Rotation.ORDER, {"DNS004"}),
        (None, Rotation.ORDER, {"DNS004"}),
        ("none", Rotation.FIXED, {"DNS005"}),
    ],
)
def test_bind_rotates_as_told(rig: Rig, order: str | None, rotation: Rotation, codes: set[str]) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (zone(*THREE),), order=order))  # type: ignore[arg-type]
    seen = rig.client.call(look, None, server)
    assert seen.analysis.rotation is rotation
    assert seen.analysis.rotation_v4 is rotation
    assert seen.analysis.addresses == THREE
    assert seen.codes() == codes
    assert len(seen.answers()) == 8
    assert [one.repetition for one in seen.answers()] == list(range(8))


def test_one_address_is_no_finding_and_is_asked_as_often(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (zone(ONE),), order="cyclic"))
    seen = rig.client.call(look, None, server)
    assert seen.analysis.rotation is Rotation.NONE
    assert seen.codes() == set()
    assert (len(seen.answers("A")), len(seen.answers("AAAA"))) == (8, 2)
    assert {one.records for one in seen.answers("AAAA")} == {()}
    assert seen.addresses == (ONE,)
    assert seen.state("DNS004") is State.PASS
    assert (seen.analysis.min_ttl_s, seen.analysis.authority_ttl_s) == (60, 60)


def test_both_families_are_judged_apart(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (zone(ONE, *SIX),), order="cyclic"))
    seen = rig.client.call(look, None, server)
    assert (seen.analysis.rotation_v4, seen.analysis.rotation_v6) == (Rotation.NONE, Rotation.ORDER)
    assert seen.analysis.rotation is Rotation.ORDER
    assert seen.analysis.addresses == (ONE, *SIX)
    assert {route.address for route in seen.of(Route)} == {ONE, *SIX}


def test_a_family_that_is_left_out_is_not_asked_for(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (zone(ONE, *SIX),), order="cyclic"))
    seen = rig.client.call(look, Target(fqdn=FQDN, families=(4,)), server)
    assert {one.record_type for one in seen.of(DnsAnswer)} == {"A"}
    assert seen.addresses == (ONE,)


@pytest.mark.parametrize(("rotate", "rotation"), [(True, Rotation.ORDER), (False, Rotation.FIXED)])
def test_unbound_derives_the_order_from_the_query_id(rig: Rig, rotate: bool, rotation: Rotation) -> None:
    authority, resolver = rig.nameserver("192.0.2.53"), rig.nameserver("192.0.2.54")
    rig.start(Bind((authority,), (zone(*THREE, nameserver="192.0.2.99"),), order="none"))
    rig.start(Unbound((resolver,), (("example.test", (authority,)),), rotate=rotate))
    seen = rig.client.call(look, None, resolver, timeout_s=1)
    [at_resolver] = [one for one in seen.analysis.resolvers if not one.authority]
    assert at_resolver.rotation is rotation


@pytest.mark.parametrize(("rotate", "rotation"), [(True, Rotation.ORDER), (False, Rotation.FIXED)])
def test_dnsmasq(rig: Rig, rotate: bool, rotation: Rotation) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Dnsmasq((server,), hosts=((FQDN, THREE),), rotate=rotate))
    seen = rig.client.call(look, None, server)
    assert seen.analysis.rotation is rotation
    assert set(seen.analysis.addresses) == set(THREE)


@pytest.mark.parametrize("cache_s", [0, 20])
def test_powerdns_shuffles_whatever_it_keeps(rig: Rig, cache_s: int) -> None:
    """Its packet cache gives the same shuffled packet for 20 s, to queries that are alike."""
    server = rig.nameserver("192.0.2.53")
    rig.start(PowerDNS((server,), (zone(*THREE),), options=(f"cache-ttl={cache_s}",)))
    seen = rig.client.call(look, None, server)
    assert seen.analysis.rotation is Rotation.ORDER
    assert seen.codes() == {"DNS004"}


def test_powerdns_without_our_varied_queries_would_look_fixed(rig: Rig) -> None:
    """The control of the test above: alike queries, as dig sends them, get one kept packet again and again."""
    server = rig.nameserver("192.0.2.53")
    rig.start(PowerDNS((server,), (zone(*THREE),), options=("cache-ttl=20",)))
    assert len({dig(rig, server, FQDN).data() for _ in range(8)}) == 1
    varied = {dig(rig, server, FQDN, "A", f"+bufsize={1232 - 4 * n}").data() for n in range(8)}
    assert len(varied) > 1


def test_powerdns_that_picks_at_random_flips(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(PowerDNS((server,), (zone(more=(pick_random("keys", 5, THREE),)),)))
    seen = rig.client.call(look, None, server)
    assert seen.analysis.rotation is Rotation.FLIPS
    assert seen.codes() == {"DNS006"}
    assert all(len(one.records) == 1 for one in seen.answers())


def test_flips_behind_a_cache_are_seen_at_the_zones_own_server(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    authority, resolver = rig.nameserver("192.0.2.53"), rig.nameserver("192.0.2.54")
    rig.start(PowerDNS((authority,), (zone(more=(pick_random("keys", 60, THREE),)),)))
    rig.start(Unbound((resolver,), (("example.test", (authority,)),)))
    seen = rig.client.call(look, None, resolver)
    by_role = {one.authority: one for one in seen.analysis.resolvers}
    assert by_role[False].rotation is Rotation.NONE
    assert by_role[True].rotation is Rotation.FLIPS
    assert by_role[True].server_name == "ns1.example.test"
    assert seen.analysis.rotation is Rotation.FLIPS
    assert seen.codes() == {"DNS006"}
    [delegation] = seen.of(Delegation)
    assert delegation.zone == "example.test"
    assert delegation.servers == (NameServer("ns1.example.test", ("192.0.2.53",)),)
    assert all("RD" not in one.flags for one in seen.answers(role="authority"))


def test_the_zones_server_that_is_not_reachable_from_here_costs_one_time_out(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    authority, resolver = rig.nameserver("192.0.2.53"), rig.nameserver("192.0.2.54")
    rig.start(Bind((authority,), (zone(ONE),)))
    rig.start(Unbound((resolver,), (("example.test", (authority,)),)))
    rig.network.blackhole("192.0.2.53", from_client_only=True)
    seen = rig.client.call(look, None, resolver, timeout_s=1)
    direct = seen.of(DnsAnswer)
    failed = [one for one in direct if one.role == "authority"]
    assert {one.repetition for one in failed} == {0}
    assert {one.failure.cause.value for one in failed if one.failure} == {"timed-out"}
    assert seen.analysis.rotation is Rotation.NONE
    assert seen.codes() == set()


def test_aliases_are_followed_to_the_zone_that_holds_the_addresses(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    outer, inner = rig.nameserver("192.0.2.53"), rig.nameserver("192.0.2.55")
    resolver = rig.nameserver("192.0.2.54")
    rig.start(Bind((outer,), (zone(more=("keys 300 IN CNAME keys.gslb.test.",)),)))
    balanced = Zone("gslb.test", (pick_random("keys", 5, THREE),), nameservers=(("ns1", "192.0.2.55"),))
    rig.start(PowerDNS((inner,), (balanced,)))
    rig.start(Unbound((resolver,), (("example.test", (outer,)), ("gslb.test", (inner,)))))
    seen = rig.client.call(look, None, resolver)
    assert seen.analysis.cname == ("keys.gslb.test",)
    assert seen.of(Delegation)[0].zone == "gslb.test"
    assert seen.codes() == {"DNS006"}


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("nobody.example.test", {"DNS001"}),
        ("mailonly.example.test", {"DNS002"}),
        ("dangling.example.test", {"DNS012"}),
        ("www.example.com", {"DNS003"}),  # refused
        ("www.broken.test", {"DNS003"}),  # server failure
    ],
)
def test_names_that_lead_nowhere_are_told_apart(rig: Rig, name: str, codes: set[str]) -> None:
    server = rig.nameserver("192.0.2.53")
    own = zone(more=("mailonly IN TXT hello", "dangling IN CNAME nobody"))
    rig.start(Bind((server,), (own,), broken=("broken.test",)))
    seen = rig.client.call(look, Target(fqdn=name), server, timeout_s=2)
    assert seen.codes() == codes
    assert seen.addresses == ()
    assert max(one.repetition for one in seen.answers()) == 1


def test_two_resolvers_that_disagree_are_not_a_rotation(rig: Rig) -> None:
    one, other = rig.nameserver("192.0.2.53"), rig.nameserver("192.0.2.54")
    rig.start(Bind((one,), (zone("192.0.2.100"),)))
    rig.start(Bind((other,), (zone("192.0.2.101", nameserver="192.0.2.54"),)))
    seen = rig.client.call(look, None, one, other)
    assert seen.analysis.rotation is Rotation.NONE
    assert seen.codes() == {"DNS007"}
    assert set(seen.addresses) == {"192.0.2.100", "192.0.2.101"}


def test_bursts_are_not_mixed(rig: Rig) -> None:
    """The server's own log has seven questions of one kind in a row, whatever else was asked of it."""
    server = rig.nameserver("192.0.2.53")
    target = Target(fqdn=FQDN, members=tuple(Member(f"sems{n}.example.test") for n in range(1, 4)))
    asked = zone(*THREE, *SIX, more=("sems1 IN A 192.0.2.11", "sems2 IN A 192.0.2.12"))
    started = rig.start(Dnsmasq((server,), hosts=((FQDN, (*THREE, *SIX)),), options=("log-queries",)))
    assert asked.records
    rig.client.call(look, target, server)
    log = started.log(1_000_000)
    queries = [
        (line.split("query[")[1].split("]")[0], line.split("] ")[1].split(" ")[0])
        for line in log.splitlines()
        if "query[" in line
    ]
    runs: list[tuple[tuple[str, str], int]] = []
    for query in queries:
        if runs and runs[-1][0] == query:
            runs[-1] = (query, runs[-1][1] + 1)
        else:
            runs.append((query, 1))
    assert (("A", FQDN), 7) in runs or (("A", FQDN), 8) in runs
    assert (("AAAA", FQDN), 7) in runs or (("AAAA", FQDN), 8) in runs


def test_a_silent_resolver_is_left_alone_and_does_not_hold_the_other(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    live = rig.nameserver("192.0.2.53")
    rig.start(Bind((live,), (zone(ONE),)))
    rig.network.blackhole("192.0.2.66")
    seen = rig.client.call(look, None, ("192.0.2.66", 53), live, timeout_s=2)
    silent = [one for one in seen.of(DnsAnswer) if one.server == "192.0.2.66:53"]
    assert {(one.record_type, one.repetition) for one in silent} == {("A", 0), ("AAAA", 0)}
    given_up_s = min(one.at_s + (one.elapsed_s or 0) for one in silent)
    assert seen.heard[0][0] < given_up_s
    assert all(one.at_s < given_up_s for one in seen.of(DnsAnswer))  # nothing waited for it
    assert seen.codes() == {"DNS003"}
    assert [f.severity.value for f in seen.judged()[0] if f.code == "DNS003"] == ["warning"]


def test_no_resolver_at_all_is_critical(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    rig.network.blackhole("192.0.2.66")
    rig.network.reject("192.0.2.67", "port-unreachable")
    seen = rig.client.call(look, None, ("192.0.2.66", 53), ("192.0.2.67", 53), timeout_s=1)
    causes = {one.server: one.failure.cause.value for one in seen.of(DnsAnswer) if one.failure}
    assert causes == {"192.0.2.66:53": "timed-out", "192.0.2.67:53": "refused"}
    assert seen.of(Delegation)[0].failure is not None
    assert seen.codes() == {"DNS003"}
    assert {f.severity.value for f in seen.judged()[0] if f.code == "DNS003"} == {"critical"}
    assert seen.state("DNS001") is State.NOT_OBSERVED


def test_the_systems_resolvers_search_list_and_own_answer(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    server = rig.nameserver("192.0.2.53")
    rig.start(Dnsmasq((server,), hosts=((FQDN, (ONE,)),), options=("local=//", "local=/test/")))
    rig.network.resolvers("192.0.2.53", search=("corp.test", "example.test"))
    seen = rig.client.call(look, Target(fqdn="keys"))
    assert seen.addresses == (ONE,)
    assert [one.addresses for one in seen.of(SystemResolution)] == [(ONE,)]
    assert {one.name for one in seen.of(DnsAnswer) if one.purpose == "suffix"} == {
        "keys.corp.test",
        "keys.example.test",
    }
    assert seen.analysis.addresses == (ONE,)
    assert seen.codes() == {"DNS011"}


def test_a_name_found_only_with_a_suffix(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    server = rig.nameserver("192.0.2.53")
    corp = Zone("corp.test", ("keys.example IN A 192.0.2.100",))
    rig.start(Bind((server,), (corp, Zone("example", ("other IN A 192.0.2.9",)))))
    rig.network.resolvers("192.0.2.53", search=("corp.test",))
    seen = rig.client.call(look, Target(fqdn="keys.example"))
    assert seen.analysis.addresses == (ONE,)
    assert seen.codes() == {"DNS011"}


def test_the_hosts_file_is_the_systems_answer_and_not_the_servers(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (zone(ONE),)))
    rig.network.resolvers("192.0.2.53")
    rig.network.hosts(f"127.0.0.1 localhost\n192.0.2.77 {FQDN}\n")
    seen = rig.client.call(look)
    assert seen.analysis.system == ("192.0.2.77",)
    assert set(seen.addresses) == {ONE, "192.0.2.77"}
    assert seen.codes() == {"DNS013"}  # the hosts file itself is looked at elsewhere


def test_members_names(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    rig.start(Bind((server,), (zone(ONE, more=("sems1 IN A 192.0.2.11", "sems2 IN A 192.0.2.99")),)))
    members = tuple(
        Member(f"sems{n}.example.test", replication=(Endpoint(f"192.0.2.1{n}"),)) for n in range(1, 4)
    )
    seen = rig.client.call(look, Target(fqdn=FQDN, members=members, balancers=(ONE,)), server)
    found, _ = seen.judged()
    assert [(f.subject.name, f.severity.value) for f in found if f.code == "DNS014"] == [
        ("sems2.example.test", "warning"),
        ("sems3.example.test", "info"),
    ]


def test_an_answer_too_large_for_a_datagram_comes_over_tcp_and_is_bounded(rig: Rig) -> None:
    server = rig.nameserver("192.0.2.53")
    many = tuple(f"198.18.{n // 250}.{n % 250 + 1}" for n in range(2500))
    rig.start(Bind((server,), (zone(*many),), order="cyclic", options=("max-records-per-type 0;",)))
    seen = rig.client.call(look, None, server)
    assert {one.transport for one in seen.answers()} == {"tcp"}
    assert all(len(one.records) == 64 for one in seen.answers())
    assert [(b.seen, b.used) for b in seen.of(Bound)] == [(2500, 64)]
    assert len(seen.answers()) == 3
    assert seen.codes() == {"DNS004"}


def test_a_burst_is_sent_without_waiting_for_each_answer(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.rig.process import MissingError
    from tests.rig.rig import open_rig

    try:
        opening = open_rig(tmp_path_factory.mktemp("slow"), delay_ms=20, namespaces_only=True)
        with opening as rig:
            server = rig.nameserver("192.0.2.53")
            rig.start(Bind((server,), (zone(ONE),)))
            seen = min((rig.client.call(look, None, server) for _ in range(3)), key=lambda one: one.took_s)
    except MissingError as missing:
        pytest.skip(str(missing))
    first, *burst = sorted(seen.answers(), key=lambda one: one.at_s)
    assert seen.heard[0][0] >= 0.04
    assert first.elapsed_s is not None
    # The burst does not wait for one answer after the other: most of it has left before its first answer comes.
    answered_s = min(one.at_s + (one.elapsed_s or 0) for one in burst)
    assert sum(one.at_s < answered_s for one in burst) >= 4
