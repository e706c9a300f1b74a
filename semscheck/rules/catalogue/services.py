"""Rules on other services of the servers; asked with --services, or as the profile lists them."""

from __future__ import annotations

from semscheck.model.findings import ImpactKind, Owner, Subject
from semscheck.model.observations import ServiceProbe
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.context import RuleContext
from semscheck.rules.rule import Answers, Hit, NotObserved, card

MANAGEMENT = frozenset({444, 9000})
NOT_ASKED = "asked only with --services, or where the profile lists services"


def _asked(context: RuleContext) -> dict[int, list[ServiceProbe]]:
    """Probes by port, the management ports left out (NET007 is about these)."""
    required = context.target.services.require
    listed = (*context.target.services.check, *required)
    found: dict[int, list[ServiceProbe]] = {}
    for probe in context.of(ServiceProbe):
        if probe.port not in MANAGEMENT or probe.port in listed:
            found.setdefault(probe.port, []).append(probe)
    return found


def _owner(context: RuleContext, probe: ServiceProbe) -> str:
    """The member (or the address) that a probe was about."""
    for member in context.target.members:
        if any(end.address == probe.address for end in (*member.client, *member.replication)):
            return member.name
    return probe.address


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > 6 else shown


@card(
    code="SVC001",
    name="service-closed",
    title="A service port is closed",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.INFO,
    severity_note="critical where the profile's [services] require lists the port",
    owner=Owner.SERVER,
    summary="A service's port does not answer: it is not enabled, or filtered.",
    why="Most services of the server are off until somebody switches them on, so this is normal unless you use the "
    "service. List the ones that you need under `require` in the profile.",
    remedy="If the service is needed, turn it on under Services on that server, and let this desktop's network "
    "through to its port.",
    seen_by="A connection to the port was refused, or nothing came back. Which of the two is said.",
    references=(refs.KB_180146,),
)
def service_closed(context: RuleContext) -> Answers:
    """Closed or filtered ports: one finding for each that matters, one for all the others together."""
    asked = _asked(context)
    if not asked:
        yield NotObserved(NOT_ASKED)
        return
    off: list[ServiceProbe] = []
    for port, probes in sorted(asked.items()):
        shut = [probe for probe in probes if probe.state != "open"]
        if not shut:
            continue
        if len(shut) == len(probes) and port not in context.target.services.require:
            off.extend(shut)  # closed everywhere and not required: said once for all such services
        else:
            yield _closed(context, port, shut)
    if off:
        yield _closed_everywhere(off)


def _closed(context: RuleContext, port: int, shut: list[ServiceProbe]) -> Hit:
    names = list(dict.fromkeys(_owner(context, probe) for probe in shut))
    first = shut[0]
    return Hit(
        subject=Subject("service", names[0], first.address, port),
        severity=Severity.CRITICAL if port in context.target.services.require else None,
        summary=f"{first.service} (port {port}) is closed or filtered on {_listed(names)}: {_how(shut)}.",
        evidence=tuple(probe.id for probe in shut),
        args={"service": first.service, "port": str(port), "where": ", ".join(names), "how": _how(shut)},
    )


def _closed_everywhere(off: list[ServiceProbe]) -> Hit:
    services = list(dict.fromkeys(f"{probe.service} {probe.port}" for probe in off))
    return Hit(
        subject=Subject("service", "services that nothing requires"),
        summary=f"Not enabled or filtered wherever they were asked: {', '.join(services)} ({_how(off)}).",
        evidence=tuple(probe.id for probe in off)[:40],
        args={"services": ", ".join(services), "how": _how(off)},
    )


def _how(shut: list[ServiceProbe]) -> str:
    states = {probe.state for probe in shut}
    if states == {"closed"}:
        return "refused"
    return "no answer" if states == {"filtered"} else "refused or no answer"


@card(
    code="SVC002",
    name="service-differs",
    title="Servers offer different services",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="A service is open on some members only.",
    why="After a failover users of that service lose it, though everything else goes on.",
    remedy="Switch the service on, on every member, or let the network through to each of them alike.",
    seen_by="The same port was asked on the client interface of at least two members.",
    references=(refs.KB_180146,),
)
def service_differs(context: RuleContext) -> Answers:
    """One port, open here and not there."""
    client = {end.address: member.name for member in context.target.members for end in member.client}
    compared = False
    for port, probes in sorted(_asked(context).items()):
        own = [probe for probe in probes if probe.address in client]
        names = dict.fromkeys(client[probe.address] for probe in own)
        opened = {client[probe.address] for probe in own if probe.state == "open"}
        up, down = [name for name in names if name in opened], [name for name in names if name not in opened]
        compared = compared or len(names) > 1
        if up and down:
            yield Hit(
                subject=Subject("service", down[0], None, port),
                summary=f"{probes[0].service} (port {port}) is open on {_listed(up)}, but not on {_listed(down)}.",
                evidence=tuple(probe.id for probe in own),
                args={"port": str(port), "open": ", ".join(up), "closed": ", ".join(down)},
            )
    if not compared:
        yield NotObserved(NOT_ASKED if not _asked(context) else "fewer than two members were asked")
