"""What a run tells while it goes on: to the progress line, the TUI and the JSON-lines output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from semscheck.model.analysis import Analysis
from semscheck.model.observations import AnyObservation
from semscheck.model.report import Report, Run
from semscheck.model.target import Target


@dataclass(frozen=True, slots=True)
class Started:
    target: Target
    run: Run


@dataclass(frozen=True, slots=True)
class Observed:
    """One more fact, as it came."""

    observation: AnyObservation


@dataclass(frozen=True, slots=True)
class Progressed:
    """step: "names", "addresses", "connections", "services", "judging". done of total (None: not known yet).

    left_s: time until the run's deadline, which is the longest it can still take.
    """

    step: str
    done: int
    total: int | None
    left_s: float


@dataclass(frozen=True, slots=True)
class Inferred:
    """The analysis of what is there so far; comes a few times a second at most, and after each connection
    that changes what is known of the balancer."""

    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Finished:
    report: Report


Event = Started | Observed | Progressed | Inferred | Finished
Listener = Callable[[Event], None]
