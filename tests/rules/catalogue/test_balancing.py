"""BAL: what the spreading of connections means; each row is an analysed path, and exactly the codes expected."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from semscheck.analysis.balancing.cookies import BalancerVendor
from semscheck.analysis.balancing.termination import vendor_hint
from semscheck.model.analysis import BalancingPath, Method, Persistence, Termination
from semscheck.model.findings import Confidence, State
from semscheck.model.observations import AnyObservation
from semscheck.model.target import Severity, Target
from semscheck.model.vendors import GENERAL, VENDORS, words_for
from tests.rules.netscene import BARE, CLIENT, FQDN, NAMES, VIP, Scene, cluster, down, path, serves

M, P, T = Method, Persistence, Termination
THREE = cluster(3)
EVEN = {NAMES[0]: 11, NAMES[1]: 11, NAMES[2]: 10}
TWO_OF_THREE = {NAMES[0]: 16, NAMES[1]: 16}
WEIGHTS = {NAMES[0]: 27, NAMES[1]: 3, NAMES[2]: 2}


def spread(method: Method, persistence: Persistence = P.NONE, **more: object) -> BalancingPath:
    data: dict[str, object] = {
        "counts": WEIGHTS if method is M.WEIGHTED else EVEN,
        "termination": T.PASS_THROUGH,
        **more,
    }
    return path(method, persistence, **data)


def steady(**more: object) -> BalancingPath:
    return path(**{"termination": T.PASS_THROUGH, **more})


@dataclass(frozen=True, slots=True)
class Row:
    case: str
    path: BalancingPath
    codes: set[str]
    target: Target = THREE
    seen: list[AnyObservation] = field(default_factory=list)
    roots: set[str] | None = None  # None: the same as the codes


ROWS = (
    # one member
    Row("always one member", steady(), {"BAL009"}),
    Row("always one member, TLS ends in front", steady(termination=T.TERMINATED), {"BAL009", "BAL010"}),
    Row(
        "one member, a cookie that tells where it is",
        steady(cookies=("SRV",), discloses=("SRV: 10.0.0.1",)),
        {"BAL009", "BAL011"},
    ),
    Row("one member, and some errors", steady(errors=3), {"BAL009", "BAL012"}),
    Row("one of three says nothing of the others", steady(), {"BAL009"}, seen=serves(CLIENT[2])),
    # spread, nothing keeps
    Row("a cycle", spread(M.ROTATING), {"BAL001"}),
    Row("even, no cycle", spread(M.EVEN), {"BAL002"}),
    Row("by weight", spread(M.WEIGHTED), {"BAL003"}),
    # spread, something keeps
    Row("a cycle, a cookie keeps", spread(M.ROTATING, P.COOKIE), {"BAL004"}),
    Row("even, a cookie keeps", spread(M.EVEN, P.COOKIE), {"BAL004"}),
    Row("even, the source keeps", spread(M.EVEN, P.SOURCE_ADDRESS), {"BAL004"}),
    Row("by weight, a cookie keeps", spread(M.WEIGHTED, P.COOKIE), {"BAL005"}),
    Row("even, the TLS session keeps", spread(M.EVEN, P.TLS_SESSION), {"BAL004", "BAL013"}),
    Row("by weight, the TLS session keeps", spread(M.WEIGHTED, P.TLS_SESSION), {"BAL005", "BAL013"}),
    # what was promised and not kept
    Row("a balancer's cookie that is not honoured", spread(M.ROTATING, persistence_lost=True), {"BAL006"}),
    Row(
        "mostly kept, and lost now and then",
        spread(M.EVEN, P.COOKIE, persistence_lost=True),
        {"BAL004", "BAL006"},
    ),
    Row("one member: nobody was moved", steady(persistence_lost=True), {"BAL009"}),
    # per request
    Row(
        "requests move with connections",
        spread(M.ROTATING, requests=8, requests_moved=6, termination=T.TERMINATED),
        {"BAL001", "BAL007", "BAL010"},
        roots={"BAL001", "BAL010"},
    ),
    Row(
        "requests move by weight",
        spread(M.WEIGHTED, requests=8, requests_moved=1, termination=T.TERMINATED),
        {"BAL003", "BAL007", "BAL010"},
        roots={"BAL003", "BAL010"},
    ),
    Row(
        "requests move though connections do not",
        steady(requests=8, requests_moved=4, termination=T.TERMINATED),
        {"BAL007", "BAL009", "BAL010"},
    ),
    Row("requests stay", spread(M.ROTATING, requests=8, termination=T.TERMINATED), {"BAL001", "BAL010"}),
    # not known
    Row("members look the same", path(M.UNKNOWN, P.UNKNOWN, counts={}, samples=32), {"BAL008"}),
    Row("spread, and what keeps is not known", spread(M.EVEN, P.UNKNOWN), {"BAL008"}),
    Row("every connection failed", path(M.UNKNOWN, P.UNKNOWN, counts={}, samples=32, failed=32), set()),
    # errors
    Row("errors on part", spread(M.ROTATING, errors=2), {"BAL001", "BAL012"}),
    Row(
        "an error in three connections is too few to say", steady(counts={NAMES[0]: 3}, errors=1), {"BAL009"}
    ),
    # not in the pool
    Row(
        "a member that was never chosen",
        spread(M.ROTATING, P.COOKIE, counts=TWO_OF_THREE),
        {"BAL004", "BAL015"},
        seen=[each for where in CLIENT[:3] for each in serves(where)],
    ),
    Row(
        "even, and the third was not met in 32",
        spread(M.EVEN, P.COOKIE, counts=TWO_OF_THREE),
        {"BAL004", "BAL015"},
        seen=[each for where in CLIENT[:3] for each in serves(where)],
    ),
    Row(
        "even, and eight connections miss a third by chance",
        spread(M.EVEN, P.COOKIE, counts={NAMES[0]: 4, NAMES[1]: 4}),
        {"BAL004"},
        seen=[each for where in CLIENT[:3] for each in serves(where)],
    ),
    Row(
        "the third is down, and rightly not chosen",
        spread(M.ROTATING, P.COOKIE, counts=TWO_OF_THREE),
        {"BAL004"},
        seen=[*serves(CLIENT[0]), *serves(CLIENT[1]), *down(CLIENT[2])],
    ),
    Row(
        "weights may starve one",
        spread(M.WEIGHTED, P.COOKIE, counts={NAMES[0]: 30, NAMES[1]: 2}),
        {"BAL005"},
        seen=[each for where in CLIENT[:3] for each in serves(where)],
    ),
    Row(
        "members that were found without a profile are nobody's",
        spread(M.ROTATING, P.COOKIE, counts={"member A": 16, "member B": 16}),
        {"BAL004"},
        seen=[each for where in CLIENT[:3] for each in serves(where)],
    ),
    Row("members not known", spread(M.ROTATING, counts={"member A": 16, "member B": 16}), {"BAL001"}, BARE),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_exactly_these_codes(row: Row) -> None:
    scene = Scene(row.target, serves(VIP), row.seen, paths=[row.path])
    assert scene.codes("BAL") == row.codes
    assert scene.roots("BAL") == (row.codes if row.roots is None else row.roots)


def test_every_rule_of_the_family_fires_somewhere_but_the_one_of_comparisons() -> None:
    fired = set().union(*(row.codes for row in ROWS))
    assert fired == {f"BAL{number:03}" for number in range(1, 16)} - {"BAL014"}


ALL = tuple(f"BAL{number:03}" for number in range(1, 16))


@pytest.mark.parametrize(
    ("scene", "why"),
    [
        (Scene(THREE, leads_to=()), "the FQDN has no address"),
        (Scene(THREE, down(VIP)), "nothing at the FQDN's addresses serves clients"),
        (Scene(THREE, serves(VIP)), "no repeated connections were made"),
    ],
)
@pytest.mark.parametrize("code", [code for code in ALL if code != "BAL014"])
def test_not_observed(scene: Scene, why: str, code: str) -> None:
    assert (scene.state(code), scene.why(code)) == (State.NOT_OBSERVED, why)


def test_one_report_alone_cannot_tell_sites_apart() -> None:
    scene = Scene(THREE, serves(VIP), paths=[steady()])
    assert scene.state("BAL014") is State.NOT_OBSERVED
    assert "several desktops" in scene.why("BAL014")


@pytest.mark.parametrize(
    "code", ["BAL001", "BAL002", "BAL003", "BAL004", "BAL005", "BAL006", "BAL013", "BAL015"]
)
def test_who_is_not_known_leaves_the_rest_open(code: str) -> None:
    unknown = path(
        M.UNKNOWN, P.UNKNOWN, counts={}, samples=32, why_unknown="the members share their ticket keys"
    )
    scene = Scene(THREE, serves(VIP), paths=[unknown])
    assert scene.state(code) is State.NOT_OBSERVED
    assert scene.why(code) == "who answered is not known: the members share their ticket keys"


@pytest.mark.parametrize("code", ["BAL001", "BAL002", "BAL003", "BAL004", "BAL005", "BAL006", "BAL013"])
def test_what_keeps_is_not_known_leaves_the_rest_open(code: str) -> None:
    scene = Scene(THREE, serves(VIP), paths=[spread(M.EVEN, P.UNKNOWN)])
    assert scene.state(code) is State.NOT_OBSERVED


@pytest.mark.parametrize(
    "code",
    [
        "BAL001",
        "BAL002",
        "BAL003",
        "BAL004",
        "BAL005",
        "BAL006",
        "BAL007",
        "BAL008",
        "BAL012",
        "BAL013",
        "BAL015",
    ],
)
def test_always_one_member_passes(code: str) -> None:
    assert Scene(THREE, serves(VIP), paths=[steady()]).state(code) is State.PASS


def test_where_tls_ends_may_not_be_known() -> None:
    scene = Scene(THREE, serves(VIP), paths=[steady(termination=T.UNKNOWN)])
    assert scene.state("BAL010") is State.NOT_OBSERVED
    assert scene.why("BAL011") == "no cookies were seen"


def test_each_connection_that_failed_makes_the_run_unknown_not_well() -> None:
    dead = path(M.UNKNOWN, P.UNKNOWN, counts={}, samples=32, failed=32)
    assert Scene(THREE, serves(VIP), paths=[dead]).summary.exit_code == 3


@pytest.mark.parametrize(
    ("found", "code", "severity"),
    [
        (spread(M.ROTATING), "BAL001", Severity.CRITICAL),
        (spread(M.EVEN), "BAL002", Severity.CRITICAL),
        (spread(M.WEIGHTED), "BAL003", Severity.WARNING),
        (spread(M.EVEN, P.COOKIE), "BAL004", Severity.WARNING),
        (spread(M.WEIGHTED, P.COOKIE), "BAL005", Severity.INFO),
        (spread(M.EVEN, persistence_lost=True), "BAL006", Severity.CRITICAL),
        (steady(requests=8, requests_moved=1), "BAL007", Severity.CRITICAL),
        (path(M.UNKNOWN, P.UNKNOWN, counts={}, samples=9), "BAL008", Severity.UNKNOWN),
        (steady(), "BAL009", Severity.INFO),
        (steady(termination=T.TERMINATED), "BAL010", Severity.INFO),
        (steady(discloses=("SRV: 10.0.0.1",)), "BAL011", Severity.INFO),
        (steady(errors=16), "BAL012", Severity.WARNING),  # half is not over half
        (steady(errors=17), "BAL012", Severity.CRITICAL),
        (spread(M.EVEN, P.TLS_SESSION), "BAL013", Severity.WARNING),
    ],
)
def test_severities(found: BalancingPath, code: str, severity: Severity) -> None:
    assert Scene(THREE, serves(VIP), paths=[found]).only(code).severity is severity


@pytest.mark.parametrize("code", ["BAL001", "BAL002", "BAL003"])
def test_what_was_only_inferred_is_likely(code: str) -> None:
    method = {"BAL001": M.ROTATING, "BAL002": M.EVEN, "BAL003": M.WEIGHTED}[code]
    sure = Scene(THREE, serves(VIP), paths=[spread(method)]).only(code)
    inferred = Scene(THREE, serves(VIP), paths=[spread(method, certain=False)]).only(code)
    assert (sure.confidence, inferred.confidence) == (Confidence.CERTAIN, Confidence.LIKELY)


def test_what_a_steady_path_still_allows_is_said_with_its_bound() -> None:
    finding = Scene(THREE, serves(VIP), paths=[steady(sources=2)]).only("BAL009")
    assert "at most 8.9 % go elsewhere (95 % confidence)" in finding.summary
    assert "from 2 addresses of this desktop" in finding.summary
    assert finding.args["member"] == NAMES[0]


def test_what_to_supply_depends_on_what_is_known() -> None:
    unknown = path(M.UNKNOWN, P.UNKNOWN, counts={}, samples=32)
    without = Scene(BARE, serves(VIP), paths=[unknown]).only("BAL008").remedy
    given = Scene(THREE, serves(VIP), paths=[unknown]).only("BAL008").remedy
    assert "semscheck init" in without
    assert "semscheck init" not in given
    assert "compare" in given


def test_each_address_is_judged_and_named() -> None:
    other = "192.0.2.101"
    paths = [steady(), spread(M.ROTATING, address=other)]
    scene = Scene(THREE, serves(VIP), serves(other), leads_to=(VIP, other), paths=paths)
    assert {(f.code, f.subject.address) for f in scene.findings if f.code.startswith("BAL")} == {
        ("BAL009", VIP),
        ("BAL001", other),
    }
    assert f"{FQDN} at {other}" in scene.only("BAL001").summary


def test_shares_are_shown_with_their_intervals() -> None:
    finding = Scene(THREE, serves(VIP), paths=[spread(M.WEIGHTED)]).only("BAL003")
    assert f"{NAMES[0]} 84 % (10–90 %)" in finding.summary


@pytest.mark.parametrize("vendor", [*BalancerVendor, None])
def test_the_maker_that_was_seen_has_its_words_in_the_remedy_and_in_the_hint(vendor: str | None) -> None:
    words, hint = words_for(vendor), vendor_hint(vendor)
    spoken = vendor not in (
        None,
        "Pulse/Ivanti vTM",
        "Radware Alteon",
        "Oracle Cloud load balancer",
        "Imperva",
    )
    assert (words is not GENERAL) == spoken
    assert words.failover in hint
    assert words.source in hint
    remedy = Scene(THREE, serves(VIP), paths=[spread(M.ROTATING, vendor=vendor)]).only("BAL001").remedy
    assert words.failover[1:] in remedy


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("code", ["BAL001", "BAL003", "BAL012"])
def test_remedies_speak_the_words_of_the_vendor_that_the_profile_names(vendor: str, code: str) -> None:
    method = M.WEIGHTED if code == "BAL003" else M.ROTATING
    aim = replace(THREE, balancer_vendor=vendor)
    told = Scene(aim, serves(VIP), paths=[replace(spread(method), errors=9)]).only(code).remedy
    general = Scene(THREE, serves(VIP), paths=[replace(spread(method), errors=9)]).only(code).remedy
    assert told != general
    lines = told.split("\n")
    assert len(set(lines)) == len(lines)
    words = VENDORS[vendor]
    wanted = {"BAL001": words.failover, "BAL003": words.source, "BAL012": words.health}[code]
    assert wanted[1:] in told


def test_the_vendor_that_was_seen_is_spoken_to_and_a_cookie_only_where_tls_ends_there() -> None:
    seen = spread(M.ROTATING, vendor="F5 BIG-IP", termination=Termination.TERMINATED)
    assert "Profile to cookie" in Scene(THREE, serves(VIP), paths=[seen]).only("BAL001").remedy
    through = replace(seen, termination=Termination.PASS_THROUGH)
    assert "Profile to source_addr" in Scene(THREE, serves(VIP), paths=[through]).only("BAL001").remedy


def test_a_balancer_that_answers_with_errors_only_is_broken_not_unknown() -> None:
    errors = path(M.UNKNOWN, P.UNKNOWN, counts={}, samples=32, errors=32)
    scene = Scene(THREE, serves(VIP), serves(CLIENT[0]), paths=[errors])
    assert scene.only("BAL012").severity is Severity.CRITICAL
    assert scene.only("BAL012").summary.startswith("All 32 new connections to ")
    assert "BAL008" not in scene.codes()


@pytest.mark.parametrize(
    ("method", "code"), [(M.ROTATING, "BAL001"), (M.EVEN, "BAL002"), (M.WEIGHTED, "BAL003")]
)
@pytest.mark.parametrize("by", ["pairs", "tls-session"])
def test_a_verdict_from_pairs_says_what_would_look_the_same(method: M, code: str, by: str) -> None:
    found = replace(spread(method, P.NONE), identified_by=by)
    told = Scene(THREE, serves(VIP), paths=[found]).only(code)
    assert ("several load-balancer nodes" in told.summary) is (by == "pairs")


@pytest.mark.parametrize(
    ("more", "confidence"),
    [
        ({"counts": {}, "termination_evidence": ("TLS sessions are recognised by no member",)}, "likely"),
        ({"counts": EVEN, "termination_evidence": ("TLS sessions are recognised by no member",)}, "certain"),
        ({"counts": {}, "cookies_in_front": True}, "certain"),
    ],
)
def test_a_server_that_the_profile_leaves_out_is_no_end_of_tls(
    more: dict[str, object], confidence: str
) -> None:
    found = path(M.UNKNOWN, P.UNKNOWN, termination=T.TERMINATED, **more)
    told = Scene(THREE, serves(VIP), paths=[found]).only("BAL010")
    assert told.confidence.value == confidence
    assert ("a server that the profile does not name" in told.summary) is (confidence == "likely")
