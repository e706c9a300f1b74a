"""Blocking work in threads that nobody waits for.

They are daemons and no executor's: `asyncio.run` and the interpreter wait at exit for the threads of an executor, and
a `getaddrinfo` that hangs in one would hold the program, and the terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def off_loop(work: Callable[[], T], name: str = "semscheck-work") -> T:
    """Calls `work` in a thread of its own and gives what it returns or raises. Never waits for it at exit; when the
    caller is cancelled the thread is left to end by itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def body() -> None:
        try:
            result = work()
        except BaseException as error:
            hand_over(loop, fail, future, error)
        else:
            hand_over(loop, succeed, future, result)

    threading.Thread(target=body, name=name, daemon=True).start()
    return await future


def hand_over(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: object) -> None:
    """Calls in another thread's loop; one that is closed has nobody to be told."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *args)


def succeed(future: asyncio.Future[T], result: T) -> None:
    """The result, unless nobody waits any more."""
    if not future.done():
        future.set_result(result)


def fail(future: asyncio.Future[T], error: BaseException) -> None:
    """The error, unless nobody waits any more; what would end a loop becomes a RuntimeError."""
    if future.done():
        return
    if isinstance(error, (StopIteration, asyncio.CancelledError, KeyboardInterrupt, SystemExit)):
        error = RuntimeError(f"ended by {type(error).__name__}")
    future.set_exception(error)
