"""`qdrant-admin stats`."""

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command


@command()
def stats(invocation: Invocation) -> None:
    """Show the CPU, memory and disk that the server uses.

    Examples:
      qdrant-admin stats
    """
    from qdrant_admin.lifecycle.logs import stats as operation

    invocation.finish(operation(invocation.workspace()))
