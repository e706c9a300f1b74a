"""How connections to each address of the FQDN are spread: method, persistence, termination, with their bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import comb, prod

from semscheck.analysis.balancing.cookies import (
    BalancerVendor,
    CookieKind,
    Strength,
    classify_cookie,
    decode_cookie,
)
from semscheck.analysis.balancing.identity import (
    Facts,
    Identity,
    contradiction,
    cookies_of,
    identify,
    member_addresses,
    repeated_cookies,
    set_in_front,
    unique_certificates,
    worth,
)
from semscheck.analysis.balancing.limits import kept_away, without_those
from semscheck.analysis.balancing.statistics import (
    CycleKind,
    PairTrial,
    binomial_at_least,
    clopper_pearson,
    cycle,
    cycle_with_gaps,
    equal_shares_rejected,
    lag_matches,
    other_share_at_most,
    several_members,
)
from semscheck.analysis.balancing.vendors import fingerprint, remedy_hint
from semscheck.analysis.sampling_strategy import EACH_LOOK
from semscheck.model.analysis import (
    ArmSequence,
    BalancingPath,
    EndpointStatus,
    Method,
    Persistence,
    Share,
    Signal,
    Termination,
)
from semscheck.model.failure import Cause
from semscheck.model.observations import Control, Exchange, Handshake, Sample, Trace
from semscheck.model.report import Snapshot

CONFIDENCE = 0.95
ALPHA = 0.01
LEAST = 4  # identified connections, below which nothing is said of the method
FAILED_PART = 0.1  # of the connections: more that fail leave open where the balancer sends them
ONE_UNIDENTIFIED_IN = 32  # a token that came late, a restart: more unidentified ones leave the method open
NO_ANSWER = "a server that fails"  # silent, refusing, or ending the handshake
NOT_TOLD = "a server that could not be told"
GAPS = frozenset((NO_ANSWER, NOT_TOLD))
BALANCER_ERRORS = frozenset({502, 503, 504})
_BY_CYCLE = {
    CycleKind.ROTATING: Method.ROTATING,
    CycleKind.WEIGHTED: Method.WEIGHTED,
    CycleKind.REPEATING: Method.EVEN,
}
ARMS = ("fresh", "pairs", "cookie", "resume", "keep-alive", "source")


def paths(snapshot: Snapshot, places: Sequence[EndpointStatus]) -> tuple[BalancingPath, ...]:
    """One analysis for each address that was sampled, in the order of sampling."""
    by_address: dict[tuple[str, int], list[Sample]] = {}
    traces: dict[str, list[Trace]] = {}
    controls: list[Control] = []
    shakes: list[Handshake] = []
    pages: list[Exchange] = []
    for seen in snapshot.observations:
        match seen:
            case Sample():
                by_address.setdefault((seen.address, seen.port), []).append(seen)
            case Trace():
                traces.setdefault(seen.sample, []).append(seen)
            case Control():
                controls.append(seen)
            case Handshake():
                shakes.append(seen)
            case Exchange() if seen.failure is None:
                pages.append(seen)
            case _:
                pass
    found = []
    left_out = kept_away(snapshot.observations)
    for (address, port), samples in by_address.items():
        place = next((p for p in places if (p.address, p.port) == (address, port)), None)
        counting = without_those(samples, left_out)
        facts = _facts(snapshot, counting, traces, controls, shakes, pages)
        found.append(_path(facts, place, address, port, pages, shakes))
    return tuple(found)


def worst(found: Sequence[BalancingPath]) -> BalancingPath | None:
    """The path that matters most: the one whose clients fare worst; None if nothing was sampled."""
    return max(found, key=_badness, default=None)


def _badness(path: BalancingPath) -> tuple[int, int]:
    spread = path.method in (Method.ROTATING, Method.EVEN, Method.WEIGHTED)
    kept = path.persistence in (Persistence.COOKIE, Persistence.TLS_SESSION, Persistence.SOURCE_ADDRESS)
    if spread and not kept:
        return 4, 0 if path.method is Method.WEIGHTED else 1
    if path.method is Method.UNKNOWN:
        return 3, 0
    return (2, 0) if spread else (1, 0)


def _facts(
    snapshot: Snapshot,
    samples: Sequence[Sample],
    traces: Mapping[str, Sequence[Trace]],
    controls: Sequence[Control],
    shakes: Sequence[Handshake],
    pages: Sequence[Exchange],
) -> Facts:
    target = snapshot.target
    client = {e.address: member.name for member in target.members for e in member.client}
    sampled = {sample.address for sample in samples}
    own = any(control.issuer_address in client and control.issuer for control in controls)
    main, earlier = _main_run(samples)
    return Facts(
        members=tuple(member.name for member in target.members if member.client),
        addresses=member_addresses(target),
        samples=main,
        traces={sample.id: tuple(traces.get(sample.id, ())) for sample in samples},
        controls=tuple(c for c in controls if (c.issuer if own else c.issuer_address in sampled)),
        own_certificates=unique_certificates(target, shakes),
        own_pages=tuple((client[page.address], page) for page in pages if page.address in client),
        pages=tuple(page for page in pages if page.address in sampled and page.address not in client),
        earlier=earlier,
        started=snapshot.run.started,
        client=client,
    )


def _main_run(samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Where tracing by one token was given up for another, the fresh arm began anew: the last one counts. What
    was connected before it, and could be told, comes second."""
    starts = [at for at, sample in enumerate(samples) if sample.arm == "fresh" and sample.index == 0]
    if len(starts) < 2:
        return tuple(samples), ()
    before = tuple(s for s in samples[: starts[-1]] if s.arm in ("fresh", "pairs"))
    dropped = {sample.id for sample in before}
    return tuple(s for s in samples if s.id not in dropped), before


# --- one path ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MethodEstimate:
    """What the fresh arm says: see BalancingPath for the fields."""

    method: Method
    cycle: tuple[str, ...] = ()
    chance: float | None = None
    effective: float | None = None
    certain: bool = True
    why: str | None = None
    labels: tuple[str | None, ...] = ()
    match_rate: float | None = None  # without labels: at most so many pairs meet the same server by chance
    shared: bool = (
        False  # whoever ends TLS, HTTP sessions are known everywhere: they say nothing of who answers
    )


@dataclass(frozen=True, slots=True)
class PersistenceEstimate:
    """What the persistence arms say."""

    persistence: Persistence
    cookie: tuple[int, int] = (0, 0)  # offered, returned
    session: tuple[int, int] = (0, 0)
    requests: tuple[int, int] = (0, 0)  # made on kept connections, moved
    by: str | None = None
    lost: bool | None = None


def _path(
    facts: Facts,
    place: EndpointStatus | None,
    address: str,
    port: int,
    pages: Sequence[Exchange],
    shakes: Sequence[Handshake],
) -> BalancingPath:
    identity = identify(facts)
    fresh = facts.fresh
    direct = _own_interface(place)
    spread = _spread(facts, identity, direct)
    if spread.shared:
        identity = Identity({}, signals=identity.signals)
    termination, evidence = _termination(facts, direct, address, shakes)
    kept = _persistence(facts, identity, spread, termination)
    labels = [label for label in spread.labels if label is not None]
    counts = Counter(labels)
    pairs = tuple(sample for sample in facts.samples if sample.arm == "pairs")
    tried = fresh or pairs
    answered = [sample for sample in tried if _succeeded(sample)]
    # Where nothing came at all, other rules say what stops it; a balancer's error page is an answer of its own.
    met = answered or any(sample.status in BALANCER_ERRORS for sample in tried)
    errors = sum(_balancer_error(sample) for sample in tried) if met else 0
    vendor, vendor_evidence = _vendor(facts, address, pages, direct)
    single = spread.method is Method.SINGLE
    return BalancingPath(
        address=address,
        port=port,
        method=spread.method,
        persistence=kept.persistence,
        samples=len(tried) + (len(pairs) if fresh and pairs and not labels else 0),
        identified=len(labels),
        failed=sum(sample.failure is not None for sample in tried),
        identified_by=_identified_by(identity, spread, direct, pairs),
        members=_shares(counts),
        members_seen=len(counts),
        other_share_at_most=(
            other_share_at_most(len(tried), CONFIDENCE, elsewhere=len(tried) - len(labels))
            if single and labels
            else None
        ),
        effective_members=spread.effective,
        confidence=CONFIDENCE if labels else None,
        termination=termination,
        termination_evidence=evidence,
        vendor=vendor,
        vendor_evidence=vendor_evidence,
        vendor_hint=_hint(vendor) if direct is None else None,
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
        persistence_lost=kept.lost,
        sources=len({s.source_address for s in facts.samples if s.source_address and _succeeded(s)}) or 1,
        why_unknown=spread.why,
        signals=identity.signals,
        arms=_arms(facts, identity, spread),
        cookies=tuple(dict.fromkeys(name for s in facts.samples for name, _ in cookies_of(s.headers))),
        discloses=_disclosed(facts),
        errors=errors,
        evidence=tuple(sample.id for sample in tried),
    )


def _own_interface(place: EndpointStatus | None) -> str | None:
    """The member whose own interface the address is, either of them: nothing stands in front of it then."""
    owners = (place.client_of or place.replication_of) if place is not None else ()
    return owners[0] if len(owners) == 1 else None


def _succeeded(sample: Sample) -> bool:
    return sample.failure is None and sample.status not in BALANCER_ERRORS


def _balancer_error(sample: Sample) -> bool:
    """502, 503, 504, an alert, a close or reset, or no answer in time: what a dead member behind a balancer looks
    like, or one that does not speak with clients of today."""
    if sample.failure is None:
        return sample.status in BALANCER_ERRORS
    return sample.failure.cause in (
        Cause.ALERT,
        Cause.CLOSED,
        Cause.RESET,
        Cause.STALLED,
        Cause.TIMED_OUT,
        Cause.REFUSED,
        Cause.MALFORMED,
    )


def _identified_by(
    identity: Identity, spread: MethodEstimate, direct: str | None, pairs: Sequence[Sample]
) -> str | None:
    if identity.by is not None:
        return identity.by
    if direct is not None and any(spread.labels):
        return "address"
    return "pairs" if pairs and spread.method is not Method.UNKNOWN else None


def _shares(counts: Mapping[str, int]) -> tuple[Share, ...]:
    total = sum(counts.values())
    shares = []
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        low, high = clopper_pearson(count, total, CONFIDENCE)
        shares.append(Share(name=name, count=count, share=count / total, share_low=low, share_high=high))
    return tuple(shares)


# --- method ------------------------------------------------------------------------------------------------


def _spread(facts: Facts, identity: Identity, direct: str | None) -> MethodEstimate:
    fresh = facts.fresh
    labels = tuple(identity.of(sample) for sample in fresh)
    if identity.by is None and direct is not None and any(_succeeded(sample) for sample in fresh):
        # The address is one member's own interface, if nothing that was seen says otherwise.
        said_otherwise = _no_single_server(facts, direct)
        if said_otherwise is not None:
            why = f"the profile has the address as {direct}'s own, and {said_otherwise}"
            return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
        labels = tuple(direct if _succeeded(sample) else None for sample in fresh)
    if facts.members or direct is not None:
        if not any(labels):
            return MethodEstimate(Method.UNKNOWN, why=_nothing_tells(identity, facts))
    else:
        unnamed = _without_names(facts, identity, labels)
        if unnamed is not None:
            return unnamed
    against = contradiction(identity)
    if against is not None:
        why = f"two strong signs of who answered contradict each other ({identity.by} and {against.name})"
        return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
    certain = identity.strength != "weak" and (bool(facts.members) or identity.by not in _INFERRED)
    return _from_labels(labels, fresh, certain, _cannot_be_told(facts, identity))


def _no_single_server(facts: Facts, direct: str) -> str | None:
    """What says that an address which is one member's own by the profile is that of several servers."""
    again = {s.resumed for s in facts.samples if s.arm == "resume" and s.status is None} - {None}
    if len(again) > 1:
        return "TLS sessions that it gave are known there at one time and unknown at another"
    values = worth(facts.controls, "tls", facts.members)
    for sample in facts.samples:
        for trace in facts.traces.get(sample.id, ()):
            apart = values.groups.get(trace.member, trace.member) == trace.member
            if trace.recognised and trace.token == "tls" and trace.member != direct and apart:
                return f"{trace.member} recognises TLS sessions that it gave"
    return None


def _cannot_be_told(facts: Facts, identity: Identity) -> bool:
    """Whether a member is known that the signal in use could not name: what was answered and not identified may be
    its answers."""
    token = {"tls-session": "tls", "http-cookie": "cookie"}.get(identity.by or "")
    if token is None or not facts.members:
        return False
    return not set(facts.members) <= set(worth(facts.controls, token, facts.members).groups)


# Without members: told by what the FQDN itself recognises.
_INFERRED = ("http-cookie",)


def _without_names(facts: Facts, identity: Identity, labels: Sequence[str | None]) -> MethodEstimate | None:
    """Members unknown: what pairs of connections say; None where the labels say it better.

    Sessions that are known to some connections and not to others show several servers, whatever the labels say:
    servers may share their HTTP sessions. That a session cookie is always known shows one server only where no
    balancer can have led it back (see `probes.pairs`).
    """
    if len({label for label in labels if label is not None}) > 1:
        return None
    by_session = _from_trials(_session_trials(facts))
    if by_session is not None and by_session.method is not Method.UNKNOWN:
        shared = identity.by in _INFERRED and any(labels)
        return replace(by_session, shared=shared) if facts.earlier else _with_places(by_session, facts)
    if any(labels) and identity.by not in _INFERRED:
        return None
    by_cookie = _from_cookie_pairs(facts)
    if by_cookie is not None:
        return by_cookie if by_cookie.method is not Method.SINGLE else None
    if by_session is not None:
        return by_session
    return MethodEstimate(Method.UNKNOWN, why=_nothing_tells(identity, facts))


def _with_places(spread: MethodEstimate, facts: Facts) -> MethodEstimate:
    """A cycle without names: each connection's place in it."""
    if not spread.cycle:
        return spread
    order = sorted((s for s in facts.samples if s.arm in ("fresh", "pairs")), key=lambda s: s.index)
    names = spread.cycle
    labels = tuple(names[s.index % len(names)] if _succeeded(s) else None for s in order)
    return replace(spread, labels=labels)


def _from_labels(
    labels: tuple[str | None, ...], fresh: Sequence[Sample], certain: bool, hidden: bool = False
) -> MethodEstimate:
    """hidden: a member is known that could not have been named."""
    known = [label for label in labels if label is not None]
    counts = Counter(known)
    if len(known) < LEAST:
        why = f"only {len(known)} {'connection' if len(known) == 1 else 'connections'} could be identified"
        return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
    turns = cycle_with_gaps(_filled(labels, fresh), GAPS)
    if turns is not None and not any(" or " in label for label in counts):
        return MethodEstimate(
            _BY_CYCLE[turns.kind], turns.order, turns.chance, certain=certain, labels=labels
        )
    if len(counts) == 1:
        return _single(labels, known, fresh, certain, hidden)
    if any(" or " in label for label in counts):
        return _from_groups(labels, counts)
    found = cycle(labels)
    if found is not None:
        method = _BY_CYCLE[found.kind]
        return MethodEstimate(method, found.order, found.chance, certain=certain, labels=labels)
    if _switched(known):
        why = (
            f"all connections went to {known[0]} and then, from one moment on, to {known[-1]}: "
            "a fail-over happened while the check ran, or the balancer moved this desktop; run it again"
        )
        return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
    uneven = equal_shares_rejected(tuple(counts.values()), alpha=EACH_LOOK)
    return MethodEstimate(Method.WEIGHTED if uneven else Method.EVEN, certain=certain, labels=labels)


def _from_groups(labels: tuple[str | None, ...], counts: Mapping[str, int]) -> MethodEstimate:
    """Some members share their keys, so that connections to any of them carry one label.

    Equal shares of the members are shares of the labels by their sizes. A cycle counts as round robin if each
    label has its size in one period. What happens within a group cannot be seen, so nothing is certain.
    """
    sizes = {label: len(label.split(" or ")) for label in counts}
    found = cycle(labels)
    if found is not None:
        places = Counter(found.order)
        even = len({places[label] / sizes[label] for label in counts}) == 1
        method = Method.ROTATING if even else Method.WEIGHTED
        return MethodEstimate(method, found.order, found.chance, certain=False, labels=labels)
    total, all_members = sum(counts.values()), sum(sizes.values())
    # Each label against its equal share, both ways, together at 1 % (Bonferroni).
    least = min(
        min(binomial_at_least(count, total, share), binomial_at_least(total - count, total, 1 - share))
        for count, share in ((counts[label], sizes[label] / all_members) for label in counts)
    )
    uneven = least <= ALPHA / (2 * len(counts))
    return MethodEstimate(Method.WEIGHTED if uneven else Method.EVEN, certain=False, labels=labels)


def _filled(labels: Sequence[str | None], fresh: Sequence[Sample]) -> list[str]:
    return [
        label or (NOT_TOLD if _succeeded(sample) else NO_ANSWER)
        for label, sample in zip(labels, fresh, strict=True)
    ]


def _single(
    labels: tuple[str | None, ...], known: Sequence[str], fresh: Sequence[Sample], certain: bool, hidden: bool
) -> MethodEstimate:
    answered = sum(_succeeded(sample) for sample in fresh)
    unknown = sum(_succeeded(s) and label is None for s, label in zip(fresh, labels, strict=True))
    failed = len(fresh) - answered
    if " or " in known[0]:
        why = f"{known[0]} cannot be told apart (they recognise each other's tokens)"
        return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
    if unknown > (0 if hidden else max(1, len(fresh) // ONE_UNIDENTIFIED_IN)):
        why = f"{unknown} of {answered} connections could not be identified"
        if hidden:
            why += ", and a member is known that gives nothing to identify it by"
        return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
    if failed > FAILED_PART * len(fresh):
        why = (
            f"{failed} of {len(fresh)} connections failed, and where the balancer would have sent them is not known; "
            f"all others went to {known[0]}"
        )
        return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
    return MethodEstimate(Method.SINGLE, certain=certain, labels=labels)


def _switched(known: Sequence[str]) -> bool:
    """One change in the whole sequence, which under random choice happens in 2 of C(n, k) arrangements."""
    changes = sum(one != other for one, other in pairwise(known))
    first = sum(label == known[0] for label in known)
    return changes == 1 and 2 / comb(len(known), first) < ALPHA


# --- method, members unknown -------------------------------------------------------------------------------


def _session_trials(facts: Facts) -> list[PairTrial]:
    """TLS sessions of earlier connections, offered to later ones, at known distances."""
    run = facts.earlier or facts.samples
    index = {s.id: s.index for s in run if s.arm in ("fresh", "pairs")}
    return [
        PairTrial(earlier=index[s.offered or ""], later=s.index, recognised=s.resumed)
        for s in run
        if s.arm == "pairs" and s.resumed is not None and index.get(s.offered or "", s.index) < s.index
    ]


def _from_trials(trials: Sequence[PairTrial]) -> MethodEstimate | None:
    """Tokens of earlier connections, recognised or refused. None where there are none."""
    if not trials:
        return None
    seen = lag_matches(trials)
    refused = seen.tried - seen.recognised
    if seen.always_recognised or not seen.recognised:
        return MethodEstimate(Method.UNKNOWN, why=_pairs_say_nothing(seen.always_recognised))
    if not several_members(refused, seen.tried):
        return MethodEstimate(
            Method.UNKNOWN, why=f"{refused} of {seen.tried} sessions were refused, too few to mean anything"
        )
    if seen.cycle_members is not None:
        names = tuple(f"server {chr(ord('A') + at)}" for at in range(seen.cycle_members))
        return MethodEstimate(
            Method.ROTATING,
            names,
            seen.cycle_chance,
            seen.effective_members,
            certain=False,
            match_rate=seen.match_rate_high,
        )
    uneven = seen.match_rate_low is not None and seen.match_rate_low > 0.5  # two equal shares give 1/2
    method = Method.WEIGHTED if uneven else Method.EVEN
    return MethodEstimate(
        method, effective=seen.effective_members, certain=False, match_rate=seen.match_rate_high
    )


def _from_cookie_pairs(facts: Facts) -> MethodEstimate | None:
    """Session cookies shown beside made-up values, in two orders. None where none were.

    An order in which none was recognised is one that the application does not read, and says nothing. Refusals
    in an order that it reads are several servers. One server is shown only by both orders, always recognised.
    """
    index = {s.id: s.index for s in facts.samples if s.arm in ("fresh", "pairs")}
    labels = repeated_cookies(facts)
    orders: tuple[list[PairTrial], list[PairTrial]] = ([], [])
    for s in facts.samples:
        if s.arm != "pairs" or s.cookie_recognised is None or not s.cookies_sent:
            continue
        earlier = index.get(s.offered or "", s.index)
        if earlier < s.index and s.cookies_sent[-1].partition(" ")[0] not in labels:
            made_up_first = " " in s.cookies_sent[0]
            orders[made_up_first].append(PairTrial(earlier, s.index, s.cookie_recognised))
    if not any(orders):
        return None
    read = [trials for trials in orders if any(trial.recognised for trial in trials)]
    chosen_anew = [trials for trials in read if not all(trial.recognised for trial in trials)]
    for trials in chosen_anew:
        found = _from_trials(trials)
        if found is not None and found.method is not Method.UNKNOWN:
            return found
    if not read:
        return MethodEstimate(
            Method.UNKNOWN, why="no session cookie was ever recognised on another connection"
        )
    if chosen_anew or len(read) < 2 or sum(map(len, read)) < LEAST * 2:
        why = "every session cookie was recognised again: one server, or a balancer that keeps clients by it"
        return MethodEstimate(Method.UNKNOWN, why=why)
    return MethodEstimate(Method.SINGLE)


def _pairs_say_nothing(always: bool) -> str:
    if always:
        return (
            "every TLS session was recognised again: one server, something in front that ends TLS, "
            "or servers that share their keys look the same"
        )
    return "no TLS session was ever recognised again"


def _nothing_tells(identity: Identity, facts: Facts) -> str:
    if not any(_succeeded(sample) for sample in facts.samples):
        return "no connection succeeded"
    reasons = {signal.name: signal.why for signal in identity.signals if signal.why}
    told = [reasons[name] for name in ("tls-session", "http-cookie") if name in reasons]
    return "; ".join(dict.fromkeys(told)) or "nothing that was seen differs between members"


# --- persistence -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Back:
    """A connection that presented something: did it come back to its member, and how likely by chance alone?

    origin: id of the connection that was given what it presented.
    """

    returned: bool
    chance: float
    origin: str


def _persistence(
    facts: Facts, identity: Identity, spread: MethodEstimate, termination: Termination
) -> PersistenceEstimate:
    cookie = _cookie_returns(facts, identity, spread)
    session = _session_returns(facts, identity, spread, termination)
    seen = PersistenceEstimate(
        Persistence.UNKNOWN,
        cookie=(len(cookie), sum(back.returned for back in cookie)),
        session=(len(session), sum(back.returned for back in session)),
        requests=_moved_requests(facts, identity),
    )
    if spread.method is Method.SINGLE:
        by_source = _by_source(facts, identity, spread)
        kind = Persistence.SOURCE_ADDRESS if by_source else Persistence.NOT_SEPARABLE
        return replace(seen, persistence=kind)
    if spread.method is Method.UNKNOWN:
        return seen
    balancer_cookie = _presented_balancer_cookie(facts)
    independent = cookie if balancer_cookie is not None else _independent(cookie)
    lost = _lost(independent, balancer_cookie)
    if _all_returned(independent):
        by = balancer_cookie or "a cookie"
        return replace(seen, persistence=Persistence.COOKIE, by=by, lost=False)
    if _all_returned(session):
        return replace(seen, persistence=Persistence.TLS_SESSION, by=_session_versions(facts), lost=False)
    if lost:
        return replace(seen, persistence=Persistence.NONE, by=balancer_cookie or "a cookie", lost=True)
    if not _cookies_measured(facts, cookie, termination) or not (session or cookie):
        return seen
    if any(arm and all(back.returned for back in arm) for arm in (cookie, session)):
        return seen  # all came back, but chance could do that as well
    return replace(seen, persistence=Persistence.NONE, lost=False)


def _cookies_measured(facts: Facts, cookie: Sequence[_Back], termination: Termination) -> bool:
    """Whether persistence by cookie is settled: measured, or impossible, since the balancer cannot read them or
    nobody sets any."""
    if cookie or termination is Termination.PASS_THROUGH:
        return True
    answers = [s.headers for s in facts.samples if s.status is not None]
    answers += [page.headers for page in facts.pages if page.status is not None]
    return bool(answers) and not any(cookies_of(headers) for headers in answers)


def _independent(arm: Sequence[_Back]) -> list[_Back]:
    """What was presented twice with the same result counts once: a balancer may choose by its value (a hash), so that
    it meets the same member each time, the right one by luck."""
    results: dict[str, list[_Back]] = {}
    for back in arm:
        results.setdefault(back.origin, []).append(back)
    return [
        back
        for each in results.values()
        for back in (each if len({one.returned for one in each}) > 1 else each[:1])
    ]


def _all_returned(arm: Sequence[_Back]) -> bool:
    """All came back, which chance alone would do in under 1 %."""
    return len(arm) >= 3 and all(back.returned for back in arm) and prod(back.chance for back in arm) < ALPHA


def _lost(arm: Sequence[_Back], balancer_cookie: str | None) -> bool:
    """Something keeps clients (a balancer's cookie was presented, or more came back than chance explains), and
    a client that presented it was moved."""
    returned = sum(back.returned for back in arm)
    if not arm or returned == len(arm):
        return False
    if balancer_cookie is not None:
        return True
    chance = max(back.chance for back in arm)
    return returned * 2 > len(arm) and binomial_at_least(returned, len(arm), chance) < ALPHA


def _cookie_returns(facts: Facts, identity: Identity, spread: MethodEstimate) -> list[_Back]:
    """The arm that sends cookies back."""
    if spread.shared:
        return []
    offered = [s for s in facts.samples if s.arm == "cookie" and s.offered is not None and _told(s, spread)]
    return _returns(offered, facts, identity, spread)


def _told(sample: Sample, spread: MethodEstimate) -> bool:
    """Whether a connection that presented something tells of persistence. One that fails does where the balancer
    sends connections to a server that does not answer, in turn: it was sent there again."""
    return _succeeded(sample) or (NO_ANSWER in spread.cycle and _balancer_error(sample))


def _session_returns(
    facts: Facts, identity: Identity, spread: MethodEstimate, termination: Termination
) -> list[_Back]:
    """The arm that offers TLS sessions; without members, the pairs that did.

    Each version of TLS is judged by itself: a balancer may see the session's id in one and not in the other.
    If the sessions of one version all came back it is that one which is reported, else all of them. What ends
    TLS in front knows its own sessions, which says nothing of the members behind it.
    """
    trials = _session_trials(facts)
    if trials and not facts.members:
        chance = spread.match_rate or 0.5
        pairs = [_Back(trial.recognised, chance, str(trial.earlier)) for trial in trials]
        if not all(back.returned for back in pairs):
            return pairs
    offered = [s for s in facts.samples if s.arm == "resume" and s.offered is not None and _told(s, spread)]
    if termination is not Termination.PASS_THROUGH:
        offered = [s for s in offered if s.status is not None]
    version = {s.id: s.version for s in facts.samples}
    groups: dict[str | None, list[Sample]] = {}
    for sample in offered:
        groups.setdefault(version.get(sample.offered or ""), []).append(sample)
    judged = [_returns(group, facts, identity, spread) for group in groups.values()]
    kept = [arm for arm in judged if _all_returned(arm)]
    return kept[0] if kept else [back for arm in judged for back in arm]


def _returns(
    offered: Sequence[Sample], facts: Facts, identity: Identity, spread: MethodEstimate
) -> list[_Back]:
    """For each connection that presented something and could be judged: did it come back to its member?"""
    origins = _origins(facts, identity, spread)
    keeping = _keeping(facts, identity)
    counts = Counter(label for label in spread.labels if label is not None)
    total = sum(counts.values())
    found = []
    for sample in offered:
        returned = _came_back(sample, identity, origins, keeping) if _succeeded(sample) else False
        if returned is not None:
            owner = origins.get(sample.offered or "", "")
            chance = counts[owner] / total if owner in counts else spread.match_rate or 0.5
            found.append(_Back(returned, chance, sample.offered or sample.id))
    return found


def _origins(facts: Facts, identity: Identity, spread: MethodEstimate) -> dict[str, str]:
    """Who answered the connection whose tokens are presented again, by its id."""
    origins = dict(identity.labels)
    origins.update({s.id: who for s, who in zip(facts.fresh, spread.labels, strict=False) if who is not None})
    return origins


def _came_back(
    sample: Sample, identity: Identity, origins: Mapping[str, str], keeping: _Keeping
) -> bool | None:
    by_session = sample.arm in ("cookie", "keep-alive") and not keeping.sessions_shared
    if by_session and sample.cookie_recognised is not None:
        return sample.cookie_recognised
    if sample.arm == "resume" and sample.status is None:
        return sample.resumed
    here, there = identity.of(sample), origins.get(sample.offered or "")
    if here is not None and there is not None:
        return here == there
    if sample.arm in ("cookie", "keep-alive") and sample.status is not None and there is not None:
        return keeping.accepted(sample)
    return None


@dataclass(frozen=True, slots=True)
class _Keeping:
    """The balancer's own cookies: their names, and the value that each connection (by its id) was given.

    sessions_shared: that a session is known says nothing of who answered, see `_sessions_shared`.
    """

    names: frozenset[str]
    given: Mapping[tuple[str, str], str]
    sessions_shared: bool = False

    def accepted(self, sample: Sample) -> bool | None:
        """Whether the cookies that it sent were left as they are, or set again for the same member. None where that
        cannot be seen: no such cookie was sent, its value is another one with every answer (AWS), or it is the
        application's own, which another member that shares the session would have left as well."""
        now = dict(cookies_of(sample.headers))
        judged: list[bool] = []
        for name in self.names.intersection(sample.cookies_sent):
            sent = self.given.get((sample.offered or "", name), "")
            before = decode_cookie(name, sent)
            if name not in now:
                if before is None or before.kind is not CookieKind.PREFIX:
                    judged.append(True)
                continue
            after = decode_cookie(name, now[name])
            if after is None:
                judged.append(sent == now[name])
            elif after.strength in (Strength.EXACT, Strength.COMPARABLE):
                judged.append(before is not None and before.identity == after.identity)
        return all(judged) if judged else None


def _keeping(facts: Facts, identity: Identity) -> _Keeping:
    """Cookies that a balancer keeps clients by: known ones, those whose values carry its prefix, and what only
    something in front sets."""
    found = set(set_in_front(facts))
    given: dict[tuple[str, str], str] = {}
    for sample in facts.samples:
        set_here = cookies_of(sample.headers)
        given.update({(sample.id, name): value for name, value in set_here})
        for name, value in (*set_here, *((name, "x") for name in sample.cookies_sent)):
            cookie = decode_cookie(name, value)
            if cookie is not None and cookie.kind in (CookieKind.PERSISTENCE, CookieKind.PREFIX):
                found.add(name)
    return _Keeping(frozenset(found), given, _sessions_shared(facts, identity))


def _sessions_shared(facts: Facts, identity: Identity) -> bool:
    """Members unknown: a session that one connection was given is known on others that, by another sign, other
    members answered. All know it, or the balancer led that request back: it does not say who answers."""
    met: dict[str, set[str]] = {}
    for sample in facts.fresh if not facts.members else ():
        label = identity.of(sample)
        for trace in facts.traces.get(sample.id, ()):
            if label is not None and trace.token == "cookie" and trace.recognised:
                met.setdefault(trace.member, set()).add(label)
    return any(len(labels) > 1 for labels in met.values())


def _presented_balancer_cookie(facts: Facts) -> str | None:
    """The name of a balancer's persistence cookie that was sent back, None if there was none."""
    values: dict[str, list[str]] = {}
    for sample in facts.fresh:
        for name, value in cookies_of(sample.headers):
            values.setdefault(name, []).append(value)
    direct = {name for _, page in facts.own_pages for name, _ in cookies_of(page.headers)}
    in_front = set_in_front(facts)
    sent = {name for s in facts.samples if s.arm == "cookie" for name in s.cookies_sent}
    for name in sorted(sent):
        # The first that has a value: a server without one in the balancer's configuration sets it empty.
        for value in [each for each in values.get(name, ()) if each][:1]:
            cookie = classify_cookie(name, value, values[name])
            if cookie is None:
                continue
            if (
                cookie.kind is CookieKind.PREFIX
                or (cookie.kind is CookieKind.PERSISTENCE and name not in direct)
                or (cookie.kind is CookieKind.CANDIDATE and name in in_front)
            ):
                return f"the balancer's cookie {name[:40]}"
    return None


def _session_versions(facts: Facts) -> str:
    """The TLS session, with the versions in which all came back."""
    version = {s.id: s.version for s in facts.samples}
    results: dict[str, list[bool]] = {}
    for sample in facts.samples:
        offered = version.get(sample.offered or "")
        if sample.arm == "resume" and sample.resumed is not None and offered is not None:
            results.setdefault(offered, []).append(sample.resumed)
    versions = sorted(name for name, each in results.items() if all(each))
    return f"the TLS session ({', '.join(v.replace('v', ' ') for v in versions)})"


def _moved_requests(facts: Facts, identity: Identity) -> tuple[int, int]:
    if _sessions_shared(facts, identity):
        return 0, 0
    judged = [
        s
        for s in facts.samples
        if s.arm == "keep-alive" and s.request > 0 and s.cookie_recognised is not None
    ]
    return len(judged), sum(s.cookie_recognised is False for s in judged)


def _by_source(facts: Facts, identity: Identity, spread: MethodEstimate) -> bool:
    """Another address of this desktop is served by another member, and each always by the same."""
    mine = next((label for label in spread.labels if label is not None), None)
    others: dict[str, set[str]] = {}
    for sample in facts.samples:
        label = identity.of(sample)
        if sample.arm == "source" and sample.source_address and label is not None:
            others.setdefault(sample.source_address, set()).add(label)
    each_steady = bool(others) and all(len(labels) == 1 for labels in others.values())
    return each_steady and any(labels != {mine} for labels in others.values())


# --- what stands in front ----------------------------------------------------------------------------------


def _termination(
    facts: Facts, direct: str | None, address: str, shakes: Sequence[Handshake]
) -> tuple[Termination, tuple[str, ...]]:
    """Where TLS ends, and by which evidence; unknown without any."""
    known = [trace for traces in facts.traces.values() for trace in traces if trace.token == "tls"]
    controls = worth(facts.controls, "tls", facts.members)
    if facts.members and controls.usable and any(trace.recognised for trace in known):
        return Termination.PASS_THROUGH, ("a member recognises TLS sessions that the FQDN's address gave",)
    evidence: list[str] = []
    again = [s for s in facts.samples if s.arm == "resume" and s.resumed and s.status is None]
    refused = {trace.sample for trace in known if trace.recognised is False}
    # A member keeps the sessions of its two interfaces apart.
    if facts.members and controls.usable and again and refused and direct is None:
        evidence.append(
            "TLS sessions from the FQDN's address are recognised there and by no member of the profile, "
            "though each member recognises its own"
        )
    if direct is None:
        evidence.extend(_cookies_in_front(facts))
        evidence.extend(_certificate_in_front(facts, address, shakes))
    if evidence:
        return Termination.TERMINATED, tuple(evidence)
    return Termination.UNKNOWN, ()


def _cookies_in_front(facts: Facts) -> list[str]:
    direct = {name for _, page in facts.own_pages for name, _ in cookies_of(page.headers)}
    in_front = set_in_front(facts)
    found: dict[str, None] = {}
    answers = [*(s.headers for s in facts.samples), *(page.headers for page in facts.pages)]
    for name, value in (cookie for headers in answers for cookie in cookies_of(headers)):
        cookie = decode_cookie(name, value)
        known = cookie is not None and cookie.set_in_front
        prefixed = cookie is not None and cookie.kind is CookieKind.PREFIX
        if known and (prefixed or name not in direct):
            found[f"the cookie {name[:40]} is set by a balancer, which it can do only where TLS ends"] = None
        elif name in in_front:
            found[f"the cookie {name[:40]} is set here, and by no member on the same page"] = None
    return list(found)


def _certificate_in_front(facts: Facts, address: str, shakes: Sequence[Handshake]) -> list[str]:
    """The address presents a certificate that no member presents to clients, all members having been seen."""
    here = {shake.chain[0] for shake in shakes if shake.address == address and shake.chain}
    members = {a: name for a, name in facts.client.items() if a != address}
    theirs = {shake.chain[0] for shake in shakes if shake.address in members and shake.chain}
    seen = {members[shake.address] for shake in shakes if shake.address in members and shake.chain}
    if here and theirs and set(facts.members) <= seen and not here & theirs:
        return ["the certificate at the FQDN's address is on no member"]
    return []


def _vendor(
    facts: Facts, address: str, pages: Sequence[Exchange], direct: str | None
) -> tuple[str | None, tuple[str, ...]]:
    """The balancer's maker by its marks, leaving out those that the members carry themselves."""
    if direct is not None:
        return None, ()
    own = {(name.lower(), value) for _, page in facts.own_pages for name, value in page.headers}
    own_cookies = {name for _, page in facts.own_pages for name, _ in cookies_of(page.headers)}
    answers = [sample.headers for sample in facts.samples if sample.headers]
    answers += [page.headers for page in pages if page.address == address]
    headers = {pair for each in answers for pair in each if (pair[0].lower(), pair[1]) not in own}
    cookies = {pair for each in answers for pair in cookies_of(each) if pair[0] not in own_cookies}
    prefixed = {pair for each in answers for pair in cookies_of(each) if "~" in pair[1]}
    kept = sorted(pair for pair in headers if pair[0].lower() != "set-cookie")
    found = fingerprint(kept, sorted(cookies | prefixed))
    return (str(found[0].name), found[0].evidence) if found else (None, ())


def _hint(vendor: str | None) -> str:
    return remedy_hint(BalancerVendor(vendor) if vendor is not None else None)


def _disclosed(facts: Facts) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for sample in facts.samples:
        for name, value in cookies_of(sample.headers):
            cookie = decode_cookie(name, value)
            if cookie is not None and cookie.discloses_address:
                found[f"{name[:60]}: {cookie.identity}"] = None
    return tuple(found)[:16]


# --- the strips --------------------------------------------------------------------------------------------


def _arms(facts: Facts, identity: Identity, spread: MethodEstimate) -> tuple[ArmSequence, ...]:
    found = []
    origins = _origins(facts, identity, spread)
    keeping = _keeping(facts, identity)
    for arm in ARMS:
        # What only gathers sessions for the resume arm offers none, and is no part of the answer.
        wanted = [s for s in facts.samples if s.arm == arm and (arm != "resume" or s.offered is not None)]
        samples = sorted(wanted, key=lambda s: (s.index, s.request))
        if not samples:
            continue
        if arm == "fresh":
            labels = _padded(spread.labels, len(samples))
        elif arm == "pairs":
            labels = _padded(spread.labels[len(facts.fresh) :], len(samples))
        else:
            labels = _arm_labels(samples, identity, origins, keeping)
        failed = tuple(at for at, sample in enumerate(samples) if not _succeeded(sample))
        ids = tuple(sample.id for sample in samples)
        found.append(ArmSequence(arm=arm, members=labels, failed=failed, evidence=ids))
    return tuple(found)


def _padded(labels: Sequence[str | None], size: int) -> tuple[str | None, ...]:
    return (*labels[:size], *([None] * (size - len(labels))))


def _arm_labels(
    samples: Sequence[Sample], identity: Identity, origins: Mapping[str, str], keeping: _Keeping
) -> tuple[str | None, ...]:
    """Who answered, where it was traced, or where the connection came back to the one it had its token from."""
    known = dict(origins)
    labels: list[str | None] = []
    for sample in samples:
        label = identity.of(sample)
        if label is None and sample.offered is not None and _came_back(sample, identity, known, keeping):
            label = known.get(sample.offered)
        if label is not None:
            known[sample.id] = label
        labels.append(label)
    return tuple(labels)


def void_signals(path: BalancingPath) -> tuple[Signal, ...]:
    """The signals that could not be used, with their reasons; what it would take to know."""
    return tuple(signal for signal in path.signals if signal.verdict in ("void", "absent"))
