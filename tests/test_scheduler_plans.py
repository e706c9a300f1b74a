"""What the scheduler decides by itself: where to look, how many connections each address gets, what it says of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from semscheck.model.events import Event, Progressed
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import Bound, Cut, DnsAnswer, Exchange
from semscheck.model.target import Endpoint, Member
from semscheck.probes.endpoint import Destination, EndpointResult
from semscheck.scheduler import ADDRESSES_PER_FAMILY, _session_page
from tests.scripted import ScriptedDialler, ScriptedResolver, refusal, scripted_seam, silence
from tests.test_scheduler import BALANCER, FQDN, MEMBERS, ONE_ADDRESS, check, engine, target

# --- where to look -----------------------------------------------------------------------------------------


async def asked_of(tmp_path: Path, member: Member, **more: object) -> Counter[tuple[str, int]]:
    """Where connections went, all of them refused."""
    dialler = ScriptedDialler({})
    aim = target(members=(member,), **more)
    await check(aim, scripted_seam(tmp_path, dialler=dialler, resolver=ONE_ADDRESS))
    return dialler.asked


async def test_interface_1_is_looked_for_on_the_clients_port_and_then_on_its_own(tmp_path: Path) -> None:
    asked = await asked_of(tmp_path, MEMBERS[0])
    assert asked["192.0.2.11", 443]
    assert asked["192.0.2.11", 444]
    assert not asked["198.51.100.11", 444]


@pytest.mark.parametrize(
    ("port", "own", "places"), [(443, 9443, {9443}), (444, None, {444}), (8443, None, {8443, 444})]
)
async def test_a_port_that_was_given_is_the_only_one(
    tmp_path: Path, port: int, own: int | None, places: set[int]
) -> None:
    member = Member("sems1.example.com", (Endpoint("192.0.2.11", own),), (Endpoint("198.51.100.11"),))
    asked = await asked_of(tmp_path, member, port=port)
    assert {at for address, at in asked if address == "192.0.2.11"} == places
    assert {at for address, at in asked if address == "198.51.100.11"} == {port}


def test_known_places_are_asked_by_the_name_that_clients_use_or_by_their_own(tmp_path: Path) -> None:
    aim = target(members=MEMBERS[:1], balancers=(BALANCER,), port=8443)
    assert engine(aim, scripted_seam(tmp_path))._known_errands() == [
        Destination(BALANCER, 8443, FQDN),
        Destination("198.51.100.11", 8443, FQDN),
        Destination("192.0.2.11", 8443, "sems1.example.com", web=False, fallback=True),
    ]


async def test_addresses_beyond_what_is_polite_are_counted_and_left_alone(tmp_path: Path) -> None:
    some = [f"198.18.0.{n}" for n in range(1, ADDRESSES_PER_FAMILY + 3)]
    dialler = ScriptedDialler({})
    resolver = ScriptedResolver({(FQDN, "A"): some, (FQDN, "AAAA"): ()})
    report = await check(target(), scripted_seam(tmp_path, dialler=dialler, resolver=resolver))
    assert len({address for address, _ in dialler.asked}) == ADDRESSES_PER_FAMILY
    (bound,) = (seen for seen in report.observations if isinstance(seen, Bound))
    assert (bound.seen, bound.used) == (ADDRESSES_PER_FAMILY + 2, ADDRESSES_PER_FAMILY)


async def test_as_many_addresses_as_is_polite_are_no_bound(tmp_path: Path) -> None:
    some = [f"198.18.0.{n}" for n in range(1, ADDRESSES_PER_FAMILY + 1)]
    resolver = ScriptedResolver({(FQDN, "A"): some, (FQDN, "AAAA"): ()})
    report = await check(target(), scripted_seam(tmp_path, resolver=resolver))
    assert not [seen for seen in report.observations if isinstance(seen, Bound)]


# --- how many connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "given", "addresses", "direct", "share"),
    [
        (32, False, 1, False, 32),
        (32, False, 0, False, 32),
        (32, False, 2, False, 16),
        (32, False, 8, False, 8),  # no fewer than tell anything
        (6, True, 3, False, 6),  # and no more than were asked for
        (32, False, 1, True, 8),  # a member's own address needs few
        (5, False, 1, True, 5),
        (32, True, 1, True, 32),  # unless so many were asked for
        (100, True, 3, True, 33),
    ],
)
def test_the_addresses_share_the_connections(
    tmp_path: Path, wanted: int, given: bool, addresses: int, direct: bool, share: int
) -> None:
    run = engine(target(connections=wanted, connections_given=given), scripted_seam(tmp_path))
    run._to_sample = [f"192.0.2.{n}" for n in range(addresses)]
    assert run._share(direct) == share


def exchange(number: int, path: str, *cookies: str, failed: bool = False) -> Exchange:
    return Exchange(
        id=f"http.exchange:{number}",
        at_s=1.0,
        address=BALANCER,
        port=443,
        host=FQDN,
        method="GET",
        path=path,
        status=None if failed else 200,
        headers=(("Content-Type", "text/html"), *(("Set-Cookie", f"{name}=1") for name in cookies)),
        failure=Failure(Phase.HTTP, Cause.CLOSED) if failed else None,
    )


def test_the_page_that_sets_most_cookies_is_asked_for_again() -> None:
    def page(*exchanges: Exchange) -> str | None:
        return _session_page(EndpointResult(Destination(BALANCER, 443, FQDN), exchanges=exchanges))

    assert page(exchange(1, "/"), exchange(2, "/login", "a"), exchange(3, "/style")) == "/login"
    assert page(exchange(1, "/", "a", "b"), exchange(2, "/login", "a")) == "/"
    assert page(exchange(1, "/", "a"), exchange(2, "/login", "b")) == "/login"
    assert page(exchange(1, "/"), exchange(2, "/login", "a", "b", failed=True)) == "/"
    assert page(exchange(1, "/", failed=True)) is None
    assert page() is None


def test_other_addresses_of_this_desktop_are_sources_and_the_usual_one_is_not(tmp_path: Path) -> None:
    usual, other = "203.0.113.10", "203.0.113.77"
    backend = scripted_seam(tmp_path)
    backend = replace(
        backend, desktop=replace(backend.desktop, interfaces=lambda: (usual, other, "2001:db8::9"))
    )
    assert engine(target(), backend)._other_sources(BALANCER) == (other,)


def test_an_address_that_no_route_leads_to_has_no_sources(tmp_path: Path) -> None:
    class Lost(ScriptedDialler):
        def source_for(self, address: str, port: int) -> str:
            raise OSError(101, "Network is unreachable")

    backend = scripted_seam(tmp_path, dialler=Lost({}))
    backend = replace(backend, desktop=replace(backend.desktop, interfaces=lambda: ("203.0.113.77",)))
    assert engine(target(), backend)._other_sources(BALANCER) == ()


# --- who answers -------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_members_that_answer_are_waited_for_once_one_does(tmp_path: Path) -> None:
    """The first answers, the second has no TLS, the third crashed, and one is frozen: it is waited for a moment."""
    frozen = Member("sems4.example.com", (), (Endpoint("198.51.100.14"),))
    run = engine(target(members=(*MEMBERS, frozen)), scripted_seam(tmp_path))

    async def ends(version: str | None) -> EndpointResult:
        return EndpointResult(Destination(BALANCER, 443, FQDN), version=version)

    async def crashed() -> None:
        return None

    works = [ends("TLSv1.3"), ends(None), crashed(), asyncio.Event().wait()]
    looks = [asyncio.ensure_future(work) for work in works]
    for door, look in zip(run._doors(), looks, strict=True):
        run._looks[door.destination.address, door.destination.port, FQDN] = look  # type: ignore[assignment]
    async with asyncio.timeout(30):
        assert await run._answering() == {"sems1.example.com"}
    looks[3].cancel()


async def test_where_no_member_answers_nobody_is_waited_for(tmp_path: Path) -> None:
    run = engine(target(), scripted_seam(tmp_path))
    assert await run._answering() == frozenset()


# --- what is said ------------------------------------------------------------------------------------------


async def test_progress_counts_what_was_done_and_what_there_is(tmp_path: Path) -> None:
    events: list[Event] = []
    aim = target(members=MEMBERS, balancers=(BALANCER,))
    report = await check(aim, scripted_seam(tmp_path, resolver=ONE_ADDRESS), listener=events.append)
    steps = [event for event in events if isinstance(event, Progressed)]
    addresses = [event for event in steps if event.step == "addresses"]
    assert (addresses[-1].done, addresses[-1].total) == (
        7,
        7,
    )  # the balancer, and both interfaces of three members
    assert [event.done for event in addresses] == sorted(event.done for event in addresses)
    names = [event for event in steps if event.step == "names"]
    assert [event.done for event in names] == list(range(1, len(names) + 1))
    assert len(names) == sum(isinstance(seen, DnsAnswer) for seen in report.observations)
    assert {event.total for event in names} == {None}
    assert all(0 < event.left_s <= aim.limits.deadline_s for event in steps)


@pytest.mark.slow
async def test_what_was_done_is_not_said_to_be_left(tmp_path: Path) -> None:
    """Of two addresses the first refuses and the second is silent until the deadline."""
    done, silent = "198.18.0.1", "198.18.0.2"
    resolver = ScriptedResolver({(FQDN, "A"): [done, silent], (FQDN, "AAAA"): ()})
    dialler = ScriptedDialler({silent: silence}, refusal)
    report = await check(target(deadline_s=1.5), scripted_seam(tmp_path, dialler=dialler, resolver=resolver))
    (cut,) = (seen for seen in report.observations if isinstance(seen, Cut))
    assert f"connections to {silent}" in cut.unfinished
    assert not [name for name in cut.unfinished if done in name]
    assert "names" not in cut.unfinished
    assert len(set(cut.unfinished)) == len(cut.unfinished)
