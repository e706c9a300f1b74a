"""Reports that were saved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.errors import CommandError
from semscheck.cli.output import streams
from semscheck.files import why
from semscheck.report import wording as words

if TYPE_CHECKING:
    from semscheck.model.report import Report

STDIN = "-"


def read_report(path: str, *, quiet: bool = True) -> Report:
    """The report in a file, or on standard input for "-". Raises CommandError with one line."""
    from semscheck.report import json

    try:
        reading = json.read(_content(path, json.MAX_BYTES))
    except json.ReportError as problem:
        raise CommandError(f"{_shown(path)}: {problem}") from problem
    for kind, number in reading.ignored.items():
        if not quiet:
            seen = words.count(number, "observation")
            streams.say(f"{_shown(path)}: {seen} of a kind that this version does not know: {kind}")
    return reading.report


def _content(path: str, limit: int) -> bytes:
    """At most one byte more than a report can have: enough to see that it is none."""
    try:
        if path == STDIN:
            if sys.stdin is None:
                raise CommandError("standard input is closed")
            return sys.stdin.buffer.read(limit + 1)
        if Path(path).is_dir():
            raise CommandError(f"{path}: is a directory, not a report")
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as problem:
        raise CommandError(f"{_shown(path)}: {why(problem)}") from problem


def _shown(path: str) -> str:
    return "standard input" if path == STDIN else path
