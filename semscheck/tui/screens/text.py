"""A page of text to read and copy: the ticket, a fact, a rule, help, a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from semscheck.report.escape import terminal
from semscheck.report.text.lines import Line, Span, wrap
from semscheck.tui.screens.base import Window
from semscheck.tui.widgets.bars import KeyBar, TitleBar
from semscheck.tui.widgets.drawn import Draw, Drawn


def plain(lines: Sequence[str]) -> Draw:
    """Safe lines, broken where they are too long."""

    def draw(columns: int) -> list[Line]:
        return [(Span(part),) for line in lines for part in _broken(line, columns)]

    return draw


def _broken(line: str, columns: int) -> list[str]:
    """Indentation stays, since in PEM, headers and answers it means something."""
    if len(line) <= columns:
        return [line]
    indent = line[: len(line) - len(line.lstrip(" "))][: columns // 2]
    return wrap(line, columns, first=indent, rest=indent + "  ")


def safe_lines(text: str) -> list[str]:
    return [terminal(line) for line in text.splitlines()]


class TextScreen(Window[None]):
    """Text over the whole screen. `copied`: what `c` copies, None: nothing."""

    HELP = "Read on with the arrows and the page keys. c copies the text, Esc goes back."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "leave", "Back"),
        Binding("c", "copy", "Copy"),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
    ]
    DEFAULT_CSS = """
    TextScreen { background: $background; }
    TextScreen VerticalScroll { padding: 1 0 0 2; background: $background; }
    """

    def __init__(self, title: str, draw: Draw, copied: str | None = None, what: str = "text") -> None:
        super().__init__()
        self._heading, self._draw, self._copied, self._what = title, draw, copied, what

    def compose(self) -> ComposeResult:
        yield TitleBar(self._heading)
        with VerticalScroll():
            yield Drawn(self._draw)
        yield KeyBar()

    def show(self, draw: Draw) -> None:
        self.query_one(Drawn).show(draw)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (action == "copy" and self._copied is None)

    def action_copy(self) -> None:
        if self._copied is not None:
            self.house.copy(self._copied, self._what)

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)
