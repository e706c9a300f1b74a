"""WAT: what a watch shows of the failover that the profile promises."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from semscheck.model.findings import State, Status
from semscheck.model.target import Failover, Target, Thresholds
from semscheck.pipeline import judge_snapshot
from tests.analysis.watches import MEMBERS, OTHER, TARGET, watch_of

PROFILE = replace(TARGET, profile="keys.toml", members=MEMBERS)
BY_DNS = replace(PROFILE, failover=Failover.DNS)
STRICT = replace(PROFILE, thresholds=Thresholds(outage_s=2))
KEYS = {"sems1.example.com": "A", "sems2.example.com": "B", "sems3.example.com": "C"}


@dataclass(frozen=True, slots=True)
class Row:
    case: str
    ticks: str
    status: Status
    codes: tuple[str, ...]
    target: Target = PROFILE
    moved: bool = False
    says: str = ""


ROWS = (
    Row("as promised", "AAAAAA---BBBBBB", Status.OK, (), says="sems2.example.com took over from sems1"),
    Row("with no loss", "AAAAAABBBBBBBBB", Status.OK, (), says="with no connection lost"),
    Row(
        "too long",
        "AAAAAA---BBBBBB",
        Status.CRITICAL,
        ("WAT001",),
        STRICT,
        says="all connections failed for 3.0 s",
    ),
    Row("too long, and nobody took over", "AAAA---AAAA", Status.CRITICAL, ("WAT001", "WAT002"), STRICT),
    Row("nothing happened", "AAAAAAAA", Status.UNKNOWN, ("WAT002",), says="nothing happened"),
    Row("the same server", "AAAA---AAAA", Status.UNKNOWN, ("WAT002",), says="nobody took over"),
    Row("nobody knows", "????---????", Status.UNKNOWN, ("WAT002",), says="is not determined"),
    Row("a restart, or another", "AAAAAA---BBBBBB", Status.UNKNOWN, ("WAT002",), TARGET, says="restarted"),
    Row("not over", "AAAAAA---", Status.UNKNOWN, ("WAT002",), says="still failed"),
    Row(
        "not over, and too long",
        "AAAAAA----",
        Status.CRITICAL,
        ("WAT001", "WAT002"),
        STRICT,
        says="until the watch",
    ),
    Row("by DNS, as promised", "AAAAAA---BBBBBB", Status.OK, (), BY_DNS, moved=True),
    Row(
        "by DNS, balancer promised",
        "AAAAAA---BBBBBB",
        Status.UNKNOWN,
        ("WAT002",),
        moved=True,
        says='"balancer"',
    ),
    Row(
        "by the balancer, DNS promised", "AAAAAA---BBBBBB", Status.UNKNOWN, ("WAT002",), BY_DNS, says='"dns"'
    ),
    Row("nothing promised", "AAAAAA---BBBBBB", Status.OK, (), TARGET, moved=True),
    Row("nothing at all", "", Status.UNKNOWN, ("WAT002",), says="before a connection was made"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_exactly_these_codes(row: Row) -> None:
    own = {member.name: member.client[0].address for member in row.target.members}
    moved = {"B": own.get("sems2.example.com", OTHER)} if row.moved else None
    shown = KEYS if row.target.members else None
    report = judge_snapshot(watch_of(row.ticks, target=row.target, addresses=moved, shown=shown))
    assert tuple(finding.code for finding in report.findings) == row.codes
    assert report.summary.verdict is row.status
    assert report.summary.exit_code == {Status.OK: 0, Status.CRITICAL: 2, Status.UNKNOWN: 3}[row.status]
    told = [report.summary.cause, *(finding.summary for finding in report.findings)]
    assert row.says.lower() in " ".join(told).lower()
    observed = {verdict.code for verdict in report.verdicts if verdict.state is not State.NOT_OBSERVED}
    assert observed == {"WAT001", "WAT002", "SEM001"}


def test_round_robin_loses_some_connections_only() -> None:
    ticks = "ABC" * 8 + "A-C" * 4 + "AC" * 20
    report = judge_snapshot(watch_of(ticks, target=replace(STRICT), shown=KEYS))
    (finding,) = report.findings
    assert "4 of 10 connections failed" in finding.summary
    assert report.summary.impact is not None
    assert report.summary.impact.sentence == "Some connections failed for 10 s."
