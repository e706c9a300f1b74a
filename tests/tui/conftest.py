"""The application on doors that are played: scripted checks, reports that never change, a store in a
temporary directory."""

from __future__ import annotations

import pytest

from tests.tui.play import Play


@pytest.fixture
def play(tmp_path) -> Play:
    return Play(tmp_path)
