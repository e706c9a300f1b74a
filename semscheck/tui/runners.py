"""What the screens need done by others: running, reading, writing. The command line fills it in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue

from semscheck.model.events import Listener
from semscheck.model.findings import Card
from semscheck.model.report import Report
from semscheck.model.target import Target


class DoorError(Exception):
    """Wrong input, in words for the person at the screen: which file, line or key, and what to do."""


Check = Callable[[Target, Listener, asyncio.Event], Awaitable[Report]]
LabCheck = Callable[[str, Listener, asyncio.Event], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class Watching:
    """A failover to watch. marks: what the person writes down, and when; for_s: when it stops by itself."""

    target: Target
    marks: SimpleQueue[tuple[datetime, str]] = field(default_factory=SimpleQueue)
    every_s: float = 1.0
    for_s: float = 900.0


Watch = Callable[[Watching, Listener, asyncio.Event], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A lab scenario that can be tried without a network. sentence: what is wrong in it, in plain words."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Runners:
    """Everything the screens cannot do themselves.

    check: runs one check. It is awaited on the screens' own loop and must not block it (`bridge.in_thread`
    makes such a door of any coroutine function); events go to the listener from any thread; when the event
    is set it ends early and returns a report of what there is.
    load: reads a saved report; raises DoorError. target: makes a Target of a server name, a profile or
    both (a name wins over the profile's); raises DoorError. cards: the catalogue, by code.
    enrolled: the server this desktop is enrolled with, None if there is none; may take a moment.
    export: writes a report as "html", "json" or "markdown", redacted or not, atomically; raises OSError.
    ticket: the text to paste into a ticket.
    profiles: profiles found on this desktop. scenarios, check_lab: the lab; empty and None without it.
    keep: a result as bytes to keep, without what should not lie about; recall: a kept one as it was; raises
    DoorError. None: nothing is kept.
    compare: the report on screen against a saved one, as text; raises DoorError. None: not offered.
    watch: watches a failover, as `check` runs a check. None: not offered. save_profile: finds the servers and writes
    them into the user's own profile for the name; says what became of it; raises DoorError. `load`, `target`,
    `enrolled`, `export`, `ticket`, `profiles`, `compare` and `save_profile` are called in a thread of their own.
    """

    check: Check
    load: Callable[[Path], Report]
    target: Callable[[str | None, Path | None], Target]
    cards: Callable[[], Mapping[str, Card]]
    enrolled: Callable[[], str | None]
    export: Callable[[Report, str, Path, bool], None]
    ticket: Callable[[Report], str]
    profiles: Callable[[], tuple[Path, ...]] = tuple
    scenarios: tuple[Scenario, ...] = ()
    check_lab: LabCheck | None = None
    keep: Callable[[Report], bytes] | None = None
    recall: Callable[[Path], Report] | None = None
    compare: Callable[[Report, Path], str] | None = None
    watch: Watch | None = None
    save_profile: Callable[[Target], str] | None = None
