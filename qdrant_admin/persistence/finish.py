"""The second look of a check that was cut off: what is there now against what its first look saw."""

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import NotFound
from qdrant_admin.core.events import Events, Finished
from qdrant_admin.lifecycle import pending
from qdrant_admin.lifecycle.commands import command
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.persistence.options import VerifyOptions
from qdrant_admin.persistence.reports import VerifyReport
from qdrant_admin.persistence.verify import verify
from qdrant_admin.workspace import Workspace


def finish(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Compare with the first look that was kept. Ends with a `VerifyReport`, whose `baseline` is that look.

    The server ran when that look was taken: one that the cut-off check left down is started first, and one that is
    just coming up (an engine that hung may start it late) is waited for.

    It is kept until there is a verdict. Points that differ are counted and not named: the first look of a process that
    was killed has left digests of collections, not of points.

    Raises:
        NotFound: no check of this profile was cut off.
    """
    kept = pending.pending(ws.store, ws.settings.name)
    if kept is None:
        raise NotFound(
            f"no check of profile {ws.settings.name} was cut off", fix=command(ws.settings, "verify --how kill")
        )
    earlier = VerifyReport.model_validate_json(kept.report)
    if ws.runtime.capabilities.start:
        state = ws.runtime.inspect().state
        if state == "stopped":
            yield from ws.runtime.start(cancel)
        if state in {"stopped", "running", "restarting"}:
            yield from wait_ready(ws, cancel=cancel)
    options = VerifyOptions(how="none", collections=earlier.chosen, baseline=earlier)
    for event in verify(ws, options, cancel=cancel):
        if isinstance(event, Finished) and event.report.verdict_word != "inconclusive":
            pending.forget(ws.store, ws.settings.name)
        yield event
