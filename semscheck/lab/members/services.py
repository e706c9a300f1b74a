"""Further ports of a member: the LDAP entry that tells the version, mail proxies' banners, redirects.

Forms: docs/domain.md sections 3.3 and 3.4 (nmap's and Greenbone's probes, GnuPG's dirmngr).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import suppress

from semscheck.lab.members import http
from semscheck.lab.members.tls import TlsStream
from semscheck.lab.world import Member, Service, ServiceKind

IDLE_S = 30.0
MESSAGE_LIMIT = 65536

_CONTEXTS = (
    "o=Searchable PGP keys",
    "o=Uploaded PGP keys",
    "o=Users",
    "o=Prefs",
    "o=CRL",
    "cn=PGPServerInfo",
    "o=PGP keys",
)
# Tags of RFC 4511 (LDAP) over BER
_SEQUENCE, _SET, _INTEGER, _OCTETS, _ENUMERATED = 0x30, 0x31, 0x02, 0x04, 0x0A
_BIND, _BIND_DONE, _UNBIND = 0x60, 0x61, 0x42
_SEARCH, _ENTRY, _SEARCH_DONE = 0x63, 0x64, 0x65
_SUCCESS, _PROTOCOL_ERROR, _NO_SUCH_OBJECT = 0, 2, 32


async def serve(
    service: Service,
    member: Member,
    fqdn: str,
    context: ssl.SSLContext | None,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Serve one connection to a further port; `context`: TLS comes first."""
    stream: http.Stream = http.PlainStream(reader, writer)
    async with asyncio.timeout(IDLE_S):
        if context is not None:
            tls = TlsStream(reader, writer, context)
            await tls.handshake()
            stream = tls
        match service.kind:
            case ServiceKind.LDAP:
                await _ldap(stream, member)
            case ServiceKind.BANNER:
                await stream.write(service.text.format(host=member.name).encode() + b"\r\n")
                while await stream.read():
                    await stream.write(b"500 command unrecognized\r\n")
            case ServiceKind.HTTP_REDIRECT:
                await _redirect(stream, fqdn)
        await stream.say_goodbye()


async def _redirect(stream: http.Stream, fqdn: str) -> None:
    request = await http.MessageReader(stream).request()
    if request is not None:
        fields = (("Location", f"https://{fqdn}/"), ("Connection", "close"))
        await stream.write(http.response(302, fields, b"", head_only=request.start[0] == "HEAD"))


async def _ldap(stream: http.Stream, member: Member) -> None:
    buffer = b""
    while True:
        while (size := _message_size(buffer)) is None or len(buffer) < size:
            data = await stream.read()
            if not data:
                return
            buffer += data
            if len(buffer) > MESSAGE_LIMIT or buffer[0] != _SEQUENCE:
                return
        message, buffer = buffer[:size], buffer[size:]
        answer = ldap_answer(message, member.version)
        if not answer:
            return
        await stream.write(answer)


def ldap_answer(message: bytes, version: str) -> bytes:
    """Return the answers to one LDAP message; b"" where the connection ends. Unreadable: b"" too."""
    with suppress(ValueError):
        ((_, content),) = _elements(message)
        (_, number), (operation, body), *_ = _elements(content)
        if operation == _BIND:
            return _message(number, _BIND_DONE, _result(_SUCCESS))
        if operation == _SEARCH:
            return _search(number, body, version)
        if operation != _UNBIND:
            return _message(number, _SEARCH_DONE, _result(_PROTOCOL_ERROR))
    return b""


def _search(number: bytes, body: bytes, version: str) -> bytes:
    (_, base), *_ = _elements(body)
    name = base.decode("utf-8", "replace")
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    if not name:
        attributes = (("namingContexts", _CONTEXTS),)
    elif name.lower().startswith("cn=pgpserverinfo"):
        attributes = (("pgpSoftware", ("PGP Universal Server",)), ("pgpVersion", (version,)))
    else:
        return _message(number, _SEARCH_DONE, _result(_NO_SUCH_OBJECT))
    listed = b"".join(
        _tlv(
            _SEQUENCE,
            _tlv(_OCTETS, key.encode()) + _tlv(_SET, b"".join(_tlv(_OCTETS, v.encode()) for v in values)),
        )
        for key, values in attributes
    )
    entry = _message(number, _ENTRY, _tlv(_OCTETS, base) + _tlv(_SEQUENCE, listed))
    return entry + _message(number, _SEARCH_DONE, _result(_SUCCESS))


def _result(code: int) -> bytes:
    return _tlv(_ENUMERATED, bytes([code])) + _tlv(_OCTETS, b"") + _tlv(_OCTETS, b"")


def _message(number: bytes, operation: int, body: bytes) -> bytes:
    return _tlv(_SEQUENCE, _tlv(_INTEGER, number) + _tlv(operation, body))


def _tlv(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the BER elements of `data`. Raises ValueError where it is none."""
    at = 0
    while at < len(data):
        header, size = _lengths(data[at:])
        if at + header + size > len(data):
            raise ValueError("cut off")
        yield data[at], data[at + header : at + header + size]
        at += header + size


def _message_size(data: bytes) -> int | None:
    """Return how long the first element is, or None where that is not known yet."""
    try:
        return sum(_lengths(data))
    except ValueError:
        return None


def _lengths(data: bytes) -> tuple[int, int]:
    """Return the sizes of the first element's header and content."""
    if len(data) < 2:
        raise ValueError("cut off")
    if data[1] < 0x80:
        return 2, data[1]
    count = data[1] & 0x7F
    if not 1 <= count <= 4 or len(data) < 2 + count:
        raise ValueError("cut off, or a length that is not definite")
    return 2 + count, int.from_bytes(data[2 : 2 + count], "big")
