"""A stand for real balancers: members that stay, one balancer at a time, and the truth about every connection.

The check runs in this process, in the client's namespace, through a dialler that notes the local port of every
connection. The balancer's log says which member it chose for that port. So each connection that the check
attributed to a member can be held against what happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from semscheck import run
from semscheck.model.analysis import BalancingPath
from semscheck.model.findings import Finding
from semscheck.model.observations import Sample
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Limits, Member, Target
from semscheck.probes.seam import Seam, SocketDialler, SocketStream, Stream, SystemClock, real_seam
from tests.rig.balancers import Backend
from tests.rig.certs import Issued
from tests.rig.dnsservers import Bind, Zone
from tests.rig.process import Server
from tests.rig.rig import Rig, Software

DOMAIN = "example.test"
FQDN = f"keys.{DOMAIN}"
VIP, SECOND_VIP = "192.0.2.100", "192.0.2.101"
SEED = 7
# The servers answer at once here: what takes two seconds does not answer.
LIMITS = Limits(timeout_s=2.0, deadline_s=60.0)


# --- the truth ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection that was made: when (on the run's own clock), from which local port, to which address."""

    at_s: float
    port: int
    address: str


@dataclass(slots=True)
class Notes:
    """What the noting dialler wrote down."""

    dialled: list[Dialled] = field(default_factory=list)
    zero_s: float | None = None

    def port_of(self, sample: Sample) -> int | None:
        """The local port of a sample's connection: the first one made to its address after it began."""
        later = [d for d in self.dialled if d.address == sample.address and d.at_s >= sample.at_s - 1e-5]
        return later[0].port if later else None


class NotingClock(SystemClock):
    """The system's clock, which remembers when it was first read: the recorder's zero."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def monotonic(self) -> float:
        now = monotonic()
        if self._notes.zero_s is None:
            self._notes.zero_s = now
        return now


class NotingDialler(SocketDialler):
    """Dials as ever, and notes the local port."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def connect(self, address: str, port: int, source_address: str | None = None) -> Stream:
        began = monotonic()
        stream = await super().connect(address, port, source_address)
        assert isinstance(stream, SocketStream)
        local = stream._socket.getsockname()[1]
        self._notes.dialled.append(Dialled(began - (self._notes.zero_s or 0.0), local, address))
        return stream


def chosen_by_port(server: Server) -> dict[int, list[str]]:
    """What a balancer chose, by the client's port: one member, or one for each request where it ends TLS."""
    found: dict[int, list[str]] = {}
    for name, port in re.findall(r"^chose:([^:\s]+):\S*:(\d+)$", server.log(10_000_000), re.MULTILINE):
        found.setdefault(int(port), []).append(name)
    return found


# --- one check ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checked:
    """A report, with the truth beside it. balancer: None where the kernel balanced, which keeps no log."""

    report: Report
    notes: Notes
    balancer: Server | None

    @property
    def path(self) -> BalancingPath:
        assert self.report.analysis.balancing is not None, self.said
        return self.report.analysis.balancing

    @property
    def codes(self) -> set[str]:
        return {finding.code for finding in self.report.findings}

    @property
    def balancing_codes(self) -> set[str]:
        return {code for code in self.codes if code.startswith("BAL")}

    def finding(self, code: str) -> Finding:
        return next(finding for finding in self.report.findings if finding.code == code)

    def arm(self, name: str) -> tuple[str | None, ...]:
        return next((arm.members for arm in self.path.arms if arm.arm == name), ())

    def samples(self, arm: str) -> list[Sample]:
        return [s for s in self.report.observations if isinstance(s, Sample) and s.arm == arm]

    @property
    def said(self) -> str:
        """Everything that helps to understand a failed assertion."""
        path = self.report.analysis.balancing
        lines = [f"verdict {self.report.summary.verdict}: {self.report.summary.headline}"]
        lines += [f"  {f.code} {f.severity} {f.confidence}: {f.summary}" for f in self.report.findings]
        if path is not None:
            lines += [
                f"  {path.method} / {path.persistence} / {path.termination} by {path.identified_by}",
                f"  {path.identified} of {path.samples} identified, {path.failed} failed, {path.why_unknown}",
                f"  cookie {path.cookie_returned}/{path.cookie_offered}, "
                f"session {path.session_returned}/{path.session_offered}, "
                f"moved {path.requests_moved}/{path.requests}, kept by {path.kept_by}",
            ]
            lines += [f"  {arm.arm}: {' '.join(_short(who) for who in arm.members)}" for arm in path.arms]
            lines += [f"  {signal.name}: {signal.verdict} ({signal.why})" for signal in path.signals]
        return "\n".join(lines)

    def truth(self) -> dict[str, list[str]]:
        """Sample ids to the members that answered their connections, as the balancer says."""
        assert self.balancer is not None
        chosen = chosen_by_port(self.balancer)
        found = {}
        for arm in ("fresh", "pairs", "cookie", "resume", "keep-alive", "source"):
            for sample in self.samples(arm):
                port = self.notes.port_of(sample)
                if port is not None and port in chosen:
                    found[sample.id] = chosen[port]
        return found

    def attributed(self) -> list[tuple[str, str, str]]:
        """(arm, who answered in truth, who did according to the check) of each connection that both name."""
        truth = self.truth()
        found = []
        for arm in self.path.arms:
            for sample_id, who in zip(arm.evidence, arm.members, strict=True):
                answered = truth.get(sample_id)
                if who is not None and answered:
                    found.append((arm.arm, _only(answered), who))
        return found

    def assert_attributed_rightly(self, least: int) -> None:
        """No connection was attributed to the wrong member, and at least so many were to the right one.

        Names of the check's own making ("member A") must stand for one member each.
        """
        judged = self.attributed()
        names: dict[str, set[str]] = {}
        for arm, true, said in judged:
            if said.endswith(f".{DOMAIN}"):
                assert said == f"{true}.{DOMAIN}", f"{arm}: {said} for {true}\n{self.said}"
            names.setdefault(said, set()).add(true)
        assert all(len(true) == 1 for true in names.values()), f"{names}\n{self.said}"
        assert len({next(iter(true)) for true in names.values()}) == len(names), f"{names}\n{self.said}"
        assert len(judged) >= least, f"{len(judged)} attributed\n{self.said}"


def _only(answered: Sequence[str]) -> str:
    """The member of a connection: that of its first request, the one a sample's label stands for."""
    return answered[0]


def _short(who: str | None) -> str:
    return "-" if who is None else who.removesuffix(f".{DOMAIN}").removeprefix("sems")


# --- the stand ---------------------------------------------------------------------------------------------


class Stand:
    """A rig with a name server whose FQDN leads to the balancer. Members are started by whoever needs them."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.vip, self.port = rig.address(VIP), rig.port(443)
        self.certificate: Issued = rig.authority.issue(FQDN)
        self.nameserver = rig.nameserver("192.0.2.53")
        zone = Zone(
            DOMAIN,
            (
                f"keys 60 IN A {self.vip}",
                f"two 60 IN A {self.vip}",
                f"two 60 IN A {rig.address(SECOND_VIP)}",
            ),
            nameservers=(("ns1", self.nameserver[0]),),
        )
        rig.start(Bind((self.nameserver,), (zone,), order="fixed"))

    @property
    def listen(self) -> tuple[tuple[str, int], ...]:
        return ((self.vip, self.port),)

    def target(self, members: Sequence[Backend] = (), **changes: object) -> Target:
        """What to check: the members by the addresses at which the balancer reaches them."""
        address, port = self.nameserver
        base = Target(
            fqdn=FQDN,
            fqdn_shown=FQDN,
            port=self.port,
            balancers=(self.vip,),
            members=tuple(
                Member(f"{one.name}.{DOMAIN}", client=(Endpoint(one.address, one.port),)) for one in members
            ),
            ca_file=str(self.rig.ca_file),
            resolvers=(Endpoint(address, port),),
            families=(4,),
            limits=LIMITS,
        )
        return replace(base, **changes)  # type: ignore[arg-type]

    def check(self, target: Target, balancer: Server | None = None, seed: int = SEED) -> Checked:
        """Run the check where the client is, and give its report with the notes of every connection."""
        notes = Notes()

        async def checked() -> Report:
            return await run.check(target, seed=seed, seam=_noting(notes, seed))

        report = self.rig.client.call(asyncio.run, checked())
        return Checked(report, notes, balancer)

    @contextlib.contextmanager
    def running(self, software: Software) -> Iterator[Server]:
        server = self.rig.start(software)
        try:
            yield server
        finally:
            server.stop()


def _noting(notes: Notes, seed: int) -> Seam:
    return replace(real_seam(seed), dialler=NotingDialler(notes), clock=NotingClock(notes))
