"""How a name rotates, from answers written down: one server at a time, and then all together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.analysis.dns import dns_analysis, rotation_of, sorted_addresses, worse
from semscheck.model.analysis import AnswerSet, DnsAnalysis, Rotation
from semscheck.model.observations import AnyObservation, CnameHop, DnsAnswer, SystemResolution
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Target

FQDN = "keys.example.com"
NONE, FIXED, ORDER, SUBSET, FLIPS, UNKNOWN = (
    Rotation.NONE,
    Rotation.FIXED,
    Rotation.ORDER,
    Rotation.SUBSET,
    Rotation.FLIPS,
    Rotation.UNKNOWN,
)
_ids = itertools.count()


def answer(letters: str | None, repetition: int = 0, **more: object) -> DnsAnswer:
    """letters: each an address ("AB"); "" is no data; None is no answer."""
    data: dict[str, object] = {
        "id": f"o{next(_ids)}",
        "at_s": repetition * 0.005,
        "elapsed_s": 0.001,
        "server": "192.0.2.53:53",
        "name": FQDN,
        "record_type": "A",
        "repetition": repetition,
        "rcode": None if letters is None else "NOERROR",
        "records": tuple(address(letter) for letter in letters or ""),
        "ttl_s": 60 if letters else None,
    }
    return DnsAnswer(**{**data, **more})  # type: ignore[arg-type]


def address(letter: str) -> str:
    """A to M are IPv4, a to m IPv6."""
    return f"192.0.2.{ord(letter) - 55}" if letter.isupper() else f"2001:db8::{ord(letter) - 87:x}"


def burst(
    *records: str | None, ttls: Sequence[int] = (), spacing_s: float = 0.005, **more: object
) -> list[DnsAnswer]:
    found = []
    for index, one in enumerate(records):
        extra: dict[str, object] = {"at_s": index * spacing_s, **more}
        if ttls and one:
            extra["ttl_s"] = ttls[index]
        found.append(answer(one, index, **extra))
    return found


def analysed(*observations: AnyObservation, **target: object) -> DnsAnalysis:
    run = Run(id="r", started=datetime(2026, 11, 22, tzinfo=UTC))
    return dns_analysis(
        Snapshot(target=Target(FQDN, **target), run=run, observations=observations)  # type: ignore[arg-type]
    )


# --- one server --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "rotation"),
    [
        (["A"] * 8, NONE),
        (["A"] * 5, NONE),
        (["A"] * 4, UNKNOWN),
        ([], UNKNOWN),
        ([""] * 8, UNKNOWN),
        ([None] * 8, UNKNOWN),
        (["AB"] * 8, FIXED),
        (["AB"] * 4, UNKNOWN),
        (["AB", "BA"], ORDER),
        (["ABC", "BCA", "CAB"] * 2, ORDER),
        (["AB"] * 7 + ["BA"], ORDER),
        (["AB", "BC", "CA"], SUBSET),
        (["AB", "A", "AB", "AB"], SUBSET),
        (["ABC", "AB"], SUBSET),
        (["A", "B"], FLIPS),
        (["A"] * 7 + ["B"], FLIPS),
        (["A", None, "A", None, "A", "A", "A"], NONE),
        (["A", None, "B"], FLIPS),
        (["A", "", "A", "A", "A", "A"], NONE),
    ],
)
def test_one_burst(answers: list[str | None], rotation: Rotation) -> None:
    assert rotation_of(burst(*answers)) is rotation


@pytest.mark.parametrize(
    ("answers", "ttls", "rotation", "why"),
    [
        (
            "AAAABBBB",
            (1, 1, 1, 0, 300, 300, 300, 300),
            NONE,
            "the cached answer ran out, the record had changed",
        ),
        ("AAAABBBB", (300,) * 8, FLIPS, "nothing ran out"),
        ("AAAABBBB", (200, 200, 200, 200, 300, 300, 300, 300), FLIPS, "two caches: neither had run out"),
        ("AAAAAABA", (1, 1, 1, 1, 1, 0, 5, 5), FLIPS, "changes with nothing run out after it"),
        ("AABBAABB", (0, 0, 5, 0, 5, 0, 5, 5), FLIPS, "what had run out came back"),
        ("ABABABAB", (0,) * 8, FLIPS, "never cached"),
        ("AAAAAAAA", (1, 1, 0, 60, 60, 60, 60, 60), NONE, "ran out, and was the same"),
    ],
)
def test_a_cached_answer_that_runs_out_is_no_rotation(
    answers: str, ttls: tuple[int, ...], rotation: Rotation, why: str
) -> None:
    assert rotation_of(burst(*answers, ttls=ttls)) is rotation, why


def test_an_authority_caches_nothing() -> None:
    found = burst(*"AAAABBBB", ttls=(0, 0, 0, 0, 5, 5, 5, 5), flags=("AA",), role="authority")
    assert rotation_of(found) is FLIPS


def test_order_that_changes_with_a_refresh_alone_is_fixed() -> None:
    found = burst("AB", "AB", "AB", "BA", "BA", "BA", ttls=(1, 1, 0, 60, 60, 60))
    assert rotation_of(found) is FIXED
    found = burst("AB", "BA", "AB", "BA", "AB", "BA", ttls=(1, 1, 0, 60, 60, 60))
    assert rotation_of(found) is ORDER


@given(st.lists(st.sampled_from("ABC"), min_size=1, max_size=20))
def test_single_answers_flip_just_when_they_differ(letters: list[str]) -> None:
    kind = rotation_of(burst(*letters))
    assert (kind is FLIPS) == (len(set(letters)) > 1)


@given(st.permutations("ABCD"), st.integers(5, 12))
def test_a_fixed_order_stays_fixed_whatever_it_is(order: list[str], times: int) -> None:
    assert rotation_of(burst(*["".join(order)] * times)) is FIXED


@given(st.lists(st.sampled_from(["AB", "BA", "A", "B", "ABC", "", None]), max_size=12))
def test_repeating_what_was_seen_never_makes_it_better(answers: list[str | None]) -> None:
    once = rotation_of(burst(*answers))
    twice = rotation_of(burst(*answers, *answers))
    if once is not UNKNOWN:
        assert twice is once


@pytest.mark.parametrize(
    ("kinds", "worst"),
    [
        ((), UNKNOWN),
        ((NONE, FIXED), FIXED),
        ((NONE, UNKNOWN), UNKNOWN),
        ((ORDER, UNKNOWN), ORDER),
        ((SUBSET, ORDER, FLIPS), FLIPS),
    ],
)
def test_worse(kinds: tuple[Rotation, ...], worst: Rotation) -> None:
    assert worse(*kinds) is worst


# --- all together ------------------------------------------------------------------------------------------


def test_nothing_asked() -> None:
    assert analysed() == DnsAnalysis()


def test_an_address_instead_of_a_name() -> None:
    run = Run(id="r", started=datetime(2026, 11, 22, tzinfo=UTC))
    target = Target("192.0.2.1", fqdn_is_address=True)
    assert dns_analysis(Snapshot(target=target, run=run)) == DnsAnalysis(addresses=("192.0.2.1",))


def test_families_are_apart_and_the_worse_counts() -> None:
    found = analysed(*burst(*["A"] * 8), *burst("ab", "ba", record_type="AAAA"))
    assert (found.rotation_v4, found.rotation_v6, found.rotation) == (NONE, ORDER, ORDER)
    assert found.addresses == (address("A"), address("a"), address("b"))


def test_a_family_without_addresses_does_not_count() -> None:
    found = analysed(*burst(*["A"] * 8), *burst("", "", record_type="AAAA"))
    assert (found.rotation_v4, found.rotation_v6, found.rotation) == (NONE, UNKNOWN, NONE)


def test_two_servers_that_differ_are_no_flips() -> None:
    found = analysed(*burst(*["A"] * 8), *burst(*["B"] * 8, server="192.0.2.54:53"))
    assert found.rotation is NONE
    assert found.addresses == (address("A"), address("B"))
    assert [one.rotation for one in found.resolvers] == [NONE, NONE]


def test_interleaved_as_recorded_each_server_keeps_its_own_sequence() -> None:
    one, other = burst(*["AB"] * 8), burst(*["BA"] * 8, server="192.0.2.54:53")
    found = analysed(*(x for pair in zip(one, other, strict=True) for x in pair))
    assert found.rotation is FIXED


def test_answers_come_in_any_order_the_repetition_counts() -> None:
    found = analysed(*reversed(burst("AB", "BA", "AB", None, "BA")))
    [server] = found.resolvers
    assert server.sequence_v4 == (0, 1, 0, None, 1)
    assert server.answers_v4 == (
        AnswerSet(addresses=(address("A"), address("B")), count=2),
        AnswerSet(addresses=(address("B"), address("A")), count=2),
    )
    assert (server.sequence_v6, server.answers_v6) == ((), ())


def test_a_server_that_could_not_be_judged_does_not_hide_one_that_could() -> None:
    found = analysed(*burst(*["A"] * 8), *burst("A", None, None, server="192.0.2.54:53"))
    assert found.rotation is NONE
    assert [one.rotation for one in found.resolvers] == [NONE, UNKNOWN]


def test_a_server_that_never_answered_failed() -> None:
    found = analysed(*burst(None, None), *burst("", "", server="192.0.2.54:53", rcode="NXDOMAIN"))
    assert [(one.failed, one.rcode) for one in found.resolvers] == [(True, None), (False, "NXDOMAIN")]
    assert found.rotation is UNKNOWN
    assert found.addresses == ()


AUTHORITY = {
    "server": "192.0.2.99:53",
    "server_name": "ns1.example.com",
    "role": "authority",
    "flags": ("AA",),
}


def test_flips_at_the_authority_behind_a_cache() -> None:
    found = analysed(*burst(*["A"] * 8), *burst(*"ABCABCAB", **AUTHORITY))
    assert found.rotation is FLIPS
    assert found.addresses == (address("A"), address("B"), address("C"))
    assert found.resolvers[1].server_name == "ns1.example.com"


def test_flips_at_the_authority_count_though_the_cached_one_did_not_come_by_chance() -> None:
    found = analysed(*burst(*["A"] * 8), *burst(*"BCBBCBCB", **AUTHORITY))
    assert found.rotation is FLIPS


@pytest.mark.parametrize(
    ("inside", "more"),
    [("10.1.2.3", {}), ("192.0.2.200", {"flags": ("AA", "RA")})],
    ids=["private", "the resolver has a zone of its own"],
)
def test_another_view_of_the_zone_is_not_what_clients_get(inside: str, more: dict[str, object]) -> None:
    here = [answer("A", n, records=(inside,), **more) for n in range(8)]
    found = analysed(*here, *burst(*"BCBBCBCB", **AUTHORITY))
    assert found.rotation is NONE
    assert found.addresses == (inside,)
    assert found.resolvers[1].rotation is FLIPS  # said, and not counted


def test_a_newer_record_at_the_authority_is_not_counted() -> None:
    found = analysed(*burst(*["A"] * 8, ttls=(20,) * 8), *burst(*["B"] * 8, ttls=(3600,) * 8, **AUTHORITY))
    assert (found.rotation, found.addresses) == (NONE, (address("A"),))
    assert (found.min_ttl_s, found.max_ttl_s, found.authority_ttl_s) == (20, 20, None)


def test_times_to_live() -> None:
    found = analysed(
        *burst(*["A"] * 5, ttls=(20, 20, 19, 19, 19)), *burst(*["A"] * 5, ttls=(60,) * 5, **AUTHORITY)
    )
    assert (found.min_ttl_s, found.max_ttl_s, found.authority_ttl_s) == (19, 60, 60)


def test_without_resolvers_the_authority_and_the_system_are_what_there_is() -> None:
    found = analysed(*burst(None, None), *burst(*["A"] * 8, **AUTHORITY))
    assert found.addresses == (address("A"),)


def test_the_system_and_aliases() -> None:
    chain = (
        CnameHop("keys.example.com", "a.example.com", 30),
        CnameHop("a.example.com", "b.example.net", 30),
    )
    system = SystemResolution(id="s", at_s=0, name=FQDN, addresses=(address("a"), address("B"), "nonsense"))
    found = analysed(system, *burst(*["A"] * 5, cname=chain))
    assert found.cname == ("a.example.com", "b.example.net")
    assert found.system == (address("a"), address("B"))
    assert found.addresses == (address("A"), address("B"), address("a"))
    assert analysed(system, *burst(*["A"] * 5), families=(4,)).addresses == (address("A"), address("B"))


def test_a_name_that_a_suffix_completes() -> None:
    tried = [
        *burst("", "", rcode="NXDOMAIN"),
        *burst("", purpose="suffix", name="keys.a.test", rcode="NXDOMAIN"),
        *burst(*["AB", "BA"] * 4, purpose="suffix", name="keys.b.test"),
        *burst("C", purpose="suffix", name="keys.c.test"),
    ]
    found = analysed(*tried)
    assert found.addresses == (address("A"), address("B"))
    assert found.rotation is ORDER


def test_sorting_is_by_number_ipv4_first() -> None:
    assert sorted_addresses(["2001:db8::1", "192.0.2.100", "192.0.2.9", "192.0.2.9"]) == (
        "192.0.2.9",
        "192.0.2.100",
        "2001:db8::1",
    )


@given(
    st.lists(
        st.builds(
            lambda records, repetition, server, role, kind, flags, ttl: answer(
                "A",
                repetition,
                records=tuple(records),
                server=server,
                role=role,
                record_type=kind,
                flags=flags,
                ttl_s=ttl,
            ),
            st.lists(st.text(max_size=12) | st.ip_addresses().map(str), max_size=3),
            st.integers(0, 8),
            st.sampled_from(["one", "two"]),
            st.sampled_from(["resolver", "authority"]),
            st.sampled_from(["A", "AAAA", "TXT"]),
            st.sampled_from([(), ("AA",)]),
            st.none() | st.integers(0, 2**31),
        ),
        max_size=12,
    )
)
def test_any_saved_answers_can_be_analysed(answers: list[DnsAnswer]) -> None:
    found = analysed(*answers)
    assert found.addresses == sorted_addresses(found.addresses)
