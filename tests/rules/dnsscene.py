"""A run as the DNS and desktop rules see it, written down: who was asked, and what came."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from semscheck.analysis.dns import dns_analysis
from semscheck.model.analysis import Analysis, BalancingPath, EndpointStatus, Reach
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Finding, State
from semscheck.model.observations import (
    AnyObservation,
    CnameHop,
    DnsAnswer,
    ResolverConfig,
    SystemResolution,
)
from semscheck.model.report import Run, Snapshot, Vantage
from semscheck.model.target import Endpoint, Member, Target
from semscheck.rules.evaluate import evaluate
from tests.rules.netscene import NOW

FQDN = "keys.example.com"
BALANCER = "192.0.2.100"
FIRST, SECOND = "192.0.2.53:53", "192.0.2.54:53"
TIMED_OUT = Failure(Phase.RESOLVE, Cause.TIMED_OUT, "no answer in time")
REFUSED = Failure(Phase.RESOLVE, Cause.REFUSED, "Connection refused")

_ids = itertools.count(1)


def new_id() -> str:
    return f"o{next(_ids)}"


def member(number: int) -> Member:
    return Member(
        f"sems{number}.example.com",
        replication=(Endpoint(f"192.0.2.1{number}"),),
        client=(Endpoint(f"198.51.100.1{number}"),),
    )


CLUSTER = Target(FQDN, balancers=(BALANCER,), members=(member(1), member(2), member(3)))
BARE = Target(FQDN)


def said(
    *records: str,
    server: str = FIRST,
    name: str = FQDN,
    rcode: str = "NOERROR",
    ttl_s: int = 60,
    cname: Sequence[str] = (),
    times: int = 8,
    record_type: str = "A",
    cname_ttl_s: int = 60,
    **more: object,
) -> list[DnsAnswer]:
    """What a server said, the same every time. cname: the names that the aliases lead to, in order."""
    names = [name, *cname]
    chain = tuple(CnameHop(a, b, cname_ttl_s) for a, b in itertools.pairwise(names))
    data = {"flags": ("RD", "RA"), **more}
    return [
        DnsAnswer(
            id=new_id(),
            at_s=0.01 * n,
            elapsed_s=0.001,
            server=server,
            name=name,
            record_type=record_type,
            repetition=n,
            rcode=rcode,
            cname=chain,
            records=records,
            ttl_s=ttl_s if records else None,
            **data,  # type: ignore[arg-type]
        )
        for n in range(times)
    ]


def nothing(server: str = FIRST, rcode: str = "NOERROR", **more: object) -> list[DnsAnswer]:
    """No record of either type."""
    return [
        answer
        for kind in ("A", "AAAA")
        for answer in said(server=server, rcode=rcode, times=2, record_type=kind, **more)  # type: ignore[arg-type]
    ]


def failed(failure: Failure, server: str = FIRST, record_type: str = "A", times: int = 1) -> list[DnsAnswer]:
    return [
        replace(answer, rcode=None, flags=(), failure=failure)
        for answer in said(server=server, record_type=record_type, times=times)
    ]


def turns(*answers: str, server: str = FIRST, record_type: str = "A", **more: object) -> list[DnsAnswer]:
    """One answer after another; each text holds the addresses of one answer."""
    return [
        replace(said(*text.split(), server=server, times=1, record_type=record_type, **more)[0], repetition=n)  # type: ignore[arg-type]
        for n, text in enumerate(answers)
    ]


def config(*servers: str, failure: Failure | None = None) -> ResolverConfig:
    return ResolverConfig(id=new_id(), at_s=0, source="system", servers=servers, failure=failure)


def system(*addresses: str, failure: Failure | None = None) -> SystemResolution:
    return SystemResolution(id=new_id(), at_s=0, name=FQDN, addresses=addresses, failure=failure)


def place(address: str, reach: Reach = Reach.SERVES, cause: str | None = None) -> EndpointStatus:
    return EndpointStatus(address=address, port=443, fqdn=True, reach=reach, failure_cause=cause)


class Scene:
    """One run judged. observations may be given in lists."""

    def __init__(
        self,
        target: Target,
        *observations: AnyObservation | Sequence[AnyObservation],
        places: Sequence[EndpointStatus] = (),
        paths: Sequence[BalancingPath] = (),
    ) -> None:
        flat: list[AnyObservation] = []
        for one in observations:
            flat.extend(one if isinstance(one, list | tuple) else [one])  # type: ignore[list-item]
        run = Run(id="r", started=NOW, vantage=Vantage(host="desk1", platform="test"))
        snapshot = Snapshot(target=target, run=run, observations=tuple(flat))
        analysis = Analysis(dns=dns_analysis(snapshot), places=tuple(places), paths=tuple(paths))
        self.observations = tuple(flat)
        self.findings, self.verdicts, self.summary = evaluate(snapshot, analysis)

    def codes(self, *families: str) -> set[str]:
        wanted = families or ("DNS", "CLT")
        return {one.code for one in self.findings if one.code.startswith(wanted)}

    def finding(self, code: str) -> Finding:
        [found] = [one for one in self.findings if one.code == code]
        return found

    def every(self, code: str) -> list[Finding]:
        return [one for one in self.findings if one.code == code]

    def state(self, code: str) -> State:
        return next(one.state for one in self.verdicts if one.code == code)

    def why(self, code: str) -> str:
        return next(one.why or "" for one in self.verdicts if one.code == code)

    def evidence_exists(self) -> bool:
        known = {one.id for one in self.observations}
        return all(known.issuperset(one.evidence) for one in self.findings if one.code[:3] in ("DNS", "CLT"))
