"""Which findings the list shows, in which order, and what is folded under what. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from semscheck.model.findings import Finding, Owner, root_of
from semscheck.model.target import Severity, Target
from semscheck.report.wording import LABELS, OWNER, SEVERITY_ORDER, mark_of


class Order(StrEnum):
    """What decides first; severity, then the report's own order, decide what is left."""

    SEVERITY = "severity"
    OWNER = "owner"
    ABOUT = "about"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a finding must have to be listed; None and empty: anything.

    text: words, all of which must occur in what the finding says, in any order and case.
    """

    severity: Severity | None = None
    owner: Owner | None = None
    member: str | None = None
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.severity or self.owner or self.member or self.text.strip())


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list. index: of the finding in the report. consequences: how many it explains, directly
    or not. folded: they are not listed. depth: 0, or 1 for a consequence under its cause."""

    index: int
    finding: Finding
    depth: int = 0
    consequences: int = 0
    folded: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """How the person looks at the list. unfolded: indexes of causes whose consequences are listed."""

    order: Order = Order.SEVERITY
    filter: Filter = field(default_factory=Filter)
    unfolded: frozenset[int] = frozenset()


def rows(findings: Sequence[Finding], target: Target | None, view: View) -> tuple[Row, ...]:
    """The list. With a filter nothing is folded, and a consequence may stand without its cause."""
    roots = [root_of(findings, index) for index in range(len(findings))]
    listed = [it for it in range(len(findings)) if _passes(findings[it], target, view.filter)]
    listed.sort(key=lambda it: _rank(findings[it], it, view.order))
    kept = set(listed)
    result: list[Row] = []
    for index in listed:
        if roots[index] in kept and roots[index] != index:
            continue  # comes with its cause
        below = [it for it in listed if roots[it] == index != it]
        folded = bool(below) and not view.filter and index not in view.unfolded
        result.append(Row(index, findings[index], 0, len(below), folded))
        if not folded:
            result += [Row(it, findings[it], 1) for it in below]
    return tuple(result)


def member_of(finding: Finding, target: Target | None) -> str | None:
    """The member that a finding is about, None if it is about something else."""
    for member in target.members if target else ():
        addresses = {it.address for it in (*member.client, *member.replication)}
        if finding.subject.name == member.name or finding.subject.address in addresses:
            return member.name
    return finding.subject.name if finding.subject.kind == "member" else None


def _passes(finding: Finding, target: Target | None, chosen: Filter) -> bool:
    if chosen.severity is not None and finding.severity is not chosen.severity:
        return False
    if chosen.owner is not None and finding.owner is not chosen.owner:
        return False
    if chosen.member is not None and member_of(finding, target) != chosen.member:
        return False
    words = chosen.text.casefold().split()
    if not words:
        return True
    text = _text(finding).casefold()
    return all(word in text for word in words)


def _text(finding: Finding) -> str:
    subject = finding.subject
    parts = (
        finding.code,
        finding.name,
        finding.name.replace("-", " "),
        LABELS[mark_of(finding.severity)],
        finding.owner.value,
        OWNER[finding.owner],
        subject.kind,
        subject.name,
        subject.address or "",
        str(subject.port or ""),
        finding.summary,
        finding.remedy,
    )
    return "\n".join(parts)


def _rank(finding: Finding, index: int, order: Order) -> tuple[object, ...]:
    severity = SEVERITY_ORDER.index(finding.severity)
    first: dict[Order, object] = {
        Order.SEVERITY: severity,
        Order.OWNER: list(Owner).index(finding.owner),
        Order.ABOUT: (finding.subject.name, finding.subject.address or ""),
        Order.CODE: finding.code,
    }
    return (first[order], severity, index)
