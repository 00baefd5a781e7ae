"""What a check leaves in the state for the case that it is interrupted between its two scans, and its way back.

None of it is worth the verdict: a state file that is locked, full or damaged costs a remark.
"""

from datetime import datetime
from types import TracebackType

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, Failed
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.persistence.reports import VerifyReport
from qdrant_admin.persistence.writers import Counters
from qdrant_admin.server.journal import read_journal, starts_since
from qdrant_admin.state import canaries, records, resumable_runs
from qdrant_admin.workspace import Workspace

_DELETE = "DELETE /collections/{name}"
"""How a server counts the deletion of a collection."""


class Bookkeeping:
    """Swallows the faults of whatever is only noted (`with bookkeeping: …`), and keeps them to be told."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._untold: list[AdminError] = []
        self.faults: list[str] = []
        """In words, each once."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, AdminError):
            return False
        if str(error) not in self.faults:
            self.faults.append(str(error))
            self._untold.append(error)
        return True

    def notices(self) -> Events:
        """What has not been told yet."""
        for error in self._untold:
            yield Notice(level="warning", text=f"not noted in the state: {error}", fix=error.fix_on(self._profile))
        self._untold.clear()


def interrupted(ws: Workspace) -> VerifyReport | None:
    """The first scan of a check that never made its second one, as the report that it would have been.

    Raises:
        Failed: it was kept by another version and cannot be read.
    """
    kept = resumable_runs.interrupted_check(ws.store, ws.settings.name)
    if kept is None:
        return None
    earlier = records.load(VerifyReport, kept.report)
    if isinstance(earlier, records.Unreadable):
        again = Command("verify", how="kill").on(ws.settings.name)
        raise Failed("the first scan of the interrupted check cannot be read", why=earlier.why, fix=again)
    return earlier


def counters_since(ws: Workspace, earlier: VerifyReport, started: datetime | None) -> Counters | None:
    """The counters from which a server of that start has gone on since the first scan that was kept.

    None where nobody can tell: the report is of an earlier version, and the process may be the same; or a process has
    ended since with requests that nobody has read.
    """
    kept = earlier.counted
    if started is None or started <= earlier.at or (kept is not None and kept.process == started):
        return None if kept is None else kept.requests
    if kept is None or not kept.ending or kept.requests is None:
        return None
    log = list(ws.runtime.log_since(earlier.at))
    if starts_since(log, earlier.at) != 1:
        return None
    # Its counters began at nothing, directly after those that were read; the check may have deleted what it had made.
    own = sum(
        one.deed == "deleted" and one.name.startswith(canaries.PREFIX) and one.at >= started
        for one in read_journal(log).events
    )
    return {_DELETE: own} if own else {}
