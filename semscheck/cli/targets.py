"""What a command is about: the target from options, a profile, or this desktop's enrolment."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from semscheck.cli.errors import CommandError
from semscheck.cli.output import streams
from semscheck.profile.reader import Given, ProfileError, read_target

if TYPE_CHECKING:
    from semscheck.model.target import Severity, Target


def target_of(options: Namespace) -> Target:
    """What the command line and the profile describe; the enrolment where neither names a server."""
    fqdn = options.fqdn
    if fqdn is None and options.profile is None:
        fqdn = _enrolled(options.name)
    profile = Path(options.profile) if options.profile is not None else None
    if profile is None and not options.no_profile:
        profile = _found_profile(fqdn, quiet=options.quiet)
    return read(profile, {**vars(options), "fqdn": fqdn})


def _found_profile(fqdn: str, *, quiet: bool) -> Path | None:
    """The profile that is found by the server's name, which is said on standard error. Raises CommandError."""
    from semscheck.cli.known_profiles import profile_for

    known = profile_for(fqdn)
    if known is None:
        return None
    if not quiet:
        streams.say(f"profile: {known.path} ({known.source}; --no-profile checks without it)")
    return known.path


def read(profile: Path | None, given: Given) -> Target:
    """`read_target` with the catalogue at hand. Raises CommandError."""
    try:
        return read_target(profile, given, severities)
    except ProfileError as problem:
        raise CommandError(str(problem)) from problem


def severities() -> Mapping[str, Severity]:
    """The catalogue's default severities by code."""
    from semscheck.rules.printed import cards

    return {card.code: card.severity for card in cards()}


def enrolled_server() -> str | None:
    """The best of the names that this desktop's enrolment holds, None if there is none that can be used."""
    from semscheck.net.backend import real_backend
    from semscheck.probes.enrolment import enrolled_servers

    return next(iter(enrolled_servers(real_backend(0).desktop)), None)


def _enrolled(command: str) -> str:
    found = enrolled_server()
    if found is None:
        raise CommandError(
            f"no server name was given, and this desktop is not enrolled with one: semscheck {command} FQDN"
        )
    return found
