"""Certificates into facts: right where they parse, bounded and without a crash where they do not."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semscheck import ber
from semscheck.model.observations import Certificate
from semscheck.net import der, public_roots
from semscheck.net.backend import SystemClock
from semscheck.probes import certificates
from semscheck.probes.certificates import MAX_CHAIN, MAX_DER, MAX_KEPT_DER, MAX_NAMES, facts, record_chain
from semscheck.probes.recorder import Recorder
from tests.rig.certs import Authority, make_key, self_signed
from tests.rig.policy import examples

ROOT = Authority.root("Example Root")
ISSUING = ROOT.intermediate("Example Issuing")
LEAF = ISSUING.issue(
    "keys.example.com",
    ["keys.example.com", "*.example.com", "192.0.2.1", "2001:db8::1"],
    organization='Example, "Ltd"',
    caissuers="http://pki.example.com/issuing.crt",
    eku=("serverAuth", "clientAuth"),
)
STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])
# What the lenient reading does not do: verify a signature.
UNVERIFIED = {"self_signed"}


def read(raw: bytes) -> Certificate:
    return Certificate(id="o1", at_s=0.0, elapsed_s=None, **facts(raw))


def leniently(raw: bytes) -> dict[str, Any]:
    """What the second reading alone gives."""
    return certificates._again(raw, certificates._Reading())


def strictly(raw: bytes) -> dict[str, Any]:
    return certificates._strictly(raw, certificates._Reading())


def test_the_facts_of_a_leaf() -> None:
    found = read(LEAF.der)
    assert found.problems == ()
    assert found.fingerprint == LEAF.sha256
    assert found.der == LEAF.der
    assert found.common_names == ("keys.example.com",)
    assert found.subject == 'CN=keys.example.com,O=Example\\, \\"Ltd\\"'
    assert found.dns_names == ("keys.example.com", "*.example.com")
    assert found.ip_names == ("192.0.2.1", "2001:db8::1")
    assert found.issuer == "CN=Example Issuing"
    assert found.issuer_common_names == ("Example Issuing",)
    assert found.serial == f"{LEAF.certificate.serial_number:x}"
    assert found.not_before == LEAF.certificate.not_valid_before_utc
    assert found.not_after == LEAF.certificate.not_valid_after_utc
    assert (found.key_type, found.key_bits, found.curve) == ("EC", 256, "secp256r1")
    assert found.signature_hash == "sha256"
    assert (found.is_ca, found.self_issued, found.self_signed) == (False, False, False)
    assert found.key_usage == ("digitalSignature",)
    assert found.extended_key_usage == ("serverAuth", "clientAuth")
    assert found.authority_key_id == read(_der(ISSUING)).subject_key_id
    assert found.ca_issuers == ("http://pki.example.com/issuing.crt",)


def _der(authority: Authority) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return authority.certificate.public_bytes(Encoding.DER)


def test_the_facts_of_a_root_and_of_a_self_signed_one() -> None:
    root = read(_der(ROOT))
    assert (root.is_ca, root.self_issued, root.self_signed) == (True, True, True)
    assert root.dns_names is None
    assert root.extended_key_usage is None
    assert root.key_usage == ("keyCertSign", "cRLSign")
    own = read(self_signed("sems1.example.com").der)
    assert (own.is_ca, own.self_signed) == (False, True)


def test_a_certificate_issued_to_its_issuers_name_is_not_self_signed() -> None:
    twin = Authority.root("sems1.example.com").issue("sems1.example.com")
    found = read(twin.der)
    assert (found.self_issued, found.self_signed) == (True, False)


def test_the_same_key_has_the_same_name() -> None:
    key = make_key()
    one, other = ISSUING.issue("a.example.com", key=key), ROOT.issue("b.example.com", key=key)
    assert read(one.der).spki == read(other.der).spki
    assert read(one.der).spki != read(LEAF.der).spki


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rsa1024", ("RSA", 1024, None)),
        ("rsa2048", ("RSA", 2048, None)),
        ("ec384", ("EC", 384, "secp384r1")),
        ("ed25519", ("Ed25519", None, None)),
    ],
)
def test_keys(kind: Any, expected: tuple[str, int | None, str | None]) -> None:
    found = read(ROOT.issue("keys.example.com", key=kind).der)
    assert (found.key_type, found.key_bits, found.curve) == expected


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_hashes(digest: str) -> None:
    old = Authority.root("Old Root", key="rsa2048", digest=digest)
    assert read(old.issue("keys.example.com", digest=digest).der).signature_hash == digest
    assert read(_der(old)).signature_hash == digest


def test_a_scheme_with_a_hash_of_its_own_has_none_to_name() -> None:
    assert read(Authority.root("Ed Root", key="ed25519").issue("keys.example.com").der).signature_hash is None


# --- the chain ---------------------------------------------------------------------------------------------


def test_a_chain_is_recorded_once_and_named_in_order() -> None:
    recorder = Recorder(SystemClock())
    chain = [LEAF.der, _der(ISSUING)]
    first = record_chain(recorder, chain, 0.0)
    again = record_chain(recorder, [*chain, b"not a certificate"], 1.0)
    assert first == (LEAF.sha256, certificates.fingerprint(_der(ISSUING)))
    assert again[:2] == first
    seen = [o for o in recorder.observations if isinstance(o, Certificate)]
    assert [o.fingerprint for o in seen] == list(again)
    assert seen[0].elapsed_s is None


def test_a_chain_is_bounded() -> None:
    recorder = Recorder(SystemClock())
    named = record_chain(recorder, [bytes([n]) for n in range(200)], 0.0)
    assert len(named) == len(recorder.observations) == MAX_CHAIN


# --- what does not parse -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [b"", b"\0", b"0", b"\x30\x80", LEAF.der[:-1], LEAF.der[:40], b"HTTP/1.1 400"],
    # The leaf is another one in each process; names made of its bytes would differ between xdist's workers.
    ids=["empty", "zero", "digit", "sequence", "one byte short", "beginning", "HTTP"],
)
def test_no_certificate_at_all(raw: bytes) -> None:
    found = read(raw)
    assert found.problems
    assert found.problems[0].startswith("certificate: ")
    assert found.dns_names is None
    assert found.spki is None
    assert found.fingerprint == certificates.fingerprint(raw)


def test_an_oversized_certificate_is_named_and_not_read() -> None:
    found = read(b"\x30" * (MAX_DER + 1))
    assert found.der is None
    assert "not read" in found.problems[0]


def test_three_thousand_names_are_cut_and_said() -> None:
    crowd = ISSUING.issue("keys.example.com", [f"h{n}.example.com" for n in range(3000)])
    found = read(crowd.der)
    assert found.dns_names is not None
    assert len(found.dns_names) == MAX_NAMES
    assert found.names_unread
    assert "2000 alternative names were left out" in found.problems
    large = ISSUING.issue("keys.example.com", [f"a-rather-long-name-{n}.example.com" for n in range(2500)])
    assert MAX_KEPT_DER < len(large.der) < MAX_DER
    assert read(large.der).der is None
    assert read(large.der).common_names == ("keys.example.com",)


def _signed(builder: x509.CertificateBuilder, key: Any = None) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    key = key or make_key()
    return builder.public_key(key.public_key()).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _plain(*attributes: x509.NameAttribute[Any]) -> x509.CertificateBuilder:
    who = x509.Name(attributes or [x509.NameAttribute(NameOID.COMMON_NAME, "keys.example.com")])
    return (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .serial_number(7)
        .not_valid_before(datetime.datetime(1950, 1, 1))
        .not_valid_after(datetime.datetime(9999, 12, 31, 23, 59, 59))
    )


def test_absurd_dates() -> None:
    found = read(_signed(_plain()))
    assert found.problems == ()
    assert found.not_after == datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    assert found.not_before is not None
    assert found.not_before.year == 1950


def _patched(raw: bytes, old: bytes, new: bytes) -> bytes:
    """Some bytes replaced by others of the same length; the signature no longer fits, which is not looked at."""
    assert raw.count(old) >= 1
    assert len(old) == len(new)
    return raw.replace(old, new)


def test_a_malformed_date_costs_only_the_dates() -> None:
    raw = _patched(LEAF.der, LEAF.certificate.not_valid_after_utc.strftime("%y%m%d").encode(), b"991399")
    found = read(raw)
    assert found.dns_names == ("keys.example.com", "*.example.com")
    assert found.not_after is None
    assert any(problem.startswith("validity:") for problem in found.problems)


def test_a_malformed_extension_does_not_hide_the_others() -> None:
    """A path length beside cA FALSE: the library refuses all extensions, TLS clients none."""
    odd = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.19"), b"\x30\x03\x02\x01\x05")
    names = x509.SubjectAlternativeName(
        [x509.DNSName("keys.example.com"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    )
    raw = _signed(_plain().add_extension(odd, critical=True).add_extension(names, critical=False))
    found = read(raw)
    assert found.dns_names == ("keys.example.com",)
    assert found.ip_names == ("192.0.2.1",)
    assert found.is_ca is False
    assert found.self_signed is True
    assert [problem.partition(":")[0] for problem in found.problems] == ["read leniently"]
    assert not found.names_unread


def test_alternative_names_that_do_not_parse_are_not_absent_names() -> None:
    odd = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), b"\x30\x09\x82\x50")
    found = read(_signed(_plain().add_extension(odd, critical=False)))
    assert found.dns_names is None
    assert found.names_unread
    assert any(problem.startswith("subjectAltName:") for problem in found.problems)


def test_a_duplicate_extension_is_read_once() -> None:
    raw = _signed(
        _plain()
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example.com")]), critical=False)
        .add_extension(
            x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.18"), b"\x30\x02\x82\x00"), critical=False
        )
    )
    twice = _patched(raw, bytes.fromhex("0603551d12"), bytes.fromhex("0603551d11"))
    found = read(twice)
    assert found.dns_names == ("a.example.com",)
    assert "Duplicate" in found.problems[0]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (x509.name._ASN1Type.UTF8String, "keys.example.com\0.evil.test", "keys.example.com\0.evil.test"),
        (x509.name._ASN1Type.BMPString, "bücher.example", "bücher.example"),
        (x509.name._ASN1Type.T61String, "keys.example.com", "keys.example.com"),
        (x509.name._ASN1Type.UniversalString, "keys.example.com", "keys.example.com"),
        (x509.name._ASN1Type.PrintableString, "keys.example.com", "keys.example.com"),
    ],
)
def test_string_types_of_names(kind: Any, value: str, expected: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = _signed(_plain(x509.NameAttribute(NameOID.COMMON_NAME, value, kind)))
    assert read(raw).common_names == (expected,)


def test_text_that_is_not_utf8_is_kept_readable() -> None:
    raw = _patched(_signed(_plain()), b"\x0c\x10keys.example.com", b"\x0c\x10k\xffys.example.com")
    found = read(raw)
    assert found.common_names == ("k\ufffdys.example.com",)
    assert found.subject == "CN=k\ufffdys.example.com"
    assert found.self_issued is True


def test_several_common_names_are_kept_in_order_and_bounded() -> None:
    many = [x509.NameAttribute(NameOID.COMMON_NAME, f"n{n}") for n in range(40)]
    found = read(_signed(_plain(*many)))
    assert found.common_names == tuple(f"n{n}" for n in range(20))
    assert len(found.subject) <= 1024


def test_an_odd_version_or_serial_is_no_obstacle() -> None:
    negative = _patched(_signed(_plain()), b"\x02\x01\x07", b"\x02\x01\xf9")
    assert read(negative).serial == "-7"
    version_8 = _patched(_signed(_plain()), b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07")
    found = read(version_8)
    assert found.common_names == ("keys.example.com",)
    assert found.problems[0].startswith("read leniently: certificate:")


def test_an_unknown_curve_or_key_is_told() -> None:
    raw = _signed(_plain(), ec.generate_private_key(ec.SECP256R1()))
    strange = _patched(raw, bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f"))
    found = read(strange)
    assert (found.key_type, found.key_bits, found.curve) == ("EC", None, "1.2.840.10045.3.1.127")
    assert found.spki is not None
    assert found.problems


def test_a_huge_key_is_measured_and_not_used() -> None:
    modulus = 2**32767 + 1
    public = rsa.RSAPublicNumbers(65537, modulus)
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    small = make_key("rsa2048").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    sequence = der._SEQUENCE
    number = b"\0" + modulus.to_bytes(4096)
    from tests.rig.certs import _der as wrap

    numbers = wrap(0x30, wrap(2, number) + wrap(2, public.e.to_bytes(3)))
    spki = wrap(sequence, bytes.fromhex("300d06092a864886f70d0101010500") + wrap(3, b"\0" + numbers))
    issued = ROOT.issue("keys.example.com", key="rsa2048")
    with_key = issued.certificate.tbs_certificate_bytes
    own = issued.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert len(own) == len(small)
    inner = ber.part(with_key).content.replace(own, spki)
    rest = b"".join(one.whole for one in list(ber.parts(ber.part(issued.der).content))[1:])
    found = read(wrap(0x30, wrap(0x30, inner) + rest))
    assert (found.key_type, found.key_bits) == ("RSA", 32768)


# --- the two readings agree --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        LEAF.der,
        _der(ROOT),
        _der(ISSUING),
        self_signed("sems1.example.com", key="rsa2048").der,
        ROOT.issue(None, ["keys.example.com"], eku=None, key_usage=None, key="ed25519").der,
        ROOT.issue("x", [], eku=("any", "codeSigning"), key="ec384", ca=True).der,
        Authority.root("Old", key="rsa2048").issue("keys.example.com", digest="sha1").der,
        ROOT.issue("keys.example.com", more=(STAPLE,)).der,
    ],
)
def test_both_readings_agree_on_what_is_well_formed(raw: bytes) -> None:
    strict, again = strictly(raw), leniently(raw)
    for field in set(strict) - UNVERIFIED:
        assert again.get(field) == strict[field], field


def test_what_clients_differ_about_is_read_by_both() -> None:
    signed = Authority.root("PSS", key="rsa2048").issue("keys.example.com", pss=True).der
    for reading in (strictly, leniently):
        assert reading(signed)["signature_oid"] == "1.2.840.113549.1.1.10"
        assert reading(signed)["must_staple"] is False
        assert reading(ROOT.issue("keys.example.com", more=(STAPLE,)).der)["must_staple"] is True


def test_a_root_of_the_public_list_is_told_from_a_private_one() -> None:
    first = Path(certifi.where()).read_text("utf-8").partition("-----END")[0].partition("-----BEGIN")[2]
    public = ssl.PEM_cert_to_DER_cert(f"-----BEGIN{first}-----END CERTIFICATE-----")
    assert read(public).public_root is True
    assert read(_der(ROOT)).public_root is False
    assert read(LEAF.der).public_root is None


def test_without_a_list_of_public_roots_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_roots, "_fingerprints", frozenset)
    assert read(_der(ROOT)).public_root is None


GOOD = (LEAF.der, _der(ROOT), self_signed("sems1.example.com").der)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good certificate with some bytes replaced, removed or inserted."""
    raw = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(raw) - 1))
        match draw(st.sampled_from(["replace", "cut", "insert", "swap"])):
            case "replace":
                raw[at] = draw(st.integers(0, 255))
            case "cut":
                del raw[at : at + draw(st.integers(1, 8))]
            case "insert":
                raw[at:at] = draw(st.binary(min_size=1, max_size=8))
            case _:
                other = draw(st.integers(0, len(raw) - 1))
                raw[at], raw[other] = raw[other], raw[at]
        if not raw:
            break
    return bytes(raw)


def _sound(raw: bytes) -> None:
    found = read(raw)
    assert found.fingerprint == certificates.fingerprint(raw)
    texts = [found.subject, found.issuer, *found.common_names, *(found.dns_names or ()), *found.problems]
    assert all(len(text) <= 1024 for text in texts)
    for text in (*texts, *found.ca_issuers, *found.ip_names):
        text.encode()  # can be written
    for moment in (found.not_before, found.not_after):
        assert moment is None or moment.tzinfo is not None


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_no_mutation_crashes_the_probe(raw: bytes) -> None:
    _sound(raw)
    leniently(raw)


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_crash_the_probe(raw: bytes) -> None:
    _sound(raw)


@settings(max_examples=examples(100), deadline=None)
@given(st.binary(max_size=200))
def test_no_element_is_longer_than_its_container(raw: bytes) -> None:
    with suppress(ValueError):
        assert b"".join(one.whole for one in ber.parts(raw)) == raw


def test_an_interrupt_is_not_swallowed() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        certificates._Reading().attempt("anything", interrupted)
