"""The first five lines of every output, what to do next, and what a finding's evidence shows.

Values of the report in words that are raw: each output makes them safe and lays them out in its own way.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from semscheck.model.analysis import EndpointStatus
from semscheck.model.findings import Finding, Owner, Status
from semscheck.model.observations import (
    AnyObservation,
    Certificate,
    Connection,
    DnsAnswer,
    Enrolment,
    Exchange,
    Handshake,
    Sample,
    SystemResolution,
)
from semscheck.model.report import Report
from semscheck.model.target import DEFAULT_PORT, Member, Severity, Target
from semscheck.report import wording as words

NUMBERED = re.compile(r"[a-z-]+\d+\.")  # as servers are called, and seldom what clients use
COMPARE = "semscheck compare A.json B.json"


@dataclass(frozen=True, slots=True)
class StoryLine:
    """label: empty for the first line, which stands beside the verdict."""

    label: str
    text: str


def story(report: Report) -> tuple[StoryLine, ...]:
    """Impact, cause, owner, first step, what else; lines with nothing to say are left out. A report of 0.1.0 has its
    headline alone."""
    said = report.summary
    if said.impact is None:
        return (StoryLine("", said.headline),)
    lines = (
        StoryLine("", said.impact.sentence),
        StoryLine("Seen" if said.verdict is Status.OK else "Cause", said.cause),
        StoryLine("Owner", owners(report)),
        StoryLine("First step", said.first_step),
        StoryLine("Also", said.also),
    )
    return tuple(line for line in lines if line.text) or (StoryLine("", said.headline),)


def owners(report: Report) -> str:
    """ "server administrator (sems3.example.com), then load balancer administrator"."""
    told = lead(report)
    server = told.subject.name if told is not None and told.subject.kind == "member" else ""

    def named(owner: Owner) -> str:
        return f"{words.OWNER[owner]} ({server})" if owner is Owner.SERVER and server else words.OWNER[owner]

    nobody = told is not None and told.severity is Severity.UNKNOWN and told.owner is Owner.SEMSCHECK
    if nobody and not report.summary.owners and report.summary.first_step:
        return "whoever runs this check"
    return ", then ".join(named(owner) for owner in report.summary.owners)


def lead(report: Report) -> Finding | None:
    """The finding that the lines tell of."""
    index = report.summary.lead
    return report.findings[index] if index is not None and 0 <= index < len(report.findings) else None


def leading(report: Report) -> Severity | Status:
    """What the first line is marked with: the verdict, or beside an unknown one the warning that is told of."""
    told, verdict = lead(report), report.summary.verdict
    warned = told is not None and told.severity is Severity.WARNING
    return Severity.WARNING if warned and verdict is Status.UNKNOWN else verdict


def next_steps(report: Report) -> tuple[str, ...]:
    """What to run, ask or look at where nothing is wrong or something could not be seen; commands in backticks."""
    said, same = report.summary, as_typed(report.target)
    if report.analysis.watch is not None:
        return ()
    if said.verdict not in (Status.OK, Status.UNKNOWN):
        return ()
    steps = []
    if all(member.found for member in report.target.members) and NUMBERED.match(report.target.fqdn):
        steps.append("If this is one server's own name, check the name that clients use as well.")
    if not report.target.members:
        steps.append(f"Name the servers, so that each is checked: `semscheck init {same}` finds them.")
    if said.verdict is Status.OK:
        steps += [
            f"A user still fails? Run `semscheck check {same} --save A.json` here, the same with `B.json` on that "
            f"user's desktop, then `{COMPARE}`.",
            "In the client: is it enrolled with this name, and does a proxy or another VPN apply to that user?",
        ]
    else:
        steps.append(f"Run it again, with details: `semscheck check {same} --verbose`.")
    return tuple(steps)


def as_typed(target: Target, *, whole: bool = False) -> str:
    """The arguments with which the same thing is looked at once more, quoted for a POSIX shell. whole: and how."""
    typed = [target.fqdn, *(("--profile", target.profile) if target.profile is not None else _told(target))]
    if whole and target.families in ((4,), (6,)):
        typed.append(f"-{target.families[0]}")
    if whole and target.connections_given:
        typed += ["--connections", str(target.connections)]
    if whole and target.ask_services:
        typed.append("--services")
    return shlex.join(typed)


def _told(target: Target) -> list[str]:
    """What was told on the command line; servers that the check found by itself are found again."""
    typed = ["--port", str(target.port)] if target.port != DEFAULT_PORT else []
    for member in target.members:
        typed += ["--member", _member(member)] if not member.found else []
    for balancer in target.balancers:
        typed += ["--balancer", balancer]
    for resolver in target.resolvers:
        typed += ["--resolver", words.place(resolver.address, resolver.port)]
    return [*typed, *(("--ca-file", target.ca_file) if target.ca_file else ())]


def _member(member: Member) -> str:
    """NAME=REPLICATION_IP,CLIENT_IP of the command line, which takes one address of each."""
    ends = [
        words.place(each[0].address, each[0].port) if each else ""
        for each in (member.replication, member.client)
    ]
    return f"{member.name}={','.join(ends)}"


# --- facts for a ticket --------------------------------------------------------------------------------------


def facts(report: Report) -> list[tuple[str, str]]:
    """What was checked, when and from where."""
    run, target = report.run, report.target
    took = "not finished" if run.duration_s is None else f"took {words.duration(run.duration_s)}"
    sources = words.listed(list(run.vantage.source_addresses))
    host = f"{run.vantage.host or 'unknown'}{f' ({sources})' if sources else ''}"
    return [
        ("Checked", f"{words.target_name(target)}, port {target.port}"),
        ("Resolves to", resolved(report)),
        ("Enrolled", enrolled(report)),
        ("When", f"{local_and_utc(run.started)}, {took}"),
        ("From", f"{host}, {run.vantage.platform}"),
    ]


def notes(report: Report) -> list[str]:
    """What has to be known to read a report."""
    run = report.run
    told = [words.LAB] if words.of_a_lab(run) else []
    told += [words.REPLAY] if run.origin == "replay" else []
    if run.redacted:
        told.append("Redacted: names and addresses are pseudonyms, the same everywhere in this report.")
    if run.finished is None:
        told.append("The run did not end: this is what was measured until then.")
    note = words.target_note(report.target)
    return [*told, note] if note else told


def local_and_utc(when: datetime) -> str:
    """ "2026-03-01 13:30:00 (UTC+01:00), 12:30:00 UTC": the reader's clock and the one of logs."""
    here = when.astimezone()
    offset = here.utcoffset() or timedelta()
    if not offset:
        return f"{when:%Y-%m-%d %H:%M:%S} UTC"
    return f"{here:%Y-%m-%d %H:%M:%S} (UTC{here:%z}), {when:%H:%M:%S} UTC"


def resolved(report: Report) -> str:
    """What this desktop's own look-up gave for the name, or what the name servers gave."""
    system = [
        seen for seen in report.observations if isinstance(seen, SystemResolution) and seen.purpose == "fqdn"
    ]
    addresses = report.analysis.dns.system or next((seen.addresses for seen in system if seen.addresses), ())
    shown = words.listed(list(addresses or report.analysis.dns.addresses))
    servers = dict.fromkeys(one.server for one in report.analysis.dns.resolvers if not one.authority)
    return f"{shown or 'no address'}{f' (asked {words.listed(list(servers))})' if servers else ''}"


def enrolled(report: Report) -> str:
    """The names that this desktop is enrolled with."""
    names = [name for seen in report.observations if isinstance(seen, Enrolment) for name in seen.servers]
    return words.listed(list(dict.fromkeys(names))) or "not enrolled, or not found"


def servers(report: Report) -> list[tuple[str, str, str, str]]:
    """Name, address, state and end of the certificate of what serves clients."""
    ends = {seen.fingerprint: seen.not_after for seen in report.observations if isinstance(seen, Certificate)}

    def row(place: EndpointStatus) -> tuple[str, str, str, str]:
        until = words.date(ends.get(place.certificate)) if place.certificate else "-"
        return _called(place), words.place(place.address, place.port), reach(place), until

    return [row(place) for place in report.analysis.places if place.serves_clients]


def _called(place: EndpointStatus) -> str:
    if place.client_of:
        return words.listed(list(place.client_of))
    return "load balancer" if place.balancer else "the name"


def reach(place: EndpointStatus) -> str:
    """ "serves", "no connection: connection refused"."""
    said = words.REACH[place.reach]
    return f"{said}: {words.failure(place.failure_cause)}" if place.failure_cause else said


# --- evidence ------------------------------------------------------------------------------------------------


def proof(report: Report, finding: Finding) -> list[tuple[AnyObservation, str]]:
    """What a finding rests on, each with a line as an administrator finds it in a log: time, from, to, what came;
    the line is empty where there is nothing to look for."""
    known = {seen.id: seen for seen in report.observations}
    members = {
        sample: member
        for path in report.analysis.paths
        for arm in path.arms
        for sample, member in zip(arm.evidence, arm.members, strict=False)
    }
    shown = (known.get(name) for name in dict.fromkeys(finding.evidence))
    return [(seen, _shown(report, seen, members)) for seen in shown if seen is not None]


def evidence(report: Report, finding: Finding) -> list[str]:
    """The lines of `proof` alone."""
    return [line for _, line in proof(report, finding) if line]


def _shown(report: Report, seen: AnyObservation, members: dict[str, str | None]) -> str:
    when = f"{report.run.started + timedelta(seconds=seen.at_s):%H:%M:%S.%f}"[:-3] + " UTC"
    if isinstance(seen, DnsAnswer):
        came = words.failure(seen.failure.cause.value) if seen.failure else seen.rcode or ""
        got = words.listed(list(seen.records)) if seen.records else came
        return f"{when}  {seen.server}, {seen.name} {seen.record_type} → {got}"
    if isinstance(seen, Connection | Handshake | Exchange | Sample):
        return f"{when}  {_ours(seen)}{words.place(seen.address, seen.port)} → {_came(seen, members)}"
    return ""


def _ours(seen: Connection | Handshake | Exchange | Sample) -> str:
    match seen:
        case Connection():
            address, port = seen.local_address, seen.local_port
        case Sample():
            address, port = seen.source_address, seen.source_port
        case _:
            return ""
    return f"{words.place(address, port)} to " if address else ""


def _came(seen: Connection | Handshake | Exchange | Sample, members: dict[str, str | None]) -> str:
    if seen.failure is not None:
        return words.failure(seen.failure.cause.value)
    match seen:
        case Connection():
            return "connected"
        case Handshake():
            return seen.version or "TLS"
        case Exchange():
            return f"HTTP {seen.status}"
        case Sample():
            return members.get(seen.id) or (f"HTTP {seen.status}" if seen.status else "not identified")


def evidence_lines(report: Report, findings: Sequence[Finding], at_most: int) -> list[str]:
    """Of several findings, each line once; what is over `at_most` is counted."""
    lines = list(dict.fromkeys(line for finding in findings for line in evidence(report, finding)))
    more = len(lines) - at_most
    return [*lines[:at_most], *([f"and {more:,} more in the saved report"] if more > 0 else [])]
