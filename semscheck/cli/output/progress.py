"""How far a run has come: one line of standard error, drawn again and again; none where that is no terminal."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from time import monotonic

from semscheck.cli.output import streams
from semscheck.model.events import Event, Finished, Progressed

EVERY_S = 0.2
_STEPS = {
    "names": "asking name servers",
    "addresses": "looking at addresses",
    "connections": "making connections to see who answers",
    "services": "asking other services",
    "judging": "judging",
}
_ORDER = tuple(_STEPS)


class Progress:
    """The line. `event` takes what the run tells, `keep_drawing` redraws until cancelled, `clear` removes it."""

    def __init__(self, *, wanted: bool, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._on = wanted and streams.is_terminal(sys.stderr)
        self._steps: dict[str, tuple[int, int | None]] = {}
        self._ends: float | None = None
        self._drawn = False
        self._note = "Ctrl-C ends it with what there is"

    def event(self, event: Event) -> None:
        if isinstance(event, Progressed):
            begins = event.step not in self._steps
            self._steps[event.step] = (event.done, event.total)
            self._ends = self._clock() + event.left_s
            if begins:  # a short step is seen too, not only those that last until the next drawing
                self.draw()
        elif isinstance(event, Finished):
            self.clear()
            self._on = False

    def stopping(self) -> None:
        self._note = "ending it; Ctrl-C again leaves at once"
        self.draw()

    async def keep_drawing(self) -> None:
        while self._on:
            self.draw()
            await asyncio.sleep(EVERY_S)

    def draw(self) -> None:
        if not self._on:
            return
        columns = shutil.get_terminal_size((80, 24)).columns - 1
        streams.write_error("\r" + self.line()[:columns].ljust(columns))
        self._drawn = True

    def clear(self) -> None:
        if self._drawn:
            columns = shutil.get_terminal_size((80, 24)).columns - 1
            streams.write_error("\r" + " " * columns + "\r")
            self._drawn = False

    def line(self) -> str:
        """What is shown: the step that is under way, how much of it is done, and the longest it can still take."""
        parts = [self._under_way()]
        if self._ends is not None:
            parts.append(f"at most {max(0, round(self._ends - self._clock()))} s left")
        return f"{', '.join(parts)}  ({self._note})"

    def _under_way(self) -> str:
        """The last step that has something left to do, else the last that began."""
        begun = [step for step in _ORDER if step in self._steps]
        if not begun:
            return "starting"
        busy = [
            step for step in begun if (total := self._steps[step][1]) is None or self._steps[step][0] < total
        ]
        step = (busy or begun)[-1]
        done, total = self._steps[step]
        counted = f" {done}/{total}" if total else (f" {done}" if done else "")
        return f"{_STEPS.get(step, step)}{counted}"
