"""Standard output for the report and nothing else; standard error for the rest, in lines that are safe to show."""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple, TextIO

from semscheck.cli.errors import CommandError

MIN_WIDTH, PLAIN_WIDTH, MAX_WIDTH = 40, 80, 120


class Face(NamedTuple):  # a dataclass would cost every command the import of dataclasses
    """How text is shown. width: columns. unicode: more than ASCII can be shown. colour: SGR sequences."""

    width: int = PLAIN_WIDTH
    unicode: bool = True
    colour: bool = False


def say(text: str) -> None:
    """One line on standard error; control characters in it are shown, never sent."""
    from semscheck.report.escape import one_line

    write_error(one_line(text, 2000) + "\n")


def write_error(text: str) -> None:
    """Text on standard error as it is; a standard error that is closed or full is no reason to fail."""
    if sys.stderr is None:
        return
    try:
        encoding = sys.stderr.encoding or "ascii"
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def prove_stdout() -> None:
    """Raise CommandError where there is no standard output to write a report to."""
    if sys.stdout is None or sys.stdout.closed:
        raise CommandError(
            "standard output is closed; there is nowhere to write the report (or use --output FILE)"
        )


def write_report(data: bytes) -> bool:
    """Write to standard output, all of it; False if the reader went away, which ends the writing quietly.

    Raises CommandError where it cannot be written (a full disk behind `>`).
    """
    prove_stdout()
    try:
        sys.stdout.flush()
        sys.stdout.buffer.flush()
        _write_all(getattr(sys.stdout.buffer, "raw", sys.stdout.buffer), data)
    except BrokenPipeError:
        abandon_stdout()
        return False
    except OSError as problem:
        abandon_stdout()
        raise CommandError(f"standard output: {(problem.strerror or str(problem)).lower()}") from problem
    return True


def write_text(text: str) -> None:
    """Like `write_report`; what standard output's encoding does not have is shown as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    write_report(text.encode(encoding, "backslashreplace"))


def _write_all(out: BinaryIO, data: bytes) -> None:
    """All of it, where a write takes a part alone (a disk that is nearly full) or nothing yet (a pipe that waits)."""
    left = memoryview(data)
    while left:
        written: int | None = out.write(left)
        if written is None:
            select.select([], [out], [], 1.0)
        else:
            left = left[written:]


def abandon_stdout() -> None:
    """Point standard output to nowhere, so that the interpreter's last flush does not fail again."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def face_of(stream: TextIO | None, *, no_color: bool, environment: Mapping[str, str] | None = None) -> Face:
    """What this stream can show. A terminal's width is used between 40 and 120 columns; 80 elsewhere."""
    environ = os.environ if environment is None else environment
    from semscheck.report.text.lines import speaks_unicode

    unicode = speaks_unicode(getattr(stream, "encoding", None), environ if is_terminal(stream) else {})
    if not is_terminal(stream):
        return Face(unicode=unicode)
    terminal = environ.get("TERM", "")
    columns = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns
    return Face(
        width=max(MIN_WIDTH, min(columns, MAX_WIDTH)),
        unicode=unicode,
        colour=not no_color and not environ.get("NO_COLOR") and _speaks_sgr(terminal, environ),
    )


def _speaks_sgr(terminal: str, environ: Mapping[str, str]) -> bool:
    """Does the terminal know colours? On Windows only where a terminal that does says so."""
    if sys.platform == "win32":
        return bool(environ.get("WT_SESSION") or environ.get("ANSICON") or environ.get("ConEmuANSI") == "ON")
    return terminal not in ("", "dumb")
