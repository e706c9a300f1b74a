"""DNS001–DNS015: each fires, stays silent, and says when it could not see; exactly these codes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semscheck.model.analysis import BalancingPath, EndpointStatus, Method, Persistence, Reach, Share
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Owner, State
from semscheck.model.observations import HostsEntry, HostsFile, Route
from semscheck.model.target import Endpoint, Failover, Member, Severity, Target, Thresholds
from semscheck.rules.rule import catalogue
from tests.rules.dnsscene import (
    BALANCER,
    BARE,
    CLUSTER,
    FIRST,
    FQDN,
    REFUSED,
    SECOND,
    TIMED_OUT,
    Scene,
    config,
    failed,
    member,
    new_id,
    nothing,
    place,
    said,
    system,
    turns,
)

ALL = [f"DNS{n:03}" for n in range(1, 23)]
AUTHORITY = {
    "role": "authority",
    "server": "192.0.2.99:53",
    "server_name": "ns1.example.com",
    "flags": ("AA",),
}
ONE, TWO = "192.0.2.100 192.0.2.101", "192.0.2.101 192.0.2.100"


def members_said() -> list:  # type: ignore[type-arg]
    """Every member's own name resolves to its Interface 1."""
    return [
        answer
        for n in range(1, 4)
        for answer in said(f"192.0.2.1{n}", name=f"sems{n}.example.com", purpose="member", times=1)
    ]


HEALTHY = (
    config(FIRST, SECOND),
    said(BALANCER),
    said(record_type="AAAA", times=2),
    said(BALANCER, server=SECOND),
    said(record_type="AAAA", times=2, server=SECOND),
    said(BALANCER, **AUTHORITY),
    members_said(),
    system(BALANCER),
)


def test_every_rule_of_the_family_is_in_the_catalogue_with_a_full_card() -> None:
    cards = {one.card.code: one.card for one in catalogue() if one.card.family == "DNS"}
    assert sorted(cards) == ALL
    for card in cards.values():
        assert all(len(text) > 40 for text in (card.summary, card.why, card.remedy, card.seen_by))
        assert card.references


def test_a_healthy_name_is_silent() -> None:
    scene = Scene(replace(CLUSTER, failover=Failover.DNS), *HEALTHY, places=[place(BALANCER)])
    assert scene.codes() == set()
    assert {code: scene.state(code) for code in ALL} == dict.fromkeys(ALL, State.PASS)


def test_an_address_instead_of_a_name_is_not_observed() -> None:
    scene = Scene(Target("192.0.2.1", fqdn_is_address=True))
    assert scene.codes() == set()
    assert {scene.state(code) for code in ALL} == {State.NOT_OBSERVED}
    assert scene.why("DNS001") == "an IP address was given, so there is no name to look up"


def test_nothing_asked_is_not_health() -> None:
    scene = Scene(CLUSTER)
    assert scene.codes() == set()
    assert {code for code in ALL if scene.state(code) is not State.NOT_OBSERVED} == set()


# Each row: observations, the codes expected, and the rules that must say "not observed".
ROWS = {
    "does not exist": (
        [nothing(rcode="NXDOMAIN")],
        {"DNS001"},
        {"DNS004", "DNS006", "DNS009", "DNS010"},
    ),
    "a record of one kind, NXDOMAIN for the other": (
        [said(BALANCER), said(rcode="NXDOMAIN", record_type="AAAA", times=2)],
        {"DNS003"},
        set(),
    ),
    "the same behind an alias": (
        [
            said(BALANCER, cname=("k.example.com",)),
            said(rcode="NXDOMAIN", record_type="AAAA", times=2, cname=("k.example.com",)),
        ],
        {"DNS003"},
        set(),
    ),
    "the same the other way round": (
        [said(rcode="NXDOMAIN", times=2), said("2001:db8::100", record_type="AAAA")],
        {"DNS003"},
        set(),
    ),
    "one resolver denies one kind, another one both": (
        [
            config(FIRST, SECOND),
            nothing(rcode="NXDOMAIN"),
            said(BALANCER, server=SECOND),
            said(rcode="NXDOMAIN", record_type="AAAA", times=2, server=SECOND),
        ],
        {"DNS001", "DNS003", "DNS007"},
        set(),
    ),
    "exists without an address": ([nothing()], {"DNS002"}, {"DNS004", "DNS009"}),
    "one type without an answer": (
        [said(times=2), failed(TIMED_OUT, record_type="AAAA")],
        {"DNS003"},
        {"DNS002"},
    ),
    "no resolver answers": (
        [failed(TIMED_OUT), failed(REFUSED, record_type="AAAA")],
        {"DNS003"},
        {"DNS001", "DNS002", "DNS004", "DNS011", "DNS012"},
    ),
    "one of two resolvers refuses": (
        [said(BALANCER), nothing(SECOND, rcode="REFUSED")],
        {"DNS003"},
        {"DNS007"},
    ),
    "one lost answer of eight is nothing": (
        [said(BALANCER, times=7), failed(TIMED_OUT)],
        set(),
        {"DNS007"},
    ),
    "order changes": ([turns(*[ONE, TWO] * 4)], {"DNS004"}, set()),
    "set changes": (
        [turns("192.0.2.1 192.0.2.2", "192.0.2.2 192.0.2.3", "192.0.2.3 192.0.2.1")],
        {"DNS004"},
        set(),
    ),
    "several, always alike": ([turns(*[ONE] * 8)], {"DNS005"}, set()),
    "several, too few answers": ([turns(ONE, ONE)], {"DNS005"}, {"DNS004", "DNS006"}),
    "one IPv4 and one IPv6": (
        [said(BALANCER), said("2001:db8::100", record_type="AAAA")],
        set(),
        {"DNS015"},
    ),
    "order changes in IPv6 alone": (
        [
            said(BALANCER),
            turns(*["2001:db8::1 2001:db8::2", "2001:db8::2 2001:db8::1"] * 4, record_type="AAAA"),
        ],
        {"DNS004"},
        set(),
    ),
    "flips": ([turns(*["192.0.2.1", "192.0.2.2"] * 4)], {"DNS006"}, set()),
    "flips at the authority, behind a cache": (
        [said("192.0.2.1"), turns(*["192.0.2.1", "192.0.2.2"] * 4, **AUTHORITY)],
        {"DNS006"},
        set(),
    ),
    "resolvers disagree": ([said("192.0.2.1"), said("192.0.2.2", server=SECOND)], {"DNS007"}, set()),
    "one resolver does not know the name, the first one does": (
        [config(FIRST, SECOND), said("192.0.2.1"), nothing(SECOND, rcode="NXDOMAIN")],
        {"DNS007"},
        set(),
    ),
    "the first resolver does not know the name": (
        [config(FIRST, SECOND), nothing(rcode="NXDOMAIN"), said("192.0.2.1", server=SECOND)],
        {"DNS001", "DNS007"},
        set(),
    ),
    "the zone's servers disagree": (
        [
            said(BALANCER),
            said(BALANCER, **AUTHORITY),
            said("192.0.2.9", **{**AUTHORITY, "server": "192.0.2.98:53"}),
        ],
        {"DNS007"},
        set(),
    ),
    "an authority that lags behind a cache is not a disagreement": (
        [said("192.0.2.1"), said("192.0.2.2", **AUTHORITY)],
        set(),
        {"DNS007"},
    ),
    "an alias that leads to nothing": (
        [nothing(cname=("gone.example.com",), rcode="NXDOMAIN")],
        {"DNS012"},
        {"DNS004"},
    ),
    "an alias without an address": ([nothing(cname=("mail.example.com",))], {"DNS012"}, set()),
    "an alias that its server did not follow": (
        [nothing(cname=("www.example.net",), flags=("AA",))],
        set(),
        {"DNS012"},
    ),
    "an alias with IPv6 only": (
        [
            said(cname=("k.example.com",), times=2),
            said("2001:db8::1", cname=("k.example.com",), record_type="AAAA"),
        ],
        set(),
        {"DNS015"},
    ),
    "the system knows better": ([said(BALANCER), system("192.0.2.77")], {"DNS013"}, set()),
    "the system gives nothing": ([said(BALANCER), system()], set(), {"DNS013"}),
    "found with a suffix": (
        [nothing(rcode="NXDOMAIN"), said(BALANCER, purpose="suffix", name=f"{FQDN}.corp.test")],
        {"DNS011"},
        set(),
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_table(row: str) -> None:
    observations, codes, unobserved = ROWS[row]
    scene = Scene(BARE, *observations)
    assert scene.codes() == codes
    for code in unobserved:
        assert scene.state(code) is State.NOT_OBSERVED, code
        assert scene.why(code)
    assert scene.evidence_exists()
    assert all(one.evidence for one in scene.findings if one.code.startswith("DNS"))


# --- what is special about one of them ---------------------------------------------------------------------


def test_a_name_that_this_desktop_finds_otherwise_is_a_warning() -> None:
    scene = Scene(BARE, nothing(rcode="NXDOMAIN"), system("192.0.2.7"))
    assert scene.finding("DNS001").severity is Severity.WARNING
    assert "192.0.2.7" in scene.finding("DNS001").summary
    scene = Scene(BARE, nothing(), system("192.0.2.7"))
    assert scene.finding("DNS002").severity is Severity.WARNING


def test_without_ipv6_no_aaaa_is_missed() -> None:
    scene = Scene(replace(BARE, families=(4,)), said(times=2))
    assert scene.finding("DNS002").summary == f"{FQDN} exists in DNS but has no A record."


@pytest.mark.parametrize(
    ("observations", "severities"),
    [
        ([failed(REFUSED)], {"critical"}),
        ([failed(TIMED_OUT), failed(REFUSED, SECOND)], {"critical"}),
        ([said(BALANCER), failed(TIMED_OUT, SECOND)], {"warning"}),
        ([nothing(rcode="SERVFAIL"), nothing(SECOND, rcode="NXDOMAIN")], {"warning"}),
    ],
)
def test_resolvers_that_fail(observations: list, severities: set[str]) -> None:  # type: ignore[type-arg]
    scene = Scene(BARE, *observations)
    assert {one.severity.value for one in scene.every("DNS003")} == severities


def test_a_resolver_that_fails_for_one_type_is_named_with_it() -> None:
    scene = Scene(BARE, said(BALANCER), said(rcode="SERVFAIL", record_type="AAAA", times=2))
    found = scene.finding("DNS003")
    assert found.summary == "DNS server 192.0.2.53:53 fails for AAAA records: it answers SERVFAIL."
    assert "name servers for AAAA records" in found.remedy
    remedy = Scene(BARE, said(BALANCER), failed(TIMED_OUT, SECOND)).finding("DNS003").remedy
    assert "UDP and TCP port 53" in remedy
    assert "access list" not in remedy
    assert (found.subject.kind, found.subject.address, found.subject.port) == ("resolver", "192.0.2.53", 53)


def test_a_name_that_is_denied_for_one_kind_of_record_exists() -> None:
    denied = said(rcode="NXDOMAIN", record_type="AAAA", times=2)
    scene = Scene(BARE, said(BALANCER), denied)
    found = scene.finding("DNS003")
    assert found.severity is Severity.WARNING
    assert found.summary == (
        f"The resolver 192.0.2.53:53 says that {FQDN} does not exist (NXDOMAIN) when asked for AAAA records, "
        "though it gives A records."
    )
    assert "NOERROR" in found.remedy
    assert found.evidence == tuple(one.id for one in denied)
    assert scene.state("DNS001") is State.PASS


# --- where several addresses lead --------------------------------------------------------------------------

V6 = "2001:db8::100"


def steady(address: str, name: str | None, **more: object) -> BalancingPath:
    """A path on which one member answers everything, or by far the most; None: nobody knows which."""
    share = Share(name=name or "member A", count=16, share=1.0, share_low=0.8, share_high=1.0)
    data: dict[str, object] = {"method": Method.SINGLE, "samples": 16, "identified": 16, **more}
    return BalancingPath(address=address, members=(share,), **data)  # type: ignore[arg-type]


A_AND_AAAA = [said(BALANCER), said(V6, record_type="AAAA")]
TWO_A = [turns(*[ONE] * 8)]
FIRST_A, SECOND_A = ONE.split()
M1, M2 = "sems1.example.com", "sems2.example.com"
BY_WEIGHT = {"method": Method.WEIGHTED}


@pytest.mark.parametrize(
    ("answers", "paths", "words"),
    [
        (
            A_AND_AAAA,
            [steady(BALANCER, M1), steady(V6, M2)],
            f"leads to {M1} over IPv4 ({BALANCER}) and to {M2} over IPv6 ({V6})",
        ),
        (A_AND_AAAA, [steady(BALANCER, M1, **BY_WEIGHT), steady(V6, M2)], f"to {M2} over IPv6"),
        (A_AND_AAAA, [steady(BALANCER, M1), steady(V6, M1)], None),
        (A_AND_AAAA, [steady(BALANCER, M1)], None),
        (A_AND_AAAA, [steady(BALANCER, None), steady(V6, None)], None),
        (A_AND_AAAA, [steady(BALANCER, M1, method=Method.EVEN), steady(V6, M2)], None),
        (
            A_AND_AAAA,
            [steady(BALANCER, M1, persistence=Persistence.SOURCE_ADDRESS), steady(V6, M2)],
            None,
        ),
        (
            TWO_A,
            [steady(FIRST_A, M1), steady(SECOND_A, M2)],
            f"they lead to different members: {FIRST_A} leads to {M1}, {SECOND_A} to {M2}.",
        ),
        (TWO_A, [steady(FIRST_A, M1), steady(SECOND_A, M1)], "; there should be one."),
        (TWO_A, [steady(FIRST_A, M1)], "; there should be one."),
    ],
)
def test_addresses_that_lead_to_different_members(
    answers: list,  # type: ignore[type-arg]
    paths: list[BalancingPath],
    words: str | None,
) -> None:
    places = [place(path.address) for path in paths]
    balancers = (BALANCER, V6, FIRST_A, SECOND_A)
    scene = Scene(replace(CLUSTER, balancers=balancers), *answers, members_said(), places=places, paths=paths)
    assert scene.codes() - {"DNS015"} == ({"DNS005"} if words else set())
    if words:
        assert words in scene.finding("DNS005").summary
        assert scene.finding("DNS005").severity is Severity.WARNING
        assert scene.evidence_exists()


def test_without_a_balancer_the_addresses_are_the_members_own() -> None:
    own = [replace(place(f"198.51.100.1{n}"), client_of=(f"sems{n}.example.com",)) for n in (1, 2)]
    scene = Scene(CLUSTER, turns(*["198.51.100.11 198.51.100.12"] * 8), members_said(), places=own)
    assert "198.51.100.12 to sems2.example.com." in scene.finding("DNS005").summary


def test_a_split_within_a_family_is_said_once() -> None:
    paths = [steady(FIRST_A, M1), steady(SECOND_A, M2), steady(V6, M2)]
    scene = Scene(
        CLUSTER, *TWO_A, said(V6, record_type="AAAA"), places=[place(p.address) for p in paths], paths=paths
    )
    assert "different members" in scene.finding("DNS005").summary


def test_an_ipv6_resolver_has_its_address_in_brackets() -> None:
    scene = Scene(BARE, said(BALANCER), failed(TIMED_OUT, "[2001:db8::53]:5353"))
    subject = scene.finding("DNS003").subject
    assert (subject.address, subject.port) == ("2001:db8::53", 5353)


def test_no_resolver_at_all_is_the_desktops_fault() -> None:
    missing = Failure(Phase.READ, Cause.NOT_FOUND, "No such file or directory")
    scene = Scene(BARE, config(failure=missing))
    found = scene.finding("DNS003")
    assert (found.owner, found.severity) == (Owner.DESKTOP, Severity.CRITICAL)


def test_round_robin_explains_what_follows_from_it() -> None:
    scene = Scene(
        BARE,
        turns(*["192.0.2.1 192.0.2.2", "192.0.2.2 192.0.2.3"] * 4),
        turns(*["2001:db8::1 2001:db8::2"] * 8, record_type="AAAA"),
        system("192.0.2.9"),
    )
    assert scene.codes() == {"DNS004", "DNS005", "DNS013"}
    root = scene.findings.index(scene.finding("DNS004"))
    assert scene.finding("DNS005").caused_by == root
    assert scene.finding("DNS013").caused_by == root
    assert "which of them are given changes" in scene.finding("DNS004").summary


def test_flips_explain_resolvers_that_disagree() -> None:
    flips = turns(*["192.0.2.1", "192.0.2.2"] * 4, **AUTHORITY)
    scene = Scene(BARE, said("192.0.2.1"), said("192.0.2.2", server=SECOND), flips)
    assert scene.codes() == {"DNS006", "DNS007"}
    assert scene.finding("DNS007").caused_by == scene.findings.index(scene.finding("DNS006"))
    assert "ns1.example.com (192.0.2.99:53)" in scene.finding("DNS006").summary


DNS = replace(BARE, failover=Failover.DNS, thresholds=Thresholds(ttl_warning_s=300))


@pytest.mark.parametrize(
    ("observations", "ttl_s"),
    [
        ([said(BALANCER, ttl_s=300, **AUTHORITY)], None),
        ([said(BALANCER, ttl_s=3600, **AUTHORITY)], "3600"),
        ([said(BALANCER, ttl_s=20), said(BALANCER, ttl_s=3600, **AUTHORITY)], "3600"),
        ([said(BALANCER, ttl_s=900)], "900"),
        ([said(BALANCER, ttl_s=60, cname=("a.example.com",), cname_ttl_s=86400, flags=("AA",))], "86400"),
    ],
)
def test_time_to_live(observations: list, ttl_s: str | None) -> None:  # type: ignore[type-arg]
    scene = Scene(DNS, said(BALANCER, ttl_s=1), *observations)
    assert scene.codes() == (set() if ttl_s is None else {"DNS008"})
    if ttl_s is not None:
        assert scene.finding("DNS008").args["ttl_s"] == ttl_s


def test_what_is_left_in_a_cache_proves_no_short_time_to_live() -> None:
    scene = Scene(DNS, said(BALANCER, ttl_s=20))
    assert scene.state("DNS008") is State.NOT_OBSERVED
    assert "20 s" in scene.why("DNS008")
    assert Scene(DNS, said(BALANCER, ttl_s=900)).finding("DNS008").args["full"] == "no"
    assert "at least 15 minutes" in Scene(DNS, said(BALANCER, ttl_s=900)).finding("DNS008").summary


def test_time_to_live_does_not_matter_behind_a_balancer() -> None:
    scene = Scene(BARE, said(BALANCER, ttl_s=86400, **AUTHORITY))
    assert scene.state("DNS008") is State.NOT_OBSERVED


@pytest.mark.parametrize(
    ("address", "target", "codes"),
    [
        (BALANCER, CLUSTER, set()),
        ("198.51.100.11", CLUSTER, set()),
        ("192.0.2.11", CLUSTER, {"DNS009"}),
        ("192.0.2.200", CLUSTER, {"DNS010"}),
        ("192.0.2.200", BARE, set()),
        ("192.0.2.200", replace(BARE, balancers=(BALANCER,)), {"DNS010"}),
        # one address in both roles of a member is CRT014's matter
        (
            "192.0.2.11",
            replace(BARE, members=(Member("a", (Endpoint("192.0.2.11"),), (Endpoint("192.0.2.11"),)),)),
            set(),
        ),
        # the same address, told apart by ports: the FQDN's port is Interface 2's
        (
            "192.0.2.11",
            replace(BARE, members=(Member("a", (Endpoint("192.0.2.11", 8443),), (Endpoint("192.0.2.11"),)),)),
            set(),
        ),
        ("192.0.2.11", replace(CLUSTER, balancers=("192.0.2.11",)), set()),
    ],
)
def test_where_the_name_leads(address: str, target: Target, codes: set[str]) -> None:
    scene = Scene(target, said(address), members_said())
    assert scene.codes() - {"DNS014"} == codes
    if not target.members and not target.balancers:
        assert scene.state("DNS010") is State.NOT_OBSERVED
    if not target.members:
        assert scene.state("DNS009") is State.NOT_OBSERVED


def test_points_to_replication_names_the_member_and_the_interface() -> None:
    found = Scene(CLUSTER, said("192.0.2.12"), members_said()).finding("DNS009")
    assert found.summary == f"{FQDN} resolves to 192.0.2.12, Interface 1 (replication) of sems2.example.com."
    assert (found.subject.name, found.subject.address) == ("sems2.example.com", "192.0.2.12")


def test_many_strangers_are_one_finding() -> None:
    many = [f"203.0.113.{n}" for n in range(1, 41)]
    found = Scene(CLUSTER, said(*many), members_said()).finding("DNS010")
    assert "and 35 more" in found.summary
    assert found.args["count"] == "40"


MAPPED = "::ffff:c000:264"  # as a resolver library writes ::ffff:192.0.2.100


@pytest.mark.parametrize("aim", [CLUSTER, BARE])
def test_an_ipv4_mapped_address_is_called_what_it_is(aim: Target) -> None:
    scene = Scene(aim, said(BALANCER), said(MAPPED, record_type="AAAA"), members_said())
    found = scene.finding("DNS010")
    assert found.severity is Severity.WARNING
    assert (
        "AAAA record ::ffff:192.0.2.100, which is the IPv4 address 192.0.2.100 written as IPv6"
        in found.summary
    )
    assert found.remedy.startswith("Remove the AAAA record")
    assert scene.evidence_exists()


def test_an_ipv4_mapped_address_of_the_hosts_file_is_not_the_zones() -> None:
    entry = HostsEntry(line=3, address=MAPPED, names=(FQDN,))
    hosts = HostsFile(id=new_id(), at_s=0.0, path="/etc/hosts", entries=(entry,))
    scene = Scene(CLUSTER, said(BALANCER), system(MAPPED), hosts, members_said())
    assert not any("AAAA record" in one.summary for one in scene.every("DNS010"))


def test_a_single_label_is_found_even_if_nothing_answers() -> None:
    scene = Scene(Target("keys"), failed(REFUSED))
    assert scene.codes() == {"DNS003", "DNS011"}
    scene = Scene(
        Target("keys"), nothing(rcode="NXDOMAIN"), said(BALANCER, purpose="suffix", name="keys.corp.test")
    )
    assert scene.codes() == {"DNS011"}
    assert "it was found as keys.corp.test" in scene.finding("DNS011").summary


def test_an_alias_that_goes_round_is_said_to() -> None:
    scene = Scene(BARE, nothing(cname=("b.example.com", FQDN)))
    assert "leads back to itself" in scene.finding("DNS012").summary
    assert scene.finding("DNS012").args["chain"] == f"{FQDN} -> b.example.com -> {FQDN}"


def test_the_hosts_file_explains_what_the_system_says() -> None:
    hosts = HostsFile(id=new_id(), at_s=0, path="/etc/hosts", entries=(HostsEntry(3, "192.0.2.77", (FQDN,)),))
    scene = Scene(BARE, said(BALANCER), system("192.0.2.77"), hosts)
    assert scene.codes() == {"CLT003"}
    assert scene.state("DNS013") is State.PASS


def test_the_hosts_file_explains_its_own_stranger_and_no_other() -> None:
    hosts = HostsFile(id=new_id(), at_s=0, path="/etc/hosts", entries=(HostsEntry(3, "192.0.2.77", (FQDN,)),))
    scene = Scene(CLUSTER, said("192.0.2.78"), members_said(), system("192.0.2.77"), hosts)
    assert scene.codes() == {"CLT003", "DNS010"}
    root = scene.findings.index(scene.finding("CLT003"))
    assert {one.subject.address: one.caused_by for one in scene.every("DNS010")} == {
        "192.0.2.77": root,
        "192.0.2.78": None,
    }


def test_with_other_resolvers_the_system_is_not_compared() -> None:
    asked = replace(BARE, resolvers=(Endpoint("192.0.2.53"),))
    scene = Scene(asked, said(BALANCER), system("192.0.2.77"))
    assert scene.state("DNS013") is State.NOT_OBSERVED


def test_a_family_that_dns_was_not_seen_for_is_not_compared() -> None:
    scene = Scene(replace(BARE, families=(4,)), said(BALANCER), system(BALANCER, "2001:db8::1"))
    assert scene.codes() == set()


@pytest.mark.parametrize(
    ("answers", "severity"),
    [
        (said("192.0.2.11", name="sems1.example.com", purpose="member", times=1), None),
        (said("198.51.100.11", name="sems1.example.com", purpose="member", times=1), None),
        (said("203.0.113.9", name="sems1.example.com", purpose="member", times=1), "warning"),
        (said(name="sems1.example.com", purpose="member", times=1, rcode="NXDOMAIN"), "info"),
        (said(name="sems1.example.com", purpose="member", times=1), "info"),
    ],
)
def test_members_names(answers: list, severity: str | None) -> None:  # type: ignore[type-arg]
    scene = Scene(replace(CLUSTER, members=(member(1),)), said(BALANCER), answers)
    assert [one.severity.value for one in scene.every("DNS014")] == ([severity] if severity else [])


def test_a_members_name_without_an_answer_is_not_observed() -> None:
    refused = said(name="sems1.example.com", purpose="member", times=1, rcode="REFUSED")
    scene = Scene(replace(CLUSTER, members=(member(1),)), said(BALANCER), refused)
    assert scene.state("DNS014") is State.NOT_OBSERVED
    assert Scene(BARE, said(BALANCER)).state("DNS014") is State.NOT_OBSERVED


V6 = "2001:db8::100"
BOTH = [said(BALANCER), said(V6, record_type="AAAA")]


@pytest.mark.parametrize(
    ("places", "severity", "state"),
    [
        ([place(BALANCER), place(V6)], None, State.PASS),
        ([place(BALANCER), place(V6, Reach.NO_CONNECTION, "timed-out")], "warning", State.FOUND),
        ([place(BALANCER), place(V6, Reach.NO_TLS, "not-tls")], "warning", State.FOUND),
        ([place(BALANCER, Reach.NO_CONNECTION), place(V6, Reach.NO_CONNECTION)], None, State.NOT_OBSERVED),
        ([place(BALANCER), place(V6, Reach.NOT_TRIED)], None, State.NOT_OBSERVED),
        ([place(BALANCER)], None, State.NOT_OBSERVED),
    ],
)
def test_dead_ipv6(places: list[EndpointStatus], severity: str | None, state: State) -> None:
    scene = Scene(BARE, *BOTH, places=places)
    assert scene.state("DNS015") is state
    assert [one.severity.value for one in scene.every("DNS015")] == ([severity] if severity else [])


def test_a_desktop_without_ipv6_says_only_that() -> None:
    no_route = Failure(Phase.CONNECT, Cause.NO_ROUTE, "Network is unreachable", errno=101)
    route = Route(id=new_id(), at_s=0, address=V6, failure=no_route)
    places = [place(BALANCER), place(V6, Reach.NO_CONNECTION, "no-route")]
    found = Scene(BARE, *BOTH, route, places=places).finding("DNS015")
    assert found.severity is Severity.INFO
    assert "this desktop has no IPv6" in found.summary


def test_a_route_to_there_or_none_to_elsewhere_is_no_desktop_without_ipv6() -> None:
    no_route = Failure(Phase.CONNECT, Cause.NO_ROUTE, "Network is unreachable", errno=101)
    there = Route(id=new_id(), at_s=0, address=V6, source_address="2001:db8::1")
    elsewhere = Route(id=new_id(), at_s=0, address="2001:db8::200", failure=no_route)
    places = [place(BALANCER), place(V6, Reach.NO_CONNECTION, "timed-out")]
    assert Scene(BARE, *BOTH, there, elsewhere, places=places).finding("DNS015").severity is Severity.WARNING


def test_dead_ipv6_stands_for_what_was_not_reached_there() -> None:
    """NET, TLS and HTTP findings at that address have it as their cause."""
    from semscheck.model.findings import Confidence, Finding, Subject
    from semscheck.rules.causes import explain

    def one(code: str, address: str) -> Finding:
        return Finding(
            code=code,
            name="x",
            severity=Severity.CRITICAL,
            confidence=Confidence.CERTAIN,
            owner=Owner.NETWORK,
            subject=Subject("address", FQDN, address, 443),
            summary="x",
            remedy="x",
        )

    told = explain((one("NET002", V6), one("NET002", BALANCER), one("DNS015", V6)))
    assert [f.caused_by for f in told] == [2, None, None]
