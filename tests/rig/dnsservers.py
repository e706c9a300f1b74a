"""Name servers: BIND, Unbound, dnsmasq and PowerDNS, each on addresses and ports that it is given."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.rig.process import Listening, Place, Server, program

Order = Literal["cyclic", "random", "none"]


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone and its records, in the words of a zone file ("keys 60 IN A 198.51.100.11").

    Start of authority and name server records are added; `nameservers` are pairs of name and address, names
    are relative to the zone or end with a dot.
    """

    name: str
    records: tuple[str, ...]
    nameservers: tuple[tuple[str, str], ...] = (("ns1", "192.0.2.53"),)
    ttl_s: int = 60
    negative_ttl_s: int = 5

    @property
    def text(self) -> str:
        first = self.nameservers[0][0]
        lines = [
            f"$ORIGIN {self.name}.",
            f"$TTL {self.ttl_s}",
            f"@ IN SOA {first} hostmaster 1 3600 600 86400 {self.negative_ttl_s}",
            *(f"@ IN NS {name}" for name, _ in self.nameservers),
            *(
                f"{name} IN {'AAAA' if ':' in address else 'A'} {address}"
                for name, address in self.nameservers
                if not name.endswith(".")
            ),
            *self.records,
        ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Bind:
    """BIND as the authority for zones.

    `order` is its rrset-order for every name; None leaves BIND's own default (random in 9.18). `options` are
    further statements of the options block. A zone named in `broken` cannot be loaded, and gives SERVFAIL.
    """

    listen: tuple[tuple[str, int], ...]
    zones: tuple[Zone, ...]
    order: Order | None = None
    options: tuple[str, ...] = ()
    broken: Sequence[str] = ()
    name: str = "bind"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "named.conf"
        config.write_text(self._config(directory))
        return Server(
            [program("named"), "-g", "-n", "1", "-c", str(config)],
            place=place,
            directory=directory,
            name=self.name,
            listening=_both(self.listen),
            log_line=" running$",
        )

    def _config(self, directory: Path) -> str:
        lines = [
            "controls { };",
            "options {",
            f'directory "{directory}";',
            "pid-file none; session-keyfile none; lock-file none;",
            "recursion no; dnssec-validation no; empty-zones-enable no; minimal-responses no;",
            "notify no; allow-query { any; }; allow-transfer { none; };",
        ]
        for port in sorted({port for _, port in self.listen}):
            here = [address for address, own in self.listen if own == port]
            ipv4 = "".join(f"{one}; " for one in here if ":" not in one)
            ipv6 = "".join(f"{one}; " for one in here if ":" in one)
            lines += [f"listen-on port {port} {{ {ipv4 or 'none; '}}};"]
            lines += [f"listen-on-v6 port {port} {{ {ipv6 or 'none; '}}};"]
        if self.order is not None:
            lines.append(f"rrset-order {{ order {self.order}; }};")
        lines += [*self.options, "};"]
        for number, zone in enumerate(self.zones):
            file = directory / f"zone{number}.db"
            file.write_text(zone.text)
            lines.append(f'zone "{zone.name}" {{ type primary; file "{file}"; }};')
        lines += [f'zone "{name}" {{ type primary; file "{directory}/none.db"; }};' for name in self.broken]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Unbound:
    """Unbound as a caching resolver in front of authorities; every other name is refused.

    `forward` maps a zone to the addresses of its authorities. `rotate` is its rrset-roundrobin, on by default.
    `options` are further lines of the server clause.
    """

    listen: tuple[tuple[str, int], ...]
    forward: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    rotate: bool = True
    options: tuple[str, ...] = ()
    name: str = "unbound"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "unbound.conf"
        config.write_text(self._config(directory))
        return Server(
            [program("unbound"), "-d", "-p", "-c", str(config)],
            place=place,
            directory=directory,
            name=self.name,
            listening=_both(self.listen),
            log_line="start of service",
        )

    def _config(self, directory: Path) -> str:
        lines = [
            "server:",
            *(f"interface: {address}@{port}" for address, port in self.listen),
            f'directory: "{directory}"',
            'chroot: ""',
            'username: ""',
            'logfile: ""',
            "use-syslog: no",
            "verbosity: 1",
            "num-threads: 1",
            "access-control: 0.0.0.0/0 allow",
            "access-control: ::0/0 allow",
            'module-config: "iterator"',
            "do-not-query-localhost: no",
            f"rrset-roundrobin: {'yes' if self.rotate else 'no'}",
            # Nothing may be asked of the internet's root servers.
            'local-zone: "." refuse',
            # Unbound answers everything under .test itself unless it is told otherwise.
            'local-zone: "test." nodefault',
            *(f'local-zone: "{zone}." transparent' for zone, _ in self.forward),
            *self.options,
            "remote-control:",
            "control-enable: no",
        ]
        for zone, authorities in self.forward:
            lines += ["stub-zone:", f'name: "{zone}."']
            lines += [f"stub-addr: {address}@{port}" for address, port in authorities]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Dnsmasq:
    """dnsmasq with host records of its own, as a small office's router has it.

    `hosts` are pairs of a full name and its addresses, `aliases` pairs of a full name and the name it is an
    alias of. dnsmasq rotates the addresses of a name unless `rotate` is off. `forward` is as Unbound's.
    """

    listen: tuple[tuple[str, int], ...]
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    forward: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    ttl_s: int = 60
    rotate: bool = True
    options: tuple[str, ...] = ()
    name: str = "dnsmasq"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "dnsmasq.conf"
        config.write_text(self._config())
        return Server(
            [program("dnsmasq"), "--keep-in-foreground", f"--conf-file={config}"],
            place=place,
            directory=directory,
            name=self.name,
            listening=_both(self.listen),
        )

    def _config(self) -> str:
        ports = {port for _, port in self.listen}
        if len(ports) != 1:
            raise ValueError("dnsmasq listens on one port")
        lines = [
            f"port={ports.pop()}",
            *(f"listen-address={address}" for address, _ in self.listen),
            "bind-interfaces",
            "no-resolv",
            "no-hosts",
            "no-poll",
            "log-facility=-",
            f"local-ttl={self.ttl_s}",
            *(["user=root", "group=root"] if os.geteuid() == 0 else []),
            *([] if self.rotate else ["no-round-robin"]),
            *(f"host-record={name},{address}" for name, addresses in self.hosts for address in addresses),
            *(f"cname={name},{target}" for name, target in self.aliases),
            *(f"local=/{name}/" for name, _ in self.hosts),
            *(
                f"server=/{zone}/{address}#{port}"
                for zone, authorities in self.forward
                for address, port in authorities
            ),
            *self.options,
        ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class PowerDNS:
    """PowerDNS as the authority for zones, whose records may be Lua: a global server load balancer.

    For example `pick_random("keys", 5, ["198.51.100.11", "198.51.100.12"])` answers one address at random.
    Its packet cache is off, so that every query is answered anew.
    """

    listen: tuple[tuple[str, int], ...]
    zones: tuple[Zone, ...]
    options: tuple[str, ...] = ()
    name: str = "powerdns"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "pdns.conf").write_text(self._config(directory))
        return Server(
            [program("pdns_server"), f"--config-dir={directory}"],
            place=place,
            directory=directory,
            name=self.name,
            listening=_both(self.listen),
            log_line="ready to distribute questions|operating unthreaded",
        )

    def _config(self, directory: Path) -> str:
        listed = []
        for number, zone in enumerate(self.zones):
            file = directory / f"zone{number}.db"
            file.write_text(zone.text)
            listed.append(f'zone "{zone.name}" {{ type master; file "{file}"; }};')
        (directory / "zones.conf").write_text("\n".join(listed) + "\n")
        addresses = ", ".join(
            f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address, port in self.listen
        )
        lines = [
            "launch=bind",
            f"bind-config={directory}/zones.conf",
            f"local-address={addresses}",
            f"socket-dir={directory}",
            "daemon=no",
            "guardian=no",
            "enable-lua-records=yes",
            "cache-ttl=0",
            "query-cache-ttl=0",
            "negquery-cache-ttl=0",
            "receiver-threads=1",
            "distributor-threads=1",
            "reuseport=no",
            # Left to itself it asks the internet whether it is up to date.
            "security-poll-suffix=",
            *self.options,
        ]
        return "\n".join(lines) + "\n"


def pick_random(name: str, ttl_s: int, addresses: Sequence[str]) -> str:
    """Write a PowerDNS Lua record that answers one of the addresses at random."""
    kind = "AAAA" if ":" in addresses[0] else "A"
    listed = ",".join(f"'{one}'" for one in addresses)
    return f'{name} {ttl_s} IN LUA {kind} "pickrandom({{{listed}}})"'


def _both(listen: Sequence[tuple[str, int]]) -> list[Listening]:
    return [Listening(address, port, kind) for address, port in listen for kind in ("udp", "tcp")]
