"""Balancers that let one desktop make only so many connections in a time: a check's haste is not the pool's fault."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from semscheck.model.observations import Bound
from semscheck.model.target import Limits, Target
from tests.balancers.stand import Checked, Stand
from tests.balancers.test_cookies_and_versions import serving
from tests.rig.balancers import Backend, HAProxy
from tests.rig.process import Server

pytestmark = pytest.mark.real


@dataclass(frozen=True, slots=True)
class Limited(HAProxy):
    """Lets each source make so many connections in `window_s`; `verdict` for more is "reject" or "silent-drop"."""

    verdict: str = "reject"
    window_s: int = 6
    most: int = 12

    def _config(self, directory: Path) -> str:
        limit = [
            "frontend in",
            f"  stick-table type ip size 1k expire 30s store conn_rate({self.window_s}s)",
            "  tcp-request connection track-sc0 src",
            f"  tcp-request connection {self.verdict} if {{ sc0_conn_rate gt {self.most} }}",
        ]
        return HAProxy._config(self, directory).replace("frontend in", "\n".join(limit))


def pool(stand: Stand, members: tuple[Backend, ...]) -> HAProxy:
    return HAProxy(stand.listen, members, method="first")


def check_limited(stand: Stand, balancer: Limited, target: Target) -> Checked:
    """A check that runs into the limit: again with a longer window where a busy machine made its first connections
    hardly faster than the limit lets through."""
    for window_s in (6, 9):
        with stand.running(replace(balancer, window_s=window_s)) as server:
            checked = stand.check(target, server)
        tried = [one.at_s for one in checked.notes.dialled if one.address == stand.vip][: balancer.most + 4]
        if tried[-1] - tried[0] < 0.6 * window_s:
            break
    return checked


def limits(checked: Checked) -> list[Bound]:
    return [o for o in checked.report.observations if isinstance(o, Bound) and o.samples]


@pytest.mark.parametrize("verdict", ["reject", "silent-drop"])
def test_a_healthy_pool_behind_a_limit_is_healthy(stand: Stand, verdict: str) -> None:
    members = stand.members("tickets")
    limited = Limited(stand.listen, members, method="first", verdict=verdict)
    checked = check_limited(stand, limited, stand.target(members, connections=16))
    assert limits(checked), checked.said
    assert (checked.path.method, checked.path.identified, checked.path.failed) == ("single", 16, 0), (
        checked.said
    )
    assert checked.report.summary.verdict == "ok", checked.said


def test_a_round_robin_behind_a_limit_is_still_one(stand: Stand) -> None:
    members = stand.members("tickets")
    checked = check_limited(stand, Limited(stand.listen, members), stand.target(members))
    assert limits(checked), checked.said
    assert (checked.path.method, checked.path.persistence) == ("rotating", "none"), checked.said
    assert checked.balancing_codes == {"BAL001"}, checked.said
    assert "NET006" not in checked.codes, checked.said


def test_without_members_in_the_profile_as_well(stand: Stand) -> None:
    members = stand.members("tickets")
    checked = check_limited(stand, Limited(stand.listen, members), stand.target())
    assert limits(checked), checked.said
    assert checked.path.failed == 0, checked.said
    assert checked.path.method in ("rotating", "even"), checked.said


def test_a_member_that_is_away_for_a_while_is_no_limit(stand: Stand) -> None:
    """All answered, then all fail, then all answered again: but the member itself was silent, too."""
    own: list[Server] = []
    with serving(stand, {}, {}, keep=own) as members, stand.running(pool(stand, members)) as server:
        before = {(stand.vip, 16): own[0].freeze, (stand.vip, 22): own[0].thaw}
        target = stand.target(members, connections=24, limits=Limits(timeout_s=1.0, deadline_s=60.0))
        checked = stand.check(target, server, before=before)
    assert not limits(checked), checked.said
    assert checked.path.errors >= 4, checked.said
    assert "BAL012" in checked.codes, checked.said
