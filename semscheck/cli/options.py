"""The command line's grammar. A command that is not built yet is not in it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from semscheck import __version__
from semscheck.cli.errors import UNKNOWN
from semscheck.cli.output import FORMATS
from semscheck.profile.settings import LIMITS, SAMPLING, SETTINGS, TARGET

DESCRIPTION = (
    "Find out why clients cannot reach a cluster of Symantec Encryption Management Servers, or lose their session: "
    "DNS, network, TLS, certificates, and which server answers each connection."
)
SHELLS = ("bash", "zsh", "fish", "powershell")
EXIT_CODES = (
    "exit codes: 0 ok, 1 warning, 2 critical, 3 unknown (it could not be tested, the servers could not be "
    "distinguished, or the command line was wrong)"
)


class Parser(argparse.ArgumentParser):
    """argparse with the contract's exit code: 3, not 2, which would mean "critical" to monitoring."""

    def error(self, message: str) -> NoReturn:
        from semscheck.cli.output.streams import say

        say(f"{self.prog}: {message}")
        say(f"See '{self.prog} --help'.")
        self.exit(UNKNOWN)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            self._print_message(message, sys.stderr)
        raise SystemExit(status)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help goes to standard output as a report does: a reader that left is no traceback."""
        if not message:
            return
        from semscheck.cli.output import streams

        if file is not None and file is sys.stdout:
            streams.write_text(message)
        else:
            streams.write_error(message)


class ProgramParser(Parser):
    """Of the program. An unknown command is said with the nearest, and with how to check a server of that name."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.dest != "name" or action.choices is None or value in action.choices:
            super()._check_value(action, value)
            return
        from difflib import get_close_matches

        near = get_close_matches(value, tuple(action.choices), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise argparse.ArgumentError(
            None,
            f"there is no command {value[:80]!r}.{hint} For a server of that name: semscheck check {value[:80]}",
        )


class CommandParser(Parser):
    """Of one command. What it does not know is its own error, so that the hint leads to its own help."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def build() -> Parser:
    """The whole grammar; `command` names the function that runs, as "module:function" of semscheck.cli.commands."""
    parser = ProgramParser(prog="semscheck", description=DESCRIPTION, epilog=EXIT_CODES, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"semscheck {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="name", parser_class=CommandParser
    )
    for add in _COMMANDS:
        add(commands)
    return parser


# argparse gives no public name to what add_subparsers returns.
Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"


def _add(commands: Commands, name: str, function: str, summary: str, more: str = "") -> Parser:
    parser: Parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.{more}",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.set_defaults(command=function, parser=parser)
    return parser


# --- groups of options -------------------------------------------------------------------------------------


def _target_options(parser: Parser) -> None:
    group = parser.add_argument_group(TARGET)
    group.add_argument(
        "fqdn", nargs="?", metavar="FQDN", help="the name that clients use; default: the enrollment's"
    )
    profile = group.add_mutually_exclusive_group()
    profile.add_argument("--profile", metavar="FILE", help="a profile (TOML); the command line wins over it")
    profile.add_argument(
        "--no-profile",
        action="store_true",
        help="use no profile that is found by the name (semscheck profiles)",
    )
    _settings(group, TARGET)
    group.add_argument("-4", dest="families", action="append_const", const=4, help="IPv4 only")
    group.add_argument("-6", dest="families", action="append_const", const=6, help="IPv6 only")


def _settings(group: argparse._ArgumentGroup, of: str) -> None:
    """The options of one group, as `profile.settings` declares them."""
    kinds: dict[str, Callable[[str], object]] = {"int": _whole, "float": _seconds}
    for setting in SETTINGS:
        if not setting.flag or setting.group != of:
            continue
        if setting.kind == "bool":
            group.add_argument(setting.flag, action="store_true", help=setting.help)
        elif setting.many:
            group.add_argument(
                setting.flag, action="append", default=[], metavar=setting.metavar, help=setting.help
            )
        else:
            group.add_argument(
                setting.flag, type=kinds.get(setting.kind, str), metavar=setting.metavar, help=setting.help
            )


def _output_options(parser: Parser, json_help: str = "short for --format json") -> None:
    group = parser.add_argument_group("what to write")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--format", choices=FORMATS, help="of the report (default text)")
    form.add_argument("--json", action="store_true", help=json_help)
    group.add_argument("--output", metavar="FILE", help="write the report there and not to standard output")
    group.add_argument("--save", metavar="FILE", help="also save the evidence (JSON), for replay and compare")
    group.add_argument("--redact", action="store_true", help="pseudonyms for names and addresses, everywhere")
    group.add_argument(
        "--redact-key",
        metavar="FILE",
        help="the same, from the passphrase in FILE: reports redacted with one can be compared",
    )
    group.add_argument(
        "--fail-on",
        choices=("warning", "critical"),
        default="warning",
        help="critical: a warning exits 0 (an unknown stays 3)",
    )
    _talk_options(group)


def _talk_options(group: argparse._ArgumentGroup) -> None:
    talk = group.add_mutually_exclusive_group()
    talk.add_argument("--quiet", action="store_true", help="no progress and no notes on standard error")
    talk.add_argument(
        "--verbose", action="store_true", help="also what passed and what was not tested, and why"
    )
    _colour_option(group)


def _colour_option(group: argparse._ArgumentGroup | Parser) -> None:
    group.add_argument("--no-color", action="store_true", help="no colors (as NO_COLOR in the environment)")


def _whole(text: str) -> int:
    try:
        return int(text) if len(text) < 20 else int("")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number") from None


def _seconds(text: str) -> float:
    try:
        return float(text) if len(text) < 40 else float("")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds") from None


def _duration(text: str) -> float:
    """ "90", "90s", "15m", "1h" as seconds."""
    units = {"s": 1, "m": 60, "h": 3600}
    unit = units.get(text[-1:], 0)
    try:
        return _seconds(text[:-1] if unit else text) * (unit or 1)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no duration (such as 90s or 15m)") from None


# --- commands ----------------------------------------------------------------------------------------------


def _check(commands: Commands) -> None:
    parser = _add(
        commands,
        "check",
        "check:check",
        "one run; progress on standard error, the report on standard output",
        " Without an FQDN and without a profile, the server that this desktop is enrolled with is checked.",
    )
    _target_options(parser)
    group = parser.add_argument_group(SAMPLING)
    _settings(group, SAMPLING)
    _settings(group, LIMITS)
    parser.add_argument("--seed", type=_whole, help=argparse.SUPPRESS)
    _output_options(parser)


def _drill(commands: Commands) -> None:
    parser = _add(
        commands,
        "drill",
        "drill:drill",
        "watches a failover: take a server down meanwhile, and bring it back",
        " A line of standard input is a mark in the timeline. Ctrl-C ends it with a report. Exit codes: 0 another "
        "server took over as the profile promises, 2 clients failed for longer than its outage_s, 3 nothing "
        "happened, or it could not be determined.",
    )
    _target_options(parser)
    group = parser.add_argument_group("how to watch")
    group.add_argument(
        "--every",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="a connection so often (default 1, not under 0.5)",
    )
    group.add_argument(
        "--for",
        dest="for_s",
        type=_duration,
        default=900.0,
        metavar="DURATION",
        help="such as 90s (default 15m)",
    )
    _output_options(parser, "JSON lines, as they come")


def _tui(commands: Commands) -> None:
    parser = _add(commands, "tui", "tui:tui", "the screens, on a server, a saved report or a lab scenario")
    parser.add_argument("fqdn", nargs="?", metavar="FQDN", help="the name that clients use")
    opening = parser.add_mutually_exclusive_group()
    opening.add_argument("--profile", metavar="FILE", help="a profile (TOML)")
    opening.add_argument("--report", metavar="FILE", help="a saved report")
    opening.add_argument("--lab", metavar="SCENARIO", help="a lab scenario")


def _replay(commands: Commands) -> None:
    parser = _add(commands, "replay", "check:replay", "judges a saved report again, with no network")
    parser.add_argument("report", metavar="REPORT.json", help='what --save wrote; "-" is standard input')
    parser.add_argument("--tui", action="store_true", help="open it in the screens")
    _output_options(parser)


def _compare(commands: Commands) -> None:
    parser = _add(
        commands,
        "compare",
        "compare:compare",
        "reports from several desktops or times: what differs, and what only several can tell",
        " Exit codes: 0 the same, 1 changed, 2 changed for the worse to critical, 3 not comparable.",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT.json", help="what --save wrote; two or more")
    group = parser.add_argument_group("what to write")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--format", choices=("text", "json", "html"), help="of the comparison (default text)")
    form.add_argument("--json", action="store_true", help="short for --format json")
    group.add_argument("--output", metavar="FILE", help="write there and not to standard output")
    _talk_options(group)


def _exporter(commands: Commands) -> None:
    parser = _add(
        commands,
        "exporter",
        "exporter:exporter",
        "Prometheus exporter: probes the targets of its configuration when it is scraped",
        " It runs until Ctrl-C or SIGTERM; SIGHUP makes it read its configuration again.",
    )
    parser.add_argument("--config", metavar="FILE", required=True, help="the exporter's configuration (TOML)")
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="IP:PORT",
        help="in place of the configuration's address (default 127.0.0.1:9797); repeatable",
    )
    parser.add_argument(
        "--check-config", action="store_true", help="only read the configuration and every profile in it"
    )


def _lab(commands: Commands) -> None:
    parser = _add(commands, "lab", "lab:lab", "an embedded cluster on loopback, healthy or broken on purpose")
    parser.add_argument("scenario", nargs="?", default="healthy", metavar="SCENARIO", help="default: healthy")
    parser.add_argument("--list", action="store_true", help="show the scenarios")
    parser.add_argument(
        "--directory", metavar="DIR", help="write profile.toml and ca.pem there, and leave them"
    )
    parser.add_argument(
        "--bind", metavar="PREFIX", help="a /24 to play in, such as 10.77.0, in place of loopback"
    )
    parser.add_argument("--seed", type=_whole, metavar="N", help="of what the lab leaves to chance")


def _demo(commands: Commands) -> None:
    parser = _add(commands, "demo", "check:demo", "checks an embedded lab scenario, nothing to configure")
    parser.add_argument(
        "scenario", nargs="?", metavar="SCENARIO", help="see lab --list; default: round-robin"
    )
    parser.add_argument("--list", action="store_true", help="show the scenarios")
    parser.add_argument("--seed", type=_whole, help=argparse.SUPPRESS)
    _output_options(parser)


def _explain(commands: Commands) -> None:
    parser = _add(
        commands, "explain", "catalogue:explain", "what a finding means, why it matters, who fixes it and how"
    )
    parser.add_argument("code", nargs="*", metavar="CODE", help="such as DNS004, or a rule's name")
    parser.add_argument("--all", action="store_true", help="every rule")
    parser.add_argument(
        "--symptoms", action="store_true", help="what users notice, and the rules that find why"
    )
    parser.add_argument("--markdown", metavar="DIR", help="with --all: write the documentation pages there")
    parser.add_argument(
        "--check", action="store_true", help="with --markdown: only say which pages are stale"
    )
    _colour_option(parser)


def _rules(commands: Commands) -> None:
    parser = _add(commands, "rules", "catalogue:rules", "the catalogue of rules")
    parser.add_argument("--json", action="store_true", help="with every field of every rule")
    _colour_option(parser)


def _schema(commands: Commands) -> None:
    parser = _add(commands, "schema", "catalogue:schema", "prints the report's JSON Schema")
    parser.add_argument(
        "document", nargs="?", choices=("report", "compare"), default="report", help="default: report"
    )


def _init(commands: Commands) -> None:
    parser = _add(
        commands,
        "init",
        "init:init",
        "finds the enrolled server, members and load balancer, and writes a profile to edit",
        " Servers are found by the names in certificates and by the usual pattern (sems1, sems2, ...), within the "
        "name's own domain.",
    )
    _target_options(parser)
    _settings(parser.add_argument_group("how to look"), LIMITS)
    group = parser.add_argument_group("what to write")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--output", metavar="FILE", help="the profile; default: standard output")
    form.add_argument(
        "--save",
        action="store_true",
        help="as the user's profile for that name; one that is there is completed",
    )
    group.add_argument("--force", action="store_true", help="also where the file is there already")
    group.add_argument("--quiet", action="store_true", help="no notes on standard error")


def _profiles(commands: Commands) -> None:
    _add(
        commands,
        "profiles",
        "profiles:profiles",
        "the profiles that are found by a server's name, and where",
        " Exit code 3 where one of them cannot be used.",
    )


def _completion(commands: Commands) -> None:
    parser = _add(commands, "completion", "completion:completion", "prints the completions of a shell")
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def _selftest(commands: Commands) -> None:
    parser = _add(
        commands,
        "selftest",
        "selftest:selftest",
        "tries every part of this program on its own lab",
        " Nothing leaves this machine. Exit codes: 0 everything works, 2 something does not.",
    )
    parser.add_argument("--quiet", action="store_true", help="only what does not work")


_COMMANDS: tuple[Callable[[Commands], None], ...] = (
    _check,
    _drill,
    _tui,
    _replay,
    _compare,
    _exporter,
    _lab,
    _demo,
    _explain,
    _rules,
    _init,
    _profiles,
    _schema,
    _completion,
    _selftest,
)
