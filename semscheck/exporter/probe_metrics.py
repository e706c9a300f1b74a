"""A run's outcome as metrics: those of the report, and what the exporter knows about how it came about."""

from __future__ import annotations

from enum import StrEnum

from semscheck.exporter.runs import Cause, Outcome
from semscheck.model.observations import Cut
from semscheck.model.report import Report
from semscheck.report import prometheus
from semscheck.report.prometheus import UP, Family, Metric, Point


class Step(StrEnum):
    """The parts of a run, as the engine names what it did not finish."""

    DESKTOP = "desktop"
    NAMES = "names"
    ADDRESSES = "addresses"
    CONTROLS = "controls"
    CONNECTIONS = "connections"
    SERVICES = "services"


_BY_NAME = {step.value: step for step in Step}

CUT = Metric(
    "semscheck_run_cut",
    "What ended the run before it was whole (1): the scrape's deadline, a shutdown, or no slot in time (queue).",
    ("cause",),
)
UNFINISHED = Metric(
    "semscheck_run_unfinished",
    "The steps that a run which was cut left unfinished (1): all of them where nothing can be told.",
    ("step",),
)
WAITED = Metric("semscheck_probe_wait_seconds", "How long the run waited for its turn.")
SHARED = Metric(
    "semscheck_probe_shared", "Whether the run was begun by another scrape of the same target (1)."
)
METRICS = (CUT, UNFINISHED, WAITED, SHARED)


def exposition(outcome: Outcome) -> str:
    """The text that a scrape gets. Only for outcomes without an error."""
    families = prometheus.families(outcome.report) if outcome.report is not None else []
    return prometheus.exposition([*_held_down(families, outcome), *_own(outcome)])


def _held_down(families: list[Family], outcome: Outcome) -> list[Family]:
    """`semscheck_up` is 0 for whatever was cut, and is there even where nothing was measured."""
    if outcome.cut is None:
        return families
    return [*(family for family in families if family.metric is not UP), Family(UP, (Point(0.0),))]


def _own(outcome: Outcome) -> list[Family]:
    unfinished = _unfinished(outcome)
    return [
        Family(CUT, tuple(Point(float(outcome.cut is cause), (("cause", cause.value),)) for cause in Cause)),
        Family(UNFINISHED, tuple(Point(float(step in unfinished), (("step", step.value),)) for step in Step)),
        Family(WAITED, (Point(round(outcome.waited_s, 3)),)),
        Family(SHARED, (Point(float(outcome.shared)),)),
    ]


def _unfinished(outcome: Outcome) -> frozenset[Step]:
    named = [] if outcome.report is None else _named(outcome.report)
    return _steps(named) if named or outcome.cut is None else frozenset(Step)


def _named(report: Report) -> list[str]:
    return [name for seen in report.observations if isinstance(seen, Cut) for name in seen.unfinished]


def _steps(named: list[str]) -> frozenset[Step]:
    """The engine names single places ("keys.example.com at 192.0.2.1:443"); as a label that would have no bound."""
    found = set()
    for name in named:
        if name in _BY_NAME:
            found.add(_BY_NAME[name])
        elif name.startswith("connections to "):
            found.add(Step.CONNECTIONS)
        elif " at " in name:
            found.add(Step.ADDRESSES)
    return frozenset(found)
