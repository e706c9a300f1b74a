"""Certificates built in code: authorities, server certificates, and deliberately bad ones.

Nothing here is a fixture file: a test says what is special about a certificate in the call that makes it.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

KeyKind = Literal["ec", "ec384", "ed25519", "rsa1024", "rsa2048", "rsa3072", "rsa4096"]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
KeyChoice = PrivateKey | KeyKind

_DIGESTS: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
# The library refuses to sign certificates with these (rightly): the last byte of the algorithm's
# identifier 1.2.840.113549.1.1.x, RFC 8017 appendix C, where sha256WithRSAEncryption is 11.
_OBSOLETE: dict[str, tuple[hashes.HashAlgorithm, int]] = {
    "md5": (hashes.MD5(), 4),
    "sha1": (hashes.SHA1(), 5),
}
_RSA_SIGNATURE = bytes.fromhex("06092a864886f70d0101")
_PURPOSES = {
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
_RSA_POOL = 8
_rsa_turn = itertools.count()


@cache
def _rsa_key(bits: int, slot: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def make_key(kind: KeyKind = "ec") -> PrivateKey:
    """Give a private key. Elliptic ones are new each time; RSA ones come from a pool of eight per size.

    RSA generation costs up to a second, so that calls come round to a key again after eight: pass a key
    of your own where sharing or not sharing a key is the point of the test.
    """
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "ec384":
        return ec.generate_private_key(ec.SECP384R1())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return _rsa_key(int(kind.removeprefix("rsa")), next(_rsa_turn) % _RSA_POOL)


@dataclass(frozen=True, slots=True)
class Files:
    """Where one certificate was written: PEM files, and a PKCS #12 store without a password."""

    certificate: Path
    key: Path
    chain: Path
    bundle: Path
    pkcs12: Path


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key. `above` holds the intermediates, nearest issuer first, without the root."""

    certificate: x509.Certificate
    key: PrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def sha256(self) -> str:
        """The fingerprint, in lower-case hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def leaf_pem(self) -> bytes:
        return _pem((self.certificate,))

    @property
    def chain_pem(self) -> bytes:
        return _pem((self.certificate, *self.above))

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sending(self, *certificates: x509.Certificate) -> Issued:
        """Give the same certificate, sent with exactly these behind it (none: an incomplete chain)."""
        return Issued(self.certificate, self.key, certificates)

    def write(self, directory: Path, name: str = "server") -> Files:
        """Write every form that the servers of the rig want; the bundle, chain and key, is for HAProxy."""
        directory.mkdir(parents=True, exist_ok=True)
        files = Files(
            certificate=directory / f"{name}.crt",
            key=directory / f"{name}.key",
            chain=directory / f"{name}.chain.pem",
            bundle=directory / f"{name}.bundle.pem",
            pkcs12=directory / f"{name}.p12",
        )
        files.certificate.write_bytes(self.leaf_pem)
        files.key.write_bytes(self.key_pem)
        files.chain.write_bytes(self.chain_pem)
        files.bundle.write_bytes(self.chain_pem + self.key_pem)
        files.pkcs12.write_bytes(
            pkcs12.serialize_key_and_certificates(
                name.encode(), self.key, self.certificate, list(self.above), serialization.NoEncryption()
            )
        )
        return files


@dataclass(frozen=True, slots=True)
class Authority:
    """A certification authority: a root, or an intermediate below one.

    at: the "now" of all that it issues, for a run that is written down; None is the clock, for servers.
    """

    certificate: x509.Certificate
    key: PrivateKey
    above: tuple[x509.Certificate, ...] = ()
    is_root: bool = True
    at: datetime.datetime | None = None

    @classmethod
    def root(
        cls,
        name: str = "Example Root",
        *,
        key: KeyChoice = "ec",
        days: float = 3650,
        digest: str = "sha256",
        at: datetime.datetime | None = None,
    ) -> Authority:
        made = _build(name, key=key, days=days, digest=digest, ca=True, names=(), eku=(), at=at)
        return cls(made.certificate, made.key, at=at)

    def intermediate(
        self,
        name: str = "Example Intermediate",
        *,
        key: KeyChoice = "ec",
        days: float = 1825,
        starts_days: float = -1,
        digest: str = "sha256",
        path_length: int | None = None,
        pss: bool = False,
    ) -> Authority:
        made = _build(
            name,
            issuer=self,
            key=key,
            days=days,
            starts_days=starts_days,
            digest=digest,
            ca=True,
            path_length=path_length,
            names=(),
            eku=(),
            pss=pss,
        )
        return Authority(made.certificate, made.key, made.above, is_root=False, at=self.at)

    def issue(
        self,
        common_name: str | None,
        names: Sequence[str] | None = None,
        *,
        days: float = 90,
        starts_days: float = -1,
        key: KeyChoice = "ec",
        digest: str = "sha256",
        eku: Sequence[str] | None = ("serverAuth",),
        key_usage: Sequence[str] | None = ("digital_signature",),
        ca: bool = False,
        serial: int | None = None,
        organization: str | None = None,
        caissuers: str | None = None,
        authority_key_id: bool = True,
        pss: bool = False,
        general: Sequence[x509.GeneralName] = (),
        more: Sequence[x509.ExtensionType] = (),
    ) -> Issued:
        """Issue a certificate.

        `names` are the subjectAltName entries (addresses become iPAddress); None repeats the Common Name,
        an empty sequence leaves the extension out. The validity starts `starts_days` from now (negative:
        ago) and ends `days` from now (negative: expired). `eku` and `key_usage` None leave the extension out.
        `digest` may be "sha1" or "md5" below an RSA authority. `caissuers` is an address for the Authority
        Information Access extension. `pss` signs with RSASSA-PSS, below an RSA authority. `general` are
        subjectAltName entries as they are, in place of `names`; `more` are further extensions, none of them critical.
        """
        return _build(
            common_name,
            issuer=self,
            names=names,
            days=days,
            starts_days=starts_days,
            key=key,
            digest=digest,
            eku=eku,
            key_usage=key_usage,
            ca=ca,
            serial=serial,
            organization=organization,
            caissuers=caissuers,
            authority_key_id=authority_key_id,
            pss=pss,
            general=general,
            more=more,
        )

    @property
    def pem(self) -> bytes:
        return _pem((self.certificate,))

    def write(self, directory: Path, name: str = "authority") -> Path:
        """Write the authority's certificate, as a `--ca-file` wants it, and return the path."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{name}.pem"
        path.write_bytes(self.pem)
        return path


def self_signed(
    common_name: str | None,
    names: Sequence[str] | None = None,
    *,
    days: float = 90,
    key: KeyChoice = "ec",
    at: datetime.datetime | None = None,
) -> Issued:
    """Make a server certificate that is its own issuer, as an appliance has it out of the box."""
    return _build(common_name, names=names, days=days, key=key, at=at)


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def _name(common_name: str | None, organization: str | None) -> x509.Name:
    parts = []
    if organization is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    if common_name is not None:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(parts)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _key_usage(wanted: Sequence[str]) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    unknown = set(wanted) - set(every)
    if unknown:
        raise ValueError(f"no such key usage: {sorted(unknown)}")
    return x509.KeyUsage(**{one: one in wanted for one in every})


def _sign(
    builder: x509.CertificateBuilder, signer: PrivateKey, digest: str, pss: bool = False
) -> x509.Certificate:
    if pss:
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        return builder.sign(signer, hashes.SHA256(), rsa_padding=scheme)
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return builder.sign(signer, None)
    if digest not in _OBSOLETE:
        return builder.sign(signer, _DIGESTS[digest]())
    if not isinstance(signer, rsa.RSAPrivateKey):
        raise ValueError(f"{digest} signatures are made with an RSA issuer only")
    algorithm, identifier = _OBSOLETE[digest]
    modern = builder.sign(signer, hashes.SHA256())
    tbs = modern.tbs_certificate_bytes.replace(
        _RSA_SIGNATURE + b"\x0b", _RSA_SIGNATURE + bytes([identifier]), 1
    )
    signature = signer.sign(tbs, padding.PKCS1v15(), algorithm)
    named = _der(0x30, _RSA_SIGNATURE + bytes([identifier]) + b"\x05\x00")
    return x509.load_der_x509_certificate(_der(0x30, tbs + named + _der(0x03, b"\x00" + signature)))


def _der(tag: int, content: bytes) -> bytes:
    """Wrap content in a tag and a length (X.690 section 8.1)."""
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def _build(
    common_name: str | None,
    *,
    issuer: Authority | None = None,
    names: Sequence[str] | None = None,
    days: float = 90,
    starts_days: float = -1,
    key: KeyChoice = "ec",
    digest: str = "sha256",
    eku: Sequence[str] | None = ("serverAuth",),
    key_usage: Sequence[str] | None = ("digital_signature",),
    ca: bool = False,
    path_length: int | None = None,
    serial: int | None = None,
    organization: str | None = None,
    caissuers: str | None = None,
    authority_key_id: bool = True,
    at: datetime.datetime | None = None,
    pss: bool = False,
    general: Sequence[x509.GeneralName] = (),
    more: Sequence[x509.ExtensionType] = (),
) -> Issued:
    own = make_key(key) if isinstance(key, str) else key
    at = at or (issuer.at if issuer else None) or datetime.datetime.now(datetime.UTC)
    now = at.replace(microsecond=0)
    ends = now + datetime.timedelta(days=days)
    # An expired certificate still needs a beginning before its end.
    starts = min(now + datetime.timedelta(days=starts_days), ends - datetime.timedelta(days=1))
    subject = _name(common_name, organization)
    signer = own if issuer is None else issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
    )
    usage = ("key_cert_sign", "crl_sign") if ca and key_usage == ("digital_signature",) else key_usage
    if usage is not None:
        builder = builder.add_extension(_key_usage(usage), critical=True)
    if eku:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([_PURPOSES[one] for one in eku]), critical=False
        )
    alternatives = ((common_name,) if common_name else ()) if names is None else tuple(names)
    if alternatives or general:
        san = x509.SubjectAlternativeName(general or [_general_name(one) for one in alternatives])
        builder = builder.add_extension(san, critical=common_name is None)
    if authority_key_id and issuer is not None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if caissuers is not None:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(caissuers)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    certificate = _sign(builder, signer, digest, pss)
    # A root is in the clients' store, servers do not send it.
    above = () if issuer is None or issuer.is_root else (issuer.certificate, *issuer.above)
    return Issued(certificate, own, above)
