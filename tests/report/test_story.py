"""The first five lines in words, what comes next, and evidence as a log would have it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from semscheck.cli.options import build
from semscheck.model.findings import ImpactKind, Owner, Status, Subject
from semscheck.model.observations import Connection, DnsAnswer, Enrolment, Sample
from semscheck.model.report import Impact, Report
from semscheck.model.target import Endpoint, Severity, Target
from semscheck.report import junit, markdown, nagios, ticket
from semscheck.report.story import StoryLine, as_typed, evidence, leading, next_steps, story
from semscheck.report.text import page as text
from semscheck.report.text.lines import width
from tests.report import reports


def told() -> Report:
    """Round robin, as the rules would tell it."""
    base = reports.round_robin()
    said = replace(
        base.summary,
        impact=Impact(kind=ImpactKind.SOME_FAIL, sentence="About 1 in 3 connections fails (10 of 30)."),
        cause="sems3.example.com accepts connections but never answers TLS.",
        owners=(Owner.SERVER, Owner.BALANCER),
        first_step="Restart the services on sems3.example.com.",
        also="1 critical: round robin without persistence",
        lead=2,
    )
    return replace(base, summary=said)


LINES = (
    StoryLine("", "About 1 in 3 connections fails (10 of 30)."),
    StoryLine("Cause", "sems3.example.com accepts connections but never answers TLS."),
    StoryLine("Owner", "server administrator (sems3.example.com), then load balancer administrator"),
    StoryLine("First step", "Restart the services on sems3.example.com."),
    StoryLine("Also", "1 critical: round robin without persistence"),
)


def test_the_five_lines() -> None:
    assert story(told()) == LINES


def test_a_report_of_the_first_version_has_its_headline_alone() -> None:
    assert story(reports.healthy()) == (StoryLine("", reports.healthy().summary.headline),)


@pytest.mark.parametrize(
    ("severity", "marked"),
    [
        (Severity.WARNING, Severity.WARNING),
        (Severity.UNKNOWN, Status.UNKNOWN),
        (Severity.INFO, Status.UNKNOWN),
    ],
)
def test_a_warning_is_marked_as_one_beside_what_could_not_be_told(
    severity: Severity, marked: Severity | Status
) -> None:
    found = replace(told().findings[2], severity=severity)
    report = replace(told(), findings=(*told().findings[:2], found, *told().findings[3:]))
    assert leading(replace(report, summary=replace(report.summary, verdict=Status.UNKNOWN))) is marked


@pytest.mark.parametrize("verdict", [Status.WARNING, Status.CRITICAL])
def test_any_other_verdict_is_the_mark_itself(verdict: Status) -> None:
    assert leading(replace(told(), summary=replace(told().summary, verdict=verdict))) is verdict


def test_what_only_the_check_needs_is_for_whoever_runs_it() -> None:
    unknown = replace(told().findings[2], severity=Severity.UNKNOWN, owner=Owner.SEMSCHECK)
    report = replace(told(), findings=(*told().findings[:2], unknown, *told().findings[3:]))
    report = replace(report, summary=replace(report.summary, owners=()))
    assert StoryLine("Owner", "whoever runs this check") in story(report)


def test_lines_with_nothing_to_say_are_left_out() -> None:
    said = replace(told().summary, owners=(), also="", verdict=Status.OK)
    assert [line.label for line in story(replace(told(), summary=said))] == ["", "Seen", "First step"]


@pytest.mark.parametrize("render", [text.render, markdown.render, ticket.render, nagios.render, junit.render])
def test_every_output_says_them(render: Callable[[Report], str]) -> None:
    shown = " ".join(render(told()).replace("\\", "").split())
    for line in LINES[1:]:
        if render is not nagios.render or line.label != "Cause":
            assert line.text in shown


def test_they_stand_in_one_column_and_fit() -> None:
    lines = text.headline(told()).splitlines()
    assert lines[0] == "✖ critical   About 1 in 3 connections fails (10 of 30)."
    assert lines[1] == "Cause        sems3.example.com accepts connections but never answers TLS."
    assert all(width(line) <= 80 for line in lines)


@pytest.mark.parametrize("members", [0, 3])
def test_next_names_the_command_that_finds_the_servers_where_none_is_known(members: int) -> None:
    steps = next_steps(reports.healthy(members))
    assert any("semscheck init " in step for step in steps) is (members == 0)
    assert any("semscheck compare" in step for step in steps)
    assert next_steps(told()) == ()


def test_evidence_has_the_time_in_milliseconds_both_ends_and_what_came() -> None:
    seen = Connection(
        id="c1", at_s=1.2345, address="192.0.2.100", port=443, local_address="203.0.113.77", local_port=50123
    )
    asked = DnsAnswer(
        id="d1",
        at_s=0.5,
        server="192.0.2.53:53",
        name="keys.example.com",
        record_type="A",
        records=("192.0.2.100",),
    )
    report = replace(told(), observations=(seen, asked))
    found = reports.finding(evidence=("c1", "d1", "gone"))
    assert evidence(report, found) == [
        "12:30:01.357 UTC  203.0.113.77:50123 to 192.0.2.100:443 → connected",
        "12:30:00.623 UTC  192.0.2.53:53, keys.example.com A → 192.0.2.100",
    ]


def test_who_answered_stands_in_the_evidence() -> None:
    report = told()
    seen = next(each for each in report.observations if isinstance(each, Sample))
    path = report.analysis.paths[0]
    arm = replace(path.arms[0], members=("sems2.example.com",), evidence=(seen.id,))
    report = replace(report, analysis=replace(report.analysis, paths=(replace(path, arms=(arm,)),)))
    [line] = evidence(report, reports.finding(evidence=(seen.id,)))
    assert line.endswith("→ sems2.example.com")


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_a_ticket_is_plain_text_of_lines_that_fit(make: Callable[[], Report]) -> None:
    shown = ticket.render(make())
    assert shown.endswith("\n")
    assert shown.replace("\n", "").isprintable()
    assert shown.startswith("Subject: ")


def test_a_ticket_has_what_its_reader_needs() -> None:
    enrolled = Enrolment(id="e1", at_s=0.0, source="registry", servers=("keys.example.com",))
    report = replace(told(), observations=(*told().observations, enrolled))
    shown = ticket.render(report)
    for part in (
        "Subject: keys.example.com: About 1 in 3 connections fails (10 of 30)\n",
        "Critical     About 1 in 3 connections fails (10 of 30).\n",
        "Resolves to  192.0.2.100",
        "Enrolled     keys.example.com\n",
        "When         2026-03-01 12:30:00 UTC, took",
        "Server ",
        "no connection: connection refused",
        "1. critical, load balancer administrator: round robin (BAL001)",
        "Reproduce    semscheck check keys.example.com --profile profile.toml",
    ):
        assert part in shown
    assert re.search(r"sems1\.example\.com +198\.51\.100\.11:443 +serves +20\d\d-", shown)


def test_no_step_is_cut_in_a_ticket() -> None:
    steps = "\n".join(f"{n}. {'Do this and that. ' * 20}Step {n} ends." for n in range(1, 9))
    report = replace(told(), findings=(reports.finding(remedy=steps, subject=Subject("run", "r")),))
    shown = " ".join(ticket.render(report).split())
    assert all(f"Step {n} ends." in shown for n in range(1, 9))


def test_local_time_and_utc_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    from semscheck.report.story import local_and_utc

    monkeypatch.setenv("TZ", "XXX-01:00")
    import time

    time.tzset()
    try:
        assert local_and_utc(reports.STARTED) == "2026-03-01 13:30:00 (UTC+0100), 12:30:00 UTC"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert reports.STARTED.astimezone(timezone(timedelta(hours=1))).hour == 13


@pytest.mark.parametrize(
    ("changes", "typed"),
    [
        ({}, "keys.example.com"),
        ({"port": 8443}, "keys.example.com --port 8443"),
        ({"ca_file": "/tmp/our ca.pem"}, "keys.example.com --ca-file '/tmp/our ca.pem'"),
        ({"resolvers": (Endpoint("192.0.2.53", 5353),)}, "keys.example.com --resolver 192.0.2.53:5353"),
        ({"profile": "keys.toml"}, "keys.example.com --profile keys.toml"),
    ],
)
def test_next_looks_at_the_same_thing_again(changes: dict[str, Any], typed: str) -> None:
    """What is printed is taken by the command line as it stands, and means the same target."""
    target = replace(Target("keys.example.com"), **changes)
    assert as_typed(target) == typed
    options = build().parse_args(["check", *shlex.split(typed)])
    assert options.profile == target.profile
    assert options.ca_file == target.ca_file
    assert str(options.port or 443) == str(target.port)
