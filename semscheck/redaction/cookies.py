"""Cookies under redaction: what a balancer wrote into one still decodes, to the pseudonymous address.

The encodings are those of the balancers' own documents and of public samples (F5 K6917; the NetScaler cookie
decryptor; A10 and Barracuda from samples). A value in no known form is replaced token by token: equal values
stay equal, different ones stay different.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from semscheck.redaction.text import Scrubber

_BIGIP_V4 = re.compile(r"(\d{1,10})\.(\d{1,5})\.(\d{4})")
_BIGIP_V4_ROUTED = re.compile(r"(rd\d+o0{20}ffff)([0-9a-f]{8})(o\d{1,5})", re.IGNORECASE)
_BIGIP_V6 = re.compile(r"(vi)([0-9a-f]{32})(\.\d{1,5})", re.IGNORECASE)
_BIGIP_V6_ROUTED = re.compile(r"(rd\d+o)([0-9a-f]{32})(o\d{1,5})", re.IGNORECASE)
_NETSCALER = re.compile(r"([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]*)([0-9a-f]{4})", re.IGNORECASE)
_NETSCALER_MASK = 0x03081E11
_NETSCALER_OTHER = re.compile(r"NSC_(AAAC|BASEURL|CERT|DLGE|EPAC|TASS|TEMP|TMA[APS]|PERS|USER)")
_A10 = re.compile(r"[A-P]{12}")
_BARRACUDA = re.compile(r"(0{24})([0-9a-f]{8})(0000[0-9a-f]{4})", re.IGNORECASE)
_ALTEON = re.compile(r"([0-9a-f]{8})([0-9a-f]{12})", re.IGNORECASE)
# Names whose first part tells the balancer and whose rest an administrator chose.
_PREFIXED = re.compile(
    r"(BIGipServer|BNES_|sto-id-\d+-?|AlteonP|visid_incap_|nlbi_|PD_STATEFUL_|X-Mapping-)(.*)", re.DOTALL
)
_OPAQUE_NAME = re.compile(r"(TS)([0-9a-f]{6,})", re.IGNORECASE)
# Attributes whose values are dates, numbers or from a closed list (RFC 6265 section 4.1.1 and its successor).
_PLAIN_ATTRIBUTES = frozenset(
    ("expires", "max-age", "secure", "httponly", "samesite", "priority", "partitioned")
)


class CookieScrubber:
    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber

    # --- names -----------------------------------------------------------------------------------------

    def name(self, name: str) -> str:
        """Known names stay; what an administrator put into one (a pool, a group) is replaced."""
        if _NETSCALER_OTHER.fullmatch(name):
            return name
        if name.startswith("NSC_"):
            return "NSC_" + _shifted(self._scrubber.foreign(_shifted(name[4:], -1)), 1)
        if found := _PREFIXED.fullmatch(name):
            return found.group(1) + self._scrubber.foreign(found.group(2))
        if found := _OPAQUE_NAME.fullmatch(name):
            return found.group(1) + self._scrubber.hexadecimal(found.group(2))
        return self._scrubber.foreign(name)

    # --- values ----------------------------------------------------------------------------------------

    def value(self, name: str, value: str) -> str:
        """An address inside keeps its place and its encoding; anything else becomes tokens."""
        encoded = self._with_address(name, value)
        return self._scrubber.token(value) if encoded is None else encoded

    def _with_address(self, name: str, value: str) -> str | None:
        lower = name.lower()
        forms: tuple[tuple[bool, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
            (True, _BIGIP_V4, self._bigip),
            (True, _BIGIP_V4_ROUTED, self._straight),  # before the IPv6 form, which it also matches
            (True, _BIGIP_V6, self._straight),
            (True, _BIGIP_V6_ROUTED, self._straight),
            (lower.startswith("nsc_"), _NETSCALER, self._netscaler),
            (lower.startswith("sto-id"), _A10, self._a10),
            (True, _BARRACUDA, self._barracuda),
            (lower.startswith("alteonp"), _ALTEON, self._alteon),
        )
        for applies, pattern, encode in forms:
            if applies and (found := pattern.fullmatch(value)):
                return encode(found)
        return None

    def _mapped(self, packed: bytes) -> bytes:
        address = ipaddress.ip_address(packed)
        return ipaddress.ip_address(self._scrubber.pseudonyms.address(str(address))).packed

    def _bigip(self, found: re.Match[str]) -> str:
        number = int(found.group(1))
        if number > 0xFFFFFFFF:
            return self._scrubber.token(found.group())
        address = self._mapped(number.to_bytes(4, "little"))
        return f"{int.from_bytes(address, 'little')}.{found.group(2)}.{found.group(3)}"

    def _straight(self, found: re.Match[str]) -> str:
        return found.group(1) + self._mapped(bytes.fromhex(found.group(2))).hex() + found.group(3)

    def _netscaler(self, found: re.Match[str]) -> str:
        address = (int(found.group(2), 16) ^ _NETSCALER_MASK).to_bytes(4, "big")
        masked = int.from_bytes(self._mapped(address), "big") ^ _NETSCALER_MASK
        return f"{found.group(1)}{masked:08x}{found.group(3)}{found.group(4)}"

    def _a10(self, found: re.Match[str]) -> str:
        packed = bytes(
            (ord(high) - 65) << 4 | ord(low) - 65
            for high, low in zip(found.group()[::2], found.group()[1::2], strict=True)
        )
        mapped = self._mapped(packed[:4][::-1])[::-1] + packed[4:]
        return "".join(chr(65 + (byte >> 4)) + chr(65 + (byte & 15)) for byte in mapped)

    def _barracuda(self, found: re.Match[str]) -> str:
        address = self._mapped(bytes.fromhex(found.group(2))[::-1])
        return found.group(1) + address[::-1].hex() + found.group(3)

    def _alteon(self, found: re.Match[str]) -> str:
        return self._mapped(bytes.fromhex(found.group(1))).hex() + self._scrubber.hexadecimal(found.group(2))

    # --- headers ---------------------------------------------------------------------------------------

    def set_cookie(self, header: str) -> str:
        """A Set-Cookie header (RFC 6265 section 4.1): name, value, and the attributes Domain and Path."""
        pair, *attributes = header.split(";")
        return ";".join([self._pair(pair), *(self._attribute(attribute) for attribute in attributes)])

    def cookie(self, header: str) -> str:
        return ";".join(self._pair(pair) for pair in header.split(";"))

    def _pair(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        if not equals:
            return self._scrubber.token(pair)
        bare = name.strip()
        blank = name[: len(name) - len(name.lstrip())]
        shown = value.strip()
        quotes = '"' if len(shown) > 1 and shown[0] == shown[-1] == '"' else ""
        inner = shown[1:-1] if quotes else shown
        return f"{blank}{self.name(bare)}={quotes}{self.value(bare, inner)}{quotes}"

    def _attribute(self, attribute: str) -> str:
        name, equals, value = attribute.partition("=")
        key = name.strip().lower()
        if key == "domain":
            return f"{name}{equals}{self._scrubber.name(value.strip())}"
        if key in _PLAIN_ATTRIBUTES:
            return f"{name}{equals}{self._scrubber.counted(value)}"
        return f"{self._scrubber.foreign(name)}{equals}{self._scrubber.foreign(value)}"


def _shifted(text: str, by: int) -> str:
    """Letters moved along the alphabet, case kept, the rest as it is: NetScaler's way to write a name."""

    def move(letter: str) -> str:
        if not (letter.isascii() and letter.isalpha()):
            return letter
        start = 65 if letter.isupper() else 97
        return chr(start + (ord(letter) - start + by) % 26)

    return "".join(map(move, text))
