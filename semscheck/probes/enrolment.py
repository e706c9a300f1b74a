"""The server that this desktop is enrolled with, from the places where Encryption Desktop keeps it.

Windows: the value PGPSTAMP of both registry views (Broadcom KB 153414), then PGPprefs.xml of the user
(KB 153321). macOS: the preference files of com.pgp.desktop and, older, com.pgp.PGP. What PGPSTAMP looks like,
and which preference holds the server, is in no source that could be read, so that both are read tolerantly:
a name counts only if it looks like a host and what it belongs to speaks of the enrolment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from semscheck.model.failure import Failure, Phase
from semscheck.net.backend import Desktop
from semscheck.net.errors import failure_from
from semscheck.probes.local_files import (
    MAX_FILE_BYTES,
    MAX_VALUE_CHARACTERS,
    Registry,
    read_bytes,
    registry_of,
    too_large,
)

KEYS = (
    (64, r"SOFTWARE\PGP Corporation\PGP", r"HKEY_LOCAL_MACHINE\SOFTWARE\PGP Corporation\PGP"),
    (32, r"SOFTWARE\PGP Corporation\PGP", r"HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\PGP Corporation\PGP"),
)
STAMP = "PGPSTAMP"
MAC_PREFERENCES = ("com.pgp.desktop.plist", "com.pgp.PGP.plist")
MAX_SERVERS = 16
MAX_DEPTH = 12

# What a preference is called that may hold the server of the enrolment.
_TELLING = re.compile(r"ovid|stamp|enrol|universal|management.?server|policy.?server", re.IGNORECASE)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?", re.IGNORECASE)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_NOT_HOSTS = ("exe", "dll", "xml", "plist", "log", "txt", "pkr", "skr", "asc", "dat", "ini", "html")
_PAIR = re.compile(r"<key>([^<]{1,200})</key>\s{0,200}<string>([^<]{1,4096})</string>")
_BEST = ("ovid", "server", "host", "keyserver")
_NEVER = ("mail",)  # a mail server, or "*"


@dataclass(frozen=True, slots=True)
class Place:
    """One place and what is written there; see `Enrolment`."""

    source: str
    value: str | None = None
    servers: tuple[str, ...] = ()
    failure: Failure | None = None


def enrolled_servers(desktop: Desktop, registry: Registry | None = None) -> tuple[str, ...]:
    """The names of the servers this desktop is enrolled with, best first, each once; empty if none is found."""
    found = (name for place in places(desktop, registry) for name in place.servers)
    return tuple(dict.fromkeys(found))[:MAX_SERVERS]


def places(desktop: Desktop, registry: Registry | None = None) -> tuple[Place, ...]:
    """Every place where an enrolment may be written on this kind of system, the most telling first."""
    readers = _readers(desktop, registry_of(desktop, registry))
    return tuple(_safely(source, reader) for source, reader in readers)


def _readers(desktop: Desktop, registry: Registry | None) -> Iterator[tuple[str, Callable[[], Place]]]:
    if registry is not None:
        for bits, key, shown in KEYS:
            source = f"{shown}\\{STAMP}"
            yield source, lambda bits=bits, key=key, source=source: _stamp(registry, key, bits, source)  # type: ignore[misc]
    if desktop.platform == "win32":
        roaming = desktop.environment.get("APPDATA") or str(desktop.home / "AppData" / "Roaming")
        path = Path(roaming) / "PGP Corporation" / "PGP" / "PGPprefs.xml"
        yield str(path), lambda: _preferences(path)
    elif desktop.platform == "darwin":
        for name in MAC_PREFERENCES:
            file = desktop.home / "Library" / "Preferences" / name
            yield str(file), lambda file=file: _preferences(file)  # type: ignore[misc]


def _safely(source: str, reader: Callable[[], Place]) -> Place:
    try:
        return reader()
    except (OSError, ValueError) as error:
        return Place(source, failure=failure_from(Phase.READ, error))


def _stamp(registry: Registry, key: str, bits: int, source: str) -> Place:
    value = str(registry.read("HKLM", key, STAMP, bits))[:MAX_VALUE_CHARACTERS]
    return Place(source, value, parse_stamp(value))


def parse_stamp(text: str) -> tuple[str, ...]:
    """Host names in a value such as "ovid=keys.example.com&mail=*&admin=1", those of `ovid` first."""
    ranked: list[tuple[int, str]] = []
    for part in re.split(r"[&\s\x00]+", text[:MAX_VALUE_CHARACTERS]):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not equals:
            name, value = "", part
        if name in _NEVER:
            continue
        rank = _BEST.index(name) if name in _BEST else len(_BEST)
        ranked.extend((rank, host) for host in _hosts(unquote(value)))
    return tuple(dict.fromkeys(host for _, host in sorted(ranked, key=lambda one: one[0])))[:MAX_SERVERS]


def _hosts(text: str) -> Iterator[str]:
    """What looks like a host in a value: a name, an address, an address of a page, or several of them."""
    for one in re.split(r"[,;|\s]+", text):
        host = re.sub(r"^[a-z][a-z0-9+.-]{0,15}://", "", one.strip().strip("\"'"), flags=re.IGNORECASE)
        host = re.split(r"[/?#]", host.rpartition("@")[2], maxsplit=1)[0]
        host = re.sub(r":\d{1,5}$", "", host).rstrip(".").lower()
        if len(host) > 253:
            continue
        is_name = _HOST.fullmatch(host) and host.rpartition(".")[2] not in _NOT_HOSTS
        if is_name or _ADDRESS.fullmatch(host):
            yield host


def _preferences(path: Path) -> Place:
    """A property list, in XML or binary, or text that resembles one (KB 153321 shows only its outer form)."""
    data = read_bytes(path)
    cut = too_large(MAX_FILE_BYTES) if len(data) > MAX_FILE_BYTES else None
    found = list(_telling(_pairs(data[:MAX_FILE_BYTES])))
    servers = tuple(dict.fromkeys(name for _, names in found for name in names))[:MAX_SERVERS]
    place = Place(str(path), failure=cut)
    return replace(place, value=found[0][0], servers=servers) if found else place


def _telling(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The values that speak of an enrolment, those with `ovid` in them first."""
    every = [(name, value[:MAX_VALUE_CHARACTERS]) for name, value in pairs]
    for name, value in sorted(every, key=lambda pair: "ovid=" not in pair[1].lower()):
        if "ovid=" in value.lower() or _TELLING.search(name):
            servers = parse_stamp(value)
            if servers:
                yield f"{name}={value}", servers


def _pairs(data: bytes) -> list[tuple[str, str]]:
    import html
    import plistlib
    from xml.parsers.expat import ExpatError

    try:
        return list(_walk("", plistlib.loads(data), MAX_DEPTH))
    except (ValueError, ExpatError, plistlib.InvalidFileException, OverflowError, RecursionError, KeyError):
        pass
    except (
        AttributeError,
        LookupError,
        TypeError,
    ):  # what plistlib trips over in a damaged file, or its encoding
        pass
    text = data.decode("utf-8", "replace")
    return [(html.unescape(key), html.unescape(value)) for key, value in _PAIR.findall(text)]


def _walk(name: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Every text in a property list, with the nearest key above it."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict) and depth:
        for key, inner in value.items():
            yield from _walk(str(key), inner, depth - 1)
    elif isinstance(value, list) and depth:
        for inner in value:
            yield from _walk(name, inner, depth - 1)
