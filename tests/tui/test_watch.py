"""The watch: what comes is shown as it comes, marks, the end, and its report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semscheck.model.events import Inferred, Observed, Started
from semscheck.pipeline import judge_snapshot
from semscheck.tui.app import Opening
from semscheck.tui.bridge import in_thread
from semscheck.tui.screens.check import CheckScreen
from semscheck.tui.screens.watch import WatchScreen
from tests.analysis.watches import MEMBERS, TARGET, watch_of
from tests.tui.reading import shows, text, until

SMALL, LARGE, TINY = (80, 24), (120, 40), (40, 12)
KEYS = {"sems1.example.com": "A", "sems2.example.com": "B"}
TICKS = "A" * 70 + "---" + "B" * 40 + "A" * 10
SNAPSHOT = watch_of(
    TICKS, target=replace(TARGET, members=MEMBERS), shown=KEYS, marks=((69.5, "sems1 stopped"),)
)


class Watched:
    """A door that tells a watch that is written down. marks: what was put into its queue by its end."""

    def __init__(self) -> None:
        self.report = judge_snapshot(SNAPSHOT)
        self.marks: list[str] = []
        self.error: Exception | None = None
        self.asked: list[object] = []

    async def watch(self, watching, listener, cancel):
        self.asked.append(watching.target)
        if self.error is not None:
            raise self.error
        listener(Started(SNAPSHOT.target, SNAPSHOT.run))
        listener(Observed(SNAPSHOT.observations[2]))
        listener(Inferred(self.report.analysis))
        await cancel.wait()
        while not watching.marks.empty():
            self.marks.append(watching.marks.get()[1])
        return self.report


@pytest.fixture
def watched() -> Watched:
    return Watched()


def app_of(play, watched, **opening):
    return play.app(Opening(**opening), doors=play.doors(watch=in_thread(watched.watch)))


@pytest.mark.slow
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=str)
async def test_what_comes_is_shown_as_it_comes(play, watched, size):
    app = app_of(play, watched, report=play.report)
    async with app.run_test(size=size, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("w")
        await shows(
            pilot,
            "Watch: keys.example.com",
            "sems1.example.com answers",
            "123 connections, 3 failed",
            "mark: sems1 stopped",
            "take-over: sems2.example.com for sems1.example.com",
            "fail-back: sems1.example.com is back",
            "latency",
        )


@pytest.mark.slow
async def test_escape_ends_it_and_its_report_is_shown_and_kept(play, watched):
    app = app_of(play, watched, report=play.report)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("w")
        await shows(pilot, "take-over")
        await pilot.press("escape")
        await shows(pilot, "sems2.example.com took over from sems1.example.com", "take-over")
        assert isinstance(app.screen, CheckScreen)
        await until(pilot, lambda: app.recent, "remembered")
        assert "Again" not in text(app)
        await pilot.press("2")
        await shows(pilot, "fail-back")
        await pilot.press("escape", "escape")
        await shows(pilot, "CRITICAL")


@pytest.mark.slow
async def test_a_mark_is_typed_and_goes_with_its_time(play, watched):
    app = app_of(play, watched, report=play.report)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("w")
        await shows(pilot, "take-over")
        await pilot.press("m", *"sems2 stopped", "enter")
        await pilot.press("m", *"no", "escape")
        await pilot.pause()
        assert isinstance(app.screen, WatchScreen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, CheckScreen), "report")
    assert watched.marks == ["sems2 stopped"]


async def test_from_the_start_with_a_name(play, watched):
    app = app_of(play, watched)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "enrolled with")
        await pilot.press("w")
        await shows(pilot, "Watch: keys.example.com")
    assert [target.fqdn for target in watched.asked] == ["keys.example.com"]


@pytest.mark.slow
async def test_a_letter_in_the_name_is_no_key(play, watched):
    play.enrolled = None
    app = app_of(play, watched)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await shows(pilot, "not enrolled")
        await pilot.press(*"www.example.com")
        await pilot.pause()
        assert not watched.asked
        assert "www.example.com" in text(app)


async def test_a_defect_is_told_and_leads_back(play, watched):
    watched.error = ZeroDivisionError("a defect")
    app = app_of(play, watched, report=play.report)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("w")
        await shows(pilot, "semscheck has a defect")
        assert isinstance(app.screen, CheckScreen)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"origin": "lab"}, {"redacted": True}])
async def test_what_is_gone_is_not_watched(play, watched, change):
    report = replace(play.report, run=replace(play.report.run, **change))
    app = app_of(play, watched, report=report)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        assert "Watch" not in await shows(pilot, "CRITICAL")


async def test_a_tiny_terminal_shows_who_answers(play, watched):
    app = app_of(play, watched, report=play.report)
    async with app.run_test(size=TINY, notifications=True) as pilot:
        await pilot.pause()
        await pilot.press("w")
        await shows(pilot, "sems1.example.com answers")
