"""`init`: a first profile from what can be found, or what is new since the last one."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.errors import UNKNOWN, CommandError
from semscheck.cli.output import streams
from semscheck.cli.output.delivery import STDOUT
from semscheck.cli.output.files import PromisedFile
from semscheck.cli.targets import read, target_of
from semscheck.discovery import Found, find, merged, profile_text
from semscheck.files import why

if TYPE_CHECKING:
    from semscheck.model.target import Target


def init(options: Namespace) -> int:
    """`semscheck init`: looks at the name and at servers that the evidence names. Raises CommandError.

    Exit code 0 where the FQDN leads to something that answers, else 3: the profile is then mostly empty.
    """
    target = target_of(options)
    if options.save:
        found, told = save_profile(target)
        _tell(options, told)
        return _code(found)
    if options.output is None or options.output == STDOUT:
        streams.prove_stdout()
        found = asyncio.run(find(target))
        streams.write_report(profile_text(found).encode())
        return _code(found)
    if os.path.lexists(options.output) and not options.force:
        raise CommandError(f"--output: {options.output}: is there already; --force writes it anew")
    with PromisedFile("--output", options.output) as file:
        found = asyncio.run(find(target))
        file.write(profile_text(found).encode())
    _tell(
        options,
        f"wrote {options.output}; read it, correct it, then: semscheck check --profile {options.output}",
    )
    return _code(found)


def save_profile(target: Target) -> tuple[Found, str]:
    """Makes or completes the user's own profile for the name; what was found, and what became of it in a sentence.
    Raises CommandError."""
    path = users_profile(target.fqdn)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise CommandError(f"--save: {path.parent}: {why(problem)}") from problem
    is_new = not path.exists()
    with PromisedFile("--save", str(path)) as file:
        found = asyncio.run(find(target))
        file.write(profile_text(found).encode() if is_new else _merged(path, found))
    done = "wrote" if is_new else "completed"
    return found, f"{done} {path}; semscheck check {target.fqdn} uses it from now on"


def users_profile(fqdn: str) -> Path:
    """The user's own profile for a name: the one there is, else where it will be. Raises CommandError."""
    from semscheck.cli.known_profiles import USER, folders, profile_for

    known = profile_for(fqdn)
    if known is not None and known.source == USER:
        return known.path
    own = [folder for source, folder in folders() if source == USER]
    if not own:
        raise CommandError("--save: this user has no folder for profiles; write one with --output FILE")
    return own[-1] / f"{fqdn}.toml"


def _merged(path: Path, found: Found) -> bytes:
    known = (member.name for member in read(path, {}).members)
    return merged(path.read_text("utf-8-sig"), found, known).encode()


def _code(found: Found) -> int:
    return 0 if found.reachable else UNKNOWN


def _tell(options: Namespace, words: str) -> None:
    if not options.quiet:
        streams.say(words)
