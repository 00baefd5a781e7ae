"""Copying one collection point by point: read, check, write, and only then move the checkpoints."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, BadInput, RateLimited, RequestRejected
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Point, PointId, Sparse, VectorSpec
from qdrant_admin.database.retry import TRANSIENT, RetryPolicy
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.copy.checks import Checked, Checker, Refusal, target_ids
from qdrant_admin.migration.pipeline import Ended, Pipeline, Settled
from qdrant_admin.migration.rejects import RejectFile
from qdrant_admin.migration.reports import CollectionPlan, Method, PlanReport
from qdrant_admin.sources.base import Batch, CarriesWire, Cursor, Record, Source, WireBatch
from qdrant_admin.state.store import StateStore

MAX_OCTETS = 8 * 1024 * 1024
"""Per request. Larger ones are no faster, and a handful of them in flight fills the memory of a small machine."""
SLOW_SECONDS = 5.0
"""A request that takes this long is too much for the target: the next would run into a timeout."""
QUICK_SECONDS = 0.5
QUICK_ANSWERS = 32
"""Quick answers in a row after which a target that was too slow is given one more request in parallel."""
_FIELD_GUESS = 16
"""Estimated bytes of a payload value that is not text."""
_NOTICES = 100
_SAVE_EVERY_SECONDS = 0.25
"""Saving syncs the disk. Checkpoints may lag behind that far, because writing a batch again changes nothing."""


class Throttle:
    """Points per request (`size`) and requests in parallel (`workers`), at most what is given. Safe for threads."""

    def __init__(self, size: int, workers: int) -> None:
        self._most, self._most_workers = size, workers
        self._quick = 0
        self._lock = threading.Lock()
        self.size, self.workers = size, workers

    def succeeded(self, points: int, octets: int, seconds: float) -> None:
        with self._lock:
            if octets > MAX_OCTETS or seconds > SLOW_SECONDS:
                self.size = max(1, min(self.size, points // 2))
            elif points == self.size < self._most and seconds < QUICK_SECONDS and 2 * octets < MAX_OCTETS:
                self.size = min(2 * self.size, self._most)
            self._quick = self._quick + 1 if seconds < QUICK_SECONDS else 0
            if self._quick >= QUICK_ANSWERS:
                self.workers, self._quick = min(self.workers + 1, self._most_workers), 0

    def back_off(self) -> None:
        """Halve both: the target said that this is too much, or did not answer in time."""
        with self._lock:
            self.size, self.workers, self._quick = max(1, self.size // 2), max(1, self.workers // 2), 0


@dataclass
class CopyJob:
    """One collection to be copied from its checkpoints on, and what came of it."""

    migration: PlanReport
    plan: CollectionPlan
    source: Source
    database: Database
    slots: Mapping[str, VectorSpec]
    """The vectors of the target, by name."""
    rejects: RejectFile
    save: Callable[[Sequence[Checkpoint]], None]
    """Stores checkpoints, all of them or none."""
    retry: RetryPolicy
    whole: ProgressMeter
    """Of all collections together."""
    cancel: CancelToken
    checkpoints: list[Checkpoint]
    """One per span, in the order of the plan."""
    store: StateStore
    record: Callable[[Iterable[PointId]], None] | None
    """Told the ids of every batch before any point of it is written."""
    method: Method
    """How the collection is copied; changed when a snapshot turns out to be impossible."""
    retries: int = 0
    octets: int = 0
    """Bytes sent."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one batch."""

    read: int
    refusals: list[Refusal]
    zero_vectors: int
    octets: int


class Copier:
    """Copies one collection, from its checkpoints on."""

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        self._at = job.checkpoints
        self._moved: set[int] = set()
        self._saved_at = 0.0
        self._reject_bytes = max(one.reject_bytes for one in self._at)
        self._zero_vectors = self._noticed = 0
        source = job.source
        self._carry = isinstance(source, CarriesWire) and source.carries_wire and job.database.bulk.carries_wire
        octets = 4 * sum(slot.size or 0 for slot in job.slots.values())
        self._throttle = Throttle(min(job.migration.batch_size, MAX_OCTETS // max(octets, 1)), job.migration.workers)
        self._checker = Checker(job.slots, vectorless=source.vectorless, folds_uuids=source.folds_uuids)

    def run(self) -> Events:
        """Copy until the source has no more; the checkpoints are kept whatever is raised."""
        job = self._job
        pace = ProgressMeter("copy", job.plan.count, item=job.plan.target, done=sum(one.read for one in self._at))
        yield pace.event()
        try:
            while not all(one.done for one in self._at):
                try:
                    yield from self._pass(pace)
                except TRANSIENT as error:
                    job.retries += 1
                    yield pace.event(note=error.what)
                    yield from job.retry.backoff(error)
        finally:
            self._save()
        if self._zero_vectors:
            zeros = counted(self._zero_vectors, "vector")
            words = f"all-zero vectors in {plain(job.plan.source)} ({zeros}): no search by Cosine finds such a point"
            yield Notice(level="warning", text=words)
        yield pace.event()

    def _pass(self, pace: ProgressMeter) -> Events:
        """Copy until the end or an error; batches that were acknowledged by then are counted either way."""
        job = self._job
        spans = [one.span for one in self._at if not one.done]
        writers = 1 if job.plan.in_order else job.migration.workers
        with Pipeline(
            spans, read=self._read, write=self._write, writers=writers, allowed=lambda: self._throttle.workers
        ) as pipeline:
            try:
                for came in pipeline.news():
                    if came is None:
                        job.cancel.check()
                        continue
                    handled, octets = self._settle(came)  # before anything that may raise: it comes only once
                    job.cancel.check()
                    yield from self._refused(came)
                    job.rejects.check()
                    yield from job.retry.succeeded()
                    yield from filter(None, (pace.advance(handled, octets), job.whole.advance(handled, octets)))
            finally:
                pipeline.stop()
                for came in pipeline.rest():
                    handled, octets = self._settle(came)
                    pace.advance(handled, octets)
                    job.whole.advance(handled, octets)

    def _refused(self, came: Settled[Written] | Ended) -> Events:
        """Notices of the first rejected records; the reject file has all of them."""
        refusals = [] if isinstance(came, Ended) else came.outcome.refusals
        for refusal in refusals[: max(0, _NOTICES - self._noticed)]:
            self._noticed += 1
            text = f"{plain(self._job.plan.source)}: {plain(refusal.record.id)} was not stored: {refusal.reason}"
            yield Notice(level="warning", text=text, topic="reject")

    def _read(self, span: int) -> Iterator[Batch | WireBatch]:
        """The remaining batches of a span; reading starts again from the cursor when the batch size changes."""
        cursor = self._at[span].cursor
        after, left = self._job.plan.spans[span].after if cursor is None else cursor, True
        while left:
            left, size = False, self._throttle.size
            for batch in self._batches(span, after, size):
                if self._job.record is not None:
                    self._job.record(target_ids(batch, folds_uuids=self._job.source.folds_uuids))
                yield batch
                after, left = batch.cursor, self._throttle.size != size
                if left:
                    break

    def _batches(self, span: int, after: Cursor, size: int) -> Iterator[Batch | WireBatch]:
        source, plan = self._job.source, self._job.plan
        if self._carry and isinstance(source, CarriesWire):
            return source.wire_batches(plan.source, size=size, after=after, until=plan.spans[span].until)
        return source.batches(plan.source, size=size, after=after, until=plan.spans[span].until)

    def _write(self, batch: Batch | WireBatch) -> Written:
        start = time.monotonic()
        try:
            written = self._written(batch)
        except AdminError as error:
            if isinstance(error, RateLimited) or time.monotonic() - start > SLOW_SECONDS:
                self._throttle.back_off()
            raise
        self._throttle.succeeded(written.read, written.octets, time.monotonic() - start)
        return written

    def _written(self, batch: Batch | WireBatch) -> Written:
        if isinstance(batch, Batch):
            return self._write_columns(batch) or self._write_records(batch.records)
        look = batch.page.look(self._job.slots)
        if look.doubtful:
            return self._write_records(batch.records())
        try:
            self._job.database.bulk.upsert_wire(self._job.plan.target, batch.page)
        except (RequestRejected, BadInput):
            return self._write_records(batch.records())
        return Written(len(batch.page), [], look.zero_vectors, batch.page.octets)

    def _write_columns(self, batch: Batch) -> Written | None:
        """Write a batch as columns; None: its records have to be checked one by one."""
        columns = batch.columns if self._job.database.bulk.carries_wire else None
        packed = self._checker.pack(columns) if columns else None
        if packed is None:
            return None
        try:
            self._job.database.bulk.upsert_encoded(self._job.plan.target, packed)
        except (RequestRejected, BadInput):
            return None
        return Written(len(packed), [], 0, sum(map(len, packed)))

    def _write_records(self, records: list[Record]) -> Written:
        checked = self._checker.check(records)
        refused = self._upsert(checked.points, checked)
        octets = sum(_octets(point) for point in checked.points)
        return Written(len(records), [*checked.refusals, *refused], checked.zero_vectors, octets)

    def _upsert(self, points: list[Point], checked: Checked, *, part: bool = False) -> list[Refusal]:
        """Write points; those that the server refuses are found by halving, and all others are written."""
        while points:
            try:
                self._job.database.upsert(self._job.plan.target, points, checked=True)
            except RateLimited as error:
                if not part:
                    raise
                # A new pass would start with the first half again, and never get past it.
                self._job.cancel.wait(error.seconds or 1.0)
            except (RequestRejected, BadInput) as error:
                if len(points) == 1:
                    return [Refusal(checked.originals[points[0].id], f"the server refused it: {error}")]
                middle = len(points) // 2
                halves = points[:middle], points[middle:]
                return [refusal for half in halves for refusal in self._upsert(half, checked, part=True)]
            else:
                break
        return []

    def _settle(self, came: Settled[Written] | Ended) -> tuple[int, int]:
        """Move the checkpoint of a span; returns by how many records and bytes."""
        now = self._at[came.span]
        self._moved.add(came.span)
        if isinstance(came, Ended):
            self._at[came.span] = now.model_copy(update={"done": True})
            return 0, 0
        done = came.outcome
        self._zero_vectors += done.zero_vectors
        self._job.octets += done.octets
        if done.refusals:
            self._reject_bytes = self._job.rejects.append(self._job.plan.source, done.refusals)
        self._at[came.span] = now.model_copy(
            update={
                "cursor": came.cursor,
                "read": now.read + done.read,
                "written": now.written + done.read - len(done.refusals),
                "rejected": now.rejected + len(done.refusals),
            }
        )
        if time.monotonic() - self._saved_at >= _SAVE_EVERY_SECONDS:
            self._save()
        return done.read, done.octets

    def _save(self) -> None:
        """Store all checkpoints that have moved: together they match the reject file."""
        moved = [self._at[span].model_copy(update={"reject_bytes": self._reject_bytes}) for span in sorted(self._moved)]
        if moved:
            self._job.save(moved)
            for one in moved:
                self._at[one.span] = one
        self._moved.clear()
        self._saved_at = time.monotonic()


def _octets(point: Point) -> int:
    vectors = sum(one.values.nbytes * 2 if isinstance(one, Sparse) else one.nbytes for one in point.vectors.values())
    return vectors + sum(len(value) if isinstance(value, str) else _FIELD_GUESS for value in point.payload.values())
