"""What to do next: find the servers, check again, watch, compare, look at the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from semscheck.report.escape import one_line
from semscheck.tui.screens.base import Window
from semscheck.tui.widgets.drawn import Draw, Drawn

CLIENT = (
    "The path to the servers can be fine and a client still fail. Look there, in this order:",
    "",
    "1. Which name: this check, made on that desktop, says with which name the client is enrolled (on Windows the "
    "value PGPSTAMP, Broadcom KB 153414). It has to be the name that was checked here, not one server's own name.",
    "2. Whose network: run this check on that user's desktop, and compare the two (x).",
    "3. A proxy or another VPN that applies to that user only, and a line of the hosts file.",
    "4. The clock of that desktop.",
    "5. The certificate as that desktop sees it: trusted there, and issued by the authority that is expected?",
    "6. The user's account on the server: enrolled, and in the group that has the policy.",
)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that can be done. action: of the screen below that asked."""

    action: str
    text: str


class NextScreen(Window[str | None]):
    HELP = "What can be done with this result. Enter does it."
    DEFAULT_CSS = """
    NextScreen { align: center middle; }
    NextScreen > Vertical { width: 76; max-width: 96%; height: auto; max-height: 90%;
                            background: $surface; padding: 1 2; }
    NextScreen OptionList { height: auto; background: $surface; margin-top: 1; }
    """

    def __init__(self, told: Draw, steps: Sequence[Step]) -> None:
        super().__init__()
        self._told, self._steps = told, steps

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label("Next", markup=False, classes="heading")
            yield Drawn(self._told)
            yield OptionList(
                *(Option(one_line(it.text, 200)) for it in self._steps), markup=False, compact=True
            )

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.focus()
        options.highlighted = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._steps[event.option_index].action)
