"""Which name servers this desktop asks: resolv.conf(5) on POSIX, the registry on Windows."""

from __future__ import annotations

from dataclasses import dataclass

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.names import host_and_port, is_address
from semscheck.model.target import Target
from semscheck.net.backend import Desktop
from semscheck.net.errors import failure_from

DNS_PORT = 53
MAX_RESOLVERS = 8
MAX_SUFFIXES = 6  # what glibc used to follow at most (resolv.conf(5), before 2.26)
_SYSTEM_RESOLVERS = 3  # MAXNS: the C library asks no more of them (resolv.conf(5))
_MAX_BYTES = 65_536
# Windows shows these where no IPv6 name server is set; nothing answers there (they were withdrawn by RFC 3879).
_WINDOWS_PLACEHOLDERS = ("fec0:0:0:ffff::1", "fec0:0:0:ffff::2", "fec0:0:0:ffff::3")


@dataclass(frozen=True, slots=True)
class Place:
    """A name server's address and port. name: as the zone calls it, None for a resolver."""

    address: str
    port: int = DNS_PORT
    name: str | None = None

    @property
    def shown(self) -> str:
        return host_and_port(self.address, self.port)


def place_of(shown: str) -> Place:
    """The name server that an observation calls "address:port" or "[address]:port"."""
    address, _, port = shown.rpartition(":")
    return Place(address.strip("[]"), int(port))


@dataclass(frozen=True, slots=True)
class Configuration:
    """source: "option" or "system". left_out: resolvers that are configured and will not be asked."""

    source: str
    resolvers: tuple[Place, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int | None = None
    left_out: int = 0
    failure: Failure | None = None


def configuration(target: Target, desktop: Desktop) -> Configuration:
    """The resolvers to ask: those of the command line or profile, else the system's. Never raises."""
    if target.resolvers:
        given = tuple(dict.fromkeys(Place(one.address, one.port or DNS_PORT) for one in target.resolvers))
        return Configuration("option", given[:MAX_RESOLVERS], left_out=max(0, len(given) - MAX_RESOLVERS))
    try:
        return _windows() if desktop.platform == "win32" else _posix(desktop)
    except (OSError, ValueError, ImportError, AttributeError) as error:
        return Configuration("system", failure=failure_from(Phase.READ, error))


def _posix(desktop: Desktop) -> Configuration:
    with (desktop.root / "etc" / "resolv.conf").open("rb") as file:
        return parse_resolv_conf(file.read(_MAX_BYTES).decode("latin-1"))


def parse_resolv_conf(text: str) -> Configuration:
    """resolv.conf(5): the last `domain` or `search` wins, without a server the local machine is asked."""
    servers: list[Place] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        keyword, values = words[0], words[1:]
        if keyword == "nameserver" and values and is_address(values[0]):
            servers.append(Place(values[0]))
        elif keyword in ("search", "domain") and values:
            search = tuple(value.strip(".").lower() for value in values if value.strip("."))
        elif keyword == "options":
            ndots = _ndots(values, ndots)
    distinct = tuple(dict.fromkeys(servers)) or (Place("127.0.0.1"),)
    return Configuration(
        "system",
        distinct[:_SYSTEM_RESOLVERS],
        search[:MAX_SUFFIXES],
        ndots,
        left_out=max(0, len(distinct) - _SYSTEM_RESOLVERS),
    )


def _ndots(options: list[str], otherwise: int) -> int:
    for option in options:
        name, _, value = option.partition(":")
        if name == "ndots" and value.isascii() and value.isdigit() and len(value) < 4:
            return min(int(value), 15)  # the C library's own cap (resolv.conf(5))
    return otherwise


def _windows() -> Configuration:
    import dns.win32util  # reads the registry, or WMI where that is installed

    info = dns.win32util.get_dns_info()  # type: ignore[attr-defined]  # exists on Windows only
    servers = [
        Place(str(address))
        for address in info.nameservers
        if is_address(str(address)) and str(address) not in _WINDOWS_PLACEHOLDERS
    ]
    distinct = tuple(dict.fromkeys(servers))
    search = [suffix.to_text(omit_final_dot=True).lower() for suffix in info.search]
    if info.domain is not None:
        search.insert(0, info.domain.to_text(omit_final_dot=True).lower())
    missing = None if distinct else Failure(Phase.READ, Cause.NOT_FOUND, "no name server is configured")
    return Configuration(
        "system",
        distinct[:MAX_RESOLVERS],
        tuple(dict.fromkeys(suffix for suffix in search if suffix))[:MAX_SUFFIXES],
        left_out=max(0, len(distinct) - MAX_RESOLVERS),
        failure=missing,
    )
