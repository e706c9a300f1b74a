"""Sampling of lab worlds whose servers name the keys of their tickets: what is connected, and what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from semscheck.lab.cluster import Lab
from semscheck.lab.scenarios import SCENARIOS, members
from semscheck.lab.world import Balancer, Interface, Method, Resumption, Tls, Version, Web, World
from semscheck.model.observations import Connection, Control, Sample, Trace
from semscheck.model.report import Report
from semscheck.model.target import Limits, Target
from semscheck.net.tls import Tls as Opened
from semscheck.pipeline import check
from tests.scenarios.play import target

ROUND_ROBIN = Balancer(method=Method.ROUND_ROBIN)

pytestmark = pytest.mark.slow


def world(
    client: Interface | None = None,
    balancer: Balancer = ROUND_ROBIN,
    known: bool = True,
) -> World:
    pool = tuple(replace(member, client=client or Interface()) for member in members(3))
    return World("w", "s", "keys.example.test", pool, balancer, profile_members=known)


def aim(lab: Lab, played: World) -> Target:
    """With the time-outs of the defaults: a busy machine is no silent server."""
    return replace(target(lab, replace(SCENARIOS["round-robin"], world=played)), limits=Limits())


async def checked(played: World) -> Report:
    async with Lab(played) as lab:
        return await check(aim(lab, played), seed=1)


def shown_back(report: Report) -> Counter[str]:
    return Counter(seen.kind for seen in report.observations if isinstance(seen, Trace | Control))


def samples(report: Report, arm: str = "fresh") -> list[Sample]:
    return [seen for seen in report.observations if isinstance(seen, Sample) and seen.arm == arm]


async def test_a_round_robin_is_told_with_few_connections_and_nothing_is_shown_to_anyone() -> None:
    report = await checked(world())
    assert not shown_back(report)
    assert {finding.code for finding in report.findings} >= {"BAL001"}
    assert len(samples(report)) <= 12
    made = [seen for seen in report.observations if isinstance(seen, Connection | Sample)]
    assert len(made) <= 45 + 4  # on a busy machine a look may be repeated
    assert all(sample.status is None for sample in samples(report)), "no page was asked for, no session made"


async def test_the_turn_is_not_moved_by_requests_of_our_own() -> None:
    report = await checked(world())
    order = [sample.ticket.prefixes[-1] for sample in samples(report) if sample.ticket is not None]
    assert len(set(order)) == 3
    assert order == (order[:3] * 8)[: len(order)]


async def test_with_only_the_name_keys_name_the_servers_as_well() -> None:
    report = await checked(world(known=False))
    assert {finding.code for finding in report.findings} >= {"BAL001"}
    assert not [seen for seen in report.observations if isinstance(seen, Trace)]
    assert len(samples(report)) <= 12


async def test_where_one_key_answers_and_pages_set_no_cookie_all_that_was_planned_is_made() -> None:
    played = world(balancer=Balancer(method=Method.FIRST_ALIVE), known=False)
    without = tuple(replace(member, web=Web(cookie=None)) for member in played.members)
    report = await checked(replace(played, members=without))
    assert len(samples(report)) == 32
    assert len({sample.ticket.prefixes for sample in samples(report) if sample.ticket is not None}) == 1


@pytest.mark.parametrize("known", [True, False])
async def test_where_tickets_come_with_the_first_answer_a_page_is_asked_for(known: bool) -> None:
    report = await checked(world(Interface(tls=Tls(late_tickets=True)), known=known))
    assert all(sample.status is not None for sample in samples(report))
    assert all(sample.ticket is not None and sample.ticket.count for sample in samples(report))
    assert {finding.code for finding in report.findings} >= {"BAL001"}


@pytest.mark.parametrize(
    "tls",
    [
        Tls(newest=Version.TLS1_2, resumption=Resumption.SESSION_IDS),
        Tls(newest=Version.TLS1_2, resumption=Resumption.SESSION_IDS, ticket_group="pool"),
        Tls(ticket_group="pool"),
    ],
    ids=["session ids", "shared session ids", "shared keys"],
)
async def test_where_keys_name_nobody_tokens_are_shown_back(tls: Tls) -> None:
    report = await checked(world(Interface(tls=tls)))
    assert shown_back(report)["trace"]
    assert {finding.code for finding in report.findings} >= {"BAL001"}


async def test_members_that_do_not_answer_this_desktop_are_as_good_as_unknown() -> None:
    """In the profile, and silent: the round robin behind the balancer is told by the keys all the same."""
    played = world()
    async with Lab(played) as lab:
        known = aim(lab, played)
        silent = tuple(
            replace(member, client=tuple(replace(end, port=1) for end in member.client), replication=())
            for member in known.members
        )
        report = await check(replace(known, members=silent), seed=1)
    assert not shown_back(report)["trace"]
    assert {finding.code for finding in report.findings} >= {"BAL001"}


@pytest.mark.parametrize("method", [Method.ROUND_ROBIN, Method.FIRST_ALIVE])
async def test_a_session_is_read_only_where_it_is_offered(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read one leaks in CPython 3.10 to 3.13.0."""
    read = Counter[int]()
    real: Callable[[Opened], object] = Opened.session.fget  # type: ignore[attr-defined]

    def counting(self: Opened) -> object:
        read[id(self)] += self._session is None
        return real(self)

    monkeypatch.setattr(Opened, "session", property(counting))
    report = await checked(world(balancer=Balancer(method=method)))
    offered = [sample for sample in samples(report, "resume") if sample.offered is not None]
    assert sum(read.values()) <= len(offered)
