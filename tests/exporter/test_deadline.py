"""The real engine within a scrape's time-out, on lab clusters that hang."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from semscheck.cli.commands.exporter import doors
from semscheck.exporter.service import Exporter
from semscheck.lab.cluster import Lab
from semscheck.lab.scenarios import SCENARIOS
from semscheck.lab.world import Behaviour
from tests.exporter.stand import Client, until

pytestmark = pytest.mark.slow  # waits for times to pass


async def test_a_cluster_that_hangs_gives_what_was_measured_until_then(tmp_path: Path) -> None:
    world = SCENARIOS["healthy"].world
    assert world.balancer is not None
    stalled = replace(world, balancer=replace(world.balancer, behaviour=Behaviour.STALLED))
    said: list[str] = []
    async with Lab(stalled) as lab:
        (tmp_path / "keys.toml").write_text(lab.profile_toml() + "\n[limits]\ntimeout_s = 60\n")
        config = tmp_path / "exporter.toml"
        config.write_text(
            '[web]\nlisten = ["127.0.0.1:0"]\n[targets.keys]\nprofile = "keys.toml"\n'
            f'resolvers = ["{lab.resolver}"]\n'
        )
        async with Exporter(config, replace(doors(), say=said.append)) as exporter:
            at = exporter.addresses[0]
            client = Client(at.host, at.port)
            answer = await client.probe(timeout_s=6)
            page = await client.get("/")
            await until(lambda: exporter._runs.running == 0)
    assert answer.status == 200
    assert answer.value("semscheck_up") == 0
    assert answer.value('semscheck_run_cut{cause="deadline"}') == 1
    assert answer.value('semscheck_run_unfinished{step="addresses"}') == 1
    assert answer.value('semscheck_run_unfinished{step="names"}') == 0
    assert answer.value("semscheck_dns_addresses") == 1
    assert answer.value('semscheck_finding{code="DNS001"}') == 0
    assert answer.value('semscheck_finding{code="BAL001"}') is None  # not observed, so nothing is said
    assert "keys.example.test" in page.text
    assert exporter.metrics.value("semscheck_exporter_runs_total", result="deadline") == 1
