"""One thing to run, so that it can be run again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from semscheck.model.events import Listener
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.report import wording as words
from semscheck.tui.runners import Runners
from semscheck.tui.store import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """title: what is checked, for the screen. target: None for a lab scenario, which makes its own."""

    title: str
    run: Callable[[Listener, asyncio.Event], Awaitable[Report]]
    target: Target | None = None


def live(doors: Runners, target: Target) -> Job:
    return Job(words.target_name(target), partial(doors.check, target), target)


def lab(doors: Runners, scenario: str) -> Job | None:
    return None if doors.check_lab is None else Job(f"lab: {scenario}", partial(doors.check_lab, scenario))


def as_set(target: Target, settings: Settings) -> Target:
    """The target with what the person set in place of what the profile says."""
    limits = target.limits
    if settings.timeout_s is not None:
        limits = replace(limits, timeout_s=settings.timeout_s)
    if settings.deadline_s is not None:
        limits = replace(limits, deadline_s=settings.deadline_s)
    target = replace(target, limits=limits, ask_services=target.ask_services or settings.services)
    if settings.connections is not None:
        target = replace(target, connections=settings.connections, connections_given=True)
    return target
