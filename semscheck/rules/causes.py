"""Which finding can explain which: one cause, one headline. Fixed here, never guessed.

A row says: a finding of `cause` explains a finding of `effect` where `relation` holds between their subjects.
The first row that fits decides, so the more fundamental causes stand first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from semscheck.model.findings import Finding, Stops
from semscheck.model.target import Severity
from semscheck.rules.rule import cards

# From the worst on, in the order of the verdict.
RANK = {Severity.CRITICAL: 0, Severity.UNKNOWN: 1, Severity.WARNING: 2, Severity.INFO: 3}


class Relation(Enum):
    ANY = "any"  # whatever the subjects
    PLACE = "place"  # the same address; the same port where both name one
    ADDRESS = "address"  # the same address, whatever the port
    MEMBER = "member"  # the same member's name
    FAILS = "fails"  # the address is among those that the cause says fail
    ANSWERED = "answered"  # the same address and port, and something answered at each failure of the effect
    CERTIFICATE = "certificate"  # the cause is about one of the certificates that the effect compares


@dataclass(frozen=True, slots=True)
class Row:
    """hides_worse: also where the effect was judged more severe than the cause, so that the verdict is the
    cause's. That is so by the catalogue alone, for what the cause fully accounts for."""

    cause: str
    effect: str
    relation: Relation
    hides_worse: bool = False


def rows(cause: str, relation: Relation, *effects: str, hides_worse: bool = False) -> tuple[Row, ...]:
    return tuple(Row(cause, effect, relation, hides_worse) for effect in effects)


def _stopping_at(step: Stops) -> tuple[str, ...]:
    return tuple(card.code for card in cards() if card.stops is step)


NET, TLS, PAGE = (_stopping_at(step) for step in (Stops.CONNECTION, Stops.TLS, Stops.PAGE))

TABLE: tuple[Row, ...] = (
    # What lies on this desktop or in its network comes before what it makes of every address.
    *rows("NET013", Relation.ANY, *NET, "NET008", "CLU005", "CLU002", "CLT005", "DNS015", hides_worse=True),
    *rows("NET008", Relation.ANY, *NET, "CLU005", "CLU002", "DNS015"),
    *rows("NET011", Relation.ADDRESS, *NET, "DNS015", "CLU002", "BAL012"),
    *rows("NET011", Relation.ANY, "CLU005"),
    *rows("NET009", Relation.ANY, "DNS015"),
    *rows("NET014", Relation.PLACE, "NET004", *TLS, "CLU002", "BAL012"),
    *rows("NET014", Relation.ANY, "CLU005"),
    *rows("NET009", Relation.FAILS, *NET, "CLU002", hides_worse=True),
    # Where this desktop alone is led elsewhere, what is met there is no fault of the servers.
    *(
        row
        for code in ("CLT003", "DNS013")
        for row in rows(code, Relation.FAILS, *NET, *TLS, "CLU005", "CLU006", *PAGE, "DNS010")
    ),
    *rows("CLT003", Relation.ANY, "DNS001", "DNS002"),
    # Of a server's own name, other servers' certificates are not.
    *rows("CLT001", Relation.ANY, "CRT001", "CRT002", "CRT003", "CRT015", "CRT018"),
    *rows("DNS010", Relation.FAILS, *NET, *TLS, "CLU005", "NET014"),
    # What DNS makes of the name comes before what is met at the addresses that it gives.
    *rows("DNS017", Relation.ANY, "DNS010", "DNS002", "DNS015", "DNS013", "DNS007", "DNS021", "CLU005"),
    *rows("DNS018", Relation.ANY, "DNS002", "DNS007", "DNS021", "CLU005"),
    *rows("DNS019", Relation.PLACE, *NET, *TLS, *PAGE, "NET006", "BAL012", hides_worse=True),
    *rows("DNS016", Relation.FAILS, *NET, *TLS, "CLU002", *PAGE, "DNS010", "DNS013"),
    *rows("DNS016", Relation.ANY, "CLU001", "CLU005", "DNS006", "DNS007", "DNS008", "DNS013"),
    *rows("DNS012", Relation.ANY, "DNS003"),
    *rows("DNS003", Relation.ANY, "DNS021"),
    *rows("DNS007", Relation.FAILS, *NET, *TLS, "CLU007"),
    *rows("DNS011", Relation.ANY, "DNS010", "CRT001", "CRT008", "CRT009", "CLU005", "CLU006", "BAL008"),
    *rows("DNS011", Relation.ANY, *NET, *TLS, *PAGE),
    # Somebody else answers in place of the servers: nothing of what is seen there is theirs.
    *rows(
        "NET016", Relation.ANY, "DNS010", "DNS014", "DNS009", "CLU005", "CLU006", *PAGE, "CLU008", "BAL008"
    ),
    *rows("NET016", Relation.ANY, "CRT001", "CRT003", "CRT008", "CRT009", "CRT018", *NET, *TLS, "CLT001"),
    *rows(
        "NET016", Relation.ANY, *(f"BAL{number:03}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 15))
    ),
    *rows("NET016", Relation.ANY, "CRT012", "CRT013", "CRT014", "CRT016", "CRT017", "TLS007"),
    *rows("CLU008", Relation.PLACE, "CLU006"),
    *rows("CRT001", Relation.PLACE, "CLU006"),
    *rows("CLU010", Relation.PLACE, "CLU006"),
    *rows("CLU010", Relation.ADDRESS, "BAL008", "BAL012"),
    *rows("CLU012", Relation.FAILS, "CLU006"),
    *rows("CLU011", Relation.PLACE, *PAGE, "CLU006", "TLS002", "TLS006", "BAL008"),
    *rows("CLU011", Relation.ANY, "CLU005"),
    *rows("NET008", Relation.ANY, "DNS001", "DNS002"),
    # What was seen before it stands; only what came after was not seen.
    *rows("NET012", Relation.ADDRESS, "NET006", "BAL008", hides_worse=True),
    *rows("NET012", Relation.ANY, "SEM004", hides_worse=True),
    # The sessions by which members are told apart are those of what opens TLS.
    *rows("CLT006", Relation.ANY, "SEM004", hides_worse=True),
    # Clients fall back to IPv4, which works: a warning, though the address is one where the FQDN leads.
    *rows("DNS015", Relation.PLACE, *NET, *TLS, *PAGE, "NET006", "BAL012", hides_worse=True),
    *rows("DNS009", Relation.PLACE, "CRT015", "CRT001", "CLU006"),
    *rows("DNS009", Relation.ANY, "CLU001", "CLT001"),
    # CLU005 is critical, and so are these only where the FQDN leads.
    *(row for code in (*NET, *TLS, *PAGE) for row in rows(code, Relation.ANY, "CLU005")),
    *(row for code in (*NET, *TLS, *PAGE) for row in rows(code, Relation.PLACE, "CLU002")),
    *(row for code in NET for row in rows(code, Relation.PLACE, "BAL012", "NET006")),
    # A refusal or a reset is an answer: the failures that the balancer is seen to give, and no packet lost.
    *rows("BAL012", Relation.ANSWERED, "NET006"),
    # One server is down while others serve, and connections through the load balancer fail: it is still in the pool.
    *rows("CLU002", Relation.ANY, "BAL012"),
    # Where no page comes, neither its cookies nor its members can be compared.
    *rows("CLU007", Relation.PLACE, "BAL008"),
    *rows("CLU005", Relation.ANY, "BAL008"),
    *rows("CRT015", Relation.PLACE, "CRT001", "CRT002", "CRT014", "CRT018"),
    *rows("CRT015", Relation.ANY, "CRT007", "CRT012"),
    *rows("CRT015", Relation.MEMBER, "CRT013"),
    *rows("CLT006", Relation.ANY, "CRT008", "CRT009", "CRT018", "CRT012", "CRT014", "CRT001", "CRT013"),
    *rows("CLT006", Relation.ANY, "CRT002", "CRT003", "CRT007", "CRT010", "CRT011", "CRT017"),
    *rows("CLT006", Relation.ANY, "CRT019", "CRT020", "CRT021", "CRT022", "CRT023"),
    # A clock that is wrong but changes no validity is a warning, and explains no expiry.
    *rows("CLT004", Relation.ANY, "CRT004", "CRT005"),
    *rows("CRT009", Relation.PLACE, "CRT008"),
    # Critical only where the missing certificate is what makes the chain untrusted here.
    *rows("CRT010", Relation.PLACE, "CRT008"),
    *(
        row
        for code in ("CRT001", "CRT004", "CRT005", "CRT008", "CRT009")
        for row in rows(code, Relation.PLACE, "CRT018")
    ),
    # Members that differ are critical only by what is wrong with one of their certificates.
    *(
        Row(code, "CRT007", Relation.CERTIFICATE)
        for code in ("CRT009", "CRT001", "CRT004", "CRT005", "CRT008")
    ),
    *rows("CRT014", Relation.MEMBER, "CRT013"),
    *rows("CRT014", Relation.ANY, "CRT012"),
    *(row for code in ("TLS004", "TLS008") for row in rows(code, Relation.ANY, "TLS005")),
    *rows("DNS004", Relation.ANY, "DNS005", "DNS013"),
    *rows("DNS006", Relation.ANY, "DNS007", "DNS013"),
    *rows("CLT003", Relation.ANY, "DNS013"),
    *rows("CLT003", Relation.ADDRESS, "DNS010"),
    # By weights one request in many is moved: a warning as BAL003 is. Where more are, it stands by itself.
    *(
        row
        for code in ("BAL001", "BAL002", "BAL003")
        for row in rows(code, Relation.ADDRESS, "BAL007", hides_worse=code != "BAL003")
    ),
)


def _related(cause: Finding, effect: Finding, relation: Relation) -> bool:
    one, other = cause.subject, effect.subject
    if relation is Relation.ANY:
        return True
    if relation is Relation.MEMBER:
        return one.name == other.name
    if relation is Relation.CERTIFICATE:
        return bool({*cause.facts.certificates} & {*effect.facts.certificates})
    if relation is Relation.FAILS:
        return other.address in cause.facts.fails
    if one.address is None or one.address != other.address:
        return False
    if relation is Relation.ANSWERED and effect.facts.unanswered != 0:
        return False
    return relation is Relation.ADDRESS or None in (one.port, other.port) or one.port == other.port


def _cause_of(index: int, findings: tuple[Finding, ...]) -> int | None:
    effect = findings[index]
    for row in TABLE:
        if row.effect != effect.code:
            continue
        for at, cause in enumerate(findings):
            if at == index or cause.code != row.cause or not _related(cause, effect, row.relation):
                continue
            if RANK[cause.severity] <= RANK[effect.severity] or (
                row.hides_worse and _may_hide(cause, effect)
            ):
                return at
    return None


def _may_hide(cause: Finding, effect: Finding) -> bool:
    """What was not measured is never made fine by a cause that is no more than worth knowing."""
    return effect.severity is not Severity.UNKNOWN or cause.severity is not Severity.INFO


def explain(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings with `caused_by` set to the index of the one that explains each, where one does."""
    return tuple(
        replace(finding, caused_by=_cause_of(index, findings)) for index, finding in enumerate(findings)
    )
