"""Ctrl-C (and SIGTERM, SIGHUP): once ends the run with what there is, twice leaves at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from types import FrameType

from semscheck.cli.leaving import handling, leave


@contextlib.contextmanager
def ending(stop: Callable[[], None], tidy: Callable[[], None]) -> Iterator[None]:
    """Within this, the first signal calls `stop` in the running event loop, and the second ends the process.

    tidy: what is done before that, whatever else is under way; nothing unfinished is left. Exit code 3 then.
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
        leave()

    with handling(lambda _: caught):
        yield
