"""A whole site as the vendor advises it, to break one thing at a time: name server, balancer, members, profile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig.balancers import Backend, HAProxy, HAProxyMethod, HAProxyStick
from tests.rig.certs import Issued
from tests.rig.dnsservers import Bind, Order, Zone
from tests.rig.members import Interface, NginxMember, bracketed
from tests.rig.net import Namespaces
from tests.rig.process import Server
from tests.rig.rig import Rig

DOMAIN = "example.test"
FQDN = f"keys.{DOMAIN}"
VIP = "192.0.2.100"
NAMESERVER = "192.0.2.53"


@dataclass(frozen=True, slots=True)
class Member:
    """One member that runs: its addresses (Interface 1 and 2) as they are to be used, and its process."""

    name: str
    replication: str
    client: str
    server: Server


@dataclass(frozen=True, slots=True)
class Scene:
    """A site that runs. `profile` is a file for `--profile`; `balancer` is None where there is none."""

    rig: Rig
    port: int
    certificate: Issued
    members: tuple[Member, ...]
    balancer: Server | None
    vip: str
    nameserver: tuple[str, int]
    nameserver_process: Server
    profile: Path

    def semscheck(
        self, *arguments: str, timeout_s: float = 90.0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the checker where the client is, as a user would."""
        return self.rig.client.python("-m", "semscheck", *arguments, timeout_s=timeout_s, env=env)

    def check(self, *options: str, timeout_s: float = 90.0) -> subprocess.CompletedProcess[str]:
        """Run `semscheck check` with the profile, asking the scene's name server."""
        address, port = self.nameserver
        resolver = ("--resolver", f"{bracketed(address)}:{port}")
        return self.semscheck(
            "check", "--profile", str(self.profile), *resolver, *options, timeout_s=timeout_s
        )

    def report(self, *options: str, timeout_s: float = 90.0) -> dict[str, object]:
        """Run `semscheck check --json` and give the report."""
        done = self.check("--json", *options, timeout_s=timeout_s)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(
                f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            ) from None
        assert isinstance(report, dict)
        return report


def site(
    rig: Rig,
    *,
    count: int = 3,
    method: HAProxyMethod = "first",
    stick: HAProxyStick = "source",
    weights: Sequence[int] = (),
    with_balancer: bool = True,
    addresses: Sequence[str] = (),
    order: Order | None = None,
    ttl_s: int = 60,
    records: Sequence[str] = (),
    client_certificates: Mapping[str, Issued] | None = None,
    replication_certificates: Mapping[str, Issued] | None = None,
    absent: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
    profile: str = "",
) -> Scene:
    """Start a site of `count` members sems1, sems2 … behind HAProxy, which passes TLS through.

    With nothing else said it is healthy: one address, first alive, kept by source, one certificate for all
    Interfaces 2, one with its own name on every Interface 1. What to break: `method`, `stick`, `weights`;
    `addresses` that the FQDN has instead of the balancer's (with `order`, `ttl_s`), further `records`;
    certificates by member name; members that are `absent` (nothing listens on Interface 2); `settings` of every
    NginxMember; lines put at the end of the `profile`.
    """
    port = rig.port(443)
    certificate = rig.authority.issue(FQDN)
    names = [f"sems{number}.{DOMAIN}" for number in range(1, count + 1)]
    clients = {name: rig.address(f"198.51.100.{10 + n}") for n, name in enumerate(names, start=1)}
    replications = {name: rig.address(f"192.0.2.{10 + n}") for n, name in enumerate(names, start=1)}
    members = []
    for name in names:
        own = (replication_certificates or {}).get(name) or rig.authority.issue(name)
        shown = (client_certificates or {}).get(name, certificate)
        interfaces = [Interface(replications[name], port, own)]
        if name not in absent:
            interfaces.append(Interface(clients[name], port, shown))
        short = name.partition(".")[0]
        server = rig.start(NginxMember(short, tuple(interfaces), **(settings or {})))  # type: ignore[arg-type]
        members.append(Member(name, replications[name], clients[name], server))
    vip = rig.address(VIP)
    balancer = None
    if with_balancer:
        shares = list(weights) or [1] * count
        backends = tuple(
            Backend(one.name.partition(".")[0], one.client, port, weight)
            for one, weight in zip(members, shares, strict=True)
        )
        balancer = rig.start(HAProxy(((vip, port),), backends, method=method, stick=stick))
    nameserver = rig.nameserver(NAMESERVER)
    zone = _zone(addresses or (vip,), replications, records, ttl_s, nameserver[0])
    process = rig.start(Bind((nameserver,), (zone,), order=order))
    if isinstance(rig.network, Namespaces):
        rig.network.resolvers(nameserver[0])
    file = rig.directory / "profile.toml"
    file.write_text(_profile(port, vip if with_balancer else "", rig.ca_file, members) + profile)
    return Scene(rig, port, certificate, tuple(members), balancer, vip, nameserver, process, file)


def _zone(
    addresses: Sequence[str], members: Mapping[str, str], records: Sequence[str], ttl_s: int, nameserver: str
) -> Zone:
    lines = [f"keys {ttl_s} IN {'AAAA' if ':' in one else 'A'} {one}" for one in addresses]
    lines += [f"{name}. {ttl_s} IN A {address}" for name, address in members.items()]
    return Zone(DOMAIN, (*lines, *records), nameservers=(("ns1", nameserver),))


def _profile(port: int, vip: str, ca_file: Path, members: Sequence[Member]) -> str:
    lines = ["[target]", f'fqdn = "{FQDN}"', f"port = {port}", f'ca_file = "{ca_file}"']
    lines += [f'balancers = ["{vip}"]'] if vip else []
    for one in members:
        lines += [
            "",
            "[[member]]",
            f'name = "{one.name}"',
            f'replication = "{one.replication}"',
            f'client = "{one.client}"',
        ]
    return "\n".join(lines) + "\n\n"
