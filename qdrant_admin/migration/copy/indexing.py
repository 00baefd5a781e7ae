"""Indexing paused while a collection is filled, and restored at the end.

Measured on 40,000 points of 384 dimensions: with a threshold of 0 they arrive in 0.8 s instead of 1.1 to 1.7, and are
all indexed after 27 s instead of 36 to 49, since nothing is indexed twice. (`m = 0` is no faster than without.)
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.database.gateway import Database
from qdrant_admin.migration.reports import CollectionPlan
from qdrant_admin.state.store import StateStore

_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.05, 1.0
_NUDGES = 10
"""How often a collection that stays grey is asked to continue, before it is left to itself."""


@dataclass
class Indexing:
    """The indexing of one run's targets. Thresholds are saved in the state store before they are changed."""

    store: StateStore
    run: str
    database: Database
    cancel: CancelToken
    doctor: str = ""
    """The command to suggest for a collection that is not indexed."""

    def pause(self, planned: CollectionPlan) -> None:
        """Pause the indexing of a collection that the run has created, if it is large enough to be indexed at all."""
        if planned.action != "create" or planned.target in self._held():
            return
        threshold = self.database.indexing_threshold(planned.target)
        vectors = 4 * planned.count * sum(slot.size or 0 for slot in planned.vectors)
        if not threshold or vectors < 1024 * threshold:
            return
        with self.store.writing() as connection:
            held = (self.run, planned.target, threshold)
            connection.execute("INSERT INTO migration_held (run, target, threshold) VALUES (?, ?, ?)", held)
        self.database.set_indexing_threshold(planned.target, 0)

    @contextlib.contextmanager
    def restored_on_failure(self) -> Iterator[None]:
        """Restore the indexing when the work within fails; if that fails too, `status` reports it as paused."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(AdminError):
                self.restore()
            raise

    def restore(self) -> tuple[str, ...]:
        """Restore all thresholds, also those of a process that was killed; returns the collections restored."""
        restored = []
        for target, threshold in self._held().items():
            if self.database.exists(target):
                self.database.set_indexing_threshold(target, threshold)
                restored.append(target)
            with self.store.writing() as connection:
                connection.execute("DELETE FROM migration_held WHERE run = ? AND target = ?", (self.run, target))
        return tuple(restored)

    def finish(self, planned: CollectionPlan, pace: ProgressMeter) -> Events:
        """Restore the indexing, wait until a collection is green, and nudge one that stays grey."""
        self.restore()
        pause, nudges = _LOOK_SECONDS, 0
        while True:
            self.cancel.check()
            state = self.database.collection(planned.target)
            if moved := pace.advance(min(state.indexed_vectors, pace.total or 0) - pace.done):
                yield moved
            if state.status == "green":
                return
            if state.status == "red" or nudges == _NUDGES:
                why = state.optimizer_error or f"it stays {state.status}"
                words = f"{plain(planned.target)} is copied and not indexed: {plain(why)}"
                yield Notice(level="warning", text=words, fix=self.doctor)
                return
            if state.status == "grey":
                self.database.nudge(planned.target)
                nudges += 1
            self.cancel.wait(pause)
            pause = min(1.5 * pause, _LONGEST_LOOK_SECONDS)

    def _held(self) -> dict[str, int]:
        with self.store.reading() as connection:
            rows = connection.execute("SELECT target, threshold FROM migration_held WHERE run = ?", (self.run,))
            return {str(target): int(threshold) for target, threshold in rows.fetchall()}
