"""TOML from people: what Python's reader admits beyond the format is an error of the file's."""

from __future__ import annotations

import tomllib
from typing import Any

INTEGERS = range(-(2**63), 2**63)  # TOML 1.0: 64 bits; Python reads hexadecimal ones of any length


def loads(text: str) -> dict[str, Any]:
    """The document. Raises ValueError (tomllib.TOMLDecodeError is one)."""
    try:
        table = tomllib.loads(text)
        _check(table, "")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return table


def _check(value: object, path: str) -> None:
    """path: of the value, dotted."""
    if isinstance(value, int) and value not in INTEGERS:
        raise ValueError(f"{path}: an integer of more than 64 bits")
    if isinstance(value, dict):
        for key, item in value.items():
            _check(item, f"{path}.{key}" if path else key)
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            _check(item, f"{path}[{number}]")
