"""Whose a finding is: the balancer's where its address alone is in trouble, else as the card says."""

from __future__ import annotations

import pytest

from semscheck.model.analysis import Termination
from semscheck.model.failure import Cause
from semscheck.model.findings import Owner, Subject
from semscheck.model.target import Severity
from semscheck.rules.context import RuleContext
from semscheck.rules.ownership import settled
from semscheck.rules.rule import Hit, cards
from tests.rules.netscene import CLIENT, FQDN, VIP, Scene, cluster, down, no_http, no_tls, path, serves

TWO = cluster(2)


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        ("NET001", down(VIP)),
        ("TLS003", no_tls(VIP, Cause.STALLED)),
        ("TLS002", no_tls(VIP, Cause.CLOSED)),
        ("CLU007", no_http(VIP, Cause.CLOSED)),
    ],
)
def test_trouble_at_the_balancer_alone_is_its_administrators(code: str, trouble: list[object]) -> None:
    alone = Scene(TWO, trouble, serves(CLIENT[0]), serves(CLIENT[1])).only(code)  # type: ignore[arg-type]
    assert alone.owner is Owner.BALANCER
    assert "virtual server at 192.0.2.100 is up" in alone.remedy


def test_where_no_member_serves_either_the_card_decides() -> None:
    [found] = [
        one
        for one in Scene(TWO, down(VIP), down(CLIENT[0]), down(CLIENT[1])).every("NET001")
        if one.severity is Severity.CRITICAL
    ]
    assert found.owner is Owner.SERVER


def test_one_server_that_stalls_is_its_own_and_all_of_them_are_the_networks() -> None:
    one = Scene(TWO, serves(VIP), serves(CLIENT[0]), no_tls(CLIENT[1]), paths=[path()]).only("TLS003")
    every = Scene(TWO, no_tls(VIP), no_tls(CLIENT[0]), no_tls(CLIENT[1])).every("TLS003")
    assert one.owner is Owner.SERVER
    assert {each.owner for each in every} == {Owner.NETWORK}


@pytest.mark.parametrize(
    ("termination", "owner"),
    [
        (Termination.TERMINATED, Owner.BALANCER),
        (Termination.PASS_THROUGH, Owner.SERVER),
        (Termination.UNKNOWN, Owner.SERVER),
    ],
)
@pytest.mark.parametrize("code", ["CRT004", "TLS007"])
def test_a_certificate_is_the_balancers_where_tls_ends_there(
    code: str, termination: Termination, owner: Owner
) -> None:
    scene = Scene(
        TWO, serves(VIP), serves(CLIENT[0]), serves(CLIENT[1]), paths=[path(termination=termination)]
    )
    hit = Hit(subject=Subject("address", FQDN, VIP, 443), summary="It expired.", remedy="Renew it.")
    context = RuleContext(scene.snapshot, scene.analysis)
    card = next(card for card in cards() if card.code == code)
    whose, remedy = settled(card, hit, context)
    assert whose is owner
    assert remedy == "Renew it."
