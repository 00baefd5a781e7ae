"""`qdrant-admin restart`."""

from typing import TYPE_CHECKING

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command

if TYPE_CHECKING:
    from qdrant_admin.server.runtime import RestartMethod


@command()
@click.option(
    "--how",
    type=click.Choice(["graceful", "kill", "recreate", "pause", "engine"]),
    default="graceful",
    show_default=True,
    help="kill: like a crash; recreate: a new container on the same data; pause: freeze and resume; engine: restart "
    "the container engine itself.",
)
@click.option(
    "--yes", is_flag=True, help="With --how engine: confirm that everything else on the engine is interrupted."
)
def restart(invocation: Invocation, how: "RestartMethod", yes: bool) -> None:
    """Stop the server, start it again, and wait until it is ready.

    Examples:
      qdrant-admin restart
      qdrant-admin restart --how recreate
      qdrant-admin restart --how engine --yes
    """
    from qdrant_admin.lifecycle.restart import restart as operation

    ws = invocation.workspace()
    invocation.conclude(invocation.run(lambda cancel: operation(ws, how, cancel=cancel, confirmed=yes)))
