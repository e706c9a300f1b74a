"""More balancers as they are installed: pen, Squid, stunnel, lighttpd, nghttpx, Traefik and Traffic Server, each with
one small configuration.

`options` are further lines, or words of the command line, of each one's own.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.rig.balancers import Backend
from tests.rig.certs import Issued
from tests.rig.process import Listening, Place, Server, program


@dataclass(frozen=True, slots=True)
class Proxy:
    """What all have: where they listen, what stands behind, and the certificate with which they end TLS."""

    listen: tuple[tuple[str, int], ...]
    members: tuple[Backend, ...]
    certificate: Issued | None = None
    method: str = ""
    options: tuple[str, ...] = ()

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        command, config = self.described(directory)
        for name, text in config.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        name = type(self).__name__.lower()
        where = [Listening(*self.listen[0])]
        return Server(
            command, place=place, directory=directory, name=name, listening=where, env=self.env(directory)
        )

    def described(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        """The command, and the files that it reads, by their names below the directory."""
        raise NotImplementedError

    def env(self, directory: Path) -> dict[str, str] | None:
        return None

    def _files(self, directory: Path) -> tuple[Path, Path, Path]:
        """Chain, key, and both in one file."""
        assert self.certificate is not None
        files = self.certificate.write(directory, "balancer")
        for each in (files.chain, files.key, files.bundle):
            each.chmod(0o644)
        return files.chain, files.key, files.bundle

    @property
    def _at(self) -> str:
        return "{}:{}".format(*self.listen[0])


class Pen(Proxy):
    """pen passes TCP through. options: "-r" for round robin without memory, "-W" for weights, "-h" for a hash."""

    def described(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        servers = [f"{m.address}:{m.port}:0:0:{m.weight}" for m in self.members]
        return [program("pen"), "-f", *self.options, self._at, *servers], {}


class Stunnel(Proxy):
    """stunnel ends TLS. method: "rr" or "prio", its `failover`. Members speak plain HTTP."""

    def described(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        chain, key, _ = self._files(directory)
        lines = [
            "foreground = yes",
            f"pid = {directory}/pid",
            "[in]",
            f"accept = {self._at}",
            f"cert = {chain}",
            f"key = {key}",
            f"failover = {self.method or 'rr'}",
            *(f"connect = {m.address}:{m.port}" for m in self.members),
            *self.options,
        ]
        return [program("stunnel4"), str(directory / "conf")], {"conf": "\n".join(lines) + "\n"}


class Squid(Proxy):
    """Squid as accelerator, ending TLS. method: of `cache_peer`, "round-robin", "weighted-round-robin weight=…",
    "sourcehash", "carp"; empty: the first one that is alive."""

    def described(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        directory = _open_to_all()
        chain, key, _ = self._files(directory)
        peers = [
            f"cache_peer {m.address} parent {m.port} 0 no-query no-digest originserver name={m.name} {self.method} "
            f"weight={m.weight} {' '.join(self.options)}"
            for m in self.members
        ]
        names = " ".join(m.name for m in self.members)
        lines = [
            f"https_port {self._at} accel tls-cert={chain} tls-key={key} no-vhost defaultsite=keys.example.test",
            *peers,
            *(f"cache_peer_access {name} allow all" for name in names.split()),
            "http_access allow all",
            "cache deny all",
            "never_direct allow all",
            "access_log none",
            f"cache_log {directory}/cache.log",
            f"pid_filename {directory}/pid",
            f"coredump_dir {directory}",
            "cache_effective_user proxy",
            "visible_hostname balancer",
            "icp_port 0",
            "shutdown_lifetime 0 seconds",
            "pinger_enable off",
            "netdb_filename none",
            "memory_cache_shared off",
        ]
        (directory / "conf").write_text("\n".join(lines) + "\n")
        return [
            program("squid"),
            "-N",
            "-n",
            directory.name.replace("_", ""),
            "-f",
            str(directory / "conf"),
        ], {}


def _open_to_all() -> Path:
    """A directory for a server that leaves root's rights."""
    directory = Path(tempfile.mkdtemp(prefix="squid"))
    directory.chmod(0o777)
    return directory


class Lighttpd(Proxy):
    """lighttpd ending TLS. method: of `proxy.balance`, "round-robin", "fair", "hash", "sticky"."""

    def described(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        chain, key, _ = self._files(directory)
        hosts = ", ".join(f'( "host" => "{m.address}", "port" => {m.port} )' for m in self.members)
        address, port = self.listen[0]
        config = f"""server.modules = ("mod_openssl", "mod_proxy")
server.document-root = "{directory}"
server.bind = "{address}"
server.port = {port}
server.errorlog = "/dev/stderr"
ssl.engine = "enable"
ssl.pemfile = "{chain}"
ssl.privkey = "{key}"
proxy.balance = "{self.method or "round-robin"}"
proxy.server = ( "" => ( {hosts} ) )
"""
        return [program("lighttpd"), "-D", "-f", str(directory / "conf")], {
            "conf": config + "\n".join(self.options)
        }


class Nghttpx(Proxy):
    """nghttpx ending TLS. method: "ip" or "cookie", its `affinity`; empty: round robin by weight."""

    def described(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        chain, key, _ = self._files(directory)
        kept = {"ip": ";affinity=ip", "cookie": ";affinity=cookie;affinity-cookie-name=lb"}.get(
            self.method, ""
        )
        backends = [
            f"backend={m.address},{m.port};;proto=http/1.1;weight={m.weight}{kept}" for m in self.members
        ]
        address, port = self.listen[0]
        lines = [
            f"frontend={address},{port}",
            *backends,
            f"private-key-file={key}",
            f"certificate-file={chain}",
            "workers=1",
            "accesslog-file=/dev/null",
            "errorlog-file=/dev/stderr",
            *self.options,
        ]
        return [program("nghttpx"), f"--conf={directory}/conf"], {"conf": "\n".join(lines) + "\n"}


class TrafficServer(Proxy):
    """Apache Traffic Server ending TLS. method: of `parent.config`, "strict" (round robin), "true" (by the client's
    address), "false" (the first that is alive), "consistent_hash"."""

    def described(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        chain, key, _ = self._files(directory)
        address, port = self.listen[0]
        for name in ("run", "log", "cache", "snap"):
            (directory / name).mkdir(exist_ok=True)
        parents = ";".join(f"{m.address}:{m.port}|{float(m.weight)}" for m in self.members)
        records = [
            f"CONFIG proxy.config.http.server_ports STRING {port}:ip-in={address}:ssl",
            f"CONFIG proxy.config.config_dir STRING {directory}",
            f"CONFIG proxy.config.local_state_dir STRING {directory}/run",
            f"CONFIG proxy.config.log.logfile_dir STRING {directory}/log",
            "CONFIG proxy.config.log.logging_enabled INT 0",
            "CONFIG proxy.config.http.cache.http INT 0",
            "CONFIG proxy.config.admin.user_id STRING #-1",
            "CONFIG proxy.config.exec_thread.autoconfig INT 0",
            "CONFIG proxy.config.exec_thread.limit INT 1",
            "CONFIG proxy.config.url_remap.pristine_host_hdr INT 1",
            "CONFIG proxy.config.url_remap.remap_required INT 0",
            "CONFIG proxy.config.reverse_proxy.enabled INT 1",
            "CONFIG proxy.config.http.parent_proxy.self_detect INT 0",
            "CONFIG proxy.config.http.no_dns_just_forward_to_parent INT 1",
            "CONFIG proxy.config.ssl.server.cert.path STRING /",
            "CONFIG proxy.config.ssl.server.private_key.path STRING /",
            *self.options,
        ]
        files = {
            "records.config": "\n".join(records) + "\n",
            "ssl_multicert.config": f"dest_ip=* ssl_cert_name={chain} ssl_key_name={key}\n",
            "parent.config": f'dest_domain=. parent="{parents}" round_robin={self.method or "strict"} '
            "parent_is_proxy=false go_direct=false\n",
            "remap.config": "map / http://keys.example.test/\n",
            "storage.config": f"{directory}/cache 64M\n",
            "plugin.config": "",
            "ip_allow.yaml": "ip_allow:\n  - apply: in\n    ip_addrs: 0/0\n    action: allow\n    methods: ALL\n",
        }
        return [program("traffic_server")], files

    def env(self, directory: Path) -> dict[str, str] | None:
        return {"PROXY_CONFIG_CONFIG_DIR": str(directory), "TS_RUNROOT": ""}


class Traefik(Proxy):
    """Traefik ending TLS. method: "sticky" keeps clients by a cookie, "weighted" goes by weights; empty: by turns."""

    def described(self, directory: Path) -> tuple[list[str], dict[str, str]]:
        chain, key, _ = self._files(directory)
        servers = [{"url": f"http://{m.address}:{m.port}"} for m in self.members]
        pool: dict[str, object] = {"servers": servers}
        if self.method == "sticky":
            pool["sticky"] = {"cookie": {"name": "lb", "secure": True}}
        services: dict[str, object] = {"members": {"loadBalancer": pool}}
        if self.method == "weighted":
            own = {
                m.name: {"loadBalancer": {"servers": [each]}}
                for m, each in zip(self.members, servers, strict=True)
            }
            weights = [{"name": m.name, "weight": m.weight} for m in self.members]
            services = {**own, "members": {"weighted": {"services": weights}}}
        router = {"rule": "PathPrefix(`/`)", "service": "members", "tls": {}, "entryPoints": ["in"]}
        pair = {"certFile": str(chain), "keyFile": str(key)}
        dynamic = {
            "http": {"routers": {"all": router}, "services": services},
            "tls": {"stores": {"default": {"defaultCertificate": pair}}},
        }
        static = {
            "entryPoints": {"in": {"address": self._at}},
            "providers": {"file": {"filename": str(directory / "dynamic.yml")}},
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        }
        files = {"dynamic.yml": json.dumps(dynamic), "static.yml": json.dumps(static)}
        return [program("traefik"), f"--configFile={directory}/static.yml"], files
