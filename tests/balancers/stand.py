"""A stand for real balancers: members that stay, one balancer at a time, and the truth about every connection.

The check runs in this process, in the client's namespace, through a dialler that notes the local port of every
connection. The balancer's log says which member it chose for that port. So each connection that the check
attributed to a member can be held against what happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from semscheck import pipeline as run
from semscheck.model.analysis import BalancingPath
from semscheck.model.findings import Finding
from semscheck.model.observations import Sample
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Limits, Member, Target
from semscheck.net.backend import (
    NetworkBackend,
    SocketDialler,
    SocketStream,
    Stream,
    SystemClock,
    real_backend,
)
from tests.rig.balancers import Backend
from tests.rig.certs import Issued
from tests.rig.clients import fetch
from tests.rig.dnsservers import Bind, Zone
from tests.rig.members import LOGIN_PATH, Interface, NginxMember
from tests.rig.policy import PATIENT
from tests.rig.process import Server
from tests.rig.rig import Rig, Software
from tests.rig.tomcat import Tomcat, TomcatMember

DOMAIN = "example.test"
FQDN = f"keys.{DOMAIN}"
VIP, SECOND_VIP, KERNEL_VIP = "192.0.2.100", "192.0.2.101", "192.0.2.102"
SEED = 7
# The servers answer at once here, unless the machine is busy: what takes four seconds does not answer.
LIMITS = Limits(timeout_s=4.0, deadline_s=180.0)


# --- the truth ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection that was made: when (on the run's own clock), from which address and port, to which address."""

    at_s: float
    source: str
    port: int
    address: str

    @property
    def client(self) -> tuple[str, int]:
        return self.source, self.port


@dataclass(slots=True)
class Notes:
    """What the noting dialler wrote down."""

    dialled: list[Dialled] = field(default_factory=list)
    zero_s: float | None = None
    tried: Counter[str] = field(
        default_factory=Counter
    )  # connections by address, whether or not they were made
    # To be done before the connection of that number (from 1) to that address is tried.
    before: dict[tuple[str, int], Callable[[], None]] = field(default_factory=dict)

    def client_of(self, sample: Sample) -> tuple[str, int] | None:
        """Address and port that a sample's connection came from: the first one made to its address after it began."""
        later = [d for d in self.dialled if d.address == sample.address and d.at_s >= sample.at_s - 1e-5]
        return later[0].client if later else None


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
        self._notes.tried[address] += 1
        due = self._notes.before.pop((address, self._notes.tried[address]), None)
        if due is not None:
            due()
        began = monotonic()
        stream = await super().connect(address, port, source_address)
        assert isinstance(stream, SocketStream)
        source, local = stream._socket.getsockname()[:2]
        self._notes.dialled.append(Dialled(began - (self._notes.zero_s or 0.0), source, local, address))
        return stream


def chosen_by_client(server: Server) -> dict[tuple[str, int], list[str]]:
    """What a balancer chose, by the client's address and port: one member, or one for each request if it ends TLS."""
    found: dict[tuple[str, int], list[str]] = {}
    lines = re.findall(r"^chose:([^:\s]+):[^:]*:(\S+):(\d+)$", server.log(10_000_000), re.MULTILINE)
    for name, address, port in lines:
        found.setdefault((address, int(port)), []).append(name)
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

    def truth(self) -> dict[str, str]:
        """Sample ids to the member that answered, as the balancer says; the first request of each connection, or
        the sample's own on a connection that was kept."""
        assert self.balancer is not None
        chosen = chosen_by_client(self.balancer)
        used = Counter(d.client for d in self.notes.dialled if d.address in {s.address for s in self.every})
        found: dict[str, str] = {}
        kept: dict[int, tuple[str, int] | None] = {}
        for sample in self.every:
            client = self.notes.client_of(sample) if sample.request == 0 else kept.get(sample.index)
            if sample.arm == "keep-alive":
                kept[sample.index] = client
            # A port that was used twice would have the log's lines of two connections.
            if client is not None and used[client] == 1 and len(chosen.get(client, ())) > sample.request:
                found[sample.id] = chosen[client][sample.request]
        return found

    @property
    def noted(self) -> str:
        """Every sample with its connection and the log's lines for it, in the order of time."""
        chosen = chosen_by_client(self.balancer) if self.balancer is not None else {}
        dialled = [f"  {d.at_s:.6f} dialled {d.client} {chosen.get(d.client)}" for d in self.notes.dialled]
        samples = [
            f"  {s.at_s:.6f} {s.arm} {s.index}.{s.request} {self.notes.client_of(s)}" for s in self.every
        ]
        return "\n".join(sorted(dialled + samples))

    @property
    def every(self) -> list[Sample]:
        return [seen for seen in self.report.observations if isinstance(seen, Sample)]

    def attributed(self) -> list[tuple[str, str, str]]:
        """(arm, who answered in truth, who did according to the check) of each connection that both name."""
        truth = self.truth()
        found = []
        for arm in self.path.arms:
            for sample_id, who in zip(arm.evidence, arm.members, strict=True):
                answered = truth.get(sample_id)
                if who is not None and answered:
                    found.append((arm.arm, answered, who))
        return found

    def assert_attributed_rightly(self, least: int) -> None:
        """No connection was attributed to the wrong member, and at least so many were to the right one.

        Names of the check's own making ("server A") must stand for one member each.
        """
        judged = self.attributed()
        names: dict[str, set[str]] = {}
        for arm, true, said in judged:
            if said.endswith(f".{DOMAIN}"):
                assert said == f"{true}.{DOMAIN}", f"{arm}: {said} for {true}\n{self.said}\n{self.noted}"
            names.setdefault(said, set()).add(true)
        assert all(len(true) == 1 for true in names.values()), f"{names}\n{self.said}"
        assert len({next(iter(true)) for true in names.values()}) == len(names), f"{names}\n{self.said}"
        assert len(judged) >= least, f"{len(judged)} attributed\n{self.said}"


def _short(who: str | None) -> str:
    return "-" if who is None else who.removesuffix(f".{DOMAIN}").removeprefix("sems")


# --- what is expected --------------------------------------------------------------------------------------

SPREADING = {"BAL001", "BAL002", "BAL003"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a check must say, exactly. codes: all findings of the family BAL. least: connections of which the member
    must have been named, and rightly; 0 where nothing can be named."""

    method: str
    persistence: str
    termination: str
    by: str | None
    codes: tuple[str, ...]
    verdict: str
    least: int = 8

    def hold(self, checked: Checked) -> None:
        path = checked.path
        found = (str(path.method), str(path.persistence), str(path.termination), path.identified_by)
        wanted = (self.method, self.persistence, self.termination, self.by)
        assert found == wanted, f"{found}, not {wanted}\n{checked.said}"
        assert checked.balancing_codes == set(self.codes), checked.said
        assert str(checked.report.summary.verdict) == self.verdict, checked.said
        exits = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
        assert checked.report.summary.exit_code == exits[self.verdict]
        if checked.balancer is not None:
            checked.assert_attributed_rightly(self.least)


# --- the stand ---------------------------------------------------------------------------------------------


NAMES = ("sems1", "sems2", "sems3")
_SHARED_KEY = bytes(range(80))

# Kinds of nginx members, by what they do with TLS sessions. One entry per member where they differ.
NGINX: dict[str, tuple[dict[str, object], ...]] = {
    "tickets": ({},) * 3,
    "tickets12": ({"protocols": ("TLSv1.2",)},) * 3,
    "cache": ({"tickets": False, "cache": True},) * 3,
    "cache12": ({"tickets": False, "cache": True, "protocols": ("TLSv1.2",)},) * 3,
    "mute": ({"tickets": False},) * 3,
    "shared": ({"ticket_key": _SHARED_KEY},) * 3,
    "two share": ({"ticket_key": _SHARED_KEY}, {"ticket_key": _SHARED_KEY}, {}),
    "one is mute": ({}, {"tickets": False}, {}),
    "one is old": ({}, {}, {"protocols": ("TLSv1.2",)}),
    # Tickets that say nothing, and pages that differ in their ETag.
    "pages differ": tuple({"tickets": False, "modified_s": 1_700_000_000 + n} for n in range(3)),
}
# Kinds of Tomcat members. All are Services of one Java machine, and know nothing of each other.
TOMCAT: dict[str, dict[str, object]] = {
    "sessions": {},
    "routes": {"route": True},
    "renewing": {"renews": True},
}


class Stand:
    """A rig with a name server whose FQDN leads to the balancer. Members start when first asked for, and stay."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.vip, self.port = rig.address(VIP), rig.port(443)
        self.second_vip = rig.address(SECOND_VIP)
        self.certificate: Issued = rig.authority.issue(FQDN, [FQDN, f"two.{DOMAIN}", f"kernel.{DOMAIN}"])
        self.nameserver = rig.nameserver("192.0.2.53")
        self._groups: dict[str, tuple[Backend, ...]] = {}
        self.servers: dict[str, Server] = {}
        zone = Zone(
            DOMAIN,
            (
                f"keys 60 IN A {self.vip}",
                f"two 60 IN A {self.vip}",
                f"two 60 IN A {self.second_vip}",
                f"kernel 60 IN A {KERNEL_VIP}",
            ),
            nameservers=(("ns1", self.nameserver[0]),),
        )
        rig.start(Bind((self.nameserver,), (zone,), order="fixed"))

    def members(self, kind: str) -> tuple[Backend, ...]:
        """Three members of a kind, sems1 to sems3, that end TLS themselves."""
        if kind not in self._groups:
            if kind in TOMCAT:
                self._start_tomcat()
            else:
                self._groups[kind] = self._start_nginx(kind, 11 + 3 * list(NGINX).index(kind))
        return self._groups[kind]

    def _start_nginx(self, kind: str, first: int) -> tuple[Backend, ...]:
        found = []
        for number, (name, settings) in enumerate(zip(NAMES, NGINX[kind], strict=True)):
            address = self.rig.address(f"198.51.100.{first + number}")
            here = (Interface(address, self.port, self.certificate),)
            self.servers[f"{kind} {name}"] = self.rig.start(NginxMember(name, here, **settings))  # type: ignore[arg-type]
            found.append(Backend(name, address, self.port))
        return tuple(found)

    def _start_tomcat(self) -> None:
        started: list[TomcatMember] = []
        for at, (kind, settings) in enumerate(TOMCAT.items()):
            members = [
                TomcatMember(
                    name,
                    self.rig.address(f"198.51.100.{101 + 3 * at + number}"),
                    self.port,
                    self.certificate,
                    route=name if settings.get("route") else "",
                    renews=bool(settings.get("renews")),
                )
                for number, name in enumerate(NAMES)
            ]
            started += members
            self._groups[kind] = tuple(Backend(one.name, one.address, one.port) for one in members)
        self.servers["tomcat"] = self.rig.start(Tomcat(tuple(started)))
        for one in started:  # a Java machine's first answers take seconds where the machine is busy
            fetch(self.rig, one.address, one.port, FQDN, LOGIN_PATH)

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
            thresholds=PATIENT,
        )
        return replace(base, **changes)  # type: ignore[arg-type]

    def check(
        self,
        target: Target,
        balancer: Server | None = None,
        seed: int = SEED,
        before: dict[tuple[str, int], Callable[[], None]] | None = None,
    ) -> Checked:
        """Run the check where the client is, and give its report with the notes of every connection.

        before: what to do before the connection of a number (from 1) to an address is made.
        """
        notes = Notes(before=dict(before or {}))

        async def checked() -> Report:
            return await run.check(target, seed=seed, backend=_noting(notes, seed))

        report = self.rig.client.call(asyncio.run, checked())
        return Checked(report, notes, balancer)

    @contextlib.contextmanager
    def running(self, software: Software) -> Iterator[Server]:
        server = self.rig.start(software)
        try:
            yield server
        finally:
            server.stop()


def _noting(notes: Notes, seed: int) -> NetworkBackend:
    return replace(real_backend(seed), dialler=NotingDialler(notes), clock=NotingClock(notes))
