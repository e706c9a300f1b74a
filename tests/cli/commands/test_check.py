"""`check`, `demo`, `replay` and `compare` end to end on the embedded lab: outputs, exit codes, interruption."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
from jsonschema_rs import Draft202012Validator

from semscheck.cli.main import main
from semscheck.lab.cluster import LabThread
from semscheck.lab.scenarios import SCENARIOS
from semscheck.report import schema
from tests.rig.policy import PATIENT_TOML

VALIDATOR = Draft202012Validator(schema.document())


@dataclass(frozen=True)
class Cluster:
    """A running lab, and the arguments that check it."""

    arguments: tuple[str, ...]
    fqdn: str
    members: tuple[str, ...]
    addresses: tuple[str, ...]


@contextmanager
def running(scenario: str, folder: Path) -> Iterator[Cluster]:
    with LabThread(SCENARIOS[scenario].world) as thread:
        lab = thread.lab
        profile = folder / f"{scenario}.toml"
        profile.write_text(lab.profile_toml() + PATIENT_TOML, encoding="utf-8")
        resolvers = [part for resolver in lab.resolvers for part in ("--resolver", resolver)]
        addresses = {member.client for member in lab.members} | {member.replication for member in lab.members}
        yield Cluster(
            # Patient, since the machine may be busy; and one connection right after another.
            ("--profile", str(profile), "--timeout", "20", "--spread", "0", *resolvers),
            lab.fqdn,
            tuple(member.name for member in lab.members),
            tuple(sorted(addresses | set(lab.balancer_addresses))),
        )


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running("round-robin", tmp_path_factory.mktemp("broken")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running("healthy", tmp_path_factory.mktemp("healthy")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def warned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running("certificate-expires-soon", tmp_path_factory.mktemp("warned")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def saved(broken: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "evidence.json"
    assert main(["check", *broken.arguments, "--quiet", "--save", str(path), "--output", os.devnull]) == 2
    return path


def check(capsys: pytest.CaptureFixture[str], cluster: Cluster, *more: str) -> tuple[int, str, str]:
    code = main(["check", *cluster.arguments, *more])
    out, err = capsys.readouterr()
    return code, out, err


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- verdicts and exit codes -------------------------------------------------------------------------------


def test_a_healthy_cluster_is_ok(capsys: pytest.CaptureFixture[str], healthy: Cluster) -> None:
    code, out, err = check(capsys, healthy, "--json")
    document = json.loads(out)
    VALIDATOR.validate(document)
    told = [finding["summary"] for finding in document["findings"] if finding["severity"] != "info"]
    assert told == []
    assert (code, document["summary"]["verdict"], document["summary"]["exit_code"]) == (0, "ok", 0)
    assert document["run"]["origin"] == "live"
    assert err == ""


def test_a_broken_cluster_is_critical_and_the_text_says_what_where_who(
    capsys: pytest.CaptureFixture[str], broken: Cluster
) -> None:
    code, out, err = check(capsys, broken)
    assert code == 2
    assert out.startswith("✖ critical")
    for words in (
        broken.fqdn,
        "Round robin without persistence (BAL001)",
        "load balancer administrator",
        *broken.members,
    ):
        assert words in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert err == ""


@pytest.mark.slow
def test_fail_on_critical_makes_a_warning_0_and_leaves_the_verdict(
    capsys: pytest.CaptureFixture[str], warned: Cluster
) -> None:
    code, out, _ = check(capsys, warned, "--json")
    assert (code, json.loads(out)["summary"]["verdict"]) == (1, "warning")
    code, out, _ = check(capsys, warned, "--json", "--fail-on", "critical")
    document = json.loads(out)
    VALIDATOR.validate(document)
    assert (code, document["summary"]["verdict"], document["summary"]["exit_code"]) == (0, "warning", 0)


@pytest.mark.slow
def test_fail_on_critical_leaves_critical_and_unknown(
    capsys: pytest.CaptureFixture[str], broken: Cluster
) -> None:
    assert check(capsys, broken, "--fail-on", "critical")[0] == 2
    code, out, _ = check(capsys, broken, "--fail-on", "critical", "--deadline", "0.1", "--json")
    document = json.loads(out)
    VALIDATOR.validate(document)
    assert (code, document["summary"]["verdict"]) == (3, "unknown")
    assert "SEM002" in {finding["code"] for finding in document["findings"]}


def test_a_changed_severity_changes_the_exit_code(
    capsys: pytest.CaptureFixture[str], broken: Cluster
) -> None:
    code, out, _ = check(capsys, broken, "--severity", "BAL001=info", "--json")
    found = {finding["code"]: finding for finding in json.loads(out)["findings"]}
    assert found["BAL001"]["severity"] == "info"
    assert (code, [each["summary"] for each in found.values() if each["severity"] != "info"]) == (0, [])


def test_what_was_asked_stands_in_the_report_and_where_it_went_does_not(
    capsys: pytest.CaptureFixture[str], healthy: Cluster, tmp_path: Path
) -> None:
    _, out, _ = check(
        capsys, healthy, "--json", "--connections", "5", "-4", "--save", str(tmp_path / "e.json")
    )
    run = json.loads(out)["run"]
    assert run["options"] == {
        "connections": "5",
        "families": "4",
        "timeout": "20.0",
        "resolver": healthy.arguments[healthy.arguments.index("--resolver") + 1],
    }


# --- where output goes -------------------------------------------------------------------------------------


def test_every_format_from_one_report(capsys: pytest.CaptureFixture[str], saved: Path) -> None:
    outputs = {}
    for form in ("text", "json", "jsonl", "html", "markdown", "nagios", "prometheus", "junit"):
        code = main(["replay", str(saved), "--format", form])
        outputs[form], err = capsys.readouterr()
        assert (code, err) == (2, ""), form
        assert outputs[form].endswith("\n"), form
    VALIDATOR.validate(json.loads(outputs["json"]))
    lines = [json.loads(line) for line in outputs["jsonl"].splitlines()]
    assert (lines[0]["type"], lines[-1]["type"]) == ("run", "summary")
    assert outputs["html"].startswith("<!DOCTYPE html>") or outputs["html"].startswith("<!doctype html>")
    assert outputs["nagios"].startswith("SEMSCHECK CRITICAL - ")
    assert "semscheck_up{" in outputs["prometheus"]
    assert ET.fromstring(outputs["junit"]).tag == "testsuites"
    assert "BAL001" in outputs["markdown"]


def test_output_and_save_are_whole_files_and_nothing_is_left_beside_them(
    capsys: pytest.CaptureFixture[str], broken: Cluster, tmp_path: Path
) -> None:
    report, evidence = tmp_path / "report.html", tmp_path / "evidence.json"
    report.write_text("old")
    report.chmod(0o640)
    code, out, err = check(
        capsys, broken, "--format", "html", "--output", str(report), "--save", str(evidence)
    )
    assert (code, out, err) == (2, "", "")
    assert "</html>" in report.read_text("utf-8")
    assert report.stat().st_mode & 0o777 == 0o640
    VALIDATOR.validate(json.loads(evidence.read_bytes()))
    assert left_in(tmp_path) == {"report.html", "evidence.json"}


def test_a_link_keeps_pointing_where_it_did(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    assert main(["replay", str(saved), "--json", "--output", str(tmp_path / "link.json")]) == 2
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_bytes())["schema"] == "semscheck/report/1"
    assert left_in(tmp_path) == {"real.json", "link.json"}


def test_a_device_is_written_and_not_replaced(saved: Path) -> None:
    assert main(["replay", str(saved), "--output", os.devnull]) == 2
    assert Path(os.devnull).is_char_device()


def test_a_pipe_is_written(saved: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    limit = monotonic() + 20
    code = 3
    while code == 3 and monotonic() < limit:  # until the reader has opened its end
        code = main(["replay", str(saved), "--format", "markdown", "--output", str(tmp_path / "pipe")])
    reader.join(20)
    assert code == 2
    assert b"BAL001" in heard[0]


@pytest.mark.parametrize("option", ["--output", "--save"])
def test_what_cannot_be_written_is_told_before_the_first_packet(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("")
    places = {
        tmp_path: "is a directory",
        tmp_path / "none" / "report": "no such file or directory",
        tmp_path / "file" / "report": "not a directory",
    }
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", 0))
        resolver.setblocking(False)
        asked = f"127.0.0.1:{resolver.getsockname()[1]}"
        for place, words in places.items():
            code = main(["check", "keys.example.test", "--resolver", asked, option, str(place)])
            out, err = capsys.readouterr()
            assert (code, out) == (3, "")
            assert err == f"semscheck: {option}: {place}: cannot be written: {words}\n"
        with pytest.raises(BlockingIOError):
            resolver.recv(1)
    assert left_in(tmp_path) == {"file"}


def test_a_disk_that_fills_up_leaves_the_old_file(
    capsys: pytest.CaptureFixture[str], saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report").write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("semscheck.cli.output.files.os.fsync", full)
    code = main(["replay", str(saved), "--output", str(tmp_path / "report")])
    assert code == 3
    assert "no space left on device" in capsys.readouterr().err
    assert (tmp_path / "report").read_text() == "old"
    assert left_in(tmp_path) == {"report"}


def test_one_file_for_both_is_refused(
    capsys: pytest.CaptureFixture[str], saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("file")
    code = main(["replay", str(saved), "--output", str(tmp_path / "file"), "--save", str(tmp_path / "link")])
    assert code == 3
    assert "--output and --save are one file" in capsys.readouterr().err
    assert left_in(tmp_path) == {"link"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_standard_output_still_saves_the_evidence(saved: Path, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "semscheck", "replay", str(saved), "--save", str(tmp_path / "e.json")],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert result.returncode == 3
    assert result.stderr == b"semscheck: standard output: no space left on device\n"
    assert json.loads((tmp_path / "e.json").read_bytes())["summary"]["verdict"] == "critical"


def test_json_lines_come_as_they_are_seen_and_end_with_the_summary(
    capsys: pytest.CaptureFixture[str], warned: Cluster
) -> None:
    code, out, err = check(capsys, warned, "--format", "jsonl", "--fail-on", "critical")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [lines[0]["type"], lines[-1]["type"]] == ["run", "summary"]
    seen = [line["observation"]["id"] for line in lines if line["type"] == "observation"]
    assert len(seen) > 20
    assert len(seen) == len(set(seen))
    assert "CRT006" in {line["finding"]["code"] for line in lines if line["type"] == "finding"}
    assert lines[-1]["summary"]["exit_code"] == 0


# --- evidence ----------------------------------------------------------------------------------------------


def codes(path: Path) -> list[tuple[str, str, str]]:
    document = json.loads(path.read_bytes())
    VALIDATOR.validate(document)
    return [(found["code"], found["severity"], found["summary"]) for found in document["findings"]]


def test_replay_gives_the_same_findings_and_says_what_it_is(
    capsys: pytest.CaptureFixture[str], saved: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.json"
    assert main(["replay", str(saved), "--json", "--output", str(again)]) == 2
    assert codes(again) == codes(saved)
    assert json.loads(again.read_bytes())["run"]["origin"] == "replay"
    main(["replay", str(saved)])
    assert "without a network" in capsys.readouterr().out


def test_replay_from_standard_input(saved: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "semscheck", "replay", "-", "--format", "nagios"],
        input=saved.read_bytes(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout.startswith(b"SEMSCHECK CRITICAL")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a report"),
        (b"hello", "not a report"),
        (b"{}", "not a semscheck report"),
        (b'{"schema": "semscheck/report/2"}', "semscheck/report/2"),
        (b"\xff\xfe", "not a report"),
        (b"[" * 100_000, "not a semscheck report"),
    ],
)
def test_what_is_no_report_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert main(["replay", str(tmp_path / "x.json")]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert words in err


def test_every_truncation_is_one_line(
    capsys: pytest.CaptureFixture[str], saved: Path, tmp_path: Path
) -> None:
    whole = saved.read_bytes()
    for size in range(0, len(whole) - 2, len(whole) // 20):
        (tmp_path / "x.json").write_bytes(whole[:size])
        assert main(["replay", str(tmp_path / "x.json")]) == 3
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.slow
def test_redacted_in_every_format_and_in_the_evidence(
    capsys: pytest.CaptureFixture[str], broken: Cluster, saved: Path, tmp_path: Path
) -> None:
    secrets = [broken.fqdn, *broken.members, *broken.addresses, socket.gethostname(), str(tmp_path)]
    pattern = re.compile(
        "|".join(rf"(?<![\w.-]){re.escape(secret)}(?![\w-])" for secret in secrets if secret)
    )
    for form in ("text", "json", "jsonl", "html", "markdown", "nagios", "prometheus", "junit"):
        evidence = tmp_path / f"{form}.json"
        main(["replay", str(saved), "--format", form, "--redact", "--save", str(evidence)])
        out, _ = capsys.readouterr()
        for text in (out, evidence.read_text("utf-8")):
            assert pattern.findall(text) == [], form
        assert [code for code, _, _ in codes(evidence)] == [code for code, _, _ in codes(saved)]
        assert json.loads(evidence.read_bytes())["run"]["redacted"] is True


def test_reports_redacted_with_one_passphrase_can_be_compared(
    capsys: pytest.CaptureFixture[str], saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("a passphrase that two people agree on\n")
    for name in ("one", "other"):
        main(
            [
                "replay",
                str(saved),
                "--redact-key",
                str(tmp_path / "key"),
                "--json",
                "--output",
                str(tmp_path / name),
            ]
        )
    main(["replay", str(saved), "--redact", "--json", "--output", str(tmp_path / "third")])
    assert main(["compare", str(tmp_path / "one"), str(tmp_path / "other")]) == 0
    assert main(["compare", str(tmp_path / "one"), str(tmp_path / "third")]) == 3
    capsys.readouterr()
    (tmp_path / "key").write_text("short\n")
    assert main(["replay", str(saved), "--redact-key", str(tmp_path / "key")]) == 3
    assert "--redact-key" in capsys.readouterr().err
    assert main(["replay", str(saved), "--redact-key", str(tmp_path / "none")]) == 3
    assert "no such file" in capsys.readouterr().err


def test_a_redacted_check_streams_nothing_before_it_knows_all_names(
    capsys: pytest.CaptureFixture[str], broken: Cluster
) -> None:
    _, out, _ = check(capsys, broken, "--format", "jsonl", "--redact")
    assert broken.fqdn not in out
    assert [json.loads(line)["type"] for line in out.splitlines()][-1] == "summary"


@pytest.mark.slow
def test_compare_says_what_changed(
    capsys: pytest.CaptureFixture[str], broken: Cluster, saved: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.json"
    main(
        [
            "check",
            *broken.arguments,
            "--severity",
            "BAL001=info",
            "--save",
            str(again),
            "--output",
            os.devnull,
        ]
    )
    assert main(["compare", str(saved), str(saved)]) == 0
    assert capsys.readouterr().out.startswith("✔ no difference")
    assert main(["compare", "--json", str(saved), str(again)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 1
    page = tmp_path / "compare.html"
    assert main(["compare", str(saved), str(again), "--format", "html", "--output", str(page)]) == 1
    assert "</html>" in page.read_text("utf-8")


# --- demo --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_demo_says_that_it_is_a_lab(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["demo", "--json"])
    out, err = capsys.readouterr()
    document = json.loads(out)
    VALIDATOR.validate(document)
    assert (code, document["run"]["origin"]) == (2, "lab")
    assert err.startswith("This is a lab: round-robin")
    assert main(["demo", "member-refuses"]) == 1
    out, _ = capsys.readouterr()
    assert "This is a lab" in out
    assert "NET001" in out


# --- progress ----------------------------------------------------------------------------------------------


def on_a_terminal(arguments: list[str], **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output, and what a terminal at standard error got."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "semscheck", *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, **environment},
    )
    os.close(theirs)
    shown = bytearray()

    def drain() -> None:
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:
                return
            if not part:
                return
            shown.extend(part)

    drainer = threading.Thread(target=drain, daemon=True)
    drainer.start()
    assert process.stdout is not None
    out = process.stdout.read().decode()
    code = process.wait(60)
    drainer.join(10)
    os.close(ours)
    return code, out, shown.decode()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_progress_on_a_terminal_has_phase_and_time_left_and_goes_away(broken: Cluster) -> None:
    code, out, shown = on_a_terminal(["check", *broken.arguments])
    assert code == 2
    assert out.startswith("✖ critical")
    assert re.search(r"making connections to see who answers \d+/\d+", shown)
    assert re.search(r"at most \d+ s left", shown)
    assert re.search(r"\r +\r$", shown)
    assert "\x1b" not in shown


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_quiet_shows_no_progress(broken: Cluster) -> None:
    assert on_a_terminal(["check", "--quiet", *broken.arguments])[2] == ""


# --- the end comes early -----------------------------------------------------------------------------------


@pytest.fixture
def stalling() -> Iterator[list[str]]:
    """A check that would take long: a resolver that is silent and a member that accepts and stays silent."""
    with (
        socket.create_server(("127.0.0.1", 0)) as member,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver,
    ):
        resolver.bind(("127.0.0.1", 0))
        yield [
            "check",
            "keys.example.test",
            *("--member", f"sems1.example.test=,127.0.0.1:{member.getsockname()[1]}"),
            *("--resolver", f"127.0.0.1:{resolver.getsockname()[1]}"),
            *("--timeout", "100", "--deadline", "200"),
        ]


def interrupted(arguments: list[str], *signals: int) -> tuple[int, bytes, bytes, float]:
    """Exit code, output, errors and how long the end took, after these signals in the middle of a run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "semscheck", *arguments, "--format", "jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    first = process.stdout.readline() + process.stdout.readline()  # the run, and the first thing seen
    began = monotonic()
    for number in signals:
        process.send_signal(number)
    rest, err = process.communicate(timeout=60)
    return process.returncode, first + rest, err, monotonic() - began


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_once_it_reports_what_there_is(stalling: list[str], tmp_path: Path, number: int) -> None:
    evidence = tmp_path / "evidence.json"
    code, out, err, _ = interrupted([*stalling, "--save", str(evidence)], number)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (3, b"")
    assert lines[-1]["summary"]["verdict"] == "unknown"
    found = {line["finding"]["code"] for line in lines if line["type"] == "finding"}
    assert "SEM002" in found
    assert {code for code, _, _ in codes(evidence)} == found


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupted_twice_it_leaves_at_once_and_leaves_no_file(
    stalling: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Judging never ends here, so that the second signal finds the program still there, its loop stuck.
    program = tmp_path / "program"
    program.mkdir()
    (program / "sitecustomize.py").write_text(
        "import semscheck.pipeline, time\nsemscheck.pipeline.judge_snapshot = lambda snapshot: time.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{program}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    folder = tmp_path / "out"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "semscheck", *stalling, "--format", "jsonl", "--save", str(folder / "e.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, b"")
    assert any(b'"observation"' in line for line in lines)
    limit = monotonic() + 30
    while process.poll() is None and monotonic() < limit:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    assert process.returncode == 3
    assert left_in(folder) == set()


def test_the_deadline_ends_it_with_a_valid_report(
    capsys: pytest.CaptureFixture[str], stalling: list[str]
) -> None:
    code = main([*stalling, "--deadline", "0.5", "--json"])
    document = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(document)
    assert code == 3
    assert "SEM002" in {found["code"] for found in document["findings"]}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_that_leaves_ends_the_run(stalling: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "semscheck", *stalling, "--deadline", "5", "--format", "jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 3


# --- the enrolment -----------------------------------------------------------------------------------------


def test_without_a_name_the_enrolment_is_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semscheck.cli.targets.enrolled_server", lambda: "keys.example.test")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = f"127.0.0.1:{silent.getsockname()[1]}"
        code = main(["check", "--resolver", resolver, "--deadline", "0.3", "--json"])
    assert code == 3
    assert json.loads(capsys.readouterr().out)["target"]["fqdn"] == "keys.example.test"


def test_without_a_name_and_without_an_enrolment_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semscheck.cli.targets.enrolled_server", lambda: None)
    for command in ("check", "init"):
        assert main([command]) == 3
        assert f"not enrolled with one: semscheck {command} FQDN\n" in capsys.readouterr().err
