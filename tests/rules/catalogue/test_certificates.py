"""CRT001–CRT018: each fires, stays silent, and says when it could not see; exactly these codes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from semscheck.model.findings import Confidence, Owner, State
from semscheck.model.observations import Certificate, Observation, Trust
from semscheck.model.target import Endpoint, Member, Severity, Thresholds
from tests.rig.certs import Authority, Issued, KeyChoice, make_key, self_signed
from tests.rig.policy import examples
from tests.rules.netscene import NOW
from tests.rules.tlsscene import (
    BALANCER,
    FQDN,
    ISSUING,
    KEYS,
    OWN,
    ROOT,
    Scene,
    Shake,
    client,
    cluster,
    days,
    hidden,
    name,
    replication,
    target,
    untrusted,
)

UNKNOWN = Authority.root("Somebody Else", at=NOW)


def everywhere(shown: Issued | Shake) -> Scene:
    """One certificate on the balancer and every client interface."""
    return cluster(clients=[shown] * 3, balancer=shown)


def clients_only(shown: Issued | Shake) -> Scene:
    """The same, with no replication interface in reach."""
    return cluster(clients=[shown] * 3, balancer=shown, replications=[None] * 3)


def test_a_healthy_cluster_is_silent() -> None:
    scene = cluster()
    assert scene.codes() == set()
    passed = [f"CRT{n:03}" for n in range(1, 19)]
    assert [scene.state(code)[0] for code in passed] == [State.PASS] * 18


def test_nothing_presented_is_not_health() -> None:
    scene = cluster(clients=[None, None], replications=[None, None], balancer=None)
    assert scene.codes() == set()
    states = {scene.state(f"CRT{n:03}")[0] for n in range(1, 19)}
    assert states == {State.NOT_OBSERVED}


def test_a_member_that_is_not_seen_leaves_the_rule_unfinished() -> None:
    scene = cluster(clients=[KEYS, KEYS, None])
    state, why = scene.state("CRT004")
    assert state is State.NOT_OBSERVED
    assert "sems3.example.com Interface 2" in why
    assert scene.codes() == set()


def test_replication_interfaces_out_of_reach_do_not_unsettle_the_clients_rules() -> None:
    scene = cluster(replications=[None, None, None])
    assert scene.state("CRT004")[0] is State.PASS
    assert scene.state("CRT012")[0] is State.NOT_OBSERVED
    assert "sems1.example.com, sems2.example.com and sems3.example.com" in scene.state("CRT013")[1]


# --- names -------------------------------------------------------------------------------------------------

OTHER = "mail.example.com"


@pytest.mark.parametrize(
    ("common", "names", "codes"),
    [
        (FQDN, (FQDN,), set()),
        (FQDN, (FQDN, OTHER), set()),
        (FQDN.upper(), (FQDN,), set()),
        (OTHER, (FQDN,), {"CRT002"}),
        (None, (FQDN,), {"CRT002"}),
        (FQDN, (), {"CRT003"}),
        (FQDN, (OTHER,), {"CRT003"}),
        (OTHER, (OTHER,), {"CRT001"}),
        (f"{FQDN}.", (f"{FQDN}.",), {"CRT001"}),
        (OTHER, (f"{FQDN}.", OTHER), {"CRT001"}),
        (FQDN, (f"{FQDN}.",), {"CRT003"}),
        (FQDN, (f"{FQDN}.", FQDN), set()),
        (OTHER, (), {"CRT001"}),
        ("*.com", ("*.com",), {"CRT001"}),
        ("*.example.com", ("*.example.com",), {"CRT016"}),
        ("*.example.com", (), {"CRT003", "CRT016"}),
        (OTHER, ("*.example.com",), {"CRT002", "CRT016"}),
        ("*.example.com", (FQDN,), set()),
        (FQDN + "\0.evil.test", (OTHER,), {"CRT001"}),
    ],
)
def test_names(common: str | None, names: tuple[str, ...], codes: set[str]) -> None:
    scene = everywhere(ISSUING.issue(common, names))
    assert scene.codes() == codes


def test_one_certificate_on_many_places_is_one_finding() -> None:
    finding = everywhere(ISSUING.issue(OTHER)).only("CRT001")
    assert finding.severity is Severity.CRITICAL
    assert finding.subject.name == "sems1.example.com"
    assert f"is for {OTHER}, not for {FQDN}" in finding.summary
    assert finding.summary.startswith("The certificate at sems1.example.com Interface 2")
    assert "and 3 other places" in finding.summary
    assert len(finding.evidence) == 5


def test_the_certificate_for_clients_of_rsa_is_judged_too() -> None:
    """Two kinds of keys, two certificates: one was renewed for the right name, the other was not."""
    other = Shake(ISSUING.issue("old-name.example.com"), more={"offered": "RSA", "policy": "legacy"})
    scene = cluster().shake(BALANCER, other).shake(client(1), other)
    found = scene.only("CRT001")
    assert "is for old-name.example.com" in found.summary
    assert found.args["places"].count("192.0.2.100:443") == 1
    same = Shake(KEYS, more={"offered": "RSA", "policy": "legacy"})
    assert "CRT001" not in cluster().shake(BALANCER, same).codes()


@pytest.mark.parametrize(("common", "code"), [(OTHER, "CRT001"), (FQDN, "CRT003")])
def test_a_trailing_dot_is_said_to_be_what_is_wrong(common: str, code: str) -> None:
    found = everywhere(ISSUING.issue(common, (f"{FQDN}.",))).only(code)
    assert found.summary.endswith(
        f'; "{FQDN}." ends in a dot, which names in certificates do not have, so that it matches nothing.'
    )
    assert "ends in a dot" not in everywhere(ISSUING.issue(OTHER)).only("CRT001").summary


def test_a_name_that_only_sampling_saw_counts() -> None:
    scene = cluster(clients=[KEYS], replications=[None]).sample(BALANCER, ISSUING.issue(OTHER))
    assert "CRT001" in scene.codes()
    assert scene.only("CRT001").subject.address == BALANCER


def test_an_address_as_target_is_compared_with_addresses_only() -> None:
    aim = target(1, fqdn="192.0.2.100", fqdn_is_address=True)
    scene = cluster(clients=[KEYS], replications=[None], aim=aim)
    assert scene.codes() == {"CRT001"}
    found = scene.only("CRT001")
    assert found.severity is Severity.WARNING
    assert "Clients that use the address 192.0.2.100" in found.summary
    assert f"is for {FQDN}" in found.summary
    assert scene.state("CRT002")[0] is State.NOT_OBSERVED
    assert scene.state("CRT015")[0] is State.NOT_OBSERVED
    named = ISSUING.issue(FQDN, (FQDN, "192.0.2.100"))
    assert cluster(clients=[named], balancer=named, aim=aim).state("CRT001")[0] is State.PASS


def test_too_many_names_are_not_a_mismatch() -> None:
    crowd = ISSUING.issue(OTHER, tuple(f"host{n}.example.com" for n in range(1001)))
    scene = everywhere(crowd)
    assert scene.codes() == set()
    state, why = scene.state("CRT001")
    assert state is State.NOT_OBSERVED
    assert "do not parse" in why


# --- validity ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (-0.01, {("CRT004", Severity.CRITICAL)}),
        (0.01, {("CRT006", Severity.CRITICAL)}),
        (6.9, {("CRT006", Severity.CRITICAL)}),
        (7.1, {("CRT006", Severity.WARNING)}),
        (29.9, {("CRT006", Severity.WARNING)}),
        (30.1, set()),
    ],
)
def test_dates(ends: float, expected: set[tuple[str, Severity]]) -> None:
    scene = everywhere(ISSUING.issue(FQDN, days=ends, starts_days=-400))
    assert {(finding.code, finding.severity) for finding in scene.findings()} == expected


@pytest.mark.parametrize(("ends", "code"), [(-3.0, "CRT004"), (3.0, "CRT006")])
def test_dates_on_a_replication_interface_are_at_most_a_warning(ends: float, code: str) -> None:
    own = ISSUING.issue(name(1), days=ends, starts_days=-400)
    finding = cluster(clients=[KEYS], replications=[own]).only(code)
    assert finding.severity is Severity.WARNING
    assert finding.subject.name == name(1)
    assert finding.subject.address == replication(1)


def test_the_profile_sets_the_thresholds() -> None:
    aim = target(3, thresholds=Thresholds(60, 50, written=("expiry_warning_days", "expiry_critical_days")))
    soon = ISSUING.issue(FQDN, days=55)
    sooner = ISSUING.issue(FQDN, days=45)
    assert cluster(clients=[soon] * 3, balancer=soon, aim=aim).only("CRT006").severity is Severity.WARNING
    assert (
        cluster(clients=[sooner] * 3, balancer=sooner, aim=aim).only("CRT006").severity is Severity.CRITICAL
    )


def test_not_yet_valid() -> None:
    finding = everywhere(ISSUING.issue(FQDN, starts_days=2, days=90)).only("CRT005")
    assert finding.severity is Severity.CRITICAL
    assert "is valid only from" in finding.summary


def test_a_replay_judges_as_of_then() -> None:
    old = ISSUING.issue(FQDN, days=-100, starts_days=-400)
    shake = Shake(old, path=(old.certificate,))
    scene = cluster(clients=[shake] * 2, balancer=shake, replications=[None] * 2, now=NOW - days(200))
    assert scene.codes() == set()


def test_an_authority_that_expires_soon_is_seen() -> None:
    brief = ROOT.intermediate("Brief Issuing", days=10, starts_days=-400)
    finding = everywhere(brief.issue(FQDN)).only("CRT006")
    assert "issuing authority's certificate" in finding.summary
    assert "Brief Issuing" in finding.summary


def test_an_expired_intermediate_is_expired_and_not_untrusted() -> None:
    old = ROOT.intermediate("Old Issuing", days=-2, starts_days=-400)
    scene = everywhere(Shake(old.issue(FQDN), trust=untrusted(10, "certificate has expired")))
    assert scene.codes() == {"CRT004"}
    assert "Old Issuing" in scene.only("CRT004").summary


def test_an_expired_root_of_the_desktop_is_told() -> None:
    scene = everywhere(Shake(KEYS, trust=untrusted(10, "certificate has expired")))
    assert scene.codes() == {"CRT004"}
    assert "as this desktop's store has it" in scene.only("CRT004").summary


def test_an_expired_certificate_beside_the_path_stops_old_libraries_only() -> None:
    old = UNKNOWN.intermediate("Example Root", days=-2, starts_days=-400)
    sent = KEYS.sending(ISSUING.certificate, old.certificate)
    shake = Shake(sent, path=(KEYS.certificate, ISSUING.certificate, ROOT.certificate))
    scene = everywhere(shake)
    assert scene.codes() == {"CRT022"}
    found = scene.only("CRT022")
    assert found.severity is Severity.WARNING
    assert found.summary == (
        "Programs on OpenSSL 1.0 cannot connect to keys.example.com: an expired certificate is sent along."
    )


# --- one certificate for all -------------------------------------------------------------------------------


def test_members_differ_by_a_renewal_with_the_same_key() -> None:
    key = make_key()
    before, after = ISSUING.issue(FQDN, key=key, days=60), ISSUING.issue(FQDN, key=key, days=400)
    scene = cluster(clients=[before, before, after], balancer=before)
    assert scene.codes() == {"CRT007"}
    finding = scene.only("CRT007")
    assert finding.severity is Severity.WARNING
    assert finding.args["same_key"] == "yes"
    assert "a renewal was not installed everywhere" in finding.summary
    assert finding.subject.kind == "cluster"


@pytest.mark.parametrize(
    ("third", "codes"),
    [
        (ISSUING.issue(FQDN), {"CRT007"}),
        (ISSUING.issue(OTHER), {"CRT007", "CRT001"}),
        (ISSUING.issue(FQDN, days=-1, starts_days=-100), {"CRT007", "CRT004"}),
        (ISSUING.issue(FQDN, starts_days=1), {"CRT007", "CRT005"}),
        (Shake(UNKNOWN.issue(FQDN), trust=untrusted(20)), {"CRT007", "CRT008"}),
        (Shake(self_signed(FQDN, at=NOW), trust=untrusted(18)), {"CRT007", "CRT008", "CRT009"}),
    ],
)
def test_members_differ_is_critical_with_a_critical_one(third: Issued | Shake, codes: set[str]) -> None:
    """Critical where clients meet it, through the balancer's address; a warning on a server that stands by."""
    scene = cluster(clients=[KEYS, KEYS, third])
    assert scene.codes() == codes
    assert scene.only("CRT007").severity is Severity.WARNING
    if len(codes) > 1:
        met = cluster(clients=[KEYS, KEYS, third], balancer=third)
        assert met.only("CRT007").severity is Severity.CRITICAL
    assert ("CRT007" in scene.roots()) is (codes == {"CRT007"})  # one certificate to mend, one cause
    assert scene.only("CRT007").args["same_key"] == "no"


def test_a_fault_elsewhere_does_not_explain_that_members_differ() -> None:
    old = ISSUING.issue(name(1), days=-1, starts_days=-100)
    scene = cluster(clients=[KEYS, ISSUING.issue(FQDN)], replications=[old, OWN[name(2)]])
    assert scene.roots() == {"CRT004", "CRT007"}


def test_members_differ_needs_two() -> None:
    assert cluster(clients=[KEYS]).state("CRT007") == (
        State.NOT_OBSERVED,
        "fewer than two client interfaces are known",
    )
    assert "presented a certificate" in cluster(clients=[KEYS, None]).state("CRT007")[1]


def test_without_a_profile_the_addresses_of_the_fqdn_are_compared() -> None:
    scene = Scene(target(0, balancers=()), leads_to=("192.0.2.21", "192.0.2.22"))
    scene.shake("192.0.2.21", KEYS).shake("192.0.2.22", ISSUING.issue(FQDN))
    assert scene.codes() == {"CRT007"}


# --- trust -------------------------------------------------------------------------------------------------


def test_an_unknown_authority_is_untrusted() -> None:
    private = Shake(UNKNOWN.issue(FQDN), trust=untrusted(20, "unable to get local issuer certificate"))
    scene = everywhere(private)
    assert scene.codes() == {"CRT008"}
    finding = scene.only("CRT008")
    assert finding.severity is Severity.CRITICAL
    assert 'its issuer "Somebody Else"' in finding.summary


def test_a_private_root_that_is_sent_is_untrusted_and_the_chain_is_whole() -> None:
    sent = UNKNOWN.issue(FQDN).sending(UNKNOWN.certificate)
    scene = everywhere(Shake(sent, trust=untrusted(19)))
    assert scene.codes() == {"CRT008"}
    assert 'it ends in "Somebody Else"' in scene.only("CRT008").summary


@pytest.mark.parametrize(
    ("code", "reason", "words", "mends"),
    [
        (47, "permitted subtree violation", "may not issue for its names", "name constraints allow"),
        (48, "excluded subtree violation", "may not issue for its names", "name constraints allow"),
        (25, "path length constraint exceeded", "(path length)", "leaves room"),
        (79, "invalid CA certificate", "is no authority's", "basic constraints"),
        (32, "key usage does not include certificate signing", "is no authority's", "basic constraints"),
        (7, "certificate signature failure", "not signed by the one above", "belong to its certificate"),
        (34, "unhandled critical extension", "critical extension", "not marked as critical"),
    ],
)
def test_a_rule_broken_on_the_way_to_a_trusted_root_is_not_mended_by_a_root(
    code: int, reason: str, words: str, mends: str
) -> None:
    sent = KEYS.sending(ISSUING.certificate, ROOT.certificate)  # the root comes along, and is not the fault
    scene = everywhere(Shake(sent, trust=untrusted(code, reason)))
    assert scene.codes() == {"CRT008"}
    found = scene.only("CRT008")
    assert words in found.summary
    assert found.summary.endswith(f": {reason}.")
    assert mends in found.remedy
    assert "own authority" not in found.remedy
    private = everywhere(Shake(UNKNOWN.issue(FQDN), trust=untrusted(20))).only("CRT008")
    assert "own authority" in private.remedy


def test_untrusted_on_a_replication_interface_is_a_warning() -> None:
    own = Shake(UNKNOWN.issue(name(1)), trust=untrusted(20))
    finding = cluster(clients=[KEYS], replications=[own]).only("CRT008")
    assert finding.severity is Severity.WARNING


def test_self_signed_explains_untrusted() -> None:
    scene = everywhere(Shake(self_signed(FQDN, at=NOW), trust=untrusted(18)))
    assert scene.codes() == {"CRT008", "CRT009"}
    assert scene.roots() == {"CRT009"}


def test_self_signed_and_trusted_explicitly_is_silent() -> None:
    own = self_signed(FQDN, at=NOW)
    assert everywhere(Shake(own, path=(own.certificate,))).codes() == set()


def test_self_signed_trusted_and_expired_is_only_expired() -> None:
    own = self_signed(FQDN, days=-1, at=NOW)
    assert everywhere(Shake(own, trust=untrusted(10))).codes() == {"CRT004"}


def test_an_expired_certificate_of_a_trusted_chain_is_not_called_untrusted() -> None:
    old = ISSUING.issue(FQDN, days=-1, starts_days=-100)
    assert everywhere(Shake(old, trust=untrusted(10))).codes() == {"CRT004"}


def test_expired_and_untrusted_are_both_said() -> None:
    old = UNKNOWN.issue(FQDN, days=-1, starts_days=-100)
    assert everywhere(Shake(old, trust=untrusted(20))).codes() == {"CRT004", "CRT008"}


def test_a_verifier_of_words_only_may_have_stopped_at_the_dates() -> None:
    old = ISSUING.issue(FQDN, days=-1, starts_days=-100)
    scene = everywhere(Shake(old, trust=untrusted(None, "A required certificate is not within its validity")))
    assert scene.codes() == {"CRT004"}
    assert scene.state("CRT008")[0] is State.NOT_OBSERVED
    fresh = everywhere(Shake(KEYS, trust=untrusted(None, "a root certificate which is not trusted")))
    assert fresh.codes() == {"CRT008"}
    assert "which is not trusted" in fresh.only("CRT008").summary


def test_a_strength_that_our_library_refused_says_nothing_of_trust() -> None:
    weak = Shake(ROOT.issue(FQDN, key="rsa1024"), trust=hidden())
    scene = everywhere(weak)
    assert scene.codes() == {"CRT011"}
    assert scene.state("CRT008")[0] is State.NOT_OBSERVED
    assert "key too weak" in scene.state("CRT008")[1]


# --- the classical one: an intermediate is not sent --------------------------------------------------------

ALONE = ISSUING.issue(FQDN).sending()


def test_incomplete_but_trusted_by_what_this_desktop_has() -> None:
    path = (ALONE.certificate, ISSUING.certificate, ROOT.certificate)
    scene = everywhere(Shake(ALONE, path=path))
    assert scene.codes() == {"CRT010"}
    finding = scene.only("CRT010")
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.CERTAIN)
    assert '"Example Issuing"' in finding.summary


def test_issued_by_the_root_directly_is_complete() -> None:
    assert everywhere(ROOT.issue(FQDN)).codes() == set()


def test_incomplete_on_one_member_while_another_sends_it() -> None:
    lacking = Shake(KEYS.sending(), trust=untrusted(20))
    scene = cluster(clients=[KEYS, KEYS, lacking])
    assert scene.codes() == {"CRT008", "CRT010"}
    assert scene.roots() == {"CRT010"}
    finding = scene.only("CRT010")
    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, Confidence.CERTAIN)
    assert finding.subject.name == name(3)
    assert "another place sends it" in finding.summary


def test_the_root_by_ca_file_and_the_intermediate_not_sent_anywhere() -> None:
    trust = untrusted(20, "unable to get local issuer certificate", "system+ca-file")
    scene = clients_only(Shake(ALONE, trust=trust))
    assert scene.codes() == {"CRT008", "CRT010"}
    finding = scene.only("CRT010")
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert '"Example Issuing"' in finding.summary
    assert scene.only("CRT008").caused_by is None  # the guess never hides that clients fail
    assert scene.only("CRT008").severity is Severity.CRITICAL


def test_a_stranger_among_trusted_ones_is_no_missing_intermediate() -> None:
    stranger = Shake(UNKNOWN.intermediate("Forgotten").issue(FQDN).sending(), trust=untrusted(20))
    assert everywhere(stranger).codes() == {"CRT008"}
    given = Shake(stranger.shown, trust=untrusted(20, store="system+ca-file"))
    assert everywhere(given).codes() == {"CRT008"}


def test_a_certificate_that_says_where_its_issuer_is_found_is_likely_incomplete() -> None:
    alone = ISSUING.issue(FQDN, caissuers="http://pki.example.com/issuing.crt").sending()
    scene = clients_only(Shake(alone, trust=untrusted(20)))
    assert scene.codes() == {"CRT008", "CRT010"}
    assert scene.only("CRT010").confidence is Confidence.LIKELY


@pytest.mark.parametrize("called", ["Example Root", "example-root ca", "ROOT"])
def test_an_issuer_that_calls_itself_a_root_is_no_missing_intermediate(called: str) -> None:
    private = Authority.root(called, at=NOW)
    alone = private.issue(FQDN, caissuers="http://pki.example.com/root.crt")
    assert everywhere(Shake(alone, trust=untrusted(20))).codes() == {"CRT008"}


def test_a_chain_in_the_wrong_order_is_followed_by_issuer() -> None:
    upper = UNKNOWN.intermediate("Upper")
    lower = upper.intermediate("Lower")
    leaf = lower.issue(FQDN)
    shuffled = leaf.sending(UNKNOWN.certificate, upper.certificate, lower.certificate)
    assert everywhere(Shake(shuffled, trust=untrusted(19))).codes() == {"CRT008"}


def test_an_intermediate_missing_on_a_replication_interface_is_a_warning() -> None:
    lacking = Shake(OWN[name(1)].sending(), trust=untrusted(20))
    scene = cluster(clients=[KEYS], replications=[lacking])
    assert {(f.code, f.severity) for f in scene.findings()} == {
        ("CRT008", Severity.WARNING),
        ("CRT010", Severity.WARNING),
    }
    assert scene.roots() == {"CRT010"}


# --- strength and use --------------------------------------------------------------------------------------

RSA_ROOT = Authority.root("RSA Root", key="rsa2048", at=NOW)


@pytest.mark.parametrize(
    ("shown", "fault"),
    [
        (ROOT.issue(FQDN, key="rsa1024"), "an RSA key of 1024 bits"),
        (RSA_ROOT.issue(FQDN, digest="sha1"), "a signature with SHA-1"),
        (RSA_ROOT.issue(FQDN, digest="md5"), "a signature with MD5"),
    ],
)
def test_weak(shown: Issued, fault: str) -> None:
    scene = everywhere(shown)
    assert scene.codes() == {"CRT011"}
    assert fault in scene.only("CRT011").summary
    assert scene.only("CRT011").severity is Severity.WARNING


@pytest.mark.parametrize(
    "shown",
    [ROOT.issue(FQDN, key="rsa2048"), ROOT.issue(FQDN, key="ec384")],
)
def test_strong(shown: Issued) -> None:
    assert everywhere(shown).codes() == set()


P521 = ec.generate_private_key(ec.SECP521R1())
BRAINPOOL = ec.generate_private_key(ec.BrainpoolP256R1())


@pytest.mark.parametrize(
    ("key", "what", "refusing"),
    [
        ("ed25519", "an Ed25519 key", "Most clients (all but programs on OpenSSL 3)"),
        (
            P521,
            "a P-521 key",
            "Encryption Desktop (Windows 10, Windows 11) and Chrome and Edge cannot connect",
        ),
        (BRAINPOOL, "brainpoolP256r1", "all but programs on OpenSSL 3 and programs on OpenSSL 1.0"),
    ],
)
def test_a_key_that_some_clients_lack_is_not_weak(key: KeyChoice, what: str, refusing: str) -> None:
    scene = everywhere(ROOT.issue(FQDN, key=key))
    assert scene.codes() == {"CRT019"}
    found = scene.only("CRT019")
    assert found.severity is Severity.WARNING
    assert f"its certificate has {what}" in found.summary or what in found.summary
    assert refusing in found.summary


@pytest.mark.parametrize(
    ("whole", "codes"), [(800, set()), (826, {"CRT020"}), (3650, {"CRT020"}), (398, set())]
)
def test_a_long_validity_fails_on_macs_whoever_issued_it(whole: int, codes: set[str]) -> None:
    scene = everywhere(ISSUING.issue(FQDN, starts_days=-100, days=whole - 100))
    assert scene.codes() == codes
    if codes:
        assert scene.only("CRT020").args["clients"] == "macos, safari"


def test_certificates_that_apple_grandfathers_are_left_alone() -> None:
    old = ISSUING.issue(FQDN, starts_days=-100, days=3500)
    scene = everywhere(old)
    scene.observations = [_issued(each, datetime(2019, 6, 1, tzinfo=UTC)) for each in scene.observations]
    assert scene.codes() == set()


def _issued(seen: Observation, when: datetime) -> Observation:
    return replace(seen, not_before=when) if isinstance(seen, Certificate) else seen


@pytest.mark.parametrize(("public", "codes"), [(True, {"CRT020"}), (False, set()), (None, set())])
def test_398_days_count_below_public_roots_only(public: bool | None, codes: set[str]) -> None:
    scene = everywhere(ISSUING.issue(FQDN, starts_days=-100, days=400))
    scene.observations = [
        replace(each, public_root=public) if isinstance(each, Certificate) and each.self_issued else each
        for each in scene.observations
    ]
    assert scene.codes() == codes
    if codes:
        assert scene.only("CRT020").args["clients"] == "macos, chrome, safari"


def test_rsassa_pss_is_named_with_who_cannot_verify_it() -> None:
    found = everywhere(RSA_ROOT.issue(FQDN, key="rsa2048", pss=True)).only("CRT021")
    assert found.args["clients"] == "macos, safari"
    assert "RSASSA-PSS" in found.summary
    above = RSA_ROOT.intermediate("PSS Issuing", pss=True)
    assert "an intermediate certificate is signed" in everywhere(above.issue(FQDN)).only("CRT021").summary


@pytest.mark.parametrize(
    ("usage", "cipher", "fires"),
    [
        (("digital_signature",), None, False),
        (("digital_signature", "key_encipherment"), None, False),
        (("key_encipherment",), "TLS_AES_256_GCM_SHA384", True),
        (("key_encipherment",), "ECDHE-RSA-AES128-GCM-SHA256", True),
        (("key_encipherment",), "AES128-GCM-SHA256", False),
        (None, None, False),
    ],
)
def test_key_usage_has_to_allow_what_the_handshake_needs(
    usage: tuple[str, ...] | None, cipher: str | None, fires: bool
) -> None:
    issued = RSA_ROOT.issue(FQDN, key="rsa2048", key_usage=usage)
    scene = everywhere(Shake(issued, more={"cipher": cipher}))
    assert scene.codes() == ({"CRT017"} if fires else set())
    if fires:
        assert scene.only("CRT017").summary.startswith("Chrome and Edge cannot connect to keys.example.com")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((f" {FQDN}",), f'" {FQDN}" has a blank'),
        ((f"https://{FQDN}/",), f'"https://{FQDN}/" is a URL'),
        ((f"{FQDN}:443",), "has more than the name in it"),
    ],
)
def test_a_name_with_more_than_the_name_is_shown_and_explained(names: tuple[str, ...], said: str) -> None:
    assert said in everywhere(ISSUING.issue("keys", names)).only("CRT001").summary
    assert said in everywhere(ISSUING.issue(FQDN, names)).only("CRT003").summary


def test_an_address_typed_as_a_name_is_called_that() -> None:
    aim = target(1, fqdn="192.0.2.100", fqdn_is_address=True)
    typed = ISSUING.issue(FQDN, general=(x509.DNSName(FQDN), x509.DNSName("192.0.2.100")))
    scene = cluster(clients=[typed], balancer=typed, replications=[None], aim=aim)
    assert '"192.0.2.100" stands in it as a name' in scene.only("CRT001").summary


@pytest.mark.parametrize(
    ("life", "left", "severity"),
    [
        (6.7, 5.7, None),
        (6.7, 1.5, Severity.WARNING),
        (6.7, 0.5, Severity.CRITICAL),
        (90, 25, None),
        (90, 20, Severity.WARNING),
        (90, 6, Severity.CRITICAL),
        (365, 29, Severity.WARNING),
        (365, 8, Severity.WARNING),
    ],
)
def test_the_default_thresholds_are_a_part_of_the_life(
    life: float, left: float, severity: Severity | None
) -> None:
    scene = everywhere(ISSUING.issue(FQDN, starts_days=left - life, days=left))
    assert scene.codes() == (set() if severity is None else {"CRT006"})
    assert severity is None or scene.only("CRT006").severity is severity


@pytest.mark.parametrize(
    ("names", "swapped"),
    [
        (("sems1.example.com",), True),
        (("sems1.example.com", "mail.example.com"), True),
        (("*.example.com.test", "*.sub.example.com"), False),
        (("sems1.example.com", "sems2.example.com"), False),
    ],
)
def test_only_what_names_one_member_is_its_own_certificate(names: tuple[str, ...], swapped: bool) -> None:
    codes = everywhere(ISSUING.issue(names[0], names)).codes()
    assert ("CRT015" in codes, "CRT001" in codes) == (swapped, True)


def test_a_wildcard_that_covers_the_members_is_nobodys_own_certificate() -> None:
    aim = replace(target(3), fqdn="keys.example.org", fqdn_shown="keys.example.org")
    shown = ISSUING.issue("*.example.com", ("*.example.com",))
    assert "CRT015" not in cluster(clients=[shown] * 3, balancer=shown, aim=aim).codes()


def test_expired_authorities_are_one_finding_with_a_remedy_of_their_own() -> None:
    old_root = Authority.root("Old Root", days=-2, at=NOW)
    old = old_root.intermediate("Old Issuing", days=-2, starts_days=-400)
    sent = old.issue(FQDN).sending(old.certificate, old_root.certificate)
    found = everywhere(Shake(sent, trust=untrusted(10, "certificate has expired"))).only("CRT004")
    assert found.owner is Owner.DESKTOP
    assert '"Old Issuing" and "Old Root"' in found.summary
    assert "need not be renewed" in found.remedy
    assert not found.remedy.startswith("Renew the certificate")
    server = everywhere(Shake(old.issue(FQDN), trust=untrusted(10, "certificate has expired"))).only("CRT004")
    assert server.owner is Owner.SERVER
    assert "current intermediate certificate" in server.remedy


def test_an_expired_certificate_is_not_the_missing_intermediate() -> None:
    gone = ROOT.intermediate("Example Issuing B", days=-2, starts_days=-400)
    sends, lacks = gone.issue(FQDN), gone.issue("sems1.example.com").sending()
    scene = cluster(
        clients=[Shake(sends, trust=untrusted(10, "certificate has expired"))],
        balancer=None,
        replications=[Shake(lacks, trust=untrusted(20))],
    )
    assert "CRT010" not in scene.codes()


def test_a_balancers_certificate_is_compared_with_client_interfaces_only() -> None:
    scene = cluster(clients=[None] * 3, balancer=KEYS)
    assert "CRT018" not in scene.codes()
    assert scene.state("CRT018")[0] is State.NOT_OBSERVED


def test_a_weak_intermediate_is_seen_and_a_roots_own_signature_is_not() -> None:
    weak = RSA_ROOT.intermediate("Weak Issuing", key="rsa1024")
    assert everywhere(weak.issue(FQDN)).codes() == {"CRT011"}
    old_root = Authority.root("Old Root", key="rsa2048", digest="sha1", at=NOW)
    sent = old_root.issue(FQDN).sending(old_root.certificate)
    assert everywhere(sent).codes() == set()


@pytest.mark.parametrize(
    ("usage", "ca", "fires"),
    [
        (("serverAuth", "clientAuth"), False, False),
        (None, False, True),
        (("any",), False, False),
        (("clientAuth",), False, True),
        (("codeSigning", "emailProtection"), False, True),
        (("serverAuth",), True, True),
    ],
)
def test_usage(usage: tuple[str, ...] | None, ca: bool, fires: bool) -> None:
    scene = everywhere(ISSUING.issue(FQDN, eku=usage, ca=ca))
    assert scene.codes() == ({"CRT017"} if fires else set())


def test_a_purpose_that_the_verifier_refused_is_wrong_usage_not_distrust() -> None:
    shake = Shake(ISSUING.issue(FQDN, eku=("clientAuth",)), trust=untrusted(26, "unsuitable purpose"))
    assert everywhere(shake).codes() == {"CRT017"}


# --- which interface presents which ------------------------------------------------------------------------


def test_two_members_with_one_replication_certificate() -> None:
    shared = ISSUING.issue(name(1), (name(1), name(2)))
    scene = cluster(replications=[shared, shared, OWN[name(3)]])
    assert scene.codes() == {"CRT012"}
    assert "sems1.example.com and sems2.example.com" in scene.only("CRT012").summary


def test_a_replication_certificate_for_another_name() -> None:
    scene = cluster(replications=[OWN[name(1)], ISSUING.issue("old2.example.com"), OWN[name(3)]])
    assert scene.codes() == {"CRT013"}
    finding = scene.only("CRT013")
    assert finding.subject.name == name(2)
    assert "is for old2.example.com, not for sems2.example.com" in finding.summary


def test_one_certificate_on_both_interfaces() -> None:
    wide = ISSUING.issue(FQDN, (FQDN, name(1)))
    scene = cluster(clients=[wide], replications=[wide], balancer=wide)
    assert scene.codes() == {"CRT014"}
    assert scene.only("CRT014").subject.name == name(1)


def one_address_for_both(own: Issued) -> Scene:
    """A member with one address, asked under the clients' name and under its own."""
    both = Member(name(1), (Endpoint(client(1)),), (Endpoint(client(1)),))
    scene = Scene(target(0, members=(both,), balancers=()), leads_to=(client(1),))
    return scene.shake(client(1), KEYS).shake(client(1), Shake(own, more={"sni": name(1)}))


def test_one_address_in_both_roles_is_judged_in_both() -> None:
    scene = one_address_for_both(KEYS)
    assert scene.codes() == {"CRT013", "CRT014"}
    assert scene.roots() == {"CRT014"}
    assert "one address for both interfaces" in scene.only("CRT014").summary


def test_one_address_may_show_each_name_its_own_certificate() -> None:
    assert one_address_for_both(OWN[name(1)]).codes() == set()


def test_the_fqdn_leads_to_a_replication_interface() -> None:
    only = Member(name(1), (Endpoint(replication(1)),), (Endpoint(client(1)),))
    scene = Scene(target(0, members=(only,), balancers=()), leads_to=(replication(1),))
    scene.shake(replication(1), OWN[name(1)]).shake(
        replication(1), Shake(OWN[name(1)], more={"sni": name(1)})
    )
    assert scene.shake(client(1), KEYS).codes() == {"CRT001", "CRT015"}


def test_a_replication_certificate_read_on_the_other_port() -> None:
    scene = cluster(replications=[None] * 3)
    scene.shake(replication(2), ISSUING.issue("old2.example.com"), port=444)
    assert scene.codes() == {"CRT013"}


def test_swapped_interfaces_on_one_member() -> None:
    scene = cluster(clients=[KEYS, OWN[name(2)], KEYS], replications=[OWN[name(1)], KEYS, OWN[name(3)]])
    assert scene.roots() == {"CRT015"}
    assert scene.codes() == {"CRT015", "CRT001", "CRT007", "CRT013"}
    assert scene.only("CRT015").subject.name == name(2)
    assert "sems2.example.com's own certificate" in scene.only("CRT015").summary


def test_the_balancer_leads_to_a_replication_interface() -> None:
    scene = cluster(balancer=OWN[name(1)])
    assert scene.roots() == {"CRT015"}
    assert scene.codes() == {"CRT015", "CRT001"}


def test_a_wildcard_for_all_is_not_swapped() -> None:
    wild = ISSUING.issue("*.example.com")
    scene = cluster(clients=[wild], replications=[wild], balancer=wild)
    assert scene.codes() == {"CRT014", "CRT016"}
    assert scene.only("CRT016").severity is Severity.INFO


def test_swapped_needs_member_names() -> None:
    scene = Scene(target(0))
    scene.shake(BALANCER, ISSUING.issue(name(1)))
    assert scene.codes() == {"CRT001"}
    assert scene.state("CRT015") == (State.NOT_OBSERVED, "no member's name is known")


def test_the_balancer_has_a_certificate_of_its_own() -> None:
    scene = cluster(balancer=ISSUING.issue(FQDN))
    assert scene.codes() == {"CRT018"}
    finding = scene.only("CRT018")
    assert finding.owner is Owner.BALANCER
    assert finding.confidence is Confidence.CERTAIN


def test_while_a_member_is_unseen_the_balancers_certificate_may_be_its() -> None:
    finding = cluster(clients=[KEYS, KEYS, None], balancer=ISSUING.issue(FQDN)).only("CRT018")
    assert finding.confidence is Confidence.LIKELY
    assert "none was seen at sems3.example.com Interface 2" in finding.summary


def test_balancer_differs_needs_a_balancer_and_members() -> None:
    assert "no member's client interface" in cluster(clients=[None], replications=[None]).state("CRT018")[1]
    alone = Scene(target(1, balancers=()), leads_to=(client(1),))
    alone.shake(client(1), KEYS)
    assert alone.state("CRT018") == (State.NOT_OBSERVED, "there is no balancer")


# --- words -------------------------------------------------------------------------------------------------


def test_summaries_stay_short_whatever_a_certificate_says() -> None:
    loud = ISSUING.issue("x" * 64, tuple(f"{'y' * 60}{n}.example.com" for n in range(100)))
    scene = everywhere(Shake(loud, trust=untrusted(20, "z" * 200)))
    for finding in scene.findings():
        assert len(finding.summary) < 700, finding.summary


# --- hostile certificates ----------------------------------------------------------------------------------


@st.composite
def tampered(draw: st.DrawFn) -> bytes:
    """A good certificate with a few bytes changed: parses in part, or not at all."""
    raw = bytearray(KEYS.der)
    for _ in range(draw(st.integers(0, 5))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


TRUSTS = (None, untrusted(20), untrusted(18), untrusted(10), untrusted(None), hidden())


@pytest.mark.slow
@settings(max_examples=examples(150), deadline=None)
@given(st.lists(tampered(), min_size=1, max_size=4), st.sampled_from(TRUSTS))
def test_no_certificate_bytes_crash_a_rule(chain: list[bytes], trust: Trust | None) -> None:
    scene = cluster(clients=[KEYS, None], replications=[OWN[name(1)], None], balancer=None)
    shake = Shake(raw=tuple(chain), trust=trust)
    for address in (client(2), replication(2), BALANCER):
        scene.shake(address, shake)
    findings, verdicts = scene.judged()
    crashed = [v for v in verdicts if v.state is State.CRASHED and v.code[:3] in ("TLS", "CRT", "CLT")]
    assert crashed == []
    assert all(finding.evidence for finding in findings if finding.code.startswith(("TLS", "CRT")))


@pytest.mark.parametrize(
    ("called", "portal"),
    [
        ("wifi.example.net", True),
        (FQDN, False),
        (name(1), False),  # one certificate for all, of the servers' own
    ],
)
def test_one_certificate_of_somebody_else_at_every_address_is_a_portals(called: str, portal: bool) -> None:
    shown = ISSUING.issue(called)
    scene = cluster(clients=[shown] * 3, replications=[shown] * 3, balancer=shown)
    told = [finding.summary for finding in scene.judged()[0] if finding.code == "NET016"]
    assert len(told) == portal
    if portal:
        assert 'at all 7 addresses with its own certificate, "wifi.example.net"' in told[0]
