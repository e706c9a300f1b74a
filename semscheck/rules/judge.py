"""One run judged: every rule asked, severities as the profile wants them, causes, verdict, headline."""

from __future__ import annotations

from semscheck.model.analysis import Analysis
from semscheck.model.findings import (
    EXIT_CODES,
    Finding,
    State,
    Status,
    Subject,
    Verdict,
)
from semscheck.model.report import Snapshot, Summary
from semscheck.model.target import Severity, Target
from semscheck.rules.case import Case
from semscheck.rules.causes import explain
from semscheck.rules.headline import headline
from semscheck.rules.registry import Hit, NotObserved, Rule, catalogue

_RANK = {Severity.CRITICAL: 0, Severity.UNKNOWN: 1, Severity.WARNING: 2, Severity.INFO: 3}
_STATUS = {
    Severity.CRITICAL: Status.CRITICAL,
    Severity.UNKNOWN: Status.UNKNOWN,
    Severity.WARNING: Status.WARNING,
    Severity.INFO: Status.OK,
}
NO_NETWORK = "SEM003"
CRASHED = "SEM001"


def _severity(rule: Rule, hit: Hit, target: Target) -> Severity:
    """The hit's own or the card's severity, unless the profile replaces it; never to or from `unknown`."""
    severity = hit.severity or rule.card.severity
    wanted = target.severities.get(rule.card.code)
    if wanted is None or Severity.UNKNOWN in (severity, wanted):
        return severity
    return wanted


def _finding(rule: Rule, hit: Hit, target: Target) -> Finding:
    card = rule.card
    return Finding(
        code=card.code,
        name=card.name,
        severity=_severity(rule, hit, target),
        confidence=hit.confidence or card.confidence,
        owner=hit.owner or card.owner,
        subject=hit.subject,
        summary=hit.summary,
        remedy=hit.remedy or card.remedy,
        references=card.references,
        evidence=hit.evidence,
        args=hit.args,
    )


def _ask(rule: Rule, case: Case) -> tuple[tuple[Finding, ...], Verdict]:
    code = rule.card.code
    try:
        answers = tuple(rule.logic(case))
    except Exception as error:  # a defect of ours must not silence the other rules
        return (), Verdict(code, State.CRASHED, f"{type(error).__name__}: {error}"[:500])
    hits = tuple(answer for answer in answers if isinstance(answer, Hit))
    if hits:
        return tuple(_finding(rule, hit, case.target) for hit in hits), Verdict(code, State.FOUND)
    missing = dict.fromkeys(answer.why for answer in answers if isinstance(answer, NotObserved))
    if missing:
        return (), Verdict(code, State.NOT_OBSERVED, "; ".join(missing))
    return (), Verdict(code, State.PASS)


def _without_network(findings: list[Finding], verdicts: list[Verdict]) -> tuple[list[Finding], list[Verdict]]:
    """With no packet back from anything, what the other rules said of the network is not an observation."""
    spared = ("SEM", "CLT")
    kept = [finding for finding in findings if finding.code.startswith(spared)]
    muted = [
        verdict
        if verdict.code.startswith(spared)
        else Verdict(verdict.code, State.NOT_OBSERVED, "no packet came back from anything")
        for verdict in verdicts
    ]
    return kept, muted


def _crashes(verdicts: list[Verdict], rules: tuple[Rule, ...], target: Target) -> list[Finding]:
    """A rule that crashed is reported as SEM001 as a probe is, whatever the SEM rules themselves saw."""
    card_of = {rule.card.code: rule for rule in rules}
    about = card_of.get(CRASHED)
    if about is None:
        return []
    return [
        _finding(
            about,
            Hit(
                subject=Subject("run", verdict.code),
                summary=f"The rule {verdict.code} failed with a defect of semscheck's own: {verdict.why}",
                args={"where": verdict.code, "error": verdict.why or ""},
            ),
            target,
        )
        for verdict in verdicts
        if verdict.state is State.CRASHED
    ]


def status_of(findings: tuple[Finding, ...]) -> Status:
    """The worst of the findings that no other one explains: critical, unknown, warning, ok."""
    roots = [finding.severity for finding in findings if finding.caused_by is None]
    return _STATUS[min(roots, key=_RANK.__getitem__)] if roots else Status.OK


def judge(snapshot: Snapshot, analysis: Analysis) -> tuple[tuple[Finding, ...], tuple[Verdict, ...], Summary]:
    """Every rule's answer on one run, worst findings first, and the summary. Pure."""
    case = Case(snapshot, analysis)
    rules = catalogue()
    findings: list[Finding] = []
    verdicts: list[Verdict] = []
    for rule in rules:
        found, verdict = _ask(rule, case)
        findings.extend(found)
        verdicts.append(verdict)
    findings.extend(_crashes(verdicts, rules, case.target))
    if any(finding.code == NO_NETWORK for finding in findings):
        findings, verdicts = _without_network(findings, verdicts)
    ordered = explain(tuple(sorted(findings, key=lambda f: _RANK[f.severity])))
    status = status_of(ordered)
    counts = {severity.value: 0 for severity in Severity}
    for finding in ordered:
        counts[finding.severity.value] += 1
    summary = Summary(
        verdict=status,
        exit_code=EXIT_CODES[status],
        headline=headline(case, ordered, tuple(verdicts), status),
        counts=counts,
    )
    return ordered, tuple(verdicts), summary
