"""The balancers of the rig in front of nginx and Tomcat members, seen by curl and plain ssl."""

from __future__ import annotations

import contextlib
import ssl
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.rig.balancers import Backend, HAProxy, NginxHttp, NginxStream, choices
from tests.rig.certs import Issued
from tests.rig.clients import connected, context, fetch, handshake
from tests.rig.members import Interface, NginxMember
from tests.rig.process import Server
from tests.rig.rig import Rig, Software, open_rig
from tests.rig.tomcat import Tomcat, TomcatMember

pytestmark = pytest.mark.real

FQDN = "keys.example.test"
MEMBERS = ("sems1", "sems2", "sems3")
TCP = tuple(f"198.51.100.{n}" for n in (11, 12, 13))
WEB = tuple(f"198.51.100.{n}" for n in (21, 22, 23))
VIP = "192.0.2.100"


class Cluster:
    """Three nginx members that end TLS, three Tomcat members in plain HTTP, and one balancer at a time."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.vip, self.port = rig.address(VIP), rig.port(443)
        self.certificate: Issued = rig.authority.issue(FQDN)
        self.members = {}
        for name, address in zip(MEMBERS, TCP, strict=True):
            member = NginxMember(name, (Interface(rig.address(address), self.port, self.certificate),))
            self.members[name] = rig.start(member)
        # Both cookie-keeping balancers and Tomcat's own route are shown: only the third has none.
        rig.start(
            Tomcat(
                tuple(
                    TomcatMember(
                        name, rig.address(address), rig.port(8080), route="" if name == "sems3" else name
                    )
                    for name, address in zip(MEMBERS, WEB, strict=True)
                )
            )
        )

    def tcp(
        self, weights: tuple[int, int, int] = (1, 1, 1), backups: tuple[str, ...] = ()
    ) -> tuple[Backend, ...]:
        return tuple(
            Backend(name, self.rig.address(address), self.port, weight, name in backups)
            for name, address, weight in zip(MEMBERS, TCP, weights, strict=True)
        )

    def web(self) -> tuple[Backend, ...]:
        return tuple(
            Backend(name, self.rig.address(address), self.rig.port(8080))
            for name, address in zip(MEMBERS, WEB, strict=True)
        )

    @property
    def listen(self) -> tuple[tuple[str, int], ...]:
        return ((self.vip, self.port),)

    def connect(self, count: int, balancer: Server, source: str | None = None) -> list[str]:
        """Make connections one after another, and give the balancer's choices for them."""
        before = len(choices(balancer))
        using = context()
        for _ in range(count):
            handshake(self.rig, self.vip, self.port, using=using, source=source)
        return list(choices(balancer, before + count)[before:])

    def ask(self, path: str = "/b/l.e", cookie: str = "") -> tuple[str, ...]:
        """Ask for a page with a cookie, and give the cookies that come back."""
        options = ("-H", f"Cookie: {cookie}") if cookie else ()
        fetched = fetch(self.rig, self.vip, self.port, FQDN, path, *options)
        assert fetched.status == 200, fetched
        return tuple(value.partition(";")[0] for value in fetched.header("Set-Cookie"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with open_rig(tmp_path_factory.mktemp("balancers")) as rig:
        yield Cluster(rig)


@pytest.fixture
def sources(cluster: Cluster) -> tuple[str, ...]:
    return tuple(cluster.rig.network.source(f"203.0.113.{n}") for n in range(21, 33))


@contextlib.contextmanager
def running(cluster: Cluster, balancer: Software) -> Iterator[Server]:
    server = cluster.rig.start(balancer)
    try:
        yield server
    finally:
        server.stop()


def test_haproxy_round_robin(cluster: Cluster) -> None:
    with running(cluster, HAProxy(cluster.listen, cluster.tcp())) as balancer:
        assert cluster.connect(9, balancer) == list(MEMBERS) * 3


def test_haproxy_weights(cluster: Cluster) -> None:
    with running(cluster, HAProxy(cluster.listen, cluster.tcp((10, 1, 1)))) as balancer:
        assert Counter(cluster.connect(24, balancer)) == {"sems1": 20, "sems2": 2, "sems3": 2}


def test_haproxy_first(cluster: Cluster) -> None:
    with running(cluster, HAProxy(cluster.listen, cluster.tcp(), method="first")) as balancer:
        assert set(cluster.connect(9, balancer)) == {"sems1"}


def test_haproxy_random(cluster: Cluster) -> None:
    with running(cluster, HAProxy(cluster.listen, cluster.tcp(), method="random")) as balancer:
        seen = cluster.connect(40, balancer)
        # One of three missing after forty: once in 3.7 million runs; a cycle throughout: rarer still.
        assert set(seen) == set(MEMBERS)
        assert seen != seen[:3] * 13 + seen[:1]


@pytest.mark.parametrize("stream", [HAProxy, NginxStream])
def test_least_connections(cluster: Cluster, stream: type[HAProxy | NginxStream]) -> None:
    method = "leastconn" if stream is HAProxy else "least_conn"
    balancer = stream(cluster.listen, cluster.tcp(), method=method)  # type: ignore[arg-type]
    with running(cluster, balancer) as server:

        def hold() -> None:
            # A member that holds a connection is not chosen while another holds none.
            with contextlib.ExitStack() as held:
                for _ in range(3):
                    plain = held.enter_context(connected(cluster.vip, cluster.port))
                    held.enter_context(context().wrap_socket(plain))

        cluster.rig.client.call(hold)
        assert set(choices(server, 3)) == set(MEMBERS)


@pytest.mark.parametrize(
    "balancer",
    [
        lambda c: HAProxy(c.listen, c.tcp(), method="source"),
        lambda c: HAProxy(c.listen, c.tcp(), stick="source"),
        lambda c: NginxStream(c.listen, c.tcp(), "hash $remote_addr"),
        lambda c: NginxStream(c.listen, c.tcp(), "hash $remote_addr consistent"),
    ],
    ids=["haproxy-source", "haproxy-stick", "nginx-hash", "nginx-consistent"],
)
def test_kept_by_source(cluster: Cluster, sources: tuple[str, ...], balancer: object) -> None:
    with running(cluster, balancer(cluster)) as server:  # type: ignore[operator]
        per_source = [set(cluster.connect(3, server, source)) for source in sources]
        assert {len(seen) for seen in per_source} == {1}
        assert len(set.union(*per_source)) > 1


def test_haproxy_backup_takes_over_and_gives_back(cluster: Cluster) -> None:
    rig = cluster.rig
    own = rig.start(
        NginxMember("own", (Interface(rig.address("198.51.100.31"), cluster.port, cluster.certificate),))
    )
    members = (Backend("own", rig.address("198.51.100.31"), cluster.port), *cluster.tcp(backups=MEMBERS)[1:2])
    with running(cluster, HAProxy(cluster.listen, members, check=True)) as balancer:
        assert set(cluster.connect(4, balancer)) == {"own"}
        own.kill()
        balancer.await_log("Server members/own is DOWN")
        assert set(cluster.connect(4, balancer)) == {"sems2"}


def test_nginx_backup_takes_over(cluster: Cluster) -> None:
    closed = Backend("closed", cluster.rig.address("198.51.100.32"), cluster.port)
    members = (closed, *cluster.tcp(backups=("sems2",))[1:2])
    with running(cluster, NginxStream(cluster.listen, members)) as balancer:
        assert cluster.connect(3, balancer) == ["sems2"] * 3


@pytest.mark.parametrize(
    ("version", "tickets", "kept"),
    [
        (ssl.TLSVersion.TLSv1_2, False, True),
        (ssl.TLSVersion.TLSv1_2, True, False),
        (ssl.TLSVersion.TLSv1_3, False, False),
    ],
)
def test_haproxy_keeps_by_tls_session_id_where_there_is_one(
    cluster: Cluster, version: ssl.TLSVersion, tickets: bool, kept: bool
) -> None:
    rig = cluster.rig
    addresses = [rig.address(f"198.51.100.{n}") for n in (41, 42, 43)]
    members = tuple(Backend(name, one, cluster.port) for name, one in zip(MEMBERS, addresses, strict=True))
    with contextlib.ExitStack() as started:
        for one in members:
            here = (Interface(one.address, cluster.port, cluster.certificate),)
            member = NginxMember(one.name, here, tickets=tickets, cache=not tickets)
            started.enter_context(running(cluster, member))
        balancer = HAProxy(cluster.listen, members, stick="tls-session")
        server = started.enter_context(running(cluster, balancer))
        using = context(version)
        first = handshake(rig, cluster.vip, cluster.port, using=using)
        again = [
            handshake(rig, cluster.vip, cluster.port, using=using, session=first.session).resumed
            for _ in range(3)
        ]
        assert (set(choices(server, 4)) == {"sems1"}) is kept
        assert all(again) is kept


def test_haproxy_tls_session_table_rotates_fresh_clients(cluster: Cluster) -> None:
    with running(cluster, HAProxy(cluster.listen, cluster.tcp(), stick="tls-session")) as balancer:
        assert cluster.connect(6, balancer) == list(MEMBERS) * 2


@pytest.mark.parametrize(
    ("method", "weights", "expected"),
    [
        ("", (1, 1, 1), {"sems1": 8, "sems2": 8, "sems3": 8}),
        ("", (10, 1, 1), {"sems1": 20, "sems2": 2, "sems3": 2}),
    ],
)
def test_nginx_stream_round_robin(
    cluster: Cluster, method: str, weights: tuple[int, int, int], expected: dict[str, int]
) -> None:
    with running(cluster, NginxStream(cluster.listen, cluster.tcp(weights), method)) as balancer:
        assert Counter(cluster.connect(24, balancer)) == expected


def test_nginx_stream_random(cluster: Cluster) -> None:
    with running(cluster, NginxStream(cluster.listen, cluster.tcp(), "random")) as balancer:
        assert set(cluster.connect(40, balancer)) == set(MEMBERS)


@pytest.mark.parametrize("cookie", ["insert", "dynamic"])
def test_haproxy_inserts_a_cookie(cluster: Cluster, cookie: str) -> None:
    balancer = HAProxy(
        cluster.listen,
        cluster.web(),
        certificate=cluster.certificate,
        speak_tls=False,
        cookie=cookie,  # type: ignore[arg-type]
    )
    with running(cluster, balancer) as server:
        fresh = [dict(one.split("=", 1) for one in cluster.ask()) for _ in range(6)]
        assert list(choices(server, 6)) == list(MEMBERS) * 2
        assert {frozenset(one) for one in fresh} == {frozenset({"SERVERID", "JSESSIONID"})}
        values = [one["SERVERID"] for one in fresh]
        assert values[:3] == values[3:]
        assert (values[:3] == list(MEMBERS)) is (cookie == "insert")
        both = f"SERVERID={fresh[1]['SERVERID']}; JSESSIONID={fresh[1]['JSESSIONID']}"
        # The member knows its session: neither cookie is set again.
        assert [cluster.ask(cookie=both) for _ in range(3)] == [()] * 3
        assert choices(server, 9)[6:] == ("sems2",) * 3


def test_haproxy_puts_its_cookie_before_the_applications(cluster: Cluster) -> None:
    balancer = HAProxy(
        cluster.listen,
        cluster.web(),
        certificate=cluster.certificate,
        speak_tls=False,
        cookie="prefix",
        cookie_name="JSESSIONID",
    )
    with running(cluster, balancer) as server:
        (cookie,) = cluster.ask()
        assert cookie.startswith("JSESSIONID=sems1~")
        assert cookie.endswith(".sems1")
        assert [cluster.ask(cookie=cookie) for _ in range(3)] == [()] * 3
        assert choices(server, 4) == ("sems1",) * 4


def test_a_session_is_known_to_its_member_only(cluster: Cluster) -> None:
    rig = cluster.rig
    web = [(rig.address(address), rig.port(8080)) for address in WEB]

    def ask(place: tuple[str, int], *options: str) -> tuple[str, ...]:
        fetched = fetch(rig, *place, FQDN, "/b/l.e", *options, scheme="http")
        return tuple(value.partition(";")[0] for value in fetched.header("Set-Cookie"))

    for issuer in web:
        (cookie,) = ask(issuer)
        for other in web:
            assert (ask(other, "-H", f"Cookie: {cookie}") == ()) is (other == issuer)


def test_tls_ended_at_the_balancer_is_known_to_no_member(cluster: Cluster) -> None:
    balancer = HAProxy(cluster.listen, cluster.tcp(), certificate=cluster.certificate)
    with running(cluster, balancer) as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            using = context(version)
            first = handshake(cluster.rig, cluster.vip, cluster.port, using=using)
            again = handshake(cluster.rig, cluster.vip, cluster.port, using=using, session=first.session)
            assert again.resumed
            for address in TCP:
                direct = cluster.rig.address(address)
                offered = handshake(cluster.rig, direct, cluster.port, using=using, session=first.session)
                assert not offered.resumed
        assert choices(server, 4) == ("sems1", "sems2", "sems3", "sems1")


@pytest.mark.parametrize(
    ("method", "kept"),
    [("", False), ("ip_hash", True), ("hash $remote_addr", True), ("random", False), ("least_conn", False)],
)
def test_nginx_http(cluster: Cluster, method: str, kept: bool) -> None:
    balancer = NginxHttp(cluster.listen, cluster.tcp(), cluster.certificate, method)
    with running(cluster, balancer) as server:
        # Twenty at random over three to the same one: once in a thousand million runs.
        for _ in range(20 if method == "random" else 6):
            cluster.ask()
        assert (len(set(choices(server, 6))) == 1) is kept


def test_nginx_http_kept_by_the_applications_cookie(cluster: Cluster) -> None:
    balancer = NginxHttp(
        cluster.listen, cluster.web(), cluster.certificate, "hash $cookie_jsessionid", speak_tls=False
    )
    with running(cluster, balancer) as server:
        for value in ("a", "b", "c", "d", "e", "f", "g", "h"):
            cluster.ask(path="/", cookie=f"JSESSIONID={value}")
            cluster.ask(path="/", cookie=f"JSESSIONID={value}")
        seen = choices(server, 16)
        assert seen[::2] == seen[1::2]
        assert len(set(seen)) > 1


def test_a_frozen_member_stays_in_the_pool(cluster: Cluster) -> None:
    with running(cluster, HAProxy(cluster.listen, cluster.tcp(), check=True, check_ms=50)) as balancer:
        frozen = cluster.members["sems1"]
        frozen.freeze()
        try:

            def silent() -> bool:
                with connected(cluster.vip, cluster.port) as plain:
                    plain.settimeout(0.5)
                    with pytest.raises(TimeoutError):
                        context().wrap_socket(plain)
                return True

            assert cluster.rig.client.call(silent)
            assert "sems1 is DOWN" not in balancer.log()
        finally:
            frozen.thaw()
