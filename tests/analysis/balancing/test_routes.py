"""Cookies that name a server by their values, whatever they are called."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from semscheck.analysis.balancing.routes import parts_that_name, values_that_name

TURNS = (0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2)
HASHES = ("b8c6b1b1fe1f7ea5", "3ff3a2d8c5a4fbb2", "07c99a2a86b7b8ee")


def turns(*values: str) -> list[str]:
    return [values[at % len(values)] for at in TURNS]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ROUTEID", turns(".node1", ".node2", ".node3")),  # Apache mod_proxy_balancer
        ("lb", turns(*HASHES)),  # Caddy
        ("_3f2c1", turns(*HASHES)),  # Traefik
        ("anything", turns("MTAuMC4wLjE6ODA4MA==", "MTAuMC4wLjI6ODA4MA==")),  # Envoy: an address
        ("SERVERID", turns("main", "spare")),
        ("SERVERID", turns("s1|ZZZZZ|ZZZZZ", "s2|ZZZZZ|ZZZZZ")),
    ],
)
def test_few_values_that_come_back(name: str, values: Sequence[str]) -> None:
    assert len(set(values_that_name(name, values).values())) == len(set(values))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("language", turns("en", "de")),
        ("variant", turns("control", "blue", "green")),
        ("id", [f"{at:08x}" for at in range(12)]),
        ("since", ["1700000001"] * 6 + ["1700000002"] * 6),  # changes with time, and never goes back
        ("odd", turns("n1", "n2")[:5]),
        ("odd", ["n1"] * 12),
        ("odd", turns("n1 ", "n2 ")),
    ],
)
def test_other_values(name: str, values: Sequence[str]) -> None:
    assert values_that_name(name, values) == {}


def test_one_value_under_a_customary_name_is_one_server() -> None:
    assert set(values_that_name("ROUTEID", [".node1"] * 12).values()) == {".node1"}


@pytest.mark.parametrize("form", ["{0:032x}.node{1}", "node{1}~{0:032x}", "{0:032x}!node{1}"])
def test_the_part_of_a_session_that_stays(form: str) -> None:
    values = [form.format(at * 7919, turn) for at, turn in enumerate(TURNS)]
    assert set(parts_that_name(values).values()) == {"node0", "node1", "node2"}


@pytest.mark.parametrize("form", ["no name {1}~{0:032x}", "{0:032x}.no name {1}"])
def test_a_part_that_is_no_name_names_nobody(form: str) -> None:
    assert parts_that_name([form.format(at * 7919, turn) for at, turn in enumerate(TURNS)]) == {}


@pytest.mark.parametrize("form", ["eyJhbGciOiJIUzI1NiJ9.{0:x}.{0:032x}", "{0:032x}", "v1.{0:032x}"])
def test_sessions_without_such_a_part(form: str) -> None:
    assert parts_that_name([form.format(at * 7919 + 1) for at in range(12)]) == {}
