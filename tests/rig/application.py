"""An application with sessions of many kinds, on Python's TLS or in plain HTTP. A program; see `Application`.

`python application.py SPECIFICATION.json`: `{"address": …, "port": …, "chain": file or null, "key": …,
"cookies": [[name, kind], …], "tickets": …, "title": …}`. It knows the sessions that it gave itself, and no others.
"""

from __future__ import annotations

import http.server
import json
import secrets
import socketserver
import ssl
import sys
import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, ClassVar

LOGIN = "/b/l.e"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every page with the product's login, and cookies as the specification has them."""

    protocol_version = "HTTP/1.1"
    cookies: tuple[tuple[str, str], ...] = ()
    known: ClassVar[set[str]] = set()
    title = ""

    def do_GET(self) -> None:
        if self.path == "/":
            self.send_response(302)
            self.send_header("Location", LOGIN)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = f"<html><head><title>{self.title}</title></head></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        sent = _sent(self.headers.get_all("Cookie") or [])
        for name, kind in self.cookies:
            value = self._value(kind, sent.get(name, ""))
            if value is not None:
                self.send_header("Set-Cookie", f"{name}={value}; Path=/; Secure; HttpOnly")
        self.end_headers()
        self.wfile.write(body)

    def _value(self, kind: str, sent: str) -> str | None:
        """What is set; None for nothing."""
        if kind == "constant":
            return "de-DE"
        if kind == "anew":  # a token against forgery: another one with each answer
            return secrets.token_hex(16)
        if kind == "date":
            return f"{time.time():.6f}"
        own = sent.partition("--")[0]
        if own in self.known:
            if kind == "renewed":  # the same session, its time extended: set again
                return own
            return f"{own}--{secrets.token_hex(8)}" if kind == "signed" else None
        new = secrets.token_hex(16)
        self.known.add(new)
        return f"{new}--{secrets.token_hex(8)}" if kind == "signed" else new

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _sent(headers: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for header in headers:
        try:
            found |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
        except CookieError:
            continue
    return found


class Serving(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """One thread for each connection; TLS is spoken there, so that a silent client holds up nobody."""

    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def main(specification: dict[str, Any]) -> None:
    """Serve until ended."""
    Handler.cookies = tuple((name, kind) for name, kind in specification["cookies"])
    Handler.title = specification["title"]
    server = Serving((specification["address"], specification["port"]), Handler, bind_and_activate=False)
    if specification["chain"] is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(specification["chain"], specification["key"])
        if not specification["tickets"]:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        server.context = context
    server.allow_reuse_address = True
    server.server_bind()
    server.server_activate()
    server.serve_forever()


@dataclass(frozen=True, slots=True)
class Application:
    """One application at an address. cookies: names with their kinds, "session" (set once, known afterwards),
    "renewed" (the same again with each answer), "signed" (another signature each time), "anew" (never known),
    "date", "constant"."""

    name: str
    address: str
    port: int
    certificate: Any = None
    cookies: tuple[tuple[str, str], ...] = (("JSESSIONID", "session"),)
    tickets: bool = True

    def launch(self, place: Any, directory: Path) -> Any:
        from tests.rig.members import LOGIN_TITLE
        from tests.rig.process import Listening, Server

        directory.mkdir(parents=True, exist_ok=True)
        files = self.certificate.write(directory, "own") if self.certificate is not None else None
        specification = {
            "address": self.address,
            "port": self.port,
            "chain": str(files.chain) if files is not None else None,
            "key": str(files.key) if files is not None else None,
            "cookies": self.cookies,
            "tickets": self.tickets,
            "title": LOGIN_TITLE,
        }
        (directory / "application.json").write_text(json.dumps(specification))
        command = [sys.executable, "-I", str(Path(__file__)), str(directory / "application.json")]
        return Server(
            command,
            place=place,
            directory=directory,
            name=self.name,
            listening=[Listening(self.address, self.port)],
        )


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
