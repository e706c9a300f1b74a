"""JSON lines, from a run as it goes and from a report afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from semscheck.model.events import Event, Finished, Inferred, Observed, Progressed, Started
from semscheck.model.report import Report
from semscheck.report import jsonl
from tests.report import reports


def _lines(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.removesuffix(b"\n").split(b"\n")]


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_one_object_a_line_in_the_order_of_a_run(make: Callable[[], Report]) -> None:
    report = make()
    lines = _lines(jsonl.render(report))
    kinds = [
        "run",
        *["observation"] * len(report.observations),
        *["finding"] * len(report.findings),
        "summary",
    ]
    assert [line["type"] for line in lines] == kinds
    assert lines[0]["schema"] == "semscheck/events/1"
    assert lines[0]["target"]["fqdn"] == report.target.fqdn
    assert lines[-1]["summary"]["verdict"] == report.summary.verdict.value


def test_a_live_run_gives_the_same_lines() -> None:
    report = reports.round_robin()
    events: list[Event] = [
        Started(report.target, report.run),
        Progressed("names", 1, None, 59.0),
        *(Observed(seen) for seen in report.observations),
        Inferred(report.analysis),
        Finished(report),
    ]
    assert b"".join(line for event in events for line in jsonl.of_event(event)) == jsonl.render(report)


def test_a_finding_says_which_one_caused_it() -> None:
    findings = [line for line in _lines(jsonl.render(reports.round_robin())) if line["type"] == "finding"]
    assert [(line["index"], line["finding"]["caused_by"]) for line in findings] == [
        (0, None),
        (1, 0),
        (2, None),
        (3, 2),
    ]


def test_the_summary_has_the_contracts_analysis() -> None:
    summary = _lines(jsonl.render(reports.healthy()))[-1]
    assert summary["analysis"]["balancing"]["paths"][0]["method"] == "single"
