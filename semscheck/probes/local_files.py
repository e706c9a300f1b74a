"""Reading this desktop's files and registry: bounded in size and time, read-only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PureWindowsPath
from typing import Any, Protocol, TypeVar

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.net.backend import Desktop
from semscheck.net.errors import failure_from
from semscheck.threads import off_loop

T = TypeVar("T")

MAX_FILE_BYTES = 1_048_576
MAX_VALUE_CHARACTERS = 4096
READ_TIMEOUT_S = 2.0  # a home folder on a dead file server must not hold the run


class Registry(Protocol):
    """The Windows registry. hive: "HKLM" or "HKCU"; bits: which view, 64 or 32, None for the caller's own."""

    def read(self, hive: str, key: str, value: str, bits: int | None = None) -> str | int:
        """Raises OSError: FileNotFoundError where there is no such key or value."""


class WindowsRegistry:
    def read(self, hive: str, key: str, value: str, bits: int | None = None) -> str | int:
        try:
            winreg: Any = import_module("winreg")  # exists on Windows only
        except ImportError as error:
            raise OSError("this system has no registry") from error
        root = winreg.HKEY_LOCAL_MACHINE if hive == "HKLM" else winreg.HKEY_CURRENT_USER
        view = {64: winreg.KEY_WOW64_64KEY, 32: winreg.KEY_WOW64_32KEY}.get(bits or 0, 0)
        with winreg.OpenKey(root, key, 0, winreg.KEY_READ | view) as opened:
            found = winreg.QueryValueEx(opened, value)[0]
        return found if isinstance(found, int) else str(found)[:MAX_VALUE_CHARACTERS]


def registry_of(desktop: Desktop, given: Registry | None) -> Registry | None:
    """The registry to read: the one that a test lays out, Windows' own, or none on another system."""
    if given is not None or desktop.platform != "win32":
        return given
    return WindowsRegistry()


def windows_path(desktop: Desktop, text: str) -> Path:
    """A Windows path such as %SystemRoot%, below the desktop's root where that is laid out elsewhere."""
    path = PureWindowsPath(text)
    if desktop.root == Path("/"):
        return Path(text)
    return desktop.root.joinpath(*path.parts[1:]) if path.drive else Path(text)


def read_bytes(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """At most `limit` bytes and one more, which tells that there was more. Raises OSError."""
    if not path.is_file() and path.exists():
        raise OSError(f"{path} is not a file")  # a pipe or a device would block
    with path.open("rb") as file:
        return file.read(limit + 1)


def too_large(limit: int) -> Failure:
    return Failure(Phase.READ, Cause.TOO_LARGE, f"longer than {limit} bytes; the rest was not read")


async def in_time(work: Callable[[], T], otherwise: Callable[[Failure], T]) -> T:
    """Do blocking work in a thread that nobody waits for; what went wrong becomes a value."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await off_loop(work)
    except TimeoutError:
        return otherwise(Failure(Phase.READ, Cause.TIMED_OUT, "could not be read in time"))
    except (OSError, ValueError) as error:
        return otherwise(failure_from(Phase.READ, error))
