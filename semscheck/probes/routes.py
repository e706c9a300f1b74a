"""The way from this desktop to an address, as its own routing table says; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable

from semscheck.model.failure import Failure, Phase
from semscheck.model.observations import Route
from semscheck.model.target import Target
from semscheck.net.backend import NetworkBackend
from semscheck.net.errors import failure_from
from semscheck.probes.recorder import Recorder

MAX_ROUTES = 64


def named_addresses(target: Target) -> tuple[str, ...]:
    """The addresses that the target names itself, each once, at most as many as are looked at."""
    members = [one.address for member in target.members for one in (*member.client, *member.replication)]
    own = [target.fqdn] if target.fqdn_is_address else []
    return tuple(dict.fromkeys([*own, *target.balancers, *members]))[:MAX_ROUTES]


def see_routes(backend: NetworkBackend, record: Recorder, addresses: Iterable[str], port: int) -> None:
    """Record the source address towards each address. A failure: this desktop has no route to it."""
    for address in addresses:
        began = record.now()
        source: str | None = None
        trouble: Failure | None = None
        try:
            source = backend.dialler.source_for(address, port)
        except OSError as error:
            trouble = failure_from(Phase.CONNECT, error)
        record.add(Route, began, address=address, source_address=source, failure=trouble)
