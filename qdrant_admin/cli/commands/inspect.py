"""`qdrant-admin inspect`."""

import click

from qdrant_admin.cli.invocation import Invocation, profile_name
from qdrant_admin.cli.options import command


@command()
@click.argument("place", metavar="PATH/URI")
def inspect(invocation: Invocation, place: str) -> None:
    """Show what a file, folder or server is, how much it holds, and how to migrate it.

    It also says which program has it open. Nothing in it is changed.

    Examples:
      qdrant-admin inspect ~/unknown
      qdrant-admin inspect ./storage --json
      qdrant-admin inspect qdrant+http://127.0.0.1:6333
    """
    from qdrant_admin.migration.inspect import inspect as operation

    profile = profile_name(invocation.profile)
    invocation.conclude(invocation.run(lambda cancel: operation(place, profile=profile, cancel=cancel), brief=True))
