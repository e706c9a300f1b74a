"""The exporter as a whole: started, watched over, reloaded, ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from semscheck.exporter.app import App
from semscheck.exporter.auth import Gate
from semscheck.exporter.history import Entry, History
from semscheck.exporter.metrics import OwnMetrics
from semscheck.exporter.process import HandedOver, raise_descriptor_limit
from semscheck.exporter.runners import Runners
from semscheck.exporter.runs import Outcome, Runs
from semscheck.exporter.server import Server
from semscheck.exporter.settings import Listen, Settings, SettingsError, read_settings
from semscheck.exporter.web_config import WebConfig, read_web_config, stamps
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.report import json
from semscheck.report import wording as words
from semscheck.report.story import story

WATCH_S = 1.0  # how often the web configuration's files, and this process's memory, are looked at
# Before an exporter that has grown starts anew: one that is too large by nature must not do only that
LEAST_RUNS = 50
PATIENCE_S = 10.0  # for a moment without a run, and for the answers under way; beyond, they are cut


class Exporter:
    """Enter it and it serves; leave it and it has ended. For one event loop.

    listen: in place of the configuration's addresses. before: what an exporter that this one replaces has left.
    Raises SettingsError and OSError on entering.
    """

    def __init__(
        self, path: Path, doors: Runners, listen: tuple[Listen, ...] = (), before: HandedOver | None = None
    ) -> None:
        self._path = path
        self._doors = doors
        self._listen = listen
        self._before = before or HandedOver()
        self._one_reload = asyncio.Lock()
        self.metrics = OwnMetrics(doors.cards())

    async def __aenter__(self) -> Self:
        raise_descriptor_limit()
        settings = await asyncio.to_thread(read_settings, self._path, self._doors.read_target)
        web = await asyncio.to_thread(_read_web, settings)
        self._settings = settings
        self._web_stamps = stamps(web.files)
        self._web_files = web.files
        self._history = History(settings.kept.reports, settings.kept.mebibytes)
        self._history.load(self._before.history)
        self._runs = Runs(self._doors, settings.probe, self._run_ended)
        self._app = App(
            settings,
            self._runs,
            self._history,
            self.metrics,
            reload=self.reload,
            html=self._page,
        )
        self._gate = Gate(self._app, self.metrics, web)
        self._server = Server(self._gate, settings.web, self._refused, web.tls)
        self._server.allowed_sans = web.allowed_sans
        await self._server.open(self._listen or settings.listen, self._before.listening)
        self._read_gauges()
        self._watcher = asyncio.create_task(self._watch(), name="watch web configuration")
        self._announce(web)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._app.stopping = True
        self._watcher.cancel()
        await asyncio.gather(self._runs.close(), self._server.close(self._settings.web.shutdown_s))

    @property
    def addresses(self) -> tuple[Listen, ...]:
        """Where it listens, with the ports that the system chose."""
        return self._server.addresses

    @property
    def scheme(self) -> str:
        return "https" if self._server.context is not None else "http"

    async def grown(self) -> None:
        """Wait until this process has grown beyond its bound, and for a moment without a run after that."""
        while not self._is_grown():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(WATCH_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while self._runs.running or self._runs.waiting:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        self._doors.say(f"more than {self._settings.process.max_mebibytes:g} MiB of memory: starting anew")

    def _is_grown(self) -> bool:
        most = self._settings.process.max_mebibytes * 2**20
        if not most or (self.metrics.value("semscheck_exporter_run_seconds_count") or 0) < LEAST_RUNS:
            return False
        return (self.metrics.value("process_resident_memory_bytes") or 0) > most

    async def hand_over(self) -> HandedOver:
        """For the exporter that replaces this one; the sockets stay open when this one closes its own."""
        await self._server.drain(PATIENCE_S)
        return HandedOver(self._server.listening(), self._history.dump())

    # --- the configuration again ---------------------------------------------------------------------------

    async def reload(self) -> str | None:
        """Read everything again. Gives the words of what is wrong, None for success; then the old one stays."""
        async with self._one_reload:
            try:
                settings = await asyncio.to_thread(read_settings, self._path, self._doors.read_target)
                web = await asyncio.to_thread(_read_web, settings)
                self._check_tls_stays(web)
            except SettingsError as problem:
                self.metrics.reloaded(False)
                self._doors.say(f"the configuration could not be read again, the old one stays: {problem}")
                return str(problem)
            self._use(settings)
            self._use_web(web)
            self.metrics.reloaded(True)
            self._doors.say(
                f"the configuration was read again: {words.count(len(settings.targets), 'target')}"
            )
            return None

    def _use(self, settings: Settings) -> None:
        if not self._listen and settings.listen != self._settings.listen:
            self._doors.say("web.listen has changed: it will be used after a restart")
        names = frozenset(settings.targets)
        self._settings = settings
        self._app.settings = settings
        self._server.web = settings.web
        self._runs.configure(settings.probe, names)
        self._history.resize(settings.kept.reports, settings.kept.mebibytes)
        self._history.forget_targets(names)

    def _use_web(self, web: WebConfig) -> None:
        self._web_files = web.files
        self._web_stamps = stamps(web.files)
        self._gate.admit(web)
        self._server.allowed_sans = web.allowed_sans
        self._server.context = web.tls
        self.metrics.web_ok.set(1)

    def _check_tls_stays(self, web: WebConfig) -> None:
        if (web.tls is None) != (self._server.context is None):
            raise SettingsError("TLS is switched on and off by a restart only")

    async def _watch(self) -> None:
        """A renewed certificate is used without being told; one that is gone or broken leaves the old one in use."""
        while True:
            await asyncio.sleep(WATCH_S)
            seen = await asyncio.to_thread(stamps, self._web_files)
            if seen == self._web_stamps:
                continue
            async with self._one_reload:
                self._web_stamps = seen
                try:
                    web = await asyncio.to_thread(_read_web, self._settings)
                    self._check_tls_stays(web)
                except SettingsError as problem:
                    self.metrics.web_ok.set(0)
                    self._doors.say(f"the web configuration has changed and cannot be used: {problem}")
                    continue
                self._use_web(web)
                self._doors.say("the web configuration has changed and is in use")

    # --- what happens meanwhile ----------------------------------------------------------------------------

    def _run_ended(self, name: str, target: Target, outcome: Outcome, took_s: float) -> None:
        report = outcome.report
        result = "failed" if report is None else outcome.cut.value if outcome.cut is not None else "whole"
        self.metrics.runs.labels(result).inc()
        self.metrics.run_seconds.observe(took_s)
        if name not in self._settings.targets:
            return  # a reload took it away meanwhile
        self._history.add(_entry(name, target, outcome, took_s), report)

    def _refused(self, reason: str) -> None:
        self.metrics.refused.labels(reason).inc()

    def _page(self, evidence: bytes) -> str:
        return self._doors.html(json.decode(evidence))

    def _read_gauges(self) -> None:
        """What others know is asked for when the metrics are."""
        gauges, history, runs = self.metrics, self._history, self._runs
        gauges.targets.set_function(lambda: len(self._settings.targets))
        gauges.in_flight.set_function(lambda: runs.running)
        gauges.waiting.set_function(lambda: runs.waiting)
        gauges.connections.set_function(lambda: self._server.connections)
        gauges.kept.set_function(lambda: history.reports)
        gauges.kept_bytes.set_function(lambda: history.kept_bytes)

    def _announce(self, web: WebConfig) -> None:
        places = ", ".join(f"{self.scheme}://{at}/" for at in self.addresses)
        self._doors.say(f"exporter at {places}, {words.count(len(self._settings.targets), 'target')}")
        if not all(at.is_loopback for at in self.addresses) and not (web.users or _asks_certificate(web)):
            self._doors.say(
                "whoever reaches this address may begin probes and read their evidence: "
                "web.config_file sets passwords and client certificates"
            )


async def serve(
    path: Path,
    doors: Runners,
    listen: tuple[Listen, ...] = (),
    *,
    before: HandedOver | None = None,
) -> HandedOver | None:
    """Run the exporter until SIGINT or SIGTERM, or until it has grown: then what it leaves to the one that replaces
    it. Raises SettingsError and OSError."""
    ended = asyncio.Event()
    again = asyncio.Event()
    with _caught({"SIGINT": ended.set, "SIGTERM": ended.set, "SIGHUP": again.set}):
        async with Exporter(path, doors, listen, before) as exporter:
            reloading = asyncio.create_task(_reload_when(again, exporter), name="reload")
            growing = asyncio.create_task(exporter.grown(), name="memory")
            growing.add_done_callback(lambda _: ended.set())
            await ended.wait()
            reloading.cancel()
            left = await exporter.hand_over() if growing.done() else None
            growing.cancel()
    return left


async def _reload_when(again: asyncio.Event, exporter: Exporter) -> None:
    while True:
        await again.wait()
        again.clear()
        await exporter.reload()


@contextmanager
def _caught(signals: Mapping[str, Callable[[], None]]) -> Iterator[None]:
    """Signals act as given, from before the start on; where the platform has them and this is the main thread."""
    loop = asyncio.get_running_loop()
    caught = []
    for name, act in signals.items():
        number = getattr(signal, name, None)
        try:
            if number is not None:
                loop.add_signal_handler(number, act)
                caught.append(number)
        except (NotImplementedError, RuntimeError, ValueError):
            continue
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


def _read_web(settings: Settings) -> WebConfig:
    return read_web_config(settings.web_config) if settings.web_config is not None else WebConfig()


def _asks_certificate(web: WebConfig) -> bool:
    import ssl

    return web.tls is not None and web.tls.verify_mode is ssl.CERT_REQUIRED


def _entry(name: str, target: Target, outcome: Outcome, took_s: float) -> Entry:
    report: Report | None = outcome.report
    shown = words.target_name(target)
    if report is None:
        headline = outcome.error or "The run failed."
        return Entry(name, shown, datetime.fromtimestamp(time.time() - took_s, UTC), took_s, None, headline)
    first, *more = story(report)
    verdict, began = report.summary.verdict, report.run.started
    return Entry(name, shown, began, took_s, verdict, first.text, report.run.id, tuple(more))
