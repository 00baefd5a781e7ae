"""Deleting one collection, after a snapshot of it has been saved to our own disk.

A snapshot that stays at the server is out of reach once its collection is deleted: no request of Qdrant 1.16 lists or
returns it any longer, and in a container it lies outside the volume. So it is downloaded, verified, and deleted there.
Known of the server: after a power cut a collection that was deleted just before can be there again.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qdrant_admin.collections.named import is_alias, named
from qdrant_admin.collections.reports import DeleteReport
from qdrant_admin.config.places import data_dir
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, Failed, Refused, ServerTrouble, StorageUnusable, Unsupported
from qdrant_admin.core.events import Events, Finished, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import plain, size
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.models import CollectionInfo
from qdrant_admin.database.names import safe_name
from qdrant_admin.database.snapshots import Snapshot, restoring_command
from qdrant_admin.lifecycle.noting import taken_away
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

_LIST = Command("collections", "list")
_ROOM_TO_BREATHE = 1 << 28


class DeleteOptions(Frozen):
    """How a collection is deleted."""

    dry_run: bool = False
    """Only look, and tell what would be done."""
    snapshot: bool = True
    """Keep a snapshot of it here first."""
    with_aliases: bool = False
    """Delete it although aliases point to it: they go with it."""


def delete(ws: Workspace, name: str, options: DeleteOptions, *, cancel: CancelToken) -> Events:
    """Delete a collection, once a snapshot of it lies here; then look whether it is gone. Ends with a `DeleteReport`.

    Raises as `named`, and besides:
        Refused: the name is an alias, or aliases point to the collection and nobody said that they may go.
        StorageUnusable: there is no room here for the snapshot. Nothing was deleted, as after any other error.
        Failed: the server still lists it.
    """
    events = _delete(ws, name, options, cancel)
    return events if options.dry_run else recorded(ws.store, "delete", ws.settings.name, events)


def _delete(ws: Workspace, name: str, options: DeleteOptions, cancel: CancelToken) -> Events:
    with ws.database() as database:
        info = database.collection(named(ws, database, name).name)
        _refuse(ws.settings.name, name, info, options)
        report = DeleteReport(
            collection=info.name,
            points=info.points,
            disk_bytes=info.disk_bytes,
            aliases=info.aliases,
            dry_run=options.dry_run,
            snapshot=str(_folder()) if options.snapshot else "",
        )
        if options.dry_run:
            yield Finished(report=report)
            return
        if options.snapshot:
            kept = yield from _Keeper(ws, database, info.name, cancel).kept()
            report = report.model_copy(update=kept)
        cancel.check()
        yield StepStarted(step="delete", title=f"deleting {plain(info.name)}")
        database.delete_collection(info.name)
        if info.name in database.names():
            why = "the server said that it is deleted, and lists it"
            raise Failed(f"{plain(info.name)} is still there", why=why, fix=_LIST.on(ws.settings.name))
        with contextlib.suppress(AdminError):  # it is deleted, whether that can be noted or not
            taken_away(ws, [info.name])
        yield StepFinished(step="delete", detail="the server no longer lists it")
        yield Finished(report=report.model_copy(update={"deleted": True}))


def _refuse(profile: str, name: str, info: CollectionInfo, options: DeleteOptions) -> None:
    if info.name != name:
        raise Refused(
            is_alias(name, info.name),
            why="what is deleted has to be named by its own name",
            fix=_LIST.on(profile),
        )
    if info.aliases and not options.with_aliases:
        raise Refused(
            f"{plain(name)} is in use under another name: {', '.join(map(plain, info.aliases))}",
            why="the alias would go with it, and whoever asks for it would find nothing",
            fix=Command("collections", "delete", name, with_aliases=True).on(profile),
        )


class _Keeper:
    """Downloads a snapshot of one collection."""

    def __init__(self, ws: Workspace, database: "Database", name: str, cancel: CancelToken) -> None:
        self._database, self._name, self._cancel = database, name, cancel
        self._without = Command("collections", "delete", name, no_snapshot=True).on(ws.settings.name)
        self._server = ws.runtime.endpoint

    def kept(self) -> Generator[StepStarted | StepFinished | Progress, None, dict[str, object]]:
        """Create it, download it, compare checksums. Returns the fields of the report that tell of it."""
        yield StepStarted(step="snapshot", title=f"keeping a snapshot of {plain(self._name)}")
        snapshots = self._database.snapshots
        if snapshots.peers() > 1:
            why = "a snapshot holds what one server of a cluster has, which is not all of the collection"
            raise Unsupported("no snapshot can be kept", why=why, fix=self._without)
        snapshot = snapshots.create(self._name)
        try:
            file = yield from self._brought(snapshot)
        finally:
            with contextlib.suppress(AdminError):
                snapshots.delete(self._name, snapshot.name)
        yield StepFinished(step="snapshot", detail=f"{size(snapshot.size)} in {plain(file)}")
        return {
            "snapshot": str(file),
            "snapshot_bytes": snapshot.size,
            "checksum": snapshot.checksum,
            "restore": restoring_command(self._server.url, self._name, file, with_key=self._server.api_key is not None),
        }

    def _brought(self, snapshot: Snapshot) -> Generator[Progress, None, Path]:
        path = _folder() / f"{safe_name(self._name)}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.snapshot"
        with self._disk(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            free = shutil.disk_usage(path.parent).free
        if free < snapshot.size + _ROOM_TO_BREATHE:
            why = f"it takes {size(snapshot.size)}, and {size(free)} are free in {plain(path.parent)}"
            raise StorageUnusable("no snapshot can be kept", why=why, fix=self._without)
        try:
            yield from self._written(snapshot, path)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        return path

    def _written(self, snapshot: Snapshot, path: Path) -> Generator[Progress, None, None]:
        pace, digest = ProgressMeter("snapshot", snapshot.size, unit="bytes"), hashlib.sha256()
        with self._disk(path), path.open("xb") as file:
            path.chmod(0o600)
            for piece in self._database.snapshots.read(self._name, snapshot.name):
                self._cancel.check()
                file.write(piece)
                digest.update(piece)
                if moved := pace.advance(len(piece)):
                    yield moved
            file.flush()
            os.fsync(file.fileno())
        self._cancel.check()
        if digest.hexdigest() != snapshot.checksum:
            why = "its checksum here differs from the one that the server reports"
            raise ServerTrouble(f"the snapshot of {plain(self._name)} was not transferred completely", why=why)

    @contextlib.contextmanager
    def _disk(self, path: Path) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            raise StorageUnusable(f"{plain(path)} cannot be written", why=str(error), fix=self._without) from error


def _folder() -> Path:
    return data_dir() / "snapshots"
