"""Whatever a saved report or a hostile server holds, the DNS and desktop rules answer and do not crash."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semscheck.model.analysis import EndpointStatus, Reach
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import State
from semscheck.model.observations import (
    AnyObservation,
    CnameHop,
    DnsAnswer,
    Enrolment,
    Exchange,
    HostsEntry,
    HostsFile,
    ProxySettings,
    ResolverConfig,
    Route,
    SystemResolution,
)
from semscheck.model.target import Endpoint, Failover, Member, Target
from tests.rig.policy import examples
from tests.rules.dnsscene import FQDN, Scene

words = st.sampled_from([FQDN, "sems1.example.com", "", "x", "192.0.2.1", "[::1]:53", "a:b"]) | st.text(
    max_size=9
)
addresses = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "10.0.0.1", "nonsense", ""])
few = st.lists(addresses, max_size=3).map(tuple)
failures = st.none() | st.builds(Failure, st.sampled_from(Phase), st.sampled_from(Cause), words)
basics = {
    "id": st.uuids().map(str),
    "at_s": st.floats(0, 1e9),
    "elapsed_s": st.none() | st.floats(0, 1e6),
}
answers = st.builds(
    DnsAnswer,
    **basics,
    server=words,
    server_name=st.none() | words,
    role=st.sampled_from(["resolver", "authority"]),
    purpose=st.sampled_from(["fqdn", "fqdn", "member", "suffix", "probe"]),
    name=words,
    record_type=st.sampled_from(["A", "AAAA", "A", "TXT"]),
    repetition=st.integers(0, 8),
    rcode=st.sampled_from(["NOERROR", "NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", None]),
    flags=st.sampled_from([(), ("AA",), ("RA", "RD")]),
    cname=st.lists(st.builds(CnameHop, words, words, st.integers(0, 2**31)), max_size=3).map(tuple),
    records=few,
    ttl_s=st.none() | st.integers(0, 2**31),
    failure=failures,
)
others = st.one_of(
    st.builds(
        ResolverConfig,
        **basics,
        source=words,
        servers=st.lists(words, max_size=3).map(tuple),
        failure=failures,
    ),
    st.builds(SystemResolution, **basics, name=words, addresses=few, failure=failures),
    st.builds(
        HostsFile,
        **basics,
        path=words,
        entries=st.lists(
            st.builds(HostsEntry, st.integers(), addresses, st.lists(words, max_size=2).map(tuple)),
            max_size=2,
        ).map(tuple),
        failure=failures,
    ),
    st.builds(
        Enrolment, **basics, source=words, servers=st.lists(words, max_size=2).map(tuple), failure=failures
    ),
    st.builds(
        ProxySettings,
        **basics,
        source=words,
        url=st.none() | words,
        covers=st.none() | st.booleans(),
        failure=failures,
    ),
    st.builds(Route, **basics, address=addresses, failure=failures),
    st.builds(
        Exchange,
        **basics,
        address=addresses,
        port=st.just(443),
        host=words,
        headers=st.lists(
            st.tuples(st.sampled_from(["Date", "date", "Age", ""]), st.text(max_size=30)), max_size=3
        ).map(tuple),
    ),
)
targets = st.builds(
    Target,
    fqdn=st.sampled_from([FQDN, "keys", "sems1.example.com", ""]),
    fqdn_shown=words,
    failover=st.sampled_from(Failover),
    balancers=st.lists(st.just("192.0.2.1"), max_size=1).map(tuple),
    members=st.lists(
        st.builds(Member, words, few.map(lambda some: tuple(Endpoint(a) for a in some))), max_size=2
    ).map(tuple),
    families=st.sampled_from([(4,), (6,), (4, 6)]),
)
places = st.lists(
    st.builds(
        EndpointStatus, address=addresses, port=st.just(443), fqdn=st.booleans(), reach=st.sampled_from(Reach)
    ),
    max_size=3,
)


@settings(
    max_examples=examples(250),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    target=targets,
    seen=st.lists(answers | answers | others, max_size=12),
    where=places,
)
@pytest.mark.slow
def test_every_rule_answers(target: Target, seen: list[AnyObservation], where: list[EndpointStatus]) -> None:
    scene = Scene(target, seen, places=where)
    ours = [
        one
        for one in scene.verdicts
        if one.code[:3] == "DNS" or one.code in ("CLT001", "CLT002", "CLT003", "CLT004", "CLT005")
    ]
    assert len(ours) == 27
    assert [(one.code, one.why) for one in ours if one.state is State.CRASHED] == []
    assert scene.evidence_exists()


def test_an_ipv4_address_in_an_aaaa_answer_crashes_no_rule() -> None:
    answer = DnsAnswer(
        id="a",
        at_s=0.0,
        server="192.0.2.53:53",
        name=FQDN,
        record_type="AAAA",
        rcode="NOERROR",
        records=("192.0.2.1",),
    )
    scene = Scene(Target(FQDN), [answer])
    assert [one.code for one in scene.verdicts if one.state is State.CRASHED] == []
