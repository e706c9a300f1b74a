"""Decides: which command runs, what its exit code is, and what is said when it cannot run.

Nothing heavy is imported here; each command imports what it needs, so that `--help`, `--version` and `explain` start
at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from semscheck.cli.errors import UNKNOWN, CommandError
from semscheck.cli.leaving import tidily

ISSUES = "https://github.com/semscheck/semscheck/issues"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code. Never raises but for what ends the process."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with tidily():
            return _run(given)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else UNKNOWN
    except CommandError as problem:
        return _refuse(str(problem))
    except KeyboardInterrupt:
        return _refuse("interrupted before there was anything to report")
    except BrokenPipeError:
        return _reader_left()
    except Exception as defect:
        return _crashed(defect, verbose="--verbose" in given)


def _run(given: list[str]) -> int:
    from semscheck.cli.options import build

    parser = build()
    if not given:
        return _open_screens(parser.print_help)
    options = parser.parse_args(_meant(given))
    if options.name is None:
        parser.error("a command is missing")
    module, _, function = options.command.partition(":")
    command: Callable[[object], int] = getattr(import_module(f"semscheck.cli.commands.{module}"), function)
    return command(options)


def _meant(given: list[str]) -> list[str]:
    """The command line as the parser wants it: a server's name for a command, `help`, `version`.

    A word with a dot, colon or slash is a server's name: no command has one.
    """
    first, *rest = given
    if first == "help":
        return [*rest[:1], "--help"]
    if first == "version":
        return ["--version", *rest]
    if first.startswith("-") or not any(sign in first for sign in ".:/"):
        return given
    from semscheck.cli.output.streams import is_terminal

    screens = not rest and is_terminal(sys.stdin) and is_terminal(sys.stdout)
    return ["tui" if screens else "check", *given]


def _open_screens(print_help: Callable[[], None]) -> int:
    """`semscheck` alone: the screens where there is a terminal for them, else help and exit code 3."""
    from semscheck.cli.output.streams import is_terminal

    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        print_help()
        return UNKNOWN
    from semscheck.cli.commands.tui import open_start

    return open_start()


def _refuse(words: str) -> int:
    from semscheck.cli.output.streams import say

    say(f"semscheck: {words}")
    return UNKNOWN


def _reader_left() -> int:
    from semscheck.cli.output.streams import abandon_stdout

    abandon_stdout()
    return UNKNOWN


def _crashed(defect: Exception, *, verbose: bool) -> int:
    """A defect of ours: one line that says where to report it; the stack only where it was asked for."""
    from semscheck import __version__
    from semscheck.cli.output.streams import say, write_error

    if verbose or os.environ.get("SEMSCHECK_DEBUG"):
        import traceback

        write_error("".join(traceback.format_exception(defect)))
        more = ""
    else:
        more = "; SEMSCHECK_DEBUG=1 shows where"
    say(
        f"semscheck {__version__} failed with a defect of its own ({type(defect).__name__}: {defect}). "
        f"Please report it at {ISSUES}{more}"
    )
    return UNKNOWN
