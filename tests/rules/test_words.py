"""Every card in plain words; what is found is held to the same by the tests over scenarios."""

from __future__ import annotations

import pytest

from semscheck.model.findings import Card
from semscheck.rules.rule import cards
from tests.words import banned, complaints

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
