"""A program: plays a lab scenario until its standard input ends; one line of JSON says how to check it.

`python -m tests.bench.played SCENARIO [BIND]`
"""

from __future__ import annotations

import json
import sys

from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS


def main(scenario: str, bind: str | None = None) -> None:
    with LabThread(SCENARIOS[scenario].world, bind) as thread:
        lab = thread.lab
        profile = lab.ca_file.with_name("profile.toml")
        profile.write_text(lab.profile_toml(), encoding="utf-8")
        resolvers = [part for resolver in lab.resolvers for part in ("--resolver", resolver)]
        print(json.dumps({"arguments": ["--profile", str(profile), *resolvers]}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
