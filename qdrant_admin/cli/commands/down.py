"""`qdrant-admin down`."""

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command


@command()
@click.option("--remove", is_flag=True, help="Remove the container as well. Data is never removed.")
@click.option("--yes", is_flag=True, help="Confirm that data is lost which lives on only in the running server.")
def down(invocation: Invocation, remove: bool, yes: bool) -> None:
    """Stop the server. The data stays where it is.

    Examples:
      qdrant-admin down
      qdrant-admin down --remove
    """
    from qdrant_admin.lifecycle.down import down as operation

    ws = invocation.workspace()
    invocation.conclude(invocation.run(lambda cancel: operation(ws, remove=remove, confirmed=yes, cancel=cancel)))
