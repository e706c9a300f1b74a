"""Other ports of the servers, asked only when wanted: does it accept, what does it say first, which version is it.

Never a login and never a port that is not on the list. A greeting is read and not answered; the directory is asked
one anonymous question, for the entry that tells the software's version.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from semscheck.ber import Part, whole_parts
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import DnsAnswer, ServiceProbe, SystemResolution
from semscheck.model.target import Target
from semscheck.net.backend import Stream
from semscheck.net.concurrency import gather_or_cancel
from semscheck.net.connection_limit import OPEN_TO_ONE_ADDRESS, Dialled, dial
from semscheck.net.errors import failure_from
from semscheck.net.tls import Tls
from semscheck.probes.endpoint import Destination, ProbeContext

State = Literal["open", "closed", "filtered"]

BANNER_BYTES = 512
BANNER_WAIT_S = 1.5
ANSWER_BYTES = 64 * 1024
AT_ONCE = 24
AT_ONE_ADDRESS = OPEN_TO_ONE_ADDRESS // 2  # filtered ports hold their places for a time-out; the rest goes on

# What listens where: Broadcom KB 154069 (444), nmap-service-probes (25, 110, 143, 9000), KB 180146 (389, 636).
NAMES = {
    389: "LDAP",
    636: "LDAPS",
    80: "HTTP",
    25: "SMTP",
    465: "SMTPS",
    587: "submission",
    143: "IMAP",
    993: "IMAPS",
    110: "POP3",
    995: "POP3S",
    444: "replication",
    9000: "administration",
}
CLIENT_PORTS = (389, 636, 80, 25, 465, 587, 143, 993, 110, 995)
MANAGEMENT_PORTS = (444, 9000)
_GREETS = frozenset({25, 587, 143, 110})
_GREETS_OVER_TLS = frozenset({465, 993, 995})
_DIRECTORY = frozenset({389, 636})
_OVER_TLS = _GREETS_OVER_TLS | {636}

# An anonymous search of base cn=pgpServerInfo for pgpSoftware and pgpVersion (RFC 4511 section 4.5), as the public
# detection script gb_symantec_encryption_server_ldap_version.nasl sends it.
SERVER_INFO = bytes.fromhex(
    "304e02010263490410636e3d706770536572766572496e666f0a01020a0100020100020100010100870b6f626a656374"
    "636c6173733019040b706770536f667477617265040a70677056657273696f6e"
)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a service told: see ServiceProbe for the fields."""

    banner: str | None = None
    software: str | None = None
    version: str | None = None
    failure: Failure | None = None


async def ask_services(probe: ProbeContext, target: Target) -> None:
    """Ask every wanted port of every place that serves clients, and the management ports of the members."""
    room = asyncio.Semaphore(AT_ONCE)
    here: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONE_ADDRESS))

    async def one(destination: Destination) -> None:
        async with here[destination.address], room:
            await _ask(probe, destination)

    await gather_or_cancel(one(destination) for destination in wanted(probe, target))


def wanted(probe: ProbeContext, target: Target) -> tuple[Destination, ...]:
    """Every address and port that is asked, each once."""
    chosen = dict.fromkeys((*target.services.check, *target.services.require))
    if target.ask_services:
        chosen |= dict.fromkeys(CLIENT_PORTS)
    found: dict[tuple[str, int], Destination] = {}
    for address in _client_addresses(probe, target):
        for port in chosen:
            found[address, port] = Destination(address, port, target.fqdn)
    for address, host in _member_addresses(target) if target.ask_services else ():
        for port in MANAGEMENT_PORTS:
            found.setdefault((address, port), Destination(address, port, host))
    served = {(e.address, e.port or target.port) for m in target.members for e in (*m.client, *m.replication)}
    return tuple(destination for key, destination in found.items() if key not in served or key[1] in chosen)


def _client_addresses(probe: ProbeContext, target: Target) -> tuple[str, ...]:
    """Members' client interfaces and the profile's balancers; without either, what the FQDN leads to so far."""
    known = [e.address for member in target.members for e in member.client]
    known += target.balancers
    if not known:
        for seen in probe.record.observations:
            if isinstance(seen, DnsAnswer) and seen.purpose == "fqdn" and seen.record_type in ("A", "AAAA"):
                known += seen.records
            elif isinstance(seen, SystemResolution) and seen.purpose == "fqdn":
                known += seen.addresses
    return tuple(dict.fromkeys(known))[:16]


def _member_addresses(target: Target) -> Iterator[tuple[str, str]]:
    for member in target.members:
        for end in member.client:
            yield end.address, target.fqdn
        for end in member.replication:
            yield end.address, member.name


async def _ask(probe: ProbeContext, destination: Destination) -> None:
    dialled = await dial(probe, destination.address, destination.port)
    if dialled.stream is None:
        refused = dialled.failure is not None and dialled.failure.cause in (Cause.REFUSED, Cause.RESET)
        state: State = "closed" if refused else "filtered"
        _record(probe, destination, dialled, state, _Said(failure=dialled.failure))
        return
    try:
        said = await _listen(probe, destination, dialled.stream)
    finally:
        dialled.stream.close()
    _record(probe, destination, dialled, "open", said)


def _record(
    probe: ProbeContext, destination: Destination, dialled: Dialled, state: State, said: _Said
) -> None:
    probe.record.add(
        ServiceProbe,
        dialled.began_s,
        address=destination.address,
        port=destination.port,
        service=NAMES.get(destination.port, f"port {destination.port}"),
        state=state,
        banner=said.banner,
        software=said.software,
        version=said.version,
        failure=said.failure,
    )


async def _listen(probe: ProbeContext, destination: Destination, stream: Stream) -> _Said:
    """The greeting or the directory's answer, where the port is one that has either."""
    port = destination.port
    if port not in _GREETS | _GREETS_OVER_TLS | _DIRECTORY:
        return _Said()
    wire: Stream | Tls = stream
    try:
        if port in _OVER_TLS:
            tls = Tls(stream, probe.contexts.get("legacy"), destination.server_name)
            async with asyncio.timeout(probe.timeout_s):
                await tls.handshake()
            wire = tls
        if port in _DIRECTORY:
            async with asyncio.timeout(probe.timeout_s):
                return await _server_info(wire)
        async with asyncio.timeout(min(BANNER_WAIT_S, probe.timeout_s)):
            data = await _receive(wire)
        return _Said(banner=data[:BANNER_BYTES].decode("latin-1") if data else None)
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        return _Said(failure=replace(failure_from(Phase.SERVICE, error), phase=Phase.SERVICE))


async def _receive(wire: Stream | Tls) -> bytes:
    return await (wire.read(BANNER_BYTES) if isinstance(wire, Tls) else wire.receive())


async def _server_info(wire: Stream | Tls) -> _Said:
    """Ask for cn=pgpServerInfo and read until the result is done, the stream ends, or it is enough."""
    await (wire.write(SERVER_INFO) if isinstance(wire, Tls) else wire.send(SERVER_INFO))
    answer, received = SearchAnswer(), 0
    while received < ANSWER_BYTES:
        part = await _receive(wire)
        received += len(part)
        if answer.feed(part) or not part:
            told = answer.attributes
            software = told.get("pgpsoftware") or told.get("software")
            version = told.get("pgpversion") or told.get("version")
            return _Said(software=software, version=version)
    return _Said(failure=Failure(Phase.SERVICE, Cause.TOO_LARGE, "the directory's answer is over 64 KiB"))


# --- the answer to an LDAP search ---------------------------------------------------------------------------

_ENTRY, _DONE = 0x64, 0x65  # SearchResultEntry, SearchResultDone (RFC 4511 section 4.5.2)
MAX_VALUE = 200
MAX_ATTRIBUTES = 64


class SearchAnswer:
    """The answer to an LDAP search, as it comes in parts of any size.

    attributes: the first value of each attribute of the entries so far, names in lower case. Whatever the bytes
    are, this does not raise; what is not LDAP has no attributes. Each byte is looked at a fixed number of times.
    """

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}
        self._rest = bytearray()

    def feed(self, part: bytes) -> bool:
        """Take in what came; True if the result is done (SearchResultDone)."""
        self._rest += part
        used = 0
        for message in whole_parts(bytes(self._rest)):
            used += len(message.whole)
            if self._read(message.content):
                return True
        del self._rest[:used]
        return False

    def _read(self, message: bytes) -> bool:
        parts = _contents(message, 2)
        if len(parts) < 2:
            return False
        operation = parts[1]
        if operation.tag == _ENTRY:
            self._read_entry(operation.content)
        return operation.tag == _DONE

    def _read_entry(self, body: bytes) -> None:
        entry = _contents(body, 2)
        for attribute in whole_parts(entry[1].content) if len(entry) > 1 else ():
            pair = _contents(attribute.content, 2)
            values = _contents(pair[1].content, 1) if len(pair) > 1 else []
            if values and len(self.attributes) < MAX_ATTRIBUTES:
                name = pair[0].content[:64].decode("latin-1").lower()
                self.attributes.setdefault(name, values[0].content[:MAX_VALUE].decode("utf-8", "replace"))


def _contents(data: bytes, most: int) -> list[Part]:
    """The first elements in `data`."""
    return list(islice(whole_parts(data), most))
