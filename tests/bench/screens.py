"""The screens: first paint, how fast a key is answered while 200 connections pour in, memory after a run.

Source of the limits: the design asks for a first paint within half a second of a bare start, input answered
within 50 ms, and less than 120 MB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tests.bench.figure import Figure


def figures() -> Iterable[Figure]:
    from tests.tui.measure import first_paint, key_answer, memory

    least, middle = first_paint()
    yield Figure(
        name="screens: first paint, over a bare start",
        value=least * 1000,
        limit=500,
        unit="ms",
        note=f"median of five {middle * 1000:.0f} ms",
    )
    middle, worst = asyncio.run(key_answer())
    yield Figure(
        name="screens: a key answered under load, median",
        value=middle * 1000,
        limit=50,
        unit="ms",
        note=f"worst {worst * 1000:.0f} ms",
    )
    yield Figure(name="screens: memory after a run against the lab", value=memory(), limit=120, unit="MB")
