"""The line at the top, the line of views and the line of keys at the bottom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.app import App, RenderResult
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.style import Style
from textual.widget import Widget

from semscheck.report.escape import one_line
from semscheck.report.text.lines import fit, width

_NAMES = {"enter": "Enter", "escape": "Esc", "slash": "/", "space": "Space", "f1": "F1", "tab": "Tab"}


def key_name(app: App[Any], binding: Binding) -> str:
    """A key as it is written on the keyboard."""
    return binding.key_display or _NAMES.get(binding.key) or app.get_key_display(binding)


class TitleBar(Widget):
    """The program, what is looked at, and on the right where that comes from."""

    DEFAULT_CSS = """
    TitleBar { dock: top; height: 1; background: $panel; color: $foreground; padding: 0 1;
               text-wrap: nowrap; text-overflow: ellipsis; }
    TitleBar:nocolor { text-style: reverse; }
    """

    def __init__(self, title: str = "", origin: str = "") -> None:
        super().__init__()
        self._title, self._origin = title, origin

    def show(self, title: str, origin: str) -> None:
        title, origin = one_line(title, 300), one_line(origin)
        if (title, origin) != (self._title, self._origin):
            self._title, self._origin = title, origin
            self.refresh()

    def render(self) -> RenderResult:
        room = self.content_size.width
        head = "semscheck"
        origin = self._origin if width(self._origin) + width(self._title) + len(head) + 6 <= room else ""
        origin = origin or fit(self._origin, max(0, room // 3))
        title = fit(self._title, max(0, room - len(head) - width(origin) - 4))
        gap = room - len(head) - 2 - width(title) - width(origin)
        return Content.assemble(
            (head, "$state-dim"), "  ", (title, "bold"), " " * max(0, gap), (origin, "$state-dim")
        )


class ViewBar(Widget):
    """The views with their numbers; a click or the number chooses one."""

    DEFAULT_CSS = """
    ViewBar { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    @dataclass
    class Chosen(Message):
        view: str

    def __init__(self, views: tuple[tuple[str, str], ...]) -> None:
        """views: (id, title) in the order of their numbers."""
        super().__init__()
        self._views = views
        self.current = views[0][0]

    def show(self, view: str) -> None:
        self.current = view
        self.refresh()

    def render(self) -> RenderResult:
        parts: list[Content] = []
        for number, (view, title) in enumerate(self._views, 1):
            here = view == self.current
            text = Content.assemble(
                (f" {number} ", "" if here else "$state-dim"), (f"{title} ", "bold" if here else "")
            )
            if here:
                text = text.stylize("reverse" if self.app.no_color else "$on-state on $state-info")
            parts.append(text.stylize(Style.from_meta({"view": view})))
        return Content("").join(parts)

    def on_click(self, event: object) -> None:
        view = getattr(event, "style", Style()).meta.get("view")
        if view is not None:
            self.post_message(self.Chosen(view))


class KeyBar(Widget):
    """The keys that act here, as many as fit; help and quit always. A click presses the key."""

    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; background: $panel; padding: 0 1;
             text-wrap: nowrap; text-overflow: clip; }
    """
    ALWAYS = (("?", "Help", "question_mark"), ("^q", "Quit", "ctrl+q"))

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _: Screen[object]) -> None:
        self.refresh()

    def render(self) -> RenderResult:
        always = [self._key(*it) for it in self.ALWAYS]
        room = self.content_size.width - sum(it.cell_length + 2 for it in always)
        parts: list[Content] = []
        for display, description, key in self._listed():
            part = self._key(display, description, key)
            if part.cell_length + 2 <= room:
                parts.append(part)
                room -= part.cell_length + 2
        return Content("  ").join([*parts, *always])

    def _listed(self) -> list[tuple[str, str, str]]:
        """Those of the focused part first, then the screen's own in its order."""
        active = [it for it in self.screen.active_bindings.values() if it.binding.show and it.enabled]
        active.sort(key=lambda it: (it.node is self.app, it.node is self.screen))
        seen: dict[str, tuple[str, str, str]] = {}
        for it in active:
            seen.setdefault(
                it.binding.action,
                (key_name(self.app, it.binding), it.binding.description, it.binding.key),
            )
        return list(seen.values())

    def _key(self, display: str, description: str, key: str) -> Content:
        text = Content.assemble((display, "bold $state-info"), " ", description)
        return text.stylize(Style.from_meta({"press": key}))

    def on_click(self, event: object) -> None:
        key = getattr(event, "style", Style()).meta.get("press")
        if key is not None:
            self.app.simulate_key(key)
