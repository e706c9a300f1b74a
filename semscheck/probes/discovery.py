"""Servers behind the name that nobody told of: names that the evidence gives are looked up, and what answers as a
server of this cluster is looked at like a member.

Only names within the name's own domain are asked for, so that no certificate of a stranger can point a desktop at
other hosts. What is found is marked so (`Member.found`) and decides no verdict.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from semscheck.model.names import covers
from semscheck.model.observations import Certificate, Exchange, Handshake, ServiceProbe
from semscheck.model.target import Endpoint, Member, Target
from semscheck.net.dns_message import make_query, read
from semscheck.probes.endpoint import Destination, ProbeContext
from semscheck.probes.nameservers import Place

MOST_QUESTIONS = 12
MOST_MEMBERS = 6  # the vendor supports at most six (Broadcom KB 153476)
ANSWER_S = 0.25  # an answer that takes longer is not waited for
USUAL = "sems"  # the vendor's own example names its members sems1, sems2, sems3 (Broadcom KB 156803)
STRANGER = "semscheck-no-such-name"  # where it resolves, every name of the domain does
_NUMBER = re.compile(r"(.*?)(\d{1,2})")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)+")


def own_domain(target: Target) -> str | None:
    """The name without its first label, where that leaves two labels or more and is no public suffix; else None."""
    domain = target.fqdn.partition(".")[2]
    if target.fqdn_is_address or domain.count(".") < 1:
        return None
    from publicsuffixlist import PublicSuffixList

    suffixes = PublicSuffixList(accept_unknown=False)
    return None if suffixes.is_public(domain) else domain


def within(name: str, domain: str) -> bool:
    """Is it a host's name at or below the domain?"""
    return bool(_HOST.fullmatch(name)) and (name == domain or name.endswith(f".{domain}"))


@dataclass(slots=True)
class Discovery:
    """One run's search. look: at one place; resolver: that answered for the name; addresses: of the name."""

    probe: ProbeContext
    look: Callable[[Destination], Awaitable[object]]
    target: Target
    resolver: Place
    addresses: tuple[str, ...]
    asked: int = 0

    async def members(self) -> tuple[Member, ...]:
        """Servers that answer under names of the domain as a server of this cluster does; usually two round trips."""
        domain = own_domain(self.target)
        if domain is None:
            return ()
        label = self.target.fqdn.partition(".")[0]
        reverse = await self._reverse_names()
        evident = [
            name for name in (*evident_names(self.probe, self.target), *reverse) if within(name, domain)
        ]
        first = dict.fromkeys((*evident, f"{USUAL}1.{domain}", f"{label}1.{domain}"))
        stranger = f"{STRANGER}.{domain}"
        found = await self._look_up((stranger, *(name for name in first if name != self.target.fqdn)))
        near = [name for name in neighbours(found) if name not in found and name not in first]
        found |= await self._look_up(near)
        anybodys = set(found.pop(stranger, ()))
        belonging = await self._that_belong(found, anybodys | set(self.addresses))
        return (*belonging, *self._behind_the_name(found, belonging, anybodys))

    def _behind_the_name(
        self, found: dict[str, tuple[str, ...]], belonging: tuple[Member, ...], anybodys: set[str]
    ) -> tuple[Member, ...]:
        """Servers to whose own addresses the name leads: one of a numbered row, another one of which is known."""
        own = {name: addresses[0] for name, addresses in found.items() if addresses[0] in self.addresses}
        rows = Counter(_row(name) for name in (*own, *(member.name for member in belonging if member.client)))
        numbered = (name for name, address in own.items() if _row(name) and address not in anybodys)
        return tuple(
            Member(name, client=(Endpoint(own[name]),), found=True)
            for name in numbered
            if rows[_row(name)] > 1
        )

    async def _reverse_names(self) -> tuple[str, ...]:
        names = [f"{ip_address(address).reverse_pointer}" for address in self.addresses[:2]]
        answers = await self._ask(names, "PTR")
        return tuple(record.rstrip(".").lower() for records in answers.values() for record in records)

    async def _look_up(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Names that resolve to an address that a server can have."""
        kind = "A" if 4 in self.target.families else "AAAA"
        answers = await self._ask(names, kind)
        kept = {name: tuple(filter(self._may_be_asked, records)) for name, records in answers.items()}
        return {name: records for name, records in kept.items() if records}

    def _may_be_asked(self, address: str) -> bool:
        try:
            known = ip_address(address)
        except ValueError:
            return False
        loopback = any(ip_address(one).is_loopback for one in self.addresses)
        return _can_serve(known) and known.is_loopback == loopback

    async def _ask(self, names: Sequence[str], kind: str) -> dict[str, tuple[str, ...]]:
        """Records by name, all asked at once, as far as the questions reach."""
        chosen = list(dict.fromkeys(names))[: max(0, MOST_QUESTIONS - self.asked)]
        self.asked += len(chosen)
        answers = await asyncio.gather(*(self._one(name, kind) for name in chosen))
        return dict(zip(chosen, answers, strict=True))

    async def _one(self, name: str, kind: str) -> tuple[str, ...]:
        try:
            query = make_query(name, kind, recurse=True)
            async with asyncio.timeout(ANSWER_S):
                resolver = self.probe.backend.resolver
                answer = await resolver.ask(query, self.resolver.address, self.resolver.port, tcp=False)
            return read(answer, name, kind).records
        except (OSError, ValueError):
            return ()

    async def _that_belong(self, found: dict[str, tuple[str, ...]], taken: set[str]) -> tuple[Member, ...]:
        """Each name's first address that is nobody's yet, if what answers there belongs to this cluster."""
        chosen: dict[str, str] = {}
        for name, addresses in found.items():
            own = next((address for address in addresses if address not in taken), None)
            if own is not None and len(chosen) < MOST_MEMBERS:
                chosen[name] = own
                taken.add(own)
        seen = await asyncio.gather(*(self._looked_at(name, address) for name, address in chosen.items()))
        return tuple(member for member in seen if member is not None)

    async def _looked_at(self, name: str, address: str) -> Member | None:
        """A member by its certificate: that of the name is Interface 2's, one of its own name is Interface 1's."""
        await self.look(Destination(address, self.target.port, self.target.fqdn))
        leaf = self._leaf(address)
        if leaf is None:
            return None
        end = (Endpoint(address),)
        clients = {shown.fingerprint for one in self.addresses if (shown := self._leaf(one)) is not None}
        if leaf.fingerprint in clients or self.target.fqdn in presented_names(leaf):
            return Member(name, client=end, found=True)
        if any(covers(presented, name) for presented in presented_names(leaf) if "*" not in presented):
            await self.look(Destination(address, self.target.port, name, web=False))
            return Member(name, replication=end, found=True)
        return None

    def _leaf(self, address: str) -> Certificate | None:
        seen = self.probe.record.observations
        leaf = next(
            (s.chain[0] for s in seen if isinstance(s, Handshake) and s.address == address and s.chain), None
        )
        return next((c for c in seen if isinstance(c, Certificate) and c.fingerprint == leaf), None)


def _can_serve(address: IPv4Address | IPv6Address) -> bool:
    return not (
        address.is_unspecified or address.is_multicast or address.is_link_local or address.is_reserved
    )


def presented_names(certificate: Certificate) -> tuple[str, ...]:
    """The names in a certificate, in lower case."""
    return tuple(name.lower() for name in (*(certificate.dns_names or ()), *certificate.common_names))


def evident_names(probe: ProbeContext, target: Target) -> tuple[str, ...]:
    """Names that certificates, redirections and greetings of this run gave, the FQDN's own left out."""
    found: dict[str, None] = {}
    for seen in probe.record.observations:
        match seen:
            case Certificate():
                found |= dict.fromkeys(presented_names(seen))
            case Exchange():
                found |= dict.fromkeys(_redirected_to(seen))
            case ServiceProbe():
                found |= dict.fromkeys(_HOST.findall(str(getattr(seen, "banner", "") or "").lower()))
    return tuple(name for name in found if name != target.fqdn and "*" not in name)[:64]


def _redirected_to(seen: Exchange) -> Iterable[str]:
    for name, value in seen.headers:
        if name.lower() == "location":
            try:
                host = urlsplit(value[:2048]).hostname
            except ValueError:
                continue
            if host:
                yield host


def _row(name: str) -> str | None:
    """ "sems.example.com" for sems1 and sems2 there; None for a name without a number."""
    label, _, domain = name.partition(".")
    numbered = _NUMBER.fullmatch(label)
    return f"{numbered[1]}.{domain}" if numbered is not None else None


def neighbours(names: Iterable[str]) -> tuple[str, ...]:
    """sems1.example.com: sems2 to sems6 in the same domain."""
    found: dict[str, None] = {}
    for name in names:
        label, _, domain = name.partition(".")
        numbered = _NUMBER.fullmatch(label)
        if numbered is not None:
            found |= dict.fromkeys(f"{numbered[1]}{at}.{domain}" for at in range(1, MOST_MEMBERS + 1))
    return tuple(found)
