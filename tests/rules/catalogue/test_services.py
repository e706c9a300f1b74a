"""SVC: what is open, what is not, and where members differ; nothing is ever called down."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from semscheck.model.findings import State
from semscheck.model.observations import AnyObservation
from semscheck.model.target import Endpoint, Member, Services, Severity, Target
from tests.rules.netscene import BARE, CLIENT, FQDN, NAMES, VIP, Scene, cluster, serves, service

NEEDS_LDAP = cluster(services=Services(check=(389,), require=(636,)))
TWO = cluster()
A, B = CLIENT[:2]


@dataclass(frozen=True, slots=True)
class Row:
    case: str
    seen: list[AnyObservation]
    codes: dict[str, Severity]
    target: Target = TWO


CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
ROWS = (
    Row("open everywhere", [service(A, 389), service(B, 389)], {}),
    Row("closed everywhere", [service(A, 389, "closed"), service(B, 389, "closed")], {"SVC001": INFO}),
    Row("filtered everywhere", [service(A, 25, "filtered"), service(B, 25, "filtered")], {"SVC001": INFO}),
    Row("open on one", [service(A, 389), service(B, 389, "closed")], {"SVC001": INFO, "SVC002": WARNING}),
    Row(
        "listed, closed", [service(A, 389, "closed"), service(B, 389, "closed")], {"SVC001": INFO}, NEEDS_LDAP
    ),
    Row(
        "required, closed",
        [service(A, 636, "closed"), service(B, 636, "closed")],
        {"SVC001": CRITICAL},
        NEEDS_LDAP,
    ),
    Row(
        "required, filtered",
        [service(A, 636, "filtered"), service(B, 636, "filtered")],
        {"SVC001": CRITICAL},
        NEEDS_LDAP,
    ),
    Row(
        "required, closed on one",
        [service(A, 636), service(B, 636, "closed")],
        {"SVC001": CRITICAL, "SVC002": WARNING},
        NEEDS_LDAP,
    ),
    Row("required, open", [service(A, 636), service(B, 636)], {}, NEEDS_LDAP),
    Row("management is another rule's", [service(A, 444, "closed"), service(A, 389)], {}),
    Row(
        "unless it is required",
        [service(A, 9000, "closed")],
        {"SVC001": CRITICAL},
        cluster(services=Services(require=(9000,))),
    ),
    Row(
        "the balancer's ports are nobody's to compare",
        [service(VIP, 389), service(A, 389, "closed")],
        {"SVC001": INFO},
    ),
    Row("without members", [service(VIP, 389, "closed")], {"SVC001": INFO}, BARE),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_exactly_these_codes(row: Row) -> None:
    scene = Scene(row.target, serves(VIP), row.seen)
    assert {f.code: f.severity for f in scene.findings if f.code.startswith("SVC")} == row.codes


def test_not_observed() -> None:
    nothing = Scene(TWO, serves(VIP))
    assert nothing.state("SVC001") is nothing.state("SVC002") is State.NOT_OBSERVED
    assert "--services" in nothing.why("SVC001")
    one = Scene(TWO, serves(VIP), service(A, 389))
    assert one.state("SVC001") is State.PASS
    assert one.state("SVC002") is State.NOT_OBSERVED
    assert one.why("SVC002") == "fewer than two members were asked"


def test_what_nobody_requires_is_said_once() -> None:
    closed = [service(where, port, "closed") for where in (A, B) for port in (25, 143, 389, 636)]
    finding = Scene(TWO, serves(VIP), closed).only("SVC001")
    assert finding.summary == (
        "Not enabled or filtered wherever they were asked: SMTP 25, IMAP 143, LDAP 389, LDAPS 636 (refused)."
    )
    assert len(finding.evidence) == 8


def test_never_down() -> None:
    finding = Scene(TWO, serves(VIP), service(A, 389), service(B, 389, "filtered")).only("SVC001")
    assert finding.summary == f"LDAP (port 389) is closed or filtered on {NAMES[1]}: no answer."
    assert "down" not in finding.summary


def test_a_member_with_two_addresses_is_open_where_one_is() -> None:
    aim = Target(
        FQDN,
        members=(
            Member(NAMES[0], (), (Endpoint(A), Endpoint("2001:db8::11"))),
            Member(NAMES[1], (), (Endpoint(B),)),
        ),
    )
    scene = Scene(aim, serves(VIP), service(A, 389), service("2001:db8::11", 389, "closed"), service(B, 389))
    assert "SVC002" not in scene.codes()


def test_many_members_are_counted_not_listed() -> None:
    aim = cluster(7)
    shut = [service(where, 389, "closed") for where in CLIENT[1:]]
    finding = Scene(aim, serves(VIP), service(CLIENT[0], 389), shut).only("SVC002")
    assert finding.summary.count("example.com") <= 8
