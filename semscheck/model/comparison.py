"""What several runs tell together: what changed between times, and what differs between places.

Runs are called A, B, C … in the order in which they were given. Text that came from the network stays as it
came, as in the reports; it is made safe where shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from semscheck.model.analysis import Method, Persistence
from semscheck.model.findings import Finding, Status, Verdict
from semscheck.model.report import Tool
from semscheck.model.target import Severity

COMPARE_SCHEMA = "semscheck/compare/1"


class Outcome(StrEnum):
    """What the comparison comes to. WORSE: something is critical that was not, or is not elsewhere."""

    SAME = "same"
    CHANGED = "changed"
    WORSE = "worse"
    NOT_COMPARABLE = "not-comparable"


OUTCOME_EXIT_CODES: dict[Outcome, int] = {
    Outcome.SAME: 0,
    Outcome.CHANGED: 1,
    Outcome.WORSE: 2,
    Outcome.NOT_COMPARABLE: 3,
}


class Direction(StrEnum):
    """Which way a change goes for the people who use the servers."""

    WORSE = "worse"
    BETTER = "better"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class SidePath:
    """Who answered the fresh connections to one address, in order; None: failed or not identified.

    named: the names are those of a profile, so that they mean the same server in every run.
    """

    address: str
    port: int
    method: Method
    persistence: Persistence
    members: tuple[str | None, ...] = ()
    failed: tuple[int, ...] = ()
    named: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One run. label: "A", "B", …; place: what tells its vantage point from others, as people know it.

    finished: None if the run did not end. served_by: members that answered fresh connections, sorted; None
    if that was not measured, or their names mean nothing outside the run.
    """

    label: str
    run_id: str
    place: str
    started: datetime
    finished: datetime | None
    origin: str
    redacted: bool
    verdict: Status
    headline: str
    addresses: tuple[str, ...] = ()
    source_addresses: tuple[str, ...] = ()
    served_by: tuple[str, ...] | None = None
    paths: tuple[SidePath, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is not as it was, between two runs in the order of time.

    kind: "verdict", "address", "alias", "rotation", "ttl", "reach", "certificate", "member", "method",
    "persistence", "termination", "finding" or "profile". before, after: in words; None where it was not
    there. code, severity: of a finding. place_differs: the runs are from different vantage points, so that it
    may be the place and not the time.
    """

    kind: str
    earlier: str
    later: str
    subject: str
    summary: str
    direction: Direction = Direction.OTHER
    before: str | None = None
    after: str | None = None
    code: str | None = None
    severity: Severity | None = None
    place_differs: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run saw of the thing that a contrast is about."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One thing that runs from several places at the same time saw differently.

    kind: "verdict", "answers" (split-horizon DNS), "reach", "certificate", "members", "method" or "finding".
    critical: it is critical at one place and not at another.
    """

    kind: str
    subject: str
    summary: str
    seen: tuple[Seen, ...]
    critical: bool = False
    code: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """Runs from different places that count as made at the same time.

    gap_s: the longest time that lies between the end of one and the begin of the next; 0 where all overlap.
    """

    labels: tuple[str, ...]
    gap_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that `compare` says. problems: why the runs cannot be compared, else empty.

    same_time_s: runs count as made at the same time if at most so much lies between them.
    sites: BAL014, if it was found; sites_verdict: what became of that rule.
    notes: what has to be known to read the rest, and what the runs agree on, in sentences.
    """

    tool: Tool
    outcome: Outcome
    exit_code: int
    headline: str
    fqdn: str
    sides: tuple[Side, ...]
    sites_verdict: Verdict
    sites: Finding | None = None
    gatherings: tuple[Gathering, ...] = ()
    same_time_s: float = 0.0
    contrasts: tuple[Contrast, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    schema: str = field(default=COMPARE_SCHEMA)
