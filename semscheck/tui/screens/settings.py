"""Appearance, time-outs, redaction: what stays between two starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label

from semscheck.tui.screens.base import Window
from semscheck.tui.store import Settings, check_settings
from semscheck.tui.themes import TITLES
from semscheck.tui.widgets.chooser import Chooser

NUMBERS = (
    ("timeout_s", "One step, seconds", "5"),
    ("deadline_s", "Whole run, seconds", "60"),
    ("connections", "New connections", "32"),
)
_YES_NO = ((False, "no"), (True, "yes"))


class SettingsScreen(Window[None]):
    HELP = (
        "The colors change at once, the rest with Save. An empty number leaves it to the profile. Redacted "
        "exports carry pseudonyms in place of names and addresses."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back without saving")]
    DEFAULT_CSS = """
    SettingsScreen { align: center middle; }
    SettingsScreen > Vertical { width: 60; max-width: 96%; height: auto; background: $surface; padding: 1 2; }
    SettingsScreen Horizontal { height: 1; }
    SettingsScreen Horizontal Label { width: 24; }
    SettingsScreen Horizontal Input { width: 14; background: $panel; }
    SettingsScreen #numbers { height: auto; margin: 1 0; }
    SettingsScreen Button { margin-top: 1; }
    SettingsScreen #settings-note { width: 1fr; height: auto; color: $state-dim; margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        now = self.house.settings
        with Vertical():
            yield Label("Settings", markup=False, classes="heading")
            yield Chooser(
                "Colors                ", tuple(TITLES.items()), value=now.theme, always=True, id="theme"
            )
            yield Chooser("ASCII characters only  ", _YES_NO, value=now.ascii, always=True, id="ascii")
            with Vertical(id="numbers"):
                for name, title, default in NUMBERS:
                    with Horizontal():
                        yield Label(title, markup=False)
                        value = getattr(now, name)
                        yield Input(
                            "" if value is None else f"{value:g}",
                            placeholder=f"default ({default})",
                            compact=True,
                            id=name,
                        )
            yield Chooser("Ask other services     ", _YES_NO, value=now.services, always=True, id="services")
            yield Chooser("Redact exports         ", _YES_NO, value=now.redact, always=True, id="redact")
            yield Chooser(
                "Keep results           ", _YES_NO, value=now.keep_results, always=True, id="keep_results"
            )
            yield Button("Save", id="save", compact=True)
            yield Label("Tab goes on, the arrows choose, Esc goes back", id="settings-note", markup=False)

    def on_mount(self) -> None:
        self.query_one("#theme").focus()

    def on_chooser_chosen(self, event: Chooser.Chosen) -> None:
        if event.chooser.id == "theme":
            self.house.theme = str(event.chooser.value)
        elif event.chooser.id == "ascii":
            self.house.use_ascii(event.chooser.value is True)

    def action_leave(self) -> None:
        self.house.apply(self.house.settings)
        self.dismiss(None)

    @on(Input.Submitted)
    @on(Button.Pressed)
    def _save(self) -> None:
        try:
            settings = self._chosen()
        except ValueError as error:
            self.query_one("#settings-note", Label).update(f"Not saved. {error}.")
            return
        self.house.apply(settings)
        self.house.save_settings()
        self.dismiss(None)

    def _chosen(self) -> Settings:
        """Raises ValueError, with the words for the person."""
        numbers: dict[str, Any] = {}
        for name, title, _ in NUMBERS:
            text = self.query_one(f"#{name}", Input).value.strip().replace(",", ".")
            try:
                value = float(text) if text else None
            except ValueError:
                raise ValueError(f"{title}: a number, or nothing") from None
            whole = name == "connections" and value is not None and value == int(value)
            numbers[name] = int(value) if whole and value is not None else value
        chosen = {str(it.id): it.value for it in self.query(Chooser)}
        settings = replace(self.house.settings, **chosen, **numbers)
        check_settings(settings)
        return settings
