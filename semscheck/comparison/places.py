"""What only several places tell: who is served by whom at the same time, what is blocked or named otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from semscheck.comparison.changes import certificate_words, method_words, reach_words, where, works
from semscheck.comparison.sides import SAME_TIME_S, Seat, served_alike, worst
from semscheck.model.analysis import Method
from semscheck.model.comparison import Contrast, Gathering, Seen
from semscheck.model.findings import Card, Confidence, Finding, Owner, State, Status, Subject, Verdict
from semscheck.model.target import Severity

CODE = "BAL014"
_NAME = "sites-differ"
_REMEDY = (
    "Set the load balancer so that every client is sent to the same server while that one works: failover, an "
    "ordered list, or weights with one server far ahead. Persistence by source address alone spreads the sites."
)


def contrasts(group: Sequence[Seat]) -> tuple[Contrast, ...]:
    """Everything that the places of one gathering saw differently."""
    return (
        *_verdicts(group), *_answers(group), *_members(group), *_methods(group), *_reach(group),
        *_certificates(group), *_findings(group),
    )  # fmt: skip


def _seen(pairs: Sequence[tuple[Seat, str]]) -> tuple[Seen, ...]:
    return tuple(Seen(seat.label, value) for seat, value in pairs)


def _said(pairs: Sequence[tuple[Seat, str]]) -> str:
    """ "A (desk-1): x; B (desk-2), C (desk-3): y"."""
    values: dict[str, list[str]] = {}
    for seat, value in pairs:
        values.setdefault(value, []).append(seat.called)
    return "; ".join(f"{', '.join(seats)}: {value}" for value, seats in values.items())


def _differing(
    kind: str, group: Sequence[Seat], said: str, pairs: Sequence[tuple[Seat, str]], critical: bool = False
) -> Iterator[Contrast]:
    """What is said of the name, where not all places say the same."""
    if len({value for _, value in pairs}) > 1:
        fqdn = group[0].report.target.fqdn
        summary = f"{said.format(fqdn)} {_said(pairs)}."
        yield Contrast(kind=kind, subject=fqdn, summary=summary, seen=_seen(pairs), critical=critical)


def _verdicts(group: Sequence[Seat]) -> Iterator[Contrast]:
    pairs = [(seat, seat.report.summary.verdict.value) for seat in group]
    critical = any(value == Status.CRITICAL.value for _, value in pairs)
    return _differing("verdict", group, "The verdict on {} depends on the place.", pairs, critical)


def _answers(group: Sequence[Seat]) -> Iterator[Contrast]:
    """Split-horizon DNS: legitimate where sites have their own way in, and then to be known."""
    measured = [seat for seat in group if seat.dns_measured]
    pairs = [(seat, ", ".join(seat.report.analysis.dns.addresses) or "no address") for seat in measured]
    said = "{} has other addresses in other places (split-horizon DNS)."
    return _differing("answers", group, said, pairs)


def _members(group: Sequence[Seat]) -> Iterator[Contrast]:
    pairs = [(seat, ", ".join(names)) for seat, names in served_alike(group)]
    return _differing("members", group, "Other servers answer in other places.", pairs)


def _methods(group: Sequence[Seat]) -> Iterator[Contrast]:
    pairs = [
        (seat, method_words(path))
        for seat in group
        if (path := seat.report.analysis.balancing) is not None and path.method is not Method.UNKNOWN
    ]
    return _differing("method", group, "Connections are spread in other ways in other places.", pairs)


def _reach(group: Sequence[Seat]) -> Iterator[Contrast]:
    """One site blocked: an address that serves one place and not another."""
    keys = dict.fromkeys(key for seat in group for key in seat.places)
    for key in keys:
        tried = [(seat, seat.places[key]) for seat in group if key in seat.places]
        serving = [seat for seat, place in tried if works(place)]
        if serving and len(serving) < len(tried):
            name = where(tried[0][1])
            pairs = [(seat, reach_words(place)) for seat, place in tried]
            blocked = [seat.called for seat, place in tried if not works(place)]
            served = ", ".join(seat.called for seat in serving)
            summary = f"{name} serves {served} and not {', '.join(blocked)}. {_said(pairs)}."
            leads = any(place.fqdn for _, place in tried if not works(place))
            yield Contrast(kind="reach", subject=name, summary=summary, seen=_seen(pairs), critical=leads)


def _certificates(group: Sequence[Seat]) -> Iterator[Contrast]:
    keys = dict.fromkeys(key for seat in group for key in seat.places)
    for key in keys:
        pairs = [
            (seat, certificate_words(seat.certificates.get(print_), print_))
            for seat in group
            if key in seat.places and (print_ := seat.places[key].certificate)
        ]
        if len({value for _, value in pairs}) > 1:
            name = where(next(seat.places[key] for seat in group if key in seat.places))
            summary = (
                f"{name} presents other certificates in other places: something in between opens the connection, "
                f"or another host has that address there. {_said(pairs)}."
            )
            yield Contrast(kind="certificate", subject=name, summary=summary, seen=_seen(pairs))


def _findings(group: Sequence[Seat]) -> Iterator[Contrast]:
    """Found at some places, and looked for in vain at others."""
    keys = dict.fromkeys(key for seat in group for key in seat.findings)
    for key in keys:
        found = [(seat, seat.findings[key]) for seat in group if key in seat.findings]
        looked = [
            seat
            for seat in group
            if key not in seat.findings and seat.states.get(key[0]) in (State.PASS, State.FOUND)
        ]
        if not looked:
            continue
        severity = worst(one.severity for _, one in found)
        pairs = [(seat, one.severity.value) for seat, one in found] + [(seat, "not so") for seat in looked]
        only = ", ".join(seat.called for seat, _ in found)
        yield Contrast(
            kind="finding", subject=key[2], summary=f"Only at {only}: {found[0][1].summary}", seen=_seen(pairs),
            critical=severity is Severity.CRITICAL and all(one.caused_by is None for _, one in found),
            code=key[0], severity=severity,
        )  # fmt: skip


# --- BAL014 --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sites:
    """What became of BAL014. note: what the places agree on, in a sentence; empty if there is nothing."""

    verdict: Verdict
    finding: Finding | None = None
    note: str = ""


def judge_sites(
    groups: Sequence[tuple[Gathering, Sequence[Seat]]], *, card: Card | None, severity: Severity | None
) -> Sites:
    """BAL014 over all gatherings: the first in which two places share no server that answered them.

    card: the catalogue's, for its words; severity: what a profile puts in its place.
    """
    if not groups:
        minutes = f"{SAME_TIME_S / 60:.0f} minutes"
        return _not_observed(f"no two runs are from different places within {minutes}")
    agreed = ""
    why = ""
    for gathering, group in groups:
        known = served_alike(group)
        if len(known) < 2:
            why = why or "who answered is not known at two places, or not by names that mean the same at both"
            continue
        apart = _apart(known)
        if apart is not None:
            finding = _finding(gathering, known, apart, card, severity)
            return Sites(Verdict(CODE, State.FOUND), finding)
        agreed = agreed or _agreed(known)
    return Sites(Verdict(CODE, State.PASS), None, agreed) if agreed else _not_observed(why)


def _not_observed(why: str) -> Sites:
    return Sites(Verdict(CODE, State.NOT_OBSERVED, why))


Known = Sequence[tuple[Seat, tuple[str, ...]]]


def _apart(known: Known) -> tuple[Seat, Seat] | None:
    """Two places with no server in common. Where both see several, sharing some is what spreading looks like."""
    for index, (one, first) in enumerate(known):
        for other, second in known[index + 1 :]:
            if not set(first) & set(second):
                return one, other
    return None


def _agreed(known: Known) -> str:
    together = Counter(served for _, served in known)
    if len(together) == 1 and len(next(iter(together))) == 1:
        (name,) = next(iter(together))
        places = ", ".join(seat.called for seat, _ in known)
        return (
            f"At the same time {places} were all served by {name}: consistent with failover or an ordered list; "
            "persistence by source address becomes less likely with each place."
        )
    return "No two places were served by different servers only."


def _finding(
    gathering: Gathering, known: Known, apart: tuple[Seat, Seat], card: Card | None, severity: Severity | None
) -> Finding:
    fqdn = known[0][0].report.target.fqdn
    pairs = [(seat, ", ".join(served)) for seat, served in known]
    split = len({seat.report.analysis.dns.addresses for seat in apart}) > 1
    cause = (
        "DNS gives these places different addresses"
        if split
        else "that is persistence by source address or a rule per site, not failover"
    )
    certain = gathering.gap_s == 0 and all(_steady(seat) for seat in apart)
    return Finding(
        code=CODE,
        name=card.name if card else _NAME,
        severity=severity or (card.severity if card else Severity.WARNING),
        confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
        owner=Owner.DNS if split else card.owner if card else Owner.BALANCER,
        subject=Subject("fqdn", fqdn),
        summary=f"{fqdn} is served by different servers in different places at the same time; {cause}. "
        f"{_said(pairs)}.",
        remedy=card.remedy if card else _REMEDY,
        references=card.references if card else (),
        args={seat.label: value for seat, value in pairs} | {"gap_s": f"{gathering.gap_s:.0f}"},
    )


def _steady(seat: Seat) -> bool:
    """Each path kept to one server, identified for certain, all the time."""
    paths = [path for path in seat.report.analysis.paths if path.identified]
    return bool(paths) and all(path.certain and path.method is Method.SINGLE for path in paths)
