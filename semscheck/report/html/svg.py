"""The pictures as inline SVG, each twice: for a wide page and for a telephone's.

A style sheet shows one of the two, so nothing has to be scrolled or scaled until it cannot be read. Every
picture is one image to a screen reader, with its sentence; the facts in it stand in text or tables beside it.
No style attribute is used: the page's policy would refuse it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from semscheck.report import escape as safe
from semscheck.report import wording as words
from semscheck.report.figures.pictures import (
    CertificateGrid,
    ConnectionStrip,
    DnsStrip,
    GridCell,
    GridRow,
    MemberRow,
    Node,
    PathPicture,
    Picture,
    ShareBar,
    ShareBars,
    Stage,
    Tag,
)
from semscheck.report.html.style import shape
from semscheck.report.wording import Mark

WIDE = 1000
NARROW = 330
SHOWN_ROWS = 24  # of one picture; a cluster has six members
SHOWN_NODES = 8  # of one stage; what is over is counted, so a name with 3,000 addresses stays a picture

# Widths of a character in pixels, on the generous side: no font is known here.
_SANS, _STRONG, _SMALL, _MONO = 7.6, 8.3, 6.9, 7.4
_THIN = frozenset("iljtfrI.,:;|!'()[] ")
_BROAD = frozenset("mw@%#=+<>~_")
_LINE = 17
_PAD = 10


def figure(title: str, picture: Picture, caption: str = "") -> str:
    """A picture with its title and its sentence for those who do not see it. caption: raw text below it."""
    draw = _DRAWERS[type(picture)]
    alternative = safe.html(picture.alternative, 1000)
    name = re.sub(r"\W+", "-", title.lower())
    drawings = "".join(
        _svg(draw(picture, width), f"{name}-{kind}", kind, safe.html(title), alternative)
        for kind, width in (("wide", WIDE), ("narrow", NARROW))
    )
    below = f"<figcaption>{safe.html(caption, 1000)}</figcaption>" if caption else ""
    return f"<figure>{drawings}{below}</figure>"


def tag(value: Tag) -> str:
    """A letter on its colour, for legends and tables."""
    return f'<span class="tag member-{value.colour}">{safe.html(value.letter, 4)}</span>'


def _svg(canvas: _Canvas, name: str, kind: str, title: str, alternative: str) -> str:
    return (
        f'<svg class="pic {kind}" viewBox="0 0 {canvas.width} {max(1, round(canvas.height))}" role="img" '
        f'aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{title}</title>'
        f'<desc id="{name}-d">{alternative}</desc>{"".join(canvas.parts)}</svg>'
    )


@dataclass(slots=True)
class _Canvas:
    """What has been drawn so far; height grows with it. Coordinates are pixels."""

    width: int
    height: float = 0
    parts: list[str] = field(default_factory=list)

    def add(self, part: str, bottom: float) -> None:
        self.parts.append(part)
        self.height = max(self.height, bottom)

    def text(self, x: float, y: float, text: str, style: str = "") -> None:
        """One line with its base at y; text is raw."""
        named = f' class="{style}"' if style else ""
        self.add(f'<text x="{_n(x)}" y="{_n(y)}"{named}>{safe.html(text, 300)}</text>', y + 5)

    def box(self, x: float, y: float, width: float, height: float, style: str) -> None:
        self.add(
            f'<rect class="{style}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="7"/>',
            y + height + 1,
        )

    def mark(self, x: float, y: float, mark: Mark, size: float = 15) -> None:
        """A state's symbol with its upper left corner at x, y."""
        self.add(
            f'<g class="i-{mark.value}" transform="translate({_n(x)} {_n(y)}) scale({size / 16:.3g})" fill="none" '
            f'stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round">{shape(mark.value)}</g>',
            y + size,
        )

    def wire(self, start: tuple[float, float], end: tuple[float, float], style: str = "") -> None:
        (x1, y1), (x2, y2) = start, end
        middle = (x1 + x2) / 2
        self.add(
            f'<path class="wire {style}" d="M{_n(x1)} {_n(y1)}C{_n(middle)} {_n(y1)} {_n(middle)} {_n(y2)} '
            f'{_n(x2)} {_n(y2)}"/>',
            max(y1, y2),
        )


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _fits(text: str, room: float, each: float) -> int:
    """How many of the first characters take at most `room` pixels, `each` being that of an ordinary one."""
    left = room / each
    for index, character in enumerate(text):
        left -= 1 if each == _MONO and character.isascii() else _weight(character)
        if left < 0:
            return index
    return len(text)


def _weight(character: str) -> float:
    if character in _THIN:
        return 0.7
    if character.isupper() or character in _BROAD:
        return 1.3
    return 1.0 if character < "\u1100" else 2.0  # East Asian ones take two columns


def _pieces(text: str, room: float, lines: int, each: float) -> list[str]:
    """The text on at most `lines` lines of `room` pixels, broken after dots, colons, dashes and blanks."""
    left = safe.one_line(text, 400)
    shown: list[str] = []
    while left and len(shown) < lines:
        columns = max(2, _fits(left, room, each))
        if len(left) <= columns:
            return [*shown, left]
        at = max((left.rfind(mark, 0, columns) + 1 for mark in " .:-/@,"), default=0)
        at = at if at >= columns // 3 else columns
        shown.append(left[:at].strip())
        left = left[at:].lstrip()
    if left and shown:
        last = shown[-1]
        shown[-1] = last[: max(1, _fits(last, room - 2 * each, each))] + safe.ELLIPSIS
    return shown or [""]


# --- the path ----------------------------------------------------------------------------------------------


def _path(picture: PathPicture, width: int) -> _Canvas:
    return _path_wide(picture) if width == WIDE else _path_narrow(picture, width)


@dataclass(frozen=True, slots=True)
class _Card:
    """A box ready to be placed: how high it is, and how it is drawn at a place."""

    height: float
    draw: Callable[[_Canvas, float, float], None]


def _node_card(node: Node, width: float) -> _Card:
    room = width - 2 * _PAD - 20
    name = node.label or (words.place(node.address, node.port) if node.address else "")
    address = words.place(node.address, node.port) if node.address and node.label else ""
    plain = not node.label or node.label == node.address
    style, each = ("t-mono", _MONO) if plain else ("t-strong", _STRONG)
    rows = [(line, style) for line in _pieces(name, room, 3, each)] if name else []
    if address and node.address != node.label:
        rows += [(line, "t-mono") for line in _pieces(address, room, 2, _MONO)]
    if node.detail:
        rows += [(line, "t-soft t-small") for line in _pieces(node.detail, room, 3, _SMALL)]

    def draw(canvas: _Canvas, x: float, y: float) -> None:
        canvas.box(x, y, width, height, f"box {node.mark.value}")
        canvas.mark(x + _PAD, y + 9, node.mark)
        for index, (text, style) in enumerate(rows):
            canvas.text(x + _PAD + 20, y + 21 + index * _LINE, text, style)

    height = 17 + max(1, len(rows)) * _LINE
    return _Card(height, draw)


def _member_card(row: MemberRow, width: float) -> _Card:
    room = width - 2 * _PAD - 28
    names = [(text, "t-strong") for text in _pieces(row.name, room, 3, _STRONG)]
    if row.answered is not None:
        names.append((f"answered {words.count(row.answered, 'connection')}", "t-soft t-small"))
    interfaces = [(2, node) for node in row.client] + [(1, node) for node in row.replication]
    lines = [(node, _interface_lines(number, node, room)) for number, node in interfaces[:SHOWN_NODES]]
    height = (
        19
        + len(names) * _LINE
        + (sum(16 * sum(not at_end for *_, at_end in texts) + 5 for _, texts in lines) or 20)
    )
    mark = words.worst(*(node.mark for node, _ in lines)) if lines else Mark.NOT_TESTED

    def draw(canvas: _Canvas, x: float, y: float) -> None:
        canvas.box(x, y, width, height, f"box {mark.value}")
        _tag(canvas, x + _PAD, y + 9, row.tag)
        for index, (text, style) in enumerate(names):
            canvas.text(x + _PAD + 28, y + 22 + index * _LINE, text, style)
        base = y + 26 + len(names) * _LINE
        for node, texts in lines:
            canvas.mark(x + _PAD + 3, base - 12, node.mark, 14)
            for text, style, at_end in texts:
                canvas.text(x + (width - _PAD if at_end else _PAD + 28), base, text, style)
                base += 0 if at_end else 16
            base += 5
        if not lines:
            canvas.text(x + _PAD + 28, base, "address not known", "t-soft t-small")

    return _Card(height, draw)


def _interface_lines(number: int, node: Node, room: float) -> list[tuple[str, str, bool]]:
    """Text, style, and whether it stands at the right end of the line that follows it."""
    place = words.place(node.address, node.port) if node.address else ""
    label = f"Interface {number}"
    texts: list[tuple[str, str, bool]] = []
    if len(place) * _MONO + len(label) * 6.2 + 8 <= room:
        texts += [(place, "t-mono t-end", True), (label, "t-soft t-small", False)]
    else:
        texts.append((label, "t-soft t-small", False))
        texts += [(text, "t-mono", False) for text in _pieces(place, room, 2, _MONO)]
    return texts + [(text, "t-soft t-small", False) for text in _pieces(node.detail, room, 2, _SMALL)]


def _tag(canvas: _Canvas, x: float, y: float, value: Tag) -> None:
    canvas.add(
        f'<rect class="member-{value.colour}" x="{_n(x)}" y="{_n(y)}" width="20" height="19" rx="4"/>', y + 19
    )
    canvas.text(x + 10, y + 14, value.letter, "t-cell")


def _stage_cards(stage: Stage, width: float) -> list[tuple[Node | None, _Card]]:
    shown: list[tuple[Node | None, _Card]] = [
        (node, _node_card(node, width)) for node in stage.nodes[:SHOWN_NODES]
    ]
    more = len(stage.nodes) - SHOWN_NODES
    if not shown or more > 0:
        text = f"and {more:,} more" if more > 0 else "not tested"
        rest = Node(role="rest", label="", mark=Mark.NOT_TESTED, detail=text)
        shown.append((None, _node_card(rest, width)))
    return shown


_COLUMNS = {"desktop": 126, "resolvers": 156, "name": 182, "front": 168}
_MEMBERS_WIDTH = 260
_GAP = 26


def _path_wide(picture: PathPicture) -> _Canvas:
    canvas = _Canvas(WIDE)
    columns = [
        (stage, _stage_cards(stage, _COLUMNS.get(stage.kind, 160)), _COLUMNS.get(stage.kind, 160))
        for stage in picture.stages
    ]
    members = [(row, _member_card(row, _MEMBERS_WIDTH)) for row in picture.members[: 2 * SHOWN_NODES]]
    tallest = max(
        [_stack([card for _, card in cards]) for _, cards, _ in columns]
        + [_stack([card for _, card in members])]
    )
    top = 30.0
    x = 1.0
    before: list[tuple[float, float]] = []
    broken = False
    front: list[tuple[Node | None, float, float]] = []
    for stage, cards, width in columns:
        canvas.text(x + 1, 16, stage.title, "t-soft t-small")
        y = top + (tallest - _stack([card for _, card in cards])) / 2
        middles: list[tuple[float, float]] = []
        front = []
        for node, card in cards:
            card.draw(canvas, x, y)
            middles.append((x, y + card.height / 2))
            front.append((node, x + width, y + card.height / 2))
            y += card.height + 12
        _joined(canvas, before, middles, broken)
        before = [(right, middle) for _, right, middle in front]
        broken = stage.kind == picture.breaks_at
        x += width + _GAP
    _members_wide(canvas, members, front, x, top, tallest, broken)
    return canvas


def _stack(cards: Sequence[_Card]) -> float:
    return sum(card.height + 12 for card in cards) - 12 if cards else 0


def _joined(
    canvas: _Canvas, before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]], broken: bool
) -> None:
    for start in before:
        for end in after:
            canvas.wire(start, end, "broken" if broken else "")
    if broken and before and after:
        _break_mark(canvas, (before[0][0] + after[0][0]) / 2, (before[0][1] + before[-1][1]) / 2)


def _break_mark(canvas: _Canvas, x: float, y: float) -> None:
    canvas.add(f'<circle class="box" cx="{_n(x)}" cy="{_n(y)}" r="11"/>', y + 11)
    canvas.mark(x - 9, y - 9, Mark.CRITICAL, 18)


def _members_wide(
    canvas: _Canvas,
    members: Sequence[tuple[MemberRow, _Card]],
    front: Sequence[tuple[Node | None, float, float]],
    x: float,
    top: float,
    tallest: float,
    broken: bool,
) -> None:
    canvas.text(x + 1, 16, "servers of the cluster", "t-soft t-small")
    if not members:
        canvas.text(x + 1, top + tallest / 2 + 4, "none known", "t-soft")
        return
    y = top + (tallest - _stack([card for _, card in members])) / 2
    for row, card in members:
        for node, right, middle in front:
            if node is not None and _leads_to(node, row):
                style = (
                    "broken" if broken else "used" if row.answered else "idle" if row.answered == 0 else ""
                )
                canvas.wire((right, middle), (x, y + card.height / 2), style)
        card.draw(canvas, x, y)
        y += card.height + 12
    if broken and front:
        _break_mark(canvas, (front[0][1] + x) / 2, (front[0][2] + front[-1][2]) / 2)


def _leads_to(node: Node, row: MemberRow) -> bool:
    own = {seen.address for seen in (*row.client, *row.replication)}
    return node.address in own if node.role == "member" else True


def _path_narrow(picture: PathPicture, width: int) -> _Canvas:
    canvas = _Canvas(width)
    y = 14.0
    for stage in picture.stages:
        canvas.text(1, y, stage.title, "t-soft t-small")
        y += 8
        for _, card in _stage_cards(stage, width - 2):
            card.draw(canvas, 1, y)
            y += card.height + 8
        broken = stage.kind == picture.breaks_at
        style = "broken" if broken else ""
        canvas.add(f'<path class="wire {style}" d="M{_n(width / 2)} {_n(y - 6)}v22"/>', y + 16)
        if broken:
            _break_mark(canvas, width / 2, y + 5)
        y += 34
    canvas.text(1, y, "servers of the cluster", "t-soft t-small")
    y += 8
    for row in picture.members[: 2 * SHOWN_NODES]:
        card = _member_card(row, width - 2)
        card.draw(canvas, 1, y)
        y += card.height + 8
    if not picture.members:
        canvas.text(1, y + 14, "none known", "t-soft")
    return canvas


# --- strips ------------------------------------------------------------------------------------------------

_CELL = 20
_CELL_HEIGHT = 24


def _cells(canvas: _Canvas, x: float, y: float, cells: Sequence[tuple[str, Tag | None, bool]]) -> float:
    """Blocks in lines of as many as fit from x on; a cell is its letter, its colour, and whether it failed.

    Blocks of one colour are one path, letters of one line one text: 200 connections stay a few kilobytes.
    Returns the y below.
    """
    per_line = max(1, int((canvas.width - x - 1) // _CELL))
    for start in range(0, len(cells), per_line):
        line = cells[start : start + per_line]
        for style in dict.fromkeys(_cell_style(cell) for cell in line):
            places = [index for index, cell in enumerate(line) if _cell_style(cell) == style]
            blocks = "".join(
                f"M{_n(x + index * _CELL + 0.5)} {_n(y)}h{_CELL - 2}v{_CELL_HEIGHT - 3}h-{_CELL - 2}z"
                for index in places
            )
            canvas.add(f'<path class="{style}" d="{blocks}"/>', y + _CELL_HEIGHT)
            middles = " ".join(f"{_n(x + index * _CELL + _CELL / 2 - 0.5)}" for index in places)
            letters = safe.html("".join(line[index][0] for index in places), None)
            kind = {"void": "t-void", "lost": "t-lost"}.get(style, "t-cell")
            canvas.add(
                f'<text class="{kind}" x="{middles}" y="{_n(y + 15)}">{letters}</text>', y + _CELL_HEIGHT
            )
        y += _CELL_HEIGHT
    return y


def _cell_style(cell: tuple[str, Tag | None, bool]) -> str:
    _, colour, failed = cell
    return "lost" if failed else f"member-{colour.colour}" if colour else "void"


def _letter(text: str) -> str:
    """One character, so that each block has its own."""
    return "×" if text == "✖" else (text[:1] if text[:1].isprintable() and text[:1].strip() else "?")


def _strip_rows(
    rows: Iterable[tuple[str, str, Sequence[tuple[str, Tag | None, bool]]]], width: int
) -> _Canvas:
    """Rows of blocks; each is what it is, more about it, and its blocks."""
    canvas = _Canvas(width)
    y = 2.0
    beside = 236 if width == WIDE else 0
    for label, detail, cells in rows:
        room = beside - 16 if beside else width
        names = _pieces(label, room, 2, _STRONG)
        more = _pieces(detail, room, 2, _MONO) if detail else []
        base = y + 15
        for text, style in [
            *((name, "t-strong") for name in names),
            *((text, "t-mono t-soft") for text in more),
        ]:
            canvas.text(0 if not beside else 1, base, text, style)
            base += 16
        y = (
            max(base + 4, _cells(canvas, beside, y, cells) + 10)
            if beside
            else _cells(canvas, 0, base - 7, cells) + 12
        )
    return canvas


def _connections(picture: ConnectionStrip, width: int) -> _Canvas:
    several = len({(row.address, row.port) for row in picture.rows}) > 1
    return _strip_rows(
        (
            (
                f"{row.label} ({len(row.cells)})",
                words.place(row.address, row.port) if several else "",
                [(_letter(cell.letter), cell.tag, cell.state == "failed") for cell in row.cells],
            )
            for row in picture.rows
        ),
        width,
    )


def _dns(picture: DnsStrip, width: int) -> _Canvas:
    families = len({row.family for row in picture.rows}) > 1
    return _strip_rows(
        (
            (
                (row.server_name or row.server) + (" (authority)" if row.authority else ""),
                (row.server if row.server_name else "")
                + (f" {'AAAA' if row.family == 6 else 'A'}" if families else ""),
                [(_letter(cell.letter), cell.tag, cell.tag is None) for cell in row.cells],
            )
            for row in picture.rows
        ),
        width,
    )


# --- share bars ----------------------------------------------------------------------------------------------


def _shares(picture: ShareBars, width: int) -> _Canvas:
    canvas = _Canvas(width)
    y = 4.0
    for group in picture.groups:
        if len(picture.groups) > 1:
            canvas.text(0, y + 14, words.place(group.address, group.port), "t-mono")
            y += 26
        for bar in group.bars:
            y = _bar(canvas, bar, y, width)
        if group.bars:
            y = _scale(canvas, y, width)
    return canvas


def _bar(canvas: _Canvas, bar: ShareBar, y: float, width: int) -> float:
    left, room = _bar_room(width)
    base = y
    names = _pieces(bar.name, (left if width == WIDE else width) - 40, 1, _SANS)
    _tag(canvas, 0, y, bar.tag)
    canvas.text(28, y + 14, names[0], "t-strong")
    figure_text = f"{bar.count:,} · {words.percent(bar.share)}"
    if width != WIDE:
        y += 25
    canvas.add(f'<rect class="track" x="{left}" y="{_n(y)}" width="{room}" height="19" rx="3"/>', y + 19)
    drawn = max(0.0, min(1.0, bar.share)) * room
    if drawn > 0:
        canvas.add(
            f'<rect class="bar member-{bar.tag.colour}" x="{left}" y="{_n(y)}" width="{_n(drawn)}" '
            'height="19" rx="3"/>',
            y + 19,
        )
    low, high = (left + max(0.0, min(1.0, part)) * room for part in (bar.low, bar.high))
    canvas.add(
        f'<path class="range" d="M{_n(low)} {_n(y + 9.5)}H{_n(high)}M{_n(low)} {_n(y + 5)}v9'
        f'M{_n(high)} {_n(y + 5)}v9"/>',
        y + 19,
    )
    canvas.text(canvas.width - 1, (y if width == WIDE else base) + 14, figure_text, "t-end")
    return y + 31


def _bar_room(width: int) -> tuple[int, int]:
    return (236, width - 236 - 110) if width == WIDE else (0, width)


def _scale(canvas: _Canvas, y: float, width: int) -> float:
    left, room = _bar_room(width)
    for part in (0, 0.25, 0.5, 0.75, 1):
        style = "t-soft t-small" + (" t-mid" if 0 < part < 1 else " t-end" if part == 1 else "")
        canvas.text(left + part * room, y + 8, words.percent(part), style)
    return y + 26


# --- the certificate grid --------------------------------------------------------------------------------------


def _grid(picture: CertificateGrid, width: int) -> _Canvas:
    canvas = _Canvas(width)
    y = 6.0
    wide = width == WIDE
    columns = (236, 618, 372) if wide else (0, 0, width)
    if wide:
        for x, title in (
            (columns[0], "Interface 2: what clients meet"),
            (columns[1], "Interface 1: between the servers"),
        ):
            canvas.text(x, 14, title, "t-soft t-small")
        y = 26.0
    for row in picture.rows[:SHOWN_ROWS]:
        y = _grid_row(canvas, row, y, columns) if wide else _grid_stack(canvas, row, y, width)
    if (more := len(picture.rows) - SHOWN_ROWS) > 0:
        canvas.text(0, y + 14, f"and {more:,} more", "t-soft")
    return canvas


def _grid_row(canvas: _Canvas, row: GridRow, y: float, columns: tuple[int, int, int]) -> float:
    _row_name(canvas, row, y, 220)
    bottom = y + 30
    for x, cells in ((columns[0], row.client), (columns[1], row.replication)):
        at = y
        for cell in cells:
            card = _grid_card(cell, columns[2])
            card.draw(canvas, x, at)
            at += card.height + 6
        bottom = max(bottom, at)
    return bottom + 6


def _grid_stack(canvas: _Canvas, row: GridRow, y: float, width: int) -> float:
    _row_name(canvas, row, y, width)
    y += 30
    for number, cells in ((2, row.client), (1, row.replication)):
        for cell in cells:
            if row.kind == "member":
                canvas.text(1, y + 12, f"Interface {number}", "t-soft t-small")
                y += 18
            card = _grid_card(cell, width - 2)
            card.draw(canvas, 1, y)
            y += card.height + 8
    return y + 8


def _row_name(canvas: _Canvas, row: GridRow, y: float, room: float) -> None:
    x = 0.0
    if row.tag:
        _tag(canvas, 0, y + 5, row.tag)
        x = 28.0
    for index, text in enumerate(_pieces(row.name, room - x - 8, 2, _STRONG)):
        canvas.text(x, y + 19 + index * _LINE, text, "t-strong")


def _grid_card(cell: GridCell, width: float) -> _Card:
    left = _PAD + (52 if cell.tag else 24)
    notes = [f"{code} {text}" for code, text in cell.notes]
    rows = [(line, "t-small") for line in _pieces(cell.detail, width - left - 150, 2, _SMALL)]
    rows += [
        (line, "t-small t-strong") for note in notes for line in _pieces(note, width - left - 8, 2, _STRONG)
    ]

    def draw(canvas: _Canvas, x: float, y: float) -> None:
        canvas.box(x, y, width, height, f"box {cell.mark.value}")
        canvas.mark(x + _PAD, y + 8, cell.mark)
        if cell.tag:
            _tag(canvas, x + _PAD + 23, y + 6, cell.tag)
        for index, (text, style) in enumerate(rows):
            canvas.text(x + left, y + 20 + index * _LINE, text, style)
        place = _pieces(words.place(cell.address, cell.port), 200, 1, _MONO)[0]
        canvas.text(x + width - _PAD, y + 20, place, "t-mono t-soft t-end")

    height = 14 + len(rows) * _LINE
    return _Card(height, draw)


_DRAWERS: dict[type, Callable[..., _Canvas]] = {
    PathPicture: _path,
    ConnectionStrip: _connections,
    ShareBars: _shares,
    DnsStrip: _dns,
    CertificateGrid: _grid,
}
