"""Doors that are played, for the tests of the screens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from semscheck.model.analysis import Analysis
from semscheck.model.events import Inferred, Listener, Observed, Progressed, Started
from semscheck.model.findings import Card
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.threads import off_loop
from semscheck.tui.app import Opening, SemscheckApp
from semscheck.tui.bridge import in_thread
from semscheck.tui.runners import DoorError, Runners, Scenario
from semscheck.tui.store import Store
from tests.tui import reports

NOW = reports.STARTED + timedelta(days=3)


@dataclass
class Play:
    """What the doors do, and what was asked of them. hold: a check waits for `go` before it reports."""

    where: Path
    report: Report = field(default_factory=reports.broken)
    enrolled: str | None = reports.FQDN
    hold: bool = False
    error: Exception | None = None
    asked: list[tuple[str, object]] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    told: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.where / "config", self.where / "state", self.told.append)

    def app(
        self, opening: Opening | None = None, doors: Runners | None = None, **more: object
    ) -> SemscheckApp:
        return SemscheckApp(
            doors or self.doors(),
            opening,
            store=self.store,
            now=lambda: NOW,
            **more,  # type: ignore[arg-type]
        )

    def doors(self, **change: object) -> Runners:
        doors = Runners(
            check=in_thread(self.check),
            load=self.load,
            target=self.target,
            cards=self.cards,
            enrolled=self.find_enrolled,
            export=self.export,
            ticket=lambda report: f"## {report.summary.headline}\nTarget: {report.target.fqdn}\n",
            profiles=lambda: (Path("/etc/semscheck/cluster.toml"),),
            scenarios=(
                Scenario("healthy", "three servers, failover, nothing wrong"),
                Scenario("round-robin", "each new connection goes to the next server"),
            ),
            check_lab=in_thread(self.check_lab),
        )
        return replace(doors, **change)  # type: ignore[arg-type]

    async def check(self, target: Target, listener: Listener, cancel: asyncio.Event) -> Report:
        self.asked.append(("check", target))
        return await self._run(listener, cancel)

    async def check_lab(self, name: str, listener: Listener, cancel: asyncio.Event) -> Report:
        self.asked.append(("lab", name))
        report = await self._run(listener, cancel)
        return replace(report, run=replace(report.run, origin="lab"))

    async def _run(self, listener: Listener, cancel: asyncio.Event) -> Report:
        if self.error is not None:
            raise self.error
        tell_half(self.report, listener)
        self.reached.set()
        if self.hold:
            going = asyncio.ensure_future(off_loop(self.go.wait))
            await asyncio.wait(
                (going, asyncio.ensure_future(cancel.wait())), return_when=asyncio.FIRST_COMPLETED
            )
        if cancel.is_set():
            self.asked.append(("cancelled", None))
        return self.report

    def load(self, path: Path) -> Report:
        self.asked.append(("load", path))
        if path.name.startswith("bad"):
            raise DoorError(f"{path.name}: not a report")
        return self.report

    def target(self, fqdn: str | None, profile: Path | None) -> Target:
        self.asked.append(("target", (fqdn, profile)))
        if fqdn and " " in fqdn:
            raise DoorError(f"{fqdn!r} is no server name")
        name = fqdn or reports.FQDN
        return replace(reports.TARGET, fqdn=name, fqdn_shown=name, profile=str(profile) if profile else None)

    def cards(self) -> Mapping[str, Card]:
        return reports.CARDS

    def find_enrolled(self) -> str | None:
        return self.enrolled

    def export(self, report: Report, format_: str, path: Path, redact: bool) -> None:
        path.write_text(f"{format_} {redact} {report.summary.headline}")


def tell_half(report: Report, listener: Listener) -> None:
    """The events of a run that is in the middle of its connections."""
    listener(Started(report.target, replace(report.run, finished=None, duration_s=None)))
    listener(Progressed("names", 0, None, 60.0))
    for it in report.observations[:12]:
        listener(Observed(it))
    listener(Progressed("connections", 12, 32, 41.0))
    listener(Inferred(half(report.analysis)))


def half(analysis: Analysis) -> Analysis:
    """What was inferred after the first arm."""
    paths = tuple(replace(path, arms=path.arms[:1]) for path in analysis.paths)
    return replace(analysis, paths=paths, balancing=paths[0] if paths else None)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]
