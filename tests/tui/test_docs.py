"""docs/tui.md names every key that the screens have, and its pictures need nothing from outside."""

import re
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest

from semscheck.tui.screens.check import CheckScreen
from semscheck.tui.screens.start import StartScreen
from semscheck.tui.screens.watch import WatchScreen
from semscheck.tui.widgets.views import MAKERS, VIEWS

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAMES = {"slash": "/", "escape": "Esc", "enter": "Enter"}
PICTURES = sorted((DOCS / "images").glob("tui-*.svg"))


@pytest.mark.parametrize("screen", [CheckScreen, StartScreen, WatchScreen])
def test_every_key_is_in_the_documentation(screen):
    keys = (DOCS / "tui.md").read_text(encoding="utf-8").split("## Keys")[1].split("## ")[0]
    for binding in screen.BINDINGS:
        name = NAMES.get(binding.key, binding.key)
        assert name.isdigit() or f"`{name}`" in keys or f"| {name} |" in keys, name


def test_every_view_is_in_the_documentation():
    text = (DOCS / "tui.md").read_text(encoding="utf-8")
    assert tuple(MAKERS) == tuple(view for view, _ in VIEWS)
    for number, (_, title) in enumerate(VIEWS, 1):
        assert f"| {number} | {title} |" in text


@pytest.mark.parametrize("path", PICTURES, ids=lambda it: it.name)
def test_pictures_are_whole_and_need_nothing_from_outside(path):
    text = path.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert not re.search(r"url\((?!#)|href=|src=|@import", text)
    assert path.name in (DOCS / "tui.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_pictures_show_what_the_screens_and_the_report_show_today(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    pictures = import_module("pictures")
    assert pictures.stale() == [], "make pictures"
    assert {path.name for path in PICTURES} == set(pictures.SCREENS)
