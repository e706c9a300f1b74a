"""What telling the members apart costs: against the same handshakes made bare, and against a shell that tells nobody.

The members are nginx and Tomcat, the balancer is HAProxy, the name server BIND; see tests/rig.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import process_time

from semscheck.model.observations import AnyObservation, Control, Sample, Trace
from semscheck.model.report import Report
from semscheck.model.target import Target
from semscheck.net.backend import real_backend
from tests.balancers.stand import FQDN, Stand
from tests.bench.figure import ROOT, Figure, environment, least, seconds
from tests.rig.balancers import Backend, HAProxy
from tests.rig.process import program
from tests.rig.rig import Rig, open_rig
from tests.rig.scene import Scene, site

ROUNDS = 5
CONNECTIONS = 100
CHECKED = 30
AGENT = "semscheck/bench"


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, open_rig(Path(folder)) as rig:
        stand = Stand(rig)
        yield from _cost(stand)
        yield from _certainty(stand)
    with tempfile.TemporaryDirectory() as folder, open_rig(Path(folder)) as rig:
        yield _against_shell(rig)


# --- CPU per connection ------------------------------------------------------------------------------------


def _cost(stand: Stand) -> Iterator[Figure]:
    tickets, sessions = stand.members("tickets"), stand.members("sessions")
    ended = stand.certificate
    cases = (
        ("told by ticket key, first", tickets, HAProxy(stand.listen, tickets, method="first"), 1.5),
        ("told by ticket key, round robin", tickets, HAProxy(stand.listen, tickets), 1.5),
        (
            "traced by HTTP cookie, first",
            sessions,
            HAProxy(stand.listen, sessions, method="first", certificate=ended),
            2.5,
        ),
    )
    for name, members, balancer, limit in cases:
        with stand.running(balancer):
            ours, bare = stand.rig.client.call(_compare, stand, members)
        yield Figure(
            name=f"CPU per connection {name}",
            value=ours / bare,
            limit=limit,
            unit="x bare",
            note=f"{ours * 1000:.2f} ms of {bare * 1000:.2f} ms",
        )


def _compare(stand: Stand, members: Sequence[Backend]) -> tuple[float, float]:
    """CPU seconds per fresh connection, ours and bare, the least of some rounds made in turn."""
    target = stand.target(members, connections=CONNECTIONS, connections_given=True)
    shown: list[int] = []

    def ours() -> float:
        sampling = _Sampling(target)
        took = asyncio.run(sampling.measure())
        shown.append(sampling.shown)
        return took / sampling.fresh

    def bare() -> float:
        places = [(one.address, one.port) for one in members]
        return asyncio.run(_bare((stand.vip, stand.port), places, shown[-1])) / CONNECTIONS

    ours()  # imports
    found = least((ours, bare), ROUNDS)
    return found[0], found[1]


class _Sampling:
    """The sampling of the balancer's address alone, without looks at it, DNS, analysis and report."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.fresh = 0
        self.shown = (
            0  # handshakes beside the fresh ones: tokens shown to members, in controls and in tracing
        )

    async def measure(self) -> float:
        """CPU seconds of a sampling."""
        from semscheck.analysis.sampling_strategy import SamplingDecisions
        from semscheck.scheduler import Engine, Order

        decisions = SamplingDecisions(self._target)
        engine = Engine(Order(self._target, real_backend(1), decisions, AGENT))
        address = self._target.balancers[0]
        engine._to_sample.append(address)
        await engine._look(_errand(engine, address))
        before = len(engine.record.observations)
        began = process_time()
        await engine._sample(address)
        took = process_time() - began
        made = engine.record.observations[before:]
        self.fresh = sum(isinstance(seen, Sample) and seen.arm == "fresh" for seen in made)
        self.shown = len(made) - self.fresh - _not_shown(made)
        return took


def _not_shown(made: Sequence[AnyObservation]) -> int:
    return sum(not isinstance(seen, Sample | Trace | Control) for seen in made)


def _errand(engine: object, address: str):  # type: ignore[no-untyped-def]
    from semscheck.probes.endpoint import Destination

    target = engine._target  # type: ignore[attr-defined]
    return Destination(address, target.port, target.fqdn)


class _Offering(ssl.SSLContext):
    """A context that offers a session, which asyncio has no way to ask for."""

    offered: ssl.SSLSession | None = None

    def wrap_bio(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        kwargs["session"] = self.offered
        return super().wrap_bio(*args, **kwargs)


async def _bare(front: tuple[str, int], members: Sequence[tuple[str, int]], shown: int) -> float:
    """CPU seconds of as many handshakes, made with asyncio's streams: fresh ones that wait for their session, and
    others that offer one."""
    context = _Offering(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    session: ssl.SSLSession | None = None

    async def shake(
        place: tuple[str, int], offered: ssl.SSLSession | None, wait: bool
    ) -> ssl.SSLSession | None:
        context.offered = offered
        _, writer = await asyncio.open_connection(*place, ssl=context, server_hostname=FQDN)
        tls = writer.get_extra_info("ssl_object")
        kept: ssl.SSLSession = tls.session
        for _ in range(1000 if wait else 0):
            await asyncio.sleep(0.0005)
            kept = tls.session
            if kept.has_ticket:
                break
        writer.transport.abort()
        return kept

    began = process_time()
    for _ in range(CONNECTIONS):
        session = await shake(front, None, wait=True)
    for number in range(shown):
        await shake(members[number % len(members)], session, wait=False)
    return process_time() - began


# --- how soon a round robin is certain ---------------------------------------------------------------------


def _certainty(stand: Stand) -> Iterator[Figure]:
    members = stand.members("tickets")
    for count in (2, 3):
        with stand.running(HAProxy(stand.listen, members[:count])):
            report = stand.check(stand.target(members[:count])).report
        yield _needed(report, count)


def _needed(report: Report, count: int) -> Figure:
    path = report.analysis.balancing
    certain = path is not None and path.method == "rotating"
    return Figure(
        name=f"connections until a round robin of {count} is certain",
        value=float(path.samples) if path is not None and certain else None,
        limit=4.0 * count,
        note="" if certain else "not called a round robin",
    )


# --- the whole check against a shell -----------------------------------------------------------------------


def _against_shell(rig: Rig) -> Figure:
    """5 × dig, 6 × openssl s_client | openssl x509, 30 × curl to the login page, one process each, against `check`:
    six interfaces, thirty connections whose member is known, DNS, report."""
    scene = site(rig)
    shell = rig.directory / "loop.sh"
    shell.write_text(_loop(scene))
    resolver = f"{scene.nameserver[0]}:{scene.nameserver[1]}"
    options = (
        "--connections",
        str(CHECKED),
        "--spread",
        "0",
        "--resolver",
        resolver,
        "--output",
        str(rig.directory / "report"),
    )
    check = (sys.executable, "-m", "semscheck", "check", "--quiet", "--profile", str(scene.profile), *options)

    def timed(*command: str) -> Callable[[], float]:
        return lambda: seconds(
            lambda: subprocess.run(
                rig.client.argv(*command),
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        )

    ours, loop = least((timed(*check), timed("sh", str(shell))), ROUNDS)
    return Figure(
        name="whole check against a shell loop that tells nobody apart",
        value=ours / loop,
        limit=0.6,
        unit="x",
        note=f"{ours:.2f} s of {loop:.2f} s",
    )


def _loop(scene: Scene) -> str:
    dig, openssl, curl = program("dig"), program("openssl"), program("curl")
    address, port = scene.nameserver
    places = [place for member in scene.members for place in (member.replication, member.client)]
    lines = [f"{dig} -p {port} @{address} {FQDN} +tries=1 +time=2" for _ in range(5)]
    lines += [
        f"{openssl} s_client -connect {place}:{scene.port} -servername {FQDN} </dev/null"
        f" | {openssl} x509 -noout -text"
        for place in places
    ]
    lines += [
        f"{curl} -sS -o /dev/null --cacert {scene.rig.ca_file} --connect-to {FQDN}:{scene.port}:{scene.vip}:"
        f"{scene.port} https://{FQDN}:{scene.port}/b/l.e"
        for _ in range(CHECKED)
    ]
    return "\n".join(lines) + "\n"
