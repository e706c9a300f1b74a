"""A comparison of several runs as text, JSON and HTML, and the JSON Schema of its document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from semscheck.model.comparison import (
    COMPARE_SCHEMA,
    Change,
    Comparison,
    Contrast,
    Direction,
    Outcome,
    Side,
)
from semscheck.model.findings import Card, Finding
from semscheck.report import wording as words
from semscheck.report.escape import html as esc
from semscheck.report.escape import one_line
from semscheck.report.figures.drawing import draw
from semscheck.report.figures.pictures import ConnectionStrip, Legend, StripRow, cells_of, lettered
from semscheck.report.html.figures import figure
from semscheck.report.html.page import (
    Column,
    body,
    explanation,
    fold,
    paragraphs,
    reference,
    rows,
    table,
)
from semscheck.report.html.style import page, state
from semscheck.report.json import dumps
from semscheck.report.text.lines import Line, Span, Writer, printed, wrap
from semscheck.report.wording import SYMBOLS, Mark

DIALECT = "https://json-schema.org/draft/2020-12/schema"

OUTCOME_MARK: dict[Outcome, Mark] = {
    Outcome.SAME: Mark.OK,
    Outcome.CHANGED: Mark.WARNING,
    Outcome.WORSE: Mark.CRITICAL,
    Outcome.NOT_COMPARABLE: Mark.UNKNOWN,
}
OUTCOME_WORDS: dict[Outcome, str] = {
    Outcome.SAME: "no difference",
    Outcome.CHANGED: "different",
    Outcome.WORSE: "different, and critical",
    Outcome.NOT_COMPARABLE: "not comparable",
}
_DIRECTION_MARK = {
    Direction.WORSE: Mark.WARNING,
    Direction.BETTER: Mark.OK,
    Direction.OTHER: Mark.INFO,
}
_DIRECTION_WORDS = {Direction.WORSE: "worse", Direction.BETTER: "better", Direction.OTHER: "other"}
INDENT = "  "


# --- JSON ------------------------------------------------------------------------------------------------------


def json(comparison: Comparison, *, indent: int = 2) -> bytes:
    """The comparison as JSON, schema first, ending in a line break. Null: not measured, or not there."""
    fields = msgspec.to_builtins(comparison)
    ordered = {"schema": fields.pop("schema"), **fields}
    return msgspec.json.format(dumps(ordered), indent=indent) + b"\n"


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of that document; fields that a reader does not know are allowed."""
    _, components = msgspec.json.schema_components((Comparison,), ref_template="#/$defs/{name}")
    definitions = {name: _tidy(value) for name, value in sorted(components.items())}
    for value in definitions.values():
        if "properties" in value:
            value["required"] = list(
                value["properties"]
            )  # the writer writes every field, null where it has none
    whole = definitions.pop("Comparison")
    whole["properties"]["schema"] = {"const": COMPARE_SCHEMA}
    return {
        "$schema": DIALECT,
        "$id": "urn:semscheck:compare:1",
        "title": "semscheck comparison, schema 1",
        "description": "What `semscheck compare --format json` writes. Null means: not measured, or not there.",
        **{key: value for key, value in whole.items() if key not in ("title", "description")},
        "$defs": definitions,
    }


def encode_schema() -> bytes:
    """The schema as it stands in docs/compare.schema.json."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


def _tidy(value: Any) -> Any:
    """Docstrings without the indentation of the source; "required" is set by the caller."""
    if isinstance(value, dict):
        return {
            key: cleandoc(entry) if key == "description" and isinstance(entry, str) else _tidy(entry)
            for key, entry in value.items()
            if key != "default"
        }
    return [_tidy(entry) for entry in value] if isinstance(value, list) else value


# --- the picture that all share --------------------------------------------------------------------------------


def strip(comparison: Comparison) -> ConnectionStrip:
    """Who answered new connections, a run a row; a letter is the same server in every row.

    Names that a run made up get the run's label before them, since they mean nothing in another.
    """
    names = {
        name
        for side in comparison.sides
        for path in side.paths
        for answered in path.members
        if (name := _meaning(side, answered, path.named)) is not None
    }
    tags = lettered(sorted(names))
    found = tuple(
        StripRow(
            "fresh",
            f"{side.label} {side.place}",
            path.address,
            path.port,
            cells_of([_meaning(side, name, path.named) for name in path.members], path.failed, tags),
        )
        for side in comparison.sides
        for path in side.paths
        if path.members
    )
    entries = tuple(Legend(tag, name) for name, tag in tags.items())
    return ConnectionStrip(found, entries, _strip_words(comparison.sides))


def _meaning(side: Side, name: str | None, named: bool) -> str | None:
    return name if name is None or named or side.served_by is not None else f"{side.label}: {name}"


def _strip_words(sides: Sequence[Side]) -> str:
    said = [
        f"{side.label} ({side.place}): {words.listed(side.served_by or ()) or 'not known'}" for side in sides
    ]
    return f"Servers that answered new connections. {'; '.join(said)}."


# --- text --------------------------------------------------------------------------------------------------------


def text(comparison: Comparison, *, width: int = 80, unicode: bool = True, colour: bool = False) -> str:
    """The comparison for a terminal, ending in a line break; nothing is wider than asked."""
    return printed(_Writer(max(40, width)).whole(comparison), unicode, colour)


class _Writer(Writer):
    def whole(self, comparison: Comparison) -> list[Line]:
        mark = OUTCOME_MARK[comparison.outcome]
        lines = self.marked(mark, OUTCOME_WORDS[comparison.outcome], comparison.headline, "")
        lines += self.section("Runs", self.runs(comparison.sides))
        if comparison.problems:
            problems = self.said(*(f"- {problem}" for problem in comparison.problems))
            return lines + self.section("Why they cannot be compared", problems)
        lines += self.section("Notes", self.said(*comparison.notes))
        picture = strip(comparison)
        if picture.rows:
            drawn = draw(picture, self.columns - len(INDENT))
            lines += self.section("Who answered new connections", ((Span(INDENT), *line) for line in drawn))
        lines += self.section("What only several places tell", self.places(comparison))
        return lines + self.section("What changed", self.changes(comparison))

    def said(self, *texts: str, indent: str = INDENT) -> list[Line]:
        return self.plain((one_line(text, 2000) for text in texts), indent)

    def marked(self, mark: Mark, state_words: str, said: str, indent: str = INDENT) -> list[Line]:
        """A symbol and a word in their colour, then the sentence."""
        head = f"{SYMBOLS[mark]} {state_words}"
        wrapped = wrap(one_line(said, 2000), self.columns, f"{indent}{head}  ", indent + INDENT)
        first = (Span(indent), Span(head, mark.value), Span(wrapped[0][len(indent) + len(head) :]))
        return [first, *((Span(line),) for line in wrapped[1:])]

    def runs(self, sides: Sequence[Side]) -> Iterable[Line]:
        for side in sides:
            mark = words.mark_of(side.verdict)
            where = one_line(side.place, 100)
            said = f"{words.stamp(side.started)}, from {where}: {one_line(side.headline, 500)}"
            yield from self.marked(mark, f"{side.label} {words.LABELS[mark]}", said)

    def places(self, comparison: Comparison) -> Iterable[Line]:
        if comparison.sites is not None:
            found = comparison.sites
            mark = words.mark_of(found.severity)
            likely = " (likely)" if found.confidence.value == "likely" else ""
            yield from self.marked(
                mark, words.LABELS[mark], f"{found.code} {found.name}{likely}: {found.summary}"
            )
            yield from self.said(f"Who fixes it: {words.OWNER[found.owner]}", indent=INDENT * 2)
            yield from self.said(f"What to do: {found.remedy}", indent=INDENT * 2)
        for contrast in comparison.contrasts:
            yield from self.marked(_mark(contrast), words.LABELS[_mark(contrast)], _coded(contrast))
        if comparison.sites is None and comparison.sites_verdict.why:
            why = f"BAL014 sites differ: not tested, {comparison.sites_verdict.why}."
            yield from self.marked(Mark.NOT_TESTED, words.LABELS[Mark.NOT_TESTED], why)

    def changes(self, comparison: Comparison) -> Iterable[Line]:
        for (earlier, later), changes in _by_pair(comparison.changes).items():
            yield from self.said(f"From {earlier} to {later}")
            for change in changes:
                mark = _DIRECTION_MARK[change.direction]
                yield from self.marked(mark, _DIRECTION_WORDS[change.direction], _coded(change), INDENT * 2)


def _mark(contrast: Contrast) -> Mark:
    if contrast.critical:
        return Mark.CRITICAL
    return words.mark_of(contrast.severity) if contrast.severity else Mark.WARNING


def _coded(thing: Change | Contrast) -> str:
    return f"{thing.code} {thing.summary}" if thing.code else thing.summary


def _by_pair(changes: Sequence[Change]) -> dict[tuple[str, str], list[Change]]:
    pairs: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        pairs.setdefault((change.earlier, change.later), []).append(change)
    return pairs


# --- HTML ----------------------------------------------------------------------------------------------------------

SHOWN = 300  # changes and contrasts; the JSON document has all


def html(comparison: Comparison, cards: Mapping[str, Card] | None = None) -> str:
    """The comparison as one HTML file, of the same kind as a report's. cards: by code, for what was found."""
    sections = (
        ("runs", "Runs", _runs(comparison)),
        ("places", "What only several places tell", _places(comparison)),
        ("changes", "What changed", _changes(comparison)),
        ("explanations", "Explanations", _explanations(comparison, cards or {})),
    )
    tool = f"{esc(comparison.tool.name, 60)} {esc(comparison.tool.version, 60)}"
    foot = f"<footer>{tool} · schema {esc(comparison.schema, 60)}</footer>"
    title = f"{OUTCOME_WORDS[comparison.outcome]}: {one_line(comparison.fqdn, 253)} - semscheck"
    return page(title, body("comparison", _head(comparison), sections, foot))


def _head(comparison: Comparison) -> str:
    mark = OUTCOME_MARK[comparison.outcome]
    facts = [
        ("Compared", words.count(len(comparison.sides), "run")),
        ("From", words.count(len({side.place for side in comparison.sides}), "place")),
        ("Between places", words.count(len(comparison.contrasts), "difference")),
        ("With time", words.count(len(comparison.changes), "change")),
    ]
    shown = "".join(f"<div><dt>{name}</dt><dd>{esc(value)}</dd></div>" for name, value in facts)
    notes = "".join(
        f'<p class="note">{esc(note, 800)}</p>' for note in (*comparison.problems, *comparison.notes)
    )
    if any(side.redacted for side in comparison.sides):
        notes += '<p class="note">Redacted: names and addresses are pseudonyms, the same everywhere.</p>'
    return (
        f'<header><p class="top"><span><b>semscheck</b> comparison</span><span>{esc(comparison.fqdn, 253)}</span></p>'
        f'<div class="head {mark.value}">{state(mark, OUTCOME_WORDS[comparison.outcome])}'
        f'<h1>{esc(comparison.headline, 900)}</h1><dl class="facts">{shown}</dl></div>{notes}</header>'
    )


def _runs(comparison: Comparison) -> str:
    columns = (
        Column("Run", 6, names=True), Column("When", 14), Column("From", 16), Column("Verdict", 12),
        Column("Served by", 18), Column("In a sentence"),
    )  # fmt: skip
    lines = (
        (
            esc(side.label, 8),
            esc(words.stamp(side.started)),
            esc(side.place, 253),
            state(words.mark_of(side.verdict)),
            esc(words.listed(side.served_by), 300) if side.served_by else words.NOT_MEASURED,
            esc(side.headline, 500),
        )
        for side in comparison.sides
    )
    picture = strip(comparison)
    drawn = ""
    if picture.rows:
        caption = "New connections in the order in which they were made, a run a row."
        drawn = '<h3 class="sub">Who answered</h3>' + figure(picture, caption)
    return f'<div class="card long">{table(columns, lines)}{drawn}</div>'


def _places(comparison: Comparison) -> str:
    parts = [_site(comparison.sites)] if comparison.sites else []
    parts += [_contrast(contrast) for contrast in comparison.contrasts[:SHOWN]]
    if comparison.sites is None and comparison.sites_verdict.why and not comparison.problems:
        why = f"BAL014 sites differ: not tested, {comparison.sites_verdict.why}."
        parts.append(f'<div class="card">{state(Mark.NOT_TESTED)} {esc(why, 400)}</div>')
    return "".join(parts)


def _site(found: Finding) -> str:
    mark = words.mark_of(found.severity)
    facts = rows(
        (
            ("Who fixes it", esc(words.OWNER[found.owner])),
            ("What to do", paragraphs(found.remedy)),
            ("How sure", esc(words.CONFIDENCE[found.confidence])),
            ("Sources", "<br>".join(reference(source) for source in found.references)),
        )
    )
    return (
        f'<article class="card long finding is-{mark.value}" id="sites"><header>{state(mark, pill=True)}'
        f'<span class="tagline">{esc(found.code, 20)} {esc(found.name.replace("-", " "), 60)}</span></header>'
        f"<h3>{esc(found.summary, 1500)}</h3>{facts}</article>"
    )


def _contrast(contrast: Contrast) -> str:
    mark = _mark(contrast)
    lines = ((esc(one.label, 8), esc(one.value, 600)) for one in contrast.seen)
    code = f'<span class="tagline">{esc(contrast.code, 20)}</span>' if contrast.code else ""
    seen = fold("What each run saw", table((Column("Run", 6, names=True), Column("Saw")), lines), "printed")
    return (
        f'<article class="card long finding is-{mark.value}"><header>{state(mark, pill=True)}'
        f'<span class="tagline">{esc(contrast.kind, 30)}</span>{code}</header>'
        f"<h3>{esc(contrast.summary, 1500)}</h3>{seen}</article>"
    )


def _changes(comparison: Comparison) -> str:
    parts = []
    columns = (Column("For users", 12), Column("What"), Column("Before", 22), Column("After", 22))
    for (earlier, later), changes in _by_pair(comparison.changes[:SHOWN]).items():
        lines = (_change(change) for change in changes)
        title = f"From {esc(earlier, 8)} to {esc(later, 8)}"
        parts.append(f'<h3 class="sub">{title}</h3>{table(columns, lines)}')
    more = len(comparison.changes) - SHOWN
    rest = f'<p class="soft small">and {more:,} more in the JSON document</p>' if more > 0 else ""
    return f'<div class="card long">{"".join(parts)}{rest}</div>' if parts else ""


def _change(change: Change) -> Sequence[str]:
    return (
        state(_DIRECTION_MARK[change.direction], _DIRECTION_WORDS[change.direction]),
        esc(_coded(change), 1000),
        esc(change.before or "-", 400),
        esc(change.after or "-", 400),
    )


def _explanations(comparison: Comparison, cards: Mapping[str, Card]) -> str:
    codes = {change.code for change in comparison.changes} | {one.code for one in comparison.contrasts}
    codes |= {comparison.sites.code} if comparison.sites else set()
    return "".join(explanation(card) for code, card in sorted(cards.items()) if code in codes)


if __name__ == "__main__":
    import sys

    sys.stdout.buffer.write(encode_schema())
