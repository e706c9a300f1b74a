"""Signals that end a run, or the process wherever it is: nothing unfinished is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any

from semscheck.cli.errors import UNKNOWN

Handler = Callable[[int, FrameType | None], Any] | int | None  # as the standard library's `signal` has it


def _signals(*names: str) -> Iterator[signal.Signals]:
    """Those that this system has, but for what whoever started us wants ignored (nohup)."""
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            yield number


@contextlib.contextmanager
def tidily() -> Iterator[None]:
    """Within this, the first SIGTERM or SIGHUP ends the command as Ctrl-C does, the second ends the process."""
    others = _unfinished()  # a lab of the same process, for one
    with handling(lambda number: signal.getsignal(number) if number is signal.SIGINT else _end) as handled:
        try:
            yield
        finally:
            for number in handled:
                signal.signal(number, leave)
            _discard(_unfinished() - others)


@contextlib.contextmanager
def handling(handler: Callable[[signal.Signals], Handler]) -> Iterator[Collection[signal.Signals]]:
    """What ends a program is handled so; gives the signals. Those of before afterwards.

    `signal.signal`, not an event loop's own handlers: a loop that is stuck must not keep the second Ctrl-C waiting.
    """
    before = {}
    for number in _signals("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        with contextlib.suppress(ValueError, OSError):  # not the main thread; the caller's handlers stay
            before[number] = signal.signal(number, handler(number))
    try:
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def ending(stop: Callable[[], None], tidy: Callable[[], None]) -> Iterator[None]:
    """Within this, the first signal calls `stop` in the running event loop, and the second ends the process.

    tidy: what is done before that, whatever else is under way; nothing unfinished is left. Exit code 3 then.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    came = 0

    def caught(_number: int = 0, _frame: FrameType | None = None) -> None:
        nonlocal came
        came += 1
        if came == 1:
            loop.call_soon_threadsafe(stop)
            return
        tidy()
        leave()

    with handling(lambda _: caught):
        yield


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, leave)
    raise SystemExit(UNKNOWN)


def leave(_number: int = 0, _frame: FrameType | None = None) -> None:
    """End the process now."""
    if (files := sys.modules.get("semscheck.files")) is not None:  # else nothing was begun
        files.end()
    os._exit(UNKNOWN)


def _unfinished() -> frozenset[str]:
    files = sys.modules.get("semscheck.files")
    return frozenset() if files is None else files.unfinished()


def _discard(paths: frozenset[str]) -> None:
    for path in paths:
        sys.modules["semscheck.files"].remove(path)
