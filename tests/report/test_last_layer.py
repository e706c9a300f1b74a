"""Whatever text of a report is hostile, no format drives what shows it: every field, through every format."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest

from semscheck.cli.output import FORMATS
from semscheck.cli.output.formats import encode, redacted
from semscheck.cli.output.streams import Face
from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS
from semscheck.model.observations import Certificate, Handshake
from semscheck.model.report import Report
from semscheck.pipeline import check, replay
from semscheck.report import json
from tests.report import reports
from tests.report.poison import POISONS, UNSEEN, poisoned, text_fields
from tests.scenarios.play import target

SGR = re.compile(r"\x1b\[[\d;]*m")
MADE: tuple[Callable[[], Report], ...] = (reports.round_robin, reports.failed)


def shown(report: Report, form: str, **face: bool) -> str:
    return encode(report, form, Face(**face), verbose=True).decode()


def harmless(text: str, form: str) -> None:
    assert not set(text) & (UNSEEN - {"\n"}), sorted(map(hex, map(ord, set(text) & (UNSEEN - {"\n"}))))
    if form == "html":
        Tags().feed(text)
    elif form == "junit":
        ET.fromstring(text)
    elif form == "markdown":
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
        assert not re.search(r"(?<!\\)<(script|img)", outside)
    elif form == "nagios":
        first, _, rest = text.partition("\n")
        assert first.count("|") == 1
        assert not set(text) & set("`$<>")
        assert "|" not in rest
    elif form == "prometheus":
        for line in text.splitlines():
            assert re.fullmatch(
                r'# (HELP|TYPE) \w+ .*|\w+(\{(\w+="([^"\\]|\\.)*",?)*\})? [-+.\deNaInf]+', line
            ), line


class Tags(HTMLParser):
    """Fails on an element or an attribute that only a reader's browser would be harmed by."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "iframe"), (tag, attrs)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, attrs)
            assert not (value or "").lower().lstrip().startswith("javascript:")


@cache
def poisoned_whole(make: Callable[[], Report], poison: str) -> Report:
    return poisoned(make(), POISONS[poison])


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize("form", FORMATS)
def test_every_text_at_once(make: Callable[[], Report], poison: str, form: str) -> None:
    report = poisoned_whole(make, poison)
    if form in ("json", "jsonl"):
        text = shown(report, form)
        assert not set(text) & (UNSEEN - {"\n"})
        return
    harmless(shown(report, form, unicode=True), form)
    harmless(SGR.sub("", shown(report, form, unicode=True, colour=True)), form)


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("json", "jsonl", "prometheus")])
def test_each_field_by_itself(form: str) -> None:
    """Alone, since a text that decides what is shown would hide the others."""
    report = reports.round_robin()
    clean = set(text_fields(report))
    assert len(clean) > 100
    for owner, name in sorted(clean, key=lambda field: (field[0].__name__, field[1])):
        for poison in ("terminal", "markup"):
            harmless(shown(poisoned(report, POISONS[poison], (owner, name)), form, unicode=True), form)


@pytest.mark.parametrize("poison", POISONS)
def test_a_redacted_one_and_one_that_was_read_again(poison: str) -> None:
    report = poisoned_whole(reports.round_robin, poison)
    again = json.decode(json.encode(report))
    for one in (again, redacted(report, b"a key of the tests")):
        for form in ("text", "html", "markdown", "nagios", "junit"):
            harmless(shown(one, form, unicode=True), form)


@pytest.fixture(scope="module")
def seen() -> Report:
    """What a check of a lab saw."""
    scenario = SCENARIOS["certificate-expired"]
    with LabThread(scenario.world) as thread:
        return asyncio.run(check(target(thread.lab, scenario), seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("poison", POISONS)
def test_observations_that_are_judged_again(seen: Report, poison: str) -> None:
    """A chain's fingerprint with escape characters came out raw in `replay` and in the screens."""
    for report in (
        replay(replace(seen, observations=poisoned(seen.observations, POISONS[poison]))),
        replay(poisoned(seen, POISONS[poison], (Handshake, "chain"))),
        replay(
            poisoned(
                poisoned(seen, POISONS[poison], (Handshake, "chain")),
                POISONS[poison],
                (Certificate, "fingerprint"),
            )
        ),
    ):
        for form in FORMATS:
            if form not in ("json", "jsonl"):
                harmless(shown(report, form, unicode=True), form)
