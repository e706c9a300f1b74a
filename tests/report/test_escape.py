"""Hostile text is harmless in every output, and never silently gone."""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.report import escape as safe

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]52;c;ZXZpbA==\x07",
    "a\r\nb",
    "\x9b2J",
    "user\u202egpj.exe",
    "\u2066isolate\u2069",
    "zero\u200bwidth\ufeff",
    "line\u2028separator\u2029",
    "\x00nul\x7f",
    "tag\U000e0041",
    "\ud800 lone surrogate",
]

ONE_LINE: list[Callable[[str], str]] = [
    safe.terminal,
    safe.one_line,
    safe.html,
    safe.markdown,
    safe.markdown_code,
    safe.label_value,
    safe.nagios,
]
BAD = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"}

anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)


@pytest.mark.parametrize("function", [*ONE_LINE, safe.xml_text], ids=lambda function: function.__name__)
def test_no_control_or_invisible_character_passes(function: Callable[[str], str]) -> None:
    for text in HOSTILE:
        shown = function(text)
        assert not [c for c in shown if unicodedata.category(c) in BAD and c != "\n"], ascii(text)
        shown.encode()


@given(anything)
def test_anything_at_all_is_one_visible_line(text: str) -> None:
    for function in ONE_LINE:
        shown = function(text)
        assert not [c for c in shown if unicodedata.category(c) in BAD], function.__name__
        assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("Zürich 東京", "Zürich 東京"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("x\u202ey", "x\\u202ey"),
        ("x\U000e0041", "x\\U000e0041"),
        ("e\u0301", "e\u0301"),
        ("z" + "\u0301" * 5, "z" + "\u0301" * 3 + "\\u0301" * 2),
    ],
)
def test_terminal_shows_escapes_and_leaves_the_rest(text: str, shown: str) -> None:
    assert safe.terminal(text) == shown


def test_a_ten_kilobyte_name_leaves_the_sentence_around_it() -> None:
    shown = safe.terminal("The name " + "a" * 10_000 + "z does not match.")
    assert shown.startswith("The name aaa")
    assert shown.endswith("z does not match.")
    assert len(shown) < 300


def test_length_is_bounded_after_escaping_too() -> None:
    assert len(safe.terminal("\x1b" * 5000)) <= safe.LIMIT
    assert safe.terminal("word " * 1000).endswith("…")
    assert safe.terminal("x" * 5000, None) == "x" * 5000
    assert safe.one_line("  many \n words  ", 8) == "many wo…"


def test_megabytes_are_cut_before_they_are_looked_at() -> None:
    assert len(safe.terminal("\x1b " * 5_000_000)) <= safe.LIMIT


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(anything)
def test_html_has_no_markup_and_reads_back(text: str) -> None:
    parser = _Collector()
    parser.feed(f'<p title="{safe.html(text, None)}">{safe.html(text, None)}</p>')
    parser.close()
    assert parser.tags == ["p"]
    assert [name for name, _ in parser.attributes] == ["title"]
    assert parser.attributes[0][1] == safe.terminal(text, None)
    assert parser.text == safe.terminal(text, None)


def test_html_keeps_lines_where_asked() -> None:
    assert safe.html("a\n<b>", lines=True) == "a\n&lt;b&gt;"
    assert safe.html("a\n<b>") == "a\\n&lt;b&gt;"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*bold* _it_ `code`", r"\*bold\* \_it\_ \`code\`"),
        ("snake_case_name", "snake_case_name"),
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("<script>", r"\<script\>"),
        ("# heading", r"\# heading"),
        ("1. list", r"1\. list"),
        ("- list", r"\- list"),
        ("a | b", r"a \| b"),
        ("&lt;", r"\&lt;"),
        ("see https://evil.example", r"see https:\//evil.example"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_becomes_no_markup(text: str, shown: str) -> None:
    assert safe.markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("", "`  `")]
)
def test_code_spans_cannot_be_left(text: str, shown: str) -> None:
    assert safe.markdown_code(text) == shown


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("https://knowledge.broadcom.com/external/article/153476", True),
        ("http://example.com/?a=b&c=d#e", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://example.com/) [x](y", False),
        ('https://example.com/"onclick=', False),
        ("https://example.com/\n", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(text: str, ok: bool) -> None:
    assert safe.url(text) == (text if ok else None)


@given(anything)
def test_label_values_read_back(text: str) -> None:
    value = safe.label_value(text, None)
    assert re.fullmatch(r'(?:[^\\"\n]|\\\\|\\")*', value)
    read = re.sub(r'\\(["\\])', r"\1", value)
    assert read == safe.terminal(text, None)


@given(anything)
def test_xml_text_can_be_parsed_again(text: str) -> None:
    element = ET.Element("a", {"b": safe.xml_text(text, None).replace("\n", " ")})
    element.text = safe.xml_text(text, None)
    assert ET.fromstring(ET.tostring(element)).text in (safe.xml_text(text, None), None)


@given(anything)
def test_nagios_output_has_no_separator(text: str) -> None:
    assert not set(safe.nagios(text)) & set("|\n`$<>")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `ipconfig /flushdns` at once", "run `ipconfig /flushdns` at once"),
        ("a `b` - c `*d*`", "a `b` - c `*d*`"),
        ("one ` alone *x*", r"one \` alone \*x\*"),
        ("`a``b` <x>", r"`a``b` \<x\>"),
        ("``` fence", r"\`\`\` fence"),
    ],
)
def test_prose_keeps_code_spans_and_nothing_else(text: str, shown: str) -> None:
    assert safe.markdown_prose(text) == shown
