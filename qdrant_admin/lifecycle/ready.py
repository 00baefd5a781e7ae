"""Wait until a server can really be worked with, and say what is being waited for."""

import time

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import ServerNotReady
from qdrant_admin.core.events import Events, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.lifecycle.load_watch import STEP, LoadWatch
from qdrant_admin.workspace import Workspace

UNREADABLE_FOR = 10.0
"""Seconds after which a collection that cannot be read is taken for damaged, not for slow: the server lists a
collection only once it has loaded it."""
_PAUSE = 0.25


def wait_ready(ws: Workspace, *, cancel: CancelToken, timeout: float | None = None) -> Events:
    """Wait for the process, a Qdrant at the address, /readyz, gRPC, and every collection to be readable.

    While it loads, the current collection is reported, with a forecast from earlier starts. A collection that stays
    unreadable is reported as an error and does not hold up the others; `grey` is not waited for: it never ends by
    itself.

    `timeout` is in seconds; the profile's `ready_timeout` when None.

    Raises:
        ServerNotReady: it did not come up in time, or ended; or another Qdrant answers in its place.
        AccessDenied: the API key is missing or wrong.
    """
    from qdrant_admin.server.health import probe, wait_answering

    limit = ws.settings.profile.ready_timeout if timeout is None else timeout
    deadline = time.monotonic() + limit
    runtime = ws.runtime
    watch = LoadWatch(ws)
    yield from watch.over(wait_answering(runtime, cancel, limit))
    if stranger := runtime.stranger():
        raise ServerNotReady(
            f"another Qdrant answers at {runtime.endpoint.url}, and not the one of profile {ws.settings.name}",
            why=f"{stranger} listens there",
            fix=Command("doctor").on(ws.settings.name),
        )
    if probe(runtime.endpoint).recovery_mode:
        fix = str(Command("logs", tail=200).on(ws.settings.name))
        text = "the server is in recovery mode: no collection can be read"
        if watch.begun:
            yield StepFinished(step=STEP, outcome="failed", detail=text)
        yield Notice(level="error", text=text, fix=fix)
        return
    yield from _wait_readable(ws, watch, cancel, deadline)


def _wait_readable(ws: Workspace, watch: LoadWatch, cancel: CancelToken, deadline: float) -> Events:
    started = time.monotonic()
    if not watch.begun:
        yield StepStarted(step=STEP, title="waiting for every collection to be readable")
    with ws.database() as database:
        while True:
            cancel.check()
            found = database.collections()
            unreadable = [one for one in found if one.trouble]
            now = time.monotonic()
            if not unreadable or now >= deadline or now - started >= UNREADABLE_FOR:
                break
            note = f"collection {unreadable[0].name}: {unreadable[0].trouble}"
            done = len(found) - len(unreadable)
            yield Progress(step=STEP, done=done, total=len(found), unit="collections", note=note)
            cancel.wait(_PAUSE)
    for one in unreadable:
        fix = str(Command("collections", "show", one.name).on(ws.settings.name))
        yield Notice(level="error", text=f"collection {one.name} cannot be read: {one.trouble}", fix=fix)
    done = len(found) - len(unreadable)
    detail = f"{counted(done, 'collection')} readable" + (f", {len(unreadable)} not" if unreadable else "")
    if slowest := watch.remember():
        detail += f", {slowest}"
    yield StepFinished(step=STEP, outcome="failed" if unreadable else "ok", detail=detail)
