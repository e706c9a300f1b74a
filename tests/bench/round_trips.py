"""How long a check takes where a round trip takes 40 ms: the lab in one network namespace, the check in another."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figure import ROOT, Figure, environment
from tests.rig.net import Namespaces, can_have_namespaces

ROUND_TRIP_S = 0.040
PREFIX = "10.77.0."
HOSTS = (11, 12, 13, 53, 100, 111, 112, 113)  # where the lab wants its three members, see semscheck.lab.place
CONNECTIONS = 30


def figures() -> Iterator[Figure]:
    four = "whole check, 3 members, no repeated sampling, per round trip"
    many = f"whole check with {CONNECTIONS} connections, per its bound"
    if not can_have_namespaces():
        for name in (four, many):
            yield Figure(name=name, value=None, note="network namespaces cannot be had here")
        return
    with tempfile.TemporaryDirectory() as folder:
        network = Namespaces(Path(folder), delay_ms=ROUND_TRIP_S * 500)
        try:
            for host in HOSTS:
                network.address(f"{PREFIX}{host}")
            lab = subprocess.Popen(
                network.servers.argv(sys.executable, "-m", "tests.bench.played", "healthy", f"{PREFIX}0/24"),
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert lab.stdout is not None
            try:
                arguments = json.loads(lab.stdout.readline())["arguments"]
                once = _duration_s(network, 0, arguments)
                yield Figure(
                    name=four,
                    value=once / (4 * ROUND_TRIP_S),
                    limit=1.5,
                    unit="x4RTT",
                    note=f"{once * 1000:.0f} ms",
                )
                sampled = _duration_s(network, CONNECTIONS, arguments)
                bound = (CONNECTIONS * 3 + 8) * ROUND_TRIP_S
                yield Figure(
                    name=many,
                    value=sampled / bound,
                    limit=1.10,
                    unit="x",
                    note=f"{sampled:.2f} s of {bound:.2f} s",
                )
            finally:
                lab.communicate("")
        finally:
            network.close()


def _duration_s(network: Namespaces, connections: int, arguments: list[str]) -> float:
    """The median of some runs in one process, start-up aside; 0 connections: no repeated sampling."""
    done = subprocess.run(
        network.client.argv(sys.executable, "-m", "tests.bench.timed", str(connections), *arguments),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return statistics.median(json.loads(done.stdout))
