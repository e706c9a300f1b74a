"""How long a connection waits for a TLS session."""

from __future__ import annotations

from typing import Any, cast

from semscheck.sampling.series import SILENT_AFTER, TICKET_LATE_S, ConnectionSeries
from semscheck.sampling.tokens import TICKET_WAIT_MOST_S, TICKET_WAIT_S, Opened, ticket_wait_s
from tests.net.tlsserver import destination, probe


class Server:
    """Stands in place of a TLS connection: gives a session or none, and notes how long it was waited for."""

    def __init__(self, session: object) -> None:
        self.session = session
        self.waited: list[float] = []

    async def receive_ticket(self, wait_s: float) -> bool:
        self.waited.append(wait_s)
        return self.session is not None


async def take(line: ConnectionSeries, *, gives: bool, handshake_s: float = 0.001) -> float:
    server = Server(object() if gives else None)
    await line._take(Opened(cast(Any, server), 0.001, handshake_s))
    return server.waited[0]


def line() -> ConnectionSeries:
    return ConnectionSeries(probe(), destination(443), cast(Any, None), cast(Any, None))


def test_a_busy_server_is_given_more_time() -> None:
    assert ticket_wait_s(0.001, 0.002) == TICKET_WAIT_S
    assert ticket_wait_s(0.04, 0.04) == 3 * 0.04 + 0.02
    assert ticket_wait_s(0.001, 0.2) == 3 * 0.2 + 0.02
    assert ticket_wait_s(2.0, 2.0) == TICKET_WAIT_MOST_S


async def test_where_none_comes_waiting_ends() -> None:
    one = line()
    assert [await take(one, gives=False) for _ in range(SILENT_AFTER)] == [TICKET_WAIT_S] * SILENT_AFTER
    assert await take(one, gives=False) == 0.0


async def test_where_some_came_a_missing_one_is_late() -> None:
    one = line()
    await take(one, gives=True)
    for _ in range(SILENT_AFTER + 2):
        assert await take(one, gives=False) == TICKET_WAIT_S + TICKET_LATE_S
