"""Where everything begins: the server to check, filled in, and Enter runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Input, Label, OptionList
from textual.widgets.option_list import Option

from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.text.lines import pad, width
from semscheck.report.wording import SYMBOLS, mark_of
from semscheck.threads import off_loop
from semscheck.tui.painting import STYLES
from semscheck.tui.screens.base import BaseScreen
from semscheck.tui.store import Recent
from semscheck.tui.widgets.bars import KeyBar, TitleBar
from semscheck.tui.widgets.words import WordFilter

LOOKING = "Looking for the server this desktop is enrolled with …"
NOT_ENROLLED = "This desktop is not enrolled with a server. Type the name that clients use."


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to choose: what it says, and what choosing it does; None is a heading."""

    text: Content
    act: Callable[[], object] | None = None
    recent: Recent | None = None


class Offers(OptionList):
    HELP = (
        "Results of before, profiles found here, the lab and saved reports. Enter takes one; Delete forgets "
        "a result."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Choose"),
        Binding("delete", "screen.forget", "Forget"),
    ]


class StartScreen(BaseScreen[None]):
    HELP = (
        "Enter runs the check of the server above. It only looks: nothing is changed, nobody is logged in. "
        "The lab needs no network; it shows how a healthy cluster looks, and how typical mistakes do."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "run", "Run", show=False),
        Binding("o", "open", "Open a saved report"),
        Binding("w", "watch", "Watch", tooltip="Watch a failover"),
        Binding("p", "settings", "Settings"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "clear", "All again", show=False),
    ]
    DEFAULT_CSS = """
    StartScreen { layout: vertical; }
    StartScreen #ask { height: auto; margin: 1 2 0 2; }
    StartScreen #ask Label { width: 9; padding: 1 0; }
    StartScreen #fqdn { width: 1fr; background: $panel; height: 3; border: none; padding: 1 1; }
    StartScreen #fqdn:focus { background: $panel; border: none; }
    StartScreen #run { margin-left: 2; min-width: 14; height: 3; border: none; line-pad: 1;
                       background: $panel; color: $foreground; content-align: center middle; }
    StartScreen #run:focus { background: $state-info; color: $on-state; text-style: bold; }
    StartScreen #note { margin: 0 2 1 2; padding-left: 9; color: $state-dim; height: auto; width: 1fr; }
    StartScreen #note.-bad { color: $state-critical; }
    StartScreen WordFilter { margin: 0 2 1 2; }
    StartScreen Offers { height: 1fr; margin: 0 2; background: $background; text-wrap: nowrap;
                         text-overflow: ellipsis; }
    StartScreen Offers > .option-list--option-disabled { color: $foreground; text-style: bold; }
    """

    def __init__(self, fqdn: str | None = None, profile: Path | None = None) -> None:
        super().__init__()
        self._given, self._profile = fqdn, profile
        self._enrolled: str | None = None
        self._looking = True
        self._waiting = False  # Run was pressed before the enrolment was known
        self._profiles: tuple[Path, ...] = ()
        self._offers: list[Offer] = []

    def compose(self) -> ComposeResult:
        yield TitleBar("Can clients reach the encryption servers?")
        with Horizontal(id="ask"):
            yield Label("Server", markup=False)
            yield Input(self._given or "", placeholder="keys.example.com", id="fqdn")
            yield Button("Run", id="run")
        yield Label(LOOKING if not self._given else "", id="note", markup=False)
        yield WordFilter()
        yield Offers(markup=False, compact=True)
        yield KeyBar()

    def on_mount(self) -> None:
        # What is typed goes into the field from the first letter on; it moves to Run where a name is known.
        self.query_one("#run" if self._given or self._profile else "#fqdn").focus()
        self._list()
        self.run_worker(self._find_enrolment(), group="find")
        self.run_worker(self._find_profiles(), group="profiles")

    def on_screen_resume(self) -> None:
        self._list()

    # --- what is found in the background -------------------------------------------------------------------

    async def _find_enrolment(self) -> None:
        try:
            self._enrolled = await off_loop(self.house.doors.enrolled)
        except Exception as error:  # a defect there must not keep anybody from typing a name
            self.house.write_log(error)
        self._looking = False
        field = self.query_one("#fqdn", Input)
        if self._enrolled and not field.value:
            field.value = self._enrolled
            if field.has_focus:
                self.query_one("#run").focus()
        self._tell_enrolment()
        if self._waiting:
            self._waiting = False
            await self.action_run()

    def _tell_enrolment(self) -> None:
        if self._enrolled:
            text = f"This desktop is enrolled with {one_line(self._enrolled, 120)}. Enter runs the check."
        else:
            text = "" if self._given else NOT_ENROLLED
        if self._profile:
            text = f"Profile: {one_line(str(self._profile))}"
        self._note(text)

    async def _find_profiles(self) -> None:
        self._profiles = await off_loop(self.house.doors.profiles)
        self._list()

    # --- the list ------------------------------------------------------------------------------------------

    def _list(self) -> None:
        offers: list[Offer] = []
        words_ = self.query_one(WordFilter)
        recent = [self._recent(it) for it in self.house.recent]
        profiles = [self._profile_offer(it) for it in self._profiles]
        scenarios = self.house.doors.scenarios if self.house.doors.check_lab else ()
        lab = [self._scenario(it.name, it.sentence) for it in scenarios]
        opening = [Offer(_entry("Open a saved report …", ""), self.action_open)]
        for title, group in (
            ("Checked before", recent),
            ("Profiles found", profiles),
            ("Saved reports", opening),
            ("Try the lab, without a network", lab),
        ):
            if kept := [it for it in group if words_.passes(it.text.plain)]:
                offers += [*([Offer(Content(" "))] if offers else []), Offer(Content(title)), *kept]
        self._offers = offers
        options = self.query_one(Offers)
        at = options.highlighted
        options.set_options(Option(it.text, disabled=it.act is None) for it in offers)
        options.highlighted = at

    def _recent(self, it: Recent) -> Offer:
        mark = mark_of(it.verdict)
        age = words.age(it.at, self.house.now())
        profile = f", {one_line(Path(it.profile).name, 40)}" if it.profile else ""
        text = Content.assemble(
            "  ",
            (f"{SYMBOLS[mark]} ", STYLES[mark.value]),
            pad(one_line(it.fqdn, 60), 30),
            (f"  {it.verdict.value}, {age}{profile}", "$state-dim"),
        )
        return Offer(text, lambda: self.house.recall(it), recent=it)

    def _profile_offer(self, path: Path) -> Offer:
        entry = _entry(one_line(path.name, 60), one_line(str(path.parent)))
        return Offer(entry, lambda: self.house.check(None, path))

    def _scenario(self, name: str, sentence: str) -> Offer:
        return Offer(_entry(one_line(name, 40), one_line(sentence)), lambda: self.house.check_lab(name))

    def action_filter(self) -> None:
        self.query_one(WordFilter).open()

    def action_clear(self) -> None:
        self.query_one(WordFilter).close()
        self.query_one(Offers).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "filter":
            return not isinstance(self.focused, Input)
        if action == "watch":
            return self.house.doors.watch is not None
        return action != "clear" or self.query_one(WordFilter).is_open

    def on_input_changed(self, event: Input.Changed) -> None:
        if isinstance(event.input, WordFilter):
            self._list()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        act = self._offers[event.option_index].act
        if act is not None:
            self.call_later(act)

    # --- running -------------------------------------------------------------------------------------------

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        if isinstance(event.input, WordFilter):
            self.query_one(Offers).focus()
        else:
            await self.action_run()

    async def action_watch(self) -> None:
        name = self.query_one("#fqdn", Input).value.strip()
        if name or self._profile:
            await self.house.watch_name(name or None, self._profile)
        else:
            self.query_one("#fqdn").focus()
            self._note("Type the name to watch first.")

    @on(Button.Pressed)
    async def action_run(self) -> None:
        name = self.query_one("#fqdn", Input).value.strip()
        if name or self._profile:
            await self.house.check(name or None, self._profile)
        elif self._looking:
            self._waiting = True
        else:
            self.query_one("#fqdn").focus()
            self._note(NOT_ENROLLED)

    async def action_forget(self) -> None:
        """Take the highlighted result off the list and off the disk."""
        at = self.query_one(Offers).highlighted
        recent = self._offers[at].recent if at is not None and at < len(self._offers) else None
        if recent is not None:
            await self.house.forget(recent)
            self._list()

    def _note(self, text: str, bad: bool = False) -> None:
        note = self.query_one("#note", Label)
        note.update(text)
        note.set_class(bad, "-bad")

    def complain(self, text: str) -> None:
        """What is wrong with what was typed or chosen, below the field."""
        self._note(one_line(text, 400), bad=True)

    def action_open(self) -> None:
        self.house.open_report()

    def action_settings(self) -> None:
        self.house.action_settings()


def _entry(name: str, detail: str) -> Content:
    columns = max(22, width(name))
    return Content.assemble("    ", pad(name, columns), (f"  {detail}", "$state-dim"))
