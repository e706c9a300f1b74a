"""Rules on certificates that some classes of client refuse and others take: the table of `analysis/clients.py`.

A rule here judges nothing by itself: it says which obstacle of the table was met, where, and for whom it fails.
"""

from __future__ import annotations

from semscheck.model.findings import ImpactKind, Owner
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.presented import at_clients, cannot_connect, refusals, unseen
from semscheck.rules.context import RuleContext
from semscheck.rules.remedies import INSTALL, steps
from semscheck.rules.rule import Answers, card

SEEN_BY_TABLE = "What each class of client refuses is in the table of client classes (--verbose shows it)."


def _refused(context: RuleContext, kind: str) -> Answers:
    """A hit for each certificate that has the obstacle: what it is, where, and who refuses."""
    found = at_clients(context)
    for one in found:
        for refusal in refusals(context, kind, one.certificate.fingerprint):
            yield cannot_connect(one, refusal, context)
    yield from unseen(context, found)


@card(
    code="CRT019",
    name="unusual-key",
    title="Key that some clients cannot use",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The certificate has a key of a type or on a curve that some clients cannot use.",
    why="The key is not weak, but browsers and Windows offer no signature algorithm for it: they end the handshake "
    "without a common cipher suite, while other programs connect.",
    remedy=steps(
        "Have a certificate issued for an RSA key of 2048 bits or more, or for an elliptic-curve key on P-256 or "
        "P-384.",
        INSTALL,
    ),
    seen_by="The key's type and curve (Ed25519, Ed448, DSA, or a curve other than P-256 and P-384). "
    + SEEN_BY_TABLE,
    references=(refs.WINDOWS_CURVES, refs.RFC_8422_KEYS),
)
def unusual_key(context: RuleContext) -> Answers:
    return _refused(context, "key-type")


@card(
    code="CRT020",
    name="valid-too-long",
    title="Certificate valid for too long",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The certificate is valid for longer than some clients allow.",
    why="macOS 10.15 and later refuse a server certificate that is valid for more than 825 days, whoever issued it; "
    "of a public authority's certificates, they and Chrome refuse those of more than 398 days.",
    remedy=steps(
        "Have a certificate issued for 398 days or less (825 at most from a private authority).", INSTALL
    ),
    seen_by="The two dates of the certificate; 825 days for those issued since 2019-07-01, 398 days for "
    "those issued since 2020-09-01 that lead to a root of Mozilla's public list. " + SEEN_BY_TABLE,
    references=(refs.APPLE, refs.APPLE_398),
)
def valid_too_long(context: RuleContext) -> Answers:
    return _refused(context, "validity")


@card(
    code="CRT021",
    name="rsassa-pss",
    title="Signature that some clients cannot verify",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The certificate, or an intermediate sent with it, is signed with RSASSA-PSS.",
    why="The signature is sound and Windows verifies it. Apple's systems, many appliances and some Java programs do "
    "not know this scheme in certificates and refuse.",
    remedy=steps(
        "On a Microsoft authority, set AlternateSignatureAlgorithm to 0 (in CAPolicy.inf, and with certutil).",
        "Renew the issuing authority's certificate if it is signed like this, too.",
        "Have the server's certificate issued again.",
        INSTALL,
    ),
    seen_by="The signature algorithm of the server's certificate and of the intermediates that were sent. "
    + SEEN_BY_TABLE,
    references=(refs.PKI_PSS, refs.RFC_4055),
)
def signed_with_pss(context: RuleContext) -> Answers:
    return _refused(context, "rsassa-pss")


@card(
    code="CRT022",
    name="expired-sent-along",
    title="Expired certificate sent along",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The server sends an expired authority's certificate along with its own, trusted without it.",
    why="Current clients find another path to a root that they trust. Programs on older TLS libraries follow the "
    "chain as it was sent, meet the expired certificate, and refuse.",
    remedy="Leave the expired certificate, and what stands above it, out of the chain that is sent where TLS ends. "
    "The server's own certificate need not be renewed.",
    seen_by="The dates of every certificate that was sent, where this desktop's verifier found a path without "
    "the expired one. " + SEEN_BY_TABLE,
    references=(refs.RFC_8446_CHAIN,),
)
def expired_sent_along(context: RuleContext) -> Answers:
    return _refused(context, "expired-sent")


@card(
    code="CRT023",
    name="staple-missing",
    title="OCSP staple demanded and not sent",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The certificate demands a stapled OCSP answer (must-staple), and the server sends none.",
    why="Firefox holds the server to what its certificate demands and refuses "
    "(MOZILLA_PKIX_ERROR_REQUIRED_TLS_FEATURE_MISSING); other clients take no notice.",
    remedy=steps(
        "Switch OCSP stapling on where TLS ends (the members, or the load balancer).",
        "See that it reaches the authority's OCSP responder.",
        "If it cannot, have the certificate issued without that extension.",
    ),
    seen_by="The TLS feature extension of the certificate; a ClientHello of TLS 1.2 that asks for an OCSP answer, "
    "twice, a second apart. A server that speaks TLS 1.3 only is not asked.",
    references=(refs.RFC_7633,),
)
def staple_missing(context: RuleContext) -> Answers:
    return _refused(context, "must-staple")
