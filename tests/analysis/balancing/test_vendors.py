"""Fingerprints of balancers, and that members' own marks name nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semscheck.analysis.balancing.cookies import BalancerVendor
from semscheck.analysis.balancing.vendors import fingerprint

HEADERS = [
    ("X-Cnection", "close", BalancerVendor.F5, False),
    ("Server", "BigIP", BalancerVendor.F5, True),
    ("server", "BIG-IP", BalancerVendor.F5, True),
    ("Cneonction", "close", BalancerVendor.CITRIX, True),
    ("nnCoection", "close", BalancerVendor.CITRIX, True),
    ("Via", "NS-CACHE-10.0: 11", BalancerVendor.CITRIX, True),
    ("X-ServedBy", "KEMP-LM", BalancerVendor.KEMP, True),
    ("Server", "awselb/2.0", BalancerVendor.AWS, True),
    ("Server", "Microsoft-Azure-Application-Gateway/v2", BalancerVendor.AZURE_GATEWAY, True),
    ("Server", "FortiWeb", BalancerVendor.FORTINET, True),
    ("X-Iinfo", "4-123-0 NNNN CT(0 0 0)", BalancerVendor.IMPERVA, True),
    ("X-CDN", "Imperva", BalancerVendor.IMPERVA, True),
]


@pytest.mark.parametrize(("name", "value", "vendor", "certain"), HEADERS)
def test_headers_that_a_balancer_writes(name: str, value: str, vendor: BalancerVendor, certain: bool) -> None:
    (found,) = fingerprint([("Date", "today"), (name, value), ("Server", "Apache")])
    assert (found.name, found.certain) == (vendor, certain)
    assert found.evidence == (f"header {name}",)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Server", "nginx/1.22.1"), ("Connection", "close"), ("Via", "1.1 proxy.example.com")],
        [("Server", "Apache/2.4.57 (Debian)"), ("X-Frame-Options", "SAMEORIGIN")],
        [("X-Served-By", "cache-fra-1"), ("X-CDN", "other")],
        [("Server", "BigIPhone"), ("Server", "not awselb/2.0"), ("X-Cnection", "keep-alive")],
    ],
)
def test_what_members_and_others_write_names_nobody(headers: list[tuple[str, str]]) -> None:
    assert (
        fingerprint(headers, [("JSESSIONID", "0A1B2C3D4E5F60718293A4B5C6D7E8F9.node1"), ("lang", "en")]) == ()
    )


def test_cookies_name_the_vendor_without_their_values() -> None:
    (found,) = fingerprint([], [("BIGipServersems", "184680640.47873.0000"), ("TS01a2b3c4", "0a1b")])
    assert found.name is BalancerVendor.F5
    assert found.certain
    assert found.evidence == ("cookie BIGipServersems", "cookie TS01a2b3c4")
    assert "184680640" not in repr(found)


def test_a_customary_cookie_name_is_not_certain() -> None:
    (found,) = fingerprint([], [("SERVERID", "s1")])
    assert (found.name, found.certain) == (BalancerVendor.HAPROXY, False)


def test_certain_signs_come_first_and_repeated_ones_count_once() -> None:
    found = fingerprint(
        [("X-Cnection", "close")] * 30 + [("Server", "awselb/2.0")] * 30,
        [("SERVERID", "s1")] * 30,
    )
    assert found[0].name is BalancerVendor.AWS
    assert all(len(vendor.evidence) == 1 for vendor in found)


# As sent by HAProxy 2.6 and nginx 1.22 with no member up.
HAPROXY_503 = (
    "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n"
    "</body></html>\n"
)
NGINX_502 = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>"
    "\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
)


def test_error_pages_of_what_forwards() -> None:
    (haproxy,) = fingerprint([], status=503, body=HAPROXY_503)
    assert (haproxy.name, haproxy.certain) == (BalancerVendor.HAPROXY, True)
    (nginx,) = fingerprint([("Server", "nginx/1.22.1")], status=502, body=NGINX_502)
    assert (nginx.name, nginx.certain) == (BalancerVendor.NGINX, True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, NGINX_502.replace("502 Bad Gateway", "404 Not Found")),  # a member may be nginx
        (200, HAPROXY_503),
        (None, HAPROXY_503),
        (503, None),
        (503, "x" * 100_000 + HAPROXY_503),
    ],
)
def test_pages_that_show_nothing(status: int | None, body: str | None) -> None:
    assert fingerprint([], status=status, body=body) == ()


@given(
    headers=st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=8),
    cookies=st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=8),
    status=st.one_of(st.none(), st.integers(-1, 10_000)),
    body=st.one_of(st.none(), st.text(max_size=200)),
)
def test_hostile_responses_never_raise(
    headers: list[tuple[str, str]],
    cookies: list[tuple[str, str]],
    status: int | None,
    body: str | None,
) -> None:
    for vendor in fingerprint(headers, cookies, status, body):
        assert vendor.evidence
        assert all(len(phrase) < 120 for phrase in vendor.evidence)
