"""`qdrant-admin status`."""

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command


@command()
def status(invocation: Invocation) -> None:
    """Show what runs, where, and whether it is healthy.

    Examples:
      qdrant-admin status
      qdrant-admin status --json
    """
    from qdrant_admin.lifecycle.status import status as operation

    invocation.finish(operation(invocation.workspace()))
