"""`qdrant-admin verify`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command, given_options
from qdrant_admin.cli.report_files import REPORT, check_report_files

if TYPE_CHECKING:
    from qdrant_admin.persistence.reports import VerifyMethod

FILE = click.Path(dir_okay=False, path_type=Path)


@command()
@click.option(
    "--how",
    type=click.Choice(["graceful", "kill", "pause", "recreate", "engine", "all", "none"]),
    help="graceful is the default, none with --baseline. kill: like a crash; pause: freeze and resume; "
    "recreate: a new container on the same data; engine: restart the container engine itself, with --yes; "
    "all: each in turn, without engine; none: read twice without a restart.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Confirm what is asked otherwise: that a --report file is replaced and, with --how engine, that everything "
    "else on the engine is interrupted.",
)
@click.option("--collection", "names", multiple=True, metavar="NAME", help="Only this collection; may be repeated.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Compare every id, but the content of only N points per collection; the report says so.",
)
@click.option(
    "--baseline", type=FILE, help="An earlier report of `verify --json`; whatever differs from it is reported."
)
@REPORT
@click.option("--finish", is_flag=True, help="Finish a check that was interrupted before its second scan.")
@click.option(
    "--accept",
    is_flag=True,
    help="Without a restart, show what is missing of all that was known to be here, and accept that it is.",
)
def verify(
    invocation: Invocation,
    how: "VerifyMethod | None",
    yes: bool,
    names: tuple[str, ...],
    sample: int | None,
    baseline: Path | None,
    files: tuple[Path, ...],
    finish: bool,
    accept: bool,
) -> None:
    """Fingerprint every point, restart the server, fingerprint again, and compare.

    Exit code 0 means persisted: nothing is missing, nothing has changed. It is also that of two words that prove
    nothing: unchanged (no process has ended between the two looks) and empty (nothing is stored).

    Examples:
      qdrant-admin verify --how kill
      qdrant-admin verify --collection memories --json
      qdrant-admin verify --how all --report proof.html
      qdrant-admin verify --how engine --yes
      qdrant-admin verify --baseline monday.json
    """
    if finish and (other := given_options({"finish", "files", "yes"})):
        raise click.UsageError(
            f"--finish takes what the interrupted check was given: {', '.join(other)} cannot change it"
        )
    if accept and (other := given_options({"accept", "yes"})):
        raise click.UsageError(f"--accept looks at everything and restarts nothing: {', '.join(other)} cannot be added")
    if accept:
        from qdrant_admin.lifecycle.accept import accept as take_for_known

        accepting = invocation.workspace()
        invocation.conclude(invocation.run(lambda cancel: take_for_known(accepting, cancel=cancel)))
    from qdrant_admin.persistence.past_checks import load
    from qdrant_admin.persistence.reports import VerifyOptions
    from qdrant_admin.persistence.verify import finish as second_look
    from qdrant_admin.persistence.verify import verify as operation

    ws = invocation.workspace()
    check_report_files(files, ws.settings.name, yes=yes)
    if finish:
        report = invocation.run(lambda cancel: second_look(ws, cancel=cancel))
    else:
        options = VerifyOptions(
            how=how or ("none" if baseline else "graceful"),
            confirmed=yes,
            collections=names,
            sample=sample,
            baseline=load(baseline) if baseline else None,
        )
        report = invocation.run(lambda cancel: operation(ws, options, cancel=cancel))
    invocation.conclude(report, files)
