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

from semscheck.discovery import Found, find, merged, profile_text
from semscheck.lab.scenarios import SCENARIOS
from semscheck.model.target import Endpoint, Limits, Member, Target
from semscheck.profile.reader import ProfileError, read_target
from tests.lab.clients import split
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


# --- the text ----------------------------------------------------------------------------------------------

NOTHING = Found(Target("keys.example.com", fqdn_shown="keys.example.com"), (), ())


ONE = Member("sems1.example.com", replication=(Endpoint("192.0.2.11"),), found=True)
TWO = Member("sems2.example.com", client=(Endpoint("192.0.2.12"),), found=True)


def test_nothing_found_is_a_profile_all_the_same() -> None:
    text = profile_text(NOTHING)
    assert "The name has no address here" in text
    assert "No server was found by name" in text
    read_back = read(text)
    assert read_back.fqdn == "keys.example.com"
    assert read_back.members == ()
    assert read_back.balancers == ()


def test_what_was_found_is_read_back() -> None:
    addresses = ("192.0.2.100", "2001:db8::100")
    text = profile_text(Found(Target("keys.example.com", port=8443), addresses, (ONE, TWO), reachable=True))
    back = read(text)
    assert back.port == 8443
    assert back.balancers == addresses
    assert [(m.name, m.replication, m.client) for m in back.members] == [
        (m.name, m.replication, m.client) for m in (ONE, TWO)
    ]
    assert "so this is Interface 1" in text
    assert "so this is Interface 2" in text


def test_a_second_run_adds_what_is_new_and_loses_nothing() -> None:
    before = profile_text(Found(Target("keys.example.com"), ("192.0.2.100",), (ONE,))) + "# a note of mine\n"
    again = Found(Target("keys.example.com"), ("192.0.2.100",), (ONE, TWO))
    after = merged(before, again, [ONE.name])
    assert after.startswith(before)
    assert [member.name for member in read(after).members] == [ONE.name, TWO.name]
    assert merged(after, again, [ONE.name, TWO.name]) == after


def test_an_address_of_the_name_that_is_a_members_is_no_balancer() -> None:
    found = Found(Target("keys.example.com"), ("192.0.2.11",), (ONE,))
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
        (replace(ONE, name=name),) if name else (),
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
    assert names == {m.name: (Endpoint(split(m.replication, 0)[0]),) for m in lab.members}


def _find(rig: Rig, records: Sequence[str], *, ca_file: str | None = None) -> Found:
    nameserver = rig.nameserver("192.0.2.53")
    rig.start(
        Bind((nameserver,), (Zone("example.test", tuple(records), nameservers=(("ns1", nameserver[0]),)),))
    )
    aim = Target(FQDN, port=rig.port(443), resolvers=(Endpoint(*nameserver),), limits=LIMITS, ca_file=ca_file)
    return rig.client.call(lambda: asyncio.run(find(aim)))


def _serve(rig: Rig, **certificates: str) -> dict[str, str]:
    """A server for each label, with a certificate for the name that stands there; their addresses."""
    addresses = {label: rig.address(f"192.0.2.{number}") for number, label in enumerate(certificates, 100)}
    for label, name in certificates.items():
        certificate = rig.authority.issue(name.split(",")[0], tuple(name.split(",")))
        rig.start(NginxMember(label, (Interface(addresses[label], rig.port(443), certificate),)))
    return addresses


@pytest.mark.real
def test_servers_are_found_by_name_and_known_by_their_certificates(rig: Rig) -> None:
    at = _serve(rig, keys=FQDN, sems1="sems1.example.test", sems2="other.example.test")
    records = [f"{label} 60 IN A {address}" for label, address in at.items()]
    found = _find(rig, [*records, f"sems3 60 IN A {at['keys']}"], ca_file=str(rig.ca_file))
    assert found.addresses == (at["keys"],)
    assert found.reachable
    assert [(m.name, m.replication) for m in found.members] == [
        ("sems1.example.test", (Endpoint(at["sems1"]),))
    ]


@pytest.mark.real
def test_a_wildcard_makes_no_servers(rig: Rig) -> None:
    at = _serve(rig, keys=FQDN, other="sems1.example.test", sems1="sems1.example.test")
    records = [f"keys 60 IN A {at['keys']}", f"* 60 IN A {at['other']}"]
    assert _find(rig, records).members == ()


@pytest.mark.real
def test_one_real_server_under_a_wildcard_is_found_once(rig: Rig) -> None:
    at = _serve(rig, keys=FQDN, other=FQDN, sems1="sems1.example.test")
    records = [
        f"keys 60 IN A {at['keys']}",
        f"* 60 IN A {at['other']}",
        f"sems1 60 IN A {at['sems1']}",
        f"keys1 60 IN A {at['sems1']}",
    ]
    assert [member.name for member in _find(rig, records).members] == ["sems1.example.test"]


@pytest.mark.real
def test_names_of_another_domain_are_never_looked_up(rig: Rig) -> None:
    """A certificate can name anything: what it names elsewhere is neither asked for nor contacted."""
    at = _serve(
        rig, keys=f"{FQDN},sems1.example.org,evil.example.net,pgp-a.example.test", pgpa="pgp-a.example.test"
    )
    records = [f"keys 60 IN A {at['keys']}", f"pgp-a 60 IN A {at['pgpa']}"]
    found = _find(rig, records)
    assert [member.name for member in found.members] == ["pgp-a.example.test"]


@pytest.mark.real
def test_a_name_that_does_not_exist(rig: Rig) -> None:
    found = _find(rig, ["unrelated 60 IN A 192.0.2.1"])
    assert (found.addresses, found.members, found.reachable) == ((), (), False)
    assert read(profile_text(found)).fqdn == FQDN
