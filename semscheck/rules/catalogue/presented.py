"""Which certificates and chains were presented where: the view that the TLS and certificate rules share.

A certificate that several places present is one thing to mend, so the view is by certificate (or chain), each
with its places. A place may present several: a load balancer that passes TLS through shows its members' in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from semscheck.model.analysis import Access, Client, ClientAccess, EndpointStatus, client_names
from semscheck.model.findings import Facts, Subject
from semscheck.model.names import is_address, matches_alternative_names, matches_common_names
from semscheck.model.observations import Certificate, Handshake, Sample, Trust
from semscheck.model.target import Endpoint, Severity
from semscheck.rules.context import RuleContext, listed
from semscheck.rules.rule import Hit, NotObserved

SHOWN = 60  # characters of a certificate's name in a sentence
Made = TypeVar("Made")
Key = tuple[str, int, str | None]
NO_CERTIFICATE = "nothing that serves clients presented a certificate"


@dataclass(frozen=True, slots=True)
class Presented:
    """One server certificate and the places that present it. evidence: of handshakes and the certificate.

    second: the one for clients of RSA, where others are shown one with another kind of key.
    part: (connections that were shown it, connections made) where a single place shows several in turn; else None.
    """

    certificate: Certificate
    places: tuple[EndpointStatus, ...]
    evidence: tuple[str, ...]
    part: tuple[int, int] | None = None
    second: bool = False

    @property
    def serves_clients(self) -> bool:
        return any(place.serves_clients for place in self.places)

    @property
    def severity(self) -> Severity:
        """Critical on what serves clients; on replication interfaces alone at most warning."""
        return Severity.CRITICAL if self.serves_clients else Severity.WARNING


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain as sent, what the trust store said of it, and where. leaf: None if it does not parse."""

    sent: tuple[str, ...]
    trust: Trust
    places: tuple[EndpointStatus, ...]
    evidence: tuple[str, ...]
    leaf: Certificate

    @property
    def serves_clients(self) -> bool:
        return any(place.serves_clients for place in self.places)

    @property
    def severity(self) -> Severity:
        return Severity.CRITICAL if self.serves_clients else Severity.WARNING


@dataclass(slots=True)
class _Group:
    places: dict[EndpointStatus, None] = field(default_factory=dict)
    evidence: dict[str, None] = field(default_factory=dict)

    def put(self, place: EndpointStatus, evidence: str) -> None:
        self.places[place] = None
        self.evidence[evidence] = None


def covers(certificate: Certificate, host: str) -> bool:
    """Is it for this name, by a subject alternative name or by the Common Name?"""
    return bool(
        matches_alternative_names(host, certificate.dns_names, certificate.ip_names)
        or matches_common_names(host, certificate.common_names)
    )


def once(make: Callable[[RuleContext], Made]) -> Callable[[RuleContext], Made]:
    """The view of a case that many rules want, made for the first of them."""
    kept: WeakKeyDictionary[RuleContext, Made] = WeakKeyDictionary()

    @wraps(make)
    def remembered(context: RuleContext) -> Made:
        if context not in kept:
            kept[context] = make(context)
        return kept[context]

    return remembered


def _key(place: EndpointStatus) -> Key:
    return place.address, place.port, place.sni


@once
def _handshakes_at(context: RuleContext) -> dict[Key, tuple[Handshake, ...]]:
    """By place. The place's evidence decides, not its port: Interface 1 may have been read on another one."""
    by_id = {shake.id: shake for shake in context.of(Handshake)}
    return {
        _key(place): tuple(by_id[each] for each in place.evidence if each in by_id)
        for place in context.places
    }


def all_handshakes(context: RuleContext, place: EndpointStatus) -> tuple[Handshake, ...]:
    """Every handshake of a place: under its name and without, of one version and of all."""
    return _handshakes_at(context).get(_key(place), ())


def named(shake: Handshake, place: EndpointStatus) -> bool:
    """Was the place's own name sent? For an address as name there is none to send (RFC 6066 section 3)."""
    return shake.sni == place.sni or (shake.sni is None and place.sni is not None and is_address(place.sni))


def handshakes(context: RuleContext, place: EndpointStatus) -> tuple[Handshake, ...]:
    """The handshakes of a place under its own name, over the policy's whole range of versions."""
    return tuple(
        shake for shake in all_handshakes(context, place) if shake.offered is None and named(shake, place)
    )


def presented(context: RuleContext, places: Iterable[EndpointStatus]) -> tuple[Presented, ...]:
    """The certificates presented at some places, each once, in the order first seen.

    Certificates that sampling saw at an address of the FQDN count as presented there.
    """
    groups: dict[str, _Group] = {}
    chosen = tuple(places)
    for place in chosen:
        for shake in handshakes(context, place):
            if shake.chain:
                groups.setdefault(shake.chain[0], _Group()).put(place, shake.id)
    _add_samples(context, chosen, groups)
    found = []
    for fingerprint, group in groups.items():
        certificate = context.certificate(fingerprint)
        if certificate is not None:
            evidence = (certificate.id, *group.evidence)
            part = _part(context, tuple(group.places), fingerprint)
            found.append(Presented(certificate, tuple(group.places), evidence, part))
    return tuple(found)


def at(one: Presented, context: RuleContext) -> str:
    """Where a certificate is presented, in words; with how often, where the place shows another one as well."""
    shown = where(one.places, context)
    if one.second:
        return f"{shown}, for clients that use RSA,"
    return f"{shown} (on {one.part[0]:,} of {one.part[1]:,} connections)" if one.part else shown


def _part(
    context: RuleContext, places: tuple[EndpointStatus, ...], fingerprint: str
) -> tuple[int, int] | None:
    seen = _sampled(context).get((places[0].address, places[0].port), {}) if len(places) == 1 else {}
    if len(seen) < 2 or not places[0].fqdn:
        return None
    return len(seen.get(fingerprint, ())), sum(len(samples) for samples in seen.values())


@once
def _sampled(context: RuleContext) -> dict[tuple[str, int], dict[str, list[str]]]:
    """By address and port: the certificates that sampling saw, each with the samples that did."""
    found: dict[tuple[str, int], dict[str, list[str]]] = {}
    for sample in context.of(Sample):
        if sample.certificate is not None:
            here = found.setdefault((sample.address, sample.port), {})
            here.setdefault(sample.certificate, []).append(sample.id)
    return found


def sampled_at(context: RuleContext, place: EndpointStatus) -> frozenset[str]:
    """Fingerprints of the certificates that repeated connections were shown at an address of the FQDN."""
    return frozenset(_sampled(context).get((place.address, place.port), ())) if place.fqdn else frozenset()


def samples_at(context: RuleContext, place: EndpointStatus) -> tuple[Sample, ...]:
    """The repeated connections to an address of the FQDN, from this desktop's usual address."""
    return _samples(context).get((place.address, place.port), ()) if place.fqdn else ()


@once
def _samples(context: RuleContext) -> dict[tuple[str, int], tuple[Sample, ...]]:
    found: dict[tuple[str, int], list[Sample]] = {}
    for sample in context.of(Sample):
        if sample.arm != "source":
            found.setdefault((sample.address, sample.port), []).append(sample)
    return {where: tuple(samples) for where, samples in found.items()}


def _add_samples(context: RuleContext, places: Sequence[EndpointStatus], groups: dict[str, _Group]) -> None:
    """What sampling saw of certificates, one observation as evidence for each certificate and place."""
    for place in places:
        if not place.fqdn:
            continue
        for fingerprint, samples in _sampled(context).get((place.address, place.port), {}).items():
            group = groups.setdefault(fingerprint, _Group())
            if place not in group.places:
                group.put(place, samples[0])


@once
def at_clients(context: RuleContext) -> tuple[Presented, ...]:
    """The certificates at what serves clients, those for clients of RSA behind the usual ones."""
    usual = presented(context, context.client_places)
    return (*usual, *_second_certificates(context, {one.certificate.fingerprint for one in usual}))


def _second_certificates(context: RuleContext, usual: set[str]) -> Iterator[Presented]:
    groups: dict[str, _Group] = {}
    for place in context.client_places:
        for shake in all_handshakes(context, place):
            if shake.offered == "RSA" and shake.chain and shake.chain[0] not in usual:
                groups.setdefault(shake.chain[0], _Group()).put(place, shake.id)
    for fingerprint, group in groups.items():
        certificate = context.certificate(fingerprint)
        if certificate is not None:
            yield Presented(certificate, tuple(group.places), (certificate.id, *group.evidence), second=True)


@once
def at_interfaces_1(context: RuleContext) -> tuple[Presented, ...]:
    """The certificates on replication interfaces.

    An address of the FQDN that is also an Interface 1 was looked at under both names and is two places; here
    the one under the member's name counts.
    """
    return presented(
        context, (place for place in context.replication_places if place.sni in place.replication_of)
    )


@once
def everywhere(context: RuleContext) -> tuple[Presented, ...]:
    """Certificates at what serves clients and on replication interfaces; one that is at both counts once."""
    merged: dict[str, Presented] = {}
    for one in (*at_clients(context), *at_interfaces_1(context)):
        known = merged.get(one.certificate.fingerprint)
        merged[one.certificate.fingerprint] = one if known is None else _merge(known, one)
    return tuple(merged.values())


def _merge(one: Presented, other: Presented) -> Presented:
    return Presented(
        one.certificate,
        tuple(dict.fromkeys((*one.places, *other.places))),
        tuple(dict.fromkeys((*one.evidence, *other.evidence))),
    )


@once
def chains(context: RuleContext) -> tuple[Chain, ...]:
    """Every chain that was sent and put before the trust store, with the store's answer."""
    groups: dict[tuple[tuple[str, ...], bool | None, int | None], _Group] = {}
    trusts: dict[tuple[tuple[str, ...], bool | None, int | None], Trust] = {}
    for place in context.places:
        for shake in handshakes(context, place):
            if shake.trust is None or not shake.chain:
                continue
            key = shake.chain, shake.trust.trusted, shake.trust.code
            trusts.setdefault(key, shake.trust)
            groups.setdefault(key, _Group()).put(place, shake.id)
    found = []
    for key, group in groups.items():
        leaf = context.certificate(key[0][0])
        if leaf is not None:
            evidence = (leaf.id, *group.evidence)
            found.append(Chain(key[0], trusts[key], tuple(group.places), evidence, leaf))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that classes of client refuse at some places. why: in words; clients: who, in the table's order."""

    why: str
    places: tuple[EndpointStatus, ...]
    clients: tuple[Client, ...]

    @property
    def refused_by(self) -> str:
        """Who refuses, as a sentence goes on."""
        everybody = len(self.clients) == len(Client)
        return "no client takes it" if everybody else f"{self.whom[0].lower()}{self.whom[1:]} refuse it"

    @property
    def whom(self) -> str:
        """Who, as a sentence begins; of most classes, those that are left."""
        left = [client for client in Client if client not in self.clients]
        if not left:
            return "No client"
        if len(left) < len(self.clients) / 2:
            return f"Most clients (all but {listed(client_names(left))})"
        names = listed(client_names(self.clients))
        return names[0].upper() + names[1:]


def refusals(context: RuleContext, kind: str, certificate: str | None = None) -> Iterator[Refusal]:
    """Where a kind of obstacle makes clients refuse, by what exactly it is. certificate: of these places alone."""
    cells: dict[str, list[ClientAccess]] = {}
    for cell in context.analysis.clients:
        words = [obstacle.words for obstacle in cell.why if obstacle.kind == kind]
        if cell.access is Access.REFUSES and words and certificate in (None, cell.certificate):
            cells.setdefault("; ".join(words), []).append(cell)
    known = {(place.address, place.port): place for place in context.client_places}
    for why, several in cells.items():
        at_these = dict.fromkeys(known.get((cell.address, cell.port)) for cell in several)
        places = tuple(place for place in at_these if place is not None)
        if places:
            yield Refusal(why, places, tuple(sorted({cell.client for cell in several}, key=_ORDER.index)))


_ORDER = tuple(Client)


def endpoints(places: Iterable[EndpointStatus]) -> tuple[Endpoint, ...]:
    """Places as a finding's facts have them."""
    return tuple(dict.fromkeys(Endpoint(place.address, place.port) for place in places))


def certificate_hit(
    one: Presented,
    context: RuleContext,
    summary: str,
    args: Mapping[str, str] | None = None,
    until: datetime | None = None,
    **fields: Any,
) -> Hit:
    """A finding about a certificate, with the facts that all of them carry. fields: those of `Hit`; the subject is
    the leading place, if none is given."""
    fingerprint = one.certificate.fingerprint
    facts = Facts(certificates=(fingerprint,), places=endpoints(one.places), until=until)
    given = {"subject": subject(one.places, context), "evidence": one.evidence, **fields}
    return Hit(summary=summary, facts=facts, args={**_described(one, context), **(args or {})}, **given)


def cannot_connect(one: Presented, refusal: Refusal, context: RuleContext) -> Hit:
    """A finding that says for whom a certificate fails, and why."""
    return certificate_hit(
        one,
        context,
        f"{refusal.whom} cannot connect {_to(one, context)}: {refusal.why}.",
        {"clients": ", ".join(refusal.clients)},
        subject=subject(refusal.places, context),
    )


def _to(one: Presented, context: RuleContext) -> str:
    """Where clients do not get, in words: the name that they use, if it leads there each time."""
    if any(place.fqdn for place in one.places) and one.part is None and not one.second:
        return f"to {context.fqdn}"
    return f"at {at(one, context)}"


def unseen(context: RuleContext, found: Iterable[Presented]) -> Iterator[NotObserved]:
    """What serves clients and presented no certificate; silence of a part is not health of the whole."""
    seen = {place for one in found for place in one.places}
    if not any(place.serves_clients for one in found for place in one.places):
        yield NotObserved(NO_CERTIFICATE)
        return
    missing = [place for place in context.client_places if place not in seen]
    if missing:
        yield NotObserved(f"no certificate came from {where(missing, context)}")


def _lead(places: Sequence[EndpointStatus], context: RuleContext) -> EndpointStatus:
    """The place that a finding about several is filed under: a member's client interface if there is one.

    One that was found by itself stands behind all others: what is wrong there alone decides no verdict.
    """
    told = [place for place in places if place.address not in context.found_addresses] or places
    for place in told:
        if place.client_of:
            return place
    return next((place for place in told if place.serves_clients), told[0])


def subject(places: Sequence[EndpointStatus], context: RuleContext) -> Subject:
    return context.subject_of(_lead(places, context))


def where(places: Sequence[EndpointStatus], context: RuleContext) -> str:
    """The places in words: up to two by name, of more the leading one and how many others."""
    first = _lead(places, context)
    others = [place for place in places if place is not first]
    named_first = context.name_of(first)
    if len(others) > 1:
        return f"{named_first} and {len(others)} other places"
    return listed([named_first, *(context.name_of(place) for place in others)])


def short(text: str) -> str:
    """A name out of a certificate, short enough for a sentence."""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def title(certificate: Certificate) -> str:
    """What people call it: its Common Name, else its first alternative name, else its fingerprint's start."""
    for name in (*certificate.common_names[:1], *(certificate.dns_names or ())[:1]):
        if name:
            return f'"{short(name)}"'
    return f"with fingerprint {certificate.fingerprint[:16]}…"


def issuer(certificate: Certificate) -> str:
    """What people call its issuer."""
    names = certificate.issuer_common_names
    return short(names[-1] if names and names[-1] else certificate.issuer) or "an issuer without a name"


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _described(one: Presented, context: RuleContext) -> dict[str, str]:
    """The facts that every certificate finding carries, as text."""
    certificate = one.certificate
    return {
        "fingerprint": certificate.fingerprint,
        "common_name": ", ".join(certificate.common_names),
        "alternative_names": ", ".join((*(certificate.dns_names or ())[:20], *certificate.ip_names[:20])),
        "issuer": certificate.issuer,
        "places": ", ".join(context.name_of(place) for place in one.places),
    }
