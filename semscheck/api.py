"""The Python API, as `import semscheck` offers it. `docs/api.md` says what of it is stable.

Network trouble is in a report and never raised; `Error` is for bad input alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from semscheck.cli.errors import CommandError
from semscheck.model.comparison import Comparison
from semscheck.model.findings import Finding, Status
from semscheck.model.report import Report, Summary
from semscheck.model.target import Member, Severity, Target

if TYPE_CHECKING:
    from semscheck.model.events import Listener

__all__ = [
    "Comparison",
    "Error",
    "Finding",
    "Member",
    "Report",
    "Severity",
    "Status",
    "Summary",
    "Target",
    "check",
    "check_async",
    "compare",
    "load",
    "replay",
    "save",
    "target",
]
T = TypeVar("T")


class Error(ValueError):
    """Input that cannot be used: a name, an option, a profile, a saved report. One sentence."""


def target(
    fqdn: str | None = None,
    *,
    members: Sequence[str | Member] = (),
    profile: str | Path | None = None,
    **settings: Any,
) -> Target:
    """What is to be checked, as `semscheck check` takes it.

    fqdn: the name that clients use, `NAME:PORT` or a URL; None: the profile's. members: `Member` values, or
    "NAME=REPLICATION_IP,CLIENT_IP". profile: a TOML file; none is searched for. settings: the options of `check` by
    their names without dashes (`port=8443`, `connections=50`, `resolver=["192.0.2.53"]`), see docs/settings.md.
    Raises Error.
    """
    from dataclasses import replace

    from semscheck.cli.targets import severities
    from semscheck.profile.reader import ProfileError, read_target
    from semscheck.profile.settings import SETTINGS

    known = {setting.name for setting in SETTINGS} | {"families"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise Error(f"{unknown[0]}: there is no such setting; known are {', '.join(sorted(known))}")
    typed = [member for member in members if isinstance(member, str)]
    values = [member for member in members if isinstance(member, Member)]
    given = {**settings, "fqdn": fqdn, "member": typed}
    try:
        made = read_target(Path(profile) if profile is not None else None, given, severities)
    except ProfileError as problem:
        raise Error(str(problem)) from problem
    return replace(made, members=(*made.members, *values)) if values else made


async def check_async(
    fqdn: str | Target | None = None,
    *,
    listener: Listener | None = None,
    seed: int | None = None,
    **settings: Any,
) -> Report:
    """One check. fqdn: a `Target`, or what `target` takes, with its other arguments. A failed check is a report.

    listener: called with every event as it comes (`semscheck.model.events`), in this event loop. seed: of what is
    left to chance. Raises Error for input that cannot be used.
    """
    from semscheck import pipeline

    aim = fqdn if isinstance(fqdn, Target) else target(fqdn, **settings)
    if isinstance(fqdn, Target) and settings:
        raise Error("settings go into the target: semscheck.target(…)")
    try:
        return await pipeline.check(aim, listener=listener, seed=seed)
    except OSError as problem:  # a file of authorities that went away since it was read
        raise Error(str(problem)) from problem


def check(fqdn: str | Target | None = None, **settings: Any) -> Report:
    """The same, waited for. Inside a running event loop, as in a notebook, it runs in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(check_async(fqdn, **settings))
    return _in_thread(lambda: asyncio.run(check_async(fqdn, **settings)))


def _in_thread(work: Callable[[], T]) -> T:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(work).result()


def load(path: str | Path) -> Report:
    """A report that was saved, as it was judged then. Raises Error."""
    from semscheck.cli.output.saved import read_report

    try:
        return read_report(str(path))
    except CommandError as problem:
        raise Error(str(problem)) from problem


def replay(report: Report | str | Path) -> Report:
    """A report, or a saved one, judged again by this version, as of the time it was made, with no network.

    Raises Error.
    """
    from semscheck.pipeline import replay as judged_again

    return judged_again(report if isinstance(report, Report) else load(report))


def compare(reports: Sequence[Report | str | Path]) -> Comparison:
    """What differs between two or more runs, and what only several desktops together can tell. Raises Error."""
    from semscheck.cli.commands.compare import comparison

    if len(reports) < 2:
        raise Error("two reports at least are needed")
    return comparison([one if isinstance(one, Report) else load(one) for one in reports])


def save(report: Report, path: str | Path) -> None:
    """The report as JSON, for `load`, `replay` and `compare`: whole or not at all, readable by its owner alone.

    Raises Error.
    """
    from semscheck.cli.output.files import PromisedFile
    from semscheck.report import json

    try:
        with PromisedFile("save", str(path)) as file:
            file.write(json.encode(report))
    except CommandError as problem:
        raise Error(str(problem)) from problem
