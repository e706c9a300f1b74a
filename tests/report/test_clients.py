"""Who can connect, in the text and in HTML: in full where asked for, in short where only some are refused."""

from __future__ import annotations

from dataclasses import replace

from semscheck.model.analysis import Access, Client, ClientAccess, Obstacle
from semscheck.model.report import Report
from semscheck.report.clients import client_groups, some_cannot
from semscheck.report.html.page import render as html
from semscheck.report.text.page import render as text
from tests.report import reports

WHY = Obstacle("validity", "its certificate is valid for 3,650 days")
OLD = Obstacle("tls-1.0-off", "TLS 1.0 is <off> there")


def with_clients(refused: frozenset[Client], address: str = "192.0.2.100") -> Report:
    cells = [
        ClientAccess(
            client=client,
            address=each,
            port=443,
            access=Access.REFUSES
            if client in refused
            else Access.UNKNOWN
            if client is Client.WINDOWS_7
            else Access.CONNECTS,
            why=(WHY,) if client in refused else (OLD,) if client is Client.WINDOWS_7 else (),
        )
        for each in (address, "192.0.2.101")
        for client in Client
    ]
    report = reports.healthy()
    return replace(report, analysis=replace(report.analysis, clients=tuple(cells)))


MACS = frozenset({Client.MACOS, Client.SAFARI})


def test_places_that_are_alike_are_one_group_refused_lines_after_good_ones() -> None:
    (group,) = client_groups(with_clients(MACS).analysis)
    assert group.places == "192.0.2.100:443 and 192.0.2.101:443"
    assert [(line.state, line.why) for line in group.lines] == [
        ("can connect", ""),
        ("cannot connect", WHY.words),
        ("may fail to connect", OLD.words),
    ]
    assert group.lines[1].clients == "Encryption Desktop on macOS and Safari"


def test_the_text_is_short_unless_more_is_asked_for() -> None:
    short, full = text(with_clients(MACS), width=200), text(with_clients(MACS), width=200, verbose=True)
    said = f"✖ Encryption Desktop on macOS and Safari cannot connect: {WHY.words}"
    assert said in short
    assert "Chrome and Edge" not in short
    assert said in full
    assert "Chrome and Edge, Firefox" in full
    assert "Encryption Desktop on Windows 7 may fail to connect" in full


def test_where_nobody_or_everybody_is_refused_the_short_text_says_nothing() -> None:
    for refused in (frozenset(), frozenset(Client)):
        report = with_clients(refused)
        assert not some_cannot(report.analysis)
        assert "Who can connect" not in text(report)
    assert "Who can connect" in text(with_clients(frozenset()), verbose=True)


def test_html_has_the_whole_table_escaped() -> None:
    page = html(with_clients(MACS))
    assert "Who can connect" in page
    assert "TLS 1.0 is &lt;off&gt; there" in page
    assert page.count("can connect</span>") == 1
    assert "Who can connect" not in html(reports.healthy())
