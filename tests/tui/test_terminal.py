"""The real program in a real terminal against the lab, from the first key to the clean terminal afterwards."""

import os
import shlex
import signal
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from tests.tui import tmux

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not tmux.available(), reason="needs tmux (apt install tmux)"),
]
MODULE = (sys.executable, "-m", "semscheck")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def terminal():
    with tempfile.TemporaryDirectory(prefix="tui") as where, tmux.terminal(Path(where)) as opened:
        opened.where = Path(where)
        opened.run("cd", str(ROOT))
        yield opened


def left_clean(terminal: tmux.Terminal) -> None:
    """The shell is back, on the normal screen, and the terminal is in its usual mode."""
    terminal.idle()
    terminal.line("echo still $((40 + 2))")
    terminal.shows("still 42")
    assert not terminal.alternate()
    terminal.line("clear; stty -a")
    words = terminal.shows("echoctl").split()
    assert {"icanon", "echo", "isig"} <= set(words)


def test_from_enter_to_the_ticket_against_the_lab(terminal):
    terminal.run(*MODULE, "tui", "--lab", "round-robin")
    seen = terminal.shows("CRITICAL", "BAL001", "load balancer administrator", "lab")
    assert "Findings" in seen
    terminal.keys("3")
    terminal.shows("round robin: each new connection goes to the next server", "new connections")
    terminal.keys("1")
    terminal.shows("Findings", "Enter Details")
    terminal.keys("Enter")
    terminal.shows("Finding 1 of", "Evidence")
    terminal.keys("Tab")
    terminal.shows("Enter Look")
    terminal.keys("Enter")
    terminal.shows("at (s):")
    terminal.keys("Escape")
    terminal.shows("Finding 1 of")
    terminal.keys("Escape")
    terminal.shows("Enter Details")
    terminal.keys("c")
    terminal.shows("Ticket copied")
    assert "BAL001" in (terminal.where / "state" / "semscheck" / "ticket.md").read_text()
    terminal.keys("?")
    terminal.shows("At the top the verdict")
    terminal.keys("Escape")
    terminal.shows("Enter Details")
    terminal.keys("r")
    terminal.shows("RUNNING")
    terminal.shows("CRITICAL", "BAL001")
    terminal.keys("C-q")
    left_clean(terminal)


def test_a_healthy_lab_is_ok_and_escape_ends_a_run(terminal):
    terminal.run(*MODULE, "tui", "--lab", "healthy")
    terminal.shows("✔ OK")
    terminal.keys("r")
    terminal.shows("RUNNING")
    terminal.keys("Escape")
    terminal.shows("Enter Details")
    terminal.keys("Escape")
    terminal.shows("Try the lab")
    terminal.keys("Tab")
    terminal.shows("o Open a saved report")  # letters are keys once the field has lost the focus
    terminal.keys("q")
    left_clean(terminal)


def test_a_saved_report_is_opened(terminal):
    saved = str(terminal.where / "saved.json")
    demo = shlex.join((*MODULE, "demo", "round-robin", "--save", saved, "--quiet"))
    terminal.line(f"{demo}; clear; echo saved $((40 + 2))")
    terminal.shows("saved 42")
    terminal.run(*MODULE, "replay", saved, "--tui")
    terminal.shows("CRITICAL", "saved report, just now")
    terminal.keys("q")
    left_clean(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_clean(terminal, number):
    terminal.run("sh", "-c", f"echo $$ > {terminal.where}/pid; exec {' '.join(MODULE)}")
    terminal.shows("Server", "Run")
    os.kill(int((terminal.where / "pid").read_text()), number)
    left_clean(terminal)


def test_a_crash_leaves_the_terminal_clean_and_says_where_the_log_is(terminal):
    script = terminal.where / "crash.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            from dataclasses import replace
            from semscheck.cli.commands import tui as screens
            from semscheck.tui.app import Opening, open_screens

            def cards():
                raise ZeroDivisionError("made for the test")

            sys.exit(open_screens(replace(screens.doors(), cards=cards), Opening(scenario="round-robin")))
            """
        )
    )
    terminal.run("env", f"PYTHONPATH={ROOT}", sys.executable, str(script))
    seen = terminal.shows("semscheck stopped because of a defect", "crash.log")
    assert "Traceback" not in seen
    terminal.line("echo code $?")
    terminal.shows("code 3")
    left_clean(terminal)
    log = (terminal.where / "state" / "semscheck" / "crash.log").read_text()
    assert "ZeroDivisionError: made for the test" in log
