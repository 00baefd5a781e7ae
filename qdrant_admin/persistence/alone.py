"""One check of a server at a time: two that restart it would each see the other's restart as a fault."""

import contextlib

from qdrant_admin.core.errors import Refused
from qdrant_admin.core.events import Events
from qdrant_admin.core.locks import Held, holding
from qdrant_admin.state.resumable_runs import check_lock
from qdrant_admin.workspace import Workspace


def alone(ws: Workspace, events: Events) -> Events:
    """Pass events through while nobody else checks this profile's server.

    Raises:
        Refused: somebody does.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(holding(check_lock(ws.settings.name)))
        except Held as error:
            raise Refused(
                "another check of this server is going on",
                why="both would restart it, and neither could tell what the other did",
                fix="wait for it to end",
            ) from error
        yield from events
