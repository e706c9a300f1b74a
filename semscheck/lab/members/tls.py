"""TLS for both ends of the lab: contexts as a world declares them, and a stream that shows every step.

The stream runs OpenSSL over memory buffers above a plain asyncio stream, so that a member can look at the raw bytes
first, reset, stall or break off at any point, and send or omit close_notify on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from pathlib import Path

from semscheck.lab.members.certificates import Forge
from semscheck.lab.world import Certificate, Resumption, Tls, Version

READ_SIZE = 16384
_VERSIONS = {
    Version.TLS1_0: ssl.TLSVersion.TLSv1,
    Version.TLS1_1: ssl.TLSVersion.TLSv1_1,
    Version.TLS1_2: ssl.TLSVersion.TLSv1_2,
    Version.TLS1_3: ssl.TLSVersion.TLSv1_3,
}


class Contexts:
    """Makes the server contexts of one lab. Ends of one ticket group get the same object, hence the same keys."""

    def __init__(self, forge: Forge, directory: Path) -> None:
        self._forge = forge
        self._directory = directory
        self._files: dict[Certificate, tuple[Path, Path]] = {}
        self._shared: dict[tuple[str, Certificate, Tls], ssl.SSLContext] = {}

    def server(self, certificate: Certificate, tls: Tls) -> ssl.SSLContext:
        """Return a context for one end: its own, unless it belongs to a ticket group."""
        if tls.ticket_group is None:
            return self._make(certificate, tls)
        key = (tls.ticket_group, certificate, tls)
        if key not in self._shared:
            self._shared[key] = self._make(certificate, tls)
        return self._shared[key]

    def _make(self, certificate: Certificate, tls: Tls) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT@SECLEVEL=0")  # weak keys and old versions are there to be found
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1 are meant
            context.minimum_version = _VERSIONS[tls.oldest]
            context.maximum_version = _VERSIONS[tls.newest]
        context.options |= ssl.OP_NO_COMPRESSION
        if tls.resumption is not Resumption.TICKETS:
            context.options |= ssl.OP_NO_TICKET
        if tls.resumption is Resumption.NONE:
            context.num_tickets = 0
        if tls.groups is not None:
            context.set_ecdh_curve(tls.groups)
        if tls.alpn:
            context.set_alpn_protocols(list(tls.alpn))
        context.load_cert_chain(*self._paths(certificate))
        if tls.asks_client_certificate:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self._directory / "ca.pem")
        if tls.without_sni is not None:
            _present_without_sni(context, self._make(tls.without_sni, Tls()))
        return context

    def _paths(self, certificate: Certificate) -> tuple[Path, Path]:
        if certificate not in self._files:
            issued = self._forge.issue(certificate)
            stem = f"leaf{len(self._files)}"
            chain, key = self._directory / f"{stem}.pem", self._directory / f"{stem}.key"
            chain.write_bytes(issued.chain_pem)
            key.touch(mode=0o600)
            key.write_bytes(issued.key_pem)
            self._files[certificate] = (chain, key)
        return self._files[certificate]


def _present_without_sni(context: ssl.SSLContext, other: ssl.SSLContext) -> None:
    """Have `context` present `other`'s certificate to a client that names no server."""

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name is None:
            connection.context = other

    context.sni_callback = choose


def client_context() -> ssl.SSLContext:
    """Return a context for the balancer's own connections to members: no judgement of trust, as most are set."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


class TlsStream:
    """One TLS connection over an asyncio stream, either side. Raises OSError (ssl.SSLError) as TLS fails."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        late_tickets: bool = False,
    ) -> None:
        """late_tickets: as a server, send those of TLS 1.3 with the first answer."""
        self._reader = reader
        self._writer = writer
        self._late_tickets = late_tickets
        self._held_back = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=context.protocol == ssl.PROTOCOL_TLS_SERVER,
            server_hostname=server_hostname,
        )

    async def handshake(self) -> None:
        """Complete the handshake; on failure the alert is sent before the error is raised."""
        while True:
            try:
                self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()
                raise
            else:
                self._held_back = self._late_tickets and self._ssl.version() == Version.TLS1_3
                await self._flush()
                return

    async def read(self, size: int = READ_SIZE) -> bytes:
        """Return some decrypted bytes, b"" at the end (orderly or not)."""
        while True:
            try:
                return self._ssl.read(size)
            except ssl.SSLWantReadError:
                await self._exchange()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def write(self, data: bytes) -> None:
        """Encrypt and send, waiting while the other side does not take it."""
        if data:
            self._held_back = False
            self._ssl.write(data)  # a memory buffer takes everything at once
            await self._flush()

    async def say_goodbye(self) -> None:
        """Send close_notify; the other side's is not waited for (RFC 8446 section 6.1)."""
        with contextlib.suppress(OSError):
            with contextlib.suppress(ssl.SSLError):
                self._ssl.unwrap()
            await self._flush()

    async def _exchange(self) -> None:
        await self._flush()
        data = await self._reader.read(READ_SIZE)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending and not self._held_back:
            self._writer.write(self._outgoing.read())
            await self._writer.drain()
