"""One figure against its limit, and the table of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """name: what is measured, in words. value: None if it could not be measured; note then says why.

    limit: the most it may be (None: told, not promised). unit: of both.
    """

    name: str
    value: float | None
    limit: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def state(self) -> str:
        if self.value is None:
            return "not measured"
        if self.limit is None:
            return ""
        return "ok" if self.value <= self.limit else "MISSED"


def row(figure: Figure) -> str:
    value = "-" if figure.value is None else f"{figure.value:,.3g} {figure.unit}"
    limit = "-" if figure.limit is None else f"{figure.limit:,.3g} {figure.unit}"
    return f"{figure.name:<58} {value:>12} {limit:>12}  {figure.state:<12} {figure.note}".rstrip()


HEAD = f"{'figure':<58} {'measured':>12} {'at most':>12}"


# --- processes ---------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """The environment without what makes Python slower or sends traffic elsewhere."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("PYTHON") and "proxy" not in key.lower()
    }


def compile_first() -> None:
    """Byte code for everything that is imported: PYTHONDONTWRITEBYTECODE may have kept it from being there."""
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    command = [sys.executable, "-m", "compileall", "-q", str(ROOT / "semscheck"), *libraries]
    subprocess.run(
        command, env=environment(), check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def python(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, *arguments],
        env=environment(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def least(works: Sequence[Callable[[], float]], rounds: int = 15) -> list[float]:
    """The least of each over several rounds, all of them in turn in each: noise only ever adds."""
    measured = [[work() for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*measured, strict=True)]


def show(figures: Iterable[Figure]) -> list[Figure]:
    shown = []
    for figure in figures:
        print(row(figure), flush=True)
        shown.append(figure)
    return shown
