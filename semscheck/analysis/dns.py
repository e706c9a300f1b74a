"""How the addresses of the FQDN change between answers, each server judged on its own burst.

Two servers that differ are never a rotation: one may hold an older answer, or another view of the zone. Nor is
a change at the moment at which a cached answer ran out, unless an earlier answer comes back after it.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from semscheck.model.addresses import is_contacted, is_private
from semscheck.model.analysis import AnswerSet, DnsAnalysis, ResolverAnalysis, Rotation
from semscheck.model.observations import DnsAnswer, SystemResolution
from semscheck.model.report import Snapshot

ENOUGH = 5  # one order or address five times running out of two, by chance: 6 %; fewer says nothing
FAMILY_OF = {"A": 4, "AAAA": 6}

CHANGING = (Rotation.ORDER, Rotation.SUBSET, Rotation.FLIPS)

_BADNESS = {
    Rotation.NONE: 0,
    Rotation.FIXED: 1,
    Rotation.UNKNOWN: 2,
    Rotation.ORDER: 3,
    Rotation.SUBSET: 4,
    Rotation.FLIPS: 5,
}


def _ttls(answers: Iterable[DnsAnswer]) -> list[int]:
    return [answer.ttl_s for answer in answers if answer.records and answer.ttl_s is not None]


def dns_analysis(snapshot: Snapshot) -> DnsAnalysis:
    """What all servers and the system said of the FQDN, taken together; see `DnsAnalysis`."""
    target = snapshot.target
    if target.fqdn_is_address:
        return DnsAnalysis(addresses=(target.fqdn,))
    system = _system(snapshot)
    servers = _servers(snapshot)
    if not any(_addresses(answers) for answers in servers.values()):
        servers = _found_by_suffix(snapshot) or servers
    judged = {key: _judge(key, answers) for key, answers in servers.items()}
    counted = _in_this_view(judged, servers, system)
    usable = [answer for key in counted for answer in servers[key]]
    families = {family: _over_servers(counted, servers, family) for family in (4, 6)}
    given = [address for answer in usable for address in answer.records]
    return DnsAnalysis(
        addresses=sorted_addresses(
            a for a in (*given, *system) if family_of(a) in target.families and is_contacted(a, target)
        ),
        rotation=worse(*(kind for kind in families.values() if kind is not None)),
        rotation_v4=families[4] or Rotation.UNKNOWN,
        rotation_v6=families[6] or Rotation.UNKNOWN,
        min_ttl_s=min(_ttls(usable), default=None),
        max_ttl_s=max(_ttls(usable), default=None),
        authority_ttl_s=max(_ttls(a for a in usable if "AA" in a.flags), default=None),
        cname=_chain(usable),
        system=system,
        resolvers=tuple(judged.values()),
    )


def rotation_of(answers: Sequence[DnsAnswer]) -> Rotation:
    """How one server's answers of one record type changed. answers: in the order asked, failed ones included.

    UNKNOWN: no addresses, or no change in fewer than `ENOUGH` answers.
    """
    given = [answer for answer in answers if answer.records]
    records = [answer.records for answer in given]
    if len(set(records)) > 1:
        spans = [[answer.records for answer in span] for span in _between_expiries(given)]
        returned = _comes_back(spans)
        changes = [records] if returned else [span for span in spans if len(set(span)) > 1]
        if changes:
            return worse(*(_kind_of_change(change) for change in changes))
    if len(records) < ENOUGH:
        return Rotation.UNKNOWN
    return Rotation.FIXED if any(len(one) > 1 for one in records) else Rotation.NONE


def worse(*kinds: Rotation) -> Rotation:
    """The worst; UNKNOWN where there is none, and before a harmless one."""
    return max(kinds, key=_BADNESS.__getitem__, default=Rotation.UNKNOWN)


def _kind_of_change(records: Sequence[tuple[str, ...]]) -> Rotation:
    if all(len(one) == 1 for one in records):
        return Rotation.FLIPS
    return Rotation.ORDER if len({frozenset(one) for one in records}) == 1 else Rotation.SUBSET


def _between_expiries(answers: Sequence[DnsAnswer]) -> list[list[DnsAnswer]]:
    """The answers, parted where a resolver's cached one ran out and was fetched anew.

    That shows as a time to live that was used up, and a longer one after it. An authority caches nothing.
    """
    spans: list[list[DnsAnswer]] = []
    before: DnsAnswer | None = None
    for answer in answers:
        if before is None or _ran_out(before, answer):
            spans.append([])
        spans[-1].append(answer)
        before = answer
    return spans


def _ran_out(before: DnsAnswer, after: DnsAnswer) -> bool:
    if "AA" in before.flags or before.ttl_s is None or after.ttl_s is None:
        return False
    lapsed_s = after.at_s + (after.elapsed_s or 0) - before.at_s
    return after.ttl_s > before.ttl_s and before.ttl_s <= lapsed_s + 1  # whole seconds are given


def _comes_back(spans: Sequence[Sequence[tuple[str, ...]]]) -> bool:
    """An answer returns after another one replaced it: an edited record does not do that."""
    left: set[tuple[str, ...]] = set()
    for earlier, later in pairwise(spans):
        left |= set(earlier) - set(later)
        if left & set(later):
            return True
    return False


def _system(snapshot: Snapshot) -> tuple[str, ...]:
    for one in snapshot.observations:
        if isinstance(one, SystemResolution) and one.purpose == "fqdn" and one.addresses:
            return tuple(address for address in one.addresses if family_of(address))
    return ()


@dataclass(frozen=True, slots=True)
class _Key:
    server: str
    name: str | None
    role: str


def _servers(snapshot: Snapshot) -> dict[_Key, list[DnsAnswer]]:
    return _grouped(
        one for one in snapshot.observations if isinstance(one, DnsAnswer) and one.purpose == "fqdn"
    )


def _found_by_suffix(snapshot: Snapshot) -> dict[_Key, list[DnsAnswer]]:
    """The answers for the first name of the search list that has addresses, which is what clients get."""
    tried = [one for one in snapshot.observations if isinstance(one, DnsAnswer) and one.purpose == "suffix"]
    name = next((one.name for one in tried if one.records), None)
    return _grouped(one for one in tried if name is not None and one.name == name)


def _grouped(answers: Iterable[DnsAnswer]) -> dict[_Key, list[DnsAnswer]]:
    """By server and role, each in the order asked: observations come in the order of the answers."""
    groups: dict[_Key, list[DnsAnswer]] = {}
    for answer in answers:
        if answer.record_type in FAMILY_OF:
            groups.setdefault(_Key(answer.server, answer.server_name, answer.role), []).append(answer)
    for group in groups.values():
        group.sort(key=lambda answer: (answer.record_type, answer.repetition))
    return groups


def _judge(key: _Key, answers: Sequence[DnsAnswer]) -> ResolverAnalysis:
    by_family = {
        family: [answer for answer in answers if answer.record_type == kind]
        for kind, family in FAMILY_OF.items()
    }
    kinds = [rotation_of(own) for own in by_family.values() if _addresses(own)]
    sets = {family: _answer_sets(own) for family, own in by_family.items()}
    ttls = [answer.ttl_s for answer in answers if answer.records and answer.ttl_s is not None]
    return ResolverAnalysis(
        server=key.server,
        server_name=key.name,
        authority=key.role == "authority",
        failed=all(answer.rcode is None for answer in answers),
        rcode=next((answer.rcode for answer in answers if answer.rcode is not None), None),
        rotation=worse(*kinds),
        ttl_s=min(ttls, default=None),
        answers_v4=sets[4][0],
        answers_v6=sets[6][0],
        sequence_v4=sets[4][1],
        sequence_v6=sets[6][1],
    )


def _answer_sets(answers: Sequence[DnsAnswer]) -> tuple[tuple[AnswerSet, ...], tuple[int | None, ...]]:
    """The distinct answers and, per repetition, which it was; nothing where no answer had an address."""
    if not _addresses(answers):
        return (), ()
    seen = [answer.records if answer.rcode == "NOERROR" else None for answer in answers]
    counts = Counter(records for records in seen if records is not None)
    index = {records: number for number, records in enumerate(counts)}
    sets = tuple(AnswerSet(addresses=records, count=count) for records, count in counts.items())
    return sets, tuple(None if records is None else index[records] for records in seen)


def _in_this_view(
    judged: dict[_Key, ResolverAnalysis], servers: dict[_Key, list[DnsAnswer]], system: tuple[str, ...]
) -> list[_Key]:
    """The servers whose answers are what clients here get: all resolvers, and the zone's own servers unless
    those have another view of the zone (split horizon), or a newer record than the caches."""
    resolvers = [key for key, one in judged.items() if not one.authority]
    authorities = [key for key, one in judged.items() if one.authority]
    here = set(system).union(*(_addresses(servers[key]) for key in resolvers))
    there: set[str] = set().union(*(_addresses(servers[key]) for key in authorities))
    own_view = any("AA" in answer.flags for key in resolvers for answer in servers[key])
    changing = any(judged[key].rotation in CHANGING for key in authorities)
    one_of_many = changing and not own_view and any(map(is_private, here)) == any(map(is_private, there))
    return resolvers + (authorities if not here or here & there or one_of_many else [])


def _over_servers(keys: Iterable[_Key], servers: dict[_Key, list[DnsAnswer]], family: int) -> Rotation | None:
    """The worst that one server showed; UNKNOWN only if none could be judged, None if there is no address."""
    kinds = []
    for key in keys:
        own = [answer for answer in servers[key] if FAMILY_OF[answer.record_type] == family]
        if _addresses(own):
            kinds.append(rotation_of(own))
    if not kinds:
        return None
    return worse(*(kind for kind in kinds if kind is not Rotation.UNKNOWN))


def _chain(answers: Iterable[DnsAnswer]) -> tuple[str, ...]:
    return next((tuple(hop.target for hop in answer.cname) for answer in answers if answer.cname), ())


def _addresses(answers: Iterable[DnsAnswer]) -> set[str]:
    return {address for answer in answers for address in answer.records}


def family_of(address: str) -> int | None:
    """4 or 6, None for text that is no address (a saved report may hold anything)."""
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return None


def sorted_addresses(addresses: Iterable[str]) -> tuple[str, ...]:
    """Each once, IPv4 first, by number."""
    return tuple(sorted(set(addresses), key=_by_number))


def _by_number(address: str) -> tuple[int, bytes]:
    one = ipaddress.ip_address(address)
    return one.version, one.packed
