"""A name server for the lab's zone, over UDP and TCP: it rotates, flips, fails and stays silent as declared.

It answers with authority for its zone and for nothing else. Like BIND's cyclic order, rotation advances with every
query for that name and type, whoever asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from itertools import pairwise
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from semscheck.lab.members.listener import Door, Stance
from semscheck.lab.place import Endpoint, Place
from semscheck.lab.world import Answer, Dns, Ipv6, Order, World

UDP_LIMIT = 512  # without EDNS (RFC 1035 section 4.2.1)
EDNS_LIMIT = 1232  # the usual size since the DNS flag day of 2020
IDLE_S = 10.0
MAX_PENDING = 512
_SOA_NUMBERS = "2025050601 7200 900 1209600 60"


class Zone:
    """The lab's zone as one name server sees it. Holds how far each rotation has come."""

    def __init__(self, world: World, dns_: Dns, place: Place, number: int) -> None:
        self.declared = dns_
        self._world = world
        self._place = place
        self._number = number
        self._random = random.Random(f"{world.seed} name server {number}")
        self._turns: dict[dns.rdatatype.RdataType, int] = {}
        self._origin = dns.name.from_text(world.zone)
        self._fqdn = dns.name.from_text(world.fqdn)
        self._records = self._make_records()

    def declare(self, world: World, dns_: Dns) -> None:
        """Answer by this declaration from now on."""
        self.declared, self._world = dns_, world
        self._records = self._make_records()

    def loses(self) -> bool:
        """Whether this query over UDP is one of those that get no answer."""
        return self.declared.lost_share > 0 and self._random.random() < self.declared.lost_share

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        """Return the answer, or None where the server stays silent."""
        answer = dns.message.make_response(query, recursion_available=True)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            answer.set_rcode(dns.rcode.NOTIMP if query.question else dns.rcode.FORMERR)
            return answer
        question = query.question[0]
        if question.rdclass != dns.rdataclass.IN or not question.name.is_subdomain(self._origin):
            answer.set_rcode(dns.rcode.REFUSED)
            return answer
        answer.flags |= dns.flags.AA
        if question.name == self._fqdn:
            failure = self.declared.answer
            if failure is Answer.SILENT:
                return None
            if failure in (Answer.SERVFAIL, Answer.REFUSED):
                answer.flags &= ~dns.flags.AA
                answer.set_rcode(dns.rcode.SERVFAIL if failure is Answer.SERVFAIL else dns.rcode.REFUSED)
                return answer
        self._fill(answer, question.name, question.rdtype)
        return answer

    def _fill(self, answer: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        """Follow aliases and add the records of this name, or say that there are none (RFC 2308)."""
        for _ in range(len(self.declared.aliases) + 1):
            alias = self._records.get((name, dns.rdatatype.CNAME))
            if alias is None:
                break
            answer.answer.append(self._rrset(name, dns.rdatatype.CNAME, alias))
            if kind == dns.rdatatype.CNAME:
                return
            name = dns.name.from_text(alias[0])
            if not name.is_subdomain(self._origin):
                return
        values = self._records.get((name, kind))
        if values:
            chosen = self._order(kind, values) if name == self._end_of_chain() else values
            answer.answer.append(self._rrset(name, kind, chosen))
            return
        answer.authority.append(self._rrset(self._origin, dns.rdatatype.SOA, (self._soa(),)))
        if not any(known == name for known, _ in self._records):
            answer.set_rcode(dns.rcode.NXDOMAIN)

    def _order(self, kind: dns.rdatatype.RdataType, values: tuple[str, ...]) -> tuple[str, ...]:
        turn = self._turns.get(kind, 0)
        self._turns[kind] = turn + 1
        match self.declared.order:
            case Order.CYCLIC:
                shift = turn % len(values)
                ordered = values[shift:] + values[:shift]
            case Order.RANDOM:
                ordered = tuple(self._random.sample(values, len(values)))
            case Order.FIXED:
                ordered = values
        return ordered[: self.declared.at_a_time]

    def _end_of_chain(self) -> dns.name.Name:
        return dns.name.from_text(self.declared.aliases[-1]) if self.declared.aliases else self._fqdn

    def _rrset(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, values: tuple[str, ...]
    ) -> dns.rrset.RRset:
        built = dns.rrset.RRset(name, dns.rdataclass.IN, kind)
        built.update_ttl(self.declared.ttl_s)
        for text in values:
            built.add(dns.rdata.from_text(dns.rdataclass.IN, kind, text), self.declared.ttl_s)
        return built

    def _soa(self) -> str:
        return f"ns1.{self._world.zone}. hostmaster.{self._world.zone}. {_SOA_NUMBERS}"

    def _make_records(self) -> dict[tuple[dns.name.Name, dns.rdatatype.RdataType], tuple[str, ...]]:
        a, aaaa, cname = dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.CNAME
        declared, records = self.declared, {}
        servers = self._place.name_servers
        names = tuple(f"ns{number}.{self._world.zone}" for number in range(1, len(servers) + 1))
        records[self._origin, dns.rdatatype.NS] = tuple(f"{name}." for name in names)
        records[self._origin, dns.rdatatype.SOA] = (self._soa(),)
        for name, end in zip(names, servers, strict=True):
            records[dns.name.from_text(name), a] = (end.address,)
        if declared.member_names:
            for member in self._place.members:
                strange = member.name in declared.swapped_member_names
                end = member.client if declared.names_of_clients else member.replication
                address = self._place.stranger if strange else end.address
                records[dns.name.from_text(member.name), a] = (address,)
        if declared.answer is Answer.NXDOMAIN:
            return records
        chain = (self._world.fqdn, *declared.aliases)
        for name, target in pairwise(chain):
            records[dns.name.from_text(name), cname] = (f"{target}.",)
        end_of_chain = dns.name.from_text(chain[-1])
        if declared.answer is Answer.NO_DATA:
            records[end_of_chain, dns.rdatatype.TXT] = ('"no address here"',)
        elif not declared.dangling:
            records[end_of_chain, a] = tuple(
                dict.fromkeys(self._place.address(label) for label in declared.points_to)
            )
            if declared.ipv6 is not Ipv6.NONE:
                records[end_of_chain, aaaa] = ("::1",)
        return records


class NameServer:
    """A zone on one address, UDP and TCP."""

    def __init__(self, zone: Zone, end: Endpoint) -> None:
        self.zone = zone
        self.end = end
        self._tcp = Door(end.address, end.port, self._serve_tcp)
        self._udp: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Listen."""
        await self._tcp.take(Stance.OPEN)
        protocol = _Datagrams(self.zone)
        address = (self.end.address, self.end.port)
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=address)

    async def close(self) -> None:
        """End everything."""
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        await self._tcp.close()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE_S):
                size = int.from_bytes(await reader.readexactly(2), "big")
                query = _parse(await reader.readexactly(size))
            if query is None:
                return
            answer = self.zone.answer(query)
            if answer is None:
                await asyncio.sleep(IDLE_S)
                return
            await asyncio.sleep(self.zone.declared.delay_s)
            wire = answer.to_wire(max_size=65535, want_shuffle=False)
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()


class _Datagrams(asyncio.DatagramProtocol):
    """Queries over UDP."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None
        self._pending: set[asyncio.TimerHandle] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own datagram transport does not derive from the class that says so.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        for handle in self._pending:
            handle.cancel()
        self._pending.clear()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = _parse(data)
        if query is None or len(self._pending) >= MAX_PENDING or self._zone.loses():
            return
        if self._zone.declared.truncated:
            answer: dns.message.Message | None = dns.message.make_response(query, recursion_available=True)
            if answer is not None:
                answer.flags |= dns.flags.TC
        else:
            answer = self._zone.answer(query)
        if answer is None:
            return
        wire = _fit(answer, query)
        if self._zone.declared.delay_s > 0:
            self._later(lambda: self._send(wire, addr))
        else:
            self._send(wire, addr)

    def _send(self, wire: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(wire, addr)

    def _later(self, send: Callable[[], None]) -> None:
        handle: asyncio.TimerHandle

        def run() -> None:
            self._pending.discard(handle)
            send()

        handle = asyncio.get_running_loop().call_later(self._zone.declared.delay_s, run)
        self._pending.add(handle)


def _parse(data: bytes) -> dns.message.Message | None:
    """Return the query, or None where it is none: it gets no answer."""
    with contextlib.suppress(dns.exception.DNSException, ValueError):
        query = dns.message.from_wire(data)
        if not query.flags & dns.flags.QR:
            return query
    return None


def _fit(answer: dns.message.Message, query: dns.message.Message) -> bytes:
    """Return the answer for UDP, with TC and no records where it is too long."""
    # Without want_shuffle=False dnspython would shuffle the records itself.
    limit = min(max(query.payload, UDP_LIMIT), EDNS_LIMIT) if query.edns >= 0 else UDP_LIMIT
    try:
        return answer.to_wire(max_size=limit, want_shuffle=False)
    except dns.exception.TooBig:
        short = dns.message.make_response(query, recursion_available=True)
        short.flags |= dns.flags.TC | (answer.flags & dns.flags.AA)
        return short.to_wire()
