"""One sentence in plain words: what is wrong, where, and who has to act."""

from __future__ import annotations

from semscheck.model.findings import Finding, Owner, State, Status, Verdict
from semscheck.model.target import Severity
from semscheck.rules.case import Case

WHO = {
    Owner.DESKTOP: "whoever manages this desktop",
    Owner.NETWORK: "the network's administrator",
    Owner.DNS: "the DNS administrator",
    Owner.BALANCER: "the load balancer's administrator",
    Owner.SERVER: "the server's administrator",
    Owner.SEMSCHECK: "the authors of semscheck",
}


def _root(findings: tuple[Finding, ...], severity: Severity) -> tuple[Finding, ...]:
    return tuple(f for f in findings if f.caused_by is None and f.severity is severity)


def _sentence(text: str) -> str:
    stripped = text.strip()
    return stripped if stripped.endswith((".", "!", "?")) else stripped + "."


def _owners(findings: tuple[Finding, ...]) -> str:
    names = list(dict.fromkeys(WHO[f.owner] for f in findings))
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _healthy(case: Case, verdicts: tuple[Verdict, ...]) -> str:
    name = case.target.fqdn_shown or case.target.fqdn
    states = {verdict.code: verdict.state for verdict in verdicts}
    balancing = [state for code, state in states.items() if code.startswith("BAL")]
    tested = any(state in (State.PASS, State.FOUND) for state in balancing)
    path = case.analysis.balancing
    if not tested or path is None:
        return f"{name} answers and nothing is wrong with what was tested; balancing was not tested."
    if path.method.value == "single" and path.other_share_at_most is not None:
        one = path.members[0].name if path.members else "one member"
        return (
            f"{name} is healthy: all {path.identified} new connections went to {one}, "
            "which is consistent with fail-over."
        )
    return f"{name} is healthy: nothing that was tested is wrong."


def headline(case: Case, findings: tuple[Finding, ...], verdicts: tuple[Verdict, ...], status: Status) -> str:
    """The sentence for a run that was judged as `status`; findings come worst first."""
    if status is Status.OK:
        return _healthy(case, verdicts)
    severity = Severity(status.value)
    worst = _root(findings, severity)
    first = _sentence(worst[0].summary)
    if worst[0].owner is Owner.SEMSCHECK or severity is Severity.UNKNOWN:
        return first
    others = len({f.code for f in worst}) - 1
    more = f" {others} more {severity.value} finding{'s' if others > 1 else ''}." if others else ""
    return f"{first} To be mended by {_owners(worst[:1])}.{more}"
