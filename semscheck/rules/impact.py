"""What users notice: computed from where the FQDN leads and how its connections ended, not from severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semscheck.model.analysis import Access, Client, EndpointStatus, Reach, client_names
from semscheck.model.failure import Cause
from semscheck.model.findings import Finding, ImpactKind, Role
from semscheck.model.observations import Connection, Exchange, Handshake, Sample
from semscheck.model.report import Impact
from semscheck.model.target import Severity
from semscheck.rules.catalogue.dns_facts import found_by_suffix, found_by_system, resolver_answers, told
from semscheck.rules.catalogue.presented import Refusal
from semscheck.rules.context import RuleContext

# The worst first; what could not be told comes before what is known to be noticed by nobody.
_RANKED = (
    *(kind for kind in ImpactKind if kind is not ImpactKind.NOTHING_NOTICED),
    ImpactKind.NOTHING_NOTICED,
)
ORDER = {kind: rank for rank, kind in enumerate(_RANKED)}
BREAKS = (ImpactKind.NOBODY_CONNECTS, ImpactKind.SOME_FAIL)
_OF_TODAY = (ImpactKind.UNTIL_DATE, ImpactKind.SLOW, ImpactKind.NOT_TESTED)  # no hindrance to take over
A_FEW = 0.04
NAMED_CLIENTS = 3
DAY_S = 86_400

SENTENCES = {
    ImpactKind.NOBODY_CONNECTS: "Users cannot connect (tested from this desktop).",
    ImpactKind.SOME_FAIL: "Some connections fail.",
    ImpactKind.SESSIONS_LOST: "Users connect, but lose their session.",
    ImpactKind.SOME_CLIENTS_CANNOT: "Some kinds of clients cannot connect; others can.",
    ImpactKind.NO_REDUNDANCY: "Users can work, but failover is missing or too slow.",
    ImpactKind.SLOW: "Users connect, but slowly.",
    ImpactKind.NOT_TESTED: "This check was turned away; whether users get through is not known.",
    ImpactKind.NOTHING_NOTICED: "Users notice nothing yet.",
}


def impact_of(context: RuleContext, findings: Sequence[Finding]) -> Impact:
    """What users notice of a run that found something, or could not tell."""
    findings = [f for f in findings if not _is_uncertain(f, findings)]
    kinds = sorted({k for f in findings if (k := felt(context, f)) is not None}, key=ORDER.__getitem__)
    if not kinds:
        return _nothing_felt(context, findings)
    if kinds[0] in BREAKS:
        impact = _failing(context, findings)
        if ImpactKind.SESSIONS_LOST in kinds and impact.kind is ImpactKind.SOME_FAIL:
            return _with_sessions(impact)
        return impact
    if kinds[0] is ImpactKind.NO_REDUNDANCY:
        return _redundancy(context, findings)
    if kinds[0] is ImpactKind.UNTIL_DATE:
        return _until(context, findings)
    who = _refused(context) if kinds[0] is ImpactKind.SOME_CLIENTS_CANNOT else ""
    return Impact(
        kind=kinds[0], sentence=f"{who} cannot connect; others can." if who else SENTENCES[kinds[0]]
    )


def _refused(context: RuleContext) -> str:
    """The classes of client that the name's places refuse; empty where the table names none, or all."""
    places = {(place.address, place.port) for place in context.fqdn_places}
    refused = {
        cell.client
        for cell in context.analysis.clients
        if cell.access is Access.REFUSES and (cell.address, cell.port) in places
    }
    names = client_names([client for client in Client if client in refused])
    if len(names) > NAMED_CLIENTS and len(Client) - len(refused) >= len(refused) / 2:
        return f"{', '.join(names[:2])} and {len(names) - 2} other kinds of clients"
    some = 0 < len(refused) < len(Client)
    return Refusal("", (), tuple(client for client in Client if client in refused)).whom if some else ""


def _is_uncertain(finding: Finding, findings: Sequence[Finding]) -> bool:
    """It follows from what could not be told: an address that is silent because only the proxy gets out, or because
    this check was turned away.
    """
    cause = findings[finding.caused_by] if finding.caused_by is not None else finding
    turned_away = cause.severity is Severity.UNKNOWN or cause.impact is ImpactKind.NOT_TESTED
    return cause is not finding and (turned_away or cause.role is Role.OWN_NAME)


def felt(context: RuleContext, finding: Finding) -> ImpactKind | None:
    """What users notice of one finding by itself; of a server that stands by, that it could not take over."""
    kind = finding.impact
    if kind is None or finding.severity not in (Severity.CRITICAL, Severity.WARNING):
        return ImpactKind.NOBODY_CONNECTS if _no_network(finding) else None
    places = _places(context, finding)
    if not places or any(place.fqdn for place in places):
        return _met(context, kind, finding, places)
    return ImpactKind.NO_REDUNDANCY if kind not in _OF_TODAY and _takes_out(context, places) else None


def _takes_out(context: RuleContext, places: Sequence[EndpointStatus]) -> bool:
    """Is a server left with no client interface that serves and is not among these?"""
    names = {name for place in places for name in place.client_of}
    left = (p for p in context.places if p.serves and p not in places)
    return bool(names - {name for place in left for name in place.client_of})


def _no_network(finding: Finding) -> bool:
    return finding.severity is Severity.UNKNOWN and finding.impact is ImpactKind.NOBODY_CONNECTS


def _met(
    context: RuleContext, kind: ImpactKind, finding: Finding, places: Sequence[EndpointStatus]
) -> ImpactKind:
    if finding.severity is Severity.CRITICAL and not context.fqdn_places:
        return ImpactKind.NOBODY_CONNECTS  # the name leads nowhere, whichever rule says why
    met = {place.address for place in places}
    if kind in BREAKS and met and not met & {place.address for place in _used(context)}:
        return ImpactKind.SLOW
    return kind


def _places(context: RuleContext, finding: Finding) -> tuple[EndpointStatus, ...]:
    """What a finding is about, and wherever its evidence was seen: one certificate may be at many places."""
    about = finding.subject
    observed = (context.observation(each) for each in finding.evidence)
    seen = {
        (o.address, o.port) for o in observed if isinstance(o, Connection | Handshake | Exchange | Sample)
    }
    return tuple(
        place
        for place in context.places
        if (place.address == about.address and about.port in (None, place.port))
        or (place.address, place.port) in seen
    )


def _used(context: RuleContext) -> tuple[EndpointStatus, ...]:
    """The FQDN's addresses that clients end up with: from dead IPv6 they fall back to IPv4 (RFC 8305)."""
    tried = tuple(place for place in context.fqdn_places if place.tried)
    if not any(":" not in place.address and place.serves for place in tried):
        return tried
    return tuple(place for place in tried if ":" not in place.address or place.serves)


# --- connections that fail -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tally:
    """refused: of the failed ones, those that ended with a certificate that clients refuse."""

    failed: int = 0
    made: int = 0
    refused: int = 0

    @property
    def all_failed(self) -> bool:
        return self.made > 0 and self.failed == self.made


def _failing(context: RuleContext, findings: Sequence[Finding]) -> Impact:
    if _has_no_address(context) or any(_keeps_desktop_out(finding) for finding in findings):
        return _nobody(refused=False, other_site=False, page=False)
    bad = _bad_certificates(findings)
    sites = {f.subject.address for f in findings if f.role is Role.OTHER_SITE and f.impact is not None}
    used = _used(context)
    tallies = [_tally(context, place, bad, place.address in sites) for place in used]
    if all(tally.all_failed for tally in tallies):
        refused = bool(tallies) and all(tally.refused for tally in tallies)
        return _nobody(refused, bool(sites) and not refused, _has_a_page(context, findings))
    failed, made = sum(t.failed for t in tallies), sum(t.made for t in tallies)
    whole = len(tallies) > 1 and all(tally.failed in (0, tally.made) for tally in tallies)
    if not failed:
        return _unseen_here(findings)
    dead = sum(tally.all_failed for tally in tallies)
    where = f"at {dead} of the {len(used)} addresses of the name."
    sentence = f"Connections fail {where}"
    if all(tally.refused for tally in tallies if tally.all_failed):
        sentence = f"A certificate error shows {where}"
    part = "" if whole else _part(failed, made, any(tally.refused for tally in tallies))
    return Impact(kind=ImpactKind.SOME_FAIL, sentence=part or sentence, failed=failed, connections=made)


def _has_no_address(context: RuleContext) -> bool:
    """No resolver and no other source gives this desktop an address, whatever the zone's own servers say."""
    asked = bool(resolver_answers(context)) and not context.target.fqdn_is_address
    given = any(a.records for a in told(context)) or found_by_suffix(context) or found_by_system(context)
    return asked and not given


def _keeps_desktop_out(finding: Finding) -> bool:
    """Programs of this desktop get nowhere, wherever the check itself got by asking DNS."""
    nobody = finding.impact is ImpactKind.NOBODY_CONNECTS and finding.severity is Severity.CRITICAL
    return nobody and finding.subject.kind == "desktop" and not finding.facts.certificates


def _unseen_here(findings: Sequence[Finding]) -> Impact:
    """What breaks, where every connection of this desktop was made: a certificate, or what other clients meet."""
    if any(f.severity is Severity.CRITICAL and f.facts.certificates for f in findings):
        return Impact(kind=ImpactKind.NOBODY_CONNECTS, sentence="Clients show a certificate error.")
    kind = ImpactKind.SOME_CLIENTS_CANNOT
    return Impact(kind=kind, sentence=SENTENCES[kind])


def _has_a_page(context: RuleContext, findings: Sequence[Finding]) -> bool:
    """Does what answers in place of the product serve a page of its own, and not only an error or a redirect?"""
    evidence = (each for f in findings if f.role is Role.OTHER_SITE for each in f.evidence)
    seen = (context.observation(each) for each in evidence)
    return any(isinstance(o, Exchange) and 200 <= (o.status or 0) < 300 for o in seen)


def _nobody(refused: bool, other_site: bool, page: bool) -> Impact:
    sentence = SENTENCES[ImpactKind.NOBODY_CONNECTS]
    if refused:
        sentence = "Every connection shows a certificate error."
    elif other_site and page:
        sentence = "Users do not reach the server: something else answers."
    elif other_site:
        sentence = "Users connect, but get no usable page."
    return Impact(kind=ImpactKind.NOBODY_CONNECTS, sentence=sentence)


def _bad_certificates(findings: Sequence[Finding]) -> set[str]:
    """Fingerprints of certificates that clients refuse."""
    return {
        fingerprint
        for finding in findings
        if finding.impact is ImpactKind.NOBODY_CONNECTS and finding.severity is Severity.CRITICAL
        for fingerprint in finding.facts.certificates
    }


def _tally(context: RuleContext, place: EndpointStatus, bad: set[str], other_site: bool) -> _Tally:
    """New connections to one address, or the first look where none were repeated."""
    fresh = _fresh(context, place)
    path = context.path_at(place)
    if path is not None and path.errors and not other_site:  # as its finding counts them
        return _Tally(path.errors, path.samples)
    refused = sum(sample.certificate in bad for sample in fresh)
    failed = sum(_fails(sample) or sample.certificate in bad for sample in fresh)
    if other_site or not fresh or (place.reach is Reach.NO_HTTP and failed == 0):
        first = place.certificate in bad
        down = other_site or first or not place.serves
        return _Tally(int(down), 1, int(first))
    return _Tally(failed, len(fresh), refused)


def _fresh(context: RuleContext, place: EndpointStatus) -> list[Sample]:
    wanted = (place.address, place.port, "fresh")
    seen = (sample for sample in context.of(Sample) if sample.cause is not Cause.CANCELLED)
    return [sample for sample in seen if (sample.address, sample.port, sample.arm) == wanted]


def _fails(sample: Sample) -> bool:
    return sample.failure is not None or (sample.status or 0) >= 500


def _part(failed: int, made: int, refused: bool) -> str:
    """ "Some connections fail (11 of 32)"."""
    one, many = ("shows a certificate error", "show a certificate error") if refused else ("fails", "fail")
    if failed / made < A_FEW or failed == 1:
        return f"Now and then a connection {one} ({failed} of {made})."
    most = "Most connections" if failed * 2 > made else "Some connections"
    return f"{most} {many} ({failed} of {made})."


def _with_sessions(impact: Impact) -> Impact:
    return Impact(
        kind=impact.kind,
        sentence=f"{impact.sentence.removesuffix('.')}, and users lose their session.",
        failed=impact.failed,
        connections=impact.connections,
    )


# --- works, but --------------------------------------------------------------------------------------------------


def _redundancy(context: RuleContext, findings: Sequence[Finding]) -> Impact:
    names = {member.name for member in context.target.members if member.client}
    out = {
        name
        for finding in findings
        if felt(context, finding) is ImpactKind.NO_REDUNDANCY
        for place in _places(context, finding)
        for name in place.client_of
    } & names
    if not out:
        kind = ImpactKind.NO_REDUNDANCY
        return Impact(kind=kind, sentence=SENTENCES[kind], servers=len(names) or None)
    serving = len(names) - len(out)
    left = "no redundancy is left: " if serving == 1 else ""
    return Impact(
        kind=ImpactKind.NO_REDUNDANCY,
        sentence=f"Users can work, but {left}only {serving} of {len(names)} servers can serve.",
        serving=serving,
        servers=len(names),
    )


def _until(context: RuleContext, findings: Sequence[Finding]) -> Impact:
    felt_ones = (finding for finding in findings if felt(context, finding) is ImpactKind.UNTIL_DATE)
    until = min((f.facts.until for f in felt_ones if f.facts.until is not None), default=None)
    if until is None:
        return Impact(kind=ImpactKind.UNTIL_DATE, sentence="Users can connect, but not for much longer.")
    days = int((until - context.now).total_seconds() // DAY_S)
    left = f"{days} more day{'' if days == 1 else 's'}" if days else "less than a day"
    return Impact(
        kind=ImpactKind.UNTIL_DATE,
        sentence=f"Users can connect until {until:%Y-%m-%d %H:%M} UTC ({left}).",
        until=until,
    )


def _nothing_felt(context: RuleContext, findings: Sequence[Finding]) -> Impact:
    if any(finding.severity in (Severity.CRITICAL, Severity.WARNING) for finding in findings):
        kind = ImpactKind.NOTHING_NOTICED
        return Impact(kind=kind, sentence=SENTENCES[kind])
    serves = context.fqdn_serves
    sentence = (
        "Users can connect; not everything could be tested."
        if serves
        else "Whether users can connect could not be tested."
    )
    return Impact(kind=ImpactKind.NOT_TESTED, sentence=sentence)
