"""`qdrant-admin inspect`."""

from pathlib import Path

import click

from qdrant_admin.cli.invocation import Invocation, command


@command()
@click.argument("place", metavar="PATH")
def inspect(invocation: Invocation, place: str) -> None:
    """Tell what a file or folder is, how much is in it, who has it open, and which command brings it into a server.

    Nothing in it is changed.

    Examples:
      qdrant-admin inspect ~/unknown
      qdrant-admin inspect ./storage --json
    """
    from qdrant_admin.migration.inspect import inspect as operation

    invocation.conclude(invocation.run(lambda cancel: operation(Path(place), cancel=cancel), brief=True))
