"""Which class of client connects: each rule of the table where it refuses, is not known, and is silent."""

from __future__ import annotations

import pytest
from cryptography import x509

from semscheck.model.analysis import Access, Client
from semscheck.model.failure import Cause, Failure, Phase
from tests.rig.certs import Authority, Issued
from tests.rules.netscene import NOW
from tests.rules.tlsscene import (
    BALANCER,
    FQDN,
    ISSUING,
    KEYS,
    ROOT,
    Scene,
    Shake,
    client,
    cluster,
    failed,
    target,
    untrusted,
)

ALL = set(Client)
WINDOWS = {Client.WINDOWS_7, Client.WINDOWS_10, Client.WINDOWS_11}
APPLE = {Client.MACOS, Client.SAFARI}
BROWSERS = {Client.CHROME, Client.FIREFOX, Client.SAFARI}
RSA_ROOT = Authority.root("RSA Root", key="rsa2048", at=NOW)


def at_balancer(*shown: Shake | Issued, old: bool = True) -> Scene:
    """A balancer alone. old: it speaks TLS 1.0 too, so that nothing is unsure about Windows 7."""
    scene = Scene(target(0))
    for each in shown:
        scene.shake(BALANCER, each)
    if old:
        scene.shake(
            BALANCER, Shake(KEYS, judged=False, more={"offered": "TLSv1.1", "version": "TLSv1", **OLD})
        )
    return scene


OLD: dict[str, object] = {"policy": "legacy"}


def row(scene: Scene, access: Access) -> set[Client]:
    return {cell.client for cell in scene.analysis.clients if cell.access is access}


def kinds(scene: Scene) -> set[str]:
    return {why.kind for cell in scene.analysis.clients for why in cell.why}


def test_everybody_connects_where_nothing_is_in_the_way() -> None:
    scene = at_balancer(KEYS)
    assert row(scene, Access.CONNECTS) == ALL
    assert kinds(scene) == set()


def test_every_place_that_serves_clients_has_a_row_and_no_other_has() -> None:
    scene = cluster()
    seen = {(cell.address, cell.port) for cell in scene.analysis.clients}
    assert seen == {(address, 443) for address in (BALANCER, client(1), client(2), client(3))}
    assert len(scene.analysis.clients) == 4 * len(Client)


def test_what_was_not_tried_has_no_row_and_what_failed_is_not_known() -> None:
    assert Scene(target(0)).analysis.clients == ()
    scene = at_balancer(failed(Cause.STALLED), old=False)
    assert row(scene, Access.UNKNOWN) == ALL


@pytest.mark.parametrize(
    ("shown", "kind", "refusing", "unsure"),
    [
        (ISSUING.issue(FQDN, days=-2, starts_days=-90), "expired", ALL, set()),
        (ISSUING.issue(FQDN, starts_days=2), "not-yet-valid", ALL, set()),
        (ISSUING.issue("mail.example.com"), "name", ALL, set()),
        (
            ISSUING.issue(FQDN, ()),
            "common-name-only",
            BROWSERS,
            {Client.MACOS, Client.OPENSSL_3, Client.OPENSSL_1_0},
        ),
        (
            ISSUING.issue(FQDN, ("other.example.com",)),
            "common-name-only",
            BROWSERS | {Client.OPENSSL_3, Client.OPENSSL_1_0},
            {Client.MACOS},
        ),
        (ISSUING.issue(FQDN, eku=("clientAuth",)), "purpose", ALL, set()),
        (ISSUING.issue(FQDN, eku=None), "no-purpose", APPLE, set()),
        (ISSUING.issue(FQDN, ca=True), "authority", {Client.FIREFOX, Client.CHROME}, None),
        (RSA_ROOT.issue(FQDN, key="rsa1024"), "short-key", APPLE, None),
        (
            RSA_ROOT.issue(FQDN, key="rsa2048", digest="sha1"),
            "weak-signature",
            BROWSERS | {Client.MACOS, Client.OPENSSL_3},
            {Client.WINDOWS_10, Client.WINDOWS_11},
        ),
        (
            RSA_ROOT.issue(FQDN, key="rsa2048", digest="md5"),
            "weak-signature",
            ALL - {Client.WINDOWS_7, Client.OPENSSL_1_0},
            {Client.WINDOWS_7, Client.OPENSSL_1_0},
        ),
        (ROOT.issue(FQDN, key="ed25519"), "key-type", ALL - {Client.OPENSSL_3}, set()),
        (
            RSA_ROOT.issue(FQDN, key="rsa2048", pss=True),
            "rsassa-pss",
            APPLE,
            {Client.CHROME, Client.FIREFOX},
        ),
        (ISSUING.issue(FQDN, starts_days=-10, days=900), "validity", APPLE, set()),
    ],
)
def test_one_obstacle(shown: Issued, kind: str, refusing: set[Client], unsure: set[Client] | None) -> None:
    scene = at_balancer(shown)
    assert kind in kinds(scene)
    assert row(scene, Access.REFUSES) == refusing
    assert unsure is None or row(scene, Access.UNKNOWN) == unsure


def test_a_chain_that_is_not_trusted_here_is_refused_by_all() -> None:
    scene = at_balancer(Shake(KEYS, trust=untrusted(20)))
    assert row(scene, Access.REFUSES) == ALL
    assert kinds(scene) == {"untrusted"}


def test_an_intermediate_that_only_this_desktop_had_leaves_the_others_unknown() -> None:
    lacking = KEYS.sending()
    path = (KEYS.certificate, ISSUING.certificate, ROOT.certificate)
    scene = at_balancer(Shake(lacking, path=path))
    assert row(scene, Access.UNKNOWN) == ALL


ALERT = Failure(Phase.TLS, Cause.ALERT, "protocol version", alert="protocol_version")


@pytest.mark.parametrize(("failure", "only"), [(ALERT, True), (Failure(Phase.TLS, Cause.RESET, ""), False)])
def test_tls_1_3_alone_leaves_out_windows_10(failure: Failure, only: bool) -> None:
    alone = Shake(judged=False, failure=failure, more={"offered": "TLSv1.2", **OLD})
    scene = at_balancer(KEYS, alone, old=False)
    refusing = {Client.WINDOWS_7, Client.WINDOWS_10, Client.OPENSSL_1_0}
    assert row(scene, Access.REFUSES) == (refusing if only else set())
    assert ("TLS009" in scene.codes()) is only


def test_without_tls_1_0_windows_7_is_not_known() -> None:
    assert row(at_balancer(KEYS, old=False), Access.UNKNOWN) == {Client.WINDOWS_7}


def test_old_tls_alone_leaves_out_what_is_current() -> None:
    shake = Shake(KEYS, more={"version": "TLSv1", **OLD})
    scene = at_balancer(shake, old=False)
    assert row(scene, Access.REFUSES) == BROWSERS | {Client.MACOS, Client.OPENSSL_3}
    assert row(scene, Access.CONNECTS) == {Client.WINDOWS_7, Client.WINDOWS_10, Client.OPENSSL_1_0}


def test_of_two_certificates_at_one_place_the_worse_counts() -> None:
    scene = at_balancer(KEYS, ISSUING.issue(FQDN, days=-2, starts_days=-90))
    assert row(scene, Access.REFUSES) == ALL


def test_an_address_as_a_name_is_not_known_of_windows_alone() -> None:
    aim = target(0, fqdn=BALANCER, fqdn_is_address=True)
    named = ISSUING.issue(FQDN, (FQDN, BALANCER))
    typed = Scene(aim).shake(BALANCER, ISSUING.issue(BALANCER, (FQDN,)))
    assert row(typed, Access.REFUSES) == ALL
    good = Scene(aim).shake(BALANCER, named)
    assert row(good, Access.REFUSES) == set()
    assert WINDOWS - row(good, Access.CONNECTS) == {Client.WINDOWS_7}


STAPLES = ISSUING.issue(FQDN, more=(x509.TLSFeature([x509.TLSFeatureType.status_request]),))


@pytest.mark.parametrize(
    ("seen", "refusing", "unsure"),
    [
        ((), set(), {Client.FIREFOX}),
        ((None,), set(), {Client.FIREFOX}),
        ((False, False), {Client.FIREFOX}, set()),
        ((False, True), set(), set()),
    ],
)
def test_a_staple_that_is_demanded(
    seen: tuple[bool | None, ...], refusing: set[Client], unsure: set[Client]
) -> None:
    asked = [Shake(judged=False, more={"offered": "staple", "stapled": each, **OLD}) for each in seen]
    scene = at_balancer(STAPLES, *asked)
    assert (row(scene, Access.REFUSES), row(scene, Access.UNKNOWN)) == (refusing, unsure)
    assert ("CRT023" in scene.codes()) is bool(refusing)


def test_which_class_is_shown_the_second_certificate_is_not_known() -> None:
    old = RSA_ROOT.issue(FQDN, key="rsa2048", days=-2, starts_days=-90)
    asked = Shake(old, judged=False, more={"offered": "RSA", "version": "TLSv1.2", **OLD})
    scene = at_balancer(KEYS, asked)
    assert row(scene, Access.UNKNOWN) == ALL
    assert scene.codes() == {"CRT004"}
    assert "for clients that use RSA, expired on" in scene.only("CRT004").summary
    good = Shake(RSA_ROOT.issue(FQDN, key="rsa2048"), judged=False, more=asked.more)
    assert row(at_balancer(KEYS, good), Access.CONNECTS) == ALL
    assert at_balancer(KEYS, good).codes() == set()


def test_an_expired_certificate_that_nobody_follows_does_no_harm() -> None:
    stray = ROOT.intermediate("Stray", days=-2, starts_days=-400)
    again = ROOT.intermediate("Example Issuing", days=-2, starts_days=-400)
    path = (KEYS.certificate, ISSUING.certificate, ROOT.certificate)
    for above in ((ISSUING.certificate, stray.certificate), (ISSUING.certificate, again.certificate)):
        scene = at_balancer(Shake(KEYS.sending(*above), path=path))
        assert kinds(scene) == set(), above
    first = at_balancer(Shake(KEYS.sending(again.certificate, ISSUING.certificate), path=path))
    assert kinds(first) == {"expired-sent"}
