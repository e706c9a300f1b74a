"""Several things at once, such that none is left running when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def gather_or_cancel(works: Iterable[Coroutine[Any, Any, T]]) -> tuple[T, ...]:
    """The results, in order. If one raises, the others are cancelled and waited for, and its error is raised.

    `asyncio.gather` would leave the others running, with nobody to stop them at the end of the run.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return tuple(task.result() for task in tasks)
