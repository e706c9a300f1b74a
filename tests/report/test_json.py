"""The report as JSON: the contract's shape, the same report back, and one clear line for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semscheck.model.analysis import Analysis
from semscheck.model.observations import Sample
from semscheck.model.report import Report
from semscheck.report import jsonl
from semscheck.report.json import MAX_BYTES, ReportError, decode, encode, read
from tests.report import reports


@pytest.fixture(scope="module")
def document() -> dict[str, object]:
    return json.loads(encode(reports.round_robin()))  # type: ignore[no-any-return]


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_report_comes_back_as_it_was(make: Callable[[], Report], indent: int | None) -> None:
    report = make()
    assert decode(encode(report, indent)) == report


def test_the_order_and_names_of_the_contract(document: dict[str, object]) -> None:
    assert list(document) == [
        "schema",
        "tool",
        "run",
        "target",
        "summary",
        "analysis",
        "findings",
        "verdicts",
        "observations",
    ]
    assert document["schema"] == "semscheck/report/1"
    assert next(iter(document["target"])) == "fqdn"  # type: ignore[call-overload]
    balancing = document["analysis"]["balancing"]  # type: ignore[index]
    assert {"address", "method", "persistence", "samples", "identified_by", "members", "paths"} <= set(
        balancing
    )
    assert set(balancing["members"][0]) == {"name", "count", "share", "share_low", "share_high", "keys"}
    assert balancing["paths"][0]["method"] == balancing["method"] == "rotating"


def test_times_are_utc_with_z_and_what_was_not_measured_is_null(document: dict[str, object]) -> None:
    assert document["run"]["started"] == "2026-03-01T12:30:00.123456Z"  # type: ignore[index]
    assert document["analysis"]["balancing"]["vendor"] is None  # type: ignore[index]
    unfinished = json.loads(encode(reports.failed()))
    assert unfinished["run"]["finished"] is None
    assert unfinished["run"]["duration_s"] is None
    assert unfinished["analysis"]["balancing"] is None


def test_the_worst_path_may_be_any_of_the_paths() -> None:
    report = reports.round_robin()
    first = replace(report.analysis.paths[0], address="192.0.2.99")
    worst = replace(report.analysis.paths[0], address="192.0.2.98", method=report.analysis.paths[0].method)
    report = replace(report, analysis=replace(report.analysis, paths=(first, worst), balancing=worst))
    assert decode(encode(report)) == report


def test_unknown_fields_are_ignored(document: dict[str, object]) -> None:
    grown = json.loads(json.dumps(document))
    for place in (grown, grown["run"], grown["target"], grown["analysis"], grown["findings"][0]):
        place["of_a_later_version"] = {"deep": [1]}
    grown["observations"][0]["later"] = True
    assert decode(json.dumps(grown).encode()) == reports.round_robin()


def test_observations_of_unknown_kinds_are_left_out_and_counted(document: dict[str, object]) -> None:
    later = [{"id": f"q-{n}", "kind": "quic.handshake", "at_s": 1.0, "odd": []} for n in range(3)]
    grown = {**document, "observations": [*document["observations"], *later]}  # type: ignore[misc]
    reading = read(json.dumps(grown).encode())
    assert reading.ignored == {"quic.handshake": 3}
    assert reading.report == reports.round_robin()


WHOLE = encode(reports.healthy())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "truncated"),
        (WHOLE[: len(WHOLE) // 2], "truncated"),
        (WHOLE + b"{}", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"<html>", "no JSON"),
        (b"null", 'no "schema"'),
        (b"[1]", 'no "schema"'),
        (b'{"hello": 1}', 'no "schema"'),
        (b'{"schema": 1}', 'no "schema"'),
        (b'{"schema": "sarif"}', 'its schema is "sarif"'),
        (b'{"schema": "semscheck/comparison/1"}', 'its schema is "semscheck/comparison/1"'),
        (b'{"schema": "semscheck/report/2"}', "newer semscheck"),
        (b'{"schema": "semscheck/report/99999999999999"}', "not a semscheck report"),
        (b'{"schema": "\\u001b[31m"}', "\\x1b[31m"),
        (b'{"schema": "semscheck/report/1"}', "missing required field"),
        (b'{"a":' * 200_000, "too deeply"),
        (WHOLE.replace(b'"port":443', b'"port":"443"', 1), "$.target.port"),
        (WHOLE.replace(b'"kind":"sample"', b'"kind":7', 1), "observation"),
        (WHOLE.replace(b'"method":"single"', b'"method":"psychic"', 1), "$.analysis.balancing.method"),
        (WHOLE.replace(b'"caused_by":null', b'"caused_by":0', 1), "caused_by leads nowhere"),
        (WHOLE.replace(b'"caused_by":null', b'"caused_by":-1', 1), "caused_by leads nowhere"),
        (WHOLE.replace(b'"id":"dns-2"', b'"id":"dns-1"', 1), "one id"),
        (WHOLE.replace(b'123456Z"', b'123456"', 1), "no time zone"),
    ],
)
def test_what_is_no_report_gives_one_clear_line(data: bytes, words: str) -> None:
    with pytest.raises(ReportError) as raised:
        decode(data)
    message = str(raised.value)
    assert words in message
    assert message.isprintable()
    assert len(message) < 300


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(ReportError, match="too large"):
        decode(b" " * (MAX_BYTES + 1))


def test_every_truncation_is_refused() -> None:
    data = encode(reports.failed())
    for end in range(0, len(data), 97):
        with pytest.raises(ReportError):
            decode(data[:end])


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 5000))
def test_a_damaged_report_never_raises_anything_else(noise: bytes, where: int) -> None:
    data = encode(reports.failed())
    with suppress(ReportError):
        decode(data[:where] + noise + data[where + len(noise) :])


def test_a_lone_surrogate_still_gives_a_document() -> None:
    report = reports.healthy()
    report = replace(report, target=replace(report.target, profile="caf\udce9.toml"))
    assert decode(encode(report)).target.profile == "caf\\udce9.toml"


UNSEEN = "\x7f\x85\u00ad\u061c\u180e\u200b\u200e\u2028\u2029\u202e\u2066\ufeff\ufff9\U000e0041"


@pytest.mark.parametrize("indent", [None, 2])
def test_what_cannot_be_seen_is_an_escape_and_reads_back_as_it_was(indent: int | None) -> None:
    seen = "schlüssel 键 \U0001f511"
    report = reports.healthy()
    report = replace(report, target=replace(report.target, profile=f"a{UNSEEN}b\x1b[31mc {seen}"))
    for data in (encode(report, indent=indent), jsonl.render(report)):
        text = data.decode()
        assert not set(f"{UNSEEN}\x1b").intersection(text)
        assert "\\u202e" in text
        assert "\\udb40\\udc41" in text  # beyond the basic plane: a pair of surrogates (RFC 8259 section 7)
        assert seen in text
    assert decode(encode(report, indent=indent)).target.profile == report.target.profile
    assert json.loads(jsonl.render(report).split(b"\n")[0])["target"]["profile"] == report.target.profile


def test_numbers_that_are_none_become_null() -> None:
    report = reports.healthy()
    report = replace(report, run=replace(report.run, duration_s=float("nan")), analysis=Analysis())
    assert json.loads(encode(report))["run"]["duration_s"] is None


def test_the_size_stated_for_a_big_report() -> None:
    data = encode(reports.big(), indent=2)
    assert len(data) < 1_000_000
    assert isinstance(decode(data).run.started, datetime)


def test_twenty_thousand_findings_are_refused_at_once() -> None:
    """Each one caused by the one before: the check of the causes took 27 s for 2 MiB."""
    report = reports.round_robin()
    finding = report.findings[0]
    chain = tuple(replace(finding, caused_by=index - 1 if index else None) for index in range(20_000))
    began = process_time()
    for findings in (chain, chain[:5_000]):
        with pytest.raises(ReportError):
            decode(encode(replace(report, findings=findings)))
    assert process_time() - began < 5


def test_causes_in_a_circle_or_out_of_range_are_refused() -> None:
    report = reports.round_robin()
    finding = report.findings[0]
    for causes in ((1, 0), (0,), (7,), (-1,), (1, 2, 3, 1)):
        findings = tuple(replace(finding, caused_by=cause) for cause in causes)
        with pytest.raises(ReportError, match="leads nowhere"):
            decode(encode(replace(report, findings=findings)))
    ok = tuple(replace(finding, caused_by=cause) for cause in (None, 0, 1, 0))
    assert len(decode(encode(replace(report, findings=ok))).findings) == 4


def test_more_of_anything_than_a_run_writes_is_refused() -> None:
    report = reports.round_robin()
    sample = next(one for one in report.observations if isinstance(one, Sample))
    samples = tuple(replace(sample, id=f"many-{number}") for number in range(6_401))
    with pytest.raises(ReportError, match="connections"):
        decode(encode(replace(report, observations=samples)))
    members = report.target.members[:1] * 101
    with pytest.raises(ReportError, match="members"):
        decode(encode(replace(report, target=replace(report.target, members=members))))


@pytest.mark.parametrize("when", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
def test_a_run_of_no_time_is_refused(when: datetime) -> None:
    """Whatever is reckoned from it is no date: rules crashed, and the comparison."""
    report = reports.round_robin()
    with pytest.raises(ReportError, match="the year"):
        decode(encode(replace(report, run=replace(report.run, started=when))))
