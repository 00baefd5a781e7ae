"""Snapshots that we have let a source write: remembered before they exist, so that none is left behind.

A snapshot bears no mark but its name, and that is known only when all of it is written. Should we be killed before,
it is found again by its time: it was not there before we asked, and the server has named it after a moment right
behind the one at which we did.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, NotFound
from qdrant_admin.core.reports import Frozen
from qdrant_admin.database.snapshots import Snapshots
from qdrant_admin.state import run_locks
from qdrant_admin.state.store import StateStore

_NAMED_WITHIN = timedelta(seconds=30)
"""Between our asking and the server's naming lies a request, and a disk that is slow."""
_LOOK_SECONDS = 0.1
_TIME = re.compile(r"(\d{4}(?:-\d\d){5})\.snapshot")


class OwnSnapshot(Frozen):
    """One that may still be there."""

    id: int
    run: str
    collection: str
    """At the source."""
    known: tuple[str, ...]
    """Those that were there before."""
    asked_at: datetime
    """By the source's own clock."""
    name: str
    """Empty while it was being written when we last knew."""


def moment(snapshots: Snapshots, collection: str, cancel: CancelToken) -> tuple[list[str], datetime]:
    """The snapshots that are there, and a moment, by the source's clock, at which a new one gets a name of its own.

    Two that are asked for within one second have the same name. One that bears the name of another that was there
    before would be taken for somebody else's, and left behind. The clock may be a little behind, so one from a moment
    that it has yet to reach counts as well.

    Raises:
        Cancelled: while the second was waited for.
    """
    while True:
        known, now = [one.name for one in snapshots.listed(collection)], snapshots.clock()
        if not any(written and now <= written <= now + _NAMED_WITHIN for written in map(_written, known)):
            return known, now
        cancel.wait(_LOOK_SECONDS)


def asked(store: StateStore, *, run: str, server: str, collection: str, known: Iterable[str], at: datetime) -> int:
    """Remember that the source is about to be asked for a snapshot; an id for what follows."""
    with store.writing() as connection:
        cursor = connection.execute(
            "INSERT INTO migration_snapshots (run, server, collection, known, asked_at, name)"
            " VALUES (?, ?, ?, ?, ?, '')",
            (run, server, collection, json.dumps(sorted(known)), at.isoformat()),
        )
        return int(cursor.lastrowid or 0)


def named(store: StateStore, entry: int, name: str) -> None:
    """It is written, and this is its name."""
    with store.writing() as connection:
        connection.execute("UPDATE migration_snapshots SET name = ? WHERE id = ?", (name, entry))


def left(store: StateStore, server: str) -> list[OwnSnapshot]:
    """What may still lie at that source."""
    with store.reading() as connection:
        rows = connection.execute(
            "SELECT id, run, collection, known, asked_at, name FROM migration_snapshots WHERE server = ? ORDER BY id",
            (server,),
        ).fetchall()
    return [OwnSnapshot.model_validate({**dict(row), "known": json.loads(row["known"])}) for row in rows]


def forget(store: StateStore, entry: int) -> None:
    """There is nothing to be deleted any more."""
    with store.writing() as connection:
        connection.execute("DELETE FROM migration_snapshots WHERE id = ?", (entry,))


def sweep(store: StateStore, server: str, snapshots: Snapshots, *, run: str) -> list[str]:
    """Delete what this run, and runs that are over or were killed, have left at a source; names of what is still there.

    One whose name nobody knows may just be being written: it stays remembered, and is looked for another time.
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
        written = _written(snapshot.name)
        if snapshot.name in one.known or written is None:
            continue
        if one.asked_at <= written <= one.asked_at + _NAMED_WITHIN:
            yield snapshot.name


def _written(name: str) -> datetime | None:
    """The second that the server has named a snapshot after; None for a name that tells none."""
    match = _TIME.search(name)
    return datetime.strptime(match[1], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC) if match else None
