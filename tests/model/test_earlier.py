"""Evidence of 0.1.0, whose texts say what later fields do, is read into those fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from semscheck.model import earlier
from semscheck.model.analysis import BalancingPath, Termination
from semscheck.report.json import decode, encode
from tests.report import reports

CERTIFICATE = {"kind": "certificate", "fingerprint": "ab" * 32}
SAMPLE = {"kind": "sample", "arm": "pairs", "index": 1, "address": "192.0.2.1", "port": 443}
CONTROL = {
    "kind": "control", "token": "cookie", "issuer": "", "issuer_address": "192.0.2.1", "shown_to": "",
    "address": "192.0.2.1", "port": 443,
}  # fmt: skip


def read(observation: dict[str, Any]) -> Any:
    document = json.loads(encode(reports.failed()))
    document["observations"] = [{"id": "old", "at_s": 0.0, **observation}]
    return decode(json.dumps(document).encode()).observations[0]


@pytest.mark.parametrize(
    ("problem", "unread"),
    [
        ("subjectAltName: a length that is too long", True),
        ("certificate: 200000 bytes, which is over 131072; not read", True),
        ("12 alternative names were left out", True),
        ("read leniently: extensions: something", False),
        ("keyUsage: something", False),
    ],
)
def test_a_certificate_whose_names_were_not_read(problem: str, unread: bool) -> None:
    assert read(CERTIFICATE | {"problems": [problem]}).names_unread is unread


@pytest.mark.parametrize(
    ("sent", "how"),
    [
        (["JSESSIONID", "JSESSIONID (made up)"], "before"),
        (["JSESSIONID (made up)", "JSESSIONID"], "after"),
        (["JSESSIONID (quoted)"], "quoted"),
        (["JSESSIONID (encoded)"], "encoded"),
        (["JSESSIONID", "lb"], None),
        ([], None),
    ],
)
def test_how_a_session_was_shown(sent: list[str], how: str | None) -> None:
    sample = read(SAMPLE | {"cookies_sent": sent})
    assert sample.shown_as == how
    assert not [name for name in sample.cookies_sent if " " in name]


def test_a_value_that_nobody_issued() -> None:
    control = read(CONTROL | {"name": "made up", "version": "JSESSIONID"})
    assert (control.made_up_of, control.version) == ("JSESSIONID", None)
    assert read(CONTROL | {"name": "JSESSIONID"}).made_up_of is None
    assert read(CONTROL | {"name": "made up"}).made_up_of is not None


@pytest.mark.parametrize(
    ("places", "read_as"),
    [
        ("a (192.0.2.1:443), b Interface 2 (192.0.2.2:444)", [("192.0.2.1", 443), ("192.0.2.2", 444)]),
        ("192.0.2.11:443", [("192.0.2.11", 443)]),
        ("a Interface 2 ([2001:db8::1]:8443)", [("2001:db8::1", 8443)]),
        (
            "[2001:db8::1:443]:8443, keys.example.com (192.0.2.1:443)",
            [("2001:db8::1:443", 8443), ("192.0.2.1", 443)],
        ),
        ("192.0.2.1:", []),
        ("", []),
    ],
)
def test_the_places_of_a_finding(places: str, read_as: list[tuple[str, int]]) -> None:
    found = earlier.finding(reports.finding(args={"places": places}))
    assert [(place.address, place.port) for place in found.facts.places] == read_as


def test_cookies_that_only_a_balancer_sets() -> None:
    path = BalancingPath(address="192.0.2.1", termination=Termination.TERMINATED)
    assert not earlier.path(path).cookies_in_front
    words = "the cookie lb is set by a balancer, which it can do only where TLS ends"
    assert earlier.path(BalancingPath(address="192.0.2.1", termination_evidence=(words,))).cookies_in_front


@pytest.mark.parametrize("make", reports.ALL, ids=lambda make: make.__name__)
def test_what_this_version_wrote_is_read_as_it_is(make: Any) -> None:
    report = make()
    assert all(earlier.observation(seen) == seen for seen in report.observations)
