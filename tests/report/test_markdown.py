"""The ticket text: short, complete, and nothing in it becomes markup."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Severity
from semscheck.report import markdown
from semscheck.report.story import as_typed
from tests.report import reports


@pytest.mark.parametrize("make", [*reports.ALL, lambda: _many(40)])
def test_every_line_is_whole_and_they_are_not_too_many(make: Callable[[], Report]) -> None:
    shown = markdown.render(make())
    assert 10 <= shown.count("\n") <= 70
    assert shown.isascii() or shown.replace("\n", "").isprintable()


def test_no_remedy_is_cut() -> None:
    steps = "\n".join(f"{n}. {'Do this and that. ' * 20}Step {n} ends." for n in range(1, 9))
    report = replace(reports.round_robin(), findings=(reports.finding(remedy=steps),))
    shown = markdown.render(report)
    assert all(f"Step {n} ends." in shown for n in range(1, 9))


def _many(number: int) -> Report:
    found = tuple(reports.finding(f"CRT{index:03}", Severity.WARNING) for index in range(number))
    return replace(reports.healthy(), findings=found)


def test_what_a_ticket_needs_is_there() -> None:
    shown = markdown.render(reports.round_robin())
    for part in (
        "**✖ critical**: keys.example.com sends each new connection",
        "- **Checked**: keys.example.com, port 443",
        "- **When**: 2026-03-01 12:30:00 UTC, took 4.2 s",
        "- **Resolves to**: 192.0.2.100",
        "- **From**: desk-17 (203.0.113.77), Linux 6.1 (x86_64)",
        "1. ✖ critical **round-robin (BAL001)**, load balancer administrator",
        "Explains BAL007.",
        "   - Set the load balancer to fail-over",
        "How to reproduce: `semscheck check keys.example.com --profile profile.toml`",
    ):
        assert part in shown


def test_findings_that_do_not_fit_are_counted() -> None:
    assert "And 28 more findings: CRT012, CRT013" in markdown.render(_many(40))


def test_an_unfinished_run_says_so() -> None:
    assert "not finished" in markdown.render(reports.failed())


def _tokens(shown: str) -> set[str]:
    """Kinds of everything that a strict reader and one that makes links of bare addresses see."""
    reader = MarkdownIt("gfm-like")
    tokens = reader.parse(shown)
    return {token.type for token in tokens} | {
        child.type for token in tokens for child in token.children or ()
    }


PLAIN = {
    "paragraph_open",
    "paragraph_close",
    "inline",
    "text",
    "text_special",
    "softbreak",
    "strong_open",
    "strong_close",
    "bullet_list_open",
    "bullet_list_close",
    "ordered_list_open",
    "ordered_list_close",
    "list_item_open",
    "list_item_close",
    "code_inline",
}
# Bare names and mail addresses become links where a reader goes looking for them; nothing can prevent that.
LINKED = {"link_open", "link_close"}


def test_a_hostile_report_is_the_same_document() -> None:
    assert _tokens(markdown.render(reports.hostile())) <= PLAIN | LINKED
    assert "html_inline" in _tokens("a <b>")  # the reader would see it


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=200))
@example("#")
@example("1. #")
def test_no_text_becomes_markup(hostile: str) -> None:
    report = reports.failed()
    found = tuple(replace(entry, summary=hostile, remedy=hostile) for entry in report.findings)
    report = replace(report, findings=found, summary=replace(report.summary, headline=hostile))
    assert _tokens(markdown.render(report)) <= PLAIN | LINKED


def test_the_command_repeats_the_check_without_a_profile() -> None:
    target = replace(
        reports.target(2),
        profile=None,
        port=8443,
        ca_file="my roots.pem",
        resolvers=(Endpoint("2001:db8::53", 5353),),
        families=(4,),
        connections=50,
        connections_given=True,
        ask_services=True,
    )
    assert ["semscheck", "check", *shlex.split(as_typed(target, whole=True))] == [
        "semscheck",
        "check",
        "keys.example.com",
        "--port",
        "8443",
        "--member",
        "sems1.example.com=192.0.2.11:444,198.51.100.11",
        "--member",
        "sems2.example.com=192.0.2.12:444,198.51.100.12",
        "--balancer",
        "192.0.2.100",
        "--resolver",
        "[2001:db8::53]:5353",
        "--ca-file",
        "my roots.pem",
        "-4",
        "--connections",
        "50",
        "--services",
    ]


def test_a_name_in_another_script_stands_both_ways() -> None:
    report = reports.healthy()
    name = replace(report.target, fqdn="xn--schlssel-95a.example.com", fqdn_shown="schlüssel.example.com")
    shown = markdown.render(replace(report, target=name))
    assert "- **Checked**: schlüssel.example.com (xn--schlssel-95a.example.com), port 443\n" in shown


def test_what_has_to_be_known_of_the_target_is_said() -> None:
    """A lab's redacted report of an address."""
    report = _many(40)
    run = replace(report.run, origin="lab", redacted=True)
    target = replace(report.target, fqdn="192.0.2.100", fqdn_shown="192.0.2.100", fqdn_is_address=True)
    shown = markdown.render(replace(report, run=run, target=target))
    for part in ("an IP address, so that DNS", "this is a lab", "redacted: names and addresses"):
        assert part in shown
