"""Findings in the order in which people should read them: consequences folded under their cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semscheck.model.findings import Finding, root_of
from semscheck.report.wording import SEVERITY_ORDER, severity_count


def folded(findings: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Findings that stand for themselves, worst first, each with all that it explains, also worst first.

    What explains a consequence's consequence is its cause too. Every finding occurs exactly once.
    """
    roots = [root_of(findings, index) for index in range(len(findings))]
    explained: dict[int, list[Finding]] = {root: [] for root in sorted(set(roots))}
    for index, root in enumerate(roots):
        if root != index:
            explained[root].append(findings[index])
    order = sorted(explained, key=lambda index: _rank(findings[index]))
    return [(findings[index], sorted(explained[index], key=_rank)) for index in order]


def tally(findings: Sequence[Finding]) -> str:
    """ "1 critical, 2 warnings; 3 more follow": as they are listed, what others explain apart. Empty
    where nothing was found."""
    causes = [found for found, _ in folded(findings)]
    counts = [(level, sum(found.severity is level for found in causes)) for level in SEVERITY_ORDER]
    told = ", ".join(severity_count(level, number) for level, number in counts if number)
    more = len(findings) - len(causes)
    return f"{told}; {more:,} more {'follows' if more == 1 else 'follow'}" if more else told


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one rule that want the same of the same people, and all that they explain."""

    findings: tuple[Finding, ...]
    explains: tuple[Finding, ...]


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """`folded`, with what differs only in its subject put together: "three members do not resolve"."""
    together: dict[tuple[object, ...], tuple[list[Finding], list[Finding]]] = {}
    for found, explained in folded(findings):
        alike = (found.code, found.severity, found.owner, found.confidence, found.remedy)
        same, consequences = together.setdefault(alike, ([], []))
        same.append(found)
        consequences += explained
    return [Group(tuple(same), tuple(explained)) for same, explained in together.values()]


def _rank(finding: Finding) -> int:
    return SEVERITY_ORDER.index(finding.severity)
