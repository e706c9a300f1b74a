"""Profiles that are found by a server's name: the user's, the site's, and those beside the packaged program.

A desktop team ships a profile once, and first line types only the name. In each folder every `*.toml` is a profile.
What somebody else could have written is not used: on POSIX a file, and every folder on the way to it, must belong to
this user or to root, and must not be writable by others.
"""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from semscheck.cli.errors import CommandError
from semscheck.files import content, why
from semscheck.profile.values import EntryError, pasted_server

MOST_FILES = 200  # of one folder
MOST_BYTES = 1024 * 1024
USER, SITE, PROGRAM = "the user's", "the site's", "beside the program"


@dataclass(frozen=True, slots=True)
class KnownProfile:
    """fqdn: the name it is for, in A-labels; None where it names none. problem: why it is not used; None: it is."""

    path: Path
    source: str
    fqdn: str | None = None
    problem: str | None = None


def folders() -> tuple[tuple[str, Path], ...]:
    """Where profiles are looked for, the first one that has the name wins."""
    return (*_user_folders(), (SITE, _site_folder() / "profiles"), *_program_folder())


def _user_folders() -> Iterator[tuple[str, Path]]:
    from platformdirs import user_config_path

    try:
        own = user_config_path("semscheck", appauthor=False)
    except (RuntimeError, KeyError, OSError):  # a user without a home
        return
    if own.is_absolute():
        yield USER, own
        yield USER, own / "profiles"


def _site_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA") or r"C:\ProgramData") / "semscheck"
    if sys.platform == "darwin":
        return Path("/Library/Application Support/semscheck")
    return Path("/etc/semscheck")


def _program_folder() -> Iterator[tuple[str, Path]]:
    if getattr(sys, "frozen", False):
        yield PROGRAM, Path(sys.executable).resolve().parent / "profiles"


def known_profiles(*first: tuple[str, Path]) -> tuple[KnownProfile, ...]:
    """All that are found, those that cannot be used included, in the order in which they count. first: further
    folders."""
    return tuple(known for source, folder in (*first, *folders()) for known in _of_folder(source, folder))


def _of_folder(source: str, folder: Path) -> Iterator[KnownProfile]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".toml")[:MOST_FILES]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as problem:
        yield KnownProfile(folder, source, problem=why(problem))
        return
    for path in files:
        yield _known(path, source)


def _known(path: Path, source: str) -> KnownProfile:
    if (why := _untrusted(path)) is not None:
        return KnownProfile(path, source, problem=why)
    try:
        table = tomllib.loads(content(path, MOST_BYTES).decode("utf-8-sig"))
        typed = table.get("target", {}).get("fqdn")
        return KnownProfile(path, source, fqdn=pasted_server(typed)[0].name if typed is not None else None)
    except EntryError as problem:
        return KnownProfile(path, source, problem=str(problem).removeprefix(f"{path}: "))
    except (ValueError, RecursionError, AttributeError, TypeError) as problem:
        return KnownProfile(path, source, problem=f"not TOML that can be read: {problem}")


def _untrusted(path: Path) -> str | None:
    """Why others might have written it. None on Windows, where this is not looked at: who may write below
    %ProgramData% is for the administrator to set (docs/deploying.md)."""
    if os.name != "posix":
        return None
    whole = path.resolve()
    for part in (whole, *whole.parents):
        seen = part.stat()
        if seen.st_uid not in (0, os.geteuid()):
            return f"{part} belongs to another user"
        shared = seen.st_mode & stat.S_IWOTH or (
            seen.st_mode & stat.S_IWGRP and seen.st_gid not in (0, os.getegid())
        )
        if shared and not (part.is_dir() and seen.st_mode & stat.S_ISVTX):
            return f"{part} can be written by others"
    return None


def profile_for(fqdn: str) -> KnownProfile | None:
    """The profile for a server, typed as people type it; None if there is none.

    Raises CommandError where the one that counts cannot be used, or two of one folder are for that name.
    """
    try:
        name = pasted_server(fqdn)[0].name
    except EntryError:
        return None  # said where the name is read
    mine = [known for known in known_profiles() if _is_for(known, name)]
    if not mine:
        return None
    first = mine[0]
    if first.problem is not None:
        raise CommandError(f"{first.path}: {first.problem} (--no-profile checks without it)")
    twins = [known for known in mine[1:] if known.path.parent == first.path.parent]
    if twins:
        raise CommandError(
            f"two profiles are for {name}: {first.path} and {twins[0].path}; remove one, or choose with --profile"
        )
    return first


def _is_for(known: KnownProfile, name: str) -> bool:
    """By the name in it; one that cannot be read, by the name of its file."""
    return known.fqdn == name if known.problem is None else known.path.stem == name
