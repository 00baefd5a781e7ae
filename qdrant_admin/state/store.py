"""The one SQLite file of state: history of operations and checkpoints of migrations.

Several processes may use it at once: write-ahead log, a busy timeout, and every change in a transaction that takes
the write lock at its beginning (a lock taken half-way cannot wait, it can only fail).
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from qdrant_admin.core.commands import Command, install_command
from qdrant_admin.core.errors import BadInput, StorageUnusable, Unsupported
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen
from qdrant_admin.state import records
from qdrant_admin.state.schema import HOW, STEPS, SchemaStep

BUSY_SECONDS = 15.0
_COLUMNS = "id, operation, profile, verdict, summary, started_at, seconds, exit_code"


class HistoryEntry(Frozen):
    """One finished operation, without its report."""

    id: int
    operation: str
    profile: str
    verdict: str
    """A key of `core.formatting.STATES`."""
    summary: str
    started_at: datetime
    seconds: float
    exit_code: int


class StateStore:
    """Opened cheaply, used from any thread: the file is made and brought up to date at the first connection."""

    def __init__(self, path: Path, *, steps: Sequence[SchemaStep] = STEPS) -> None:
        self.path = path
        self._steps = tuple(steps)
        self._ready = False
        self._lock = threading.Lock()

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection within one write transaction: committed at the end, rolled back when something is raised.

        Raises:
            StorageUnusable: the file cannot be opened, is damaged, or the disk is full.
            Unsupported: a newer qdrant-admin has changed the file.
        """
        return self._transaction("BEGIN IMMEDIATE")

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that sees one moment and writes nothing: it neither takes nor waits for the write lock.

        Raises:
            StorageUnusable: the file cannot be opened or is damaged.
            Unsupported: a newer qdrant-admin has changed the file.
        """
        return self._transaction("PRAGMA query_only = ON", "BEGIN")

    @contextlib.contextmanager
    def _transaction(self, *begin: str) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(self._open()) as connection:
                for statement in begin:
                    connection.execute(statement)
                try:
                    yield connection
                except BaseException:
                    if connection.in_transaction:  # a full disk has rolled it back already
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.IntegrityError:
            raise  # the caller's own statement, which the caller knows best
        except (sqlite3.Error, OSError) as error:
            raise _unusable(self.path, error) from error

    def record(self, *, operation: str, profile: str, report: Report, started_at: datetime, seconds: float) -> int:
        """Keep the report of a finished operation; returns its id."""
        row = (
            operation,
            profile,
            report.verdict_word,
            plain(report.summary()),
            started_at.astimezone(UTC).isoformat(),
            seconds,
            int(report.exit_code),
            records.dump(report),
        )
        with self.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO history (operation, profile, verdict, summary, started_at, seconds, exit_code, report)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            return int(cursor.lastrowid or 0)

    def history(self, limit: int = 50, operation: str | None = None) -> list[HistoryEntry]:
        with self.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM history WHERE ?1 IS NULL OR operation = ?1 ORDER BY id DESC LIMIT ?2",  # noqa: S608 # a constant
                (operation, limit),
            ).fetchall()
        return [_entry(row) for row in rows]

    def entry(self, entry: int) -> HistoryEntry:
        """One entry.

        Raises:
            BadInput: there is no such entry.
        """
        with self.reading() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM history WHERE id = ?", (entry,)).fetchone()  # noqa: S608 # a constant
        if row is None:
            raise _no_entry(entry)
        return _entry(row)

    def reports(
        self, operation: str, profile: str, limit: int, *, without: Collection[str] = (), how: str | None = None
    ) -> list[tuple[HistoryEntry, str]]:
        """The latest operations of one name on one profile with their reports as JSON, newest first.

        Args:
            operation: its name.
            profile: the profile's name.
            limit: how many at most.
            without: verdicts that are left out, and do not count.
            how: only those whose report says that it was done this way.
        """
        narrowed = "" if how is None else f" AND {HOW} = ?"
        marks = ", ".join("?" * len(without))
        with self.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS}, report FROM history WHERE operation = ? AND profile = ?"  # noqa: S608 # constants
                f" AND verdict NOT IN ({marks}){narrowed} ORDER BY id DESC LIMIT ?",
                (operation, profile, *without, *([] if how is None else [how]), limit),
            ).fetchall()
        return [(_entry(row), str(row["report"])) for row in rows]

    def report_json(self, entry: int) -> str:
        """The whole report of one entry, as it was printed then.

        Raises:
            BadInput: there is no such entry.
        """
        with self.reading() as connection:
            row = connection.execute("SELECT report FROM history WHERE id = ?", (entry,)).fetchone()
        if row is None:
            raise _no_entry(entry)
        return str(row["report"])

    def _open(self) -> sqlite3.Connection:
        with self._lock:
            if not self._ready:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with contextlib.closing(self._connect()) as connection:
                    _use_write_ahead_log(connection)
                    _apply(connection, self._steps, self.path)
                self._ready = True
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:  # a damaged file shows with the first statement
            connection.close()
            raise
        return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """The switch needs the file for itself and does not always honour the busy timeout, so ask again."""
    deadline = time.monotonic() + BUSY_SECONDS
    pause = threading.Event()
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not busy or time.monotonic() > deadline:
                raise
            pause.wait(0.02)
        else:
            return


def _apply(connection: sqlite3.Connection, steps: Sequence[SchemaStep], path: Path) -> None:
    """Apply what is missing, one transaction per step; another process that does the same finds it done.

    A file that is up to date is only read: a look at the state must not wait for somebody who is writing.
    """
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_steps'").fetchone():
        applied = _applied(connection)
        _refuse_newer(applied - {known.name for known in steps}, path)
        if all(step.name in applied for step in steps):
            return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_steps (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
    connection.execute("COMMIT")
    for step in steps:
        connection.execute("BEGIN IMMEDIATE")
        try:
            applied = _applied(connection)
            _refuse_newer(applied - {known.name for known in steps}, path)
            if step.name not in applied:
                for statement in step.statements:
                    connection.execute(statement)
                now = datetime.now(UTC).isoformat()
                connection.execute("INSERT INTO schema_steps (name, applied_at) VALUES (?, ?)", (step.name, now))
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _applied(connection: sqlite3.Connection) -> set[str]:
    return {str(row["name"]) for row in connection.execute("SELECT name FROM schema_steps")}


def _refuse_newer(unknown: set[str], path: Path) -> None:
    if unknown:
        raise Unsupported(
            f"{path} was written by a newer qdrant-admin",
            why=f"it holds changes that this version does not know: {', '.join(sorted(unknown))}",
            fix=install_command("--upgrade", "qdrant-admin"),
        )


def _unusable(path: Path, error: Exception) -> StorageUnusable:
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return StorageUnusable(f"the state file {path} is damaged", why=str(error), fix=f'mv "{path}" "{path}.damaged"')
    return StorageUnusable(f"the state file {path} cannot be used", why=str(error), fix=f'ls -l "{path.parent}"')


def _entry(row: sqlite3.Row) -> HistoryEntry:
    return HistoryEntry.model_validate({name: row[name] for name in HistoryEntry.__struct_fields__})


def _no_entry(entry: int) -> BadInput:
    return BadInput(f"the history has no entry {entry}", fix=str(Command("history", "list")))
