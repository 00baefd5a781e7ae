"""The step from the command line into the terminal interface."""

import sys

from qdrant_admin.core.errors import Unfit


def open_interface(profile: str | None) -> int:
    """Open the TUI; returns its exit code.

    Raises:
        Unfit: standard input or output is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Unfit(
            "the terminal interface needs a terminal",
            why="input or output is a pipe or a file",
            fix="qdrant-admin status",
        )
    from qdrant_admin.tui.app import run

    return int(run(profile) or 0)
