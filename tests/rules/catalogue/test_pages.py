"""Pages: where they send a browser, whose they are, and what a server demands before it shows one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semscheck.model.analysis import Method, Persistence
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Owner, State
from semscheck.model.observations import AnyObservation, DnsAnswer
from semscheck.model.target import Severity
from tests.rules.netscene import (
    BARE,
    CLIENT,
    FQDN,
    NAMES,
    VIP,
    Scene,
    cluster,
    connection,
    dns,
    down,
    exchange,
    handshake,
    path,
    serves,
)

TWO = cluster()
UP = [serves(CLIENT[0]), serves(CLIENT[1])]
CODES = ("CLU008", "CLU010", "CLU011", "CLU012", "CLU013", "NET016")


def shows(address: str, title: str | None, **more: object) -> list[AnyObservation]:
    return [connection(address), handshake(address), exchange(address, title, **more)]  # type: ignore[arg-type]


def sends(location: str, address: str = VIP) -> list[AnyObservation]:
    login = exchange(address, path="/b/l.e")
    return [*shows(address, None, status=302, headers=(("Location", location),)), login]


@pytest.mark.parametrize("code", CODES)
def test_silent_where_all_is_well(code: str) -> None:
    kept = path(Method.SINGLE, Persistence.COOKIE, kept_by_cookie="SRV")
    assert Scene(TWO, sends(f"https://{FQDN}/b/l.e"), *UP, paths=[kept]).state(code) is State.PASS


@pytest.mark.parametrize("code", CODES)
def test_not_observed_where_nothing_was_asked(code: str) -> None:
    assert Scene(BARE, answers=False).state(code) is State.NOT_OBSERVED


@pytest.mark.parametrize(
    ("location", "how", "severity"),
    [
        (f"http://{FQDN}/b/l.e", "http", Severity.CRITICAL),
        (f"https://{NAMES[0]}/b/l.e", "member", Severity.WARNING),
        ("https://login.example.org/saml", "host", Severity.WARNING),
        ("//login.example.org/", "host", Severity.WARNING),
    ],
)
def test_where_a_browser_is_sent(location: str, how: str, severity: Severity) -> None:
    one = Scene(TWO, sends(location), *UP).only("CLU008")
    assert (one.args["how"], one.severity) == (how, severity)


@pytest.mark.parametrize(
    "location", ["/b/l.e", f"https://{FQDN}:443/", f"https://{FQDN.upper()}/", "http://[", ""]
)
def test_where_a_browser_stays(location: str) -> None:
    assert Scene(TWO, sends(location), *UP).state("CLU008") is State.PASS


def test_the_same_redirect_everywhere_is_said_once() -> None:
    away = "https://login.example.org/"
    assert len(Scene(TWO, sends(away), sends(away, CLIENT[0]), sends(away, CLIENT[1])).every("CLU008")) == 1


def test_a_maintenance_page_while_no_server_answers() -> None:
    scene = Scene(TWO, shows(VIP, "Down for maintenance"), down(CLIENT[0]), down(CLIENT[1]))
    one = scene.only("CLU010")
    assert (one.severity, one.owner) == (Severity.CRITICAL, Owner.SERVER)
    assert scene.cause_of("CLU006") == "CLU010"


def test_a_maintenance_page_before_servers_that_serve_is_the_balancers() -> None:
    scene = Scene(TWO, shows(VIP, "Temporarily unavailable", status=503), *UP)
    assert scene.only("CLU010").owner is Owner.BALANCER


def test_a_firewalls_page_is_one_finding_and_explains_the_rest() -> None:
    scene = Scene(TWO, *(shows(address, "Request Rejected") for address in (VIP, *CLIENT[:2])))
    one = scene.only("CLU012")
    assert (one.severity, one.owner) == (Severity.WARNING, Owner.NETWORK)
    assert " and 2 more addresses: " in one.summary
    two = Scene(TWO, *(shows(address, "Request Rejected") for address in (VIP, CLIENT[0])))
    assert " and 1 more address: " in two.only("CLU012").summary
    assert "more address" not in Scene(TWO, shows(VIP, "Request Rejected")).only("CLU012").summary
    assert {f.caused_by for f in scene.every("CLU006")} == {scene.findings.index(one)}


def demanded(failure: Failure | None = None, **page: object) -> list[AnyObservation]:
    asking = replace(handshake(VIP), client_certificate_requested=True)
    answer = exchange(VIP, cause=Cause.ALERT) if failure else exchange(VIP, **page)  # type: ignore[arg-type]
    return [connection(VIP), asking, replace(answer, failure=failure)]


def test_a_client_certificate_demanded_in_tls_1_3() -> None:
    alert = Failure(
        Phase.HTTP, Cause.ALERT, "TLSV13_ALERT_CERTIFICATE_REQUIRED", alert="certificate_required"
    )
    scene = Scene(BARE, demanded(alert))
    assert (scene.only("CLU011").severity, scene.only("CLU011").confidence) == (Severity.CRITICAL, "certain")
    assert scene.cause_of("CLU007") == "CLU011"
    told = Scene(BARE, demanded(title="400 No required SSL certificate was sent", status=400))
    assert told.only("CLU011").severity is Severity.CRITICAL


def test_a_client_certificate_that_is_only_asked_for() -> None:
    assert Scene(BARE, demanded()).state("CLU011") is State.PASS
    silence = Failure(Phase.HTTP, Cause.STALLED)
    assert Scene(BARE, demanded(silence)).state("CLU011") is State.PASS


@pytest.mark.parametrize(
    ("cookie", "limit"),
    [
        ("SRV=s1; Path=/b", "/b"),
        ("SRV=s1; path=/pgp", "/pgp"),
        ("SRV=s1; Path=/", None),
        ("SRV=s1; Path=/pgpuniversaldesktop", None),
        ("SRV=s1", None),
        ("JSESSIONID=1; Path=/b", None),  # the application's own
    ],
)
def test_the_path_of_the_balancers_cookie(cookie: str, limit: str | None) -> None:
    kept = path(Method.EVEN, Persistence.COOKIE, kept_by_cookie="SRV")
    scene = Scene(TWO, shows(VIP, "Login", headers=(("Set-Cookie", cookie),)), *UP, paths=[kept])
    assert [f.args["path"] for f in scene.every("CLU013")] == ([limit] if limit else [])


# --- a portal ----------------------------------------------------------------------------------------------


def member_names(address: str) -> list[AnyObservation]:
    [seen, *_] = dns(address)
    assert isinstance(seen, DnsAnswer)
    return [replace(seen, id=f"m{n}", name=name, purpose="member") for n, name in enumerate(NAMES[:2])]


def test_every_name_at_one_strange_address_is_a_portal_and_said_first() -> None:
    portal = "203.0.113.1"
    scene = Scene(TWO, shows(portal, "Welcome"), member_names(portal), leads_to=[portal])
    assert scene.only("NET016").owner is Owner.NETWORK
    assert scene.cause_of("CLU006") == "NET016"
    assert scene.cause_of("DNS010") == "NET016"


def test_one_name_server_for_all_is_no_portal_where_the_profile_knows_the_address() -> None:
    assert Scene(TWO, serves(VIP), *UP, member_names(VIP)).state("NET016") is State.PASS
    other = Scene(TWO, serves("203.0.113.1"), *UP, member_names(CLIENT[0]), leads_to=["203.0.113.1"])
    assert other.state("NET016") is State.PASS


def test_a_network_that_says_so_itself() -> None:
    scene = Scene(BARE, shows(VIP, "Login", status=511))
    assert scene.only("NET016").confidence == "certain"
