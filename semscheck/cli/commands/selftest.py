"""`selftest`: what of this program works on this machine, line by line."""

from __future__ import annotations

import sys
from argparse import Namespace

from semscheck.cli.output import streams

BROKEN = 2  # as a critical finding: this program must not be relied on here


def selftest(options: Namespace) -> int:
    """`semscheck selftest`: 0 where everything works, 2 where something does not."""
    from semscheck.selftest import run

    broken: list[str] = []
    for outcome in run():
        if not outcome.works:
            broken.append(outcome.name)
        if not (options.quiet and outcome.works):
            mark = "ok    " if outcome.works else "BROKEN"
            _print(f"{mark}  {outcome.name:<8} ", f"{outcome.detail} ({outcome.elapsed_s:.1f} s)")
    if broken:
        streams.say(f"semscheck does not work here: {', '.join(broken)}")
        return BROKEN
    if not options.quiet:
        _print("everything works")
    return 0


def _print(*parts: str) -> None:
    from semscheck.report.escape import one_line

    text = " ".join([*parts[:-1], one_line(parts[-1], 1000)])
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    streams.write_report(f"{text}\n".encode(encoding, "backslashreplace"))
