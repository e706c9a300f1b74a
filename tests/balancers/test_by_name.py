"""Balancers of many makers, in front of members that the profile does not name, and of such that it does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.balancers.stand import Checked, Stand
from tests.balancers.test_haproxy_tcp import fail_over, weighted
from tests.rig.balancers import Backend, HAProxy, NginxStream
from tests.rig.more_balancers import Apache, Caddy, Envoy
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
