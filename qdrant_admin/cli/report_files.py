"""`--report FILE`: tried before anything is done for minutes, and written when the verdict is out."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrant_admin.cli.options import same_command

if TYPE_CHECKING:
    from qdrant_admin.core.reports import Report

REPORT = click.option(
    "--report",
    "files",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="Write the report to this file: .md, .html or .json; may be repeated. A file that is there needs --yes.",
)


def check_report_files(files: tuple[Path, ...], profile: str, *, yes: bool) -> None:
    """Make sure that a report can be written into each of these files.

    Somebody at a terminal is asked before a file is replaced. `yes`: that was confirmed on the command line.

    Raises:
        click.BadParameter: no report can be written there.
        Refused: it is a link or no file, and something else would be written over.
        ConfirmationMissing: there is a file, and nobody said that it may be replaced.
    """
    for file in files:
        _check_form(file)
        _check_place(file)
        if file.exists() and not yes:
            _ask(file, profile)
    if len({file.resolve() for file in files}) < len(files):
        raise click.BadParameter("one file cannot hold two reports", param_hint="--report")


def save_reports(report: "Report", files: tuple[Path, ...]) -> tuple[list[Path], list[str]]:
    """The files that a report was written into, and why it could not be written into others."""
    from qdrant_admin.core.errors import AdminError
    from qdrant_admin.core.serialization import save_report

    written, failed = [], []
    for file in files:
        try:
            _check_place(file)  # minutes have passed
            save_report(report, file)
        except (AdminError, click.BadParameter) as error:
            failed.append(f"{error.format_message()}" if isinstance(error, click.BadParameter) else str(error))
        else:
            written.append(file)
    return written, failed


def _check_form(file: Path) -> None:
    from qdrant_admin.core.errors import BadInput
    from qdrant_admin.core.serialization import form_of

    try:
        form_of(file)
    except BadInput as error:
        raise click.BadParameter(error.what, param_hint="--report") from error


def _check_place(file: Path) -> None:
    from qdrant_admin.core.errors import Refused

    if file.is_symlink():
        behind = f"what it leads to, {file.resolve()}, would be written over"
        raise Refused(f"{file} is a symbolic link", why=behind, fix="name a file that is no link")
    if file.exists() and not file.is_file():
        raise Refused(f"{file} is no file", why="a report would take its place", fix="name a file")
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        why = f"{file} cannot be written: {error.strerror or error}"
        raise click.BadParameter(why, param_hint="--report") from error


def _ask(file: Path, profile: str) -> None:
    from qdrant_admin.core.errors import ConfirmationMissing

    at_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if not (at_terminal and click.confirm(f"{file} is there already. Replace it?", err=True)):
        why = "it may be the proof of an earlier day, and would be replaced"
        raise ConfirmationMissing(f"{file} already exists", why=why, fix=same_command(profile, yes=True))
