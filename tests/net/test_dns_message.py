"""The reader of DNS answers: against dnspython on honest ones, and its work on hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semscheck.net.backend import NetworkResolver
from semscheck.net.dns_message import MAX_STEPS, OtherAnswerError, Walk, make_query, parse, read
from tests.net.dnsbombs import BOMBS, FQDN
from tests.rig.policy import examples

# --- work --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
@pytest.mark.parametrize("size", [1232, 16_000, 34_000, 65_535])
def test_no_answer_costs_more_steps_than_an_honest_one(bomb: Callable[..., bytes], size: int) -> None:
    query = make_query(FQDN, "A", recurse=True)
    walk = Walk(bomb(query, size))
    with contextlib.suppress(ValueError):
        reading = read(walk.answer(query), FQDN, "A")
        assert len(reading.chain) <= 16
        assert len(reading.records) <= 64
    assert walk.steps <= MAX_STEPS + 1


def test_a_bomb_over_tcp_holds_nobody_up() -> None:
    """The health page of an exporter, and every other check, live on the same loop."""

    async def longest_pause() -> float:
        query = make_query(FQDN, "A", recurse=True)
        wire = BOMBS[0](query)
        assert len(wire) > 65_000

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(512)
            writer.write(len(wire).to_bytes(2) + wire)
            await writer.drain()
            writer.close()

        pauses = [0.0]

        async def beat() -> None:
            loop = asyncio.get_running_loop()
            while True:
                began = loop.time()
                await asyncio.sleep(0.001)
                pauses.append(loop.time() - began)

        heart = asyncio.create_task(beat())
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with contextlib.suppress(ValueError):
                await NetworkResolver().ask(query, "127.0.0.1", port, tcp=True)
        heart.cancel()
        return max(pauses)

    assert asyncio.run(longest_pause()) < 2  # it was 65 s; the figure itself is in `make bench`


def test_an_answer_with_as_many_addresses_as_it_can_hold_is_read() -> None:
    query = make_query(FQDN, "A", recurse=True)
    answer = dns.message.make_response(dns.message.from_wire(query))
    data = [f"10.{n >> 8}.{n & 255}.1" for n in range(4000)]
    answer.answer.append(dns.rrset.from_text_list(dns.name.from_text(FQDN), 60, "IN", "A", data))
    reading = read(parse(answer.to_wire(max_size=65_535, want_shuffle=False), query), FQDN, "A")
    assert reading.seen == 4000
    assert reading.records == tuple(data[:64])


# --- the same as dnspython ---------------------------------------------------------------------------------

labels = st.binary(min_size=1, max_size=20)
names = st.lists(labels, min_size=0, max_size=5).map(lambda parts: dns.name.Name([*parts, b""]))
records = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.tuples(st.sampled_from(["CNAME", "NS", "PTR"]), names.map(str)),
    st.tuples(st.just("TXT"), st.just('"text of no use here"')),
)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.tuples(names, records, st.integers(0, 2**31 - 1)), max_size=8),
    st.lists(st.tuples(names, records, st.integers(0, 2**31 - 1)), max_size=4),
    st.sampled_from(["NOERROR", "NXDOMAIN", "SERVFAIL", "BADVERS"]),
    st.sets(st.sampled_from(["AA", "TC", "RA", "AD", "CD"])),
)
def test_an_honest_answer_reads_as_dnspython_reads_it(answers, additional, rcode, flags) -> None:  # type: ignore[no-untyped-def]
    query = make_query(FQDN, "A", recurse=True)
    message = dns.message.make_response(dns.message.from_wire(query))
    message.set_rcode(dns.rcode.from_text(rcode))
    message.flags |= dns.flags.from_text(" ".join(flags))
    for section, content in ((message.answer, answers), (message.additional, additional)):
        for owner, (kind, data), ttl in content:
            section.append(dns.rrset.from_text(owner, ttl, "IN", kind, data))
    parsed = parse(message.to_wire(want_shuffle=False), query)
    assert parsed.rcode == rcode
    assert set(parsed.flags) == flags | {"RD"}
    for got, content in ((parsed.records, answers), (parsed.additional, additional)):
        assert [(r.owner, r.kind, r.ttl_s) for r in got] == [
            (_text(owner), dns.rdatatype.from_text(kind), ttl) for owner, (kind, _), ttl in content
        ]
        shown = [None if kind == "TXT" else _plain(kind, data) for _, (kind, data), _ in content]
        assert [r.data for r in got] == shown


def _text(name: dns.name.Name) -> str:
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def _plain(kind: str, data: str) -> str | bytes:
    return ipaddress.ip_address(data).packed if kind in ("A", "AAAA") else _text(dns.name.from_text(data))


@settings(max_examples=examples(200), deadline=None)
@given(names, st.sampled_from(["A", "AAAA", "NS"]), st.booleans(), st.integers(0, 300), st.booleans())
def test_a_query_is_what_dnspython_takes_it_for(
    name: dns.name.Name, kind: str, recurse: bool, repetition: int, edns: bool
) -> None:
    text = name.to_text(omit_final_dot=True)
    query = make_query("" if text == "." else text, kind, recurse=recurse, repetition=repetition, edns=edns)
    message = dns.message.from_wire(query)
    assert [(q.name, q.rdtype.name) for q in message.question] == [(name, kind)]
    assert bool(message.flags & dns.flags.RD) is recurse
    assert message.edns == (0 if edns else -1)
    assert not edns or 512 <= message.payload <= 1232


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "a..test", ".".join(["a" * 60] * 5)])
def test_a_name_that_dns_cannot_carry_is_said(name: str) -> None:
    with pytest.raises(ValueError, match="not a name that DNS can carry"):
        make_query(name, "A", recurse=True)


# --- what is refused ---------------------------------------------------------------------------------------


def _answered(query: bytes, tail: bytes, counts: bytes = b"\0\1\0\1\0\0\0\0") -> bytes:
    return query[:2] + b"\x81\x80" + counts + query[12:-11] + tail


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2",
        b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\5\xc0\0\2\1\1",
        b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\3\xc0\0\2",
        b"\xc0\xff\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1",
        b"\xc0\x23\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1",
        b"\x80\0\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1",
        b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1a\0\0",
        (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1",
    ],
    ids=["cut", "cut-data", "five-bytes", "three-bytes", "nowhere", "itself", "label-type", "rest", "long"],
)
def test_a_malformed_record_is_refused(tail: bytes) -> None:
    query = make_query(FQDN, "A", recurse=True)
    with pytest.raises(ValueError) as raised:
        parse(_answered(query, tail), query)
    assert not isinstance(raised.value, OtherAnswerError)


def test_another_question_or_no_answer_is_told_from_a_malformed_one() -> None:
    query = make_query(FQDN, "A", recurse=True)
    other = make_query("other.example.test", "A", recurse=True)
    answer = dns.message.make_response(dns.message.from_wire(query)).to_wire()
    for wire, asked in ((answer, other), (query, query), (query[:2] + answer[2:12], query)):
        with pytest.raises(ValueError):
            parse(wire, asked)
    with pytest.raises(OtherAnswerError):
        parse(query, query)
    assert parse(answer, query).rcode == "NOERROR"


def test_a_server_that_looks_at_no_question_may_leave_it_out() -> None:
    query = make_query(FQDN, "A", recurse=True)
    assert parse(query[:2] + b"\x81\x81" + bytes(8), query).rcode == "FORMERR"
    with pytest.raises(OtherAnswerError):
        parse(query[:2] + b"\x81\x80" + bytes(8), query)


def test_a_time_to_live_with_the_highest_bit_set_is_zero() -> None:
    query = make_query(FQDN, "A", recurse=True)
    wire = _answered(query, b"\xc0\x0c\0\1\0\1\x80\0\0\x3c\0\4\xc0\0\2\1")
    assert read(parse(wire, query), FQDN, "A").ttl_s == 0


def test_the_case_of_a_name_does_not_matter() -> None:
    query = make_query(FQDN, "A", recurse=True)
    wire = _answered(query, b"\4KeYs\xc0\x11\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1")
    assert read(parse(wire.replace(b"keys", b"KEYS"), query), FQDN, "A").records == ("192.0.2.1",)
