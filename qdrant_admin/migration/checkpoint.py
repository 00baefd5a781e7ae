"""How far each migration has come, in the state store: a killed one resumes after its last acknowledged write."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from qdrant_admin.core.values import Frozen
from qdrant_admin.migration.reports import PlanReport
from qdrant_admin.sources.base import Cursor
from qdrant_admin.state import records
from qdrant_admin.state.records import Unreadable
from qdrant_admin.state.store import StateStore


class Checkpoint(Frozen):
    """One span of one collection of one run; never ahead of what the server has acknowledged."""

    collection: str
    """Name at the source."""
    span: int = 0
    """Index in the plan's spans."""
    cursor: Cursor = None
    read: int = 0
    written: int = 0
    rejected: int = 0
    reject_bytes: int = 0
    """Length of the reject file when this was saved: anything that a killed run wrote after it is removed."""
    done: bool = False
    """Whether the whole span was copied; verification comes later."""


class StoredRun(NamedTuple):
    """A migration run as it is stored, whatever became of it."""

    run: str
    source: str
    target: str
    state: Literal["running", "finished", "discarded"]
    """running, also when no process is working on it; finished; discarded."""
    record: PlanReport | Unreadable
    checkpoints: tuple[Checkpoint, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def done(self) -> int:
        return sum(checkpoint.read for checkpoint in self.checkpoints)

    @property
    def trouble(self) -> str:
        """Why its plan cannot be read; empty when it can."""
        return self.record.why if isinstance(self.record, Unreadable) else ""

    @property
    def plan(self) -> PlanReport:
        """Only of a run without `trouble`."""
        assert isinstance(self.record, PlanReport)  # noqa: S101
        return self.record


def total(collection: str, spans: Iterable[Checkpoint]) -> Checkpoint:
    """The spans of one collection added up; done when every span is."""
    found = list(spans)
    return Checkpoint(
        collection=collection,
        read=sum(one.read for one in found),
        written=sum(one.written for one in found),
        rejected=sum(one.rejected for one in found),
        reject_bytes=max((one.reject_bytes for one in found), default=0),
        done=bool(found) and all(one.done for one in found),
    )


def begin(store: StateStore, plan: PlanReport) -> None:
    """Store a run before its first write; a run that is stored already stays as it is."""
    now = _now()
    with store.writing() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO migration_runs (run, source, target, plan, state, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, 'running', ?, ?)",
            (plan.run, plan.source, plan.target, records.dump(plan), now, now),
        )


def save(store: StateStore, run: str, moved: Sequence[Checkpoint]) -> None:
    """Store checkpoints in one transaction: together they match the reject file."""
    now = _now()
    columns = ("cursor", "read", "written", "rejected", "reject_bytes", "done")
    rows = [{"run": run, "now": now, **one.model_dump(), "cursor": json.dumps(one.cursor)} for one in moved]
    new = ", ".join(f"{column} = excluded.{column}" for column in columns)
    with store.writing() as connection:
        connection.executemany(
            "INSERT INTO migration_spans"  # noqa: S608 # names from a constant
            f" (run, collection, span, {', '.join(columns)}, updated_at)"
            f" VALUES (:run, :collection, :span, {', '.join(f':{column}' for column in columns)}, :now)"
            f" ON CONFLICT (run, collection, span) DO UPDATE SET {new}, updated_at = excluded.updated_at",
            rows,
        )
        connection.execute("UPDATE migration_runs SET updated_at = ? WHERE run = ?", (now, run))


def finish(store: StateStore, run: str) -> None:
    with store.writing() as connection:
        connection.execute("UPDATE migration_runs SET state = 'finished', updated_at = ? WHERE run = ?", (_now(), run))


def discard(store: StateStore, run: str) -> None:
    """Forget how far a run has come, but not that it has written to its target."""
    with store.writing() as connection:
        connection.execute("UPDATE migration_runs SET state = 'discarded', updated_at = ? WHERE run = ?", (_now(), run))
        connection.execute("DELETE FROM migration_spans WHERE run = ?", (run,))


def checkpoints(store: StateStore, run: str) -> dict[str, list[Checkpoint]]:
    found: dict[str, list[Checkpoint]] = {}
    with store.reading() as connection:
        for one in _of(connection, run):
            found.setdefault(one.collection, []).append(one)
    return found


def stored(store: StateStore, *, state: str | None = None, run: str | None = None) -> list[StoredRun]:
    """Runs, the latest first: all of them, those in one state, or the one with that id."""
    with store.reading() as connection:
        rows = connection.execute(
            "SELECT run, source, target, state, plan, created_at, updated_at FROM migration_runs"
            " WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR run = ?2) ORDER BY updated_at DESC",
            (state, run),
        ).fetchall()
        return [
            StoredRun(
                row["run"],
                row["source"],
                row["target"],
                row["state"],
                records.load(PlanReport, row["plan"]),
                tuple(_of(connection, row["run"])),
                datetime.fromisoformat(row["created_at"]),
                datetime.fromisoformat(row["updated_at"]),
            )
            for row in rows
        ]


def unfinished(store: StateStore) -> list[StoredRun]:
    """Runs that can be resumed, the latest first."""
    return [one for one in stored(store, state="running") if not one.trouble]


def plans(store: StateStore, target: str) -> list[PlanReport]:
    """The readable plans of every run that has written to that server, finished or not."""
    with store.reading() as connection:
        rows = connection.execute("SELECT plan FROM migration_runs WHERE target = ?", (target,)).fetchall()
    found = [records.load(PlanReport, row["plan"]) for row in rows]
    return [plan for plan in found if not isinstance(plan, Unreadable)]


def _of(connection: sqlite3.Connection, run: str) -> list[Checkpoint]:
    rows = connection.execute(
        "SELECT collection, span, cursor, read, written, rejected, reject_bytes, done FROM migration_spans"
        " WHERE run = ? ORDER BY collection, span",
        (run,),
    ).fetchall()
    return [Checkpoint.model_validate({**dict(row), "cursor": json.loads(row["cursor"])}) for row in rows]


def _now() -> str:
    return datetime.now(UTC).isoformat()
