"""Where a world is played: which address and port each part of it gets.

On Linux and Windows every address of 127.0.0.0/8 is this machine's own, so each part has an address of its own and
all share one port, as in a real cluster. Where only 127.0.0.1 exists (macOS), the parts have ports of their own.
"""

from __future__ import annotations

import errno
import ipaddress
import random
import socket
import sys
from dataclasses import dataclass

from semscheck.lab.members.listener import listening_socket
from semscheck.lab.world import Ipv6, TlsEnd, World, balancer_labels

# Host numbers within the /24, stated in the documentation of `semscheck lab --bind`.
NAME_SERVER, REPLICATION, BALANCER, CLIENT, OTHER_CLIENTS, STRANGER = 53, 11, 100, 111, 200, 250
_ATTEMPTS = 20


class LabError(Exception):
    """The lab cannot be played here; the text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class MemberPlace:
    """Where a member listens.

    plain: HTTP for a balancer that ends TLS in front, None where none does. services, management: (declared port,
    port here) for further ports; None where it cannot be had, for example 389 without privileges.
    """

    name: str
    replication: Endpoint
    client: Endpoint
    plain: Endpoint | None
    services: tuple[tuple[int, int | None], ...] = ()
    management: tuple[tuple[int, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is. balancers: by label ("balancer", "balancer2"). sources: None where everything shares one
    address, else the addresses from which the balancer and the other clients connect."""

    port: int
    members: tuple[MemberPlace, ...]
    balancers: tuple[tuple[str, Endpoint], ...]
    name_servers: tuple[Endpoint, ...]
    stranger: str
    balancer_source: str
    other_source: str
    ipv6_balancer: bool = False

    def address(self, label: str) -> str:
        """Return the address that a label of `Dns.points_to` means."""
        for known, end in self.balancers:
            if known == label:
                return end.address
        for member in self.members:
            if label == member.name:
                return member.client.address
            if label == f"{member.name}/replication":
                return member.replication.address
        return self.stranger


def find_place(world: World, bind: str | None = None, *, one_address: bool | None = None) -> Place:
    """Return a place that is free now.

    bind: a /24 whose addresses exist on an interface of this machine ("10.99.0.0/24" or "10.99.0."); None: a free
    one under 127.0.0.0/8. one_address: play on 127.0.0.1 alone; None: only where nothing else works.
    Raises LabError where the world cannot be played.
    """
    if one_address or (bind is None and one_address is None and not _has_wide_loopback()):
        return _on_one_address(world)
    if bind is not None:
        prefix = _prefix(bind)
        try:
            return _within(world, prefix)
        except OSError as absent:
            raise LabError(
                f"--bind {bind}: {absent.strerror}; every address from {prefix}{REPLICATION} on that the"
                " lab uses has to exist on an interface of this machine"
            ) from absent
    choice = random.SystemRandom()
    problem: OSError | None = None
    for _ in range(_ATTEMPTS):
        try:
            return _within(world, f"127.{choice.randint(16, 250)}.{choice.randint(1, 250)}.")
        except OSError as taken:
            problem = taken
    raise LabError(f"no free addresses under 127.0.0.0/8: {problem}")


def _has_wide_loopback() -> bool:
    try:
        listening_socket("127.99.99.99", 0).close()
    except OSError:
        return False
    return True


def _prefix(bind: str) -> str:
    text = bind if "/" in bind else f"{bind.rstrip('.')}.0/24"
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as problem:
        raise LabError(f"--bind {bind}: {problem}; expected a /24 such as 10.99.0.0/24") from problem
    if network.prefixlen != 24:
        raise LabError(f"--bind {bind}: expected a /24 such as 10.99.0.0/24")
    return str(network.network_address).rpartition(".")[0] + "."


def _within(world: World, prefix: str) -> Place:
    """Lay the world out in a /24. Raises OSError where an address or port is taken or absent."""
    labels = balancer_labels(world.balancer)
    balancers = [f"{prefix}{BALANCER + number}" for number in range(len(labels))]
    clients = [f"{prefix}{CLIENT + number}" for number in range(len(world.members))]
    replications = [
        client if member.shares_address else f"{prefix}{REPLICATION + number}"
        for number, (member, client) in enumerate(zip(world.members, clients, strict=True))
    ]
    servers = [f"{prefix}{NAME_SERVER + number}" for number in range(1 + len(world.other_dns))]
    every = [*balancers, *clients, *replications]
    if _publishes_ipv6(world):
        every.append("::1")  # what is dead there shall be dead, and what serves there shall find its port
    port = _common_port(443, every)
    replication_port = _common_port(444, replications) if _any_on_444(world) else 444
    plain_port = _common_port(80, clients) if _ends_in_plain(world) else None
    dns_port = _common_port(53, servers, udp=True)
    members = tuple(
        MemberPlace(
            name=member.name,
            replication=Endpoint(
                address, replication_port if member.replication.on_replication_port else port
            ),
            client=Endpoint(client, port),
            plain=None if plain_port is None else Endpoint(client, plain_port),
            services=tuple((s.port, _exactly(client, s.port)) for s in member.services),
            management=tuple(
                (number, _exactly(address, number))
                for number in sorted({*member.replication.management_ports, *member.client.management_ports})
            ),
        )
        for member, address, client in zip(world.members, replications, clients, strict=True)
    )
    return Place(
        port=port,
        members=members,
        balancers=tuple((label, Endpoint(a, port)) for label, a in zip(labels, balancers, strict=True)),
        name_servers=tuple(Endpoint(address, dns_port) for address in servers),
        stranger=f"{prefix}{STRANGER}",
        balancer_source=balancers[0] if balancers else clients[0],
        other_source=f"{prefix}{OTHER_CLIENTS}" if prefix.startswith("127.") else clients[0],
        ipv6_balancer=_can_have_ipv6(world, port),
    )


def _on_one_address(world: World) -> Place:
    """Lay the world out on 127.0.0.1, a port for each part. Raises LabError where that cannot show it."""
    home = "127.0.0.1"
    targets = {label for dns in (world.dns, *world.other_dns) for label in dns.points_to}
    if len(targets) > 1:
        raise LabError(
            f"{world.name}: needs several addresses, and this machine has only {home}; on macOS add them with"
            " 'sudo ifconfig lo0 alias 127.x.y.z'"
        )
    labels = balancer_labels(world.balancer)
    ports = iter(_free_ports(home, len(labels) + 3 * len(world.members) + 1 + len(world.other_dns)))
    plain = _ends_in_plain(world)
    balancers = tuple((label, Endpoint(home, next(ports))) for label in labels)
    members = tuple(
        MemberPlace(
            name=member.name,
            replication=Endpoint(home, next(ports)),
            client=Endpoint(home, next(ports)),
            plain=Endpoint(home, next(ports)) if plain else None,
        )
        for member in world.members
    )
    by_label = dict(balancers)
    for member in members:
        by_label |= {member.name: member.client, f"{member.name}/replication": member.replication}
    target = by_label.get(targets.pop())
    return Place(
        port=target.port if target is not None else next(ports),
        members=members,
        balancers=balancers,
        name_servers=tuple(Endpoint(home, next(ports)) for _ in range(1 + len(world.other_dns))),
        stranger=home,
        balancer_source=home,
        other_source=home,
    )


def _any_on_444(world: World) -> bool:
    return any(member.replication.on_replication_port for member in world.members)


def _ends_in_plain(world: World) -> bool:
    return world.balancer is not None and world.balancer.tls_end is TlsEnd.PLAIN


def _publishes_ipv6(world: World) -> bool:
    """Whether ::1 is published, and is there at all."""
    published = any(dns.ipv6 is not Ipv6.NONE for dns in (world.dns, *world.other_dns))
    return published and _exactly("::1", 0) is not None


def _can_have_ipv6(world: World, port: int) -> bool:
    return (
        any(dns.ipv6 is Ipv6.BALANCER for dns in (world.dns, *world.other_dns))
        and _exactly("::1", port) is not None
    )


def _common_port(wanted: int, addresses: list[str], *, udp: bool = False) -> int:
    """Return the wanted port if it is free on all addresses, else some port that is."""
    problem: OSError | None = None
    for port in (wanted, *(0 for _ in range(_ATTEMPTS))):
        try:
            return _free_everywhere(port, addresses, udp=udp)
        except OSError as taken:
            problem = taken
            if taken.errno == errno.EADDRNOTAVAIL:
                break
    assert problem is not None
    raise problem


def _free_everywhere(port: int, addresses: list[str], *, udp: bool) -> int:
    """Return the port, or the one that the system chose for 0; OSError where one address has it taken."""
    for address in dict.fromkeys(addresses):
        with listening_socket(address, port) as sock:
            port = sock.getsockname()[1]
            if not sys.platform.startswith("win"):
                sock.listen(1)  # with SO_REUSEADDR only listening tells whether somebody else listens
        if udp:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((address, port))
    return port


def _exactly(address: str, port: int) -> int | None:
    """Return this port where it can be had, else None: a service is found under its own number or not at all."""
    try:
        return _free_everywhere(port, [address], udp=False)
    except OSError:
        return None


def _free_ports(address: str, count: int) -> list[int]:
    sockets = [listening_socket(address, 0) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
