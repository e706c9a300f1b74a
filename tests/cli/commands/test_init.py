"""`init --save`: the user's own profile, made and completed."""

from __future__ import annotations

from pathlib import Path

import pytest

from semscheck.cli import known_profiles
from semscheck.cli.known_profiles import USER
from semscheck.cli.main import main
from semscheck.discovery import Found
from semscheck.model.target import Endpoint, Member, Target

NAME = "keys.example.test"


def _found(*numbers: int) -> Found:
    members = (
        Member(f"sems{number}.example.test", client=(Endpoint(f"192.0.2.{number}"),), found=True)
        for number in numbers
    )
    return Found(Target(NAME, fqdn_shown=NAME), ("192.0.2.100",), tuple(members), reachable=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(known_profiles, "folders", lambda: ((USER, tmp_path / "profiles"),))
    return tmp_path / "profiles"


def _finds(monkeypatch: pytest.MonkeyPatch, found: Found) -> None:
    """The search itself is tested on real servers, in tests/test_discovery.py."""
    monkeypatch.setattr("semscheck.cli.commands.init._find", lambda target: found)


def test_it_is_made_then_completed_and_nothing_is_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _finds(monkeypatch, _found(1))
    assert main(["init", NAME, "--save", "--quiet"]) == 0
    path = folder / f"{NAME}.toml"
    assert 'name = "sems1.example.test"' in path.read_text()
    path.write_text(path.read_text() + "# a note of mine\n")
    _finds(monkeypatch, _found(1, 2))
    assert main(["init", NAME, "--save", "--quiet"]) == 0
    text = path.read_text()
    assert "# a note of mine\n" in text
    assert (text.count("sems1.example.test"), text.count("sems2.example.test")) == (1, 1)


def test_a_broken_one_is_left_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    path = folder / f"{NAME}.toml"
    path.write_text("[target\n")
    _finds(monkeypatch, _found(1))
    assert main(["init", NAME, "--save"]) == 3
    assert str(path) in capsys.readouterr().err
    assert path.read_text() == "[target\n"
