"""JSON lines: what is seen, as it is seen, one JSON object a line; a summary last.

Every line has `type`: "run" (first), "observation", "finding", "summary" (last). Findings need the whole
picture, so they come when the run has ended, before the summary.
"""

from __future__ import annotations

from collections.abc import Iterator

from semscheck.model.events import Event, Finished, Observed, Started
from semscheck.model.observations import AnyObservation
from semscheck.model.report import Report, Run
from semscheck.model.target import Target
from semscheck.report.json import analysis_shape, dumps

SCHEMA = "semscheck/events/1"


def of_event(event: Event) -> list[bytes]:
    """The lines that an event gives, each with its line's end; none for progress and interim analyses."""
    if isinstance(event, Started):
        return [_run(event.run, event.target)]
    if isinstance(event, Observed):
        return [_observation(event.observation)]
    if isinstance(event, Finished):
        return [*_findings(event.report), _summary(event.report)]
    return []


def of_report(report: Report) -> Iterator[bytes]:
    """The lines of a finished report, in the order in which a run would have given them."""
    yield _run(report.run, report.target)
    for seen in report.observations:
        yield _observation(seen)
    yield from _findings(report)
    yield _summary(report)


def render(report: Report) -> bytes:
    return b"".join(of_report(report))


def _line(kind: str, **fields: object) -> bytes:
    return dumps({"type": kind, **fields}) + b"\n"


def _run(run: Run, target: Target) -> bytes:
    return _line("run", schema=SCHEMA, run=run, target=target)


def _observation(seen: AnyObservation) -> bytes:
    return _line("observation", observation=seen)


def _findings(report: Report) -> list[bytes]:
    return [_line("finding", index=index, finding=found) for index, found in enumerate(report.findings)]


def _summary(report: Report) -> bytes:
    return _line(
        "summary",
        tool=report.tool,
        run=report.run,
        summary=report.summary,
        analysis=analysis_shape(report.analysis),
        verdicts=report.verdicts,
    )
