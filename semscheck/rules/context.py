"""What a rule looks at: the snapshot, the analysis, and the same facts by kind, place and fingerprint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from semscheck.model.analysis import Analysis, BalancingPath, Contrast, EndpointStatus, Reach, Separation
from semscheck.model.failure import Cause
from semscheck.model.findings import Subject
from semscheck.model.names import host_and_port
from semscheck.model.observations import Certificate, Observation
from semscheck.model.report import Snapshot
from semscheck.model.target import Severity, Target

Kind = TypeVar("Kind", bound=Observation)


def told(target: Target) -> Target:
    """What was said to be checked, without the servers that the check found by itself."""
    return replace(target, members=tuple(member for member in target.members if not member.found))


def _found_addresses(target: Target, analysis: Analysis) -> frozenset[str]:
    """Addresses of servers that the check found by itself, those that the name leads to aside."""
    led_to = {place.address for place in analysis.places if place.fqdn}
    ends = (end for member in target.members if member.found for end in (*member.client, *member.replication))
    return frozenset(end.address for end in ends if end.address not in led_to)


class RuleContext:
    """One run, laid out for judging. Built once, read by every rule; never changed."""

    def __init__(self, snapshot: Snapshot, analysis: Analysis) -> None:
        self.snapshot = snapshot
        self.analysis = analysis
        self.target: Target = told(snapshot.target)
        self.now: datetime = snapshot.run.started
        self.found_addresses = _found_addresses(snapshot.target, analysis)
        self._by_type: dict[type[Observation], list[Observation]] = defaultdict(list)
        for observation in snapshot.observations:
            self._by_type[type(observation)].append(observation)
        self._by_id = {observation.id: observation for observation in snapshot.observations}
        self._certificates = {c.fingerprint: c for c in self.of(Certificate)}

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """All observations of one class, in the order they were made."""
        return tuple(o for o in self._by_type.get(kind, ()) if isinstance(o, kind))

    def observation(self, id_: str) -> Observation | None:
        """One observation, as findings name it in their evidence."""
        return self._by_id.get(id_)

    def certificate(self, fingerprint: str | None) -> Certificate | None:
        """The parsed certificate, None if it was not presented in this run."""
        return self._certificates.get(fingerprint) if fingerprint else None

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        return tuple(self._certificates.values())

    @property
    def places(self) -> tuple[EndpointStatus, ...]:
        return self.analysis.places

    @cached_property
    def without_found(self) -> RuleContext:
        """The same run without the servers that the check found by itself, for what rests on them alone."""

        def told_of(each: object) -> bool:
            return getattr(each, "address", None) not in self.found_addresses

        analysis = replace(
            self.analysis,
            places=tuple(filter(told_of, self.analysis.places)),
            clients=tuple(filter(told_of, self.analysis.clients)),
        )
        seen = tuple(filter(told_of, self.snapshot.observations))
        return RuleContext(replace(self.snapshot, target=self.target, observations=seen), analysis)

    @property
    def fqdn_places(self) -> tuple[EndpointStatus, ...]:
        return tuple(place for place in self.places if place.fqdn)

    @property
    def client_places(self) -> tuple[EndpointStatus, ...]:
        """What serves clients: balancers, FQDN addresses, client interfaces."""
        return tuple(place for place in self.places if place.serves_clients)

    @property
    def replication_places(self) -> tuple[EndpointStatus, ...]:
        return tuple(place for place in self.places if place.replication_of)

    def path_at(self, place: EndpointStatus) -> BalancingPath | None:
        """How connections to a place are spread, where it was sampled."""
        at = (place.address, place.port)
        return next((path for path in self.analysis.paths if (path.address, path.port) == at), None)

    @property
    def fqdn(self) -> str:
        """The clients' name as people write it."""
        return self.target.fqdn_shown or self.target.fqdn

    @property
    def fqdn_subject(self) -> Subject:
        return Subject("fqdn", self.target.fqdn)

    def desktop(self, address: str | None = None) -> Subject:
        """This desktop; address: the one of the servers' that it gets wrong."""
        return Subject("desktop", self.snapshot.run.vantage.host or "this desktop", address)

    def name_of(self, place: EndpointStatus) -> str:
        """What a place is called in a sentence: "sems1.example.com Interface 2 (192.0.2.11:443)"."""
        target, where = self.target, host_and_port(place.address, place.port)
        if place.client_of:
            return f"{' and '.join(place.client_of)} Interface 2 ({where})"
        if place.replication_of and not place.balancer:
            return f"{' and '.join(place.replication_of)} Interface 1 ({where})"
        # Where the profile names balancers, an address that is none of them is a stranger's.
        named = place.address in target.balancers or (target.members and not target.balancers)
        if place.balancer and named:
            return f"the load balancer address {where}"
        if place.balancer and target.fqdn_is_address:
            return f"the address {where}"  # with no member known, nothing says that it is a balancer's
        return f"{self.fqdn} ({where})"

    def subject_of(self, place: EndpointStatus) -> Subject:
        """The subject of a finding about a place: a member's interface, else an address."""
        names = place.client_of or place.replication_of
        if names and not place.in_front:
            return Subject("member", names[0], place.address, place.port)
        return Subject(
            "address", self.target.fqdn if place.fqdn else place.address, place.address, place.port
        )

    def separated(self, by: Separation, address: str | None = None) -> tuple[Contrast, ...]:
        """What this property separates; with an address, only where that is among what fails."""
        found = (each for each in self.analysis.contrasts if each.separates is by)
        return tuple(each for each in found if address is None or address in each.fails)

    @property
    def all_down(self) -> bool:
        """No member that was asked directly serves, and at least one of them refused, which is an answer."""
        asked = [place for place in self.places if place.stands_by]
        down = [place for place in asked if place.reach in (Reach.NO_CONNECTION, Reach.NO_TLS)]
        return bool(asked) and down == asked and any(place.failure_cause == Cause.REFUSED for place in down)

    @property
    def fqdn_serves(self) -> bool:
        """A client that uses the FQDN reaches something that answers at least the TLS handshake."""
        return any(place.answers for place in self.fqdn_places)


def and_behind(context: RuleContext, place: EndpointStatus) -> str:
    """What is known of the servers behind a load balancer's address, where they are why nothing comes from it."""
    in_front = place.balancer and not place.client_of and not place.replication_of
    return ", and none of the servers behind it answers directly" if in_front and context.all_down else ""


# By the place that a finding is about; what a card says beside "critical".
BY_SUBJECT = "a warning for another client interface than the FQDN's, info for a replication interface"


def by_subject(place: EndpointStatus) -> Severity:
    """The catalogue's "by subject": critical where the FQDN leads, warning for another client interface,
    info for a replication interface."""
    if place.fqdn:
        return Severity.CRITICAL
    if place.serves_clients:
        return Severity.WARNING
    return Severity.INFO


def listed(words: Iterable[str], at_most: int = 5) -> str:
    """Words as in a sentence, each once; what is over `at_most` is counted: "a, b and 3 more"."""
    every = list(dict.fromkeys(words))
    if len(every) > at_most:
        every[at_most:] = [f"{len(every) - at_most} more"]
    return " and ".join(filter(None, (", ".join(every[:-1]), *every[-1:]))) or "none"


def sentence_start(text: str) -> str:
    """ "the load balancer address" begins a sentence with a capital; a host's name is left as it is."""
    return f"T{text[1:]}" if text.startswith("the ") else text
