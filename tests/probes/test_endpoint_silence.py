"""A connection that is made and then silent is asked again beside it: others behind the address may serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from semscheck.model.failure import Cause
from semscheck.model.observations import Connection, Handshake
from semscheck.net.backend import real_backend
from semscheck.net.tls_contexts import Contexts
from semscheck.probes import endpoint
from semscheck.probes.certificates import record_chain
from semscheck.probes.endpoint import Destination, ProbeContext, probe_endpoint
from semscheck.probes.recorder import Recorder

STEP_S = 0.6


@asynccontextmanager
async def pool(silent: int) -> AsyncIterator[int]:
    """The port of a server that never answers its first connections, and speaks no TLS on the others."""
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        if accepted <= silent:
            while await reader.read(4096):
                pass
        else:
            await reader.read(4096)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def seen(port: int, *, web: bool = True) -> tuple[list[Connection], list[Handshake]]:
    backend = real_backend(1)
    record = Recorder(backend.clock)
    probe = ProbeContext(backend, record, Contexts(None), STEP_S, "test", record_chain)
    await probe_endpoint(probe, Destination("127.0.0.1", port, "keys.example.test", web=web))
    assert all(room._value == 8 for room in probe.places._rooms.values()), "a connection was not given back"
    made = [each for each in record.observations if isinstance(each, Connection)]
    shaken = [each for each in record.observations if isinstance(each, Handshake)]
    return made, shaken


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "SILENT_S", 0.05)


async def test_what_another_connection_meets_is_taken() -> None:
    async with pool(silent=1) as port:
        made, shaken = await seen(port)
    assert len(made) >= 2
    causes = {shake.failure.cause for shake in shaken if shake.failure is not None}
    assert causes
    assert Cause.STALLED not in causes


@pytest.mark.slow
async def test_silence_throughout_is_told_after_three() -> None:
    async with pool(silent=99) as port:
        made, shaken = await seen(port)
    assert len(made) == endpoint.SILENT_TRIES + len(endpoint.LADDER)
    usual = [shake for shake in shaken if shake.offered is None]
    assert [shake.failure.cause for shake in usual if shake.failure is not None] == [Cause.STALLED] * 3


async def test_interface_1_is_asked_once_since_no_pool_stands_behind_it() -> None:
    async with pool(silent=99) as port:
        made, shaken = await seen(port, web=False)
    assert len(made) == len(shaken) == 1
