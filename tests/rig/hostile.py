"""Servers that lie: what a network may hold instead of a member, a balancer or a name server."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.rig.certs import Issued
from tests.rig.process import Listening, Place, Server

StreamLie = Literal[
    "stall",  # accepts, never says anything
    "reset",  # RST as soon as accepted
    "close",  # FIN as soon as accepted
    "reset-after-hello",  # RST after the client's first bytes
    "close-after-hello",  # FIN after the client's first bytes
    "answer",  # the payload after the client's first bytes, then FIN
    "answer-and-stall",  # the payload, then nothing more
    "answer-and-reset",  # the payload, then RST ten times `pace_s` later
    "banner",  # the payload at once
    "alert",  # a fatal TLS alert, `number`
    "garbage",  # a TLS record full of nonsense
    "endless-header",
    "huge-body",
    "endless-chunks",
    "slow-drip",  # one byte each `pace_s`
    "endless-continue",  # 100 Continue for ever: interim answers, none of them final
]
DNSLie = Literal[
    "dns-silent",
    "dns-garbage",
    "dns-short",
    "dns-wrong-id",
    "dns-wrong-question",
    "dns-refused",
    "dns-servfail",
    "dns-formerr",
    "dns-truncated",  # over TCP too
    "dns-counts",  # says it holds 65,535 records, holds none
    "dns-pointer-loop",  # a compressed name that points at itself
    "dns-cname-loop",
    "dns-cname-endless",  # 201 aliases
    "dns-control",  # terminal escapes and markup in a name
    "dns-many",  # 3,000 addresses
]
PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
    b"<html><head><title>400 Bad Request</title></head></html>\r\n"
)
SSH_BANNER = b"SSH-2.0-PGP\r\n"
NASTY_PAGE = (
    b"HTTP/1.1 200 OK\r\nServer: \x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\r\n"
    b"Set-Cookie: \x1b[31m=[bold]{{}}\r\nX-Long: " + b"a" * 4_000 + b"\r\nConnection: close\r\n\r\n"
    b"<title>\x1b[31m<img src=x onerror=alert(1)>\xff\xfe\x00</title>"
)


@dataclass(frozen=True, slots=True)
class Lie:
    """One address and port, and how it lies.

    With a certificate the TLS handshake is honest and the lie begins after it. `payload` is what "answer",
    "answer-and-stall" and "banner" say: `PLAIN_HTTP`, `SSH_BANNER`, `NASTY_PAGE` or anything else.
    """

    address: str
    port: int
    how: StreamLie | DNSLie
    payload: bytes = PLAIN_HTTP
    certificate: Issued | None = None
    number: int = 40  # handshake_failure
    pace_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Hostile:
    """Any number of lies, told by one process."""

    lies: tuple[Lie, ...]
    name: str = "hostile"

    def launch(self, place: Place, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        specification = directory / "lies.json"
        specification.write_text(
            json.dumps([_entry(lie, directory, f"lie{number}") for number, lie in enumerate(self.lies)])
        )
        return Server(
            [sys.executable, str(Path(__file__).with_name("liar.py")), str(specification)],
            place=place,
            directory=directory,
            name=self.name,
            listening=[Listening(lie.address, lie.port) for lie in self.lies],
            log_line="^ready",
        )


def _entry(lie: Lie, directory: Path, name: str) -> dict[str, object]:
    files = lie.certificate.write(directory, name) if lie.certificate else None
    return {
        "how": lie.how,
        "address": lie.address,
        "port": lie.port,
        "payload": lie.payload.hex(),
        "number": lie.number,
        "pace_s": lie.pace_s,
        "chain": str(files.chain) if files else None,
        "key": str(files.key) if files else None,
    }
