"""SEM: the check itself, and a desktop without a network."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import State
from semscheck.model.observations import AnyObservation, Crash, Cut
from semscheck.model.target import Severity, Target
from tests.rules.netscene import (
    BARE,
    CLIENT,
    FQDN,
    REPLICATION,
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

SILENT = Failure(Phase.RESOLVE, Cause.TIMED_OUT, "no answer in time")
NO_ROUTE = Failure(Phase.RESOLVE, Cause.NO_ROUTE, "Network is unreachable", errno=errno.ENETUNREACH)


def crash(where: str = "names") -> Crash:
    return Crash(id="c", at_s=1.0, where=where, error="ZeroDivisionError: a defect", trace="…")


def cut(*unfinished: str, reason: str = "deadline") -> Cut:
    return Cut(id="k", at_s=1.0, reason=reason, unfinished=unfinished)  # type: ignore[arg-type]


def test_a_crash_is_said_and_makes_the_run_unknown() -> None:
    scene = Scene(BARE, serves(VIP), crash(), paths=[path()])
    finding = scene.only("SEM001")
    assert "(names) failed with a defect of its own: ZeroDivisionError: a defect" in finding.summary
    assert scene.summary.exit_code == 3


def test_a_critical_finding_outranks_what_is_not_known() -> None:
    scene = Scene(BARE, down(VIP), crash())
    assert {"SEM001", "NET001"} <= scene.codes()
    assert (scene.summary.verdict, scene.summary.exit_code) == ("critical", 2)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (
            cut("names", "controls"),
            "The run ran out of time before everything was tested; not finished: names, controls.",
        ),
        (
            cut("names", reason="cancelled"),
            "The run was cancelled before everything was tested; not finished: names.",
        ),
        (cut(*(f"part {n}" for n in range(9))), "part 1, part 2 and 6 more."),
    ],
)
def test_a_run_that_was_cut(seen: Cut, words: str) -> None:
    scene = Scene(BARE, serves(VIP), seen, paths=[path()])
    assert words in scene.only("SEM002").summary
    assert scene.summary.exit_code == 3


def test_a_whole_run_says_nothing_of_itself() -> None:
    scene = Scene(BARE, serves(VIP), paths=[path()])
    assert {scene.state(code) for code in ("SEM001", "SEM002", "SEM003")} == {State.PASS}


# --- no network --------------------------------------------------------------------------------------------

NOTHING: list[tuple[str, list[AnyObservation]]] = [
    ("silence", [*dns(failure=SILENT), *down(VIP, Cause.TIMED_OUT)]),
    ("no route of our own", [*dns(failure=NO_ROUTE), *down(VIP, Cause.NO_ROUTE, errno=errno.ENETUNREACH)]),
    (
        "a neighbour that is not there",
        [*dns(failure=SILENT), connection(VIP, Cause.NO_ROUTE, took_s=3.1, errno=errno.EHOSTUNREACH)],
    ),
    ("names alone, silent", dns(failure=SILENT)),
    ("addresses alone, silent", down(VIP, Cause.TIMED_OUT)),
]


@pytest.mark.parametrize("seen", [seen for _, seen in NOTHING], ids=[case for case, _ in NOTHING])
def test_no_packet_from_anything(seen: list[AnyObservation]) -> None:
    scene = Scene(cluster(), seen, answers=False)
    assert scene.codes() == {"SEM003"}
    assert scene.summary.exit_code == 3
    muted = [verdict for verdict in scene.verdicts if not verdict.code.startswith(("SEM", "CLT"))]
    assert {verdict.state for verdict in muted} == {State.NOT_OBSERVED}
    assert {verdict.why for verdict in muted} == {"no packet came back from anything"}


SOMETHING: list[tuple[str, list[AnyObservation]]] = [
    ("a name server answers", [*dns(VIP), *down(VIP, Cause.TIMED_OUT)]),
    ("a name server refuses", [*dns(rcode="REFUSED"), *down(VIP, Cause.TIMED_OUT)]),
    (
        "a closed port of a name server answers (ICMP)",
        [*dns(failure=Failure(Phase.RESOLVE, Cause.REFUSED)), *down(VIP, Cause.TIMED_OUT)],
    ),
    ("garbage came", [*dns(failure=Failure(Phase.RESOLVE, Cause.MALFORMED)), *down(VIP, Cause.TIMED_OUT)]),
    ("a port refuses", [*dns(failure=SILENT), *down(VIP)]),
    ("a connection is reset", [*dns(failure=SILENT), *down(VIP, Cause.RESET)]),
    (
        "a member answers",
        [*dns(failure=SILENT), connection(CLIENT[0]), handshake(CLIENT[0]), exchange(CLIENT[0])],
    ),
    (
        "a router says no",
        [*dns(failure=SILENT), connection(VIP, Cause.NO_ROUTE, took_s=0.04, errno=errno.EHOSTUNREACH)],
    ),
]


@pytest.mark.parametrize("seen", [seen for _, seen in SOMETHING], ids=[case for case, _ in SOMETHING])
def test_one_packet_is_enough(seen: list[AnyObservation]) -> None:
    scene = Scene(cluster(), seen, answers=False)
    assert "SEM003" not in scene.codes()
    assert scene.state("SEM003") is State.PASS


def test_not_observed_where_nothing_was_asked() -> None:
    assert Scene(BARE, answers=False).state("SEM003") is State.NOT_OBSERVED


# --- never healthy where it was not measured ---------------------------------------------------------------

ADDRESS = Target(VIP, fqdn_is_address=True)


def test_no_connections_were_sampled() -> None:
    scene = Scene(BARE, serves(VIP))
    finding = scene.only("SEM004")
    assert "how new connections are spread" in finding.summary
    assert "no repeated connections were made" in finding.summary
    assert scene.summary.exit_code == 3
    assert scene.state("SEM004") is State.FOUND


def test_the_name_was_never_asked_for_but_its_address_came_from_elsewhere() -> None:
    """A hosts file, or a resolver of the system that DNS is not: rotation was not looked at."""
    scene = Scene(BARE, serves(VIP), answers=False, paths=[path()])
    assert "whether the name's addresses rotate" in scene.only("SEM004").summary
    assert scene.summary.exit_code == 3


def test_an_address_in_place_of_a_name_has_no_names_to_measure() -> None:
    scene = Scene(ADDRESS, serves(VIP), answers=False, paths=[path()])
    questions = scene.only("SEM004").args["questions"] if scene.every("SEM004") else ""
    assert "name" not in questions


def test_what_is_grave_says_it_already() -> None:
    for seen in (down(VIP), [connection(VIP), handshake(VIP, Cause.STALLED)], [*serves(VIP), cut("names")]):
        assert "SEM004" not in Scene(BARE, seen).codes()


def test_what_is_grave_by_itself_does_so_too_where_the_profile_thinks_little_of_it() -> None:
    lowered = replace(BARE, severities={"NET001": Severity.INFO, "CLU005": Severity.INFO})
    assert "SEM004" not in Scene(lowered, down(VIP)).codes()


def test_replication_alone_says_nothing_of_clients() -> None:
    seen = [connection(REPLICATION[0]), handshake(REPLICATION[0], sni="sems1.example.com")]
    scene = Scene(cluster(), seen)
    assert scene.summary.exit_code == 3
    assert "whether anything serves there" in scene.only("SEM004").args["questions"]


def test_the_fqdn_of_all_this() -> None:
    assert FQDN in Scene(BARE, serves(VIP)).only("SEM004").summary
