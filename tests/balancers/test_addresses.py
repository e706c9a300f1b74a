"""Several addresses behind one name: each is sampled, and the worst is the verdict's."""

from __future__ import annotations

import pytest

from tests.balancers.stand import DOMAIN, Stand
from tests.rig.balancers import HAProxy

pytestmark = pytest.mark.real

TWO = f"two.{DOMAIN}"


def test_each_address_is_sampled_and_the_worse_one_counts(stand: Stand) -> None:
    members = stand.members("tickets")
    steady = HAProxy(((stand.vip, stand.port),), members, method="first", name="steady")
    rotating = HAProxy(((stand.second_vip, stand.port),), members, name="rotating")
    with stand.running(steady), stand.running(rotating):
        target = stand.target(members, fqdn=TWO, fqdn_shown=TWO, balancers=(stand.vip, stand.second_vip))
        checked = stand.check(target)
    paths = {path.address: path for path in checked.report.analysis.paths}
    assert set(paths) == {stand.vip, stand.second_vip}
    assert paths[stand.vip].method == "single", checked.said
    assert paths[stand.second_vip].method == "rotating", checked.said
    assert checked.path.address == stand.second_vip
    assert {"BAL001", "BAL009"} <= checked.codes
    assert checked.finding("BAL001").subject.address == stand.second_vip
    assert checked.report.summary.verdict == "critical"


def test_addresses_that_are_the_members_own(stand: Stand) -> None:
    """The name leads to the members themselves: what answers at each is known by its address."""
    members = stand.members("tickets")
    server = HAProxy(((stand.vip, stand.port), (stand.second_vip, stand.port)), members[:1])
    with stand.running(server) as balancer:
        target = stand.target(members[:1], fqdn=TWO, fqdn_shown=TWO)
        checked = stand.check(target, balancer)
    assert {path.method for path in checked.report.analysis.paths} == {"single"}, checked.said
    assert "BAL009" in checked.codes
    assert {share.name for path in checked.report.analysis.paths for share in path.members} == {
        "sems1.example.test"
    }
