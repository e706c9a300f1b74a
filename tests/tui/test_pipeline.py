"""The path in one line: where it breaks is seen, and it fits."""

from dataclasses import replace

import pytest

from semscheck.model.analysis import Analysis, Reach
from semscheck.report.figures.pictures import path_picture
from semscheck.report.text.lines import line_width, to_string
from semscheck.tui.pipeline import pipeline
from tests.tui import reports


def drawn(report, columns: int = 80) -> str:
    picture = path_picture(
        report.analysis, report.target, findings=report.findings, vantage=report.run.vantage
    )
    (line,) = pipeline(picture, columns)
    assert line_width(line) <= columns
    return to_string(line)


def test_healthy_and_broken():
    assert drawn(reports.healthy()) == "✔ desktop ─ ✔ DNS ─ ✔ keys.example.com ─ ✔ load balancer ─ ✔A ✔B ✔C"
    assert drawn(reports.broken()) == "✔ desktop ─ ✔ DNS ─ ✔ keys.example.com ─ ✖ load balancer ─ ✔A ▲B ▲C"


def test_the_break_is_marked():
    report = reports.healthy()
    places = tuple(
        replace(it, reach=Reach.NO_CONNECTION, failure_cause="refused") if it.fqdn else it
        for it in report.analysis.places
    )
    broken = replace(report, analysis=replace(report.analysis, places=places))
    assert "✖ load balancer ─✖ " in drawn(broken)


def test_nothing_known():
    report = replace(
        reports.healthy(), analysis=Analysis(), target=replace(reports.TARGET, members=(), balancers=())
    )
    assert drawn(report).startswith("✔ desktop ─ · DNS ─ · keys.example.com")


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_a_long_name_and_many_members_fit(columns):
    report = reports.broken()
    name = "encryption-keys." + "a" * 60 + ".example.com"
    drawn(replace(report, target=replace(report.target, fqdn=name, fqdn_shown=name)), columns)
