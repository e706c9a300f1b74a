"""Start-up is a feature: what each command may import, seen in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("textual", "rich", "httpx", "httpcore", "dns", "cryptography", "truststore", "idna", "ifaddr")
# Beyond the heavy ones, what a command that only reads its own texts has no use for.
IDLE = (
    *HEAVY,
    "msgspec",
    "asyncio",
    "ssl",
    "email",
    "platformdirs",
    "json",
    "semscheck.scheduler",
    "semscheck.probes",
)

SHOW = """
import sys
from semscheck.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
print(code, *sorted(sys.modules), file=sys.stderr)
"""


def imported(*arguments: str) -> tuple[int, set[str]]:
    """Exit code and modules after a command."""
    result = subprocess.run(
        [sys.executable, "-c", SHOW, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    code, *modules = result.stderr.splitlines()[-1].split(" ")
    return int(code), set(modules)


def of(names: tuple[str, ...], modules: set[str]) -> set[str]:
    return {module for module in modules for name in names if module == name or module.startswith(name + ".")}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("--help",),
        ("check", "--help"),
        ("explain", "DNS004"),
        ("explain", "--all"),
        ("rules",),
        ("bogus",),
    ],
)
def test_commands_that_only_read_their_own_texts(arguments: tuple[str, ...]) -> None:
    code, modules = imported(*arguments)
    assert code == (3 if arguments == ("bogus",) else 0)
    assert of(IDLE, modules) == set()


def test_explain_does_not_import_the_rules() -> None:
    _, modules = imported("explain", "DNS004")
    assert "semscheck.rules.printed_cards" in modules
    assert "semscheck.rules.catalogue.dns" not in modules
    assert "semscheck.model.observations" not in modules


@pytest.mark.parametrize("arguments", [("schema",), ("rules", "--json"), ("lab", "--list")])
def test_commands_that_need_no_network(arguments: tuple[str, ...]) -> None:
    code, modules = imported(*arguments)
    assert code == 0
    assert of(HEAVY, modules) == set()


def test_a_refused_command_line_imports_nothing_heavy(tmp_path: Path) -> None:
    code, modules = imported("check", "keys..example.com", "--output", str(tmp_path / "out"))
    assert code == 3
    assert of((*HEAVY, "msgspec"), modules) == set()


@pytest.mark.slow
def test_a_check_imports_neither_screens_nor_lab_nor_others_command_lines() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = f"127.0.0.1:{silent.getsockname()[1]}"
        code, modules = imported(
            "check",
            "keys.example.test",
            "--resolver",
            resolver,
            "--timeout",
            "0.2",
            "--deadline",
            "2",
            "--quiet",
        )
    assert code == 3
    assert "semscheck.net.http" in modules
    assert (
        of(("textual", "rich", "click", "semscheck.tui", "semscheck.lab", "semscheck.profile.shape"), modules)
        == set()
    )


def test_httpx_without_its_command_line_is_httpx() -> None:
    program = (
        "import semscheck.net.http, sys, httpx;"
        "assert 'httpx._main' not in sys.modules and 'rich' not in sys.modules and 'click' not in sys.modules;"
        "assert httpx.Client and httpx.AsyncHTTPTransport and callable(httpx.main)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
