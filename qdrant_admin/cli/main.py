"""The entry point, and the one place where errors end: shown as what, why and what to do now.

Never a traceback, unless asked for with `--debug`.
"""

import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from qdrant_admin.cli import quick

if TYPE_CHECKING:
    from pathlib import Path

    from qdrant_admin.core.errors import AdminError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and leave with the exit code of the contract."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
    except BaseException as error:  # noqa: BLE001 # the border: whatever gets here is shown in one way
        code = explain(error, given)
    sys.exit(code)


def _run(given: list[str]) -> int:
    if sys.stdout is None:
        raise quick.nowhere("it is closed")
    if quick.COMPLETE not in os.environ:
        if not given:  # the interface is drawn before anything else is loaded
            return quick.open_interface(None)
        if text := quick.answer(given):
            quick.put(text)
            return 0
        if options := quick.status_asked(given):
            _status(options)
    from qdrant_admin.cli.root import cli

    if quick.COMPLETE in os.environ:
        cli.main(given, prog_name="qdrant-admin")
    with cli.make_context("qdrant-admin", given) as context:  # not `cli.main`: it has ends of its own for errors
        cli.invoke(context)
    return 0


def _status(options: dict[str, Any]) -> NoReturn:
    gc.disable()  # a look ends before there is anything to collect, and importing makes the collector run often
    try:
        from qdrant_admin.cli.invocation import Invocation
        from qdrant_admin.lifecycle.status import status

        workspace = Invocation(**options).workspace()
        Invocation(**{**options, "profile": workspace.settings.name}).finish(status(workspace))
    finally:
        gc.enable()


def explain(error: BaseException, arguments: Sequence[str]) -> int:
    """Show an error and return the exit code of the contract."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    import click

    from qdrant_admin.cli.invocation import profile_name, write_json, write_line
    from qdrant_admin.core.errors import Unfit

    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # the reader has gone (`| head`)
        quick.silence()
        return 0
    if "--debug" in arguments:
        import traceback

        traceback.print_exception(error)
    ours = _as_admin_error(error)
    ours = ours.with_fix(ours.fix_on(profile_name(_named(arguments))))
    parts = {
        "error": {"what": ours.what, "why": ours.why, "fix": ours.fix},
        "kind_of_error": type(ours).__name__,
        "exit_code": int(ours.exit_code),
    }
    try:
        if "--json" in arguments:
            write_json(parts)
        elif "--events" in arguments:
            write_line({"kind": "failed", **parts})
    except (BrokenPipeError, Unfit):  # the words on standard error and the exit code are left
        quick.silence()
    _print_words(ours)
    return int(ours.exit_code)


def _named(arguments: Sequence[str]) -> str | None:
    for at, word in enumerate(arguments):
        if word == "--profile" and at + 1 < len(arguments):
            return arguments[at + 1]
        if word.startswith("--profile="):
            return word.partition("=")[2]
    return None


def _as_admin_error(error: BaseException) -> "AdminError":
    import click

    from qdrant_admin.core.errors import AdminError, Cancelled, ExitCode
    from qdrant_admin.core.formatting import plain

    if isinstance(error, AdminError):
        return error
    if isinstance(error, KeyboardInterrupt | click.exceptions.Abort):
        return Cancelled()
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        return quick.nowhere(str(error.strerror))  # of a stream: a file would have its name
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "qdrant-admin"
        wrong = AdminError(error.format_message().rstrip("."), fix=f"{command} --help")
        wrong.exit_code = ExitCode.USAGE
        return wrong
    return AdminError(
        f"something unexpected went wrong: {type(error).__name__}: {plain(error)}",
        why="this is a fault of qdrant-admin; the details are in its log",
        fix=f'less "{_logged(error)}"',
    )


def _logged(error: BaseException) -> "Path | str":
    """Append the traceback to our log file and return its path."""
    import traceback
    from datetime import UTC, datetime

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


def _print_words(error: "AdminError") -> None:
    from qdrant_admin.cli.render.blocks import failure, messages
    from qdrant_admin.cli.render.piped import is_ascii

    console = messages()
    console.print(failure(error, ascii_only=is_ascii(console.encoding)))
