"""Members unknown: when does a session that is known say nothing of who answered?"""

from __future__ import annotations

import pytest

from semscheck.analysis.balancing.facts import Facts
from semscheck.analysis.balancing.identity import Identity
from semscheck.analysis.balancing.persistence import _sessions_shared
from semscheck.model.observations import Sample, Trace


def facts(known: tuple[str, ...], members: tuple[str, ...] = ()) -> Facts:
    """Fresh connections, each of which knew the session of this "server A" or "server B"."""
    samples, traces = [], {}
    for at, label in enumerate(known):
        sample = Sample(
            id=f"o{at}", at_s=at, elapsed_s=0.1, arm="fresh", index=at, address="192.0.2.100", port=443
        )
        samples.append(sample)
        traces[sample.id] = (
            Trace(
                id=f"t{at}",
                at_s=at,
                elapsed_s=0.1,
                sample=sample.id,
                token="cookie",
                name="JSESSIONID",
                member=label,
                address="192.0.2.100",
                port=443,
                recognised=True,
            ),
        )
    return Facts(members=members, addresses={}, samples=tuple(samples), traces=traces, controls=())


@pytest.mark.parametrize(
    ("known", "routes", "shared"),
    [
        (("server A", "server A", "server A"), ("node1", "node2", "node1"), True),
        (("server A", "server B", "server A"), ("node1", "node2", "node1"), False),
        (("server A", "server A"), ("node1", "node1"), False),
        (("server A", "server A"), ("node1", None), False),  # who answered the other one is not known
    ],
)
def test_by_another_sign_other_members_answered(
    known: tuple[str, ...], routes: tuple[str | None, ...], shared: bool
) -> None:
    labels = {f"o{at}": route for at, route in enumerate(routes) if route is not None}
    assert _sessions_shared(facts(known), Identity(labels, by="session-route")) is shared


def test_with_members_the_controls_say_it() -> None:
    labels = {"o0": "node1", "o1": "node2"}
    known = ("sems1.example.com", "sems1.example.com")
    assert not _sessions_shared(facts(known, ("sems1.example.com", "sems2.example.com")), Identity(labels))
