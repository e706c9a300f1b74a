"""One run judged: every rule asked, severities as the profile wants them, causes, verdict, the first five lines."""

from __future__ import annotations

from dataclasses import dataclass, replace

from semscheck.model.analysis import Analysis
from semscheck.model.findings import (
    EXIT_CODES,
    Finding,
    ImpactKind,
    Role,
    State,
    Status,
    Subject,
    Verdict,
)
from semscheck.model.observations import Handshake
from semscheck.model.report import Snapshot, Summary
from semscheck.model.target import Severity
from semscheck.rules.causes import RANK, explain
from semscheck.rules.context import RuleContext
from semscheck.rules.impact import felt
from semscheck.rules.ownership import settled
from semscheck.rules.rule import Hit, NotObserved, Rule, catalogue
from semscheck.rules.story import tell

_STATUS = {
    Severity.CRITICAL: Status.CRITICAL,
    Severity.UNKNOWN: Status.UNKNOWN,
    Severity.WARNING: Status.WARNING,
    Severity.INFO: Status.OK,
}
GRAVE = (Severity.CRITICAL, Severity.UNKNOWN)

IN_A_WATCH = "a watch looks only at who answers, and when"
REASONS = 3  # said in one sentence; the verdicts hold them all


def _judged(rule: Rule, hit: Hit, context: RuleContext) -> Finding:
    """What a rule found, with its own severity; what clients meet only after a failover is at most a warning.

    At a server that nobody told of it is `info`: it decides no verdict.
    """
    card = rule.card
    owner, remedy = settled(card, hit, context)
    finding = Finding(
        code=card.code,
        name=card.name,
        severity=hit.severity or card.severity,
        confidence=hit.confidence or card.confidence,
        owner=owner,
        subject=hit.subject,
        summary=hit.summary,
        remedy=remedy,
        references=card.references,
        evidence=hit.evidence,
        args=hit.args,
        facts=hit.facts,
        title=hit.title or card.title or card.name.replace("-", " "),
        impact=hit.impact or card.impact,
        role=card.role,
    )
    if hit.subject.address in context.found_addresses or _rests_on_found(rule, finding, context):
        return replace(finding, severity=Severity.INFO)
    stands_by = finding.severity is Severity.CRITICAL and felt(context, finding) is ImpactKind.NO_REDUNDANCY
    return replace(finding, severity=Severity.WARNING) if stands_by else finding


def _rests_on_found(rule: Rule, finding: Finding, context: RuleContext) -> bool:
    """Whether there is such a finding only with what the check found by itself, which decides no verdict."""
    if not context.found_addresses or finding.severity not in (Severity.CRITICAL, Severity.WARNING):
        return False
    return not any(isinstance(answer, Hit) for answer in rule.logic(context.without_found))


def _wanted(finding: Finding, context: RuleContext) -> Finding:
    """With the severity that the profile wants for its code; never to or from `unknown`."""
    wanted = context.target.severities.get(finding.code)
    found_only = finding.subject.address in context.found_addresses
    if wanted is None or found_only or Severity.UNKNOWN in (finding.severity, wanted):
        return finding
    return replace(finding, severity=wanted)


@dataclass(frozen=True, slots=True)
class _Answered:
    """What one rule answered. grave: it found what by itself is critical or unknown, whatever the profile says."""

    findings: tuple[Finding, ...]
    verdict: Verdict
    grave: bool = False


def _ask(rule: Rule, context: RuleContext) -> _Answered:
    code = rule.card.code
    if context.analysis.watch is not None and rule.card.family != "WAT" and rule.card.role is not Role.CRASH:
        return _Answered((), Verdict(code, State.NOT_OBSERVED, IN_A_WATCH))
    try:
        answers = tuple(rule.logic(context))
    except Exception as error:  # a defect of ours must not silence the other rules
        return _Answered(
            (), Verdict(code, State.CRASHED, f"{type(error).__name__}: {error}"[:500]), grave=True
        )
    judged = tuple(_judged(rule, hit, context) for hit in answers if isinstance(hit, Hit))
    if judged:
        grave = any(finding.severity in GRAVE for finding in judged)
        found = tuple(_wanted(finding, context) for finding in judged)
        return _Answered(found, Verdict(code, State.FOUND), grave)
    missing = dict.fromkeys(answer.why for answer in answers if isinstance(answer, NotObserved))
    if missing:
        return _Answered((), Verdict(code, State.NOT_OBSERVED, "; ".join(missing)))
    return _Answered((), Verdict(code, State.PASS))


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


def _crashes(verdicts: list[Verdict]) -> list[Hit]:
    """A rule that crashed is reported as a probe that did is, whatever the SEM rules themselves saw."""
    return [
        Hit(
            subject=Subject("run", verdict.code),
            summary=f"The check {verdict.code} failed with a defect of semscheck's own: {verdict.why}",
            args={"where": verdict.code, "error": verdict.why or ""},
        )
        for verdict in verdicts
        if verdict.state is State.CRASHED
    ]


def _unmeasured(context: RuleContext, rules: tuple[Rule, ...], answers: list[_Answered]) -> list[Hit]:
    """Nothing grave was found, but something without which nobody can say that all is well was not seen."""
    is_address = context.target.fqdn_is_address
    missing = {
        rule.card.decides: answer.verdict.why or ""
        for rule, answer in zip(rules, answers, strict=True)
        if rule.card.decides and not (is_address and rule.card.of_names)
        if answer.verdict.state is State.NOT_OBSERVED
    }
    if not any(finding.role is Role.OUR_POLICY for answer in answers for finding in answer.findings):
        missing |= _uncertified(context)
    if not missing:
        return []
    because = "; ".join([*dict.fromkeys(why for why in missing.values() if why)][:REASONS])
    name = context.fqdn
    return [
        Hit(
            subject=Subject("run", context.target.fqdn),
            summary=f"Not tested at {name}: {', '.join(missing)} ({because}).",
            args={"questions": ", ".join(missing), "because": because},
        )
    ]


def _uncertified(context: RuleContext) -> dict[str, str]:
    """What is not known of the certificates where the FQDN leads, where a handshake was made, and why.

    The rules on certificates answer for all places together, so that one silent standby would count as much here.
    """
    shakes = context.of(Handshake)
    for place in context.fqdn_places:
        if not place.answers:
            continue
        where = f"at {place.address}"
        if context.certificate(place.certificate) is None:
            return {"the certificate": f"none was seen {where}"}
        ids = set(place.evidence)
        judged = [s.trust for s in shakes if s.id in ids and s.trust is not None]
        if not any(trust.trusted is not None for trust in judged):
            reason = next((trust.reason for trust in judged if trust.reason), "no verdict was reached")
            return {"whether the certificate is trusted": f"{reason} {where}"}
    return {}


def _late(role: Role, hits: list[Hit], rules: tuple[Rule, ...], context: RuleContext) -> list[Finding]:
    """Findings of a rule that can only be judged when all others have answered."""
    known = next((rule for rule in rules if rule.card.role is role), None)
    return [_wanted(_judged(known, hit, context), context) for hit in hits] if known else []


def _found(verdicts: list[Verdict], late: list[Finding]) -> list[Verdict]:
    codes = {finding.code for finding in late}
    return [Verdict(v.code, State.FOUND) if v.code in codes else v for v in verdicts]


def status_of(findings: tuple[Finding, ...]) -> Status:
    """The worst of the findings that no other one explains: critical, unknown, warning, ok."""
    roots = [finding.severity for finding in findings if finding.caused_by is None]
    return _STATUS[min(roots, key=RANK.__getitem__)] if roots else Status.OK


def evaluate(
    snapshot: Snapshot, analysis: Analysis
) -> tuple[tuple[Finding, ...], tuple[Verdict, ...], Summary]:
    """Every rule's answer on one run, worst findings first, and the summary. Pure."""
    context = RuleContext(snapshot, analysis)
    rules = catalogue()
    answers = [_ask(rule, context) for rule in rules]
    findings = [finding for answer in answers for finding in answer.findings]
    verdicts = [answer.verdict for answer in answers]
    late = _late(Role.CRASH, _crashes(verdicts), rules, context)
    if analysis.watch is None and not any(answer.grave for answer in answers):
        late += _late(Role.NOT_MEASURED, _unmeasured(context, rules, answers), rules, context)
    findings += late
    verdicts = _found(verdicts, late)
    if any(finding.role is Role.NO_NETWORK for finding in findings):
        findings, verdicts = _without_network(findings, verdicts)
    ordered = explain(tuple(sorted(findings, key=lambda f: RANK[f.severity])))
    status = status_of(ordered)
    counts = {severity.value: 0 for severity in Severity}
    for finding in ordered:
        counts[finding.severity.value] += 1
    summary = Summary(verdict=status, exit_code=EXIT_CODES[status], headline="", counts=counts)
    return ordered, tuple(verdicts), tell(context, ordered, summary)
