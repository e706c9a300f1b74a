"""No members in the profile: what the FQDN alone shows, and what it does not."""

from __future__ import annotations

import pytest

from tests.balancers.stand import SPREADING, Checked, Stand
from tests.balancers.test_haproxy_http import ending
from tests.rig.balancers import Backend, HAProxy, NginxHttp
from tests.rig.rig import Software

pytestmark = pytest.mark.real


def checked(stand: Stand, balancer: Software) -> Checked:
    with stand.running(balancer) as server:
        return stand.check(stand.target(), server)


def tcp(stand: Stand, members: tuple[Backend, ...], **settings: object) -> HAProxy:
    return HAProxy(stand.listen, members, **settings)  # type: ignore[arg-type]


def assert_spread(found: Checked, likely: bool | None = None) -> None:
    likely = found.path.identified_by != "ticket-key" if likely is None else likely
    assert found.path.method in ("rotating", "even"), found.said
    assert found.path.persistence == "none", found.said
    (code,) = found.balancing_codes & SPREADING
    assert found.balancing_codes <= {"BAL001", "BAL002", "BAL007", "BAL010"}, found.said
    assert found.report.summary.exit_code == 2
    assert (found.finding(code).confidence == "likely") is likely, found.said


def assert_unknown(found: Checked) -> None:
    assert found.path.method == "unknown", found.said
    assert found.balancing_codes - {"BAL010"} == {"BAL008"}, found.said
    assert found.report.summary.exit_code == 3


# --- TLS sessions, pair by pair ---


@pytest.mark.parametrize("kind", ["tickets", "cache", "tickets12", "cache12"])
@pytest.mark.parametrize("count", [2, 3])
def test_sessions_that_are_sometimes_refused_show_several_servers(
    stand: Stand, kind: str, count: int
) -> None:
    found = checked(stand, tcp(stand, stand.members(kind)[:count]))
    assert_spread(found)
    assert found.path.identified_by == ("ticket-key" if kind.startswith("tickets") else "pairs")
    if kind.startswith("tickets"):
        assert found.path.method == "rotating", found.said
        assert found.path.samples <= 12, found.said
        found.assert_attributed_rightly(8)


def test_random_choice(stand: Stand) -> None:
    assert_spread(checked(stand, tcp(stand, stand.members("tickets"), method="random")))


def test_enough_pairs_show_the_cycle(stand: Stand) -> None:
    members = stand.members("tickets")
    with stand.running(tcp(stand, members)) as server:
        found = stand.check(stand.target(connections=60, connections_given=True), server)
    assert (found.path.method, found.path.members_seen) == ("rotating", 3), found.said
    found.assert_attributed_rightly(58)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("tickets", {"method": "first"}),  # one server, or something in front, or shared keys
        ("shared", {}),
        ("mute", {}),
        ("mute", {"method": "first"}),
        # The balancer follows the session that is offered, so that it always leads back.
        ("cache12", {"stick": "tls-session"}),
    ],
)
def test_what_cannot_be_known(stand: Stand, kind: str, settings: dict[str, object]) -> None:
    assert_unknown(checked(stand, tcp(stand, stand.members(kind), **settings)))


# --- session cookies, TLS passed through ---


def test_session_cookies_name_the_servers_in_turn(stand: Stand) -> None:
    found = checked(stand, tcp(stand, stand.members("sessions")))
    assert (found.path.method, found.path.identified_by) == ("rotating", "ticket-key"), found.said
    assert_spread(found)
    found.assert_attributed_rightly(8)


def test_one_application_always(stand: Stand) -> None:
    found = checked(stand, tcp(stand, stand.members("sessions"), method="first"))
    assert (found.path.method, found.path.persistence) == ("single", "not-separable"), found.said
    assert found.balancing_codes == {"BAL009"}
    assert found.finding("BAL009").confidence == "likely"
    found.assert_attributed_rightly(32)


# --- TLS ended in front ---


@pytest.mark.parametrize("method", ["roundrobin", "random", "leastconn"])
def test_requests_of_one_connection_go_to_several_servers(stand: Stand, method: str) -> None:
    found = checked(stand, ending(stand, stand.members("sessions"), method=method))
    assert found.path.method in ("rotating", "even", "weighted"), found.said
    assert found.path.persistence == "none", found.said
    assert found.report.summary.exit_code in (1, 2)


def test_one_application_behind_what_ends_tls(stand: Stand) -> None:
    found = checked(stand, ending(stand, stand.members("sessions"), method="first"))
    assert found.path.method == "single", found.said
    assert found.balancing_codes - {"BAL010"} == {"BAL009"}


@pytest.mark.parametrize("name", ["SERVERID", "route"])
def test_a_balancers_cookie_is_no_session(stand: Stand, name: str) -> None:
    """Shown again it leads back to its server, which must not look like one server for everybody."""
    members = stand.members("sessions")
    cookie = "insert" if name == "SERVERID" else "dynamic"
    found = checked(stand, ending(stand, members, cookie=cookie, cookie_name=name))
    assert found.path.method != "single", found.said
    assert found.report.summary.exit_code != 0, found.said


def test_a_balancers_cookie_under_any_name_is_no_session(stand: Stand) -> None:
    found = checked(stand, ending(stand, stand.members("sessions"), cookie="insert", cookie_name="lb"))
    assert found.path.method != "single", found.said
    assert found.report.summary.exit_code != 0, found.said


def test_a_prefix_names_the_server(stand: Stand) -> None:
    members = stand.members("sessions")
    found = checked(stand, ending(stand, members, cookie="prefix", cookie_name="JSESSIONID"))
    # That a session under a prefix is left as it is could also be due to members that share their sessions.
    assert found.path.method == "rotating", found.said
    assert found.path.persistence in ("cookie", "unknown"), found.said
    assert found.balancing_codes in ({"BAL004", "BAL010"}, {"BAL008", "BAL010"}), found.said
    found.assert_attributed_rightly(8)


def test_clients_kept_by_their_session_are_not_taken_for_one_server(stand: Stand) -> None:
    """The balancer learns each session cookie and follows it: every cookie that is shown leads back."""
    members = stand.members("sessions")
    found = checked(stand, ending(stand, members, stick="session"))
    assert found.path.method != "single", found.said
    assert found.report.summary.exit_code != 0, found.said


def test_a_hash_of_the_session_is_not_taken_for_one_server(stand: Stand) -> None:
    members = stand.members("sessions")
    found = checked(
        stand, NginxHttp(stand.listen, members, stand.certificate, "hash $cookie_jsessionid consistent")
    )
    assert found.path.method != "single", found.said
    assert found.report.summary.exit_code != 0, found.said


@pytest.mark.parametrize("settings", [{}, {"method": "first"}, {"method": "random"}])
def test_nothing_to_tell_behind_what_ends_tls(stand: Stand, settings: dict[str, object]) -> None:
    assert_unknown(checked(stand, ending(stand, stand.members("tickets"), **settings)))
    assert_unknown(checked(stand, ending(stand, stand.members("renewing"), **settings)))
