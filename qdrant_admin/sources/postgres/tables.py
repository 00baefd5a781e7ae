"""What a PostgreSQL says of its tables with vectors, the queries over one, and what a row of them becomes."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from psycopg.sql import SQL, Composable, Composed, Identifier

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AccessDenied, BadInput
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Distance, Sparse, Vector
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import Payload, Record
from qdrant_admin.sources.layouts import Layout, lay_out, layout_option
from qdrant_admin.sources.postgres.sessions import Sessions

_VECTOR_TYPES = ("vector", "halfvec", "sparsevec")
_VIEWS = "vf"
"""Kinds of relations that hold no rows of their own: views and foreign tables."""
_NO = SQL("")
Query = tuple[Composed, tuple[object, ...]]
_DISTANCES: dict[str, Distance] = {"l2": "Euclid", "ip": "Dot", "cosine": "Cosine", "l1": "Manhattan"}
_OPERATORS = re.compile(r"(?:vector|halfvec|sparsevec)_(l2|ip|cosine|l1)_ops")
_COLUMNS = """
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, has_table_privilege(c.oid, 'SELECT'),
       a.attname::text, format_type(a.atttypid, -1), t.typname::text, a.atttypmod, tn.nspname::text
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_namespace tn ON tn.oid = t.typnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND NOT c.relispartition
  AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
  AND EXISTS (SELECT FROM pg_attribute va JOIN pg_type vt ON vt.oid = va.atttypid
              WHERE va.attrelid = c.oid AND NOT va.attisdropped AND vt.typname = ANY(%s))
ORDER BY n.nspname, c.relname, a.attnum
"""
_KEYS = """
SELECT i.indrelid, array_agg(a.attname::text ORDER BY k.place), bool_and(a.attnotnull), i.indisprimary
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
  AND k.place <= i.indnkeyatts AND i.indrelid = ANY(%s)
GROUP BY i.indexrelid, i.indrelid, i.indisprimary
ORDER BY i.indisprimary DESC, count(*), i.indexrelid
"""
_INDEXES = """
SELECT i.indrelid, pg_get_indexdef(i.indexrelid, k.place::int, true), o.opcname::text
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indclass) WITH ORDINALITY AS k(class, place)
JOIN pg_opclass o ON o.oid = k.class
WHERE i.indisvalid AND i.indrelid = ANY(%s)
ORDER BY i.indexrelid, k.place
"""

_HEIRS = """
SELECT h.inhparent, h.inhrelid, h.inhrelid::regclass::text FROM pg_inherits h
JOIN pg_class c ON c.oid = h.inhparent AND c.relkind = 'r'
WHERE h.inhparent = ANY(%s) ORDER BY 3
"""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    """Its type with its schema, as it can be cast to."""
    base: str
    size: int | None
    """Declared components of a vector; None when every row may have its own."""
    type_schema: str
    distances: tuple[Distance, ...]
    """Of the indexes over it, each once."""

    @property
    def is_vector(self) -> bool:
        return self.base in _VECTOR_TYPES


@dataclass(frozen=True, slots=True)
class Table:
    oid: int
    schema: str
    name: str
    kind: str
    """`r` table, `p` partitioned, `m` materialised view, `v` view, `f` foreign table."""
    readable: bool
    columns: list[Column]
    keys: list[tuple[str, ...]]
    """Columns that tell rows apart, by a unique index without NULL; the primary key first."""
    heirs: dict[int, str]
    """Tables that inherit from it, such as the chunks of TimescaleDB: each is read for itself."""

    @property
    def title(self) -> str:
        """Its name, with its schema where that is not the usual one."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column:
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            shown = ", ".join(plain(one.name) for one in self.columns)
            raise BadInput(f"{plain(self.title)} has no column {plain(name)}", why=f"it has {shown}", fix=HELP)
        return found


def tables(sessions: Sessions) -> list[Table]:
    """Every table and view with a vector column, by name."""
    rows = sessions.rows(_COLUMNS, (list(_VECTOR_TYPES),))
    oids = list({row[0] for row in rows})
    keys: defaultdict[int, list[tuple[str, ...]]] = defaultdict(list)
    for oid, names, never_null, _ in sessions.rows(_KEYS, (oids,)):
        if never_null:
            keys[oid].append(tuple(names))
    indexes: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for oid, over, operators in sessions.rows(_INDEXES, (oids,)):
        indexes[oid].append((over, operators))
    heirs: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for oid, heir, title in sessions.rows(_HEIRS, (oids,)):
        heirs[oid][heir] = title
    found: dict[int, Table] = {}
    for oid, schema, name, kind, readable, column, cast, base, modifier, type_schema in rows:
        table = found.setdefault(oid, Table(oid, schema, name, kind, readable, [], keys[oid], heirs[oid]))
        size = modifier if base in _VECTOR_TYPES and modifier > 0 else None
        distances = _distances(column, indexes[oid]) if base in _VECTOR_TYPES else ()
        table.columns.append(Column(column, cast, base, size, type_schema, distances))
    return list(found.values())


def _distances(column: str, indexes: list[tuple[str, str]]) -> tuple[Distance, ...]:
    """An index may also be over an expression of the column: `embedding::halfvec(3072)`."""
    bare, quoted = re.escape(column), re.escape(column.replace('"', '""'))
    word = re.compile(rf'(?<![\w"]){bare}(?![\w"])|"{quoted}"')
    matches = [_OPERATORS.fullmatch(operators) for over, operators in indexes if word.search(over)]
    return tuple(dict.fromkeys(_DISTANCES[match[1]] for match in matches if match))


_TEXTS = ("document", "content", "text", "page_content", "data")
_METADATA = ("cmetadata", "langchain_metadata", "metadata_", "metadata", "meta", "payload")


class Roles(NamedTuple):
    """What the columns of a table are to the program that made it."""

    layout: Layout
    text: str | None = None
    metadata: str | None = None
    id: str | None = None


_LANGCHAIN_V2 = {"langchain_id", "content", "embedding"}
_KNOWN: tuple[tuple[set[str], Roles], ...] = (
    ({"collection_id", "embedding", "document", "cmetadata"}, Roles("langchain", "document", "cmetadata")),
    ({*_LANGCHAIN_V2, "langchain_metadata"}, Roles("langchain", "content", "langchain_metadata", "langchain_id")),
    (_LANGCHAIN_V2, Roles("langchain", "content", None, "langchain_id")),
    ({"id", "text", "metadata_", "node_id", "embedding"}, Roles("llamaindex", "text", "metadata_", "node_id")),
    ({"id", "vector", "payload"}, Roles("mem0", None, "payload")),
)
"""Columns that a program's tables have, all of them."""
_BOOKKEEPING: dict[Layout, tuple[str, ...]] = {"langchain": ("collection_id",), "llamaindex": ("id", "text_search_tsv")}
"""What such a program keeps elsewhere in Qdrant, or nowhere."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one table become records of one collection, and the queries over them.

    Every identifier is quoted, every value a parameter.
    """

    name: str
    table: Table
    vectors: tuple[Column, ...]
    key: tuple[Column, ...]
    """What rows are ordered by, and gone on behind; empty: the place where a row lies."""
    id: tuple[Column, ...]
    """What makes the id; empty: the place where a row lies."""
    certain: bool
    """Whether the id is unique by an index."""
    roles: Roles
    left_out: tuple[str, ...]
    only: tuple[str, str] | None = None
    """The one value that a column has in this collection."""
    note: str = ""

    @property
    def fields(self) -> tuple[Column, ...]:
        gone = {column.name for column in (*self.vectors, *(self.id if len(self.id) == 1 else ()))} | {*self.left_out}
        return tuple(column for column in self.table.columns if column.name not in gone)

    @property
    def has_collections(self) -> bool:
        """Whether this is LangChain's table that holds many collections."""
        return self.table.name == "langchain_pg_embedding" and self.roles[::2] == ("langchain", "cmetadata")

    @property
    def words(self) -> str:
        """How the payload is laid out that is not one of a known program."""
        skipped = f", without {', '.join(plain(name) for name in self.left_out)}" if self.left_out else ""
        numbers = "numbers with more digits than 64 bits hold as text"
        return f"one field per column{skipped}; dates as RFC 3339 text, bytea as base64, {numbers}"

    def slot(self, column: Column) -> str:
        """The name of a column's vector in the target: one dense vector has none."""
        return "" if len(self.vectors) == 1 and column.base != "sparsevec" else column.name

    def page(self, after: list[str], until: list[str]) -> Query:
        """Rows behind one key, up to another; each an empty list for none."""
        wheres: list[Composed] = []
        values: list[object] = []
        for key, sign in ((after, ">"), (until, "<=")):
            if key:
                wheres.append(SQL("({}) {} ({})").format(self._key(), SQL(sign), self._casts()))
                values += key
        order = SQL(" ORDER BY {}").format(self._key()) if self.key else _NO
        return self._over(self._select(), wheres, values, order)

    def counts(self) -> Query:
        """How many rows there are, and how many of them have no vector at all."""
        nulls = SQL(" AND ").join(SQL("{} IS NULL").format(_of(column.name)) for column in self.vectors)
        return self._over(SQL("count(*), count(*) FILTER (WHERE {})").format(nulls))

    def sizes(self, column: Column) -> Query:
        """How many rows have how many components, the most frequent first."""
        size = SQL("{}.vector_dims({}), count(*)").format(_quoted(column.type_schema), _of(column.name))
        there = SQL("{} IS NOT NULL").format(_of(column.name))
        return self._over(size, [there], tail=SQL(" GROUP BY 1 ORDER BY 2 DESC, 1").format())

    def doubles(self) -> Query:
        """How many rows have no id, or one that another row has."""
        return self._over(SQL("count(*) - count(DISTINCT {})").format(_of(self.id[0].name)))

    def borders(self, places: list[int]) -> Query:
        """The keys of the rows at these places of the order, the first being 1."""
        texts = [SQL("{}::text AS {}").format(_of(one.name), _quoted(f"key{n}")) for n, one in enumerate(self.key)]
        keys = SQL(", ").join(texts)
        numbered, values = self._over(SQL("{}, row_number() OVER (ORDER BY {}) AS n").format(keys, self._key()))
        return SQL("SELECT * FROM ({}) AS s WHERE n = ANY(%s) ORDER BY n").format(numbered), (*values, places)

    def cursor(self, row: tuple[object, ...]) -> list[str]:
        return [str(value) for value in row[: max(1, len(self.key))]]

    def record(self, row: tuple[Any, ...]) -> Record:
        keys, ids = max(1, len(self.key)), max(1, len(self.id))
        identity = _identity(self.id, row[keys : keys + ids])
        vectors = {
            self.slot(column): _VECTORS[column.base](value)
            for column, value in zip(self.vectors, row[keys + ids : -1], strict=True)
            if value is not None
        }
        try:
            record = Record(identity, self.payload(row[-1]), vectors)
        except RecursionError:
            return Record(identity, vectors=vectors, trouble="its payload nests deeper than can be read")
        if not vectors:
            record.trouble = f"it has no vector: {', '.join(column.name for column in self.vectors)} is NULL"
        return record

    def payload(self, text: str) -> Payload:
        """From a row as PostgreSQL writes it in JSON; a number that would lose digits stays text."""
        row: Payload = _DECODER.raw_decode(text)[0]
        layout, text_field, metadata_field, _ = self.roles
        document = row.pop(text_field, None) if text_field else None
        metadata = row.pop(metadata_field, None) if metadata_field else None
        if layout != "plain":
            row = {field: value for field, value in row.items() if value is not None}
        if isinstance(metadata, dict):
            row |= metadata
        elif metadata is not None and metadata_field:
            row[metadata_field] = metadata
        return row if layout == "plain" else lay_out(layout, row, document, field=text_field or "document")

    def _select(self) -> Composed:
        place = [SQL("t.ctid::text")]  # where a row lies, in a table that has nothing else
        keys = [SQL("{}::text").format(_of(column.name)) for column in self.key] or place
        ids = [SQL("{}::text").format(_of(column.name)) for column in self.id] or place
        vectors = [_of(column.name) for column in self.vectors]
        fields = SQL(", ").join(_field(column) for column in self.fields)
        payload = SQL("(SELECT row_to_json(p)::text FROM (SELECT {}) AS p)").format(fields)
        return SQL(", ").join([*keys, *ids, *vectors, payload if self.fields else SQL("'{}'")])

    def _key(self) -> Composed:
        return SQL(", ").join([_of(column.name) for column in self.key] or [_of("ctid")])

    def _casts(self) -> Composed:
        kinds = [column.type for column in self.key] or ["tid"]
        return SQL(", ").join(SQL("CAST(%s AS {})").format(SQL(kind.replace("%", "%%"))) for kind in kinds)

    def _over(
        self, what: Composed, wheres: Sequence[Composed] = (), values: Sequence[object] = (), tail: Composable = _NO
    ) -> Query:
        """A query over the rows of this collection, which may be some of those in the table."""
        if self.only is not None:
            column, value = self.only
            wheres = [SQL("{} = CAST(%s AS uuid)").format(_of(column)), *wheres]
            values = [value, *values]
        where = SQL("WHERE {}").format(SQL(" AND ").join(wheres)) if wheres else _NO
        query = SQL("SELECT {} FROM {} AS t {}{}").format(what, relation(self.table), where, tail)
        return query, tuple(values)


def collections_of(table: Table) -> Composed:
    collections = _quoted(table.schema, "langchain_pg_collection")
    return SQL("SELECT name::text, uuid::text FROM {} ORDER BY 1, 2").format(collections)


def orphans_of(table: Table) -> Composed:
    """How many rows of that table belong to none of them."""
    query = "SELECT count(*) FROM {} AS t WHERE NOT EXISTS (SELECT FROM {} AS c WHERE c.uuid = t.collection_id)"
    return SQL(query).format(relation(table), _quoted(table.schema, "langchain_pg_collection"))


def _quoted(*parts: str) -> Identifier:
    """An identifier of a query that has parameters, where a per cent sign stands twice."""
    return Identifier(*(part.replace("%", "%%") for part in parts))


def relation(table: Table) -> Composed:
    """A table in FROM: without the tables that inherit from it, which are read for themselves."""
    only = SQL("ONLY " if table.kind not in {*_VIEWS, "p"} else "")
    return SQL("{}{}").format(only, _quoted(table.schema, table.name))


def _of(column: str) -> Composed:
    return SQL("t.{}").format(_quoted(column))


def _field(column: Column) -> Composed:
    if column.base == "bytea":
        return SQL("translate(encode({}, 'base64'), E'\\n', '') AS {}").format(_of(column.name), _quoted(column.name))
    return _of(column.name)


def _identity(columns: tuple[Column, ...], values: tuple[str, ...]) -> int | str:
    """One column is the id itself, several are their texts as a JSON list."""
    if len(columns) > 1:
        return json.dumps(values, ensure_ascii=False)
    return int(values[0]) if columns and columns[0].base in {"int2", "int4", "int8"} else values[0]


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


def chosen(tables: list[Table], options: Mapping[str, str]) -> list[Table]:
    """The tables that a URI asks for: one by `?table=`, otherwise all that hold rows of their own."""
    wanted = options.get("table")
    if wanted is None:
        found = [table for table in tables if table.kind not in _VIEWS]
    else:
        found = [table for table in tables if wanted in {table.title, f"{table.schema}.{table.name}"}]
        if not found:
            shown = ", ".join(plain(table.title) for table in tables[:10]) or "none at all"
            raise BadInput(f"there is no table {plain(wanted)} with a vector column", why=f"there is {shown}", fix=HELP)
    for table in found:
        if not table.readable:
            grant = f"""psql -c 'GRANT SELECT ON "{table.schema}"."{table.name}" TO ...'"""
            raise AccessDenied(
                f"this user may not read the table {plain(table.title)}",
                why="its rows would be missing without a word",
                fix=f"{grant}  # or ?table= for another one",
            )
    return found


def readings(tables: list[Table], options: Mapping[str, str]) -> list[Reading]:
    """One per table; LangChain's table is split up by its collections later."""
    titles = [table.title for table in tables]
    # A table called `a.b` in public may stand beside a table b in the schema a.
    names = [one.title if titles.count(one.title) == 1 else f"{one.schema}.{one.name}" for one in tables]
    return [_reading(table, name, options) for table, name in zip(tables, names, strict=True)]


def _reading(table: Table, name: str, options: Mapping[str, str]) -> Reading:
    vectors = tuple(_vectors(table, options.get("vector")))
    roles = _roles(table, layout_option(options))
    known = options.get("id", roles.id)
    key = table.keys[0] if table.keys else ()
    if known is not None:
        table.column(known)
        key = key or ((known,) if table.kind in _VIEWS else ())
    elif table.kind in _VIEWS or (table.kind == "p" and not key):
        kind = {"v": "a view", "f": "a foreign table"}.get(table.kind, "partitioned, without a key")
        raise BadInput(
            f"{plain(table.title)} is {kind}, and nothing distinguishes its rows",
            why="a point needs an id that stays the same",
            fix=Command("migrate", f"postgresql://...?table={table.title}&id=COLUMN"),
        )
    names = (known,) if known is not None else key
    skipped = _BOOKKEEPING.get(roles.layout, ())
    others = (one for one in table.columns if one not in vectors)
    return Reading(
        name=name,
        table=table,
        vectors=vectors,
        key=tuple(table.column(one) for one in key),
        id=tuple(table.column(one) for one in names),
        certain=not names or names in table.keys,
        roles=roles,
        left_out=tuple(one.name for one in others if one.is_vector or one.name in skipped),
    )


def _roles(table: Table, asked: Layout | None) -> Roles:
    names = {column.name for column in table.columns}
    if asked is None:
        return next((roles for known, roles in _KNOWN if names >= known), Roles("plain"))
    if asked == "plain":
        return Roles("plain")
    text = next((name for name in _TEXTS if name in names), None)
    return Roles(asked, text, next((name for name in _METADATA if name in names), None))


def _vectors(table: Table, wanted: str | None) -> Iterator[Column]:
    if wanted is None:
        yield from (column for column in table.columns if column.is_vector)
        return
    for name in wanted.split(","):
        column = table.column(name)
        if not column.is_vector:
            what = f"column {plain(name)} of {plain(table.title)} is not a vector"
            raise BadInput(what, why=f"it is of type {column.base}", fix=HELP)
        yield column
