"""The metrics: accepted by promtool, complete, and nothing said of what was not measured."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from semscheck.model.analysis import BalancingPath, Share
from semscheck.model.findings import ImpactKind, Owner
from semscheck.model.report import Impact, Report
from semscheck.report import prometheus
from semscheck.rules.printed import cards
from tests.report import reports
from tests.rig.process import program

LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (-?[0-9.e+-]+)')


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of an exposition; fails on a line that is none, and on a series that occurs twice."""
    read: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        matched = LINE.fullmatch(line)
        assert matched, line
        labels = tuple(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', matched[2] or ""))
        assert (matched[1], labels) not in read
        read[matched[1], labels] = float(matched[3])
    return read


def values(report: Report, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values of one metric by the values of some of its labels."""
    return {
        tuple(dict(found)[label] for label in labels): value
        for (metric, found), value in samples(prometheus.render(report)).items()
        if metric == name
    }


@pytest.mark.real
@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_promtool_accepts_it(make: Callable[[], Report]) -> None:
    text = prometheus.render(make())
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.real
def test_promtool_would_notice() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=prometheus.render(reports.healthy()) * 2,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_names_labels_and_types_are_those_of_the_table(make: Callable[[], Report]) -> None:
    text = prometheus.render(make())
    known = {metric.name: metric for metric in prometheus.METRICS}
    for name, labels in samples(text):
        assert [label for label, _ in labels] == ["target", *known[name].labels]
    types = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert types == [(name, known[name].type) for name, _ in types]
    assert len({name for name, _ in types}) == len(types)


def test_a_healthy_cluster() -> None:
    report = reports.healthy()
    assert values(report, "semscheck_up") == {(): 1}
    assert values(report, "semscheck_verdict", "verdict") == {
        ("ok",): 1,
        ("warning",): 0,
        ("critical",): 0,
        ("unknown",): 0,
    }
    assert values(report, "semscheck_info", "version") == {("1.0.0",): 1}
    assert values(report, "semscheck_last_run_timestamp_seconds") == {(): 1772368200.123}
    assert values(report, "semscheck_address_serves", "address", "port") == {("192.0.2.100", "443"): 1}
    assert values(report, "semscheck_balancing_connections", "result") == {
        ("identified",): 32,
        ("unidentified",): 0,
        ("failed",): 0,
    }
    assert values(report, "semscheck_balancing_method", "method")["single",] == 1
    assert values(report, "semscheck_balancing_tls_terminated") == {(): 0}
    bound = values(report, "semscheck_balancing_other_share_max_ratio")[()]
    assert bound == pytest.approx(0.0894, abs=1e-4)
    expiry = values(report, "semscheck_certificate_not_after_timestamp_seconds", "address")
    assert expiry["192.0.2.100",] == pytest.approx(1772368200 + 200 * 86400 + 3600, abs=1)


def test_codes_are_fixed_and_0_or_1_but_where_not_observed() -> None:
    report = reports.round_robin()
    found = values(report, "semscheck_finding", "code")
    assert {code for (code,), value in found.items() if value == 1} == {
        "BAL001",
        "BAL007",
        "CLU002",
        "NET001",
    }
    assert set(found.values()) == {0, 1}
    assert {(verdict.code,) for verdict in report.verdicts} - set(found) == {("BAL014",), ("SVC001",)}
    assert values(report, "semscheck_rules", "state")["not-observed",] == 2


def test_there_is_no_sample_of_what_was_not_measured() -> None:
    text = prometheus.render(reports.failed())
    names = {name for name, _ in samples(text)}
    assert "semscheck_dns_addresses" in names
    assert not names & {
        "semscheck_run_duration_seconds",
        "semscheck_dns_min_ttl_seconds",
        "semscheck_address_serves",
        "semscheck_connect_seconds",
        "semscheck_certificate_not_after_timestamp_seconds",
        "semscheck_balancing_connections",
    }
    assert "# TYPE semscheck_run_duration_seconds" not in text
    assert values(reports.failed(), "semscheck_up") == {(): 0}
    refused = values(reports.round_robin(), "semscheck_connect_seconds", "address")
    assert ("198.51.100.13",) not in refused
    assert (
        values(reports.round_robin(), "semscheck_member_interface_serves", "member", "interface")[
            "sems3.example.com", "client"
        ]
        == 0
    )


def test_several_targets_in_one_exposition_have_each_heading_once() -> None:
    one = prometheus.families(reports.healthy(), {"target": "a"})
    two = prometheus.families(reports.round_robin(), {"target": "b"})
    text = prometheus.exposition([*one, *two])
    assert len(re.findall("^# TYPE semscheck_up ", text, re.MULTILINE)) == 1
    assert len(samples(text)) == sum(len(family.points) for family in (*one, *two))


def test_constant_labels_are_the_callers() -> None:
    assert prometheus.families(reports.healthy())[1].points[0].labels == ()
    other_port = replace(reports.healthy(), target=replace(reports.target(), port=8443))
    assert values(other_port, "semscheck_up", "target") == {("keys.example.com:8443",): 1}


def test_a_server_without_a_name_is_called_after_its_key_in_every_run() -> None:
    def shares(report: Report) -> dict[tuple[str, ...], float]:
        return values(report, "semscheck_balancing_share_ratio", "member")

    def answered(*members: Share, keys: tuple[str, ...] = (), by: str = "ticket-key") -> Report:
        path = BalancingPath(address="192.0.2.100", members=members, ticket_keys=keys, identified_by=by)
        report = reports.healthy()
        analysis = replace(report.analysis, paths=(path,))
        return replace(report, analysis=analysis, target=replace(report.target, members=()))

    def share(name: str, part: float, *keys: str) -> Share:
        return Share(name=name, count=8, share=part, share_low=part / 2, share_high=1.0, keys=keys)

    before = answered(share("server A", 0.75, "3f01ab"), share("server B", 0.25, "77c2", "9001"))
    assert shares(before) == {("key 3f0",): 0.75, ("key 77c",): 0.25}
    after = answered(share("server A", 1.0, "77c2"))
    assert shares(after) == {("key 77c",): 1.0}  # another colour, though the report calls it server A again
    assert shares(answered(share("member A", 1.0), keys=("77c2",), by="http-cookie")) == shares(after)
    assert shares(answered(share("sems1", 1.0), keys=("77c2",), by="balancer-cookie")) == {("sems1",): 1.0}
    named = replace(
        after,
        target=reports.target(),
        analysis=replace(after.analysis, paths=reports.healthy().analysis.paths),
    )
    assert not any("key" in name for (name,) in shares(named))


def test_what_users_notice_and_the_cause_are_closed_lists_with_a_sample_that_holds() -> None:
    report = reports.round_robin()
    told = replace(
        report.summary,
        impact=Impact(kind=ImpactKind.SESSIONS_LOST, sentence="x"),
        lead=0,
        owners=(Owner.BALANCER, Owner.SERVER),
    )
    impact = values(replace(report, summary=told), "semscheck_impact", "kind")
    assert {kind for kind, value in impact.items() if value} == {("sessions-lost",)}
    assert {kind for (kind,) in impact} == {kind.value for kind in ImpactKind}
    cause = values(replace(report, summary=told), "semscheck_cause", "code", "owner")
    assert cause == {(report.findings[0].code, "balancer"): 1}
    for old in (None, 10_000, -1):
        nothing = replace(report, summary=replace(report.summary, impact=None, lead=old))
        assert values(nothing, "semscheck_impact", "kind") == values(nothing, "semscheck_cause", "code") == {}


def test_the_catalogue_is_there_to_join_with() -> None:
    text = prometheus.render(reports.healthy(), cards())
    told = {labels for (name, labels) in samples(text) if name == "semscheck_rule_info"}
    assert len(told) == len(tuple(cards()))
    expected = ("code", "BAL001"), ("name", "round-robin"), ("owner", "balancer"), ("severity", "critical")
    assert (("target", "keys.example.com"), *expected) in told


def test_the_documentation_has_every_metric() -> None:
    table = prometheus.table(prometheus.METRICS)
    assert all(f"| `{metric.name}` | {metric.type} |" in table for metric in prometheus.METRICS)
    assert all(metric.help and not metric.help.startswith(metric.name) for metric in prometheus.METRICS)
