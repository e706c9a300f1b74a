"""A program: how long each of some checks took, start-up aside, as a JSON list of seconds.

`python -m tests.bench.timed CONNECTIONS --profile FILE --resolver IP:PORT`
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from semscheck.pipeline import check
from semscheck.profile.reader import read_target

RUNS = 5


def main(connections: str, _profile: str, profile: str, _resolver: str, *resolvers: str) -> None:
    target = read_target(Path(profile), {"resolver": resolvers}, dict)
    asked = replace(target, connections=int(connections), connections_given=int(connections) > 0)
    took = []
    for _ in range(1 + (RUNS if connections == "0" else 2)):
        report = asyncio.run(check(asked))
        assert report.summary.verdict in ("ok", "unknown"), report.summary.headline
        took.append(report.run.duration_s)
    print(json.dumps(took[1:]))  # the first imports what the others have


if __name__ == "__main__":
    main(*sys.argv[1:])
