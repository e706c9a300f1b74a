"""CLU: does anything serve, is there a second one, is it this product at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from semscheck.model.analysis import Method, Persistence
from semscheck.model.failure import Cause
from semscheck.model.findings import Owner, State
from semscheck.model.observations import AnyObservation
from semscheck.model.target import Endpoint, Member, Severity, Target
from tests.rules.netscene import (
    BARE,
    CLIENT,
    FQDN,
    NAMES,
    REPLICATION,
    VIP,
    Scene,
    cluster,
    connection,
    dns,
    down,
    exchange,
    handshake,
    no_http,
    no_tls,
    own,
    path,
    serves,
    service,
)

TWO = cluster()


@dataclass(frozen=True, slots=True)
class Row:
    case: str
    seen: list[AnyObservation]
    codes: set[str]
    target: Target = TWO
    leads_to: tuple[str, ...] = (VIP,)


def all_well() -> list[AnyObservation]:
    return [*serves(VIP), *serves(CLIENT[0]), *serves(CLIENT[1]), *own(0), *own(1)]


def page(title: str | None, **more: object) -> list[AnyObservation]:
    """A page in place of the product's, at the balancer."""
    return [connection(VIP), handshake(VIP), exchange(VIP, title, **more)]  # type: ignore[arg-type]


def redirect(location: str) -> tuple[tuple[str, str], ...]:
    return (("Location", location),)


ROWS = (
    Row("all is well", all_well(), set()),
    # CLU001
    Row(
        "the name is one member's own",
        [*serves(CLIENT[0]), *serves(CLIENT[1])],
        {"CLU001"},
        leads_to=CLIENT[:1],
    ),
    Row(
        "one server is no cluster",
        serves(CLIENT[0]),
        set(),
        cluster(1, balancers=()),
        CLIENT[:1],
    ),
    Row("two members", [*serves(CLIENT[0]), *serves(CLIENT[1])], set(), leads_to=CLIENT[:2]),
    Row("a member and a balancer", all_well(), set(), leads_to=(CLIENT[0], VIP)),
    # CLU002
    Row("a standby refuses", [*serves(VIP), *serves(CLIENT[0]), *down(CLIENT[1])], {"CLU002"}),
    Row("a standby stalls in TLS", [*serves(VIP), *serves(CLIENT[0]), *no_tls(CLIENT[1])], {"CLU002"}),
    Row(
        "a standby says nothing",
        [*serves(VIP), *serves(CLIENT[0]), *no_http(CLIENT[1])],
        {"CLU002", "CLU007"},
    ),
    Row(
        "a standby is overloaded",
        [*serves(VIP), *serves(CLIENT[0]), *serves(CLIENT[1], status=503, title="Unavailable")],
        {"CLU002", "CLU006"},
    ),
    Row(
        "no member serves, so that none is a standby",
        [*serves(VIP), *down(CLIENT[0]), *down(CLIENT[1])],
        set(),
    ),
    Row(
        "an Interface 1 is not what serves clients",
        [*serves(VIP), *serves(CLIENT[0]), *down(REPLICATION[1])],
        set(),
    ),
    # CLU003
    Row("six members", serves(VIP), set(), cluster(6)),
    Row("seven members", serves(VIP), {"CLU003"}, cluster(7)),
    # CLU004
    Row(
        "versions differ",
        [*serves(VIP), service(CLIENT[0], 389, version="10.5"), service(CLIENT[1], 389, version="11.0")],
        {"CLU004"},
    ),
    Row(
        "versions are one",
        [*serves(VIP), service(CLIENT[0], 389, version="10.5"), service(CLIENT[1], 636, version="10.5")],
        set(),
    ),
    Row(
        "a member told it twice",
        [*serves(VIP), service(CLIENT[0], 389, version="10.5"), service(CLIENT[0], 636, version="10.5")],
        set(),
    ),
    # CLU005
    Row("nothing serves", [*down(VIP), *down(CLIENT[0]), *down(CLIENT[1])], {"CLU005"}),
    Row(
        "the balancer is down, members serve",
        [*down(VIP), *serves(CLIENT[0]), *serves(CLIENT[1])],
        {"CLU005"},
    ),
    Row(
        "one of two addresses serves", [*down(CLIENT[0]), *serves(CLIENT[1])], {"CLU002"}, leads_to=CLIENT[:2]
    ),
    Row("TLS serves, HTTP does not", no_http(VIP), {"CLU005", "CLU007"}, BARE),
    # CLU006
    Row("another product", page("It works!"), {"CLU006"}, BARE),
    Row("no title", page(None), {"CLU006"}, BARE),
    Row("an old name of the product", page("PGP Universal Server"), set(), BARE),
    Row("the newest name", page("PGP Encryption Server"), set(), BARE),
    Row("its web mail", page("Web Email Protection"), set(), BARE),
    Row("whatever the case", page("  SYMANTEC   ENCRYPTION server "), set(), BARE),
    Row(
        "a redirect to its own pages",
        page(None, status=302, headers=redirect("/omc/Start.event")),
        set(),
        BARE,
    ),
    Row(
        "the same with the host",
        page(None, status=302, headers=redirect(f"https://{FQDN}/b/l.e")),
        set(),
        BARE,
    ),
    Row(
        "a redirect elsewhere",
        page(None, status=302, headers=redirect("https://sso.example.com/")),
        {"CLU006", "CLU008"},
        BARE,
    ),
    Row(
        "a path that only looks like one of its own",
        page(None, status=302, headers=redirect("/b.example/")),
        {"CLU006"},
        BARE,
    ),
    Row(
        "seen on the second page",
        [*page("Welcome"), exchange(VIP, "Symantec Web Email Protection", path="/b/l.e")],
        set(),
        BARE,
    ),
    Row(
        "an error page of the product's machine",
        page("Symantec Encryption Management Server", status=503),
        {"CLU006"},
        BARE,
    ),
    Row(
        "its own not-found page is sent as 200",
        page("Symantec Encryption: not found", status=404),
        set(),
        BARE,
    ),
    Row(
        "an Interface 1 is never judged",
        [*all_well(), exchange(REPLICATION[0], "It works!", host=NAMES[0])],
        set(),
    ),
    # CLU007
    Row("HTTP is silent", [*no_http(VIP), *serves(CLIENT[0])], {"CLU005", "CLU007"}, cluster(1)),
    Row("HTTP is closed", no_http(VIP, Cause.CLOSED), {"CLU005", "CLU007"}, BARE),
    Row("HTTP is garbage", no_http(VIP, Cause.MALFORMED), {"CLU005", "CLU007"}, BARE),
    Row(
        "the second page alone fails",
        [*serves(VIP), exchange(VIP, path="/b/l.e", cause=Cause.STALLED)],
        set(),
        BARE,
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_exactly_these_codes(row: Row) -> None:
    assert Scene(row.target, row.seen, leads_to=row.leads_to).codes("CLU") == row.codes


@pytest.mark.parametrize(
    ("scene", "code", "why"),
    [
        (Scene(cluster(), leads_to=()), "CLU001", "the FQDN has no address"),
        (Scene(BARE, serves(VIP)), "CLU001", "no member's client interface is known"),
        (Scene(BARE, serves(VIP)), "CLU002", "no member's client interface was asked"),
        (Scene(cluster(), down(CLIENT[0])), "CLU002", "no member's client interface serves"),
        (Scene(BARE, serves(VIP)), "CLU003", "no members are known"),
        (
            Scene(cluster(), serves(VIP)),
            "CLU004",
            "fewer than two members told their version (asked with --services)",
        ),
        (Scene(cluster(), leads_to=()), "CLU005", "the FQDN has no address"),
        (Scene(cluster()), "CLU005", "no address was tried to the end"),
        (Scene(BARE, down(VIP)), "CLU006", "no page was received"),
        (Scene(BARE, down(VIP)), "CLU007", "no request was sent"),
    ],
)
def test_not_observed(scene: Scene, code: str, why: str) -> None:
    assert scene.state(code) is State.NOT_OBSERVED
    assert scene.why(code) == why


def test_what_stopped_the_service_explains_that_it_is_down() -> None:
    for seen, code in [
        (down(VIP, Cause.TIMED_OUT), "NET002"),
        (no_tls(VIP, Cause.STALLED), "TLS003"),
        (no_http(VIP), "CLU007"),
    ]:
        scene = Scene(BARE, seen)
        assert scene.cause_of("CLU005") == code
        assert scene.roots() == {code}
        assert scene.summary.verdict == "critical"


def test_what_stops_a_standby_explains_that_redundancy_is_lost() -> None:
    scene = Scene(cluster(), serves(VIP), serves(CLIENT[0]), down(CLIENT[1]))
    assert scene.cause_of("CLU002") == "NET001"


def test_an_interface_1_that_is_down_explains_nothing_about_clients() -> None:
    """Its finding is info; it must hide neither the warning on the same member, nor what is critical."""
    scene = Scene(
        cluster(), serves(VIP), serves(CLIENT[0]), serves(CLIENT[1], status=503), down(REPLICATION[1])
    )
    assert scene.cause_of("CLU002") is None
    dead = Scene(cluster(), page("x", cause=Cause.STALLED), down(REPLICATION[1]))
    assert dead.cause_of("CLU005") == "CLU007"


def test_where_no_page_comes_who_would_send_it_is_no_question_of_its_own() -> None:
    unknown = path(Method.UNKNOWN, Persistence.UNKNOWN, counts={}, samples=9)
    scene = Scene(cluster(), no_http(VIP), serves(CLIENT[0]), serves(CLIENT[1]), paths=[unknown])
    assert scene.cause_of("BAL008") == "CLU007"
    assert scene.cause_of("CLU005") == "CLU007"
    assert (
        Scene(cluster(), serves(VIP), serves(CLIENT[0]), serves(CLIENT[1]), paths=[unknown]).cause_of(
            "BAL008"
        )
        is None
    )


def test_the_members_that_would_serve_are_named() -> None:
    scene = Scene(cluster(), down(VIP), serves(CLIENT[0]), serves(CLIENT[1]))
    assert scene.only("CLU005").summary == (
        f"Nothing serves clients at {FQDN} ({VIP}), although {NAMES[0]}, {NAMES[1]} would serve when asked directly."
    )


def test_how_long_a_manual_failover_takes() -> None:
    finding = Scene(cluster(), serves(CLIENT[0]), serves(CLIENT[1]), leads_to=CLIENT[:1]).only("CLU001")
    assert "takes clients up to 60 s to notice" in finding.summary
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(
    ("place", "severity"),
    [(VIP, Severity.CRITICAL), (CLIENT[1], Severity.WARNING)],
)
def test_no_answer_is_judged_by_subject(place: str, severity: Severity) -> None:
    seen = [each for where in (VIP, *CLIENT[:2]) if where != place for each in serves(where)]
    assert Scene(cluster(), seen, no_http(place)).only("CLU007").severity is severity


def test_titles_of_the_network_stay_data() -> None:
    """However long and strange a title is, what the finding keeps of it in a sentence is short."""
    title = "\x1b[2J" + "x" * 2000
    finding = Scene(BARE, page(title)).only("CLU006")
    assert len(finding.summary) < 300
    assert finding.confidence == "likely"


def test_members_are_judged_and_not_their_addresses() -> None:
    aim = Target(
        FQDN,
        balancers=(VIP,),
        members=(
            Member(NAMES[0], (), (Endpoint(CLIENT[0]), Endpoint("2001:db8::11"))),
            Member(NAMES[1], (), (Endpoint(CLIENT[1]),)),
        ),
    )
    one_serves = Scene(aim, serves(VIP), serves(CLIENT[0]), down("2001:db8::11"), serves(CLIENT[1]))
    assert one_serves.state("CLU002") is State.PASS
    none_serves = Scene(aim, serves(VIP), down(CLIENT[0]), down("2001:db8::11"), serves(CLIENT[1]))
    assert [each.subject.name for each in none_serves.every("CLU002")] == [NAMES[0]]


def test_the_first_answer_of_the_name_server_is_no_service() -> None:
    assert Scene(BARE, dns(VIP)).state("CLU005") is State.NOT_OBSERVED


# --- slow pages --------------------------------------------------------------------------------------------


def paged(address: str, took_s: float) -> list[AnyObservation]:
    """A place that serves clients, with two pages that took so long."""
    pages = [replace(exchange(address, path=path), elapsed_s=took_s) for path in ("/", "/b/l.e")]
    return [connection(address), handshake(address), *pages]


def test_slow_pages_are_the_servers_where_the_members_are_slow_too() -> None:
    scene = Scene(cluster(), paged(VIP, 4.0), paged(CLIENT[0], 4.0), paged(CLIENT[1], 4.0))
    assert {each.owner for each in scene.every("CLU009")} == {Owner.SERVER}
    assert "4.0 s" in scene.every("CLU009")[0].summary


def test_slow_pages_are_the_balancers_where_the_members_are_quick() -> None:
    scene = Scene(cluster(), paged(VIP, 4.0), paged(CLIENT[0], 0.1), paged(CLIENT[1], 0.1))
    assert scene.only("CLU009").owner is Owner.BALANCER


def test_one_slow_page_of_two_is_not_slow() -> None:
    one, other = exchange(VIP), replace(exchange(VIP, path="/b/l.e"), elapsed_s=9.0)
    assert Scene(BARE, connection(VIP), handshake(VIP), one, other).state("CLU009") is State.PASS
    assert Scene(BARE, connection(VIP), handshake(VIP)).state("CLU009") is State.NOT_OBSERVED


@pytest.mark.parametrize(
    ("status", "title", "words"),
    [
        (500, "Whatever it says", "an error page (status 500, “Whatever it says”)"),
        (599, None, "an error page (status 599)"),
        (200, "Error 42", "an error page (status 200, “Error 42”)"),
        (200, "It works!", "status 200, title “It works!”"),
        (404, None, "status 404, a page without a title"),
    ],
)
def test_what_a_page_of_something_else_shows(status: int, title: str | None, words: str) -> None:
    finding = Scene(BARE, serves(VIP, status=status, title=title)).only("CLU006")
    assert words in finding.summary


def test_what_the_servers_show_themselves_is_not_the_load_balancers() -> None:
    stranger = [exchange(address, "Welcome to nginx!") for address in (VIP, *CLIENT[:2])]
    seen = [[connection(e.address), handshake(e.address), e] for e in stranger]
    found = Scene(cluster(), *seen).only("CLU006")
    assert found.owner is Owner.SERVER
    assert "so do the servers themselves" in found.summary
    alone = Scene(cluster(), seen[0], serves(CLIENT[0]), serves(CLIENT[1])).only("CLU006")
    assert alone.owner is Owner.BALANCER


def test_a_version_told_at_an_address_that_is_also_the_balancers_is_the_members() -> None:
    """Two places of one address: the balancer's port 443, and a member's Interface 1 on port 444."""
    first = Member(NAMES[0], (Endpoint(VIP, 444),), (Endpoint(CLIENT[0]),))
    target = replace(cluster(2), members=(first, cluster(2).members[1]))
    told = [service(VIP, 389, version="10.5"), service(CLIENT[1], 389, version="11.0")]
    assert NAMES[0] in Scene(target, serves(VIP), told).only("CLU004").summary
