"""DNS messages: the query that shows rotation, and an answer read along its chain of aliases."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from semscheck.model.observations import CnameHop
from semscheck.net import lazy_imports as lean

if TYPE_CHECKING:
    import dns.message
    import dns.rrset

MAX_HOPS = 16  # resolvers follow fewer (BIND and Unbound give up at 16 and 11)
KEPT_RECORDS = 64
_LARGEST_PAYLOAD = 1232  # DNS flag day 2020: fits an IPv6 packet that nothing has to fragment
_PAYLOAD_STEP = 4


def make_query(
    name: str,
    record_type: str,
    *,
    recurse: bool,
    repetition: int = 0,
    edns: bool = True,
    unchecked: bool = False,
) -> dns.message.Message:
    """A query with an id of its own. Raises ValueError for a name that DNS cannot carry.

    unchecked: without DNSSEC's validation (CD, RFC 4035 section 3.2.2).

    The announced payload differs from repetition to repetition: PowerDNS keeps whole answers, shuffled as they
    are, and finds them by the bytes of the query behind its id (docs/settings.rst, `cache-ttl`).
    """
    lean.prepare_dns()
    import dns.exception
    import dns.flags
    import dns.message

    try:
        return dns.message.make_query(
            name + ".",
            record_type,
            use_edns=0 if edns else False,
            payload=_LARGEST_PAYLOAD - _PAYLOAD_STEP * (repetition % 100) if edns else None,
            flags=(dns.flags.RD if recurse else 0) | (dns.flags.CD if unchecked else 0),
        )
    except dns.exception.DNSException as error:
        raise ValueError(f"not a name that DNS can carry: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says of one name and type.

    chain: aliases in order. records: data in the order received, at most `KEPT_RECORDS`; seen: how many there
    were. ttl_s: the least of the record set's, None if there is none. nearby: (name, address) pairs of the
    additional section, as many at most.
    """

    rcode: str
    flags: tuple[str, ...]
    chain: tuple[CnameHop, ...] = ()
    records: tuple[str, ...] = ()
    seen: int = 0
    ttl_s: int | None = None
    nearby: tuple[tuple[str, str], ...] = ()


def read(answer: dns.message.Message, name: str, record_type: str) -> Reading:
    """Follow the aliases from `name` to the record set asked for; a loop of aliases simply ends."""
    import dns.flags
    import dns.rcode

    sets = {(_text(one), one.rdtype.name): one for one in answer.answer if one.rdclass == 1}
    chain: list[CnameHop] = []
    owner = name.lower()
    seen = {owner}
    while (owner, record_type) not in sets and (owner, "CNAME") in sets and len(chain) < MAX_HOPS:
        alias = sets[owner, "CNAME"]
        onward = alias[0].target.to_text(omit_final_dot=True).lower()
        chain.append(CnameHop(owner, onward, alias.ttl))
        if onward in seen:
            break
        seen.add(onward)
        owner = onward
    found = sets.get((owner, record_type))
    return Reading(
        rcode=dns.rcode.to_text(answer.rcode()),
        flags=tuple(flag for flag in dns.flags.to_text(answer.flags).split() if flag != "QR"),
        chain=tuple(chain),
        records=() if found is None else tuple(_data(one) for one in islice(found, KEPT_RECORDS)),
        seen=0 if found is None else len(found),
        ttl_s=None if found is None else found.ttl,
        nearby=tuple(
            (_text(one), _data(record))
            for one in answer.additional[:KEPT_RECORDS]
            if one.rdtype.name in ("A", "AAAA")
            for record in islice(one, KEPT_RECORDS)
        ),
    )


def _text(rrset: dns.rrset.RRset) -> str:
    return rrset.name.to_text(omit_final_dot=True).lower()


def _data(record: object) -> str:
    """An address as it is written, another record's target without its last dot."""
    address = getattr(record, "address", None)
    if isinstance(address, str):
        return str(ipaddress.ip_address(address))  # one spelling everywhere
    target = getattr(record, "target", None)
    return str(target if target is not None else record).rstrip(".").lower()
