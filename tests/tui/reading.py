"""Reads what is on the screen, as a person would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.app import App
from textual.pilot import Pilot


def lines(app: App[int]) -> list[str]:
    """The rows of the screen as they would be drawn, blanks at the end dropped.

    From Textual's compositor, which is not public; reading the exported picture gives the same and takes ten
    times as long.
    """
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def text(app: App[int]) -> str:
    return "\n".join(lines(app))


async def until(pilot: Pilot[int], ready: Callable[[], object], what: str = "") -> None:
    """Waits until something is so; fails after twenty seconds and more, which no machine needs."""
    for _ in range(1000):
        await pilot.pause()
        if ready():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not reached: {what}\n" + text(pilot.app))


async def shows(pilot: Pilot[int], *wanted: str) -> str:
    """Waits until all of these are to be read; gives the screen."""
    await until(pilot, lambda: all(it in text(pilot.app) for it in wanted), repr(wanted))
    return text(pilot.app)
