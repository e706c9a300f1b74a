"""Wording that every output shares: numbers with units, times, and the closed lists in plain words.

Standard library only. A number that was not measured is said so, never shown as zero.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from semscheck.model.findings import OWNER_NAMES, Card, Confidence, Finding, Owner, Role, State, Status
from semscheck.model.names import host_and_port
from semscheck.model.target import Severity

if TYPE_CHECKING:  # `semscheck explain` needs none of these, and they cost a fifth of its start
    from datetime import datetime

    from semscheck.model.analysis import BalancingPath, DnsAnalysis, Share
    from semscheck.model.report import Run
    from semscheck.model.target import Target

NOT_MEASURED = "not measured"
LAB = "This is a lab: an embedded cluster on this machine, no real servers."
REPLAY = "Saved observations, judged again without a network."
DAY_S = 86_400


class Mark(StrEnum):
    """The state of one thing in a picture or a list; always shown as word and symbol, then colour."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"
    NOT_TESTED = "not-tested"


SYMBOLS: dict[Mark, str] = {
    Mark.OK: "✔",
    Mark.INFO: "i",
    Mark.WARNING: "▲",
    Mark.CRITICAL: "✖",
    Mark.UNKNOWN: "?",
    Mark.NOT_TESTED: "·",
}
LABELS: dict[Mark, str] = {mark: mark.value.replace("-", " ") for mark in Mark}
_RANK = (Mark.NOT_TESTED, Mark.OK, Mark.INFO, Mark.WARNING, Mark.UNKNOWN, Mark.CRITICAL)

SEVERITY_ORDER = (Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING, Severity.INFO)


def worst(*marks: Mark) -> Mark:
    """The worst of the marks, in the order of the contract; "not tested" if there are none."""
    return max(marks, key=_RANK.index, default=Mark.NOT_TESTED)


def mark_of(value: Severity | Status) -> Mark:
    return Mark(value.value)


def title(found: Finding) -> str:
    """What kind of finding it is; reports of 0.1.0 have a name alone."""
    return found.title or found.name.replace("-", " ")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 connection", "32 connections", "1,024 addresses" (plural given where it is not noun + s)."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def severity_count(severity: Severity, number: int) -> str:
    """ "1 critical", "2 warnings", "3 for information"."""
    if severity is Severity.WARNING:
        return count(number, "warning")
    return f"{number:,} {'for information' if severity is Severity.INFO else severity.value}"


def elapsed(seconds: float) -> str:
    """ "0:05", "12:00": minutes and seconds since the start."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def listed(items: tuple[str, ...] | list[str], at_most: int = 6) -> str:
    """ "a, b and c"; what is over `at_most` is counted: "a, b and 7 more"."""
    if len(items) > at_most:
        return f"{', '.join(items[: at_most - 1])} and {len(items) - at_most + 1:,} more"
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def place(address: str, port: int | None = None) -> str:
    """ "192.0.2.1:443", "[2001:db8::1]:443" (RFC 3986 section 3.2.2)."""
    return address if port is None else host_and_port(address, port)


# --- numbers -----------------------------------------------------------------------------------------------


def duration(seconds: float | None) -> str:
    """A length of time with two figures or so: "0.8 ms", "12 ms", "1.4 s", "2 min 5 s", "3 h 20 min"."""
    if seconds is None:
        return NOT_MEASURED
    if seconds < 0.9995:
        milliseconds = seconds * 1000
        return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return _long_duration(round(seconds))


def _long_duration(seconds: int) -> str:
    days, rest = divmod(seconds, DAY_S)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return count(days, "day") + (f" {hours} h" if hours else "")
    if hours:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    return f"{minutes} min" + (f" {seconds} s" if seconds else "")


def ttl(seconds: int | None) -> str:
    """A record's time to live: "300 s (5 min)"; DNS people think in seconds, others do not."""
    if seconds is None:
        return NOT_MEASURED
    return f"{seconds} s" if seconds < 60 else f"{seconds} s ({_long_duration(seconds)})"


def percent(share: float | None) -> str:
    """A share of 1 as "83 %"; with one decimal below ten, so that 0.4 % does not read as nothing."""
    if share is None:
        return NOT_MEASURED
    if 0 < share < 0.0005:
        return "under 0.1 %"
    return f"{_percent_figure(share)} %"


def _percent_figure(share: float) -> str:
    value = share * 100
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"


def share(value: Share) -> str:
    """A member's share with its interval: "83 % (65–93 %)"."""
    return f"{percent(value.share)} ({_percent_figure(value.share_low)}–{percent(value.share_high)})"


# --- the target --------------------------------------------------------------------------------------------


def target_name(target: Target) -> str:
    """The FQDN; one in another script both ways, since a ticket needs the one and a DNS tool the other:
    "schlüssel.example.com (xn--schlssel-95a.example.com)". Not made safe for any output."""
    if target.fqdn_shown and target.fqdn_shown != target.fqdn:
        return f"{target.fqdn_shown} ({target.fqdn})"
    return target.fqdn


def of_a_lab(run: Run) -> bool:
    """No real servers were looked at. A replay has an origin of its own; the scenario stays in the options."""
    return run.origin == "lab" or "scenario" in run.options


def address_count(dns: DnsAnalysis) -> int | None:
    """Addresses of the FQDN. None where no server told: a time-out, SERVFAIL or REFUSED is no answer of none."""
    told = any(resolver.rcode in ("NOERROR", "NXDOMAIN") for resolver in dns.resolvers)
    return len(dns.addresses) if told or dns.addresses else None


def target_note(target: Target) -> str | None:
    """What cannot be checked since an IP address was given in place of a name; None for a name."""
    if not target.fqdn_is_address:
        return None
    return (
        "An IP address was given, not the name that clients use: what DNS answers for that name, and whether the "
        "certificates have it, cannot be checked."
    )


# --- times -------------------------------------------------------------------------------------------------


def stamp(when: datetime | None) -> str:
    """ "2026-03-01 12:30 UTC"."""
    return NOT_MEASURED if when is None else f"{when:%Y-%m-%d %H:%M} UTC"


def date(when: datetime | None) -> str:
    return NOT_MEASURED if when is None else f"{when:%Y-%m-%d}"


def age(then: datetime | None, now: datetime) -> str:
    """How long ago: "just now", "5 minutes ago", "3 days ago"; a time to come is "in the future"."""
    if then is None:
        return NOT_MEASURED
    seconds = (now - then).total_seconds()
    if seconds < -60:
        return "in the future"
    for size, noun in ((365 * DAY_S, "year"), (DAY_S, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{count(int(seconds // size), noun)} ago"
    return "just now"


def days_left(not_after: datetime | None, now: datetime) -> str:
    """Of a certificate: "200 days left", "5 hours left", "expired 3 days ago"."""
    if not_after is None:
        return NOT_MEASURED
    left_s = (not_after - now).total_seconds()
    days, hours = int(abs(left_s) // DAY_S), int(abs(left_s) // 3600)
    amount = count(days, "day") if days else count(hours, "hour")
    return f"expired {amount} ago" if left_s < 0 else f"{amount} left"


# --- closed lists in plain words, keyed by the members' values: a StrEnum's member finds its words ----------

REACH: dict[str, str] = {
    "not-tried": "not tested",
    "no-connection": "no connection",
    "no-tls": "connects, but no TLS",
    "no-http": "TLS works, but no web answer",
    "serves": "serves",
}

METHOD: dict[str, str] = {
    "single": "every new connection goes to one and the same server",
    "rotating": "round robin: each new connection goes to the next server",
    "even": "new connections are spread evenly, in no fixed order",
    "weighted": "new connections are spread unevenly, by weights",
    "unknown": "not determined",
}

PERSISTENCE: dict[str, str] = {
    "none": "nothing keeps a client on one server",
    "cookie": "a cookie keeps a client on its server",
    "tls-session": "the TLS session keeps a client on its server",
    "source-address": "the client's source IP decides its server",
    "not-separable": "not determined from one desktop (failover, an ordered list and source-IP persistence look "
    "the same)",
    "unknown": "not determined",
}

METHOD_IN_BRIEF: dict[str, str] = {
    "single": "always one server",
    "rotating": "round robin",
    "even": "spread evenly",
    "weighted": "spread by weights",
}
PERSISTENCE_IN_BRIEF: dict[str, str] = {
    "none": "no persistence",
    "cookie": "persistence by cookie",
    "tls-session": "persistence by TLS session",
    "source-address": "persistence by source IP",
}


def method_and_persistence(path: BalancingPath) -> str:
    """ "round robin, no persistence"; what is not known is left out. Empty where nothing was sampled."""
    if not path.samples:
        return ""
    parts = (METHOD_IN_BRIEF.get(path.method, ""), PERSISTENCE_IN_BRIEF.get(path.persistence, ""))
    return ", ".join(part for part in parts if part) or "method not determined"


TERMINATION: dict[str, str] = {
    "pass-through": "passes through to the servers",
    "terminated": "ends in front of the servers",
    "unknown": "not determined",
}


def termination(path: BalancingPath) -> str:
    """Where TLS ends, as far as it is known."""
    if path.unlisted_or_terminated:
        return "probably ends in front of the servers, or a server answers that the profile does not name"
    return TERMINATION[path.termination]


ROTATION: dict[str, str] = {
    "none": "one address, always the same",
    "fixed": "several addresses in one fixed order",
    "order": "several addresses in changing order",
    "subset": "the set of addresses changes",
    "flips": "one address, not always the same",
    "unknown": "not determined",
}

CAUSE: dict[str, str] = {
    "refused": "connection refused",
    "timed-out": "no answer",
    "no-route": "no route to it",
    "reset": "connection reset",
    "closed": "closed by the other side",
    "not-tls": "does not speak TLS",
    "alert": "TLS handshake refused",
    "stalled": "connected, then silence",
    "local-policy": "refused by this desktop's TLS library",
    "untrusted": "certificate not trusted",
    "malformed": "answer cannot be read",
    "too-large": "answer too large",
    "not-found": "not found",
    "denied": "no permission",
    "no-address": "no address",
    "cancelled": "cancelled",
    "other": "failed",
}


OWNER = OWNER_NAMES


def fixed_by(card: Card) -> str:
    """Who fixes what a card is about; what could not be determined is nobody's fault, a crash is ours."""
    if card.owner is Owner.SEMSCHECK and card.role is not Role.CRASH:
        return "nobody yet: the steps say what to test next"
    return OWNER[card.owner]


CONFIDENCE: dict[Confidence, str] = {Confidence.CERTAIN: "certain", Confidence.LIKELY: "likely, not certain"}

STATE: dict[State, str] = {
    State.PASS: "nothing found",
    State.FOUND: "found",
    State.NOT_OBSERVED: "not tested",
    State.CRASHED: "crashed",
}

ARM: dict[str, str] = {
    "fresh": "new connections",
    "cookie": "cookie kept",
    "resume": "TLS session kept",
    "keep-alive": "one connection",
    "source": "other source address",
    "pause": "after a pause",
}

IDENTIFIED_BY: dict[str, str] = {
    "ticket-key": "their TLS ticket keys",
    "tls-session": "their TLS sessions",
    "http-cookie": "their session cookies",
    "balancer-cookie": "the load balancer's cookie",
    "balancer-cookie-value": "the load balancer's cookie",
    "session-route": "the route in their session cookies",
    "certificate": "their certificates",
    "pairs": "comparing connections in pairs",
}


def failure(cause: str | None) -> str:
    """A failure's cause in plain words; a cause of a newer version as it is."""
    if cause is None:
        return NOT_MEASURED
    return CAUSE.get(cause, cause)


def arm(name: str) -> str:
    return ARM.get(name, name)


def fingerprint(text: str | None) -> str:
    """The beginning of a SHA-256 fingerprint, long enough to compare by eye."""
    return NOT_MEASURED if text is None else text[:16]
