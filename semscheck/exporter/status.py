"""The page that shows what was probed lately, in the clothes of the HTML report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from semscheck import __version__
from semscheck.exporter.history import Entry, History
from semscheck.exporter.runs import Runs
from semscheck.model.findings import Status
from semscheck.model.target import Target
from semscheck.report import wording as words
from semscheck.report.escape import html as esc
from semscheck.report.html.page import Column, table
from semscheck.report.html.style import page as document
from semscheck.report.html.style import state
from semscheck.report.wording import Mark

SHOWN_TARGETS = 500
_WORST = {None: 0, Status.CRITICAL: 1, Status.UNKNOWN: 2, Status.WARNING: 3, Status.OK: 4}


def page(targets: Mapping[str, Target], history: History, runs: Runs) -> str:
    """The whole page: every target with its last run, the worst first; then recent runs, the newest first."""
    now = datetime.now(UTC)
    body = (
        f'<div class="wrap"><div class="top"><b>semscheck exporter</b><span>{esc(__version__)}, '
        f"{runs.running} running, {runs.waiting} waiting</span></div><main>"
        f"<h1>{words.count(len(targets), 'target')}</h1>"
        '<p class="soft">The last run of each, the worst first. A name begins a run, or shows the one under way.</p>'
        f"{_targets(targets, history, now)}<h2>Recent runs</h2>{_recent(history, now)}</main>"
        f'<footer>{now:%Y-%m-%d %H:%M:%S} UTC. <a href="metrics">Metrics of the exporter</a>. '
        f"{history.reports} reports kept.</footer></div>"
    )
    return document("semscheck exporter", body)


def _targets(targets: Mapping[str, Target], history: History, now: datetime) -> str:
    known = sorted(history.last(targets), key=_badness)
    lines = [
        _line(name, words.target_name(targets[name]), entry, history, now)
        for name, entry in known[:SHOWN_TARGETS]
    ]
    more = len(known) - len(lines)
    said = f'<p class="soft">and {more} more</p>' if more > 0 else ""
    return f'<div class="card">{_table(lines)}{said}</div>'


def _badness(known: tuple[str, Entry | None]) -> tuple[int, str]:
    name, entry = known
    return (5 if entry is None else _WORST[entry.status]), name


def _recent(history: History, now: datetime) -> str:
    lines = [_line(entry.target, entry.fqdn, entry, history, now) for entry in history.recent()]
    if not lines:
        return '<p class="soft">None yet. A scrape of <code>/probe?target=NAME</code> begins one.</p>'
    return f'<div class="card">{_table(lines)}</div>'


_COLUMNS = (
    Column("Target", 18, names=True),
    Column("Verdict", 12),
    Column("What users notice"),
    Column("When", 12),
    Column("Took", 6, "num"),
    Column("Evidence", 12),
)


def _table(lines: list[tuple[str, ...]]) -> str:
    return table(_COLUMNS, lines)


def _line(name: str, fqdn: str, entry: Entry | None, history: History, now: datetime) -> tuple[str, ...]:
    """A row's cells; all but the first are empty until there was a run."""
    who = f'<a href="probe?target={esc(name)}">{esc(name)}</a><br><span class="soft small">{esc(fqdn)}</span>'
    if entry is None:
        return (who, state(Mark.NOT_TESTED), '<span class="soft">no run yet</span>', "", "", "")
    return (
        who,
        state(words.mark_of(entry.status) if entry.status is not None else Mark.UNKNOWN),
        _told(entry),
        f'<time datetime="{entry.at:%Y-%m-%dT%H:%M:%SZ}">{words.age(entry.at, now)}</time>',
        f"{entry.took_s:.1f} s",
        _links(entry, history),
    )


def _told(entry: Entry) -> str:
    """What users notice; the other first lines of the report unfold."""
    said = esc(entry.headline, 300)
    if not entry.more:
        return said
    lines = "".join(f"<p><b>{esc(line.label)}</b> {esc(line.text, 600)}</p>" for line in entry.more)
    return f"<details><summary>{said}</summary>{lines}</details>"


def _links(entry: Entry, history: History) -> str:
    if not history.has(entry.id):
        return '<span class="soft">not kept</span>'
    links = f'<a href="reports/{entry.id}.html">report</a>, <a href="reports/{entry.id}.json">JSON</a>'
    return f"<span>{links}</span>"
