"""Rules on the check itself: a defect of ours, a run that was cut short, a desktop without a network."""

from __future__ import annotations

import errno

from semscheck.model.failure import Cause
from semscheck.model.findings import ImpactKind, Owner, Role, Subject
from semscheck.model.observations import Connection, Crash, Cut, DnsAnswer
from semscheck.model.target import Severity
from semscheck.rules.context import RuleContext
from semscheck.rules.rule import Answers, Hit, NotObserved, card

_PACKET_CAME = (Cause.REFUSED, Cause.RESET)  # an answer all the same
# "Host unreachable" at once is what a router answered (RFC 1122 section 3.2.2.1); the same after seconds is this
# desktop's own conclusion from silence on its link, and "network unreachable" is its own routing table.
_A_ROUTER_SAYS = (errno.EHOSTUNREACH, 10065)
AT_ONCE_S = 0.9
SHOWN = 3


@card(
    code="SEM001",
    name="probe-crashed",
    title="semscheck itself failed",
    impact=ImpactKind.NOT_TESTED,
    severity=Severity.UNKNOWN,
    owner=Owner.SEMSCHECK,
    summary="A part of semscheck failed with a defect of its own.",
    why="What that part would have seen is not known, so the verdict may be incomplete.",
    remedy="Report it with the saved evidence (`--save FILE`, and `--redact` if names must stay inside). The other "
    "results stand.",
    seen_by="The guard around every probe and every rule.",
    role=Role.CRASH,
)
def probe_crashed(context: RuleContext) -> Answers:
    """Crash observations; crashed rules are added by the judge."""
    for crash in context.of(Crash):
        yield Hit(
            subject=Subject("run", crash.where),
            summary=f"A part of semscheck ({crash.where}) failed with a defect of its own: {crash.error}",
            evidence=(crash.id,),
            args={"where": crash.where, "error": crash.error},
        )


@card(
    code="SEM002",
    name="incomplete",
    title="The run was cut short",
    impact=ImpactKind.NOT_TESTED,
    severity=Severity.UNKNOWN,
    owner=Owner.SEMSCHECK,
    summary="The run was cancelled, or ran out of time, before everything was tested.",
    why="What was not tested may be broken.",
    remedy="Run the check again; give it more time with `--deadline SECONDS` if it ran out.",
    seen_by="The run's own clock and its list of unfinished parts.",
    role=Role.CUT_SHORT,
)
def incomplete(context: RuleContext) -> Answers:
    """A run that was cut."""
    for cut in context.of(Cut):
        parts = ", ".join(cut.unfinished[:SHOWN])
        more = len(cut.unfinished) - SHOWN
        listed = f"{parts} and {more} more" if more > 0 else parts or "nothing"
        how = "was cancelled" if cut.reason == "cancelled" else "ran out of time"
        yield Hit(
            subject=Subject("run", context.snapshot.run.id),
            summary=f"The run {how} before everything was tested; not finished: {listed}.",
            evidence=(cut.id,),
            args={"reason": cut.reason, "unfinished": ", ".join(cut.unfinished)},
        )


def _at_once(seen: Connection) -> bool:
    return seen.elapsed_s is not None and seen.elapsed_s < AT_ONCE_S


def _tried(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _answered(asked: DnsAnswer) -> bool:
    return bool(asked.flags) or asked.cause in (None, Cause.MALFORMED, *_PACKET_CAME)


def _packet_came(tried: Connection) -> bool:
    """From the host itself, or from a router on the way."""
    routed = tried.failure is not None and tried.failure.errno in _A_ROUTER_SAYS and _at_once(tried)
    return routed or tried.cause in (None, *_PACKET_CAME)


@card(
    code="SEM003",
    name="no-network",
    title="No network",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.UNKNOWN,
    owner=Owner.DESKTOP,
    summary="No packet came back from anything.",
    why="This desktop seems to have no network, so nothing can be said of the servers.",
    remedy="Check this desktop's cable, Wi-Fi or VPN, and run the check again.",
    seen_by="No name server, no address of the FQDN and no member sent anything back. A missing default route alone "
    "is not this.",
    role=Role.NO_NETWORK,
)
def no_network(context: RuleContext) -> Answers:
    """Not one answer from resolvers, FQDN or members."""
    asked = [a for a in context.of(DnsAnswer) if a.cause is not Cause.CANCELLED]
    tried = [c for c in context.of(Connection) if c.cause is not Cause.CANCELLED]
    if not asked and not tried:
        yield NotObserved("nothing was asked")
        return
    if any(map(_answered, asked)) or any(map(_packet_came, tried)):
        return
    yield Hit(
        subject=context.desktop(),
        summary=f"Nothing answered ({_tried(len(asked), 'DNS query', 'DNS queries')}, "
        f"{_tried(len(tried), 'connection', 'connections')} tried): this desktop seems to have no network.",
        evidence=tuple(o.id for o in (*asked[:3], *tried[:3])),
        args={"questions": str(len(asked)), "connections": str(len(tried))},
    )


@card(
    code="SEM004",
    name="not-measured",
    title="Not everything could be tested",
    impact=ImpactKind.NOT_TESTED,
    severity=Severity.UNKNOWN,
    owner=Owner.SEMSCHECK,
    summary="Something that decides the verdict was not tested.",
    why="Where nothing was found because nothing was seen, the service may be broken all the same.",
    remedy="1. Run the check again with `--verbose`, which says what was not tested and why.\n"
    "2. Name the servers (`semscheck init`), or run the check from another desktop.",
    seen_by="The name, what serves there, its certificate and the spreading of connections each have a rule that has "
    "to answer before a run can be ok. Where a critical or unknown finding stands, that says more, and this is left "
    "out.",
    role=Role.NOT_MEASURED,
)
def not_measured(context: RuleContext) -> Answers:
    """Judged when all other rules have answered (see `judge`), so that this one never says anything itself."""
    yield from ()
