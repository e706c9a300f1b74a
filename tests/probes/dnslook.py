"""One DNS look from a test, and what it showed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from semscheck.analysis.dns import dns_analysis
from semscheck.model.analysis import Analysis, DnsAnalysis
from semscheck.model.findings import Finding, State, Verdict
from semscheck.model.observations import AnyObservation, DnsAnswer, Observation
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Endpoint, Limits, Target
from semscheck.net.backend import Desktop, NetworkBackend, real_backend
from semscheck.probes.dns import look_up
from semscheck.probes.recorder import Recorder
from semscheck.rules.evaluate import evaluate

Kind = TypeVar("Kind", bound=Observation)

FQDN = "keys.example.test"


@dataclass(frozen=True, slots=True)
class Look:
    """What one look recorded, when each address was heard of (seconds), and how long all of it took."""

    target: Target
    observations: tuple[AnyObservation, ...]
    heard: tuple[tuple[float, tuple[str, ...]], ...]
    took_s: float

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        return tuple(one for one in self.observations if isinstance(one, kind))

    def answers(self, record_type: str = "A", **wanted: object) -> tuple[DnsAnswer, ...]:
        wanted.setdefault("purpose", "fqdn")
        found = [
            one
            for one in self.of(DnsAnswer)
            if one.record_type == record_type and all(getattr(one, k) == v for k, v in wanted.items())
        ]
        return tuple(sorted(found, key=lambda one: (one.server, one.repetition)))

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(address for _, some in self.heard for address in some)

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(
            target=self.target, run=Run(id="r", started=datetime.now(UTC)), observations=self.observations
        )

    @property
    def analysis(self) -> DnsAnalysis:
        return dns_analysis(self.snapshot)

    def judged(self) -> tuple[tuple[Finding, ...], tuple[Verdict, ...]]:
        findings, verdicts, _ = evaluate(self.snapshot, Analysis(dns=self.analysis))
        return findings, verdicts

    def codes(self, family: str = "DNS") -> set[str]:
        return {one.code for one in self.judged()[0] if one.code.startswith(family)}

    def state(self, code: str) -> State:
        return next(one.state for one in self.judged()[1] if one.code == code)


def look(
    target: Target | None = None,
    *resolvers: tuple[str, int],
    timeout_s: float = 5.0,
    root: Path | None = None,
    change: Callable[[NetworkBackend], NetworkBackend] | None = None,
) -> Look:
    """Look the name up. resolvers: as with `--resolver`; root: where resolv.conf is read instead."""
    base = target or Target(fqdn=FQDN)
    given = tuple(Endpoint(address, port) for address, port in resolvers)
    wanted = replace(base, resolvers=given or base.resolvers, limits=Limits(timeout_s=timeout_s))

    async def run() -> Look:
        backend = real_backend(1)
        if root is not None:
            backend = replace(backend, desktop=replace(backend.desktop, root=root))
        if change is not None:
            backend = change(backend)
        record = Recorder(backend.clock)
        heard: list[tuple[float, tuple[str, ...]]] = []
        await look_up(backend, record, wanted, lambda some: heard.append((record.now(), some)))
        return Look(wanted, record.observations, tuple(heard), record.now())

    return asyncio.run(run())


def desktop(root: Path, platform: str = "linux", **environment: str) -> Desktop:
    return Desktop(platform=platform, root=root, home=root / "home", environment=environment)
