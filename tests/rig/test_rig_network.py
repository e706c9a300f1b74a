"""The networks of the rig, seen by plain sockets."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rig.net import CLIENT_IPV4, CLIENT_IPV6, Loopback, Rejection
from tests.rig.process import Listening, MissingError, Place, Server, ServerError
from tests.rig.rig import Rig, open_rig

pytestmark = pytest.mark.real

LISTEN = """
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listener = socket.create_server((address, port), family=family)
time.sleep(600)
"""


def listener(rig: Rig, address: str, port: int) -> Server:
    return Server(
        [sys.executable, "-c", LISTEN, address, str(port)],
        place=rig.network.servers,
        directory=rig.directory,
        name="listener",
        listening=[Listening(address, port)],
    )


def connect(address: str, port: int, timeout_s: float = 5.0, source: str | None = None) -> str:
    """Connect, and give the errno's name, "timeout" or the local address."""
    try:
        with socket.create_connection((address, port), timeout_s, (source, 0) if source else None) as made:
            return str(made.getsockname()[0])
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))


def test_a_server_is_reached_and_is_gone_after_stop(rig: Rig) -> None:
    address, port = rig.address("192.0.2.11"), rig.port(443)
    with listener(rig, address, port):
        assert rig.client.call(connect, address, port) != "ECONNREFUSED"
    assert rig.client.call(connect, address, port) == "ECONNREFUSED"


def test_an_address_keeps_its_port(rig: Rig) -> None:
    assert rig.port(443) == rig.port(443)
    assert rig.port(443) != rig.port(444)


def test_namespaces_serve_both_families_and_several_sources(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    rig.network.source("203.0.113.11")
    rig.network.source("192.0.2.200")
    ipv4, ipv6 = rig.address("192.0.2.11"), rig.address("2001:db8:1::11")
    with listener(rig, ipv4, 443), listener(rig, ipv6, 443):
        assert rig.client.call(connect, ipv4, 443) == CLIENT_IPV4
        assert rig.client.call(connect, ipv6, 443) == CLIENT_IPV6
        assert rig.client.call(connect, ipv4, 443, source="203.0.113.11") == "203.0.113.11"
        assert rig.client.call(connect, ipv4, 443, source="192.0.2.200") == "192.0.2.200"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tcp-reset", "ECONNREFUSED"),
        ("port-unreachable", "ECONNREFUSED"),
        ("host-unreachable", "EHOSTUNREACH"),
        ("admin-prohibited", "EHOSTUNREACH"),
        ("net-unreachable", "ENETUNREACH"),
    ],
)
def test_a_rejection_gives_its_error_every_time(namespaced_rig: Rig, kind: Rejection, expected: str) -> None:
    rig = namespaced_rig
    address = rig.address("192.0.2.11")
    with listener(rig, address, 443):
        rig.network.reject(address, kind)
        assert [rig.client.call(connect, address, 443, 2.0) for _ in range(3)] == [expected] * 3
        rig.network.clear()
        assert rig.client.call(connect, address, 443) == CLIENT_IPV4


def test_a_rejection_over_ipv6(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    address = rig.address("2001:db8:1::11")
    rig.network.reject(address, "host-unreachable", 443)
    assert rig.client.call(connect, address, 443, 2.0) == "EHOSTUNREACH"
    assert rig.client.call(connect, address, 444, 2.0) == "ECONNREFUSED"


def test_a_black_hole_times_out_and_only_there(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    dark, light = rig.address("192.0.2.11"), rig.address("192.0.2.12")
    with listener(rig, dark, 443), listener(rig, light, 443):
        rig.network.blackhole(dark)
        assert rig.client.call(connect, dark, 443, 0.3) == "timeout"
        assert rig.client.call(connect, light, 443) == CLIENT_IPV4


def test_a_black_hole_may_spare_the_balancer(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    address = rig.address("192.0.2.11")
    with listener(rig, address, 443):
        rig.network.blackhole(address, 443, from_client_only=True)
        assert rig.client.call(connect, address, 443, 0.3) == "timeout"
        assert rig.network.servers.call(connect, address, 443) == address


def test_routes_and_neighbours_that_are_missing(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    kept = rig.address("198.51.100.11")
    rig.network.no_route("192.0.2.0/24")
    assert rig.client.call(connect, "192.0.2.11", 443) == "ENETUNREACH"
    assert rig.client.call(connect, kept, 443) == "ECONNREFUSED"
    rig.network.absent("192.0.2.77")
    assert rig.client.call(connect, "192.0.2.77", 443, 10.0) == "EHOSTUNREACH"


def test_the_kernel_balances(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    vip, members = rig.address("192.0.2.100"), [rig.address(f"192.0.2.{n}") for n in (11, 12, 13)]
    rig.network.balance(vip, 443, members)
    with listener(rig, members[0], 443), listener(rig, members[2], 443):
        seen = [rig.client.call(connect, vip, 443) for _ in range(6)]
        # The second member is closed: every third connection is refused.
        assert seen.count("ECONNREFUSED") == 2
        assert seen[:3] == seen[3:]
        rig.network.balance(vip, 443, members, "source")
        assert len({rig.client.call(connect, vip, 443) for _ in range(6)}) == 1
        rig.network.blackhole(members[0])
        rig.network.balance(vip, 443, members[:1])
        assert rig.client.call(connect, vip, 443, 0.3) == "timeout"


def test_a_delayed_link_delays_by_what_it_says(tmp_path: Path) -> None:
    with open_rig(tmp_path, delay_ms=20) as rig:
        address, ipv6 = rig.address("192.0.2.11"), rig.address("2001:db8:1::11")
        with listener(rig, address, 443), listener(rig, ipv6, 443):

            def round_trip_ms(where: str) -> float:
                begun = time.perf_counter()
                connect(where, 443)
                return (time.perf_counter() - begun) * 1000

            for where in (address, ipv6):
                fastest = min(rig.client.call(round_trip_ms, where) for _ in range(5))
                assert 40.0 <= fastest < 60.0


def test_a_lossy_link_loses(tmp_path: Path) -> None:
    with open_rig(tmp_path, loss=1.0) as rig:
        address = rig.address("192.0.2.11")
        assert rig.client.call(connect, address, 443, 0.3) == "timeout"


def test_the_clients_resolver_and_hosts_are_its_own(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    rig.network.resolvers("192.0.2.53", search=("example.test",))
    rig.network.hosts("192.0.2.11 pinned.example.test\n")
    assert "192.0.2.53" in rig.client.run("cat", "/etc/resolv.conf").stdout
    assert (
        rig.client.call(Path("/etc/resolv.conf").read_text) == "nameserver 192.0.2.53\nsearch example.test\n"
    )
    assert rig.client.call(socket.gethostbyname, "pinned.example.test") == "192.0.2.11"
    assert "192.0.2.53" not in Path("/etc/resolv.conf").read_text()


def test_an_exception_inside_comes_out(rig: Rig) -> None:
    with pytest.raises(ZeroDivisionError):
        rig.client.call(lambda: 1 / 0)


def test_loopback_has_addresses_per_instance_and_says_what_it_cannot() -> None:
    one, other = Loopback(), Loopback()
    try:
        assert one.address("192.0.2.11").endswith(".1.11")
        assert one.address("198.51.100.11").endswith(".2.11")
        assert one.address("192.0.2.11") != other.address("192.0.2.11")
        assert one.port(443) != other.port(443)
        assert one.nameserver("192.0.2.53") == one.nameserver("192.0.2.53") != one.nameserver("192.0.2.54")
        address, port = one.address("192.0.2.11"), one.port(443)
        assert connect(address, port) == "ECONNREFUSED"
        one.blackhole(address, port)
        assert connect(address, port, 0.3) == "timeout"
        with pytest.raises(MissingError):
            one.address("2001:db8::1")
        with pytest.raises(MissingError):
            one.resolvers("192.0.2.53")
        with pytest.raises(ValueError):
            one.address("10.0.0.1")
    finally:
        one.close()
        other.close()


def test_a_server_that_fails_tells_why(rig: Rig) -> None:
    with pytest.raises(ServerError, match="no luck today"):
        Server(
            ["sh", "-c", "echo no luck today; exit 3"],
            place=rig.network.servers,
            directory=rig.directory,
            log_line="never said",
        )
    with pytest.raises(ServerError, match=r"no .*Listening"):
        Server(
            ["sleep", "60"],
            place=rig.network.servers,
            directory=rig.directory,
            listening=[Listening(rig.address("192.0.2.11"), 1)],
            deadline_s=0.1,
        )


def test_a_frozen_server_accepts_and_says_nothing(rig: Rig) -> None:
    address, port = rig.address("192.0.2.11"), rig.port(443)
    with listener(rig, address, port) as server:
        server.freeze()
        assert rig.client.call(connect, address, port) not in ("timeout", "ECONNREFUSED")
        server.thaw()
        server.kill()
        assert not server.alive


def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    """Servers die with the process that started them, and its namespaces are removed by the next run."""
    program = f"""
import os, pathlib
from tests.rig.net import open_network
from tests.rig.process import Server
directory = pathlib.Path({str(tmp_path)!r})
network = open_network(directory)
command = ["sh", "-c", "echo up; exec sleep 600"]
server = Server(command, place=network.servers, directory=directory, log_line="^up")
print(server.pid, network.client.namespace, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    pid, namespace = done.stdout.split()
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(pid)
    with open_rig(tmp_path):
        assert not Path("/run/netns", namespace).exists()


def is_alive(pid: str) -> bool:
    """Say whether a process runs. Where nobody collects orphans, a dead one stays listed as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_places_are_places(rig: Rig) -> None:
    place: Place = rig.client
    assert place.holds(0) is (rig.client.namespace is None)
