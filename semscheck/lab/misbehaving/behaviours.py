"""The ways to fail between accepting a connection and finishing TLS, and which stance each behaviour means."""

from __future__ import annotations

import asyncio

from semscheck.lab.balancers.hello import RECORD_LIMIT, whole
from semscheck.lab.members import http
from semscheck.lab.members.listener import Stance, reset
from semscheck.lab.world import Behaviour

HOLD_S = 120.0  # how long a connection that gets no answer is kept
HELLO_S = 10.0
BANNER = b"220 sems ESMTP service ready\r\n"
_STANCES = {
    Behaviour.REFUSED: Stance.CLOSED,
    Behaviour.BLACKHOLE: Stance.FULL,
    Behaviour.FROZEN: Stance.DEAF,
}


def stance(behaviour: Behaviour) -> Stance:
    """Return what the kernel does for this behaviour; OPEN where the program decides."""
    return _STANCES.get(behaviour, Stance.OPEN)


async def spoils_tls(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behaviour: Behaviour, alert: int
) -> bool:
    """Play the behaviours that end before TLS is up; False where TLS is to be spoken."""
    match behaviour:
        case Behaviour.RESET:
            reset(writer.transport)
        case Behaviour.RESET_AFTER_HELLO:
            await first_record(reader)
            reset(writer.transport)
        case Behaviour.CLOSE_AFTER_HELLO:
            await first_record(reader)
        case Behaviour.STALLED:
            await hold(reader)
        case Behaviour.ALERT:
            hello = await first_record(reader)
            if hello[:1] == b"\x16":
                # alert record, version as in the client's record, two bytes: fatal, description
                writer.write(b"\x15" + hello[1:3] + b"\x00\x02\x02" + bytes([alert]))
                await writer.drain()
        case Behaviour.BANNER:
            writer.write(BANNER)
            await writer.drain()
            await first_record(reader)
            writer.write(b"500 command unrecognized\r\n")
            await writer.drain()
        case _:
            return False
    return True


async def spoils_http(stream: http.Stream, behaviour: Behaviour) -> bool:
    """Play the behaviours in place of an answer to a request; False where it is to be answered."""
    match behaviour:
        case Behaviour.HTTP_SILENT:
            await hold(stream)
        case Behaviour.HTTP_GARBAGE:
            await stream.write(bytes(range(128, 256)) + b"\r\n\r\n")
            await stream.say_goodbye()
        case Behaviour.HTTP_BROKEN:
            whole = http.response(200, (("Content-Type", "text/html"),), b"<HTML>" + b" " * 4096)
            await stream.write(whole[: len(whole) // 2])
        case _:
            return False
    return True


async def hold(stream: asyncio.StreamReader | http.Stream) -> None:
    """Read and never answer, until the other side gives up."""
    async with asyncio.timeout(HOLD_S):
        while await stream.read(16384):
            pass


async def first_record(reader: asyncio.StreamReader) -> bytes:
    """Return the first TLS record (or whatever comes first where it is none)."""
    async with asyncio.timeout(HELLO_S):
        data = b""
        while not whole(data) and (more := await reader.read(RECORD_LIMIT)):
            data += more
    return data
