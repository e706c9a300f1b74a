"""What really happened: which member answered which connection. For tests and for the lab's own display only."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import StrEnum

LIMIT = 20000  # entries kept; older ones are forgotten
OWN_LIMIT = 8192  # announced connections that no member has accepted yet, frozen ones for example
Source = tuple[str, int]


class Outcome(StrEnum):
    """What became of a connection or a request."""

    ANSWERED = "answered"  # a member was reached
    FAILED = "failed"  # a member was chosen and did not answer, or there was none to choose
    LOST = "lost"  # the world's own share of resets, closes and silence


@dataclass(frozen=True, slots=True)
class Served:
    """One connection (or one request, where requests are balanced) in the order in which it was given to a member.

    member: None where none was reached. interface: "client" or "replication". address: the one that the client
    connected to. via_balancer: False where the client connected to the member itself. other_client: made by the
    lab's own other clients.
    """

    order: int
    at_s: float
    member: str | None
    interface: str
    address: str
    source: Source
    via_balancer: bool
    other_client: bool
    outcome: Outcome


class Ledger:
    """Collects `Served`, and knows which source ports belong to the lab itself."""

    def __init__(self) -> None:
        self._served: deque[Served] = deque(maxlen=LIMIT)
        self._count = 0
        self._started = time.monotonic()
        self._own: OrderedDict[Source, None] = OrderedDict()
        self.others: set[Source] = set()  # the lab's other clients, while they are connected

    def announce(self, source: Source) -> None:
        """Say that a connection from this address to a member will be the balancer's own: relayed, or a check."""
        self._own[source] = None
        while len(self._own) > OWN_LIMIT:
            self._own.popitem(last=False)

    def withdraw(self, source: Source) -> None:
        """Say that the connection was not made after all."""
        self._own.pop(source, None)

    def served(self) -> tuple[Served, ...]:
        """Return what was kept, oldest first."""
        return tuple(self._served)

    def note(
        self,
        member: str | None,
        address: str,
        source: Source,
        *,
        interface: str = "client",
        via_balancer: bool,
        outcome: Outcome = Outcome.ANSWERED,
    ) -> None:
        """Add one connection or request. Connections of the lab's own towards members are left out."""
        if not via_balancer and source in self._own:
            del self._own[source]  # a member accepts it once, perhaps after the balancer has closed it
            return
        other = source in self.others
        at_s = time.monotonic() - self._started
        self._count += 1
        self._served.append(
            Served(self._count, at_s, member, interface, address, source, via_balancer, other, outcome)
        )
