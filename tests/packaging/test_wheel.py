"""What `pip install` gets: built by the project's own back end, installed in a fresh environment, and run there."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is made from it: what is missing in the first cannot be in the second."""
    out = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", out, cwd=ROOT)
    sdist = next(out.glob("*.tar.gz"))
    with tarfile.open(sdist) as archive:  # one of our own; Debian 12's Python knows no filters
        archive.extractall(out / "source")
    source = next((out / "source").iterdir())
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=source)
    return sdist, next(out.glob("*.whl")), source


def test_the_wheel_has_the_program_and_its_papers_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(next(it for it in names if it.endswith("/METADATA"))).decode()
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2
    assert "semscheck" in tops
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "semscheck").rglob("*.py")}
    assert own <= set(names)
    assert "semscheck/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: Apache-2.0" in metadata
    assert (ROOT / "README.md").read_text(encoding="utf-8")[:200] in metadata


def test_an_index_is_told_where_everything_is(built):
    """Well-known labels (packaging.python.org, "Well-known Project URLs"); what lies in this tree exists in it."""
    with zipfile.ZipFile(built[1]) as wheel:
        metadata = message_from_bytes(
            wheel.read(next(it for it in wheel.namelist() if it.endswith("/METADATA")))
        )
    urls = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL"))
    assert set(urls) == {"Homepage", "Documentation", "Changelog", "Releases", "Source", "Issues"}
    assert all(url.startswith("https://") for url in urls.values())
    for url in urls.values():
        _, inside, path = url.partition("/main/")
        assert not inside or (ROOT / path).exists(), url
    classifiers = metadata.get_all("Classifier")
    oldest = metadata["Requires-Python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {oldest}" in classifiers
    assert metadata["Summary"]
    assert metadata["Keywords"]
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_the_sdist_has_what_building_and_testing_need(built):
    source = built[2]
    for name in (
        "README.md",
        "LICENSE",
        "Makefile",
        "pyproject.toml",
        "tests/conftest.py",
        "packaging/packages.py",
    ):
        assert (source / name).is_file(), name
    assert not list(source.rglob("__pycache__"))


def test_installed_in_a_fresh_environment_it_works(built, tmp_path):
    """As pipx does it: an environment of its own, the script run by its path from anywhere."""
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    run(programs / "python", "-m", "pip", "install", "--quiet", built[1], cwd=tmp_path)
    version = run(programs / "semscheck", "--version", cwd=tmp_path)
    assert version.strip() == f"semscheck {built[1].name.split('-')[1]}"
    told = run(programs / "semscheck", "selftest", cwd=tmp_path)
    assert told.splitlines()[-1] == "everything works"
    assert "without the exporter's libraries" in told
