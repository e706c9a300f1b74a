"""The ticket (`--format ticket`): plain text that a help desk pastes, and everything that its reader needs."""

from __future__ import annotations

import textwrap

from semscheck.model.findings import Owner
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.folding import Group, grouped
from semscheck.report.markdown import repeat
from semscheck.report.story import evidence_lines, facts, leading, next_steps, notes, servers, story
from semscheck.report.text.prose import paragraphs

COLUMNS = 78
LABEL = 13
EVIDENCE = 4  # lines of one finding
MAX_FINDINGS = 40


def render(report: Report) -> str:
    """Subject, the first five lines, facts, servers, findings with all their steps; ends in a line break."""
    target = one_line(words.target_name(report.target), 300)
    impact = one_line(story(report)[0].text, 200)
    parts = [
        [f"Subject: {target}: {impact.rstrip('.')}"],
        _lines([(line.label or _verdict(report), line.text) for line in story(report)]),
        _lines([*facts(report), *(("Note", note) for note in notes(report))]),
        _servers(report),
        _findings(report),
        _listed("Next", next_steps(report)),
        _lines([("Reproduce", repeat(report)), ("Evidence", _saved(report))]),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _verdict(report: Report) -> str:
    return leading(report).value.capitalize()


def _lines(facts: list[tuple[str, str]]) -> list[str]:
    return [line for label, text in facts for line in _hanging(f"{label:<{LABEL}}", text)]


def _hanging(start: str, text: str) -> list[str]:
    return textwrap.wrap(
        one_line(text, 4000).replace("`", ""),
        COLUMNS,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]


def _servers(report: Report) -> list[str]:
    """The table of what serves clients."""
    rows = [("Server", "Address", "State", "Certificate until"), *servers(report)]
    if len(rows) == 1:
        return []
    shown = [tuple(one_line(cell, 120) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(3)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in shown
    ]


def _findings(report: Report) -> list[str]:
    groups = [group for group in grouped(report.findings) if group.findings[0].severity is not Severity.INFO]
    lines = [
        line
        for number, group in enumerate(groups[:MAX_FINDINGS], 1)
        for line in _group(report, number, group)
    ]
    more = len(groups) - MAX_FINDINGS
    return [*lines, f"and {more:,} more in the saved report"] if more > 0 else lines


def _group(report: Report, number: int, group: Group) -> list[str]:
    found = group.findings[0]
    owner = "" if found.owner is Owner.SEMSCHECK else f", {words.OWNER[found.owner]}"
    title = one_line(words.title(found), 100)
    lines = [f"{number}. {found.severity.value}{owner}: {title} ({one_line(found.code, 20)})"]
    for entry in group.findings:
        lines += _hanging("   ", entry.summary)
    for step in paragraphs(found.remedy):
        lines += _hanging(f"   {one_line(step.step, 5) or '-'} ", step.text)
    lines += [f"   {one_line(line, 200)}" for line in evidence_lines(report, group.findings, EVIDENCE)]
    if group.explains:
        titles = dict.fromkeys(one_line(entry.title or entry.code, 100) for entry in group.explains)
        lines += _hanging("   ", f"Explains: {'; '.join(titles)}")
    return lines


def _listed(title: str, steps: tuple[str, ...]) -> list[str]:
    return [f"{title}:", *(line for step in steps for line in _hanging("- ", step))] if steps else []


def _saved(report: Report) -> str:
    tool = f"{report.tool.name} {report.tool.version}, run {report.run.id}"
    return f"the saved report (--save FILE) of {tool}"
