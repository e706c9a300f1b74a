"""The map of places: what each address is for, and how far a client gets there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semscheck.analysis.endpoints import fqdn_addresses, interfaces, places
from semscheck.model.analysis import DnsAnalysis, EndpointStatus, Reach
from semscheck.model.failure import Cause
from semscheck.model.observations import AnyObservation, Exchange
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Endpoint, Member, Target
from tests.rules.netscene import (
    BARE,
    CLIENT,
    FQDN,
    NAMES,
    NOW,
    REPLICATION,
    VIP,
    cluster,
    connection,
    down,
    exchange,
    handshake,
    no_http,
    no_tls,
    own,
    serves,
)

TWO = cluster()


def laid_out(
    aim: Target, *seen: list[AnyObservation] | AnyObservation, leads_to: tuple[str, ...] = (VIP,)
) -> tuple[EndpointStatus, ...]:
    flat: list[AnyObservation] = []
    for one in seen:
        flat.extend(one if isinstance(one, list) else [one])
    snapshot = Snapshot(target=aim, run=Run(id="r", started=NOW), observations=tuple(flat))
    return places(snapshot, DnsAnalysis(addresses=leads_to))


def at(
    found: tuple[EndpointStatus, ...], address: str, port: int = 443, sni: str | None = None
) -> EndpointStatus:
    (place,) = (p for p in found if (p.address, p.port) == (address, port) and sni in (None, p.sni))
    return place


# --- roles -------------------------------------------------------------------------------------------------


def test_a_usual_cluster() -> None:
    found = laid_out(TWO)
    assert [(p.address, p.fqdn, p.balancer, p.client_of, p.replication_of) for p in found] == [
        (VIP, True, True, (), ()),
        (CLIENT[0], False, False, (NAMES[0],), ()),
        (CLIENT[1], False, False, (NAMES[1],), ()),
        (REPLICATION[0], False, False, (), (NAMES[0],)),
        (REPLICATION[1], False, False, (), (NAMES[1],)),
    ]
    assert [p.sni for p in found] == [FQDN, FQDN, FQDN, NAMES[0], NAMES[1]]
    assert [p.serves_clients for p in found] == [True, True, True, False, False]
    assert {p.reach for p in found} == {Reach.NOT_TRIED}


@pytest.mark.parametrize(
    ("aim", "leads_to", "address", "roles"),
    [
        # where the name leads straight to a member there is no balancer
        (cluster(balancers=()), CLIENT[:1], CLIENT[0], (True, False, (NAMES[0],), ())),
        # an address that nobody named stands in front of something
        (BARE, ("192.0.2.9",), "192.0.2.9", (True, True, (), ())),
        # a balancer of the profile that the name does not lead to
        (TWO, CLIENT[:1], VIP, (False, True, (), ())),
        # the name leads to a replication interface
        (TWO, REPLICATION[:1], REPLICATION[0], (True, False, (), (NAMES[0],))),
        # ... which the profile calls a balancer as well
        (
            cluster(balancers=(REPLICATION[0],)),
            REPLICATION[:1],
            REPLICATION[0],
            (True, True, (), (NAMES[0],)),
        ),
    ],
)
def test_roles(aim: Target, leads_to: tuple[str, ...], address: str, roles: tuple[object, ...]) -> None:
    place = at(laid_out(aim, leads_to=leads_to), address, sni=FQDN)
    assert (place.fqdn, place.balancer, place.client_of, place.replication_of) == roles


def test_one_address_as_both_interfaces_is_two_places() -> None:
    aim = Target(FQDN, members=(Member(NAMES[0], (Endpoint(CLIENT[0]),), (Endpoint(CLIENT[0]),)),))
    found = laid_out(aim, leads_to=CLIENT[:1])
    assert [(p.sni, p.client_of, p.replication_of) for p in found] == [
        (FQDN, (NAMES[0],), ()),
        (NAMES[0], (), (NAMES[0],)),
    ]


def test_one_client_address_of_two_members() -> None:
    aim = Target(FQDN, members=tuple(Member(name, (), (Endpoint(CLIENT[0]),)) for name in NAMES[:2]))
    assert at(laid_out(aim), CLIENT[0]).client_of == NAMES[:2]


def test_ports_of_their_own() -> None:
    aim = Target(
        FQDN, members=(Member(NAMES[0], (Endpoint(REPLICATION[0], 8444),), (Endpoint(CLIENT[0], 8443),)),)
    )
    found = laid_out(aim)
    assert {(p.address, p.port) for p in found} == {(VIP, 443), (CLIENT[0], 8443), (REPLICATION[0], 8444)}


def test_a_member_behind_the_name_on_another_port_is_that_member() -> None:
    aim = Target(FQDN, members=(Member(NAMES[0], (), (Endpoint(CLIENT[0], 8443),)),))
    assert at(laid_out(aim, leads_to=CLIENT[:1]), CLIENT[0], 443).client_of == (NAMES[0],)


def test_an_address_in_place_of_a_name_leads_to_itself() -> None:
    aim = Target(VIP, fqdn_is_address=True)
    assert fqdn_addresses(aim, DnsAnalysis()) == (VIP,)
    assert at(laid_out(aim, leads_to=()), VIP).fqdn


# --- how far -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "reach", "phase", "cause"),
    [
        ([], Reach.NOT_TRIED, None, None),
        (down(VIP), Reach.NO_CONNECTION, "connect", "refused"),
        ([*down(VIP, Cause.RESET), *down(VIP, Cause.TIMED_OUT)], Reach.NO_CONNECTION, "connect", "reset"),
        ([connection(VIP)], Reach.NOT_TRIED, None, None),  # cut before the handshake
        (no_tls(VIP), Reach.NO_TLS, "tls", "stalled"),
        (no_http(VIP), Reach.NO_HTTP, "http", "stalled"),
        ([connection(VIP), handshake(VIP)], Reach.SERVES, None, None),  # no page was wanted
        (serves(VIP), Reach.SERVES, None, None),
        ([*down(VIP), *serves(VIP)], Reach.SERVES, None, None),  # it was looked at again
        ([*no_tls(VIP, Cause.UNTRUSTED), *serves(VIP)], Reach.SERVES, None, None),  # by the second policy
        ([*serves(VIP), exchange(VIP, path="/b/l.e", cause=Cause.CLOSED)], Reach.SERVES, None, None),
        # an older version that is refused says nothing of the place
        (
            [*serves(VIP), connection(VIP), replace(handshake(VIP, Cause.ALERT), offered="TLSv1.1")],
            Reach.SERVES,
            None,
            None,
        ),
    ],
)
def test_how_far_a_client_gets(
    seen: list[AnyObservation], reach: Reach, phase: str | None, cause: str | None
) -> None:
    place = at(laid_out(BARE, seen), VIP)
    assert (place.reach, place.failure_phase, place.failure_cause) == (reach, phase, cause)
    assert set(place.evidence) == {each.id for each in seen}


def test_what_was_measured_there() -> None:
    first, second = connection(VIP, took_s=0.02), connection(VIP, took_s=0.04)
    shaken = [replace(handshake(VIP), chain=("aa", "bb")), replace(handshake(VIP), version="TLSv1.2")]
    page = exchange(VIP, status=503)
    place = at(laid_out(BARE, [first, second, *shaken, page]), VIP)
    assert place.connect_s == pytest.approx(0.03)
    assert (place.handshake_s, place.version, place.certificate, place.status) == (0.01, "TLSv1.3", "aa", 503)


def test_what_was_not_measured_is_none_and_never_zero() -> None:
    place = at(laid_out(BARE), VIP)
    assert (place.connect_s, place.handshake_s, place.version, place.certificate, place.status) == (None,) * 5


def test_interface_1_that_answers_on_444_is_filed_under_the_usual_port() -> None:
    place = at(laid_out(TWO, down(REPLICATION[0]), own(0, port=444)), REPLICATION[0])
    assert (place.port, place.reach) == (443, Reach.SERVES)


def test_interface_1_that_answers_nowhere_keeps_the_first_reason() -> None:
    seen = [*down(REPLICATION[0]), connection(REPLICATION[0], Cause.TIMED_OUT, port=444)]
    place = at(laid_out(TWO, seen), REPLICATION[0])
    assert (place.reach, place.failure_cause) == (Reach.NO_CONNECTION, "refused")


def test_a_port_of_its_own_falls_back_to_nothing() -> None:
    aim = Target(FQDN, members=(Member(NAMES[0], (Endpoint(REPLICATION[0], 8444),)),))
    place = at(laid_out(aim, own(0, port=444)), REPLICATION[0], 8444)
    assert place.reach is Reach.NOT_TRIED


def test_a_page_under_another_name_is_another_places() -> None:
    other: Exchange = exchange(VIP, host=NAMES[0], cause=Cause.STALLED)
    assert at(laid_out(BARE, serves(VIP), other), VIP).reach is Reach.SERVES


# --- members -----------------------------------------------------------------------------------------------


def test_every_interface_in_the_order_of_the_profile() -> None:
    found = laid_out(TWO, serves(CLIENT[0]), down(CLIENT[1], Cause.TIMED_OUT), own(0))
    rows = interfaces(TWO, found)
    assert [(r.name, r.interface, r.address, r.reach, r.failure) for r in rows] == [
        (NAMES[0], "replication", REPLICATION[0], Reach.SERVES, None),
        (NAMES[0], "client", CLIENT[0], Reach.SERVES, None),
        (NAMES[1], "replication", REPLICATION[1], Reach.NOT_TRIED, None),
        (NAMES[1], "client", CLIENT[1], Reach.NO_CONNECTION, "timed-out"),
    ]


def test_interfaces_that_share_an_address_are_told_apart_by_the_name_that_was_sent() -> None:
    aim = Target(FQDN, members=(Member(NAMES[0], (Endpoint(CLIENT[0]),), (Endpoint(CLIENT[0]),)),))
    shaken = [
        connection(CLIENT[0]),
        replace(handshake(CLIENT[0]), chain=("client",)),
        replace(handshake(CLIENT[0], sni=NAMES[0]), chain=("own",)),
        exchange(CLIENT[0]),
    ]
    rows = interfaces(aim, laid_out(aim, shaken))
    assert {row.interface: row.fingerprint for row in rows} == {"replication": "own", "client": "client"}


def test_the_replication_interface_where_the_name_leads_is_a_place_of_its_own_too() -> None:
    found = laid_out(TWO, leads_to=REPLICATION[:1])
    assert len([p for p in found if p.address == REPLICATION[0]]) == 2
    assert interfaces(TWO, found)[0].address == REPLICATION[0]
