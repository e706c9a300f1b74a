"""`drill` end to end on the embedded lab: lines, JSON, marks, interruption, and what is wrong input."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

from semscheck.cli.main import main
from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS
from semscheck.report import schema
from tests.rig.policy import PATIENT_TOML

DOCUMENT = schema.document()


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    with LabThread(SCENARIOS["healthy"].world) as thread:
        profile = tmp_path_factory.mktemp("watched") / "profile.toml"
        profile.write_text(thread.lab.profile_toml() + PATIENT_TOML, encoding="utf-8")
        resolvers = [part for resolver in thread.lab.resolvers for part in ("--resolver", resolver)]
        yield ("drill", "--profile", str(profile), *resolvers, "--every", "0.5")


def started(arguments: tuple[str, ...], *more: str) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "semscheck", *arguments, *more], text=True, **pipes)


@pytest.mark.slow
def test_lines_as_they_come_then_the_report(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--for", "4s"]) == 3
    out = capsys.readouterr().out
    assert re.search(r"^\d\d:\d\d:\d\d ✔ (sems1\.example\.test|server A) answers", out, re.MULTILINE)
    assert "? unknown" in out
    assert re.search(r"^  A (sems1\.example\.test|server A)$", out, re.MULTILINE)
    assert re.search(r"Nothing happened: \d connections", " ".join(out.split()))
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.slow
def test_json_lines_validate(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--for", "2s", "--json", "--quiet"]) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in (lines[0], lines[-1])] == ["run", "summary"]
    validator = Draft202012Validator({**DOCUMENT["$defs"]["Analysis"], "$defs": DOCUMENT["$defs"]})
    validator.validate(lines[-1]["analysis"])
    each = Draft202012Validator({**DOCUMENT["$defs"]["AnyObservation"], "$defs": DOCUMENT["$defs"]})
    seen = [line["observation"] for line in lines if line["type"] == "observation"]
    for observation in seen:
        each.validate(observation)
    assert lines[-1]["analysis"]["watch"]["ticks"] == sum(one["kind"] == "sample" for one in seen) == 4


@pytest.mark.slow
def test_saved_replayed_and_exported_like_a_run(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "watch.json"
    assert main([*arguments, "--for", "2s", "--save", str(saved), "--quiet"]) == 3
    document = json.loads(saved.read_text())
    Draft202012Validator(DOCUMENT).validate(document)
    assert set(document["analysis"]["watch"]) >= {"ticks", "answered_by", "outages", "marks"}
    assert document["run"]["options"] == {"every": "0.5", "for": "2"}
    capsys.readouterr()
    for form in ("json", "html", "ticket", "markdown", "nagios", "junit", "prometheus", "jsonl"):
        assert main(["replay", str(saved), "--format", form]) == 3
        assert capsys.readouterr().out
    assert main(["replay", str(saved), "--json", "--redact"]) == 3
    redacted = json.loads(capsys.readouterr().out)
    assert "sems1" not in json.dumps(redacted)
    assert redacted["analysis"]["watch"]["ticks"] == document["analysis"]["watch"]["ticks"]


@pytest.mark.slow
def test_a_line_of_standard_input_is_a_mark_and_an_interruption_leaves_a_report(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    saved = tmp_path / "watch.json"
    program = started(arguments, "--for", "10m", "--save", str(saved))
    assert program.stdin is not None
    assert program.stdout is not None
    assert "leads to" in program.stdout.readline()
    assert "answers" in program.stdout.readline()
    program.stdin.write("sems1 stopped\n")
    program.stdin.flush()
    assert "mark: sems1 stopped" in program.stdout.readline()
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert program.returncode == 3, err
    assert "mark: sems1 stopped" in out
    document = json.loads(saved.read_text())
    assert [mark["text"] for mark in document["analysis"]["watch"]["marks"]] == ["sems1 stopped"]
    assert document["analysis"]["watch"]["ticks"] >= 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--every", "0.1"), "0.5 to 60 seconds"),
        (("--every", "nan"), "0.5 to 60 seconds"),
        (("--for", "0s"), "one tick"),
        (("--for", "100h"), "minutes"),
        (("--for", "soon"), "no duration"),
    ],
)
def test_wrong_input_is_one_clear_line(
    given: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drill", "keys.example.com", *given]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


def test_help_says_what_the_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--help"]) == 0
    assert "longer than its outage_s" in " ".join(capsys.readouterr().out.split())
