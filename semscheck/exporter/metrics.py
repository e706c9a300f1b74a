"""The exporter's own metrics: counted as things happen, written out when `/metrics` is asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from semscheck import __version__
from semscheck.model.findings import Card
from semscheck.report.prometheus import Metric, exposition, rule_info

BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)
ROUTES = (
    "/probe",
    "/metrics",
    "/",
    "/report",
    "/reports",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "other",
    "gate",
)
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the time at which a counter began, a series more for each


class OwnMetrics:
    """Every metric, in a registry of its own. What is known elsewhere (runs under way) is asked for when written."""

    def __init__(self, cards: Iterable[Card] = ()) -> None:
        self._rules = exposition([rule_info(cards)]).encode()
        self.registry = CollectorRegistry()
        python = ".".join(map(str, sys.version_info[:3]))
        self._gauge("info", "The exporter that runs; always 1.", "version", "python").labels(
            __version__, python
        ).set(1)
        self.targets = self._gauge("targets", "Targets of the configuration.")
        self.runs = self._counter(
            "runs",
            "Runs that ended: whole, cut by the scrape's deadline, cancelled by a shutdown, or failed without a "
            "report.",
            "result",
            ("whole", "deadline", "cancelled", "failed"),
        )
        self.run_seconds = Histogram(
            "semscheck_exporter_run_seconds",
            "How long the runs took, waiting not included.",
            registry=self.registry,
            buckets=BUCKETS_S,
        )
        self.in_flight = self._gauge("runs_in_flight", "Runs under way.")
        self.waiting = self._gauge("runs_waiting", "Runs that wait for their turn.")
        self.scrapes = self._counter(
            "scrapes",
            "Scrapes of a target by what they were answered with: a run of their own, one shared with another "
            "scrape, nothing because no slot came free in time (queue), or an error.",
            "result",
            ("own", "shared", "queue", "error"),
        )
        self.late = self._counter("late_scrapes", "Scrapes whose answer was ready only after their timeout.")
        self.requests = Counter(
            "semscheck_exporter_http_requests",
            "HTTP requests by route and status.",
            ("route", "code"),
            registry=self.registry,
        )
        for route in ROUTES:
            self.requests.labels(route, 200)
        self.connections = self._gauge("http_connections", "Open HTTP connections.")
        self.refused = self._counter(
            "http_connections_refused",
            "HTTP connections that were ended by the exporter: too many at once (full), a request or an answer that "
            "took too long (slow), what is no HTTP (malformed), a client certificate that is not allowed "
            "(certificate).",
            "reason",
            ("full", "slow", "malformed", "certificate"),
        )
        self._reload_ok = self._gauge(
            "config_last_reload_successful", "Whether the last attempt to read the configuration succeeded."
        )
        self._reloaded_at = self._gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in use was read, Unix time.",
        )
        self.web_ok = self._gauge(
            "web_config_last_reload_successful",
            "Whether the web configuration, its certificate and its key could be read last time they changed.",
        )
        self.web_ok.set(1)
        self.kept = self._gauge("kept_reports", "Reports kept as evidence.")
        self.kept_bytes = self._gauge("kept_reports_bytes", "What they take, compressed.")
        ProcessCollector(registry=self.registry)
        self.reloaded(True)

    def reloaded(self, ok: bool) -> None:
        self._reload_ok.set(ok)
        if ok:
            self._reloaded_at.set(round(time.time(), 3))

    def text(self) -> bytes:
        """Everything in the text format 0.0.4."""
        return generate_latest(self.registry) + self._rules

    def value(self, name: str, **labels: str) -> float | None:
        """The value of a series; None where there is none, as of memory on a system that does not tell."""
        return self.registry.get_sample_value(name, labels)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"semscheck_exporter_{name}", words, labels, registry=self.registry)

    def _counter(self, name: str, words: str, label: str = "", values: Iterable[str] = ()) -> Counter:
        """A counter starts at 0 for every value of its closed list, or its first increase is not seen."""
        labels = (label,) if label else ()
        counter = Counter(f"semscheck_exporter_{name}", words, labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter


def described() -> tuple[Metric, ...]:
    """Rows of the table that the documentation shows."""
    return tuple(
        Metric(
            family.name + ("_total" if family.type == "counter" else ""),
            family.documentation,
            tuple(label for label in family.samples[0].labels if label != "le"),
            family.type,
        )
        for family in OwnMetrics().registry.collect()
    )
