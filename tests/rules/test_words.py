"""Every card in plain words; what is found is held to the same by the tests over scenarios."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from semscheck.model.findings import Card
from semscheck.rules.rule import cards
from tests.words import IN_SOURCES, banned, complaints, prose_of, texts_of

ALL = tuple(cards())


@pytest.mark.parametrize("card", ALL, ids=lambda card: card.code)
def test_a_card_is_in_plain_words(card: Card) -> None:
    assert complaints(card.summary) == []
    assert complaints(card.title) == []
    for text in (card.why, card.remedy, card.seen_by, card.severity_note):
        assert banned(text) == [], text


@pytest.mark.parametrize("card", ALL, ids=lambda card: card.code)
def test_a_remedy_says_nothing_twice(card: Card) -> None:
    lines = [line.split(". ", 1)[-1] for line in card.remedy.splitlines()]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("card", ALL, ids=lambda card: card.code)
def test_a_title_fits_in_a_list(card: Card) -> None:
    assert 0 < len(card.title) <= 60
    assert not card.title.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "To be mended by somebody.",
        "It cannot be told which server answers.",
        "This sentence goes on " + "and on " * 20 + "until nobody reads it.",
        "There is one sentence. There is another one.",
        "The ClientHello got a RST.",
    ],
)
def test_what_is_not_plain_is_complained_of(text: str) -> None:
    assert complaints(text)


TOP = Path(__file__).parents[2]
# Lists of words that reports may hold, and tables of worlds by the lab's own names.
SOURCES = sorted(p for p in (TOP / "semscheck").rglob("*.py") if p.parent.name != "redaction")
PAGES = sorted(p for p in (TOP / "docs").glob("*.md") if p.name != "accuracy.md")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(TOP)))
def test_help_errors_labels_and_scenarios_are_in_plain_words(source: Path) -> None:
    found = [(p, text) for text in texts_of(source) for p in IN_SOURCES if re.search(p, text, re.IGNORECASE)]
    assert found == []


@pytest.mark.parametrize("page", [TOP / "README.md", *PAGES], ids=lambda path: path.name)
def test_a_page_is_in_plain_words(page: Path) -> None:
    assert [p for p in IN_SOURCES if re.search(p, prose_of(page), re.IGNORECASE)] == []
