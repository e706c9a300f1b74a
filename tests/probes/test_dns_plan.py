"""How often a name server is asked, and for how long it is waited for."""

from __future__ import annotations

import pytest

from semscheck.model.observations import CnameHop, DnsAnswer, NameServer
from semscheck.model.target import Target
from semscheck.net.backend import real_backend
from semscheck.probes.dns import BURST, HUGE_BURST, KEPT_RECORDS, _last_name, _Look, _repeats, _tries

FQDN = "keys.example.com"


@pytest.mark.parametrize(
    ("limit_s", "waits"),
    [
        (10.0, (1.0, 1.5, 7.5)),
        (5.0, (1.0, 1.5, 2.5)),
        (4.9, (1.0, 3.9)),  # too short for three
        (2.0, (1.0, 1.0)),
        (0.5, (0.25, 0.25)),
    ],
)
def test_tries_fill_the_time_that_a_step_may_take(limit_s: float, waits: tuple[float, ...]) -> None:
    assert _tries(limit_s) == pytest.approx(waits)


def answer(*records: str, chain: tuple[str, ...] = ()) -> DnsAnswer:
    names = (FQDN, *chain)
    hops = tuple(CnameHop(name, target, 60) for name, target in zip(names, chain, strict=False))
    return DnsAnswer(
        id="a", at_s=0.0, server="192.0.2.53:53", name=FQDN, record_type="A", records=records, cname=hops
    )


def test_an_answer_is_asked_for_again_as_often_as_it_may_tell_more() -> None:
    assert _repeats(answer()) == 1
    assert _repeats(answer("192.0.2.1")) == BURST
    many = tuple(f"198.18.0.{n}" for n in range(KEPT_RECORDS))
    assert _repeats(answer(*many)) == HUGE_BURST
    assert _repeats(answer(*many[1:])) == BURST


def test_the_zone_is_that_of_the_last_alias() -> None:
    assert _last_name([], FQDN) == FQDN
    assert _last_name([answer("192.0.2.1")], FQDN) == FQDN
    chain = ("pool.example.net", "edge.example.org")
    assert _last_name([answer("192.0.2.1"), answer("192.0.2.1", chain=chain)], FQDN) == "edge.example.org"


async def test_of_a_name_servers_addresses_the_older_family_is_asked() -> None:
    """IPv6 is broken more often, and one address of each server is enough."""
    look = _Look(real_backend(1), None, Target(FQDN), lambda _: None)  # type: ignore[arg-type]
    servers = (
        NameServer("ns1.example.com", ("2001:db8::1", "198.18.0.1")),
        NameServer("ns2.example.com", ("2001:db8::2",)),
    )
    assert [place.address for place in look._authorities_to_ask(servers)] == [
        "198.18.0.1",
        "2001:db8::2",
    ]
