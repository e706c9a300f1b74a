"""Failovers on real servers, watched: HAProxy with a server stopped and started, the record changed by hand, the
address moved. What the watch says is held against the balancer's log and the times at which things were done."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import kill
from pathlib import Path
from queue import SimpleQueue
from time import monotonic, sleep

import pytest

from semscheck import pipeline
from semscheck.model.events import Event, Observed
from semscheck.model.observations import Sample
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Failover, Member, Target
from tests.rig.balancers import Backend, HAProxy
from tests.rig.certs import Issued
from tests.rig.dnsservers import Bind, Zone
from tests.rig.members import Interface, NginxMember
from tests.rig.process import Server
from tests.rig.rig import Rig

pytestmark = pytest.mark.real

DOMAIN, FQDN, VIP = "example.test", "keys.example.test", "192.0.2.100"
EVERY_S = 0.5
TICKS = 1.5  # by which an outage may be measured too long or too short
NAMES = ("sems1", "sems2")


@dataclass
class Watch:
    """A watch under way in the client's namespace, while the test does what an administrator would."""

    rig: Rig
    target: Target
    ticks: int = 0
    report: Report | None = None
    marks: SimpleQueue[tuple[datetime, str]] = field(default_factory=SimpleQueue)
    _more: threading.Condition = field(default_factory=threading.Condition)

    def heard(self, event: Event) -> None:
        if isinstance(event, Observed) and isinstance(event.observation, Sample):
            with self._more:
                self.ticks += 1
                self._more.notify_all()

    def go_on(self, ticks: int) -> None:
        """Wait until so many more connections were made."""
        with self._more:
            wanted = self.ticks + ticks
            assert self._more.wait_for(lambda: self.ticks >= wanted, timeout=120)

    def mark(self, text: str) -> None:
        self.marks.put((datetime.now(UTC), text))


@contextmanager
def watching(rig: Rig, target: Target) -> Iterator[Watch]:
    """Ends the watch with the block; its report is there then."""
    watch = Watch(rig, target)
    ready = threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        cancel = asyncio.Event()
        ends.append((asyncio.get_running_loop(), cancel))
        ready.set()
        watch.report = await pipeline.watch(
            target, every_s=EVERY_S, for_s=300, marks=watch.marks, listener=watch.heard, cancel=cancel
        )

    thread = threading.Thread(target=lambda: rig.client.call(asyncio.run, run()))
    thread.start()
    try:
        assert ready.wait(20)
        yield watch
    finally:
        loop, cancel = ends[0]
        loop.call_soon_threadsafe(cancel.set)
        thread.join(30)


@dataclass
class Cluster:
    """Two servers, which keep their key when they are started again if `same_keys`."""

    rig: Rig
    same_keys: bool = False

    def __post_init__(self) -> None:
        self.certificate: Issued = self.rig.authority.issue(FQDN)
        self.members = tuple(Backend(name, f"198.51.100.{11 + at}", 443) for at, name in enumerate(NAMES))
        self.servers: dict[str, Server] = {}
        for one in self.members:
            self.start(one)

    def start(self, one: Backend) -> None:
        interface = Interface(self.rig.address(one.address), one.port, self.certificate)
        key = one.name.encode().ljust(80, b".") if self.same_keys else None
        self.servers[one.name] = self.rig.start(NginxMember(one.name, (interface,), ticket_key=key))

    def bind(self, address: str) -> Server:
        zone = Zone(DOMAIN, (f"keys 60 IN A {address}",), nameservers=(("ns1", "192.0.2.53"),))
        return self.rig.start(Bind((self.rig.nameserver("192.0.2.53"),), (zone,)))

    def target(self, *, known: bool = True, failover: Failover = Failover.BALANCER) -> Target:
        members = tuple(
            Member(f"{one.name}.{DOMAIN}", client=(Endpoint(one.address, one.port),)) for one in self.members
        )
        return Target(
            fqdn=FQDN,
            members=members if known else (),
            resolvers=(Endpoint("192.0.2.53", 53),),
            families=(4,),
            failover=failover,
            profile="profile.toml",
        )


def told(report: Report | None) -> list[tuple[str, tuple[str, ...], tuple[str, ...], str | None]]:
    assert report is not None
    assert report.analysis.watch is not None
    return [(each.kind.value, each.before, each.after, each.by) for each in report.analysis.watch.outages]


def lengths(report: Report | None) -> list[float]:
    assert report is not None
    assert report.analysis.watch is not None
    return [each.length_s for each in report.analysis.watch.outages]


def logged(server: Server, pattern: str) -> float:
    """When the server's log has a line; on the clock of `monotonic`."""
    ends = monotonic() + 30
    while not re.search(pattern, server.log(10_000_000)):
        assert monotonic() < ends, server.log()
        sleep(0.01)
    return monotonic()


ONE, TWO = ("sems1.example.test",), ("sems2.example.test",)


@pytest.mark.parametrize("same_keys", [True, False], ids=["same keys", "new keys"])
@pytest.mark.parametrize("known", [True, False], ids=["servers known", "only the name"])
def test_haproxy_with_a_server_stopped_and_started(namespaced_rig: Rig, known: bool, same_keys: bool) -> None:
    rig, cluster = namespaced_rig, Cluster(namespaced_rig, same_keys)
    cluster.bind(VIP)
    first, second = cluster.members
    backends = (first, Backend(second.name, second.address, second.port, backup=True))
    balancer = rig.start(HAProxy(((rig.address(VIP), 443),), backends, check=True, check_ms=4000))
    with watching(rig, cluster.target(known=known)) as watch:
        watch.go_on(12)
        watch.mark("sems1 stopped")
        stopped = monotonic()
        cluster.servers["sems1"].kill()
        down = logged(balancer, r"Server members/sems1 is DOWN")
        watch.go_on(12)
        cluster.start(first)
        logged(balancer, r"Server members/sems1 is UP")
        watch.go_on(16)
    kinds = [kind for kind, *_ in told(watch.report)]
    assert kinds == ["take-over", "fail-back"]
    outage, back = lengths(watch.report)
    assert abs(outage - (down - stopped)) <= TICKS * EVERY_S + 0.2
    assert back == 0
    assert watch.report is not None
    sure = known or same_keys
    assert watch.report.summary.exit_code == (0 if sure else 3), watch.report.summary.headline
    if known:
        assert told(watch.report) == [
            ("take-over", ONE, TWO, "balancer"),
            ("fail-back", TWO, ONE, "balancer"),
        ]
    watched = watch.report.analysis.watch
    assert watched is not None
    assert [mark.text for mark in watched.marks] == ["sems1 stopped"]
    asked = re.findall(r"^chose:", balancer.log(10_000_000), re.MULTILINE)
    assert len(asked) <= watched.ticks + 1, "one connection a tick, and no more"


def test_round_robin_loses_every_second_connection(namespaced_rig: Rig) -> None:
    rig, cluster = namespaced_rig, Cluster(namespaced_rig)
    cluster.bind(VIP)
    balancer = rig.start(HAProxy(((rig.address(VIP), 443),), cluster.members, check=True, check_ms=4000))
    with watching(rig, cluster.target()) as watch:
        watch.go_on(16)
        stopped = monotonic()
        cluster.servers["sems1"].kill()
        down = logged(balancer, r"Server members/sems1 is DOWN")
        watch.go_on(20)
    ((kind, before, after, _),) = told(watch.report)
    assert (kind, before, after) == ("take-over", tuple(sorted(ONE + TWO)), TWO)
    # Every second connection fails, so that an end is seen at the second tick after it.
    assert abs(lengths(watch.report)[0] - (down - stopped)) <= (TICKS + 1) * EVERY_S + 0.2
    assert watch.report is not None
    watched = watch.report.analysis.watch
    assert watched is not None
    outage = watched.outages[0]
    assert outage.failed < outage.ticks or not outage.failed  # another server may take each over at once


def test_the_record_is_changed_by_hand(namespaced_rig: Rig) -> None:
    rig, cluster = namespaced_rig, Cluster(namespaced_rig)
    first, second = cluster.members
    nameserver = cluster.bind(first.address)
    with watching(rig, cluster.target(failover=Failover.DNS)) as watch:
        watch.go_on(10)
        stopped = monotonic()
        cluster.servers["sems1"].kill()
        watch.go_on(6)
        zone: Path = nameserver.directory / "zone0.db"
        zone.write_text(zone.read_text().replace(first.address, second.address))
        kill(nameserver.pid, signal.SIGHUP)
        seen = _first_request(cluster.servers["sems2"], since=0)
        watch.go_on(8)
    assert told(watch.report) == [("take-over", ONE, TWO, "dns")]
    assert abs(lengths(watch.report)[0] - (seen - stopped)) <= TICKS * EVERY_S + 0.2
    assert watch.report is not None
    assert watch.report.summary.exit_code == 0, watch.report.summary.headline
    watched = watch.report.analysis.watch
    assert watched is not None
    assert [record.addresses for record in watched.records] == [(first.address,), (second.address,)]


def _first_request(server: Server, since: int) -> float:
    """When a server's own log has a request, beyond those that were there."""
    log, ends = server.directory / "access.log", monotonic() + 60
    while not log.exists() or len(log.read_text().splitlines()) <= since:
        assert monotonic() < ends
        sleep(0.01)
    return monotonic()


def test_the_address_moves_to_another_server(namespaced_rig: Rig) -> None:
    """As with VRRP: the first server is silent of a sudden, and some seconds later the address is the second's."""
    rig, cluster = namespaced_rig, Cluster(namespaced_rig)
    first, second = cluster.members
    cluster.bind(VIP)
    rig.network.balance(VIP, 443, (first.address,))
    with watching(rig, cluster.target()) as watch:
        watch.go_on(12)
        asked = len((cluster.servers["sems2"].directory / "access.log").read_text().splitlines())
        gone = monotonic()
        rig.network.blackhole(first.address)
        sleep(5)  # how long the second one takes to miss it
        rig.network.balance(VIP, 443, (second.address,))
        moved = monotonic()
        _first_request(cluster.servers["sems2"], since=asked)
        watch.go_on(10)
    assert told(watch.report) == [("take-over", ONE, TWO, "balancer")]
    assert abs(lengths(watch.report)[0] - (moved - gone)) <= TICKS * EVERY_S + 0.2
    assert watch.report is not None
    watched = watch.report.analysis.watch
    assert watched is not None
    assert watched.outages[0].cause == "timed-out"
