"""Cookies that a browser would not send back, versions of TLS that not every member speaks, pages that are cut."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from semscheck.analysis.balancing.identity import UNLISTED
from semscheck.model.failure import Cause, Phase
from semscheck.model.observations import Control, Trace
from tests.balancers.stand import NAMES, Checked, Stand
from tests.balancers.test_haproxy_http import STICKY, UNSTICKY, ending
from tests.rig.balancers import Backend, HAProxy
from tests.rig.clients import connected
from tests.rig.members import LOGIN_PATH, LOGIN_TITLE, Interface, NginxMember, Page, titled
from tests.rig.process import Server

pytestmark = pytest.mark.real


@contextlib.contextmanager
def serving(
    stand: Stand,
    *settings: dict[str, object],
    keep: list[Server] | None = None,
    kind: type[NginxMember] = NginxMember,
    **common: object,
) -> Iterator[tuple[Backend, ...]]:
    """Members of this test's own, one for each of the settings. keep: takes their processes."""
    with contextlib.ExitStack() as running:
        members = []
        for number, (name, each) in enumerate(zip(NAMES, settings, strict=False)):
            address = stand.rig.address(f"198.51.100.{92 + number}")
            place = (Interface(address, stand.port, stand.certificate),)
            member = kind(name, place, **(common | each))  # type: ignore[arg-type]
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
            (HAProxy(stand.listen, members), "ticket-key"),
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


def test_a_member_that_speaks_only_what_no_client_takes(stand: Stand) -> None:
    """Half of all modern clients are refused: seen as failed connections, with what the server said."""
    ancient: dict[str, object] = {"protocols": ("TLSv1", "TLSv1.1")}
    with serving(stand, ancient, {}) as members, stand.running(HAProxy(stand.listen, members)) as server:
        checked = stand.check(stand.target(members, connections=12), server)
    fresh = checked.samples("fresh")
    failed = [sample for sample in fresh if sample.failure is not None]
    assert len(failed) == len(fresh) // 2 == checked.path.failed, checked.said
    said = {(s.failure.phase, s.failure.cause, s.failure.alert) for s in failed if s.failure is not None}
    assert said == {(Phase.TLS, Cause.ALERT, "protocol_version")}
    assert checked.report.summary.exit_code != 0, checked.said


# --- members of several processes --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Processes(NginxMember):
    """Two worker processes, each with a session cache of its own: a session is known where the same one answers."""

    def _config(self, directory: Path) -> str:
        config = NginxMember._config(self, directory)
        config = config.replace("master_process off;", "worker_processes 2;\nuser root;")
        config = config.replace("ssl_session_cache off;", "ssl_session_cache builtin:1000;")
        return re.sub(r"(listen [^;]+ ssl);", r"\1 reuseport;", config)


def test_members_of_several_processes_are_not_taken_for_several_servers(stand: Stand) -> None:
    with contextlib.ExitStack() as running:
        members = running.enter_context(serving(stand, {}, {}, kind=Processes, tickets=False))
        server = running.enter_context(stand.running(HAProxy(stand.listen, members, method="first")))
        found = [stand.check(stand.target(members), server, seed=turn) for turn in range(4)]
    for checked in found:
        assert checked.report.summary.exit_code in (0, 3), checked.said
        assert UNLISTED not in {share.name for share in checked.path.members}, checked.said
        assert not checked.balancing_codes & {"BAL001", "BAL002", "BAL003"}, checked.said


def own_controls(checked: Checked) -> Counter[str]:
    controls = [o for o in checked.report.observations if isinstance(o, Control) and o.token == "tls"]
    return Counter(control.issuer for control in controls if control.issuer == control.shown_to)


@pytest.mark.parametrize("kind", ["cache", "cache12"])
def test_members_are_shown_their_own_sessions_three_times(stand: Stand, kind: str) -> None:
    members = stand.members(kind)
    with stand.running(HAProxy(stand.listen, members, method="first")) as server:
        checked = stand.check(stand.target(members), server)
    assert set(own_controls(checked).values()) == {3}
    assert checked.report.summary.verdict == "ok", checked.said


def test_a_session_that_nobody_knew_was_shown_to_one_member_twice(stand: Stand) -> None:
    members = stand.members("cache")
    with stand.running(ending(stand, members, tickets=False)) as server:
        checked = stand.check(stand.target(members), server)
    shown: dict[str, list[str]] = {}
    for seen in checked.report.observations:
        if isinstance(seen, Trace) and seen.token == "tls":
            assert seen.recognised is False
            shown.setdefault(seen.sample, []).append(seen.member)
    assert shown
    for each in shown.values():
        assert sorted(Counter(each).values()) == [1, 1, 2]
