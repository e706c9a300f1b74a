"""Stable pseudonyms under a key: addresses that keep their networks, labels that can be spoken, hex digits.

Everything here is a function of the key and the original alone, so two documents that were redacted with one
key agree. Without the key a pseudonym cannot be turned back; with it, it could be found by trying.
Within one `Pseudonyms` no two originals share a pseudonym: where a short one would collide it is lengthened.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable

_CONSONANTS = "bdfgklmnprstvz"
_VOWELS = "aeiou"
_SYLLABLES = tuple(c + v for c in _CONSONANTS for v in _VOWELS)  # 70; four of them are 24 million labels
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

# What everybody's machine has; it names nobody.
_KEPT = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "0.0.0.0",
        "255.255.255.255",
        "127.0.0.1",
        "127.0.0.53",  # systemd-resolved's stub
        "127.0.0.54",
        "127.0.1.1",  # Debian's own name in /etc/hosts
        "::",
        "::1",
    )
)
# The classes that stay what they are (RFC 1918, 6598, 3927, 1122; RFC 4291, 4193): the network's own bits
# are left alone, the rest is permuted.
_CLASSES_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
    )
)
_UNUSABLE_V4 = (ipaddress.IPv4Network("0.0.0.0/8"), ipaddress.IPv4Network("224.0.0.0/3"))
_FIXED_V6 = (  # network, and how many leading bits stay
    (ipaddress.IPv6Network("fe80::/10"), 64),
    (ipaddress.IPv6Network("fc00::/7"), 8),
    (ipaddress.IPv6Network("2000::/3"), 3),
)
_EMBEDS_V4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
_MULTICAST_V6 = ipaddress.IPv6Network("ff00::/8")


def key_of(passphrase: str) -> bytes:
    """A key from words that two people agree on, so that their redacted reports can be compared.

    scrypt (RFC 7914) makes trying words costly; a guessed passphrase still gives every pseudonym away.
    """
    return hashlib.scrypt(
        passphrase.encode(), salt=b"semscheck/redaction/1", n=2**14, r=8, p=1, maxmem=2**26, dklen=32
    )


class Pseudonyms:
    """Pseudonyms under one key. key: 1 to 64 bytes; 32 random ones where nothing has to agree."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._addresses: dict[str, str] = {}
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[tuple[str, str]] = set()

    @property
    def check(self) -> str:
        """Eight hex digits that tell one key from another and give nothing of it away."""
        return self._digest("check", "").hex()[:8]

    def _digest(self, purpose: str, text: str, size: int = 32) -> bytes:
        return hashlib.blake2b(
            f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), key=self._key, digest_size=size
        ).digest()

    # --- addresses: prefix-preserving ------------------------------------------------------------------

    def address(self, text: str) -> str:
        """The pseudonym of an IPv4 or IPv6 address, in canonical text; a zone (`%eth0`) is dropped.

        Two addresses share exactly as many leading bits afterwards as before (Xu, Fan, Ammar and Moon,
        "Prefix-preserving IP address anonymization", ICNP 2002), counted within their class: private stays
        private, link-local link-local, public public. Public IPv4 keeps that for /24 and longer; a shorter
        common prefix may be lost where the way there led through a private range.
        Raises ValueError if text is no address.
        """
        known = self._addresses.get(text)
        if known is None:
            address = ipaddress.ip_address(text.partition("%")[0])
            known = self._addresses[text] = (
                self._v4(address) if isinstance(address, ipaddress.IPv4Address) else self._v6(address)
            )
        return known

    def _v4(self, address: ipaddress.IPv4Address) -> str:
        if address in _KEPT or address.is_multicast:
            return str(address)
        kind = next((network for network in _CLASSES_V4 if address in network), None)
        fixed = kind.prefixlen if kind else 0

        def fits(candidate: ipaddress.IPv4Address) -> bool:
            if candidate in _KEPT:
                return False
            return kind is not None or not any(candidate in n for n in (*_CLASSES_V4, *_UNUSABLE_V4))

        if kind is None and not fits(address):
            return str(address)  # 0/8 and the reserved top: nobody's address
        # Cycle walking (Black and Rogaway, CT-RSA 2002): repeat a permutation until it lands in the class,
        # which is a permutation of the class. All its borders are at /24 or shorter, so a /24 walks as one.
        number = int(address)
        while True:
            number = self._permute(number, 32, fixed)
            candidate = ipaddress.IPv4Address(number)
            if fits(candidate):
                return str(candidate)

    def _v6(self, address: ipaddress.IPv6Address) -> str:
        if address in _KEPT or address in _MULTICAST_V6:
            return str(address)
        for network in _EMBEDS_V4:
            if address in network:
                inner = ipaddress.IPv4Address(
                    self.address(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
                )
                mapped = ipaddress.IPv6Address(int(network.network_address) | int(inner))
                return f"::ffff:{inner}" if mapped.ipv4_mapped else str(mapped)
        fixed = next((bits for network, bits in _FIXED_V6 if address in network), 0)
        return str(ipaddress.IPv6Address(self._permute(int(address), 128, fixed)))

    def _permute(self, number: int, width: int, fixed: int) -> int:
        """Flip each bit after the fixed ones by a keyed function of the original bits before it."""
        result = 0
        for position in range(width):
            bit = number >> (width - 1 - position) & 1
            flip = 0
            if position >= fixed:
                before = number >> (width - position)
                flip = self._digest(f"bit{width}", f"{position}:{before}", 1)[0] & 1
            result = result << 1 | bit ^ flip
        return result

    # --- words -----------------------------------------------------------------------------------------

    def label(self, text: str) -> str:
        """A word of four syllables for a DNS label or a word, whatever its case; always in lower case."""

        def make(attempt: int) -> str:
            number = int.from_bytes(self._digest("label", f"{text.lower()}\0{attempt}", 16))
            spoken = []
            for _ in range(4 + attempt):
                number, index = divmod(number, len(_SYLLABLES))
                spoken.append(_SYLLABLES[index])
            return "".join(spoken)

        return self._unique("label", text.lower(), make)

    def hexadecimal(self, text: str) -> str:
        """As many hex digits, in the same case; the same value written in another case agrees."""
        lower = text.lower()

        def make(attempt: int) -> str:
            digits = ""
            while len(digits) < len(lower):
                digits += self._digest("hex", f"{lower}\0{attempt}\0{len(digits)}").hex()
            return digits[: len(lower)]

        found = self._unique("hex", lower, make)
        return found.upper() if text.isupper() else found

    def digits(self, text: str) -> str:
        """As many decimal digits; the first is never 0, so that it stays as long when read as a number."""

        def make(attempt: int) -> str:
            shown = self._drawn("digits", f"{text}\0{attempt}", len(text), "0123456789")
            return shown if shown[0] != "0" else "1" + shown[1:]

        return self._unique("digits", text, make)

    def opaque(self, text: str) -> str:
        """As many letters and digits, case told apart: for tokens that mean nothing to a reader."""

        def make(attempt: int) -> str:
            return self._drawn("opaque", f"{text}\0{attempt}", len(text), _ALPHABET)

        return self._unique("opaque", text, make)

    def _drawn(self, purpose: str, text: str, length: int, alphabet: str) -> str:
        drawn: list[str] = []
        while len(drawn) < length:
            block = self._digest(purpose, f"{text}\0{len(drawn)}", 64)
            drawn.extend(alphabet[byte % len(alphabet)] for byte in block)
        return "".join(drawn[:length])

    def _unique(self, purpose: str, text: str, make: Callable[[int], str]) -> str:
        known = self._given.get((purpose, text))
        attempt = 0
        while known is None:
            candidate = make(attempt)
            attempt += 1
            # Short spaces (one or two digits) can be full: then the last try stands.
            if ((purpose, candidate) not in self._taken and candidate != text) or attempt > 64:
                self._taken.add((purpose, candidate))
                known = self._given[purpose, text] = candidate
        return known
