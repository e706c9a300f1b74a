"""`exporter`: the Prometheus exporter, until it is told to end."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.errors import CommandError
from semscheck.cli.output import streams
from semscheck.cli.targets import severities
from semscheck.profile.reader import ProfileError, read_target
from semscheck.report import wording as words

if TYPE_CHECKING:
    from semscheck.exporter.runners import Runners
    from semscheck.model.report import Report
    from semscheck.model.target import Target

EXTRA = ("uvicorn", "bcrypt", "yaml", "prometheus_client")


def exporter(options: Namespace) -> int:
    """`semscheck exporter --config FILE`: serves until SIGINT or SIGTERM. Raises CommandError."""
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"the exporter needs {', '.join(missing)}: install semscheck with its extra, semscheck[exporter]"
        )
    from semscheck.exporter.process import handed_over, replace_by_itself
    from semscheck.exporter.service import serve
    from semscheck.exporter.settings import SettingsError, listen_address, read_settings
    from semscheck.exporter.web_config import read_web_config

    path = Path(options.config)
    try:
        listen = tuple(listen_address(text, "--listen") for text in options.listen)
        if options.check_config:
            settings = read_settings(path, _target)
            if settings.web_config is not None:
                read_web_config(settings.web_config)
            streams.say(f"{path}: {words.count(len(settings.targets), 'target')}, everything can be read")
            return 0
        left = asyncio.run(serve(path, doors(), listen, before=handed_over()))
        if left is not None:
            replace_by_itself(left)
    except SettingsError as problem:
        raise CommandError(str(problem)) from problem
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        raise CommandError(f"{where}{problem.strerror or problem}") from problem
    except KeyboardInterrupt:  # where the loop has no signal handlers, as on Windows
        return 0
    return 0


def doors() -> Runners:
    """The pipeline, as the exporter is given it."""
    from semscheck import pipeline as run
    from semscheck.exporter.runners import Runners
    from semscheck.rules.printed import cards

    return Runners(
        check=run.check, judge=run.judge_snapshot, html=_html, cards=cards, read_target=_target, say=_say
    )


def _target(profile: Path, resolvers: tuple[str, ...], connections: int | None) -> Target:
    try:
        target = read_target(profile, {"resolver": resolvers}, severities, spread_s=0)
    except ProfileError as problem:
        said = str(problem)
        if said.startswith("--resolver"):  # here it is a key of the configuration
            raise ProfileError(said.replace("--resolver", "resolvers", 1)) from problem
        raise
    # Not as an option of the command line: sampling may then still stop as soon as the answer is certain.
    return target if connections is None else replace(target, connections=connections)


def _html(report: Report) -> str:
    from semscheck.report.html import page as html
    from semscheck.rules.printed import cards

    return html.render(report, {card.code: card for card in cards()})


def _say(words: str) -> None:
    streams.say(f"semscheck exporter: {words}")
