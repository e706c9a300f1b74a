"""While the check runs: members that are dead or frozen, a fail-over, other clients."""

from __future__ import annotations

import contextlib
import functools
import random
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from semscheck.model.target import Limits
from tests.balancers.stand import FQDN, LIMITS, SPREADING, Checked, Stand
from tests.balancers.test_haproxy_http import ending
from tests.balancers.test_haproxy_tcp import weighted
from tests.rig.balancers import Backend, HAProxy, NginxHttp, NginxStream
from tests.rig.clients import connected, context
from tests.rig.members import Interface, NginxMember
from tests.rig.process import Server

pytestmark = pytest.mark.real

IMPATIENT = Limits(timeout_s=2.0, deadline_s=180.0)


# --- members in trouble ---


@contextlib.contextmanager
def a_member_of_its_own(stand: Stand) -> Iterator[tuple[Backend, Server]]:
    """A member that may be killed or frozen without harm to others."""
    address = stand.rig.address("198.51.100.90")
    with stand.running(NginxMember("sems3", (Interface(address, stand.port, stand.certificate),))) as server:
        yield Backend("sems3", address, stand.port), server


def test_a_dead_member_that_is_still_in_the_pool(stand: Stand) -> None:
    with a_member_of_its_own(stand) as (third, server):
        members = (*stand.members("tickets")[:2], third)
        server.kill()
        with stand.running(HAProxy(stand.listen, members)) as balancer:
            target = stand.target(members, limits=IMPATIENT, connections=9)
            checked = stand.check(target, balancer)
    # Nine connections, a third of them lost: the cycle may not be beyond doubt.
    assert checked.balancing_codes in ({"BAL001", "BAL012"}, {"BAL002", "BAL012"}), checked.said
    assert checked.report.summary.verdict == "critical"
    assert checked.path.errors == 3
    assert "sems3" not in {true for _, true, _ in checked.attributed()}
    checked.assert_attributed_rightly(4)


def test_a_dead_member_that_was_taken_out(stand: Stand) -> None:
    """nginx tries the next member, and leaves the dead one alone for a while: nobody fails."""
    with a_member_of_its_own(stand) as (third, server):
        members = (*stand.members("tickets")[:2], third)
        server.kill()
        with stand.running(NginxStream(stand.listen, members)) as balancer:
            checked = stand.check(stand.target(members), balancer)
    assert "BAL012" not in checked.codes, checked.said
    assert checked.balancing_codes & SPREADING, checked.said
    checked.assert_attributed_rightly(8)


def test_a_frozen_member_that_is_still_in_the_pool(stand: Stand) -> None:
    """The kernel accepts for a stopped process, so a balancer's TCP check sees nothing wrong."""
    with a_member_of_its_own(stand) as (third, server):
        members = (*stand.members("tickets")[:2], third)
        server.freeze()
        with stand.running(HAProxy(stand.listen, members, check=True)) as balancer:
            target = stand.target(members, limits=IMPATIENT, connections=9)
            checked = stand.check(target, balancer)
    assert checked.balancing_codes in ({"BAL001", "BAL012"}, {"BAL002", "BAL012"}), checked.said
    assert checked.report.summary.verdict == "critical"
    checked.assert_attributed_rightly(4)


def test_a_frozen_member_that_is_the_only_one_used(stand: Stand) -> None:
    with a_member_of_its_own(stand) as (third, server):
        members = (third, *stand.members("tickets")[:2])
        server.freeze()
        with stand.running(HAProxy(stand.listen, members, method="first")) as balancer:
            checked = stand.check(stand.target(members, limits=IMPATIENT), balancer)
    assert checked.report.summary.verdict == "critical", checked.said
    assert not checked.balancing_codes - {"BAL012"}, checked.said


def test_a_member_that_cannot_be_asked_is_not_taken_for_another(stand: Stand) -> None:
    """Its client interface is closed to this desktop, though the balancer reaches it."""
    with a_member_of_its_own(stand) as (third, _):
        members = (*stand.members("tickets")[:2], third)
        stand.rig.network.blackhole(third.address, from_client_only=True)
        try:
            with stand.running(HAProxy(stand.listen, members)) as balancer:
                checked = stand.check(stand.target(members, limits=IMPATIENT), balancer)
        finally:
            stand.rig.network.clear()
    assert "sems3.example.test" not in checked.arm("fresh"), checked.said
    assert checked.balancing_codes & (SPREADING | {"BAL008"}), checked.said
    assert checked.report.summary.exit_code != 0
    checked.assert_attributed_rightly(4)


def test_the_only_member_in_use_cannot_be_asked(stand: Stand) -> None:
    with a_member_of_its_own(stand) as (third, _):
        members = (*stand.members("tickets")[:2], third)
        stand.rig.network.blackhole(third.address, from_client_only=True)
        try:
            with stand.running(HAProxy(stand.listen, (third,))) as balancer:
                checked = stand.check(stand.target(members, limits=IMPATIENT), balancer)
        finally:
            stand.rig.network.clear()
    assert checked.path.method == "unknown", checked.said
    assert "BAL008" in checked.codes


# --- a fail-over in the middle ---


def test_only_a_server_answers_that_the_profile_does_not_name(stand: Stand) -> None:
    members = stand.members("tickets")
    with stand.running(HAProxy(stand.listen, members[2:])) as balancer:
        checked = stand.check(stand.target(members[:2]), balancer)
    assert checked.balancing_codes == {"BAL008", "BAL010"}, checked.said
    told = {finding.code: finding for finding in checked.report.findings}
    assert "no member has the TLS ticket key of the FQDN's address" in told["BAL008"].summary
    assert "name every server of the pool" in told["BAL008"].remedy
    assert told["BAL010"].confidence == "likely"
    assert checked.path.unlisted_or_terminated


def test_one_of_two_balancer_nodes_has_an_old_certificate(stand: Stand) -> None:
    """Seldom met: most looks see the good one only."""
    members = stand.members("tickets")
    old = stand.rig.authority.issue(FQDN, starts_days=-100, days=-2)
    places = [stand.rig.address(f"198.51.100.{n}") for n in (94, 95)]
    nodes = [
        NginxHttp(((place, stand.port),), members, certificate, method="ip_hash")
        for place, certificate in zip(places, (stand.certificate, old), strict=True)
    ]
    pool = (Backend("node1", places[0], stand.port, weight=7), Backend("node2", places[1], stand.port))
    with (
        stand.running(nodes[0]),
        stand.running(nodes[1]),
        stand.running(HAProxy(stand.listen, pool)) as balancer,
    ):
        checked = stand.check(stand.target(members), balancer)
    told = {finding.code: finding.summary for finding in checked.report.findings}
    assert re.search(r"\(on \d of \d\d connections\) expired", told["CRT004"]), checked.said
    assert "TLS007" not in told, checked.said


def test_a_round_robin_is_seen_through_a_member_that_does_not_answer(stand: Stand) -> None:
    """Half of the connections fail, in turn with the others: no balancer that always chooses one member does that."""
    with a_member_of_its_own(stand) as (second, server):
        members = (stand.members("tickets")[0], replace(second, name="sems2"))
        server.kill()
        with stand.running(HAProxy(stand.listen, members)) as balancer:
            checked = stand.check(stand.target(members, limits=IMPATIENT), balancer)
    assert (checked.path.method, checked.path.persistence) == ("rotating", "none"), checked.said
    assert set(checked.path.cycle) == {"sems1.example.test", "a server that fails"}
    assert checked.balancing_codes == {"BAL001", "BAL012"}, checked.said


@pytest.mark.parametrize("count", [2, 3])
def test_a_round_robin_is_seen_through_a_member_that_gives_no_sessions(stand: Stand, count: int) -> None:
    members = stand.members("one is mute")[:count]
    with stand.running(HAProxy(stand.listen, members)) as balancer:
        checked = stand.check(stand.target(members), balancer)
    assert (checked.path.method, checked.path.persistence) == ("rotating", "none"), checked.said
    assert checked.balancing_codes == {"BAL001"}, checked.said
    assert (
        f"{count} servers, a server that was not identified among them" in checked.finding("BAL001").summary
    )


def test_what_a_mute_member_may_have_answered_is_not_called_steady(stand: Stand) -> None:
    members = weighted(stand.members("one is mute")[:2], 10, 1)
    with stand.running(HAProxy(stand.listen, members)) as balancer:
        checked = stand.check(stand.target(members), balancer)
    assert checked.balancing_codes == {"BAL008"}, checked.said
    assert "gives nothing to identify it by" in checked.finding("BAL008").summary


def maintenance(balancer: Server, name: str, state: str = "maint") -> None:
    """Take a member out of service, or put it back, through HAProxy's own socket."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(balancer.directory / "s"))
        control.sendall(f"set server members/{name} state {state}\n".encode())
        control.shutdown(socket.SHUT_WR)
        while control.recv(4096):
            pass


def test_a_fail_over_while_the_check_runs(stand: Stand) -> None:
    members = stand.members("tickets")
    with stand.running(HAProxy(stand.listen, members, method="first")) as balancer:
        # Four connections look at the balancer; the rest are the fresh arm.
        during = {(stand.vip, 20): lambda: maintenance(balancer, "sems1")}
        checked = stand.check(stand.target(members), balancer, before=during)
    assert set(checked.arm("fresh")) == {"sems1.example.test", "sems2.example.test"}, checked.said
    assert checked.path.method == "unknown", checked.said
    assert checked.balancing_codes == {"BAL008"}
    assert "failover" in checked.finding("BAL008").summary
    checked.assert_attributed_rightly(32)


FLAPS = range(14, 60, 5)  # connections before which the first member goes away, and comes back


@pytest.mark.parametrize("known", [False, True], ids=["name only", "members known"])
def test_a_pool_that_goes_up_and_down_is_seen_in_blocks(stand: Stand, known: bool) -> None:
    """One server answers for a while, and then another: nobody's session lasts, whatever the shares are."""
    members = stand.members("tickets")
    with stand.running(HAProxy(stand.listen, members, method="first")) as balancer:
        during = {
            (stand.vip, number): functools.partial(
                maintenance, balancer, "sems1", "ready" if at % 2 else "maint"
            )
            for at, number in enumerate(FLAPS)
        }
        checked = stand.check(stand.target(members if known else ()), balancer, before=during)
    assert checked.path.blocks, checked.said
    assert checked.balancing_codes & SPREADING, checked.said
    assert checked.report.summary.exit_code == 2


@pytest.mark.parametrize("kind", ["tickets", "sessions", "mute"])
def test_a_failover_in_the_middle_with_only_the_name_is_not_ok(stand: Stand, kind: str) -> None:
    with stand.running(HAProxy(stand.listen, stand.members(kind), method="first")) as balancer:
        during = {(stand.vip, 24): functools.partial(maintenance, balancer, "sems1")}
        checked = stand.check(stand.target(), balancer, before=during)
    assert checked.report.summary.exit_code != 0, checked.said
    assert "BAL009" not in checked.balancing_codes, checked.said


def test_persistence_that_is_lost_on_the_way(stand: Stand) -> None:
    members = stand.members("sessions")
    with stand.running(ending(stand, members, cookie="insert")) as balancer:
        first = stand.check(stand.target(members), balancer)
        opened = [d for d in first.notes.dialled if d.address == stand.vip]
        cookie = first.notes.client_of(first.samples("cookie")[4])
        at = next(number for number, d in enumerate(opened, start=1) if d.client == cookie)
    with stand.running(ending(stand, members, cookie="insert")) as balancer:
        during = {(stand.vip, at): lambda: maintenance(balancer, "sems1")}
        checked = stand.check(stand.target(members), balancer, before=during)
    assert "BAL006" in checked.codes, checked.said
    assert checked.report.summary.verdict == "critical"


# --- other clients ---


@contextlib.contextmanager
def other_clients(stand: Stand, seed: int) -> Iterator[None]:
    """Another client, at moments of its own, from another address (a server's), for as long as the block lasts."""
    over = threading.Event()
    lot = random.Random(seed)
    using = context()

    def visit() -> None:
        while not over.is_set():
            with (
                contextlib.suppress(OSError, ssl.SSLError),
                connected(stand.vip, stand.port) as plain,
                using.wrap_socket(plain, server_hostname=FQDN),
            ):
                over.wait(lot.uniform(0, 0.004))
            over.wait(lot.uniform(0, 0.012))

    thread = threading.Thread(target=lambda: stand.rig.network.servers.call(visit))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("balancer", "verdicts"),
    [
        (lambda s, m: HAProxy(s.listen, m), {"critical", "warning"}),
        (lambda s, m: HAProxy(s.listen, m, method="leastconn"), {"critical", "warning"}),
        (lambda s, m: HAProxy(s.listen, m, method="random"), {"critical", "warning"}),
        (lambda s, m: NginxStream(s.listen, m), {"critical", "warning"}),
        (lambda s, m: HAProxy(s.listen, weighted(m, 10, 1)), {"critical", "warning", "ok"}),
        (lambda s, m: HAProxy(s.listen, m, method="first"), {"ok"}),
        (lambda s, m: HAProxy(s.listen, m, stick="source"), {"ok"}),
        (lambda s, m: NginxStream(s.listen, m, "hash $remote_addr"), {"ok"}),
    ],
    ids=["round robin", "leastconn", "random", "nginx", "weights", "first", "source", "hash"],
)
def test_other_clients_do_not_turn_broken_into_healthy(
    stand: Stand, balancer: object, verdicts: set[str]
) -> None:
    """A round robin may become `even`, and up to 1 % of runs call that weights; it never becomes `single`."""
    members = stand.members("tickets")
    with stand.running(balancer(stand, members)) as server, other_clients(stand, 3):  # type: ignore[operator]
        checked = stand.check(stand.target(members), server)
    assert str(checked.report.summary.verdict) in verdicts, checked.said
    if verdicts == {"ok"}:
        assert checked.balancing_codes == {"BAL009"}
    checked.assert_attributed_rightly(8)


def test_other_clients_and_a_cookie(stand: Stand) -> None:
    members = stand.members("sessions")
    with stand.running(ending(stand, members, cookie="insert")) as server, other_clients(stand, 4):
        checked = stand.check(stand.target(members), server)
    assert checked.path.persistence == "cookie", checked.said
    assert checked.balancing_codes <= {"BAL004", "BAL005", "BAL010"}, checked.said
    checked.assert_attributed_rightly(16)


# --- the controls of these tests ---


def test_a_tracing_that_is_wrong_would_be_noticed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were each token said to be known to the next member, the attribution would be seen to be wrong."""
    from semscheck.sampling.tracing import Tracer

    members = stand.members("cache")
    right = Tracer.write_down

    def shifted(self: Tracer, began, sample, door, *rest) -> None:  # type: ignore[no-untyped-def]
        names = self.members
        wrong = names[(names.index(door.name) + 1) % len(names)]
        right(self, began, sample, replace(door, name=wrong), *rest)

    monkeypatch.setattr(Tracer, "write_down", shifted)
    with stand.running(HAProxy(stand.listen, members)) as server:
        checked = stand.check(stand.target(members), server)
    with pytest.raises(AssertionError):
        checked.assert_attributed_rightly(1)


def test_a_tracing_that_names_nobody_gives_no_verdict(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    from semscheck.sampling.tracing import Tracer

    async def blind(*_: object) -> None:
        pass

    members = stand.members("cache")
    monkeypatch.setattr(Tracer, "_trace_session", blind)
    monkeypatch.setattr(Tracer, "_trace_cookies", blind)
    for method in ("roundrobin", "first"):
        with stand.running(HAProxy(stand.listen, members, method=method)) as server:  # type: ignore[arg-type]
            checked = stand.check(stand.target(members), server)
        assert checked.path.method == "unknown", checked.said
        assert checked.balancing_codes - {"BAL010"} == {"BAL008"}, checked.said
        assert checked.report.summary.exit_code == 3


def test_a_deadline_ends_the_check_with_what_there_is(stand: Stand) -> None:
    members = stand.members("tickets")
    limits = replace(LIMITS, deadline_s=0.3)
    with stand.running(HAProxy(stand.listen, members, method="first")) as server:
        target = stand.target(members, limits=limits, connections=200, connections_given=True)
        checked: Checked = stand.check(target, server)
    assert "SEM002" in checked.codes, checked.said
    assert checked.report.summary.exit_code != 0
