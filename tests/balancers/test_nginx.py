"""nginx as balancer: passing TCP through (stream), and ending TLS (http)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.balancers.stand import SPREADING, Expected, Stand
from tests.balancers.test_haproxy_tcp import ROUND_ROBIN, STEADY, UNKNOWN, WEIGHTED, fail_over, weighted
from tests.rig.balancers import Backend, NginxHttp, NginxStream

pytestmark = pytest.mark.real

Balancer = Callable[[Stand, tuple[Backend, ...]], NginxStream | NginxHttp]


def stream(method: str = "", *weights: int) -> Balancer:
    return lambda s, m: NginxStream(s.listen, weighted(m, *weights) if weights else m, method)


def http(method: str = "") -> Balancer:
    return lambda s, m: NginxHttp(s.listen, m, s.certificate, method)


ENDED_UNSTICKY = Expected(
    "rotating", "none", "terminated", "http-cookie", ("BAL001", "BAL007", "BAL010"), "critical", least=20
)
ENDED_STEADY = Expected(
    "single", "not-separable", "terminated", "http-cookie", ("BAL009", "BAL010"), "ok", least=32
)

CASES: tuple[tuple[str, str, Balancer, Expected], ...] = (
    ("stream, round robin", "tickets", stream(), ROUND_ROBIN),
    ("stream, round robin, Tomcat", "sessions", stream(), ROUND_ROBIN),
    ("stream, hash", "tickets", stream("hash $remote_addr"), STEADY),
    ("stream, consistent hash", "tickets", stream("hash $remote_addr consistent"), STEADY),
    ("stream, weights 10:1:1", "tickets", stream("", 10, 1, 1), WEIGHTED),
    ("stream, weights 3:2:1", "tickets", stream("", 3, 2, 1), WEIGHTED),
    ("stream, backup", "tickets", lambda s, m: NginxStream(s.listen, fail_over(m)), STEADY),
    ("stream, shared keys", "shared", stream(), UNKNOWN),
    ("http, round robin", "sessions", http(), ENDED_UNSTICKY),
    ("http, ip_hash", "sessions", http("ip_hash"), ENDED_STEADY),
    ("http, hash", "sessions", http("hash $remote_addr"), ENDED_STEADY),
    (
        "http, backup",
        "sessions",
        lambda s, m: NginxHttp(s.listen, fail_over(m), s.certificate),
        ENDED_STEADY,
    ),
    (
        "http, no sessions",
        "tickets",
        http(),
        replace(UNKNOWN, termination="terminated", codes=("BAL008", "BAL010")),
    ),
)


@pytest.mark.parametrize(("kind", "balancer", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_nginx(stand: Stand, kind: str, balancer: Balancer, expected: Expected) -> None:
    members = stand.members(kind)
    with stand.running(balancer(stand, members)) as server:
        expected.hold(stand.check(stand.target(members), server))


CHANCE = {
    "stream, random": ("tickets", stream("random")),
    "stream, random two": ("tickets", stream("random two least_conn")),
    "stream, least_conn": ("tickets", stream("least_conn")),
    "http, random": ("sessions", http("random")),
    "http, least_conn": ("sessions", http("least_conn")),
}


@pytest.mark.parametrize("name", CHANCE)
def test_what_is_left_to_chance_is_still_spread(stand: Stand, name: str) -> None:
    kind, balancer = CHANCE[name]
    members = stand.members(kind)
    with stand.running(balancer(stand, members)) as server:
        checked = stand.check(stand.target(members), server)
    assert checked.path.method in ("rotating", "even", "weighted"), checked.said
    assert checked.path.persistence == "none", checked.said
    assert len(checked.balancing_codes & SPREADING) == 1, checked.said
    assert checked.report.summary.exit_code in (1, 2)
    checked.assert_attributed_rightly(8)


def test_a_hash_of_the_session_cookie_keeps_nobody(stand: Stand) -> None:
    """nginx chooses by the value, not by who issued it: a third of the clients come back, by luck."""
    members = stand.members("sessions")
    with stand.running(http("hash $cookie_jsessionid")(stand, members)) as server:
        checked = stand.check(stand.target(members), server)
    assert (checked.path.method, checked.path.persistence) == ("rotating", "none"), checked.said
    # Seven of eight come back by luck in 0.3 % of runs: that is persistence, and lost.
    assert checked.codes & {"BAL001", "BAL006"}
    assert checked.report.summary.verdict == "critical"
    offered = {s.offered for s in checked.samples("cookie")}
    assert len(offered) >= 3, checked.said
    checked.assert_attributed_rightly(8)
