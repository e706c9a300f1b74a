"""The exporter: CPU of a probe against the run inside it, 200 targets on one core, memory, and blackbox_exporter.

`python -m tests.bench exporter` takes about three minutes; `exporter_soak` probes 2,000 times.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figure import ROOT, Figure, environment
from tests.rig.net import unused_port

TARGETS = 200
INTERVAL_S = 60.0  # a fifth of the five minutes that are promised, so that the load is five times as high
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Clusters:
    config: Path
    member: str
    port: int


@dataclass(frozen=True, slots=True)
class Served:
    """An exporter in a process of its own, on one core."""

    url: str

    def scrape(self, target: str) -> str:
        return self._get(f"/probe?target={target}", {"X-Prometheus-Scrape-Timeout-Seconds": f"{TIMEOUT_S}"})

    def metric(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self._get("/metrics"), re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    def _get(self, path: str, headers: dict[str, str] | None = None) -> str:
        request = urllib.request.Request(self.url + path, headers=headers or {})
        with urllib.request.urlopen(request, timeout=120) as answer:
            text: str = answer.read().decode()
            return text


@contextmanager
def process(
    *arguments: str, core: int | None = None, errors: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        arguments,
        env=environment(),
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(child.pid, {core % (os.cpu_count() or 1)})
    try:
        yield child
    finally:
        child.terminate()
        child.communicate()


@contextmanager
def clusters(number: int) -> Iterator[Clusters]:
    with (
        tempfile.TemporaryDirectory() as directory,
        process(sys.executable, "-m", "tests.bench.clusters", str(number), directory, core=1) as child,
    ):
        assert child.stdout is not None
        said = json.loads(child.stdout.readline())
        yield Clusters(Path(said["config"]), said["member"], said["port"])


@contextmanager
def exporter(config: Path) -> Iterator[Served]:
    """Its log is read until the end: a full pipe would stop it."""
    command = (sys.executable, "-m", "semscheck", "exporter", "--config", str(config))
    with process(*command, core=0, errors=subprocess.PIPE) as child:
        assert child.stderr is not None
        found = re.search(r"http://[^/]+", child.stderr.readline())
        assert found is not None
        threading.Thread(target=child.stderr.read, daemon=True).start()
        yield Served(found[0])


def bare(config: Path, rounds: int) -> dict[str, float]:
    with process(sys.executable, "-m", "tests.bench.bare_runs", str(config), str(rounds), core=0) as child:
        out, _ = child.communicate(timeout=900)
    found: dict[str, float] = json.loads(out)
    return found


# --- what is measured --------------------------------------------------------------------------------------


def figures() -> Iterator[Figure]:
    with ExitStack() as stack:
        few = stack.enter_context(clusters(10))
        served = stack.enter_context(exporter(few.config))
        through, inside = _overhead(served, few)
        yield Figure(name="exporter: CPU of a probe", value=1000 * through, unit="ms", note="10 connections")
        yield Figure(
            name="exporter: CPU of a probe to that of the run inside",
            value=through / inside["cpu_s"],
            limit=1.1,
        )
        per = 1000 * inside["cpu_s"] / inside["handshakes"]
        note = f"{inside['handshakes']:.0f} handshakes a run, DNS, HTTP, certificates, judging"
        yield Figure(name="exporter: CPU of a run per TLS handshake", value=per, unit="ms", note=note)
        yield Figure(name="blackbox_exporter: CPU of a probe (one TLS handshake)", **_blackbox(few))
    yield from _many()


def _overhead(served: Served, few: Clusters) -> tuple[float, dict[str, float]]:
    """CPU seconds of a probe through the exporter and of a bare run, the least of rounds that take turns."""
    names = [f"keys{index}" for index in range(10)]
    for name in names[:3]:
        served.scrape(name)
    through, insides = [], []
    for _ in range(4):
        before = served.metric("process_cpu_seconds_total")
        for name in names * 2:
            served.scrape(name)
        through.append((served.metric("process_cpu_seconds_total") - before) / (2 * len(names)))
        insides.append(bare(few.config, 2))
    return min(through), min(insides, key=lambda one: one["cpu_s"])


def _blackbox(few: Clusters) -> dict[str, float | str | None]:
    """CPU of blackbox_exporter's tcp_connect with TLS, to the same members."""
    program = shutil.which("prometheus-blackbox-exporter")
    if program is None:
        return {"value": None, "note": "prometheus-blackbox-exporter is not installed"}
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "blackbox.yml"
        tls = "tls: true, tls_config: {insecure_skip_verify: true}"
        config.write_text(f"modules: {{tls: {{prober: tcp, timeout: 5s, tcp: {{{tls}}}}}}}\n")
        port = unused_port()
        command = (
            program,
            f"--config.file={config}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        )
        with process(*command, core=0, errors=subprocess.DEVNULL):
            served = Served(f"http://127.0.0.1:{port}")
            _await(served)
            path = f"/probe?module=tls&target={few.member}:{few.port}"
            assert "probe_success 1" in served._get(path)
            before = served.metric("process_cpu_seconds_total")
            probes = 500
            for _ in range(probes):
                served._get(path)
            took = served.metric("process_cpu_seconds_total") - before
    return {"value": 1000 * took / probes, "unit": "ms", "note": "handshake and nothing else"}


def _many() -> Iterator[Figure]:
    """200 targets, spread over the interval as Prometheus spreads them."""
    with clusters(TARGETS) as all_of_them, exporter(all_of_them.config) as served:
        asyncio.run(_spread(served, 1))  # every target's first run
        cpu, memory = (
            served.metric("process_cpu_seconds_total"),
            served.metric("process_resident_memory_bytes"),
        )
        latest, cut = asyncio.run(_spread(served, 1))
        used = (served.metric("process_cpu_seconds_total") - cpu) / TARGETS
        grown = served.metric("process_resident_memory_bytes")
        late = served.metric("semscheck_exporter_late_scrapes_total")
    per_s = TARGETS / INTERVAL_S
    yield Figure(
        name="exporter: 200 targets, the latest answer of a round",
        value=latest,
        limit=TIMEOUT_S,
        unit="s",
        note=f"a round in {INTERVAL_S:.0f} s, one core; {cut} cut, {late:.0f} late",
    )
    yield Figure(
        name="exporter: 200 targets, CPU of a probe",
        value=1000 * used,
        unit="ms",
        note=f"{per_s:.1f} a second",
    )
    yield Figure(
        name="exporter: 200 targets every 5 minutes, share of a core",
        value=used * TARGETS / 300 * 100,
        limit=100,
        unit="%",
    )
    yield Figure(
        name="exporter: 200 targets, resident memory",
        value=grown / 2**20,
        unit="MiB",
        note=f"{memory / 2**20:.0f} MiB a round before",
    )


async def _spread(served: Served, rounds: int) -> tuple[float, int]:
    """The longest time to an answer, and how many were cut."""
    loop = asyncio.get_running_loop()
    zero = loop.time()
    latest, cut = 0.0, 0

    async def one(number: int) -> None:
        nonlocal latest, cut
        await asyncio.sleep(zero + number * INTERVAL_S / TARGETS - loop.time())
        began = loop.time()
        text = await loop.run_in_executor(pool, served.scrape, f"keys{number % TARGETS}")
        latest = max(latest, loop.time() - began)
        cut += len(re.findall(r"^semscheck_run_cut\{.*\} 1$", text, re.MULTILINE))

    with ThreadPoolExecutor(64) as pool:
        await asyncio.gather(*(one(number) for number in range(rounds * TARGETS)))
    return latest, cut


def _await(served: Served) -> None:
    ends = time.monotonic() + 20
    while True:
        try:
            served._get("/metrics")
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)
