"""Rules on what pages show and where they send a browser: away, to maintenance, to a firewall, to a portal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from semscheck.model.analysis import EndpointStatus, Persistence, Reach
from semscheck.model.failure import Cause
from semscheck.model.findings import Confidence, Facts, ImpactKind, Owner, Subject
from semscheck.model.observations import Certificate, DnsAnswer, Exchange, Handshake, Sample
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.cluster import exchanges, is_product
from semscheck.rules.catalogue.dns_facts import addresses_in, ids
from semscheck.rules.catalogue.presented import covers, everywhere, title
from semscheck.rules.context import RuleContext, by_subject, listed, sentence_start
from semscheck.rules.rule import Answers, Hit, NotObserved, card, need

REDIRECTS = (301, 302, 303, 307, 308)
CLIENT_PATH = "/pgpuniversaldesktop"  # where Encryption Desktop sends its requests
MAINTENANCE = re.compile(
    r"\b(maintenance|temporarily (unavailable|down|out of)|out of service|be (right )?back|sorry page|wartung)\b",
    re.IGNORECASE,
)
FIREWALL = re.compile(
    r"\b(request rejected|request blocked|(web )?page blocked|access (denied|blocked)|attention required|"
    r"web application firewall|security (policy|violation)|blocked by|not acceptable|incident id|mod_?security)\b",
    re.IGNORECASE,
)
NO_CERTIFICATE = ("certificate_required", "bad_certificate", "handshake_failure", "certificate_unknown")
PORTAL_STATUS = 511
PORTAL_PLACES = 3  # addresses, Interface 1 among them, at which nobody installs one stranger's certificate


def _any_page(context: RuleContext) -> bool:
    return any(e.status is not None for e in context.of(Exchange))


PAGES = (need(_any_page, "no page was received"),)


def _header(seen: Exchange, wanted: str) -> str:
    return next((value for name, value in seen.headers if name.lower() == wanted), "")


# --- where the first page sends a browser ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Away:
    """where: the address as it is shown; how: "http", "loop", "member" or "host"."""

    where: str
    how: str
    host: str


def _away(context: RuleContext, seen: Exchange) -> _Away | None:
    """Where a redirect leads that does not stay with the FQDN over https, None for every other answer."""
    location = _header(seen, "location")
    if seen.status not in REDIRECTS or not location:
        return None
    try:
        parts = urlsplit(location)
        host = (parts.hostname or context.target.fqdn).rstrip(".")
    except ValueError:
        return None
    shown = location[:120]
    if parts.scheme == "http":
        return _Away(shown, "http", host)
    if host in (context.target.fqdn, context.target.fqdn_shown):
        again = (parts.path or "/", parts.query) == (seen.path.partition("?")[0], seen.path.partition("?")[2])
        # With a cookie, the next request may be answered otherwise.
        return _Away(shown, "loop", host) if again and not _header(seen, "set-cookie") else None
    named = host in {member.name.lower() for member in context.target.members}
    return _Away(shown, "member" if named else "host", host)


def _again(context: RuleContext, then: list[Exchange]) -> bool:
    """Was the redirect to the same page followed, and answered with the same?"""
    onward = (_away(context, page) for page in then if page.follows)
    return any(away is not None and away.how == "loop" for away in onward)


_TO = {
    "http": "to plain HTTP, which is not encrypted",
    "loop": "to the same page again, without end",
    "member": "to one server's own name, past the load balancer",
    "host": "to another host",
}
_MEND = {
    "loop": (
        "1. Let the load balancer that ends TLS tell the servers so (`X-Forwarded-Proto: https`): a server that "
        "takes "
        "every request for plain HTTP redirects it for ever.\n"
        "2. Or turn off the redirect to HTTPS, on the servers or on the load balancer: only one of them may have it."
    ),
    "http": (
        "1. Let what ends TLS tell the server behind it (`X-Forwarded-Proto: https`), or rewrite `http://` in its "
        "redirects to `https://`.\n2. Check where the redirect comes from: the load balancer's own rules, or the "
        "server's setting of its public address."
    ),
    "member": (
        "1. Set the public name of the server (Web Email Protection, its host name for clients) to the FQDN on every "
        "member.\n2. Or rewrite the host in redirects on the load balancer."
    ),
    "host": (
        "1. If a login page (SAML, access gateway) in front of Web Email Protection is meant, nothing has to change; "
        "see that the paths of the desktop clients (/pgpuniversaldesktop) are exempt from it.\n2. If not, look for "
        "what redirects: the load balancer's rules, or a network that wants a login first."
    ),
}


@card(
    code="CLU008",
    name="redirects-away",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The first page sends a browser to plain HTTP, to itself, to a member's own name, or to another host.",
    why="Users of Web Email Protection follow it: to a port that may be closed and that encrypts nothing, past the "
    "load balancer to one server, whose certificate has another name, or to a page that is not the server's.",
    remedy="Correct the address that the redirect gives; see the finding for where to look.",
    seen_by="The Location of the answer to the first request (RFC 9110). It is not followed away from the FQDN, so "
    "that what is there is not known.",
    references=(refs.RFC_9110_LOCATION,),
    severity_note="critical where the FQDN's first page leads to plain HTTP, or to itself",
    title="Browsers are sent elsewhere",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    needs=PAGES,
)
def redirects_away(context: RuleContext) -> Answers:
    """Location leads away from https://FQDN."""
    said: set[tuple[str, str]] = set()
    for place in context.client_places:
        for page, *then in [pages] if (pages := exchanges(context, place)) else []:
            away = _away(context, page)
            if (
                away is None
                or (away.how, away.host) in said
                or (away.how == "loop" and not _again(context, then))
            ):
                continue
            said.add((away.how, away.host))
            yield Hit(
                subject=context.subject_of(place),
                summary=f"{sentence_start(context.name_of(place))} redirects browsers to {away.where}: "
                f"{_TO[away.how]}.",
                # A server that is told "http" sends there again, or serves without encryption: neither is of use.
                severity=by_subject(place) if away.how in ("http", "loop") else None,
                owner=Owner.BALANCER if away.how == "loop" and not place.client_of else None,
                confidence=Confidence.LIKELY if away.how == "host" else None,
                remedy=_MEND[away.how],
                evidence=(page.id,),
                args={"location": away.where, "how": away.how, "host": away.host},
            )


# --- pages of others ---------------------------------------------------------------------------------------------


@card(
    code="CLU010",
    name="maintenance-page",
    severity=Severity.CRITICAL,
    confidence=Confidence.LIKELY,
    owner=Owner.SERVER,
    summary="A maintenance page answers where the FQDN leads.",
    why="The load balancer shows a page of its own while no server is up, often with status 200, so that monitoring "
    "stays green. Nobody can work: clients get no policy and no keys.",
    remedy="1. Find out whether this maintenance is planned; if it is not, start the servers.\n"
    "2. If they serve when asked directly, correct the pool's health check, or end the maintenance mode on the load "
    "balancer.\n"
    "3. Let the page come with status 503 (RFC 9110 section 15.6.4), so that monitoring and programs notice.",
    seen_by="The page's title speaks of maintenance, and it is not one of the product's; or no member serves when "
    "asked directly, at least one refuses, and what answers at the load balancer is not the product.",
    references=(refs.KB_156803,),
    title="A maintenance page answers",
    impact=ImpactKind.NOBODY_CONNECTS,
    needs=PAGES,
)
def maintenance_page(context: RuleContext) -> Answers:
    """A sorry page in place of the servers."""
    for place in context.fqdn_places:
        seen = [page for page in exchanges(context, place) if page.status is not None]
        page = next((each for each in seen if MAINTENANCE.search(each.title or "")), None)
        if page is not None:
            yield _sorry(context, place, page, "a maintenance page")
        elif seen and context.all_down and not place.client_of and not is_product(seen):
            yield _sorry(context, place, seen[-1], "a page that is not a server's")


def _sorry(context: RuleContext, place: EndpointStatus, page: Exchange, what: str) -> Hit:
    members = [p for p in context.places if p.stands_by and p.tried]
    serving = [name for p in members if p.serves for name in p.client_of]
    title = (page.title or "").strip()[:80]
    shown = f"shows {what} ({f'“{title}”, ' if title else ''}status {page.status})"
    but = f"although {listed(serving)} serves" if serving else "and none of the servers answers directly"
    return Hit(
        subject=context.subject_of(place),
        owner=Owner.BALANCER if serving and place.balancer else None,
        summary=f"{sentence_start(context.name_of(place))} {shown}{f', {but}' if members else ''}: nobody can work.",
        evidence=(page.id,),
        args={"title": page.title or "", "status": str(page.status), "serving": ", ".join(serving)},
    )


@card(
    code="CLU012",
    name="firewall-page",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    owner=Owner.NETWORK,
    summary="A firewall's rejection page answers in place of the server.",
    why="A web application firewall or a filter turned this request away. It may do so for programs that it does not "
    "know, as this check is one, and let clients pass; or it stops clients, too.",
    remedy="1. Look this request up in the log of the web application firewall (the page names an ID), and allow the "
    "User-Agent that begins with “semscheck/”.\n"
    "2. See that it lets the product's own requests pass: Encryption Desktop's (/pgpuniversaldesktop) and browsers'.",
    seen_by="The page's title is one that such products show (“Request Rejected”, “Web Page Blocked”). Whether "
    "clients meet it as well is not seen: this check sends its own User-Agent.",
    references=(refs.KB_156803,),
    title="A firewall rejects this check",
    impact=ImpactKind.NOT_TESTED,
    needs=PAGES,
)
def firewall_page(context: RuleContext) -> Answers:
    """Request Rejected."""
    found = [
        (place, page)
        for place in context.client_places
        for page in exchanges(context, place)[-1:]
        if FIREWALL.search(page.title or "")
    ]
    if not found:
        return
    place, page = found[0]
    others = len(found) - 1
    more = f" and {others} more address{'es' if others > 1 else ''}" if others else ""
    yield Hit(
        subject=context.subject_of(place),
        summary=f"A firewall's page (“{(page.title or '').strip()[:80]}”) answers at "
        f"{context.name_of(place)}{more}: it rejects this check, and perhaps clients.",
        evidence=tuple(each.id for _, each in found[:8]),
        args={"title": page.title or "", "fails": ", ".join(place.address for place, _ in found)},
        facts=Facts(fails=tuple(place.address for place, _ in found)),
    )


# --- a certificate of the client's own ---------------------------------------------------------------------------


@card(
    code="CLU011",
    name="client-certificate-demanded",
    severity=Severity.CRITICAL,
    severity_note="a warning for another client interface than the FQDN's",
    owner=Owner.SERVER,
    summary="The server demands a client certificate, and answers nothing without one.",
    why="Encryption Desktop and browsers without such a certificate are turned away. In TLS 1.3 the handshake looks "
    "fine and the refusal comes after it, so that it shows as a server that does not answer.",
    remedy="Make the client certificate optional, or switch the request off, on what ends TLS there (nginx: "
    "`ssl_verify_client optional`; HAProxy: `verify optional`; F5: client certificate “request” or “ignore”).",
    seen_by="A CertificateRequest came in the handshake, and after it an alert, a close, or status 400 that says so, "
    "in place of a page (RFC 8446: the alert certificate_required).",
    references=(refs.RFC_8446_CERTIFICATE,),
    title="Client certificate demanded",
    impact=ImpactKind.NOBODY_CONNECTS,
)
def client_certificate_demanded(context: RuleContext) -> Answers:
    """The alert after a handshake with a request for a certificate, or in place of its end."""
    asked = False
    for place in context.client_places:
        seen = set(place.evidence)
        shakes = [s for s in context.of(Handshake) if s.id in seen]
        asked = asked or bool(shakes)
        asking = next((s for s in shakes if s.client_certificate_requested), None)
        if asking is None or place.reach is Reach.NO_CONNECTION:
            continue
        how = _turned_away(asking, exchanges(context, place))
        if how is None:
            continue
        yield Hit(
            subject=context.subject_of(place),
            summary=f"{sentence_start(context.name_of(place))} demands a client certificate and turns "
            f"clients without one away ({how}).",
            severity=by_subject(place),
            confidence=None if "certificate" in how else Confidence.LIKELY,
            evidence=(asking.id, *(e.id for e in exchanges(context, place)[:1])),
            args={"how": how},
        )
    if not asked:
        yield NotObserved("no handshake was tried")


def _turned_away(asking: Handshake, pages: tuple[Exchange, ...]) -> str | None:
    """How a client without a certificate is refused, in words; None where it is not."""
    if asking.failure is not None:
        alert = asking.failure.alert
        return f'the alert "{alert}"' if alert in NO_CERTIFICATE else None
    page = pages[0] if pages else None
    if page is None:
        return None
    if page.failure is not None and page.cause in (Cause.ALERT, Cause.CLOSED, Cause.RESET):
        alert = page.failure.alert
        return f'the alert "{alert}" after the handshake' if alert else "a close after the handshake"
    says = "certificate" in (page.title or "").lower()
    return (
        f"status {page.status}, “{(page.title or '').strip()[:80]}”" if page.status == 400 and says else None
    )


# --- persistence by a cookie with a path --------------------------------------------------------------------------


@card(
    code="CLU013",
    name="persistence-cookie-path",
    severity=Severity.WARNING,
    owner=Owner.BALANCER,
    summary="The load balancer's persistence cookie has a Path that leaves the desktop clients' requests out.",
    why="A cookie is sent back below its Path only (RFC 6265). Web Email Protection is kept on its server, and "
    "Encryption Desktop, which uses /pgpuniversaldesktop, is not: it loses its session at the next request.",
    remedy="Set the Path of the persistence cookie to / on the load balancer.",
    seen_by="The Path of the cookie by which the load balancer keeps clients, in its own Set-Cookie headers.",
    references=(refs.RFC_6265_PATHS,),
    title="The persistence cookie has a Path",
    impact=ImpactKind.SESSIONS_LOST,
)
def persistence_cookie_path(context: RuleContext) -> Answers:
    """Path=/b on the balancer's own cookie."""
    kept = [path for path in context.analysis.paths if path.persistence is Persistence.COOKIE]
    if not kept:
        yield NotObserved("no load balancer's cookie was seen to keep clients")
        return
    for path in kept:
        answers: tuple[Exchange | Sample, ...] = (*context.of(Exchange), *context.of(Sample))
        for one in answers:
            if one.address != path.address:
                continue
            name, limit = _narrow_cookie(one.headers, path.kept_by_cookie)
            if not name:
                continue
            yield Hit(
                subject=Subject("address", context.target.fqdn, path.address, path.port),
                summary=f"The load balancer's cookie {name} has Path={limit}: it keeps requests below {limit} on "
                f"their server, and not those of the desktop clients ({CLIENT_PATH}).",
                evidence=(one.id,),
                args={"cookie": name, "path": limit},
            )
            break


def _narrow_cookie(headers: tuple[tuple[str, str], ...], kept_by: str | None) -> tuple[str, str]:
    """Name and Path of the balancer's cookie where the Path leaves the clients' requests out; else two empty "
    "texts."""
    for field, value in headers:
        first, *attributes = [part.strip() for part in value.split(";")]
        name = first.partition("=")[0]
        if field.lower() != "set-cookie" or name != kept_by:
            continue
        paths = [a.partition("=")[2] for a in attributes if a.lower().startswith("path=")]
        if paths and paths[-1].startswith("/") and not _matches(CLIENT_PATH, paths[-1]):
            return name, paths[-1]
    return "", ""


def _matches(path: str, limit: str) -> bool:
    """RFC 6265 section 5.1.4."""
    return path == limit or path.startswith(limit if limit.endswith("/") else f"{limit}/")


# --- a network that wants a login first ----------------------------------------------------------------------------


@card(
    code="NET016",
    name="captive-portal",
    severity=Severity.CRITICAL,
    confidence=Confidence.LIKELY,
    owner=Owner.NETWORK,
    summary="Something answers in place of the servers: all names lead to it, or the network wants a login.",
    why="A guest network answers every name and every connection itself until its page was accepted; a hijacked DNS "
    "does the same for good. The certificate warnings that users see are the portal's, not the server's.",
    remedy="1. If this desktop is in a guest network, open any page in its browser, accept the terms and check "
    "again; if it is not, find out what answers in place of the servers.\n"
    "2. If no such page comes, compare the address that the name leads to with the load balancer's, and see which "
    "name server gave it.\n"
    "3. Do not accept the certificate.",
    seen_by="The FQDN and members' own names all resolve to one address that the profile does not know; or nothing "
    "serves where the FQDN leads, and its resolver leads a name that cannot exist there, too; or a page came with "
    "status 511 (network authentication required); or one certificate, for none of the names, is shown at all "
    "addresses, Interface 1 and Interface 2; or the FQDN's address shows a certificate of another domain and sends "
    "browsers there.",
    references=(refs.RFC_6585, refs.RFC_8952),
    title="A portal answers in place of the servers",
    impact=ImpactKind.NOBODY_CONNECTS,
)
def captive_portal(context: RuleContext) -> Answers:
    """All names at one strange address, or status 511."""
    signs = (_portal_status, _name_of_nobody, _one_address_for_all, _strange_certificate)
    shown = next((hit for sign in signs if (hit := sign(context)) is not None), None)
    if shown is not None:
        yield shown
    elif not _asked(context) and not context.of(Exchange):
        yield NotObserved("no name server answered")


def _asked(context: RuleContext) -> list[DnsAnswer]:
    return [a for a in context.of(DnsAnswer) if a.purpose in ("fqdn", "member") and a.role == "resolver"]


def _portal_status(context: RuleContext) -> Hit | None:
    portal = next((e for e in context.of(Exchange) if e.status == PORTAL_STATUS), None)
    if portal is None:
        return None
    return Hit(
        subject=context.fqdn_subject,
        summary=f"This network wants a login first: {portal.address} answers with status 511 (captive portal).",
        confidence=Confidence.CERTAIN,
        evidence=(portal.id,),
        args={"address": portal.address},
    )


def _name_of_nobody(context: RuleContext) -> Hit | None:
    """A name that cannot exist has the addresses of the servers."""
    nobody = next((a for a in context.of(DnsAnswer) if a.purpose == "probe" and _cannot_exist(a)), None)
    if nobody is None or set(nobody.records).isdisjoint(addresses_in(_asked(context))):
        return None
    return Hit(
        subject=context.fqdn_subject,
        summary=f"The resolver {nobody.server} leads every name to {listed(nobody.records)}, even one that cannot "
        f"exist, and {context.fqdn} too: a captive portal, or hijacked DNS.",
        confidence=Confidence.CERTAIN,
        evidence=(nobody.id, *ids(_asked(context))),
        args={"address": listed(nobody.records)},
    )


def _one_address_for_all(context: RuleContext) -> Hit | None:
    asked, own = _asked(context), _known_addresses(context)
    names, given = sorted({a.name for a in asked if a.records}), set(addresses_in(asked))
    if len(names) < 2 or len(given) != 1 or not own or given & own:
        return None
    others = [name for name in names if name != context.target.fqdn]
    return Hit(
        subject=context.fqdn_subject,
        summary=f"Every name leads to {listed(given)}, which is none of the servers: {context.fqdn} and "
        f"{listed(others)} alike: a captive portal, or hijacked DNS.",
        evidence=ids(asked),
        args={"address": listed(given), "names": ", ".join(names)},
    )


def _cannot_exist(answer: DnsAnswer) -> bool:
    """An address for a name of a domain that nobody can have (RFC 6761 section 6.4)."""
    return bool(answer.records) and answer.name.endswith(".invalid")


def _strange_certificate(context: RuleContext) -> Hit | None:
    """One certificate for none of the names, at several machines, or with a page that sends browsers there."""
    found = everywhere(context)
    one = found[0] if len(found) == 1 else None
    if one is None or any(covers(one.certificate, name) for name in _names(context)):
        return None
    addresses = dict.fromkeys(place.address for place in one.places)
    several = len(addresses) >= PORTAL_PLACES and any(p.replication_of for p in one.places)
    sent = None if several else _sent_away(context, one.certificate)
    if not several and sent is None:
        return None
    where = f"all {len(addresses)} addresses" if several else context.name_of(one.places[0])
    there = f", and sends browsers to {sent.where}" if sent is not None else ""
    return Hit(
        subject=context.fqdn_subject,
        summary=f"Another site answers at {where} with its own certificate, {title(one.certificate)}{there}: "
        "a captive portal, or a wrong address.",
        evidence=one.evidence,
        args={"address": listed(addresses), "certificate": title(one.certificate)},
    )


def _names(context: RuleContext) -> list[str]:
    return [context.target.fqdn, *(member.name for member in context.target.members)]


def _sent_away(context: RuleContext, certificate: Certificate) -> _Away | None:
    """Where the FQDN's page sends browsers, if that is a host of this certificate and of no domain of the servers."""
    home = [_domain(name) for name in _names(context)]
    for page in (page for place in context.fqdn_places for page in exchanges(context, place)):
        away = _away(context, page)
        if away is not None and covers(certificate, away.host) and _domain(away.host) not in home:
            return away
    return None


def _domain(name: str) -> str:
    return ".".join(name.lower().rstrip(".").split(".")[-2:])


def _known_addresses(context: RuleContext) -> set[str]:
    ends = [end for member in context.target.members for end in (*member.client, *member.replication)]
    return {*context.target.balancers, *(end.address for end in ends)}
