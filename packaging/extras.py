"""Writes what a system has beside a program: `python packaging/extras.py DIR PROGRAM`.

The manual page, of the command line's own grammar; the shells' completions, which PROGRAM prints itself; the desktop
entry with its pictures.
"""

from __future__ import annotations

import argparse
import gzip
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semscheck import __version__
from semscheck.cli.options import DESCRIPTION, build

# Where Debian's shells look; of the .rpm, packaging/linux/nfpm.yaml says it. PowerShell has no such place.
COMPLETIONS = {
    "bash": "bash-completion/completions/semscheck",
    "zsh": "zsh/vendor-completions/_semscheck",
    "fish": "fish/vendor_completions.d/semscheck.fish",
}


@dataclass(frozen=True, slots=True)
class Option:
    """names: as typed. word: what its value is called, None for a flag."""

    names: tuple[str, ...]
    help: str
    word: str | None


@dataclass(frozen=True, slots=True)
class Operand:
    word: str
    help: str
    required: bool
    many: bool


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    summary: str
    description: str
    options: tuple[Option, ...]
    operands: tuple[Operand, ...]


# --- reading the grammar -----------------------------------------------------------------------------------


def commands() -> tuple[Command, ...]:
    """Every command of the grammar, in its order."""
    chosen = next(it for it in build()._actions if isinstance(it, argparse._SubParsersAction))
    summaries = {it.dest: it.help or "" for it in chosen._choices_actions}
    return tuple(_command(name, parser, summaries[name]) for name, parser in chosen.choices.items())


def _command(name: str, parser: argparse.ArgumentParser, summary: str) -> Command:
    shown = [it for it in parser._actions if it.help != argparse.SUPPRESS]
    return Command(
        name,
        summary,
        parser.description or summary,
        tuple(_option(it) for it in shown if it.option_strings),
        tuple(_operand(it) for it in shown if not it.option_strings),
    )


def _option(action: argparse.Action) -> Option:
    choices = "|".join(map(str, action.choices or ()))
    word = (_word(action) or choices or action.dest.upper()) if action.nargs != 0 else None
    return Option(tuple(action.option_strings), _help(action), word)


def _operand(action: argparse.Action) -> Operand:
    word = _word(action) or action.dest.upper()
    return Operand(word, _help(action), action.nargs not in ("?", "*"), action.nargs in ("*", "+"))


def _word(action: argparse.Action) -> str | None:
    return action.metavar if isinstance(action.metavar, str) else None


def _help(action: argparse.Action) -> str:
    return (
        (action.help or "").replace("%%", "%") if action.option_strings != ["-h", "--help"] else "show help"
    )


# --- the manual page (man 7 man) ---------------------------------------------------------------------------


def manual(known: Sequence[Command]) -> str:
    lines = [
        f'.TH SEMSCHECK 1 "" "semscheck {__version__}" "User Commands"',
        ".SH NAME",
        "semscheck \\- checks clusters of Symantec Encryption Management Servers as a desktop sees them",
        ".SH SYNOPSIS",
        ".B semscheck",
        ".br",
    ]
    for command in known:
        lines += [f".B semscheck {command.name}", f"{_synopsis(command)}", ".br"]
    lines += [".SH DESCRIPTION", _roff(DESCRIPTION), ".PP", "Without a command, the screens are opened."]
    lines.append(".SH COMMANDS")
    for command in known:
        lines += [f".SS semscheck {_roff(command.name)}", _roff(command.description)]
        for operand in command.operands:
            lines += [".TP", f"\\fI{_roff(operand.word)}\\fR", _roff(operand.help)]
        for option in command.options:
            names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in option.names)
            value = f" \\fI{_roff(option.word)}\\fR" if option.word else ""
            lines += [".TP", f"{names}{value}", _roff(option.help)]
    lines += [".SH EXIT STATUS"]
    for number, meaning in (
        ("0", "ok"),
        ("1", "warning"),
        ("2", "critical"),
        ("3", "unknown: it could not be tested, the members could not be told apart where that decides the verdict, "
              "or the command line was wrong"),
    ):  # fmt: skip
        lines += [".TP", f".B {number}", _roff(meaning)]
    lines += [
        ".SH ENVIRONMENT",
        ".TP",
        ".B NO_COLOR",
        "no colours, where it is set and not empty",
        ".TP",
        ".B SEMSCHECK_DEBUG",
        "after a defect of semscheck's own: show where",
        ".SH EXAMPLES",
        ".nf",
        "semscheck demo",
        "semscheck check keys.example.com --member sems1=192.0.2.11,198.51.100.11 \\e",
        "    --member sems2=192.0.2.12,198.51.100.12 --balancer 192.0.2.100",
        "semscheck explain BAL001",
        ".fi",
    ]
    return "\n".join(lines) + "\n"


def _synopsis(command: Command) -> str:
    words = ["[\\fIoptions\\fR]"] if command.options else []
    for operand in command.operands:
        word = f"\\fI{_roff(operand.word)}\\fR" + (" ..." if operand.many else "")
        words.append(word if operand.required else f"[{word}]")
    return " ".join(words)


def _roff(text: str) -> str:
    """Text in which nothing is a request or an escape; hyphens stay hyphens that can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)


# --- files -------------------------------------------------------------------------------------------------


def write(directory: Path, program: Sequence[str]) -> None:
    """Laid out as under /usr/share. program: the command that prints completions."""
    here = Path(__file__).parent
    files = {
        "man/man1/semscheck.1.gz": gzip.compress(manual(commands()).encode(), mtime=0),
        "applications/semscheck.desktop": (here / "linux" / "semscheck.desktop").read_bytes(),
        "icons/hicolor/scalable/apps/semscheck.svg": (here / "icon" / "semscheck.svg").read_bytes(),
        "icons/hicolor/256x256/apps/semscheck.png": (here / "icon" / "semscheck-256.png").read_bytes(),
    }
    for shell, name in COMPLETIONS.items():
        asked = subprocess.run([*program, "completion", shell], capture_output=True, check=True, timeout=60)
        files[name] = asked.stdout
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
