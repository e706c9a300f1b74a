"""Each scenario shows what it is there to show, and every document of every run holds: whole, failed and cut ones."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import cache

import pytest
from jsonschema_rs import Draft202012Validator

from semscheck import pipeline as run
from semscheck.lab.scenarios import SCENARIOS
from semscheck.model.events import Event, Observed
from semscheck.model.findings import State
from semscheck.model.observations import Cut
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Limits, Severity
from semscheck.report import schema
from semscheck.report.figures.pictures import path_picture
from semscheck.report.json import decode, encode
from semscheck.report.text.page import render
from semscheck.report.wording import LAB
from tests.scenarios.play import playing, said, target
from tests.words import complaints

DEFECTS = {"SEM001", "SEM002", "SEM004"}
MOST_LINES = 60  # of the text report where one thing is wrong
MORE_LINES = 15  # where there is something else beside it
CUT = ("healthy", "round-robin", "member-silent", "indistinguishable")


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema.encode()))


def holds(report: Report) -> None:
    """What is true of every report, whatever the run met."""
    wrong = [f for f in report.findings if f.caused_by is None and f.severity is not Severity.INFO]
    lines = [line for line in render(report).splitlines() if line != LAB]  # no real server's report says that
    assert len(lines) <= MOST_LINES + (MORE_LINES if len(wrong) > 1 else 0)
    document = encode(report)
    assert [error.message for error in validator().iter_errors(json.loads(document))] == []
    assert decode(document) == report
    again = run.replay(decode(document))
    assert again.findings == report.findings
    assert again.verdicts == report.verdicts
    assert again.analysis == report.analysis
    assert again.summary == report.summary
    known = {seen.id for seen in report.observations}
    assert len(known) == len(report.observations)
    for finding in report.findings:
        assert known.issuperset(finding.evidence), finding.code
        assert finding.summary.endswith((".", "?", "!"))
        assert "\n" not in finding.summary
        assert complaints(finding.summary) == [], finding.summary
    assert not [verdict for verdict in report.verdicts if verdict.state is State.CRASHED]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_a_scenario_shows_what_it_is_there_for(name: str) -> None:
    scenario = SCENARIOS[name]
    expected = {*scenario.expect, *scenario.expect_with_services}
    for _ in range(3):
        async with playing(scenario) as lab:
            report = await run.check(target(lab, scenario), seed=1, origin="lab")
        found = {finding.code for finding in report.findings}
        if not found & {"NET005", "NET006"} - expected:
            break  # else this machine was so busy that it was slow indeed
    assert expected <= found, said(report)
    assert scenario.verdict in (None, report.summary.verdict), said(report)
    assert not found & DEFECTS - expected, said(report)
    if scenario.verdict == "ok":
        assert {finding.severity.value for finding in report.findings} <= {"info"}, said(report)
        assert "No fault found" in report.summary.headline
    else:
        assert "No fault found" not in report.summary.headline
    holds(report)


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 6, 30, 90])
@pytest.mark.parametrize("name", CUT)
async def test_a_run_that_is_cancelled_anywhere_leaves_a_report_that_holds(name: str, after: int) -> None:
    scenario = SCENARIOS[name]
    cancel = asyncio.Event()
    seen = 0

    def count(event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, Observed)
        if seen >= after:
            cancel.set()

    async with playing(scenario) as lab:
        report = await run.check(target(lab, scenario), seed=1, listener=count, cancel=cancel, origin="lab")
    assert any(isinstance(each, Cut) for each in report.observations)
    assert "SEM002" in {finding.code for finding in report.findings}
    assert report.summary.exit_code in (2, 3)
    assert "No fault found" not in report.summary.headline
    holds(report)


@pytest.mark.slow
@pytest.mark.parametrize("deadline_s", [0.001, 0.1, 0.4])
async def test_a_run_that_is_out_of_time_leaves_a_report_that_holds(deadline_s: float) -> None:
    scenario = SCENARIOS["balancer-silent"]
    async with playing(scenario) as lab:
        aim = target(lab, scenario, limits=Limits(timeout_s=5, deadline_s=deadline_s))
        report = await run.check(aim, seed=1, origin="lab")
    assert "SEM002" in {finding.code for finding in report.findings}
    assert report.summary.exit_code in (2, 3)
    holds(report)


@pytest.mark.slow
async def test_a_run_that_meets_nothing_leaves_a_report_that_holds() -> None:
    """No resolver, no balancer, no member: the lab was here a moment ago and is gone."""
    scenario = SCENARIOS["healthy"]
    async with playing(scenario) as lab:
        aim = target(lab, scenario)
        ca_file = await asyncio.to_thread(lab.ca_file.read_bytes)
        kept = lab.ca_file.with_name("kept.pem")
    assert ca_file
    aim = replace(aim, ca_file=None, resolvers=(Endpoint("127.0.0.1", 9),))
    report = await run.check(aim, seed=1, origin="lab")
    assert {"DNS003", "NET001"} <= {finding.code for finding in report.findings}
    assert report.summary.verdict == "critical"
    assert not kept.exists()
    holds(report)


@pytest.mark.slow
async def test_the_same_seed_and_the_same_world_give_the_same_verdict() -> None:
    scenario = SCENARIOS["round-robin"]
    verdicts = []
    for _ in range(2):
        async with playing(scenario) as lab:
            report = await run.check(target(lab, scenario), seed=7, origin="lab")
        assert report.run.seed == 7
        verdicts.append({finding.code for finding in report.findings})
    assert verdicts[0] == verdicts[1]


@pytest.mark.slow
async def test_a_members_own_interface_has_nothing_in_front_and_is_shown_once() -> None:
    scenario = SCENARIOS["dns-to-replication"]
    async with playing(scenario) as lab:
        report = await run.check(target(lab, scenario), seed=1, origin="lab")
    assert "BAL010" not in {finding.code for finding in report.findings}, said(report)
    [member, *_] = path_picture(report.analysis, report.target).members
    assert len(member.replication) == 1


async def test_one_servers_own_name_is_said_to_be_that() -> None:
    """Typed to look at that server: nothing is to be changed in DNS, and others' certificates are right."""
    scenario = SCENARIOS["healthy"]
    async with playing(scenario) as lab:
        name = lab.members[0].name
        report = await run.check(target(lab, scenario, fqdn=name, fqdn_shown=name), seed=1, origin="lab")
    lead = report.findings[report.summary.lead or 0]
    assert (lead.code, report.summary.impact.kind) == ("CLT001", "no-redundancy"), said(report)  # type: ignore[union-attr]
    assert "check that one" in report.summary.first_step
    assert "DNS009" not in {finding.code for finding in report.findings}, said(report)
