"""TLS001–TLS008: each fires, stays silent, and says when it could not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Owner, State
from semscheck.model.target import Severity
from tests.rig.certs import Issued
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
    failed,
    hidden,
    name,
    replication,
    target,
    untrusted,
)

ALL = [f"TLS{n:03}" for n in range(1, 9)]


def legacy(shown: Issued = KEYS, **more: object) -> Shake:
    """A handshake that only the permissive policy got."""
    return Shake(shown, judged=False, more={"policy": "legacy", "version": "TLSv1.2", **more})


def at_client(*shakes: Shake) -> Scene:
    """The first member's client interface answers so; the rest is well."""
    scene = cluster(clients=[None, KEYS], replications=[None, None])
    for shake in shakes:
        scene.shake(client(1), shake)
    return scene


def test_a_healthy_cluster_is_silent() -> None:
    scene = cluster()
    assert not any(code.startswith("TLS") for code in scene.codes())
    states = {code: scene.state(code)[0] for code in ALL}
    assert states.pop("TLS007") is State.NOT_OBSERVED
    assert set(states.values()) == {State.PASS}


def test_without_a_handshake_nothing_is_observed() -> None:
    scene = cluster(clients=[None, None], replications=[None, None], balancer=None)
    assert {scene.state(code)[0] for code in ALL} == {State.NOT_OBSERVED}


@pytest.mark.parametrize(
    ("shake", "code", "words"),
    [
        (failed(Cause.NOT_TLS, said="HTTP/1.1 400 Bad Request\r\n"), "TLS001", "answers in plain HTTP"),
        (failed(Cause.NOT_TLS, said="<HTML>"), "TLS001", "answers in plain HTTP"),
        (failed(Cause.NOT_TLS, said="SSH-2.0-OpenSSH_9.2\r\n"), "TLS001", "is an SSH server"),
        (failed(Cause.NOT_TLS, said="220 mail.example.com ESMTP"), "TLS001", "greets like a mail"),
        (failed(Cause.NOT_TLS, said="\x00\x01" * 100), "TLS001", "it sent"),
        (failed(Cause.MALFORMED, "DECODE_ERROR"), "TLS001", "not valid TLS (DECODE_ERROR)"),
        (failed(Cause.TOO_LARGE, "256 KiB"), "TLS001", "not valid TLS"),
        (failed(Cause.ALERT, alert="handshake_failure"), "TLS002", 'the alert "handshake_failure"'),
        (failed(Cause.CLOSED), "TLS002", "a close and no alert"),
        (failed(Cause.STALLED), "TLS003", "never answers the TLS handshake"),
    ],
)
def test_a_handshake_that_fails(shake: Shake, code: str, words: str) -> None:
    scene = at_client(shake)
    assert scene.codes() == {code}
    finding = scene.only(code)
    assert words in finding.summary
    assert finding.severity is Severity.WARNING
    assert finding.subject.name == name(1)


@pytest.mark.parametrize(
    ("address", "severity"),
    [
        (BALANCER, Severity.CRITICAL),
        (client(1), Severity.WARNING),
        (replication(1), Severity.INFO),
    ],
)
def test_severity_is_by_subject(address: str, severity: Severity) -> None:
    scene = Scene(target(2))
    scene.shake(address, failed(Cause.STALLED))
    assert scene.only("TLS003").severity is severity


def test_failures_of_other_kinds_belong_to_other_rules() -> None:
    for cause in (Cause.RESET, Cause.LOCAL_POLICY, Cause.CANCELLED):
        assert at_client(failed(cause)).codes() == set()


def test_our_own_refusal_of_a_chain_is_no_tls_fault() -> None:
    assert at_client(Shake(ISSUING.issue(FQDN), trust=untrusted(20))).codes() == {"CRT008", "CRT007"}


def test_a_second_try_that_succeeds_is_no_refusal() -> None:
    scene = at_client(failed(Cause.ALERT, alert="internal_error"), Shake(KEYS))
    assert scene.codes() == set()


# --- old versions and cryptography -------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "words"), [("TLSv1", "TLS 1.0"), ("TLSv1.1", "TLS 1.1")])
def test_nothing_newer_than_tls_1_1(version: str, words: str) -> None:
    scene = at_client(failed(Cause.ALERT, alert="protocol_version"), legacy(version=version))
    assert scene.roots() == {"TLS004"}
    assert scene.codes() == {"TLS004", "TLS005"}
    finding = scene.only("TLS004")
    assert finding.severity is Severity.WARNING
    assert finding.summary.endswith(f"speaks nothing newer than {words}.")


def test_a_server_older_than_anything_we_speak() -> None:
    refused = failed(Cause.LOCAL_POLICY, "UNSUPPORTED_PROTOCOL")
    again = replace(refused, more={"policy": "legacy"})
    assert at_client(refused, again).codes() == {"TLS004"}
    assert "older than TLS 1.0" in at_client(refused, again).only("TLS004").summary


def test_old_versions_beside_new_ones_are_no_finding() -> None:
    probes = [Shake(KEYS, more={"offered": version, "version": version}) for version in ("TLSv1", "TLSv1.3")]
    assert at_client(Shake(KEYS), *probes).codes() == set()


def test_old_ciphers_only() -> None:
    only = legacy(cipher="AES256-SHA", key_exchange="RSA")
    scene = at_client(failed(Cause.ALERT, alert="handshake_failure"), only)
    assert scene.roots() == {"TLS008"}
    assert scene.codes() == {"TLS008", "TLS005"}
    assert "AES256-SHA" in scene.only("TLS008").summary


def test_a_small_group_that_our_library_refuses() -> None:
    scene = at_client(failed(Cause.LOCAL_POLICY, "DH_KEY_TOO_SMALL"), legacy(key_exchange="DHE"))
    assert scene.roots() == {"TLS008"}


def test_a_weak_certificate_is_told_by_its_own_rule() -> None:
    weak = ROOT.issue(FQDN, key="rsa1024")
    refused = Shake(weak, trust=hidden(), more={"version": None, "key_exchange": None})
    scene = at_client(refused, legacy(weak, version="TLSv1.3", key_exchange="x25519"))
    assert scene.codes() == {"CRT011", "CRT007", "TLS005"}  # the other member has an EC key


OLD_REFUSES = failed(Cause.ALERT, alert="protocol_version")
TLS_1_3 = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}
TLS_1_2 = {"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES256-GCM-SHA384"}


@pytest.mark.parametrize(
    ("again", "sampled"),
    [
        (legacy(**TLS_1_3), False),  # of TLS 1.3 current libraries refuse nothing
        (legacy(**TLS_1_2), True),  # another server of the pool takes what they offer
    ],
)
def test_handshakes_that_met_two_servers_are_not_one_servers(again: Shake, sampled: bool) -> None:
    scene = cluster(balancer=OLD_REFUSES).shake(BALANCER, again)
    if sampled:
        scene.sample(BALANCER, KEYS, version="TLSv1.2")
    assert scene.codes() == set()
    state, why = scene.state("TLS008")
    assert state is State.NOT_OBSERVED
    assert "servers that differ" in why


def test_an_old_balancer_that_no_sample_got_through_is_still_reported() -> None:
    scene = cluster(balancer=failed(Cause.LOCAL_POLICY, "DH_KEY_TOO_SMALL"))
    scene.shake(BALANCER, legacy(key_exchange="DHE", cipher="DHE-RSA-AES128-SHA"))
    scene.sample(BALANCER, failure=Failure(Phase.TLS, Cause.LOCAL_POLICY, "DH_KEY_TOO_SMALL"))
    assert scene.codes() == {"TLS008"}


def test_an_old_server_in_a_pool_is_not_the_whole_pool() -> None:
    scene = cluster(balancer=OLD_REFUSES).shake(BALANCER, legacy(version="TLSv1.1"))
    assert scene.codes() == {"TLS004"}
    scene.sample(BALANCER, KEYS, version="TLSv1.3")
    assert scene.codes() == set()
    assert scene.state("TLS004")[0] is State.NOT_OBSERVED


# --- members compared --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("third", "words"),
    [
        (Shake(KEYS, more={"version": "TLSv1.2"}), "TLS 1.2 at sems3.example.com"),
        (Shake(KEYS, more={"key_exchange": "secp256r1"}), "secp256r1 at sems3.example.com"),
        (Shake(ISSUING.issue(FQDN, key="rsa2048")), "RSA at sems3.example.com"),
    ],
)
def test_members_differ(third: Shake, words: str) -> None:
    scene = cluster(clients=[KEYS, KEYS, third])
    assert "TLS005" in scene.codes()
    assert words in scene.only("TLS005").summary
    assert scene.only("TLS005").subject.kind == "cluster"


def test_members_differ_in_several_ways_is_one_finding() -> None:
    scene = cluster(clients=[KEYS, Shake(KEYS, more={"version": "TLSv1.2", "key_exchange": "secp256r1"})])
    finding = scene.only("TLS005")
    assert "version" in finding.summary
    assert "key exchange" in finding.summary


def test_what_was_not_seen_is_no_difference() -> None:
    assert cluster(clients=[KEYS, Shake(KEYS, more={"key_exchange": None})]).codes() == set()


def test_a_replication_interface_or_a_balancer_may_differ() -> None:
    other = Shake(OWN[name(1)], more={"version": "TLSv1.2", "key_exchange": "secp256r1"})
    scene = cluster(clients=[KEYS, KEYS], replications=[other, OWN[name(2)]])
    assert scene.codes() == set()


def test_members_differ_needs_two() -> None:
    assert cluster(clients=[KEYS]).state("TLS005")[0] is State.NOT_OBSERVED
    assert cluster(clients=[KEYS, None]).state("TLS005")[0] is State.NOT_OBSERVED


# --- asked for ---------------------------------------------------------------------------------------------


def test_a_client_certificate_is_asked_for() -> None:
    asks = Shake(KEYS, more={"client_certificate_requested": True})
    scene = cluster(clients=[asks, KEYS, asks])
    assert scene.codes() == {"TLS006"}
    finding = scene.only("TLS006")
    assert finding.severity is Severity.INFO
    assert "sems1.example.com" in finding.summary
    assert "sems3.example.com" in finding.summary
    assert "sems2.example.com" not in finding.summary


def bare(shown: Issued | None = KEYS, cause: Cause | None = None) -> Shake:
    """A handshake that sends no server name."""
    if cause is not None:
        return replace(failed(cause, alert="unrecognized_name"), more={"sni": None})
    return Shake(shown, judged=False, more={"sni": None, "policy": "unverified"})


@pytest.mark.parametrize(
    ("shake", "words", "severity"),
    [
        (
            bare(ISSUING.issue("default.example.com")),
            '"default.example.com", is presented when',
            Severity.WARNING,
        ),
        (bare(cause=Cause.ALERT), "the handshake is refused when", Severity.INFO),
        (bare(cause=Cause.CLOSED), "the handshake is refused when", Severity.INFO),
    ],
)
def test_needs_sni(shake: Shake, words: str, severity: Severity) -> None:
    scene = cluster().shake(BALANCER, shake)
    assert scene.codes() == {"TLS007"}
    assert words in scene.only("TLS007").summary
    assert scene.only("TLS007").severity is severity


CLOSED = Failure(Phase.TLS, Cause.CLOSED, "closed by the server during the handshake")
LATER = Failure(Phase.HTTP, Cause.CLOSED, "closed by the server")
PROBE_1_1 = replace(
    failed(Cause.ALERT, alert="protocol_version"), more={"offered": "TLSv1.1", "policy": "legacy"}
)
PROBE_1_2 = replace(failed(Cause.CLOSED), more={"offered": "TLSv1.2", "policy": "legacy"})
ONLY_1_3 = replace(
    failed(Cause.ALERT, alert="protocol_version"), more={"offered": "TLSv1.2", "policy": "legacy"}
)


@pytest.mark.parametrize(
    ("also", "claimed"),
    [
        (lambda scene: scene.sample(BALANCER, failure=CLOSED), False),
        (lambda scene: scene.shake(BALANCER, failed(Cause.RESET)), False),
        (lambda scene: scene.shake(BALANCER, failed(Cause.STALLED)), False),
        (lambda scene: scene.shake(BALANCER, PROBE_1_2), False),
        (lambda scene: scene.shake(BALANCER, PROBE_1_1), True),
        (lambda scene: scene.shake(BALANCER, ONLY_1_3), True),
        (lambda scene: scene.sample(BALANCER, KEYS), True),
        (lambda scene: scene.sample(BALANCER, failure=LATER), True),
        (lambda scene: scene.sample(BALANCER, failure=CLOSED, arm="source"), True),
        (lambda scene: scene.shake(client(1), failed(Cause.RESET)), True),
    ],
)
def test_a_refusal_counts_only_where_a_client_with_the_name_is_not_refused_too(
    also: Callable[[Scene], Scene], claimed: bool
) -> None:
    scene = also(cluster().shake(BALANCER, bare(cause=Cause.CLOSED)))
    assert scene.codes() - {"TLS009"} == ({"TLS007"} if claimed else set())
    if not claimed:
        assert scene.state("TLS007") == (
            State.NOT_OBSERVED,
            f"handshakes with a name fail as well at the load balancer address {BALANCER}:443",
        )


OTHER = ISSUING.issue("default.example.com")


@pytest.mark.parametrize(
    ("bare_at", "owner"),
    [
        ({BALANCER: OTHER, client(1): KEYS, client(2): KEYS}, Owner.BALANCER),
        ({BALANCER: OTHER, client(1): OTHER, client(2): OTHER}, Owner.SERVER),
        ({BALANCER: OTHER}, Owner.SERVER),
        ({client(1): OTHER, client(2): KEYS}, Owner.SERVER),
    ],
)
def test_a_choice_by_name_that_the_servers_do_not_make_is_the_balancers(
    bare_at: dict[str, Issued], owner: Owner
) -> None:
    scene = cluster()
    for address, shown in bare_at.items():
        scene.shake(address, bare(shown))
    found = scene.only("TLS007")
    assert found.owner is owner
    assert ("default pool" in found.remedy) is (owner is Owner.BALANCER)


def test_what_connections_with_the_name_are_shown_in_turn_does_not_need_sni() -> None:
    scene = cluster().shake(BALANCER, bare(OTHER)).sample(BALANCER, OTHER)
    assert "TLS007" not in scene.codes()
    assert scene.state("TLS007")[0] is State.PASS


def test_needs_sni_everywhere_is_one_finding() -> None:
    other = bare(ISSUING.issue("default.example.com"))
    scene = cluster().shake(BALANCER, other).shake(client(1), other).shake(client(2), other)
    assert "and 2 other places" in scene.only("TLS007").summary


def test_an_old_server_is_not_said_to_need_sni() -> None:
    scene = at_client(failed(Cause.ALERT, alert="protocol_version"), legacy(version="TLSv1.1"))
    scene.shake(client(1), bare(cause=Cause.ALERT))
    assert "TLS007" not in scene.codes()


def test_the_same_certificate_without_sni_is_well() -> None:
    scene = cluster().shake(BALANCER, bare())
    assert scene.codes() == set()
    assert scene.state("TLS007")[0] is State.PASS


def test_a_stall_without_sni_tells_nothing() -> None:
    scene = cluster().shake(BALANCER, bare(cause=Cause.STALLED))
    assert scene.codes() == set()


def test_needs_sni_needs_a_name() -> None:
    scene = cluster(clients=[KEYS], aim=target(1, fqdn="192.0.2.100", fqdn_is_address=True))
    scene.shake(BALANCER, bare(ISSUING.issue("default.example.com")))
    assert scene.state("TLS007")[0] is State.NOT_OBSERVED
