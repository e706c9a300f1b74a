"""How the screens look as a whole, from reports that never change: the text of every row, and the style of the
states. What Textual's own picture looks like is not pinned. `UPDATE_SNAPSHOTS=1` writes them anew."""

import os
import re
from pathlib import Path

import pytest

from semscheck.tui.app import Opening
from semscheck.tui.store import Settings
from tests.tui import reports
from tests.tui.reading import lines, shows

HERE = Path(__file__).parent / "snapshots"
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
REPORTS = {"broken": reports.broken, "healthy": reports.healthy}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", REPORTS)
async def test_summary(play, name, size):
    app = play.app(Opening(report=REPORTS[name](), source=Path("saved.json")))
    async with app.run_test(size=SIZES[size]) as pilot:
        await shows(pilot, "Findings", "What to do")
        compare(f"{name}-{size}", lines(app))


@pytest.mark.parametrize(
    ("key", "view", "wanted"), [("3", "connections", "Session kept"), ("5", "certificates", "Issued by")]
)
async def test_views(play, key, view, wanted):
    app = play.app(Opening(report=reports.broken(), source=Path("saved.json")))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await shows(pilot, "Findings")
        await pilot.press(key)
        await shows(pilot, wanted)
        compare(f"broken-{view}-120x40", lines(app))


def compare(name: str, rows: list[str]) -> None:
    shown = "\n".join(_without_scroll_bar(row) for row in rows) + "\n"
    path = HERE / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8"), f"{name} looks different; see the module's words"


def _without_scroll_bar(row: str) -> str:
    return re.sub(r"[▁▂▃▄▅▆▇█ ]+$", "", row)


@pytest.mark.parametrize("theme", ["dark", "light", "contrast"])
async def test_states_have_the_colours_of_the_theme(play, theme):
    from semscheck.tui import themes

    play.store.save_settings(Settings(theme=theme))
    app = play.app(Opening(report=reports.broken()))
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await shows(pilot, "Findings")
        picture = app.export_screenshot().lower()
    chosen = next(it for it in themes.ALL if it.name == theme)
    for state in ("ok", "warning", "critical"):
        assert chosen.variables[f"state-{state}"] in picture
    assert themes.MEMBERS[0].lower() in picture
    assert themes.MEMBERS[1].lower() in picture
