"""Ctrl-C (and SIGTERM): once ends the run with what there is, twice leaves at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from semscheck.cli.errors import UNKNOWN

_SIGNALS = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGBREAK")
    if (number := getattr(signal, name, None)) is not None
)


@contextlib.contextmanager
def ending(stop: Callable[[], None], tidy: Callable[[], None]) -> Iterator[None]:
    """Within this, the first signal calls `stop` in the running event loop, and the second ends the process.

    tidy: what is done before that (temporary files go), whatever else is under way. Exit code 3 then.
    """
    loop = asyncio.get_running_loop()
    came = 0

    def caught(_number: int = 0, _frame: FrameType | None = None) -> None:
        nonlocal came
        came += 1
        if came == 1:
            loop.call_soon_threadsafe(stop)
            return
        tidy()
        os._exit(UNKNOWN)

    # signal.signal, not the loop's own handlers: a loop that is stuck must not keep the second Ctrl-C waiting.
    before = {}
    for number in _SIGNALS:
        with contextlib.suppress(ValueError, OSError):  # not the main thread; the caller's handlers stay
            before[number] = signal.signal(number, caught)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
