"""`qdrant-admin migrations`: what earlier migrations have left unfinished, and what they could not store."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrant_admin.cli.commands.migrate import BATCH_SIZE, DRY_RUN, LATEST, ON_REJECT, VERIFY, WORKERS, run_plan
from qdrant_admin.cli.help import HelpfulGroup
from qdrant_admin.cli.invocation import Invocation, common, write_json

if TYPE_CHECKING:
    from qdrant_admin.migration.checkpoint import UnfinishedRun
    from qdrant_admin.migration.reports import RejectPolicy
    from qdrant_admin.workspace import Workspace


@click.group(cls=HelpfulGroup)
def migrations() -> None:
    """Unfinished migrations, and records that could not be stored.

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
    from datetime import UTC, datetime

    from qdrant_admin.migration.checkpoint import unfinished

    found = unfinished(invocation.workspace().store)
    if invocation.as_json or invocation.events:
        now = datetime.now(UTC)
        rows = [
            {
                "run": one.run,
                "source": one.source,
                "target": one.target,
                "state": "unfinished",
                "done": one.done,
                "total": sum(planned.count for planned in one.plan.collections),
                "age": (now - one.updated_at).total_seconds(),
            }
            for one in found
        ]
        write_json({"runs": rows})
        return
    from qdrant_admin.cli.console import put
    from qdrant_admin.cli.drawing import advice
    from qdrant_admin.cli.moves import runs
    from qdrant_admin.core.commands import Command

    put(lambda ascii_only: runs(found, ascii_only=ascii_only))
    if found:
        for word, command in {
            "next": Command("migrate", resume=True),
            "discard it": Command("migrations", "discard", found[0].run),
        }.items():
            again = str(command.on(invocation.profile) if invocation.profile else command)
            put(lambda ascii_only, says=word, text=again: advice(says, text, ascii_only=ascii_only))  # type: ignore[misc]


@migrations.command("show")
@click.argument("run")
@common
def migrations_show(invocation: Invocation, run: str) -> None:
    """Show the plan of an unfinished run.

    Examples:
      qdrant-admin migrations show RUN
    """
    invocation.finish(unfinished_run(invocation.workspace(), run).plan)


@migrations.command("discard")
@click.argument("run")
@common
def migrations_discard(invocation: Invocation, run: str) -> None:
    """Discard an unfinished run: what it has copied stays, and is indexed again.

    Examples:
      qdrant-admin migrations discard RUN
    """
    from qdrant_admin.migration.runs import discard as operation

    ws = invocation.workspace()
    chosen = unfinished_run(ws, run)
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
    """Send the records of a reject file again, mended, to where they were going.

    Examples:
      qdrant-admin migrations replay rejects.jsonl
    """
    from qdrant_admin.migration.plan import PlanOptions
    from qdrant_admin.sources.base import FolderUri

    options = PlanOptions(
        on_conflict="overwrite",  # what was rejected is not there yet, so nothing is written over
        on_reject=on_reject,
        batch_size=batch_size,
        verify=verify,
        workers=workers,
    )
    source = str(FolderUri(scheme="rejects", path=file.absolute()))
    run_plan(invocation, source, options, dry_run=dry_run, yes=True)


def unfinished_run(ws: "Workspace", run: str, source: str | None = None) -> "UnfinishedRun":
    """The run of this name, or the latest one.

    Raises:
        NotFound: there is none.
    """
    from qdrant_admin.core.commands import Command
    from qdrant_admin.core.errors import NotFound
    from qdrant_admin.migration.checkpoint import unfinished

    found = unfinished(ws.store)
    fitting = [one for one in found if (source is None or one.source == source) and run in {LATEST, one.run}]
    if not fitting:
        raise NotFound(
            "there is no unfinished run to resume" if run == LATEST else f"there is no unfinished run {run}",
            why=f"unfinished runs: {', '.join(one.run for one in found) or 'none'}",
            fix=Command("migrations", "list"),
        )
    return max(fitting, key=lambda one: one.updated_at)
