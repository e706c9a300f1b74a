"""Values that the reader of saved reports would refuse, handed to the formats all the same: none trips over them."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from semscheck.model.findings import ImpactKind
from semscheck.model.report import Impact, Report
from semscheck.report import markdown, nagios, prometheus, ticket
from semscheck.report.figures import pictures
from semscheck.report.text import page as text
from tests.report import reports

NUMBERS = (math.inf, -math.inf, math.nan, 10**400, -(10**400), -1, 1e308)


def render(report: Report) -> None:
    for form in (nagios, prometheus, ticket, markdown):
        assert form.render(report)
    assert text.render(report, width=80, unicode=True, colour=False)


def with_path(report: Report, **fields: Any) -> Report:
    first, *others = report.analysis.paths
    first = replace(first, **fields)
    return replace(report, analysis=replace(report.analysis, paths=(first, *others), balancing=first))


@pytest.mark.parametrize("number", NUMBERS, ids=("inf", "-inf", "nan", "huge", "-huge", "-1", "1e308"))
def test_numbers_beyond_everything(number: Any) -> None:
    report = reports.round_robin()
    share = replace(report.analysis.paths[0].members[0], share=number, share_low=number, share_high=number)
    for odd in (
        with_path(report, members=(share,)),
        with_path(report, samples=number, identified=number, failed=number),
        replace(report, run=replace(report.run, duration_s=number)),
    ):
        for form in (nagios, prometheus):
            assert not re.search(r"\b(inf|nan)\b|\d{330}", form.render(odd), re.IGNORECASE)


def test_members_and_answers_that_nothing_names() -> None:
    report = reports.round_robin()
    arms = tuple(
        replace(arm, members=("", "nobody", *arm.members), failed=(-1, 10**6))
        for arm in report.analysis.paths[0].arms
    )
    render(with_path(report, arms=arms, cycle=("nobody",)))
    strip = pictures.connection_strip(with_path(report, arms=arms).analysis, report.target)
    assert strip.rows[0].cells[0].letter == "?"


def test_first_lines_that_say_nothing() -> None:
    report = reports.round_robin()
    impact = Impact(kind=ImpactKind.SLOW, sentence="")
    render(
        replace(
            report,
            summary=replace(report.summary, impact=impact, cause="", owners=(), first_step="", also=""),
        )
    )
