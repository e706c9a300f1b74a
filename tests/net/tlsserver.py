"""TLS servers in the test's own loop, on loopback and a free port, with certificates made on the spot."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from semscheck.net.backend import SocketDialler, real_backend
from semscheck.net.tls import Tls, Watch
from semscheck.net.tls_contexts import Contexts, seeing
from semscheck.probes.certificates import record_chain
from semscheck.probes.endpoint import Destination, ProbeContext
from semscheck.probes.recorder import Recorder
from tests.rig.certs import Authority, Issued

HERE = "127.0.0.1"
FQDN = "keys.example.test"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@cache
def authority() -> Authority:
    return Authority.root("Example Test Root")


@cache
def certificate() -> Issued:
    return authority().issue(FQDN)


def server_context(
    issued: Issued | None = None,
    *,
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ciphers: str | None = None,
    ask_for_certificate: bool = False,
    alpn: tuple[str, ...] = (),
    tickets: int = 2,
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers is not None:
        context.set_ciphers(ciphers)
    context.minimum_version, context.maximum_version = oldest, newest
    context.num_tickets = tickets
    with TemporaryDirectory() as folder:
        files = (issued or certificate()).write(Path(folder))
        context.load_cert_chain(files.chain, files.key)
        if ask_for_certificate:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cafile=str(authority().write(Path(folder), "ca")))
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server with one handler; gives its port. context: None for no TLS."""
    ended: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ended.add(task)
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, HERE, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext | None = None, *, name: str | None = FQDN, watch: Watch | None = None
) -> AsyncIterator[Tls]:
    """A TLS connection of ours, with the handshake made."""
    stream = await SocketDialler().connect(HERE, port)
    tls = Tls(stream, context or seeing(), name, watch=watch)
    try:
        async with asyncio.timeout(60):
            await tls.handshake()
        yield tls
    finally:
        tls.close()


def probe(timeout_s: float = 20.0, ca_file: str | None = None) -> ProbeContext:
    backend = real_backend(1)
    return ProbeContext(backend, Recorder(backend.clock), Contexts(ca_file), timeout_s, "test", record_chain)


def destination(port: int, host: str = FQDN) -> Destination:
    return Destination(HERE, port, host)


async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing, until the client leaves."""
    await reader.read()
