"""What tells members apart, what its controls allow, and the decisions that sampling asks for on its way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.analysis.balancing.controls import worth
from semscheck.analysis.balancing.facts import Facts
from semscheck.analysis.balancing.identity import (
    consistent,
    identify,
    usual_labels,
)
from semscheck.analysis.sampling_strategy import SamplingDecisions
from semscheck.model.observations import Control, Exchange
from semscheck.model.target import Endpoint, Member, Target
from tests.analysis.balancing.connections import NAMES, PORT, VIP, Story, address

A, B, C = NAMES


def control(issuer: str, shown_to: str, known: bool | None, name: str | None = None) -> Control:
    return Control(
        id=f"{issuer}{shown_to}{known}{name}",
        at_s=0.0,
        elapsed_s=0.0,
        token="cookie" if name else "tls",
        name=name,
        issuer=issuer,
        issuer_address="198.51.100.11",
        shown_to=shown_to,
        address="198.51.100.11",
        port=PORT,
        recognised=known,
    )


# --- what controls allow -----------------------------------------------------------------------------------

OWN = tuple(control(name, name, True) for name in NAMES)


@pytest.mark.parametrize(
    ("controls", "usable", "labels"),
    [
        (OWN, True, {A, B, C}),
        ((*OWN, control(A, B, False), control(B, C, False)), True, {A, B, C}),
        ((*OWN, control(A, B, True)), True, {f"{A} or {B}", C}),
        # What A shares with B and B with C, A shares with C.
        ((*OWN, control(A, B, True), control(B, C, True)), False, set()),
        ((control(A, A, True), control(B, B, False), control(C, C, None)), True, {A}),
        (tuple(control(name, name, False) for name in NAMES), False, set()),
        (tuple(control(name, name, None) for name in NAMES), False, set()),
        ((*OWN, control(A, A, False)), True, {B, C}),  # known once, unknown another time
        ((), False, set()),
    ],
)
def test_worth(controls: tuple[Control, ...], usable: bool, labels: set[str]) -> None:
    found = worth(controls, "tls", NAMES)
    assert found.usable is usable, found
    if usable:
        assert set(found.groups.values()) == labels
    else:
        assert found.why


def test_cookies_are_judged_by_name() -> None:
    """A language is accepted by everybody, a session by its member."""
    controls = [control(name, name, True, cookie) for name in NAMES for cookie in ("JSESSIONID", "lang")]
    controls += [control(A, B, cookie == "lang", cookie) for cookie in ("JSESSIONID", "lang")]
    controls += [control(A, C, cookie == "lang", cookie) for cookie in ("JSESSIONID", "lang")]
    found = worth(controls, "cookie", NAMES)
    assert (found.usable, found.names) == (True, frozenset({"JSESSIONID"}))


# --- signals against each other ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("1122", "aabb", True),
        ("1122", "aaaa", True),  # coarser: two members share what is seen
        ("1122", "abab", False),
        ("1122", "aabc", False),
        ("1122", "", True),
    ],
)
def test_consistent(one: str, other: str, agree: bool) -> None:
    first = {str(at): who for at, who in enumerate(one)}
    second = {str(at): who for at, who in enumerate(other)}
    assert consistent(first, second) is agree


def test_the_strongest_signal_that_covers_is_used() -> None:
    story = Story(*NAMES).controls()
    story.fresh("123" * 3)
    facts = _facts(story)
    identity = identify(facts)
    assert (identity.by, identity.strength) == ("tls-session", "strong")
    assert [signal.verdict for signal in identity.signals if signal.name == "tls-session"] == ["used"]
    assert all(signal.why for signal in identity.signals)


def test_a_signal_that_covers_too_little_is_void() -> None:
    story = Story(*NAMES).controls()
    story.fresh("123")
    for _ in range(9):
        story.connection(token=False)
    identity = identify(_facts(story))
    assert identity.by is None
    assert {signal.name: signal.verdict for signal in identity.signals}["tls-session"] == "void"


@given(st.text(alphabet="123-?", max_size=24))
def test_what_is_used_on_the_way_is_what_is_used_at_the_end(owners: str) -> None:
    story = Story(*NAMES).controls()
    story.fresh(owners)
    facts = _facts(story)
    assert usual_labels(facts) == identify(facts).labels


def _facts(story: Story) -> Facts:
    from semscheck.analysis.balancing.facts import facts_on_the_way

    return facts_on_the_way(story.seen, story.snapshot().target)  # type: ignore[arg-type]


def test_cookies_set_in_front() -> None:
    def page(where: str, path: str, *names: str) -> Exchange:
        headers = tuple(("Set-Cookie", f"{name}=x") for name in names)
        return Exchange(
            id=where + path,
            at_s=0.0,
            elapsed_s=0.0,
            address=where,
            port=PORT,
            host="k",
            path=path,
            headers=headers,
        )

    here = (page(VIP, "/", "lb"), page(VIP, "/login", "JSESSIONID", "lb"))
    own = tuple((name, page(address(name), "/login", "JSESSIONID")) for name in (A, B))

    def facts(*own_pages: tuple[str, Exchange]) -> Facts:
        return Facts((A, B), {}, (), {}, (), own_pages=own_pages, pages=here)

    assert facts(*own).set_in_front == {"lb"}
    assert facts(own[0]).set_in_front == frozenset()  # not every member was asked
    assert facts(*own, (B, page(address(B), "/login", "lb"))).set_in_front == frozenset()


# --- decisions on the way ----------------------------------------------------------------------------------


def decisions(*members: str) -> SamplingDecisions:
    listed = tuple(Member(name, client=(Endpoint(address(name)),)) for name in members)
    return SamplingDecisions(Target(fqdn="keys.example.com", members=listed))


@pytest.mark.parametrize(
    ("name", "value", "may_be"),
    [
        ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9", True),
        ("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9.node1", True),
        ("JSESSIONID", "sems1~0A1B2C3D4E5F60718293A4B5C6D7E8F9", True),
        ("anything", "x", True),
        ("SERVERID", "sems1", False),
        ("AWSALB", "x", False),
        ("BIGipServerpool", "1677787402.36895.0000", False),
        ("BIGipServerpool", "!opaque", False),
        ("MRHSession", "x", False),
    ],
)
def test_what_may_be_a_session(name: str, value: str, may_be: bool) -> None:
    assert decisions().may_be_session(name, value) is may_be


def named(text: str) -> list[str | None]:
    return [None if who == "-" else who for who in text]


@pytest.mark.parametrize(
    ("history", "later", "foreseen"),
    [
        ("123123123123", "", "1"),
        ("123123123123", "1", "2"),
        ("123123123123", "--", "3"),  # unknown ones took their turns
        ("12121212", "", "1"),
        ("1212121", "", None),  # not certain yet
        ("12-312312312312", "", None),  # lost: it may have taken a turn or not
        ("312231122313", "", None),
        ("111111111111", "", None),
        ("", "", None),
    ],
)
def test_what_a_cycle_would_choose_next(history: str, later: str, foreseen: str | None) -> None:
    assert decisions(*NAMES).foreseen(named(history), named(later)) == foreseen


def test_the_likeliest_member_is_asked_first() -> None:
    asked = decisions(*NAMES)
    assert asked.first_asked([C, A, B, C, A], NAMES)[0] == B
    assert asked.first_asked([C, C, C], NAMES)[0] == C
    assert asked.first_asked([], NAMES) == NAMES


def test_more_connections_only_where_they_could_settle_the_shares() -> None:
    asked = decisions(*NAMES)
    assert asked.more(named("1" * 32)) == 0
    assert asked.more(named("12" * 16)) == 0  # a cycle
    assert asked.more(named("1" * 29 + "222")) == 0  # weights already
    borderline = "1211121211212111211211211121" + "1211"
    assert asked.more(named(borderline)) > 0
    assert asked.more(named(borderline * 3)) == 0  # once, not again and again


def test_only_a_cycle_is_enough() -> None:
    asked = decisions(*NAMES)
    assert asked.enough(named("1231231231"), 3)
    assert not asked.enough(named("1" * 199), 3)
    assert not asked.enough(named("312231122313321231121332"), 3)


def test_sessions_of_tls_and_cookies_that_tell() -> None:
    asked = decisions(*NAMES)
    cookies = tuple(control(name, name, True, "JSESSIONID") for name in NAMES)
    assert asked.telling((*OWN, *cookies), NAMES) == {"tls", "JSESSIONID"}
    assert asked.telling((*OWN, control(A, B, True), control(B, C, True)), NAMES) == frozenset()
