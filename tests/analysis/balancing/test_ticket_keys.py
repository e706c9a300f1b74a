"""Who answered, from the keys of TLS tickets: what is a name is found by agreement, and what it then says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from semscheck.analysis.balancing.method import NOT_TOLD
from semscheck.analysis.balancing.ticket_keys import UNLISTED, KeyNames, Look, TicketFacts
from semscheck.model.analysis import BalancingPath
from semscheck.model.observations import Handshake, Sample, Ticket
from tests.analysis.balancing.connections import NAMES, PORT, VIP, Story, address

A, B, C = NAMES
FULL, JAVA, NONE = 4, 1, 0  # of the beginnings of 4, 8, 12 and 16 bytes: how many belong to the key's name


class Tickets:
    """Tickets as servers make them: the same beginning for one key, and never the same as a whole."""

    def __init__(self) -> None:
        self._made = 0

    def of(self, key: str, named: int = FULL) -> Ticket:
        self._made += 1
        own = [f"{key}-{at}" if at < named else f"{key}-{at}-{self._made}" for at in range(4)]
        return Ticket(count=2, whole=f"{key}-{self._made}", prefixes=tuple(own), lifetime_s=300)


class Keyed(Story):
    """Runs of connections of which the tickets' keys are known."""

    def __init__(self, *members: str, named: int = FULL) -> None:
        super().__init__(*members)
        self.tickets = Tickets()
        self.named = named

    def look(self, where: str, key: str, sni: str = "keys.example.com", times: int = 2) -> None:
        for _ in range(times):
            ticket = self.tickets.of(key, self.named)
            self.add(Handshake, address=where, port=PORT, sni=sni, version="TLSv1.3", ticket=ticket)

    def looks(self, keys: Sequence[str]) -> Keyed:
        for name, key in zip(self.members, keys, strict=True):
            self.look(address(name), key)
        return self

    def connect(self, keys: Iterable[str], arm: str = "fresh", **data: object) -> Keyed:
        """One connection for each key; "-" for one that was given no ticket, "x" for one that failed."""
        from tests.analysis.balancing.connections import LOST

        for at, key in enumerate(keys):
            ticket = (
                None if key == "x" else Ticket(count=0) if key == "-" else self.tickets.of(key, self.named)
            )
            self.add(
                Sample,
                arm=arm,
                index=at,
                address=VIP,
                port=PORT,
                version="TLSv1.3",
                ticket=ticket,
                failure=LOST if key == "x" else None,
                **data,
            )
        return self

    def resumed(self, origins: Sequence[int], keys: str) -> Keyed:
        """TLS sessions of earlier connections, by number, offered again: which key was met."""
        fresh = [seen for seen in self.seen if isinstance(seen, Sample) and seen.arm == "fresh"]
        for at, (origin, key) in enumerate(zip(origins, keys, strict=True)):
            offered = fresh[origin]
            same = offered.ticket is not None and offered.ticket.prefixes[0] == f"{key}-0"
            ticket = self.tickets.of(key, self.named)
            self.add(
                Sample,
                arm="resume",
                index=at,
                address=VIP,
                port=PORT,
                version="TLSv1.3",
                ticket=ticket,
                offered=offered.id,
                resumed=same,
            )
        return self


def arm(path: BalancingPath) -> str:
    """The fresh arm in letters."""
    labels = next(each.members for each in path.arms if each.arm == "fresh")
    return "".join("." if who is None else who.removeprefix("server ")[0] for who in labels)


# --- what is a name ---


def test_a_name_is_what_two_tickets_have_in_common() -> None:
    made = Tickets()
    one, two, other = made.of("k"), made.of("k"), made.of("l")
    names = KeyNames([one, two, other])
    assert names.of(one) == names.of(two) == "k-3"
    assert names.of(other) is None


def test_a_short_one_is_found_as_well() -> None:
    made = Tickets()
    one, two = made.of("k", JAVA), made.of("k", JAVA)
    assert KeyNames([one, two]).of(one) == "k-0"
    assert KeyNames([one, two]).short(one)


def test_a_beginning_of_several_keys_is_a_constant() -> None:
    """Two keys under a common beginning: a third ticket with that beginning alone is not named by it."""
    made = Tickets()
    tickets = [made.of(key) for key in ("k", "k", "l", "l", "m")]
    common = [Ticket(1, t.whole, ("format", *t.prefixes[1:]), 300) for t in tickets]
    names = KeyNames(common)
    assert [names.of(ticket) for ticket in common] == ["k-3", "k-3", "l-3", "l-3", None]


# --- with only the name ---


@pytest.mark.parametrize(
    ("keys", "method", "seen"),
    [
        ("ABCABCABCABC", "rotating", "ABCABCABCABC"),
        ("ABABABABABAB", "rotating", "ABABABABABAB"),
        ("AxBAxBAxBAxB", "rotating", "A.BA.BA.BA.B"),
        ("ABBBBAAABABBAABAAABBABABBBAABABA", "even", "ABBBBAAABABBAABAAABBABABBBAABABA"),
        ("AAAAAAAAAAABAAAAAAAAACAAAAAAAABAAAAAAA", "weighted", "AAAAAAAAAAABAAAAAAAAACAAAAAAAABAAAAAAA"),
    ],
)
@pytest.mark.parametrize("named", [FULL, JAVA])
def test_several_keys(keys: str, method: str, seen: str, named: int) -> None:
    path = Keyed(named=named).connect(keys).resumed((0, 1, 2), keys[3:6]).path()
    assert (path.method, path.identified_by, path.certain) == (method, "ticket-key", True), path
    assert arm(path) == seen


def test_one_key_says_that_tls_ends_at_one_place() -> None:
    path = Keyed().connect("A" * 32).path()
    assert (path.method, path.identified_by) == ("unknown", None)
    assert "all TLS tickets are of one key" in (path.why_unknown or "")


def test_a_constant_beginning_says_nothing() -> None:
    path = Keyed(named=JAVA).connect("A" * 32).path()
    assert path.method == "unknown"
    assert "may be a constant" in (path.why_unknown or "")


def test_tickets_without_a_name_say_nothing() -> None:
    path = Keyed(named=NONE).connect("ABCABCABCABC").path()
    assert path.method == "unknown"
    assert "do not name the key" in (path.why_unknown or "")


@pytest.mark.parametrize("keys", ["AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB", "AAAAAAAAAAAABBBBBBBBCCCCCCCCCCCC"])
def test_keys_that_never_come_back_are_no_second_server(keys: str) -> None:
    path = Keyed().connect(keys).path()
    assert (path.method, path.members) == ("unknown", ())
    assert "none came back" in (path.why_unknown or "")


def test_a_server_whose_tickets_have_no_names_is_a_gap() -> None:
    story = Keyed()
    for at in range(16):
        ticket = story.tickets.of("A") if at % 2 else story.tickets.of(f"n{at}", NONE)
        story.add(Sample, arm="fresh", index=at, address=VIP, port=PORT, version="TLSv1.3", ticket=ticket)
    path = story.path()
    assert (path.method, path.cycle) == ("rotating", (NOT_TOLD, "server A"))


def test_blocks_are_said() -> None:
    path = Keyed().connect("AAAAAAAABBBBBBBBAAAAAAAABBBBBBBB").path()
    assert (path.method, path.blocks) == ("even", (8, 8, 8, 8))


# --- members known ---


def test_members_by_their_own_keys() -> None:
    path = Keyed(A, B, C).looks("abc").connect("abcabcabcabc").resumed((0, 1, 2), "bca").path()
    assert (path.method, path.identified_by) == ("rotating", "ticket-key")
    assert path.cycle == (A, B, C)
    assert all(len(share.keys) == 1 for share in path.members)


def test_one_member_always() -> None:
    path = Keyed(A, B, C).looks("abc").connect("a" * 32).path()
    assert (path.method, path.persistence) == ("single", "not-separable")
    assert path.members[0].name == A


def test_a_key_that_all_share_names_nobody() -> None:
    path = Keyed(A, B, C).looks("kkk").connect("k" * 32).path()
    assert path.method == "unknown"
    assert f"{A} and {B} and {C} share their TLS ticket key" in (path.why_unknown or "")


def test_two_that_share_are_named_together() -> None:
    path = Keyed(A, B, C).looks("kkc").connect("kckkckkckkckkckkck").path()
    assert path.method != "unknown"
    assert {share.name for share in path.members} == {f"{A} or {B}", C}
    assert not path.certain


def test_a_key_of_no_member_ends_in_front() -> None:
    path = Keyed(A, B, C).looks("abc").connect("z" * 32).path()
    assert path.method == "unknown"
    assert path.termination == "terminated"
    assert path.unlisted_or_terminated


def test_a_key_of_no_member_among_others_is_a_server_that_is_not_listed() -> None:
    path = Keyed(A, B).looks("ab").connect("abzabzabzabz").path()
    assert {share.name for share in path.members} == {A, B, UNLISTED}


def test_a_key_of_no_member_is_claimed_only_where_each_was_asked() -> None:
    story = Keyed(A, B, C)
    for name, key in ((A, "a"), (B, "b")):
        story.look(address(name), key)
    path = story.connect("zzzzzzzzzzzzzzzz").path()
    assert path.termination == "unknown"
    assert path.method == "unknown"


def test_a_key_that_came_up_and_stayed_may_be_a_members_new_one() -> None:
    path = Keyed(A, B).looks("ab").connect("aaaaaaaazzzzzzzz").path()
    assert UNLISTED not in {share.name for share in path.members}
    assert path.method == "unknown"


def test_asked_again_it_is_the_members() -> None:
    story = Keyed(A, B).looks("ab").connect("aaaaaaaazzzzzzzz")
    story.look(address(A), "z")
    path = story.path()
    assert path.method == "single"
    assert path.members[0].name == A


def test_a_key_of_one_key_for_all_at_interface_1_too_is_something_on_the_way() -> None:
    assert (
        "on the way from this desktop ends TLS"
        in TicketFacts(
            samples=_samples("kkkk"),
            members=(A, B),
            own={name: _given("k", 2) for name in (A, B)},
            other={name: _given("k", 2) for name in (A, B)},
        )
        .label()
        .why
    )


def test_interface_1_confirms_an_equal_key_and_makes_none_foreign() -> None:
    """nginx makes a key for each `server` block, so that the interfaces of one member have two."""
    seen = TicketFacts(
        samples=_samples("xyxy"), members=(A, B), other={A: _given("x", 2), B: _given("z", 2)}
    ).label()
    assert set(seen.labels.values()) == {A, "server A"}
    assert not seen.foreign


TICKETS = Tickets()


def _samples(keys: str) -> tuple[Sample, ...]:
    return tuple(
        Sample(id=f"s{at}", at_s=at, arm="fresh", index=at, address=VIP, port=PORT, ticket=TICKETS.of(key))
        for at, key in enumerate(keys)
    )


def _given(key: str, times: int) -> tuple[Look, ...]:
    return tuple(Look(0.0, TICKETS.of(key)) for _ in range(times))


def test_no_key_is_foreign_because_no_member_that_was_found_has_it() -> None:
    """Members that a check found by itself may be a part of the cluster only."""
    seen = TicketFacts(
        samples=_samples("zzzz"), members=(A,), own={A: _given("a", 2)}, complete=False
    ).label()
    assert not seen.foreign
