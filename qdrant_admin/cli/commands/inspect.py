"""`qdrant-admin inspect`."""

from pathlib import Path

import click

from qdrant_admin.cli.invocation import Invocation, command


@command()
@click.argument("place", metavar="PATH")
def inspect(invocation: Invocation, place: str) -> None:
    """Say what a file, a folder or a server is, how much it holds, and how to migrate it.

    It also says which program has it open. Nothing in it is changed.

    Examples:
      qdrant-admin inspect ~/unknown
      qdrant-admin inspect ./storage --json
    """
    from qdrant_admin.migration.inspect import inspect as operation

    invocation.conclude(invocation.run(lambda cancel: operation(Path(place), cancel=cancel), brief=True))
