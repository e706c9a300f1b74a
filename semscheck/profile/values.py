"""Reads single entries that people type: the name of a server, an address, an address with a port.

Every function returns the canonical form or raises `EntryError` with one sentence that says what is wrong and, where
that can be seen, what was meant. Standard library only; `idna` (UTS 46 over IDNA 2008) is imported when a name in
another script than ASCII needs it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from semscheck.files import content
from semscheck.model.names import MAX_LABEL, MAX_NAME
from semscheck.model.target import MAX_CONNECTIONS, Endpoint, Failover, Member
from semscheck.model.vendors import VENDORS

MAX_CA_BYTES = 16 * 1024 * 1024  # a whole operating system's store is about 250 kB
MAX_SPREAD_S = 600.0
MAX_TIMEOUT_S = 600.0
MAX_DEADLINE_S = 3600.0
MAX_DAYS = 36500.0
MAX_TTL_S = 2**31 - 1  # RFC 2181 section 8
_PEM = re.compile(rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----")
MAX_TYPED = 1000  # characters of an entry that are looked at at all; the longest IDN name is well below
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_URL = re.compile(
    r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//(?:[^/?#]*@)?(?P<host>\[[^\]]*\]|[^/?#:]*)(?::(?P<port>\d*))?"
)
_WITH_PORT = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]/]+):(?P<port>\d{1,6})")
_DIGITS = re.compile(r"[0-9]+|0x[0-9a-f]*")


class EntryError(ValueError):
    """What was typed cannot be used; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class ServerName:
    """A server's name. name: A-labels (RFC 5890) in lower case with no final dot, or an address in canonical form.

    shown: the same as people write it (U-labels). is_address: an IP address was given in place of a name.
    """

    name: str
    shown: str
    is_address: bool = False


def server_name(text: str) -> ServerName:
    """A fully qualified name, a single label, or an IP address. Raises EntryError."""
    typed = text.strip()
    if not typed:
        raise EntryError("a server name is missing")
    if len(typed) > MAX_TYPED:
        raise EntryError(
            f"{_quoted(typed)} is too long for a name: {len(typed)} characters, at most {MAX_NAME}"
        )
    address = _address_or_none(typed.removeprefix("[").removesuffix("]"))
    if address is not None:
        return ServerName(address, address, is_address=True)
    _refuse_more_than_a_name(typed)
    name = _ascii(typed).lower().removesuffix(".")
    _check_labels(name, typed)
    return ServerName(name, _shown(name))


def pasted_server(text: str) -> tuple[ServerName, int | None]:
    """What people paste for a server: its name, NAME:PORT, or the URL of a page on it. Gives the name, and the port
    that stands there. Raises EntryError.
    """
    typed = text.strip().strip("\"'<>").strip()
    if len(typed) > MAX_TYPED:
        return server_name(typed), None
    url = _URL.match(typed)
    if url is not None and url["host"]:
        return server_name(url["host"]), _port_text(url["port"], text) if url["port"] else None
    with_port = _WITH_PORT.match(typed)
    if (
        with_port is not None
        and _address_or_none(typed) is None
        and typed[with_port.end() :][:1] in ("", *"/?#")
    ):
        return server_name(with_port["host"]), _port_text(with_port["port"], text)
    name = re.split(r"[/?#]", typed, maxsplit=1)[0] if "@" not in typed else typed
    return server_name(name or typed), None


def host_name(text: str) -> str:
    """A member's own name as A-labels: as `server_name`, and no address. Raises EntryError."""
    found = server_name(text)
    if found.is_address:
        raise EntryError(f"{_quoted(text)} is an address; a member is named by its own host name")
    return found.name


def address(text: str) -> str:
    """An IPv4 or IPv6 address of one host in canonical form. Raises EntryError."""
    typed = text.strip()
    found = _address_or_none(typed)
    if found is None:
        raise EntryError(f"{_quoted(text)} is no address")
    return found


def endpoint(text: str) -> Endpoint:
    """An address with an optional port: "192.0.2.11", "192.0.2.11:8443", "2001:db8::1", "[2001:db8::1]:8443".

    Raises EntryError.
    """
    typed = text.strip()
    if typed.startswith("["):
        inside, bracket, rest = typed[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise EntryError(f"{_quoted(text)} is no address (with a port it would be [2001:db8::1]:8443)")
        return Endpoint(address(inside), _port_text(rest[1:], text) if rest else None)
    if typed.count(":") == 1:
        host, _, number = typed.partition(":")
        return Endpoint(address(host), _port_text(number, text))
    return Endpoint(address(typed))


def port(number: int) -> int:
    """A TCP or UDP port. Raises EntryError."""
    if not 1 <= number <= 65535:
        raise EntryError(f"{number} is no port (1 to 65535)")
    return number


def _port_text(digits: str, text: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5):
        raise EntryError(f"{_quoted(digits)} in {_quoted(text)} is no port (1 to 65535)")
    return port(int(digits))


def _address_or_none(typed: str) -> str | None:
    """The canonical form, None where it is no address. Raises EntryError for one that no server can have."""
    if "%" in typed:
        plain = typed.partition("%")[0]
        if ":" in plain and _address_or_none(plain) is not None:
            raise EntryError(
                f"{_quoted(typed)} names a network card of one desktop; give an address that is valid everywhere"
            )
        return None
    try:
        found = ipaddress.ip_address(typed)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_unspecified or found.is_multicast or str(found) == "255.255.255.255":
        raise EntryError(f"{_quoted(typed)} is an address that no server can have")
    return str(found)


def _refuse_more_than_a_name(typed: str) -> None:
    """A URL, a name with a port or a path, an e-mail address: say which part is the name."""
    url = _URL.match(typed)
    if url is not None:
        number = url["port"]
        more = f", and the port with --port {number}" if number else ""
        meant = f": {_quoted(url['host'], bare=True)}{more}" if url["host"] else ""
        raise EntryError(f"{_quoted(typed)} is a URL; give the name alone{meant}")
    with_port = _WITH_PORT.fullmatch(typed)
    if with_port is not None:
        name, number = _quoted(with_port["host"], bare=True), with_port["port"]
        raise EntryError(f"{_quoted(typed)} has a port in it; give {name} and --port {number}")
    if "/" in typed:
        name = _quoted(typed.partition("/")[0], bare=True)
        raise EntryError(f"{_quoted(typed)} has a path in it; give the name alone: {name}")
    if "@" in typed:
        raise EntryError(f"{_quoted(typed)} is an e-mail address; give the name of the server")


def _ascii(typed: str) -> str:
    """The name in A-labels. ASCII stays as it is: what DNS holds need not be valid IDNA."""
    if typed.isascii():
        return typed
    import idna

    try:
        return idna.encode(typed, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as problem:
        raise EntryError(f"{_quoted(typed)} is no host name: {problem}") from problem


def _shown(name: str) -> str:
    """The name in U-labels; unchanged where it has none, or some that are no valid IDNA."""
    if "xn--" not in name:
        return name
    import idna

    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return name


def _check_labels(name: str, typed: str) -> None:
    """RFC 1035 section 2.3.4 (lengths), RFC 1123 section 2.1 (letters); "_" occurs in internal names."""
    if len(name) > MAX_NAME:
        raise EntryError(
            f"{_quoted(typed)} is too long for a name: {len(name)} characters, at most {MAX_NAME}"
        )
    labels = name.split(".")
    if "" in labels:
        raise EntryError(
            f"{_quoted(typed)} is no host name: there is nothing between two dots, or before the first"
        )
    if len(labels) > 1 and _DIGITS.fullmatch(labels[-1]):
        raise EntryError(f"{_quoted(typed)} is no address, and no host name ends in a number")
    if len(labels) == 1 and name.isdigit():
        raise EntryError(f"{_quoted(typed)} is no host name: it is a number")
    for label in labels:
        if len(label) > MAX_LABEL:
            raise EntryError(
                f"{_quoted(typed)} is no host name: a part has {len(label)} characters, at most {MAX_LABEL} may be"
            )
        if not _LABEL.fullmatch(label):
            raise EntryError(f"{_quoted(typed)} is no host name: {_what_is_wrong(label)}")


def _what_is_wrong(label: str) -> str:
    foreign = next((letter for letter in label if not re.fullmatch(r"[a-z0-9_-]", letter)), None)
    if foreign is None:
        return f"{_quoted(label)} begins or ends with a hyphen"
    if foreign == "*":
        return "a wildcard names no server"
    return f"{_quoted(foreign)} is not allowed in a name"


def _quoted(text: str, *, bare: bool = False) -> str:
    """Typed text for a message: bounded, with every control character as an escape."""
    cut = text if len(text) <= 80 else text[:77] + "..."
    return repr(cut)[1:-1] if bare else repr(cut)


# --- values with a range -----------------------------------------------------------------------------------


def failover(text: str) -> Failover:
    """Who moves clients. Raises EntryError."""
    try:
        return Failover(text)
    except ValueError as problem:
        raise EntryError(f'{text!r} is neither "balancer" nor "dns"') from problem


def balancer_vendor(text: str) -> str:
    """Whose words remedies use. Raises EntryError."""
    if text.lower() not in VENDORS:
        raise EntryError(f"{text!r} is none of {', '.join(VENDORS)}")
    return text.lower()


def _within(least: float, most: float, unit: str = "") -> Callable[[float], float]:
    """Reads a number in this range, a whole one where `most` is whole. Raises EntryError."""

    def read(value: float) -> float:
        if not least <= value <= most:
            raise EntryError(f"{_number(value)} is out of range ({_number(least)} to {_number(most)}{unit})")
        return value if isinstance(most, int) else float(value)

    return read


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


connections = _within(1, MAX_CONNECTIONS)  # fresh ones
spread = _within(0, MAX_SPREAD_S, " seconds")  # over which connections are spread
timeout = _within(0.05, MAX_TIMEOUT_S, " seconds")  # for one step
deadline = _within(0.1, MAX_DEADLINE_S, " seconds")  # for a whole run
outage = _within(0, MAX_DEADLINE_S, " seconds")  # that clients may fail in a failover
days = _within(0, MAX_DAYS, " days")
ttl = _within(0, MAX_TTL_S, " seconds")  # a record's time to live (RFC 2181 section 8)


def switch(given: bool) -> bool:
    """What a switch says."""
    return given


def leave_out(given: bool) -> bool:
    """What a switch that turns something off says."""
    return not given


# --- entries of several parts ------------------------------------------------------------------------------


def member(text: str) -> Member:
    """NAME=REPLICATION_IP,CLIENT_IP, where either address may be empty. Raises EntryError."""
    name, equals, rest = text.partition("=")
    addresses = rest.split(",")
    if equals and len(addresses) == 1 and rest.strip():
        raise EntryError(
            f"{_quoted(text)} has one address, and whether it is Interface 1 or 2 is not said: "
            f"{_quoted(name, bare=True)}=,{_quoted(rest.strip(), bare=True)} if clients use it (Interface 2), "
            f"{_quoted(name, bare=True)}={_quoted(rest.strip(), bare=True)}, if it is for replication (Interface 1)"
        )
    if not equals or len(addresses) != 2:
        raise EntryError(
            f"{_quoted(text)} is not NAME=REPLICATION_IP,CLIENT_IP (either address may be empty)"
        )
    replication, client = ((endpoint(typed),) if typed.strip() else () for typed in addresses)
    return Member(host_name(name), replication=replication, client=client)


def severity(text: str) -> tuple[str, str]:
    """CODE=LEVEL as both; whether there is such a rule only the catalogue knows. Raises EntryError."""
    code, equals, level = text.partition("=")
    if not equals:
        raise EntryError(f"{_quoted(text)} is not CODE=LEVEL, for example CRT016=warning")
    return code.strip().upper(), level.strip()


# --- files -------------------------------------------------------------------------------------------------


def ca_file(text: str) -> str:
    """The path of a PEM file with at least one certificate that OpenSSL can read. Raises EntryError."""
    if not text.strip():
        raise EntryError("is empty; leave it out to use the system's trust alone")
    try:
        data = content(Path(text), MAX_CA_BYTES)
    except ValueError as problem:
        raise EntryError(str(problem)) from problem
    if not data.strip():
        raise EntryError(f"{text}: is empty, there is no certificate in it")
    if _PEM.search(data) is None:
        if data[:1] == b"\x30":
            raise EntryError(
                f"{text}: looks like DER; PEM is needed: openssl x509 -inform der -in FILE -out FILE.pem"
            )
        raise EntryError(f"{text}: there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)")
    if not _readable_certificates(text):
        raise EntryError(f"{text}: there is no certificate in it that can be read")
    return text


def _readable_certificates(path: str) -> int:
    import ssl

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=path)
        return context.cert_store_stats()["x509"]
    except (OSError, ValueError) as problem:
        # OpenSSL's own words, "PEM lib (_ssl.c:4154)", tell nobody which certificate, or what is wrong with it.
        raise EntryError(f"{path}: a certificate in it cannot be read; it is damaged or cut off") from problem
