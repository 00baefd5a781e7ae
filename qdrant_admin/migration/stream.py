"""Copying one collection: read, check, write, and only then move the checkpoint."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, RequestRejected
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.core.pace import Pace
from qdrant_admin.core.text import plain
from qdrant_admin.core.words import counted
from qdrant_admin.database.models import Point, VectorSpec
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.checks import Checked, Checker, Refusal
from qdrant_admin.migration.rejects import RejectFile
from qdrant_admin.migration.reports import CollectionPlan
from qdrant_admin.migration.sources.base import Batch, Source
from qdrant_admin.migration.weather import PASSING, Weather

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

_SAVE_EVERY_SECONDS = 0.25
"""Writing a batch again changes nothing, so a checkpoint may lag that far behind: each one is a sync of the disk."""


@dataclass
class Copier:
    """Copies one collection, from its checkpoint on."""

    source: Source
    database: "Database"
    plan: CollectionPlan
    slots: Mapping[str, VectorSpec]
    rejects: RejectFile
    save: Callable[[Checkpoint], None]
    batch_size: int
    weather: Weather
    whole: Pace
    checkpoint: Checkpoint
    cancel: CancelToken
    _saved_at: float = field(default=0.0, init=False)
    _zero_vectors: int = field(default=0, init=False)

    def run(self) -> Events:
        """Copy until the source has no more.

        Raises:
            Cancelled: between two batches; the checkpoint is kept.
            SourceUnreadable, ServerUnreachable: and the checkpoint is kept as well.
        """
        pace = Pace("copy", self.plan.count, item=self.plan.target, done=self.checkpoint.read)
        yield pace.event()
        try:
            while not self.checkpoint.done:
                try:
                    yield from self._pass(pace)
                except PASSING as error:
                    yield pace.event(note=error.what)
                    yield from self.weather.wait(error)
        finally:
            self.save(self.checkpoint)
        if self._zero_vectors:
            zeros = counted(self._zero_vectors, "vector")
            words = f"{zeros} of {plain(self.plan.source)} all zero: no search by Cosine finds such a point"
            yield Notice(level="warning", text=words)
        yield pace.event()

    def _pass(self, pace: Pace) -> Events:
        checker = Checker(self.slots, vectorless=self.source.vectorless, folds_uuids=self.source.folds_uuids)
        for batch in self.source.batches(self.plan.source, size=self.batch_size, after=self.checkpoint.cursor):
            self.cancel.check()
            checked = checker.check(batch.records)
            refused = [*checked.refusals, *self._write(checked.points, checked)]
            self._advance(batch, checked, refused)
            yield from self.weather.fair()
            for moved in (pace.advance(len(batch.records)), self.whole.advance(len(batch.records))):
                if moved:
                    yield moved
        self.checkpoint = self.checkpoint.model_copy(update={"done": True})

    def _write(self, points: list[Point], checked: Checked) -> list[Refusal]:
        """Write them; what the server refuses is found by halving, and everything else is written."""
        if not points:
            return []
        try:
            self.database.upsert(self.plan.target, points, wait=True)
        except (RequestRejected, BadInput) as error:
            if len(points) == 1:
                return [Refusal(checked.originals[points[0].id], f"the server refused it: {error}")]
            middle = len(points) // 2
            return self._write(points[:middle], checked) + self._write(points[middle:], checked)
        return []

    def _advance(self, batch: Batch, checked: Checked, refused: list[Refusal]) -> None:
        now = self.checkpoint
        self._zero_vectors += checked.zero_vectors
        self.checkpoint = now.model_copy(
            update={
                "cursor": batch.cursor,
                "read": now.read + len(batch.records),
                "written": now.written + len(batch.records) - len(refused),
                "rejected": now.rejected + len(refused),
                "reject_bytes": self.rejects.append(self.plan.source, refused) if refused else now.reject_bytes,
            }
        )
        if time.monotonic() - self._saved_at >= _SAVE_EVERY_SECONDS:
            self.save(self.checkpoint)
            self._saved_at = time.monotonic()
