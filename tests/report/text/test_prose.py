"""Paragraphs and steps of remedies and cards."""

from __future__ import annotations

import pytest

from semscheck.report.text.prose import Paragraph, paragraphs


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("one line", [("", "one line")]),
        ("a line that\nwas full\n", [("", "a line that was full")]),
        ("first\n\nsecond", [("", "first"), ("", "second")]),
        ("1. open\n   the zone\n2. save", [("1.", "open the zone"), ("2.", "save")]),
        ("- a\n- b\n\nthen c", [("-", "a"), ("-", "b"), ("", "then c")]),
        ("192.0.2.1 is an address", [("", "192.0.2.1 is an address")]),
        ("-4 is an option", [("", "-4 is an option")]),
        ("1.\nalone", [("", "1. alone")]),
    ],
)
def test_paragraphs(text: str, parts: list[tuple[str, str]]) -> None:
    assert paragraphs(text) == [Paragraph(*part) for part in parts]


def test_a_million_lines_are_bounded() -> None:
    assert len(paragraphs("- x\n" * 1_000_000)) == 200
