"""`qdrant-admin move-storage`."""

import click

from qdrant_admin.cli.invocation import Invocation, confirm
from qdrant_admin.cli.options import command, same_command


@command("move-storage")
@click.option("--volume", metavar="NAME", help="Target volume; by default the profile's own.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Confirm that the server is stopped meanwhile.")
def move_storage(invocation: Invocation, volume: str | None, dry_run: bool, yes: bool) -> None:
    """Move the data of a container to a named volume, and prove that all of it is there.

    For data inside the container, on a bind mount that can lose data, or in an anonymous volume. The server is stopped
    meanwhile. Exit code 0 means persisted: every point was compared. Otherwise the server is left as it was. The old
    data is never removed; the report says where it is.

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
