"""The ordinary table that holds the payload of a `vec0` table, where there is one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.sources import HELP, layouts
from qdrant_admin.sources.base import (
    Batch,
    Cursor,
    Payload,
    Record,
    SourceCollection,
    Span,
    between,
    no_such_collection,
)
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.values import said, with_json_opened
from qdrant_admin.sources.layouts import Layout
from qdrant_admin.sources.read_only import ReadOnlyDatabase, marks, quoted
from qdrant_admin.sources.reader import FileReader
from qdrant_admin.sources.sqlite_vec.tables import (
    Chunk,
    Vec0,
    VectorColumn,
    chunk_sizes,
    damaged,
    read_chunk,
    vec0_tables,
)

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

    def fields(self, database: ReadOnlyDatabase, ids: list[int | str]) -> dict[int | str, Payload]:
        chosen = ", ".join(quoted(column) for column in self.columns) or "NULL"
        query = (
            f"SELECT {quoted(self.key)}, {chosen} FROM {quoted(self.table)} WHERE {quoted(self.key)} IN ({marks(ids)})"  # noqa: S608 # quoted
        )
        text = isinstance(ids[0], str)
        return {
            str(key) if text else int(key): dict(zip(self.columns.values(), map(said, values), strict=False))
            for key, *values in database.rows(query, tuple(ids))
        }

    def missing(self, database: ReadOnlyDatabase, table: Vec0) -> int:
        identity = "id" if table.text_ids else "rowid"
        known = f"SELECT {quoted(self.key)} FROM {quoted(self.table)} WHERE {quoted(self.key)} IS NOT NULL"  # noqa: S608 # quoted
        query = f"SELECT count(*) FROM {table.shadow('rowids')} WHERE {identity} NOT IN ({known})"  # noqa: S608 # quoted
        return int(database.rows(query)[0][0])


def joined_to(table: Vec0, database: ReadOnlyDatabase, options: Mapping[str, str]) -> Joined | None:
    """The table that a URI asks for with `?payload=TABLE&on=COLUMN`; otherwise LangChain's, when this is one of its."""
    wanted = options.get("payload")
    if wanted is None:
        return _langchain_beside(table, database)
    names = _ordinary_tables(database)
    if wanted not in names:
        why = f"there is {', '.join(plain(name) for name in names if not name.startswith(table.name)) or 'none'}"
        raise BadInput(f"there is no ordinary table {plain(wanted)} in {plain(database.path)}", why=why, fix=HELP)
    columns = database.rows(f"PRAGMA table_info({quoted(wanted)})")
    key = options.get("on") or _key(table, columns)
    others = [str(column[1]) for column in columns if column[1] != key]
    if key != "rowid" and len(others) == len(columns):
        raise BadInput(
            f"{plain(wanted)} has no column {plain(key)}" if key else f"nothing joins {plain(wanted)} to the vectors",
            why=f"it has {', '.join(plain(column[1]) for column in columns)}",
            fix=Command("migrate", f"sqlite-vec:{database.path}?table={table.name}&payload={wanted}&on=COLUMN"),
        )
    _check_unique(database, wanted, key)
    return Joined(wanted, key, {name: f"{wanted}_{name}" if name in table.columns else name for name in others})


def _langchain_beside(table: Vec0, database: ReadOnlyDatabase) -> Joined | None:
    beside = table.name.removesuffix("_vec")
    if beside == table.name or not database.columns(quoted(beside)) >= _LANGCHAIN:
        return None
    return Joined(beside, "rowid", {"text": "text", "metadata": "metadata"}, "langchain")


def _ordinary_tables(database: ReadOnlyDatabase) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    return [str(name) for (name,) in database.rows(query)]


def _check_unique(database: ReadOnlyDatabase, table: str, key: str) -> None:
    query = f"SELECT count({quoted(key)}) - count(DISTINCT {quoted(key)}) FROM {quoted(table)}"  # noqa: S608 # quoted
    doubles = int(database.rows(query)[0][0])
    if doubles:
        what = f"column {plain(key)} of {plain(table)} is no id"
        raise BadInput(what, why=f"{counted(doubles, 'row')} with a value that another row has", fix=HELP)


def _key(table: Vec0, columns: list[tuple[object, ...]]) -> str:
    """The rowid, under its own name where it has one; for ids that are text, the primary key."""
    keys = [(str(name), str(kind).lower()) for _, name, kind, _, _, place in columns if place]
    if table.text_ids:
        return keys[0][0] if len(keys) == 1 else ""
    return keys[0][0] if len(keys) == 1 and keys[0][1] == "integer" else "rowid"


_DATATYPES = {"bit": "uint8"}


class SqliteVec(FileReader):
    def open(self) -> Iterable[str]:
        if not self.path.is_file():
            raise wrong_kind(self.path, "a SQLite database with tables of sqlite-vec")
        self._database = self.open_database(self.path)
        self._tables = {table.name: table for table in vec0_tables(self._database)}
        if not self._tables:
            raise wrong_kind(self.path, "a SQLite database with tables of sqlite-vec")
        names = self._chosen()
        self._joined = {name: joined_to(self._tables[name], self._database, self.uri.options) for name in names}
        self.kind = f"SQLite database of sqlite-vec {self._version(names[0])}".strip()
        return names

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        sizes = chunk_sizes(self._database, self._tables[name])
        total, done = sum(sizes.values()), 0
        borders: list[Cursor] = []
        for chunk, rows in sizes.items():
            done += rows
            if total and len(borders) + 1 < parts and done * parts // total > len(borders) and done < total:
                borders.append(f"{chunk + 1}:-1")
        return between(borders)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        table = self._tables[name]
        start, end = _place(after), _place(until) if until is not None else None
        for number in chunk_sizes(self._database, table):
            if number < start[0] or (end is not None and number >= end[0]):
                continue
            chunk = read_chunk(self._database, table, number)
            places = [place for place in chunk.places if (number, place) > start]
            for at in range(0, len(places), size):
                part = places[at : at + size]
                records = self._records(table, chunk, part)
                self.check_unchanged()
                yield Batch(records, f"{number}:{part[-1]}")
        self.check_unchanged()

    def _chosen(self) -> list[str]:
        named = {self.uri.collection, self.uri.options.get("table")} - {None}
        for name in named:
            if name not in self._tables:
                raise no_such_collection(str(name), sorted(self._tables))
        names = [name for name in self._tables if named <= {name}]
        if not names:
            raise BadInput("?table= and ?collection= name two tables", fix=HELP)
        if "payload" in self.uri.options and len(names) > 1:
            raise BadInput(
                "one table of payload cannot belong to several tables of vectors",
                why=f"{plain(self.path)} has {', '.join(plain(name) for name in names)}",
                fix=Command("migrate", self.uri.asking(table=names[0])),
            )
        return names

    def describe(self, name: str) -> SourceCollection:
        """Rows are counted twice: by the list of them, and by the chunks that hold them."""
        table = self._tables[name]
        (count,) = self._database.rows(f"SELECT count(*) FROM {table.shadow('rowids')}")[0]  # noqa: S608 # quoted
        held = sum(chunk_sizes(self._database, table).values())
        if count != held:
            raise damaged(self._database, table, f"it lists {counted(count, 'row')}, and its chunks hold {held}")
        joined = self._joined[table.name]
        layout = self.layout_asked or (joined.layout if joined else "plain")
        spec = CollectionSpec(vectors=tuple(self._slot(table, column) for column in table.vectors))
        words = layouts.words(layout) if layout != "plain" else _words(joined)
        spec, warnings = layouts.fitted(spec, layout), tuple(self._warnings(table, joined))
        return SourceCollection(name=table.name, count=count, spec=spec, payload=words, warnings=warnings)

    def _slot(self, table: Vec0, column: VectorColumn) -> VectorSpec:
        distance, datatype = self.distance_asked or column.distance, _DATATYPES.get(column.kind, "float32")
        return VectorSpec(name=_slot_name(table, column), size=column.size, distance=distance, datatype=datatype)

    def _warnings(self, table: Vec0, joined: Joined | None) -> Iterator[str]:
        for column in table.vectors:
            if column.kind == "bit":
                words = (
                    "each becomes a component 0 or 1, compared by Manhattan, which is the number of bits that differ"
                )
                yield f"{plain(column.name)} holds bits: {words}"
        missing = joined.missing(self._database, table) if joined else 0
        if joined and missing:
            yield f"{counted(missing, 'record')} without a row in {plain(joined.table)}: no payload but their own"

    def _records(self, table: Vec0, chunk: Chunk, places: list[int]) -> list[Record]:
        rows = chunk.rows(self._database, table, places)
        joined = self._joined[table.name]
        beside = joined.fields(self._database, [row.id for row in rows]) if joined else {}
        layout = self.layout_asked or (joined.layout if joined else "plain")
        return [
            Record(
                row.id,
                _laid_out(layout, with_json_opened({**row.payload, **beside.get(row.id, {})})),
                {_slot_name(table, column): vector for column, vector in zip(table.vectors, row.vectors, strict=True)},
            )
            for row in rows
        ]

    def _version(self, name: str) -> str:
        table = self._tables[name].shadow("info")
        if not self._database.columns(table):
            return ""
        rows = self._database.rows(f"SELECT value FROM {table} WHERE key = 'CREATE_VERSION'")  # noqa: S608 # quoted
        return plain(rows[0][0]).removeprefix("v") if rows else ""


def _laid_out(layout: layouts.Layout, payload: Payload) -> Payload:
    if layout == "plain":
        return payload
    metadata = payload.pop("metadata", None)
    text = payload.pop("text", None)
    inner = metadata if isinstance(metadata, dict) else {} if metadata is None else {"metadata": metadata}
    return layouts.lay_out(layout, {**payload, **inner}, text if isinstance(text, str) else None)


def _slot_name(table: Vec0, column: VectorColumn) -> str:
    return "" if len(table.vectors) == 1 else column.name


def _words(joined: Joined | None) -> str:
    beside = f", and of {plain(joined.table)}" if joined else ""
    return f"one field per column{beside}; bytes as base64, JSON in metadata as what it says"


def _place(cursor: Cursor) -> tuple[int, int]:
    chunk, _, place = str(cursor or "0:-1").partition(":")
    return int(chunk), int(place)
