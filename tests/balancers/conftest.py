"""One stand per worker: members stay, balancers come and go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.balancers.stand import Stand
from tests.rig.rig import open_rig


@pytest.fixture(scope="package")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with open_rig(tmp_path_factory.mktemp("stand")) as rig:
        yield Stand(rig)
