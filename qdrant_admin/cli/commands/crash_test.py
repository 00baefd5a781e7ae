"""`qdrant-admin crash-test`."""

from pathlib import Path

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command
from qdrant_admin.cli.report_files import REPORT, check_report_files


@command("crash-test")
@click.option("--cycles", type=click.IntRange(1, 1000), default=10, show_default=True, help="Number of kills.")
@click.option(
    "--writers", type=click.IntRange(1, 32), default=4, show_default=True, help="Number of concurrent writers."
)
@click.option("--no-wait", is_flag=True, help="Write with wait=false, to see what a crash costs then.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for the random kill times and writes.")
@click.option("--yes", is_flag=True, help="Confirm that a --report file that is there is replaced.")
@REPORT
def crash_test(
    invocation: Invocation, cycles: int, writers: int, no_wait: bool, seed: int, yes: bool, files: tuple[Path, ...]
) -> None:
    """Write into temporary collections, kill the server, and look for every acknowledged change.

    The server is killed while writers are busy. Your own collections are not changed, but they cannot be reached while
    it restarts. Exit code 0: nothing that was acknowledged is lost.

    Examples:
      qdrant-admin crash-test
      qdrant-admin crash-test --cycles 100 --json
      qdrant-admin crash-test --report crashes.html
    """
    from qdrant_admin.persistence.crash import crash_test as operation
    from qdrant_admin.persistence.reports import CrashOptions

    ws = invocation.workspace()
    check_report_files(files, ws.settings.name, yes=yes)
    options = CrashOptions(cycles=cycles, writers=writers, wait=not no_wait, seed=seed)
    report = invocation.run(lambda cancel: operation(ws, options, cancel=cancel))
    invocation.conclude(report, files)
