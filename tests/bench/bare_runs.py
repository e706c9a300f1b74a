"""A program: the runs of an exporter's configuration without the exporter, one after another.

`python -m tests.bench.bare_runs CONFIG ROUNDS` prints CPU seconds and TLS handshakes per run as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

from semscheck.cli.commands.exporter import doors
from semscheck.exporter.settings import read_settings
from semscheck.pipeline import check

handshakes = 0


def count_handshakes() -> None:
    """Every TLS connection of asyncio goes through wrap_bio."""
    real = ssl.SSLContext.wrap_bio

    def counting(self: ssl.SSLContext, *given: Any, **named: Any) -> ssl.SSLObject:
        global handshakes  # noqa: PLW0603
        handshakes += 1
        return real(self, *given, **named)

    ssl.SSLContext.wrap_bio = counting  # type: ignore[method-assign]


async def main(config: Path, rounds: int) -> None:
    targets = tuple(read_settings(config, doors().read_target).targets.values())
    for target in targets[:3]:  # imports, and what is made once
        await check(target)
    count_handshakes()
    began = time.process_time()
    runs = 0
    for _ in range(rounds):
        for target in targets:
            await check(target)
            runs += 1
    took = time.process_time() - began
    print(json.dumps({"cpu_s": took / runs, "handshakes": handshakes / runs}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
