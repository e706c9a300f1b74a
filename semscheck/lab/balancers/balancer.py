"""The balancer on its sockets: virtual addresses in front, a pool behind, passing TLS through or ending it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl

from semscheck.lab.balancers.cookies import CookieJar
from semscheck.lab.balancers.pool import HealthChecks, Pool
from semscheck.lab.balancers.proxy import Proxy
from semscheck.lab.balancers.relay import Relay
from semscheck.lab.members.listener import Door, reset
from semscheck.lab.members.tls import Contexts, client_context
from semscheck.lab.misbehaving import behaviours
from semscheck.lab.place import Endpoint, Place
from semscheck.lab.truth import Ledger, Outcome
from semscheck.lab.world import Balancer, Behaviour, Certificate, Resumption, TlsEnd, World


class RunningBalancer:
    """A balancer that runs; `declare` changes it while it does."""

    def __init__(
        self, world: World, declared: Balancer, place: Place, contexts: Contexts, ledger: Ledger
    ) -> None:
        self._world = world
        self._place = place
        self._contexts = contexts
        self._ledger = ledger
        self._client_context = client_context()
        self._declared = declared
        self.pool = Pool(declared, self._members(), world.seed)
        self._checks = HealthChecks(self.pool, ledger, place.balancer_source, self._client_context)
        self._context: ssl.SSLContext | None = None
        self._make_front()
        self._doors: list[Door] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask the members once, then open the virtual addresses."""
        await self._checks.once(first=True)
        await self._open()
        self._task = asyncio.get_running_loop().create_task(self._checks.forever())

    async def declare(self, world: World, declared: Balancer) -> None:
        """Work by this declaration from now on; clients that were kept are forgotten.

        Nobody is refused meanwhile, and open connections go on, unless TLS ends elsewhere now or the way to fail is
        another one.
        """
        before, self._world, self._declared = self._declared, world, declared
        reopens = (before.behaviour, before.tls_end) != (declared.behaviour, declared.tls_end)
        if reopens:
            await self._shut()
        self.pool.enlist(self._members())
        self.pool.declare(declared)
        await self._checks.once(first=True)
        self._make_front()
        if reopens:
            await self._open()

    async def check_members(self) -> None:
        """Ask the members now; one time-out is enough."""
        await self._checks.once(first=True)

    async def close(self) -> None:
        """End everything."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._shut()

    async def _open(self) -> None:
        stance = behaviours.stance(self._declared.behaviour)
        for end in self._ends():
            door = Door(end.address, end.port, self._serve)
            self._doors.append(door)
            await door.take(stance)

    async def _shut(self) -> None:
        while self._doors:
            await self._doors.pop().close()

    def _ends(self) -> tuple[Endpoint, ...]:
        ends = tuple(end for _, end in self._place.balancers)
        return (*ends, Endpoint("::1", self._place.port)) if self._place.ipv6_balancer else ends

    def _members(self) -> dict[str, Endpoint]:
        """Return where the pool's members take the balancer's connections."""
        chosen = self._declared.pool
        plain = self._declared.tls_end is TlsEnd.PLAIN
        return {
            member.name: member.plain if plain and member.plain is not None else member.client
            for member in self._place.members
            if chosen is None or member.name in chosen
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._loses(reader, writer):
            await self._front.serve(reader, writer)

    async def _loses(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Lose the connection in one of the declared ways, at the declared shares."""
        declared, chance = self._declared, self.pool.chance()
        if chance >= declared.reset_share + declared.close_share + declared.drop_share:
            return False
        source, here = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        self._ledger.note(None, here[0], source[:2], via_balancer=True, outcome=Outcome.LOST)
        if chance < declared.reset_share:
            reset(writer.transport)
        elif chance >= declared.reset_share + declared.close_share:
            await behaviours.hold(reader)
        return True

    def _make_front(self) -> None:
        declared = self._declared
        self._context = None
        if declared.tls_end is TlsEnd.PASSED and declared.behaviour is Behaviour.SERVING:
            self._front: Relay | Proxy = Relay(self.pool, self._ledger, self._place.balancer_source)
            return
        jar = CookieJar(
            declared.cookie_style,
            declared.cookie_name,
            self.pool.members,
            random.Random(f"{self._world.seed} balancer cookies"),
        )
        self._front = Proxy(
            self.pool,
            self._ledger,
            self._place.balancer_source,
            self._world.fqdn,
            jar,
            self._server_context,
            self._client_context,
        )

    def _server_context(self) -> ssl.SSLContext:
        """Return the context for one connection: always the same, unless nothing may be resumed."""
        if self._context is not None:
            return self._context
        certificate = self._declared.certificate or Certificate(self._world.fqdn)
        context = self._contexts.server(certificate, self._declared.tls)
        if self._declared.tls.resumption is not Resumption.NONE:
            self._context = context
        return context
