"""Measures what the design promises of the screens; `python -m tests.tui.measure` prints it, nothing asserts it.

First paint: from the start of the process to the start screen in a pseudo-terminal, over a bare interpreter.
Key: from a key press to the changed screen, headless, while 200 connections with their traces pour in.
Memory: the most the process had after a full lab run.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semscheck.tui.app import SemscheckApp


def first_paint() -> tuple[float, float]:
    """Seconds to the start screen over a bare start, the best of five (others use the machine too)."""
    bare = min(_timed([sys.executable, "-c", "pass"]) for _ in range(5))
    times = [_until_seen([sys.executable, "-m", "semscheck"], b"Run")[0] for _ in range(5)]
    return min(times) - bare, median(times) - bare


def memory() -> float:
    """MB at most, after a run against the lab (which plays in the same process)."""
    return _until_seen([sys.executable, "-m", "semscheck", "tui", "--lab", "round-robin"], b"CRITICAL")[1]


def _timed(argv: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(argv, check=True)
    return time.perf_counter() - start


def _until_seen(argv: list[str], wanted: bytes) -> tuple[float, float]:
    import fcntl
    import pty
    import struct
    import termios

    start = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(argv[0], argv)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    output, seen = b"", None
    while True:
        try:
            output += os.read(terminal, 65536)
        except OSError:
            break
        if seen is None and wanted in output:
            seen = time.perf_counter() - start
            os.write(terminal, b"\x11")
    usage = os.wait4(child, 0)[2]
    os.close(terminal)
    return seen or float("nan"), usage.ru_maxrss / 1024


async def key_answer(rounds: int = 60) -> tuple[float, float]:
    """Seconds from a key to its effect: the middle one and the worst of the rounds."""
    from semscheck.threads import off_loop
    from semscheck.tui.app import Opening
    from semscheck.tui.bridge import in_thread
    from tests.tui import reports
    from tests.tui.play import Play
    from tests.tui.test_load import Pouring

    with tempfile.TemporaryDirectory() as where:
        play, pouring = Play(Path(where)), Pouring()
        app = play.app(Opening(fqdn=reports.FQDN, run=True), play.doors(check=in_thread(pouring.check)))
        async with app.run_test(size=(120, 40)) as pilot:
            await off_loop(pouring.poured.wait)
            views = ("path", "connections", "names", "certificates", "summary")
            times: list[float] = []
            for number in range(rounds):
                view, key = views[number % 5], "23451"[number % 5]
                await asyncio.sleep(0.031)
                start = time.perf_counter()
                app.simulate_key(key)
                await _seen(app, view)
                await pilot.pause(0)
                times.append(time.perf_counter() - start)
            await pilot.press("escape")
    times = sorted(times[5:])  # the first ones make the views
    return median(times), times[-1]


async def _seen(app: SemscheckApp, view: str) -> None:
    while getattr(app.screen, "view", "") != view:  # noqa: ASYNC110 - nothing tells it, that is the point
        await asyncio.sleep(0.001)


def main() -> None:
    best, middle = first_paint()
    key, worst = asyncio.run(key_answer())
    figures = {
        "first_paint_over_bare_ms": round(best * 1000),
        "first_paint_over_bare_median_ms": round(middle * 1000),
        "key_under_load_median_ms": round(key * 1000),
        "key_under_load_worst_ms": round(worst * 1000),
        "memory_after_run_mb": round(memory()),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
