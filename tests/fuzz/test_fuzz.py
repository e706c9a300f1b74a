"""Every reader a few hundred times, and every input that ever went wrong."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import FOUND, fault_of, fuzz
from tests.fuzz.targets import TARGETS
from tests.rig.policy import examples

INPUTS = sorted(path.name for path in FOUND.glob("*.bin"))


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run(name: str) -> None:
    tried, faults = fuzz(name, seconds=20, seed=1, most=20 if name == "report" else examples(300))
    assert tried >= 5
    assert faults == {}


@pytest.mark.parametrize("path", INPUTS)
def test_what_went_wrong_once(path: str) -> None:
    assert fault_of(path.rpartition("-")[0], (FOUND / path).read_bytes()) is None


@pytest.mark.parametrize("name", TARGETS)
def test_the_samples_are_read(name: str) -> None:
    """A target that refuses everything would find nothing."""
    target = TARGETS[name]
    accepted = 0
    for sample in target.samples():
        try:
            target.read(sample)
            accepted += 1
        except target.refusals:
            continue
    assert accepted or name == "web-configuration"  # its files are not there
