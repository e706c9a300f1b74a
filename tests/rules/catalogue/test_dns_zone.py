"""Resolver against the zone's own servers and against the system; addresses that are no server's; slow look-ups."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semscheck.model.analysis import Reach
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Owner, State
from semscheck.model.observations import DnsAnswer, SystemResolution
from semscheck.model.target import Endpoint, Severity, Thresholds
from semscheck.rules.catalogue.dns import _duration
from tests.rules.dnsscene import (
    BALANCER,
    BARE,
    CLUSTER,
    FIRST,
    FQDN,
    SECOND,
    Scene,
    config,
    nothing,
    place,
    said,
    system,
    turns,
)

ZONE = "192.0.2.60:53"
OLD, NEW = "198.51.100.11", "198.51.100.12"
PRIVATE = "10.1.2.3"
CODES = tuple(f"DNS0{n}" for n in range(16, 23))


def zone(*records: str, server: str = ZONE, **more: object) -> list[DnsAnswer]:
    data = {"role": "authority", "server_name": "ns1.example.com", "flags": ("AA",), **more}
    return said(*records, server=server, **data)  # type: ignore[arg-type]


def slowly(answers: list[DnsAnswer], took_s: float) -> list[DnsAnswer]:
    return [replace(each, elapsed_s=took_s) for each in answers]


@pytest.mark.parametrize("code", CODES)
def test_a_healthy_name_is_silent(code: str) -> None:
    scene = Scene(
        CLUSTER, config(FIRST), said(BALANCER), zone(BALANCER), system(BALANCER), places=[place(BALANCER)]
    )
    assert scene.state(code) is State.PASS


@pytest.mark.parametrize("code", CODES)
def test_not_observed_where_nobody_answered(code: str) -> None:
    assert Scene(BARE).state(code) is State.NOT_OBSERVED


# --- out of date -----------------------------------------------------------------------------------------------


def test_a_longer_time_to_live_than_the_zones_is_an_older_record() -> None:
    scene = Scene(BARE, said(OLD, ttl_s=86_000), zone(NEW, ttl_s=60), places=[place(OLD)])
    one = scene.finding("DNS016")
    assert (one.severity, one.owner, one.confidence) == (Severity.WARNING, Owner.DNS, "certain")


def test_where_nothing_serves_at_the_old_address_it_is_critical_and_explains_it() -> None:
    scene = Scene(
        CLUSTER, said(OLD, ttl_s=30), zone(NEW), places=[place(OLD, Reach.NO_CONNECTION, "refused")]
    )
    one = scene.finding("DNS016")
    assert (one.severity, one.confidence) == (Severity.CRITICAL, "likely")
    assert OLD in one.summary
    assert NEW in one.summary


def test_the_old_one_first_and_then_the_new_one_is_an_expired_answer() -> None:
    scene = Scene(BARE, turns(OLD, *[NEW] * 7), zone(NEW), places=[place(OLD), place(NEW)])
    assert "gave first" in scene.finding("DNS016").summary


def test_the_system_met_the_expired_answer() -> None:
    again = replace(system(NEW), id="again", at_s=2.0)
    scene = Scene(BARE, said(NEW), zone(NEW), system(OLD), again, places=[place(OLD), place(NEW)])
    assert "gave first" in scene.finding("DNS016").summary
    once = Scene(BARE, said(NEW), zone(NEW), system(OLD), places=[place(OLD), place(NEW)])
    assert "DNS016" not in once.codes()


@pytest.mark.parametrize(
    ("resolver", "authority"),
    [
        ((PRIVATE,), (NEW,)),  # another view of the zone
        ((OLD,), (NEW,)),  # as short-lived, and it serves: another view is as likely
        ((OLD, NEW), (NEW,)),
        ((), (NEW,)),
    ],
)
def test_no_claim_of_an_old_answer(resolver: tuple[str, ...], authority: tuple[str, ...]) -> None:
    scene = Scene(BARE, said(*resolver), zone(*authority), places=[place(address) for address in resolver])
    assert "DNS016" not in scene.codes()


def test_private_addresses_that_the_resolver_leaves_out() -> None:
    scene = Scene(BARE, nothing(), zone(PRIVATE))
    assert scene.finding("DNS018").severity is Severity.CRITICAL
    assert scene.finding("DNS002").caused_by is not None
    assert "DNS018" not in Scene(BARE, nothing(), zone(NEW)).codes()
    assert "DNS018" not in Scene(BARE, nothing(rcode="NXDOMAIN"), zone(PRIVATE)).codes()


def test_a_lame_server_beside_one_that_serves() -> None:
    lame = zone(server="192.0.2.61:53", server_name="ns2.example.com", rcode="REFUSED", flags=())
    one = Scene(BARE, said(BALANCER), zone(BALANCER), lame).finding("DNS020")
    assert "ns2.example.com (192.0.2.61:53)" in one.summary
    assert "DNS020" not in Scene(BARE, said(BALANCER), lame).codes()  # perhaps it answers none from here


def test_a_silent_server_of_the_zone_is_not_seen() -> None:
    silence = Failure(Phase.RESOLVE, Cause.TIMED_OUT)
    silent = [replace(a, rcode=None, flags=(), failure=silence) for a in zone(server="192.0.2.61:53")]
    assert "DNS020" not in Scene(BARE, said(BALANCER), zone(BALANCER), silent).codes()


# --- no server's address ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "169.254.1.2", "255.255.255.255"])
def test_an_address_that_is_no_servers(address: str) -> None:
    scene = Scene(CLUSTER, said(address))
    assert scene.finding("DNS017").severity is Severity.CRITICAL
    assert scene.codes() == {"DNS017"}


@pytest.mark.parametrize("address", ["::", "::1", "ff02::1", "fe80::1"])
def test_an_ipv6_address_that_is_no_servers(address: str) -> None:
    scene = Scene(BARE, said(BALANCER), said(address, record_type="AAAA", times=2), places=[place(BALANCER)])
    assert scene.finding("DNS017").severity is Severity.WARNING


def test_the_filter_is_named_where_the_zone_says_otherwise() -> None:
    one = Scene(CLUSTER, said("0.0.0.0"), zone(BALANCER)).finding("DNS017")
    assert "a DNS filter blocks the name" in one.summary
    assert BALANCER in one.summary
    assert (
        "as the zone itself says"
        in Scene(CLUSTER, said("0.0.0.0"), zone("0.0.0.0")).finding("DNS017").summary
    )


def test_loopback_counts_where_the_target_names_it() -> None:
    own = replace(BARE, resolvers=(Endpoint("127.0.0.2", 5353),))
    assert "DNS017" not in Scene(own, said("127.0.0.9"), places=[place("127.0.0.9")]).codes()


def test_an_address_made_up_by_dns64() -> None:
    made = "64:ff9b::c000:264"
    answers = [said(BALANCER), said(made, record_type="AAAA", times=2)]
    quiet = Scene(CLUSTER, *answers, places=[place(BALANCER), place(made)])
    assert quiet.finding("DNS019").severity is Severity.INFO
    assert quiet.codes() == {"DNS019"}
    dead = Scene(CLUSTER, *answers, places=[place(BALANCER), place(made, Reach.NO_CONNECTION, "timed-out")])
    assert dead.finding("DNS019").severity is Severity.WARNING
    assert "DNS015" not in dead.codes()


def test_another_prefix_is_known_by_what_the_zone_has() -> None:
    made = "2001:db8:64::c000:264"
    answers = [said(BALANCER), said(made, record_type="AAAA", times=2)]
    assert "DNS019" not in Scene(BARE, *answers).codes()
    without = Scene(BARE, *answers, zone(BALANCER), zone(record_type="AAAA"))
    assert made in without.finding("DNS019").summary
    assert "DNS019" not in Scene(BARE, *answers, zone(BALANCER), zone(made, record_type="AAAA")).codes()


# --- the system ------------------------------------------------------------------------------------------------


def timed(took_s: float, *addresses: str, failure: Failure | None = None) -> SystemResolution:
    return replace(system(*addresses, failure=failure), elapsed_s=took_s)


def test_a_system_that_finds_nothing_is_this_desktops() -> None:
    none = Failure(Phase.RESOLVE, Cause.NO_ADDRESS, "Name or service not known")
    one = Scene(BARE, said(BALANCER), timed(0.1, failure=none)).finding("DNS021")
    assert (one.severity, one.owner) == (Severity.CRITICAL, Owner.DESKTOP)
    assert "DNS021" not in Scene(BARE, nothing(), timed(0.1, failure=none)).codes()


def test_a_slow_resolver() -> None:
    slow = slowly(said(BALANCER), 2.5)
    scene = Scene(BARE, slow, said(BALANCER, server=SECOND), timed(2.5, BALANCER))
    [one] = scene.every("DNS022")
    assert one.evidence == tuple(answer.id for answer in slow[:8])
    assert FIRST in one.summary
    assert one.owner is Owner.DNS
    patient = replace(BARE, thresholds=Thresholds(lookup_slow_s=4))
    assert "DNS022" not in Scene(patient, slowly(said(BALANCER), 2.5)).codes()


def test_a_slow_system_before_a_quick_resolver() -> None:
    one = Scene(BARE, said(BALANCER), timed(5.02, BALANCER)).finding("DNS022")
    assert "takes 5.0 s to look up" in one.summary
    assert one.owner is Owner.DESKTOP
    late = Failure(Phase.RESOLVE, Cause.TIMED_OUT)
    assert (
        "more than 10.0 s" in Scene(BARE, said(BALANCER), timed(10.0, failure=late)).finding("DNS022").summary
    )


def test_a_cold_cache_is_not_slow() -> None:
    first, *others = said(BALANCER)
    scene = Scene(BARE, [replace(first, elapsed_s=1.4), *others], timed(1.5, BALANCER))
    assert "DNS022" not in scene.codes()


# --- a wildcard below the search suffix ------------------------------------------------------------------------


def test_a_wildcard_that_catches_a_misspelt_name_is_critical() -> None:
    denied = nothing(rcode="NXDOMAIN")
    found = said(OLD, name=f"{FQDN}.corp.example.com", purpose="suffix")
    caught = said(OLD, name="0a1b2c.corp.example.com", purpose="probe", times=1)
    none = said(name="0a1b2c.corp.example.com", purpose="probe", rcode="NXDOMAIN", times=1)
    assert (
        Scene(BARE, denied, found, caught, places=[place(OLD)]).finding("DNS011").severity
        is Severity.CRITICAL
    )
    assert (
        Scene(BARE, denied, found, none, places=[place(OLD)]).finding("DNS011").severity is Severity.WARNING
    )


def test_servfail_that_validation_makes_is_named() -> None:
    failing = nothing(rcode="SERVFAIL")
    unchecked = said(BALANCER, purpose="probe", times=1, flags=("RD", "RA", "CD"))
    assert "DNSSEC" in Scene(BARE, failing, unchecked).finding("DNS003").summary
    assert "DNSSEC" not in Scene(BARE, failing).finding("DNS003").summary


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (172_800, "2 days"),
        (172_799, "47 hours"),
        (7200, "2 hours"),
        (7199, "119 minutes"),
        (120, "2 minutes"),
        (119, "119 seconds"),
        (0, "0 seconds"),
    ],
)
def test_a_time_to_live_in_words(seconds: int, words: str) -> None:
    assert _duration(seconds) == words
