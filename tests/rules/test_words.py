"""Every card in plain words; what is found is held to the same by the tests over scenarios."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from semscheck.rules.rule import cards
from tests.words import IN_SOURCES, banned, complaints, prose_of, texts_of

ALL = tuple(cards())


def test_a_card_is_in_plain_words() -> None:
    for card in ALL:
        for text in (card.summary, card.title):
            assert complaints(text) == [], (card.code, text)
        for text in (card.why, card.remedy, card.seen_by, card.severity_note):
            assert banned(text) == [], (card.code, text)


def test_a_remedy_says_nothing_twice() -> None:
    for card in ALL:
        lines = [line.split(". ", 1)[-1] for line in card.remedy.splitlines()]
        assert len(set(lines)) == len(lines), card.code


def test_a_title_fits_in_a_list() -> None:
    for card in ALL:
        assert 0 < len(card.title) <= 60, card.code
        assert not card.title.endswith("."), card.code


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


def test_help_errors_labels_and_scenarios_are_in_plain_words() -> None:
    assert len(SOURCES) > 100
    texts = [(source, text) for source in SOURCES for text in texts_of(source)]
    assert [(str(s), p, t) for s, t in texts for p in IN_SOURCES if re.search(p, t, re.IGNORECASE)] == []


@pytest.mark.parametrize("page", [TOP / "README.md", *PAGES], ids=lambda path: path.name)
def test_a_page_is_in_plain_words(page: Path) -> None:
    assert [p for p in IN_SOURCES if re.search(p, prose_of(page), re.IGNORECASE)] == []
