"""Servers that nobody told of: which names are asked for, and what they are worth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semscheck.lab.scenarios import SCENARIOS, Scenario
from semscheck.model.analysis import Method
from semscheck.model.findings import Severity
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.pipeline import check
from semscheck.probes import discovery
from semscheck.probes.discovery import neighbours, own_domain, within
from tests.scenarios.play import playing, target


@pytest.mark.parametrize(
    ("fqdn", "domain"),
    [
        ("keys.example.com", "example.com"),
        ("keys.corp.example.com", "corp.example.com"),
        ("keys.corp.local", "corp.local"),
        ("example.com", None),
        ("keys.local", None),
        ("keys", None),
        ("example.co.uk", None),
        ("keys.example.co.uk", "example.co.uk"),
    ],
)
def test_the_names_own_domain(fqdn: str, domain: str | None) -> None:
    assert own_domain(Target(fqdn)) == domain


def test_an_address_has_no_domain() -> None:
    assert own_domain(Target("192.0.2.1", fqdn_is_address=True)) is None


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("sems1.example.com", True),
        ("a.b.example.com", True),
        ("example.com", True),
        ("badexample.com", False),
        ("sems1.example.org", False),
        ("sems1.example.com.evil.test", False),
        ("bad name.example.com", False),
        ("*.example.com", False),
        ("\x1b[2J.example.com", False),
    ],
)
def test_only_names_of_the_domain_are_asked_for(name: str, inside: bool) -> None:
    assert within(name, "example.com") is inside


def test_numbered_neighbours() -> None:
    assert neighbours(["sems2.example.com", "keys.example.com"]) == tuple(
        f"sems{number}.example.com" for number in range(1, 7)
    )


async def _only_the_name(scenario: Scenario, **more: object) -> Report:
    async with playing(scenario) as lab:
        return await check(replace(target(lab, scenario, members=(), balancers=()), **more))  # type: ignore[arg-type]


def _clients_named(name: str) -> Scenario:
    scenario = SCENARIOS[name]
    dns = replace(scenario.world.dns, names_of_clients=True)
    return replace(scenario, world=replace(scenario.world, dns=dns))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["healthy", "round-robin"])
async def test_client_interfaces_that_are_found_name_who_answered(name: str) -> None:
    scenario = _clients_named(name)
    report = await _only_the_name(scenario)
    assert all(member.found and member.client for member in report.target.members)
    assert len(report.target.members) == 3
    shares = {share.name for share in report.analysis.paths[0].members if share.count}
    assert shares <= {member.name for member in report.target.members}
    assert {"healthy": "ok", "round-robin": "critical"}[name] == report.summary.verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method"), [("healthy-weighted", Method.WEIGHTED), ("healthy-terminated", Method.SINGLE)]
)
async def test_servers_that_are_found_hide_nothing_that_the_name_tells(name: str, method: Method) -> None:
    report = await _only_the_name(_clients_named(name))
    assert [member.found for member in report.target.members] == [True] * 3
    assert [path.method for path in report.analysis.paths] == [method]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "servers"), [("healthy-manual", 3), ("dns-round-robin", 3), ("healthy", 3)])
async def test_a_server_to_whose_own_address_the_name_leads_is_known(name: str, servers: int) -> None:
    report = await _only_the_name(_clients_named(name))
    found = [member for member in report.target.members if member.found]
    assert len(found) == servers
    own = [member for member in found if member.client[0].address in report.analysis.dns.addresses]
    assert len(own) == {"healthy-manual": 1, "dns-round-robin": 3, "healthy": 0}[name]
    assert ("CLU001" in {finding.code for finding in report.findings}) is (name == "healthy-manual")


@pytest.mark.slow
async def test_what_is_wrong_at_a_server_that_was_found_decides_no_verdict() -> None:
    report = await _only_the_name(_clients_named("certificate-expired"))
    found = {end.address for member in report.target.members for end in member.client}
    led_to = set(report.analysis.dns.addresses)
    there = [f for f in report.findings if f.subject.address in found - led_to]
    assert there
    assert {finding.severity for finding in there} == {Severity.INFO}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "certificate-unknown-ca",
        "certificate-expires-soon",
        "certificate-not-yet-valid",
        "certificate-weak",
        "certificate-self-signed",
        "legacy-tls",
        "healthy-manual",
        "dns-slow-failover",
    ],
)
async def test_what_is_found_never_makes_the_verdict_milder_or_unknown(name: str) -> None:
    """The certificate of the name stands at servers that were found as well: it is the name's all the same."""
    found = await _only_the_name(_clients_named(name))
    without = await _only_the_name(_clients_named(name), discovery=False)
    assert any(member.client for member in found.target.members)
    assert found.summary.verdict == without.summary.verdict


async def test_it_can_be_left_out_and_is_with_a_profile() -> None:
    report = await _only_the_name(SCENARIOS["round-robin"], discovery=False)
    assert report.target.members == ()
    report = await _only_the_name(SCENARIOS["round-robin"], profile="keys.toml")
    assert report.target.members == ()


@pytest.mark.slow
async def test_few_questions_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve at most, and none of another domain."""
    asked: list[str] = []
    real = discovery.make_query

    def counted(name: str, kind: str, **more: bool) -> object:
        asked.append(name)
        return real(name, kind, **more)

    monkeypatch.setattr(discovery, "make_query", counted)
    await _only_the_name(SCENARIOS["healthy"])
    assert 0 < len(asked) <= discovery.MOST_QUESTIONS
    assert all(name.endswith((".example.test", ".in-addr.arpa")) for name in asked)
