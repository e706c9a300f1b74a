"""Writing the report to a file."""

from __future__ import annotations

import re
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Button, Input, Label

from semscheck.model.report import Report
from semscheck.threads import off_loop
from semscheck.tui.runners import DoorError
from semscheck.tui.screens.base import Window
from semscheck.tui.widgets.chooser import Chooser
from semscheck.tui.widgets.folder import Folder

FORMATS = (
    ("html", "HTML, to read and print"),
    ("json", "JSON, the evidence with everything"),
    ("markdown", "Markdown"),
)
SUFFIX = {"html": ".html", "json": ".json", "markdown": ".md"}


def file_name(report: Report, format_: str) -> str:
    """A name that says what and when, of harmless characters only."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", report.target.fqdn)[:80].strip("._") or "report"
    name = "redacted" if report.run.redacted else name
    return f"semscheck-{name}-{report.run.started:%Y%m%d-%H%M}{SUFFIX[format_]}"


def _path(text: str) -> Path:
    return Path(text).expanduser()


class ExportScreen(Window[None]):
    HELP = (
        "HTML is for reading, JSON has every observation and can be opened and judged again, Markdown is for "
        "tickets and wikis. Redacted, names and addresses are replaced by pseudonyms."
    )
    DEFAULT_CSS = """
    ExportScreen { align: center middle; }
    ExportScreen > Vertical { width: 76; max-width: 96%; height: auto; background: $surface; padding: 1 2; }
    ExportScreen Chooser { margin-bottom: 1; }
    ExportScreen Input { background: $panel; margin-bottom: 1; }
    ExportScreen Folder { max-height: 5; margin-bottom: 1; }
    ExportScreen #export-note { width: 1fr; height: auto; margin-top: 1; color: $state-dim; }
    """

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report
        self._named = file_name(report, "html")
        self._replace: Path | None = None

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label("Export this report", markup=False, classes="heading")
            yield Chooser("Format  ", FORMATS, value="html", always=True, id="format")
            yield Chooser(
                "Redacted",
                ((False, "no"), (True, "yes, names and addresses as pseudonyms")),
                value=self.house.settings.redact,
                always=True,
                id="redact",
            )
            yield Input(str(Path.cwd() / self._named), compact=True, id="export-path")
            yield Folder(Path.cwd(), reports=False)
            yield Button("Export", id="export-go", compact=True)
            yield Label(
                "Tab goes on, the arrows choose, Enter goes into a folder, Esc goes back",
                id="export-note",
                markup=False,
            )

    def on_mount(self) -> None:
        self.query_one("#export-go").focus()

    @property
    def _format(self) -> str:
        return str(self.query_one("#format", Chooser).value)

    def on_folder_entered(self, event: Folder.Entered) -> None:
        """The file goes into the folder that is shown."""
        field = self.query_one(Input)
        field.value = str(event.path / (Path(field.value).name or self._named))

    def on_chooser_chosen(self) -> None:
        """The name follows the format until somebody writes another one."""
        path = Path(self.query_one(Input).value)
        if path.name == self._named:
            self._named = file_name(self._report, self._format)
            self.query_one(Input).value = str(path.with_name(self._named))
        self._replace = None

    @on(Input.Submitted)
    @on(Button.Pressed)
    async def _export(self) -> None:
        written = self.query_one(Input).value.strip()
        if not written:
            self._note("Type the name of a file.")
            return
        path = _path(written)
        if await off_loop(path.exists) and self._replace != path:
            self._replace = path
            self._note(f"{path.name} exists. Press Enter once more to replace it.")
            return
        redact = self.query_one("#redact", Chooser).value is True
        format_, report, export = self._format, self._report, self.house.doors.export
        try:
            await off_loop(lambda: export(report, format_, path, redact))
        except DoorError as error:
            self._note(str(error))
        except OSError as error:
            self._note(f"{path} could not be written: {error.strerror or error}.")
        else:
            self.house.tell(f"Written to {path}")
            self.dismiss(None)

    def _note(self, text: str) -> None:
        self.query_one("#export-note", Label).update(text)
