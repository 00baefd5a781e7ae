"""Copying one collection as a snapshot: the source writes it, and it is streamed to the target.

The snapshot is never whole in memory or on our disk, and its checksum is compared on both sides. Every snapshot is
stored before the source is asked for it, so that none is left behind. The source names it only when it is complete:
the snapshot of a killed run is found by the time in its name.
"""

import hashlib
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import (
    AdminError,
    Cancelled,
    NotFound,
    RateLimited,
    RequestRejected,
    ServerNotReady,
    ServerTrouble,
    ServerUnreachable,
    SourceUnreadable,
    Unsupported,
)
from qdrant_admin.core.events import Events, Notice, Progress
from qdrant_admin.core.formatting import counted, number, plain
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.claims import claimed
from qdrant_admin.database.retry import TRANSIENT
from qdrant_admin.database.snapshots import Snapshot, Snapshots
from qdrant_admin.migration.copy.stream import Copier, CopyJob
from qdrant_admin.sources.base import Searches
from qdrant_admin.state import run_locks
from qdrant_admin.state.store import StateStore

RESTORING = "restoring"
"""A checkpoint's cursor once the restore has begun: the target may hold all or part of the snapshot."""
_LOOK_SECONDS = 0.1
_NAMED_WITHIN = timedelta(seconds=30)
"""The longest time between the request and the time in the snapshot's name."""
_TIME = re.compile(r"(\d{4}(?:-\d\d){5})\.snapshot")
_Result = TypeVar("_Result")


class _NoSnapshotError(Exception):
    """The source cannot write a snapshot, or the target rejects it."""

    def __init__(self, error: AdminError) -> None:
        self.error = error


def copy(job: CopyJob) -> Events:
    """Copy a collection as a snapshot; point by point if that fails, unless the user insists on a snapshot.

    A run that is resumed starts this collection over.
    """
    if job.checkpoints[0].cursor in (None, RESTORING):
        try:
            yield from _Carrier(job).run()
        except _NoSnapshotError as caught:
            if job.migration.method == "snapshot":
                raise caught.error from caught
            text = f"{plain(job.plan.source)} is copied point by point, because a snapshot failed: {caught.error}"
            yield Notice(level="warning", text=text)
            _start_over(job)
        else:
            return
    job.method = "stream"
    yield from Copier(job).run()


def _start_over(job: CopyJob) -> None:
    """Create an empty target, in place of what a failed restore may have left. It keeps the run's claim."""
    if job.checkpoints[0].cursor == RESTORING and job.database.exists(job.plan.target):
        claim = job.database.claim(job.plan.target)
        job.database.delete_collection(job.plan.target)
        job.database.create_collection(job.plan.target, claimed(job.plan.spec, claim))
    _keep(job, cursor=None)


def _keep(job: CopyJob, **changes: object) -> None:
    job.checkpoints[0] = job.checkpoints[0].model_copy(update=changes)
    job.save(job.checkpoints[:1])


class _Carrier:
    """Transfers one snapshot from the source to the target."""

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        assert isinstance(job.source, Searches)  # noqa: S101 # the plan chooses snapshots for no other source
        self._source = job.source.database
        self._from, self._server = self._source.snapshots, self._source.url
        self._to = job.database.snapshots
        self._file = f"qdrant-admin-{job.migration.run}.snapshot"
        """The name of the upload at the target."""
        self._pace = ProgressMeter("copy", job.plan.count, item=job.plan.target)
        self._at = 0, 0
        """Bytes sent, and bytes to send."""

    def run(self) -> Events:
        job = self._job
        try:
            while not job.checkpoints[0].done:
                try:
                    yield from self._once()
                except TRANSIENT as error:
                    job.retries += 1
                    yield self._pace.event(note=error.what)
                    yield from job.retry.backoff(error)
        finally:
            left = self._sweep()
        for name in left:
            text = f"the snapshot {plain(name)} is still at the source; the next migration from there deletes it"
            yield Notice(level="warning", text=text)
        yield self._pace.event()

    def _once(self) -> Events:
        job = self._job
        self._sweep()
        snapshot = yield from self._written()
        yield from job.retry.succeeded()
        self._at = 0, 0
        self._reached(0, 0)
        _keep(job, cursor=RESTORING)
        yield from self._restored(snapshot)
        with suppress(NotFound):
            self._to.delete(job.plan.target, self._file)
        self._reached(job.plan.count, snapshot.size)
        count = job.database.count(job.plan.target)
        _keep(job, read=count, written=count, done=True)

    def _written(self) -> Generator[Progress, None, Snapshot]:
        """Have the source write the snapshot. It cannot be stopped: a cancel waits, and deletes it."""
        name = self._job.plan.source
        if self._job.record is not None:
            for ids in self._source.scan_ids(name):
                self._job.record(ids)
        known, now = _moment(self._from, name, self._job.cancel)
        entry = _remember(
            self._job.store, run=self._job.migration.run, server=self._server, collection=name, known=known, at=now
        )
        try:
            snapshot = yield from self._watched(lambda: self._from.create(name), "the source is writing a snapshot")
        except (ServerUnreachable, ServerNotReady, RateLimited, Cancelled):
            raise
        except AdminError as error:
            forget(self._job.store, entry)
            raise _NoSnapshotError(error) from error
        if snapshot.name in known:  # another program asked in the same second: the snapshot is not ours to delete
            forget(self._job.store, entry)
        else:
            with self._job.store.writing() as connection:
                connection.execute("UPDATE migration_snapshots SET name = ? WHERE id = ?", (snapshot.name, entry))
        if not snapshot.checksum:
            raise _NoSnapshotError(Unsupported("the source gives no checksum for its snapshots"))
        return snapshot

    def _restored(self, snapshot: Snapshot) -> Events:
        try:
            yield from self._watched(lambda: self._carry(snapshot), "the target is restoring the snapshot")
        except RateLimited:
            raise
        except (RequestRejected, ServerTrouble) as error:
            raise _NoSnapshotError(error) from error

    def _carry(self, snapshot: Snapshot) -> None:
        """In a thread: stream it from one server to the other."""
        job, name, digest = self._job, plain(self._job.plan.source), hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            sent = 0
            for piece in self._read(snapshot):
                job.cancel.check()
                digest.update(piece)
                yield piece
                sent += len(piece)
                job.octets += len(piece)
                self._at = sent, snapshot.size
            if digest.hexdigest() != snapshot.checksum:
                why = f"{number(sent)} of {counted(snapshot.size, 'byte')}, and another checksum than at the source"
                raise SourceUnreadable(f"the snapshot of {name} was not transferred completely", why=why)

        self._to.restore(job.plan.target, self._file, pieces(), snapshot.size, snapshot.checksum)

    def _read(self, snapshot: Snapshot) -> Iterator[bytes]:
        try:
            yield from self._from.read(self._job.plan.source, snapshot.name)
        except NotFound as error:  # a program that asked in the same second got the same file, and has deleted it
            raise ServerNotReady(f"the snapshot of {plain(self._job.plan.source)} is gone", why=str(error)) from error

    def _watched(self, work: Callable[[], _Result], note: str) -> Generator[Progress, None, _Result]:
        """Work in a thread and report the progress; a cancel waits for the end of the work."""
        with ThreadPoolExecutor(1, "migration-snapshot") as pool:
            future = pool.submit(work)
            while not future.done():
                wait([future], timeout=_LOOK_SECONDS)
                yield from self._progress(note)
                self._job.cancel.check()
            return future.result()

    def _progress(self, note: str) -> Iterator[Progress]:
        sent, size = self._at
        if not 0 < sent < size:
            yield self._pace.event(note=note)
            return
        yield from filter(None, self._reached(int(self._job.plan.count * sent / size), sent))

    def _reached(self, points: int, octets: int) -> list[Progress | None]:
        """Set the progress to so many points and bytes."""
        by = points - self._pace.done
        return [pace.advance(by, octets - self._pace.octets) for pace in (self._job.whole, self._pace)]

    def _sweep(self) -> list[str]:
        with suppress(NotFound, ServerUnreachable):
            self._to.delete(self._job.plan.target, self._file)
        return sweep(self._job.store, self._server, self._from, run=self._job.migration.run)


class OwnSnapshot(Frozen):
    """A snapshot that a run has asked for, and that may still be at the source."""

    id: int
    run: str
    collection: str
    known: tuple[str, ...]
    """The names of the collection's snapshots before that."""
    asked_at: datetime
    """By the source's clock."""
    name: str
    """Empty until the source has named it."""


def _moment(snapshots: Snapshots, collection: str, cancel: CancelToken) -> tuple[list[str], datetime]:
    """The names of the existing snapshots, and a moment, by the source's clock, at which a new one gets another name.

    Two snapshots of the same second have the same name: ours would be taken for the other program's, and left behind.
    The clock may be a little slow, so names with a time just ahead of it count as well.
    """
    while True:
        known, now = [one.name for one in snapshots.listed(collection)], snapshots.clock()
        if not any(written and now <= written <= now + _NAMED_WITHIN for written in map(_time_of, known)):
            return known, now
        cancel.wait(_LOOK_SECONDS)


def _remember(store: StateStore, *, run: str, server: str, collection: str, known: Iterable[str], at: datetime) -> int:
    """Store that a snapshot is about to be requested; returns the id of the entry."""
    with store.writing() as connection:
        cursor = connection.execute(
            "INSERT INTO migration_snapshots (run, server, collection, known, asked_at, name)"
            " VALUES (?, ?, ?, ?, ?, '')",
            (run, server, collection, json.dumps(sorted(known)), at.isoformat()),
        )
        return int(cursor.lastrowid or 0)


def left(store: StateStore, server: str) -> list[OwnSnapshot]:
    with store.reading() as connection:
        rows = connection.execute(
            "SELECT id, run, collection, known, asked_at, name FROM migration_snapshots WHERE server = ? ORDER BY id",
            (server,),
        ).fetchall()
    return [OwnSnapshot.model_validate({**dict(row), "known": json.loads(row["known"])}) for row in rows]


def forget(store: StateStore, entry: int) -> None:
    with store.writing() as connection:
        connection.execute("DELETE FROM migration_snapshots WHERE id = ?", (entry,))


def sweep(store: StateStore, server: str, snapshots: Snapshots, *, run: str) -> list[str]:
    """Delete what this run and runs that have ended left at a source; returns the snapshots that remain.

    An entry that has no name and matches no snapshot is kept: the server may still be writing that snapshot.
    """
    still = []
    for one in left(store, server):
        if one.run != run and run_locks.migration(one.run).busy:
            continue
        try:
            for name in [one.name] if one.name else list(_found(one, snapshots)):
                with suppress(NotFound):
                    snapshots.delete(one.collection, name)
                forget(store, one.id)
        except NotFound:  # the collection is gone: no request reaches its snapshots any more
            forget(store, one.id)
        except AdminError:
            still.append(one.name or f"one of {one.collection}")
    return still


def _found(one: OwnSnapshot, snapshots: Snapshots) -> Iterator[str]:
    for snapshot in snapshots.listed(one.collection):
        written = _time_of(snapshot.name)
        if snapshot.name in one.known or written is None:
            continue
        if one.asked_at <= written <= one.asked_at + _NAMED_WITHIN:
            yield snapshot.name


def _time_of(name: str) -> datetime | None:
    """The time in the name of a snapshot; None where it has none."""
    match = _TIME.search(name)
    return datetime.strptime(match[1], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC) if match else None
