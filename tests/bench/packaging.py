"""The packaged program against the same from source: start, a check of the lab, the first paint, and its size.

Takes the folder of `make package` or `make package-here` (build/packaging/dist), or the one that SEMSCHECK_FOLDER
names; a folder that is not there is said, not built.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from tests.bench.figure import ROOT, Figure, environment, least, python, seconds

SOURCE = (sys.executable, "-m", "semscheck")
PAINT_TIMEOUT_S = 60


def figures() -> Iterator[Figure]:
    folder = Path(os.environ.get("SEMSCHECK_FOLDER", ROOT / "build" / "packaging" / "dist" / "semscheck"))
    program = folder / "semscheck"
    if not program.is_file():
        yield Figure(name="packaged program", value=None, note=f"not built: {folder}")
        return
    yield from _starts(str(program))
    yield from _checks(str(program))
    yield from _sizes(folder)


def _starts(program: str) -> Iterator[Figure]:
    bare, version, painted, painted_source = least(
        (
            lambda: seconds(lambda: python("-c", "pass")),
            lambda: seconds(lambda: _quietly(program, "--version")),
            lambda: first_paint_s(program),
            lambda: first_paint_s(*SOURCE),
        )
    )
    note = f"{version * 1000:.0f} ms, bare {bare * 1000:.0f} ms"
    yield Figure(
        name="packaged --version, of bare python", value=version / bare, limit=5, unit="x", note=note
    )
    note = f"{painted * 1000:.0f} ms, from source {painted_source * 1000:.0f} ms"
    yield Figure(
        name="packaged first paint, of source", value=painted / painted_source, limit=1.2, unit="x", note=note
    )


def _checks(program: str) -> Iterator[Figure]:
    """The lab in a process of its own, so that only the checks are measured."""
    lab = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.played", "healthy"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert lab.stdout is not None
    try:
        asked = ["check", "--quiet", *json.loads(lab.stdout.readline())["arguments"]]
        packed, source = least(
            (
                lambda: seconds(lambda: _quietly(program, *asked)),
                lambda: seconds(lambda: _quietly(*SOURCE, *asked)),
            )
        )
    finally:
        lab.communicate("")
    note = f"{packed * 1000:.0f} ms, from source {source * 1000:.0f} ms"
    yield Figure(
        name="packaged check of the lab, of source", value=packed / source, limit=1.15, unit="x", note=note
    )


def _sizes(folder: Path) -> Iterator[Figure]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    yield Figure(name="folder", value=sum(path.stat().st_size for path in files) / 1e6, limit=42, unit="MB")
    packed = sum(len(gzip.compress(path.read_bytes(), 9)) for path in files)
    yield Figure(name="folder, each file compressed", value=packed / 1e6, limit=19, unit="MB")


def _quietly(*command: str) -> None:
    subprocess.run(
        command,
        env=environment(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def first_paint_s(*command: str) -> float:
    """From the start of the process until the start screen's words are on its terminal."""
    began = perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execvpe(command[0], command, {**environment(), "TERM": "xterm-256color", "LANG": "C.UTF-8"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 100, 0, 0))
    shown = b""
    try:
        while b"Quit" not in shown:
            ready, _, _ = select.select([terminal], [], [], PAINT_TIMEOUT_S)
            if not ready:
                raise TimeoutError(f"{command[0]} painted nothing")
            shown += os.read(terminal, 65536)
        return perf_counter() - began
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
