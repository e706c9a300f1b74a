"""A rule's card in words: for `explain`, for its page in docs/rules/, and the catalogue as table and JSON.

Standard library only, so that `semscheck explain` starts at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from semscheck.model.findings import Card, Confidence, Reference
from semscheck.report import wording as words
from semscheck.report.escape import markdown, markdown_prose, one_line, terminal, url
from semscheck.report.text.lines import Line, Span, printed, width, wrap
from semscheck.report.text.prose import paragraphs
from semscheck.report.wording import LABELS, SYMBOLS

SCHEMA = "semscheck/rules/1"

FAMILIES: dict[str, str] = {
    "CLT": "This desktop",
    "DNS": "DNS",
    "NET": "Reaching an address",
    "TLS": "TLS",
    "CRT": "Certificates",
    "BAL": "Balancing and persistence",
    "CLU": "The cluster",
    "SVC": "Services",
    "WAT": "A watched failover",
    "SEM": "The check itself",
}

_FIELDS = (
    *("code", "name", "title", "impact", "severity", "severity_note", "confidence", "owner"),
    *("summary", "why", "remedy", "seen_by", "references"),
)
_SECTIONS = (
    ("What it means", "summary"),
    ("Why it matters", "why"),
    ("What to do", "remedy"),
    ("How semscheck can tell", "seen_by"),
)


# --- explain -----------------------------------------------------------------------------------------------


def explain(card: Card, *, width: int = 80, unicode: bool = True, colour: bool = False) -> str:
    """The card for a terminal, ending in a line break."""
    return printed(lines_of(card, max(40, width)), unicode, colour)


def lines_of(card: Card, columns: int) -> list[Line]:
    """The card as lines of at most so many columns."""
    mark = words.mark_of(card.severity)
    lines: list[Line] = [
        (
            Span(f"{card.code} {card.name}", "strong"),
            Span("  "),
            Span(f"{SYMBOLS[mark]} {LABELS[mark]}", mark.value),
        )
    ]
    facts = [f"Severity: {severity(card)}", f"Who fixes it: {words.fixed_by(card)}"]
    if card.confidence is Confidence.LIKELY:
        facts.append("Confidence: likely, not certain")
    lines += [(Span(line),) for fact in facts for line in wrap(one_line(fact, 1000), columns)]
    for title, field in _SECTIONS:
        lines += _section(title, _prose(getattr(card, field), columns))
    references = [line for entry in card.references for line in wrap(_reference(entry), columns, "  ")]
    return lines + _section("References", references)


def severity(card: Card) -> str:
    """ "critical", or with what changes it: "warning; critical if ..."."""
    return f"{card.severity.value}; {card.severity_note}" if card.severity_note else card.severity.value


def _section(title: str, body: Sequence[str]) -> list[Line]:
    return [(), (Span(title, "strong"),), *((Span(line),) for line in body)] if body else []


def _prose(text: str, columns: int) -> list[str]:
    """Paragraphs two blanks in; steps hang."""
    return [
        line
        for part in paragraphs(text)
        for line in wrap(terminal(part.text), columns, f"  {part.step} " if part.step else "  ")
    ]


def _reference(reference: Reference) -> str:
    title = one_line(reference.title, 300)
    return f"{title}: {one_line(reference.url, 500)}" if reference.url else title


# --- the catalogue -----------------------------------------------------------------------------------------


def table(cards: Iterable[Card], *, width: int = 80, unicode: bool = True, colour: bool = False) -> str:
    """The catalogue for a terminal: code, severity, name, owner; a title for each family."""
    ordered = list(cards)
    names = max((_width(card.name) for card in ordered), default=0)
    lines: list[Line] = []
    family = None
    for card in ordered:
        if card.family != family:
            family = card.family
            lines += [(), (Span(family_title(family), "strong"),)]
        lines.append(_row(card, names, max(40, width)))
    return printed(lines[1:], unicode, colour)


_width = width


def family_title(family: str) -> str:
    """ "CLT: This desktop", and plain "DNS" where the letters say it all."""
    title = FAMILIES.get(family, family)
    return title if title == family else f"{family}: {title}"


def _row(card: Card, names: int, columns: int) -> Line:
    mark = words.mark_of(card.severity)
    state = f"{SYMBOLS[mark]} {LABELS[mark]}"
    line = (
        Span(f"  {card.code}  "),
        Span(state.ljust(11), mark.value),
        Span(f"{card.name.ljust(names)}  "),
    )
    used = sum(_width(span.text) for span in line)
    return (*line, Span(card.owner.value[: max(0, columns - used)], "dim"))


def catalogue(cards: Iterable[Card]) -> str:
    """The catalogue as indented JSON; every field of every card."""
    import json

    rules = [{name: getattr(card, name) for name in _FIELDS} for card in cards]
    return json.dumps({"schema": SCHEMA, "rules": rules}, indent=2, ensure_ascii=False, default=asdict) + "\n"


# --- the documentation -------------------------------------------------------------------------------------


def page(card: Card) -> str:
    """The rule's page in Markdown, as it stands in docs/rules/CODE.md."""
    lines = [f"# {card.code} {markdown(card.name)}", ""]
    lines += ["| | |", "|---|---|"]
    lines += [
        f"| severity | {markdown_prose(severity(card), None)} |",
        f"| confidence | {card.confidence.value} |",
        f"| who fixes it | {words.fixed_by(card)} |",
    ]
    for title, field in _SECTIONS:
        text = getattr(card, field).strip()
        if text:
            lines += ["", f"## {title}", "", *_paragraphs(text)]
    if card.references:
        lines += ["", "## References", "", *(f"- {_link(entry)}" for entry in card.references)]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    """Steps become a list, the rest paragraphs of their own."""
    lines: list[str] = []
    was_step = False
    for part in paragraphs(text):
        if lines and not (part.step and was_step):
            lines.append("")
        shown = markdown_prose(part.text, None)
        lines.append(f"{part.step} {shown}" if part.step else shown)
        was_step = bool(part.step)
    return lines


def _link(reference: Reference) -> str:
    title = markdown(reference.title)
    address = url(reference.url)
    return f"[{title}]({address})" if address else title


def index(cards: Iterable[Card]) -> str:
    """The catalogue in Markdown, as it stands in docs/rules/README.md."""
    lines = ["# The catalogue of rules", "", "Codes are public and never reused. Severity is the default."]
    family = None
    for card in cards:
        if card.family != family:
            family = card.family
            lines += ["", f"## {family_title(family)}", ""]
            lines += ["| code | name | severity | who fixes it | when |", "|---|---|---|---|---|"]
        lines.append(
            f"| [{card.code}]({card.code}.md) | {markdown(card.name)} | {markdown_prose(severity(card), None)} "
            f"| {card.owner.value} | {markdown_prose(card.summary, None)} |"
        )
    return "\n".join(lines) + "\n"


def pages(cards: Sequence[Card]) -> dict[str, str]:
    """All files of docs/rules/ by name."""
    return {"README.md": index(cards), **{f"{card.code}.md": page(card) for card in cards}}
