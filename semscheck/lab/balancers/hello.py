"""Reads the session id from the first TLS message of either side, as a balancer's SSL-id stickiness does.

ClientHello and ServerHello have it at one place (RFC 5246 section 7.4.1, RFC 8446 section 4.1.2): record header 5,
handshake header 4, version 2, random 32, then one byte of length and the id. HAProxy reads it as payload_lv(43,1).
"""

from __future__ import annotations

CLIENT_HELLO, SERVER_HELLO = 1, 2
RECORD_LIMIT = 5 + 16384
_AT = 43


def whole(data: bytes | bytearray) -> bool:
    """Whether enough is there to look at: the first record, or something that is no handshake record."""
    if not data or data[0] != 0x16:
        return bool(data)
    return len(data) >= RECORD_LIMIT or (len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5], "big"))


def session_id(data: bytes | bytearray, kind: int) -> bytes | None:
    """Return the session id of the first message, None where it is empty or this is no such message."""
    if len(data) <= _AT or data[0] != 0x16 or data[5] != kind:
        return None
    size = data[_AT]
    if not 1 <= size <= 32 or len(data) < _AT + 1 + size:
        return None
    return bytes(data[_AT + 1 : _AT + 1 + size])
