"""Hostile text made harmless, one function per kind of output.

Names, headers, banners and certificate fields come from the network as they are, and may carry control
characters, terminal escapes, markup, or characters that change the order of what is shown. Each function
here takes such text and returns text for one kind of output, bounded in length. What is dangerous is shown
as an escape (`\\x1b`, `\\u202e`), never dropped, so that a reader sees that it was there.
"""

from __future__ import annotations

import re

LIMIT = 2000  # characters of one text in one place; longer ones end in an ellipsis
# A DNS name has at most 253 characters (RFC 1035 section 2.3.4); a longer word is cut inside
WORD_LIMIT = 256
ELLIPSIS = "…"

# Invisible, though Python calls them printable: fillers, the braille blank, variation selectors, the
# combining grapheme joiner. Bidi controls, zero-width, line separators, C0 and C1 are not printable already.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Marks that stack on one letter until they cover other lines: the fourth and later are escaped.
_MARKS_ALLOWED = 3


def _escape(character: str) -> str:
    number = ord(character)
    if character == "\n":
        return "\\n"
    if character == "\t":
        return "\\t"
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def visible(text: str, keep: str = "") -> str:
    """Text whose every character can be seen. Unassigned and private characters are escaped too.

    The last layer of everything that is shown: whatever was forgotten before is harmless behind it.
    """
    if text.isprintable() and text.isascii():
        return text
    import unicodedata

    stacking = {character for character in set(text) if unicodedata.category(character) in ("Mn", "Me")}
    if not stacking and all(
        one in keep or (one.isprintable() and not _INVISIBLE.match(one)) for one in set(text)
    ):
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if character in stacking else 0
        if character in keep or (
            character.isprintable() and not _INVISIBLE.match(character) and marks <= _MARKS_ALLOWED
        ):
            shown.append(character)
        else:
            shown.append(_escape(character))
    return "".join(shown)


def _shorten_word(match: re.Match[str]) -> str:
    word = match.group()
    return f"{word[: WORD_LIMIT // 2]}{ELLIPSIS}{word[-WORD_LIMIT // 8 :]}"


_LONG_WORD = re.compile(rf"\S{{{WORD_LIMIT + 1},}}")


def _bounded(text: str, limit: int | None) -> str:
    """At most `limit` characters; a single endless word loses its middle, so the sentence around it stays."""
    if limit is None:
        return text
    if len(text) > WORD_LIMIT:
        text = _LONG_WORD.sub(_shorten_word, text[: 100 * LIMIT])
    return text if len(text) <= limit else text[: max(0, limit - 1)] + ELLIPSIS


def terminal(text: str, limit: int | None = LIMIT) -> str:
    """Text for one line of a terminal: no control character, no escape, nothing that reorders or hides.

    limit: characters at most, None for no bound. Line breaks are shown as `\\n`; split what may have lines
    before. For Rich and Textual, pass the result as `rich.text.Text` or with markup switched off.
    """
    return _bounded(visible(_bounded(text, limit)), limit)


def one_line(text: str, limit: int = 200) -> str:
    """Like `terminal`, with every run of white space as one blank: for headlines and list entries."""
    return terminal(" ".join(text[: 100 * LIMIT].split()), limit)


def block(text: str, limit: int | None = LIMIT) -> list[str]:
    """Text that may have lines of its own (a remedy in steps), each made safe for a terminal."""
    return [terminal(line, limit) for line in _bounded(text, limit).expandtabs(4).split("\n")]


def html(text: str, limit: int | None = LIMIT, *, lines: bool = False) -> str:
    """Text for HTML or SVG, in an element or in a quoted attribute.

    lines: keep line breaks (for `pre`, or `white-space: pre-line`). References are for `url`, not for this.
    """
    shown = _bounded(visible(_bounded(text, limit), "\n" if lines else ""), limit)
    return (
        shown.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#39;")
    )


_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'*+,;=%]{1,1000}", re.ASCII)


def url(text: str | None) -> str | None:
    """The address of a web page if it is one and has no character that could end a link; otherwise None.

    Only http and https; parentheses are left out, since they end a link in Markdown. The result still has to
    go through `html` inside an attribute.
    """
    return text if text and _URL.fullmatch(text) else None


# CommonMark 0.31 section 2.4: any ASCII punctuation may be escaped with a backslash. Only what starts a
# construct inside a line is, so that the text stays readable where nobody renders it.
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")
_MARKDOWN_START = re.compile(r"^(\s*)([#+\-=:]|\d{1,9}[.)](?=\s|$))")


def _escape_start(match: re.Match[str]) -> str:
    blank, mark = match.groups()
    return f"{blank}{mark[:-1]}\\{mark[-1]}"


def markdown(text: str, limit: int | None = LIMIT) -> str:
    """One line of text for Markdown: nothing in it becomes markup, a link, an image or raw HTML."""
    shown = one_line(text, limit) if limit is not None else terminal(text, None)
    shown = _MARKDOWN.sub(r"\\\g<0>", shown)
    shown = _MARKDOWN_START.sub(_escape_start, shown)
    return shown.replace("://", ":\\//")  # GitHub and others make links of bare addresses


def markdown_code(text: str, limit: int | None = LIMIT) -> str:
    """One line as a code span, fenced longer than any run of backticks in it (CommonMark section 6.1)."""
    shown = terminal(text, limit)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def markdown_prose(text: str, limit: int | None = LIMIT, *, start: bool = True) -> str:
    """Like `markdown`, but what stands between backticks becomes a code span, as the writer meant.

    start: False for what follows something else on its line, and so cannot begin a list or a heading.
    """
    shown = one_line(text, limit) if limit is not None else terminal(text, None)
    parts = shown.split("`")
    if len(parts) % 2 == 0:  # a backtick without a partner is only a character
        return markdown(shown, None) if start else _inside(shown)
    first = markdown(parts[0], None) if start else _inside(parts[0])
    return first + "".join(
        markdown_code(part, None) if index % 2 and part else _inside(part)
        for index, part in enumerate(parts)
        if index
    )


def _inside(text: str) -> str:
    """Markdown for text that does not begin a line."""
    return _MARKDOWN.sub(r"\\\g<0>", terminal(text, None)).replace("://", ":\\//")


def label_value(text: str, limit: int | None = 500) -> str:
    """A label's value for the Prometheus text format 0.0.4, without the quotes around it."""
    return terminal(text, limit).replace("\\", "\\\\").replace('"', '\\"')


def xml_text(text: str, limit: int | None = LIMIT) -> str:
    """Only characters that XML 1.0 allows (section 2.2), line breaks kept; the writer still escapes markup.

    For ElementTree, which escapes `<`, `&` and quotes and lets forbidden characters through.
    """
    return _bounded(visible(_bounded(text, limit), "\n"), limit)


# '|' begins performance data (Monitoring Plugins Development Guidelines, "Plugin Output"); the others reach
# shells and web pages through notification commands and CGIs that quote badly.
_NAGIOS = re.compile(r"[|`$<>]")


def nagios(text: str, limit: int = 500) -> str:
    """One line of a plugin's output: no line break, no '|', nothing that a careless shell would run."""
    return _NAGIOS.sub(lambda match: f"\\x{ord(match.group()):02x}", one_line(text, limit))
