"""What is said about one finding and one rule, as lines. Pure; all text from outside is made safe here."""

from __future__ import annotations

from collections.abc import Mapping

from semscheck.model.findings import Card, Finding, Reference
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.text.lines import Line, Span
from semscheck.report.wording import LABELS, SYMBOLS, mark_of
from semscheck.tui.listing import root_of
from semscheck.tui.sections import paragraph, section

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
            Span(f"  {found.code} {one_line(found.name, 40)}", "strong"),
            Span(f"  {words.CONFIDENCE[found.confidence]}", "dim"),
        ),
        *paragraph(found.summary, columns),
        _BLANK,
        *section(_whose(found), words.OWNER[found.owner], columns, "strong"),
        *section("What to do", found.remedy, columns),
    ]
    if card is not None:
        lines += [_BLANK, *section("Why", card.why, columns), *section("How seen", card.seen_by, columns)]
    lines += [_BLANK, *section("About", _about(found), columns)]
    lines += _kinship(report, index, columns)
    lines += _references(found.references or (card.references if card else ()), columns)
    facts = words.count(len(found.evidence), "fact") if found.evidence else "none of its own"
    return [*lines, *section("Evidence", facts, columns)]


def _whose(found: Finding) -> str:
    """What is only worth knowing has nothing to fix."""
    return "In charge" if found.severity is Severity.INFO else "Who fixes it"


def of_card(card: Card, columns: int) -> list[Line]:
    """A rule's card, as `explain` says it."""
    mark = mark_of(card.severity)
    note = f" ({card.severity_note})" if card.severity_note else ""
    return [
        (Span(f"{card.code} {card.name}", "strong"),),
        *paragraph(card.summary, columns),
        _BLANK,
        *section("Severity", f"{SYMBOLS[mark]} {LABELS[mark]}{note}", columns),
        *section("Certainty", words.CONFIDENCE[card.confidence], columns),
        *section("Who fixes it", words.OWNER[card.owner], columns, "strong"),
        _BLANK,
        *section("Why", card.why, columns),
        _BLANK,
        *section("What to do", card.remedy, columns),
        _BLANK,
        *section("How seen", card.seen_by, columns),
        *_references(card.references, columns),
    ]


def _about(found: Finding) -> str:
    subject = found.subject
    where = words.place(subject.address, subject.port) if subject.address else ""
    return one_line(f"{subject.name} {where}".strip())


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
