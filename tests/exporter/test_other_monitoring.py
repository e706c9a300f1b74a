"""Icinga, Nagios, a Zabbix agent and Checkmk's local check, with what is packaged for them, on a lab.

Of the packaged files only where the program and the profiles are is changed, and how often a check runs.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS
from tests.exporter import zabbix
from tests.exporter.prometheus import PACKAGED
from tests.rig.net import Place
from tests.rig.process import Server, program

pytestmark = [pytest.mark.real, pytest.mark.slow]

ICINGA = """
include <itl>
include "semscheck.conf"
object CheckerComponent "checker" {{}}
object Host "keys.example.com" {{
  check_command = "dummy"
  vars.semscheck_profile = "{profile}"
}}
object StatusDataWriter "status" {{
  status_path = "{directory}/status.dat"
  objects_path = "{directory}/objects.cache"
  update_interval = 1s
}}
"""
NAGIOS = """
cfg_file={directory}/objects.cfg
log_file={directory}/nagios.log
status_file={directory}/status.dat
status_update_interval=1
object_cache_file={directory}/objects.cache
precached_object_file={directory}/objects.precache
state_retention_file={directory}/retention.dat
lock_file={directory}/nagios.lock
temp_file={directory}/nagios.tmp
temp_path={directory}
check_result_path={directory}/results
check_external_commands=0
query_socket={directory}/nagios.qh
nagios_user=root
nagios_group=root
service_check_timeout=120
interval_length=1
enable_notifications=0
"""
NAGIOS_HOST = """
define timeperiod {
    timeperiod_name  always
    alias            always
    sunday           00:00-24:00
    monday           00:00-24:00
    tuesday          00:00-24:00
    wednesday        00:00-24:00
    thursday         00:00-24:00
    friday           00:00-24:00
    saturday         00:00-24:00
}
define command {
    command_name  nothing
    command_line  /bin/true
}
define contact {
    contact_name                   nobody
    host_notification_period       always
    host_notification_commands     nothing
    service_notification_period    always
    service_notification_commands  nothing
}
define host {
    contacts            nobody
    host_name           keys.example.com
    address             192.0.2.100
    max_check_attempts  1
    check_period        always
}
define service {
    name          generic-service
    contacts      nobody
    check_period  always
    register      0
}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A directory with the program as a script, and a profile of a lab that is a round robin."""

    directory: Path
    profile: Path

    def packaged(self, name: str, to: str, *changed: tuple[str, str]) -> Path:
        """A packaged file, written anew for this site."""
        text = (PACKAGED / name).read_text("utf-8")
        profiles = ("/etc/semscheck/profiles", str(self.directory))
        for old, new in (("/usr/bin/semscheck", str(self.directory / "semscheck")), *changed):
            assert old in text, (name, old)
            text = text.replace(old, new)
        path = self.directory / to
        path.write_text(text.replace(*profiles))
        return path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with LabThread(SCENARIOS["round-robin"].world) as lab:
        profile = tmp_path / "keys.toml"
        profile.write_text(lab.lab.profile_toml())
        script = tmp_path / "semscheck"
        script.write_text(
            f'#!/bin/sh\nexec {sys.executable} -m semscheck "$@" --resolver {lab.lab.resolver}\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        yield Site(tmp_path, profile)


def status(text: str) -> dict[str, str]:
    """The service's part of a status file, as Nagios writes it and Icinga too."""
    part = re.search(r"^servicestatus \{\n(.*?)^\s*\}", text, re.MULTILINE | re.DOTALL)
    assert part is not None
    lines = (line.strip().partition("=") for line in part[1].splitlines())
    return {name: value for name, _, value in lines}


def checked(site: Site, command: list[str]) -> dict[str, str]:
    """The service's status once the daemon has checked it."""
    path = site.directory / "status.dat"

    def there() -> bool:
        return path.exists() and "plugin_output=SEMSCHECK" in path.read_text("utf-8")

    with Server(command, place=Place(), directory=site.directory, name="daemon") as server:
        ends_s = time.monotonic() + 120
        while not there():
            assert server.alive, server.log()
            assert time.monotonic() < ends_s, server.log()
            time.sleep(0.2)
        return status(path.read_text("utf-8"))


def assert_round_robin(found: dict[str, str]) -> None:
    assert found["current_state"] == "2"
    assert found["plugin_output"].startswith("SEMSCHECK CRITICAL - Users connect, but lose their session")
    assert "BAL001" in found["long_plugin_output"]
    assert re.search(r"'?share_sems1\.example\.test'?=\d+%", found["performance_data"])


def test_icinga_runs_the_packaged_check(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.packaged("icinga2.conf", "semscheck.conf")
    config = site.directory / "icinga2.conf"
    config.write_text(ICINGA.format(profile=site.profile, directory=site.directory))
    for name in ("ICINGA2_USER", "ICINGA2_GROUP"):
        monkeypatch.setenv(name, "root")
    places = [
        f"-D{name}={site.directory}" for name in ("DataDir", "CacheDir", "InitRunDir", "LogDir", "SpoolDir")
    ]
    assert_round_robin(checked(site, [program("icinga2"), "daemon", "-c", str(config), *places]))


def test_nagios_runs_the_packaged_check(site: Site) -> None:
    commands = site.packaged("nagios-commands.cfg", "commands.cfg")
    (site.directory / "objects.cfg").write_text(NAGIOS_HOST + commands.read_text())
    (site.directory / "results").mkdir()
    config = site.directory / "nagios.cfg"
    config.write_text(NAGIOS.format(directory=site.directory))
    assert_round_robin(checked(site, [program("nagios4"), str(config)]))


def test_a_zabbix_agent_gives_what_the_template_takes(site: Site) -> None:
    parameters = site.packaged("zabbix-agent.conf", "parameters.conf")
    config = site.directory / "zabbix_agentd.conf"
    config.write_text(f"Server=127.0.0.1\nHostname=keys\nTimeout=30\nInclude={parameters}\n")
    key = f"semscheck.report[{site.profile}]"
    done = subprocess.run(
        [program("zabbix_agentd"), "-c", str(config), "-t", key],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    kind, _, value = done.stdout.strip().removeprefix(key).strip().removeprefix("[").partition("|")
    assert kind == "t"
    report = json.loads(value.removesuffix("]"))
    assert zabbix.items(report) | {"semscheck.exit_code": 2} == zabbix.items(report)
    found = [one for one in zabbix.discovered(report) if one["{#CODE}"] == "BAL001"]
    assert [(one["{#NAME}"], one["{#OWNER}"], one["{#SEVERITY}"]) for one in found] == [
        ("round-robin", "balancer", "critical")
    ]
    assert zabbix.state_of("BAL001", report) == "found"


def test_checkmk_gets_a_line_for_each_profile(site: Site) -> None:
    (site.directory / "other.toml").write_text('[target]\nfqdn = "nobody.example.test"\n')
    (site.directory / "broken.toml").write_text("[target]\nfqdn = 3\n")
    script = site.packaged("checkmk-local", "local")
    done = subprocess.run(
        ["sh", str(script)],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    lines = done.stdout.splitlines()
    # "Local checks" of Checkmk's manual: state, service in quotes, metrics or "-", text with \n for its lines.
    read = [re.fullmatch(r'([0-3]) "(SEMS \w+)" - (.+)', line) for line in lines]
    assert [one and one[2] for one in read] == ["SEMS broken", "SEMS keys", "SEMS other"]
    broken, keys = read[:2]
    assert broken is not None
    assert keys is not None
    assert broken[1] == "3"
    assert "target.fqdn" in broken[3]
    assert keys[1] == "2"
    assert keys[3].startswith("SEMSCHECK CRITICAL - Users connect")
    assert r"\nOwner: load balancer administrator\n" in keys[3]
    assert "|" not in done.stdout
    (site.directory / "none").mkdir()
    nothing = site.packaged(
        "checkmk-local", "empty", ("/etc/semscheck/profiles", str(site.directory / "none"))
    )
    assert not subprocess.run(["sh", str(nothing)], capture_output=True, timeout=30, check=True).stdout
