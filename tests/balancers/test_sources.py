"""A desktop with several addresses is several clients to a balancer that keeps clients by source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.balancers.stand import Stand
from tests.balancers.test_haproxy_http import ending
from tests.balancers.test_haproxy_tcp import weighted
from tests.rig.balancers import Backend, HAProxy, NginxHttp, NginxStream
from tests.rig.rig import Software, open_rig

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A stand whose client has four addresses. With round robin and a table each new one meets the next member."""
    with open_rig(tmp_path_factory.mktemp("sources"), namespaces_only=True) as rig:
        stand = Stand(rig)
        for last in (21, 22, 23):
            rig.network.source(f"203.0.113.{last}")
        yield stand


def test_a_table_of_sources_shows(several: Stand) -> None:
    members = several.members("tickets")
    with several.running(HAProxy(several.listen, members, stick="source")) as server:
        checked = several.check(several.target(members), server)
    assert (checked.path.method, checked.path.persistence) == ("single", "source-address"), checked.said
    assert checked.path.sources == 4
    assert len(set(checked.arm("source"))) == 3, checked.said
    assert checked.balancing_codes == {"BAL004"}, checked.said
    assert checked.finding("BAL004").confidence == "likely"
    assert checked.report.summary.exit_code == 1
    checked.assert_attributed_rightly(44)


def test_a_table_of_sources_shows_where_tls_ends_in_front(several: Stand) -> None:
    members = several.members("sessions")
    with several.running(ending(several, members, stick="source")) as server:
        checked = several.check(several.target(members), server)
    assert (checked.path.method, checked.path.persistence) == ("single", "source-address"), checked.said
    assert checked.balancing_codes == {"BAL004", "BAL010"}, checked.said
    checked.assert_attributed_rightly(44)


@pytest.mark.parametrize("balancer", [HAProxy, NginxStream, NginxHttp])
def test_a_hash_of_the_source(several: Stand, balancer: type[Software]) -> None:
    """Which member an address hashes to is the balancer's affair: what is said must fit what happened."""
    kind = "sessions" if balancer is NginxHttp else "tickets"
    members = several.members(kind)
    made: Software
    if balancer is HAProxy:
        made = HAProxy(several.listen, members, method="source")
    elif balancer is NginxStream:
        made = NginxStream(several.listen, members, "hash $remote_addr")
    else:
        made = NginxHttp(several.listen, members, several.certificate, "hash $remote_addr")
    with several.running(made) as server:
        checked = several.check(several.target(members), server)
    checked.assert_attributed_rightly(44)
    met = {who for arm in ("fresh", "source") for who in checked.arm(arm)}
    assert checked.path.method == "single", checked.said
    assert checked.path.persistence == ("source-address" if len(met) > 1 else "not-separable"), checked.said
    assert ("BAL009" in checked.codes) is (len(met) == 1), checked.said
    assert (checked.report.summary.exit_code == 0) is (len(met) == 1), checked.said


@pytest.mark.parametrize("method", ["first", "roundrobin"])
def test_other_addresses_change_nothing_where_nobody_keeps_by_source(several: Stand, method: str) -> None:
    members = several.members("tickets")
    with several.running(HAProxy(several.listen, members, method=method)) as server:  # type: ignore[arg-type]
        checked = several.check(several.target(members), server)
    wanted = {"first": ("single", "not-separable"), "roundrobin": ("rotating", "none")}[method]
    assert (checked.path.method, checked.path.persistence) == wanted, checked.said
    assert checked.balancing_codes == {{"first": "BAL009", "roundrobin": "BAL001"}[method]}


def test_weights_kept_by_source_are_not_called_even(several: Stand) -> None:
    """10:1 with a table of sources is as the vendor advises: one address of four on the other member says nothing."""
    members: tuple[Backend, ...] = weighted(several.members("tickets")[:2], 10, 1)
    with several.running(HAProxy(several.listen, members, stick="source")) as server:
        checked = several.check(several.target(members), server)
    assert "BAL004" not in checked.codes, checked.said
    assert checked.path.method == "single"
