"""What a cookie says about a load balancer in front, and about the member behind it.

Pure. A cookie's name and value come from the network: nothing here raises on them, whatever they hold, and
values over `LONGEST_VALUE` characters are not read at all.

Where TLS passes through the balancer it cannot set a cookie, so a balancer's cookie proves that TLS ends in
front of the members (docs/domain.md section 4). Which member answered, it tells in degrees, see `Strength`.

Sources are named at each decoder. `Basis.INFERRED` marks what rests on samples and not on a vendor's
documentation: worth an identity that other signals confirm, not worth a sentence that begins with "the vendor".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

LONGEST_NAME = 256
LONGEST_VALUE = 4096  # the size of cookie that user agents support at least (RFC 6265 section 6.1)


class BalancerVendor(StrEnum):
    """Who made what stands in front of the members."""

    F5 = "F5 BIG-IP"
    CITRIX = "Citrix NetScaler"
    HAPROXY = "HAProxy"
    A10 = "A10"
    BARRACUDA = "Barracuda"
    KEMP = "Kemp LoadMaster"
    AWS = "AWS Elastic Load Balancing"
    AZURE_GATEWAY = "Azure Application Gateway"
    AZURE_APP_SERVICE = "Azure App Service"
    NGINX = "nginx"
    FORTINET = "Fortinet"
    PULSE = "Pulse/Ivanti vTM"
    RADWARE = "Radware Alteon"
    ORACLE = "Oracle Cloud load balancer"
    IBM = "IBM"
    IMPERVA = "Imperva"


class CookieKind(StrEnum):
    """What the cookie is for."""

    PERSISTENCE = "persistence"  # names the member that the balancer chose
    PREFIX = "prefix"  # the member's keyword put before an application's own cookie value
    ROUTE = "route"  # the member's own suffix (Tomcat's jvmRoute): set by the member, used by balancers
    SESSION = "session"  # a session, or a signature, of the device itself: says nothing about members
    CANDIDATE = "candidate"  # behaves as a persistence cookie does; nothing else is known


class Strength(StrEnum):
    """What the value allows to be said about the member."""

    EXACT = "exact"  # decodes to the member's address and port
    COMPARABLE = "comparable"  # equal: the same member; different: another one
    EQUAL_ONLY = "equal-only"  # equal: the same member; different: nothing (it may be encrypted afresh)
    NONE = "none"  # the vendor only; never compare


class Basis(StrEnum):
    """How the meaning is known."""

    DOCUMENTED = "documented"  # by the vendor, or by a published decoder
    INFERRED = "inferred"  # from samples, or from a customary name


@dataclass(frozen=True, slots=True)
class BalancerCookie:
    """One cookie, as far as it can be read.

    ``backend_address`` and ``backend_port`` are the member as the balancer reaches it, ``route_domain`` is BIG-IP's
    (0 is the default one); None: the value does not say. ``server_label`` is a keyword, often a host name, that
    stands for the member. ``vendor`` None: cannot be told.
    """

    name: str
    value: str
    vendor: BalancerVendor | None
    kind: CookieKind
    strength: Strength
    basis: Basis
    backend_address: IPv4Address | IPv6Address | None = None
    backend_port: int | None = None
    route_domain: int | None = None
    server_label: str | None = None

    @property
    def discloses_address(self) -> bool:
        """Whether the value gives away an internal address to anybody who asks (BAL011)."""
        return self.backend_address is not None

    @property
    def set_in_front(self) -> bool:
        """Whether only something that ends TLS in front of the members can have set it (BAL010)."""
        return self.kind not in (CookieKind.ROUTE, CookieKind.CANDIDATE)

    @property
    def identity(self) -> str | None:
        """What stands for the member, equal for equal members; None where values must not be compared."""
        if self.strength is Strength.NONE:
            return None
        if self.backend_address is not None:
            port = "" if self.backend_port is None else f":{self.backend_port}"
            host = f"{self.backend_address}"
            host = f"[{host}]" if ":" in host else host
            domain = f"%{self.route_domain}" if self.route_domain else ""
            return f"{host}{domain}{port}"
        return self.server_label if self.server_label is not None else self.value


def decode_cookie(name: str, value: str) -> BalancerCookie | None:
    """What one cookie is, by its name and the form of its value; None for an application's own.

    A name alone is enough where it is a vendor's own and no administrator's choice. Where administrators choose
    the name (HAProxy), the customary names are taken, with `Basis.INFERRED`, if the value has the form;
    others need `classify_cookie`.
    """
    if not 0 < len(name) <= LONGEST_NAME:
        return None
    if len(value) > LONGEST_VALUE or not value.isascii():
        value = ""  # an absurd value is no evidence; a vendor's own name still is
    value = value.strip('"')
    for decoder in _DECODERS:
        cookie = decoder(name, value)
        if cookie is not None:
            return cookie
    return None


_Backend = tuple[IPv4Address | IPv6Address | None, int | None, int | None]  # address, port, route domain


def _backend(packed: bytes, port: int, domain: int | None = None) -> _Backend | None:
    """An address that a member can have, or None."""
    address = _member_address(packed)
    return (address, port, domain) if address is not None and 0 < port <= 0xFFFF else None


def _member_address(packed: bytes) -> IPv4Address | IPv6Address | None:
    address = ip_address(packed)
    return None if address.is_unspecified or address.is_multicast else address


def _persistence(
    name: str,
    value: str,
    vendor: BalancerVendor,
    backend: _Backend | None,
    otherwise: Strength,
    basis: Basis = Basis.INFERRED,
) -> BalancerCookie:
    """A persistence cookie: exact where its value decodes to a server."""
    strength = Strength.EXACT if backend else otherwise
    return BalancerCookie(
        name, value, vendor, CookieKind.PERSISTENCE, strength, basis, *(backend or (None, None, None))
    )


def _equal_if_long(value: str) -> Strength:
    return Strength.EQUAL_ONLY if len(value) >= 8 else Strength.NONE


def _device(name: str, value: str, vendor: BalancerVendor) -> BalancerCookie:
    """A cookie of the device itself, which names it and nothing behind it."""
    return BalancerCookie(name, value, vendor, CookieKind.SESSION, Strength.NONE, Basis.INFERRED)


# --- F5 BIG-IP -------------------------------------------------------------------------------------------
# F5 K6917 (https://my.f5.com/manage/s/article/K6917): encoding for IPv4, IPv6 and route domains. An encrypted
# value begins with "!" (nmap http-bigip-cookie.nse, metasploit f5_bigip_cookie_disclosure.rb).

_F5_NAME = re.compile(r"BIGipServer.*|BigIPCookie.*", re.DOTALL)
_F5_IPV4 = re.compile(r"(\d{1,10})\.(\d{1,5})\.\d{4}")
_F5_IPV4_ANY_NAME = re.compile(r"(\d{8,10})\.(\d{1,5})\.0000")
_F5_IPV4_DOMAIN = re.compile(r"rd(\d{1,5})o0{20}f{4}([0-9a-f]{8})o(\d{1,5})", re.IGNORECASE)
_F5_IPV6 = re.compile(r"vi([0-9a-f]{32})\.(\d{1,5})", re.IGNORECASE)
_F5_IPV6_DOMAIN = re.compile(r"rd(\d{1,5})o([0-9a-f]{32})o(\d{1,5})", re.IGNORECASE)
_F5_OTHER = re.compile(
    r"MRHSession|LastMRH_Session|MRHSHint|F5_(?:ST|HT_shrinked|fullWT)|TS[0-9a-f]{6,10}(?:_\d+)?"
)


def _f5(name: str, value: str) -> BalancerCookie | None:
    own = _F5_NAME.fullmatch(name) is not None
    backend = _f5_backend(value, any_name=not own)
    if backend is None and not own:
        return _device(name, value, BalancerVendor.F5) if _F5_OTHER.fullmatch(name) else None
    # Whether the same member always encrypts to the same value is not documented: equality proves, difference not.
    encrypted = Strength.EQUAL_ONLY if value.startswith("!") and len(value) >= 16 else Strength.NONE
    basis = Basis.DOCUMENTED if own else Basis.INFERRED
    return _persistence(name, value, BalancerVendor.F5, backend, encrypted, basis)


def _f5_backend(value: str, *, any_name: bool) -> _Backend | None:
    # The IPv4 form with a route domain is an IPv4-mapped IPv6 address: it has to be tried before that one.
    if match := (_F5_IPV4_ANY_NAME if any_name else _F5_IPV4).fullmatch(value):
        number = int(match[1])
        if number > 0xFFFFFFFF:
            return None
        return _backend(number.to_bytes(4, "little"), _swapped(match[2]))
    if match := _F5_IPV4_DOMAIN.fullmatch(value):
        return _backend(bytes.fromhex(match[2]), int(match[3]), int(match[1]))
    if match := _F5_IPV6.fullmatch(value):
        return _backend(bytes.fromhex(match[1]), _swapped(match[2]))
    if match := _F5_IPV6_DOMAIN.fullmatch(value):
        return _backend(bytes.fromhex(match[2]), int(match[3]), int(match[1]))
    return None


def _swapped(digits: str) -> int:
    """A port number whose two bytes were swapped; -1 where it is none."""
    number = int(digits)
    return int.from_bytes(number.to_bytes(2, "little"), "big") if number <= 0xFFFF else -1


# --- Citrix NetScaler ------------------------------------------------------------------------------------
# Published decoder: github.com/war-and-code/netscaler-cookie-decryptor. Names that are not persistence: rapid7
# recog, http_cookies.xml.

_NETSCALER_VALUE = re.compile(r"[0-9a-f]{8}([0-9a-f]{8})[0-9a-f]{0,32}([0-9a-f]{4})", re.IGNORECASE)
_NETSCALER_DEVICE = re.compile(r"NSC_(?:AAAC|BASEURL|CERT|DLGE|EPAC|TASS|TEMP|TMA[APS]|PERS|USER)")
_NETSCALER_ADDRESS_KEY = 0x03081E11
_NETSCALER_PORT_KEY = 0x3630


def _netscaler(name: str, value: str) -> BalancerCookie | None:
    if not name.startswith("NSC_"):
        return None
    if _NETSCALER_DEVICE.fullmatch(name):
        return _device(name, value, BalancerVendor.CITRIX)
    if match := _NETSCALER_VALUE.fullmatch(value):
        address = (int(match[1], 16) ^ _NETSCALER_ADDRESS_KEY).to_bytes(4, "big")
        backend = _backend(address, int(match[2], 16) ^ _NETSCALER_PORT_KEY)
        if backend is not None:
            return _persistence(name, value, BalancerVendor.CITRIX, backend, Strength.NONE, Basis.DOCUMENTED)
    # Other cookies of this family (gateway, newer encrypted ones) are not documented: equal values prove nothing.
    return _device(name, value, BalancerVendor.CITRIX)


# --- A10 -------------------------------------------------------------------------------------------------
# Inferred from public samples whose group names carry the port (docs/domain.md section 4.3); no vendor document.

_A10_NAME = re.compile(r"sto-id-\d{1,5}(?:-.*)?", re.DOTALL)
_A10_VALUE = re.compile(r"[A-P]{12}")


def _a10(name: str, value: str) -> BalancerCookie | None:
    if _A10_NAME.fullmatch(name) is None:
        return None
    backend = None
    if _A10_VALUE.fullmatch(value):
        packed = bytes.fromhex("".join(f"{ord(c) - ord('A'):x}" for c in value))
        backend = _backend(packed[3::-1], int.from_bytes(packed[4:], "little"))
    return _persistence(name, value, BalancerVendor.A10, backend, _equal_if_long(value))


# --- Barracuda -------------------------------------------------------------------------------------------
# Old form inferred from samples (docs/domain.md section 4.4); names from wafw00f.

_BARRACUDA_VALUE = re.compile(r"0{24}([0-9a-f]{8})0000([0-9a-f]{4})", re.IGNORECASE)


def _barracuda(name: str, value: str) -> BalancerCookie | None:
    if name.startswith("BNES_") or name == "barra_counter_session":
        return _device(name, value, BalancerVendor.BARRACUDA)
    if not name.startswith(("BNI_persistence", "BNI__BARRACUDA_LB_COOKIE")):
        return None
    backend = None
    if match := _BARRACUDA_VALUE.fullmatch(value):
        port = int.from_bytes(bytes.fromhex(match[2]), "little")
        backend = _backend(bytes.fromhex(match[1])[::-1], port)
    return _persistence(name, value, BalancerVendor.BARRACUDA, backend, _equal_if_long(value))


# --- Radware ---------------------------------------------------------------------------------------------
# Both forms inferred, the old one from a single sample, without a port (docs/domain.md section 4.5).

_RADWARE_OLD = re.compile(r"([0-9a-f]{8})[0-9a-f]{12}", re.IGNORECASE)
_RADWARE_NEW = re.compile(r"[A-Za-z0-9+/_=-]{20,32}\$\$")


def _radware(name: str, value: str) -> BalancerCookie | None:
    if not name.startswith("AlteonP"):
        return None
    match = _RADWARE_OLD.fullmatch(value)
    address = _member_address(bytes.fromhex(match[1])) if match else None
    # One sample is not enough to call the address exact; that equal values mean one member is.
    known = address is not None or _RADWARE_NEW.fullmatch(value) is not None
    strength = Strength.EQUAL_ONLY if known else Strength.NONE
    cookie = _persistence(name, value, BalancerVendor.RADWARE, None, strength)
    return replace(cookie, backend_address=address)


# --- vendors whose values are opaque ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Opaque:
    name: re.Pattern[str]
    value: (
        re.Pattern[str] | None
    )  # where it does not match, the name alone counts, and values are not compared
    vendor: BalancerVendor
    strength: Strength = Strength.EQUAL_ONLY
    basis: Basis = Basis.INFERRED
    kind: CookieKind = CookieKind.PERSISTENCE
    name_is_own: bool = True  # False: others use the name too, so the value has to match


def _session(pattern: str, vendor: BalancerVendor) -> _Opaque:
    """The device's own session, which says nothing about servers behind it."""
    return _Opaque(re.compile(pattern, re.DOTALL), None, vendor, Strength.NONE, kind=CookieKind.SESSION)


_HEX_32, _LONG_HEX = (
    re.compile(r"[0-9a-f]{32}", re.IGNORECASE),
    re.compile(r"[0-9a-f]{40,200}", re.IGNORECASE),
)
_AWS = re.compile(r"AWSALB(?:CORS|TG|TGCORS|APP-\d+)?|AWSELB(?:CORS)?")
_AZURE = re.compile(r"ApplicationGatewayAffinity(?:CORS)?")
_APP_SERVICE = re.compile(r"ARRAffinity(?:SameSite)?")
_APP_SERVICE_VALUE = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_PULSE, _PULSE_VALUE = re.compile(r"X-Mapping-(?:[a-p]{8}|Server)"), re.compile(r"[0-9A-F]{32}")
_OPAQUE = (
    # Encrypted with a rotating key, different in every response:
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html
    _Opaque(_AWS, None, BalancerVendor.AWS, Strength.NONE, Basis.DOCUMENTED),
    # The two carry the same value. https://learn.microsoft.com/azure/application-gateway/configuration-http-settings
    _Opaque(_AZURE, _HEX_32, BalancerVendor.AZURE_GATEWAY, Strength.COMPARABLE, Basis.DOCUMENTED),
    _Opaque(_APP_SERVICE, _APP_SERVICE_VALUE, BalancerVendor.AZURE_APP_SERVICE, Strength.COMPARABLE),
    _Opaque(re.compile(r"FGTServer"), _LONG_HEX, BalancerVendor.FORTINET),
    _session(r"FORTIWAFSID", BalancerVendor.FORTINET),
    _Opaque(_PULSE, _PULSE_VALUE, BalancerVendor.PULSE),
    _Opaque(re.compile(r"X-Oracle-BMC-LBS-Route"), _LONG_HEX, BalancerVendor.ORACLE),
    _Opaque(re.compile(r"IBMCBR"), re.compile(r"[\x21-\x7e]{1,200}"), BalancerVendor.IBM),
    _session(r"PD-[SH]-SESSION-ID|PD_STATEFUL_.*|AMWEBJCT!.*", BalancerVendor.IBM),
    # nlbi_ is Imperva's own balancing, in its network: it does not name a member of ours.
    _session(r"nlbi_\d+(?:_\d+)*|visid_incap_\d+|incap_ses_\d+_\d+", BalancerVendor.IMPERVA),
    # The sticky module's default name, an MD5 of the upstream; "route" is an ordinary word, so the value decides.
    _Opaque(
        re.compile(r"route"),
        re.compile(r"[0-9a-f]{32}"),
        BalancerVendor.NGINX,
        Strength.COMPARABLE,
        name_is_own=False,
    ),
)


def _opaque(name: str, value: str) -> BalancerCookie | None:
    for known in _OPAQUE:
        if known.name.fullmatch(name) is None:
            continue
        fits = known.value is None or known.value.fullmatch(value) is not None
        if not fits and not known.name_is_own:
            continue
        strength = known.strength if fits else Strength.NONE
        return BalancerCookie(name, value, known.vendor, known.kind, strength, known.basis)
    return None


# --- HAProxy ---------------------------------------------------------------------------------------------
# HAProxy configuration manual, "cookie": insert sends the server's keyword, "maxidle" and "maxlife" append dates
# after "|", "dynamic" sends 16 hexadecimal digits, "prefix" puts keyword and "~" before the application's value.

_HAPROXY_CUSTOMARY = re.compile(r"SERVERID|SRVID|SRV|SRVNAME|SERVER_USED|WEBSVR", re.IGNORECASE)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,62}[A-Za-z0-9])?"
_HAPROXY_VALUE = re.compile(rf"({_LABEL})(?:\|[A-Za-z0-9+/]{{5,6}}){{0,2}}")
_HAPROXY_PREFIX = re.compile(rf"({_LABEL})~([\x21-\x7d]+)")
_SESSION_NAMES = frozenset({"jsessionid", "phpsessid", "asp.net_sessionid", "sessionid", "connect.sid"})


def _haproxy(name: str, value: str) -> BalancerCookie | None:
    label, kind = haproxy_prefix(name, value), CookieKind.PREFIX
    if label is None:
        match = _HAPROXY_VALUE.fullmatch(value) if _HAPROXY_CUSTOMARY.fullmatch(name) else None
        if match is None:
            return None
        label, kind = match[1], CookieKind.PERSISTENCE
    return _labelled(name, value, BalancerVendor.HAPROXY, kind, Basis.INFERRED, label)


def _labelled(
    name: str, value: str, vendor: BalancerVendor | None, kind: CookieKind, basis: Basis, label: str | None
) -> BalancerCookie:
    """A cookie whose values stand for servers and may be compared."""
    return BalancerCookie(name, value, vendor, kind, Strength.COMPARABLE, basis, server_label=label)


def haproxy_prefix(cookie_name: str, value: str) -> str | None:
    """The server's keyword that HAProxy's prefix mode put before an application's session cookie.

    ``srv1~0A1B...`` gives ``srv1``. Only for cookies customarily used for sessions, since a tilde may be part of
    any other value; None where there is none.
    """
    if cookie_name.lower() not in _SESSION_NAMES or len(value) > LONGEST_VALUE:
        return None
    match = _HAPROXY_PREFIX.fullmatch(value)
    return match[1] if match else None


# --- Tomcat's jvmRoute -----------------------------------------------------------------------------------
# "jvmRoute" is appended to the session id after a dot:
# https://tomcat.apache.org/tomcat-10.1-doc/config/sessionidgenerator.html

_JVM_ROUTE = re.compile(rf"[0-9A-Za-z_-]{{16,128}}\.({_LABEL})")


def jvm_route(cookie_name: str, value: str) -> str | None:
    """The name that a Java server appended to its session id: ``JSESSIONID=<hex>.node1`` gives ``node1``.

    A keyword that HAProxy put in front (``srv1~<hex>.node1``) is taken off first. None where there is no suffix:
    most single servers append none, and that says nothing.
    """
    if cookie_name.lower() != "jsessionid" or len(value) > LONGEST_VALUE:
        return None
    value = value.strip('"')
    if haproxy_prefix(cookie_name, value) is not None:
        value = value.split("~", 1)[1]
    match = _JVM_ROUTE.fullmatch(value)
    return match[1] if match else None


def _tomcat(name: str, value: str) -> BalancerCookie | None:
    route = jvm_route(name, value)
    if route is None:
        return None
    return _labelled(name, value, None, CookieKind.ROUTE, Basis.DOCUMENTED, route)


# --- by behaviour ----------------------------------------------------------------------------------------

_CANDIDATE_CONNECTIONS = 8
_CANDIDATE_VALUES = 8
_CANDIDATE_VALUE = re.compile(r"[\x21-\x7e]{1,64}")


def classify_cookie(name: str, value: str, values_seen: Sequence[str] = ()) -> BalancerCookie | None:
    """What a cookie is, also by how it behaves on fresh connections that offered none.

    ``values_seen`` are the values set under this name on fresh connections, in order, one per connection.
    Where neither name nor form is known, the cookie becomes a `CookieKind.CANDIDATE` if at least 8
    connections set it, the values (without HAProxy's dates) are short and few (2 to 8), and each came at
    least twice. A session cookie is new each time and never qualifies; one constant value tells nothing and
    does not either.

    A candidate is *not* called a balancer's cookie: an application may set few values too (a language, an
    experiment's branch); that offering it steers the connection confirms it.
    """
    known = decode_cookie(name, value)
    if known is not None or not 0 < len(name) <= LONGEST_NAME:
        return known
    if any(len(seen) > LONGEST_VALUE for seen in (value, *values_seen)):
        return None
    own = without_dates(value)
    counts = Counter(without_dates(seen) for seen in values_seen)
    few = 2 <= len(counts) <= _CANDIDATE_VALUES and len(values_seen) >= _CANDIDATE_CONNECTIONS
    if not few or own not in counts or min(counts.values()) < 2:
        return None
    if not all(_CANDIDATE_VALUE.fullmatch(seen) for seen in counts):
        return None
    label = own if own != value else None
    return _labelled(name, value, None, CookieKind.CANDIDATE, Basis.INFERRED, label)


def without_dates(value: str) -> str:
    """The keyword alone, where HAProxy's dates follow it: those change every few seconds."""
    match = _HAPROXY_VALUE.fullmatch(value)
    return match[1] if match else value


_DECODERS: tuple[Callable[[str, str], BalancerCookie | None], ...] = (
    _netscaler,
    _a10,
    _barracuda,
    _radware,
    _opaque,
    _haproxy,
    _tomcat,
    _f5,  # last: its values are recognised under any name
)
