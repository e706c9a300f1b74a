"""`init --save`: the user's own profile, made and completed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from semscheck.cli import known_profiles
from semscheck.cli.commands.lab import playing
from semscheck.cli.commands.tui import doors
from semscheck.cli.known_profiles import USER
from semscheck.cli.main import main
from semscheck.discovery import Found
from semscheck.model.target import Endpoint, Member, Target
from semscheck.tui.runners import DoorError

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

    async def find(target: Target) -> Found:
        return found

    monkeypatch.setattr("semscheck.cli.commands.init.find", find)


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


def test_the_screens_keep_a_profile_of_the_servers_they_find(folder: Path) -> None:
    """Against the lab's servers, in a thread as the screens do it; the name is checked with it from then on."""
    screens = doors()
    assert screens.save_profile is not None
    with playing("healthy") as (_, target), ThreadPoolExecutor(1) as thread:
        alone = replace(target, members=(), balancers=())
        told = thread.submit(screens.save_profile, alone).result()
        members = screens.target(alone.fqdn, None).members
    assert "Servers: sems1.example.test, sems2.example.test, sems3.example.test" in told
    assert str(folder / f"{alone.fqdn}.toml") in told
    assert [member.name for member in members] == [f"sems{number}.example.test" for number in (1, 2, 3)]
    (folder / f"{alone.fqdn}.toml").write_text("[target\n")
    with pytest.raises(DoorError, match=alone.fqdn):
        screens.target(alone.fqdn, None)
