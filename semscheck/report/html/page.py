"""The report as one HTML file: verdict first, pictures, findings with their explanations and evidence.

No script, nothing loaded, nothing that a name from the network could turn into markup. What a browser needs
to fold, link and print is in the document itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from semscheck.model.analysis import EndpointStatus
from semscheck.model.findings import Card, Confidence, Finding, Owner, Reference, State, Verdict
from semscheck.model.observations import AnyObservation, Bound, Certificate
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report import escape as safe
from semscheck.report import wording as words
from semscheck.report.clients import NOTE, client_groups, some_cannot
from semscheck.report.escape import html as esc
from semscheck.report.figures.pictures import Pictures, called, pictures_of
from semscheck.report.folding import folded, tally
from semscheck.report.html.figures import figure, place
from semscheck.report.html.style import page, state
from semscheck.report.story import (
    evidence_lines,
    leading,
    local_and_utc,
    next_steps,
    notes,
    proof,
    reach,
    resolved,
    story,
)
from semscheck.report.text.page import balancing_facts, signal_facts
from semscheck.report.text.watch import changes, clock
from semscheck.report.wording import LABELS, Mark

SHOWN_ROWS = 128  # of one table
SHOWN_LINES = 4  # of one finding's evidence, as its owner finds it in a log
SHOWN_EVIDENCE = 10  # of one finding, in full; the saved report has the rest
_STATE_MARK = {
    State.PASS: Mark.OK,
    State.FOUND: Mark.CRITICAL,
    State.NOT_OBSERVED: Mark.NOT_TESTED,
    State.CRASHED: Mark.UNKNOWN,
}


def render(report: Report, cards: Mapping[str, Card] | None = None, *, now: datetime | None = None) -> str:
    """The whole document. cards: by code; those of what was found are explained in the file.

    now: the time of writing, for the age of a saved report; None for a run that has just ended.
    """
    return safe.visible(_Document(report, cards or {}, now).whole(), "\n")


def paragraphs(text: str) -> str:
    """Text with lines of its own: one paragraph, or numbered and dashed lines as a list."""
    lines = [line for line in safe.block(text) if line.strip()]
    steps = [_step(line) for line in lines]
    if len(lines) > 1 and all(steps):
        return "<ol>" + "".join(f"<li>{_spans(step or '')}</li>" for step in steps) + "</ol>"
    return "".join(f"<p>{_spans(line.strip())}</p>" for line in lines)


def _spans(text: str) -> str:
    """A line in which `words in backticks` are commands or settings."""
    return re.sub(r"`([^`]{1,120})`", r"<code>\1</code>", esc(text))


def _step(line: str) -> str | None:
    """The words of a step ("1. Open ..."), None for a line that is none."""
    head, _, rest = line.strip().partition(" ")
    return rest.strip() if rest and (head.rstrip(".)").isdigit() or head in ("-", "*", "•")) else None


def reference(source: Reference) -> str:
    address = safe.url(source.url)
    if address is None:
        return esc(source.title, 300) + (f" ({esc(source.url, 300)})" if source.url else "")
    return f'<a href="{esc(address)}" rel="noopener noreferrer">{esc(source.title, 300)}</a>'


def rows(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values; names are raw, values are HTML."""
    inner = "".join(f"<dt>{esc(name)}</dt><dd>{value}</dd>" for name, value in facts if value)
    return f'<dl class="rows">{inner}</dl>'


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. share: of its width in per cent, one that the style sheet knows, 0 for what is left.

    style: "num" for figures, "mono" for addresses and fingerprints. names: its cells name their rows.
    """

    title: str
    share: int = 0
    style: str = ""
    names: bool = False


def table(columns: Sequence[Column], lines: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """A table that becomes a list, each cell with its column's title, on a narrow page. Cells are HTML."""
    widths = "".join(f'<col class="w{column.share}">' if column.share else "<col>" for column in columns)
    head = "".join(
        f'<th scope="col"{_classed(column.style if column.style == "num" else "")}>{esc(column.title)}</th>'
        for column in columns
    )
    said = f"<caption>{esc(caption)}</caption>" if caption else ""
    body = "".join(
        "<tr>" + "".join(_cell(column, cell) for column, cell in zip(columns, line, strict=True)) + "</tr>"
        for line in lines
    )
    return (
        f'<table class="stack fixed">{said}<colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _classed(style: str) -> str:
    return f' class="{style}"' if style else ""


def _cell(column: Column, content: str) -> str:
    if column.names:
        return f'<th scope="row"{_classed(column.style)}>{content}</th>'
    return f'<td{_classed(column.style)} data-title="{esc(column.title)}">{content}</td>'


def fold(summary: str, inner: str, style: str = "") -> str:
    """What opens when asked for; both are HTML. style: "printed" is shown on paper though folded,
    "onscreen" is left out there."""
    named = f' class="{style}"' if style else ""
    return f"<details{named}><summary>{summary}</summary>{inner}</details>"


def body(what: str, head: str, sections: Iterable[tuple[str, str, str]], foot: str) -> str:
    """The body of a document. what: "report" or "comparison"; sections: id, title and HTML, left out if empty."""
    present = [section for section in sections if section[2]]
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in present)
    main = "".join(
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{title}</h2>{inner}</section>'
        for name, title, inner in present
    )
    return (
        f'<a class="skip" href="#main">To the {what}</a>\n<div class="wrap">{head}'
        f'<nav aria-label="Parts of the {what}"><ul>{links}</ul></nav>\n'
        f'<main id="main">{main}</main>{foot}</div>'
    )


def explanation(card: Card, tail: str = "") -> str:
    """A rule's card in full, where `#explain-CODE` leads. tail: HTML below it."""
    severity = esc(LABELS[words.mark_of(card.severity)])
    severity += f" ({esc(card.severity_note, 300)})" if card.severity_note else ""
    facts = rows(
        (
            ("Why it matters", paragraphs(card.why)),
            ("Who fixes it", esc(words.OWNER[card.owner])),
            ("What to do", paragraphs(card.remedy)),
            ("How it is seen", paragraphs(card.seen_by)),
            ("Severity", severity),
            ("Sources", "<br>".join(reference(source) for source in card.references)),
        )
    )
    return (
        f'<article class="card long explain" id="explain-{esc(card.code, 20)}">'
        f"<h3>{esc(card.code, 20)} {esc(card.name.replace('-', ' '), 60)}</h3>"
        f"<p>{esc(card.summary, 600)}</p>{facts}{tail}</article>"
    )


class _Document:
    def __init__(self, report: Report, cards: Mapping[str, Card], now: datetime | None) -> None:
        self._report = report
        self._now = now
        self._pictures: Pictures = pictures_of(report)
        found = {finding.code for finding in report.findings}
        self._all_cards = cards
        self._cards = {code: card for code, card in sorted(cards.items()) if code in found}
        self._number = {id(finding): index for index, finding in enumerate(report.findings, 1)}
        self._shown: dict[str, int] = {}  # observation id to the number of its block

    def whole(self) -> str:
        report = self._report
        sections = (
            ("findings", "Findings", self.findings()),
            ("next", "Next", self.next()),
            ("watch", "What happened", self.watched()),
            ("path", "The path", "" if report.analysis.watch else self.path()),
            ("connections", "Who answered", self.connections()),
            ("names", "Answers of the name servers", self.names()),
            ("certificates", "Certificates", self.certificates()),
            ("clients", "Who can connect", self.clients()),
            ("addresses", "Addresses", self.addresses()),
            ("rules", "What was tested", self.verdicts()),
            ("explanations", "Explanations", self.explanations()),
            ("run", "About this run", self.about()),
        )
        verdict = LABELS[words.mark_of(report.summary.verdict)]
        return page(
            f"{verdict}: {self._name()} - semscheck", body("report", self.head(), sections, self.foot())
        )

    def _name(self) -> str:
        return safe.one_line(self._report.target.fqdn_shown or self._report.target.fqdn, 253)

    # --- head and foot -----------------------------------------------------------------------------------

    def head(self) -> str:
        report = self._report
        mark = words.mark_of(leading(report))
        vantage = report.run.vantage
        sources = words.listed(vantage.source_addresses, 4)
        taken = f", took {words.duration(report.run.duration_s)}" if report.run.duration_s is not None else ""
        facts = (
            ("Checked", f"{words.target_name(report.target)}, port {report.target.port}"),
            ("Resolves to", resolved(report)),
            ("When", local_and_utc(report.run.started) + self._age() + taken),
            ("From", f"{vantage.host or words.NOT_MEASURED}{f' ({sources})' if sources else ''}"),
            ("Found", tally(report.findings) or "nothing"),
        )
        shown = "".join(
            f"<div><dt>{name}</dt><dd>{esc(safe.one_line(value, 520))}</dd></div>" for name, value in facts
        )
        told = "".join(f'<p class="note">{esc(note)}</p>' for note in notes(report))
        return (
            '<header><p class="top"><span><b>semscheck</b> report</span>'
            f"<span>{esc(words.stamp(report.run.started))}</span></p>"
            f'<div class="head {mark.value}">{state(mark)}{self.story()}<dl class="facts">{shown}</dl></div>'
            f"{told}</header>"
        )

    def story(self) -> str:
        """The first five lines."""
        first, *rest = story(self._report)
        lines = "".join(f"<dt>{line.label}</dt><dd>{_spans(line.text)}</dd>" for line in rest)
        return f"<h1>{esc(first.text, 700)}</h1>" + (f'<dl class="story">{lines}</dl>' if lines else "")

    def _age(self) -> str:
        return f" ({words.age(self._report.run.started, self._now)})" if self._now else ""

    def next(self) -> str:
        steps = "".join(f"<li>{_spans(step)}</li>" for step in next_steps(self._report))
        return f'<div class="card"><ul class="steps">{steps}</ul></div>' if steps else ""

    def foot(self) -> str:
        report = self._report
        tool = f"{esc(report.tool.name, 60)} {esc(report.tool.version, 60)}"
        return f"<footer>{tool} · run {esc(report.run.id, 80)} · schema {esc(report.schema, 60)}</footer>"

    # --- pictures ----------------------------------------------------------------------------------------

    def path(self) -> str:
        return f'<div class="card long">{figure(self._pictures.path)}</div>'

    def watched(self) -> str:
        """The timeline of a watch."""
        watch = self._report.analysis.watch
        if watch is None:
            return ""
        columns = (Column("Time (UTC)", 16, "mono"), Column("What happened"))
        lines = [
            (esc(clock(change.at)), state(change.mark, safe.one_line(change.text, 400)))
            for change in changes(watch, self._report.run.started)
        ]
        return f'<div class="card long">{table(columns, lines)}</div>'

    def connections(self) -> str:
        strip, shares = self._pictures.connections, self._pictures.shares
        parts = []
        if strip.rows:
            parts.append(figure(strip, "One block a connection, in the order in which they were made."))
        if any(group.bars or group.failed for group in shares.groups):
            parts.append('<h3 class="sub">Shares of new connections</h3>' + figure(shares, self._bars()))
        for path in self._report.analysis.paths:
            where = esc(words.place(safe.one_line(path.address, 60), path.port))
            facts, signals = (
                rows((name, esc(value)) for name, value in known)
                for known in (balancing_facts(path), signal_facts(path))
            )
            more = fold("Signals", signals, "onscreen")
            parts.append(f'<h3 class="sub">How {where} spreads connections</h3>{facts}{more}')
        return f'<div class="card long">{"".join(parts)}</div>' if parts else ""

    def _bars(self) -> str:
        """What the bars mean."""
        confidence = self._pictures.shares.confidence
        sure = f"; the line shows where the true part lies, with {words.percent(confidence)} confidence"
        return f"The bar is the part that was seen{sure if confidence else ''}."

    def names(self) -> str:
        strip, dns = self._pictures.dns, self._report.analysis.dns
        if not strip.rows:
            return ""
        facts = [
            ("Rotation", esc(words.ROTATION[dns.rotation])),
            ("Alias", esc(" → ".join(safe.one_line(name, 253) for name in dns.cname))),
            ("Kept in caches", esc(words.ttl(dns.min_ttl_s))),
            ("This desktop uses", esc(safe.one_line(words.listed(dns.system, 8), 600))),
        ]
        caption = (
            "One block a query, a row a name server; the same number is the same answer in the same order."
        )
        return f'<div class="card">{figure(strip, caption)}<h3 class="sub">Facts</h3>{rows(facts)}</div>'

    def certificates(self) -> str:
        grid = self._pictures.certificates
        if not grid.rows:
            return ""
        return f'<div class="card long">{figure(grid)}{self.certificate_table()}</div>'

    def certificate_table(self) -> str:
        seen = [one for one in self._report.observations if isinstance(one, Certificate)]
        if not seen:
            return ""
        lines = (
            (
                esc(one.subject, 400),
                esc(words.listed(one.dns_names or (), 8), 600) or "none",
                esc(one.issuer, 400),
                f"{esc(words.date(one.not_before))} to {esc(words.date(one.not_after))}",
                esc(words.fingerprint(one.fingerprint)),
            )
            for one in seen[:SHOWN_ROWS]
        )
        columns = (
            Column("Subject", 24, names=True), Column("Names", 22), Column("Issuer", 24), Column("Valid"),
            Column("SHA-256", 18, "mono"),
        )  # fmt: skip
        return fold(f"{words.count(len(seen), 'certificate')} in full", table(columns, lines), "onscreen")

    def clients(self) -> str:
        groups = client_groups(self._report.analysis)
        if not groups:
            return ""
        columns = (Column("Clients", 26, names=True), Column("What happens", 20), Column("Why"))
        tables = (
            table(
                columns,
                (
                    (esc(line.clients, 400), state(line.mark, line.state), esc(line.why, 600))
                    for line in group.lines
                ),
                caption=f"At {group.places}",
            )
            for group in groups[:SHOWN_ROWS]
        )
        paper = "" if some_cannot(self._report.analysis) else " offpaper"
        return f'<div class="card long{paper}">{"".join(tables)}<p class="soft small">{esc(NOTE)}</p></div>'

    def addresses(self) -> str:
        places = self._report.analysis.places
        if not places:
            return ""
        columns = (
            Column("Address", 22, names=True), Column("What it is", 26),
            Column("How far a client gets", 20), Column("TLS", 10), Column("Connecting", 0, "num"),
            Column("Handshake", 0, "num"),
        )  # fmt: skip
        lines = (self._place(seen) for seen in places[:SHOWN_ROWS])
        drawn = table(columns, lines, caption="Every address that was looked at")
        more = len(places) - SHOWN_ROWS
        rest = f'<p class="soft small">and {more:,} more in the saved report</p>' if more > 0 else ""
        return f'<div class="card long">{drawn}{rest}{self._left_out()}</div>'

    def _place(self, seen: EndpointStatus) -> Sequence[str]:
        what = [name for name, is_it in (("the name", seen.fqdn), ("load balancer", seen.balancer)) if is_it]
        what += [f"{name}, Interface 2" for name in seen.client_of]
        what += [f"{name}, Interface 1" for name in seen.replication_of]
        return (
            place(seen.address, seen.port),
            esc("; ".join(what), 300),
            esc(reach(seen), 200),
            esc(seen.version or words.NOT_MEASURED, 40),
            esc(words.duration(seen.connect_s)),
            esc(words.duration(seen.handshake_s)),
        )

    def _left_out(self) -> str:
        bounds = [seen for seen in self._report.observations if isinstance(seen, Bound)]
        return "".join(
            f'<p class="soft small">Left out, to stay polite: {esc(one.what, 200)}, '
            f"{one.used:,} of {one.seen:,} used.</p>"
            for one in bounds
        )

    # --- findings ------------------------------------------------------------------------------------------

    def findings(self) -> str:
        if not self._report.findings:
            return f'<div class="card">{state(Mark.OK, "Nothing was found.")}</div>'
        return "".join(self.finding(found, explained) for found, explained in folded(self._report.findings))

    def finding(self, found: Finding, explained: Sequence[Finding]) -> str:
        mark = words.mark_of(found.severity)
        likely = f' <span class="tagline">{words.CONFIDENCE[found.confidence]}</span>' * (
            found.confidence is Confidence.LIKELY
        )
        who = "" if found.owner is Owner.SEMSCHECK else esc(words.OWNER[found.owner])
        notable = found.severity is not Severity.INFO
        seen = evidence_lines(self._report, (found,), SHOWN_LINES) if notable else []
        facts = rows(
            (
                ("Owner", who),
                ("What to do", paragraphs(found.remedy)),
                ("Seen", "".join(f'<div class="mono">{esc(line, 200)}</div>' for line in seen)),
                ("Sources", "<br>".join(reference(source) for source in found.references)),
            )
        )
        return (
            f'<article class="card long finding is-{mark.value}" id="finding-{self._number[id(found)]}">'
            f'<header>{state(mark, pill=True)}<span class="tagline">{self.code(found)}</span>{likely}</header>'
            f"<h3>{esc(found.summary, 1200)}</h3>{facts}{self.effects(explained)}{self.evidence(found)}</article>"
        )

    def code(self, found: Finding) -> str:
        """The code and name, linked to the explanation in this file where there is one."""
        shown = f"{esc(words.title(found), 100)} ({esc(found.code, 20)})"
        if found.code in self._cards:
            return f'<a href="#explain-{esc(found.code, 20)}">{shown}<span class="soft"> explained</span></a>'
        return shown

    def effects(self, explained: Sequence[Finding]) -> str:
        if not explained:
            return ""
        items = "".join(
            f'<li id="finding-{self._number[id(one)]}"><div class="line">{state(words.mark_of(one.severity))}'
            f'<span class="tagline">{self.code(one)}</span></div>'
            f"<p>{esc(one.summary, 600)}</p>{self.evidence(one)}</li>"
            for one in explained
        )
        title = f"This explains {words.count(len(explained), 'other finding')}"
        return fold(title, f'<ul class="effects">{items}</ul>', "printed")

    def evidence(self, found: Finding) -> str:
        known = proof(self._report, found)
        if not known:
            return ""
        shown = "".join(self.observation(seen, line) for seen, line in known[:SHOWN_EVIDENCE])
        more = len(known) - SHOWN_EVIDENCE
        rest = (
            f'<p class="soft small">{more:,} more of this kind are in the saved report.</p>'
            if more > 0
            else ""
        )
        return fold(f"Evidence: {words.count(len(known), 'observation')}", shown + rest, "onscreen")

    def observation(self, seen: AnyObservation, said: str) -> str:
        """One fact as it was saved; in full once, afterwards by a link to it. said: the same in a line, or empty."""
        at = said or f"{seen.kind}, after {words.duration(max(0.0, seen.at_s))}"
        line = f'<span class="mono">{esc(at, 200)}</span><span class="soft">{esc(seen.id, 60)}</span>'
        if seen.id in self._shown:
            link = f'<a href="#seen-{self._shown[seen.id]}">shown above</a>'
            return f'<div class="obs"><div class="line">{line}{link}</div></div>'
        number = self._shown[seen.id] = len(self._shown) + 1
        whole = esc(raw(seen), 6000, lines=True)
        block = f'<div class="line">{line}</div><pre tabindex="0">{whole}</pre>'
        return f'<div class="obs" id="seen-{number}">{block}</div>'

    # --- rules ---------------------------------------------------------------------------------------------

    def verdicts(self) -> str:
        verdicts = self._report.verdicts
        if not verdicts:
            return ""
        worst = {found.code: words.mark_of(found.severity) for found in reversed(self._report.findings)}
        parts = []
        for answer, title in (
            (State.CRASHED, "crashed"),
            (State.NOT_OBSERVED, "not tested"),
            (State.FOUND, "found something"),
            (State.PASS, "passed"),
        ):
            group = [verdict for verdict in verdicts if verdict.state is answer]
            if group:
                mark = state(
                    _STATE_MARK[answer] if answer is not State.FOUND else _worst(group, worst), title
                )
                rules = f'<span class="soft">{words.count(len(group), "rule")}</span>'
                parts.append(fold(f"{mark} {rules}", self._verdict_table(group)))
        return f'<div class="card long">{"".join(parts)}</div>'

    def _verdict_table(self, group: Sequence[Verdict]) -> str:
        reasons = any(verdict.why for verdict in group)
        columns = [Column("Code", 12, "mono", names=True), Column("Rule", 24), Column("Answer", 16)]
        columns += [Column("Why")] if reasons else []
        lines = (
            (
                esc(verdict.code, 20),
                self._rule_name(verdict.code),
                esc(words.STATE[verdict.state]),
                *((esc(verdict.why or "", 300),) if reasons else ()),
            )
            for verdict in group
        )
        return table(columns, lines)

    def _rule_name(self, code: str) -> str:
        card = self._all_cards.get(code)
        return esc(card.name.replace("-", " "), 60) if card else ""

    def explanations(self) -> str:
        return "".join(explanation(card, self._back(card)) for card in self._cards.values())

    def _back(self, card: Card) -> str:
        numbers = [self._number[id(found)] for found in self._report.findings if found.code == card.code]
        links = ", ".join(f'<a href="#finding-{number}">finding {number}</a>' for number in numbers[:12])
        return f'<p class="back">Back to {links}</p>'

    # --- the run -------------------------------------------------------------------------------------------

    def about(self) -> str:
        run, target = self._report.run, self._report.target
        members = "<br>".join(
            esc(
                f"{called(member.name, target)}: Interface 2 {_endpoints(member.client)}, "
                f"Interface 1 {_endpoints(member.replication)}",
                500,
            )
            for member in target.members[:32]
        )
        facts = (
            ("Started", esc(f"{run.started:%Y-%m-%d %H:%M:%S} UTC")),
            ("From", esc(safe.one_line(f"{run.vantage.host}, {run.vantage.platform}", 400))),
            ("Source addresses", esc(safe.one_line(words.listed(run.vantage.source_addresses, 8), 400))),
            (
                "Options",
                esc(safe.one_line(", ".join(f"{name} {value}" for name, value in run.options.items()), 800)),
            ),
            ("Profile", esc(target.profile or "none", 300)),
            ("Load balancer", esc(safe.one_line(words.listed(target.balancers, 8), 400))),
            ("Members", members),
            ("Observations", f"{len(self._report.observations):,}"),
            ("Seed", f"{run.seed}"),
            ("To look deeper", "<code>semscheck replay REPORT.json --tui</code> on the saved evidence"),
        )
        return f'<div class="card long">{rows(facts)}</div>'


def raw(seen: AnyObservation) -> str:
    """An observation as indented JSON, without what was not measured; DER is counted, not shown."""
    if isinstance(seen, Certificate) and seen.der is not None:
        value = _measured(msgspec.to_builtins(replace(seen, der=None)))
        value["der"] = f"{len(seen.der):,} bytes, in the saved report"
    else:
        value = _measured(msgspec.to_builtins(seen))
    for name in ("id", "kind"):
        value.pop(name, None)
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def _measured(value: dict[str, Any]) -> dict[str, Any]:
    return {name: content for name, content in value.items() if content is not None}


def _endpoints(endpoints: Sequence[Any]) -> str:
    return words.listed([words.place(one.address, one.port) for one in endpoints]) or "not known"


def _worst(group: Sequence[Verdict], marks: Mapping[str, Mark]) -> Mark:
    return words.worst(*(marks.get(verdict.code, Mark.UNKNOWN) for verdict in group))
