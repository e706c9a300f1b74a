"""Certificates of the rig, seen by openssl."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest

from tests.rig.certs import Authority, make_key, self_signed

FQDN = "keys.example.test"


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def text(path: Path) -> str:
    return openssl("x509", "-in", str(path), "-noout", "-text", "-nameopt", "RFC2253")


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("ec", "256 bit"),
        ("ec384", "384 bit"),
        ("ed25519", "ED25519"),
        ("rsa1024", "1024 bit"),
        ("rsa2048", "2048 bit"),
    ],
)
def test_a_chain_verifies(tmp_path: Path, key: str, shown: str) -> None:
    root = Authority.root()
    below = root.intermediate()
    files = below.issue(FQDN, [FQDN, "192.0.2.11"], key=key).write(tmp_path)  # type: ignore[arg-type]
    above = below.write(tmp_path, "below")
    verified = openssl(
        *("verify", "-auth_level", "0", "-CAfile", str(root.write(tmp_path)), "-untrusted", str(above)),
        *("-verify_hostname", FQDN, str(files.certificate)),
    )
    assert verified.strip().endswith("OK")
    seen = text(files.certificate)
    assert shown in seen
    assert f"DNS:{FQDN}, IP Address:192.0.2.11" in seen
    assert files.chain.read_bytes().count(b"BEGIN CERTIFICATE") == 2
    assert b"PRIVATE KEY" in files.bundle.read_bytes()
    assert "error" in openssl("verify", "-CAfile", str(root.write(tmp_path)), str(files.certificate))


@pytest.mark.parametrize("digest", ["sha1", "md5", "sha512"])
def test_old_signatures_are_real(tmp_path: Path, digest: str) -> None:
    root = Authority.root(key="rsa2048")
    files = root.issue(FQDN, digest=digest).write(tmp_path)
    assert f"Signature Algorithm: {digest}WithRSAEncryption" in text(files.certificate)
    verified = openssl(
        "verify", "-auth_level", "0", "-CAfile", str(root.write(tmp_path)), str(files.certificate)
    )
    assert verified.strip().endswith("OK")


def test_names_can_be_left_out(tmp_path: Path) -> None:
    root = Authority.root()
    assert "Alternative Name" not in text(root.issue(FQDN, ()).write(tmp_path).certificate)
    assert "Subject: \n" in text(root.issue(None, [FQDN]).write(tmp_path).certificate)


def test_extensions_are_as_told(tmp_path: Path) -> None:
    issued = Authority.root().issue(
        FQDN,
        eku=("clientAuth",),
        key_usage=("key_encipherment",),
        ca=True,
        caissuers="http://ca.example.test/ca.crt",
    )
    seen = text(issued.write(tmp_path).certificate)
    assert "TLS Web Client Authentication" in seen
    assert "TLS Web Server Authentication" not in seen
    assert "Key Encipherment" in seen
    assert "CA:TRUE" in seen
    assert "CA Issuers - URI:http://ca.example.test/ca.crt" in seen


@pytest.mark.parametrize(("days", "starts_days", "state"), [(90, -1, 0), (-3, -90, 1), (90, 5, -1)])
def test_validity(days: float, starts_days: float, state: int) -> None:
    certificate = Authority.root().issue(FQDN, days=days, starts_days=starts_days).certificate
    now = datetime.datetime.now(datetime.UTC)
    assert (now > certificate.not_valid_after_utc) is (state == 1)
    assert (now < certificate.not_valid_before_utc) is (state == -1)
    assert certificate.not_valid_before_utc < certificate.not_valid_after_utc


def test_self_signed_verifies_itself(tmp_path: Path) -> None:
    certificate = str(self_signed(FQDN).write(tmp_path).certificate)
    assert openssl("verify", "-CAfile", certificate, certificate).strip().endswith("OK")


def test_keys_are_shared_only_where_told() -> None:
    root, key = Authority.root(), make_key("rsa2048")
    one, other, third = root.issue(FQDN, key=key), root.issue(FQDN, key=key), root.issue(FQDN, key="rsa2048")
    assert one.certificate.public_key() == other.certificate.public_key() != third.certificate.public_key()
    assert len({one.sha256, other.sha256, third.sha256}) == 3


def test_a_store_for_java_holds_everything(tmp_path: Path) -> None:
    files = Authority.root().intermediate().issue(FQDN).write(tmp_path)
    shown = openssl("pkcs12", "-in", str(files.pkcs12), "-passin", "pass:", "-nodes")
    assert shown.count("BEGIN CERTIFICATE") == 2
    assert "BEGIN PRIVATE KEY" in shown
