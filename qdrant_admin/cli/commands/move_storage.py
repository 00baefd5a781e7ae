"""`qdrant-admin move-storage`."""

import click

from qdrant_admin.cli.invocation import Invocation, command, confirm, same_command


@command("move-storage")
@click.option(
    "--volume", metavar="NAME", help="Named volume that takes the data; the profile's own when it is not given."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Yes, stop the server for as long as it takes.")
def move_storage(invocation: Invocation, volume: str | None, dry_run: bool, yes: bool) -> None:
    """Move the data of a container to a named volume, and prove that all of it is there.

    For data inside the container, in a folder that loses data, or in a volume without a name. The server is stopped
    meanwhile. Exit code 0 means persisted: every point was compared. Otherwise the server is as it was. The old data is
    never removed; the report says where it still is.

    Examples:
      qdrant-admin move-storage --dry-run
      qdrant-admin move-storage --yes
      qdrant-admin move-storage --volume my_vectors --yes --json
    """
    from qdrant_admin.persistence.move_storage import move_storage as operation
    from qdrant_admin.persistence.move_storage import plan_move

    ws = invocation.workspace()
    if dry_run:
        invocation.finish(plan_move(ws, volume))
    confirm(
        yes,
        f"{ws.settings.container_name} would be stopped while its data is copied to a volume and compared",
        same_command(ws.settings.name, yes=True),
    )
    invocation.conclude(invocation.run(lambda cancel: operation(ws, volume, cancel=cancel)))
