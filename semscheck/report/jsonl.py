"""JSON lines: what is seen, as it is seen, one JSON object a line; a summary last.

Every line has `type`: "run" (first), "observation", "finding", "summary" (last). Findings need the whole
picture, so they come when the run has ended, before the summary.
"""

from __future__ import annotations

from semscheck.model.events import Event, Finished, Observed, Started
from semscheck.model.report import Report
from semscheck.report.json import analysis_shape, dumps

SCHEMA = "semscheck/events/1"


def of_event(event: Event) -> list[bytes]:
    """The lines that an event gives, each with its line's end; none for progress and interim analyses."""
    match event:
        case Started():
            return [_line("run", schema=SCHEMA, run=event.run, target=event.target)]
        case Observed():
            return [_line("observation", observation=event.observation)]
        case Finished():
            return [*_findings(event.report), _summary(event.report)]
    return []


def render(report: Report) -> bytes:
    """The lines of a finished report, in the order in which a run would have given them."""
    seen = map(Observed, report.observations)
    events: list[Event] = [Started(report.target, report.run), *seen, Finished(report)]
    return b"".join(line for event in events for line in of_event(event))


def _line(kind: str, **fields: object) -> bytes:
    return dumps({"type": kind, **fields}) + b"\n"


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
