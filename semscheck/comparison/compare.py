"""Several runs against one FQDN: what changed with time, and what differs with place.

Pure. Runs from one place are compared in the order of time; runs from different places that were made at the
same time are held against each other, which is how persistence by source address, split-horizon DNS and a
blocked site are told. What one run did not measure is never a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from semscheck.comparison.changes import changes
from semscheck.comparison.places import CODE, Sites, contrasts, judge_sites
from semscheck.comparison.sides import SAME_TIME_S, Seat, gatherings, measured_nothing, seats, side
from semscheck.model.comparison import (
    OUTCOME_EXIT_CODES,
    Change,
    Comparison,
    Contrast,
    Direction,
    Gathering,
    Outcome,
)
from semscheck.model.findings import Card, Role, State, Status, Verdict
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.redaction.report import KEY_OPTION


def compare(reports: Sequence[Report], *, card: Card | None = None) -> Comparison:
    """What two or more reports tell together. card: the catalogue's of BAL014, for its words.

    Raises ValueError for fewer than two reports.
    """
    if len(reports) < 2:
        raise ValueError("two reports at least are needed for a comparison")
    runs = seats(reports)
    problems = _problems(runs)
    if problems:
        return _not_comparable(runs, problems)
    groups = gatherings(runs)
    severity = reports[0].target.severities.get(CODE)
    sites = judge_sites(groups, card=card, severity=severity)
    pairs = _pairs(runs, groups)
    changed = tuple(change for earlier, later in pairs for change in changes(earlier, later))
    differing = tuple(
        contrast
        for _, group in groups
        for contrast in contrasts(group)
        if sites.finding is None or contrast.kind != "members"  # BAL014 says that already
    )
    outcome = _outcome(pairs, changed, differing, sites)
    return Comparison(
        tool=reports[0].tool,
        outcome=outcome,
        exit_code=OUTCOME_EXIT_CODES[outcome],
        headline=_headline(runs, outcome, changed, differing, sites),
        fqdn=reports[0].target.fqdn,
        sides=tuple(map(side, runs)),
        sites_verdict=sites.verdict,
        sites=sites.finding,
        gatherings=tuple(gathering for gathering, _ in groups),
        same_time_s=SAME_TIME_S,
        contrasts=differing,
        changes=changed,
        notes=tuple(_notes(runs, groups, pairs, sites)),
    )


# --- whether they can be compared ----------------------------------------------------------------------------


def _problems(runs: Sequence[Seat]) -> tuple[str, ...]:
    first = runs[0]
    found: list[str] = []
    for seat in runs[1:]:
        if seat.report.schema != first.report.schema:
            found.append(f"{seat.label} has schema {seat.report.schema}, {first.label} {first.report.schema}")
        elif seat.report.run.redacted != first.report.run.redacted:
            found.append(f"of {first.label} and {seat.label} one is redacted and the other is not")
        elif seat.report.run.redacted and not _same_key(first, seat):
            found.append(f"{first.label} and {seat.label} are redacted with different keys")
        elif seat.report.target.fqdn != first.report.target.fqdn:
            names = f"{first.report.target.fqdn} and {seat.report.target.fqdn}"
            found.append(f"{first.label} and {seat.label} are about different names: {names}")
        elif seat.report.target.port != first.report.target.port:
            ports = f"{first.report.target.port} and {seat.report.target.port}"
            found.append(f"{first.label} and {seat.label} are about different ports: {ports}")
    found += [
        f"{seat.label} measured nothing: {seat.report.summary.headline}"
        for seat in runs
        if measured_nothing(seat)
    ]
    return tuple(found)


def _same_key(one: Seat, other: Seat) -> bool:
    """Documents without the mark of a key may have any."""
    first, second = (seat.report.run.options.get(KEY_OPTION) for seat in (one, other))
    return first is not None and first == second


def _not_comparable(runs: Sequence[Seat], problems: tuple[str, ...]) -> Comparison:
    return Comparison(
        tool=runs[0].report.tool,
        outcome=Outcome.NOT_COMPARABLE,
        exit_code=OUTCOME_EXIT_CODES[Outcome.NOT_COMPARABLE],
        headline=f"These reports cannot be compared: {problems[0]}.",
        fqdn=runs[0].report.target.fqdn,
        sides=tuple(map(side, runs)),
        sites_verdict=Verdict(CODE, State.NOT_OBSERVED, "the reports cannot be compared"),
        same_time_s=SAME_TIME_S,
        problems=problems,
    )


# --- which with which ----------------------------------------------------------------------------------------

Groups = Sequence[tuple[Gathering, Sequence[Seat]]]


def _pairs(runs: Sequence[Seat], groups: Groups) -> tuple[tuple[Seat, Seat], ...]:
    """Each run with the one before it from the same place; without one, with the run before it in time,
    unless they were made at the same time, which is another question."""
    together = [set(gathering.labels) for gathering, _ in groups]
    ordered = sorted(runs, key=lambda seat: (seat.started, seat.label))
    pairs = []
    for index, later in enumerate(ordered):
        before = ordered[:index]
        same_place = next((seat for seat in reversed(before) if seat.where == later.where), None)
        if same_place is not None:
            pairs.append((same_place, later))
        elif before and not any(later.label in group for group in together):
            pairs.append((before[-1], later))
    return tuple(pairs)


# --- what it comes to ----------------------------------------------------------------------------------------


def _outcome(
    pairs: Sequence[tuple[Seat, Seat]], changed: Sequence[Change], differing: Sequence[Contrast], sites: Sites
) -> Outcome:
    if any(contrast.critical for contrast in differing) or any(_to_critical(*pair) for pair in pairs):
        return Outcome.WORSE
    if sites.finding is not None and sites.finding.severity is Severity.CRITICAL:
        return Outcome.WORSE
    return Outcome.CHANGED if changed or differing or sites.finding else Outcome.SAME


def _to_critical(earlier: Seat, later: Seat) -> bool:
    """The verdict became critical, or a finding that stands for itself is critical and was not before."""
    if (
        later.report.summary.verdict is Status.CRITICAL
        and earlier.report.summary.verdict is not Status.CRITICAL
    ):
        return True
    before = earlier.findings
    return any(
        found.severity is Severity.CRITICAL
        and found.caused_by is None
        and (key not in before or before[key].severity is not Severity.CRITICAL)
        for key, found in later.findings.items()
    )


def _headline(
    runs: Sequence[Seat],
    outcome: Outcome,
    changed: Sequence[Change],
    differing: Sequence[Contrast],
    sites: Sites,
) -> str:
    """One sentence: the most important thing, and how much more there is."""
    fqdn = runs[0].report.target.fqdn_shown or runs[0].report.target.fqdn
    if outcome is Outcome.SAME:
        return f"{fqdn}: nothing that was measured differs between {', '.join(seat.label for seat in runs)}."
    told = [sites.finding.summary] if sites.finding else []
    told += [*(contrast.summary for contrast in differing), *(change.summary for change in changed)]
    if outcome is Outcome.WORSE:
        worse = [it.summary for it in differing if it.critical and it.kind != "verdict"]
        worse += [it.summary for it in changed if it.direction is Direction.WORSE and it.kind != "verdict"]
        told = worse + told
    first = next(filter(None, told), "")
    more = len(changed) + len(differing) - 1
    return first + (f" {more} more {'difference' if more == 1 else 'differences'}." if more > 0 else "")


def _notes(
    runs: Sequence[Seat], groups: Groups, pairs: Sequence[tuple[Seat, Seat]], sites: Sites
) -> Iterator[str]:
    """What has to be known to read the rest."""
    for gathering, _ in groups:
        gap = "overlap" if gathering.gap_s == 0 else f"lie at most {gathering.gap_s:.0f} s apart"
        yield f"{', '.join(gathering.labels)} count as made at the same time: their runs {gap}."
    if sites.note:
        yield sites.note
    for earlier, later in pairs:
        if earlier.where != later.where:
            yield (
                f"{earlier.called} and {later.called} differ in place and in time: what differs between them may "
                "be due to either."
            )
    for seat in runs:
        if seat.report.run.finished is None or any(
            found.role is Role.CUT_SHORT for found in seat.report.findings
        ):
            yield f"{seat.called} was not complete: what it did not measure is not compared."
    identities = [seat.report.run.id for seat in runs]
    if len(set(identities)) < len(identities):
        yield "Some of the reports are of one and the same run."
