"""A report in which every text has something behind it that must not reach what shows it."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Literal

POISONS = {
    "terminal": "\x1b]0;owned\x07\x1b[2J\x9b31m\x00\r",
    "markup": "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;[bold red]`$(id)`|",
    "direction": "\u202e\u2066\u200b\u2028\ufeff\U000e0041",
    "lines": "\n::error::x\n# HELP x y\n\n| a |\n",
    "marks": "a" + "\u0300" * 40,
}
CONTROL = frozenset(
    chr(n) for n in (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
UNSEEN = CONTROL | set("\u200b\u2028\ufeff\U000e0041")


@cache
def _closed(owner: type) -> frozenset[str]:
    """Fields whose texts are from a closed list, which the reader of a report holds to."""
    hints = typing.get_type_hints(owner)
    return frozenset(name for name, hint in hints.items() if "Literal" in repr(hint) or hint is Literal)


def poisoned(value: Any, poison: str, only: tuple[type, str] | None = None) -> Any:
    """A copy with the poison around every text of an open field; only: around that class's field alone."""
    if is_dataclass(value) and not isinstance(value, type):
        changes = {}
        for one in fields(value):
            content = getattr(value, one.name)
            if not one.init or one.name in _closed(type(value)) or one.name in ("schema",):
                continue
            here = only is None or only == (type(value), one.name)
            changed = (
                poisoned(content, poison, None if here else only) if here or _holds(content) else content
            )
            if changed is not content:
                changes[one.name] = changed
        return replace(value, **changes) if changes else value
    if isinstance(value, Enum | datetime | bytes | bool) or value is None:
        return value
    if isinstance(value, str):
        return poison + value + poison if only is None else value
    if isinstance(value, tuple):
        return tuple(poisoned(item, poison, only) for item in value)
    if isinstance(value, dict):
        return {
            key if isinstance(key, Enum) else poisoned(key, poison, only): poisoned(item, poison, only)
            for key, item in value.items()
        }
    return value


def _holds(content: object) -> bool:
    return isinstance(content, tuple | dict) or dataclasses.is_dataclass(content)


def text_fields(value: Any, found: set[tuple[type, str]] | None = None) -> set[tuple[type, str]]:
    """Every class and field of a report in which there is text."""
    found = set() if found is None else found
    if is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            content = getattr(value, one.name)
            if one.init and one.name not in (*_closed(type(value)), "schema") and _text_in(content):
                found.add((type(value), one.name))
            text_fields(content, found)
    elif isinstance(value, tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            text_fields(item, found)
    return found


def _text_in(content: object) -> bool:
    if isinstance(content, tuple | dict):
        return any(_text_in(item) for item in (content.values() if isinstance(content, dict) else content))
    return isinstance(content, str) and not isinstance(content, Enum)
