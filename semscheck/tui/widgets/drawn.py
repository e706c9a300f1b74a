"""A widget that draws lines made for its width."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from semscheck.report.figures.drawing import draw
from semscheck.report.figures.pictures import Picture
from semscheck.report.text.lines import Line
from semscheck.tui.painting import painted

Draw = Callable[[int], list[Line]]


def _nothing(_: int) -> list[Line]:
    return []


def drawing(picture: Picture | None) -> Draw:
    """How to draw one of the shared pictures; None: it is not there yet."""
    if picture is None:
        return _nothing
    return lambda columns: draw(picture, columns)


class Drawn(Widget):
    """Lines as a function of the width, as high as they are. Drawn anew when shown something or resized."""

    DEFAULT_CSS = """
    Drawn { height: auto; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, draw: Draw = _nothing, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw = draw
        self._drawn: tuple[int, list[Line]] | None = None

    def show(self, draw: Draw) -> None:
        before = self._drawn
        self._draw, self._drawn = draw, None
        if before is None:
            # Hidden so far: whoever shows it lays it out anew, nothing needs to be done now.
            self.clear_cached_dimensions()
            if self.is_on_screen:
                self.refresh(layout=True)
            return
        lines = self._lines(before[0])
        if len(lines) != len(before[1]):
            self.refresh(layout=True)
        elif lines != before[1]:
            self.refresh()

    def render(self) -> RenderResult:
        return painted(self._lines(self.content_size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def _lines(self, width: int) -> list[Line]:
        if self._drawn is None or self._drawn[0] != width:
            self._drawn = (width, self._draw(width) if width > 0 else [])
        return self._drawn[1]
