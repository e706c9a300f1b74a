"""What is said with only the name, against what is said with the servers named: every scenario of the lab, its client
interfaces under names that can be found. `python -m tests.bench name_only`; one line for each world that differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

from semscheck.lab.cluster import Lab
from semscheck.lab.scenarios import SCENARIOS, Scenario
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.pipeline import check
from tests.bench.figure import Figure
from tests.scenarios.play import target

SEED = 7
DIFFER_AT_MOST = 10.0  # in a hundred worlds
EXTRA_AT_MOST_MS = 300.0
TIMED = ("healthy", "round-robin", "random", "source-sticky", "weighted-unsticky")


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says of the addresses where the name leads: of them by name, or with evidence from there."""

    paths: frozenset[tuple[str, str, str]]
    codes: frozenset[str]


def told(report: Report) -> Told:
    led = set(report.analysis.dns.addresses)
    at = {seen.id: getattr(seen, "address", None) for seen in report.observations}
    codes = (
        finding.code
        for finding in report.findings
        if led & {finding.subject.address, *(at.get(each) for each in finding.evidence)}
    )
    here = (path for path in report.analysis.paths if path.address in led)
    return Told(
        frozenset((path.address, path.method.value, path.persistence.value) for path in here),
        frozenset(codes),
    )


async def _checked(aim: Target) -> Report:
    return await check(aim, seed=SEED)


def _named(scenario: Scenario) -> Scenario:
    return replace(
        scenario, world=replace(scenario.world, dns=replace(scenario.world.dns, names_of_clients=True))
    )


async def _both(scenario: Scenario) -> tuple[Report, Report]:
    async with Lab(scenario.world) as lab:
        aim = target(lab, scenario, spread_s=0.0)
        return await _checked(aim), await _checked(replace(aim, members=(), balancers=()))


async def _extra_s(scenario: Scenario) -> float:
    """What the search takes: the time until the first fresh connection, with and without it."""
    async with Lab(scenario.world) as lab:
        aim = target(lab, scenario, spread_s=0.0, members=(), balancers=(), connections=0)
        took = []
        for discovery in (True, False) * 3:
            began = perf_counter()
            await _checked(replace(aim, discovery=discovery))
            took.append(perf_counter() - began)
    return min(took[::2]) - min(took[1::2])


def compared() -> Iterator[tuple[str, Told, Told]]:
    """Name of the world, what was told with the servers named, and with only the name, where a server was found."""
    for name, scenario in SCENARIOS.items():
        full, bare = asyncio.run(_both(_named(scenario)))
        if any(member.found and member.client for member in bare.target.members):
            yield name, told(full), told(bare)


def figures() -> Iterator[Figure]:
    worlds, differing = 0, []
    for name, full, bare in compared():
        worlds += 1
        if full != bare:
            differing.append(name)
            print(f"  {name}: with the servers {_only(full, bare)}; with the name {_only(bare, full)}")
    share = 100 * len(differing) / worlds
    note = f"{len(differing)} of {worlds}: {', '.join(differing)}"
    yield Figure(name="worlds told otherwise by name", value=share, limit=DIFFER_AT_MOST, unit="%", note=note)
    extra = median(asyncio.run(_extra_s(_named(SCENARIOS[name]))) for name in TIMED) * 1000
    yield Figure(name="time to find the servers", value=extra, limit=EXTRA_AT_MOST_MS, unit="ms")


def _only(one: Told, other: Told) -> str:
    more = [*sorted(one.codes - other.codes), *(" ".join(path) for path in sorted(one.paths - other.paths))]
    return ", ".join(more) or "nothing more"
