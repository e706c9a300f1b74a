"""One finding over the whole screen, with its evidence down to the raw observation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from semscheck.model.findings import Card
from semscheck.model.observations import AnyObservation, Certificate
from semscheck.model.report import Report
from semscheck.report.escape import one_line
from semscheck.report.story import proof
from semscheck.report.text.lines import Span
from semscheck.tui import detail, facts
from semscheck.tui.screens.base import Window
from semscheck.tui.screens.text import TextScreen, plain
from semscheck.tui.widgets.bars import KeyBar, TitleBar
from semscheck.tui.widgets.drawn import Drawn

MAX_EVIDENCE = 500


def fact_screen(it: AnyObservation, certificates: Mapping[str, Certificate]) -> TextScreen:
    """Everything about one observation."""
    lines = facts.all_of(it, certificates)
    return TextScreen(facts.subject_of(it), plain(lines), "\n".join(lines), "fact")


class Evidence(OptionList):
    HELP = (
        "The facts this finding rests on. Enter shows all of one: the chain as PEM, the answer, the headers."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select", "Look")]


class FindingScreen(Window[str | None]):
    HELP = (
        "One finding: what was seen, who fixes it and how, why it matters, and the facts it rests on. "
        "Tab goes between the text and the facts."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("tab", "app.focus_next", "Evidence"),
        Binding("n", "next(1)", "Next"),
        Binding("p", "next(-1)", "Previous"),
        Binding("N", "leave_for('next')", "What next", show=False),
    ]
    DEFAULT_CSS = """
    FindingScreen { background: $background; }
    FindingScreen VerticalScroll { height: 1fr; padding: 1 0 0 2; background: $background; }
    FindingScreen #evidence { height: auto; max-height: 40%; background: $surface; padding: 0 2;
                              text-wrap: nowrap; text-overflow: ellipsis; }
    FindingScreen #evidence-heading { padding: 0 2; background: $panel; }
    """

    def __init__(
        self,
        report: Report,
        index: int,
        order: tuple[int, ...],
        cards: Mapping[str, Card],
        certificates: Mapping[str, Certificate],
    ) -> None:
        """order: indexes of the findings as listed, which `n` and `p` go through."""
        super().__init__()
        self._report, self._index, self._order = report, index, order
        self._cards, self._certificates = cards, certificates
        self._facts: tuple[AnyObservation, ...] = ()

    def compose(self) -> ComposeResult:
        yield TitleBar()
        with VerticalScroll():
            yield Drawn(id="finding-text")
        yield Drawn(lambda _: [(Span("Evidence", "strong"),)], id="evidence-heading")
        yield Evidence(id="evidence", markup=False, compact=True)
        yield KeyBar()

    def on_mount(self) -> None:
        self._paint()
        self.query_one(VerticalScroll).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (action == "next" and len(self._order) < 2)

    def action_leave_for(self, action: str) -> None:
        """To what can be done next, on the screen below."""
        self.dismiss(action)

    def action_next(self, by: int) -> None:
        at = self._order.index(self._index) if self._index in self._order else 0
        self._index = self._order[(at + by) % len(self._order)]
        self._paint()

    def _paint(self) -> None:
        report, index = self._report, self._index
        at = f" {self._order.index(index) + 1} of {len(self._order)}" if index in self._order else ""
        self.query_one(TitleBar).show(f"Finding{at}", "")
        self.query_one("#finding-text", Drawn).show(
            lambda columns: detail.of_finding(report, index, self._cards, columns)
        )
        self.query_one(VerticalScroll).scroll_home(animate=False)
        seen = proof(report, report.findings[index])[:MAX_EVIDENCE]
        self._facts = tuple(it for it, _ in seen)
        evidence = self.query_one(Evidence)
        evidence.set_options(Option(Content(one_line(line, 300) or facts.one(it))) for it, line in seen)
        evidence.highlighted = 0 if self._facts else None
        evidence.display = bool(self._facts)
        self.query_one("#evidence-heading").display = bool(self._facts)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.house.push_screen(fact_screen(self._facts[event.option_index], self._certificates))
