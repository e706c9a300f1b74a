"""Connections that a limit on this desktop kept away are as if they had not been made."""

from __future__ import annotations

import pytest

from semscheck.analysis.balancing.facts import balancer_error, kept_away, succeeded, without_those
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.observations import Arm, Bound, Sample


def sample(name: str, index: int, arm: Arm = "fresh") -> Sample:
    return Sample(id=name, at_s=0.0, arm=arm, index=index, address="192.0.2.100", port=443)


def numbers(samples: list[Sample]) -> list[tuple[str, int]]:
    return [(each.id, each.index) for each in samples]


def test_which_those_are() -> None:
    seen = (
        Bound(id="b1", at_s=0.0, what="addresses", seen=9, used=8),
        sample("o1", 0),
        Bound(id="b2", at_s=0.0, what="connections", seen=9, used=8, samples=("o1", "o2")),
    )
    assert kept_away(seen) == {"o1", "o2"}


def test_the_others_are_numbered_as_if_they_had_come_alone() -> None:
    samples = [
        sample("a", 0),
        sample("b", 1, "pairs"),
        sample("x", 2),
        sample("y", 3, "pairs"),
        sample("c", 4),
    ]
    samples += [sample("z", 0, "resume"), sample("d", 1, "resume")]
    found = without_those(samples, frozenset("xyz"))
    assert numbers(found) == [("a", 0), ("b", 1), ("c", 2), ("d", 0)]


def test_an_arm_that_began_anew_is_counted_anew() -> None:
    samples = [sample("a", 0), sample("x", 1), sample("b", 2), sample("c", 0), sample("d", 1)]
    assert numbers(without_those(samples, frozenset("x"))) == [("a", 0), ("b", 1), ("c", 0), ("d", 1)]


def test_without_a_limit_nothing_changes() -> None:
    samples = [sample("a", 0), sample("b", 1)]
    assert without_those(samples, frozenset(("another",))) == samples


@pytest.mark.parametrize(
    ("status", "cause", "error"),
    [
        (200, None, False),
        (404, None, False),
        (500, None, False),  # the application's own
        (502, None, True),
        (503, None, True),
        (504, None, True),
        (None, None, False),
        (None, Cause.CLOSED, True),
        (None, Cause.TIMED_OUT, True),
        (None, Cause.REFUSED, True),
        (None, Cause.NOT_TLS, False),
        (None, Cause.OTHER, False),
    ],
)
def test_what_a_dead_member_behind_a_balancer_looks_like(
    status: int | None, cause: Cause | None, error: bool
) -> None:
    failure = Failure(Phase.TLS, cause) if cause is not None else None
    seen = Sample(
        id="s",
        at_s=0.0,
        arm="fresh",
        index=0,
        address="192.0.2.100",
        port=443,
        status=status,
        failure=failure,
    )
    assert balancer_error(seen) is error
    assert succeeded(seen) is (failure is None and not error)
