"""A run while it goes on and its report afterwards: one screen, so that nothing jumps when it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Input, OptionList

from semscheck.model.events import Finished
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.report import wording as words
from semscheck.report.story import next_steps
from semscheck.threads import off_loop
from semscheck.tui import job as jobs
from semscheck.tui import sections, shown
from semscheck.tui.bridge import Inbox
from semscheck.tui.job import Job
from semscheck.tui.runners import DoorError
from semscheck.tui.screens.base import BaseScreen
from semscheck.tui.screens.text import TextScreen, plain, safe_lines
from semscheck.tui.shown import Shown, fold
from semscheck.tui.widgets.bars import KeyBar, TitleBar, ViewBar
from semscheck.tui.widgets.drawn import Drawn
from semscheck.tui.widgets.findings import FilterBar, Findings, FindingsPane
from semscheck.tui.widgets.lists import LineList
from semscheck.tui.widgets.views import MAKERS, VIEWS, Checks, FactsView, Summary, View
from semscheck.tui.widgets.words import WordFilter

if TYPE_CHECKING:
    from textual.events import Resize

LOOKS_PER_S = 12  # how often what came is painted; the contract with the eye, and what keeps input fast


class CheckScreen(BaseScreen[None]):
    HELP = (
        "At the top the verdict: what is wrong and who fixes it. Below, the path and who answered the new "
        "connections, then the findings, the worst first. c copies a text for the ticket. The numbers 1 to 7 "
        "choose another view of the same run."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy ticket", tooltip="Copy the text for the ticket"),
        Binding("e", "export", "Export", tooltip="Write the report as HTML, JSON or Markdown"),
        Binding("n", "next", "Next", tooltip="What to do next: find the servers, check again, compare"),
        Binding("r", "again", "Again", tooltip="Run the same check again"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("x", "compare", "Compare", tooltip="Compare with another saved report"),
        Binding("w", "watch", "Watch", tooltip="Watch a failover"),
        Binding("t", "ticket", "Ticket", show=False, tooltip="Read the text for the ticket"),
        Binding("i", "explain", "Explain", show=False, tooltip="Explain the chosen finding or check"),
        *(
            Binding(str(number), f"view('{view}')", title, show=False)
            for number, (view, title) in enumerate(VIEWS, 1)
        ),
        Binding("escape", "cancel", "End early and keep what there is"),
        Binding("escape", "back", "Back"),
    ]
    DEFAULT_CSS = """
    CheckScreen { layout: vertical; }
    CheckScreen #banner { padding: 0 1; margin: 0 0 1 0; }
    CheckScreen ViewBar { margin-bottom: 1; }
    CheckScreen #views { height: 1fr; }
    CheckScreen #views > * { height: 1fr; }
    CheckScreen #views VerticalScroll { padding: 0 1; }
    CheckScreen #views ChecksView, CheckScreen #views FactsView { padding: 0 1; }
    CheckScreen.-low #banner, CheckScreen.-low ViewBar { margin-bottom: 0; }
    CheckScreen.-low Summary #brief { margin-bottom: 0; }
    """

    def __init__(
        self, job: Job | None = None, report: Report | None = None, source: Path | None = None
    ) -> None:
        """job: to run, or that the report came from. report: to show at once. source: the file it is from."""
        super().__init__()
        self.job, self.source = job, source
        self.shown = shown.of_report(report) if report else Shown(target=job.target if job else None)
        self.stopped: str | None = None  # why there is no report
        self.view = "summary"
        self._inbox = Inbox()
        self._cancel = asyncio.Event()
        self._running_check: asyncio.Task[None] | None = None
        self._deadline: float | None = None  # monotonic; from the newest progress
        self._painted: dict[str, Shown] = {}

    # --- what is on it -------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield TitleBar()
        yield Drawn(id="banner")
        yield ViewBar(VIEWS)
        with Container(id="views"):
            yield Summary(id="view-summary")
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_interval(1 / LOOKS_PER_S, self._look)
        self._room(self.app.size.width, self.app.size.height)
        if self.shown.report is None:
            self._start()
        self._paint()
        self._focus_view()

    def on_unmount(self) -> None:
        if self._running_check is not None:
            self._running_check.cancel()

    def on_resize(self, event: Resize) -> None:
        self._room(event.size.width, event.size.height)

    def _room(self, columns: int, rows: int) -> None:
        self.set_class(rows < 30, "-low")
        self._paint_banner()
        self.query_one(Summary).set_room(columns, rows)

    @property
    def running(self) -> bool:
        return self.shown.report is None and self.stopped is None

    @property
    def report(self) -> Report | None:
        return self.shown.report

    # --- the run -------------------------------------------------------------------------------------------

    def _start(self) -> None:
        assert self.job is not None
        self._inbox, self._cancel, self._deadline = Inbox(), asyncio.Event(), None
        self._running_check = asyncio.create_task(self._run(self.job, self._inbox, self._cancel))

    async def _run(self, job: Job, inbox: Inbox, cancel: asyncio.Event) -> None:
        report = await self.outcome(job.run(inbox.put, cancel))
        if isinstance(report, str):
            self.stopped = report
            self._paint()
            self.refresh_bindings()
        else:
            inbox.put(Finished(report))
            self._look()

    def _look(self) -> None:
        """Takes what has come and paints it; the seconds that are left go on without events."""
        if not self.running:
            return
        batch = self._inbox.take()
        if batch:
            self.shown = fold(self.shown, batch)
        if batch.progress:
            self._deadline = monotonic() + min(it.left_s for it in batch.progress)
        if self.shown.report is not None:
            self._done(self.shown.report)
        if batch:
            self._paint()
        else:
            self._paint_banner()

    def _done(self, report: Report) -> None:
        self.house.remember(report)
        self.refresh_bindings()
        self.call_after_refresh(self._focus_view)

    # --- painting ------------------------------------------------------------------------------------------

    def _paint(self) -> None:
        self._paint_banner()
        self._paint_title()
        view = self.query_one(f"#view-{self.view}")
        if isinstance(view, View) and self._painted.get(self.view) is not self.shown:
            self._painted[self.view] = self.shown
            view.show(self.shown, self.house.cards)

    def _paint_title(self) -> None:
        title = self.shown.name or (self.job.title if self.job else "")
        report = self.shown.report
        if report is None:
            origin = self.job.title if self.job and self.job.title != title else ""
        else:
            age = words.age(report.run.finished or report.run.started, self.house.now())
            origin = sections.origin(report, age if self.source else None)
        self.query_one(TitleBar).show(title, origin)

    def _paint_banner(self) -> None:
        now, stopped = self.shown, self.stopped
        if now.report is not None:
            report = now.report
            rows = self.app.size.height
            at_most = 1 if rows < 18 else 2 if rows < 30 else 5
            draw = lambda columns: sections.verdict(report, columns, at_most)  # noqa: E731
        elif stopped is not None:
            draw = lambda columns: sections.trouble(stopped, columns)  # noqa: E731
        else:
            left = None if self._deadline is None else max(0.0, self._deadline - monotonic())
            ending = self._cancel.is_set()
            draw = lambda columns: sections.progress(now, left, ending, columns)  # noqa: E731
        self.query_one("#banner", Drawn).show(draw)

    # --- views ---------------------------------------------------------------------------------------------

    def on_view_bar_chosen(self, event: ViewBar.Chosen) -> None:
        self.run_worker(self.action_view(event.view))

    async def action_view(self, view: str) -> None:
        if view not in MAKERS or view == self.view:
            return
        if not self.query(f"#view-{view}"):
            await self.query_one("#views").mount(MAKERS[view](id=f"view-{view}"))
        for it in self.query_one("#views").children:
            it.display = it.id == f"view-{view}"
        self.view = view
        self.query_one(ViewBar).show(view)
        self._paint()
        self._focus_view()
        self.refresh_bindings()

    def _focus_view(self) -> None:
        """The list of the view, or the view itself to scroll it; nothing that is not seen."""
        view = self.query_one(f"#view-{self.view}")
        seen = [
            it
            for it in view.query("OptionList, LineList")
            if all(up.display for up in it.ancestors_with_self if isinstance(up, Widget))
        ]
        if seen:
            self.set_focus(seen[0])
        elif view.can_focus:
            self.set_focus(view)

    # --- keys ----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that can do nothing now is not shown."""
        done, typing, doors = self.shown.report is not None, isinstance(self.focused, Input), self.house.doors
        may: dict[str, Callable[[], bool]] = {
            "cancel": lambda: self.running and not self._cancel.is_set(),
            "back": lambda: not self.running,
            **dict.fromkeys(("copy", "ticket", "export", "next"), lambda: done),
            "profile": lambda: done and self._can_keep_a_profile(),
            "again": lambda: not self.running and self._again() is not None,
            "filter": lambda: done and self.view in {"summary", "checks", "facts"} and not typing,
            "sort": lambda: done and self.view == "summary" and not typing,
            "explain": lambda: done and self.view in {"summary", "checks"},
            "compare": lambda: done and doors.compare is not None,
            "watch": lambda: not self.running and doors.watch is not None and self._may_watch(),
        }
        return action not in may or may[action]()

    def _may_watch(self) -> bool:
        """Not what is gone, such as a lab, or has only pseudonyms."""
        report = self.shown.report
        return self.shown.target is not None and (
            report is None or not (words.of_a_lab(report.run) or report.run.redacted)
        )

    def _again(self) -> Job | None:
        """What `r` runs: the same, or what a saved report was about if that can be reached from here."""
        report = self.shown.report
        if self.job is not None or report is None:
            return self.job
        if words.of_a_lab(report.run) or report.run.redacted or report.analysis.watch is not None:
            return None
        return jobs.live(self.house.doors, report.target)

    def action_again(self) -> None:
        job = self._again()
        if job is not None:
            self.house.switch_screen(CheckScreen(job))

    def action_back(self) -> None:
        filter_bar = self.query_one(FilterBar)
        opened = [it for it in self.query(f"#view-{self.view} WordFilter").results(WordFilter) if it.is_open]
        if opened:
            opened[0].close()
            self._focus_view()
        elif filter_bar.has_class("-open") or filter_bar.filter:
            filter_bar.clear()
            self._focus_view()
        elif self.view != "summary":
            self.run_worker(self.action_view("summary"))
        else:
            self.house.leave(self)

    def action_cancel(self) -> None:
        self._cancel.set()
        self._paint_banner()
        self.refresh_bindings()

    def action_filter(self) -> None:
        if self.view == "summary":
            self.query_one(FilterBar).open()
        else:
            self.query_one(f"#view-{self.view}").query_one(WordFilter).open()

    def action_sort(self) -> None:
        order = self.query_one(FindingsPane).sort()
        self.notify(f"Sorted by {order}.", timeout=2)

    async def _ticket(self) -> str:
        report = self.shown.report
        assert report is not None
        return await off_loop(lambda: self.house.doors.ticket(report))

    async def action_copy(self) -> None:
        self.house.copy(await self._ticket(), "ticket")

    async def action_ticket(self) -> None:
        text = await self._ticket()
        self.house.push_screen(TextScreen("Text for the ticket", plain(safe_lines(text)), text, "ticket"))

    def action_export(self) -> None:
        from semscheck.tui.screens.export import ExportScreen

        if self.shown.report is not None:
            self.house.push_screen(ExportScreen(self.shown.report))

    def action_next(self) -> None:
        from semscheck.tui.screens.next import NextScreen, Step

        report = self.shown.report
        assert report is not None
        steps = [("profile", "Find the servers and keep them in a profile"), ("again", "Check again")]
        steps += [("watch", "Watch a failover"), ("compare", "Compare with another saved run")]
        offered = [Step(*step) for step in steps if self.check_action(step[0], ())]
        told = next_steps(report)
        self.house.push_screen(
            NextScreen(
                lambda columns: [line for step in told for line in sections.paragraph(f"- {step}", columns)],
                (*offered, Step("client", "What to look at in the client")),
            ),
            self._do,
        )

    async def _do(self, action: str | None) -> None:
        if action is not None:
            await self.run_action(action)

    def action_client(self) -> None:
        from semscheck.tui.screens.next import CLIENT

        self.house.push_screen(TextScreen("The client", plain(CLIENT), "\n".join(CLIENT)))

    def _can_keep_a_profile(self) -> bool:
        """Only for a name that can be reached from here."""
        report = self.shown.report
        if report is None or words.of_a_lab(report.run) or report.run.redacted:
            return False
        return self.house.doors.save_profile is not None and not report.target.fqdn_is_address

    def action_profile(self) -> None:
        assert self.shown.report is not None
        target = self.shown.report.target
        looking = f"Looking for the servers of {target.fqdn} …"
        screen = TextScreen("Profile", plain(safe_lines(looking)))
        self.house.push_screen(screen)
        self.run_worker(self._keep_profile(target, screen), group="profile")

    async def _keep_profile(self, target: Target, screen: TextScreen) -> None:
        doors = self.house.doors
        assert doors.save_profile is not None
        save_profile = doors.save_profile
        try:
            said = await off_loop(lambda: save_profile(target))
            completed = await off_loop(lambda: doors.target(target.fqdn, None))
        except (DoorError, OSError) as error:
            said = str(error)
        else:
            said += "\n\nEsc goes back, r checks again with it."
            self.job = jobs.live(doors, jobs.as_set(completed, self.house.settings))
        if screen.is_attached:
            screen.show(plain(safe_lines(said)))

    def action_compare(self) -> None:
        from semscheck.tui.screens.open import OpenScreen

        compare, report = self.house.doors.compare, self.shown.report
        assert compare is not None
        assert report is not None

        async def take(path: Path) -> tuple[str, str]:
            return path.name, await off_loop(lambda: compare(report, path))

        self.house.push_screen(OpenScreen("Compare with a saved report", take), self._compared)

    def _compared(self, found: tuple[str, str] | None) -> None:
        if found is not None:
            name, text = found
            self.house.push_screen(
                TextScreen(f"Compared with {name}", plain(safe_lines(text)), text, "comparison")
            )

    def action_watch(self) -> None:
        if self.shown.target is not None:
            self.house.watch_target(self.shown.target)

    def action_explain(self) -> None:
        code = None
        if self.view == "checks":
            checks = self.query_one(Checks)
            at = checks.highlighted
            code = checks.verdicts[at].code if at is not None and checks.verdicts else None
        elif (row := self.query_one(Findings).chosen) is not None:
            code = row.finding.code
        if code is not None:
            self.house.explain(code)

    # --- what is opened ------------------------------------------------------------------------------------

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if isinstance(event.option_list, Checks):
            self.action_explain()
        elif isinstance(event.option_list, Findings) and self.shown.report is not None:
            from semscheck.tui.screens.finding import FindingScreen

            row = event.option_list.chosen
            order = tuple(it.index for it in event.option_list.rows)
            if row is not None:
                screen = FindingScreen(
                    self.shown.report, row.index, order, self.house.cards, self.shown.certificates
                )
                self.house.push_screen(screen, self._do)

    def on_line_list_selected(self, event: LineList.Selected) -> None:
        from semscheck.tui.screens.finding import fact_screen

        facts = self.query_one(FactsView).facts
        if event.index < len(facts):
            self.house.push_screen(fact_screen(facts[event.index], self.shown.certificates))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the filter goes to the list."""
        self._focus_view()
