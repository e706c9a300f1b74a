"""A run as the TLS and certificate rules see it: who presented what, and what the trust store said.

Certificates are real ones, made in code and parsed by the probe; handshakes and places are written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from semscheck.analysis.clients import client_access
from semscheck.analysis.endpoints import places
from semscheck.model.analysis import Analysis, DnsAnalysis
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Finding, State, Verdict
from semscheck.model.observations import Certificate, Connection, Handshake, Observation, Sample, Trust
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Endpoint, Member, Target
from semscheck.probes.certificates import facts
from semscheck.rules.evaluate import evaluate
from tests.rig.certs import Authority, Issued
from tests.rules.netscene import NOW

FQDN = "keys.example.com"
BALANCER = "192.0.2.100"
ROOT = Authority.root("Example Root", at=NOW)
ISSUING = ROOT.intermediate("Example Issuing")
KEYS = ISSUING.issue(FQDN)
OWN = {name: ISSUING.issue(name) for name in ("sems1.example.com", "sems2.example.com", "sems3.example.com")}


def client(number: int) -> str:
    """The address of a member's Interface 2."""
    return f"198.51.100.1{number}"


def replication(number: int) -> str:
    """The address of a member's Interface 1."""
    return f"192.0.2.1{number}"


def name(number: int) -> str:
    return f"sems{number}.example.com"


def target(size: int = 3, **more: object) -> Target:
    """The profile of a cluster of so many members behind a balancer."""
    known = tuple(
        Member(name(n), (Endpoint(replication(n)),), (Endpoint(client(n)),)) for n in range(1, size + 1)
    )
    return replace(Target(FQDN, balancers=(BALANCER,), members=known), **more)  # type: ignore[arg-type]


def untrusted(code: int | None, reason: str = "as the verifier says", store: str = "system") -> Trust:
    return Trust(False, code=code, reason=reason, store=store)


def hidden(code: int = 66) -> Trust:
    """Our own library refused the strength of a key, so trust is not known."""
    return Trust(None, code=code, reason="EE certificate key too weak")


@dataclass(frozen=True, slots=True)
class Shake:
    """One handshake to write down.

    shown: what is presented; raw: the same as bytes, whatever they are. trust: None stands for "trusted by its
    path"; judged: False where no chain came before the store.
    """

    shown: Issued | None = None
    raw: tuple[bytes, ...] = ()
    trust: Trust | None = None
    judged: bool = True
    path: tuple[x509.Certificate, ...] | None = None
    failure: Failure | None = None
    more: dict[str, object] = field(default_factory=dict)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def failed(cause: Cause, detail: str = "", **more: str | None) -> Shake:
    """A handshake that failed before a certificate came."""
    return Shake(judged=False, failure=Failure(Phase.TLS, cause, detail, **more))  # type: ignore[arg-type]


class Scene:
    """Handshakes, collected; `codes()` lays out the places as the analysis does, and judges."""

    def __init__(
        self, aim: Target | None = None, now: datetime | None = None, leads_to: Sequence[str] = ()
    ) -> None:
        self.target = aim or target()
        self.now = now or NOW
        self.leads_to = tuple(leads_to) or self.target.balancers
        self.observations: list[Observation] = []
        self._recorded: set[str] = set()

    def _next(self) -> str:
        return f"o{len(self.observations) + 1}"

    def _sent_name(self, address: str) -> str | None:
        """The server name that the engine sends to an address, None where the FQDN is an address."""
        if address not in self.leads_to and not any(
            Endpoint(address) in m.client for m in self.target.members
        ):
            for member in self.target.members:
                if Endpoint(address) in member.replication:
                    return member.name
        return None if self.target.fqdn_is_address else self.target.fqdn

    def record(self, certificates: Iterable[bytes]) -> tuple[str, ...]:
        """The certificates as the probe would record them: each once."""
        fingerprints = []
        for each in certificates:
            found = facts(each)
            fingerprints.append(found["fingerprint"])
            if found["fingerprint"] not in self._recorded:
                self._recorded.add(found["fingerprint"])
                self.observations.append(Certificate(id=self._next(), at_s=0.0, elapsed_s=None, **found))
        return tuple(fingerprints)

    def shake(self, address: str, what: Shake | Issued, port: int = 443) -> Scene:
        """Write down a connection and a handshake at an address."""
        shake = Shake(what) if isinstance(what, Issued) else what
        self.observations.append(
            Connection(id=self._next(), at_s=0.0, elapsed_s=0.01, address=address, port=port)
        )
        sent = shake.raw
        if shake.shown is not None:
            sent = tuple(map(der, (shake.shown.certificate, *shake.shown.above)))
        chain = self.record(sent)
        trust = self._trust(shake, sent) if shake.judged and sent else None
        failure = shake.failure
        if failure is None and trust is not None and trust.trusted is not True:
            cause = Cause.UNTRUSTED if trust.trusted is False else Cause.LOCAL_POLICY
            failure = Failure(Phase.TLS, cause, trust.reason or "")
        data: dict[str, object] = {
            "version": "TLSv1.3" if sent else None,
            "key_exchange": "x25519" if sent else None,
            "client_certificate_requested": False if failure is None else None,
            "sni": self._sent_name(address),
            **shake.more,
        }
        self.observations.append(
            Handshake(
                id=self._next(),
                at_s=0.0,
                elapsed_s=0.01,
                address=address,
                port=port,
                chain=chain,
                trust=trust,
                failure=failure,
                **data,  # type: ignore[arg-type]
            )
        )
        return self

    def _trust(self, shake: Shake, sent: Sequence[bytes]) -> Trust:
        if shake.trust is not None:
            return shake.trust
        path = (*sent, der(ROOT.certificate)) if shake.path is None else tuple(map(der, shake.path))
        return Trust(True, store="system+ca-file", chain=self.record(path))

    def sample(
        self,
        address: str,
        shown: Issued | None = None,
        port: int = 443,
        failure: Failure | None = None,
        version: str | None = None,
        arm: Literal["fresh", "source"] = "fresh",
    ) -> Scene:
        """A connection of the sampling: one that saw a certificate, or one that failed."""
        fingerprint = self.record([shown.der])[0] if shown is not None else None
        self.observations.append(
            Sample(
                id=self._next(),
                at_s=1.0,
                elapsed_s=0.02,
                arm=arm,
                index=0,
                address=address,
                port=port,
                certificate=fingerprint,
                version=version,
                failure=failure,
            )
        )
        return self

    @property
    def snapshot(self) -> Snapshot:
        run = Run(id="t", started=self.now)
        return Snapshot(target=self.target, run=run, observations=tuple(self.observations))  # type: ignore[arg-type]

    def judged(self) -> tuple[tuple[Finding, ...], tuple[Verdict, ...]]:
        found, verdicts, _ = evaluate(self.snapshot, self.analysis)
        return found, verdicts

    @property
    def analysis(self) -> Analysis:
        dns = DnsAnalysis(addresses=self.leads_to)
        where = places(self.snapshot, dns)
        return Analysis(dns=dns, places=where, clients=client_access(self.snapshot, where))

    def findings(self) -> tuple[Finding, ...]:
        """What the families of this scene found; other families need other facts."""
        return tuple(f for f in self.judged()[0] if f.code.startswith(("TLS", "CRT")) or f.code == "CLT006")

    def codes(self) -> set[str]:
        return {finding.code for finding in self.findings()}

    def roots(self) -> set[str]:
        """The codes that nothing else explains."""
        return {finding.code for finding in self.findings() if finding.caused_by is None}

    def only(self, code: str) -> Finding:
        """The one finding of a code."""
        (found,) = (finding for finding in self.findings() if finding.code == code)
        return found

    def state(self, code: str) -> tuple[State, str]:
        """What a rule answered, and why where it could not see."""
        verdict = next(verdict for verdict in self.judged()[1] if verdict.code == code)
        return verdict.state, verdict.why or ""


Shown = Issued | Shake | None


def cluster(
    *,
    clients: Sequence[Shown] = (KEYS, KEYS, KEYS),
    replications: Sequence[Shown] | None = None,
    balancer: Shown = KEYS,
    aim: Target | None = None,
    now: datetime | None = None,
) -> Scene:
    """A cluster: what the client interfaces, the replication interfaces and the balancer present.

    Left out, all is as the vendor advises. None: nothing was seen there.
    """
    scene = Scene(aim or target(len(clients)), now)
    own = replications if replications is not None else [OWN[name(n + 1)] for n in range(len(clients))]
    at = [(BALANCER, balancer)]
    at += [(client(n), shown) for n, shown in enumerate(clients, 1)]
    at += [(replication(n), shown) for n, shown in enumerate(own, 1)]
    for address, shown in at:
        if shown is not None:
            scene.shake(address, shown)
    return scene


def days(number: float) -> timedelta:
    return timedelta(days=number)
