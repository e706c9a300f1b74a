"""DNS messages: the query that shows rotation, and an answer read along its chain of aliases.

The reader is our own: a general one decodes, hashes and compares whatever a message holds, and a message can be
made to cost it a minute. This one walks over the wire once, decodes what is needed and counts every step.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from semscheck.model.observations import CnameHop

MAX_HOPS = 16  # resolvers follow fewer (BIND and Unbound give up at 16 and 11)
KEPT_RECORDS = 64
MAX_STEPS = 10_000  # records, labels and pointers; 64 kB of nothing but addresses takes 8,200
MAX_POINTERS = 127  # in one name: as many as it can have labels
_LARGEST_PAYLOAD = 1232  # DNS flag day 2020: fits an IPv6 packet that nothing has to fragment
_PAYLOAD_STEP = 4
_MAX_NAME, _MAX_LABEL = 255, 63  # RFC 1035 section 2.3.4

_TYPES = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "AAAA": 28}
_ADDRESS_BYTES = {1: 4, 28: 16}
_NAMED = (2, 5, 12)  # their data is a name
_OPT, _IN = 41, 1
_FLAGS = {"AA": 0x400, "TC": 0x200, "RD": 0x100, "RA": 0x80, "AD": 0x20, "CD": 0x10}
_RESPONSE, _OPCODE = 0x8000, 0x7800
_RCODES = [
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
    "NOTZONE",
    "DSOTYPENI",
    "12",
    "13",
    "14",
    "15",
    "BADVERS",
    "BADKEY",
    "BADTIME",
    "BADMODE",
    "BADNAME",
    "BADALG",
    "BADTRUNC",
    "BADCOOKIE",
]
# Answers that may leave the question out, since it was not understood or not looked at.
_WITHOUT_QUESTION = ("FORMERR", "SERVFAIL", "NOTIMP", "REFUSED")
_PLAIN = re.compile(rb"[\w-]+", re.ASCII)
_NAME = re.compile(r"(?:(?:\\\d{3}|\\\D|[^.\\])+(?:\.(?!\.|$)|$))*", re.DOTALL)
_LABEL = re.compile(r"(?:\\\d{3}|\\\D|[^.\\])+", re.DOTALL)
_ESCAPED = re.compile(rb"\\(\d{3})|\\(.)", re.DOTALL)
# Lower case, with the escapes of zone files (RFC 1035 section 5.1).
_SHOWN = {byte: chr(byte).lower() if 0x20 < byte < 0x7F else f"\\{byte:03d}" for byte in range(256)}
_SHOWN |= {ord(mark): f"\\{mark}" for mark in '"().;\\@$'}


class OtherAnswerError(ValueError):
    """What came is a DNS message or bytes that do not belong to the query."""


def make_query(
    name: str,
    record_type: str,
    *,
    recurse: bool,
    repetition: int = 0,
    edns: bool = True,
    unchecked: bool = False,
) -> bytes:
    """A query with an id of its own. Raises ValueError for a name that DNS cannot carry.

    unchecked: without DNSSEC's validation (CD, RFC 4035 section 3.2.2).

    The announced payload differs from repetition to repetition: PowerDNS keeps whole answers, shuffled as they
    are, and finds them by the bytes of the query behind its id (docs/settings.rst, `cache-ttl`).
    """
    flags = (_FLAGS["RD"] if recurse else 0) | (_FLAGS["CD"] if unchecked else 0)
    head = struct.pack("!6H", secrets.randbits(16), flags, 1, 0, 0, int(edns))
    question = _wire_name(name) + struct.pack("!2H", _TYPES[record_type], _IN)
    payload = _LARGEST_PAYLOAD - _PAYLOAD_STEP * (repetition % 100)
    return head + question + (struct.pack("!BHHIH", 0, _OPT, payload, 0, 0) if edns else b"")


def _wire_name(name: str) -> bytes:
    """A name as text, with the escapes of zone files, on the wire."""
    labels = [_unescaped(label) for label in _LABEL.findall(name)]
    wire = b"".join(bytes([len(label) & 0xFF]) + label for label in labels) + b"\0"
    if not _NAME.fullmatch(name) or len(wire) > _MAX_NAME or max(map(len, labels), default=0) > _MAX_LABEL:
        raise ValueError("not a name that DNS can carry: too long, or with a label that is too long or empty")
    return wire


def _unescaped(label: str) -> bytes:
    return _ESCAPED.sub(lambda m: bytes([int(m[1]) & 0xFF]) if m[1] else m[2], label.encode())


class Record(NamedTuple):
    """One record of class IN: its owner in lower case; its data, a name as text, an address as bytes, None for a
    type that is not read."""

    owner: str
    kind: int
    ttl_s: int
    data: str | bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A message that belongs to its query."""

    rcode: str
    flags: tuple[str, ...]
    records: tuple[Record, ...]
    additional: tuple[Record, ...]


def parse(wire: bytes, query: bytes) -> Answer:
    """The answer to a query. Raises ValueError if it is malformed, or costs more steps than an honest one;
    `OtherAnswerError` if it belongs to another query."""
    if wire[:2] != query[:2]:
        raise OtherAnswerError("an answer with another id came")
    return Walk(wire).answer(query)


@dataclass(slots=True)
class Walk:
    """One way over a message. steps: records, labels and pointers so far, never more than `MAX_STEPS`."""

    wire: bytes
    at: int = 12
    steps: int = 0
    _names: dict[int, tuple[str, int]] = field(default_factory=dict)

    def answer(self, query: bytes) -> Answer:
        try:
            return self._answer(query)
        except (IndexError, struct.error) as error:
            raise ValueError("the message ends before what it announces") from error

    def _answer(self, query: bytes) -> Answer:
        _, flags, questions, *counts = struct.unpack_from("!6H", self.wire)
        asked = [self.question() for _ in range(questions)]
        sections = [list(self._section(count)) for count in counts]
        extended = [record.ttl_s >> 24 for record in sections[2] if record.kind == _OPT]
        rcode = flags & 0xF | (extended[0] << 4 if extended else 0)
        shown = _RCODES[rcode] if rcode < len(_RCODES) else str(rcode)
        ours = Walk(query)
        silent = not asked and shown in _WITHOUT_QUESTION
        if not flags & _RESPONSE or flags & _OPCODE or not (asked == [ours.question()] or silent):
            raise OtherAnswerError("an answer to another question came")
        return Answer(
            shown,
            tuple(name for name, bit in _FLAGS.items() if flags & bit),
            tuple(sections[0]),
            tuple(record for record in sections[2] if record.kind != _OPT),
        )

    def question(self) -> tuple[str, int, int]:
        """Name, type and class."""
        name = self.name()
        kind, of_class = self._unpack("!2H")
        return name, kind, of_class

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ValueError("more records and labels than an honest answer has")

    def _unpack(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self.wire, self.at)
        self.at += struct.calcsize(layout)
        return values

    def _section(self, count: int) -> Iterator[Record]:
        for _ in range(count):
            self._step()
            owner = self.name()
            kind, of_class, ttl, length = self._unpack("!HHIH")
            begin, end = self.at, self.at + length
            if end > len(self.wire):
                raise ValueError("a record's data ends behind the message")
            data = self._data(kind, end) if of_class == _IN else None
            if data is not None and self.at != end:
                raise ValueError(f"the data of a record at byte {begin} has another length")
            self.at = end
            if of_class == _IN or kind == _OPT:
                # RFC 2181 section 8: a value with the highest bit set is zero
                yield Record(owner, kind, 0 if ttl >> 31 and kind != _OPT else ttl, data)

    def _data(self, kind: int, end: int) -> str | bytes | None:
        if kind in _NAMED:
            return self.name()
        if kind not in _ADDRESS_BYTES:
            return None
        packed = self.wire[self.at : end]
        self.at += _ADDRESS_BYTES[kind]
        return packed

    def name(self) -> str:
        """The name here, in lower case, without its last dot."""
        text, _, self.at = self._name(self.at, MAX_POINTERS)
        return text

    def _name(self, at: int, pointers: int) -> tuple[str, int, int]:
        """A name, its size on the wire when written in full, and where it ends. What a pointer leads to is read
        once, however many lead there."""
        labels, size = [], 1
        while 0 < (length := self.wire[at]) <= _MAX_LABEL:
            self._step()
            labels.append(_label_text(self.wire[at + 1 : at + 1 + length]))
            at += 1 + length
            size += 1 + length
        if length:
            self._step()
            target = self._pointer(at)
            if target not in self._names:
                if not pointers:
                    raise ValueError("a name of too many pointers")
                self._names[target] = self._name(target, pointers - 1)[:2]
            tail, more = self._names[target]
            labels += [tail] if tail else []
            size += more - 1
            at += 1
        if size > _MAX_NAME:
            raise ValueError("a name longer than 255 bytes")
        return ".".join(labels), size, at + 1

    def _pointer(self, at: int) -> int:
        """Where a pointer leads: only backwards (RFC 1035 section 4.1.4, "a prior occurrence")."""
        target: int = struct.unpack_from("!H", self.wire, at)[0] - 0xC000
        if not 12 <= target < at:
            raise ValueError("a compression pointer that leads nowhere")
        return target


def _label_text(label: bytes) -> str:
    if _PLAIN.fullmatch(label):
        return label.decode().lower()
    return label.decode("latin-1").translate(_SHOWN)


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says of one name and type.

    chain: aliases in order. records: data in the order received, at most `KEPT_RECORDS`; seen: how many there
    were. ttl_s: the least of the record set's, None if there is none. nearby: (name, address) pairs of the
    additional section, as many at most.
    """

    rcode: str
    flags: tuple[str, ...]
    chain: tuple[CnameHop, ...] = ()
    records: tuple[str, ...] = ()
    seen: int = 0
    ttl_s: int | None = None
    nearby: tuple[tuple[str, str], ...] = ()


def read(answer: Answer, name: str, record_type: str) -> Reading:
    """Follow the aliases from `name` to the record set asked for; a loop of aliases simply ends."""
    wanted = _TYPES[record_type]
    aliases = {r.owner: r for r in answer.records if r.kind == _TYPES["CNAME"]}
    owners = {r.owner for r in answer.records if r.kind == wanted}
    chain: list[CnameHop] = []
    owner = name.lower()
    seen = {owner}
    while owner not in owners and owner in aliases and len(chain) < MAX_HOPS:
        onward = _shown(aliases[owner].data)
        chain.append(CnameHop(owner, onward, aliases[owner].ttl_s))
        if onward in seen:
            break
        seen.add(onward)
        owner = onward
    found = [r for r in answer.records if r.kind == wanted and r.owner == owner]
    data = tuple(dict.fromkeys(r.data for r in found if r.data is not None))
    return Reading(
        rcode=answer.rcode,
        flags=answer.flags,
        chain=tuple(chain),
        records=tuple(map(_shown, data[:KEPT_RECORDS])),
        seen=len(data),
        ttl_s=min((r.ttl_s for r in found), default=None),
        nearby=tuple(islice(_addresses(answer.additional), KEPT_RECORDS)),
    )


def _addresses(records: tuple[Record, ...]) -> Iterator[tuple[str, str]]:
    return ((r.owner, _shown(r.data)) for r in records if r.kind in _ADDRESS_BYTES and r.data is not None)


def _shown(data: str | bytes | None) -> str:
    """One spelling of an address everywhere."""
    return str(ipaddress.ip_address(data)) if isinstance(data, bytes) else data or ""
