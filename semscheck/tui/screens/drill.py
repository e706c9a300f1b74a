"""A drill: somebody takes a server down, this watches who answers until it is back."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from semscheck.model.target import Target
from semscheck.tui.runners import DoorError, Drill
from semscheck.tui.screens.base import Window
from semscheck.tui.screens.text import plain, safe_lines
from semscheck.tui.widgets.bars import KeyBar, TitleBar
from semscheck.tui.widgets.drawn import Drawn


class DrillScreen(Window[None]):
    HELP = (
        "Take a server down now, and bring it back later: the times, the outage and the fail-back are shown "
        "as they come. Esc ends the drill and keeps what was seen; once more goes back."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "End / back"),
        Binding("c", "copy", "Copy"),
    ]
    DEFAULT_CSS = """
    DrillScreen { background: $background; }
    DrillScreen VerticalScroll { padding: 1 0 0 2; background: $background; }
    """

    def __init__(self, target: Target, drill: Drill) -> None:
        super().__init__()
        self._target, self._drill = target, drill
        self._cancel = asyncio.Event()
        self._text, self._new = "Watching. Take a server down now.", True
        self._running_check: asyncio.Task[None] | None = None

    def compose(self) -> ComposeResult:
        yield TitleBar(f"Drill: {self._target.fqdn_shown or self._target.fqdn}")
        with VerticalScroll():
            yield Drawn()
        yield KeyBar()

    def on_mount(self) -> None:
        self._running_check = asyncio.create_task(self._run())
        self.set_interval(0.1, self._look)

    def on_unmount(self) -> None:
        if self._running_check is not None:
            self._running_check.cancel()

    async def _run(self) -> None:
        try:
            self._listen(await self._drill(self._target, self._listen, self._cancel))
        except DoorError as error:
            self._listen(str(error))

    def _listen(self, text: str) -> None:
        """From any thread: one assignment each, the newest text wins."""
        self._text = text
        self._new = True

    def _look(self) -> None:
        if self._new:
            self._new = False
            self.query_one(Drawn).show(plain(safe_lines(self._text)))

    def action_leave(self) -> None:
        if self._running_check is not None and not self._running_check.done() and not self._cancel.is_set():
            self._cancel.set()
        else:
            self.dismiss(None)

    def action_copy(self) -> None:
        self.house.copy(self._text, "timeline")
