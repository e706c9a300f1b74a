"""A real Prometheus scrapes a real exporter that probes the lab, and real HAProxy and BIND."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS
from semscheck.lab.world import Certificate, Member, Method, World
from semscheck.rules.printed import cards
from tests.exporter.prometheus import Api, Prometheus, promtool
from tests.exporter.stand import COMMAND
from tests.rig.balancers import Backend, HAProxy
from tests.rig.net import Place, unused_port
from tests.rig.process import Place as AnyPlace
from tests.rig.process import Server
from tests.rig.rig import Rig
from tests.rig.scene import site


@dataclass(frozen=True, slots=True)
class ExporterCommand:
    """`semscheck exporter` with one target called keys. resolver: IP:PORT."""

    profile: Path
    resolver: str
    port: int
    connections: int = 10

    def launch(self, place: AnyPlace, directory: Path) -> Server:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "exporter.toml"
        config.write_text(
            f'[web]\nlisten = ["127.0.0.1:{self.port}"]\n'
            f"[probe]\nreuse_s = 0\nmargin_s = 0.3\nconnections = {self.connections}\n"
            f'resolvers = ["{self.resolver}"]\n'
            f'[targets]\nkeys = "{self.profile}"\n'
        )
        return Server(
            [*COMMAND, "--config", str(config)],
            place=place,
            directory=directory,
            name="exporter",
            log_line=r"exporter at http://127\.0\.0\.1:\d+/, 1 target",
        )


@contextmanager
def monitored(lab: LabThread, directory: Path, *, known: bool = True) -> Iterator[Api]:
    """The lab, an exporter and a Prometheus on this machine. known: whether the profile has more than the name."""
    profile = directory / "keys.toml"
    only_the_name = (
        f'[target]\nfqdn = "{lab.lab.fqdn}"\nport = {lab.lab.port}\nca_file = "{lab.lab.ca_file}"\n'
    )
    profile.write_text(lab.lab.profile_toml() if known else only_the_name)
    here = Place()
    exporter = ExporterCommand(profile, lab.lab.resolver, unused_port())
    prometheus = Prometheus({"berlin": f"127.0.0.1:{exporter.port}"}, unused_port())
    with exporter.launch(here, directory / "exporter"), prometheus.launch(here, directory / "prometheus"):
        yield Api(prometheus.port)


def with_client_certificate(world: World, number: int, certificate: Certificate | None) -> World:
    member: Member = world.members[number]
    return world.with_member(replace(member, client=replace(member.client, certificate=certificate)))


@pytest.mark.real
def test_alerts_fire_when_the_cluster_breaks_and_clear_when_it_is_mended(tmp_path: Path) -> None:
    healthy = SCENARIOS["healthy"].world
    with LabThread(healthy) as lab, monitored(lab, tmp_path) as prometheus:
        prometheus.wait('semscheck_up{target="keys"} == 1')
        labels, _ = prometheus.wait('up{job="semscheck"} == 1')[0]
        assert (labels["target"], labels["vantage"]) == ("keys", "berlin")
        assert "exporter" not in labels
        prometheus.wait('target:semscheck_finding:last15m{code="BAL001"} == 0')
        assert prometheus.firing("SemscheckRoundRobin") == []
        assert prometheus.firing("SemscheckCertificateExpired") == []

        lab.call(lab.lab.change_balancer(method=Method.ROUND_ROBIN))
        fired = prometheus.wait_firing("SemscheckRoundRobin")
        expected = {"target": "keys", "vantage": "berlin", "severity": "critical", "owner": "balancer"}
        assert fired == [{"alertname": "SemscheckRoundRobin", **expected}]
        lab.call(lab.lab.change_balancer(method=Method.FAIL_OVER))
        prometheus.wait_firing("SemscheckRoundRobin", fires=False)

        expired = Certificate(healthy.fqdn, not_after_days=-1.0)
        lab.change(with_client_certificate(lab.lab.world, 1, expired))
        (fired_for,) = prometheus.wait_firing("SemscheckCertificateExpired")
        assert fired_for["address"] == lab.lab.members[1].client.partition(":")[0]
        lab.change(with_client_certificate(lab.lab.world, 1, healthy.members[1].client.certificate))
        prometheus.wait_firing("SemscheckCertificateExpired", fires=False)


@pytest.mark.real
def test_a_failover_is_told_with_only_the_name_known(tmp_path: Path) -> None:
    with LabThread(SCENARIOS["healthy"].world) as lab, monitored(lab, tmp_path, known=False) as prometheus:
        share = 'semscheck_balancing_share_ratio{target="keys"} > 0'
        before = {labels["member"] for labels, _ in prometheus.wait(share)}
        prometheus.wait("target_vantage_member:semscheck_sole_member")
        assert len(before) == 1
        lab.set_member("sems1.example.test", up=False)
        (fired,) = prometheus.wait_firing("SemscheckFailover")
        assert (fired["target"], fired["vantage"], fired["severity"]) == ("keys", "berlin", "info")
        after = {labels["member"] for labels, _ in prometheus.wait(share)}
        assert len(after) == 1
        assert after.isdisjoint(before)
        (shown, _), *_ = prometheus.query(
            "max by (code) (semscheck_finding == 1) * on (code) group_left (name, owner) semscheck_rule_info"
        )
        assert {"code", "name", "owner"} <= set(shown)


@pytest.mark.real
def test_a_real_haproxy_that_is_set_to_round_robin(namespaced_rig: Rig) -> None:
    rig = namespaced_rig
    scene = site(rig)
    address, port = scene.nameserver
    exporter = ExporterCommand(scene.profile, f"{address}:{port}", 9797)
    rig.start(exporter, rig.client)
    prometheus = Prometheus({"berlin": "127.0.0.1:9797"}, 9090)
    rig.start(prometheus, rig.client)
    api = Api(9090)

    rig.client.call(api.wait, 'semscheck_balancing_method{method="single"} == 1')
    assert rig.client.call(api.firing, "SemscheckRoundRobin") == []

    assert scene.balancer is not None
    scene.balancer.stop()
    backends = tuple(Backend(one.name.partition(".")[0], one.client, scene.port) for one in scene.members)
    again = rig.start(HAProxy(((scene.vip, scene.port),), backends, method="roundrobin"))
    rig.client.call(api.wait_firing, "SemscheckRoundRobin")

    again.stop()
    rig.start(HAProxy(((scene.vip, scene.port),), backends, method="first", stick="source"))
    rig.client.call(lambda: api.wait_firing("SemscheckRoundRobin", fires=False))

    scene.members[2].server.kill()
    down = rig.client.call(api.wait_firing, "SemscheckMemberDown")
    assert {one["member"] for one in down} == {scene.members[2].name}
    assert {one["interface"] for one in down} == {"client", "replication"}


@pytest.mark.real
def test_promtool_has_nothing_to_say_about_the_metrics(tmp_path: Path) -> None:
    with LabThread(SCENARIOS["round-robin"].world) as lab:
        profile = tmp_path / "keys.toml"
        profile.write_text(lab.lab.profile_toml())
        exporter = ExporterCommand(profile, lab.lab.resolver, unused_port())
        with exporter.launch(Place(), tmp_path / "exporter"):
            for path in ("/probe?target=keys", "/metrics"):
                with urllib.request.urlopen(f"http://127.0.0.1:{exporter.port}{path}", timeout=60) as answer:
                    text = answer.read().decode()
                done = promtool("check", "metrics", stdin=text)
                assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), path
                series = re.findall(r"^[^#].*", text, re.MULTILINE)
                # What docs/metrics.md states, for 3 members of 2 interfaces behind 1 address, 7 places.
                most = 45 + len(tuple(cards())) + (17 + 3 * 3) + 3 * 7 + 6
                assert len(series) <= most, path
