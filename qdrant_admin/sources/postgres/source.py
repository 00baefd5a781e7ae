"""PostgreSQL with pgvector: each table with vectors is a collection, and each of LangChain's in its one table."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from psycopg.sql import SQL

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Distance, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import WHOLE, Batch, Cursor, ServerUri, SourceCollection, Span, between
from qdrant_admin.sources.postgres import tables as queries
from qdrant_admin.sources.postgres.sessions import Sessions
from qdrant_admin.sources.postgres.tables import Column, Reading
from qdrant_admin.sources.servers import ServerReader

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
        found = queries.readings(queries.chosen(queries.tables(self._sessions), self.uri.options), self.uri.options)
        self._known = {reading.name: reading for reading in self._split(found)}
        return sorted(self._known)

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Parts of equal numbers of rows, cut at keys; one part where there is no key."""
        reading = self._known[name]
        if parts < 2 or not reading.key:
            return WHOLE
        count = int(self._sessions.rows(*reading.counts())[0][0])
        places = sorted({count * part // parts for part in range(1, parts)} - {0, count})
        borders = [_cursor(list(row[:-1])) for row in self._sessions.rows(*reading.borders(places))]
        return between(borders)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        reading = self._known[name]
        # Without a key, cursors depend on the snapshot: any write anywhere makes another one.
        place = "" if reading.key else str(self._sessions.rows(_VERSIONS)[0][2])
        query, values = reading.page(_behind(after, place, self.uri), _behind(until, place, self.uri))
        for page in self._sessions.pages(query, values, size):
            yield Batch([reading.record(row) for row in page], _cursor(reading.cursor(page[-1]), place))

    def mark(self, name: str) -> str:
        """What the table is made of. Its rows may change: what is read is one snapshot of them."""
        reading = self._known[name]
        columns = ", ".join(f"{column.name} {column.type} {column.size or ''}" for column in reading.table.columns)
        return f"{reading.roles.layout} by {[column.name for column in (*reading.key, *reading.id)]}: {columns}"

    def _split(self, found: list[Reading]) -> Iterator[Reading]:
        """LangChain keeps many collections in one table: each is one here as well."""
        names = [reading.name for reading in found]
        for reading in found:
            parts = self._langchain(reading) if reading.has_collections else []
            orphans = int(self._sessions.rows(queries.orphans_of(reading.table))[0][0]) if parts else 0
            title = plain(reading.table.title)
            note = f"{counted(orphans, 'row')} of {title} in no collection of LangChain's: not copied"
            note += f"; ?table={title}&layout=plain copies the whole table"
            for name, identity in parts:
                unique = f"{reading.name}.{name}" if name in names else name
                yield replace(reading, name=unique, only=("collection_id", identity), note=note if orphans else "")
            if not parts:
                yield reading

    def _langchain(self, reading: Reading) -> list[tuple[str, str]]:
        rows = self._sessions.rows(queries.collections_of(reading.table))
        found = [(str(name), str(identity)) for name, identity in rows]
        names = [name for name, _ in found]
        return [(name if names.count(name) == 1 else f"{name}-{identity[:8]}", identity) for name, identity in found]

    def describe(self, name: str) -> SourceCollection:
        reading = self._known[name]
        self._check_ids(reading)
        count, without = self._sessions.rows(*reading.counts())[0]
        warnings = list(self._warnings(reading, int(without)))
        warnings += [reading.note] if reading.note else []
        found = [self._slot(reading, column, warnings) for column in reading.vectors]
        slots = [slot for slot in found if slot is not None]
        layout = layouts.recognised(self._sample(reading)) if reading.roles.layout == "mem0" else reading.roles.layout
        spec = layouts.fitted(CollectionSpec(vectors=tuple(slots)), layout) if slots else None
        known = layouts.words(layout, by="" if self.layout_asked else "its columns")
        words = reading.words if reading.roles.layout == "plain" else known
        heirs = self._heirs(reading)
        return SourceCollection(
            name=name,
            count=int(count),
            spec=spec,
            payload=words,
            warnings=(*warnings, heirs) if heirs and count else tuple(warnings),
            absent="" if count else heirs,
        )

    def _heirs(self, reading: Reading) -> str:
        """Where more rows lie that a query over the table gives, and no other collection here; empty when nowhere."""
        read = {other.table.oid for other in self._known.values()}
        heirs = [title for oid, title in reading.table.heirs.items() if oid not in read]
        shown = ", ".join(map(plain, heirs[:5]))
        return f"{counted(len(heirs), 'table')} below it by inheritance, not read with it: {shown}" if heirs else ""

    def _check_ids(self, reading: Reading) -> None:
        if reading.certain:
            return
        doubles = int(self._sessions.rows(*reading.doubles())[0][0])
        if doubles:
            other = next((key[0] for key in reading.table.keys if len(key) == 1), "COLUMN")
            raise BadInput(
                f"column {plain(reading.id[0].name)} of {plain(reading.table.title)} is not an id",
                why=f"{counted(doubles, 'row')} without one, or with one that another row has",
                fix=Command("migrate", self.uri.asking(table=reading.table.title, id=other)),
            )

    def _warnings(self, reading: Reading, without: int) -> Iterator[str]:
        if without:
            columns = ", ".join(plain(column.name) for column in reading.vectors)
            yield f"{counted(without, 'row')} without a vector ({columns} is NULL) will be rejected"
        if not reading.key:
            yield "the table has no primary key: a stopped run can be resumed only while nobody writes to the database"
        if not reading.id:
            yield "no column is an id, so the place where a row lies becomes it; ?id=COLUMN names a better one"

    def _slot(self, reading: Reading, column: Column, warnings: list[str]) -> VectorSpec | None:
        if column.base == "sparsevec":
            if column.distances not in {(), ("Dot",)}:
                warnings.append(f"{plain(column.name)} is sparse: Qdrant compares such vectors by dot product only")
            return VectorSpec(name=reading.slot(column), kind="sparse")
        size = column.size or self._size(reading, column, warnings)
        if size is None:
            return None
        distance = self.distance_asked or _distance(column, warnings)
        datatype = "float16" if column.base == "halfvec" else "float32"
        return VectorSpec(name=reading.slot(column), size=size, distance=distance, datatype=datatype)

    def _size(self, reading: Reading, column: Column, warnings: list[str]) -> int | None:
        """The most frequent size in a column that allows any."""
        sizes = self._sessions.rows(*reading.sizes(column))
        if len(sizes) > 1:
            others = ", ".join(f"{counted(number, 'row')} with {size}" for size, number in sizes[1:4])
            odd = sum(number for _, number in sizes[1:])
            rejected = f"{counted(odd, 'row')} will be rejected ({others})"
            taken = f"holds vectors of different sizes: {sizes[0][0]} is taken"
            warnings.append(f"{plain(column.name)} {taken}, {rejected}")
        return int(sizes[0][0]) if sizes else None

    def _sample(self, reading: Reading) -> list[dict[str, object]]:
        query, values = reading.page([], [])
        page = self._sessions.rows(query + SQL(" LIMIT {}").format(layouts.SAMPLE), values)
        return [reading.payload(row[-1]) for row in page]


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
