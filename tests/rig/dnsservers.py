"""Name servers: BIND."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.rig.process import Listening, Place, Server, program


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
    order: Literal["cyclic", "random", "none"] | None = None
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
            log_line=r"(?m)^.* running$",
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


def _both(listen: Sequence[tuple[str, int]]) -> list[Listening]:
    return [Listening(address, port, kind) for address, port in listen for kind in ("udp", "tcp")]
