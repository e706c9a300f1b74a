"""What one check of a lab cluster costs in connections, and in time where a server is frozen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS
from semscheck.lab.world import Balancer, Behaviour, Interface, Method, World
from semscheck.model.observations import Connection, Control, Sample, Trace
from semscheck.model.report import Report
from semscheck.model.target import Limits
from semscheck.pipeline import check
from semscheck.profile.reader import SPREAD_S
from tests.bench.figure import Figure
from tests.scenarios.play import target


def figures() -> Iterator[Figure]:
    report, _ = _checked(SCENARIOS["round-robin"].world, 0.0)
    yield Figure(
        name="connections of a check, round robin of three",
        value=float(connections(report)),
        limit=45,
        note=", ".join(sorted(finding.code for finding in report.findings)),
    )
    for name, balancer in (
        ("round robin", Balancer(method=Method.ROUND_ROBIN)),
        ("random", Balancer(method=Method.RANDOM)),
    ):
        world = replace(_frozen(SCENARIOS["round-robin"].world), balancer=balancer)
        for shown, known in (("members known", True), ("only the name", False)):
            _, took_s = _checked(replace(world, profile_members=known), SPREAD_S)
            yield Figure(
                name=f"one of three frozen, {name}, {shown}, defaults", value=took_s, limit=15, unit="s"
            )


def connections(report: Report) -> int:
    """All that were made, to the FQDN and to members; requests on one that stands are none."""
    made = [seen for seen in report.observations if isinstance(seen, Connection | Sample | Trace | Control)]
    return sum(not (isinstance(seen, Sample) and seen.request) for seen in made)


def _frozen(world: World) -> World:
    second = replace(world.members[1], client=Interface(behaviour=Behaviour.FROZEN))
    return world.with_member(second)


def _checked(world: World, spread_s: float) -> tuple[Report, float]:
    scenario = replace(SCENARIOS["round-robin"], world=world)
    with LabThread(world) as thread:
        aim = replace(target(thread.lab, scenario), limits=Limits(), spread_s=spread_s)
        began = time.monotonic()
        report = asyncio.run(check(aim, seed=1))
        return report, time.monotonic() - began
