"""More balancers as they are installed: Apache httpd, Caddy, Envoy and Traefik, each with one small configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.rig.balancers import Backend
from tests.rig.certs import Issued
from tests.rig.process import Listening, Place, Server, program

_MODULES = Path("/usr/lib/apache2/modules")


def _server(name: str, command: list[str], place: Place, directory: Path, listen: tuple[str, int]) -> Server:
    return Server(command, place=place, directory=directory, name=name, listening=[Listening(*listen)])


@dataclass(frozen=True, slots=True)
class Apache:
    """Apache httpd ending TLS, with `mod_proxy_balancer`; `route` sets the cookie ROUTEID as its manual does."""

    listen: tuple[tuple[str, int], ...]
    members: tuple[Backend, ...]
    certificate: Issued
    route: bool = False
    name: str = "apache"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "apache.conf"
        config.write_text(self._config(directory))
        command = [program("apache2"), "-f", str(config), "-D", "FOREGROUND"]
        return _server(self.name, command, place, directory, self.listen[0])

    def _config(self, directory: Path) -> str:
        files = self.certificate.write(directory, "balancer")
        (address, port) = self.listen[0]
        modules = (
            "mpm_event authz_core headers ssl socache_shmcb slotmem_shm proxy proxy_http proxy_balancer "
            "lbmethod_byrequests"
        )
        loads = [
            f"LoadModule {each}_module {_MODULES}/mod_{each}.so"
            for each in modules.split()
            if (_MODULES / f"mod_{each}.so").exists()
        ]
        routes = [
            'Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED'
        ]
        backends = [f"BalancerMember https://{m.address}:{m.port} route={m.name}" for m in self.members]
        lines = [
            *loads,
            f"ServerRoot {directory}",
            f"PidFile {directory}/pid",
            f"DefaultRuntimeDir {directory}",
            "ErrorLog /dev/stderr",
            "ServerName balancer",
            f"Listen {address}:{port}",
            "ThreadsPerChild 25",
            "ServerLimit 1",
            "StartServers 1",
            "MaxRequestWorkers 25",
            *(routes if self.route else []),
            f"<VirtualHost {address}:{port}>",
            "SSLEngine on",
            f"SSLCertificateFile {files.chain}",
            f"SSLCertificateKeyFile {files.key}",
            "SSLProxyEngine on",
            "SSLProxyVerify none",
            "SSLProxyCheckPeerName off",
            "SSLProxyCheckPeerCN off",
            "ProxyPreserveHost on",
            "<Proxy balancer://members>",
            *backends,
            *(["ProxySet stickysession=ROUTEID"] if self.route else []),
            "</Proxy>",
            "ProxyPass / balancer://members/",
            "</VirtualHost>",
        ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Caddy:
    """Caddy ending TLS. policy: of its `lb_policy`, "round_robin", "first", "cookie lb secret"."""

    listen: tuple[tuple[str, int], ...]
    members: tuple[Backend, ...]
    certificate: Issued
    policy: str = "round_robin"
    name: str = "caddy"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        files = self.certificate.write(directory, "balancer")
        (address, port) = self.listen[0]
        config = directory / "Caddyfile"
        to = " ".join(f"https://{m.address}:{m.port}" for m in self.members)
        config.write_text(
            f"""{{
    auto_https off
    admin off
    storage file_system {directory}/data
}}
https://:{port} {{
    bind {address}
    tls {files.chain} {files.key}
    reverse_proxy {to} {{
        lb_policy {self.policy}
        header_up Host {{host}}
        transport http {{
            tls_insecure_skip_verify
        }}
    }}
}}
"""
        )
        command = [program("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]
        return _server(self.name, command, place, directory, self.listen[0])


@dataclass(frozen=True, slots=True)
class Envoy:
    """Envoy passing TCP through, one worker. policy: "ROUND_ROBIN", "RANDOM", "LEAST_REQUEST"."""

    listen: tuple[tuple[str, int], ...]
    members: tuple[Backend, ...]
    policy: str = "ROUND_ROBIN"
    name: str = "envoy"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "envoy.json"
        config.write_text(json.dumps(self._config()))
        command = [
            program("envoy"),
            "-c",
            str(config),
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "error",
        ]
        return _server(self.name, command, place, directory, self.listen[0])

    def _config(self) -> dict[str, object]:
        proxy = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "in",
            "cluster": "members",
        }
        listener = {
            "address": _address(*self.listen[0]),
            "filter_chains": [
                {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]}
            ],
        }
        ends = [
            {
                "endpoint": {"address": _address(one.address, one.port)},
                "load_balancing_weight": one.weight,
            }
            for one in self.members
        ]
        cluster = {
            "name": "members",
            "type": "STATIC",
            "lb_policy": self.policy,
            "load_assignment": {"cluster_name": "members", "endpoints": [{"lb_endpoints": ends}]},
        }
        return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(address: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": address, "port_value": port}}
