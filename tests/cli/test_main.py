"""The command line: grammar, exit codes, where output goes. What is checked here needs no network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from semscheck import __version__
from semscheck.cli.main import _meant, main
from semscheck.rules import rule as registry

CODES = [card.code for card in registry.cards()]


def run(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "SEMSCHECK_DEBUG")
    }
    return subprocess.run(
        [sys.executable, "-m", "semscheck", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
        **more,  # type: ignore[call-overload]
    )


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


# --- the grammar -------------------------------------------------------------------------------------------


def test_without_a_terminal_it_prints_help_and_exits_3() -> None:
    result = run()
    assert result.returncode == 3
    assert result.stdout.startswith("usage: semscheck")
    assert result.stderr == ""


def test_help_names_every_command_that_is_built_and_no_other() -> None:
    listed = re.findall(r"^    ([a-z]+)  ", run("--help").stdout, re.MULTILINE)
    for name in listed:
        assert run(name, "--help").returncode == 0
    contract = {"check", "tui", "replay", "compare", "lab", "demo", "explain", "rules", "init", "schema"}
    assert contract <= set(listed)


def test_version() -> None:
    result = run("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"semscheck {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bogus",), "there is no command 'bogus'. For a server of that name: semscheck check bogus"),
        (("chek",), "Did you mean check?"),
        (("repaly", "x.json"), "Did you mean replay?"),
        (("--bogus",), "--bogus"),
        (
            ("check", "a.example", "b.example"),
            "unrecognized arguments: b.example\nSee 'semscheck check --help'.",
        ),
        (("check", "::1", "-4"), "-4: ::1 is an IPv6 address, and only IPv4 is asked for"),
        (("check", "--format", "xml", "a.example"), "invalid choice: 'xml'"),
        (("check", "--json", "--format", "text", "a.example"), "not allowed with"),
        (("check", "--quiet", "--verbose", "a.example"), "not allowed with"),
        (("check", "--conn", "3", "a.example"), "unrecognized arguments: --conn"),
        (("check", "--connections", "many", "a.example"), "'many' is no whole number"),
        (("check", "--connections", "9" * 5000, "a.example"), "is no whole number"),
        (("check", "--deadline", "soon", "a.example"), "'soon' is no number of seconds"),
        (("check", "--fail-on", "info", "a.example"), "invalid choice: 'info'"),
        (("check", "https://"), "no host name"),
        (("check", "keys.example.com:70000"), "70000 is no port"),
        (("https://keys..example/",), "no host name"),
        (("completion", "tcsh"), "invalid choice: 'tcsh'"),
        (("check", ""), "a server name is missing"),
        (("check", "--port", "0", "keys.example.com"), "--port: 0 is no port"),
        (("check", "--severity", "NOPE=info", "keys.example.com"), "no rule has the code 'NOPE'"),
        (("check", "--profile", "/nonexistent/profile.toml"), "/nonexistent/profile.toml: no such file"),
        (("replay",), "the following arguments are required: REPORT.json"),
        (("check", "--save", "-", "keys.example.com"), "--save: standard output is the report's"),
        (("check", "--output", "", "keys.example.com"), "--output: the name of a file is missing"),
        (("compare", "one.json"), "Two saved reports at least"),
        (("explain",), "explain what?"),
        (("explain", "DNS04"), "no rule is called 'DNS04'; did you mean"),
        (("explain", "--markdown", "x"), "add --all"),
        (("demo", "no-such-scenario"), "no scenario is called 'no-such-scenario'"),
        (("lab", "round-robbin"), "did you mean"),
        (("tui",), "the screens need a terminal"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_3(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = said(capsys, *arguments)
    assert code == 3
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    lines = err.splitlines()
    assert len(lines) == 1 or (len(lines) == 2 and re.fullmatch(r"See 'semscheck[a-z ]* --help'\.", lines[1]))


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["keys.example.com"], ["check", "keys.example.com"]),
        (
            ["https://keys.example.com:8443/x", "--json"],
            ["check", "https://keys.example.com:8443/x", "--json"],
        ),
        (["keys:8443"], ["check", "keys:8443"]),
        (["2001:db8::1"], ["check", "2001:db8::1"]),
        (["help"], ["--help"]),
        (["help", "check"], ["check", "--help"]),
        (["version"], ["--version"]),
        (["--version"], ["--version"]),
        (["check", "keys.example.com"], ["check", "keys.example.com"]),
    ],
)
def test_a_name_stands_for_a_check_of_it(arguments: list[str], meant: list[str]) -> None:
    assert _meant(arguments) == meant


def test_what_was_typed_is_shown_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ("check", "\x1b[31m\nkeys"),
        ("\x1b[2J",),
        ("explain", "\x1b]0;x\x07"),
        ("replay", "\x1b[31m"),
    ):
        _, _, err = said(capsys, *arguments)
        assert "\x1b" not in err
        assert "\x07" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are text there")
def test_arguments_that_are_no_text() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "semscheck", "check", b"keys\xff.example"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 3
    assert b"Traceback" not in result.stderr


# --- explain, rules, schema --------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["DNS004", "dns004", "dns-round-robin"])
def test_explain_by_code_and_by_name(capsys: pytest.CaptureFixture[str], typed: str) -> None:
    code, out, _ = said(capsys, "explain", typed)
    assert code == 0
    assert out.startswith("DNS004 dns-round-robin")
    for title in ("What it means", "Why it matters", "What to do", "Who fixes it: DNS administrator"):
        assert title in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_explain_a_name_that_two_rules_share(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "explain", "members-differ")
    assert re.findall(r"^([A-Z]{3}\d{3}) members-differ", out, re.MULTILINE) == ["TLS005", "CRT007"]


def test_explain_all_has_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "explain", "--all")
    assert re.findall(r"^([A-Z]{3}\d{3}) ", out, re.MULTILINE) == CODES


def test_explain_writes_pages_and_says_which_are_stale(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pages = tmp_path / "deep" / "rules"
    assert said(capsys, "explain", "--all", "--markdown", str(pages))[0] == 0
    assert {path.name for path in pages.iterdir()} == {"README.md", *(f"{code}.md" for code in CODES)}
    assert said(capsys, "explain", "--all", "--markdown", str(pages), "--check") == (0, "", "")
    (pages / "DNS004.md").write_text("old")
    (pages / "XXX001.md").write_text("stray")
    code, out, err = said(capsys, "explain", "--all", "--markdown", str(pages), "--check")
    assert (code, out) == (1, "")
    assert "DNS004.md is not as the catalogue has it" in err
    assert "XXX001.md is no rule's page" in err


def test_explain_to_a_place_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = said(capsys, "explain", "--all", "--markdown", str(tmp_path / "file" / "x"))
    assert code == 3
    assert "--markdown: " in err


def test_rules_as_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, table, _ = said(capsys, "rules")
    assert code == 0
    assert re.findall(r"^\s*([A-Z]{3}\d{3})\b", table, re.MULTILINE) == CODES
    code, text, _ = said(capsys, "rules", "--json")
    assert code == 0
    document = json.loads(text)
    assert [rule["code"] for rule in document["rules"]] == CODES
    assert all(rule["remedy"] and rule["why"] for rule in document["rules"])


def test_schemas_are_json_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    from jsonschema_rs import meta

    for arguments in (("schema",), ("schema", "compare")):
        code, text, _ = said(capsys, *arguments)
        assert code == 0
        meta.validate(json.loads(text))


# --- standard output ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["schema"], ["explain", "--all"], ["rules"], ["--help"]])
def test_a_full_disk_behind_standard_output_is_told(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "semscheck", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 3
    assert result.stderr == "semscheck: standard output: no space left on device\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_that_leaves_is_no_error() -> None:
    for arguments in (["schema"], ["explain", "--all"], ["--help"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "semscheck", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(60)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell")
def test_closed_streams() -> None:
    program = f'exec "{sys.executable}" -m semscheck schema'
    closed = subprocess.run(
        ["sh", "-c", f"{program} >&-"], capture_output=True, text=True, timeout=60, check=False
    )
    assert closed.returncode == 3
    assert "standard output is closed" in closed.stderr
    quiet = subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -m semscheck bogus 2>&-'],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert quiet.returncode == 3


def test_ascii_terminals_get_ascii() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "semscheck", "explain", "--all"],
        capture_output=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert result.returncode == 0
    assert result.stdout.isascii()


# --- defects of ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [False, True])
def test_a_defect_is_one_line_that_says_where_to_report_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    def broken(_options: object) -> int:
        raise RuntimeError("this is\na defect")

    monkeypatch.setattr("semscheck.cli.commands.catalogue.schema", broken)
    monkeypatch.delenv("SEMSCHECK_DEBUG", raising=False)
    if asked:
        monkeypatch.setenv("SEMSCHECK_DEBUG", "1")
    code, out, err = said(capsys, "schema")
    assert code == 3
    assert out == ""
    assert ("Traceback" in err) is asked
    assert "failed with a defect of its own (RuntimeError: this is a defect)" in err
    assert "Please report it at https://" in err
    assert len(err.splitlines()) == 1 or asked


def test_interrupted_before_anything_began(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("semscheck.cli.commands.catalogue.schema", interrupted)
    code, out, err = said(capsys, "schema")
    assert (code, out) == (3, "")
    assert err == "semscheck: interrupted before there was anything to report\n"
