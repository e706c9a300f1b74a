"""The description of the Windows installer: for the user alone, every file once, everything removed again."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "packaging" / "windows"))

import installer

WIX = "{http://schemas.microsoft.com/wix/2006/wi}"
FILES = ("semscheck.exe", "lib/python313.dll", "lib/a & b/data.txt", "LICENSE")


@pytest.fixture
def document(tmp_path):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return ET.fromstring(installer.describe(tmp_path, "1.2.3"))


def test_for_the_user_without_administrators(document):
    package = document.find(f".//{WIX}Package")
    assert package.get("InstallScope") == "perUser"
    assert document.find(f".//{WIX}Environment").get("System") == "no"
    assert {it.get("Root") for it in document.iter(f"{WIX}RegistryValue")} == {"HKCU"}


def test_every_file_once_and_every_component_in_the_feature(document, tmp_path):
    sources = [Path(it.get("Source")).relative_to(tmp_path).as_posix() for it in document.iter(f"{WIX}File")]
    assert sorted(sources) == sorted(FILES)
    components = [it.get("Id") for it in document.iter(f"{WIX}Component")]
    assert len(set(components)) == len(components)
    assert sorted(components) == sorted(it.get("Id") for it in document.iter(f"{WIX}ComponentRef"))


def test_every_directory_is_removed_again(document):
    """Each by a component that stands in it."""
    made = [
        it
        for it in document.iter(f"{WIX}Directory")
        if it.get("Id") == "INSTALLDIR" or it.get("Id")[0] == "d"
    ]
    assert len(made) == 3
    for directory in made:
        assert directory.find(f"{WIX}Component/{WIX}RemoveFolder") is not None, directory.get("Name")


def test_the_same_file_is_the_same_component_in_the_next_version(document, tmp_path):
    def guids(text: str) -> set[str]:
        return set(re.findall(r'Guid="([^"]+)"', text))

    one, two = installer.describe(tmp_path, "1.2.3"), installer.describe(tmp_path, "1.2.4")
    assert guids(one) == guids(two)
    assert one.replace("1.2.3", "1.2.4") == two
