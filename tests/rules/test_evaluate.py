"""Judging a run: every rule answers, severities as the profile wants them, a verdict that follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from semscheck.model.analysis import Method, Persistence
from semscheck.model.failure import Cause
from semscheck.model.findings import EXIT_CODES, State, Status
from semscheck.model.target import Severity
from semscheck.rules import evaluate as judging
from semscheck.rules import rule as registry
from semscheck.rules.causes import RANK
from semscheck.rules.rule import Answer, Rule, catalogue
from tests.rules.netscene import (
    BARE,
    CLIENT,
    NAMES,
    VIP,
    Scene,
    cluster,
    connection,
    down,
    handshake,
    path,
    serves,
)

SPREAD = path(Method.ROTATING, Persistence.NONE, counts={NAMES[0]: 16, NAMES[1]: 16})


def test_every_rule_answers_once_and_in_the_order_of_the_catalogue() -> None:
    verdicts = Scene(cluster(), serves(VIP), paths=[SPREAD]).verdicts
    assert [verdict.code for verdict in verdicts] == [rule.card.code for rule in catalogue()]


def test_what_was_not_observed_says_why() -> None:
    for scene in (Scene(BARE), Scene(cluster(), serves(VIP)), Scene(BARE, answers=False)):
        assert all(v.why for v in scene.verdicts if v.state is State.NOT_OBSERVED)
        assert not any(v.why for v in scene.verdicts if v.state in (State.PASS, State.FOUND))


def test_found_means_that_there_is_a_finding_and_the_other_way_round() -> None:
    for scene in (
        Scene(cluster(), serves(VIP), down(CLIENT[0]), paths=[SPREAD]),
        Scene(BARE, serves(VIP)),
        Scene(BARE, down(VIP, Cause.TIMED_OUT), answers=False),
    ):
        assert {v.code for v in scene.verdicts if v.state is State.FOUND} == scene.codes()


def test_the_worst_comes_first() -> None:
    scene = Scene(cluster(), serves(VIP), serves(CLIENT[0]), down(CLIENT[1]), paths=[SPREAD])
    ranks = [RANK[finding.severity] for finding in scene.findings]
    assert ranks == sorted(ranks)
    assert scene.findings[0].code == "BAL001"


def test_the_same_run_gives_the_same_judgement() -> None:
    scene = Scene(cluster(), serves(VIP), down(CLIENT[0]), paths=[SPREAD])
    assert judging.evaluate(scene.snapshot, scene.analysis) == (scene.findings, scene.verdicts, scene.summary)


def test_the_counts_are_those_of_the_findings() -> None:
    scene = Scene(cluster(), serves(VIP), serves(CLIENT[0]), down(CLIENT[1]), paths=[SPREAD])
    assert set(scene.summary.counts) == {severity.value for severity in Severity}
    assert sum(scene.summary.counts.values()) == len(scene.findings)


# --- the verdict -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", list(Severity))
def test_the_verdict_is_the_worst_that_nothing_explains(severity: Severity) -> None:
    scene = Scene(cluster(), serves(VIP), paths=[SPREAD])
    found = tuple(replace(each, severity=Severity.INFO, caused_by=None) for each in scene.findings)
    worst = (replace(found[0], severity=severity), *found[1:])
    expected = {"info": "ok"}.get(severity.value, severity.value)
    assert judging.status_of(worst) == expected
    explained = (replace(worst[0], caused_by=1), *worst[1:])
    assert judging.status_of(explained) is Status.OK


def test_critical_then_unknown_then_warning_then_ok() -> None:
    order = [Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING, Severity.INFO]
    assert sorted(Severity, key=RANK.__getitem__) == order
    assert judging.status_of(()) is Status.OK
    assert EXIT_CODES == {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2, Status.UNKNOWN: 3}


# --- severities of the profile -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected", "verdict"),
    [
        (Severity.INFO, Severity.INFO, "unknown"),  # SEM004's own matter: no certificate was seen
        (Severity.WARNING, Severity.WARNING, "warning"),
        (Severity.CRITICAL, Severity.CRITICAL, "critical"),
        (Severity.UNKNOWN, Severity.CRITICAL, "critical"),
    ],
)
def test_the_profile_replaces_a_severity_but_never_by_unknown(
    wanted: Severity, expected: Severity, verdict: str
) -> None:
    aim = replace(BARE, severities={"BAL001": wanted})
    scene = Scene(aim, serves(VIP), paths=[SPREAD])
    assert scene.only("BAL001").severity is expected
    if wanted is not Severity.INFO:
        assert scene.summary.verdict == verdict


@pytest.mark.parametrize("wanted", list(Severity))
def test_unknown_stays_unknown(wanted: Severity) -> None:
    unknown = path(
        Method.UNKNOWN, Persistence.UNKNOWN, counts={}, samples=32, why_unknown="they look the same"
    )
    aim = replace(BARE, severities={"BAL008": wanted, "SEM002": wanted, "SEM004": wanted})
    assert Scene(aim, serves(VIP), paths=[unknown]).only("BAL008").severity is Severity.UNKNOWN
    assert Scene(aim, serves(VIP)).only("SEM004").severity is Severity.UNKNOWN


def test_a_severity_by_subject_is_replaced_as_well() -> None:
    aim = cluster(severities={"NET001": Severity.CRITICAL})
    assert Scene(aim, serves(VIP), down(CLIENT[1])).only("NET001").severity is Severity.CRITICAL


# --- crashes -----------------------------------------------------------------------------------------------


def _crashing(code: str) -> tuple[Rule, ...]:
    def logic(_: object) -> Iterator[Answer]:
        raise ZeroDivisionError("a defect")
        yield

    return tuple(Rule(rule.card, logic) if rule.card.code == code else rule for rule in registry.catalogue())


@pytest.mark.parametrize("code", [card.code for card in registry.cards()])
def test_a_rule_that_crashes_is_said_and_the_others_answer(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Scene(cluster(), serves(VIP), down(CLIENT[0]), paths=[SPREAD])
    rules = _crashing(code)
    monkeypatch.setattr(judging, "catalogue", lambda: rules)
    scene = Scene(cluster(), serves(VIP), down(CLIENT[0]), paths=[SPREAD])
    finding = next(f for f in scene.every("SEM001") if f.subject.name == code)
    assert "ZeroDivisionError: a defect" in finding.summary
    assert scene.why(code) == "ZeroDivisionError: a defect" or code == "SEM001"
    assert scene.codes() == (whole.codes() - {code}) | {"SEM001"}
    assert scene.summary.exit_code != 0


@pytest.mark.parametrize("family", ["CLT", "DNS", "NET", "TLS", "CRT", "BAL", "CLU", "SVC"])
def test_a_family_that_crashes_is_never_health(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def logic(_: object) -> Iterator[Answer]:
        raise ZeroDivisionError("a defect")
        yield

    rules = tuple(
        Rule(rule.card, logic) if rule.card.family == family else rule for rule in registry.catalogue()
    )
    monkeypatch.setattr(judging, "catalogue", lambda: rules)
    scene = Scene(BARE, serves(VIP), paths=[path()])
    assert scene.summary.exit_code == 3
    assert len(scene.every("SEM001")) == len([rule for rule in rules if rule.card.family == family])


# --- no network --------------------------------------------------------------------------------------------


def test_without_a_network_the_other_rules_are_mute_and_those_of_this_desktop_are_not() -> None:
    scene = Scene(cluster(), down(VIP, Cause.TIMED_OUT), answers=False)
    assert scene.codes() == {"SEM003"}
    spoken = {verdict.code for verdict in scene.verdicts if verdict.state is not State.NOT_OBSERVED}
    assert spoken <= {card.code for card in registry.cards() if card.family in ("SEM", "CLT")}


def test_a_handshake_without_a_connection_is_no_network_either() -> None:
    """Nonsense in a saved report is judged, not crashed on."""
    scene = Scene(cluster(), handshake(VIP), connection(VIP, Cause.TIMED_OUT))
    assert not scene.every("SEM001")
