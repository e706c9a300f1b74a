"""One cluster member: two interfaces with TLS of their own, one web application, optional services."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from functools import partial

from semscheck.lab.members import http, services
from semscheck.lab.members.listener import Door
from semscheck.lab.members.tls import Contexts, TlsStream
from semscheck.lab.members.website import Sessions, Website
from semscheck.lab.misbehaving import behaviours
from semscheck.lab.place import MemberPlace
from semscheck.lab.truth import Ledger
from semscheck.lab.world import Behaviour, Certificate, Interface, Member, Resumption, Service, Tls, World

HANDSHAKE_S = 15.0


class SessionStores:
    """The members' session stores; members of one group share one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._stores: dict[str, Sessions] = {}

    def of(self, member: Member) -> Sessions:
        """Return the store of this member."""
        group = member.web.session_group
        key = f"group {group}" if group is not None else f"member {member.name}"
        if key not in self._stores:
            randomness = random.Random(f"{self._seed} sessions {key}")
            self._stores[key] = Sessions(randomness, member.web.sessions_limit)
        return self._stores[key]


class _TlsEnd:
    """The context of one interface, made anew as often as its declaration says: with it go the keys of tickets."""

    def __init__(self, make: Callable[[], ssl.SSLContext], declared: Tls) -> None:
        self._make = make
        self._after = 1 if declared.resumption is Resumption.NONE else declared.new_key_after
        self._connections = 0
        self._context = make()

    def context(self) -> ssl.SSLContext:
        """For the next connection."""
        return self._context

    def served(self) -> None:
        """A handshake was completed; health checks that only connect count for nothing."""
        self._connections += 1
        if self._after and self._connections % self._after == 0:
            self._context = self._make()


class RunningMember:
    """A member on its sockets."""

    def __init__(
        self,
        world: World,
        member: Member,
        place: MemberPlace,
        contexts: Contexts,
        ledger: Ledger,
        stores: SessionStores,
    ) -> None:
        self.declared = member
        self.place = place
        self._world = world
        self._contexts = contexts
        self._ledger = ledger
        self._stores = stores
        self._down: Behaviour | None = None
        self._doors: dict[str, Door] = {}
        self._tls: dict[str, _TlsEnd] = {}
        self._website = self._make_website()

    async def start(self) -> None:
        """Open every door."""
        self._website = self._make_website()
        self._make_contexts()
        self._make_doors()
        await self._take_stances()

    async def change(self, world: World, member: Member) -> None:
        """Become this declaration while running: behaviour, certificates, web. TLS sessions survive where the
        TLS end did not change."""
        before, self.declared, self._world = self.declared, member, world
        if before.web != member.web or before.name != member.name:
            self._website = self._make_website()
        if before != member:
            self._make_contexts(before)
            await self._take_stances()

    async def set_down(self, how: Behaviour | None) -> None:
        """Take the whole member down in this way, or up again with None."""
        self._down = how
        await self._take_stances()

    async def close(self) -> None:
        """End everything."""
        for door in self._doors.values():
            await door.close()
        self._doors.clear()

    def _make_website(self) -> Website:
        return Website(
            self.declared.web, self._world.fqdn, self.declared.name, self._stores.of(self.declared)
        )

    def _interface(self, role: str) -> Interface:
        return self.declared.replication if role == "replication" else self.declared.client

    def _certificate(self, role: str) -> Certificate:
        if role == "replication":
            return self._world.replication_certificate(self.declared)
        return self._world.client_certificate(self.declared)

    def _make_contexts(self, before: Member | None = None) -> None:
        for role in ("replication", "client"):
            old = None if before is None else (before.replication if role == "replication" else before.client)
            now = self._interface(role)
            unchanged = old is not None and (old.certificate, old.tls) == (now.certificate, now.tls)
            if not unchanged:
                self._tls[role] = _TlsEnd(partial(self._context, role), now.tls)

    def _context(self, role: str) -> ssl.SSLContext:
        return self._contexts.server(self._certificate(role), self._interface(role).tls)

    def _make_doors(self) -> None:
        for role, end in (("client", self.place.client), ("replication", self.place.replication)):
            if role == "replication" and self.declared.shares_address:
                continue
            self._doors[role] = Door(end.address, end.port, partial(self._serve_tls, role))
            for declared, port in self.place.management:
                if port is not None and declared in self._interface(role).management_ports:
                    self._doors[f"{role} {declared}"] = Door(
                        end.address, port, partial(self._serve_tls, role)
                    )
        if self.place.plain is not None:
            self._doors["plain"] = Door(self.place.plain.address, self.place.plain.port, self._serve_plain)
        services_by_port = {service.port: service for service in self.declared.services}
        for declared, port in self.place.services:
            if port is not None:
                serve = partial(self._serve_other, services_by_port[declared])
                self._doors[f"service {declared}"] = Door(self.place.client.address, port, serve)

    async def _take_stances(self) -> None:
        for name, door in self._doors.items():
            role = name.split()[0]
            behaviour = self._behaviour("replication" if role == "replication" else "client")
            await door.take(behaviours.stance(behaviour))

    def _behaviour(self, role: str) -> Behaviour:
        return self._down if self._down is not None else self._interface(role).behaviour

    async def _serve_other(
        self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        context = self._context("client") if service.tls else None
        await services.serve(service, self.declared, self._world.fqdn, context, reader, writer)

    async def _serve_tls(self, role: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._note(role, writer)
        behaviour = self._behaviour(role)
        if await behaviours.spoils_tls(reader, writer, behaviour, self._interface(role).alert):
            return
        if behaviour is Behaviour.PLAIN_HTTP:
            await self._talk(http.PlainStream(reader, writer), Behaviour.SERVING)
            return
        late = self._interface(role).tls.late_tickets
        end = self._tls[role]
        stream = TlsStream(reader, writer, end.context(), late_tickets=late)
        async with asyncio.timeout(HANDSHAKE_S):
            await stream.handshake()
        end.served()
        await self._talk(stream, behaviour)

    async def _serve_plain(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._note("client", writer)
        behaviour = self._behaviour("client")
        if not await behaviours.spoils_tls(reader, writer, behaviour, self.declared.client.alert):
            await self._talk(http.PlainStream(reader, writer), behaviour)

    async def _talk(self, stream: http.Stream, behaviour: Behaviour) -> None:
        async for request in http.requests(stream):
            if await behaviours.spoils_http(stream, behaviour):
                return
            await stream.write(self._website.answer(request, behaviour, time.time()))
        await stream.say_goodbye()

    def _note(self, role: str, writer: asyncio.StreamWriter) -> None:
        source, here = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        self._ledger.note(self.declared.name, here[0], source[:2], interface=role, via_balancer=False)
