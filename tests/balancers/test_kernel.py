"""The kernel as balancer (packets rewritten, as LVS does): nothing in between to leave a trace."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.balancers.stand import DOMAIN, KERNEL_VIP, SPREADING, Checked, Stand
from tests.rig.net import Namespaces, Spread
from tests.rig.process import MissingError

pytestmark = pytest.mark.real


def check(
    stand: Stand, kind: str, spread: Spread, times: Sequence[int] = (1, 1, 1), known: bool = True
) -> Checked:
    if not isinstance(stand.rig.network, Namespaces):
        raise MissingError("spreading packets needs network namespaces")
    members = stand.members(kind)
    spread_over = [one.address for one, count in zip(members, times, strict=True) for _ in range(count)]
    stand.rig.network.balance(KERNEL_VIP, stand.port, spread_over, spread)
    name = f"kernel.{DOMAIN}"
    target = stand.target(members if known else (), fqdn=name, fqdn_shown=name, balancers=(KERNEL_VIP,))
    return stand.check(target)


@pytest.mark.parametrize("kind", ["tickets", "cache12", "sessions"])
def test_one_after_another(stand: Stand, kind: str) -> None:
    checked = check(stand, kind, "cycle")
    assert (checked.path.method, checked.path.persistence) == ("rotating", "none"), checked.said
    assert checked.path.termination == "pass-through"
    assert checked.balancing_codes == {"BAL001"}
    assert len(checked.path.cycle) == 3
    order = checked.path.cycle
    assert checked.arm("fresh") == tuple(order[at % 3] for at in range(checked.path.samples))


def test_by_source(stand: Stand) -> None:
    checked = check(stand, "tickets", "source")
    assert (checked.path.method, checked.path.persistence) == ("single", "not-separable"), checked.said
    assert checked.balancing_codes == {"BAL009"}


def test_by_lot(stand: Stand) -> None:
    checked = check(stand, "tickets", "random")
    assert checked.path.method in ("rotating", "even", "weighted"), checked.said
    assert checked.path.persistence == "none", checked.said
    assert len(checked.balancing_codes & SPREADING) == 1


def test_in_turn_with_weights(stand: Stand) -> None:
    checked = check(stand, "tickets", "cycle", (4, 1, 1))
    assert (checked.path.method, checked.path.persistence) == ("weighted", "none"), checked.said
    assert checked.balancing_codes == {"BAL003"}
    shares = {share.name: share.count for share in checked.path.members}
    assert shares["sems1.example.test"] > 3 * shares["sems2.example.test"]


def test_nothing_tells_the_members_apart(stand: Stand) -> None:
    for kind in ("mute", "shared"):
        checked = check(stand, kind, "cycle")
        assert checked.path.method == "unknown", checked.said
        assert checked.balancing_codes == {"BAL008"}
        assert checked.report.summary.exit_code == 3


@pytest.mark.parametrize(
    ("kind", "spread", "times", "method", "codes"),
    [
        ("tickets", "cycle", (1, 1, 1), "rotating", {"BAL001"}),
        ("tickets", "cycle", (10, 1, 1), "weighted", {"BAL003"}),
        ("sessions", "source", (1, 1, 1), "single", {"BAL009"}),
        ("tickets", "source", (1, 1, 1), "unknown", {"BAL008"}),
        ("mute", "cycle", (1, 1, 1), "unknown", {"BAL008"}),
    ],
)
def test_with_only_the_name(
    stand: Stand, kind: str, spread: Spread, times: Sequence[int], method: str, codes: set[str]
) -> None:
    checked = check(stand, kind, spread, times, known=False)
    assert checked.path.method == method, checked.said
    assert checked.balancing_codes == codes, checked.said
