"""Valid samples with something wrong with them, by a seed that is kept."""

from __future__ import annotations

import random
from collections.abc import Sequence

TOKENS = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\r\n",
    b"\n",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"%00",
    b"%25",
    b"<script>",
    b"&#x6b;",
    b"\\u006b",
    b"'",
    b'"',
    b"`$(id)`",
    b"|",
    b"[",
    b"{",
    b"}",
    b"]",
    b"null",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"9" * 400,
    b"0x" + b"f" * 400,
    b"\xc0\x0c",
    b"\xc0\xff",
    b"\xed\xa0\x80",
    b"..",
    b"::",
    b"//",
    b"@",
    b"%",
    b"\xf0\x9f\x92\xa9",
    b"\xc2\xb2",
    b"\xd9\xa3",
    b"true",
    b"2026-02-30T25:61:61Z",
    b"0001-01-01T00:00:00Z",
)


def mutated(chance: random.Random, samples: Sequence[bytes]) -> bytes:
    """One of the samples after a few changes; at times the beginning of one and the end of another."""
    data = bytearray(chance.choice(samples))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        _change(chance, data, samples)
    return bytes(data[:200_000])


def _change(chance: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    size = min(len(data) - at, chance.choice((1, 1, 2, 4, 16, 64)))
    kind = chance.randrange(8)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[at : at + size] = chance.randbytes(size)
    elif kind == 2:
        data[at:at] = chance.choice(TOKENS)
    elif kind == 3:
        data[at : at + size] = chance.choice(TOKENS)
    elif kind == 4:
        del data[at : at + size]
    elif kind == 5:
        data[at:at] = data[at : at + size] * chance.choice((1, 2, 50))
    elif kind == 6:
        other = chance.choice(samples)
        data[at:] = other[chance.randrange(len(other) + 1) :]
    else:
        del data[at:]
