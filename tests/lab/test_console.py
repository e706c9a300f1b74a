"""`semscheck lab` as a process: what it says, what it writes, how it ends."""

from __future__ import annotations

import io
import os
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from semscheck.lab.console import (
    NOTICE,
    UnknownScenarioError,
    _introduction,
    find_scenario,
    list_scenarios,
    run_lab,
)
from semscheck.lab.scenarios import SCENARIOS

PROGRAM = (
    "import sys, pathlib; from semscheck.lab.console import run_lab; sys.exit(run_lab({0!r}, directory={1}))"
)


def test_the_list_fits_eighty_columns_and_is_complete() -> None:
    out = io.StringIO()
    list_scenarios(out)
    lines = out.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert {line.split()[0] for line in lines if line[:1].strip()} == set(SCENARIOS)


def test_a_misspelt_scenario_is_told_what_is_near() -> None:
    with pytest.raises(UnknownScenarioError, match="did you mean round-robin"):
        find_scenario("roundrobin")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_plays_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    target = tmp_path / "lab"
    program = PROGRAM.format("round-robin", f"pathlib.Path({str(target)!r})")
    with subprocess.Popen(
        [sys.executable, "-u", "-W", "default", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = ""
        while "Ctrl-C ends it" not in said:
            said += process.stdout.readline()
            assert process.poll() is None
        assert said.startswith(NOTICE)
        assert f"semscheck check --profile {target / 'profile.toml'} --resolver 127." in said
        profile = tomllib.loads((target / "profile.toml").read_text())
        assert (target / profile["target"]["ca_file"]).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
        assert "The lab is gone." in rest
        assert errors == ""
        assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["lab"]


def test_what_cannot_be_played_is_one_line_and_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_lab("healthy", bind="192.0.2.0/24", out=io.StringIO()) == 3
    said = capsys.readouterr().err
    assert said.startswith("semscheck lab: --bind 192.0.2.0/24: ")
    assert said.count("\n") == 1


def test_where_only_the_services_show_what_is_wrong_they_are_asked(tmp_path: Path) -> None:
    from semscheck.cli.commands.lab import playing

    with playing("management-exposed") as (_, target):
        assert target.ask_services
    with playing("healthy") as (lab, target):
        assert not target.ask_services
        profile = tmp_path / "my lab" / "profile.toml"
        command = next(
            line for line in _introduction(lab, profile, services=True) if "semscheck check" in line
        )
    assert shlex.split(command)[2:4] == ["--profile", str(profile)]
    assert command.endswith(" --services")
