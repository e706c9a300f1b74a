"""Name matching: RFC 9525 section 6.3 and 6.4, and the vendor's rule apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.model.names import (
    covers,
    covers_address,
    matches_alternative_names,
    matches_common_names,
    spoiled_by,
)

LONG = "a" * 63


@pytest.mark.parametrize(
    ("presented", "name"),
    [
        ("keys.example.com", "keys.example.com"),
        ("KEYS.Example.COM", "keys.example.com"),
        ("keys.example.com", "keys.example.com."),
        ("*.example.com", "keys.example.com"),
        ("*.example.com", "xn--bcher-kva.example.com"),
        ("*.xn--bcher-kva.example", "keys.xn--bcher-kva.example"),
        ("keys_1.example.com", "keys_1.example.com"),
        ("keys", "keys"),
        (f"{LONG}.example.com", f"{LONG}.example.com"),
    ],
)
def test_covers(presented: str, name: str) -> None:
    assert covers(presented, name)


@pytest.mark.parametrize(
    ("presented", "name", "because"),
    [
        ("keys.example.com", "keys2.example.com", "another name"),
        ("*.example.com", "example.com", "a wildcard is one label, not none"),
        ("*.example.com", "a.keys.example.com", "and not two"),
        ("*.com", "example.com", "no client takes it"),
        ("*", "keys", "nor this"),
        ("*.*.example.com", "a.b.example.com", "one wildcard, in the left-most label"),
        ("keys.*.com", "keys.example.com", "only the left-most label"),
        ("k*.example.com", "keys.example.com", "the whole label"),
        ("*s.example.com", "keys.example.com", "the whole label"),
        ("xn--*.example.com", "xn--bcher-kva.example.com", "a fragment of an IDNA label"),
        ("keys.example.com\0.evil.test", "keys.example.com", "NUL ends no name"),
        ("keys.example.com", "keys.example.com\0.evil.test", "NUL ends no name"),
        ("keys.example.com ", "keys.example.com", "blanks are not trimmed"),
        ("keys.example.com.", "keys.example.com", "a certificate's name has no trailing dot"),
        ("keys.example.com.", "keys.example.com.", "whatever is asked for"),
        ("*.example.com.", "keys.example.com", "nor behind a wildcard"),
        ("keys.example.com", "keys.example.com..", "one dot is the root's, not two"),
        (".example.com", "keys.example.com", "an empty label"),
        ("keys..example.com", "keys..example.com", "an empty label"),
        ("", "", "nothing"),
        (".", ".", "the root is no host"),
        ("192.0.2.1", "192.0.2.1", "addresses are iPAddress entries"),
        ("*.0.2.1", "192.0.2.1", "addresses have no wildcards"),
        ("2001:db8::1", "2001:db8::1", "addresses are iPAddress entries"),
        ("bücher.example", "xn--bcher-kva.example", "U-labels are not presented"),
        ("ｋeys.example.com", "keys.example.com", "look-alikes"),
        ("\u212aeys.example.com", "keys.example.com", "the Kelvin sign folds to k outside ASCII"),
        (f"{LONG}a.example.com", f"{LONG}a.example.com", "a label of 64"),
        (".".join([LONG] * 4) + ".com", ".".join([LONG] * 4) + ".com", "over 253 characters"),
        ("https://keys.example.com", "keys.example.com", "an URL"),
        ("keys.example.com:443", "keys.example.com", "a port"),
    ],
)
def test_covers_not(presented: str, name: str, because: str) -> None:
    assert not covers(presented, name), because


@pytest.mark.parametrize("written", ["schl\u00fcssel.example.com", "schl\u00c3\u00bcssel.example.com"])
def test_a_name_as_people_write_it_is_told_from_another_name(written: str) -> None:
    assert "xn--" in (spoiled_by(written, "xn--schlssel-95a.example.com") or "")


@pytest.mark.parametrize(
    ("presented", "why"),
    [
        ("keys.example.com.", "ends in a dot"),
        ("*.example.com.", "ends in a dot"),
        (" keys.example.com", "blank"),
        ("keys.example.com\t", "blank"),
        ("keys.example\u200b.com", "invisible"),
        ("https://keys.example.com/", "URL"),
        ("https://keys.example.com:443/b/l.e", "URL"),
        ("keys.example.com:443", "more than the name"),
        ("keys.example.com/b", "more than the name"),
        ("DNS:keys.example.com", "type"),
        ("keys.example.com", None),
        ("keys.example.com..", None),
        ("k\u00ebys.example.com", None),
        ("." * 70 + "\u00eb", None),
        ("mail.example.com ", None),
        ("https://", None),
        ("", None),
    ],
)
def test_what_was_typed_beside_the_name_keeps_it_from_matching(presented: str, why: str | None) -> None:
    said = spoiled_by(presented, "keys.example.com")
    assert said is None if why is None else why in (said or "")


@pytest.mark.parametrize(
    ("presented", "address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8:0:0::1", "2001:db8::1", True),
        ("192.0.2.2", "192.0.2.1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", False),
        ("192.0.2.001", "192.0.2.1", False),
        ("keys.example.com", "keys.example.com", False),
    ],
)
def test_addresses(presented: str, address: str, expected: bool) -> None:
    assert covers_address(presented, address) is expected


def test_alternative_names_tell_which_entries_cover() -> None:
    names = ("other.example.com", "*.example.com", "keys.example.com")
    assert matches_alternative_names("keys.example.com", names) == ("*.example.com", "keys.example.com")
    assert matches_alternative_names("keys.example.com", None) == ()
    assert matches_alternative_names("192.0.2.1", ("192.0.2.1",), ()) == ()
    assert matches_alternative_names("192.0.2.1", ("keys.example.com",), ("192.0.2.1",)) == ("192.0.2.1",)


def test_a_common_name_covers_no_address() -> None:
    assert matches_common_names("keys.example.com", ("sems1.example.com", "keys.example.com")) == (
        "keys.example.com",
    )
    assert matches_common_names("192.0.2.1", ("192.0.2.1",)) == ()


@given(st.text(), st.text())
def test_any_text_may_be_compared(presented: str, name: str) -> None:
    if covers(presented, name):
        assert presented.isascii()
        assert name.isascii()
        assert "\0" not in name


label = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=10)


@given(st.lists(label, min_size=3, max_size=5).map(".".join))
def test_a_name_is_covered_by_itself_and_by_its_wildcard_only_one_up(name: str) -> None:
    parent = name.partition(".")[2]
    if all(part.isdigit() for part in name.split(".")):
        return
    assert covers(name.upper(), name)
    assert covers(f"*.{parent}", name)
    assert not covers(f"*.{name}", name)
