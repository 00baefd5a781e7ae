"""Catching up with a source that keeps changing: passes over it that copy only what differs, until one finds nothing.

Points that the source no longer has are deleted from the target only if the user asked for it, only if they came from
this source, and only after two passes in a row have not seen them: a source that is written to while it is read may
hide a record once.
"""

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, StorageUnusable
from qdrant_admin.core.events import Events, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.ids import id_key
from qdrant_admin.database.models import PointId, VectorSpec
from qdrant_admin.database.retry import RetryPolicy
from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.compare import equality
from qdrant_admin.migration.copy.checks import Checker, Refusal, target_ids
from qdrant_admin.migration.pipeline import Ended, Pipeline, Settled
from qdrant_admin.migration.rejects import RejectFile
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult, PlanReport
from qdrant_admin.sources.base import Batch, Cursor, Source
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse
from qdrant_admin.state.store import StateStore

MAX_PASSES = 20
"""A source that still changes after this many passes changes faster than it is copied."""
_PAGE = 512
_ASK = 500
"""Ids per query of SQLite: fewer than the variables that a statement may have."""
_WORKERS = 3
"""Pages compared in parallel: a thread that waits for a server leaves Python to the others."""


class Provenance:
    """Which points of a target came from a source: only those may be deleted once the source no longer has them.

    Kept from the first `--catch-up` on, in a file for each source, target and collection. A point that is not in the
    file may be anybody's. Each pass over the source records the ids it sees. A context manager; safe for threads.
    """

    def __init__(self, source: str, collection: str, target: str, into: str) -> None:
        named = hashlib.sha256(repr((place(source), collection, target, into)).encode()).hexdigest()[:32]
        self.path: Path = state_dir() / "origins" / f"{named}.sqlite3"
        self._lock = threading.Lock()

    def __enter__(self) -> "Provenance":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            # After a power cut fewer ids may be known than were; then fewer points are deleted.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            columns = "key BLOB PRIMARY KEY, met INTEGER NOT NULL"
            self._database.execute(f"CREATE TABLE IF NOT EXISTS ids ({columns}) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            raise StorageUnusable(f"{self.path} cannot be used", why=str(error), fix=f'rm "{self.path}"') from error
        self.number = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        """Of the current pass, counted over all runs; before this run's first pass, of the last complete one."""
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def clear(self) -> None:
        with self._lock, self._transaction():
            self._database.execute("DELETE FROM ids")

    def begin_pass(self) -> None:
        self.number += 1

    def finish_pass(self) -> None:
        """The pass has read all of the source. The number of an interrupted pass is used again."""
        with self._lock:
            self._database.execute(f"PRAGMA user_version = {self.number:d}")

    def record(self, ids: Iterable[PointId]) -> None:
        rows = [(id_key(one), self.number) for one in ids]
        with self._lock, self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO ids VALUES (?, ?)", rows)

    def last_seen(self, ids: Sequence[PointId]) -> dict[PointId, int]:
        """For each of these ids that came from the source, the last pass that saw it."""
        found: dict[PointId, int] = {}
        for start in range(0, len(ids), _ASK):
            part = {id_key(one): one for one in ids[start : start + _ASK]}
            marks = ", ".join("?" * len(part))
            with self._lock:
                rows = self._database.execute(f"SELECT key, met FROM ids WHERE key IN ({marks})", list(part))  # noqa: S608 # question marks
                found |= {part[key]: met for key, met in rows}
        return found

    def forget(self, ids: Iterable[PointId]) -> None:
        """These points were deleted: if one appears in the target again, another program has written it."""
        with self._lock, self._transaction():
            self._database.executemany("DELETE FROM ids WHERE key = ?", [(id_key(one),) for one in ids])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


@dataclass
class Pass:
    """The progress of one pass, and what it found."""

    cursor: Cursor = None
    read: int = 0
    rejected: int = 0
    copied: int = 0
    deleted: int = 0
    gone: int = 0
    """Points of the target that came from the source, which no longer has them."""

    @property
    def words(self) -> str:
        if not (self.copied or self.deleted):
            return "nothing differs" + (f", {counted(self.gone, 'point')} gone at the source" if self.gone else "")
        changes = [(self.copied, "copied"), (self.deleted, "deleted")]
        return ", ".join(f"{counted(count, 'point')} {word}" for count, word in changes if count)


class _Page(NamedTuple):
    """What became of one page."""

    read: int
    copied: int
    refusals: list[Refusal]


@dataclass
class ChangeTracker:
    """Catches up with the source of one run, collection by collection. Close it: it holds files and a source."""

    plan: PlanReport
    database: Database
    rejects: RejectFile
    retry: RetryPolicy
    cancel: CancelToken
    done: dict[str, "CatchUp"] = field(default_factory=dict, init=False)
    """By name at the source."""
    _provenance: dict[str, Provenance] = field(default_factory=dict, init=False)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def close(self) -> None:
        self._open.close()

    def begin(self, planned: CollectionPlan) -> None:
        """Call before the copy of a collection: a target that was just created holds no point of a source yet."""
        if self.plan.catch_up and planned.action == "create":
            self.provenance_of(planned).clear()

    def recorder(self, planned: CollectionPlan) -> Callable[[Iterable[PointId]], None] | None:
        """What a copy has to tell the ids of its points; None when no passes follow it."""
        return self.provenance_of(planned).record if self.plan.catch_up else None

    def follow(self, planned: CollectionPlan, slots: Mapping[str, VectorSpec]) -> Events:
        catch_up = CatchUp(self, planned, slots)
        yield from catch_up.run()
        self.done[planned.source] = catch_up

    def source(self) -> Source:
        return self._open.enter_context(self.reopened())

    def reopened(self) -> "contextlib.closing[Source]":
        """The source, opened again: each pass reads what it holds by then."""
        return contextlib.closing(open_source(parse(self.plan.source)))

    def provenance_of(self, planned: CollectionPlan) -> Provenance:
        if planned.source not in self._provenance:
            provenance = Provenance(self.plan.source, planned.source, self.plan.target, planned.target)
            self._provenance[planned.source] = self._open.enter_context(provenance)
        return self._provenance[planned.source]


class CatchUp:
    """The passes over one collection."""

    def __init__(self, tracker: ChangeTracker, plan: CollectionPlan, slots: Mapping[str, VectorSpec]) -> None:
        self._tracker, self._plan, self._slots = tracker, plan, slots
        self._database, self._rejects, self._retry = tracker.database, tracker.rejects, tracker.retry
        self._provenance, self._cancel = tracker.provenance_of(plan), tracker.cancel
        self._delete_gone = tracker.plan.delete_gone
        self.passes: list[Pass] = []
        self._caught_up = False

    def run(self) -> Events:
        """Pass after pass, until nothing differs or the limit is reached. A resumed run begins with a new pass."""
        rejects = self._rejects.first(limit=1 << 62)
        self._refused = {reject.id for reject in rejects if reject.collection == self._plan.source}
        name = plain(self._plan.source)
        for number in range(1, MAX_PASSES + 1):
            step = f"catch-up:{self._plan.target}:{number}"
            yield StepStarted(step=step, title=f"pass {number} over {name}, copying what differs")
            self.passes.append(Pass())
            self._provenance.begin_pass()
            with self._tracker.reopened() as source:
                yield from self._once(step, source, self.passes[-1])
            yield StepFinished(step=step, detail=self.passes[-1].words)
            if self._nothing_new():
                self._caught_up = True
                return
        text = f"{name} changes faster than it is copied: after {MAX_PASSES} passes there is still something new"
        yield Notice(level="warning", text=text, fix="stop whatever writes to it, and run the same command again")

    def checkpoint(self, before: Checkpoint) -> Checkpoint:
        """What the report and the verification go by, after a first copy that ended with `before`."""
        latest = self.passes[-1]
        return before.model_copy(
            update={
                "read": latest.read,
                "rejected": latest.rejected,
                "written": before.written + sum(one.copied for one in self.passes),
                "done": True,
            }
        )

    def with_outcome(self, result: CollectionResult) -> CollectionResult:
        short = []
        if gone := self.passes[-1].gone:
            how = "" if self._delete_gone else "; --delete-gone deletes them"
            short.append(f"{counted(gone, 'point')} gone at the source still here{how}")
        if not self._caught_up:
            short.append(f"still new after {counted(len(self.passes), 'pass', 'passes')}: the source changes too fast")
        update = {
            "passes": len(self.passes),
            "caught_up": sum(one.copied for one in self.passes),
            "deleted": sum(one.deleted for one in self.passes),
            "verdict": "differs" if short and result.verdict == "verified" else result.verdict,
        }
        return result.noted(*short).model_copy(update=update)

    def _nothing_new(self) -> bool:
        latest = self.passes[-1]
        return not (latest.copied or latest.deleted or (latest.gone and self._delete_gone and latest.read))

    def _once(self, step: str, source: Source, now: Pass) -> Events:
        pace = ProgressMeter(step, max(self._plan.count, *(one.read for one in self.passes)), item=self._plan.target)
        yield pace.event()
        yield from self._retry.run(lambda: self._differences(source, now, pace))
        self._provenance.finish_pass()
        yield from self._retry.run(lambda: self._gone(now))
        yield pace.event()

    def _differences(self, source: Source, now: Pass, pace: ProgressMeter) -> Events:
        self._cancel.check()
        checker = Checker(self._slots, vectorless=source.vectorless, folds_uuids=source.folds_uuids)
        bring = partial(self._bring, checker=checker)
        with Pipeline([0], read=lambda _: self._pages(source, now.cursor), write=bring, writers=_WORKERS) as pipeline:
            try:
                for news in pipeline.news():
                    moved = self._settle(news, now, pace)  # before anything that may raise: it comes only once
                    self._cancel.check()
                    if news is not None:
                        yield from self._retry.succeeded()
                    if moved:
                        yield moved
            finally:
                pipeline.stop()
                for news in pipeline.rest():
                    self._settle(news, now, pace)

    def _pages(self, source: Source, after: Cursor) -> Iterator[Batch]:
        """Pages of the source, with their ids recorded before any point is written."""
        for batch in source.batches(self._plan.source, size=_PAGE, after=after):
            self._provenance.record(target_ids(batch, folds_uuids=source.folds_uuids))
            yield batch

    def _bring(self, batch: Batch, checker: Checker) -> _Page:
        """Write the points that the target lacks or has with other content; called in a thread."""
        checked = checker.check(batch.records)
        ids = [one.id for one in checked.points]
        there = {point.id: point for point in self._database.retrieve(self._plan.target, ids)}
        both = [point for point in checked.points if point.id in there]
        stale = equality.unlike(both, [there[point.id] for point in both], self._slots)
        changed = [point for point in checked.points if point.id not in there] + [both[place] for place in stale]
        if changed:
            self._database.upsert(self._plan.target, changed, wait=True)
        return _Page(len(batch.records), len(changed), checked.refusals)

    def _settle(self, news: Settled[_Page] | Ended | None, now: Pass, pace: ProgressMeter) -> Progress | None:
        if not isinstance(news, Settled):
            return None
        done = news.outcome
        new = [refusal for refusal in done.refusals if str(refusal.record.id) not in self._refused]
        if new:
            self._refused.update(str(refusal.record.id) for refusal in new)
            self._rejects.append(self._plan.source, new)
        now.cursor = news.cursor
        now.copied += done.copied
        now.rejected += len(done.refusals)
        now.read += done.read
        return pace.advance(done.read)

    def _gone(self, now: Pass) -> Events:
        """Look for points of the target that came from this source and no longer exist there."""
        now.gone = 0
        if not now.read and self._delete_gone:
            text = f"{plain(self._plan.source)} is empty: that looks like a loss at the source, so nothing is deleted"
            yield Notice(level="warning", text=text)
        for ids in self._database.scan_ids(self._plan.target):
            self._cancel.check()
            met = {one: at for one, at in self._provenance.last_seen(ids).items() if at < self._provenance.number}
            sure = [one for one, at in met.items() if at < self._provenance.number - 1]
            if sure and self._delete_gone and now.read:
                self._database.delete_points(self._plan.target, sure)
                self._provenance.forget(sure)
                now.deleted += len(sure)
                now.gone -= len(sure)
            now.gone += len(met)


def place(source: str) -> str:
    """A source's URI without options, and without the collection to which it is narrowed."""
    try:
        uri = parse(source)
    except BadInput:  # a stored one, of a package that is no longer installed
        return source
    return str(uri.model_copy(update={"collection": None, "options": {}}))


def was_filled(store: StateStore, source: str, target: str, collection: str, into: str) -> bool:
    """Whether a stored migration has copied this collection of the source into that collection of the target."""
    plans = (plan for plan in checkpoint.plans(store, target) if place(plan.source) == place(source))
    return any((planned.source, planned.target) == (collection, into) for plan in plans for planned in plan.taken)
