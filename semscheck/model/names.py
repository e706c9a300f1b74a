"""Does a certificate name a host? RFC 9525, and apart from it the vendor's older rule for the Common Name.

Pure comparison of text. Host names come as A-labels (RFC 5890), in any case, and those asked for with or without the
trailing dot. A certificate's names have none (RFC 5280 section 4.2.1.6 takes RFC 1034's preferred syntax, section
3.5), and OpenSSL, Go and others match none that has.

Standards: RFC 9525 section 6.3 (DNS names), 6.4 (addresses), section 2 (the Common Name is no identity of a
service). Vendor: Broadcom KB 156803 (the Common Name is the clients' FQDN), KB 157246 (subjectAltName is
honoured too).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

MAX_NAME = 253  # characters (RFC 1035 section 2.3.4, without the root's dot)
MAX_LABEL = 63
WILDCARD = "*"

_TYPED = re.compile(r"^(dns|cn)[:=]", re.IGNORECASE)
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def covers(presented: str, name: str) -> bool:
    """Does a dNSName cover a host's name?

    A wildcard counts only as the whole left-most label and stands for exactly one label (RFC 9525 section
    6.3). At least two labels must follow it: "*.com" covers nothing in the clients we know of (OpenSSL,
    Schannel, browsers). Addresses, names with empty or foreign labels, non-ASCII text, and a presented name with a
    trailing dot match nothing.
    """
    offered, wanted = _labels(presented, wildcard=True), _labels(name.removesuffix("."), wildcard=False)
    if offered is None or wanted is None or len(offered) != len(wanted):
        return False
    if offered[0] != WILDCARD:
        return offered == wanted
    return len(offered) >= 3 and offered[1:] == wanted[1:]


def spoiled_by(presented: str, name: str) -> str | None:
    """What keeps an entry that was meant for a host's name from covering it; None if it was not meant so.

    The words follow the entry in a sentence. Such entries come from forms in which more than the name was typed.
    """
    for words, meant in _meant(presented):
        if meant != presented and covers(meant, name):
            return words
    return None


def _meant(presented: str) -> tuple[tuple[str, str], ...]:
    """What may have been meant by an entry, with what is wrong about it."""
    bare = "".join(sign for sign in presented if sign.isprintable() and not sign.isspace())
    host = (bare.partition("://")[2] or bare).split("/")[0].partition(":")[0]
    return (
        ("has a blank or an invisible character in it", bare),
        ("is written with letters that stand in certificates as xn--", _spoken(presented) or presented),
        ("ends in a dot, which names in certificates do not have", bare.removesuffix(".")),
        ("begins with its type, where the name alone belongs", _TYPED.sub("", bare, count=1)),
        ("is a URL where a name belongs" if "://" in bare else "has more than the name in it", host),
    )


def _spoken(presented: str) -> str | None:
    """The A-label form (RFC 5890) of a name as people write it; None for ASCII, and for what is no name."""
    try:
        # Certificates hold bytes, which were read one by one (Latin-1); people's programs write UTF-8.
        text = presented.encode("latin-1").decode("utf-8")
    except UnicodeError:
        text = presented
    try:
        return None if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def covers_address(presented: str, address: str) -> bool:
    """Does an iPAddress entry name this address? Compared as addresses, never as text (RFC 9525 section 6.4)."""
    one, other = _address(presented), _address(address)
    return one is not None and one == other


def is_address(name: str) -> bool:
    """Is it an IPv4 or IPv6 address rather than a name?"""
    return _address(name) is not None


def host_and_port(host: str, port: int) -> str:
    """ "192.0.2.1:443", "[2001:db8::1]:443" (RFC 3986 section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_wildcard(presented: str) -> bool:
    """Is there a wildcard in it, in whatever place?"""
    return WILDCARD in presented


def matches_alternative_names(
    name: str, dns_names: Iterable[str] | None, ip_names: Iterable[str] = ()
) -> tuple[str, ...]:
    """The entries of subjectAltName that cover a name or an address; empty if none does, or there are none.

    dns_names: None where the certificate has no subjectAltName, as in `Certificate`.
    """
    if is_address(name):
        return tuple(entry for entry in ip_names if covers_address(entry, name))
    return tuple(entry for entry in dns_names or () if covers(entry, name))


def matches_common_names(name: str, common_names: Iterable[str]) -> tuple[str, ...]:
    """The Common Names that cover a name, by the vendor's rule (KB 156803); wildcards as in `covers`.

    RFC 9525 gives the Common Name no meaning; Encryption Desktop reads it, modern clients do not. An address
    is never taken from it.
    """
    return tuple(entry for entry in common_names if covers(entry, name))


def _labels(text: str, *, wildcard: bool) -> tuple[str, ...] | None:
    """The labels in lower case, None where it is no host name."""
    if not text.isascii():
        return None
    bare = text.lower()
    if not bare or len(bare) > MAX_NAME or is_address(bare):
        return None
    labels = tuple(bare.split("."))
    rest = labels[1:] if wildcard and labels[0] == WILDCARD else labels
    if all(0 < len(label) <= MAX_LABEL and _ALLOWED.issuperset(label) for label in rest):
        return labels
    return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
