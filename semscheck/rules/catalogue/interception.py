"""Does something between this desktop and the servers open TLS? Only signs can be seen, so always `likely`.

One issuer for all members is normal: an organization has one authority. What is not normal: an issuer that is an
inspection product's; certificates for different hosts made within minutes of the run by an authority that this
desktop does not trust; one private key in recent certificates for different hosts; and one machine that answers at
every address: the same certificate for whoever sends no name, and sessions that all of them know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from semscheck.model.analysis import EndpointStatus
from semscheck.model.findings import Confidence, Owner
from semscheck.model.observations import Certificate, Control, Handshake
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.chains import Answer, answer, is_self_signed
from semscheck.rules.catalogue.presented import (
    NO_CERTIFICATE,
    Presented,
    all_handshakes,
    at_clients,
    at_interfaces_1,
    chains,
    covers,
    everywhere,
    issuer,
    where,
)
from semscheck.rules.context import RuleContext, listed
from semscheck.rules.rule import Answers, Hit, card, need

MADE_NOW = timedelta(minutes=5)  # nobody has a certificate issued and installed on several servers as fast
CLOCKS_APART = timedelta(minutes=10)
KEY_NAMES = 4  # a ticket that has the whole name of its key (`Ticket.prefixes`)
RECENT = timedelta(days=7)  # gateways keep what they made for days

# Words in the issuer's CN, O or OU, lower case, as the products' own authorities carry them. On this desktop:
# a program installed here, which the desktop's owner can set.
_PRODUCTS: tuple[tuple[str, bool, tuple[str, ...]], ...] = (
    ("Zscaler", False, ("zscaler",)),
    ("Netskope", False, ("netskope", "goskope.com")),
    ("Fortinet FortiGate", False, ("fortinet", "fortigate")),
    ("Palo Alto Networks", False, ("palo alto networks",)),
    ("Blue Coat ProxySG", False, ("blue coat", "bluecoat", "proxysg")),
    ("Sophos", False, ("sophos",)),
    ("Cisco Umbrella", False, ("cisco umbrella",)),
    ("Skyhigh (McAfee) Web Gateway", False, ("mcafee web gateway", "skyhigh")),
    ("Forcepoint", False, ("forcepoint", "websense")),
    ("Barracuda", False, ("barracuda",)),
    ("WatchGuard", False, ("watchguard", "fireware https proxy")),
    ("SonicWall", False, ("sonicwall",)),
    ("Untangle", False, ("untangle",)),
    ("Cloudflare Gateway", False, ("gateway ca - cloudflare", "cloudflare for teams")),
    ("Cato Networks", False, ("cato networks",)),
    ("Check Point", False, ("check point", "checkpoint")),
    ("Menlo Security", False, ("menlo security",)),
    ("iboss", False, ("iboss",)),
    ("Trend Micro", False, ("trend micro", "trendmicro")),
    ("Smoothwall", False, ("smoothwall",)),
    ("Clearswift", False, ("clearswift",)),
    ("Securly", False, ("securly",)),
    ("Kaspersky", True, ("kaspersky",)),
    ("ESET", True, ("eset ssl", "eset, spol")),
    ("Avast, AVG or Norton", True, ("web/mail",)),
    ("Bitdefender", True, ("bitdefender",)),
    ("AdGuard", True, ("adguard",)),
    ("Dr.Web", True, ("dr.web", "doctor web")),
    ("mitmproxy", True, ("mitmproxy",)),
    ("Burp Suite", True, ("portswigger",)),
    ("Fiddler", True, ("fiddlerroot",)),
    ("Charles", True, ("charles proxy",)),
)
_IN_WORDS = re.compile(
    r"\b(ssl|tls|https)\b[ /_-]*(inspect|intercept|decrypt|filter|proxy)|\bman.in.the.middle\b"
)
_NAMING = re.compile(r"(?:^|[,+])(?:CN|O|OU)=((?:\\.|[^,+\\])*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A certificate shown for a host. one: with its places."""

    host: str
    one: Presented

    @property
    def certificate(self) -> Certificate:
        return self.one.certificate


@dataclass(frozen=True, slots=True)
class _Sign:
    """One reason to think so. product: whose issuer it is, None if unknown; here: it runs on this desktop."""

    why: str
    shown: tuple[_Shown, ...]
    product: str | None = None
    here: bool = False


def _imitations(context: RuleContext) -> tuple[_Shown, ...]:
    """Certificates that name the host they were asked for: an inspector makes them to fit.

    A factory certificate, or one for another name, is no imitation.
    """
    found = [_Shown(context.target.fqdn, one) for one in at_clients(context)]
    for one in at_interfaces_1(context):
        hosts = dict.fromkeys(name for place in one.places for name in place.replication_of)
        found += [_Shown(host, one) for host in hosts]
    return tuple(
        each for each in found if covers(each.certificate, each.host) and not is_self_signed(each.certificate)
    )


def _issuing_names(context: RuleContext, certificate: Certificate) -> Iterator[str]:
    """CN, O and OU of the issuer and of the authorities above that came with the certificate, lower case."""
    above = [certificate.issuer]
    for chain in chains(context):
        if chain.sent[0] == certificate.fingerprint:
            above += [each.issuer for each in map(context.certificate, chain.sent[1:]) if each is not None]
    for name in dict.fromkeys(above):
        yield from (match.replace("\\", "").lower() for match in _NAMING.findall(name))


def _known_product(context: RuleContext, certificate: Certificate) -> tuple[str, bool] | None:
    """The inspection product that an issuer's name belongs to, and whether it runs on this desktop."""
    for name in _issuing_names(context, certificate):
        for product, here, words in _PRODUCTS:
            if any(word in name for word in words):
                return product, here
        if _IN_WORDS.search(name):
            return "a TLS inspection gateway", False
    return None


def _by_product(context: RuleContext, shown: tuple[_Shown, ...]) -> Iterator[_Sign]:
    groups: dict[tuple[str, bool], list[_Shown]] = {}
    for each in shown:
        product = _known_product(context, each.certificate)
        if product is not None:
            groups.setdefault(product, []).append(each)
    for (name, here), several in groups.items():
        yield _Sign(f"the issuer's name is that of {name}", tuple(several), name, here)


def _by_issuer(shown: tuple[_Shown, ...]) -> Iterator[tuple[_Shown, ...]]:
    """Groups under one issuer in which different hosts show different certificates."""
    groups: dict[tuple[str, str | None], list[_Shown]] = {}
    for each in shown:
        groups.setdefault((each.certificate.issuer, each.certificate.authority_key_id), []).append(each)
    for several in groups.values():
        apart = [
            one
            for one in several
            if any(
                other.host != one.host
                and not covers(one.certificate, other.host)
                and not covers(other.certificate, one.host)
                for other in several
            )
        ]
        if len(apart) > 1:
            yield tuple(apart)


def _distrusted(context: RuleContext, shown: tuple[_Shown, ...]) -> bool:
    wanted = {each.certificate.fingerprint for each in shown}
    judged = [chain for chain in chains(context) if chain.sent[0] in wanted]
    return bool(judged) and all(answer(chain, context) is Answer.UNTRUSTED for chain in judged)


def _began_within(shown: tuple[_Shown, ...], context: RuleContext, age: timedelta) -> bool:
    begun = [each.certificate.not_before for each in shown]
    return all(
        moment is not None and context.now - age <= moment <= context.now + CLOCKS_APART for moment in begun
    )


def _by_making(context: RuleContext, shown: tuple[_Shown, ...]) -> Iterator[_Sign]:
    for several in _by_issuer(shown):
        hosts = listed(list(dict.fromkeys(each.host for each in several)))
        keys = {each.certificate.spki for each in several}
        if len(keys) == 1 and None not in keys and _began_within(several, context, RECENT):
            yield _Sign(f"the recent certificates for {hosts} have one private key", several)
        elif _began_within(several, context, MADE_NOW) and _distrusted(context, several):
            yield _Sign(
                f"the certificates for {hosts} were all made within minutes of this run, by an issuer that "
                "this desktop does not trust",
                several,
            )


def _by_behaviour(context: RuleContext, shown: tuple[_Shown, ...]) -> Iterator[_Sign]:
    """One machine in place of several: several members' Interface 1 show a client without a name the clients'
    certificate and each its own to one with a name, and what resumes TLS at one is known at the others.
    """
    apart = {
        each.host: each
        for each in shown
        for place in each.one.places
        if each.host in place.replication_of and _nameless_shows_clients(context, place)
    }
    several = tuple(apart.values())
    distinct = {each.certificate.fingerprint for each in several}
    issuers = {each.certificate.issuer for each in shown}
    if len(distinct) > 1 and len(issuers) == 1 and _one_session_store(context, several):
        yield _Sign(
            f"at {listed(list(apart))}, without a server name, the clients' certificate is shown, and all share "
            "their TLS sessions, as one machine in front of all would",
            several,
        )


def _nameless_shows_clients(context: RuleContext, place: EndpointStatus) -> bool:
    """Does Interface 1 show the clients' certificate to who sends no name, and another to who does?"""
    here = [
        s for s in context.of(Handshake) if (s.address, s.port) == (place.address, place.port) and s.chain
    ]
    bare = {shake.chain[0] for shake in here if shake.sni is None}
    named = {shake.chain[0] for shake in here if shake.sni == place.sni}
    clients = {one.certificate.fingerprint for one in at_clients(context)}
    return bool(bare) and bare <= clients and not bare & named


def _one_session_store(context: RuleContext, several: tuple[_Shown, ...]) -> bool:
    """Are tickets made with one key at all these places and for clients; or does every member know every session?"""
    places = [place for each in several for place in each.one.places]
    keys = {_ticket_key(context, place) for place in (*places, *context.client_places)} - {None}
    at_all = all(_ticket_key(context, place) is not None for place in places)
    if at_all and len(keys) == 1:
        return True
    across = [c for c in context.of(Control) if c.token == "tls" and c.issuer and c.issuer != c.shown_to]
    return bool(across) and all(control.recognised for control in across)


def _ticket_key(context: RuleContext, place: EndpointStatus) -> str | None:
    """The name of the key that TLS 1.2 tickets begin with there (RFC 5077 section 4), None where none was seen."""
    for shake in all_handshakes(context, place):
        if shake.ticket is not None and len(shake.ticket.prefixes) == KEY_NAMES:
            return shake.ticket.prefixes[-1]
    return None


def signs(context: RuleContext) -> tuple[_Sign, ...]:
    """Every reason to think that TLS is opened on the way, the surest first."""
    shown = _imitations(context)
    named = tuple(_by_product(context, shown))
    told = {each.certificate.fingerprint for sign in named for each in sign.shown}
    rest = tuple(each for each in shown if each.certificate.fingerprint not in told)
    found = (*named, *_by_making(context, rest))
    return found or tuple(_by_behaviour(context, shown))


@card(
    code="CLT006",
    name="tls-intercepted",
    title="TLS is inspected on the way",
    severity=Severity.CRITICAL,
    severity_note="a warning where this desktop trusts what it is shown: clients connect",
    confidence=Confidence.LIKELY,
    owner=Owner.NETWORK,
    summary="Something between this desktop and the servers seems to open TLS and to present certificates of its "
    "own.",
    why="A gateway or a program on this desktop decrypts the traffic and shows certificates that it made itself. "
    "Encryption Desktop may refuse them, and everything that this check says about certificates, sessions and "
    "balancing is then about the gateway, not about the servers.",
    remedy="1. Exempt the clients' FQDN and the servers' own names from TLS inspection on the gateway, then run the "
    "check again.\n"
    "2. If the certificates stay the same, have it exempted in the security program of this desktop.",
    seen_by="An issuer whose name is that of an inspection product, for a certificate that fits the name asked for; "
    "or certificates for different hosts, from one issuer, that share one private key, or were made within minutes "
    "of the run by an issuer that is not trusted; or one machine that answers at every address: several members' "
    "Interface 1 show the clients' certificate to a client that sends no name, and all share their TLS sessions or "
    "the key of their tickets. A private authority that issued all of a cluster's certificates is no sign.",
    references=(refs.RFC_8446_INVARIANTS,),
    needs=(need(everywhere, NO_CERTIFICATE),),
)
def tls_intercepted(context: RuleContext) -> Answers:
    for sign in signs(context):
        yield _hit(sign, context)


def _hit(sign: _Sign, context: RuleContext) -> Hit:
    places: tuple[EndpointStatus, ...] = tuple(
        dict.fromkeys(place for each in sign.shown for place in each.one.places)
    )
    by = issuer(sign.shown[0].certificate)
    return Hit(
        subject=context.desktop(),
        summary=f'TLS to {where(places, context)} is probably opened on the way by "{by}": {sign.why}.',
        owner=Owner.DESKTOP if sign.here else Owner.NETWORK,
        severity=None if _distrusted(context, sign.shown) else Severity.WARNING,
        evidence=tuple(dict.fromkeys(item for each in sign.shown for item in each.one.evidence)),
        args={
            "issuer": sign.shown[0].certificate.issuer,
            "product": sign.product or "",
            "hosts": ", ".join(dict.fromkeys(each.host for each in sign.shown)),
            "why": sign.why,
        },
    )
