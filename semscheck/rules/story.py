"""The first five lines: what users notice, the cause, who acts, the first step, and what else there is.

Impact is computed from what was seen where the FQDN leads (`rules/impact.py`), not from severity. The cause is the
finding that explains what users notice; what could not be told stands last and never hides what was found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from semscheck.model.analysis import BalancingPath, Method
from semscheck.model.findings import OWNER_NAMES, Finding, ImpactKind, Owner, Role, Status, root_of
from semscheck.model.observations import Cut
from semscheck.model.report import Impact, Summary
from semscheck.model.target import DEFAULT_PORT, Severity
from semscheck.rules.catalogue.watch import as_promised, watched
from semscheck.rules.causes import RANK
from semscheck.rules.context import RuleContext, listed
from semscheck.rules.impact import ORDER, felt, impact_of
from semscheck.rules.remedies import STEP_WORDS

FOUND = (Severity.CRITICAL, Severity.WARNING)
TITLES = 3  # of other findings, said in one line; the report holds them all
_STEP = re.compile(r"^(?:\d{1,3}\.|-) +")
_SENTENCE = re.compile(r"(?<=[a-z)\d\"][.!?]) +(?=[A-Z])")


def tell(context: RuleContext, findings: tuple[Finding, ...], summary: Summary) -> Summary:
    """The summary with its lines. findings: worst first, causes settled."""
    watch = context.analysis.watch
    if summary.verdict is Status.OK and watch is not None:
        return _told(summary, watched(watch), f"{as_promised(watch)}.", also="")
    if summary.verdict is Status.OK:
        impact = Impact(kind=ImpactKind.NOTHING_NOTICED, sentence="No fault found.")
        return _told(summary, impact, _healthy(context, findings), also=_unseen(context))
    lead = _lead(context, findings)
    first = findings[lead]
    impact = watched(watch) if watch is not None else _cut(context) or impact_of(context, findings)
    explained = consequences(findings, lead)
    told = _told(summary, impact, _cause(first, explained), _also(context, findings, lead, explained))
    owners = _owners(first, explained)
    step = _with_second(first_step(first.remedy), owners)
    return replace(told, owners=owners, first_step=step, lead=lead)


def _told(summary: Summary, impact: Impact, cause: str, also: str) -> Summary:
    headline = f"{impact.sentence.rstrip('.')}: {cause}"
    return replace(summary, headline=headline, impact=impact, cause=cause, also=also)


def _cut(context: RuleContext) -> Impact | None:
    """A run that was cut short leads with that, whatever it saw until then."""
    cuts = context.of(Cut)
    if not cuts:
        return None
    how = "Cancelled" if cuts[0].reason == "cancelled" else "Out of time"
    return Impact(kind=ImpactKind.NOT_TESTED, sentence=f"{how}; only a part was tested.")


# --- the cause -----------------------------------------------------------------------------------------------


def consequences(findings: Sequence[Finding], cause: int) -> tuple[Finding, ...]:
    """All that a finding which stands for itself explains, directly or through another one."""
    roots = ((at, root_of(findings, at)) for at in range(len(findings)))
    return tuple(findings[at] for at, root in roots if root == cause != at)


def _lead(context: RuleContext, findings: tuple[Finding, ...]) -> int:
    """The index of the finding to tell of: the cause of what users notice most, before what could not be told."""
    if context.of(Cut) and (cut := [at for at, f in enumerate(findings) if f.role is Role.CUT_SHORT]):
        return cut[0]
    roots = [at for at, finding in enumerate(findings) if finding.caused_by is None]
    told = [at for at in roots if findings[at].severity in FOUND]

    def urgency(at: int) -> tuple[int, int, int]:
        explained = consequences(findings, at)
        kinds = [felt(context, finding) for finding in (findings[at], *explained)]
        worst = min((ORDER[kind] for kind in kinds if kind is not None), default=len(ORDER))
        return worst, RANK[findings[at].severity], -len(explained)

    return min(told or roots, key=urgency)


def _cause(first: Finding, explained: Sequence[Finding]) -> str:
    text = _sentence(first.summary)
    if first.subject.kind == "member" and any(finding.role is Role.STILL_SENDS for finding in explained):
        return f"{text[:-1]}; the load balancer still sends clients there."
    return text


def _sentence(text: str) -> str:
    stripped = text.strip()
    return stripped if stripped.endswith((".", "!", "?")) else stripped + "."


def _owners(first: Finding, explained: Sequence[Finding]) -> tuple[Owner, ...]:
    """Who acts first; then who has to act as well, where clients are still sent to what has failed."""
    if first.owner is Owner.SEMSCHECK:
        return (first.owner,) if first.role is Role.CRASH else ()
    also = [f.owner for f in explained if f.role is Role.STILL_SENDS]
    return tuple(dict.fromkeys((first.owner, *also)))


def _with_second(step: str, owners: Sequence[Owner]) -> str:
    """What the second owner does meanwhile, where a load balancer still sends clients to what has failed."""
    takes_out = Owner.BALANCER in owners[1:]
    return f"{step.rstrip('.')}; until then, take it out of the load balancer's pool." if takes_out else step


def first_step(remedy: str) -> str:
    """The first step of a remedy; its first sentence where the step has more and is long."""
    step = _STEP.sub("", remedy.strip().partition("\n")[0].strip())
    return step if len(step.split()) <= STEP_WORDS else _SENTENCE.split(step, maxsplit=1)[0]


# --- what else -----------------------------------------------------------------------------------------------


def _also(context: RuleContext, findings: Sequence[Finding], lead: int, explained: Sequence[Finding]) -> str:
    """Other findings by severity, counted; then what could not be told, with what to do about it."""
    told = {id(finding) for finding in (findings[lead], *explained)}
    others = [f for f in findings if f.caused_by is None and id(f) not in told]
    acts = tuple(Owner) if context.of(Cut) else (findings[lead].owner, Owner.SEMSCHECK)
    parts = [_counted([f for f in others if f.severity is severity], acts) for severity in FOUND]
    unknown = [f for f in others if f.severity is Severity.UNKNOWN]
    parts += [
        f"{mid_sentence(f.title)}: {mid_sentence(first_step(f.remedy)).rstrip('.')}" for f in unknown[:1]
    ]
    parts.append("" if unknown or findings[lead].severity is Severity.UNKNOWN else _unseen(context))
    return "; ".join(part for part in parts if part)


def _counted(found: Sequence[Finding], acts: Sequence[Owner]) -> str:
    """ "1 critical: DNS round robin, for the DNS administrator", "3 warnings: no answer (2), clocks differ".

    found: of one severity. acts: whom the lines name already."""
    if not found:
        return ""
    severity, owners = found[0].severity, {finding.owner for finding in found}
    others = owners.difference(acts) if len(owners) == 1 else ()
    whose = "".join(f", for the {OWNER_NAMES[owner]}" for owner in others)
    titles = Counter(mid_sentence(finding.title) for finding in found)
    shown = [title if count == 1 else f"{title} ({count})" for title, count in titles.items()]
    more = f" and {len(shown) - TITLES} more" if len(shown) > TITLES else ""
    plural = "s" if severity is Severity.WARNING and len(found) > 1 else ""
    return f"{len(found)} {severity.value}{plural}: {', '.join(shown[:TITLES])}{more}{whose}"


def mid_sentence(text: str) -> str:
    """For the middle of a sentence: "Round robin" and "A server", but not "TLS", "IPv6" or "Common Name"."""
    return text[:1].lower() + text[1:] if re.match(r"[A-Z]([a-z]+\b(?! [A-Z][a-z]| \d)|\b)", text) else text


def _unseen(context: RuleContext) -> str:
    if context.target.members or not context.fqdn_serves:
        return ""
    port = f" --port {context.target.port}" if context.target.port != DEFAULT_PORT else ""
    return (
        "only the name was tested, not each server behind it: "
        f"run `semscheck init {context.target.fqdn}{port} --save`, then check again"
    )


# --- nothing wrong -------------------------------------------------------------------------------------------


def _healthy(context: RuleContext, findings: tuple[Finding, ...]) -> str:
    """For a run in which nothing is worse than worth knowing; what decides that was measured (see `evaluate`)."""
    name = context.fqdn
    lowered = sorted({finding.code for finding in findings if finding.code in context.target.severities})
    if lowered:
        return f"{name} answers; the profile counts {', '.join(lowered)} as information only."
    if context.target.fqdn_is_address:
        return f"{name} answers; an address was given, so no name was checked."
    paths = context.analysis.paths
    if not paths:
        return f"{name} answers; load balancing was not tested."
    direct = {place.client_of for place in context.fqdn_places}
    if len(direct) == 1 and (names := direct.pop()):
        return f"{name} leads to {' and '.join(names)} itself, with no load balancer, and clients are served."
    if all(path.method is Method.SINGLE for path in paths):
        return _steady(context, paths)
    if all(path.method is Method.WEIGHTED for path in paths):
        return f"{name} spreads new clients by weight and keeps each on its server, as the vendor accepts."
    return f"{name} answers, and nothing that was tested is wrong."


def _one_member(context: RuleContext, paths: Sequence[BalancingPath]) -> str | None:
    """The member of the profile that answers at all of them."""
    known = {member.name for member in context.target.members}
    names = {next((share.name for share in path.members if share.name in known), None) for path in paths}
    return names.pop() if len(names) == 1 else None


def _steady(context: RuleContext, paths: Sequence[BalancingPath]) -> str:
    """What is true of all paths that were sampled, each of which is steady by itself."""
    one = _one_member(context, paths)
    sampled = {path.address for path in paths}
    left_out = {place.address for place in context.fqdn_places} - sampled
    name = context.fqdn
    if one is None and len(sampled) > 1:
        tested = " that was tested" if left_out else ""
        return f"one server answered at each address of {name}{tested}. {ONE_DESKTOP}"
    count, made = sum(path.identified for path in paths), sum(path.samples for path in paths)
    all_ = f"all {count}" if count == made else f"{count} of {made}"
    where = f" at {listed(dict.fromkeys(path.address for path in paths))}" if left_out else ""
    if any(path.is_one_application for path in paths):
        return (
            f"one application answered {all_} connections to {name}{where}, behind several servers that end TLS: "
            "sessions are known wherever they are shown."
        )
    return f"{one or 'one and the same server'} answered {all_} connections to {name}{where}. {ONE_DESKTOP}"


ONE_DESKTOP = "(Failover or source-IP persistence: one desktop cannot tell which.)"
