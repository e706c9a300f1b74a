"""Ticket keys: who ended TLS, from what one fresh connection was given.

A session ticket begins with the name of the key that made it (RFC 5077 section 4), the same in every ticket of that
key. Which part of a ticket is such a name is found and not assumed: two tickets that were issued separately begin
alike and differ after that. 16 bytes in which they agree are one key. A shorter beginning may be a constant of a
format, so that it names a key only beside others that differ from it.

Different keys are different ends of TLS, or one whose keys changed: only a key that comes back after another one is a
second server.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations

from semscheck.model.labels import LabelKind
from semscheck.model.observations import TICKET_PREFIXES, Sample, Ticket

LOOKS = 2  # tickets of a member, before its keys are taken to be known
# Tickets that agree with no other, each taken for another key; more of them are tickets without a name
FEW = 2
BOTH_ANSWER, TAKEN_OVER = (
    3,
    4,
)  # connections of a change from one key to the next, and least of those after it
FOREIGN_KEY = "no member has the TLS ticket key of the FQDN's address"
UNLISTED = "a server that is not in the profile"
_WHOLE_NAME = len(TICKET_PREFIXES) - 1


class KeyNames:
    """The key names that a collection of tickets shows."""

    def __init__(self, tickets: Iterable[Ticket]) -> None:
        self._tickets: list[dict[str, set[str]]] = [defaultdict(set) for _ in TICKET_PREFIXES]
        self._longer: list[dict[str, set[str]]] = [defaultdict(set) for _ in TICKET_PREFIXES]
        for ticket in tickets:
            for at, prefix in enumerate(ticket.prefixes[: len(TICKET_PREFIXES)]):
                self._tickets[at][prefix].add(ticket.whole or "")
        for ticket in tickets:
            named = self._agreed(ticket)
            for at, prefix in enumerate(ticket.prefixes[: max(0, named)]):
                self._longer[at][prefix].add(ticket.prefixes[named])

    def _agreed(self, ticket: Ticket) -> int:
        """The longest beginning that another ticket has as well, as an index of TICKET_PREFIXES; -1 for none."""
        shared = [at for at, prefix in enumerate(ticket.prefixes) if len(self._tickets[at][prefix]) > 1]
        return shared[-1] if shared else -1

    def of(self, ticket: Ticket) -> str | None:
        """The name of the key that made a ticket, None where no other ticket begins so, or where tickets of several
        keys do."""
        at = self._agreed(ticket)
        if at < 0 or len(self._longer[at][ticket.prefixes[at]] - {ticket.prefixes[at]}) > 1:
            return None
        return ticket.prefixes[at]

    def short(self, ticket: Ticket) -> bool:
        """Whether the name has less than the 16 bytes that cannot be a constant of a format."""
        return self._agreed(ticket) < _WHOLE_NAME


@dataclass(frozen=True, slots=True)
class KeyLabels:
    """Who ended TLS, by sample. keys: label to the keys that it stands for. why: where they name nobody.

    changed: keys followed one another and none came back. foreign: every member was asked, and none has the keys.
    of_members: some are what members showed at their client interfaces, and not at Interface 1 as well.
    sharing: members of one key, in the profile's order.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    why: str = ""
    changed: bool = False
    foreign: bool = False
    of_members: bool = False
    sharing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """A ticket that an address gave when it was asked directly, and when."""

    at_s: float
    ticket: Ticket


@dataclass(frozen=True)
class TicketFacts:
    """Tickets by where they came from: through the path, in the order of time; from members' client interfaces
    (`own`); and from other addresses of members, which confirm an equal key and make none foreign (`other`)."""

    samples: tuple[Sample, ...]
    looks: tuple[Look, ...] = ()
    members: tuple[str, ...] = ()
    own: Mapping[str, tuple[Look, ...]] = field(default_factory=dict)
    other: Mapping[str, tuple[Look, ...]] = field(default_factory=dict)
    ended: bool = True  # False while connections are still made, and a key may yet come back
    complete: bool = True  # whether the members are all that there are, as far as anybody told

    @cached_property
    def names(self) -> KeyNames:
        given = [ticket for sample in self.samples if (ticket := sample.ticket) is not None]
        controls = [look for looks in (*self.own.values(), *self.other.values()) for look in looks]
        return KeyNames([*given, *(look.ticket for look in (*self.looks, *controls))])

    @cached_property
    def by_sample(self) -> Mapping[str, str]:
        """Each connection's key, by the sample's id. A ticket that begins like no other is a key of its own where
        there are few such beside keys that are known."""
        given = [(s.id, s.ticket) for s in self.samples if s.ticket is not None and s.ticket.count]
        found = {at: name for at, ticket in given if (name := self.names.of(ticket)) is not None}
        alone = [(at, ticket) for at, ticket in given if at not in found and ticket.prefixes]
        if found and len(alone) <= FEW:
            found |= {at: ticket.prefixes[-1] for at, ticket in alone}
        return found

    @cached_property
    def owners(self) -> Mapping[str, frozenset[str]]:
        """Each key that a member showed at its client interface, with the members that did."""
        return self._owners(self.own)

    @property
    def members_with_keys(self) -> frozenset[str]:
        """Members of which a key is known."""
        return frozenset().union(*self.owners.values(), *self.elsewhere.values())

    @cached_property
    def elsewhere(self) -> Mapping[str, frozenset[str]]:
        """Each key that a member showed at another address of its own."""
        return self._owners(self.other)

    def _owners(self, places: Mapping[str, tuple[Look, ...]]) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for member, looks in places.items():
            for look in looks:
                if (name := self.names.of(look.ticket)) is not None:
                    found[name].add(member)
        return {name: frozenset(members) for name, members in found.items()}

    @cached_property
    def all_asked(self) -> bool:
        """Whether every member showed the one key of its client interface, more than once."""
        keys = [{self.names.of(look.ticket) for look in self.own.get(name, ())} for name in self.members]
        return self.complete and bool(keys) and all(len(each) == 1 and None not in each for each in keys)

    @cached_property
    def _several_each(self) -> bool:
        """Whether a member has several keys at once, so that one that nobody showed may be its as well."""
        counts: dict[str, int] = defaultdict(int)
        for members in self.owners.values():
            for member in members:
                counts[member] += 1
        return any(count > 1 for count in counts.values())

    @property
    def in_time(self) -> list[str]:
        """The keys of the connections, in the order in which these were made."""
        ordered = sorted(self.samples, key=lambda sample: sample.at_s)
        return [self.by_sample[sample.id] for sample in ordered if sample.id in self.by_sample]

    @property
    def _with_nameless(self) -> list[str]:
        """The same with tickets that name no key, which another server gave: one names its keys always or never."""
        ordered = sorted(self.samples, key=lambda sample: sample.at_s)
        return [self.by_sample.get(s.id, "") for s in ordered if s.ticket is not None and s.ticket.count]

    def to_ask(self, members: Sequence[str]) -> tuple[str, ...]:
        """Members that showed less than two tickets, and those that were not asked since a key came up that is no
        member's."""
        strange = [
            s.at_s for s in self.samples if (key := self.by_sample.get(s.id)) and not self._members(key)
        ]
        since = min(strange, default=0.0)
        looks = {name: self.own.get(name, ()) for name in members}
        return tuple(
            name
            for name, each in looks.items()
            if len({look.ticket.whole for look in each}) < LOOKS or max(look.at_s for look in each) < since
        )

    # --- who answered --------------------------------------------------------------------------------------

    def label(self) -> KeyLabels:
        """Who ended TLS of each connection, and why that says nothing where it does not."""
        keys = list(dict.fromkeys(self.in_time))
        if not keys:
            return KeyLabels(why=self._nameless())
        named = {key: members for key in keys if (members := self._members(key))}
        if named:
            return self._by_members(keys, named)
        if self.all_asked:
            return KeyLabels(why=FOREIGN_KEY, foreign=True)
        return self._by_letters(keys)

    def ends(self) -> KeyLabels:
        """The ends of TLS by letters, members left aside."""
        keys = list(dict.fromkeys(self.in_time))
        return self._by_letters(keys) if keys else KeyLabels(why=self._nameless())

    def _nameless(self) -> str:
        if not any(s.ticket is not None and s.ticket.count for s in self.samples):
            return "no TLS ticket was given"
        return "the TLS tickets do not name the key that made them"

    def _members(self, key: str) -> tuple[str, ...]:
        """The members whose key it is."""
        owners = self.owners.get(key) or self.elsewhere.get(key) or frozenset()
        return tuple(name for name in self.members if name in owners)

    def _by_members(self, keys: Sequence[str], named: Mapping[str, tuple[str, ...]]) -> KeyLabels:
        sharing = next((members for members in named.values() if len(members) > 1), ())
        if len(self.members) > 1 and len(sharing) == len(self.members):
            return KeyLabels(why=self._one_for_all(named), sharing=sharing)
        others = [key for key in keys if key not in named]
        names = {key: " or ".join(members) for key, members in named.items()}
        if self.all_asked:
            names |= dict.fromkeys(filter(self._not_renewed, others), UNLISTED)
        elif not self._several_each:
            names |= _letters(others)
        return replace(self._labelled(names, sharing), of_members=bool(set(named) & self._passed_through))

    @property
    def _passed_through(self) -> set[str]:
        """Keys that members showed at their client interfaces alone: no interception on the way has them."""
        return set(self.owners) - set(self.elsewhere)

    def _not_renewed(self, key: str) -> bool:
        """Whether a key that no member showed cannot be the new one of a member: it came back after another one, or
        every member was asked after it was first seen."""
        keys = self.in_time
        first, last = keys.index(key), len(keys) - keys[::-1].index(key)
        if set(keys[first:last]) != {key}:
            return True
        since = min(sample.at_s for sample in self.samples if self.by_sample.get(sample.id) == key)
        return all(any(look.at_s >= since for look in self.own.get(name, ())) for name in self.members)

    def _one_for_all(self, named: Mapping[str, tuple[str, ...]]) -> str:
        key = next(key for key, members in named.items() if len(members) > 1)
        if self.elsewhere.get(key, frozenset()) >= set(self.members):
            return (
                "one TLS ticket key at every address, Interface 1 of each server included: something on the way "
                "from this desktop ends TLS"
            )
        return f"{' and '.join(self.members)} share their TLS ticket key, which therefore names none of them"

    def _by_letters(self, keys: Sequence[str]) -> KeyLabels:
        if len(keys) == 1 and comes_back(self._with_nameless):
            return self._labelled(_letters(keys))
        if len(keys) == 1:
            return KeyLabels(why=self._one_key(keys[0]))
        if self.ended and follow_one_another(self.in_time):
            return KeyLabels(why=_changes(self.in_time), changed=True)
        return self._labelled(_letters(keys))

    def _one_key(self, key: str) -> str:
        given = next(
            s.ticket for s in self.samples if self.by_sample.get(s.id) == key and s.ticket is not None
        )
        if self.names.short(given):
            return "all TLS tickets begin alike in a few bytes, which may be a constant"
        return (
            "all TLS tickets are of one key (one server, something in front that ends TLS, or servers that share "
            "their keys)"
        )

    def _labelled(self, names: Mapping[str, str], sharing: tuple[str, ...] = ()) -> KeyLabels:
        labels = {at: names[key] for at, key in self.by_sample.items() if key in names}
        keys: dict[str, tuple[str, ...]] = {}
        for key, who in names.items():
            keys[who] = (*keys.get(who, ()), key)
        return KeyLabels(labels, keys, sharing=sharing)


def _letters(keys: Sequence[str]) -> dict[str, str]:
    return {key: LabelKind.SERVER.name_of(at) for at, key in enumerate(keys)}


def comes_back(sequence: Sequence[str]) -> bool:
    """Whether one comes again after another one."""
    return len(runs(sequence)) > len(set(sequence))


def follow_one_another(keys: Sequence[str]) -> bool:
    """Whether each took over from the one before it for good. While a server is reloaded, its old process and its new
    one may both answer, for a few connections."""
    for one, other in combinations(dict.fromkeys(keys), 2):
        first, last = keys.index(other), len(keys) - 1 - keys[::-1].index(one)
        if last > first and (last - first > BOTH_ANSWER or keys[last:].count(other) < TAKEN_OVER):
            return False
    return True


def runs(sequence: Sequence[str]) -> list[tuple[str, int]]:
    """Each with how often it came in a row."""
    runs: list[tuple[str, int]] = []
    for each in sequence:
        if runs and runs[-1][0] == each:
            runs[-1] = (each, runs[-1][1] + 1)
        else:
            runs.append((each, 1))
    return runs


def _changes(sequence: Sequence[str]) -> str:
    counts = ", then ".join(str(count) for _, count in runs(sequence)[:8])
    return (
        f"the TLS ticket key changed and none came back (connections of each: {counts}): the server's keys were "
        "renewed, it was restarted, or a failover happened while the check ran; run it again"
    )
