"""Plays one world, checks it as a user would, and holds what was said against what happened."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from semscheck import pipeline as run
from semscheck.lab.cluster import LabError, LabThread
from semscheck.lab.truth import Served
from semscheck.model.analysis import BalancingPath
from semscheck.model.findings import Finding
from semscheck.model.observations import Crash, Cut, Sample
from semscheck.model.report import Report
from semscheck.model.target import Endpoint, Limits, Member, Target
from semscheck.net.backend import Desktop, NetworkBackend, SocketDialler, SocketStream, Stream, real_backend
from tests.accuracy.worlds import BROKEN, WRONG, Site, site

LIMITS = Limits(deadline_s=180.0)  # three times the default: the machine that plays has other work to do
# What lost connections lead to, and slow ones (NET005) on a machine that is busy: true, and no verdict on the
# balancing.
OF_LOSSES = frozenset({"BAL012", "NET005", "NET006"})
RANK = ("ok", "warning", "unknown", "critical")
START_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What was said of one world. verdict: of the balancing rules; whole: of the report with the findings of lost
    connections set aside; shown: of the report as it is. wrong, bound_holds: see `judge`."""

    seed: int
    number: int
    truth: str
    axes: dict[str, str]
    telling: tuple[str, ...]
    verdict: str
    whole: str
    shown: str
    codes: tuple[str, ...]
    others: tuple[str, ...]
    method: str
    persistence: str
    identified_by: str
    why_unknown: str
    samples: int
    identified: int
    attributed: int  # connections whose member was named and could be held against the truth
    misattributed: int
    wrong: bool
    bound_holds: bool  # `ok` of a broken world whose stated bound on the others' share is true
    crashed: tuple[str, ...] = ()
    took_s: float = 0.0
    keys: int = 0  # of tickets, that were seen
    summary: str = ""


# --- the check, with notes of its connections --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection: when (on the system's monotonic clock), from which local port, to which address. sampling: made
    to learn who answers, one at a time; not to look at a place, beside others."""

    at_s: float
    port: int
    address: str
    sampling: bool


@dataclass(slots=True)
class Notes:
    """The connections that were made, in order."""

    dialled: list[Dialled] = field(default_factory=list)
    zero_s: float | None = None

    def made_for(self, sample: Sample) -> tuple[int, float, float] | None:
        """The local port of a sample's connection, and from when to when that port was this connection's (systems
        use a port again soon). None where no connection was made."""
        assert self.zero_s is not None
        began = self.zero_s + sample.at_s - 1e-5
        ended = began + (sample.elapsed_s or 0.0) + 2e-5
        for at, made in enumerate(self.dialled):
            if made.sampling and made.address == sample.address and began <= made.at_s <= ended:
                later = (d.at_s for d in self.dialled[at + 1 :] if d.port == made.port)
                return made.port, made.at_s, next(later, float("inf"))
        return None


class NotingDialler(SocketDialler):
    """The real one, that notes the local port of each connection it made."""

    def __init__(self, notes: Notes, flap: Callable[[int], None] | None = None) -> None:
        """flap: told the number of each connection of the sampling before it is made."""
        self._notes = notes
        self._flap = flap

    async def connect(self, address: str, port: int, source_address: str | None = None) -> Stream:
        # Sampling asks for one connection at a time, so that its task's name tells it from a look at the place.
        task = asyncio.current_task()
        sampling = task is not None and task.get_name().startswith("connections to")
        if sampling and self._flap is not None:
            self._flap(sum(made.sampling for made in self._notes.dialled))
        began = monotonic()
        stream = await super().connect(address, port, source_address)
        assert isinstance(stream, SocketStream)
        port = stream._socket.getsockname()[1]
        self._notes.dialled.append(Dialled(began, port, address, sampling))
        return stream


class NotingClock:
    """The real clock, that notes its first reading: the run's zero."""

    def __init__(self, inner: NetworkBackend, notes: Notes) -> None:
        self._inner = inner.clock
        self._notes = notes
        self.utc = inner.clock.utc
        self.sleep = inner.clock.sleep

    def monotonic(self) -> float:
        now = self._inner.monotonic()
        if self._notes.zero_s is None:
            self._notes.zero_s = now
        return now


def _flapping(site: Site, lab: LabThread) -> Callable[[int], None] | None:
    """What takes the first server of the pool out of service, and puts it back, after every so many connections."""
    balancer = site.world.balancer
    if not site.flaps or balancer is None or not balancer.pool:
        return None
    first = balancer.pool[0]

    def flap(number: int) -> None:
        if number and number % site.flaps == 0:
            lab.set_member(first, up=number // site.flaps % 2 == 0)
            lab.call(lab.lab.check_members())

    return flap


def _seam(site: Site, notes: Notes, root: Path, flap: Callable[[int], None] | None = None) -> NetworkBackend:
    """The real network, and a desktop on which nothing is set."""
    real = real_backend(site.world.seed)
    desktop = Desktop(platform="linux", root=root, home=root, environment={}, interfaces=lambda: site.sources)
    return replace(real, dialler=NotingDialler(notes, flap), clock=NotingClock(real, notes), desktop=desktop)


def _endpoint(text: str) -> Endpoint:
    host, colon, port = text.partition(":")
    return Endpoint(host, int(port) if colon else None)


def _target(lab: LabThread, site: Site) -> Target:
    at = {member.name: member for member in lab.lab.members}
    members = tuple(
        Member(name, (_endpoint(at[name].replication),), (_endpoint(at[name].client),)) for name in site.names
    )
    return Target(
        fqdn=lab.lab.fqdn,
        fqdn_shown=lab.lab.fqdn,
        port=lab.lab.port,
        balancers=lab.lab.known_balancers if site.names else (),
        members=members,
        ca_file=str(lab.lab.ca_file),
        resolvers=tuple(_endpoint(resolver) for resolver in lab.lab.resolvers),
        limits=LIMITS,
    )


def check(site: Site) -> tuple[Report, Notes, tuple[Served, ...]]:
    """Play the world and run the whole check against it; the truth's times are on the system's monotonic clock.

    Raises LabError if it cannot be played.
    """
    for attempt in range(START_ATTEMPTS):
        try:
            with LabThread(site.world) as lab, TemporaryDirectory() as empty:
                notes = Notes()
                backend = _seam(site, notes, Path(empty), _flapping(site, lab))
                checked = run.check(_target(lab, site), seed=site.world.seed, origin="lab", backend=backend)
                report = asyncio.run(checked)
                zero_s = lab.lab._ledger._started
                served = tuple(replace(entry, at_s=zero_s + entry.at_s) for entry in lab.lab.truth)
                return report, notes, served
        except LabError:
            if attempt == START_ATTEMPTS - 1:
                raise
    raise AssertionError("no attempt was made")


# --- who answered, as attributed and in truth --------------------------------------------------------------


def _attributions(
    path: BalancingPath, samples: dict[str, Sample], notes: Notes, served: Sequence[Served]
) -> Iterator[tuple[str, str]]:
    """(label, member in truth) of each connection that was attributed, and whose member is known for certain."""
    ours = [e for e in served if e.via_balancer and not e.other_client and e.interface == "client"]
    for arm in path.arms:
        answered: list[str | None] = []
        for label, identity in zip(arm.members, arm.evidence, strict=True):
            sample = samples[identity]
            if sample.request == 0:
                made = notes.made_for(sample)
                answered = [e.member for e in ours if made is not None and _within(e, made)]
            # One entry for a connection, or one for each request where the balancer reads them.
            if label is not None and len(answered) > sample.request:
                member = answered[sample.request]
                if member is not None:
                    yield label, member


def _within(entry: Served, made: tuple[int, float, float]) -> bool:
    port, began, ended = made
    return entry.source[1] == port and began <= entry.at_s < ended


def misattributions(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Those that are wrong. A member's own name must be right; "A or B" must hold it; any other label (of a cookie's
    value, of a member that was found without a profile) must always stand for one and the same member."""
    stands_for = {
        label: Counter(member for other, member in pairs if other == label).most_common(1)[0][0]
        for label, _ in pairs
    }
    wrong = []
    for label, member in pairs:
        if label in names:
            right = label == member
        elif " or " in label:
            right = member in label.split(" or ")
        else:
            right = stands_for[label] == member
        if not right:
            wrong.append((label, member))
    return tuple(wrong)


# --- what was said -----------------------------------------------------------------------------------------


def _worst(findings: Sequence[Finding]) -> str:
    severities = {finding.severity.value.replace("info", "ok") for finding in findings}
    return max(severities, key=RANK.index, default="ok")


def judge(site: Site, verdict: str, path: BalancingPath | None) -> tuple[bool, bool]:
    """(wrong, bound holds). `ok` of a broken world is wrong, unless what the report states as the most that other
    members may have is true: fewer than 8.9 % where they really have 4.8 %."""
    if verdict not in WRONG[site.truth]:
        return False, False
    most = path.other_share_at_most if path is not None else None
    holds = site.truth in BROKEN and most is not None and 0.0 < site.other_share <= most
    return not holds, holds


def play(site: Site) -> Played:
    """One world, from start to judgement."""
    began = time.perf_counter()
    report, notes, served = check(site)
    path = report.analysis.balancing
    samples = {seen.id: seen for seen in report.observations if isinstance(seen, Sample)}
    pairs: tuple[tuple[str, str], ...] = ()
    if path is not None and not site.one_application:
        pairs = tuple(_attributions(path, samples, notes, served))
    roots = [finding for finding in report.findings if finding.caused_by is None]
    balancing = [f for f in roots if f.code.startswith("BAL") and f.code not in OF_LOSSES]
    verdict = _worst(balancing) if path is not None else "unknown"
    wrong, holds = judge(site, verdict, path)
    return Played(
        seed=site.seed,
        number=site.number,
        truth=site.truth.value,
        axes=site.axes,
        telling=site.telling,
        verdict=verdict,
        whole=_worst([finding for finding in roots if finding.code not in OF_LOSSES]),
        shown=report.summary.verdict.value,
        codes=tuple(sorted({f.code for f in balancing})),
        others=tuple(sorted({f.code for f in roots} - {f.code for f in balancing})),
        method=path.method.value if path is not None else "",
        persistence=path.persistence.value if path is not None else "",
        identified_by=(path.identified_by or "") if path is not None else "",
        why_unknown=(path.why_unknown or "") if path is not None else "",
        samples=path.samples if path is not None else 0,
        identified=path.identified if path is not None else 0,
        attributed=len(pairs),
        misattributed=len(misattributions(pairs, site.names)),
        wrong=wrong,
        bound_holds=holds,
        crashed=_crashes(report),
        keys=len(path.ticket_keys) if path is not None else 0,
        took_s=round(time.perf_counter() - began, 2),
        summary=report.summary.headline,
    )


def play_number(of: tuple[int, int]) -> Played:
    """World (seed, number)."""
    return play(site(*of))


def _crashes(report: Report) -> tuple[str, ...]:
    found = [
        seen.error if isinstance(seen, Crash) else f"cut: {', '.join(seen.unfinished)}"
        for seen in report.observations
        if isinstance(seen, Crash | Cut)
    ]
    return (*found, *(f"{v.code} crashed: {v.why}" for v in report.verdicts if v.state.value == "crashed"))
