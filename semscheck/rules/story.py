"""One sentence in plain words: what is wrong, where, and who has to act."""

from __future__ import annotations

from collections.abc import Sequence

from semscheck.model.analysis import BalancingPath, Method
from semscheck.model.findings import Finding, Owner, Status
from semscheck.model.target import Severity
from semscheck.rules.catalogue.dns_facts import listed
from semscheck.rules.context import RuleContext

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


def _healthy(context: RuleContext, findings: tuple[Finding, ...]) -> str:
    """For a run in which nothing is worse than worth knowing; what decides that was measured (see `judge`)."""
    name = context.target.fqdn_shown or context.target.fqdn
    lowered = sorted({finding.code for finding in findings if finding.code in context.target.severities})
    if lowered:
        return f"{name} answers; the profile takes {', '.join(lowered)} for no more than worth knowing."
    if context.target.fqdn_is_address:
        return (
            f"{name} answers and nothing is wrong there; an address was given, so that no name was checked."
        )
    paths = context.analysis.paths
    if not paths:
        return f"{name} answers and nothing is wrong with what was tested; balancing was not tested."
    direct = {place.client_of for place in context.fqdn_places}
    if len(direct) == 1 and (names := direct.pop()):
        it = " and ".join(names)
        return f"{name} is healthy: it leads to {it} itself, with no balancer, and clients are served."
    if all(path.method is Method.SINGLE for path in paths):
        return f"{name} is healthy: {_steady(context, paths)}, which is consistent with fail-over."
    if all(path.method is Method.WEIGHTED for path in paths):
        return f"{name} is healthy: new clients are spread by weight and kept on their server, as the vendor accepts."
    return f"{name} is healthy: nothing that was tested is wrong."


def _steady(context: RuleContext, paths: Sequence[BalancingPath]) -> str:
    """What is true of all paths that were sampled, each of which is steady by itself."""
    known = {member.name for member in context.target.members}
    names = {next((share.name for share in path.members if share.name in known), None) for path in paths}
    one = names.pop() if len(names) == 1 else None
    count, made = sum(path.identified for path in paths), sum(path.samples for path in paths)
    all_ = f"all {count}" if count == made else f"{count} of {made}"
    sampled = {path.address for path in paths}
    left_out = {place.address for place in context.fqdn_places} - sampled
    where = f" to {listed(dict.fromkeys(path.address for path in paths))}" if left_out else ""
    if one is None and len(sampled) > 1:
        tested = " that was tested" if left_out else ""
        return f"new connections to each address{tested} went to one server"
    return f"{all_} new connections{where} went to {one or 'one and the same server'}"


def headline(context: RuleContext, findings: tuple[Finding, ...], status: Status) -> str:
    """The sentence for a run that was judged as `status`; findings come worst first."""
    if status is Status.OK:
        return _healthy(context, findings)
    severity = Severity(status.value)
    worst = _root(findings, severity)
    first = _sentence(worst[0].summary)
    if worst[0].owner is Owner.SEMSCHECK or severity is Severity.UNKNOWN:
        return first
    others = len({f.code for f in worst}) - 1
    word = "warning" if severity is Severity.WARNING else f"{severity.value} finding"
    more = f" {others} more {word}{'s' if others > 1 else ''}." if others else ""
    return f"{first} To be mended by {_owners(worst[:1])}.{more}"
