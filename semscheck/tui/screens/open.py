"""Choosing a saved report. What cannot be read is said here, and another one can be chosen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Label

from semscheck.report.escape import one_line
from semscheck.threads import off_loop
from semscheck.tui.runners import DoorError
from semscheck.tui.screens.base import Result, Window
from semscheck.tui.widgets.folder import Folder


class OpenScreen(Window[Result | None]):
    HELP = "Type the path of a saved report, or choose one in the list, which goes through folders too."
    DEFAULT_CSS = """
    OpenScreen { align: center middle; }
    OpenScreen > Vertical { width: 76; max-width: 96%; height: auto; max-height: 90%;
                            background: $surface; padding: 1 2; }
    OpenScreen Input { background: $panel; margin: 0 0 1 0; }
    OpenScreen #open-note { color: $state-dim; margin-top: 1; width: 1fr; height: auto; }
    OpenScreen #open-note.-bad { color: $state-critical; }
    """

    def __init__(self, title: str, take: Callable[[Path], Awaitable[Result]]) -> None:
        """take: makes of a path what the window gives; raises DoorError or OSError in words."""
        super().__init__()
        self._heading, self._take = title, take

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._heading, markup=False, classes="heading")
            yield Input(placeholder="path of a report saved as JSON", compact=True)
            yield Folder(Path.cwd())
            yield Label("Enter opens, .. goes up, Esc goes back", markup=False, id="open-note")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        if not event.value.strip():
            return
        path = await off_loop(lambda: Path(event.value.strip()).expanduser())
        if await off_loop(path.is_dir):
            await self.query_one(Folder).show(path)
        else:
            await self._open(path)

    async def on_folder_picked(self, event: Folder.Picked) -> None:
        await self._open(event.path)

    async def _open(self, path: Path) -> None:
        try:
            result = await self._take(path)
        except (DoorError, OSError) as error:
            note = self.query_one("#open-note", Label)
            note.update(one_line(str(error), 400))
            note.add_class("-bad")
        else:
            self.dismiss(result)
