"""What stands in front: where TLS ends, who made it, and what its cookies give away."""

from __future__ import annotations

from dataclasses import dataclass

from semscheck.analysis.balancing.cookies import CookieKind, decode_cookie
from semscheck.analysis.balancing.facts import Facts, cookies_of
from semscheck.analysis.balancing.ticket_keys import FOREIGN_KEY
from semscheck.analysis.balancing.vendors import fingerprint
from semscheck.model.analysis import Termination
from semscheck.model.vendors import words_for


@dataclass(frozen=True, slots=True)
class TerminationEstimate:
    """Where TLS ends, and by which evidence. by_cookies: a balancer's cookie is among it, which proves it."""

    termination: Termination = Termination.UNKNOWN
    evidence: tuple[str, ...] = ()
    by_cookies: bool = False


def estimate_termination(facts: Facts) -> TerminationEstimate:
    """Where TLS ends; unknown without evidence."""
    known = [trace for traces in facts.traces.values() for trace in traces if trace.token == "tls"]
    controls = facts.tls_controls
    if facts.members and controls.usable and any(trace.recognised for trace in known):
        why = "a member recognizes TLS sessions that the FQDN's address gave"
        return TerminationEstimate(Termination.PASS_THROUGH, (why,))
    if facts.keys.of_members:
        why = "TLS tickets that the FQDN's address gave are of a member's key"
        return TerminationEstimate(Termination.PASS_THROUGH, (why,))
    evidence: list[str] = []
    again = [s for s in facts.samples if s.arm == "resume" and s.resumed and s.status is None]
    refused = {trace.sample for trace in known if trace.recognised is False}
    # A member keeps the sessions of its two interfaces apart.
    asked_all = facts.members and facts.complete and controls.usable
    if asked_all and again and refused and facts.direct is None:
        evidence.append(
            "TLS sessions from the FQDN's address are recognized there and by no member of the profile, "
            "though each member recognizes its own"
        )
    cookies = _cookies_in_front(facts) if facts.direct is None else []
    if facts.direct is None:
        if facts.keys.foreign:
            evidence.append(f"{FOREIGN_KEY}, though each member has one of its own")
        evidence += [*cookies, *_certificate_in_front(facts)]
    if evidence:
        return TerminationEstimate(Termination.TERMINATED, tuple(evidence), bool(cookies))
    return TerminationEstimate()


def _cookies_in_front(facts: Facts) -> list[str]:
    direct, in_front = facts.members_cookies, facts.set_in_front
    found: dict[str, None] = {}
    answers = [*(s.headers for s in facts.samples), *(page.headers for page in facts.pages)]
    for name, value in (cookie for headers in answers for cookie in cookies_of(headers)):
        cookie = decode_cookie(name, value)
        known = cookie is not None and cookie.set_in_front
        prefixed = cookie is not None and cookie.kind is CookieKind.PREFIX
        if known and (prefixed or name not in direct):
            found[f"the cookie {name[:40]} is set by a balancer, which it can do only where TLS ends"] = None
        elif name in in_front:
            found[f"the cookie {name[:40]} is set here, and by no member on the same page"] = None
    return list(found)


def _certificate_in_front(facts: Facts) -> list[str]:
    """The address presents a certificate that no member presents to clients, all members having been seen."""
    shakes, address = facts.handshakes, facts.address
    here = {shake.chain[0] for shake in shakes if shake.address == address and shake.chain}
    members = {a: name for a, name in facts.client.items() if a != address}
    theirs = {shake.chain[0] for shake in shakes if shake.address in members and shake.chain}
    seen = {members[shake.address] for shake in shakes if shake.address in members and shake.chain}
    if here and theirs and facts.complete and set(facts.members) <= seen and not here & theirs:
        return ["the certificate at the FQDN's address is on no member"]
    return []


def vendor_in_front(facts: Facts) -> tuple[str | None, tuple[str, ...]]:
    """The balancer's maker by its marks, leaving out those that the members carry themselves."""
    if facts.direct is not None:
        return None, ()
    own = {(name.lower(), value) for _, page in facts.own_pages for name, value in page.headers}
    answers = [sample.headers for sample in facts.samples if sample.headers]
    answers += [page.headers for page in facts.pages]
    headers = {pair for each in answers for pair in each if (pair[0].lower(), pair[1]) not in own}
    cookies = {pair for each in answers for pair in cookies_of(each) if pair[0] not in facts.members_cookies}
    prefixed = {pair for each in answers for pair in cookies_of(each) if "~" in pair[1]}
    kept = sorted(pair for pair in headers if pair[0].lower() != "set-cookie")
    found = fingerprint(kept, sorted(cookies | prefixed))
    return (str(found[0].name), found[0].evidence) if found else (None, ())


def vendor_hint(vendor: str | None) -> str:
    """Which settings of that load balancer to look for, in its vendor's words."""
    words = words_for(vendor)
    by_cookie = f"; where TLS ends at the load balancer, {words.cookie}" if words.cookie else ""
    return f"{words.failover}; {words.source}{by_cookie}"


def disclosed_addresses(facts: Facts) -> tuple[str, ...]:
    """What balancers' cookies give away: "cookie: address"."""
    found: dict[str, None] = {}
    for sample in facts.samples:
        for name, value in cookies_of(sample.headers):
            cookie = decode_cookie(name, value)
            if cookie is not None and cookie.discloses_address:
                found[f"{name[:60]}: {cookie.identity}"] = None
    return tuple(found)[:16]
