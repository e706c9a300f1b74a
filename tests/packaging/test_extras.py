"""Manual page and completions have every command and option of the grammar, and the shells take them."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys

import extras
import pytest


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("extras")
    extras.write(directory, PROGRAM)
    return directory


KNOWN = extras.commands()
PROGRAM = [sys.executable, "-m", "semscheck"]


def test_the_grammar_is_read():
    by_name = {command.name: command for command in KNOWN}
    assert {"check", "demo", "tui", "explain", "selftest"} <= by_name.keys()
    member = next(it for it in by_name["check"].options if "--member" in it.names)
    assert member.word == "NAME=REPLICATION_IP,CLIENT_IP"
    assert not any("--seed" in it.names for it in by_name["check"].options), "hidden options stay hidden"


def test_the_manual_has_everything(written):
    page = gzip.decompress((written / "man/man1/semscheck.1.gz").read_bytes()).decode()
    plain = page.replace("\\-", "-")
    for command in KNOWN:
        assert f".SS semscheck {command.name}" in plain
        for option in command.options:
            assert all(name in plain for name in option.names)


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man")
def test_the_manual_is_taken_without_a_warning(written):
    done = subprocess.run(
        ["man", "--warnings", "--local-file", str(written / "man/man1/semscheck.1.gz")],
        capture_output=True,
        text=True,
        check=True,
        env={"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANPAGER": "cat"},
    )
    assert done.stderr == ""
    assert "--profile FILE" in done.stdout


@pytest.mark.parametrize("shell", extras.COMPLETIONS)
def test_the_shell_can_read_it(written, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    subprocess.run([shell, "-n", str(written / extras.COMPLETIONS[shell])], check=True)


@pytest.mark.slow
def test_twice_the_same_bytes(written, tmp_path):
    extras.write(tmp_path, PROGRAM)
    for path in written.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / path.relative_to(written)).read_bytes(), path.name


def test_the_desktop_entry_opens_a_terminal(written):
    text = (written / "applications/semscheck.desktop").read_text()
    assert "Terminal=true" in text.splitlines()
    assert "Exec=semscheck" in text.splitlines()
    if shutil.which("desktop-file-validate") is not None:
        subprocess.run(["desktop-file-validate", str(written / "applications/semscheck.desktop")], check=True)
