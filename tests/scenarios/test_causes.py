"""What stands in the first lines for troubles of every kind: real servers, name servers and packet filters.

A row of `docs/domain.md` section 7 or of the catalogue each; the leader, its owner, and words of the sentence.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from http.client import HTTPSConnection

import pytest

from semscheck.model.target import Endpoint
from semscheck.report.text.page import render
from tests.balancers.stand import FQDN
from tests.rig.balancers import Backend, HAProxy
from tests.rig.dnsservers import Bind, Zone
from tests.rig.members import LOGIN_PATH, Interface, NginxMember, Page, titled
from tests.scenarios.cluster import Cluster, Told

pytestmark = pytest.mark.real

# --- the way there ------------------------------------------------------------------------------------------------


def test_no_way_to_anything(cluster: Cluster) -> None:
    with cluster.serving(), cluster.running(HAProxy(cluster.listen, cluster.backends)):
        for address in (cluster.vip, *cluster.clients, *cluster.replications):
            cluster.rig.network.blackhole(address)
        cluster.see(Told("NET008", "desktop", "nobody-connects", "VPN"))


def test_only_the_way_to_the_balancer_is_closed(cluster: Cluster) -> None:
    with cluster.serving():
        cluster.rig.network.blackhole(cluster.vip)
        cluster.see(Told("NET002", "balancer", "nobody-connects", "SNAT"))


def test_one_member_is_silent_and_its_neighbours_answer(cluster: Cluster) -> None:
    with cluster.serving(), cluster.running(HAProxy(cluster.listen, cluster.backends[:1])):
        cluster.rig.network.blackhole(cluster.clients[1])
        cluster.see(Told("NET002", "server", "no-redundancy", "sems2"))


def test_members_out_of_reach_are_one_remark(cluster: Cluster) -> None:
    with cluster.serving(), cluster.running(HAProxy(cluster.listen, cluster.backends[:1])):
        for address in (*cluster.clients, *cluster.replications):
            cluster.rig.network.blackhole(address, from_client_only=True)
        report = cluster.check(cluster.aim()).report
    severities = {finding.severity.value for finding in report.findings}
    assert not severities & {"warning", "critical"}, render(report)
    assert "NET010" in {finding.code for finding in report.findings}


def test_banned_in_the_middle(cluster: Cluster) -> None:
    def ban() -> None:
        cluster.rig.network.blackhole(cluster.vip)

    with cluster.serving(), cluster.running(HAProxy(cluster.listen, cluster.backends[:1])):
        cluster.see(
            Told("NET012", "network", "not-tested", "limit on connections"),
            before={(cluster.vip, 14): ban},
        )


def test_only_the_proxy_gets_out(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://192.0.2.90:3128")
    with cluster.serving():
        for address in (cluster.vip, *cluster.clients, *cluster.replications):
            cluster.rig.network.blackhole(address)
        cluster.see(Told("NET013", "network", "not-tested", "proxy"))


def drops_large(cluster: Cluster) -> None:
    """A path that carries packets of 600 bytes at most, and tells nobody (RFC 2923 section 2.1)."""
    rule = "table inet mtu { chain c { type filter hook input priority 0; tcp sport 443 meta length > 600 drop; }; }"
    done = cluster.rig.client.run("nft", "-f", "-", stdin=rule)
    assert done.returncode == 0, done.stderr


def test_large_packets_are_lost_on_the_way(cluster: Cluster) -> None:
    with cluster.serving(), cluster.running(HAProxy(cluster.listen, cluster.backends[:1])):
        drops_large(cluster)
        try:
            cluster.see(Told("TLS003", "network", "nobody-connects", "MTU"))
        finally:
            cluster.rig.client.run("nft", "delete", "table", "inet", "mtu")


def test_every_address_refuses(cluster: Cluster) -> None:
    with cluster.serving():
        for address in (cluster.vip, *cluster.clients, *cluster.replications):
            cluster.rig.network.reject(address, "tcp-reset")
        cluster.see(Told("NET001", "server", "nobody-connects", "another network"))


@pytest.mark.parametrize("health", [True, False])
def test_nobody_is_up_behind_a_balancer_that_passes_tls_through(cluster: Cluster, health: bool) -> None:
    """HAProxy closes, or tries the dead ones until the client gives up."""
    with cluster.running(HAProxy(cluster.listen, cluster.backends, check=health)):
        checked = cluster.check(cluster.aim())
    lead = checked.report.summary.lead
    assert lead is not None
    assert checked.report.findings[lead].code in ("TLS002", "TLS003"), checked.said
    assert [owner.value for owner in checked.report.summary.owners] == ["server"]
    assert "Start the services" in checked.report.summary.first_step


def test_the_name_leads_past_the_balancer_that_serves(cluster: Cluster) -> None:
    """Another view of the zone, or a record that was not changed: not the load balancer's trouble."""
    second = ((cluster.second_vip, cluster.port),)
    with cluster.serving(), cluster.running(HAProxy(second, cluster.backends[:1])):
        cluster.rig.network.blackhole(cluster.vip)
        cluster.see(Told("DNS010", "dns", "nobody-connects", "view"), balancers=(cluster.second_vip,))


def test_the_proxy_protocol_towards_servers_that_do_not_know_it(cluster: Cluster) -> None:
    class Announcing(HAProxy):
        def _server(self, member: Backend) -> str:
            return f"{HAProxy._server(self, member)} send-proxy"

    with cluster.serving(), cluster.running(Announcing(cluster.listen, cluster.backends)):
        cluster.see(Told("TLS001", "balancer", "nobody-connects", "PROXY"))


# --- pages --------------------------------------------------------------------------------------------------------


def test_a_portal_that_shows_its_certificate_everywhere(cluster: Cluster) -> None:
    portal = cluster.rig.authority.issue("wifi.hotel.example", ["wifi.hotel.example"])
    with cluster.serving(portal, portal), cluster.running(HAProxy(cluster.listen, cluster.backends)):
        cluster.see(Told("NET016", "network", "nobody-connects", "captive portal"))


def test_a_portal_by_name_only(cluster: Cluster) -> None:
    portal = cluster.rig.authority.issue("wifi.hotel.example", ["wifi.hotel.example"])
    pages = {"/": Page(status=302, location="https://wifi.hotel.example/login")}
    with cluster.serving(portal, pages=pages), cluster.running(HAProxy(cluster.listen, cluster.backends)):
        cluster.see(
            Told("NET016", "network", "nobody-connects", "wifi.hotel.example"), members=(), balancers=()
        )


def test_the_wrong_certificate_everywhere_for_clients_is_no_portal(cluster: Cluster) -> None:
    other = cluster.rig.authority.issue("old.example.test", ["old.example.test"])
    with cluster.serving(other), cluster.running(HAProxy(cluster.listen, cluster.backends[:1])):
        cluster.see(Told("CRT001", "server", "nobody-connects", "old.example.test"))


def _first_page(address: str, port: int) -> None:
    """Waits for it: until the load balancer knows that its servers are down, it tries them again for seconds."""
    page = HTTPSConnection(address, port, timeout=30, context=ssl._create_unverified_context())
    page.request("GET", "/")
    assert page.getresponse().status == 503


def test_the_balancers_own_page_while_no_server_is_up(cluster: Cluster) -> None:
    balancer = HAProxy(cluster.listen, cluster.backends, certificate=cluster.certificate, check=True)
    with cluster.running(balancer):
        cluster.rig.client.call(lambda: _first_page(cluster.vip, cluster.port))
        cluster.see(Told("CLU010", "server", "nobody-connects", "none of the servers answers"))


def test_a_client_certificate_is_demanded_after_the_handshake(cluster: Cluster) -> None:
    interface = Interface(cluster.vip, cluster.port, cluster.certificate, client_certificate="required")
    with cluster.running(NginxMember("demanding", (interface,))):
        cluster.see(
            Told("CLU011", "server", "nobody-connects", "client certificate"), members=(), balancers=()
        )


def test_a_firewall_rejects_the_request(cluster: Cluster) -> None:
    page = Page(titled("Request Rejected"))
    with (
        cluster.serving(pages={"/": page, LOGIN_PATH: page}),
        cluster.running(HAProxy(cluster.listen, cluster.backends[:1])),
    ):
        cluster.see(Told("CLU012", "network", "not-tested", "User-Agent"), members=())


@pytest.mark.parametrize(
    ("location", "impact", "says"),
    [
        (f"http://{FQDN}{LOGIN_PATH}", "some-clients-cannot", "plain HTTP"),
        (f"https://sems1.example.test{LOGIN_PATH}", "some-clients-cannot", "past the load balancer"),
    ],
)
def test_where_the_first_page_sends(cluster: Cluster, location: str, impact: str, says: str) -> None:
    pages = {"/": Page(status=302, location=location), LOGIN_PATH: Page(titled("PGP Universal"))}
    with cluster.serving(pages=pages), cluster.running(HAProxy(cluster.listen, cluster.backends[:1])):
        cluster.see(Told("CLU008", "server", impact, says))


def test_the_path_of_the_balancers_cookie(cluster: Cluster) -> None:
    @dataclass(frozen=True, slots=True)
    class Narrow(HAProxy):
        def _cookies(self) -> list[str]:
            return ['  cookie SRV insert indirect nocache attr "Path=/b"']

        def _server(self, member: Backend) -> str:
            return f"{HAProxy._server(self, member)} cookie {member.name}"

    with (
        cluster.serving(),
        cluster.running(Narrow(cluster.listen, cluster.backends, certificate=cluster.certificate)),
    ):
        checked = cluster.check(cluster.aim())
    assert "CLU013" in checked.codes, checked.said


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.77"])
def test_the_hosts_file_leads_to_nothing(cluster: Cluster, address: str) -> None:
    """DNS is right, and what serves there is not what programs of this desktop are led to."""
    network = cluster.rig.network
    with cluster.serving(), cluster.running(HAProxy(cluster.listen, cluster.backends[:1])):
        network.resolvers(cluster.nameserver[0])
        network.hosts(f"127.0.0.1 localhost\n{address} {FQDN}\n")
        try:
            cluster.see(Told("CLT003", "desktop", "nobody-connects", "hosts"), resolvers=())
        finally:
            network.hosts("127.0.0.1 localhost\n")


def test_the_hosts_file_leads_to_a_server(cluster: Cluster) -> None:
    network = cluster.rig.network
    with cluster.serving(), cluster.running(HAProxy(cluster.listen, cluster.backends[:1])):
        network.hosts(f"127.0.0.1 localhost\n{cluster.clients[2]} {FQDN}\n")
        try:
            cluster.see(Told("CLT003", "desktop", "nothing-noticed", "hosts"))
        finally:
            network.hosts("127.0.0.1 localhost\n")


def test_ipv6_gets_nowhere_and_ipv4_works(cluster: Cluster) -> None:
    """Two hosts at least, so that it is no one server's trouble."""
    rig = cluster.rig
    address, port = rig.nameserver("192.0.2.54")
    six = [rig.address(f"2001:db8:5::{n}") for n in (100, 11, 12)]
    records = (f"keys 60 IN A {cluster.vip}", f"keys 60 IN AAAA {six[0]}")
    members = [
        replace(member, client=(*member.client, Endpoint(at, cluster.port)))
        for member, at in zip(cluster.aim().members, six[1:], strict=False)
    ]
    zone = Zone("example.test", records, nameservers=(("ns1", address),))
    with (
        cluster.serving(),
        cluster.running(HAProxy(cluster.listen, cluster.backends[:1])),
        cluster.running(Bind(((address, port),), (zone,), order="fixed")),
    ):
        for one in six:
            rig.network.blackhole(one)
        cluster.see(
            Told("NET009", "network", "slow", "IPv6"),
            families=(4, 6),
            members=tuple(members),
            resolvers=(Endpoint(address, port),),
            balancers=(cluster.vip, six[0]),
        )
