"""What sampling has to know on its way and cannot judge itself, as the caller hands it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from semscheck.model.observations import Control, Exchange, Sample, Trace

Seen = Sample | Trace | Control | Exchange


class SamplingStrategy(Protocol):
    """Judgements that sampling asks for. All pure: the same facts, the same answer.

    A history is who answered each fresh connection so far, in order; None where that is unknown.
    """

    def telling(self, controls: Sequence[Control], members: Sequence[str]) -> frozenset[str]:
        """The tokens that name a member here (known to their issuer, to no other): "tls", or cookies' names."""

    def may_be_session(self, name: str, value: str) -> bool:
        """Whether a cookie may be a session of the application; False for one that a balancer keeps clients by,
        which would lead back to its member instead of naming it."""

    def history(self, seen: Sequence[Seen]) -> tuple[str | None, ...]:
        """Who answered each fresh connection."""

    def first_asked(self, history: Sequence[str | None], members: Sequence[str]) -> tuple[str, ...]:
        """The members in the order in which a token should be shown to them."""

    def enough(self, history: Sequence[str | None], members: int) -> bool:
        """Whether more fresh connections could not change the code."""

    def expected(self, history: Sequence[str | None]) -> tuple[str | None, ...]:
        """The same with the unknown connections filled in, as what came before them suggests."""

    def more(self, history: Sequence[str | None]) -> int:
        """How many further fresh connections would settle what the planned ones left open; 0 for none."""

    def foreseen(self, history: Sequence[str | None], later: Sequence[str | None]) -> str | None:
        """The member to which a cycle would bring the next connection; None where there is none beyond doubt.
        later: who answered the connections since the fresh ones, as far as it is known."""

    def spread(self, history: Sequence[str | None]) -> bool:
        """Whether more than one member was seen, so that persistence can be measured."""
