"""Files that a command writes: proved writable before the run, and whole or not there at all afterwards."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from semscheck.cli.errors import CommandError


class PromisedFile:
    """A file that will be written at the end of a run. Making it proves that it can be; raises CommandError.

    A regular file is written beside its place and moved there when it is whole (rename is atomic within a
    directory: POSIX); a symbolic link keeps pointing where it did. A device or a pipe is written directly.
    """

    def __init__(self, option: str, path: str) -> None:
        if not path:
            raise CommandError(f"{option}: the name of a file is missing")
        self.option = option
        self.path = path
        self._temporary: Path | None = None
        self._place = Path(path)
        try:
            self._descriptor = self._open()
        except (OSError, ValueError) as problem:
            raise self._error(problem) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    @property
    def same_as(self) -> tuple[str, str]:
        """What two promises share if they are for one file."""
        return str(self._place.parent), os.path.normcase(self._place.name)

    def write(self, data: bytes) -> None:
        """Write all of it and put it in its place. Raises CommandError; then the old file is as it was."""
        try:
            self._write(data)
        except OSError as problem:
            raise self._error(problem) from problem

    def discard(self) -> None:
        """Leave nothing behind that is not whole. May be called twice."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
            self._temporary = None

    def _open(self) -> int | None:
        self._place = Path(os.path.realpath(self.path))
        try:
            mode: int | None = self._place.stat().st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "is a directory")
        if mode is not None and not stat.S_ISREG(mode):
            return os.open(self._place, os.O_WRONLY | os.O_NONBLOCK if stat.S_ISFIFO(mode) else os.O_WRONLY)
        if mode is not None and not os.access(self._place, os.W_OK):
            raise PermissionError(13, "permission denied")
        descriptor, name = tempfile.mkstemp(prefix=f".{self._place.name[:40]}.", dir=self._place.parent)
        self._temporary = Path(name)
        os.chmod(name, stat.S_IMODE(mode) if mode is not None else 0o666 & ~_umask())
        return descriptor

    def _write(self, data: bytes) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            raise OSError(9, "is written already")
        with open(descriptor, "wb", closefd=True) as file:
            if self._temporary is None and hasattr(os, "set_blocking"):  # Windows: from Python 3.12
                os.set_blocking(descriptor, True)
            file.write(data)
            file.flush()
            if self._temporary is not None:
                os.fsync(descriptor)
        if self._temporary is not None:
            os.replace(self._temporary, self._place)
            self._temporary = None

    def _error(self, problem: OSError | ValueError) -> CommandError:
        words = (getattr(problem, "strerror", None) or str(problem)).lower()
        return CommandError(f"{self.option}: {self.path}: cannot be written: {words}")


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
