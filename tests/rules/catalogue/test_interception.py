"""CLT006: signs of TLS inspection, and what a sound cluster looks like beside them."""

from __future__ import annotations

import pytest

from semscheck.model.findings import Confidence, Owner, State
from semscheck.model.observations import Ticket
from semscheck.model.report import Snapshot
from semscheck.model.target import Severity
from semscheck.pipeline import judge_snapshot
from semscheck.redaction.report import redact
from tests.rig.certs import Authority, Issued, make_key, self_signed
from tests.rules.netscene import NOW
from tests.rules.tlsscene import (
    FQDN,
    ISSUING,
    KEYS,
    Scene,
    Shake,
    client,
    cluster,
    name,
    replication,
    untrusted,
)

GATEWAY = Authority.root("Example Gateway", at=NOW)
MINUTE = 1 / 1440


def shown(authority: Authority, host: str, *, age_days: float = 0.0, **more: object) -> Shake:
    """What an inspector shows for a host: made now, by an authority that is not trusted, which it sends."""
    made = authority.issue(host, starts_days=-age_days, **more)  # type: ignore[arg-type]
    return Shake(made.sending(authority.certificate), trust=untrusted(19))


def between(authority: Authority, **more: object) -> Scene:
    """A cluster of two seen through an inspector: another certificate for every host, all freshly made."""
    for_clients = shown(authority, FQDN, **more)
    own = [shown(authority, name(n), **more) for n in (1, 2)]
    return cluster(clients=[for_clients] * 2, balancer=for_clients, replications=own)


def test_made_within_minutes_by_one_issuer_that_is_not_trusted() -> None:
    scene = between(GATEWAY, age_days=MINUTE)
    assert scene.roots() == {"CLT006"}
    assert scene.codes() == {"CLT006", "CRT008"}
    finding = scene.only("CLT006")
    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, Confidence.LIKELY)
    assert finding.owner is Owner.NETWORK
    assert "Example Gateway" in finding.summary
    assert FQDN in finding.args["hosts"]
    assert name(2) in finding.args["hosts"]


def test_one_key_in_recent_certificates_for_different_hosts() -> None:
    scene = between(GATEWAY, age_days=3, key=make_key())
    assert scene.roots() == {"CLT006"}
    assert "one private key" in scene.only("CLT006").summary


def test_one_key_counts_even_where_the_gateway_is_trusted() -> None:
    key = make_key()
    for_clients = ISSUING.issue(FQDN, key=key, starts_days=-1)
    own = ISSUING.issue(name(1), key=key, starts_days=-1)
    assert "CLT006" in cluster(clients=[for_clients], balancer=for_clients, replications=[own]).codes()


@pytest.mark.parametrize("trusted", [True, False])
def test_what_this_desktop_trusts_is_a_warning(trusted: bool) -> None:
    gateway = Authority.root("Gateway CA - Cloudflare Managed G1 3d02", at=NOW)
    trust = None if trusted else untrusted(19)
    scene = cluster(
        clients=[Shake(gateway.issue(FQDN), trust=trust)],
        balancer=None,
        replications=[Shake(gateway.issue(name(1)), trust=trust)],
    )
    found = scene.only("CLT006")
    assert found.severity is (Severity.WARNING if trusted else Severity.CRITICAL)
    assert found.args["product"] == "Cloudflare Gateway"


KEY = Ticket(1, "w", ("a", "b", "c", "d"), 7200)
OTHER_KEY = Ticket(1, "v", ("a", "b", "c", "e"), 7200)


def one_machine(
    bare: Issued | None = KEYS,
    tickets: tuple[Ticket | None, ...] = (KEY, KEY, KEY),
    issuer: Authority = ISSUING,
) -> Scene:
    """Two members whose Interface 1 show `bare` to who sends no name (None: their own). tickets: Interface 2, then
    the two Interfaces 1."""
    own = [issuer.issue(name(1)), ISSUING.issue(name(2))]
    scene = cluster(clients=[KEYS, KEYS], balancer=KEYS, replications=own)
    scene.shake(client(1), Shake(KEYS, judged=False, more={**ALONE, "ticket": tickets[0]}))
    for number, issued in enumerate(own, 1):
        ticket = tickets[number]
        scene.shake(replication(number), Shake(issued, judged=False, more={**ALONE, "ticket": ticket}))
        nameless = Shake(bare or issued, judged=False, more={"sni": None, "policy": "unverified"})
        scene.shake(replication(number), nameless)
    return scene


ALONE: dict[str, object] = {"offered": "TLSv1.2", "version": "TLSv1.2", "policy": "legacy"}


def test_one_machine_in_place_of_several_is_told_by_what_it_does() -> None:
    found = one_machine().only("CLT006")
    assert (found.severity, found.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert "as one machine in front of all would" in found.summary
    assert f"{name(1)} and {name(2)}" in found.summary


@pytest.mark.parametrize(
    "scene",
    [
        one_machine(bare=None),
        one_machine(tickets=(KEY, KEY, OTHER_KEY)),
        one_machine(tickets=(OTHER_KEY, KEY, KEY)),
        one_machine(tickets=(KEY, None, None)),
        one_machine(issuer=Authority.root("Another", at=NOW)),
    ],
    ids=["own default", "own keys", "clients' own key", "no tickets", "two issuers"],
)
def test_one_of_these_signs_alone_is_none(scene: Scene) -> None:
    assert "CLT006" not in scene.codes()


# --- what is normal ----------------------------------------------------------------------------------------


def test_a_private_authority_that_renewed_everything_yesterday_is_normal() -> None:
    scene = between(GATEWAY, age_days=1)
    assert "CLT006" not in scene.codes()
    assert scene.state("CLT006")[0] is State.PASS
    assert "CRT008" in scene.roots()


def test_a_trusted_authority_that_renewed_everything_just_now_is_normal() -> None:
    fresh = [ISSUING.issue(host, starts_days=-MINUTE) for host in (FQDN, name(1), name(2))]
    scene = cluster(clients=[fresh[0]] * 2, balancer=fresh[0], replications=fresh[1:])
    assert scene.codes() == set()


def test_one_fresh_certificate_for_all_hosts_is_normal() -> None:
    wide = Shake(
        GATEWAY.issue(FQDN, (FQDN, name(1), name(2)), starts_days=0).sending(GATEWAY.certificate),
        trust=untrusted(19),
    )
    scene = cluster(clients=[wide] * 2, balancer=wide, replications=[wide] * 2)
    assert "CLT006" not in scene.codes()


def test_a_renewal_with_the_same_key_for_the_same_name_is_normal() -> None:
    key = make_key()
    one, other = (ISSUING.issue(FQDN, key=key, days=ends) for ends in (90, 91))
    assert "CLT006" not in cluster(clients=[one, other], balancer=one).codes()


def test_old_certificates_with_one_key_are_somebodys_habit() -> None:
    assert "CLT006" not in between(GATEWAY, age_days=100, key=make_key()).codes()


# --- issuers that are known --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuer", "organization", "product", "owner"),
    [
        ("Zscaler Intermediate Root CA (zscalertwo.net)", "Zscaler Inc.", "Zscaler", Owner.NETWORK),
        ("ca.example.goskope.com", "Example", "Netskope", Owner.NETWORK),
        ("FG6H0FTB22903890", "Fortinet", "Fortinet FortiGate", Owner.NETWORK),
        ("Sophos SSL CA_C4005CM7MF2DV28", "Sophos", "Sophos", Owner.NETWORK),
        ("Cisco Umbrella Primary SubCA", "Cisco", "Cisco Umbrella", Owner.NETWORK),
        ("Forcepoint Cloud CA", "Forcepoint LLC", "Forcepoint", Owner.NETWORK),
        ("SonicWALL Firewall DPI-SSL", "SonicWALL Inc.", "SonicWall", Owner.NETWORK),
        ("ESET SSL Filter CA", "ESET, spol. s r. o.", "ESET", Owner.DESKTOP),
        ("Kaspersky Anti-Virus Personal Root Certificate", "AO Kaspersky Lab", "Kaspersky", Owner.DESKTOP),
        ("Avast Web/Mail Shield Root", None, "Avast, AVG or Norton", Owner.DESKTOP),
        ("Bitdefender Personal CA.Net-Defender", None, "Bitdefender", Owner.DESKTOP),
        ("Example TLS Inspection CA", None, "a TLS inspection gateway", Owner.NETWORK),
        ("corp ssl-decryption", None, "a TLS inspection gateway", Owner.NETWORK),
    ],
)
def test_an_issuer_known_for_inspection(
    issuer: str, organization: str | None, product: str, owner: Owner
) -> None:
    authority = _authority(issuer, organization)
    trusted = Shake(KEYS if authority is None else authority.issue(FQDN, starts_days=-30))
    scene = cluster(clients=[trusted], balancer=trusted, replications=[None])
    finding = scene.only("CLT006")
    assert finding.args["product"] == product
    assert finding.owner is owner


def _authority(issuer: str, organization: str | None) -> Authority:
    from tests.rig import certs

    made = certs._build(issuer, ca=True, names=(), eku=(), organization=organization)
    return Authority(made.certificate, made.key)


@pytest.mark.parametrize(
    "issuer",
    [
        "Example Corp Issuing CA 2",
        "DigiCert TLS RSA SHA256 2020 CA1",
        "Symantec Class 3 Secure Server CA - G4",
        "R11",
        "Palo Alto City Council CA",
        "Filter Works Ltd CA",
        "GlobalSign RSA OV SSL CA 2018",
        "Sectigo RSA Domain Validation Secure Server CA",
    ],
)
def test_ordinary_issuers(issuer: str) -> None:
    scene = cluster(clients=[_authority(issuer, None).issue(FQDN)], replications=[None])
    assert "CLT006" not in scene.codes()


def test_a_locality_is_no_issuer() -> None:
    """ "Palo Alto" is a town as well: only CN, O and OU are read."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    from semscheck.rules.catalogue.interception import _NAMING

    town = x509.Name(
        [
            x509.NameAttribute(NameOID.LOCALITY_NAME, "palo alto networks"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme, Inc. + Sons"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Acme CA"),
        ]
    )
    found = [each.replace("\\", "") for each in _NAMING.findall(town.rfc4514_string())]
    assert found == ["Acme CA", "Acme, Inc. + Sons"]


def test_a_factory_certificate_is_no_imitation() -> None:
    default = _authority("FGVM010000000000", "Fortinet").issue("FortiADC")
    assert "CLT006" not in cluster(clients=[KEYS], balancer=default).codes()
    own = Shake(self_signed("mitmproxy", (FQDN,), at=NOW), trust=untrusted(18))
    assert "CLT006" not in cluster(clients=[own], balancer=own).codes()


def test_not_observed_without_a_certificate() -> None:
    scene = cluster(clients=[None], replications=[None], balancer=None)
    assert scene.state("CLT006")[0] is State.NOT_OBSERVED


@pytest.mark.parametrize("issuer", ["Zscaler Root CA", "ESET SSL Filter CA", "Avast Web/Mail Shield Root"])
def test_a_redacted_report_gives_the_same_finding(issuer: str) -> None:
    authority = _authority(issuer, None)
    made = Shake(authority.issue(FQDN, starts_days=-30))
    scene = cluster(clients=[made], balancer=made, replications=[None])
    report = redact(judge_snapshot(scene.snapshot))
    again = judge_snapshot(Snapshot(target=report.target, run=report.run, observations=report.observations))
    assert "CLT006" in {finding.code for finding in again.findings}
