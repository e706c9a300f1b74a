"""Pseudonyms: stable under a key, one to one, and addresses keep their networks and their class."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semscheck.redaction.pseudonyms import _FIXED_V6, Pseudonyms, key_of
from tests.rig.policy import examples

KEY = b"a key of the tests"
V4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
PRIVATE = [
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
    )
]


def common_bits(one: str, other: str) -> int:
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return first.max_prefixlen - (int(first) ^ int(second)).bit_length()


def kind(text: str) -> object:
    address = ipaddress.ip_address(text)
    return next((network for network in PRIVATE if address in network), "public")


@settings(max_examples=examples(300), deadline=None)
@given(V4, st.integers(0, 255), st.integers(0, 255))
def test_addresses_of_one_network_stay_together(base: ipaddress.IPv4Address, one: int, other: int) -> None:
    names = Pseudonyms(KEY)
    network = int(base) & 0xFFFFFF00
    first, second = (str(ipaddress.IPv4Address(network | host)) for host in (one, other))
    if network >> 24 in (0, 127) or network >> 29 == 7:
        return  # loopback keeps what everybody has; the reserved ends are nobody's
    assert common_bits(names.address(first), names.address(second)) == common_bits(first, second)
    assert kind(names.address(first)) == kind(first)


@settings(max_examples=examples(200), deadline=None)
@given(V6, st.integers(1, 128))
def test_ipv6_keeps_exactly_the_common_prefix(address: ipaddress.IPv6Address, shared: int) -> None:
    names = Pseudonyms(KEY)
    if int(address) >> 96 == 0 or int(address) >> 120 == 0xFF:
        return
    other = ipaddress.IPv6Address(int(address) ^ 1 << (128 - shared))
    if int(other) >> 96 == 0 or int(other) >> 120 == 0xFF:
        return
    if any((address in network) != (other in network) for network, _ in _FIXED_V6):
        return  # of two kinds, of which one keeps its first bits so that it stays of its kind
    shown, second = names.address(str(address)), names.address(str(other))
    assert common_bits(shown, second) == common_bits(str(address), str(other))


@settings(max_examples=examples(50), deadline=None)
@given(st.sets(V4, min_size=2, max_size=40))
def test_no_two_addresses_become_one(addresses: set[ipaddress.IPv4Address]) -> None:
    names = Pseudonyms(KEY)
    assert len({names.address(str(address)) for address in addresses}) == len(addresses)


@pytest.mark.parametrize(
    ("address", "stays_in"),
    [
        ("10.1.2.3", "10.0.0.0/8"),
        ("172.20.1.1", "172.16.0.0/12"),
        ("192.168.7.7", "192.168.0.0/16"),
        ("100.70.1.1", "100.64.0.0/10"),
        ("169.254.9.9", "169.254.0.0/16"),
        ("127.4.5.6", "127.0.0.0/8"),
        ("fd12:3456::1", "fd00::/8"),
        ("fe80::1234", "fe80::/64"),
        ("2001:db8::1", "2000::/3"),
    ],
)
def test_the_class_stays_and_the_address_does_not(address: str, stays_in: str) -> None:
    shown = Pseudonyms(KEY).address(address)
    assert ipaddress.ip_address(shown) in ipaddress.ip_network(stays_in)
    assert shown != address


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.0.0.53", "::1", "::", "0.0.0.0", "224.0.0.251", "ff02::fb"]
)
def test_what_everybody_has_is_left_alone(address: str) -> None:
    assert Pseudonyms(KEY).address(address) == address


def test_an_embedded_ipv4_address_is_the_same_as_by_itself() -> None:
    names = Pseudonyms(KEY)
    assert names.address("::ffff:192.0.2.11") == f"::ffff:{names.address('192.0.2.11')}"
    nat = ipaddress.IPv6Address(names.address("64:ff9b::c000:20b"))
    assert str(ipaddress.IPv4Address(int(nat) & 0xFFFFFFFF)) == names.address("192.0.2.11")


def test_other_spellings_of_an_address_agree() -> None:
    names = Pseudonyms(KEY)
    assert names.address("2001:DB8:0:0::1") == names.address("2001:db8::1")
    assert names.address("fe80::1%eth0") == names.address("fe80::1")


def test_one_key_agrees_and_another_does_not() -> None:
    one, same, other = Pseudonyms(KEY), Pseudonyms(KEY), Pseudonyms(b"another")
    for original in ("keys", "sems1", "example"):
        assert one.label(original) == same.label(original) == one.label(original.upper())
        assert one.label(original) != other.label(original)
    assert one.address("192.0.2.11") == same.address("192.0.2.11") != other.address("192.0.2.11")
    assert one.check == same.check != other.check


def test_the_order_of_asking_changes_nothing() -> None:
    texts = [f"host{number}" for number in range(500)]
    forwards, backwards = Pseudonyms(KEY), Pseudonyms(KEY)
    for text in texts:
        forwards.label(text)
    for text in reversed(texts):
        backwards.label(text)
    assert [forwards.label(text) for text in texts] == [backwards.label(text) for text in texts]
    assert len({forwards.label(text) for text in texts}) == len(texts)


def test_hex_and_digits_keep_their_shape() -> None:
    names = Pseudonyms(KEY)
    assert len(names.hexadecimal("ab" * 32)) == 64
    assert names.hexadecimal("AB" * 32) == names.hexadecimal("ab" * 32).upper()
    assert len(names.digits("1234567890")) == 10
    assert names.digits("1234567890").isdigit()
    assert len(names.opaque("x" * 5000)) == 5000
    assert len({names.digits(str(number)) for number in range(100_000, 101_000)}) == 1000


def test_words_that_people_agree_on_give_one_key() -> None:
    assert key_of("help desk") == key_of("help desk") != key_of("help desk ")
    assert len(key_of("")) == 32
