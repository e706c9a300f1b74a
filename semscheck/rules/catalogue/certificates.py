"""Rules on certificates: names, validity, trust, and who presents which. Revocation is not checked.

Facts come parsed; trust is what the desktop's store said; the time is the run's, so that a replay judges as of
then. Names are matched by RFC 9525, the vendor's Common Name rule (Broadcom KB 156803) stands apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from semscheck.model.analysis import EndpointStatus
from semscheck.model.findings import Confidence, Facts, ImpactKind, Owner, Role, Subject
from semscheck.model.names import (
    is_wildcard,
    matches_alternative_names,
    matches_common_names,
    spoiled_by,
)
from semscheck.model.observations import Certificate
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.chains import (
    BAD_SIGNATURE,
    CRITICAL_EXTENSION,
    EXPIRED,
    NAME_CONSTRAINTS,
    NO_AUTHORITY,
    NO_ISSUER,
    PATH_LENGTH,
    SELF_SIGNED_IN_CHAIN,
    Answer,
    answer,
    expired,
    is_self_signed,
    missing,
    not_yet_valid,
    path_certificates,
    sent_certificates,
    wrong_purpose,
)
from semscheck.rules.catalogue.cluster import exchanges, is_product
from semscheck.rules.catalogue.desktop import SKEW_LIMIT_S, clock_skews
from semscheck.rules.catalogue.presented import (
    NO_CERTIFICATE,
    Chain,
    Presented,
    at,
    at_clients,
    cannot_connect,
    certificate_hit,
    chains,
    day,
    everywhere,
    issuer,
    once,
    presented,
    refusals,
    short,
    subject,
    title,
    unseen,
    where,
)
from semscheck.rules.context import RuleContext, listed, sentence_start
from semscheck.rules.remedies import INSTALL, steps
from semscheck.rules.rule import Answers, Hit, NotObserved, card, need

AT_MOST_WARNING = (
    "at most a warning where clients do not go today: a replication interface, a server that stands by"
)
NO_REVOCATION = "Whether the certificate was revoked is not checked."
MIN_RSA_BITS = 2048
MIN_EC_BITS = 224
WEAK_HASHES = frozenset({"md2", "md4", "md5", "sha1"})


CLIENTS_NAME = need(
    lambda context: not context.target.fqdn_is_address, "an address was given instead of the clients' name"
)

# --- what the rules share ----------------------------------------------------------------------------------


def covering(certificate: Certificate, name: str) -> tuple[str, ...]:
    """Every entry, subjectAltName or Common Name, that covers a name."""
    return (
        *matches_alternative_names(name, certificate.dns_names, certificate.ip_names),
        *matches_common_names(name, certificate.common_names),
    )


def fails_name(certificate: Certificate, context: RuleContext) -> bool:
    """CRT001's condition: readable names, none of which covers the FQDN. Never for an address as target."""
    if context.target.fqdn_is_address or certificate.names_unread:
        return False
    return not covering(certificate, context.target.fqdn)


def names_of(certificate: Certificate) -> str:
    names = tuple(
        dict.fromkeys((*certificate.common_names, *(certificate.dns_names or ()), *certificate.ip_names))
    )
    return listed([_visible(name) for name in names], 4) if names else "no name at all"


def _visible(name: str) -> str:
    """A name as it stands, in quotes where that is the only way to see where it begins and ends."""
    plain = name.isascii() and name.isprintable() and " " not in name and name != ""
    return short(name) if plain else f'"{short(name)}"'


def _days(left: timedelta) -> str:
    hours = left.total_seconds() / 3600
    if hours < 48:
        return f"{max(hours, 0):.0f} hours"
    return f"{hours / 24:.0f} days"


def _authorities(context: RuleContext) -> tuple[Presented, ...]:
    """Certificates above the leaf that decide: of the verified path, or as sent where none is known."""
    groups: dict[str, Presented] = {}
    for chain in chains(context):
        if chain.trust.trusted and not chain.trust.chain:
            continue  # trusted by a path that this verifier does not tell; what was sent may not be on it
        for above in path_certificates(chain, context):
            one = Presented(above, chain.places, (above.id, *chain.evidence[1:]))
            known = groups.get(above.fingerprint)
            if known is not None:
                places = tuple(dict.fromkeys((*known.places, *one.places)))
                one = replace(known, places=places, evidence=(*known.evidence, *one.evidence[1:]))
            groups[above.fingerprint] = one
    return tuple(groups.values())


# --- names -------------------------------------------------------------------------------------------------


@card(
    code="CRT001",
    name="name-mismatch",
    title="Certificate for another name",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=AT_MOST_WARNING,
    owner=Owner.SERVER,
    summary="On what serves clients: neither the Common Name nor a subject alternative name of the certificate "
    "covers the name that clients use.",
    why="A client compares the name it was given with the names in the server's certificate. If they do not fit it "
    "warns or refuses: it cannot know that it reached the right server. The same happens after a failover to the "
    "member concerned, so it is reported for members that stand by too.",
    remedy="1. Have a certificate issued for the clients' FQDN (Common Name and subject alternative name), and "
    f"install it there.\n2. {INSTALL}\n"
    "3. Or, where the certificate names another machine of yours: correct the address that the FQDN or the load "
    "balancer leads to.",
    seen_by="The certificate that each address presents is compared with the FQDN: subject alternative names as RFC "
    "9525 says (a wildcard stands for one whole left-most label), and the Common Name as the vendor's articles say. "
    "A name in a certificate with a blank, a trailing dot or a URL around it matches nothing. Where an address was "
    "given instead of a name, only entries of type IP address count (section 6.4).",
    references=(refs.KB_156803, refs.KB_157246, refs.RFC_9525),
)
def name_mismatch(context: RuleContext) -> Answers:
    found = at_clients(context)
    for one in found:
        covered = covering(one.certificate, context.target.fqdn)
        if one.certificate.names_unread and not covered:
            yield NotObserved(f"the names in a certificate at {at(one, context)} do not parse")
        elif not covered:
            yield _for_an_address(one, context) if context.target.fqdn_is_address else _mismatch(one, context)
    yield from unseen(context, found)


def _mismatch(one: Presented, context: RuleContext) -> Hit:
    stranger = _stranger(one, context)
    others = (place for place in context.fqdn_places if place not in one.places)
    again = stranger is not None and any(place.serves for place in others)
    return certificate_hit(
        one,
        context,
        f"The certificate at {at(one, context)} is for {names_of(one.certificate)}, "
        f"not for {context.fqdn}{_spoiled(one.certificate, context)}.",
        {"expected": context.target.fqdn},
        owner=Owner.DNS if again else None,
        remedy=_find_out(stranger, again)
        if stranger
        else _from_another(one, context) or _own_name(one, context),
    )


def _stranger(one: Presented, context: RuleContext) -> EndpointStatus | None:
    """Where the name leads to what shows neither its certificate nor the product: another machine or site."""
    for place in one.places:
        pages = [page for page in exchanges(context, place) if page.status is not None]
        if place.fqdn and not (place.client_of or place.replication_of) and pages and not is_product(pages):
            return place
    return None


def _own_name(one: Presented, context: RuleContext) -> str | None:
    """Where a server's own certificate is shown: what it shows on Interface 1."""
    domain = context.target.fqdn.partition(".")[2].lower()
    shown_names = (*one.certificate.common_names, *(one.certificate.dns_names or ()))
    parts = [(name, *name.lower().partition(".")) for name in shown_names]
    # Servers of a cluster have numbers, other sites of a domain have not.
    hosts = [name for name, label, _, rest in parts if rest == domain and label[-1:].isdigit()]
    if not hosts or not any(place.fqdn for place in one.places):
        return None
    at_all = listed(dict.fromkeys(place.address for place in one.places if place.fqdn))
    return steps(
        f"Check whether {at_all} leads to Interface 1 (replication) of {hosts[0]}: point the name, or the load "
        "balancer's pool, at Interface 2 then.",
        "If it is Interface 2, install there the certificate for the clients' FQDN; it is not replicated.",
    )


def _find_out(place: EndpointStatus, again: bool) -> str:
    kind = "AAAA" if ":" in place.address else "A"
    record = f"the {kind} record (or what answers for it)"
    if again:
        return (
            f"1. Correct {record}: {place.address} is another machine or site, with a page and a certificate of its "
            "own, and the name's other address serves.\n"
            "2. If it is the right one, install the certificate and the site of this name there."
        )
    return (
        f"1. Find out what has the address {place.address}: it shows neither this name nor this product. If several "
        "sites share it, add this name there.\n"
        f"2. If it is another machine, correct {record}.\n"
        "3. Else have a certificate issued for the clients' FQDN, and install it there."
    )


def _from_another(one: Presented, context: RuleContext) -> str | None:
    """Where another server that clients use has a good one, that one is installed here too; else None."""
    if not one.serves_clients:
        return None
    good = (
        other
        for other in at_clients(context)
        if not fails_name(other.certificate, context) and not expired(other.certificate, context)
    )
    for other in good:
        until = f" (valid until {day(other.certificate.not_after)})" if other.certificate.not_after else ""
        of = context.name_of(other.places[0])
        return steps(
            f"Install here, too, the certificate that {of} presents{until}."
            if other.places[0] not in one.places
            else f"Find the server behind {of} that presents this certificate, and install there the one that "
            f"the others present{until}.",
            "Renew it before it expires, on every server: it is not replicated.",
        )
    return None


def _for_an_address(one: Presented, context: RuleContext) -> Hit:
    """Whether any client was given the address is not known, so that it is a warning."""
    address = context.target.fqdn
    typed = address in (*(one.certificate.dns_names or ()), *one.certificate.common_names)
    as_name = f'; "{address}" stands in it as a name, where only an entry of type IP address counts'
    return certificate_hit(
        one,
        context,
        f"Clients that use the address {address} in place of the name refuse the certificate at "
        f"{at(one, context)}, which is for {names_of(one.certificate)}{as_name if typed else ''}.",
        {"expected": address},
        severity=Severity.WARNING,
        remedy="Give clients the name that the certificate is for, not an address: Consumers > Groups > Download "
        'Client, field "Symantec Encryption Server". If an address has to serve, have the certificate issued with it '
        "as a subject alternative name of type IP address.",
    )


def _spoiled(certificate: Certificate, context: RuleContext) -> str:
    """What keeps an entry that was meant for the FQDN from covering it, for the end of a sentence."""
    for name in (*(certificate.dns_names or ()), *certificate.common_names):
        why = spoiled_by(name, context.target.fqdn)
        if why is not None:
            return f'; "{short(name)}" {why}, so that it matches nothing'
        if name.startswith("*.") and context.target.fqdn.lower().endswith(name[1:].lower()):
            return "; a wildcard stands for one label only"
    return ""


@card(
    code="CRT002",
    name="common-name-differs",
    title="Common Name differs",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="A subject alternative name covers the clients' FQDN, the Common Name does not.",
    why="The vendor asks for a Common Name that equals the clients' FQDN. Clients also honor subject alternative "
    "names, so this works with current versions; old ones and other tools that read only the Common Name may refuse.",
    remedy="At the next renewal, ask for a certificate whose Common Name is the clients' FQDN; keep the subject "
    "alternative names.",
    seen_by="Common Name and subject alternative names of the certificates on what serves clients.",
    references=(refs.KB_156803, refs.KB_157246),
    needs=(CLIENTS_NAME,),
)
def common_name_differs(context: RuleContext) -> Answers:
    found = at_clients(context)
    for one in found:
        names, fqdn = one.certificate, context.target.fqdn
        covered = matches_alternative_names(fqdn, names.dns_names, names.ip_names)
        if not covered or matches_common_names(fqdn, names.common_names):
            continue
        common = listed([short(name) for name in names.common_names]) if names.common_names else None
        has = f'has the Common Name "{common}"' if common else "has no Common Name"
        yield certificate_hit(
            one,
            context,
            f"The certificate at {at(one, context)} {has}; {context.fqdn} is only among its alternative names.",
            {"expected": fqdn},
        )
    yield from unseen(context, found)


@card(
    code="CRT003",
    name="no-alternative-name",
    title="Name missing from the alternative names",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The Common Name fits, and no subject alternative name does.",
    why="Encryption Desktop takes the Common Name. Modern TLS clients (browsers for Web Email Protection, mobile "
    "applications, scripts) look at subject alternative names only and refuse the certificate.",
    remedy="Have the certificate issued again with the clients' FQDN as a subject alternative name (type DNS) as "
    "well as in the Common Name.",
    seen_by="The certificate has no subjectAltName at all, or one that does not cover the FQDN, while the Common "
    "Name does.",
    references=(refs.RFC_9525, refs.KB_157246),
    needs=(CLIENTS_NAME,),
)
def no_alternative_name(context: RuleContext) -> Answers:
    found = at_clients(context)
    for one in found:
        names, fqdn = one.certificate, context.target.fqdn
        if names.names_unread or not matches_common_names(fqdn, names.common_names):
            continue
        if matches_alternative_names(fqdn, names.dns_names, names.ip_names):
            continue
        lacks = "no alternative names" if names.dns_names is None else "other alternative names"
        yield certificate_hit(
            one,
            context,
            f"The certificate at {at(one, context)} names {context.fqdn} in the Common Name "
            f"only and has {lacks}: browsers refuse it, Encryption Desktop does not{_spoiled(names, context)}.",
            {"expected": fqdn},
        )
    yield from unseen(context, found)


# --- validity ----------------------------------------------------------------------------------------------


@once
def _dated(context: RuleContext) -> tuple[Presented, ...]:
    """Server certificates, and those above them where the chain is not trusted or its path is known."""
    leaves = everywhere(context)
    known = {one.certificate.fingerprint for one in leaves}
    return (*leaves, *(one for one in _authorities(context) if one.certificate.fingerprint not in known))


def _kind(one: Presented, leaves: tuple[Presented, ...]) -> str:
    leaf = any(one.certificate.fingerprint == other.certificate.fingerprint for other in leaves)
    return "certificate" if leaf else "issuing authority's certificate"


def _undated(found: tuple[Presented, ...], context: RuleContext) -> Answers:
    for one in found:
        if one.certificate.not_after is None or one.certificate.not_before is None:
            yield NotObserved(f"the dates of the certificate at {at(one, context)} do not parse")


@card(
    code="CRT004",
    name="expired",
    title="Certificate expired",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=AT_MOST_WARNING,
    owner=Owner.SERVER,
    summary="The certificate's validity has ended.",
    why="Clients refuse an expired certificate or warn at every connection. Each member has a certificate of its "
    "own, so one that was forgotten shows only for clients that are sent to that member.",
    remedy=f"1. Renew the certificate, and install it there.\n2. {INSTALL}",
    seen_by="The end of validity against this desktop's clock at the start of the run; a clock that is "
    f"wrong is CLT004. Authorities above the server's certificate are looked at too. {NO_REVOCATION}",
    references=(refs.RFC_5280_VALIDITY,),
)
def has_expired(context: RuleContext) -> Answers:
    leaves = everywhere(context)
    dated = _dated(context)
    for one in leaves:
        if expired(one.certificate, context) and one.certificate.not_after is not None:
            yield certificate_hit(
                one,
                context,
                f"The certificate {title(one.certificate)} at {at(one, context)} "
                f"expired on {day(one.certificate.not_after)}.",
                {"not_after": one.certificate.not_after.isoformat()},
                severity=one.severity,
                remedy=_from_another(one, context),
            )
    yield from _expired_authorities(dated[len(leaves) :], context)
    told = {each for one in dated if expired(one.certificate, context) for each in one.places}
    yield from (_expired_unsent(chain, context) for chain in chains(context) if _expired_above(chain, told))
    yield from _undated(leaves, context)
    yield from unseen(context, leaves)


_NEW_CHAIN = (
    "1. Get the authority's current intermediate certificate, which the authority publishes.\n"
    "2. Install it with the server's certificate in place of the expired one, on every member (and on a load "
    "balancer that ends TLS). The server's own certificate need not be renewed."
)
_NEW_ROOT = (
    "1. On the desktops, install the authority's current root certificate: the old one in their store has "
    "expired.\n"
    "2. On the server, leave the expired certificates out of the chain that it sends, so that desktops with the new "
    "root do not meet them. The server's own certificate need not be renewed."
)


def _expired_authorities(above: tuple[Presented, ...], context: RuleContext) -> Answers:
    """One finding for all expired authorities above the same servers: there is one thing to do."""
    groups: dict[tuple[EndpointStatus, ...], list[Presented]] = {}
    for one in above:
        if expired(one.certificate, context):
            groups.setdefault(one.places, []).append(one)
    for places, several in groups.items():
        first = min(several, key=lambda one: one.certificate.not_after or context.now)
        root = any(is_self_signed(one.certificate) for one in several)
        names = listed([title(one.certificate) for one in several], 3)
        newer = ", and this desktop has no newer one" if root else ""
        whose = "authority's certificate" if len(several) == 1 else "authorities' certificates"
        yield certificate_hit(
            first,
            context,
            f"The {'root' if root else f'issuing {whose}'} {names} at {where(places, context)} expired on "
            f"{day(first.certificate.not_after or context.now)}{newer}.",
            {"not_after": f"{first.certificate.not_after or ''}"},
            subject=subject(places, context),
            owner=Owner.DESKTOP if root else None,
            remedy=_NEW_ROOT if root else _NEW_CHAIN,
            severity=several[0].severity,
            evidence=tuple(dict.fromkeys(each for one in several for each in one.evidence)),
        )


def _expired_above(chain: Chain, told: set[EndpointStatus]) -> bool:
    """The verifier met an expired certificate that the server did not send: one of this desktop's store."""
    return chain.trust.code == EXPIRED and not told.issuperset(chain.places)


def _expired_unsent(chain: Chain, context: RuleContext) -> Hit:
    return _chain_hit(
        chain,
        context,
        f"An authority above the certificate {title(chain.leaf)} at {where(chain.places, context)} "
        "has expired, as this desktop's store has it.",
        owner=Owner.DESKTOP,
        remedy=_NEW_ROOT,
    )


_CLOCKS_AGREE = (
    "1. Install the certificate that was used before, until this one is valid, or have it issued again with a "
    f"validity that has begun: the servers' clocks agree with this desktop's.\n2. {INSTALL}"
)


def _clocks_agree(context: RuleContext) -> bool:
    skews, _ = clock_skews(context)
    return bool(skews) and all(abs(skew) <= SKEW_LIMIT_S for skew in skews.values())


@card(
    code="CRT005",
    name="not-yet-valid",
    title="Certificate not valid yet",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=AT_MOST_WARNING,
    owner=Owner.SERVER,
    summary="The certificate's validity has not begun.",
    why="Clients refuse a certificate from the future. Most often the clock of this desktop, or of the authority "
    "that issued it, is wrong.",
    remedy="1. Compare this desktop's clock with a reliable one.\n"
    f"2. If it is right, have the certificate issued again with a validity that has begun.\n3. {INSTALL}",
    seen_by="The beginning of validity against this desktop's clock at the start of the run.",
    references=(refs.RFC_5280_VALIDITY,),
)
def is_not_yet_valid(context: RuleContext) -> Answers:
    leaves = everywhere(context)
    for one in _dated(context):
        if not not_yet_valid(one.certificate, context) or one.certificate.not_before is None:
            continue
        yield certificate_hit(
            one,
            context,
            f"The {_kind(one, leaves)} {title(one.certificate)} at {at(one, context)} is "
            f"valid only from {day(one.certificate.not_before)} on.",
            {"not_before": one.certificate.not_before.isoformat()},
            severity=one.severity,
            remedy=_CLOCKS_AGREE if _clocks_agree(context) else None,
        )
    yield from _undated(leaves, context)
    yield from unseen(context, leaves)


@card(
    code="CRT006",
    name="expires-soon",
    title="Certificate expires soon",
    impact=ImpactKind.UNTIL_DATE,
    severity=Severity.WARNING,
    severity_note="critical under the second threshold (7 days or a tenth of its validity, whichever is less, "
    "unless the profile says otherwise); " + AT_MOST_WARNING,
    owner=Owner.SERVER,
    summary="The certificate will expire within the threshold (30 days or a quarter of its validity, whichever is "
    "less, unless the profile says otherwise).",
    why="After that day clients refuse the server or warn at every connection.",
    remedy=f"1. Renew the certificate before that date.\n2. {INSTALL}",
    seen_by="The end of validity against this desktop's clock at the start of the run; of the server's certificate "
    "and of the authorities on the path that was verified.",
    references=(refs.RFC_5280_VALIDITY,),
)
def expires_soon(context: RuleContext) -> Answers:
    leaves = everywhere(context)
    limits = context.target.thresholds
    for one in _dated(context):
        ends = one.certificate.not_after
        if ends is None or ends < context.now:
            continue
        left = ends - context.now
        warning, critical = limits.expiry_days(one.certificate.whole_days)
        if left >= timedelta(days=warning):
            continue
        urgent = left < timedelta(days=critical) and one.serves_clients
        yield certificate_hit(
            one,
            context,
            f"The {_kind(one, leaves)} {title(one.certificate)} at {at(one, context)} "
            f"expires in {_days(left)}, on {day(ends)}.",
            {"not_after": ends.isoformat(), "left_s": f"{left.total_seconds():.0f}"},
            until=ends,
            severity=Severity.CRITICAL if urgent else Severity.WARNING,
        )
    yield from _undated(leaves, context)
    yield from unseen(context, leaves)


# --- one certificate for all -------------------------------------------------------------------------------


def _interfaces(context: RuleContext) -> tuple[EndpointStatus, ...]:
    """The members' client interfaces; where no member is known, the FQDN's own addresses stand for them."""
    known = tuple(place for place in context.places if place.client_of)
    return known or context.fqdn_places


@card(
    code="CRT007",
    name="members-differ",
    title="Servers present different certificates",
    severity=Severity.WARNING,
    severity_note="critical if one that clients are shown has a fault that is critical by itself: CRT001, CRT004, "
    "CRT005, CRT008 or CRT009",
    owner=Owner.SERVER,
    summary="The members' client interfaces present different certificates.",
    why="The vendor's advice is one certificate, for the clients' name, on every client interface. Certificates are "
    "not replicated, so a renewal on one member leaves the others with the old one; clients then see another "
    "certificate after each failover, and one day an expired one.",
    remedy=f"1. Decide which certificate is the right one.\n2. {INSTALL}",
    seen_by="The certificates' fingerprints. The same key in both means a renewal that did not reach every member. "
    "Where no member is known, the FQDN's own addresses are compared.",
    references=(refs.KB_156803,),
)
def members_differ(context: RuleContext) -> Answers:
    places = _interfaces(context)
    found = presented(context, places)
    seen = {place for one in found for place in one.places}
    if len(found) > 1:
        yield _difference(found, context)
    elif len(places) < 2:
        yield NotObserved("fewer than two client interfaces are known")
    elif len(seen) < 2:
        yield NotObserved("fewer than two client interfaces presented a certificate")
    absent = tuple(place for place in places if place not in seen)
    if absent and len(seen) > 1:
        yield NotObserved(f"no certificate came from {where(absent, context)}")


def _difference(found: tuple[Presented, ...], context: RuleContext) -> Hit:
    keys = {one.certificate.spki for one in found}
    same_key = len(keys) == 1 and None not in keys
    which = "; ".join(listed(_names_at(one), 4) for one in found[:3])
    fingerprints = tuple(one.certificate.fingerprint for one in found)
    met = {p.certificate.fingerprint for p in at_clients(context) if any(place.fqdn for place in p.places)}
    worst = any(one.certificate.fingerprint in met and _is_faulty(one.certificate, context) for one in found)
    return Hit(
        subject=Subject("cluster", context.target.fqdn),
        summary=f"The servers present {len(found)} different certificates to clients "
        f"({_how_keys_differ(found, same_key)}): {which}.",
        severity=Severity.CRITICAL if worst else Severity.WARNING,
        evidence=tuple(dict.fromkeys(each for one in found for each in one.evidence)),
        facts=Facts(certificates=fingerprints),
        args={
            "certificates": ", ".join(fingerprints),
            "same_key": "yes" if same_key else "no",
            "where": "; ".join(
                f"{one.certificate.fingerprint[:16]}: "
                + ", ".join(context.name_of(place) for place in one.places)
                for one in found
            ),
        },
    )


def _is_faulty(certificate: Certificate, context: RuleContext) -> bool:
    """Has it a fault that is critical by itself?"""
    distrusted = (chain.leaf.fingerprint for chain in chains(context) if _bad_trust(chain, context))
    return (
        certificate.fingerprint in distrusted
        or fails_name(certificate, context)
        or expired(certificate, context)
        or not_yet_valid(certificate, context)
    )


def _names_at(one: Presented) -> list[str]:
    """The servers that present a certificate, by name where they have one."""
    names = (name for place in one.places for name in (place.client_of or (place.address,)))
    return list(dict.fromkeys(names))


def _how_keys_differ(found: tuple[Presented, ...], same_key: bool) -> str:
    if not same_key:
        return "with different keys"
    if len({one.certificate.issuer for one in found}) > 1:
        return "with the same key, from different issuers"
    return "with the same key, so a renewal was not installed everywhere"


# --- trust -------------------------------------------------------------------------------------------------


def _bad_trust(chain: Chain, context: RuleContext) -> bool:
    return chain.serves_clients and answer(chain, context) is Answer.UNTRUSTED


def _unjudged(context: RuleContext, found: tuple[Chain, ...]) -> Answers:
    """Where trust could not be determined: no chain came before the store, or another fault hid the answer."""
    hidden = [chain for chain in found if answer(chain, context) is Answer.UNKNOWN]
    for chain in hidden:
        why = chain.trust.reason or "another fault of the certificate came first"
        yield NotObserved(f"trust could not be judged at {where(chain.places, context)} ({why})")
    judged = {place for chain in found for place in chain.places}
    absent = tuple(place for place in context.client_places if place not in judged)
    if not any(chain.serves_clients for chain in found):
        yield NotObserved(NO_CERTIFICATE)
    elif absent:
        yield NotObserved(f"no chain was judged at {where(absent, context)}")


@dataclass(frozen=True, slots=True)
class _Broken:
    """A rule of paths that a chain breaks: what is wrong in words, and what mends it. codes: X509_V_ERR_*."""

    codes: frozenset[int]
    words: str
    remedy: str


_NO_ROOT_HELPS = " The chain ends in a root that this desktop trusts: installing one does not help."
_BROKEN = (
    _Broken(
        NAME_CONSTRAINTS,
        "an authority above it may not issue for its names (name constraints)",
        "Have the certificate issued by an authority whose name constraints allow all its names, or that has none. "
        "Or "
        "have that authority's own certificate issued again with constraints that include them."
        + _NO_ROOT_HELPS,
    ),
    _Broken(
        PATH_LENGTH,
        "an authority above it may not have so many authorities below it (path length)",
        "Have the certificate issued by the authority whose path length is exceeded itself. Or have that authority's "
        "own certificate issued again with a path length that leaves room for the one below it."
        + _NO_ROOT_HELPS,
    ),
    _Broken(
        NO_AUTHORITY,
        "a certificate above it is no authority's",
        "Have the certificate issued by an authority: the one above it must say in its basic constraints that it is "
        "one, and its key usage must allow it to sign certificates." + _NO_ROOT_HELPS,
    ),
    _Broken(
        BAD_SIGNATURE,
        "a certificate of the chain is not signed by the one above it",
        "Most often an authority was renewed with a new key under its old name. Have the server send the "
        "intermediate certificates that belong to its certificate, and remove the old ones; where it is the root "
        "that was renewed, install the new one on the desktops.",
    ),
    _Broken(
        CRITICAL_EXTENSION,
        "a certificate of the chain has a critical extension that clients do not know",
        "Have the certificate issued again without that extension, or with it not marked as critical."
        + _NO_ROOT_HELPS,
    ),
)


def _broken(chain: Chain) -> _Broken | None:
    return next((rule for rule in _BROKEN if chain.trust.code in rule.codes), None)


def _why_untrusted(chain: Chain, context: RuleContext) -> str:
    broken = _broken(chain)
    if broken is not None:
        return f"{broken.words}: {chain.trust.reason}" if chain.trust.reason else broken.words
    if is_self_signed(chain.leaf):
        return "it is signed with its own key"
    sent = sent_certificates(chain, context)
    if chain.trust.code == SELF_SIGNED_IN_CHAIN or (len(sent) > 1 and is_self_signed(sent[-1])):
        return f'it ends in "{issuer(sent[-1])}", which this desktop does not trust'
    if chain.trust.code in NO_ISSUER:
        return f'the certificate of its issuer "{issuer(sent[-1])}" was not sent, and this desktop does not have it'
    return chain.trust.reason or "no reason was given"


@card(
    code="CRT008",
    name="untrusted-issuer",
    title="Certificate not trusted",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=AT_MOST_WARNING,
    owner=Owner.SERVER,
    summary="The chain of certificates does not end in a root that this desktop trusts, or breaks a rule on the way "
    "there.",
    why="A client that does not trust the issuer cannot tell the server from an impostor: it warns at every "
    "connection, or refuses.",
    remedy="1. On the server, see whether the issuer's certificate is installed with its own; if it is missing, "
    "import it.\n"
    "2. If the issuer is your company's own authority, have its root certificate installed on the desktops (for this "
    "check: `--ca-file`).\n"
    "3. Otherwise install a certificate of an authority that the desktops trust.",
    seen_by="The chain as sent, put before this desktop's own store and the file given with --ca-file. "
    f"Dates and names are judged by other rules. {NO_REVOCATION} Other desktops may trust other roots.",
    references=(refs.RFC_5280_PATH, refs.KB_156803),
)
def untrusted_issuer(context: RuleContext) -> Answers:
    found = chains(context)
    for chain in found:
        if answer(chain, context) is not Answer.UNTRUSTED:
            continue
        broken = _broken(chain)
        yield _chain_hit(
            chain,
            context,
            f"The certificate {title(chain.leaf)} at {where(chain.places, context)} is not trusted: "
            f"{_why_untrusted(chain, context)}.",
            remedy=broken.remedy if broken is not None else None,
        )
    yield from _unjudged(context, found)


def _chain_hit(
    chain: Chain, context: RuleContext, summary: str, more: Mapping[str, str] | None = None, **fields: Any
) -> Hit:
    one = Presented(chain.leaf, chain.places, chain.evidence)
    code = "" if chain.trust.code is None else str(chain.trust.code)
    args = {"reason": chain.trust.reason or "", "code": code, "store": chain.trust.store, **(more or {})}
    return certificate_hit(one, context, summary, args, **{"severity": chain.severity, **fields})


@card(
    code="CRT009",
    name="self-signed",
    title="Self-signed certificate",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note="not reported where this very certificate was made trusted on this desktop; "
    + AT_MOST_WARNING,
    owner=Owner.SERVER,
    summary="The server's certificate is signed with its own key and was not made trusted explicitly.",
    why="Nobody vouches for it. It is what an appliance has out of the box: clients warn at every connection or "
    "refuse.",
    remedy=f"1. Have a certificate issued by an authority that the desktops trust.\n2. {INSTALL}",
    seen_by="Issuer and subject are the same and its own key verifies the signature, and the store does not trust "
    "it.",
    references=(refs.KB_156803, refs.RFC_5280_PATH),
)
def self_signed(context: RuleContext) -> Answers:
    found = chains(context)
    for chain in found:
        if not is_self_signed(chain.leaf) or answer(chain, context) is not Answer.UNTRUSTED:
            continue
        yield _chain_hit(
            chain,
            context,
            f"The certificate {title(chain.leaf)} at {where(chain.places, context)} is self-signed.",
        )
    yield from _unjudged(context, tuple(c for c in found if c.serves_clients or is_self_signed(c.leaf)))


@card(
    code="CRT010",
    name="incomplete-chain",
    title="Intermediate certificate missing",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    severity_note="critical where it is certain that the missing certificate is what makes the chain "
    "untrusted here, and then it explains CRT008; where that is only likely it stays a warning beside "
    "CRT008, so that it never hides the worse finding; " + AT_MOST_WARNING,
    owner=Owner.SERVER,
    summary="The server does not send an intermediate certificate that leads from its own to the root.",
    why="A server has to send every certificate between its own and the root. A client that happens to have the "
    "missing one works, another fails: it depends on the desktop, which makes it hard to find.",
    remedy="Install the certificate again together with its intermediate certificates, on every server and on a load "
    "balancer that ends TLS. The root need not be sent.",
    seen_by="Certain if the path that was verified contains a certificate that was not sent, or if another server of "
    "the run sends it. Likely if the issuer is unknown here and the certificate says where to fetch it, or was sent "
    "alone. The missing one is named from the issuer field; it is never fetched.",
    references=(refs.RFC_8446_CHAIN, refs.RFC_5280_PATH),
)
def incomplete_chain(context: RuleContext) -> Answers:
    found = chains(context)
    for chain in found:
        lacks = missing(chain, context)
        if lacks is None:
            continue
        breaks = lacks.needed and lacks.certain and lacks.mends and chain.serves_clients
        several = len(chain.places) > 1
        does = (
            ("do" if several else "does")
            if lacks.certain
            else ("probably do" if several else "probably does")
        )
        yield _chain_hit(
            chain,
            context,
            f"{sentence_start(where(chain.places, context))} {does} not send the intermediate certificate "
            f'"{lacks.name}": {lacks.why}.',
            {"missing": lacks.name},
            severity=Severity.CRITICAL if breaks else Severity.WARNING,
            confidence=Confidence.CERTAIN if lacks.certain else Confidence.LIKELY,
            evidence=(*chain.evidence, *lacks.evidence),
        )
    yield from _unjudged(context, found)


# --- strength and use --------------------------------------------------------------------------------------


def _weaknesses(certificate: Certificate) -> tuple[str, ...]:
    """What is weak in one certificate, in words. The signature of one that signed itself proves nothing."""
    kind, bits, digest = certificate.key_type, certificate.key_bits, certificate.signature_hash
    found = []
    if kind in ("RSA", "DSA") and bits is not None and bits < MIN_RSA_BITS:
        found.append(f"{_article(kind)} {kind} key of {bits} bits")
    if kind == "EC" and bits is not None and bits < MIN_EC_BITS:
        found.append(f"an EC key of {bits} bits")
    if digest in WEAK_HASHES and not is_self_signed(certificate):
        found.append(f"a signature with {digest.upper().replace('SHA1', 'SHA-1')}")
    return tuple(found)


def _refused_by(certificate: Certificate, context: RuleContext) -> str:
    """Who refuses a weak certificate; in general words for an authority's, and where no table says."""
    for kind in ("weak-signature", "short-key", "key-type"):
        for refusal in refusals(context, kind, certificate.fingerprint):
            return (
                refusal.refused_by
                if len(refusal.clients) < 3
                else f"{len(refusal.clients)} kinds of clients refuse it"
            )
    return "modern clients refuse it"


def _article(kind: str) -> str:
    return "an" if kind == "RSA" else "a"


@once
def _sent(context: RuleContext) -> tuple[Presented, ...]:
    """Server certificates and the intermediates that came with them; authorities' roots left aside."""
    groups = {one.certificate.fingerprint: one for one in everywhere(context)}
    for chain in chains(context):
        for above in sent_certificates(chain, context)[1:]:
            if not is_self_signed(above):
                one = Presented(above, chain.places, (above.id, *chain.evidence[1:]))
                groups.setdefault(above.fingerprint, one)
    return tuple(groups.values())


@card(
    code="CRT011",
    name="weak",
    title="Weak certificate",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The certificate has an RSA key under 2048 bits, an elliptic-curve key under 224, or an MD5 or SHA-1 "
    "signature.",
    why="Modern TLS libraries and browsers refuse such certificates, and they can be forged with effort that is "
    "within reach. Old clients still take them, so some users fail and some do not.",
    remedy="1. Make a new key (RSA 2048 bits or more, or EC P-256), and have the certificate issued with a "
    f"SHA-256 signature.\n2. {INSTALL}",
    seen_by="Key and signature of the server's certificate and of the intermediates that were sent. The signature of "
    "a self-signed certificate is not looked at.",
    references=(refs.SP_800_57, refs.RFC_9155),
    role=Role.OUR_POLICY,
)
def weak(context: RuleContext) -> Answers:
    found = _sent(context)
    for one in found:
        faults = _weaknesses(one.certificate)
        if not faults:
            continue
        yield certificate_hit(
            one,
            context,
            f"The certificate {title(one.certificate)} at {at(one, context)} has "
            f"{listed(faults)}; {_refused_by(one.certificate, context)}.",
            {"weak": ", ".join(faults)},
        )
    unread = tuple(one for one in found if one.certificate.key_type is None)
    for one in unread:
        yield NotObserved(f"the key of the certificate at {at(one, context)} does not parse")
    yield from unseen(context, found)


@card(
    code="CRT016",
    name="wildcard",
    title="Wildcard certificate",
    severity=Severity.INFO,
    owner=Owner.SERVER,
    summary="The clients' FQDN is covered by a wildcard only.",
    why="A wildcard works. Its key usually lives on many machines, and the vendor's article asks for a Common Name "
    "that equals the clients' FQDN.",
    remedy="Nothing has to be done. At the next renewal consider a certificate for the clients' FQDN itself.",
    seen_by="Every name in the certificate that covers the FQDN contains a wildcard.",
    references=(refs.KB_156803, refs.RFC_9525),
)
def wildcard(context: RuleContext) -> Answers:
    found = at_clients(context)
    for one in found:
        names = covering(one.certificate, context.target.fqdn)
        if not names or not all(is_wildcard(name) for name in names):
            continue
        yield certificate_hit(
            one,
            context,
            f"At {at(one, context)}, {context.fqdn} is covered by the wildcard {names[0]} only.",
            {"wildcard": names[0]},
        )
    yield from unseen(context, found)


_PURPOSES = {
    "clientAuth": "client authentication",
    "serverAuth": "server authentication",
    "codeSigning": "code signing",
    "emailProtection": "e-mail protection",
}


@card(
    code="CRT017",
    name="wrong-usage",
    title="Certificate not issued for servers",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    severity_note="critical where it is what clients are shown, and its extended key usage leaves out servers: all "
    "of them refuse it",
    owner=Owner.SERVER,
    summary="The certificate was not issued for TLS servers, or it is an authority's certificate.",
    why="Clients refuse a certificate whose extended key usage leaves out server authentication. Apple's systems ask "
    "for that extension to be there at all, Chrome and Edge for a key usage that allows digital signatures, and some "
    "refuse an authority's certificate (CA:TRUE) as a server's.",
    remedy=steps(
        "Have a certificate issued from a template for web servers (key usage: digital signature and, for an RSA "
        "key, key encipherment; extended key usage: server authentication; not an authority).",
        INSTALL,
    ),
    seen_by="The extensions keyUsage (absent means any use), extendedKeyUsage and basicConstraints.",
    references=(refs.RFC_5280_USAGE, refs.CHROME_USAGE, refs.APPLE),
)
def wrong_usage(context: RuleContext) -> Answers:
    found = at_clients(context)
    for one in found:
        for kind in ("key-usage", "no-purpose"):
            for refusal in refusals(context, kind, one.certificate.fingerprint):
                yield cannot_connect(one, refusal, context)
        faults = []
        if wrong_purpose(one.certificate):
            uses = [_PURPOSES.get(use, use) for use in one.certificate.extended_key_usage or ()]
            faults.append(f"is issued for {listed(uses or ['nothing'])} only")
        if one.certificate.is_ca:
            faults.append("is an authority's (CA:TRUE)")
        if not faults:
            continue
        by_all = wrong_purpose(one.certificate)
        yield certificate_hit(
            one,
            context,
            f"The certificate {title(one.certificate)} at {at(one, context)} {listed(faults)}, not for servers.",
            {"usage": ", ".join(one.certificate.extended_key_usage or ())},
            severity=one.severity if by_all else None,
            impact=ImpactKind.NOBODY_CONNECTS if by_all else None,
        )
    yield from unseen(context, found)
