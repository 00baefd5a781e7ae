"""`qdrant-admin down`."""

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command


@command()
@click.option("--remove", is_flag=True, help="Remove the container as well. Data is never removed.")
def down(invocation: Invocation, remove: bool) -> None:
    """Stop the server. The data stays where it is.

    Examples:
      qdrant-admin down
      qdrant-admin down --remove
    """
    from qdrant_admin.lifecycle.down import down as operation

    ws = invocation.workspace()
    invocation.conclude(invocation.run(lambda cancel: operation(ws, remove=remove, cancel=cancel)))
