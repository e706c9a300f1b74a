"""What each address is for, and how far a client gets there: the map that rules and pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from semscheck.model.analysis import DnsAnalysis, EndpointStatus, InterfaceAnalysis, Reach
from semscheck.model.failure import Failure
from semscheck.model.observations import Connection, Exchange, Handshake
from semscheck.model.report import Snapshot
from semscheck.model.target import REPLICATION_PORT, Target


@dataclass(slots=True)
class _Seen:
    connections: list[Connection] = field(default_factory=list)
    handshakes: list[Handshake] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


def places(snapshot: Snapshot, dns: DnsAnalysis) -> tuple[EndpointStatus, ...]:
    """Every address and port that the run is about: FQDN addresses, balancers, members' interfaces.

    An address that serves two ends (the FQDN leads straight to a member) is one place with both roles, unless
    the names sent there differ: one address as both interfaces of a member is two places.
    """
    target = snapshot.target
    seen = _by_errand(snapshot)
    found: list[EndpointStatus] = []
    for address, port, host, roles in _errands(target, dns):
        key = (address, port, host)
        found.append(_place(address, port, host, roles, seen.get(key, _Seen())))
    return tuple(found)


Roles = dict[str, object]


def _client_ends(target: Target) -> dict[tuple[str, int], list[str]]:
    """The members' client interfaces by address and port, each with whose it is."""
    found: dict[tuple[str, int], list[str]] = {}
    for member in target.members:
        for end in member.client:
            found.setdefault((end.address, end.port or target.port), []).append(member.name)
    return found


def _errands(target: Target, dns: DnsAnalysis) -> list[tuple[str, int, str, Roles]]:
    """(address, port, name sent, roles) of every place, FQDN addresses first, each once."""
    client = _client_ends(target)
    by_address = {address: names for (address, _), names in client.items()}
    leads_to = fqdn_addresses(target, dns)
    order: dict[tuple[str, int], Roles] = {}
    for address in leads_to:
        names = client.get((address, target.port), by_address.get(address, []))
        order[address, target.port] = {
            "fqdn": True,
            "balancer": not names,
            "client_of": tuple(names),
        }
    for address in target.balancers:
        order.setdefault((address, target.port), {"balancer": True})
        order[address, target.port]["balancer"] = True
    for (address, port), names in client.items():
        order.setdefault((address, port), {})["client_of"] = tuple(names)
    found = [(address, port, target.fqdn, roles) for (address, port), roles in order.items()]
    for member in target.members:
        for endpoint in member.replication:
            port = endpoint.port or target.port
            roles: Roles = {"replication_of": (member.name,)}
            shared = next((each for each in found if each[:2] == (endpoint.address, port)), None)
            if shared is not None and not shared[3].get("client_of"):
                # The FQDN (or a balancer's address) is this member's Interface 1: one place, both roles.
                shared[3]["replication_of"] = (member.name,)
                shared[3]["balancer"] = endpoint.address in target.balancers
            found.append((endpoint.address, port, member.name, roles))
    return found


def fqdn_addresses(target: Target, dns: DnsAnalysis) -> tuple[str, ...]:
    """Where clients that use the FQDN end up: its addresses, or itself if it is one."""
    return (target.fqdn,) if target.fqdn_is_address else dns.addresses


def _by_errand(snapshot: Snapshot) -> dict[tuple[str, int, str], _Seen]:
    """Observations by address, port and the name that was sent there.

    A connection carries no name; it belongs to every errand at its address and port. Interface 1 looked at on
    444 in place of the target's port is filed under the target's port, with what was seen on 444.
    """
    target = snapshot.target
    found: dict[tuple[str, int, str], _Seen] = {}
    hosts: dict[tuple[str, int], set[str]] = {}
    fallback = {
        (endpoint.address, REPLICATION_PORT, member.name): (endpoint.address, target.port, member.name)
        for member in target.members
        for endpoint in member.replication
        if endpoint.port is None and target.port != REPLICATION_PORT
    }
    for seen in snapshot.observations:
        if isinstance(seen, Handshake):
            host = seen.sni or _unnamed(target, seen.address)
            key = fallback.get((seen.address, seen.port, host), (seen.address, seen.port, host))
            found.setdefault(key, _Seen()).handshakes.append(seen)
            hosts.setdefault((seen.address, seen.port), set()).add(host)
        elif isinstance(seen, Exchange):
            found.setdefault((seen.address, seen.port, seen.host), _Seen()).exchanges.append(seen)
    for seen in snapshot.observations:
        if isinstance(seen, Connection):
            wanted = hosts.get((seen.address, seen.port)) or {target.fqdn, *(m.name for m in target.members)}
            for host in wanted:
                key = fallback.get((seen.address, seen.port, host), (seen.address, seen.port, host))
                found.setdefault(key, _Seen()).connections.append(seen)
    return found


def _unnamed(target: Target, address: str) -> str:
    return target.fqdn


def _place(address: str, port: int, host: str, roles: Roles, seen: _Seen) -> EndpointStatus:
    reach, failure = _reach(seen)
    named = [shake for shake in seen.handshakes if shake.offered is None]
    good = [shake for shake in named if shake.failure is None]
    chain = next((shake.chain for shake in (*good, *named) if shake.chain), ())
    versions = [shake.version for shake in good if shake.version is not None]
    statuses = [exchange.status for exchange in seen.exchanges if exchange.status is not None]
    return EndpointStatus(
        address=address,
        port=port,
        fqdn=bool(roles.get("fqdn")),
        balancer=bool(roles.get("balancer")),
        client_of=_names(roles, "client_of"),
        replication_of=_names(roles, "replication_of"),
        sni=host,
        reach=reach,
        failure_phase=failure.phase.value if failure is not None else None,
        failure_cause=failure.cause.value if failure is not None else None,
        certificate=chain[0] if chain else None,
        version=max(versions, default=None),
        connect_s=_median_s(seen.connections),
        handshake_s=_median_s(good),
        status=statuses[-1] if statuses else None,
        evidence=tuple(o.id for o in (*seen.connections, *seen.handshakes, *seen.exchanges)),
    )


def _names(roles: Roles, role: str) -> tuple[str, ...]:
    value = roles.get(role, ())
    return value if isinstance(value, tuple) else ()


def _median_s(made: Sequence[Connection] | Sequence[Handshake]) -> float | None:
    """Of those that did not fail; None where there is none."""
    times = [one.elapsed_s for one in made if one.failure is None and one.elapsed_s is not None]
    return median(times) if times else None


def _first_failure(tried: Sequence[Connection] | Sequence[Handshake]) -> Failure | None:
    return next((one.failure for one in tried if one.failure is not None), None)


def _reach(seen: _Seen) -> tuple[Reach, Failure | None]:
    """How far a client got at best, and what stopped it there."""
    if not seen.connections and not seen.handshakes:
        return Reach.NOT_TRIED, None
    if not any(connection.failure is None for connection in seen.connections):
        return Reach.NO_CONNECTION, _first_failure(seen.connections)
    named = [shake for shake in seen.handshakes if shake.offered is None]
    if not any(shake.failure is None for shake in named):
        return (Reach.NO_TLS, _first_failure(named)) if named else (Reach.NOT_TRIED, None)
    if seen.exchanges and all(exchange.failure is not None for exchange in seen.exchanges):
        return Reach.NO_HTTP, seen.exchanges[0].failure
    return Reach.SERVES, None


def interfaces(target: Target, found: Sequence[EndpointStatus]) -> tuple[InterfaceAnalysis, ...]:
    """Every member's interfaces, in the profile's order: Interface 1, then Interface 2."""
    by_role: list[InterfaceAnalysis] = []
    for member in target.members:
        for interface, endpoints in (("replication", member.replication), ("client", member.client)):
            for endpoint in endpoints:
                port = endpoint.port or target.port
                by_role.append(_interface(member.name, interface, endpoint.address, port, found))
    return tuple(by_role)


def _interface(
    name: str, interface: str, address: str, port: int, found: Sequence[EndpointStatus]
) -> InterfaceAnalysis:
    place = next(
        (
            place
            for place in found
            if (place.address, place.port) == (address, port)
            and name in (place.replication_of if interface == "replication" else place.client_of)
            and (interface == "client" or place.sni == name)
        ),
        None,
    )
    if place is None:
        return InterfaceAnalysis(name=name, interface=interface, address=address, port=port)
    return InterfaceAnalysis(
        name=name,
        interface=interface,
        address=address,
        port=port,
        reach=place.reach,
        failure=place.failure_cause,
        fingerprint=place.certificate,
        protocol=place.version,
        connect_s=place.connect_s,
        handshake_s=place.handshake_s,
    )
