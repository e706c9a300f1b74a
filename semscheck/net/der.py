"""A lenient second reading of a certificate, for what the strict parser refuses and TLS clients accept.

One malformed extension, a default value that is encoded, a name in a wrong string type: OpenSSL and the clients
take such certificates, so they have to be judged. Only what rules need is read. ITU-T X.690 (DER), RFC 5280
section 4.1. Every length is checked against its container, nothing recurses, every loop is bounded.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime

from semscheck.ber import Part, part, parts

TLS_FEATURES = "1.3.6.1.5.5.7.1.24"
STATUS_REQUEST = 5  # RFC 7633, with the numbers of TLS extensions
_INTEGER, _BITS, _OCTETS, _OID, _SEQUENCE, _SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_UTC_TIME = 0x17
# String types (X.680): how their bytes are read. Anything else is shown as Latin-1, so that nothing is lost.
_CHARSETS = {0x0C: "utf-8", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}
_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
}
_KEYS = {
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSA",
    "1.2.840.10045.2.1": "EC",
    "1.2.840.10040.4.1": "DSA",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
_CURVES = {
    "1.2.840.10045.3.1.1": ("secp192r1", 192),
    "1.3.132.0.33": ("secp224r1", 224),
    "1.2.840.10045.3.1.7": ("secp256r1", 256),
    "1.3.132.0.34": ("secp384r1", 384),
    "1.3.132.0.35": ("secp521r1", 521),
}
_SIGNATURES = {
    "1.2.840.113549.1.1.2": "md2",
    "1.2.840.113549.1.1.3": "md4",
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.3.14.3.2.29": "sha1",
    "1.2.840.10040.4.3": "sha1",
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name: as RFC 4514 writes it, its Common Names, and its encoding, for comparison."""

    text: str
    common_names: tuple[str, ...]
    whole: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """A public key. kind, bits and curve as in `Certificate`; spki: SHA-256 of its SubjectPublicKeyInfo."""

    spki: str
    kind: str | None
    bits: int | None
    curve: str | None


@dataclass(frozen=True, slots=True)
class Body:
    """The fields of a certificate, not looked into yet."""

    serial: Part
    algorithm: Part
    issuer: Part
    validity: Part
    subject: Part
    key: Part
    extensions: Part | None


def _expect(one: Part, tag: int) -> Part:
    if one.tag != tag:
        raise ValueError(f"tag {one.tag:#x} where {tag:#x} is due")
    return one


def body(der: bytes) -> Body:
    """A certificate's fields. Raises ValueError where it is none."""
    outer = _expect(part(der), _SEQUENCE)
    fields = list(parts(_expect(part(outer.content), _SEQUENCE).content))
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    if len(fields) < 6:
        raise ValueError("fields are missing")
    extensions = next((one for one in fields[6:] if one.tag == _EXTENSIONS), None)
    serial, algorithm, issuer, dates, subject, own_key = fields[:6]
    return Body(serial, algorithm, issuer, dates, subject, own_key, extensions)


def oid(content: bytes) -> str:
    """An object identifier in dotted form. Raises ValueError where it is none."""
    if not content or content[-1] & 0x80 or len(content) > 64:
        raise ValueError("an object identifier is cut off")
    numbers, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))


def text(one: Part) -> str:
    """A string of whatever type, never an error."""
    return one.content.decode(_CHARSETS.get(one.tag, "latin-1"), "replace")


def name(field: Part) -> Name:
    """A distinguished name. Raises ValueError where it does not parse at all."""
    pairs = []
    for group in parts(_expect(field, _SEQUENCE).content):
        for pair in parts(_expect(group, _SET).content):
            kind, value = list(parts(_expect(pair, _SEQUENCE).content))[:2]
            label = oid(_expect(kind, _OID).content)
            pairs.append((_ATTRIBUTES.get(label, label), text(value)))
    shown = ",".join(f"{label}={_escaped(value)}" for label, value in reversed(pairs))
    return Name(shown, tuple(value for label, value in pairs if label == "CN"), field.whole)


def _escaped(value: str) -> str:
    """RFC 4514 section 2.4, as far as names stay apart."""
    return "".join("\\" + sign if sign in ',+"\\<>;' else sign for sign in value)


def moment(field: Part) -> datetime:
    """UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5), seconds optional. Raises ValueError."""
    digits = text(field).rstrip("Z")
    if field.tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    if not digits.isascii() or not digits.isdigit() or len(digits) not in (12, 14):
        raise ValueError("a date does not parse")
    return datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def validity(field: Part) -> tuple[datetime, datetime]:
    """notBefore and notAfter. Raises ValueError."""
    begins, ends = list(parts(_expect(field, _SEQUENCE).content))[:2]
    return moment(begins), moment(ends)


def key(field: Part) -> Key:
    """The public key. Raises ValueError where not even its algorithm parses."""
    spki = hashlib.sha256(field.whole).hexdigest()
    algorithm, bits = list(parts(_expect(field, _SEQUENCE).content))[:2]
    kinds = list(parts(_expect(algorithm, _SEQUENCE).content))
    kind = _KEYS.get(oid(_expect(part(algorithm.content), _OID).content))
    if kind == "RSA":
        modulus = part(_expect(part(bits.content[1:]), _SEQUENCE).content)
        size = int.from_bytes(_expect(modulus, _INTEGER).content).bit_length()
        return Key(spki, kind, size, None)
    if kind == "EC" and len(kinds) > 1 and kinds[1].tag == _OID:
        curve, size = _CURVES.get(oid(kinds[1].content), (oid(kinds[1].content), 0))
        return Key(spki, kind, size or None, curve)
    return Key(spki, kind, None, None)


def signature(field: Part) -> tuple[str, str | None]:
    """A signature algorithm's identifier, and its hash, None if it is not one of those known. Raises ValueError."""
    label = oid(_expect(part(_expect(field, _SEQUENCE).content), _OID).content)
    return label, _SIGNATURES.get(label)


def key_kind(der: bytes) -> str | None:
    """The kind of a certificate's key, None where it is not known or does not parse."""
    try:
        return key(body(der).key).kind
    except (ValueError, IndexError):
        return None


def must_staple(der: bytes) -> bool:
    """Does a certificate demand a stapled OCSP answer (RFC 7633)? False where that does not parse."""
    try:
        features = extensions(body(der).extensions).get(TLS_FEATURES)
        return features is not None and STATUS_REQUEST in numbers(features)
    except (ValueError, IndexError):
        return False


def numbers(value: bytes) -> tuple[int, ...]:
    """A sequence of integers. Raises ValueError."""
    inside = parts(_expect(part(value), _SEQUENCE).content)
    return tuple(int.from_bytes(_expect(one, _INTEGER).content, signed=True) for one in inside)


def extensions(field: Part | None) -> dict[str, bytes]:
    """Extension values by identifier, the first of each; one that is malformed in itself is left out.

    Raises ValueError where the list does not parse.
    """
    found: dict[str, bytes] = {}
    if field is None:
        return found
    for one in parts(_expect(part(field.content), _SEQUENCE).content):
        try:
            inside = list(parts(one.content))
            label, value = oid(_expect(inside[0], _OID).content), _expect(inside[-1], _OCTETS)
        except (ValueError, IndexError):
            continue
        found.setdefault(label, value.content)
    return found


def alternative_names(value: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """dNSName and iPAddress entries (RFC 5280 section 4.2.1.6). Raises ValueError."""
    dns, addresses = [], []
    for one in parts(_expect(part(value), _SEQUENCE).content):
        if one.tag == 0x82:
            dns.append(one.content.decode("latin-1"))
        elif one.tag == 0x87 and len(one.content) in (4, 16):
            addresses.append(str(ipaddress.ip_address(one.content)))
    return tuple(dns), tuple(addresses)


def is_authority(value: bytes) -> bool:
    """basicConstraints' cA (RFC 5280 section 4.2.1.9). Raises ValueError."""
    inside = list(parts(_expect(part(value), _SEQUENCE).content))
    return bool(inside) and inside[0].tag == 0x01 and inside[0].content not in (b"", b"\0")


def purposes(value: bytes) -> tuple[str, ...]:
    """extendedKeyUsage as dotted identifiers (RFC 5280 section 4.2.1.12). Raises ValueError."""
    return tuple(oid(one.content) for one in parts(_expect(part(value), _SEQUENCE).content))


def usage_bits(value: bytes) -> tuple[int, ...]:
    """keyUsage as the numbers of the bits that are set (RFC 5280 section 4.2.1.3). Raises ValueError."""
    content = _expect(part(value), _BITS).content[1:3]
    return tuple(8 * at + bit for at, byte in enumerate(content) for bit in range(8) if byte & (0x80 >> bit))


def key_id(value: bytes) -> str:
    """subjectKeyIdentifier in hexadecimal. Raises ValueError."""
    return _expect(part(value), _OCTETS).content.hex()


def issuer_key_id(value: bytes) -> str | None:
    """authorityKeyIdentifier's key identifier in hexadecimal, None if it has none. Raises ValueError."""
    inside = parts(_expect(part(value), _SEQUENCE).content)
    return next((one.content.hex() for one in inside if one.tag == 0x80), None)


def ca_issuers(value: bytes) -> tuple[str, ...]:
    """Where the issuer's certificate can be fetched (RFC 5280 section 4.2.2.1). Raises ValueError."""
    found = []
    for one in parts(_expect(part(value), _SEQUENCE).content):
        method, location = list(parts(_expect(one, _SEQUENCE).content))[:2]
        if oid(method.content) == "1.3.6.1.5.5.7.48.2" and location.tag == 0x86:
            found.append(location.content.decode("latin-1"))
    return tuple(found)
