"""Members that know their own TLS sessions at one time and not at another: such sessions name nobody."""

from __future__ import annotations

import pytest

from tests.analysis.balancing.connections import NAMES, Story


def test_a_session_that_one_member_knew_the_second_time_says_nothing() -> None:
    """A member of two processes: one connection's session was met by the wrong one twice, another's once."""
    story = Story(*NAMES[:2]).controls()
    story.fresh("1" * 20)
    stranger = story.connection(token=True)
    for member in ("sems1", "sems2", "sems1"):
        story.trace(stranger, member, False)
    assert story.path().identified_by == "tls-session"
    late = story.connection(token=True)
    story.trace(late, "sems1", False)
    story.trace(late, "sems2", False)
    story.trace(late, "sems1", True)
    assert story.path().method == "unknown"
    assert story.path().members == ()
    assert "at one time and not at another" in (story.path().why_unknown or "")


@pytest.mark.parametrize("known", [True, False])
def test_the_same_result_twice_is_no_contradiction(known: bool) -> None:
    story = Story(*NAMES[:2]).controls()
    for sample in story.fresh("12" * 8):
        story.trace(sample, "sems1" if known else "sems2", None)
    sample = story.connection(token=True)
    story.trace(sample, "sems1", known)
    story.trace(sample, "sems1", known)
    assert story.path().identified_by == "tls-session"


def test_own_sessions_that_are_unknown_the_third_time_are_worth_nothing() -> None:
    story = Story(*NAMES[:2]).controls()
    story.fresh("1" * 20)
    assert story.path().method == "single"
    for name in NAMES[:2]:
        story.control(name, name, True)
        story.control(name, name, False)
    assert story.path().method == "unknown"
