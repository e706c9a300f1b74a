"""Watches: outages, who took over, what came back, and how sure that is."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from semscheck.analysis.watch import watch_analysis
from semscheck.model.report import Run, Snapshot
from tests.analysis.watches import MEMBERS, OTHER, STARTED, TARGET, VIP, analysed

NAMED = replace(TARGET, members=MEMBERS)
KEYS = {"sems1.example.com": "A", "sems2.example.com": "B", "sems3.example.com": "C"}
ONE, TWO = "sems1.example.com", "sems2.example.com"


@dataclass(frozen=True, slots=True)
class Row:
    """expected: of each outage its kind, the second of its beginning, and its length."""

    case: str
    ticks: str
    expected: tuple[tuple[str, float, float], ...]
    certain: bool = True
    how: dict[str, Any] = field(default_factory=dict)


ROWS = (
    Row("nothing happens", "A" * 20, ()),
    Row("one fails over", "AAAAAA---BBBBBB", (("take-over", 6, 3.02),), certain=False),
    Row("and comes back", "AAAAAA---BBBBBB-AAAAAA", (("take-over", 6, 3.02), ("fail-back", 15, 1.02))),
    Row(
        "and comes back with no loss", "AAAAAA---BBBBBBAAAAAA", (("take-over", 6, 3.02), ("fail-back", 15, 0))
    ),
    Row("with no loss at all", "AAAAAABBBBBBBBAAAAAA", (("take-over", 6, 0), ("fail-back", 14, 0))),
    Row(
        "a new key after the restart",
        "AAAAAA---BBBBBBCCCCCC",
        (("take-over", 6, 3.02), ("fail-back", 15, 0)),
        False,
    ),
    Row("one server is away and back", "AAAAAA---AAAAAA", (("unknown", 6, 3.02),)),
    Row(
        "one of two known ones is",
        "AAAAAABBBBBB--BBBBBB",
        (("take-over", 6, 0), ("same-servers", 12, 2.02)),
        False,
    ),
    Row("no ticket", "??????--??????", (("unknown", 6, 2.02),)),
    Row("not over yet", "AAAAAA----", (("lasting", 6, 3.02),)),
    Row("flapping is one outage", "AAAAAA-A-A-A-AAAAAA", (("unknown", 6, 7.02),)),
    Row("two outages", "AAAAAA--AAAAAA--AAAA", (("unknown", 6, 2.02), ("unknown", 14, 2.02))),
    Row("an error of the balancer", "??????555??????", (("unknown", 6, 3.02),)),
    Row(
        "a restart is the same server",
        "AAAAAA---AAAAAABBBBBB",
        (("same-servers", 6, 3.02), ("take-over", 15, 0)),
        False,
    ),
    Row(
        "round robin loses one",
        "ABC" * 8 + "A-C" * 2 + "AC" * 20,
        (("take-over", 25, 4.02),),
    ),
    Row(
        "and has it back",
        "ABC" * 8 + "A-C" * 2 + "AC" * 20 + "ABC" * 8,
        (("take-over", 25, 4.02), ("fail-back", 71, 0)),
    ),
    Row("a step aside is chance", "ABACABCBACABCABACBCA" * 2, ()),
    Row(
        "by the record",
        "AAAAAA---BBBBBB",
        (("take-over", 6, 3.02),),
        how={"addresses": {"B": OTHER}},
    ),
    Row(
        "by the record, with one key",
        "AAAAAA---aaaaaa",
        (("take-over", 6, 3.02),),
        how={"addresses": {"a": OTHER}},
    ),
    Row("named", "AAAAAA---BBBBBB", (("take-over", 6, 3.02),), how={"target": NAMED, "shown": KEYS}),
    Row(
        "named, away and back",
        "AAAAAA---AAAAAA",
        (("same-servers", 6, 3.02),),
        how={"target": NAMED, "shown": KEYS},
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_exactly_these_outages(row: Row) -> None:
    found = analysed(row.ticks, **row.how)
    seen = [
        (outage.kind.value, (outage.began - STARTED).total_seconds(), outage.length_s)
        for outage in found.outages
    ]
    assert seen == [(kind, began, pytest.approx(length)) for kind, began, length in row.expected]
    assert all(outage.certain for outage in found.outages) is row.certain
    assert len(found.sequence) == len(row.ticks) == found.ticks


def test_who_answered_by_name() -> None:
    found = analysed("AAAAAA---BBBBBB-AAAA", target=NAMED, shown=KEYS)
    assert {each.name: each.count for each in found.answered_by} == {ONE: 10, TWO: 6}
    assert [(outage.before, outage.after) for outage in found.outages] == [((ONE,), (TWO,)), ((TWO,), (ONE,))]
    assert [outage.by for outage in found.outages] == ["balancer", "balancer"]
    assert found.failed == (6, 7, 8, 15)
    assert found.outages[0].evidence == ("t6", "t8")
    assert found.outages[0].cause == "refused"


def test_a_members_own_address_names_it() -> None:
    own = {"A": MEMBERS[0].client[0].address, "B": MEMBERS[1].client[0].address}
    found = analysed("AAAAAA--BBBBBB", target=NAMED, addresses=own)
    assert [each.name for each in found.answered_by] == [ONE, TWO]
    assert found.outages[0].by == "dns"
    assert found.outages[0].certain


def test_a_lost_packet_does_not_make_an_outage_shorter() -> None:
    """The connection request is sent again after a second: the tick began while the server was down."""
    found = watch_analysis(_with_slow_tick("AAAAAAhhAAAAAA", slow=8, took_s=1.04))
    assert found is not None
    assert found.outages[0].length_s == pytest.approx(3.02, abs=0.03)


def _with_slow_tick(ticks: str, slow: int, took_s: float) -> Snapshot:
    from tests.analysis.watches import watch_of

    snapshot = watch_of(ticks)
    seen = tuple(
        replace(each, elapsed_s=took_s) if each.id == f"t{slow}" else each for each in snapshot.observations
    )
    return replace(snapshot, observations=seen)


def test_marks_and_records_have_their_time() -> None:
    found = analysed(
        "A" * 10,
        marks=((3.5, "sems1 stopped"),),
        records=((0.0, (VIP,)), (6.0, (OTHER,)), (8.0, ())),
    )
    assert [(mark.at - STARTED, mark.text) for mark in found.marks] == [
        (timedelta(seconds=3.5), "sems1 stopped")
    ]
    assert [record.addresses for record in found.records] == [(VIP,), (OTHER,), ()]


def test_the_order_of_addresses_is_no_change() -> None:
    found = analysed("A" * 4, records=((0.0, (VIP, OTHER)), (5.0, (OTHER, VIP))))
    assert len(found.records) == 1


@pytest.mark.parametrize("servers", [2, 3, 6])
def test_chance_takes_nobody_away(servers: int) -> None:
    """Random balancing over an hour: in a hundred watches hardly ever a take-over that was none."""
    source, wrong = random.Random(servers), 0
    for _ in range(30):
        ticks = "".join(source.choice("ABCDEF"[:servers]) for _ in range(300))
        wrong += bool(analysed(ticks).outages)
    assert wrong <= 6


def test_no_watch_is_none() -> None:
    assert watch_analysis(Snapshot(target=TARGET, run=Run(id="r", started=STARTED))) is None


def test_a_watch_that_ended_at_once() -> None:
    found = analysed("")
    assert (found.ticks, found.outages, found.latency_s) == (0, (), None)
