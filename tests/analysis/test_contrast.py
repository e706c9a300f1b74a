"""Contrast: tables of attempts, and what separates those that fail from those that work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import pytest

from semscheck.analysis.contrast import RUNGS, blocks, chance_of_runs, contrasts, order, table
from semscheck.analysis.endpoints import places
from semscheck.model.analysis import Contrast, DnsAnalysis, Separation
from semscheck.model.failure import Cause, Phase
from semscheck.model.observations import AnyObservation, Bound, ProxySettings, Route
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Endpoint, Member, Target
from tests.rules.netscene import (
    BARE,
    CLIENT,
    FQDN,
    NAMES,
    NOW,
    REPLICATION,
    VIP,
    Some,
    cluster,
    connection,
    dns,
    down,
    handshake,
    no_tls,
    own,
    sample,
    serves,
)

VIP6 = "2001:db8::100"
CLIENT6 = ("2001:db8:1::11", "2001:db8:1::12")
TWO = cluster()
TWO_FAMILIES = Target(
    FQDN,
    balancers=(VIP, VIP6),
    members=tuple(Member(NAMES[n], (), (Endpoint(CLIENT[n]), Endpoint(CLIENT6[n]))) for n in range(2)),
)


def silent(address: str, cause: Cause = Cause.TIMED_OUT) -> list[AnyObservation]:
    return down(address, cause)


def proxied(covers: bool | None = True, pac: str | None = None) -> ProxySettings:
    url = None if pac else "http://192.0.2.90:3128"
    return ProxySettings(id="px", at_s=0.0, source="environment", url=url, pac_url=pac, covers=covers)


def route(address: str, source: str) -> Route:
    return Route(id=f"r{address}", at_s=0.0, address=address, source_address=source)


def found(aim: Target, *seen: Some, leads_to: tuple[str, ...] = (VIP,)) -> tuple[Contrast, ...]:
    flat: list[AnyObservation] = []
    for one in seen:
        flat.extend(one if isinstance(one, list | tuple) else [one])  # type: ignore[list-item]
    snapshot = Snapshot(target=aim, run=Run(id="r", started=NOW), observations=tuple(flat))
    return contrasts(snapshot, places(snapshot, DnsAnalysis(addresses=leads_to)))


@dataclass(frozen=True, slots=True)
class Row:
    """seen: the attempts. says: (what separates, what fails, by what) of each contrast."""

    case: str
    seen: list[Some]
    says: set[tuple[Separation, tuple[str, ...], str]]
    aim: Target = TWO
    leads_to: tuple[str, ...] = (VIP,)


S = Separation
ALL_MEMBERS = [*CLIENT[:2]]
OWN = [*REPLICATION[:2]]
UP = [serves(CLIENT[0]), serves(CLIENT[1]), own(0), own(1)]

ROWS = (
    Row("all works", [dns(VIP), serves(VIP), *UP], set()),
    Row(
        "nothing answers, and names do",
        [dns(VIP), silent(VIP), silent(CLIENT[0]), silent(CLIENT[1])],
        {(S.EVERYTHING, (VIP, *ALL_MEMBERS), "")},
    ),
    Row("one address says nothing of the way", [dns(VIP), silent(VIP)], set(), BARE),
    Row("no name server answers either: no network at all", [silent(VIP), silent(CLIENT[0])], set()),
    Row("a refusal is an answer", [dns(VIP), silent(VIP), down(CLIENT[0])], set()),
    Row("the proxy is the way", [dns(VIP), silent(VIP), proxied()], {(S.PROXY, (VIP,), "")}, BARE),
    Row(
        "a PAC file may be",
        [dns(VIP), silent(VIP), proxied(None, "http://192.0.2.90/p")],
        {(S.PROXY, (VIP,), "")},
        BARE,
    ),
    Row("a proxy that leaves the FQDN out", [dns(VIP), silent(VIP), proxied(False)], set(), BARE),
    Row("a proxy beside a direct way that works", [dns(VIP), serves(VIP), proxied()], set(), BARE),
    Row(
        "a proxy, and a server that refuses directly",
        [dns(VIP), down(VIP), proxied()],
        set(),
        BARE,
    ),
    Row(
        "IPv6 fails everywhere",
        [dns(VIP), serves(VIP), *UP[:2], *(silent(a) for a in (VIP6, *CLIENT6))],
        {(S.FAMILY, (VIP6, *CLIENT6), "6")},
        TWO_FAMILIES,
        (VIP, VIP6),
    ),
    Row(
        "IPv4 fails everywhere",
        [
            dns(VIP6),
            silent(VIP),
            silent(CLIENT[0], Cause.NO_ROUTE),
            silent(CLIENT[1]),
            *(serves(a) for a in (VIP6, *CLIENT6)),
        ],
        {(S.FAMILY, (VIP, *ALL_MEMBERS), "4")},
        TWO_FAMILIES,
        (VIP6,),
    ),
    Row(
        "one IPv6 address of several answers: not the family",
        [serves(VIP), serves(CLIENT[0]), silent(VIP6), silent(CLIENT6[0]), serves(CLIENT6[1])],
        {(S.MEMBER, (CLIENT6[0],), ""), (S.BALANCER, (VIP6,), "timed-out")},
        TWO_FAMILIES,
        (VIP, VIP6),
    ),
    Row(
        "the balancer is silent, members serve",
        [dns(VIP), silent(VIP), *UP],
        {(S.BALANCER, (VIP,), "timed-out")},
    ),
    Row(
        "the balancer refuses, members serve",
        [dns(VIP), down(VIP), *UP],
        {(S.BALANCER, (VIP,), "refused")},
    ),
    Row(
        "no TLS in front, TLS behind",
        [dns(VIP), no_tls(VIP, Cause.NOT_TLS, said="HTTP/1.1 400"), *UP],
        {(S.TLS_IN_FRONT, (VIP,), "not-tls")},
    ),
    Row(
        "the FQDN leads to the member that fails",
        [down(CLIENT[0]), serves(CLIENT[1])],
        set(),
        TWO,
        CLIENT[:1],
    ),
    Row(
        "one member is silent, the other answers",
        [dns(VIP), serves(VIP), silent(CLIENT[0]), serves(CLIENT[1]), own(1)],
        {(S.MEMBER, (CLIENT[0],), "")},
    ),
    Row(
        "the members lie behind a firewall",
        [dns(VIP), serves(VIP), *(silent(a) for a in (*ALL_MEMBERS, *OWN))],
        {(S.MEMBERS, tuple(ALL_MEMBERS), "client"), (S.MEMBERS, tuple(OWN), "replication")},
    ),
    Row(
        "members that refuse are not out of reach",
        [dns(VIP), serves(VIP), *(down(a) for a in ALL_MEMBERS), own(0)],
        set(),
    ),
    Row(
        "only Interface 1 is out of reach",
        [dns(VIP), serves(VIP), *UP[:2], *(silent(a) for a in OWN)],
        {(S.MEMBERS, tuple(OWN), "replication")},
    ),
    Row(
        "another source address",
        [
            dns(VIP),
            silent(VIP, Cause.NO_ROUTE),
            *UP,
            route(VIP, "192.0.2.97"),
            *(route(a, "192.0.2.10") for a in (*ALL_MEMBERS, *OWN)),
        ],
        {(S.BALANCER, (VIP,), "no-route"), (S.ROUTE, (VIP,), "192.0.2.97")},
    ),
    Row(
        "the same source address",
        [dns(VIP), silent(VIP), *UP, *(route(a, "192.0.2.10") for a in (VIP, *ALL_MEMBERS))],
        {(S.BALANCER, (VIP,), "timed-out")},
    ),
    Row(
        "another source address that answers with a refusal",
        [dns(VIP), down(VIP), *UP, route(VIP, "192.0.2.97"), *(route(a, "192.0.2.10") for a in ALL_MEMBERS)],
        {(S.BALANCER, (VIP,), "refused")},
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_what_separates(row: Row) -> None:
    told = {
        (each.separates, each.fails, each.by) for each in found(row.aim, *row.seen, leads_to=row.leads_to)
    }
    assert told == row.says


def test_the_evidence_is_what_failed_and_what_worked() -> None:
    bad, good = silent(VIP), serves(CLIENT[0])
    [one] = found(TWO, bad, good)
    assert one.works == (CLIENT[0],)
    assert one.evidence == (bad[0].id, *(seen.id for seen in good))


# --- the order of time -------------------------------------------------------------------------------------

GOOD, BAD = "+", "-"


def series(outcomes: str, cause: Cause = Cause.TIMED_OUT, address: str = VIP) -> list[AnyObservation]:
    """Connections to one address, a second apart: "+" worked, "-" failed."""
    return [
        replace(sample(address, None if each == GOOD else cause, index=at), at_s=float(at))
        for at, each in enumerate(outcomes)
    ]


def after(address: str, at_s: float, cause: Cause | None = None) -> AnyObservation:
    return replace(connection(address, cause), at_s=at_s)


def separated(by: Separation, *seen: Some) -> list[tuple[tuple[str, ...], int]]:
    return [(each.fails, each.count) for each in found(TWO, *seen) if each.separates is by]


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ("+++++++" + "-----", 7),
        ("++++++" + "---", 6),
        ("+++++" + "-----", None),  # too few before
        ("++++++++" + "--", None),  # too few after: a dead member of two may be met so often
        ("++++++" + "----" + "+", None),  # it answers again
        ("+-+-+-+-+-", None),
    ],
)
def test_a_limit_is_seen_by_the_order(outcomes: str, count: int | None) -> None:
    told = separated(Separation.ORDER, series(outcomes), after(CLIENT[0], 60.0))
    assert told == ([] if count is None else [((VIP,), count)])


@pytest.mark.parametrize("cause", [Cause.TIMED_OUT, Cause.REFUSED, Cause.RESET])
def test_how_it_fails_from_then_on_is_said(cause: Cause) -> None:
    [told] = [
        each
        for each in found(TWO, series("+++++++" + "----------", cause), after(CLIENT[0], 7.0))
        if each.separates is Separation.ORDER
    ]
    assert (told.by, told.count, len(told.evidence)) == (cause.value, 7, 8)


def test_a_desktop_that_lost_its_network_is_not_shut_out() -> None:
    lost = [series("+++++++" + "-----"), after(CLIENT[0], 1.0), after(CLIENT[0], 60.0, Cause.TIMED_OUT)]
    assert not separated(Separation.ORDER, *lost)


def test_what_a_known_limit_kept_away_counts_where_it_was_never_let_in_again() -> None:
    """Given up by the sampling, or let in again after a pause; neither is a server that goes up and down."""
    for outcomes, count in (("++++++" + "----", 1), ("++++++" + "----" + "++++++++", 0)):
        tried = series(outcomes)
        limit = Bound(id="b", at_s=20.0, what="", seen=10, used=6, samples=tuple(s.id for s in tried[6:10]))
        assert len(separated(Separation.ORDER, tried, limit)) == count
        assert not separated(Separation.BLOCKS, tried, limit)


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ("+++++-----+++++-----", True),
        ("+-+-+-+-+-+-+-+-+-+-", False),
        ("+++-+-++--+++-++-+-+", False),
        ("+++++-----", False),  # too few
        ("+" * 12, False),
    ],
)
def test_blocks(outcomes: str, told: bool) -> None:
    assert bool(separated(Separation.BLOCKS, series(outcomes, Cause.REFUSED))) is told


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ("++-" * 8, 3),
        ("+-" * 8, 2),
        ("++++" + "+++-" * 7 + "++-+", 4),
        ("++-" * 6, None),  # five gaps
        ("++-++++-+-++-++++-++-+++-+-++++-", None),
        ("-" * 12 + "+" * 4, None),
    ],
)
def test_turns(outcomes: str, count: int | None) -> None:
    told = separated(Separation.TURNS, series(outcomes, Cause.REFUSED))
    assert told == ([] if count is None else [((VIP,), count)])


@pytest.mark.parametrize(("good", "bad"), [(1, 1), (3, 2), (4, 4), (6, 3)])
def test_the_chance_of_runs_is_that_of_all_orders_counted(good: int, bad: int) -> None:
    size = good + bad
    orders = [[at in chosen for at in range(size)] for chosen in combinations(range(size), good)]
    runs = [1 + sum(one is not other for one, other in pairwise(each)) for each in orders]
    for most in range(2, size + 1):
        expected = sum(each <= most for each in runs) / len(runs)
        assert chance_of_runs(good, bad, most) == pytest.approx(expected)


def test_a_failed_handshake_counts_as_a_failed_connection() -> None:
    met = [replace(sample(VIP, Cause.RESET, Phase.TLS, index=at), at_s=float(at + 6)) for at in range(4)]
    snapshot = Snapshot(target=TWO, run=Run(id="r", started=NOW), observations=(*series("++++++"), *met))
    rows = table(snapshot, places(snapshot, DnsAnalysis(addresses=(VIP,))))
    assert [each.count for each in order(rows)] == [6]
    assert not list(blocks(rows))


# --- other ClientHellos ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answered", "by"),
    [
        (("no-alpn",), "alpn"),
        (("no-alpn", "small"), "alpn"),
        (("no-name",), "name"),
        (("TLSv1.2",), "version"),
        (("TLSv1.2", "RSA"), "version"),
        (("RSA",), "certificate"),
        (("small",), "size"),
        (("small", "TLSv1.2", "RSA"), "size"),
        ((), None),  # nothing is answered
        (("no-name", "no-alpn"), None),  # not one thing
        (("TLSv1.2", "no-alpn", "no-name", "small", "RSA"), None),  # it was a passing trouble
    ],
)
def test_what_the_answered_hellos_lack(answered: tuple[str, ...], by: str | None) -> None:
    tried = [
        replace(handshake(VIP, None if each in answered else Cause.RESET), offered=each) for each in RUNGS
    ]
    told = [each.by for each in found(BARE, no_tls(VIP, Cause.RESET), tried) if each.separates is S.HELLO]
    assert told == ([by] if by else [])
