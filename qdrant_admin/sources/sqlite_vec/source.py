"""A SQLite database with tables of sqlite-vec, read out of their shadow tables: the extension is never loaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.text import plain
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import (
    Batch,
    Cursor,
    Record,
    SourceCollection,
    Span,
    between,
    no_such_collection,
)
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.json_text import opened
from qdrant_admin.sources.files.paths import ReadOnlyDatabase, changed, signature
from qdrant_admin.sources.sqlite_vec.chunks import Chunk, chunk_sizes, read_chunk
from qdrant_admin.sources.sqlite_vec.joined import Joined, joined_to
from qdrant_admin.sources.sqlite_vec.schema import Vec0, VectorColumn, vec0_tables
from qdrant_admin.sources.uri import SourceUri

_DATATYPES = {"bit": "uint8"}


class SqliteVec:
    """A `Source` over one database."""

    vectorless = False
    folds_uuids = False

    def __init__(self, uri: SourceUri) -> None:
        assert uri.path is not None  # noqa: S101 # the parser gives every folder scheme a path
        self.path: Path = uri.path
        self._uri = uri
        self._distance = layouts.distance_option(uri.options)
        self._asked = layouts.layout_option(uri.options)
        if not self.path.is_file():
            raise wrong_kind(self.path, "a SQLite database with tables of sqlite-vec")
        self._files = [self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal", "-journal")]
        self._signature = signature(self._files)
        self._database = ReadOnlyDatabase(self.path)
        try:
            self._tables = {table.name: table for table in vec0_tables(self._database)}
            if not self._tables:
                raise wrong_kind(self.path, "a SQLite database with tables of sqlite-vec")
            self._names = self._chosen()
            self._joined = {name: joined_to(self._tables[name], self._database, uri.options) for name in self._names}
        except AdminError:
            self._database.close()
            raise
        version = self._version(self._names[0])
        self.kind = f"SQLite database of sqlite-vec {version}".strip()

    def collections(self) -> list[SourceCollection]:
        """Every `vec0` table; rows are counted twice, by the list of them and by the chunks that hold them."""
        return [self._describe(self._tables[name]) for name in self._names]

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Parts of about the same number of rows, cut between chunks."""
        sizes = chunk_sizes(self._database, self._tables[name])
        total, done = sum(sizes.values()), 0
        borders: list[Cursor] = []
        for chunk, rows in sizes.items():
            done += rows
            if total and len(borders) + 1 < parts and done * parts // total > len(borders) and done < total:
                borders.append(f"{chunk + 1}:-1")
        return between(borders)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Rows chunk by chunk: in the order in which they lie."""
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
                self._check_unchanged()
                yield Batch(records, f"{number}:{part[-1]}")
        self._check_unchanged()

    def mark(self, name: str) -> str:  # noqa: ARG002 # the tables share one file
        """Size and time of the file, and of what lies beside it."""
        return str(self._signature)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _chosen(self) -> list[str]:
        named = {self._uri.collection, self._uri.options.get("table")} - {None}
        for name in named:
            if name not in self._tables:
                raise no_such_collection(str(name), sorted(self._tables))
        names = [name for name in self._tables if named <= {name}]
        if not names:
            raise BadInput("?table= and ?collection= name two tables", fix="qdrant-admin migrate --help")
        if "payload" in self._uri.options and len(names) > 1:
            raise BadInput(
                "one table of payload cannot belong to several tables of vectors",
                why=f"{plain(self.path)} has {', '.join(plain(name) for name in names)}",
                fix=f"qdrant-admin migrate 'sqlite-vec:{self.path}?table={names[0]}&payload=...'",
            )
        return names

    def _describe(self, table: Vec0) -> SourceCollection:
        (count,) = self._database.rows(f"SELECT count(*) FROM {table.shadow('rowids')}")[0]  # noqa: S608 # quoted
        held = sum(chunk_sizes(self._database, table).values())
        if count != held:
            raise SourceUnreadable(
                f"the table {plain(table.name)} of {plain(self.path)} is damaged",
                why=f"it lists {counted(count, 'row')}, and its chunks hold {held}",
                fix=f'sqlite3 "{self.path}" "PRAGMA integrity_check"',
            )
        joined = self._joined[table.name]
        layout = self._asked or (joined.layout if joined else "plain")
        spec = CollectionSpec(vectors=tuple(self._slot(table, column) for column in table.vectors))
        return SourceCollection(
            name=table.name,
            count=count,
            spec=layouts.fitted(spec, layout),
            payload=layouts.words(layout) if layout != "plain" else _words(joined),
            warnings=tuple(self._warnings(table, joined)),
        )

    def _slot(self, table: Vec0, column: VectorColumn) -> VectorSpec:
        return VectorSpec(
            name=_slot_name(table, column),
            size=column.size,
            distance=self._distance or column.distance,
            datatype=_DATATYPES.get(column.kind, "float32"),
        )

    def _warnings(self, table: Vec0, joined: Joined | None) -> Iterator[str]:
        for column in table.vectors:
            if column.kind == "bit":
                yield (
                    f"{plain(column.name)} holds bits: each becomes a component 0 or 1, compared by Manhattan, which is"
                    " the number of bits that differ"
                )
        missing = joined.missing(self._database, table) if joined else 0
        if joined and missing:
            yield f"{counted(missing, 'record')} without a row in {plain(joined.table)}: no payload but their own"

    def _records(self, table: Vec0, chunk: Chunk, places: list[int]) -> list[Record]:
        rows = chunk.rows(self._database, table, places)
        joined = self._joined[table.name]
        beside = joined.fields(self._database, [row.id for row in rows]) if joined else {}
        layout = self._asked or (joined.layout if joined else "plain")
        return [
            Record(
                row.id,
                _laid_out(layout, opened({**row.payload, **beside.get(row.id, {})})),
                {_slot_name(table, column): vector for column, vector in zip(table.vectors, row.vectors, strict=True)},
            )
            for row in rows
        ]

    def _check_unchanged(self) -> None:
        if signature(self._files) != self._signature:
            raise changed(self.path)

    def _version(self, name: str) -> str:
        table = self._tables[name].shadow("info")
        if not self._database.columns(table):
            return ""
        rows = self._database.rows(f"SELECT value FROM {table} WHERE key = 'CREATE_VERSION'")  # noqa: S608 # quoted
        return plain(rows[0][0]).removeprefix("v") if rows else ""


def _laid_out(layout: layouts.Layout, payload: dict[str, Any]) -> dict[str, Any]:
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
    return f"a field a column{beside}; bytes as base64, JSON in metadata as what it says"


def _place(cursor: Cursor) -> tuple[int, int]:
    """Chunk and place in it."""
    chunk, _, place = str(cursor or "0:-1").partition(":")
    return int(chunk), int(place)
