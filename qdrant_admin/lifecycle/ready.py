"""Wait until a server can really be worked with, and say what is being waited for."""

import contextlib
import time
from datetime import UTC, datetime

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, ServerNotReady
from qdrant_admin.core.events import Events, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, duration
from qdrant_admin.database.pending import Patience
from qdrant_admin.server.loading import Load, failed, loads
from qdrant_admin.state import history
from qdrant_admin.workspace import Workspace

STEP = "load"
LOOK_EVERY_SECONDS = 0.5
LONG_SECONDS = 1.0
"""A collection that takes longer is named when all is done."""
_LOG_LINES = 2000
UNREADABLE_FOR = 10.0
"""Seconds after which a collection that cannot be read is taken for damaged, not for slow: the server lists a
collection only once it has loaded it."""
_PAUSE = 0.25


def wait_ready(ws: Workspace, *, cancel: CancelToken, timeout: float | None = None) -> Events:
    """Wait for the process, a Qdrant at the address, /readyz, gRPC, and every collection to be readable.

    While it loads, the current collection is reported, with a forecast from earlier starts. A collection that stays
    unreadable is reported as an error and does not hold up the others; `grey` is not waited for: it never ends by
    itself. Acknowledged writes that the server has yet to apply are waited for as long as they become fewer.

    `timeout` is in seconds; the profile's `ready_timeout` when None.

    Raises:
        ServerNotReady: it did not come up in time, or ended; or another Qdrant answers in its place.
        AccessDenied: the API key is missing or wrong.
    """
    from qdrant_admin.server.health import probe, wait_answering
    from qdrant_admin.server.listener import cautious

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
    if probe(cautious(runtime)).recovery_mode:
        fix = str(Command("logs", tail=200).on(ws.settings.name))
        text = "the server is in recovery mode: no collection can be read"
        if watch.begun:
            yield StepFinished(step=STEP, outcome="failed", detail=text)
        yield Notice(level="error", text=text, fix=fix)
        return
    yield from _wait_readable(ws, watch, cancel, deadline)


def _wait_readable(ws: Workspace, watch: "LoadWatch", cancel: CancelToken, deadline: float) -> Events:
    started, patience = time.monotonic(), Patience()
    if not watch.begun:
        yield StepStarted(step=STEP, title="waiting for every collection to be readable")
    with ws.database() as database:
        while True:
            cancel.check()
            found = database.collections()
            unreadable = [one for one in found if one.trouble]
            queued = [one for one in found if one.pending.queued]
            now = time.monotonic()
            given_up = now >= deadline or now - started >= UNREADABLE_FOR
            stuck = patience.over(sum(one.pending.queued for one in queued), now)
            if (not unreadable or given_up) and (not queued or stuck):
                break
            slow = (*unreadable, *queued)
            note = f"collection {slow[0].name}: {slow[0].trouble or slow[0].pending.words}"
            done = len(found) - len(slow)
            yield Progress(step=STEP, done=done, total=len(found), unit="collections", note=note)
            cancel.wait(_PAUSE)
    for one in unreadable:
        fix = str(Command("collections", "show", one.name).on(ws.settings.name))
        yield Notice(level="error", text=f"collection {one.name} cannot be read: {one.trouble}", fix=fix)
    for one in queued:
        text = f"collection {one.name} does not get on: {one.pending.words}"
        yield Notice(level="error", text=text, fix=str(Command("logs", tail=200).on(ws.settings.name)))
    done = len(found) - len(unreadable)
    detail = f"{counted(done, 'collection')} readable" + (f", {len(unreadable)} not" if unreadable else "")
    if slowest := watch.remember():
        detail += f", {slowest}"
    yield StepFinished(step=STEP, outcome="failed" if unreadable or queued else "ok", detail=detail)


class LoadWatch:
    """Tells, while a server loads and cannot be asked, which collection it is at and how long that usually takes."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._usual = history.usual_start_seconds(ws.store, ws.settings.name)
        self._begun = time.monotonic()
        self._looked = self._begun
        self._since = ws.runtime.inspect().started_at if ws.runtime.capabilities.logs else None
        self._told: dict[str, Load] = {}
        self._at_work: Load | None = None
        self._waited = False

    @property
    def begun(self) -> bool:
        """Whether the step that tells of collections has begun."""
        return bool(self._told)

    def over(self, events: Events) -> Events:
        """Pass the events of the wait through, and tell between them of what is being loaded.

        Raises:
            ServerNotReady: with the collection at which it was.
        """
        try:
            for event in events:
                if not isinstance(event, Progress):
                    yield event
                    continue
                self._waited = True
                if time.monotonic() - self._looked >= LOOK_EVERY_SECONDS:
                    yield from self._look()
                yield self._with_forecast(event)
        except ServerNotReady as error:
            found = self._held_up_by()
            if not found:
                raise
            why, fix = f"{error.why}; {found}".removeprefix("; "), error.fix_on(self._ws.settings.name)
            raise ServerNotReady(error.what, why=why, fix=fix) from error
        if self._waited:
            yield from self._look()

    def remember(self) -> str:
        """Keep how long it took, for the next forecast; returns the slowest collection in words, where it took long."""
        if not self._waited:
            return ""
        seconds = {name: load.seconds for name, load in self._told.items() if load.seconds is not None}
        whole = time.monotonic() - self._begun
        history.remember_start(self._ws.store, self._ws.settings.name, {history.WHOLE_SERVER: whole, **seconds})
        slowest = max(seconds, key=lambda name: seconds[name], default="")
        if not slowest or seconds[slowest] < LONG_SECONDS:
            return ""
        return f"{slowest} took longest, {duration(seconds[slowest])}"

    def _held_up_by(self) -> str:
        """What a start that came to nothing was at, in words; empty when nobody can tell."""
        if name := failed(self._log(), self._since):
            return f"collection {name} cannot be loaded"
        return f"it was loading collection {self._at_work.collection}" if self._at_work else ""

    def _look(self) -> Events:
        self._looked = time.monotonic()
        latest = loads(self._log(), self._since)
        self._at_work = latest[-1] if latest and latest[-1].ended is None else None
        for load in latest:
            if self._told.get(load.collection) == load and load.ended is not None:
                continue
            if not self._told:
                yield StepStarted(step=STEP, title="loading collections")
            self._told[load.collection] = load
            yield self._progress(load)

    def _log(self) -> list[str]:
        """Nothing where it cannot be read, or where nobody knows when this start began."""
        if self._since is None:
            return []
        lines: list[str] = []
        with contextlib.suppress(AdminError):
            for batch in self._ws.runtime.logs(tail=_LOG_LINES, follow=False, cancel=CancelToken()):
                lines += batch
        return lines

    def _progress(self, load: Load) -> Progress:
        total, usual = load.total, self._usual.get(load.collection)
        progress = Progress(step=STEP, item=load.collection, done=min(load.done, total or 0), total=total, unit="steps")
        if load.seconds is not None:
            loaded = {"done": total or 1, "total": total or 1, "note": f"loaded in {duration(load.seconds)}"}
            return progress.model_copy(update=loaded)
        if usual is None:
            return progress
        left = _ahead(usual - (datetime.now(UTC) - load.began).total_seconds())
        return progress.model_copy(update={"seconds_left": left, "note": f"usually loaded after {duration(usual)}"})

    def _with_forecast(self, event: Progress) -> Progress:
        """The wait as a whole, with the collection that it is for."""
        usual, note = self._usual.get(history.WHOLE_SERVER), event.note
        if self._at_work is not None:
            note = f"loading collection {self._at_work.collection}"
        if usual is None:
            return event.model_copy(update={"note": note})
        left = _ahead(usual - (time.monotonic() - self._begun))
        note = f"{note}, usually ready after {duration(usual)}"
        return event.model_copy(update={"note": note, "seconds_left": left})


def _ahead(left: float) -> float | None:
    """Seconds that are left; None once a forecast has proven wrong."""
    return left if left > 0 else None
