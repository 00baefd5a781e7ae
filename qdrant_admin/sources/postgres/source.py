"""The queries over one table, and what a row of them becomes."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
from psycopg.sql import SQL, Composable, Composed, Identifier

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Distance, Sparse, Vector, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import WHOLE, Batch, Cursor, Payload, Record, ServerUri, SourceCollection, Span, between
from qdrant_admin.sources.layouts import lay_out
from qdrant_admin.sources.postgres import tables as queries
from qdrant_admin.sources.postgres.sessions import Sessions
from qdrant_admin.sources.postgres.tables import VIEWS, Column, Reading, Table, tables
from qdrant_admin.sources.servers import ServerReader

_INTEGERS = {"int2", "int4", "int8"}
_PLACE = "ctid"
"""Where a row lies: the id, and the order, of a table that has nothing else."""
Query = tuple[Composed, tuple[object, ...]]
_NO = SQL("")


class Rows:
    """Queries of one reading. Every identifier is quoted, every value a parameter."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def page(self, after: list[str], until: list[str]) -> Query:
        """Rows behind one key, up to another; each an empty list for none."""
        wheres: list[Composed] = []
        values: list[object] = []
        for key, sign in ((after, ">"), (until, "<=")):
            if key:
                wheres.append(SQL("({}) {} ({})").format(self._key(), SQL(sign), self._casts()))
                values += key
        order = SQL(" ORDER BY {}").format(self._key()) if self.reading.key else _NO
        return self._over(self._select(), wheres, values, order)

    def counts(self) -> Query:
        """How many rows there are, and how many of them have no vector at all."""
        nulls = SQL(" AND ").join(SQL("{} IS NULL").format(_of(column.name)) for column in self.reading.vectors)
        return self._over(SQL("count(*), count(*) FILTER (WHERE {})").format(nulls))

    def sizes(self, column: Column) -> Query:
        """How many rows have how many components, the most frequent first."""
        size = SQL("{}.vector_dims({}), count(*)").format(name(column.type_schema), _of(column.name))
        there = SQL("{} IS NOT NULL").format(_of(column.name))
        return self._over(size, [there], tail=SQL(" GROUP BY 1 ORDER BY 2 DESC, 1").format())

    def doubles(self) -> Query:
        """How many rows have no id, or one that another row has."""
        return self._over(SQL("count(*) - count(DISTINCT {})").format(_of(self.reading.id[0].name)))

    def borders(self, places: list[int]) -> Query:
        """The keys of the rows at these places of the order, the first being 1."""
        texts = [SQL("{}::text AS {}").format(_of(one.name), name(f"key{n}")) for n, one in enumerate(self.reading.key)]
        keys = SQL(", ").join(texts)
        numbered, values = self._over(SQL("{}, row_number() OVER (ORDER BY {}) AS n").format(keys, self._key()))
        return SQL("SELECT * FROM ({}) AS s WHERE n = ANY(%s) ORDER BY n").format(numbered), (*values, places)

    def cursor(self, row: tuple[object, ...]) -> list[str]:
        return [str(value) for value in row[: max(1, len(self.reading.key))]]

    def record(self, row: tuple[Any, ...]) -> Record:
        reading = self.reading
        keys, ids = max(1, len(reading.key)), max(1, len(reading.id))
        identity = _identity(reading.id, row[keys : keys + ids])
        vectors = {
            reading.slot(column): _VECTORS[column.base](value)
            for column, value in zip(reading.vectors, row[keys + ids : -1], strict=True)
            if value is not None
        }
        try:
            record = Record(identity, payload_of(reading, loads(row[-1])), vectors)
        except RecursionError:
            return Record(identity, vectors=vectors, trouble="its payload nests deeper than can be read")
        if not vectors:
            record.trouble = f"it has no vector: {', '.join(column.name for column in reading.vectors)} is NULL"
        return record

    def _select(self) -> Composed:
        place = [SQL("t.ctid::text")]
        keys = [SQL("{}::text").format(_of(column.name)) for column in self.reading.key] or place
        ids = [SQL("{}::text").format(_of(column.name)) for column in self.reading.id] or place
        vectors = [_of(column.name) for column in self.reading.vectors]
        fields = SQL(", ").join(_field(column) for column in self.reading.fields)
        payload = SQL("(SELECT row_to_json(p)::text FROM (SELECT {}) AS p)").format(fields)
        return SQL(", ").join([*keys, *ids, *vectors, payload if self.reading.fields else SQL("'{}'")])

    def _key(self) -> Composed:
        return SQL(", ").join([_of(column.name) for column in self.reading.key] or [_of(_PLACE)])

    def _casts(self) -> Composed:
        kinds = [column.type for column in self.reading.key] or ["tid"]
        return SQL(", ").join(SQL("CAST(%s AS {})").format(SQL(kind.replace("%", "%%"))) for kind in kinds)

    def _over(
        self, what: Composed, wheres: Sequence[Composed] = (), values: Sequence[object] = (), tail: Composable = _NO
    ) -> Query:
        """A query over the rows of this collection, which may be some of those in the table."""
        if self.reading.only is not None:
            column, value = self.reading.only
            wheres = [SQL("{} = CAST(%s AS uuid)").format(_of(column)), *wheres]
            values = [value, *values]
        where = SQL("WHERE {}").format(SQL(" AND ").join(wheres)) if wheres else _NO
        query = SQL("SELECT {} FROM {} AS t {}{}").format(what, relation(self.reading.table), where, tail)
        return query, tuple(values)


def collections_of(table: Table) -> Composed:
    collections = name(table.schema, "langchain_pg_collection")
    return SQL("SELECT name::text, uuid::text FROM {} ORDER BY 1, 2").format(collections)


def orphans_of(table: Table) -> Composed:
    """How many rows of that table belong to none of them."""
    query = "SELECT count(*) FROM {} AS t WHERE NOT EXISTS (SELECT FROM {} AS c WHERE c.uuid = t.collection_id)"
    return SQL(query).format(relation(table), name(table.schema, "langchain_pg_collection"))


def name(*parts: str) -> Identifier:
    """An identifier of a query that has parameters, where a per cent sign stands twice."""
    return Identifier(*(part.replace("%", "%%") for part in parts))


def relation(table: Table) -> Composed:
    """A table in FROM: without the tables that inherit from it, which are read for themselves."""
    only = SQL("ONLY " if table.kind not in {*VIEWS, "p"} else "")
    return SQL("{}{}").format(only, name(table.schema, table.name))


def loads(text: str) -> Payload:
    """A row as PostgreSQL writes it in JSON; a number that would lose digits stays text."""
    row: Payload = _DECODER.raw_decode(text)[0]
    return row


def payload_of(reading: Reading, row: Payload) -> Payload:
    text = row.pop(reading.text, None) if reading.text else None
    metadata = row.pop(reading.metadata, None) if reading.metadata else None
    if reading.layout != "plain":
        row = {field: value for field, value in row.items() if value is not None}
    if isinstance(metadata, dict):
        row |= metadata
    elif metadata is not None and reading.metadata:
        row[reading.metadata] = metadata
    return row if reading.layout == "plain" else lay_out(reading.layout, row, text, field=reading.text or "document")


def _of(column: str) -> Composed:
    return SQL("t.{}").format(name(column))


def _field(column: Column) -> Composed:
    if column.base == "bytea":
        return SQL("translate(encode({}, 'base64'), E'\\n', '') AS {}").format(_of(column.name), name(column.name))
    return _of(column.name)


def _identity(columns: tuple[Column, ...], values: tuple[str, ...]) -> int | str:
    """One column is the id itself, several are their texts as a JSON list."""
    if len(columns) > 1:
        return json.dumps(values, ensure_ascii=False)
    return int(values[0]) if columns and columns[0].base in _INTEGERS else values[0]


def _integer(text: str) -> int | str:
    value = int(text) if len(text) < 40 else None
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else text


def _number(text: str) -> float | str:
    value = float(text)
    return value if Decimal(text) == Decimal(repr(value)) else text


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_number)


def _dense(octets: bytes, *, kind: str) -> Vector:
    return np.frombuffer(octets, dtype=kind, offset=4).astype(np.float32)


def _sparse(octets: bytes) -> Vector:
    """Components, how many of them are given, a spare word; then the places, counted from 0, and the values."""
    given = int(np.frombuffer(octets, dtype=">i4", count=1, offset=4)[0])
    indices = np.frombuffer(octets, dtype=">i4", count=given, offset=12).astype(np.uint32)
    return Sparse(indices, np.frombuffer(octets, dtype=">f4", offset=12 + 4 * given).astype(np.float32))


_VECTORS: dict[str, Callable[[bytes], Vector]] = {
    "vector": partial(_dense, kind=">f4"),
    "halfvec": partial(_dense, kind=">f2"),
    "sparsevec": _sparse,
}
"""From the form in which pgvector sends a value in binary."""


_DATATYPES = {"halfvec": "float16"}
_VERSIONS = """
SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       txid_current_snapshot()::text
"""


class Postgres(ServerReader):
    def open(self) -> Iterable[str]:
        """Open the snapshot that everything is read in, and look at its tables."""
        self._sessions = Sessions(self.uri)
        self.resources.callback(self._sessions.close)
        server, extension, _ = self._sessions.rows(_VERSIONS)[0]
        if extension is None:
            why = "pgvector is not installed in this database"
            raise SourceUnreadable(f"{plain(self.url)} holds no vectors", why=why, fix="psql -l")
        self.kind = f"PostgreSQL {server.partition(' ')[0]} with pgvector {extension}"
        found = queries.readings(queries.chosen(tables(self._sessions), self.uri.options), self.uri.options)
        self._known = {reading.name: Rows(reading) for reading in self._split(found)}
        return sorted(self._known)

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Parts of equal numbers of rows, cut at keys; one part where there is no key."""
        rows = self._known[name]
        if parts < 2 or not rows.reading.key:
            return WHOLE
        count = int(self._sessions.rows(*rows.counts())[0][0])
        places = sorted({count * part // parts for part in range(1, parts)} - {0, count})
        borders = [_cursor(list(row[:-1])) for row in self._sessions.rows(*rows.borders(places))]
        return between(borders)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        rows = self._known[name]
        place = "" if rows.reading.key else self._place()
        query, values = rows.page(_behind(after, place, self.uri), _behind(until, place, self.uri))
        for page in self._sessions.pages(query, values, size):
            yield Batch([rows.record(row) for row in page], _cursor(rows.cursor(page[-1]), place))

    def mark(self, name: str) -> str:
        """What the table is made of. Its rows may change: what is read is one snapshot of them."""
        reading = self._known[name].reading
        columns = ", ".join(f"{column.name} {column.type} {column.size or ''}" for column in reading.table.columns)
        return f"{reading.layout} by {[column.name for column in (*reading.key, *reading.id)]}: {columns}"

    def _split(self, found: list[Reading]) -> Iterator[Reading]:
        """LangChain keeps many collections in one table: each is one here as well."""
        names = [reading.name for reading in found]
        for reading in found:
            parts = self._langchain(reading) if queries.has_collections(reading) else []
            orphans = int(self._sessions.rows(orphans_of(reading.table))[0][0]) if parts else 0
            title = plain(reading.table.title)
            note = f"{counted(orphans, 'row')} of {title} in no collection of LangChain's: not copied"
            note = f"{note}; ?table={title}&layout=plain copies the whole table" if orphans else ""
            for name, identity in parts:
                unique = f"{reading.name}.{name}" if name in names else name
                yield replace(reading, name=unique, only=("collection_id", identity), note=note)
            if not parts:
                yield reading

    def _langchain(self, reading: Reading) -> list[tuple[str, str]]:
        rows = self._sessions.rows(collections_of(reading.table))
        found = [(str(name), str(identity)) for name, identity in rows]
        names = [name for name, _ in found]
        return [(name if names.count(name) == 1 else f"{name}-{identity[:8]}", identity) for name, identity in found]

    def describe(self, name: str) -> SourceCollection:
        rows = self._known[name]
        reading = rows.reading
        self._check_ids(rows)
        count, without = self._sessions.rows(*rows.counts())[0]
        warnings = list(self._warnings(rows, int(without)))
        warnings += [reading.note] if reading.note else []
        found = [self._slot(rows, column, warnings) for column in reading.vectors]
        slots = [slot for slot in found if slot is not None]
        layout = layouts.recognised(self._sample(rows)) if reading.layout == "mem0" else reading.layout
        spec = layouts.fitted(CollectionSpec(vectors=tuple(slots)), layout) if slots else None
        known = layouts.words(layout, by="" if self.layout_asked else "its columns")
        words = queries.words(reading) if reading.layout == "plain" else known
        return SourceCollection(name=name, count=int(count), spec=spec, payload=words, warnings=tuple(warnings))

    def _check_ids(self, rows: Rows) -> None:
        reading = rows.reading
        if reading.certain:
            return
        doubles = int(self._sessions.rows(*rows.doubles())[0][0])
        if doubles:
            other = next((key[0] for key in reading.table.keys if len(key) == 1), "COLUMN")
            raise BadInput(
                f"column {plain(reading.id[0].name)} of {plain(reading.table.title)} is no id",
                why=f"{counted(doubles, 'row')} without one, or with one that another row has",
                fix=Command("migrate", self.uri.asking(table=reading.table.title, id=other)),
            )

    def _warnings(self, rows: Rows, without: int) -> Iterator[str]:
        if without:
            columns = ", ".join(plain(column.name) for column in rows.reading.vectors)
            yield f"{counted(without, 'row')} without a vector ({columns} is NULL) will be rejected"
        if not rows.reading.key:
            yield "the table has no primary key: a stopped run can be resumed only while nobody writes to the database"
        if not rows.reading.id:
            yield "no column is an id, so the place where a row lies becomes it; ?id=COLUMN names a better one"

    def _slot(self, rows: Rows, column: Column, warnings: list[str]) -> VectorSpec | None:
        reading = rows.reading
        if column.base == "sparsevec":
            if column.distances not in {(), ("Dot",)}:
                warnings.append(f"{plain(column.name)} is sparse: Qdrant compares such vectors by dot product only")
            return VectorSpec(name=reading.slot(column), kind="sparse")
        size = column.size or self._size(rows, column, warnings)
        if size is None:
            return None
        distance = self.distance_asked or _distance(column, warnings)
        datatype = _DATATYPES.get(column.base, "float32")
        return VectorSpec(name=reading.slot(column), size=size, distance=distance, datatype=datatype)

    def _size(self, rows: Rows, column: Column, warnings: list[str]) -> int | None:
        """The most frequent size in a column that allows any."""
        sizes = self._sessions.rows(*rows.sizes(column))
        if len(sizes) > 1:
            others = ", ".join(f"{counted(number, 'row')} with {size}" for size, number in sizes[1:4])
            odd = sum(number for _, number in sizes[1:])
            rejected = f"{counted(odd, 'row')} will be rejected ({others})"
            taken = f"holds vectors of different sizes: {sizes[0][0]} is taken"
            warnings.append(f"{plain(column.name)} {taken}, {rejected}")
        return int(sizes[0][0]) if sizes else None

    def _sample(self, rows: Rows) -> list[dict[str, object]]:
        query, values = rows.page([], [])
        page = self._sessions.rows(query + SQL(" LIMIT {}").format(layouts.SAMPLE), values)
        return [payload_of(rows.reading, loads(row[-1])) for row in page]

    def _place(self) -> str:
        """What the cursors of a table without a key depend on: any write anywhere changes it."""
        return str(self._sessions.rows(_VERSIONS)[0][2])


def _distance(column: Column, warnings: list[str]) -> Distance:
    if not column.distances:
        words = f"no index says how {plain(column.name)} is compared: Cosine is taken"
        warnings.append(f"{words}; ?distance= names another one")
        return "Cosine"
    if len(column.distances) > 1:
        words = f"{plain(column.name)} has indexes for {', '.join(column.distances)}: the first is taken"
        warnings.append(f"{words}; ?distance= names another one")
    return column.distances[0]


def _cursor(key: list[str], place: str = "") -> str:
    return json.dumps([place, *key] if place else key, ensure_ascii=False)


def _behind(cursor: Cursor, place: str, uri: ServerUri) -> list[str]:
    """The key in a cursor. `SourceUnreadable`: it is a place of a row, and the database was written to since."""
    if cursor is None:
        return []
    key: list[str] = json.loads(str(cursor))
    if not place:
        return key
    if key[0] != place:
        raise SourceUnreadable(
            f"{plain(uri.url)} was written to since the run began",
            why="the table has no primary key, so nobody can tell which rows were read already",
            fix="psql -c 'ALTER TABLE ... ADD PRIMARY KEY (...)'",
        )
    return key[1:]
