"""A folder to walk through: the way up, the folders in it, and the saved reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.threads import off_loop
from semscheck.tui.store import find_folders, find_reports


class Folder(OptionList):
    """`Picked` says that a report was chosen, `Entered` that another folder is shown."""

    HELP = "Enter goes into a folder, .. goes up; Enter on a report takes it."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("backspace", "up", "Up", show=False)]
    DEFAULT_CSS = """
    Folder { height: auto; max-height: 12; background: $surface; }
    """

    @dataclass
    class Picked(Message):
        path: Path

    @dataclass
    class Entered(Message):
        path: Path

    def __init__(self, where: Path, *, reports: bool = True) -> None:
        super().__init__(markup=False, compact=True)
        self.where, self._reports = where, reports
        self._paths: tuple[Path, ...] = ()

    def on_mount(self) -> None:
        self.call_later(self.show, self.where)

    async def show(self, where: Path) -> None:
        folders = await off_loop(lambda: find_folders(where))
        reports = await off_loop(lambda: find_reports(where)) if self._reports else ()
        now = datetime.now(UTC)
        self.where = where
        self._paths = (where.parent, *folders, *(path for path, _ in reports))
        names = ["..", *(f"{one_line(path.name, 200)}/" for path in folders)]
        self.set_options(names)
        self.add_options(
            Option(Content.assemble(one_line(path.name, 200), (f"  {words.age(at, now)}", "$state-dim")))
            for path, at in reports
        )
        self.highlighted = len(names) if reports else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._take(self._paths[event.option_index])

    def action_up(self) -> None:
        self._take(self.where.parent)

    def _take(self, path: Path) -> None:
        if path.suffix == ".json" and path.is_file():
            self.post_message(self.Picked(path))
        else:
            self.post_message(self.Entered(path))
            self.call_later(self.show, path)
