"""The comparison as text, JSON and HTML: everything said, nothing wider than asked, documents that validate."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema_rs
import pytest

from semscheck.comparison.compare import compare
from semscheck.model.comparison import Comparison, Outcome
from semscheck.model.labels import labels_among
from semscheck.report import comparison as rendered
from semscheck.report.html.style import policy
from semscheck.report.text.lines import width
from tests.comparison.test_compare import CARD, DAY, at, blocked, resolving, steady
from tests.report import reports
from tests.report.html.test_page import CARDS, Reader

SCHEMA = Path(__file__).parents[2] / "docs" / "compare.schema.json"


def same() -> Comparison:
    return compare([at(steady()), at(steady(), later=DAY)])


def changed() -> Comparison:
    return compare([at(steady(0)), at(steady(1), later=DAY)])


def worse() -> Comparison:
    return compare([at(steady()), at(reports.round_robin(), later=DAY)])


def sites() -> Comparison:
    """Two places with servers and addresses of their own, one of them blocked, and a later run."""
    first = at(resolving(steady(0), "192.0.2.100"))
    other = at(blocked(resolving(steady(1), "203.0.113.9"), "198.51.100.12"), "branch-3")
    return compare([first, other, at(reports.round_robin(), later=DAY)], card=CARD)


def refused() -> Comparison:
    one = at(steady())
    return compare([one, replace(one, target=replace(one.target, fqdn="mail.example.com"))])


def hostile() -> Comparison:
    one = reports.hostile()
    findings = (
        *one.findings,
        reports.finding("CRT001", subject=one.findings[0].subject, summary=reports.EVIL * 50),
    )
    return compare(
        [one, at(replace(one, findings=findings), f"desk{reports.EVIL}", later=timedelta(seconds=9))]
    )


ALL: tuple[Callable[[], Comparison], ...] = (same, changed, worse, sites, refused, hostile)


@pytest.fixture(params=ALL, ids=lambda make: make.__name__)
def comparison(request: pytest.FixtureRequest) -> Comparison:
    made: Comparison = request.param()
    return made


# --- text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 80, 132])
def test_no_line_is_wider_than_asked(comparison: Comparison, columns: int) -> None:
    for line in rendered.text(comparison, width=columns).splitlines():
        assert width(line) <= columns


def test_ascii_is_ascii_and_no_control_character_is_left(comparison: Comparison) -> None:
    shown = rendered.text(comparison, unicode=False)
    assert shown.isascii()
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_colour_is_only_on_top(comparison: Comparison) -> None:
    import re

    coloured = rendered.text(comparison, colour=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == rendered.text(comparison)


def test_the_outcome_comes_first_as_symbol_and_word() -> None:
    assert rendered.text(same()).startswith(
        "✔ no difference  keys.example.com: nothing that was measured differs"
    )
    assert rendered.text(changed()).startswith("▲ different  ")
    assert rendered.text(worse()).startswith("✖ different, and critical  ")
    assert rendered.text(refused()).startswith("? not comparable  These reports cannot be compared")


def test_text_says_what_only_several_places_tell() -> None:
    shown = " ".join(rendered.text(sites()).split())
    assert "BAL014 sites-differ" in shown
    assert "split-horizon DNS" in shown
    assert "run 1 (desk-17): sems1.example.com; run 2 (branch-3): sems2.example.com" in shown
    assert "From run 1 to run 3" in shown
    assert "run 1, run 2 count as made at the same time: their runs overlap." in shown
    assert "run 2 branch-3 BBBB" in shown


def test_what_was_not_tested_says_why() -> None:
    assert "no two runs are from different places within 5 minutes" in " ".join(
        rendered.text(changed()).split()
    )


# --- JSON ------------------------------------------------------------------------------------------------------


def test_every_document_validates(comparison: Comparison) -> None:
    document = json.loads(rendered.json(comparison))
    jsonschema_rs.meta.validate(rendered.schema())
    jsonschema_rs.Draft202012Validator(rendered.schema()).validate(document)
    assert next(iter(document)) == "schema"
    assert document["schema"] == "semscheck/compare/1"
    assert document["exit_code"] == comparison.exit_code


def test_a_document_of_another_shape_does_not() -> None:
    document = json.loads(rendered.json(sites()))
    validator = jsonschema_rs.Draft202012Validator(rendered.schema())
    spoils: tuple[dict[str, object], ...] = (
        {"schema": "semscheck/compare/2"},
        {"outcome": "fine"},
        {"exit_code": "0"},
        {"sides": [{}]},
        {"changes": None},
    )
    for spoil in spoils:
        assert list(validator.iter_errors({**document, **spoil})), spoil
    assert list(validator.iter_errors({key: value for key, value in document.items() if key != "headline"}))
    assert not list(validator.iter_errors({**document, "of_a_later_version": 1}))


def test_the_published_schema_is_current() -> None:
    assert SCHEMA.read_bytes() == rendered.encode_schema()


# --- HTML ------------------------------------------------------------------------------------------------------


def test_the_document_is_whole_and_runs_nothing(comparison: Comparison) -> None:
    whole = rendered.html(comparison, {**CARDS, "BAL014": CARD})
    reader = Reader(whole)
    assert reader.open == []
    assert policy() in whole
    assert not {tag for tag, _ in reader.elements} & {"script", "link", "img", "iframe", "object", "form"}
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in reader.elements)
    names = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(names) == len(set(names))


def test_html_says_what_text_says() -> None:
    found = sites()
    text = Reader(rendered.html(found, {"BAL014": CARD})).text
    assert found.headline in text
    assert found.sites is not None
    assert found.sites.summary in text
    assert all(contrast.summary in text for contrast in found.contrasts)
    assert all(change.summary in text for change in found.changes)
    assert all(note in text for note in found.notes)
    assert CARD.why in text


def test_html_of_what_cannot_be_compared_says_why() -> None:
    found = refused()
    assert found.outcome is Outcome.NOT_COMPARABLE
    assert "different names" in Reader(rendered.html(found)).text


def test_hostile_names_stay_text() -> None:
    whole = rendered.html(hostile())
    assert "<script" not in whole
    assert "\x1b" not in whole
    assert "\u202e" not in whole


def test_hostile_names_are_escapes_in_json() -> None:
    data = rendered.json(hostile()).decode()
    assert "\u202e" not in data
    assert "\\u202e" in data


# --- the picture -------------------------------------------------------------------------------------------------


def test_a_letter_is_the_same_server_in_every_row() -> None:
    picture = rendered.strip(sites())
    assert ["".join(dict.fromkeys(cell.letter for cell in row.cells)) for row in picture.rows] == [
        "A",
        "B",
        "ABC",
    ]
    assert [entry.name for entry in picture.legend] == [f"sems{number}.example.com" for number in (1, 2, 3)]


def test_names_that_a_run_made_up_are_kept_apart() -> None:
    base = at(steady())
    share = replace(base.analysis.paths[0].members[0], name="member A")
    arm = replace(base.analysis.paths[0].arms[0], members=("member A",) * 4)
    path = replace(base.analysis.paths[0], members=(share,), arms=(arm,), identified_by="pairs")
    labels = labels_among(("member A",), base.target)
    unnamed = replace(base, analysis=replace(base.analysis, paths=(path,), balancing=path, labels=labels))
    picture = rendered.strip(compare([unnamed, at(unnamed, "desk-18")]))
    assert [entry.name for entry in picture.legend] == ["run 1: member A", "run 2: member A"]


def test_large_comparisons_stay_small() -> None:
    runs = [at(reports.big(), later=DAY * day) for day in range(10)]
    assert len(rendered.html(compare(runs)).encode()) < 500_000
