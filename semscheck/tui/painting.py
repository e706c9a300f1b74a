"""From the lines of `render.lines` to what Textual draws, and the ASCII fall-back of the whole screen.

Nothing here is ever read as markup: `Content` is built from plain text and spans. What is left of control characters
when all is drawn, `Visible` shows.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.content import Content, Span
from textual.filter import LineFilter

from semscheck.report.text.lines import COLOURS, Line, to_ascii
from semscheck.report.wording import SYMBOLS, Mark

_CHIP = {Mark.NOT_TESTED: "$state-dim"}
STYLES: dict[str, str] = {
    "ok": "$state-ok",
    "info": "$state-info",
    "warning": "$state-warning",
    "critical": "bold $state-critical",
    "unknown": "$state-unknown",
    "not-tested": "$state-dim",
    "dim": "$state-dim",
    "strong": "bold",
    **{f"chip-{mark.value}": f"bold $on-state on {_CHIP.get(mark, '$state-' + mark.value)}" for mark in Mark},
    "mark-0": "bold",
    "mark-1": "bold reverse",
    **{f"member-{index}": f"$ink on $member-{index}" for index in range(COLOURS)},
}


def painted(lines: Iterable[Line]) -> Content:
    """Lines as one content; a style that is not known is drawn plain."""
    text: list[str] = []
    spans: list[Span] = []
    at = 0
    for line in lines:
        for span in line:
            style = STYLES.get(span.style)
            if style and span.text:
                spans.append(Span(at, at + len(span.text), style))
            text.append(span.text)
            at += len(span.text)
        text.append("\n")
        at += 1
    return Content("".join(text)[:-1], spans)


def styled(text: str, style: str = "") -> Content:
    """Plain text in one of the styles of STYLES."""
    return Content.styled(text, STYLES.get(style, ""))


def mark(it: Mark) -> Content:
    """A state's symbol in its colour."""
    return styled(SYMBOLS[it], it.value)


class Visible(LineFilter):
    """Nothing unseen reaches the terminal: the last layer of all that is drawn, which keeps every line's width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isprintable()
            else Segment("".join(map(_seen, segment.text)), segment.style)
            for segment in segments
        ]


def _seen(character: str) -> str:
    return character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" * cell_len(character)


class Ascii(LineFilter):
    """Turns all that is drawn into ASCII, column for column: what Textual draws itself as well."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(_FRAMES.get(text, "") or to_ascii(text.translate(_BOX)), style, control)
            for text, style, control in segments
        ]


# What Textual draws of its own: scroll bars, the arrows of selections, switches. Blocks become blanks, their
# colours show; the frames of inputs are not worth a character.
_BOX = str.maketrans(
    {
        **dict.fromkeys("▁▂▃▄▅▆▇▔▀▐▌▊▋▉▎▏▍▕█", " "),
        **dict.fromkeys("━═─╌", "-"),
        **dict.fromkeys("┃║│╎", "|"),
        **dict.fromkeys("┏┓┗┛╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
        **dict.fromkeys("▼▾↓", "v"),
        **dict.fromkeys("▶▸⏎→", ">"),
        **dict(zip("◀←▲↑●•⭘", "<<!^**o", strict=True)),
    }
)
_FRAMES: dict[str, str] = {}
