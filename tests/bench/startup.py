"""How soon commands start, against a bare `python -c pass`; when `check` sends its first packet; its memory."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from time import perf_counter

from tests.bench.figure import ROOT, Figure, environment, least, python, seconds


def figures() -> Iterator[Figure]:
    bare, version, explain, help_, first = least(
        (
            lambda: seconds(lambda: python("-c", "pass")),
            lambda: seconds(lambda: python("-m", "semscheck", "--version")),
            lambda: seconds(lambda: python("-m", "semscheck", "explain", "DNS004")),
            lambda: seconds(lambda: python("-m", "semscheck", "check", "--help")),
            first_packet_s,
        )
    )
    yield Figure(name="bare python -c pass", value=bare * 1000, unit="ms")
    yield Figure(name="semscheck --version, over bare", value=(version - bare) * 1000, limit=60, unit="ms")
    yield Figure(
        name="semscheck explain DNS004, over bare", value=(explain - bare) * 1000, limit=60, unit="ms"
    )
    yield Figure(name="semscheck check --help, over bare", value=(help_ - bare) * 1000, unit="ms")
    yield Figure(name="first packet of check, over bare", value=(first - bare) * 1000, limit=220, unit="ms")
    for scenario in ("healthy", "healthy-terminated"):
        yield memory(scenario)


def first_packet_s() -> float:
    """From the start of the process to the first question at the name server it is told to ask."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", 0))
        resolver.settimeout(30)
        asked = f"127.0.0.1:{resolver.getsockname()[1]}"
        command = [sys.executable, "-m", "semscheck", "check", "keys.example.test", "--resolver", asked]
        began = perf_counter()
        process = subprocess.Popen(
            command, env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        resolver.recv(512)
        took = perf_counter() - began
        process.kill()
        process.wait()
        return took


def memory(scenario: str) -> Figure:
    """The most memory that a check of a lab took; the lab runs in a process of its own."""
    name = f"peak memory of check, lab {scenario}"
    lab = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.played", scenario],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert lab.stdout is not None
    try:
        told = json.loads(lab.stdout.readline())
        check = subprocess.Popen(
            [sys.executable, "-m", "semscheck", "check", "--json", "--quiet", *told["arguments"]],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(check.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        check.returncode = code
        return Figure(name=name, value=usage.ru_maxrss / 1024, limit=60, unit="MiB", note=f"exit code {code}")
    finally:
        lab.communicate("")
