"""Other clients of the balancer: real connections at random moments, from an address of their own."""

from __future__ import annotations

import asyncio
import random

from semscheck.lab.balancers.outgoing import bound_socket
from semscheck.lab.members.listener import abort
from semscheck.lab.members.tls import TlsStream, client_context
from semscheck.lab.place import Endpoint
from semscheck.lab.truth import Ledger

ONE_VISIT_S = 5.0
MAX_VISITS = 32  # at once
_REQUEST = "GET /b/l.e HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"


class Crowd:
    """Visits the balancer as a Poisson process until closed."""

    def __init__(self, balancer: Endpoint, source: str, fqdn: str, seed: int, ledger: Ledger) -> None:
        self.rate_per_s = 0.0
        self._balancer = balancer
        self._source = source
        self._fqdn = fqdn
        self._random = random.Random(f"{seed} other clients")
        self._ledger = ledger
        self._context = client_context()
        self._visits: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to visit."""
        self._task = asyncio.get_running_loop().create_task(self._come_and_go())

    async def close(self) -> None:
        """Stop, visits under way included."""
        tasks = [*self._visits, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _come_and_go(self) -> None:
        while True:
            if self.rate_per_s <= 0:
                await asyncio.sleep(0.1)
                continue
            await asyncio.sleep(self._random.expovariate(self.rate_per_s))
            if len(self._visits) < MAX_VISITS:
                visit = asyncio.get_running_loop().create_task(self._visit())
                self._visits.add(visit)
                visit.add_done_callback(self._visits.discard)

    async def _visit(self) -> None:
        sock, address = bound_socket(self._source, self._ledger.others.add)
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(ONE_VISIT_S):
                loop = asyncio.get_running_loop()
                await loop.sock_connect(sock, (self._balancer.address, self._balancer.port))
                reader, writer = await asyncio.open_connection(sock=sock)
                stream = TlsStream(reader, writer, self._context, server_hostname=self._fqdn)
                await stream.handshake()
                await stream.write(_REQUEST.format(host=self._fqdn).encode())
                while await stream.read():
                    pass
        except (OSError, TimeoutError):
            pass
        finally:
            if writer is not None:
                abort(writer.transport)
            sock.close()
            self._ledger.others.discard(address)
