"""Which points of a target came from a source: only those may be deleted once the source no longer has them.

Kept from the first `--catch-up` on, in a file of its own for each source, target and collection. A point that is not in
it may be anybody's. Each pass over the source notes the ids it sees.
"""

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.errors import BadInput, StorageUnusable
from qdrant_admin.database.ids import id_key
from qdrant_admin.database.models import PointId
from qdrant_admin.migration import checkpoint
from qdrant_admin.sources.uri import parse
from qdrant_admin.state.store import StateStore

_ASK = 500
"""Ids per query: below SQLite's bound of variables."""


class Provenance:
    """The ids that one collection of a source has given to one of a target. A context manager; safe for threads."""

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
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS ids (key BLOB PRIMARY KEY, met INTEGER NOT NULL) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise StorageUnusable(f"{self.path} cannot be used", why=str(error), fix=f'rm "{self.path}"') from error
        self.number = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        """Of the current pass, counted over all runs; before the first pass of this run, that of the last whole one."""
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def clear(self) -> None:
        with self._lock, self._transaction():
            self._database.execute("DELETE FROM ids")

    def begin_pass(self) -> None:
        self.number += 1

    def finish_pass(self) -> None:
        """The pass has read all of the source. The number of one that was interrupted is used again."""
        with self._lock:
            self._database.execute(f"PRAGMA user_version = {self.number:d}")

    def record(self, ids: Iterable[PointId]) -> None:
        rows = [(id_key(one), self.number) for one in ids]
        with self._lock, self._transaction():
            self._database.executemany(
                "INSERT INTO ids VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET met = excluded.met", rows
            )

    def last_seen(self, ids: Sequence[PointId]) -> dict[PointId, int]:
        """Of those that came from the source: the last pass that saw each of them."""
        found: dict[PointId, int] = {}
        for start in range(0, len(ids), _ASK):
            part = {id_key(one): one for one in ids[start : start + _ASK]}
            marks = ", ".join("?" * len(part))
            with self._lock:
                rows = self._database.execute(f"SELECT key, met FROM ids WHERE key IN ({marks})", list(part))  # noqa: S608 # question marks
                found |= {part[key]: met for key, met in rows}
        return found

    def forget(self, ids: Iterable[PointId]) -> None:
        """They were deleted: should one appear in the target again, another program wrote it."""
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


def place(source: str) -> str:
    """Where a source is, without the collection it is narrowed to and its options."""
    try:
        uri = parse(source)
    except BadInput:  # a stored one, of a package that is no longer installed
        return source
    return str(uri.model_copy(update={"collection": None, "options": {}}))


def was_filled(store: StateStore, source: str, target: str, collection: str, into: str) -> bool:
    """Whether a migration that is remembered has copied this collection of this source into that one."""
    plans = (plan for plan in checkpoint.plans(store, target) if place(plan.source) == place(source))
    return any(
        (planned.source, planned.target) == (collection, into) and planned.action != "skip"
        for plan in plans
        for planned in plan.collections
    )
