"""What is presented, judged by openssl and by the certificates' own text."""

from __future__ import annotations

import datetime as dt
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from semscheck.lab.cluster import LabThread
from semscheck.lab.members.certificates import Forge, root_pem
from semscheck.lab.scenarios import SCENARIOS, members
from semscheck.lab.world import Certificate, Interface, Issuer, Key, Signature, Usage, World
from tests.lab.clients import visit

FQDN = "keys.example.test"


def verify(tmp_path: Path, wanted: Certificate) -> str:
    """Return what `openssl verify` says of the chain as it would be sent, with the lab's root trusted."""
    issued = Forge().issue(wanted)
    blocks = x509.load_pem_x509_certificates(issued.chain_pem)
    leaf, sent, root = tmp_path / "leaf", tmp_path / "sent", tmp_path / "root"
    leaf.write_bytes(issued.chain_pem[: issued.chain_pem.index(b"-----END CERTIFICATE-----") + 26])
    sent.write_bytes(issued.chain_pem)
    root.write_bytes(root_pem())
    assert blocks[0] == issued.leaf
    command = [
        "openssl",
        "verify",
        "-no-CApath",
        "-CAfile",
        root,
        "-untrusted",
        sent,
        "-purpose",
        "sslserver",
    ]
    done = subprocess.run(
        [*command, "-auth_level", "0", leaf], capture_output=True, text=True, check=False, timeout=8
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "OK"),
        ({"issuer": Issuer.ROOT}, "OK"),
        ({"usage": Usage.ANY}, "OK"),
        ({"key": Key.RSA_2048}, "OK"),
        ({"key": Key.EC_P384}, "OK"),
        ({"signature": Signature.SHA1, "key": Key.RSA_1024}, "OK"),
        ({"issuer": Issuer.INTERMEDIATE_NOT_SENT}, "unable to get local issuer certificate"),
        ({"issuer": Issuer.SELF}, "self-signed certificate"),
        ({"issuer": Issuer.UNKNOWN_CA}, "unable to get local issuer certificate"),
        ({"issuer": Issuer.INSPECTION}, "self-signed certificate in certificate chain"),
        ({"not_after_days": -2.0}, "certificate has expired"),
        ({"not_before_days": 2.0}, "certificate is not yet valid"),
        ({"usage": Usage.CLIENT}, "unsuitable certificate purpose"),
    ],
)
def test_openssl_says_what_was_declared(tmp_path: Path, fields: dict[str, object], said: str) -> None:
    assert said in verify(tmp_path, replace(Certificate(FQDN), **fields))  # type: ignore[arg-type]


def test_names_and_dates_are_as_declared() -> None:
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    wanted = Certificate(
        "a.example.test", ("b.example.test", "192.0.2.1"), not_before_days=-5, not_after_days=10
    )
    leaf = Forge(now).issue(wanted).leaf
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "a.example.test"
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["b.example.test"]
    assert [str(ip) for ip in san.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (
        now - dt.timedelta(days=5),
        now + dt.timedelta(days=10),
    )
    with pytest.raises(x509.ExtensionNotFound):
        Forge().issue(Certificate(FQDN, ())).leaf.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )


def test_keys_and_signatures_are_as_declared() -> None:
    forge = Forge()
    weak = forge.issue(Certificate(FQDN, key=Key.RSA_1024, signature=Signature.SHA1)).leaf
    key = weak.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 1024
    assert isinstance(weak.signature_hash_algorithm, hashes.SHA1)
    small = forge.issue(Certificate(FQDN, key=Key.EC_P192)).leaf.public_key()
    assert isinstance(small, ec.EllipticCurvePublicKey)
    assert small.key_size == 192
    usage = forge.issue(Certificate(FQDN, usage=Usage.CLIENT)).leaf.extensions
    assert list(usage.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert (
        forge.issue(Certificate(FQDN, usage=Usage.CA))
        .leaf.extensions.get_extension_for_class(x509.BasicConstraints)
        .value.ca
    )


def test_equal_declarations_are_one_certificate_and_a_renewal_keeps_the_key() -> None:
    forge = Forge()
    first, renewed = Certificate(FQDN), Certificate(FQDN, not_after_days=800)
    assert forge.issue(first).leaf is forge.issue(Certificate(FQDN)).leaf
    assert forge.issue(first).leaf != forge.issue(renewed).leaf
    assert forge.issue(first).leaf.public_key() == forge.issue(renewed).leaf.public_key()
    other = forge.issue(Certificate(FQDN, key_name="another"))
    assert forge.issue(first).leaf.public_key() != other.leaf.public_key()


def test_members_present_what_the_world_says() -> None:
    with LabThread(SCENARIOS["interfaces-swapped"].world) as thread:
        lab = thread.lab
        by_role = {
            member.name: (visit(lab, member.replication).certificate, visit(lab, member.client).certificate)
            for member in lab.members
        }
        first, second, third = (by_role[name] for name in by_role)
        assert first[1] == third[1] == second[0]
        assert len({first[0], second[1], third[0], first[1]}) == 4


@pytest.mark.parametrize("kind", [kind for kind in Key if kind is not Key.EC_P192])
def test_a_key_is_served(kind: Key) -> None:
    changed = replace(members(1)[0], client=Interface(certificate=Certificate(FQDN, key=kind)))
    with LabThread(World("w", "s", FQDN, (changed,))) as thread:
        answer = visit(thread.lab, thread.lab.members[0].client)
        served = x509.load_der_x509_certificate(answer.certificate).public_key()
        assert isinstance(served, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        assert str(served.key_size) in kind.value
