"""The application: one per terminal. Everything it needs done comes in through the doors."""

from __future__ import annotations

import asyncio
import contextlib
import locale
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen

from semscheck.files import write_atomically
from semscheck.model.findings import Card
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.report.escape import one_line
from semscheck.report.text.lines import speaks_unicode
from semscheck.threads import off_loop
from semscheck.tui import themes
from semscheck.tui.painting import Ascii, Visible
from semscheck.tui.runners import DoorError, Runners
from semscheck.tui.screens.base import BaseScreen
from semscheck.tui.screens.start import StartScreen
from semscheck.tui.store import Recent, Settings, Store, open_store
from semscheck.tui.widgets.bars import key_name

CRASHED = 3  # exit code: the check's "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the screens begin with. Nothing given: the start screen.

    fqdn, profile: filled in at the start, and run at once if `run`. report: shown at once; source: the file
    it was read from, which marks it with its age. scenario: of the lab, run at once.
    """

    fqdn: str | None = None
    profile: Path | None = None
    run: bool = False
    report: Report | None = None
    source: Path | None = None
    scenario: str | None = None


class SemscheckApp(App[int]):
    TITLE = "semscheck"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", show=False),
        Binding("question_mark,f1", "help", "Help", show=False, key_display="? F1"),
    ]
    CSS = """
    BaseScreen { background: $background; color: $foreground; }
    VerticalScroll > Drawn { padding-right: 1; }
    VerticalScroll, OptionList, LineList, #pictures { scrollbar-size: 1 1; }
    OptionList { background: $background; }
    OptionList:focus { background-tint: $foreground 0%; }
    Button, Button:hover { background: $panel; color: $foreground; text-style: none; }
    Button:focus { background: $state-info; color: $on-state; text-style: bold; }
    .heading { text-style: bold; margin-bottom: 1; }
    OptionList:nocolor > .option-list--option-highlighted { text-style: reverse; }
    OptionList:nocolor:blur > .option-list--option-highlighted { text-style: bold; }
    Input { color: $foreground; }
    Input:nocolor:focus { text-style: underline; }
    Input:nocolor > .input--cursor { text-style: reverse; }
    Input:nocolor > .input--selection { text-style: reverse; }
    Button:nocolor:focus { text-style: bold reverse; }
    Toast { background: $panel; }
    """

    def __init__(
        self,
        doors: Runners,
        opening: Opening | None = None,
        *,
        store: Store | None = None,
        ascii_only: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """store: where settings and recent targets are; None: the platform's directories."""
        self._ascii = Ascii(enabled=ascii_only)
        self._plain, self._visible = NoColor(), Visible()
        super().__init__()
        self.doors, self.now = doors, now
        self.opening = opening or Opening()
        self._told_early: list[str] = []
        self.store = store or open_store(self._told_early.append)
        self.settings = self.store.load_settings()
        self.recent = self.store.load_recent()
        self.crash_log: str | None = None
        self._cards: Mapping[str, Card] | None = None
        self._only_ascii = ascii_only
        for theme in themes.ALL:
            self.register_theme(theme)
        self.apply(self.settings)

    # --- appearance ----------------------------------------------------------------------------------------

    def apply(self, settings: Settings) -> None:
        self.settings = settings
        self.theme = settings.theme
        self.use_ascii(settings.ascii)

    def use_ascii(self, ascii_only: bool) -> None:
        """A terminal without Unicode stays with ASCII whatever is chosen."""
        self._ascii.enabled = ascii_only or self._only_ascii
        if self.is_running:
            self.refresh(repaint=True, layout=True)
            for screen in self.screen_stack:
                screen.refresh(repaint=True, layout=True)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, with three changes: NO_COLOR means no colour at all, not shades of grey (no-color.org),
        nothing that is drawn drives the terminal, and the ASCII fall-back comes last."""
        filters = [it for it in super().get_line_filters() if not isinstance(it, Monochrome)]
        filters.append(self._visible)
        if self.no_color:
            filters.append(self._plain)
        return [*filters, self._ascii] if self._ascii.enabled else filters

    # --- beginning -----------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        return StartScreen(self.opening.fqdn, self.opening.profile)

    async def on_mount(self) -> None:
        for text in self._told_early:
            self.tell(text, bad=True)
        self._catch_signals()
        opening = self.opening
        if opening.report is not None:
            await self._show(report=opening.report, source=opening.source)
        elif opening.scenario is not None:
            await self.check_lab(opening.scenario)
        elif opening.run:
            await self.check(opening.fqdn, opening.profile)
        else:
            self.set_timer(0.1, self._prepare)

    def _prepare(self) -> None:
        """Loads the screen of a run once the start screen is painted, so that Enter finds it there."""
        self.run_worker(off_loop(lambda: import_module("semscheck.tui.screens.check")), group="prepare")

    async def _show(self, **what: Any) -> None:
        """A run or its report. Its screen is loaded here: the first paint does without (a third of it)."""
        from semscheck.tui.screens.check import CheckScreen

        await self.push_screen(CheckScreen(**what))

    def _catch_signals(self) -> None:
        """A terminal that is closed or a `kill` must not leave it in the alternate screen."""
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                # Not to be had on Windows, nor outside the main thread.
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    asyncio.get_running_loop().add_signal_handler(number, self._end, 128 + number)

    def _end(self, code: int) -> None:
        self.exit(return_code=code)

    # --- what the screens ask for --------------------------------------------------------------------------

    @property
    def cards(self) -> Mapping[str, Card]:
        """The catalogue; loaded when it is first needed."""
        if self._cards is None:
            self._cards = self.doors.cards()
        return self._cards

    async def check(self, fqdn: str | None, profile: Path | None) -> None:
        """Makes a target and runs; what is wrong with the input is told."""
        from semscheck.tui import job as jobs

        if (target := await self._target(fqdn, profile)) is not None:
            await self._show(job=jobs.live(self.doors, target))

    async def watch_name(self, fqdn: str | None, profile: Path | None) -> None:
        """Makes a target and watches its failover."""
        if (target := await self._target(fqdn, profile)) is not None:
            self.watch_target(target)

    def watch_target(self, target: Target) -> None:
        from semscheck.tui.runners import Watching
        from semscheck.tui.screens.watch import WatchScreen

        if self.doors.watch is not None:
            self.push_screen(WatchScreen(Watching(target), self.doors.watch))

    async def _target(self, fqdn: str | None, profile: Path | None) -> Target | None:
        from semscheck.tui import job as jobs

        try:
            target = await off_loop(lambda: self.doors.target(fqdn, profile))
        except (DoorError, OSError) as error:
            self.complain(str(error))
            return None
        return jobs.as_set(target, self.settings)

    async def check_lab(self, scenario: str) -> None:
        from semscheck.tui import job as jobs

        job = jobs.lab(self.doors, scenario)
        if job is not None:
            await self._show(job=job)

    def open_report(self) -> None:
        """Lets a saved report be chosen and shows it."""
        from semscheck.tui.screens.open import OpenScreen

        async def load(path: Path) -> tuple[Report, Path]:
            return await off_loop(lambda: self.doors.load(path)), path

        self.push_screen(OpenScreen("Open a saved report", load), self._opened)

    async def _opened(self, chosen: tuple[Report, Path] | None) -> None:
        if chosen is not None:
            report, source = chosen
            await self._show(report=report, source=source)

    def leave(self, screen: Screen[Any]) -> None:
        """Back to the start."""
        if self.screen is screen:
            self.pop_screen()

    def explain(self, code: str) -> None:
        from semscheck.report.text.cards import lines_of
        from semscheck.tui.screens.text import TextScreen

        card = self.cards.get(code)
        if card is None:
            self.tell(f"{one_line(code, 40)} is not in the catalogue of this version.", bad=True)
        else:
            self.push_screen(TextScreen(card.code, lambda columns: lines_of(card, columns)))

    def remember(self, report: Report) -> None:
        """A target that was checked, for the start screen. Not the lab's, nothing redacted."""
        if report.run.origin != "live" or report.run.redacted:
            return
        target = report.target
        entry = Recent(
            fqdn=target.fqdn_shown or target.fqdn,
            profile=target.profile,
            at=report.run.finished or report.run.started,
            verdict=report.summary.verdict,
        )
        self.run_worker(self._remember(entry, report), group="remember")

    async def _remember(self, entry: Recent, report: Report) -> None:
        """Keep the result as well, unless the settings or the program say otherwise."""
        keep = self.doors.keep if self.settings.keep_results else None

        def write() -> tuple[Recent, ...]:
            data = keep(report) if keep is not None else None
            return self.store.add_recent(entry, data, report.run.id)

        self.recent = await off_loop(write)

    async def recall(self, entry: Recent) -> None:
        """A result that was kept, shown as it was; without one the check runs again."""
        path = self.store.kept_report(entry)
        if path is None or self.doors.recall is None:
            await self.check(entry.fqdn, Path(entry.profile) if entry.profile else None)
            return
        recall = self.doors.recall
        try:
            report = await off_loop(lambda: recall(path))
        except (DoorError, OSError) as error:
            self.complain(str(error))
            return
        await self._show(report=report, source=path)

    async def forget(self, entry: Recent) -> None:
        """Take a target off the list, and its kept result off the disk."""
        self.recent = await off_loop(lambda: self.store.forget(entry))

    def save_settings(self) -> None:
        settings = self.settings
        self.run_worker(off_loop(lambda: self.store.save_settings(settings)), group="settings")

    def copy(self, text: str, what: str) -> None:
        """To the clipboard by OSC 52, which no terminal acknowledges, and therefore to a file as well."""
        self.copy_to_clipboard(text)
        self.run_worker(self._copy_to_file(text, what), group="copy")

    async def _copy_to_file(self, text: str, what: str) -> None:
        path = self.store.ticket_file
        try:
            await off_loop(lambda: write_atomically(path, text))
        except OSError as error:
            self.tell(f"{what.capitalize()} copied. It could not be written to {path}: {error.strerror}.")
        else:
            self.tell(f"{what.capitalize()} copied. If your terminal cannot paste it, it is in {path}")

    def complain(self, text: str) -> None:
        """What is wrong with something chosen or typed: in its place at the start, where it stays."""
        if isinstance(self.screen, StartScreen):
            self.screen.complain(text)
        else:
            self.tell(text, bad=True)

    def tell(self, text: str, bad: bool = False) -> None:
        severity = "error" if bad else "information"
        self.notify(one_line(text, 400), severity=severity, timeout=10 if bad else 6, markup=False)  # type: ignore[arg-type]

    # --- keys and commands ---------------------------------------------------------------------------------

    def action_help(self) -> None:
        from semscheck.tui.screens.help import help_screen
        from semscheck.tui.screens.text import TextScreen

        if not isinstance(self.screen, TextScreen):
            self.push_screen(help_screen(self.screen))

    def action_help_quit(self) -> None:
        """What Ctrl+C does where there is nothing to copy."""
        self.tell("Ctrl+Q quits.")

    def action_settings(self) -> None:
        from semscheck.tui.screens.settings import SettingsScreen

        self.push_screen(SettingsScreen())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: what can be done on this screen, then everywhere."""
        if isinstance(screen, BaseScreen):
            yield from _commands_of(screen)
        for name, title in themes.TITLES.items():
            yield SystemCommand(f"Colors: {title}", "Change the colors", lambda it=name: self._set_theme(it))
        yield SystemCommand("Settings", "Colors, timeouts, redaction", self.action_settings)
        yield SystemCommand("Help", "Keys and signs of this screen", self.action_help)
        for card in self.cards.values():
            words = f"Explain {card.code} {card.name.replace('-', ' ')}"
            yield SystemCommand(words, card.summary, lambda it=card.code: self.explain(it), discover=False)
        yield SystemCommand("Quit", "Leave semscheck", self.action_quit)

    def _set_theme(self, name: str) -> None:
        from dataclasses import replace

        self.apply(replace(self.settings, theme=name))
        self.save_settings()

    # --- defects -------------------------------------------------------------------------------------------

    def write_log(self, error: BaseException) -> str:
        """Writes the stack, without any values in it; gives a sentence that says where it is."""
        path = self.store.log_file
        stack = "".join(traceback.format_exception(error))
        head = f"semscheck, {self.now():%Y-%m-%d %H:%M:%S} UTC, Python {sys.version.split()[0]}\n"
        try:
            write_atomically(path, head + stack)
        except OSError as failed:
            return f"The log could not be written to {path}: {failed.strerror}."
        return f"The log is in {path}"

    def _fatal_error(self) -> None:
        """In place of Textual's page-long traceback with local variables: a log, and a sentence after the
        terminal is as it was. (Textual has no public hook for this; without it only the words differ.)"""
        error = self._exception
        self.crash_log = self.write_log(error) if error is not None else "There is no log."
        self._close_messages_no_wait()


def _commands_of(screen: BaseScreen[Any]) -> Iterable[SystemCommand]:
    """The keys of the screen that act now, by their names."""
    for it in screen.active_bindings.values():
        own = it.node is screen and not it.binding.action.startswith(("app.", "screen.", "settings"))
        if own and it.enabled and it.binding.description:
            title = it.binding.tooltip or it.binding.description
            if it.binding.action.startswith("view("):
                title = f"View: {it.binding.description}"
            yield SystemCommand(
                title, f"Key {key_name(screen.app, it.binding)}", _press(screen, it.binding.action)
            )


def _press(screen: BaseScreen[Any], action: str) -> Callable[[], Any]:
    return lambda: screen.run_worker(screen.run_action(action))


def open_screens(doors: Runners, opening: Opening | None = None, *, store: Store | None = None) -> int:
    """Runs the application until the person leaves; gives the process's exit code.

    0 when left, 3 after a defect of ours (said on standard error, with the place of the log), 128 + n when
    ended by signal n.
    """
    encoding = getattr(sys.__stdout__, "encoding", None) or locale.getpreferredencoding(False)
    app = SemscheckApp(doors, opening, store=store, ascii_only=not speaks_unicode(encoding, os.environ))
    app.run()
    if app.crash_log is not None:
        print(f"semscheck stopped because of a defect of its own. {app.crash_log}", file=sys.stderr)
        return CRASHED
    return app.return_code or 0
