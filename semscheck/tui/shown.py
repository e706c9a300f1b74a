"""What the screens show, while a run goes on and after it, as one value; `fold` adds what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

from semscheck.model.analysis import Analysis
from semscheck.model.events import Progressed
from semscheck.model.observations import AnyObservation, Certificate
from semscheck.model.report import Report, Run
from semscheck.model.target import Target
from semscheck.report import wording as words
from semscheck.report.figures import pictures
from semscheck.tui.bridge import Batch

LEAST_DONE = 3  # parts of a step, before its pace says anything


@dataclass(frozen=True, slots=True)
class Way:
    """How far a step is. first: the first that was told of it, which says when it began."""

    first: Progressed
    last: Progressed

    @classmethod
    def on(cls, event: Progressed, before: Mapping[str, Way]) -> Way:
        known = before.get(event.step)
        return cls(known.first if known else event, event)

    @property
    def is_done(self) -> bool:
        return self.last.total is not None and self.last.done >= self.last.total

    def estimate_s(self, left_s: float) -> float | None:
        """How long the step takes yet at its pace so far; None while too little of it is done to tell. left_s: until
        the deadline, now."""
        total, done = self.last.total, self.last.done - self.first.done
        if total is None or done < LEAST_DONE or self.is_done:
            return None
        return (self.first.left_s - left_s) / done * (total - self.last.done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything known of one run so far.

    progress: how far each step is that has begun, by its name. target: None until the run told it (a lab scenario
    makes its own). facts: how many observations came. newest: the last of them. certificates: seen so far, by
    fingerprint. report: set when the run has ended.
    """

    target: Target | None = None
    run: Run | None = None
    analysis: Analysis = field(default_factory=Analysis)
    progress: Mapping[str, Way] = field(default_factory=dict)
    facts: int = 0
    newest: AnyObservation | None = None
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    report: Report | None = None

    @property
    def now(self) -> datetime:
        """The time of the run, which decides how old a certificate is; replays judge as of then."""
        return self.run.started if self.run else datetime.now(UTC)

    @property
    def name(self) -> str:
        return words.target_name(self.target) if self.target else ""


def fold(shown: Shown, batch: Batch) -> Shown:
    """What is shown after this batch. A report replaces everything."""
    if batch.report is not None:
        return of_report(batch.report)
    if batch.started is not None:
        shown = replace(shown, target=batch.started.target, run=batch.started.run)
    if batch.observations:
        new = {it.fingerprint: it for it in batch.observations if isinstance(it, Certificate)}
        shown = replace(
            shown,
            facts=shown.facts + batch.dropped + len(batch.observations),
            newest=batch.observations[-1],
            certificates=MappingProxyType({**shown.certificates, **new}) if new else shown.certificates,
        )
    return replace(
        shown,
        progress={**shown.progress, **{it.step: Way.on(it, shown.progress) for it in batch.progress}},
        analysis=batch.analysis or shown.analysis,
    )


def of_report(report: Report) -> Shown:
    found = {it.fingerprint: it for it in report.observations if isinstance(it, Certificate)}
    return Shown(
        target=report.target,
        run=report.run,
        analysis=report.analysis,
        facts=len(report.observations),
        certificates=MappingProxyType(found),
        report=report,
    )


def path_of(shown: Shown) -> pictures.PathPicture | None:
    if shown.target is None or shown.analysis.watch is not None:
        return None
    return pictures.path_picture(
        shown.analysis,
        shown.target,
        findings=shown.report.findings if shown.report else (),
        vantage=shown.run.vantage if shown.run else None,
    )


def grid_of(shown: Shown) -> pictures.CertificateGrid | None:
    if shown.target is None:
        return None
    return pictures.certificate_grid(
        shown.analysis,
        shown.certificates,
        shown.target,
        shown.now,
        findings=shown.report.findings if shown.report else (),
    )
