"""The catalogue: how a rule is declared, and what a rule may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import wraps
from importlib import import_module

from semscheck.model.findings import Card, Confidence, Facts, ImpactKind, Owner, Subject
from semscheck.model.target import Severity
from semscheck.rules.context import RuleContext

# The modules of the catalogue, in its order.
FAMILIES = [
    "desktop",
    "interception",
    "dns",
    "dns_target",
    "dns_zone",
    "net",
    "net_contrast",
    "tls",
    "certificates",
    "certificate_places",
    "clients",
    "balancing",
    "cluster",
    "pages",
    "services",
    "watch",
    "run",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that the rule found. What is None is taken from the rule's card.

    summary: one plain sentence that names what and where. args: the facts in it, as text; facts: those that others go
    by, as values.
    evidence: ids of the observations it rests on.
    """

    subject: Subject
    summary: str
    evidence: tuple[str, ...] = ()
    severity: Severity | None = None
    confidence: Confidence | None = None
    owner: Owner | None = None
    remedy: str | None = None
    title: str | None = None
    impact: ImpactKind | None = None
    args: dict[str, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True)
class NotObserved:
    """What it would take was not seen; why says what was missing, in words that follow "not tested: "."""

    why: str


Answer = Hit | NotObserved
Answers = Iterator[Answer]
Logic = Callable[[RuleContext], Iterable[Answer]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A card and its logic. The logic yields hits; none, and no NotObserved either, means that it passed.

    A rule that yields both found something and could not see all; a rule that yields only NotObserved passed
    nothing and failed nothing.
    """

    card: Card
    logic: Logic


_rules: dict[str, Rule] = {}


def rule(of: Card) -> Callable[[Logic], Logic]:
    """Put a rule into the catalogue. Raises ValueError if its code or its name is taken."""

    def register(logic: Logic) -> Logic:
        taken = of.code in _rules or any(
            known.card.name == of.name and known.card.family == of.family for known in _rules.values()
        )
        if taken:
            raise ValueError(f"{of.code} {of.name} is in the catalogue already")
        _rules[of.code] = Rule(of, logic)
        return logic

    return register


Need = Callable[[RuleContext], NotObserved | None]


def need(holds: Callable[[RuleContext], object], why: str) -> Need:
    """What a rule cannot be judged without; why: as of `NotObserved`."""
    return lambda context: None if holds(context) else NotObserved(why)


def lacking(needs: Iterable[Need], context: RuleContext) -> NotObserved | None:
    """The first of them that does not hold, in words; None where all do."""
    return next((missing for each in needs if (missing := each(context)) is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class card(Card):  # noqa: N801  # it is used as a decorator
    """A card above the function that is its rule. Raises ValueError like `rule`.

    needs: without the first of them that does not hold, the rule is not observed, and its function is not asked.
    """

    needs: tuple[Need, ...] = ()

    def __call__(self, logic: Logic) -> Logic:
        @wraps(logic)
        def judged(context: RuleContext) -> Iterable[Answer]:
            missing = lacking(self.needs, context)
            return logic(context) if missing is None else (missing,)

        return rule(Card(**{one.name: getattr(self, one.name) for one in fields(Card)}))(judged)


def catalogue() -> tuple[Rule, ...]:
    """All rules, in the order of families and codes."""
    for module in FAMILIES:
        import_module(f"semscheck.rules.catalogue.{module}")

    def place(known: Rule) -> tuple[int, str]:
        return FAMILIES.index(known.logic.__module__.rpartition(".")[2]), known.card.code

    return tuple(sorted(_rules.values(), key=place))


def cards() -> Iterator[Card]:
    """The cards of all rules, in the catalogue's order."""
    return (known.card for known in catalogue())
