"""Does a server staple an OCSP answer to its certificate? Python's ssl cannot ask for one (RFC 6066 section 8).

A ClientHello of TLS 1.2 is written by hand, and what comes back is read as far as it comes unencrypted: up to
ServerHelloDone. Nothing is answered to it, and nothing that came is trusted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from semscheck.net.backend import Stream

MAX_FLIGHT = 256 * 1024
_HANDSHAKE = 22
_SERVER_HELLO, _CERTIFICATE_STATUS, _SERVER_HELLO_DONE = 2, 22, 14
# ECDHE with AES-GCM and AES-CBC for both kinds of key, then RSA's own key exchange, then that renegotiation is
# understood (RFC 5746).
_SUITES = bytes.fromhex("c02bc02fc02cc030c009c013c00ac014009c009d002f003500ff")
_GROUPS = bytes.fromhex("001d00170018")
_SIGNATURES = bytes.fromhex("080408050806040105010601040305030603020102030807")
_STATUS_REQUEST = bytes.fromhex("0100000000")  # OCSP, from whomever, without more


def _sized(data: bytes, length_bytes: int) -> bytes:
    return len(data).to_bytes(length_bytes) + data


def client_hello(server_name: str | None) -> bytes:
    """The record that asks for a stapled answer."""
    found = [(10, _sized(_GROUPS, 2)), (11, b"\x01\x00"), (13, _sized(_SIGNATURES, 2)), (5, _STATUS_REQUEST)]
    if server_name is not None:
        found.insert(0, (0, _sized(b"\x00" + _sized(server_name.encode("ascii"), 2), 2)))
    extensions = b"".join(kind.to_bytes(2) + _sized(data, 2) for kind, data in found)
    hello = b"\x03\x03" + os.urandom(32) + b"\x00" + _sized(_SUITES, 2) + b"\x01\x00" + _sized(extensions, 2)
    return b"\x16\x03\x01" + _sized(b"\x01" + _sized(hello, 3), 2)


async def is_stapled(stream: Stream, server_name: str | None) -> bool | None:
    """Was an OCSP answer sent with the certificate? None where TLS 1.2 was not spoken. Raises OSError.

    The caller closes the stream, and says how long it may take.
    """
    await stream.send(client_hello(server_name))
    received = b""
    while len(received) <= MAX_FLIGHT:
        kinds = tuple(_messages(received))
        if _CERTIFICATE_STATUS in kinds:
            return True
        if _SERVER_HELLO_DONE in kinds:
            return False
        data = await stream.receive()
        if not data:
            return None
        received += data
        if received[0] != _HANDSHAKE:
            return None
    return None


def _messages(received: bytes) -> Iterator[int]:
    """The kinds of handshake messages that have come whole. Messages may go over several records."""
    body, at = b"", 0
    while at + 5 <= len(received) and received[at] == _HANDSHAKE:
        size = int.from_bytes(received[at + 3 : at + 5])
        body += received[at + 5 : at + 5 + size]
        at += 5 + size
    at = 0
    while at + 4 <= len(body):
        size = int.from_bytes(body[at + 1 : at + 4])
        if at + 4 + size > len(body):
            return
        yield body[at]
        at += 4 + size
