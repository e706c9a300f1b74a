"""Addresses that can be no server, whatever DNS says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from semscheck.model.target import Target

LOOPBACK = "an address of the asking desktop itself (loopback)"


# RFC 1918, RFC 6598, RFC 4193: what an intranet's view of a zone has and the internet's has not.
_PRIVATE = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def is_private(address: str) -> bool:
    """An address that only an intranet knows; False for text that is no address."""
    try:
        one = ip_address(address)
    except ValueError:
        return False
    return any(one in network for network in _PRIVATE if one.version == network.version)


def no_server(address: str) -> str | None:
    """Why nobody else can be reached there, in words that follow "which is"; None for every other address.

    The unspecified address (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2), multicast and broadcast, link-local
    without a zone (RFC 4007 section 6), IPv4-mapped (RFC 4291 section 2.5.5.2) and loopback.
    """
    try:
        one = ip_address(address)
    except ValueError:
        return None
    if one.is_unspecified:
        return "the unspecified address and no server's"
    if one.is_multicast or address == "255.255.255.255":
        return "an address of a group and no server's"
    if one.is_link_local and not getattr(one, "scope_id", None):
        return "valid on one link only (link-local)"
    return _inner(one)


def _inner(one: IPv4Address | IPv6Address) -> str | None:
    if isinstance(one, IPv6Address) and one.ipv4_mapped is not None:
        return f"the IPv4 address {one.ipv4_mapped} written as IPv6 (IPv4-mapped)"
    return LOOPBACK if one.is_loopback else None


def is_contacted(address: str, target: Target) -> bool:
    """May an address that DNS gave be a server? Loopback only where the target names such an address itself."""
    why = no_server(address)
    return why is None or (why == LOOPBACK and _names_loopback(target))


def _names_loopback(target: Target) -> bool:
    ends = [*target.resolvers]
    for member in target.members:
        ends += [*member.client, *member.replication]
    named = [*target.balancers, *(end.address for end in ends)]
    return any(no_server(address) == LOOPBACK for address in named)
