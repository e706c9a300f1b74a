"""The routes, as an ASGI application. Answers are small and whole; nothing here is streamed.

| route | answers |
|---|---|
| `/probe?target=NAME` | the target's metrics |
| `/metrics` | the exporter's own |
| `/` | recent runs |
| `/report?target=NAME` | the target's last run as a page |
| `/reports/ID.html`, `/reports/ID.json` | a run's evidence |
| `/-/healthy`, `/-/ready` | 200 |
| `/-/reload` (POST) | reads the configuration again, where that is allowed |
"""

from __future__ import annotations

import asyncio
import math
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl

from semscheck.exporter import probe_metrics as answer
from semscheck.exporter import status
from semscheck.exporter.history import History
from semscheck.exporter.metrics import OwnMetrics
from semscheck.exporter.runs import Cause, Outcome, Runs
from semscheck.exporter.settings import Settings
from semscheck.model.names import is_address
from semscheck.report.escape import one_line, terminal
from semscheck.report.html.style import policy

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
TIMEOUT_HEADER = b"x-prometheus-scrape-timeout-seconds"
LONGEST_TIMEOUT_S = 3600.0
COMPRESS_FROM = 1024  # bytes; below, the saving is not worth a millisecond


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """headers: lower case; the last of a repeated one."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)


class RefusalError(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: int, words: str, *headers: tuple[str, str]) -> None:
        super().__init__(words)
        self.answer = Answer(status, (terminal(words) + "\n").encode(), headers=headers)


@dataclass(slots=True)
class App:
    """What is behind the routes; `settings` is replaced as a whole by a reload.

    reload: reads the configuration again and gives the error's words, None for success.
    html: a report (JSON) as a page; blocks, so it runs in a thread.
    """

    settings: Settings
    runs: Runs
    history: History
    metrics: OwnMetrics
    reload: Callable[[], Awaitable[str | None]]
    html: Callable[[bytes], str]
    stopping: bool = False
    painting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope["method"], scope["path"], scope["query_string"], dict(scope["headers"]))
        route, handle = self._route(request.path)
        try:
            _check_host(request, scope.get("server"), self.settings.web.hosts)
            if route not in ("/-/reload", "other"):
                _only_read(request)
            result = await handle(request)
        except RefusalError as refusal:
            result = refusal.answer
        self.metrics.requests.labels(route, result.status).inc()
        await respond(send, request, result)

    def _route(self, path: str) -> tuple[str, Callable[[Request], Awaitable[Answer]]]:
        """The route's name as a label, bounded whatever is asked for, and what answers it."""
        if path.startswith("/reports/"):
            return "/reports", self._report
        routes = {
            "/probe": self._probe,
            "/metrics": self._own,
            "/": self._page,
            "/report": self._last_report,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            "/-/reload": self._reload_now,
        }
        found = routes.get(path)
        return (path, found) if found is not None else ("other", self._unknown)

    # --- the routes ----------------------------------------------------------------------------------------

    async def _probe(self, request: Request) -> Answer:
        name = _target_name(request.query)
        target = self.settings.targets.get(name)
        if target is None:
            raise RefusalError(
                404, f'no target is called "{one_line(name, 128)}"; / shows those of the configuration'
            )
        timeout_s = _timeout(request.headers)
        self._check_open()
        asked_s = asyncio.get_running_loop().time()
        outcome = await self.runs.probe(name, target, timeout_s)
        self.metrics.scrapes.labels(_result(outcome)).inc()
        if outcome.error is not None:
            return Answer(500, f"{one_line(outcome.error, 1000)}\n".encode())
        text = answer.exposition(outcome)
        if timeout_s is not None and asyncio.get_running_loop().time() - asked_s > timeout_s:
            self.metrics.late.inc()
        return Answer(200, text.encode(), EXPOSITION)

    async def _own(self, request: Request) -> Answer:
        return Answer(200, self.metrics.text(), EXPOSITION)

    async def _page(self, request: Request) -> Answer:
        return _page(status.page(self.settings.targets, self.history, self.runs))

    async def _report(self, request: Request) -> Answer:
        named = _REPORT.fullmatch(request.path)
        evidence = self.history.evidence(named["id"]) if named is not None else None
        if named is None or evidence is None:
            raise RefusalError(404, "this report is not kept (any more)")
        if named["form"] == "json":
            return Answer(200, evidence, JSON)
        return await self._painted(evidence)

    async def _last_report(self, request: Request) -> Answer:
        evidence = self.history.last_report(_target_name(request.query))
        if evidence is None:
            raise RefusalError(404, "no report of this target is kept")
        return await self._painted(evidence)

    async def _painted(self, evidence: bytes) -> Answer:
        async with self.painting:
            return _page(await asyncio.to_thread(self.html, evidence))

    async def _healthy(self, request: Request) -> Answer:
        return Answer(200, b"The exporter is healthy.\n")

    async def _ready(self, request: Request) -> Answer:
        self._check_open()
        return Answer(200, b"The exporter is ready.\n")

    async def _reload_now(self, request: Request) -> Answer:
        if request.method != "POST":
            raise RefusalError(405, "POST reloads the configuration", ("Allow", "POST"))
        if not self.settings.web.reload:
            raise RefusalError(403, "reloading over HTTP is not enabled (web.reload); SIGHUP does it")
        if request.headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            raise RefusalError(403, "another site's page may not reload the configuration")
        problem = await self.reload()
        if problem is not None:
            raise RefusalError(500, f"the old configuration stays: {one_line(problem, 1000)}")
        return Answer(200, b"The configuration was read again.\n")

    def _check_open(self) -> None:
        if self.stopping:
            raise RefusalError(503, "the exporter is shutting down")

    async def _unknown(self, request: Request) -> Answer:
        raise RefusalError(404, "there is /, /probe?target=NAME, /metrics, /-/healthy and /-/ready")


_REPORT = re.compile(r"/reports/(?P<id>[0-9a-f]{1,64})\.(?P<form>html|json)", re.ASCII)


def _result(outcome: Outcome) -> str:
    if outcome.error is not None:
        return "error"
    if outcome.cut is Cause.QUEUE:
        return "queue"
    return "shared" if outcome.shared else "own"


def _check_host(request: Request, server: tuple[str, int] | None, hosts: Iterable[str]) -> None:
    """On loopback, refuse a name that somebody else may own: a page of theirs makes it lead here and reads the answer
    (DNS rebinding). Addresses, names of one label and the configuration's own are nobody else's."""
    if server is None or not _is_loopback(server[0]):
        return
    given = request.headers.get(b"host", b"").decode("latin-1").lower()
    name = re.sub(r":\d*$", "", given).strip("[].") or "localhost"
    ours = {host.lower().rstrip(".") for host in hosts}
    if "." in name and name not in ours and not name.endswith(".localhost") and not is_address(name):
        raise RefusalError(
            421, f'"{one_line(name, 128)}" is no name of this exporter; web.hosts lists its names'
        )


def _is_loopback(text: str) -> bool:
    return is_address(text) and ip_address(text).is_loopback


def _only_read(request: Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise RefusalError(405, f"{request.path} is read with GET", ("Allow", "GET, HEAD"))


def _target_name(query: bytes) -> str:
    """The one parameter, once. Raises RefusalError."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=8,
        )
    except (ValueError, UnicodeError):
        raise RefusalError(400, "the query is not /probe?target=NAME") from None
    unknown = [key for key, _ in pairs if key != "target"]
    if unknown:
        raise RefusalError(400, f'unknown parameter "{one_line(unknown[0], 80)}"; there is target alone')
    if not pairs:
        raise RefusalError(400, "a target is needed: /probe?target=NAME")
    if len(pairs) != 1:
        raise RefusalError(400, "the parameter target is there more than once; one is needed")
    if not pairs[0][1]:
        raise RefusalError(400, "the parameter target is empty")
    return pairs[0][1]


def _timeout(headers: dict[bytes, bytes]) -> float | None:
    """The scrape's time-out in seconds, None where the client did not say. Raises RefusalError."""
    given = headers.get(TIMEOUT_HEADER)
    if given is None:
        return None
    try:
        seconds = float(given.decode("ascii")) if len(given) < 40 else math.nan
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds <= 0:
        raise RefusalError(400, "X-Prometheus-Scrape-Timeout-Seconds is no number of seconds")
    return min(seconds, LONGEST_TIMEOUT_S)


def _page(html: str) -> Answer:
    return Answer(200, html.encode(), HTML, (("Content-Security-Policy", policy()),))


async def respond(send: Send, request: Request, result: Answer) -> None:
    """Send an answer, compressed where the client takes that and it is worth it."""
    body = result.body
    headers = [
        ("Content-Type", result.content_type),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        *result.headers,
    ]
    if len(body) >= COMPRESS_FROM:
        headers.append(("Vary", "Accept-Encoding"))
        if _takes_gzip(request.headers.get(b"accept-encoding", b"")):
            body = _gzip(body)
            headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    await send({"type": "http.response.start", "status": result.status, "headers": list(_encoded(headers))})
    await send({"type": "http.response.body", "body": body})


def _encoded(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers)


def _takes_gzip(accepts: bytes) -> bool:
    """Whether gzip is named and not refused with q=0 (RFC 9110 section 12.5.3)."""
    for part in accepts.lower().split(b","):
        coding, _, weight = part.partition(b";")
        if coding.strip() == b"gzip":
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()
