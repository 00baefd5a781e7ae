"""Restart by the method that was asked for, wait until it can be used, and say what else a restart interrupts."""

import contextlib
import time

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import ConfirmationMissing, NotFound, Unsupported
from qdrant_admin.core.events import Events, Finished, Notice
from qdrant_admin.lifecycle.before_start import checked
from qdrant_admin.lifecycle.down import refuse_foreign
from qdrant_admin.lifecycle.observation import last_look
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.up import report_up
from qdrant_admin.server.listener import refuse_stranger
from qdrant_admin.server.runtime import RestartMethod
from qdrant_admin.state import run_locks
from qdrant_admin.workspace import Workspace, operation


@operation("restart")
def restart(ws: Workspace, how: RestartMethod = "graceful", *, cancel: CancelToken, confirmed: bool = False) -> Events:
    """Restart the server. Ends with an `UpReport`.

    A cancel stops before the restart; after it, the waiting. `confirmed`, for the method `engine`: somebody said yes to
    interrupting what else runs on it.

    Raises:
        ConfirmationMissing: the engine itself would be restarted, and nobody said yes.
        NotFound: there is none.
        NotOurs: it is not managed by qdrant-admin, or another server has its address.
        Unsupported: this runtime does not support that restart method.
        ServerNotReady: it did not come back in time.
    """
    begun = time.monotonic()
    runtime = ws.runtime
    if how not in runtime.capabilities.restart:
        unsupported = f"the {runtime.kind} runtime does not support that restart method"
        why = "; ".join(runtime.capabilities.cannot) or unsupported
        raise Unsupported(f"the server cannot be restarted by {how}", why=why)
    before = runtime.inspect()
    refuse_foreign(ws, before, "restarted")
    if before.state in {"absent", "stopped"}:
        refuse_stranger(runtime)
    if before.state == "absent":
        raise NotFound(f"there is no server of profile {ws.settings.name}", fix=Command("up").on(ws.settings.name))
    if others := others_interrupted(ws, how, confirmed=confirmed, doing="restart"):
        yield Notice(level="warning", text=f"{before.engine} will be restarted{others_words(others)}")
    with contextlib.ExitStack() as alone:
        yield from run_locks.server_of(ws.settings.name).taken(alone, cancel)
        if before.state == "stopped":
            runtime = checked(ws, accept=False, apply=False).runtime
        elif before.state != "paused":
            yield from last_look(ws)
        yield from runtime.restart(how, cancel)
    yield from wait_ready(ws, cancel=cancel)
    yield Finished(report=report_up(ws, started=True, begun=begun))


def others_interrupted(ws: Workspace, how: RestartMethod, *, confirmed: bool, doing: str) -> tuple[str, ...]:
    """Names of what else a restart interrupts; `doing` is the command that was given: `restart`, `verify`.

    Raises:
        ConfirmationMissing: the engine itself would be restarted, and nobody said yes.
        Unsupported: it cannot be done from here.
    """
    others = ws.runtime.interrupts(how)
    if how == "engine" and not confirmed:
        also = f"that would interrupt {', '.join(others)} as well" if others else "nothing else runs on it now"
        raise ConfirmationMissing(
            f"the container engine itself would be restarted: {ws.runtime.inspect().engine}",
            why=f"{also}; this needs --yes",
            fix=Command(doing, how="engine", yes=True).on(ws.settings.name),
        )
    return others


def others_words(others: tuple[str, ...]) -> str:
    """`; interrupted as well: web, db`; empty for none."""
    return f"; interrupted as well: {', '.join(others)}" if others else ""
