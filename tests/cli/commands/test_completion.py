"""Completions, in the shells themselves where they are there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from semscheck.cli.commands.completion import script
from semscheck.cli.options import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_knows_the_commands_and_options(shell: str) -> None:
    text = script(shell).decode()
    assert "semscheck" in text
    for word in ("replay", "resolver", "nagios"):
        assert word in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["chec"], "check"),
        (["check", "--reso"], "--resolver"),
        (["check", "--format", "jun"], "junit"),
        (["demo", "round-r"], "round-robin"),
        (["tui", "--lab", "round-r"], "round-robin"),
        (["explain", "BAL00"], "BAL001"),
        (["explain", "DNS004", "BAL00"], "BAL001"),
    ],
)
def test_bash_completes(tmp_path: Path, words: list[str], wanted: str) -> None:
    (tmp_path / "completions").write_bytes(script("bash"))
    line = " ".join(f"'{word}'" for word in ["semscheck", *words])
    code = (
        f"source {tmp_path}/completions; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
        "fn=$(complete -p semscheck | sed -E 's/.*-F ([^ ]+).*/\\1/'); "
        f"$fn semscheck '{words[-1]}' \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert wanted in [line.strip() for line in done.stdout.splitlines()]
