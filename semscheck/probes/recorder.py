"""Where observations are kept as they come, numbered, timed, and told to whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from semscheck.model.observations import AnyObservation, Bound, Observation
from semscheck.net.backend import Clock

Kind = TypeVar("Kind", bound=Observation)

MAX_OBSERVATIONS = 20_000  # far above an honest run; a bound, so that nothing hostile fills the memory


class Recorder:
    """The run's observations in the order they were made. Not thread-safe: one event loop owns it."""

    def __init__(self, clock: Clock, heard: Callable[[AnyObservation], None] | None = None) -> None:
        self._clock = clock
        self._heard = heard
        self._zero = clock.monotonic()
        self._observations: list[AnyObservation] = []
        self._fingerprints: set[str] = set()

    @property
    def observations(self) -> tuple[AnyObservation, ...]:
        return tuple(self._observations)

    def now(self) -> float:
        """Seconds since the run began."""
        return self._clock.monotonic() - self._zero

    def add(self, kind: type[Kind], began_s: float, *, elapsed_s: float | None = -1.0, **data: Any) -> Kind:
        """Record one observation that began at `began_s` (from `now()`).

        elapsed_s: None where it has no length; left out, it is the time from `began_s` until now.
        """
        took = self.now() - began_s if elapsed_s == -1.0 else elapsed_s
        observation = kind(
            id=f"o{len(self._observations) + 1}",
            at_s=round(began_s, 6),
            elapsed_s=None if took is None else round(took, 6),
            **data,
        )
        if len(self._observations) < MAX_OBSERVATIONS:
            self._keep(cast(AnyObservation, observation))
        elif len(self._observations) == MAX_OBSERVATIONS:
            bound = Bound(
                id=observation.id,
                at_s=observation.at_s,
                what="observations kept",
                seen=MAX_OBSERVATIONS + 1,
                used=MAX_OBSERVATIONS,
            )
            self._keep(bound)
        return observation

    def _keep(self, observation: AnyObservation) -> None:
        self._observations.append(observation)
        if self._heard is not None:
            self._heard(observation)

    def is_new_certificate(self, fingerprint: str) -> bool:
        """True the first time a fingerprint is asked about, so that each certificate is recorded once."""
        if fingerprint in self._fingerprints:
            return False
        self._fingerprints.add(fingerprint)
        return True
