"""`python -m tests.bench [MODULE ...]`: measures and prints; its exit code is 0 whatever the figures are."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from tests.bench.figure import HEAD, compile_first, show

# The visible list of modules with figures, in the order in which they are shown.
MODULES = (
    "startup",
    "round_trips",
    "sampling",
    "balancing",
    "name_only",
    "exporter",
    "exporter_soak",
    "screens",
    "watch",
    "packaging",
)


def main(wanted: list[str]) -> None:
    compile_first()
    if hasattr(os, "getloadavg"):
        print(
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before it began; a busy machine misses more"
        )
    print(HEAD)
    missed = 0
    for name in wanted or MODULES:
        figures = show(import_module(f"tests.bench.{name}").figures())
        missed += sum(figure.state == "MISSED" for figure in figures)
    print(f"{missed} missed" if missed else "all within their limits")


if __name__ == "__main__":
    main(sys.argv[1:])
