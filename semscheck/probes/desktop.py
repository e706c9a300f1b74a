"""What this desktop itself says: hosts file, enrolment, proxies, and the way to each address. All read-only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from semscheck.model.failure import Failure, Phase
from semscheck.model.observations import Enrolment, HostsEntry, HostsFile, ProxySettings
from semscheck.model.target import Target
from semscheck.net.backend import Desktop, NetworkBackend
from semscheck.net.errors import failure_from
from semscheck.probes import enrolment, proxy
from semscheck.probes.enrolment import enrolled_servers
from semscheck.probes.local_files import Registry, in_time, read_bytes, too_large, windows_path
from semscheck.probes.recorder import Recorder
from semscheck.probes.routes import named_addresses, see_routes

__all__ = ["enrolled_servers", "look_around"]

MAX_HOSTS_BYTES = 8_388_608  # lists that block advertisements run to megabytes
MAX_ENTRIES = 64


async def look_around(
    backend: NetworkBackend, record: Recorder, target: Target, registry: Registry | None = None
) -> None:
    """Record hosts file, enrolment, proxies and routes to the addresses that the target names.

    registry: what to read in place of Windows' own. Takes two seconds at most; trouble is recorded, not raised.
    """
    desktop = backend.desktop
    see_routes(backend, record, named_addresses(target), target.port)
    began = record.now()
    hosts = await in_time(
        lambda: _hosts_file(desktop, target), lambda why: _HostsFile("hosts file", failure=why)
    )
    record.add(HostsFile, began, path=hosts.path, entries=hosts.entries, failure=hosts.failure)
    began = record.now()
    for place in await in_time(
        lambda: enrolment.places(desktop, registry), lambda why: (enrolment.Place("enrolment", failure=why),)
    ):
        record.add(
            Enrolment,
            began,
            source=place.source,
            value=place.value,
            servers=place.servers,
            failure=place.failure,
        )
    began = record.now()
    for one in await in_time(
        lambda: proxy.settings(desktop, target, registry),
        lambda why: (proxy.Setting("environment", covers=None, failure=why),),
    ):
        record.add(
            ProxySettings,
            began,
            source=one.source,
            url=one.url,
            bypass=one.bypass,
            pac_url=one.pac_url,
            covers=one.covers,
            failure=one.failure,
        )


@dataclass(frozen=True, slots=True)
class _HostsFile:
    path: str
    entries: tuple[HostsEntry, ...] = ()
    failure: Failure | None = None


def _hosts_path(desktop: Desktop) -> Path:
    if desktop.platform != "win32":
        return desktop.root / "etc" / "hosts"
    system = desktop.environment.get("SystemRoot") or r"C:\Windows"
    return windows_path(desktop, system) / "System32" / "drivers" / "etc" / "hosts"


def _hosts_file(desktop: Desktop, target: Target) -> _HostsFile:
    path = _hosts_path(desktop)
    try:
        data = read_bytes(path, MAX_HOSTS_BYTES)
    except OSError as error:
        return _HostsFile(str(path), failure=failure_from(Phase.READ, error))
    cut = too_large(MAX_HOSTS_BYTES) if len(data) > MAX_HOSTS_BYTES else None
    return _HostsFile(str(path), hosts_entries(data[:MAX_HOSTS_BYTES], _names(target)), cut)


def _names(target: Target) -> frozenset[str]:
    """The names whose lines matter, in both spellings of an internationalised one."""
    names = {target.fqdn, target.fqdn_shown.lower(), *(member.name.lower() for member in target.members)}
    return frozenset(name for name in names if name)


def hosts_entries(data: bytes, names: frozenset[str]) -> tuple[HostsEntry, ...]:
    """The lines of a hosts file (hosts(5)) that give one of the names an address, in their order."""
    found: list[HostsEntry] = []
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].split()
        if len(words) < 2 or names.isdisjoint(word.lower().rstrip(".") for word in words[1:]):
            continue
        try:
            address = str(ipaddress.ip_address(words[0]))
        except ValueError:
            continue  # not a line that a system would take
        found.append(HostsEntry(number, address, tuple(word[:255] for word in words[1:33])))
        if len(found) == MAX_ENTRIES:
            break
    return tuple(found)
