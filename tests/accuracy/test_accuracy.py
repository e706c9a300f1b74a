"""A slice of `make accuracy`, and worlds that were once judged wrongly."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count, islice

import pytest

from semscheck.lab.world import (
    Balancer,
    CookieStyle,
    Interface,
    Member,
    Method,
    Persistence,
    Resumption,
    Tls,
    TlsEnd,
    Version,
    Web,
    World,
)
from tests.accuracy.play import Played, misattributions, play
from tests.accuracy.table import page
from tests.accuracy.worlds import BROKEN, HEALTHY, Site, Truth, site

pytestmark = pytest.mark.slow

SEED = 7
SLICE = 40


def _certain(one: Site) -> bool:
    """Not a world in which chance alone may hide the other members from 32 connections (10 or 20 to 1): those are
    for the large table, where they are counted; here nothing may be left to chance."""
    return one.truth not in BROKEN or one.other_share == 0.0 or (1 - one.other_share) ** 32 < 1e-5


def _slice() -> list[Site]:
    return list(islice((one for one in (site(SEED, number) for number in count()) if _certain(one)), SLICE))


@pytest.mark.slow
@pytest.mark.parametrize("one", _slice(), ids=lambda one: f"{one.number}: {one.truth}")
def test_no_healthy_world_is_called_broken_and_no_broken_one_ok(one: Site) -> None:
    played = play(one)
    assert not played.crashed
    assert played.misattributed == 0
    assert not played.wrong, played
    if one.truth in HEALTHY:
        assert played.verdict != "critical", played
    if one.truth in BROKEN:
        assert played.whole != "ok", played


def test_the_slice_has_every_kind() -> None:
    truths = {one.truth for one in _slice()}
    assert truths >= {Truth.STEADY, Truth.WEIGHTED_KEPT, Truth.EVEN, Truth.EVEN_KEPT, Truth.SESSION_KEPT}
    for axis, least in (("method", 7), ("members", 5), ("members known", 2), ("lost", 3), ("ticket keys", 2)):
        assert len({one.axes[axis] for one in _slice()}) == least, axis


def test_a_draw_is_repeatable() -> None:
    assert [site(3, number) for number in range(50)] == [site(3, number) for number in range(50)]


def test_who_is_misattributed() -> None:
    names = ("a.test", "b.test")
    assert misattributions([("a.test", "a.test"), ("a.test or b.test", "b.test")], names) == ()
    assert misattributions([("a.test", "b.test")], names) == (("a.test", "b.test"),)
    # A label of the check's own making stands for the member that it meant most often.
    labelled = [("member A", "b.test"), ("member A", "b.test"), ("member A", "a.test")]
    assert misattributions(labelled, ()) == (("member A", "a.test"),)


# --- worlds that were once judged wrongly ------------------------------------------------------------------

NAMES = tuple(f"{word}.example.test" for word in ("maple", "cedar", "birch", "rowan", "alder"))


def _site(
    truth: Truth, balancer: Balancer, *, members: int, tls: Tls, web: Web, known: bool, routes: bool = False
) -> Site:
    names = NAMES[:members]
    world = World(
        "once wrong",
        "",
        "keys.example.test",
        tuple(
            Member(n, client=Interface(tls=tls), web=replace(web, route=n[:5] if routes else None))
            for n in names
        ),
        balancer,
        seed=11,
    )
    return Site(0, 0, world, names if known else (), (), truth, 0.0, ())


def _once_silent(share: float) -> int:
    """A seed by which the balancer leaves its first connection without an answer, and none of the next hundred."""
    for seed in count():
        draws = random.Random(f"{seed} balancer")
        if draws.random() < share and all(draws.random() >= share for _ in range(100)):
            return seed
    raise AssertionError("unreachable")


def test_five_in_turn_are_seen_without_names() -> None:
    """Sessions were offered at distances of one to three only, so that none was ever recognised."""
    tls, web = Tls(), Web(cookie=None)
    played = play(_site(Truth.EVEN, Balancer(Method.ROUND_ROBIN), members=5, tls=tls, web=web, known=False))
    assert played.verdict == "critical", played


def test_kept_by_tls_session_is_seen_without_names() -> None:
    """Connections that offered a TLS session were not followed to who answered them."""
    balancer = Balancer(Method.ROUND_ROBIN, persistence=Persistence.TLS_SESSION)
    tls = Tls(newest=Version.TLS1_2, resumption=Resumption.SESSION_IDS)
    played = play(_site(Truth.SESSION_KEPT, balancer, members=3, tls=tls, web=Web(), known=False))
    assert {"BAL004", "BAL013"} <= set(played.codes), played


def test_sessions_that_all_members_share_keep_nobody() -> None:
    """A cookie that every member recognises was taken for persistence. It is one application, so far as is seen."""
    web = Web(session_group="all")
    played = play(
        _site(Truth.ONE_APPLICATION, Balancer(Method.RANDOM), members=3, tls=Tls(), web=web, known=False)
    )
    assert played.codes == ("BAL009",), played
    assert "one application answered all 64 connections" in played.summary
    assert "one and the same server" not in played.summary


def test_a_cookie_that_changes_every_time_is_no_broken_promise() -> None:
    """AWS sets its cookie anew with every answer, also for a client that stays."""
    balancer = Balancer(
        Method.ROUND_ROBIN,
        persistence=Persistence.COOKIE,
        cookie_style=CookieStyle.AWS,
        tls_end=TlsEnd.RE_ENCRYPTED,
    )
    web = Web(session_group="all")
    played = play(_site(Truth.EVEN_KEPT, balancer, members=3, tls=Tls(), web=web, known=True, routes=True))
    assert "BAL006" not in played.codes, played


def test_a_first_connection_without_an_answer_is_not_the_end() -> None:
    """One silent connection was taken for an address at which nothing serves."""
    share = 0.02
    one = _site(Truth.STEADY, Balancer(drop_share=share), members=2, tls=Tls(), web=Web(), known=True)
    one = replace(one, world=replace(one.world, seed=_once_silent(share)))
    played = play(one)
    assert played.shown == "ok", played


# --- the page ----------------------------------------------------------------------------------------------


def _played(number: int, truth: Truth, verdict: str, *, wrong: bool = False) -> Played:
    axes = dict.fromkeys(
        ("method", "persistence", "termination", "members", "other clients", "ticket keys", "members known"),
        "x",
    )
    return Played(
        seed=1,
        number=number,
        truth=truth.value,
        axes=axes | {"lost": "none", "members known": "yes", "over time": "nothing"},
        telling=(),
        verdict=verdict,
        whole=verdict,
        shown=verdict,
        codes=(),
        others=(),
        method="single",
        persistence="not-separable",
        identified_by="",
        why_unknown="",
        samples=32,
        identified=32,
        attributed=32,
        misattributed=0,
        wrong=wrong,
        bound_holds=False,
    )


def test_the_page_counts_what_is_wrong() -> None:
    worlds = [
        *(_played(number, Truth.STEADY, "ok") for number in range(9)),
        _played(9, Truth.STEADY, "critical", wrong=True),
        _played(10, Truth.EVEN, "unknown"),
    ]
    text = page(worlds, 1)
    assert "| healthy worlds called broken | 1 of 10 (10 %; 95 %: 0.25 % to 45 %) |" in text
    assert "| healthy | one member | 10 | **9** | · | 1 | · | 1 |" in text
    assert "| broken | even, not kept | 1 | · | · | **0** | 1 | · |" in text
