"""Stop the server. Its data stays where it is, whatever is asked for."""

import contextlib

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import ConfirmationMissing, NotOurs, Refused, Unsupported
from qdrant_admin.core.events import Events, Finished, Notice
from qdrant_admin.lifecycle.observation import last_look
from qdrant_admin.lifecycle.reports import DownReport
from qdrant_admin.server.runtime import RuntimeState, refuse_losing
from qdrant_admin.state import run_locks
from qdrant_admin.workspace import Workspace, operation


@operation("down")
def down(ws: Workspace, *, remove: bool = False, confirmed: bool = False, cancel: CancelToken) -> Events:
    """Stop the server; with `remove` also remove its container or process record, never its data.

    `confirmed`: somebody said yes to losing what lives on only in the running process.

    Raises:
        ConfirmationMissing: its storage was deleted under it, and nobody said yes.
        NotOurs: it is not managed by qdrant-admin.
        Unsupported: the runtime cannot stop a server.
    """
    runtime, profile = ws.runtime, ws.settings.name
    if not runtime.capabilities.stop:
        raise Unsupported("the server cannot be stopped from here", why="; ".join(runtime.capabilities.cannot))
    with contextlib.ExitStack() as alone:
        yield from run_locks.server_of(profile).taken(alone, cancel)
        before = runtime.inspect()
        refuse_foreign(ws, before, "stopped")
        if not confirmed:
            _refuse_losing(ws, before)
        stopped = before.state in {"running", "paused", "restarting"}
        if stopped:
            yield from last_look(ws)
            yield from runtime.stop(cancel)
        elif before.state == "absent":
            fix = str(Command("up").on(profile))
            yield Notice(text=f"there is no server of profile {profile}", fix=fix)
        else:
            yield Notice(text=f"{before.name or 'the server'} is stopped already")
        removed = remove and before.state != "absent"
        if removed:
            yield from runtime.remove(cancel)
    kept = before.storage
    report = DownReport(profile=profile, runtime=runtime.kind, stopped=stopped, removed=removed, storage=kept)
    yield Finished(report=report)


def _refuse_losing(ws: Workspace, state: RuntimeState) -> None:
    try:
        refuse_losing(state)
    except Refused as losing:
        anyway = Command("down", yes=True).on(ws.settings.name)
        why = f"{losing.why}. To stop it all the same: {anyway}"
        raise ConfirmationMissing(losing.what, why=why, fix=losing.way_out) from losing


def refuse_foreign(ws: Workspace, state: RuntimeState, what: str) -> None:
    """Raise unless the server is managed by qdrant-admin, or there is none."""
    if state.ours is False:
        whose = "it has no ownership label, so somebody else made it"
        if state.other_installation:
            whose = "another installation of qdrant-admin, of another home or user, has made it"
        raise NotOurs(
            f"{state.name} was not {what}",
            why=f"it is not managed by qdrant-admin: {whose}",
            fix=Command("adopt").on(ws.settings.name),
        )
