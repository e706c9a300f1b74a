"""Input is answered while a run pours facts in, and what is painted is bounded."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from semscheck.model.analysis import ArmSequence
from semscheck.model.events import Inferred, Listener, Observed, Progressed, Started
from semscheck.model.observations import Sample, Trace
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.tui.app import Opening
from semscheck.tui.bridge import in_thread
from semscheck.tui.screens.check import LOOKS_PER_S, CheckScreen
from tests.tui import reports
from tests.tui.reading import shows, until

pytestmark = pytest.mark.slow  # waits for times to pass

CONNECTIONS = 200
TRACES = 6  # members that each connection's session is shown to


def sample(number: int) -> Sample:
    return Sample(
        id=f"s{number}",
        at_s=number / 50,
        elapsed_s=0.02,
        arm="fresh",
        index=number % CONNECTIONS,
        address=reports.BALANCER,
        port=443,
        status=200,
        headers=(("Server", "Apache"),) * 8,
    )


def trace(number: int, member: int) -> Trace:
    return Trace(
        id=f"t{number}-{member}",
        at_s=number / 50,
        elapsed_s=0.01,
        sample=f"s{number}",
        token="tls",
        member=reports.NAMES[member % 3],
        address=f"198.51.100.{member}",
        port=443,
        recognised=member == number % 3,
    )


class Pouring:
    """A check that tells facts as fast as it can, round after round, until it is told to end."""

    def __init__(self) -> None:
        self.events = 0
        self.poured = threading.Event()  # one whole round of 200 connections is out

    async def check(self, target: Target, listener: Listener, cancel: asyncio.Event) -> Report:
        report = reports.broken()
        listener(Started(target, report.run))
        path = report.analysis.paths[0]
        members: list[str | None] = []
        for number in range(1_000_000):
            members = [*members, reports.NAMES[number % 3]][-CONNECTIONS:]
            listener(Observed(sample(number)))
            for member in range(TRACES):
                listener(Observed(trace(number, member)))
            listener(Progressed("connections", number % CONNECTIONS, CONNECTIONS, 30.0))
            arms = (ArmSequence(arm="fresh", members=tuple(members)),)
            paths = (replace(path, arms=arms),)
            listener(Inferred(replace(report.analysis, paths=paths, balancing=paths[0])))
            self.events += TRACES + 3
            if number == CONNECTIONS:
                self.poured.set()
            await asyncio.sleep(0.0005)
            if cancel.is_set():
                break
        return report


@pytest.mark.slow
@pytest.mark.slow
async def test_keys_are_answered_while_200_connections_pour_in(play):
    """The design asks for 50 ms. What is asserted is the number of repaints and that every key takes effect
    while the pouring goes on; the time itself is measured by tests/tui/measure.py, not asserted here."""
    pouring = Pouring()
    app = play.app(Opening(fqdn=reports.FQDN, run=True), doors=play.doors(check=in_thread(pouring.check)))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, CheckScreen), "running")
        screen = app.screen
        painted = []
        paint = screen._paint
        screen._paint = lambda: (painted.append(time.monotonic()), paint())[1]
        await until(pilot, pouring.poured.is_set, "poured")
        waits = []
        for key, view in zip(
            "2345671",
            ("path", "connections", "names", "certificates", "checks", "facts", "summary"),
            strict=True,
        ):
            before, events = time.monotonic(), pouring.events
            await pilot.press(key)
            await until(pilot, lambda view=view: screen.view == view, view)
            waits.append(time.monotonic() - before)
            await until(pilot, lambda events=events: pouring.events > events, "still pouring")
        assert screen.running
        spent = painted[-1] - painted[0]
        own = len(waits)  # a key paints once, at once
        assert len(painted) - own <= spent * LOOKS_PER_S * 1.25 + 2, "what comes is painted too often"
        assert screen.shown.facts > CONNECTIONS * TRACES
        await pilot.press("escape")
        await shows(pilot, "CRITICAL", "Findings")


async def test_quitting_while_it_pours(play):
    pouring = Pouring()
    app = play.app(Opening(fqdn=reports.FQDN, run=True), doors=play.doors(check=in_thread(pouring.check)))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, pouring.poured.is_set, "poured")
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running, "quit")


async def test_a_report_with_very_many_facts_is_shown_at_once(play):
    """Only what is seen of the list of facts is made."""
    facts = tuple(sample(number) for number in range(20_000))
    app = play.app(Opening(report=replace(play.report, observations=facts)))
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "CRITICAL")
        await pilot.press("7")
        await shows(pilot, "new connection 1 to")
        await pilot.press("end")
        await shows(pilot, "new connection 200 to")
        await pilot.press("home", "pagedown")
        await shows(pilot, "new connection 18 to")
