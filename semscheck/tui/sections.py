"""The texts around the pictures, as lines. Pure; all text from outside is made safe here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from semscheck.model.analysis import Analysis, BalancingPath, ResolverAnalysis
from semscheck.model.report import Report
from semscheck.report import wording as words
from semscheck.report.escape import block, one_line
from semscheck.report.story import leading
from semscheck.report.text.lines import Line, Span, fit, line_width, width, wrap
from semscheck.report.text.page import balancing_facts, signal_facts, story_lines
from semscheck.report.wording import LABELS, SYMBOLS, mark_of
from semscheck.tui.facts import one
from semscheck.tui.shown import Shown

LABEL_COLUMNS = 13
STEPS = ("names", "addresses", "connections", "services", "judging")


def paragraph(text: str, columns: int, style: str = "") -> list[Line]:
    return [(Span(line, style),) for part in block(text) for line in _wrapped(part, columns)]


_STEP = re.compile(r"(?:\d{1,2}\.|-) ")


def _wrapped(text: str, columns: int) -> list[str]:
    """A line, and a numbered or listed step with its text beside the number."""
    step = _STEP.match(text)
    if step is None:
        return wrap(text, columns)
    return wrap(text[step.end() :], columns, first=step.group())


def section(label: str, text: str, columns: int, style: str = "") -> list[Line]:
    """A label in the margin and the text beside it; without room the text goes below."""
    if columns < 50:
        return [(Span(label, "dim"),), *paragraph(text, columns, style)]
    parts = [line for part in block(text) for line in _wrapped(part, columns - LABEL_COLUMNS)]
    head = label.ljust(LABEL_COLUMNS)
    return [
        (Span(head if number == 0 else " " * LABEL_COLUMNS, "dim"), Span(line, style))
        for number, line in enumerate(parts)
    ]


# --- the top of the screen ---------------------------------------------------------------------------------


def verdict(report: Report, columns: int, at_most: int) -> list[Line]:
    """The five lines, each in `at_most` lines of the screen, and the first three where that is one; the state as a
    chip."""
    mark = mark_of(leading(report))
    chip = f" {SYMBOLS[mark]} {LABELS[mark].upper()} "
    (_, told), *rest = story_lines(report, max(30, columns), at_most)
    head = (Span(chip, f"chip-{mark.value}"), Span(" " * (LABEL_COLUMNS - width(chip))))
    return [(*head, Span(told.text.lstrip(), told.style)), *(rest[:2] if at_most == 1 else rest)]


def progress(shown: Shown, left_s: float | None, cancelling: bool, columns: int) -> list[Line]:
    """What is being done, how far it is, how long it can still take, and the newest fact."""
    doing = "Ending, what there is will be judged" if cancelling else "Checking"
    head: list[Span] = [Span(" … RUNNING ", "chip-info"), Span("  "), Span(doing, "strong")]
    if left_s is not None and not cancelling:
        head.append(Span(f"  {_left(shown, left_s)}", "dim"))
    steps = [span for step in STEPS for span in _step(step, shown)]
    newest = fit(one(shown.newest), columns) if shown.newest else "waiting for the first answer"
    return [tuple(head), tuple(steps), (Span(newest, "dim"),)]


def _left(shown: Shown, left_s: float) -> str:
    """What the steps under way take at their pace, and what the run can take at most."""
    estimates = [it for way in shown.progress.values() if (it := way.estimate_s(left_s)) is not None]
    at_most = f"at most {round(left_s)} s left"
    return (
        f"about {min(round(max(estimates)) + 1, round(left_s))} s left, {at_most}" if estimates else at_most
    )


def _asks_services(shown: Shown) -> bool:
    return shown.target is not None and (shown.target.ask_services or bool(shown.target.services.check))


def _step(step: str, shown: Shown) -> list[Span]:
    """A step and how far it is; several are under way at a time."""
    way = shown.progress.get(step)
    if way is None:
        waits = step != "services" or _asks_services(shown)
        return [Span("· ", "dim"), Span(f"{step}  ", "dim")] if waits else []
    if way.is_done or (step != STEPS[-1] and STEPS[-1] in shown.progress):
        return [Span("✔ ", "ok"), Span(f"{step}  ")]
    done, total = way.last.done, way.last.total
    if not total:
        return [Span("▸ ", "info"), Span(step, "strong"), Span(f" {done}  " if done else "  ")]
    filled = round(10 * min(done, total) / total)
    bar = [Span("█" * filled, "info"), Span("░" * (10 - filled), "dim")]
    return [Span("▸ ", "info"), Span(f"{step} ", "strong"), *bar, Span(f" {done} of {total}  ")]


def trouble(text: str, columns: int) -> list[Line]:
    """Why there is no report."""
    head = (Span(" ✖ STOPPED ", "chip-critical"), Span("  "))
    indent = line_width(head)
    parts = [part for line in block(text) for part in wrap(line, max(20, columns - indent))]
    return [
        (*(head if number == 0 else (Span(" " * indent),)), Span(part)) for number, part in enumerate(parts)
    ]


# --- connections -------------------------------------------------------------------------------------------


def balancing(path: BalancingPath, columns: int) -> list[Line]:
    """How one address spreads its connections, in words."""
    head: Line = (Span(words.place(one_line(path.address, 60), path.port), "strong"),)
    return [head, *_facts(balancing_facts(path), columns)]


def signals(path: BalancingPath, columns: int) -> list[Line]:
    """What that was told from."""
    return _facts(signal_facts(path), columns)


def _facts(facts: Iterable[tuple[str, str]], columns: int) -> list[Line]:
    return [line for label, text in facts for line in section(label, text, columns)]


# --- names -------------------------------------------------------------------------------------------------


def names(analysis: Analysis, columns: int) -> list[Line]:
    dns = analysis.dns
    lines = section("Answers", words.ROTATION[dns.rotation], columns, "strong")
    lines += section("Addresses", words.listed(dns.addresses, 12) or "none", columns)
    if dns.cname:
        lines += section("Alias", " → ".join(dns.cname[:10]), columns)
    ttl = words.ttl(dns.min_ttl_s)
    if dns.authority_ttl_s is not None:
        ttl += f"; {words.ttl(dns.authority_ttl_s)} at the source"
    lines += section("Time to live", ttl, columns)
    return lines + section("This system", words.listed(dns.system) or words.NOT_MEASURED, columns)


def resolvers(analysis: Analysis, columns: int) -> list[Line]:
    lines: list[Line] = []
    for it in analysis.dns.resolvers[:30]:
        kind = "authoritative" if it.authority else "name server"
        lines += section(kind, f"{it.server_name or it.server}: {_said(it)}", columns)
    return lines


def _said(it: ResolverAnalysis) -> str:
    if it.failed:
        return it.rcode if it.rcode not in (None, "NOERROR") else "no answer"
    if not (it.answers_v4 or it.answers_v6) and not it.rcode:
        return words.NOT_MEASURED
    ttl = f", TTL {it.ttl_s} s" if it.ttl_s is not None else ""
    return f"{words.ROTATION[it.rotation]}{ttl}"


# --- where it comes from -----------------------------------------------------------------------------------


def origin(report: Report, age: str | None) -> str:
    """For the right of the title. age: of a saved report, None for one made just now."""
    parts = []
    if report.run.redacted:
        parts.append("redacted")
    if words.of_a_lab(report.run):
        parts.append("lab")
    host = one_line(report.run.vantage.host, 30)
    if host:
        parts.append(f"from {host}")
    if age is not None:
        parts.append(f"saved report, {age}")
    else:
        parts.append(words.stamp(report.run.finished or report.run.started))
    return " · ".join(parts)


def joined(*groups: Sequence[Line]) -> list[Line]:
    """Groups of lines with a blank one between them; empty groups leave none."""
    lines: list[Line] = []
    for group in groups:
        if group and lines:
            lines.append(())
        lines += group
    return lines
