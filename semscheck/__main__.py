"""The program's entry: `semscheck`, and `python -m semscheck`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; gives the process's exit code."""
    from semscheck.cli.main import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
