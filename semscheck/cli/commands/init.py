"""`init`: a first profile from what can be found."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from typing import TYPE_CHECKING

from semscheck.cli.commands.check import target_of
from semscheck.cli.errors import UNKNOWN, CommandError
from semscheck.cli.output import streams
from semscheck.cli.output.delivery import STDOUT
from semscheck.cli.output.files import PromisedFile

if TYPE_CHECKING:
    from semscheck.model.target import Target


def init(options: Namespace) -> int:
    """`semscheck init`: looks at the name, the certificates and members that resolve. Raises CommandError.

    Exit code 0 where the FQDN leads to something that answers, else 3: the profile is then mostly empty.
    """
    target = target_of(options)
    if options.output is None or options.output == STDOUT:
        streams.prove_stdout()
        text, reachable = _profile(target)
        streams.write_report(text)
        return 0 if reachable else UNKNOWN
    if os.path.lexists(options.output) and not options.force:
        raise CommandError(f"--output: {options.output}: is there already; --force writes it anew")
    with PromisedFile("--output", options.output) as file:
        text, reachable = _profile(target)
        file.write(text)
    if not options.quiet:
        streams.say(
            f"wrote {options.output}; read it, correct it, then: semscheck check --profile {options.output}"
        )
    return 0 if reachable else UNKNOWN


def _profile(target: Target) -> tuple[bytes, bool]:
    """The profile's text, and whether anything answered."""
    from semscheck.discovery import find, profile_text

    found = asyncio.run(find(target))
    return profile_text(found).encode(), found.reachable
