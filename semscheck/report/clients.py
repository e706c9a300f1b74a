"""Who can connect, as lines: places that treat all classes of client alike are one group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from semscheck.model.analysis import Access, Analysis, Client, ClientAccess, client_names
from semscheck.report.wording import Mark, listed, place

NOTE = (
    "From the documented rules of each class of client and what was seen here; trust is that of this desktop, and "
    "Encryption Desktop is taken to use the system's own TLS."
)
_STATES = {
    Access.CONNECTS: (Mark.OK, "can connect"),
    Access.REFUSES: (Mark.CRITICAL, "cannot connect"),
    Access.UNKNOWN: (Mark.UNKNOWN, "may fail to connect"),
}


@dataclass(frozen=True, slots=True)
class ClientLine:
    """Classes of client to which the same happens, and why; the latter empty where they connect."""

    mark: Mark
    state: str
    clients: str
    why: str


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """Places, in words, that treat every class of client alike."""

    places: str
    lines: tuple[ClientLine, ...]


def client_groups(analysis: Analysis) -> tuple[ClientGroup, ...]:
    """All that is known, places in the order of the report."""
    rows: dict[tuple[str, int], list[ClientAccess]] = {}
    for cell in analysis.clients:
        rows.setdefault((cell.address, cell.port), []).append(cell)
    groups: dict[tuple[ClientLine, ...], list[str]] = {}
    for (address, port), cells in rows.items():
        groups.setdefault(tuple(_lines(cells)), []).append(place(address, port))
    return tuple(ClientGroup(listed(places), lines) for lines, places in groups.items())


def some_cannot(analysis: Analysis) -> bool:
    """Is some class of client refused somewhere where another is not? Else the findings say all there is."""
    refused = {(cell.address, cell.port) for cell in analysis.clients if cell.access is Access.REFUSES}
    return any(
        (cell.address, cell.port) in refused and cell.access is not Access.REFUSES
        for cell in analysis.clients
    )


def _lines(cells: list[ClientAccess]) -> Iterator[ClientLine]:
    same: dict[tuple[Access, str], list[Client]] = {}
    for cell in cells:
        why = "; ".join(obstacle.words for obstacle in cell.why)
        same.setdefault((cell.access, why), []).append(cell.client)
    for access, (mark, state) in _STATES.items():
        for (found, why), clients in same.items():
            if found is access:
                yield ClientLine(mark, state, listed(client_names(clients), len(clients)), why)
