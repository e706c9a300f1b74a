"""An exporter to test: in this loop with runs that are played, or the real command in a process of its own."""

from __future__ import annotations

import asyncio
import ssl
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from semscheck.cli.commands.exporter import doors as real_doors
from semscheck.exporter.runners import Runners
from semscheck.exporter.service import Exporter
from semscheck.model.events import Listener, Observed, Started
from semscheck.model.observations import AnyObservation, Cut, Step
from semscheck.model.report import Report
from semscheck.model.target import Target
from tests.report import reports

DEADLINE_S = 60.0


@dataclass
class Play:
    """Runs that are played. A held one waits for `go`, its deadline or a cancel, as the engine would."""

    report: Report = field(default_factory=reports.round_robin)
    hold: bool = False
    deaf: bool = False  # held beyond its deadline too
    held: frozenset[str] = frozenset()  # names of FQDNs whose runs are held
    error: Exception | None = None
    runs: list[Target] = field(default_factory=list)
    most: int = 0
    said: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    _running: int = 0

    def doors(self) -> Runners:
        return replace(real_doors(), check=self.check, say=self.said.append)

    async def check(self, target: Target, *, listener: Listener, cancel: asyncio.Event) -> Report:
        self.runs.append(target)
        self._running += 1
        self.most = max(self.most, self._running)
        try:
            return await self._check(target, listener, cancel)
        finally:
            self._running -= 1

    async def _check(self, target: Target, listener: Listener, cancel: asyncio.Event) -> Report:
        run = replace(self.report.run, id=f"{len(self.runs):04x}")
        listener(Started(target, run))
        for seen in self.report.observations[:5]:
            listener(Observed(seen))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        report = replace(self.report, run=run, target=target)
        if not (self.hold or target.fqdn in self.held):
            return report
        waits = {asyncio.create_task(self.go.wait()), asyncio.create_task(cancel.wait())}
        patience = None if self.deaf else target.limits.deadline_s
        await asyncio.wait(waits, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self.go.is_set():
            return report
        cut = Cut(
            id="cut",
            at_s=target.limits.deadline_s,
            elapsed_s=None,
            reason="cancelled" if cancel.is_set() else "deadline",
            unfinished=("names", "connections to 192.0.2.1", "keys.example.com at 192.0.2.1:443"),
            steps=(Step.NAMES, Step.CONNECTIONS, Step.ADDRESSES),
        )
        seen_so_far: tuple[AnyObservation, ...] = (*report.observations[:5], cut)
        return replace(report, observations=seen_so_far)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def value(self, series: str) -> float | None:
        """The value of a series, written as in the text format; None if it is not there."""
        for line in self.text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == series:
                return float(value)
        return None


@dataclass(frozen=True, slots=True)
class Client:
    """Asks an exporter, one connection a request."""

    host: str
    port: int
    context: ssl.SSLContext | None = None
    server_hostname: str = "exporter.example.test"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = self.server_hostname if self.context is not None else None
        return await asyncio.open_connection(
            self.host, self.port, ssl=self.context, server_hostname=name, limit=8 * 1024 * 1024
        )

    async def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
        given = {"Host": "exporter", "Connection": "close", **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return await self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))

    async def raw(self, request: bytes) -> Reply:
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await self.connect()
            try:
                writer.write(request)
                return reply(await reader.read())
            finally:
                writer.close()

    async def probe(self, name: str = "keys", timeout_s: float | None = None) -> Reply:
        headers = {} if timeout_s is None else {"X-Prometheus-Scrape-Timeout-Seconds": f"{timeout_s}"}
        return await self.get(f"/probe?target={quote(name)}", headers)


def reply(data: bytes) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("content-encoding") == "gzip":
        body = zlib.decompress(body, 16 + zlib.MAX_WBITS)
    return Reply(int(first.split(" ")[1]) if first else 0, headers, body)


def write_config(
    directory: Path,
    more: str = "",
    *,
    names: Sequence[str] = ("keys",),
    web: str = "",
    probe: str = "reuse_s = 0",
) -> Path:
    """A configuration with a profile for each name. web, probe: lines of those tables; more: further tables."""
    targets = []
    for name in names:
        profile = directory / f"{name}.toml"
        profile.write_text(f'[target]\nfqdn = "{name}.example.com"\n')
        targets.append(f'"{name}" = "{profile.name}"')
    path = directory / "exporter.toml"
    path.write_text(
        "\n".join(
            ["[web]", 'listen = ["127.0.0.1:0"]', web, "[probe]", probe, "[targets]", *targets, more, ""]
        )
    )
    return path


@asynccontextmanager
async def serving(config: Path, play: Play) -> AsyncIterator[tuple[Exporter, Client]]:
    async with Exporter(config, play.doors()) as exporter:
        at = exporter.addresses[0]
        yield exporter, Client(at.host, at.port)


def refused(exporter: Exporter, reason: str) -> float | None:
    """Connections that the exporter ended for this reason."""
    return exporter.metrics.value("semscheck_exporter_http_connections_refused_total", reason=reason)


async def until(what: Callable[[], object], seconds: float = DEADLINE_S) -> None:
    """Wait until a function gives true."""
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


COMMAND = (sys.executable, "-m", "semscheck", "exporter")
