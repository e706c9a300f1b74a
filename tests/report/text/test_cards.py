"""Rule cards as text, pages, table and JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from semscheck.model.findings import Card, Confidence, Owner, Reference
from semscheck.model.target import Severity
from semscheck.report.text import cards
from semscheck.report.text.lines import width

CARD = Card(
    code="DNS004",
    name="dns-round-robin",
    severity=Severity.CRITICAL,
    severity_note="warning where it cannot matter",
    owner=Owner.DNS,
    summary="Several addresses, and their order changes between answers.",
    why="Clients lose their session: " + "long words about it " * 10,
    remedy="Publish one address.\n1. Open the zone.\n2. Remove the others with\n`rndc freeze`.\n\nThen wait.",
    seen_by="By asking *often*.",
    confidence=Confidence.LIKELY,
    references=(Reference("RFC 1035", "https://www.rfc-editor.org/rfc/rfc1035"), Reference("A book", None)),
)
OTHER = Card(
    code="BAL009",
    name="steady",
    severity=Severity.INFO,
    owner=Owner.BALANCER,
    summary="s",
    why="w",
    remedy="",
    seen_by="b",
)


def test_explain_says_everything_within_the_columns() -> None:
    shown = cards.explain(CARD)
    for part in (
        "DNS004 dns-round-robin  ✖ critical",
        "Severity: critical; warning where it cannot matter",
        "Who fixes it: DNS administrator",
        "likely, not certain",
        "Why it matters",
        "  1. Open the zone.",
        "  RFC 1035: https://www.rfc-editor.org/rfc/rfc1035",
        "  A book",
    ):
        assert part in shown
    assert max(width(line) for line in shown.splitlines()) <= 80
    assert cards.explain(CARD, unicode=False).isascii()
    assert "\x1b[1;31m✖ critical\x1b[0m" in cards.explain(CARD, colour=True)


def test_an_empty_section_has_no_title() -> None:
    assert "What to do" not in cards.explain(OTHER)
    assert "References" not in cards.page(OTHER)


def test_the_page_is_markdown() -> None:
    page = cards.page(CARD)
    assert page.startswith("# DNS004 dns-round-robin\n\n")
    assert "| severity | critical; warning where it cannot matter |" in page
    assert (
        "Publish one address.\n\n1. Open the zone.\n2. Remove the others with `rndc freeze`.\n\nThen wait."
        in page
    )
    assert r"By asking \*often\*." in page
    assert "- [RFC 1035](https://www.rfc-editor.org/rfc/rfc1035)\n- A book\n" in page


def test_the_table_groups_by_family() -> None:
    lines = cards.table([CARD, OTHER]).splitlines()
    assert lines == [
        "DNS",
        "  DNS004  ✖ critical dns-round-robin  dns",
        "",
        "BAL: Balancing and persistence",
        "  BAL009  i info     steady           balancer",
    ]


def test_the_catalogue_as_json() -> None:
    read = json.loads(cards.catalogue([CARD]))
    assert read["schema"] == "semscheck/rules/1"
    (rule,) = read["rules"]
    assert rule["severity"] == "critical"
    assert rule["references"][1] == {"title": "A book", "url": None}
    for_judging = {"role", "stops", "in_front", "with_servers", "decides", "of_names"}
    assert set(rule) == set(Card.__dataclass_fields__) - for_judging


def test_the_documentation_has_a_page_for_every_rule_and_an_index() -> None:
    pages = cards.pages([CARD, OTHER])
    assert set(pages) == {"README.md", "DNS004.md", "BAL009.md"}
    assert "| [DNS004](DNS004.md) | dns-round-robin |" in pages["README.md"]


@pytest.mark.parametrize(
    "module", ["text.cards", "escape", "wording", "text.lines", "text.page", "markdown", "nagios", "junit"]
)
def test_what_does_not_read_json_imports_nothing_heavy(module: str) -> None:
    heavy = ("msgspec", "textual", "rich", "httpx", "dns", "cryptography", "asyncio", "ssl")
    code = (
        f"import sys, semscheck.report.{module}\nprint([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
