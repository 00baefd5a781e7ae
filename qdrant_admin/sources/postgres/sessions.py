"""Connections to a PostgreSQL that all see one and the same snapshot of it, and its faults in our words."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from qdrant_admin.core import errors
from qdrant_admin.core.commands import Fix
from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources import RESUME
from qdrant_admin.sources.base import ServerUri
from qdrant_admin.sources.uri import KEY_VARIABLE, source_key

_LIBPQ_OPTIONS = ("host", "sslmode", "sslrootcert", "service")
_SETTINGS = {
    "search_path": "pg_catalog",  # nobody's own function is called in place of the server's
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "row_security": "off",  # rows that a policy hides would be missing in silence: an error says so instead
    "synchronize_seqscans": "off",  # a table without a key is read in the order in which it lies
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
_SET = """
SELECT set_config(s.name, w.value, true) FROM pg_catalog.pg_settings s
JOIN unnest(%s::text[], %s::text[]) AS w(name, value) ON w.name = s.name
"""


class Sessions:
    """The first connection holds the snapshot open; every other one joins it, so that parts read side by side fit.

    After the server was gone there is a new first connection, and with it a new snapshot.
    """

    def __init__(self, uri: ServerUri) -> None:
        self._uri = uri
        self._lock = threading.Lock()
        self._first: psycopg.Connection[object] | None = None
        self._snapshot = ""

    def rows(self, query: Any, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self.translated():
            return self._alive().execute(query, parameters).fetchall()

    def pages(self, query: Any, parameters: tuple[object, ...], size: int) -> Iterator[list[tuple[object, ...]]]:
        """Rows of a query in binary form, `size` at a time, over a connection of its own on the same snapshot."""
        with self.translated(), self._lock:
            self._alive()
            connection = self._connect(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
        cursor = connection.cursor("qdrant_admin")
        try:
            with self.translated():
                cursor.execute(query, parameters, binary=True)
                page = cursor.fetchmany(size)
            while page:
                yield page
                with self.translated():
                    page = cursor.fetchmany(size)
        finally:
            connection.close()  # before the cursor, which would say so to a server that may be gone
            cursor.close()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._fault(error) from error
        except UnicodeError as error:
            raise SourceUnreadable(
                f"{plain(self._uri.url)} holds text that is not UTF-8",
                why=f"its encoding is SQL_ASCII, which checks nothing ({error})",
                fix="psql -c 'SHOW server_encoding'",
            ) from error

    def close(self) -> None:
        with self._lock:
            if self._first is not None:
                self._first.close()
                self._first = None

    def _fault(self, error: psycopg.Error) -> AdminError:
        """One of psycopg's errors as ours. Those that may pass by themselves are of the classes that are waited for."""
        kind, what, fix = _kind(error.sqlstate, str(error))
        parts = urlsplit(self._uri.url)
        if isinstance(fix, str):
            fix = fix.replace("{at}", f"-h {parts.hostname} -p {parts.port}" if parts.hostname else "").strip()
        return kind(what.format(plain(self._uri.url)), why=plain(str(error).strip()), fix=fix)

    def _alive(self) -> psycopg.Connection[Any]:
        """The first connection. One that has broken, or whose transaction has, is left for a new one."""
        if self._first is not None:
            try:
                self._first.execute("SELECT 1")
            except psycopg.Error:
                self._first.close()
                self._first = None
        if self._first is None:
            first = self._connect()
            try:
                row = first.execute("SELECT pg_export_snapshot()").fetchone()
            except psycopg.Error:
                first.close()
                raise
            self._first, self._snapshot = first, str(row[0]) if row else ""
        return self._first

    def _connect(self, begin: str = "") -> psycopg.Connection[Any]:
        """A connection in its transaction, with which the settings end: a pooler may give the session to others."""
        connection = psycopg.connect(
            _conninfo(self._uri),
            prepare_threshold=None,  # poolers in between lose prepared statements
            connect_timeout=10,
            application_name="qdrant-admin",
            client_encoding="utf8",
        )
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            if begin:
                connection.execute(begin.encode())  # has to be the first thing in a transaction
            connection.execute(_SET, (list(_SETTINGS), list(_SETTINGS.values())))
        except psycopg.Error:
            connection.close()
            raise
        return connection


def _conninfo(uri: ServerUri) -> str:
    """What the URI says; libpq adds the rest from its environment, `.pgpass` and service files."""
    parts = urlsplit(uri.url)
    said = {
        "host": parts.hostname,
        "port": str(parts.port) if parts.port else None,
        "user": unquote(parts.username) if parts.username else None,
        "dbname": unquote(parts.path.removeprefix("/")),
        "password": source_key(),
    }
    said |= {name: uri.options[name] for name in _LIBPQ_OPTIONS if name in uri.options}
    return make_conninfo(**{name: value for name, value in said.items() if value})


_BY_STATE: tuple[tuple[str | tuple[str, ...], type[AdminError], str, Fix], ...] = (
    ("28", errors.AccessDenied, "{} refuses this user", f"export {KEY_VARIABLE}=..."),
    ("42501", errors.AccessDenied, "this user may not read all of {}", 'psql -c "GRANT SELECT ON TABLE ... TO ..."'),
    ("3D", SourceUnreadable, "there is no such database at {}", "psql -l"),
    ("57P03", errors.ServerNotReady, "the server at {} is starting", "pg_isready {at}"),
    (("57P0", "25P0"), errors.ServerUnreachable, "the server at {} closed the connection", "pg_isready {at}"),
    ("08", errors.ServerUnreachable, "the connection to {} is gone", "pg_isready {at}"),
    ("53", errors.ServerTrouble, "the server at {} is out of resources", RESUME),
    (("57014", "40"), errors.ServerTrouble, "the server at {} aborted a query", RESUME),
    ("58", errors.ServerTrouble, "the server at {} has trouble with its system", RESUME),
)
_BY_TEXT: tuple[tuple[tuple[str, ...], str], ...] = (
    (("authentication failed", "no password supplied", "no pg_hba.conf entry"), "28"),
    (("database",), "3D"),
    (("starting up", "recovery mode"), "57P03"),
    (("shutting down",), "57P0"),
    (("too many", "connection slots"), "53"),
)
"""A connection that is refused has no code in psycopg, only the server's words."""
_WAS_THERE = ("closed", "consuming input failed", "connection is lost", "sending query failed", "terminat")
"""Words about a connection that was made, and broke."""


def _kind(state: str | None, text: str) -> tuple[type[AdminError], str, Fix]:
    if state is None:
        refused = text.partition("FATAL:")[2] or (text if "no password supplied" in text else "")
        state = next((code for words, code in _BY_TEXT if any(one in refused for one in words)), "08")
        if state == "08" and not any(words in text for words in _WAS_THERE):
            return errors.ServerUnreachable, "no PostgreSQL answers at {}", "pg_isready {at}"
    for prefix, kind, what, fix in _BY_STATE:
        if state.startswith(prefix):
            return kind, what, fix
    return SourceUnreadable, "{} cannot be read", RESUME
