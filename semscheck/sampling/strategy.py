"""What sampling has to know on its way and cannot judge itself, as the caller hands it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from semscheck.model.observations import Control, Exchange, Handshake, Sample, Trace

Seen = Sample | Trace | Control | Exchange | Handshake


class SamplingStrategy(Protocol):
    """Judgements that sampling asks for. All pure: the same facts, the same answer.

    seen: the connections so far, and what this address and the members showed when they were looked at. A history is
    who answered each fresh connection so far, in order; None where that is unknown.
    """

    def keys_usable(self, seen: Sequence[Seen]) -> bool | None:
        """Whether the keys of tickets tell who ends TLS, so that nothing need be shown back; None while that cannot
        be told from what there is."""

    def named_by_keys(self, seen: Sequence[Seen]) -> bool:
        """Whether the keys of the fresh connections are members' own, so that one key names one member."""

    def keys_to_ask(self, seen: Sequence[Seen], members: Sequence[str]) -> tuple[str, ...]:
        """Members that should be asked for their keys once more."""

    def telling(self, controls: Sequence[Control], members: Sequence[str]) -> frozenset[str]:
        """The tokens that name a member here (known to their issuer, to no other): "tls", or cookies' names."""

    def may_be_session(self, name: str, value: str) -> bool:
        """Whether a cookie may be a session of the application; False for one that a balancer keeps clients by,
        which would lead back to its member instead of naming it."""

    def labels(self, seen: Sequence[Seen]) -> Mapping[str, str]:
        """Who answered, by the sample's id, where that is known."""

    def first_asked(self, history: Sequence[str | None], members: Sequence[str]) -> tuple[str, ...]:
        """The members in the order in which a token should be shown to them."""

    def enough(self, history: Sequence[str | None], settled: bool) -> bool:
        """Whether more fresh connections could not change the code. settled: what is unknown will stay so."""

    def expected(self, history: Sequence[str | None]) -> tuple[str | None, ...]:
        """The same with the unknown connections filled in, as what came before them suggests."""

    def more(self, history: Sequence[str | None]) -> int:
        """How many further fresh connections would settle what the planned ones left open; 0 for none."""

    def foreseen(self, history: Sequence[str | None], later: Sequence[str | None]) -> str | None:
        """The member to which a cycle would bring the next connection; None where there is none beyond doubt.
        later: who answered the connections since the fresh ones, as far as it is known."""

    def spread(self, history: Sequence[str | None]) -> bool:
        """Whether more than one member was seen so far."""

    def several(self, seen: Sequence[Seen]) -> bool:
        """The same where the fresh connections are all made, so that persistence can be measured: a key that has not
        come back by then is no second member."""

    def moved(self, seen: Sequence[Seen]) -> bool | None:
        """Whether the last connection, made after a pause, met another member than the fresh ones. None where that
        cannot be told."""
