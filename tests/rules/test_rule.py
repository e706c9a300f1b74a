"""How a rule is declared: what its card needs comes before its function."""

from __future__ import annotations

from typing import cast

import pytest

from semscheck.model.findings import Owner, Subject
from semscheck.model.target import Severity
from semscheck.rules import rule as registry
from semscheck.rules.context import RuleContext
from semscheck.rules.rule import Answers, Hit, NotObserved, card, lacking, need

CONTEXT = cast(RuleContext, None)
YES, NO = need(lambda _: True, "never"), need(lambda _: False, "it is not there")


@pytest.mark.parametrize(
    ("needs", "found"),
    [((), True), ((YES,), True), ((YES, NO), False), ((NO, need(lambda _: 1 / 0, "not asked")), False)],
)
def test_without_what_it_needs_a_rule_is_not_asked(
    needs: tuple[registry.Need, ...], found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_rules", {})

    @card(
        code="TST001", name="test", severity=Severity.INFO, owner=Owner.SERVER, summary="", why="", remedy="",
        seen_by="", needs=needs,
    )  # fmt: skip
    def always(context: RuleContext) -> Answers:
        yield Hit(subject=Subject("run", "run"), summary="It is there.")

    [answer] = registry._rules["TST001"].logic(CONTEXT)
    assert isinstance(answer, Hit) is found
    assert found or answer == NotObserved("it is not there")
    assert (lacking(needs, CONTEXT) is None) is found
