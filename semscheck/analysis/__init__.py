"""Inferring: pure functions from facts to what they mean. No I/O, no clock, no randomness; imports the model.

`analyse` is the whole of it; the modules are one question each: names (rotation), places, contrast (what separates
what works from what fails), who answered (identity), how connections are spread (balancing), and the statistics and
cookie decoding that they rest on.
"""

from __future__ import annotations

from dataclasses import replace

from semscheck.model.analysis import Analysis
from semscheck.model.labels import labels_among
from semscheck.model.report import Snapshot


def analyse(snapshot: Snapshot) -> Analysis:
    """Everything that can be inferred from a snapshot, complete or not."""
    from semscheck.analysis.balancing.paths import paths, worst
    from semscheck.analysis.clients import client_access
    from semscheck.analysis.contrast import contrasts
    from semscheck.analysis.dns import dns_analysis
    from semscheck.analysis.endpoints import interfaces, places
    from semscheck.analysis.watch import watch_analysis

    if (watched := watch_analysis(snapshot)) is not None:
        return _labelled(Analysis(watch=watched), snapshot)
    dns = dns_analysis(snapshot)
    where = places(snapshot, dns)
    sampled = paths(snapshot, where)
    found = Analysis(
        dns=dns,
        places=where,
        members=interfaces(snapshot.target, where),
        clients=client_access(snapshot, where),
        paths=sampled,
        balancing=worst(sampled),
        contrasts=contrasts(snapshot, where),
    )
    return _labelled(found, snapshot)


def _labelled(found: Analysis, snapshot: Snapshot) -> Analysis:
    return replace(found, labels=labels_among(found.answered_by, snapshot.target))
