"""`completion`: what a shell needs to complete semscheck's commands and options, made from the parser."""

from __future__ import annotations

from argparse import Namespace

from semscheck.cli.output import streams


def completion(options: Namespace) -> int:
    """`semscheck completion SHELL`: the script on standard output."""
    streams.write_report(script(options.shell))
    return 0


def script(shell: str) -> bytes:
    """The completions of one of `options.SHELLS`."""
    import shtab

    from semscheck.cli.options import build
    from semscheck.lab.scenarios import SCENARIOS
    from semscheck.rules.printed import cards

    parser = build()
    _say_what_is_taken(
        parser,
        shtab.FILE,
        shtab.DIRECTORY,
        {"SCENARIO": tuple(SCENARIOS), "CODE": tuple(it.code for it in cards())},
    )
    return str(shtab.complete(parser, shell=shell)).rstrip("\n").encode() + b"\n"


def _say_what_is_taken(
    parser: object, file: object, folder: object, known: dict[str, tuple[str, ...]]
) -> None:
    """A file, a folder, a known word: said of every option and operand; `metavar` is what tells."""
    for action in getattr(parser, "_actions", ()):
        metavar = str(action.metavar)
        if metavar == "DIR":
            action.complete = folder
        elif metavar == "FILE" or metavar.endswith(".json"):
            action.complete = file
        elif metavar in known:
            action.choices = known[metavar]
        for command in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
            _say_what_is_taken(command, file, folder, known)
