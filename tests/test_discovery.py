"""A first profile: what is found, what is a guess, and text that the profile's own reader accepts, whatever came."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.discovery import STRANGER, Found, FoundMember, candidates, find, profile_text
from semscheck.lab.cluster import Lab
from semscheck.lab.scenarios import SCENARIOS
from semscheck.model.target import Endpoint, Limits, Target
from semscheck.profile.reader import ProfileError, read_target
from tests.rig.dnsservers import Bind, Zone
from tests.rig.members import Interface, NginxMember
from tests.rig.rig import Rig
from tests.scenarios.play import playing, target

FQDN = "keys.example.test"
LIMITS = Limits(timeout_s=2.0, deadline_s=30.0)


def read(text: str) -> Target:
    """The text as a profile, as `check --profile` reads it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "profile.toml"
        file.write_text(text, encoding="utf-8")
        return read_target(file, {}, dict)


# --- names that members may have ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fqdn", "told", "among", "never"),
    [
        (
            "keys.example.com",
            (),
            {"sems1.example.com", "sems6.example.com", "keys2.example.com"},
            {"keys.example.com"},
        ),
        ("keys.example.com", ("pgp7.example.com",), {"pgp7.example.com", "pgp1.example.com"}, set()),
        ("keys.example.com", ("*.example.com",), {"sems1.example.com"}, {"*.example.com"}),
        ("keys.example.com", ("keys.example.com",), set(), {"keys.example.com"}),
        (
            "keys.example.com",
            ("bad name", "", "a..b", "x" * 300, "\x1b[2J", "münchen.example"),
            set(),
            {"bad name", "", "a..b"},
        ),
        ("keys", (), set(), {"sems1"}),
    ],
)
def test_candidates(fqdn: str, told: Sequence[str], among: set[str], never: set[str]) -> None:
    found = set(candidates(fqdn, told))
    assert among <= found
    assert not never & found
    assert all(name.isascii() and " " not in name and "*" not in name for name in found)


def test_names_that_were_told_come_before_guesses() -> None:
    assert candidates("keys.example.com", ("pgp-a.example.com",))[0] == "pgp-a.example.com"


# --- the text ----------------------------------------------------------------------------------------------

NOTHING = Found(Target("keys.example.com", fqdn_shown="keys.example.com"), (), ())


def test_nothing_found_is_a_profile_all_the_same() -> None:
    text = profile_text(NOTHING)
    assert "The name has no address here" in text
    assert "No member was found by name" in text
    read_back = read(text)
    assert read_back.fqdn == "keys.example.com"
    assert read_back.members == ()
    assert read_back.balancers == ()


def test_what_was_found_is_read_back() -> None:
    found = Found(
        Target("keys.example.com", port=8443),
        ("192.0.2.100", "2001:db8::100"),
        (
            FoundMember("sems1.example.com", ("192.0.2.11",), True),
            FoundMember("sems2.example.com", ("192.0.2.12", "2001:db8::12"), None),
            FoundMember("www.example.com", ("192.0.2.80",), False),
        ),
        reachable=True,
    )
    text = profile_text(found)
    back = read(text)
    assert back.port == 8443
    assert back.balancers == ("192.0.2.100", "2001:db8::100")
    assert [member.name for member in back.members] == [
        "sems1.example.com",
        "sems2.example.com",
        "www.example.com",
    ]
    assert back.members[1].replication == (Endpoint("192.0.2.12"), Endpoint("2001:db8::12"))
    assert "so this is Interface 1" in text
    assert "is this a member at all?" in text
    assert "no certificate could be seen there" in text


def test_an_address_of_the_name_that_is_a_members_is_no_balancer() -> None:
    found = Found(
        Target("keys.example.com"), ("192.0.2.11",), (FoundMember("sems1.example.com", ("192.0.2.11",)),)
    )
    assert read(profile_text(found)).balancers == ()


def test_every_commented_line_is_a_line_that_works() -> None:
    """Somebody will take the '# ' away: what is then read is a profile too."""
    text = profile_text(NOTHING)
    lines = [
        line[2:] if line.startswith("# ") and ("=" in line or line.startswith("# [")) else line
        for line in text.splitlines()
        if not line.startswith("# ca_file")
    ]
    lines = [line for line in lines if "semscheck check" not in line]
    back = read("\n".join(lines))
    assert back.members[0].name == "sems1.example.com"
    assert back.services.check == (389, 636)


nasty = st.text(st.characters(exclude_categories=()), max_size=40)


@given(nasty, nasty, st.lists(nasty, max_size=3), nasty)
def test_whatever_came_from_the_network_stays_within_its_string(
    fqdn: str, name: str, addresses: list[str], shown: str
) -> None:
    """The text is TOML with exactly the values that were put in; no comment and no key comes of a value."""
    found = Found(
        Target(fqdn, fqdn_shown=shown),
        tuple(addresses),
        (FoundMember(name, ("192.0.2.11",)),) if name else (),
    )
    text = profile_text(found)
    document = tomllib.loads(text.encode("utf-8", "strict").decode())
    plain = fqdn.encode("utf-8", "replace").decode()
    assert document["target"]["fqdn"] == plain
    assert set(document) <= {"target", "member"}
    assert set(document["target"]) <= {"fqdn", "port", "failover", "balancers", "ca_file"}
    if name:
        (member,) = document["member"]
        assert member["name"] == name.encode("utf-8", "replace").decode()
        assert set(member) == {"name", "replication"}


@pytest.mark.parametrize(
    "value", ['"\n[member]\nname = "evil', "a\r\nport = 1", '\\"', "\x00\x1b[2J", "# x", "'''"]
)
def test_values_that_want_out(value: str) -> None:
    found = replace(NOTHING, target=Target(value, fqdn_shown=value, ca_file=value))
    document = tomllib.loads(profile_text(found))
    assert document["target"]["fqdn"] == value
    assert document["target"]["ca_file"].endswith(value)
    assert document["target"]["port"] == 443


def test_a_certificate_file_is_named_such_that_it_is_found_from_anywhere() -> None:
    found = replace(NOTHING, target=Target("keys.example.com", ca_file="corp.pem"))
    assert tomllib.loads(profile_text(found))["target"]["ca_file"] == str(Path("corp.pem").absolute())


def test_the_reader_is_strict_so_that_these_tests_mean_something() -> None:
    with pytest.raises(ProfileError):
        read('[target]\nfqdn = "keys.example.com"\nnonsense = 1\n')


# --- on real parts -----------------------------------------------------------------------------------------


async def test_the_lab_is_found_and_its_profile_checks() -> None:
    scenario = SCENARIOS["healthy"]
    async with playing(scenario) as lab:
        aim = target(lab, scenario, members=(), balancers=())
        found = await find(aim)
        back = read(profile_text(found))
    assert found.reachable
    assert back.fqdn == lab.fqdn
    assert back.balancers == lab.known_balancers
    names = {member.name: member.replication for member in back.members}
    assert names == {m.name: (Endpoint(_host(lab, m.replication)),) for m in lab.members}
    assert all(member.presents_name for member in found.members)


def _host(lab: Lab, text: str) -> str:
    from tests.lab.clients import split

    return split(text, 0)[0]


def _find(rig: Rig, records: Sequence[str], *, ca_file: str | None = None) -> Found:
    nameserver = rig.nameserver("192.0.2.53")
    rig.start(
        Bind((nameserver,), (Zone("example.test", tuple(records), nameservers=(("ns1", nameserver[0]),)),))
    )
    aim = Target(FQDN, port=rig.port(443), resolvers=(Endpoint(*nameserver),), limits=LIMITS, ca_file=ca_file)
    return rig.client.call(lambda: asyncio.run(find(aim)))


@pytest.mark.real
def test_members_are_found_by_name_and_told_by_their_certificates(rig: Rig) -> None:
    port = rig.port(443)
    vip, one, two = (rig.address(f"192.0.2.{n}") for n in (100, 11, 12))
    keys = rig.authority.issue(FQDN)
    rig.start(NginxMember("vip", (Interface(vip, port, keys),)))
    rig.start(NginxMember("sems1", (Interface(one, port, rig.authority.issue("sems1.example.test")),)))
    rig.start(NginxMember("sems2", (Interface(two, port, rig.authority.issue("other.example.test")),)))
    found = _find(
        rig,
        [f"keys 60 IN A {vip}", f"sems1 60 IN A {one}", f"sems2 60 IN A {two}", f"sems3 60 IN A {vip}"],
        ca_file=str(rig.ca_file),
    )
    assert found.addresses == (vip,)
    assert found.reachable
    assert [(m.name, m.addresses, m.presents_name) for m in found.members] == [
        ("sems1.example.test", (one,), True),
        ("sems2.example.test", (two,), False),
    ]
    assert [member.name for member in read(profile_text(found)).members] == [m.name for m in found.members]


@pytest.mark.real
def test_a_wildcard_makes_no_members(rig: Rig) -> None:
    vip, other = rig.address("192.0.2.100"), rig.address("192.0.2.66")
    found = _find(rig, [f"keys 60 IN A {vip}", f"* 60 IN A {other}"])
    assert found.addresses == (vip,)
    assert found.members == ()
    assert not found.reachable
    assert STRANGER not in profile_text(found)


@pytest.mark.real
def test_one_real_member_under_a_wildcard_is_found(rig: Rig) -> None:
    vip, other, one = (rig.address(f"192.0.2.{n}") for n in (100, 66, 11))
    found = _find(rig, [f"keys 60 IN A {vip}", f"* 60 IN A {other}", f"sems1 60 IN A {one}"])
    assert [member.name for member in found.members] == ["sems1.example.test"]


@pytest.mark.real
def test_names_that_share_an_address_are_not_two_members(rig: Rig) -> None:
    vip, one = rig.address("192.0.2.100"), rig.address("192.0.2.11")
    found = _find(rig, [f"keys 60 IN A {vip}", f"sems1 60 IN A {one}", f"keys1 60 IN A {one}"])
    assert len(found.members) == 1
    assert read(profile_text(found)).members[0].replication == (Endpoint(one),)


@pytest.mark.real
def test_a_name_that_does_not_exist(rig: Rig) -> None:
    found = _find(rig, ["unrelated 60 IN A 192.0.2.1"])
    assert (found.addresses, found.members, found.reachable) == ((), (), False)
    assert read(profile_text(found)).fqdn == FQDN
