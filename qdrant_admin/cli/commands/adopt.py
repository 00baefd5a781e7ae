"""`qdrant-admin adopt`."""

import click

from qdrant_admin.cli.invocation import Invocation, confirm
from qdrant_admin.cli.options import command


@command()
@click.option("--yes", is_flag=True, help="Confirm.")
def adopt(invocation: Invocation, yes: bool) -> None:
    """Manage a server of this profile's name that qdrant-admin did not create.

    Examples:
      qdrant-admin adopt --yes
    """
    from qdrant_admin.core.commands import Command
    from qdrant_admin.lifecycle.adopt import adopt as operation

    ws = invocation.workspace()
    confirm(
        yes,
        f"{ws.settings.container_name} would become ours to stop, change and remove",
        Command("adopt", yes=True).on(ws.settings.name),
    )
    invocation.conclude(invocation.run(lambda cancel: operation(ws, cancel=cancel)))
