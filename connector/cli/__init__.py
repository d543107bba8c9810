"""The command `connector`: one module a verb. Exit codes: 0 done, 1 refused with reasons, 2 usage, 3 internal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main", "run"]


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Never raises."""
    from connector.cli.commands import (
        run_command,
    )  # the verbs are read when a command runs, not when the package is imported

    return run_command(list(arguments))
