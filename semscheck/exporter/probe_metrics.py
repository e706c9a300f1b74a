"""A run's outcome as metrics: those of the report, and what the exporter knows about how it came about."""

from __future__ import annotations

from semscheck.exporter.runs import Cause, Outcome
from semscheck.model.observations import Cut, Step
from semscheck.report import prometheus
from semscheck.report.prometheus import UP, Family, Metric, Point

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
    seen = () if outcome.report is None else outcome.report.observations
    cuts = [cut for cut in seen if isinstance(cut, Cut)]
    if outcome.cut is not None and not any(cut.unfinished for cut in cuts):
        return frozenset(Step)
    return frozenset(step for cut in cuts for step in cut.steps)
