"""One choice of few in one line: Enter, Space or a click takes the next, arrows go both ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import RenderResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

Choice = tuple[Any, str]


class Chooser(Widget, can_focus=True):
    """A title and the choice. Without `always`, the first choice is "any", whose value is None."""

    HELP = "One of several choices: the arrows left and right, Space or a click change it."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space,enter", "step(1)", "Next choice", show=False),
        Binding("left", "step(-1)", "Previous choice", show=False),
    ]
    DEFAULT_CSS = """
    Chooser { height: 1; width: auto; }
    Chooser:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
    Chooser:focus:nocolor { text-style: reverse; }
    Chooser:hover { background: $panel; color: $foreground; }
    """

    @dataclass
    class Chosen(Message):
        chooser: Chooser

        @property
        def control(self) -> Chooser:
            return self.chooser

    def __init__(
        self,
        title: str,
        choices: tuple[Choice, ...],
        *,
        value: Any = None,
        always: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.title, self.value, self._always = title, value, always
        self._choices: tuple[Choice, ...] = ()
        self.offer(choices)

    def offer(self, choices: tuple[Choice, ...]) -> None:
        self._choices = choices if self._always else ((None, "any"), *choices)
        self.refresh(layout=True)

    def choose(self, value: Any) -> None:
        self.value = value
        self.refresh(layout=True)

    def render(self) -> RenderResult:
        shown = next((text for value, text in self._choices if value == self.value), "any")
        return Content.assemble(f"{self.title} ", (f"‹ {shown} ›", "bold"))

    def action_step(self, by: int) -> None:
        values = [value for value, _ in self._choices]
        at = values.index(self.value) if self.value in values else 0
        self.choose(values[(at + by) % len(values)])
        self.post_message(self.Chosen(self))

    def on_click(self) -> None:
        self.action_step(1)
