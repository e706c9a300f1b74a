"""Balancers in front of members: HAProxy and nginx, passing TLS through or ending it.

Each logs which member it chose; `choices` reads that, the truth to compare the checker with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.rig.certs import Issued
from tests.rig.members import bracketed, nginx_scratch
from tests.rig.process import Listening, Place, Server, program

HAProxyMethod = Literal["roundrobin", "static-rr", "leastconn", "first", "source", "random", "uri"]
HAProxyStick = Literal["", "source", "tls-session", "session"]
HAProxyCookie = Literal["", "insert", "prefix", "dynamic"]


@dataclass(frozen=True, slots=True)
class Backend:
    """One member behind a balancer."""

    name: str
    address: str
    port: int
    weight: int = 1
    backup: bool = False


@dataclass(frozen=True, slots=True)
class HAProxy:
    """HAProxy. In TCP mode it passes TLS through; a certificate makes it end TLS (HTTP mode).

    `stick` keeps clients by source address, by TLS session id, or by Tomcat's session cookie, in a table;
    `cookie` (HTTP mode) keeps them by a cookie named `cookie_name`: inserted, put before the value of the
    application's own, or inserted with a value computed from the member's address. `check` probes the members
    with TCP connections. `speak_tls` encrypts again towards the members; else they get plain HTTP.
    """

    listen: tuple[tuple[str, int], ...]
    members: tuple[Backend, ...]
    method: HAProxyMethod = "roundrobin"
    certificate: Issued | None = None
    stick: HAProxyStick = ""
    cookie: HAProxyCookie = ""
    cookie_name: str = "SERVERID"
    check: bool = False
    check_ms: int = 200
    speak_tls: bool = True
    protocols: tuple[str, str] = ("TLSv1.2", "TLSv1.3")
    tickets: bool = True
    connections_per_member: int = 0
    name: str = "haproxy"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "haproxy.cfg"
        config.write_text(self._config(directory))
        return Server(
            [program("haproxy"), "-db", "-f", str(config)],
            place=place,
            directory=directory,
            name=self.name,
            listening=[Listening(address, port) for address, port in self.listen],
        )

    def _config(self, directory: Path) -> str:
        lines = [
            "global",
            "  log stdout format raw local0",
            "  nbthread 1",
            "  stats socket " + str(directory / "s") + " mode 600 level admin",
            "  ssl-server-verify none",
            "defaults",
            "  timeout connect 2s",
            "  timeout client 30s",
            "  timeout server 30s",
            "  timeout queue 5s",
            f"  mode {'tcp' if self.certificate is None else 'http'}",
            "  log global",
            "  log-format chose:%s:%b:%ci:%cp",
            "frontend in",
            *(f"  bind {address}:{port}{self._ending(directory)}" for address, port in self.listen),
            "  default_backend members",
            "backend members",
            f"  balance {self.method}",
            *self._sticking(),
            *self._cookies(),
            *(self._server(one) for one in self.members),
        ]
        return "\n".join(lines) + "\n"

    def _ending(self, directory: Path) -> str:
        if self.certificate is None:
            return ""
        files = self.certificate.write(directory, "balancer")
        oldest, newest = self.protocols
        tickets = "" if self.tickets else " no-tls-tickets"
        return f" ssl crt {files.bundle} ssl-min-ver {oldest} ssl-max-ver {newest}{tickets}"

    def _sticking(self) -> list[str]:
        if self.stick == "source":
            return ["  stick-table type ip size 10k expire 30m", "  stick on src"]
        if self.stick == "session":
            return [
                "  stick-table type string len 64 size 10k expire 30m",
                "  stick match cookie(JSESSIONID)",
                "  stick store-response cookie(JSESSIONID)",
            ]
        if self.stick == "tls-session":
            # The recipe of HAProxy's configuration manual, "stick store-response": the session id stands at
            # offset 43 of both hello messages, after its length. It keeps clients only where the members hand
            # out session ids: with tickets the server's is empty, and in TLS 1.3 the client's is new each time.
            return [
                "  stick-table type binary len 32 size 10k expire 30m",
                "  acl clienthello req.ssl_hello_type 1",
                "  acl serverhello res.ssl_hello_type 2",
                "  tcp-request inspect-delay 5s",
                "  tcp-request content accept if clienthello",
                "  tcp-response inspect-delay 5s",
                "  tcp-response content accept if serverhello",
                "  stick on payload_lv(43,1) if clienthello",
                "  stick store-response payload_lv(43,1) if serverhello",
            ]
        return []

    def _cookies(self) -> list[str]:
        return {
            "": [],
            "insert": [f"  cookie {self.cookie_name} insert indirect nocache httponly secure"],
            "prefix": [f"  cookie {self.cookie_name} prefix nocache"],
            "dynamic": [
                f"  cookie {self.cookie_name} insert indirect nocache dynamic",
                "  dynamic-cookie-key rig",
            ],
        }[self.cookie]

    def _server(self, member: Backend) -> str:
        words = [f"  server {member.name} {member.address}:{member.port} weight {member.weight}"]
        if self.cookie in ("insert", "prefix"):
            words.append(f"cookie {member.name}")
        if member.backup:
            words.append("backup")
        if self.check:
            words.append(f"check inter {self.check_ms}ms fall 1 rise 1")
        if self.certificate is not None and self.speak_tls:
            words.append("ssl")
        if self.connections_per_member:
            words.append(f"maxconn {self.connections_per_member}")
        return " ".join(words)


def choices(server: Server, at_least: int = 0) -> tuple[str, ...]:
    """Read which member the balancer chose, connection by connection (where it ends TLS: request by request).

    The order is that of the ends of the connections, since balancers log then, a moment later: `at_least` says
    how many to wait for. A connection that found no member gives "<NOSRV>" (HAProxy) or "none" (nginx).
    """
    pattern = r"^chose:([^:\s]+)"
    if at_least:
        server.await_log(pattern, times=at_least)
    return tuple(re.findall(pattern, server.log(10_000_000), re.MULTILINE))


@dataclass(frozen=True, slots=True)
class NginxStream:
    """nginx passing TCP through.

    `method` is "" for its round robin by weight, or a line of its own: "least_conn", "random",
    "random two least_conn", "hash $remote_addr", "hash $remote_addr consistent". Only round robin and
    least_conn know backup members.
    """

    listen: tuple[tuple[str, int], ...]
    members: tuple[Backend, ...]
    method: str = ""
    name: str = "nginx-stream"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "nginx.conf"
        config.write_text(self._config(directory))
        return _nginx(self.name, self.listen, config, place, directory)

    def _config(self, directory: Path) -> str:
        listens = "\n".join(f"listen {bracketed(address)}:{port};" for address, port in self.listen)
        return f"""{_stream_module()}
{_nginx_head(directory)}
stream {{
{_chosen(self.members)}
log_format rig 'chose:$chosen:members:$remote_addr:$remote_port';
access_log /dev/stdout rig;
{_upstream(self.method, self.members)}
server {{
{listens}
proxy_pass members;
proxy_connect_timeout 2s;
}}
}}
"""


@dataclass(frozen=True, slots=True)
class NginxHttp:
    """nginx ending TLS and passing requests on, over TLS again or in plain HTTP.

    `method` is "" for its round robin by weight, or a line of its own: "ip_hash", "least_conn", "random",
    "hash $remote_addr", "hash $cookie_jsessionid consistent" (kept by the application's cookie).
    """

    listen: tuple[tuple[str, int], ...]
    members: tuple[Backend, ...]
    certificate: Issued
    method: str = ""
    speak_tls: bool = True
    tickets: bool = True
    name: str = "nginx-http"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "nginx.conf"
        config.write_text(self._config(directory))
        return _nginx(self.name, self.listen, config, place, directory)

    def _config(self, directory: Path) -> str:
        files = self.certificate.write(directory, "balancer")
        listens = "\n".join(f"listen {bracketed(address)}:{port} ssl;" for address, port in self.listen)
        return f"""{_nginx_head(directory)}
http {{
{nginx_scratch(directory)}
{_chosen(self.members)}
log_format rig 'chose:$chosen:members:$remote_addr:$remote_port';
access_log /dev/stdout rig;
{_upstream(self.method, self.members)}
server {{
{listens}
ssl_certificate {files.chain};
ssl_certificate_key {files.key};
ssl_session_tickets {"on" if self.tickets else "off"};
location / {{
proxy_pass {"https" if self.speak_tls else "http"}://members;
proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header Connection "";
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto https;
proxy_ssl_server_name on;
proxy_ssl_name $host;
proxy_connect_timeout 2s;
}}
}}
}}
"""


def _nginx(
    name: str, listen: tuple[tuple[str, int], ...], config: Path, place: Place, directory: Path
) -> Server:
    return Server(
        [program("nginx"), "-c", str(config), "-p", str(directory), "-e", "stderr"],
        place=place,
        directory=directory,
        name=name,
        listening=[Listening(address, port) for address, port in listen],
    )


def _nginx_head(directory: Path) -> str:
    return f"""daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 1024; }}"""


def _stream_module() -> str:
    # Debian builds it as a module of its own (libnginx-mod-stream); others build it in.
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    return f"load_module {module};" if module.exists() else ""


def _chosen(members: tuple[Backend, ...]) -> str:
    """Map the address of the member that was tried last to its name."""
    lines = ["map $upstream_addr $chosen {", "default none;"]
    for one in members:
        address = re.escape(f"{bracketed(one.address)}:{one.port}").replace("\\:", ":")
        lines.append(f'"~(^|, ){address}$" {one.name};')
    return "\n".join([*lines, "}"])


def _upstream(method: str, members: tuple[Backend, ...]) -> str:
    lines = ["upstream members {"]
    # Several processes would each count for themselves without a zone; there is one process here.
    lines += [f"{method};"] if method else []
    for one in members:
        backup = " backup" if one.backup else ""
        lines.append(f"server {bracketed(one.address)}:{one.port} weight={one.weight} max_fails=1{backup};")
    return "\n".join([*lines, "}"])
