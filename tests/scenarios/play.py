"""A lab scenario, and the whole check on it over real sockets, as its profile describes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from semscheck.lab.cluster import Lab
from semscheck.lab.scenarios import Scenario
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Failover, Limits, Member, Services, Target
from tests.lab.clients import split
from tests.rig.policy import PATIENT

# Loopback answers at once: what takes so long does not answer at all, on a busy machine either.
LIMITS = Limits(timeout_s=3.0, deadline_s=180.0)
# Needs ports under 1024; without them the lab leaves these services out, and says so.
PRIVILEGED = ("versions-differ", "management-exposed")


def endpoint(text: str) -> tuple[Endpoint, ...]:
    host, port = split(text, 0)
    return (Endpoint(host, port or None),)


def target(lab: Lab, scenario: Scenario, **more: object) -> Target:
    """What the scenario's profile says, with short time-outs."""
    world = lab.world
    members = tuple(Member(m.name, endpoint(m.replication), endpoint(m.client)) for m in lab.members)
    aim = Target(
        fqdn=lab.fqdn,
        fqdn_shown=lab.fqdn,
        port=lab.port,
        failover=Failover(world.failover),
        balancers=lab.known_balancers,
        members=members if world.profile_members else (),
        ca_file=str(lab.ca_file),
        resolvers=tuple(endpoint(resolver)[0] for resolver in lab.resolvers),
        limits=LIMITS,
        thresholds=PATIENT,
        services=Services(world.profile_services, world.profile_require),
        ask_services=bool(scenario.expect_with_services),
    )
    return replace(aim, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def playing(scenario: Scenario) -> AsyncIterator[Lab]:
    """The scenario's cluster; skips where it takes ports that are not to be had here."""
    async with Lab(scenario.world) as lab:
        missing = [p for m in lab.place.members for p, here in (*m.services, *m.management) if here is None]
        if scenario.name in PRIVILEGED and missing:
            pytest.skip(f"ports {missing} are not to be had here")
        yield lab


def said(report: Report) -> str:
    """All findings, for the message of a test that failed."""
    lines = [f"{report.summary.verdict}: {report.summary.headline}"]
    lines += [f"{finding.code} {finding.severity} {finding.summary}" for finding in report.findings]
    return "\n".join(lines)
