"""The list of findings, its filter, and the pane that says all about one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from semscheck.model.findings import Card, Owner, State
from semscheck.model.report import Report
from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.folding import tally
from semscheck.report.text.lines import Line, Span
from semscheck.report.wording import LABELS, SEVERITY_ORDER, SYMBOLS, mark_of
from semscheck.tui import detail
from semscheck.tui.listing import Filter, Order, Row, View, member_of, rows
from semscheck.tui.painting import STYLES
from semscheck.tui.widgets.chooser import Chooser
from semscheck.tui.widgets.drawn import Drawn

if TYPE_CHECKING:
    from textual.events import Click


class Findings(OptionList):
    """A finding's state and kind, its code, owner and place, on one line or two. Consequences are folded under their
    cause."""

    HELP = (
        "The findings, worst first. Enter or a second click opens one with all its evidence. Findings that "
        "follow from another one are folded under it: Space or the arrow right shows them, the arrow left "
        "hides them. s changes the order, / filters."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Details"),
        Binding("space", "fold", "Fold", show=False),
        Binding("right", "unfold(True)", "Show what follows", show=False),
        Binding("left", "unfold(False)", "Hide what follows", show=False),
    ]
    DEFAULT_CSS = """
    Findings { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    @dataclass
    class Folded(Message):
        """index: of the cause in the report; unfold: show or hide, None: the other way round."""

        index: int
        unfold: bool | None

    def __init__(self) -> None:
        super().__init__(id="findings", markup=False, compact=True)
        self.rows: tuple[Row, ...] = ()
        self.two_lines = self.beside = False

    @property
    def chosen(self) -> Row | None:
        at = self.highlighted
        return self.rows[at] if at is not None and at < len(self.rows) else None

    def show(self, listed: tuple[Row, ...], nothing: str) -> None:
        """Lists these rows; the finding that was chosen stays so if it is still there."""
        before = self.chosen
        self.rows = listed
        self.set_options(self._prompt(row) for row in listed)
        if not listed:
            self.add_option(Option(Content.styled(nothing, "$state-dim"), disabled=True))
            return
        indexes = [row.index for row in listed]
        self.highlighted = indexes.index(before.index) if before and before.index in indexes else 0

    def _prompt(self, row: Row) -> Content:
        """Kind and place; the owner where there is room. The sentence stands in the detail."""
        found = row.finding
        mark = mark_of(found.severity)
        head = f"{'└ ' if row.depth else ''}{SYMBOLS[mark]} "
        sign = f"{'▸' if row.folded else '▾'}{row.consequences} " if row.consequences else ""
        title, about = one_line(words.title(found), 60), one_line(found.subject.name, 253)
        if self.two_lines:
            below = f"\n{' ' * len(head)}{found.code}  {found.owner.value}  {about}"
        else:
            below = f"  {about}" if self.beside else f"  {found.code}  {found.owner.value}  {about}"
        return Content.assemble(
            (head, STYLES[mark.value]), (sign, "$state-info"), (title, "bold"), (below, "$state-dim")
        )

    def action_fold(self) -> None:
        self._tell(None)

    def action_unfold(self, show: bool) -> None:
        self._tell(show)

    def _tell(self, unfold: bool | None) -> None:
        row = self.chosen
        if row is not None and row.consequences:
            self.post_message(self.Folded(row.index, unfold))

    def on_click(self, event: Click) -> None:
        """The first click chooses, a click on what is chosen opens it."""
        event.prevent_default()
        at = event.style.meta.get("option")
        if at is None or at >= len(self.rows):
            return
        if at == self.highlighted:
            self.action_select()
        else:
            self.highlighted = at


class FilterBar(Horizontal):
    """Severity, owner, member and text; what is not chosen lets everything pass."""

    DEFAULT_CSS = """
    FilterBar { height: 1; display: none; }
    FilterBar.-open { display: block; }
    FilterBar Input { width: 1fr; }
    FilterBar Chooser { width: auto; margin-right: 2; }
    """

    @dataclass
    class Changed(Message):
        filter: Filter

    def __init__(self) -> None:
        super().__init__(id="filter")
        self.filter = Filter()

    def compose(self) -> ComposeResult:
        yield Chooser("severity", tuple((it, LABELS[mark_of(it)]) for it in SEVERITY_ORDER))
        yield Chooser("owner", tuple((it, it.value) for it in Owner))
        yield Chooser("member", ())
        yield Input(placeholder="words to look for", compact=True, id="filter-text")

    def offer(self, report: Report) -> None:
        """The members that findings are about."""
        members = dict.fromkeys(member_of(it, report.target) for it in report.findings)
        chooser = self.query(Chooser).last()
        chooser.offer(tuple((it, one_line(it, 30)) for it in sorted(filter(None, members))))

    def open(self) -> None:
        self.add_class("-open")
        self.query_one(Input).focus()

    def clear(self) -> None:
        self.remove_class("-open")
        for chooser in self.query(Chooser):
            chooser.choose(None)
        self.query_one(Input).value = ""
        self._set(Filter())

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._tell()

    def on_chooser_chosen(self) -> None:
        self._tell()

    def _tell(self) -> None:
        chosen = {it.title: it.value for it in self.query(Chooser)}
        self._set(Filter(**chosen, text=self.query_one(Input).value))

    def _set(self, filter_: Filter) -> None:
        if filter_ != self.filter:
            self.filter = filter_
            self.post_message(self.Changed(filter_))


class Detail(VerticalScroll):
    """All that is said about the finding that is chosen in the list."""

    HELP = (
        "What was found, who fixes it and how, why it matters. Enter in the list opens it with its evidence."
    )
    DEFAULT_CSS = """
    Detail { padding: 0 0 0 1; }
    """

    def compose(self) -> ComposeResult:
        yield Drawn()

    def show(self, report: Report, row: Row | None, cards: Mapping[str, Card]) -> None:
        drawn = self.query_one(Drawn)
        if row is None:
            drawn.show(lambda _: [])
        else:
            drawn.show(lambda columns: detail.of_finding(report, row.index, cards, columns))
        self.scroll_home(animate=False)


class FindingsPane(Container):
    """Heading, filter, list and detail of a report's findings."""

    DEFAULT_CSS = """
    FindingsPane { layout: vertical; height: 1fr; }
    FindingsPane > #findings-body { layout: vertical; height: 1fr; }
    FindingsPane #findings-heading { height: 1; background: $panel; }
    FindingsPane Findings { height: auto; max-height: 45%; min-height: 1; }
    FindingsPane Detail { height: 1fr; min-height: 3; background: $surface; }
    FindingsPane.-beside > #findings-body { layout: horizontal; }
    FindingsPane.-beside Findings { width: 2fr; height: 1fr; max-height: 100%; margin-right: 1; }
    FindingsPane.-beside Detail { width: 3fr; height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__(id="findings-pane")
        self.view = View()
        self.report: Report | None = None
        self.cards: Mapping[str, Card] = {}

    def compose(self) -> ComposeResult:
        yield Drawn(id="findings-heading")
        yield FilterBar()
        with Container(id="findings-body"):
            yield Findings()
            yield Detail(can_focus=True)

    def show(self, report: Report, cards: Mapping[str, Card]) -> None:
        self.report, self.cards = report, cards
        self.query_one(FilterBar).offer(report)
        self._list()

    def set_room(self, beside: bool, two_lines: bool) -> None:
        self.set_class(beside, "-beside")
        findings = self.query_one(Findings)
        if (findings.beside, findings.two_lines) != (beside, two_lines):
            findings.beside, findings.two_lines = beside, two_lines
            if self.report is not None:
                self._list()

    def sort(self) -> Order:
        """The next order; gives it."""
        orders = list(Order)
        order = orders[(orders.index(self.view.order) + 1) % len(orders)]
        self.view = View(order, self.view.filter, self.view.unfolded)
        self._list()
        return order

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        self.view = View(self.view.order, event.filter, self.view.unfolded)
        self._list()

    def on_findings_folded(self, event: Findings.Folded) -> None:
        opened = self.view.unfolded
        unfold = event.index not in opened if event.unfold is None else event.unfold
        opened = opened | {event.index} if unfold else opened - {event.index}
        self.view = View(self.view.order, self.view.filter, opened)
        self._list()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._detail()

    def _list(self) -> None:
        if self.report is None:
            return
        listed = rows(self.report.findings, self.report.target, self.view)
        nothing = "Nothing passes the filter. Esc clears it." if self.view.filter else self._all_well()
        self.query_one(Findings).show(listed, nothing)
        self.query_one("#findings-heading", Drawn).show(lambda _: [self._heading(len(listed))])
        self._detail()

    def _detail(self) -> None:
        if self.report is not None:
            self.query_one(Detail).show(self.report, self.query_one(Findings).chosen, self.cards)

    def _all_well(self) -> str:
        assert self.report is not None
        passed = sum(it.state is State.PASS for it in self.report.verdicts)
        return f"Nothing was found. {words.count(passed, 'check')} passed."

    def _heading(self, listed: int) -> Line:
        assert self.report is not None
        line = [Span("Findings", "strong")]
        if self.view.order is not Order.SEVERITY:
            line.append(Span(f"  sorted by {self.view.order}", "dim"))
        if self.view.filter:
            line.append(Span(f"  filtered: {listed} of {len(self.report.findings)} shown", "info"))
        else:
            line.append(Span(f"  {tally(self.report.findings)}"))
        return tuple(line)
