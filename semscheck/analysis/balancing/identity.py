"""Who answered: every signal that tells members apart, its strength, and one identity per connection.

The signals, strongest first: the address itself (it is one member's own), a TLS session or an HTTP session cookie
that exactly one member recognises (with its controls), a balancer's cookie that decodes to a member or can be
compared, a certificate that differs, the route suffix of a Java session, and what the pages show against what
each member shows when asked directly. Only signals whose controls hold are used; one that says nothing here is
listed with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise

from semscheck.analysis.balancing.controls import ControlResult, worth
from semscheck.analysis.balancing.cookies import CookieKind, Strength, classify_cookie
from semscheck.analysis.balancing.facts import Facts, cookies_of
from semscheck.analysis.balancing.routes import MOST_GROUPS
from semscheck.analysis.balancing.statistics import cycle_with_gaps
from semscheck.analysis.balancing.ticket_keys import UNLISTED, comes_back, runs
from semscheck.model.analysis import Signal
from semscheck.model.labels import LabelKind
from semscheck.model.observations import Sample, Trace

STRONG, FAIR, WEAK = "strong", "fair", "weak"
DATE_APART_S = 2.5  # HTTP dates have a resolution of one second
VOLATILE = frozenset({"date", "set-cookie", "content-length", "age", "expires", "connection", "keep-alive"})
_WORTH_COMPARING = ("server", "x-powered-by", "etag", "last-modified", "location", "content-type")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered each sample (by id), by which signal, and what all signals were worth."""

    labels: Mapping[str, str]
    by: str | None = None
    strength: str | None = None
    signals: tuple[Signal, ...] = ()

    def of(self, sample: Sample) -> str | None:
        return self.labels.get(sample.id)


# --- the signals -------------------------------------------------------------------------------------------

Labels = dict[str, str]


def _traced(facts: Facts, token: str) -> tuple[Labels, str]:
    """Labels from tokens shown to members (or, without members, to the connections of others)."""
    known = facts.members or ("",)
    values = _worth_by_version(facts, token, known)
    if not any(value.usable for value in values.values()):
        return {}, next(iter(values.values())).why
    if token == "tls" and _known_now_and_then(facts):
        return {}, "a member knows a session that it gave at one time and not at another"
    if token == "cookie" and not facts.members and _moves_between_requests(facts):
        return {}, "requests of one connection are answered by different servers"
    stable = frozenset() if facts.members else facts.repeated_cookies
    labels: Labels = {}
    strangers: list[str] = []
    for sample in facts.samples:
        value = values.get(sample.version if token == "tls" else None)
        if value is None or not value.usable:
            continue
        traces = [
            trace
            for trace in facts.traces.get(sample.id, ())
            if trace.token == token and trace.name in value.names and trace.name not in stable
        ]
        owner = next((trace.member for trace in traces if trace.recognised), None)
        if owner is not None:
            labels[sample.id] = value.groups.get(owner, owner) if facts.members else owner
        elif traces and facts.members and facts.complete and _asked_all(traces, facts.members, value):
            strangers.append(sample.id)
    if not labels:
        if strangers or _nobody_knew_earlier(facts, token):
            sure = next(value.groups for value in values.values() if value.usable)
            own = (
                "each recognizes"
                if set(facts.members) <= set(sure)
                else f"{' and '.join(sure)} would recognize"
            )
            return {}, f"no member recognizes what the FQDN's address gives, though {own} its own"
        return {}, "nothing was traced"
    return labels | _unlisted(facts, strangers, labels), ""


def _unlisted(facts: Facts, strangers: Sequence[str], labels: Labels) -> Labels:
    """Connections whose tokens no member knows, where they come back after others: in one row, a member may have lost
    what it gave, in a restart."""
    found = dict.fromkeys(strangers, UNLISTED)
    everyone = labels | found
    order = [everyone[sample.id] for sample in facts.samples if sample.id in everyone]
    return found if [who for who, _ in runs(order)].count(UNLISTED) > 1 else {}


def _nobody_knew_earlier(facts: Facts, token: str) -> bool:
    """Tokens of the connections before the fresh arm began anew were shown to members, and none was recognised."""
    shown = [t for s in facts.earlier for t in facts.traces.get(s.id, ()) if t.token == token]
    return any(t.recognised is False for t in shown) and not any(t.recognised for t in shown)


def _worth_by_version(facts: Facts, token: str, members: Sequence[str]) -> dict[str | None, ControlResult]:
    """What the controls allow, for each version of TLS that samples speak: each version has keys of its own.

    A member that speaks an older version than the others has its controls in that one, so all controls count
    for a pool that speaks several; those of a version that only a later arm spoke count for that arm alone.
    """
    if token != "tls":
        return {None: worth(facts.controls, token, members)}
    usual = {sample.version for sample in facts.fresh if sample.version}
    usual = usual or {sample.version for sample in facts.samples if sample.version}
    found: dict[str | None, ControlResult] = {}
    for version in sorted({sample.version for sample in facts.samples if sample.version}):
        wanted = usual if version in usual else {version}
        controls = [c for c in facts.controls if c.version is None or c.version in wanted]
        found[version] = worth(controls, token, members)
    return found or {None: worth(facts.controls, token, members)}


def _known_now_and_then(facts: Facts) -> bool:
    """One member was shown the same session twice, with different results: it has several processes that share none,
    or stands for several servers. That it does not know a session then says nothing."""
    for traces in facts.traces.values():
        seen: dict[str, bool] = {}
        for trace in traces:
            if trace.token != "tls" or trace.recognised is None:
                continue
            if seen.setdefault(trace.member, trace.recognised) is not trace.recognised:
                return True
    return False


def _moves_between_requests(facts: Facts) -> bool:
    """A session was unknown to a later request of the connection that was given it. Without members, a token is shown
    by a later request as well, which then does not say who answered the first."""
    return any(s.arm == "keep-alive" and s.cookie_recognised is False for s in facts.samples)


def _asked_all(traces: Sequence[Trace], members: Sequence[str], value: ControlResult) -> bool:
    """Every member of the profile was reached, knows its own tokens, and did not know this one."""
    refused = {trace.member for trace in traces if trace.recognised is False}
    return all(member in refused and member in value.groups for member in members)


def _by_ticket_key(facts: Facts) -> tuple[Labels, str]:
    """Who ended TLS, by the name of the key that made each ticket. Of one member's own address it says nothing: a
    server may have several keys."""
    if facts.direct is not None:
        return {}, "the address is one member's own"
    return dict(facts.keys.labels), facts.keys.why


def _by_foreign_key(facts: Facts) -> tuple[Labels, str]:
    """Several ends of TLS, where none of them is a member."""
    if facts.direct is not None or not facts.keys.foreign:
        return {}, ""
    ends = facts.tickets.ends()
    return dict(ends.labels), ends.why


def _by_tls_session(facts: Facts) -> tuple[Labels, str]:
    return _traced(facts, "tls")


def _by_http_cookie(facts: Facts) -> tuple[Labels, str]:
    return _traced(facts, "cookie")


def _by_balancer_cookie(
    facts: Facts, strengths: tuple[Strength, ...], kinds: tuple[CookieKind, ...]
) -> Labels:
    """Labels from cookies that decode to a member, or whose values may be compared."""
    direct, seen = facts.members_cookies, facts.fresh_cookies
    # An application may set few values too, so that an unknown cookie counts only where something in front sets it.
    in_front = facts.set_in_front if CookieKind.CANDIDATE in kinds else frozenset()
    labels: Labels = {}
    for sample in facts.samples:
        for name, value in cookies_of(sample.headers):
            # An unknown one is judged by all values of its name, which takes long: only where it could count.
            cookie = classify_cookie(name, value, seen.get(name, ()) if name in in_front else ())
            if cookie is None or cookie.kind not in kinds or cookie.strength not in strengths:
                continue
            if name in direct and cookie.kind is CookieKind.PERSISTENCE:
                continue  # the members set it themselves: not the balancer's
            address = str(cookie.backend_address) if cookie.backend_address is not None else None
            identity = cookie.identity
            if address is not None and address in facts.addresses:
                labels[sample.id] = facts.addresses[address]
            elif identity:
                labels[sample.id] = _named(identity, facts) or f"“{identity[:60]}” in cookie {name[:40]}"
            break
    return labels


def _by_values(facts: Facts, naming: Mapping[str, Mapping[str, str]]) -> Labels:
    """Labels from the first cookie whose values name the server by themselves."""
    labels: Labels = {}
    for name, named in list(naming.items())[:1]:
        for sample in facts.samples:
            value = dict(cookies_of(sample.headers)).get(name, "")
            if value in named:
                labels[sample.id] = f"“{named[value][:60]}” in cookie {name[:40]}"
    return labels


def _named(label: str, facts: Facts) -> str | None:
    """The one member whose name, or host label, the balancer uses as it is; None where that is not plain."""
    wanted = label.lower()
    fits = [name for name in facts.members if wanted in (name.lower(), name.lower().partition(".")[0])]
    return fits[0] if len(fits) == 1 else None


def _by_exact_cookie(facts: Facts) -> tuple[Labels, str]:
    kinds = (CookieKind.PERSISTENCE, CookieKind.PREFIX)
    labels = _by_balancer_cookie(facts, (Strength.EXACT,), kinds)
    return labels, "" if labels else "no balancer's cookie that names an address"


def _by_compared_cookie(facts: Facts) -> tuple[Labels, str]:
    kinds = (CookieKind.PERSISTENCE, CookieKind.PREFIX, CookieKind.CANDIDATE)
    labels = _by_balancer_cookie(facts, (Strength.COMPARABLE,), kinds) or _by_values(
        facts, facts.route_cookies
    )
    return labels, "" if labels else "no balancer's cookie that may be compared"


def _by_route(facts: Facts) -> tuple[Labels, str]:
    labels = _by_balancer_cookie(facts, (Strength.COMPARABLE,), (CookieKind.ROUTE,))
    labels = labels or _by_values(facts, facts.session_routes)
    return labels, "" if labels else "no session id with a route suffix"


def _by_certificate(facts: Facts) -> tuple[Labels, str]:
    """A certificate that only one member presents names it; the rest of the members share theirs."""
    presented = {sample.certificate for sample in facts.samples if sample.certificate}
    if len(presented) < 2:
        return {}, "all present the same certificate"  # which may be that of something in front
    if facts.own_certificates:
        labels = {
            sample.id: facts.own_certificates[sample.certificate]
            for sample in facts.samples
            if sample.certificate is not None and sample.certificate in facts.own_certificates
        }
        return labels, "" if labels else "no certificate here is one member's alone"
    if facts.members:
        return {}, "no certificate here is one member's alone"
    order = {fingerprint: at for at, fingerprint in enumerate(sorted(presented))}
    return {
        sample.id: LabelKind.CERTIFICATE.name_of(order[sample.certificate] % 26)
        for sample in facts.samples
        if sample.certificate
    }, ""


def _signature(headers: Iterable[tuple[str, str]], status: int | None) -> tuple[object, ...]:
    """What of an answer depends on the server and not on the moment: header order, and a few values."""
    kept = [(name.lower(), value) for name, value in headers if name.lower() not in VOLATILE]
    values = tuple((name, value) for name, value in kept if name in _WORTH_COMPARING)
    return status, tuple(name for name, _ in kept), values


def _by_page(facts: Facts) -> tuple[Labels, str]:
    """Header order, ETag, Location and the like against what each member answers when asked directly."""
    if not facts.members:
        return _pages_apart(facts)
    own: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for member, page in facts.own_pages:
        own[_signature(page.headers, page.status)].add(member)
    telling = {signature: next(iter(names)) for signature, names in own.items() if len(names) == 1}
    asked = {member for member, _ in facts.own_pages}
    if len(asked) < 2 or len(telling) < len(asked):
        return {}, "the members' pages look alike" if asked else "the members' pages were not seen"
    labels = {
        sample.id: telling[signature]
        for sample in facts.samples
        if sample.status is not None and (signature := _signature(sample.headers, sample.status)) in telling
    }
    return labels, "" if labels else "the pages are not as any member sends them"


def _pages_apart(facts: Facts) -> tuple[Labels, str]:
    """Without members: pages of few kinds that come back after one another. Several servers may send one kind."""
    kinds = {s.id: _signature(s.headers, s.status) for s in facts.samples if s.status and s.status < 400}
    order = list(dict.fromkeys(kinds[s.id] for s in facts.fresh if s.id in kinds))
    names = {kind: LabelKind.PAGE.name_of(at) for at, kind in enumerate(order)}
    fresh = [names[kinds[s.id]] for s in facts.fresh if s.id in kinds]
    if not 2 <= len(order) <= min(MOST_GROUPS, len(fresh) // 2) or not comes_back(fresh):
        return {}, "the pages look alike"
    return {at: names[kind] for at, kind in kinds.items() if kind in names}, ""


def _skew_s(headers: Iterable[tuple[str, str]], at_s: float, started: datetime | None) -> float | None:
    """The server's clock minus ours, from its Date header; None where there is none that parses."""
    text = next((value for name, value in headers if name.lower() == "date"), None)
    if text is None or started is None:
        return None
    try:
        stamp = parsedate_to_datetime(text)
        return (stamp - (started + timedelta(seconds=at_s))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _by_clock(facts: Facts) -> tuple[Labels, str]:
    """Servers' clocks that differ by seconds, against each member's own when asked directly."""
    own: dict[str, float] = {}
    for member, page in facts.own_pages:
        skew = _skew_s(page.headers, page.at_s + (page.elapsed_s or 0.0), facts.started)
        if skew is not None:
            own.setdefault(member, skew)
    values = sorted(own.values())
    apart = all(later - earlier >= DATE_APART_S for earlier, later in pairwise(values))
    if len(own) < 2 or len(own) < len(facts.members) or not apart:
        return {}, "the members' clocks agree"
    labels: Labels = {}
    for sample in facts.samples:
        skew = _skew_s(sample.headers, sample.at_s + (sample.elapsed_s or 0.0), facts.started)
        near = [name for name, each in own.items() if skew is not None and abs(each - skew) <= 1.2]
        if len(near) == 1:
            labels[sample.id] = near[0]
    return labels, "" if labels else "no answer carried a date"


SIGNALS: tuple[tuple[str, str, Callable[[Facts], tuple[Labels, str]]], ...] = (
    ("ticket-key", STRONG, _by_ticket_key),
    ("tls-session", STRONG, _by_tls_session),
    ("http-cookie", STRONG, _by_http_cookie),
    ("balancer-cookie", STRONG, _by_exact_cookie),
    ("certificate", STRONG, _by_certificate),
    ("balancer-cookie-value", FAIR, _by_compared_cookie),
    ("session-route", FAIR, _by_route),
    ("page", WEAK, _by_page),
    ("clock", WEAK, _by_clock),
)
# Without members a session cookie is shown through the balancer itself, which may keep clients by it; what the
# balancer says of its choice, or the server of itself, goes first then.
_WITHOUT_MEMBERS = (
    "ticket-key",
    "tls-session",
    "balancer-cookie",
    "certificate",
    "balancer-cookie-value",
    "session-route",
    "http-cookie",
    "page",
    "clock",
)
_SILENT = "?"
_KIND = {"ticket-key": "TLS ticket keys", "tls-session": "TLS sessions", "http-cookie": "session cookies"}
ENOUGH_COVERED = 0.6  # of the fresh connections that were answered, for a signal to be the one that is used


def identify(facts: Facts) -> Identity:
    """One identity per sample, from the strongest signal that covers the fresh connections."""
    answered = [sample for sample in facts.fresh if sample.failure is None]
    signals: list[Signal] = []
    chosen: tuple[str, str, Labels] | None = None
    for name, strength, see in _signals(facts):
        labels, why = _telling(strength, *see(facts))
        covered = sum(sample.id in labels for sample in answered)
        if not _covers(labels, answered):
            absent = why or f"{_KIND.get(name, name)} identify {covered} of {len(answered)} connections only"
            signals.append(
                Signal(name=name, verdict="void" if labels else "absent", why=absent, strength=strength)
            )
        elif chosen is None:
            chosen = (name, strength, labels)
            signals.append(
                Signal(
                    name=name,
                    verdict="used",
                    why=f"{covered} of {len(answered)} connections",
                    strength=strength,
                )
            )
        else:
            agrees = consistent(chosen[2], labels)
            verdict = "used" if agrees else "contradicts"
            words = "agrees" if agrees else f"says otherwise than {chosen[0]}"
            signals.append(Signal(name=name, verdict=verdict, why=words, strength=strength))
    if chosen is None:
        return Identity({}, signals=tuple(signals))
    return Identity(chosen[2], chosen[0], chosen[1], tuple(signals))


def usual_labels(facts: Facts) -> Labels:
    """What `identify` would choose, without asking the signals that come after it: for the way, not for the end."""
    answered = [sample for sample in facts.fresh if sample.failure is None]
    for _, strength, see in _signals(facts):
        labels, _ = _telling(strength, *see(facts))
        if _covers(labels, answered):
            return labels
    return {}


def _telling(strength: str, labels: Labels, why: str) -> tuple[Labels, str]:
    """What a weak signal says counts only where it shows several members: what stands in front may write a clock, a
    server's name or a page of its own on every answer, and one member may happen to look the same."""
    if strength == WEAK and len(set(labels.values())) == 1:
        return {}, "all answers look like one member's, which something in front could have made"
    return labels, why


def _covers(labels: Labels, answered: Sequence[Sample]) -> bool:
    """Enough of the connections, or all but those of servers that come round in their turn and say nothing."""
    covered = sum(sample.id in labels for sample in answered)
    if not labels or not answered:
        return False
    turns = [labels.get(sample.id, _SILENT) for sample in answered]
    return (
        covered / len(answered) >= ENOUGH_COVERED or cycle_with_gaps(turns, frozenset((_SILENT,))) is not None
    )


def _signals(facts: Facts) -> Sequence[tuple[str, str, Callable[[Facts], tuple[Labels, str]]]]:
    """The signals in the order in which they are believed. Several ends of TLS in front of several servers are no
    names of these: what cuts across the keys comes first then."""
    if facts.members:
        last = [("ticket-key", FAIR, _by_foreign_key)] if _by_foreign_key(facts)[0] else []
        return [*SIGNALS, *last]
    ordered = sorted(SIGNALS, key=lambda signal: _WITHOUT_MEMBERS.index(signal[0]))
    if facts.keys.labels and _ends_in_front(facts):
        return [*ordered[1:], ordered[0]]
    return ordered


def _ends_in_front(facts: Facts) -> bool:
    """Whether connections of one ticket key were answered by several servers, by what cookies say."""
    seen = (see(facts)[0] for see in (_by_exact_cookie, _by_compared_cookie, _by_route, _by_http_cookie))
    return any(not consistent(facts.keys.labels, labels) for labels in seen)


def consistent(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two labelings could be of the same members: never one label of `other` for two of `one`.

    `other` may be coarser in what it sees of a member (a certificate that two share) but not cut across.
    """
    partners: dict[str, set[str]] = defaultdict(set)
    for sample, label in one.items():
        if sample in other:
            partners[label].add(other[sample])
    return all(len(labels) <= 1 for labels in partners.values())


def contradiction(identity: Identity) -> Signal | None:
    """A strong signal that contradicts the strong one in use; such a path has no verdict on its method."""
    if identity.strength != STRONG:
        return None
    return next((s for s in identity.signals if s.verdict == "contradicts" and s.strength == STRONG), None)


# --- the facts of a path -----------------------------------------------------------------------------------
