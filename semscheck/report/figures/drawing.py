"""The text form of the pictures: values into lines of styled spans, at most so many columns wide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from semscheck.model.analysis import Share
from semscheck.report import wording as words
from semscheck.report.escape import one_line
from semscheck.report.figures import pictures
from semscheck.report.text.lines import Line, Span, apart, cut, fit, line_width, pad, width, wrap
from semscheck.report.wording import SYMBOLS, Mark

MAX_NAME = 34  # columns of a server's name beside its interfaces
MAX_NODES = 12  # of one step; the analysis contacts at most 8 addresses a family


def draw(picture: pictures.Picture, columns: int) -> list[Line]:
    """The picture as lines of styled spans, made safe for a terminal, in at most `columns` (36 at least).

    Symbols are Unicode. Styles are the keys of `lines.SGR`: marks ("ok", "critical", ...), "member-0" to "member-7",
    "dim", "strong".
    """
    return _DRAW[type(picture)](picture, max(36, columns))


def _marked(mark: Mark) -> Span:
    return Span(SYMBOLS[mark], mark.value)


def _label_columns(labels: Iterable[str], columns: int) -> int:
    return min(max((width(label) for label in labels), default=0), columns * 2 // 5)


def _names(names: Iterable[str], columns: int) -> list[str]:
    """Servers' names in a column, each with its mark if nobody told of it, so short that they still differ."""
    shown = [one_line(name) for name in names]
    marks = [pictures.FOUND if name.endswith(pictures.FOUND) else "" for name in shown]
    room = columns - (len(pictures.FOUND) if any(marks) else 0)
    kept = apart([name.removesuffix(pictures.FOUND) for name in shown], room)
    return [name + mark for name, mark in zip(kept, marks, strict=True)]


def _rest(line: Sequence[Span], text: str, columns: int, style: str = "") -> Line:
    """The line with as much of the text as fits behind it."""
    return (*line, Span(fit(text, max(0, columns - line_width(line))), style))


def _draw_path(picture: pictures.PathPicture, columns: int) -> list[Line]:
    labels = [stage.title for stage in picture.stages]
    labels += [f"{row.tag.letter} {one_line(row.name)}" for row in picture.members]
    label_columns = min(_label_columns(labels, columns), MAX_NAME)
    lines: list[Line] = []
    for stage in picture.stages:
        lines += _draw_stage(stage, label_columns, columns)
        if stage.kind == picture.breaks_at:
            why = f"✖ it breaks here: {one_line(picture.breaks_why or '')}"
            lines.append((Span(fit(why, columns), Mark.CRITICAL.value),))
        else:
            lines.append((Span("│", "dim"),))
    if not picture.members:
        return [*lines, _rest((Span(pad("servers", label_columns + 2)),), "· none known", columns, "dim")]
    names = _names((row.name for row in picture.members), label_columns - 2)
    for name, row in zip(names, picture.members, strict=True):
        lines += _draw_member(name, row, label_columns, columns)
    if any(name.endswith(pictures.FOUND) for name in names):
        lines += [(Span(line, "dim"),) for line in wrap(pictures.FOUND_NOTE, columns)]
    return lines


def _draw_stage(stage: pictures.Stage, label_columns: int, columns: int) -> list[Line]:
    lines: list[Line] = []
    if not stage.nodes:
        head = (Span(pad(stage.title, label_columns + 2)), _marked(Mark.NOT_TESTED))
        return [_rest(head, " not tested", columns, "dim")]
    shown = stage.nodes[:MAX_NODES]
    wide = max((width(_node_name(node)) for node in shown), default=0)
    for index, node in enumerate(shown):
        label = Span(pad(stage.title, label_columns + 2)) if index == 0 else _continued(label_columns)
        name = pad(_node_name(node), min(wide, max(12, columns // 2))) if node.detail else _node_name(node)
        style = "strong" if stage.kind == "name" else ""
        line: Line = (label, _marked(node.mark), Span(" "), Span(name, style))
        room = columns - line_width(line) - 2
        detail = f"  {_node_words(node, room)}" if node.detail else ""
        lines.append(_rest(cut(line, columns), detail, columns))
        if node.method and node.method not in detail:
            lines.append(_rest((_continued(label_columns), Span("  ")), node.method, columns))
    if len(stage.nodes) > MAX_NODES:
        more = f"and {len(stage.nodes) - MAX_NODES:,} more"
        lines.append(_rest((_continued(label_columns),), more, columns, "dim"))
    return lines


def _continued(label_columns: int) -> Span:
    return Span(pad("│", label_columns + 2), "dim")


def _node_name(node: pictures.Node) -> str:
    if node.role == "member":
        return one_line(node.label, 60)  # its address stands in the member's own row
    where = words.place(node.address, node.port) if node.address else ""
    if node.role == "resolver":
        return one_line(node.label, 60)
    return one_line(f"{node.label} {where}".strip(), 100)


def _node_words(node: pictures.Node, room: int) -> str:
    """What there is room for: its state, what was found there, how a balancer spreads and keeps clients. What was
    found says more than that it serves."""
    found = ", ".join(text for _, text in node.notes)
    both = pictures.node_reason(node)
    choices = (f"{both}; {node.method}" if node.method else both, both, min(found or both, both, key=width))
    return next((text for text in map(one_line, choices) if width(text) <= room), one_line(choices[-1]))


def _draw_member(name: str, row: pictures.MemberRow, label_columns: int, columns: int) -> list[Line]:
    letter = Span(row.tag.letter, row.tag.style)
    label = Span(pad(f" {name}", label_columns - 1) + "  ")
    nodes = [("Interface 2", node) for node in row.client] + [
        ("Interface 1", node) for node in row.replication
    ]
    if not nodes:
        seen = "" if row.answered is None else f" answered {words.count(row.answered, 'new connection')}"
        return [_rest((letter, label, _marked(Mark.NOT_TESTED)), f"{seen or ' no address known'}", columns)]
    wide = max(width(_node_name(node)) for _, node in nodes)
    lines = []
    for index, (interface, node) in enumerate(nodes):
        start: Line = (letter, label) if index == 0 else (Span(" " * (label_columns + 2)),)
        room = (
            columns - line_width(start) - 16
        )  # where a reason and an address do not fit, the reason stands alone
        needed = wide + min(room, max(14, 0 if node.mark is Mark.OK else width(_node_words(node, room))))
        name = pad(_node_name(node), wide) if needed <= room else ""
        head = (*start, _marked(node.mark), Span(f" {interface}  "), Span(name))
        detail = _node_words(node, columns - line_width(head) - 2)
        lines.append(_rest(cut(head, columns), f"  {detail}" if name else detail, columns))
    return lines


def _chunks(cells: Sequence[pictures.Cell], size: int) -> list[Sequence[pictures.Cell]]:
    return [cells[start : start + size] for start in range(0, len(cells), size)] or [()]


def _cell_spans(cells: Iterable[pictures.Cell]) -> list[Span]:
    """Neighbours with one style become one span: fewer escapes, and fewer segments in the TUI."""
    spans: list[Span] = []
    for cell in cells:
        style = (
            cell.tag.style if cell.tag else Mark.CRITICAL.value if cell.letter == pictures.FAILED else "dim"
        )
        if spans and spans[-1].style == style:
            spans[-1] = Span(spans[-1].text + cell.letter, style)
        else:
            spans.append(Span(cell.letter, style))
    return spans


def _draw_row(label: str, cells: Sequence[pictures.Cell], label_columns: int, columns: int) -> list[Line]:
    lines: list[Line] = []
    for index, chunk in enumerate(_chunks(cells, columns - label_columns - 2)):
        head = Span(pad(fit(label, label_columns) if index == 0 else "", label_columns + 2))
        lines.append((head, *_cell_spans(chunk)))
    return lines


def _draw_legend(
    entries: Sequence[pictures.Legend], extra: Sequence[tuple[str, str, str]], columns: int
) -> list[Line]:
    """Entries side by side as far as they fit."""
    lines: list[Line] = []
    current: list[Span] = []
    items = [
        (entry.tag.letter, entry.tag.style, f"{name}  {entry.detail}".strip())
        for entry, name in zip(entries, _names((entry.name for entry in entries), columns - 3), strict=True)
    ]
    for letter, style, name in [*items, *extra]:
        spans = [Span(letter, style), Span(fit(f" {one_line(name)}", columns - 1))]
        if current and line_width(current) + 3 + line_width(spans) > columns:
            lines.append(tuple(current))
            current = []
        current += [Span("   "), *spans] if current else spans
    return [*lines, tuple(current)] if current else lines


def _draw_strip(picture: pictures.ConnectionStrip, columns: int) -> list[Line]:
    if not picture.rows:
        return [(Span("· not tested", "dim"),)]
    label_columns = _label_columns((one_line(row.label) for row in picture.rows), columns)
    several = len({(row.address, row.port) for row in picture.rows}) > 1
    lines: list[Line] = []
    previous = None
    for row in picture.rows:
        if several and previous != (row.address, row.port):
            lines.append((Span(fit(words.place(one_line(row.address), row.port), columns), "strong"),))
        previous = (row.address, row.port)
        lines += _draw_row(one_line(row.label), row.cells, label_columns, columns)
    letters = {cell.letter for row in picture.rows for cell in row.cells if cell.tag is None}
    extra = [(pictures.UNIDENTIFIED, "dim", "not identified")] if pictures.UNIDENTIFIED in letters else []
    extra += [(pictures.FAILED, Mark.CRITICAL.value, "failed")] if pictures.FAILED in letters else []
    return lines + _draw_legend(picture.legend, extra, columns)


BAR_COLUMNS = 24


def _bar(share: Share, columns: int) -> str:
    """Full up to the lower bound, lighter up to the share, light up to the upper bound."""
    low, middle, high = (
        round(min(1.0, max(0.0, value)) * columns)
        for value in (share.share_low, share.share, share.share_high)
    )
    return "█" * low + "▓" * (middle - low) + "░" * (high - middle) + " " * (columns - max(low, middle, high))


def _draw_shares(picture: pictures.ShareBars, columns: int) -> list[Line]:
    lines: list[Line] = []
    names = [f"  {one_line(bar.name)}" for group in picture.groups for bar in group.bars]
    label_columns = max(_label_columns(names, columns), 16)
    for group in picture.groups:
        if len(picture.groups) > 1:
            lines.append(
                (Span(fit(words.place(one_line(group.path.address), group.path.port), columns), "strong"),)
            )
        shown = _names((bar.name for bar in group.bars), label_columns - 2)
        lines += [
            _draw_bar(bar, name, group.path.identified, label_columns, columns)
            for bar, name in zip(group.bars, shown, strict=True)
        ]
        if not group.bars:
            lines.append((Span("? not told apart yet, or not at all", "dim"),))
        lines += _draw_failed(group, label_columns, columns) + _draw_bound(group, columns)
    sure = picture.confidence
    if sure is not None:
        told = f"█ at least  ▓ as seen  ░ at most, with {words.percent(sure)} confidence"
        lines.append((Span(fit(told, columns), "dim"),))
    return lines or [(Span("· not tested", "dim"),)]


def _draw_failed(group: pictures.ShareGroup, label_columns: int, columns: int) -> list[Line]:
    """Connections that failed, as a part of all that were tried."""
    if not group.failed or not group.path.samples:
        return []
    wide = _bar_columns(label_columns, columns)
    part = min(1.0, group.failed / group.path.samples)
    head = (
        Span(pictures.FAILED, Mark.CRITICAL.value),
        Span(pad(" failed", label_columns - 1) + " "),
        Span(("▓" * round(part * wide)).ljust(wide), Mark.CRITICAL.value),
    )
    return [_rest(head, f" {words.percent(part)}, {group.failed} of {group.path.samples} tried", columns)]


def _bar_columns(label_columns: int, columns: int) -> int:
    return max(8, min(BAR_COLUMNS, columns - label_columns - 32))


def _draw_bar(bar: pictures.ShareBar, name: str, identified: int, label_columns: int, columns: int) -> Line:
    bar_columns = _bar_columns(label_columns, columns)
    head = (
        Span(bar.tag.letter, bar.tag.style),
        Span(pad(f" {name}", label_columns - 1) + " "),
        Span(_bar(bar.share, bar_columns)),
    )
    return _rest(head, f" {words.share(bar.share)}, {bar.share.count} of {identified}", columns)


def _draw_bound(group: pictures.ShareGroup, columns: int) -> list[Line]:
    if group.path.other_share_at_most is None or group.path.confidence is None:
        return []
    text = (
        f"With {words.percent(group.path.confidence)} confidence fewer than "
        f"{words.percent(group.path.other_share_at_most)} of new connections go elsewhere."
    )
    return [(Span(line, "dim"),) for line in wrap(text, columns)]


def _draw_dns(picture: pictures.DnsStrip, columns: int) -> list[Line]:
    if not picture.rows:
        return [(Span("· not tested", "dim"),)]
    labels = [_dns_label(row) for row in picture.rows]
    label_columns = _label_columns(labels, columns)
    lines: list[Line] = []
    for label, row in zip(labels, picture.rows, strict=True):
        lines += _draw_row(label, row.cells, label_columns, columns)
    failed = any(cell.letter == pictures.FAILED for row in picture.rows for cell in row.cells)
    extra = [(pictures.FAILED, Mark.CRITICAL.value, "no answer")] if failed else []
    return lines + _draw_legend(picture.legend, extra, columns)


def _dns_label(row: pictures.DnsRow) -> str:
    name = one_line(row.server_name or row.server, 60)
    return f"{name}{' (IPv6)' if row.family == 6 else ''}"


def _draw_grid(picture: pictures.CertificateGrid, columns: int) -> list[Line]:
    if not picture.rows:
        return [(Span("· not tested", "dim"),)]
    label_columns = _label_columns((f"  {one_line(row.name)}" for row in picture.rows), columns)
    column = (columns - label_columns - 2) // 2
    titles = (
        ("Interface 2 (clients)", "Interface 1 (replication)")
        if column > 25
        else ("Interface 2", "Interface 1")
    )
    head = pad("", label_columns + 2) + pad(titles[0], column) + titles[1]
    lines: list[Line] = [(Span(fit(head, columns), "dim"),)]
    names = iter(_names((row.name for row in picture.rows if row.kind == "member"), label_columns - 2))
    for row in picture.rows:
        name = next(names) if row.kind == "member" else one_line(row.name)
        for index in range(max(len(row.client), len(row.replication), 1)):
            letter = row.tag if index == 0 else None
            label = (
                Span(letter.letter if letter else " ", letter.style if letter else ""),
                Span(pad(f" {name}" if index == 0 else "", label_columns - 1) + "  "),
            )
            client = _grid_cell(row.client, index, column - 2)
            replication = _grid_cell(row.replication, index, column)
            gap = Span(" " * max(0, column - line_width(client)))
            lines.append((*label, *client, gap, *replication))
            lines += _grid_notes(row, index, label_columns, columns)
    return lines + _draw_certificates(picture.legend, columns)


def _draw_certificates(legend: Sequence[pictures.Legend], columns: int) -> list[Line]:
    room = max(20, columns - 44)
    return [
        _rest(
            (Span(entry.tag.letter, entry.tag.style),),
            f" {apart([one_line(entry.name, 253)], room)[0]}  {entry.detail}",
            columns,
        )
        for entry in legend
    ]


def _grid_cell(cells: Sequence[pictures.GridCell], index: int, columns: int) -> Line:
    if index >= len(cells):
        return () if cells else (Span("·", "dim"),)
    cell = cells[index]
    letter = Span(cell.tag.letter, cell.tag.style) if cell.tag else Span("-", "dim")
    said = f"{cell.detail} ({cell.differs})" if cell.differs else cell.detail
    return _rest((letter, Span(" "), _marked(cell.mark)), f" {one_line(said)}", columns)


def _grid_notes(row: pictures.GridRow, index: int, label_columns: int, columns: int) -> list[Line]:
    lines: list[Line] = []
    for name, cells in (("Interface 2", row.client), ("Interface 1", row.replication)):
        if index < len(cells) and cells[index].notes:
            noted = ", ".join(f"{text} ({code})" for code, text in cells[index].notes)
            where = f"{name}: " if row.kind == "member" else ""
            start = " " * (label_columns + 2)
            lines += [
                (Span(line, cells[index].mark.value),)
                for line in wrap(where + one_line(noted), columns, start)
            ]
    return lines


_DRAW: dict[type, Callable[[Any, int], list[Line]]] = {
    pictures.PathPicture: _draw_path,
    pictures.ConnectionStrip: _draw_strip,
    pictures.ShareBars: _draw_shares,
    pictures.DnsStrip: _draw_dns,
    pictures.CertificateGrid: _draw_grid,
}
