"""A terminal that a test can type into and read: tmux on a socket of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

DEADLINE_S = 60.0


class Terminal:
    """One tmux server with one window. In it a shell runs, so that what a program leaves behind is seen."""

    def __init__(self, where: Path, columns: int, rows: int) -> None:
        self._where = where
        env = {key: value for key, value in os.environ.items() if key not in {"TMUX", "NO_COLOR"}}
        env |= {
            "HOME": str(where),
            "XDG_CONFIG_HOME": str(where / "config"),
            "XDG_STATE_HOME": str(where / "state"),
            "PS1": "$ ",
            "ENV": "",
            "LANG": "C.UTF-8",
        }
        self._env = env
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "/bin/sh")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._where / "tmux"), "-f", "/dev/null", *arguments]
        return subprocess.run(
            command, env=self._env, check=True, capture_output=True, text=True, timeout=DEADLINE_S
        ).stdout

    def close(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self._tmux("kill-server")

    def run(self, *argv: str) -> None:
        self.line(shlex.join(argv))

    def line(self, text: str) -> None:
        """A line for the shell, as it is."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def keys(self, *keys: str) -> None:
        for key in keys:
            name = key if len(key) > 1 else None
            self._tmux("send-keys", *([name] if name else ["-l", key]))

    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, *wanted: str) -> str:
        """Waits until all of these are to be read; gives the screen."""
        end = time.monotonic() + DEADLINE_S
        while True:
            seen = self.text()
            if all(it in seen for it in wanted):
                return seen
            if time.monotonic() > end:
                raise AssertionError(f"not shown: {wanted}\n{seen}")
            time.sleep(0.05)

    def idle(self) -> None:
        """Waits until nothing runs but the shell; what is typed before goes to the program."""
        end = time.monotonic() + DEADLINE_S
        while self._tmux("display-message", "-p", "#{pane_current_command}").strip() not in {"sh", "dash"}:
            if time.monotonic() > end:
                raise AssertionError(f"still running\n{self.text()}")
            time.sleep(0.05)

    def alternate(self) -> bool:
        """Is a full-screen program (or what one left behind) on it?"""
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"


@contextlib.contextmanager
def terminal(where: Path, columns: int = 80, rows: int = 24) -> Iterator[Terminal]:
    """Raises nothing of its own; ask `available` first. The socket's path is short enough for a socket."""
    opened = Terminal(where, columns, rows)
    try:
        yield opened
    finally:
        opened.close()


def available() -> bool:
    return shutil.which("tmux") is not None
