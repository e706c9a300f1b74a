"""Profiles that are found by a server's name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from semscheck.cli import known_profiles
from semscheck.cli.errors import CommandError
from semscheck.cli.known_profiles import SITE, USER, profile_for
from semscheck.cli.main import main

NAME = "keys.example.test"
FOR_NAME = f'[target]\nfqdn = "{NAME}"\n'


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder; the site's is beside it."""
    for folder in ("user", "site"):
        (tmp_path / folder).mkdir()
    found = ((USER, tmp_path / "user"), (SITE, tmp_path / "site"))
    monkeypatch.setattr(known_profiles, "folders", lambda: found)
    monkeypatch.setattr("semscheck.cli.commands.profiles.folders", lambda: found)
    return tmp_path / "user"


@pytest.fixture
def site(user: Path) -> Path:
    return user.parent / "site"


@pytest.mark.parametrize("typed", [NAME, "KEYS.example.test.", f"https://{NAME}:8443/omc", f" {NAME}:443 "])
def test_it_is_found_by_what_was_typed(user: Path, typed: str) -> None:
    (user / "a.toml").write_text(FOR_NAME)
    known = profile_for(typed)
    assert known is not None
    assert (known.path, known.source) == (user / "a.toml", USER)


def test_the_users_own_wins_over_the_sites(user: Path, site: Path) -> None:
    (site / "a.toml").write_text(FOR_NAME)
    found = profile_for(NAME)
    assert found is not None
    assert found.source == SITE
    (user / "a.toml").write_text(FOR_NAME)
    found = profile_for(NAME)
    assert found is not None
    assert found.source == USER


def test_none_for_another_name_an_address_or_nonsense(user: Path) -> None:
    (user / "a.toml").write_text(FOR_NAME)
    for typed in ("other.example.test", "192.0.2.1", "::1", "a..b", "x" * 5000):
        assert profile_for(typed) is None


def test_two_of_one_folder_are_an_error_that_names_both(user: Path) -> None:
    (user / "a.toml").write_text(FOR_NAME)
    (user / "b.toml").write_text(FOR_NAME)
    with pytest.raises(CommandError, match=r"a\.toml and .*b\.toml"):
        profile_for(NAME)


def test_a_broken_one_is_an_error_that_names_file_and_key(
    user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (user / "a.toml").write_text(FOR_NAME + 'port = "many"\n')
    assert main(["check", NAME]) == 3
    assert f"{user / 'a.toml'}: target.port: a whole number is expected" in capsys.readouterr().err
    (user / "a.toml").rename(user / f"{NAME}.toml")
    (user / f"{NAME}.toml").write_text("[target\n")
    assert main(["check", NAME]) == 3
    assert f"{user / NAME}.toml: not TOML" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("part", ["file", "folder"])
def test_what_others_may_write_is_not_trusted(user: Path, part: str) -> None:
    path = user / f"{NAME}.toml"
    path.write_text(FOR_NAME)
    (path if part == "file" else user).chmod(0o777)
    with pytest.raises(CommandError, match="can be written by others"):
        profile_for(NAME)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives a file to another user")
def test_a_strangers_file_is_not_trusted(user: Path) -> None:
    path = user / f"{NAME}.toml"
    path.write_text(FOR_NAME)
    os.chown(path, 12345, 0)
    with pytest.raises(CommandError, match="belongs to another user"):
        profile_for(NAME)


def test_it_is_used_and_said_and_can_be_left_out(
    user: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[object] = []

    def read(profile: Path | None, given: object) -> object:
        used.append(profile)
        raise CommandError("enough")

    monkeypatch.setattr("semscheck.cli.targets.read", read)
    (user / "a.toml").write_text(FOR_NAME)
    main(["check", NAME])
    assert f"profile: {user / 'a.toml'} (the user's" in capsys.readouterr().err
    main(["check", NAME, "--no-profile"])
    assert used == [user / "a.toml", None]


def test_profiles_lists_them_with_where_they_come_from(
    user: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profiles"]) == 0
    assert str(user) in capsys.readouterr().out
    (user / "a.toml").write_text(FOR_NAME)
    assert main(["profiles"]) == 0
    assert f"{NAME} {user / 'a.toml'} (the user's)" in capsys.readouterr().out
    (site / "b.toml").write_text(FOR_NAME + "prot = 1\n")
    assert main(["profiles"]) == 3
    assert f"cannot be used: target.prot: unknown key; did you mean port? {site / 'b.toml'}" in (
        capsys.readouterr().out
    )


def test_the_screens_offer_this_folders_and_those_that_are_found(
    user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from semscheck.cli.commands.tui import _profiles

    here = tmp_path / "here"
    (here / "dir.toml").mkdir(parents=True)
    (here / "b.toml").write_text('[target]\nfqdn = "keys.example.com"\n')
    (here / "pyproject.toml").write_text("[project]\n")
    (here / "broken.toml").write_text("[target")
    (here / "latin.toml").write_bytes(b"[target]\n# \xff\n")
    (here / "target.txt").write_text('[target]\nfqdn = "keys.example.com"\n')
    (user / "a.toml").write_text('[target]\nfqdn = "other.example.com"\n')
    monkeypatch.chdir(here)
    assert _profiles() == (here / "b.toml", user / "a.toml")
    monkeypatch.chdir(user)
    assert _profiles() == (user / "a.toml",)
