"""Which load balancer stands in front, by what it leaves in responses, and which setting to look for in it.

Pure. A sign is only taken where it is the vendor's own: a cookie of its form, a header or server name that it
writes, the text of its error page. What members write themselves (``Server: nginx``, ``Via`` of some proxy) names
nobody. Nothing seen is the usual case: with TLS passed through, a balancer leaves nothing, and then no
vendor is named.

The remedy's wording comes from the vendors' documentation, named at each; where a name of a setting could
not be confirmed it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

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


# --- which setting to look for ---------------------------------------------------------------------------

_HINTS: MappingProxyType[BalancerVendor, str] = MappingProxyType(
    {
        # F5 K6917; AS3 schema (priorityGroup, loadBalancingMode); BIG-IP LTM pools and persistence profiles.
        BalancerVendor.F5: (
            "F5 BIG-IP: in the pool, set Priority Group Activation and give one member a higher priority group "
            "(failover), or the load balancing method Ratio (member) with one high ratio; on the virtual server "
            "choose a Default Persistence Profile: source_addr, or cookie where TLS ends on the BIG-IP."
        ),
        # docs.citrix.com/en-us/citrix-adc, load balancing: persistence, backup virtual server.
        BalancerVendor.CITRIX: (
            "Citrix NetScaler: bind one member to the virtual server and name a second virtual server with the "
            "others as its backup (set lb vserver NAME -backupVServer OTHER), or weight the bindings (-weight); "
            "set -persistenceType SOURCEIP; SSLSESSION also works for SSL_BRIDGE, COOKIEINSERT only where TLS "
            "ends on the NetScaler. The default persistence is NONE."
        ),
        # HAProxy configuration manual: balance, server (backup, weight, cookie), stick-table, stick on.
        BalancerVendor.HAPROXY: (
            'HAProxy: in the backend, mark all servers but one "backup" (failover), or use "balance first" '
            '(ordered list; it moves on when a server reaches its maxconn), or "weight" with one high value; keep '
            'clients with "stick-table type ip" and "stick on src", or, in mode http, with "cookie NAME insert '
            'indirect nocache".'
        ),
        # A10 aXAPI: slb service-group (method, member priority), slb template persist.
        BalancerVendor.A10: (
            "A10: in the SLB service group, give one member the highest priority (failover), or use the method "
            "weighted-rr with one high weight; bind a source-IP persistence template to the virtual port, or a "
            "cookie persistence template where TLS ends on the A10."
        ),
        # campus.barracuda.com/doc/172359977 (persistence settings), and the scheduling and backup pages.
        BalancerVendor.BARRACUDA: (
            "Barracuda: in the service, keep one real server active and make the others backup servers, or use "
            "Weighted Round Robin with one high weight; set persistence to Client IP (Source IP), or HTTP "
            "Cookie where TLS ends on the Barracuda."
        ),
        # support.kemptechnologies.com 202017723 (scheduling methods), docs.progress.com (persistence and HTTPS/SSL).
        BalancerVendor.KEMP: (
            'Kemp LoadMaster: set the virtual service\'s scheduling method to "fixed weighting" (all connections go '
            "to the real server with the highest weight, the next takes over when it fails); set persistence "
            "to Source IP Address; without TLS offload only that or the SSL session ID is possible."
        ),
        # docs.aws.amazon.com/elasticloadbalancing: sticky sessions, target groups, forward actions.
        BalancerVendor.AWS: (
            "AWS: there is no failover method; use weighted target groups in the listener's forward action, one "
            "member each, one with nearly all the weight; turn on stickiness in the target group: lb_cookie on an "
            "Application Load Balancer, source_ip on a Network Load Balancer, and target group stickiness for "
            "the forward action."
        ),
        # learn.microsoft.com/azure/application-gateway/configuration-http-settings
        BalancerVendor.AZURE_GATEWAY: (
            "Azure Application Gateway: it spreads requests over the whole backend pool; keep one member in the "
            "pool (failover by hand), and set Cookie-based affinity to Enabled in the backend settings."
        ),
        # nginx.org: ngx_http_upstream_module, ngx_stream_upstream_module.
        BalancerVendor.NGINX: (
            'nginx: in the upstream block, mark all servers but one "backup" (failover), or give one server a '
            'high "weight"; keep clients with "hash $remote_addr consistent" (stream and http) or "ip_hash" (http '
            'only). "backup" cannot be combined with hash or ip_hash.'
        ),
        # docs.fortinet.com, FortiADC CLI reference: load-balance persistence.
        BalancerVendor.FORTINET: (
            "Fortinet: choose a source-address persistence rule for the virtual server (on FortiADC the predefined "
            "LB_PERSIS_SRC_ADDR), and keep one real server active with the others in standby."
        ),
    }
)

_GENERAL_HINT = (
    "On the load balancer: send all clients to one member and the rest to it only when that one fails (failover, "
    "active-passive, ordered list), or weight one member high and the others low; and turn on persistence "
    '("sticky"), by source address where TLS passes through.'
)


def remedy_hint(vendor: BalancerVendor | None) -> str:
    """Which settings to look for, in the vendor's words; in general words where it is None or not described.

    The order is the product vendor's preference: failover, ordered list, weights; persistence with each (KB
    156803).
    """
    return _GENERAL_HINT if vendor is None else _HINTS.get(vendor, _GENERAL_HINT)


def has_own_hint(vendor: BalancerVendor) -> bool:
    """Whether `remedy_hint` speaks of this vendor's own settings."""
    return vendor in _HINTS
