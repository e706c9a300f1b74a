"""HAProxy passing TLS through to members, whichever way it chooses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.balancers.stand import SPREADING, Expected, Stand
from tests.rig.balancers import Backend, HAProxy

pytestmark = pytest.mark.real

Balancer = Callable[[Stand, tuple[Backend, ...]], HAProxy]
PASSED = "pass-through"


def weighted(members: tuple[Backend, ...], *weights: int) -> tuple[Backend, ...]:
    return tuple(replace(one, weight=weight) for one, weight in zip(members, weights, strict=False))


def fail_over(members: tuple[Backend, ...]) -> tuple[Backend, ...]:
    return (members[0], *(replace(one, backup=True) for one in members[1:]))


ROUND_ROBIN = Expected("rotating", "none", PASSED, "ticket-key", ("BAL001",), "critical")
TRACED = replace(ROUND_ROBIN, by="tls-session")
# The third member serves, and is in the profile.
OVER_TWO = replace(ROUND_ROBIN, codes=("BAL001", "BAL015"))
STEADY = Expected("single", "not-separable", PASSED, "ticket-key", ("BAL009",), "ok", least=32)
WEIGHTED = Expected("weighted", "none", PASSED, "ticket-key", ("BAL003",), "warning", least=32)
BY_SESSION = Expected("rotating", "tls-session", PASSED, "tls-session", ("BAL004", "BAL013"), "warning")
UNKNOWN = Expected("unknown", "unknown", "unknown", None, ("BAL008",), "unknown", least=0)

# Name, kind of members, balancer, what must be said. These balancers leave nothing to chance.
CASES: tuple[tuple[str, str, Balancer, Expected], ...] = (
    ("round robin", "tickets", lambda s, m: HAProxy(s.listen, m), ROUND_ROBIN),
    ("round robin over two", "tickets", lambda s, m: HAProxy(s.listen, m[:2]), OVER_TWO),
    ("static round robin", "tickets", lambda s, m: HAProxy(s.listen, m, method="static-rr"), ROUND_ROBIN),
    ("round robin, TLS 1.2", "tickets12", lambda s, m: HAProxy(s.listen, m), ROUND_ROBIN),
    ("round robin, session cache", "cache", lambda s, m: HAProxy(s.listen, m), TRACED),
    ("round robin, session cache, TLS 1.2", "cache12", lambda s, m: HAProxy(s.listen, m), TRACED),
    ("round robin, one speaks TLS 1.2", "one is old", lambda s, m: HAProxy(s.listen, m), ROUND_ROBIN),
    ("round robin, Tomcat", "sessions", lambda s, m: HAProxy(s.listen, m), ROUND_ROBIN),
    ("first alive", "tickets", lambda s, m: HAProxy(s.listen, m, method="first"), STEADY),
    ("by source", "tickets", lambda s, m: HAProxy(s.listen, m, method="source"), STEADY),
    ("by source, Tomcat", "sessions", lambda s, m: HAProxy(s.listen, m, method="source"), STEADY),
    ("backup servers", "tickets", lambda s, m: HAProxy(s.listen, fail_over(m)), STEADY),
    ("table of sources", "tickets", lambda s, m: HAProxy(s.listen, m, stick="source"), STEADY),
    ("weights 10:1", "tickets", lambda s, m: HAProxy(s.listen, weighted(m, 10, 1)), WEIGHTED),
    ("weights 10:1:1", "tickets", lambda s, m: HAProxy(s.listen, weighted(m, 10, 1, 1)), WEIGHTED),
    ("weights 3:2:1", "tickets", lambda s, m: HAProxy(s.listen, weighted(m, 3, 2, 1)), WEIGHTED),
    (
        "table of TLS sessions",
        "cache12",
        lambda s, m: HAProxy(s.listen, m, stick="tls-session"),
        BY_SESSION,
    ),
    # In TLS 1.3 there is no id to keep clients by, in TLS 1.2 there is: the older version is tried too.
    (
        "table of TLS sessions, TLS 1.3",
        "cache",
        lambda s, m: HAProxy(s.listen, m, stick="tls-session"),
        BY_SESSION,
    ),
    # With tickets the server's id is empty, so that the table keeps nobody.
    (
        "table of TLS sessions, tickets",
        "tickets",
        lambda s, m: HAProxy(s.listen, m, stick="tls-session"),
        ROUND_ROBIN,
    ),
    ("no resumption", "mute", lambda s, m: HAProxy(s.listen, m), UNKNOWN),
    ("no resumption, first alive", "mute", lambda s, m: HAProxy(s.listen, m, method="first"), UNKNOWN),
    ("shared ticket keys", "shared", lambda s, m: HAProxy(s.listen, m), UNKNOWN),
    ("shared ticket keys, first", "shared", lambda s, m: HAProxy(s.listen, m, method="first"), UNKNOWN),
)


@pytest.mark.parametrize(("kind", "balancer", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_haproxy_passing_tls_through(stand: Stand, kind: str, balancer: Balancer, expected: Expected) -> None:
    members = stand.members(kind)
    with stand.running(balancer(stand, members)) as server:
        expected.hold(stand.check(stand.target(members), server))


@pytest.mark.parametrize("method", ["random", "leastconn"])
@pytest.mark.parametrize("count", [2, 3])
def test_what_is_left_to_chance_is_still_spread(stand: Stand, method: str, count: int) -> None:
    """Random choice is taken for weights in up to 1 % of runs, and for a cycle in up to 1 %: never for anything else,
    and every connection is attributed as the balancer chose."""
    members = stand.members("tickets")[:count]
    with stand.running(HAProxy(stand.listen, members, method=method)) as server:  # type: ignore[arg-type]
        checked = stand.check(stand.target(members), server)
    assert checked.path.method in ("rotating", "even", "weighted"), checked.said
    assert checked.path.persistence == "none", checked.said
    assert checked.path.termination == "pass-through"
    assert len(checked.balancing_codes & SPREADING) == 1
    assert checked.balancing_codes <= SPREADING | {"BAL015"}, checked.said
    assert checked.report.summary.exit_code in (1, 2)
    checked.assert_attributed_rightly(8)
    truth = checked.truth()
    counted = Counter(f"{truth[s.id]}.example.test" for s in checked.samples("fresh"))
    assert counted == {share.name: share.count for share in checked.path.members}


def test_the_sessions_that_keep_clients_are_named_with_their_version(stand: Stand) -> None:
    members = stand.members("cache")
    with stand.running(HAProxy(stand.listen, members, stick="tls-session")) as server:
        checked = stand.check(stand.target(members), server)
    assert checked.path.kept_by == "the TLS session (TLS 1.2)", checked.said
    assert "TLS 1.3" not in checked.finding("BAL013").summary


def test_two_members_that_share_keys_do_not_hide_a_round_robin(stand: Stand) -> None:
    members = stand.members("two share")
    with stand.running(HAProxy(stand.listen, members)) as server:
        checked = stand.check(stand.target(members), server)
    assert (checked.path.method, checked.path.persistence) == ("rotating", "none"), checked.said
    assert checked.balancing_codes == {"BAL001"}, checked.said
    assert checked.finding("BAL001").confidence == "likely"
    both = "sems1.example.test or sems2.example.test"
    assert {who for who in checked.arm("fresh") if who} == {both, "sems3.example.test"}
    for _, true, said in checked.attributed():
        assert true in said


def test_one_of_two_that_share_keys_is_not_called_one(stand: Stand) -> None:
    members = stand.members("two share")
    with stand.running(HAProxy(stand.listen, members, method="first")) as server:
        checked = stand.check(stand.target(members), server)
    assert checked.path.method == "unknown", checked.said
    assert checked.balancing_codes == {"BAL008"}
    assert checked.report.summary.exit_code == 3


def test_a_server_that_the_profile_does_not_list(stand: Stand) -> None:
    members = stand.members("tickets")
    with stand.running(HAProxy(stand.listen, members)) as server:
        checked = stand.check(stand.target(members[:2]), server)
    assert checked.path.method == "rotating", checked.said
    assert "BAL001" in checked.codes
    assert "a server that is not in the profile" in checked.arm("fresh")


def test_a_member_that_is_not_in_the_pool(stand: Stand) -> None:
    members = stand.members("tickets")
    with stand.running(HAProxy(stand.listen, members[:2])) as server:
        checked = stand.check(stand.target(members), server)
    assert checked.balancing_codes == {"BAL001", "BAL015"}, checked.said
    assert checked.finding("BAL015").subject.name == "sems3.example.test"


def test_a_round_robin_is_certain_after_few_connections(stand: Stand) -> None:
    members = stand.members("tickets")
    for count in (2, 3):
        with stand.running(HAProxy(stand.listen, members[:count])) as server:
            checked = stand.check(stand.target(members[:count]), server)
        assert checked.path.samples <= 4 * count, checked.said
        assert checked.path.method == "rotating"


def test_connections_that_were_asked_for_are_all_made(stand: Stand) -> None:
    members = stand.members("tickets")
    with stand.running(HAProxy(stand.listen, members)) as server:
        checked = stand.check(stand.target(members, connections=48, connections_given=True), server)
    assert checked.path.samples == checked.path.identified == 48, checked.said
    assert [share.count for share in checked.path.members] == [16, 16, 16]
    checked.assert_attributed_rightly(48)
