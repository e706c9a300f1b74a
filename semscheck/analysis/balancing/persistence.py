"""What keeps a client on its member: what came back of the connections that presented something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from semscheck.analysis.balancing.changes import gaps_s
from semscheck.analysis.balancing.cookies import CookieKind, Strength, classify_cookie, decode_cookie
from semscheck.analysis.balancing.facts import Facts, balancer_error, cookies_of, succeeded
from semscheck.analysis.balancing.identity import Identity
from semscheck.analysis.balancing.method import ALPHA, MethodEstimate, session_trials
from semscheck.analysis.balancing.statistics import binomial_at_least
from semscheck.model.analysis import FAILING, Method, Persistence, Termination
from semscheck.model.observations import Sample


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
    found = {*facts.set_in_front, *facts.route_cookies}
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


@dataclass(frozen=True)
class Attribution:
    """Who answered each connection of a path, as far as identity and method say, and which came back."""

    facts: Facts
    identity: Identity
    method: MethodEstimate

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """Who answered the connection whose tokens are presented again, by its id."""
        placed = zip(self.facts.fresh, self.method.labels, strict=False)
        return {**self.identity.labels, **{s.id: who for s, who in placed if who is not None}}

    @property
    def by_ends_of_tls(self) -> bool:
        """Whether what is told apart are ends of TLS, several of them: the balancer chooses before it could read a
        cookie, and a TLS session that is known again was led back to its own."""
        return self.identity.by == "ticket-key" and len(set(self.identity.labels.values())) > 1

    @cached_property
    def keeping(self) -> _Keeping:
        return _keeping(self.facts, self.identity)

    def came_back(self, sample: Sample, origins: Mapping[str, str]) -> bool | None:
        """Whether a connection met the server that had given what it presents. None where that was not seen."""
        here, there = self.identity.of(sample), origins.get(sample.offered or "")
        told = here is not None and there is not None
        if told and self.identity.by == "ticket-key":
            return here == there
        cookies = sample.arm in ("cookie", "keep-alive")
        if cookies and not self.keeping.sessions_shared:
            known = self.facts.session_known(sample)
            if known is not None:
                return known
        if sample.arm == "resume" and sample.status is None:
            return sample.resumed
        if told:
            return here == there
        if cookies and sample.status is not None and there is not None:
            return self.keeping.accepted(sample)
        return None


@dataclass(frozen=True, slots=True)
class PersistenceEstimate:
    """What the persistence arms say."""

    persistence: Persistence
    cookie: tuple[int, int] = (0, 0)  # offered, returned
    session: tuple[int, int] = (0, 0)
    requests: tuple[int, int] = (0, 0)  # made on kept connections, moved
    by: str | None = None
    by_cookie: str | None = None  # the balancer's, by its name
    lost: bool | None = None
    held_s: float | None = None  # the age up to which what was presented led back


@dataclass(frozen=True, slots=True)
class _Back:
    """A connection that presented something: did it come back to its member, and how likely by chance alone?

    origin: id of the connection that was given what it presented; owner: who had answered that, where it is known.
    at_s: when; age_s: how long after.
    """

    returned: bool
    chance: float
    origin: str
    owner: str | None = None
    at_s: float = 0.0
    age_s: float = 0.0


def estimate_persistence(attribution: Attribution, termination: Termination) -> PersistenceEstimate:
    """What the arms that present something say of persistence."""
    facts, spread = attribution.facts, attribution.method
    cookie = _cookie_returns(attribution)
    session = _session_returns(attribution, termination)
    seen = PersistenceEstimate(
        Persistence.UNKNOWN,
        cookie=(len(cookie), sum(back.returned for back in cookie)),
        session=(len(session), sum(back.returned for back in session)),
        requests=_moved_requests(attribution),
    )
    if spread.method is Method.SINGLE:
        seen = replace(seen, held_s=_held_alone_s(facts, spread))
    if spread.forgotten:
        return replace(seen, persistence=Persistence.NONE, by="the client's address", lost=True)
    if spread.method is Method.SINGLE:
        by_source = _by_source(attribution)
        kind = Persistence.SOURCE_ADDRESS if by_source else Persistence.NOT_SEPARABLE
        return replace(seen, persistence=kind)
    if spread.method is Method.UNKNOWN:
        return seen
    balancer_cookie = _presented_balancer_cookie(facts)
    by_cookie = (
        "a cookie" if balancer_cookie is None else f"the load balancer's cookie {balancer_cookie[:40]}"
    )
    independent = cookie if balancer_cookie is not None else _independent(cookie)
    lost = _lost(independent, balancer_cookie)
    fresh = _placed(attribution)
    if _all_returned(independent, fresh):
        seen = replace(seen, by=by_cookie, by_cookie=balancer_cookie)
        return replace(seen, persistence=Persistence.COOKIE, lost=False, held_s=_held_s(cookie))
    if _all_returned(session, fresh):
        by, held_s = _session_versions(facts), _held_s(session)
        return replace(seen, persistence=Persistence.TLS_SESSION, by=by, lost=False, held_s=held_s)
    if lost:
        return replace(seen, persistence=Persistence.NONE, by=by_cookie, lost=True)
    if not _cookies_measured(attribution, cookie, termination) or not (session or cookie):
        return seen
    if any(arm and all(back.returned for back in arm) for arm in (cookie, session)):
        return seen  # all came back, but chance could do that as well
    return replace(seen, persistence=Persistence.NONE, lost=False)


def _held_alone_s(facts: Facts, spread: MethodEstimate) -> float | None:
    """The longest pause after which the one server answered again."""
    kept = facts.fresh if spread.forgotten else (*facts.fresh[-1:], *facts.samples_of("pause"))
    return round(max(gaps_s(kept), default=0.0), 1) or None


def _cookies_measured(attribution: Attribution, cookie: Sequence[_Back], termination: Termination) -> bool:
    """Whether persistence by cookie is settled: measured, or impossible, since the balancer cannot read them (it
    chooses among several ends of TLS) or nobody sets any."""
    facts = attribution.facts
    if cookie or termination is Termination.PASS_THROUGH or attribution.by_ends_of_tls:
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


Placed = Sequence[tuple[float, str]]


def _placed(attribution: Attribution) -> Placed:
    """When and by whom fresh connections were answered."""
    facts, labels = attribution.facts, attribution.method.labels
    return [(s.at_s, who) for s, who in zip(facts.fresh, labels, strict=False) if who is not None]


def _all_returned(arm: Sequence[_Back], fresh: Placed) -> bool:
    """All came back, which chance alone would do in under 1 %: to at least two servers, and while fresh connections
    made meanwhile, if any were, went elsewhere as well. Where one server answers for a while whatever is presented,
    nothing has led back."""
    if len(arm) < 3 or not all(back.returned for back in arm) or prod(back.chance for back in arm) >= ALPHA:
        return False
    owners = {back.owner for back in arm}
    meanwhile = {who for at_s, who in fresh if arm[0].at_s < at_s < arm[-1].at_s}
    return owners == {None} or (len(owners - {None}) > 1 and len(meanwhile) != 1)


def _held_s(arm: Sequence[_Back]) -> float | None:
    return round(max(back.age_s for back in arm), 1) or None


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


def _cookie_returns(attribution: Attribution) -> list[_Back]:
    """The arm that sends cookies back."""
    facts, spread = attribution.facts, attribution.method
    if spread.shared:
        return []
    offered = [s for s in facts.samples_of("cookie") if s.offered is not None and _told(s, spread)]
    return _returns(offered, attribution)


def _told(sample: Sample, spread: MethodEstimate) -> bool:
    """Whether a connection that presented something tells of persistence. One that fails does where the balancer
    sends connections to a server that does not answer, in turn: it was sent there again."""
    return succeeded(sample) or (FAILING in spread.cycle and balancer_error(sample))


def _session_returns(attribution: Attribution, termination: Termination) -> list[_Back]:
    """The arm that offers TLS sessions; without members, the pairs that did.

    Each version of TLS is judged by itself: a balancer may see the session's id in one and not in the other.
    If the sessions of one version all came back it is that one which is reported, else all of them. What ends
    TLS in front knows its own sessions, which says nothing of the members behind it.
    """
    facts, spread = attribution.facts, attribution.method
    trials = session_trials(facts)
    if trials and not facts.members:
        chance = spread.match_rate or 0.5
        pairs = [_Back(trial.recognised, chance, str(trial.earlier)) for trial in trials]
        if not all(back.returned for back in pairs):
            return pairs
    offered = [s for s in facts.samples_of("resume") if s.offered is not None and _told(s, spread)]
    if termination is not Termination.PASS_THROUGH and not attribution.by_ends_of_tls:
        offered = [s for s in offered if s.status is not None]
    version = {s.id: s.version for s in facts.samples}
    groups: dict[str | None, list[Sample]] = {}
    for sample in offered:
        groups.setdefault(version.get(sample.offered or ""), []).append(sample)
    judged = [_returns(group, attribution) for group in groups.values()]
    kept = [arm for arm in judged if _all_returned(arm, _placed(attribution))]
    return kept[0] if kept else [back for arm in judged for back in arm]


def _returns(offered: Sequence[Sample], attribution: Attribution) -> list[_Back]:
    """For each connection that presented something and could be judged: did it come back to its member?"""
    spread, origins = attribution.method, attribution.origins
    counts = Counter(label for label in spread.labels if label is not None)
    total = sum(counts.values())
    given_at = {sample.id: sample.at_s for sample in attribution.facts.samples}
    found = []
    for sample in offered:
        returned = attribution.came_back(sample, origins) if succeeded(sample) else False
        if returned is not None:
            owner = origins.get(sample.offered or "", "")
            chance = counts[owner] / total if owner in counts else spread.match_rate or 0.5
            age_s = sample.at_s - given_at.get(sample.offered or "", sample.at_s)
            owned = owner if owner in counts else None
            found.append(_Back(returned, chance, sample.offered or sample.id, owned, sample.at_s, age_s))
    return found


def _presented_balancer_cookie(facts: Facts) -> str | None:
    """The name of a balancer's persistence cookie that was sent back, None if there was none."""
    values = facts.fresh_cookies
    direct, in_front = facts.members_cookies, facts.set_in_front
    sent = {name for s in facts.samples if s.arm == "cookie" for name in s.cookies_sent}
    for name in sorted(sent):
        if name in facts.route_cookies:
            return name
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
                return name
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


def _moved_requests(attribution: Attribution) -> tuple[int, int]:
    if attribution.keeping.sessions_shared:
        return 0, 0
    facts = attribution.facts
    known = [facts.session_known(s) for s in facts.samples_of("keep-alive") if s.request > 0]
    judged = [each for each in known if each is not None]
    return len(judged), judged.count(False)


def _by_source(attribution: Attribution) -> bool:
    """Another address of this desktop is served by another member, and each always by the same."""
    mine = next((label for label in attribution.method.labels if label is not None), None)
    others: dict[str, set[str]] = {}
    for sample in attribution.facts.samples_of("source"):
        label = attribution.identity.of(sample)
        if sample.source_address and label is not None:
            others.setdefault(sample.source_address, set()).add(label)
    each_steady = bool(others) and all(len(labels) == 1 for labels in others.values())
    return each_steady and any(labels != {mine} for labels in others.values())
