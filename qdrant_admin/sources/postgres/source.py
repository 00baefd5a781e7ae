"""Tables of PostgreSQL with vectors of pgvector, read in transactions that see one snapshot and can write nothing."""

import json
from collections.abc import Iterator

from psycopg.sql import SQL

from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.text import plain
from qdrant_admin.database.models import CollectionSpec, Distance, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import (
    WHOLE,
    Batch,
    Cursor,
    SourceCollection,
    Span,
    between,
    no_such_collection,
)
from qdrant_admin.sources.postgres import tables as queries
from qdrant_admin.sources.postgres.catalog import Column, tables
from qdrant_admin.sources.postgres.rows import Rows, collections_of, loads, orphans_of, payload_of
from qdrant_admin.sources.postgres.sessions import Sessions
from qdrant_admin.sources.postgres.tables import Reading
from qdrant_admin.sources.uri import SourceUri

_DATATYPES = {"halfvec": "float16"}
_VERSIONS = """
SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       txid_current_snapshot()::text
"""


class Postgres:
    """A `Source` over one database."""

    vectorless = False
    folds_uuids = False

    def __init__(self, uri: SourceUri) -> None:
        self._uri = uri
        self._distance = layouts.distance_option(uri.options)
        self._sessions = Sessions(uri)
        self._noted: dict[int, str] = {}
        try:
            server, extension, _ = self._sessions.rows(_VERSIONS)[0]
            if extension is None:
                raise SourceUnreadable(
                    f"{plain(uri.url)} holds no vectors",
                    why="pgvector is not installed in this database",
                    fix="psql -l",
                )
            self.kind = f"PostgreSQL {server.partition(' ')[0]} with pgvector {extension}"
            found = queries.readings(queries.chosen(tables(self._sessions), uri.options), uri.options)
            self._known = {reading.name: Rows(reading) for reading in self._split(found)}
            if uri.collection is not None and uri.collection not in self._known:
                raise no_such_collection(uri.collection, sorted(self._known))
        except AdminError:
            self._sessions.close()
            raise

    def collections(self) -> list[SourceCollection]:
        """A collection a table, or one of LangChain's; every row is counted."""
        return [self._describe(name) for name in sorted(self._known) if self._uri.collection in (None, name)]

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
        """Rows by key, over a connection of its own."""
        rows = self._known[name]
        place = "" if rows.reading.key else self._place()
        query, values = rows.page(_behind(after, place, self._uri), _behind(until, place, self._uri))
        for page in self._sessions.pages(query, values, size):
            yield Batch([rows.record(row) for row in page], _cursor(rows.cursor(page[-1]), place))

    def mark(self, name: str) -> str:
        """What the table is made of. Its rows may change: what is read is one snapshot of them."""
        reading = self._known[name].reading
        columns = ", ".join(f"{column.name} {column.type} {column.size or ''}" for column in reading.table.columns)
        return f"{reading.layout} by {[column.name for column in (*reading.key, *reading.id)]}: {columns}"

    def close(self) -> None:
        """End the snapshot and its connection."""
        self._sessions.close()

    def _split(self, found: list[Reading]) -> Iterator[Reading]:
        """LangChain keeps many collections in one table: each is one here as well."""
        names = [reading.name for reading in found]
        for reading in found:
            parts = self._langchain(reading) if queries.has_collections(reading) else []
            orphans = int(self._sessions.rows(orphans_of(reading.table))[0][0]) if parts else 0
            if orphans:
                self._noted[reading.table.oid] = (
                    f"{counted(orphans, 'row')} of {plain(reading.table.title)} in no collection of LangChain's:"
                    f" not copied; ?table={plain(reading.table.title)}&layout=plain copies the whole table"
                )
            yield from (
                queries.of_collection(reading, f"{reading.name}.{name}" if name in names else name, identity)
                for name, identity in parts
            )
            if not parts:
                yield reading

    def _langchain(self, reading: Reading) -> list[tuple[str, str]]:
        """Name and id of every collection."""
        rows = self._sessions.rows(collections_of(reading.table))
        found = [(str(name), str(identity)) for name, identity in rows]
        names = [name for name, _ in found]
        return [(name if names.count(name) == 1 else f"{name}-{identity[:8]}", identity) for name, identity in found]

    def _describe(self, name: str) -> SourceCollection:
        rows = self._known[name]
        reading = rows.reading
        self._check_ids(rows)
        count, without = self._sessions.rows(*rows.counts())[0]
        warnings = list(self._warnings(rows, int(without)))
        if reading.only and reading.table.oid in self._noted:
            warnings.append(self._noted[reading.table.oid])
        slots = []
        for column in reading.vectors:
            slot = self._slot(rows, column, warnings)
            if slot is not None:
                slots.append(slot)
        layout = reading.layout
        if layout == "mem0":
            layout = layouts.recognised(self._sample(rows))
        spec = layouts.fitted(CollectionSpec(vectors=tuple(slots)), layout) if slots else None
        told = (
            queries.words(reading)
            if reading.layout == "plain"
            else layouts.words(layout, by="" if "layout" in self._uri.options else "its columns")
        )
        return SourceCollection(name=name, count=int(count), spec=spec, payload=told, warnings=tuple(warnings))

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
                fix=f"qdrant-admin migrate 'postgresql://...?table={reading.table.title}&id={other}'",
            )

    def _warnings(self, rows: Rows, without: int) -> Iterator[str]:
        if without:
            columns = ", ".join(plain(column.name) for column in rows.reading.vectors)
            yield f"{counted(without, 'row')} without a vector ({columns} is NULL) will be rejected"
        if not rows.reading.key:
            yield (
                "the table has no primary key: rows are read as they lie, and a run that was stopped can only go on"
                " while nothing was written to the database since"
            )
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
        return VectorSpec(
            name=reading.slot(column),
            size=size,
            distance=self._distance or _distance(column, warnings),
            datatype=_DATATYPES.get(column.base, "float32"),
        )

    def _size(self, rows: Rows, column: Column, warnings: list[str]) -> int | None:
        """The most frequent size of a column that takes any."""
        sizes = self._sessions.rows(*rows.sizes(column))
        if len(sizes) > 1:
            others = ", ".join(f"{counted(number, 'row')} with {size}" for size, number in sizes[1:4])
            odd = sum(number for _, number in sizes[1:])
            warnings.append(
                f"{plain(column.name)} holds vectors of different sizes: {sizes[0][0]} is taken, and"
                f" {counted(odd, 'row')} will be rejected ({others})"
            )
        return int(sizes[0][0]) if sizes else None

    def _sample(self, rows: Rows) -> list[dict[str, object]]:
        query, values = rows.page([], [])
        page = self._sessions.rows(query + SQL(" LIMIT {}").format(layouts.SAMPLE), values)
        return [payload_of(rows.reading, loads(row[-1])) for row in page]

    def _place(self) -> str:
        """What a cursor of a table without a key belongs to: any write anywhere changes it."""
        return str(self._sessions.rows(_VERSIONS)[0][2])


def _distance(column: Column, warnings: list[str]) -> Distance:
    if not column.distances:
        warnings.append(
            f"no index says how {plain(column.name)} is compared: Cosine is taken; ?distance= names another one"
        )
        return "Cosine"
    if len(column.distances) > 1:
        shown = ", ".join(column.distances)
        warnings.append(
            f"{plain(column.name)} has indexes for {shown}: the first is taken; ?distance= names another one"
        )
    return column.distances[0]


def _cursor(key: list[str], place: str = "") -> str:
    return json.dumps([place, *key] if place else key, ensure_ascii=False)


def _behind(cursor: Cursor, place: str, uri: SourceUri) -> list[str]:
    """The key in a cursor.

    Raises:
        SourceUnreadable: it is a place where a row lay, and something was written since.
    """
    if cursor is None:
        return []
    key: list[str] = json.loads(str(cursor))
    if not place:
        return key
    if key[0] != place:
        raise SourceUnreadable(
            f"{plain(uri.url)} was written to since the run began",
            why="the table has no primary key, so nobody can tell which rows were read already",
            fix=f"psql -c 'ALTER TABLE ... ADD PRIMARY KEY (...)'  # then: qdrant-admin migrate '{uri}'",
        )
    return key[1:]
