"""What happened while the check ran: servers that were replaced, keys that were renewed, clients that were forgotten
while they paused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from semscheck.analysis.balancing.facts import Facts, succeeded
from semscheck.analysis.balancing.statistics import PairTrial
from semscheck.analysis.balancing.ticket_keys import comes_back
from semscheck.model.observations import Sample

_ELSEWHERE = "another server"


def after_pauses(facts: Facts, usual: str, who: Mapping[str, str]) -> list[str]:
    """Who answered after each pause, as far as that is known. usual: who answered all in quick succession."""
    found = []
    for sample in filter(succeeded, facts.samples_of("pause")):
        if sample.cookie_recognised is not None:
            found.append(usual if sample.cookie_recognised else _ELSEWHERE)
        elif sample.id in who:
            found.append(who[sample.id])
    return found


def forgotten(usual: str, after: Sequence[str]) -> bool:
    """Whether pauses alone lead a client to other servers, twice at least: the usual one answers again after that, or
    a third one does. What a failover leads elsewhere stays there, and a server of small weight is met once."""
    everyone = [usual, *after]
    moved = len(after) - after.count(usual) > 1
    return moved and (comes_back(everyone) or len(set(everyone)) > 2)


def gaps_s(samples: Sequence[Sample]) -> list[float]:
    """The time from each connection to the next."""
    return [later - earlier for earlier, later in pairwise(sorted(sample.at_s for sample in samples))]


def as_renewed(keys: Sequence[str]) -> tuple[int, ...]:
    """How often the fewest servers answered that may have had these keys, each one key after another."""
    servers: list[tuple[set[str], int]] = []  # keys, and where the last one ends
    counts = Counter(keys)
    for key in dict.fromkeys(keys):
        first, last = keys.index(key), len(keys) - 1 - keys[::-1].index(key)
        free = [server for server in servers if server[1] < first]
        mine = min(free, key=lambda server: sum(counts[each] for each in server[0]), default=(set[str](), 0))
        servers = [server for server in servers if server is not mine]
        servers.append((mine[0] | {key}, last))
    return tuple(sum(counts[key] for key in names) for names, _ in servers)


def at_one_moment(trials: Sequence[PairTrial]) -> bool:
    """Whether sessions were refused at one moment only: all from before it that were shown after it, and no others.
    So do a restart and a failover."""
    refused = [trial for trial in trials if not trial.recognised]
    if not 0 < len(refused) < len(trials):
        return False
    before, after = max(trial.earlier for trial in refused), min(trial.later for trial in refused)
    across = [trial for trial in trials if trial.earlier <= before and trial.later >= after]
    return before < after and len(across) == len(refused)


def known_across(facts: Facts, who: Mapping[str, str]) -> bool:
    """Whether the server that made tickets with one key knew a session from the time of another key: its keys were
    renewed, and it is the same."""
    keys = facts.tickets.by_sample
    met: dict[str, set[str]] = {}
    for sample in facts.samples:
        origin = sample.offered or ""
        if sample.cookie_recognised and origin in keys and sample.id in keys:
            met.setdefault(origin, set()).update((keys[origin], keys[sample.id]))
        elif sample.id in who and sample.id in keys:
            met.setdefault(who[sample.id], set()).add(keys[sample.id])
    return any(len(each) > 1 for each in met.values())
