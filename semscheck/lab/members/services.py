"""Further ports of a member: the LDAP entry that tells the version, mail proxies' banners, redirects.

Forms: docs/domain.md sections 3.3 and 3.4 (nmap's and Greenbone's probes, GnuPG's dirmngr).
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from semscheck.ber import Part, element, parts, whole_parts
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
        while (message := next(whole_parts(buffer), None)) is None:
            data = await stream.read()
            if not data:
                return
            buffer += data
            if len(buffer) > MESSAGE_LIMIT or buffer[0] != _SEQUENCE:
                return
        buffer = buffer[len(message.whole) :]
        answer = ldap_answer(message.whole, member.version)
        if not answer:
            return
        await stream.write(answer)


def ldap_answer(message: bytes, version: str) -> bytes:
    """Return the answers to one LDAP message; b"" where the connection ends. Unreadable: b"" too."""
    with suppress(ValueError):
        (whole,) = parts(message)
        number, operation, *_ = parts(whole.content)
        if operation.tag == _BIND:
            return _message(number, _BIND_DONE, _result(_SUCCESS))
        if operation.tag == _SEARCH:
            return _search(number, operation.content, version)
        if operation.tag != _UNBIND:
            return _message(number, _SEARCH_DONE, _result(_PROTOCOL_ERROR))
    return b""


def _search(number: Part, body: bytes, version: str) -> bytes:
    base, *_ = parts(body)
    name = base.content.decode("utf-8", "replace")
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    if not name:
        attributes = (("namingContexts", _CONTEXTS),)
    elif name.lower().startswith("cn=pgpserverinfo"):
        attributes = (("pgpSoftware", ("PGP Universal Server",)), ("pgpVersion", (version,)))
    else:
        return _message(number, _SEARCH_DONE, _result(_NO_SUCH_OBJECT))
    listed = (
        element(
            _SEQUENCE,
            element(_OCTETS, key.encode()),
            element(_SET, *(element(_OCTETS, value.encode()) for value in values)),
        )
        for key, values in attributes
    )
    entry = _message(number, _ENTRY, element(_OCTETS, base.content), element(_SEQUENCE, *listed))
    return entry + _message(number, _SEARCH_DONE, _result(_SUCCESS))


def _result(code: int) -> bytes:
    return element(_ENUMERATED, bytes([code])) + element(_OCTETS) + element(_OCTETS)


def _message(number: Part, operation: int, *contents: bytes) -> bytes:
    return element(_SEQUENCE, element(_INTEGER, number.content), element(operation, *contents))
