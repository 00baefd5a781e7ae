"""`qdrant-admin collections`."""

import click

from qdrant_admin.cli.invocation import Invocation, confirm
from qdrant_admin.cli.options import HelpfulGroup, common, same_command
from qdrant_admin.core.serialization import jsonable


@click.group(cls=HelpfulGroup)
def collections() -> None:
    """List, show and delete collections.

    Examples:
      qdrant-admin collections list
      qdrant-admin collections show memories
      qdrant-admin collections delete memories --dry-run
    """


@collections.command("list")
@common
def collections_list(invocation: Invocation) -> None:
    """List every collection with its exact number of points.

    Examples:
      qdrant-admin collections list --json
    """
    from qdrant_admin.collections.browse import list_collections

    invocation.finish(list_collections(invocation.workspace()))


@collections.command("show")
@click.argument("name")
@common
def collections_show(invocation: Invocation, name: str) -> None:
    """Show one collection: vectors, counts, indexes, aliases, settings.

    Examples:
      qdrant-admin collections show memories
    """
    from qdrant_admin.collections.browse import show_collection

    report = show_collection(invocation.workspace(), name)
    invocation.finish(report, collections=[jsonable(report.collection)])


@collections.command("delete")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--no-snapshot", is_flag=True, help="Do not save a snapshot first.")
@click.option("--with-aliases", is_flag=True, help="Delete it even if aliases point to it; they are deleted too.")
@click.option("--yes", is_flag=True, help="Confirm.")
@common
def collections_delete(
    invocation: Invocation, name: str, dry_run: bool, no_snapshot: bool, with_aliases: bool, yes: bool
) -> None:
    """Delete a collection, after saving a snapshot of it in qdrant-admin's data folder.

    Examples:
      qdrant-admin collections delete memories --dry-run
      qdrant-admin collections delete memories --yes
    """
    from qdrant_admin.collections.delete import DeleteOptions
    from qdrant_admin.collections.delete import delete as operation

    ws = invocation.workspace()
    options = DeleteOptions(snapshot=not no_snapshot, with_aliases=with_aliases)
    looking = options.model_copy(update={"dry_run": True})
    would = invocation.run(lambda cancel: operation(ws, name, looking, cancel=cancel), brief=True)
    if dry_run:
        invocation.conclude(would)
    confirm(yes, would.summary(), same_command(ws.settings.name, yes=True))
    invocation.conclude(invocation.run(lambda cancel: operation(ws, name, options, cancel=cancel)))
