"""Widths, cutting and wrapping in terminal columns, whatever the characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.report.text.lines import Span, fit, pad, speaks_unicode, to_ascii, to_string, width, wrap

visible = st.text(st.characters(exclude_categories=("C", "Z")), max_size=200)


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("東京", 4), ("e\u0301", 1), ("✔ ok", 4), ("", 0)])
def test_width_is_in_columns(text: str, columns: int) -> None:
    assert width(text) == columns


@given(visible, st.integers(0, 60))
def test_what_is_cut_fits(text: str, columns: int) -> None:
    assert width(fit(text, columns)) <= columns
    assert width(pad(text, columns)) == columns


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("東京都 x", 4, ["東京", "都 x"]),
        ("", 10, [""]),
        ("a  b", 10, ["a b"]),
    ],
)
def test_wrapping(text: str, columns: int, lines: list[str]) -> None:
    assert wrap(text, columns) == lines


def test_wrapping_with_a_hanging_indent() -> None:
    assert wrap("one two three", 9, "- ") == ["- one two", "  three"]
    assert wrap("one two three", 9, "- ", "") == ["- one two", "three"]


@given(st.lists(visible).map(" ".join), st.integers(8, 90), st.integers(0, 6))
def test_wrapped_lines_never_break_the_margin_and_lose_nothing(text: str, columns: int, indent: int) -> None:
    lines = wrap(text, columns, " " * indent)
    assert all(width(line) <= columns for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(visible)
def test_ascii_is_as_wide(text: str) -> None:
    shown = to_ascii(text)
    assert shown.isascii()
    assert width(shown) == width(text)


def test_ascii_keeps_what_has_a_likeness() -> None:
    assert to_ascii("✔ ok ▲ ✖ · Zürich 83 % (65–93 %)…") == "+ ok ! X . Zurich 83 % (65-93 %)~"


def test_colour_only_on_top() -> None:
    line = (Span("✖ critical", "critical"), Span("  "), Span("words", "no-such-style"))
    assert to_string(line) == "✖ critical  words"
    assert to_string(line, colour=True) == "\x1b[1;31m✖ critical\x1b[0m  words"


def test_a_figure_keeps_its_unit() -> None:
    assert wrap("from vm, took 829 ms", 18) == ["from vm, took", "829 ms"]
    assert wrap("at most 8.9 % of new ones", 13) == ["at most 8.9 %", "of new ones"]
    assert wrap("at most 8.9 % of new ones", 12) == ["at most", "8.9 % of new", "ones"]
    assert wrap("it has 3 servers", 8) == ["it has 3", "servers"]
    assert wrap("829 ms", 4) == ["829 ", "ms"]  # no room: it is broken as any word is


@pytest.mark.parametrize(
    ("environ", "speaks"),
    [
        ({}, True),
        ({"LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "C"}, False),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, False),
        ({"LC_ALL": "C.UTF-8"}, True),
        ({"LC_ALL": "", "LANG": "C"}, False),
        ({"TERM": "linux"}, False),
    ],
)
def test_a_terminal_of_the_plain_locale_gets_ascii(environ: dict[str, str], speaks: bool) -> None:
    assert speaks_unicode("utf-8", environ) is speaks
    assert not speaks_unicode("iso-8859-1", environ)
    assert not speaks_unicode(None, environ)
