"""A world on sockets: `Lab` inside an event loop, `LabThread` for synchronous users.

async with Lab(world) as lab:
    ... lab.fqdn, lab.port, lab.resolver, lab.ca_file, lab.profile_toml() ...
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from semscheck.files import temporary_folder
from semscheck.lab.balancers.balancer import RunningBalancer
from semscheck.lab.balancers.crowd import Crowd
from semscheck.lab.dns.nameserver import NameServer, Zone
from semscheck.lab.members import certificates
from semscheck.lab.members.certificates import Forge
from semscheck.lab.members.member import RunningMember, SessionStores
from semscheck.lab.members.tls import Contexts
from semscheck.lab.place import Endpoint, LabError, Place, find_place
from semscheck.lab.truth import Ledger, Outcome, Served
from semscheck.lab.world import Balancer, Behaviour, Ipv6, World

__all__ = ["Lab", "LabError", "LabMember", "LabThread"]

START_S = 20.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabMember:
    """Where a member is: addresses as a profile writes them, with a port only where it is not the target's."""

    name: str
    replication: str
    client: str


class Lab:
    """A running world. `bind`: see `place.find_place`. Raises LabError on entering where it cannot be played."""

    def __init__(self, world: World, bind: str | None = None, *, one_address: bool | None = None) -> None:
        self.world = world
        self._bind = bind
        self._one_address = one_address
        self._ledger = Ledger()
        self._place: Place | None = None
        self._stack = contextlib.AsyncExitStack()
        self._directory: Path | None = None
        self._members: dict[str, RunningMember] = {}
        self._balancer: RunningBalancer | None = None
        self._servers: list[NameServer] = []
        self._crowd: Crowd | None = None

    async def __aenter__(self) -> Self:
        self._place = find_place(self.world, self._bind, one_address=self._one_address)
        try:
            await self._start(self._place)
        except OSError as problem:
            await self._stack.aclose()
            raise LabError(f"{self.world.name}: cannot listen: {problem}") from problem
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # What there is

    @property
    def place(self) -> Place:
        """Where everything is. Raises LabError before the lab was entered."""
        if self._place is None:
            raise LabError("the lab does not run yet")
        return self._place

    @property
    def fqdn(self) -> str:
        """The name that clients use."""
        return self.world.fqdn

    @property
    def port(self) -> int:
        """The target's port."""
        return self.place.port

    @property
    def resolver(self) -> str:
        """The first name server as IP:PORT."""
        return self.resolvers[0]

    @property
    def resolvers(self) -> tuple[str, ...]:
        """Every name server as IP:PORT."""
        return tuple(str(end) for end in self.place.name_servers)

    @property
    def ca_file(self) -> Path:
        """The lab root as PEM, in a private directory that goes with the lab."""
        if self._directory is None:
            raise LabError("the lab does not run yet")
        return self._directory / "ca.pem"

    @property
    def members(self) -> tuple[LabMember, ...]:
        """Where the members are."""
        return tuple(
            LabMember(member.name, self._text(member.replication), self._text(member.client))
            for member in self.place.members
        )

    @property
    def balancer_address(self) -> str | None:
        """The balancer's first address, None where the world has no balancer."""
        return self.balancer_addresses[0] if self.balancer_addresses else None

    @property
    def balancer_addresses(self) -> tuple[str, ...]:
        """The balancer's addresses, IPv6 included where it listens there."""
        found = tuple(end.address for _, end in self.place.balancers)
        return (*found, "::1") if self.place.ipv6_balancer else found

    @property
    def known_balancers(self) -> tuple[str, ...]:
        """The addresses that the profile gives as the balancer's: a dead IPv6 address too, it is meant to serve."""
        if not self.world.profile_balancers:
            return ()
        dead = self.world.dns.ipv6 is Ipv6.DEAD and self.world.balancer is not None
        return (*self.balancer_addresses, "::1") if dead else self.balancer_addresses

    @property
    def truth(self) -> tuple[Served, ...]:
        """Which member answered which connection, in order: for tests, never for a checker."""
        return self._ledger.served()

    def served(self, *, via_balancer: bool = True) -> tuple[str | None, ...]:
        """Return the members that answered our own connections through the balancer (or directly), in order."""
        return tuple(
            entry.member
            for entry in self.truth
            if entry.via_balancer is via_balancer
            and not entry.other_client
            and entry.interface == "client"
            and entry.outcome is Outcome.ANSWERED
        )

    def profile_toml(self, ca_file: str | None = None) -> str:
        """Return the profile for this lab as TOML. ca_file: in place of the lab's own path."""
        addresses = ", ".join(_quoted(address) for address in self.known_balancers)
        lines = [
            "[target]",
            f"fqdn = {_quoted(self.fqdn)}",
            f"port = {self.port}",
            f"failover = {_quoted(self.world.failover)}",
            f"balancers = [{addresses}]",
            f"ca_file = {_quoted(ca_file or str(self.ca_file))}",
        ]
        if self.world.profile_members:
            for member in self.members:
                lines += ["", "[[member]]", f"name = {_quoted(member.name)}"]
                lines += [
                    f"replication = {_quoted(member.replication)}",
                    f"client = {_quoted(member.client)}",
                ]
        lines += ["", "[sampling]", "spread_s = 0"]
        if self.world.profile_services or self.world.profile_require:
            lines += ["", "[services]", f"check = {list(self.world.profile_services)}"]
            lines += [f"require = {list(self.world.profile_require)}"]
        return "\n".join(lines) + "\n"

    # What may change while it runs

    async def set_member(self, name: str, *, up: bool, how: Behaviour = Behaviour.REFUSED) -> None:
        """Take a member down in this way (both interfaces and its services), or up again.

        The balancer finds out by its own health check, as a real one would.
        """
        await self._member(name).set_down(None if up else how)

    async def check_members(self) -> None:
        """Have the balancer ask its members now, in place of waiting for its next health check."""
        if self._balancer is not None:
            await self._balancer.check_members()

    async def change(self, world: World) -> None:
        """Become another world with the same members' names, while running and at the same addresses.

        What differs is changed; what is equal goes on, TLS sessions included. Ports and services stay as they were.
        """
        names = tuple(member.name for member in self.world.members)
        same_shape = (world.balancer is None) == (
            self.world.balancer is None
        ) and world.fqdn == self.world.fqdn
        if tuple(member.name for member in world.members) != names or not same_shape:
            raise LabError("a running lab keeps its name, its members' names and whether there is a balancer")
        before, self.world = self.world, world
        for member in world.members:
            await self._member(member.name).change(world, member)
        views = zip(self._servers, (world.dns, *world.other_dns), strict=True)
        for server, view in views:
            server.zone.declare(world, view)
        if world.balancer is not None and self._balancer is not None and world.balancer != before.balancer:
            await self._balancer.declare(world, world.balancer)
        if self._crowd is not None and world.balancer is not None:
            self._crowd.rate_per_s = world.balancer.others.rate_per_s

    async def change_balancer(self, **fields: Any) -> None:
        """Change fields of the balancer's declaration, for example `method=Method.ROUND_ROBIN`."""
        if self.world.balancer is None:
            raise LabError("this world has no balancer")
        await self.change(replace(self.world, balancer=replace(self.world.balancer, **fields)))

    # How it starts

    async def _start(self, place: Place) -> None:
        self._directory = self._stack.enter_context(temporary_folder("semscheck-lab-"))
        self.ca_file.write_bytes(certificates.root_pem())
        contexts = Contexts(Forge(), self._directory)
        stores = SessionStores(self.world.seed)
        for member, at in zip(self.world.members, place.members, strict=True):
            running = RunningMember(self.world, member, at, contexts, self._ledger, stores)
            self._members[member.name] = running
            await self._begin(running)
        for number, view in enumerate((self.world.dns, *self.world.other_dns)):
            self._servers.append(
                NameServer(Zone(self.world, view, place, number), place.name_servers[number])
            )
            await self._begin(self._servers[-1])
        if self.world.balancer is not None:
            await self._start_balancer(place, self.world.balancer, contexts)

    async def _begin(self, part: RunningMember | NameServer | RunningBalancer) -> None:
        self._stack.push_async_callback(part.close)
        await part.start()

    async def _start_balancer(self, place: Place, declared: Balancer, contexts: Contexts) -> None:
        self._balancer = RunningBalancer(self.world, declared, place, contexts, self._ledger)
        await self._begin(self._balancer)
        if declared.others.rate_per_s > 0:
            end = self.place.balancers[0][1]
            self._crowd = Crowd(end, self.place.other_source, self.fqdn, self.world.seed, self._ledger)
            self._crowd.rate_per_s = declared.others.rate_per_s
            self._stack.push_async_callback(self._crowd.close)
            self._crowd.start()

    def _member(self, name: str) -> RunningMember:
        try:
            return self._members[name]
        except KeyError:
            raise LabError(f"no member is called {name!r}; there are {', '.join(self._members)}") from None

    def _text(self, end: Endpoint) -> str:
        return end.address if end.port == self.port or self._on_444(end) else str(end)

    def _on_444(self, end: Endpoint) -> bool:
        """Whether the port needs no mention: a replication interface is read on 444 too."""
        return end.port == 444 and any(at.replication == end for at in self.place.members)


class LabThread:
    """Runs a `Lab` in a thread with an event loop of its own, for synchronous users."""

    def __init__(self, world: World, bind: str | None = None) -> None:
        self.lab = Lab(world, bind)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="semscheck-lab", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._ready.wait(START_S)
        except BaseException:  # Ctrl-C: the thread's folder goes with it
            self._ready.wait(START_S)
            self.__exit__(None, None, None)
            raise
        if self._problem is not None:
            self._thread.join(START_S)
            raise self._problem
        if self._loop is None:
            raise LabError("the lab did not start in time")
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_S)
        if error is None and self._problem is not None:
            raise self._problem

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run one of the lab's coroutines in its thread, for example `call(thread.lab.set_member("a", up=False))`."""
        if self._loop is None:
            coroutine.close()
            raise LabError("the lab does not run")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(START_S)

    def set_member(self, name: str, *, up: bool, how: Behaviour = Behaviour.REFUSED) -> None:
        """As `Lab.set_member`."""
        self.call(self.lab.set_member(name, up=up, how=how))

    def change(self, world: World) -> None:
        """As `Lab.change`."""
        self.call(self.lab.change(world))

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as problem:  # handed to the thread that waits
            self._problem = problem
        finally:
            self._ready.set()

    async def _main(self) -> None:
        async with self.lab:
            self._stop = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._stop.wait()


def _quoted(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text)
