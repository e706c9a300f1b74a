"""Files that a command promises: proved writable before the run, and whole or not there at all afterwards."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from semscheck.cli.errors import CommandError
from semscheck.files import PRIVATE, AtomicFile, why

MAX_LINKS = 40  # as many as Linux follows


class PromisedFile:
    """A file that will be written at the end of a run. Making it proves that it can be; raises CommandError.

    A regular file is written beside its place and moved there when it is whole; a symbolic link keeps pointing
    where it did. A device or a pipe is written directly. private: a new file is for its owner alone.
    """

    def __init__(self, option: str, path: str, *, private: bool = False) -> None:
        if not path:
            raise CommandError(f"{option}: the name of a file is missing")
        self.option = option
        self.path = path
        self._private = private
        self._place = Path(path)
        try:
            self._file: AtomicFile | int | None = self._open()
        except (OSError, ValueError) as problem:
            raise self._error(problem) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    @property
    def same_as(self) -> tuple[str, str]:
        """What two promises share if they are for one file."""
        return str(self._place.parent), os.path.normcase(self._place.name)

    def write(self, data: bytes) -> None:
        """Write all of it and put it in its place. Raises CommandError; then the old file is as it was."""
        file, self._file = self._file, None
        try:
            if file is None:
                raise OSError(9, "is written already")
            if isinstance(file, AtomicFile):
                file.write(data)
                return
            with open(file, "wb") as opened:
                if hasattr(os, "set_blocking"):  # Windows: from Python 3.12
                    os.set_blocking(file, True)
                opened.write(data)
        except OSError as problem:
            raise self._error(problem) from problem

    def discard(self) -> None:
        """Leave nothing behind that is not whole. May be called twice."""
        file, self._file = self._file, None
        if isinstance(file, AtomicFile):
            file.discard()
        elif file is not None:
            os.close(file)

    def _open(self) -> AtomicFile | int:
        _refuse_foreign_links(self.path)
        self._place = Path(os.path.realpath(self.path))
        try:
            there = self._place.stat()
        except FileNotFoundError:
            return AtomicFile(self._place, PRIVATE if self._private else 0o666 & ~_umask())
        if stat.S_ISDIR(there.st_mode):
            raise IsADirectoryError(21, "is a directory")
        if not stat.S_ISREG(there.st_mode):
            waits = os.O_NONBLOCK if stat.S_ISFIFO(there.st_mode) else 0
            return os.open(self._place, os.O_WRONLY | waits)
        if not os.access(self._place, os.W_OK) or not _may_replace(there, self._place.parent.stat()):
            raise PermissionError(13, "permission denied")
        return AtomicFile(self._place, stat.S_IMODE(there.st_mode))

    def _error(self, problem: OSError | ValueError) -> CommandError:
        return CommandError(f"{self.option}: {self.path}: cannot be written: {why(problem)}")


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _may_replace(there: os.stat_result, folder: os.stat_result) -> bool:
    """In a folder with the sticky bit a file can be replaced by its owner and the folder's alone (POSIX)."""
    if not folder.st_mode & stat.S_ISVTX:
        return True
    return os.geteuid() in (0, there.st_uid, folder.st_uid)


def _refuse_foreign_links(path: str) -> None:
    """Raise PermissionError where the way leads through a symbolic link that somebody else may have put into a folder
    that everybody writes to; whatever it points to is not what was asked for. (Linux: fs.protected_symlinks.)"""
    for link in _links(path):
        folder = os.stat(os.path.dirname(link) or ".")
        shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
        if shared and os.lstat(link).st_uid not in (os.geteuid(), folder.st_uid):
            raise PermissionError(13, "is a symbolic link of another user's in a shared folder")


def _links(path: str) -> Iterator[str]:
    """Every symbolic link on the way, in order; a way of too many is the system's to refuse."""
    parts, walked = os.path.abspath(path).split(os.sep)[::-1], ""
    left = MAX_LINKS
    while parts and left:
        walked = os.path.join(walked or os.sep, parts.pop())
        if not os.path.islink(walked):
            continue
        left -= 1
        yield walked
        target = os.path.normpath(os.path.join(os.path.dirname(walked), os.readlink(walked)))
        parts += target.split(os.sep)[::-1]
        walked = ""
