"""Rules on the cluster as a whole: does anything serve, is there a second one, is it this product at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from semscheck.model.analysis import EndpointStatus, Reach
from semscheck.model.findings import Confidence, ImpactKind, InFront, Owner, Role, Stops, Subject
from semscheck.model.observations import Exchange, ServiceProbe
from semscheck.model.target import MAX_MEMBERS_SUPPORTED, Severity
from semscheck.rules import references as refs
from semscheck.rules.context import (
    BY_SUBJECT,
    RuleContext,
    by_subject,
    sentence_start,
)
from semscheck.rules.rule import Answers, Hit, NotObserved, card, need

# Titles that public fingerprint collections know (recog html_title.xml, nmap-service-probes, nuclei-templates), and
# the product's later name. Matched loosely, since the title of the newest releases is in no source.
PRODUCT = re.compile(
    r"symantec\s+encryption|pgp\s+universal|pgp\s+encryption\s+server|encryption\s+management\s+server|"
    r"web\s+email\s+protection|verified\s+directory",
    re.IGNORECASE,
)
# Paths that only this product's pages use, where a redirect leads to one.
PRODUCT_PATHS = re.compile(r"^/(b/[a-z.]+\.e|omc/|pgpuniversaldesktop)", re.IGNORECASE)
ERROR_TITLE = re.compile(
    r"\b(error|unavailable|maintenance|forbidden|denied|bad\s+gateway|time-?out|not\s+authori[sz]ed|blocked)\b",
    re.IGNORECASE,
)
FQDN_PLACES = need(lambda context: context.fqdn_places, "the FQDN has no address")


def exchanges(context: RuleContext, place: EndpointStatus) -> tuple[Exchange, ...]:
    return tuple(
        e
        for e in context.of(Exchange)
        if (e.address, e.port) == (place.address, place.port) and e.host == context.target.fqdn
    )


def _knows_client_interface(context: RuleContext) -> bool:
    return any(member.client for member in context.snapshot.target.members)


@card(
    code="CLU001",
    name="manual-failover",
    title="Failover by changing DNS",
    severity=Severity.INFO,
    owner=Owner.DNS,
    summary="The FQDN leads to one member's own interface: failover is a change of DNS by hand.",
    why="When this member is down somebody has to change the record, and clients stay with the dead member until "
    "their cached answer has expired.",
    remedy="Nothing has to change if it is meant so; keep the record's TTL low. For automatic failover put a load "
    "balancer in front, with failover and persistence.",
    seen_by="The one address that the FQDN has is a member's client interface by the profile.",
    references=(refs.KB_156803, refs.KB_153721),
    needs=(
        FQDN_PLACES,
        need(_knows_client_interface, "no member's client interface is known"),
    ),
)
def manual_failover(context: RuleContext) -> Answers:
    """One member's Interface 2 behind the FQDN, and no balancer."""
    direct = [place for place in context.fqdn_places if place.client_of]
    if len(direct) != len(context.fqdn_places) or len({place.client_of for place in direct}) != 1:
        return
    if len(context.snapshot.target.members) < 2:
        return
    name = direct[0].client_of[0]
    ttl = context.analysis.dns.authority_ttl_s or context.analysis.dns.max_ttl_s
    at_least = f", which takes clients up to {ttl} s to notice" if ttl is not None else ""
    yield Hit(
        subject=context.subject_of(direct[0]),
        summary=f"{context.fqdn} leads to {name} itself, with no load balancer: "
        f"failover is a change of the DNS record{at_least}.",
        evidence=direct[0].evidence[:3],
        args={"member": name, "ttl_s": "" if ttl is None else str(ttl)},
    )


def _serves(place: EndpointStatus) -> bool:
    return place.answers and (place.status or 0) < 500


def _members_asked(context: RuleContext) -> list[EndpointStatus]:
    return [place for place in context.places if place.client_of and place.tried]


@card(
    code="CLU002",
    name="redundancy-lost",
    title="A server does not serve",
    impact=ImpactKind.NO_REDUNDANCY,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="A member does not serve clients on any of its addresses while another member does.",
    why="Clients may work today; the next failure has nothing to fail over to.",
    remedy="Start the services of that server, and check its Interface 2.",
    seen_by="The member was asked directly on every address of Interface 2. Not reachable from here is not the same "
    "as down; where no member can be asked directly, that is one remark (NET010).",
    references=(refs.KB_153721,),
    needs=(need(_members_asked, "no member's client interface was asked"),),
)
def redundancy_lost(context: RuleContext) -> Answers:
    """A standby that would not take over."""
    tried = _members_asked(context)
    up = {name for place in tried if _serves(place) and place.serves for name in place.client_of}
    down = {name: place for place in reversed(tried) for name in place.client_of if name not in up}
    if not up:
        yield NotObserved("no member's client interface serves")
        return
    for name, place in sorted(down.items()):
        yield _does_not_serve(name, place, sorted(up))


def _does_not_serve(name: str, place: EndpointStatus, up: Sequence[str]) -> Hit:
    stopped = place.failure_cause or (f"status {place.status}" if place.status else "no answer")
    verb = "do" if len(up) > 1 else "does"
    return Hit(
        subject=Subject("member", name, place.address, place.port),
        summary=f"{name} does not serve clients on Interface 2 ({place.address}: {stopped}), while {', '.join(up)} "
        f"{verb}.",
        evidence=place.evidence[:4],
        args={"member": name, "address": place.address, "stopped": stopped},
    )


@card(
    code="CLU003",
    name="too-many-members",
    title="Too many servers in the cluster",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The cluster has more members than the vendor supports.",
    why="Replication goes from server to server in a ring; the vendor supports at most six.",
    remedy="Take servers out of the cluster until six are left.",
    seen_by="Counted in the profile; a member that the profile does not name is not counted.",
    references=(refs.KB_153476,),
)
def too_many_members(context: RuleContext) -> Answers:
    """More than six members in the profile."""
    count = len(context.target.members)
    if not count:
        yield NotObserved("no members are known")
    elif count > MAX_MEMBERS_SUPPORTED:
        yield Hit(
            subject=Subject("cluster", context.target.fqdn),
            summary=f"The profile names {count} members; the vendor supports at most {MAX_MEMBERS_SUPPORTED}.",
            args={"members": str(count)},
        )


def _versions(context: RuleContext) -> dict[str, tuple[str, str]]:
    """What members said of their version, each with the observation that says so."""
    owned = [(p.address, name) for p in context.places for name in (p.client_of or p.replication_of)[:1]]
    found: dict[str, tuple[str, str]] = {}
    for probe in context.of(ServiceProbe):
        for name in (name for address, name in owned if address == probe.address):
            if probe.version is not None:
                found.setdefault(name, (probe.version, probe.id))
    return found


def _two_versions(context: RuleContext) -> bool:
    return len(_versions(context)) > 1


@card(
    code="CLU004",
    name="versions-differ",
    title="Software versions differ",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="Members report different software versions.",
    why="All members must run one version; between versions replication may fail in ways that users see first.",
    remedy="Finish the upgrade: bring every member to the same version, in the order that the vendor gives.",
    seen_by="The directory entry cn=PGPServerInfo of each member, asked anonymously, only with --services.",
    references=(refs.KB_153476,),
    needs=(need(_two_versions, "fewer than two members told their version (asked with --services)"),),
)
def versions_differ(context: RuleContext) -> Answers:
    """pgpVersion differs between members."""
    found = _versions(context)
    if len({version for version, _ in found.values()}) > 1:
        told = ", ".join(f"{name} {version}" for name, (version, _) in sorted(found.items()))
        yield Hit(
            subject=Subject("cluster", context.target.fqdn),
            summary=f"The members run different versions: {told}.",
            evidence=tuple(each for _, each in found.values()),
            args={"versions": told},
        )


def _tried_of_fqdn(context: RuleContext) -> list[EndpointStatus]:
    return [place for place in context.fqdn_places if place.tried]


@card(
    code="CLU005",
    name="service-down",
    title="Nothing serves clients",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    owner=Owner.SERVER,
    summary="The FQDN has addresses, and nothing at them serves clients.",
    why="No client in this network reaches the service.",
    remedy="Fix what stops the first address; the finding for that address has the steps.",
    seen_by="Every address of the FQDN was tried up to a page over TLS. Seen from this desktop only.",
    references=(refs.KB_156803,),
    in_front=InFront.POOL,
    decides="whether anything serves there",
    needs=(FQDN_PLACES, need(_tried_of_fqdn, "no address was tried to the end")),
)
def service_down(context: RuleContext) -> Answers:
    """Nothing serves behind the FQDN."""
    tried = _tried_of_fqdn(context)
    if any(place.serves for place in tried):
        return
    first = tried[0]
    where = ", ".join(place.address for place in tried[:4])
    up = [place for place in context.places if place.stands_by and place.serves]
    names = ", ".join(sorted({name for place in up for name in place.client_of}))
    although = f", although {names} would serve when asked directly" if names else ""
    yield Hit(
        subject=Subject("fqdn", context.target.fqdn, first.address, first.port),
        summary=f"Nothing serves clients at {context.fqdn} ({where}){although}.",
        evidence=tuple(each for place in tried for each in place.evidence[:3])[:12],
        args={"addresses": where, "serving": names},
    )


def is_product(exchanges: Sequence[Exchange]) -> bool:
    for seen in exchanges:
        if seen.title and PRODUCT.search(seen.title):
            return True
        location = next((v for k, v in seen.headers if k.lower() == "location"), "")
        path = re.sub(r"^https?://[^/]*", "", location)
        if PRODUCT_PATHS.match(path) or "pgpuniversal" in location.lower():
            return True
    return False


@card(
    code="CLU006",
    name="not-this-product",
    title="Not an Encryption Management Server",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    owner=Owner.SERVER,
    summary="What answers is not recognized as the product, or is an error page.",
    why="The name may lead to another machine, to a load balancer's error page, or to a captive portal.",
    remedy="1. Open the address in a browser: is it an error page, or another system?\n"
    "2. An error page: look at the server behind it.\n"
    "3. Another system: correct the DNS record, or the load balancer's pool.",
    seen_by="Titles and paths that public sources know of the product, matched loosely; a redirect is followed once "
    "and on the same host only. Pages that were rebranded are not recognized: hence likely, not certain. Status "
    "alone is no measure: the product sends its own “not found” page with status 200.",
    references=(refs.NMAP,),
    role=Role.OTHER_SITE,
    in_front=InFront.POOL_UNLESS_SAID,
)
def not_this_product(context: RuleContext) -> Answers:
    """No title or path of the product, or an error page, at what serves clients."""
    shown: dict[EndpointStatus, tuple[Exchange, ...]] = {}
    for place in context.client_places:
        seen = tuple(e for e in exchanges(context, place) if e.failure is None and e.status is not None)
        if seen:
            shown[place] = seen
    strange = {place: seen for place, seen in shown.items() if not _serves_product(seen)}
    everywhere = len({_what_it_shows(seen[-1]) for seen in strange.values()}) == 1 and strange == shown
    if everywhere and any(place.client_of for place in strange) and len(strange) > 1:
        yield _at_every_address(context, strange)
        return
    yield from (_strange(context, place, seen) for place, seen in strange.items())
    if not shown:
        yield NotObserved("no page was received")


def _serves_product(seen: tuple[Exchange, ...]) -> bool:
    return is_product(seen) and not all((e.status or 0) >= 500 for e in seen)


def _strange(context: RuleContext, place: EndpointStatus, seen: tuple[Exchange, ...]) -> Hit:
    last = seen[-1]
    name = sentence_start(context.name_of(place))
    told = _STATUSES.get(last.status or 0)
    direct = not place.client_of and any(p.client_of and p.serves for p in context.places)
    though = (
        ", although the servers answer this desktop when they are asked directly" if direct and told else ""
    )
    return Hit(
        subject=context.subject_of(place),
        summary=f"{name} {told[0] if told else _what_it_shows(last)}{though}.",
        owner=Owner.BALANCER if told and not place.client_of else None,
        remedy=told[1] if told else _ERROR_PAGE if _is_error(last) else None,
        evidence=tuple(e.id for e in seen),
        args={"title": last.title or "", "status": str(last.status)},
    )


_GATEWAY = (
    "1. Look in the load balancer's log for why it cannot use the servers' answers: connection or TLS to them "
    "refused, a timeout, a server name (SNI) or certificate that it does not accept, headers larger than its "
    "buffer.\n"
    "2. Look at its pool: which servers does its health check take for up?"
)
# Answers that say themselves what is wrong (RFC 9110 section 15): in words, and what to do.
_STATUSES: dict[int, tuple[str, str]] = {
    401: (
        "asks for a login of its own before anything else (status 401)",
        "1. Look for what asks: an access gateway, or a password on the load balancer or web server.\n"
        "2. Exempt the paths of the desktop clients (/pgpuniversaldesktop) from it.",
    ),
    403: (
        "forbids this desktop's requests (status 403)",
        "1. Look in the load balancer's or firewall's access lists, geo-blocking and web application firewall for "
        "this "
        "desktop's address, and let it in.\n"
        "2. If only some pages are forbidden, see that /pgpuniversaldesktop and / are not.",
    ),
    421: (
        "says that it is the wrong server for this name (status 421, Misdirected Request)",
        "1. Let the load balancer send the name that clients use to the servers, as server name (SNI) and as Host "
        "(HAProxy: `sni str(NAME)`; nginx: `proxy_ssl_server_name on`, `proxy_ssl_name`).\n"
        "2. Add the name to the servers' own web configuration if it is missing there.",
    ),
    502: ("answers that no server behind it gives a usable answer (status 502, Bad Gateway)", _GATEWAY),
    503: ("answers that no server behind it is available (status 503)", _GATEWAY),
    504: ("answers that the servers behind it take too long (status 504, Gateway Timeout)", _GATEWAY),
}
_ERROR_PAGE = (
    "1. Look in the log of the server that sends it for this error, and restart its services.\n"
    "2. Give the load balancer's health check a page to ask for, so that no client is sent there meanwhile."
)


def _at_every_address(context: RuleContext, strange: dict[EndpointStatus, tuple[Exchange, ...]]) -> Hit:
    """The servers themselves show it, so that the load balancer is not to blame."""
    place = next((p for p in strange if p.fqdn), next(iter(strange)))
    one = _strange(context, place, strange[place])
    return replace(
        one,
        owner=Owner.SERVER,
        summary=f"{one.summary.rstrip('.')}; so do the servers themselves ({len(strange)} addresses).",
        remedy="1. Look on the servers why this answers in place of the product: are its services running, is "
        "another web server installed?\n"
        "2. If these are other machines, correct the addresses in the profile, and where the name leads.",
        evidence=tuple(e.id for seen in strange.values() for e in seen)[:12],
        args={**one.args, "addresses": str(len(strange))},
    )


def _is_error(seen: Exchange) -> bool:
    return (seen.status or 0) >= 500 or bool(ERROR_TITLE.search(seen.title or ""))


def _what_it_shows(seen: Exchange) -> str:
    title = (seen.title or "").strip()[:80]
    if _is_error(seen):
        named = f", “{title}”" if title else ""
        return f"shows an error page (status {seen.status}{named}) in place of the product's"
    shown = f"title “{title}”" if title else "a page without a title"
    return f"is not an Encryption Management Server: status {seen.status}, {shown}"


@card(
    code="CLU007",
    name="no-answer",
    title="No answer over HTTP",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=BY_SUBJECT,
    owner=Owner.SERVER,
    summary="TLS works; HTTP requests get no usable answer.",
    why="The web service has stopped while TLS still works: clients connect and then hang.",
    remedy="1. Restart the server's services.\n2. Give the load balancer's health check a page to ask for.",
    seen_by="A request was sent after a good handshake, and no complete answer came within the timeout.",
    references=(refs.KB_156803,),
    stops=Stops.PAGE,
    in_front=InFront.POOL,
    with_servers=True,
)
def no_answer(context: RuleContext) -> Answers:
    """A handshake that works and HTTP that does not."""
    asked = False
    for place in context.client_places:
        seen = exchanges(context, place)
        asked = asked or bool(seen)
        if place.reach is not Reach.NO_HTTP or not seen or seen[0].failure is None:
            continue
        how = {
            "stalled": "does not answer HTTP requests",
            "timed-out": "does not answer HTTP requests",
            "closed": "closes the connection without an answer to HTTP",
            "reset": "resets the connection at the HTTP request",
            "malformed": "answers with something that is not HTTP",
        }.get(seen[0].failure.cause.value, "gives no usable answer to HTTP")
        yield Hit(
            subject=context.subject_of(place),
            summary=f"{sentence_start(context.name_of(place))} completes TLS, but {how}.",
            severity=by_subject(place),
            evidence=(seen[0].id,),
            args={"how": how, "address": place.address},
        )
    if not asked:
        yield NotObserved("no request was sent")


@card(
    code="CLU009",
    name="slow-page",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The server takes over three seconds to answer a request.",
    why="Connecting is quick, and then nothing happens: users see a client or a browser that hangs.",
    remedy="1. Look at the server's load, its database and the disk, and at what it waits for (a directory, DNS).\n"
    "2. If it is slow through the load balancer alone, look at the load balancer's own load and connections.",
    seen_by="The quickest of the pages that were asked for at the address, of two at least, took longer than "
    "`page_slow_s`; connecting and the handshake are not counted.",
    references=(refs.KB_156803,),
    title="Slow pages",
    impact=ImpactKind.SLOW,
    in_front=InFront.CARD,
)
def slow_page(context: RuleContext) -> Answers:
    """Even the quickest page over the limit."""
    limit_s = context.target.thresholds.page_slow_s
    quickest = {
        place: took for place in context.client_places if (took := _quickest_s(context, place)) is not None
    }
    if not quickest:
        yield NotObserved("fewer than two pages were received at every address")
    quick_members = any(place.client_of and took <= limit_s for place, took in quickest.items())
    for place, took in quickest.items():
        if took > limit_s:
            yield Hit(
                subject=context.subject_of(place),
                owner=Owner.BALANCER if place.balancer and quick_members else None,
                summary=f"{sentence_start(context.name_of(place))} is slow: connecting is quick, and a "
                f"page takes {took:.1f} s.",
                evidence=tuple(e.id for e in exchanges(context, place)),
                args={"quickest_s": f"{took:.3f}", "limit_s": f"{limit_s:g}"},
            )


def _quickest_s(context: RuleContext, place: EndpointStatus) -> float | None:
    """Of two pages at least, so that one that was looked up for the first time is not blamed."""
    pages = [e.elapsed_s for e in exchanges(context, place) if e.failure is None and e.elapsed_s is not None]
    return min(pages) if len(pages) > 1 else None
