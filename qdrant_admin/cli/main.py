"""The entry point, and the one place where errors end."""

import os
import sys
from collections.abc import Sequence

COMPLETE = "_QDRANT_ADMIN_COMPLETE"
"""Set by the shell while it asks for completions; click's name for it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and leave with the exit code of the contract."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
    except BaseException as error:  # noqa: BLE001 # the border: whatever gets here is shown in one way
        from qdrant_admin.cli.failure import explain

        code = explain(error, given)
    sys.exit(code)


def _run(given: list[str]) -> int:
    if COMPLETE not in os.environ:
        if not given:  # the interface is drawn before anything else is loaded
            return open_interface(None)
        if given == ["--version"]:
            from qdrant_admin import __version__

            sys.stdout.write(f"qdrant-admin {__version__}\n")
            return 0
    from qdrant_admin.cli.root import cli

    code = cli.main(given, prog_name="qdrant-admin", standalone_mode=False)
    return code if isinstance(code, int) else 0


def open_interface(profile: str | None) -> int:
    """Open the TUI; returns its exit code.

    Raises:
        Unfit: standard input or output is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        from qdrant_admin.core.commands import Command
        from qdrant_admin.core.errors import Unfit

        raise Unfit(
            "the terminal interface needs a terminal",
            why="input or output is a pipe or a file",
            fix=Command("status"),
        )
    from qdrant_admin.tui.app import run

    return int(run(profile) or 0)
