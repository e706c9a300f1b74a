"""Debian's Prometheus with the packaged configuration. Only addresses, intervals and waits are other."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.rig.process import Listening, Place, Server, program

PACKAGED = Path(__file__).resolve().parent.parent.parent / "packaging" / "monitoring"
RULES = ("semscheck-recording.yml", "semscheck-alerts.yml")


def promtool(
    *arguments: str, stdin: str = "", directory: Path = PACKAGED
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
    )


@dataclass(frozen=True, slots=True)
class Prometheus:
    """exporters: by vantage, the address that it is scraped at. targets: names in their configuration."""

    exporters: dict[str, str]
    port: int
    targets: tuple[str, ...] = ("keys",)
    scrape: str = "4s"

    def launch(self, place: Place, directory: Path) -> Server:
        self._write(directory)
        return Server(
            [
                program("prometheus"),
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            place=place,
            directory=directory,
            name="prometheus",
            listening=[Listening("127.0.0.1", self.port)],
            log_line="Server is ready to receive web requests",
        )

    def _write(self, directory: Path) -> None:
        (directory / "targets").mkdir(parents=True)
        for vantage, exporter in self.exporters.items():
            group = {"targets": list(self.targets), "labels": {"exporter": exporter, "vantage": vantage}}
            (directory / "targets" / f"{vantage}.yml").write_text(yaml.safe_dump([group]))
        config = yaml.safe_load((PACKAGED / "prometheus.yml").read_text("utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        for job in config["scrape_configs"]:
            if job["job_name"] == "semscheck":
                job["scrape_interval"] = job["scrape_timeout"] = self.scrape
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        for name in RULES:
            rules = yaml.safe_load((PACKAGED / name).read_text("utf-8"))
            for group in rules["groups"]:
                group["interval"] = "1s"
                for rule in group["rules"]:
                    if "for" in rule:
                        rule["for"] = "0s"
            (directory / name).write_text(yaml.safe_dump(rules))


@dataclass(frozen=True, slots=True)
class Api:
    """What Prometheus says. Call it where Prometheus runs."""

    port: int

    def get(self, path: str, **query: str) -> Any:
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        result = self.get("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in result]

    def firing(self, name: str) -> list[dict[str, str]]:
        """The labels of the alerts of that name that fire."""
        alerts = self.get("alerts")["alerts"]
        return [
            one["labels"] for one in alerts if one["state"] == "firing" and one["labels"]["alertname"] == name
        ]

    def wait(self, expression: str, deadline_s: float = 90.0) -> list[tuple[dict[str, str], float]]:
        """Wait until an expression has a result."""
        return self._until(lambda: self.query(expression), expression, deadline_s)

    def wait_firing(self, name: str, *, fires: bool = True, deadline_s: float = 90.0) -> list[dict[str, str]]:
        """Wait until an alert fires, or does not any more."""
        found = self._until(
            lambda: bool(self.firing(name)) is fires and [self.firing(name)], name, deadline_s
        )
        return found[0]

    def _until(self, what: Any, name: str, deadline_s: float) -> Any:
        ends = time.monotonic() + deadline_s
        while not (found := what()):
            if time.monotonic() > ends:
                alerts = [(a["labels"], a["state"]) for a in self.get("alerts")["alerts"]]
                targets = [(t["scrapeUrl"], t["lastError"]) for t in self.get("targets")["activeTargets"]]
                raise AssertionError(f"{name} not within {deadline_s:g} s\n{alerts}\n{targets}")
            time.sleep(0.2)
        return found
