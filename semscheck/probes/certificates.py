"""Presented certificates into facts.

Whatever a server sends ends as an observation: what does not parse is told in `problems`, and nothing raises.
The library that parses is strict on purpose, and refuses all extensions when one is malformed; TLS clients are
not, so what it refuses is read a second time, leniently (`probes/der.py`), and the problem says so.

Each problem begins with the field's name; those that the second reading mended begin with "read leniently".
"""

from __future__ import annotations

import hashlib
import ipaddress
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from semscheck.model.observations import Certificate
from semscheck.net import der as lenient
from semscheck.net.public_roots import is_public
from semscheck.probes.recorder import Recorder

if TYPE_CHECKING:
    from cryptography import x509

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
Extension = TypeVar("Extension", bound="x509.ExtensionType")


# Where one of these could not be read, a name that is not there may be.
NAMES_IN = ("certificate", "subject", "extensions", "subjectAltName")


@dataclass(frozen=True, slots=True)
class _Problem:
    """A field that could not be read, or not by the strict reading alone; of names that were left out, the rest."""

    what: str
    words: str
    mended: bool = False

    @property
    def text(self) -> str:
        return _text(f"{'read leniently: ' if self.mended else ''}{self.what}: {self.words}", 300)


class _Reading:
    """Field by field, so that one that does not parse costs only itself."""

    def __init__(self) -> None:
        self.problems: list[_Problem] = []
        self.names_cut = 0

    @property
    def told(self) -> dict[str, Any]:
        """What became of it, for the observation."""
        texts = [problem.text for problem in self.problems]
        if self.names_cut:
            texts.append(f"{self.names_cut} alternative names were left out")
        unread = any(problem.what in NAMES_IN and not problem.mended for problem in self.problems)
        return {"problems": tuple(texts[:MAX_FEW]), "names_unread": unread or self.names_cut > 0}

    def attempt(self, what: str, read: Callable[[], Found]) -> Found | None:
        """What `read` gives; None, and a problem noted, where it raises.

        A panic of the parsing library is a BaseException of its own class, which has no importable name.
        """
        try:
            return read()
        except BaseException as error:
            _only_of_parsing(error)
            self.problems.append(_Problem(what, _text(str(error), 200) or type(error).__name__))
            return None


def _only_of_parsing(error: BaseException) -> None:
    """Raise again what is no error of parsing: an interrupt, a cancelled task, an exit."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


def fingerprint(der: bytes) -> str:
    """SHA-256 of the certificate as sent, in lower-case hexadecimal."""
    return hashlib.sha256(der).hexdigest()


def facts(der: bytes) -> dict[str, Any]:
    """The fields of a `Certificate` observation, without id and times. Never raises, whatever the bytes."""
    reading = _Reading()
    found: dict[str, Any] = {
        "fingerprint": fingerprint(der),
        "der": der if len(der) <= MAX_KEPT_DER else None,
    }
    if len(der) > MAX_DER:
        reading.problems.append(
            _Problem("certificate", f"{len(der)} bytes, which is over {MAX_DER}; not read")
        )
        return found | reading.told
    fields = _strictly(der, reading)
    if reading.problems:
        fields = _again(der, reading) | fields
    found |= _bounded(fields, reading)
    if found.get("self_issued"):
        found["public_root"] = is_public(found["fingerprint"])
    return found | reading.told


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


def _bounded(fields: dict[str, Any], reading: _Reading) -> dict[str, Any]:
    """The fields with long texts and long lists cut; names that are left out are told."""
    found: dict[str, Any] = {}
    for field, value in fields.items():
        if isinstance(value, tuple):
            limit = MAX_NAMES if field in ("dns_names", "ip_names") else MAX_FEW
            if len(value) > limit and field in ("dns_names", "ip_names"):
                reading.names_cut += len(value) - limit
            found[field] = tuple(_text(each) for each in value[:limit])
        else:
            found[field] = _text(value) if isinstance(value, str) else value
    return found


# --- the strict reading ------------------------------------------------------------------------------------


def _strictly(der: bytes, reading: _Reading) -> dict[str, Any]:
    """What the library reads; a field that it refuses is left out, and a problem noted."""
    from cryptography import x509

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of malformed fields; those that matter end in problems
        parsed = reading.attempt("certificate", lambda: x509.load_der_x509_certificate(der))
        if parsed is None:
            return {}
        return {
            **_names(parsed, reading),
            **_dates_and_signature(parsed, reading),
            **_key(parsed, reading),
            **_extensions(parsed, reading),
        }


def _names(parsed: x509.Certificate, reading: _Reading) -> dict[str, Any]:
    found: dict[str, Any] = {}
    subject = reading.attempt("subject", lambda: _name(parsed.subject))
    issuer = reading.attempt("issuer", lambda: _name(parsed.issuer))
    if subject is not None:
        found["subject"], found["common_names"] = subject
    if issuer is not None:
        found["issuer"], found["issuer_common_names"] = issuer
    if subject is not None and issuer is not None:
        found["self_issued"] = parsed.subject == parsed.issuer
        found["self_signed"] = _self_signed(parsed) if found["self_issued"] else False
    return found


def _name(name: x509.Name) -> tuple[str, tuple[str, ...]]:
    """As RFC 4514 writes it, and its Common Names in order."""
    from cryptography.x509.oid import NameOID

    values = [attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    common = tuple(value if isinstance(value, str) else value.decode("latin-1") for value in values)
    return name.rfc4514_string(), common


def _self_signed(parsed: x509.Certificate) -> bool | None:
    """Does its own key verify it? None where the library cannot try (an algorithm it refuses)."""
    from cryptography.exceptions import InvalidSignature

    try:
        parsed.verify_directly_issued_by(parsed)
    except InvalidSignature:
        return False
    except BaseException as error:
        _only_of_parsing(error)
        return None
    return True


def _dates_and_signature(parsed: x509.Certificate, reading: _Reading) -> dict[str, Any]:
    readers: dict[str, tuple[str, Callable[[], Any]]] = {
        "serial": ("serial number", lambda: f"{parsed.serial_number:x}"),
        "not_before": ("notBefore", lambda: parsed.not_valid_before_utc),
        "not_after": ("notAfter", lambda: parsed.not_valid_after_utc),
        "signature_oid": (
            "signature algorithm",
            lambda: _text(parsed.signature_algorithm_oid.dotted_string, 100),
        ),
    }
    found = {field: reading.attempt(what, read) for field, (what, read) in readers.items()}
    found = {field: value for field, value in found.items() if value is not None}
    # None where the scheme has a hash of its own (Ed25519).
    algorithm = reading.attempt("signature algorithm", lambda: (parsed.signature_hash_algorithm,))
    if algorithm is not None:
        found["signature_hash"] = algorithm[0].name.lower() if algorithm[0] is not None else None
    return found


def _key(parsed: x509.Certificate, reading: _Reading) -> dict[str, Any]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = reading.attempt("public key", parsed.public_key)
    if key is None:
        return {}
    spki = reading.attempt(
        "public key", lambda: key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    if spki is None:
        return {}
    bits = getattr(key, "key_size", None)
    kind = type(key).__name__
    return {
        "spki": hashlib.sha256(spki).hexdigest(),
        "key_type": _KEY_TYPES.get(kind, kind.removesuffix("PublicKey")),
        "key_bits": bits if isinstance(bits, int) else None,
        "curve": getattr(getattr(key, "curve", None), "name", None),
    }


def _extensions(parsed: x509.Certificate, reading: _Reading) -> dict[str, Any]:
    from cryptography import x509

    extensions = reading.attempt("extensions", lambda: parsed.extensions)
    if extensions is None:
        return {}

    def value(kind: type[Extension]) -> Extension | None:
        try:
            return extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    features = value(x509.TLSFeature) or ()
    found: dict[str, Any] = {"must_staple": x509.TLSFeatureType.status_request in features}
    if (names := value(x509.SubjectAlternativeName)) is not None:
        found["dns_names"] = tuple(names.get_values_for_type(x509.DNSName))
        found["ip_names"] = _addresses(names.get_values_for_type(x509.IPAddress))
    if (constraints := value(x509.BasicConstraints)) is not None:
        found["is_ca"] = bool(constraints.ca)
    if (usage := value(x509.KeyUsage)) is not None:
        found["key_usage"] = tuple(word for field, word in _USAGES if getattr(usage, field))
    if (purposes := value(x509.ExtendedKeyUsage)) is not None:
        found["extended_key_usage"] = _purposes(purpose.dotted_string for purpose in purposes)
    if (own := value(x509.SubjectKeyIdentifier)) is not None:
        found["subject_key_id"] = own.digest.hex()
    if (above := value(x509.AuthorityKeyIdentifier)) is not None and above.key_identifier is not None:
        found["authority_key_id"] = above.key_identifier.hex()
    if (access := value(x509.AuthorityInformationAccess)) is not None:
        found["ca_issuers"] = _ca_issuers(access)
    return found


def _addresses(values: Iterable[object]) -> tuple[str, ...]:
    """A network instead of an address can be encoded; it names no host."""
    hosts = (ipaddress.IPv4Address, ipaddress.IPv6Address)
    return tuple(str(address) for address in values if isinstance(address, hosts))


def _purposes(dotted: Iterable[str]) -> tuple[str, ...]:
    return tuple(_PURPOSES.get(oid, oid) for oid in dotted)


def _ca_issuers(access: x509.AuthorityInformationAccess) -> tuple[str, ...]:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    return tuple(
        description.access_location.value
        for description in access
        if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(description.access_location, x509.UniformResourceIdentifier)
    )


# --- the lenient reading -----------------------------------------------------------------------------------


def _again(der: bytes, reading: _Reading) -> dict[str, Any]:
    """What a second, lenient reading gives. Problems of the first that it mends are marked, its own added."""
    again = _Reading()
    body = again.attempt("certificate", lambda: lenient.body(der))
    found = {} if body is None else {**_lenient_body(body, again), **_lenient_extensions(body, again)}
    failed = {problem.what for problem in again.problems}
    if "certificate" in failed:
        return {}
    first = reading.problems
    known = {problem.what for problem in first}
    reading.problems = [replace(problem, mended=problem.what not in failed) for problem in first]
    reading.problems += [problem for problem in again.problems if problem.what not in known]
    return found


def _lenient_body(body: lenient.Body, again: _Reading) -> dict[str, Any]:
    subject = again.attempt("subject", lambda: lenient.name(body.subject))
    issuer = again.attempt("issuer", lambda: lenient.name(body.issuer))
    dates = again.attempt("validity", lambda: lenient.validity(body.validity))
    key = again.attempt("public key", lambda: lenient.key(body.key))
    signed = again.attempt("signature algorithm", lambda: lenient.signature(body.algorithm))
    found: dict[str, Any] = {"serial": f"{int.from_bytes(body.serial.content, signed=True):x}"}
    if subject is not None:
        found |= {"subject": subject.text, "common_names": subject.common_names}
    if issuer is not None:
        found |= {"issuer": issuer.text, "issuer_common_names": issuer.common_names}
    if subject is not None and issuer is not None:
        found["self_issued"] = subject.whole == issuer.whole
        found["self_signed"] = None if found["self_issued"] else False  # no signature is verified here
    if dates is not None:
        found |= {"not_before": dates[0], "not_after": dates[1]}
    if key is not None:
        found |= {"spki": key.spki, "key_type": key.kind, "key_bits": key.bits, "curve": key.curve}
    if signed is not None:
        found["signature_oid"], found["signature_hash"] = signed
    return found


def _lenient_extensions(body: lenient.Body, again: _Reading) -> dict[str, Any]:
    values = again.attempt("extensions", lambda: lenient.extensions(body.extensions)) or {}
    found: dict[str, Any] = {}
    features = _value(values, lenient.TLS_FEATURES, "TLS features", lenient.numbers, again)
    found["must_staple"] = lenient.STATUS_REQUEST in (features or ())
    names = _value(values, "2.5.29.17", "subjectAltName", lenient.alternative_names, again)
    if names is not None:
        found["dns_names"], found["ip_names"] = names
    bits = _value(values, "2.5.29.15", "keyUsage", lenient.usage_bits, again)
    if bits is not None:
        found["key_usage"] = tuple(word for at, (_, word) in enumerate(_USAGES) if at in bits)
    purposes = _value(values, "2.5.29.37", "extendedKeyUsage", lenient.purposes, again)
    if purposes is not None:
        found["extended_key_usage"] = _purposes(purposes)
    simple: tuple[tuple[str, str, str, Callable[[bytes], Any]], ...] = (
        ("is_ca", "2.5.29.19", "basicConstraints", lenient.is_authority),
        ("subject_key_id", "2.5.29.14", "subjectKeyIdentifier", lenient.key_id),
        ("authority_key_id", "2.5.29.35", "authorityKeyIdentifier", lenient.issuer_key_id),
        ("ca_issuers", "1.3.6.1.5.5.7.1.1", "authorityInfoAccess", lenient.ca_issuers),
    )
    for field, oid, what, read in simple:
        value = _value(values, oid, what, read, again)
        if value is not None:
            found[field] = value
    return found


def _value(
    values: dict[str, bytes], oid: str, what: str, read: Callable[[bytes], Found], again: _Reading
) -> Found | None:
    """An extension's value, None where it is absent or does not parse (then a problem is noted)."""
    encoded = values.get(oid)
    return None if encoded is None else again.attempt(what, lambda: read(encoded))
