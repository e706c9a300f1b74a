"""How connections to each address of the FQDN are spread: method, persistence, termination, with their bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from semscheck.analysis.balancing.facts import (
    BALANCER_ERRORS,
    Facts,
    balancer_error,
    cookies_of,
    facts_by_path,
    succeeded,
)
from semscheck.analysis.balancing.identity import Identity, identify
from semscheck.analysis.balancing.method import estimate_method
from semscheck.analysis.balancing.persistence import Attribution, estimate_persistence
from semscheck.analysis.balancing.statistics import clopper_pearson, other_share_at_most
from semscheck.analysis.balancing.termination import (
    disclosed_addresses,
    estimate_termination,
    vendor_hint,
    vendor_in_front,
)
from semscheck.model.analysis import ArmSequence, BalancingPath, EndpointStatus, Method, Persistence, Share
from semscheck.model.observations import Sample
from semscheck.model.report import Snapshot

CONFIDENCE = 0.95
ARMS = ("fresh", "pairs", "cookie", "resume", "keep-alive", "source", "pause")


def paths(snapshot: Snapshot, places: Sequence[EndpointStatus]) -> tuple[BalancingPath, ...]:
    """One analysis for each address that was sampled, in the order of sampling.

    What servers that the check found by itself leave open is told as if they were not known.
    """
    told = [_path(facts) for facts in facts_by_path(snapshot, places)]
    members = tuple(member for member in snapshot.target.members if not member.found)
    if members == snapshot.target.members or all(path.method is not Method.UNKNOWN for path in told):
        return tuple(told)
    alone = replace(snapshot, target=replace(snapshot.target, members=members))
    nobodys = [replace(place, client_of=(), replication_of=()) for place in places]
    without = [_path(facts) for facts in facts_by_path(alone, nobodys)]
    pairs = zip(told, without, strict=True)
    return tuple(bare if path.method is Method.UNKNOWN else path for path, bare in pairs)


def worst(found: Sequence[BalancingPath]) -> BalancingPath | None:
    """The path that matters most: the one whose clients fare worst; None if nothing was sampled."""
    return max(found, key=_badness, default=None)


def _badness(path: BalancingPath) -> tuple[int, int]:
    spread = path.method in (Method.ROTATING, Method.EVEN, Method.WEIGHTED) or path.persistence_lost is True
    kept = path.persistence in (Persistence.COOKIE, Persistence.TLS_SESSION, Persistence.SOURCE_ADDRESS)
    if spread and not kept:
        return 4, 0 if path.method is Method.WEIGHTED else 1
    if path.method is Method.UNKNOWN:
        return 3, 0
    return (2, 0) if spread else (1, 0)


def _path(facts: Facts) -> BalancingPath:
    identity = identify(facts)
    spread = estimate_method(facts, identity)
    if spread.shared:
        identity = Identity({}, signals=identity.signals)
    attribution = Attribution(facts, identity, spread)
    ends = estimate_termination(facts)
    kept = estimate_persistence(attribution, ends.termination)
    labels = [label for label in spread.labels if label is not None]
    counts = Counter(labels)
    fresh, pairs = facts.fresh, facts.samples_of("pairs")
    unnamed = fresh and pairs and not labels
    tried = (*fresh, *pairs) if unnamed else fresh or pairs
    answered = [sample for sample in tried if succeeded(sample)]
    # Where nothing came at all, other rules say what stops it; a balancer's error page is an answer of its own.
    met = answered or any(sample.status in BALANCER_ERRORS for sample in tried)
    errors = sum(balancer_error(sample) for sample in tried) if met else 0
    vendor, vendor_evidence = vendor_in_front(facts)
    single = spread.method is Method.SINGLE
    return BalancingPath(
        address=facts.address,
        port=facts.port,
        method=spread.method,
        persistence=kept.persistence,
        samples=len(tried),
        identified=len(labels),
        failed=sum(sample.failure is not None for sample in tried),
        identified_by=_identified_by(attribution, pairs),
        members=_shares(counts, facts.keys.keys if identity.by == "ticket-key" else {}),
        members_seen=len(counts),
        other_share_at_most=(
            other_share_at_most(len(tried), CONFIDENCE, elsewhere=len(tried) - len(labels))
            if single and labels
            else None
        ),
        effective_members=spread.effective,
        confidence=CONFIDENCE if labels else None,
        termination=ends.termination,
        termination_evidence=ends.evidence,
        cookies_in_front=ends.by_cookies,
        vendor=vendor,
        vendor_evidence=vendor_evidence,
        vendor_hint=vendor_hint(vendor) if facts.direct is None else None,
        cycle=spread.cycle,
        chance=spread.chance,
        certain=spread.certain,
        cookie_offered=kept.cookie[0],
        cookie_returned=kept.cookie[1],
        session_offered=kept.session[0],
        session_returned=kept.session[1],
        requests=kept.requests[0],
        requests_moved=kept.requests[1],
        kept_by=kept.by,
        kept_by_cookie=kept.by_cookie,
        persistence_lost=kept.lost,
        persistence_held_s=kept.held_s,
        blocks=spread.blocks,
        ticket_keys=tuple(dict.fromkeys(facts.tickets.in_time)),
        sources=len({s.source_address for s in facts.samples if s.source_address and succeeded(s)}) or 1,
        why_unknown=spread.why,
        signals=identity.signals,
        arms=_arms(attribution),
        cookies=tuple(dict.fromkeys(name for s in facts.samples for name, _ in cookies_of(s.headers))),
        discloses=disclosed_addresses(facts),
        errors=errors,
        evidence=tuple(sample.id for sample in tried),
    )


def _identified_by(attribution: Attribution, pairs: Sequence[Sample]) -> str | None:
    identity, spread = attribution.identity, attribution.method
    if identity.by is not None:
        return identity.by
    if spread.shared and spread.method is Method.SINGLE:
        return "http-cookie"
    if attribution.facts.direct is not None and any(spread.labels):
        return "address"
    if not pairs or spread.method is Method.UNKNOWN:
        return None
    return "http-cookie" if all(sample.cookies_sent for sample in pairs) else "pairs"


def _shares(counts: Mapping[str, int], keys: Mapping[str, tuple[str, ...]]) -> tuple[Share, ...]:
    total = sum(counts.values())
    shares = []
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        low, high = clopper_pearson(count, total, CONFIDENCE)
        share = Share(name=name, count=count, share=count / total, share_low=low, share_high=high)
        shares.append(replace(share, keys=keys.get(name, ())))
    return tuple(shares)


def _arms(attribution: Attribution) -> tuple[ArmSequence, ...]:
    found = []
    facts, spread = attribution.facts, attribution.method
    for arm in ARMS:
        # What only gathers sessions for the resume arm offers none, and is no part of the answer.
        wanted = [s for s in facts.samples_of(arm) if arm != "resume" or s.offered is not None]
        samples = sorted(wanted, key=lambda s: (s.index, s.request))
        if not samples:
            continue
        if arm == "fresh":
            labels = _padded(spread.labels, len(samples))
        elif arm == "pairs":
            labels = _padded(spread.labels[len(facts.fresh) :], len(samples))
        else:
            labels = _arm_labels(samples, attribution)
        failed = tuple(at for at, sample in enumerate(samples) if not succeeded(sample))
        ids = tuple(sample.id for sample in samples)
        found.append(ArmSequence(arm=arm, members=labels, failed=failed, evidence=ids))
    return tuple(found)


def _padded(labels: Sequence[str | None], size: int) -> tuple[str | None, ...]:
    return (*labels[:size], *([None] * (size - len(labels))))


def _arm_labels(samples: Sequence[Sample], attribution: Attribution) -> tuple[str | None, ...]:
    """Who answered, where it was traced, or where the connection came back to the one it had its token from."""
    known = dict(attribution.origins)
    labels: list[str | None] = []
    for sample in samples:
        label = attribution.identity.of(sample)
        if label is None and sample.offered is not None and attribution.came_back(sample, known):
            label = known.get(sample.offered)
        if label is not None:
            known[sample.id] = label
        labels.append(label)
    return tuple(labels)
