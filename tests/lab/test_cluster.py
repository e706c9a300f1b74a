"""The lab as a whole: where it is, what it tells about itself, changing while it runs, ending without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import sys
import time
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from semscheck.lab.cluster import Lab, LabError, LabThread
from semscheck.lab.place import find_place
from semscheck.lab.scenarios import FQDN, SCENARIOS, members
from semscheck.lab.world import (
    Balancer,
    Behaviour,
    Certificate,
    Dns,
    Interface,
    Ipv6,
    Method,
    Persistence,
    TlsEnd,
    World,
)
from tests.lab.clients import TIMEOUT_S, addresses, context, split, visit

HEALTHY = SCENARIOS["healthy"].world
A, B, C = (member.name for member in HEALTHY.members)


def test_the_profile_is_toml_and_says_where_everything_is() -> None:
    with LabThread(HEALTHY) as thread:
        lab = thread.lab
        profile = tomllib.loads(lab.profile_toml())
        assert profile["target"] == {
            "fqdn": FQDN,
            "port": lab.port,
            "failover": "balancer",
            "balancers": [lab.balancer_address],
            "ca_file": str(lab.ca_file),
        }
        assert [member["name"] for member in profile["member"]] == [A, B, C]
        every = [member[role] for member in profile["member"] for role in ("replication", "client")]
        assert len({lab.balancer_address, *every}) == 7
        assert all(visit(lab, address).status == 200 for address in every)
        assert Path(profile["target"]["ca_file"]).is_file()
        assert tomllib.loads(lab.profile_toml(ca_file='a "b"\\c.pem'))["target"]["ca_file"] == 'a "b"\\c.pem'
    assert not lab.ca_file.exists()
    assert not lab.ca_file.parent.exists()


def test_the_profile_says_only_what_the_world_lets_it() -> None:
    with LabThread(replace(HEALTHY, profile_members=False, profile_services=(389,))) as thread:
        profile = tomllib.loads(thread.lab.profile_toml())
        assert "member" not in profile
        assert profile["services"]["check"] == [389]


def test_names_verify_with_the_lab_root_and_not_without(tmp_path: Path) -> None:
    with LabThread(HEALTHY) as thread:
        lab = thread.lab
        trusting = ssl.create_default_context(cafile=str(lab.ca_file))
        assert visit(lab, lab.balancer_address, trusting).status == 200
        for member in lab.members:
            assert visit(lab, member.replication, trusting, name=member.name).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            visit(lab, lab.balancer_address, ssl.create_default_context())


def test_one_address_plays_with_a_port_for_each_part() -> None:
    async def play() -> None:
        async with Lab(SCENARIOS["round-robin"].world, one_address=True) as lab:
            profile = tomllib.loads(lab.profile_toml())
            every = [member[role] for member in profile["member"] for role in ("replication", "client")]
            assert {split(address, 0)[0] for address in every} == {"127.0.0.1"}
            assert len(set(every)) == 6
            for address in every:
                assert (await asyncio.to_thread(visit, lab, address)).status == 200
            for _ in range(4):
                await asyncio.to_thread(visit, lab, lab.balancer_address)
            assert lab.served() == (A, B, C, A)
            assert await asyncio.to_thread(addresses, lab) == ("127.0.0.1",)

    asyncio.run(play())


@pytest.mark.parametrize("name", ["healthy-manual", "dns-to-replication"])
def test_one_address_plays_without_a_balancer(name: str) -> None:
    async def play() -> None:
        async with Lab(SCENARIOS[name].world, one_address=True) as lab:
            found = await asyncio.to_thread(addresses, lab)
            assert (await asyncio.to_thread(visit, lab, found[0])).status == 200
            assert lab.truth[-1].interface == ("client" if name == "healthy-manual" else "replication")
            assert lab.truth[-1].member == A

    asyncio.run(play())


def test_one_address_says_what_it_cannot_play() -> None:
    with pytest.raises(LabError, match="several addresses"):
        find_place(SCENARIOS["dns-round-robin"].world, one_address=True)


@pytest.mark.parametrize("bind", ["10.0.0.0/16", "nonsense", "192.0.2.300/24"])
def test_a_prefix_that_is_none_is_one_clear_line(bind: str) -> None:
    with pytest.raises(LabError, match="/24"):
        find_place(HEALTHY, bind)


def test_a_prefix_that_is_not_on_this_machine_says_so() -> None:
    with pytest.raises(LabError, match=r"--bind 192\.0\.2\.0/24.*interface"):
        find_place(HEALTHY, "192.0.2.0/24")


def test_a_prefix_decides_the_addresses() -> None:
    with LabThread(HEALTHY, bind="127.200.200.") as thread:
        lab = thread.lab
        assert lab.balancer_address == "127.200.200.100"
        assert lab.members[0].client == "127.200.200.111"
        assert lab.members[0].replication == "127.200.200.11"
        assert visit(lab, lab.balancer_address).status == 200


def test_interface_1_may_answer_on_444_only() -> None:
    world = replace(
        HEALTHY,
        members=tuple(replace(m, replication=Interface(on_replication_port=True)) for m in members(2)),
    )
    with LabThread(world) as thread:
        lab = thread.lab
        member = lab.place.members[0]
        assert member.replication.port != lab.port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((member.replication.address, lab.port), TIMEOUT_S)
        assert visit(lab, str(member.replication)).status == 200
        expected = member.replication.address if member.replication.port == 444 else str(member.replication)
        assert lab.members[0].replication == expected


def test_both_roles_on_one_address() -> None:
    world = HEALTHY.with_member(replace(members(1)[0], shares_address=True))
    with LabThread(world) as thread:
        assert thread.lab.members[0].client == thread.lab.members[0].replication
        assert visit(thread.lab, thread.lab.members[0].client).status == 200


def test_ipv6_balancer() -> None:
    world = replace(HEALTHY, dns=Dns(ipv6=Ipv6.BALANCER))
    with LabThread(world) as thread:
        if "::1" not in thread.lab.balancer_addresses:
            pytest.skip("no IPv6 here, or the port is taken")
        assert visit(thread.lab, "::1").status == 200
        assert thread.lab.served() == (A,)


def test_a_member_goes_down_and_comes_back() -> None:
    with LabThread(HEALTHY) as thread:
        lab = thread.lab
        visit(lab, lab.balancer_address)
        thread.set_member(A, up=False)
        with pytest.raises(ConnectionRefusedError):
            visit(lab, lab.members[0].client)
        thread.call(lab.check_members())
        visit(lab, lab.balancer_address)
        assert lab.served()[-1] == B
        thread.set_member(A, up=True)
        assert visit(lab, lab.members[0].client).status == 200
        visit(lab, lab.balancer_address)
        assert lab.served()[-1] == B  # fail-over stays where it is


def test_the_balancer_finds_out_by_itself() -> None:
    with LabThread(HEALTHY) as thread:
        lab = thread.lab
        thread.set_member(A, up=False)
        deadline = time.monotonic() + TIMEOUT_S
        while not lab.served() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                visit(lab, lab.balancer_address)
            time.sleep(0.01)
        assert lab.served() == (B,)


@pytest.mark.parametrize("how", [Behaviour.FROZEN, Behaviour.BLACKHOLE])
def test_a_member_freezes_while_connections_are_open(how: Behaviour) -> None:
    with LabThread(HEALTHY) as thread:
        lab = thread.lab
        address = lab.members[0].client
        with (
            socket.create_connection((address, lab.port), TIMEOUT_S) as plain,
            context().wrap_socket(plain) as open_already,
        ):
            open_already.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert open_already.recv(1000)
            thread.set_member(lab.members[0].name, up=False, how=how)
            open_already.settimeout(0.3)
            if how is Behaviour.FROZEN:
                open_already.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                with pytest.raises(TimeoutError):
                    open_already.recv(1)
            with pytest.raises(TimeoutError), socket.create_connection((address, lab.port), 0.3) as fresh:
                fresh.recv(1)
        thread.set_member(lab.members[0].name, up=True)
        assert visit(lab, address).status == 200


def test_the_balancer_and_the_name_server_change_while_they_run() -> None:
    with LabThread(HEALTHY) as thread:
        lab = thread.lab
        for _ in range(3):
            visit(lab, lab.balancer_address)
        thread.call(lab.change_balancer(method=Method.ROUND_ROBIN))
        for _ in range(3):
            visit(lab, lab.balancer_address)
        thread.call(lab.change_balancer(tls_end=TlsEnd.RE_ENCRYPTED, persistence=Persistence.COOKIE))
        assert "SERVERID" in visit(lab, lab.balancer_address).cookies()
        thread.call(lab.change(replace(lab.world, dns=replace(lab.world.dns, points_to=(B,)))))
        assert addresses(lab) == (lab.members[1].client,)
        thread.change(HEALTHY)
        assert addresses(lab) == (lab.balancer_address,)
        assert lab.served() == (A, A, A, A, B, C, A)


def test_a_connection_survives_a_change_of_method() -> None:
    with LabThread(HEALTHY) as thread:
        lab = thread.lab
        with (
            socket.create_connection((lab.balancer_address, lab.port), TIMEOUT_S) as plain,
            context().wrap_socket(plain) as tls,
        ):
            thread.call(lab.change_balancer(method=Method.ROUND_ROBIN))
            tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert tls.recv(100).startswith(b"HTTP/1.1 302")


def test_a_certificate_changes_while_it_runs_and_the_others_keep_their_sessions() -> None:
    with LabThread(HEALTHY) as thread:
        lab = thread.lab
        first, second = lab.members[0].client, lab.members[1].client
        tls = context()
        kept, before = visit(lab, second, tls), visit(lab, first)
        expired = Interface(certificate=Certificate(FQDN, not_after_days=-1))
        thread.change(HEALTHY.with_member(replace(HEALTHY.members[0], client=expired)))
        assert visit(lab, first).certificate != before.certificate
        assert visit(lab, second, tls, session=kept.session).reused


def test_a_running_lab_keeps_its_members() -> None:
    with LabThread(HEALTHY) as thread:
        with pytest.raises(LabError, match="members' names"):
            thread.change(replace(HEALTHY, members=members(2)))
        with pytest.raises(LabError, match="no member is called"):
            thread.set_member("nobody", up=False)


def test_a_lab_that_cannot_start_raises_where_it_is_entered() -> None:
    with pytest.raises(LabError, match="expected a /24"), LabThread(HEALTHY, bind="no"):
        pass
    with pytest.raises(LabError, match="does not run"):
        _ = Lab(HEALTHY).port


@pytest.mark.slow
@pytest.mark.parametrize("end", [TlsEnd.PASSED, TlsEnd.RE_ENCRYPTED])
def test_two_hundred_connections_twenty_at_once(end: TlsEnd) -> None:
    async def one(lab: Lab, tls: ssl.SSLContext, gate: asyncio.Semaphore) -> bytes:
        async with gate:
            reader, writer = await asyncio.open_connection(
                lab.balancer_address, lab.port, ssl=tls, server_hostname=lab.fqdn
            )
            writer.write(b"GET /b/l.e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer

    async def many() -> None:
        world = replace(HEALTHY, balancer=Balancer(Method.ROUND_ROBIN, tls_end=end))
        async with Lab(world) as lab:
            tls, gate = context(), asyncio.Semaphore(20)
            answers = await asyncio.gather(*(one(lab, tls, gate) for _ in range(200)))
            assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers)
            counts = Counter(lab.served())
            assert sorted(counts.values()) == [66, 67, 67]

    asyncio.run(many())


GARBAGE = (
    b"",
    b"\x00",
    b"\xff" * 70000,
    b"\x16\x03\x01\xff\xff" + b"a" * 70000,
    b"GET / HTTP/1.1\r\n" * 9000,
)


@pytest.mark.parametrize("end", [TlsEnd.PASSED, TlsEnd.RE_ENCRYPTED, TlsEnd.PLAIN])
def test_garbage_ends_its_own_connection_only(end: TlsEnd) -> None:
    world = replace(HEALTHY, balancer=Balancer(persistence=Persistence.NONE, tls_end=end))
    with LabThread(world) as thread:
        lab = thread.lab
        for address in (lab.balancer_address, lab.members[0].client, lab.members[1].replication):
            for data in GARBAGE:
                with socket.create_connection((address, lab.port), TIMEOUT_S) as sock:
                    try:
                        sock.sendall(data)
                        sock.shutdown(socket.SHUT_WR)
                        while sock.recv(65536):
                            pass
                    except OSError:
                        continue
            with (
                socket.create_connection((address, lab.port), TIMEOUT_S) as plain,
                context().wrap_socket(plain) as tls,
            ):
                tls.sendall(b"\xffnonsense\r\n\r\n")
                assert tls.recv(1000).startswith(b"HTTP/1.1 400 ")
            assert visit(lab, address).status == 200


@pytest.mark.parametrize(
    "behaviour", [Behaviour.SERVING, Behaviour.STALLED, Behaviour.FROZEN, Behaviour.HTTP_SILENT]
)
def test_it_ends_cleanly_with_connections_open(behaviour: Behaviour) -> None:
    problems: list[object] = []

    async def leave_open() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: problems.append(what))
        world = replace(HEALTHY, members=tuple(replace(m, client=Interface(behaviour)) for m in members(3)))
        async with Lab(world) as lab:
            left = []
            for address in (lab.balancer_address, *(member.client for member in lab.members)):
                reader, writer = await asyncio.open_connection(address, lab.port)
                writer.write(b"\x16\x03\x01")
                await writer.drain()
                left.append((reader, writer))
            await asyncio.sleep(0.05)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others
        for _, writer in left:
            writer.close()
        await asyncio.sleep(0)

    seen: list[object] = []
    hook, sys.unraisablehook = sys.unraisablehook, seen.append
    try:
        asyncio.run(leave_open())
        gc.collect()
    finally:
        sys.unraisablehook = hook
    assert not problems
    assert not seen


@pytest.mark.slow
def test_every_scenario_starts_and_ends() -> None:
    async def play(world: World) -> None:
        async with Lab(world) as lab:
            tomllib.loads(lab.profile_toml())

    for scenario in SCENARIOS.values():
        asyncio.run(play(scenario.world))
