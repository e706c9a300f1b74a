"""`lab`, and the embedded cluster that `demo` checks."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.errors import CommandError
from semscheck.files import why

if TYPE_CHECKING:
    from semscheck.lab.cluster import Lab
    from semscheck.lab.scenarios import Scenario
    from semscheck.model.target import Target

DEMO = "round-robin"  # the misconfiguration this program was made for


def lab(options: Namespace) -> int:
    """`semscheck lab`: plays a scenario until Ctrl-C. Raises CommandError."""
    from semscheck.lab.console import list_scenarios, run_lab

    if options.list:
        list_scenarios()
        return 0
    directory = Path(options.directory) if options.directory is not None else None
    scenario(options.scenario)
    try:
        return run_lab(options.scenario, directory=directory, bind=options.bind, seed=options.seed)
    except OSError as problem:
        raise CommandError(f"--directory: {directory}: {why(problem)}") from problem


def scenario(name: str) -> Scenario:
    """A scenario of the lab. Raises CommandError."""
    from semscheck.lab.console import UnknownScenarioError, find_scenario

    try:
        return find_scenario(name)
    except UnknownScenarioError as problem:
        raise CommandError(str(problem)) from problem


@contextmanager
def playing(name: str | None) -> Iterator[tuple[Lab, Target]]:
    """A running lab, and the target that its profile describes. Raises CommandError."""
    from semscheck.cli.targets import read
    from semscheck.lab.cluster import LabError, LabThread

    played = scenario(name or DEMO)
    try:
        with LabThread(played.world) as thread:
            profile = thread.lab.ca_file.with_name("profile.toml")
            profile.write_text(thread.lab.profile_toml(ca_file="ca.pem"), encoding="utf-8")
            services = bool(played.expect_with_services)  # what is wrong there shows with them only
            yield thread.lab, read(profile, {"resolver": thread.lab.resolvers, "services": services})
    except LabError as problem:
        raise CommandError(f"the lab cannot be played here: {problem}") from problem
