"""What is written so that a scan for words does not see it, and text that leads a redactor in circles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from semscheck.model.observations import Exchange, ServiceProbe
from semscheck.redaction.cookies import CookieScrubber
from semscheck.redaction.pseudonyms import Pseudonyms
from semscheck.redaction.report import redact
from semscheck.redaction.text import Scrubber
from tests.report import reports
from tests.rig.policy import examples

KEY = b"a key of the tests"
NAME, ADDRESS = "zeus-17.acmewerke.test", "10.77.31.201"


def scrubber() -> Scrubber:
    made = Scrubber(Pseudonyms(KEY))
    made.learn_name(NAME)
    made.learn_address(ADDRESS)
    return made


def redacted_header(name: str, value: str) -> str:
    exchange = Exchange(
        id="web-1", at_s=0.1, address=ADDRESS, port=443, host=NAME, path="/", headers=((name, value),)
    )
    base = reports.failed()
    report = redact(replace(base, observations=(*base.observations, exchange)), key=KEY)
    [seen] = [one for one in report.observations if one.id == "web-1"]
    assert isinstance(seen, Exchange)
    return seen.headers[0][1]


@pytest.mark.parametrize(
    "value",
    [
        "https://sso.acmewerke.test/?r=https%3A%2F%2Fzeus-17.acmewerke.test",
        "%zeus-17.acmewerke.test",
        "x%zeus-17.acmewerke.test%",
        "%2Fzeus-17.acmewerke.test:443%",
        "zeus-17.acmewerke.test%" * 200,
        "%" * 3000,
        ":".join(["00-11-22-33"] * 300),
        "1.2.3.4-" * 500,
    ],
)
def test_no_text_leads_it_in_circles(value: str) -> None:
    shown = redacted_header("Location", value)
    assert "zeus" not in shown
    assert "acmewerke" not in shown


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda text: "".join(f"%{ord(c):02x}" for c in text),
    "percent twice": lambda text: "".join(f"%25{ord(c):02X}" for c in text),
    "quoted": lambda text: quote(text, safe=""),
    "decimal entities": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "hexadecimal entities": lambda text: "".join(f"&#x{ord(c):x};" for c in text),
    "entities without an end": lambda text: "".join(f"&#{ord(c):07d}" for c in text),
    "entities of entities": lambda text: "".join(f"&amp;#{ord(c)};" for c in text),
    "script": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "script, short": lambda text: "".join(f"\\x{ord(c):02x}" for c in text),
    "zone file": lambda text: "".join(f"\\{ord(c):03d}" for c in text),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) for c in text),
}
GLUE = ("", " ", "/", "%20", "%2F", "%3A%2F%2F", "=", "(", "x%20", "a=%22", "%2520")


@pytest.mark.parametrize("how", ENCODINGS)
def test_no_way_of_writing_hides_a_name_or_an_address(how: str) -> None:
    for glue in GLUE:
        between = "x%20 " if how == "plain" and glue == "x%20" else glue or " "
        for secret, telling in ((NAME, ("zeus", "acmewerke")), (ADDRESS, ("77.31",))):
            shown = scrubber().foreign(f"go{between}{ENCODINGS[how](secret)} back")
            for other in ENCODINGS.values():
                assert not any(other(word).lower() in shown.lower() for word in telling), (glue, shown)


@pytest.mark.parametrize(
    "text",
    [
        "%2010.77.31.201",
        "2010.77.31.201",
        "1110.77.31.201",
        "10.77.31.2010",
        "v10.77.31.201x",
        "10.77.31.*",
        "10.77.31.x",
        "node 10.77.31",
        "node-10-77-31",
        "010.077.031.201",
        "subnet 10.77.31.0/24",
    ],
)
def test_an_address_glued_to_digits_or_cut_short(text: str) -> None:
    shown = scrubber().foreign(text)
    assert "77.31" not in shown
    assert "77-31" not in shown
    assert "077.031" not in shown


@pytest.mark.parametrize("text", ["192.168.55", "192.168.55.*", "172.20.7", "169.254.9"])
def test_the_beginning_of_a_private_address_needs_no_other(text: str) -> None:
    assert Scrubber(Pseudonyms(KEY)).foreign(text) != text


@pytest.mark.parametrize("text", ["Apache/2.4.57", "OpenSSL/3.0.11", "Microsoft-IIS/10.0", "PHP/8.2"])
def test_versions_stay(text: str) -> None:
    assert scrubber().foreign(text).split("/")[1] == text.split("/")[1]


@pytest.mark.parametrize(
    "text",
    [
        "001a.2b3c.4d5e",
        "mac 001A.2B3C.4D5E.",
        "eth0-00-1a-2b-3c-4d-5e",
        "00:1a:2b:3c:4d:5e",
        "x 00:1A:2B:3C:4D:5E y",
    ],
)
def test_hardware_addresses(text: str) -> None:
    shown = scrubber().foreign(text).lower()
    assert "1a" not in shown or "2b" not in shown
    assert "3c" not in shown or "4d" not in shown


@pytest.mark.parametrize(
    ("header", "value", "kept"),
    [
        ("Cache-Control", "max-age=31536000, acmewerke-edge, private", "31536000"),
        ("Strict-Transport-Security", "max-age=63072000; zeus17; includeSubDomains", "63072000"),
        ("Set-Cookie", "a=b; Max-Age=1234567; SameSite=acmewerke", "1234567"),
        ("Age", "acmewerke zeus17", ""),
    ],
)
def test_unknown_words_go_where_numbers_stay(header: str, value: str, kept: str) -> None:
    shown = redacted_header(header, value)
    assert "acmewerke" not in shown
    assert "zeus17" not in shown
    assert kept in shown


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("3.4.2", True),
        ("3.4.2 (Build 1500)", True),
        ("10.5.1 MP2 HF1", True),
        ("11.0.0-acmewerke", False),
        ("zeus17.acmewerke", False),
        ("10.77.31.201", False),
    ],
)
def test_a_version_is_numbers(version: str, kept: bool) -> None:
    probe = ServiceProbe(
        id="svc-1", at_s=0.1, address=ADDRESS, port=389, service="LDAP", state="open", version=version
    )
    base = reports.failed()
    report = redact(replace(base, observations=(*base.observations, probe)), key=KEY)
    [seen] = [one for one in report.observations if one.id == "svc-1"]
    assert isinstance(seen, ServiceProbe)
    assert (seen.version == version) is kept
    assert "acmewerke" not in (seen.version or "")


@settings(max_examples=examples(200), deadline=None)
@given(
    st.text(alphabet=st.sampled_from("%25:.-*/&#;x\\u0a1k ٣１Ａ"), max_size=80),
    st.sampled_from([NAME, ADDRESS]),
)
@example("%", NAME)
@example("&#37;", NAME)
def test_nothing_around_a_name_stops_it(around: str, secret: str) -> None:
    learned = scrubber()
    for text in (around + secret, secret + around, around + secret + around):
        learned.learn_foreign(text)
        for scrub in (learned.foreign, learned.own, learned.token, learned.name, learned.common_name):
            scrub(text)
        CookieScrubber(learned).set_cookie(text)
        assert "acmewerke" not in learned.foreign(text).lower()
