"""Connections that failed because this desktop made too many in a short time: they say nothing of the pool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from semscheck.model.observations import AnyObservation, Bound, Sample


def kept_away(observations: Iterable[AnyObservation]) -> frozenset[str]:
    """Ids of samples that a limit on this desktop kept away (see `model.observations.Bound`)."""
    bounds = (seen for seen in observations if isinstance(seen, Bound))
    return frozenset(sample for bound in bounds for sample in bound.samples)


def without_those(samples: Sequence[Sample], left_out: frozenset[str]) -> list[Sample]:
    """The others, numbered as if those had not been made: they took no member's turn. Fresh connections and pairs
    are counted together, as they are made."""
    if not left_out.intersection(sample.id for sample in samples):
        return list(samples)
    found: list[Sample] = []
    missing: dict[str, int] = {}
    for sample in samples:
        arm = "fresh" if sample.arm == "pairs" else sample.arm
        if sample.arm == "fresh" and sample.index == 0:
            missing[arm] = 0  # the arm began anew
        if sample.id in left_out:
            missing[arm] = missing.get(arm, 0) + 1
        else:
            found.append(replace(sample, index=sample.index - missing.get(arm, 0)))
    return found
