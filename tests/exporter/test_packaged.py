"""What packaging/monitoring/ holds, looked at by the tools that will read it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from semscheck.exporter import probe_metrics as answer
from semscheck.exporter.metrics import described
from semscheck.exporter.web_config import read_web_config
from semscheck.report import prometheus as rendered
from semscheck.rules.printed import cards
from tests.exporter.prometheus import PACKAGED, RULES, promtool
from tests.rig.certs import Authority

DASHBOARD = PACKAGED / "grafana-dashboard.json"
METRICS = (*rendered.METRICS, *answer.METRICS, *described())


def rules() -> list[dict[str, Any]]:
    groups = [
        group for name in RULES for group in yaml.safe_load((PACKAGED / name).read_text("utf-8"))["groups"]
    ]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    """Every expression of the rules and of the dashboard."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [rule["expr"] for rule in rules()] + shown


@pytest.mark.real
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", *RULES),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "semscheck-alerts.test.yml"),
    ],
)
def test_promtool_accepts_what_is_packaged(arguments: tuple[str, ...]) -> None:
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
    assert "FAILED" not in done.stdout + done.stderr


# Each change breaks an alert's promise; the unit tests of the rules must notice every one.
@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("semscheck-alerts.yml", "for: 20m", "for: 1m"),
        ("semscheck-alerts.yml", 'BAL007"} == 1)', 'BAL007|BAL009"} == 1)'),
        ("semscheck-alerts.yml", "< 30 * 86400 > 0", "< 30 * 86400"),
        ("semscheck-alerts.yml", "|CLU005|CRT004", "|CRT004"),
        ("semscheck-alerts.yml", "CLU002|CRT006|", "CLU002|"),
        ("semscheck-alerts.yml", "CRT006|CRT007|CRT018", "CRT006|CRT018"),
        ("semscheck-alerts.yml", "sole_member[1h])) > 1", "sole_member[1h])) > 0"),
        ("semscheck-alerts.yml", "sole_member[1h]", "sole_member:last15m[30m]"),
        ("semscheck-alerts.yml", '"CRT007|CRT018"} == 1)', '"CRT018"} == 1)'),
        ("semscheck-alerts.yml", 'result="queue"', 'result="own"'),
        ("semscheck-alerts.yml", "for: 30m", "for: 5m"),
        ("semscheck-recording.yml", "15m]", "4m]"),
        ("semscheck-recording.yml", ") == 1", ") >= 1"),
    ],
)
def test_the_unit_tests_of_the_rules_notice_changes(tmp_path: Path, name: str, old: str, new: str) -> None:
    for file in PACKAGED.glob("*.yml"):
        shutil.copy(file, tmp_path)
    text = (tmp_path / name).read_text("utf-8")
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new))
    done = promtool("test", "rules", "semscheck-alerts.test.yml", directory=tmp_path)
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


@pytest.mark.real
def test_the_web_configuration_means_the_same_to_prometheus_and_to_us(tmp_path: Path) -> None:
    issued = Authority.root("Monitoring Test Root").issue("exporter.example.test")
    (tmp_path / "exporter.pem").write_bytes(issued.chain_pem)
    (tmp_path / "exporter.key").write_bytes(issued.key_pem)
    shutil.copy(PACKAGED / "web.yml", tmp_path)
    done = promtool("check", "web-config", "web.yml", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_web_config(tmp_path / "web.yml").tls is not None


@pytest.mark.real
def test_the_dashboards_expressions_are_promql(tmp_path: Path) -> None:
    """As rules, for which promtool has a parser; Grafana's variables are put in as Grafana would."""
    put_in = [
        text.replace("$__rate_interval", "5m").replace("$target", ".*").replace("$vantage", ".*")
        for text in expressions()
    ]
    assert not [text for text in put_in if "$" in text]
    file = tmp_path / "dashboard.yml"
    listed = [{"record": f"shown:{number}", "expr": text} for number, text in enumerate(put_in)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": listed}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_whole() -> None:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert panel["title"]
        assert panel["description"], panel["title"]
        assert panel["targets"], panel["title"]
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)), "panels cover each other"


def test_every_metric_that_is_asked_for_exists() -> None:
    known = {metric.name for metric in METRICS} | {rule["record"] for rule in rules() if "record" in rule}
    known |= {f"semscheck_exporter_run_seconds_{part}" for part in ("bucket", "sum", "count")} | {"up"}
    asked = {
        name
        for text in expressions()
        for name in re.findall(
            r"[a-z_:]*(?:semscheck|process)_[a-z0-9_:]+|\bup\b", re.sub(r'"[^"]*"', "", text)
        )
    }
    assert asked
    assert asked <= known


def test_every_code_that_is_asked_for_exists_and_is_as_bad_as_its_alert() -> None:
    severities = {card.code: card.severity.value for card in cards()}
    for rule in rules():
        codes = re.findall(r"[A-Z]{3}\d{3}", re.sub(r"unless.*", "", rule["expr"], flags=re.DOTALL))
        explained = re.findall(r"[A-Z]{3}\d{3}", rule.get("annotations", {}).get("explain", ""))
        for code in (*codes, *explained):
            assert severities[code] == rule["labels"]["severity"], (rule["alert"], code)


def test_metrics_are_named_as_prometheus_wants() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    for metric in METRICS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
        assert metric.help.endswith(".")
        assert (metric.type == "counter") == metric.name.endswith("_total")
        if metric.unit:
            assert metric.name.removesuffix("_total").endswith(metric.unit), metric.name


def test_alerts_say_who_mends_it_and_what_it_is() -> None:
    for rule in rules():
        if "alert" in rule:
            assert set(rule["labels"]) == {"severity", "owner"}
            assert rule["labels"]["owner"] in ("balancer", "dns", "server", "monitoring")
            assert rule["annotations"]["summary"]


def test_the_systemd_unit_is_hardened() -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [tool, "security", "--offline=true", "--threshold=20", str(PACKAGED / "semscheck-exporter.service")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout  # an exposure of 2.0 or less, of 10


def test_the_units_and_the_plugins_commands_are_ones_that_we_have() -> None:
    from semscheck.cli.options import build

    parser = build()
    unit = (PACKAGED / "semscheck-exporter.service").read_text("utf-8")
    nagios = (PACKAGED / "nagios-commands.cfg").read_text("utf-8").replace("$ARG1$", "keys.toml")
    commands = re.findall(r"/usr/bin/semscheck (.+)", unit + nagios)
    assert len(commands) == 3
    for command in commands:
        parser.parse_args(command.split())
    icinga = (PACKAGED / "icinga2.conf").read_text("utf-8")
    options = re.findall(r'"(--[a-z-]+)" =', icinga)
    words = [word for option in options for word in ((option,) if option == "--quiet" else (option, "8"))]
    words[words.index("--format") + 1] = "nagios"
    parser.parse_args(["check", *words])
