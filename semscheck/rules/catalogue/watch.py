"""Rules on a watched failover. They are all that judges a watch, and judge nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from semscheck.model.analysis import Outage, OutageKind, WatchAnalysis
from semscheck.model.findings import ImpactKind, Owner
from semscheck.model.report import Impact
from semscheck.model.target import Failover, Severity, Target
from semscheck.rules.context import RuleContext
from semscheck.rules.rule import Answer, Hit, NotObserved, card

Answers = Iterator[Answer]
NO_WATCH = "it takes a watch (`semscheck drill`)"


@card(
    code="WAT001",
    name="long-outage",
    title="Clients failed for too long",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    owner=Owner.BALANCER,
    summary="While the failover was watched, connections failed for longer than the profile allows.",
    why="Users wait or see errors for so long whenever a server fails or is taken down for maintenance.",
    remedy="1. Let the load balancer check the servers more often (every few seconds, down after two or three "
    "failures), on the clients' port and with a request that the application answers.\n"
    "2. Let it end connections to a server that is down, and send clients to another one at once.\n"
    "3. Where failover is a change of the DNS record: lower its TTL before maintenance.\n"
    "4. Watch again: `semscheck drill FQDN`.",
    seen_by="A connection every second or so, each given two seconds. From the first that failed until one was "
    "answered again it took longer than `outage_s` of the profile (default 30 s). Failures between successes count "
    "as one outage while the dead server's turn comes round again.",
)
def long_outage(context: RuleContext) -> Answers:
    """Outages that are longer than allowed."""
    watch = context.analysis.watch
    if watch is None:
        yield NotObserved(NO_WATCH)
        return
    limit_s = context.target.thresholds.outage_s
    for outage in watch.outages:
        if outage.length_s > limit_s:
            yield Hit(
                subject=context.fqdn_subject,
                owner=Owner.DNS if context.target.failover is Failover.DNS else None,
                impact=ImpactKind.NOBODY_CONNECTS if outage.failed == outage.ticks else ImpactKind.SOME_FAIL,
                summary=f"From {outage.began:%H:%M:%S} UTC {_share(outage)} failed for "
                f"{seconds(outage.length_s)}{'' if outage.ended else ' until the watch ended'} ({_cause(outage)}); "
                f"{limit_s:g} s are allowed.",
                evidence=outage.evidence,
                args={"length_s": f"{outage.length_s:g}", "allowed_s": f"{limit_s:g}"},
            )


def _share(outage: Outage) -> str:
    if outage.failed == outage.ticks:
        return "all connections"
    return f"{outage.failed} of {outage.ticks} connections"


def _cause(outage: Outage) -> str:
    return (outage.cause or "no cause known").replace("-", " ")


def seconds(length_s: float) -> str:
    """ "4.2 s", "75 s"."""
    return f"{length_s:.1f} s" if length_s < 10 else f"{length_s:.0f} s"


@card(
    code="WAT002",
    name="no-failover-seen",
    title="No failover was shown to work",
    impact=ImpactKind.NOT_TESTED,
    severity=Severity.UNKNOWN,
    owner=Owner.SEMSCHECK,
    summary="The watch ended without having seen another server take over, as the profile promises it.",
    why="A failover that nobody has seen may not work when it is needed.",
    remedy="1. Watch again (`semscheck drill FQDN`), take the server that answers down while it runs, and bring it "
    "back before it ends.\n"
    "2. Name the servers (`semscheck init FQDN --save`), so that each is known by its own name.",
    seen_by="No outage ended with other servers answering than before; or nothing tells who answers (the servers "
    "share their TLS keys, or something in front ends TLS); or the take-over came another way than the profile's "
    "`failover` says: the addresses of the name changed, or they did not.",
)
def no_failover_seen(context: RuleContext) -> Answers:
    """A watch that shows nothing, or not what is promised."""
    watch = context.analysis.watch
    if watch is None:
        yield NotObserved(NO_WATCH)
    elif (why := _missing(watch, context.target)) is not None:
        evidence = watch.outages[-1].evidence if watch.outages else ()
        yield Hit(
            subject=context.fqdn_subject,
            summary=f"{why[:1].upper()}{why[1:]}.",
            evidence=evidence,
        )


def take_overs(watch: WatchAnalysis) -> list[Outage]:
    """What was beyond doubt a failover."""
    return [outage for outage in watch.outages if outage.kind is OutageKind.TAKE_OVER and outage.certain]


def _missing(watch: WatchAnalysis, target: Target) -> str | None:
    """Why the watch does not show the promised failover; None where it does."""
    if not watch.ticks:
        return "the watch ended before a connection was made"
    if not watch.outages:
        return f"nothing happened: {watch.ticks} connections, no failure, and nobody else took over"
    if watch.outages[-1].kind is OutageKind.LASTING:
        return "connections still failed when the watch ended, so nobody was seen to take over"
    if not (seen := take_overs(watch)):
        return _untold(watch)
    if target.profile is not None and not any(outage.by == target.failover.value for outage in seen):
        ways = {"dns": "by a change of the name's addresses", "balancer": "at the same addresses"}
        came, promised = ways[seen[0].by or "balancer"], target.failover.value
        return f'another server took over {came}, and the profile says failover = "{promised}"'
    return None


def _untold(watch: WatchAnalysis) -> str:
    kinds = {outage.kind for outage in watch.outages}
    if OutageKind.TAKE_OVER in kinds or OutageKind.FAIL_BACK in kinds:
        return (
            "a server with another TLS key answers since, or the same one was restarted with a new key: which of "
            "them is not determined until the servers are named"
        )
    if OutageKind.UNKNOWN in kinds:
        return "connections failed and were answered again; by which server is not determined"
    return "connections failed, and the same servers answered again: nobody took over"


# --- the first lines ---------------------------------------------------------------------------------------


def watched(watch: WatchAnalysis) -> Impact:
    """What clients met while it was watched."""
    failing = [outage for outage in watch.outages if outage.failed]
    if not failing:
        kind = ImpactKind.NOTHING_NOTICED if watch.outages else ImpactKind.NOT_TESTED
        words = "No connection failed." if watch.ticks else "Nothing was watched."
        return Impact(kind=kind, sentence=words)
    longest = max(failing, key=lambda outage: outage.length_s)
    whole = longest.failed == longest.ticks
    words = "No client could connect" if whole else "Some connections failed"
    return Impact(
        kind=ImpactKind.NOBODY_CONNECTS if whole else ImpactKind.SOME_FAIL,
        sentence=f"{words} for {seconds(longest.length_s)}.",
        failed=len(watch.failed),
        connections=watch.ticks,
    )


def as_promised(watch: WatchAnalysis) -> str:
    """Of a watch in which nothing is wrong: who took over from whom."""
    return "; ".join(f"{took_over(outage)}" for outage in take_overs(watch))


def took_over(outage: Outage) -> str:
    """ "sems2 took over from sems1 within 4.2 s (12:31:10 UTC)"."""
    lost = sorted(set(outage.before) - set(outage.after)) or list(outage.before)
    gained = sorted(set(outage.after) - set(outage.before)) or list(outage.after)
    within = f"within {seconds(outage.length_s)}" if outage.failed else "with no connection lost"
    return (
        f"{' and '.join(gained)} took over from {' and '.join(lost)} {within} ({outage.began:%H:%M:%S} UTC)"
    )
