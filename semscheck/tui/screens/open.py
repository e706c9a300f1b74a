"""Choosing a saved report."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.threads import off_loop
from semscheck.tui.screens.base import Window
from semscheck.tui.store import find_reports


class OpenScreen(Window[Path | None]):
    HELP = "Type the path of a saved report, or choose one of those found in the current directory."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]
    DEFAULT_CSS = """
    OpenScreen { align: center middle; }
    OpenScreen > Vertical { width: 76; max-width: 96%; height: auto; max-height: 90%;
                            background: $surface; padding: 1 2; }
    OpenScreen Input { background: $panel; margin: 0 0 1 0; }
    OpenScreen #open-note { color: $state-dim; margin-top: 1; }
    OpenScreen OptionList { height: auto; max-height: 12; background: $surface; }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._heading = title
        self._found: tuple[Path, ...] = ()

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._heading, markup=False, classes="heading")
            yield Input(placeholder="path of a report saved as JSON", compact=True)
            yield OptionList(markup=False, compact=True)
            yield Label("Enter opens, Esc goes back", markup=False, id="open-note")

    async def on_mount(self) -> None:
        self.query_one(Input).focus()
        now = self.house.now()
        found = await off_loop(lambda: find_reports(Path.cwd()))
        self._found = tuple(path for path, _ in found)
        options = self.query_one(OptionList)
        options.set_options(
            Option(Content.assemble(one_line(path.name), (f"  {words.age(at, now)}", "$state-dim")))
            for path, at in found
        )
        options.highlighted = 0 if found else None
        options.display = bool(found)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(Path(event.value.strip()).expanduser())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._found[event.option_index])
