"""A failover that is watched while somebody takes a server down: who answers, what fails, until it is back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input

from semscheck.model.analysis import WatchAnalysis
from semscheck.model.report import Report
from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.figures import pictures
from semscheck.report.figures.drawing import draw
from semscheck.report.text import watch as told
from semscheck.report.text.lines import Line, Span, fit
from semscheck.report.wording import SYMBOLS
from semscheck.tui.bridge import Inbox
from semscheck.tui.runners import Watch, Watching
from semscheck.tui.screens.base import BaseScreen
from semscheck.tui.widgets.bars import KeyBar, TitleBar
from semscheck.tui.widgets.drawn import Drawn

LOOKS_PER_S = 4
ROWS = 3  # of connections that are shown, the newest


class WatchScreen(BaseScreen[None]):
    HELP = (
        "A connection every second, and who answered it. Take the server that answers down now, and bring it back: "
        "the outage, the take-over and the fail-back are shown as they come. m writes a mark, such as "
        "“sems1 stopped”, with its time. Esc ends the watch and shows the report."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "mark", "Mark", tooltip="Write down what you did, with its time"),
        Binding("escape", "leave", "End and report"),
    ]
    DEFAULT_CSS = """
    WatchScreen { layout: vertical; }
    WatchScreen #now { margin: 1 1 1 1; height: auto; }
    WatchScreen #strip { margin: 0 1 1 1; height: auto; }
    WatchScreen VerticalScroll { height: 1fr; padding: 0 1; }
    WatchScreen Input { display: none; dock: bottom; margin: 0 1 1 1; height: 1; border: none; background: $panel; }
    WatchScreen Input.-open { display: block; }
    """

    def __init__(self, watching: Watching, watch: Watch) -> None:
        super().__init__()
        self._watching, self._watch = watching, watch
        self._inbox, self._cancel = Inbox(), asyncio.Event()
        self._started = datetime.now(UTC)
        self._under_way: asyncio.Task[None] | None = None
        self._lines = 0

    def compose(self) -> ComposeResult:
        yield TitleBar(f"Watch: {words.target_name(self._watching.target)}")
        yield Drawn(lambda _: [(Span("Connecting …", "dim"),)], id="now")
        yield Drawn(id="strip")
        with VerticalScroll(can_focus=True):
            yield Drawn(id="timeline")
        yield Input(placeholder="what you did, such as: sems1 stopped", id="mark", compact=True)
        yield KeyBar()

    def on_mount(self) -> None:
        self._under_way = asyncio.create_task(self._run())
        self.set_interval(1 / LOOKS_PER_S, self._look)
        self.query_one(VerticalScroll).focus()

    def on_unmount(self) -> None:
        if self._under_way is not None:
            self._under_way.cancel()

    async def _run(self) -> None:
        report = await self.outcome(self._watch(self._watching, self._inbox.put, self._cancel))
        if isinstance(report, str):
            self.house.tell(report, bad=True)
            self.house.leave(self)
        else:
            self._done(report)

    def _done(self, report: Report) -> None:
        """The report takes this screen's place, and is kept as any other."""
        from semscheck.tui.screens.check import CheckScreen

        self.house.remember(report)
        self._under_way = None  # it ends by itself, after the screen that would cancel it
        if self.house.screen is self:
            self.house.switch_screen(CheckScreen(report=report))

    def _look(self) -> None:
        batch = self._inbox.take()
        if batch.started is not None:
            self._started = batch.started.run.started
        analysis = batch.analysis
        watch = analysis.watch if analysis is not None else None
        if analysis is None or watch is None:
            return
        strip = pictures.connection_strip(analysis, self._watching.target, newest=ROWS)
        scroll = self.query_one(VerticalScroll)
        follow = scroll.max_scroll_y - scroll.scroll_y <= 1
        self.query_one("#now", Drawn).show(lambda columns: self._now(watch, columns))
        self.query_one("#strip", Drawn).show(
            lambda columns: [*draw(strip, columns), *told.latency(watch, columns)]
        )
        self.query_one("#timeline", Drawn).show(lambda columns: told.timeline(watch, self._started, columns))
        if follow:
            self.call_after_refresh(scroll.scroll_end, animate=False)

    def _now(self, watch: WatchAnalysis, columns: int) -> list[Line]:
        mark, said = told.now(watch)
        failed = f", {len(watch.failed):,} failed" if watch.failed else ""
        ran = words.elapsed(watch.started_s[-1]) if watch.started_s else "0:00"
        ends = words.elapsed(self._watching.for_s)
        count = f"{words.count(watch.ticks, 'connection')}{failed}; {ran} of {ends}"
        ending = " Ending …" if self._cancel.is_set() else ""
        sentence = fit(one_line(said, 300), columns - 2)
        first: Line = (Span(f"{SYMBOLS[mark]} ", mark.value), Span(sentence, "strong"))
        return [first, (Span(fit(f"  {count}{ending}", columns), "dim"),)]

    # --- keys ----------------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        field = self.query_one(Input)
        field.add_class("-open")
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if text:
            self._watching.marks.put((datetime.now(UTC), text))
        self._close_mark()

    def _close_mark(self) -> None:
        field = self.query_one(Input)
        field.value = ""
        field.remove_class("-open")
        self.query_one(VerticalScroll).focus()

    def action_leave(self) -> None:
        if self.query_one(Input).has_class("-open"):
            self._close_mark()
        else:
            self._cancel.set()
