"""What the trust store's answer on a chain means: untrusted, dates, a certificate that was not sent.

OpenSSL stops at the first error, in this order: strength of the server's key, building the chain, constraints and
purpose, strength of the rest, then signature and dates from the root down (openssl crypto/x509/x509_vfy.c,
X509_verify_cert and verify_chain). So an error of dates says that the chain was complete and ends in a trusted
root; an error of strength says nothing of trust.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from semscheck.model.observations import Certificate, Handshake
from semscheck.rules.catalogue.presented import Chain, issuer, short
from semscheck.rules.context import RuleContext

# X509_V_ERR_* of openssl/x509_vfy.h.
UNABLE_TO_GET_ISSUER = 2
SELF_SIGNED_IN_CHAIN = 19
UNABLE_TO_GET_ISSUER_LOCALLY = 20
UNABLE_TO_VERIFY_LEAF = 21
INVALID_PURPOSE = 26
EXPIRED = 10
_DATES = frozenset({9, EXPIRED, 13, 14})  # and the fields that hold them
_NAMES = frozenset({62, 63, 64})  # host name, mail, address: judged by the rules on names
NO_ISSUER = frozenset({UNABLE_TO_GET_ISSUER, UNABLE_TO_GET_ISSUER_LOCALLY, UNABLE_TO_VERIFY_LEAF})
# The path was built up to a trusted root by its names, and then broke a rule of RFC 5280 section 6.1. INVALID_CA is
# 24 in OpenSSL 1.1 and 79 in 3.
NAME_CONSTRAINTS = frozenset({47, 48, 49, 51, 52, 53})
PATH_LENGTH = frozenset({25})
NO_AUTHORITY = frozenset({24, 32, 79})
BAD_SIGNATURE = frozenset({7})
CRITICAL_EXTENSION = frozenset({34})
_SERVER_PURPOSES = frozenset({"serverAuth", "anyExtendedKeyUsage"})


class Answer(Enum):
    """What is known of a chain's trust, dates and names left aside."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"


def outside_dates(certificate: Certificate, context: RuleContext) -> bool:
    """Is the run's time outside its validity?"""
    return expired(certificate, context) or not_yet_valid(certificate, context)


def expired(certificate: Certificate, context: RuleContext) -> bool:
    return certificate.not_after is not None and certificate.not_after < context.now


def not_yet_valid(certificate: Certificate, context: RuleContext) -> bool:
    return certificate.not_before is not None and certificate.not_before > context.now


def wrong_purpose(certificate: Certificate) -> bool:
    """Has it an extendedKeyUsage that leaves out TLS servers (RFC 5280 section 4.2.1.12)?"""
    usage = certificate.extended_key_usage
    return usage is not None and not _SERVER_PURPOSES.intersection(usage)


def answer(chain: Chain, context: RuleContext) -> Answer:
    """Does the chain end in a trusted root? UNKNOWN where another fault came first and hid the answer."""
    trust = chain.trust
    if trust.trusted is None:
        return Answer.UNKNOWN
    if trust.trusted or trust.code in _DATES or trust.code in _NAMES:
        return Answer.TRUSTED
    if trust.code == INVALID_PURPOSE and wrong_purpose(chain.leaf):
        return Answer.TRUSTED  # the chain was built; CRT017 says what is wrong
    if trust.code is None and outside_dates(chain.leaf, context):
        return Answer.UNKNOWN  # a verifier that gives words only may have stopped at the dates
    return Answer.UNTRUSTED


def sent_certificates(chain: Chain, context: RuleContext) -> tuple[Certificate, ...]:
    """The certificates as sent, leaf first, without those that were not recorded."""
    return tuple(found for each in chain.sent if (found := context.certificate(each)) is not None)


def path_certificates(chain: Chain, context: RuleContext) -> tuple[Certificate, ...]:
    """The path that was verified, without the leaf; what was sent where no path is known."""
    path = chain.trust.chain or chain.sent
    return tuple(found for each in path[1:] if (found := context.certificate(each)) is not None)


def is_self_signed(certificate: Certificate) -> bool:
    """Signed with its own key; where that could not be tried, issued to itself."""
    if certificate.self_signed is None:
        return certificate.self_issued is True
    return certificate.self_signed


def _issued_by(certificate: Certificate, candidate: Certificate) -> bool:
    """Can the candidate be the issuer: names fit, and key identifiers where both are there (RFC 5280 4.2.1.1)?"""
    if not certificate.issuer or candidate.subject != certificate.issuer:
        return False
    wanted, has = certificate.authority_key_id, candidate.subject_key_id
    return wanted is None or has is None or wanted == has


def last_sent(chain: Chain, context: RuleContext) -> Certificate | None:
    """The end of what was sent, walked from the leaf upwards by issuer, in whatever order it came.

    None where it ends in a certificate that issued itself, or where a part could not be read.
    """
    sent = sent_certificates(chain, context)
    if len(sent) != len(chain.sent):
        return None
    at, left = sent[0], list(sent[1:])
    while True:
        if at.self_issued is not False:
            return None
        above = next((one for one in left if _issued_by(at, one)), None)
        if above is None:
            return at
        left.remove(above)
        at = above


@dataclass(frozen=True, slots=True)
class Missing:
    """An intermediate that was not sent. name: of the certificate that is missing.

    certain: seen to be one; else only likely. mends: with it this chain would have been trusted here.
    needed: trust here depends on it, so that the chain is untrusted; False: this desktop had it from elsewhere.
    why: what says so, in words.
    """

    name: str
    certain: bool
    mends: bool
    needed: bool
    why: str
    evidence: tuple[str, ...] = ()


def missing(chain: Chain, context: RuleContext) -> Missing | None:
    """The intermediate that the server should have sent and did not, as far as can be told."""
    state = answer(chain, context)
    if state is Answer.TRUSTED:
        return _filled_in(chain, context)
    if state is Answer.UNTRUSTED and (chain.trust.code is None or chain.trust.code in NO_ISSUER):
        return _seen_elsewhere(chain, context) or _suspected(chain, context)
    return None


def _filled_in(chain: Chain, context: RuleContext) -> Missing | None:
    """Trusted, by a path with a certificate between leaf and root that the server did not send."""
    path = chain.trust.chain
    for below, each in pairwise(path[:-1]):
        if each in chain.sent:
            continue
        certificate, child = context.certificate(each), context.certificate(below)
        name = _subject(certificate) if certificate else issuer(child) if child else each[:16]
        return Missing(
            name, certain=True, mends=True, needed=False, why="this desktop had it from its own store"
        )
    return None


def _seen_elsewhere(chain: Chain, context: RuleContext) -> Missing | None:
    """Not trusted; the issuer of what was sent last was presented by another server in this run."""
    end = last_sent(chain, context)
    if end is None:
        return None
    for certificate in context.certificates:
        if not _issued_by(end, certificate) or is_self_signed(certificate) or expired(certificate, context):
            continue
        senders = [shake for shake in context.of(Handshake) if certificate.fingerprint in shake.chain]
        if not senders:
            continue
        trusted = any(
            certificate.fingerprint in shake.trust.chain
            for shake in context.of(Handshake)
            if shake.trust is not None and shake.trust.trusted
        )
        return Missing(
            _subject(certificate),
            certain=True,
            mends=trusted,
            needed=True,
            why="another place sends it" + (", and with it the chain is trusted" if trusted else ""),
            evidence=(certificate.id, senders[0].id),
        )
    return None


def _suspected(chain: Chain, context: RuleContext) -> Missing | None:
    """Not trusted, issuer unknown: a missing intermediate, or a private root that this desktop lacks.

    Likely an intermediate only if something says so, and its name does not call itself a root.
    """
    end = last_sent(chain, context)
    if end is None or "root" in issuer(end).lower().replace("-", " ").split():
        return None
    if end.ca_issuers:
        why = "the certificate says where its issuer's certificate can be fetched, and it was not sent"
    elif len(chain.sent) == 1 and "ca-file" in chain.trust.store and not _any_trusted(context):
        why = "the server's certificate was sent alone, and the given trust anchors did not issue it"
    else:
        return None
    return Missing(issuer(end), certain=False, mends=False, needed=True, why=why)


def _any_trusted(context: RuleContext) -> bool:
    """Was any chain of the run trusted? The anchors are then the right ones, and an odd issuer is a stranger."""
    return any(shake.trust is not None and shake.trust.trusted for shake in context.of(Handshake))


def _subject(certificate: Certificate) -> str:
    names = certificate.common_names
    return short(names[-1] if names and names[-1] else certificate.subject) or certificate.fingerprint[:16]
