"""Evidence is kept compressed, and bounded in number and bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from semscheck.exporter.history import Entry, History
from semscheck.model.findings import Status
from semscheck.report import json
from tests.report import reports

AT = datetime(2030, 1, 1, tzinfo=UTC)


def entry(number: int, target: str = "keys") -> Entry:
    return Entry(target, "keys.example.com", AT, 1.0, Status.OK, f"headline {number}", f"{number:x}")


def test_the_evidence_comes_back_as_it_was() -> None:
    history = History(10, 10)
    report = replace(reports.round_robin(), run=replace(reports.run(), id="1"))
    history.add(entry(1), report)
    data = history.evidence("1")
    assert data is not None
    assert json.decode(data) == report
    assert 0 < history.kept_bytes < len(data) / 3
    assert history.evidence("2") is None


def test_what_was_dumped_is_loaded_again_within_the_bounds() -> None:
    history = History(10, 10)
    report = replace(reports.round_robin(), run=replace(reports.run(), id="1"))
    for number in (1, 2, 3):
        history.add(entry(number), report)
    again, smaller, other = History(10, 10), History(1, 10), History(10, 10)
    for one in (again, smaller):
        one.load(history.dump())
    assert (again.recent(), again.last(["keys"])) == (history.recent(), history.last(["keys"]))
    assert (again.evidence("2"), again.kept_bytes) == (history.evidence("2"), history.kept_bytes)
    assert (smaller.reports, smaller.has("3")) == (1, True)
    other.load(history.dump()[:-1])  # of a version that had other fields
    assert (other.reports, other.recent()) == (0, ())


def test_the_oldest_go_first_by_number_and_by_bytes() -> None:
    history = History(3, 10)
    report = reports.round_robin()
    for number in range(6):
        history.add(entry(number), report)
    assert [history.has(f"{number:x}") for number in range(6)] == [False] * 3 + [True] * 3
    one = history.kept_bytes // 3
    history.resize(100, 2.5 * one / 1024 / 1024)
    assert history.reports == 2
    history.resize(0, 10)
    assert (history.reports, history.kept_bytes) == (0, 0)
    history.add(entry(7), report)
    assert history.reports == 0
    assert history.recent()[0].headline == "headline 7"


def test_a_report_larger_than_all_room_is_not_kept() -> None:
    history = History(10, 0.001)
    history.add(entry(1), reports.big())
    assert (history.reports, history.kept_bytes) == (0, 0)


def test_recent_runs_are_bounded_and_each_target_has_its_last() -> None:
    history = History(0, 0, recent=5)
    for number in range(20):
        history.add(entry(number, f"t{number % 10}"), None)
    assert [one.headline for one in history.recent()] == [
        f"headline {number}" for number in (19, 18, 17, 16, 15)
    ]
    last = dict(history.last(["t0", "t9", "new"]))
    assert [one and one.headline for one in last.values()] == ["headline 10", "headline 19", None]
    history.forget_targets(frozenset({"t9"}))
    assert dict(history.last(["t0"])) == {"t0": None}
