"""Balancers of many makers, in front of members that the profile does not name, and of such that it does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.balancers.stand import Checked, Stand
from tests.balancers.test_haproxy_tcp import fail_over, weighted
from tests.rig.application import Application
from tests.rig.balancers import Backend, HAProxy, NginxHttp, NginxStream
from tests.rig.more_balancers import Apache, Caddy, Envoy
from tests.rig.proxies import Lighttpd, Nghttpx, Pen, Squid, Stunnel, Traefik, TrafficServer
from tests.rig.rig import Software

pytestmark = pytest.mark.real

Members = tuple[Backend, ...]
Balancer = Callable[[Stand, Members], Software]


def checked(stand: Stand, kind: str, balancer: Balancer, known: bool) -> Checked:
    members = stand.members(kind)
    with stand.running(balancer(stand, members)):
        return stand.check(stand.target(members if known else ()))


PASSING: tuple[tuple[str, Balancer], ...] = (
    ("HAProxy", lambda s, m: HAProxy(s.listen, m)),
    ("nginx stream", lambda s, m: NginxStream(s.listen, m)),
    ("Envoy", lambda s, m: Envoy(s.listen, m)),
)


@pytest.mark.parametrize("known", [False, True], ids=["name only", "members known"])
@pytest.mark.parametrize("kind", ["tickets", "sessions"])
@pytest.mark.parametrize("balancer", [each[1] for each in PASSING], ids=[each[0] for each in PASSING])
def test_round_robin_is_round_robin(stand: Stand, balancer: Balancer, kind: str, known: bool) -> None:
    found = checked(stand, kind, balancer, known)
    assert (found.path.method, found.path.persistence) == ("rotating", "none"), found.said
    assert found.path.identified_by == "ticket-key", found.said
    assert "BAL001" in found.balancing_codes, found.said
    assert found.path.samples <= 12, found.said
    assert len(found.path.cycle) == 3, found.said


WEIGHTED: tuple[tuple[str, Balancer], ...] = (
    ("HAProxy", lambda s, m: HAProxy(s.listen, weighted(m, 10, 1, 1))),
    ("nginx stream", lambda s, m: NginxStream(s.listen, weighted(m, 10, 1, 1))),
    ("Envoy", lambda s, m: Envoy(s.listen, weighted(m, 10, 1, 1))),
)


@pytest.mark.parametrize("balancer", [each[1] for each in WEIGHTED], ids=[each[0] for each in WEIGHTED])
def test_weights_are_weights(stand: Stand, balancer: Balancer) -> None:
    found = checked(stand, "tickets", balancer, known=False)
    assert (found.path.method, found.path.persistence) == ("weighted", "none"), found.said
    assert "BAL003" in found.balancing_codes, found.said


def test_a_hot_standby_is_steady_where_the_page_sets_a_session(stand: Stand) -> None:
    found = checked(stand, "sessions", lambda s, m: HAProxy(s.listen, fail_over(m)), known=False)
    assert found.path.method == "single", found.said
    assert found.balancing_codes == {"BAL009"}, found.said


COOKIES: tuple[tuple[str, str, Balancer], ...] = (
    ("Apache, ROUTEID", "tickets", lambda s, m: Apache(s.listen, m, s.certificate, route=True)),
    ("Apache, ROUTEID, sessions", "sessions", lambda s, m: Apache(s.listen, m, s.certificate, route=True)),
    ("Caddy, lb", "tickets", lambda s, m: Caddy(s.listen, m, s.certificate, "cookie lb secret")),
    ("Caddy, lb, sessions", "sessions", lambda s, m: Caddy(s.listen, m, s.certificate, "cookie lb secret")),
)


@pytest.mark.parametrize(
    ("kind", "balancer"), [each[1:] for each in COOKIES], ids=[each[0] for each in COOKIES]
)
def test_a_balancers_cookie_names_the_servers_and_keeps_clients(
    stand: Stand, kind: str, balancer: Balancer
) -> None:
    found = checked(stand, kind, balancer, known=False)
    assert found.path.method in ("rotating", "even", "weighted"), found.said
    assert found.path.persistence == "cookie", found.said
    assert found.balancing_codes & {"BAL004", "BAL005"}, found.said


@pytest.mark.parametrize("policy", ["round_robin", "random"])
def test_sessions_behind_what_ends_tls_are_lost(stand: Stand, policy: str) -> None:
    found = checked(stand, "sessions", lambda s, m: Caddy(s.listen, m, s.certificate, policy), known=False)
    assert found.report.summary.exit_code in (1, 2), found.said


# --- TLS ends in front of applications in plain HTTP -----------------------------------------------------------

Cookies = tuple[tuple[str, str], ...]
SESSION: Cookies = (("JSESSIONID", "session"),)
# A language, two sessions of which one is set again with each answer, and a token against forgery.
MANY: Cookies = (("lang", "constant"), ("A", "renewed"), ("B", "session"), ("XSRF", "anew"))


@contextlib.contextmanager
def applications(stand: Stand, cookies: Cookies) -> Iterator[Members]:
    """Three applications, each with sessions of its own."""
    with contextlib.ExitStack() as running:
        found = []
        for number in range(3):
            address = stand.rig.address(f"198.51.100.{200 + number}")
            one = Application(f"app{number}", address, stand.port, cookies=cookies)
            running.enter_context(stand.running(one))
            found.append(Backend(one.name, address, stand.port))
        yield tuple(found)


def in_front(stand: Stand, balancer: Balancer, cookies: Cookies = SESSION) -> Checked:
    with applications(stand, cookies) as members, stand.running(balancer(stand, members)):
        return stand.check(stand.target())


STEADY: dict[str, Balancer] = {
    "HAProxy, first": lambda s, m: HAProxy(
        s.listen, m, method="first", certificate=s.certificate, speak_tls=False
    ),
    "nginx, ip_hash": lambda s, m: NginxHttp(s.listen, m, s.certificate, "ip_hash", speak_tls=False),
    "stunnel, prio": lambda s, m: Stunnel(s.listen, m, s.certificate, "prio"),
    "nghttpx, affinity ip": lambda s, m: Nghttpx(s.listen, m, s.certificate, "ip"),
    "lighttpd, sticky": lambda s, m: Lighttpd(s.listen, m, s.certificate, "sticky"),
    "Squid, sourcehash": lambda s, m: Squid(s.listen, m, s.certificate, "sourcehash"),
    "Apache, hot standby": lambda s, m: StandbyApache(s.listen, m, s.certificate),
    "Traffic Server, first alive": lambda s, m: TrafficServer(s.listen, m, s.certificate, "false"),
}
SPREADING_REQUESTS: dict[str, Balancer] = {
    "HAProxy": lambda s, m: HAProxy(s.listen, m, certificate=s.certificate, speak_tls=False),
    "stunnel": lambda s, m: Stunnel(s.listen, m, s.certificate),
    "nghttpx": lambda s, m: Nghttpx(s.listen, m, s.certificate),
    "lighttpd": lambda s, m: Lighttpd(s.listen, m, s.certificate),
    "Traefik": lambda s, m: Traefik(s.listen, m, s.certificate),
    "nginx, random two": lambda s, m: NginxHttp(
        s.listen, m, s.certificate, "random two least_conn", speak_tls=False
    ),
    "Squid": lambda s, m: Squid(s.listen, m, s.certificate, "round-robin"),
    "Traffic Server": lambda s, m: TrafficServer(s.listen, m, s.certificate, "strict"),
}
WEIGHING: dict[str, Balancer] = {
    "nginx": lambda s, m: NginxHttp(s.listen, weighted(m, 10, 1, 1), s.certificate, speak_tls=False),
    "nghttpx": lambda s, m: Nghttpx(s.listen, weighted(m, 10, 1, 1), s.certificate),
    "Traefik": lambda s, m: Traefik(s.listen, weighted(m, 10, 1, 1), s.certificate, "weighted"),
}


@pytest.mark.parametrize("balancer", STEADY.values(), ids=STEADY)
def test_one_server_behind_what_ends_tls_is_steady(stand: Stand, balancer: Balancer) -> None:
    """A session, however it is shown, is known on every connection, and a made-up one on none."""
    found = in_front(stand, balancer)
    assert found.path.method == "single", found.said
    assert found.balancing_codes == {"BAL009"}, found.said
    assert found.finding("BAL009").confidence == "likely"


@pytest.mark.parametrize("balancer", SPREADING_REQUESTS.values(), ids=SPREADING_REQUESTS)
def test_several_servers_behind_what_ends_tls_lose_sessions(stand: Stand, balancer: Balancer) -> None:
    found = in_front(stand, balancer)
    assert found.path.persistence == "none", found.said
    assert found.balancing_codes & {"BAL001", "BAL002"}, found.said
    assert found.report.summary.exit_code == 2


@pytest.mark.parametrize("balancer", WEIGHING.values(), ids=WEIGHING)
def test_weights_behind_what_ends_tls_are_weights(stand: Stand, balancer: Balancer) -> None:
    """The session of the server that most connections meet, shown to many, is known to more than half of them."""
    found = in_front(stand, balancer)
    assert (found.path.method, found.path.persistence) == ("weighted", "none"), found.said
    assert "BAL003" in found.balancing_codes, found.said


BY_ADDRESS: dict[str, Balancer] = {
    "HAProxy, uri": lambda s, m: HAProxy(
        s.listen,
        m,
        method="uri",
        certificate=s.certificate,
        speak_tls=False,
    ),
    "nginx, request_uri": lambda s, m: NginxHttp(
        s.listen, m, s.certificate, "hash $request_uri", speak_tls=False
    ),
    "Squid, carp": lambda s, m: Squid(s.listen, m, s.certificate, "carp"),
    "lighttpd, hash": lambda s, m: Lighttpd(s.listen, m, s.certificate, "hash"),
}


@pytest.mark.parametrize("balancer", BY_ADDRESS.values(), ids=BY_ADDRESS)
def test_a_balancer_that_chooses_by_the_address_asked_for_is_not_steady(
    stand: Stand, balancer: Balancer
) -> None:
    """All connections that ask for one page come to one server; the next page is another's."""
    found = in_front(stand, balancer)
    assert "BAL007" in found.balancing_codes, found.said
    assert "BAL009" not in found.balancing_codes, found.said
    assert found.report.summary.exit_code == 2


KEEPING: dict[str, tuple[Balancer, Cookies]] = {
    "HAProxy, insert, many cookies": (
        lambda s, m: HAProxy(s.listen, m, certificate=s.certificate, speak_tls=False, cookie="insert"),
        MANY,
    ),
    "Traefik, sticky": (lambda s, m: Traefik(s.listen, m, s.certificate, "sticky"), SESSION),
    "Traefik, sticky, no sessions": (lambda s, m: Traefik(s.listen, m, s.certificate, "sticky"), ()),
}


@pytest.mark.parametrize(("balancer", "cookies"), KEEPING.values(), ids=KEEPING)
def test_a_balancers_cookie_among_others_keeps_clients(
    stand: Stand, balancer: Balancer, cookies: Cookies
) -> None:
    found = in_front(stand, balancer, cookies)
    assert found.path.persistence == "cookie", found.said
    assert found.balancing_codes - {"BAL010"} == {"BAL004"}, found.said


TRIES = 3


def test_a_cookie_that_is_each_clients_own_keeps_clients(stand: Stand) -> None:
    """nghttpx chooses by a number that it gives to each client, and takes any such number: it is no session."""
    for _ in range(
        TRIES
    ):  # chance sends what decides to one server now and then: unknown, and never anything else
        found = in_front(stand, lambda s, m: Nghttpx(s.listen, m, s.certificate, "cookie"))
        if found.report.summary.exit_code != 3:
            break
    assert found.path.persistence == "cookie", found.said
    assert found.balancing_codes == {"BAL004"}, found.said


def test_without_a_session_such_a_cookie_proves_nothing(stand: Stand) -> None:
    found = in_front(stand, lambda s, m: Nghttpx(s.listen, m, s.certificate, "cookie"), ())
    assert found.report.summary.exit_code == 3, found.said


@pytest.mark.parametrize(
    "settings",
    [{"stick": "session"}, {"cookie": "prefix", "cookie_name": "JSESSIONID"}],
    ids=["table", "prefix"],
)
def test_the_applications_own_cookie_keeps_clients(stand: Stand, settings: dict[str, str]) -> None:
    """A session that leads back is no single server: shown so that the load balancer misreads it, it does not."""
    found = in_front(
        stand,
        lambda s, m: HAProxy(s.listen, m, certificate=s.certificate, speak_tls=False, **settings),  # type: ignore[arg-type]
    )
    assert found.path.persistence == "cookie", found.said
    assert found.balancing_codes - {"BAL010"} == {"BAL004"}, found.said


@pytest.mark.parametrize("name", ["HAProxy, first", "nghttpx, affinity ip"])
def test_of_many_cookies_the_session_counts(stand: Stand, name: str) -> None:
    found = in_front(stand, STEADY[name], MANY)
    assert found.balancing_codes == {"BAL009"}, found.said


@pytest.mark.parametrize("name", ["HAProxy", "nghttpx"])
def test_of_many_cookies_the_session_is_lost(stand: Stand, name: str) -> None:
    found = in_front(stand, SPREADING_REQUESTS[name], MANY)
    assert found.balancing_codes & {"BAL001", "BAL002"}, found.said


def test_a_round_robin_is_not_disturbed_by_what_is_asked_beside_it(stand: Stand) -> None:
    """Apache counts requests: further ones of ours on each connection would take turns of their own."""
    found = in_front(stand, lambda s, m: PlainApache(s.listen, m, s.certificate, route=True))
    assert found.balancing_codes == {"BAL004"}, found.said
    shares = [share.count for share in found.path.members]
    assert max(shares) - min(shares) <= 1 + found.path.samples // 8, found.said


class PlainApache(Apache):
    """Apache httpd in front of servers in plain HTTP."""

    def _config(self, directory: Path) -> str:
        return Apache._config(self, directory).replace("BalancerMember https:", "BalancerMember http:")


class StandbyApache(PlainApache):
    """With a first server and two in hot standby."""

    def _config(self, directory: Path) -> str:
        _, *others = self.members
        text = PlainApache._config(self, directory)
        for one in others:
            text = text.replace(f"route={one.name}", f"route={one.name} status=+H")
        return text


# --- TLS passes ------------------------------------------------------------------------------------------------


def test_pen_by_turns_and_by_client(stand: Stand) -> None:
    turns = checked(stand, "tickets", lambda s, m: Pen(s.listen, m, options=("-r",)), known=False)
    assert turns.balancing_codes == {"BAL001"}, turns.said
    by_client = checked(stand, "sessions", lambda s, m: Pen(s.listen, m), known=False)
    assert by_client.balancing_codes == {"BAL009"}, by_client.said
