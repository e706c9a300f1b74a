"""After a failed handshake, other ClientHellos: a relay that refuses one kind of them shows which it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from semscheck.analysis.contrast import contrasts
from semscheck.analysis.endpoints import places
from semscheck.model.analysis import DnsAnalysis, Separation
from semscheck.model.observations import Handshake
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Target
from semscheck.probes.endpoint import LADDER, probe_endpoint
from tests.net.tlsserver import FQDN, HERE, destination, probe, quiet, server_context, serving

SUPPORTED_VERSIONS = b"\x00\x2b\x00"  # the extension that offers TLS 1.3, and its length's first byte
Refuses = Callable[[bytes], bool]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def relay(refuses: Refuses) -> AsyncIterator[int]:
    """The port of a middlebox in front of a TLS server: it ends connections by their first record."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(5)
        hello = head + await reader.readexactly(int.from_bytes(head[3:5]))
        if refuses(hello):
            return
        onward, back = await asyncio.open_connection(HERE, behind)
        back.write(hello)
        await asyncio.gather(_pump(reader, back), _pump(onward, writer))

    async with serving(quiet, server_context()) as behind, serving(handle, None) as port:
        yield port


async def refused(refuses: Refuses, times: int = 1) -> tuple[list[str], list[Handshake]]:
    """What the contrast says is refused, and the handshakes of the ladder."""
    async with relay(refuses) as port:
        context = probe()
        for _ in range(times):
            await probe_endpoint(context, destination(port))
    seen = context.record.observations
    snapshot = Snapshot(
        target=Target(FQDN, port=port),
        run=Run(id="r", started=context.backend.clock.utc()),
        observations=seen,
    )
    found = contrasts(snapshot, places(snapshot, DnsAnalysis(addresses=(HERE,))))
    ladder = [o for o in seen if isinstance(o, Handshake) and o.offered in LADDER]
    return [each.by for each in found if each.separates is Separation.HELLO], ladder


@pytest.mark.parametrize(
    ("refuses", "by"),
    [
        (lambda hello: b"http/1.1" in hello, "alpn"),
        (lambda hello: FQDN.encode() in hello, "name"),
        (lambda hello: len(hello) - 5 >= 256 or len(hello) - 5 < 100, "size"),
        (lambda hello: SUPPORTED_VERSIONS in hello, "version"),
    ],
    ids=["alpn", "name", "size", "version"],
)
async def test_what_is_refused(refuses: Refuses, by: str) -> None:
    told, ladder = await refused(refuses)
    assert told == [by]
    assert {shake.offered for shake in ladder} == set(LADDER)


async def test_where_everything_is_refused_nothing_separates_and_it_is_asked_once() -> None:
    told, ladder = await refused(lambda hello: True, times=2)
    assert told == []
    assert len(ladder) == len(LADDER)


@pytest.mark.slow
async def test_where_nothing_is_refused_there_is_no_ladder() -> None:
    async with serving(quiet, server_context()) as port:
        context = probe(timeout_s=1)
        await probe_endpoint(context, destination(port))
    shakes = [o for o in context.record.observations if isinstance(o, Handshake)]
    assert shakes
    assert not [shake for shake in shakes if shake.offered in LADDER]
