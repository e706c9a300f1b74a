"""`selftest`: what of this program works on this machine, line by line."""

from __future__ import annotations

from argparse import Namespace

from semscheck.cli.output import streams

BROKEN = 2  # as a critical finding: this program must not be relied on here


def selftest(options: Namespace) -> int:
    """`semscheck selftest`: 0 where everything works, 2 where something does not."""
    from semscheck.report.escape import one_line
    from semscheck.selftest import run

    broken: list[str] = []
    for outcome in run():
        if not outcome.works:
            broken.append(outcome.name)
        if not (options.quiet and outcome.works):
            mark = "ok    " if outcome.works else "BROKEN"
            detail = one_line(f"{outcome.detail} ({outcome.elapsed_s:.1f} s)", 1000)
            streams.write_text(f"{mark}  {outcome.name:<8}  {detail}\n")
    if broken:
        streams.say(f"semscheck does not work here: {', '.join(broken)}")
        return BROKEN
    if not options.quiet:
        streams.write_text("everything works\n")
    return 0
