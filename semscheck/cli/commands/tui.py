"""`tui`, `replay --tui` and `semscheck` alone: the screens, with their doors wired to the rest of the program."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.errors import CommandError
from semscheck.cli.output import streams

if TYPE_CHECKING:
    from semscheck.model.events import Listener
    from semscheck.model.findings import Card
    from semscheck.model.report import Report
    from semscheck.model.target import Target
    from semscheck.tui.app import Opening
    from semscheck.tui.runners import Runners, Scenario, Watching


def tui(options: Namespace) -> int:
    """`semscheck tui`. Raises CommandError for a server, a profile, a report or a scenario that cannot be used."""
    if options.report is not None:
        from semscheck.cli.output.saved import read_report
        from semscheck.pipeline import replay

        return open_report(replay(read_report(options.report)), Path(options.report))
    if options.lab is not None:
        _check_scenario(options.lab)
    elif options.fqdn is not None or options.profile is not None:
        _target(options.fqdn, _path(options.profile))
    from semscheck.tui.app import Opening

    given = options.fqdn is not None or options.profile is not None
    return _open(Opening(fqdn=options.fqdn, profile=_path(options.profile), run=given, scenario=options.lab))


def open_start() -> int:
    """The screens from their start."""
    from semscheck.tui.app import Opening

    return _open(Opening())


def open_report(report: Report, source: Path) -> int:
    """The screens on a report that was read from a file."""
    from semscheck.tui.app import Opening

    return _open(Opening(report=report, source=source))


def _open(opening: Opening) -> int:
    if not (streams.is_terminal(sys.stdin) and streams.is_terminal(sys.stdout)):
        raise CommandError("the screens need a terminal; semscheck check and semscheck replay do not")
    from semscheck.tui.app import open_screens

    return open_screens(doors(), opening)


def _path(text: str | None) -> Path | None:
    return Path(text) if text is not None else None


def _check_scenario(name: str) -> None:
    from semscheck.cli.commands.lab import scenario

    scenario(name)


# --- the doors ---------------------------------------------------------------------------------------------


@contextmanager
def _for_the_screens() -> Iterator[None]:
    """What a command would refuse, in the same words for the person at the screens."""
    from semscheck.tui.runners import DoorError

    try:
        yield
    except CommandError as problem:
        raise DoorError(str(problem)) from problem


def doors() -> Runners:
    """Everything the screens need done by others."""
    from semscheck.cli.targets import enrolled_server
    from semscheck.report.markdown import render
    from semscheck.tui.bridge import in_thread
    from semscheck.tui.runners import Runners

    return Runners(
        check=in_thread(_check),
        load=_load,
        target=_for_the_screens()(_target),
        cards=_cards,
        enrolled=enrolled_server,
        export=_export,
        ticket=render,
        profiles=_profiles,
        scenarios=_scenarios(),
        check_lab=in_thread(_check_lab),
        keep=_keep,
        recall=_recall,
        compare=_compare,
        save_profile=_save_profile,
        watch=in_thread(_watch),
    )


async def _watch(watching: Watching, listener: Listener, cancel: asyncio.Event) -> Report:
    from semscheck.pipeline import watch

    return await watch(
        watching.target,
        every_s=watching.every_s,
        for_s=watching.for_s,
        marks=watching.marks,
        listener=listener,
        cancel=cancel,
    )


async def _check(target: Target, listener: Listener, cancel: asyncio.Event) -> Report:
    from semscheck.pipeline import check

    return await check(target, listener=listener, cancel=cancel, infer=True)


async def _check_lab(name: str, listener: Listener, cancel: asyncio.Event) -> Report:
    """A check of a lab scenario, the lab in a thread of its own so that neither slows the other's clock."""
    from semscheck.cli.commands.lab import playing
    from semscheck.pipeline import check

    asked = {"scenario": name}
    with _for_the_screens(), playing(name) as (_, target):
        return await check(target, listener=listener, cancel=cancel, origin="lab", options=asked, infer=True)


@_for_the_screens()
def _load(path: Path) -> Report:
    from semscheck.cli.output.saved import read_report
    from semscheck.pipeline import replay

    return replay(read_report(str(path)))


def _keep(report: Report) -> bytes:
    from semscheck.redaction.cookie_values import without_cookie_values
    from semscheck.report import json

    return json.encode(without_cookie_values(report))


@_for_the_screens()
def _recall(path: Path) -> Report:
    """A kept result as it was: it is not judged again, since the values of its cookies are gone."""
    from semscheck.cli.output.saved import read_report

    return read_report(str(path))


def _target(fqdn: str | None, profile: Path | None) -> Target:
    from semscheck.cli.targets import read

    if profile is None and fqdn is not None:
        from semscheck.cli.known_profiles import profile_for

        known = profile_for(fqdn)
        profile = known.path if known is not None else None
    return read(profile, {"fqdn": fqdn})


def _cards() -> Mapping[str, Card]:
    from semscheck.rules.printed import cards

    return {card.code: card for card in cards()}


def _export(report: Report, form: str, path: Path, redact: bool) -> None:
    from semscheck.cli.output.files import PromisedFile
    from semscheck.cli.output.formats import encode, redacted
    from semscheck.cli.output.streams import Face

    try:
        with PromisedFile("export", str(path)) as file:
            file.write(encode(redacted(report) if redact else report, form, Face()))
    except CommandError as problem:
        cause = problem.__cause__
        raise cause if isinstance(cause, OSError) else OSError(str(problem)) from problem


@_for_the_screens()
def _compare(report: Report, path: Path) -> str:
    """The report on screen against a saved one, the older first."""
    from semscheck.cli.commands.compare import comparison
    from semscheck.cli.output.saved import read_report
    from semscheck.report.comparison import text

    both = sorted((report, read_report(str(path))), key=lambda one: one.run.started)
    return text(comparison(both))


@_for_the_screens()
def _save_profile(target: Target) -> str:
    from semscheck.cli.commands.init import save_profile

    found, told = save_profile(target)
    names = ", ".join(member.name for member in found.members)
    return f"{'Servers: ' + names if names else 'No further server was found'}.\n{told[0].upper()}{told[1:]}."


def _profiles() -> tuple[Path, ...]:
    from semscheck.cli.known_profiles import known_profiles

    usable = (known.path for known in known_profiles(("here", Path.cwd())) if known.fqdn is not None)
    return tuple(dict.fromkeys(usable))


def _scenarios() -> tuple[Scenario, ...]:
    from semscheck.lab.scenarios import SCENARIOS
    from semscheck.tui.runners import Scenario

    return tuple(Scenario(known.name, known.sentence) for known in SCENARIOS.values())
