"""Writes manual page and completions from the command line's own grammar: `python packaging/extras.py DIR`."""

from __future__ import annotations

import argparse
import gzip
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from semscheck import __version__
from semscheck.cli.options import DESCRIPTION, build
from semscheck.lab.scenarios import SCENARIOS
from semscheck.rules.printed import cards

# What an operand or an option's value is, by the word that stands for it in the help.
FILES = {"FILE", "REPORT.json"}
DIRECTORIES = {"DIR"}


@dataclass(frozen=True, slots=True)
class Option:
    """names: as typed. word: what its value is called, None for a flag. choices: its values, where closed."""

    names: tuple[str, ...]
    help: str
    word: str | None
    choices: tuple[str, ...]
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Operand:
    word: str
    help: str
    choices: tuple[str, ...]
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
        tuple(_operand(it, name) for it in shown if not it.option_strings),
    )


def _option(action: argparse.Action) -> Option:
    choices = tuple(map(str, action.choices or ()))
    takes = action.nargs != 0
    word = (_word(action) or "|".join(choices) or action.dest.upper()) if takes else None
    if word == "SCENARIO":
        choices = tuple(SCENARIOS)
    repeatable = isinstance(action, argparse._AppendAction)
    return Option(tuple(action.option_strings), _help(action), word, choices, repeatable)


def _operand(action: argparse.Action, command: str) -> Operand:
    word = _word(action) or action.dest.upper()
    choices = tuple(map(str, action.choices or ()))
    if word == "SCENARIO":
        choices = tuple(SCENARIOS)
    elif command == "explain":
        choices = tuple(card.code for card in cards())
    return Operand(word, _help(action), choices, action.nargs not in ("?", "*"), action.nargs in ("*", "+"))


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


# --- completions -------------------------------------------------------------------------------------------


def bash(known: Sequence[Command]) -> str:
    lines = [
        "# bash completion for semscheck",
        "_semscheck() {",
        '    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}',
        "    COMPREPLY=()",
        "    if [ \"$COMP_CWORD\" = 1 ]; then",
        f"        COMPREPLY=($(compgen -W '{_spaced(it.name for it in known)} --help --version' -- \"$current\"))",
        "        return",
        "    fi",
        '    case "$command $previous" in',
    ]  # fmt: skip
    for command in known:
        for option in command.options:
            action = _bash_value(option.word, option.choices)
            if option.word is not None:
                pattern = "|".join(f"'{command.name} {name}'" for name in option.names)
                lines.append(f"        {pattern}) {action}; return ;;")
    lines += ["    esac", '    case "$command" in']
    for command in known:
        options = _spaced(name for option in command.options for name in option.names)
        lines.append(f"        {command.name})")
        lines.append('            case "$current" in')
        lines.append(f"                -*) COMPREPLY=($(compgen -W '{options}' -- \"$current\")) ;;")
        if command.operands:
            value = _bash_value(command.operands[0].word, command.operands[0].choices)
            lines.append(f"                *) {value} ;;")
        lines += ["            esac ;;"]
    lines += ["    esac", "}", "complete -F _semscheck semscheck"]
    return "\n".join(lines) + "\n"


def _bash_value(word: str | None, choices: Sequence[str]) -> str:
    if choices:
        return f"COMPREPLY=($(compgen -W '{_spaced(choices)}' -- \"$current\"))"
    if word in FILES:
        return 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$current"))'
    if word in DIRECTORIES:
        return 'compopt -o filenames; COMPREPLY=($(compgen -d -- "$current"))'
    if word in ("FQDN", "IP", "IP[:PORT]"):
        return 'COMPREPLY=($(compgen -A hostname -- "$current"))'
    return ":"


def _spaced(words: object) -> str:
    return " ".join(words)  # type: ignore[call-overload]


def zsh(known: Sequence[Command]) -> str:
    lines = [
        "#compdef semscheck",
        "_semscheck() {",
        "    local state",
        "    _arguments -C '--help[show help]' '--version[show the version]' '1: :->command' '*:: :->rest'",
        "    case $state in",
        "        command)",
        "            local -a commands=(",
        *(f"                {_zsh_quoted(f'{it.name}:{it.summary}')}" for it in known),
        "            )",
        "            _describe command commands ;;",
        "        rest)",
        "            case $words[1] in",
    ]
    for command in known:
        lines.append(f"                {command.name}) _arguments \\")
        lines += [f"                    {_zsh_quoted(spec)} \\" for spec in _zsh_specs(command)]
        lines[-1] = lines[-1].removesuffix(" \\") + " ;;"
    lines += ["            esac ;;", "    esac", "}", '_semscheck "$@"']
    return "\n".join(lines) + "\n"


def _zsh_specs(command: Command) -> Iterator[str]:
    for option in command.options:
        for name in option.names:
            star = "*" if option.repeatable else ""
            value = (
                f":{_zsh_word(option.word)}:{_zsh_value(option.word, option.choices)}" if option.word else ""
            )
            yield f"{star}{name}[{_zsh_text(option.help)}]{value}"
    for operand in command.operands:
        place = "*" if operand.many else "1"
        yield f"{place}:{_zsh_word(operand.word)}:{_zsh_value(operand.word, operand.choices)}"


def _zsh_word(word: str | None) -> str:
    return re.sub(r"[^A-Za-z0-9._/-]+", " ", word or "").strip() or "value"


def _zsh_value(word: str | None, choices: Sequence[str]) -> str:
    if choices:
        return f"({_spaced(choices)})"
    if word in FILES:
        return "_files"
    if word in DIRECTORIES:
        return "_files -/"
    return "_hosts" if word in ("FQDN", "IP", "IP[:PORT]") else " "


def _zsh_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish(known: Sequence[Command]) -> str:
    lines = ["# fish completion for semscheck", "complete -c semscheck -f"]
    lines += [
        "complete -c semscheck -n __fish_use_subcommand -l help -d 'show help'",
        "complete -c semscheck -n __fish_use_subcommand -l version -d 'show the version'",
    ]
    for command in known:
        lines.append(
            f"complete -c semscheck -n __fish_use_subcommand -a {command.name} -d {_fish_quoted(command.summary)}"
        )
        within = f"complete -c semscheck -n '__fish_seen_subcommand_from {command.name}'"
        for option in command.options:
            names = " ".join(_fish_name(name) for name in option.names)
            value = f" -r{_fish_value(option.word, option.choices)}" if option.word else ""
            lines.append(f"{within} {names}{value} -d {_fish_quoted(option.help)}")
        for operand in command.operands:
            value = _fish_value(operand.word, operand.choices)
            if value:
                lines.append(f"{within}{value}")
    return "\n".join(lines) + "\n"


def _fish_name(name: str) -> str:
    return f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"


def _fish_value(word: str | None, choices: Sequence[str]) -> str:
    if choices:
        return f" -a {_fish_quoted(_spaced(choices))}"
    if word in FILES:
        return " -F"
    if word in DIRECTORIES:
        return " -a '(__fish_complete_directories)'"
    return " -a '(__fish_print_hostnames)'" if word in ("FQDN", "IP", "IP[:PORT]") else ""


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


# --- files -------------------------------------------------------------------------------------------------


def write(directory: Path) -> None:
    """Laid out as under /usr/share."""
    known = commands()
    here = Path(__file__).parent
    files = {
        "man/man1/semscheck.1.gz": gzip.compress(manual(known).encode(), mtime=0),
        "bash-completion/completions/semscheck": bash(known).encode(),
        "zsh/vendor-completions/_semscheck": zsh(known).encode(),
        "fish/vendor_completions.d/semscheck.fish": fish(known).encode(),
        "applications/semscheck.desktop": (here / "linux" / "semscheck.desktop").read_bytes(),
        "icons/hicolor/scalable/apps/semscheck.svg": (here / "icon" / "semscheck.svg").read_bytes(),
        "icons/hicolor/256x256/apps/semscheck.png": (here / "icon" / "semscheck-256.png").read_bytes(),
    }
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
