"""`lab`, and the embedded cluster that `demo` checks."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.errors import CommandError

if TYPE_CHECKING:
    from semscheck.lab.cluster import Lab
    from semscheck.model.target import Target

DEMO = "round-robin"  # the misconfiguration this program was made for


def lab(options: Namespace) -> int:
    """`semscheck lab`: plays a scenario until Ctrl-C. Raises CommandError."""
    from semscheck.lab.console import UnknownScenarioError, list_scenarios, run_lab

    if options.list:
        list_scenarios()
        return 0
    directory = Path(options.directory) if options.directory is not None else None
    try:
        return run_lab(options.scenario, directory=directory, bind=options.bind, seed=options.seed)
    except UnknownScenarioError as problem:
        raise CommandError(str(problem)) from problem
    except OSError as problem:
        raise CommandError(
            f"--directory: {directory}: {(problem.strerror or str(problem)).lower()}"
        ) from problem


@contextmanager
def playing(name: str | None) -> Iterator[tuple[Lab, Target]]:
    """A running lab, and the target that its profile describes. Raises CommandError."""
    from semscheck.cli.targets import read
    from semscheck.lab.cluster import LabError, LabThread
    from semscheck.lab.console import UnknownScenarioError, find_scenario

    try:
        scenario = find_scenario(name or DEMO)
        with LabThread(scenario.world) as thread:
            profile = thread.lab.ca_file.with_name("profile.toml")
            profile.write_text(thread.lab.profile_toml(ca_file="ca.pem"), encoding="utf-8")
            services = bool(scenario.expect_with_services)  # what is wrong there shows with them only
            yield thread.lab, read(profile, {"resolver": thread.lab.resolvers, "services": services})
    except UnknownScenarioError as problem:
        raise CommandError(str(problem)) from problem
    except LabError as problem:
        raise CommandError(f"the lab cannot be played here: {problem}") from problem
