"""How new connections are spread: from who answered each, or, members unknown, from what was recognised again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import factorial, prod

from semscheck.analysis.balancing.changes import (
    after_pauses,
    as_renewed,
    at_one_moment,
    forgotten,
    known_across,
)
from semscheck.analysis.balancing.facts import Facts, succeeded
from semscheck.analysis.balancing.identity import Identity, contradiction
from semscheck.analysis.balancing.statistics import (
    CycleKind,
    PairTrial,
    binomial_at_least,
    cycle,
    cycle_with_gaps,
    equal_shares_rejected,
    in_blocks,
    lag_matches,
    several_members,
)
from semscheck.analysis.balancing.ticket_keys import comes_back, follow_one_another, runs
from semscheck.model.analysis import FAILING, Method
from semscheck.model.labels import LabelKind
from semscheck.model.observations import Sample, ShownAs

ALPHA = 0.01
# Equal shares are rejected at 1 % over a run that may look three times, after 32, 64 and 96 connections: at 0.5 %
# each time, which makes 0.5 to 0.9 % in all for two to six members (simulated by `test_looks.py`).
EACH_LOOK = 0.005
# Connections that were shown one session: more than half of them know it where one server has most
LEAST_SHOWN = 12
LEAST = 4  # identified connections, below which nothing is said of the method
FAILED_PART = 0.1  # of the connections: more that fail leave open where the balancer sends them
ONE_UNIDENTIFIED_IN = 32  # a token that came late, a restart: more unidentified ones leave the method open
NOT_TOLD = "a server that was not identified"
GAPS = frozenset((FAILING, NOT_TOLD))
_BY_CYCLE = {
    CycleKind.ROTATING: Method.ROTATING,
    CycleKind.WEIGHTED: Method.WEIGHTED,
    CycleKind.REPEATING: Method.EVEN,
}
COARSE = (
    "certificate",
    "page",
)  # without members: several servers may have one, so that shares are not theirs
_INFERRED = ("http-cookie",)  # without members: told by what the FQDN itself recognises


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
    blocks: tuple[int, ...] = ()  # how many in a row, where one server answers for a while and then another
    match_rate: float | None = None  # without labels: at most so many pairs meet the same server by chance
    # Whoever ends TLS, HTTP sessions are known everywhere: they say nothing of who answers
    shared: bool = False
    forgotten: bool = False  # one server answered all, and others after pauses


def estimate_method(facts: Facts, identity: Identity) -> MethodEstimate:
    """How the fresh connections were spread, with the reason where it cannot be determined."""
    found = _estimate(facts, identity)
    return _over_time(found, facts, identity) if found.method is Method.SINGLE else found


def _over_time(single: MethodEstimate, facts: Facts, identity: Identity) -> MethodEstimate:
    """One server answered, as far as connections in quick succession say: the same before a key was renewed, and
    after a pause?"""
    named = {} if single.shared else identity.labels
    if facts.keys.changed and not facts.members and not known_across(facts, named):
        return replace(single, method=Method.UNKNOWN, why=facts.keys.why)
    usual = next((label for label in single.labels if label is not None), "")
    after = after_pauses(facts, usual, named)
    if forgotten(usual, after):
        return replace(single, forgotten=True)
    return replace(single, method=Method.UNKNOWN, why=_MOVED) if {*after} - {usual} else single


def _estimate(facts: Facts, identity: Identity) -> MethodEstimate:
    fresh = facts.fresh
    labels = tuple(identity.of(sample) for sample in fresh)
    if identity.by is None and facts.direct is not None and any(succeeded(sample) for sample in fresh):
        # The address is one member's own interface, if nothing that was seen says otherwise.
        said_otherwise = _no_single_server(facts)
        if said_otherwise is not None:
            why = f"the profile has the address as {facts.direct}'s own, and {said_otherwise}"
            return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
        labels = tuple(facts.direct if succeeded(sample) else None for sample in fresh)
    if facts.members or facts.direct is not None:
        if not any(labels):
            return MethodEstimate(Method.UNKNOWN, why=_nothing_tells(identity, facts))
    else:
        unnamed = _without_names(facts, identity, labels)
        if unnamed is not None:
            return unnamed
        if _one_application(facts, identity):
            return MethodEstimate(Method.SINGLE, certain=False, labels=_as_one(labels), shared=True)
    against = contradiction(identity)
    if against is not None:
        why = f"two strong signs of who answered contradict each other ({identity.by} and {against.name})"
        return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
    certain = identity.strength != "weak" and (bool(facts.members) or identity.by not in _INFERRED)
    by_keys = identity.by == "ticket-key" and not facts.members
    found = _with_blocks(_from_labels(labels, fresh, certain, _cannot_be_told(facts, identity), by_keys))
    if found.method is Method.WEIGHTED and not facts.members and identity.by in COARSE:
        return replace(found, method=Method.EVEN, certain=False, cycle=())
    return found


_MOVED = (
    "one server answered the connections that followed one another, and another one after a pause: a failover "
    "happened while the check ran, or the load balancer forgets clients; run it again"
)
_RESTARTED = (
    "sessions from before one moment of the check were refused after it, and no others: a restart or a failover "
    "happened meanwhile; run it again"
)
ONE_APPLICATION = "one application behind several servers that end TLS"


def _as_one(labels: Sequence[str | None]) -> tuple[str | None, ...]:
    return tuple(label and ONE_APPLICATION for label in labels)


def _one_application(facts: Facts, identity: Identity) -> bool:
    """Whether sessions, shown alone, were known wherever TLS ended, and values that nobody gave were not: behind the
    ends of TLS there is one application, or one that shares its sessions."""
    if identity.by != "ticket-key":
        return False
    in_time = [who for s in sorted(facts.samples, key=lambda s: s.at_s) if (who := identity.of(s))]
    refused = any(c.made_up_of is not None and c.recognised is False for c in facts.controls)
    moved = [
        sample.cookie_recognised
        for sample in facts.samples_of("cookie")
        if len(sample.cookies_sent) == 1
        and sample.cookies_sent[0] not in facts.repeated_cookies
        and _are_two(identity.of(sample), identity.labels.get(sample.offered or ""), in_time)
    ]
    return refused and len(moved) >= LEAST - 1 and all(moved)


def _are_two(one: str | None, other: str | None, in_time: Sequence[str]) -> bool:
    """Whether two keys are of two ends of TLS, and not one that took over from the other."""
    if one is None or other is None or one == other:
        return False
    return not follow_one_another([who for who in in_time if who in (one, other)])


def _no_single_server(facts: Facts) -> str | None:
    """What says that an address which is one member's own by the profile is that of several servers."""
    again = {s.resumed for s in facts.samples if s.arm == "resume" and s.status is None} - {None}
    if len(again) > 1:
        return "TLS sessions that it gave are known there at one time and unknown at another"
    values = facts.tls_controls
    for sample in facts.samples:
        for trace in facts.traces.get(sample.id, ()):
            apart = values.groups.get(trace.member, trace.member) == trace.member
            if trace.recognised and trace.token == "tls" and trace.member != facts.direct and apart:
                return f"{trace.member} recognizes TLS sessions that it gave"
    return None


def _cannot_be_told(facts: Facts, identity: Identity) -> bool:
    """Whether a member is known that the signal in use could not name: what was answered and not identified may be
    its answers."""
    match identity.by if facts.members else None:
        case "ticket-key":
            return not set(facts.members) <= set(facts.tickets.members_with_keys)
        case "tls-session":
            groups = facts.tls_controls.groups
        case "http-cookie":
            groups = facts.cookie_controls.groups
        case _:
            return False
    return not set(facts.members) <= set(groups)


def _without_names(facts: Facts, identity: Identity, labels: Sequence[str | None]) -> MethodEstimate | None:
    """Members unknown: what pairs of connections say; None where the labels say it better.

    Sessions that are known to some connections and not to others show several servers, whatever the labels say:
    servers may share their HTTP sessions. That a session cookie is always known shows one server only where no
    balancer can have led it back (see `probes.pairs`).
    """
    if len({label for label in labels if label is not None}) > 1:
        return None
    by_session = _from_trials(session_trials(facts))
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
    labels = tuple(names[s.index % len(names)] if succeeded(s) else None for s in order)
    return replace(spread, labels=labels)


def _with_blocks(estimate: MethodEstimate) -> MethodEstimate:
    """Whether one server answered for a while and then another, which shares alone do not show."""
    known = [label for label in estimate.labels if label is not None]
    if estimate.method not in (Method.EVEN, Method.WEIGHTED) or not in_blocks(known):
        return estimate
    return replace(estimate, blocks=tuple(number for _, number in runs(known)), cycle=())


def _from_labels(
    labels: tuple[str | None, ...],
    fresh: Sequence[Sample],
    certain: bool,
    hidden: bool = False,
    by_keys: bool = False,
) -> MethodEstimate:
    """hidden: a member is known that could not have been named. by_keys: without members, each label is a key, of
    which one server may have had several, one after another."""
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
        ways = ", then ".join(f"{who} ({number})" for who, number in runs(known))
        why = (
            f"the connections went from one server to the next and to none twice ({ways}): a failover or a restart "
            "happened while the check ran, or the load balancer moved this desktop; run it again"
        )
        return MethodEstimate(Method.UNKNOWN, why=why, labels=labels)
    uneven = equal_shares_rejected(tuple(counts.values()), alpha=EACH_LOOK)
    if uneven and by_keys:
        uneven = equal_shares_rejected(as_renewed(known), alpha=EACH_LOOK)
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
        label or (NOT_TOLD if succeeded(sample) else FAILING)
        for label, sample in zip(labels, fresh, strict=True)
    ]


def _single(
    labels: tuple[str | None, ...], known: Sequence[str], fresh: Sequence[Sample], certain: bool, hidden: bool
) -> MethodEstimate:
    answered = sum(succeeded(sample) for sample in fresh)
    unknown = sum(succeeded(s) and label is None for s, label in zip(fresh, labels, strict=True))
    failed = len(fresh) - answered
    if " or " in known[0]:
        why = f"{known[0]} cannot be distinguished (they recognize each other's tokens)"
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
    """No server came back after another one, which under random choice few of all arrangements do."""
    counts = Counter(known).values()
    arrangements = factorial(len(known)) // prod(map(factorial, counts))
    return not comes_back(known) and factorial(len(counts)) / arrangements < ALPHA


# --- members unknown ---------------------------------------------------------------------------------------


def session_trials(facts: Facts) -> list[PairTrial]:
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
    shown = Counter(trial.earlier for trial in trials)
    to_many = [trial for trial in trials if shown[trial.earlier] >= LEAST_SHOWN]
    refused, tried = sum(not trial.recognised for trial in trials), len(trials)
    trials = [trial for trial in trials if shown[trial.earlier] < LEAST_SHOWN]
    if not trials:
        return None
    seen = lag_matches(trials)
    if not refused or not seen.recognised:
        return MethodEstimate(Method.UNKNOWN, why=_pairs_say_nothing(not refused))
    if at_one_moment(trials):
        return MethodEstimate(Method.UNKNOWN, why=_RESTARTED)
    if not several_members(refused, tried):
        return MethodEstimate(
            Method.UNKNOWN, why=f"{refused} of {tried} sessions were refused, too few to mean anything"
        )
    if seen.cycle_members is not None:
        names = tuple(LabelKind.SERVER.name_of(at) for at in range(seen.cycle_members))
        return MethodEstimate(
            Method.ROTATING,
            names,
            seen.cycle_chance,
            seen.effective_members,
            certain=False,
            match_rate=seen.match_rate_high,
        )
    most = bool(to_many) and binomial_at_least(sum(t.recognised for t in to_many), len(to_many), 0.5) < ALPHA
    uneven = most or (
        seen.match_rate_low is not None and seen.match_rate_low > 0.5
    )  # two equal shares give 1/2
    method = Method.WEIGHTED if uneven else Method.EVEN
    return MethodEstimate(
        method, effective=seen.effective_members, certain=False, match_rate=seen.match_rate_high
    )


def _from_cookie_pairs(facts: Facts) -> MethodEstimate | None:
    """Session cookies shown in several ways (see `sampling.pairs`). None where none were.

    A way in which none was recognised is one that the application does not read, and says nothing. Refusals in one
    that it reads, or of a browser that came back with all its cookies, are several servers.
    """
    index = {s.id: s.index for s in facts.samples if s.arm in ("fresh", "pairs")}
    ways: dict[ShownAs | None, list[PairTrial]] = defaultdict(list)
    for s in facts.samples_of("pairs"):
        earlier = index.get(s.offered or "", s.index)
        if s.cookie_recognised is None or not s.cookies_sent or earlier >= s.index:
            continue
        if s.cookies_sent[-1] not in facts.repeated_cookies:
            ways[s.shown_as].append(PairTrial(earlier, s.index, s.cookie_recognised))
    if not ways:
        return None
    read = [trials for trials in ways.values() if any(trial.recognised for trial in trials)]
    if not read:
        why = "no session cookie was ever recognized on another connection"
        return MethodEstimate(Method.UNKNOWN, why=why)
    anew = [trial for way in read if not all(trial.recognised for trial in way) for trial in way]
    found = _from_trials(anew)
    if found is not None:
        return found
    refused = [facts.session_known(s) is False for s in facts.samples_of("cookie")].count(True)
    tried = sum(map(len, read))
    if refused and several_members(refused, tried + len(facts.samples_of("cookie"))):
        return MethodEstimate(Method.EVEN, certain=False)
    if refused or tried < LEAST * 2:
        why = "every session cookie was accepted again (one server, or persistence by cookie)"
        return MethodEstimate(Method.UNKNOWN, why=why)
    return MethodEstimate(Method.SINGLE)


def _pairs_say_nothing(always: bool) -> str:
    if always:
        return "every TLS session was accepted again (one server, TLS that ends in front, or shared keys)"
    return "no TLS session was ever accepted again"


TOLD_FIRST = ("ticket-key", "tls-session", "http-cookie")


def _nothing_tells(identity: Identity, facts: Facts) -> str:
    if not any(succeeded(sample) for sample in facts.samples):
        return "no connection succeeded"
    reasons = {signal.name: signal.why for signal in identity.signals if signal.why}
    told = [reasons[name] for name in TOLD_FIRST if name in reasons]
    return "; ".join(dict.fromkeys(told)) or "nothing that was seen differs between members"
