"""Servers that lie, stall and reset. A program; described and started by `hostile`.

`python liar.py SPECIFICATION.json` serves every entry of the list in the file until it is ended:
`{"how": …, "address": …, "port": …, "chain": PEM file or null, "key": PEM file or null, "payload": hexadecimal,
"number": …, "pace_s": …}`. `ready` on standard output says that all listen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

Entry = dict[str, Any]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_FOREVER_S = 3_600.0
_READ_BYTES = 65_536


async def _stall(_: Entry, __: Streams) -> None:
    await asyncio.sleep(_FOREVER_S)


async def _reset(_: Entry, streams: Streams) -> None:
    # Closing with a linger time of zero sends RST instead of FIN: socket(7), SO_LINGER.
    connection: socket.socket = streams[1].get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    streams[1].transport.abort()


async def _close(_: Entry, streams: Streams) -> None:
    streams[1].close()


async def _reset_after_hello(entry: Entry, streams: Streams) -> None:
    await streams[0].read(_READ_BYTES)
    await _reset(entry, streams)


async def _close_after_hello(entry: Entry, streams: Streams) -> None:
    await streams[0].read(_READ_BYTES)
    await _close(entry, streams)


async def _payload(entry: Entry, streams: Streams) -> None:
    """Answer the first bytes with the payload, whatever they ask for, and close."""
    await streams[0].read(_READ_BYTES)
    streams[1].write(bytes.fromhex(entry["payload"]))
    await streams[1].drain()
    streams[1].close()


async def _payload_and_stall(entry: Entry, streams: Streams) -> None:
    await streams[0].read(_READ_BYTES)
    streams[1].write(bytes.fromhex(entry["payload"]))
    await streams[1].drain()
    await asyncio.sleep(_FOREVER_S)


async def _payload_and_reset(entry: Entry, streams: Streams) -> None:
    """Begin to answer, and then RST, once the client has had what was sent."""
    await streams[0].read(_READ_BYTES)
    streams[1].write(bytes.fromhex(entry["payload"]))
    await streams[1].drain()
    await asyncio.sleep(entry["pace_s"] * 10)
    await _reset(entry, streams)


async def _banner(entry: Entry, streams: Streams) -> None:
    """Speak first, as mail and SSH servers do, and ignore what comes back."""
    streams[1].write(bytes.fromhex(entry["payload"]))
    await streams[1].drain()
    while await streams[0].read(_READ_BYTES):
        pass


async def _alert(entry: Entry, streams: Streams) -> None:
    """Answer a ClientHello with a fatal alert (RFC 8446 section 6)."""
    await streams[0].read(_READ_BYTES)
    streams[1].write(bytes([21, 3, 3, 0, 2, 2, entry["number"]]))
    await streams[1].drain()
    streams[1].close()


async def _garbage(_: Entry, streams: Streams) -> None:
    """Answer a ClientHello with a handshake record whose content is none."""
    await streams[0].read(_READ_BYTES)
    streams[1].write(bytes([22, 3, 3, 4, 0]) + bytes(range(256)) * 4)
    await streams[1].drain()
    await asyncio.sleep(_FOREVER_S)


async def _drained(streams: Streams) -> None:
    """Wait until more may be written, and let the loop see that the client left: drain() alone may not."""
    await streams[1].drain()
    await asyncio.sleep(0)


async def _endless_header(_: Entry, streams: Streams) -> None:
    await streams[0].read(_READ_BYTES)
    streams[1].write(b"HTTP/1.1 200 OK\r\n")
    while not streams[1].is_closing():
        streams[1].write(b"X-Filler: " + b"a" * 990 + b"\r\n")
        await _drained(streams)


async def _huge_body(_: Entry, streams: Streams) -> None:
    await streams[0].read(_READ_BYTES)
    streams[1].write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000000000\r\n\r\n")
    while not streams[1].is_closing():
        streams[1].write(b"<p>" + b"a" * 16_381)
        await _drained(streams)


async def _endless_chunks(_: Entry, streams: Streams) -> None:
    await streams[0].read(_READ_BYTES)
    streams[1].write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not streams[1].is_closing():
        streams[1].write(b"1000\r\n" + b"a" * 4_096 + b"\r\n")
        await _drained(streams)


async def _endless_continue(_: Entry, streams: Streams) -> None:
    await streams[0].read(_READ_BYTES)
    while not streams[1].is_closing():
        streams[1].write(b"HTTP/1.1 100 Continue\r\n\r\n" * 500)
        await _drained(streams)


async def _slow_drip(entry: Entry, streams: Streams) -> None:
    await streams[0].read(_READ_BYTES)
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1_000_000:
        streams[1].write(bytes([byte]))
        await streams[1].drain()
        if streams[1].is_closing():
            return
        await asyncio.sleep(entry["pace_s"])


STREAM_LIES: dict[str, Callable[[Entry, Streams], Awaitable[None]]] = {
    "stall": _stall,
    "reset": _reset,
    "close": _close,
    "reset-after-hello": _reset_after_hello,
    "close-after-hello": _close_after_hello,
    "answer": _payload,
    "answer-and-stall": _payload_and_stall,
    "answer-and-reset": _payload_and_reset,
    "banner": _banner,
    "alert": _alert,
    "garbage": _garbage,
    "endless-header": _endless_header,
    "huge-body": _huge_body,
    "endless-chunks": _endless_chunks,
    "slow-drip": _slow_drip,
    "endless-continue": _endless_continue,
}


# DNS (RFC 1035 section 4): every lie is a function from a query to what is sent back, or None for nothing.


def _question(query: bytes) -> bytes:
    end = 12
    while end < len(query) and query[end]:
        end += query[end] + 1
    return query[12 : end + 5]


def _reply(query: bytes, *, flags: int = 0x8180, records: tuple[bytes, ...] = (), shift: int = 0) -> bytes:
    """Build a response: an echo of the question, and records in wire form that name it by the pointer C00C."""
    number = (struct.unpack("!H", query[:2])[0] + shift) & 0xFFFF
    header = struct.pack("!HHHHHH", number, flags, 1, len(records), 0, 0)
    return header + _question(query) + b"".join(records)


def _record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c", ttl_s: int = 60) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, ttl_s, len(data)) + data


def _labels(*labels: bytes) -> bytes:
    return b"".join(bytes([len(one)]) + one for one in labels) + b"\0"


_A, _CNAME = 1, 5
_FORGED = _record(_A, bytes([192, 0, 2, 66]))
_CHAIN = tuple(
    _record(_CNAME, _labels(f"hop{n + 1}".encode(), b"test"), _labels(f"hop{n}".encode(), b"test"))
    for n in range(200)
)


def _dns_loop(query: bytes) -> bytes:
    other = _labels(b"loop", b"test")
    back = _question(query)[:-4]
    return _reply(query, records=(_record(_CNAME, other), _record(_CNAME, back, other)))


DATAGRAM_LIES: dict[str, Callable[[bytes], bytes | None]] = {
    "dns-silent": lambda query: None,
    "dns-garbage": lambda query: bytes(range(64)),
    "dns-short": lambda query: query[:2],
    "dns-wrong-id": lambda query: _reply(query, records=(_FORGED,), shift=1),
    "dns-wrong-question": lambda query: _reply(
        query[:12] + _labels(b"other", b"test") + b"\0\1\0\1", records=(_FORGED,)
    ),
    "dns-refused": lambda query: _reply(query, flags=0x8185),
    "dns-servfail": lambda query: _reply(query, flags=0x8182),
    "dns-formerr": lambda query: _reply(query, flags=0x8181),
    "dns-truncated": lambda query: _reply(query, flags=0x8380),
    "dns-counts": lambda query: _reply(query)[:6] + b"\xff\xff" + _reply(query)[8:],
    "dns-pointer-loop": lambda query: _reply(query, records=(_record(_CNAME, b"\xc0\x0c", b"\xc0\x1c"),)),
    "dns-cname-loop": _dns_loop,
    "dns-cname-endless": lambda query: _reply(
        query, records=(_record(_CNAME, _labels(b"hop0", b"test")), *_CHAIN)
    ),
    "dns-control": lambda query: _reply(
        query,
        records=(
            _record(_CNAME, _labels(b"\x1b[31mred\x07<script>", b"test")),
            _record(_A, bytes([192, 0, 2, 66]), _labels(b"\x1b[31mred\x07<script>", b"test")),
        ),
    ),
    "dns-many": lambda query: _reply(
        query, records=tuple(_record(_A, bytes([198, 18, n // 250, n % 250])) for n in range(3_000))
    ),
}


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, lie: Callable[[bytes], bytes | None]) -> None:
        self._lie = lie

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is not a subclass of asyncio.DatagramTransport in Python 3.11.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        answer = self._lie(data) if len(data) > 12 else None
        if answer is None:
            return
        # What does not fit is truncated, with the flag, so that the client comes back over TCP.
        if len(answer) > 512:
            answer = _reply(data, flags=0x8380)
        self._transport.sendto(answer, addr)


async def _over_tcp(lie: Callable[[bytes], bytes | None], streams: Streams) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            (size,) = struct.unpack("!H", await streams[0].readexactly(2))
            answer = lie(await streams[0].readexactly(size))
            if answer is None:
                await asyncio.sleep(_FOREVER_S)
            else:
                streams[1].write(struct.pack("!H", len(answer)) + answer)
                await streams[1].drain()


def _serving(entry: Entry) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            if entry["how"] in DATAGRAM_LIES:
                await _over_tcp(DATAGRAM_LIES[entry["how"]], (reader, writer))
            else:
                await STREAM_LIES[entry["how"]](entry, (reader, writer))
        writer.close()

    return serve


async def _start(entry: Entry) -> asyncio.Server:
    context = None
    if entry["chain"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(entry["chain"], entry["key"])
    if entry["how"] in DATAGRAM_LIES:
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(DATAGRAM_LIES[entry["how"]]), (entry["address"], entry["port"])
        )
    return await asyncio.start_server(_serving(entry), entry["address"], entry["port"], ssl=context)


async def main(entries: list[Entry]) -> None:
    servers = [await _start(entry) for entry in entries]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
