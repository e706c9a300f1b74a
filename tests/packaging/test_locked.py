"""What is built from is named to the byte, and from nowhere in particular."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packages import locked_freezer

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "packaging" / "requirements"
LOCKED = sorted(REQUIREMENTS.glob("*.txt"))


def entries(path: Path) -> dict[str, list[str]]:
    """The hashes of each requirement, by its line without them."""
    joined = re.sub(r"\\\n\s*", "", path.read_text(encoding="ascii"))
    found = {}
    for line in joined.splitlines():
        requirement, *hashes = line.split("--hash=")
        found[requirement.strip()] = hashes
    return found


def names(path: Path) -> set[str]:
    return {re.split(r"[=\[ ;]", line)[0].lower().replace("_", "-") for line in entries(path)}


def test_there_are_locks():
    assert {path.name for path in LOCKED} == {"program.txt", "tools.txt", "windows.txt", "winpython.txt"}


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_every_line_is_one_version_with_hashes(path):
    for requirement, hashes in entries(path).items():
        assert re.match(r"^[a-z0-9._-]+==[^ ;]+( ; .+)?$", requirement), requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64} ?", digest) for digest in hashes), requirement


@pytest.mark.parametrize("path", [*LOCKED, *sorted(REQUIREMENTS.glob("*.in"))], ids=lambda path: path.name)
def test_no_line_says_where_packages_come_from(path):
    text = path.read_text(encoding="ascii")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["program.txt", "windows.txt"])
def test_everything_the_program_asks_for_is_locked(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["exporter"]]
    wanted = {re.split(r"[<>=!~ \[]", line)[0].lower() for line in asked}
    assert wanted | {"pyinstaller"} <= names(REQUIREMENTS / name)


def test_the_starters_sources_are_held_to_the_hashes_of_the_freezer():
    path = REQUIREMENTS / "program.txt"
    version, entry = locked_freezer(path.read_text(encoding="ascii"))
    whole = {line.split("==")[0]: (line, hashes) for line, hashes in entries(path).items()}["pyinstaller"]
    assert whole[0] == f"pyinstaller=={version}"
    assert re.findall(r"sha256:[0-9a-f]{64}", entry) == [digest.strip() for digest in whole[1]]
    assert entry.count("==") == 1


def test_what_is_not_locked_is_not_fetched():
    with pytest.raises(SystemExit, match="not locked"):
        locked_freezer("pyinstaller-hooks-contrib==1 \\\n    --hash=sha256:00\n")


def test_windows_is_a_part_of_the_whole():
    whole = {line.split(" ;")[0]: hashes for line, hashes in entries(REQUIREMENTS / "program.txt").items()}
    for line, hashes in entries(REQUIREMENTS / "windows.txt").items():
        assert [it.strip() for it in whole[line]] == [it.strip() for it in hashes], line
