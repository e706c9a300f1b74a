"""Runs laid out by hand, connection by connection, for tests of what is inferred from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from semscheck.analysis.balancing.paths import paths
from semscheck.model.analysis import BalancingPath
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import AnyObservation, Control, Exchange, Sample, Trace
from semscheck.model.report import Run, Snapshot
from semscheck.model.target import Endpoint, Member, Target

VIP, PORT = "192.0.2.100", 443
NAMES = ("sems1", "sems2", "sems3")
STARTED = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
LOST = Failure(Phase.TLS, Cause.CLOSED)

Headers = tuple[tuple[str, str], ...]


def address(name: str) -> str:
    return f"198.51.100.{10 + NAMES.index(name)}"


def set_cookies(**cookies: str) -> Headers:
    return tuple(("Set-Cookie", f"{name}={value}; Path=/") for name, value in cookies.items())


class Story:
    """What a run saw, in order. Members are those of the profile; none: unknown.

    Each method adds one observation; who answered is said by the traces, as in a run.
    """

    def __init__(self, *members: str) -> None:
        self.members = members
        self.seen: list[AnyObservation] = []
        self._indexes: dict[str, int] = {}

    def add(self, kind: type[Any], **data: object) -> Any:
        number = len(self.seen)
        made = kind(id=f"o{number}", at_s=number / 100, elapsed_s=0.001, **data)
        self.seen.append(made)
        return made

    # --- controls ---

    def control(
        self,
        issuer: str,
        shown_to: str,
        known: bool | None,
        token: str = "tls",
        name: str | None = None,
        version: str = "TLSv1.3",
    ) -> None:
        self.add(
            Control,
            token=token,
            name=name,
            version=version if token == "tls" else None,
            issuer=issuer,
            issuer_address=address(issuer) if issuer else VIP,
            shown_to=shown_to,
            address=address(shown_to) if shown_to else VIP,
            port=PORT,
            recognised=known,
        )

    def controls(self, sharing: Sequence[str] = (), silent: Sequence[str] = (), **how: Any) -> Story:
        """Each member knows its own; `sharing` ones know each other's; `silent` ones could not be asked."""
        for at, one in enumerate(self.members):
            self.control(one, one, None if one in silent else True, **how)
            for other in self.members[at + 1 :]:
                if one not in silent and other not in silent:
                    self.control(one, other, one in sharing and other in sharing, **how)
        return self

    # --- connections ---

    def connection(self, arm: str = "fresh", lost: bool = False, **data: Any) -> Sample:
        index = self._indexes.get(arm, 0)
        self._indexes[arm] = index + 1
        given: dict[str, object] = {"index": index, "address": VIP, "port": PORT, "version": "TLSv1.3"}
        if lost:
            given |= {"failure": LOST, "version": None}
        sample: Sample = self.add(Sample, arm=arm, **(given | data))
        return sample

    def trace(
        self, sample: Sample, member: str, known: bool | None, token: str = "tls", name: str | None = None
    ) -> None:
        where = address(member) if member in NAMES else VIP
        self.add(
            Trace,
            sample=sample.id,
            token=token,
            name=name,
            member=member,
            address=where,
            port=PORT,
            recognised=known,
        )

    def traced(self, sample: Sample, owner: str | None, token: str = "tls", name: str | None = None) -> None:
        """Shown to one member after another until `owner` knows it; None: nobody does."""
        for member in self.members:
            self.trace(sample, member, member == owner, token, name)
            if member == owner:
                return

    def fresh(self, owners: str, **data: Any) -> list[Sample]:
        """Fresh connections traced by TLS session: digits name members, "-" is a lost one, "?" one that no member
        knows."""
        made = []
        for who in owners:
            if who == "-":
                made.append(self.connection(lost=True))
                continue
            sample = self.connection(token=True, **data)
            self.traced(sample, None if who == "?" else f"sems{who}")
            made.append(sample)
        return made

    def pages(self, owners: str, cookie: str = "JSESSIONID", **also: str) -> list[Sample]:
        """Fresh connections with a page each, traced by a session cookie that is new every time."""
        made = []
        for who in owners:
            number = len(self.seen)
            given = {cookie: f"{number:032x}"} | {
                name: value.replace("#", who) for name, value in also.items()
            }
            sample = self.connection(status=200, headers=set_cookies(**given))
            if self.members:
                self.traced(sample, f"sems{who}", "cookie", cookie)
            made.append(sample)
        return made

    def offered(self, arm: str, origin: Sample, **data: Any) -> Sample:
        return self.connection(arm, offered=origin.id, **data)

    def page(self, where: str, path: str = "/", also: Headers = (), **cookies: str) -> None:
        """What an address answered when it was looked at."""
        self.add(
            Exchange,
            address=where,
            port=PORT,
            host="keys.example.com",
            path=path,
            status=200,
            headers=(*also, *set_cookies(**cookies)),
        )

    # --- what is made of it ---

    def snapshot(self) -> Snapshot:
        members = tuple(Member(name, client=(Endpoint(address(name)),)) for name in self.members)
        target = Target(fqdn="keys.example.com", fqdn_shown="keys.example.com", members=members)
        run = Run(id="0", started=STARTED, finished=STARTED + timedelta(seconds=9))
        return Snapshot(target=target, run=run, observations=tuple(self.seen))

    def path(self) -> BalancingPath:
        (found,) = paths(self.snapshot(), ())
        return found
