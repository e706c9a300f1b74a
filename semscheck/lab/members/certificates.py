"""Makes certificates in code: a root, an intermediate, and leaves as a world declares them.

Keys and authorities are made once per process; leaves are made per lab (about a millisecond each with EC keys), so
that validity counts from the lab's own start.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from semscheck.lab.world import Certificate, Issuer, Key, Signature, Usage

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CURVES: dict[Key, ec.EllipticCurve] = {
    Key.EC_P192: ec.SECP192R1(),
    Key.EC_P256: ec.SECP256R1(),
    Key.EC_P384: ec.SECP384R1(),
}
_RSA_BITS = {Key.RSA_1024: 1024, Key.RSA_2048: 2048}
_RSA_SHA256 = bytes.fromhex("06092a864886f70d01010b")  # sha256WithRSAEncryption (RFC 8017 appendix A.2.4)
_RSA_SHA1 = bytes.fromhex("06092a864886f70d010105")  # sha1WithRSAEncryption
_AUTHORITY_NAMES = {
    "root": "Semscheck Lab Root CA",
    "intermediate": "Semscheck Lab Issuing CA",
    "intermediate-rsa": "Semscheck Lab Old Issuing CA",
    "unknown": "Forgotten Department CA",
    "inspection": "Example Web Gateway TLS Inspection CA",
}


@dataclass(frozen=True, slots=True)
class Authority:
    """A certification authority of the lab."""

    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A leaf as it is presented: the chain that is sent (leaf first) and its key, as PEM."""

    leaf: x509.Certificate
    chain_pem: bytes
    key_pem: bytes


@functools.lru_cache(maxsize=256)
def private_key(kind: Key, name: str) -> PrivateKey:
    """Return the process's private key of this kind under this name, made on first use."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind])
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[kind])


@functools.lru_cache(maxsize=8)
def authority(role: str) -> Authority:
    """Return the authority for a key of `_AUTHORITY_NAMES`, made on first use."""
    key = private_key(Key.RSA_2048 if role == "intermediate-rsa" else Key.EC_P256, f"authority {role}")
    issuer = authority("root") if role.startswith("intermediate") else None
    now = dt.datetime.now(dt.UTC)
    name = _name(_AUTHORITY_NAMES[role])
    valid = now - dt.timedelta(days=1500), now + dt.timedelta(days=3650)
    builder = _begun(name, key, issuer, *valid)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True)
    return Authority(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def root_pem() -> bytes:
    """Return the lab root as PEM: what a desktop would be told to trust."""
    return authority("root").certificate.public_bytes(serialization.Encoding.PEM)


class Forge:
    """Makes the leaves of one lab; equal declarations give one certificate."""

    def __init__(self, now: dt.datetime | None = None) -> None:
        self.now = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
        self._issued: dict[Certificate, Issued] = {}

    def issue(self, wanted: Certificate) -> Issued:
        """Return the certificate that was declared, made on first use."""
        if wanted not in self._issued:
            self._issued[wanted] = self._make(wanted)
        return self._issued[wanted]

    def _make(self, wanted: Certificate) -> Issued:
        key = private_key(wanted.key, wanted.key_name or wanted.common_name)
        issuer, sent = _issuer(wanted)
        fresh = wanted.issuer is Issuer.INSPECTION  # a gateway makes them on the fly
        before = 0.0 if fresh else wanted.not_before_days
        begins = self.now + dt.timedelta(days=min(before, wanted.not_after_days - 1))
        ends = self.now + dt.timedelta(days=wanted.not_after_days)
        builder = _extensions(_begun(_name(wanted.common_name), key, issuer, begins, ends), wanted)
        leaf = builder.sign(issuer.key if issuer else key, hashes.SHA256())
        if wanted.signature is Signature.SHA1:
            leaf = _sign_with_sha1(leaf, issuer.key if issuer else key)
        pem = serialization.Encoding.PEM
        chain = leaf.public_bytes(pem) + b"".join(ca.certificate.public_bytes(pem) for ca in sent)
        key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Issued(leaf, chain, key_pem)


def _issuer(wanted: Certificate) -> tuple[Authority | None, tuple[Authority, ...]]:
    """Return who signs (None: itself) and which authorities are sent after the leaf."""
    role = "intermediate-rsa" if wanted.signature is Signature.SHA1 else "intermediate"
    match wanted.issuer:
        case Issuer.SELF:
            return None, ()
        case Issuer.ROOT:
            return authority("root"), ()
        case Issuer.INTERMEDIATE:
            return authority(role), (authority(role),)
        case Issuer.INTERMEDIATE_NOT_SENT:
            return authority(role), ()
        case Issuer.UNKNOWN_CA:
            return authority("unknown"), ()
        case Issuer.INSPECTION:
            return authority("inspection"), (authority("inspection"),)


def _sign_with_sha1(leaf: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """Return the certificate signed again with SHA-1, which today's certificate builder refuses to do.

    The two algorithm identifiers have one length, as have two RSA signatures by one key, so the encoding stays.
    """
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("a SHA-1 signature is made by the lab's RSA authority, or by the leaf's own RSA key")
    old = leaf.tbs_certificate_bytes
    new = old.replace(_RSA_SHA256, _RSA_SHA1)
    signature = key.sign(new, padding.PKCS1v15(), hashes.SHA1())
    encoded = leaf.public_bytes(serialization.Encoding.DER)
    tail = encoded[encoded.index(old) + len(old) : -len(signature)].replace(_RSA_SHA256, _RSA_SHA1)
    return x509.load_der_x509_certificate(encoded[: encoded.index(old)] + new + tail + signature)


def _extensions(builder: x509.CertificateBuilder, wanted: Certificate) -> x509.CertificateBuilder:
    names = (wanted.common_name,) if wanted.alternative_names is None else wanted.alternative_names
    if names:
        san = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = builder.add_extension(san, critical=False)
    ca = wanted.usage is Usage.CA
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(ca=ca), critical=True)
    purposes = {Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}
    if wanted.usage in purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purposes[wanted.usage]]), critical=False)
    return builder


def _begun(
    subject: x509.Name, key: PrivateKey, issuer: Authority | None, begins: dt.datetime, ends: dt.datetime
) -> x509.CertificateBuilder:
    """What every certificate has. issuer: None for one that signs itself."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signer = (issuer.key if issuer else key).public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Semscheck Lab"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
