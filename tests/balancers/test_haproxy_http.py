"""HAProxy ending TLS: members with sessions of their own (Tomcat), and members that show nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.balancers.stand import SPREADING, Expected, Stand
from tests.balancers.test_haproxy_tcp import fail_over, weighted
from tests.rig.balancers import Backend, HAProxy
from tests.rig.members import requests

pytestmark = pytest.mark.real

Balancer = Callable[[Stand, tuple[Backend, ...]], HAProxy]
ENDED = "terminated"


def ending(stand: Stand, members: tuple[Backend, ...], **settings: object) -> HAProxy:
    return HAProxy(stand.listen, members, certificate=stand.certificate, **settings)  # type: ignore[arg-type]


UNSTICKY = Expected(
    "rotating", "none", ENDED, "http-cookie", ("BAL001", "BAL007", "BAL010"), "critical", least=20
)
STEADY = Expected("single", "not-separable", ENDED, "http-cookie", ("BAL009", "BAL010"), "ok", least=32)
STICKY = Expected("rotating", "cookie", ENDED, "http-cookie", ("BAL004", "BAL010"), "warning", least=20)
ACCEPTED = Expected("weighted", "cookie", ENDED, "http-cookie", ("BAL005", "BAL010"), "ok", least=40)
BY_ITS_COOKIE = replace(STICKY, by="balancer-cookie-value")
UNKNOWN = Expected("unknown", "unknown", ENDED, None, ("BAL008", "BAL010"), "unknown", least=0)

CASES: tuple[tuple[str, str, Balancer, Expected], ...] = (
    ("round robin", "sessions", ending, UNSTICKY),
    ("round robin, routes", "routes", ending, UNSTICKY),
    ("first alive", "sessions", lambda s, m: ending(s, m, method="first"), STEADY),
    ("by source", "sessions", lambda s, m: ending(s, m, method="source"), STEADY),
    ("backup servers", "sessions", lambda s, m: ending(s, fail_over(m)), STEADY),
    ("table of sources", "sessions", lambda s, m: ending(s, m, stick="source"), STEADY),
    ("cookie inserted", "sessions", lambda s, m: ending(s, m, cookie="insert"), STICKY),
    (
        "cookie inserted, odd name",
        "sessions",
        lambda s, m: ending(s, m, cookie="insert", cookie_name="lb"),
        STICKY,
    ),
    ("cookie from the address", "sessions", lambda s, m: ending(s, m, cookie="dynamic"), STICKY),
    (
        "cookie as prefix",
        "sessions",
        lambda s, m: ending(s, m, cookie="prefix", cookie_name="JSESSIONID"),
        STICKY,
    ),
    (
        "cookie as prefix, routes",
        "routes",
        lambda s, m: ending(s, m, cookie="prefix", cookie_name="JSESSIONID"),
        STICKY,
    ),
    ("weights and cookie", "sessions", lambda s, m: ending(s, weighted(m, 10, 1), cookie="insert"), ACCEPTED),
    # The members' sessions say nothing here: they are renewed at every request, or there are none.
    (
        "sessions renewed, cookie inserted",
        "renewing",
        lambda s, m: ending(s, m, cookie="insert"),
        BY_ITS_COOKIE,
    ),
    ("no sessions, cookie inserted", "tickets", lambda s, m: ending(s, m, cookie="insert"), BY_ITS_COOKIE),
    ("no sessions, dynamic cookie", "tickets", lambda s, m: ending(s, m, cookie="dynamic"), BY_ITS_COOKIE),
    (
        "no sessions, odd cookie",
        "tickets",
        lambda s, m: ending(s, m, cookie="insert", cookie_name="lb"),
        BY_ITS_COOKIE,
    ),
    ("sessions renewed", "renewing", ending, UNKNOWN),
    ("sessions renewed, first", "renewing", lambda s, m: ending(s, m, method="first"), UNKNOWN),
    ("no sessions", "tickets", ending, UNKNOWN),
    ("no sessions, first", "tickets", lambda s, m: ending(s, m, method="first"), UNKNOWN),
)


@pytest.mark.parametrize(("kind", "balancer", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_haproxy_ending_tls(stand: Stand, kind: str, balancer: Balancer, expected: Expected) -> None:
    members = stand.members(kind)
    with stand.running(balancer(stand, members)) as server:
        expected.hold(stand.check(stand.target(members), server))


@pytest.mark.parametrize("method", ["random", "leastconn"])
def test_what_is_left_to_chance_is_still_spread(stand: Stand, method: str) -> None:
    members = stand.members("sessions")
    with stand.running(ending(stand, members, method=method)) as server:
        checked = stand.check(stand.target(members), server)
    assert checked.path.method in ("rotating", "even", "weighted"), checked.said
    assert checked.path.persistence == "none", checked.said
    assert len(checked.balancing_codes & SPREADING) == 1
    assert checked.report.summary.exit_code in (1, 2)
    checked.assert_attributed_rightly(20)


def test_the_cookie_that_keeps_clients_is_named(stand: Stand) -> None:
    members = stand.members("sessions")
    for name in ("SERVERID", "lb"):
        with stand.running(ending(stand, members, cookie="insert", cookie_name=name)) as server:
            checked = stand.check(stand.target(members), server)
        assert checked.path.kept_by == f"the load balancer's cookie {name}", checked.said
        assert any(name in evidence for evidence in checked.path.termination_evidence), checked.said


def test_pages_that_differ_tell_members_apart(stand: Stand) -> None:
    """No TLS session, no cookie: the ETag does it, which is weaker, and said so."""
    members = stand.members("pages differ")
    with stand.running(ending(stand, members)) as server:
        checked = stand.check(stand.target(members), server)
    assert (checked.path.method, checked.path.identified_by) == ("rotating", "page"), checked.said
    assert checked.path.persistence == "none", checked.said
    assert "BAL001" in checked.codes
    assert checked.finding("BAL001").confidence == "likely"
    checked.assert_attributed_rightly(8)


def test_requests_of_one_connection_are_followed(stand: Stand) -> None:
    members = stand.members("sessions")
    with stand.running(ending(stand, members)) as server:
        checked = stand.check(stand.target(members), server)
    assert checked.path.requests_moved == checked.path.requests == 8, checked.said
    assert checked.finding("BAL007").caused_by is not None
    assert all(who is not None for who in checked.arm("keep-alive")), checked.said


def test_few_sessions_are_left_on_the_members(stand: Stand) -> None:
    """A steady balancer: each connection starts one session, and its cookie is shown to one member only."""
    members = stand.members("sessions")
    with stand.running(ending(stand, members, method="first")) as server:
        checked = stand.check(stand.target(members), server)
    traces = [o for o in checked.report.observations if o.kind == "trace" and o.token == "cookie"]
    assert len(traces) <= checked.path.samples + 4, len(traces)


def test_without_a_page_that_starts_sessions_no_request_is_made_for_tracing(stand: Stand) -> None:
    """TLS passed through and traced by its sessions: the members' pages are asked for once each, to look at them."""
    members = stand.members("tickets")
    server = stand.servers["tickets sems1"]
    before = len(requests(server))
    with stand.running(HAProxy(stand.listen, members, method="first")) as balancer:
        stand.check(stand.target(members), balancer)
    assert len(requests(server)) - before <= 4
