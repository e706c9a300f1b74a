"""Names, addresses and ports as people type them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.target import Endpoint
from semscheck.profile import values as entries
from semscheck.profile.values import EntryError, ServerName

NAMES = [
    ("keys.example.com", "keys.example.com", "keys.example.com"),
    ("  Keys.Example.COM. ", "keys.example.com", "keys.example.com"),
    ("keys", "keys", "keys"),
    ("sems_1.example.com", "sems_1.example.com", "sems_1.example.com"),
    ("bücher.example", "xn--bcher-kva.example", "bücher.example"),
    ("BÜCHER.example", "xn--bcher-kva.example", "bücher.example"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example", "bücher.example"),
    ("faß.example", "xn--fa-hia.example", "faß.example"),
    ("keys。example", "keys.example", "keys.example"),
    ("xn--zzzzzzzzz99.example", "xn--zzzzzzzzz99.example", "xn--zzzzzzzzz99.example"),
    ("1and1.example", "1and1.example", "1and1.example"),
    ("a" * 63 + ".example", "a" * 63 + ".example", "a" * 63 + ".example"),
]


@pytest.mark.parametrize(("typed", "name", "shown"), NAMES)
def test_names(typed: str, name: str, shown: str) -> None:
    assert entries.server_name(typed) == ServerName(name, shown)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_address_in_place_of_a_name(typed: str, name: str) -> None:
    assert entries.server_name(typed) == ServerName(name, name, is_address=True)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "missing"),
        (" ", "missing"),
        (".", "nothing between two dots"),
        ("keys..example.com", "nothing between two dots"),
        (".example.com", "nothing between two dots"),
        ("keys.example.com..", "nothing between two dots"),
        ("a" * 64 + ".example", "64 characters"),
        ("a." * 127 + "example", "too long"),
        ("a" * 5000, "too long"),
        ("-keys.example", "hyphen"),
        ("keys-.example", "hyphen"),
        ("keys example.com", "' ' is not allowed"),
        ("keys\n.example.com", r"'\\n' is not allowed"),
        ("\x1b[31mkeys.example.com", r"'\\x1b' is not allowed"),
        ("*.example.com", "wildcard"),
        ("192.0.2.300", "no address"),
        ("192.0.2", "ends in a number"),
        ("0x7f.0x1", "ends in a number"),
        ("3221225985", "a number"),
        ("0.0.0.0", "no server can have"),
        ("224.0.0.1", "no server can have"),
        ("255.255.255.255", "no server can have"),
        ("fe80::1%eth0", "network card"),
        ("user@example.com", "e-mail"),
        ("keys.example.com/omc", "path in it; give the name alone: keys.example.com"),
        ("keys.example.com:8443", "give keys.example.com and --port 8443"),
        ("https://keys.example.com/", "is a URL; give the name alone: keys.example.com"),
        (
            "HTTPS://user:secret@keys.example.com:8443/a?b#c",
            "name alone: keys.example.com, and the port with --port 8443",
        ),
        ("//keys.example.com", "is a URL"),
        ("https://", "is a URL"),
        ("\N{GRINNING FACE}.example", "no host name"),
        ("\udce4.example", "no host name"),
        ("a\u202eb.example", "no host name"),
    ],
)
def test_what_is_no_name_is_explained(typed: str, words: str) -> None:
    with pytest.raises(EntryError, match=words):
        entries.server_name(typed)


@pytest.mark.parametrize(
    ("typed", "name", "port"),
    [
        ("keys.example.com", "keys.example.com", None),
        (" Keys.Example.COM. ", "keys.example.com", None),
        ("keys.example.com:8443", "keys.example.com", 8443),
        ("https://keys.example.com/", "keys.example.com", None),
        ("https://user:secret@keys.example.com:8443/a?b#c", "keys.example.com", 8443),
        ("keys.example.com/omc", "keys.example.com", None),
        ("keys.example.com:9000/omc", "keys.example.com", 9000),
        ("<https://keys.example.com>", "keys.example.com", None),
        ('"keys.example.com"', "keys.example.com", None),
        ("https://schlüssel.example/", "xn--schlssel-95a.example", None),
        ("[2001:db8::1]:8443", "2001:db8::1", 8443),
        ("2001:db8::1", "2001:db8::1", None),
        ("192.0.2.1:444", "192.0.2.1", 444),
    ],
)
def test_what_people_paste_is_a_name(typed: str, name: str, port: int | None) -> None:
    server, number = entries.pasted_server(typed)
    assert (server.name, number) == (name, port)


@pytest.mark.parametrize(
    "typed", ["", "https://", "jdoe@example.com", "keys.example.com:0", "keys.example.com:x"]
)
def test_what_is_no_server_is_explained(typed: str) -> None:
    with pytest.raises(EntryError):
        entries.pasted_server(typed)


def test_a_member_is_not_named_by_an_address() -> None:
    assert entries.host_name("SEMS1.example.com.") == "sems1.example.com"
    with pytest.raises(EntryError, match="is an address"):
        entries.host_name("192.0.2.1")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("192.0.2.11", Endpoint("192.0.2.11")),
        (" 192.0.2.11:8443 ", Endpoint("192.0.2.11", 8443)),
        ("2001:db8::1", Endpoint("2001:db8::1")),
        ("[2001:db8::1]", Endpoint("2001:db8::1")),
        ("[2001:DB8::1]:8443", Endpoint("2001:db8::1", 8443)),
    ],
)
def test_endpoints(typed: str, found: Endpoint) -> None:
    assert entries.endpoint(typed) == found


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "no address"),
        ("sems1.example.com", "no address"),
        ("192.0.2.300", "'192.0.2.300' is no address"),
        ("192.0.2.1:", "no port"),
        ("192.0.2.1:0", "no port"),
        ("192.0.2.1:65536", "no port"),
        ("192.0.2.1:+80", "no port"),
        ("192.0.2.1:٨٠", "no port"),
        ("192.0.2.1:999999999999999999", "no port"),
        ("[2001:db8::1", "no address"),
        ("[2001:db8::1]8443", "no address"),
        ("[2001:db8::1]:x", "no port"),
        ("2001:db8::1:2:3:4:5:6:7:8443", "no address"),
        ("::", "no server can have"),
    ],
)
def test_what_is_no_endpoint_is_explained(typed: str, words: str) -> None:
    with pytest.raises(EntryError, match=words):
        entries.endpoint(typed)


def refusal(read: Callable[[str], object], typed: str) -> str:
    """What is said of it; empty where it was accepted."""
    try:
        read(typed)
    except EntryError as problem:
        return str(problem)
    return ""


@given(st.text(max_size=300))
def test_no_text_crashes_and_no_message_is_long_or_raw(typed: str) -> None:
    for read in (entries.server_name, entries.host_name, entries.address, entries.endpoint):
        words = refusal(read, typed)
        assert len(words) < 600
        assert "\n" not in words
        assert "\x1b" not in words


@given(st.from_regex(r"[a-zA-Z0-9_-]{1,70}(\.[a-zA-Z0-9_-]{0,70}){0,5}", fullmatch=True))
def test_what_is_accepted_can_be_said_in_dns(typed: str) -> None:
    import dns.name

    try:
        found = entries.server_name(typed)
    except EntryError:
        return
    if not found.is_address:
        assert dns.name.from_text(found.name + ".").to_text(omit_final_dot=True) == found.name
