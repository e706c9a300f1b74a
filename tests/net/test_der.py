"""Public keys of certificates that somebody made up: a key, or a ValueError, never another error."""

from __future__ import annotations

import contextlib
from itertools import product

from semscheck.net import der

SEQUENCE, INTEGER, BITS, OID = 0x30, 2, 3, 6
RSA, EC = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a8648ce3d0201")


def element(tag: int, content: bytes = b"") -> bytes:
    return bytes([tag, len(content)]) + content


ALGORITHMS = (
    b"",
    element(INTEGER),
    *(
        element(SEQUENCE, inside)
        for inside in (
            b"",
            element(OID),
            element(OID, RSA),
            element(OID, EC),
            element(OID, EC) + element(OID),
        )
    ),
)
KEYS = (
    b"",
    *(
        element(BITS, inside)
        for inside in (
            b"",
            b"\0",
            b"\0" + element(SEQUENCE),
            b"\0" + element(SEQUENCE, element(INTEGER)),
            b"\0" + element(OID),
        )
    ),
)


def test_a_key_without_an_algorithm_or_without_a_key() -> None:
    kinds = set()
    for algorithm, bits in product(ALGORITHMS, KEYS):
        with contextlib.suppress(ValueError):
            kinds.add(der.key(der.part(element(SEQUENCE, algorithm + bits))).kind)
    assert kinds == {"RSA", "EC"}
