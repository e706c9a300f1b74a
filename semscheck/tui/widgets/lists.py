"""A list of very many lines: only those that are seen are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from semscheck.report.text.lines import fit

if TYPE_CHECKING:
    from textual.events import Click

_MANY = 1 << 20


class LineList(ScrollView, can_focus=True):
    """One line an entry, with a cursor; text is asked for when it is drawn."""

    HELP = "All facts of the run in the order they came. Enter shows all there is of one."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Look"),
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home", f"move({-_MANY})", show=False),
        Binding("end", f"move({_MANY})", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--cursor"}
    DEFAULT_CSS = """
    LineList { height: 1fr; }
    LineList > .line-list--cursor { background: $block-cursor-blurred-background; }
    LineList:focus > .line-list--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground;
    }
    LineList:nocolor > .line-list--cursor { text-style: reverse; }
    """

    at: reactive[int] = reactive(0)

    @dataclass
    class Selected(Message):
        index: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.count = 0
        self._text: Callable[[int], str] = str

    def show(self, count: int, text: Callable[[int], str]) -> None:
        """count: of lines; text: a safe line by its index."""
        self.count, self._text = count, text
        self.virtual_size = Size(0, count)
        self.at = 0
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if index >= self.count:
            return Strip.blank(width, self.rich_style)
        style = self.rich_style
        if index == self.at:
            style += self.get_component_rich_style("line-list--cursor")
        strip = Strip([Segment(fit(self._text(index), width), style)])
        return strip.extend_cell_length(width, style).crop(0, width)

    def validate_at(self, at: int) -> int:
        return max(0, min(at, self.count - 1))

    def watch_at(self) -> None:
        self.scroll_to_region(Region(0, self.at, 1, 1), animate=False, force=True)
        self.refresh()

    def action_move(self, by: int) -> None:
        self.at += by

    def action_page(self, by: int) -> None:
        self.at += by * max(1, self.content_size.height - 1)

    def action_select(self) -> None:
        if self.count:
            self.post_message(self.Selected(self.at))

    def on_click(self, event: Click) -> None:
        index = self.scroll_offset.y + event.y
        if index == self.at:
            self.action_select()
        elif index < self.count:
            self.at = index
