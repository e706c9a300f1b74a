"""TLS sessions and HTTP sessions: whose they are decides everything that token tracing can say."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

import pytest

from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import members
from semscheck.lab.world import Interface, Resumption, Tls, Web, World
from semscheck.net.backend import SocketDialler
from semscheck.net.http import Conversation
from semscheck.net.tls import Tls as Connection
from semscheck.net.tls_contexts import seeing
from tests.lab.clients import context, split, visit

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


TLS, WEB = Tls(), Web()


def world(tls: Tls = TLS, web: Web = WEB) -> World:
    changed = tuple(replace(member, client=Interface(tls=tls), web=web) for member in members(2))
    return World("w", "s", "keys.example.test", changed)


def reuse(lab_world: World, version: ssl.TLSVersion) -> tuple[bool, bool]:
    """Return whether a session of the first member is resumed by the first, and by the second."""
    with LabThread(lab_world) as thread:
        first, second = (member.client for member in thread.lab.members)
        tls = context(version)
        given = visit(thread.lab, first, tls)
        assert not given.reused
        own = visit(thread.lab, first, tls, session=given.session).reused
        other = visit(thread.lab, second, tls, session=given.session).reused
        return own, other


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resumption", [Resumption.TICKETS, Resumption.SESSION_IDS])
def test_a_member_resumes_its_own_sessions_only(version: ssl.TLSVersion, resumption: Resumption) -> None:
    assert reuse(world(Tls(resumption=resumption)), version) == (True, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_shared_keys_make_members_resume_each_others_sessions(version: ssl.TLSVersion) -> None:
    assert reuse(world(Tls(ticket_group="pool")), version) == (True, True)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_resumed_where_resumption_is_off(version: ssl.TLSVersion) -> None:
    assert reuse(world(Tls(resumption=Resumption.NONE)), version) == (False, False)


def key_names(tls: Tls, version: ssl.TLSVersion, connections: int, page: bool = True) -> list[str | None]:
    """The key of the tickets of one member, as a run writes it down, connection after connection."""

    async def one(address: str, port: int) -> str | None:
        opened = Connection(
            await SocketDialler().connect(address, port), seeing(version), "keys.example.test"
        )
        try:
            await opened.handshake()
            if page:
                await Conversation(opened, "keys.example.test", port, "test").get("/")
            await opened.receive_ticket(0.2)
            return (
                opened.ticket.prefixes[-1] if opened.ticket is not None and opened.ticket.prefixes else None
            )
        finally:
            opened.close()

    async def all_of_them(address: str, port: int) -> list[str | None]:
        return [await one(address, port) for _ in range(connections)]

    with LabThread(world(tls)) as thread:
        return asyncio.run(all_of_them(*split(thread.lab.members[0].client or "", thread.lab.port)))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_key_of_tickets_stays_or_changes_as_declared(version: ssl.TLSVersion) -> None:
    assert len(set(key_names(TLS, version, 4))) == 1
    first, second, third, fourth = key_names(Tls(new_key_after=2), version, 4)
    assert first == second != third == fourth
    assert key_names(Tls(resumption=Resumption.NONE), version, 2) == [None, None]


def test_late_tickets_come_with_the_first_answer() -> None:
    late = Tls(late_tickets=True)
    assert key_names(late, ssl.TLSVersion.TLSv1_3, 2, page=False) == [None, None]
    assert None not in key_names(late, ssl.TLSVersion.TLSv1_3, 2)
    assert None not in key_names(late, ssl.TLSVersion.TLSv1_2, 2, page=False)


def test_session_ids_come_without_a_ticket_and_tickets_without_a_server_side_id() -> None:
    for resumption, has_ticket in ((Resumption.TICKETS, True), (Resumption.SESSION_IDS, False)):
        with LabThread(world(Tls(resumption=resumption))) as thread:
            given = visit(thread.lab, thread.lab.members[0].client, context(ssl.TLSVersion.TLSv1_2))
            assert given.session is not None
            assert given.session.has_ticket is has_ticket


def test_a_session_cookie_is_recognised_by_the_member_that_set_it() -> None:
    with LabThread(world()) as thread:
        first, second = (member.client for member in thread.lab.members)
        given = visit(thread.lab, first).cookies()
        assert set(given) == {"JSESSIONID"}
        assert visit(thread.lab, first, cookies=given).cookies() == {}
        other = visit(thread.lab, second, cookies=given).cookies()
        assert set(other) == {"JSESSIONID"}
        assert other != given
        assert visit(thread.lab, first, cookies={"JSESSIONID": "A" * 32}).cookies() != {}


def test_sessions_of_a_group_are_recognised_everywhere() -> None:
    with LabThread(world(web=Web(session_group="pool"))) as thread:
        first, second = (member.client for member in thread.lab.members)
        given = visit(thread.lab, first).cookies()
        assert visit(thread.lab, second, cookies=given).cookies() == {}


def test_the_route_follows_the_session_id() -> None:
    with LabThread(world(web=Web(route="node1"))) as thread:
        value = visit(thread.lab, thread.lab.members[0].client).cookies()["JSESSIONID"]
        assert value.endswith(".node1")
        assert len(value) == 32 + len(".node1")


def test_old_sessions_are_forgotten_when_there_are_too_many() -> None:
    with LabThread(world(web=Web(sessions_limit=3))) as thread:
        first = thread.lab.members[0].client
        oldest = visit(thread.lab, first).cookies()
        for _ in range(3):
            visit(thread.lab, first)
        assert visit(thread.lab, first, cookies=oldest).cookies() != {}


def test_pages_and_headers_are_the_same_on_all_members() -> None:
    with LabThread(world()) as thread:
        seen = []
        for member in thread.lab.members:
            answer = visit(thread.lab, member.client)
            kept = tuple((k, v) for k, v in answer.headers if k not in ("Date", "Set-Cookie"))
            seen.append((answer.status, kept, answer.body, answer.certificate, answer.version))
        assert seen[0] == seen[1]
