"""The persistence cookies of balancers: as their vendors make them (docs/domain.md section 4, with its vectors)."""

from __future__ import annotations

import hashlib
import ipaddress
import random
from collections import OrderedDict
from collections.abc import Mapping

from semscheck.lab.place import Endpoint
from semscheck.lab.world import CookieStyle

_USUAL_NAMES = {
    CookieStyle.HAPROXY: "SERVERID",
    CookieStyle.HAPROXY_PREFIX: "JSESSIONID",
    CookieStyle.BIGIP: "BIGipServersems_pool",
    CookieStyle.BIGIP_ROUTE_DOMAIN: "BIGipServersems_pool",
    CookieStyle.NETSCALER: "NSC_TFNT-lfzt-iuuqt",
    CookieStyle.A10: "sto-id-47873-sems",
    CookieStyle.BARRACUDA: "BNI_persistence",
    CookieStyle.AZURE: "ApplicationGatewayAffinity",
    CookieStyle.AWS: "AWSALB",
    CookieStyle.NGINX: "route",
    CookieStyle.OPAQUE: "lbsession",
}
AWS_LIMIT = 4096  # values given out and still recognised


def value(style: CookieStyle, name: str, end: Endpoint) -> str:
    """Return a member's cookie value. Styles that encode an address encode `end`."""
    address = ipaddress.ip_address(end.address)
    big, port = address.packed, end.port
    swapped_port = int.from_bytes(port.to_bytes(2, "big"), "little")
    digest = hashlib.sha256(f"{name} {end}".encode()).hexdigest()
    match style:
        case CookieStyle.HAPROXY | CookieStyle.HAPROXY_PREFIX:
            return name.partition(".")[0]
        case CookieStyle.BIGIP:
            return f"{int.from_bytes(big, 'little')}.{swapped_port}.0000"
        case CookieStyle.BIGIP_ROUTE_DOMAIN:
            return f"rd1o00000000000000000000ffff{big.hex()}o{port}"
        case CookieStyle.NETSCALER:
            masked = int.from_bytes(big, "big") ^ 0x03081E11
            return f"ffffffff{masked:08x}45525d5f4f58455e445a4a42{port ^ 0x3630:04x}"
        case CookieStyle.A10:
            packed = big[::-1] + port.to_bytes(2, "little")
            return "".join(chr(ord("A") + nibble) for byte in packed for nibble in (byte >> 4, byte & 15))
        case CookieStyle.BARRACUDA:
            return "00" * 12 + big[::-1].hex() + "0000" + port.to_bytes(2, "little").hex()
        case CookieStyle.AZURE | CookieStyle.NGINX:
            return digest[:32]
        case CookieStyle.AWS | CookieStyle.OPAQUE:
            return digest


class CookieJar:
    """A balancer's side of its cookie: gives it out, and knows again whom it names."""

    def __init__(
        self, style: CookieStyle, name: str | None, members: Mapping[str, Endpoint], rng: random.Random
    ) -> None:
        self.style = style
        self.name = name or _USUAL_NAMES[style]
        self._values = {member: value(style, member, end) for member, end in members.items()}
        self._members = {cookie: member for member, cookie in self._values.items()}
        self._random = rng
        self._given: OrderedDict[str, str] = OrderedDict()

    @property
    def prefixes(self) -> bool:
        """Whether the member is written before the application's own cookie, in place of a cookie of its own."""
        return self.style is CookieStyle.HAPROXY_PREFIX

    @property
    def repeats(self) -> bool:
        """Whether the cookie is set with every response, not only where it is new."""
        return self.style is CookieStyle.AWS

    def member(self, cookies: tuple[tuple[str, str], ...]) -> str | None:
        """Return the member that a client's cookies name, None where they name none."""
        for name, text in cookies:
            if name == self.name:
                key = text.partition("~")[0] if self.prefixes else text
                found = self._given.get(key) or self._members.get(key)
                if found is not None:
                    return found
        return None

    def set_cookies(self, member: str) -> tuple[str, ...]:
        """Return the Set-Cookie values that bind a client to this member."""
        text = self._values[member]
        if self.style is CookieStyle.AWS:
            text = self._fresh(member)
        if self.style is CookieStyle.AZURE:
            second = f"{self.name}CORS={text}; Path=/; SameSite=None; Secure"
            return (second, f"{self.name}={text}; Path=/")
        if self.style is CookieStyle.AWS:
            second = f"{self.name}CORS={text}; Path=/; SameSite=None; Secure"
            return (f"{self.name}={text}; Path=/", second)
        return (f"{self.name}={text}; path=/",)

    def with_prefix(self, member: str, set_cookie: str) -> str:
        """Return the application's Set-Cookie with the member written before its value."""
        name, equals, rest = set_cookie.partition("=")
        if name != self.name or not equals:
            return set_cookie
        return f"{name}={self._values[member]}~{rest}"

    def without_prefix(self, cookie_header: str) -> str:
        """Return a client's Cookie field as the member shall see it."""
        pairs = [part.strip().partition("=") for part in cookie_header.split(";")]
        return "; ".join(
            f"{name}={text.partition('~')[2] or text}" if name == self.name else f"{name}{equals}{text}"
            for name, equals, text in pairs
        )

    def _fresh(self, member: str) -> str:
        """Return a value never given before, as AWS does with every response."""
        text = f"{self._random.getrandbits(512):0128X}"
        self._given[text] = member
        while len(self._given) > AWS_LIMIT:
            self._given.popitem(last=False)
        return text
