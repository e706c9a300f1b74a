"""One cluster for each module of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig.rig import open_rig
from tests.scenarios.cluster import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with open_rig(tmp_path_factory.mktemp("causes"), namespaces_only=True) as rig:
        yield Cluster(rig)
