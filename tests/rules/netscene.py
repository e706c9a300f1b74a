"""A run as the rules on reaching, serving and balancing see it, written down in a few words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from semscheck.analysis.contrast import contrasts
from semscheck.analysis.dns import dns_analysis
from semscheck.analysis.endpoints import interfaces, places
from semscheck.model.analysis import Analysis, BalancingPath, DnsAnalysis, Method, Persistence, Share
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Finding, State
from semscheck.model.observations import (
    AnyObservation,
    Connection,
    DnsAnswer,
    Exchange,
    Handshake,
    Sample,
    ServiceProbe,
)
from semscheck.model.report import Run, Snapshot, Vantage
from semscheck.model.target import Endpoint, Member, Target
from semscheck.rules.evaluate import evaluate

FQDN = "keys.example.com"
VIP = "192.0.2.100"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)  # the one clock of the scenes: runs and certificates
NAMES = tuple(f"sems{n}.example.com" for n in range(1, 8))
CLIENT = tuple(f"198.51.100.1{n}" for n in range(1, 8))
REPLICATION = tuple(f"192.0.2.1{n}" for n in range(1, 8))

Some = AnyObservation | Sequence[AnyObservation]

_ids = itertools.count(1)


def new_id() -> str:
    return f"o{next(_ids)}"


def cluster(size: int = 2, **more: object) -> Target:
    """So many members behind a balancer."""
    known = tuple(Member(NAMES[n], (Endpoint(REPLICATION[n]),), (Endpoint(CLIENT[n]),)) for n in range(size))
    return replace(Target(FQDN, balancers=(VIP,), members=known), **more)  # type: ignore[arg-type]


BARE = Target(FQDN)


def dns(*addresses: str, rcode: str = "NOERROR", failure: Failure | None = None) -> list[AnyObservation]:
    """What one resolver said eight times."""
    return [
        DnsAnswer(
            id=new_id(),
            at_s=0.0,
            server="192.0.2.53:53",
            name=FQDN,
            record_type="AAAA" if any(":" in each for each in addresses) else "A",
            repetition=n,
            rcode=None if failure is not None else rcode,
            records=addresses,
            ttl_s=60 if addresses else None,
            failure=failure,
        )
        for n in range(8)
    ]


def connection(
    address: str, cause: Cause | None = None, *, port: int = 443, took_s: float = 0.01, **more: object
) -> Connection:
    failure = None if cause is None else Failure(Phase.CONNECT, cause, "as the system says", **more)  # type: ignore[arg-type]
    return Connection(id=new_id(), at_s=0.0, elapsed_s=took_s, address=address, port=port, failure=failure)


def handshake(
    address: str, cause: Cause | None = None, *, port: int = 443, sni: str = FQDN, **more: object
) -> Handshake:
    failure = None if cause is None else Failure(Phase.TLS, cause, "as the library says", **more)  # type: ignore[arg-type]
    return Handshake(
        id=new_id(),
        at_s=0.0,
        elapsed_s=0.01,
        address=address,
        port=port,
        sni=sni,
        version=None if cause else "TLSv1.3",
        failure=failure,
    )


def exchange(
    address: str,
    title: str | None = "Symantec Encryption Management Server",
    *,
    port: int = 443,
    status: int = 200,
    path: str = "/",
    host: str = FQDN,
    headers: tuple[tuple[str, str], ...] = (),
    cause: Cause | None = None,
) -> Exchange:
    answered = cause is None
    return Exchange(
        id=new_id(),
        at_s=0.0,
        elapsed_s=0.01,
        address=address,
        port=port,
        host=host,
        path=path,
        status=status if answered else None,
        title=title if answered else None,
        headers=headers if answered else (),
        failure=None if cause is None else Failure(Phase.HTTP, cause, "as it came"),
    )


def serves(address: str, **more: object) -> list[AnyObservation]:
    """A place that serves clients, from the connection to the page."""
    return [connection(address), handshake(address), exchange(address, **more)]  # type: ignore[arg-type]


def down(address: str, cause: Cause = Cause.REFUSED, **more: object) -> list[AnyObservation]:
    return [connection(address, cause, **more)]  # type: ignore[arg-type]


def no_tls(address: str, cause: Cause = Cause.STALLED, **more: object) -> list[AnyObservation]:
    return [connection(address), handshake(address, cause, **more)]


def no_http(address: str, cause: Cause = Cause.STALLED) -> list[AnyObservation]:
    return [connection(address), handshake(address), exchange(address, cause=cause)]


def own(number: int, *, port: int = 443) -> list[AnyObservation]:
    """A member's Interface 1 that answers, number from 0."""
    address = REPLICATION[number]
    return [connection(address, port=port), handshake(address, port=port, sni=NAMES[number])]


def sample(address: str, cause: Cause | None = None, phase: Phase = Phase.CONNECT, **more: object) -> Sample:
    failure = None if cause is None else Failure(phase, cause)
    data: dict[str, object] = {"arm": "fresh", "index": 0, "connect_s": None if cause else 0.01, **more}
    return Sample(id=new_id(), at_s=1.0, elapsed_s=0.02, address=address, port=443, failure=failure, **data)  # type: ignore[arg-type]


def service(address: str, port: int, state: str = "open", **more: object) -> ServiceProbe:
    from semscheck.probes.services import NAMES as SERVICES

    return ServiceProbe(
        id=new_id(),
        at_s=0.0,
        elapsed_s=0.01,
        address=address,
        port=port,
        service=SERVICES.get(port, f"port {port}"),
        state=state,  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def path(
    method: Method = Method.SINGLE, persistence: Persistence = Persistence.NOT_SEPARABLE, **more: object
) -> BalancingPath:
    """How 32 connections to the balancer were spread; with nothing said they all went to the first member."""
    counts: dict[str, int] = more.pop("counts", {NAMES[0]: 32})  # type: ignore[assignment]
    total = sum(counts.values())
    data: dict[str, object] = {
        "address": VIP,
        "samples": total,
        "identified": total,
        "members": tuple(
            Share(name=n, count=c, share=c / total, share_low=0.1, share_high=0.9) for n, c in counts.items()
        ),
        "members_seen": len(counts),
        "other_share_at_most": 0.0894 if method is Method.SINGLE else None,
        "confidence": 0.95,
        "evidence": (),
        **more,
    }
    return BalancingPath(method=method, persistence=persistence, **data)  # type: ignore[arg-type]


class Scene:
    """One run judged. leads_to: the FQDN's addresses; paths: what balancing was found."""

    def __init__(
        self,
        target: Target,
        *observations: Some,
        leads_to: Sequence[str] = (VIP,),
        paths: Sequence[BalancingPath] = (),
        answers: bool = True,
    ) -> None:
        """answers: whether a name server answered, without which silence would be a desktop with no network."""
        families = ([a for a in leads_to if ":" not in a], [a for a in leads_to if ":" in a])
        flat: list[AnyObservation] = []
        for addresses in families if answers else ():
            flat += dns(*addresses) if addresses or not leads_to else []
        for one in observations:
            flat.extend(one if isinstance(one, list | tuple) else [one])  # type: ignore[list-item]
        run = Run(id="r", started=NOW, vantage=Vantage(host="desk1", platform="test"))
        self.snapshot = Snapshot(target=target, run=run, observations=tuple(flat))
        names = dns_analysis(self.snapshot) if answers else DnsAnalysis(addresses=tuple(leads_to))
        where = places(self.snapshot, names)
        self.analysis = Analysis(
            dns=names,
            places=where,
            members=interfaces(target, where),
            paths=tuple(paths),
            balancing=paths[0] if paths else None,
            contrasts=contrasts(self.snapshot, where),
        )
        self.findings, self.verdicts, self.summary = evaluate(self.snapshot, self.analysis)

    def codes(self, *families: str) -> set[str]:
        return {found.code for found in self.findings if found.code.startswith(families or ("",))}

    def roots(self, *families: str) -> set[str]:
        return {f.code for f in self.findings if f.caused_by is None and f.code.startswith(families or ("",))}

    def only(self, code: str) -> Finding:
        [found] = [each for each in self.findings if each.code == code]
        return found

    def every(self, code: str) -> list[Finding]:
        return [each for each in self.findings if each.code == code]

    def state(self, code: str) -> State:
        return next(each.state for each in self.verdicts if each.code == code)

    def why(self, code: str) -> str:
        return next(each.why or "" for each in self.verdicts if each.code == code)

    def cause_of(self, code: str) -> str | None:
        """The code that explains the (first) finding of a code, None if it stands for itself."""
        at = self.every(code)[0].caused_by
        return None if at is None else self.findings[at].code
