"""The report as Markdown for a ticket, readable unrendered too."""

from __future__ import annotations

import re
import shlex

from semscheck.model.analysis import Method
from semscheck.model.findings import Confidence, Owner
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report import wording as words
from semscheck.report.escape import markdown, markdown_code, markdown_prose, one_line, visible
from semscheck.report.folding import Group, grouped
from semscheck.report.story import as_typed, facts, leading, next_steps, servers, story
from semscheck.report.text.prose import paragraphs
from semscheck.report.wording import LABELS, SYMBOLS, Mark

MAX_FINDINGS = 12
MAX_ALIKE = 4  # findings of one rule that differ in their subject
MAX_EXPLAINED = 8
MAX_SERVERS = 20


def render(report: Report) -> str:
    """The ticket text, ending in a line break: the first five lines, facts, servers, findings, how to repeat."""
    first, *rest = story(report)
    lines = [f"**{_state(words.mark_of(leading(report)))}**: {markdown_prose(first.text, 600)}", ""]
    lines += [f"- **{line.label}**: {markdown_prose(line.text, 1000, start=False)}" for line in rest]
    lines += ["", *(f"- **{name}**: {value}" for name, value in _facts(report)), ""]
    lines += _servers(report)
    lines += [*_findings(report), ""]
    lines += [f"- {markdown_prose(step, 400, start=False)}" for step in next_steps(report)]
    lines += [f"How to reproduce: {markdown_code(repeat(report), None)}"]
    return visible("\n".join(lines), "\n") + "\n"


def _servers(report: Report) -> list[str]:
    """The table of what serves clients, as a list: not every ticket system knows tables."""
    rows = servers(report)
    lines = [
        f"- {markdown(name, 100)} {markdown(address, 100)}: {markdown(state, 120)}, certificate until {until}"
        for name, address, state, until in rows[:MAX_SERVERS]
    ]
    more = len(rows) - MAX_SERVERS
    lines += [f"- and {more} more"] if more > 0 else []
    return [*lines, ""] if lines else []


def _state(mark: Mark) -> str:
    return f"{SYMBOLS[mark]} {LABELS[mark]}"


def _facts(report: Report) -> list[tuple[str, str]]:
    (checked, name), *rest = facts(report)
    shown = [(label, markdown(text, 400)) for label, text in rest]
    return [(checked, markdown(name, 520) + _notes(report)), *shown, ("Seen", _seen(report))]


def _notes(report: Report) -> str:
    """What has to be known of the target, in its own line: lines of their own would be more than twenty."""
    notes = []
    if report.target.fqdn_is_address:
        notes.append("an IP address, so that DNS and the certificates' names were not checked")
    if words.of_a_lab(report.run):
        notes.append("this is a lab, no real servers")
    if report.run.redacted:
        notes.append("redacted: names and addresses are pseudonyms")
    return "".join(f"; {note}" for note in notes)


def _seen(report: Report) -> str:
    path = report.analysis.balancing
    if path is None:
        balancing = "load balancing was not tested"
    else:
        sampled = f"{path.identified} of {words.count(path.samples, 'new connection')} identified"
        known = path.method is not Method.UNKNOWN
        told = f"{words.METHOD[path.method]}; {words.PERSISTENCE[path.persistence]}"
        balancing = f"{sampled}; {told if known else 'load balancing not determined'}"
    tool = f"{markdown(report.tool.name, 40)} {markdown(report.tool.version, 40)}"
    return f"{balancing} ({tool}, run {markdown(report.run.id, 60)})"


def _findings(report: Report) -> list[str]:
    if not report.findings:
        return ["Nothing was found."]
    groups = grouped(report.findings)
    lines: list[str] = []
    for number, group in enumerate(groups[:MAX_FINDINGS], 1):
        lines.append(_group(number, group))
        if group.findings[0].severity is not Severity.INFO:
            lines += _remedy(group.findings[0].remedy)
    rest = [found for group in groups[MAX_FINDINGS:] for found in group.findings]
    if rest:
        codes = list(dict.fromkeys(markdown(found.code, 20) for found in rest))
        more = words.count(len(rest), "more finding")
        lines.append(f"{MAX_FINDINGS + 1}. And {more}: {words.listed(codes, 12)}")
    return lines


_NUMBER = re.compile(r"\d{1,3}\. ")


def _remedy(remedy: str) -> list[str]:
    """Every step, whole; its number begins a list, and nothing else of it does."""
    numbered = ((_NUMBER.match(part.text), part.text) for part in paragraphs(remedy))
    steps = ((number[0] if number else "", text) for number, text in numbered)
    return [f"   - {number}{markdown_prose(text[len(number) :], None)}" for number, text in steps]


def _group(number: int, group: Group) -> str:
    found = group.findings[0]
    likely = ", likely" if found.confidence is Confidence.LIKELY else ""
    nobody = found.owner is Owner.SEMSCHECK or found.severity is Severity.INFO
    owner = "" if nobody else f", {words.OWNER[found.owner]}"
    summaries = [markdown_prose(entry.summary, 400, start=False) for entry in group.findings[:MAX_ALIKE]]
    more = len(group.findings) - len(summaries)
    text = (
        f"{number}. {_state(words.mark_of(found.severity))} **{markdown(found.title or found.name, 100)} "
        f"({markdown(found.code, 20)})**{likely}{owner}: {' '.join(summaries)}{f' And {more} more.' if more else ''}"
    )
    codes = list(dict.fromkeys(markdown(entry.code, 20) for entry in group.explains))
    return f"{text} Explains {words.listed(codes, MAX_EXPLAINED)}." if codes else text


def repeat(report: Report) -> str:
    """The command that repeats this run; a lab is played anew, since its addresses and its profile are gone."""
    scenario = report.run.options.get("scenario")
    if scenario is None:
        said = one_line(f"semscheck check {as_typed(report.target, whole=True)}", 2000)
        return said.replace(" check ", " drill ", 1) if report.analysis.watch is not None else said
    return one_line(f"semscheck demo {shlex.quote(scenario)}", 200)
