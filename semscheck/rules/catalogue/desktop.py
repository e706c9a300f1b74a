"""What is wrong on this desktop: bound to one member, enrolled elsewhere, pinned, proxied, or out of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from semscheck.model.failure import Cause
from semscheck.model.findings import Confidence, Facts, ImpactKind, Owner, Role, Subject
from semscheck.model.observations import (
    Certificate,
    Enrolment,
    Exchange,
    HostsEntry,
    HostsFile,
    ProxySettings,
)
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.dns_facts import A_NAME, ids, resolver_answers, serve_nobody
from semscheck.rules.context import RuleContext, listed
from semscheck.rules.remedies import steps
from semscheck.rules.rule import Answers, Hit, NotObserved, card, need

SKEW_LIMIT_S = 300.0  # what Kerberos, and so every Windows domain, allows (RFC 4120 section 8.2)


_NEW_NAME = (
    "Give the cluster a name of its own (not the server's), that leads to the load balancer.",
    'Set it under Consumers > Groups > Download Client, field "Symantec Encryption Server".',
    "Give clients the new installer, or enroll them again. Leave the server's own name in DNS as it is.",
)
_OWN_NAME = steps(
    "If clients are enrolled with another name, check that one: this name is one server's.", *_NEW_NAME
)


@card(
    code="CLT001",
    name="bound-to-member",
    title="Set up with one server's own name",
    impact=ImpactKind.NO_REDUNDANCY,
    severity=Severity.WARNING,
    owner=Owner.DESKTOP,
    summary="The name that clients use is one member's own name, so that they have no failover.",
    why="A client keeps to the server it was enrolled with. If that is one member's own name, nothing takes over "
    "when this member is down, although the cluster works: no policy, no logs, possibly no mail. It happens where "
    "the client was downloaded from a member without setting another name.",
    remedy=steps(*_NEW_NAME),
    seen_by="The FQDN is the name of a member of the profile, or an alias (CNAME) that ends at one. Without members "
    "in the profile it cannot be determined.",
    references=(refs.KB_156803, refs.KB_STAMP),
    role=Role.OWN_NAME,
    needs=(A_NAME, need(lambda context: context.target.members, "no member's name is known")),
)
def bound_to_member(context: RuleContext) -> Answers:
    names = {member.name.lower().rstrip("."): member.name for member in context.target.members}
    alias = next((name for name in context.analysis.dns.cname if name in names), None)
    member = names.get(context.target.fqdn) or names.get(alias or "")
    if member is None:
        return
    how = f"is an alias of {member}," if alias else "is"
    yield Hit(
        subject=context.fqdn_subject,
        summary=f"{context.fqdn} {how} one server's own name: this client has no failover.",
        evidence=ids(
            answer
            for answer in resolver_answers(context)
            if (any(hop.target == alias for hop in answer.cname) if alias else answer.records)
        ),
        remedy=None if alias else _OWN_NAME,
        args={"member": member, "by": "alias" if alias else "name"},
    )


@card(
    code="CLT002",
    name="enrolled-elsewhere",
    title="Enrolled with another server",
    severity=Severity.WARNING,
    owner=Owner.DESKTOP,
    summary="This desktop is enrolled with another server than the one that was checked.",
    why="Encryption Desktop goes to the server in its enrollment, whatever else is right. What was checked here is "
    "then not what this user's client uses.",
    remedy="1. Check the enrolled name instead: `semscheck check` without a name.\n"
    "2. If the enrolled name is wrong, enroll the client again with an installer that has the right name.",
    seen_by="Windows: the value PGPSTAMP of both registry views, and PGPprefs.xml. macOS: the preference files of "
    "PGP Desktop. Their inner format is not documented, so that names are looked for tolerantly; a desktop without "
    "the product has none.",
    references=(refs.KB_STAMP, refs.KB_PREFERENCES),
)
def enrolled_elsewhere(context: RuleContext) -> Answers:
    found = [one for one in context.of(Enrolment) if one.servers]
    if not found:
        unread = [one for one in context.of(Enrolment) if _is_unread(one)]
        why = f"the enrollment could not be read ({unread[0].source})" if unread else ""
        yield NotObserved(why or "no enrollment was found on this desktop")
        return
    servers = list(dict.fromkeys(name for one in found for name in one.servers))
    checked = {context.target.fqdn, context.target.fqdn_shown.lower()}
    if found[0].servers[0] in checked or not checked.isdisjoint(servers):
        return
    yield Hit(
        subject=context.desktop(),
        summary=f"This desktop is enrolled with {listed(servers)}, not with {context.fqdn}.",
        evidence=tuple(one.id for one in found),
        args={"enrolled": listed(servers), "source": found[0].source},
    )


def _is_unread(one: Enrolment) -> bool:
    return one.failure is not None and one.failure.cause is not Cause.NOT_FOUND


@card(
    code="CLT003",
    name="hosts-override",
    title="Hosts file overrides DNS",
    severity=Severity.WARNING,
    severity_note="critical where nothing serves at that address",
    owner=Owner.DESKTOP,
    summary="The hosts file of this desktop fixes the FQDN's address, so that DNS is not asked.",
    why="This desktop goes to the address in its hosts file, also after DNS was changed: it misses every failover "
    "and every move, and what is wrong here is right on the next desktop.",
    remedy="Remove the line from the hosts file, with administrator's rights, and flush the DNS cache.",
    seen_by="The hosts file has a line with the FQDN. Reported also where the address is the one that DNS gives, "
    "since it will not follow a change.",
    references=(refs.HOSTS,),
    needs=(A_NAME, need(lambda context: context.of(HostsFile), "the hosts file was not looked at")),
)
def hosts_override(context: RuleContext) -> Answers:
    names = {context.target.fqdn, context.target.fqdn_shown.lower()}
    for file in context.of(HostsFile):
        lines = [one for one in file.entries if names.intersection(n.lower().rstrip(".") for n in one.names)]
        if lines:
            yield _override(context, file, lines)
        elif file.failure is not None and file.failure.cause is not Cause.NOT_FOUND:
            yield NotObserved(f"the hosts file could not be read ({file.failure.detail})")


def _override(context: RuleContext, file: HostsFile, lines: list[HostsEntry]) -> Hit:
    addresses = listed(one.address for one in lines)
    numbers = listed(str(one.line) for one in lines)
    dead = serve_nobody(context, (one.address for one in lines))
    where = ", where nothing serves" if dead else ""
    return Hit(
        subject=context.desktop(lines[0].address),
        severity=Severity.CRITICAL if dead else None,
        impact=ImpactKind.NOBODY_CONNECTS if dead else None,
        summary=f"The hosts file of this desktop fixes {context.fqdn} to {addresses} ({file.path}, "
        f"line {numbers}){where}; DNS is not asked.",
        evidence=(file.id,),
        args={"addresses": addresses, "path": file.path, "lines": numbers, "fails": ", ".join(dead)},
        facts=Facts(fails=tuple(dead)),
    )


# --- the clock ---------------------------------------------------------------------------------------------


@card(
    code="CLT004",
    name="clock-skew",
    title="Clocks differ",
    severity=Severity.WARNING,
    owner=Owner.DESKTOP,
    summary="This desktop's clock and the servers' differ by more than five minutes.",
    why="A certificate is judged by the clock of the one who looks: with a wrong one a valid certificate looks "
    "expired or not yet valid. Logs of client and server cannot be laid side by side, and directory logins may fail.",
    remedy="Set this desktop's clock from the network (Windows: `w32tm /resync`; Linux: chrony or "
    "systemd-timesyncd).",
    seen_by="The `Date` of the servers' HTTP answers is compared with this desktop's clock, the median for each "
    "address. It comes from the load balancer where that ends TLS. With one server alone it stays open whose clock "
    "is wrong; some answers of this product carry no `Date`.",
    severity_note="critical where the difference changes whether a certificate is valid",
    references=(refs.RFC_DATE, refs.RFC_5280_VALIDITY),
)
def clock_skew(context: RuleContext) -> Answers:
    skews, evidence = clock_skews(context)
    if not skews:
        yield NotObserved("no server said what time it is")
        return
    wrong = {place: skew for place, skew in skews.items() if abs(skew) > SKEW_LIMIT_S}
    if not wrong:
        return
    if len(wrong) < len(skews):
        for place, skew in wrong.items():
            yield _wrong_server(place, skew, evidence[place])
        return
    skew = _middle(list(wrong.values()))
    changed = _changed_validity(context, skew)
    also = f"; the certificate of {changed} is valid by one clock and not by the other" if changed else ""
    yield Hit(
        subject=context.desktop(),
        summary=f"This desktop's clock is {_in_words(-skew)} the servers' clocks{also}.",
        severity=Severity.CRITICAL if changed else None,
        confidence=None if len(skews) > 1 else Confidence.LIKELY,
        evidence=tuple(one for place in wrong for one in evidence[place][:4]),
        args={"skew_s": str(round(-skew)), "servers": str(len(skews)), "certificate": changed or ""},
    )


def _wrong_server(place: tuple[str, int], skew: float, evidence: list[str]) -> Hit:
    address, port = place
    return Hit(
        subject=Subject("address", address, address, port),
        summary=f"The clock of the server at {address} is {_in_words(skew)} the others and this desktop's.",
        owner=Owner.SERVER,
        remedy="Set the server's clock from the network (NTP).",
        evidence=tuple(evidence[:4]),
        args={"skew_s": str(round(skew)), "address": address},
    )


def _in_words(skew_s: float) -> str:
    size = abs(skew_s)
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if size >= 2 * length:
            return f"{size / length:.0f} {unit} {'ahead of' if skew_s > 0 else 'behind'}"
    return f"{size:.0f} seconds {'ahead of' if skew_s > 0 else 'behind'}"


def clock_skews(
    context: RuleContext,
) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], list[str]]]:
    """Server's time minus ours per place, in seconds, the median; and the exchanges it rests on."""
    differences: dict[tuple[str, int], list[float]] = {}
    evidence: dict[tuple[str, int], list[str]] = {}
    for one in context.of(Exchange):
        theirs = _date_of(one)
        if theirs is None:
            continue
        ours = context.now + timedelta(seconds=one.at_s + (one.elapsed_s or 0))
        place = (one.address, one.port)
        differences.setdefault(place, []).append((theirs - ours).total_seconds())
        evidence.setdefault(place, []).append(one.id)
    return {place: _middle(values) for place, values in differences.items()}, evidence


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _date_of(one: Exchange) -> datetime | None:
    """The answer's Date, None if there is none that can be read, or a cache's (it has an Age)."""
    from email.utils import parsedate_to_datetime  # `explain` needs no parser of dates

    headers = {name.lower(): value for name, value in reversed(one.headers)}
    if "age" in headers or "date" not in headers:
        return None
    try:
        theirs = parsedate_to_datetime(headers["date"][:64])
        return theirs.replace(tzinfo=UTC) if theirs.tzinfo is None else theirs.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _changed_validity(context: RuleContext, skew_s: float) -> str | None:
    """The first presented certificate that one clock finds valid and the other does not."""
    leaves = [context.certificate(place.certificate) for place in context.places]
    for leaf in leaves:
        if leaf is None:
            continue
        try:
            theirs = context.now + timedelta(seconds=skew_s)
        except OverflowError:
            return None
        if _valid_at(leaf, context.now) != _valid_at(leaf, theirs):
            return leaf.common_names[0] if leaf.common_names else leaf.subject or leaf.fingerprint[:16]
    return None


def _valid_at(certificate: Certificate, moment: datetime) -> bool:
    begins, ends = certificate.not_before, certificate.not_after
    return (begins is None or begins <= moment) and (ends is None or moment <= ends)


# --- the proxy ---------------------------------------------------------------------------------------------


@card(
    code="CLT005",
    name="proxy-configured",
    title="A proxy is set",
    severity=Severity.INFO,
    owner=Owner.DESKTOP,
    summary="The proxy settings of this desktop cover the FQDN; the direct path was tested.",
    why="Browsers, and so the web pages of the server, go through the proxy, which may treat them otherwise than "
    "what was tested here. It may also inspect TLS, limit the time of a connection, or come from one address for "
    "many users.",
    remedy="Usually nothing. If clients have trouble that this check does not see, add the FQDN to the proxy's "
    "exceptions on the desktop, or look at the proxy.",
    seen_by="The environment (https_proxy, all_proxy, no_proxy), Windows' Internet Settings of the user, macOS' "
    "network preferences. A PAC file is named and not evaluated, automatic detection (WPAD) and the settings of "
    "single programs are not seen.",
    references=(refs.RFC_9110_CONNECT,),
    needs=(need(lambda context: context.of(ProxySettings), "proxy settings were not looked at"),),
)
def proxy_configured(context: RuleContext) -> Answers:
    settings = context.of(ProxySettings)
    name = context.fqdn
    for one in settings:
        if one.failure is not None:
            yield NotObserved(f"proxy settings ({one.source}) could not be read")
        elif one.pac_url is not None:
            yield Hit(
                subject=context.desktop(),
                summary=f"A PAC file ({one.pac_url}) decides whether {name} goes through a proxy; it was not "
                "evaluated, and the direct path was tested.",
                confidence=Confidence.LIKELY,
                evidence=(one.id,),
                args={"source": one.source, "pac_url": one.pac_url},
            )
        elif one.covers:
            yield Hit(
                subject=context.desktop(),
                summary=f"The proxy {one.url} ({one.source}) covers {name}; the direct path was tested.",
                evidence=(one.id,),
                args={"source": one.source, "proxy": one.url or ""},
            )
