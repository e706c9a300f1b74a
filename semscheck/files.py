"""Files that are whole or not there at all, and nothing left of those that did not come to be."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o644
NO_HOME = Path("/nonexistent")  # Debian's word for the home of a user that has none (policy manual, 9.2.3)
_making = threading.RLock()  # held while something is made, so that nothing comes after `end`
_ended = False
_unfinished: set[str] = (
    set()
)  # what has to go when the process is ended: files, and folders with what is in them


class AtomicFile:
    """A file that is written beside its place and moved there when it is whole (rename is atomic within a
    directory: POSIX). mode: its permissions, as far as the place has any. Making it and `write` raise OSError.
    """

    def __init__(self, place: Path, mode: int = PRIVATE) -> None:
        self._place = place
        self._temporary = str(place.parent / f".{place.name[:40]}.{os.urandom(6).hex()}")
        self._descriptor = -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            with _beginning(self._temporary):
                self._descriptor = os.open(self._temporary, flags, PRIVATE)
        except BaseException:
            self.discard()
            raise
        if mode != PRIVATE:
            with contextlib.suppress(OSError):  # some mounts have no permissions to change
                os.chmod(self._temporary, mode)

    def write(self, data: bytes) -> None:
        """All of it, once, and into its place; on failure the old file is as it was and nothing is left."""
        descriptor, self._descriptor = self._descriptor, -1
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(self._temporary, self._place)
        except BaseException:
            self.discard()
            raise
        _unfinished.discard(self._temporary)

    def discard(self) -> None:
        """Leave nothing of what is not in its place. May be called twice, and after `write`."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            os.close(descriptor)
        remove(self._temporary)


def write_atomically(path: Path, text: str | bytes) -> None:
    """Replace a file of this user's own, and make its folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    AtomicFile(path).write(text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder of this user's own that is gone afterwards, with all that is in it."""
    place = os.path.join(tempfile.gettempdir(), f"{prefix}{os.urandom(6).hex()}")
    try:
        with _beginning(place):
            os.mkdir(place, 0o700)
        yield Path(place)
    finally:
        remove(place)


def content(path: Path, limit: int) -> bytes:
    """A file's bytes, up to a bound, so that no device or huge file is read to its end. Raises ValueError with one
    line that names the file."""
    if path.is_dir():
        raise ValueError(f"{path}: is a directory, not a file")
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as problem:  # a zero byte in the name
        raise ValueError(f"{path}: {why(problem)}") from problem
    if len(data) > limit:
        raise ValueError(f"{path}: larger than {limit // (1024 * 1024)} MiB, that is no such file")
    return data


def why(problem: Exception) -> str:
    """What the operating system says, else the error's own words; in the middle of a line."""
    return (getattr(problem, "strerror", None) or str(problem) or type(problem).__name__).lower()


def user_folder(of: Callable[..., Path]) -> Path:
    """One of platformdirs' for this program; without a home it fails, or says "~/…", which would be made wherever the
    program runs."""
    try:
        folder = of("semscheck", appauthor=False)
    except RuntimeError:
        return NO_HOME
    return folder if folder.is_absolute() else NO_HOME


@contextlib.contextmanager
def _beginning(path: str) -> Iterator[None]:
    with _making:
        if _ended:
            raise InterruptedError(4, "the program is ending")
        _unfinished.add(path)
        yield


def end() -> None:
    """Remove everything that is under way, in whatever thread; nothing is begun any more."""
    global _ended  # noqa: PLW0603 - the process ends once
    with _making:
        _ended = True
    for path in unfinished():
        remove(path)


def unfinished() -> frozenset[str]:
    """Everything that is under way."""
    return frozenset(_unfinished)


def remove(path: str) -> None:
    """A file, or a folder with all that is in it; it is not under way any more."""
    if os.path.isdir(path):
        for _ in range(10):  # another thread may put something in until it is gone
            shutil.rmtree(path, ignore_errors=True)
            if not os.path.exists(path):
                break
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)
    _unfinished.discard(path)
