"""Catching up with a source that keeps changing: passes over it that copy only what differs, until one finds nothing.

What the source no longer has is deleted from the target only if the user asked for it, only if it came from this
source, and only after two passes in a row have not seen it: a source that is written to while it is read may hide a
record once.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.progress import Pace
from qdrant_admin.core.text import plain
from qdrant_admin.database.models import Point, VectorSpec
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.compare import equality
from qdrant_admin.migration.copy.checks import Checker, Refusal
from qdrant_admin.migration.pipeline import Ended, Pipeline, Settled
from qdrant_admin.migration.provenance import Provenance, RecordingSource, mapped
from qdrant_admin.migration.rejects import RejectFile
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult, PlanReport
from qdrant_admin.migration.retry import RetryPolicy
from qdrant_admin.sources.base import Batch, Cursor, Source
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from qdrant_admin.database.gateway import Database

MAX_PASSES = 20
"""A source that has changed again after so many changes faster than it is copied."""
_PAGE = 512
_WORKERS = 3
"""Pages that are compared side by side: who waits for a server leaves Python to the others."""


@dataclass
class Pass:
    """One pass: how far it is, and what it found."""

    cursor: Cursor = None
    read: int = 0
    rejected: int = 0
    copied: int = 0
    deleted: int = 0
    gone: int = 0
    """Points that came from the source and are there no more, and still in the target."""

    @property
    def words(self) -> str:
        """What it did."""
        if not (self.copied or self.deleted):
            return "nothing differs" + (f", {counted(self.gone, 'point')} gone at the source" if self.gone else "")
        told = [(self.copied, "copied"), (self.deleted, "deleted")]
        return ", ".join(f"{counted(count, 'point')} {word}" for count, word in told if count)


class _Brought(NamedTuple):
    """What became of one page."""

    read: int
    copied: int
    refusals: list[Refusal]


@dataclass
class CatchUp:
    """The passes over one collection.

    Args:
        reopened: opens the source anew: each pass reads what it holds then.
        delete_gone: whether points may be deleted.
    """

    plan: CollectionPlan
    reopened: "Callable[[], AbstractContextManager[Source]]"
    database: "Database"
    slots: Mapping[str, VectorSpec]
    provenance: Provenance
    rejects: RejectFile
    retry: RetryPolicy
    cancel: CancelToken
    delete_gone: bool = False
    passes: list[Pass] = field(default_factory=list, init=False)
    caught_up: bool = field(default=False, init=False)
    reject_bytes: int = field(default=0, init=False)

    def run(self) -> Events:
        """Pass after pass, until nothing differs or it makes no sense any more.

        Raises:
            Cancelled: what was copied stays; the next call begins with a new pass.
        """
        rejects = self.rejects.first(limit=1 << 62)
        self._refused = {reject.id for reject in rejects if reject.collection == self.plan.source}
        name = plain(self.plan.source)
        for number in range(1, MAX_PASSES + 1):
            step = f"catch-up:{self.plan.target}:{number}"
            yield StepStarted(step=step, title=f"pass {number} over {name}, copying what differs")
            self.passes.append(Pass())
            self.provenance.begin_pass()
            with self.reopened() as source:
                yield from self._once(step, source, self.passes[-1])
            yield StepFinished(step=step, detail=self.passes[-1].words)
            if self._quiet():
                self.caught_up = True
                return
        text = f"{name} changes faster than it is copied: after {MAX_PASSES} passes there is still something new"
        yield Notice(level="warning", text=text, fix="stop what writes to it, and run the same command again")

    def checkpoint(self, before: Checkpoint) -> Checkpoint:
        """What is to be reported and verified now, after a first copy that ended like this."""
        latest = self.passes[-1]
        return before.model_copy(
            update={
                "read": latest.read,
                "rejected": latest.rejected,
                "written": before.written + sum(one.copied for one in self.passes),
                "done": True,
            }
        )

    def told(self, result: CollectionResult) -> CollectionResult:
        """The result, with what the passes did."""
        short = []
        if gone := self.passes[-1].gone:
            how = "" if self.delete_gone else "; --delete-gone deletes them"
            short.append(f"{counted(gone, 'point')} gone at the source still here{how}")
        if not self.caught_up:
            short.append(f"still new after {counted(len(self.passes), 'pass', 'passes')}: the source changes too fast")
        update = {
            "passes": len(self.passes),
            "caught_up": sum(one.copied for one in self.passes),
            "deleted": sum(one.deleted for one in self.passes),
            "verdict": "differs" if short and result.verdict == "verified" else result.verdict,
            "note": "; ".join(filter(None, (result.note, *short))),
        }
        return result.model_copy(update=update)

    def _quiet(self) -> bool:
        latest = self.passes[-1]
        return not (latest.copied or latest.deleted or (latest.gone and self.delete_gone and latest.read))

    def _once(self, step: str, source: Source, now: Pass) -> Events:
        pace = Pace(step, max(self.plan.count, *(one.read for one in self.passes)), item=self.plan.target)
        yield pace.event()
        yield from self.retry.run(lambda: self._differences(source, now, pace))
        self.provenance.finish_pass()
        yield from self.retry.run(lambda: self._gone(now))
        yield pace.event()

    def _differences(self, source: Source, now: Pass, pace: Pace) -> Events:
        self.cancel.check()
        checker = Checker(self.slots, vectorless=source.vectorless, folds_uuids=source.folds_uuids)
        bring = partial(self._bring, checker=checker)
        with Pipeline([0], read=lambda _: self._pages(source, now.cursor), write=bring, writers=_WORKERS) as pipeline:
            try:
                for told in pipeline.news():
                    moved = self._settle(told, now, pace)  # before anything that may raise: it is told but once
                    self.cancel.check()
                    if told is not None:
                        yield from self.retry.succeeded()
                    if moved:
                        yield moved
            finally:
                pipeline.stop()
                for told in pipeline.rest():
                    self._settle(told, now, pace)

    def _pages(self, source: Source, after: Cursor) -> Iterator[Batch]:
        """What the source has now, noted before anybody can have written it."""
        for batch in source.batches(self.plan.source, size=_PAGE, after=after):
            self.provenance.record(mapped(batch, source))
            yield batch

    def _bring(self, batch: Batch, checker: Checker) -> _Brought:
        """In a thread: write what differs."""
        checked = checker.check(batch.records)
        missing, stale = self._unlike(checked.points)
        if missing or stale:
            self.database.upsert(self.plan.target, missing + stale, wait=True)
        return _Brought(len(batch.records), len(missing) + len(stale), checked.refusals)

    def _settle(self, told: "Settled[_Brought] | Ended | None", now: Pass, pace: Pace) -> Progress | None:
        if not isinstance(told, Settled):
            return None
        done = told.outcome
        new = [refusal for refusal in done.refusals if str(refusal.record.id) not in self._refused]
        if new:
            self._refused.update(str(refusal.record.id) for refusal in new)
            self.reject_bytes = self.rejects.append(self.plan.source, new)
        now.cursor = told.cursor
        now.copied += done.copied
        now.rejected += len(done.refusals)
        now.read += done.read
        return pace.advance(done.read)

    def _unlike(self, points: list[Point]) -> tuple[list[Point], list[Point]]:
        """Those that the target has not, and those that it has with another content."""
        there = {point.id: point for point in self.database.retrieve(self.plan.target, [one.id for one in points])}
        both = [point for point in points if point.id in there]
        stale = equality.unlike(both, [there[point.id] for point in both], self.slots)
        return [point for point in points if point.id not in there], [both[place] for place in stale]

    def _gone(self, now: Pass) -> Events:
        """Look for points of the target that this source gave and has no more."""
        now.gone = 0
        if not now.read and self.delete_gone:
            text = f"{plain(self.plan.source)} is empty: that looks like a loss at the source, so nothing is deleted"
            yield Notice(level="warning", text=text)
        for ids in self.database.scan_ids(self.plan.target):
            self.cancel.check()
            met = {one: at for one, at in self.provenance.last_seen(ids).items() if at < self.provenance.number}
            sure = [one for one, at in met.items() if at < self.provenance.number - 1]
            if sure and self.delete_gone and now.read:
                self.database.delete_points(self.plan.target, sure)
                self.provenance.forget(sure)
                now.deleted += len(sure)
                now.gone -= len(sure)
            now.gone += len(met)


@dataclass
class ChangeTracker:
    """The collections of one run that are caught up with. Close it: it holds files and a source."""

    plan: PlanReport
    database: "Database"
    rejects: RejectFile
    retry: RetryPolicy
    cancel: CancelToken
    done: dict[str, CatchUp] = field(default_factory=dict, init=False)
    """By name at the source."""
    _provenance: dict[str, Provenance] = field(default_factory=dict, init=False)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def close(self) -> None:
        """Close the files and the source."""
        self._open.close()

    def begin(self, planned: CollectionPlan) -> None:
        """The copy of one collection is about to begin: nothing in a target that was made for it came from anywhere."""
        if self.plan.catch_up and planned.action == "create":
            self._provenance_of(planned).clear()

    def recorded(self, source: Source, planned: CollectionPlan) -> Source:
        """The source of a copy, recording its ids where passes will follow."""
        return RecordingSource(source, self._provenance_of(planned)) if self.plan.catch_up else source

    def follow(self, planned: CollectionPlan, slots: Mapping[str, VectorSpec]) -> Events:
        """Pass over one collection until nothing differs."""
        followed = CatchUp(
            plan=planned,
            reopened=self._reopened,
            database=self.database,
            slots=slots,
            provenance=self._provenance_of(planned),
            rejects=self.rejects,
            retry=self.retry,
            cancel=self.cancel,
            delete_gone=self.plan.delete_gone,
        )
        yield from followed.run()
        self.done[planned.source] = followed

    def source(self) -> Source:
        """The source as it is now, for the verification."""
        return self._open.enter_context(self._reopened())

    def _provenance_of(self, planned: CollectionPlan) -> Provenance:
        if planned.source not in self._provenance:
            provenance = Provenance(self.plan.source, planned.source, self.plan.target, planned.target)
            self._provenance[planned.source] = self._open.enter_context(provenance)
        return self._provenance[planned.source]

    def _reopened(self) -> "contextlib.closing[Source]":
        return contextlib.closing(open_source(parse(self.plan.source)))
