"""Three members, a balancer of the test's own, and what the first lines of a report have to say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Limits, Member, Target
from semscheck.report.text.page import render
from tests.balancers.stand import NAMES, Checked, Stand
from tests.rig.balancers import Backend
from tests.rig.certs import Issued
from tests.rig.members import Interface, NginxMember
from tests.words import complaints

LIMITS = Limits(timeout_s=3.0, deadline_s=180.0)


@dataclass(frozen=True, slots=True)
class Told:
    """What the first lines have to say: the leading code, who acts, the kind of impact, and words of the cause.

    lines: how many the whole report has at most.
    """

    code: str
    owner: str
    impact: str
    says: str = ""
    lines: int = 75


def holds(report: Report, told: Told) -> None:
    summary = report.summary
    text = render(report)
    assert summary.lead is not None, text
    lead = report.findings[summary.lead]
    assert (lead.code, summary.impact.kind.value) == (told.code, told.impact), text
    assert [owner.value for owner in summary.owners][:1] == [told.owner], text
    assert re.search(told.says, f"{summary.cause} {lead.remedy}"), text
    assert summary.first_step, text
    assert [complaint for f in report.findings for complaint in complaints(f.summary)] == [], text
    assert len(text.splitlines()) <= told.lines, text


class Cluster(Stand):
    """Three members with both interfaces, and a balancer of the test's own at the FQDN's address."""

    def __init__(self, rig: object) -> None:
        super().__init__(rig)  # type: ignore[arg-type]
        self.clients = [self.rig.address(f"198.51.100.{n}") for n in (11, 12, 13)]
        self.replications = [self.rig.address(f"203.0.113.{n}") for n in (11, 12, 13)]
        self.backends = tuple(Backend(n, a, self.port) for n, a in zip(NAMES, self.clients, strict=True))

    @contextmanager
    def serving(
        self, certificate: Issued | None = None, own: Issued | None = None, **member: object
    ) -> Iterator[None]:
        """All members. certificate: on Interface 2; own: on Interface 1, else each its own."""
        started = []
        for name, client, replication in zip(NAMES, self.clients, self.replications, strict=True):
            one = own or self.rig.authority.issue(f"{name}.example.test")
            both = (
                Interface(client, self.port, certificate or self.certificate),
                Interface(replication, self.port, one),
            )
            started.append(self.rig.start(NginxMember(name, both, **member)))  # type: ignore[arg-type]
        try:
            yield
        finally:
            for server in started:
                server.stop()
            self.rig.network.clear()

    def aim(self, **changes: object) -> Target:
        known = tuple(
            Member(f"{n}.example.test", (Endpoint(r, self.port),), (Endpoint(c, self.port),))
            for n, c, r in zip(NAMES, self.clients, self.replications, strict=True)
        )
        return replace(self.target(), **{"members": known, "limits": LIMITS, **changes})  # type: ignore[arg-type]

    def see(self, told: Told, **changes: object) -> Checked:
        before = changes.pop("before", None)
        checked = self.check(self.aim(**changes), before=before)  # type: ignore[arg-type]
        holds(checked.report, told)
        return checked
