"""What all tests share: the policy of `tests.rig.policy`, and a rig of real servers per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import policy
from tests.rig.rig import Rig, open_rig

pytest_runtest_makereport = policy.pytest_runtest_makereport
pytest_collection_finish = policy.pytest_collection_finish
pytest_make_collect_report = policy.pytest_make_collect_report


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Real servers on a network of the test's own: namespaces, or loopback where root is missing."""
    with open_rig(tmp_path) as opened:
        yield opened


@pytest.fixture
def namespaced_rig(tmp_path: Path) -> Iterator[Rig]:
    """The same, for what only network namespaces can do; skipped where they are not to be had."""
    with open_rig(tmp_path, namespaces_only=True) as opened:
        yield opened
