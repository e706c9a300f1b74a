"""`semscheck lab`: plays one scenario until Ctrl-C, and says how to look at it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from semscheck.files import PUBLIC, AtomicFile
from semscheck.lab.scenarios import SCENARIOS, Scenario

if TYPE_CHECKING:
    from semscheck.lab.cluster import Lab
    from semscheck.lab.truth import Served

_POLL_S = 0.5  # how often the display looks for new connections
NOTICE = (
    "THIS IS A LAB: an embedded cluster on this machine, made to be looked at. Nothing here is your network."
)


class UnknownScenarioError(ValueError):
    """No scenario has this name; the text names those that are near."""


def find_scenario(name: str) -> Scenario:
    """Return a scenario by name. Raises UnknownScenarioError with suggestions."""
    from difflib import get_close_matches

    if name in SCENARIOS:
        return SCENARIOS[name]
    near = get_close_matches(name, SCENARIOS, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UnknownScenarioError(f"no scenario is called {name!r}{hint} (semscheck lab --list shows all)")


def list_scenarios(out: TextIO | None = None) -> None:
    """Print every scenario with its sentence."""
    import textwrap

    out = out or sys.stdout
    width = max(map(len, SCENARIOS)) + 2
    for scenario in SCENARIOS.values():
        lines = textwrap.wrap(scenario.sentence, 79 - width)
        print(f"{scenario.name:<{width}}{lines[0]}", file=out)
        for line in lines[1:]:
            print(" " * width + line, file=out)


def run_lab(
    name: str = "healthy",
    *,
    directory: Path | None = None,
    bind: str | None = None,
    seed: int | None = None,
    out: TextIO | None = None,
    ready: Callable[[Lab], None] | None = None,
) -> int:
    """Play a scenario until Ctrl-C (or SIGTERM) and return the exit code: 0, or 3 where it cannot be played.

    directory: where `profile.toml` and `ca.pem` are written; None: a directory of its own, removed at the end.
    bind: a /24 to play in, see `place.find_place`. seed: in place of the scenario's own. ready: called when all is
    up. Raises UnknownScenarioError, and OSError where the directory cannot be written.
    """
    from semscheck.lab.place import LabError

    scenario = find_scenario(name)
    out = out or sys.stdout
    try:
        asyncio.run(_play(scenario, directory, bind, seed, out, ready))
    except LabError as problem:
        print(f"semscheck lab: {problem}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        pass
    print("The lab is gone.", file=out)
    return 0


async def _play(
    scenario: Scenario,
    directory: Path | None,
    bind: str | None,
    seed: int | None,
    out: TextIO,
    ready: Callable[[Lab], None] | None,
) -> None:
    from dataclasses import replace

    from semscheck.lab.cluster import Lab

    world = scenario.world if seed is None else replace(scenario.world, seed=seed)
    with _stop_event() as stopped:
        async with Lab(world, bind) as lab:
            profile = _write_profile(lab, directory)
            for line in _introduction(lab, profile, services=bool(scenario.expect_with_services)):
                print(line, file=out)
            out.flush()
            if ready is not None:
                ready(lab)
            await _show_connections(lab, out, stopped)


def _write_profile(lab: Lab, directory: Path | None) -> Path:
    """Write the profile, and the root beside it where the directory outlives the lab."""
    if directory is None:
        profile = lab.ca_file.with_name("profile.toml")
        AtomicFile(profile, PUBLIC).write(lab.profile_toml(ca_file=lab.ca_file.name).encode())
        return profile
    directory.mkdir(parents=True, exist_ok=True)
    AtomicFile(directory / "ca.pem", PUBLIC).write(lab.ca_file.read_bytes())
    profile = directory / "profile.toml"
    AtomicFile(profile, PUBLIC).write(lab.profile_toml(ca_file="ca.pem").encode())
    return profile


def _introduction(lab: Lab, profile: Path, *, services: bool) -> list[str]:
    """Return what is said before the first connection. services: what is wrong shows with --services only."""
    import shlex

    world = lab.world
    width = max(len(member.name) for member in lab.members) + 2
    lines = [NOTICE, "", f"{world.name}: {world.sentence}", ""]
    lines += [f"  {lab.fqdn}, port {lab.port}; name server {', '.join(lab.resolvers)}"]
    if lab.balancer_addresses:
        lines.append(f"  {'balancer':<{width}}{', '.join(lab.balancer_addresses)}")
    lines += [
        f"  {member.name:<{width}}Interface 1 {member.replication}   Interface 2 {member.client}"
        for member in lab.members
    ]
    wanted = (pair for member in lab.place.members for pair in (*member.services, *member.management))
    missing = sorted({port for port, here in wanted if here is None})
    if missing:
        lines.append(
            f"  ports {', '.join(map(str, missing))} cannot be had here (privileges), and are left out"
        )
    resolvers = " ".join(f"--resolver {resolver}" for resolver in lab.resolvers)
    return [
        *lines,
        "",
        "Look at it from another terminal:",
        "",
        f"  semscheck check --profile {shlex.quote(str(profile))} {resolvers}{' --services' if services else ''}",
        "",
        "Ctrl-C ends it. Connections as they come:",
    ]


async def _show_connections(lab: Lab, out: TextIO, stopped: asyncio.Event) -> None:
    shown = 0
    while not stopped.is_set():
        for entry in lab.truth:
            if entry.order > shown:
                shown = entry.order
                print(_line(entry), file=out)
        out.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                await stopped.wait()


def _line(entry: Served) -> str:
    way = "through the balancer" if entry.via_balancer else f"directly, {entry.interface} interface"
    who = "another client" if entry.other_client else entry.source[0]
    return f"  {entry.at_s:9.3f} s  {who} -> {entry.member or 'nobody'} ({way}, {entry.outcome})"


@contextlib.contextmanager
def _stop_event() -> Iterator[asyncio.Event]:
    """Give an event that Ctrl-C and SIGTERM set."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    caught = []
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except (NotImplementedError, RuntimeError, ValueError):
            continue  # Windows, or not the main thread: KeyboardInterrupt ends it
        caught.append(number)
    try:
        yield stopped
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
