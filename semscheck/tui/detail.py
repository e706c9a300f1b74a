"""What is said about one finding and one rule, as lines. Pure; all text from outside is made safe here."""

from __future__ import annotations

from collections.abc import Mapping

from semscheck.model.findings import Card, Confidence, Finding, Reference, root_of
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.figures.pictures import called
from semscheck.report.story import evidence_lines
from semscheck.report.text.lines import Line, Span
from semscheck.report.wording import LABELS, SYMBOLS, mark_of
from semscheck.tui.sections import paragraph, section

SHOWN_EVIDENCE = 5  # lines; a finding's own screen has all
_BLANK: Line = ()


def of_finding(report: Report, index: int, cards: Mapping[str, Card], columns: int) -> list[Line]:
    """What was seen, why it matters, who fixes it, the remedy, sources; then how it hangs together."""
    found = report.findings[index]
    card = cards.get(found.code)
    mark = mark_of(found.severity)
    title = f"{SYMBOLS[mark]} {LABELS[mark]}"
    lines: list[Line] = [
        (
            Span(title, mark.value),
            Span(f"  {one_line(words.title(found), 60)} ({found.code})", "strong"),
            Span("" if found.confidence is Confidence.CERTAIN else "  likely", "dim"),
        ),
        *paragraph(found.summary, columns),
        _BLANK,
        *section("Owner", words.OWNER[found.owner], columns, "strong"),
        *section("What to do", found.remedy, columns),
        *_seen(report, found, columns),
    ]
    if card is not None:
        lines += [_BLANK, *section("Why", card.why, columns), *section("How seen", card.seen_by, columns)]
    lines += [_BLANK, *section("About", _about(found, report.target), columns)]
    lines += _kinship(report, index, columns)
    return lines + _references(found.references or (card.references if card else ()), columns)


def _seen(report: Report, found: Finding, columns: int) -> list[Line]:
    """What it rests on, as an administrator finds it in a log."""
    seen = evidence_lines(report, (found,), SHOWN_EVIDENCE)
    return [line for at, text in enumerate(seen) for line in section("" if at else "Seen", text, columns)]


def _about(found: Finding, target: Target) -> str:
    subject = found.subject
    where = words.place(subject.address, subject.port) if subject.address else ""
    return one_line(f"{called(subject.name, target)} {where}".strip())


def _kinship(report: Report, index: int, columns: int) -> list[Line]:
    found = report.findings[index]
    lines: list[Line] = []
    cause = found.caused_by
    if cause is not None and 0 <= cause < len(report.findings) and cause != index:
        lines += section("Follows from", _short(report.findings[cause]), columns)
    below = [
        it
        for number, it in enumerate(report.findings)
        if number != index and root_of(report.findings, number) == index
    ]
    for number, it in enumerate(below[:20]):
        lines += section("Explains" if number == 0 else "", _short(it), columns)
    return lines


def _short(found: Finding) -> str:
    return f"{found.code} {one_line(found.summary, 300)}"


def _references(references: tuple[Reference, ...], columns: int) -> list[Line]:
    lines: list[Line] = []
    for number, it in enumerate(references[:20]):
        text = f"{one_line(it.title)}  {one_line(it.url, 300)}" if it.url else one_line(it.title)
        lines += section("Sources" if number == 0 else "", text, columns)
    return lines
