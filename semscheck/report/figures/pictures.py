"""The pictures that the text output, the TUI and the HTML report share, as values and as lines of text.

Each picture is a pure function of an analysis (which may be half filled while a run goes on) to a small
immutable value; `drawing.draw` draws it for a terminal, the HTML report draws it as SVG. Text in
the values is raw, as it came: each output makes it safe. Every picture has `alternative`, what it shows in
a sentence, for those who do not see it.

Servers have capitals on a colour, the same in every picture of one analysis; certificates are c1, c2, answers of
name servers digits, and neither has a colour of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from semscheck.model.analysis import (
    Analysis,
    ArmSequence,
    BalancingPath,
    EndpointStatus,
    Reach,
    ResolverAnalysis,
    Rotation,
    Share,
    WatchAnalysis,
)
from semscheck.model.findings import Finding
from semscheck.model.labels import Label, LabelKind
from semscheck.model.observations import Certificate
from semscheck.model.report import Report, Vantage
from semscheck.model.target import Endpoint, Member, Severity, Target
from semscheck.report import wording as words
from semscheck.report.text.lines import COLOURS
from semscheck.report.wording import Mark

TROUBLE = (Mark.CRITICAL, Mark.WARNING, Mark.UNKNOWN)
SHOWN_TROUBLE = 6  # of a sentence about a picture
UNIDENTIFIED = "?"
FAILED = "✖"


@dataclass(frozen=True, slots=True)
class Tag:
    """What stands for a server: its letter and the number of its colour, 0 to lines.COLOURS - 1."""

    letter: str
    colour: int

    @property
    def style(self) -> str:
        return f"member-{self.colour}"


@dataclass(frozen=True, slots=True)
class Number:
    """What stands for a certificate ("c1") or an answer of DNS ("1"); neighbours in a row differ by their parity."""

    letter: str
    number: int

    @property
    def style(self) -> str:
        return f"mark-{self.number % 2}"


@dataclass(frozen=True, slots=True)
class Legend:
    """What a letter stands for. detail: more about it, may be empty."""

    tag: Tag | Number
    name: str
    detail: str = ""


# --- the path ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing on the path. label: what it is; detail: its state in words; address, port: where it has one.

    role: "desktop", "resolver", "name", "balancer", "member", "stranger", "client", "replication".
    notes: what was found about it and stands for itself, as (code, words). method: how a balancer spreads and keeps
    clients, as far as it is known.
    """

    role: str
    label: str
    mark: Mark
    detail: str = ""
    method: str = ""
    address: str | None = None
    port: int | None = None
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the path. kind: "desktop", "resolvers", "name", "front"; mark: of the step as a whole."""

    kind: str
    title: str
    nodes: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member with its interfaces, its name as `called`; tag: its letter. answered: connections through the FQDN
    that it answered, None if nothing was sampled. Without known addresses both interfaces are empty."""

    name: str
    tag: Tag
    client: tuple[Node, ...] = ()
    replication: tuple[Node, ...] = ()
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class PathPicture:
    """This desktop, name servers, FQDN, balancer or addresses, members.

    breaks_at: kind of the stage beyond which no client gets, None if one gets through or nothing was tested.
    """

    stages: tuple[Stage, ...]
    members: tuple[MemberRow, ...]
    breaks_at: str | None
    breaks_why: str | None
    alternative: str


def member_tags(analysis: Analysis, target: Target | None = None) -> dict[str, Tag]:
    """A letter for each server: "server B" has B, the others in the profile's order, then as found."""
    names = [member.name for member in target.members] if target else []
    names += [member.name for member in analysis.members]
    return lettered([*names, *analysis.answered_by], analysis.labels)


_SERVERS = (LabelKind.SERVER, LabelKind.MEMBER)


def lettered(names: Sequence[str], made_up: Iterable[Label] = ()) -> dict[str, Tag]:
    """A letter for each name: those that the run made up have theirs."""
    labels = {it.name: it.letter for it in made_up if it.kind in _SERVERS and len(it.letter) == 1}
    free = (chr(code) for code in range(ord("A"), ord("Z") + 1) if chr(code) not in labels.values())
    letters = {name: labels.get(name) or next(free, "#") for name in dict.fromkeys(names)}
    return {name: Tag(letter, at % COLOURS) for at, (name, letter) in enumerate(letters.items())}


FOUND = " (found)"  # behind the name of a server that nobody told of
FOUND_NOTE = "(found): this server is not in the profile; the check found it by itself."


def called(name: str, target: Target | None) -> str:
    """The name as it is shown: with a mark where the check found the server by itself."""
    found = target is not None and any(it.name == name and it.found for it in target.members)
    return name + FOUND if found else name


def path_picture(
    analysis: Analysis,
    target: Target,
    *,
    findings: Sequence[Finding] = (),
    vantage: Vantage | None = None,
) -> PathPicture:
    """The path from this desktop to the members. findings: raise the marks of what they are about."""
    stages = (
        _desktop_stage(vantage),
        _resolver_stage(analysis),
        _name_stage(analysis, target, findings),
        _front_stage(analysis, findings),
    )
    breaks_at, breaks_why = _break(analysis, stages)
    members = _member_rows(analysis, target, findings)
    said = _path_words(target, breaks_at, breaks_why, stages, members)
    return PathPicture(stages, members, breaks_at, breaks_why, said)


def _desktop_stage(vantage: Vantage | None) -> Stage:
    sources = words.listed(vantage.source_addresses) if vantage else ""
    node = Node(role="desktop", label=vantage.host if vantage else "", mark=Mark.OK, detail=sources)
    return Stage("desktop", "this desktop", (node,), Mark.OK)


def _resolver_stage(analysis: Analysis) -> Stage:
    asked = [resolver for resolver in analysis.dns.resolvers if not resolver.authority]
    all_failed = all(resolver.failed for resolver in asked)
    nodes = tuple(_resolver_node(resolver, all_failed) for resolver in asked)
    if not nodes:
        return Stage("resolvers", "name servers", (), Mark.NOT_TESTED)
    return Stage("resolvers", "name servers", nodes, words.worst(*(node.mark for node in nodes)))


def _resolver_node(resolver: ResolverAnalysis, all_failed: bool) -> Node:
    answers = [*resolver.answers_v4, *resolver.answers_v6]
    addresses = tuple(dict.fromkeys(address for answer in answers for address in answer.addresses))
    if resolver.failed:
        mark = Mark.CRITICAL if all_failed else Mark.WARNING
        detail = resolver.rcode if resolver.rcode not in (None, "NOERROR") else "no answer"
    elif addresses:
        mark, detail = Mark.OK, words.count(len(addresses), "address", "addresses")
        detail += f", TTL {resolver.ttl_s} s" if resolver.ttl_s is not None else ""
    elif resolver.rcode:
        mark = Mark.CRITICAL
        detail = {"NXDOMAIN": "no such name", "NOERROR": "no address"}.get(resolver.rcode, resolver.rcode)
    else:
        mark, detail = Mark.NOT_TESTED, "not tested"
    return Node(
        role="resolver", label=resolver.server, mark=mark, detail=detail or "", address=resolver.server
    )


_ROTATION_MARK = {
    Rotation.NONE: Mark.OK,
    Rotation.FIXED: Mark.WARNING,
    Rotation.ORDER: Mark.CRITICAL,
    Rotation.SUBSET: Mark.CRITICAL,
    Rotation.FLIPS: Mark.CRITICAL,
    Rotation.UNKNOWN: Mark.UNKNOWN,
}


def _name_stage(analysis: Analysis, target: Target, findings: Sequence[Finding]) -> Stage:
    dns = analysis.dns
    if target.fqdn_is_address:
        mark, detail = Mark.NOT_TESTED, "an address was given: no name is looked up"
    elif dns.addresses:
        mark, detail = _ROTATION_MARK[dns.rotation], words.ROTATION[dns.rotation]
        if dns.rotation is Rotation.UNKNOWN:
            detail = words.count(len(dns.addresses), "address", "addresses")
    elif any(resolver.rcode or resolver.failed for resolver in dns.resolvers):
        mark, detail = Mark.CRITICAL, "no address"
    else:
        mark, detail = Mark.NOT_TESTED, "not tested"
    about = [found for found in findings if found.subject.kind == "fqdn" and found.code.startswith("DNS")]
    mark = _raised(mark, about)
    node = Node(role="name", label=target.fqdn_shown or target.fqdn, mark=mark, detail=detail)
    return Stage("name", "name", (node,), mark)


def _front_stage(analysis: Analysis, findings: Sequence[Finding]) -> Stage:
    places = [place for place in analysis.places if place.fqdn or place.balancer]
    methods = {(path.address, path.port): words.method_and_persistence(path) for path in analysis.paths}
    nodes = tuple(
        replace(
            _place_node(place, _front_role(place), findings),
            method="" if place.client_of else methods.get((place.address, place.port), ""),
        )
        for place in places
    )
    direct = nodes and all(node.role == "member" for node in nodes)
    title = "load balancer" if any(node.role == "balancer" for node in nodes) else "address"
    title = "directly to" if direct else title
    return Stage("front", title, nodes, words.worst(*(node.mark for node in nodes)))


def _front_role(place: EndpointStatus) -> str:
    if place.client_of or place.replication_of:
        return "member"
    return "balancer" if place.balancer else "stranger"


def _front_label(place: EndpointStatus) -> str:
    if place.client_of:
        return f"{words.listed(place.client_of)}, Interface 2"
    if place.replication_of:
        return f"{words.listed(place.replication_of)}, Interface 1"
    return ""


def _place_node(place: EndpointStatus, role: str, findings: Sequence[Finding]) -> Node:
    about = _findings_at(findings, place.address, place.port)
    return Node(
        role=role,
        label=_front_label(place) if role == "member" else "",
        mark=_raised(_reach_mark(place), about),
        detail=reach_words(place),
        address=place.address,
        port=place.port,
        notes=_notes(found for found in about if found.caused_by is None),
    )


def _notes(about: Iterable[Finding]) -> tuple[tuple[str, str], ...]:
    """Codes and titles of the findings that are worth a mark, each once."""
    told = {found.code: _inside(words.title(found)) for found in about if found.severity is not Severity.INFO}
    return tuple(told.items())


def _inside(title: str) -> str:
    """A title inside of a line; one with names or abbreviations as it is."""
    rest = title[1:]
    return title[:1].lower() + rest if rest == rest.lower() else title


def reach_words(place: EndpointStatus) -> str:
    """How far a client gets there: "serves, 12 ms" (to connect), "connection refused", "not tested"."""
    if place.serves:
        return "serves" if place.connect_s is None else f"serves, {words.duration(place.connect_s)}"
    if not place.tried:
        return words.REACH[place.reach]
    if place.failure_cause is None:
        return "TLS works" if place.reach is Reach.NO_HTTP else words.REACH[place.reach]
    step = {Reach.NO_TLS: "TLS: ", Reach.NO_HTTP: "HTTP: "}.get(place.reach, "")
    return step + words.failure(place.failure_cause)


def _reach_mark(place: EndpointStatus) -> Mark:
    """The catalogue's "by subject": critical where the FQDN leads, warning at another client interface."""
    if not place.tried:
        return Mark.NOT_TESTED
    if place.serves or (place.reach is Reach.NO_HTTP and place.failure_cause is None):
        return Mark.OK
    if place.fqdn:
        return Mark.CRITICAL
    return Mark.WARNING if place.serves_clients else Mark.INFO


def _findings_at(findings: Iterable[Finding], address: str, port: int | None) -> list[Finding]:
    """What is about this address, or says of several places that it is one of them: one certificate on every
    member is one finding, whose subject can only be the first."""
    return [
        found
        for found in findings
        if (found.subject.address == address and (port is None or found.subject.port in (None, port)))
        or any(place.address == address and port in (None, place.port) for place in found.facts.places)
    ]


def _raised(mark: Mark, about: Iterable[Finding]) -> Mark:
    """The mark, or the worst of what was found about it; what is only worth knowing changes nothing."""
    found = [words.mark_of(found.severity) for found in about if found.severity is not Severity.INFO]
    return words.worst(mark, *found)


def _break(analysis: Analysis, stages: Sequence[Stage]) -> tuple[str | None, str | None]:
    resolvers, name, front = stages[1:]
    if not analysis.dns.addresses and name.mark is Mark.CRITICAL:
        if resolvers.nodes and all(resolver.failed for resolver in analysis.dns.resolvers):
            return "resolvers", "no name server gives an answer"
        return "name", "the name leads to no address"
    led_to = [place for place in analysis.places if place.fqdn]
    tested = [place for place in led_to if place.tried]
    if tested and len(tested) == len(led_to) and not any(_reach_mark(place) is Mark.OK for place in tested):
        return front.kind, reach_words(tested[0])
    return None, None


def _path_words(
    target: Target,
    breaks_at: str | None,
    why: str | None,
    stages: Sequence[Stage],
    members: Sequence[MemberRow],
) -> str:
    name = target.fqdn_shown or target.fqdn
    steps = {"resolvers": "at the name servers", "name": "at the name", "front": "at the address it leads to"}
    if breaks_at:
        return f"The path to {name} breaks {steps[breaks_at]}: {why}."
    if stages[-1].mark is Mark.NOT_TESTED:
        return f"The path to {name} was not tested to its end."
    seen = [(stage.title, node) for stage in stages[1:] for node in stage.nodes]
    seen += [(f"{row.name} Interface 2", node) for row in members for node in row.client]
    seen += [(f"{row.name} Interface 1", node) for row in members for node in row.replication]
    trouble = dict.fromkeys(f"{title}: {_reason(node)}" for title, node in seen if node.mark in TROUBLE)
    told = f" But: {'; '.join(list(trouble)[:SHOWN_TROUBLE])}." if trouble else ""
    return f"Clients get through to {name}.{told}"


def node_reason(node: Node) -> str:
    """Why a node has its mark: its state, and what was found there although it serves."""
    reason = _reason(node)
    return reason if reason == node.detail or not node.detail else f"{node.detail}: {reason}"


def _reason(node: Node) -> str:
    """What stops a client there, else what was found."""
    stops = node.detail and not node.detail.startswith(words.REACH[Reach.SERVES])
    found = ", ".join(text for _, text in node.notes)
    return node.detail if stops or not found else found


def _member_rows(analysis: Analysis, target: Target, findings: Sequence[Finding]) -> tuple[MemberRow, ...]:
    tags = member_tags(analysis, target)
    known = {member.name: member for member in target.members}
    answered = _answered(analysis)
    rows = []
    for name, tag in tags.items():
        member = known.get(name, Member(name))
        client = [place for place in analysis.places if name in place.client_of]
        replication = _replication_places(analysis, name)
        rows.append(
            MemberRow(
                called(name, target),
                tag,
                _interface(client, member.client, "client", findings, target.port),
                _interface(replication, member.replication, "replication", findings, target.port),
                answered.get(name, 0) if answered else None,
            )
        )
    return tuple(rows)


def _replication_places(analysis: Analysis, name: str) -> list[EndpointStatus]:
    """A member's Interfaces 1, each address once: where the FQDN leads to one, it was looked at under both names,
    and the way to it shows the other look."""
    found: dict[tuple[str, int], EndpointStatus] = {}
    for place in analysis.places:
        if name in place.replication_of and (not place.fqdn or (place.address, place.port) not in found):
            found[place.address, place.port] = place
    return list(found.values())


def _answered(analysis: Analysis) -> dict[str, int]:
    total: dict[str, int] = {}
    for path in analysis.paths:
        for share in path.members:
            total[share.name] = total.get(share.name, 0) + share.count
    return total


def _interface(
    places: Sequence[EndpointStatus],
    endpoints: Sequence[Endpoint],
    role: str,
    findings: Sequence[Finding],
    port: int,
) -> tuple[Node, ...]:
    """The places seen, then the endpoints of the profile that were not looked at yet."""
    nodes = [_place_node(place, role, findings) for place in places]
    seen = {place.address for place in places}
    nodes += [
        Node(
            role=role,
            label="",
            mark=Mark.NOT_TESTED,
            detail="not tested",
            address=endpoint.address,
            port=endpoint.port or port,
        )
        for endpoint in endpoints
        if endpoint.address not in seen
    ]
    return tuple(nodes)


# --- the connection strip ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """One connection, or one query. letter: of the member that answered, or of the answer in the legend; "?" not
    identified, "✖" failed. tag, and member of a connection: None of these two."""

    letter: str
    tag: Tag | Number | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True)
class StripRow:
    """One arm at one address, the connections in the order they were made. arm: the model's name of it."""

    arm: str
    label: str
    address: str
    port: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ConnectionStrip:
    """rows: by address, then by arm. legend: the members that occur, in the order of their letters."""

    rows: tuple[StripRow, ...]
    legend: tuple[Legend, ...]
    alternative: str


def connection_strip(
    analysis: Analysis, target: Target | None = None, newest: int | None = None
) -> ConnectionStrip:
    """Who answered each connection. target: gives the members' order before they were looked at. newest: so many rows
    of a watch, None for all."""
    if analysis.watch is not None:
        return _watch_strip(analysis.watch, analysis.labels, target, newest)
    tags = member_tags(analysis, target)
    rows = tuple(
        StripRow(
            arm.arm, words.arm(arm.arm), path.address, path.port, cells_of(arm.members, arm.failed, tags)
        )
        for path in analysis.paths
        for arm in path.arms
        if _shows_something(arm)
    )
    seen = {cell.member for row in rows for cell in row.cells}
    legend = tuple(Legend(tag, called(name, target)) for name, tag in tags.items() if name in seen)
    return ConnectionStrip(rows, legend, _strip_words(rows))


WATCH_ROW = 60  # connections: a minute, at one a second


def _watch_strip(
    watch: WatchAnalysis, labels: Sequence[Label], target: Target | None, newest: int | None
) -> ConnectionStrip:
    """The ticks of a watch in rows, each labelled by the seconds since its start."""
    names = [answerer.name for answerer in watch.answered_by]
    known = [member.name for member in target.members if member.name in names] if target else []
    tags = lettered([*known, *names], labels)
    who = [names[at] if at is not None and 0 <= at < len(names) else None for at in watch.sequence]
    cells = cells_of(who, watch.failed, tags)
    rows = tuple(
        StripRow("watch", f"{words.elapsed(watch.started_s[at])}", "", 0, cells[at : at + WATCH_ROW])
        for at in range(0, len(cells), WATCH_ROW)
    )
    legend = tuple(Legend(tag, called(name, target)) for name, tag in tags.items() if name in names)
    counted = [f"{answerer.name} {answerer.count}" for answerer in watch.answered_by]
    counted += [f"failed {len(watch.failed)}"] if watch.failed else []
    return ConnectionStrip(
        rows[-newest:] if newest else rows,
        legend,
        f"Connections by the server that answered: {words.listed(counted) or 'none'}.",
    )


def _shows_something(arm: ArmSequence) -> bool:
    """A kept token that led elsewhere says that it did, not to whom: such a row would be question marks alone, and
    the facts of the path give the number."""
    return arm.arm in ("fresh", "pairs") or bool(arm.failed) or any(arm.members)


def cells_of(
    members: Sequence[str | None], failed: Sequence[int], tags: Mapping[str, Tag]
) -> tuple[Cell, ...]:
    broken = set(failed)
    return tuple(
        Cell(tags[name].letter, tags[name], name)
        if name is not None and name in tags
        else Cell(FAILED if index in broken else UNIDENTIFIED)
        for index, name in enumerate(members)
    )


def _strip_words(rows: Sequence[StripRow]) -> str:
    if not rows:
        return "No connection was made through the FQDN."
    parts = []
    for row in rows:
        counts: dict[str, int] = {}
        for cell in row.cells:
            name = cell.member or ("failed" if cell.letter == FAILED else "not identified")
            counts[name] = counts.get(name, 0) + 1
        found = words.listed([f"{name} {number}" for name, number in counts.items()])
        parts.append(f"{row.label} at {words.place(row.address, row.port)}: {found or 'none'}")
    return "Connections by the server that answered. " + "; ".join(parts) + "."


# --- the share bars ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShareBar:
    """A member's part of the new connections. name: as it is shown."""

    name: str
    tag: Tag
    share: Share


@dataclass(frozen=True, slots=True)
class ShareGroup:
    """One address. failed: of the connections that were tried."""

    path: BalancingPath
    failed: int
    bars: tuple[ShareBar, ...]


@dataclass(frozen=True, slots=True)
class ShareBars:
    groups: tuple[ShareGroup, ...]
    alternative: str

    @property
    def confidence(self) -> float | None:
        """Of the intervals, None where there are none."""
        return next((it.path.confidence for it in self.groups if it.bars and it.path.confidence), None)


def share_bars(analysis: Analysis, target: Target | None = None) -> ShareBars:
    """Each member's share of the new connections with its interval, an address a group."""
    tags = member_tags(analysis, target)
    groups = tuple(_share_group(path, tags, target) for path in analysis.paths)
    parts = [
        f"{bar.name} {words.percent(it.share)} ({words.percent(it.share_low)} to {words.percent(it.share_high)})"
        for group in groups
        for bar in group.bars
        for it in (bar.share,)
    ]
    parts += [f"{group.failed} of {group.path.samples} failed" for group in groups if group.failed]
    return ShareBars(groups, "Shares of new connections: " + (", ".join(parts) or words.NOT_MEASURED) + ".")


def _share_group(path: BalancingPath, tags: Mapping[str, Tag], target: Target | None) -> ShareGroup:
    bars = tuple(ShareBar(called(it.name, target), tags[it.name], it) for it in path.members)
    failed = next((len(arm.failed) for arm in path.arms if arm.arm == "fresh"), path.failed)
    return ShareGroup(path, failed, bars)


# --- the DNS strip -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DnsRow:
    """A burst of queries to one server. family: 4 or 6."""

    server: str
    server_name: str | None
    authority: bool
    family: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class DnsStrip:
    """legend: a digit for each distinct answer, in order of addresses; name: the addresses, joined."""

    rows: tuple[DnsRow, ...]
    legend: tuple[Legend, ...]
    rotation: Rotation
    alternative: str


_DIGITS = "123456789"


def dns_strip(analysis: Analysis) -> DnsStrip:
    """What each server answered to each repetition; the same answer has the same digit."""
    answers: dict[tuple[str, ...], Number] = {}
    rows: list[DnsRow] = []
    for resolver in analysis.dns.resolvers:
        for family, known, sequence in (
            (4, resolver.answers_v4, resolver.sequence_v4),
            (6, resolver.answers_v6, resolver.sequence_v6),
        ):
            if family == 6 and not any(answer.addresses for answer in known):
                continue  # no AAAA record is the usual case, and no news
            sets = [answer.addresses for answer in known]
            cells = tuple(_dns_cell(sets, index, answers) for index in sequence)
            if cells:
                rows.append(DnsRow(resolver.server, resolver.server_name, resolver.authority, family, cells))
    legend = tuple(Legend(tag, words.listed(addresses) or "no address") for addresses, tag in answers.items())
    return DnsStrip(tuple(rows), legend, analysis.dns.rotation, _dns_words(analysis, legend))


def _dns_cell(
    sets: Sequence[tuple[str, ...]], index: int | None, answers: dict[tuple[str, ...], Number]
) -> Cell:
    if index is None or not 0 <= index < len(sets):
        return Cell(FAILED)
    addresses = sets[index]
    number = len(answers)
    tag = answers.setdefault(addresses, Number(_DIGITS[number] if number < len(_DIGITS) else "+", number))
    return Cell(tag.letter, tag)


def _dns_words(analysis: Analysis, legend: Sequence[Legend]) -> str:
    if not legend:
        return "No name server gave an answer." if analysis.dns.resolvers else "No name server was asked."
    answers = words.listed([entry.name for entry in legend], 4)
    return (
        f"Answers of {words.count(len(analysis.dns.resolvers), 'name server')}: "
        f"{words.ROTATION[analysis.dns.rotation]} ({answers})."
    )


# --- the certificate grid ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCell:
    """What one place presents. tag: of the certificate; None if none was seen (detail says why).

    notes: what does not match, from the findings, (code, words). differs: from the certificate that clients meet at
    most places: "older, other key".
    """

    address: str
    port: int
    mark: Mark
    detail: str
    tag: Number | None = None
    fingerprint: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    differs: str = ""


@dataclass(frozen=True, slots=True)
class GridRow:
    """kind: "front" (an address of the FQDN that is no member's) or "member"."""

    kind: str
    name: str
    client: tuple[GridCell, ...]
    replication: tuple[GridCell, ...] = ()
    tag: Tag | None = None


@dataclass(frozen=True, slots=True)
class CertificateGrid:
    rows: tuple[GridRow, ...]
    legend: tuple[Legend, ...]
    alternative: str


def certificate_grid(
    analysis: Analysis,
    certificates: Mapping[str, Certificate] | Iterable[Certificate],
    target: Target,
    now: datetime,
    *,
    findings: Sequence[Finding] = (),
) -> CertificateGrid:
    """Members and interfaces with the certificates that they present.

    certificates: by fingerprint, or any number of them. now: the time of the run, not of reading.
    """
    known = (
        dict(certificates)
        if isinstance(certificates, Mapping)
        else {certificate.fingerprint: certificate for certificate in certificates}
    )
    drawer = _GridMaker(known, target, now, findings, _certificate_tags(analysis), _usual(analysis))
    fronts = [
        place
        for place in analysis.places
        if _front_role(place) != "member" and (place.fqdn or place.balancer) and place.tried
    ]
    rows = [
        GridRow("front", _front_name(place, only=len(fronts) == 1), (drawer.cell(place),)) for place in fronts
    ]
    for name, tag in member_tags(analysis, target).items():
        client = tuple(drawer.cell(place) for place in analysis.places if name in place.client_of)
        replication = tuple(drawer.cell(place) for place in _replication_places(analysis, name))
        if client or replication:
            rows.append(GridRow("member", called(name, target), client, replication, tag))
    legend = drawer.legend()
    return CertificateGrid(tuple(rows), legend, _grid_words(rows, legend))


def _front_name(place: EndpointStatus, *, only: bool) -> str:
    return "load balancer" if place.balancer and only else words.place(place.address, place.port)


def _certificate_tags(analysis: Analysis) -> dict[str, Number]:
    """What serves clients comes first, so that c1 is the certificate that users meet."""
    ordered = sorted(analysis.places, key=lambda place: (not place.fqdn, not place.serves_clients))
    prints = dict.fromkeys(place.certificate for place in ordered if place.certificate)
    return {fingerprint: Number(f"c{index + 1}", index) for index, fingerprint in enumerate(prints)}


def _usual(analysis: Analysis) -> str | None:
    """The fingerprint that clients meet at most places, None where no one is at more than the next."""
    seen = Counter(it.certificate for it in analysis.places if it.serves_clients and it.certificate)
    (first, often), (_, next_often) = [*seen.most_common(2), ("", 0), ("", 0)][:2]
    return first if often > next_often else None


@dataclass(frozen=True, slots=True)
class _GridMaker:
    certificates: Mapping[str, Certificate]
    target: Target
    now: datetime
    findings: Sequence[Finding]
    tags: Mapping[str, Number]
    usual: str | None

    def cell(self, place: EndpointStatus) -> GridCell:
        about = [
            found
            for found in _findings_at(self.findings, place.address, place.port)
            if found.code.startswith("CRT")
        ]
        seen = self.certificates.get(place.certificate) if place.certificate else None
        mark = self._mark(seen) if place.certificate else Mark.NOT_TESTED
        return GridCell(
            address=place.address,
            port=place.port,
            mark=_raised(mark, about),
            detail=words.days_left(seen.not_after, self.now) if seen else self._unseen(place),
            tag=self.tags.get(place.certificate) if place.certificate else None,
            fingerprint=place.certificate,
            notes=_notes(about),
            differs=self._differs(seen) if place.serves_clients else "",
        )

    def _differs(self, seen: Certificate | None) -> str:
        usual = self.certificates.get(self.usual) if self.usual else None
        if usual is None or seen is None or seen.fingerprint == usual.fingerprint:
            return ""
        parts = []
        if seen.not_before and usual.not_before and seen.not_before != usual.not_before:
            parts.append("newer" if seen.not_before > usual.not_before else "older")
        parts += ["other key"] if seen.spki != usual.spki else ["same key"]
        return ", ".join(parts)

    def _unseen(self, place: EndpointStatus) -> str:
        return "certificate not kept" if place.certificate else reach_words(place)

    def _mark(self, certificate: Certificate | None) -> Mark:
        if certificate is None or certificate.not_after is None:
            return Mark.UNKNOWN
        left = (certificate.not_after - self.now).total_seconds() / words.DAY_S
        warning, critical = self.target.thresholds.expiry_days(certificate.whole_days)
        if left < critical:
            return Mark.CRITICAL
        return Mark.WARNING if left < warning else Mark.OK

    def legend(self) -> tuple[Legend, ...]:
        return tuple(
            Legend(tag, self._name(fingerprint), self._detail(fingerprint))
            for fingerprint, tag in self.tags.items()
        )

    def _name(self, fingerprint: str) -> str:
        seen = self.certificates.get(fingerprint)
        if seen is None:
            return "certificate not kept"
        return (seen.common_names or (seen.subject or "no name",))[0]

    def _detail(self, fingerprint: str) -> str:
        seen = self.certificates.get(fingerprint)
        until = f"until {words.date(seen.not_after)}, " if seen and seen.not_after else ""
        return f"{until}SHA-256 {words.fingerprint(fingerprint)}"


def _grid_words(rows: Sequence[GridRow], legend: Sequence[Legend]) -> str:
    if not legend:
        return "No certificate was seen."
    noted = [
        f"{row.name}: {words_}"
        for row in rows
        for cell in (*row.client, *row.replication)
        for _, words_ in cell.notes
    ]
    seen = words.count(len(legend), "certificate")
    return f"{seen} on {words.count(len(rows), 'row')}" + (f". {'; '.join(noted)}." if noted else ".")


# --- all of a report ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pictures:
    path: PathPicture
    connections: ConnectionStrip
    shares: ShareBars
    dns: DnsStrip
    certificates: CertificateGrid


def pictures_of(report: Report) -> Pictures:
    """All pictures of a finished report, marked with what was found."""
    found = report.findings
    certificates = [seen for seen in report.observations if isinstance(seen, Certificate)]
    return Pictures(
        path_picture(report.analysis, report.target, findings=found, vantage=report.run.vantage),
        connection_strip(report.analysis, report.target),
        share_bars(report.analysis, report.target),
        dns_strip(report.analysis),
        certificate_grid(report.analysis, certificates, report.target, report.run.started, findings=found),
    )


Picture = PathPicture | ConnectionStrip | ShareBars | DnsStrip | CertificateGrid
