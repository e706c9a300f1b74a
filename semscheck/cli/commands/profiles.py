"""`profiles`: the profiles that are found by a server's name, and where."""

from __future__ import annotations

from argparse import Namespace

from semscheck.cli.errors import UNKNOWN, CommandError
from semscheck.cli.known_profiles import KnownProfile, folders, known_profiles
from semscheck.cli.output import streams
from semscheck.cli.targets import read
from semscheck.report.escape import one_line


def profiles(options: Namespace) -> int:
    """`semscheck profiles`: a line each. Exit code 3 where one cannot be used."""
    rows = [(known, _problem(known)) for known in known_profiles()]
    lines = [_line(known, problem) for known, problem in rows]
    if not rows:
        lines = ["No profile was found. These folders are looked at:"]
        lines += [f"  {folder}  ({source})" for source, folder in folders()]
    streams.write_report(("\n".join(map(one_line, lines)) + "\n").encode("utf-8", "backslashreplace"))
    return UNKNOWN if any(problem for _, problem in rows) else 0


def _problem(known: KnownProfile) -> str | None:
    if known.problem is not None or known.fqdn is None:
        return known.problem or "names no server (target.fqdn)"
    try:
        read(known.path, {})
    except CommandError as problem:
        return str(problem).removeprefix(f"{known.path}: ")
    return None


def _line(known: KnownProfile, problem: str | None) -> str:
    state = f"cannot be used: {problem}" if problem else known.fqdn
    return f"{state}  {known.path}  ({known.source})"
