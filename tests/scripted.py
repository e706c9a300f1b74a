"""A scripted network backend: a clock that jumps, written answers, and a dialler that does as told.

For tests of order, deadlines and bounds, where real servers would make them slow or a matter of luck. What can be
shown on real servers is tested there.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from semscheck.net.backend import Desktop, NetworkBackend, SocketDialler, Stream
from semscheck.net.dns_message import Answer, parse

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
Connect = Callable[[str, int], Awaitable[Stream]]


class ScriptedClock:
    """Time that passes only when somebody sleeps on this clock, and then at once."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def utc(self) -> datetime:
        return START + timedelta(seconds=self.now_s)

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


@dataclass(slots=True)
class ScriptedStream:
    """A stream that says `says`, part by part, and then ends, or is silent for ever."""

    says: Sequence[bytes] = ()
    ends: bool = True
    local_address: str = "203.0.113.10"
    local_port: int = 50123
    sent: bytearray = field(default_factory=bytearray)
    closed: int = 0
    at: int = 0

    async def receive(self) -> bytes:
        if self.at < len(self.says):
            self.at += 1
            return self.says[self.at - 1]
        if self.ends:
            return b""
        await asyncio.Event().wait()
        raise AssertionError("nothing wakes it")

    async def send(self, data: bytes) -> None:
        self.sent += data

    def close(self, last: bytes = b"") -> None:
        self.sent += last
        self.closed += 1


async def silence(address: str, port: int) -> Stream:
    """No answer to the connection request, ever."""
    await asyncio.Event().wait()
    raise AssertionError("nothing wakes it")


async def refusal(address: str, port: int) -> Stream:
    raise ConnectionRefusedError(111, "Connection refused")


class ScriptedDialler:
    """Connects as told for an address and port (or an address, or everything), and counts what was asked."""

    def __init__(self, how: Mapping[tuple[str, int] | str, Connect], otherwise: Connect = refusal) -> None:
        self._how = how
        self._otherwise = otherwise
        self.asked: Counter[tuple[str, int]] = Counter()

    async def connect(self, address: str, port: int, source_address: str | None = None) -> Stream:
        self.asked[address, port] += 1
        how = self._how.get((address, port)) or self._how.get(address) or self._otherwise
        return await how(address, port)

    def source_for(self, address: str, port: int) -> str:
        return "2001:db8:ff::10" if ":" in address else "203.0.113.10"


class CountingDialler(SocketDialler):
    """The real one, which knows how many connections are open to each address, and were at most."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.made = 0

    async def connect(self, address: str, port: int, source_address: str | None = None) -> Stream:
        self.open[address] += 1
        self.most[address] = max(self.most[address], self.open[address])
        self.made += 1
        try:
            return _Counted(await super().connect(address, port, source_address), self.open, address)
        except BaseException:
            self.open[address] -= 1
            raise


class _Counted:
    def __init__(self, inner: Stream, open_: Counter[str], address: str) -> None:
        self._inner, self._open, self._address, self._closed = inner, open_, address, False

    @property
    def local_address(self) -> str:
        return self._inner.local_address

    @property
    def local_port(self) -> int:
        return self._inner.local_port

    async def receive(self) -> bytes:
        return await self._inner.receive()

    async def send(self, data: bytes) -> None:
        await self._inner.send(data)

    def close(self, last: bytes = b"") -> None:
        self._inner.close(last)
        if not self._closed:
            self._closed = True
            self._open[self._address] -= 1


class ScriptedResolver:
    """Answers from a table of (name, type) to records; NXDOMAIN for other names. `system` likewise."""

    def __init__(
        self,
        answers: Mapping[tuple[str, str], Sequence[str]] | None = None,
        system: Mapping[str, Sequence[str]] | None = None,
        error: BaseException | None = None,
        system_works: bool = False,
    ) -> None:
        """error: what every question raises; the system's own resolution too, unless it works."""
        self._answers = dict(answers or {})
        self._system = dict(system or {})
        self._error = error
        self._system_error = None if system_works else error
        self.asked: list[tuple[str, str, str]] = []

    async def ask(self, query: bytes, address: str, port: int, tcp: bool) -> Answer:
        import dns.flags
        import dns.message
        import dns.rcode
        import dns.rdatatype
        import dns.rrset

        asked = dns.message.from_wire(query)
        question = asked.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((address, name, kind))
        await asyncio.sleep(0)
        if self._error is not None:
            raise self._error
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        records = self._answers.get((name, kind), ())
        if records:
            answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, list(records)))
        elif not any(known == name for known, _ in self._answers):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return parse(answer.to_wire(max_size=65_535, want_shuffle=False), query)

    async def system(self, name: str) -> tuple[str, ...]:
        await asyncio.sleep(0)
        if self._system_error is not None:
            raise self._system_error
        return tuple(self._system.get(name, ()))


def scripted_seam(
    root: Path,
    *,
    dialler: ScriptedDialler | SocketDialler | None = None,
    resolver: ScriptedResolver | None = None,
    clock: ScriptedClock | None = None,
) -> NetworkBackend:
    """A backend of nothing real. root: where this desktop's files are looked up; an empty directory will do."""
    return NetworkBackend(
        clock=clock or ScriptedClock(),
        random=random.Random(1),
        dialler=dialler or ScriptedDialler({}),
        resolver=resolver or ScriptedResolver(),
        desktop=Desktop(platform="linux", root=root, home=root, environment={}),
    )
