"""Take over a Qdrant that somebody else set up, on explicit request only."""

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotQdrant, ServerUnreachable
from qdrant_admin.core.events import Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.lifecycle.status import status
from qdrant_admin.workspace import Workspace, operation


@operation("adopt")
def adopt(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Manage the server at this profile's address from now on, after having looked that it is a Qdrant.

    Raises:
        NotQdrant: what answers there is something else.
        ServerUnreachable: nothing answers there, so nobody can tell what it is.
        Unsupported: the runtime has nothing that could be marked as managed.
    """
    from qdrant_admin.server.health import probe
    from qdrant_admin.server.listener import cautious

    runtime, url = ws.runtime, ws.settings.endpoint.url
    if runtime.inspect().ours:
        yield Notice(text="this server is managed by qdrant-admin already")
        yield Finished(report=status(ws))
        return
    if not runtime.capabilities.adopt:
        yield from runtime.adopt(cancel)  # it says why it cannot
    yield StepStarted(step="identify", title=f"looking at who answers at {url}")
    found = probe(cautious(runtime))
    if not found.answers:
        raise ServerUnreachable(
            f"nothing answers at {url}",
            why="a server is adopted only after having looked that it is a Qdrant",
            fix=Command("doctor").on(ws.settings.name),
        )
    if not found.is_qdrant:
        fix = Command("up", port=6343).on(ws.settings.name)
        raise NotQdrant(f"what answers at {url} is not Qdrant", fix=fix)
    yield StepFinished(step="identify", detail=f"Qdrant {found.version}")
    yield from runtime.adopt(cancel)
    yield Finished(report=status(ws))
