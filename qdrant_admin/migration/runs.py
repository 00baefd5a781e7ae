"""Giving up a migration that was stopped: its target indexes again, and nobody is reminded of it any more."""

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events, Finished
from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.checkpoint import UnfinishedRun
from qdrant_admin.migration.copy.indexing import Indexing
from qdrant_admin.migration.reports import DiscardReport
from qdrant_admin.migration.run import check_same_server
from qdrant_admin.state import run_locks
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace


def discard(ws: Workspace, run: UnfinishedRun, *, cancel: CancelToken) -> Events:
    """Forget how far a run has come. What it has copied stays, and so do its rejects.

    Yields:
        One event, with a `DiscardReport`.

    Raises:
        Refused: its target is another server than that of this profile, or another process is at it.
        ServerUnreachable: the target cannot be given its indexing back; the run stays as it is.
    """
    return recorded(ws.store, "discard", ws.settings.name, _discard(ws, run, cancel))


def _discard(ws: Workspace, run: UnfinishedRun, cancel: CancelToken) -> Events:
    check_same_server(ws, run)
    with run_locks.migration(run.run).held(), ws.database() as database:
        given = Indexing(ws.store, run.run, database, cancel).give_back()
        there = set(database.names())
        checkpoint.discard(ws.store, run.run)
    made = [planned.target for planned in run.plan.collections if planned.action == "create"]
    yield Finished(
        report=DiscardReport(
            run=run.run,
            source=run.source,
            target=run.target,
            handled=run.done,
            kept=tuple(name for name in made if name in there),
            indexing_given_back=given,
        )
    )
