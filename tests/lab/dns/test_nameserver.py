"""The name server, asked by dig."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace

import dns.message
import dns.query
import pytest

from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import FQDN, SCENARIOS, members
from semscheck.lab.world import Answer, Dns, Ipv6, Order, World
from tests.lab.clients import addresses, dig

NAMES = tuple(member.name for member in members(3))
ALL = Dns(points_to=NAMES)

pytestmark = pytest.mark.skipif(shutil.which("dig") is None, reason="dig is not here")


def lab(dns_: Dns, *others: Dns) -> LabThread:
    return LabThread(World("w", "s", FQDN, members(3), dns=dns_, other_dns=others))


def answers(dns_: Dns, count: int) -> list[tuple[str, ...]]:
    """Return answers with the members' numbers in place of their addresses."""
    with lab(dns_) as thread:
        names = {member.client: number for number, member in enumerate(thread.lab.members, 1)}
        return [tuple(str(names[a]) for a in addresses(thread.lab)) for _ in range(count)]


def test_fixed_order_never_changes() -> None:
    assert answers(replace(ALL, order=Order.FIXED), 5) == [("1", "2", "3")] * 5


def test_cyclic_order_advances_with_every_query() -> None:
    first, second, third = ("1", "2", "3"), ("2", "3", "1"), ("3", "1", "2")
    assert answers(replace(ALL, order=Order.CYCLIC), 4) == [first, second, third, first]


def test_random_order_changes_and_keeps_the_set() -> None:
    seen = answers(replace(ALL, order=Order.RANDOM), 12)
    assert len(set(seen)) > 2
    assert {frozenset(answer) for answer in seen} == {frozenset("123")}


def test_one_at_a_time_flips() -> None:
    assert answers(replace(ALL, at_a_time=1), 4) == [("1",), ("2",), ("3",), ("1",)]


def test_a_subset_changes() -> None:
    assert answers(replace(ALL, at_a_time=2), 3) == [("1", "2"), ("2", "3"), ("3", "1")]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer.NXDOMAIN, "NXDOMAIN"),
        (Answer.NO_DATA, "NOERROR"),
        (Answer.SERVFAIL, "SERVFAIL"),
        (Answer.REFUSED, "REFUSED"),
    ],
)
def test_failures_have_their_code(answer: Answer, status: str) -> None:
    with lab(Dns(answer=answer)) as thread:
        text = dig(thread.lab, FQDN)
        assert f"status: {status}" in text
        assert "ANSWER: 0" in text
        if answer in (Answer.NXDOMAIN, Answer.NO_DATA):
            assert "SOA" in text  # RFC 2308
        assert "status: NOERROR" in dig(thread.lab, NAMES[0])


def test_silence_is_silence() -> None:
    with lab(Dns(answer=Answer.SILENT)) as thread:
        query = dns.message.make_query(FQDN, "A")
        address, _, port = thread.lab.resolver.rpartition(":")
        with pytest.raises(dns.query.dns.exception.Timeout):
            dns.query.udp(query, address, port=int(port), timeout=0.3)


def test_aliases_are_followed_and_shown() -> None:
    with lab(Dns(aliases=("a.example.test", "b.example.test"), ttl_s=77)) as thread:
        lines = [line.split() for line in dig(thread.lab, FQDN, "A", "+noall", "+answer").splitlines()]
        assert [(line[0], line[1], line[3], line[4]) for line in lines] == [
            (f"{FQDN}.", "77", "CNAME", "a.example.test."),
            ("a.example.test.", "77", "CNAME", "b.example.test."),
            ("b.example.test.", "77", "A", thread.lab.balancer_address),
        ]


def test_a_dangling_alias_is_nxdomain_with_the_chain() -> None:
    with LabThread(SCENARIOS["dns-dangling-alias"].world) as thread:
        text = dig(thread.lab, FQDN)
        assert "status: NXDOMAIN" in text
        assert "CNAME\tretired.example.test." in text


def test_ipv6_is_published_where_declared() -> None:
    for declared, expected in ((Ipv6.NONE, ()), (Ipv6.DEAD, ("::1",))):
        with lab(Dns(ipv6=declared)) as thread:
            assert addresses(thread.lab, "AAAA") == expected


def test_truncated_answers_come_over_tcp() -> None:
    with lab(Dns(truncated=True)) as thread:
        cut = dig(thread.lab, FQDN, "A", "+ignore")
        assert " tc" in cut
        assert "ANSWER: 0" in cut
        assert addresses(thread.lab) == (thread.lab.balancer_address,)


def test_member_names_and_authority_lead_somewhere() -> None:
    with lab(Dns(swapped_member_names=(NAMES[1],))) as thread:
        replication = thread.lab.place.members[0].replication.address
        assert dig(thread.lab, NAMES[0], "A", "+short").split() == [replication]
        assert dig(thread.lab, NAMES[1], "A", "+short").split() == [thread.lab.place.stranger]
        assert dig(thread.lab, "example.test", "NS", "+short").split() == ["ns1.example.test."]
        assert dig(thread.lab, "example.test", "SOA", "+short").startswith("ns1.example.test.")
        server = thread.lab.resolver.rpartition(":")[0]
        assert dig(thread.lab, "ns1.example.test", "A", "+short").split() == [server]
        assert "status: NXDOMAIN" in dig(thread.lab, "nobody.example.test")
        assert "status: REFUSED" in dig(thread.lab, "example.org")


def test_name_servers_may_disagree() -> None:
    with lab(Dns(), Dns(points_to=NAMES[:1])) as thread:
        given = [
            dig(thread.lab, FQDN, "A", "+short", server=server).split() for server in thread.lab.resolvers
        ]
        assert given == [[thread.lab.balancer_address], [thread.lab.members[0].client]]


@pytest.mark.slow
def test_lost_queries_and_garbage_do_no_harm() -> None:
    with lab(Dns(lost_share=0.5)) as thread:
        address, _, port = thread.lab.resolver.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for data in (b"", b"x", b"\x00" * 12, b"\xff" * 600, bytes(range(256)) * 5):
                sock.sendto(data, (address, int(port)))
        with socket.create_connection((address, int(port))) as sock:
            sock.sendall(b"\x00\x05hello")
            assert sock.recv(100) == b""
        query = dns.message.make_query(FQDN, "A")
        got = 0
        for _ in range(20):
            try:
                dns.query.udp(query, address, port=int(port), timeout=0.1)
                got += 1
            except dns.query.dns.exception.Timeout:
                continue
        assert 2 <= got <= 18
