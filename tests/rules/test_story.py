"""The one sentence, as a help desk reads it: what, where, and who has to act; and never more than is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from semscheck.model.analysis import Method, Persistence
from semscheck.model.failure import Cause
from semscheck.model.observations import Certificate, Crash, Cut
from semscheck.model.target import Severity, Target
from semscheck.rules.story import WHO
from tests.rules.netscene import (
    BARE,
    CLIENT,
    FQDN,
    NAMES,
    VIP,
    Scene,
    cluster,
    connection,
    dns,
    down,
    exchange,
    handshake,
    new_id,
    path,
    serves,
)
from tests.rules.tlsscene import KEYS, ROOT, Shake
from tests.rules.tlsscene import Scene as TlsScene

ADDRESS = Target(VIP, fqdn_is_address=True)
TWO = cluster()
V6 = "2001:db8::100"
DUAL = replace(TWO, balancers=(VIP, V6))


def well(address: str, aim: Target = TWO) -> list[object]:
    """A place that serves, with a certificate that was seen and is trusted."""
    shaken = TlsScene(aim, leads_to=(VIP,))
    shaken.shake(address, Shake(KEYS, path=(ROOT.certificate,)))
    seen = [replace(each, id=new_id()) for each in shaken.observations]
    return [*seen, exchange(address)]


def spread(method: Method, persistence: Persistence, one: int = 16, other: int = 16) -> object:
    return path(method, persistence, counts={NAMES[0]: one, NAMES[1]: other}, cycle=NAMES[:2])


SENTENCES: list[tuple[str, Scene, str]] = [
    (
        "healthy, fail-over",
        Scene(TWO, well(VIP), serves(CLIENT[0]), serves(CLIENT[1]), paths=[path()]),
        "keys.example.com is healthy: all 32 new connections went to sems1.example.com, which is consistent with "
        "fail-over.",
    ),
    (
        "healthy, members not known",
        Scene(BARE, well(VIP, BARE), paths=[path(counts={"member A": 32})]),
        "keys.example.com is healthy: all 32 new connections went to one and the same server, which is consistent "
        "with fail-over.",
    ),
    (
        "healthy over both families",
        Scene(
            DUAL,
            well(VIP),
            well(V6),
            serves(CLIENT[0]),
            serves(CLIENT[1]),
            leads_to=(VIP, V6),
            paths=[path(), path(address=V6)],
        ),
        "keys.example.com is healthy: all 64 new connections went to sems1.example.com, which is consistent with "
        "fail-over.",
    ),
    (
        "healthy, one of two addresses sampled",
        Scene(
            DUAL,
            well(VIP),
            well(V6),
            serves(CLIENT[0]),
            serves(CLIENT[1]),
            leads_to=(VIP, V6),
            paths=[path()],
        ),
        "keys.example.com is healthy: all 32 new connections to 192.0.2.100 went to sems1.example.com, which is "
        "consistent with fail-over.",
    ),
    (
        "healthy, one connection not identified",
        Scene(
            TWO,
            well(VIP),
            serves(CLIENT[0]),
            serves(CLIENT[1]),
            paths=[path(counts={"sems1.example.com": 31}, samples=32)],
        ),
        "keys.example.com is healthy: 31 of 32 new connections went to sems1.example.com, which is consistent with "
        "fail-over.",
    ),
    (
        "healthy, several addresses and members not known",
        Scene(
            BARE,
            well(VIP, BARE),
            well(V6),
            leads_to=(VIP, V6),
            paths=[path(counts={"member A": 32}), path(address=V6, counts={"member A": 32})],
        ),
        "keys.example.com is healthy: new connections to each address went to one server, which is consistent "
        "with fail-over.",
    ),
    (
        "each family is steady on a member of its own",
        Scene(
            DUAL,
            well(VIP),
            well(V6),
            serves(CLIENT[0]),
            serves(CLIENT[1]),
            leads_to=(VIP, V6),
            paths=[path(), path(address=V6, counts={NAMES[1]: 32})],
        ),
        "keys.example.com leads to sems1.example.com over IPv4 (192.0.2.100) and to sems2.example.com over IPv6 "
        "(2001:db8::100), so that clients with both come to different members. To be mended by the "
        "load balancer's administrator.",
    ),
    (
        "healthy, by weight",
        Scene(
            TWO,
            well(VIP),
            serves(CLIENT[0]),
            serves(CLIENT[1]),
            paths=[spread(Method.WEIGHTED, Persistence.COOKIE, 29, 3)],
        ),
        "keys.example.com is healthy: new clients are spread by weight and kept on their server, as the vendor "
        "accepts.",
    ),
    (
        "healthy, by hand",
        Scene(
            replace(TWO, balancers=()),
            well(CLIENT[0], replace(TWO, balancers=())),
            serves(CLIENT[1]),
            leads_to=CLIENT[:1],
            paths=[path(address=CLIENT[0])],
        ),
        "keys.example.com is healthy: it leads to sems1.example.com itself, with no balancer, and clients are "
        "served.",
    ),
    (
        "an address was given",
        Scene(ADDRESS, well(VIP, ADDRESS), answers=False, paths=[path()]),
        "192.0.2.100 answers and nothing is wrong there; an address was given, so that no name was checked.",
    ),
    (
        "the profile thinks little of it",
        Scene(
            replace(TWO, severities={"BAL001": Severity.INFO}),
            well(VIP),
            serves(CLIENT[0]),
            serves(CLIENT[1]),
            paths=[spread(Method.ROTATING, Persistence.NONE)],
        ),
        "keys.example.com answers; the profile takes BAL001 for no more than worth knowing.",
    ),
    (
        "round robin",
        Scene(TWO, well(VIP), paths=[spread(Method.ROTATING, Persistence.NONE)]),
        "keys.example.com sends each new connection to another server (round robin over 2 servers), and nothing "
        "keeps a client on one. To be mended by the load balancer's administrator.",
    ),
    (
        "a standby is down",
        Scene(TWO, well(VIP), serves(CLIENT[0]), down(CLIENT[1]), paths=[path()]),
        "sems2.example.com Interface 2 (198.51.100.12:443) refuses connections from this desktop. To be mended by "
        "the server's administrator.",
    ),
    (
        "the balancer is silent",
        Scene(TWO, down(VIP, Cause.TIMED_OUT), serves(CLIENT[0]), serves(CLIENT[1])),
        "The balancer address 192.0.2.100:443 does not answer: traffic is filtered, or the host is down. To be "
        "mended by the network's administrator.",
    ),
    (
        "a run that was cancelled",
        Scene(
            TWO, well(VIP), Cut(id="k", at_s=1.0, reason="cancelled", unfinished=("names",)), paths=[path()]
        ),
        "The run was cancelled before all was measured; not finished: names.",
    ),
    (
        "a defect of ours",
        Scene(TWO, well(VIP), Crash(id="c", at_s=1.0, where="names", error="ValueError: no"), paths=[path()]),
        "The part of semscheck for names failed with a defect of its own: ValueError: no.",
    ),
    (
        "nobody sampled",
        Scene(TWO, well(VIP), serves(CLIENT[0]), serves(CLIENT[1])),
        "It cannot be said that keys.example.com is well; not measured: how new connections are spread, whether a "
        "client stays with its server (no repeated connections were made).",
    ),
]


@pytest.mark.parametrize(
    ("scene", "sentence"), [row[1:] for row in SENTENCES], ids=[row[0] for row in SENTENCES]
)
def test_the_sentence(scene: Scene, sentence: str) -> None:
    said = scene.summary.headline
    if "does not answer" in sentence:
        said = said.replace(" within 0 s", "")
    assert said == sentence


def test_the_others_are_counted() -> None:
    seen = [connection(VIP), handshake(VIP, Cause.STALLED)]
    scene = Scene(replace(TWO, balancers=(VIP,)), seen, down(CLIENT[0]), down(CLIENT[1]), paths=[])
    assert scene.summary.headline.endswith("To be mended by the network's administrator.")
    two = Scene(cluster(7), well(VIP), serves(CLIENT[0]), down(CLIENT[1]), paths=[path()])
    assert two.summary.headline.endswith("To be mended by the server's administrator. 1 more warning.")


@pytest.mark.parametrize(
    "scene",
    [
        Scene(BARE, serves(VIP), answers=False, paths=[path()]),
        Scene(BARE, serves(VIP)),
        Scene(BARE, dns()),
        Scene(BARE),
        Scene(TWO, well(VIP), Cut(id="k", at_s=1.0, reason="deadline"), paths=[path()]),
        Scene(TWO, well(VIP), paths=[path(Method.UNKNOWN, counts={}, samples=32, failed=32)]),
        Scene(TWO, well(VIP), paths=[path(Method.UNKNOWN, counts={}, samples=32)]),
    ],
)
def test_health_is_never_claimed_where_something_that_decides_it_is_missing(scene: Scene) -> None:
    assert "healthy" not in scene.summary.headline
    assert scene.summary.exit_code == 3


def test_a_name_is_shown_as_people_write_it() -> None:
    aim = Target("xn--schlssel-95a.example.com", fqdn_shown="schlüssel.example.com")
    scene = Scene(aim, well(VIP, aim))
    assert "schlüssel.example.com" in scene.summary.headline
    assert "xn--" not in scene.summary.headline


def test_everybody_who_may_have_to_act_has_words() -> None:
    from semscheck.model.findings import Owner

    assert set(WHO) == set(Owner)


def test_every_sentence_is_one_line_and_ends() -> None:
    for _, scene, _ in SENTENCES:
        assert "\n" not in scene.summary.headline
        assert scene.summary.headline.endswith(".")
        assert (
            FQDN in scene.summary.headline
            or scene.summary.verdict != "ok"
            or scene.snapshot.target is ADDRESS
        )


def test_the_scene_has_a_certificate() -> None:
    assert any(isinstance(each, Certificate) for each in well(VIP))
