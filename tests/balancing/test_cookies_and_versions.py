"""Cookies that a browser would not send back, versions of TLS that not every member speaks, pages that are cut."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.balancing.stand import NAMES, Checked, Stand
from tests.balancing.test_haproxy_http import STICKY, UNSTICKY, ending
from tests.rig.balancers import Backend, HAProxy
from tests.rig.clients import connected
from tests.rig.members import LOGIN_PATH, LOGIN_TITLE, Interface, NginxMember, Page, titled
from tests.rig.process import Server

pytestmark = pytest.mark.real


@contextlib.contextmanager
def serving(
    stand: Stand, *settings: dict[str, object], keep: list[Server] | None = None
) -> Iterator[tuple[Backend, ...]]:
    """Members of this test's own, one for each of the settings. keep: takes their processes."""
    with contextlib.ExitStack() as running:
        members = []
        for number, (name, each) in enumerate(zip(NAMES, settings, strict=False)):
            address = stand.rig.address(f"198.51.100.{92 + number}")
            place = (Interface(address, stand.port, stand.certificate),)
            member = NginxMember(name, place, **each)  # type: ignore[arg-type]
            server = running.enter_context(stand.running(member))
            if keep is not None:
                keep.append(server)
            members.append(Backend(name, address, stand.port))
        yield tuple(members)


# --- cookies -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attributed(HAProxy):
    """Inserts its cookie with attributes of the test's own. attributes: in HAProxy's words."""

    attributes: str = ""

    def _cookies(self) -> list[str]:
        return [f"  cookie {self.cookie_name} insert indirect nocache {self.attributes}"]


def attributed(stand: Stand, members: tuple[Backend, ...], attributes: str) -> Attributed:
    return Attributed(
        stand.listen, members, certificate=stand.certificate, cookie="insert", attributes=attributes
    )


NOT_RETURNED = {
    "for another domain": "domain .other.test",
    "for a domain below": "domain deeper.keys.example.test",
    "for pages elsewhere": 'attr "Path=/admin"',
    "expired when it is set": 'attr "Expires=Thu, 01 Jan 1970 00:00:01 GMT"',
    "over when it is set": 'attr "Max-Age=0"',
}


@pytest.mark.parametrize("attributes", NOT_RETURNED.values(), ids=NOT_RETURNED)
def test_a_cookie_that_no_browser_returns_keeps_nobody(stand: Stand, attributes: str) -> None:
    members = stand.members("sessions")
    with stand.running(attributed(stand, members, attributes)) as server:
        checked = stand.check(stand.target(members), server)
    UNSTICKY.hold(checked)
    sent = {name for sample in checked.samples("cookie") for name in sample.cookies_sent}
    assert sent == {"JSESSIONID"}, "written down as presented, and never sent"


@pytest.mark.parametrize(
    "attributes", ["domain .example.test", 'attr "Expires=Fri, 01-Jan-2100 00:00:01 GMT"', 'attr "Path=/b"']
)
def test_a_cookie_that_browsers_return_keeps_them(stand: Stand, attributes: str) -> None:
    members = stand.members("sessions")
    with stand.running(attributed(stand, members, attributes)) as server:
        STICKY.hold(stand.check(stand.target(members), server))


def test_nothing_but_cookies_that_no_browser_returns(stand: Stand) -> None:
    """No session of the members' own beside it: a browser comes back with nothing, and that is what is measured."""
    members = stand.members("tickets")
    with stand.running(attributed(stand, members, "domain .other.test")) as server:
        checked = stand.check(stand.target(members), server)
    assert (checked.path.method, checked.path.persistence) == ("rotating", "none"), checked.said
    assert "BAL001" in checked.codes, checked.said
    assert {sample.cookies_sent for sample in checked.samples("cookie")} == {()}


def test_without_members_in_the_profile_neither(stand: Stand) -> None:
    with stand.running(attributed(stand, stand.members("sessions"), "domain .other.test")) as server:
        checked: Checked = stand.check(stand.target(), server)
    assert checked.path.persistence == "none", checked.said
    assert checked.report.summary.exit_code == 2, checked.said


# --- pages that are cut ------------------------------------------------------------------------------------


def test_a_page_that_is_cut_for_its_size_is_still_an_answer(stand: Stand) -> None:
    """Above 256 KiB the connection is closed in the middle of the page; who answered is told all the same."""
    large = {
        LOGIN_PATH: Page(titled(LOGIN_TITLE) + f"<!--{'x' * 300_000}-->"),
        "/": Page(status=302, location=LOGIN_PATH),
    }
    with serving(stand, {"pages": large}, {"pages": large}) as members:
        for balancer, by in (
            (HAProxy(stand.listen, members), "tls-session"),
            (ending(stand, members, cookie="insert"), "balancer-cookie-value"),
        ):
            with stand.running(balancer) as server:
                checked = stand.check(stand.target(members), server)
            found = (checked.path.method, checked.path.identified_by, checked.path.failed)
            assert found == ("rotating", by, 0), checked.said
            assert not any(arm.failed for arm in checked.path.arms), checked.said


# --- versions of TLS ---------------------------------------------------------------------------------------

OLD: dict[str, object] = {"protocols": ("TLSv1.2",)}
NEW: dict[str, object] = {"protocols": ("TLSv1.3",)}


@pytest.mark.parametrize("settings", [(OLD, NEW), (NEW, OLD), (OLD, NEW, OLD), (OLD, NEW, {})])
def test_members_that_share_no_version_of_tls(stand: Stand, settings: tuple[dict[str, object], ...]) -> None:
    """Whichever answers the first look: what we offer must not make connections to the others fail."""
    with serving(stand, *settings) as members, stand.running(HAProxy(stand.listen, members)) as server:
        checked = stand.check(stand.target(members), server)
    assert (checked.path.method, checked.path.members_seen) == ("rotating", len(members)), checked.said
    assert checked.path.persistence == "none", checked.said
    assert "BAL001" in checked.codes, checked.said
    assert not [s for arm in ("fresh", "resume") for s in checked.samples(arm) if s.failure], checked.said
    checked.assert_attributed_rightly(8)


def test_a_server_that_the_profile_does_not_name_needs_the_newer_version(stand: Stand) -> None:
    """The profile's members both speak TLS 1.2, one of them nothing newer: sampling keeps to it until refused."""
    with serving(stand, OLD, {}, NEW) as members, stand.running(HAProxy(stand.listen, members)) as server:
        for turn in range(3):  # so that each of them answers the first look
            checked = stand.check(stand.target(members[:2]), server, seed=turn)
            assert checked.path.failed == 0, checked.said
            assert (checked.path.method, checked.path.members_seen) == ("rotating", 3), checked.said
            assert checked.report.summary.exit_code == 2, checked.said
            stand.rig.client.call(lambda: connected(stand.vip, stand.port).__enter__().close())
