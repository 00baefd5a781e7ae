"""Whether a server may be restarted to prove something, looked at before anything is touched."""

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotFound, Refused, ServerTrouble, ServerUnreachable, Unsupported
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.gateway import Database
from qdrant_admin.lifecycle.down import refuse_foreign
from qdrant_admin.persistence.reports import VerifyOptions
from qdrant_admin.server.health import probe
from qdrant_admin.server.runtime import RuntimeState
from qdrant_admin.workspace import Workspace


def check_server(ws: Workspace, options: VerifyOptions) -> RuntimeState:
    """Look at process and health.

    Raises:
        Unsupported: this runtime cannot restart the server in that way.
        NotOurs: qdrant-admin does not manage it.
        Refused: a recreate would throw the data away.
        ServerUnreachable, ServerTrouble: there is nothing sound to compare with.
    """
    runtime = ws.runtime
    supported = runtime.capabilities.restart
    possible = bool(supported) if options.how == "all" else options.how in {*supported, "none"}
    if not possible:
        raise Unsupported(
            f"the server at {runtime.endpoint.url} cannot be restarted by {options.how} from here",
            why="; ".join(runtime.capabilities.cannot) or f"the {runtime.kind} runtime does not support that method",
            fix=Command("verify", how="none").on(ws.settings.name),
        )
    state = runtime.inspect()
    if options.how != "none":
        refuse_foreign(ws, state, "restarted")
    if options.how == "recreate" and state.storage.kind == "container":
        raise Refused(
            f"{state.name} keeps its data inside the container",
            why=f"nothing is mounted where it stores ({state.storage.destination}), so recreating it loses everything",
            fix=Command("verify", how="kill").on(ws.settings.name),
        )
    if state.state not in {"running", "unknown"}:
        raise ServerUnreachable(
            f"the server is not running ({state.state})",
            why="there is nothing to compare with: its content has to be read before the restart",
            fix=Command("up").on(ws.settings.name),
        )
    check_health(ws)
    return state


def check_names(ws: Workspace, database: Database, options: VerifyOptions) -> None:
    """Look for every collection that was asked for.

    Raises:
        NotFound: one that was asked for is not there.
    """
    names = database.names()
    for wanted in options.collections:
        if wanted not in names:
            raise NotFound(
                f"there is no collection “{plain(wanted)}”",
                why=f"there are: {plain(', '.join(names))}" if names else "nothing is stored yet",
                fix=Command("collections", "list").on(ws.settings.name),
            )


def check_health(ws: Workspace) -> None:
    """Look whether the server answers as a Qdrant that can be read.

    Raises:
        ServerUnreachable: it does not.
        ServerTrouble: it runs in recovery mode.
    """
    endpoint = ws.runtime.endpoint
    seen = probe(endpoint)
    if not seen.is_qdrant or not seen.ready:
        raise ServerUnreachable(
            f"the server at {endpoint.url} is not ready",
            why=seen.error or "it does not report that it is",
            fix=Command("doctor").on(ws.settings.name),
        )
    if seen.recovery_mode:
        raise ServerTrouble(
            "the server runs in recovery mode",
            why="collections cannot be read in it, so nothing could be compared",
            fix=Command("logs", tail=200).on(ws.settings.name),
        )
