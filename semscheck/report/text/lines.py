"""Lines of text for a terminal: styled spans, display width, wrapping, and the ASCII fall-back.

A line is a tuple of spans; a span's style is a name ("ok", "critical", "dim", "member-2"), which each face
(text, TUI) turns into what it has. Widths are columns of a terminal: East Asian wide characters take two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from semscheck.report.escape import visible

COLOURS = 8  # different member, certificate and answer styles, "member-0" to "member-7"

# SGR parameters (ECMA-48 section 8.3.117). States use the 8 basic colours, which every theme sets readable;
# members use the Okabe-Ito colours, told apart by colour-blind people, as backgrounds in the 256-colour cube.
SGR: dict[str, str] = {
    "ok": "32",
    "info": "36",
    "warning": "33",
    "critical": "1;31",
    "unknown": "35",
    "not-tested": "2",
    "dim": "2",
    "strong": "1",
    **{
        f"member-{index}": f"38;5;16;48;5;{colour}"
        for index, colour in enumerate((74, 214, 36, 227, 175, 166, 250, 111))
    },
    "mark-0": "1",
    "mark-1": "7",
}


@dataclass(frozen=True, slots=True)
class Span:
    """Text with one style; style: a key of SGR, or empty."""

    text: str
    style: str = ""


Line = tuple[Span, ...]


def width(text: str) -> int:
    """Columns that the text takes in a terminal; marks take none, wide and full-width characters two."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def line_width(line: Iterable[Span]) -> int:
    return sum(width(span.text) for span in line)


def fit(text: str, columns: int) -> str:
    """The text in at most `columns`, cut with an ellipsis where it is longer."""
    if width(text) <= columns:
        return text
    head, _ = _split_at(text, max(0, columns - 1))
    return head + "…" if columns > 0 else ""


def apart(names: Sequence[str], columns: int) -> list[str]:
    """Names in at most `columns` each, so that they still differ: what all end in goes first, from a dot on, then
    the middle of what is left."""
    if all(width(name) <= columns for name in names):
        return list(names)
    tail = next((end for end in _ends(names[0]) if all(name.endswith(end) for name in names)), "")
    heads = [name.removesuffix(tail) for name in names]
    end = "…" if tail else ""
    return [_without_middle(head, columns - len(end)) + end for head in heads]


def _ends(name: str) -> Iterator[str]:
    """What a name ends in, from each dot on, the longest first."""
    return (name[at:] for at, character in enumerate(name) if at and character == ".")


def _without_middle(text: str, columns: int) -> str:
    """The text in at most `columns`; what stands in the middle makes room, more of the end is kept."""
    if width(text) <= columns:
        return text
    kept = max(0, columns - 1)
    return fit(text[: kept // 3] + "…" + text[len(text) - (kept - kept // 3) :], columns)


def pad(text: str, columns: int) -> str:
    """The text in exactly `columns`: cut, or filled with blanks."""
    shown = fit(text, columns)
    return shown + " " * (columns - width(shown))


def cut(line: Sequence[Span], columns: int) -> Line:
    """The line in at most `columns`, styles kept."""
    room = columns
    kept = []
    for span in line:
        text = fit(span.text, room)
        room -= width(text)
        kept.append(Span(text, span.style))
    return tuple(kept)


def _split_at(text: str, columns: int) -> tuple[str, str]:
    taken = 0
    for index, character in enumerate(text):
        taken += _character_width(character)
        if taken > columns:
            return text[:index], text[index:]
    return text, ""


def _pieces(word: str, columns: int) -> list[str]:
    """A word in pieces that fit; a wide character in a single column is left out rather than overflowing."""
    pieces: list[str] = []
    while word and width(word) > columns:
        head, word = _split_at(word, columns)
        if not head:
            return pieces
        pieces.append(head)
    return [*pieces, word] if word else pieces


_TIE = "\x00"  # nothing that is shown has it: see `safe`
_BEFORE_UNIT = re.compile(r"(?<=[0-9]) (?=(?:ms|s|min|h|%)(?![\w]))")


def wrap(text: str, columns: int, first: str = "", rest: str | None = None) -> list[str]:
    """Text broken at blanks into lines of at most `columns`, a longer word inside. A figure keeps its unit.

    first, rest: what the first line and the others begin with (rest: blanks as wide as `first`).
    """
    rest = " " * width(first) if rest is None else rest
    rooms = (max(1, columns - width(first)), max(1, columns - width(rest)))
    lines: list[str] = []
    current = ""
    words = (word.replace(_TIE, " ") for word in _BEFORE_UNIT.sub(_TIE, text).split(" "))
    for piece in (piece for word in words for piece in _pieces(word, min(rooms))):
        if current and width(current) + 1 + width(piece) > rooms[bool(lines)]:
            lines.append(current)
            current = piece
        else:
            current = f"{current} {piece}" if current else piece
    lines.append(current)
    return [(first if index == 0 else rest) + line for index, line in enumerate(lines)]


def speaks_unicode(encoding: str | None, environ: Mapping[str, str]) -> bool:
    """Does a terminal show more than ASCII? By its locale, which Python's own encoding no longer follows where that
    is "C" (PEP 540); a Linux console has few characters."""
    chosen = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "")
    few = chosen in {"C", "POSIX"} or environ.get("TERM") in {"linux", "dumb", "vt100", "vt220"}
    return "utf" in (encoding or "").lower() and not few


# One column for one column, so that what was laid out stays laid out.
_ASCII = str.maketrans(
    {
        **dict.fromkeys("─░–—−", "-"),
        **dict.fromkeys("│├", "|"),
        **dict.fromkeys("“”„", '"'),
        **dict.fromkeys("‘’", "'"),
        **dict(zip("▁▂▃▄▅▆▇█▓", "__--==##=", strict=True)),
        **dict(zip("✔▲✖·•└…→←≤≥×\u00a0", "+!X.*`~><<>x ", strict=True)),
    }
)


def to_ascii(text: str) -> str:
    """The text for a terminal without Unicode, as wide as before: accents dropped, the rest as "?"."""
    if text.isascii():
        return text
    return "".join(_ascii_character(character) for character in text.translate(_ASCII))


def _ascii_character(character: str) -> str:
    if character.isascii():
        return character
    base = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    columns = _character_width(character)
    return base if len(base) == columns else "?" * columns


def printed(lines: Iterable[Line], unicode: bool = True, colour: bool = False) -> str:
    """Lines as a terminal takes them, each with its line break; without `unicode` in ASCII, as wide as before."""
    shown = lines if unicode else ([Span(to_ascii(it.text), it.style) for it in line] for line in lines)
    return "".join(to_string(line, colour) + "\n" for line in shown)


@dataclass(frozen=True, slots=True)
class Writer:
    """Makes lines of at most so many columns."""

    columns: int

    def plain(self, texts: Iterable[str], indent: str = "") -> list[Line]:
        return [(Span(line),) for text in texts for line in wrap(text, self.columns, indent)]

    def section(self, title: str, body: Iterable[Line]) -> list[Line]:
        """A title over lines; nothing where there are none."""
        inner = list(body)
        return [(), (Span(title, "strong"),), *inner] if inner else []


def to_string(line: Sequence[Span], colour: bool = False) -> str:
    """A line as text, with SGR sequences if `colour` and no others; blanks at its end are dropped."""
    shown = [
        (visible(span.text), SGR.get(span.style) if colour and span.text.strip() else None) for span in line
    ]
    return "".join(f"\x1b[{sgr}m{text}\x1b[0m" if sgr else text for text, sgr in shown).rstrip()
