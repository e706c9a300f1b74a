"""Cookies that a browser would not send back, versions of TLS that not every member speaks, pages that are cut."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest

from tests.balancing.stand import NAMES, Checked, Stand
from tests.balancing.test_haproxy_http import STICKY, UNSTICKY, ending
from tests.rig.balancers import Backend, HAProxy
from tests.rig.members import LOGIN_PATH, LOGIN_TITLE, Interface, NginxMember, Page, titled

pytestmark = pytest.mark.real


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
    with contextlib.ExitStack() as running:
        members = []
        for number, name in enumerate(NAMES[:2]):
            address = stand.rig.address(f"198.51.100.{92 + number}")
            place = (Interface(address, stand.port, stand.certificate),)
            running.enter_context(stand.running(NginxMember(name, place, pages=large)))
            members.append(Backend(name, address, stand.port))
        for balancer, by in (
            (HAProxy(stand.listen, tuple(members)), "tls-session"),
            (ending(stand, tuple(members), cookie="insert"), "balancer-cookie-value"),
        ):
            server = running.enter_context(stand.running(balancer))
            checked = stand.check(stand.target(members), server)
            server.stop()
            found = (checked.path.method, checked.path.identified_by, checked.path.failed)
            assert found == ("rotating", by, 0), checked.said
            assert not any(arm.failed for arm in checked.path.arms), checked.said
