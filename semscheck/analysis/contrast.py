"""What separates the attempts that work from those that fail.

A fault is located by what the failing attempts have in common and the working ones have not. All attempts of a run
are laid into one table; each function below looks for one property in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from ipaddress import ip_network
from itertools import groupby, pairwise
from math import comb

from semscheck.model.analysis import Contrast, EndpointStatus, Reach, Separation
from semscheck.model.failure import Cause, Phase
from semscheck.model.observations import (
    Bound,
    Connection,
    DnsAnswer,
    Exchange,
    Handshake,
    Observation,
    ProxySettings,
    Route,
    Sample,
)
from semscheck.model.report import Snapshot

# What this desktop gets where nothing reaches the host, or nothing comes back from it.
UNREACHED = frozenset({Cause.TIMED_OUT, Cause.NO_ROUTE, Cause.DENIED, Cause.OTHER})
# How a limit on connections, or a ban, looks.
KEPT_OUT = frozenset(
    {Cause.TIMED_OUT, Cause.REFUSED, Cause.NO_ROUTE, Cause.RESET, Cause.CLOSED, Cause.STALLED}
)
RUNGS = ("TLSv1.2", "no-alpn", "no-name", "small", "RSA")  # of the ladder after a failed handshake
AT_ONCE_S = 1.0  # for a handshake that is not refused
WORKED_BEFORE = 6  # connections, before failures that follow may be a limit
FAILED_AFTER = 3  # in a row and to the end: with the six, by chance one in 500 where every second one fails
BLOCKS_LEAST = 12  # connections, below which an order says nothing
BLOCKS_CHANCE = 0.01
TURNS_LEAST = (
    6  # gaps in a row between failures, all alike: where a third fails by chance, one in 100 looks so
)


class Step(IntEnum):
    """The steps of a client, in their order."""

    LOOK_UP = 0
    CONNECT = 1
    HANDSHAKE = 2
    PAGE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One thing that was tried, and what it has in common with others.

    fails: why it did not work, None if it did. source: the address of this desktop that it left from. fqdn: the FQDN
    leads there. client_of, replication_of: the members whose interface it is. hurried: kept away by a limit on this
    desktop's haste, as far as the sampling saw.
    """

    id: str
    step: Step
    at_s: float
    address: str
    port: int
    fails: Cause | None = None
    source: str | None = None
    fqdn: bool = False
    client_of: tuple[str, ...] = ()
    replication_of: tuple[str, ...] = ()
    hurried: bool = False

    @property
    def family(self) -> int:
        return 6 if ":" in self.address else 4


@dataclass(slots=True)
class Table:
    """All attempts of one run, and the settings of this desktop that bear on them.

    hellos: handshakes that offered something less than usual. proxied: ids of proxy settings that cover the FQDN, or
    may (a PAC file).
    """

    attempts: tuple[Attempt, ...]
    places: tuple[EndpointStatus, ...]
    hellos: tuple[Handshake, ...] = ()
    proxied: tuple[str, ...] = ()
    by_address: dict[str, list[Attempt]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for attempt in self.attempts:
            if attempt.step is not Step.LOOK_UP:
                self.by_address.setdefault(attempt.address, []).append(attempt)

    def connects(self, address: str) -> list[Attempt]:
        return [one for one in self.by_address.get(address, ()) if one.step is Step.CONNECT]

    def is_unreached(self, address: str) -> bool:
        """Every connection failed, and no packet of the host itself came back."""
        tried = self.connects(address)
        return bool(tried) and all(one.fails in UNREACHED for one in tried)

    def is_reached(self, address: str) -> bool:
        """At least one connection was made."""
        return any(one.fails is None for one in self.connects(address))

    def source(self, address: str) -> str | None:
        return next((one.source for one in self.by_address.get(address, ()) if one.source), None)


def table(snapshot: Snapshot, places: tuple[EndpointStatus, ...]) -> Table:
    """Every look-up, connection, handshake and page of the run, in the order of time."""
    proxies = (p for p in snapshot.observations if isinstance(p, ProxySettings))
    return Table(
        attempts=tuple(sorted(_attempts(snapshot, places), key=lambda one: one.at_s)),
        places=places,
        hellos=tuple(h for h in snapshot.observations if isinstance(h, Handshake) and h.offered in RUNGS),
        proxied=tuple(p.id for p in proxies if p.covers or p.pac_url is not None),
    )


def _attempts(snapshot: Snapshot, places: tuple[EndpointStatus, ...]) -> Iterator[Attempt]:
    known = {(place.address, place.port): place for place in places}
    routes = {r.address: r.source_address for r in snapshot.observations if isinstance(r, Route)}
    limited = {each for o in snapshot.observations if isinstance(o, Bound) for each in o.samples}
    for seen in snapshot.observations:
        attempt = _attempt(seen, known, routes)
        if attempt is not None:
            yield replace(attempt, hurried=seen.id in limited)


def _look_up(seen: DnsAnswer) -> Attempt:
    worked = seen.failure is None and seen.rcode in ("NOERROR", "NXDOMAIN")
    return Attempt(
        id=seen.id,
        step=Step.LOOK_UP,
        at_s=seen.at_s,
        address=seen.server.rpartition(":")[0].strip("[]"),
        port=53,
        fails=None if worked else seen.cause or Cause.OTHER,
    )


def _attempt(
    seen: Observation,
    known: dict[tuple[str, int], EndpointStatus],
    routes: dict[str, str | None],
) -> Attempt | None:
    """The row of one observation, None for those that are no attempts of a usual client."""
    match seen:
        case DnsAnswer(purpose="fqdn"):
            return _look_up(seen)
        case Connection():
            step, source = Step.CONNECT, seen.local_address
        case Sample(arm="fresh" | "pairs", request=0):
            met = seen.failure is not None and seen.failure.phase is not Phase.CONNECT
            step, source = Step.HANDSHAKE if met else Step.CONNECT, seen.source_address
        case Handshake(offered=None, policy="default"):
            step, source = Step.HANDSHAKE, None
        case Exchange():
            step, source = Step.PAGE, None
        case _:
            return None
    place = known.get((seen.address, seen.port))
    return Attempt(
        id=seen.id,
        step=step,
        at_s=seen.at_s,
        address=seen.address,
        port=seen.port,
        fails=seen.cause,
        source=source or routes.get(seen.address),
        fqdn=place is not None and place.fqdn,
        client_of=place.client_of if place is not None else (),
        replication_of=place.replication_of if place is not None else (),
    )


def contrasts(snapshot: Snapshot, places: tuple[EndpointStatus, ...]) -> tuple[Contrast, ...]:
    """Everything that separates what works from what fails in this run; empty where nothing fails."""
    rows = table(snapshot, places)
    if all(one.fails is None for one in rows.attempts):
        return ()
    return tuple(found for separate in SEPARATIONS for found in separate(rows))


def _contrast(
    rows: Table, separates: Separation, fails: Iterable[str], works: Iterable[str] = (), by: str = ""
) -> Contrast:
    failing, working = tuple(dict.fromkeys(fails)), tuple(dict.fromkeys(works))
    evidence = [a.id for each in failing for a in rows.by_address.get(each, ()) if a.fails is not None][:8]
    evidence += [a.id for each in working for a in rows.by_address.get(each, ()) if a.fails is None][:4]
    return Contrast(separates=separates, fails=failing, works=working, by=by, evidence=tuple(evidence))


def _all_unreached(rows: Table) -> tuple[str, ...]:
    """The addresses that were tried, if not one of them sent anything back; else nothing."""
    tried = [address for address in rows.by_address if rows.connects(address)]
    return tuple(tried) if all(rows.is_unreached(address) for address in tried) else ()


def everything(rows: Table) -> Iterator[Contrast]:
    """Several addresses, not one of which answers, though names are looked up: this desktop's way there."""
    tried = _all_unreached(rows)
    heard = any(one.step is Step.LOOK_UP and one.fails is None for one in rows.attempts)
    if len(tried) > 1 and heard and not rows.proxied:
        yield _contrast(rows, Separation.EVERYTHING, tried)


def proxy(rows: Table) -> Iterator[Contrast]:
    """No address of the FQDN can be connected to directly, none of the others either, and a proxy is set."""
    tried = _all_unreached(rows)
    if tried and rows.proxied:
        found = _contrast(rows, Separation.PROXY, tried)
        yield Contrast(
            separates=found.separates, fails=found.fails, evidence=(*rows.proxied, *found.evidence)
        )


def family(rows: Table) -> Iterator[Contrast]:
    """Every address of one family is out of reach, and every one of the other is connected to."""
    tried = [address for address in rows.by_address if rows.connects(address)]
    split = {6: [a for a in tried if ":" in a], 4: [a for a in tried if ":" not in a]}
    for failing, working in ((6, 4), (4, 6)):
        dead, alive = split[failing], split[working]
        if len(dead) < 2 or not alive or not all(rows.is_reached(address) for address in alive):
            continue
        if all(rows.is_unreached(address) for address in dead):
            yield _contrast(rows, Separation.FAMILY, dead, alive, str(failing))


def _serving_members(rows: Table, like: str) -> list[str]:
    """Client interfaces of the same family that are asked directly, besides the FQDN's address, and serve."""
    direct = (p for p in rows.places if p.stands_by and p.serves)
    return [place.address for place in direct if (":" in place.address) is (":" in like)]


def balancer(rows: Table) -> Iterator[Contrast]:
    """The FQDN's address fails, and members serve this same desktop when they are asked directly."""
    for place in rows.places:
        in_front = place.fqdn and not place.client_of and not place.replication_of
        serving = _serving_members(rows, place.address)
        if serving and in_front and place.reach in (Reach.NO_CONNECTION, Reach.NO_TLS):
            tls = place.reach is Reach.NO_TLS
            separates = Separation.TLS_IN_FRONT if tls else Separation.BALANCER
            yield _contrast(rows, separates, (place.address,), serving, place.failure_cause or "")


def _network(address: str) -> str:
    return str(ip_network(f"{address}/{64 if ':' in address else 24}", strict=False))


def member(rows: Table) -> Iterator[Contrast]:
    """A member is out of reach, and another one in the same network is connected to."""
    for role in ("client_of", "replication_of"):
        own = {place.address: getattr(place, role) for place in rows.places if getattr(place, role)}
        for address, names in own.items():
            near = [
                other
                for other, others in own.items()
                if _network(other) == _network(address) and names != others and rows.is_reached(other)
            ]
            if near and rows.is_unreached(address):
                yield _contrast(rows, Separation.MEMBER, (address,), near)


def members(rows: Table) -> Iterator[Contrast]:
    """No interface of this kind of any member answers, and the FQDN's own address serves: the usual layout."""
    serving = [p.address for p in rows.places if p.fqdn and p.answers]
    for role, kind in (("client_of", "client"), ("replication_of", "replication")):
        own = [p.address for p in rows.places if getattr(p, role) and not p.fqdn and not p.balancer]
        if serving and own and all(rows.is_unreached(address) for address in own):
            yield _contrast(rows, Separation.MEMBERS, own, serving, kind)


def hello(rows: Table) -> Iterator[Contrast]:
    """The usual ClientHello is refused or left unanswered, and one that offers less is answered."""
    for place in rows.places:
        tried = [h for h in rows.hellos if (h.address, h.port) == (place.address, place.port)]
        answered = {h.offered or "" for h in tried if h.failure is None}
        if any(h.failure is None and (h.elapsed_s or 0.0) > AT_ONCE_S for h in tried):
            continue  # answered late: an overloaded server, whatever it is asked
        refused = _refused(answered)
        if place.reach is Reach.NO_TLS and refused and len(answered) < len(tried):
            evidence = (*(h.id for h in tried), *place.evidence[-2:])
            yield Contrast(separates=Separation.HELLO, fails=(place.address,), by=refused, evidence=evidence)


def _refused(answered: set[str]) -> str:
    """What those ClientHellos lack that are answered, and the others have; "" where it is not one thing.

    The small one has no ALPN and offers TLS 1.3, those of TLS 1.2 and RSA are shorter, too.
    """
    if answered in ({"no-alpn"}, {"no-alpn", "small"}):
        return "alpn"
    if answered == {"no-name"}:
        return "name"
    if answered == {"RSA"}:
        return "certificate"
    if answered in ({"TLSv1.2"}, {"TLSv1.2", "RSA"}):
        return "version"
    return "size" if "small" in answered else ""


def route(rows: Table) -> Iterator[Contrast]:
    """What cannot be reached leaves this desktop from one address, and all that is reached from others."""
    reached = [address for address in rows.by_address if rows.is_reached(address)]
    used = {rows.source(address) for address in reached}
    astray: dict[str, list[str]] = {}
    for address in rows.by_address:
        source = rows.source(address)
        same = any((":" in other) is (":" in address) for other in reached)
        if source and same and source not in used and rows.is_unreached(address):
            astray.setdefault(source, []).append(address)
    for source, addresses in astray.items():
        yield _contrast(rows, Separation.ROUTE, addresses, reached, source)


def _series(rows: Table, address: str) -> list[Attempt]:
    """The connections to one address in the order of time; what fails after connecting counts as failed."""
    connecting = (Step.CONNECT, Step.HANDSHAKE)
    tried = [one for one in rows.by_address[address] if one.step in connecting]
    return [one for one in tried if one.step is Step.CONNECT or one.fails is not None]


def order(rows: Table) -> Iterator[Contrast]:
    """The first connections to an address were made, all later ones fail, and other addresses answer on."""
    for address in rows.by_address:
        tried = _series(rows, address)
        worked = next((at for at, one in enumerate(tried) if one.fails is not None), len(tried))
        after = tried[worked:]
        if worked < WORKED_BEFORE or len(after) < FAILED_AFTER:
            continue
        others = [a for other, own in rows.by_address.items() if other != address for a in own]
        if all(one.fails in KEPT_OUT for one in after) and not _dark(others, since_s=after[0].at_s):
            found = _contrast(rows, Separation.ORDER, (address,))
            by, evidence = str(after[0].fails or ""), tuple(one.id for one in after[:8])
            yield replace(found, works=(), by=by, count=worked, evidence=evidence)


def _dark(others: Sequence[Attempt], since_s: float) -> bool:
    """Nothing elsewhere worked since then, and the last that was tried failed: this desktop may have lost its
    network."""
    if not others or any(one.fails is None for one in others if one.at_s >= since_s):
        return False
    return max(others, key=lambda one: one.at_s).fails is not None


def blocks(rows: Table) -> Iterator[Contrast]:
    """Connections to an address fail in blocks, longer ones than chance would leave."""
    for address in rows.by_address:
        outcomes = [one.fails is None for one in _series(rows, address) if not one.hurried]
        good, bad = outcomes.count(True), outcomes.count(False)
        runs = sum(1 for _ in groupby(outcomes))
        if len(outcomes) < BLOCKS_LEAST or not good or not bad or runs < 3:
            continue
        if chance_of_runs(good, bad, runs) <= BLOCKS_CHANCE:
            longest = max(len(list(run)) for worked, run in groupby(outcomes) if not worked)
            yield replace(_contrast(rows, Separation.BLOCKS, (address,)), count=longest)


def turns(rows: Table) -> Iterator[Contrast]:
    """Every second, third, ... connection to an address fails, time and again: one of so many behind it."""
    for address in rows.by_address:
        failed = [at for at, one in enumerate(_series(rows, address)) if one.fails is not None]
        apart = [(gap, len(list(run))) for gap, run in groupby(b - a for a, b in pairwise(failed))]
        often = max((each for each in apart if each[0] > 1), key=lambda each: each[1], default=(0, 0))
        if often[1] >= TURNS_LEAST:
            yield replace(_contrast(rows, Separation.TURNS, (address,)), count=often[0])


def chance_of_runs(one: int, other: int, runs: int) -> float:
    """The chance of so few runs or fewer, if every order of the two kinds is as likely (Wald and Wolfowitz 1940)."""
    ways = 0
    for number in range(2, runs + 1):
        half, odd = divmod(number, 2)
        if odd:
            ways += comb(one - 1, half) * comb(other - 1, half - 1)
            ways += comb(one - 1, half - 1) * comb(other - 1, half)
        else:
            ways += 2 * comb(one - 1, half - 1) * comb(other - 1, half - 1)
    return ways / comb(one + other, one)


SEPARATIONS: tuple[Callable[[Table], Iterator[Contrast]], ...] = (
    everything,
    proxy,
    family,
    balancer,
    member,
    members,
    hello,
    route,
    order,
    blocks,
    turns,
)
