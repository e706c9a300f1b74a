"""`drill`: a failover is watched while an administrator takes a server down and brings it back."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from semscheck.cli.commands.check import followed
from semscheck.cli.errors import CommandError
from semscheck.cli.output import streams
from semscheck.cli.output.delivery import Delivery
from semscheck.cli.output.progress import Progress
from semscheck.cli.targets import target_of
from semscheck.model.events import Event, Finished, Inferred, Started
from semscheck.report.escape import one_line
from semscheck.report.text import watch as words
from semscheck.report.wording import SYMBOLS
from semscheck.sampling.watch import LEAST_EVERY_S, MOST_TICKS, Marks

if TYPE_CHECKING:
    from semscheck.model.analysis import WatchAnalysis
    from semscheck.model.report import Report
    from semscheck.model.target import Target

LONGEST_MARK = 1_000


def drill(options: Namespace) -> int:
    """`semscheck drill`: one watch. Raises CommandError."""
    if not LEAST_EVERY_S <= options.every <= 60:
        raise CommandError(f"--every: {options.every:g} is out of range ({LEAST_EVERY_S:g} to 60 seconds)")
    if not options.every <= options.for_s <= MOST_TICKS * options.every:
        most = MOST_TICKS * options.every / 60
        raise CommandError(
            f"--for: with a connection every {options.every:g} s, one tick to {most:g} minutes"
        )
    if options.json:
        options.format, options.json = "jsonl", False
    target = target_of(options)
    with Delivery(options) as delivery:
        return delivery.deliver(_watch(target, options, delivery))


def _watch(target: Target, options: Namespace, delivery: Delivery) -> Report:
    from semscheck import pipeline

    marks = SimpleQueue[tuple[datetime, str]]()
    _take_marks(marks)
    asked = {"every": f"{options.every:g}", "for": f"{options.for_s:g}"}
    watch = partial(
        pipeline.watch, target, every_s=options.every, for_s=options.for_s, marks=marks, options=asked
    )
    return asyncio.run(followed(_Live(options), delivery, watch))


class _Live(Progress):
    """A line for each change as it comes, and in a terminal one below them that is drawn again and again."""

    def __init__(self, options: Namespace) -> None:
        super().__init__(wanted=not options.quiet)
        self._quiet = options.quiet
        text = (options.format or "text") == "text" and options.output is None
        self._say: Callable[[str], object] = _print if text else streams.say
        self._started = datetime.now(UTC)
        self._told: set[str] = set()
        self._watch: WatchAnalysis | None = None
        self._note = "Ctrl-C ends it; text and Enter: a mark"

    def event(self, event: Event) -> None:
        if isinstance(event, Started):
            self._started = event.run.started
        elif isinstance(event, Inferred) and event.analysis.watch is not None:
            self._watch = event.analysis.watch
            self._tell(event.analysis.watch)
        elif isinstance(event, Finished):
            if event.report.analysis.watch is not None:
                self._tell(event.report.analysis.watch, over=True)
            super().event(event)

    def _tell(self, watch: WatchAnalysis, over: bool = False) -> None:
        for change in words.settled(watch, self._started, over):
            if change.key in self._told:
                continue
            self._told.add(change.key)
            if not self._quiet:
                self.clear()
                self._say(f"{words.clock(change.at)} {SYMBOLS[change.mark]} {change.text}")
        self.draw()

    def line(self) -> str:
        if self._watch is None:
            return f"connecting  ({self._note})"
        mark, said = words.now(self._watch)
        failed = f", {len(self._watch.failed)} failed" if self._watch.failed else ""
        count = f"{self._watch.ticks} connections{failed}"
        return f"{SYMBOLS[mark]} {one_line(said, 200)}, {count}  ({self._note})"


def _print(line: str) -> None:
    face = streams.face_of(sys.stdout, no_color=True)
    text = one_line(line, 400) + "\n"
    streams.write_report(text.encode("utf-8" if face.unicode else "ascii", "backslashreplace"))


def _take_marks(marks: Marks) -> None:
    """Each line of standard input is a mark, with the time at which it came; not where another program has it."""

    def read() -> None:
        rest = b""
        with suppress(OSError):
            while part := os.read(0, 4096):
                *lines, rest = (rest + part).split(b"\n")
                rest = rest[:LONGEST_MARK]
                for line in lines:
                    if text := line.decode("utf-8", "replace").strip():
                        marks.put((datetime.now(UTC), text[:LONGEST_MARK]))

    if sys.stdin is not None and _is_ours():
        threading.Thread(target=read, name="semscheck-marks", daemon=True).start()


def _is_ours() -> bool:
    """Whether standard input may be read: a terminal stops a program in the background that does."""
    with suppress(OSError, AttributeError):
        return not os.isatty(0) or os.tcgetpgrp(0) == os.getpgrp()
    return os.name == "nt"
