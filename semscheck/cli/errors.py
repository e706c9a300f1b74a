"""What a command says when it cannot do what was asked."""

from __future__ import annotations

UNKNOWN = 3  # the exit code of everything that could not be tested, wrong command lines among it


class CommandError(Exception):
    """Wrong input, or a file that cannot be read or written: one line for standard error, and exit code 3."""
