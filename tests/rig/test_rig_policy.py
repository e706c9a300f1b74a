"""The policy plugin, seen by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.policy import REDIRECTING

ROOT = Path(__file__).parents[2]
CONFTEST = """
from tests.rig import policy
pytest_runtest_makereport = policy.pytest_runtest_makereport
pytest_make_collect_report = policy.pytest_make_collect_report
"""
SUITE = """
import os
import pytest
from tests.rig.process import MissingError, program

@pytest.mark.real
def test_lacks_a_program():
    program("no-such-server")

@pytest.mark.real
def test_skips_itself():
    pytest.skip("not today")

def test_is_not_real():
    pytest.skip("not today either")

@pytest.mark.real
@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    assert False

@pytest.mark.real
def test_fixture_lacks(lacking):
    pass

@pytest.fixture
def lacking():
    raise MissingError("no namespaces here")

def test_environment_is_clean():
    assert not [name for name in os.environ if name.endswith("_PROXY") or name == "SSL_CERT_FILE"]
"""
LEFT_OUT = """
import pytest
pytest.skip("the whole file", allow_module_level=True)
pytestmark = pytest.mark.real
"""
SHOWS_LOGS = """
from pathlib import Path
from tests.rig.net import Place
from tests.rig.process import Server

def test_fails(tmp_path):
    with Server(["sh", "-c", "echo what the server said; sleep 60"], place=Place(), directory=tmp_path,
                log_line="said"):
        assert False
"""


def run(directory: Path, text: str, **environment: str) -> str:
    (directory / "conftest.py").write_text(CONFTEST)
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = real\n")
    (directory / "test_it.py").write_text(text)
    clean = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-rA",
            "-c",
            "pytest.ini",
            "--rootdir",
            ".",
            ".",
        ],
        cwd=directory,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
def test_what_is_missing_skips_a_test(tmp_path: Path) -> None:
    said = run(tmp_path, SUITE, SSL_CERT_FILE="/nowhere", HTTPS_PROXY="http://192.0.2.1")
    assert "1 passed, 4 skipped, 1 xfailed" in said
    assert "no-such-server is not installed" in said


@pytest.mark.slow
def test_in_ci_a_skipped_real_test_is_a_failure(tmp_path: Path) -> None:
    said = run(tmp_path, SUITE, CI="true")
    for name in ("test_lacks_a_program", "test_skips_itself"):
        assert f"FAILED test_it.py::{name}" in said
    assert "ERROR test_it.py::test_fixture_lacks" in said
    assert "not today" in said
    assert "1 passed, 1 skipped, 1 xfailed" in said.replace("2 failed, ", "")


@pytest.mark.slow
def test_in_ci_a_real_file_that_leaves_itself_out_is_a_failure(tmp_path: Path) -> None:
    assert "1 error" in run(tmp_path, LEFT_OUT, CI="true")
    assert "1 skipped" in run(tmp_path, LEFT_OUT)


@pytest.mark.slow
def test_a_failure_shows_the_servers_logs(tmp_path: Path) -> None:
    said = run(tmp_path, SHOWS_LOGS)
    assert "log of sh" in said
    assert "what the server said" in said


@pytest.mark.parametrize("name", REDIRECTING)
def test_nothing_redirects_here(name: str) -> None:
    assert name not in os.environ
