"""Watches laid out by hand, tick by tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from semscheck.model.analysis import WatchAnalysis
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import (
    AnyObservation,
    DnsAnswer,
    Handshake,
    Mark,
    Sample,
    Ticket,
    WatchPlan,
)
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Endpoint, Member, Target

VIP, OTHER = "192.0.2.100", "192.0.2.101"
STARTED = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
TARGET = Target(fqdn="keys.example.com")
MEMBERS = tuple(
    Member(f"sems{at}.example.com", client=(Endpoint(f"198.51.100.{10 + at}"),)) for at in (1, 2, 3)
)
REFUSED = Failure(Phase.CONNECT, Cause.REFUSED)


def ticket(key: str, number: int) -> Ticket:
    return Ticket(count=1, whole=f"{key}-{number}", prefixes=tuple(f"{key}{at}" for at in (4, 8, 12, 16)))


def watch_of(
    ticks: str,
    *,
    target: Target = TARGET,
    every_s: float = 1.0,
    addresses: Mapping[str, str] | None = None,
    took_s: float = 0.02,
    shown: Mapping[str, str] | None = None,
    records: Sequence[tuple[float, tuple[str, ...]]] = ((0.0, (VIP,)),),
    marks: Sequence[tuple[float, str]] = (),
) -> Snapshot:
    """A letter a tick: the key of who answered, "-" refused, "h" hangs for two seconds, "5" a 503, "?" gives no
    ticket.

    addresses: of a letter, where it is another one. shown: the key that each member showed when it was asked.
    """
    seen: list[AnyObservation] = [WatchPlan(id="plan", at_s=0.0, every_s=every_s, for_s=900.0)]
    for number, (at_s, given) in enumerate(records):
        answer = DnsAnswer(
            id=f"d{number}",
            at_s=at_s,
            server="192.0.2.53:53",
            name="keys.example.com",
            record_type="A",
            records=given,
        )
        seen.append(answer)
    for at, letter in enumerate(ticks):
        address = (addresses or {}).get(letter, VIP)
        failed = letter in "-h"
        seen.append(
            Sample(
                id=f"t{at}",
                at_s=at * every_s,
                elapsed_s=2.0 if letter == "h" else took_s,
                arm="fresh",
                index=at,
                address=address,
                port=443,
                status=None if failed else 503 if letter == "5" else 302,
                ticket=None if failed else Ticket(count=0) if letter in "?5" else ticket(letter, at),
                failure=Failure(Phase.CONNECT, Cause.TIMED_OUT)
                if letter == "h"
                else REFUSED
                if failed
                else None,
            )
        )
    client = {member.name: member.client[0].address for member in target.members}
    seen += [
        Handshake(
            id=f"h{key}{number}",
            at_s=len(ticks) * every_s,
            address=client[name],
            port=443,
            sni=target.fqdn,
            ticket=ticket(key, 1000 + number),
        )
        for name, key in (shown or {}).items()
        for number in (1, 2)
    ]
    seen += [Mark(id=f"m{at_s}", at_s=at_s, text=text) for at_s, text in marks]
    return Snapshot(target=target, run=Run(id="w", started=STARTED), observations=tuple(seen))


def analysed(ticks: str, **how: object) -> WatchAnalysis:
    from semscheck.analysis.watch import watch_analysis

    found = watch_analysis(watch_of(ticks, **how))  # type: ignore[arg-type]
    assert found is not None
    return found
