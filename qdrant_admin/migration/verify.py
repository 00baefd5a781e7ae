"""Verification: the source is read again, and every point in the target is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events
from qdrant_admin.core.pace import Pace
from qdrant_admin.core.text import plain
from qdrant_admin.core.words import counted
from qdrant_admin.database.models import VectorSpec
from qdrant_admin.migration import compare
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.checks import Checker
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult
from qdrant_admin.migration.sources.base import Batch, Cursor, Source
from qdrant_admin.migration.weather import PASSING, Weather

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

_SHOWN = 100
_PAGE = 512


@dataclass
class Verifier:
    """Compares one collection of the target with its source."""

    source: Source
    database: "Database"
    plan: CollectionPlan
    slots: Mapping[str, VectorSpec]
    weather: Weather
    cancel: CancelToken
    read: int = field(default=0, init=False)
    rejected: int = field(default=0, init=False)
    equal: int = field(default=0, init=False)
    missing: list[str] = field(default_factory=list, init=False)
    missing_count: int = field(default=0, init=False)
    different: list[str] = field(default_factory=list, init=False)
    different_count: int = field(default=0, init=False)
    points: int = field(default=0, init=False)
    """Exact count in the target, after the comparison."""
    _cursor: Cursor = field(default=None, init=False)

    def run(self) -> Events:
        """Read both sides whole.

        Raises:
            Cancelled, SourceUnreadable, ServerUnreachable: there is no verdict then.
        """
        pace = Pace("verify", self.plan.count, item=self.plan.target)
        yield pace.event()
        while True:
            try:
                yield from self._pass(pace)
                self.points = self.database.count(self.plan.target)
                break
            except PASSING as error:
                yield pace.event(note=error.what)
                yield from self.weather.wait(error)
        yield pace.event()

    def result(self, checkpoint: Checkpoint) -> CollectionResult:
        """The verdict, in figures."""
        extra = max(0, self.points - self.equal - self.different_count)
        notes = []
        if checkpoint.rejected:
            notes.append(
                f"{counted(checkpoint.rejected, 'record')} could not be stored as they are, see the reject file"
            )
        if self.read != checkpoint.read:
            notes.append(
                f"the source had {counted(checkpoint.read, 'record')} when it was copied and has {self.read} now"
            )
        if extra and self.plan.action == "create":
            notes.append(f"{counted(extra, 'point')} in the target are not of this source: somebody else wrote there")
        sound = not (self.missing_count or self.different_count or notes)
        if extra and self.plan.action != "create":
            notes.append(f"{counted(extra, 'point')} were in the target before")
        return CollectionResult(
            source=self.plan.source,
            target=self.plan.target,
            read=checkpoint.read,
            written=checkpoint.written,
            skipped=checkpoint.skipped,
            rejected=checkpoint.rejected,
            verified=self.equal,
            verdict="verified" if sound else "differs",
            missing=tuple(self.missing),
            different=tuple(self.different),
            extra=extra,
            note="; ".join(notes),
        )

    def _pass(self, pace: Pace) -> Events:
        checker = Checker(self.slots, vectorless=self.source.vectorless, folds_uuids=self.source.folds_uuids)
        for batch in self.source.batches(self.plan.source, size=_PAGE, after=self._cursor):
            self.cancel.check()
            self._compare(batch, checker)
            yield from self.weather.fair()
            moved = pace.advance(len(batch.records))
            if moved:
                yield moved

    def _compare(self, batch: Batch, checker: Checker) -> None:
        checked = checker.check(batch.records)
        found = {point.id: point for point in self.database.retrieve(self.plan.target, [p.id for p in checked.points])}
        for wanted in checked.points:
            there = found.get(wanted.id)
            if there is None:
                self.missing_count += 1
                _keep(self.missing, checked.originals[wanted.id].id)
            elif compare.same(wanted, there, self.slots):
                self.equal += 1
            else:
                self.different_count += 1
                _keep(self.different, checked.originals[wanted.id].id)
        self.read += len(batch.records)
        self.rejected += len(checked.refusals)
        self._cursor = batch.cursor


def _keep(shown: list[str], record: int | str) -> None:
    if len(shown) < _SHOWN:
        shown.append(plain(record))
