"""`python -m tests.fuzz [--seconds N] [--seed N] [--target NAME]`: a line for each target, a file for each fault."""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from hashlib import sha256
from pathlib import Path

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).with_name("found")
SLOW_S = 5.0  # of CPU for one input; the dearest honest report takes a tenth of it


def fault_of(name: str, data: bytes) -> str | None:
    """What went wrong with an input, None if nothing did."""
    target = TARGETS[name]
    began = time.process_time()
    try:
        target.read(data)
    except target.refusals:
        pass
    except Exception:
        return traceback.format_exc(limit=-4)
    took_s = time.process_time() - began
    return f"slow: {took_s:.1f} s" if took_s > SLOW_S else None


def fuzz(name: str, seconds: float, seed: int, most: int | None = None) -> tuple[int, dict[str, str]]:
    """How many inputs were tried, and what went wrong by the name of the input's file."""
    chance = random.Random(f"{name} {seed}")
    samples = TARGETS[name].samples()
    faults: dict[str, str] = {}
    ends_s, tried = time.monotonic() + seconds, 0
    while time.monotonic() < ends_s and tried != most:
        data = mutated(chance, samples)
        tried += 1
        if (fault := fault_of(name, data)) is not None and fault not in faults.values():
            path = FOUND / f"{name}-{sha256(data).hexdigest()[:12]}.bin"
            path.write_bytes(data)
            faults[path.name] = fault
    return tried, faults


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", choices=TARGETS, action="append")
    given = parser.parse_args()
    names = given.target or list(TARGETS)
    total, bad = 0, 0
    print(f"seed {given.seed}")
    for name in names:
        tried, faults = fuzz(name, given.seconds / len(names), given.seed)
        total, bad = total + tried, bad + len(faults)
        print(f"{name:<18} {tried:>10,} inputs  {len(faults)} faults", flush=True)
        for path, fault in faults.items():
            print(f"tests/fuzz/found/{path}\n{fault}", flush=True)
    print(f"{'together':<18} {total:>10,} inputs  {bad} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
