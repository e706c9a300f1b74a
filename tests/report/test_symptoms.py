"""By symptom: every code is one of the catalogue, and what users notice most is there."""

from __future__ import annotations

import pytest

from semscheck.cli.main import main
from semscheck.report.symptoms import SYMPTOMS, page, text
from semscheck.rules.printed import cards

CARDS = {card.code: card for card in cards()}


def test_every_code_is_in_the_catalogue_and_none_is_named_twice_for_a_symptom() -> None:
    for symptom in SYMPTOMS:
        assert set(symptom.codes.split()) <= set(CARDS), symptom.said
        assert len(set(symptom.codes.split())) == len(symptom.codes.split()), symptom.said


def test_lines_keep_to_the_width() -> None:
    assert max(len(line) for line in text(CARDS, 60).splitlines()) <= 76


def test_the_page_links_to_the_rules() -> None:
    assert "[BAL001](rules/BAL001.md)" in page(CARDS)


def test_explain_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--symptoms"]) == 0
    out = capsys.readouterr().out
    assert "logged out at random" in out
    assert "BAL001" in out
