"""Cookies as far as they are needed here; hostile ones are kept as they came, or left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.probes.cookies import MAX_COOKIES, MAX_VALUE, Cookie, Jar, set_by


def given_by(*values: str) -> tuple[Cookie, ...]:
    return set_by([("Set-Cookie", value) for value in values])


@pytest.mark.parametrize(
    ("header", "cookie"),
    [
        ("JSESSIONID=abc", Cookie("JSESSIONID", "abc")),
        ("JSESSIONID=abc; Path=/b; Secure; HttpOnly", Cookie("JSESSIONID", "abc", "/b")),
        ("a=b=c==", Cookie("a", "b=c==")),
        ("a=", Cookie("a", "")),
        ('a="quoted"', Cookie("a", '"quoted"')),
        ("a=b; path=relative", Cookie("a", "b")),
        ("a=b; Max-Age=0", Cookie("a", "b", dead=True)),
        ("a=b; max-age=-5", Cookie("a", "b", dead=True)),
        ("a=b; Max-Age=3600", Cookie("a", "b")),
        ("a=b; Max-Age=soon", Cookie("a", "b")),
        ("a=b; Max-Age=\xb2", Cookie("a", "b")),  # a digit to Python, and no number
        ("a=b; Max-Age=--5", Cookie("a", "b")),
        ("a=b; Max-Age=" + "9" * 5000, Cookie("a", "b")),
        ("a=\x1b[31m\xff", Cookie("a", "\x1b[31m\xff")),
    ],
)
def test_one_header(header: str, cookie: Cookie) -> None:
    assert given_by(header) == (cookie,)


@pytest.mark.parametrize("header", ["", "novalue", "=x", ";", "; a=b", "a=" + "x" * (MAX_VALUE + 1)])
def test_what_is_left_out(header: str) -> None:
    assert given_by(header) == ()


def test_the_header_has_any_case_and_other_headers_are_none() -> None:
    assert set_by([("SET-COOKIE", "a=1"), ("Cookie", "b=2"), ("set-cookie2", "c=3")]) == (Cookie("a", "1"),)


def test_a_flood_is_bounded() -> None:
    assert len(given_by(*(f"c{n}=x" for n in range(1000)))) == MAX_COOKIES
    jar = Jar(Cookie(f"c{n}", "x") for n in range(1000))
    assert len(jar.names()) == MAX_COOKIES


def test_a_full_jar_still_takes_a_new_value_of_what_it_holds() -> None:
    jar = Jar(Cookie(f"c{n}", "x") for n in range(MAX_COOKIES))
    jar.keep([Cookie("c0", "new")])
    assert "c0=new" in jar.header("/")


def test_a_jar_replaces_drops_and_sends() -> None:
    jar = Jar(given_by("a=1", "b=2; Path=/b"))
    assert jar.header("/") == "a=1"
    assert jar.header("/b/l.e") == "a=1; b=2"
    jar.keep(given_by("a=3", "b=; Max-Age=0"))
    assert jar.header("/b/l.e") == "a=3"
    assert Jar().header("/") == ""


@pytest.mark.parametrize(
    ("path", "asked", "sent"),
    [
        ("/b", "/b", True),
        ("/b", "/b/l.e", True),
        ("/b/", "/b/l.e", True),
        ("/b", "/bc", False),  # RFC 6265 section 5.1.4: the next character has to be a slash
        ("/b", "/", False),
        ("/", "/anything", True),
    ],
)
def test_paths_match_as_in_a_browser(path: str, asked: str, sent: bool) -> None:
    assert bool(Jar([Cookie("a", "1", path)]).header(asked)) is sent


@given(st.lists(st.text(max_size=200), max_size=10), st.text(max_size=50))
def test_nothing_breaks_it(headers: list[str], path: str) -> None:
    found = given_by(*headers)
    jar = Jar(found)
    assert isinstance(jar.header("/" + path), str)
    assert set(jar.names()) == {cookie.name for cookie in found} - _dead(found)


def _dead(found: tuple[Cookie, ...]) -> set[str]:
    last = {cookie.name: cookie.dead for cookie in found}
    return {name for name, dead in last.items() if dead}
