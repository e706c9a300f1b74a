"""Cookies as far as they are needed here; hostile ones are kept as they came, or left out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.net.cookies import MAX_COOKIES, MAX_VALUE, Cookie, Jar, _date, pairs_set, set_by

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
HOST = "keys.example.com"


def given_by(*values: str) -> tuple[Cookie, ...]:
    return set_by([("Set-Cookie", value) for value in values], NOW)


def jar_with(*values: str, host: str = HOST) -> Jar:
    return Jar(host, given_by(*values))


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
    headers = [("SET-COOKIE", "a=1"), ("Cookie", "b=2"), ("set-cookie2", "c=3")]
    assert set_by(headers, NOW) == (Cookie("a", "1"),)
    assert {name for name, _ in pairs_set(headers)} == {"a"}


# --- the end of life ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "dead"),
    [
        ("Expires=Thu, 01 Jan 1970 00:00:01 GMT", True),
        ("Expires=Thu, 01-Jan-1970 00:00:01 GMT", True),
        ("expires=Thursday, 01-Jan-70 00:00:01 GMT", True),
        ("Expires=Thu Jan  1 00:00:01 1970", True),
        ("Expires=Sun, 22 Nov 2026 12:00:00 GMT", True),
        ("Expires=Sun, 22 Nov 2026 12:00:01 GMT", False),
        ("Expires=Fri, 01 Jan 2100 00:00:00 GMT", False),
        ("Expires=soon", False),
        ("Expires=", False),
        ("Expires=Sun, 31 Feb 1999 00:00:00 GMT", False),  # no such day: as if it were not there
        ("Expires=Thu, 01 Jan 1600 00:00:00 GMT", False),  # nor a year that early
        ("Expires=Thu, 01 Jan 1970 24:00:00 GMT", False),
        ("Expires=Fri, 01 Jan 2100 00:00:00 GMT; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT; Expires=never", True),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", False),  # RFC 6265 section 5.3: Max-Age wins
        ("Max-Age=0; Expires=Fri, 01 Jan 2100 00:00:00 GMT", True),
        ("Max-Age=soon; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
    ],
)
def test_when_a_cookie_is_over(attributes: str, dead: bool) -> None:
    (cookie,) = given_by(f"a=b; {attributes}")
    assert cookie.dead is dead


@given(st.text(max_size=100))
def test_no_date_breaks_it(text: str) -> None:
    found = _date(text)
    assert found is None or found.tzinfo is UTC


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2069, 12, 31)))
def test_dates_as_servers_write_them(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"):
        assert _date(moment.strftime(form)) == moment


def test_haproxys_way_to_take_a_cookie_back() -> None:
    jar = jar_with("SRV=a; path=/", "b=1")
    jar.keep(given_by("SRV=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"))
    assert jar.header("/") == "b=1"


# --- the hosts that it is for ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "kept"),
    [
        ("", True),
        (HOST, True),
        ("." + HOST, True),
        ("example.com", True),
        (".EXAMPLE.com", True),
        (".other.test", False),
        ("deeper.keys.example.com", False),
        ("eys.example.com", False),  # ends alike, and is another name
        ("com", False),
        ("..example.com", False),
        (".", True),  # empty without its dot (RFC 6265 section 5.2.3): as if it were not there
    ],
)
def test_a_cookie_for_another_domain_is_ignored(domain: str, kept: bool) -> None:
    assert bool(jar_with(f"a=1; Domain={domain}").header("/")) is kept


def test_the_last_domain_counts() -> None:
    assert jar_with("a=1; Domain=example.com; Domain=other.test").header("/") == ""
    assert jar_with("a=1; Domain=other.test; Domain=example.com").header("/") == "a=1"


def test_an_address_lies_in_no_domain() -> None:
    assert jar_with("a=1; Domain=2.100", host="192.0.2.100").header("/") == ""
    assert jar_with("a=1; Domain=192.0.2.100", host="192.0.2.100").header("/") == "a=1"


# --- a jar -------------------------------------------------------------------------------------------------


def test_a_flood_is_bounded() -> None:
    assert len(given_by(*(f"c{n}=x" for n in range(1000)))) == MAX_COOKIES
    jar = Jar(HOST, (Cookie(f"c{n}", "x") for n in range(1000)))
    assert len(jar.names()) == MAX_COOKIES


def test_a_full_jar_still_takes_a_new_value_of_what_it_holds() -> None:
    jar = Jar(HOST, (Cookie(f"c{n}", "x") for n in range(MAX_COOKIES)))
    jar.keep([Cookie("c0", "new")])
    assert "c0=new" in jar.header("/")


def test_a_jar_replaces_drops_and_sends() -> None:
    jar = jar_with("a=1", "b=2; Path=/b")
    assert jar.header("/") == "a=1"
    assert (jar.names(), jar.sent("/")) == (("a", "b"), ("a",))
    assert jar.header("/b/l.e") == "b=2; a=1"  # RFC 6265 section 5.4: longer paths first
    jar.keep(given_by("a=3", "b=; Max-Age=0"))
    assert jar.header("/b/l.e") == "b=2; a=3"  # another path, another cookie
    jar.keep(given_by("b=; Max-Age=0; Path=/b"))
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
        ("/b", "/b?more", True),
        ("/b/l.e", "/b", False),
    ],
)
def test_paths_match_as_in_a_browser(path: str, asked: str, sent: bool) -> None:
    assert bool(Jar(HOST, [Cookie("a", "1", path)]).header(asked)) is sent


@given(st.lists(st.text(max_size=200), max_size=10), st.text(max_size=50))
def test_nothing_breaks_it(headers: list[str], path: str) -> None:
    found = given_by(*headers)
    jar = Jar(HOST, found)
    assert isinstance(jar.header("/" + path), str)
    assert (
        set(jar.sent("/" + path)) <= set(jar.names()) <= {cookie.name for cookie in found if not cookie.dead}
    )
    assert {cookie.name for cookie in found} <= {
        name for name, _ in pairs_set(("Set-Cookie", value) for value in headers)
    }
