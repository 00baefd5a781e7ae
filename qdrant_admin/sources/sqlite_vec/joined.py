"""The ordinary table that holds the payload of a `vec0` table, where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.text import plain
from qdrant_admin.sources.files.paths import ReadOnlyDatabase
from qdrant_admin.sources.files.values import said
from qdrant_admin.sources.layouts import Layout
from qdrant_admin.sources.sqlite_vec.schema import Vec0, quoted

_LANGCHAIN = {"text", "metadata", "text_embedding"}
"""Columns of the table beside LangChain's `NAME_vec`."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A table and the column of it that is the id."""

    table: str
    key: str
    columns: dict[str, str]
    """Column to the field it becomes."""
    layout: Layout = "plain"

    def fields(self, database: ReadOnlyDatabase, ids: list[int | str]) -> dict[int | str, dict[str, Any]]:
        """Payload by id."""
        chosen = ", ".join(quoted(column) for column in self.columns) or "NULL"
        marks = ",".join("?" * len(ids))
        query = f"SELECT {quoted(self.key)}, {chosen} FROM {quoted(self.table)} WHERE {quoted(self.key)} IN ({marks})"  # noqa: S608 # quoted
        text = isinstance(ids[0], str)
        return {
            str(key) if text else int(key): dict(zip(self.columns.values(), map(said, values), strict=False))
            for key, *values in database.rows(query, tuple(ids))
        }

    def missing(self, database: ReadOnlyDatabase, table: Vec0) -> int:
        """How many records have no row here."""
        identity = "id" if table.text_ids else "rowid"
        known = f"SELECT {quoted(self.key)} FROM {quoted(self.table)} WHERE {quoted(self.key)} IS NOT NULL"  # noqa: S608 # quoted
        query = f"SELECT count(*) FROM {table.shadow('rowids')} WHERE {identity} NOT IN ({known})"  # noqa: S608 # quoted
        return int(database.rows(query)[0][0])


def joined_to(table: Vec0, database: ReadOnlyDatabase, options: Mapping[str, str]) -> Joined | None:
    """What a URI asks for with `?payload=TABLE&on=COLUMN`; otherwise LangChain's own table when this is one of its.

    Raises:
        BadInput: there is no such table or column.
    """
    wanted = options.get("payload")
    if wanted is None:
        beside = table.name.removesuffix("_vec")
        if beside == table.name or not database.columns(quoted(beside)) >= _LANGCHAIN:
            return None
        return Joined(beside, "rowid", {"text": "text", "metadata": "metadata"}, "langchain")
    ordinary = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    names = [str(row[0]) for row in database.rows(ordinary)]
    if wanted not in names:
        raise BadInput(
            f"there is no ordinary table {plain(wanted)} in {plain(database.path)}",
            why=f"there is {', '.join(plain(name) for name in names if not name.startswith(table.name)) or 'none'}",
            fix="qdrant-admin migrate --help",
        )
    columns = database.rows(f"PRAGMA table_info({quoted(wanted)})")
    key = options.get("on") or _key(table, columns)
    if key != "rowid" and key not in {column[1] for column in columns}:
        raise BadInput(
            f"{plain(wanted)} has no column {plain(key)}" if key else f"nothing joins {plain(wanted)} to the vectors",
            why=f"it has {', '.join(plain(column[1]) for column in columns)}",
            fix=f"qdrant-admin migrate 'sqlite-vec:{database.path}?table={table.name}&payload={wanted}&on=COLUMN'",
        )
    _check_unique(database, wanted, key)
    others = [str(column[1]) for column in columns if column[1] != key]
    return Joined(wanted, key, {name: f"{wanted}_{name}" if name in table.columns else name for name in others})


def _check_unique(database: ReadOnlyDatabase, table: str, key: str) -> None:
    query = f"SELECT count({quoted(key)}) - count(DISTINCT {quoted(key)}) FROM {quoted(table)}"  # noqa: S608 # quoted
    doubles = int(database.rows(query)[0][0])
    if doubles:
        raise BadInput(
            f"column {plain(key)} of {plain(table)} is no id",
            why=f"{counted(doubles, 'row')} with a value that another row has",
            fix="qdrant-admin migrate --help",
        )


def _key(table: Vec0, columns: list[tuple[Any, ...]]) -> str:
    """The rowid, under its own name where it has one; for ids that are text, the primary key."""
    keys = [(str(name), str(kind).lower()) for _, name, kind, _, _, place in columns if place]
    if table.text_ids:
        return keys[0][0] if len(keys) == 1 else ""
    return keys[0][0] if len(keys) == 1 and keys[0][1] == "integer" else "rowid"
