"""How far a migration has come, in the state store: so that a killed one goes on where the last acknowledgement was."""

import json
import sqlite3
from datetime import UTC, datetime

from qdrant_admin.core.reports import Frozen
from qdrant_admin.core.store import StateStore
from qdrant_admin.migration.reports import PlanReport
from qdrant_admin.migration.sources.base import Cursor


class Checkpoint(Frozen):
    """One collection of one run. It moves only behind what the server has acknowledged."""

    collection: str
    """Name at the source."""
    cursor: Cursor = None
    read: int = 0
    written: int = 0
    skipped: int = 0
    rejected: int = 0
    reject_bytes: int = 0
    """Length of the reject file when this was kept: what a killed run wrote behind it is cut off."""
    done: bool = False
    """Whether everything was copied; verification comes after it."""


class UnfinishedRun(Frozen):
    """A migration that was stopped, and can go on."""

    run: str
    source: str
    target: str
    plan: PlanReport
    checkpoints: tuple[Checkpoint, ...]
    updated_at: datetime

    @property
    def done(self) -> int:
        """Records handled so far."""
        return sum(checkpoint.read for checkpoint in self.checkpoints)


def begin(store: StateStore, plan: PlanReport) -> None:
    """Remember a run before its first write; a run that is known stays as it is."""
    now = _now()
    with store.connection() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO migration_runs (run, source, target, plan, state, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, 'running', ?, ?)",
            (plan.run, plan.source, plan.target, plan.model_dump_json(), now, now),
        )


def save(store: StateStore, run: str, checkpoint: Checkpoint) -> None:
    """Move the checkpoint of one collection."""
    now = _now()
    with store.connection() as connection:
        connection.execute(
            "INSERT INTO migration_checkpoints"
            " (run, collection, cursor, read, written, skipped, rejected, reject_bytes, done, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, collection) DO UPDATE SET"
            " cursor = excluded.cursor, read = excluded.read, written = excluded.written, skipped = excluded.skipped,"
            " rejected = excluded.rejected, reject_bytes = excluded.reject_bytes, done = excluded.done,"
            " updated_at = excluded.updated_at",
            (
                run,
                checkpoint.collection,
                json.dumps(checkpoint.cursor),
                checkpoint.read,
                checkpoint.written,
                checkpoint.skipped,
                checkpoint.rejected,
                checkpoint.reject_bytes,
                checkpoint.done,
                now,
            ),
        )
        connection.execute("UPDATE migration_runs SET updated_at = ? WHERE run = ?", (now, run))


def finish(store: StateStore, run: str) -> None:
    """A run whose report is out has nothing left to resume."""
    with store.connection() as connection:
        connection.execute("UPDATE migration_runs SET state = 'finished', updated_at = ? WHERE run = ?", (_now(), run))


def checkpoints(store: StateStore, run: str) -> dict[str, Checkpoint]:
    """Every checkpoint of a run, by collection."""
    with store.connection() as connection:
        return {found.collection: found for found in _of(connection, run)}


def unfinished(store: StateStore) -> list[UnfinishedRun]:
    """Runs that can go on, the latest first."""
    with store.connection() as connection:
        rows = connection.execute(
            "SELECT run, source, target, plan, updated_at FROM migration_runs"
            " WHERE state = 'running' ORDER BY updated_at DESC"
        ).fetchall()
        return [
            UnfinishedRun(
                run=row["run"],
                source=row["source"],
                target=row["target"],
                plan=PlanReport.model_validate_json(row["plan"]),
                checkpoints=tuple(_of(connection, row["run"])),
                updated_at=row["updated_at"],
            )
            for row in rows
        ]


def _of(connection: sqlite3.Connection, run: str) -> list[Checkpoint]:
    rows = connection.execute(
        "SELECT collection, cursor, read, written, skipped, rejected, reject_bytes, done FROM migration_checkpoints"
        " WHERE run = ? ORDER BY collection",
        (run,),
    ).fetchall()
    return [Checkpoint.model_validate({**dict(row), "cursor": json.loads(row["cursor"])}) for row in rows]


def _now() -> str:
    return datetime.now(UTC).isoformat()
