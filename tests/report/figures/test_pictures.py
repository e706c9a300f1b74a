"""The pictures: what they hold, and their text form at any width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from semscheck.model.analysis import Analysis, DnsAnalysis, ResolverAnalysis, Rotation
from semscheck.model.findings import Facts, Subject
from semscheck.model.labels import labels_among
from semscheck.model.observations import Certificate
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Severity, Target
from semscheck.report.figures import pictures
from semscheck.report.figures.drawing import draw
from semscheck.report.figures.pictures import (
    Picture,
    certificate_grid,
    connection_strip,
    dns_strip,
    path_picture,
    pictures_of,
    share_bars,
)
from semscheck.report.text.lines import SGR, Line, Span, to_ascii, to_string, width
from semscheck.report.wording import Mark
from tests.report import reports


def _all(report: Report) -> list[Picture]:
    drawn = pictures_of(report)
    return [drawn.path, drawn.connections, drawn.shares, drawn.dns, drawn.certificates]


def as_spans(picture: Picture, width: int = 80, unicode: bool = True) -> list[Line]:
    lines = draw(picture, width)
    return lines if unicode else [tuple(Span(to_ascii(it.text), it.style) for it in line) for line in lines]


def as_text(picture: Picture, width: int = 80, unicode: bool = True, colour: bool = False) -> list[str]:
    """The picture as lines; colour: with SGR sequences."""
    return [to_string(line, colour) for line in as_spans(picture, width, unicode)]


def _text(picture: Picture) -> str:
    return "\n".join(as_text(picture))


# --- any report, any width ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("unicode", [True, False])
def test_nothing_is_wider_than_asked_and_nothing_dangerous(
    make: Callable[[], Report], columns: int, unicode: bool
) -> None:
    for picture in _all(make()):
        lines = as_text(picture, columns, unicode)
        assert lines
        assert max(width(line) for line in lines) <= columns
        assert all(line.isprintable() for line in lines)
        assert unicode or all(line.isascii() for line in lines)


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_every_style_is_known(make: Callable[[], Report]) -> None:
    styles = {span.style for picture in _all(make()) for line in as_spans(picture) for span in line}
    assert styles <= {*SGR, ""}


def test_colour_changes_no_character() -> None:
    import re

    for picture in _all(reports.round_robin()):
        coloured = as_text(picture, colour=True)
        plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in coloured]
        assert plain == as_text(picture)
    assert any("\x1b[" in line for line in as_text(_all(reports.round_robin())[1], colour=True))


def test_an_empty_analysis_gives_pictures_that_say_not_tested() -> None:
    empty = Analysis()
    target = Target(fqdn="keys.example.com")
    drawn: list[Picture] = [
        path_picture(empty, target),
        connection_strip(empty),
        share_bars(empty),
        dns_strip(empty),
        certificate_grid(empty, {}, target, reports.STARTED),
    ]
    assert all("not tested" in _text(picture) for picture in drawn)
    assert all(picture.alternative for picture in drawn)


def test_hostile_numbers_cannot_draw_a_huge_bar() -> None:
    report = reports.healthy()
    path = report.analysis.paths[0]
    shares = tuple(replace(share, share=1e12, share_low=-1e12, share_high=1e300) for share in path.members)
    bars = share_bars(Analysis(paths=(replace(path, members=shares),)))
    assert max(map(len, as_text(bars))) <= 80


# --- the path ----------------------------------------------------------------------------------------------


def test_the_path_of_a_healthy_cluster_is_whole() -> None:
    picture = pictures_of(reports.healthy()).path
    assert picture.breaks_at is None
    assert [stage.kind for stage in picture.stages] == ["desktop", "resolvers", "name", "front"]
    assert {stage.mark for stage in picture.stages} == {Mark.OK}
    assert [row.tag.letter for row in picture.members] == ["A", "B", "C"]
    assert picture.members[0].answered == 32
    assert [node.mark for row in picture.members for node in (*row.client, *row.replication)] == [Mark.OK] * 6


def test_the_path_breaks_at_the_name() -> None:
    picture = pictures_of(reports.failed()).path
    assert picture.breaks_at == "name"
    assert "it breaks here: the name leads to no address" in _text(picture)
    assert "breaks at the name" in picture.alternative


def test_the_path_breaks_at_name_servers_that_are_silent() -> None:
    dns = DnsAnalysis(resolvers=(ResolverAnalysis(server="192.0.2.53:53", failed=True),))
    picture = path_picture(Analysis(dns=dns), reports.target())
    assert picture.breaks_at == "resolvers"


def test_the_path_breaks_at_an_address_that_refuses() -> None:
    report = reports.round_robin()
    refusing = next(place for place in report.analysis.places if place.failure_cause)
    front = replace(refusing, address=reports.BALANCER, fqdn=True, balancer=True, client_of=())
    picture = path_picture(replace(report.analysis, places=(front,)), report.target)
    assert picture.breaks_at == "front"
    assert picture.breaks_why == "connection refused"
    assert picture.stages[3].mark is Mark.CRITICAL


def test_a_finding_marks_the_place_it_is_about() -> None:
    picture = pictures_of(reports.round_robin()).path
    front = picture.stages[3].nodes[0]
    assert front.mark is Mark.CRITICAL
    assert front.notes == (("BAL001", "round robin"),)
    assert "serves, 4.2 ms: round robin" in _text(picture)
    assert picture.members[2].client[0].mark is Mark.WARNING


def test_information_changes_no_mark() -> None:
    assert pictures_of(reports.healthy()).path.stages[3].nodes[0].mark is Mark.OK


def test_what_was_not_looked_at_yet_is_not_tested() -> None:
    picture = path_picture(reports.half_done(), reports.target())
    marks = [node.mark for row in picture.members for node in (*row.client, *row.replication)]
    assert marks == [Mark.OK, Mark.OK] + [Mark.NOT_TESTED] * 4
    assert picture.breaks_at is None


def test_members_that_only_answered_have_a_row_and_their_own_letter() -> None:
    path = reports.healthy().analysis.paths[0]
    arm = replace(path.arms[0], members=("member B", "member A", None))
    target = Target(fqdn="k.example.com")
    labels = labels_among(("member A", "member B"), target)
    picture = path_picture(Analysis(paths=(replace(path, members=(), arms=(arm,)),), labels=labels), target)
    assert [(row.name, row.tag.letter) for row in picture.members] == [("member B", "B"), ("member A", "A")]


def test_an_address_instead_of_a_name_needs_no_name_server() -> None:
    target = replace(reports.target(), fqdn="192.0.2.100", fqdn_is_address=True)
    picture = path_picture(replace(reports.healthy().analysis, dns=DnsAnalysis()), target)
    assert picture.breaks_at is None
    assert picture.stages[2].mark is Mark.NOT_TESTED


# --- the strips and bars -----------------------------------------------------------------------------------


def test_a_round_robin_is_a_stripe_and_a_fail_over_a_bar() -> None:
    assert "ABCABCABC" in _text(pictures_of(reports.round_robin()).connections)
    assert "A" * 32 in _text(pictures_of(reports.healthy()).connections)


def test_failed_and_unidentified_connections_are_told_apart() -> None:
    strip = connection_strip(reports.half_done(), reports.target())
    told = [(cell.letter, cell.tag is not None) for cell in strip.rows[0].cells]
    assert told == [("B", True), ("?", False), ("✖", False)]
    assert "? not identified   ✖ failed" in _text(strip)


def test_many_connections_take_several_lines() -> None:
    lines = as_text(pictures_of(reports.big()).connections)
    assert "".join(line[18:] for line in lines[:4]).count("A") == 34
    assert lines[0].startswith("new connections")


def test_several_addresses_have_a_heading_each() -> None:
    analysis = reports.healthy().analysis
    second = replace(analysis.paths[0], address="2001:db8::100")
    strip = connection_strip(replace(analysis, paths=(*analysis.paths, second)))
    text = as_text(strip)
    assert text[0] == "192.0.2.100:443"
    assert "[2001:db8::100]:443" in text


def test_share_bars_have_numbers_and_the_bound() -> None:
    text = _text(pictures_of(reports.healthy()).shares)
    assert "100 % (90–100 %), 32 of 32" in text
    assert "With 95 % confidence fewer than 8.9 % of new connections go elsewhere." in text


def test_failures_have_a_bar_of_their_own_and_the_bars_a_legend() -> None:
    path = reports.healthy().analysis.paths[0]
    arm = replace(
        path.arms[0], members=(*path.arms[0].members[:24], *[None] * 8), failed=tuple(range(24, 32))
    )
    text = _text(share_bars(Analysis(paths=(replace(path, samples=32, identified=24, arms=(arm,)),))))
    assert "25 %, 8 of 32 tried" in text
    assert "█ at least  ▓ as seen  ░ at most, with 95 % confidence" in text
    assert "tried" not in _text(pictures_of(reports.healthy()).shares)


def test_a_balancer_says_how_it_spreads_and_keeps_clients() -> None:
    picture = pictures_of(reports.round_robin()).path
    assert picture.stages[3].nodes[0].method == "round robin, no persistence"
    assert "round robin, no persistence" in _text(picture)


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_long_names_still_differ(columns: int) -> None:
    report = reports.healthy(6)
    long = {
        member.name: f"encryption-gateway-production-{at}.frankfurt.internal.keys.example.com"
        for at, member in enumerate(report.target.members, 1)
    }
    members = tuple(replace(member, name=long[member.name], found=True) for member in report.target.members)
    target = replace(report.target, members=members)
    rows = as_text(path_picture(Analysis(), target), columns)
    shown = [row.split(" ")[1] for row in rows if row[:2] in {f"{letter} " for letter in "ABCDEF"}]
    assert len(set(shown)) == 6
    assert sum("(found)" in row for row in rows) == 7  # and the line that says what it means


def test_the_path_never_says_ok_of_what_is_marked() -> None:
    said = pictures_of(reports.round_robin()).path.alternative
    assert said.startswith("Clients get through to keys.example.com. But: ")
    assert "load balancer: round robin" in said
    assert "connection refused" in said
    assert pictures_of(reports.healthy()).path.alternative == "Clients get through to keys.example.com."


def test_a_label_and_its_row_do_not_touch() -> None:
    resolver = replace(
        reports.dns_analysis().resolvers[0], server="resolver-with-a-long-name.example.com:5353"
    )
    strip = dns_strip(Analysis(dns=DnsAnalysis(resolvers=(replace(resolver, server_name=None),))))
    assert "…  1111" in as_text(strip, 40)[0]


def test_a_certificate_that_differs_says_how() -> None:
    report = reports.healthy()
    old = replace(
        reports.certificate(0, reports.FQDN, fingerprint="9" * 64),
        not_before=reports.STARTED - timedelta(days=700),
        spki="8" * 64,
    )
    places = tuple(
        replace(place, certificate=old.fingerprint) if place.client_of == ("sems2.example.com",) else place
        for place in report.analysis.places
    )
    seen = [it for it in report.observations if isinstance(it, Certificate)]
    analysis = replace(report.analysis, places=places)
    grid = certificate_grid(analysis, [*seen, old], report.target, reports.STARTED)
    assert [cell.differs for row in grid.rows for cell in row.client] == ["", "", "older, other key", ""]


def test_a_rotation_is_seen_in_the_dns_strip() -> None:
    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    strip = dns_strip(Analysis(dns=reports.dns_analysis(Rotation.ORDER, addresses)))
    assert [cell.letter for cell in strip.rows[0].cells] == list("12312312")
    assert [cell.tag for cell in strip.rows[0].cells] == [cell.tag for cell in strip.rows[1].cells]
    assert "1 192.0.2.1, 192.0.2.2 and 192.0.2.3" in _text(strip)


def test_a_query_without_answer_is_a_cross() -> None:
    assert "✖ no answer" in _text(pictures_of(reports.failed()).dns)


# --- the certificate grid ----------------------------------------------------------------------------------


def test_the_same_certificate_has_the_same_letter() -> None:
    grid = pictures_of(reports.healthy()).certificates
    clients = [cell.tag for row in grid.rows for cell in row.client]
    own = [cell.tag for row in grid.rows for cell in row.replication]
    assert len(set(clients)) == 1
    assert clients[0] is not None
    assert clients[0].letter == "c1"
    assert len(set(own)) == 3
    assert "c1 keys.example.com  until 2026-09-17, SHA-256 " in _text(grid)


def test_what_does_not_match_is_named() -> None:
    report = reports.healthy()
    wrong = reports.finding(
        "CRT001",
        name="name-mismatch",
        subject=replace(reports.finding().subject, address="198.51.100.12", port=443),
    )
    grid = pictures_of(replace(report, findings=(wrong,))).certificates
    assert [cell.mark for row in grid.rows for cell in row.client] == [
        Mark.OK,
        Mark.OK,
        Mark.CRITICAL,
        Mark.OK,
    ]
    assert "Interface 2: name mismatch (CRT001)" in _text(grid)


@pytest.mark.parametrize(
    ("days", "mark", "words"),
    [(200, Mark.OK, "200 days left"), (20, Mark.WARNING, "20 days left"), (3, Mark.CRITICAL, "3 days left")],
)
def test_expiry_is_marked_by_the_profiles_thresholds(days: int, mark: Mark, words: str) -> None:
    report = reports.healthy()
    leaf = reports.certificate(0, reports.FQDN, days=days, fingerprint=reports.CLUSTER_PRINT)
    grid = certificate_grid(report.analysis, [leaf], report.target, reports.STARTED)
    assert grid.rows[0].client[0].mark is mark
    assert grid.rows[0].client[0].detail == words


def test_expired_and_unknown_certificates() -> None:
    report = reports.healthy()
    leaf = reports.certificate(0, reports.FQDN, fingerprint=reports.CLUSTER_PRINT)
    later = reports.STARTED + timedelta(days=210)
    grid = certificate_grid(report.analysis, {leaf.fingerprint: leaf}, report.target, later)
    assert grid.rows[0].client[0].detail == "expired 9 days ago"
    assert grid.rows[1].replication[0].detail == "certificate not kept"
    assert grid.rows[1].replication[0].mark is Mark.UNKNOWN


def test_an_interface_that_presented_none_says_why() -> None:
    grid = pictures_of(reports.round_robin()).certificates
    cell = grid.rows[3].client[0]
    assert (cell.tag, cell.fingerprint, cell.detail) == (None, None, "connection refused")


def test_three_thousand_addresses_are_counted_not_drawn() -> None:
    front = reports.places(0)[0]
    crowd = tuple(
        replace(front, address=f"2001:db8::{number:x}", reach=front.reach.NOT_TRIED, certificate=None)
        for number in range(3000)
    )
    analysis = replace(reports.healthy().analysis, places=(front, *crowd))
    path = as_text(path_picture(analysis, reports.target()))
    assert any(line.endswith("and 2,989 more") for line in path)
    assert len(path) < 40
    assert len(certificate_grid(analysis, {}, reports.target(), reports.STARTED).rows) == 1


def test_addresses_that_are_members_are_named_once() -> None:
    whole = reports.healthy().analysis
    direct = tuple(replace(place, fqdn=bool(place.client_of)) for place in whole.places if not place.balancer)
    picture = path_picture(replace(whole, places=direct), reports.target())
    assert picture.stages[3].title == "directly to"
    assert "directly to          ✔ sems1.example.com, Interface 2  serves, 4.2 ms" in _text(picture)


def test_one_certificate_on_every_member_is_marked_at_each_of_them() -> None:
    """The finding's subject is the first of its places; the others are not well for that."""
    report = reports.healthy()
    client = [member.client[0].address for member in report.target.members]
    places = tuple(Endpoint(address, 443) for address in client[:2])
    found = reports.finding(
        "CRT008",
        Severity.CRITICAL,
        name="untrusted-issuer",
        subject=Subject("member", report.target.members[0].name, client[0], 443),
        facts=Facts(places=places),
    )
    path = path_picture(report.analysis, report.target, findings=(found,))
    marks = {row.name: [node.mark for node in row.client] for row in path.members}
    assert list(marks.values()) == [[Mark.CRITICAL], [Mark.CRITICAL], [Mark.OK]]
    prints = [seen for seen in report.observations if isinstance(seen, Certificate)]
    grid = certificate_grid(report.analysis, prints, report.target, report.run.started, findings=(found,))
    rows = [row for row in grid.rows if row.kind == "member"]
    assert [row.client[0].mark for row in rows] == [Mark.CRITICAL, Mark.CRITICAL, Mark.OK]
    assert [bool(row.client[0].notes) for row in rows] == [True, True, False]


@pytest.mark.parametrize(
    ("address", "port", "there"),
    [
        ("192.0.2.1", 443, True),
        ("192.0.2.1", None, True),
        ("192.0.2.1", 444, False),
        ("192.0.2.11", 443, False),
        ("2001:db8::1", 8443, True),
    ],
)
def test_a_finding_about_several_places_is_about_each_of_them(
    address: str, port: int | None, there: bool
) -> None:
    places = (Endpoint("192.0.2.1", 443), Endpoint("2001:db8::1", 8443))
    found = reports.finding(facts=Facts(places=places), subject=Subject("cluster", "keys.example.com"))
    assert bool(pictures._findings_at([found], address, port)) is there
