"""A failover that was watched: who answered when, how long clients failed, what took over and what came back.

One connection is made every tick. Failures that follow one another closely are one outage: where several servers
answer in turn, the dead one's turn comes between successes. A server is gone where it would have answered since,
beyond chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import islice, pairwise
from statistics import median

from semscheck.analysis.balancing.facts import client_addresses, facts_on_the_way, succeeded
from semscheck.analysis.balancing.identity import usual_labels
from semscheck.analysis.balancing.ticket_keys import runs
from semscheck.model.analysis import (
    Answerer,
    Outage,
    OutageKind,
    RecordChange,
    WatchAnalysis,
    WatchMark,
)
from semscheck.model.labels import LabelKind
from semscheck.model.observations import DnsAnswer, Handshake, Mark, Sample, SystemResolution, WatchPlan
from semscheck.model.report import Snapshot

# At any one of the hundreds of ticks: of a server that is there and did not answer for so long
BY_CHANCE = 1e-5
WINDOW = 30  # answers before, by which a server's share is judged
STEADY = 3  # answers of one server in a row, after which it is the only one
FEW = 3  # tickets of one key that are looked at
TURNS = 5  # of one length, after which a server comes in its turn
LONG_RUNS = 4  # answers in a row in the mean; of two servers chosen by chance it is two
ONE_KEY = LabelKind.SERVER.name_of(0)


@dataclass(frozen=True, slots=True)
class _Tick:
    """One connection. at: its place among all. who: None where it failed, or where that is not known."""

    at: int
    sample: Sample
    ok: bool
    who: str | None

    @property
    def answered_s(self) -> float:
        return self.sample.at_s + (self.sample.elapsed_s or 0.0)


@dataclass(slots=True)
class _Moment:
    """Something that happened from one tick to another: first: the first that failed, or the first that others
    answered; end: the first that was answered again, None where none was."""

    first: int
    end: int | None
    failed: int = 0
    lost: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A server that was gone from a tick on, or is there from then on. kind: the list of `_Moment` it belongs to."""

    at: int
    kind: str
    name: str


def watch_analysis(snapshot: Snapshot) -> WatchAnalysis | None:
    """What a watch saw, complete or not; None where the run was none."""
    plan = next((seen for seen in snapshot.observations if isinstance(seen, WatchPlan)), None)
    return None if plan is None else _Watch(snapshot, plan).analysis()


class _Watch:
    def __init__(self, snapshot: Snapshot, plan: WatchPlan) -> None:
        self._snapshot = snapshot
        self._plan = plan
        samples = [seen for seen in snapshot.observations if isinstance(seen, Sample)]
        samples.sort(key=lambda sample: sample.at_s)
        self._surely_apart, labels = _who(snapshot, samples)
        self._ticks = [
            _Tick(at, sample, succeeded(sample), labels.get(sample.id) if succeeded(sample) else None)
            for at, sample in enumerate(samples)
        ]

    def analysis(self) -> WatchAnalysis:
        counts = Counter(tick.who for tick in self._ticks if tick.who is not None)
        names = {name: at for at, name in enumerate(counts)}
        answered = [tick.sample for tick in self._ticks if tick.ok]
        took_s = [sample.elapsed_s for sample in answered if sample.elapsed_s is not None]
        return WatchAnalysis(
            every_s=self._plan.every_s,
            ticks=len(self._ticks),
            answered_by=tuple(Answerer(name, count) for name, count in counts.items()),
            outages=tuple(self._outages()),
            marks=tuple(self._marks()),
            records=tuple(self._records()),
            sequence=tuple(None if tick.who is None else names[tick.who] for tick in self._ticks),
            failed=tuple(tick.at for tick in self._ticks if not tick.ok),
            started_s=tuple(round(tick.sample.at_s, 3) for tick in self._ticks),
            answered_s=tuple(_rounded(tick.sample.elapsed_s) if tick.ok else None for tick in self._ticks),
            latency_s=round(median(took_s), 6) if took_s else None,
        )

    def _time(self, at_s: float) -> timedelta:
        return timedelta(seconds=round(at_s, 6))

    def _marks(self) -> Iterator[WatchMark]:
        for seen in self._snapshot.observations:
            if isinstance(seen, Mark):
                yield WatchMark(self._snapshot.run.started + self._time(seen.at_s), seen.text)

    def _records(self) -> Iterator[RecordChange]:
        """The addresses of the name, whenever they change. Their order is no change."""
        known: dict[str, tuple[str, ...]] = {}
        last: set[str] | None = None
        for seen in self._snapshot.observations:
            match seen:
                case DnsAnswer():
                    known[f"{seen.server} {seen.record_type}"] = seen.records
                case SystemResolution():
                    known["system"] = seen.addresses
                case _:
                    continue
            given = known.get("system") or tuple(address for each in known.values() for address in each)
            if set(given) != last:
                last = set(given)
                yield RecordChange(self._snapshot.run.started + self._time(seen.at_s), tuple(sorted(last)))

    # --- outages, and changes without one ------------------------------------------------------------------

    @cached_property
    def _answered(self) -> list[_Tick]:
        return [tick for tick in self._ticks if tick.ok]

    def _before(self, at: int, most: int = WINDOW) -> list[_Tick]:
        answered = (self._ticks[place] for place in range(at - 1, -1, -1) if self._ticks[place].ok)
        return list(islice(answered, most))

    def _names_before(self, at: int) -> set[str]:
        return {tick.who for tick in self._before(at) if tick.who is not None}

    @cached_property
    def _stretches(self) -> list[_Moment]:
        """Failures that follow one another closely, each time as one."""
        found: list[_Moment] = []
        since = patience = 0  # answered since the last failure; and how many end a stretch
        for tick in self._ticks:
            if tick.ok:
                since += 1
                continue
            if not found or since >= patience:
                found.append(_Moment(tick.at, None))
                patience = 2 * max(1, len(self._names_before(tick.at)))
            found[-1].failed += 1
            found[-1].end = self._next_answered[tick.at]
            since = 0
        return found

    @cached_property
    def _next_answered(self) -> list[int | None]:
        """For each tick the next one that was answered."""
        found: list[int | None] = []
        following: int | None = None
        for tick in reversed(self._ticks):
            found.append(following)
            following = tick.at if tick.ok else following
        return found[::-1]

    def _outages(self) -> Iterator[Outage]:
        gone: set[str] = set()
        for moment in self._moments():
            known = bool(moment.lost or moment.returned or (moment.new and gone))
            if moment.failed or known:
                yield self._outage(moment, gone)
            gone |= set(moment.lost)
            gone -= set(moment.returned)

    def _moments(self) -> list[_Moment]:
        """Stretches of failures, and changes of who answers, put together where they belong together."""
        moments = [*self._stretches]
        for turn in self._turns():
            near = 2 * max(1, len(self._names_before(turn.at))) + 1
            fitting = [m for m in moments if m.first - near <= turn.at <= (m.end or len(self._ticks)) + near]
            if not fitting:
                fitting = [_Moment(turn.at, turn.at)]
                moments += fitting
            nearest = min(fitting, key=lambda moment: abs(turn.at - (moment.end or moment.first)))
            getattr(nearest, turn.kind).append(turn.name)
        return sorted(moments, key=lambda moment: moment.first)

    def _turns(self) -> list[_Turn]:
        """Every server that was gone, came back, or turned up late."""
        known = [tick for tick in self._answered if tick.who is not None]
        places: dict[str, list[int]] = {}
        for place, tick in enumerate(known):
            places.setdefault(tick.who or "", []).append(place)
        found: list[_Turn] = []
        for name, own in places.items():
            if own[0] and self._was_missing(own[0], own[: WINDOW // 2]):
                found.append(_Turn(known[own[0]].at, "new", name))
            for place, later in zip(own, [*own[1:], len(known)], strict=True):
                if not self._is_gone(known, name, place, later):
                    continue
                found.append(_Turn(known[place + 1].at, "lost", name))
                if later < len(known):
                    found.append(_Turn(known[later].at, "returned", name))
        return sorted(found, key=lambda turn: turn.at)

    @cached_property
    def _is_steady(self) -> bool:
        """Whether one server answers for long, and then another: each change is something that happened then."""
        who = [tick.who or "" for tick in self._answered if tick.who is not None]
        return len(who) >= LONG_RUNS * len(runs(who))

    def _was_missing(self, gap: int, own: Sequence[int]) -> bool:
        """Whether a server that answers so often since would have answered before, had it been there."""
        share = len(own) / (own[-1] - own[0] + 2)
        return self._is_steady or bool((1 - share) ** gap <= BY_CHANCE)

    def _is_gone(self, known: Sequence[_Tick], name: str, place: int, later: int) -> bool:
        """Whether a server would have answered between two places, by its share before."""
        gap = later - place - 1
        if gap < 1:
            return False
        window = [tick.who for tick in known[max(0, place + 1 - WINDOW) : place + 1]]
        if self._is_steady and set(window[-STEADY:]) == {name}:
            between = self._ticks[known[place].at : known[place + 1].at]
            return gap >= STEADY or any(not tick.ok for tick in between)
        if (turn := _regular(known, name, place)) is not None:
            return gap > 2 * turn
        count = sum(tick.who == name for tick in known)
        return bool((1 - count / (len(known) - gap + 1)) ** gap <= BY_CHANCE)

    def _outage(self, moment: _Moment, gone: set[str]) -> Outage:
        first = self._ticks[moment.first]
        span = self._ticks[moment.first : moment.end]
        failed = [tick for tick in span if not tick.ok]
        end_s = self._end_s(moment, failed)
        last_s = self._ticks[-1].answered_s if end_s is None else end_s
        length_s = max(0.0, last_s - first.sample.at_s) if failed else 0.0
        before, after = self._around(moment)
        kind = self._kind(moment, gone, before, after)
        moved = kind in (OutageKind.TAKE_OVER, OutageKind.FAIL_BACK)
        start = self._snapshot.run.started
        return Outage(
            kind=kind,
            began=start + self._time(first.sample.at_s),
            ended=start + self._time(first.sample.at_s + length_s) if end_s is not None else None,
            length_s=round(length_s, 3),
            failed=len(failed),
            ticks=len(span),
            before=before,
            after=after,
            certain=not moved or self._is_certain(moment, before, after),
            by=self._way(moment) if moved else None,
            cause=_usual_cause(failed),
            evidence=tuple(
                tick.sample.id for tick in dict.fromkeys((failed or [first])[:: max(1, len(failed) - 1)])
            ),
        )

    def _end_s(self, moment: _Moment, failed: Sequence[_Tick]) -> float | None:
        """When a connection was answered again: not when that one began, since a lost packet is sent again."""
        if moment.end is None:
            return None
        later = [tick for tick in self._ticks[moment.end : moment.end + 8] if tick.ok]
        return min(tick.answered_s for tick in later)

    def _around(self, moment: _Moment) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Who answered before, and who does since."""
        before = self._names_before(moment.first)
        if moment.end is None:
            return tuple(sorted(before)), ()
        many = 3 * max(1, len(before))
        since = {tick.who for tick in self._ticks[moment.end : moment.end + many] if tick.who is not None}
        since = (since | (before - set(moment.lost)) if len(before) > 1 else since) - set(moment.lost)
        return tuple(sorted((before | set(moment.lost)) - set(moment.returned))), tuple(sorted(since))

    def _kind(
        self, moment: _Moment, gone: set[str], before: Sequence[str], after: Sequence[str]
    ) -> OutageKind:
        if moment.end is None:
            return OutageKind.LASTING
        renewed = moment.new and gone and not (moment.lost and moment.failed)
        if set(moment.returned) & gone or renewed:  # a server that restarts may have a new key
            return OutageKind.FAIL_BACK
        if moment.lost:
            return OutageKind.TAKE_OVER
        apart = self._surely_apart and before and after
        return OutageKind.SAME if apart else OutageKind.UNKNOWN

    def _is_certain(self, moment: _Moment, before: Sequence[str], after: Sequence[str]) -> bool:
        """Whether those who answer since are no restarted server with a new key: they are known by name or address,
        or were there already, or who was there before them comes back."""
        named = {member.name for member in self._snapshot.target.members}
        if set(after) & named or self._way(moment) == "dns" or moment.returned:
            return True
        earlier = {tick.who for tick in self._ticks[: moment.first]}
        later = {tick.who for tick in self._ticks[moment.end or 0 :]}
        return bool(set(after) & earlier) or bool(set(moment.lost) & later)

    def _way(self, moment: _Moment) -> str:
        many = 2 * len({tick.sample.address for tick in self._answered})
        before = {tick.sample.address for tick in self._before(moment.first, many)}
        since = [tick for tick in self._ticks[moment.end or len(self._ticks) :] if tick.ok]
        after = {tick.sample.address for tick in since[:many]}
        return "dns" if before and after and before != after else "balancer"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _regular(known: Sequence[_Tick], name: str, place: int) -> int | None:
    """How many others come between two turns of a server, where it was always so many of late; else None."""
    own = [at for at in range(max(0, place + 1 - WINDOW), place + 1) if known[at].who == name]
    turns = {later - earlier - 1 for earlier, later in pairwise(own)}
    return turns.pop() if len(own) > TURNS and len(turns) == 1 else None


def _usual_cause(failed: Sequence[_Tick]) -> str | None:
    """Why most of them failed: the cause's name, or the status of an answer."""
    causes = [
        tick.sample.failure.cause.value if tick.sample.failure else f"status {tick.sample.status}"
        for tick in failed
    ]
    return Counter(causes).most_common(1)[0][0] if causes else None


def _seen(snapshot: Snapshot, samples: Sequence[Sample]) -> list[Sample | Handshake]:
    shakes = (each for each in snapshot.observations if isinstance(each, Handshake))
    return [*samples, *shakes]


def _by_prefixes(samples: Sequence[Sample]) -> dict[tuple[str, ...], list[Sample]]:
    groups: dict[tuple[str, ...], list[Sample]] = {}
    for sample in samples:
        if succeeded(sample):
            groups.setdefault(sample.ticket.prefixes if sample.ticket else (), []).append(sample)
    return groups


def _by_key(snapshot: Snapshot, samples: Sequence[Sample]) -> dict[str, str]:
    """Who answered each where every ticket names its key, from a few tickets of each: hundreds say no more."""
    groups = _by_prefixes(samples)
    if () in groups or not groups:
        return {}
    few = [sample for group in groups.values() for sample in group[:FEW]]
    keys = facts_on_the_way(_seen(snapshot, few), snapshot.target).keys
    names = {prefixes: keys.labels.get(group[0].id) for prefixes, group in groups.items()}
    cookies = any(name.lower() == "set-cookie" for sample in samples for name, _ in sample.headers)
    if None in names.values() or (cookies and not keys.of_members):  # cookies may tell servers behind one key
        return {}
    return {sample.id: names[prefixes] or "" for prefixes, group in groups.items() for sample in group}


def _who(snapshot: Snapshot, samples: Sequence[Sample]) -> tuple[bool, Mapping[str, str]]:
    """Who answered each, by the sample's id; and whether one name is always one server.

    A member's own address says it; then what tells servers apart in a check. Of one key alone nobody can say how many
    servers have it.
    """
    labels = _by_key(snapshot, samples)
    facts = facts_on_the_way(_seen(snapshot, samples), snapshot.target)
    labels = labels or dict(usual_labels(facts))
    apart = bool(labels)
    if not labels and len(set(facts.tickets.by_sample.values())) == 1:
        labels = dict.fromkeys(facts.tickets.by_sample, ONE_KEY)
    own = client_addresses(snapshot.target)
    several = len({sample.address for sample in samples if succeeded(sample)}) > 1
    for sample in samples:
        if sample.address in own:
            labels[sample.id] = own[sample.address]
        elif several and labels.get(sample.id) not in {member.name for member in snapshot.target.members}:
            labels[sample.id] = f"{labels.get(sample.id, 'a server')} at {sample.address}"
    return apart or several or bool(own and labels), labels
