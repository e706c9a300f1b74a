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

    parser = build()
    _complete_files(parser, shtab.FILE, shtab.DIRECTORY)
    return str(shtab.complete(parser, shell=shell)).rstrip("\n").encode() + b"\n"


def _complete_files(parser: object, file: object, folder: object) -> None:
    """Say of every option that takes a file or a folder that it does; `metavar` is what tells."""
    for action in getattr(parser, "_actions", ()):
        metavar = str(action.metavar)
        if metavar == "DIR":
            action.complete = folder
        elif metavar == "FILE" or metavar.endswith(".json"):
            action.complete = file
        for command in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
            _complete_files(command, file, folder)
