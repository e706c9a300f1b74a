"""Rules on reaching an address: refused, silent, unreachable, reset, slow, flaky, and what should not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median

from semscheck.model.addresses import is_private
from semscheck.model.analysis import FAILING, EndpointStatus, Reach, Separation
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Facts, ImpactKind, InFront, Owner, Stops, Subject
from semscheck.model.observations import Bound, Connection, Handshake, Sample, ServiceProbe
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.context import (
    BY_SUBJECT,
    RuleContext,
    and_behind,
    by_subject,
    sentence_start,
)
from semscheck.rules.remedies import steps
from semscheck.rules.rule import Answers, Hit, NotObserved, card, need

AT_ONCE_S = 0.5
SENT_AGAIN_S = (
    0.98  # systems send an unanswered SYN again after a second (RFC 6298 section 2), and not before
)
LATE_LEAST, LATE_SHARE = 3, 0.1  # connections that waited for that
SLOW_LEAST = 3  # connections, below which one lost packet makes the median
UNREACHED = (Cause.TIMED_OUT, Cause.NO_ROUTE, Cause.DENIED, Cause.OTHER)  # nothing came back from the host
FLAKY_LEAST = 3  # connections to one address, below which a lost one says little
MANAGEMENT = {444: "replication", 9000: "administration"}
ALONE = (
    "Look at this server itself: is it up, are its services running, does its own firewall let this desktop in, is "
    "its address the one that the profile has? Others in the same network answer, so the network is not to blame."
)
NOT_DOWN = "It means: not reachable from this desktop. The server may be fine and reachable from elsewhere."


def _connections(context: RuleContext, place: EndpointStatus) -> tuple[Connection, ...]:
    ids = set(place.evidence)
    return tuple(seen for seen in context.of(Connection) if seen.id in ids)


def _stopped_at(context: RuleContext, *causes: Cause) -> Iterator[tuple[EndpointStatus, Connection]]:
    """Places where no connection was ever made, and the first attempt ended for one of the causes.

    Not the members that nobody here is meant to reach: those are one remark (NET010).
    """
    apart = {address for found in context.separated(Separation.MEMBERS) for address in found.fails}
    for place in context.places:
        if place.reach is not Reach.NO_CONNECTION or (place.address in apart and not place.fqdn):
            continue
        tried = _connections(context, place)
        failed = next((seen for seen in tried if seen.failure is not None), None)
        if failed is not None and failed.cause in causes:
            yield place, failed


CONNECTIONS = (need(lambda context: context.of(Connection), "no connection was tried"),)


def _hit(context: RuleContext, place: EndpointStatus, seen: Connection, words: str) -> Hit:
    name = context.name_of(place)
    near = next((each.works for each in context.separated(Separation.MEMBER, place.address)), ())
    alone = f"; others in its network answer ({', '.join(near[:3])})" if near else ""
    if place.balancer and context.separated(Separation.BALANCER, place.address):
        alone = ", although the servers behind it answer this desktop when they are asked directly"
    return Hit(
        subject=context.subject_of(place),
        summary=f"{sentence_start(name)} {words}{alone}.",
        owner=Owner.SERVER if near else None,
        remedy=ALONE if near else _first_contact(context, place, seen),
        severity=by_subject(place),
        evidence=(seen.id,),
        args={"address": place.address, "port": str(place.port)},
    )


def _first_contact(context: RuleContext, place: EndpointStatus, seen: Connection) -> str | None:
    """Where only the name is known, nothing tells the way from the server: what tells them apart comes first."""
    silent = seen.cause in UNREACHED
    if not silent or {one.address for one in context.of(Connection)} != {place.address}:
        return None
    nowhere = "If it works from nowhere, check that the load balancer or server with this address is up."
    if is_private(place.address):
        return steps(
            f"{place.address} is an internal address: if this desktop is outside the company's network, connect its "
            "VPN and check again; if it is inside, look for a firewall or a wrong route.",
            nowhere,
        )
    return steps(
        "Run the check from a desktop in another network: does it work there?",
        "If it does, look for a firewall or a wrong route between this desktop's network and "
        f"{place.address}, port {place.port}.",
        nowhere,
    )


@card(
    code="NET001",
    name="refused",
    title="Connection refused",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=BY_SUBJECT,
    owner=Owner.SERVER,
    summary="A connection was refused.",
    why="Nothing listens there, or a firewall answers in its place: clients fail at once.",
    remedy="1. Start the server's services, and check that they listen on this interface and port.\n"
    "2. If they do, look for a firewall that rejects this desktop's network.",
    seen_by=f"The attempt was answered with a reset (RFC 9293). {NOT_DOWN}",
    references=(refs.RFC_9293,),
    stops=Stops.CONNECTION,
    in_front=InFront.POOL,
    needs=CONNECTIONS,
)
def refused(context: RuleContext) -> Answers:
    """ECONNREFUSED on every attempt."""
    stopped = sorted(_stopped_at(context, Cause.REFUSED), key=lambda each: not each[0].fqdn)
    addresses = {place.address for place, _ in stopped}
    if len(addresses) >= REFUSED_EVERYWHERE and addresses == {
        seen.address for seen in context.of(Connection)
    }:
        place, seen = stopped[0]
        words = f"refuses connections from this desktop, as do the {len(addresses) - 1} other addresses"
        either = ": the services are stopped everywhere, or a firewall rejects this desktop"
        yield replace(_hit(context, place, seen, words + either), owner=Owner.SERVER, remedy=_WHICH)
        return
    for place, seen in stopped:
        yield _hit(context, place, seen, "refuses connections from this desktop")


REFUSED_EVERYWHERE = 3  # addresses; which of the two it is, another network tells
_WHICH = (
    "1. Run the check from a desktop in another network: does it work there?\n"
    "2. If not, start the services on every server.\n"
    "3. If it does, ask the network administrator for the firewall that rejects this network."
)


@card(
    code="NET002",
    name="timed-out",
    title="No answer",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=BY_SUBJECT,
    owner=Owner.NETWORK,
    summary="No answer came to the connection request.",
    why="Clients wait for their own timeout before they fail, which users see as a freeze.",
    remedy="1. Check whether a firewall drops traffic from this desktop's network to this address and port.\n"
    "2. If none does, check that the host is up and has this address.",
    seen_by=f"No packet came back within the timeout: filtered, or the host is down. {NOT_DOWN}",
    references=(refs.RFC_9293,),
    stops=Stops.CONNECTION,
    in_front=InFront.SILENCE,
    needs=CONNECTIONS,
)
def timed_out(context: RuleContext) -> Answers:
    """Silence on every attempt."""
    for place, seen in _stopped_at(context, Cause.TIMED_OUT):
        took = f" within {seen.elapsed_s:.0f} s" if seen.elapsed_s else ""
        behind = context.separated(Separation.BALANCER, place.address)
        why = "" if behind else ": traffic is filtered, or the host is down"
        yield _hit(context, place, seen, f"does not answer{took}{why}")


@card(
    code="NET003",
    name="no-route",
    title="No route",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=BY_SUBJECT,
    owner=Owner.NETWORK,
    summary="The network says that the address cannot be reached.",
    why="Clients in this network fail at once; no retry helps.",
    remedy="Check the route and the firewalls between this desktop's network and the address.",
    seen_by=f"A router or this desktop itself answered that there is no way (ICMP, RFC 1122). {NOT_DOWN}",
    references=(refs.RFC_1122_UNREACHABLE,),
    stops=Stops.CONNECTION,
    in_front=InFront.SILENCE,
    needs=CONNECTIONS,
)
def no_route(context: RuleContext) -> Answers:
    """EHOSTUNREACH, ENETUNREACH, or a local refusal to send."""
    for place, seen in _stopped_at(context, *UNREACHED[1:]):
        said = f" ({seen.failure.detail})" if seen.failure is not None and seen.failure.detail else ""
        yield _hit(context, place, seen, f"cannot be reached from this desktop{said}")


RESETS = (
    "1. Restart the services on the server, or the server itself.\n"
    "2. Look for a firewall or an intrusion prevention system that ends connections from this network."
)


def _reset_before_a_byte(trouble: Failure | None) -> bool:
    return trouble is not None and trouble.cause is Cause.RESET and not trouble.said


@card(
    code="NET004",
    name="reset",
    title="Connection reset",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=BY_SUBJECT,
    owner=Owner.NETWORK,
    summary="The connection was reset before the server sent a byte.",
    why="Something accepts the connection and drops it: an inspecting firewall, a load balancer with no server to "
    "give it to, or a server that is overloaded.",
    remedy="1. Check at the load balancer that its pool has a server that is up.\n"
    "2. Look for a firewall or an intrusion prevention system that ends connections from this network.",
    seen_by="RST came after the connection was made, whether or not our first TLS message had been sent.",
    references=(refs.RFC_9293,),
    stops=Stops.CONNECTION,
    in_front=InFront.POOL,
    with_servers=True,
    needs=CONNECTIONS,
)
def reset(context: RuleContext) -> Answers:
    """RST before any byte of the server."""
    for place, seen in _stopped_at(context, Cause.RESET):
        yield _hit(context, place, seen, "resets the connection at once")
    for place in context.places:
        if place.reach is not Reach.NO_TLS:
            continue
        ids = set(place.evidence)
        shakes = [each for each in context.of(Handshake) if each.id in ids and each.offered is None]
        first = shakes[0] if shakes else None
        if first is not None and _reset_before_a_byte(first.failure):
            name = context.name_of(place)
            yield Hit(
                subject=context.subject_of(place),
                summary=f"{sentence_start(name)} accepts the connection and resets it before sending a byte"
                f"{and_behind(context, place)}.",
                owner=Owner.SERVER if place.client_of else None,
                remedy=RESETS if place.client_of else None,
                severity=by_subject(place),
                evidence=(first.id,),
                args={"address": place.address, "port": str(place.port)},
            )


@card(
    code="NET005",
    name="slow",
    severity=Severity.WARNING,
    owner=Owner.NETWORK,
    summary="Connecting takes over a second: mostly, or again and again.",
    why="Every step of a client takes several such round trips; users wait, and timeouts come near.",
    remedy="Look for packet loss, an overloaded link or firewall, or a route that goes far out of its way.",
    seen_by="The median time of the connections that this run made to the address, of three at least: one lost "
    "packet by itself delays a connection by a second (RFC 6298). The limit is `connect_slow_s`. Or a tenth of them, "
    "three at least, took a second or more and none of the others half a second: a first packet was lost and sent "
    "again.",
    references=(refs.RFC_9293,),
    title="Slow connections",
    impact=ImpactKind.SLOW,
    needs=CONNECTIONS,
)
def slow(context: RuleContext) -> Answers:
    """A median of the connection times over the limit; or some that waited for a packet to be sent again."""
    limit_s = context.target.thresholds.connect_slow_s
    yield from _slow(context, _connect_times, limit_s, "Connecting to {name} takes {took:.1f} s.")
    for place in context.places:
        times = _connect_times(context, place)
        late = [each for each in times if each >= AT_ONCE_S]
        again = len(late) >= max(LATE_LEAST, len(times) * LATE_SHARE) and min(late) >= SENT_AGAIN_S
        if again and median(times) < AT_ONCE_S:
            yield Hit(
                subject=context.subject_of(place),
                summary=f"{len(late)} of {len(times)} connections to {context.name_of(place)} took "
                f"{min(late):.1f} s or more, the others {median(times) * 1000:.0f} ms: packets are lost on the way.",
                evidence=place.evidence[:3],
                args={"late": str(len(late)), "connections": str(len(times))},
            )


@card(
    code="NET015",
    name="slow-handshake",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The TLS handshake takes over two seconds (median).",
    why="Every new connection of every client waits for it; users see a client that hangs.",
    remedy="1. Look at the load of the server, or of the load balancer where TLS ends there.\n"
    "2. Look for what it waits for in a handshake: revocation look-ups, a hardware module, a name that it looks up "
    "backwards.\n"
    "3. If only some networks see it, look for packet loss, and for a path that drops large packets (MTU).",
    seen_by="The median time of the handshakes with the address, of three at least. The limit is `handshake_slow_s`.",
    references=(refs.RFC_9293,),
    title="Slow TLS handshakes",
    impact=ImpactKind.SLOW,
    needs=CONNECTIONS,
)
def slow_handshake(context: RuleContext) -> Answers:
    """A median of the handshake times over the limit."""
    limit_s = context.target.thresholds.handshake_slow_s
    words = "The TLS handshake with {name} takes {took:.1f} s."
    yield from _slow(context, _handshake_times, limit_s, words)


Times = Callable[[RuleContext, EndpointStatus], list[float]]


def _slow(context: RuleContext, times_of: Times, limit_s: float, words: str) -> Answers:
    """Places whose median time is over the limit."""
    timed = {place: times_of(context, place) for place in context.places}
    if not any(len(times) >= SLOW_LEAST for times in timed.values()):
        yield NotObserved("no address was connected to often enough")
    for place, times in timed.items():
        if len(times) >= SLOW_LEAST and median(times) > limit_s:
            yield Hit(
                subject=context.subject_of(place),
                summary=words.format(name=context.name_of(place), took=median(times)),
                evidence=place.evidence[:3],
                args={"median_s": f"{median(times):.3f}", "connections": str(len(times))},
            )


def _samples(context: RuleContext, place: EndpointStatus) -> Iterator[Sample]:
    for sample in context.of(Sample):
        here = (sample.address, sample.port) == (place.address, place.port)
        if here and place.sni == context.target.fqdn:
            yield sample


def _connect_times(context: RuleContext, place: EndpointStatus) -> list[float]:
    times = [c.elapsed_s for c in _connections(context, place) if c.failure is None]
    times += [sample.connect_s for sample in _samples(context, place)]
    return [each for each in times if each is not None]


def _handshake_times(context: RuleContext, place: EndpointStatus) -> list[float]:
    ids = set(place.evidence)
    times = [s.elapsed_s for s in context.of(Handshake) if s.id in ids and s.failure is None]
    times += [sample.handshake_s for sample in _samples(context, place) if sample.failure is None]
    return [each for each in times if each is not None]


def _is_lost(trouble: Failure | None) -> bool:
    """Not made, or reset before a byte came, which may be met while connecting or while saying hello."""
    return trouble is not None and (trouble.phase is Phase.CONNECT or _reset_before_a_byte(trouble))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt to connect. answered: lost, and it was a refusal or a reset rather than silence."""

    id: str
    made: bool
    answered: bool = False


def _attempt(seen: Connection | Sample) -> _Attempt:
    ended = seen.cause
    return _Attempt(seen.id, not _is_lost(seen.failure), ended in (Cause.REFUSED, Cause.RESET))


def _lose_one(attempts: list[_Attempt], shake: str) -> None:
    """Count one connection that was made as lost after all: the handshake on it met a reset."""
    for at, attempt in enumerate(attempts):
        if attempt.made:
            attempts[at] = _Attempt(shake, made=False, answered=True)
            return


FLAPPING = (
    "1. Look in the logs of the servers and of the load balancer for what went down and came back at that time: a "
    "service that restarts, a health check that flaps, a server out of memory.\n"
    "2. Let the health check need several good answers before a server is used again.\n"
    "3. If nothing went down, look for a link or a cluster address that moves between two machines."
)
_NTH = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth"}


def rhythm(context: RuleContext, address: str) -> str:
    """In which order connections to an address failed, for the end of a sentence; empty where by chance."""
    turn = next((found.count for found in context.separated(Separation.TURNS, address)), 0)
    for path in context.analysis.paths:
        if path.address == address and path.cycle.count(FAILING) == 1:
            turn = len(path.cycle)
    if turn in _NTH:
        return f", every {_NTH[turn]} one: one of {turn} servers or paths behind it is dead and still gets its turn"
    for found in context.separated(Separation.BLOCKS, address):
        row = f"up to {found.count} in a row"
        return f", in blocks ({row}): what answers there goes down for moments and comes back"
    return ""


def _attempts(context: RuleContext) -> dict[tuple[str, int], list[_Attempt]]:
    """Every attempt to connect, by address and port."""
    tried: dict[tuple[str, int], list[_Attempt]] = {}
    # What a limit on this desktop kept away was lost by our haste, not on the way.
    too_fast = {sample for bound in context.of(Bound) for sample in bound.samples}
    samples = (sample for sample in context.of(Sample) if sample.id not in too_fast)
    attempts_seen: tuple[Connection | Sample, ...] = (*context.of(Connection), *samples)
    for seen in attempts_seen:
        if isinstance(seen, Connection) or (seen.request == 0 and seen.arm != "source"):
            tried.setdefault((seen.address, seen.port), []).append(_attempt(seen))
    for shake in context.of(Handshake):
        if _reset_before_a_byte(shake.failure):
            _lose_one(tried.get((shake.address, shake.port), []), shake.id)
    return tried


@card(
    code="NET006",
    name="flaky",
    title="Connections lost",
    impact=ImpactKind.SOME_FAIL,
    severity=Severity.WARNING,
    owner=Owner.NETWORK,
    summary="Some of the repeated connections to one address failed to be made.",
    why="Clients fail now and then with no pattern that users could describe.",
    remedy="1. Look for a server that goes up and down.\n"
    "2. Look for packet loss, and for a full connection table in a firewall or load balancer.",
    seen_by="Of several attempts to connect to the same address and port some succeeded and some did not. Refusals "
    "and resets alone are explained by BAL012 at the same address: something answered, so that no packet was lost. "
    "Attempts from another address of this desktop do not count.",
    references=(refs.RFC_9293,),
)
def flaky(context: RuleContext) -> Answers:
    """Mixed success in connecting to one address."""
    tried = _attempts(context)
    if not any(len(attempts) >= FLAKY_LEAST for attempts in tried.values()):
        yield NotObserved("no address was connected to often enough")
        return
    shown: set[tuple[str, int]] = set()
    for place in context.places:
        key = (place.address, place.port)
        attempts = tried.get(key, [])
        lost = [each for each in attempts if not each.made]
        if key in shown or len(attempts) < FLAKY_LEAST or not lost or len(lost) == len(attempts):
            continue
        if not place.answers:
            continue  # not now and then but always: other rules say what stops it
        shown.add(key)
        yield _lost(context, place, lost, len(attempts))


def _lost(context: RuleContext, place: EndpointStatus, lost: list[_Attempt], made: int) -> Hit:
    silent = sum(not each.answered for each in lost)
    flaps = context.separated(Separation.BLOCKS, place.address)
    return Hit(
        subject=context.subject_of(place),
        owner=Owner.SERVER if flaps else None,
        remedy=FLAPPING if flaps else None,
        summary=f"{len(lost)} of {made} connections to {context.name_of(place)} could not be "
        f"made{rhythm(context, place.address)}.",
        evidence=tuple(each.id for each in lost[:8]),
        args={"failed": str(len(lost)), "tried": str(made), "silent": str(silent)},
        facts=Facts(unanswered=silent),
    )


@card(
    code="NET007",
    name="management-exposed",
    title="Management ports reachable",
    severity=Severity.INFO,
    owner=Owner.NETWORK,
    summary="Replication or administration ports answer from a desktop.",
    why="Clients need neither; both are worth protecting, and a wider reach than needed is a risk.",
    remedy="Let only the servers reach port 444 of each other, and only administrators reach port 9000.",
    seen_by="Asked only with --services: the port accepts a connection from here.",
    references=(refs.KB_154069,),
)
def management_exposed(context: RuleContext) -> Answers:
    """Ports 444 or 9000 open from here."""
    asked = [probe for probe in context.of(ServiceProbe) if probe.port in MANAGEMENT]
    if not asked:
        yield NotObserved("asked only with --services")
        return
    for probe in asked:
        if probe.state != "open":
            continue
        owner = next((p for p in context.places if p.address == probe.address), None)
        names = (owner.client_of or owner.replication_of) if owner is not None else ()
        yield Hit(
            subject=Subject("service", names[0] if names else probe.address, probe.address, probe.port),
            summary=f"The {MANAGEMENT[probe.port]} port {probe.port} of {names[0] if names else probe.address} "
            "answers from this desktop.",
            evidence=(probe.id,),
            args={"port": str(probe.port), "address": probe.address},
        )
