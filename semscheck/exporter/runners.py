"""What the exporter is given: the pipeline's functions, which this room must not import."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from semscheck.model.events import Listener
from semscheck.model.findings import Card
from semscheck.model.report import Report, Snapshot
from semscheck.model.target import Target


class Check(Protocol):
    """One run, as `semscheck.pipeline.check` makes it."""

    async def __call__(self, target: Target, *, listener: Listener, cancel: asyncio.Event) -> Report: ...


@dataclass(frozen=True, slots=True)
class Runners:
    """check: one run. judge: a report of what was seen so far. html: a report as a page. cards: all rules.

    read_target: a profile's target with these name servers ("IP[:PORT]"; none: the system's), and so many
    connections (None: as the profile says); raises ValueError with one line for what cannot be used.
    say: one line for the administrator, on standard error.
    """

    check: Check
    judge: Callable[[Snapshot], Report]
    html: Callable[[Report], str]
    cards: Callable[[], Iterable[Card]]
    read_target: Callable[[Path, tuple[str, ...], int | None], Target]
    say: Callable[[str], None]
