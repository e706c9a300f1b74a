"""The decisions that sampling needs on its way, as pure functions; `pipeline.py` hands them to the scheduler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from semscheck.analysis.balancing.controls import worth
from semscheck.analysis.balancing.cookies import CookieKind, decode_cookie
from semscheck.analysis.balancing.facts import facts_on_the_way
from semscheck.analysis.balancing.identity import ENOUGH_COVERED, usual_labels
from semscheck.analysis.balancing.method import EACH_LOOK
from semscheck.analysis.balancing.statistics import (
    cycle,
    cycle_is_certain,
    cycle_with_gaps,
    equal_shares_p_value,
)
from semscheck.model.observations import Control, Exchange, Handshake, Sample, Trace
from semscheck.model.target import Target

Seen = Sample | Trace | Control | Exchange | Handshake

LEAST_KEYED = 2
NAMELESS_AFTER = 8  # connections whose tickets show no name
TICKETLESS_AFTER = 3
# Equal shares not rejected, but at 10 % they would be: more connections are worth their while
LEFT_OPEN = 0.1
EXTENSION = 32
GAP = "?"  # stands for whoever did not answer or could not be told


class SamplingDecisions:
    """What `sampling.strategy.SamplingStrategy` asks for, for one target. Holds nothing but the members' names."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def keys_usable(self, seen: Sequence[Seen]) -> bool | None:
        """Whether the keys of tickets tell who ends TLS. None while too few tickets were given to find what in
        them is a key's name: of a pool of six, two of one server may be seven connections apart."""
        facts = facts_on_the_way(seen, self._target)
        answered = [sample for sample in facts.fresh if sample.failure is None]
        keyed = sum(sample.id in facts.tickets.by_sample for sample in answered)
        if keyed >= LEAST_KEYED and keyed >= ENOUGH_COVERED * len(answered):
            return True
        given = any(sample.ticket is not None and sample.ticket.count for sample in answered)
        return False if len(answered) >= (NAMELESS_AFTER if given else TICKETLESS_AFTER) else None

    def named_by_keys(self, seen: Sequence[Seen]) -> bool:
        """Whether the keys of the fresh connections are members' own."""
        facts = facts_on_the_way(seen, self._target)
        return any(facts.keys.labels.get(sample.id) in facts.members for sample in facts.fresh)

    def keys_to_ask(self, seen: Sequence[Seen], members: Sequence[str]) -> tuple[str, ...]:
        """Members that should be asked for their keys once more: those that showed less than two tickets, and all
        that were not asked since a key came up that is nobody's, which may be a member's new one."""
        return facts_on_the_way(seen, self._target).tickets.to_ask(members)

    def telling(self, controls: Sequence[Control], members: Sequence[str]) -> frozenset[str]:
        """The tokens that name a member here: "tls", or names of cookies (see `identity.worth`)."""
        names: set[str] = set()
        for token in ("tls", "cookie"):
            value = worth(controls, token, members)
            if value.usable:
                names.update(name or token for name in value.names)
        return frozenset(names)

    def may_be_session(self, name: str, value: str) -> bool:
        """Not a cookie that a balancer keeps clients by, or a device's own."""
        known = decode_cookie(name, value)
        return known is None or known.kind in (CookieKind.ROUTE, CookieKind.PREFIX)

    def labels(self, seen: Sequence[Seen]) -> Mapping[str, str]:
        """Who answered, by the sample's id."""
        return usual_labels(facts_on_the_way(seen, self._target))

    def first_asked(self, history: Sequence[str | None], members: Sequence[str]) -> tuple[str, ...]:
        """Where a cycle shows, the member that comes next; else the ones that answered most often."""
        counts = Counter(who for who in history if who is not None)
        follower = _follower(history)
        return tuple(sorted(members, key=lambda name: (name != follower, -counts[name])))

    def enough(self, history: Sequence[str | None], settled: bool) -> bool:
        """Only a cycle is certain enough to stop: "not sticky" alone leaves the code open. One of whose places fails
        each time is a cycle, too."""
        return cycle_is_certain(history) or (settled and _cycles_with_gaps(history))

    def expected(self, history: Sequence[str | None]) -> tuple[str | None, ...]:
        """The unknown ones filled in as a cycle would go on; left as they are where none shows."""
        filled: list[str | None] = []
        for who in history:
            filled.append(who if who is not None else _follower(filled))
        return tuple(filled)

    def more(self, history: Sequence[str | None]) -> int:
        """More connections where the shares decide the code and the planned ones left them open."""
        counts = Counter(who for who in history if who is not None)
        if len(counts) < 2 or len(history) > EXTENSION * 2 or cycle(history) is not None:
            return 0
        return EXTENSION if EACH_LOOK < equal_shares_p_value(tuple(counts.values())) < LEFT_OPEN else 0

    def foreseen(self, history: Sequence[str | None], later: Sequence[str | None]) -> str | None:
        """Only where every fresh connection is known and they cycle: a lost one may have taken a turn or not."""
        if None in history or not cycle_is_certain(history):
            return None
        return _follower(self.expected((*history, *later)))

    def spread(self, history: Sequence[str | None]) -> bool:
        """Several were seen, or one in turn with connections that nobody answered or that could not be told."""
        return len({who for who in history if who is not None}) > 1 or _cycles_with_gaps(history)

    def several(self, seen: Sequence[Seen]) -> bool:
        """As `spread`, of the fresh connections where no more of them are made."""
        facts = facts_on_the_way(seen, self._target, ended=True)
        labels = usual_labels(facts)
        return self.spread([labels.get(sample.id) for sample in facts.fresh])

    def moved(self, seen: Sequence[Seen]) -> bool | None:
        """By the session that was presented, else by who answered, else by the key."""
        facts = facts_on_the_way(seen, self._target)
        last = facts.samples[-1]
        if last.cookie_recognised is not None:
            return not last.cookie_recognised
        for known in (usual_labels(facts), facts.tickets.by_sample):
            before = [known[sample.id] for sample in facts.fresh if sample.id in known]
            if before and last.id in known:
                return known[last.id] != before[-1]
        return None


def _cycles_with_gaps(history: Sequence[str | None]) -> bool:
    return cycle_with_gaps([who or GAP for who in history], frozenset({GAP})) is not None


def _follower(history: Sequence[str | None]) -> str | None:
    """Who came after the last one the time before; None where that is not known."""
    known = [who for who in history if who is not None]
    for at in range(len(known) - 2, -1, -1):
        if known[at] == known[-1]:
            return known[at + 1]
    return None
