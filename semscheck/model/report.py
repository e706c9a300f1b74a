"""The snapshot that a run leaves, and the report that is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from semscheck.model.analysis import Analysis
from semscheck.model.findings import Finding, ImpactKind, Owner, Status, Verdict
from semscheck.model.observations import AnyObservation
from semscheck.model.target import Target
from semscheck.model.text import DesktopName, Kept, Options, SortedAddresses, Words

SCHEMA = "semscheck/report/1"
SCHEMA_MAJOR = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """Where the run was made from. source_addresses: those used towards the servers, sorted."""

    host: DesktopName
    platform: Words
    source_addresses: SortedAddresses = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The circumstances of a run. origin: "live", "replay" or "lab". seed: of everything chosen by chance.

    started, finished: UTC; finished is None while the run goes on. redacted: names and addresses are
    pseudonyms. options: what the command line asked for, as text.
    """

    id: Words
    started: datetime
    finished: datetime | None = None
    duration_s: float | None = None
    vantage: Vantage = field(default_factory=lambda: Vantage(host="", platform=""))
    options: Options = field(default_factory=dict)
    seed: int = 0
    redacted: bool = False
    origin: Kept = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All facts of one run; analysis and rules need nothing else, so a saved one can be judged again."""

    target: Target
    run: Run
    observations: tuple[AnyObservation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What users notice. Numbers that do not belong to the kind, or were not measured, are None.

    sentence: in plain words. failed, connections: of the new connections to the FQDN's addresses, how many fail, and
    how many were made. serving, servers: of the servers known, how many serve. until: when it stops working (UTC).
    """

    kind: ImpactKind
    sentence: Words
    failed: int | None = None
    connections: int | None = None
    serving: int | None = None
    servers: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """verdict: the worst of the findings that no other one explains. counts: of findings, by severity, every severity
    present.

    headline: impact and cause in one sentence. impact, cause, owners (who acts first stands first), first_step and
    also (what else was found, and what could not be told) are the report's first five lines; None and empty where
    there is nothing to say, and in reports of 0.1.0. lead: index of the finding that they tell of, None if of none.
    """

    verdict: Status
    exit_code: int
    headline: Words
    counts: dict[Kept, int] = field(default_factory=dict)
    impact: Impact | None = None
    cause: Words = ""
    owners: tuple[Owner, ...] = ()
    first_step: Words = ""
    also: Words = ""
    lead: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    name: Kept
    version: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    tool: Tool
    run: Run
    target: Target
    summary: Summary
    analysis: Analysis
    findings: tuple[Finding, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    observations: tuple[AnyObservation, ...] = ()
    schema: Kept = SCHEMA
