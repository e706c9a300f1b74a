"""Method, persistence and termination, from runs laid out connection by connection."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semscheck.analysis import analyse
from semscheck.analysis.balancing.paths import paths
from semscheck.model.analysis import BalancingPath
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import Connection, Control, Handshake, Sample, ShownAs, Trace
from semscheck.pipeline import judge_snapshot
from tests.analysis.balancing.connections import NAMES, PORT, VIP, Story, address, set_cookies
from tests.rig.policy import examples

RANDOM = "312231122313321231121332231213"


def known(*names: str) -> Story:
    return Story(*(names or NAMES)).controls()


# --- the method, members known -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owners", "method"),
    [
        ("1" * 32, "single"),
        ("1" * 4, "single"),
        ("1" * 3, "unknown"),
        ("231" * 4, "rotating"),
        ("23-1" * 4, "rotating"),  # a lost one between them took no turn
        ("2-1" * 6, "rotating"),  # a dead member took its turn
        ("12" * 4, "rotating"),
        ("121213" * 5, "weighted"),
        ("1122" * 5, "even"),
        (RANDOM, "even"),
        ("1" * 29 + "2" + "11", "weighted"),
        ("1" * 16 + "2" * 16, "unknown"),  # a fail-over while it ran
        ("-" * 8, "unknown"),
    ],
)
def test_the_method(owners: str, method: str) -> None:
    story = known()
    story.fresh(owners)
    path = story.path()
    assert path.method == method, path
    assert path.samples == len(owners)
    assert path.identified == sum(who.isdigit() for who in owners)
    assert [who.removeprefix("sems") if who else "-" for who in path.arms[0].members] == list(owners)


# "-" fails, "?" is answered by a server that no member's token names.
@pytest.mark.parametrize(
    ("owners", "method", "members"),
    [
        ("1-" * 16, "rotating", 2),
        ("12-" * 5, "rotating", 3),
        ("1--" * 8, "rotating", 3),
        ("1" * 29 + "-1-", "single", 0),
        ("1" * 20 + "-" * 12, "unknown", 0),
        ("11-1--111-1-11--1-111--111-1-11-", "unknown", 0),
    ],
)
def test_a_pool_with_a_member_that_does_not_answer(owners: str, method: str, members: int) -> None:
    story = known()
    story.fresh(owners)
    path = story.path()
    assert (path.method, len(path.cycle)) == (method, members), path
    assert (path.other_share_at_most is None) is (method != "single")
    if method == "single":
        assert path.other_share_at_most == pytest.approx(0.184, abs=0.001)  # 2 of 32 may have gone elsewhere
    if method == "unknown":
        assert "failed" in (path.why_unknown or "")


@pytest.mark.parametrize(
    ("owners", "mute", "method"),
    [
        ("1" * 31 + "m", (), "single"),
        ("1" * 31 + "m", ("sems2",), "unknown"),
        ("1" * 14 + "m" + "1" * 15 + "mm", (), "unknown"),
        ("1" * 32, ("sems2",), "single"),
        ("1m" * 16, ("sems2",), "rotating"),
        ("1m3" * 5, ("sems2",), "rotating"),
    ],
)
def test_connections_that_nothing_identifies(owners: str, mute: tuple[str, ...], method: str) -> None:
    """A member that gives no TLS session may be behind each of them."""
    story = Story(*NAMES)
    for one in NAMES:
        story.control(one, one, one not in mute)
    for who in owners:
        if who == "m":
            story.connection(token=False)
        else:
            story.fresh(who)
    path = story.path()
    assert path.method == method, path
    if method == "rotating":
        assert "a server that was not identified" in path.cycle


@pytest.mark.parametrize(("shown", "method"), [("2" * 32, "unknown"), ("12" * 16, "rotating")])
def test_a_weak_sign_names_members_only_where_it_shows_several(shown: str, method: str) -> None:
    """What ends TLS in front writes a Server of its own, and one member's happens to be the same."""
    story = Story("sems1", "sems2")
    for number in "12":
        story.page(address(f"sems{number}"), also=(("Server", f"kind {number}"),))
    for number in shown:
        story.connection(status=200, headers=(("Server", f"kind {number}"),))
    path = story.path()
    assert (path.method, path.identified_by) == (method, "page" if method == "rotating" else None), path


def test_a_steady_member_bounds_the_others() -> None:
    story = known()
    story.fresh("1" * 32)
    path = story.path()
    assert path.other_share_at_most == pytest.approx(0.0894, abs=0.0001)
    assert (path.persistence, path.termination) == ("not-separable", "pass-through")


def test_too_many_unidentified_connections_are_not_steady() -> None:
    story = known()
    story.fresh("1" * 20)
    for _ in range(4):
        story.connection(token=False)
    assert story.path().method == "unknown"


def test_a_server_that_is_not_listed() -> None:
    story = known()
    story.fresh("12?" * 4)
    path = story.path()
    assert path.method == "rotating"
    assert "a server that is not in the profile" in path.cycle


def test_a_member_that_could_not_be_asked_is_not_an_unlisted_server() -> None:
    story = Story(*NAMES).controls(silent=("sems3",))
    for who in "12?" * 4:
        sample = story.connection(token=True)
        for member in NAMES:
            story.trace(sample, member, None if member == "sems3" else member == f"sems{who}")
    path = story.path()
    assert "a server that is not in the profile" not in path.arms[0].members
    assert path.identified == 8


def test_two_strong_signs_that_contradict_each_other() -> None:
    """The sessions name members in one way, certificates that are one member's own in another."""
    story = known("sems1", "sems2")
    from semscheck.model.observations import Handshake

    for name, certificate in (("sems1", "aa"), ("sems2", "bb")):
        story.add(
            Handshake,
            address=address(name),
            port=PORT,
            sni="keys.example.com",
            policy="default",
            version="TLSv1.3",
            chain=(certificate,),
        )
    for at in range(16):
        sample = story.connection(token=True, certificate="aa" if at % 4 < 2 else "bb")
        story.traced(sample, "sems1" if at % 2 else "sems2")
    path = story.path()
    assert path.method == "unknown"
    assert "contradict" in (path.why_unknown or "")


# --- keys that are shared ---


@pytest.mark.parametrize(
    ("owners", "method"),
    [
        ("112" * 8, "rotating"),  # 1 and 2 share: the label takes two places of three
        ("12" * 8, "weighted"),  # as often as the two together
        ("1" * 12, "unknown"),  # which of the two?
        ("2" * 12, "single"),  # the one that shares with nobody
        ("1211121221112112111121211121", "even"),
        ("2" * 26 + "1" * 4 + "22", "weighted"),
    ],
)
def test_some_members_share_their_keys(owners: str, method: str) -> None:
    story = Story(*NAMES).controls(sharing=("sems1", "sems2"))
    story.fresh(owners.replace("2", "3"))
    path = story.path()
    assert path.method == method, path
    if path.method not in ("single", "unknown"):
        assert not path.certain


def test_all_members_share_their_keys() -> None:
    story = Story(*NAMES).controls(sharing=NAMES)
    story.fresh("123" * 8)
    path = story.path()
    assert path.method == "unknown"
    assert "accept each other's" in (path.why_unknown or "")


def test_nobody_resumes() -> None:
    story = Story(*NAMES)
    for name in NAMES:
        story.control(name, name, False)
    for _ in range(8):
        story.connection(token=False)
    path = story.path()
    assert (path.method, path.identified_by) == ("unknown", None)


def test_a_control_that_holds_only_sometimes_is_worth_nothing() -> None:
    story = known()
    story.control("sems1", "sems1", False)
    for name in ("sems2", "sems3"):
        story.control(name, name, False)
    story.fresh("123" * 4)
    assert story.path().method == "unknown"


# --- what keeps clients, members known ---------------------------------------------------------------------


def resumed(story: Story, fresh: list[Sample], pattern: str, **data: object) -> None:
    for at, back in enumerate(pattern):
        story.offered("resume", fresh[at % len(fresh)], resumed=back == "y", **data)


@pytest.mark.parametrize(
    ("pattern", "persistence"),
    [
        ("nnn", "none"),
        ("ynnynnyn", "none"),
        ("yyyyyyyy", "tls-session"),
        ("yyyyy", "tls-session"),  # by chance in 0.4 %, with three members
        ("yyy", "unknown"),  # by chance in 4 %
        ("", "unknown"),
    ],
)
def test_persistence_by_tls_session(pattern: str, persistence: str) -> None:
    story = known()
    fresh = story.fresh("123" * 4)
    resumed(story, fresh, pattern)
    assert story.path().persistence == persistence


def test_each_version_of_tls_is_judged_by_itself() -> None:
    """In TLS 1.3 nobody is kept, in TLS 1.2 everybody is: only the older version is named."""
    story = known().controls(version="TLSv1.2")
    resumed(story, story.fresh("123" * 4), "nynn")
    older = [story.connection("resume", version="TLSv1.2", token=True) for _ in range(6)]
    for at, sample in enumerate(older):
        story.traced(sample, NAMES[at % 3])
    resumed(story, older, "y" * 8, version="TLSv1.2")
    path = story.path()
    assert (path.persistence, path.kept_by) == ("tls-session", "the TLS session (TLS 1.2)")
    assert (path.session_offered, path.session_returned) == (8, 8)
    # What only gathered sessions of the older version is left out.
    assert path.arms[1].members == (None, "sems2", None, None, *(NAMES * 3)[:8])


def test_a_member_of_an_older_version_is_not_kept_by_it() -> None:
    """Its sessions are resumed where they meet it, and refused in the newer version elsewhere."""
    story = Story("sems1", "sems2")
    story.control("sems1", "sems1", True)
    story.control("sems1", "sems2", False)
    story.control("sems2", "sems2", True, version="TLSv1.2")
    fresh = []
    for at in range(8):
        old = at % 2 == 1
        sample = story.connection(token=True, version="TLSv1.2" if old else "TLSv1.3")
        story.traced(sample, "sems2" if old else "sems1")
        fresh.append(sample)
    for back in (True, False, True, True, False, True, True, False):
        story.offered("resume", fresh[1], resumed=back, version="TLSv1.2" if back else "TLSv1.3")
    path = story.path()
    assert (path.method, path.persistence) == ("rotating", "none"), path


@pytest.mark.parametrize(
    ("pattern", "persistence", "lost"),
    [
        ("yyyyyyyy", "cookie", False),
        ("nnnnnnnn", "none", False),
        ("ynnynnny", "none", False),
        ("yyyyyyyn", "none", True),  # kept more often than chance does, and moved once
    ],
)
def test_persistence_by_cookie(pattern: str, persistence: str, lost: bool) -> None:
    story = known().controls(token="cookie", name="JSESSIONID")
    fresh = story.pages("123" * 4)
    for at, back in enumerate(pattern):
        story.offered(
            "cookie", fresh[at], status=200, cookies_sent=("JSESSIONID",), cookie_recognised=back == "y"
        )
    path = story.path()
    assert (path.method, path.identified_by) == ("rotating", "http-cookie")
    assert path.persistence == persistence, path
    assert path.persistence_lost is lost
    assert (path.cookie_offered, path.cookie_returned) == (8, pattern.count("y"))


def test_a_balancers_cookie_that_is_not_followed_once() -> None:
    story = known().controls(token="cookie", name="JSESSIONID")
    fresh = story.pages("123" * 4, SERVERID="s#")
    for at in range(8):
        story.offered(
            "cookie",
            fresh[at],
            status=200,
            cookies_sent=("JSESSIONID", "SERVERID"),
            cookie_recognised=at != 3,
        )
    path = story.path()
    assert path.persistence_lost is True
    assert path.kept_by == "the load balancer's cookie SERVERID"


def test_sessions_known_in_front_say_nothing_of_the_members() -> None:
    story = known().controls(token="cookie", name="JSESSIONID")
    early = story.fresh("???")
    resumed(story, early, "yyy")
    story._indexes["fresh"] = 0
    story.pages("123" * 4)
    path = story.path()
    assert path.termination == "terminated"
    assert path.session_offered == 0
    assert path.samples == 12


def test_no_cookies_anywhere_keep_nobody() -> None:
    """TLS ends in front, members told apart by their certificates' place: no page sets a cookie."""
    story = Story("sems1", "sems2")
    for at in range(12):
        story.connection(status=200, headers=(("Server", "one" if at % 2 else "two"),))
    for name, server in (("sems1", "one"), ("sems2", "two")):
        story.page(address(name), also=(("Server", server),))
    fresh = [seen for seen in story.seen if isinstance(seen, Sample)]
    for at in range(8):
        moved = ("Server", "one" if at % 3 else "two")
        story.offered("resume", fresh[at % 2], status=200, headers=(moved,), resumed=True)
    path = story.path()
    assert (path.method, path.identified_by, path.persistence) == ("rotating", "page", "none"), path
    assert not path.certain


def test_cookies_set_in_front_by_any_name() -> None:
    """Every member, asked directly, sets none of that name on the same page."""
    story = known("sems1", "sems2")
    for name in ("sems1", "sems2"):
        story.page(address(name))
    story.page(VIP, lb="a")
    fresh = [story.connection(status=200, headers=set_cookies(lb="ab"[at % 2])) for at in range(12)]
    for at in range(8):
        story.offered("cookie", fresh[at], status=200, cookies_sent=("lb",))
    path = story.path()
    assert (path.method, path.persistence, path.termination) == ("rotating", "cookie", "terminated"), path
    assert path.identified_by == "balancer-cookie-value"


def test_the_same_cookie_from_a_member_is_no_balancers() -> None:
    story = known("sems1", "sems2")
    story.page(address("sems1"), lb="x")
    story.page(address("sems2"))
    story.page(VIP, lb="a")
    for at in range(12):
        story.connection(status=200, headers=set_cookies(lb="ab"[at % 2]))
    path = story.path()
    assert (path.method, path.termination) == ("unknown", "unknown")


# --- several addresses of this desktop ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "persistence"),
    [("2233", "source-address"), ("1111", "not-separable"), ("2123", "not-separable"), ("", "not-separable")],
)
def test_persistence_by_source(others: str, persistence: str) -> None:
    story = known()
    story.fresh("1" * 16, source_address="203.0.113.10")
    for at, who in enumerate(others):
        sample = story.connection("source", token=True, source_address=f"203.0.113.{20 + at // 2}")
        story.traced(sample, f"sems{who}")
    path = story.path()
    assert (path.method, path.persistence) == ("single", persistence), path


# --- members unknown ---------------------------------------------------------------------------------------


def paired(pattern: list[tuple[int, bool]], before: int = 2) -> Story:
    """TLS sessions offered: (distance, recognised) for one connection after another."""
    story = Story()
    made = [story.connection(token=True) for _ in range(before)]
    for lag, back in pattern:
        index = len(made)
        origin = made[index - lag].id
        made.append(story.connection("pairs", index=index, token=True, offered=origin, resumed=back))
    story.page(VIP)
    return story


def test_pairs_that_are_always_recognised_prove_nothing() -> None:
    path = paired([(1 + at % 2, True) for at in range(20)]).path()
    assert (path.method, path.identified_by) == ("unknown", None)


def test_pairs_that_are_never_recognised_prove_nothing() -> None:
    assert paired([(1 + at % 2, False) for at in range(20)]).path().method == "unknown"


def test_one_refusal_is_no_second_server() -> None:
    assert paired([(1, at != 7) for at in range(30)]).path().method == "unknown"


def test_pairs_that_are_sometimes_refused_are_several_servers() -> None:
    lot = random.Random(5)
    path = paired([(1 + at % 3, lot.random() < 0.4) for at in range(28)], before=4).path()
    assert (path.method, path.persistence, path.identified_by) == ("even", "none", "pairs"), path
    assert not path.certain


def test_pairs_that_follow_a_cycle() -> None:
    lags = [6 - at % 6 for at in range(54)]
    path = paired([(lag, lag % 3 == 0) for lag in lags], before=6).path()
    assert (path.method, len(path.cycle)) == ("rotating", 3), path
    assert path.effective_members == 3.0


def shown(story: Story, fresh: list[Sample], answers: str, orders: str) -> None:
    """A session cookie beside a made-up value: "a" the made-up one first, "b" last; "q" in quotes."""
    ways: dict[str, ShownAs] = {"a": "after", "b": "before", "q": "quoted"}
    for at, (answer, order) in enumerate(zip(answers, orders, strict=True)):
        story.connection(
            "pairs",
            index=len(fresh) + at,
            offered=fresh[-1 - at % 3].id,
            status=200,
            cookies_sent=("JSESSIONID",) * (1 if order == "q" else 2),
            shown_as=ways[order],
            cookie_recognised=answer == "y",
        )


def test_a_cookie_of_a_connection_that_is_not_there_says_nothing() -> None:
    story, fresh = one_application()
    shown(story, fresh, "y" * 16, "ab" * 8)
    story.connection(
        "pairs", index=40, offered="o9999", status=200, cookies_sent=("JSESSIONID",), cookie_recognised=False
    )
    assert story.path().method == "single"


def one_application(**also: str) -> tuple[Story, list[Sample]]:
    """Every session cookie was known on every connection, when shown alone."""
    story = Story()
    for known_ in (True, True, True):
        story.control("", "", known_, token="cookie", name="JSESSIONID")
    fresh = story.pages("1" * 16, **also)
    for sample in fresh:
        story.trace(sample, "member A", True, "cookie", "JSESSIONID")
    return story, fresh


@pytest.mark.parametrize(
    ("answers", "orders", "method"),
    [
        ("y" * 16, "ab" * 8, "single"),
        ("", "", "unknown"),  # not tried: a balancer may have followed the cookie
        ("y" * 7, "a" * 7, "unknown"),  # too few
        ("yn" * 8, "ab" * 8, "single"),  # the application reads the one order only
        ("yyn" * 5, "abq" * 5, "single"),
        ("yynyyyyynyyyyyn", "abq" * 5, "even"),  # the balancer follows the cookie where it can read it
        ("nynnynyynnynnyny", "a" * 16, "even"),  # where the balancer chooses anew, it chooses others
        ("yyynyyynyyyyynyy", "ab" * 8, "even"),
        ("n" * 16, "ab" * 8, "unknown"),
    ],
)
def test_a_session_cookie_that_may_have_led_back(answers: str, orders: str, method: str) -> None:
    story, fresh = one_application()
    shown(story, fresh, answers, orders)
    path = story.path()
    assert path.method == method, path
    assert not path.certain or path.method == "unknown"


def test_a_cookie_with_few_values_is_no_session() -> None:
    story = Story()
    story.control("", "", True, token="cookie", name="where")
    for at in range(12):
        sample = story.connection(status=200, headers=set_cookies(where="ab"[at % 2]))
        story.trace(sample, "member A", True, "cookie", "where")
    assert story.path().method == "unknown"


def test_several_ends_of_tls_with_one_session_store_are_several() -> None:
    """The sessions of pages are shared, or replicated; those of TLS are not."""
    lot = random.Random(5)
    story = paired([(1 + at % 3, lot.random() < 0.4) for at in range(28)], before=4)
    story._indexes["fresh"] = 0
    story.control("", "", True, token="cookie", name="JSESSIONID")
    for sample in story.pages("1" * 16):
        story.trace(sample, "member A", True, "cookie", "JSESSIONID")
    path = story.path()
    assert path.method == "even", path
    assert not path.certain


def test_a_balancers_cookie_goes_before_what_is_recognised() -> None:
    """Shown through the balancer, a session is found again because the balancer's cookie leads there."""
    story, _ = one_application(SERVERID="a")
    for at, seen in enumerate(story.seen):
        if isinstance(seen, Sample):
            value = "ab"[seen.index % 2]
            story.seen[at] = _with_cookie(seen, value)
    path = story.path()
    assert (path.method, path.identified_by) == ("rotating", "balancer-cookie-value"), path


def _with_cookie(sample: Sample, value: str) -> Sample:
    from dataclasses import replace

    return replace(sample, headers=set_cookies(JSESSIONID=f"{sample.index:032x}", SERVERID=value))


# --- hostile and unfinished runs ---------------------------------------------------------------------------

few = st.sampled_from(["o0", "o1", "o2", "o3", "o4", "nothing"])
names = st.sampled_from(["sems1", "sems2", "sems3", "member A", ""])
maybe = st.sampled_from([True, False, None])
texts = st.text(max_size=12)
headers = st.lists(
    st.one_of(
        st.tuples(texts, texts),
        st.builds(
            lambda name, value: ("Set-Cookie", f"{name}={value}"),
            st.sampled_from(["JSESSIONID", "SERVERID", "BIGipServerpool", "lb", "AWSALB", ""]),
            st.sampled_from(["a", "b", "s1~x", "1677787402.36895.0000", "!", "\x00", "ü"]),
        ),
        st.builds(lambda value: ("Date", value), st.sampled_from(["", "Sun, 99 Nov 2026 25:00:00 GMT", "x"])),
    ),
    max_size=3,
).map(tuple)
versions = st.sampled_from(["TLSv1.2", "TLSv1.3", None, "SSLv3"])

samples = st.builds(
    Sample,
    id=few,
    at_s=st.floats(0, 60),
    elapsed_s=st.none() | st.floats(0, 5),
    arm=st.sampled_from(["fresh", "cookie", "resume", "keep-alive", "source", "pairs"]),
    index=st.integers(0, 40),
    request=st.integers(0, 5),
    address=st.sampled_from([VIP, address("sems1")]),
    port=st.just(PORT),
    source_address=st.none() | st.just("203.0.113.10"),
    version=versions,
    certificate=st.sampled_from([None, "aa", "bb"]),
    token=maybe,
    offered=st.none() | few,
    resumed=maybe,
    status=st.sampled_from([None, 200, 302, 503, 999]),
    headers=headers,
    cookies_sent=st.sampled_from([(), ("JSESSIONID",), ("JSESSIONID", "JSESSIONID"), ("",)]),
    shown_as=st.sampled_from([None, "after", "quoted"]),
    cookie_recognised=maybe,
    failure=st.sampled_from([None, None, None, *[Story().connection(lost=True).failure]]),
)
traces = st.builds(
    Trace,
    id=few,
    at_s=st.floats(0, 60),
    elapsed_s=st.none(),
    sample=few,
    token=st.sampled_from(["tls", "cookie"]),
    name=st.sampled_from([None, "JSESSIONID", "lb"]),
    member=names,
    address=st.just(VIP),
    port=st.just(PORT),
    recognised=maybe,
)
controls = st.builds(
    Control,
    id=few,
    at_s=st.floats(0, 60),
    elapsed_s=st.none(),
    token=st.sampled_from(["tls", "cookie"]),
    name=st.sampled_from([None, "JSESSIONID", "lb"]),
    version=versions,
    made_up_of=st.sampled_from([None, None, "JSESSIONID", ""]),
    issuer=names,
    issuer_address=st.sampled_from([VIP, address("sems1")]),
    shown_to=names,
    address=st.just(VIP),
    port=st.just(PORT),
    recognised=maybe,
)


@pytest.mark.slow
@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seen=st.lists(st.one_of(samples, samples, traces, controls), max_size=40),
    members=st.sampled_from([(), ("sems1",), ("sems1", "sems2"), NAMES]),
)
def test_no_run_makes_the_analysis_or_the_rules_fall(seen: list[object], members: tuple[str, ...]) -> None:
    story = Story(*members)
    story.seen = list(seen)  # type: ignore[arg-type]
    snapshot = story.snapshot()
    for path in paths(snapshot, ()):
        assert path.identified <= path.samples + len(seen)
        assert len(path.arms) <= 6
        for arm in path.arms:
            assert len(arm.members) == len(arm.evidence)
        if path.method == "single":
            assert path.identified >= 4
    analyse(snapshot)
    report = judge_snapshot(snapshot)
    assert not [finding for finding in report.findings if finding.code == "SEM001"]


# --- what order and other cookies show ---


def test_what_came_back_to_one_server_only_has_not_been_led_back() -> None:
    """One server answers for a while, whatever is presented."""
    story = known().controls(token="cookie", name="JSESSIONID")
    fresh = story.pages("1231" * 4)
    for origin in [fresh[0]] * 8:
        story.offered("cookie", origin, status=200, cookies_sent=("JSESSIONID",), cookie_recognised=True)
    assert story.path().persistence != "cookie"


def test_while_fresh_connections_all_go_to_one_server_nothing_is_led_back() -> None:
    story = known().controls(token="cookie", name="JSESSIONID")
    fresh = story.pages("123" * 4)
    for at in range(8):
        story.offered("cookie", fresh[at], status=200, cookies_sent=("JSESSIONID",), cookie_recognised=True)
        story.pages("1")
    assert story.path().persistence != "cookie"


def test_a_cookie_that_is_set_anew_with_every_answer_is_no_lost_session() -> None:
    story = known().controls(token="cookie", name="JSESSIONID")
    fresh = story.pages("123" * 4, XSRF="#token")
    for number, sample in enumerate(fresh):
        story.seen[story.seen.index(sample)] = replace(
            sample, headers=(*sample.headers[:1], ("Set-Cookie", f"XSRF={number:032x}"))
        )
    for at in range(8):
        story.offered(
            "cookie",
            fresh[at],
            status=200,
            headers=set_cookies(XSRF=f"a{at:031x}"),
            cookies_sent=("JSESSIONID", "XSRF"),
            cookie_recognised=False,
        )
    path = story.path()
    assert (path.persistence, path.cookie_returned) == ("cookie", 8), path


# --- with only the name, servers are called by what their cookies say ------------------------------------------


def told_by(cookie: str, values: Sequence[str]) -> BalancingPath:
    """Fresh connections to the name alone, each given this value of a cookie."""
    story = Story()
    for value in values:
        story.connection(status=200, headers=set_cookies(**{cookie: value}))
    return story.path()


@pytest.mark.parametrize(
    ("cookie", "values", "names", "by"),
    [
        ("ROUTEID", (".node1", ".node2", ".node3"), (".node1", ".node2", ".node3"), "balancer-cookie-value"),
        ("JSESSIONID", ("{0:032X}!n1", "{0:032X}!n2", "{0:032X}!n3"), ("n1", "n2", "n3"), "session-route"),
        ("JSESSIONID", ("{0:032X}.n1", "{0:032X}.n2", "{0:032X}.n3"), ("n1", "n2", "n3"), "session-route"),
    ],
)
def test_servers_are_called_by_their_values_of_a_cookie(
    cookie: str, values: tuple[str, ...], names: tuple[str, ...], by: str
) -> None:
    path = told_by(cookie, [values[at % 3].format(at * 7919 + 1) for at in range(24)])
    assert [share.name for share in path.members] == [f"“{name}” in cookie {cookie}" for name in names]
    assert [share.count for share in path.members] == [8, 8, 8]
    assert (path.method, path.identified_by) == ("rotating", by)


def test_connections_without_the_cookie_are_not_identified() -> None:
    story = Story()
    for at in range(24):
        headers = set_cookies(ROUTEID=f".node{at % 3}") if at % 4 else ()
        story.connection(status=200, headers=headers)
    path = story.path()
    assert (path.identified, path.samples) == (18, 24)
    assert {share.name for share in path.members} == {f"“.node{n}” in cookie ROUTEID" for n in range(3)}


def handshakes_at_members(
    story: Story, failure: Failure | None, control: bool | None = None
) -> BalancingPath:
    """Members' own interfaces came to this; fresh connections have a cookie that names servers."""
    for name in story.members:
        story.add(Connection, address=address(name), port=PORT, failure=failure)
        if failure is None:
            story.add(Handshake, address=address(name), port=PORT, sni="keys.example.com", version="TLSv1.3")
        if control is not None:
            story.control(name, name, control)
    for at in range(24):
        story.connection(status=200, headers=set_cookies(ROUTEID=f".node{at % 3}"))
    return story.path()


@pytest.mark.parametrize(
    ("failure", "control", "named_in_profile"),
    [
        (Failure(Phase.CONNECT, Cause.TIMED_OUT), None, False),
        (Failure(Phase.CONNECT, Cause.TIMED_OUT), True, True),  # it answered later
        (None, None, True),
    ],
)
def test_members_that_nobody_here_reaches_are_as_good_as_unknown(
    failure: Failure | None, control: bool | None, named_in_profile: bool
) -> None:
    path = handshakes_at_members(Story(*NAMES), failure, control)
    assert (path.identified_by == "balancer-cookie-value") is not named_in_profile


def test_shares_of_certificates_are_no_shares_of_servers() -> None:
    """Several servers may present one certificate, so that one in four is no weight, and no cycle of servers."""
    story = Story()
    for at in range(32):
        story.connection(certificate=("b" if at % 4 == 0 else "a") * 64)
    path = story.path()
    assert path.identified_by == "certificate"
    assert (path.method, path.cycle, path.certain) == ("even", (), False)


@pytest.mark.parametrize(
    ("answers", "requests", "moved"),
    [("yyyy", 4, 0), ("ynyn", 4, 2), ("nnnn", 4, 4), ("y?y", 2, 0), ("", 0, 0)],
)
def test_requests_of_one_connection_that_lost_their_session_were_moved(
    answers: str, requests: int, moved: int
) -> None:
    """The first request of a connection has no session yet; "?" is one of which nothing was seen."""
    story = known()
    pages = story.pages("123123123123")
    for number, answer in enumerate(("-", *answers)):
        cookie = {"-": None, "y": True, "n": False, "?": None}[answer]
        headers = set_cookies(JSESSIONID=f"{number:032x}") if answer == "n" else ()
        sent = ("JSESSIONID",) if number else ()
        story.connection(
            "keep-alive", request=number, offered=pages[0].id, status=200, headers=headers, cookies_sent=sent,
            cookie_recognised=cookie,
        )  # fmt: skip
    path = story.path()
    assert (path.requests, path.requests_moved) == (requests, moved)


def test_another_page_without_a_cookie_does_not_know_the_session() -> None:
    """An application that gives a new session with every answer, and none where a page is not found: the latter is no
    sign that sessions are known, and so the others are no sign that they were lost."""
    story = Story()
    pages = story.pages("1" * 8)
    for number in range(1, 9):
        found = number % 2 == 0
        story.connection(
            "keep-alive", request=number, offered=pages[0].id, status=200 if found else 404,
            headers=set_cookies(JSESSIONID=f"{number:032x}") if found else (), cookies_sent=("JSESSIONID",),
            cookie_recognised=False if found else None,
        )  # fmt: skip
    path = story.path()
    assert (path.requests, path.requests_moved) == (0, 0)
