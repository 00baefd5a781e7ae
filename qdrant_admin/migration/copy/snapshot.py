"""Copying one collection as a snapshot: the source writes its files into one, and the target takes that in.

It goes through as a stream, never whole in memory nor on our disk, with its checksum looked at on both sides.
"""

import hashlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

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
from qdrant_admin.database.snapshots import Snapshot
from qdrant_admin.migration.copy import source_snapshots
from qdrant_admin.migration.copy.job import CopyJob
from qdrant_admin.migration.copy.retry import TRANSIENT
from qdrant_admin.migration.copy.stream import Copier
from qdrant_admin.migration.provenance import RecordingSource
from qdrant_admin.sources.base import Searches, Source

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

RESTORING = "restoring"
"""As the cursor of a checkpoint: from here on the target holds what we sent there, whole or not."""
_LOOK_SECONDS = 0.1
_Result = TypeVar("_Result")


class _NoSnapshotError(Exception):
    """The source writes none, or the target takes it not, now that they are asked."""

    def __init__(self, error: AdminError) -> None:
        self.error = error


def copy(job: CopyJob) -> Events:
    """Copy a collection whole; point by point when its source writes no snapshot after all and none was insisted on.

    Raises:
        Cancelled, ServerUnreachable: the collection is begun anew when the run goes on.
    """
    if job.checkpoints[0].cursor in (None, RESTORING):
        try:
            yield from _Carrier(job).run()
        except _NoSnapshotError as caught:
            if job.insists:
                raise caught.error from caught
            text = f"{plain(job.plan.source)} goes over point by point, a snapshot does not: {caught.error}"
            yield Notice(level="warning", text=text)
            _begin_anew(job)
        else:
            return
    job.method = "stream"
    yield from Copier(job).run()


def _begin_anew(job: CopyJob) -> None:
    """Make the target for single points, in place of what a snapshot may have left of it."""
    if job.checkpoints[0].cursor == RESTORING and job.database.exists(job.plan.target):
        job.database.delete_collection(job.plan.target)
    _keep(job, cursor=None)
    if not job.database.exists(job.plan.target):
        job.database.create_collection(job.plan.target, job.plan.spec)


def _keep(job: CopyJob, **changes: Any) -> None:
    job.checkpoints[0] = job.checkpoints[0].model_copy(update=changes)
    job.save(job.checkpoints[:1])


def _server(source: Source) -> "Database":
    """The Qdrant server that is the source: no other writes snapshots, and the plan chose them."""
    source = source.source if isinstance(source, RecordingSource) else source
    assert isinstance(source, Searches)  # noqa: S101
    return source.database


class _Carrier:
    """Brings one snapshot from the source to the target."""

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        database = _server(job.source)
        self._from, self._server = database.snapshots, database.url
        self._to = job.database.snapshots
        self._file = f"qdrant-admin-{job.run}.snapshot"
        """The target keeps what it was sent under this name: the mark by which we know it again."""
        self._pace = ProgressMeter("copy", job.plan.count, item=job.plan.target)
        self._at = 0, 0
        """Bytes that have gone over, and of how many."""

    def run(self) -> Events:
        """Begin anew until it has arrived."""
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
            text = f"the snapshot {plain(name)} is still at the source: the next migration from there deletes it"
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
        """Have the source write its snapshot; that cannot be called off, so a cancel waits until it can be deleted."""
        name = self._job.plan.source
        if isinstance(self._job.source, RecordingSource):
            self._job.source.record_all(name)
        known, now = source_snapshots.moment(self._from, name, self._job.cancel)
        entry = source_snapshots.asked(
            self._job.store,
            run=self._job.run,
            server=self._server,
            collection=name,
            known=known,
            at=now,
        )
        try:
            snapshot = yield from self._watched(lambda: self._from.create(name), "the source is writing a snapshot")
        except (ServerUnreachable, ServerNotReady, RateLimited, Cancelled):
            raise
        except AdminError as error:
            source_snapshots.forget(self._job.store, entry)
            raise _NoSnapshotError(error) from error
        if snapshot.name in known:  # somebody had asked for it in this very second: it is not ours to delete
            source_snapshots.forget(self._job.store, entry)
        else:
            source_snapshots.named(self._job.store, entry, snapshot.name)
        if not snapshot.checksum:
            raise _NoSnapshotError(Unsupported("the source tells no checksum of its snapshots"))
        return snapshot

    def _restored(self, snapshot: Snapshot) -> Events:
        try:
            yield from self._watched(lambda: self._carry(snapshot), "the target is taking the snapshot in")
        except RateLimited:
            raise
        except (RequestRejected, ServerTrouble) as error:
            raise _NoSnapshotError(error) from error

    def _carry(self, snapshot: Snapshot) -> None:
        """In a thread: from one server straight to the other."""
        job, digest = self._job, hashlib.sha256()

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
                raise SourceUnreadable(
                    f"the snapshot of {plain(job.plan.source)} did not come over whole",
                    why=f"{number(sent)} of {counted(snapshot.size, 'byte')}, and another checksum than the source's",
                )

        self._to.restore(job.plan.target, self._file, pieces(), snapshot.size, snapshot.checksum)

    def _read(self, snapshot: Snapshot) -> Iterator[bytes]:
        try:
            yield from self._from.read(self._job.plan.source, snapshot.name)
        except NotFound as error:  # whoever asked within the same second was given the same file, and has deleted it
            raise ServerNotReady(f"the snapshot of {plain(self._job.plan.source)} is gone", why=str(error)) from error

    def _watched(self, work: Callable[[], _Result], note: str) -> Generator[Progress, None, _Result]:
        """Do it in a thread, and tell how far it is. Whoever stops watching waits for its end."""
        with ThreadPoolExecutor(1, "migration-snapshot") as pool:
            future = pool.submit(work)
            while not future.done():
                wait([future], timeout=_LOOK_SECONDS)
                yield from self._told(note)
                self._job.cancel.check()
            return future.result()

    def _told(self, note: str) -> Iterator[Progress]:
        sent, size = self._at
        if not 0 < sent < size:
            yield self._pace.event(note=note)
            return
        for moved in self._reached(int(self._job.plan.count * sent / size), sent):
            if moved:
                yield moved

    def _reached(self, points: int, octets: int) -> list[Progress | None]:
        """Count up to there: of the bytes that have gone over as many points as their share of the whole."""
        by = points - self._pace.done
        return [pace.advance(by, octets - self._pace.octets) for pace in (self._job.whole, self._pace)]

    def _sweep(self) -> list[str]:
        with suppress(NotFound, ServerUnreachable):
            self._to.delete(self._job.plan.target, self._file)
        return source_snapshots.sweep(self._job.store, self._server, self._from, run=self._job.run)
