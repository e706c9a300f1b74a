"""Numbers and closed lists in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from semscheck.model.analysis import (
    DnsAnalysis,
    Method,
    Persistence,
    Reach,
    ResolverAnalysis,
    Rotation,
    Share,
    Termination,
)
from semscheck.model.failure import Cause
from semscheck.model.findings import Confidence, Owner, State
from semscheck.model.target import Severity
from semscheck.report import nagios, prometheus
from semscheck.report import wording as words
from semscheck.report.wording import Mark
from tests.report import reports

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "not measured"),
        (0.0, "0.0 ms"),
        (0.00084, "0.8 ms"),
        (0.012, "12 ms"),
        (0.9996, "1.0 s"),
        (1.44, "1.4 s"),
        (59.97, "1 min"),
        (125, "2 min 5 s"),
        (12_000, "3 h 20 min"),
        (90_000, "1 day 1 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not measured"),
        (0.0, "0 %"),
        (0.0001, "under 0.1 %"),
        (0.0894, "8.9 %"),
        (0.1, "10 %"),
        (0.834, "83 %"),
        (1.0, "100 %"),
    ],
)
def test_shares(value: float | None, text: str) -> None:
    assert words.percent(value) == text


def test_a_share_has_its_interval() -> None:
    share = Share(name="a", count=25, share=0.833, share_low=0.653, share_high=0.931)
    assert words.share(share) == "83 % (65–93 %)"


@pytest.mark.parametrize(("seconds", "text"), [(None, "not measured"), (30, "30 s"), (300, "300 s (5 min)")])
def test_times_to_live(seconds: int | None, text: str) -> None:
    assert words.ttl(seconds) == text


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (timedelta(days=200, hours=5), "200 days left"),
        (timedelta(days=1), "1 day left"),
        (timedelta(hours=5), "5 hours left"),
        (timedelta(hours=-5), "expired 5 hours ago"),
        (timedelta(days=-3), "expired 3 days ago"),
    ],
)
def test_days_left(left: timedelta, text: str) -> None:
    assert words.days_left(NOW + left, NOW) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (3, "just now"),
        (90, "1 minute ago"),
        (7200, "2 hours ago"),
        (3 * 86400, "3 days ago"),
        (-600, "in the future"),
    ],
)
def test_ages(ago: int, text: str) -> None:
    assert words.age(NOW - timedelta(seconds=ago), NOW) == text


@pytest.mark.parametrize(
    ("address", "port", "text"),
    [
        ("192.0.2.1", 443, "192.0.2.1:443"),
        ("2001:db8::1", 443, "[2001:db8::1]:443"),
        ("192.0.2.1", None, "192.0.2.1"),
    ],
)
def test_places(address: str, port: int | None, text: str) -> None:
    assert words.place(address, port) == text


def test_lists_are_counted_where_long() -> None:
    assert words.listed([]) == ""
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed([str(n) for n in range(1000)], 3) == "0, 1 and 998 more"


def test_the_worst_mark_follows_the_contract() -> None:
    assert words.worst(Mark.OK, Mark.WARNING, Mark.UNKNOWN) is Mark.UNKNOWN
    assert words.worst(Mark.UNKNOWN, Mark.CRITICAL) is Mark.CRITICAL
    assert words.worst() is Mark.NOT_TESTED


@pytest.mark.parametrize(
    ("table", "closed"),
    [
        (words.REACH, Reach),
        (words.METHOD, Method),
        (words.PERSISTENCE, Persistence),
        (words.TERMINATION, Termination),
        (words.ROTATION, Rotation),
        (words.CAUSE, Cause),
        (words.OWNER, Owner),
        (words.CONFIDENCE, Confidence),
        (words.STATE, State),
        (words.SYMBOLS, Mark),
        (words.LABELS, Mark),
    ],
)
def test_every_member_of_a_closed_list_has_words(table: dict[StrEnum, str], closed: type[StrEnum]) -> None:
    assert set(table) == set(closed)
    assert all(table.values())


def test_every_severity_has_a_mark_and_a_rank() -> None:
    assert {words.mark_of(level).value for level in Severity} == {level.value for level in Severity}
    assert set(words.SEVERITY_ORDER) == set(Severity)


def test_a_failure_of_a_later_version_is_shown_as_it_is() -> None:
    assert words.failure("refused") == "connection refused"
    assert words.failure("quantum") == "quantum"
    assert words.failure(None) == "not measured"


@pytest.mark.parametrize(
    ("resolvers", "addresses", "number"),
    [
        ((), (), None),
        ((ResolverAnalysis(server="a", failed=True),), (), None),
        ((ResolverAnalysis(server="a", rcode="SERVFAIL"),), (), None),
        (
            (ResolverAnalysis(server="a", rcode="REFUSED"), ResolverAnalysis(server="b", rcode="NXDOMAIN")),
            (),
            0,
        ),
        ((ResolverAnalysis(server="a", rcode="NOERROR"),), (), 0),
        ((ResolverAnalysis(server="a", rcode="NOERROR"),), ("192.0.2.1", "192.0.2.2"), 2),
        ((), ("192.0.2.1",), 1),  # the system's own resolution
    ],
)
def test_addresses_are_counted_where_a_server_told(
    resolvers: tuple[ResolverAnalysis, ...], addresses: tuple[str, ...], number: int | None
) -> None:
    dns = DnsAnalysis(resolvers=resolvers, addresses=addresses)
    assert words.address_count(dns) == number
    base = reports.failed()
    report = replace(base, analysis=replace(base.analysis, dns=dns))
    figure = "U" if number is None else str(number)
    assert f"'dns_addresses'={figure};" in nagios.render(report)
    assert ("\nsemscheck_dns_addresses{" in prometheus.render(report)) is (number is not None)
