"""The exporter's own metrics: counted as things happen, written out when `/metrics` is asked for."""

from __future__ import annotations

import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from semscheck import __version__
from semscheck.exporter import process
from semscheck.report.prometheus import Family, Metric, Point, exposition

_P = "semscheck_exporter"
INFO = Metric(f"{_P}_info", "gauge", "", "The exporter that runs; always 1.", ("version", "python"))
TARGETS = Metric(f"{_P}_targets", "gauge", "", "Targets of the configuration.")
RUNS = Metric(
    f"{_P}_runs_total",
    "counter",
    "",
    "Runs that ended: whole, cut by the scrape's deadline, cancelled by a shutdown, or failed without a report.",
    ("result",),
)
RUN_SECONDS = Metric(
    f"{_P}_run_seconds", "histogram", "seconds", "How long the runs took, waiting not included."
)
IN_FLIGHT = Metric(f"{_P}_runs_in_flight", "gauge", "", "Runs under way.")
WAITING = Metric(f"{_P}_runs_waiting", "gauge", "", "Runs that wait for their turn.")
SCRAPES = Metric(
    f"{_P}_scrapes_total",
    "counter",
    "",
    "Scrapes of a target by what they were answered with: a run of their own, one shared with another scrape, "
    "nothing because no slot came free in time (queue), or an error.",
    ("result",),
)
LATE = Metric(
    f"{_P}_late_scrapes_total", "counter", "", "Scrapes whose answer was ready only after their time-out."
)
REQUESTS = Metric(
    f"{_P}_http_requests_total", "counter", "", "HTTP requests by route and status.", ("route", "code")
)
CONNECTIONS = Metric(f"{_P}_http_connections", "gauge", "", "Open HTTP connections.")
REFUSED = Metric(
    f"{_P}_http_connections_refused_total",
    "counter",
    "",
    "HTTP connections that were ended by the exporter: too many at once (full), a request or an answer that took "
    "too long (slow), what is no HTTP (malformed), a client certificate that is not allowed (certificate).",
    ("reason",),
)
RELOADED = Metric(
    f"{_P}_config_last_reload_successful",
    "gauge",
    "",
    "Whether the last attempt to read the configuration succeeded.",
)
RELOADED_AT = Metric(
    f"{_P}_config_last_reload_success_timestamp_seconds",
    "gauge",
    "seconds",
    "When the configuration in use was read, Unix time.",
)
WEB_RELOADED = Metric(
    f"{_P}_web_config_last_reload_successful",
    "gauge",
    "",
    "Whether the web configuration, its certificate and its key could be read last time they changed.",
)
KEPT = Metric(f"{_P}_kept_reports", "gauge", "", "Reports kept as evidence.")
KEPT_BYTES = Metric(f"{_P}_kept_reports_bytes", "gauge", "bytes", "What they take, compressed.")
METRICS = (
    INFO, TARGETS, RUNS, RUN_SECONDS, IN_FLIGHT, WAITING, SCRAPES, LATE, REQUESTS, CONNECTIONS, REFUSED,
    RELOADED, RELOADED_AT, WEB_RELOADED, KEPT, KEPT_BYTES, *process.METRICS,
)  # fmt: skip

RUN_RESULTS = ("whole", "deadline", "cancelled", "failed")
SCRAPE_RESULTS = ("own", "shared", "queue", "error")
REFUSALS = ("full", "slow", "malformed", "certificate")
BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)


class Ledger:
    """Counts. What is known elsewhere (how many runs are under way) is handed over when it is written out."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.scrapes: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.requests: Counter[tuple[str, int]] = Counter()
        self.late = 0
        self.reload_ok = True
        self.reloaded_at = time.time()
        self.web_ok = True
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0

    def run_took(self, seconds: float) -> None:
        self._buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._seconds += seconds

    def reloaded(self, ok: bool) -> None:
        self.reload_ok = ok
        if ok:
            self.reloaded_at = time.time()

    def text(self, *, gauges: Iterable[tuple[Metric, float]]) -> str:
        """Everything in the text format. gauges: what others know."""
        python = ".".join(map(str, sys.version_info[:3]))
        families = [
            Family(INFO, (Point(1.0, (("version", __version__), ("python", python))),)),
            _counted(RUNS, self.runs, RUN_RESULTS),
            _counted(SCRAPES, self.scrapes, SCRAPE_RESULTS),
            _counted(REFUSED, self.refused, REFUSALS),
            Family(
                REQUESTS,
                tuple(
                    Point(float(count), (("route", route), ("code", str(code))))
                    for (route, code), count in sorted(self.requests.items())
                ),
            ),
            *(Family(metric, (Point(float(value)),)) for metric, value in (*gauges, *self._own())),
            *process.families(),
        ]
        return exposition(family for family in families if family.points) + self._histogram()

    def _own(self) -> tuple[tuple[Metric, float], ...]:
        return (
            (LATE, self.late),
            (RELOADED, self.reload_ok),
            (RELOADED_AT, round(self.reloaded_at, 3)),
            (WEB_RELOADED, self.web_ok),
        )

    def _histogram(self) -> str:
        """Text format 0.0.4: the buckets are cumulative, and end with +Inf."""
        name = RUN_SECONDS.name
        lines = [f"# HELP {name} {RUN_SECONDS.help}", f"# TYPE {name} histogram"]
        below = 0
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), self._buckets, strict=True):
            below += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        lines += [f"{name}_sum {self._seconds!r}", f"{name}_count {below}"]
        return "\n".join(lines) + "\n"


def _counted(metric: Metric, counts: Counter[str], values: tuple[str, ...]) -> Family:
    """A sample for every value of the closed list: a counter starts at 0, or its first increase is not seen."""
    label = metric.labels[0]
    return Family(metric, tuple(Point(float(counts[value]), ((label, value),)) for value in values))
