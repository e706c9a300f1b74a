"""Who can connect: classes of client and the places that serve clients, from recorded facts alone.

Our own library takes what others refuse, so that a handshake that succeeds here is no proof for everybody. Each
obstacle below is one documented rule of some clients; `docs/domain.md`, section 2.1, has the source of each. What a
class does with something that no source tells is "not known", never "connects".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from semscheck.model.analysis import Access, Client, ClientAccess, EndpointStatus, Obstacle
from semscheck.model.failure import NO_SECURE_RENEGOTIATION, Cause
from semscheck.model.names import is_address, matches_alternative_names, matches_common_names
from semscheck.model.observations import Certificate, Handshake
from semscheck.model.report import Snapshot

EVERYONE = frozenset(Client)
_APPLE = frozenset({Client.MACOS, Client.SAFARI})
_BROWSERS = frozenset({Client.CHROME, Client.FIREFOX, Client.SAFARI})
_SCHANNEL = frozenset({Client.WINDOWS_7, Client.WINDOWS_10, Client.WINDOWS_11})
_OLD = frozenset({Client.WINDOWS_7, Client.OPENSSL_1_0})
_NOBODY: frozenset[Client] = frozenset()

LONGEST_APPLE = 825.0  # days, of certificates issued from 2019-07-01 on, whoever issued them
LONGEST_PUBLIC = 398.0  # of those that lead to a public root, issued from 2020-09-01 on
_APPLE_SINCE = datetime(2019, 7, 1, tzinfo=UTC)
_PUBLIC_SINCE = datetime(2020, 9, 1, tzinfo=UTC)
PSS = "1.2.840.113549.1.1.10"
_EDWARDS = frozenset({"Ed25519", "Ed448"})
_CURVES = {"secp256r1", "secp384r1"}  # what every class takes
P_521 = "secp521r1"
_SERVER = frozenset({"serverAuth", "anyExtendedKeyUsage"})
# X509_V_ERR_* for dates and names, which are looked at here on their own.
_NOT_TRUST = frozenset({9, 10, 13, 14, 62, 63, 64})


@dataclass(frozen=True, slots=True)
class _Rule:
    """An obstacle, who refuses because of it, and of whom that is not known."""

    kind: str
    words: str
    refusing: frozenset[Client]
    unsure: frozenset[Client] = _NOBODY


@dataclass(frozen=True, slots=True)
class Seen:
    """What one handshake showed. sent, path: without the leaf; path is empty where no trusted one is known."""

    shake: Handshake
    leaf: Certificate
    sent: tuple[Certificate, ...]
    path: tuple[Certificate, ...]
    name: str
    now: datetime


def client_access(snapshot: Snapshot, places: Sequence[EndpointStatus]) -> tuple[ClientAccess, ...]:
    """The table, by place and then by class; nothing of places where no handshake was tried."""
    known = {seen.fingerprint: seen for seen in snapshot.observations if isinstance(seen, Certificate)}
    shakes = {seen.id: seen for seen in snapshot.observations if isinstance(seen, Handshake)}
    table: list[ClientAccess] = []
    for place in places:
        here = [shakes[each] for each in place.evidence if each in shakes]
        if place.serves_clients and here:
            table += _row(place, _rules(here, known, snapshot))
    return tuple(table)


def _row(place: EndpointStatus, rules: Sequence[_Rule]) -> Iterator[ClientAccess]:
    for client in Client:
        refusing = [Obstacle(rule.kind, rule.words) for rule in rules if client in rule.refusing]
        unsure = [Obstacle(rule.kind, rule.words) for rule in rules if client in rule.unsure]
        access = Access.REFUSES if refusing else Access.UNKNOWN if unsure else Access.CONNECTS
        why = tuple(dict.fromkeys(refusing or unsure))
        yield ClientAccess(
            client=client,
            address=place.address,
            port=place.port,
            access=access,
            certificate=place.certificate,
            why=why,
        )


def _rules(
    shakes: Sequence[Handshake], known: dict[str, Certificate], snapshot: Snapshot
) -> tuple[_Rule, ...]:
    """What stands in somebody's way at one place. Several certificates there count as one that has every fault."""
    usual = [shake for shake in shakes if shake.offered is None]
    found = list(_versions(shakes))
    leaves = {shake.chain[0]: shake for shake in reversed(usual) if shake.chain and _spoke(shake)}
    for shake in leaves.values():
        seen = _seen(shake, known, snapshot)
        if seen is None:
            found.append(_Rule("certificate", "its certificate does not parse", _NOBODY, EVERYONE))
        else:
            found += [rule for look in _LOOKS for rule in look(seen)]
            found += _staple(seen, shakes)
    for shake in shakes:
        second = shake.offered == "RSA" and shake.chain and _spoke(shake) and shake.chain[0] not in leaves
        if second and (seen := _seen(shake, known, snapshot)) is not None:
            found += [_second(rule) for look in (_dates, _names) for rule in look(seen)]
    return tuple(found)


def _second(rule: _Rule) -> _Rule:
    """Of the certificate for clients of RSA: which clients are shown it is the server's choice."""
    words = rule.words.replace("its certificate", "its second certificate (RSA)")
    return _Rule(rule.kind, words, _NOBODY, rule.refusing | rule.unsure)


def _spoke(shake: Handshake) -> bool:
    return shake.failure is None or shake.failure.cause is Cause.UNTRUSTED


def _seen(shake: Handshake, known: dict[str, Certificate], snapshot: Snapshot) -> Seen | None:
    leaf = known.get(shake.chain[0])
    if leaf is None or leaf.not_after is None:
        return None
    sent = tuple(known[each] for each in shake.chain[1:] if each in known)
    built = shake.trust.chain if shake.trust is not None and shake.trust.trusted else ()
    path = tuple(known[each] for each in built[1:] if each in known)
    return Seen(shake, leaf, sent, path, snapshot.target.fqdn, snapshot.run.started)


# --- versions of TLS ---------------------------------------------------------------------------------------


def _versions(shakes: Sequence[Handshake]) -> Iterator[_Rule]:
    spoken = {shake.version for shake in shakes if _spoke(shake) and shake.version}
    current = [shake for shake in shakes if _spoke(shake) and shake.policy != "legacy"]
    if not spoken:
        yield _Rule("no-handshake", "no TLS handshake succeeded from this desktop", _NOBODY, EVERYONE)
    elif spoken == {"TLSv1.3"} and only_newest(shakes):
        yield _Rule(
            "tls-1.3-only", "it speaks TLS 1.3 only", _OLD | {Client.WINDOWS_10}, frozenset({Client.MACOS})
        )
    elif not spoken & {"TLSv1.2", "TLSv1.3"}:
        refusing = _BROWSERS | {Client.OPENSSL_3, Client.MACOS}
        yield _Rule(
            "old-tls", "it speaks nothing newer than TLS 1.1", refusing, frozenset({Client.WINDOWS_11})
        )
    elif not current:
        words = "it connects only with cryptography that current libraries refuse"
        yield _Rule("old-cryptography", words, _BROWSERS | {Client.OPENSSL_3}, EVERYONE - _OLD)
    if current and refused_for_renegotiation(shakes):
        words = "it lacks secure renegotiation (RFC 5746)"
        yield _Rule("insecure-renegotiation", words, frozenset({Client.OPENSSL_3}))
    if spoken and not spoken & {"TLSv1", "TLSv1.1"}:
        words = "TLS 1.0 is not spoken, and TLS 1.2 is off there unless it was switched on"
        yield _Rule("tls-1.0-off", words, _NOBODY, frozenset({Client.WINDOWS_7}))


def refused_for_renegotiation(shakes: Sequence[Handshake]) -> bool:
    """Did our own library (OpenSSL 3) refuse one for that, as programs on it do?"""
    return any(
        shake.failure is not None and shake.failure.detail == NO_SECURE_RENEGOTIATION for shake in shakes
    )


def only_newest(shakes: Sequence[Handshake]) -> bool:
    """Was TLS 1.2 offered alone, and answered with an alert each time? A close may be a dead server in a pool."""
    alone = [shake.failure for shake in shakes if shake.offered == "TLSv1.2"]
    return bool(alone) and all(failed is not None and failed.cause is Cause.ALERT for failed in alone)


# --- one certificate ---------------------------------------------------------------------------------------


def _dates(seen: Seen) -> Iterator[_Rule]:
    leaf = seen.leaf
    if leaf.not_after is not None and leaf.not_after < seen.now:
        yield _Rule("expired", "its certificate has expired", EVERYONE)
    if leaf.not_before is not None and leaf.not_before > seen.now:
        yield _Rule("not-yet-valid", "its certificate is not valid yet", EVERYONE)


def _trust(seen: Seen) -> Iterator[_Rule]:
    trust = seen.shake.trust
    if trust is None or trust.trusted is None:
        return
    if not trust.trusted and trust.code not in _NOT_TRUST:
        yield _Rule("untrusted", "its issuer is not trusted, as this desktop's store has it", EVERYONE)
    sent = set(seen.shake.chain)
    if trust.trusted and any(each not in sent for each in trust.chain[1:-1]):
        words = "an intermediate certificate is not sent, which this desktop had from elsewhere"
        yield _Rule("incomplete-chain", words, _NOBODY, EVERYONE)


def _names(seen: Seen) -> Iterator[_Rule]:
    leaf, name = seen.leaf, seen.name
    if matches_alternative_names(name, leaf.dns_names, leaf.ip_names):
        return
    if leaf.names_unread:
        yield _Rule("name", "the names in its certificate do not parse", _NOBODY, EVERYONE)
    elif matches_common_names(name, leaf.common_names):
        refusing = _BROWSERS if leaf.dns_names is None else _BROWSERS | {Client.OPENSSL_3, Client.OPENSSL_1_0}
        words = "its name is in the certificate's Common Name only"
        yield _Rule("common-name-only", words, refusing, (EVERYONE - _SCHANNEL) - refusing)
    elif is_address(name) and name in (leaf.dns_names or ()):
        words = "the address stands in the certificate as a DNS name, not as an address"
        yield _Rule("address-as-name", words, EVERYONE - _SCHANNEL, _SCHANNEL)
    else:
        yield _Rule("name", "its certificate is for another name", EVERYONE)


def _usage(seen: Seen) -> Iterator[_Rule]:
    leaf = seen.leaf
    if not signs(leaf, seen.shake):
        words = "its certificate's key usage leaves out digitalSignature"
        unsure = frozenset({Client.FIREFOX, Client.SAFARI, Client.MACOS, Client.WINDOWS_11})
        yield _Rule("key-usage", words, frozenset({Client.CHROME}), unsure)
    purposes = leaf.extended_key_usage
    if purposes is not None and not _SERVER.intersection(purposes):
        yield _Rule("purpose", "its certificate was not issued for servers", EVERYONE)
    elif purposes is None and _since(leaf, _APPLE_SINCE):
        words = "its certificate does not say that it is for servers (extended key usage)"
        yield _Rule("no-purpose", words, _APPLE)
    if leaf.is_ca:
        words = "its certificate is an authority's"
        yield _Rule("authority", words, frozenset({Client.FIREFOX}))


def signs(leaf: Certificate, shake: Handshake) -> bool:
    """May its key sign handshakes, as every key exchange but RSA's own asks (RFC 8446 4.4.2.2, RFC 5246 7.4.2)?"""
    own_exchange = (shake.cipher or "").startswith(("AES", "DES", "RC4", "CAMELLIA", "NULL"))
    return leaf.key_usage is None or "digitalSignature" in leaf.key_usage or own_exchange


def _key(seen: Seen) -> Iterator[_Rule]:
    kind, curve, bits = seen.leaf.key_type, seen.leaf.curve, seen.leaf.key_bits
    words = f"its certificate has {key_words(seen.leaf)}"
    if kind in _EDWARDS:
        yield _Rule("key-type", words, EVERYONE - {Client.OPENSSL_3})
    elif kind == "DSA":
        yield _Rule("key-type", words, EVERYONE - _OLD)
    elif kind == "EC" and curve == P_521:
        refusing = frozenset({Client.CHROME, Client.WINDOWS_10, Client.WINDOWS_11})
        yield _Rule("key-type", words, refusing, _APPLE)
    elif kind == "EC" and curve is not None and curve not in _CURVES:
        yield _Rule("key-type", words, _BROWSERS | _SCHANNEL | _APPLE)
    elif kind == "RSA" and bits is not None and bits < 1024:
        yield _Rule("short-key", words, EVERYONE - {Client.OPENSSL_1_0})
    elif kind == "RSA" and bits is not None and bits < 2048:
        yield _Rule("short-key", words, _APPLE, EVERYONE - _OLD - _APPLE)


def key_words(certificate: Certificate) -> str:
    """A key as people name it, with its article."""
    kind, curve = certificate.key_type or "unknown", certificate.curve
    if kind == "EC" and curve is not None:
        return "a P-521 key" if curve == P_521 else f"an elliptic-curve key on {curve}"
    size = f" of {certificate.key_bits} bits" if kind in ("RSA", "DSA") and certificate.key_bits else ""
    return f"{'a' if kind == 'DSA' else 'an'} {kind} key{size}"


def _signature(seen: Seen) -> Iterator[_Rule]:
    """Of the server's certificate and of what was sent above it; that of a root proves nothing."""
    for each in (seen.leaf, *seen.sent):
        if each.self_issued:
            continue
        whose = "its certificate" if each is seen.leaf else "an intermediate certificate"
        if each.signature_oid == PSS:
            words = f"{whose} is signed with RSASSA-PSS"
            yield _Rule("rsassa-pss", words, _APPLE, frozenset({Client.CHROME, Client.FIREFOX}))
        if each.signature_hash == "sha1":
            refusing = _BROWSERS | {Client.MACOS, Client.OPENSSL_3}
            unsure = frozenset({Client.WINDOWS_10, Client.WINDOWS_11})
            yield _Rule("weak-signature", f"{whose} is signed with SHA-1", refusing, unsure)
        elif each.signature_hash in ("md2", "md4", "md5"):
            words = f"{whose} is signed with {each.signature_hash.upper()}"
            yield _Rule("weak-signature", words, EVERYONE - _OLD, _OLD)


def _validity(seen: Seen) -> Iterator[_Rule]:
    whole = seen.leaf.whole_days
    if whole is None:
        return
    words = f"its certificate is valid for {whole:,.0f} days"
    if whole > LONGEST_APPLE and _since(seen.leaf, _APPLE_SINCE):
        yield _Rule("validity", words, _APPLE)
    if whole > LONGEST_PUBLIC and _since(seen.leaf, _PUBLIC_SINCE) and _is_public(seen.path):
        yield _Rule("validity", words, _APPLE | {Client.CHROME}, frozenset({Client.FIREFOX}))


def _since(certificate: Certificate, day: datetime) -> bool:
    return certificate.not_before is not None and certificate.not_before >= day


def _is_public(path: Sequence[Certificate]) -> bool:
    return bool(path) and path[-1].public_root is True


def _staple(seen: Seen, shakes: Sequence[Handshake]) -> Iterator[_Rule]:
    """Firefox alone holds a server to what its certificate demands (RFC 7633)."""
    if not seen.leaf.must_staple:
        return
    asked = [shake.stapled for shake in shakes if shake.stapled is not None]
    words = "its certificate demands a stapled OCSP answer, "
    if not asked:
        unseen = f"{words}and whether one is sent was not seen"
        yield _Rule("must-staple", unseen, _NOBODY, frozenset({Client.FIREFOX}))
    elif not any(asked):
        yield _Rule("must-staple", f"{words}and the server sends none", frozenset({Client.FIREFOX}))


def _sent_along(seen: Seen) -> Iterator[_Rule]:
    """An expired certificate above a trusted leaf: those that build the path as it was sent stop there."""
    if seen.shake.trust is not None and seen.shake.trust.trusted and stale(seen):
        yield _Rule(
            "expired-sent", "an expired certificate is sent along", frozenset({Client.OPENSSL_1_0}), _NOBODY
        )


def stale(seen: Seen) -> tuple[Certificate, ...]:
    """The expired certificates met by who follows what was sent from the leaf upwards, each issuer by its name, the
    first that fits; one that belongs to nothing does no harm.
    """
    at, left, found = seen.leaf, list(seen.sent), []
    while not at.self_issued:
        above = next((each for each in left if each.subject == at.issuer), None)
        if above is None:
            break
        if above.not_after is not None and above.not_after < seen.now:
            found.append(above)
        left.remove(above)
        at = above
    return tuple(found)


_LOOKS = (_dates, _trust, _names, _usage, _key, _signature, _validity, _sent_along)
