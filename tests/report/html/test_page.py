"""The HTML report as text: escaped, self-contained, linked, small, and with everything a reader needs."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from semscheck.model.findings import Card, Confidence, Owner, Reference
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.redaction.report import redact
from semscheck.report.escape import url
from semscheck.report.html.figures import place
from semscheck.report.html.page import render
from semscheck.report.html.style import policy
from semscheck.report.story import story
from tests.report import reports
from tests.report.test_story import told

VOID = {"meta", "br", "col", "link", "img", "input", "hr"}
SVG_VOID = {"path", "rect", "circle", "use"}


def card(code: str, name: str) -> Card:
    return Card(
        code=code,
        name=name,
        severity=Severity.CRITICAL,
        owner=Owner.BALANCER,
        summary="Fresh connections cycle through the members and nothing keeps a client on one.",
        why="Clients log in to one server and ask another the next moment, which does not know them.",
        remedy="1. Set the method to fail-over.\n2. Switch persistence on.\n3. Run this check again.",
        seen_by="Each new connection's TLS session is shown to each server directly.",
        references=(
            Reference("Broadcom KB 156803", "https://knowledge.broadcom.com/external/article/156803"),
        ),
    )


CARDS = {
    code: card(code, name)
    for code, name in (
        ("BAL001", "round-robin"),
        ("BAL007", "per-request"),
        ("CLU002", "redundancy-lost"),
        ("NET001", "refused"),
        ("DNS001", "no-such-name"),
        ("CRT001", "name-mismatch"),
    )
}


class Reader(HTMLParser):
    """Elements with their attributes and the text; open elements have to be closed in order."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module", params=reports.ALL, ids=lambda make: make.__name__)
def document(request: pytest.FixtureRequest) -> Reader:
    return Reader(render(request.param(), CARDS))


# --- what no document may be -----------------------------------------------------------------------------------


def test_elements_are_closed_in_order(document: Reader) -> None:
    assert document.open == []


def test_nothing_runs_and_nothing_is_loaded(document: Reader) -> None:
    tags = {tag for tag, _ in document.elements}
    assert not tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "image",
        "foreignobject",
    }
    for tag, attributes in document.elements:
        assert not any(
            name.startswith("on") or name in ("style", "src", "srcset", "xlink:href") for name in attributes
        )
        if "href" in attributes:
            allowed = attributes["href"].startswith("#") or (tag == "a" and url(attributes["href"]))
            assert allowed, attributes["href"]


def test_the_policy_allows_only_the_style_sheet(document: Reader) -> None:
    said = next(
        one["content"] for one in document.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert said == policy()
    assert "default-src 'none'" in said
    assert "unsafe" not in said


def test_ids_are_unique_and_links_lead_somewhere(document: Reader) -> None:
    names = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in document.elements:
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in names
        for name in attributes.get("aria-labelledby", "").split():
            assert name in names


def test_every_picture_says_what_it_shows(document: Reader) -> None:
    blocks = [one for one in document.all("span") if "cells" in one.get("class", "").split()]
    assert blocks
    assert all(one["role"] == "img" and one["aria-label"] for one in blocks)
    assert all(one.get("aria-hidden") == "true" for one in document.all("svg"))


def test_hostile_text_is_only_text() -> None:
    whole = render(reports.hostile(), {**CARDS, "BAL001": replace(CARDS["BAL001"], why=reports.EVIL)})
    assert "<script" not in whole
    assert "\u202e" not in whole
    assert "\x1b" not in whole
    assert "\x00" not in whole
    assert 'href="javascript:' not in whole
    assert "a" * 1000 not in whole
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in whole


@pytest.mark.parametrize("field", ["headline", "host", "fqdn", "code", "id"])
def test_a_name_that_closes_elements_closes_none(field: str) -> None:
    evil = "\"'><script>alert(1)</script></title></svg></style><img src=x onerror=alert(1)><!--"
    base = reports.round_robin()
    changed = {
        "headline": lambda: replace(base, summary=replace(base.summary, headline=evil)),
        "host": lambda: replace(base, run=replace(base.run, vantage=replace(base.run.vantage, host=evil))),
        "fqdn": lambda: replace(base, target=replace(base.target, fqdn=evil, fqdn_shown=evil)),
        "code": lambda: replace(
            base, findings=(replace(base.findings[0], code=evil, name=evil, caused_by=None),)
        ),
        "id": lambda: replace(
            base, observations=tuple(replace(one, id=evil) for one in base.observations[:3])
        ),
    }[field]()
    reader = Reader(render(changed, {evil: replace(CARDS["BAL001"], code=evil)}))
    assert reader.open == []
    assert "script" not in {tag for tag, _ in reader.elements}
    assert "img" not in {tag for tag, _ in reader.elements}


# --- what every document has -----------------------------------------------------------------------------------


def test_the_verdict_and_its_sentence_come_first() -> None:
    reader = Reader(render(told(), CARDS))
    lines = [line.text for line in story(told())]
    places = [reader.text.index(line) for line in ("critical", *lines)]
    assert places == sorted(places)
    assert len(lines) == 5
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert ids.index("main") < ids.index("findings") < ids.index("finding-1") < ids.index("path")


def test_a_report_without_the_five_lines_has_its_headline() -> None:
    base = reports.round_robin()
    assert base.summary.headline in Reader(render(base, CARDS)).text


def test_an_address_stays_with_its_port() -> None:
    assert place("192.0.2.100", 8443) == '<span class="addr">192.0.2.100:8443</span>'
    long = place("2001:db8:1111:2222:3333:4444:5555:6666", 443)
    assert long.endswith('<span class="addr">:6666]:443</span></span>')


def test_evidence_has_time_both_ends_and_who_answered() -> None:
    text = Reader(render(reports.round_robin(), CARDS)).text
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3} UTC .*192\.0\.2\.100:443 → sems1\.example\.com", text)


def test_a_server_that_nobody_told_of_is_marked() -> None:
    base = reports.round_robin()
    members = tuple(replace(member, found=True) for member in base.target.members)
    text = Reader(render(replace(base, target=replace(base.target, members=members)), CARDS)).text
    assert "sems1.example.com (found)" in text
    assert "the check found it by itself" in text
    assert "(found)" not in Reader(render(base, CARDS)).text


def test_each_finding_leads_to_its_explanation_and_back() -> None:
    base = reports.round_robin()
    whole = render(base, CARDS)
    for number, found in enumerate(base.findings, 1):
        assert f'id="finding-{number}"' in whole
        if found.code in CARDS:
            assert f'href="#explain-{found.code}"' in whole
            assert f'id="explain-{found.code}"' in whole
            assert f'href="#finding-{number}"' in whole
    assert 'id="explain-CRT001"' not in whole


def test_without_cards_nothing_points_to_them() -> None:
    whole = render(reports.round_robin())
    assert "#explain" not in whole
    assert "BAL001" in whole


def test_consequences_are_folded_under_their_cause() -> None:
    base = reports.round_robin()
    whole = render(base, CARDS)
    for number, found in enumerate(base.findings, 1):
        before = whole[: whole.index(f'id="finding-{number}"')]
        inside = before.count("<details") > before.count("</details")
        assert inside == (found.caused_by is not None)


def test_evidence_is_shown_as_it_was_saved_and_once() -> None:
    reader = Reader(render(reports.round_robin(), CARDS))
    assert reader.text.count('"resumed"') <= 3
    assert "smp-fresh-0" in reader.text
    assert '"connect_s": 0.004' in reader.text
    assert "shown above" in reader.text


def test_der_is_counted_and_not_shown() -> None:
    base = reports.round_robin()
    found = replace(base.findings[0], evidence=("crt-0",), caused_by=None)
    text = Reader(render(replace(base, findings=(found,)))).text
    assert '"der": "1,024 bytes, in the saved report"' in text


def test_what_was_not_tested_says_why() -> None:
    text = Reader(render(reports.failed(), CARDS)).text
    assert "the FQDN has no address" in text
    assert "The run did not end" in text
    assert "breaks at the name" in text
    assert "ValueError: odd" in text


def test_a_likely_finding_says_so() -> None:
    base = reports.round_robin()
    found = replace(base.findings[0], confidence=Confidence.LIKELY)
    assert "likely, not certain" in Reader(render(replace(base, findings=(found,)))).text


def test_where_it_comes_from_is_said() -> None:
    base = reports.round_robin()
    lab = replace(base, run=replace(base.run, origin="lab"))
    assert "This is a lab" in Reader(render(lab)).text
    assert "pseudonyms" in Reader(render(redact(base))).text
    later = base.run.started + timedelta(days=3)
    assert "3 days ago" in Reader(render(base, now=later)).text
    assert " ago" not in Reader(render(base)).text.replace("days ago", "")


def test_a_redacted_report_holds_no_original() -> None:
    whole = render(redact(reports.round_robin()), CARDS)
    for original in ("example.com", "sems1", "192.0.2.", "198.51.100.", "203.0.113.", "desk-17"):
        assert original not in whole


def test_nothing_found_is_said() -> None:
    base = reports.healthy()
    clean = replace(base, findings=())
    assert "Nothing was found." in Reader(render(clean)).text


# --- figures -----------------------------------------------------------------------------------------------------


def test_six_members_and_two_hundred_connections_are_small() -> None:
    whole = render(reports.big(), CARDS)
    assert len(whole.encode()) < 500_000


def test_it_is_written_in_a_fraction_of_a_second() -> None:
    """The figure is 100 ms, stated and measured in `make bench`; here only an order of magnitude more fails."""
    big: Report = reports.big()
    render(big, CARDS)
    started = time.process_time()
    render(big, CARDS)
    assert time.process_time() - started < 1.0


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(reports.big(), CARDS) == render(reports.big(), CARDS)


def test_many_addresses_are_counted_not_drawn() -> None:
    base = reports.round_robin()
    crowd = tuple(
        replace(base.analysis.places[0], address=f"2001:db8::{number:x}", fqdn=True) for number in range(3000)
    )
    whole = render(replace(base, analysis=replace(base.analysis, places=crowd)), CARDS)
    assert len(whole.encode()) < 500_000
    assert "and 2,992 more" in re.sub(r"<[^>]+>", " ", whole)


def test_a_name_in_another_script_stands_both_ways_and_an_address_says_what_is_not_checked() -> None:
    base = reports.healthy()
    idn = replace(base.target, fqdn="xn--schlssel-95a.example.com", fqdn_shown="schlüssel.example.com")
    assert "schlüssel.example.com (xn--schlssel-95a.example.com), port 443" in render(
        replace(base, target=idn), CARDS
    )
    address = replace(base.target, fqdn="192.0.2.100", fqdn_shown="192.0.2.100", fqdn_is_address=True)
    assert "An IP address was given" in render(replace(base, target=address), CARDS)
    assert "An IP address was given" not in render(base, CARDS)
