"""The page: what was said of each kind of world, with intervals, and what limits it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from textwrap import fill

from semscheck import __version__
from semscheck.analysis.balancing.statistics import clopper_pearson
from tests.accuracy.play import OF_LOSSES, Played
from tests.accuracy.worlds import BROKEN, HEALTHY, NEITHER, RIGHT, Truth

VERDICTS = ("ok", "warning", "critical", "unknown")
AXES = (
    "method",
    "persistence",
    "termination",
    "members",
    "other clients",
    "ticket keys",
    "members known",
    "over time",
    "lost",
)
NOTHING = "nothing"
METHODS = ("single", "rotating", "even", "weighted", "unknown")
# What a method of the lab's may be called; "single" of weights is judged by its bound.
CALLED = {
    "fail-over": ("single",),
    "first-alive": ("single",),
    "round-robin": ("rotating", "even"),
    "random": ("even",),
    "least-connections": ("rotating", "even"),
    "weighted": ("weighted", "even", "rotating"),
    "weighted-random": ("weighted", "even"),
}


def page(played: Sequence[Played], seed: int) -> str:
    """The whole page as Markdown."""
    parts = (
        _head(played, seed),
        _summary(played),
        _confusion(played),
        _unknown(played),
        _axes(played),
        _methods(played),
        _losses(played),
        _discussion(played),
    )
    return "\n".join(parts)


def _prose(text: str) -> str:
    """Paragraphs and list items, broken into lines; headings and blank lines as they are."""
    blocks = re.split(r"\n(?=\n|- )", text.strip())
    lines = []
    for block in blocks:
        words = re.sub(r"[ \n]+", " ", block).strip().replace(" %", "\N{NO-BREAK SPACE}%")
        if block.startswith("\n"):
            lines.append("")
        hanging = "  " if words.startswith("- ") else ""
        lines.append(
            fill(words, 110, subsequent_indent=hanging, break_on_hyphens=False, break_long_words=False)
        )
    return "\n".join(lines) + "\n"


# --- what several parts use --------------------------------------------------------------------------------


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers_from: int = 1) -> str:
    lines = [_row(head), _row("---:" if at >= numbers_from else "---" for at in range(len(head)))]
    return "".join((*lines, *(_row(row) for row in rows)))


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.0995 else f"{100 * share:.0f} %"


def _rate(k: int, n: int) -> str:
    """So many of so many, with the interval of Clopper and Pearson at 95 %."""
    if not n:
        return "none of none"
    low, high = clopper_pearson(k, n)
    return f"{k} of {n} ({_percent(k / n)}; 95 %: {_percent(low)} to {_percent(high)})"


def _of(played: Iterable[Played], *truths: Truth) -> list[Played]:
    return [each for each in played if Truth(each.truth) in truths]


def _unknowns(played: Iterable[Played]) -> int:
    return sum(each.whole == "unknown" for each in played)


def _right(each: Played) -> bool:
    return each.whole in RIGHT[Truth(each.truth)]


# --- the parts ---------------------------------------------------------------------------------------------


def _head(played: Sequence[Played], seed: int) -> str:
    today = datetime.now(UTC).date().isoformat()
    return _prose(f"""# Accuracy

How often the verdict on a balancer is right. Made by `make accuracy`, which is
`python -m tests.accuracy --seed {seed} --worlds {len(played)} --out docs/accuracy.md`; made on {today} with
version {__version__}. One world alone is played again by
`python -m tests.accuracy --seed {seed} --first NUMBER --worlds 1`.

{len(played)} worlds were drawn from seed {seed}, each a cluster with its balancer and name server on real sockets of
the loopback network, and each was checked once, by the whole check and with the default of 32 fresh connections.
Time-outs of steps were the default ones, the deadline of a run three times the default, for a machine that is busy.

What is drawn: the balancing method and its weights; persistence; where TLS ends; 2 to 6 members;
whether other clients use the balancer meanwhile; TLS 1.2 or 1.3 with tickets,
session ids or neither; ticket keys and HTTP sessions shared or not; whether the application sets a session cookie;
whether the members are known to the checker;
whether the keys of tickets are renewed in the middle, as by a reload, or the first server goes out of service and
comes back after every few connections; and up to 2 % of connections that are reset, closed or never answered.
Names, the order of the pool and that of the profile are drawn as well, addresses and ports are chosen by the lab.
The draw is repeatable; the moments at which connections meet other clients' are not, as on any network, so a
few figures differ from one run to the next.

The truth is taken from the world's declaration, and each connection's member from the balancer's own record.
""")


def _summary(played: Sequence[Played]) -> str:
    healthy, broken = _of(played, *HEALTHY), _of(played, *BROKEN)
    alarms = sum(each.wrong for each in healthy)
    missed = sum(each.wrong for each in broken)
    bounded = sum(each.bound_holds for each in broken)
    neither = _of(played, *NEITHER)
    attributed, mistaken = sum(p.attributed for p in played), sum(p.misattributed for p in played)
    certain = [each for each in played if each.whole != "unknown"]
    crashed = sum(bool(each.crashed) for each in played)
    nameless = [each for each in played if each.axes["members known"] == "no"]
    several = [each for each in nameless if each.keys > 1 and each.axes["over time"] != "keys renewed"]
    alone = [each for each in nameless if each.keys == 1]
    rows = (
        ("healthy worlds called broken", _rate(alarms, len(healthy))),
        ("broken worlds called `ok`", _rate(missed, len(broken))),
        ("broken worlds called `ok` whose stated bound on the others' share is true", bounded),
        (
            "worlds that are neither, called `critical`",
            _rate(sum(each.wrong for each in neither), len(neither)),
        ),
        (
            "verdicts other than `unknown` that are as the catalogue has it",
            _rate(sum(map(_right, certain)), len(certain)),
        ),
        ("worlds called `unknown`", _rate(len(played) - len(certain), len(played))),
        (
            "name only, several ticket keys seen that are not renewed ones: `unknown`",
            _rate(_unknowns(several), len(several)),
        ),
        ("name only, one ticket key seen: `unknown`", _rate(_unknowns(alone), len(alone))),
        ("connections attributed to a wrong member", _rate(mistaken, attributed)),
        ("runs with a crash, or cut short", crashed),
    )
    return "## Summary\n\n" + _table(("what", "how often"), rows)


def _confusion(played: Sequence[Played]) -> str:
    rows = []
    for group, truths in (("healthy", HEALTHY), ("neither", NEITHER), ("broken", BROKEN)):
        for truth in truths:
            worlds = _of(played, truth)
            counts = Counter(each.whole for each in worlds)
            cells = [
                f"**{counts[verdict]}**" if verdict in RIGHT[truth] else counts[verdict] or "·"
                for verdict in VERDICTS
            ]
            wrong = sum(each.wrong for each in worlds)
            rows.append((group, truth.value, len(worlds), *cells, wrong or "·"))
    return f"""## Confusion table

What is there, in rows, and the verdict of the report, in columns, with the findings of lost and slow connections
themselves ({", ".join(sorted(OF_LOSSES))}) set aside.
Bold: the verdict that the catalogue gives where everything can be seen.
*Neither* are worlds that one desktop cannot put on either side: mild weights (2:1 and the like) are not told from
equal ones by 32 connections; persistence by source address is steady for one client; and where the members are not
known, members that share all their sessions are one application. Strong weights are 10:1 and 20:1.
*Kept in part by TLS session* is a balancer that follows the session id where members give tickets or speak TLS 1.3.

""" + _table(("", "truth", "worlds", *VERDICTS, "wrong"), rows, numbers_from=2)


def _unknown(played: Sequence[Played]) -> str:
    rows = []
    for known in ("yes", "no"):
        groups = sorted({each.telling for each in played if each.axes["members known"] == known})
        for telling in groups:
            worlds = [p for p in played if p.axes["members known"] == known and p.telling == telling]
            unknown = sum(each.whole == "unknown" for each in worlds)
            words = ", ".join(telling) or NOTHING
            rows.append((known, words, len(worlds), unknown, _percent(unknown / len(worlds))))
    return """## Unknown, and why

By whether the members are known and which signals exist in the world at all: a TLS session names the member where
TLS is passed through, members resume sessions and do not share keys; a session cookie where the application sets
one and the members do not share sessions; the balancer's cookie where it keeps clients by one.

""" + _table(("members known", "signals that exist", "worlds", "unknown", "share"), rows, numbers_from=2)


def _axes(played: Sequence[Played]) -> str:
    rows = []
    for axis in AXES:
        for value in sorted({each.axes[axis] for each in played}):
            worlds = [each for each in played if each.axes[axis] == value]
            unknown = sum(each.whole == "unknown" for each in worlds)
            right = sum(map(_right, worlds))
            wrong = sum(each.wrong for each in worlds)
            other = len(worlds) - right - unknown - wrong
            rows.append((axis, value, len(worlds), right, other or "·", unknown, wrong or "·"))
    return """## By dimension

*Other*: broken and called broken, but with another severity than the catalogue gives where everything can be seen,
or `ok` with a bound that is true.

""" + _table(("dimension", "", "worlds", "right", "other", "unknown", "wrong"), rows, numbers_from=2)


def _methods(played: Sequence[Played]) -> str:
    free = [
        each
        for each in played
        if each.axes["persistence"] != "source" and Truth(each.truth) != Truth.ONE_APPLICATION
    ]
    rows = []
    for method, called in CALLED.items():
        worlds = [each for each in free if each.axes["method"] == method]
        counts = Counter(each.method or "unknown" for each in worlds)
        cells = [f"**{counts[m]}**" if m in called else counts[m] or "·" for m in METHODS]
        rows.append((method, len(worlds), *cells))
    return """## Methods

The balancer's method, and `method` of the report, leaving out persistence by source address. Bold: what it may be
called. A round robin that other clients use is `even`; smooth weights that repeat in the connections are `weighted`
by their cycle, and mild weights may be called `even`.

""" + _table(("method", "worlds", *METHODS), rows)


def _losses(played: Sequence[Played]) -> str:
    losing = [each for each in played if each.axes["lost"] != "none"]
    whole = [each for each in played if each.axes["lost"] == "none"]

    def told(worlds: Sequence[Played]) -> int:
        return sum(not OF_LOSSES.isdisjoint(each.others) for each in worlds)

    other = Counter(code for each in played for code in each.others if code not in OF_LOSSES)
    more = ", ".join(f"{code} in {count}" for code, count in sorted(other.items())) or "none"
    harder = sum(each.shown != each.whole for each in losing)
    codes = ", ".join(sorted(OF_LOSSES))
    return _prose(f"""## Lost connections

In {len(losing)} worlds up to 2 % of connections were lost. {told(losing)} of their reports have a finding that says
so ({codes}; the second is of slow ones), which is true, and which made the verdict of {harder} reports worse than the
balancing alone would have. Of the {len(whole)} worlds that lose nothing, {told(whole)} have such a finding.
Findings of other families that no other explains: {more}.
""")


def _discussion(played: Sequence[Played]) -> str:
    healthy, broken = _of(played, *HEALTHY), _of(played, *BROKEN)
    blind = [each for each in played if not each.telling]
    seeing = [each for each in played if each.telling]
    unknown_blind = sum(each.whole == "unknown" for each in blind)
    unknown_seeing = sum(each.whole == "unknown" for each in seeing)
    alarm_high = clopper_pearson(sum(p.wrong for p in healthy), len(healthy) or 1)[1]
    missed_high = clopper_pearson(sum(p.wrong for p in broken), len(broken) or 1)[1]
    weighted = _of(played, Truth.WEIGHTED, Truth.MILD)
    even = _of(played, Truth.EVEN)
    milder = sum(each.whole == "warning" for each in even)
    return _prose(f"""## What this says, and what it does not

- A healthy cluster is called broken in at most {_percent(alarm_high)} of worlds like these, and a broken one `ok` in
  at most {_percent(missed_high)} (upper ends of the intervals above; zero seen is not zero possible).
- `ok` means *one member answered n connections*, or *weights, and clients are kept*. Behind the first another member
  may have a share below the bound that the finding states: weights of 20:1 give the other members 4.8 % of two, and
  32 connections miss them in one run of five. Such a report is right in what it claims, and is counted apart. 10:1
  lies just above the bound, and may be missed in one run of twenty.
- Unknown, where no signal exists: {_rate(unknown_blind, len(blind))};
  where one does: {_rate(unknown_seeing, len(seeing))}.
  Without members, a TLS session that one member always answers, or that the balancer keeps clients by, is always
  recognised, which proves nothing. A cookie that changes with every response is never compared.
- Weights without persistence ({len(weighted)} worlds) are `critical` in place of `warning` where 32 to 96 connections
  do not reject equal shares; even balancing ({len(even)} worlds) is `warning` in {milder}
  where they reject them by chance, at 1 %.
- The lab's balancers are of one make. That of real ones (HAProxy, nginx) is in [balancers.md](balancers.md).
""")
