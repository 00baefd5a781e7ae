"""Which points of a target came from a source: only those may be deleted when the source has them no more.

Kept from the first `--catch-up` on, in a file of its own for each source, target and collection. A point that is not in
it may be anybody's. Each pass over the source marks what it meets.
"""

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.errors import StorageUnusable
from qdrant_admin.database.canonical import id_key
from qdrant_admin.database.models import PointId
from qdrant_admin.migration import checkpoint
from qdrant_admin.sources.base import Batch, CarriesWire, Cursor, Source, SourceCollection, Span, WireBatch
from qdrant_admin.sources.ids import map_id
from qdrant_admin.sources.uri import parse
from qdrant_admin.state.store import StateStore

_ASK = 500
"""Ids a query: below SQLite's bound of variables."""


class Origins:
    """The ids that one collection of a source has given to one of a target. A context manager; safe for threads.

    Args:
        source: URI.
        collection: its name at the source.
        target: URL of the server.
        into: its name there.
    """

    def __init__(self, source: str, collection: str, target: str, into: str) -> None:
        named = hashlib.sha256(repr((place(source), collection, target, into)).encode()).hexdigest()[:32]
        self.path: Path = state_dir() / "origins" / f"{named}.sqlite3"
        self._lock = threading.Lock()

    def __enter__(self) -> "Origins":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            # After a power cut fewer ids may be known than were; then fewer points are deleted.
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS ids (key BLOB PRIMARY KEY, met INTEGER NOT NULL) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise StorageUnusable(f"{self.path} cannot be used", why=str(error), fix=f'rm "{self.path}"') from error
        self.number = self._one("PRAGMA user_version")
        """Of the pass that is under way, counted over all calls; the last whole one before the first of this call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def begin_anew(self) -> None:
        """The target has just been made: nothing in it came from anywhere."""
        with self._lock, self._transaction():
            self._database.execute("DELETE FROM ids")

    def next_pass(self) -> None:
        """From here on, what is met is met by another pass."""
        self.number += 1

    def pass_is_whole(self) -> None:
        """It has seen all of the source. One that was cut off counts for nothing: its number is given once more."""
        with self._lock:
            self._database.execute(f"PRAGMA user_version = {self.number:d}")

    def meet(self, ids: Iterable[PointId]) -> None:
        """These are at the source now."""
        rows = [(id_key(one), self.number) for one in ids]
        with self._lock, self._transaction():
            self._database.executemany(
                "INSERT INTO ids VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET met = excluded.met", rows
            )

    def last_met(self, ids: Sequence[PointId]) -> dict[PointId, int]:
        """Of those that came from the source: the pass that met each of them last."""
        found: dict[PointId, int] = {}
        for start in range(0, len(ids), _ASK):
            part = {id_key(one): one for one in ids[start : start + _ASK]}
            marks = ", ".join("?" * len(part))
            with self._lock:
                rows = self._database.execute(f"SELECT key, met FROM ids WHERE key IN ({marks})", list(part))  # noqa: S608 # question marks
                found |= {part[key]: met for key, met in rows}
        return found

    def forget(self, ids: Iterable[PointId]) -> None:
        """They were deleted: should one of them appear in the target again, it is somebody else's."""
        with self._lock, self._transaction():
            self._database.executemany("DELETE FROM ids WHERE key = ?", [(id_key(one),) for one in ids])

    def _one(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


class Recorded:
    """A `Source` that notes which ids it gives, before anybody can have written them."""

    def __init__(self, source: Source, origins: Origins) -> None:
        self._source, self._origins = source, origins
        self.kind, self.vectorless, self.folds_uuids = source.kind, source.vectorless, source.folds_uuids

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def collections(self) -> list[SourceCollection]:
        """As the source has them."""
        return self._source.collections()

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """As the source cuts them."""
        return self._source.spans(name, parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """The batches of the source, noted."""
        for batch in self._source.batches(name, size=size, after=after, until=until):
            self._origins.meet(mapped(batch, self))
            yield batch

    @property
    def carries_wire(self) -> bool:
        """Whether the source does."""
        return isinstance(self._source, CarriesWire) and self._source.carries_wire

    def wire_batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[WireBatch]:
        """The pages of the source, noted."""
        if isinstance(self._source, CarriesWire):
            for batch in self._source.wire_batches(name, size=size, after=after, until=until):
                self._origins.meet(batch.page.ids())
                yield batch

    def meet_all(self, name: str) -> None:
        """Note every id of a collection that is about to be copied without being read: it is a server's."""
        for ids in self.database.scan_ids(name):
            self._origins.meet(ids)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def place(source: str) -> str:
    """Where a source lies, without what it is narrowed to and how it is read."""
    uri = parse(source)
    return str(uri.model_copy(update={"collection": None, "options": {}}))


def was_filled(store: StateStore, source: str, target: str, collection: str, into: str) -> bool:
    """Whether a migration that is remembered has copied this collection of this source into that one."""
    plans = (plan for plan in checkpoint.plans(store, target) if place(plan.source) == place(source))
    return any(
        (planned.source, planned.target) == (collection, into) and planned.action != "skip"
        for plan in plans
        for planned in plan.collections
    )


def mapped(batch: Batch, source: Source) -> Iterator[PointId]:
    """The ids that the records of a batch have in the target."""
    for record in batch.records:
        with contextlib.suppress(UnicodeEncodeError):  # refused, with that as its reason
            yield map_id(record.id, folds_uuids=source.folds_uuids)
