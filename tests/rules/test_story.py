"""The first five lines, as a help desk reads them: what users notice, why, who acts; and never more than is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from semscheck.model.analysis import Method, Persistence
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import ImpactKind, Owner
from semscheck.model.observations import Certificate, Crash, Cut
from semscheck.model.target import Severity, Target
from semscheck.rules.story import ONE_DESKTOP, first_step, mid_sentence
from tests.rig.certs import Issued
from tests.rules.netscene import (
    BARE,
    CLIENT,
    FQDN,
    NAMES,
    NOW,
    VIP,
    Scene,
    cluster,
    dns,
    down,
    exchange,
    new_id,
    path,
    sample,
    serves,
)
from tests.rules.tlsscene import ISSUING, KEYS, ROOT, Shake
from tests.rules.tlsscene import Scene as TlsScene

ADDRESS = Target(VIP, fqdn_is_address=True)
TWO = cluster()
V6 = "2001:db8::100"
OTHER = "192.0.2.101"
DUAL = replace(TWO, balancers=(VIP, V6))


NUMBERED = ISSUING.issue(FQDN, (FQDN, VIP))  # names the address too


def well(address: str, aim: Target = TWO) -> list[object]:
    """A place that serves, with a certificate that was seen and is trusted."""
    shaken = TlsScene(aim, leads_to=(VIP,))
    shown = NUMBERED if aim.fqdn_is_address else KEYS
    shaken.shake(address, Shake(shown, path=(ROOT.certificate,)))
    seen = [replace(each, id=new_id()) for each in shaken.observations]
    return [*seen, exchange(address)]


def spread(method: Method, persistence: Persistence, one: int = 16, other: int = 16) -> object:
    return path(method, persistence, counts={NAMES[0]: one, NAMES[1]: other}, cycle=NAMES[:2])


SENTENCES: list[tuple[str, Scene, str]] = [
    (
        "healthy, fail-over",
        Scene(TWO, well(VIP), serves(CLIENT[0]), serves(CLIENT[1]), paths=[path()]),
        f"No fault found: sems1.example.com answered all 32 connections to keys.example.com. {ONE_DESKTOP}",
    ),
    (
        "healthy, members not known",
        Scene(BARE, well(VIP, BARE), paths=[path(counts={"member A": 32})]),
        "No fault found: one and the same server answered all 32 connections to keys.example.com. "
        f"{ONE_DESKTOP}",
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
        f"No fault found: sems1.example.com answered all 64 connections to keys.example.com. {ONE_DESKTOP}",
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
        "No fault found: sems1.example.com answered all 32 connections to keys.example.com at 192.0.2.100. "
        f"{ONE_DESKTOP}",
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
        f"No fault found: sems1.example.com answered 31 of 32 connections to keys.example.com. {ONE_DESKTOP}",
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
        f"No fault found: one server answered at each address of keys.example.com. {ONE_DESKTOP}",
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
        "Users notice nothing yet: keys.example.com leads to sems1.example.com over IPv4 (192.0.2.100) and "
        "to sems2.example.com over IPv6 (2001:db8::100), so that clients with both come to different members.",
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
        "No fault found: keys.example.com spreads new clients by weight and keeps each on its server, as the "
        "vendor accepts.",
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
        "No fault found: keys.example.com leads to sems1.example.com itself, with no load balancer, and "
        "clients are served.",
    ),
    (
        "an address was given",
        Scene(ADDRESS, well(VIP, ADDRESS), answers=False, paths=[path()]),
        "No fault found: 192.0.2.100 answers; an address was given, so no name was checked.",
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
        "No fault found: keys.example.com answers; the profile counts BAL001 as information only.",
    ),
    (
        "round robin",
        Scene(TWO, well(VIP), paths=[spread(Method.ROTATING, Persistence.NONE)]),
        "Users connect, but lose their session: keys.example.com sends every new connection to the next server "
        "(round robin, 2 servers) and has no persistence: users get logged out.",
    ),
    (
        "a standby is down",
        Scene(TWO, well(VIP), serves(CLIENT[0]), down(CLIENT[1]), paths=[path()]),
        "Users can work, but no redundancy is left: only 1 of 2 servers can serve: sems2.example.com Interface 2 "
        "(198.51.100.12:443) refuses connections from this desktop.",
    ),
    (
        "the balancer is silent",
        Scene(TWO, down(VIP, Cause.TIMED_OUT), serves(CLIENT[0]), serves(CLIENT[1])),
        "Users cannot connect (tested from this desktop): The load balancer address 192.0.2.100:443 does not answer, "
        "although the servers behind it answer this desktop when they are asked directly.",
    ),
    (
        "a run that was cancelled",
        Scene(
            TWO, well(VIP), Cut(id="k", at_s=1.0, reason="cancelled", unfinished=("names",)), paths=[path()]
        ),
        "Cancelled; only a part was tested: The run was cancelled before everything was tested; not finished: "
        "names.",
    ),
    (
        "a defect of ours",
        Scene(TWO, well(VIP), Crash(id="c", at_s=1.0, where="names", error="ValueError: no"), paths=[path()]),
        "Users can connect; not everything could be tested: A part of semscheck (names) failed with a "
        "defect of its own: ValueError: no.",
    ),
    (
        "nobody sampled",
        Scene(TWO, well(VIP), serves(CLIENT[0]), serves(CLIENT[1])),
        "Users can connect; not everything could be tested: Not tested at keys.example.com: "
        "how new connections are spread, whether a client stays with its server (no repeated "
        "connections were made).",
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
    assert "No fault found" not in scene.summary.headline
    assert scene.summary.exit_code == 3


def test_a_name_is_shown_as_people_write_it() -> None:
    aim = Target("xn--schlssel-95a.example.com", fqdn_shown="schlüssel.example.com")
    scene = Scene(aim, well(VIP, aim))
    assert "schlüssel.example.com" in scene.summary.headline
    assert "xn--" not in scene.summary.headline


def test_every_sentence_is_one_line_and_ends() -> None:
    for _, scene, _ in SENTENCES:
        assert "\n" not in scene.summary.headline
        assert scene.summary.headline.endswith((".", ".)"))
        assert (
            FQDN in scene.summary.headline
            or scene.summary.verdict != "ok"
            or scene.snapshot.target is ADDRESS
        )


def test_the_scene_has_a_certificate() -> None:
    assert any(isinstance(each, Certificate) for each in well(VIP))


def lines_of(scene: Scene) -> tuple[str, str, tuple[Owner, ...], str]:
    said = scene.summary
    assert said.impact is not None
    return said.impact.kind.value, said.impact.sentence, said.owners, said.also


EXPIRED = NOW - timedelta(days=3)
SOON = NOW + timedelta(days=9)
NO_NAMES = ISSUING.issue(FQDN, ())


def presenting(
    address: str, aim: Target = TWO, *, ends: datetime | None = None, shown: Issued = KEYS
) -> list[object]:
    """A place that serves pages behind this certificate. ends: of the server's certificate, in place of its own."""
    shaken = TlsScene(aim, leads_to=(VIP,))
    shaken.shake(address, Shake(shown, path=(ROOT.certificate,)))
    seen = [replace(each, id=new_id()) for each in shaken.observations]
    dated = [
        replace(each, not_before=ends - timedelta(days=90), not_after=ends)
        if ends and isinstance(each, Certificate) and each.dns_names
        else each
        for each in seen
    ]
    return [*dated, exchange(address)]


def drawn(address: str, *, failed: int, made: int = 32) -> list[object]:
    """New connections of which the first ones fail."""
    return [sample(address, Cause.RESET if n < failed else None, Phase.TLS, index=n) for n in range(made)]


BALANCER, SERVER = (Owner.BALANCER,), (Owner.SERVER,)
UP = [serves(address) for address in CLIENT[:2]]
NAME_ONLY = (
    "only the name was tested, not each server behind it: "
    "run `semscheck init keys.example.com --save`, then check again"
)
KINDS: list[tuple[str, Scene, tuple[str, str, tuple[Owner, ...], str]]] = [
    (
        "the name does not exist",
        Scene(BARE, dns(rcode="NXDOMAIN"), leads_to=()),
        ("nobody-connects", "Users cannot connect (tested from this desktop).", (Owner.DNS,), ""),
    ),
    (
        "nothing listens where the name leads",
        Scene(BARE, down(VIP)),
        ("nobody-connects", "Users cannot connect (tested from this desktop).", SERVER, ""),
    ),
    (
        "the certificate that everybody is shown has expired",
        Scene(BARE, presenting(VIP, BARE, ends=EXPIRED), paths=[path()]),
        ("nobody-connects", "Every connection shows a certificate error.", SERVER, NAME_ONLY),
    ),
    (
        "another site answers",
        Scene(TWO, well(VIP)[:-1], exchange(VIP, "Welcome to nginx!"), *UP, paths=[path()]),
        ("nobody-connects", "Users do not reach the server: something else answers.", BALANCER, ""),
    ),
    (
        "an error page, and no other site",
        Scene(TWO, well(VIP)[:-1], exchange(VIP, "Bad Gateway", status=502), *UP, paths=[path()]),
        ("nobody-connects", "Users connect, but get no usable page.", BALANCER, ""),
    ),
    (
        "one of the name's two addresses shows an expired certificate",
        Scene(
            replace(TWO, balancers=(VIP, OTHER)),
            presenting(VIP),
            presenting(OTHER, ends=EXPIRED, shown=ISSUING.issue(FQDN)),
            *UP,
            leads_to=(VIP, OTHER),
            paths=[path()],
        ),
        (
            "some-fail",
            "A certificate error shows at 1 of the 2 addresses of the name.",
            SERVER,
            "1 warning: the name has several addresses, for the DNS administrator",
        ),
    ),
    (
        "one of the name's two addresses is dead",
        Scene(
            replace(TWO, balancers=(VIP, OTHER)),
            well(VIP),
            down(OTHER),
            *UP,
            leads_to=(VIP, OTHER),
            paths=[path()],
        ),
        (
            "some-fail",
            "Connections fail at 1 of the 2 addresses of the name.",
            BALANCER,
            "1 warning: the name has several addresses, for the DNS administrator",
        ),
    ),
    (
        "a server of the pool is down",
        Scene(
            TWO,
            well(VIP),
            serves(CLIENT[0]),
            down(CLIENT[1]),
            drawn(VIP, failed=11),
            paths=[path(samples=32, failed=11, errors=11)],
        ),
        ("some-fail", "Some connections fail (11 of 32).", (Owner.SERVER, Owner.BALANCER), ""),
    ),
    (
        "a server of the pool is down, and nothing keeps clients",
        Scene(
            TWO,
            well(VIP),
            serves(CLIENT[0]),
            down(CLIENT[1]),
            drawn(VIP, failed=11),
            paths=[path(Method.ROTATING, Persistence.NONE, samples=32, failed=11, errors=11)],
        ),
        (
            "some-fail",
            "Some connections fail (11 of 32), and users lose their session.",
            (Owner.SERVER, Owner.BALANCER),
            "1 critical: round robin without persistence, for the load balancer administrator",
        ),
    ),
    (
        "round robin",
        Scene(TWO, well(VIP), *UP, paths=[spread(Method.ROTATING, Persistence.NONE)]),
        ("sessions-lost", "Users connect, but lose their session.", BALANCER, ""),
    ),
    (
        "browsers refuse the certificate",
        Scene(
            BARE,
            presenting(VIP, BARE, shown=NO_NAMES),
            paths=[path()],
        ),
        ("some-clients-cannot", "Some kinds of clients cannot connect; others can.", SERVER, NAME_ONLY),
    ),
    (
        "a standby is down",
        Scene(TWO, well(VIP), serves(CLIENT[0]), down(CLIENT[1]), paths=[path()]),
        (
            "no-redundancy",
            "Users can work, but no redundancy is left: only 1 of 2 servers can serve.",
            SERVER,
            "",
        ),
    ),
    (
        "a standby's certificate has expired",
        Scene(
            TWO,
            well(VIP),
            serves(CLIENT[0]),
            presenting(CLIENT[1], ends=EXPIRED, shown=ISSUING.issue(FQDN)),
            paths=[path()],
        ),
        (
            "no-redundancy",
            "Users can work, but no redundancy is left: only 1 of 2 servers can serve.",
            SERVER,
            "1 warning: load balancer presents another certificate, for the load balancer administrator",
        ),
    ),
    (
        "the certificate expires soon",
        Scene(
            TWO,
            presenting(VIP, ends=SOON),
            *UP,
            paths=[path()],
        ),
        ("until-date", "Users can connect until 2026-12-01 12:00 UTC (9 more days).", SERVER, ""),
    ),
    (
        "IPv6 leads nowhere, and clients fall back",
        Scene(DUAL, well(VIP), down(V6, Cause.TIMED_OUT), *UP, leads_to=(VIP, V6), paths=[path()]),
        ("slow", "Users connect, but slowly.", (Owner.DNS,), ""),
    ),
    (
        "seven members",
        Scene(cluster(7), well(VIP), *(serves(each) for each in CLIENT), paths=[path()]),
        ("nothing-noticed", "Users notice nothing yet.", SERVER, ""),
    ),
    (
        "nothing is wrong",
        Scene(TWO, well(VIP), *UP, paths=[path()]),
        ("nothing-noticed", "No fault found.", (), ""),
    ),
    (
        "who answers cannot be told",
        Scene(TWO, well(VIP), *UP, paths=[path(Method.UNKNOWN, counts={}, samples=32)]),
        ("not-tested", "Users can connect; not everything could be tested.", (), ""),
    ),
    (
        "an unknown does not hide what was found",
        Scene(
            TWO,
            well(VIP),
            serves(CLIENT[0]),
            down(CLIENT[1]),
            paths=[path(Method.UNKNOWN, counts={}, samples=32)],
        ),
        (
            "no-redundancy",
            "Users can work, but no redundancy is left: only 1 of 2 servers can serve.",
            SERVER,
            "load balancing could not be determined: ",
        ),
    ),
    (
        "cancelled, with something found",
        Scene(TWO, down(VIP), *UP, Cut(id="k", at_s=1.0, reason="cancelled", unfinished=("names",))),
        ("not-tested", "Cancelled; only a part was tested.", (), "1 critical: connection refused"),
    ),
    (
        "no network",
        Scene(
            BARE,
            dns(failure=Failure(Phase.RESOLVE, Cause.TIMED_OUT)),
            down(VIP, Cause.TIMED_OUT),
            answers=False,
        ),
        ("nobody-connects", "Users cannot connect (tested from this desktop).", (Owner.DESKTOP,), ""),
    ),
]


@pytest.mark.parametrize(("scene", "expected"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS])
def test_the_lines(scene: Scene, expected: tuple[str, str, tuple[Owner, ...], str]) -> None:
    kind, sentence, owners, also = lines_of(scene)
    assert (kind, sentence, owners) == expected[:3]
    assert also == expected[3] or (expected[3].endswith(": ") and also.startswith(expected[3]))


def test_every_kind_of_impact_has_a_row() -> None:
    assert {row[2][0] for row in KINDS} == {kind.value for kind in ImpactKind}


def test_the_numbers_stand_beside_the_sentence() -> None:
    rows = {row[0]: row[1].summary.impact for row in KINDS}
    pool, standby, soon = (
        rows["a server of the pool is down"],
        rows["a standby is down"],
        rows["the certificate expires soon"],
    )
    assert pool is not None
    assert (pool.failed, pool.connections) == (11, 32)
    assert standby is not None
    assert (standby.serving, standby.servers) == (1, 2)
    assert soon is not None
    assert soon.until == SOON


def test_the_lead_is_the_finding_that_is_told_of() -> None:
    scene = {row[0]: row[1] for row in KINDS}["a server of the pool is down"]
    lead = scene.summary.lead
    assert lead is not None
    assert scene.findings[lead].code == "NET001"
    assert scene.summary.cause.endswith("; the load balancer still sends clients there.")


@pytest.mark.parametrize(
    ("remedy", "step"),
    [
        ("Restart it.", "Restart it."),
        ("1. Restart the services.\n2. Take it out of the pool.", "Restart the services."),
        ("- Look.\n- Think.", "Look."),
        ("1. Do 2. and - 3. again.", "Do 2. and - 3. again."),
        (f"Do this. {'And then that. ' * 15}", "Do this."),
        ("", ""),
    ],
)
def test_the_first_step(remedy: str, step: str) -> None:
    assert first_step(remedy) == step


@pytest.mark.parametrize(
    ("title", "within"),
    [
        ("Round robin", "round robin"),
        ("Old TLS version", "old TLS version"),
        ("Common Name differs", "Common Name differs"),
        ("Interface 1 certificate has the wrong name", "Interface 1 certificate has the wrong name"),
        ("TLS ends", "TLS ends"),
    ],
)
def test_titles_within_a_sentence_keep_the_names_of_fields(title: str, within: str) -> None:
    assert mid_sentence(title) == within
