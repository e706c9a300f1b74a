"""The text report: order, what is said, and that nothing breaks 80 columns or the terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.findings import Confidence, Owner
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report import markdown
from semscheck.report.html import page as html
from semscheck.report.text import page as text
from semscheck.report.text.lines import width
from tests.report import reports

SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("columns", [40, 80, 132])
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("unicode", [True, False])
def test_every_line_fits_and_is_harmless(
    make: Callable[[], Report], columns: int, verbose: bool, unicode: bool
) -> None:
    shown = text.render(make(), width=columns, verbose=verbose, unicode=unicode)
    assert shown.endswith("\n")
    for line in shown.removesuffix("\n").split("\n"):
        assert line.isprintable()
        assert width(line) <= columns
        assert unicode or line.isascii()


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_colour_adds_only_colour(make: Callable[[], Report]) -> None:
    report = make()
    coloured = text.render(report, colour=True)
    assert "\x1b[1;31m" in coloured or "\x1b[32m" in coloured
    plain = "\n".join(line.rstrip() for line in SGR.sub("", coloured).split("\n"))
    assert plain == text.render(report)


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=300))
def test_any_text_anywhere_stays_in_its_line(hostile: str) -> None:
    report = reports.failed()
    found = tuple(replace(entry, summary=hostile, remedy=hostile, name=hostile) for entry in report.findings)
    report = replace(
        report,
        findings=found,
        summary=replace(report.summary, headline=hostile),
        target=replace(report.target, fqdn=hostile, fqdn_shown=hostile),
        tool=replace(report.tool, version=hostile),
    )
    for line in text.render(report, verbose=True).removesuffix("\n").split("\n"):
        assert line.isprintable()
        assert width(line) <= 80


def test_the_order_is_headline_picture_findings_details() -> None:
    shown = text.render(reports.round_robin())
    places = [
        shown.index(part) for part in ("✖ critical   keys", "The path", "Who answered", "Findings", "Found:")
    ]
    assert places == sorted(places)
    assert "\nDetails\n" not in shown
    assert "\nDetails\n" in text.render(reports.round_robin(), verbose=True)
    assert shown.startswith(
        "✖ critical   keys.example.com sends each new connection to another server (round\n"
    )


def test_findings_are_worst_first_with_consequences_under_their_cause() -> None:
    shown = text.render(reports.round_robin())
    parts = (
        "critical  round robin (BAL001)",
        "This explains",
        "(BAL007)",
        "(CLU002)",
        "(NET001)",
    )
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
    assert "Owner: load balancer administrator" in shown
    assert "What to do: Set the load balancer to fail-over" in shown


def test_nobody_is_asked_to_fix_what_is_only_worth_knowing_or_ours() -> None:
    assert "Owner" not in text.render(reports.healthy())
    ours = reports.finding("SEM001", Severity.UNKNOWN, owner=Owner.SEMSCHECK)
    assert "Owner" not in text.render(replace(reports.healthy(), findings=(ours,)))


def test_a_likely_finding_says_so() -> None:
    likely = reports.finding(confidence=Confidence.LIKELY)
    assert "round robin (BAL001) (likely)" in text.render(replace(reports.round_robin(), findings=(likely,)))


def test_passed_and_not_tested_are_counted_and_verbose_lists_them() -> None:
    report = reports.round_robin()
    assert "Found: 2 critical, 2 warnings; 74 checks found nothing, 2 could not be" in text.render(report)
    verbose = text.render(report, verbose=True)
    assert "Nothing found (74)" in verbose
    assert "· SVC001: services were not asked (--services)" in verbose
    assert "DNS004," in verbose


def test_rules_that_miss_the_same_thing_stand_together() -> None:
    verbose = " ".join(text.render(reports.failed(), verbose=True).split())
    assert "CLU006, CLU007: the FQDN has no address" in verbose
    assert "Crashed (1) ? SEM001: ValueError: odd" in verbose


def test_what_was_not_measured_is_said() -> None:
    report = reports.round_robin()
    path = replace(report.analysis.paths[0], requests=0, cookie_offered=0, why_unknown="no member is known")
    path = replace(path, method=path.method.UNKNOWN)
    report = replace(report, analysis=replace(report.analysis, paths=(path,), balancing=path))
    verbose = text.render(report, verbose=True)
    assert re.search(r"Method +not determined: no member is known", verbose)
    assert re.search(r"Requests +not measured", verbose)
    assert re.search(r"Cookie kept +not measured", verbose)


@pytest.mark.parametrize(
    ("origin", "words"), [("lab", "This is a lab"), ("replay", "Saved observations"), ("live", "")]
)
def test_a_lab_and_a_replay_say_that_they_are(origin: str, words: str) -> None:
    report = reports.healthy()
    shown = text.render(replace(report, run=replace(report.run, origin=origin)))
    assert words in shown
    assert ("lab" in shown) == (origin == "lab")


def test_a_saved_report_has_its_age() -> None:
    assert "(3 days ago)" in text.render(reports.healthy(), now=reports.STARTED + timedelta(days=3))


def test_redaction_is_said() -> None:
    report = reports.healthy()
    assert "pseudonyms" in text.render(replace(report, run=replace(report.run, redacted=True)))


def test_the_headline_alone() -> None:
    assert text.headline(reports.failed()) == "✖ critical   The name keys.example.com does not exist.\n"
    assert text.headline(reports.failed(), unicode=False).startswith("X critical  ")


def test_alike_findings_are_put_together_and_information_is_short() -> None:
    found = tuple(
        reports.finding("DNS014", Severity.INFO, summary=f"sems{n} does not resolve.", remedy="Nothing.")
        for n in range(3)
    )
    report = replace(reports.healthy(), findings=found)
    shown = text.render(report)
    assert shown.count("DNS014") == 1
    assert (
        "    - sems0 does not resolve.\n    - sems1 does not resolve.\n    - and 1 more like that:" in shown
    )
    assert "What to do" not in shown
    assert text.render(report, verbose=True).count("What to do: Nothing.") == 1


def test_steps_hang_under_what_to_do() -> None:
    found = reports.finding(remedy="1. Open the\nconsole.\n2. Choose fail-over.\n\nThen wait.")
    shown = text.render(replace(reports.healthy(), findings=(found,)))
    assert (
        "    What to do:\n      1. Open the console.\n      2. Choose fail-over.\n      Then wait.\n" in shown
    )


def test_a_name_in_another_script_stands_both_ways() -> None:
    """The ticket needs the one, `dig` the other; and of two that look alike, the second way tells them apart."""
    report = reports.healthy()
    name = replace(report.target, fqdn="xn--schlssel-95a.example.com", fqdn_shown="schlüssel.example.com")
    shown = text.render(replace(report, target=name))
    assert "schlüssel.example.com (xn--schlssel-95a.example.com), port 443," in shown
    assert " (keys.example.com), port 443" not in text.render(report)


def test_an_address_in_place_of_a_name_says_what_is_not_checked() -> None:
    report = reports.healthy()
    address = replace(report.target, fqdn="192.0.2.100", fqdn_shown="192.0.2.100", fqdn_is_address=True)
    shown = text.render(replace(report, target=address))
    assert "An IP address was given, not the name that clients use" in shown
    assert "an address was given: no name is looked up" in shown  # at 80 columns to its end
    assert "An IP address was given" not in text.render(report)


def test_a_lab_stays_a_lab_when_it_is_judged_again() -> None:
    """Evidence of a lab, opened on another machine, must not pass for a real cluster."""
    report = reports.healthy()
    again = replace(report, run=replace(report.run, origin="replay", options={"scenario": "healthy"}))
    for shown in (text.render(again), html.render(again, {})):
        assert "This is a lab: an embedded cluster on this machine, no real servers." in shown
        assert "Saved observations, judged again without a network." in shown
    assert "this is a lab" in markdown.render(again)
    assert "This is a lab" not in text.render(replace(report, run=replace(report.run, origin="replay")))
