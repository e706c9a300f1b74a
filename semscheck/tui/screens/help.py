"""Help for the screen and for the part that has the focus, with the keys that act there."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from semscheck.report.text.lines import Line, Span, wrap
from semscheck.tui.screens.text import TextScreen
from semscheck.tui.widgets.bars import key_name

_KEY_COLUMNS = 15
_MOVING = (
    *("app.focus", "screen.copy", "cursor_", "page", "scroll", "first", "last", "move", "quit"),
    *("command_palette", "select_all", "delete", "cut", "copy_to", "paste", "home", "end", "suspend"),
)
STATES = (
    ("✔", "ok", "ok"),
    ("▲", "warning", "warning: redundancy is lost, or it will break at a known date"),
    ("✖", "critical", "critical: clients fail now, or what is not supported is in use"),
    ("?", "unknown", "unknown: it could not be determined"),
    ("i", "info", "worth knowing"),
    ("·", "not-tested", "not tested"),
)


def help_screen(screen: Screen[Any]) -> TextScreen:
    """What `?` opens, made before it covers the screen it is about."""
    focused = screen.focused
    texts = [str(getattr(screen, "HELP", ""))]
    here = getattr(focused, "HELP", None)  # Textual's own widgets have one that is None
    if here:
        texts.append(f"Here: {here}")
    keys = _keys(screen)

    def draw(columns: int) -> list[Line]:
        lines: list[Line] = []
        for text in texts:
            lines += [*((Span(part),) for part in wrap(text, columns)), ()]
        lines.append((Span("Keys", "strong"),))
        for key, what in keys:
            parts = wrap(what, max(10, columns - _KEY_COLUMNS))
            head = key if len(key) < _KEY_COLUMNS else key + " "
            lines += [
                (Span(head.ljust(_KEY_COLUMNS) if not number else " " * _KEY_COLUMNS, "info"), Span(part))
                for number, part in enumerate(parts)
            ]
        lines += [(), (Span("Signs", "strong"),)]
        lines += [(Span(f"{sign}  ", style), Span(text)) for sign, style, text in STATES]
        return lines

    return TextScreen("Help", draw)


def _keys(screen: Screen[Any]) -> list[tuple[str, str]]:
    by_action: dict[str, tuple[list[str], str]] = {}
    active = sorted(screen.active_bindings.values(), key=lambda it: it.node is not screen)
    for it in active:
        if not it.enabled or not it.binding.description or it.binding.system:
            continue
        if it.binding.action.startswith(_MOVING):
            continue  # Textual's own, said below in other words
        display = key_name(screen.app, it.binding)
        keys, _ = by_action.setdefault(it.binding.action, ([], it.binding.tooltip or it.binding.description))
        if display not in keys:
            keys.append(display)
    own = [(" ".join(keys), what) for keys, what in by_action.values()]
    return [
        *own,
        ("↑ ↓ PgUp PgDn", "Move, also with Home and End"),
        ("Tab", "To the next part of the screen"),
        ("^p", "All commands"),
        ("^q q", "Quit; q only outside of text fields"),
    ]
