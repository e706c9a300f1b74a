"""Each scenario shows what it is there to show: the whole check, over real sockets, against every world."""

from __future__ import annotations

import pytest

from semscheck import run
from semscheck.lab.cluster import Lab
from semscheck.lab.scenarios import SCENARIOS, Scenario
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Failover, Limits, Member, Services, Target
from tests.lab.clients import split

# Loopback answers at once: what takes a second does not answer at all.
LIMITS = Limits(timeout_s=1.5, deadline_s=60.0)
# Needs ports under 1024; without them the lab leaves these services out, and says so.
PRIVILEGED = ("versions-differ", "management-exposed")


def endpoint(text: str) -> tuple[Endpoint, ...]:
    host, port = split(text, 0)
    return (Endpoint(host, port or None),)


def target(lab: Lab, scenario: Scenario) -> Target:
    world = lab.world
    members = tuple(Member(m.name, endpoint(m.replication), endpoint(m.client)) for m in lab.members)
    return Target(
        fqdn=lab.fqdn,
        fqdn_shown=lab.fqdn,
        port=lab.port,
        failover=Failover(world.failover),
        balancers=lab.known_balancers,
        members=members if world.profile_members else (),
        ca_file=str(lab.ca_file),
        resolvers=tuple(endpoint(resolver)[0] for resolver in lab.resolvers),
        limits=LIMITS,
        services=Services(world.profile_services, world.profile_require),
        ask_services=bool(scenario.expect_with_services),
    )


async def check(scenario: Scenario) -> Report:
    async with Lab(scenario.world) as lab:
        missing = [p for m in lab.place.members for p, here in (*m.services, *m.management) if here is None]
        if scenario.name in PRIVILEGED and missing:
            pytest.skip(f"ports {missing} are not to be had here")
        return await run.check(target(lab, scenario), seed=1, origin="lab")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_a_scenario_shows_what_it_is_there_for(name: str) -> None:
    scenario = SCENARIOS[name]
    report = await check(scenario)
    found = {finding.code for finding in report.findings}
    said = "\n".join(f"{finding.code} {finding.severity} {finding.summary}" for finding in report.findings)
    expected = {*scenario.expect, *scenario.expect_with_services}
    assert expected <= found, said
    assert scenario.verdict in (None, report.summary.verdict), said
