"""NET: reaching an address. Which codes, for which subject, how severe; and what is no evidence."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

import pytest

from semscheck.model.failure import Cause, Phase
from semscheck.model.findings import State
from semscheck.model.observations import AnyObservation
from semscheck.model.target import Endpoint, Member, Severity, Target, Thresholds
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
    down,
    exchange,
    handshake,
    no_http,
    no_tls,
    own,
    path,
    sample,
    serves,
    service,
)

V6 = "2001:db8::100"


@dataclass(frozen=True, slots=True)
class Row:
    case: str
    seen: list[AnyObservation]
    codes: set[str]
    target: Target = BARE
    leads_to: tuple[str, ...] = (VIP,)


ROWS = (
    Row("all is well", serves(VIP), set()),
    Row("refused", down(VIP), {"NET001"}),
    Row("refused once, then not: the look tried again", [*down(VIP), *serves(VIP)], set()),
    Row("silent", down(VIP, Cause.TIMED_OUT), {"NET002"}),
    Row("a router says no", down(VIP, Cause.NO_ROUTE, errno=errno.EHOSTUNREACH), {"NET003"}),
    Row("this desktop may not", down(VIP, Cause.DENIED), {"NET003"}),
    Row("an error that nobody knows", down(VIP, Cause.OTHER), {"NET003"}),
    Row("reset while connecting", down(VIP, Cause.RESET), {"NET004"}),
    Row("reset after the first message", no_tls(VIP, Cause.RESET), {"NET004"}),
    Row("reset after the server spoke", no_tls(VIP, Cause.RESET, said="\x16\x03\x03"), set()),
    Row("an orderly close is TLS002's", no_tls(VIP, Cause.CLOSED), set()),
    Row("HTTP that is reset is CLU007's", no_http(VIP, Cause.RESET), set()),
    Row(
        "slow",
        [*(connection(VIP, took_s=1.3) for _ in range(3)), handshake(VIP), exchange(VIP)],
        {"NET005"},
    ),
    Row("one lost packet is not slow", [connection(VIP, took_s=1.3), handshake(VIP), exchange(VIP)], set()),
    Row("just under a second", [connection(VIP, took_s=0.99), handshake(VIP), exchange(VIP)], set()),
    Row(
        "slow once, quick most of the time",
        [connection(VIP, took_s=3), *serves(VIP), *(sample(VIP) for _ in range(9))],
        set(),
    ),
    Row(
        "quick once, slow most of the time",
        [*serves(VIP), *(sample(VIP, connect_s=1.5) for _ in range(9))],
        {"NET005"},
    ),
    Row(
        "now and then not",
        [*serves(VIP), *(sample(VIP) for _ in range(7)), sample(VIP, Cause.TIMED_OUT)],
        {"NET006"},
    ),
    Row(
        "now and then reset while saying hello",
        [*serves(VIP), *(sample(VIP) for _ in range(7)), sample(VIP, Cause.RESET, Phase.TLS)],
        {"NET006"},
    ),
    Row(
        "another address of this desktop has no way there",
        [*serves(VIP), *(sample(VIP) for _ in range(7)), sample(VIP, Cause.NO_ROUTE, arm="source")],
        set(),
    ),
    Row(
        "reset after bytes had come is another matter",
        [*serves(VIP), *(sample(VIP) for _ in range(7)), sample(VIP, Cause.STALLED, Phase.TLS)],
        set(),
    ),
    Row("two connections tell nothing of flakiness", [*serves(VIP), sample(VIP, Cause.TIMED_OUT)], set()),
    Row(
        "always, in different ways",
        [
            connection(VIP, Cause.RESET),
            connection(VIP),
            handshake(VIP, Cause.RESET),
            connection(VIP, Cause.RESET),
        ],
        {"NET004"},
    ),
    Row(
        "further requests on one connection are no connections",
        [*serves(VIP), sample(VIP), *(sample(VIP, Cause.TIMED_OUT, request=n) for n in range(1, 4))],
        set(),
    ),
    Row(
        "each family for itself",
        [*serves(VIP), *down(V6, Cause.TIMED_OUT)],
        {"NET002"},
        leads_to=(VIP, V6),
    ),
    Row("a standby refuses", [*serves(VIP), *serves(CLIENT[0]), *down(CLIENT[1])], {"NET001"}, cluster()),
    Row(
        "an Interface 1 is silent",
        [
            *serves(VIP),
            *serves(CLIENT[0]),
            *serves(CLIENT[1]),
            *own(0),
            *down(REPLICATION[1], Cause.TIMED_OUT),
        ],
        {"NET002"},
        cluster(),
    ),
    Row(
        "Interface 1 answers on 444",
        [
            *serves(VIP),
            *serves(CLIENT[0]),
            *serves(CLIENT[1]),
            *own(0),
            *down(REPLICATION[1]),
            *own(1, port=444),
        ],
        set(),
        cluster(),
    ),
    Row("444 answers a desktop", [*serves(VIP), service(CLIENT[0], 444)], {"NET007"}),
    Row("9000 answers a desktop", [*serves(VIP), service(CLIENT[0], 9000)], {"NET007"}),
    Row("management is closed", [*serves(VIP), service(CLIENT[0], 444, "filtered")], set()),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_exactly_these_codes(row: Row) -> None:
    scene = Scene(row.target, row.seen, leads_to=row.leads_to)
    assert scene.codes("NET") == row.codes


@pytest.mark.parametrize(
    ("seen", "leads_to", "severity"),
    [
        (down(VIP), (VIP,), Severity.CRITICAL),
        (down(CLIENT[0]), (CLIENT[0],), Severity.CRITICAL),
        (down(REPLICATION[0]), (REPLICATION[0],), Severity.CRITICAL),
        (down(VIP), (CLIENT[0],), Severity.WARNING),  # a balancer that the FQDN does not lead to
        (down(CLIENT[1]), (VIP,), Severity.WARNING),
        (down(REPLICATION[0]), (VIP,), Severity.INFO),
    ],
)
@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (Cause.REFUSED, "NET001"),
        (Cause.TIMED_OUT, "NET002"),
        (Cause.NO_ROUTE, "NET003"),
        (Cause.RESET, "NET004"),
    ],
)
def test_severity_is_by_subject(
    seen: list[AnyObservation], leads_to: tuple[str, ...], severity: Severity, cause: Cause, code: str
) -> None:
    address = seen[0].address  # type: ignore[union-attr]
    scene = Scene(cluster(), down(address, cause), leads_to=leads_to)
    assert max((f.severity for f in scene.every(code)), key=list(Severity).index) == severity


@pytest.mark.parametrize("code", ["NET001", "NET002", "NET003", "NET004", "NET005"])
def test_not_observed_where_nothing_was_tried(code: str) -> None:
    scene = Scene(BARE)
    assert scene.state(code) is State.NOT_OBSERVED
    assert scene.why(code) == "no connection was tried"


@pytest.mark.parametrize(
    ("cause", "errors", "explained"),
    [
        (Cause.RESET, 3, True),  # the balancer answers for a dead server: no packet was lost
        (Cause.RESET, 0, False),
        (Cause.TIMED_OUT, 3, False),  # silence may be either
    ],
)
def test_what_a_balancer_refuses_for_a_dead_server_is_no_flaky_network(
    cause: Cause, errors: int, explained: bool
) -> None:
    phase = Phase.TLS if cause is Cause.RESET else Phase.CONNECT
    # Here and there: failures that only follow successes are another matter (NET012).
    seen = [sample(VIP, cause, phase) if number in (2, 5, 8) else sample(VIP) for number in range(10)]
    shaken = [connection(VIP), handshake(VIP, Cause.RESET)] if cause is Cause.RESET else []
    scene = Scene(BARE, serves(VIP), shaken, seen, paths=[path(samples=10, errors=errors, identified=7)])
    assert scene.codes("NET") == {"NET006"}
    assert scene.cause_of("NET006") == ("BAL012" if explained else None)


def test_flakiness_takes_several_connections() -> None:
    scene = Scene(BARE, connection(VIP), handshake(VIP))
    assert scene.state("NET006") is State.NOT_OBSERVED
    assert scene.why("NET006") == "no address was connected to often enough"


def test_management_ports_are_asked_with_services_only() -> None:
    assert Scene(BARE, serves(VIP)).state("NET007") is State.NOT_OBSERVED
    assert Scene(BARE, serves(VIP), service(CLIENT[0], 389)).state("NET007") is State.NOT_OBSERVED


def test_what_the_findings_say() -> None:
    scene = Scene(cluster(), serves(VIP), serves(CLIENT[0]), down(CLIENT[1]))
    finding = scene.only("NET001")
    assert (
        finding.summary
        == f"{NAMES[1]} Interface 2 (198.51.100.12:443) refuses connections from this desktop."
    )
    assert finding.subject.kind == "member"
    assert (finding.subject.name, finding.subject.address) == (NAMES[1], CLIENT[1])
    assert finding.args == {"address": CLIENT[1], "port": "443"}
    assert set(finding.evidence) <= {seen.id for seen in scene.snapshot.observations}
    flaky = Scene(BARE, serves(VIP), *(sample(VIP, Cause.TIMED_OUT) for _ in range(3))).only("NET006")
    assert flaky.summary == f"3 of 4 connections to {FQDN} ({VIP}:443) could not be made."
    assert len(flaky.evidence) == 3


def test_an_address_with_two_ports_is_two_places() -> None:
    aim = Target(FQDN, members=(Member(NAMES[0], (), (Endpoint(VIP, 8443),)),))
    scene = Scene(aim, serves(VIP), connection(VIP, Cause.REFUSED, port=8443))
    assert {(f.code, f.subject.port) for f in scene.findings if f.code.startswith("NET")} == {
        ("NET001", 8443)
    }


def test_slow_handshakes_and_the_limits_of_the_profile() -> None:
    shakes = [replace(handshake(VIP), elapsed_s=2.5) for _ in range(3)]
    scene = Scene(BARE, serves(VIP), *shakes)
    assert "2.5 s" in scene.only("NET015").summary
    patient = replace(BARE, thresholds=Thresholds(handshake_slow_s=3, connect_slow_s=3))
    assert Scene(patient, serves(VIP), *shakes).state("NET015") is State.PASS
    slow = [connection(VIP, took_s=2.0) for _ in range(3)]
    assert Scene(BARE, serves(VIP), slow).codes("NET") == {"NET005"}
    assert Scene(patient, serves(VIP), slow).state("NET005") is State.PASS
    assert Scene(BARE, serves(VIP)).state("NET015") is State.NOT_OBSERVED
