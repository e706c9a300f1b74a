"""This process in figures, by the names that every Prometheus client library gives them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from semscheck.report.prometheus import Family, Metric, Point

_STARTED = time.time()
ENOUGH_FDS = 65_536
CPU = Metric("process_cpu_seconds_total", "counter", "seconds", "User and system CPU time of the exporter.")
RESIDENT = Metric("process_resident_memory_bytes", "gauge", "bytes", "Memory of the exporter in use.")
VIRTUAL = Metric("process_virtual_memory_bytes", "gauge", "bytes", "Virtual memory of the exporter.")
STARTED = Metric("process_start_time_seconds", "gauge", "seconds", "When the exporter started, Unix time.")
OPEN_FDS = Metric("process_open_fds", "gauge", "", "Open file descriptors.")
MAX_FDS = Metric("process_max_fds", "gauge", "", "File descriptors that may be open at most.")
METRICS = (CPU, RESIDENT, VIRTUAL, STARTED, OPEN_FDS, MAX_FDS)


def families() -> list[Family]:
    """What this system tells; memory and descriptors come from /proc and are left out where there is none."""
    found = [_one(CPU, time.process_time()), _one(STARTED, round(_STARTED, 3))]
    try:
        virtual, resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[:2]
        page = os.sysconf("SC_PAGE_SIZE")
        found += [_one(RESIDENT, int(resident) * page), _one(VIRTUAL, int(virtual) * page)]
        found.append(_one(OPEN_FDS, len(os.listdir("/proc/self/fd"))))
    except (OSError, ValueError, AttributeError):
        pass
    try:
        import resource

        found.append(_one(MAX_FDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
    except (ImportError, OSError):
        pass
    return found


def raise_descriptor_limit() -> None:
    """More descriptors, where the administrator allows: the soft limit is often 1,024 for historical reasons."""
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH_FDS if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FDS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ImportError, OSError, ValueError):
        return


def _one(metric: Metric, value: float) -> Family:
    return Family(metric, (Point(float(value)),))
