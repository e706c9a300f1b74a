"""The report for a terminal, in the order of need: the first five lines, the path, findings; more with `--verbose`.

For people at a help desk: plain words, a symbol and a word for every state, colour only on top. Nothing is
wider than asked, and nothing that came from outside can move the cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from semscheck.model.analysis import BalancingPath, Method, Persistence, Termination, WatchAnalysis
from semscheck.model.findings import Confidence, Finding, Owner, Reference, State, Status, Verdict
from semscheck.model.observations import Bound, Connection, Control, Sample, Trace
from semscheck.model.report import Report
from semscheck.model.target import Severity
from semscheck.report import wording as words
from semscheck.report.clients import NOTE, client_groups, some_cannot
from semscheck.report.escape import one_line
from semscheck.report.figures.drawing import draw
from semscheck.report.figures.pictures import Picture, Pictures, pictures_of
from semscheck.report.folding import Group, grouped
from semscheck.report.story import evidence_lines, leading, next_steps, notes, story
from semscheck.report.text.lines import Line, Span, Writer, cut, fit, printed, width, wrap
from semscheck.report.text.prose import Paragraph, paragraphs
from semscheck.report.text.watch import timeline
from semscheck.report.wording import LABELS, SYMBOLS, Mark

INDENT = "  "
LABEL = 13  # columns of the labels of the first five lines
ALIKE = 2  # findings of one kind that are told in full
SHOWN_EVIDENCE = 8  # lines of one group of findings


def render(
    report: Report,
    *,
    width: int = 80,
    unicode: bool = True,
    colour: bool = False,
    verbose: bool = False,
    now: datetime | None = None,
) -> str:
    """The whole report, ending in a line break.

    verbose: adds the details, the evidence, what was tested and found nothing, and what was not tested and why.
    now: the time of reading, for the age of a saved report; None for a run that has just ended.
    """
    columns = max(40, width)
    lines = (cut(line, columns) for line in _Writer(columns, verbose).report(report, now))
    return printed(lines, unicode, colour)


def state(mark: Mark) -> Span:
    """ "✖ critical", in its colour."""
    return Span(f"{SYMBOLS[mark]} {LABELS[mark]}", mark.value)


def where_and_when(report: Report, now: datetime | None = None) -> str:
    """ "keys.example.com:443, 2026-03-01 12:30 UTC, from desk-17, took 4.2 s"."""
    run = report.run
    target = report.target
    parts = [f"{words.target_name(target)}, port {target.port}", words.stamp(run.started)]
    if now is not None:
        parts[-1] += f" ({words.age(run.started, now)})"
    if run.vantage.host:
        parts.append(f"from {run.vantage.host}")
    if run.duration_s is not None:
        parts.append(f"took {words.duration(run.duration_s)}")
    return one_line(", ".join(parts), 400)


@dataclass(frozen=True, slots=True)
class _Writer(Writer):
    verbose: bool

    def report(self, report: Report, now: datetime | None) -> list[Line]:
        pictures = pictures_of(report)
        lines = self.head(report, now)
        if (watch := report.analysis.watch) is not None:
            return [
                *lines,
                *self.watched(report, watch, pictures),
                *self.findings(report),
                *self.ended(report),
            ]
        lines += self.section("The path", self.picture(pictures.path))
        if pictures.connections.rows:
            lines += self.section(
                "Who answered, connection by connection", self.picture(pictures.connections)
            )
            groups = pictures.shares.groups
            if self.verbose or any(len(group.bars) > 1 for group in groups):
                lines += self.section("Shares of new connections", self.picture(pictures.shares))
        lines += self.findings(report)
        if self.verbose or some_cannot(report.analysis):
            lines += self.section("Who can connect", self.clients(report))
        lines += self.section("Left out, to stay polite", self.left_out(report))
        lines += self.section("Details", self.details(report, pictures)) if self.verbose else []
        lines += self.section("Next", self.listed(next_steps(report)))
        return [*lines, *self.not_said(report)]

    def watched(self, report: Report, watch: WatchAnalysis, pictures: Pictures) -> list[Line]:
        """The timeline of a watch, then each of its connections."""
        failed = f", {len(watch.failed):,} failed" if watch.failed else ""
        title = f"{words.count(watch.ticks, 'connection')}, one every {watch.every_s:g} s{failed}"
        return [
            *self.section("What happened (UTC)", timeline(watch, report.run.started, self.columns, INDENT)),
            *self.section(title, self.picture(pictures.connections)),
        ]

    def ended(self, report: Report) -> list[Line]:
        return [(), *self.plain([self.tool(report)])]

    def head(self, report: Report, now: datetime | None) -> list[Line]:
        lines = story_lines(report, self.columns)
        lines += [(), *((Span(line, "dim"),) for line in wrap(where_and_when(report, now), self.columns))]
        return [*lines, *(self.plain(notes(report)))]

    def listed(self, steps: Sequence[str]) -> list[Line]:
        return [line for step in steps for line in self.plain([one_line(step, 400)], f"{INDENT}- ")]

    def picture(self, picture: Picture) -> list[Line]:
        """Indented by the section's two blanks."""
        return [(Span(INDENT), *line) if line else line for line in draw(picture, self.columns - len(INDENT))]

    # --- findings --------------------------------------------------------------------------------------

    def findings(self, report: Report) -> list[Line]:
        if not report.findings:
            return self.section("Findings", [(Span(f"{INDENT}Nothing was found."),)])
        body: list[Line] = []
        for group in grouped(report.findings):
            body += [(), *self.group(report, group)] if body else self.group(report, group)
        return self.section("Findings", body)

    def group(self, report: Report, group: Group) -> list[Line]:
        """One or more findings of a rule. What is only worth knowing is short unless asked for."""
        found = group.findings[0]
        lines = self.title(found)
        indent = INDENT * 2
        start = indent if len(group.findings) == 1 else f"{indent}- "
        if found.severity is Severity.INFO and report.summary.verdict is not Status.OK and not self.verbose:
            return lines + self.explained(group.explains)
        shown = group.findings if self.verbose else group.findings[:ALIKE]
        for entry in shown:
            lines += self.plain([one_line(entry.summary, 1000)], start)
        lines += self.plain(_folded(group.findings[len(shown) :]), start)
        if found.severity is not Severity.INFO or self.verbose:
            lines += self.action(found)
        if self.verbose:
            proof = [one_line(line, 200) for line in evidence_lines(report, group.findings, SHOWN_EVIDENCE)]
            lines += self.plain(["Evidence:"], indent) if proof else []
            lines += self.plain(proof, indent + INDENT)
        return lines + self.explained(group.explains)

    def title(self, found: Finding) -> list[Line]:
        likely = " (likely)" if found.confidence is Confidence.LIKELY else ""
        mark = state(words.mark_of(found.severity))
        start = f"{INDENT}{mark.text}  "
        name = f"{_title(found)} ({one_line(found.code, 20)}){likely}"
        first, *rest = wrap(name, self.columns, start)
        head: Line = (Span(INDENT), mark, Span(first[len(start) - 2 :], "strong"))
        return [head, *((Span(line, "strong"),) for line in rest)]

    def action(self, found: Finding) -> list[Line]:
        """Who, what, and where to read about it."""
        indent = INDENT * 2
        lines: list[Line] = []
        # Where it is ours, the remedy says whom to tell; what is only worth knowing needs nobody.
        if found.owner is not Owner.SEMSCHECK and found.severity is not Severity.INFO:
            lines += self.plain([f"Owner: {words.OWNER[found.owner]}"], indent)
        lines += self.remedy(found.remedy)
        for reference in found.references if self.verbose else ():
            lines += self.plain([f"See: {self.reference(reference)}"], indent)
        return lines

    def remedy(self, remedy: str) -> list[Line]:
        """The words "What to do" stand once, before a paragraph or above the steps."""
        parts = [Paragraph(one_line(part.step, 5), one_line(part.text, 1000)) for part in paragraphs(remedy)]
        if not parts:
            return []
        indent = INDENT * 2
        lines: list[str] = []
        if parts[0].step:
            lines.append(f"{indent}What to do:")
        else:
            lines += wrap(parts.pop(0).text, self.columns, f"{indent}What to do: ", indent + INDENT)
        for part in parts:
            lines += wrap(
                part.text, self.columns, f"{indent}{INDENT}{part.step} " if part.step else indent + INDENT
            )
        return [(Span(line),) for line in lines]

    def reference(self, reference: Reference) -> str:
        title = one_line(reference.title, 200)
        return f"{title}, {one_line(reference.url, 300)}" if reference.url else title

    def explained(self, findings: Sequence[Finding]) -> list[Line]:
        """Consequences: one line each, or a few, under their cause."""
        if not findings:
            return []
        lines: list[Line] = [(Span(f"{INDENT * 2}This explains:"),)]
        for found in findings:
            mark = words.mark_of(found.severity)
            told = f": {one_line(found.summary, 400)}" if self.verbose else ""
            text = f"{_title(found)} ({one_line(found.code, 20)}){told}"
            wrapped = wrap(text, self.columns, " " * 8)
            head = (Span(" " * 6), Span(SYMBOLS[mark], mark.value), Span(wrapped[0][7:]))
            lines += [head, *((Span(line),) for line in wrapped[1:])]
        return lines

    def clients(self, report: Report) -> list[Line]:
        """Classes of client by what happens to them; in short those that cannot connect."""
        lines: list[Line] = []
        for group in client_groups(report.analysis):
            shown = [line for line in group.lines if self.verbose or line.mark is Mark.CRITICAL]
            if not shown:
                continue
            lines += self.plain([f"At {group.places}:"], INDENT)
            for line in shown:
                why = f": {one_line(line.why, 400)}" if line.why else ""
                start = line.clients[0].upper() + line.clients[1:]
                lines += self.marked(line.mark, [f"{start} {line.state}{why}"])
        return [*lines, *self.plain([NOTE], INDENT)] if lines and self.verbose else lines

    # --- details ---------------------------------------------------------------------------------------

    def details(self, report: Report, pictures: Pictures) -> list[Line]:
        parts = [self.balancing(path) for path in report.analysis.paths]
        if pictures.dns.rows:
            body = self.picture(pictures.dns) + self.alias(report.analysis.dns.cname)
            parts.append(self.titled("Answers of the name servers, query by query", body))
        if pictures.certificates.rows:
            parts.append(self.titled("Certificates", self.picture(pictures.certificates)))
        lines: list[Line] = []
        for part in parts:
            lines += [(), *part] if lines and part else part
        return lines

    def left_out(self, report: Report) -> list[Line]:
        bounds = [seen for seen in report.observations if isinstance(seen, Bound)]
        return self.facts(
            [("", f"{one_line(seen.what)}: {seen.used:,} of {seen.seen:,} used") for seen in bounds]
        )

    def alias(self, chain: Sequence[str]) -> list[Line]:
        return self.facts([("Alias", " → ".join(one_line(name, 253) for name in chain))]) if chain else []

    def titled(self, title: str, body: Sequence[Line]) -> list[Line]:
        titles: list[Line] = [(Span(line, "dim"),) for line in wrap(title, self.columns, INDENT)]
        return [*titles, *body] if body else []

    def facts(self, facts: Sequence[tuple[str, str]]) -> list[Line]:
        """Names and values in two columns."""
        room = max((width(name) for name, _ in facts), default=0) + 2
        return [
            (Span(line),)
            for name, value in facts
            for line in wrap(value, self.columns, f"{INDENT}{name}{' ' * (room - width(name))}")
        ]

    def balancing(self, path: BalancingPath) -> list[Line]:
        title = f"How {words.place(one_line(path.address, 60), path.port)} spreads connections"
        return self.titled(title, self.facts(balancing_facts(path, verbose=self.verbose)))

    # --- what is not in the findings -------------------------------------------------------------------

    def not_said(self, report: Report) -> list[Line]:
        by_state = {
            answer: [verdict for verdict in report.verdicts if verdict.state is answer] for answer in State
        }
        passed, missing = by_state[State.PASS], by_state[State.NOT_OBSERVED]
        crashed = by_state[State.CRASHED]
        if not self.verbose:
            return self.tally(len(passed), len(missing), len(crashed), report)
        lines: list[Line] = []
        if passed:
            codes = ", ".join(one_line(verdict.code, 20) for verdict in passed)
            lines += self.section(f"Nothing found ({len(passed)})", self.marked(Mark.OK, [codes]))
        for title, mark, verdicts in (
            ("Not tested", Mark.NOT_TESTED, missing),
            ("Crashed", Mark.UNKNOWN, crashed),
        ):
            if verdicts:
                body = self.marked(mark, _reasons(verdicts))
                lines += self.section(f"{title} ({len(verdicts)})", body)
        return [*lines, (), *self.plain([self.tool(report)])]

    def marked(self, mark: Mark, texts: Iterable[str]) -> list[Line]:
        lines: list[Line] = []
        for text in texts:
            wrapped = wrap(text, self.columns, INDENT * 2)
            lines.append((Span(INDENT), Span(SYMBOLS[mark], mark.value), Span(" " + wrapped[0][4:])))
            lines += [(Span(line),) for line in wrapped[1:]]
        return lines

    def tally(self, passed: int, missing: int, crashed: int, report: Report) -> list[Line]:
        parts = [f"{words.count(passed, 'check')} found nothing"]
        parts += [f"{missing:,} could not be made"] if missing else []
        parts += [f"{crashed:,} crashed"] if crashed else []
        said = [
            f"{_counts(report)}; {', '.join(parts)} (--verbose has the details).",
            self.tool(report),
        ]
        return [(), *self.plain(said)]

    def tool(self, report: Report) -> str:
        tool = f"{one_line(report.tool.name, 40)} {one_line(report.tool.version, 40)}"
        return " ".join([*connections_made(report), f"{tool}, run {one_line(report.run.id, 60)}"])


def _title(found: Finding) -> str:
    return one_line(words.title(found), 100)


def _folded(findings: Sequence[Finding]) -> list[str]:
    """What is of one kind with those above, by its names and addresses."""
    if not findings:
        return []
    names = [words.place(f.subject.address or f.subject.name) for f in findings]
    return [one_line(f"and {len(findings)} more like that: {words.listed(names)}", 400)]


def _counts(report: Report) -> str:
    """ "Found: 1 critical, 2 warnings"."""
    counts = [(level, report.summary.counts.get(level.value, 0)) for level in words.SEVERITY_ORDER]
    shown = [words.severity_count(level, number) for level, number in counts if number]
    return f"Found: {', '.join(shown)}" if shown else "Found: nothing"


def story_lines(report: Report, columns: int, at_most: int = 20) -> list[Line]:
    """The first five lines; labels in one column, what is long goes on under its beginning, `at_most` lines each."""
    first, *rest = story(report)
    verdict = state(words.mark_of(leading(report)))
    room = max(LABEL, width(verdict.text) + 2)
    told = _shortened(wrap(one_line(first.text, 600), columns, " " * room), at_most, columns)
    start = verdict.text.ljust(room + len(verdict.text) - width(verdict.text))
    lines: list[Line] = [(verdict, Span(start[len(verdict.text) :] + told[0][room:], "strong"))]
    lines += [(Span(line, "strong"),) for line in told[1:]]
    for entry in rest:
        wrapped = wrap(one_line(entry.text, 600), columns, entry.label.ljust(room))
        wrapped = _shortened(wrapped, at_most, columns)
        lines += [(Span(entry.label.ljust(room), "dim"), Span(wrapped[0][room:]))]
        lines += [(Span(line),) for line in wrapped[1:]]
    return lines


def _shortened(lines: list[str], at_most: int, columns: int) -> list[str]:
    kept = lines[:at_most]
    return kept if len(lines) <= at_most else [*kept[:-1], fit(f"{kept[-1]} …", columns)]


def _reasons(verdicts: Sequence[Verdict]) -> list[str]:
    """Codes with one reason together: "BAL001, BAL002: the FQDN has no address"."""
    together: dict[str, list[str]] = {}
    for verdict in verdicts:
        together.setdefault(verdict.why or "no reason given", []).append(one_line(verdict.code, 20))
    return [f"{', '.join(codes)}: {one_line(why, 300)}" for why, codes in together.items()]


def connections_made(report: Report) -> list[str]:
    """How much was asked of the servers, in a sentence; empty where nothing was sampled."""
    sampled = sum(isinstance(seen, Sample) and seen.request == 0 for seen in report.observations)
    looked = sum(isinstance(seen, Connection) for seen in report.observations)
    # A control takes a token and shows it; without members tokens are shown on connections that count already.
    known = any(member.client for member in report.target.members)
    shown = sum(known and isinstance(seen, Trace) for seen in report.observations)
    controls = sum(
        1 + (seen.issuer == seen.shown_to)
        for seen in report.observations
        if isinstance(seen, Control) and seen.issuer
    )
    if not sampled:
        return []
    told = f", {shown + controls:,} to tell the members apart" if shown + controls else ""
    return [f"Connections made: {sampled + looked + shown + controls:,} ({sampled:,} on balancing{told})."]


def balancing_facts(path: BalancingPath, *, verbose: bool = False) -> list[tuple[str, str]]:
    """What is known of one path, as names and plain values, safe for a terminal."""
    sampled = f"{words.count(path.samples, 'new connection')}, {path.identified:,} identified"
    sampled += f" by {_identified_by(path)}" if path.identified_by else ""
    sampled += f", {path.failed:,} failed" if path.failed else ""
    facts = [("Seen", sampled), ("Method", _method(path)), ("Persistence", _persistence(path))]
    came_back = "came back to their server"
    if path.cookie_offered or verbose:
        facts.append(("Cookie kept", _returned(path.cookie_returned, path.cookie_offered, came_back)))
    if path.session_offered or verbose:
        facts.append(("Session kept", _returned(path.session_returned, path.session_offered, came_back)))
    if path.termination is not Termination.UNKNOWN or verbose:
        facts.append(("TLS", words.termination(path)))
    if path.vendor:
        facts.append(("Made by", one_line(path.vendor, 100)))
    if path.errors:
        facts.append(
            ("Errors", words.count(path.errors, "connection") + " broken off or answered with an error")
        )
    return [*facts, *(signal_facts(path) if verbose else ())]


def _identified_by(path: BalancingPath) -> str:
    name = path.identified_by or ""
    return words.IDENTIFIED_BY.get(name, one_line(name, 60))


def _method(path: BalancingPath) -> str:
    text = words.METHOD[path.method]
    if path.method is Method.UNKNOWN:
        return f"{text}: {one_line(path.why_unknown, 300)}" if path.why_unknown else text
    likely = "" if path.certain else " (likely: told from pairs of connections)"
    return text + likely


def _persistence(path: BalancingPath) -> str:
    text = words.PERSISTENCE[path.persistence]
    if path.persistence_lost:
        text += "; it was lost at least once"
    if path.kept_by and path.persistence not in (Persistence.NONE, Persistence.NOT_SEPARABLE):
        text += f" ({one_line(path.kept_by, 200)})"
    return text


def signal_facts(path: BalancingPath) -> list[tuple[str, str]]:
    """What the facts of a path were told from, in the same way."""
    facts = [
        ("Requests", _returned(path.requests_moved, path.requests, "moved on one connection")),
    ]
    if path.cycle:
        facts.append(("Cycle", " → ".join(one_line(name, 60) for name in path.cycle)))
    if path.chance is not None:
        facts.append(("Chance", f"{words.percent(path.chance)} that chance alone looks like this"))
    facts += [("TLS evidence", one_line(text, 300)) for text in path.termination_evidence]
    facts += [
        (
            "Signal",
            f"{one_line(signal.name, 60)}: {one_line(signal.verdict, 30)}, {one_line(signal.why, 300)}",
        )
        for signal in path.signals
    ]
    return facts


def _returned(number: int, of: int, what: str) -> str:
    return f"{number:,} of {of:,} {what}" if of else words.NOT_MEASURED


def headline(report: Report, *, width: int = 80, unicode: bool = True, colour: bool = False) -> str:
    """The verdict and the first five lines alone."""
    return printed(story_lines(report, max(40, width)), unicode, colour)
