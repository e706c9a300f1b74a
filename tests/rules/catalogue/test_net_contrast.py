"""What separates the addresses that answer: who is told, how severe, and what it explains."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semscheck.model.analysis import Method
from semscheck.model.failure import Cause
from semscheck.model.findings import Owner, State, Status
from semscheck.model.observations import AnyObservation, ProxySettings, Route
from semscheck.model.target import Endpoint, Member, Severity, Target
from tests.rules.netscene import (
    BARE,
    CLIENT,
    FQDN,
    NAMES,
    REPLICATION,
    VIP,
    Scene,
    cluster,
    connection,
    down,
    no_tls,
    own,
    path,
    sample,
    serves,
)

TWO = cluster()
UP = [serves(CLIENT[0]), serves(CLIENT[1]), own(0), own(1)]
VIP6, CLIENT6 = "2001:db8::100", ("2001:db8:1::11", "2001:db8:1::12")
BOTH = Target(
    FQDN,
    balancers=(VIP, VIP6),
    members=tuple(Member(NAMES[n], (), (Endpoint(CLIENT[n]), Endpoint(CLIENT6[n]))) for n in range(2)),
)
PROXY = ProxySettings(id="px", at_s=0.0, source="environment", url="http://192.0.2.90:3128", covers=True)
CODES = ("NET008", "NET009", "NET010", "NET011", "NET012", "NET013")


def silent(*addresses: str) -> list[AnyObservation]:
    return [seen for address in addresses for seen in down(address, Cause.TIMED_OUT)]


def route(address: str, source: str) -> Route:
    return Route(id=f"r{address}", at_s=0.0, address=address, source_address=source)


def leading(scene: Scene) -> tuple[str, Owner, Severity]:
    """The one finding that stands for itself; no certificate was written into these scenes (SEM004)."""
    roots = [f for f in scene.findings if f.caused_by is None and f.severity is not Severity.INFO]
    [root] = [f for f in roots if f.code != "SEM004"]
    return root.code, root.owner, root.severity


@pytest.mark.parametrize("code", CODES)
def test_silent_where_all_is_well(code: str) -> None:
    assert Scene(TWO, serves(VIP), *UP, paths=[path()]).state(code) is State.PASS


@pytest.mark.parametrize("code", CODES)
def test_not_observed_where_nothing_was_tried(code: str) -> None:
    assert Scene(TWO).state(code) is State.NOT_OBSERVED


def test_nothing_reachable_is_one_finding_for_this_desktop() -> None:
    scene = Scene(TWO, silent(VIP, *CLIENT[:2], *REPLICATION[:2]))
    assert leading(scene) == ("NET008", Owner.DESKTOP, Severity.CRITICAL)
    assert "VPN" in scene.summary.headline


def test_a_proxy_that_covers_the_name_is_said_first() -> None:
    scene = Scene(BARE, silent(VIP), PROXY)
    assert leading(scene) == ("NET013", Owner.NETWORK, Severity.UNKNOWN)
    assert scene.summary.verdict is Status.UNKNOWN
    assert scene.summary.headline.startswith("Whether users can connect could not be tested: The direct way")
    assert "proxy" in scene.summary.headline


def test_one_family_is_one_warning() -> None:
    works = [serves(VIP), serves(CLIENT[0]), serves(CLIENT[1])]
    scene = Scene(BOTH, *works, silent(VIP6, *CLIENT6), leads_to=(VIP, VIP6), paths=[path()])
    assert leading(scene) == ("NET009", Owner.NETWORK, Severity.WARNING)
    only = Scene(BOTH, *works[1:], silent(VIP6, *CLIENT6), leads_to=(VIP6,))
    assert only.only("NET009").severity is Severity.CRITICAL


def test_members_behind_a_firewall_are_one_remark() -> None:
    scene = Scene(TWO, serves(VIP), silent(*CLIENT[:2], *REPLICATION[:2]), paths=[path()])
    assert scene.codes("NET", "CLU") == {"NET010"}
    assert len(scene.every("NET010")) == 2  # one for each interface
    assert all(found.severity is Severity.INFO for found in scene.every("NET010"))


def test_a_member_that_is_down_among_others_is_a_server() -> None:
    scene = Scene(TWO, serves(VIP), silent(CLIENT[0]), serves(CLIENT[1]), own(0), own(1), paths=[path()])
    one = scene.only("NET002")
    assert (one.owner, one.severity) == (Owner.SERVER, Severity.WARNING)
    assert CLIENT[1] in one.summary


def test_a_network_of_the_desktops_own_is_said_first() -> None:
    ways = [route(VIP, "192.0.2.97"), *(route(a, "192.0.2.10") for a in CLIENT[:2])]
    scene = Scene(TWO, down(VIP, Cause.NO_ROUTE), *UP, *ways)
    assert leading(scene) == ("NET011", Owner.DESKTOP, Severity.CRITICAL)
    assert "192.0.2.97" in scene.summary.headline
    one_of_two = Scene(
        TWO, down(VIP, Cause.NO_ROUTE), *UP, ways, serves("192.0.2.101"), leads_to=(VIP, "192.0.2.101")
    )
    assert one_of_two.only("NET011").severity is Severity.WARNING


def test_a_ban_explains_what_was_not_seen_after_it() -> None:
    tried = [
        replace(sample(VIP, None if n < 9 else Cause.TIMED_OUT, index=n), at_s=float(n)) for n in range(20)
    ]
    later = replace(connection(CLIENT[0]), at_s=30.0)
    unknown = path(Method.UNKNOWN, counts={}, samples=20, failed=11, errors=11)
    scene = Scene(TWO, serves(VIP), *UP, tried, later, paths=[unknown])
    assert "BAL012" not in scene.codes()
    assert leading(scene)[0] == "NET012"
    assert scene.summary.verdict is Status.WARNING
    assert "10 connections that worked" in scene.only("NET012").summary  # nine, and the look before


@pytest.mark.parametrize("cause", [Cause.TIMED_OUT, Cause.NO_ROUTE])
def test_a_silent_balancer_before_members_that_serve_is_the_balancers(cause: Cause) -> None:
    scene = Scene(TWO, down(VIP, cause), *UP)
    [root] = [f for f in scene.findings if f.caused_by is None]
    assert root.owner is Owner.BALANCER
    assert "SNAT" in root.remedy


def test_no_tls_before_members_that_speak_it_is_the_balancers() -> None:
    scene = Scene(TWO, no_tls(VIP, Cause.NOT_TLS, said="HTTP/1.1 400 Bad Request"), *UP)
    one = scene.only("TLS001")
    assert one.owner is Owner.BALANCER
    assert "PROXY protocol" in one.remedy
    alone = Scene(BARE, no_tls(VIP, Cause.NOT_TLS, said="HTTP/1.1 400 Bad Request"))
    assert "PROXY protocol" not in alone.only("TLS001").remedy
