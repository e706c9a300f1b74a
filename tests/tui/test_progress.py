"""How far a run is: each step by itself, and how long it takes yet at its pace."""

from __future__ import annotations

from semscheck.model.events import Progressed
from semscheck.tui.bridge import Inbox
from semscheck.tui.sections import progress
from semscheck.tui.shown import Shown, fold


def after(*events: Progressed, left_s: float) -> str:
    """What is shown when these came one by one."""
    shown = Shown()
    for event in events:
        inbox = Inbox()
        inbox.put(event)
        shown = fold(shown, inbox.take())
    return "\n".join("".join(span.text for span in line) for line in progress(shown, left_s, False, 120))


def test_steps_under_way_at_the_same_time_do_not_undo_each_other() -> None:
    told = after(
        Progressed("names", 3, None, 60.0),
        Progressed("addresses", 6, 6, 58.0),
        Progressed("connections", 4, 32, 57.0),
        Progressed("names", 9, None, 56.0),
        left_s=56.0,
    )
    assert "▸ names 9 " in told
    assert "✔ addresses" in told
    assert "▸ connections █░░░░░░░░░ 4 of 32" in told
    assert "· judging" in told


def test_the_pace_so_far_says_how_long_it_takes_yet() -> None:
    begun = Progressed("connections", 0, 32, 60.0)
    told = after(begun, Progressed("connections", 8, 32, 56.0), left_s=56.0)
    assert "about 13 s left, at most 56 s left" in told
    stalled = after(begun, Progressed("connections", 8, 32, 56.0), left_s=52.0)
    assert "about 25 s left, at most 52 s left" in stalled


def test_nothing_is_estimated_from_too_little_and_nothing_beyond_the_deadline() -> None:
    begun = Progressed("connections", 0, 32, 60.0)
    early = after(begun, Progressed("connections", 2, 32, 59.0), left_s=59.0)
    assert "about" not in early
    assert "at most 59 s left" in early
    slow = after(begun, Progressed("connections", 4, 32, 20.0), left_s=20.0)
    assert "about 20 s left" in slow


def test_what_is_judged_has_nothing_under_way() -> None:
    told = after(
        Progressed("connections", 10, 32, 50.0),
        Progressed("names", 9, None, 49.0),
        Progressed("judging", 0, 1, 45.0),
        left_s=45.0,
    )
    assert "✔ names" in told
    assert "✔ connections" in told
    assert "▸ judging" in told
