"""Redacted evidence of real runs against the lab judges to the same codes, and names nobody in any output."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from semscheck import pipeline as run
from semscheck.lab.scenarios import SCENARIOS
from semscheck.model.report import Report
from semscheck.redaction.report import redact
from semscheck.report.html import page as html
from semscheck.report.json import decode, encode
from semscheck.report.text import page as text
from semscheck.rules.rule import cards
from tests.redaction.test_report import texts
from tests.scenarios.play import playing, target

# One of each kind of evidence; the whole list goes through the same check in tests/lab.
CHOSEN = (
    "healthy",
    "dns-round-robin",
    "dns-dangling-alias",
    "bound-to-member",
    "round-robin",
    "round-robin-sticky",
    "certificate-expired",
    "certificate-wrong-usage",
    "dns-to-replication",
)


def answers(report: Report) -> tuple[object, ...]:
    """All that was judged, without the words."""
    found = Counter(
        (one.code, one.severity, one.confidence, one.owner, one.caused_by is None, one.subject.kind)
        for one in report.findings
    )
    return report.summary.verdict, found, [(verdict.code, verdict.state) for verdict in report.verdicts]


def outputs(report: Report) -> str:
    known = {card.code: card for card in cards()}
    return "\n".join(
        (
            encode(report).decode(),
            text.render(report, verbose=True),
            html.render(report, known),
            *texts(report),
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
async def test_a_redacted_run_is_judged_the_same_and_names_nobody(name: str) -> None:
    async with playing(SCENARIOS[name]) as lab:
        report = await run.check(target(lab, SCENARIOS[name]), origin="lab")
    redacted = redact(report)
    again = run.replay(redacted)
    assert answers(again) == answers(run.replay(report))
    assert answers(run.replay(decode(encode(redacted)))) == answers(again)
    aim = report.target
    names = {aim.fqdn, *(member.name for member in aim.members), report.run.vantage.host}
    addresses = {one.address for member in aim.members for one in member.client + member.replication}
    shown = outputs(redacted) + outputs(again)
    for original in (*names, *addresses, *aim.balancers):
        assert not re.search(rf"(?<![\w.-]){re.escape(original)}(?![\w.-])", shown), original
    for label in {name.split(".")[0] for name in names if re.search(r"\d", name.split(".")[0])}:
        assert not re.search(rf"\b{re.escape(label)}\b", shown), label
