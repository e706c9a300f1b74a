"""What reads input from outside, each with samples and what it may say no with."""

from __future__ import annotations

import asyncio
import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from semscheck.cli.errors import CommandError
from semscheck.cli.output import FORMATS
from semscheck.cli.output.formats import encode, redacted
from semscheck.cli.output.streams import Face
from semscheck.model.target import Severity
from semscheck.net.cookies import Jar, set_by
from semscheck.net.dns_message import MAX_STEPS, Walk, make_query, read
from semscheck.pipeline import replay
from semscheck.probes.certificates import facts
from semscheck.redaction.cookies import CookieScrubber
from semscheck.redaction.pseudonyms import Pseudonyms
from semscheck.redaction.text import Scrubber
from semscheck.report import json
from tests.net.dnsbombs import BOMBS, FQDN
from tests.report import reports
from tests.report.poison import UNSEEN
from tests.rig.certs import Authority

QUERY = b"\x12\x34" + make_query(FQDN, "A", recurse=True)[2:]
NOW = datetime(2026, 11, 28, tzinfo=UTC)
SECRET = "zeus-17.acmewerke.test"
HTTP = (
    b"HTTP/1.1 200 OK\r\nServer: Apache/2.4\r\nSet-Cookie: JSESSIONID=a.b; Path=/; HttpOnly\r\n"
    b"Content-Length: 42\r\n\r\n"
)
PAGE = b"<html><title>PGP Universal</title></html>\n"
PROFILE = b"""[target]
fqdn = "keys.example.com"
port = 443
balancers = ["192.0.2.100"]
[[member]]
name = "sems1.example.com"
replication = "192.0.2.11"
client = ["198.51.100.11", "[2001:db8::1]:8443"]
[sampling]
connections = 32
[limits]
timeout_s = 5
[thresholds]
expiry_warning_days = 30
[severity]
CRT016 = "warning"
"""
WEB = b"""tls_server_config:
  cert_file: cert.pem
  key_file: key.pem
  client_auth_type: NoClientCert
basic_auth_users:
  a: $2b$04$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu
http_server_config:
  headers:
    X-Frame-Options: deny
"""
COMMANDS = (
    b"check\0keys.example.com\0--port\0443\0--member\0a=192.0.2.11,192.0.2.12\0--connections\x0032\0--timeout\x005",
    b"replay\0report.json\0--format\0json\0--severity\0CRT016=warning\0--fail-on\0critical",
    b"init\0keys.example.com\0--output\0x.toml",
    b"compare\0a.json\0b.json\0--json",
    b"exporter\0--config\0x\0--listen\0127.0.0.1:0",
    b"explain\0CRT016",
    b"lab\0round-robin",
    b"https://keys.example.com/x",
)


@dataclass(frozen=True)
class Target:
    """read: takes the input; whatever it raises but `refusals` is a fault, and so is an AssertionError."""

    samples: Callable[[], tuple[bytes, ...]]
    read: Callable[[bytes], object]
    refusals: tuple[type[BaseException], ...] = ()


def _dns(data: bytes) -> None:
    walk = Walk(QUERY[:2] + data[2:])
    try:
        reading = read(walk.answer(QUERY), FQDN, "A")
        assert len(reading.chain) <= 16
        assert len(reading.records) <= 64
    finally:
        assert walk.steps <= MAX_STEPS + 1


@cache
def _dns_samples() -> tuple[bytes, ...]:
    import dns.message
    import dns.rrset

    query = dns.message.from_wire(QUERY)
    answer = dns.message.make_response(query, recursion_available=True)
    answer.answer.append(dns.rrset.from_text(FQDN + ".", 60, "IN", "CNAME", "www.example.test."))
    answer.answer.append(dns.rrset.from_text("www.example.test.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
    answer.additional.append(dns.rrset.from_text("ns.example.test.", 60, "IN", "AAAA", "2001:db8::1"))
    return (answer.to_wire(), *(bomb(QUERY, 2000) for bomb in BOMBS))


@cache
def _certificates() -> tuple[bytes, ...]:

    return (Authority.root("Fuzz").issue("keys.example.com").der,)


def _tls(data: bytes) -> None:
    from semscheck.net.tls import Watch, _is_tls

    watch = Watch()
    _is_tls(data or b"\0")
    for version in (0x0303, 0x0304):
        for content in (21, 22):
            watch.message("read", version, content, data[0] if data else 0, data)


def _http(data: bytes) -> object:
    from semscheck.net.http import Conversation

    class Wire:
        is_open = True

        def __init__(self) -> None:
            self._parts = [data[:50], data[50:], b""]

        async def read(self, *_: object) -> bytes:
            return self._parts.pop(0) if self._parts else b""

        async def write(self, _: bytes) -> None:
            return

        def close(self) -> None:
            return

    async def asked() -> None:
        conversation = Conversation(Wire(), "keys.example.com", 443, "x")  # type: ignore[arg-type]
        answer = await conversation.get("/")
        assert len(answer.title or "") <= 2000

    return asyncio.run(asked())


def _cookies(data: bytes) -> None:
    header = data.decode("latin-1")
    cookies = set_by((("Set-Cookie", header),), NOW)
    jar = Jar("keys.example.com", cookies)
    jar.header("/")
    jar.sent("/x")
    CookieScrubber(Scrubber(Pseudonyms(b"key"))).set_cookie(header)


def _profile(data: bytes) -> object:
    from semscheck.profile.reader import read_target

    with _file(data) as path:
        return read_target(path, {}, lambda: {"CRT016": Severity.INFO})


def _web(data: bytes) -> object:
    from semscheck.exporter.web_config import read_web_config

    with _file(data) as path:
        return read_web_config(path)


@contextlib.contextmanager
def _file(data: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        yield path


@cache
def _reports() -> tuple[bytes, ...]:
    return tuple(json.encode(make()) for make in (reports.failed, reports.healthy))


def _report(data: bytes) -> None:
    """Read, judged again, and shown in every format."""
    report = replay(json.decode(data))
    for form in FORMATS:
        text = encode(report, form, Face(), verbose=True).decode()
        assert not set(text) & (UNSEEN - {"\n"}), form
    redacted(report, b"key")


def _redaction(data: bytes) -> None:
    around = data.decode("utf-8", "replace")
    scrubber = Scrubber(Pseudonyms(b"key"))
    scrubber.learn_name(SECRET)
    scrubber.learn_foreign(around)
    for text in (around + SECRET, SECRET + around, around):
        shown = scrubber.foreign(text).lower()
        assert "acmewerke" not in shown
        for scrub in (
            scrubber.own,
            scrubber.token,
            scrubber.name,
            scrubber.common_name,
            scrubber.detail,
            scrubber.trace,
        ):
            scrub(text)


def _screens(data: bytes) -> None:
    """What the screens draw of a text, as it goes to the terminal."""
    from rich.segment import Segment
    from textual.color import Color

    from semscheck.report.text.lines import Span, cut, to_ascii, to_string, wrap
    from semscheck.tui.painting import Ascii, Visible, painted

    text = data.decode("utf-8", "replace")
    line = cut((Span(text, "critical"), Span(text)), 80)
    painted([line])
    to_ascii(text)
    wrap(text[:2000], 40)
    assert not set(to_string(line)) & UNSEEN
    drawn = Visible().apply([Segment(text)], Color(0, 0, 0))
    assert not set(drawn[0].text) & UNSEEN
    Ascii().apply(drawn, Color(0, 0, 0))


def _command_line(data: bytes) -> object:
    from semscheck.cli.options import build

    arguments = data.decode("utf-8", "replace").split("\0")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return build().parse_args(arguments)


def _exporter_settings() -> tuple[type[BaseException], ...]:
    from semscheck.exporter.settings import SettingsError

    return (SettingsError,)


def _samples(*samples: bytes) -> Callable[[], tuple[bytes, ...]]:
    return lambda: samples


HELLO = (
    b"\x02\x00\x00\x4e\x03\x03"
    + bytes(32)
    + b"\x20"
    + bytes(32)
    + b"\x13\x01\x00\x00\x06\x00\x33\x00\x02\x00\x1d"
)
TICKET = (
    b"\x04\x00\x00\x40\x00\x00\x1c\x20"
    + bytes(4)
    + b"\x08"
    + bytes(8)
    + b"\x00\x20"
    + bytes(range(32))
    + b"\x00\x00"
)

TARGETS: dict[str, Target] = {
    "dns": Target(_dns_samples, _dns, (ValueError,)),
    "certificates": Target(_certificates, facts),
    "tls": Target(
        _samples(HELLO, TICKET, b"\x0c\x00\x00\x10\x03\x00\x1d" + bytes(9), b"\x15\x03\x03\x00\x02\x02\x28"),
        _tls,
    ),
    "http": Target(_samples(HTTP + PAGE), _http, (OSError, EOFError, ValueError)),
    "cookies": Target(
        _samples(
            b"BIGipServerx=1677787402.20480.0000; path=/; Domain=.example.com; Max-Age=5",
            b"a=b; Expires=Sun, 01 Mar 2026 12:30:01 GMT",
        ),
        _cookies,
    ),
    "profile": Target(_samples(PROFILE), _profile, (ValueError,)),
    "report": Target(_reports, _report, (json.ReportError,)),
    "web-configuration": Target(_samples(WEB), _web, _exporter_settings()),
    "redaction": Target(
        _samples(
            b"https://a.example/?r=https%3A%2F%2F",
            b"node &#107;&#101; 10.77.31.201 00:1a:2b:3c:4d:5e",
            b"x.y.z-1_2",
        ),
        _redaction,
    ),
    "screens": Target(
        _samples("\u2714 keys \u2502 \u00e9\u0301 \x1b[2J \u202e".encode(), b"a" * 300, b"one two three"),
        _screens,
    ),
    "command-line": Target(_samples(*COMMANDS), _command_line, (SystemExit, CommandError)),
}
