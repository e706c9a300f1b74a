"""Independent clients, so that the rig is not judged by the checker that it is to judge: dig, curl, plain ssl."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from tests.rig.process import program
from tests.rig.rig import Rig


@dataclass(frozen=True, slots=True)
class Answer:
    """What dig saw: the response code, the flags, and the answer section's records as (owner, ttl, type, data)."""

    rcode: str
    flags: tuple[str, ...]
    records: tuple[tuple[str, int, str, str], ...]

    def data(self, kind: str = "A") -> tuple[str, ...]:
        return tuple(record[3] for record in self.records if record[2] == kind)


def dig(rig: Rig, server: tuple[str, int], name: str, kind: str = "A", *options: str) -> Answer:
    """Ask a name server once. A time-out gives the response code "TIMEOUT"."""
    address, port = server
    done = rig.client.run(
        program("dig"),
        "-p",
        str(port),
        f"@{address}",
        name,
        kind,
        "+tries=1",
        "+time=2",
        "+norecurse",
        *options,
    )
    code = re.search(r"status: (\w+)", done.stdout)
    flags = re.search(r"flags: ([a-z ]*);", done.stdout)
    _, _, rest = done.stdout.partition(";; ANSWER SECTION:\n")
    rows = [line.split(None, 4) for line in rest.partition("\n\n")[0].splitlines() if rest]
    return Answer(
        rcode=code[1] if code else "TIMEOUT",
        flags=tuple(flags[1].split()) if flags else (),
        records=tuple((row[0], int(row[1]), row[3], row[4]) for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Fetched:
    """What curl saw: the status (0 without an answer), the headers in order, the body, curl's own error text."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    error: str

    def header(self, name: str) -> tuple[str, ...]:
        return tuple(value for own, value in self.headers if own.lower() == name.lower())


def fetch(
    rig: Rig, address: str, port: int, host: str, path: str = "/", *options: str, scheme: str = "https"
) -> Fetched:
    """GET one page through curl, with the rig's authority as the only trusted one."""
    done = rig.client.run(
        program("curl"),
        *("-sS", "-i", "--max-time", "10", "--cacert", str(rig.ca_file)),
        *("--connect-to", f"{host}:{port}:{address}:{port}", *options),
        f"{scheme}://{host}:{port}{path}",
    )
    head, _, body = done.stdout.partition("\n\n")
    first, *rest = head.splitlines() or [""]
    status = re.match(r"HTTP/\S+ (\d+)", first)
    pairs = [line.partition(":") for line in rest]
    return Fetched(
        status=int(status[1]) if status else 0,
        headers=tuple((name.strip(), value.strip()) for name, _, value in pairs),
        body=body,
        error=done.stderr.strip(),
    )


@dataclass(frozen=True, slots=True)
class Shaken:
    """One handshake: what was negotiated, who was presented, and the session with the context it belongs to."""

    version: str
    der: bytes
    resumed: bool
    session: ssl.SSLSession | None


def context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Give a context that trusts everybody; `version` fixes the version of TLS."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made


def handshake(
    rig: Rig,
    address: str,
    port: int,
    *,
    host: str | None = "keys.example.test",
    using: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
    source: str | None = None,
) -> Shaken:
    """Make one handshake. A session is offered again with the context that it came from.

    A request is sent and its answer read, since TLS 1.3 hands out its tickets after the handshake.
    """
    own = using or context()

    def shake() -> Shaken:
        with (
            connected(address, port, source) as plain,
            own.wrap_socket(plain, server_hostname=host, session=session) as secure,
        ):
            with contextlib.suppress(TimeoutError, ssl.SSLError, ConnectionError):
                secure.sendall(b"GET /b/l.e HTTP/1.1\r\nHost: keys.example.test\r\nConnection: close\r\n\r\n")
                while secure.recv(65_536):
                    pass
            return Shaken(
                version=secure.version() or "",
                der=secure.getpeercert(binary_form=True) or b"",
                resumed=bool(secure.session_reused),
                session=secure.session,
            )

    return rig.client.call(shake)


@contextlib.contextmanager
def connected(address: str, port: int, source: str | None = None) -> Iterator[socket.socket]:
    """Connect from wherever the calling thread is."""
    with socket.create_connection((address, port), 5.0, (source, 0) if source else None) as plain:
        plain.settimeout(5.0)
        yield plain
