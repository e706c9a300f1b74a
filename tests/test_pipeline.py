"""From a target to a report, and again from a saved one: the same way but for the network."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from semscheck import __version__
from semscheck import pipeline as run
from semscheck.model.events import Event, Finished, Inferred, Observed, Progressed, Started
from semscheck.model.observations import Connection, DnsAnswer, Route, Sample
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Limits, Target
from tests.rules.netscene import cluster
from tests.scripted import START, ScriptedDialler, ScriptedResolver, refusal, scripted_seam

FQDN, VIP = "keys.example.com", "192.0.2.100"
RESOLVER = Endpoint("192.0.2.53")
AIM = replace(cluster(), resolvers=(RESOLVER,), limits=Limits(timeout_s=1, deadline_s=20))


async def checked(root: Path, aim: Target = AIM, **more: object) -> Report:
    resolver = ScriptedResolver({(FQDN, "A"): [VIP], (FQDN, "AAAA"): ()})
    backend = scripted_seam(root, dialler=ScriptedDialler({}, refusal), resolver=resolver)
    async with asyncio.timeout(60):
        return await run.check(aim, backend=backend, **more)  # type: ignore[arg-type]


async def test_the_circumstances_are_in_the_report(tmp_path: Path) -> None:
    report = await checked(tmp_path, seed=7, origin="lab", options={"port": "443"})
    assert (report.tool.name, report.tool.version) == ("semscheck", __version__)
    assert report.run.started == START
    assert report.run.finished is not None
    assert report.run.finished - report.run.started < timedelta(seconds=60)
    assert report.run.duration_s is not None
    assert (report.run.seed, report.run.origin, report.run.options) == (7, "lab", {"port": "443"})
    assert report.target == AIM
    assert report.run.vantage.source_addresses == ("203.0.113.10",)
    assert report.run.vantage.platform


async def test_a_seed_is_chosen_and_told_and_runs_have_names_of_their_own(tmp_path: Path) -> None:
    one, other = await checked(tmp_path), await checked(tmp_path)
    assert one.run.id != other.run.id
    assert one.run.seed != other.run.seed


async def test_events_begin_and_end_and_hold_everything_between(tmp_path: Path) -> None:
    events: list[Event] = []
    report = await checked(tmp_path, listener=events.append)
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert events[-1].report is report
    assert not any(isinstance(event, Inferred) for event in events)
    assert any(isinstance(event, Progressed) and event.step == "judging" for event in events)
    assert sum(isinstance(event, Observed) for event in events) == len(report.observations)


async def test_the_analysis_so_far_comes_where_it_is_wanted_and_not_too_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "INFER_EVERY_S", 0.0)
    events: list[Event] = []
    await checked(tmp_path, listener=events.append, infer=True)
    inferred = [event.analysis for event in events if isinstance(event, Inferred)]
    assert len(inferred) > 5
    assert inferred[-1].places
    monkeypatch.setattr(run, "INFER_EVERY_S", 1e9)
    quiet: list[Event] = []
    await checked(tmp_path, listener=quiet.append, infer=True)
    assert not any(isinstance(event, Inferred) for event in quiet)


async def test_a_replay_judges_as_of_then_and_says_that_it_is_one(tmp_path: Path) -> None:
    report = await checked(tmp_path)
    again = run.replay(report)
    assert again.run == replace(report.run, origin="replay")
    assert again.findings == report.findings
    assert again.verdicts == report.verdicts
    assert again.summary == report.summary
    assert again.analysis == report.analysis
    assert run.replay(again) == again


async def test_a_replay_judges_with_this_versions_rules_not_with_what_was_saved(tmp_path: Path) -> None:
    report = await checked(tmp_path)
    forged = replace(report, findings=(), summary=replace(report.summary, headline="All is well."))
    assert run.replay(forged).findings == report.findings
    assert run.replay(forged).summary == report.summary


async def test_fewer_facts_are_judged_too(tmp_path: Path) -> None:
    """Whatever was cut from a saved report, its replay gives a judgement, and never health."""
    report = await checked(tmp_path)
    for kind in (DnsAnswer, Connection, Route):
        kept = tuple(seen for seen in report.observations if not isinstance(seen, kind))
        assert run.replay(replace(report, observations=kept)).summary.exit_code != 0
    assert run.replay(replace(report, observations=())).summary.exit_code == 3


def test_source_addresses_are_those_that_were_used() -> None:
    seen = (
        Connection(id="o1", at_s=0, address=VIP, port=443, local_address="203.0.113.2"),
        Connection(id="o2", at_s=0, address=VIP, port=443),
        Route(id="o3", at_s=0, address=VIP, source_address="203.0.113.1"),
        Sample(id="o4", at_s=0, arm="source", index=0, address=VIP, port=443, source_address="203.0.113.3"),
    )
    assert run._sources(seen) == ("203.0.113.1", "203.0.113.2", "203.0.113.3")


async def test_the_callers_own_event_ends_a_run(tmp_path: Path) -> None:
    cancel = asyncio.Event()
    cancel.set()
    report = await checked(tmp_path, cancel=cancel)
    assert "SEM002" in {finding.code for finding in report.findings}
