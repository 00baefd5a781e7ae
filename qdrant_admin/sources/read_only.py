"""Opening the files of others without leaving a trace: SQLite read-only, pickles without what makes them dangerous."""

import contextlib
import datetime as dt
import decimal
import io
import pickle
import shutil
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Any

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.locks import try_lock, unlock
from qdrant_admin.sources import RESUME
from qdrant_admin.sources.base import Payload

LOCK_SECONDS = 5.0
LAST_ROW = (1 << 63) - 1
"""No row of SQLite has a larger number. A query whose end may be missing goes on through all rows that there are."""
_WAL_MODE = 2
"""Bytes 18 and 19 of a SQLite file: 1 for a rollback journal, 2 for a write-ahead log."""


class ReadOnlyDatabase:
    """Somebody else's SQLite file, for several threads. Where SQLite would write beside it, a private copy is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()
        try:
            uri = f"{self._where().as_uri()}?mode=ro"
            self.connection = sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS, check_same_thread=False)
            self._stack.callback(self.connection.close)
            self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, OSError) as error:
            self._stack.close()
            raise unreadable(path, error) from error

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self.connection.execute(sql, parameters).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise unreadable(self.path, error) from error

    def columns(self, table: str) -> set[str]:
        """Names of a table's columns; empty when there is no such table."""
        return {str(row[1]) for row in self.rows(f"PRAGMA table_info({table})")}

    def close(self) -> None:
        self._stack.close()

    def _where(self) -> Path:
        """The file itself, or a private copy where reading it needs a journal replayed or an index file made."""
        files = with_journals(self.path)
        with self.path.open("rb") as file:
            mode = file.read(20)[18:20]
        left_over = any(path.exists() and path.stat().st_size for path in files[1:])
        if not left_over and mode != bytes([_WAL_MODE, _WAL_MODE]):
            return self.path.absolute()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="qdrant-admin-")))
        for _ in range(3):
            before = signature(files)
            for path in files:
                if path.exists():
                    shutil.copyfile(path, folder / path.name)
            if signature(files) == before:
                copy = folder / self.path.name
                with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                    connection.execute("PRAGMA journal_mode = DELETE").fetchone()  # replays the journal
                return copy
        raise sqlite3.OperationalError("database is locked: it changes faster than it can be copied")


def signature(paths: list[Path]) -> tuple[tuple[int, int] | None, ...]:
    """Size and time of change of each file, None for one that is not there: equal means nobody wrote meanwhile."""
    result: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            result.append(None)
        else:
            result.append((status.st_size, status.st_mtime_ns))
    return tuple(result)


def with_journals(database: Path) -> list[Path]:
    """A SQLite file and what may lie beside it."""
    return [database.with_name(database.name + suffix) for suffix in ("", "-wal", "-journal")]


def changed(path: Path) -> SourceUnreadable:
    why = "another program writes to it, and what was read may be half old and half new: stop it, then resume"
    return SourceUnreadable(f"{plain(path)} changed while it was read", why=why, fix=RESUME)


class SourceInUse(SourceUnreadable):
    """Another program has it open: it can be read once that has ended."""


def unreadable(path: Path, error: Exception) -> SourceUnreadable:
    if isinstance(error, PermissionError):
        return SourceUnreadable(f"{plain(path)} may not be read", why=str(error.strerror), fix=f'ls -l "{path}"')
    if "locked" in str(error) or "busy" in str(error):
        what = f"{plain(path)} is locked"
        return SourceInUse(what, why="another program is writing to it", fix=f'lsof "{path}"  # then stop that program')
    return cannot_read(path, f"it is damaged or no database ({error})")


def cannot_read(path: Path | None, why: str, fix: str = "") -> SourceUnreadable:
    return SourceUnreadable(f"{plain(path)} cannot be read", why=why, fix=fix or f'ls -l "{path}"')


def quoted(name: str) -> str:
    """A name as SQLite takes it, whatever is in it."""
    if "\x00" in name:
        raise SourceUnreadable(f"there is no table {plain(name)}")
    return '"' + name.replace('"', '""') + '"'


def marks(values: Sized) -> str:
    return ",".join("?" * len(values))


def refuse_locked(lock: Path, folder: Path, program: str) -> None:
    """Refuse a folder while a program that locks it has it open. Takes no lock that lasts, and makes no file."""
    if not lock.exists():
        return
    with contextlib.suppress(PermissionError), lock.open("rb") as file:
        if not try_lock(file, shared=True):
            why = f"a program has opened it with {program} and may be writing to it"
            raise SourceInUse(f"{plain(folder)} is in use", why=why, fix=f'lsof "{lock}"  # then stop that program')
        unlock(file)


class StandIn:
    """Stands in for a class of others: keeps the fields of its instances, and does nothing."""

    fields: Payload = {}

    def __setstate__(self, state: object) -> None:
        values = state.get("__dict__", state) if isinstance(state, dict) else {}
        self.fields = values if isinstance(values, dict) else {}


_PLAIN = (set, frozenset, uuid.UUID, dt.datetime, dt.date, dt.time, dt.timedelta, dt.timezone, decimal.Decimal)
HARMLESS: dict[tuple[str, str], Any] = {(kind.__module__, kind.__name__): kind for kind in _PLAIN}
"""Classes of plain values, which a payload may well hold, by the names that a pickle has for them."""


class RestrictedUnpickler(pickle.Unpickler):
    """Builds plain data, and instances of the few harmless classes it is given. Anything else ends the reading.

    A pickle is a program: one that names `os.system` would run it. Here a name that is not in the table raises
    before anything is called.
    """

    def __init__(self, data: bytes, allowed: Mapping[tuple[str, str], object]) -> None:
        super().__init__(io.BytesIO(data))
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> object:
        try:
            return self._allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which data never needs") from None

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError(f"it refers to something outside ({plain(pid)})")


_SENSELESS = (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError)
UNPICKLE_ERRORS = (*_SENSELESS, OverflowError, MemoryError)
"""What a damaged or hostile pickle raises (the module's documentation: `other exceptions may also be raised`)."""
