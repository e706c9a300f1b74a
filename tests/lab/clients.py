"""Independent clients for the lab's tests: plain ssl and sockets of the standard library, dig, curl and openssl."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import warnings
from dataclasses import dataclass

from semscheck.lab.cluster import Lab

TIMEOUT_S = 30.0


def context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a context that judges nothing, for one version of TLS or for all."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = version or ssl.TLSVersion.TLSv1
        if version is not None:
            made.maximum_version = version
    return made


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one connection gave. status 0: no request was made."""

    reused: bool
    session: ssl.SSLSession | None
    version: str | None
    certificate: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def cookies(self) -> dict[str, str]:
        """Return the cookies that were set, without their attributes."""
        pairs = [
            value.split(";")[0].partition("=") for name, value in self.headers if name.lower() == "set-cookie"
        ]
        return {name: value for name, _, value in pairs}


def visit(
    lab: Lab,
    address: str | None,
    tls: ssl.SSLContext | None = None,
    *,
    session: ssl.SSLSession | None = None,
    path: str = "/b/l.e",
    cookies: dict[str, str] | None = None,
    name: str | None = None,
    source: str | None = None,
    method: str = "GET",
) -> Exchange:
    """Connect to an address of the lab on its port, shake hands, make one request and close."""
    assert address is not None
    host, port = split(address, lab.port)
    here = (source, 0) if source else None
    with (
        socket.create_connection((host, port), TIMEOUT_S, here) as plain,
        (tls or context()).wrap_socket(plain, server_hostname=name or lab.fqdn, session=session) as sock,
    ):
        sent = "; ".join(f"{key}={value}" for key, value in (cookies or {}).items())
        fields = f"Cookie: {sent}\r\n" if sent else ""
        sock.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: {lab.fqdn}\r\n{fields}Connection: close\r\n\r\n".encode()
        )
        answer = http.client.HTTPResponse(sock, method=method)
        answer.begin()
        body = answer.read()
        return Exchange(
            bool(sock.session_reused),
            sock.session,
            sock.version(),
            sock.getpeercert(binary_form=True) or b"",
            answer.status,
            tuple(answer.getheaders()),
            body,
        )


def split(address: str, port: int) -> tuple[str, int]:
    """Return host and port of a profile's address."""
    host, colon, own = address.rpartition(":")
    return (host, int(own)) if colon and "]" not in address and "::" not in address else (address, port)


def dig(lab: Lab, name: str, kind: str = "A", *options: str, server: str | None = None) -> str:
    """Return what dig prints."""
    address, _, port = (server or lab.resolver).rpartition(":")
    command = ["dig", f"@{address}", "-p", port, "+tries=1", "+time=2", *options, name, kind]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S).stdout


def addresses(lab: Lab, kind: str = "A", *options: str) -> tuple[str, ...]:
    """Return the records of the lab's name in the order that dig saw."""
    return tuple(dig(lab, lab.fqdn, kind, "+short", *options).split())
