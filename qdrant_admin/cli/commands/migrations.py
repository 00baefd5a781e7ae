"""`qdrant-admin migrations`: what earlier migrations have left unfinished, and what they could not store."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrant_admin.cli.commands.migrate import BATCH_SIZE, DRY_RUN, ON_REJECT, VERIFY, WORKERS
from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import HelpfulGroup, common

if TYPE_CHECKING:
    from qdrant_admin.migration.reports import RejectPolicy


@click.group(cls=HelpfulGroup)
def migrations() -> None:
    """List, show and discard unfinished migrations, and replay rejected records.

    Examples:
      qdrant-admin migrations list
      qdrant-admin migrate --resume
      qdrant-admin migrations replay rejects.jsonl
    """


@migrations.command("list")
@common
def migrations_list(invocation: Invocation) -> None:
    """List unfinished runs, the latest first.

    Examples:
      qdrant-admin migrations list --json
    """
    from qdrant_admin.migration.runs import list_runs

    invocation.finish(list_runs(invocation.workspace()))


@migrations.command("show")
@click.argument("run")
@common
def migrations_show(invocation: Invocation, run: str) -> None:
    """Show the progress of a run, collection by collection.

    Examples:
      qdrant-admin migrations show RUN
    """
    from qdrant_admin.migration.runs import show_run

    invocation.finish(show_run(invocation.workspace(), run))


@migrations.command("discard")
@click.argument("run")
@common
def migrations_discard(invocation: Invocation, run: str) -> None:
    """Discard an unfinished run. What it has copied stays, and indexing is turned on again.

    Examples:
      qdrant-admin migrations discard RUN
    """
    from qdrant_admin.migration.runs import discard as operation
    from qdrant_admin.migration.runs import find_run

    ws = invocation.workspace()
    chosen = find_run(ws, run)
    invocation.conclude(invocation.run(lambda cancel: operation(ws, chosen, cancel=cancel)))


@migrations.command("replay")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@DRY_RUN
@ON_REJECT
@BATCH_SIZE
@VERIFY
@WORKERS
@common
def migrations_replay(
    invocation: Invocation,
    file: Path,
    *,
    dry_run: bool,
    on_reject: "RejectPolicy",
    batch_size: int,
    verify: str,
    workers: int,
) -> None:
    """Migrate the corrected records of a reject file to the collections they were meant for.

    Examples:
      qdrant-admin migrations replay rejects.jsonl
    """
    from qdrant_admin.migration.plan import PlanOptions
    from qdrant_admin.migration.runs import replay

    ws = invocation.workspace()
    options = PlanOptions(on_reject=on_reject, batch_size=batch_size, verify=verify, workers=workers)
    invocation.conclude(invocation.run(lambda cancel: replay(ws, file, options, dry_run=dry_run, cancel=cancel)))
