"""Rules on how the load balancer spreads new connections, and on what keeps a client on its member."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from math import comb
from typing import Any

from semscheck.model.analysis import ArmSequence, BalancingPath, Method, Persistence, Separation, Termination
from semscheck.model.findings import Confidence, ImpactKind, Owner, Role, Subject
from semscheck.model.observations import Sample
from semscheck.model.target import Severity
from semscheck.model.vendors import GENERAL
from semscheck.rules import references as refs
from semscheck.rules.catalogue.interception import signs
from semscheck.rules.catalogue.net import FLAPPING, rhythm
from semscheck.rules.context import RuleContext
from semscheck.rules.remedies import STEP_WORDS, kept, say, steps, vendor_words
from semscheck.rules.rule import Answers, Hit, Logic, NotObserved, card

SPREAD = (Method.ROTATING, Method.EVEN, Method.WEIGHTED)
KEEPS = (Persistence.COOKIE, Persistence.TLS_SESSION, Persistence.SOURCE_ADDRESS)
PRESENTED_LEAST = 4
CLIENTS_CONFIDENCE = 0.95
STEADY_MEMBERS_MISSED = 0.01  # chance of not seeing a member with an even share, below which it is reported
ADVICE = steps(
    f"{say(GENERAL.failover)[:-1]}, and {GENERAL.source}.",
    "If several servers have to serve at once, weight one of them 10 to 1, with persistence all the same.",
)

PathLogic = Callable[[RuleContext, BalancingPath], Answers]


def _take_out(states: str) -> str:
    return f"Look at {states}, take the one that fails out of the pool, and have the server administrator repair it."


# --- what the rules share ----------------------------------------------------------------------------------


def _tested(context: RuleContext) -> str | None:
    """Why nothing can be said of balancing; None where something was sampled."""
    if not context.fqdn_places:
        return "the FQDN has no address"
    if not context.fqdn_serves:
        return "nothing at the FQDN's addresses serves clients"
    if not context.analysis.paths:
        return "no repeated connections were made"
    return None


def _subject(context: RuleContext, path: BalancingPath) -> Subject:
    return Subject("address", context.target.fqdn, path.address, path.port)


def _name(context: RuleContext) -> str:
    return context.fqdn


def _where(context: RuleContext, path: BalancingPath) -> str:
    """The FQDN, with the address where it has several."""
    several = len(context.fqdn_places) > 1
    return f"{_name(context)} at {path.address}" if several else _name(context)


def _shares(path: BalancingPath, intervals: bool = False) -> str:
    def one(at: int) -> str:
        share = path.members[at]
        if not intervals:
            return f"{share.name} {share.count}"
        low, high = round(100 * share.share_low), round(100 * share.share_high)
        return f"{share.name} {round(100 * share.share)} % ({low}–{high} %)"

    order = sorted(range(len(path.members)), key=lambda at: path.members[at].name)
    return ", ".join(one(at) for at in order)


def _gaps(path: BalancingPath) -> str:
    """What a cycle has beside members that answered and were told, in words."""
    named = {share.name for share in path.members}
    gaps = Counter(name for name in path.cycle if name not in named) if named else Counter()
    told = [
        name
        if number == 1
        else name.replace("a server that fails", f"{number} that fail").replace("a server", f"{number}")
        for name, number in gaps.items()
    ]
    return f", {' and '.join(told)} among them" if told else ""


def _told_from_pairs(path: BalancingPath) -> str:
    """What a verdict without members rests on, where something else could look the same."""
    if path.identified_by == "pairs":
        return " (or one server behind several load-balancer nodes)"
    if path.identified_by == "ticket-key" and any(share.name.startswith("server ") for share in path.members):
        return ""
    return ""


def _evenly(path: BalancingPath) -> str:
    """Over how many: where servers are told by what several of them may have, or from pairs, shares are not known."""
    known = path.members and path.identified_by not in ("certificate", "page")
    return "over the servers" if known else "over several servers"


def _in_blocks(path: BalancingPath) -> str:
    """What the order of the connections says beside their shares."""
    if not path.blocks:
        return ""
    rows = ", ".join(map(str, path.blocks[:8]))
    return f", in blocks ({rows} in a row: servers that go up and down?)"


def _held(path: BalancingPath) -> str:
    """How long persistence was seen to hold."""
    if path.persistence_held_s is None:
        return ""
    return f" (watched for {path.persistence_held_s:g} s)"


def _sure(path: BalancingPath) -> Confidence:
    return Confidence.CERTAIN if path.certain else Confidence.LIKELY


def _unsettled(path: BalancingPath) -> NotObserved | None:
    if path.method is Method.UNKNOWN:
        return NotObserved(f"who answered is not known: {path.why_unknown or 'the members look the same'}")
    if path.method in SPREAD and path.persistence is Persistence.UNKNOWN:
        return NotObserved("whether there is persistence could not be determined")
    return None


def _remedy(context: RuleContext, path: BalancingPath) -> str:
    """Failover and persistence, in the vendor's words."""
    words = vendor_words(context.target, path)
    own, more = kept(words, path)[0], kept(words, path)[1:]
    both = f"{say(words.failover)[:-1]}, and {own[:1].lower()}{own[1:]}"
    return steps(both, *more) if len(both.split()) <= STEP_WORDS else steps(say(words.failover), own, *more)


def _failover(context: RuleContext, path: BalancingPath) -> str:
    """Where clients are kept already; by the TLS session alone is not enough (BAL013)."""
    if path.persistence is Persistence.TLS_SESSION:
        return _remedy(context, path)
    return steps(say(vendor_words(context.target, path).failover), "Keep the persistence.")


def _keep(context: RuleContext, path: BalancingPath, *first: str) -> str:
    """Persistence alone, in the vendor's words."""
    return steps(*first, *kept(vendor_words(context.target, path), path))


def _clients(context: RuleContext, path: BalancingPath) -> dict[str, set[str]]:
    """Members, each with this desktop's addresses that it serves, where the load balancer keeps clients by address;
    each address is a client then. Empty where it does not."""
    if path.persistence is not Persistence.SOURCE_ADDRESS:
        return {}
    source = {sample.id: sample.source_address for sample in context.of(Sample)}
    served: dict[str, set[str]] = {}
    for arm in path.arms:
        if arm.arm in ("fresh", "source"):
            for sample, member in zip(arm.evidence, arm.members, strict=True):
                address = source.get(sample)
                if member is not None and address is not None:
                    served.setdefault(member, set()).add(address)
    return served


def _not_by_weight(served: dict[str, set[str]]) -> bool:
    """Whether clients are spread more evenly than weights of 10 to 1 would do in one of twenty cases."""
    sizes = sorted((len(addresses) for addresses in served.values()), reverse=True)
    clients, elsewhere, share = sum(sizes), sum(sizes[1:]), 1 / 11
    tail = sum(
        comb(clients, k) * share**k * (1 - share) ** (clients - k) for k in range(elsewhere, clients + 1)
    )
    return tail < 1 - CLIENTS_CONFIDENCE


def _args(path: BalancingPath) -> dict[str, str]:
    return {
        "address": path.address,
        "method": path.method.value,
        "persistence": path.persistence.value,
        "samples": str(path.samples),
        "identified_by": path.identified_by or "",
    }


def _each_path(judge: PathLogic) -> Logic:
    """A rule about every path by itself, where anything was sampled."""

    @wraps(judge)
    def logic(context: RuleContext) -> Answers:
        why = _tested(context)
        if why is not None:
            yield NotObserved(why)
            return
        for path in context.analysis.paths:
            yield from judge(context, path)

    return logic


def _each_settled_path(judge: PathLogic) -> Logic:
    """The same, where who answered is known, and whether there is persistence."""

    @wraps(judge)
    def settled(context: RuleContext, path: BalancingPath) -> Answers:
        unsettled = _unsettled(path)
        if unsettled is not None:
            yield unsettled
        else:
            yield from judge(context, path)

    return _each_path(settled)


def _hit(
    context: RuleContext, path: BalancingPath, summary: str, args: dict[str, str] | None = None, **fields: Any
) -> Hit:
    """A finding about a path, with the facts that all of them carry."""
    fields = {"evidence": path.evidence, **fields}
    return Hit(subject=_subject(context, path), summary=summary, args=_args(path) | (args or {}), **fields)


def _is_unsticky(path: BalancingPath, method: Method) -> bool:
    return path.method is method and path.persistence is Persistence.NONE and not path.persistence_lost


# --- spread, and nothing keeps a client --------------------------------------------------------------------


@card(
    code="BAL001",
    name="round-robin",
    title="Round robin without persistence",
    impact=ImpactKind.SESSIONS_LOST,
    severity=Severity.CRITICAL,
    owner=Owner.BALANCER,
    summary="Fresh connections cycle through the members, and nothing keeps a client on one.",
    why="A login belongs to one member. With round robin the next connection goes to another, so users are logged "
    "out or miss messages that have not been replicated yet, and every client meets a dead member in its turn. The "
    "vendor does not support it.",
    remedy=ADVICE,
    seen_by="Each connection's member is found by a token that only its issuer recognizes. A cycle is reported where "
    "its chance under random choice is below 1 %. Other people's traffic breaks the cycle for an observer; the "
    "finding is then BAL002, which is the same misconfiguration.",
    references=(refs.KB_156803,),
    decides="how new connections are spread",
)
@_each_settled_path
def round_robin(context: RuleContext, path: BalancingPath) -> Answers:
    """A cycle through the members with no persistence."""
    if not _is_unsticky(path, Method.ROTATING):
        return
    count = len(path.cycle) or path.members_seen
    said = (
        f"{_where(context, path)} sends every new connection to the next server (round robin, {count} servers"
        f"{_gaps(path)}) and has no persistence: users get logged out{_told_from_pairs(path)}."
    )
    yield _hit(
        context,
        path,
        said,
        {"cycle": " → ".join(path.cycle), "chance": f"{path.chance or 0:.2g}"},
        remedy=_remedy(context, path),
        confidence=_sure(path),
    )


@card(
    code="BAL002",
    name="spread-unsticky",
    title="Load balancing without persistence",
    impact=ImpactKind.SESSIONS_LOST,
    severity=Severity.CRITICAL,
    owner=Owner.BALANCER,
    summary="Fresh connections are spread evenly with no cycle, and nothing keeps a client on one member.",
    why="Random or least-connections balancing, or a round robin that other clients use at the same time. For users "
    "it is the same as round robin: sessions are lost, messages are missed, a dead member is met again and again.",
    remedy=ADVICE,
    seen_by="Several members answered, and their shares do not contradict equal shares (exact test at 1 %). From one "
    "desktop a round robin that is mixed with other traffic cannot be distinguished from random choice.",
    references=(refs.KB_156803,),
)
@_each_settled_path
def spread_unsticky(context: RuleContext, path: BalancingPath) -> Answers:
    """Even shares without a cycle and without persistence."""
    if not _is_unsticky(path, Method.EVEN):
        return
    told = f" ({_shares(path)})" if path.members else ""
    said = (
        f"{_where(context, path)} spreads new connections {_evenly(path)}{told}{_in_blocks(path)} and has no "
        f"persistence: users get logged out{_told_from_pairs(path)}."
    )
    yield _hit(context, path, said, remedy=_remedy(context, path), confidence=_sure(path))


@card(
    code="BAL003",
    name="weighted-unsticky",
    title="Weighted load balancing without persistence",
    impact=ImpactKind.SESSIONS_LOST,
    severity=Severity.WARNING,
    owner=Owner.BALANCER,
    summary="Fresh connections are spread by weights, and nothing keeps a client on one member.",
    why="Most connections meet the main member, so this works most of the time; now and then a user's next "
    "connection goes to another member and the session is lost.",
    remedy=steps("Keep the weights.", say(GENERAL.source)),
    seen_by="Several members answered and equal shares are rejected at 1 % (exact test), or the cycle has unequal "
    "counts. Weights of 10 to 1 need 32 connections to show with 95 %.",
    references=(refs.KB_156803,),
)
@_each_settled_path
def weighted_unsticky(context: RuleContext, path: BalancingPath) -> Answers:
    """Unequal shares without persistence."""
    if not _is_unsticky(path, Method.WEIGHTED):
        return
    told = f" ({_shares(path, intervals=True)})" if path.members else ""
    said = (
        f"{_where(context, path)} spreads new connections by weight{told}{_in_blocks(path)} and has no "
        f"persistence: users get logged out now and then{_told_from_pairs(path)}."
    )
    yield _hit(
        context,
        path,
        said,
        {"shares": _shares(path, intervals=True)},
        remedy=_keep(context, path),
        confidence=_sure(path),
    )


# --- spread, and something keeps clients -------------------------------------------------------------------


def _by_what(path: BalancingPath) -> str:
    return path.kept_by or {
        Persistence.COOKIE: "a cookie",
        Persistence.TLS_SESSION: "the TLS session",
        Persistence.SOURCE_ADDRESS: "the client's address",
    }.get(path.persistence, "something")


@card(
    code="BAL004",
    name="round-robin-sticky",
    title="Unsupported load-balancing method",
    severity=Severity.WARNING,
    owner=Owner.BALANCER,
    summary="New clients are spread evenly; a cookie or the TLS session keeps each on its member.",
    why="Sessions hold, but the method is still one that the vendor does not support: half of the users work on "
    "members that receive changes by replication only, and every dead member strands its share of users.",
    remedy=ADVICE,
    seen_by="Fresh connections reach several members in equal shares, while connections that present what an earlier "
    "one was given all come back, which chance would do in under 1 %.",
    references=(refs.KB_156803,),
)
@_each_path
def round_robin_sticky(context: RuleContext, path: BalancingPath) -> Answers:
    """Even spreading with working persistence."""
    unsettled = _unsettled(path)
    served = _clients(context, path)
    if unsettled is not None:
        yield unsettled
    elif path.method is Method.SINGLE and served and _not_by_weight(served):
        clients = sum(len(addresses) for addresses in served.values())
        said = (
            f"{_where(context, path)} keeps clients by source IP and spreads them over the servers "
            f"({clients} addresses of this desktop met {len(served)}), which the vendor does not support."
        )
        yield _hit(
            context,
            path,
            said,
            {"kept_by": _by_what(path), "clients": str(clients)},
            remedy=_remedy(context, path),
            confidence=Confidence.LIKELY,
        )
    elif path.method in (Method.ROTATING, Method.EVEN) and path.persistence in KEEPS:
        said = (
            f"{_where(context, path)} spreads new clients evenly over the servers and keeps each by "
            f"{_by_what(path)}{_held(path)}: sessions hold, but the vendor supports only failover, "
            "not an even spread."
        )
        yield _hit(
            context,
            path,
            said,
            {"kept_by": _by_what(path)},
            remedy=_failover(context, path),
            confidence=_sure(path),
        )


@card(
    code="BAL005",
    name="weighted-sticky",
    title="Weighted load balancing with persistence",
    severity=Severity.INFO,
    owner=Owner.BALANCER,
    summary="New clients are spread by weights and kept on their member, as the vendor accepts.",
    why="The main member serves most clients and the others take over when it is gone; sessions hold.",
    remedy="Nothing has to change.",
    seen_by="Equal shares are rejected at 1 %, and connections that present what they were given come back.",
    references=(refs.KB_156803,),
)
@_each_settled_path
def weighted_sticky(context: RuleContext, path: BalancingPath) -> Answers:
    """Weights with persistence."""
    if path.method is Method.WEIGHTED and path.persistence in KEEPS:
        said = (
            f"{_where(context, path)} spreads new clients by weight ({_shares(path, intervals=True)}), and "
            f"{_by_what(path)} keeps each on its server{_held(path)}, as the vendor accepts."
        )
        yield _hit(context, path, said, {"kept_by": _by_what(path)}, confidence=_sure(path))


FORGETS = steps(
    "Set the timeout of the persistence table (source IP) to at least as long as a user's session.",
    "Check the size of that table, and that all nodes of the load balancer share it.",
)


def _after_pauses(path: BalancingPath) -> ArmSequence | None:
    return next((arm for arm in path.arms if arm.arm == "pause"), None)


def _is_forgotten(path: BalancingPath) -> bool:
    return path.persistence_lost is True and _after_pauses(path) is not None


def _forgets(context: RuleContext, path: BalancingPath) -> str:
    held = f"held for {path.persistence_held_s:g} s" if path.persistence_held_s else "held back to back"
    return (
        f"Persistence at {_where(context, path)} expires too soon: it {held}, and after a pause of about "
        f"{_pause_s(context, path):.0f} s this desktop was sent to another server."
    )


def _pause_s(context: RuleContext, path: BalancingPath) -> float:
    """The time between the connections before and after the first pause."""
    after = _after_pauses(path)
    first = next(iter(after.evidence), "") if after is not None else ""
    order = [seen for seen in context.of(Sample) if seen.request == 0]
    at = next((at for at, seen in enumerate(order) if seen.id == first), 0)
    return order[at].at_s - order[at - 1].at_s if at else 0.0


@card(
    code="BAL006",
    name="persistence-lost",
    title="Persistence is broken",
    impact=ImpactKind.SESSIONS_LOST,
    severity=Severity.CRITICAL,
    owner=Owner.BALANCER,
    summary="Something keeps clients on a member, and a client that presented it was moved all the same.",
    why="Users are logged out in the middle of their work, at moments that nobody can explain: the load balancer "
    "promises persistence and breaks it.",
    remedy=steps(
        "Check that persistence is on for the whole pool, and the same on all nodes of the load balancer.",
        "Check the timeout and the size of the persistence table, and rules that override it.",
        "In the load balancer's log, look for servers that went down and up during this check.",
    ),
    seen_by="A load balancer's own cookie was sent back, or most connections with kept cookies returned to their "
    "member, and at least one was answered by another. Or one server answered all connections that followed one "
    "another, and others after pauses. Where nothing keeps clients at all, BAL001 to BAL003 say so instead.",
    references=(refs.KB_156803, refs.RFC_6265),
    decides="whether a client stays with its server",
)
@_each_path
def persistence_lost(context: RuleContext, path: BalancingPath) -> Answers:
    """Persistence that was seen, and broken."""
    unsettled = _unsettled(path)
    if path.method is Method.SINGLE:
        if _is_forgotten(path):  # else nobody was moved, since every connection came to one member
            yield _hit(context, path, _forgets(context, path), remedy=FORGETS, confidence=_sure(path))
    elif unsettled is not None:
        yield unsettled
    elif path.persistence_lost:
        moved = path.cookie_offered - path.cookie_returned
        said = (
            f"Persistence is broken at {_where(context, path)}: {moved} of {path.cookie_offered} connections "
            f"that sent {_by_what(path)} landed on a different server."
        )
        yield _hit(
            context,
            path,
            said,
            {"offered": str(path.cookie_offered), "moved": str(moved)},
            remedy=_remedy(context, path) if path.cookie_returned == 0 else None,
            confidence=_sure(path),
        )


@card(
    code="BAL007",
    name="per-request",
    title="Requests of one connection are split",
    impact=ImpactKind.SESSIONS_LOST,
    severity=Severity.CRITICAL,
    owner=Owner.BALANCER,
    summary="Requests on one connection, cookies kept, are answered by different members.",
    why="Not even one connection stays with its member: a page and its parts come from different servers.",
    remedy=steps(
        "Make the load balancer keep each client on one server, not each request.", say(GENERAL.cookie)
    ),
    seen_by="On one kept connection, a session cookie that was just given is not recognized by the next answer, "
    "though each member recognizes its own. Only possible where TLS ends in front of the members.",
    references=(refs.KB_156803,),
)
@_each_path
def per_request(context: RuleContext, path: BalancingPath) -> Answers:
    """A session that moves between the requests of one connection."""
    if path.requests_moved:
        now_and_then = path.method is Method.WEIGHTED and path.requests_moved * 4 <= path.requests
        said = (
            f"{_where(context, path)} sends the requests of one connection to different servers: "
            f"{path.requests_moved} of {path.requests} lost their session."
        )
        yield _hit(
            context,
            path,
            said,
            {"requests": str(path.requests), "moved": str(path.requests_moved)},
            severity=Severity.WARNING if now_and_then else None,
            remedy=_keep(context, path),
        )
    elif path.requests == 0 and path.termination is Termination.UNKNOWN and path.method in SPREAD:
        yield NotObserved("no session could be followed over the requests of one connection")


# --- what could not be determined, and what is steady ------------------------------------------------------------

PROFILE = (
    "Run `semscheck init NAME --save` to find the servers, then check again; if it finds none, "
    "ask the server administrator for their own addresses."
)
DRILL = (
    "Take one server down on purpose and run the check again, or ask for the load balancer's configuration."
)
SUPPLY = {
    "members": PROFILE,
    "shared": steps("Run the check from several desktops at the same time, then `semscheck compare`.", DRILL),
    "unlisted": steps(
        "Compare the load balancer's pool with the profile, and name every server of the pool in it.",
        "If none is missing, TLS ends at the load balancer: ask its administrator for the method and persistence.",
    ),
}


@card(
    code="BAL008",
    name="indistinguishable",
    title="Load balancing could not be determined",
    impact=ImpactKind.NOT_TESTED,
    severity=Severity.UNKNOWN,
    owner=Owner.SEMSCHECK,
    summary="Connections succeed, and which server answered them cannot be determined from here.",
    why="A cluster that is set up well looks the same from outside, whichever member answers. Without knowing who "
    "answered, the balancing method and persistence are unknown, and unknown is not the same as fine.",
    remedy=steps(PROFILE, DRILL),
    seen_by="TLS sessions and HTTP session cookies were tried, with controls: each member must recognize its own and "
    "no other's. They fail where session resumption is off, where members share their keys, and where TLS ends in "
    "front and the pages set no session cookie.",
    references=(refs.RFC_8446_RESUMPTION,),
)
def indistinguishable(context: RuleContext) -> Answers:
    """Nothing tells the members apart, or nothing tells whether clients are kept."""
    why = _tested(context)
    if why is None and signs(context):
        why = "TLS is probably opened on the way (CLT006), and sessions are those of what opens it"
    if why is not None:
        yield NotObserved(why)
        return
    for path in context.analysis.paths:
        known = any(member.client for member in context.target.members)
        remedy = SUPPLY["shared"] if known else steps(PROFILE, DRILL)
        if path.unlisted_or_terminated:
            remedy = SUPPLY["unlisted"]
        if path.method is Method.UNKNOWN and path.errors and path.identified == path.samples - path.failed:
            yield NotObserved("all that was answered was identified, and the rest failed (BAL012)")
        elif path.method is Method.UNKNOWN and path.samples > max(path.failed, path.errors):
            because = path.why_unknown or "the members look the same"
            said = (
                f"Cannot tell which server answers {_where(context, path)}, so the load-balancing method is "
                f"unknown: {because.split('; ')[0]}."
            )
            yield _hit(context, path, said, {"because": because}, remedy=remedy)
        elif (served := _clients(context, path)) and not _not_by_weight(served):
            clients = sum(len(addresses) for addresses in served.values())
            said = (
                f"{_where(context, path)} keeps clients by source IP ({clients} addresses of this desktop met "
                f"{len(served)} servers); whether it spreads them evenly or by weight takes more addresses."
            )
            yield _hit(context, path, said, {"clients": str(clients)}, remedy=SUPPLY["shared"])
        elif path.method in SPREAD and path.persistence is Persistence.UNKNOWN:
            said = (
                f"{_where(context, path)} spreads new connections over several servers; whether it has "
                "persistence could not be determined."
            )
            yield _hit(context, path, said, remedy=remedy)


def _counted(rest: int) -> str:
    return "other one" if rest == 1 else f"other {rest}"


@card(
    code="BAL009",
    name="steady",
    title="One server answers",
    severity=Severity.INFO,
    owner=Owner.BALANCER,
    summary="One member answered all connections, with the share that another could still have.",
    why="This is what failover, an ordered list, and source-IP persistence all look like from one desktop. The first "
    "two are as the vendor asks; behind the third any method may hide.",
    remedy="Nothing has to change. To tell failover from source-IP persistence, run the check from another network "
    "and compare the reports, or run it again while a server is taken down on purpose.",
    seen_by="All connections that were identified went to one member. The share p that others could have is bounded "
    "by (1-p)^n = 5 %; connections that failed or were not identified count as if they had gone elsewhere (Clopper "
    "and Pearson, 1934).",
    references=(refs.KB_156803,),
)
@_each_path
def steady(context: RuleContext, path: BalancingPath) -> Answers:
    """Always the same member."""
    if path.persistence is Persistence.SOURCE_ADDRESS or _is_forgotten(path):
        return  # another address of this desktop is served by another member, or one that pauses is
    if path.method is not Method.SINGLE or path.other_share_at_most is None:
        unsettled = _unsettled(path)
        if unsettled is not None:
            yield unsettled
        return
    one = path.members[0].name if path.members else "one server"
    bound = f"{100 * path.other_share_at_most:.1f} %"
    rest = path.samples - path.identified
    every = f"All {path.identified}" if not rest else f"{path.identified} of {path.samples}"
    others = f"; the {_counted(rest)} failed or could not be identified" if rest else ""
    sources = f" from {path.sources} addresses of this desktop" if path.sources > 1 else ""
    ending = "" if path.is_one_application else ": failover or source-IP persistence"
    said = (
        f"{every} new connections to {_where(context, path)}{sources} went to {one}{others}; at most {bound} "
        f"go elsewhere (95 % confidence){ending}."
    )
    yield _hit(context, path, said, {"member": one, "other_share_at_most": bound}, confidence=_sure(path))


# --- what stands in front ----------------------------------------------------------------------------------


@card(
    code="BAL010",
    name="tls-terminated",
    title="TLS ends at the load balancer",
    severity=Severity.INFO,
    owner=Owner.BALANCER,
    summary="TLS ends in front of the members.",
    why="Clients see the load balancer's certificate, which must be renewed too, and the servers see the load "
    "balancer's address in place of the client's: Web Email Protection ends a user's session when the same user "
    "comes from another address, which an address shared by all users upsets.",
    remedy="Nothing has to change if it is meant so. Renew the load balancer's certificate together with those of "
    "the servers; where Web Email Protection is used, pass TLS through instead.",
    seen_by="By a cookie that only a load balancer can have set, by a certificate that no member presents, or by TLS "
    "sessions that the FQDN's address recognizes and no member does.",
    references=(refs.KB_190220, refs.KB_156803),
)
@_each_path
def tls_terminated(context: RuleContext, path: BalancingPath) -> Answers:
    """Evidence of something that ends TLS."""
    if path.termination is Termination.TERMINATED:
        vendor = f" (looks like {path.vendor})" if path.vendor else ""
        sole = path.unlisted_or_terminated
        ends = "probably ends" if sole else "ends"
        else_ = ", or a server that the profile does not name answers" if sole else ""
        said = f"TLS for {_where(context, path)} {ends} in front of the servers{vendor}{else_}."
        yield _hit(
            context,
            path,
            said,
            {"vendor": path.vendor or "", "because": "; ".join(path.termination_evidence)},
            confidence=Confidence.LIKELY if sole else None,
            evidence=path.evidence[:3],
        )
    elif path.termination is Termination.UNKNOWN:
        yield NotObserved("nothing showed where TLS ends")


@card(
    code="BAL011",
    name="cookie-discloses",
    title="Cookie reveals internal addresses",
    severity=Severity.INFO,
    owner=Owner.BALANCER,
    summary="A load balancer's cookie gives internal addresses away.",
    why="Anybody who opens the page learns the addresses and ports of the servers behind the load balancer.",
    remedy="Turn on encryption of the persistence cookie, or use one with an opaque value.",
    seen_by="The cookie's value decodes to an address and a port by the vendor's published encoding.",
    references=(refs.F5_COOKIES,),
)
@_each_path
def cookie_discloses(context: RuleContext, path: BalancingPath) -> Answers:
    """A cookie whose value is an address."""
    if path.discloses:
        shown = ", ".join(path.discloses[:4])
        said = f"The load balancer's cookie at {_where(context, path)} reveals internal addresses: {shown}."
        yield _hit(context, path, said, {"cookies": shown}, evidence=path.evidence[:3])
    elif not path.cookies and path.termination is not Termination.PASS_THROUGH:
        yield NotObserved("no cookies were seen")


@card(
    code="BAL012",
    name="balancer-error",
    title="Part of the connections fail",
    impact=ImpactKind.SOME_FAIL,
    severity=Severity.WARNING,
    owner=Owner.BALANCER,
    summary="Part of the connections ended in 502, 503, 504, a close, or silence.",
    why="The load balancer keeps sending clients to a server that is dead or frozen. A stopped server process still "
    "accepts connections, so a health check that only opens a connection does not notice.",
    remedy=steps(
        _take_out(GENERAL.states),
        say(GENERAL.health),
    ),
    seen_by="Of the repeated connections to one address some failed after they were begun, and others did not.",
    severity_note="critical where more than half of the connections end so",
    references=(refs.KB_156803,),
    role=Role.STILL_SENDS,
)
@_each_path
def balancer_error(context: RuleContext, path: BalancingPath) -> Answers:
    """Errors on part of the repeated connections."""
    if not path.errors or path.samples < PRESENTED_LEAST:
        return
    if context.separated(Separation.ORDER, path.address):
        return  # from one moment on all fail, which says nothing of one server in the pool (NET012)
    over_half = path.errors * 2 > path.samples
    flaps = context.separated(Separation.BLOCKS, path.address)
    yield _hit(
        context,
        path,
        _erring(context, path),
        {"errors": str(path.errors)},
        severity=Severity.CRITICAL if over_half else None,
        owner=Owner.SERVER if flaps else None,
        remedy=FLAPPING if flaps else _pool_remedy(context, path),
    )


def _pool_remedy(context: RuleContext, path: BalancingPath) -> str:
    words = vendor_words(context.target, path)
    return steps(_take_out(words.states), say(words.health))


def _erring(context: RuleContext, path: BalancingPath) -> str:
    if path.errors == path.samples:
        return (
            f"All {path.samples} new connections to {_where(context, path)} failed: the load balancer answers, "
            "and no server behind it does."
        )
    how = rhythm(context, path.address) or ": a server that is down or frozen may still be in the pool"
    return f"{path.errors} of {path.samples} new connections to {_where(context, path)} failed{how}."


@card(
    code="BAL013",
    name="tls-session-sticky",
    title="Persistence by TLS session only",
    impact=ImpactKind.SESSIONS_LOST,
    severity=Severity.WARNING,
    owner=Owner.BALANCER,
    summary="Only the TLS session keeps clients on a member.",
    why="The load balancer follows the session id of TLS 1.2. TLS 1.3 has no such id, tickets hide it, and every "
    "full handshake starts anew: such clients are moved and lose their login.",
    remedy="Turn on persistence by source IP instead, or by cookie where TLS ends at the load balancer.",
    seen_by="Connections that offer an earlier TLS session all come back to its member, while fresh ones are spread, "
    "and no cookie keeps them.",
    references=(refs.KB_156803, refs.RFC_8446_RESUMPTION),
)
@_each_settled_path
def tls_session_sticky(context: RuleContext, path: BalancingPath) -> Answers:
    """Persistence by TLS session alone."""
    if path.persistence is Persistence.TLS_SESSION:
        said = (
            f"Persistence at {_where(context, path)} rests on {path.kept_by or 'the TLS session'} alone: a "
            "client that makes a full handshake is moved to another server."
        )
        yield _hit(context, path, said, remedy=_keep(context, path))


@card(
    code="BAL014",
    name="sites-differ",
    title="Sites are served by different servers",
    severity=Severity.WARNING,
    owner=Owner.BALANCER,
    summary="Several vantage points are served by different members at the same time.",
    why="What looks like failover from each desktop is then source-IP persistence over a method that spreads "
    "clients: users of different sites work on different members.",
    remedy=ADVICE,
    seen_by="Only `semscheck compare` can tell, from reports of several desktops made at the same time.",
    references=(refs.KB_156803,),
)
def sites_differ(context: RuleContext) -> Answers:
    """Needs several reports; judged by the comparison."""
    yield NotObserved("takes reports from several desktops: see `semscheck compare`")


@card(
    code="BAL015",
    name="not-in-pool",
    title="A server gets no clients",
    severity=Severity.INFO,
    owner=Owner.BALANCER,
    summary="A member that serves was never chosen although the load balancer spreads connections.",
    why="The server is paid for and maintained, but would not take over: it may be missing in the pool.",
    remedy="Add the server to the pool, or take it out of the profile if it is meant to stand apart.",
    seen_by="The member's own client interface serves, other members share the connections evenly, and the chance of "
    "never meeting a member with an equal share is below 1 %.",
    references=(refs.KB_156803,),
)
@_each_path
def not_in_pool(context: RuleContext, path: BalancingPath) -> Answers:
    """A serving member that an even balancer never used."""
    serving = {name for place in context.client_places if place.serves for name in place.client_of}
    unsettled = _unsettled(path)
    if path.method is Method.UNKNOWN and unsettled is not None:
        yield unsettled
        return
    if path.method not in (Method.ROTATING, Method.EVEN):
        return
    seen = {share.name for share in path.members}
    if path.identified < path.samples:
        yield NotObserved(
            "not every connection was answered and identified, so that any member may have been met"
        )
        return
    if not seen <= {member.name for member in context.target.members}:
        return  # named otherwise than in the profile, so nobody can be missed by name
    missed = (1 - 1 / (len(seen) + 1)) ** path.identified
    for name in sorted(serving - seen):
        if missed < STEADY_MEMBERS_MISSED or path.method is Method.ROTATING:
            yield Hit(
                subject=Subject("member", name),
                summary=f"{name} serves when asked directly, but none of {path.identified} new connections to "
                f"{_where(context, path)} went to it.",
                evidence=path.evidence,
                args=_args(path) | {"member": name, "chance": f"{missed:.2g}"},
            )
