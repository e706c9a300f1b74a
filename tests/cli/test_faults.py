"""What goes wrong around a report: encoders, redactors, disks, pipes, signals, containers, shared folders."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from semscheck.cli.main import main
from semscheck.cli.output.files import PromisedFile
from semscheck.cli.output.formats import encode
from semscheck.cli.output.streams import Face
from tests.report import reports

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, pipes and permissions of POSIX")
KILLS = int(os.environ.get("SEMSCHECK_KILLS", "12"))


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "evidence.json"
    path.parent.mkdir()
    path.write_bytes(encode(reports.round_robin(), "json", Face()))
    return path


def program(*arguments: str | Path, **more: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "semscheck", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **more,  # type: ignore[call-overload]
    )


# --- one output that fails takes no other with it ----------------------------------------------------------


def test_an_encoder_that_fails_leaves_the_evidence(
    evidence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise RecursionError("made for the test")

    monkeypatch.setattr("semscheck.report.text.page.render", broken)
    saved = tmp_path / "again.json"
    assert main(["replay", str(evidence), "--save", str(saved)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "the report could not be made" in err
    assert "RecursionError: made for the test" in err
    assert json.loads(saved.read_text())["findings"]


def test_a_redactor_that_fails_writes_nothing_and_says_so(
    evidence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise RecursionError("made for the test")

    monkeypatch.setattr("semscheck.redaction.report.redact", broken)
    saved = tmp_path / "again.json"
    assert main(["replay", str(evidence), "--redact", "--save", str(saved)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "nothing was written" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_output_that_cannot_be_written_leaves_the_evidence(evidence: Path, tmp_path: Path) -> None:
    saved = tmp_path / "again.json"
    assert main(["replay", str(evidence), "--output", "/dev/full", "--save", str(saved)]) == 3
    assert json.loads(saved.read_text())["findings"]


# --- standard output ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_that_does_not_wait_gets_all_of_it(evidence: Path, unbuffered: str) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    process = program(
        "replay", evidence, "--json", stdout=writing, env={**os.environ, "PYTHONUNBUFFERED": unbuffered}
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        time.sleep(1)  # full long before: a pipe holds 64 KiB
        shown = pipe.read()
    assert len(shown) > 65_536
    assert json.loads(shown)["schema"] == "semscheck/report/1"
    process.communicate()
    assert process.returncode == 1  # a warning


def test_a_disk_that_fills_up_behind_standard_output_is_told(evidence: Path, tmp_path: Path) -> None:
    """Half of it is written, then no more: RLIMIT_FSIZE stands for the disk."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000));"
        "from semscheck.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    with open(tmp_path / "out", "wb") as out:
        ended = subprocess.run(
            [sys.executable, "-c", script, "replay", str(evidence), "--json"],
            stdout=out,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            check=False,
            timeout=60,
        )
    assert ended.returncode == 3
    assert b"standard output: file too large" in ended.stderr


# --- a container's user ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs another user")
def test_a_user_that_nobody_knows_and_no_home() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    script = (
        "import os; from semscheck.net.backend import real_backend; from semscheck.tui.store import open_store;"
        "from semscheck.cli.commands.tui import _profiles;"
        "import platformdirs, platformdirs.unix, semscheck.cli.known_profiles;"
        "os.setgid(54321); os.setuid(54321); os.chdir('/');"
        "print(real_backend(1).desktop.home, open_store(print).log_file, _profiles())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert "~" not in ended.stdout


# --- permissions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        (["--save", "FILE"], 0o600),
        (["--json", "--output", "FILE"], 0o600),
        (["--format", "jsonl", "--output", "FILE"], 0o600),
        (["--format", "markdown", "--output", "FILE"], 0o644),
    ],
)
def test_evidence_is_for_its_owner_alone(
    evidence: Path, tmp_path: Path, arguments: list[str], mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0o022)
    try:
        main(["replay", str(evidence), *(a.replace("FILE", str(tmp_path / "made")) for a in arguments)])
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == mode


def test_a_place_without_permissions_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refused)
    monkeypatch.setattr(os, "fchmod", refused)
    with PromisedFile("--output", str(tmp_path / "made")) as file:
        file.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs another user")
def test_another_users_link_in_a_shared_folder_is_not_followed(tmp_path: Path) -> None:
    from semscheck.cli.errors import CommandError

    shared, target = tmp_path / "shared", tmp_path / "target"
    shared.mkdir()
    shared.chmod(0o1777)
    target.write_text("precious")
    (shared / "link").symlink_to(target)
    os.lchown(shared / "link", 54321, 54321)
    (shared / "folder").symlink_to(tmp_path)
    os.lchown(shared / "folder", 54321, 54321)
    (tmp_path / "own").symlink_to(shared / "link")
    for path in (shared / "link", shared / "folder" / "target", tmp_path / "own"):
        with pytest.raises(CommandError, match="another user"):
            PromisedFile("--save", str(path))
    assert target.read_text() == "precious"
    os.lchown(shared / "link", 0, 0)
    with PromisedFile("--save", str(shared / "link")) as file:
        file.write(b"new")
    assert target.read_text() == "new"


# --- signals at random moments -----------------------------------------------------------------------------


def left_behind(folder: Path, temporary: Path) -> list[str]:
    return sorted(
        [path.name for path in folder.iterdir() if path.name not in ("out", "in", "tmp")]
        + [path.name for path in temporary.iterdir()]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("replay", "in/evidence.json", "--save", "out/saved", "--format", "html", "--output", "out/page"),
        ("compare", "in/evidence.json", "in/evidence.json", "--json", "--output", "out/compared"),
        ("demo", "round-robin", "--quiet", "--save", "out/saved", "--output", "out/page"),
        ("init", "127.0.0.1", "--timeout", "1", "--deadline", "2", "--output", "out/profile.toml"),
        ("explain", "--all", "--markdown", "out"),
        ("drill", "127.0.0.1", "--every", "0.5", "--for", "1s", "--save", "out/saved"),
    ],
    ids=lambda command: command[0],
)
def test_a_signal_at_any_moment_leaves_nothing_half_written(
    command: tuple[str, ...], evidence: Path, tmp_path: Path
) -> None:
    chance = random.Random(command[0] + os.environ.get("SEMSCHECK_SEED", "1"))
    temporary, out = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    out.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": ""}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    began = time.monotonic()
    whole = program(*command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    whole.communicate(timeout=120)
    length_s = time.monotonic() - began
    names = {path.name for path in out.iterdir()}
    assert names
    for _ in range(KILLS):
        for path in out.iterdir():
            path.unlink()
        process = program(*command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 1.1 * length_s))
        for number in chance.choices(
            (signal.SIGINT, signal.SIGTERM, signal.SIGHUP), k=chance.choice((1, 1, 2))
        ):
            process.send_signal(number)
            time.sleep(chance.choice((0, 0.001, 0.02)))
        process.communicate(timeout=60)
        assert left_behind(tmp_path, temporary) == []
        assert {path.name for path in out.iterdir()} <= names
        for path in out.iterdir():
            assert path.stat().st_size > 100
            text = path.read_text()
            assert text.endswith("\n")
            assert path.suffix in (".toml", ".md") or path.name == "page" or json.loads(text)["schema"]
