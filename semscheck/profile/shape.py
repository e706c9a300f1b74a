"""The shape of a profile's TOML: tables, keys and types, strict, and what is wrong with a table that has another.

Made from `settings.SETTINGS`. The only module of reading profiles that needs msgspec.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, defstruct, field

from semscheck.profile.settings import SETTINGS

_KINDS: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "list[str]": list[str],
    "list[int]": list[int],
}


def _table(name: str) -> type[msgspec.Struct]:
    """A table of the profile; a key that is not there is UNSET."""
    keys = [
        (setting.key.partition(".")[2], _KINDS[setting.kind] | UnsetType, field(default=UNSET))
        for setting in SETTINGS
        if setting.key.partition(".")[0] == name
    ]
    return defstruct(name.title(), keys, forbid_unknown_fields=True)


class MemberShape(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    replication: str | list[str] = ""
    client: str | list[str] = ""


_TABLES: dict[str, Any] = {
    name: _table(name)
    for name in dict.fromkeys(setting.key.partition(".")[0] for setting in SETTINGS if setting.key)
}
_PROFILE = defstruct(
    "Profile",
    [
        *((name, table, field(default_factory=table)) for name, table in _TABLES.items()),
        ("member", list[MemberShape], field(default_factory=list)),
        ("severity", dict[str, str], field(default_factory=dict)),
    ],
    forbid_unknown_fields=True,
)
_FIELDS = {"": _PROFILE, "member": MemberShape, **_TABLES}
# msgspec's names of types, as TOML calls them.
_TYPES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "datetime": "a date and time",
    "date": "a date",
    "time": "a time",
    "str | array": "a string or a list of strings",
}
_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<key>[^`]+)`")
_AT = re.compile(r" - at `\$(?P<path>.*)`$", re.DOTALL)
_INDEX = re.compile(r"\[(\d+)\]")


def shaped(table: dict[str, Any]) -> Any:
    """The table of a TOML document with every key typed: an attribute a table, UNSET for a key that is not there.

    Raises ValueError: "the.key's.path: what is wrong".
    """
    try:
        return msgspec.convert(table, _PROFILE, strict=True)
    except msgspec.ValidationError as problem:
        raise ValueError(_words(str(problem), table)) from problem


def _words(text: str, table: dict[str, Any]) -> str:
    """msgspec's message as "path: words"."""
    at = _AT.search(text)
    path = at["path"].removeprefix(".") if at else ""
    words = text[: at.start()] if at else text
    if "[...]" in path:  # msgspec does not name the key of a free table
        path = path.replace("[...]", f".{_key_of_wrong_type(table)}")
    path = _INDEX.sub(lambda index: f"[{int(index[1]) + 1}]", path)
    if unknown := _UNKNOWN.match(words):
        return f"{_joined(path, unknown['key'])}: unknown key{_meant(path, unknown['key'])}"
    if missing := _MISSING.match(words):
        return f"{_joined(path, missing['key'])}: missing"
    if wrong := _WRONG_TYPE.match(words):
        wanted, got = _type(wrong["wanted"]), _type(wrong["got"])
        if path == "member":
            return "member: write [[member]] above each member, with two brackets"
        return f"{path}: {wanted} is expected, not {got}"
    return f"{path}: {words}" if path else words


def _key_of_wrong_type(table: dict[str, Any]) -> str:
    free = table.get("severity")
    if not isinstance(free, dict):
        return "?"
    return next((repr(key)[1:-1] for key, value in free.items() if not isinstance(value, str)), "?")


def _joined(path: str, key: str) -> str:
    shown = key if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", key) else repr(key[:80])
    return f"{path}.{shown}" if path else shown


def _meant(path: str, key: str) -> str:
    shape = _FIELDS.get(path.partition("[")[0])
    if shape is None:
        return ""
    near = get_close_matches(key, shape.__struct_fields__, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(shape.__struct_fields__)}"


def _type(name: str) -> str:
    plain = name.removesuffix(" | null")
    return _TYPES.get(plain, plain)
