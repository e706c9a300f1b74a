"""The views of a run: each shows what is known so far, and is painted only while it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from semscheck.model.analysis import Rotation
from semscheck.model.findings import Card, State, Verdict
from semscheck.model.observations import AnyObservation
from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.figures import pictures
from semscheck.report.figures.drawing import draw as picture_lines
from semscheck.report.text.lines import Line, Span, line_width, pad
from semscheck.report.text.watch import timeline
from semscheck.report.wording import SYMBOLS, Mark, mark_of, worst
from semscheck.tui import sections
from semscheck.tui.facts import one
from semscheck.tui.painting import STYLES
from semscheck.tui.pipeline import first_rows, pipeline
from semscheck.tui.shown import Shown, grid_of, path_of
from semscheck.tui.widgets.drawn import Draw, Drawn, drawing
from semscheck.tui.widgets.findings import FindingsPane
from semscheck.tui.widgets.lists import LineList
from semscheck.tui.widgets.words import WordFilter

Cards = Mapping[str, Card]
WATCH_ROWS = 5  # of connections of a watch, in the summary


class Summary(Vertical):
    """The pictures at the top, as large as there is room, and the findings below once there are any."""

    DEFAULT_CSS = """
    Summary { height: 1fr; padding: 0 1; }
    Summary #pictures { height: auto; display: none; margin-bottom: 1; }
    Summary #brief { margin-bottom: 1; }
    Summary #strips { height: auto; }
    Summary #strips Drawn { margin-bottom: 1; }
    Summary FindingsPane { display: none; }
    Summary.-judged FindingsPane { display: block; }
    Summary.-wide #pictures { layout: horizontal; }
    Summary.-wide #pictures > #path { margin-right: 2; width: 73; }
    Summary.-wide #strips { width: 1fr; max-height: 16; overflow: hidden hidden; }
    Summary.-wide #shares { display: none; }
    Summary.-broad #shares { display: block; }
    Summary.-broad #pictures > #path { width: 50%; min-width: 73; }
    Summary.-wide.-high #pictures, Summary.-running #pictures { display: block; }
    Summary.-wide.-high #brief, Summary.-wide.-running #brief { display: none; }
    Summary.-running #strips { display: none; }
    Summary #certificate-grid { display: none; }
    Summary.-wide.-high.-running #certificate-grid { display: block; }
    Summary.-wide.-high.-running #pictures { height: auto; max-height: 60%; }
    Summary.-wide.-running #strips { display: block; }
    Summary.-watched #pictures, Summary.-watched.-wide.-high #pictures { display: none; }
    Summary.-watched #brief, Summary.-watched.-wide.-high #brief { display: block; max-height: 50%; }
    Summary.-running #pictures { overflow-y: auto; height: 1fr; }
    """

    def compose(self) -> ComposeResult:
        yield Drawn(id="brief")
        with Container(id="pictures"):
            yield Drawn(id="path")
            with Vertical(id="strips"):
                yield Drawn(id="strip")
                yield Drawn(id="shares")
                yield Drawn(id="answers")
        yield Drawn(id="certificate-grid")
        yield FindingsPane()

    def show(self, shown: Shown, cards: Cards) -> None:
        path = path_of(shown)
        watch = shown.analysis.watch
        self.set_class(watch is not None, "-watched")
        strip = pictures.connection_strip(shown.analysis, shown.target)
        self.set_class(shown.report is None, "-running")
        self.set_class(shown.report is not None, "-judged")
        self.query_one("#path", Drawn).show(drawing(path))
        self.query_one("#strip", Drawn).show(lambda columns: _narrow(strip, columns))
        shares = pictures.share_bars(shown.analysis, shown.target)
        self.query_one("#shares", Drawn).show(drawing(shares if shares.groups else None))
        running = shown.report is None
        answers = pictures.dns_strip(shown.analysis)
        self.query_one("#answers", Drawn).show(
            lambda columns: _narrow(answers, columns) if answers.rows else []
        )
        self.query_one("#certificate-grid", Drawn).show(drawing(grid_of(shown) if running else None))
        self.query_one("#brief", Drawn).show(
            lambda columns: (
                _watched(shown, columns) if watch else _brief(path, strip, answers, columns, running)
            )
        )
        if shown.report is not None:
            self.query_one(FindingsPane).show(shown.report, cards)

    def set_room(self, columns: int, rows: int) -> None:
        self.set_class(columns >= 118, "-wide")
        self.set_class(columns >= 136, "-broad")
        self.set_class(rows >= 34, "-high")
        self.query_one(FindingsPane).set_room(beside=columns >= 100, two_lines=rows >= 34)


def _watched(shown: Shown, columns: int) -> list[Line]:
    """The timeline of a watch, and its newest connections."""
    watch = shown.analysis.watch
    if watch is None:
        return []
    strip = pictures.connection_strip(shown.analysis, shown.target, newest=WATCH_ROWS)
    return [*timeline(watch, shown.now, columns), *picture_lines(strip, columns)]


_CHANGES = frozenset((Rotation.ORDER, Rotation.SUBSET, Rotation.FLIPS))


def _narrow(strip: pictures.ConnectionStrip | pictures.DnsStrip, columns: int) -> list[Line]:
    """Drawn for more room than there is where it fits all the same: labels are then not cut to a third."""
    roomy = picture_lines(strip, max(columns, 48))
    return roomy if all(line_width(it) <= columns for it in roomy) else picture_lines(strip, columns)


def _brief(
    path: pictures.PathPicture | None,
    strip: pictures.ConnectionStrip,
    answers: pictures.DnsStrip,
    columns: int,
    running: bool,
) -> list[Line]:
    """The path in a line, the answers where they change, and who answers the connections; all arms while the
    run goes on and the findings leave room."""
    if path is None:
        return []
    if running:
        return picture_lines(strip, columns)[:8] if strip.rows else []
    lines = pipeline(path, columns)
    if answers.rotation in _CHANGES:
        lines += picture_lines(answers, columns)[: min(2, len(answers.rows))]
    return lines + picture_lines(first_rows(strip), columns)[:4] if strip.rows else lines


class DrawnView(VerticalScroll):
    """Lines made for the width, to scroll through."""

    def compose(self) -> ComposeResult:
        yield Drawn()

    def show(self, shown: Shown, cards: Cards) -> None:
        self.query_one(Drawn).show(self.drawn(shown))

    def drawn(self, shown: Shown) -> Draw:
        raise NotImplementedError


class PathView(DrawnView):
    HELP = "The path from this desktop to the servers. It breaks where a cross says so."

    def drawn(self, shown: Shown) -> Draw:
        path = path_of(shown)
        if path is None:
            return lambda columns: _watched(shown, columns) or [(Span("· not tested", "dim"),)]
        return lambda columns: sections.joined(
            sections.paragraph(path.alternative, columns, "strong"), picture_lines(path, columns)
        )


class ConnectionsView(DrawnView):
    HELP = (
        "One block a connection, lettered and colored by the server that answered, in order. A stripe is "
        "round robin, a solid bar one server, a break in a kept row a lost persistence. Below, each server's "
        "share of the new connections with its interval."
    )

    def drawn(self, shown: Shown) -> Draw:
        paths = shown.analysis.paths
        strip = pictures.connection_strip(shown.analysis, shown.target)
        shares = pictures.share_bars(shown.analysis, shown.target)
        return lambda columns: sections.joined(
            *(sections.balancing(path, columns) for path in paths),
            picture_lines(strip, columns),
            picture_lines(shares, columns) if shares.groups else [],
            *(sections.signals(path, columns) for path in paths),
        )


class NamesView(DrawnView):
    HELP = (
        "What the name servers answer: a row a server, a column a question, the same answer the same digit. "
        "Different digits in a row mean that the answer changes."
    )

    def drawn(self, shown: Shown) -> Draw:
        analysis, strip = shown.analysis, pictures.dns_strip(shown.analysis)
        return lambda columns: sections.joined(
            sections.names(analysis, columns),
            picture_lines(strip, columns),
            sections.resolvers(analysis, columns),
        )


class CertificatesView(DrawnView):
    HELP = (
        "Which certificate each server presents, to clients (Interface 2) and to its fellows (Interface 1). "
        "The same number is the same certificate. Servers should present one certificate to clients."
    )

    def drawn(self, shown: Shown) -> Draw:
        grid = grid_of(shown)
        return (lambda columns: _certificate_lines(shown, grid, columns)) if grid else drawing(None)


def _certificate_lines(shown: Shown, grid: pictures.CertificateGrid, columns: int) -> list[Line]:
    groups: list[list[Line]] = [picture_lines(grid, columns)]
    letters = {cell.fingerprint: cell.tag for row in grid.rows for cell in (*row.client, *row.replication)}
    for fingerprint, tag in sorted(letters.items(), key=lambda it: it[1].letter if it[1] else ""):
        seen = shown.certificates.get(fingerprint) if fingerprint else None
        if seen is None or tag is None:
            continue
        key = f"{seen.key_type or words.NOT_MEASURED} {seen.key_bits or ''}".strip()
        lines: list[Line] = [(Span(tag.letter, tag.style), Span(f" {one_line(seen.subject)}", "strong"))]
        lines += sections.section("Names", words.listed(seen.dns_names or (), 12) or "none", columns)
        lines += sections.section("Issued by", seen.issuer, columns)
        lines += sections.section(
            "Valid", f"{words.date(seen.not_before)} to {words.date(seen.not_after)}", columns
        )
        lines += sections.section("Key", f"{key}, signed with {seen.signature_hash or 'unknown'}", columns)
        groups.append(lines)
    return sections.joined(*groups)


_STATE_ORDER = (State.CRASHED, State.FOUND, State.NOT_OBSERVED, State.PASS)
_STATE_SIGN = {
    State.CRASHED: ("✖", "critical"),
    State.FOUND: ("▲", "warning"),
    State.NOT_OBSERVED: ("·", "dim"),
    State.PASS: ("✔", "ok"),
}


class ChecksView(Container):
    """Every rule and what it answered; silence is never health."""

    DEFAULT_CSS = """
    ChecksView OptionList { height: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def compose(self) -> ComposeResult:
        yield WordFilter()
        yield Checks(id="checks", markup=False, compact=True)

    def show(self, shown: Shown, cards: Cards) -> None:
        self._shown, self._cards = shown, cards
        self._list()

    def on_input_changed(self) -> None:
        self._list()

    def _list(self) -> None:
        shown, cards, words_ = self._shown, self._cards, self.query_one(WordFilter)
        made = shown.report.verdicts if shown.report else ()
        listed = [it for it in made if words_.passes(_searched(it, cards.get(it.code)))]
        options = self.query_one(Checks)
        options.verdicts = tuple(sorted(listed, key=lambda it: (_STATE_ORDER.index(it.state), it.code)))
        found: dict[str, Mark] = {}
        for it in shown.report.findings if shown.report else ():
            found[it.code] = worst(mark_of(it.severity), found.get(it.code, Mark.NOT_TESTED))
        options.set_options(
            self._prompt(it, cards.get(it.code), found.get(it.code)) for it in options.verdicts
        )
        options.highlighted = 0 if listed else None
        if not listed:
            nothing = "Nothing passes the filter." if made else "The checks are made when the run has ended."
            options.add_option(Option(nothing, disabled=True))

    def _prompt(self, it: Verdict, card: Card | None, found: Mark | None) -> Content:
        """found: the worst of what the rule found, which says more than that it found something."""
        sign, style = (SYMBOLS[found], found.value) if found else _STATE_SIGN[it.state]
        name = pad(card.name.replace("-", " ") if card else "", 24)
        why = f": {one_line(it.why, 300)}" if it.why else ""
        state = words.STATE[it.state]
        return Content.assemble(
            (f"{sign} ", STYLES[style]),
            (f"{one_line(it.code, 12)} ", "bold"),
            f"{name}  ",
            (f"{state}{why}", "$state-dim"),
        )


def _searched(it: Verdict, card: Card | None) -> str:
    return f"{it.code} {card.name.replace('-', ' ') if card else ''} {words.STATE[it.state]} {it.why or ''}"


class Checks(OptionList):
    HELP = "Every check that semscheck knows, and what it answered this time. Enter explains one."
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select", "Explain")]
    verdicts: tuple[Verdict, ...] = ()


class FactsView(Container):
    """Every observation of the run."""

    facts: tuple[AnyObservation, ...] = ()

    def compose(self) -> ComposeResult:
        yield WordFilter()
        yield LineList(id="facts")

    def show(self, shown: Shown, cards: Cards) -> None:
        self._all = shown.report.observations if shown.report else ()
        self._list()

    def on_input_changed(self) -> None:
        self._list()

    def _list(self) -> None:
        words_ = self.query_one(WordFilter)
        self.facts = tuple(it for it in self._all if words_.passes(one(it))) if words_.value else self._all
        empty = "Nothing passes the filter." if self._all else "The facts are listed when the run has ended."
        self.query_one(LineList).show(
            len(self.facts) or 1,
            lambda index: (
                f"{self.facts[index].at_s:7.2f} s  {one(self.facts[index])}" if self.facts else empty
            ),
        )


View = Summary | PathView | ConnectionsView | NamesView | CertificatesView | ChecksView | FactsView
MAKERS: dict[str, type[View]] = {
    "summary": Summary,
    "path": PathView,
    "connections": ConnectionsView,
    "names": NamesView,
    "certificates": CertificatesView,
    "checks": ChecksView,
    "facts": FactsView,
}
VIEWS = tuple((name, name.capitalize()) for name in MAKERS)
