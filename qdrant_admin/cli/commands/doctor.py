"""`qdrant-admin doctor`."""

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command


@command()
def doctor(invocation: Invocation) -> None:
    """Check for faults. Every check shows its evidence and a fix.

    Examples:
      qdrant-admin doctor
      qdrant-admin doctor --json
    """
    from qdrant_admin.lifecycle.doctor import doctor as operation

    ws = invocation.workspace()
    invocation.conclude(invocation.run(lambda cancel: operation(ws, cancel=cancel), brief=True))
