"""What stands in the first lines for troubles that people reported in public, mostly with only the name known."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509

from semscheck.model.findings import Severity
from semscheck.model.target import Endpoint, Thresholds
from tests.balancers.stand import DOMAIN, FQDN, Checked
from tests.rig.balancers import HAProxy
from tests.rig.certs import Authority, Issued
from tests.rig.dnsservers import Bind, Dnsmasq, Unbound, Zone
from tests.rig.members import LOGIN_PATH, LOGIN_TITLE, Interface, NginxMember, Page, titled
from tests.rig.rig import Software
from tests.scenarios.cluster import Cluster, Told

pytestmark = pytest.mark.real

NAME_ONLY: dict[str, object] = {"members": (), "balancers": ()}


@dataclass(frozen=True, slots=True)
class Front(HAProxy):
    """HAProxy that ends TLS, with further lines of its frontend."""

    more: tuple[str, ...] = ()

    def _config(self, directory: object) -> str:
        text = HAProxy._config(self, directory)  # type: ignore[arg-type]
        return text.replace("  default_backend members", "\n".join((*self.more, "  default_backend members")))


@contextmanager
def served(
    cluster: Cluster, *software: Software, certificate: Issued | None = None, **member: object
) -> Iterator[None]:
    """All members behind a balancer that passes TLS through to the first, and more."""
    with ExitStack() as stack:
        stack.enter_context(cluster.serving(certificate, **member))
        for one in software or (HAProxy(cluster.listen, cluster.backends[:1]),):
            stack.enter_context(cluster.running(one))
        yield


@contextmanager
def asking(cluster: Cluster, number: int, *records: str, **more: object) -> Iterator[tuple[Endpoint, ...]]:
    """A BIND of its own for the zone: its address as the resolver to ask."""
    place = cluster.rig.nameserver(f"192.0.2.{number}")
    zone = Zone(DOMAIN, records, nameservers=(("ns1", place[0]),))
    with cluster.running(Bind((place,), (zone,), order="none", **more)):  # type: ignore[arg-type]
        yield (Endpoint(*place),)


@contextmanager
def filtered(cluster: Cluster, rule: str, verdict: str = "drop") -> Iterator[None]:
    """What comes to the servers goes through one more rule of a packet filter."""
    table = f"table inet reported {{ chain c {{ type filter hook input priority 0; {rule} {verdict}; }}; }}"
    done = cluster.rig.network.servers.run("nft", "-f", "-", stdin=table)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        cluster.rig.network.servers.run("nft", "delete", "table", "inet", "reported")


def severities(checked: Checked) -> dict[str, Severity]:
    return {f.code: f.severity for f in checked.report.findings if f.caused_by is None}


# --- the way -------------------------------------------------------------------------------------------------------


def test_one_of_three_behind_the_address_is_dead(cluster: Cluster) -> None:
    """A balancer in the kernel without health checks: every third connection is refused."""
    network = cluster.rig.network
    kernel = cluster.rig.address("192.0.2.110")
    with cluster.serving():
        network.balance(kernel, cluster.port, cluster.clients)
        network.reject(cluster.clients[1], "tcp-reset")
        with asking(cluster, 68, f"keys 60 IN A {kernel}") as resolvers:
            told = Told("BAL012", "balancer", "some-fail", "every third one: one of 3 servers")
            cluster.see(told, **NAME_ONLY, resolvers=resolvers)


def test_what_goes_away_and_comes_back(cluster: Cluster) -> None:
    """From one connection on refused, from another on served again, twice; the first time too short for a ban."""
    network = cluster.rig.network
    down = {(cluster.vip, n): lambda: network.reject(cluster.vip, "tcp-reset") for n in (14, 22)}
    up = {(cluster.vip, n): network.clear for n in (17, 30)}
    with served(cluster):
        told = Told("BAL012", "server", "some-fail", "in blocks .*comes back")
        cluster.see(told, **NAME_ONLY, before=down | up)


def test_this_desktops_own_network_overlaps(cluster: Cluster) -> None:
    """A container network or a VPN of this desktop has the load balancer's addresses, too."""
    run = cluster.rig.client.run
    with served(cluster):
        made = [run("ip", *words.split()) for words in OVERLAP]
        assert all(one.returncode == 0 for one in made), [one.stderr for one in made]
        try:
            cluster.see(Told("NET011", "desktop", "nobody-connects", "172.17.0.1"))
        finally:
            run("ip", "link", "delete", "docker0")


OVERLAP = (
    "link add docker0 type veth peer name docker1",
    "address add 172.17.0.1/16 dev docker0",
    "link set docker0 up",
    "link set docker1 up",
    "route add 192.0.2.96/28 dev docker0 src 172.17.0.1",
)


# --- names ---------------------------------------------------------------------------------------------------------


def test_a_long_answer_and_tcp_53_closed(cluster: Cluster) -> None:
    records = [f"keys 60 IN A 192.0.2.{n}" for n in range(120, 200)]
    closed = filtered(cluster, "ip daddr 192.0.2.56 tcp dport 53")
    with served(cluster), asking(cluster, 56, *records) as resolvers, closed:
        told = Told("DNS003", "network", "nobody-connects", "TCP port 53")
        cluster.see(told, **NAME_ONLY, resolvers=resolvers)


def test_a_firewall_drops_what_it_does_not_know_in_dns(cluster: Cluster) -> None:
    """Programs do not send EDNS: their look-ups work."""
    # the count of additional records (RFC 1035 section 4.1.1), where EDNS stands
    with served(cluster), filtered(cluster, "udp dport 53 @th,144,16 != 0"):
        checked = cluster.check(cluster.aim())
    assert checked.report.summary.verdict.value == "ok", checked.said


def test_a_name_that_was_denied_a_moment_ago(cluster: Cluster) -> None:
    address = cluster.rig.nameserver("192.0.2.57")
    old = Zone(DOMAIN, (), nameservers=(("ns1", address[0]),), negative_ttl_s=600)
    cache = Unbound((cluster.rig.nameserver("192.0.2.58"),), ((DOMAIN, (address,)),))
    resolver = Endpoint(*cache.listen[0])
    with served(cluster), cluster.running(cache):
        with cluster.running(Bind((address,), (old,))):
            cluster.check(cluster.aim(resolvers=(resolver,), connections=0, **NAME_ONLY))
        with cluster.running(Bind((address,), (replace(old, records=(f"keys 60 IN A {cluster.vip}",)),))):
            told = Told("DNS001", "dns", "nobody-connects", "zone's own name servers have .*Flush")
            cluster.see(told, **NAME_ONLY, resolvers=(resolver,))


def test_a_secondary_that_was_not_transferred(cluster: Cluster) -> None:
    places = [cluster.rig.nameserver(f"192.0.2.{n}") for n in (59, 60)]
    servers = tuple((f"ns{n}", place[0]) for n, place in enumerate(places, 1))
    gone = cluster.rig.address("192.0.2.111")
    zones = [Zone(DOMAIN, (f"keys 60 IN A {a}",), nameservers=servers) for a in (cluster.vip, gone)]
    with ExitStack() as stack:
        stack.enter_context(served(cluster))
        for place, zone in zip(places, zones, strict=True):
            stack.enter_context(cluster.running(Bind((place,), (zone,))))
        cluster.rig.network.reject(gone, "tcp-reset")
        cache = Unbound((cluster.rig.nameserver("192.0.2.67"),), ((DOMAIN, tuple(places)),))
        stack.enter_context(cluster.running(cache))
        told = Told("DNS007", "dns", "some-fail", "zone transfer to 192.0.2.60")
        cluster.see(told, **NAME_ONLY, resolvers=(Endpoint(*cache.listen[0]),))


def test_an_alias_that_leads_back_to_itself(cluster: Cluster) -> None:
    with served(cluster), asking(cluster, 61, "keys 60 IN CNAME sems", "sems 60 IN CNAME keys") as resolvers:
        told = Told("DNS012", "dns", "nobody-connects", "leads back to itself")
        cluster.see(told, **NAME_ONLY, resolvers=resolvers)


def test_a_portal_that_answers_every_name_and_refuses_https(cluster: Cluster) -> None:
    place = cluster.rig.nameserver("192.0.2.62")
    portal = cluster.rig.address("192.0.2.99")
    cluster.rig.network.reject(portal, "tcp-reset")
    with served(cluster), cluster.running(Dnsmasq((place,), options=(f"address=/#/{portal}",))):
        cluster.rig.network.reject(portal, "tcp-reset")
        told = Told("NET016", "network", "nobody-connects", "captive portal")
        cluster.see(told, **NAME_ONLY, resolvers=(Endpoint(*place),))


def test_a_wildcard_of_the_zone_is_no_portal(cluster: Cluster) -> None:
    place = cluster.rig.address("192.0.2.98")
    with served(cluster), asking(cluster, 63, f"* 60 IN A {place}") as resolvers:
        cluster.rig.network.reject(place, "tcp-reset")
        checked = cluster.check(cluster.aim(resolvers=resolvers, **NAME_ONLY))
    assert "NET016" not in checked.codes, checked.said


def test_an_internal_address_without_the_vpn(cluster: Cluster) -> None:
    inside = cluster.rig.address("172.20.5.100")
    with served(cluster), asking(cluster, 64, f"keys 60 IN A {inside}") as resolvers:
        cluster.rig.network.blackhole(inside)
        told = Told("NET002", "network", "nobody-connects", "internal address: .*VPN")
        cluster.see(told, **NAME_ONLY, resolvers=resolvers)


def test_the_second_address_is_another_machine(cluster: Cluster) -> None:
    other = cluster.rig.authority.issue("intranet.example.test", ["intranet.example.test"])
    pages = {"/": Page(titled("Intranet")), LOGIN_PATH: Page(titled("Intranet"))}
    intranet = NginxMember("intranet", (Interface(cluster.second_vip, cluster.port, other),), pages=pages)
    records = [f"keys 60 IN A {address}" for address in (cluster.vip, cluster.second_vip)]
    balancer = HAProxy(cluster.listen, cluster.backends[:1])
    with served(cluster, balancer, intranet), asking(cluster, 65, *records) as resolvers:
        told = Told("CRT001", "dns", "some-fail", "another machine", lines=85)
        cluster.see(told, **NAME_ONLY, resolvers=resolvers)


def test_programs_get_no_address(cluster: Cluster) -> None:
    """The C library is set to ask over TCP, which is closed; name servers answer over UDP."""
    network, place = cluster.rig.network, cluster.nameserver[0]
    closed = filtered(cluster, f"ip daddr {place} tcp dport 53", "reject with tcp reset")
    with served(cluster), closed:
        network.resolvers(place, options=("use-vc", "timeout:1", "attempts:1"))
        cluster.see(Told("DNS021", "desktop", "nobody-connects", "get no address"), resolvers=())


def test_look_ups_that_take_longer_than_the_profile_allows(cluster: Cluster) -> None:
    with served(cluster):
        limits = Thresholds(lookup_slow_s=1e-5)
        cluster.see(Told("DNS022", "dns", "slow", "is slow"), thresholds=limits)


def test_the_system_uses_an_address_where_nothing_serves(cluster: Cluster) -> None:
    """It tries a search suffix first, below which a wildcard answers; name servers have the right address."""
    place, gone = cluster.rig.nameserver("192.0.2.69"), cluster.rig.address("192.0.2.97")
    servers = (("ns1", place[0]),)
    zones = (
        Zone(DOMAIN, (f"keys 60 IN A {cluster.vip}",), nameservers=servers),
        Zone("office.test", (f"* 60 IN A {gone}",), nameservers=servers),
    )
    with served(cluster), cluster.running(Bind((place,), zones)):
        cluster.rig.network.reject(gone, "tcp-reset")
        cluster.rig.network.resolvers(place[0], search=("office.test",), options=("ndots:5",))
        told = Told("DNS013", "desktop", "nobody-connects", "nothing serves there")
        cluster.see(told, resolvers=())


@dataclass(frozen=True, slots=True)
class SignedZone:
    name: str
    text: str


def signed(zone: Zone, directory: Path) -> tuple[SignedZone, str]:
    """A zone whose signatures have expired, and the key to trust."""
    (directory / "zone").write_text(zone.text)
    make = ("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", zone.name)
    key = subprocess.run(make, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()
    public = (directory / f"{key}.key").read_text()
    (directory / "zone").write_text(zone.text + public)
    sign = (
        "dnssec-signzone",
        "-q",
        "-P",
        "-z",
        "-o",
        zone.name,
        "-s",
        "20250101000000",
        "-e",
        "20250201000000",
    )
    subprocess.run((*sign, "-f", "signed", "zone", key), cwd=directory, check=True, capture_output=True)
    anchor = next(line for line in public.splitlines() if "DNSKEY" in line)
    return SignedZone(zone.name, (directory / "signed").read_text()), anchor


def test_signatures_of_the_zone_have_expired(cluster: Cluster, tmp_path: Path) -> None:
    place, cache = (cluster.rig.nameserver(f"192.0.2.{n}") for n in (70, 71))
    zone = Zone(DOMAIN, (f"keys 60 IN A {cluster.vip}",), nameservers=(("ns1", place[0]),))
    made, anchor = signed(zone, tmp_path)
    options = ('module-config: "validator iterator"', f"trust-anchor: '{anchor}'")
    validating = Unbound((cache,), ((DOMAIN, (place,)),), options=options)
    authority = Bind((place,), (made,))  # type: ignore[arg-type]
    with served(cluster), cluster.running(authority), cluster.running(validating):
        told = Told("DNS003", "dns", "nobody-connects", "DNSSEC")
        cluster.see(told, **NAME_ONLY, resolvers=(Endpoint(*cache),))


# --- TLS and certificates ------------------------------------------------------------------------------------------


def test_no_cipher_in_common(cluster: Cluster) -> None:
    class RsaOnly(NginxMember):
        def _tls(self, *of: object) -> list[str]:
            return [*NginxMember._tls(self, *of), "ssl_ciphers AES128-SHA:ECDHE-RSA-AES128-SHA;"]  # type: ignore[arg-type]

    interface = Interface(cluster.vip, cluster.port, cluster.certificate)
    with cluster.running(RsaOnly("rsa", (interface,), protocols=("TLSv1.2",))):
        cluster.see(Told("TLS002", "server", "nobody-connects", "no cipher in common"), **NAME_ONLY)


@pytest.mark.parametrize(
    ("name", "issued", "code", "says"),
    [
        (FQDN, {"common_name": FQDN, "eku": ("clientAuth",)}, "CRT017", "client authentication only"),
        ("keys.deep.example.test", {"common_name": "*.example.test"}, "CRT001", "one label only"),
    ],
)
def test_certificates_that_clients_refuse(
    cluster: Cluster, name: str, issued: dict[str, object], code: str, says: str
) -> None:
    certificate = cluster.rig.authority.issue(**issued)  # type: ignore[arg-type]
    records = [f"{name.removesuffix(f'.{DOMAIN}')} 60 IN A {cluster.vip}"]
    with served(cluster, certificate=certificate), asking(cluster, 66, *records) as resolvers:
        told = Told(code, "server", "nobody-connects", says)
        cluster.see(told, **NAME_ONLY, resolvers=resolvers, fqdn=name, fqdn_shown=name)


@pytest.mark.parametrize("code", ["CRT019", "CRT020", "CRT021", "CRT022"])
def test_certificates_that_some_clients_refuse(cluster: Cluster, tmp_path: Path, code: str) -> None:
    root = Authority.root("Second Root", key="rsa2048")
    certificate = {
        "CRT019": lambda: root.issue(FQDN, key="ed25519"),
        "CRT020": lambda: root.issue(FQDN, days=3000),
        "CRT021": lambda: root.issue(FQDN, pss=True),
        "CRT022": lambda: root.issue(FQDN).sending(expired_cross(root)),
    }[code]()
    with served(cluster, certificate=certificate):
        checked = cluster.check(cluster.aim(ca_file=str(root.write(tmp_path)), **NAME_ONLY))
    finding = checked.finding(code)
    assert (finding.severity, finding.owner.value) == (Severity.WARNING, "server"), checked.said
    assert checked.report.summary.impact.kind.value == "some-clients-cannot", checked.said


def expired_cross(root: Authority) -> x509.Certificate:
    """The root below an older one, whose time is over."""
    name = root.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    old = Authority.root("Old Root", key="rsa2048")
    return old.intermediate(str(name), key=root.key, days=-10, starts_days=-700).certificate


def test_pages_that_take_longer_than_the_profile_allows(cluster: Cluster) -> None:
    with served(cluster):
        limits = Thresholds(page_slow_s=1e-5)
        cluster.see(Told("CLU009", "server", "slow", "a page takes"), thresholds=limits)


# --- pages ---------------------------------------------------------------------------------------------------------


def in_front(cluster: Cluster, *more: str) -> Front:
    return Front(cluster.listen, cluster.backends[:1], certificate=cluster.certificate, more=more)


def test_a_redirect_to_itself(cluster: Cluster) -> None:
    pages = {"/": Page(status=302, location=f"https://{FQDN}/")}
    with served(cluster, in_front(cluster), pages=pages):
        told = Told("CLU008", "balancer", "nobody-connects", "X-Forwarded-Proto")
        cluster.see(told, **NAME_ONLY)


@pytest.mark.parametrize(
    ("status", "says"), [(403, "although the servers answer .*access lists"), (421, "421.*server name")]
)
def test_what_the_balancer_answers_itself(cluster: Cluster, status: int, says: str) -> None:
    with served(
        cluster, in_front(cluster, f"  http-request return status {status} content-type text/html string x")
    ):
        told = Told("CLU006", "balancer", "nobody-connects", says)
        cluster.see(told)


def test_answers_with_headers_too_large_for_the_balancer(cluster: Cluster) -> None:
    headers = tuple((f"X-Large-{n}", "x" * 900) for n in range(20))
    pages = {
        "/": Page(titled(LOGIN_TITLE), headers=headers),
        LOGIN_PATH: Page(titled(LOGIN_TITLE), headers=headers),
    }
    with served(cluster, in_front(cluster), pages=pages):
        cluster.see(Told("CLU006", "balancer", "nobody-connects", "status 502.*headers larger"))


def test_too_many_requests(cluster: Cluster) -> None:
    limit = (
        "  stick-table type ip size 10k expire 10m store http_req_cnt",
        "  http-request track-sc0 src",
        "  http-request deny deny_status 429 if { sc_http_req_cnt(0) gt 12 }",
    )
    with served(cluster, in_front(cluster, *limit)):
        checked = cluster.check(cluster.aim())
    assert severities(checked).get("NET012") is Severity.WARNING, checked.said
    assert checked.report.summary.impact.kind.value == "not-tested", checked.said
