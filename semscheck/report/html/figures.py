"""The pictures as HTML: lists, tables and blocks that the browser lays out for any width, wide or on paper.

No style attribute is used, since the page's policy would refuse it; bars are small SVG. Text is text, so that a
screen reader, a search and a copy find it; rows of blocks are one image each, with what they show in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from semscheck.report import wording as words
from semscheck.report.escape import html as esc
from semscheck.report.figures import pictures
from semscheck.report.html.style import icon, state
from semscheck.report.wording import LABELS, Mark

SHOWN_ROWS = 24  # of one picture; a cluster has six members
SHOWN_NODES = 8  # of one stage; what is over is counted, so a name with 3,000 addresses stays a picture


def figure(picture: pictures.Picture, caption: str = "") -> str:
    """A picture with its legend. caption: raw text below it."""
    drawn = _DRAWERS[type(picture)](picture)
    below = f"<figcaption>{esc(caption, 1000)}</figcaption>" if caption else ""
    return f"<figure>{drawn}{legend(getattr(picture, 'legend', ()))}{below}</figure>"


def tag(value: pictures.Tag | pictures.Number) -> str:
    """A letter on its colour, or a number in a frame."""
    return f'<span class="tag {value.style}">{esc(value.letter, 6)}</span>'


def legend(entries: Sequence[pictures.Legend]) -> str:
    items = "".join(
        f"<li>{tag(entry.tag)}<span>{esc(entry.name, 300)}"
        + (f' <span class="soft">{esc(entry.detail, 300)}</span>' if entry.detail else "")
        + "</span></li>"
        for entry in entries
    )
    return f'<ul class="legend">{items}</ul>' if items else ""


def place(address: str | None, port: int | None) -> str:
    """An address that is never broken before its port."""
    shown = esc(words.place(address or "", port), 100)
    if len(shown) <= 24:
        return f'<span class="addr">{shown}</span>'
    at = shown.rfind(":", 0, shown.rfind("]"))
    return f'<span class="mono">{shown[:at]}<span class="addr">{shown[at:]}</span></span>'


def _symbol(mark: Mark) -> str:
    """A state's symbol, and its word for those who do not see it."""
    return f'<span class="{mark.value}">{icon(mark.value)}<span class="unseen">{LABELS[mark]}: </span></span>'


def _more(number: int) -> str:
    return f'<p class="soft small">and {number:,} more</p>' if number > 0 else ""


# --- the path ----------------------------------------------------------------------------------------------


def _path(picture: pictures.PathPicture) -> str:
    stages = "".join(_stage(stage, stage.kind == picture.breaks_at) for stage in picture.stages)
    broken = f'<p class="breaks">{state(Mark.CRITICAL, f"It breaks here: {picture.breaks_why}")}</p>'
    found = any(row.name.endswith(pictures.FOUND) for row in picture.members)
    note = f'<p class="soft small">{pictures.FOUND_NOTE}</p>' if found else ""
    return (
        f'<ol class="chain">{stages}</ol>{broken if picture.breaks_at else ""}{_members(picture.members)}{note}'
        f'<p class="soft">{esc(picture.alternative, 1000)}</p>'
    )


def _stage(stage: pictures.Stage, broken: bool) -> str:
    shown = "".join(_node(node) for node in stage.nodes[:SHOWN_NODES])
    shown = shown or f'<div class="node not-tested">{state(Mark.NOT_TESTED)}</div>'
    style = ' class="broken"' if broken else ""
    more = _more(len(stage.nodes) - SHOWN_NODES)
    return f'<li{style}><p class="soft small">{esc(stage.title, 60)}</p>{shown}{more}</li>'


def _node(node: pictures.Node) -> str:
    name = f"<b>{esc(node.label, 200)}</b>" if node.label and node.label != node.address else ""
    where = place(node.address, node.port) if node.address else ""
    lines = [" ".join(part for part in (name, where) if part), esc(pictures.node_reason(node), 300)]
    lines += [f"<b>{esc(node.method, 120)}</b>" if node.method else ""]
    said = "<br>".join(line for line in lines if line)
    return f'<div class="node {node.mark.value}">{_symbol(node.mark)}<span>{said}</span></div>'


def _members(rows: Sequence[pictures.MemberRow]) -> str:
    """A row a server: what serves takes one line."""
    if not rows:
        return '<p class="soft">No server of the cluster is known.</p>'
    lines = "".join(map(_member, rows[:SHOWN_ROWS]))
    heads = ("Server", "Interface 2 (clients)", "Interface 1 (replication)")
    head = (
        "".join(f'<th scope="col">{title}</th>' for title in heads)
        + '<th scope="col" class="num">Answered</th>'
    )
    table = f'<table class="servers"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'
    return table + _more(len(rows) - SHOWN_ROWS)


def _member(row: pictures.MemberRow) -> str:
    answered = "" if row.answered is None else f"{row.answered:,}"
    return (
        f'<tr><th scope="row">{tag(row.tag)} {esc(row.name, 253)}</th><td>{_interfaces(row.client)}</td>'
        f'<td>{_interfaces(row.replication)}</td><td class="num">{answered}</td></tr>'
    )


def _interfaces(nodes: Sequence[pictures.Node]) -> str:
    return "".join(_interface(node) for node in nodes[:SHOWN_NODES]) or '<span class="soft">not known</span>'


def _interface(node: pictures.Node) -> str:
    said = esc(pictures.node_reason(node), 300)
    return f'<div class="at">{_symbol(node.mark)} {place(node.address, node.port)} <span>{said}</span></div>'


# --- strips ------------------------------------------------------------------------------------------------


def _strip(rows: Iterable[tuple[str, str, Sequence[pictures.Cell]]]) -> str:
    """Rows of blocks; each is what it is, where (HTML), and its blocks in their order."""
    lines = "".join(
        f'<tr><th scope="row">{esc(label, 253)} <span class="soft">{len(cells)}</span>{where}</th>'
        f"<td>{_blocks(cells)}</td></tr>"
        for label, where, cells in rows
    )
    return f'<table class="strip"><tbody>{lines}</tbody></table>' if lines else ""


def _blocks(cells: Sequence[pictures.Cell]) -> str:
    drawn = "".join(f'<b class="{_style(cell)}">{esc(cell.letter, 4)}</b>' for cell in cells)
    return f'<span class="cells" role="img" aria-label="{esc(_counted(cells), 600)}">{drawn}</span>'


def _style(cell: pictures.Cell) -> str:
    return cell.tag.style if cell.tag else "lost" if cell.letter == pictures.FAILED else "void"


def _counted(cells: Sequence[pictures.Cell]) -> str:
    counts: dict[str, int] = {}
    for cell in cells:
        counts[cell.letter] = counts.get(cell.letter, 0) + 1
    return ", ".join(
        f"{'failed' if letter == pictures.FAILED else letter} {number}" for letter, number in counts.items()
    )


def _connections(picture: pictures.ConnectionStrip) -> str:
    several = len({(row.address, row.port) for row in picture.rows}) > 1
    return _strip(
        (row.label, f"<br>{place(row.address, row.port)}" if several else "", row.cells)
        for row in picture.rows
    )


def _dns(picture: pictures.DnsStrip) -> str:
    families = len({row.family for row in picture.rows}) > 1
    return _strip(
        (
            (row.server_name or row.server) + (" (authority)" if row.authority else ""),
            f" {'AAAA' if row.family == 6 else 'A'}" if families else "",
            row.cells,
        )
        for row in picture.rows
    )


# --- share bars ----------------------------------------------------------------------------------------------


def _shares(picture: pictures.ShareBars) -> str:
    parts = []
    for group in picture.groups:
        lines = "".join(_bar(bar, group.path.identified) for bar in group.bars) + _failed(group)
        head = (
            f"<caption>{place(group.path.address, group.path.port)}</caption>"
            if len(picture.groups) > 1
            else ""
        )
        parts.append(f'<table class="strip">{head}<tbody>{lines}</tbody></table>' if lines else "")
    return "".join(parts)


def _bar(bar: pictures.ShareBar, identified: int) -> str:
    it = bar.share
    drawn = f'<rect class="{bar.tag.style}" width="{_part(it.share)}" height="12"/>'
    low, high = _part(it.share_low), _part(it.share_high)
    drawn += (
        f'<path class="range" d="M{low} 6H{high}M{low} 2v8M{high} 2v8" vector-effect="non-scaling-stroke"/>'
    )
    said = f"{words.share(it)}, {it.count:,} of {identified:,}"
    return _bar_row(f"{tag(bar.tag)} {esc(bar.name, 253)}", drawn, said)


def _failed(group: pictures.ShareGroup) -> str:
    """Connections that failed, as a part of all that were tried."""
    if not group.failed or not group.path.samples:
        return ""
    share = group.failed / group.path.samples
    drawn = f'<rect class="failed" width="{_part(share)}" height="12"/>'
    said = f"{words.percent(share)}, {group.failed:,} of {group.path.samples:,} tried"
    return _bar_row(state(Mark.CRITICAL, "failed"), drawn, said)


def _bar_row(name: str, drawn: str, said: str) -> str:
    track = '<rect class="track" width="100" height="12"/>'
    bar = f'<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">{track}{drawn}</svg>'
    return f'<tr><th scope="row">{name}</th><td>{bar}</td><td class="figure">{said}</td></tr>'


def _part(share: float) -> str:
    """A part of 1 on a scale of 100."""
    return f"{100 * max(0.0, min(1.0, share)):.3g}"


# --- the certificate grid --------------------------------------------------------------------------------------


def _grid(picture: pictures.CertificateGrid) -> str:
    lines = "".join(_grid_row(row) for row in picture.rows[:SHOWN_ROWS])
    titles = ("Where", "Interface 2: what clients meet", "Interface 1: between the servers")
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    table = f'<table class="servers"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'
    return table + _more(len(picture.rows) - SHOWN_ROWS)


def _grid_row(row: pictures.GridRow) -> str:
    name = f"{tag(row.tag)} " if row.tag else ""
    cells = "".join(
        f"<td>{''.join(map(_grid_cell, cells[:SHOWN_NODES]))}</td>" for cells in (row.client, row.replication)
    )
    return f'<tr><th scope="row">{name}{esc(row.name, 253)}</th>{cells}</tr>'


def _grid_cell(cell: pictures.GridCell) -> str:
    letter = tag(cell.tag) if cell.tag else ""
    differs = f" <b>({esc(cell.differs, 60)})</b>" if cell.differs else ""
    notes = "".join(f"<br><b>{esc(text, 120)}</b>" for _, text in cell.notes)
    return f'<div class="at">{_symbol(cell.mark)} {letter} <span>{esc(cell.detail, 120)}{differs}{notes}</span></div>'


_DRAWERS: dict[type, Callable[[Any], str]] = {
    pictures.PathPicture: _path,
    pictures.ConnectionStrip: _connections,
    pictures.ShareBars: _shares,
    pictures.DnsStrip: _dns,
    pictures.CertificateGrid: _grid,
}
