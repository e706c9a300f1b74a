"""What judging costs, and what one silent member costs the whole run."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import process_time

from semscheck.analysis.balancing import statistics as analysis_statistics
from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS, members
from semscheck.lab.world import Behaviour, World
from semscheck.model.report import Report, Snapshot
from semscheck.model.target import Limits
from semscheck.net.dns_message import make_query, parse, read
from semscheck.pipeline import check, judge_snapshot
from tests.bench.figure import Figure, least
from tests.net.dnsbombs import BOMBS, FQDN
from tests.scenarios.play import target

MEMBERS = 6
CONNECTIONS = 200
TIMEOUT_S = 2.0
ROUNDS = 3


def figures() -> Iterator[Figure]:
    for name, words in (("random", "even"), ("round-robin", "a cycle")):
        yield _judging(name, words)
    yield _silent_member()
    yield _hostile_answer()


def _hostile_answer() -> Figure:
    """The dearest of the DNS answers that are made to cost; the limit holds for any."""

    def reading(bomb: Callable[[bytes], bytes]) -> float:
        query = make_query(FQDN, "A", recurse=True)
        wire = bomb(query)
        began = process_time()
        with suppress(ValueError):
            read(parse(wire, query), FQDN, "A")
        return process_time() - began

    took, name = max((least([partial(reading, bomb)], rounds=5)[0], bomb.__name__) for bomb in BOMBS)
    return Figure(
        name="a hostile DNS answer of 64 kB",
        value=took * 1000,
        limit=50,
        unit="ms",
        note=name.replace("_", " "),
    )


def _world(scenario: str) -> World:
    return replace(SCENARIOS[scenario].world, members=members(MEMBERS))


def _checked(world: World, scenario: str, **more: object) -> Report:
    with LabThread(world) as playing:
        return asyncio.run(check(target(playing.lab, SCENARIOS[scenario], **more), seed=1))


def reference_loop() -> float:
    """Twenty milliseconds of pure Python on an idle core of the machine that the limit was set on."""
    began = process_time()
    total = 0
    for number in range(500_000):
        total += number * number % 7
    return process_time() - began


def _judging(scenario: str, words: str) -> Figure:
    """Analysis and rules over a full snapshot, with nothing remembered of an earlier one, against the loop."""
    report = _checked(_world(scenario), scenario, connections=CONNECTIONS, connections_given=True)
    snapshot = Snapshot(target=report.target, run=report.run, observations=report.observations)

    def judging() -> float:
        for name in dir(analysis_statistics):
            forget = getattr(getattr(analysis_statistics, name), "cache_clear", None)
            if forget is not None:
                forget()
        began = process_time()
        judge_snapshot(snapshot)
        return process_time() - began

    took, loop = least((judging, reference_loop), rounds=7)
    return Figure(
        name=f"judging {MEMBERS} members, {CONNECTIONS} connections ({words}), per loop",
        value=took / loop,
        limit=1.0,
        unit="x",
        note=f"{took * 1000:.1f} ms over {len(snapshot.observations)} observations",
    )


def _silent_member() -> Figure:
    """The whole check of six members, one interface of twelve silent, beside the same with all well."""
    well = _world("healthy")
    last = well.members[-1]
    silent = well.with_member(replace(last, client=replace(last.client, behaviour=Behaviour.BLACKHOLE)))
    limits = Limits(timeout_s=TIMEOUT_S, deadline_s=60)
    took: dict[str, list[float]] = {"well": [], "silent": []}
    for _ in range(ROUNDS):
        for name, world in (("well", well), ("silent", silent)):
            report = _checked(world, "healthy", limits=limits)
            took[name].append(report.run.duration_s or 0.0)
    usual, slow = statistics.median(took["well"]), statistics.median(took["silent"])
    return Figure(
        name="a silent interface of twelve, over healthy and time-out",
        value=slow - usual - TIMEOUT_S,
        limit=1.0,
        unit="s",
        note=f"{slow:.2f} s against {usual:.2f} s, time-out {TIMEOUT_S:.0f} s",
    )
