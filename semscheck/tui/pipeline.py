"""The path in one line, for screens that have no room for the whole picture. Pure."""

from __future__ import annotations

from dataclasses import replace

from semscheck.report.escape import one_line
from semscheck.report.figures.pictures import ConnectionStrip, PathPicture, Stage
from semscheck.report.text.lines import Line, Span, fit, line_width
from semscheck.report.wording import SYMBOLS, place, worst

_SHORT = {"desktop": "desktop", "resolvers": "DNS"}


def pipeline(picture: PathPicture, columns: int) -> list[Line]:
    """Desktop, name servers, FQDN, balancer, members, each with its mark; a cross where it breaks."""
    members: list[Span] = []
    for row in picture.members:
        mark = worst(*(node.mark for node in row.client or row.replication))
        members += [Span(SYMBOLS[mark], mark.value), Span(row.tag.letter, row.tag.style), Span(" ")]
    for room in (60, 30, 22, 16, 10):
        line = _joined(picture, members, room)
        if line_width(line) <= columns:
            return [line]
    return [_joined(picture, [], 10)]


def _joined(picture: PathPicture, members: list[Span], room: int) -> Line:
    line: list[Span] = []
    for stage in picture.stages:
        line += [Span(SYMBOLS[stage.mark], stage.mark.value), Span(f" {_name(stage, room)}")]
        line.append(Span(" ─✖ ", "critical") if stage.kind == picture.breaks_at else Span(" ─ ", "dim"))
    return tuple(line + members if members else line[:-1])


def _name(stage: Stage, room: int) -> str:
    if stage.kind == "name" and stage.nodes:
        return fit(one_line(stage.nodes[0].label), room)
    if stage.kind == "front" and len(stage.nodes) > 1:
        return f"{len(stage.nodes)} addresses"
    return _SHORT.get(stage.kind, stage.title)


def first_rows(strip: ConnectionStrip) -> ConnectionStrip:
    """Only the new connections: what decides how clients are spread. Several addresses name their rows."""
    rows = tuple(row for row in strip.rows if row.arm == "fresh") or strip.rows[:1]
    if len({(row.address, row.port) for row in rows}) > 1:
        one = rows[0]
        rows = tuple(
            replace(row, label=one_line(place(row.address, row.port), 60), address=one.address, port=one.port)
            for row in rows[:3]
        )
    return ConnectionStrip(rows, strip.legend, strip.alternative)
