"""Named worlds: one healthy, and one for each thing that can be wrong.

`expect` and `verdict` document what a checker should say, for people and for tests; nothing at run time reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from semscheck.lab.world import Balancer, Dns, Member, Method, Order, World

FQDN = "keys.example.test"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world with the findings that it is there to show: codes that appear at least, and the verdict."""

    world: World
    expect: tuple[str, ...]
    verdict: str

    @property
    def name(self) -> str:
        """The name on the command line."""
        return self.world.name

    @property
    def sentence(self) -> str:
        """What the scenario shows, in one sentence."""
        return self.world.sentence


def members(count: int = 3) -> tuple[Member, ...]:
    """Return so many members that follow the vendor's advice."""
    return tuple(Member(f"sems{number}.example.test") for number in range(1, count + 1))


def _healthy() -> Scenario:
    world = World(
        "healthy",
        "Three members behind a fail-over balancer that passes TLS through; everything as the vendor advises.",
        FQDN,
        members(),
    )
    return Scenario(world, ("BAL009",), "ok")


def _dns_round_robin() -> Scenario:
    world = World(
        "dns-round-robin",
        "No balancer: the name has the members' three addresses, and the name server rotates them.",
        FQDN,
        members(),
        balancer=None,
        dns=Dns(points_to=tuple(member.name for member in members()), order=Order.CYCLIC),
    )
    return Scenario(world, ("DNS004",), "critical")


def _balancer(
    name: str, sentence: str, balancer: Balancer, expect: tuple[str, ...], verdict: str
) -> Scenario:
    return Scenario(World(name, sentence, FQDN, members(), balancer), expect, verdict)


def _all() -> tuple[Scenario, ...]:
    return (
        _healthy(),
        _dns_round_robin(),
        _balancer(
            "round-robin",
            "The balancer sends each new connection to the next member, and nothing keeps a client on one.",
            Balancer(Method.ROUND_ROBIN),
            ("BAL001",),
            "critical",
        ),
    )


SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _all()}
