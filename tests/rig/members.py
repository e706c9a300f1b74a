"""Cluster members: nginx and Tomcat playing Symantec Encryption Management Servers.

A member has what the checker looks at: two interfaces with a certificate each, the product's public pages,
TLS sessions of its own, and (Tomcat) HTTP sessions of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tests.rig.certs import Issued
from tests.rig.process import Listening, Place, Server, program

LOGIN_PATH = "/b/l.e"
LOGIN_TITLE = "Symantec Encryption Server: Web Email Protection - Login"
MODIFIED_S = 1_700_000_000  # the same on every member, so that ETag and Last-Modified do not name one


@dataclass(frozen=True, slots=True)
class Page:
    """What a member answers on one path. A status of 3xx uses `location` instead of a body."""

    body: str = ""
    status: int = 200
    location: str = ""
    content_type: str = "text/html"
    headers: tuple[tuple[str, str], ...] = ()


def titled(title: str) -> str:
    """Give a small page with a title."""
    return f"<HTML>\n<HEAD><TITLE>{title}</TITLE></HEAD>\n<BODY><H1>{title}</H1></BODY>\n</HTML>\n"


# The product's titles, as nuclei-templates (symantec-ewep-login.yaml) and recog (html_title.xml) know them.
PAGES: Mapping[str, Page] = MappingProxyType(
    {
        LOGIN_PATH: Page(titled(LOGIN_TITLE)),
        "/": Page(status=302, location=LOGIN_PATH),
    }
)
NOT_FOUND = Page(titled("Symantec Encryption Server - Page Not Found"), status=404)


@dataclass(frozen=True, slots=True)
class Interface:
    """One address and port of a member. Without a certificate it talks plain HTTP.

    `names` None answers whatever name the client asks for; else a handshake for another name, or for none,
    ends with the alert unrecognized_name.
    """

    address: str
    port: int
    certificate: Issued | None = None
    names: tuple[str, ...] | None = None
    client_certificate: Literal["", "asked", "required"] = ""


@dataclass(frozen=True, slots=True)
class NginxMember:
    """A member made of nginx: one process with TLS session keys of its own.

    `tickets` and `cache` are the two kinds of TLS session; without both, nothing can be resumed. `ticket_key`
    (80 random bytes) given to several members makes them recognise each other's tickets. `protocols` takes
    nginx's words; old ones lower the security level as an old system would have it. `headers` go out with
    every response. `requests` reads what was asked of it.
    """

    name: str
    interfaces: tuple[Interface, ...]
    pages: Mapping[str, Page] = field(default_factory=lambda: PAGES)
    not_found: Page = NOT_FOUND
    tickets: bool = True
    cache: bool = False
    ticket_key: bytes | None = None
    protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    http2: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    modified_s: int = MODIFIED_S

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "nginx.conf"
        config.write_text(self._config(directory))
        return Server(
            [program("nginx"), "-c", str(config), "-p", str(directory), "-e", "stderr"],
            place=place,
            directory=directory,
            name=self.name,
            listening=[Listening(one.address, one.port) for one in self.interfaces],
        )

    def _config(self, directory: Path) -> str:
        servers = "\n".join(
            self._server(number, interface, directory) for number, interface in enumerate(self.interfaces)
        )
        return f"""daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr info;
events {{ worker_connections 1024; }}
http {{
{nginx_scratch(directory)}
log_format rig '$remote_addr $server_addr $ssl_session_reused $status "$request"';
access_log {directory}/access.log rig;
server_tokens off;
keepalive_timeout 15;
{servers}
}}
"""

    def _server(self, number: int, interface: Interface, directory: Path) -> str:
        listen = f"listen {bracketed(interface.address)}:{interface.port}"
        lines = self._locations(number, directory)
        if interface.certificate is None:
            return "\n".join(["server {", f"{listen};", *lines, "}"])
        listen += " ssl http2" if self.http2 else " ssl"
        tls = [*self._tls(interface.certificate, f"interface{number}", directory)]
        if interface.client_certificate:
            wanted = "optional_no_ca" if interface.client_certificate == "asked" else "on"
            authority = directory / f"clients{number}.pem"
            authority.write_bytes(interface.certificate.leaf_pem)
            tls += [f"ssl_verify_client {wanted};", f"ssl_client_certificate {authority};"]
        if interface.names is None:
            return "\n".join(["server {", f"{listen};", *tls, *lines, "}"])
        refuse = ["server {", f"{listen} default_server;", *tls, "ssl_reject_handshake on;", "}"]
        serve = ["server {", f"{listen};", f"server_name {' '.join(interface.names)};", *tls, *lines, "}"]
        return "\n".join([*refuse, *serve])

    def _tls(self, certificate: Issued, name: str, directory: Path) -> list[str]:
        files = certificate.write(directory, name)
        lines = [
            f"ssl_certificate {files.chain};",
            f"ssl_certificate_key {files.key};",
            f"ssl_protocols {' '.join(self.protocols)};",
            f"ssl_session_tickets {'on' if self.tickets else 'off'};",
            f"ssl_session_cache {'shared:sessions:1m' if self.cache else 'off'};",
        ]
        if self.ticket_key is not None:
            key = directory / "tickets.key"
            key.write_bytes(self.ticket_key)
            lines.append(f"ssl_session_ticket_key {key};")
        if {"SSLv3", "TLSv1", "TLSv1.1"} & set(self.protocols) or _is_weak(certificate):
            lines.append("ssl_ciphers DEFAULT:@SECLEVEL=0;")
        return lines

    def _locations(self, number: int, directory: Path) -> list[str]:
        lines = [f"add_header {name} {nginx_quoted(value)} always;" for name, value in self.headers]
        pages = [("= " + path, page) for path, page in self.pages.items()]
        for index, (match, page) in enumerate([*pages, ("/", self.not_found)]):
            lines += self._location(match, page, directory / f"page{number}-{index}.html")
        return lines

    def _location(self, match: str, page: Page, file: Path) -> list[str]:
        # add_header in a location replaces those of the server, so that all are repeated.
        extra = [
            f"add_header {name} {nginx_quoted(value)} always;"
            for name, value in (*self.headers, *page.headers)
        ]
        if page.status in range(300, 400):
            back = f"return {page.status} {nginx_quoted(page.location)};"
            return [f"location {match} {{", *extra, "absolute_redirect off;", back, "}"]
        file.write_text(page.body)
        os.utime(file, (self.modified_s, self.modified_s))
        here = [f"default_type {nginx_quoted(page.content_type)};", "types { }", *extra]
        if page.status == 200:
            if match == "/":
                return [f"location / {{ {' '.join(here)} try_files /{file.name} =500; root {file.parent}; }}"]
            return [f"location {match} {{ {' '.join(here)} alias {file}; }}"]
        name = f"/__{file.stem}"
        return [
            f"location {match} {{ error_page {page.status} {name}; return {page.status}; }}",
            f"location = {name} {{ internal; {' '.join(here)} alias {file}; }}",
        ]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that a member answered, from its access log: the truth to compare the checker with."""

    client: str
    server: str
    resumed: bool
    status: int
    request: str


def requests(server: Server) -> tuple[Asked, ...]:
    """Read what an nginx member was asked, in the order of its answers."""
    log = server.directory / "access.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    rows = re.findall(r'^(\S+) (\S+) (\S+) (\d+) "(.*)"$', text, re.MULTILINE)
    return tuple(Asked(row[0], row[1], row[2] == "r", int(row[3]), row[4]) for row in rows)


def nginx_scratch(directory: Path) -> str:
    """Give the lines that keep nginx's temporary files inside a directory."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)


def nginx_quoted(text: str) -> str:
    """Write text as one nginx argument. A dollar sign starts a variable there, and cannot be escaped."""
    if "$" in text:
        raise ValueError("nginx cannot send a dollar sign from its configuration")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def bracketed(address: str) -> str:
    """Write an address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def _is_weak(certificate: Issued) -> bool:
    size = getattr(certificate.key, "key_size", 256)
    digest = certificate.certificate.signature_hash_algorithm
    return 512 < size < 2048 or (digest is not None and digest.name in ("md5", "sha1"))
