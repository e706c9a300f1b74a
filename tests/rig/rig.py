"""One test's servers, network, certificates and files, taken down together."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tests.rig.certs import Authority
from tests.rig.net import Loopback, Namespaces, Place, open_network
from tests.rig.process import Place as AnyPlace
from tests.rig.process import Server


class Software(Protocol):
    """A description of a server that can be started: NginxMember, HAProxy, Bind …"""

    def launch(self, place: AnyPlace, directory: Path) -> Server:
        """Start it with its files in a directory, and return it ready."""


class Rig:
    """What the `rig` fixture gives. Everything started here ends with it, the last first."""

    def __init__(self, network: Namespaces | Loopback, directory: Path) -> None:
        self.network = network
        self.directory = directory
        self.authority = Authority.root("Example Test Root")
        self.ca_file = self.authority.write(directory)
        self._stack = contextlib.ExitStack()
        self._count = itertools.count()

    @property
    def client(self) -> Place:
        return self.network.client

    def address(self, wanted: str) -> str:
        return self.network.address(wanted)

    def port(self, wanted: int) -> int:
        return self.network.port(wanted)

    def nameserver(self, wanted: str) -> tuple[str, int]:
        return self.network.nameserver(wanted)

    def start(self, software: Software, place: Place | None = None) -> Server:
        """Start a server among the servers, or in another place, and return it ready."""
        own = self.directory / f"{next(self._count):02}"
        return self._stack.enter_context(software.launch(place or self.network.servers, own))

    def close(self) -> None:
        self._stack.close()
        self.network.close()


@contextlib.contextmanager
def open_rig(
    directory: Path, *, delay_ms: float = 0.0, loss: float = 0.0, namespaces_only: bool = False
) -> Iterator[Rig]:
    """Open a rig for longer than one test (a module's fixture), or with a slow or lossy link.

    `delay_ms` is one way. Raises `MissingError` where that is not possible here.
    """
    network = open_network(directory, delay_ms=delay_ms, loss=loss, namespaces_only=namespaces_only)
    rig = Rig(network, directory)
    try:
        yield rig
    finally:
        rig.close()
