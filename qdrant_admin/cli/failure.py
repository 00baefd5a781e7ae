"""How an error looks on the command line: what, why, and what to do now. Never a traceback, unless asked for."""

import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from qdrant_admin.cli.invocation import profile_name, write_json, write_line
from qdrant_admin.core.errors import AdminError, Cancelled, ExitCode
from qdrant_admin.core.formatting import plain


def explain(error: BaseException, arguments: Sequence[str]) -> int:
    """Show an error and return the exit code of the contract."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else ExitCode.FOUND_WRONG
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        _close_output()
        return ExitCode.OK
    if "--debug" in arguments:
        traceback.print_exception(error)
    shown = _as_admin_error(error)
    shown = shown.with_fix(shown.fix_on(profile_name(_named(arguments))))
    if "--json" in arguments:
        write_json(_parts(shown))
    elif "--events" in arguments:
        write_line({"kind": "failed", **_parts(shown)})
    _print_words(shown)
    return int(shown.exit_code)


def _named(arguments: Sequence[str]) -> str | None:
    """The profile that the command line names."""
    for at, word in enumerate(arguments):
        if word == "--profile" and at + 1 < len(arguments):
            return arguments[at + 1]
        if word.startswith("--profile="):
            return word.partition("=")[2]
    return None


def _as_admin_error(error: BaseException) -> AdminError:
    if isinstance(error, AdminError):
        return error
    if isinstance(error, KeyboardInterrupt | click.exceptions.Abort):
        return Cancelled()
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "qdrant-admin"
        wrong = AdminError(error.format_message().rstrip("."), fix=f"{command} --help")
        wrong.exit_code = ExitCode.USAGE
        return wrong
    return AdminError(
        f"something unexpected went wrong: {type(error).__name__}: {plain(error)}",
        why="this is a fault of qdrant-admin; the details are in its log",
        fix=f'less "{_keep(error)}"',
    )


def _keep(error: BaseException) -> Path | str:
    """Append the traceback to our log file and return its path."""
    from qdrant_admin.config.places import state_dir

    path = state_dir() / "qdrant-admin.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{datetime.now(UTC).isoformat()}\n")
            log.writelines(traceback.format_exception(error))
    except OSError:
        return "(the log cannot be written; run again with --debug)"
    return path


def _parts(error: AdminError) -> dict[str, object]:
    return {
        "error": {"what": error.what, "why": error.why, "fix": error.fix},
        "kind_of_error": type(error).__name__,
        "exit_code": int(error.exit_code),
    }


def _print_words(error: AdminError) -> None:
    from qdrant_admin.cli.render.blocks import failure, is_ascii, messages

    console = messages()
    console.print(failure(error, ascii_only=is_ascii(console)))


def _close_output() -> None:
    """The reader has gone (`| head`): say nothing more, not even at the interpreter's end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
