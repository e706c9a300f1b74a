"""Presented certificates into facts.

Whatever a server sends ends as an observation: what does not parse is told in `problems`, and nothing raises.
"""

from __future__ import annotations

import hashlib
import ipaddress
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from semscheck.model.names import NAMES_CUT
from semscheck.model.observations import Certificate
from semscheck.probes.recorder import Recorder

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.x509.oid import ObjectIdentifier

MAX_CHAIN = 10  # certificates looked at per chain; public chains have two to four
MAX_DER = 131_072  # OpenSSL takes at most 100 KiB for a whole chain (SSL_MAX_CERT_LIST_DEFAULT)
MAX_KEPT_DER = 65_536  # kept for the reader of the report
MAX_NAMES = 1000  # alternative names kept; public authorities issue with at most 250
MAX_TEXT = 1024  # characters kept of one name; a DNS name has at most 253 (RFC 1035)
MAX_FEW = 20  # of everything else of which there may be several


_USAGES = (
    ("digital_signature", "digitalSignature"),
    ("content_commitment", "contentCommitment"),
    ("key_encipherment", "keyEncipherment"),
    ("data_encipherment", "dataEncipherment"),
    ("key_agreement", "keyAgreement"),
    ("key_cert_sign", "keyCertSign"),
    ("crl_sign", "cRLSign"),
)
# RFC 5280 section 4.2.1.12, and the two server-gated ones that old authorities still set.
_PURPOSES = {
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}
_KEY_TYPES = {
    "RSAPublicKey": "RSA",
    "EllipticCurvePublicKey": "EC",
    "ECPublicKey": "EC",
    "Ed25519PublicKey": "Ed25519",
    "Ed448PublicKey": "Ed448",
    "DSAPublicKey": "DSA",
    "DHPublicKey": "DH",
    "X25519PublicKey": "X25519",
    "X448PublicKey": "X448",
}

Found = TypeVar("Found")


class _Reading:
    """Field by field, so that one that does not parse costs only itself."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def attempt(self, what: str, read: Callable[[], Found]) -> Found | None:
        """What `read` gives; None, and a problem noted, where it raises.

        A panic of the parsing library is a BaseException of its own class, which has no importable name.
        """
        try:
            return read()
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            self.problems.append(f"{what}: {_text(str(error), 200) or type(error).__name__}")
            return None


def fingerprint(der: bytes) -> str:
    """SHA-256 of the certificate as sent, in lower-case hexadecimal."""
    return hashlib.sha256(der).hexdigest()


def facts(der: bytes) -> dict[str, Any]:
    """The fields of a `Certificate` observation, without id and times. Never raises, whatever the bytes."""
    found: dict[str, Any] = {
        "fingerprint": fingerprint(der),
        "der": der if len(der) <= MAX_KEPT_DER else None,
    }
    reading = _Reading()
    if len(der) > MAX_DER:
        reading.problems.append(f"certificate: {len(der)} bytes, which is over {MAX_DER}; not read")
    else:
        from cryptography import x509

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of malformed fields; those that matter end in problems
            parsed = reading.attempt("certificate", lambda: x509.load_der_x509_certificate(der))
            if parsed is not None:
                found |= _names_and_dates(parsed, reading)
                found |= _key(parsed, reading)
                found |= _extensions(parsed, reading)
    found["problems"] = tuple(_text(problem, 300) for problem in reading.problems[:MAX_FEW])
    return found


def record_chain(recorder: Recorder, chain: Sequence[bytes], began_s: float) -> tuple[str, ...]:
    """Record the certificates of a chain that the run has not seen yet, and give all their fingerprints.

    chain: DER, leaf first. At most ten are looked at, the rest is left out. Never raises.
    """
    fingerprints: list[str] = []
    for der in chain[:MAX_CHAIN]:
        known_as = fingerprint(der)
        fingerprints.append(known_as)
        if recorder.is_new_certificate(known_as):
            recorder.add(Certificate, began_s, elapsed_s=None, **facts(der))
    return tuple(fingerprints)


def _text(value: str, limit: int = MAX_TEXT) -> str:
    """Bounded, and with lone surrogates replaced, so that it can be written as UTF-8."""
    return value[:limit].encode("utf-8", "replace").decode()


def _few(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(_text(value) for value in values[:MAX_FEW])


def _common_names(name: x509.Name) -> tuple[str, ...]:
    from cryptography.x509.oid import NameOID

    values = (attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME))
    return _few([value if isinstance(value, str) else value.decode("latin-1") for value in values])


def _names_and_dates(parsed: x509.Certificate, reading: _Reading) -> dict[str, Any]:
    subject = reading.attempt("subject", lambda: parsed.subject)
    issuer = reading.attempt("issuer", lambda: parsed.issuer)
    found: dict[str, Any] = {
        "serial": reading.attempt("serial number", lambda: _text(f"{parsed.serial_number:x}", 64)),
        "not_before": reading.attempt("notBefore", lambda: _moment(parsed.not_valid_before_utc)),
        "not_after": reading.attempt("notAfter", lambda: _moment(parsed.not_valid_after_utc)),
        "signature_hash": reading.attempt("signature algorithm", lambda: _signature_hash(parsed)),
    }
    if subject is not None:
        found["subject"] = reading.attempt("subject", lambda: _text(subject.rfc4514_string())) or ""
        found["common_names"] = reading.attempt("Common Name", lambda: _common_names(subject)) or ()
    if issuer is not None:
        found["issuer"] = reading.attempt("issuer", lambda: _text(issuer.rfc4514_string())) or ""
        found["issuer_common_names"] = reading.attempt("issuer", lambda: _common_names(issuer)) or ()
    if subject is not None and issuer is not None:
        found["self_issued"] = subject == issuer
        found["self_signed"] = _self_signed(parsed) if subject == issuer else False
    return found


def _moment(value: datetime) -> datetime:
    return value.replace(microsecond=0)


def _signature_hash(parsed: x509.Certificate) -> str | None:
    algorithm = parsed.signature_hash_algorithm  # None where the scheme has a hash of its own (Ed25519)
    return algorithm.name.lower() if algorithm is not None else None


def _self_signed(parsed: x509.Certificate) -> bool | None:
    """Does its own key verify it? None where the library cannot try (an algorithm it refuses)."""
    from cryptography.exceptions import InvalidSignature

    try:
        parsed.verify_directly_issued_by(parsed)
    except InvalidSignature:
        return False
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        return None
    return True


def _key(parsed: x509.Certificate, reading: _Reading) -> dict[str, Any]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = reading.attempt("public key", parsed.public_key)
    if key is None:
        return {}
    curve = getattr(key, "curve", None)
    bits = getattr(key, "key_size", None)
    spki = reading.attempt(
        "public key", lambda: key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    kind = type(key).__name__
    return {
        "spki": hashlib.sha256(spki).hexdigest() if spki is not None else None,
        "key_type": _KEY_TYPES.get(kind, kind.removesuffix("PublicKey")),
        "key_bits": bits if isinstance(bits, int) else None,
        "curve": getattr(curve, "name", None),
    }


def _extensions(parsed: x509.Certificate, reading: _Reading) -> dict[str, Any]:
    from cryptography.x509.oid import ExtensionOID

    if reading.attempt("extensions", lambda: len(parsed.extensions)) is None:
        return {}

    def value(what: str, oid: ObjectIdentifier) -> Any:
        from cryptography import x509

        def read() -> Any:
            try:
                return parsed.extensions.get_extension_for_oid(oid).value
            except x509.ExtensionNotFound:
                return None

        return reading.attempt(what, read)

    found: dict[str, Any] = _alternative_names(
        value("subjectAltName", ExtensionOID.SUBJECT_ALTERNATIVE_NAME), reading
    )
    constraints = value("basicConstraints", ExtensionOID.BASIC_CONSTRAINTS)
    usage = value("keyUsage", ExtensionOID.KEY_USAGE)
    purposes = value("extendedKeyUsage", ExtensionOID.EXTENDED_KEY_USAGE)
    own_id = value("subjectKeyIdentifier", ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    issuer_id = value("authorityKeyIdentifier", ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    access = value("authorityInfoAccess", ExtensionOID.AUTHORITY_INFORMATION_ACCESS)
    if constraints is not None:
        found["is_ca"] = bool(constraints.ca)
    if usage is not None:
        found["key_usage"] = tuple(word for field, word in _USAGES if getattr(usage, field))
    if purposes is not None:
        dotted = [purpose.dotted_string for purpose in purposes]
        found["extended_key_usage"] = _few([_PURPOSES.get(oid, oid) for oid in dotted])
    if own_id is not None:
        found["subject_key_id"] = _text(own_id.digest.hex(), 128)
    if issuer_id is not None and issuer_id.key_identifier is not None:
        found["authority_key_id"] = _text(issuer_id.key_identifier.hex(), 128)
    if access is not None:
        found["ca_issuers"] = _ca_issuers(access)
    return found


def _alternative_names(names: Any, reading: _Reading) -> dict[str, Any]:
    if names is None:
        return {}
    from cryptography import x509

    dns = names.get_values_for_type(x509.DNSName)
    # A network instead of an address can be encoded; it names no host.
    addresses = [
        str(address)
        for address in names.get_values_for_type(x509.IPAddress)
        if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    ]
    left_out = max(len(dns) - MAX_NAMES, 0) + max(len(addresses) - MAX_NAMES, 0)
    if left_out:
        reading.problems.append(f"{left_out} {NAMES_CUT}")
    return {
        "dns_names": tuple(_text(name) for name in dns[:MAX_NAMES]),
        "ip_names": tuple(addresses[:MAX_NAMES]),
    }


def _ca_issuers(access: Any) -> tuple[str, ...]:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    return _few(
        [
            description.access_location.value
            for description in access
            if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS
            and isinstance(description.access_location, x509.UniformResourceIdentifier)
        ]
    )
