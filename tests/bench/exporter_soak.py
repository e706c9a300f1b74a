"""The exporter's memory over 2,000 probes. Takes about ten minutes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.bench.exporter import clusters, exporter
from tests.bench.figure import Figure

PROBES = 2000
FILLED = 600  # by then the 500 reports that are kept are there
AT_ONCE = 4


def figures() -> Iterator[Figure]:
    with clusters(20) as played, exporter(played.config) as served, ThreadPoolExecutor(AT_ONCE) as pool:
        sizes: dict[int, float] = {}
        fds: dict[int, float] = {}
        done = 0
        while done < PROBES:
            list(pool.map(served.scrape, [f"keys{number % 20}" for number in range(200)]))
            done += 200
            sizes[done] = served.metric("process_resident_memory_bytes") / 2**20
            fds[done] = served.metric("process_open_fds")
    course = ", ".join(f"{size:.0f}" for size in sizes.values())
    yield Figure(
        name="exporter: memory after 2,000 probes",
        value=sizes[PROBES],
        unit="MiB",
        note=f"every 200: {course}",
    )
    yield Figure(
        name="exporter: memory grown over the last 1,400 probes",
        value=sizes[PROBES] / sizes[FILLED] * 100 - 100,
        limit=5,
        unit="%",
    )
    yield Figure(name="exporter: descriptors grown over 1,800 probes", value=fds[PROBES] - fds[200], limit=5)
