"""Asking a member for the key of its ticket: with a page where the ticket comes with the first answer only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from semscheck.model.observations import Handshake
from semscheck.probes.endpoint import Destination
from semscheck.probes.recorder import Recorder
from semscheck.sampling import tokens
from semscheck.sampling.tokens import MemberEndpoint, Opened, ask_for_key
from tests.scripted import ScriptedClock

DOOR = MemberEndpoint("sems1.example.com", Destination("198.51.100.11", 443, "keys.example.com"))


class Server:
    """Stands in place of a TLS connection. gives: a ticket comes by itself."""

    version, cipher, alpn, chain, ticket = "TLSv1.3", "TLS_AES_128_GCM_SHA256", None, (), None
    watch = SimpleNamespace(key_exchange="x25519", certificate_requested=False)

    def __init__(self, gives: bool) -> None:
        self.gives, self.closed = gives, 0

    async def receive_ticket(self, wait_s: float) -> bool:
        return self.gives

    def close(self) -> None:
        self.closed += 1


async def asked(
    monkeypatch: pytest.MonkeyPatch, server: Server | None, page: str | None
) -> tuple[list[str], Handshake | None]:
    """The pages that were asked for, and what was written down."""
    pages: list[str] = []

    async def opening(*_: object) -> Opened:
        return Opened(cast(Any, server), 0.001, 0.002)

    async def asking(_probe: object, _where: object, _tls: object, path: str) -> None:
        pages.append(path)

    monkeypatch.setattr(tokens, "open_tls", opening)
    monkeypatch.setattr(tokens, "ask", asking)
    probe = SimpleNamespace(record=Recorder(ScriptedClock()), record_chain=lambda *_: ())
    return pages, await ask_for_key(cast(Any, probe), DOOR, cast(Any, None), page)


@pytest.mark.parametrize(
    ("gives", "page", "pages"), [(True, "/", []), (False, "/", ["/"]), (False, None, []), (True, None, [])]
)
async def test_a_page_is_asked_for_where_no_ticket_came(
    monkeypatch: pytest.MonkeyPatch, gives: bool, page: str | None, pages: list[str]
) -> None:
    server = Server(gives)
    told, seen = await asked(monkeypatch, server, page)
    assert told == pages
    assert seen is not None
    assert (seen.address, seen.sni, seen.version, seen.elapsed_s) == (
        "198.51.100.11", "keys.example.com", "TLSv1.3", 0.002,
    )  # fmt: skip
    assert server.closed == 1


async def test_a_handshake_that_failed_is_told_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await asked(monkeypatch, None, "/") == ([], None)
