"""Elements of BER and DER (ITU-T X.690), read leniently: one-byte tags, definite lengths.

Every length is checked against its container, nothing recurses, every loop is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_PARTS = 5000  # elements looked at within one container


@dataclass(frozen=True, slots=True)
class Part:
    """One element: its tag byte, its content, and itself with tag and length."""

    tag: int
    content: bytes
    whole: bytes


def part(data: bytes, at: int = 0) -> Part:
    """The element that begins at an offset. Raises ValueError where it does not fit."""
    if at + 2 > len(data):
        raise ValueError("an element is cut off")
    tag, size, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of several bytes")
    if size & 0x80:
        count = size & 0x7F
        if not 0 < count <= 4 or start + count > len(data):
            raise ValueError("an indefinite or oversized length")
        size = int.from_bytes(data[start : start + count])
        start += count
    if start + size > len(data):
        raise ValueError("an element is longer than its container")
    return Part(tag, data[start : start + size], data[at : start + size])


def parts(data: bytes) -> Iterator[Part]:
    """The elements one after another. Raises ValueError where one does not fit, or there are too many."""
    at = 0
    for _ in range(MAX_PARTS):
        if at >= len(data):
            return
        one = part(data, at)
        yield one
        at += len(one.whole)
    raise ValueError("too many elements")


def whole_parts(data: bytes) -> Iterator[Part]:
    """The elements that have come whole, up to the first that has not. Never raises."""
    at = 0
    while at < len(data):
        try:
            one = part(data, at)
        except ValueError:
            return
        yield one
        at += len(one.whole)


def element(tag: int, *contents: bytes) -> bytes:
    """An element as it is written, with its contents one after another."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
