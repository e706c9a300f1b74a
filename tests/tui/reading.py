"""Reads what is on the screen, as a person would: from the picture that Textual exports."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from xml.etree import ElementTree

from textual.app import App
from textual.pilot import Pilot

_CELL = 12.2  # width of a character in the exported picture
_LINE = re.compile(r"line-(\d+)")


def lines(app: App[int]) -> list[str]:
    """The rows of the screen, blanks at the end dropped."""
    return lines_of(app.export_screenshot())


def lines_of(svg: str) -> list[str]:
    rows: dict[int, list[tuple[int, str]]] = {}
    for it in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        found = _LINE.search(it.get("clip-path", ""))
        if found and it.text:
            column = round(float(it.get("x", "0")) / _CELL)
            rows.setdefault(int(found.group(1)), []).append((column, it.text.replace("\u00a0", " ")))
    return [_row(rows.get(number, [])) for number in range(max(rows, default=-1) + 1)]


def _row(parts: list[tuple[int, str]]) -> str:
    row = ""
    for column, text in sorted(parts):
        row = row.ljust(column) + text.rstrip("\n")
    return row.rstrip()


def text(app: App[int]) -> str:
    return "\n".join(lines(app))


async def until(pilot: Pilot[int], ready: Callable[[], object], what: str = "") -> None:
    """Waits until something is so; fails after twenty seconds and more, which no machine needs."""
    for _ in range(400):
        await pilot.pause()
        if ready():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not reached: {what}\n" + text(pilot.app))


async def shows(pilot: Pilot[int], *wanted: str) -> str:
    """Waits until all of these are to be read; gives the screen."""
    await until(pilot, lambda: all(it in text(pilot.app) for it in wanted), repr(wanted))
    return text(pilot.app)
