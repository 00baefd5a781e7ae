"""Move a server's data to a named volume, and prove that both are equal before the old storage is released."""

import time
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime

from qdrant_admin.config.file import write_profile
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, Failed
from qdrant_admin.core.events import Event, Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import size
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.lifecycle.down import refuse_foreign
from qdrant_admin.lifecycle.observation import last_look
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.persistence.fingerprints import Scanner, ServerScan, wait_for_wal
from qdrant_admin.persistence.reports import EQUAL, MovePlanReport, MoveReport
from qdrant_admin.persistence.restarts import check_health
from qdrant_admin.persistence.verdict import Judgement, judge, unfinished_checks
from qdrant_admin.persistence.writers import Writes, read_counters, told
from qdrant_admin.server.runtime import Relocation, Room, RuntimeState
from qdrant_admin.state import records, run_locks
from qdrant_admin.workspace import Workspace, operation

_STEPS = (
    "make every acknowledged write durable, and take the fingerprint of every point",
    "stop the server: nothing can be read or written from here on",
    "copy every file to the volume",
    "start a server on the copy, where no application finds it, and take the fingerprint again",
    "only when both are equal: start the server on the volume, at its own address",
    "otherwise: start it on its old storage again, as it was",
)
_ENDING = "finish the interrupted move: forward if it had been compared and taken over, else back to the old data"


def plan_move(ws: Workspace, volume: str | None = None) -> MovePlanReport:
    """What moving the data would do. Touches nothing.

    Without the name of a volume it is the profile's own, or the first like it that is free.

    Raises:
        Unsupported, NotFound, NotOurs, Refused: it cannot be done.
    """
    if (left := ws.runtime.interrupted_relocation()) is not None:
        ending = (
            "finish the interrupted move: forward if it had been compared and taken over, else back to the old data"
        )
        return _plan(ws, ws.runtime.inspect(), left.volume, left.left, None, (ending, *_STEPS))
    state, move = _look(ws, volume)
    return _plan(ws, state, move.volume, move.old.words, move.check(), _STEPS)


def _plan(
    ws: Workspace, state: RuntimeState, volume: str, left: str, room: Room | None, steps: tuple[str, ...]
) -> MovePlanReport:
    return MovePlanReport(
        profile=ws.settings.name,
        storage=_words(state),
        volume=volume,
        needed_bytes=room.needed if room else None,
        free_bytes=room.free if room else None,
        steps=steps,
        left=left,
    )


@operation("move-storage")
def move_storage(ws: Workspace, volume: str | None = None, *, cancel: CancelToken) -> Events:
    """Move the data to a named volume. Ends with a `MoveReport`; only `persisted` means that it was moved.

    Whatever goes wrong, and whenever it is cancelled, the server is on its old storage again, as it was found. The old
    data is never removed.

    Raises:
        Unsupported, NotFound, NotOurs, Refused, ServerUnreachable, ServerTrouble: before anything was touched.
        AdminError: the copy failed; the server is as it was found.
    """
    name = ws.settings.name
    events = run_locks.storage_move(name).during(_Run(ws, volume, cancel).run())
    yield from run_locks.check(name).during(events)


def _look(ws: Workspace, volume: str | None) -> tuple[RuntimeState, Relocation]:
    state = ws.runtime.inspect()
    refuse_foreign(ws, state, "moved")
    return state, ws.runtime.relocation(volume)


def _words(state: RuntimeState) -> str:
    if state.storage.kind == "container":
        return f"inside container {state.name}"
    return f"{'folder' if state.storage.kind == 'bind' else 'volume'} {state.storage.source}"


class _Run:
    """One move: what it has seen so far."""

    def __init__(self, ws: Workspace, volume: str | None, cancel: CancelToken) -> None:
        self._ws, self._volume, self._cancel = ws, volume, cancel
        self._scanner = Scanner(ws.settings.name, (), None, cancel)
        self._at, self._begun = datetime.now(UTC), time.monotonic()
        self._before, self._after = ServerScan(), ServerScan()
        self._writes = Writes()
        self._state: RuntimeState
        self._move: Relocation
        self._running = False
        """Whether the server ran when it was found."""
        self._down_since: float | None = None
        self._back_at: float | None = None

    def run(self) -> Events:
        finished = yield from self._earlier()
        if finished is not None:
            yield Finished(report=finished)
            return
        room = yield from self._check()
        with closing(self._before), closing(self._after):
            try:
                judgement = yield from self._prove(room)
                if judgement.verdict in EQUAL:
                    report = self._report(judgement, moved=True)
                    yield from self._take_over(report)
                    yield Finished(report=self._report(judgement, moved=True))
                    return
                yield from self._go_back()
            except AdminError:
                yield from self._go_back()
                raise
            except BaseException:
                self._move.back()  # nobody listens any more; the server comes back all the same
                raise
        yield Finished(report=self._report(judgement, moved=False))

    # -- before anything is touched ----------------------------------------------------------------------------------

    def _earlier(self) -> Generator[Event, None, MoveReport | None]:
        """End an interrupted move: forward when it had been proven and had taken over, else back."""
        left = self._ws.runtime.interrupted_relocation()
        if left is None:
            return None
        yield StepStarted(step="earlier", title=f"ending the interrupted move to {left.volume}")
        proof = left.resume()
        if proof is None:
            yield StepFinished(step="earlier", detail="the server is on its old storage, as it was; starting over")
            return None
        yield StepFinished(step="earlier", detail="it was complete: the data is on the volume, and was compared")
        yield from wait_ready(self._ws, cancel=self._cancel)
        yield from self._keep(left.volume)
        report = records.load(MoveReport, proof)
        if isinstance(report, records.Unreadable):
            raise Failed(
                "the data is on the volume, and the proof that it is equal cannot be read",
                why=report.why,
                fix=Command("verify", how="kill").on(self._ws.settings.name),
            )
        return report

    def _check(self) -> Generator[Event, None, Room]:
        yield StepStarted(step="check", title="looking at the server and its storage")
        self._state, self._move = _look(self._ws, self._volume)
        self._running = self._state.state not in {"stopped", "absent"}
        room = self._move.check()
        taken = "a second copy of unknown size" if room.needed is None else size(room.needed)
        yield StepFinished(step="check", detail=f"{_words(self._state)} to volume {self._move.volume}, {taken}")
        yield Notice(
            level="warning",
            text=f"{self._state.name} is stopped while its data is copied and compared: nothing can be read or written",
        )
        return room

    # -- copying and comparing ---------------------------------------------------------------------------------------

    def _prove(self, room: Room) -> Generator[Event, None, Judgement]:
        """Copy, and compare what a server reads from the copy with what the old one has read."""
        trial = Workspace(self._move.prepare(running=self._running), self._ws.store)
        if self._state.state != "running":
            yield from self._ws.runtime.start(self._cancel)
            yield from wait_ready(self._ws, cancel=self._cancel)
        check_health(self._ws)
        with self._ws.database() as database:
            yield from wait_for_wal(database)
            yield from self._scanner.fingerprint_all(self._before, database, "fingerprint_before")
            self._writes.see(self._before.counters_after, read_counters(database))
        if writes := self._before.writes() or self._writes.all:
            reason = f"something writes to the server ({told(writes)}); nothing was moved"
            return Judgement("inconclusive", reason, unfinished_checks(self._before))
        yield from self._copy(room)
        return (yield from self._try(trial))

    def _copy(self, room: Room) -> Events:
        yield StepStarted(step="stop", title=f"stopping {self._state.name}")
        self._cancel.check()
        self._down_since = time.monotonic()
        self._move.stop_old()
        yield StepFinished(step="stop", detail="from here on nobody can write")
        yield StepStarted(step="copy", title=f"copying every file to volume {self._move.volume}")
        pace = ProgressMeter("copy", room.needed, unit="bytes")
        for copied in self._move.copy(self._cancel):
            known = copied if room.needed is None else min(copied, room.needed)  # an archive is a little longer
            if event := pace.advance(known - pace.done):
                yield event
        yield StepFinished(step="copy", detail=f"{size(self._move.copied)} as an archive")

    def _try(self, trial: Workspace) -> Generator[Event, None, Judgement]:
        yield StepStarted(step="trial", title="starting a server on the copy, where no application finds it")
        self._move.start_trial()
        yield StepFinished(step="trial", detail=trial.settings.endpoint.url)
        yield from wait_ready(trial, cancel=self._cancel)
        with trial.database() as database:
            yield from self._scanner.fingerprint_all(self._after, database, "fingerprint_after", self._before)
            yield StepStarted(step="compare", title="comparing")
            judgement = judge(self._before, self._after, database, "recreate", self._writes)
        if judgement.verdict not in EQUAL | {"inconclusive"}:
            judgement = judgement._replace(reason=f"the copy is not the same: {judgement.reason}")
        good = judgement.verdict in EQUAL
        yield StepFinished(step="compare", outcome="ok" if good else "failed", detail=judgement.reason)
        self._move.end_trial()
        return judgement

    # -- the end ------------------------------------------------------------------------------------------------------

    def _take_over(self, report: MoveReport) -> Events:
        """Cannot be cancelled: half of this is a server that is gone."""
        self._cancel.check()
        yield StepStarted(step="recreate", title=f"starting {self._ws.settings.container_name} on the volume")
        self._move.take_over(records.dump(report))
        yield StepFinished(step="recreate", detail=f"volume {self._move.volume}")
        yield from wait_ready(self._ws, cancel=CancelToken())
        self._back_at = time.monotonic()
        with self._ws.database() as database:
            missing = sorted(set(self._before.collections) - set(database.names()))
        if missing:
            raise Failed(f"the server on the volume does not show {', '.join(missing)}", why="it was not taken over")
        yield from self._keep(self._move.volume)
        self._move.settle()
        if not self._running:
            yield from self._ws.runtime.stop(CancelToken())

    def _keep(self, volume: str) -> Events:
        """The volume is what the profile names and what is known to hold the data, before an application takes any of
        it away. A default that fits needs no line in the file.
        """
        settings = self._ws.settings
        if settings.profile.storage is not None or settings.volume_name != volume:
            write_profile(settings.name, {"volume": volume, "storage": None})
        yield from last_look(self._ws)

    def _go_back(self) -> Events:
        yield StepStarted(step="back", title="going back to the old storage")
        self._move.back()
        if self._running and self._down_since is not None:
            yield from wait_ready(self._ws, cancel=CancelToken())
            self._back_at = time.monotonic()
        yield StepFinished(step="back", detail="the server is as it was found")

    def _report(self, judgement: Judgement, *, moved: bool) -> MoveReport:
        old, away = self._move.old, None
        if self._down_since is not None and self._back_at is not None:
            away = self._back_at - self._down_since
        return MoveReport(
            profile=self._ws.settings.name,
            verdict=judgement.verdict,
            reason=judgement.reason,
            fix="" if moved else str(Command("move-storage").on(self._ws.settings.name)),
            server_version=self._before.version,
            storage=f"volume {self._move.volume}" if moved else _words(self._state),
            at=self._at,
            seconds=time.monotonic() - self._begun,
            moved=moved,
            volume=self._move.volume,
            collections=judgement.collections,
            aliases=judgement.aliases,
            copied_bytes=self._move.copied,
            interrupted_seconds=away,
            left=old.words if moved else "",
            remove=old.remove if moved else "",
        )
