"""A watch of half an hour at one connection a second, in a tenth of the time: its memory, whether it grows, and
its share of a core, with the screens on it. The lab plays in another process.

Source of the limits: the design asks for less than 80 MB, no growth over the last 20 minutes, and 3 % of a core.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, process_time

from tests.bench.figure import ROOT, Figure, environment

TIMES = 10  # as fast as life
FOR_S, GROWN_S = 1_800.0, 600.0
LATELY = 0.99  # the last size is taken just before the report is made, which is another thing's memory
MOST_MB, MOST_PART = 80.0, 3.0
GROWTH_MB = 1.0  # that a page more or less of the interpreter's may be


def figures() -> Iterator[Figure]:
    from semscheck.lab.cluster import LabThread
    from semscheck.lab.scenarios import SCENARIOS

    with tempfile.TemporaryDirectory() as folder, LabThread(SCENARIOS["healthy"].world) as thread:
        profile = Path(folder) / "profile.toml"
        profile.write_text(thread.lab.profile_toml(), encoding="utf-8")
        command = [sys.executable, "-m", "tests.bench.watch", str(profile), thread.lab.resolvers[0]]
        done = subprocess.run(
            command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        yield Figure(name="a watch of half an hour", value=None, note=done.stderr[-300:])
        return
    seen = json.loads(done.stdout.splitlines()[-1])
    note = f"{seen['ticks']} connections, {seen['failed']} failed"
    sizes = ", ".join(f"{size:.1f}" for size in seen["sizes"])
    yield Figure(
        name="a watch of half an hour: memory", value=seen["sizes"][-1], limit=MOST_MB, unit="MB", note=note
    )
    grown = seen["sizes"][-1] - seen["sizes"][1]
    yield Figure(
        name="a watch: growth over its last 20 minutes",
        value=grown,
        limit=GROWTH_MB,
        unit="MB",
        note=f"at 0, 10, 20 and 30: {sizes}",
    )
    yield Figure(name="a watch: part of a core", value=seen["part"] * 100, limit=MOST_PART, unit="%")


class QuickClock:
    """The system's clock, so many times as fast."""

    def __init__(self) -> None:
        self._zero, self._utc = monotonic(), datetime.now(UTC)

    def monotonic(self) -> float:
        return (monotonic() - self._zero) * TIMES

    def utc(self) -> datetime:
        return self._utc + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / TIMES)


async def _measured(profile: Path, resolver: str) -> dict[str, object]:
    from semscheck import pipeline
    from semscheck.cli.commands.tui import doors
    from semscheck.cli.targets import read
    from semscheck.model.report import Report
    from semscheck.net.backend import real_backend
    from semscheck.tui.app import SemscheckApp
    from semscheck.tui.bridge import in_thread
    from semscheck.tui.runners import Watching
    from semscheck.tui.screens import watch as screen
    from semscheck.tui.screens.check import CheckScreen
    from semscheck.tui.store import Store

    target = read(profile, {"fqdn": None, "resolver": [resolver]})
    backend = replace(real_backend(1), clock=QuickClock())
    screen.LOOKS_PER_S *= TIMES  # type: ignore[misc]

    async def watch(watching: Watching, listener: object, cancel: asyncio.Event) -> Report:
        return await pipeline.watch(
            watching.target,
            every_s=1.0,
            for_s=FOR_S,
            listener=listener,
            cancel=cancel,
            backend=backend,  # type: ignore[arg-type]
        )

    store = Store(profile.parent / "config", profile.parent / "state", lambda _: None)
    app = SemscheckApp(replace(doors(), watch=in_thread(watch)), store=store)
    sizes: list[float] = []
    async with app.run_test(size=(120, 40)) as pilot:
        began, used = monotonic(), process_time()
        app.watch_target(target)
        while not isinstance(app.screen, CheckScreen):
            if monotonic() - began >= len(sizes) * GROWN_S * LATELY / TIMES:
                sizes.append(_resident_mb())
            await asyncio.sleep(0.2)
        part = (process_time() - used) / FOR_S
        await pilot.pause()
        report = app.screen.report
    assert report is not None
    assert report.analysis.watch is not None
    watched = report.analysis.watch
    return {"sizes": sizes[-4:], "part": part, "ticks": watched.ticks, "failed": len(watched.failed)}


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured(Path(sys.argv[1]), sys.argv[2]))))
