"""The facts of one path: the observations that bear on it, by what they are, each worked out once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from semscheck.analysis.balancing.controls import ControlResult, worth
from semscheck.analysis.balancing.routes import parts_that_name, values_that_name
from semscheck.analysis.balancing.ticket_keys import KeyLabels, Look, TicketFacts
from semscheck.model.analysis import EndpointStatus
from semscheck.model.failure import Cause
from semscheck.model.observations import (
    AnyObservation,
    Bound,
    Connection,
    Control,
    Exchange,
    Handshake,
    Sample,
    Trace,
)
from semscheck.model.report import Snapshot
from semscheck.model.target import Target

BALANCER_ERRORS = frozenset({502, 503, 504})
_ERROR_CAUSES = frozenset(
    {
        Cause.ALERT,
        Cause.CLOSED,
        Cause.RESET,
        Cause.STALLED,
        Cause.TIMED_OUT,
        Cause.REFUSED,
        Cause.MALFORMED,
    }
)


@dataclass(frozen=True)
class Facts:
    """The observations that bear on one path, by what they are. members: names in the profile's order.

    earlier: the connections before the fresh arm began anew for another kind of token. pages: what the address
    itself answered when it was looked at; own_pages: what each member answered when asked directly. direct: the
    member whose own interface the address is, either of them: nothing stands in front of it then. complete: whether
    the members are all that there are, as far as anybody told; those that were found may be a part of them.
    """

    members: tuple[str, ...]
    addresses: Mapping[str, str]  # member's address -> name
    samples: tuple[Sample, ...]
    traces: Mapping[str, tuple[Trace, ...]]  # sample id -> traces
    controls: tuple[Control, ...]
    own_certificates: Mapping[str, str] = field(default_factory=dict)  # fingerprint -> member, where unique
    own_pages: tuple[tuple[str, Exchange], ...] = ()  # (member, exchange) asked directly
    pages: tuple[Exchange, ...] = ()
    earlier: tuple[Sample, ...] = ()
    started: datetime | None = None
    client: Mapping[str, str] = field(default_factory=dict)  # address of a client interface -> name
    address: str = ""
    port: int = 0
    direct: str | None = None
    complete: bool = True
    handshakes: tuple[Handshake, ...] = ()
    tickets: TicketFacts = field(default_factory=lambda: TicketFacts(()))

    @cached_property
    def keys(self) -> KeyLabels:
        """Who ended TLS of each connection, by ticket keys."""
        return self.tickets.label()

    def samples_of(self, arm: str) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if sample.arm == arm)

    @cached_property
    def fresh(self) -> tuple[Sample, ...]:
        return self.samples_of("fresh")

    @cached_property
    def tls_controls(self) -> ControlResult:
        return worth(self.controls, "tls", self.members)

    @cached_property
    def cookie_controls(self) -> ControlResult:
        return worth(self.controls, "cookie", self.members)

    @cached_property
    def fresh_cookies(self) -> Mapping[str, tuple[str, ...]]:
        """The values that fresh connections were given, by the cookie's name, in order."""
        seen: dict[str, list[str]] = defaultdict(list)
        for sample in self.fresh:
            for name, value in cookies_of(sample.headers):
                seen[name].append(value)
        return {name: tuple(values) for name, values in seen.items()}

    @cached_property
    def members_cookies(self) -> frozenset[str]:
        """Names of the cookies that members set when they are asked directly."""
        return frozenset(name for _, page in self.own_pages for name, _ in cookies_of(page.headers))

    @cached_property
    def set_in_front(self) -> frozenset[str]:
        """Cookies that the FQDN's address sets on a page on which every member, asked directly, sets none of that
        name: something in front sets them. Empty where the members were not all asked for that page."""
        direct: dict[str, dict[str, set[str]]] = defaultdict(dict)  # path -> member -> names
        for member, page in self.own_pages:
            names = {name for name, _ in cookies_of(page.headers)}
            direct[page.path].setdefault(member, set()).update(names)
        found: set[str] = set()
        for page in self.pages:
            asked = direct.get(page.path, {})
            if self.members and self.complete and set(asked) == set(self.members):
                here = {name for name, _ in cookies_of(page.headers)}
                found |= here - set().union(*asked.values())
        return frozenset(found)

    @cached_property
    def session_cookies(self) -> frozenset[str]:
        """Names of cookies that may be sessions: new to each connection, and known to a later request at least once.
        What is set anew with every answer (a token against forgery, a date) is neither a session nor its loss."""
        return self._unique_cookies & self._recognised_once

    @cached_property
    def _unique_cookies(self) -> frozenset[str]:
        values = self.fresh_cookies.items()
        return frozenset(name for name, each in values if len(set(each)) == len(each) > 1)

    @property
    def _always_anew(self) -> frozenset[str]:
        return self._unique_cookies - self._recognised_once

    @cached_property
    def _recognised_once(self) -> frozenset[str]:
        shown: list[Control | Trace] = [*self.controls]
        shown += [trace for traces in self.traces.values() for trace in traces]
        known = {each.name for each in shown if each.token == "cookie" and each.recognised and each.name}
        for sample in self.samples:
            another_page = sample.request and sample.cookie_recognised is None
            if sample.status is not None and not another_page:
                known |= set(sample.cookies_sent) - {name for name, _ in cookies_of(sample.headers)}
            if sample.arm == "pairs" and sample.cookie_recognised:
                known |= set(sample.cookies_sent)
        return frozenset(known)

    def session_known(self, sample: Sample) -> bool | None:
        """Whether the session that a request presented was known: none of its cookies was set anew, those left aside
        that are set anew each time, and those that are the same for everybody. None where that cannot be told."""
        if sample.cookie_recognised is not False:
            return sample.cookie_recognised
        sent = set(sample.cookies_sent)
        anew = sent & {name for name, _ in cookies_of(sample.headers)}
        constant = {name for name, values in self.fresh_cookies.items() if len(set(values)) == 1}
        if not anew or anew - self._always_anew - constant:
            return False
        return True if sent & self.session_cookies else None

    @cached_property
    def route_cookies(self) -> Mapping[str, Mapping[str, str]]:
        """Without members: cookies whose values name the server by themselves, each value to what it names."""
        if self.members:
            return {}
        found = {name: values_that_name(name, values) for name, values in self.fresh_cookies.items()}
        return {name: named for name, named in found.items() if named}

    @cached_property
    def session_routes(self) -> Mapping[str, Mapping[str, str]]:
        """Without members: sessions of which a part names the server."""
        if self.members:
            return {}
        found = {name: parts_that_name(values) for name, values in self.fresh_cookies.items()}
        return {name: named for name, named in found.items() if named}

    @cached_property
    def repeated_cookies(self) -> frozenset[str | None]:
        """Names of cookies that came with one value on several fresh connections: labels, not sessions. Shown through
        the FQDN they may lead back to their member, whoever would have been chosen."""
        return frozenset(
            name for name, values in self.fresh_cookies.items() if len(set(values)) < len(values)
        )


def cookies_of(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """(name, value) of each Set-Cookie header."""
    found = []
    for name, value in headers:
        if name.lower() == "set-cookie":
            key, equals, rest = value.partition("=")
            if equals and key.strip():
                found.append((key.strip(), rest.partition(";")[0].strip()))
    return tuple(found)


def succeeded(sample: Sample) -> bool:
    return sample.failure is None and sample.status not in BALANCER_ERRORS


def balancer_error(sample: Sample) -> bool:
    """502, 503, 504, an alert, a close or reset, or no answer in time: what a dead member behind a balancer looks
    like, or one that does not speak with clients of today."""
    if sample.failure is None:
        return sample.status in BALANCER_ERRORS
    return sample.failure.cause in _ERROR_CAUSES


# --- of a run ----------------------------------------------------------------------------------------------


def member_addresses(target: Target) -> dict[str, str]:
    """Every address of every member, both interfaces, to its name."""
    return {
        endpoint.address: member.name
        for member in target.members
        for endpoint in (*member.client, *member.replication)
    }


def client_addresses(target: Target) -> dict[str, str]:
    """Every address of a client interface to its member's name."""
    return {endpoint.address: member.name for member in target.members for endpoint in member.client}


def members_with_clients(target: Target) -> tuple[str, ...]:
    """The members whose client interface is known."""
    return tuple(member.name for member in target.members if member.client)


def is_complete(target: Target) -> bool:
    """Whether somebody named the members: those that a check found may be a part of the cluster only."""
    return not any(member.found for member in target.members)


def unique_certificates(target: Target, handshakes: Iterable[Handshake]) -> dict[str, str]:
    """Leaf fingerprints that exactly one member presents on its client interface, to the member's name."""
    client = client_addresses(target)
    owners: dict[str, set[str]] = defaultdict(set)
    for shake in handshakes:
        if shake.chain and shake.sni == target.fqdn and shake.address in client:
            owners[shake.chain[0]].add(client[shake.address])
    return {fingerprint: next(iter(names)) for fingerprint, names in owners.items() if len(names) == 1}


def facts_by_path(snapshot: Snapshot, places: Sequence[EndpointStatus]) -> list[Facts]:
    """The facts of each address that was sampled, in the order of sampling."""
    seen = _Sorted(snapshot.observations)
    left_out = kept_away(snapshot.observations)
    place = {(p.address, p.port): p for p in places}
    return [
        _facts(snapshot.target, seen, where, without_those(samples, left_out), place.get(where), snapshot)
        for where, samples in seen.by_address.items()
    ]


class _Sorted:
    """The observations of a run that bear on who answered, by their kind."""

    def __init__(self, observations: Iterable[AnyObservation]) -> None:
        self.by_address: dict[tuple[str, int], list[Sample]] = {}
        self.traces: dict[str, list[Trace]] = {}
        self.controls: list[Control] = []
        self.handshakes: list[Handshake] = []
        self.tried: set[str] = set()
        self.pages: list[Exchange] = []
        for seen in observations:
            match seen:
                case Sample():
                    self.by_address.setdefault((seen.address, seen.port), []).append(seen)
                case Trace():
                    self.traces.setdefault(seen.sample, []).append(seen)
                case Control():
                    self.controls.append(seen)
                case Handshake():
                    self.handshakes.append(seen)
                case Connection():
                    self.tried.add(seen.address)
                case Exchange() if seen.failure is None:
                    self.pages.append(seen)
                case _:
                    pass


def _facts(
    target: Target,
    seen: _Sorted,
    where: tuple[str, int],
    samples: Sequence[Sample],
    place: EndpointStatus | None,
    snapshot: Snapshot,
) -> Facts:
    client = client_addresses(target)
    address, port = where
    own = any(control.issuer_address in client and control.issuer for control in seen.controls)
    main, earlier = _main_run(samples)
    members = members_with_clients(target) if _any_answered(seen, set(client)) else ()
    return Facts(
        members=members,
        addresses=member_addresses(target),
        samples=main,
        traces={sample.id: tuple(seen.traces.get(sample.id, ())) for sample in samples},
        controls=tuple(c for c in seen.controls if (c.issuer if own else c.issuer_address == address)),
        own_certificates=unique_certificates(target, seen.handshakes),
        own_pages=tuple((client[page.address], page) for page in seen.pages if page.address in client),
        pages=tuple(page for page in seen.pages if page.address == address and address not in client),
        earlier=earlier,
        started=snapshot.run.started,
        client=client,
        address=address,
        port=port,
        direct=_own_interface(place),
        complete=is_complete(target),
        handshakes=tuple(seen.handshakes),
        tickets=_tickets(target, members, seen, where, samples),
    )


def _any_answered(seen: _Sorted, client: set[str]) -> bool:
    """Whether a member's client interface answered, so far as they were asked: members behind a firewall are as good
    as unknown."""
    if not client & seen.tried:
        return True
    shown: list[Control | Trace] = [*seen.controls]
    shown += [trace for traces in seen.traces.values() for trace in traces]
    return any(shake.address in client and shake.failure is None for shake in seen.handshakes) or any(
        each.address in client and each.recognised is not None for each in shown
    )


def _tickets(
    target: Target,
    members: tuple[str, ...],
    seen: _Sorted,
    where: tuple[str, int],
    samples: Sequence[Sample],
) -> TicketFacts:
    """Tickets by where they came from. Only what a client interface shows under the FQDN's own name is a control."""
    addresses, client = member_addresses(target), client_addresses(target)
    looks: dict[str, dict[str, list[Look]]] = {"here": {}, "own": {}, "other": {}}
    given = [(h.address, h.at_s, h.ticket, h.sni == target.fqdn) for h in seen.handshakes]
    given += [(page.address, page.at_s, page.ticket, page.host == target.fqdn) for page in seen.pages]
    for address, at_s, ticket, by_name in given:
        if ticket is None or not ticket.count:
            continue
        if address == where[0] and address not in client:
            looks["here"].setdefault("", []).append(Look(at_s, ticket))
        elif address in client:
            if by_name:  # another name may lead to another key of the same server
                looks["own"].setdefault(client[address], []).append(Look(at_s, ticket))
        elif address in addresses:
            looks["other"].setdefault(addresses[address], []).append(Look(at_s, ticket))
    return TicketFacts(
        samples=tuple(samples),
        looks=tuple(looks["here"].get("", ())),
        members=members,
        complete=is_complete(target),
        own={name: tuple(each) for name, each in looks["own"].items()},
        other={name: tuple(each) for name, each in looks["other"].items()},
    )


def _main_run(samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Where tracing by one token was given up for another, the fresh arm began anew: the last one counts. What
    was connected before it, and could be told, comes second."""
    starts = [at for at, sample in enumerate(samples) if sample.arm == "fresh" and sample.index == 0]
    if len(starts) < 2:
        return tuple(samples), ()
    before = tuple(s for s in samples[: starts[-1]] if s.arm in ("fresh", "pairs"))
    dropped = {sample.id for sample in before}
    return tuple(s for s in samples if s.id not in dropped), before


def _own_interface(place: EndpointStatus | None) -> str | None:
    """The member whose own interface the address is, either of them: nothing stands in front of it then."""
    owners = (place.client_of or place.replication_of) if place is not None else ()
    return owners[0] if len(owners) == 1 else None


def facts_on_the_way(
    seen: Iterable[Sample | Trace | Control | Exchange | Handshake], target: Target, ended: bool = False
) -> Facts:
    """The facts of a path while it is being sampled. ended: no more fresh connections are made."""
    sorted_ = _Sorted(seen)
    client = client_addresses(target)
    samples = tuple(sample for each in sorted_.by_address.values() for sample in each)
    here = {sample.address for sample in samples} - set(client)
    alone = sorted_.controls and not any(control.issuer for control in sorted_.controls)
    members = () if alone else members_with_clients(target)
    return Facts(
        members=members,
        addresses=member_addresses(target),
        samples=samples,
        traces={key: tuple(value) for key, value in sorted_.traces.items()},
        controls=tuple(sorted_.controls),
        own_pages=tuple((client[page.address], page) for page in sorted_.pages if page.address in client),
        pages=tuple(page for page in sorted_.pages if page.address in here),
        client=client,
        complete=is_complete(target),
        tickets=replace(_tickets(target, members, sorted_, (next(iter(here), ""), 0), samples), ended=ended),
    )


# --- limits on this desktop --------------------------------------------------------------------------------


def kept_away(observations: Iterable[AnyObservation]) -> frozenset[str]:
    """Ids of samples that a limit on this desktop kept away (see `model.observations.Bound`): they say nothing of the
    pool."""
    bounds = (seen for seen in observations if isinstance(seen, Bound))
    return frozenset(sample for bound in bounds for sample in bound.samples)


def without_those(samples: Sequence[Sample], left_out: frozenset[str]) -> list[Sample]:
    """The others, numbered as if those had not been made: they took no member's turn. Fresh connections and pairs
    are counted together, as they are made."""
    if not left_out.intersection(sample.id for sample in samples):
        return list(samples)
    found: list[Sample] = []
    missing: dict[str, int] = {}
    for sample in samples:
        arm = "fresh" if sample.arm == "pairs" else sample.arm
        if sample.arm == "fresh" and sample.index == 0:
            missing[arm] = 0  # the arm began anew
        if sample.id in left_out:
            missing[arm] = missing.get(arm, 0) + 1
        else:
            found.append(replace(sample, index=sample.index - missing.get(arm, 0)))
    return found
