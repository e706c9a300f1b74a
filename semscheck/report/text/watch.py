"""A watched failover in words: what changed when, for the lines of a terminal, the report and the screens. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from semscheck.model.analysis import Outage, OutageKind, WatchAnalysis
from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.text.lines import Line, Span, wrap
from semscheck.report.wording import SYMBOLS, Mark

BARS, FAILED = "▁▂▃▄▅▆▇█", "·"
USUAL = 4  # times the median is a whole bar, unless something took longer
SETTLED_TICKS = 3  # answered, after which it is known who answers


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the timeline. key: the same for the same change, however often it is told."""

    at: datetime
    key: str
    mark: Mark
    text: str


def changes(watch: WatchAnalysis, started: datetime) -> list[Change]:
    """What changed, in the order of time. started: of the run."""
    found = [*_of_names(watch), *_begin(watch, started)]
    found += [
        Change(mark.at, f"mark {mark.at} {mark.text}", Mark.INFO, f"mark: {mark.text}")
        for mark in watch.marks
    ]
    for outage in watch.outages:
        found += _of_outage(outage)
    return sorted(found, key=lambda change: change.at)


def settled(watch: WatchAnalysis, started: datetime, over: bool = False) -> list[Change]:
    """The changes that later connections will not make others. over: the watch has ended."""
    if over or not watch.started_s:
        return changes(watch, started)
    ticks = max(SETTLED_TICKS, 2 * len(watch.answered_by)) + 1
    sure = started + timedelta(seconds=watch.started_s[-1] - ticks * watch.every_s)
    found = changes(watch, started)
    return [change for change in found if change.at <= sure or not change.key.startswith(("end", "begin"))]


def _begin(watch: WatchAnalysis, started: datetime) -> Iterator[Change]:
    at = next((place for place, who in enumerate(watch.sequence) if who is not None), None)
    if at is not None and watch.sequence[at] is not None:
        name = watch.answered_by[watch.sequence[at] or 0].name
        when = started + timedelta(seconds=watch.started_s[at])
        took = f" ({words.duration(watch.latency_s)})" if watch.latency_s is not None else ""
        yield Change(when, "begin", Mark.OK, f"{name} answers{took}")


def _of_names(watch: WatchAnalysis) -> Iterator[Change]:
    for place, record in enumerate(watch.records):
        leads = f"leads to {words.listed(record.addresses)}" if record.addresses else "has no address"
        said = f"the name {leads}" if not place else f"the name now {leads}"
        yield Change(record.at, f"name {record.at}", Mark.INFO if record.addresses else Mark.CRITICAL, said)


def _of_outage(outage: Outage) -> Iterator[Change]:
    if outage.failed:
        why = f" ({_plain(outage.cause)})" if outage.cause else ""
        yield Change(outage.began, f"fail {outage.began}", Mark.CRITICAL, f"connections fail{why}")
    if outage.ended is not None:
        good = outage.kind in (OutageKind.TAKE_OVER, OutageKind.FAIL_BACK)
        yield Change(
            outage.ended, f"end {outage.began}", Mark.OK if good else Mark.UNKNOWN, outage_words(outage)
        )


def _plain(cause: str | None) -> str:
    return (cause or "").replace("-", " ")


def outage_words(outage: Outage) -> str:
    """ "take-over: sems2 for sems1, clients failed for 4.2 s"."""
    lost = sorted(set(outage.before) - set(outage.after)) or list(outage.before)
    gained = sorted(set(outage.after) - set(outage.before)) or list(outage.after)
    now, before = words.listed(gained), words.listed(lost)
    match outage.kind:
        case OutageKind.TAKE_OVER:
            what = f"take-over: {now} for {before}"
        case OutageKind.FAIL_BACK:
            what = f"fail-back: {now} is back" if len(gained) == 1 else f"fail-back: {now} are back"
        case OutageKind.SAME:
            what = f"answered again, by {now} as before"
        case OutageKind.LASTING:
            what = "not answered again"
        case OutageKind.UNKNOWN:
            what = "answered again; who answers is not known"
    likely = "" if outage.certain else " (likely: a restarted server may have a new key)"
    by = ", by other addresses of the name" if outage.by == "dns" else ""
    return f"{what}{by}{likely}, {lasted(outage)}"


def lasted(outage: Outage) -> str:
    """ "clients failed for 4.2 s", "1 of 3 connections failed for 12 s"."""
    if not outage.failed:
        return "no connection failed"
    of = "" if outage.failed == outage.ticks else f" ({outage.failed} of {outage.ticks} connections)"
    return f"clients failed for {words.duration(outage.length_s)}{of}"


def now(watch: WatchAnalysis) -> tuple[Mark, str]:
    """What answers at this moment, in a few words, for a line that is drawn again and again."""
    if not watch.ticks:
        return Mark.NOT_TESTED, "connecting"
    last = watch.outages[-1] if watch.outages else None
    if last is not None and last.ended is None:
        return Mark.CRITICAL, f"no answer for {words.duration(last.length_s)} ({_plain(last.cause)})"
    names = dict.fromkeys(watch.answered_by[at].name for at in watch.sequence[-6:] if at is not None)
    return Mark.OK, f"{words.listed([*names])} answers" if len(names) == 1 else _several([*names])


def _several(names: Sequence[str]) -> str:
    return f"{words.listed([*names])} answer in turn" if names else "answered; who answers is not known"


def timeline(watch: WatchAnalysis, started: datetime, columns: int, indent: str = "") -> list[Line]:
    """A line for each change, with the time of day in UTC."""
    lines: list[Line] = []
    for change in changes(watch, started):
        start = f"{indent}{clock(change.at)} {SYMBOLS[change.mark]} "
        first, *rest = wrap(one_line(change.text, 400), columns, start)
        symbol = Span(SYMBOLS[change.mark], change.mark.value)
        lines.append((Span(first[: len(start) - 2]), symbol, Span(first[len(start) - 1 :])))
        lines += [(Span(line),) for line in rest]
    return lines


def latency(watch: WatchAnalysis, columns: int) -> list[Line]:
    """The time to the answer of the newest connections, as bars up to the longest of them."""
    label = f"{words.duration(watch.latency_s)} in the median, at most "
    recent = watch.answered_s[-max(0, columns - 12) :]
    most = max((took for took in recent if took is not None), default=None)
    if most is None:
        return []
    scale = (len(BARS) - 1) / max(most, USUAL * (watch.latency_s or 0.0))
    bars = "".join(FAILED if took is None else BARS[round(took * scale)] for took in recent)
    return [
        (Span("latency  ", "dim"), Span(bars)),
        (Span(f"         {label}{words.duration(most)} here", "dim"),),
    ]


def clock(at: datetime) -> str:
    """The time of day in UTC, as logs have it."""
    return f"{at:%H:%M:%S}"
