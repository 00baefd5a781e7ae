"""What the server says and what it costs, while it runs."""

from collections.abc import Iterator
from datetime import UTC, datetime

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Unsupported
from qdrant_admin.lifecycle.reports import StatsReport
from qdrant_admin.workspace import Workspace


def logs(ws: Workspace, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
    """Batches of the server's log lines, oldest first; with `follow` until cancelled.

    Raises:
        Unsupported: the runtime cannot read them.
    """
    runtime = ws.runtime
    if not runtime.capabilities.logs:
        raise Unsupported("the log cannot be read from here", why="; ".join(runtime.capabilities.cannot))
    return runtime.logs(tail=tail, follow=follow, cancel=cancel)


def stats(ws: Workspace) -> StatsReport:
    """A sample of processor, memory and disk; may take up to two seconds. None for what the runtime cannot tell."""
    return StatsReport(**ws.runtime.stats().model_dump(), at=datetime.now(UTC))
