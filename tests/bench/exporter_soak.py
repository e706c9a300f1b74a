"""The exporter's memory and latency over 2,000 probes, with clients of all kinds beside. Takes about ten minutes."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from tests.bench.exporter import Served, clusters, exporter
from tests.bench.figure import Figure

PROBES = 2000
FIRST = 100
AT_ONCE = 4
# What nobody wants: silence, half a request, none at all, a body that is none, no patience.
BESIDE = (
    b"",
    b"GET /probe?tar",
    b"\x16\x03\x01\x02\x00\x01",
    b"PUT /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /probe?target=keys0 HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 0.05\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
)


def figures() -> Iterator[Figure]:
    with clusters(20) as played, exporter(played.config) as served, ThreadPoolExecutor(AT_ONCE) as pool:
        sizes: list[float] = []
        took_s: list[list[float]] = []
        fds: list[float] = []
        with _others(served):
            for _ in range(PROBES // FIRST):
                names = [f"keys{number % 20}" for number in range(FIRST)]
                took_s.append(list(pool.map(lambda name: _timed(served, name), names)))
                sizes.append(served.metric("process_resident_memory_bytes") / 2**20)
                fds.append(served.metric("process_open_fds"))
    course = ", ".join(f"{size:.0f}" for size in sizes[:: PROBES // FIRST // 10])
    yield Figure(
        name="exporter: memory after 2,000 probes", value=sizes[-1], unit="MiB", note=f"every 200: {course}"
    )
    grown = sizes[-1] / sizes[0] * 100 - 100
    yield Figure(name="exporter: memory grown since the first 100 probes", value=grown, limit=5, unit="%")
    first, last = statistics.median(took_s[0]), statistics.median(took_s[-1])
    yield Figure(
        name="exporter: a probe at the end against the first 100",
        value=last / first,
        limit=1.5,
        unit="x",
        note=f"median {first * 1000:.0f} and {last * 1000:.0f} ms",
    )
    yield Figure(name="exporter: descriptors grown over 1,900 probes", value=fds[-1] - fds[0], limit=40)


def _timed(served: Served, name: str) -> float:
    began = time.perf_counter()
    served.scrape(name)
    return time.perf_counter() - began


@contextmanager
def _others(served: Served) -> Iterator[None]:
    """A new client twenty times a second, some of which stay."""
    ended = threading.Event()
    host, _, port = served.url.removeprefix("http://").rpartition(":")

    def come() -> None:
        kept: list[socket.socket] = []
        number = 0
        while not ended.wait(0.05):
            number += 1
            with suppress(OSError):
                client = socket.create_connection((host, int(port)), timeout=2)
                client.sendall(BESIDE[number % len(BESIDE)])
                kept.append(client)
            for old in kept[:-20]:
                old.close()
            del kept[:-20]

    thread = threading.Thread(target=come)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
