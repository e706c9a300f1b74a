"""`python -m tests.accuracy`: plays seeded worlds, checks each, and writes the table."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.accuracy.play import Played, play_number
from tests.accuracy.table import page

SEED = 41
WORLDS = 1000
WORLDS_PER_PROCESS = 50  # then a fresh one, so that nothing can pile up over a thousand labs
# A desktop of its own: no trust or proxy settings of whoever runs this.
UNSET = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def main(arguments: list[str] | None = None) -> int:
    """Exit status 1 where a verdict is wrong that must not be, or a connection was attributed wrongly."""
    options = _options(arguments)
    began = time.monotonic()
    if options.again is not None:
        played = read(options.again)
    else:
        played = tuple(_kept(_all(options.seed, options.first, options.worlds, options.jobs), options.json))
    text = page(sorted(played, key=lambda each: each.number), options.seed)
    if options.out is not None:
        options.out.write_text(text)
    else:
        print(text)
    bad = [each for each in played if each.wrong or each.misattributed or each.crashed]
    for each in bad:
        print(
            f"world {each.number}: {each.truth}: {each.verdict} {each.codes} {each.crashed}", file=sys.stderr
        )
    print(f"{len(played)} worlds in {time.monotonic() - began:.0f} s, {len(bad)} to look at", file=sys.stderr)
    return 1 if bad else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=__doc__)
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--first", type=int, default=0, help="number of the first world")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument(
        "--out", type=Path, help="the page to write, in Markdown; standard output if left out"
    )
    parser.add_argument("--json", type=Path, help="one line for each world")
    parser.add_argument("--again", type=Path, help="make the page from such lines, without playing anything")
    return parser.parse_args(arguments)


def _all(seed: int, first: int, worlds: int, jobs: int) -> Iterator[Played]:
    for name in UNSET:
        os.environ.pop(name, None)
    numbers = [(seed, number) for number in range(first, first + worlds)]
    fresh = multiprocessing.get_context("spawn")
    with fresh.Pool(jobs, maxtasksperchild=WORLDS_PER_PROCESS) as pool:
        for done, played in enumerate(pool.imap_unordered(play_number, numbers), 1):
            yield played
            if sys.stderr.isatty() or done % 100 == 0:
                print(f"{done} of {worlds}", file=sys.stderr)


def _kept(played: Iterator[Played], path: Path | None) -> Iterator[Played]:
    """Each world is written as it ends, so that a run that is broken off is not lost."""
    if path is None:
        yield from played
        return
    with path.open("wb", buffering=0) as lines:
        for each in played:
            lines.write(msgspec.json.encode(each) + b"\n")
            yield each


def read(path: Path) -> tuple[Played, ...]:
    """Worlds played earlier."""
    return tuple(msgspec.json.decode(line, type=Played) for line in path.read_bytes().splitlines())


if __name__ == "__main__":
    raise SystemExit(main())
