"""Which load balancer stands in front, by what it leaves in responses.

Pure. A sign is only taken where it is the vendor's own: a cookie of its form, a header or server name that it
writes, the text of its error page. What members write themselves (``Server: nginx``, ``Via`` of some proxy) names
nobody. Nothing seen is the usual case: with TLS passed through, a balancer leaves nothing, and then no
vendor is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from semscheck.analysis.balancing.cookies import (
    LONGEST_VALUE,
    BalancerCookie,
    BalancerVendor,
    Basis,
    CookieKind,
    decode_cookie,
)

_LONGEST_BODY = 4096


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor and what showed it.

    ``evidence`` are short phrases that name the sign ("cookie BIGipServersems"), without values, most telling
    first. They hold text from the network. ``certain``: at least one sign is documented as the vendor's
    own; otherwise they are customary only, and the wording must be "looks like".
    """

    name: BalancerVendor
    evidence: tuple[str, ...]
    certain: bool


@dataclass(frozen=True, slots=True)
class _HeaderSign:
    header: str  # lower case
    value: re.Pattern[str]
    vendor: BalancerVendor
    certain: bool


_ANY = re.compile(r"")

# Headers: wafw00f's plugins (github.com/EnableSecurity/wafw00f) and docs/domain.md section 4, except where said.
_HEADERS = (
    _HeaderSign("x-cnection", re.compile(r"^close$", re.I), BalancerVendor.F5, False),
    _HeaderSign("server", re.compile(r"^BIG-?IP$", re.I), BalancerVendor.F5, True),
    # A NetScaler spoils "Connection" so that the client does not see it; each spelling has the same letters.
    _HeaderSign("cneonction", _ANY, BalancerVendor.CITRIX, True),
    _HeaderSign("nncoection", _ANY, BalancerVendor.CITRIX, True),
    _HeaderSign("via", re.compile(r"\bNS-CACHE\b", re.I), BalancerVendor.CITRIX, True),
    _HeaderSign("x-servedby", re.compile(r"\bKEMP-LM\b", re.I), BalancerVendor.KEMP, True),
    # docs.aws.amazon.com/elasticloadbalancing: fixed responses and errors carry this name.
    _HeaderSign("server", re.compile(r"^awselb/[\d.]+$", re.I), BalancerVendor.AWS, True),
    _HeaderSign(
        "server",
        re.compile(r"^Microsoft-Azure-Application-Gateway/v\d", re.I),
        BalancerVendor.AZURE_GATEWAY,
        True,
    ),
    _HeaderSign("server", re.compile(r"^FortiWeb\b", re.I), BalancerVendor.FORTINET, True),
    _HeaderSign("x-iinfo", _ANY, BalancerVendor.IMPERVA, True),
    _HeaderSign("x-cdn", re.compile(r"\b(?:Imperva|Incapsula)\b", re.I), BalancerVendor.IMPERVA, True),
)

# HAProxy's built-in error messages (src/http.c), which name their reason in one sentence.
_HAPROXY_PAGES = (
    "No server is available to handle this request.",
    "The server returned an invalid or incomplete response.",
    "The server didn't respond in time.",
)
# nginx's own page for a failed upstream: only something that forwards sends 502 or 504.
_NGINX_PAGE = re.compile(r"<hr><center>nginx(?:/[\d.]+)?</center>")
_GATEWAY_STATUSES = frozenset({502, 504})


def fingerprint(
    headers: Iterable[tuple[str, str]],
    cookies: Iterable[tuple[str, str]] = (),
    status: int | None = None,
    body: str | None = None,
) -> tuple[Vendor, ...]:
    """Vendors that one response (or several, their headers and cookies together) shows.

    ``headers`` as name and value in any case, ``cookies`` as set, name and value; ``status`` and the beginning of
    ``body`` where there is an error page. Those shown for certain come first, then by number of signs. Empty:
    no sign, which is not a sign of no balancer. Several: there may be several devices in a row.
    """
    found: dict[BalancerVendor, list[tuple[bool, str]]] = {}
    signs = (*_from_cookies(cookies), *_from_headers(headers), *_from_page(status, body))
    for vendor, certain, phrase in signs:
        seen = found.setdefault(vendor, [])
        if (certain, phrase) not in seen:
            seen.append((certain, phrase))
    vendors = (
        Vendor(
            name=vendor,
            evidence=tuple(phrase for _, phrase in sorted(phrases, key=lambda sign: not sign[0])),
            certain=any(certain for certain, _ in phrases),
        )
        for vendor, phrases in found.items()
    )
    return tuple(sorted(vendors, key=lambda vendor: (not vendor.certain, -len(vendor.evidence))))


_Sign = tuple[BalancerVendor, bool, str]


def _from_cookies(cookies: Iterable[tuple[str, str]]) -> Iterable[_Sign]:
    for name, value in cookies:
        cookie = decode_cookie(name, value)
        if cookie is not None and cookie.vendor is not None:
            yield cookie.vendor, _certain(cookie), f"cookie {name[:64]}"


def _certain(cookie: BalancerCookie) -> bool:
    """A documented cookie, or one whose inferred form decodes to an address, which chance hardly does."""
    if cookie.kind is CookieKind.PREFIX:
        return False
    return cookie.basis is Basis.DOCUMENTED or cookie.discloses_address


def _from_headers(headers: Iterable[tuple[str, str]]) -> Iterable[_Sign]:
    for name, value in headers:
        lowered, text = name.strip().lower(), value[:LONGEST_VALUE].strip()
        for sign in _HEADERS:
            if sign.header == lowered and sign.value.search(text):
                yield sign.vendor, sign.certain, f"header {name.strip()[:64]}"


def _from_page(status: int | None, body: str | None) -> Iterable[_Sign]:
    if body is None or status is None or status < 400:
        return
    text = body[:_LONGEST_BODY]
    for sentence in _HAPROXY_PAGES:
        if sentence in text:
            yield BalancerVendor.HAPROXY, True, f"error page: {sentence}"
    if status in _GATEWAY_STATUSES and _NGINX_PAGE.search(text):
        yield BalancerVendor.NGINX, True, f"error page of status {status}"
